//! Recovers one table from a backup: backup → server → restore → the table → a file that is compared
//! with the backup. Nothing is written unless every step passes. A base backup has no second copy of the rows: the recovered table is
//! verified, and the file is compared with it.
//!
//! - `find`: the database of the backup that contains the table, or similar names
//! - `table`: the restored table, and what it requires where it is loaded
//! - `write`: the file

mod find;
mod table;
pub mod write;

use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{BackupFacts, CouldNotRun, Finding};
use crate::pipeline::Pipeline;
use crate::proof::physical::verify_tables;
use crate::proof::settings::Level;
use crate::record::Record;
use crate::scenario::Scenario;
use crate::server::{Servers, ThrowawayServer};
use crate::sql::QualifiedName;
use crate::stage::Stopped;
pub use find::Rows;
pub use table::{Need, Table};
use write::{Destination, Format, Written};

/// The request.
#[derive(Debug, Clone)]
pub struct RecoverRequest {
    /// The table.
    pub table: QualifiedName,
    /// The database of the table, if several databases in the backup contain it.
    pub database: Option<String>,
    /// SQL or CSV.
    pub format: Format,
    /// Where it is written.
    pub destination: Destination,
    /// Whether required roles that are not in the backup are created, without privileges; a scenario
    /// lists them itself.
    pub make_roles: bool,
}

/// The result.
#[derive(Debug)]
pub struct Recovered {
    /// The backup.
    pub backup: BackupFacts,
    /// The database that the table was in.
    pub database: String,
    /// The table as it was restored.
    pub table: Table,
    /// Version of the server that it was restored on.
    pub server: String,
    /// What is known of its rows.
    pub assured: Assured,
    /// The file.
    pub written: Written,
}

/// What is known of the rows of a recovered table in addition to their number, which is that of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assured {
    /// They are as many as in the dump.
    AsManyAsInBackup,
    /// They were compared with the dump, which does not contain an exact number.
    WithoutExactNumber,
    /// Of a base backup: they were read to their end and verified.
    Verified,
    /// Of a base backup: they were read to their end.
    Read,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum NotRecovered {
    /// The backup does not contain the table, or in several databases.
    Absent(CouldNotRun),
    /// A stage did not pass: `Fail` for a fault of the backup, `Error` if it could not run.
    Stopped(Stopped),
}

impl From<Stopped> for NotRecovered {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// Recovers one table. The server is left for the teardown.
///
/// # Errors
/// When the backup is incomplete, does not contain the table, or does not restore without an error; or
/// when a step could not run.
pub async fn recover(
    request: &RecoverRequest,
    mut scenario: Scenario,
    context: &Context,
    run: &Run,
    servers: &mut Servers,
) -> Result<Recovered, NotRecovered> {
    let level = scenario.proof;
    // The rows of the one table are compared below, and so is the file that is written of them.
    scenario.proof = Level::Off;
    let pipeline = Pipeline {
        scenario: &scenario,
        context,
        run,
        make_roles: request.make_roles,
    };
    let mut record = Record::begin(&scenario, context);
    let (name, wanted) = (&request.table, request.database.as_deref());
    let backup = pipeline.inspect(&mut record).await?;
    // A dump says it before a server is started.
    let in_dump = match &backup.physical {
        Some(_) => None,
        None => {
            let all = find::in_dump(&backup, &scenario.restore);
            let database = find::database(&all, name, wanted);
            Some(database.map_err(NotRecovered::Absent)?)
        }
    };
    let restored = pipeline.restore(backup, servers, &mut record).await?;
    let database = match in_dump {
        Some(database) => database,
        None => {
            let all = find::on_server(restored.server()).await;
            let database = find::database(&all.map_err(Stopped::from)?, name, wanted);
            let absent = |error| NotRecovered::Absent(not_then(error, &restored.facts));
            database.map_err(absent)?
        }
    };
    let (server, facts) = (restored.server_of(&database), &restored.facts);
    let table = table::read(server, &database, name).await?;
    let assured = if restored.backup.physical.is_some() {
        verify(server, &database, &table, level).await?
    } else {
        let (backup, settings) = (&restored.backup, &restored.settings);
        let rows = find::rows(backup, settings, &database, &table.relations)?;
        rows.agree_with(name, table.rows)?;
        match rows.exact() {
            Some(_) => Assured::AsManyAsInBackup,
            None => Assured::WithoutExactNumber,
        }
    };
    let job = write::Job {
        server,
        database: &database,
        table: &table,
        backup: facts,
        listener: &context.listener,
    };
    let written = write::write(&job, request.format, &request.destination, &run.folder).await?;
    Ok(Recovered {
        backup: facts.clone(),
        database,
        server: server.facts().version.clone(),
        assured,
        table,
        written,
    })
}

/// A table that a recovered server lacks may have been there at another moment.
fn not_then(error: CouldNotRun, backup: &BackupFacts) -> CouldNotRun {
    let hint = error.hint.as_deref().unwrap_or_default();
    let target = backup.physical.as_ref();
    let target = target.map_or("its target", |base| base.target.as_str());
    let hint = format!(
        "{hint}; the base backup was recovered to {target}, and `--until` recovers it to an earlier moment"
    );
    error.hint(hint)
}

/// Verifies a table of a recovered server, at the level of the scenario's proof.
async fn verify(
    server: &ThrowawayServer,
    database: &str,
    table: &Table,
    level: Level,
) -> Result<Assured, Stopped> {
    if let Some(unlogged) = table.unlogged.first() {
        // It would be loaded as an empty table.
        let expected = "rows whose changes are in the WAL";
        let finding = Finding::about(unlogged.to_string(), expected, "the table is unlogged");
        let hint = "a recovery empties unlogged tables: use a dump, or `ALTER TABLE … SET LOGGED` on the source";
        return Err(Stopped::failed(
            format!("the rows of {unlogged} are not in a base backup"),
            vec![finding.hint(hint)],
        ));
    }
    if level != Level::Full {
        return Ok(Assured::Read);
    }
    match verify_tables(server, database, &table.oids).await? {
        findings if findings.is_empty() => Ok(Assured::Verified),
        findings => Err(Stopped::failed(
            format!("{} is damaged on the recovered server", table.name()),
            findings,
        )),
    }
}
