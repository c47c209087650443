//! What the tool sends to the server: passed on statement by statement, so that its locks can be read while they are held.
//!
//! By the extended protocol a transaction stays open from Execute to Sync. So nothing that follows an Execute is passed
//! on before its reply, which a Flush asks for, and before the locks were read. Statements that commit before they end,
//! such as CREATE INDEX CONCURRENTLY, are watched while they run.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pgdump::encoding::Encoding;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;

use super::CutOff;
use super::brake::Brake;
use super::locks::{Gate, Relations};
use super::message::{Incoming, Message, Outgoing, message, text};
use super::observer::Shared;
use super::replies::{Event, Link, What};
use super::text::{Described, Kind, LockTimeout, describe};

/// Prepared statements and portals whose texts are kept.
const KEPT: usize = 10_000;
/// The direction from the tool to the server.
pub(super) struct Requests<W> {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Arc<Link>,
    /// Number of the connection.
    pub(super) number: usize,
    pub(super) relations: Arc<Relations>,
    pub(super) out: Outgoing<W>,
    pub(super) events: UnboundedReceiver<Event>,
    /// The process of the server.
    pub(super) pid: Option<i32>,
    /// How many messages were sent that make the server ready once, the startup among them.
    pub(super) sent: u64,
    /// How many times it was.
    pub(super) ready: u64,
    /// The status of the transaction when it was ready last.
    pub(super) status: u8,
    /// Whether the server skips messages until a Sync.
    pub(super) skips: bool,
    /// Whether the last Sync is not the last message of the extended protocol.
    pub(super) unsynced: bool,
    /// Whether the server waits for rows.
    pub(super) copies: bool,
    /// Whether a Sync came meanwhile, which it ignores.
    pub(super) synced_in_copy: bool,
    /// Whether everything just passes from here on.
    pub(super) blind: bool,
    /// Whether the tool's string is sent again without marks.
    pub(super) again: bool,
    pub(super) standard_strings: bool,
    pub(super) encoding: Option<Encoding>,
    pub(super) statements: HashMap<Vec<u8>, Arc<Described>>,
    pub(super) portals: HashMap<Vec<u8>, Arc<Described>>,
    /// The last prepared statement, until something is executed.
    pub(super) prepared: Option<Arc<Described>>,
    /// When the commit of an executed statement was sent.
    pub(super) commits: Option<Duration>,
    /// Statements on rows whose locks were read in this transaction.
    pub(super) known: HashSet<String>,
    /// Whether another one ran since the locks were read.
    pub(super) unread: bool,
    /// Whether the run is stopped after the statement that ended.
    pub(super) stops: bool,
    pub(super) gate: Option<Gate>,
    /// Keeps the statement in its middle within which the run is stopped.
    pub(super) brake: Option<Brake>,
    /// Whether the statement that is replied to next may take locks.
    pub(super) takes_locks: bool,
    pub(super) lock_timeout: LockTimeout,
}

impl<W: AsyncWrite + Unpin> Requests<W> {
    pub(super) fn new(
        shared: Arc<Shared>,
        link: Arc<Link>,
        (number, relations): (usize, Arc<Relations>),
        server: W,
        events: UnboundedReceiver<Event>,
    ) -> Self {
        Self {
            shared,
            link,
            number,
            relations,
            out: Outgoing::new(server),
            events,
            pid: None,
            sent: 1,
            ready: 0,
            status: b'I',
            skips: false,
            unsynced: false,
            copies: false,
            synced_in_copy: false,
            blind: false,
            again: false,
            standard_strings: true,
            encoding: None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            prepared: None,
            commits: None,
            known: HashSet::new(),
            unread: false,
            stops: false,
            gate: None,
            brake: None,
            takes_locks: true,
            lock_timeout: LockTimeout::default(),
        }
    }

    /// Passes on what the tool sends until one side ends the connection.
    pub(super) async fn run<R: AsyncRead + Unpin>(mut self, mut client: Incoming<R>) {
        // Either side may break off at any time.
        let _ = self.pass_all(&mut client).await;
        self.out.shutdown().await;
        if let Some(gate) = self.gate.take() {
            gate.close().await;
        }
        // What the server still does, it does to its end.
        while let Some(event) = self.events.recv().await {
            if self.apply(&event).await.is_err() {
                break;
            }
        }
    }

