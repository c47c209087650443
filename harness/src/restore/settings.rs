//! The settings of a restore: `[restore]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// How the backup is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restore {
    /// The default database of checks; created for a dump that does not create one. Default: the database that the backup says it
    /// is of, as an archive does, otherwise `restored`.
    pub database: Option<String>,
    /// For a bundle: the database of each dump by its name in the bundle, as in
    /// `{ "users.sql.gz" = "users" }`. Default: the database that the dump connects to,
    /// otherwise its name without date and extension.
    #[serde(default)]
    pub databases: BTreeMap<String, String>,
    /// How it is restored. Default: `auto`.
    #[serde(default)]
    pub method: Method,
    /// Limit for the whole restore. Default: `6h`.
    pub timeout: Option<Span>,
    /// Sessions that load rows and build indexes at once; for an archive, jobs of `pg_restore`. `1` restores in the order of
    /// the dump. Default: one per processor. `psql` has one session only.
    pub jobs: Option<u16>,
    /// Roles that are not in the backup, since pg_dump writes none: each is created before the restore, without a password and
    /// without any right. Whatever they may do beyond what the dump grants them is not proven.
    #[serde(default)]
    pub role: Vec<MadeRole>,
    /// The older form of `[[restore.role]]` for roles without LOGIN.
    #[serde(default)]
    pub create_roles: Vec<String>,
    /// The older form of `[[restore.role]]` with `login = true`.
    #[serde(default)]
    pub login_roles: Vec<String>,
    /// Extensions of a provider that the throwaway server does not have, and that do not matter to a restore. Nothing is made of
    /// them, and reports list each as not tested. Not for the methods `psql` and `pg_restore`.
    #[serde(default)]
    pub stub: Vec<Stub>,
    /// Known, harmless errors; each requires a reason.
    #[serde(default)]
    pub tolerate: Vec<Tolerate>,
    /// Not for a scenario to set: it changes how long a restore takes, and never its result.
    #[serde(skip)]
    pub sizes: Sizes,
}

/// A role that redrill creates, because the backup has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MadeRole {
    /// Its name.
    pub name: String,
    /// Whether it may log in, as an application does. Default: false.
    #[serde(default)]
    pub login: bool,
    /// Roles that it is a member of once the backup is restored, which may create them.
    #[serde(default)]
    pub member_of: Vec<String>,
}

/// An extension that the throwaway server does not have. What the backup says of it is passed over: that it is created, its comment,
/// and in its schema rows, sequences and rights. Whatever else needs it fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stub {
    /// Its name, such as `pg_cron`.
    pub extension: String,
    /// The schema that it creates for itself, such as `cron`; it is empty on the throwaway server.
    pub schema: Option<String>,
    /// Why a restore does not need it; every report shows it.
    pub reason: String,
}

impl MadeRole {
    /// A role without login and memberships.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

impl Restore {
    /// The stub whose schema has this name.
    #[must_use]
    pub fn stub_of_schema(&self, schema: &str) -> Option<&Stub> {
        let mut stubs = self.stub.iter();
        stubs.find(|stub| stub.schema.as_deref() == Some(schema))
    }

    /// All roles that are created, in whichever form the scenario lists them.
    #[must_use]
    pub fn made_roles(&self) -> Vec<MadeRole> {
        let without = self.create_roles.iter().map(MadeRole::named);
        let with = self.login_roles.iter().map(|name| MadeRole {
            login: true,
            ..MadeRole::named(name)
        });
        self.role
            .iter()
            .cloned()
            .chain(without)
            .chain(with)
            .collect()
    }

    /// What to write instead of an older form that the scenario has.
    #[must_use]
    pub fn older_form(&self) -> Option<String> {
        let (old, login) = match (self.create_roles.as_slice(), self.login_roles.as_slice()) {
            ([], []) => return None,
            ([_, ..], []) => ("`create-roles`", ""),
            ([], [_, ..]) => ("`login-roles`", " with `login = true`"),
            _ => ("`create-roles` and `login-roles`", ""),
        };
        Some(format!(
            "{old} still works; `[[restore.role]]`{login} is the newer form"
        ))
    }

    /// Whether it creates this role.
    #[must_use]
    pub fn makes_role(&self, name: &str) -> bool {
        self.made_roles().iter().any(|role| role.name == name)
    }
}

/// From how many bytes of rows on a table of a plain dump is loaded in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// By all sessions at once. Smaller ones are loaded by one of them, so that nothing needs to be joined.
    pub split: u64,
    /// In a transaction that first empties the table. For smaller ones that costs more than the WAL of their rows.
    pub emptied: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            split: 16 * 1024 * 1024,
            emptied: 1024 * 1024,
        }
    }
}

/// What restores the backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Several sessions of redrill; `pg_restore` for an archive that only it can restore, and the report says why.
    #[default]
    Auto,
    /// Several sessions of redrill, or nothing.
    Parallel,
    /// `psql`, as a person restores a plain dump. Where a COPY fails it reads rows as commands, in the sandbox of the server.
    Psql,
    /// `pg_restore`, as a person restores an archive.
    PgRestore,
    /// Whichever of the two a person takes for the dump. Not for a scenario to set: `runbook-within` measures it.
    #[serde(skip)]
    Runbook,
}

/// A tolerated error of the restore. Give `sqlstate`, `message`, or both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tolerate {
    /// The SQLSTATE, such as `42710`.
    pub sqlstate: Option<String>,
    /// A part of the message.
    pub message: Option<String>,
    /// Why it is harmless; shown in every report.
    pub reason: String,
}
