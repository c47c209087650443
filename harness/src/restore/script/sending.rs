//! The session that reads the dump: every statement in its order, unless other sessions may take it.

use std::io;
use std::time::{Duration, Instant};

use pgdump::script::lexer::{End, Lexer, Piece, Statement};
use pgdump::script::statement::{Words, inserts_into};

use super::content::{Content, Mark};
use super::fresh::FreshTables;
use super::loading::{Loading, keep, line_end, rows_of};
use super::order::{self, Indexes, Role};
use super::pool::Pool;
use super::session_settings::SessionSettings;
use super::stub::{Stubbed, stubbed};
use crate::backup::Part;
use crate::database::Endpoint;
use crate::event::{Event, Listener};
use crate::needed::RowsLeftOut;
use crate::outcome::RestoreStep;
use crate::redact::Redactor;
use crate::restore::log::Log;
use crate::restore::method::Work;
use crate::restore::settings::Restore;
use crate::restore::statement::{beginning, summarise_bytes};
use crate::restore::wire::Connection;

/// Time between two reports of the progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// A dump on its way to the server. Everything in it waits, so it has a thread of its own.
pub(super) struct Sending {
    pub(super) endpoint: Endpoint,
    pub(super) tolerate: Restore,
    /// Rows that are passed over.
    pub(super) left_out: RowsLeftOut,
    pub(super) redactor: Redactor,
    pub(super) listener: Listener,
    pub(super) part: Part,
    pub(super) database: String,
    /// `None` after a `\connect` that failed.
    pub(super) session: Option<Connection>,
    /// How many sessions there may be beside it; 0 where they are not worthwhile.
    pub(super) sessions: usize,
    /// They, once there is something for them to do.
    pub(super) pool: Option<Pool>,
    /// How many were opened.
    pub(super) opened: usize,
    /// The rows that they are loading.
    pub(super) loading: Option<Loading>,
    pub(super) indexes: Indexes,
    pub(super) fresh: FreshTables,
    pub(super) settings: SessionSettings,
    /// The table whose rows this session loads, and since when.
    copies: Option<(String, Instant)>,
    pub(super) steps: Vec<RestoreStep>,
    /// Whether statements after such a `\connect` were passed over.
    skipped: bool,
    /// Whether the current rows are not sent on purpose.
    passed_over: bool,
    /// Bytes of a long row that were sent.
    part_of_row: u64,
    /// The entry of an archive that the statement is of.
    pub(super) entry: Option<Mark>,
    pub(super) log: Log,
    began: Instant,
    reported: Instant,
    /// When the first row came, and when the last one had gone.
    data: Option<Duration>,
    post: Option<Duration>,
}

/// A dump that was sent to its end.
pub(super) struct Sent {
    pub log: Log,
    pub digest: String,
    pub end: End,
    pub steps: Vec<RestoreStep>,
    /// The most sessions that worked at once.
    pub sessions: usize,
    pub data: Option<Duration>,
    pub post: Option<Duration>,
}

/// What kept a dump from being sent.
pub(super) enum Broken {
    File(io::Error),
    Server(io::Error),
}

/// How a statement of the session that reads the dump ended.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Done {
    /// Whether the server waits for rows.
    pub rows_follow: bool,
    pub failed: bool,
}

/// Place of a statement, for messages.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The last line of the statement.
    pub line: u64,
    /// Its entry, in an archive.
    pub entry: Option<Mark>,
    pub command: String,
}

impl Sending {
    /// Everything is still to be sent, into `database` first.
    pub(super) fn new(work: &Work<'_>, part: &Part, (database, began): (&str, Instant)) -> Self {
        Self {
            endpoint: work.server.endpoint().clone(),
            tolerate: work.settings.clone(),
            left_out: work.left_out.clone(),
            passed_over: false,
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
            settings: SessionSettings::default(),
            copies: None,
            steps: Vec::new(),
            skipped: false,
            part_of_row: 0,
            entry: None,
            log: Log::default(),
            began,
            reported: began,
            data: None,
            post: None,
        }
    }

