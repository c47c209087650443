//! The summary on a terminal: the verdict, what failed and why, then counts and where the reports are
//! (`brief`), or everything that the other reports show (`verbose`).
//!
//! It is readable without colour, in 80 columns, and in a CI log.

mod brief;
pub mod inspection;
pub(crate) mod paper;
mod rehearsal;
pub mod stopped;
pub mod total;
mod verbose;

use paper::{Hue, INDENT, Paper};
pub use rehearsal::rehearsal;

use super::text::line;
use super::view;
use crate::exit_code::Ending;
use crate::outcome::{CheckResult, DrillResult, Finding, Outcome, StageResult};
use crate::units::show_duration;
use crate::verdict::{Verdict, explain};

/// How a summary is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether it takes colour.
    pub colour: bool,
    /// Whether stages, checks and tables that are as expected have lines of their own.
    pub verbose: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            width: 80,
            colour: false,
            verbose: false,
        }
    }
}

/// Writes the summary.
#[must_use]
pub fn summary(result: &DrillResult, verdict: Verdict, look: Look) -> String {
    write(result, verdict, true, look)
}

/// Writes the summary of a drill whose reports or record could not be written: neither its headline
/// nor its exit code is that of a success.
#[must_use]
pub fn unrecorded(result: &DrillResult, verdict: Verdict, look: Look) -> String {
    write(result, verdict, false, look)
}

fn write(result: &DrillResult, verdict: Verdict, recorded: bool, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    headline(&mut paper, result, verdict, recorded);
    if look.verbose {
        verbose::write(&mut paper, result, verdict);
    } else {
        brief::write(&mut paper, result, verdict);
    }
    paper.fact("repeat", &result.repeat);
    paper.text
}

fn headline(paper: &mut Paper, result: &DrillResult, verdict: Verdict, recorded: bool) {
    let mut ending = Ending::Judged(verdict);
    let mut word = verdict.word().to_owned();
    let mut hue = Hue::of(verdict);
    if !recorded {
        ending = ending.unless(Ending::CouldNotRun);
        word += ", NOT RECORDED";
        hue = match hue {
            Hue::Green => Hue::Yellow,
            Hue::Red | Hue::Yellow => hue,
        };
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
}

fn stage_lines(paper: &mut Paper, stage: &StageResult, most: usize) {
    let text = format!(
        "{}: {} ({})",
        stage.stage.word(),
        view::stage_why(stage),
        show_duration(stage.duration)
    );
    paper.outcome(&stage.outcome, true, &text);
    findings(paper, view::hint(&stage.outcome), &stage.findings, most);
}

fn check_lines(paper: &mut Paper, result: &DrillResult, check: &CheckResult, most: usize) {
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
    if let Some(why) = &check.not_required_because {
        paper.wrap(&format!("not required: {why}"), INDENT, INDENT);
    }
    findings(paper, view::hint(&check.outcome), &check.findings, most);
}

/// Prints the first `most` findings; those that differ only in their object are one entry.
fn findings(paper: &mut Paper, hint: Option<&str>, all: &[Finding], most: usize) {
    if let Some(hint) = hint {
        paper.wrap(&format!("hint: {hint}"), INDENT, INDENT);
    }
    let same = |a: &Finding, b: &Finding| {
        a.object.is_some()
            && b.object.is_some()
            && (&a.expected, &a.actual, &a.hint, &a.waived)
                == (&b.expected, &b.actual, &b.hint, &b.waived)
    };
    for group in all[..all.len().min(most)].chunk_by(same) {
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
        if let Some(waived) = &finding.waived {
            paper.wrap(waived, indent, indent);
        }
    }
    paper.more(all.len().saturating_sub(most), INDENT);
}
