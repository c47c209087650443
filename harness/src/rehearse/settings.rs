//! The settings of a rehearsal: `[rehearse]` and `[after]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::Spanned;
use toml::de::DeValue;

use crate::check::{ParameterErrors, Parameters as _, command::CommandCheck};
use crate::input::Problem;
use crate::input::decode::decode;
use crate::input::secret::SecretText;
use crate::sql::{Glob, QualifiedName};
use crate::units::Span;

/// Default of `timeout`.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Default of `lock-limit`.
const LOCK_LIMIT: Duration = Duration::from_secs(2);
/// Default of `crashes`.
const CRASHES: u8 = 3;

/// The pending migrations of a release, run by `redrill rehearse` on copies of the restored cluster.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rehearse {
    /// The release's own migration tool and its arguments, such as `["./migrate", "up"]`. It is no line for a shell. A program
    /// with a `/` is relative to the scenario file, one without is looked for in `PATH`. It gets the address of the copy as the
    /// programs of `command` do: `DATABASE_URL` and the `PG…` variables.
    pub command: Vec<String>,
    /// The role that it connects as: that of the deployment. A superuser hides rights that the deployment lacks.
    pub role: String,
    /// The database that it migrates. Default: that of the checks, `[restore] database` or the only one.
    pub database: Option<String>,
    /// Where it starts, relative to the scenario file. Default: the folder of the scenario file.
    pub working_directory: Option<PathBuf>,
    /// More variables, which also replace those that are given anyway.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit of one run. Default: `30m`.
    pub timeout: Option<Span>,
    /// For how long a lock may keep others from reading or writing a table that was there before. Default: `2s`.
    pub lock_limit: Option<Span>,
    /// The tables that may be written anew as a whole, and the indexes that may be built anew without `CONCURRENTLY`: `"none"`,
    /// `"any"`, or a list of names, in which `*` matches any text. Default: `"none"`.
    #[serde(default)]
    pub rewrites: Rewrites,
    /// The roles of the application: as each of them, probes read and write its tables while the migrations run. Default:
    /// probes run as the superuser.
    #[serde(default)]
    pub application: Vec<String>,
    /// Probes of your own, in place of those that are made for each table.
    #[serde(default)]
    pub probe: Vec<Probe>,
    /// Tables that the tool itself writes, such as a log of its attempts, so that a second run may change them.
    #[serde(default)]
    pub history: Vec<String>,
    /// The command that undoes the migrations: afterwards the definitions must be those from before.
    #[serde(default)]
    pub down: Vec<String>,
    /// Whether a second run is tried, which must change nothing. Default: true.
    #[serde(default = "yes")]
    pub second_run: bool,
    /// Whether two runs at the same time are tried, as two instances of an application that migrate when they start. Default:
    /// true.
    #[serde(default = "yes")]
    pub two_runners: bool,
    /// In how many places a run is cut off, each on a copy of its own, and run again: first between two migrations and after
    /// statements outside a transaction, then within. Default: 3.
    pub crashes: Option<u8>,
    /// Whether the application of the old release must work on the new schema: then the `api` and `command` checks of the
    /// scenario run again too. Default: true.
    #[serde(default = "yes")]
    pub old_application: bool,
    /// Changes that a review accepts.
    #[serde(default)]
    pub allow: Vec<Allow>,
    /// Whether findings show the end of the tool's output as it is, but for secrets. It may hold values of rows. Default: false.
    #[serde(default)]
    pub show_output: bool,
}

/// A change that a review accepts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Allow {
    /// The change, named as the report names it, such as `drop column app.account.legacy`; `*` matches any text.
    pub change: String,
    /// Why it is right. Every report shows it.
    pub reason: String,
}

/// A query of the application that must not wait for longer than `lock-limit`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Probe {
    /// What the report calls it.
    pub name: String,
    /// One statement. It runs in a transaction that is rolled back.
    pub query: String,
    /// The role that runs it. Default: the first of `application`, otherwise the superuser.
    pub role: Option<String>,
}

