//! `function`: functions and procedures are there, do what they did, and run as whom they must.
//!
//! `look` reads the catalog.

mod look;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::look::{Found, Wish};
use crate::check::{Check, Complaint, CouldNotLook, Entry, Observation, Parameters, Restored};
use crate::outcome::Finding;
use crate::sql::setting_elements;

/// Functions, procedures, aggregates and window functions are there, with the body that they had, and
/// run as whom they must.
///
/// A function is named as `schema.name(types)`, as in `app.total(integer, numeric[])`; without
/// parentheses it stands for all that have the name. Types of other schemas than `pg_catalog` are
/// written with their schema. A pattern leaves out what belongs to an extension.
///
/// ## What it proves
/// - Each name is there, and each pattern matches something; `count`: exactly so many match.
/// - `sha256`, `digests`: the body is the very one. It is the digest of `prosrc`, or of what
///   `pg_get_function_sqlbody` writes where the body is SQL-standard; a finding shows the one that is
///   there, so that it can be copied:
///   `SELECT encode(sha256(convert_to(prosrc, 'UTF8')), 'hex') FROM pg_proc WHERE oid = 'app.f(integer)'::regprocedure`
/// - `definition`: the whole of it, as `pg_get_functiondef` writes it, indentation and empty lines aside.
/// - `sort`, `language`, `returns`, `volatility`, `strict`, `parallel`, `leakproof`, `security`, `owner`,
///   `settings`: what the catalog says of it.
/// - `safe`: none is SECURITY DEFINER and owned by a superuser, as after a restore with `--no-owner`,
///   where it would read past every row policy; and each that is SECURITY DEFINER sets a `search_path`
///   without `"$user"` and without a schema in which everybody may create something.
///
/// ## What it does not prove
/// That it gives the right answers: `sql` and `append-only` try things. Who may execute it is for
/// `role`. The code of a function in C is in a library of the server, and an aggregate has no body of its
/// own: their digests say little.
///
/// ## Example
/// ```toml
/// [[check.function]]
/// name = "the audit trail's trigger function is the one that was written"
/// function = "app.refuse_change()"
/// sha256 = "0c13f0d1a2f8ad0e9a7f1c0b8d5e6f2a3b4c5d6e7f8091a2b3c4d5e6f708192a"
/// language = "plpgsql"
/// owner = "app_owner"
/// settings = { search_path = "pg_catalog" }
///
/// [[check.function]]
/// name = "no function gives away a superuser's eyes"
/// functions = ["app.*"]
/// safe = true
///
/// [[check.function]]
/// function = "app.visible_orders(bigint)"
/// security = "invoker"
/// volatility = "stable"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Function {
    /// One function, as `schema.name(types)` or `schema.name`.
    pub function: Option<String>,
    /// Several; `*` and `?` match in schema and name, for all argument types.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Functions that are left out; `*` and `?` match, for all argument types.
    #[serde(default)]
    pub except: Vec<String>,
    /// The SHA-256 of the body, in hex.
    pub sha256: Option<String>,
    /// The SHA-256 of the body of each of these functions, in hex.
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
    /// The whole definition, as `pg_get_functiondef` writes it.
    pub definition: Option<String>,
    /// Exactly so many match.
    pub count: Option<usize>,
    /// What it is.
    pub sort: Option<Sort>,
    /// The language, as in `plpgsql`.
    pub language: Option<String>,
    /// What it returns, as the server writes it: `SETOF app.orders`.
    pub returns: Option<String>,
    /// How its answer may change.
    pub volatility: Option<Volatility>,
    /// Whether it answers NULL to NULL without being called.
    pub strict: Option<bool>,
    /// Whether parallel workers may call it.
    pub parallel: Option<Parallel>,
    /// Whether it lets nothing through of its arguments, and so may run before a row policy.
    pub leakproof: Option<bool>,
    /// As whom it runs.
    pub security: Option<Security>,
    /// The role that owns it.
    pub owner: Option<String>,
    /// Settings that it is run with, as in `{ search_path = "pg_catalog" }`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Whether every SECURITY DEFINER function must be safe to call.
    #[serde(default)]
    pub safe: bool,
}

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// An ordinary function.
    Function,
    /// A procedure, for CALL.
    Procedure,
    /// An aggregate.
    Aggregate,
    /// A window function.
    Window,
}

