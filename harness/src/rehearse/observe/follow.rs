//! Follows what the server says: which statement has ended, whether it failed, whether a transaction is open.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pgdump::encoding::Encoding;
use tokio::io::AsyncWrite;

use super::CutOff;
use super::message::message;
use super::replies::{Event, What};
use super::requests::Requests;
use super::text::Kind;

/// The longest pause between two looks at the locks of a statement that may commit before it ends.
const PAUSE: Duration = Duration::from_millis(50);
/// By how much it grows with every eight looks; the first follow each other at once.
const FIRST: Duration = Duration::from_millis(2);

impl<W: AsyncWrite + Unpin> Requests<W> {
    /// Waits until all that was sent has been replied to.
    pub(super) async fn settle(&mut self) -> io::Result<()> {
        while self.ready < self.sent {
            self.next().await?;
        }
        Ok(())
    }

    /// The next event, applied.
    pub(super) async fn next(&mut self) -> io::Result<Event> {
        self.out.flush().await?;
        let event = self.events.recv().await;
        let event = event.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.apply(&event).await?;
        Ok(event)
    }

    /// Waits for the reply to a statement that was sent in an epoch.
    pub(super) async fn reply(&mut self, epoch: u64, kind: Kind) -> io::Result<What> {
        self.out.flush().await?;
        let mut looks: u32 = 0;
        loop {
            let event = if kind == Kind::Commits {
                tokio::select! {
                    biased;
                    event = self.events.recv() => event,
                    () = tokio::time::sleep(PAUSE.min(FIRST * (looks / 8))) => {
                        self.read().await;
                        self.cut_if_it_waits().await;
                        looks += 1;
                        continue;
                    }
                }
            } else {
                self.events.recv().await
            };
            let event = event.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.apply(&event).await?;
            let ends = !matches!(
                event.what,
                What::Setting { .. } | What::Process(_) | What::Mark
            );
            if event.epoch == epoch && ends {
                return Ok(event.what);
            }
        }
    }

    /// Cuts the run off where its statement waits for the brake.
    async fn cut_if_it_waits(&mut self) {
        let Some(pid) = self.pid.filter(|_| self.brake.is_some()) else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        if shared.reader.waits(pid).await {
            shared.cut(CutOff::Within).await;
            pending::<()>().await;
        }
    }

    /// Follows what the server said.
    pub(super) async fn apply(&mut self, event: &Event) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let record = &shared.record;
        match &event.what {
            What::Mark => {}
            What::Process(pid) => {
                self.pid = Some(*pid);
                record.set_pid(self.number, *pid);
            }
            What::Setting { name, value } => match name.as_str() {
                "standard_conforming_strings" => self.standard_strings = value != "off",
                "client_encoding" => self.encoding = Encoding::named(value),
                _ => {}
            },
            What::CopyIn => self.copies = true,
            What::Complete(rows) => {
                let ended = record.end(self.number, event.at, self.takes_locks, Ok(*rows));
                self.stops |= ended.is_some_and(|number| shared.stop.is_after(number));
            }
            What::Error { again: true, .. } => self.again = true,
            What::Error { sqlstate, .. } => self.failed(event, sqlstate).await?,
            What::Ready(status) => {
                self.ready += 1;
                self.status = *status;
                if self.again {
                    self.link.handled(self.ready);
                    return Ok(());
                }
                while record.end(self.number, event.at, true, Ok(0)).is_some() {}
                if *status == b'I' {
                    self.lock_timeout.transaction = None;
                }
                if let Some(began) = self.commits.take().filter(|_| *status == b'I') {
                    record.committed(self.number, event.at.saturating_sub(began), None);
                }
                if self.stops {
                    shared.cut(CutOff::After).await;
                    pending::<()>().await;
                }
                self.link.handled(self.ready);
                match status {
                    b'I' => self.released(event.at),
                    // The locks of what is before a savepoint are still held.
                    b'E' => self.read().await,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn failed(&mut self, event: &Event, sqlstate: &str) -> io::Result<()> {
        let record = &self.shared.record;
        let ended = record.end(self.number, event.at, true, Err(sqlstate.to_owned()));
        self.stops |= ended.is_some_and(|number| self.shared.stop.is_after(number));
        if ended.is_none() {
            match self.prepared.take() {
                Some(prepared) if event.epoch == self.sent => {
                    let in_transaction = self.status == b'T';
                    let limited = self.lock_timeout.is_set();
                    record.begin(self.number, &prepared, event.at, in_transaction, limited);
                    record.end(self.number, event.at, true, Err(sqlstate.to_owned()));
                }
                _ if self.commits.is_some() => {
                    record.committed(self.number, Duration::ZERO, Some(sqlstate.to_owned()));
                }
                _ => {}
            }
        }
        self.skips = self.unsynced && event.epoch == self.sent;
        if std::mem::take(&mut self.copies) && std::mem::take(&mut self.synced_in_copy) {
            self.unsynced = false;
            self.skips = false;
            self.sent += 1;
            self.out.push(&message(b'S', &[])).await?;
        }
        Ok(())
    }

    /// All locks are released.
    pub(super) fn released(&mut self, at: Duration) {
        self.shared.record.release(self.number, at);
        self.known.clear();
        self.unread = false;
    }
}
