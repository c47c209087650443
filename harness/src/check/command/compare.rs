//! Compares how the program ended with what is expected.

use regex::{Regex, RegexBuilder};

use super::CommandCheck;
use super::run::ProgramEnd;
use super::tap::Tap;
use crate::check::program;
use crate::outcome::Finding;
use crate::units::{show_counted, show_duration};

/// Failed tests that are named one by one.
const NAMED: usize = 20;

/// Compiles a pattern in which `^` and `$` are the ends of a line.
pub(super) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).multi_line(true).build()
}

impl CommandCheck {
    /// Describes the output: its number of lines, or its end with `show-output`.
    pub(super) fn describe_output(&self, output: &str) -> String {
        program::describe_output("the program", output, self.show_output)
    }

    /// Compares how it ended with what is expected; gives what was found and what is wrong.
    pub(super) fn compare(&self, ended: &ProgramEnd) -> (String, Vec<Finding>) {
        let code = ended.status.code().unwrap_or(-1);
        let mut actual = format!("exit code {code} after {}", show_duration(ended.duration));
        let mut findings = Vec::new();
        let tap = Tap::read(&ended.output, ended.whole);
        if let Some(tap) = &tap {
            let ran = show_counted(tap.ran, "test");
            actual.push_str(&format!("; {ran}, {} failed", tap.failed.len()));
            findings.extend(compare_tests(tap));
        }
        if code != self.exit() && (findings.is_empty() || self.exit() != 0) {
            findings.push(Finding::new(
                format!("exit code {}", self.exit()),
                format!("exit code {code}"),
            ));
        }
        if let Some(output) = &self.expect.output
            && !compile(output).is_ok_and(|pattern| pattern.is_match(&ended.output))
        {
            let lines = show_counted(ended.output.lines().count(), "line");
            let expected = format!("output that matches `{output}`");
            findings.push(Finding::new(
                expected,
                format!("{lines}, none that matches"),
            ));
        }
        if let Some(last) = findings.last_mut() {
            last.hint = Some(self.describe_output(&ended.output));
        }
        (actual, findings)
    }
}

/// Gives a finding for each failed test, and for tests that did not run.
fn compare_tests(tap: &Tap) -> Vec<Finding> {
    let passes = "a test that passes";
    let mut findings: Vec<Finding> = tap
        .failed
        .iter()
        .take(NAMED)
        .map(|test| Finding::about(format!("test {test}"), passes, "it failed"))
        .collect();
    let more = tap.failed.len().saturating_sub(NAMED);
    if more > 0 {
        findings.push(Finding::new(
            passes,
            format!("{} failed", show_counted(more, "more test")),
        ));
    }
    if tap.ran == 0 {
        findings.push(Finding::new("tests that run", "there is no test"));
    }
    if let Some(planned) = tap.planned
        && planned != tap.ran
        && tap.ran > 0
    {
        findings.push(Finding::new(
            format!("{}, as announced", show_counted(planned, "test")),
            format!("{} ran", show_counted(tap.ran, "test")),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;
    use rstest::rstest;

    fn check(toml: &str) -> CommandCheck {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("", 0, "", 0)]
    #[case("", 1, "", 1)]
    #[case("expect = { exit = 3 }", 3, "", 0)]
    #[case("expect = { exit = 3 }", 0, "", 1)]
    #[case("expect = { output = 'bal.nced' }", 0, "is balanced\n", 0)]
    #[case("expect = { output = 'balanced' }", 0, "is not\n", 1)]
    #[case("expect = { output = '^balanced$' }", 0, "first\nbalanced\nlast\n", 0)]
    #[case("", 0, "1..2\nok 1\nok 2\n", 0)]
    #[case("", 0, "1..2\nok 1\nnot ok 2\n", 1)]
    #[case("", 1, "1..2\nok 1\nnot ok 2\n", 1)]
    #[case("", 0, "1..2\nok 1\n", 1)]
    #[case("", 0, "1..0\n", 1)]
    #[case("", 1, "1..1\nok 1\n", 1)]
    fn an_end_is_compared(
        #[case] toml: &str,
        #[case] code: i32,
        #[case] output: &str,
        #[case] findings: usize,
    ) {
        let ended = ProgramEnd {
            status: ExitStatus::from_raw(code << 8),
            output: output.to_owned(),
            whole: true,
            duration: Duration::ZERO,
        };
        let check = check(&format!("command = ['x']\n{toml}"));
        assert_eq!(check.compare(&ended).1.len(), findings);
    }

    #[test]
    fn output_is_shown_only_where_that_is_asked_for() {
        let ended = ProgramEnd {
            status: ExitStatus::from_raw(256),
            output: "alice\n".to_owned(),
            whole: true,
            duration: Duration::ZERO,
        };
        let shown = |toml: &str| {
            format!(
                "{:?}",
                check(&format!("command = ['x']\n{toml}")).compare(&ended)
            )
        };
        assert!(!shown("").contains("alice"));
        assert!(shown("show-output = true").contains("alice"));
    }
}
