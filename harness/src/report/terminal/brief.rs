//! What a person wants first: what did not pass, with its reasons; then one line each for the backup, its restore, what
//! was compared, the objectives, and how many checks passed.

use super::paper::{INDENT, Paper};
use super::{check_lines, stage_lines};
use crate::outcome::{DrillResult, Outcome, Stage};
use crate::report::cause::failures;
use crate::report::view;
use crate::units::{show_bytes, show_counted, show_duration};
use crate::verdict::Verdict;

/// The longest list of findings of one check or stage.
const FINDINGS: usize = 5;
/// How many checks that did not pass are shown with their findings; each of the others has a line.
const CHECKS: usize = 10;
/// How many warnings are shown.
const WARNINGS: usize = 3;
/// Characters of a line of entries.
const ENTRIES: usize = 700;
/// The longest list of these lines.
const LINES: usize = 50;

/// Writes what follows the headline.
pub(super) fn write(paper: &mut Paper, result: &DrillResult, verdict: Verdict) {
    not_passed(paper, result);
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
    if let Some(backup) = &result.backup {
        let size = show_bytes(backup.bytes);
        let text = format!("{}, {size}, {}", backup.origin, backup.format);
        paper.fact("backup", &text);
        paper.fact("taken", &view::made(backup, result.started));
        if backup.picked.is_some() {
            paper.fact("selected", &backup.chosen);
        }
    }
    paper.fact("restored", &restored(result));
    let mut passed = result.stages.iter().filter(|s| s.outcome == Outcome::Pass);
    if let Some(proof) = passed.find(|stage| stage.stage == Stage::Proof) {
        paper.fact("proof", view::stage_why(proof));
    }
    if let Some(upgrade) = view::upgrade(result) {
        paper.fact("upgrade", &view::upgrade_line(upgrade));
        for step in upgrade.steps.iter().take(WARNINGS) {
            paper.fact("step", &view::step_line(step));
        }
        let more = upgrade.steps.len().saturating_sub(WARNINGS);
        if more > 0 {
            paper.fact("step", &format!("{more} more, see drill.md"));
        }
    }
    for objective in &result.objectives {
        paper.fact("objective", &view::objective_line(objective));
    }
    warnings(paper, result);
    for weakness in view::weaknesses(result) {
        paper.fact("isolation", weakness);
    }
    let tolerated = result.restore.iter().flat_map(|restore| &restore.tolerated);
    // What every restore of such a dump has is in drill.md.
    let tolerated = tolerated.filter(|message| message.by_scenario).count();
    if tolerated > 0 {
        let text = format!(
            "{} of the restore, see drill.md",
            show_counted(tolerated, "message")
        );
        paper.fact("tolerated", &text);
    }
    paper.fact("checks", &view::check_outcomes(result));
    for waiver in &result.waivers {
        paper.fact("waiver", &view::waiver_line(waiver));
    }
    if let Some(last) = &result.since {
        paper.fact("since", &view::since_line(last));
    }
    for (reason, checks) in view::skipped(result, |_| true) {
        let text = format!("{}: {reason}", show_counted(checks.len(), "check"));
        paper.fact("skipped", &text);
    }
    let not_tested: Vec<&str> = result.not_tested.iter().map(|item| &*item.what).collect();
    if !not_tested.is_empty() {
        paper.fact("not tested", &joined(&not_tested));
    }
}

/// What a stage that passed found odd all the same, such as a file with the bytes of the previous one.
fn warnings(paper: &mut Paper, result: &DrillResult) {
    let passed = result.stages.iter().filter(|s| s.outcome == Outcome::Pass);
    let all: Vec<_> = passed.flat_map(|stage| &stage.findings).collect();
    for finding in all.iter().take(WARNINGS) {
        paper.fact("warning", &finding.in_one_line());
    }
    let more = all.len().saturating_sub(WARNINGS);
    if more > 0 {
        paper.fact("warning", &format!("{more} more, see drill.md"));
    }
}

/// Joins as many entries as fit into [`ENTRIES`] characters, at least one, and counts the others.
fn joined(entries: &[&str]) -> String {
    let mut length = 0;
    let fits = |entry: &&&str| {
        length += entry.chars().count() + 2;
        length <= ENTRIES
    };
    let shown = entries.iter().take_while(fits).count().max(1);
    let (shown, others) = entries.split_at(shown.min(entries.len()));
    let text = shown.join("; ");
    match others.len() {
        0 => text,
        more => format!("{text}; and {} more, see drill.md", view::show(more)),
    }
}

/// Writes the stages and checks that did not pass.
fn not_passed(paper: &mut Paper, result: &DrillResult) {
    let bad = |outcome: &Outcome| matches!(outcome, Outcome::Fail | Outcome::Error(_));
    let mut stages = result.stages.iter().filter(|stage| bad(&stage.outcome));
    let checks = failures(result);
    let first = stages.next();
    if first.is_some() || !checks.is_empty() {
        paper.blank();
    }
    for stage in first.into_iter().chain(stages) {
        stage_lines(paper, stage, FINDINGS);
    }
    let (in_full, others) = checks.split_at(checks.len().min(CHECKS));
    for failure in in_full {
        check_lines(paper, result, failure.check, FINDINGS);
        if let Some(others) = failure.others_line(LINES) {
            paper.wrap(&others, INDENT, INDENT + 2);
        }
    }
    for failure in others.iter().take(LINES) {
        let check = failure.check;
        let text = format!("{}: {}", check.title(), view::why(check));
        paper.outcome_line(&check.outcome, &text);
    }
    paper.more(others.len().saturating_sub(LINES), 2);
}

/// How long the restore took, and on which server.
fn restored(result: &DrillResult) -> String {
    let drill = format!("the drill took {}", show_duration(result.duration));
    let server = result.server.as_ref().map_or_else(
        || "no server was started".to_owned(),
        |server| {
            let several = match result.other_servers.len() {
                0 => String::new(),
                others => format!("{} servers, ", 1 + others),
            };
            format!(
                "{several}PostgreSQL {}, {}",
                server.version, server.provider
            )
        },
    );
    match &result.restore {
        Some(restore) => format!("in {}; {server}; {drill}", show_duration(restore.duration)),
        None => format!("no; {server}; {drill}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(2, 10, "aaaaaaaaaa; aaaaaaaaaa")]
    #[case(200, 190, "; and 197 more, see drill.md")]
    #[case(3, 800, "; and 2 more, see drill.md")]
    fn a_line_ends_with_a_whole_entry(
        #[case] count: usize,
        #[case] length: usize,
        #[case] end: &str,
    ) {
        let entry = "a".repeat(length);
        let all = vec![entry.as_str(); count];
        let text = joined(&all);
        assert!(text.ends_with(end), "{text}");
        let mut entries = text.split("; ").filter(|part| !part.starts_with("and "));
        assert!(entries.all(|part| part == entry), "{text}");
    }
}
