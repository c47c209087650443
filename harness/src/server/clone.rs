//! A copy of a restored database, for what must be free to write in it.

use super::ThrowawayServer;
use crate::database::{DatabaseError, Session, Terms};
use crate::sql::{quote_ident, quote_literal};

/// A copy of a database. It goes by [`DatabaseCopy::remove`], or with its server.
#[derive(Debug)]
pub struct DatabaseCopy {
    /// Its name.
    pub name: String,
}

/// What a template does not carry over: settings, rights and owner of the database itself.
const CARRY_OVER: &[&str] = &[
    "INSERT INTO pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
     SELECT c.oid, s.setrole, s.setconfig
       FROM pg_catalog.pg_db_role_setting s
       JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = {from},
            pg_catalog.pg_database c WHERE c.datname = {to}",
    "UPDATE pg_catalog.pg_database c SET datdba = d.datdba, datacl = d.datacl
       FROM pg_catalog.pg_database d WHERE d.datname = {from} AND c.datname = {to}",
];

/// Ends the sessions that programs have left in the copy.
const END_SESSIONS: &str = "
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
 WHERE datname = {to} AND pid <> pg_catalog.pg_backend_pid()";

impl DatabaseCopy {
    /// Copies a database, which nobody may be connected to.
    ///
    /// # Errors
    /// The server's: somebody is connected, the disk is full.
    pub async fn of(
        server: &ThrowawayServer,
        database: &str,
        terms: &Terms,
    ) -> Result<Self, DatabaseError> {
        let name = format!("redrill_copy_of_{database}");
        // Identifiers are cut at 63 bytes, in the middle of what would tell two databases apart.
        let name = match name.char_indices().nth(40) {
            Some((at, _)) => format!("{}_{:x}", &name[..at], hash(database)),
            None => name,
        };
        let mut session = Session::superuser(server.endpoint(), "template1", terms).await?;
        let copy = Self { name };
        // One that an interrupted check has left behind.
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
    /// The server's.
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

/// A short number that tells names apart.
fn hash(text: &str) -> u32 {
    text.bytes().fold(2_166_136_261, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}