    async fn pass_all<R: AsyncRead + Unpin>(&mut self, client: &mut Incoming<R>) -> io::Result<()> {
        loop {
            // Events come before the message that the tool sends because of them.
            while let Ok(event) = self.events.try_recv() {
                self.apply(&event).await?;
            }
            if let Some(message) = client.ready()? {
                self.message(message).await?;
                continue;
            }
            self.out.flush().await?;
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    let event = event.ok_or(io::ErrorKind::UnexpectedEof)?;
                    self.apply(&event).await?;
                }
                message = client.next() => match message? {
                    Some(message) => {
                        while let Ok(event) = self.events.try_recv() {
                            self.apply(&event).await?;
                        }
                        self.message(message).await?;
                    }
                    None => return self.out.flush().await,
                },
            }
        }
    }

    /// Passes on a message of the tool.
    async fn message(&mut self, message: Message) -> io::Result<()> {
        if self.blind {
            return self.out.push(&message.bytes).await;
        }
        let body = message.body();
        match message.tag {
            b'Q' | b'F' if self.copies || self.skips || self.unsynced => {
                let note = "a connection that mixes both protocols of queries in one transaction";
                self.shared.record.note(note);
                self.blind = true;
            }
            b'Q' => return self.query(message).await,
            b'F' => {
                self.settle().await?;
                self.sent += 1;
            }
            b'P' => {
                self.unsynced = true;
                if let Some((name, rest)) = text(body) {
                    let statement = text(rest).map_or(rest, |(statement, _)| statement);
                    let described = Arc::new(describe(statement, self.standard_strings));
                    keep(&mut self.statements, name, &described);
                    self.prepared = Some(described);
                }
            }
            b'B' => {
                self.unsynced = true;
                if let Some((portal, rest)) = text(body)
                    && let Some((name, _)) = text(rest)
                {
                    match self.statements.get(name) {
                        Some(statement) => {
                            let statement = Arc::clone(statement);
                            keep(&mut self.portals, portal, &statement);
                        }
                        None => drop(self.portals.remove(portal)),
                    }
                }
            }
            b'E' => return self.execute(message).await,
            b'S' if self.copies => {
                self.synced_in_copy = true;
                return Ok(());
            }
            b'S' => return self.sync(&message).await,
            b'C' => {
                self.unsynced = true;
                match body.split_first() {
                    Some((b'S', name)) => drop(text(name).map(|(n, _)| self.statements.remove(n))),
                    Some((_, name)) => drop(text(name).map(|(n, _)| self.portals.remove(n))),
                    None => {}
                }
            }
            b'D' => self.unsynced = true,
            b'c' | b'f' => {
                self.copies = false;
                self.synced_in_copy = false;
            }
            _ => {}
        }
        self.out.push(&message.bytes).await
    }

    async fn sync(&mut self, message: &Message) -> io::Result<()> {
        if self.unread && self.status == b'I' && !self.skips {
            self.read().await;
        }
        self.unsynced = false;
        self.skips = false;
        self.prepared = None;
        if self.commits.is_some() {
            self.commits = Some(self.shared.record.now());
        }
        self.sent += 1;
        self.out.push(&message.bytes).await
    }

    async fn execute(&mut self, execute: Message) -> io::Result<()> {
        self.unsynced = true;
        if self.skips || self.copies {
            return self.out.push(&execute.bytes).await;
        }
        let portal = text(execute.body()).map_or(&[][..], |(portal, _)| portal);
        let statement = self.portals.get(portal).cloned();
        let statement = statement.unwrap_or_else(|| Arc::new(describe(b"", true)));
        self.prepared = None;
        self.begin(&statement).await;
        self.commits = Some(self.shared.record.now());
        self.out.push(&execute.bytes).await?;
        self.out.push(&message(b'H', &[])).await?;
        let reply = self.reply(self.sent, statement.kind).await?;
        if matches!(reply, What::Complete(_) | What::CopyIn) {
            self.ended(&statement).await;
        }
        Ok(())
    }

    /// Records that a statement is sent now, unless the run is stopped before it.
    pub(super) async fn begin(&mut self, statement: &Described) {
        let now = self.shared.record.now();
        self.begin_at(statement, now).await;
    }

    /// The same for one that the server may have begun already, at this time.
    pub(super) async fn begin_at(&mut self, statement: &Described, at: Duration) {
        if self.unread && statement.kind.ends() {
            self.read().await;
        }
        let shared = Arc::clone(&self.shared);
        if self.stops {
            shared.cut(CutOff::After).await;
        } else if shared.stop.is_before(shared.record.next_statement()) {
            shared.cut(CutOff::Before).await;
        }
        if shared.stop.muted.is_cancelled() {
            pending::<()>().await;
        }
        if let Some(meeting) = &shared.meeting {
            let other_waits = || async { shared.reader.others_wait(&shared.record.pids()).await };
            meeting.come_to(&statement.text, other_waits).await;
        }
        if let Some(tables) = shared.stop.is_during(shared.record.next_statement()) {
            let database = &self.relations.database;
            match Brake::open(&shared.endpoint, database, tables).await {
                Ok(brake) => self.brake = Some(brake),
                Err(error) => shared
                    .record
                    .note(&format!("a statement that is cut off: {error}")),
            }
        }
        if statement.kind == Kind::Prepare {
            let note = "locks of a prepared transaction after PREPARE TRANSACTION";
            shared.record.note(note);
        }
        // Another session in the database would be in their way.
        let mut words = statement.text.split(' ');
        if words
            .nth(1)
            .is_some_and(|word| word.eq_ignore_ascii_case("database"))
            && let Some(gate) = self.gate.take()
        {
            gate.close().await;
        }
        let in_transaction = self.status == b'T';
        self.lock_timeout.follow(statement.lock_timeout);
        let limited = self.lock_timeout.is_set();
        shared
            .record
            .begin(self.number, statement, at, in_transaction, limited);
    }

    /// Reads the locks after a statement that has ended, unless its transaction took them before.
    pub(super) async fn ended(&mut self, statement: &Described) {
        if !statement.kind.takes_locks() {
            return;
        }
        if statement.kind == Kind::Rows && !self.known.insert(statement.text.clone()) {
            self.unread = true;
            return;
        }
        self.read().await;
    }

    /// Reads the locks of this connection.
    pub(super) async fn read(&mut self) {
        let Some(pid) = self.pid else {
            return;
        };
        self.unread = false;
        let record = &self.shared.record;
        match self.shared.reader.locks(&[pid]).await {
            Ok(locks) => record.hold(self.number, &locks, record.now()),
            Err(error) => record.note(&format!("locks of some statements: {error}")),
        }
    }
}

/// Keeps what a name stands for.
fn keep(all: &mut HashMap<Vec<u8>, Arc<Described>>, name: &[u8], statement: &Arc<Described>) {
    if all.len() >= KEPT {
        all.clear();
    }
    all.insert(name.to_owned(), Arc::clone(statement));
}
