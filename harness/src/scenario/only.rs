//! Selects some checks of a scenario: `redrill run --only role`.

use globset::{Error, Glob, GlobMatcher};

use super::{Scenario, ScenarioCheck};
use crate::check::kinds;
use crate::input::diagnostic::nearest;
use crate::outcome::NotTested;
use crate::proof::settings::Level;

/// Selects checks by their kind (`role`) or their id, in which `*` matches any text (`role/plur*`).
#[derive(Debug, Clone)]
pub struct Only {
    text: String,
    id: GlobMatcher,
}

impl Only {
    /// Parses the argument of `--only`.
    ///
    /// # Errors
    /// When it is not a pattern.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self {
            text: text.to_owned(),
            id: Glob::new(text)?.compile_matcher(),
        })
    }

    /// Whether it selects the check.
    fn names(&self, check: &ScenarioCheck) -> bool {
        self.text == check.kind || self.id.is_match(&check.id)
    }
}

/// Keeps the selected checks of each scenario. The others are listed as not tested, and the database is not compared with the
/// backup, since rows that the selected checks do not need are left out.
///
/// # Errors
/// As [`keep`].
pub fn only(scenarios: Vec<Scenario>, wanted: &[Only]) -> Result<Vec<Scenario>, String> {
    let mut some = keep(scenarios, wanted)?;
    for scenario in &mut some {
        scenario.proof = Level::Off;
        let texts = wanted.iter().map(|only| only.text.clone());
        scenario.facts.only = texts.collect();
    }
    Ok(some)
}

/// Keeps the selected checks of each scenario and of its release; the others are listed as not tested.
///
/// # Errors
/// The first selection that is no kind and matches no check, or the first scenario without a selected check; with the kinds
/// that the scenarios have.
pub fn keep(scenarios: Vec<Scenario>, wanted: &[Only]) -> Result<Vec<Scenario>, String> {
    let all = || scenarios.iter().flat_map(|scenario| &scenario.checks);
    let mut used: Vec<&str> = all().map(|check| check.kind).collect();
    used.sort_unstable();
    used.dedup();
    let give = format!(
        "give a kind ({}) or an id from `redrill list`, in which `*` matches any text",
        used.join(", ")
    );
    let kinds: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
    let is_unknown = |only: &&Only| {
        !kinds.contains(&only.text.as_str()) && !all().any(|check| only.names(check))
    };
    if let Some(unknown) = wanted.iter().find(is_unknown) {
        let meant = nearest(&unknown.text, kinds.iter().copied());
        let meant = meant.map(|meant| format!("did you mean `{meant}`? "));
        return Err(format!(
            "`--only {}` matches no check\nhint: {}{give}",
            unknown.text,
            meant.unwrap_or_default()
        ));
    }
    let texts: Vec<String> = wanted.iter().map(|only| only.text.clone()).collect();
    let selection = texts.join(",");
    let mut some = Vec::new();
    for mut scenario in scenarios {
        let all = std::mem::take(&mut scenario.checks);
        let (kept, left): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|check| wanted.iter().any(|only| only.names(check)));
        if kept.is_empty() {
            return Err(format!(
                "the scenario `{}` has no check that `--only {selection}` selects\nhint: {give}, or name other scenarios",
                scenario.facts.name
            ));
        }
        scenario.checks = kept;
        let of_release = &mut scenario.after.checks;
        of_release.retain(|check| wanted.iter().any(|only| only.names(check)));
        scenario
            .not_tested
            .extend(left.iter().map(|check| NotTested {
                what: format!("check `{}`", check.name),
                why: format!("left out by `--only {selection}`"),
            }));
        some.push(scenario);
    }
    Ok(some)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;
    use crate::input::Environment;
    use crate::scenario::parse;

    fn scenario(name: &str, checks: &[(&str, &str)]) -> Scenario {
        let mut text = format!("schema = 1\nname = \"{name}\"\n[backup]\npath = \"x.sql\"\n");
        for (kind, name) in checks {
            let body = match *kind {
                "extension" => "extension = \"vector\"",
                _ => "table = \"a.b\"\nmin = 1",
            };
            text.push_str(&format!("[[check.{kind}]]\nname = \"{name}\"\n{body}\n"));
        }
        parse(Path::new("x.toml"), &text, &Environment::new()).unwrap_or_else(|e| panic!("{e}"))
    }

    #[rstest]
    #[case(&["row-count"], &["row-count/orders", "row-count/users"])]
    #[case(&["row-count/o*"], &["row-count/orders"])]
    #[case(&["extension", "row-count/users"], &["row-count/users", "extension/vector"])]
    #[case(&["*/users"], &["row-count/users"])]
    fn checks_are_named_by_kind_or_id(#[case] wanted: &[&str], #[case] kept: &[&str]) {
        let checks = [
            ("row-count", "orders"),
            ("row-count", "users"),
            ("extension", "vector"),
        ];
        let wanted: Vec<Only> = wanted
            .iter()
            .map(|text| Only::parse(text).unwrap())
            .collect();
        let some = only(vec![scenario("a", &checks)], &wanted).unwrap();
        let ids: Vec<&str> = some[0]
            .checks
            .iter()
            .map(|check| check.id.as_str())
            .collect();
        assert_eq!(ids, kept);
        assert_eq!(some[0].not_tested.len(), 3 - kept.len());
        assert!(some[0].facts.title().starts_with("a (only "));
        assert_eq!(some[0].proof, Level::Off);
    }

    #[rstest]
    #[case(&["rowcount"], "`--only rowcount` matches no check\nhint: did you mean `row-count`? give a kind (extension, row-count) or")]
    #[case(&["row-count", "nothing at all"], "`--only nothing at all` matches no check\nhint: give a kind (extension, row-count) or")]
    #[case(&["rls/*"], "`--only rls/*` matches no check")]
    #[case(&["extension", "rls"], "the scenario `b` has no check that `--only extension,rls` selects\nhint: give a kind (extension, row-count) or")]
    fn a_selection_without_a_check_is_an_error(#[case] wanted: &[&str], #[case] message: &str) {
        let wanted: Vec<Only> = wanted
            .iter()
            .map(|text| Only::parse(text).unwrap())
            .collect();
        let scenarios = vec![
            scenario("a", &[("row-count", "c"), ("extension", "vector")]),
            scenario("b", &[("row-count", "c")]),
        ];
        let Err(error) = only(scenarios, &wanted) else {
            panic!("nothing has such a check");
        };
        assert!(error.starts_with(message), "{error}");
    }

    #[test]
    fn a_kind_that_a_scenario_lacks_may_be_named_with_one_that_it_has() {
        let wanted = ["role", "row-count"].map(|text| Only::parse(text).unwrap());
        let some = only(vec![scenario("a", &[("row-count", "c")])], &wanted).unwrap();
        assert_eq!(some[0].checks.len(), 1);
    }
}
