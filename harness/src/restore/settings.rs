//! What a scenario says of its restore: `[restore]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// How the backup is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restore {
    /// The database that checks look at, and that is made for a dump which makes none itself.
    pub database: Option<String>,
    /// For a bundle: the database of each dump by its name in the bundle, as in
    /// `{ "users.sql.gz" = "users" }`. Default: what the dump itself says, else its name without
    /// date and extension.
    #[serde(default)]
    pub databases: BTreeMap<String, String>,
    /// Limit for the whole restore. Default: `6h`.
    pub timeout: Option<Span>,
    /// Parallel jobs of `pg_restore`. Default: 1.
    pub jobs: Option<u16>,
    /// Roles that the backup needs and does not hold, as pg_dump writes none. They are made without
    /// LOGIN and without rights; what they were allowed beyond the dump's own grants is not proven.
    #[serde(default)]
    pub create_roles: Vec<String>,
    /// The same, with LOGIN and without a password: roles that an application logs in as.
    #[serde(default)]
    pub login_roles: Vec<String>,
    /// Errors that are known and harmless; each needs a reason.
    #[serde(default)]
    pub tolerate: Vec<Tolerate>,
}

/// An error of the restore that is let pass. Give `sqlstate`, `message`, or both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tolerate {
    /// The SQLSTATE, as in `42710`.
    pub sqlstate: Option<String>,
    /// A part of the message.
    pub message: Option<String>,
    /// Why it is harmless; shown in every report.
    pub reason: String,
}
