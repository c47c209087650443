//! One dump in one file, or in the folder of a directory archive.

use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Bundles, CHUNK, InspectError, Inspection, Looked, base};
use crate::backup::format::archive::{Archive, ArchiveError, custom, directory, tar};
use crate::backup::format::lexer::Lexer;
use crate::backup::format::{self, Format, Sniffed, plain, sniff};
use crate::backup::gather::Gather;
use crate::backup::packing::{self, Layer, OpenError, Trouble, Unpacked};
use crate::backup::{Contents, Part};
use crate::event::Event;
use crate::outcome::Finding;

/// How much is read between two signs of life.
const SIGN_OF_LIFE: u64 = 16 << 20;

/// What the readers of archives read from.
type BoxedReader<'a> = Box<dyn io::BufRead + 'a>;

/// What a dump said while it was read.
struct Dump {
    format: Format,
    contents: Contents,
    header_time: Option<Timestamp>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
    /// Bytes of definitions and rows, without any compression.
    text_bytes: u64,
    /// Where it was written out.
    copy: Option<PathBuf>,
}

impl Inspection {
    /// A file, whatever it is wrapped in.
    pub(super) fn file(
        &self,
        name: &str,
        path: &Path,
        bundles: Bundles,
    ) -> Result<Looked, InspectError> {
        let mut content = match Unpacked::open(path, &self.keys) {
            Ok(content) => content,
            Err(error) => return broken(error),
        };
        let layers = content.layers().to_vec();
        let read = match sniff(content.head()) {
            Sniffed::Unsupported(kind, hint) => {
                return Err(InspectError::new(
                    format!(
                        "{} is {kind}, which this version does not read",
                        path.display()
                    ),
                    hint,
                ));
            }
            Sniffed::Refused(finding) => Ok(Err(inside(&layers, finding))),
            Sniffed::TableOfContents => Ok(Err(Finding::new(
                "a PostgreSQL backup",
                "the table of contents of an archive, without the files that hold its data",
            )
            .hint("name the folder that pg_dump wrote, not the toc.dat in it"))),
            Sniffed::Text => self.plain(&mut content).map(Ok).map_err(ArchiveError::Io),
            Sniffed::Custom => self.archive(name, &mut content, |reader, gather| {
                custom::read_into(reader, gather)
            }),
            Sniffed::Tar if is_tar_archive(content.head()) => {
                self.archive(name, &mut content, |reader, gather| {
                    tar::read_into(reader, gather)
                })
            }
            Sniffed::Tar if bundles == Bundles::Within => {
                return Err(InspectError::new(
                    format!("{name} is a bundle in a bundle, which this version does not read"),
                    "unpack the inner one first: `tar xf FILE`",
                ));
            }
            Sniffed::Tar => return self.packed_bundle(name, path, content, &layers),
        };
        let (mut looked, mut broken) = (Looked::default(), None);
        let dump = match read {
            Ok(Ok(dump)) => Some(dump),
            Ok(Err(finding)) => {
                broken = Some(finding);
                None
            }
            Err(ArchiveError::Io(error)) => {
                broken = Some(at_fault(path, &error)?);
                None
            }
            Err(error @ ArchiveError::Unsupported(_)) => return Err(unsupported(path, &error)),
        };
        whole_file(content, &layers, &mut looked, &mut broken)?;
        looked.problems.extend(broken);
        match dump {
            Some(dump) => self.part(name, path, layers, dump, &mut looked),
            None => looked.format = format::describe(&"no backup", &layers),
        }
        Ok(looked)
    }

    /// An archive with a file for every table.
    pub(super) fn directory_archive(
        &self,
        name: &str,
        path: &Path,
    ) -> Result<Looked, InspectError> {
        let read = directory::read_into(path, self.gather()).map_err(|error| match error {
            ArchiveError::Io(error) => InspectError::place(path, &error),
            ArchiveError::Unsupported(_) => unsupported(path, &error),
        })?;
        let mut looked = Looked {
            bytes: read.bytes,
            sha256: read.sha256,
            ..Looked::default()
        };
        match dump(read.archive, None) {
            Ok(dump) => self.part(name, path, Vec::new(), dump, &mut looked),
            Err(finding) => {
                looked.format = "no backup".to_owned();
                looked.problems.push(finding);
            }
        }
        Ok(looked)
    }

    /// Adds a dump that was read to what is known of its file.
    fn part(&self, name: &str, path: &Path, layers: Vec<Layer>, dump: Dump, looked: &mut Looked) {
        looked.format = format::describe(&dump.format, &layers);
        looked.header_time = dump.header_time;
        looked.problems.extend(dump.problems);
        looked.warnings.extend(dump.warnings);
        let (path, layers) = match dump.copy {
            Some(copy) => (copy, Vec::new()),
            None => (
                path.canonicalize().unwrap_or_else(|_| path.to_owned()),
                layers,
            ),
        };
        looked.parts.push(Part {
            name: name.to_owned(),
            path,
            layers,
            keys: self.keys.clone(),
            format: dump.format,
            bytes: looked.bytes,
            unpacked_bytes: looked.unpacked_bytes.unwrap_or(looked.bytes),
            text_bytes: dump.text_bytes,
            sha256: looked.sha256.clone(),
            named_database: None,
            contents: dump.contents,
        });
    }

