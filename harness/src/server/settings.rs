//! The settings of a server: `[server]`, `[server.container]`, `[server.local]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Size, Span};

/// The throwaway server. Without `container` and `local`: a container if a container engine answers and
/// has an image, otherwise a local server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    /// Use the container provider.
    pub container: Option<Container>,
    /// Use the local provider.
    pub local: Option<Local>,
    /// Limit for starting the server. Default: `60s`.
    pub start_within: Option<Span>,
    /// Whether the server keeps what it was given. Default: `off`, the fastest.
    #[serde(default)]
    pub durability: Durability,
    /// `required`: the server has a certificate of an authority that is made for this drill, and programs of checks (`api`,
    /// `command`) connect by TLS only. They run in a network of their own, in which there is nothing but the server, as
    /// `localhost`; they are given its URL and the authority (`sslrootcert`). Needs root, or a local server and a user who
    /// may create namespaces. Default: programs connect by a unix socket.
    pub tls: Option<Tls>,
    /// A certificate of yours in place of the one that is made, for programs that trust their own authority only.
    pub certificate: Option<Certificate>,
    /// The major version to restore on, such as `18`: it selects the image or the installation. Where it is newer than that of the
    /// backup, the drill rehearses the upgrade: the backup is also restored on a server of its own major version, and every
    /// difference of the definitions that the version does not explain fails. Default: that of the backup, otherwise the
    /// nearest newer one.
    pub major: Option<u32>,
    /// Differences of the two major versions that a review found harmless: the object as the report names it, and the reason,
    /// as in `{ "view app.orders_by_day" = "reviewed: only the alias differs" }`. Reports list each.
    #[serde(default)]
    pub explained: BTreeMap<String, String>,
    /// Additional settings of the server, such as `maintenance_work_mem = "1GB"`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// Whether programs connect by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// The server refuses those that do not, and that is tried.
    Required,
}

/// Files in PEM, relative to the scenario file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Certificate {
    /// The certificate of the server, for the name `localhost`, and those between it and the authority.
    pub file: PathBuf,
    /// Its key, without a passphrase.
    pub key: PathBuf,
    /// The certificate of the authority, which programs trust.
    pub ca: PathBuf,
}

impl Certificate {
    /// With paths that begin in `folder`.
    pub(crate) fn within(self, folder: &Path) -> Self {
        Self {
            file: folder.join(self.file),
            key: folder.join(self.key),
            ca: folder.join(self.ca),
        }
    }
}

/// What a server does so that a crash of the machine loses nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Nothing, and its memory is sized to the machine: a restore is faster than in production.
    #[default]
    Off,
    /// What PostgreSQL does by default, with the settings of an unmodified server and its data on a disk: a restore takes as
    /// long as in production.
    Production,
}

/// Postgres in a container without a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Container {
    /// The image. Default: one for the major version of the backup.
    pub image: Option<String>,
    /// Memory limit. Default: three quarters of the memory of the machine.
    pub memory: Option<Size>,
    /// Size of /dev/shm, which parallel index builds need. Default: a quarter of the memory limit.
    pub shm: Option<Size>,
    /// Maximum number of processes. Default: 512.
    pub pids: Option<u32>,
    /// Storage of the data. Default: in memory if the backup is small and `durability` is `off`, otherwise on a volume.
    pub storage: Option<Storage>,
    /// How to connect to the server. Default: by a unix socket; by a port if the engine runs in a virtual
    /// machine. With a port the container has a network, and an application that an `api` check starts
    /// needs its own password.
    pub reach: Option<Reach>,
}

/// How to connect to a server in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// By a unix socket in a private folder, without any network.
    Socket,
    /// By a port on 127.0.0.1, with a random password.
    Port,
}

/// Where a container stores its data.
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
    /// The folder of `initdb` and `postgres`. Default: an installed version that is suitable for the backup.
    pub bin: Option<PathBuf>,
    /// Set it only if you trust everybody who can write to the backup. Default: `false`. A restore executes
    /// code of the backup; where this system does not let redrill create namespaces, that code could connect
    /// to other servers of this machine, so without this setting no local server is started there.
    #[serde(default)]
    pub trusted_backup: bool,
}
