//! Copies of a whole server: its roles and settings belong to the cluster, not to a database.
//!
//! The server is shut down as an administrator would, because a server that recovers from a crash empties its unlogged tables.
//! Its data is the snapshot, and whatever runs afterwards runs on a copy of that: the server itself, and any number of others.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::machine::{DataSource, Wanted};
use super::{Begun, ThrowawayServer, begin, settings};
use crate::cleanup::Run;
use crate::outcome::CouldNotRun;
use crate::redact::Secret;

/// The data of a server that was shut down. It is removed with the run that owns it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    data: Data,
    superuser: String,
    password: Secret,
    major: u32,
    /// Bytes of the data.
    pub bytes: u64,
    /// How long the server was not available: shutdown, copy and start.
    pub took: Duration,
}

/// The beginning of the names of the folders of data in that of the run.
pub(super) const SNAPSHOT: &str = "snapshot-";

/// The beginning of the names of the volumes of a run.
pub(super) fn volume_prefix(run: &str) -> String {
    format!("redrill-data-{run}-")
}

/// Where a data folder is, and what programs made it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Data {
    /// A folder that only redrill's user may enter.
    Folder {
        /// The data folder.
        path: PathBuf,
        /// The folder of the programs.
        bin: PathBuf,
    },
    /// A volume of the container engine.
    Volume {
        /// Its name.
        name: String,
        /// The name of the image.
        image: String,
        /// The folder of the programs in the image.
        bin: String,
    },
}

impl Data {
    /// Whether it is that of a run with this folder.
    pub(super) fn is_of(&self, run: &str, folder: &Path) -> bool {
        match self {
            Self::Folder { path, .. } => {
                let rest = path.strip_prefix(folder).ok();
                let mut names = rest.into_iter().flat_map(Path::components);
                let first = names.next().and_then(|name| name.as_os_str().to_str());
                first.is_some_and(|name| name.starts_with(SNAPSHOT))
                    && names.all(|name| matches!(name, Component::Normal(_)))
            }
            Self::Volume { name, .. } => name.starts_with(&volume_prefix(run)),
        }
    }

    /// Settings that select the provider and the programs which the data was made with.
    pub(super) fn select(&self, server: &settings::Server) -> settings::Server {
        let mut server = server.clone();
        server.tls = None;
        match self {
            Data::Folder { bin, .. } => {
                server.container = None;
                server.local.get_or_insert_default().bin = Some(bin.clone());
            }
            Data::Volume { image, .. } => {
                server.local = None;
                let container = server.container.get_or_insert_default();
                container.image = Some(image.clone());
                container.storage = Some(settings::Storage::Volume);
            }
        }
        server
    }

    /// The name of its folder in that of the run; `None` for a volume.
    pub(super) fn folder_name(&self) -> Option<&str> {
        match self {
            Self::Folder { path, .. } => path.parent()?.file_name()?.to_str(),
            Self::Volume { .. } => None,
        }
    }
}

/// Data that a server begins with.
#[derive(Clone, Copy)]
pub(super) enum Beginning<'a> {
    /// A copy of that of a server which was shut down.
    Copy(&'a Data),
    /// A base backup, with a recovery.
    Base(&'a Arc<dyn DataSource>),
}

/// What a server begins with in place of an empty cluster.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub data: Beginning<'a>,
    pub superuser: &'a str,
    pub password: &'a Secret,
    /// The major version of its server.
    pub major: u32,
}

impl ThrowawayServer {
    /// Shuts the server down and gives its data up. Afterwards it can only be stopped.
    pub(super) async fn give_up(&self, run: &Run) -> Result<Data, CouldNotRun> {
        self.machine.write().await.take_data(run).await
    }

    /// Shuts the server down, keeps its data, and starts it again on a copy of that, with the address and the settings that it
    /// had. All sessions end. Programs cannot connect by TLS afterwards. `run` owns the server, and the snapshot from now on.
    ///
    /// # Errors
    /// When it cannot be shut down or started again, when its data is in memory, or when a copy of it does not fit on the disk.
    /// Only the last of these, and data that cannot be copied, leave it as it is.
    pub async fn snapshot(&self, run: &Run) -> Result<Snapshot, CouldNotRun> {
        let began = Instant::now();
        let mut machine = self.machine.write().await;
        let data = machine.take_data(run).await?;
        let mut snapshot = Snapshot {
            data,
            superuser: self.endpoint.superuser.clone(),
            password: self.endpoint.password.clone(),
            major: self.version / 10_000,
            bytes: 0,
            took: Duration::ZERO,
        };
        let server = snapshot.settings(&self.started_with.server);
        let wanted = &self.started_with.wanted;
        let origin = Some(snapshot.origin());
        let begun = begin(&server, wanted, run, &self.started_with.path, origin).await?;
        self.endpoint
            .known
            .set_identity(begun.started.endpoint.known.identity());
        *machine = begun.machine;
        snapshot.bytes = begun.copied.bytes;
        snapshot.took = began.elapsed();
        Ok(snapshot)
    }
}

impl Snapshot {
    /// The snapshot of data that a kept run has.
    pub(super) fn of(
        data: Data,
        superuser: &str,
        major: u32,
        bytes: u64,
    ) -> Result<Self, CouldNotRun> {
        Ok(Self {
            data,
            superuser: superuser.to_owned(),
            // Nobody needs it: a server that is reached by a port has no snapshot.
            password: Secret::random()?,
            major,
            bytes,
            took: Duration::ZERO,
        })
    }

    /// Starts a server on a fresh copy of the snapshot: by the same provider, with the same programs and superuser. It has the
    /// other settings of `server`, except TLS. `run` owns it.
    ///
    /// # Errors
    /// The disk has no room for the copy, or the server does not start.
    pub async fn start(
        &self,
        server: &settings::Server,
        wanted: &Wanted,
        run: &Run,
        path: &str,
    ) -> Result<ThrowawayServer, CouldNotRun> {
        let server = self.settings(server);
        let wanted = Wanted {
            superuser: self.superuser.clone(),
            copies: true,
            ..wanted.clone()
        };
        let begun: Begun = begin(&server, &wanted, run, path, Some(self.origin())).await?;
        Ok(begun.into_server(&server, wanted, path))
    }

    fn origin(&self) -> Origin<'_> {
        Origin {
            data: Beginning::Copy(&self.data),
            superuser: &self.superuser,
            password: &self.password,
            major: self.major,
        }
    }

    fn settings(&self, server: &settings::Server) -> settings::Server {
        self.data.select(server)
    }
}
