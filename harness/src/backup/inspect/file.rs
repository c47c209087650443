//! One dump in one file, or in the folder of a directory archive.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use pgdump::format::archive::{Archive, ArchiveError, custom, directory, tar};
use pgdump::format::{Format, Sniffed, plain, sniff};
use pgdump::gather::Gather;
use pgdump::script::lexer::Lexer;

use super::{Bundles, CHUNK, Inspected, Inspection, unreadable};
use crate::backup::fault::{finding, findings};
use crate::backup::packing::{Layer, LayerError, OpenError, Unpacked};
use crate::backup::source::HeaderTime;
use crate::backup::{Contents, Part, describe, foreign};
use crate::event::Event;
use crate::outcome::{CouldNotRun, Finding};

/// Bytes between two progress events.
const PROGRESS_STEP: u64 = 16 << 20;

/// The format of a file that is not a backup.
const NO_BACKUP: &str = "no backup";

/// What the readers of archives read from.
type BoxedReader<'a> = Box<dyn io::BufRead + 'a>;

/// A dump that was read.
struct Dump {
    format: Format,
    contents: Contents,
    header_time: Option<HeaderTime>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
    unread: Vec<Finding>,
    /// Bytes of definitions and rows, without any compression.
    text_bytes: u64,
}

impl Inspection {
    /// Inspects a file with all its layers.
    pub(super) fn file(
        &self,
        name: &str,
        path: &Path,
        bundles: Bundles,
    ) -> Result<Inspected, CouldNotRun> {
        let mut content = match Unpacked::open(path, &self.keys) {
            Ok(content) => content,
            Err(OpenError::CouldNotRun(error)) => return Err(error),
            Err(OpenError::Damaged(finding, file)) => {
                return Ok(Inspected {
                    format: NO_BACKUP.to_owned(),
                    bytes: file.bytes,
                    sha256: file.sha256,
                    problems: vec![*finding],
                    ..Inspected::default()
                });
            }
        };
        let layers = content.layers().to_vec();
        let read = match sniff(content.head()) {
            Sniffed::TableOfContents => Ok(Err(Finding::new(
                "a PostgreSQL backup",
                "the table of contents of an archive, without the files that contain its data",
            )
            .hint("name the folder that pg_dump wrote, not the toc.dat in it"))),
            Sniffed::Text if content.head().starts_with(b"PK\x03\x04") => {
                return Err(CouldNotRun::with_hint(
                    format!(
                        "{} is a zip file, which this version does not read",
                        path.display()
                    ),
                    "unpack it first: `unzip FILE`",
                ));
            }
            Sniffed::Text => match foreign::recognise(content.head()) {
                Some(finding) => Ok(Err(inside(&layers, finding))),
                None => self.plain(&mut content).map(Ok).map_err(ArchiveError::Io),
            },
            Sniffed::Custom => self.archive(&mut content, |reader, gather| {
                custom::read_into(reader, gather)
            }),
            Sniffed::Tar if is_tar_archive(content.head()) => self
                .archive(&mut content, |reader, gather| {
                    tar::read_into(reader, gather)
                }),
            Sniffed::Tar if bundles == Bundles::Within => {
                return Err(CouldNotRun::with_hint(
                    format!("{name} is a bundle in a bundle, which this version does not read"),
                    "unpack the inner one first: `tar xf FILE`",
                ));
            }
            Sniffed::Tar => return self.packed_bundle(name, path, content, &layers),
        };
        let (mut inspected, mut broken) = (Inspected::default(), None);
        let dump = match read {
            Ok(Ok(dump)) => Some(dump),
            Ok(Err(finding)) => {
                broken = Some(finding);
                None
            }
            Err(ArchiveError::Io(error)) => {
                broken = Some(finding_of(path, &error)?);
                None
            }
            Err(error @ ArchiveError::Unsupported(_)) => return Err(unsupported(path, &error)),
        };
        whole_file(content, &layers, &mut inspected, &mut broken)?;
        inspected.problems.extend(broken);
        match dump {
            Some(dump) => self.part(name, path, layers, dump, &mut inspected),
            None => inspected.format = describe(&NO_BACKUP, &layers),
        }
        Ok(inspected)
    }

    /// An archive with a file for every table.
    pub(super) fn directory_archive(
        &self,
        name: &str,
        path: &Path,
    ) -> Result<Inspected, CouldNotRun> {
        let read = directory::read_into(path, self.gather()).map_err(|error| match error {
            ArchiveError::Io(error) => unreadable(path, &error),
            ArchiveError::Unsupported(_) => unsupported(path, &error),
        })?;
        let mut inspected = Inspected {
            bytes: read.bytes,
            sha256: read.sha256,
            ..Inspected::default()
        };
        match dump(read.archive) {
            Ok(dump) => self.part(name, path, Vec::new(), dump, &mut inspected),
            Err(finding) => {
                inspected.format = NO_BACKUP.to_owned();
                inspected.problems.push(finding);
            }
        }
        Ok(inspected)
    }

