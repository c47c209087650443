//! Compression and encryption around a backup, outside of its format. Layers are detected by content,
//! never by name, and removed from the outside in.
//!
//! - one layer a file: `age`, `command`, and `compressed` for those of `backup::compression`
//! - `file`: the file as stored, with its digest; `ahead`: the threads that read and decompress
//! - `settings`, `keys`: the settings of decryption, and their resolved form
//! - `trouble`: why a file cannot be read: machine, keys or backup

mod age;
mod ahead;
mod buffered;
mod command;
mod compressed;
mod file;
mod foreign;
mod keys;
pub mod settings;
#[cfg(test)]
mod tests;
mod trouble;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use buffered::Buffered;
use compressed::{Compressed, Notes};
use file::Reading;
use keys::Way;

pub use file::FileFacts;
pub use keys::Keys;
pub use trouble::{Trouble, damage};

use crate::outcome::Finding;
use pgdump::compression::{Frame, Gzip, Lz4, Xz, Zstd, skippable};

/// Maximum number of bytes that [`Unpacked::head`] returns.
const HEAD: usize = 512;

/// Maximum number of layers: more is an attack, not a backup.
const MOST_LAYERS: usize = 8;

/// One layer of compression or encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// gzip, of any number of members.
    Gzip,
    /// zstd, of any number of frames.
    Zstd,
    /// lz4, of any number of frames.
    Lz4,
    /// xz, of any number of streams.
    Xz,
    /// age, binary or armored.
    Age,
    /// Decrypted by the command of the scenario: the name of its program.
    Command(String),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip => f.write_str("gzip"),
            Self::Zstd => f.write_str("zstd"),
            Self::Lz4 => f.write_str("lz4"),
            Self::Xz => f.write_str("xz"),
            Self::Age => f.write_str("age"),
            Self::Command(name) => write!(f, "`{name}`"),
        }
    }
}

impl Layer {
    /// Whether it is a compression, not an encryption.
    #[must_use]
    pub const fn is_compression(&self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd | Self::Lz4 | Self::Xz)
    }

    /// The shell command that reads it; the file name follows.
    #[must_use]
    pub fn undone_by(&self) -> &str {
        match self {
            Self::Gzip => "gunzip -c",
            Self::Zstd => "zstd -dc",
            Self::Lz4 => "lz4 -dc",
            Self::Xz => "xz -dc",
            Self::Age => "age -d",
            Self::Command(name) => name,
        }
    }

    /// Detects a layer by its first bytes.
    fn of(head: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| head.starts_with(magic);
        if begins(Gzip::<Buffered>::MAGIC) {
            Some(Self::Gzip)
        } else if begins(Zstd::<Buffered>::MAGIC) {
            Some(Self::Zstd)
        } else if begins(Lz4::<Buffered>::MAGIC) {
            Some(Self::Lz4)
        } else if begins(Xz::<Buffered>::MAGIC) {
            Some(Self::Xz)
        } else if begins(age::BINARY) || begins(age::ARMORED) {
            Some(Self::Age)
        } else {
            // zstd and lz4 share these; the first frame with content distinguishes them.
            let length = usize::try_from(skippable(head)?).ok()?;
            Self::of(head.get(length..)?)
        }
    }
}

/// Why a file was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{trouble}")]
pub struct OpenError {
    /// The cause.
    pub trouble: Trouble,
    /// The file as stored, when the backup is the cause and the file could be read.
    pub file: Option<Box<FileFacts>>,
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        Self {
            trouble,
            file: None,
        }
    }
}

/// A file that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The file as stored.
    pub file: FileFacts,
    /// Bytes of the content; with a problem, bytes of the readable part.
    pub unpacked_bytes: u64,
    /// Why the content is not complete.
    pub problem: Option<Finding>,
    /// Warnings about the layers, such as padding.
    pub warnings: Vec<Finding>,
}

/// The content inside all layers. Read it on a blocking thread: a decrypt command needs the runtime.
///
/// The content is complete only when `read` reached the end without an error: in most layers the
/// checksum follows it.
pub struct Unpacked {
    content: Buffered,
    layers: Vec<Layer>,
    head: Vec<u8>,
    reading: Reading,
    notes: Notes,
    bytes: u64,
}

