//! JUnit, markdown, HTML, JSON, the terminal and the exit code say the same of any drill.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use redrill::exit_code::{self, Ending};
use redrill::outcome::{DrillResult, Outcome};
use redrill::report::terminal::Look;
use redrill::report::{Merged, html, json, junit, markdown, terminal};
use redrill::verdict::{Verdict, verdict};

use super::{examples, strategies, xml};

/// What belongs to the form of the markdown, and not to the drill.
const ONLY_IN_MARKDOWN: [&str; 6] = ["Stages", "fact", "value", "sh", "whatitproves", "summary"];

/// Letters and digits of a text: what is left of it in any format.
pub fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The lines and cells of the markdown, after its verdict, that are not in the text of a page.
fn missing(markdown: &str, page: &str) -> Vec<String> {
    let page = letters(&visible(page));
    let why = markdown.lines().nth(2).unwrap();
    let why = why.split_once("). ").unwrap().1;
    let lines = markdown.lines().skip(3);
    let parts = lines.flat_map(|line| line.split('|')).chain([why]);
    parts
        .map(letters)
        .filter(|part| !ONLY_IN_MARKDOWN.contains(&&**part) && !page.contains(part))
        .collect()
}

/// The text of a page between its tags.
pub fn visible(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let mut text = String::new();
    for part in body.split('<') {
        let (_, shown) = part.split_once('>').unwrap_or(("", part));
        text.push_str(shown);
    }
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text, |text, (from, to)| text.replace(from, to))
}

