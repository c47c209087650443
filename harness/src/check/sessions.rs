//! A few sessions for all checks: opening one costs more than most queries.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use crate::database::{DatabaseError, Endpoint, Session, Terms};

/// Idle read-only superuser sessions, by database.
#[derive(Debug, Default)]
pub struct Sessions {
    idle: Mutex<HashMap<String, Vec<Session>>>,
}

impl Sessions {
    /// Lends a session, opening one only when none is idle.
    ///
    /// # Errors
    /// When the database does not let it in.
    pub async fn lend<'a>(
        &'a self,
        endpoint: &Endpoint,
        database: &'a str,
        terms: &Terms,
    ) -> Result<Lent<'a>, DatabaseError> {
        let lent = |session| Lent {
            session,
            home: self,
            database,
        };
        // The server may have restarted since: a session that does not answer is forgotten.
        while let Some(mut session) = self.idle(|idle| idle.get_mut(database)?.pop()) {
            if session.limit(terms).await.is_ok() {
                return Ok(lent(session));
            }
        }
        Session::superuser(endpoint, database, terms)
            .await
            .map(lent)
    }

    /// Ends the idle sessions.
    pub async fn end(&self) {
        let idle = self.idle(std::mem::take);
        for session in idle.into_values().flatten() {
            session.close().await;
        }
    }

    fn idle<T>(&self, what: impl FnOnce(&mut HashMap<String, Vec<Session>>) -> T) -> T {
        // A panic elsewhere leaves whole sessions in it, or none.
        what(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A session that goes back when its check is done with it. Dropped without [`Lent::close`], as when
/// a check ends in an error, it is closed, because its state is unknown.
pub struct Lent<'a> {
    session: Session,
    home: &'a Sessions,
    database: &'a str,
}

impl Lent<'_> {
    /// Gives it back as it was when it was opened.
    pub async fn close(mut self) {
        if self.session.reset().await.is_ok() {
            let database = self.database.to_owned();
            self.home
                .idle(|idle| idle.entry(database).or_default().push(self.session));
        }
    }
}

impl Deref for Lent<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
