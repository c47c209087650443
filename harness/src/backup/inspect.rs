//! One streaming pass over the file: digest, compression to its end, completeness, contents.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};

use sha2::{Digest as _, Sha256};

use super::format::archive::{ArchiveError, custom};
use super::format::gzip::Members;
use super::format::{Format, Sniffed, plain, sniff};
use super::source::{Found, made};
use super::{Backup, Contents};
use crate::outcome::Finding;
use crate::redact::hex;

/// Why a backup could not be looked at. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InspectError {
    /// A lowercase fragment.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Takes the digest of everything that is read through it.
#[derive(Debug)]
struct Digesting<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Looks at a file from its first byte to its last. Blocks: it is run on a thread of its own.
///
/// # Errors
/// When the file cannot be opened, or is of a kind that this version cannot read. What is wrong
/// with the file itself is in [`Backup::problems`].
pub fn inspect(found: &Found) -> Result<Backup, InspectError> {
    let unreadable = |error: io::Error| InspectError {
        reason: format!("cannot read {}: {error}", found.path.display()),
        hint: Some("run redrill as a user who may read the backup".to_owned()),
    };
    let mut file = File::open(&found.path).map_err(unreadable)?;
    let mut head = Vec::with_capacity(512);
    (&mut file)
        .take(512)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let reader = Digesting {
        inner: file,
        digest: Sha256::new(),
        bytes: 0,
    };
    let mut reader = BufReader::with_capacity(256 * 1024, reader);

    let mut backup = Backup {
        path: found.path.clone(),
        chosen: found.chosen.clone(),
        format: Format::Plain { gzip: false },
        bytes: 0,
        uncompressed_bytes: 0,
        sha256: String::new(),
        made: None,
        contents: Contents::default(),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let (mut header_time, mut data_entries) = (None, 0);
    match sniff(&head) {
        Sniffed::Refused(finding) => backup.problems.push(finding),
        Sniffed::Unsupported(kind, hint) => {
            return Err(InspectError {
                reason: format!(
                    "{} is {kind}, which this version does not read",
                    found.path.display()
                ),
                hint: Some(hint.to_owned()),
            });
        }
        Sniffed::Text => text(&mut backup, &mut reader).map_err(unreadable)?,
        Sniffed::Gzip => gzip(&mut backup, &mut reader)?,
        Sniffed::Archive => {
            match custom::read(&mut reader) {
                Ok(archive) => {
                    let version = archive.layout.map(|layout| layout.version.to_string());
                    backup.format = Format::Archive {
                        version: version.unwrap_or_default(),
                    };
                    header_time = archive.made;
                    data_entries = archive.data_entries;
                    backup.contents = archive.contents;
                    backup.problems.extend(archive.problems.problems);
                    backup.warnings.extend(archive.problems.warnings);
                    backup.uncompressed_bytes = archive.uncompressed_bytes;
                }
                Err(ArchiveError::Io(error)) => return Err(unreadable(error)),
                Err(error @ ArchiveError::Unsupported(_)) => {
                    return Err(InspectError {
                    reason: format!("{} is {error}", found.path.display()),
                    hint: Some("dump again with a pg_dump that this version knows, or into a plain file".to_owned()),
                });
                }
            }
        }
    }
    // What a format does not read still counts for the digest.
    io::copy(&mut reader, &mut io::sink()).map_err(unreadable)?;
    let contents = &backup.contents;
    let holds_data = data_entries > 0 || !contents.rows.is_empty() || contents.large_objects > 0;
    if backup.problems.is_empty() && !holds_data {
        backup.problems.push(
            Finding::new("rows of at least one table", "definitions without any data").hint(
                "it holds only roles (`--globals-only`) or only a schema (`--schema-only`), its filters match no table, or the databases behind the roles were cut off",
            ),
        );
    }
    let digested = reader.into_inner();
    backup.bytes = digested.bytes;
    backup.sha256 = hex(&digested.digest.finalize());
    if backup.uncompressed_bytes == 0 {
        backup.uncompressed_bytes = backup.bytes;
    }
    backup.made = made(found, header_time);
    Ok(backup)
}

/// Reads plain SQL.
fn text(backup: &mut Backup, reader: impl BufRead) -> io::Result<()> {
    let (contents, found, bytes) = plain::read(reader)?;
    backup.contents = contents;
    backup.problems.extend(found.problems);
    backup.warnings.extend(found.warnings);
    backup.uncompressed_bytes = bytes;
    Ok(())
}

/// Reads what is inside a gzip file; damage is a problem of the backup.
fn gzip(backup: &mut Backup, reader: &mut impl BufRead) -> Result<(), InspectError> {
    backup.format = Format::Plain { gzip: true };
    let mut members = Members::new(reader);
    let mut inner = BufReader::with_capacity(256 * 1024, &mut members);
    let damaged = |error: &io::Error| {
        let actual = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
            _ => format!("it is damaged: {error}"),
        };
        Finding::new("a gzip file whose checksum is right to its end", actual).hint(
            "the file was cut off or changed: compare its size and digest with where it was made",
        )
    };
    let head = match inner.fill_buf() {
        Ok(head) => head[..head.len().min(512)].to_vec(),
        Err(error) => {
            backup.problems.push(damaged(&error));
            return Ok(());
        }
    };
    match sniff(&head) {
        Sniffed::Text => {
            if let Err(error) = text(backup, inner) {
                backup.problems.push(damaged(&error));
            }
        }
        Sniffed::Refused(finding) => backup.problems.push(Finding {
            actual: format!("gzip of {}", finding.actual),
            ..finding
        }),
        Sniffed::Gzip => backup.problems.push(
            Finding::new(
                "SQL inside the gzip file",
                "another gzip file: it was compressed twice",
            )
            .hint("psql cannot read it as it is: mend the backup job"),
        ),
        Sniffed::Archive => {
            return Err(InspectError {
                reason: "a pg_dump archive inside a gzip file is not read by this version"
                    .to_owned(),
                hint: Some(
                    "decompress it first: `gunzip FILE`; archives compress by themselves"
                        .to_owned(),
                ),
            });
        }
        Sniffed::Unsupported(kind, hint) => {
            return Err(InspectError {
                reason: format!("{kind} inside a gzip file is not read by this version"),
                hint: Some(hint.to_owned()),
            });
        }
    }
    if members.trailing > 0 {
        backup.warnings.push(
            Finding::new(
                "nothing behind the end of the gzip data",
                format!(
                    "{} more bytes, which every reader ignores",
                    members.trailing
                ),
            )
            .hint("padding comes from tapes and block devices; other bytes deserve a look"),
        );
    }
    Ok(())
}
