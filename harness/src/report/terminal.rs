//! The summary on a terminal: verdict, what failed, backup and times, what was not tested; then
//! failures in full and a line for each pass.
//!
//! It is readable without colour, in 80 columns, and in a CI log.

pub mod inspection;
pub(crate) mod paper;
pub mod stopped;

use paper::{Hue, INDENT, Paper};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style, Width};

use super::text::line;
use super::view;
use crate::exit_code::Ending;
use crate::outcome::{CheckResult, DrillResult, Finding, Outcome, StageResult};
use crate::units::{show_bytes, show_count, show_counted, show_duration};
use crate::verdict::{Verdict, explain};

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

/// Writes the summary for a terminal of `width` columns.
#[must_use]
pub fn summary(result: &DrillResult, verdict: Verdict, width: usize, colour: bool) -> String {
    write(result, verdict, true, width, colour)
}

/// Writes the summary of a drill whose reports or record could not be written: neither its headline
/// nor its exit code is that of a success.
#[must_use]
pub fn unrecorded(result: &DrillResult, verdict: Verdict, width: usize, colour: bool) -> String {
    write(result, verdict, false, width, colour)
}

fn write(
    result: &DrillResult,
    verdict: Verdict,
    recorded: bool,
    width: usize,
    colour: bool,
) -> String {
    let mut paper = Paper::new(width, colour);
    lead(&mut paper, result, verdict, recorded);
    let not_tested = result.not_tested.iter();
    list(
        &mut paper,
        "not tested",
        not_tested.map(|item| format!("{}: {}", item.what, item.why)),
    );
    checks(&mut paper, result);
    stages(&mut paper, result);
    rows(&mut paper, result);
    remarks(&mut paper, result);
    paper.blank();
    paper.fact("repeat", &result.repeat);
    paper.text
}

fn lead(paper: &mut Paper, result: &DrillResult, verdict: Verdict, recorded: bool) {
    let hue = match verdict {
        Verdict::Proven if recorded => Hue::Green,
        Verdict::Proven => Hue::Yellow,
        Verdict::NotProven => Hue::Red,
        Verdict::ObjectiveMissed
        | Verdict::Inconclusive
        | Verdict::NothingChecked
        | Verdict::Interrupted => Hue::Yellow,
    };
    let mut ending = Ending::Judged(verdict);
    let mut word = verdict.word().to_owned();
    if !recorded {
        ending = ending.unless(Ending::CouldNotRun);
        word += ", NOT RECORDED";
    }
    let word = paper.paint(&word, hue);
    let title = line(&result.scenario.title());
    let headline = format!("{word}  {title} (exit code {})\n", ending.code());
    paper.text.push_str(&headline);
    paper.wrap(&explain(result, verdict), 0, 0);
    if !recorded {
        paper.wrap(
            "The drill is no evidence: not all of its files were written.",
            0,
            0,
        );
    }
    let reasons = view::decisive(result);
    for reason in reasons.iter().take(FINDINGS) {
        paper.wrap(&format!("- {reason}"), 0, 2);
    }
    paper.more(reasons.len().saturating_sub(FINDINGS), 0);
    paper.blank();
    if let Some(severity) = view::severity(result, verdict) {
        paper.fact("severity", severity);
    }
    backup(paper, result);
    restored(paper, result);
    for objective in &result.objectives {
        paper.fact("objective", &view::objective_line(objective));
    }
    for weakness in result.server.iter().flat_map(|server| &server.weaknesses) {
        paper.fact("isolation", weakness);
    }
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
        }
        None => paper.fact("backup", "none was found, or it could not be read"),
    }
}

fn restored(paper: &mut Paper, result: &DrillResult) {
    match &result.server {
        Some(server) => paper.fact(
            "server",
            &format!(
                "PostgreSQL {}, {}: {}",
                server.version, server.provider, server.origin
            ),
        ),
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
        paper.fact("restored", &time);
    }
    paper.fact("drill", &format!("took {}", show_duration(result.duration)));
}

fn stages(paper: &mut Paper, result: &DrillResult) {
    if result.stages.is_empty() {
        return;
    }
    paper.section("stages");
    for stage in &result.stages {
        stage_lines(paper, stage);
    }
}

fn stage_lines(paper: &mut Paper, stage: &StageResult) {
    let text = format!(
        "{}: {} ({})",
        stage.stage.word(),
        view::stage_why(stage),
        show_duration(stage.duration)
    );
    paper.outcome(&stage.outcome, true, &text);
    findings(paper, view::hint(&stage.outcome), &stage.findings);
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
            [one] => check_lines(paper, result, one),
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

fn check_lines(paper: &mut Paper, result: &DrillResult, check: &CheckResult) {
    if check.outcome == Outcome::Pass {
        let text = if check.actual.trim().is_empty() {
            check.title()
        } else {
            format!("{}: {}", check.title(), check.actual)
        };
        paper.outcome_line(&check.outcome, &text);
        return;
    }
    let required = if check.required { "" } else { ", not required" };
    let text = format!(
        "{} ({}{required}, {}:{})",
        check.title(),
        check.kind,
        result.scenario.file.display(),
        check.line
    );
    paper.outcome(&check.outcome, check.required, &text);
    paper.wrap(&view::why(check), INDENT, INDENT);
    findings(paper, view::hint(&check.outcome), &check.findings);
}

/// Prints findings; those that differ only in their object are one entry.
fn findings(paper: &mut Paper, hint: Option<&str>, all: &[Finding]) {
    if let Some(hint) = hint {
        paper.wrap(&format!("hint: {hint}"), INDENT, INDENT);
    }
    let same = |a: &Finding, b: &Finding| {
        a.object.is_some()
            && b.object.is_some()
            && (&a.expected, &a.actual, &a.hint) == (&b.expected, &b.actual, &b.hint)
    };
    for group in all[..all.len().min(FINDINGS)].chunk_by(same) {
        let Some(finding) = group.first() else {
            continue;
        };
        let mut indent = INDENT;
        let objects: Vec<String> = group
            .iter()
            .filter_map(|finding| finding.object.as_deref().map(line))
            .collect();
        if !objects.is_empty() {
            paper.wrap(&format!("- {}", objects.join(", ")), INDENT, INDENT + 2);
            indent += 2;
        }
        let mut fact = |name: &str, text: &str| {
            paper.wrap(&format!("{name:<10}{text}"), indent, indent + 10);
        };
        fact("expected", &finding.expected);
        fact("found", &finding.actual);
        if let Some(hint) = &finding.hint {
            fact("hint", hint);
        }
    }
    paper.more(all.len().saturating_sub(FINDINGS), INDENT);
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
