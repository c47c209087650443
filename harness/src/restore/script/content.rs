//! The text of a dump: a plain file as it is, an archive as the statements and rows that `pg_restore` sends for it.
//!
//! A thread of its own decompresses it, a little ahead of the session that sends it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pgdump::format::archive::{Entry, script};
use pgdump::layout::Kind;
use tokio::runtime::Handle;

use crate::backup::Part;
use crate::backup::format::Format;

/// How much is read at once.
const CHUNK: usize = 128 * 1024;

/// How many chunks may be ahead.
const AHEAD: usize = 16;

/// An entry of an archive, and where its statements begin.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// The byte of the text.
    begins: u64,
    /// Kind, name and owner, as `pg_restore` names it.
    pub entry: Arc<str>,
    /// 2 before the rows, 3 rows, 4 after them; 1 for neither.
    section: i64,
}

impl Mark {
    pub(super) fn is_data(&self) -> bool {
        self.section == 3
    }

    pub(super) fn is_post_data(&self) -> bool {
        self.section == 4
    }
}

/// The entries whose statements were written and not sent yet.
#[derive(Debug, Default, Clone)]
pub(in crate::restore) struct Marks(Arc<Mutex<VecDeque<Mark>>>);

impl Marks {
    /// The entry that the byte at `offset` belongs to, from the last one on that was asked for; none in a plain dump.
    pub(super) fn at(&self, offset: u64) -> Option<Mark> {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while marks.get(1).is_some_and(|next| next.begins <= offset) {
            marks.pop_front();
        }
        marks.front().filter(|mark| mark.begins <= offset).cloned()
    }

    fn add(&self, mark: Mark) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push_back(mark);
    }
}

/// The text.
pub(in crate::restore) struct Content {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    /// Reads the file; what it returns is the digest of it.
    reader: Option<JoinHandle<io::Result<String>>>,
    sha256: String,
}

impl Content {
    /// Begins to read a dump that is restored into `database`.
    pub(in crate::restore) fn open(part: &Part, database: &str) -> (Self, Marks) {
        let (sender, chunks) = sync_channel(AHEAD);
        let marks = Marks::default();
        let ahead = Ahead {
            chunks: sender,
            chunk: Vec::with_capacity(CHUNK),
            bytes: 0,
            marks: marks.clone(),
        };
        let (part, database) = (part.clone(), database.to_owned());
        let runtime = Handle::try_current().ok();
        let content = Self {
            chunks,
            chunk: Vec::new(),
            at: 0,
            reader: Some(std::thread::spawn(move || {
                // A program that decrypts the file needs the runtime.
                let _context = runtime.as_ref().map(Handle::enter);
                read(&part, &database, ahead)
            })),
            sha256: String::new(),
        };
        (content, marks)
    }

    /// SHA-256 of the file in hex, after its last byte was read.
    pub(in crate::restore) fn end(mut self) -> io::Result<String> {
        while !self.fill_buf()?.is_empty() {
            self.at = self.chunk.len();
        }
        Ok(self.sha256)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Content {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            self.at = 0;
            self.chunk = match (self.chunks.recv(), self.reader.take()) {
                (Ok(chunk), reader) => {
                    self.reader = reader;
                    chunk
                }
                (Err(_), None) => Vec::new(),
                (Err(_), Some(reader)) => {
                    let ended = reader.join();
                    let broken = |_| Err(io::Error::other("the thread that reads it ended"));
                    self.sha256 = ended.unwrap_or_else(broken)?;
                    Vec::new()
                }
            };
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

/// Reads the file to its end; returns its digest.
fn read(part: &Part, database: &str, mut ahead: Ahead) -> io::Result<String> {
    let kind = match part.format {
        Format::Plain => None,
        Format::Archive(layout) => Some(layout.kind),
    };
    if kind == Some(Kind::Directory) {
        let sha256 = script::directory(&part.path, database, &mut ahead)?;
        ahead.flush()?;
        return Ok(sha256);
    }
    let mut content = BufReader::with_capacity(CHUNK, part.open()?);
    match kind {
        Some(Kind::Tar) => script::tar(&mut content, database, &mut ahead)?,
        Some(_) => script::custom(&mut content, database, &mut ahead)?,
        None => while ahead.read_from(&mut content)? {},
    }
    ahead.flush()?;
    // Whatever comes after the last statement: the digest is that of the whole file.
    let ended = content.into_inner().end();
    Ok(ended.map_err(io::Error::other)?.file.sha256)
}

/// The end of the channel that text is written to.
struct Ahead {
    chunks: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    /// Bytes of the text so far.
    bytes: u64,
    marks: Marks,
}

impl Ahead {
    /// Reads a chunk; returns whether there was any.
    fn read_from(&mut self, reader: &mut impl Read) -> io::Result<bool> {
        let room = CHUNK - self.chunk.len();
        let read = reader.take(room as u64).read_to_end(&mut self.chunk)?;
        self.flush()?;
        Ok(read > 0)
    }
}

impl Write for Ahead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (CHUNK - self.chunk.len()).min(bytes.len());
        self.chunk.extend_from_slice(&bytes[..room]);
        self.bytes += room as u64;
        if self.chunk.len() == CHUNK {
            self.flush()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        // The session that sends it has ended.
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.chunks.send(chunk).map_err(gone)
    }
}

impl script::Output for Ahead {
    fn entry(&mut self, entry: &Entry) {
        let named = format!("{} {} {}", entry.kind, entry.tag, entry.owner);
        self.marks.add(Mark {
            begins: self.bytes,
            entry: named.trim_end().into(),
            section: entry.section,
        });
    }
}
