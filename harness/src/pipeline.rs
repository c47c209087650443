//! From a backup to a restored and proven database. `run`, `init`, `recover` and `baseline` begin with it.
//!
//! backup → server → restore → proof

use crate::backup::Backup;
use crate::check::counts::Counts;
use crate::cleanup::Run;
use crate::context::Context;
use crate::needed::RowsLeftOut;
use crate::outcome::{BackupFacts, CouldNotRun, Stage};
use crate::proof::settings::Level;
use crate::record::Record;
use crate::restore::RestoreLog;
use crate::restore::settings::{MadeRole, Restore};
use crate::restore::target::databases;
use crate::scenario::Scenario;
use crate::server::{Servers, ThrowawayServer};
use crate::stage::{self, Stopped};
use crate::upgrade::UpgradeRehearsal;

/// What is restored, and how.
pub struct Pipeline<'a> {
    /// Location of the backup, settings of the restore, level of the proof.
    pub scenario: &'a Scenario,
    /// What a drill needs in addition to its scenario.
    pub context: &'a Context,
    /// Owner of everything that is started.
    pub run: &'a Run,
    /// Whether roles that the backup requires and does not contain are created, without any right: for
    /// commands without a scenario that names them.
    pub make_roles: bool,
}

/// A throwaway server and what of the backup belongs on it.
#[derive(Clone)]
pub struct Cluster<'a> {
    /// Its name in the scenario, where there are several.
    pub name: Option<&'a str>,
    /// The server.
    pub server: &'a ThrowawayServer,
    /// Owner of what is started for it.
    pub run: &'a Run,
    /// The parts of the backup that are restored on it.
    pub backup: Backup,
    /// Its databases.
    pub databases: Vec<String>,
}

/// A throwaway server, as checks need it.
#[derive(Clone)]
pub struct RestoredServer<'a> {
    /// The server.
    pub server: &'a ThrowawayServer,
    /// Owner of what is started for it.
    pub run: &'a Run,
    /// The databases that the backup is restored into.
    pub databases: Vec<String>,
    /// The roles that the backup itself creates on it.
    pub roles: Vec<String>,
}

/// What checks run on: the servers, and what is known of the backup without reading it.
pub struct RestoredDatabases<'a> {
    /// The servers that the backup was restored on: one, unless its parts name several.
    pub servers: Vec<RestoredServer<'a>>,
    /// Facts of the backup.
    pub facts: BackupFacts,
    /// Databases that the backup was restored into, in order.
    pub databases: Vec<String>,
    /// The default database of checks, if it is unambiguous.
    pub database: Option<String>,
    /// Numbers of rows that are known.
    pub counts: Counts,
}

/// A backup restored on throwaway servers.
pub struct RestoredBackup<'a> {
    /// What was restored, and how.
    pub pipeline: &'a Pipeline<'a>,
    /// The servers that it was restored on: one, unless its parts name several.
    pub clusters: Vec<Cluster<'a>>,
    /// The backup.
    pub backup: Backup,
    /// Facts of the backup for reports.
    pub facts: BackupFacts,
    /// Settings of the restore, with the created roles.
    pub settings: Restore,
    /// The log of the restore.
    pub log: RestoreLog,
    /// Numbers of rows from the proof; empty before it, or if it failed.
    pub counts: Counts,
}

impl<'a> Pipeline<'a> {
    /// Finds and inspects the backup.
    ///
    /// # Errors
    /// When it is incomplete, or could not be read.
    pub async fn inspect(&self, record: &mut Record<'_>) -> Result<Backup, Stopped> {
        let work = stage::backup(self.scenario, self.make_roles, self.run, self.context);
        record.stage(Stage::Backup, work).await
    }

