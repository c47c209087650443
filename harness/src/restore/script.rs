//! Restores plain SQL: every statement as psql would send it, every row to the COPY that waits for it.
//!
//! psql is not used: it reads rows as SQL and as commands of its own where a COPY failed, and it must be
//! believed how far it came. Here the server says whether it waits for rows; rows that nobody waits for are
//! passed over. The file is decompressed and split while it is sent, so memory use does not grow with it.

use std::io::{self, BufReader};
use std::time::{Duration, Instant};

use pgdump::format::plain::connected_database;
use pgdump::script::lexer::{End, Lexer, Piece, Statement};
use pgdump::script::statement::{Words, inserts_into};

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
use crate::outcome::{CouldNotRun, Finding};
use crate::redact::Redactor;
use crate::sqlstate;

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
        settings: work.settings.clone(),
        redactor: work.redactor.clone(),
        listener: work.listener.clone(),
        part: part.clone(),
        database: database.to_owned(),
        session: None,
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
    let method = format!(
        "statement by statement, as `{} FILE | psql` does",
        part.layers.first().map_or("cat", Layer::undone_by)
    );
    let phases = method::phases(sent.data, sent.post, duration);
    Ok(PartLog::new(
        method,
        (duration, phases),
        sent.log,
        errors,
        unable,
    ))
}

/// A dump on its way to the server. Everything in it waits, so it has a thread of its own.
struct Sending {
    endpoint: Endpoint,
    settings: Restore,
    redactor: Redactor,
    listener: Listener,
    part: Part,
    database: String,
    /// `None` after a `\connect` that failed.
    session: Option<Connection>,
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
    data: Option<Duration>,
    post: Option<Duration>,
}

/// What kept a dump from being sent.
enum Broken {
    File(io::Error),
    Server(io::Error),
}

/// Place of a statement, for messages.
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
                    if data_ends.is_some_and(|at| statement.begins >= at) {
                        self.post.get_or_insert_with(|| self.began.elapsed());
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
        if self.data.is_some() {
            self.post.get_or_insert_with(|| self.began.elapsed());
        }
        let end = lexer.end();
        // Whatever comes after the last statement: the digest is that of the whole file.
        let ended = lexer.into_inner().into_inner().end();
        let ended = ended.map_err(|error| Broken::File(io::Error::other(error)))?;
        Ok(Sent {
            log: self.log,
            digest: ended.file.sha256,
            end,
            data: self.data,
            post: self.post,
        })
    }

    /// Opens a session, in place of the one before.
    fn connect(&mut self, database: &str, line: u64) -> io::Result<()> {
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
        let copies = Words::of(text.as_bytes()).copy().is_some();
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
        let reply = session.statement(statement.text)?;
        let rows_follow = copies || reply.wants_rows;
        if !reply.errors.is_empty() {
            self.errors(reply, &place());
        }
        Ok(rows_follow.then(place))
    }

    /// Sends rows where the server waits for them.
    fn rows(&mut self, piece: Piece<'_>, copy: Option<&Place>) -> io::Result<()> {
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
                // The last row of a file may have no line end.
                session.rows(match bytes - before - text.len() as u64 {
                    0 => b"",
                    1 => b"\n",
                    _ => b"\r\n",
                })
            }
            _ => {
                let reply = session.end_of_rows()?;
                self.errors(reply, place);
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
            line: place.line + row_of(&error.context),
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
            scenario: &self.settings.tolerate,
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

/// The number of the row that a context names, such as `COPY orders, line 3, column id: "x"`; 0 for none.
fn row_of(context: &str) -> u64 {
    let Some(rest) = context.strip_prefix("COPY ") else {
        return 0;
    };
    let number = rest.split_once(", line ").map_or("", |(_, rest)| rest);
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().unwrap_or(0)
}
