//! Reads `[[waiver]]`: findings that somebody accepts for a time.

use jiff::civil::Date;
use toml::Spanned;

use super::ScenarioCheck;
use super::file;
use crate::input::Problem;
use crate::input::diagnostic::nearest;
use crate::sql::Glob;

/// A waiver of the scenario.
#[derive(Debug, Clone)]
pub struct Waiver {
    /// The ids of its checks.
    pub check: Glob,
    /// The objects of its findings.
    pub object: Glob,
    /// Why they are accepted.
    pub reason: String,
    /// Who accepts them.
    pub owner: String,
    /// The last day, in UTC.
    pub until: Date,
    /// Line of the scenario file, counted from 1.
    pub line: usize,
}

/// Validates the waivers: each names a check of the scenario or of its release, somebody and a reason.
pub(super) fn waivers(
    read: Vec<file::Waiver>,
    checks: [&[ScenarioCheck]; 2],
    text: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Waiver> {
    let one = |waiver: file::Waiver| {
        refuse_unknown(&waiver.check, checks, problems);
        for (key, value, hint) in [
            (
                "object",
                &waiver.object,
                "name the object as the report does, or write \"*\" for all findings",
            ),
            (
                "reason",
                &waiver.reason,
                "say why the findings are accepted: every report shows it",
            ),
            (
                "owner",
                &waiver.owner,
                "name who accepts the findings: every report shows it",
            ),
        ] {
            if value.get_ref().trim().is_empty() {
                problems.push(Problem::at(value.span(), format!("`{key}` is empty")).hint(hint));
            }
        }
        Waiver {
            line: text[..waiver.check.span().start.min(text.len())]
                .matches('\n')
                .count()
                + 1,
            check: Glob::new(waiver.check.get_ref()),
            object: Glob::new(waiver.object.get_ref()),
            reason: waiver.reason.into_inner(),
            owner: waiver.owner.into_inner(),
            until: waiver.until.0,
        }
    };
    read.into_iter().map(one).collect()
}

/// Refuses a waiver of a check that there is not.
fn refuse_unknown(
    check: &Spanned<String>,
    checks: [&[ScenarioCheck]; 2],
    problems: &mut Vec<Problem>,
) {
    let ids = || checks.into_iter().flatten().map(|check| check.id.as_str());
    let glob = Glob::new(check.get_ref());
    if ids().any(|id| glob.matches(id)) {
        return;
    }
    let problem = Problem::at(check.span(), "no check of this scenario has this id");
    problems.push(problem.hint(match nearest(check.get_ref(), ids()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`redrill list` shows the ids; `*` matches any text".to_owned(),
    }));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use crate::input::Environment;
    use crate::scenario::{Scenario, parse};

    const WAIVER: &str = "check = \"row-count/orders\"\nobject = \"*\"\nreason = \"known\"\nowner = \"Ann\"\nuntil = 2027-01-31\n";

    fn scenario(check: &str, waiver: &str) -> Result<Scenario, String> {
        let text = format!(
            "schema = 1\nname = \"a\"\n[backup]\npath = \"x.sql\"\n[[check.row-count]]\nname = \"orders\"\ntable = \"a.b\"\nmin = 1\n{check}[[waiver]]\n{waiver}"
        );
        let read = parse(Path::new("x.toml"), &text, &Environment::new());
        read.map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_waiver_is_read_with_its_line() {
        let scenario = scenario("", WAIVER).unwrap();
        let [waiver] = scenario.waivers.as_slice() else {
            panic!("one waiver");
        };
        assert_eq!((waiver.line, waiver.owner.as_str()), (10, "Ann"));
        assert_eq!(waiver.until, jiff::civil::date(2027, 1, 31));
    }

    #[rstest]
    #[case(
        "row-count/orders",
        "row-count/oders",
        "did you mean `row-count/orders`?"
    )]
    #[case("row-count/orders", "role/*", "`redrill list` shows the ids")]
    #[case("\"*\"", "\" \"", "`object` is empty")]
    #[case("\"known\"", "\"\"", "`reason` is empty")]
    #[case("\"Ann\"", "\"\"", "`owner` is empty")]
    #[case("2027-01-31", "\"2027-01-31\"", "this must be a day without quotes")]
    #[case(
        "2027-01-31",
        "2027-01-31T10:00:00Z",
        "this must be a day without quotes"
    )]
    #[case("2027-01-31", "2027-02-30", "x.toml:14")]
    #[case("until", "til", "unknown key `til`")]
    #[case("owner = \"Ann\"\n", "", "`owner` is missing")]
    fn mistakes_have_their_place_and_a_hint(
        #[case] right: &str,
        #[case] wrong: &str,
        #[case] expected: &str,
    ) {
        assert!(WAIVER.contains(right));
        let Err(said) = scenario("", &WAIVER.replace(right, wrong)) else {
            panic!("{wrong} is accepted");
        };
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("x.toml:"), "{said}");
    }

    #[rstest]
    #[case("required = false\n", "`required = false` needs a reason")]
    #[case(
        "required = false\nreason = \" \"\n",
        "`required = false` needs a reason"
    )]
    #[case(
        "reason = \"x\"\n",
        "`reason` has no effect without `required = false`"
    )]
    #[case(
        "required = true\nreason = \"x\"\n",
        "`reason` has no effect without `required = false`"
    )]
    fn a_check_that_is_not_required_needs_a_reason(#[case] keys: &str, #[case] expected: &str) {
        let Err(said) = scenario(keys, WAIVER) else {
            panic!("{keys} is accepted");
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn the_reason_is_kept() {
        let read = scenario("required = false\nreason = \"why\"\n", WAIVER).unwrap();
        let [check] = read.checks.as_slice() else {
            panic!("one check");
        };
        assert!(!check.required);
        assert_eq!(check.not_required_because.as_deref(), Some("why"));
    }
}