fn agree(result: &DrillResult) {
    let verdict = verdict(result);
    let code = exit_code::of(verdict);

    let suites = xml::parse(&junit::render(result, verdict).unwrap());
    let [suite] = suites.as_slice() else {
        panic!("{} suites", suites.len());
    };
    let red = code != exit_code::PROVEN && code != exit_code::WITH_WAIVERS;
    assert_eq!(suite.red(), red, "{verdict:?}: {suite:#?}");
    assert_eq!(suite.tests, suite.cases.len());
    assert_eq!(suite.failures, suite.count("failure"));
    assert_eq!(suite.errors, suite.count("error"));
    // One case per stage, check and objective; `verdict` only where it must be.
    let own = suite.cases.iter().filter(|case| case.name == "verdict");
    let cases = result.stages.len() + result.checks.len() + result.objectives.len();
    let incident = usize::from(result.incident.is_some()) + result.notified.len();
    let extra = suite.cases.len() - cases - incident;
    assert!(extra <= own.count());
    if matches!(verdict, Verdict::Interrupted | Verdict::NothingChecked) {
        assert_eq!(
            suite.cases.last().unwrap().outcome.as_deref(),
            Some("error")
        );
        assert!(
            suite
                .cases
                .last()
                .unwrap()
                .message
                .starts_with(verdict.word())
        );
    }
    for (case, check) in suite.cases[cases - result.checks.len()..]
        .iter()
        .zip(&result.checks)
    {
        let expected = match (&check.outcome, check.required) {
            (Outcome::Pass, _) => None,
            (Outcome::Fail, true) => Some("failure"),
            (Outcome::Error(_), true) => Some("error"),
            (Outcome::Fail | Outcome::Waived | Outcome::Error(_) | Outcome::Skipped { .. }, _) => {
                Some("skipped")
            }
        };
        assert_eq!(case.outcome.as_deref(), expected);
    }

    let report = json::render(result, verdict).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verdict"], verdict.word());
    assert_eq!(report["exit_code"], code);
    let red = |list: &str, required: bool| {
        let list = report[list].as_array().unwrap().iter();
        list.filter(|item| !required || item["required"] == true)
            .filter(|item| item["outcome"] == "fail" || item["outcome"] == "error")
            .count()
    };
    let missed = report["objectives"].as_array().unwrap().iter();
    let missed = missed.filter(|objective| objective["met"] == false).count();
    let of_json = red("stages", false) + red("checks", true) + missed;
    let classes = [".verdict", ".objective"];
    let of_junit = suite
        .cases
        .iter()
        .filter(|case| matches!(case.outcome.as_deref(), Some("failure" | "error")))
        .filter(|case| {
            !classes.iter().any(|class| case.classname.ends_with(class))
                || case.outcome.as_deref() == Some("failure")
        })
        .count();
    assert_eq!(of_json, of_junit);

    // Selected checks prove nothing about the rest, and every report says so.
    let is_selection = !result.scenario.only.is_empty();
    assert!(!is_selection || !verdict.proves());
    let not_proven = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").contains("The backup is not proven.")
    };
    assert!(!is_selection || not_proven(report["meaning"].as_str().unwrap()));
    assert!(!is_selection || not_proven(&suite.text), "{suite:#?}");

    let said = format!("**{}** (exit code {code}).", verdict.word());
    let markdown = markdown::render(result, verdict);
    let mut lines = markdown.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with(&format!("# {}: ", verdict.word()))
    );
    assert!(lines.nth(1).unwrap().starts_with(&said), "{markdown}");
    assert!(!is_selection || not_proven(&markdown), "{markdown}");
    assert_eq!(
        markdown.contains("\n## Evidence\n"),
        result.evidence.is_some()
    );
    assert_eq!(
        suite.text.contains("\ncheckpoint:"),
        result.evidence.is_some()
    );
    let since = result.since.is_some();
    let waived = !result.waivers.is_empty();
    assert_eq!(markdown.contains("\n## Waivers\n"), waived);
    assert_eq!(suite.text.contains("\nwaiver of "), waived);
    let of_json = report["waivers"].as_array().unwrap().len();
    assert_eq!(of_json, result.waivers.len());
    assert_eq!(markdown.contains("\n## Since the last drill\n"), since);
    assert_eq!(suite.text.contains("\nsince the drill of "), since);
    assert_eq!(report["since_last"].is_object(), since);
    let failures = markdown.matches("\n### FAIL: ").count();
    let failed = |outcome: &Outcome| *outcome == Outcome::Fail;
    let expected = result
        .checks
        .iter()
        .filter(|c| c.required && failed(&c.outcome))
        .count()
        + result
            .stages
            .iter()
            .filter(|s| failed(&s.outcome) && !s.findings.is_empty())
            .count();
    assert_eq!(failures, expected);

    let page = html::render(result, verdict);
    let title = format!("\n<title>{}: restore drill of ", verdict.word());
    assert!(page.contains(&title), "{page}");
    let said = page.split_once("<p class=\"verdict ").unwrap().1;
    let said = said.split_once("</p>").unwrap().0;
    assert!(
        said.ends_with(&format!("</span> {}", verdict.word())),
        "{said}"
    );
    assert_eq!(page.matches(">Exit code ").count(), 1);
    assert!(page.contains(&format!(">Exit code {code}.<")), "{page}");
    assert!(!is_selection || not_proven(&page), "{page}");
    let has = |part: &str| page.contains(&format!("\n<section id=\"{part}\" "));
    assert_eq!(has("evidence"), result.evidence.is_some());
    assert_eq!(has("waivers"), waived);
    assert_eq!(has("since-the-last-drill"), since);
    assert_eq!(page.matches("\n<h3>FAIL: ").count(), expected, "{page}");
    assert_eq!(missing(&markdown, &page), Vec::<String>::new(), "{page}");

    for verbose in [false, true] {
        let look = Look {
            verbose,
            ..Look::default()
        };
        let summary = terminal::summary(result, verdict, look);
        assert_eq!(summary.contains("\nsince      the drill of "), since);
        let waivers = summary
            .lines()
            .filter(|line| line.starts_with("waiver     "));
        assert_eq!(waivers.count(), result.waivers.len());
        let first = summary.lines().next().unwrap();
        assert!(
            first.starts_with(&format!("{}  ", verdict.word())),
            "{first}"
        );
        assert!(first.ends_with(&format!("(exit code {code})")), "{first}");
        assert!(!is_selection || not_proven(&summary), "{summary}");
        // Whatever makes the verdict is on the terminal, however short it is.
        let lines = |word| {
            summary
                .lines()
                .filter(|line| line.starts_with(word))
                .count()
        };
        let stages = result.stages.iter().filter(|stage| failed(&stage.outcome));
        let checks = result
            .checks
            .iter()
            .filter(|c| c.required && failed(&c.outcome));
        assert_eq!(
            lines("  FAIL     "),
            stages.count() + checks.count(),
            "{summary}"
        );
        assert_eq!(
            summary.matches("MISSED\n").count() > 0,
            missed > 0,
            "{summary}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn all_reports_of_any_drill_agree(result in strategies::drill()) {
        agree(&result);
    }
}

