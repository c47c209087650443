//! Recovers one table from a backup: backup → server → restore → the table → a file that is compared
//! with the backup. Nothing is written unless every step passes.
//!
//! - `find`: the database of the backup that contains the table, or similar names
//! - `table`: the restored table, and what it requires where it is loaded
//! - `write`: the file

mod find;
mod table;
pub mod write;

use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{BackupFacts, CouldNotRun};
use crate::pipeline::Pipeline;
use crate::proof::settings::Level;
use crate::record::Record;
use crate::scenario::Scenario;
use crate::server::Servers;
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
    /// Rows in the backup, as far as known.
    pub rows_in_backup: Option<u64>,
    /// The file.
    pub written: Written,
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
    // The rows of the one table are compared below, and so is the file that is written of them.
    scenario.proof = Level::Off;
    let pipeline = Pipeline {
        scenario: &scenario,
        context,
        run,
        make_roles: request.make_roles,
    };
    let mut record = Record::begin(&scenario, context);
    let backup = pipeline.inspect(&mut record).await?;
    let database = find::database(
        &backup,
        &scenario.restore,
        &request.table,
        request.database.as_deref(),
    )
    .map_err(NotRecovered::Absent)?;
    let restored = pipeline.restore(backup, servers, &mut record).await?;
    let (server, facts) = (restored.server_of(&database), &restored.facts);
    let table = table::read(server, &database, &request.table).await?;
    let rows = find::rows(
        &restored.backup,
        &restored.settings,
        &database,
        &table.relations,
    )?;
    rows.agree_with(&request.table, table.rows)?;
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
        rows_in_backup: rows.exact(),
        table,
        written,
    })
}
