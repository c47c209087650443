//! Everything: every stage, every check, the rows of the largest tables, what was tolerated.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style, Width};

use super::paper::{INDENT, Paper};
use super::{check_lines, stage_lines};
use crate::outcome::{CheckResult, DrillResult, Outcome};
use crate::report::text::line;
use crate::report::view;
use crate::units::{show_bytes, show_count, show_counted, show_duration};
use crate::verdict::Verdict;

/// The longest list of findings of one check or stage.
const FINDINGS: usize = 10;
/// The longest list of tables whose rows differ.
const DIFFERENCES: usize = 10;
/// How many of the largest tables are shown.
const LARGEST: usize = 5;
/// How many of the backups that were not selected are shown.
const CANDIDATES: usize = 3;
/// The longest of all other lists.
const LIST: usize = 20;

/// Writes what follows the headline.
pub(super) fn write(paper: &mut Paper, result: &DrillResult, verdict: Verdict) {
    let reasons = view::decisive(result);
    for reason in reasons.iter().take(FINDINGS) {
        paper.wrap(&format!("- {reason}"), 0, 2);
    }
    paper.more(reasons.len().saturating_sub(FINDINGS), 0);
    paper.blank();
    if let Some(severity) = view::severity(result, verdict) {
        paper.fact("severity", severity);
    }
    if let Some(delivery) = &result.incident {
        paper.fact("incident", &view::delivery(delivery));
    }
    for delivery in &result.notified {
        paper.fact("notified", &view::delivery(delivery));
    }
    backup(paper, result);
    restored(paper, result);
    for objective in &result.objectives {
        paper.fact("objective", &view::objective_line(objective));
    }
    for weakness in view::weaknesses(result) {
        paper.fact("isolation", weakness);
    }
    if let Some(last) = &result.since {
        paper.fact("since", &view::since_line(last));
    }
    for waiver in &result.waivers {
        paper.fact("waiver", &view::waiver_line(waiver));
    }
    let not_tested = result.not_tested.iter();
    list(
        paper,
        "not tested",
        not_tested.map(|item| format!("{}: {}", item.what, item.why)),
    );
    if let Some(upgrade) = view::upgrade(result) {
        paper.fact("upgrade", &view::upgrade_line(upgrade));
        list(
            paper,
            "steps of the upgrade",
            upgrade.steps.iter().map(view::step_line),
        );
        list(
            paper,
            "differences of the two majors",
            upgrade.explained.iter().map(view::explained_line),
        );
    }
    checks(paper, result);
    list(paper, "as whom", view::ran_as(result).into_iter());
    stages(paper, result);
    rows(paper, result);
    remarks(paper, result);
    paper.blank();
}

fn backup(paper: &mut Paper, result: &DrillResult) {
    match &result.backup {
        Some(backup) => {
            let size = show_bytes(backup.bytes);
            paper.fact(
                "backup",
                &format!("{}, {size}, {}", backup.origin, backup.format),
            );
            paper.fact("taken", &view::made(backup, result.started));
            paper.fact("selected", &backup.chosen);
            for (name, one) in &backup.consists_of {
                paper.fact("part", &format!("{name}: {}", one.chosen));
            }
            let others = backup
                .candidates
                .iter()
                .filter(|one| one.not_taken.is_some());
            for candidate in others.take(CANDIDATES) {
                let why = candidate.not_taken.as_deref().unwrap_or_default();
                paper.wrap(
                    &format!("not {}: {why}", candidate.name),
                    INDENT,
                    INDENT + 2,
                );
            }
            if let Some(agrees) = &backup.digest {
                paper.fact("digest", agrees);
            }
            if let Some(previous) = &backup.previous {
                paper.fact("previous", previous);
            }
            for companion in &backup.companions {
                paper.fact("companion", &view::companion(companion, result.started));
            }
        }
        None => paper.fact("backup", "none was found, or it could not be read"),
    }
}

fn restored(paper: &mut Paper, result: &DrillResult) {
    match &result.server {
        Some(server) => {
            paper.fact("server", &view::server(server));
            for (name, other) in &result.other_servers {
                paper.fact("server", &format!("{name}: {}", view::server(other)));
            }
        }
        None => paper.fact("server", "none was started"),
    }
    if let Some(restore) = &result.restore {
        let mut time = format!("in {}", show_duration(restore.duration));
        let phases: Vec<String> = restore
            .phases
            .iter()
            .map(|phase| format!("{} {}", phase.name, show_duration(phase.duration)))
            .collect();
        if !phases.is_empty() {
            time.push_str(&format!(" ({})", phases.join(", ")));
        }
        if let Some(processor) = restore.processor {
            let processor = show_duration(processor);
            time.push_str(&format!("; {processor} of processor time of the server"));
        }
        if let Some(analyzed) = restore.analyzed {
            time.push_str(&format!("; then ANALYZE {}", show_duration(analyzed)));
        }
        paper.fact("restored", &time);
        let (longest, others) = view::longest_steps(&restore.steps);
        for step in longest {
            let took = show_duration(step.duration);
            paper.fact("", &format!("{took} {}", step.what));
        }
        paper.more(others, INDENT);
    }
    paper.fact("drill", &format!("took {}", show_duration(result.duration)));
}

