//! Queries by the simple protocol, which commits a statement before it replies.
//!
//! - in a transaction block, the string is sent as it is: its locks are still held when the server is ready
//! - one statement outside of a block is sent by the extended protocol, where its transaction is open until Sync
//! - several statements get marks (`split`)

use std::future::pending;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use pgdump::encoding::Encoding;
use tokio::io::AsyncWrite;

use super::CutOff;
use super::locks::Gate;
use super::message::{Message, executed, message, text};
use super::replies::{Plan, What};
use super::requests::Requests;
use super::split::{Marked, mark, marks, statements};
use super::text::{Described, Kind, describe, has_parameters};

impl<W: AsyncWrite + Unpin> Requests<W> {
    /// Passes on a string of statements.
    pub(super) async fn query(&mut self, query: Message) -> io::Result<()> {
        self.settle().await?;
        let string = text(query.body()).map_or(query.body(), |(string, _)| string);
        let whole = describe(string, self.standard_strings);
        if query.rest > 0 {
            let note = "statements within a string of more than 8 MiB";
            self.shared.record.note(note);
            return self.plain(&query, &whole).await;
        }
        let encoding = match self.encoding {
            Some(encoding) => Some(encoding),
            None => string.is_ascii().then(Encoding::default),
        };
        let found =
            encoding.and_then(|encoding| statements(string, self.standard_strings, encoding));
        let Some(found) = found else {
            let note = "statements within a string whose ends are not certain";
            self.shared.record.note(note);
            return self.plain(&query, &whole).await;
        };
        match found.as_slice() {
            [_] if self.status == b'I' && is_translated(&whole, string) => {
                self.single(string, &whole).await
            }
            [] | [_] => self.plain(&query, &whole).await,
            _ if self.status == b'E' => self.plain(&query, &whole).await,
            _ => self.several(&query, string, &found).await,
        }
    }

    /// Sends a string as it is.
    async fn plain(&mut self, query: &Message, statement: &Described) -> io::Result<()> {
        self.begin(statement).await;
        self.out.push(&query.bytes).await?;
        let epoch = self.sent;
        self.sent += 1;
        if query.rest > 0 {
            return Ok(());
        }
        loop {
            match self.reply(epoch, statement.kind).await? {
                What::CopyIn => {
                    // The rows that the tool sends next have to pass.
                    self.read().await;
                    return Ok(());
                }
                What::Ready(_) => break,
                _ => {}
            }
        }
        if self.status == b'T' {
            self.ended(statement).await;
        }
        Ok(())
    }

    /// Sends one statement so that its transaction is open when it has ended.
    async fn single(&mut self, string: &[u8], statement: &Described) -> io::Result<()> {
        self.begin(statement).await;
        let epoch = self.sent;
        self.link.plan(Plan::Single { epoch });
        for message in executed(string) {
            self.out.push(&message).await?;
        }
        if matches!(self.reply(epoch, statement.kind).await?, What::Complete(_)) {
            self.ended(statement).await;
        }
        self.commits = Some(self.shared.record.now());
        self.sent += 1;
        self.out.push(&message(b'S', &[])).await?;
        self.settle().await
    }

    /// Sends several statements, with marks where that is possible.
    async fn several(
        &mut self,
        query: &Message,
        string: &[u8],
        found: &[Range<usize>],
    ) -> io::Result<()> {
        let described: Vec<Described> = found
            .iter()
            .map(|range| describe(&string[range.clone()], self.standard_strings))
            .collect();
        let marked = match self.marked(string, found, &described).await {
            Ok(Some(marked)) => marked,
            Ok(None) => return self.sequence(&query.bytes, &described, &[]).await,
            Err(note) => {
                self.shared.record.note(&note);
                return self.sequence(&query.bytes, &described, &[]).await;
            }
        };
        let epoch = self.sent;
        self.link.plan(Plan::Marked {
            epoch,
            added: marked.added,
        });
        let with_marks = message(b'Q', &[&marked.text, &b"\0"[..]].concat());
        self.sequence(&with_marks, &described, &marked.marks)
            .await?;
        if std::mem::take(&mut self.again) {
            // Nothing of it was executed: the server reads all of a string before it executes any of it.
            self.link.plan(Plan::Plain);
            self.out.push(&query.bytes).await?;
            self.sent += 1;
            self.settle().await?;
        }
        Ok(())
    }

