//! JUnit XML, for CI: one suite per scenario, one case per stage, check and objective, and one for the
//! webhook of `[incident]`.
//!
//! A report is red (at least one failure or error) exactly when the exit code is neither 0 nor 13. A check that is
//! not required is `skipped` when it fails, as is one whose findings are waived, and a verdict that no other case shows in red has a
//! case of its own, `verdict`.

mod rehearsal;

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use junit_report::{
    Duration, OffsetDateTime, Report, TestCase, TestResult, TestSuite, TestSuiteBuilder,
};

pub use self::rehearsal::render_rehearsal;
use super::text::{line, lines};
use super::view::Recorded;
use super::{Merged, view};
use crate::exit_code;
use crate::outcome::{
    CheckResult, Delivery, DeliveryEnd, DrillResult, Evidence, Finding, Objective, Outcome,
    StageResult,
};
use crate::verdict::{Verdict, explain};

/// The longest list of findings that a case shows; the JSON report has all of them.
const FINDINGS: usize = 100;

/// Writes the report of one drill.
///
/// # Errors
/// When the XML writer fails.
pub fn render(result: &DrillResult, verdict: Verdict) -> io::Result<String> {
    let mut report = Report::new();
    report.add_testsuite(suite(result, verdict));
    finish(&report)
}

/// Writes one report over several drills. A drill that should be there and is not has one case, which is an error, as has each
/// problem of a shard.
///
/// # Errors
/// When the XML writer fails.
pub fn merge_all(merged: &Merged<'_>) -> io::Result<String> {
    let mut report = Report::new();
    for (result, verdict) in &merged.drills {
        let mut suite = suite(result, *verdict);
        suite.add_testcases(not_recorded(merged, result));
        report.add_testsuite(suite);
    }
    for (scenario, why) in &merged.not_drilled {
        report.add_testsuite(suite_of_skipped(&line(scenario), why));
    }
    for (scenario, why) in &merged.missing {
        let scenario = line(scenario);
        let missing = error("missing", &format!("no result: {why}"), why);
        let case = case(
            format!("{scenario}.verdict"),
            "verdict",
            std::time::Duration::ZERO,
            missing,
        );
        report.add_testsuite(TestSuiteBuilder::new(&scenario).add_testcase(case).build());
    }
    if !merged.problems.is_empty() {
        let mut shards = TestSuiteBuilder::new("shards");
        for (at, problem) in merged.problems.iter().enumerate() {
            let name = format!("problem {}", at + 1);
            let result = error("shard", problem, problem);
            shards.add_testcase(case(
                "shards".to_owned(),
                &name,
                std::time::Duration::ZERO,
                result,
            ));
        }
        report.add_testsuite(shards.build());
    }
    finish(&report)
}

/// The case of a drill that is no evidence, whatever its verdict is.
fn not_recorded(merged: &Merged<'_>, result: &DrillResult) -> Option<TestCase> {
    let title = result.scenario.title();
    let one = merged.lines.iter().find(|one| one.name == title)?;
    let why = one.state.own_reason()?;
    let message = format!("{}: {why}", one.state.word());
    Some(case(
        format!("{}.verdict", line(&title)),
        "recorded",
        std::time::Duration::ZERO,
        error("not-recorded", &message, why),
    ))
}

/// The text of a report.
fn finish(report: &Report) -> io::Result<String> {
    let mut xml = Vec::new();
    report.write_xml(&mut xml).map_err(io::Error::other)?;
    xml.push(b'\n');
    // The writer puts everything on one line. A line per case is easier to read and to compare.
    let xml = String::from_utf8(xml).map_err(io::Error::other)?;
    Ok([
        "<testsuites",
        "<testsuite ",
        "<testcase ",
        "</testsuite>",
        "</testsuites>",
    ]
    .iter()
    .fold(xml, |xml, tag| split_before(&xml, tag)))
}

/// Puts a line end before each `tag` that follows another. Attributes are escaped; a details text
/// that looks like XML itself may get a line end more, and stays in its CDATA section.
fn split_before(xml: &str, tag: &str) -> String {
    xml.replace(&format!(">{tag}"), &format!(">\n{tag}"))
}

