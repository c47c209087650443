//! The suite of a rehearsal: one case per step, and one per check on the migrated copy.

use std::io;

use junit_report::{Report, TestCase, TestSuite};

use super::{case, cdata, details, error, evidence_lines, failure, finish, skipped, timestamp};
use crate::exit_code;
use crate::outcome::{CheckAfter, Outcome, RehearsalResult, StepResult};
use crate::report::text::line;
use crate::report::view::{self, Recorded};
use crate::verdict::RehearsalVerdict;

/// Writes the report of a rehearsal.
///
/// # Errors
/// When the XML writer fails.
pub fn render_rehearsal(result: &RehearsalResult, verdict: RehearsalVerdict) -> io::Result<String> {
    let mut report = Report::new();
    report.add_testsuite(suite(result, verdict));
    finish(&report)
}

fn suite(result: &RehearsalResult, verdict: RehearsalVerdict) -> TestSuite {
    let name = format!("{} rehearsal", line(&result.scenario.title()));
    let mut cases: Vec<TestCase> = Vec::new();
    cases.extend(result.steps.iter().map(|step| step_case(&name, step)));
    cases.extend(result.checks.iter().map(|check| check_case(&name, check)));
    let red = cases
        .iter()
        .any(|case| case.is_error() || case.is_failure());
    let good = verdict == RehearsalVerdict::Safe;
    if !good && !red {
        let message = format!("{}: {}", verdict.word(), verdict.meaning());
        let mut drill = format!("the drill of the backup: {}", result.drill);
        for doubt in result.kept.iter().flat_map(|kept| &kept.doubts) {
            drill.push_str(&format!("\n{doubt}"));
        }
        cases.push(case(
            format!("{name}.verdict"),
            "verdict",
            std::time::Duration::ZERO,
            error("verdict", &message, &drill),
        ));
    }
    let mut suite = TestSuite {
        package: format!("redrill/{name}"),
        name,
        timestamp: timestamp(result.started),
        hostname: line(&view::host(&result.provenance)),
        testcases: cases,
        system_out: None,
        system_err: None,
    };
    let code = exit_code::of_rehearsal(verdict);
    let mut facts = vec![
        format!("{} (exit code {code})", verdict.word()),
        verdict.meaning().to_owned(),
        format!("the drill of the backup: {}", result.drill),
        result.kept.as_ref().map_or_else(
            || "kept server: none".to_owned(),
            |kept| format!("kept server: {}", kept.name),
        ),
        format!("command: {} as {}", result.command.join(" "), result.role),
        format!("run: {}", result.run),
        format!("redrill: {}", result.redrill),
    ];
    if let Some(evidence) = &result.evidence {
        let state = result.state.as_deref();
        facts.extend(evidence_lines(Recorded::Rehearsal, state, evidence));
    }
    facts.push(format!("repeat: {}", result.repeat));
    let facts: Vec<String> = facts.iter().map(|fact| line(fact)).collect();
    suite.set_system_out(&cdata(&facts.join("\n")));
    suite
}

fn step_case(suite: &str, step: &StepResult) -> TestCase {
    let kind = format!("step-{}", step.step.word());
    let text = details(&step.summary, view::hint(&step.outcome), &step.findings);
    let outcome = match &step.outcome {
        Outcome::Pass => junit_report::TestResult::Success,
        Outcome::Fail | Outcome::Waived => failure(&kind, &step.summary, &text),
        Outcome::Error(_) => error(&kind, &step.summary, &text),
        Outcome::Skipped { reason } => skipped("skipped", reason, None),
    };
    let title = step.step.title();
    let mut case = case(format!("{suite}.step"), title, step.duration, outcome);
    if case.is_success() {
        case.set_system_out(&cdata(&text));
    }
    case
}

/// A check that failed before the migrations too is the drill's fault, not theirs: never red here.
fn check_case(suite: &str, check: &CheckAfter) -> TestCase {
    let result = &check.result;
    let why = view::why(result);
    let text = details(&why, view::hint(&result.outcome), &result.findings);
    let passed_before = check.before.as_ref().is_none_or(Outcome::is_accepted);
    let outcome = match (&result.outcome, result.required && passed_before) {
        (Outcome::Pass, _) => junit_report::TestResult::Success,
        (Outcome::Waived, _) => skipped("waived", &format!("waived: {why}"), Some(&text)),
        (Outcome::Fail, true) => failure(&result.kind, &why, &text),
        (Outcome::Error(_), true) => error(&result.kind, &why, &text),
        (Outcome::Fail | Outcome::Error(_), false) => {
            let message = match result.required {
                true => format!("not passed before either: {why}"),
                false => format!("not required: {why}"),
            };
            skipped("not-required", &message, Some(&text))
        }
        (Outcome::Skipped { reason }, _) => skipped("skipped", reason, None),
    };
    case(
        format!("{suite}.{}", result.kind),
        &result.title(),
        result.duration,
        outcome,
    )
}
