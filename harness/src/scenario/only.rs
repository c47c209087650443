//! Selects some checks of a scenario: `redrill run --only role`.

use globset::{Error, Glob, GlobMatcher};

use super::{Scenario, ScenarioCheck};
use crate::outcome::NotTested;

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

/// Keeps the selected checks of each scenario, and the scenarios that have any. The others are listed as
/// not tested.
///
/// # Errors
/// The selections that match no check of any scenario, with the existing kinds.
pub fn only(scenarios: Vec<Scenario>, wanted: &[Only]) -> Result<Vec<Scenario>, String> {
    let all = || scenarios.iter().flat_map(|scenario| &scenario.checks);
    if let Some(unknown) = wanted
        .iter()
        .find(|only| !all().any(|check| only.names(check)))
    {
        let mut known: Vec<&str> = all().map(|check| check.kind).collect();
        known.sort_unstable();
        known.dedup();
        return Err(format!(
            "`--only {}` matches no check\nhint: give a kind ({}) or an id from `redrill list`, in which `*` matches any text",
            unknown.text,
            known.join(", ")
        ));
    }
    let texts: Vec<String> = wanted.iter().map(|only| only.text.clone()).collect();
    let some = scenarios.into_iter().filter_map(|mut scenario| {
        let all = std::mem::take(&mut scenario.checks);
        let (kept, left): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|check| wanted.iter().any(|only| only.names(check)));
        scenario.checks = kept;
        scenario.facts.only.clone_from(&texts);
        scenario
            .not_tested
            .extend(left.iter().map(|check| NotTested {
                what: format!("check `{}`", check.name),
                why: format!("left out by `--only {}`", texts.join(" --only ")),
            }));
        (!scenario.checks.is_empty()).then_some(scenario)
    });
    Ok(some.collect())
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
        let scenarios = vec![scenario("a", &checks), scenario("b", &[("row-count", "c")])];
        let some = only(scenarios, &wanted).unwrap();
        let ids: Vec<&str> = some[0]
            .checks
            .iter()
            .map(|check| check.id.as_str())
            .collect();
        assert_eq!(ids, kept);
        assert_eq!(some[0].not_tested.len(), 3 - kept.len());
        assert!(some[0].facts.title().starts_with("a (only "));
    }

    #[test]
    fn a_name_that_nothing_has_is_an_error() {
        let wanted = [Only::parse("rowcount").unwrap()];
        let Err(message) = only(vec![scenario("a", &[("row-count", "c")])], &wanted) else {
            panic!("nothing is named so");
        };
        assert!(message.contains("`--only rowcount`"), "{message}");
        assert!(message.contains("(row-count)"), "{message}");
    }
}
