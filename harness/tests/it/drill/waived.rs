//! Findings that a scenario accepts for a time, on real drills.

use redrill::exit_code;
use rstest::rstest;

use super::SCENARIO;
use super::builder::{Ended, redrill};
use super::codes::SMALL;
use crate::rehearse::release::{FIRST_RUN_ONLY, release};

/// The scenario with a check that fails, and a waiver.
fn waived(object: &str, until: &str) -> String {
    SCENARIO.replace("exact = 3", "exact = 4")
        + &format!(
            "[[check.row-count]]\nname = \"some\"\ntable = \"plur.orgs\"\nmin = 1\n\
             [[waiver]]\ncheck = \"row-count/orgs\"\nobject = \"{object}\"\n\
             reason = \"the import of November\"\nowner = \"Ann <ann@example.org>\"\nuntil = {until}\n"
        )
}

fn drill(scenario: &str, arguments: &[&str]) -> Ended {
    let drill = redrill().scenario(scenario).backup(SMALL, "orgs.sql");
    arguments
        .iter()
        .fold(drill, |drill, argument| drill.with(argument))
        .run()
}

fn code(ended: &Ended, code: u8) {
    assert_eq!(
        ended.code,
        i32::from(code),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn a_waived_finding_stays_visible() {
    let ended = drill(&waived("plur.orgs", "9999-12-31"), &[]);
    code(&ended, exit_code::WITH_WAIVERS);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    let said = words.join(" ");
    for text in [
        "PROVEN WITH WAIVERS drilled (exit code 13)",
        "Waived: 1 finding, the first until 9999-12-31.",
        "checks 1 passed, 1 waived",
        "waiver row-count/orgs on plur.orgs: 1 finding waived (waived by Ann <ann@example.org> until 9999-12-31: the import of November)",
    ] {
        assert!(said.contains(text), "no {text:?} in {said}");
    }
    let drill = ended.drill();
    assert_eq!(drill["verdict"], "PROVEN WITH WAIVERS");
    assert_eq!(ended.checks("waived"), ["row-count/orgs"]);
    assert_eq!(drill["waivers"][0]["state"], "used");
    assert_eq!(drill["waivers"][0]["findings"], 1);
    let finding = &drill["checks"][0]["findings"][0];
    assert!(
        finding["waived"].as_str().unwrap().contains("Ann"),
        "{finding}"
    );
}

#[rstest]
#[case::of_another_object(
    "plur.users",
    "9999-12-31",
    "not_needed",
    "matches no finding: remove it"
)]
#[case::that_has_ended("plur.orgs", "2026-01-31", "expired", "ended on 2026-01-31")]
fn a_waiver_that_does_not_hold_fails(
    #[case] object: &str,
    #[case] until: &str,
    #[case] state: &str,
    #[case] says: &str,
) {
    let ended = drill(&waived(object, until), &[]);
    code(&ended, exit_code::NOT_PROVEN);
    assert_eq!(ended.checks("fail"), ["row-count/orgs"]);
    assert_eq!(ended.drill()["waivers"][0]["state"], state);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains(says), "{}", ended.stdout);
}

#[test]
fn a_waiver_that_is_not_needed_is_reported() {
    let needless = waived("*", "9999-12-31").replace("exact = 4", "exact = 3");
    let ended = drill(&needless, &[]);
    code(&ended, exit_code::PROVEN);
    assert_eq!(ended.drill()["waivers"][0]["state"], "not_needed");
    assert!(
        ended.stdout.contains("matches no finding"),
        "{}",
        ended.stdout
    );
}

#[test]
fn selected_checks_keep_their_waivers_only() {
    let scenario = waived("*", "9999-12-31");
    let ended = drill(&scenario, &["--only", "row-count/orgs"]);
    code(&ended, exit_code::WITH_WAIVERS);
    assert_eq!(ended.drill()["verdict"], "CHECKS PASSED WITH WAIVERS");
    let ended = drill(&scenario, &["--only", "row-count/some"]);
    code(&ended, exit_code::PROVEN);
    assert_eq!(ended.drill()["waivers"].as_array().unwrap().len(), 0);
}

/// A waiver that holds before the migrations holds after them, and only for what it names.
#[rstest]
#[case::the_same_finding("CREATE TABLE app.new ();", "SAFE", "1 waived")]
#[case::another_finding(
    "INSERT INTO app.account (email) SELECT n FROM generate_series(1, 60) n;",
    "UNSAFE",
    "1 failed"
)]
fn a_waiver_holds_in_a_rehearsal(#[case] sql: &str, #[case] verdict: &str, #[case] says: &str) {
    let rehearsed = release()
        .up("1", sql)
        .settings(FIRST_RUN_ONLY)
        .more(
            "[[check.row-count]]\nname = \"rows\"\ntables = [\"app.orders\", \"app.account\"]\nmin = 1\nmax = 100\n\
             [[waiver]]\ncheck = \"row-count/rows\"\nobject = \"app.orders\"\n\
             reason = \"the import\"\nowner = \"Ann\"\nuntil = 9999-12-31\n",
        )
        .rehearse();
    assert_eq!(rehearsed.verdict(), verdict, "{}", rehearsed.ended.stdout);
    let summary = rehearsed.summary("checks");
    assert!(summary.contains(says), "{summary}");
}