impl Sort {
    const fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
            Self::Window => "window function",
        }
    }
}

/// How an answer may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Volatility {
    /// Never.
    Immutable,
    /// From statement to statement.
    Stable,
    /// At any time.
    Volatile,
}

impl Volatility {
    const fn word(self) -> &'static str {
        match self {
            Self::Immutable => "IMMUTABLE",
            Self::Stable => "STABLE",
            Self::Volatile => "VOLATILE",
        }
    }
}

/// Whether parallel workers may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parallel {
    /// They may.
    Safe,
    /// Only the leader may.
    Restricted,
    /// No plan with it is parallel.
    Unsafe,
}

impl Parallel {
    const fn word(self) -> &'static str {
        match self {
            Self::Safe => "PARALLEL SAFE",
            Self::Restricted => "PARALLEL RESTRICTED",
            Self::Unsafe => "PARALLEL UNSAFE",
        }
    }
}

/// As whom a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// As its owner.
    Definer,
    /// As whoever calls it.
    Invoker,
}

impl Security {
    const fn word(self) -> &'static str {
        match self {
            Self::Definer => "SECURITY DEFINER",
            Self::Invoker => "SECURITY INVOKER",
        }
    }
}

impl Parameters for Function {
    const KIND: &'static str = "function";
    const LOOKS_AT_DATA: bool = false;

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.names().next().is_none() && self.digests.is_empty() {
            complaints.push(
                Complaint::whole("no function is named").hint(
                    "add `function = \"schema.name(types)\"`, or `functions = [\"schema.*\"]`",
                ),
            );
        }
        let lists = [
            ("function", self.function.iter().collect::<Vec<_>>()),
            ("functions", self.functions.iter().collect()),
            ("except", self.except.iter().collect()),
            ("digests", self.digests.keys().collect()),
        ];
        for (key, names) in lists {
            for name in names {
                let several = matches!(key, "functions" | "except");
                match Wish::parse(name) {
                    Err(message) => complaints
                        .push(Complaint::about(key, message).hint("write `schema.name(types)`")),
                    Ok(wish) if wish.is_pattern() && !several => complaints.push(
                        Complaint::about(key, "a pattern stands in `functions`")
                            .hint(format!("write `functions = [\"{name}\"]`")),
                    ),
                    Ok(wish) if wish.is_pattern() && wish.has_types() => complaints.push(
                        Complaint::about(key, format!("`{name}` has both a pattern and types"))
                            .hint(
                                "a pattern is about all argument types; leave out the parentheses",
                            ),
                    ),
                    Ok(_) => {}
                }
            }
        }
        for (key, given) in [
            ("sha256", self.sha256.is_some()),
            ("definition", self.definition.is_some()),
        ] {
            if given && (self.function.is_none() || !self.functions.is_empty()) {
                complaints.push(
                    Complaint::about(key, format!("`{key}` is about one function"))
                        .hint("name it in `function`, and alone; several go into `digests`"),
                );
            }
        }
        let digests = self.sha256.iter().map(|digest| ("sha256", digest));
        let digests = digests.chain(self.digests.values().map(|digest| ("digests", digest)));
        for (key, digest) in digests {
            if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
                complaints.push(
                    Complaint::about(key, format!("`{digest}` is not a SHA-256 in hex"))
                        .hint("64 characters; put any, and the finding shows the right one"),
                );
            }
        }
        if !self.except.is_empty() && self.functions.is_empty() {
            complaints.push(Complaint::about(
                "except",
                "`except` takes away from `functions`",
            ));
        }
        complaints
    }
}

