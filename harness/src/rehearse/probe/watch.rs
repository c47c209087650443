//! One session that tries probes in turn, and what each of them waited.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Probe, Waited, attempt, open};
use crate::database::{DatabaseError, Endpoint, Session};

/// The pause of a session between two attempts.
const PAUSE: Duration = Duration::from_millis(15);

/// What is known of one probe so far.
struct Watched {
    probe: Probe,
    waited: Waited,
    /// When the first attempt began that was given up.
    since: Option<Instant>,
}

/// Tries the probes of one session in turn until they are stopped.
pub(super) async fn watch_all(
    endpoint: &Endpoint,
    database: &str,
    probes: Vec<Probe>,
    stopped: watch::Receiver<bool>,
) -> Vec<Waited> {
    let mut all: Vec<Watched> = probes.into_iter().map(Watched::new).collect();
    let mut session: Option<(String, Session)> = None;
    while !*stopped.borrow() && all.iter().any(|one| one.waited.stopped.is_none()) {
        for one in &mut all {
            if *stopped.borrow() {
                break;
            }
            if one.waited.stopped.is_some() {
                continue;
            }
            let own = match session.take() {
                Some((role, own)) if role == one.probe.role => Ok(own),
                _ => open(endpoint, database, &one.probe.role).await,
            };
            let began = Instant::now();
            match own {
                Ok(mut own) => {
                    let tried = attempt(&mut own, &one.probe).await;
                    let lost = tried.as_ref().is_err_and(|error| error.lost);
                    one.ended(began, tried.err());
                    if !lost {
                        session = Some((one.probe.role.clone(), own));
                    }
                }
                Err(error) => one.ended(began, Some(error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    all.into_iter().map(Watched::finish).collect()
}

impl Watched {
    fn new(probe: Probe) -> Self {
        let waited = Waited {
            object: probe.object.clone(),
            kind: probe.kind,
            role: probe.role.clone(),
            longest: Duration::ZERO,
            attempts: 0,
            stopped: None,
        };
        Self {
            probe,
            waited,
            since: None,
        }
    }

    /// An attempt that began then has ended.
    fn ended(&mut self, began: Instant, error: Option<DatabaseError>) {
        self.waited.attempts += 1;
        let Some(error) = error else {
            let since = self.since.take().unwrap_or(began);
            self.waited.longest = self.waited.longest.max(since.elapsed());
            return;
        };
        match error.sqlstate.as_deref() {
            // The lock was not available; or the statement, which waits for nothing else, was cut off.
            Some("55P03" | "57014") => {
                self.since.get_or_insert(began);
            }
            // A deadlock: this session was the one to end, and its application would have seen an error.
            Some("40P01") => {}
            _ => self.waited.stopped = Some(error),
        }
    }

    fn finish(mut self) -> Waited {
        if let Some(since) = self.since {
            self.waited.longest = self.waited.longest.max(since.elapsed());
        }
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::probe::ProbeKind;
    use rstest::rstest;

    fn watched() -> Watched {
        Watched::new(Probe {
            object: "app.t".to_owned(),
            kind: ProbeKind::Read,
            role: "app".to_owned(),
            statement: String::new(),
            otherwise: None,
        })
    }

    fn error(sqlstate: &str) -> Option<DatabaseError> {
        Some(DatabaseError {
            sqlstate: Some(sqlstate.to_owned()),
            ..DatabaseError::new("x")
        })
    }

    #[test]
    fn attempts_that_were_given_up_are_one_wait() {
        let ago = |ms| {
            Instant::now()
                .checked_sub(Duration::from_millis(ms))
                .unwrap()
        };
        let mut one = watched();
        one.ended(ago(900), error("55P03"));
        one.ended(ago(600), error("55P03"));
        one.ended(ago(300), None);
        assert!(one.waited.longest >= Duration::from_millis(900));
        one.ended(ago(1), None);
        assert!(one.since.is_none());
        let waited = one.finish();
        assert_eq!(waited.attempts, 4);
        assert!(waited.stopped.is_none());
        assert_eq!(waited.not_tested(), None);
    }

    #[test]
    fn a_wait_that_did_not_end_counts_and_an_error_stops() {
        let mut one = watched();
        let began = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        one.ended(began, error("55P03"));
        assert!(one.finish().longest >= Duration::from_secs(3));
    }

    #[rstest]
    #[case::tried(&[None], None)]
    #[case::kept_waiting(&["55P03"].map(Some), None)]
    #[case::refused(&[None, Some("42501")], None)]
    #[case::gone(&[None, Some("42P01")], Some("ended with"))]
    fn what_a_probe_leaves_open_is_named(
        #[case] attempts: &[Option<&str>],
        #[case] expected: Option<&str>,
    ) {
        let mut one = watched();
        for sqlstate in attempts {
            one.ended(Instant::now(), sqlstate.and_then(error));
        }
        let waited = one.finish();
        assert_eq!(waited.is_refused(), attempts.contains(&Some("42501")));
        let found = waited.not_tested();
        assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
        if let (Some(found), Some(expected)) = (found, expected) {
            assert_eq!(found.what, "how long readers of app.t wait");
            assert!(found.why.contains(expected), "{found:?}");
        }
    }
}
