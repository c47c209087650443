//! Recovers a base backup in the place of an empty server.
//!
//! The server reads WAL from its data folder only (`standby.signal` without a command and a source), and is asked to end the recovery
//! from the first moment on: it obeys where no further WAL is there, or where it reaches its target. Nobody can connect before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::machine::{DataSource, Machine};
use super::snapshot::{Beginning, Origin};
use super::{ThrowawayServer, begin};
use crate::cleanup::Run;
use crate::outcome::CouldNotRun;
use crate::process::Lines;

/// How often the server is asked to end its recovery.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// How long the log may be behind the server.
const LOGGED_WITHIN: Duration = Duration::from_secs(2);

/// How a recovery went, by the log of the server.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// Time to write the data folder.
    pub copied_in: Duration,
    /// When the server wrote its first line.
    pub started: Option<Timestamp>,
    /// When the replay began.
    pub began: Option<Timestamp>,
    /// When the backup was consistent.
    pub consistent: Option<Timestamp>,
    /// When the replay ended.
    pub done: Option<Timestamp>,
    /// When the server took connections.
    pub ready: Option<Timestamp>,
    /// When the first session was open and had an answer.
    pub answered: Option<Timestamp>,
}

impl Replay {
    /// Time of each part of the recovery, by name.
    #[must_use]
    pub fn phases(&self) -> Vec<(&'static str, Duration)> {
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let span = to?.duration_since(from?);
            Some(Duration::try_from(span).unwrap_or_default())
        };
        let all = [
            ("copy", Some(self.copied_in)),
            ("start", between(self.started, self.began)),
            ("until consistent", between(self.began, self.consistent)),
            ("replay", between(self.consistent, self.done)),
            ("promotion", between(self.done, self.ready)),
            ("first query", between(self.ready, self.answered)),
        ];
        let known = all
            .into_iter()
            .filter_map(|(name, took)| Some((name, took?)));
        known.collect()
    }

    /// Time of the replay alone.
    #[must_use]
    pub fn replayed_in(&self) -> Option<Duration> {
        Duration::try_from(self.done?.duration_since(self.began?)).ok()
    }

    fn read(&mut self, line: &str) {
        let Some(at) = time_of(line) else { return };
        self.started.get_or_insert(at);
        for (words, place) in [
            ("LOG:  redo starts at ", &mut self.began),
            (
                "LOG:  consistent recovery state reached at ",
                &mut self.consistent,
            ),
            ("LOG:  redo done at ", &mut self.done),
            (
                "LOG:  database system is ready to accept connections",
                &mut self.ready,
            ),
        ] {
            if line.contains(words) {
                place.get_or_insert(at);
            }
        }
    }
}

/// The time at the beginning of a line of the log, which is in UTC.
fn time_of(line: &str) -> Option<Timestamp> {
    let time: DateTime = line.get(..23)?.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Asks the server to end its recovery until `answer` is there.
pub(super) async fn promoting<T>(machine: &dyn Machine, answer: impl Future<Output = T>) -> T {
    let ask = async {
        loop {
            // Too early, it changes nothing.
            let _ = machine.promote().await;
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = ask => unreachable!("it asks for ever"),
    }
}

impl ThrowawayServer {
    /// Replaces the empty cluster by one that is recovered from a base backup, with the same provider, programs and address. All
    /// sessions end. `run` owns the server.
    ///
    /// # Errors
    /// The data folder cannot be written; the recovery fails, with the reason of the server; nobody can log in.
    pub async fn recover(
        &self,
        data: Arc<dyn DataSource>,
        run: &Run,
    ) -> Result<Replay, CouldNotRun> {
        let mut machine = self.machine.write().await;
        let empty = machine.take_data(run).await?;
        let server = empty.select(&self.started_with.server);
        let origin = Origin {
            data: Beginning::Base(&data),
            superuser: &self.endpoint.superuser,
            password: &self.endpoint.password,
            major: self.version / 10_000,
        };
        let wanted = &self.started_with.wanted;
        let path = &self.started_with.path;
        let begun = Box::pin(begin(&server, wanted, run, path, Some(origin))).await?;
        self.endpoint
            .known
            .set_identity(begun.started.endpoint.known.identity());
        let mut replay = Replay {
            copied_in: begun.copied.took,
            answered: Some(Timestamp::now()),
            ..Replay::default()
        };
        *machine = begun.machine;
        let waiting = Instant::now();
        while replay.ready.is_none() && waiting.elapsed() < LOGGED_WITHIN {
            let mut lines = Lines::of(machine.log().await);
            while let Some(line) = lines.next().await
                && replay.ready.is_none()
            {
                replay.read(&line);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(replay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_how_long_each_part_took() {
        let mut replay = Replay::default();
        for line in [
            "redrill-bin /usr/bin",
            "2026-11-25 00:37:28.700 UTC [1] LOG:  starting PostgreSQL",
            "2026-11-25 00:37:28.767 UTC [7] LOG:  redo starts at 0/2000028",
            "2026-11-25 00:37:28.768 UTC [7] LOG:  consistent recovery state reached at 0/2000100",
            "2026-11-25 00:37:28.844 UTC [7] LOG:  redo done at 0/50149A8 system usage: CPU",
            "2026-11-25 00:37:28.880 UTC [1] LOG:  database system is ready to accept connections",
        ] {
            replay.read(line);
        }
        let phases = replay.phases();
        let phases: Vec<(&str, u128)> = phases
            .iter()
            .map(|(name, took)| (*name, took.as_millis()))
            .collect();
        assert_eq!(
            phases,
            [
                ("copy", 0),
                ("start", 67),
                ("until consistent", 1),
                ("replay", 76),
                ("promotion", 36)
            ]
        );
        assert_eq!(replay.replayed_in(), Some(Duration::from_millis(77)));
    }
}
