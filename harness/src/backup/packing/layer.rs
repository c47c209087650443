//! The kinds of layers, detected by their first bytes.

use std::fmt;

use pgdump::compression::{Frame, Gzip, Lz4, Xz, Zstd, skippable};

use super::buffered::Buffered;

/// First bytes of a file that is encrypted with age.
pub(super) const AGE: &[u8] = b"age-encryption.org/";

/// First bytes of an armored file that is encrypted with age.
pub(super) const ARMORED_AGE: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

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
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| head.starts_with(magic);
        if begins(Gzip::<Buffered>::MAGIC) {
            Some(Self::Gzip)
        } else if begins(Zstd::<Buffered>::MAGIC) {
            Some(Self::Zstd)
        } else if begins(Lz4::<Buffered>::MAGIC) {
            Some(Self::Lz4)
        } else if begins(Xz::<Buffered>::MAGIC) {
            Some(Self::Xz)
        } else if begins(AGE) || begins(ARMORED_AGE) {
            Some(Self::Age)
        } else {
            // zstd and lz4 share these; the first frame with content distinguishes them.
            let length = usize::try_from(skippable(head)?).ok()?;
            Self::of(head.get(length..)?)
        }
    }
}