/// A fact that the page lacks is found.
#[test]
fn a_fact_that_is_missing_is_named() {
    let result = examples::not_proven();
    let verdict = verdict(&result);
    let page = html::render(&result, verdict).replace("revoke the extra", "revoke");
    let missing = missing(&markdown::render(&result, verdict), &page);
    let [hint] = missing.as_slice() else {
        panic!("{missing:?}");
    };
    assert!(hint.contains("revoketheextraprivileges"), "{hint}");
}

/// The drills above have every verdict.
#[test]
fn arbitrary_drills_have_every_verdict() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = strategies::drill();
    let seen: BTreeSet<&str> = (0..400)
        .map(|_| verdict(&strategy.new_tree(&mut runner).unwrap().current()).word())
        .collect();
    assert_eq!(seen, Verdict::ALL.map(Verdict::word).into());
}

fn merged(
    drills: Vec<(&DrillResult, Verdict)>,
    not_drilled: Vec<(String, &str)>,
) -> Vec<xml::Suite> {
    let merged = Merged {
        drills,
        not_drilled,
        missing: Vec::new(),
        problems: &[],
        batch: None,
        lines: &[],
        ending: Ending::Done,
    };
    xml::parse(&junit::merge_all(&merged).unwrap())
}

#[test]
fn one_merged_report_has_a_suite_per_drill() {
    let drills = examples::all().map(|(_, result)| result);
    let judged: Vec<_> = drills.iter().map(|drill| (drill, verdict(drill))).collect();
    let suites = merged(judged, Vec::new());
    let red: Vec<bool> = suites.iter().map(xml::Suite::red).collect();
    assert_eq!(red, [false, true, true, false]);
    let names: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names[..3], ["plur-nightly"; 3]);
    assert_eq!(names[3], "plur-nightly (only role, append-only)");
    assert!(merged(Vec::new(), Vec::new()).is_empty());
}

#[test]
fn a_scenario_that_was_not_drilled_is_a_skipped_suite() {
    let drill = examples::proven();
    let not_drilled = vec![("orders".to_owned(), "an earlier one is not PROVEN")];
    let suites = merged(vec![(&drill, verdict(&drill))], not_drilled);
    assert_eq!(suites.len(), 2);
    assert_eq!((&*suites[1].name, suites[1].red()), ("orders", false));
    let [case] = suites[1].cases.as_slice() else {
        panic!("{} cases", suites[1].cases.len());
    };
    assert_eq!(case.outcome.as_deref(), Some("skipped"));
    assert_eq!(case.message, "not drilled: an earlier one is not PROVEN");
}

#[test]
fn checks_of_the_same_name_stay_apart_in_junit() {
    let mut result = examples::proven();
    for check in &mut result.checks {
        check.kind = "row-count".into();
        "the same".clone_into(&mut check.name);
    }
    let suites = xml::parse(&junit::render(&result, verdict(&result)).unwrap());
    let names: BTreeSet<_> = suites[0]
        .cases
        .iter()
        .map(|case| (&case.classname, &case.name))
        .collect();
    assert_eq!(names.len(), suites[0].cases.len());
}

#[test]
fn what_is_not_required_is_seen_but_not_red() {
    let mut result = examples::proven();
    examples::stop_api(&mut result);
    let verdict = verdict(&result);
    assert_eq!(verdict, Verdict::Proven);
    let suites = xml::parse(&junit::render(&result, verdict).unwrap());
    assert!(!suites[0].red());
    let case = suites[0].cases.last().unwrap();
    assert_eq!(case.outcome.as_deref(), Some("skipped"));
    assert!(
        case.message.starts_with("not required ("),
        "{}",
        case.message
    );
    assert!(case.text.contains("connection refused"), "{}", case.text);
    let markdown = markdown::render(&result, verdict);
    assert!(
        markdown.contains("failed, but is not required"),
        "{markdown}"
    );
    let why = "the API is drilled with its own release";
    assert!(case.message.contains(why), "{}", case.message);
    assert!(markdown.contains(why), "{markdown}");
}
