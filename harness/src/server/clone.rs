//! A copy of a restored database, for checks that write.

use super::ThrowawayServer;
use crate::database::{DatabaseError, Session, Terms};
use crate::digest::sha256;
use crate::sql::{quote_ident, quote_literal};

/// A copy of a database. [`DatabaseCopy::remove`] drops it; otherwise it is destroyed with its server.
#[derive(Debug)]
pub struct DatabaseCopy {
    /// Name of the copy.
    pub name: String,
}

/// Copies what `CREATE DATABASE … TEMPLATE` does not: settings, privileges and owner of the database.
const CARRY_OVER: &[&str] = &[
    "INSERT INTO pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
     SELECT c.oid, s.setrole, s.setconfig
       FROM pg_catalog.pg_db_role_setting s
       JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = {from},
            pg_catalog.pg_database c WHERE c.datname = {to}",
    "UPDATE pg_catalog.pg_database c SET datdba = d.datdba, datacl = d.datacl
       FROM pg_catalog.pg_database d WHERE d.datname = {from} AND c.datname = {to}",
];

/// Ends the sessions that programs left open in the copy.
const END_SESSIONS: &str = "
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
 WHERE datname = {to} AND pid <> pg_catalog.pg_backend_pid()";

impl DatabaseCopy {
    /// Copies a database, which must have no sessions.
    ///
    /// # Errors
    /// Errors of the server: the database has sessions, the disk is full.
    pub async fn of(
        server: &ThrowawayServer,
        database: &str,
        terms: &Terms,
    ) -> Result<Self, DatabaseError> {
        let name = format!("redrill_copy_of_{database}");
        // Identifiers are truncated to 63 bytes, which could make two names equal.
        let name = match name.char_indices().nth(40) {
            Some((at, _)) => format!("{}_{}", &name[..at], &sha256(database)[..8]),
            None => name,
        };
        let mut session = Session::superuser(server.endpoint(), "template1", terms).await?;
        let copy = Self { name };
        // An interrupted check may have left one.
        copy.drop_by(&mut session).await?;
        let create = format!(
            "CREATE DATABASE {} TEMPLATE {}",
            quote_ident(&copy.name),
            quote_ident(database)
        );
        session.write(&create).await?;
        for sql in CARRY_OVER {
            let sql = sql
                .replace("{from}", &quote_literal(database))
                .replace("{to}", &quote_literal(&copy.name));
            session.write(&sql).await?;
        }
        session.close().await;
        Ok(copy)
    }

    /// Removes the copy.
    ///
    /// # Errors
    /// Errors of the server.
    pub async fn remove(self, server: &ThrowawayServer) -> Result<(), DatabaseError> {
        let terms = Terms::default();
        let mut session = Session::superuser(server.endpoint(), "template1", &terms).await?;
        self.drop_by(&mut session).await?;
        session.close().await;
        Ok(())
    }

    async fn drop_by(&self, session: &mut Session) -> Result<(), DatabaseError> {
        let to = quote_literal(&self.name);
        session.run(&END_SESSIONS.replace("{to}", &to)).await?;
        let drop = format!("DROP DATABASE IF EXISTS {}", quote_ident(&self.name));
        session.write(&drop).await?;
        Ok(())
    }
}
