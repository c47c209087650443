//! The header of an archive, and the numbers and texts of its table of contents.
//!
//! The layout is that of `ReadHead` in `pg_backup_archiver.c`, versions 1.12 (PostgreSQL 9.x and
//! 10) to 1.16 (17 and 18). Every length is limited by the file.

use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::stop::Stop;
use crate::encoding::Encoding;
use crate::layout::{Compression, Version};

/// Maximum length of a text; a longer one is damage.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Bytes that are reserved for a text before it is read.
const RESERVED: u64 = 64 * 1024;

/// The oldest and the newest version that is read.
pub(super) const VERSIONS: (Version, Version) = (
    Version {
        major: 1,
        minor: 12,
    },
    Version {
        major: 1,
        minor: 16,
    },
);

/// The header.
#[derive(Debug)]
pub(super) struct Head {
    pub version: Version,
    pub compression: Compression,
    /// 1 for custom, 3 for tar and directory.
    pub format: u8,
    pub offset_size: u8,
    /// When the dump began, by the clock of the machine that wrote it.
    pub made: Option<Timestamp>,
    /// In the encoding of the archive, which its table of contents says.
    pub database: Vec<u8>,
    pub server: Option<String>,
    pub program: Option<String>,
    /// Entries of the table of contents.
    pub entries: i64,
}

/// Reads bytes, numbers and texts.
#[derive(Debug)]
pub(super) struct Fields<R> {
    pub reader: R,
    pub int_size: u8,
    /// The encoding of texts.
    pub encoding: Encoding,
}

/// The error of an incomplete table of contents.
fn cut(error: &io::Error) -> Stop {
    Stop::damaged(
        "a complete table of contents",
        match error.kind() {
            io::ErrorKind::UnexpectedEof => "the table of contents is truncated".to_owned(),
            _ => format!("the table of contents cannot be read: {error}"),
        },
    )
}

/// Something that pg_dump does not write.
pub(super) fn damaged(what: &str) -> Stop {
    Stop::damaged(
        "a complete table of contents",
        format!("the table of contents is damaged: {what}"),
    )
}

impl<R: BufRead> Fields<R> {
    pub fn new(reader: R, int_size: u8) -> Self {
        Self {
            reader,
            int_size,
            encoding: Encoding::default(),
        }
    }

    pub fn byte(&mut self) -> Result<u8, Stop> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).map_err(|e| cut(&e))?;
        Ok(byte[0])
    }

    /// A number without a sign, least significant byte first.
    pub fn magnitude(&mut self, size: u8) -> Result<u64, Stop> {
        let mut bytes = [0; 8];
        self.reader
            .read_exact(&mut bytes[..usize::from(size.min(8))])
            .map_err(|e| cut(&e))?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A sign byte, then the magnitude.
    pub fn int(&mut self) -> Result<i64, Stop> {
        let sign = self.byte()?;
        let value = self.magnitude(self.int_size)?;
        let value = i64::try_from(value).map_err(|_| damaged("a number of impossible size"))?;
        Ok(if sign == 0 { value } else { -value })
    }

    /// A length and the text; none where the length is negative.
    pub fn text(&mut self) -> Result<Option<String>, Stop> {
        let Some(bytes) = self.bytes()? else {
            return Ok(None);
        };
        if self.encoding != Encoding::default() {
            return Ok(Some(self.encoding.decode(&bytes).into_owned()));
        }
        // Without a copy: a table of contents may have very many.
        Ok(Some(String::from_utf8(bytes).unwrap_or_else(|error| {
            self.encoding.decode(error.as_bytes()).into_owned()
        })))
    }

    /// The same, as it is.
    pub fn bytes(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let Ok(length) = u64::try_from(self.int()?) else {
            return Ok(None);
        };
        if length > LONGEST {
            return Err(damaged("a text of impossible length"));
        }
        // `take` reads what is there: a wrong length does not reserve much.
        let mut bytes = Vec::with_capacity(length.min(RESERVED) as usize);
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes);
        if read.map_err(|e| cut(&e))? as u64 != length {
            return Err(cut(&io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Some(bytes))
    }
}

/// Reads the head; what follows in `reader` is the table of contents.
pub(super) fn read<R: BufRead>(reader: R) -> Result<(Head, Fields<R>), Stop> {
    let mut fields = Fields::new(reader, 4);
    let mut magic = [0_u8; 5];
    fields.reader.read_exact(&mut magic).map_err(|e| cut(&e))?;
    if &magic != b"PGDMP" {
        return Err(damaged("it does not begin with PGDMP"));
    }
    let version = Version {
        major: fields.byte()?,
        minor: fields.byte()?,
    };
    let _revision = fields.byte()?;
    if version < VERSIONS.0 || version > VERSIONS.1 {
        return Err(Stop::Unsupported(version));
    }
    let widths = [fields.byte()?, fields.byte()?];
    if widths.iter().any(|width| !(1..=8).contains(width)) {
        return Err(damaged("numbers of impossible width"));
    }
    let [int_size, offset_size] = widths;
    fields.int_size = int_size;
    let format = fields.byte()?;
    // From 1.15 on the algorithm; before, the level of gzip: -1 is its default.
    let compression = if version.minor >= 15 {
        match fields.byte()? {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Lz4,
            3 => Compression::Zstd,
            _ => return Err(damaged("an unknown compression")),
        }
    } else {
        match fields.int()? {
            0 => Compression::None,
            -1 | 1..=9 => Compression::Gzip,
            _ => return Err(damaged("an unknown compression")),
        }
    };
    let mut date = [0_i64; 7];
    for part in &mut date {
        *part = fields.int()?;
    }
    let head = Head {
        version,
        compression,
        format,
        offset_size,
        made: timestamp(date),
        database: fields.bytes()?.unwrap_or_default(),
        server: fields.text()?,
        program: fields.text()?,
        entries: fields.int()?,
    };
    if head.entries < 0 {
        return Err(damaged("a negative number of entries"));
    }
    Ok((head, fields))
}

/// Seconds, minutes, hours, day, month from 0, year from 1900: the fields of `struct tm`.
fn timestamp(date: [i64; 7]) -> Option<Timestamp> {
    let [second, minute, hour, day, month, year, _] = date;
    let small = |value: i64| i8::try_from(value).ok();
    let date = DateTime::new(
        i16::try_from(year.checked_add(1900)?).ok()?,
        small(month.checked_add(1)?)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?.min(59),
        0,
    );
    date.ok()?
        .to_zoned(TimeZone::system())
        .ok()
        .map(|zoned| zoned.timestamp())
}