fn suite(result: &DrillResult, verdict: Verdict) -> TestSuite {
    let scenario = line(&result.scenario.title());
    let mut cases: Vec<TestCase> = Vec::new();
    cases.extend(
        result
            .stages
            .iter()
            .map(|stage| stage_case(&scenario, stage)),
    );
    cases.extend(
        result
            .objectives
            .iter()
            .map(|objective| objective_case(&scenario, result, objective)),
    );
    cases.extend(
        result
            .checks
            .iter()
            .map(|check| check_case(&scenario, result, check)),
    );
    cases.extend(result.incident.as_ref().map(|delivery| {
        incident_case(
            &scenario,
            "the incident webhook receives the result",
            delivery,
        )
    }));
    for (at, delivery) in result.notified.iter().enumerate() {
        let name = format!("notification {} receives the result", at + 1);
        cases.push(incident_case(&scenario, &name, delivery));
    }
    let red = cases
        .iter()
        .any(|case| case.is_error() || case.is_failure());
    cases.extend(verdict_case(&scenario, result, verdict, red));
    number_duplicates(&mut cases, result);
    let mut suite = TestSuite {
        name: scenario.clone(),
        package: format!("redrill/{scenario}"),
        timestamp: timestamp(result.started),
        hostname: line(&view::host(&result.provenance)),
        testcases: cases,
        system_out: None,
        system_err: None,
    };
    suite.set_system_out(&cdata(&facts(result, verdict)));
    suite
}

/// The suite of a scenario that was not drilled.
fn suite_of_skipped(scenario: &str, why: &str) -> TestSuite {
    let case = case(
        format!("{scenario}.verdict"),
        "verdict",
        std::time::Duration::ZERO,
        skipped("not-drilled", &format!("not drilled: {why}"), None),
    );
    TestSuiteBuilder::new(scenario).add_testcase(case).build()
}