    /// Reads plain SQL.
    fn plain(&self, content: &mut Unpacked) -> io::Result<Dump> {
        let reader = BufReader::with_capacity(CHUNK, self.watched(content));
        let (contents, found, text_bytes) = plain::read_into(Lexer::new(reader), self.gather())?;
        Ok(Dump {
            format: Format::Plain,
            contents,
            header_time: None,
            problems: found.problems,
            warnings: found.warnings,
            text_bytes,
            copy: None,
        })
    }

    /// Reads an archive in one file; one that is wrapped in something is also written out, since
    /// pg_restore reads it from a file.
    fn archive(
        &self,
        name: &str,
        content: &mut Unpacked,
        read: fn(BoxedReader<'_>, Gather) -> Result<Archive, ArchiveError>,
    ) -> Result<Result<Dump, Finding>, ArchiveError> {
        let (mut copy, mut sink) = (None, None);
        if !content.layers().is_empty() && self.for_restore {
            let (path, file) = self.spool.file(&format!("{}.archive", base(name)))?;
            (copy, sink) = (Some(path), Some(file));
        }
        let mut tee = Tee {
            reader: self.watched(content),
            copy: sink,
        };
        let archive = read(
            Box::new(BufReader::with_capacity(CHUNK, &mut tee)),
            self.gather(),
        )?;
        io::copy(&mut tee, &mut io::sink())?;
        Ok(dump(archive, copy))
    }

    /// Tells the listener how far the reading is.
    pub(super) fn watched<R: Read>(&self, reader: R) -> impl Read {
        let listener = self.listener.clone();
        Watched {
            reader,
            bytes: 0,
            told: 0,
            tell: move |bytes| listener(Event::Inspected { bytes }),
        }
    }
}

/// Takes what is known of a file when it was read to its end.
pub(super) fn whole_file(
    content: Unpacked,
    layers: &[Layer],
    looked: &mut Looked,
    broken: &mut Option<Finding>,
) -> Result<(), InspectError> {
    let ended = content.end()?;
    looked.bytes = ended.file.bytes;
    looked.sha256 = ended.file.sha256;
    looked.unpacked_bytes = (!layers.is_empty()).then_some(ended.unpacked_bytes);
    looked.warnings.extend(ended.warnings);
    if let Some(problem) = ended.problem {
        broken.get_or_insert(problem);
    }
    Ok(())
}

/// A dump of what an archive told, unless even its head is not there.
fn dump(archive: Archive, copy: Option<PathBuf>) -> Result<Dump, Finding> {
    let Some(layout) = archive.layout else {
        let first = archive.problems.problems.into_iter().next();
        return Err(first.unwrap_or_else(|| Finding::new("an archive of pg_dump", "no head")));
    };
    Ok(Dump {
        format: Format::Archive(layout),
        contents: archive.contents,
        header_time: archive.made,
        problems: archive.problems.problems,
        warnings: archive.problems.warnings,
        text_bytes: archive.uncompressed_bytes,
        copy,
    })
}

/// An archive of a version that is not known.
fn unsupported(path: &Path, error: &ArchiveError) -> InspectError {
    InspectError::new(
        format!("{} is {error}", path.display()),
        "use a newer redrill, or dump again into a plain file",
    )
}

/// Tells now and then how much was read.
struct Watched<R, T> {
    reader: R,
    bytes: u64,
    told: u64,
    tell: T,
}

impl<R: Read, T: Fn(u64)> Read for Watched<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes += read as u64;
        if self.bytes - self.told >= SIGN_OF_LIFE {
            self.told = self.bytes;
            (self.tell)(self.bytes);
        }
        Ok(read)
    }
}

/// A file that cannot be opened; when that is the backup's own fault, it is all that is known of it.
fn broken(error: OpenError) -> Result<Looked, InspectError> {
    match error {
        OpenError {
            trouble: Trouble::Backup(finding),
            file: Some(file),
        } => Ok(Looked {
            format: "no backup".to_owned(),
            bytes: file.bytes,
            sha256: file.sha256,
            problems: vec![finding],
            ..Looked::default()
        }),
        OpenError { trouble, .. } => Err(trouble.into()),
    }
}

/// What an error from reading says about the backup.
///
/// # Errors
/// When it says nothing about it.
pub(super) fn at_fault(path: &Path, error: &io::Error) -> Result<Finding, InspectError> {
    match packing::damage(error) {
        Some(finding) => Ok(finding),
        None => Err(
            match error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Trouble>())
            {
                Some(trouble) => trouble.clone().into(),
                None => InspectError::place(path, error),
            },
        ),
    }
}

/// Writes down what is read through it.
struct Tee<R, W> {
    reader: R,
    copy: Option<W>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..read])?;
        }
        Ok(read)
    }
}

/// Whether a tar file is an archive by `pg_dump --format=tar`: it begins with its table of contents.
fn is_tar_archive(head: &[u8]) -> bool {
    head.starts_with(b"toc.dat\0")
}

/// Says of a finding what it lay in.
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