#[async_trait]
impl Check for Function {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match names.as_slice() {
            [one] => format!("function {one}"),
            [first, rest @ ..] => format!("functions {first} and {} more", rest.len()),
            [] => format!("bodies of {} functions", self.digests.len()),
        }
    }

    fn alone(&self) -> bool {
        false
    }

    async fn look(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotLook> {
        let mut session = restored.session().await?;
        let all = look::everything(&mut session).await?;
        let open = look::open_schemas(&mut session).await?;
        let mut findings = Vec::new();
        let mut chosen: Vec<&Found> = Vec::new();
        let except: Vec<Wish> = self
            .except
            .iter()
            .filter_map(|n| Wish::parse(n).ok())
            .collect();
        for name in self.names() {
            let wish = Wish::parse(name).map_err(CouldNotLook::because)?;
            let oid = look::resolve(&mut session, &wish).await?;
            let matched: Vec<&Found> = all
                .iter()
                .filter(|f| wish.names(f, oid.as_deref()))
                .collect();
            if matched.is_empty() {
                findings.push(missing(name, &wish, &all));
            }
            for found in matched {
                let left_out = wish.is_pattern() && except.iter().any(|e| e.names(found, None));
                if !left_out && !chosen.iter().any(|known| known.oid == found.oid) {
                    chosen.push(found);
                }
            }
        }
        let mut entries = Vec::new();
        for found in &chosen {
            let mut wrong = self.compare(found);
            if self.safe {
                wrong.extend(found.unsafe_to_call(&open));
            }
            entries.push(Entry {
                object: found.to_string(),
                expected: self.expectation(),
                actual: found.describe(),
                findings: wrong,
                duration: Duration::ZERO,
            });
        }
        for (name, digest) in &self.digests {
            let wish = Wish::parse(name).map_err(CouldNotLook::because)?;
            let oid = look::resolve(&mut session, &wish).await?;
            let matched: Vec<&Found> = all
                .iter()
                .filter(|f| wish.names(f, oid.as_deref()))
                .collect();
            if matched.is_empty() {
                findings.push(missing(name, &wish, &all));
            }
            for found in matched {
                // Where it has an entry of its own, its body belongs there.
                let object = found.to_string();
                let entry = entries.iter_mut().find(|entry| entry.object == object);
                let place = entry.map_or(&mut findings, |entry| &mut entry.findings);
                place.extend(body(found, digest));
            }
        }
        session.close().await;
        let looked = !chosen.is_empty() || !self.digests.is_empty() || self.count.is_some();
        if !looked && findings.is_empty() {
            return Err(
                CouldNotLook::because("`except` leaves no function to look at")
                    .hint("leave out fewer, or remove the check"),
            );
        }
        if let Some(count) = self.count
            && count != chosen.len()
        {
            findings.push(
                Finding::about(
                    self.describe(),
                    format!("{count} of them"),
                    format!("{} of them", chosen.len()),
                )
                .hint("look for CREATE FUNCTION in the restore's errors"),
            );
        }
        let actual = match chosen.as_slice() {
            [] => format!("{} bodies looked at", self.digests.len()),
            [one] => one.describe(),
            many => format!("{} functions looked at", many.len()),
        };
        let mut whole = Observation::new(self.expectation(), actual, findings);
        if self.functions.is_empty() {
            whole
                .findings
                .extend(entries.into_iter().flat_map(|entry| entry.findings));
            Ok(whole)
        } else {
            Ok(whole.with_entries(entries))
        }
    }
}

