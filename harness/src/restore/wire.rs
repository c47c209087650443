//! A session of the restore: statements and rows as the bytes that the dump has, whatever their encoding, and
//! errors with their fields.
//!
//! The sessions of `database` take text in UTF-8 only. See "Frontend/Backend Protocol" in the manual.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use bytes::BytesMut;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

use pgdump::encoding::Encoding;

use crate::database::{Address, Endpoint, SOCKET};
use crate::process::Line;
use crate::sqlstate::{self, Names};

/// How much is kept of a message about the session.
const KEPT: u64 = 64 * 1024;

/// Messages that may wait to be looked at.
const WAITING: usize = 64;

/// An error that the server reports. Its fields may contain values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    pub(super) sqlstate: String,
    pub(super) message: String,
    /// The row of a COPY that it is about, counted from 1; 0 if it is about none.
    pub(super) row: u64,
    pub(super) file: String,
    pub(super) routine: String,
}

/// What the server sends, as far as it matters here.
#[derive(Debug)]
enum Answer {
    Authenticate { kind: u32, data: Vec<u8> },
    Setting { name: String, value: String },
    Error(ServerError),
    WantsRows,
    Ready { in_transaction: bool },
}

/// How a statement, or the rows after it, ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) errors: Vec<ServerError>,
    /// Whether the server now waits for rows.
    pub(super) wants_rows: bool,
}

/// An open session. Dropping it closes it.
pub(super) struct Connection {
    stream: Stream,
    writer: BufWriter<Stream>,
    answers: Receiver<Answer>,
    buffer: BytesMut,
    /// Whether the server reads backslashes in `'…'` as the standard says.
    pub(super) standard_strings: bool,
    /// The encoding of statements and rows.
    pub(super) encoding: Encoding,
    /// Names that an error may show.
    names: Names,
    /// What came while rows were sent.
    early: Reply,
    /// Whether the server takes no more rows of the current COPY.
    ready: bool,
    /// Whether a transaction is open that a statement began.
    pub(super) in_transaction: bool,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Connection {
    /// Opens a session of the superuser, with the settings of the server and the database.
    ///
    /// # Errors
    /// The server's refusal, or the error of the connection.
    pub(super) fn open(
        endpoint: &Endpoint,
        database: &str,
    ) -> io::Result<Result<Self, ServerError>> {
        let stream = match &endpoint.address {
            Address::Socket { sessions, .. } => {
                Stream::Unix(UnixStream::connect(sessions.join(SOCKET))?)
            }
            Address::Loopback(port) => {
                Stream::Tcp(TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?)
            }
        };
        let (sender, answers) = sync_channel(WAITING);
        let reader = BufReader::new(stream.try_clone()?);
        // The server may report something while it is sent rows; if nobody read that, both would wait.
        std::thread::spawn(move || read(reader, &sender));
        let mut session = Self {
            writer: BufWriter::with_capacity(128 * 1024, stream.try_clone()?),
            stream,
            answers,
            buffer: BytesMut::new(),
            standard_strings: true,
            encoding: Encoding::default(),
            names: endpoint.names.clone(),
            early: Reply::default(),
            ready: false,
            in_transaction: false,
        };
        let parameters = [
            ("user", endpoint.superuser.as_str()),
            ("database", database),
            ("application_name", "redrill"),
        ];
        frontend::startup_message(parameters, &mut session.buffer)?;
        session.send()?;
        let refused = session.authenticate(endpoint.password.expose())?;
        Ok(match refused {
            Some(error) => Err(error),
            None => Ok(session),
        })
    }

    /// Follows the server's wishes until the session is ready; returns its refusal.
    fn authenticate(&mut self, password: &str) -> io::Result<Option<ServerError>> {
        let mut scram = None;
        loop {
            match self.answer()? {
                Answer::Ready { .. } => return Ok(None),
                Answer::Error(error) => return Ok(Some(error)),
                Answer::Authenticate { kind: 0, .. } | Answer::WantsRows => {}
                setting @ Answer::Setting { .. } => self.early(setting),
                // Its numbers are those of the manual: SASL, its continuation, its end.
                Answer::Authenticate { kind: 10, .. } => {
                    let unbound = ChannelBinding::unsupported();
                    let begun = scram.insert(ScramSha256::new(password.as_bytes(), unbound));
                    let first = begun.message();
                    frontend::sasl_initial_response(SCRAM_SHA_256, first, &mut self.buffer)?;
                    self.send()?;
                }
                Answer::Authenticate { kind: 11, data } => {
                    let begun = scram.as_mut().ok_or_else(unexpected)?;
                    begun.update(&data)?;
                    frontend::sasl_response(begun.message(), &mut self.buffer)?;
                    self.send()?;
                }
                Answer::Authenticate { kind: 12, data } => {
                    scram.as_mut().ok_or_else(unexpected)?.finish(&data)?;
                }
                Answer::Authenticate { .. } => return Err(unexpected()),
            }
        }
    }

    /// Sends a statement, and waits until it ended or waits for rows.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn statement(&mut self, text: &[u8]) -> io::Result<Reply> {
        let length = i32::try_from(text.len() + 5).map_err(io::Error::other)?;
        self.writer.write_all(b"Q")?;
        self.writer.write_all(&length.to_be_bytes())?;
        self.writer.write_all(text)?;
        self.writer.write_all(b"\0")?;
        self.writer.flush()?;
        self.ready = false;
        self.reply()
    }

