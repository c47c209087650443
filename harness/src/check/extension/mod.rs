//! `extension`: extensions are installed, in the right version, and their libraries answer.

mod library;
pub(crate) mod version;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::version::Dotted;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_literal;

/// Extensions are installed, in the right version and schema, and their libraries answer.
///
/// ## What it proves
/// - the extension is in the database's catalog, with the version and in the schema asked for
/// - every C function that the extension's SQL declares is found in the library on this server: a
///   library that is missing, of another version, or of another major version of Postgres fails here
/// - for vector, age, pgcrypto, pg_trgm, uuid-ossp, hstore, citext, ltree, cube, intarray,
///   fuzzystrmatch and postgis: one call into the library gives the right answer. For any other
///   extension give `call`, a query of your own; an answer that is `false` fails.
/// - with `drift = "fail"`: the SQL objects are those that this server's library brings along
///   (`extversion` is the default version). An extension whose SQL is older than its library works
///   as a rule (pgvector is made for it), so this is the default for age alone, which has broken on it.
///
/// ## What it does not prove
/// That every function computes the right thing, that data of the extension's types is whole, or
/// that an ordinary role may use the extension. The server is the drill's: whether production's
/// server has the library is another question. An extension that can only be loaded by
/// `shared_preload_libraries` cannot be checked unless `[server] settings` load it; say
/// `library = false` to check the catalog alone.
///
/// ## Example
/// ```toml
/// [[check.extension]]
/// name = "vector is there, and new enough for halfvec"
/// extension = "vector"
/// min-version = "0.7"
/// schema = "public"
///
/// [[check.extension]]
/// extensions = ["age", "pgcrypto"]
///
/// [[check.extension]]
/// extension = "unaccent"
/// call = "SELECT public.unaccent('Hôtel') = 'Hotel'"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Extension {
    /// One extension.
    pub extension: Option<String>,
    /// Several extensions.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Exactly this version.
    pub version: Option<String>,
    /// At least this version; `1.8.0~rc0` and `1.8.0-dev` come before `1.8.0`.
    pub min_version: Option<String>,
    /// The schema that it must be in.
    pub schema: Option<String>,
    /// A query that calls into the library, with every name qualified. It must give a row whose first
    /// value is not `false`.
    pub call: Option<String>,
    /// What to say when the SQL is older or newer than the library. Default: `fail` for age, else `allow`.
    pub drift: Option<Drift>,
    /// Whether the library is checked. Default: true.
    pub library: Option<bool>,
}

/// What to say when the installed version is not the one that the server's files would install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// That is a failure.
    Fail,
    /// That is only mentioned.
    Allow,
}

impl Parameters for Extension {
    const KIND: &'static str = "extension";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.names().next().is_none() {
            errors
                .whole("no extension is named")
                .add_hint("add `extension = \"vector\"`, or `extensions = [\"vector\", \"age\"]`");
        }
        if self.names().any(|name| name.trim().is_empty()) {
            errors.whole("an extension's name is empty");
        }
        if self.names().count() > 1 {
            let of_one = [
                ("version", self.version.is_some()),
                ("min-version", self.min_version.is_some()),
                ("call", self.call.is_some()),
            ];
            let hint = "write a check for each extension";
            errors.each(of_one, "is about one extension", hint);
        }
        if let Some(least) = &self.min_version
            && Dotted::read(least).is_none()
        {
            errors
                .at("min-version", format!("`{least}` is not a version"))
                .add_hint("write numbers with dots, as in \"0.8.0\"");
        }
        if self.version.is_some() && self.min_version.is_some() {
            let version = [("min-version", true)];
            errors.each(
                version,
                "and `version` exclude each other",
                "keep one of them",
            );
        }
        if self.call.is_some() && self.library == Some(false) {
            errors
                .at("call", "`call` needs the library, and `library` is false")
                .add_hint("leave out one of them");
        }
    }
}

/// `default_version` is what the server's own files would install; NULL when they are not there.
const LOOK: &str = "
SELECT e.extversion, n.nspname,
       (SELECT a.default_version FROM pg_catalog.pg_available_extensions() a WHERE a.name = e.extname)
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = {name}";

const AVAILABLE: &str = "
SELECT a.default_version FROM pg_catalog.pg_available_extensions() a WHERE a.name = {name}";

/// An installed extension.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    name: String,
    version: String,
    schema: String,
    /// What the server's files would install.
    default: Option<String>,
}

#[async_trait]
impl Check for Extension {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        match names.as_slice() {
            [one] => format!("extension {one}"),
            many => format!("extensions {}", many.join(", ")),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut findings = Vec::new();
        let mut seen = Vec::new();
        let mut session = restored.session().await?;
        for name in self.names() {
            let Some(installed) = installed(&mut session, name).await? else {
                findings.push(absent(&mut session, name).await?);
                continue;
            };
            findings.extend(self.compare(&installed));
            let mut text = format!("{name} {}", installed.version);
            if let Some(default) = installed
                .default
                .as_ref()
                .filter(|d| **d != installed.version)
            {
                text.push_str(&format!(" (the server's files are {default})"));
            }
            if self.library != Some(false) {
                let call = self.call.as_deref();
                let answer =
                    library::answer(&mut session, &installed.name, &installed.schema, call).await?;
                text.push_str(&answer.seen());
                findings.extend(answer.findings);
            }
            seen.push(text);
        }
        session.close().await;
        let actual = match seen.as_slice() {
            [] => "not installed".to_owned(),
            some => some.join(", "),
        };
        Ok(Observation::new(self.expectation(), actual, findings))
    }
}

