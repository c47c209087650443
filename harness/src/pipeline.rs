//! From a backup to a database that holds it, in one place: `run`, `init`, `recover` and `baseline` are what
//! follows.
//!
//! backup → server → restore → proof

use crate::backup::Backup;
use crate::check::counts::Counts;
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{BackupFacts, CouldNotRun, Stage};
use crate::proof::settings::Level;
use crate::record::Record;
use crate::restore::RestoreLog;
use crate::restore::settings::Restore;
use crate::scenario::Scenario;
use crate::server::ThrowawayServer;
use crate::stage::{self, Stopped};

/// What is restored, and with what.
pub struct Pipeline<'a> {
    /// Where the backup is, how it is restored, how much is proven.
    pub scenario: &'a Scenario,
    /// What a drill needs beside its scenario.
    pub context: &'a Context,
    /// Owns whatever is started.
    pub run: &'a Run,
    /// Whether the roles that the backup names and does not hold are made, without any right: where no
    /// scenario of a person says which.
    pub make_roles: bool,
}

/// A backup on a throwaway server, and what is known of it.
pub struct RestoredBackup<'a> {
    /// How it came there.
    pub pipeline: &'a Pipeline<'a>,
    /// The server.
    pub server: &'a ThrowawayServer,
    /// The backup.
    pub backup: Backup,
    /// The same for reports.
    pub facts: BackupFacts,
    /// How it was restored, with the roles that were made for it.
    pub settings: Restore,
    /// What the restore said.
    pub log: RestoreLog,
    /// Rows that the proof has counted; nothing before it, or where it failed.
    pub counts: Counts,
}

impl<'a> Pipeline<'a> {
    /// Finds and inspects the backup.
    ///
    /// # Errors
    /// When it is not whole, or could not be read.
    pub async fn inspect(&self, record: &mut Record<'_>) -> Result<Backup, Stopped> {
        let work = stage::backup(self.scenario, self.run, self.context);
        record.stage(Stage::Backup, work).await
    }

    /// Starts a server and restores the backup. The server stays where the teardown finds it.
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
        let work = stage::server(self.scenario, &backup, self.run, self.context);
        let server = &*server.insert(record.stage(Stage::Server, work).await?);
        let work = stage::restore(&settings, server, &backup, self.context);
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

    /// All of it: for whoever takes from the database what is right. What was not proven gives nothing.
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
    /// Compares the database with the backup, as far as the scenario wants it.
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
