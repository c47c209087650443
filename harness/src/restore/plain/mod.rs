//! Restores plain SQL: every statement as psql would send it, every row to the COPY that waits for it.
//!
//! psql is not used: it reads rows as SQL and as commands of its own where a COPY failed, and it must be
//! believed how far it came. Here the server says whether it waits for rows; rows that nobody waits for are
//! passed over. The file is decompressed and split while it is sent, so memory use does not grow with it.
//!
//! One session sends the statements in their order. Where `order` and `fresh` know that the result is the same, others work
//! beside it: they load rows, and build indexes and constraints. What fails there is tried once more, alone and in its
//! place, so that errors are those of a restore in order.
//!
//! - `order`: which statements may run beside others, and the tables that they claim
//! - `fresh`: which tables other sessions may load
//! - `schedule`: which of the waiting statements may begin
//! - `pool`: the sessions; `session`: what each does

mod fresh;
mod order;
mod pool;
mod schedule;
mod session;

use std::io::{self, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgdump::format::plain::connected_database;
use pgdump::script::lexer::{End, Lexer, Piece, Statement};
use pgdump::script::statement::{Words, inserts_into};

use self::fresh::{FreshTables, Loading as Order};
use self::order::{Beside, Indexes, Role};
use self::pool::{Loading, Outcomes, Pool, Task, rows_of};
use super::log::{Log, Mask, Message};
use super::method::{self, PartLog, Work};
use super::settings::Restore;
use super::statement::{beginning, summarise_bytes};
use super::tolerance::Tolerance;
use super::wire::{Connection, Reply, ServerError};
use crate::backup::Part;
use crate::backup::packing::Layer;
use crate::database::Endpoint;
use crate::event::{Event, Listener};
use crate::outcome::{CouldNotRun, Finding, RestoreStep};
use crate::redact::Redactor;
use crate::sql::QualifiedName;
use crate::sqlstate;
use crate::units::show_counted;

/// How much is read at once.
const CHUNK: usize = 128 * 1024;

/// How long a server whose session broke off may take to be seen as ended.
const ENDED_WITHIN: Duration = Duration::from_secs(3);

/// Time between two reports of the progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Restores a plain dump, beginning in `database`.
pub(super) async fn restore(
    work: &Work<'_>,
    part: &Part,
    database: &str,
) -> Result<PartLog, CouldNotRun> {
    let began = Instant::now();
    let sending = Sending {
        endpoint: work.server.endpoint().clone(),
        tolerate: work.settings.clone(),
        redactor: work.redactor.clone(),
        listener: work.listener.clone(),
        part: part.clone(),
        database: database.to_owned(),
        session: None,
        sessions: work.jobs(part).unwrap_or(0),
        pool: None,
        opened: 0,
        loading: None,
        indexes: Indexes::default(),
        fresh: FreshTables::default(),
        settings_made: Vec::new(),
        copies: None,
        steps: Vec::new(),
        skipped: false,
        part_of_row: 0,
        log: Log::default(),
        began,
        reported: began,
        data: None,
        post: None,
    };
    let sent = tokio::task::spawn_blocking(move || sending.run()).await;
    let sent = sent.map_err(|error| CouldNotRun::new(error.to_string()))?;
    let duration = began.elapsed();
    let sent = match sent {
        Ok(sent) => sent,
        Err(Broken::File(error)) => {
            return Err(CouldNotRun::new(format!(
                "cannot read {}: {error}",
                part.path.display()
            )));
        }
        Err(Broken::Server(error)) => {
            let why = work.server.ended_within(ENDED_WITHIN).await;
            return Err(CouldNotRun::with_hint(
                match why {
                    Some(why) => format!("the server stopped during the restore: {why}"),
                    None => format!(
                        "the server ended the session in the middle of the restore: {error}"
                    ),
                },
                "check the memory and the disk of the machine; if both are sufficient, a process of the server crashed",
            ));
        }
    };
    let (mut errors, mut unable) = sent
        .log
        .findings(work.mask(), work.globals_beside, |message| {
            (!message.command.is_empty()).then(|| message.command.clone())
        });
    if sent.digest != part.sha256 {
        unable.push(
            Finding::about(
                part.path.display().to_string(),
                "the file that was inspected",
                "it changed while it was restored",
            )
            .hint("drill a file that is not being written to"),
        );
    }
    if let End::InRows { line } | End::InStatement { line, .. } = sent.end {
        errors.push(Finding::about(
            format!("line {line} of the dump"),
            "the statement ends before the dump does",
            "it does not",
        ));
    }
    let mut method = format!(
        "statement by statement, as `{} FILE | psql` does",
        part.layers.first().map_or("cat", Layer::undone_by)
    );
    if sent.sessions > 0 {
        method.push_str(&format!(
            ", rows and indexes by {}",
            show_counted(sent.sessions, "session")
        ));
    }
    let phases = method::phases(sent.data, sent.post, duration);
    Ok(PartLog::new(
        method,
        (duration, phases, sent.steps),
        sent.log,
        errors,
        unable,
    ))
}

/// A dump on its way to the server. Everything in it waits, so it has a thread of its own.
struct Sending {
    endpoint: Endpoint,
    tolerate: Restore,
    redactor: Redactor,
    listener: Listener,
    part: Part,
    database: String,
    /// `None` after a `\connect` that failed.
    session: Option<Connection>,
    /// How many sessions there may be beside it; 0 where they are not worthwhile.
    sessions: usize,
    /// They, once there is something for them to do.
    pool: Option<Pool>,
    /// How many were opened.
    opened: usize,
    /// The rows that they are loading.
    loading: Option<Loading>,
    indexes: Indexes,
    fresh: FreshTables,
    /// The statement that set each setting of this session last, in their order.
    settings_made: Vec<(String, Arc<[u8]>)>,
    /// The table whose rows this session loads, and since when.
    copies: Option<(String, Instant)>,
    steps: Vec<RestoreStep>,
    /// Whether statements after such a `\connect` were passed over.
    skipped: bool,
    /// Bytes of a long row that were sent.
    part_of_row: u64,
    log: Log,
    began: Instant,
    reported: Instant,
    /// When the first row came, and when the last one had gone.
    data: Option<Duration>,
    post: Option<Duration>,
}

/// A dump that was sent to its end.
struct Sent {
    log: Log,
    digest: String,
    end: End,
    steps: Vec<RestoreStep>,
    /// The most sessions that worked at once.
    sessions: usize,
    data: Option<Duration>,
    post: Option<Duration>,
}

/// What kept a dump from being sent.
enum Broken {
    File(io::Error),
    Server(io::Error),
}

/// How a statement of the session that reads the dump ended.
#[derive(Debug, Default, Clone, Copy)]
struct Done {
    /// Whether the server waits for rows.
    rows_follow: bool,
    failed: bool,
}

/// Place of a statement, for messages.
#[derive(Debug, Clone)]
struct Place {
    line: u64,
    command: String,
}

impl Sending {
    fn run(mut self) -> Result<Sent, Broken> {
        let database = self.database.clone();
        self.connect(&database, 0).map_err(Broken::Server)?;
        let content = self.part.open().map_err(Broken::File)?;
        let content = BufReader::with_capacity(CHUNK, content);
        let mut lexer = Lexer::new(content).keeping(usize::MAX).singly();
        let (data_begins, data_ends) =
            (self.part.contents.data_begins, self.part.contents.data_ends);
        let mut copy = None;
        loop {
            let offset = lexer.offset();
            let piece = lexer.next_piece().map_err(Broken::File)?;
            let Some(piece) = piece else { break };
            let mut begun = None;
            match piece {
                Piece::Statement(statement) => {
                    if data_begins.is_some_and(|at| statement.begins >= at) {
                        self.data.get_or_insert_with(|| self.began.elapsed());
                    }
                    if data_ends.is_some_and(|at| statement.begins >= at) && self.post.is_none() {
                        self.settle().map_err(Broken::Server)?;
                        self.post = Some(self.began.elapsed());
                    }
                    begun = self.statement(&statement).map_err(Broken::Server)?;
                }
                Piece::Inserts(_) | Piece::Comment { .. } => {}
                Piece::Meta { line, text, .. } => {
                    self.command(line, text).map_err(Broken::Server)?;
                }
                Piece::Rows { .. } | Piece::Part(_) | Piece::Row { .. } | Piece::EndOfRows => {
                    self.rows(piece, copy.as_ref()).map_err(Broken::Server)?;
                }
            }
            if let Some(session) = &self.session {
                lexer.set_standard_strings(session.standard_strings);
                lexer.set_encoding(session.encoding);
            }
            if begun.is_some() {
                lexer.expect_rows();
                copy = begun;
            }
            self.report(offset);
        }
        self.settle().map_err(Broken::Server)?;
        if self.data.is_some() {
            self.post.get_or_insert_with(|| self.began.elapsed());
        }
        self.log.errors.sort_by_key(|error| error.line);
        let end = lexer.end();
        // Whatever comes after the last statement: the digest is that of the whole file.
        let ended = lexer.into_inner().into_inner().end();
        let ended = ended.map_err(|error| Broken::File(io::Error::other(error)))?;
        Ok(Sent {
            log: self.log,
            digest: ended.file.sha256,
            end,
            steps: self.steps,
            sessions: self.opened,
            data: self.data,
            post: self.post,
        })
    }

    /// Opens a session, in place of the one before.
    fn connect(&mut self, database: &str, line: u64) -> io::Result<()> {
        self.settle()?;
        self.pool = None;
        self.settings_made.clear();
        self.fresh = FreshTables::default();
        self.indexes = Indexes::default();
        database.clone_into(&mut self.database);
        self.session = None;
        match Connection::open(&self.endpoint, database)? {
            Ok(session) => self.session = Some(session),
            Err(refused) => {
                let place = Place {
                    line,
                    command: format!("`\\connect` to `{database}` succeeds"),
                };
                self.error(refused, &place);
            }
        }
        Ok(())
    }

    /// Sends a statement; returns its place if rows follow it. Where the server does not wait for them they
    /// are passed over.
    fn statement(&mut self, statement: &Statement<'_>) -> io::Result<Option<Place>> {
        let text = statement.encoding.decode(statement.text);
        let words = Words::of(text.as_bytes());
        let copies = words.copy().is_some();
        if inserts_into(statement.text).is_none() {
            // A dump of another writer names its constraints and columns nowhere else.
            self.endpoint
                .names
                .learn_definitions(&beginning(text.as_bytes()));
        }
        let names = self.endpoint.names.clone();
        let place = || Place {
            line: statement.last_line,
            command: summarise_bytes(text.as_bytes(), &names),
        };
        let Some(session) = &mut self.session else {
            if !std::mem::replace(&mut self.skipped, true) {
                self.own_error("no session: the `\\connect` before it failed", &place());
            }
            return Ok(copies.then(place));
        };
        if statement.text.contains(&0) {
            self.own_error("a NUL byte, which no server reads", &place());
            return Ok(copies.then(place));
        }
        let alone = self.sessions == 0 || session.in_transaction;
        let role = self.indexes.role(&words);
        if copies {
            let load = self.loads(&words);
            if let Some(load) = load.filter(|_| !alone) {
                self.load(load, statement.text, place())?;
                return Ok(Some(place()));
            }
        } else {
            self.fresh.note(&words, &text);
        }
        let done = match role {
            Role::Beside(beside) if !alone => {
                self.beside(beside, statement.text, place())?;
                Done::default()
            }
            Role::Setting(name) if !alone => self.set(&name, statement.text, &place())?,
            _ => {
                self.settle()?;
                let began = Instant::now();
                let done = self.send(statement.text, &place())?;
                if done.failed {
                    self.fresh.failed(&words);
                }
                if copies {
                    self.copies =
                        order::qualified(&words, 1).map(|table| (table.to_string(), began));
                } else if words
                    .start()
                    .starts_with(&["refresh", "materialized", "view"])
                {
                    let view = words
                        .qualified(3)
                        .map(|view| format!("materialized view {view}"));
                    self.steps.extend(view.map(|what| RestoreStep {
                        what,
                        method: None,
                        duration: began.elapsed(),
                    }));
                }
                done
            }
        };
        Ok((copies || done.rows_follow).then(place))
    }

    /// Runs a statement in the session that reads the dump.
    fn send(&mut self, text: &[u8], place: &Place) -> io::Result<Done> {
        let Some(session) = &mut self.session else {
            return Ok(Done::default());
        };
        let reply = session.statement(text)?;
        let done = Done {
            rows_follow: reply.wants_rows,
            failed: !reply.errors.is_empty(),
        };
        self.errors(reply, place);
        Ok(done)
    }

    /// Changes a setting, for the other sessions too once what came before it has ended. A dump repeats most of them.
    fn set(&mut self, name: &str, text: &[u8], place: &Place) -> io::Result<Done> {
        let made = self.settings_made.iter().position(|(of, _)| of == name);
        let repeats = |at: usize| {
            let made = self.settings_made.get(at);
            made.is_some_and(|(_, made)| **made == *text)
        };
        if !made.is_some_and(repeats) {
            self.settle()?;
            let text: Arc<[u8]> = text.into();
            if let Some(pool) = &mut self.pool {
                pool.set(&text);
            }
            made.map(|at| self.settings_made.remove(at));
            self.settings_made.push((name.to_owned(), text));
        }
        self.send(text, place)
    }

    /// Gives a statement to the other sessions.
    fn beside(&mut self, beside: Beside, text: &[u8], place: Place) -> io::Result<()> {
        let bytes = |claim: &order::Claim| self.rows_of(&claim.table);
        let bytes = beside.claims.iter().map(bytes).max().unwrap_or(0);
        let cost = bytes * cost_of(&beside.method) + 1;
        let task = Task {
            text: text.to_owned(),
            place,
            beside,
        };
        match self.pool()? {
            Some(pool) => pool.add(task, cost),
            None => self.alone(task),
        }
    }

    /// Runs a statement that failed beside others, or has nobody to run it.
    fn alone(&mut self, task: Task) -> io::Result<()> {
        let began = Instant::now();
        self.send(&task.text, &task.place)?;
        if !task.beside.builds.is_empty() {
            self.steps.push(task.beside.step(began.elapsed()));
        }
        Ok(())
    }

    /// The table whose rows follow a COPY, if other sessions may load them, and how.
    fn loads(&mut self, words: &Words<'_>) -> Option<(QualifiedName, Order)> {
        let table = order::qualified(words, 1);
        let copy = words.copy()?;
        let columns = match copy.columns {
            "" => 0,
            columns => {
                crate::sql::tokens(columns)
                    .filter(|token| token.text == ",")
                    .count()
                    + 1
            }
        };
        match self.fresh.loading(table.as_ref(), columns) {
            Order::InOrder => None,
            loading => Some((table.filter(|_| copy.is_text)?, loading)),
        }
    }

    /// Begins to give rows to the other sessions.
    fn load(
        &mut self,
        (table, order): (QualifiedName, Order),
        text: &[u8],
        place: Place,
    ) -> io::Result<()> {
        let bytes = self.rows_of(&table);
        if let Some(pool) = self.pool()? {
            let of = (bytes, order == Order::Fresh);
            self.loading = Some(pool.load((text, place), &table, of));
            return Ok(());
        }
        self.send(text, &place).map(drop)
    }

    /// Bytes of the rows of a table in the dump.
    fn rows_of(&self, table: &QualifiedName) -> u64 {
        let rows = &self.part.contents.rows;
        let of = |database: &str| rows.get(&(database.to_owned(), table.clone()));
        let rows = of(&self.database).or_else(|| of(""));
        rows.map_or(0, |rows| rows.bytes)
    }

    /// The other sessions, with the settings of this one.
    fn pool(&mut self) -> io::Result<Option<&mut Pool>> {
        if self.pool.is_none() && self.sessions > 0 {
            let made = self.settings_made.iter().map(|(_, text)| text.clone());
            let made: Vec<Arc<[u8]>> = made.collect();
            self.pool = Pool::open(&self.endpoint, &self.database, self.sessions, &made)?;
            match &self.pool {
                Some(pool) => self.opened = self.opened.max(pool.size()),
                None => self.sessions = 0,
            }
        }
        Ok(self.pool.as_mut())
    }

    /// Waits for the other sessions. What failed there is tried again, in its order.
    fn settle(&mut self) -> io::Result<()> {
        let Some(pool) = &mut self.pool else {
            return Ok(());
        };
        let listener = &self.listener;
        pool.drain(|built| {
            listener(Event::Built {
                built: built.built,
                of: built.of,
                work: built.work,
                total: built.total,
            });
        })?;
        let Outcomes {
            mut failed,
            errors,
            steps,
        } = pool.outcomes();
        self.steps.extend(steps);
        for (error, place) in errors {
            self.error(error, &place);
        }
        failed.sort_by_key(|task| task.place.line);
        for task in failed {
            self.alone(task)?;
        }
        Ok(())
    }

    /// Sends rows where the server waits for them.
    fn rows(&mut self, piece: Piece<'_>, copy: Option<&Place>) -> io::Result<()> {
        if let Some(loading) = &mut self.loading {
            match piece {
                Piece::Rows { lines, count } => loading.rows(lines, count)?,
                Piece::Part(text) => {
                    self.part_of_row += text.len() as u64;
                    loading.part(text)?;
                }
                Piece::Row { text, bytes } => {
                    let before = std::mem::take(&mut self.part_of_row);
                    loading.part(text)?;
                    loading.rows(line_end(bytes - before - text.len() as u64), 1)?;
                }
                _ => {
                    if let (Some(loading), Some(pool)) = (self.loading.take(), &mut self.pool) {
                        pool.loaded(loading)?;
                    }
                }
            }
            return Ok(());
        }
        let (Some(session), Some(place)) = (&mut self.session, copy) else {
            return Ok(());
        };
        match piece {
            Piece::Rows { lines, .. } => session.rows(lines),
            Piece::Part(text) => {
                self.part_of_row += text.len() as u64;
                session.rows(text)
            }
            Piece::Row { text, bytes } => {
                let before = std::mem::take(&mut self.part_of_row);
                session.rows(text)?;
                session.rows(line_end(bytes - before - text.len() as u64))
            }
            _ => {
                let reply = session.end_of_rows()?;
                self.errors(reply, place);
                let copied = self.copies.take();
                self.steps
                    .extend(copied.map(|(table, began)| rows_of(&table, began.elapsed())));
                Ok(())
            }
        }
    }

    /// Executes a command of psql.
    fn command(&mut self, line: u64, text: &[u8]) -> io::Result<()> {
        let session = self.session.as_ref();
        let encoding = session.map(|session| session.encoding).unwrap_or_default();
        let text = encoding.decode(text);
        let (command, argument) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        match command {
            "\\restrict" | "\\unrestrict" => Ok(()),
            "\\connect" | "\\c" => match connected_database(argument.trim()) {
                Some(database) => self.connect(&database, line),
                None => self.unknown_command(line),
            },
            _ => self.unknown_command(line),
        }
    }

    /// The inspection refuses such a dump before it is restored.
    fn unknown_command(&mut self, line: u64) -> io::Result<()> {
        let place = Place {
            line,
            command: "a command of psql that pg_dump writes".to_owned(),
        };
        self.own_error("another command, which was not executed", &place);
        Ok(())
    }

    fn errors(&mut self, reply: Reply, place: &Place) {
        for error in reply.errors {
            self.error(error, place);
        }
    }

    fn error(&mut self, error: ServerError, place: &Place) {
        self.add(Message {
            raised: sqlstate::is_raised(&error.routine, &error.file),
            line: place.line + error.row,
            sqlstate: error.sqlstate,
            raw: error.message,
            command: place.command.clone(),
            ..Message::default()
        });
    }

    fn own_error(&mut self, what: &str, place: &Place) {
        self.add(Message {
            raw: what.to_owned(),
            line: place.line,
            command: place.command.clone(),
            ..Message::default()
        });
    }

    fn add(&mut self, message: Message) {
        let tolerance = Tolerance {
            scenario: &self.tolerate.tolerate,
            superuser: &self.endpoint.superuser,
            drops: &self.part.contents.drops,
        };
        let mask = Mask {
            redactor: &self.redactor,
            names: &self.endpoint.names,
        };
        self.log.add(message, &tolerance, mask);
    }

    fn report(&mut self, bytes: u64) {
        if self.reported.elapsed() > REPORT_EVERY {
            let total = self.part.unpacked_bytes;
            (self.listener)(Event::Restored {
                bytes: bytes.min(total),
                total,
            });
            self.reported = Instant::now();
        }
    }
}

/// A line end of so many bytes; the last row of a file may have none.
fn line_end(bytes: u64) -> &'static [u8] {
    match bytes {
        0 => b"",
        1 => b"\n",
        _ => b"\r\n",
    }
}

/// How long an index takes for the bytes of its table, in relation to a B-tree: it decides what begins first.
fn cost_of(method: &str) -> u64 {
    match method {
        "hnsw" => 50,
        "ivfflat" => 20,
        "gin" | "spgist" => 5,
        "gist" => 8,
        "brin" => 1,
        _ => 2,
    }
}
