//! What is wrong with a function.

use super::Function;
use super::catalog::{FoundFunction, lines};
use crate::outcome::Finding;
use crate::sql::setting_elements;

impl Function {
    /// Compares one function with what is asked for.
    pub fn compare(&self, found: &FoundFunction) -> Vec<Finding> {
        let mut findings = Vec::new();
        let object = format!("function {found}");
        let mut differ = |expected: &str, actual: &str| {
            if expected != actual {
                findings.push(Finding::about(&object, expected, actual));
            }
        };
        if let Some(sort) = self.sort {
            differ(sort.word(), found.sort.word());
        }
        if let Some(language) = &self.language {
            differ(
                &format!("language {language}"),
                &format!("language {}", found.language),
            );
        }
        if let Some(returns) = &self.returns {
            differ(
                &format!("returns {returns}"),
                &format!("returns {}", found.returns),
            );
        }
        if let Some(volatility) = self.volatility {
            differ(volatility.word(), found.volatility.word());
        }
        if let Some(parallel) = self.parallel {
            differ(parallel.word(), found.parallel.word());
        }
        let strict = |yes| {
            if yes {
                "STRICT"
            } else {
                "CALLED ON NULL INPUT"
            }
        };
        if let Some(wanted) = self.strict {
            differ(strict(wanted), strict(found.strict));
        }
        let leakproof = |yes| if yes { "LEAKPROOF" } else { "NOT LEAKPROOF" };
        if let Some(wanted) = self.leakproof {
            differ(leakproof(wanted), leakproof(found.leakproof));
        }
        if let Some(security) = self.security {
            differ(security.word(), found.security.word());
        }
        if let Some(owner) = &self.owner {
            differ(&format!("owner {owner}"), &format!("owner {}", found.owner));
        }
        for (name, value) in &self.settings {
            let actual = found.setting(name);
            if actual.map(setting_elements) != Some(setting_elements(value)) {
                let actual = actual.map_or_else(
                    || format!("{name} is not set"),
                    |value| format!("{name} = {value}"),
                );
                differ(&format!("{name} = {value}"), &actual);
            }
        }
        if let Some(definition) = &self.definition
            && lines(definition) != lines(&found.definition)
        {
            findings.push(
                Finding::about(&object, "its definition", changed(definition, &found.definition))
                    .hint("compare with pg_get_functiondef; correct the scenario if a migration changed it"),
            );
        }
        findings.extend(self.sha256.as_ref().and_then(|digest| body(found, digest)));
        findings
    }
}

/// Says which line differs first, so that a person finds it; indentation and empty lines do not count.
fn changed(expected: &str, actual: &str) -> String {
    let (expected, actual) = (lines(expected), lines(actual));
    let at = expected
        .iter()
        .zip(&actual)
        .position(|(expected, actual)| expected != actual)
        .unwrap_or(expected.len().min(actual.len()));
    // Which line, but not the line: a body may contain secrets.
    format!("it differs from line {} on", at + 1)
}

/// Compares a body with its digest.
pub fn body(found: &FoundFunction, digest: &str) -> Option<Finding> {
    (!digest.eq_ignore_ascii_case(&found.sha256)).then(|| {
        Finding::about(
            format!("function {found}"),
            format!("a body with SHA-256 {}", digest.to_ascii_lowercase()),
            format!("SHA-256 {}", found.sha256),
        )
        .hint("the function was replaced; if a migration did it, copy the new digest into the scenario")
    })
}

#[cfg(test)]
mod tests {
    use super::super::property::{FunctionSort, Parallel, Security, Volatility};
    use super::*;
    use crate::sql::QualifiedName;
    use rstest::rstest;

    fn check(toml: &str) -> Function {
        toml::from_str(toml).unwrap()
    }

    fn found() -> FoundFunction {
        FoundFunction {
            oid: "1".to_owned(),
            name: QualifiedName::parse("app.f").unwrap(),
            arguments: "a integer".to_owned(),
            of_extension: false,
            sort: FunctionSort::Function,
            language: "plpgsql".to_owned(),
            returns: "bigint".to_owned(),
            volatility: Volatility::Volatile,
            strict: false,
            parallel: Parallel::Unsafe,
            leakproof: false,
            security: Security::Definer,
            owner: "owner".to_owned(),
            owned_by_superuser: false,
            settings: vec!["search_path=pg_catalog, \"My\"".to_owned()],
            sha256: "a".repeat(64),
            definition: "CREATE FUNCTION app.f()\n AS $$\nBEGIN\n  x;\nEND\n$$\n".to_owned(),
        }
    }

    #[rstest]
    #[case("", 0)]
    #[case("sort = 'function'", 0)]
    #[case("sort = 'procedure'", 1)]
    #[case("language = 'plpgsql'", 0)]
    #[case("language = 'sql'", 1)]
    #[case("returns = 'bigint'", 0)]
    #[case("returns = 'integer'", 1)]
    #[case("volatility = 'volatile'", 0)]
    #[case("volatility = 'immutable'", 1)]
    #[case("parallel = 'unsafe'", 0)]
    #[case("parallel = 'safe'", 1)]
    #[case("strict = false", 0)]
    #[case("strict = true", 1)]
    #[case("leakproof = false", 0)]
    #[case("leakproof = true", 1)]
    #[case("security = 'definer'", 0)]
    #[case("security = 'invoker'", 1)]
    #[case("owner = 'owner'", 0)]
    #[case("owner = 'app'", 1)]
    #[case("settings = { search_path = 'pg_catalog, My' }", 0)]
    #[case("settings = { search_path = 'pg_catalog' }", 1)]
    #[case("settings = { work_mem = '1MB' }", 1)]
    #[case(
        "definition = 'CREATE FUNCTION app.f()\n\n  AS $$\nBEGIN\nx;\nEND\n$$'",
        0
    )]
    #[case(
        "definition = 'CREATE FUNCTION app.f()\nAS $$\nBEGIN\n-- x;\nEND\n$$'",
        1
    )]
    fn a_function_is_held_to_what_is_asked(#[case] toml: &str, #[case] broken: usize) {
        let check = check(&format!(
            "function = 'app.f(integer)'\n{}",
            toml.replace('\n', "\\n")
                .replace("definition = '", "definition = \"")
                .replace("$$'", "$$\"")
        ));
        let findings = check.compare(&found());
        assert_eq!(findings.len(), broken, "{findings:?}");
    }

    #[test]
    fn a_digest_is_shown_where_it_differs() {
        assert_eq!(body(&found(), &"A".repeat(64)), None);
        let finding = body(&found(), &"b".repeat(64)).unwrap();
        assert!(finding.actual.contains(&"a".repeat(64)));
    }
}
