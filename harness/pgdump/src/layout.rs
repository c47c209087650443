//! What an archive is: which of the three kinds, its version, its compression.

use std::fmt;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One file, `pg_dump -Fc`.
    Custom,
    /// A folder, `pg_dump -Fd`.
    Directory,
    /// One tar file, `pg_dump -Ft`.
    Tar,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Custom => "custom archive",
            Self::Directory => "directory archive",
            Self::Tar => "tar archive",
        })
    }
}

/// How the data inside an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip; in a custom archive within zlib's head instead of gzip's.
    Gzip,
    /// By lz4.
    Lz4,
    /// By zstd.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// The layout of an archive, from its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Custom, directory or tar.
    pub kind: Kind,
    /// Version of the format.
    pub version: Version,
    /// How the data inside is compressed.
    pub compression: Compression,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            version,
            compression,
        } = self;
        write!(f, "{kind} {version}, {compression}")
    }
}

/// Version of the archive format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `1` of `1.16`.
    pub major: u8,
    /// `16` of `1.16`.
    pub minor: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
