//! Copies of the restored cluster, each with a server of its own.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::observe::{Control, Observer};
use super::server_log;
use super::settings::Rehearse;
use super::tool::{LARGER_DISK, Ran};
use super::work;
use crate::baseline::observed::Observed;
use crate::check::Restored;
use crate::check::counts::Counts;
use crate::check::program::find_missing_role;
use crate::check::sessions::Sessions;
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{BackupFacts, CouldNotRun};
use crate::pipeline::{Cluster, RestoredBackup, RestoredDatabases, RestoredServer};
use crate::scenario::Scenario;
use crate::server::kept::Kept;
use crate::server::settings::{Durability, Server};
use crate::server::{Servers, Snapshot, ThrowawayServer, Wanted};
use crate::stage::wanted;
use crate::units::{show_bytes, show_duration};

/// The folder of the socket of an observer, in that of the run.
const OBSERVED: &str = "o";

/// The restored cluster, and what its copies begin with.
pub(super) struct Copies<'a> {
    scenario: &'a Scenario,
    /// The cluster that the migrations change.
    pub(super) cluster: CopiedCluster,
    /// The database that they change.
    pub(super) database: String,
    /// The restored databases, without that cluster.
    others: RestoredDatabases<'a>,
    settings: &'a Rehearse,
    context: &'a Context,
    snapshot: Snapshot,
    /// The kept server that has the snapshot.
    kept: Option<&'a Kept>,
    server: Server,
    wanted: Wanted,
}

/// The cluster that is copied.
pub(super) struct CopiedCluster {
    /// Its databases that the backup is restored into.
    pub(super) databases: Vec<String>,
    /// The roles that the backup creates.
    roles: Vec<String>,
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
        let mut others = restored.for_checks();
        let database = database(settings, &others)?;
        let has = |one: &Cluster<'_>| one.databases.contains(&database);
        let Some(at) = restored.clusters.iter().position(has) else {
            return Err(CouldNotRun::with_hint(
                format!("nothing is restored into `{database}`"),
                format!(
                    "the backup is restored into {}",
                    others.databases.join(", ")
                ),
            ));
        };
        let cluster = &restored.clusters[at];
        let RestoredServer {
            databases, roles, ..
        } = others.servers.remove(at);
        let snapshot = cluster.server.snapshot(cluster.run).await?;
        let scenario = restored.pipeline.scenario;
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
            scenario,
            cluster: CopiedCluster { databases, roles },
            database,
            others,
            settings,
            context,
            snapshot,
            kept: None,
            server: with_durability(scenario),
            wanted,
        };
        Ok((copies, summary))
    }

    /// Takes the snapshot of a kept server, which is restored from a backup with these facts.
    pub(super) fn of_kept(
        kept: &'a Kept,
        facts: BackupFacts,
        scenario: &'a Scenario,
        settings: &'a Rehearse,
        context: &'a Context,
    ) -> Result<Self, CouldNotRun> {
        let databases = facts.databases.clone();
        let of_scenario = scenario.restore.database.as_ref();
        let default = match (of_scenario, databases.as_slice()) {
            (Some(named), _) => Some(named.clone()),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        let cluster = CopiedCluster {
            databases: databases.clone(),
            roles: facts.roles.clone(),
        };
        let others = RestoredDatabases {
            servers: Vec::new(),
            facts,
            databases,
            database: default,
            counts: Counts::default(),
        };
        let database = database(settings, &others)?;
        if !cluster.databases.contains(&database) {
            return Err(CouldNotRun::with_hint(
                format!("{} has no database `{database}`", kept.facts.name),
                format!("it has {}", cluster.databases.join(", ")),
            ));
        }
        Ok(Self {
            scenario,
            cluster,
            database,
            others,
            settings,
            context,
            snapshot: kept.snapshot()?,
            kept: Some(kept),
            server: with_durability(scenario),
            wanted: Wanted::default(),
        })
    }

    /// The scenario.
    pub(super) const fn scenario(&self) -> &'a Scenario {
        self.scenario
    }

    /// Starts a server on a fresh copy, with the durability of production; `servers` keeps it as its last one.
    pub(super) async fn start<'s>(
        &self,
        servers: &'s mut Servers,
    ) -> Result<Copied<'s>, CouldNotRun> {
        self.start_with(&self.server, servers).await
    }

    /// Starts a server on a fresh copy as that of a drill; `servers` keeps it as its last one.
    pub(super) async fn start_as_drilled<'s>(
        &self,
        servers: &'s mut Servers,
    ) -> Result<Copied<'s>, CouldNotRun> {
        self.start_with(&self.scenario.server, servers).await
    }

    async fn start_with<'s>(
        &self,
        settings: &Server,
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
        let server = self.snapshot.start(settings, &self.wanted, run, path).await;
        if let Some(kept) = self.kept.filter(|kept| !kept.is_there()) {
            // A part of the snapshot may be missing in the copy: no error of it means anything.
            if let Ok(server) = server {
                slot.server = Some(server);
            }
            return Err(gone(kept));
        }
        let server = &*slot.server.insert(server?);
        server_log::reset(server).await?;
        Ok(Copied { server, run })
    }

    /// The restored databases with those of a copy, for checks.
    pub(super) fn restored_on<'s>(&'s self, copy: &Copied<'s>) -> RestoredDatabases<'s> {
        let mut servers: Vec<RestoredServer<'s>> = self.others.servers.clone();
        let copy = RestoredServer {
            server: copy.server,
            run: copy.run,
            databases: self.cluster.databases.clone(),
            roles: self.cluster.roles.clone(),
        };
        servers.insert(0, copy);
        RestoredDatabases {
            servers,
            facts: self.others.facts.clone(),
            databases: self.others.databases.clone(),
            database: self.others.database.clone(),
            counts: Counts::default(),
        }
    }

    /// Runs the tool once on a copy, observed; `control` cuts it off, or lets it wait for another run.
    ///
    /// # Errors
    /// When it could not be started, or took too long.
    pub(super) async fn run_tool(
        &self,
        copy: &Copied<'_>,
        command: &[String],
        control: Option<Control>,
    ) -> Result<Ran, CouldNotRun> {
        let restored = self.restored_on(copy);
        let sessions = Sessions::default();
        let observed = Observed::default();
        let scenario = self.scenario();
        let view = Restored {
            last_record: &self.context.last_record,
            server: copy.server,
            run: &copy.run.id,
            database: &self.database,
            servers: &restored.servers,
            backup: &restored.facts,
            counts: &restored.counts,
            sessions: &sessions,
            observed: &observed,
            trail: &crate::database::Trail::default(),
            folder: &scenario.folder,
            environment: &self.context.environment,
            redactor: &self.context.redactor,
            timeout: self.settings.timeout(),
        };
        let program = self.settings.program(command);
        let role = [self.settings.role.as_str()].into_iter();
        if let Some(finding) = find_missing_role(&view, role).await? {
            let hint = match &restored.facts.physical {
                Some(_) => "name a role of the cluster in `role` of `[rehearse]`",
                None => {
                    "name a role of the backup in `role` of `[rehearse]`, or create it with `[[restore.role]]`"
                }
            };
            let reason = format!("{}: {}", self.settings.role, finding.actual);
            return Err(CouldNotRun::with_hint(reason, hint));
        }
        sessions.end().await;
        let folder = socket_folder(copy.run)?;
        let observer = Observer::start(copy.server, &folder, control).await?;
        let began = Instant::now();
        let end = program
            .run_program(&view, observer.endpoint(), &self.database, began)
            .await;
        let cut_off = observer.cut_off();
        let observed = observer.finish().await;
        // It may be made again by the next run of the same copy.
        let _ = std::fs::remove_dir_all(&folder);
        let ran = Ran {
            end: end?,
            observed,
            cut_off,
            duration: began.elapsed(),
        };
        let lacked = match ran.lacked() {
            None if !ran.ended_well() => crashed(copy.server).await,
            lacked => lacked,
        };
        match lacked {
            Some(error) => Err(error),
            None => Ok(ran),
        }
    }
}

