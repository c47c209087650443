//! The settings of a restore: `[restore]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// How the backup is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restore {
    /// The default database of checks; created for a dump that does not create one.
    pub database: Option<String>,
    /// For a bundle: the database of each dump by its name in the bundle, as in
    /// `{ "users.sql.gz" = "users" }`. Default: the database that the dump connects to,
    /// otherwise its name without date and extension.
    #[serde(default)]
    pub databases: BTreeMap<String, String>,
    /// Limit for the whole restore. Default: `6h`.
    pub timeout: Option<Span>,
    /// Sessions that load rows and build indexes at once; for an archive, jobs of `pg_restore`. `1` restores in the order of
    /// the dump. Default: one per processor.
    pub jobs: Option<u16>,
    /// Required roles that are not in the backup, since pg_dump writes none. They are created without
    /// LOGIN and privileges; any rights beyond those granted in the dump are not proven.
    #[serde(default)]
    pub create_roles: Vec<String>,
    /// As `create-roles`, with LOGIN and without a password: roles that an application logs in as.
    #[serde(default)]
    pub login_roles: Vec<String>,
    /// Known, harmless errors; each requires a reason.
    #[serde(default)]
    pub tolerate: Vec<Tolerate>,
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
