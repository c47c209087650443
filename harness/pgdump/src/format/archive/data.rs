//! One data stream of an archive: what is inside its compression, counted to its end.
//!
//! No format contains the number of rows of a stream. But pg_dump ends each stream in a characteristic way, so
//! that one that is truncated at the end of a row is distinguished from a complete one.

use std::io::{self, BufRead, BufReader, Read};

use crate::compression::{Behind, Frames, Gzip, Lz4, Zlib, Zstd, zlib};
use crate::fault::Place;
use crate::gather::{Gather, ReadStatement};
use crate::script::lexer::{End, Lexer, Piece};
use crate::script::statement::Words;

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

/// The fault of an incomplete stream: expected and actual.
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

/// A stream that was read to its end.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// Bytes after decompression.
    pub bytes: u64,
    /// Bytes after the compressed data, which pg_restore ignores.
    pub ignored: u64,
    /// Why it is not complete.
    pub damage: Option<Damage>,
}

/// Reads a stream to its end and passes its contents to `gather`.
pub(super) fn read(
    coding: Coding,
    inside: Inside,
    mut reader: impl BufRead,
    gather: &mut Gather,
    place: Place,
) -> Data {
    let mut data = Data::default();
    // For an empty large object pg_dump opens a file of lz4 or zstd, and writes nothing into it.
    let may_be_empty = inside == Inside::Bytes && matches!(coding, Coding::Lz4 | Coding::Zstd);
    if may_be_empty && matches!(reader.fill_buf(), Ok([])) {
        return data;
    }
    let mut decoder = Decoder::new(coding, &mut reader);
    let mut decoded = BufReader::with_capacity(
        BUFFER,
        Counted {
            reader: &mut decoder,
            bytes: &mut data.bytes,
            last: [0; 2],
        },
    );
    let ended = match inside {
        Inside::Rows => rows(&mut decoded, gather),
        Inside::Statements => inserts(&mut decoded, gather, place),
        Inside::Bytes => bytes(&mut decoded, gather).map_err(|error| Damage::from_io(&error)),
    };
    let mut behind = decoder.behind();
    if coding == Coding::Gzip {
        data.ignored = std::mem::take(&mut behind);
    }
    data.damage = ended
        .and_then(|()| match reader.fill_buf() {
            Ok([]) if behind == 0 => Ok(()),
            Ok(_) => Err(Damage::new(
                "nothing after the compressed data",
                "more bytes after its end",
            )),
            Err(error) => Err(Damage::from_io(&error)),
        })
        .err();
    data
}

/// Reads rows until `\.`, which pg_dump writes after the last one, with two empty lines.
fn rows<R: Read>(
    reader: &mut BufReader<Counted<'_, R>>,
    gather: &mut Gather,
) -> Result<(), Damage> {
    let damaged = |error: io::Error| Damage::from_io(&error);
    let mut lexer = Lexer::new(&mut *reader);
    lexer.expect_rows();
    let expected = "rows that end with the line `\\.` and two empty lines";
    loop {
        match lexer.next_piece().map_err(damaged)? {
            Some(Piece::Rows { lines, count }) => gather.rows(lines, count),
            Some(Piece::Part(text)) => gather.part(text),
            Some(Piece::Row { text, bytes }) => gather.row(text, bytes),
            Some(_) => break,
            None => return Err(Damage::new(expected, "its rows end without this mark")),
        }
    }
    let reader = lexer.into_inner();
    let mut tail = Vec::new();
    reader.take(3).read_to_end(&mut tail).map_err(damaged)?;
    let more = io::copy(reader, &mut io::sink()).map_err(damaged)?;
    match (tail.as_slice(), more) {
        (b"\n\n", 0) => Ok(()),
        (b"" | b"\n", 0) => Err(Damage::new(expected, "it ends within the two empty lines")),
        _ => Err(Damage::new(expected, "more bytes after this mark")),
    }
}

/// Reads a large object.
fn bytes(reader: &mut impl BufRead, gather: &mut Gather) -> io::Result<()> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let length = available.len();
        gather.large_object(available);
        reader.consume(length);
    }
}

/// Reads INSERT statements, after which pg_dump writes two empty lines.
fn inserts<R: Read>(
    reader: &mut BufReader<Counted<'_, R>>,
    gather: &mut Gather,
    place: Place,
) -> Result<(), Damage> {
    let mut lexer = Lexer::new(&mut *reader).keeping(gather.keeps());
    lexer.set_encoding(gather.encoding());
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

/// Passes the statements of a text, all with the same place.
pub(super) fn statements(
    lexer: &mut Lexer<impl BufRead>,
    gather: &mut Gather,
    place: Place,
) -> io::Result<End> {
    while let Some(piece) = lexer.next_piece()? {
        match piece {
            Piece::Inserts(inserts) => gather.inserts(&inserts, place),
            Piece::Statement(statement) => {
                let text = statement.encoding.decode(statement.text);
                let words = Words::of(text.as_bytes());
                if words.copy().is_some() {
                    gather.foreign(place, "a COPY within a definition");
                    continue;
                }
                gather.statement(ReadStatement {
                    place,
                    words: &words,
                    text: statement.text,
                    encoding: statement.encoding,
                    bytes: statement.bytes,
                    value_groups: statement.value_groups,
                    on_conflict: statement.on_conflict,
                });
            }
            Piece::Meta { .. } => gather.foreign(place, "a psql command within SQL"),
            Piece::Rows { .. }
            | Piece::Part(_)
            | Piece::Row { .. }
            | Piece::EndOfRows
            | Piece::Comment { .. } => {}
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

/// Decompresses; a stream that ends too early is an error.
pub(super) enum Decoder<R: BufRead> {
    Plain(R),
    Zlib(Zlib<R>),
    Gzip(Frames<Gzip<R>>),
    Lz4(Frames<Lz4<R>>),
    Zstd(Frames<Zstd<R>>),
}

impl<R: BufRead> Decoder<R> {
    pub fn new(coding: Coding, reader: R) -> Self {
        match coding {
            Coding::Plain => Self::Plain(reader),
            Coding::Zlib => Self::Zlib(zlib(reader)),
            Coding::Gzip => Self::Gzip(Frames::new(reader)),
            Coding::Lz4 => Self::Lz4(Frames::new(reader)),
            Coding::Zstd => Self::Zstd(Frames::new(reader)),
        }
    }

    /// Bytes after the last frame, once everything was read.
    pub fn behind(&self) -> u64 {
        let Behind { zeros, others } = match self {
            Self::Plain(_) | Self::Zlib(_) => Behind::default(),
            Self::Gzip(frames) => frames.behind,
            Self::Lz4(frames) => frames.behind,
            Self::Zstd(frames) => frames.behind,
        };
        zeros + others
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