    /// Sends it. Blocks.
    pub(super) fn run(mut self) -> Result<Sent, Broken> {
        let database = self.database.clone();
        self.connect(&database, 0).map_err(Broken::Server)?;
        let (content, marks) = Content::open(&self.part, &self.database);
        let mut lexer = Lexer::new(content).keeping(usize::MAX).singly();
        let mut copy = None;
        loop {
            let offset = lexer.offset();
            let piece = lexer.next_piece().map_err(Broken::File)?;
            let Some(piece) = piece else { break };
            let mut begun = None;
            match piece {
                Piece::Statement(statement) => {
                    self.entry = marks.at(statement.begins);
                    self.phase(statement.begins).map_err(Broken::Server)?;
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
        if matches!(lexer.end(), End::InRows { .. }) {
            // psql, too, ends the rows where the file ends; and whoever loads them waits for the end.
            let rows = self.rows(Piece::EndOfRows, copy.as_ref());
            rows.map_err(Broken::Server)?;
        }
        self.settle().map_err(Broken::Server)?;
        if self.data.is_some() {
            self.post.get_or_insert_with(|| self.began.elapsed());
        }
        let end = lexer.end();
        let digest = lexer.into_inner().end().map_err(Broken::File)?;
        Ok(Sent {
            log: self.log,
            digest,
            end,
            steps: self.steps,
            sessions: self.opened,
            data: self.data,
            post: self.post,
        })
    }

    /// Notes when the first row comes, and when the last one has gone; the statement begins at this byte.
    fn phase(&mut self, begins: u64) -> io::Result<()> {
        let contents = &self.part.contents;
        let behind = |at: Option<u64>| at.is_some_and(|at| begins >= at);
        let (data, post) = match &self.entry {
            Some(entry) => (entry.is_data(), entry.is_post_data()),
            None => (behind(contents.data_begins), behind(contents.data_ends)),
        };
        if data {
            self.data.get_or_insert_with(|| self.began.elapsed());
        }
        if post && self.post.is_none() {
            self.settle()?;
            self.post = Some(self.began.elapsed());
        }
        Ok(())
    }

    /// Sends a statement; returns its place if rows follow it. Where the server does not wait for them they
    /// are passed over.
    fn statement(&mut self, statement: &Statement<'_>) -> io::Result<Option<Place>> {
        let text = statement.encoding.decode(statement.text);
        let words = Words::of(text.as_bytes());
        let copies = words.copy().is_some();
        let stubbed = stubbed(&self.tolerate, &words, &text);
        if let Some(Stubbed::Instead(sql)) = &stubbed {
            let place = Place {
                line: statement.last_line,
                entry: self.entry.clone(),
                command: sql.clone(),
            };
            self.settle()?;
            self.send(sql.as_bytes(), &place)?;
            return Ok(None);
        }
        if stubbed.is_some() || self.is_left_out(&words, &text) {
            self.passed_over = copies;
            return Ok(copies.then(|| Place {
                line: statement.last_line,
                entry: None,
                command: String::new(),
            }));
        }
        if inserts_into(statement.text).is_none() {
            // A dump of another writer names its constraints and columns nowhere else.
            self.endpoint
                .names
                .learn_definitions(&beginning(text.as_bytes()));
        }
        let names = self.endpoint.names.clone();
        let entry = self.entry.clone();
        let place = || Place {
            line: statement.last_line,
            entry: entry.clone(),
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
        self.settings.note(&words, session.in_transaction);
        let alone = self.sessions == 0 || session.in_transaction || self.settings.is_apart();
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
    pub(super) fn send(&mut self, text: &[u8], place: &Place) -> io::Result<Done> {
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

    /// Sends rows where the server waits for them.
    fn rows(&mut self, piece: Piece<'_>, copy: Option<&Place>) -> io::Result<()> {
        if self.passed_over {
            self.passed_over = !matches!(piece, Piece::EndOfRows);
            return Ok(());
        }
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
                if let Some((table, began)) = copied {
                    keep(&mut self.steps, rows_of(&table, began.elapsed()));
                }
                Ok(())
            }
        }
    }

    fn report(&mut self, bytes: u64) {
        if self.reported.elapsed() > REPORT_EVERY {
            let total = self.part.text_bytes;
            (self.listener)(Event::Restored {
                bytes: bytes.min(total),
                total,
            });
            self.reported = Instant::now();
        }
    }
}
