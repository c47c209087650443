//! What a backup is wrapped in.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::format::gzip::Members;
use crate::outcome::Finding;
use crate::redact::hex;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// gzip.
    Gzip,
}

impl Layer {
    /// The command that a runbook would unpack it with.
    #[must_use]
    pub fn unpacker(&self) -> &'static str {
        match self {
            Self::Gzip => "gunzip -c",
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Place(error) => error,
            OpenError::Keys { reason, .. } => Self::other(reason),
            OpenError::Backup(finding) => Self::other(finding.actual),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gzip")
    }
}

/// Keys.
#[derive(Debug, Clone, Default)]
pub struct Keys;

/// Why it cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The place.
    Place(io::Error),
    /// The keys.
    Keys {
        /// Why.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The backup.
    Backup(Finding),
}

struct Digesting<R>(R, Sha256, u64);

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.update(&buffer[..read]);
        self.2 += read as u64;
        Ok(read)
    }
}

type Raw = BufReader<Digesting<Box<dyn Read + Send>>>;

enum Inner {
    Raw(Raw),
    Gzip(Box<Members<Raw>>),
}

/// The content.
pub struct Unpacked {
    inner: Inner,
    head: Vec<u8>,
    at: usize,
    layers: Vec<Layer>,
    bytes: u64,
}

/// The end.
#[derive(Debug)]
pub struct Ended {
    /// SHA-256.
    pub sha256: String,
    /// Bytes.
    pub bytes: u64,
    /// Unpacked.
    pub unpacked_bytes: u64,
    /// Warnings.
    pub warnings: Vec<Finding>,
}

impl Unpacked {
    /// Opens.
    ///
    /// # Errors
    /// Place.
    pub fn open(path: &Path, keys: &Keys) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(OpenError::Place)?;
        Self::from_reader(file, keys)
    }

    /// Reads.
    ///
    /// # Errors
    /// Place.
    pub fn from_reader(
        reader: impl Read + Send + 'static,
        _keys: &Keys,
    ) -> Result<Self, OpenError> {
        let mut raw = BufReader::with_capacity(
            256 * 1024,
            Digesting(Box::new(reader) as Box<dyn Read + Send>, Sha256::new(), 0),
        );
        let first = raw.fill_buf().map_err(OpenError::Place)?;
        let gzip = first.starts_with(&[0x1f, 0x8b]);
        let mut inner = if gzip {
            Inner::Gzip(Box::new(Members::new(raw)))
        } else {
            Inner::Raw(raw)
        };
        let mut head = vec![0; 512];
        let mut filled = 0;
        while filled < head.len() {
            let read = match &mut inner {
                Inner::Raw(raw) => raw.read(&mut head[filled..]),
                Inner::Gzip(members) => members.read(&mut head[filled..]),
            };
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => {
                    return Err(damage(&error).map_or(OpenError::Place(error), OpenError::Backup));
                }
            }
        }
        head.truncate(filled);
        Ok(Self {
            inner,
            head,
            at: 0,
            layers: if gzip { vec![Layer::Gzip] } else { Vec::new() },
            bytes: 0,
        })
    }

    /// Layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Head.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Ends.
    ///
    /// # Errors
    /// Reading.
    pub fn end(mut self) -> io::Result<Ended> {
        io::copy(&mut self, &mut io::sink())?;
        let mut warnings = Vec::new();
        let raw = match self.inner {
            Inner::Raw(raw) => raw,
            Inner::Gzip(members) => {
                if members.trailing > 0 {
                    warnings.push(Finding::new(
                        "nothing behind the end of the gzip data",
                        format!(
                            "{} more bytes, which every reader ignores",
                            members.trailing
                        ),
                    ));
                }
                members
                    .into_inner()
                    .ok_or_else(|| io::Error::other("gone"))?
            }
        };
        let mut raw = raw;
        io::copy(&mut raw, &mut io::sink())?;
        let Digesting(_, digest, bytes) = raw.into_inner();
        Ok(Ended {
            sha256: hex(&digest.finalize()),
            bytes,
            unpacked_bytes: self.bytes,
            warnings,
        })
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.head[self.at..];
        let read = if rest.is_empty() {
            match &mut self.inner {
                Inner::Raw(raw) => raw.read(buffer)?,
                Inner::Gzip(members) => members.read(buffer)?,
            }
        } else {
            let taken = rest.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&rest[..taken]);
            self.at += taken;
            taken
        };
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Damage.
#[must_use]
pub fn damage(error: &io::Error) -> Option<Finding> {
    let actual = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("it is damaged: {error}")
        }
        _ => return None,
    };
    Some(
        Finding::new("a gzip file whose checksum is right to its end", actual).hint(
            "the file was cut off or changed: compare its size and digest with where it was made",
        ),
    )
}
