//! One run of the migration tool: how it ended, and what it cost the server.

use std::time::Duration;

use super::observe::{CutOff, Observed};
use super::settings::Rehearse;
use crate::check::command::run::ProgramEnd;
use crate::check::program::describe_output;
use crate::database::{Session, Terms};
use crate::outcome::{CouldNotRun, Finding, StatementFacts};
use crate::server::ThrowawayServer;
use crate::sql::quote_literal;

/// What to do about a full disk.
pub(super) const LARGER_DISK: &str = "set a folder on a larger disk with `--work-dir`";

/// One run of the tool.
pub(super) struct Ran {
    pub(super) end: ProgramEnd,
    pub(super) observed: Observed,
    /// Where it was cut off.
    pub(super) cut_off: Option<CutOff>,
    pub(super) duration: Duration,
}

impl Ran {
    pub(super) fn ended_well(&self) -> bool {
        self.end.status.success()
    }

    /// Why it says nothing of the migrations: the machine of the copy lacked something.
    pub(super) fn lacked(&self) -> Option<CouldNotRun> {
        let mut statements = self.observed.statements.iter();
        let (statement, what, hint) = statements.find_map(|one| {
            let (what, hint) = match one.error.as_deref()? {
                "53100" => ("space on the disk", LARGER_DISK),
                "53200" => (
                    "memory",
                    "give its server more, such as by `memory` in `[server.container]`",
                ),
                "58030" => (
                    "a disk that can be read and written",
                    "set a folder on another disk with `--work-dir`",
                ),
                _ => return None,
            };
            Some((one, what, hint))
        })?;
        let reason = format!(
            "the copy's machine lacked {what} for `{}` ({})",
            statement.text,
            statement.error.as_deref().unwrap_or_default()
        );
        Some(CouldNotRun::with_hint(reason, hint))
    }

    /// How it ended, in a few words.
    pub(super) fn end(&self) -> String {
        match self.end.status.code() {
            Some(code) => format!("exit code {code}"),
            None => "ended by a signal".to_owned(),
        }
    }

    /// Why it did not end well: its last statement that failed. `hint` is what to do about it, where that does not depend on the
    /// error.
    pub(super) fn finding(&self, settings: &Rehearse, hint: Option<&'static str>) -> Finding {
        let program = settings.command.first().map_or("", String::as_str);
        let mut statements = self.observed.statements.iter().rev();
        let failed = statements.find_map(|one| Some((one, one.error.as_deref()?)));
        let output = describe_output(program, &self.end.output, settings.show_output);
        let (actual, hint) = match failed {
            Some((statement, code)) => (
                format!(
                    "{}, and the server refused `{}` ({code})",
                    self.end(),
                    statement.text
                ),
                hint.or_else(|| hint_for(code)),
            ),
            None if self.observed.statements.is_empty() => (
                format!("{}, without a statement to the server", self.end()),
                Some(
                    "it must connect by DATABASE_URL or the PG… variables; `env` in `[rehearse]` gives it others",
                ),
            ),
            None => (
                format!("{}, though the server refused nothing", self.end()),
                None,
            ),
        };
        let hint = hint.map_or_else(|| output.clone(), |hint| format!("{hint}; {output}"));
        Finding::about(program, "exit code 0", actual).hint(hint)
    }
}

/// What a reviewer would say of an error.
fn hint_for(sqlstate: &str) -> Option<&'static str> {
    Some(match sqlstate {
        "55P04" => {
            "a new value of an enumerated type can be used after the transaction that adds it: put it into a migration of its own before"
        }
        "23502" => {
            "rows have no value in that column: fill it first, in batches, in a migration before"
        }
        "23505" => "the restored rows have duplicates: find and mend them before the unique index",
        "23503" | "23514" => {
            "restored rows violate the constraint: mend them first, or add it NOT VALID"
        }
        "42501" => {
            "the role lacks a right, and would lack it in production: grant it, or name the role of the deployment in `role`; a dump without `--create` does not say who owns the database, which may be a right that only the copy lacks"
        }
        "55P03" => {
            "the lock was not available within `lock_timeout`: repeat the migration when fewer sessions use the table"
        }
        "25001" => {
            "the statement cannot run in a transaction: switch the tool's transaction off for this migration"
        }
        "40P01" => {
            "two sessions waited for each other: lock tables in one order, one table per transaction"
        }
        "42P07" | "42701" | "42710" | "42723" => {
            "it is there already: production is not what the migration expects"
        }
        "42P01" | "42703" | "42704" | "42883" => {
            "it is not there: production is not what the migration expects"
        }
        "57014" => "the statement took longer than `statement_timeout`",
        _ => return None,
    })
}

/// The statements that took longest.
pub(super) fn longest(observed: &Observed, most: usize) -> Vec<StatementFacts> {
    let mut all: Vec<_> = observed.statements.iter().collect();
    all.sort_by_key(|statement| std::cmp::Reverse(statement.took));
    let facts = all.into_iter().take(most).map(|one| StatementFacts {
        text: one.text.clone(),
        duration: one.took,
        error: one.error.clone(),
    });
    facts.collect()
}

/// What the server has written so far.
pub(super) struct Meter {
    wal: u64,
    temporary: u64,
}

/// What a run made the server write.
pub(super) struct Used {
    pub(super) wal_bytes: u64,
    pub(super) temporary_bytes: u64,
}

/// Bytes of WAL since the beginning of time, and of temporary files of a database.
const WRITTEN: &str = "
SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::pg_catalog.int8,
       (SELECT temp_bytes FROM pg_catalog.pg_stat_database WHERE datname = {database})";

impl Meter {
    pub(super) async fn read(
        server: &ThrowawayServer,
        database: &str,
    ) -> Result<Self, CouldNotRun> {
        let terms = Terms::default();
        let mut session = Session::superuser(server.endpoint(), database, &terms).await?;
        let sql = WRITTEN.replace("{database}", &quote_literal(database));
        let row = session.rows(&sql).await?.into_iter().next();
        session.close().await;
        let number = |at: usize| {
            let value = row.as_ref()?.get(at)?.as_deref()?;
            value.parse().ok()
        };
        Ok(Self {
            wal: number(0).unwrap_or_default(),
            temporary: number(1).unwrap_or_default(),
        })
    }

    /// What was written since then.
    pub(super) async fn since(
        self,
        server: &ThrowawayServer,
        database: &str,
    ) -> Result<Used, CouldNotRun> {
        let now = Self::read(server, database).await?;
        Ok(Used {
            wal_bytes: now.wal.saturating_sub(self.wal),
            temporary_bytes: now.temporary.saturating_sub(self.temporary),
        })
    }
}
