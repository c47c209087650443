//! What a backup file is, by its contents and never by its name. One format, one file.

pub mod archive;
pub mod plain;
pub mod tar;

use std::fmt;

use crate::layout::Layout;

/// A format that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// SQL text, as `pg_dump`, `pg_dumpall` and others write it.
    Plain,
    /// An archive for `pg_restore`.
    Archive(Layout),
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain SQL"),
            Self::Archive(layout) => layout.fmt(f),
        }
    }
}

/// The format that the first bytes inside all layers indicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// Begins as a `pg_dump` archive in one file.
    Custom,
    /// Begins as the table of contents of an archive whose data is in files next to it.
    TableOfContents,
    /// Begins as a tar file: an archive of `pg_dump`, or a bundle.
    Tar,
    /// None of these: it may be SQL.
    Text,
}

/// Detects the format by the first 512 bytes, or all if there are fewer.
#[must_use]
pub fn sniff(head: &[u8]) -> Sniffed {
    match head {
        [] => Sniffed::Text,
        [b'P', b'G', b'D', b'M', b'P', ..] => match head.get(10) {
            Some(3 | 5) => Sniffed::TableOfContents,
            _ => Sniffed::Custom,
        },
        // No text begins so: it is an archive of which hardly anything was written.
        _ if b"PGDMP".starts_with(head) => Sniffed::Custom,
        _ if head.get(257..262) == Some(b"ustar") => Sniffed::Tar,
        _ => Sniffed::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"PGDMP\x01\x0e\x00\x04\x08\x01", Sniffed::Custom)]
    #[case(b"PGD", Sniffed::Custom)]
    #[case(b"PGDMP\x01\x0e\x00\x04\x08\x05", Sniffed::TableOfContents)]
    #[case(b"--\n-- PostgreSQL database dump\n", Sniffed::Text)]
    #[case(b"\xef\xbb\xbfSET x = 1;", Sniffed::Text)]
    fn formats_are_told_by_content(#[case] head: &[u8], #[case] expected: Sniffed) {
        assert_eq!(sniff(head), expected);
    }
}