impl Extension {
    fn names(&self) -> impl Iterator<Item = &str> {
        let several = self.extensions.iter().map(String::as_str);
        self.extension.as_deref().into_iter().chain(several)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut text = self.names().collect::<Vec<_>>().join(", ");
        if let Some(version) = &self.version {
            text.push_str(&format!(" {version}"));
        }
        if let Some(least) = &self.min_version {
            text.push_str(&format!(" {least} or newer"));
        }
        if let Some(schema) = &self.schema {
            text.push_str(&format!(" in schema {schema}"));
        }
        text.push_str(" installed");
        if self.library != Some(false) {
            text.push_str(", and the library answers");
        }
        text
    }

    /// Compares an installed extension with what is asked for.
    fn compare(&self, installed: &Installed) -> Vec<Finding> {
        let object = format!("extension {}", installed.name);
        let version = &installed.version;
        let mut findings = Vec::new();
        if let Some(exact) = &self.version
            && exact != version
        {
            findings.push(
                Finding::about(&object, format!("version {exact}"), format!("version {version}"))
                    .hint("a plain dump names no version: the restoring server installs its own; pin the server's image"),
            );
        }
        if let Some(least) = &self.min_version
            && Dotted::read(version).is_none_or(|version| Dotted::read(least) > Some(version))
        {
            findings.push(
                Finding::about(&object, format!("version {least} or newer"), format!("version {version}"))
                    .hint("use a server with a newer package, or run ALTER EXTENSION … UPDATE at the source"),
            );
        }
        if let Some(schema) = &self.schema
            && *schema != installed.schema
        {
            findings.push(Finding::about(
                &object,
                format!("in schema {schema}"),
                format!("in schema {}", installed.schema),
            ));
        }
        let drift = self.drift.unwrap_or(match installed.name.as_str() {
            "age" => Drift::Fail,
            _ => Drift::Allow,
        });
        if drift == Drift::Fail
            && let Some(default) = installed.default.as_ref().filter(|d| *d != version)
        {
            findings.push(
                Finding::about(
                    &object,
                    format!("SQL of version {default}, as the server's library is"),
                    format!("SQL of version {version}"),
                )
                .hint(format!(
                    "run ALTER EXTENSION {} UPDATE where there is a path, or use a server with version {version}",
                    installed.name
                )),
            );
        }
        findings
    }
}

async fn installed(session: &mut Session, name: &str) -> Result<Option<Installed>, CouldNotRun> {
    let rows = session
        .rows(&LOOK.replace("{name}", &quote_literal(name)))
        .await?;
    Ok(rows
        .into_iter()
        .next()
        .and_then(|row| match row.as_slice() {
            [Some(version), Some(schema), default] => Some(Installed {
                name: name.to_owned(),
                version: version.clone(),
                schema: schema.clone(),
                default: default.clone(),
            }),
            _ => None,
        }))
}

/// Says that an extension is not there, and whether it is missing in the backup or on the server.
async fn absent(session: &mut Session, name: &str) -> Result<Finding, CouldNotRun> {
    let available = session
        .value(&AVAILABLE.replace("{name}", &quote_literal(name)))
        .await?;
    let hint = match available {
        Some(version) => format!(
            "the server has {version} at hand, so the backup does not create it: `pg_dump --schema` leaves extensions out"
        ),
        None => "the server does not have it: use an image that does".to_owned(),
    };
    Ok(Finding::about(format!("extension {name}"), "installed", "not installed").hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn vector() -> Installed {
        Installed {
            name: "vector".to_owned(),
            version: "0.8.0".to_owned(),
            schema: "public".to_owned(),
            default: Some("0.8.0".to_owned()),
        }
    }

    fn check(toml: &str) -> Extension {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("version = '0.8.0'", 0)]
    #[case("version = '0.8.1'", 1)]
    #[case("min-version = '0.8'", 0)]
    #[case("min-version = '0.10'", 1)]
    #[case("schema = 'public'", 0)]
    #[case("schema = 'extensions'", 1)]
    #[case("drift = 'fail'", 0)]
    fn an_extension_is_held_to_its_version_and_schema(#[case] toml: &str, #[case] broken: usize) {
        assert_eq!(check(toml).compare(&vector()).len(), broken);
    }

    #[rstest]
    #[case("vector", "", 0)]
    #[case("vector", "drift = 'fail'", 1)]
    #[case("age", "", 1)]
    #[case("age", "drift = 'allow'", 0)]
    fn drift_fails_where_it_is_known_to_break(
        #[case] name: &str,
        #[case] toml: &str,
        #[case] broken: usize,
    ) {
        let installed = Installed {
            name: name.to_owned(),
            default: Some("0.9.0".to_owned()),
            ..vector()
        };
        assert_eq!(check(toml).compare(&installed).len(), broken);
        let without_files = Installed {
            default: None,
            ..installed
        };
        assert_eq!(check(toml).compare(&without_files).len(), 0);
    }

    #[rstest]
    #[case("extension = 'vector'", 0)]
    #[case("extensions = ['vector', 'age']\nschema = 'public'", 0)]
    #[case("", 1)]
    #[case("extension = ''", 1)]
    #[case("extensions = ['vector', 'age']\nversion = '1'", 1)]
    #[case("extensions = ['vector', 'age']\ncall = 'SELECT 1'", 1)]
    #[case("extension = 'vector'\nmin-version = 'new'", 1)]
    #[case("extension = 'vector'\nmin-version = '1'\nversion = '2'", 1)]
    #[case("extension = 'vector'\ncall = 'SELECT 1'\nlibrary = false", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(toml).validate(errors)).len(),
            expected
        );
    }
}
