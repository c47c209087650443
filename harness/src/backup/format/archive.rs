//! Custom-format archives: the header and the table of contents, read by us and bounded everywhere.
//!
//! The layout is that of `pg_backup_archiver.c` (`ReadHead`, `ReadToc`), versions 1.12 to 1.16. The
//! data behind it is read by `pg_restore` of the server's own version.

use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::backup::contents::{Contents, Rows};
use crate::database::QualifiedName;

/// A string longer than this is damage, not a definition.
const LONGEST: u64 = 256 * 1024 * 1024;

/// What the head of an archive says.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Version of the format: `1.16`.
    pub version: String,
    /// When it was begun, by the clock of the machine that wrote it.
    pub made: Option<Timestamp>,
    /// The database it was taken from.
    pub database: String,
    /// What its table of contents names.
    pub contents: Contents,
    /// Entries with data.
    pub data_entries: u64,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It ends too early, or the disk fails.
    #[error("the table of contents is cut off")]
    Cut(#[source] io::Error),
    /// It is something that `pg_dump` does not write.
    #[error("the table of contents is damaged: {0}")]
    Damaged(&'static str),
    /// It is a directory or tar archive, or of a version that is not known.
    #[error("archive format {0} is not supported")]
    Unsupported(String),
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Cut(error)
    }
}

struct Head<R> {
    reader: R,
    int_size: u8,
    offset_size: u8,
}

impl<R: BufRead> Head<R> {
    fn byte(&mut self) -> Result<u8, ArchiveError> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// A sign byte, then the magnitude, least significant byte first.
    fn int(&mut self) -> Result<i64, ArchiveError> {
        let sign = self.byte()?;
        let mut value = 0_i64;
        for at in 0..self.int_size {
            value |= i64::from(self.byte()?) << (8 * at);
        }
        Ok(if sign == 0 { value } else { -value })
    }

    fn text(&mut self) -> Result<Option<String>, ArchiveError> {
        let Ok(length) = u64::try_from(self.int()?) else {
            return Ok(None);
        };
        if length > LONGEST {
            return Err(ArchiveError::Damaged("a text of impossible length"));
        }
        let mut bytes = Vec::new();
        // `take` reads what is there: a wrong length does not reserve memory.
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes)?;
        if read as u64 != length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Reads the head and the table of contents of an archive.
///
/// # Errors
/// That it is cut off, damaged, or of a kind that is not supported.
pub fn read(reader: impl BufRead) -> Result<Archive, ArchiveError> {
    let mut head = Head {
        reader,
        int_size: 4,
        offset_size: 8,
    };
    let mut magic = [0_u8; 5];
    head.reader.read_exact(&mut magic)?;
    if &magic != b"PGDMP" {
        return Err(ArchiveError::Damaged("it does not begin with PGDMP"));
    }
    let (major, minor, _) = (head.byte()?, head.byte()?, head.byte()?);
    let version = format!("{major}.{minor}");
    if major != 1 || !(12..=16).contains(&minor) {
        return Err(ArchiveError::Unsupported(version));
    }
    head.int_size = head.byte()?;
    head.offset_size = head.byte()?;
    if !(1..=8).contains(&head.int_size) || !(1..=8).contains(&head.offset_size) {
        return Err(ArchiveError::Damaged("numbers of impossible width"));
    }
    match head.byte()? {
        1 => {}
        3 => return Err(ArchiveError::Unsupported("tar".to_owned())),
        5 => return Err(ArchiveError::Unsupported("directory".to_owned())),
        _ => return Err(ArchiveError::Damaged("an unknown kind of archive")),
    }
    // The compression: one byte from 1.15 on, a number before.
    if minor >= 15 {
        head.byte()?;
    } else {
        head.int()?;
    }
    let mut date = [0_i64; 7];
    for part in &mut date {
        *part = head.int()?;
    }
    let database = head.text()?.unwrap_or_default();
    let mut contents = Contents {
        source_version: head.text()?,
        dump_version: head.text()?.map(|version| format!("pg_dump {version}")),
        ..Contents::default()
    };
    let count = head.int()?;
    let mut data_entries = 0;
    for _ in 0..count {
        data_entries += u64::from(entry(&mut head, minor, &mut contents)?);
    }
    Ok(Archive {
        version,
        made: timestamp(date),
        database,
        contents,
        data_entries,
    })
}

/// Reads one entry; tells whether it has data.
fn entry<R: BufRead>(
    head: &mut Head<R>,
    minor: u8,
    contents: &mut Contents,
) -> Result<bool, ArchiveError> {
    let _id = head.int()?;
    let has_data = head.int()? != 0;
    let _table_oid = head.text()?;
    let _oid = head.text()?;
    let tag = head.text()?.unwrap_or_default();
    let kind = head.text()?.unwrap_or_default();
    let _section = head.int()?;
    let definition = head.text()?.unwrap_or_default();
    let _drop = head.text()?;
    let _copy = head.text()?;
    let namespace = head.text()?.unwrap_or_default();
    let _tablespace = head.text()?;
    if minor >= 14 {
        let _access_method = head.text()?;
    }
    if minor >= 16 {
        let _relation_kind = head.int()?;
    }
    let owner = head.text()?.unwrap_or_default();
    let _with_oids = head.text()?;
    while head.text()?.is_some() {}
    // Where the data lies: a flag, then the place.
    for _ in 0..=head.offset_size {
        head.byte()?;
    }
    match kind.as_str() {
        "EXTENSION" => contents.extensions.push(tag),
        "TABLE DATA" => {
            let table = QualifiedName {
                schema: namespace,
                name: tag,
            };
            contents
                .rows
                .insert((String::new(), table), Rows::default());
        }
        "BLOB" | "BLOB METADATA" => {
            // From version 17 on one entry stands for many: its tag is a range.
            let many = tag.split_once("..").and_then(|(first, last)| {
                Some(
                    last.parse::<u64>()
                        .ok()?
                        .saturating_sub(first.parse().ok()?)
                        + 1,
                )
            });
            contents.large_objects += many.unwrap_or(1);
        }
        "ACL" | "DEFAULT ACL" => contents.has_privileges = true,
        "ENCODING" => {
            contents.encoding = definition.split('\'').nth(1).map(str::to_owned);
        }
        _ => {}
    }
    if !owner.is_empty() {
        contents.has_owners = true;
        if !contents.owners.contains(&owner) {
            contents.owners.push(owner);
        }
    }
    Ok(has_data)
}

/// Seconds, minutes, hours, day, month from 0, year from 1900: the fields of `struct tm`.
fn timestamp(date: [i64; 7]) -> Option<Timestamp> {
    let [second, minute, hour, day, month, year, _] = date;
    let small = |value: i64| i8::try_from(value).ok();
    let date = DateTime::new(
        i16::try_from(year + 1900).ok()?,
        small(month + 1)?,
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
