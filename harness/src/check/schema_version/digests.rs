//! Checksums of migration files, as the tools compute them.

use std::fmt::Write as _;

use flate2::Crc;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::files::Checksum;
use crate::digest::hex;

/// How a tool computes the checksum of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// A digest of the bytes.
    Exact(Checksum),
    /// SHA-256 of the text, with its own line ends or, as some versions of Drizzle do, with `\n`.
    Sha256OrUnixLines,
    /// SHA-256 of the text with any line ends. Old versions of Prisma left out zeros of the hex digits.
    Prisma,
    /// SHA-1 of the bytes.
    Sha1,
    /// CRC-32 of the lines without line ends and without a byte order mark, as a signed number.
    /// Flyway keeps none of migrations that are no SQL.
    Crc32OfLines,
}

impl Digests {
    /// Every checksum that the tool may have kept of this file; none where it keeps none.
    pub fn of(self, name: &str, bytes: &[u8]) -> Vec<String> {
        match self {
            Self::Exact(checksum) => vec![checksum.of(bytes)],
            Self::Sha256OrUnixLines => {
                // The tool reads the file as text, in which what is no UTF-8 is replaced.
                let text = String::from_utf8_lossy(bytes);
                let sums = [sha256(&text), sha256(&text.replace("\r\n", "\n"))];
                sums.map(|sum| hex(&sum)).into()
            }
            Self::Prisma => {
                let text = String::from_utf8_lossy(bytes);
                let forms = [
                    sha256(&text),
                    sha256(&text.replace("\r\n", "\n")),
                    sha256(&text.replace('\n', "\r\n")),
                ];
                let forms = forms.iter();
                forms
                    .flat_map(|sum| [hex(sum), without_zeros(sum)])
                    .collect()
            }
            Self::Sha1 => vec![sha1(bytes)],
            Self::Crc32OfLines if name.ends_with(".sql") => {
                vec![crc32_of_lines(&String::from_utf8_lossy(bytes)).to_string()]
            }
            Self::Crc32OfLines => Vec::new(),
        }
    }
}

/// SHA-1, in hex.
pub fn sha1(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}

fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Writes each byte without a leading zero.
fn without_zeros(sum: &[u8]) -> String {
    sum.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:x}");
        text
    })
}

fn crc32_of_lines(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut crc = Crc::new();
    // A line ends as Java's reader ends it: with `\n`, `\r` or both. Line ends do not count, so
    // it makes no difference where one is empty.
    for line in text.split(['\n', '\r']) {
        crc.update(line.as_bytes());
    }
    crc.sum().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn line_ends_are_those_that_the_tool_may_have_read() {
        let unix = hex(&sha256("a\nb\n"));
        let windows = hex(&sha256("a\r\nb\r\n"));
        let drizzle = |text: &str| Digests::Sha256OrUnixLines.of("x.sql", text.as_bytes());
        assert_eq!(drizzle("abc"), [ABC, ABC]);
        assert_eq!(drizzle("a\r\nb\r\n"), [windows.clone(), unix.clone()]);
        assert!(!drizzle("a\nb\n").contains(&windows));
        let prisma = |text: &str| Digests::Prisma.of("x.sql", text.as_bytes());
        assert!(prisma("a\nb\n").contains(&windows));
        assert!(prisma("a\r\nb\r\n").contains(&unix));
        assert!(
            prisma("abc").contains(
                &ABC.replace("01cf", "1cf")
                    .replace("0361", "361")
                    .replace("0015ad", "015ad")
            )
        );
    }

    /// "123456789" is the text by which CRC-32 is specified: cbf43926.
    #[rstest]
    #[case("123456789", 0xcbf4_3926_u32.cast_signed())]
    #[case("1234\n56789\n", 0xcbf4_3926_u32.cast_signed())]
    #[case("\u{feff}1234\r\n56789\r\n", 0xcbf4_3926_u32.cast_signed())]
    fn lines_are_read_without_their_ends(#[case] text: &str, #[case] expected: i32) {
        assert_eq!(
            Digests::Crc32OfLines.of("V1__a.sql", text.as_bytes()),
            [expected.to_string()]
        );
        assert!(Digests::Crc32OfLines.of("V1__a.java", b"x").is_empty());
    }
}