    /// Starts a server and restores the backup. `servers` keeps it for the teardown.
    ///
    /// # Errors
    /// When there is no server, or the restore has errors.
    pub async fn restore(
        &'a self,
        backup: Backup,
        servers: &'a mut Servers,
        record: &mut Record<'_>,
    ) -> Result<RestoredBackup<'a>, Stopped> {
        let mut settings = self.scenario.restore.clone();
        if self.make_roles {
            let contents = backup.contents();
            let needed = contents.roles_needed().into_iter().map(MadeRole::named);
            settings.role.extend(needed);
        }
        let left_out = match self.scenario.facts.only.as_slice() {
            [] => RowsLeftOut::default(),
            _ => RowsLeftOut::of(&backup, &settings, &self.scenario.checks),
        };
        let work = stage::server(self.scenario, &backup, self.run, self.context, servers);
        record.stage(Stage::Server, work).await?;
        // What every server has is restored as the backup says, and of what the backup lacks there is nothing to pass over.
        let of_backup = &backup.contents().extensions;
        settings.stub.retain(|stub| {
            let mut started = servers.started(self.run);
            of_backup.contains(&stub.extension)
                && started.any(|(_, server, _)| !server.facts().has_extension(&stub.extension))
        });
        let groups = backup.by_server().into_iter();
        let mut clusters: Vec<Cluster<'_>> = groups
            .zip(servers.started(self.run))
            .map(|((_, group), (name, server, run))| Cluster {
                name,
                server,
                run,
                databases: databases(&group, &settings),
                backup: group.into_owned(),
            })
            .collect();
        let major = self.scenario.server.major;
        let work = stage::restore(&settings, &left_out, &clusters, major, self.context);
        let log = record.stage(Stage::Restore, work).await?;
        let mut facts = backup.facts();
        if backup.physical.is_some() {
            // A base backup says what it contains only now.
            for cluster in &mut clusters {
                cluster.databases.clone_from(&log.databases);
            }
            facts.databases.clone_from(&log.databases);
            facts.roles.clone_from(&log.roles);
            facts.extensions.clone_from(&log.extensions);
            record.learn_backup(facts.clone());
        }
        Ok(RestoredBackup {
            pipeline: self,
            clusters,
            facts,
            backup,
            settings,
            log,
            counts: Counts::default(),
        })
    }

    /// Runs all stages, for commands that copy from the database; a backup that is not proven in full is an error.
    ///
    /// # Errors
    /// When a stage does not pass, or the scenario asks for less than a full proof.
    pub async fn proven(
        &'a self,
        servers: &'a mut Servers,
        record: &mut Record<'_>,
    ) -> Result<RestoredBackup<'a>, Stopped> {
        if self.scenario.proof != Level::Full {
            let reason = "the backup must be compared in full, and the scenario compares less; this is a bug in redrill";
            return Err(CouldNotRun::with_hint(reason, "report it with the command line").into());
        }
        let backup = self.inspect(record).await?;
        let mut restored = self.restore(backup, servers, record).await?;
        restored.prove(record, None).await?;
        Ok(restored)
    }
}

impl RestoredDatabases<'_> {
    /// The server of a database; the only one has every database. `None` where there are several and none has it.
    #[must_use]
    pub fn server_of(&self, database: &str) -> Option<&RestoredServer<'_>> {
        let has = |one: &&RestoredServer<'_>| one.databases.iter().any(|name| name == database);
        match self.servers.as_slice() {
            [only] => Some(only),
            several => several.iter().find(has),
        }
    }
}

impl<'a> RestoredBackup<'a> {
    /// What its checks run on.
    #[must_use]
    pub fn for_checks(&self) -> RestoredDatabases<'a> {
        let server = |cluster: &Cluster<'a>| RestoredServer {
            server: cluster.server,
            run: cluster.run,
            databases: cluster.databases.clone(),
            roles: match cluster.backup.physical {
                Some(_) => self.log.roles.clone(),
                None => cluster.backup.contents().roles.clone(),
            },
        };
        RestoredDatabases {
            servers: self.clusters.iter().map(server).collect(),
            facts: self.facts.clone(),
            databases: self.log.databases.clone(),
            database: self.log.database.clone(),
            counts: self.counts.clone(),
        }
    }

    /// The server of a database; the only one has every database. `None` where there are several and none has it.
    #[must_use]
    pub fn cluster(&self, database: &str) -> Option<&Cluster<'_>> {
        let has = |one: &&Cluster<'_>| one.databases.iter().any(|name| name == database);
        match self.clusters.as_slice() {
            [only] => Some(only),
            several => several.iter().find(has),
        }
    }

    /// The server of a database that the backup is restored into.
    #[must_use]
    pub fn server_of(&self, database: &str) -> &ThrowawayServer {
        self.cluster(database)
            .map_or_else(|| self.server(), |cluster| cluster.server)
    }

    /// The first server, for what is about no database.
    #[must_use]
    pub fn server(&self) -> &ThrowawayServer {
        self.clusters[0].server
    }

    /// Compares the database with the backup, at the level of the scenario. `servers` keeps those that the rehearsal of an upgrade
    /// starts; without it there is none.
    ///
    /// # Errors
    /// When they differ, or could not be compared.
    pub async fn prove(
        &mut self,
        record: &mut Record<'_>,
        servers: Option<&mut Servers>,
    ) -> Result<(), Stopped> {
        let Pipeline {
            scenario, context, ..
        } = self.pipeline;
        if scenario.proof == Level::Off {
            record.proof_is_off();
            return Ok(());
        }
        let settings = &self.settings;
        let rehearsal = servers.map(|servers| UpgradeRehearsal {
            scenario,
            context,
            settings,
            servers,
        });
        let (clusters, with) = (&self.clusters, (settings, *context));
        let work = stage::proof(scenario, clusters, &self.log, with, rehearsal);
        self.counts = record.stage(Stage::Proof, work).await?;
        Ok(())
    }
}
