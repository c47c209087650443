//! One streaming pass over a backup: digest, what it is wrapped in to its end, completeness, contents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::bundle::{self, Member};
use super::format::archive::{Archive, ArchiveError, custom, directory, tar};
use super::format::tar::TarError;
use super::format::{Format, Sniffed, plain, sniff};
use super::packing::{self, Keys, Layer, OpenError, Trouble, Unpacked};
use super::source::{Found, made};
use super::spool::Spool;
use super::{Backup, Contents, Part, format, manifest};
use crate::event::{Event, Listener};
use crate::outcome::Finding;
use crate::redact::hex;

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// How much is read between two signs of life.
const SIGN_OF_LIFE: u64 = 16 << 20;

/// Why a backup could not be looked at. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InspectError {
    /// A lowercase fragment.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<Trouble> for InspectError {
    fn from(trouble: Trouble) -> Self {
        let (reason, hint) = match trouble {
            Trouble::Place { reason, hint } | Trouble::Keys { reason, hint } => (reason, hint),
            Trouble::Backup(finding) => (finding.actual, finding.hint),
        };
        Self { reason, hint }
    }
}

impl InspectError {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    /// The disk, or the right to read it.
    fn place(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => {
                "free some space, or name another folder with `--work-dir`"
            }
            _ => "run redrill as a user who may read the backup",
        };
        Self::new(format!("cannot read {}: {error}", path.display()), hint)
    }
}

/// What an inspection needs beside the backup.
pub struct Inspection {
    /// Opens what is encrypted.
    pub keys: Keys,
    /// Takes what must lie on disk by itself: members of a tar file, archives that are wrapped.
    pub spool: Spool,
    /// Whether a restore follows: then an archive is written out of what it is wrapped in.
    pub for_restore: bool,
    /// Is told how far it is.
    pub listener: Listener,
}

impl Inspection {
    /// Looks and tells nobody; nothing is restored.
    #[must_use]
    pub fn quiet(spool: Spool) -> Self {
        Self {
            keys: Keys::default(),
            spool,
            for_restore: false,
            listener: std::sync::Arc::new(|_| {}),
        }
    }
}

/// Looks at a backup from its first byte to its last. Blocks: it is run on a thread of its own.
///
/// # Errors
/// When it cannot be opened, or is of a kind that this version cannot read. What is wrong with the
/// backup itself is in [`Backup::problems`].
pub fn inspect(found: &Found, inspection: &Inspection) -> Result<Backup, InspectError> {
    let name = found
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut looked = if found.path.is_dir() {
        inspection.folder(&name, &found.path)?
    } else {
        inspection.file(&name, &found.path, Bundles::Allowed)?
    };
    looked.judge();
    Ok(Backup {
        path: found.path.clone(),
        origin: found.origin.clone(),
        chosen: found.chosen.clone(),
        candidates: (found.candidates.clone(), found.unlisted),
        format: looked.format,
        bytes: looked.bytes,
        unpacked_bytes: looked.unpacked_bytes,
        sha256: looked.sha256,
        digest: None,
        made: made(found, looked.header_time),
        parts: looked.parts,
        tiers: Vec::new(),
        previous: None,
        problems: looked.problems,
        warnings: looked.warnings,
    })
}

/// Whether a file may be a bundle, rather than be in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bundles {
    Allowed,
    Within,
}

/// What the readers of archives read from.
type BoxedReader<'a> = Box<dyn io::BufRead + 'a>;

/// What a file or folder turned out to be.
#[derive(Debug, Default)]
struct Looked {
    format: String,
    bytes: u64,
    unpacked_bytes: Option<u64>,
    sha256: String,
    header_time: Option<Timestamp>,
    parts: Vec<Part>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Looked {
    /// What can only be said of the whole.
    fn judge(&mut self) {
        let holds_data = self.parts.iter().any(|part| part.contents.holds_data());
        if self.problems.is_empty() && !holds_data {
            self.problems.push(
                Finding::new("rows of at least one table", "definitions without any data").hint(
                    "it holds only roles (`--globals-only`) or only a schema (`--schema-only`), its filters match no table, or the databases behind the roles were cut off",
                ),
            );
        }
    }
}

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

impl Inspection {
    /// A folder: a directory archive, or a bundle.
    fn folder(&self, name: &str, path: &Path) -> Result<Looked, InspectError> {
        if path.join("PG_VERSION").exists() || path.join("backup_manifest").exists() {
            return Err(InspectError::new(
                format!(
                    "{} is a physical base backup, which this version does not restore",
                    path.display()
                ),
                "drill a logical backup: pg_dump, pg_dumpall",
            ));
        }
        if bundle::is_directory_archive(path) {
            return self.directory_archive(name, path);
        }
        let mut looked = self.bundle(path)?;
        looked.format = match looked.parts.len() {
            1 => "bundle of one dump, folder".to_owned(),
            dumps => format!("bundle of {dumps} dumps, folder"),
        };
        Ok(looked)
    }

