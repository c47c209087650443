//! The wire shape → `RehearsalResult`: the twin of `Rehearsal::of`.
//!
//! What only the rehearsal itself needs is not in the record: why a check was skipped, or could not run, before the migrations.

use std::time::Duration;

use super::super::OutcomeWord;
use super::super::read::{
    Read, all, contradiction, each, ended, head, of_word, parse, seconds, time,
};
use super::super::{Backup, Check, Finding, NotTested, Server};
use super::{
    Change, CheckAfter, KeptServer, Lock, Migration, OneMigration, Rehearsal, Statement, Step,
    Table,
};
use crate::outcome::{self, Outcome, RehearsalResult};
use crate::verdict::{RehearsalVerdict, Verdict, rehearsal_verdict};

/// Reads the record of a rehearsal: the result and its verdict, of which every report can be made again. Keys that are not known
/// are passed over.
///
/// # Errors
/// The text is no record of a rehearsal; another redrill wrote it; or it contradicts itself.
pub fn read_rehearsal(text: &str) -> Read<(RehearsalResult, RehearsalVerdict)> {
    if !head(text)?.steps {
        return Err(outcome::CouldNotRun::with_hint(
            "it is not the record of a rehearsal: it has no `steps`",
            "the record is `rehearsal.json`",
        ));
    }
    let report: Rehearsal = parse(text)?;
    let stated = report.verdict.clone();
    let result = report.read()?;
    let found = rehearsal_verdict(&result);
    if found.word() != stated {
        return Err(contradiction(&format!(
            "its verdict is {stated}, and what it found is {}",
            found.word()
        )));
    }
    Ok((result, found))
}

impl Rehearsal {
    fn read(self) -> Read<RehearsalResult> {
        let passed = |verdict: &Verdict| verdict.word() == self.drill && verdict.passed();
        Ok(RehearsalResult {
            drill_passed: Verdict::ALL.iter().any(passed),
            // No other report says so.
            nothing_pending: self.verdict == RehearsalVerdict::NothingPending.word(),
            run: self.run,
            redrill: self.redrill,
            provenance: self.provenance.read(),
            scenario: self.scenario.read(),
            started: time("started", &self.started)?,
            duration: seconds("duration_s", self.duration_s)?,
            state: self.state,
            evidence: None,
            drill: self.drill.into(),
            kept: self.kept.map(KeptServer::read).transpose()?,
            backup: self.backup.map(Backup::read).transpose()?,
            server: self.server.map(Server::read).transpose()?,
            command: self.command,
            role: self.role,
            steps: each(self.steps, Step::read)?,
            checks: each(self.checks, CheckAfter::read)?,
            migration: self.migration.map(Migration::read).transpose()?,
            not_tested: all(self.not_tested, NotTested::read),
            repeat: self.repeat,
            interrupted: self.interrupted,
        })
    }
}

impl KeptServer {
    fn read(self) -> Read<outcome::KeptServerFacts> {
        Ok(outcome::KeptServerFacts {
            name: self.name,
            scenario: self.scenario,
            run: self.run,
            until: time("kept.until", &self.until)?,
            doubts: self.doubts,
        })
    }
}

impl Step {
    fn read(self) -> Read<outcome::StepResult> {
        let step = of_word("step", outcome::Step::ALL, outcome::Step::word, &self.name)?;
        Ok(outcome::StepResult {
            step,
            outcome: ended(
                &self.name,
                self.outcome,
                self.skipped_because,
                self.could_not_run,
            )?,
            summary: self.summary,
            findings: all(self.findings, Finding::read),
            duration: seconds("steps.duration_s", self.duration_s)?,
        })
    }
}

impl CheckAfter {
    fn read(self) -> Read<outcome::CheckAfter> {
        Ok(outcome::CheckAfter {
            result: Check::read(self.result)?,
            before: self.before.map(|before| match before {
                OutcomeWord::Pass => Outcome::Pass,
                OutcomeWord::Fail => Outcome::Fail,
                OutcomeWord::Waived => Outcome::Waived,
                OutcomeWord::Error => Outcome::Error(outcome::CouldNotRun::new(String::new())),
                OutcomeWord::Skipped => Outcome::Skipped {
                    reason: String::new(),
                },
            }),
        })
    }
}

impl Migration {
    fn read(self) -> Read<outcome::MigrationFacts> {
        Ok(outcome::MigrationFacts {
            duration: seconds("migration.duration_s", self.duration_s)?,
            connections: self.connections,
            statements: self.statements,
            migrations: each(self.migrations, OneMigration::read)?,
            longest: each(self.longest, Statement::read)?,
            tables: each(self.tables, Table::read)?,
            wal_bytes: self.wal_bytes,
            temporary_bytes: self.temporary_bytes,
            size_before: self.size_before_bytes,
            size_after: self.size_after_bytes,
            changes: all(self.changes, Change::read),
        })
    }
}

impl OneMigration {
    fn read(self) -> Read<outcome::OneMigrationFacts> {
        Ok(outcome::OneMigrationFacts {
            name: self.name,
            recorded: self.recorded,
            statements: self.statements,
            duration: seconds("migrations.duration_s", self.duration_s)?,
            lock: self.lock.map(Lock::read).transpose()?,
        })
    }
}

impl Lock {
    fn read(self) -> Read<outcome::LockFacts> {
        Ok(outcome::LockFacts {
            table: self.table,
            mode: self.mode.into(),
            held: seconds("lock.held_s", self.held_s)?,
        })
    }
}

impl Statement {
    fn read(self) -> Read<outcome::StatementFacts> {
        Ok(outcome::StatementFacts {
            text: self.text,
            duration: seconds("longest.duration_s", self.duration_s)?,
            error: self.error,
        })
    }
}

impl Table {
    fn read(self) -> Read<outcome::TableFacts> {
        let known = |key, value: Option<f64>| -> Read<Option<Duration>> {
            value.map(|value| seconds(key, value)).transpose()
        };
        Ok(outcome::TableFacts {
            table: self.table,
            lock: self.lock.into(),
            blocks_readers: self.blocks_readers,
            held: known("tables.held_s", self.held_s)?,
            statement: self.statement,
            readers_waited: known("readers_waited_s", self.readers_waited_s)?,
            writers_waited: known("writers_waited_s", self.writers_waited_s)?,
        })
    }
}

impl Change {
    fn read(self) -> outcome::ChangeFacts {
        outcome::ChangeFacts {
            name: self.name,
            text: self.text,
            needs_review: self.needs_review,
            accepted: self.accepted,
        }
    }
}
