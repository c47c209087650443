//! Copies of the restored cluster, each with a server of its own.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Instant;

use super::observe::{Observer, StopAt};
use super::settings::Rehearse;
use super::tool::Ran;
use super::work;
use crate::baseline::observed::Observed;
use crate::check::Restored;
use crate::check::counts::Counts;
use crate::check::program::find_missing_role;
use crate::check::sessions::Sessions;
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::CouldNotRun;
use crate::pipeline::{Cluster, RestoredBackup};
use crate::scenario::Scenario;
use crate::server::settings::{Durability, Server};
use crate::server::{Servers, Snapshot, ThrowawayServer, Wanted};
use crate::stage::wanted;
use crate::units::{show_bytes, show_duration};

/// The folder of the socket of an observer, in that of the run.
const OBSERVED: &str = "o";

/// The restored cluster, and what its copies begin with.
pub(super) struct Copies<'a> {
    restored: &'a RestoredBackup<'a>,
    /// The cluster that the migrations change.
    pub(super) cluster: &'a Cluster<'a>,
    /// The database that they change.
    pub(super) database: String,
    settings: &'a Rehearse,
    context: &'a Context,
    snapshot: Snapshot,
    server: Server,
    wanted: Wanted,
}

/// A copy whose server runs.
pub(super) struct Copied<'s> {
    pub(super) server: &'s ThrowawayServer,
    pub(super) run: &'s Run,
}

impl<'a> Copies<'a> {
    /// Takes the cluster; gives a line about it.
    pub(super) async fn make(
        restored: &'a RestoredBackup<'a>,
        settings: &'a Rehearse,
        context: &'a Context,
    ) -> Result<(Self, String), CouldNotRun> {
        let named = settings.database.as_ref();
        let database = named.or(restored.log.database.as_ref());
        let Some(database) = database else {
            return Err(CouldNotRun::with_hint(
                format!(
                    "the backup contains {}, and `[rehearse]` does not name one",
                    restored.log.databases.join(", ")
                ),
                "add `database = \"…\"` to `[rehearse]`",
            ));
        };
        let has = |one: &&Cluster<'_>| one.databases.iter().any(|name| name == database);
        let Some(cluster) = restored.clusters.iter().find(has) else {
            return Err(CouldNotRun::with_hint(
                format!("nothing is restored into `{database}`"),
                format!(
                    "the backup is restored into {}",
                    restored.log.databases.join(", ")
                ),
            ));
        };
        let snapshot = cluster.server.snapshot(cluster.run).await?;
        let scenario = restored.pipeline.scenario;
        let mut server = Server {
            tls: None,
            certificate: None,
            durability: Durability::Production,
            ..scenario.server.clone()
        };
        for (name, value) in work::SETTINGS {
            server.settings.insert(name.to_owned(), value.to_owned());
        }
        let wanted = Wanted {
            neighbours: restored.clusters.len() as u64,
            ..wanted(&cluster.backup, &restored.settings)
        };
        let summary = format!(
            "{} of data, in {}",
            show_bytes(snapshot.bytes),
            show_duration(snapshot.took)
        );
        let copies = Self {
            restored,
            cluster,
            database: database.clone(),
            settings,
            context,
            snapshot,
            server,
            wanted,
        };
        Ok((copies, summary))
    }

    /// The scenario.
    pub(super) const fn scenario(&self) -> &'a Scenario {
        self.restored.pipeline.scenario
    }

    /// Starts a server on a fresh copy; `servers` keeps it as its last one.
    pub(super) async fn start<'s>(
        &self,
        servers: &'s mut Servers,
    ) -> Result<Copied<'s>, CouldNotRun> {
        let run = self.context.work.begin().map_err(|error| {
            CouldNotRun::new(format!("cannot write to the work folder: {error}"))
        })?;
        let slot = servers.add_slot(None, run);
        let Some(run) = slot.run.as_ref() else {
            return Err(CouldNotRun::new(
                "the copy has no run; this is a bug in redrill",
            ));
        };
        let path = self.context.path();
        let server = self.snapshot.start(&self.server, &self.wanted, run, path);
        let server = &*slot.server.insert(server.await?);
        Ok(Copied { server, run })
    }

    /// The restored backup as it is on a copy, for checks.
    pub(super) fn restored_on<'s>(&'s self, copy: &Copied<'s>) -> RestoredBackup<'s> {
        let mut clusters: Vec<Cluster<'s>> = self.restored.clusters.clone();
        for cluster in &mut clusters {
            if std::ptr::eq(cluster.server, self.cluster.server) {
                cluster.server = copy.server;
                cluster.run = copy.run;
            }
        }
        RestoredBackup {
            pipeline: self.restored.pipeline,
            clusters,
            backup: self.restored.backup.clone(),
            facts: self.restored.facts.clone(),
            settings: self.restored.settings.clone(),
            log: self.restored.log.clone(),
            counts: Counts::default(),
        }
    }

    /// Runs the tool once on a copy, observed; `stop` cuts it off.
    ///
    /// # Errors
    /// When it could not be started, or took too long.
    pub(super) async fn run_tool(
        &self,
        copy: &Copied<'_>,
        command: &[String],
        stop: Option<StopAt>,
    ) -> Result<Ran, CouldNotRun> {
        let restored = self.restored_on(copy);
        let sessions = Sessions::default();
        let observed = Observed::default();
        let scenario = self.scenario();
        let view = Restored {
            server: copy.server,
            run: &copy.run.id,
            database: &self.database,
            clusters: &restored.clusters,
            backup: &restored.facts,
            counts: &restored.counts,
            sessions: &sessions,
            observed: &observed,
            folder: &scenario.folder,
            environment: &self.context.environment,
            redactor: &self.context.redactor,
            timeout: self.settings.timeout(),
        };
        let program = self.settings.program(command);
        let role = [self.settings.role.as_str()].into_iter();
        if let Some(finding) = find_missing_role(&view, role).await? {
            return Err(CouldNotRun::with_hint(
                format!("{}: {}", self.settings.role, finding.actual),
                "name a role of the backup in `role` of `[rehearse]`, or create it with `[[restore.role]]`",
            ));
        }
        sessions.end().await;
        let folder = socket_folder(copy.run)?;
        let observer = Observer::start(copy.server, &folder, stop).await?;
        let began = Instant::now();
        let end = program
            .run_program(&view, observer.endpoint(), &self.database, began)
            .await;
        let stopped = observer.has_stopped();
        let observed = observer.finish().await;
        // It may be made again by the next run of the same copy.
        let _ = std::fs::remove_dir_all(&folder);
        Ok(Ran {
            end: end?,
            observed,
            stopped,
            duration: began.elapsed(),
        })
    }
}

/// Makes the folder of an observer, whose path must be short.
fn socket_folder(run: &Run) -> Result<PathBuf, CouldNotRun> {
    let folder = (0..).map(|number| run.folder.join(format!("{OBSERVED}{number}")));
    for folder in folder {
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let why = format!("cannot create {}: {error}", folder.display());
                return Err(CouldNotRun::new(why));
            }
        }
    }
    Err(CouldNotRun::new("no folder for a socket"))
}
