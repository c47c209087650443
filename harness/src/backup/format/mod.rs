//! What a backup file is, by its contents and never by its name. One format, one file.

pub mod archive;
pub mod gzip;
pub mod lexer;
pub mod lz4;
pub mod plain;
pub mod statement;
pub mod tar;

use std::fmt;

use crate::outcome::Finding;

/// A format that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// SQL text, as `pg_dump`, `pg_dumpall` and others write it.
    Plain {
        /// Whether the file as a whole is compressed by gzip.
        gzip: bool,
    },
    /// A custom-format archive.
    Archive {
        /// Its version, such as `1.16`.
        version: String,
    },
}

impl Format {
    /// Whether the file as a whole is compressed.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        matches!(self, Self::Plain { gzip: true })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { gzip: false } => f.write_str("plain SQL"),
            Self::Plain { gzip: true } => f.write_str("plain SQL, gzip"),
            Self::Archive { version } => write!(f, "custom archive {version}"),
        }
    }
}

/// What the first bytes of a file, or of what is inside its compression, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sniffed {
    /// Begins as a gzip member.
    Gzip,
    /// Begins as a `pg_dump` archive.
    Archive,
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
            "the backup job wrote nothing: look at its exit code and at the disk",
        ),
        [0x1f, 0x8b, ..] => Sniffed::Gzip,
        [b'P', b'G', b'D', b'M', b'P', ..] => Sniffed::Archive,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Sniffed::Unsupported("a zstd file", "decompress it first: `zstd -d FILE`")
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => {
            Sniffed::Unsupported("an lz4 file", "decompress it first: `lz4 -d FILE`")
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Sniffed::Unsupported("an xz file", "decompress it first: `xz -d FILE`")
        }
        [b'a', b'g', b'e', b'-', b'e', b'n', b'c', ..] => {
            Sniffed::Unsupported("an age-encrypted file", "decrypt it first: `age -d FILE`")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => refused(
            "UTF-16 text",
            "a PowerShell redirection re-encodes: write with `pg_dump --file` instead of `>`",
        ),
        _ if head.get(257..262) == Some(b"ustar") => Sniffed::Unsupported(
            "a tar file",
            "restore a custom archive or a plain file instead",
        ),
        _ => sniff_text(head).map_or(Sniffed::Text, Sniffed::Refused),
    }
}

/// Tells an error page or message that was stored as a backup.
fn sniff_text(head: &[u8]) -> Option<Finding> {
    let text = String::from_utf8_lossy(head);
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let lower = start.to_ascii_lowercase();
    let finding = |actual: &str| {
        Finding::new("a PostgreSQL backup", actual)
            .hint("the job stored an answer or an error instead of a backup: look at its log")
    };
    let messages = [
        "pg_dump: ",
        "pg_dumpall: ",
        "pg_dump (",
        "psql: ",
        "error: ",
        "bash: ",
        "sh: ",
    ];
    if start.is_empty() {
        Some(finding("blank text"))
    } else if lower.starts_with("<!doctype")
        || lower.starts_with("<html")
        || lower.starts_with("<?xml")
    {
        Some(finding("an HTML or XML page"))
    } else if start.starts_with(['{', '[']) {
        // No statement begins with either.
        Some(finding("a JSON document"))
    } else if messages.iter().any(|message| lower.starts_with(message)) {
        Some(finding("the error message of a program"))
    } else if head.contains(&0) {
        Some(finding("binary data of an unknown kind"))
    } else {
        None
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
    #[case(b"\x1f\x8b\x08", Sniffed::Gzip)]
    #[case(b"PGDMP\x01", Sniffed::Archive)]
    #[case(b"--\n-- PostgreSQL database dump\n", Sniffed::Text)]
    #[case(b"\xef\xbb\xbfSET x = 1;", Sniffed::Text)]
    fn formats_are_told_by_content(#[case] head: &[u8], #[case] expected: Sniffed) {
        assert_eq!(sniff(head), expected);
    }
}
