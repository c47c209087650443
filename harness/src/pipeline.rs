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
use crate::restore::settings::Restore;
use crate::scenario::Scenario;
use crate::server::ThrowawayServer;
use crate::stage::{self, Stopped};

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

/// A backup restored on a throwaway server.
pub struct RestoredBackup<'a> {
    /// What was restored, and how.
    pub pipeline: &'a Pipeline<'a>,
    /// The server.
    pub server: &'a ThrowawayServer,
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

    /// Starts a server and restores the backup. `server` keeps it for the teardown.
    ///
    /// # Errors
    /// When there is no server, or the restore has errors.
    pub async fn restore(
        &'a self,
        backup: Backup,
        server: &'a mut Option<ThrowawayServer>,
        record: &mut Record<'_>,
    ) -> Result<RestoredBackup<'a>, Stopped> {
        let mut settings = self.scenario.restore.clone();
        if self.make_roles {
            let contents = backup.contents();
            let needed = contents.roles_needed().into_iter().map(str::to_owned);
            settings.create_roles.extend(needed);
        }
        let left_out = match self.scenario.facts.only.as_slice() {
            [] => RowsLeftOut::default(),
            _ => RowsLeftOut::of(&backup, &settings, &self.scenario.checks),
        };
        let work = stage::server(self.scenario, &backup, self.run, self.context);
        let server = &*server.insert(record.stage(Stage::Server, work).await?);
        let work = stage::restore(&settings, &left_out, server, &backup, self.context);
        let log = record.stage(Stage::Restore, work).await?;
        Ok(RestoredBackup {
            pipeline: self,
            server,
            facts: backup.facts(),
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
        server: &'a mut Option<ThrowawayServer>,
        record: &mut Record<'_>,
    ) -> Result<RestoredBackup<'a>, Stopped> {
        if self.scenario.proof != Level::Full {
            let reason = "the backup must be compared in full, and the scenario compares less; this is a bug in redrill";
            return Err(CouldNotRun::with_hint(reason, "report it with the command line").into());
        }
        let backup = self.inspect(record).await?;
        let mut restored = self.restore(backup, server, record).await?;
        restored.prove(record).await?;
        Ok(restored)
    }
}

impl RestoredBackup<'_> {
    /// Compares the database with the backup, at the level of the scenario.
    ///
    /// # Errors
    /// When they differ, or could not be compared.
    pub async fn prove(&mut self, record: &mut Record<'_>) -> Result<(), Stopped> {
        let Pipeline {
            scenario, context, ..
        } = self.pipeline;
        if scenario.proof == Level::Off {
            record.proof_is_off();
            return Ok(());
        }
        let (server, backup, settings) = (self.server, &self.backup, &self.settings);
        let work = stage::proof(scenario.proof, settings, server, backup, &self.log, context);
        self.counts = record.stage(Stage::Proof, work).await?;
        Ok(())
    }
}
