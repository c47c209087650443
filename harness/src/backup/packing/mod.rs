//! Compression and encryption around a backup, outside of its format. Layers are detected by content,
//! never by name, and removed from the outside in.
//!
//! - `layer`: the kinds of layers; `age`, `command`, `compressed`: their readers
//! - `file`: the file as stored, with its digest; `ahead`: the threads that read and decompress
//! - `settings`, `keys`: the settings of decryption, and their resolved form
//! - `error`: why a file cannot be read: machine and settings, or backup

mod age;
mod ahead;
mod buffered;
mod command;
mod compressed;
mod error;
mod file;
mod foreign;
mod keys;
mod layer;
pub mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use buffered::Buffered;
use compressed::{Compressed, Notes};
use file::Reading;
use keys::Way;

pub use error::LayerError;
pub use file::FileFacts;
pub use keys::Keys;
pub use layer::Layer;

use crate::outcome::{CouldNotRun, Finding};
use pgdump::compression::{Gzip, Lz4, Xz, Zstd};

/// Maximum number of bytes that [`Unpacked::head`] returns.
const HEAD: usize = 512;

/// Maximum number of layers: more is an attack, not a backup.
const MOST_LAYERS: usize = 8;

/// Why a file was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The machine or the settings of decryption.
    #[error("{0}")]
    CouldNotRun(#[from] CouldNotRun),
    /// The backup, and the file as stored.
    #[error("{}", .0.actual)]
    Damaged(Box<Finding>, Box<FileFacts>),
}

impl From<OpenError> for LayerError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::CouldNotRun(error) => error.into(),
            OpenError::Damaged(finding, _) => Self::Damaged(*finding),
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
            CouldNotRun::with_hint(
                format!("cannot open {name}: {error}"),
                "run redrill as a user who may read the backup",
            )
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
            Err(LayerError::Damaged(finding)) => {
                Err(OpenError::Damaged(finding.into(), reading.end()?.into()))
            }
            Err(LayerError::CouldNotRun(error)) => Err(error.into()),
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
    pub fn end(mut self) -> Result<Ended, CouldNotRun> {
        let rest = io::copy(&mut self, &mut io::sink());
        let problem = match rest.map_err(|error| LayerError::of(&error)) {
            Ok(_) => None,
            Err(LayerError::Damaged(finding)) => Some(finding),
            Err(LayerError::CouldNotRun(error)) => return Err(error),
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
) -> Result<(Buffered, Vec<Layer>, Vec<u8>), LayerError> {
    let mut layers: Vec<Layer> = Vec::new();
    if let Some(Way::Command(command)) = &keys.0
        && !head(&mut content)?.is_empty()
    {
        layers.push(Layer::Command(command.name()));
        content = Buffered::new(command::decrypt(command, content, notes.clone())?);
    }
    loop {
        let head = head(&mut content)?;
        let Some(layer) = Layer::of(&head) else {
            foreign::refuse(&head, keys, &layers)?;
            if head.is_empty() {
                return Err(LayerError::Damaged(empty(&layers)));
            }
            return Ok((content, layers, head));
        };
        if layer.is_compression() && layers.last() == Some(&layer) {
            return Err(LayerError::Damaged(
                Finding::new(
                    format!("a backup inside the {layer} file"),
                    format!("another {layer} file: it was compressed twice"),
                )
                .hint("psql cannot read it like this: correct the backup job"),
            ));
        }
        if layers.len() == MOST_LAYERS {
            return Err(LayerError::Damaged(Finding::new(
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
                return Err(CouldNotRun::with_hint(
                    "it is encrypted with age, and the scenario has no identity for it",
                    "add `[backup.decrypt] age-identity = { file = \"backup.key\" }` to the scenario",
                )
                .into());
            }
        };
        layers.push(layer);
    }
}

/// Decompresses on a separate thread where this program does the work: a second core then parses the
/// content. A command is a separate process anyway, and must end when its reader does.
fn on_thread(content: Buffered, layers: &[Layer]) -> Result<Buffered, CouldNotRun> {
    let command = layers
        .iter()
        .any(|layer| matches!(layer, Layer::Command(_)));
    if layers.is_empty() || command {
        return Ok(content);
    }
    Ok(Buffered::new(ahead::read(content)?))
}

/// The first bytes inside the layers so far.
fn head(content: &mut Buffered) -> Result<Vec<u8>, LayerError> {
    let head = content.peek(HEAD).map_err(|error| LayerError::of(&error))?;
    Ok(head[..head.len().min(HEAD)].to_vec())
}

/// An empty file, or an empty layer: what a pipe writes when `pg_dump` failed.
fn empty(layers: &[Layer]) -> Finding {
    let around: String = layers.iter().map(|layer| format!("{layer} of ")).collect();
    Finding::new("a PostgreSQL backup", format!("{around}an empty file"))
        .hint("the backup job wrote nothing: check its exit code and the disk")
}
