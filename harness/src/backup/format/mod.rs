//! What a backup file is, by its contents and never by its name. One format, one file.

pub mod archive;
mod foreign;
pub mod lexer;
pub mod literal;
pub mod plain;
pub mod statement;
pub mod tar;

use std::fmt;

use super::packing::Layer;
use crate::outcome::Finding;

/// A format that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// SQL text, as `pg_dump`, `pg_dumpall` and others write it.
    Plain,
    /// An archive for `pg_restore`.
    Archive(archive::Layout),
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain SQL"),
            Self::Archive(layout) => layout.fmt(f),
        }
    }
}

/// A format in what it is wrapped in, the innermost first: `plain SQL, gzip`.
#[must_use]
pub fn describe(format: &impl fmt::Display, layers: &[Layer]) -> String {
    let mut text = format.to_string();
    for layer in layers.iter().rev() {
        text.push_str(&format!(", {layer}"));
    }
    text
}

/// What the first bytes of a file, or of what is inside its compression, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sniffed {
    /// Begins as a `pg_dump` archive in one file.
    Custom,
    /// Begins as the table of contents of an archive whose data lies beside it.
    TableOfContents,
    /// Begins as a tar file: an archive of `pg_dump`, or a bundle.
    Tar,
    /// Could be SQL.
    Text,
    /// Is no backup: the finding says what it is.
    Refused(Finding),
    /// Is a backup of a kind that this version cannot read: what it is, and what to do.
    Unsupported(&'static str, &'static str),
}

/// Looks at the first bytes, 512 of them where there are so many.
#[must_use]
pub fn sniff(head: &[u8]) -> Sniffed {
    let refused = |actual: &str, hint: &str| {
        Sniffed::Refused(Finding::new("a PostgreSQL backup", actual).hint(hint))
    };
    match head {
        [] => refused(
            "an empty file",
            "the backup job wrote nothing: check its exit code and the disk",
        ),
        [b'P', b'G', b'D', b'M', b'P', ..] => match head.get(10) {
            Some(3 | 5) => Sniffed::TableOfContents,
            _ => Sniffed::Custom,
        },
        // No text begins so: it is an archive of which hardly anything was written.
        _ if b"PGDMP".starts_with(head) => Sniffed::Custom,
        [b'P', b'K', 3, 4, ..] => {
            Sniffed::Unsupported("a zip file", "unpack it first: `unzip FILE`")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => refused(
            "UTF-16 text",
            "a PowerShell redirection re-encodes: write with `pg_dump --file` instead of `>`",
        ),
        _ if head.get(257..262) == Some(b"ustar") => Sniffed::Tar,
        _ => foreign::recognise(head).map_or(Sniffed::Text, Sniffed::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"", "an empty file")]
    #[case(b"<!DOCTYPE html><html>", "an HTML or XML page")]
    #[case(b"{\"error\": 1}", "a JSON document")]
    #[case(b"{\n  \"error\": 1}", "a JSON document")]
    #[case(b"[\n]", "a JSON document")]
    #[case(b"pg_dump: error: connection failed", "the error message of a program")]
    #[case(b"\xff\xfe-\0-\0", "UTF-16 text")]
    #[case(b"\x00\x01\x02", "binary data of an unknown kind")]
    #[case(b" \n\n", "blank text")]
    fn what_is_no_backup_is_named(#[case] head: &[u8], #[case] actual: &str) {
        let Sniffed::Refused(finding) = sniff(head) else {
            panic!("{head:?}")
        };
        assert_eq!(finding.actual, actual);
    }

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