    /// The string with marks; `None` where none is needed, an error for what is not observed.
    async fn marked(
        &mut self,
        string: &[u8],
        found: &[Range<usize>],
        described: &[Described],
    ) -> Result<Option<Marked>, String> {
        let first = self.shared.record.next_statement();
        let stop = &self.shared.stop;
        let marks = marks(described, |at| {
            stop.is_after(first + at) || stop.is_before(first + at + 1)
        });
        if !marks.contains(&true) {
            return Ok(None);
        }
        let unobserved = |why: &str| format!("statements within a string of several: {why}");
        if !self.relations.marks {
            return Err(unobserved(
                "PL/pgSQL or advisory locks are not for every role",
            ));
        }
        if described
            .iter()
            .any(|statement| statement.kind == Kind::Copy)
        {
            return Err(unobserved("one of them is COPY"));
        }
        let is_utf8 = self
            .encoding
            .is_some_and(|encoding| encoding.name() == "UTF8");
        if !is_utf8 && !string.is_ascii() {
            return Err(unobserved("its encoding is not UTF8"));
        }
        if self.gate.is_none() {
            let gate = Gate::open(&self.shared.endpoint, &self.relations.database).await;
            self.gate = Some(gate.map_err(|error| unobserved(&error.to_string()))?);
        }
        let Some(gate) = &self.gate else {
            return Ok(None);
        };
        let mut count = 0;
        let nonce = &self.shared.nonce;
        // Each is used once, in the order of the string.
        let numbers: Vec<usize> = marks
            .iter()
            .map(|marked| {
                count += usize::from(*marked);
                count.saturating_sub(1)
            })
            .collect();
        let statement = |n: usize| {
            let key = gate.key(numbers[n]);
            format!(
                "DO $redrill$BEGIN RAISE INFO '{nonce}'; PERFORM pg_catalog.pg_advisory_lock({key}); \
                 PERFORM pg_catalog.pg_advisory_unlock({key}); END$redrill$"
            )
        };
        let marked = mark(string, found, marks, statement);
        marked
            .map(Some)
            .ok_or_else(|| unobserved("its encoding is not UTF8"))
    }

    /// Sends a string, and follows it statement by statement.
    async fn sequence(
        &mut self,
        query: &[u8],
        statements: &[Described],
        marks: &[bool],
    ) -> io::Result<()> {
        let is_marked = |at: usize| marks.get(at).is_some_and(|marked| *marked);
        let mut replied = 0;
        let now = self.shared.record.now();
        let mut begun = self.begin_to_mark(statements, 0, is_marked, now).await;
        self.out.push(query).await?;
        let epoch = self.sent;
        self.sent += 1;
        loop {
            self.takes_locks = statements
                .get(replied)
                .is_some_and(|s| s.kind.takes_locks());
            let event = self.next().await?;
            if event.epoch != epoch {
                continue;
            }
            match event.what {
                What::Complete(_) => {
                    match statements.get(replied).map(|statement| statement.kind) {
                        Some(kind) if kind.ends() => {
                            self.status = b'I';
                            self.released(event.at);
                        }
                        Some(Kind::Begin) => self.status = b'T',
                        _ => {}
                    }
                    replied += 1;
                    // An error that comes next is one of the commit.
                    self.commits = Some(event.at);
                }
                What::Mark => {
                    // The server may be far ahead when its next statements are recorded.
                    let passed = self.shared.record.now();
                    self.pass(replied == statements.len()).await;
                    begun = self
                        .begin_to_mark(statements, begun, is_marked, passed)
                        .await;
                }
                What::Ready(_) => break,
                What::CopyIn => {
                    self.read().await;
                    break;
                }
                _ => {}
            }
        }
        self.takes_locks = true;
        if self.status == b'T' && marks.is_empty() {
            self.read().await;
        }
        Ok(())
    }

    /// Begins the statements from `first` to the next mark: the server replies to them at once. Returns the one after them.
    async fn begin_to_mark(
        &mut self,
        statements: &[Described],
        first: usize,
        is_marked: impl Fn(usize) -> bool,
        at: Duration,
    ) -> usize {
        let rest = statements.len().saturating_sub(first);
        let marked = (first..statements.len()).position(is_marked);
        let count = marked.map_or(rest, |at| at + 1);
        let status = self.status;
        for statement in &statements[first..first + count] {
            self.begin_at(statement, at).await;
            match statement.kind {
                Kind::Begin => self.status = b'T',
                kind if kind.ends() => self.status = b'I',
                _ => {}
            }
        }
        self.status = status;
        first + count
    }

    /// Reads the locks at a mark, and lets the server go on; after the last statement of a string, also where the run is
    /// stopped after it, so that it commits.
    async fn pass(&mut self, is_last: bool) {
        let shared = Arc::clone(&self.shared);
        let place = if self.stops && !is_last {
            Some(CutOff::After)
        } else {
            let before = shared.stop.is_before(shared.record.next_statement());
            before.then_some(CutOff::Before)
        };
        if let Some(place) = place {
            shared.cut(place).await;
            pending::<()>().await;
        }
        let (Some(gate), Some(pid)) = (&mut self.gate, self.pid) else {
            return;
        };
        let record = &shared.record;
        match gate.pass(pid).await {
            Ok(locks) => record.hold(self.number, &locks, record.now()),
            Err(error) => {
                record.note(&format!("locks of some statements: {error}"));
                // With its session the lock is gone that the server waits for.
                self.gate = None;
            }
        }
    }
}

/// Whether a statement is sent by the extended protocol: not where that has other results.
fn is_translated(statement: &Described, string: &[u8]) -> bool {
    let same = matches!(statement.kind, Kind::Rows | Kind::Commits | Kind::Other);
    same && !has_parameters(string)
}
