//! The server's log of a run: whole, and at the level at which the server names what it does.
//!
//! redrill writes a mark into it before and after the run, at the level that [`super::work`] reads. What a role or a database sets
//! for itself would hide more than that, so copies begin without such settings, and none may be there afterwards.

use std::time::{Duration, Instant};

use super::work::{self, Work};
use crate::database::{Session, Terms};
use crate::outcome::CouldNotRun;
use crate::redact::Secret;
use crate::server::ThrowawayServer;
use crate::sql::quote_ident;

/// How long the end of the log may take to be readable.
const WITHIN: Duration = Duration::from_secs(10);
/// So many entries are not kept.
const MOST: usize = 100_000;
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Statements that remove each setting of a role or a database that changes what is logged.
const RESETS: &str = "
SELECT pg_catalog.concat(
         CASE WHEN s.setrole = 0 AND s.setdatabase <> 0 THEN pg_catalog.format('ALTER DATABASE %I', d.datname)
              WHEN s.setdatabase = 0 THEN pg_catalog.concat('ALTER ROLE ', COALESCE(pg_catalog.quote_ident(r.rolname), 'ALL'))
              ELSE pg_catalog.format('ALTER ROLE %I IN DATABASE %I', r.rolname, d.datname) END,
         ' RESET log_min_messages')
  FROM pg_catalog.pg_db_role_setting s
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
 WHERE EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) c WHERE c LIKE 'log\\_min\\_messages=%')";

/// The log of a run that has begun.
pub(super) struct ServerLog<'s> {
    server: &'s ThrowawayServer,
    /// The mark before the run.
    begins: String,
}

/// Removes what roles and databases set for the log of their sessions.
///
/// # Errors
/// When the server refuses a session or a statement.
pub(super) async fn reset(server: &ThrowawayServer) -> Result<(), CouldNotRun> {
    let mut session = open(server).await?;
    for statement in resets(&mut session).await? {
        session
            .run(&format!("BEGIN READ WRITE; {statement}; COMMIT"))
            .await?;
    }
    session.close().await;
    Ok(())
}

impl<'s> ServerLog<'s> {
    /// Writes the mark before the run.
    ///
    /// # Errors
    /// When the server refuses it.
    pub(super) async fn begin(server: &'s ThrowawayServer) -> Result<Self, CouldNotRun> {
        let mut session = open(server).await?;
        let begins = mark(&mut session).await?;
        session.close().await;
        Ok(Self { server, begins })
    }

    /// The work on whole tables that the server has named since then.
    ///
    /// # Errors
    /// When some of it may be missing.
    pub(super) async fn end(self) -> Result<Vec<Work>, CouldNotRun> {
        let mut session = open(self.server).await?;
        let ends = mark(&mut session).await?;
        let set = resets(&mut session).await?;
        session.close().await;
        if let Some(statement) = set.first() {
            let of = statement.trim_end_matches(" RESET log_min_messages");
            return Err(hidden(format!(
                "the migrations `{of} SET log_min_messages`"
            )));
        }
        let began = Instant::now();
        loop {
            let mut between = Between::default();
            let (begins, ends) = (&self.begins, &ends);
            let take = |line: &str| between.take(line, begins, ends);
            self.server.read_log(take).await;
            if between.ends || began.elapsed() > WITHIN {
                return between.work();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a log has between two marks. A log may be larger than memory, since code of the database can write to it.
#[derive(Default)]
struct Between {
    begins: bool,
    ends: bool,
    work: Vec<Work>,
}

impl Between {
    fn take(&mut self, line: &str, begins: &str, ends: &str) {
        self.ends |= self.begins && line.contains(ends);
        if self.begins && !self.ends && self.work.len() < MOST {
            self.work.extend(work::parse(line));
        }
        self.begins |= line.contains(begins);
    }

    fn work(self) -> Result<Vec<Work>, CouldNotRun> {
        let why = match (self.begins, self.ends) {
            (false, _) => "the mark that redrill wrote before the run is not in it".to_owned(),
            (true, false) => "the mark that redrill wrote after the run is not in it".to_owned(),
            (true, true) if self.work.len() == MOST => {
                format!("it names work on whole tables more than {MOST} times")
            }
            (true, true) => return Ok(self.work),
        };
        Err(hidden(why))
    }
}

/// Why a log does not say everything.
pub(super) fn hidden(why: String) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("the server's log does not say all that it did: {why}"),
        "a release that changes how the server logs cannot be judged by its log: take `log_min_messages` out of it, or rehearse that change alone",
    )
}

async fn open(server: &ThrowawayServer) -> Result<Session, CouldNotRun> {
    let endpoint = server.endpoint();
    // A recovered cluster may have no `postgres`.
    Ok(Session::superuser(endpoint, "template1", &Terms::default()).await?)
}

async fn resets(session: &mut Session) -> Result<Vec<String>, CouldNotRun> {
    let rows = session.rows(RESETS).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .collect())
}

/// Writes a mark into the log, by a message of the server's own at the level `debug1`; gives its text. It runs no code of a
/// database and leaves nothing.
async fn mark(session: &mut Session) -> Result<String, CouldNotRun> {
    let nonce = Secret::random()?.expose().to_owned();
    let channel = quote_ident(&nonce);
    let statement = format!("BEGIN; SET LOCAL trace_notify = on; NOTIFY {channel}; ROLLBACK");
    session.run(&statement).await?;
    Ok(format!("DEBUG:  Async_Notify({nonce})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WORK: &str = "redrill 7 3/41 5.250 DEBUG:  rewriting table \"t\"";
    const FIRST: &str = "a first mark";
    const LAST: &str = "a last mark";

    #[rstest]
    #[case::whole(&["x", FIRST, WORK, LAST, WORK], Ok(1))]
    #[case::begins_too_late(&[WORK, LAST], Err("before the run"))]
    #[case::ends_too_early(&[FIRST, WORK], Err("after the run"))]
    #[case::in_the_wrong_order(&[LAST, FIRST], Err("after the run"))]
    #[case::unreadable(&[], Err("before the run"))]
    fn a_log_counts_between_its_marks(#[case] log: &[&str], #[case] expected: Result<usize, &str>) {
        let mut between = Between::default();
        for line in log {
            between.take(line, FIRST, LAST);
        }
        match (between.work(), expected) {
            (Ok(work), Ok(entries)) => assert_eq!(work.len(), entries),
            (Err(error), Err(says)) => assert!(error.reason.contains(says), "{}", error.reason),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_log_with_too_much_work_is_not_judged() {
        let mut between = Between::default();
        between.take(FIRST, FIRST, LAST);
        for _ in 0..=MOST {
            between.take(WORK, FIRST, LAST);
        }
        between.take(LAST, FIRST, LAST);
        let error = between.work().unwrap_err();
        assert!(error.reason.contains("100000 times"), "{}", error.reason);
    }
}
