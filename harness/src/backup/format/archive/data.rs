//! One data stream of an archive: what is inside its compression, counted to its end.
//!
//! No format says how many rows a stream must hold. But pg_dump ends each in a way that is its own,
//! so that one cut at the end of a row is told from a whole one.

use std::io::{self, BufRead, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memchr;

use super::gzip::Members;
use super::lz4::Frames;
use crate::backup::format::lexer::{End, Lexer, Piece};
use crate::backup::format::statement::Words;
use crate::backup::gather::{Gather, Place, Told};

/// How much of a row is kept, and how much is decompressed at once.
const BUFFER: usize = 128 * 1024;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    /// Deflate within zlib's head and checksum, in custom archives.
    Zlib,
    /// Deflate within gzip's, in files.
    Gzip,
    Lz4,
    Zstd,
}

/// What is inside a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Rows of COPY text.
    Rows,
    /// INSERT statements.
    Statements,
    /// Anything: a large object.
    Bytes,
}

/// A stream that is not whole: what it should be, and what it is.
#[derive(Debug)]
pub(super) struct Damage {
    pub expected: String,
    pub actual: String,
}

impl Damage {
    fn new(expected: &str, actual: impl Into<String>) -> Self {
        Self {
            expected: expected.to_owned(),
            actual: actual.into(),
        }
    }

    fn from_io(error: &io::Error) -> Self {
        let actual = match error.kind() {
            io::ErrorKind::UnexpectedEof => "its data ends in the middle".to_owned(),
            _ => format!("its data is damaged: {error}"),
        };
        Self::new("data that can be read to its end", actual)
    }
}

/// Reads a stream to its end, tells what is in it, and gives the bytes after decompression.
pub(super) fn read(
    coding: Coding,
    inside: Inside,
    mut reader: impl BufRead,
    gather: &mut Gather,
    place: Place,
) -> (u64, Result<(), Damage>) {
    // For an empty large object pg_dump opens a file of lz4 or zstd, and writes nothing into it.
    let may_be_empty = inside == Inside::Bytes && matches!(coding, Coding::Lz4 | Coding::Zstd);
    if may_be_empty && matches!(reader.fill_buf(), Ok([])) {
        return (0, Ok(()));
    }
    let mut bytes = 0;
    let ended = Decoder::new(coding, &mut reader)
        .map_err(|error| Damage::from_io(&error))
        .and_then(|decoder| {
            let mut decoded = BufReader::with_capacity(
                BUFFER,
                Counted {
                    reader: decoder,
                    bytes: &mut bytes,
                    last: [0; 2],
                },
            );
            match inside {
                Inside::Rows => rows(&mut decoded, gather),
                Inside::Statements => inserts(&mut decoded, gather, place),
                Inside::Bytes => io::copy(&mut decoded, &mut io::sink())
                    .map(|_| ())
                    .map_err(|error| Damage::from_io(&error)),
            }
        })
        .and_then(|()| match reader.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(Damage::new(
                "nothing behind the compressed data",
                "more bytes behind its end",
            )),
            Err(error) => Err(Damage::from_io(&error)),
        });
    (bytes, ended)
}

/// Reads rows until `\.`, which pg_dump puts behind the last of them with two empty lines.
fn rows(reader: &mut impl BufRead, gather: &mut Gather) -> Result<(), Damage> {
    let damaged = |error: io::Error| Damage::from_io(&error);
    // A row that lies across two buffers: its beginning, and the bytes of all of it so far.
    let (mut begun, mut begun_bytes) = (Vec::new(), 0_u64);
    let ended = 'rows: loop {
        let buffer = reader.fill_buf().map_err(damaged)?;
        if buffer.is_empty() {
            break false;
        }
        let mut at = 0;
        while let Some(length) = memchr(b'\n', &buffer[at..]) {
            let line = &buffer[at..at + length];
            at += length + 1;
            if begun_bytes == 0 {
                if line == b"\\." {
                    reader.consume(at);
                    break 'rows true;
                }
                gather.row(line, length as u64 + 1);
            } else {
                keep(&mut begun, line);
                let bytes = begun_bytes + length as u64 + 1;
                begun_bytes = 0;
                if begun == b"\\." {
                    reader.consume(at);
                    break 'rows true;
                }
                gather.row(&begun, bytes);
                begun.clear();
            }
        }
        keep(&mut begun, &buffer[at..]);
        begun_bytes += (buffer.len() - at) as u64;
        let all = buffer.len();
        reader.consume(all);
    };
    let expected = "rows that end with the line `\\.` and two empty lines";
    if !ended {
        return Err(Damage::new(expected, "its rows end without this mark"));
    }
    let mut tail = Vec::new();
    reader.take(3).read_to_end(&mut tail).map_err(damaged)?;
    let more = io::copy(reader, &mut io::sink()).map_err(damaged)?;
    match (tail.as_slice(), more) {
        (b"\n\n", 0) => Ok(()),
        (b"" | b"\n", 0) => Err(Damage::new(expected, "it ends within the two empty lines")),
        _ => Err(Damage::new(expected, "more bytes behind this mark")),
    }
}