impl Unpacked {
    /// Opens a file and removes its layers.
    ///
    /// # Errors
    /// When the machine, the keys or the backup prevent it.
    pub fn open(path: &Path, keys: &Keys) -> Result<Self, OpenError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| {
            Trouble::place(format!("cannot open {name}: {error}"))
                .hint("run redrill as a user who may read the backup")
        })?;
        Self::from_reader(name, file, keys)
    }

    /// Removes the layers of another reader, such as a member of a bundle; `name` names it in errors.
    ///
    /// # Errors
    /// When the machine, the keys or the backup prevent it.
    pub fn from_reader(
        name: impl Into<String>,
        reader: impl Read + Send + 'static,
        keys: &Keys,
    ) -> Result<Self, OpenError> {
        let (chunks, reading) = file::read(name.into(), reader)?;
        let notes = Notes::default();
        match peel(Buffered::new(chunks), keys, &notes) {
            Ok((content, layers, head)) => Ok(Self {
                content: on_thread(content, &layers)?,
                layers,
                head,
                reading,
                notes,
                bytes: 0,
            }),
            Err(trouble @ Trouble::Backup(_)) => Err(OpenError {
                trouble,
                file: Some(Box::new(reading.end()?)),
            }),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The layers, outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The first 512 bytes of the content, or all of it if shorter.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Reads the rest of the content and of the file.
    ///
    /// # Errors
    /// When the machine or the keys prevent it. Damage is in [`Ended::problem`].
    pub fn end(mut self) -> Result<Ended, Trouble> {
        let rest = io::copy(&mut self, &mut io::sink());
        let problem = match rest.map_err(|error| Trouble::of(&error)) {
            Ok(_) => None,
            Err(Trouble::Backup(finding)) => Some(finding),
            Err(trouble) => return Err(trouble),
        };
        // Drops the receiver, so that the thread can end.
        drop(self.content);
        Ok(Ended {
            file: self.reading.end()?,
            unpacked_bytes: self.bytes,
            problem,
            warnings: self.notes.take(),
        })
    }
}

impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked")
            .field("layers", &self.layers)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(out)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Removes layer by layer; returns the content, the layers and the first bytes.
fn peel(
    mut content: Buffered,
    keys: &Keys,
    notes: &Notes,
) -> Result<(Buffered, Vec<Layer>, Vec<u8>), Trouble> {
    let mut layers: Vec<Layer> = Vec::new();
    if let Some(Way::Command(command)) = &keys.0
        && !head(&mut content)?.is_empty()
    {
        layers.push(Layer::of_command(command));
        content = Buffered::new(command::decrypt(command, content, notes.clone())?);
    }
    loop {
        let head = head(&mut content)?;
        let Some(layer) = Layer::of(&head) else {
            foreign::refuse(&head, keys, &layers)?;
            if head.is_empty() {
                return Err(Trouble::Backup(empty(&layers)));
            }
            return Ok((content, layers, head));
        };
        if layer.is_compression() && layers.last() == Some(&layer) {
            return Err(Trouble::Backup(
                Finding::new(
                    format!("a backup inside the {layer} file"),
                    format!("another {layer} file: it was compressed twice"),
                )
                .hint("psql cannot read it like this: correct the backup job"),
            ));
        }
        if layers.len() == MOST_LAYERS {
            return Err(Trouble::Backup(Finding::new(
                format!(
                    "a backup inside at most {MOST_LAYERS} layers of compression and encryption"
                ),
                format!("one more layer: {layer}"),
            )));
        }
        content = match (&layer, &keys.0) {
            (Layer::Gzip, _) => Buffered::new(Compressed::<Gzip<_>>::new(content, &layer, notes)),
            (Layer::Zstd, _) => Buffered::new(Compressed::<Zstd<_>>::new(content, &layer, notes)),
            (Layer::Lz4, _) => Buffered::new(Compressed::<Lz4<_>>::new(content, &layer, notes)),
            (Layer::Xz, _) => Buffered::new(Compressed::<Xz<_>>::new(content, &layer, notes)),
            (Layer::Age, Some(Way::Age(identities))) => {
                Buffered::new(age::decrypt(content, identities)?)
            }
            (Layer::Age | Layer::Command(_), _) => {
                return Err(Trouble::keys(
                    "it is encrypted with age, and the scenario has no identity for it",
                    "add `[backup.decrypt] age-identity = { file = \"backup.key\" }` to the scenario",
                ));
            }
        };
        layers.push(layer);
    }
}

/// Decompresses on a separate thread where this program does the work: a second core then parses the
/// content. A command is a separate process anyway, and must end when its reader does.
fn on_thread(content: Buffered, layers: &[Layer]) -> Result<Buffered, Trouble> {
    let command = layers
        .iter()
        .any(|layer| matches!(layer, Layer::Command(_)));
    if layers.is_empty() || command {
        return Ok(content);
    }
    Ok(Buffered::new(ahead::read(content)?))
}

/// The first bytes inside the layers so far.
fn head(content: &mut Buffered) -> Result<Vec<u8>, Trouble> {
    let head = content.peek(HEAD).map_err(|error| Trouble::of(&error))?;
    Ok(head[..head.len().min(HEAD)].to_vec())
}

/// An empty file, or an empty layer: what a pipe writes when `pg_dump` failed.
fn empty(layers: &[Layer]) -> Finding {
    let around: String = layers.iter().map(|layer| format!("{layer} of ")).collect();
    Finding::new("a PostgreSQL backup", format!("{around}an empty file"))
        .hint("the backup job wrote nothing: check its exit code and the disk")
}