    /// Adds a dump that was read.
    fn part(
        &self,
        name: &str,
        path: &Path,
        layers: Vec<Layer>,
        dump: Dump,
        inspected: &mut Inspected,
    ) {
        inspected.format = describe(&dump.format, &layers);
        inspected.header_time = dump.header_time;
        inspected.problems.extend(dump.problems);
        inspected.warnings.extend(dump.warnings);
        inspected.unread.extend(dump.unread);
        inspected.parts.push(Part {
            name: name.to_owned(),
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            layers,
            unpacked: None,
            keys: self.keys.clone(),
            format: dump.format,
            bytes: inspected.bytes,
            unpacked_bytes: inspected.unpacked_bytes.unwrap_or(inspected.bytes),
            text_bytes: dump.text_bytes,
            sha256: inspected.sha256.clone(),
            named_database: None,
            server: None,
            contents: Arc::new(dump.contents),
        });
    }

    /// Reads plain SQL.
    fn plain(&self, content: &mut Unpacked) -> io::Result<Dump> {
        let reader = BufReader::with_capacity(CHUNK, self.watched(content));
        let (contents, found, text_bytes) = plain::read_into(Lexer::new(reader), self.gather())?;
        Ok(Dump {
            format: Format::Plain,
            header_time: contents.made.map(HeaderTime::Exact),
            contents,
            problems: findings(found.problems).collect(),
            warnings: findings(found.warnings).collect(),
            unread: findings(found.unread).collect(),
            text_bytes,
        })
    }

    /// Reads an archive in one file.
    fn archive(
        &self,
        content: &mut Unpacked,
        read: fn(BoxedReader<'_>, Gather) -> Result<Archive, ArchiveError>,
    ) -> Result<Result<Dump, Finding>, ArchiveError> {
        let mut reader = self.watched(content);
        let archive = read(
            Box::new(BufReader::with_capacity(CHUNK, &mut reader)),
            self.gather(),
        )?;
        io::copy(&mut reader, &mut io::sink())?;
        Ok(dump(archive))
    }

    /// Reports progress to the listener.
    pub(super) fn watched<R: Read>(&self, reader: R) -> impl Read {
        let listener = self.listener.clone();
        Watched {
            reader,
            bytes: 0,
            reported: 0,
            report: move |bytes| listener(Event::Inspected { bytes }),
        }
    }
}

/// Adds the results of reading a file to its end.
pub(super) fn whole_file(
    content: Unpacked,
    layers: &[Layer],
    inspected: &mut Inspected,
    broken: &mut Option<Finding>,
) -> Result<(), CouldNotRun> {
    let ended = content.end()?;
    inspected.bytes = ended.file.bytes;
    inspected.sha256 = ended.file.sha256;
    inspected.unpacked_bytes = (!layers.is_empty()).then_some(ended.unpacked_bytes);
    inspected.warnings.extend(ended.warnings);
    if let Some(problem) = ended.problem {
        broken.get_or_insert(problem);
    }
    Ok(())
}

/// The dump of an archive, unless even its header is missing.
fn dump(archive: Archive) -> Result<Dump, Finding> {
    let Some(layout) = archive.layout else {
        let first = archive.problems.problems.into_iter().next();
        return Err(first
            .map(finding)
            .unwrap_or_else(|| Finding::new("an archive of pg_dump", "no header")));
    };
    Ok(Dump {
        format: Format::Archive(layout),
        contents: archive.contents,
        header_time: archive.made.map(HeaderTime::Local),
        problems: findings(archive.problems.problems).collect(),
        warnings: findings(archive.problems.warnings).collect(),
        unread: findings(archive.problems.unread).collect(),
        text_bytes: archive.uncompressed_bytes,
    })
}

/// The error of an archive of an unknown version.
fn unsupported(path: &Path, error: &ArchiveError) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("{} is {error}", path.display()),
        "use a newer redrill, or dump in plain format",
    )
}

/// Reports progress from time to time.
struct Watched<R, T> {
    reader: R,
    bytes: u64,
    reported: u64,
    report: T,
}

impl<R: Read, T: Fn(u64)> Read for Watched<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes += read as u64;
        if self.bytes - self.reported >= PROGRESS_STEP {
            self.reported = self.bytes;
            (self.report)(self.bytes);
        }
        Ok(read)
    }
}

/// The finding of a read error.
///
/// # Errors
/// When the cause is not the backup.
pub(super) fn finding_of(path: &Path, error: &io::Error) -> Result<Finding, CouldNotRun> {
    match LayerError::inside(error) {
        Some(LayerError::Damaged(finding)) => Ok(finding.clone()),
        Some(LayerError::CouldNotRun(error)) => Err(error.clone()),
        None => Err(unreadable(path, error)),
    }
}

/// Whether a tar file is an archive of `pg_dump --format=tar`: it begins with its table of contents.
fn is_tar_archive(head: &[u8]) -> bool {
    head.starts_with(b"toc.dat\0")
}

/// Adds the name of the surrounding file to a finding.
fn inside(layers: &[Layer], finding: Finding) -> Finding {
    if layers.is_empty() {
        return finding;
    }
    let names: Vec<String> = layers.iter().map(ToString::to_string).collect();
    Finding {
        actual: format!("{} of {}", names.join(" of "), finding.actual),
        ..finding
    }
}
