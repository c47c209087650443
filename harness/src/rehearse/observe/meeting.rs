//! Two runs that come to the same statement before either goes on: left to chance, one would mostly be done before the other
//! begins.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long a run waits for the other one.
const LIMIT: Duration = Duration::from_secs(5);
/// The pause between two looks at what the other one waits for.
const PAUSE: Duration = Duration::from_millis(100);

/// How two runs met at their statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Met {
    /// Neither came there.
    #[default]
    Never,
    /// Both were there before either went on.
    Both,
    /// One was there, and the other waited for a lock.
    OtherWaits,
    /// One was there, and the other had ended.
    OtherEnded,
    /// One was there for some seconds, and the other did not come.
    Late,
}

/// One of two runs that wait for each other.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// The text of the statement, as [`super::Statement::text`] has it.
    at: Arc<str>,
    side: usize,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: [Progress; 2],
    met: Met,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    #[default]
    UnderWay,
    Waits,
    GoesOn,
    Ended,
}

impl Meeting {
    /// Both sides of a meeting at the first statement of this text.
    #[must_use]
    pub fn both(at: &str) -> [Self; 2] {
        let at: Arc<str> = at.into();
        let state = watch::Sender::default();
        [0, 1].map(|side| Self {
            at: Arc::clone(&at),
            side,
            state: state.clone(),
        })
    }

    /// How they met.
    #[must_use]
    pub fn met(&self) -> Met {
        self.state.borrow().met
    }

    /// The run comes to a statement; `other_waits` says whether a process of the other run waits for a lock.
    pub(super) async fn come_to<F: Future<Output = bool>>(
        &self,
        statement: &str,
        other_waits: impl Fn() -> F,
    ) {
        if *statement != *self.at || self.own() != Progress::UnderWay {
            return;
        }
        let mut changes = self.state.subscribe();
        self.state.send_modify(|state| {
            state.runs[self.side] = Progress::Waits;
            if state.runs[1 - self.side] == Progress::Waits {
                state.met = Met::Both;
            }
        });
        let began = Instant::now();
        let met = loop {
            let (met, other) = {
                let state = changes.borrow_and_update();
                (state.met, state.runs[1 - self.side])
            };
            match other {
                _ if met == Met::Both => break met,
                // It was here first, and went on.
                Progress::GoesOn => break met,
                Progress::Ended => break Met::OtherEnded,
                Progress::UnderWay | Progress::Waits => {}
            }
            if tokio::time::timeout(PAUSE, changes.changed()).await.is_ok() {
                continue;
            }
            if other_waits().await {
                break Met::OtherWaits;
            }
            if began.elapsed() > LIMIT {
                break Met::Late;
            }
        };
        self.state.send_modify(|state| {
            state.runs[self.side] = Progress::GoesOn;
            state.met = met;
        });
    }

    /// The run has ended.
    pub(super) fn end(&self) {
        self.state
            .send_modify(|state| state.runs[self.side] = Progress::Ended);
    }

    fn own(&self) -> Progress {
        self.state.borrow().runs[self.side]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "CREATE TABLE a ()";

    #[tokio::test]
    async fn two_runs_wait_for_each_other() {
        let [one, other] = Meeting::both(AT);
        let never = || std::future::ready(false);
        // Other statements do not count.
        one.come_to("SELECT …", never).await;
        assert_eq!(one.met(), Met::Never);
        tokio::join!(one.come_to(AT, never), other.come_to(AT, never));
        assert_eq!((one.met(), other.met()), (Met::Both, Met::Both));
        // They meet once.
        one.come_to(AT, never).await;
        assert_eq!(one.met(), Met::Both);
    }

    #[tokio::test]
    async fn a_run_does_not_wait_for_one_that_waits_for_its_lock() {
        let [one, other] = Meeting::both(AT);
        one.come_to(AT, || std::future::ready(true)).await;
        assert_eq!(one.met(), Met::OtherWaits);
        other.come_to(AT, || std::future::ready(false)).await;
        assert_eq!(other.met(), Met::OtherWaits);
    }

    #[tokio::test]
    async fn a_run_does_not_wait_for_one_that_has_ended() {
        let [one, other] = Meeting::both(AT);
        other.end();
        one.come_to(AT, || std::future::ready(false)).await;
        assert_eq!(one.met(), Met::OtherEnded);
    }

    #[tokio::test]
    async fn a_run_does_not_wait_forever() {
        let [one, _other] = Meeting::both(AT);
        let looks = std::cell::Cell::new(0);
        let other_waits = || {
            looks.set(looks.get() + 1);
            std::future::ready(looks.get() == 3)
        };
        one.come_to(AT, other_waits).await;
        assert_eq!(looks.get(), 3);
    }
}