impl Function {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.function
            .iter()
            .chain(&self.functions)
            .map(String::as_str)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = vec!["there".to_owned()];
        if self.sha256.is_some() || !self.digests.is_empty() {
            parts.push("with its body".to_owned());
        }
        if self.definition.is_some() {
            parts.push("as defined".to_owned());
        }
        let words = [
            self.language.clone(),
            self.volatility.map(|v| v.word().to_owned()),
            self.parallel.map(|p| p.word().to_owned()),
            self.security.map(|s| s.word().to_owned()),
            self.owner.as_ref().map(|owner| format!("owned by {owner}")),
        ];
        parts.extend(words.into_iter().flatten());
        if !self.settings.is_empty() {
            parts.push("with its settings".to_owned());
        }
        if self.safe {
            parts.push("safe where it is SECURITY DEFINER".to_owned());
        }
        parts.join(", ")
    }

    /// Compares one function with what is asked for.
    fn compare(&self, found: &Found) -> Vec<Finding> {
        let mut findings = Vec::new();
        let object = format!("function {found}");
        let mut differ = |expected: String, actual: String| {
            if expected != actual {
                findings.push(Finding::about(&object, expected, actual));
            }
        };
        if let Some(sort) = self.sort {
            differ(sort.word().to_owned(), found.sort.word().to_owned());
        }
        if let Some(language) = &self.language {
            differ(
                format!("language {language}"),
                format!("language {}", found.language),
            );
        }
        if let Some(returns) = &self.returns {
            differ(
                format!("returns {returns}"),
                format!("returns {}", found.returns),
            );
        }
        if let Some(volatility) = self.volatility {
            differ(
                volatility.word().to_owned(),
                found.volatility.word().to_owned(),
            );
        }
        if let Some(parallel) = self.parallel {
            differ(parallel.word().to_owned(), found.parallel.word().to_owned());
        }
        let strict = |yes| {
            if yes {
                "STRICT"
            } else {
                "CALLED ON NULL INPUT"
            }
            .to_owned()
        };
        if let Some(wanted) = self.strict {
            differ(strict(wanted), strict(found.strict));
        }
        let leakproof = |yes| if yes { "LEAKPROOF" } else { "NOT LEAKPROOF" }.to_owned();
        if let Some(wanted) = self.leakproof {
            differ(leakproof(wanted), leakproof(found.leakproof));
        }
        if let Some(security) = self.security {
            differ(security.word().to_owned(), found.security.word().to_owned());
        }
        if let Some(owner) = &self.owner {
            differ(format!("owner {owner}"), format!("owner {}", found.owner));
        }
        for (name, value) in &self.settings {
            let actual = found.setting(name);
            if actual.map(setting_elements) != Some(setting_elements(value)) {
                let actual = actual.map_or_else(
                    || format!("{name} is not set"),
                    |value| format!("{name} = {value}"),
                );
                differ(format!("{name} = {value}"), actual);
            }
        }
        if let Some(definition) = &self.definition
            && look::lines(definition) != look::lines(&found.definition)
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
    let (expected, actual) = (look::lines(expected), look::lines(actual));
    let at = expected
        .iter()
        .zip(&actual)
        .position(|(expected, actual)| expected != actual)
        .unwrap_or(expected.len().min(actual.len()));
    // Which line, but not the line: a body may hold what nobody should read.
    format!("it differs from line {} on", at + 1)
}

/// Compares a body with its digest.
fn body(found: &Found, digest: &str) -> Option<Finding> {
    (!digest.eq_ignore_ascii_case(&found.sha256)).then(|| {
        Finding::about(
            format!("function {found}"),
            format!("a body with SHA-256 {}", digest.to_ascii_lowercase()),
            format!("SHA-256 {}", found.sha256),
        )
        .hint("the function was replaced; if a migration did it, copy the new digest into the scenario")
    })
}

/// Says that a function is not there, and what has its name.
fn missing(name: &str, wish: &Wish, all: &[Found]) -> Finding {
    let others: Vec<String> = all
        .iter()
        .filter(|found| found.name == wish.name)
        .map(ToString::to_string)
        .collect();
    let actual = match others.as_slice() {
        [] => "there is none in the restored database".to_owned(),
        others => format!("there is only {}", others.join(", ")),
    };
    let expected = if wish.is_pattern() {
        "at least one function that matches"
    } else {
        "a function"
    };
    Finding::about(name, expected, actual).hint(
        "look for its CREATE FUNCTION in the restore's errors; types of other schemas are written with their schema",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::QualifiedName;
    use rstest::rstest;

    fn check(toml: &str) -> Function {
        toml::from_str(toml).unwrap()
    }

    fn found() -> Found {
        Found {
            oid: "1".to_owned(),
            name: QualifiedName::parse("app.f").unwrap(),
            arguments: "a integer".to_owned(),
            of_extension: false,
            sort: Sort::Function,
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

    #[rstest]
    #[case("function = 'app.f(integer)'", 0)]
    #[case(
        "functions = ['app.*', 'app.f(integer)']\nsafe = true\nexcept = ['app.g*']",
        0
    )]
    #[case("", 1)]
    #[case("function = 'app.*'", 1)]
    #[case("functions = ['app.f*(integer)']", 1)]
    #[case("function = 'app.f(integer'", 1)]
    #[case("function = 'a.b.c()'", 1)]
    #[case("functions = ['app.*']\ndefinition = 'x'", 1)]
    #[case("function = 'app.f'\nsha256 = 'abc'", 1)]
    #[case("digests = { 'app.f()' = 'abc' }", 1)]
    #[case("function = 'app.f'\nexcept = ['app.g']", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] complaints: usize) {
        let made = check(toml).complaints();
        assert_eq!(made.len(), complaints, "{made:#?}");
    }
}
