//! How a kept server was started, as its keeper reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Kept;
use crate::server::settings::{self, Durability};
use crate::server::snapshot::Data;
use crate::units::{Size, Span};

/// The settings of a kept server, as its keeper reads them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    memory: Option<u64>,
    shm: Option<u64>,
    pids: Option<u32>,
    trusted_backup: bool,
    start_within: Option<Duration>,
    durable: bool,
    settings: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn of(server: &settings::Server) -> Self {
        let container = server.container.as_ref();
        let local = server.local.as_ref();
        Self {
            memory: container.and_then(|it| Some(it.memory?.0)),
            shm: container.and_then(|it| Some(it.shm?.0)),
            pids: container.and_then(|it| it.pids),
            trusted_backup: local.is_some_and(|it| it.trusted_backup),
            start_within: server.start_within.map(|span| span.0),
            durable: server.durability == Durability::Production,
            settings: server.settings.clone(),
        }
    }
}

impl Kept {
    /// The settings of the server that it was kept with, for its provider and programs.
    #[must_use]
    pub fn settings(&self) -> settings::Server {
        let server = &self.facts.server;
        let container = settings::Container {
            memory: server.memory.map(Size),
            shm: server.shm.map(Size),
            pids: server.pids,
            ..settings::Container::default()
        };
        let local = settings::Local {
            trusted_backup: server.trusted_backup,
            ..settings::Local::default()
        };
        let is_local = matches!(self.facts.data, Data::Folder { .. });
        settings::Server {
            container: (!is_local).then_some(container),
            local: is_local.then_some(local),
            start_within: server.start_within.map(Span),
            durability: match server.durable {
                true => Durability::Production,
                false => Durability::Off,
            },
            settings: server.settings.clone(),
            ..settings::Server::default()
        }
    }
}