/// What may be written anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rewrites {
    /// Nothing.
    #[default]
    None,
    /// Anything.
    Any,
    /// What has one of these names.
    Listed(Vec<String>),
}

const fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for Rewrites {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Rewrites;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"none\", \"any\" or a list of names")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Rewrites, E> {
                match word {
                    "none" => Ok(Rewrites::None),
                    "any" => Ok(Rewrites::Any),
                    _ => Err(E::custom("write \"none\", \"any\" or a list of names")),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Rewrites, A::Error> {
                let mut names: Vec<String> = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                match names.is_empty() {
                    true => Err(A::Error::custom("the list is empty; write \"none\"")),
                    false => Ok(Rewrites::Listed(names)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Rewrites {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rewrites".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "enum": ["none", "any"] },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] })
    }
}

impl Rewrites {
    /// Whether a table or an index of this name may be written anew.
    #[must_use]
    pub fn permit(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Listed(names) => names.iter().any(|pattern| Glob::new(pattern).matches(name)),
        }
    }
}

impl Rehearse {
    /// Limit of one run.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, |span| span.0)
    }

    /// For how long a lock may block others.
    #[must_use]
    pub fn lock_limit(&self) -> Duration {
        self.lock_limit.map_or(LOCK_LIMIT, |span| span.0)
    }

    /// In how many places a run is cut off.
    #[must_use]
    pub fn crashes(&self) -> usize {
        usize::from(self.crashes.unwrap_or(CRASHES))
    }

    /// Whether probes run as the superuser, because no role is named for them.
    #[must_use]
    pub fn probes_as_superuser(&self) -> bool {
        let mut probes = self.probe.iter();
        self.application.is_empty()
            && (self.probe.is_empty() || probes.any(|probe| probe.role.is_none()))
    }

    /// The program of a run, as the check of programs starts it.
    #[must_use]
    pub fn program(&self, command: &[String]) -> CommandCheck {
        CommandCheck {
            command: command.to_vec(),
            working_directory: self.working_directory.clone(),
            role: Some(self.role.clone()),
            env: self.env.clone(),
            writes: true,
            show_output: self.show_output,
            ..CommandCheck::default()
        }
    }
}

/// Reads `[rehearse]`; errors are added to `problems`.
pub fn read(value: Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Option<Rehearse> {
    let settings: Rehearse = decode(value.clone(), &[], problems)?;
    let before = problems.len();
    let mut errors = ParameterErrors::new(&value, problems);
    settings.program(&settings.command).validate(&mut errors);
    errors.refuse_empty("role", &settings.role);
    if settings.down.first().is_some_and(String::is_empty) {
        errors.at("down", "`down` names no program");
    }
    errors.require_names("history", &settings.history, "schema.table");
    if settings.lock_limit().is_zero() {
        errors
            .at("lock-limit", "every lock is held for longer than this")
            .add_hint("write a time such as `\"500ms\"`");
    }
    for (index, role) in settings.application.iter().enumerate() {
        if role.is_empty() {
            errors.at_item("application", index, "a role has no name");
        }
    }
    for (index, allow) in settings.allow.iter().enumerate() {
        if !allow.change.contains(char::is_alphanumeric) {
            errors
                .at_item("allow", index, "this would accept every change")
                .add_hint("name it as the report of the rehearsal does, such as `drop column app.account.legacy`");
        }
        if allow.reason.trim().is_empty() {
            errors
                .at_item("allow", index, "`reason` is empty")
                .add_hint("say why the change is right; every report shows it");
        }
    }
    for (index, probe) in settings.probe.iter().enumerate() {
        if probe.name.trim().is_empty() {
            errors.at_item("probe", index, "`name` is empty");
        }
    }
    let queries = settings.probe.iter().map(|probe| &probe.query);
    errors.require_statements("probe", queries);
    (problems.len() == before).then_some(settings)
}

/// The tables of `history`.
pub(super) fn history(settings: &Rehearse) -> Vec<QualifiedName> {
    let names = settings.history.iter();
    // Validated when the scenario was read.
    names
        .filter_map(|name| QualifiedName::parse(name).ok())
        .collect()
}
