//! The shape of a scenario file. What a key means is in its doc comment, which is also what the
//! JSON Schema and `redrill explain scenario` show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::units::{Size, Span};

/// Which backup is drilled. Exactly one of `path` and `newest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Backup {
    /// One backup file, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// A pattern for backup files, as in `backups/plur-*.sql.gz`; the newest by the date in its
    /// name is taken, never by its modification time.
    pub newest: Option<PathBuf>,
    /// The backup may be at most this old (the recovery point objective).
    pub max_age: Option<Span>,
}

/// The throwaway server. Neither `container` nor `local`: a container when an engine answers and
/// an image is there, else a local server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    /// Pins the container provider.
    pub container: Option<Container>,
    /// Pins the local provider.
    pub local: Option<Local>,
    /// Limit for starting the server. Default: `60s`.
    pub start_within: Option<Span>,
    /// Settings of the server beyond the throwaway ones, as in `maintenance_work_mem = "1GB"`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// Postgres in a container without a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Container {
    /// The image; without it, the one for the backup's major version.
    pub image: Option<String>,
    /// Memory limit. Default: three quarters of the machine's memory.
    pub memory: Option<Size>,
    /// Size of /dev/shm, which parallel index builds need. Default: a quarter of the memory limit.
    pub shm: Option<Size>,
    /// Processes at most. Default: 512.
    pub pids: Option<u32>,
    /// Where the data lies. Default: in memory when the backup is small, else on a volume.
    pub storage: Option<Storage>,
    /// How the server is reached. Default: by a unix socket; by a port where the engine runs in a
    /// virtual machine that sockets do not cross. By a port the container has a network, and an
    /// application that an `api` check starts needs a password of its own.
    pub reach: Option<Reach>,
}

/// How a server in a container is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// By a unix socket in a private folder, without any network.
    Socket,
    /// By a port on 127.0.0.1, with a random password.
    Port,
}

/// Where a container keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// In memory (tmpfs).
    Memory,
    /// On an anonymous volume, removed with the container.
    Volume,
}

/// Postgres as processes of this machine: it isolates less than a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Local {
    /// The folder of `initdb` and `postgres`; without it, the installed version that fits the backup.
    pub bin: Option<PathBuf>,
}

/// How the backup is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Restore {
    /// The database that checks look at, and that is made for a dump which makes none itself.
    pub database: Option<String>,
    /// Limit for the whole restore. Default: `6h`.
    pub timeout: Option<Span>,
    /// Parallel jobs of `pg_restore`. Default: 1.
    pub jobs: Option<u16>,
    /// Roles that the backup needs and does not hold, as pg_dump writes none. They are made without
    /// LOGIN and without rights; what they were allowed beyond the dump's own grants is not proven.
    #[serde(default)]
    pub create_roles: Vec<String>,
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

/// Time objectives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Objective {
    /// The restore may take at most this long (the recovery time objective).
    pub restore_within: Option<Span>,
}

/// Something that the scenario knowingly leaves untested.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotTested {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// What every check may say beside its own parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Common {
    /// The name that reports show; without it, the check describes itself.
    pub name: Option<String>,
    /// Whether the verdict depends on it. Default: true.
    pub required: Option<bool>,
    /// The database to look at, where the backup holds several.
    pub database: Option<String>,
    /// Limit of the whole check. Default: `5m`.
    pub timeout: Option<Span>,
}

/// Keys of [`Common`].
pub const COMMON_KEYS: &[&str] = &["name", "required", "database", "timeout"];

/// Keys of the file itself.
pub const TOP_KEYS: &[&str] = &[
    "schema",
    "name",
    "description",
    "backup",
    "server",
    "restore",
    "objective",
    "not-tested",
    "check",
];
