//! `redrill history` and `redrill compare`: what the log says of past drills.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style};

use super::abort::{Abort, Ended};
use super::print::out;
use super::verify::existing_state;
use crate::cli;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::ledger::changes::changes;
use crate::ledger::statement::{Entry, Kind};
use crate::ledger::{entries, oldest_first};
use crate::report::text::line;
use crate::units::{show_bytes, show_count, show_counted, show_duration};
use crate::verdict::RehearsalVerdict;

/// Runs `redrill history`.
pub async fn run(arguments: cli::History, environment: &Environment) -> Ended {
    let state = existing_state(&arguments.state, environment).await?;
    let since = arguments.since.map(|span| {
        let span = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(span).unwrap_or(Timestamp::MIN)
    });
    let wanted = |entry: &Entry| {
        since.is_none_or(|since| entry.drill.began >= since)
            && (arguments.scenarios.is_empty()
                || arguments.scenarios.contains(&entry.drill.scenario))
    };
    let mut entries = std::pin::pin!(oldest_first(&state).await?);
    let mut table = Table::new();
    let mut latest = Latest::default();
    let mut found: usize = 0;
    let mut proven: usize = 0;
    while let Some(entry) = entries.next().await {
        let Some(entry) = entry?.filter(wanted) else {
            continue;
        };
        if arguments.json {
            let json = serde_json::to_string(&entry)
                .map_err(|error| Abort::internal(error.to_string()))?;
            out(&format!("{} {json}", if found == 0 { "[" } else { "," }));
        } else if !arguments.controls {
            table.push(&entry);
        }
        found += 1;
        let is_safe = entry.drill.verdict == RehearsalVerdict::Safe.word();
        proven += usize::from(entry.drill.is_proven() || is_safe);
        latest.add(entry);
    }
    if arguments.json {
        out(if found == 0 { "[]" } else { "]" });
        return Ok(Ending::Done);
    }
    if found == 0 {
        return Err(Abort::nothing_found(format!(
            "{} has no such drill",
            state.place()
        )));
    }
    if arguments.controls {
        out(&latest.controls());
        return Ok(Ending::Done);
    }
    out(&table.text());
    let overdue = latest.overdue(Timestamp::now());
    let waived = latest.waived();
    overdue
        .iter()
        .chain(&waived)
        .for_each(|text| out(&line(text)));
    out(&format!(
        "\n{}, {} of them PROVEN or SAFE. None of it is verified: `redrill verify`",
        show_counted(count(found), "record"),
        show_count(count(proven))
    ));
    Ok(Ending::Done)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The latest drills of each scenario.
#[derive(Default)]
struct Latest {
    /// The newest drill of all checks.
    newest: BTreeMap<String, Entry>,
    /// The newest that is PROVEN.
    proven: BTreeMap<String, Entry>,
}

impl Latest {
    fn add(&mut self, entry: Entry) {
        if entry.drill.kind == Kind::Drill && entry.drill.only.is_empty() {
            let name = entry.drill.scenario.clone();
            if entry.drill.is_proven() {
                self.proven.insert(name.clone(), entry.clone());
            }
            self.newest.insert(name, entry);
        }
    }

    /// A line for each scenario that was not proven within its cadence.
    fn overdue(&self, now: Timestamp) -> Vec<String> {
        let overdue = self.newest.iter().filter_map(|(name, newest)| {
            let every = Duration::try_from_secs_f64(newest.drill.every_s?).ok()?;
            let show = |duration| show_duration(duration);
            match self.proven.get(name) {
                None => Some(format!(
                    "OVERDUE  {name}: never PROVEN, and every {} is asked for",
                    show(every)
                )),
                Some(proven) => {
                    let age = now.duration_since(proven.drill.began).unsigned_abs();
                    (age > every).then(|| {
                        format!(
                            "OVERDUE  {name}: PROVEN {} ago, and every {} is asked for",
                            show(age),
                            show(every)
                        )
                    })
                }
            }
        });
        overdue.collect()
    }

    /// A line for each waiver that the newest drill of a scenario rests on.
    fn waived(&self) -> Vec<String> {
        let waived = self.newest.iter().flat_map(|(name, newest)| {
            newest.drill.waivers.iter().map(move |waiver| {
                format!(
                    "WAIVED   {name}: {} of {} on {}, by {} until {}: {}",
                    show_counted(waiver.findings, "finding"),
                    waiver.check,
                    waiver.object,
                    waiver.owner,
                    waiver.until,
                    waiver.reason
                )
            })
        });
        waived.collect()
    }

    /// A line for each control and scenario: whether its newest drill is evidence.
    fn controls(&self) -> String {
        let mut lines = Vec::new();
        for (name, newest) in &self.newest {
            for (control, evidence) in &newest.drill.controls {
                let word = if *evidence { "evidence" } else { "NO EVIDENCE" };
                let Entry {
                    position, drill, ..
                } = newest;
                lines.push(line(&format!(
                    "{control:<20} {word:<12} {name}, entry {}, {}, {}",
                    position.index,
                    drill.verdict,
                    minute(drill.began)
                )));
            }
        }
        lines.sort();
        if lines.is_empty() {
            return "no scenario of these drills names a control: add `controls = [\"SOC2:A1.3\"]`"
                .to_owned();
        }
        lines.join("\n")
    }
}

/// One line for each entry.
struct Table(Builder);

impl Table {
    fn new() -> Self {
        let mut builder = Builder::default();
        builder.push_record([
            "entry",
            "began",
            "scenario",
            "verdict",
            "backup taken",
            "size",
            "rows",
            "restored in",
            "by",
        ]);
        Self(builder)
    }

    fn push(
        &mut self,
        Entry {
            position, drill, ..
        }: &Entry,
    ) {
        let backup = drill.backup.as_ref();
        let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let restore = drill
            .restore_s
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let scenario = match drill.only.as_slice() {
            [] => drill.scenario.clone(),
            only => format!("{} (only {})", drill.scenario, only.join(", ")),
        };
        let row = [
            position.index.to_string(),
            minute(drill.began),
            scenario,
            drill.verdict.clone(),
            dash(backup.and_then(|backup| backup.made).map(minute)),
            dash(backup.map(|backup| show_bytes(backup.size_bytes))),
            dash(backup.map(|backup| show_count(backup.rows))),
            dash(restore.map(show_duration)),
            drill.actor.clone(),
        ];
        self.0.push_record(row.iter().map(|cell| line(cell)));
    }

    fn text(self) -> String {
        let mut table = self.0.build();
        table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
        for column in [0, 5, 6, 7] {
            table.modify(Columns::one(column), Alignment::right());
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// A time in UTC, to the minute.
fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Runs `redrill compare`.
pub async fn compare(arguments: cli::Compare, environment: &Environment) -> Ended {
    let state = existing_state(&arguments.state, environment).await?;
    let all = entries(&state).await?;
    let find = |name: &str| {
        let named = all
            .iter()
            .find(|entry| entry.position.index.to_string() == name || entry.drill.run == name);
        named.ok_or_else(|| {
            Abort::nothing_found(format!(
                "{} has no entry `{name}`\nhint: name the number of an entry or the id of a run; `redrill history` lists them",
                state.place()
            ))
        })
    };
    let (before, after) = (find(&arguments.before)?, find(&arguments.after)?);
    for entry in [before, after] {
        out(&line(&format!(
            "{:>5}  {}  {}  {}",
            entry.position.index,
            minute(entry.drill.began),
            entry.drill.scenario,
            entry.drill.verdict
        )));
    }
    let changes = changes(&before.drill, &after.drill);
    for change in &changes {
        out(&format!("- {}", line(change)));
    }
    if changes.is_empty() {
        out("no difference in what the log has");
    }
    Ok(Ending::Done)
}
