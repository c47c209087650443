//! Metrics as a Prometheus text file, for the textfile collector of node_exporter.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::outcome::{DrillResult, Outcome};
use crate::verdict::Verdict;

/// A drill, and when its scenario was last PROVEN.
pub struct Measured<'a> {
    /// The drill.
    pub result: &'a DrillResult,
    /// Its verdict.
    pub verdict: Verdict,
    /// When the newest drill of the scenario that was PROVEN began; `None` where no log has one.
    pub last_proven: Option<Timestamp>,
}

/// A metric: its name after `redrill_drill_`, its help, and its samples: further labels and value.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: fn(&Measured<'_>) -> Vec<(String, f64)>,
}

const METRICS: [Metric; 12] = [
    Metric {
        name: "verdict",
        help: "1 for the verdict of the last drill, 0 for the others.",
        samples: |drill| {
            let sample = |verdict: &Verdict| {
                let label = format!(",verdict=\"{}\"", verdict.word());
                (label, number(*verdict == drill.verdict))
            };
            Verdict::ALL.iter().map(sample).collect()
        },
    },
    Metric {
        name: "passed",
        help: "Whether everything that the last drill was to test passed.",
        samples: |drill| vec![plain(number(drill.verdict.passed()))],
    },
    Metric {
        name: "started_timestamp_seconds",
        help: "When the last drill began.",
        samples: |drill| vec![plain(seconds(drill.result.started))],
    },
    Metric {
        name: "last_proven_timestamp_seconds",
        help: "When the newest drill that was PROVEN began.",
        samples: |drill| {
            drill
                .last_proven
                .map(|at| plain(seconds(at)))
                .into_iter()
                .collect()
        },
    },
    Metric {
        name: "duration_seconds",
        help: "Wall time of the last drill.",
        samples: |drill| vec![plain(drill.result.duration.as_secs_f64())],
    },
    Metric {
        name: "restore_seconds",
        help: "Time of the restore.",
        samples: |drill| {
            let restore = drill.result.restore.iter();
            restore
                .map(|restore| plain(restore.duration.as_secs_f64()))
                .collect()
        },
    },
    Metric {
        name: "backup_timestamp_seconds",
        help: "When the backup was made.",
        samples: |drill| {
            made(drill)
                .map(|at| plain(seconds(at)))
                .into_iter()
                .collect()
        },
    },
    Metric {
        name: "backup_age_seconds",
        help: "Age of the backup when the drill began.",
        samples: |drill| {
            let age = made(drill).map(|at| seconds(drill.result.started) - seconds(at));
            age.map(plain).into_iter().collect()
        },
    },
    Metric {
        name: "backup_bytes",
        help: "Size of the backup.",
        samples: |drill| {
            let backup = drill.result.backup.iter();
            backup.map(|backup| plain(whole(backup.bytes))).collect()
        },
    },
    Metric {
        name: "backup_rows",
        help: "Rows of all tables in the backup.",
        samples: |drill| {
            let backup = drill.result.backup.iter();
            backup.map(|backup| plain(whole(backup.rows))).collect()
        },
    },
    Metric {
        name: "checks",
        help: "Checks by outcome.",
        samples: |drill| {
            let outcomes = ["pass", "fail", "waived", "error", "skipped"];
            let count = |word: &str| {
                let checks = drill.result.checks.iter();
                checks
                    .filter(|check| outcome(&check.outcome) == word)
                    .count()
            };
            let sample = |word: &&str| (format!(",outcome=\"{word}\""), whole(count(word) as u64));
            outcomes.iter().map(sample).collect()
        },
    },
    Metric {
        name: "objective_met",
        help: "Whether an objective was met; absent where it was not measured.",
        samples: |drill| {
            let objectives = drill.result.objectives.iter();
            let sample = |objective: &crate::outcome::Objective| {
                let label = format!(",objective=\"{}\"", escape(&objective.name));
                Some((label, number(objective.met()?)))
            };
            objectives.filter_map(sample).collect()
        },
    },
];

/// Writes the metrics of all drills: each metric with its help, and a sample for each scenario.
#[must_use]
pub fn render(drills: &[Measured<'_>]) -> String {
    let mut text = String::new();
    for metric in &METRICS {
        let mut samples = String::new();
        for drill in drills {
            let scenario = escape(&drill.result.scenario.title());
            for (labels, value) in (metric.samples)(drill) {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    samples,
                    "redrill_drill_{}{{scenario=\"{scenario}\"{labels}}} {value}",
                    metric.name
                );
            }
        }
        if !samples.is_empty() {
            let Metric { name, help, .. } = metric;
            let _ = write!(
                text,
                "# HELP redrill_drill_{name} {help}\n# TYPE redrill_drill_{name} gauge\n{samples}"
            );
        }
    }
    text
}

const fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Waived => "waived",
        Outcome::Error(_) => "error",
        Outcome::Skipped { .. } => "skipped",
    }
}

fn made(drill: &Measured<'_>) -> Option<Timestamp> {
    Some(drill.result.backup.as_ref()?.made?.0)
}

const fn plain(value: f64) -> (String, f64) {
    (String::new(), value)
}

fn number(value: bool) -> f64 {
    f64::from(u8::from(value))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "all numbers of Prometheus are floats"
)]
fn whole(value: u64) -> f64 {
    value as f64
}

fn seconds(at: Timestamp) -> f64 {
    std::time::Duration::try_from(at.duration_since(Timestamp::UNIX_EPOCH))
        .unwrap_or_default()
        .as_secs_f64()
}

/// Escapes the value of a label.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