/// Adds to a row, of which only the beginning is kept.
fn keep(row: &mut Vec<u8>, part: &[u8]) {
    let room = BUFFER.saturating_sub(row.len()).min(part.len());
    row.extend_from_slice(&part[..room]);
}

/// Reads INSERT statements, behind which pg_dump puts two empty lines.
fn inserts<R: Read>(
    reader: &mut BufReader<Counted<'_, R>>,
    gather: &mut Gather,
    place: Place,
) -> Result<(), Damage> {
    let mut lexer = Lexer::new(&mut *reader);
    let end = statements(&mut lexer, gather, place).map_err(|error| Damage::from_io(&error))?;
    let expected = "INSERT statements, then two empty lines";
    match end {
        End::Clean if reader.get_ref().last == *b"\n\n" => Ok(()),
        End::Clean => Err(Damage::new(expected, "it ends without the empty lines")),
        End::InStatement { open, .. } => {
            Err(Damage::new(expected, format!("it ends within {open}")))
        }
        End::InRows { .. } => Err(Damage::new(expected, "it ends within rows")),
    }
}

/// Tells the statements of a text, all of which stand at the same place.
pub(super) fn statements(
    lexer: &mut Lexer<impl BufRead>,
    gather: &mut Gather,
    place: Place,
) -> io::Result<End> {
    while let Some(piece) = lexer.next_piece()? {
        match piece {
            Piece::Inserts(inserts) => gather.inserts(&inserts, place),
            Piece::Statement(statement) => {
                let words = Words::of(statement.text);
                if words.copies_from_stdin() {
                    gather.foreign(place, "a COPY within a definition");
                    continue;
                }
                gather.statement(Told {
                    place,
                    words: &words,
                    value_groups: statement.value_groups,
                    on_conflict: statement.on_conflict,
                });
            }
            Piece::Meta { .. } => gather.foreign(place, "a psql command within SQL"),
            Piece::Rows { .. } | Piece::Row { .. } | Piece::EndOfRows | Piece::Comment { .. } => {}
        }
    }
    Ok(lexer.end())
}

/// Counts the bytes that are read through it, and keeps the last two.
struct Counted<'a, R> {
    reader: R,
    bytes: &'a mut u64,
    last: [u8; 2],
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        *self.bytes += read as u64;
        self.last = match &buffer[..read] {
            [.., first, second] => [*first, *second],
            [only] => [self.last[1], *only],
            [] => self.last,
        };
        Ok(read)
    }
}

/// Decompresses, and takes a stream that ends too early for an error.
pub(super) enum Decoder<R: BufRead> {
    Plain(R),
    Zlib(Box<Zlib<R>>),
    Gzip(Box<Members<R>>),
    Lz4(Frames<R>),
    Zstd(Box<zstd::stream::read::Decoder<'static, R>>),
}

impl<R: BufRead> Decoder<R> {
    pub fn new(coding: Coding, reader: R) -> io::Result<Self> {
        Ok(match coding {
            Coding::Plain => Self::Plain(reader),
            Coding::Zlib => Self::Zlib(Box::new(Zlib {
                reader,
                inflate: Decompress::new(true),
                ended: false,
            })),
            Coding::Gzip => Self::Gzip(Box::new(Members::new(reader))),
            Coding::Lz4 => Self::Lz4(Frames::new(reader)),
            Coding::Zstd => Self::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(reader)?)),
        })
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Zlib(reader) => reader.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
            Self::Lz4(reader) => reader.read(buffer),
            Self::Zstd(reader) => reader.read(buffer),
        }
    }
}

/// A zlib stream; `ZlibDecoder` takes one that is cut off for a whole one.
pub(super) struct Zlib<R> {
    reader: R,
    inflate: Decompress,
    ended: bool,
}

impl<R: BufRead> Read for Zlib<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let input = self.reader.fill_buf()?;
            let at_end = input.is_empty();
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, buffer, FlushDecompress::None)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let progress = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(0);
            let consumed = progress(self.inflate.total_in(), before.0);
            let produced = progress(self.inflate.total_out(), before.1);
            self.reader.consume(consumed);
            self.ended = status == Status::StreamEnd;
            if produced > 0 {
                return Ok(produced);
            }
            if at_end && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