fn stages(paper: &mut Paper, result: &DrillResult) {
    if result.stages.is_empty() {
        return;
    }
    paper.section("stages");
    for stage in &result.stages {
        stage_lines(paper, stage, FINDINGS);
    }
}

fn checks(paper: &mut Paper, result: &DrillResult) {
    paper.section(&view::check_counts(result));
    let (skipped, others): (Vec<_>, Vec<_>) = view::by_severity(result)
        .into_iter()
        .partition(|check| matches!(check.outcome, Outcome::Skipped { .. }));
    // Objects of one check that passed are one line here; the other reports list every object.
    let together = |a: &&CheckResult, b: &&CheckResult| {
        let passed = [a, b].map(|check| check.outcome == Outcome::Pass && check.object.is_some());
        passed == [true, true] && a.id == b.id
    };
    for group in others.chunk_by(together) {
        match group {
            [one] => check_lines(paper, result, one, FINDINGS),
            many => {
                let objects = many.iter().filter_map(|one| one.object.as_deref());
                let objects: Vec<&str> = objects.collect();
                let name = many.first().map_or("", |one| &one.name);
                let text = format!("{name}: each of {}, {}", many.len(), objects.join(", "));
                paper.outcome_line(&Outcome::Pass, &text);
            }
        }
    }
    for (reason, checks) in view::skipped(result, |check| skipped.iter().any(|s| s.id == check.id))
    {
        let names: Vec<String> = checks.iter().map(|check| check.title()).collect();
        let outcome = Outcome::Skipped {
            reason: String::new(),
        };
        paper.outcome(&outcome, true, &format!("{} ({reason})", names.join("; ")));
    }
}

fn rows(paper: &mut Paper, result: &DrillResult) {
    let all = result.restore.as_ref().map_or(&[][..], |r| &r.rows);
    if all.is_empty() {
        return;
    }
    let rows = view::rows(all, LARGEST);
    paper.section(match (rows.compared, rows.differ.is_empty()) {
        (false, _) => "rows per table in the backup (the restored database was not counted)",
        (true, true) => "rows per table: none differs",
        (true, false) => "rows per table: tables that differ come first",
    });
    let mut table = Builder::default();
    table.push_record(["", "table", "in the backup", "restored"]);
    let marked = rows.differ.iter().take(DIFFERENCES).map(|t| ("DIFFERS", t));
    let equal = rows.largest.iter().map(|table| (view::word(table), table));
    for (word, rows) in marked.chain(equal) {
        table.push_record([
            word.to_owned(),
            line(&format!("{}: {}", rows.database, rows.table)),
            show_count(rows.backup),
            view::restored_rows(rows),
        ]);
    }
    table.push_record([
        String::new(),
        format!("all {}", show_counted(rows.tables, "table")),
        show_count(rows.backup),
        if rows.compared {
            show_count(rows.restored)
        } else {
            String::new()
        },
    ]);
    let mut table = table.build();
    table
        .with(Style::empty())
        .with(Padding::new(2, 0, 0, 0))
        .modify(Columns::new(2..), Alignment::right())
        .with(Width::wrap(paper.width).keep_words(true));
    for line in table.to_string().lines() {
        paper.text.push_str(line.trim_end());
        paper.text.push('\n');
    }
    paper.more(rows.differ.len().saturating_sub(DIFFERENCES), 2);
}

fn remarks(paper: &mut Paper, result: &DrillResult) {
    let tolerated = result.restore.as_ref().map_or(&[][..], |r| &r.tolerated);
    list(
        paper,
        "tolerated messages",
        tolerated.iter().map(|message| {
            let times = match message.times {
                1 => "once".to_owned(),
                more => format!("{} times", show_count(more)),
            };
            format!("{} ({times}): {}", message.message, message.reason)
        }),
    );
    let not_held = result.backup.as_ref().map_or(&[][..], |b| &b.not_held);
    list(
        paper,
        "not in the backup",
        not_held
            .iter()
            .map(|item| format!("{}: {}", item.what, item.why)),
    );
}

fn list(paper: &mut Paper, title: &str, items: impl Iterator<Item = String>) {
    paper.list(title, items, LIST, ", see drill.json");
}
