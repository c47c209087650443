//! Annotations of GitHub: what failed, at its line of the scenario.

use super::text::line;
use super::{Merged, view};
use crate::outcome::{DrillResult, Outcome};
use crate::verdict::{Verdict, explain};

/// Writes a workflow command for each stage, check and objective that did not pass; nothing for a drill of which all passed.
#[must_use]
pub fn render(result: &DrillResult, verdict: Verdict) -> String {
    let file = result.scenario.file.display().to_string();
    let title = format!("{}: {}", result.scenario.title(), verdict.word());
    let mut lines = Vec::new();
    let mut say = |required: bool, at: usize, why: &str| {
        let word = if required { "error" } else { "warning" };
        lines.push(format!(
            "::{word} file={},line={at},title={}::{}",
            property(&file),
            property(&title),
            data(why)
        ));
    };
    for stage in result.stages.iter().filter(|stage| is_bad(&stage.outcome)) {
        say(
            true,
            1,
            &format!("{}: {}", stage.title, view::stage_why(stage)),
        );
    }
    for check in view::by_severity(result) {
        if is_bad(&check.outcome) {
            let why = format!("{}: {}", check.title(), view::why(check));
            say(check.required, check.line, &why);
        }
    }
    for objective in &result.objectives {
        if objective.met() == Some(false) {
            say(true, 1, &view::objective_line(objective));
        }
    }
    // Such as a signal, or nothing that was checked.
    if lines.is_empty() && !verdict.passed() {
        let title = property(&title);
        let why = data(&explain(result, verdict));
        lines.push(format!(
            "::error file={},line=1,title={title}::{why}",
            property(&file)
        ));
    }
    lines.join("\n")
}

/// The same for several drills, with what is missing.
#[must_use]
pub fn render_merged(merged: &Merged<'_>) -> String {
    let drills = merged
        .drills
        .iter()
        .map(|(result, verdict)| render(result, *verdict));
    let missing = merged.missing.iter().map(|(scenario, why)| {
        format!(
            "::error title={}::{}",
            property(&format!("{scenario}: no result")),
            data(why)
        )
    });
    let not_recorded = merged.lines.iter().filter_map(|one| {
        let (result, _) = merged.of(one)?;
        let why = one.state.own_reason()?;
        let title = format!("{}: {}", result.scenario.title(), one.state.word());
        Some(format!("::error title={}::{}", property(&title), data(why)))
    });
    let problems = merged.problems.iter();
    let problems = problems.map(|problem| format!("::error title=shards::{}", data(problem)));
    let lines = drills.chain(missing).chain(not_recorded).chain(problems);
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

const fn is_bad(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fail | Outcome::Error(_))
}

/// The text of a command, on one line.
fn data(text: &str) -> String {
    line(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing of a text begins another command, or ends its property.
    #[test]
    fn texts_stay_in_their_command() {
        assert_eq!(data("a\n::error::b 100%"), "a ::error::b 100%25");
        assert_eq!(property("a:b,c\r\n::d"), "a%3Ab%2Cc %3A%3Ad");
    }
}
