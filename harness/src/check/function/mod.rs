//! `function`: functions and procedures are there, do what they did, and run as whom they must.
//!
//! - `property` is what the catalog says of a function, in the words of a scenario
//! - `catalog` reads the functions
//! - `compare` says what is wrong with one

mod catalog;
mod compare;
mod property;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::catalog::{FoundFunction, everything, open_schemas};
pub(super) use self::catalog::{FunctionName, resolve};
use self::compare::body;
use self::property::{FunctionSort, Parallel, Security, Volatility};
use crate::check::absent;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::digest::parse_sha256;
use crate::outcome::{CouldNotRun, Finding};
use crate::units::show_counted;

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
    /// Exactly this many match.
    pub count: Option<usize>,
    /// What it is.
    pub sort: Option<FunctionSort>,
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

impl Parameters for Function {
    const KIND: &'static str = "function";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.names().next().is_none() && self.digests.is_empty() {
            errors.whole("no function is named").add_hint(
                "add `function = \"schema.name(types)\"`, or `functions = [\"schema.*\"]`",
            );
        }
        let one = self.function.iter().map(|name| ("function", name));
        let several = self.functions.iter().map(|name| ("functions", name));
        let except = self.except.iter().map(|name| ("except", name));
        let digests = self.digests.keys().map(|name| ("digests", name));
        for (key, name) in one.chain(several).chain(except).chain(digests) {
            let is_list = matches!(key, "functions" | "except");
            match FunctionName::parse(name) {
                Err(message) => errors
                    .at(key, message)
                    .add_hint("write `schema.name(types)`"),
                Ok(wanted) if wanted.is_pattern() && !is_list => errors
                    .at(key, "a pattern belongs in `functions`")
                    .add_hint(format!("write `functions = [\"{name}\"]`")),
                Ok(wanted) if wanted.is_pattern() && wanted.has_types() => errors
                    .at(key, format!("`{name}` has both a pattern and types"))
                    .add_hint("a pattern is about all argument types; leave out the parentheses"),
                Ok(_) => {}
            }
        }
        if self.function.is_none() || !self.functions.is_empty() {
            let of_one = [
                ("sha256", self.sha256.is_some()),
                ("definition", self.definition.is_some()),
            ];
            let hint = "name it in `function`, and alone; several go into `digests`";
            errors.each(of_one, "is about one function", hint);
        }
        let digests = self.sha256.iter().map(|digest| ("sha256", digest));
        let digests = digests.chain(self.digests.values().map(|digest| ("digests", digest)));
        for (key, digest) in digests {
            if parse_sha256(digest).is_none() {
                errors
                    .at(key, format!("`{digest}` is not a SHA-256 in hex"))
                    .add_hint("64 characters; give any, and the finding shows the digest");
            }
        }
        if !self.except.is_empty() && self.functions.is_empty() {
            errors.at("except", "`except` needs `functions`");
        }
    }
}

#[async_trait]
impl Check for Function {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match names.as_slice() {
            [one] => format!("function {one}"),
            [first, rest @ ..] => format!("functions {first} and {} more", rest.len()),
            [] => format!("bodies of {}", show_counted(self.digests.len(), "function")),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let all = everything(&mut session).await?;
        let open = open_schemas(&mut session).await?;
        let mut findings = Vec::new();
        let mut chosen: Vec<&FoundFunction> = Vec::new();
        let except: Vec<FunctionName> = self
            .except
            .iter()
            .filter_map(|n| FunctionName::parse(n).ok())
            .collect();
        for name in self.names() {
            let wanted = FunctionName::parse(name).map_err(CouldNotRun::new)?;
            let matched = matching(&mut session, &wanted, &all).await?;
            if matched.is_empty() {
                findings.push(missing(name, &wanted, &all));
            }
            for found in matched {
                let left_out = wanted.is_pattern() && except.iter().any(|e| e.names(found, None));
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
            let wanted = FunctionName::parse(name).map_err(CouldNotRun::new)?;
            let matched = matching(&mut session, &wanted, &all).await?;
            if matched.is_empty() {
                findings.push(missing(name, &wanted, &all));
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
        let has_checked = !chosen.is_empty() || !self.digests.is_empty() || self.count.is_some();
        if !has_checked && findings.is_empty() {
            return Err(CouldNotRun::new("`except` leaves no function to check")
                .hint("leave out fewer, or remove the check"));
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
                .hint(absent::why("CREATE FUNCTION")),
            );
        }
        let actual = match chosen.as_slice() {
            [] => format!("{} checked", show_counted(self.digests.len(), "body")),
            [one] => one.describe(),
            many => format!("{} checked", show_counted(many.len(), "function")),
        };
        let whole = Observation::new(self.expectation(), actual, findings);
        Ok(whole.with_entries_if(!self.functions.is_empty(), entries))
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
}

/// Gives the functions that a name or pattern matches.
async fn matching<'a>(
    session: &mut Session,
    wanted: &FunctionName,
    all: &'a [FoundFunction],
) -> Result<Vec<&'a FoundFunction>, CouldNotRun> {
    let oid = resolve(session, wanted).await?;
    let names = |found: &&FoundFunction| wanted.names(found, oid.as_deref());
    Ok(all.iter().filter(names).collect())
}

/// Says that a function is not there, and what has its name.
fn missing(name: &str, wanted: &FunctionName, all: &[FoundFunction]) -> Finding {
    let others: Vec<String> = all
        .iter()
        .filter(|found| found.name == wanted.name)
        .map(ToString::to_string)
        .collect();
    let there: Vec<String> = all.iter().map(ToString::to_string).collect();
    let actual = match others.as_slice() {
        [] => "there is none in the restored database".to_owned(),
        others => format!("there is only {}", others.join(", ")),
    };
    let expected = if wanted.is_pattern() {
        "at least one function that matches"
    } else {
        "a function"
    };
    Finding::about(name, expected, actual).hint(format!(
        "{}; types of other schemas are written with their schema",
        absent::why_or_meant("CREATE FUNCTION", name, there.iter().map(String::as_str))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

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
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        let made = errors_of(|errors| toml::from_str::<Function>(toml).unwrap().validate(errors));
        assert_eq!(made.len(), expected, "{made:#?}");
    }
}
