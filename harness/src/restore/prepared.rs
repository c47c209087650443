//! Prepared transactions of a recovered cluster: they hold their locks until somebody ends them, so that nobody could read what
//! they lock.

use crate::outcome::CouldNotRun;
use crate::server::ThrowawayServer;
use crate::sql::quote_literal;

const PREPARED: &str = "SELECT p.database, p.gid, format('%s: %s, of %s', p.database, p.gid, p.owner), d.datallowconn \
     FROM pg_catalog.pg_prepared_xacts p JOIN pg_catalog.pg_database d ON d.datname = p.database \
     ORDER BY p.database, p.gid";

/// Rolls them back; returns database, name and owner of each. What they wrote was never committed.
///
/// # Errors
/// The server does not answer, or refuses it.
pub(super) async fn roll_back(server: &ThrowawayServer) -> Result<Vec<String>, CouldNotRun> {
    let mut session = server.session("template1").await?;
    let rows = session.rows(PREPARED).await?;
    session.close().await;
    let mut all = Vec::new();
    for row in rows {
        let [Some(database), Some(gid), Some(shown), Some(is_open)] = row.as_slice() else {
            continue;
        };
        // One of a database that nobody may connect to holds its locks all the same.
        let is_closed = is_open != "t";
        if is_closed {
            server.allow_connections(database, true).await?;
        }
        let mut session = server.session(database).await?;
        let statement = format!("ROLLBACK PREPARED {}", quote_literal(gid));
        session.run(&statement).await?;
        session.close().await;
        if is_closed {
            server.allow_connections(database, false).await?;
        }
        all.push(shown.clone());
    }
    Ok(all)
}