    /// An archive with a file for every table.
    fn directory_archive(&self, name: &str, path: &Path) -> Result<Looked, InspectError> {
        let read = directory::read(path).map_err(|error| match error {
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

    /// All dumps of a folder are one backup.
    fn bundle(&self, folder: &Path) -> Result<Looked, InspectError> {
        let unreadable = |error: io::Error| InspectError::place(folder, &error);
        let members = bundle::members(folder).map_err(unreadable)?;
        let mut looked = Looked::default();
        let mut files = Vec::new();
        for Member { name, path } in &members.dumps {
            let mut one = if path.is_dir() {
                self.directory_archive(name, path)?
            } else {
                self.file(name, path, Bundles::Within)?
            };
            files.push((name.clone(), one.bytes, one.sha256.clone()));
            looked.bytes += one.bytes;
            let older = |a: Timestamp, b: Timestamp| a.min(b);
            looked.header_time = match (looked.header_time, one.header_time) {
                (Some(a), Some(b)) => Some(older(a, b)),
                (a, b) => a.or(b),
            };
            for part in &mut one.parts {
                part.named_database = Some(bundle::database_in_name(name));
            }
            looked.parts.append(&mut one.parts);
            let within = |finding: Finding| Finding {
                object: Some(match finding.object {
                    Some(object) => format!("{name}: {object}"),
                    None => name.clone(),
                }),
                ..finding
            };
            looked.problems.extend(one.problems.into_iter().map(within));
            looked.warnings.extend(one.warnings.into_iter().map(within));
        }
        let there: BTreeMap<String, String> = files
            .iter()
            .map(|(name, _, digest)| (base(name).to_owned(), digest.clone()))
            .collect();
        for Member { name, path } in &members.lists {
            let bytes = read_at_most(path, manifest::LONGEST).map_err(unreadable)?;
            looked.bytes += bytes.len() as u64;
            files.push((
                name.clone(),
                bytes.len() as u64,
                hex(&Sha256::digest(&bytes)),
            ));
            let stated = manifest::digests(&String::from_utf8_lossy(&bytes));
            looked
                .problems
                .extend(manifest::compare(name, &stated, &there));
        }
        for other in &members.others {
            looked.warnings.push(
                Finding::about(
                    other,
                    "dumps and a list of them",
                    "a file that is neither; it was left out",
                )
                .hint("name it with an extension of dumps, such as .sql or .dump, if it is one"),
            );
        }
        looked.sha256 = bundle::digest(&files);
        looked.parts.sort_by_key(|part| !part.is_globals());
        if members.dumps.is_empty() {
            looked.problems.push(
                Finding::new("a PostgreSQL backup", "a folder without a dump in it")
                    .hint("dumps are told by their extension, such as .sql.gz or .dump, or by their first bytes"),
            );
        }
        Ok(looked)
    }

    /// A file, whatever it is wrapped in.
    fn file(&self, name: &str, path: &Path, bundles: Bundles) -> Result<Looked, InspectError> {
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
            Sniffed::Custom => self.archive(name, &mut content, |reader| custom::read(reader)),
            Sniffed::Tar if is_tar_archive(content.head()) => {
                self.archive(name, &mut content, |reader| tar::read(reader))
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
        Self::whole_file(content, &layers, &mut looked, &mut broken)?;
        looked.problems.extend(broken);
        match dump {
            Some(dump) => self.part(name, path, layers, dump, &mut looked),
            None => looked.format = format::describe(&"no backup", &layers),
        }
        Ok(looked)
    }

    /// A tar file of dumps: they are unpacked, since pg_restore reads files.
    fn packed_bundle(
        &self,
        name: &str,
        path: &Path,
        mut content: Unpacked,
        layers: &[Layer],
    ) -> Result<Looked, InspectError> {
        let unreadable = |error: &io::Error| InspectError::place(path, error);
        let spool = self
            .spool
            .within(&format!("{}.members", base(name)))
            .map_err(|error| unreadable(&error))?;
        let reader = BufReader::with_capacity(CHUNK, self.watched(&mut content));
        let unpacked = bundle::unpack(reader, &spool);
        let (mut looked, mut broken) = (Looked::default(), None);
        match unpacked {
            Ok((folder, odd)) => {
                looked = self.folder(name, &folder)?;
                looked.warnings.extend(odd);
            }
            Err(TarError::Damaged(finding)) => broken = Some(*finding),
            Err(TarError::Io(error)) => {
                broken = Some(at_fault(path, &error)?);
            }
        }
        Self::whole_file(content, layers, &mut looked, &mut broken)?;
        looked.problems.extend(broken);
        let inner = if looked.format.is_empty() {
            "bundle".to_owned()
        } else {
            looked.format.replace(", folder", "")
        };
        looked.format = format::describe(&format!("{inner}, tar"), layers);
        Ok(looked)
    }

    /// Takes what is known of a file when it was read to its end.
    fn whole_file(
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
        let (contents, found, text_bytes) = plain::read(reader)?;
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
        read: fn(BoxedReader<'_>) -> Result<Archive, ArchiveError>,
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
        let archive = read(Box::new(BufReader::with_capacity(CHUNK, &mut tee)))?;
        io::copy(&mut tee, &mut io::sink())?;
        Ok(dump(archive, copy))
    }

    /// Tells the listener how far the reading is.
    fn watched<R: Read>(&self, reader: R) -> impl Read {
        let listener = self.listener.clone();
        Watched {
            reader,
            bytes: 0,
            told: 0,
            tell: move |bytes| listener(Event::Inspected { bytes }),
        }
    }
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
fn at_fault(path: &Path, error: &io::Error) -> Result<Finding, InspectError> {
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

/// Reads a small file.
fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