/// How long the server of a copy may take to answer again after a crash.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

/// Waits until a server answers, which may have crashed in a run; gives why the run says nothing of the migrations then.
async fn crashed(server: &ThrowawayServer) -> Option<CouldNotRun> {
    let answers = server.recovered(RECOVERED_WITHIN).await;
    let mut last = None;
    server
        .read_log(|line| {
            let begins = line.starts_with("redrill ") && line.contains(" PANIC:  ");
            if begins {
                last = Some(line.to_owned());
            }
        })
        .await;
    let last = last.unwrap_or_default();
    if last.ends_with("No space left on device") {
        return Some(CouldNotRun::with_hint(
            "the copy's machine lacked space on the disk, and its server crashed",
            LARGER_DISK,
        ));
    }
    if answers {
        return None;
    }
    let why = server.ended().await;
    let why = why.unwrap_or_else(|| show_duration(RECOVERED_WITHIN));
    let reason = format!("the copy's server crashed, and does not answer any more: {why}");
    Some(CouldNotRun::new(reason))
}

/// The database that the migrations change.
fn database(settings: &Rehearse, restored: &RestoredDatabases<'_>) -> Result<String, CouldNotRun> {
    let named = settings.database.as_ref();
    named
        .or(restored.database.as_ref())
        .cloned()
        .ok_or_else(|| {
            CouldNotRun::with_hint(
                format!(
                    "the backup contains {}, and `[rehearse]` does not name one",
                    restored.databases.join(", ")
                ),
                "add `database = \"…\"` to `[rehearse]`",
            )
        })
}

/// The settings of servers that migrations run on.
fn with_durability(scenario: &Scenario) -> Server {
    let mut server = Server {
        tls: None,
        certificate: None,
        durability: Durability::Production,
        ..scenario.server.clone()
    };
    for (name, value) in work::SETTINGS {
        server.settings.insert(name.to_owned(), value.to_owned());
    }
    server
}

/// A kept server that was removed while it was rehearsed on.
fn gone(kept: &Kept) -> CouldNotRun {
    let name = &kept.facts.name;
    let why = match kept.left().is_zero() {
        true => "its time was over",
        false => "it was dropped, or the process that keeps it ended",
    };
    CouldNotRun::with_hint(
        format!("{name} was removed while the rehearsal ran: {why}"),
        "keep a server for longer with `redrill run --keep`, and rehearse on that",
    )
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
