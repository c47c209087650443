//! Keeps a statement such as `CREATE INDEX CONCURRENTLY` in its middle, so that a run can be cut off there.
//!
//! Such a statement commits several times, and waits in between for transactions that use the table, or that have an older
//! snapshot. This session is both.

use crate::database::{DatabaseError, Endpoint, Session, Terms};

/// A session that such a statement waits for, until it is dropped.
pub(super) struct Brake {
    _session: Session,
}

impl Brake {
    /// Begins to keep statements on these tables waiting; where they cannot be locked, those that wait for older snapshots.
    ///
    /// # Errors
    /// When the server refuses the session.
    pub(super) async fn open(
        endpoint: &Endpoint,
        database: &str,
        tables: &[String],
    ) -> Result<Self, DatabaseError> {
        let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
        session
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; SELECT 1; SAVEPOINT snapshot")
            .await?;
        if !tables.is_empty() {
            let lock = format!(
                "LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE",
                tables.join(", ONLY ")
            );
            if session.run(&lock).await.is_err() {
                session.run("ROLLBACK TO SAVEPOINT snapshot").await?;
            }
        }
        Ok(Self { _session: session })
    }
}