/// The facts of the drill, for the output of the suite: JUnit has no better place for them.
fn facts(result: &DrillResult, verdict: Verdict) -> String {
    let mut facts = vec![
        format!("{} (exit code {})", verdict.word(), exit_code::of(verdict)),
        explain(result, verdict),
    ];
    facts.extend(view::severity(result, verdict).map(|severity| format!("severity: {severity}")));
    facts.extend(
        result
            .incident
            .iter()
            .map(|one| format!("incident: {}", view::delivery(one))),
    );
    facts.extend(result.scenario.inputs.iter().map(|input| {
        let sha256 = input.sha256.as_deref().unwrap_or("not read");
        format!("input: {} (SHA-256 {sha256})", input.path)
    }));
    let notified = result.notified.iter();
    facts.extend(notified.map(|one| format!("notification: {}", view::delivery(one))));
    facts.extend([
        format!("run: {}", result.run),
        format!("redrill: {}", result.redrill),
        format!(
            "scenario: {} (SHA-256 {})",
            result.scenario.file.display(),
            result.scenario.sha256
        ),
    ]);
    let provenance = view::provenance(&result.provenance);
    facts.extend(
        provenance
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    if let Some(backup) = &result.backup {
        facts.push(format!(
            "backup: {} (SHA-256 {})",
            backup.origin, backup.sha256
        ));
        facts.push(format!("made: {}", view::made(backup, result.started)));
        if backup.picked.is_some() {
            facts.push(format!("selected: {}", backup.chosen));
        }
    }
    if let Some(server) = &result.server {
        facts.push(format!("server: {}", view::server(server)));
    }
    for (name, server) in &result.other_servers {
        facts.push(format!("server {name}: {}", view::server(server)));
    }
    if let Some(upgrade) = view::upgrade(result) {
        facts.push(format!("upgrade: {}", view::upgrade_line(upgrade)));
        let steps = upgrade.steps.iter().map(view::step_line);
        facts.extend(steps.map(|step| format!("upgrade step: {step}")));
        facts.extend(upgrade.explained.iter().map(view::explained_line));
    }
    let waivers = result.waivers.iter().map(view::waiver_line);
    facts.extend(waivers.map(|waiver| format!("waiver of {waiver}")));
    facts.extend(
        result
            .since
            .iter()
            .map(|last| format!("since {}", view::since_line(last))),
    );
    if let Some(evidence) = &result.evidence {
        facts.extend(evidence_lines(
            Recorded::Drill,
            result.state.as_deref(),
            evidence,
        ));
    }
    facts.push(format!("repeat: {}", result.repeat));
    let facts: Vec<String> = facts.iter().map(|fact| line(fact)).collect();
    facts.join("\n")
}

/// A line for each fact about an entry.
fn evidence_lines(
    recorded: Recorded,
    state: Option<&str>,
    evidence: &Evidence,
) -> impl Iterator<Item = String> {
    let facts = view::evidence(recorded, state, evidence).into_iter();
    facts.map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
}

fn stage_case(scenario: &str, stage: &StageResult) -> TestCase {
    let why = view::stage_why(stage);
    let kind = format!("stage-{}", stage.stage.word());
    let details = details(why, view::hint(&stage.outcome), &stage.findings);
    let outcome = match &stage.outcome {
        Outcome::Pass => TestResult::Success,
        Outcome::Fail | Outcome::Waived => failure(&kind, why, &details),
        Outcome::Error(_) => error(&kind, why, &details),
        Outcome::Skipped { reason } => skipped("skipped", reason, None),
    };
    let mut case = case(
        format!("{scenario}.stage"),
        &stage.title,
        stage.duration,
        outcome,
    );
    // Warnings of a stage that passed.
    if case.is_success() {
        case.set_system_out(&cdata(&details));
    }
    case
}

fn check_case(scenario: &str, result: &DrillResult, check: &CheckResult) -> TestCase {
    let why = view::why(check);
    let place = format!(
        "{why}\n{}:{}, database {}, check {}",
        result.scenario.file.display(),
        check.line,
        check.database,
        check.id
    );
    let details = details(&place, view::hint(&check.outcome), &check.findings);
    let not_required = || {
        skipped(
            "not-required",
            &format!("{}: {why}", view::not_required(check)),
            Some(&details),
        )
    };
    let outcome = match (&check.outcome, check.required) {
        (Outcome::Pass, _) => TestResult::Success,
        (Outcome::Waived, _) => skipped("waived", &format!("waived: {why}"), Some(&details)),
        (Outcome::Fail, true) => failure(&check.kind, &why, &details),
        (Outcome::Error(_), true) => error(&check.kind, &why, &details),
        (Outcome::Fail | Outcome::Error(_), false) => not_required(),
        (Outcome::Skipped { reason }, _) => skipped("skipped", reason, None),
    };
    let mut case = case(
        format!("{scenario}.{}", check.kind),
        &check.title(),
        check.duration,
        outcome,
    );
    case.set_filepath(&line(&result.scenario.file.display().to_string()));
    // One of several entries of a check has it, the first.
    let is_first = |one: &&CheckResult| one.id == check.id;
    if result.checks.iter().find(is_first) == Some(check) {
        let own = view::conduct(result).filter(|(id, _)| *id == check.id);
        let conduct: Vec<String> = own.map(|(_, role)| view::conduct_line(role)).collect();
        if !conduct.is_empty() {
            case.set_system_out(&cdata(&conduct.join("\n")));
        }
    }
    case
}

fn objective_case(scenario: &str, result: &DrillResult, objective: &Objective) -> TestCase {
    let text = view::objective_line(objective);
    let complete = result
        .stages
        .iter()
        .all(|stage| stage.outcome == Outcome::Pass || !stage.required);
    let outcome = match objective.met() {
        Some(true) => TestResult::Success,
        Some(false) => failure("objective", &text, &text),
        // The stage that did not pass is the fault to repair.
        None if !complete || result.interrupted => skipped("skipped", &text, None),
        None => error("objective", &text, &text),
    };
    let mut case = case(
        format!("{scenario}.objective"),
        &format!("objective {}", objective.name),
        // What was measured is not what the case took, and CI adds these up.
        std::time::Duration::ZERO,
        outcome,
    );
    if case.is_success() {
        case.set_system_out(&cdata(&text));
    }
    case
}

/// The message to the webhook, which does not affect the verdict: never red.
fn incident_case(scenario: &str, name: &str, delivery: &Delivery) -> TestCase {
    let text = view::delivery(delivery);
    let outcome = match delivery.end {
        DeliveryEnd::Sent => TestResult::Success,
        DeliveryEnd::Failed(_) => skipped("not-sent", &text, None),
        DeliveryEnd::NotKnown => skipped("not-known", &text, None),
    };
    let mut case = case(
        format!("{scenario}.incident"),
        name,
        std::time::Duration::ZERO,
        outcome,
    );
    if case.is_success() {
        case.set_system_out(&cdata(&text));
    }
    case
}

/// The verdict as a case, where the other cases would not show that it is not PROVEN.
fn verdict_case(
    scenario: &str,
    result: &DrillResult,
    verdict: Verdict,
    red: bool,
) -> Option<TestCase> {
    let shown = match verdict {
        Verdict::Proven
        | Verdict::ProvenWithWaivers
        | Verdict::ChecksPassed
        | Verdict::ChecksPassedWithWaivers => true,
        Verdict::NotProven | Verdict::ObjectiveMissed | Verdict::Inconclusive => red,
        Verdict::NothingChecked | Verdict::Interrupted => false,
    };
    if shown {
        return None;
    }
    let message = format!("{}: {}", verdict.word(), explain(result, verdict));
    let details = view::decisive(result).join("\n");
    Some(case(
        format!("{scenario}.verdict"),
        "verdict",
        std::time::Duration::ZERO,
        error("verdict", &message, &details),
    ))
}

fn case(
    classname: String,
    name: &str,
    duration: std::time::Duration,
    result: TestResult,
) -> TestCase {
    TestCase {
        name: line(name),
        time: time(duration),
        result,
        classname: Some(line(&classname)),
        filepath: None,
        system_out: None,
        system_err: None,
    }
}

fn failure(kind: &str, message: &str, details: &str) -> TestResult {
    TestResult::Failure {
        type_: line(kind),
        message: line(message),
        cause: Some(cdata(details)),
    }
}

fn error(kind: &str, message: &str, details: &str) -> TestResult {
    TestResult::Error {
        type_: line(kind),
        message: line(message),
        cause: Some(cdata(details)),
    }
}

fn skipped(kind: &str, message: &str, details: Option<&str>) -> TestResult {
    TestResult::SkippedWithCause {
        type_: line(kind),
        message: line(message),
        cause: details.map(cdata),
    }
}

/// The text of a case: the reason, and every finding.
fn details(why: &str, hint: Option<&str>, findings: &[Finding]) -> String {
    let mut out = vec![lines(why)];
    out.extend(hint.map(|hint| format!("hint: {}", line(hint))));
    for finding in findings.iter().take(FINDINGS) {
        out.push(String::new());
        if let Some(object) = &finding.object {
            out.push(line(object));
        }
        out.push(format!("  expected: {}", line(&finding.expected)));
        out.push(format!("  found:    {}", line(&finding.actual)));
        if let Some(hint) = &finding.hint {
            out.push(format!("  hint:     {}", line(hint)));
        }
        if let Some(waived) = &finding.waived {
            out.push(format!("  {}", line(waived)));
        }
    }
    if findings.len() > FINDINGS {
        out.push(String::new());
        out.push(format!(
            "and {} more, see the JSON report",
            view::show(findings.len() - FINDINGS)
        ));
    }
    out.join("\n")
}

/// Makes a text fit for a CDATA section, which the writer does not do: `]]>` would end it.
fn cdata(text: &str) -> String {
    lines(text).replace("]]>", "]]]]><![CDATA[>")
}

/// Adds the line to names that occur twice: CI identifies a case by class and name, and checks
/// without a name may share both.
fn number_duplicates(cases: &mut [TestCase], result: &DrillResult) {
    let mut seen: BTreeMap<(Option<String>, String), usize> = BTreeMap::new();
    for case in cases.iter() {
        *seen
            .entry((case.classname.clone(), case.name.clone()))
            .or_default() += 1;
    }
    let checks = result.stages.len() + result.objectives.len();
    for (case, check) in cases.iter_mut().skip(checks).zip(&result.checks) {
        if seen.get(&(case.classname.clone(), case.name.clone())) > Some(&1) {
            case.name = format!("{} (line {})", case.name, check.line);
        }
    }
}

/// A duration of the writer's kind. The writer adds them up and must not overflow.
fn time(duration: std::time::Duration) -> Duration {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(1_000_000_000);
    Duration::try_from(duration.min(LONGEST)).unwrap_or(Duration::ZERO)
}

/// The start of the drill as the writer needs it, which writes no year after 9999 and none before 0.
fn timestamp(started: Timestamp) -> OffsetDateTime {
    let seconds = started.as_second().clamp(0, 253_402_300_799);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
