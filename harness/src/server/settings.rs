//! What a scenario says of its server: `[server]`, `[server.container]`, `[server.local]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Size, Span};

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