    /// Sends rows, or a part of them.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn rows(&mut self, lines: &[u8]) -> io::Result<()> {
        loop {
            match self.answers.try_recv() {
                Ok(answer) => self.early(answer),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(self.lost()),
            }
        }
        if self.ready {
            // The COPY failed, and the server would read the rest as something else.
            return Ok(());
        }
        let length = i32::try_from(lines.len() + 4).map_err(io::Error::other)?;
        self.writer.write_all(b"d")?;
        self.writer.write_all(&length.to_be_bytes())?;
        self.writer.write_all(lines)
    }

    /// Ends the rows, and waits until their statement ended.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn end_of_rows(&mut self) -> io::Result<Reply> {
        let mut errors = Vec::new();
        loop {
            if !self.ready {
                frontend::copy_done(&mut self.buffer);
                self.send()?;
            }
            let mut reply = self.reply()?;
            errors.append(&mut reply.errors);
            if !reply.wants_rows {
                return Ok(Reply {
                    errors,
                    wants_rows: false,
                });
            }
        }
    }

    /// Collects what the server answers until it is ready, or waits for rows.
    fn reply(&mut self) -> io::Result<Reply> {
        while !self.ready && !self.early.wants_rows {
            let answer = self.answer()?;
            self.early(answer);
        }
        Ok(std::mem::take(&mut self.early))
    }

    fn early(&mut self, answer: Answer) {
        match answer {
            Answer::Error(error) => self.early.errors.push(error),
            Answer::WantsRows => self.early.wants_rows = true,
            Answer::Ready { in_transaction } => {
                self.ready = true;
                self.in_transaction = in_transaction;
            }
            Answer::Setting { name, value } if name == "standard_conforming_strings" => {
                self.standard_strings = value != "off";
            }
            Answer::Setting { name, value } if name == "client_encoding" => {
                self.encoding = Encoding::named(&value).unwrap_or_default();
            }
            Answer::Setting { .. } | Answer::Authenticate { .. } => {}
        }
    }

    fn answer(&mut self) -> io::Result<Answer> {
        self.answers.recv().map_err(|_| self.lost())
    }

    /// Why the connection ended, if the server said so.
    fn lost(&self) -> io::Error {
        match self.early.errors.last() {
            Some(last) => {
                let raised = sqlstate::is_raised(&last.routine, &last.file);
                io::Error::other(sqlstate::shown(
                    &last.sqlstate,
                    &last.message,
                    raised,
                    &self.names,
                ))
            }
            None => closed(),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let message = self.buffer.split();
        self.writer.write_all(&message)?;
        self.writer.flush()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        frontend::terminate(&mut self.buffer);
        // A server that is gone needs no farewell. Then the reading thread ends too.
        let _ = self.send();
        let _ = match &self.stream {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the server closed the connection",
    )
}

fn unexpected() -> io::Error {
    io::Error::other("the server asks for a password in an unknown way")
}

/// Reads what the server sends until the connection ends or nobody listens any more.
fn read(mut server: impl BufRead, answers: &SyncSender<Answer>) {
    while let Ok(answer) = message(&mut server) {
        if let Some(answer) = answer
            && answers.send(answer).is_err()
        {
            return;
        }
    }
}

/// Reads one message to its end; returns what matters of it.
fn message(server: &mut impl BufRead) -> io::Result<Option<Answer>> {
    let mut head = [0; 5];
    server.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    let mut content = server.take(u64::from(u32::from_be_bytes(length).saturating_sub(4)));
    let answer = match tag {
        b'E' => Some(Answer::Error(error(&mut content)?)),
        b'R' | b'S' => {
            let mut body = Vec::new();
            (&mut content).take(KEPT).read_to_end(&mut body)?;
            about_the_session(tag, &body)
        }
        b'G' => Some(Answer::WantsRows),
        b'Z' => {
            let mut status = [0];
            content.read_exact(&mut status)?;
            let in_transaction = status != *b"I";
            Some(Answer::Ready { in_transaction })
        }
        // Rows of a query, notices, numbers of rows, output of COPY.
        _ => None,
    };
    io::copy(&mut content, &mut io::sink())?;
    match content.limit() {
        0 => Ok(answer),
        _ => Err(closed()),
    }
}

/// A step of the log-in, or a setting that changed.
fn about_the_session(tag: u8, body: &[u8]) -> Option<Answer> {
    if tag == b'R' {
        let (kind, data) = body.split_first_chunk()?;
        return Some(Answer::Authenticate {
            kind: u32::from_be_bytes(*kind),
            data: data.to_vec(),
        });
    }
    let mut texts = body.split(|byte| *byte == 0).map(text);
    Some(Answer::Setting {
        name: texts.next()?,
        value: texts.next()?,
    })
}

/// The fields of an error. Of a long one the middle is dropped: the end is needed to recognise the wording, and
/// the place in the server comes after the text.
fn error(content: &mut impl BufRead) -> io::Result<ServerError> {
    let mut error = ServerError::default();
    loop {
        let mut kind = [0];
        content.read_exact(&mut kind)?;
        if kind == [0] {
            return Ok(error);
        }
        let mut value = Line::default();
        loop {
            let chunk = content.fill_buf()?;
            if chunk.is_empty() {
                return Err(closed());
            }
            let end = memchr::memchr(0, chunk);
            let length = end.unwrap_or(chunk.len());
            value.add(&chunk[..length]);
            content.consume(length + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        let place = match kind {
            [b'C'] => &mut error.sqlstate,
            [b'M'] => &mut error.message,
            [b'W'] => {
                error.row = row_of(&value.text());
                continue;
            }
            [b'F'] => &mut error.file,
            [b'R'] => &mut error.routine,
            _ => continue,
        };
        *place = value.text();
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

/// Text of the server, in whatever encoding the dump set.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag], length.to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn a_message_of_any_length_takes_little_memory_and_is_read_to_its_end() {
        let long = "x".repeat(300_000);
        let fields =
            format!("SERROR\0C22P02\0Minvalid: \"{long}\"\0WCOPY t, line 3\0Fint8.c\0Rint8in\0\0");
        let sent = [framed(b'E', fields.as_bytes()), framed(b'Z', b"I")].concat();
        let mut server = sent.as_slice();
        let Some(Answer::Error(error)) = message(&mut server).unwrap() else {
            panic!("an error");
        };
        assert!(error.message.starts_with("invalid: \"x") && error.message.ends_with("x\""));
        assert!(error.message.len() < 20_000, "{}", error.message.len());
        assert_eq!(
            (error.sqlstate.as_str(), error.file.as_str()),
            ("22P02", "int8.c")
        );
        assert_eq!((error.routine.as_str(), error.row), ("int8in", 3));
        assert!(matches!(
            message(&mut server),
            Ok(Some(Answer::Ready {
                in_transaction: false
            }))
        ));
        assert!(message(&mut server).is_err());
        // Cut in the middle, of an error and of rows.
        assert!(message(&mut &sent[..100_000]).is_err());
        let rows = framed(b'D', long.as_bytes());
        assert!(matches!(message(&mut rows.as_slice()), Ok(None)));
        assert!(message(&mut &rows[..1000]).is_err());
    }
}
