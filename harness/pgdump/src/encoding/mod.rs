//! `client_encoding`: its names, where its letters end, and text in it as UTF-8.
//!
//! Only what PostgreSQL itself decodes in the same way is decoded, byte for byte; a letter for which that is not certain
//! becomes U+FFFD. The integration test `encodings` compares all of it with a server.
//!
//! - `one_byte`: letters of the encodings with one byte for each

mod one_byte;

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// What is decoded for a letter that is not known.
pub const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// An encoding of PostgreSQL. The default is UTF8.
#[derive(Clone, Copy)]
pub struct Encoding(&'static Known);

#[derive(Debug)]
struct Known {
    /// Its name, as the server prints it.
    name: &'static str,
    /// Its other names in lower case, letters and digits only.
    others: &'static [&'static str],
    letters: Letters,
}

#[derive(Debug, Clone, Copy)]
enum Letters {
    /// UTF-8, or any bytes in a database without an encoding.
    Utf8,
    /// One byte each.
    One(&'static str),
    /// Those of a web encoding, except for some.
    Web {
        decoder: &'static encoding_rs::Encoding,
        length: fn(&[u8]) -> usize,
        except: &'static [RangeInclusive<u32>],
    },
    /// Not decoded.
    Unknown { length: fn(&[u8]) -> usize },
}

const fn one(name: &'static str, others: &'static [&'static str], letters: &'static str) -> Known {
    let letters = Letters::One(letters);
    Known {
        name,
        others,
        letters,
    }
}

const fn web(
    name: &'static str,
    others: &'static [&'static str],
    decoder: &'static encoding_rs::Encoding,
    length: fn(&[u8]) -> usize,
    except: &'static [RangeInclusive<u32>],
) -> Known {
    let letters = Letters::Web {
        decoder,
        length,
        except,
    };
    Known {
        name,
        others,
        letters,
    }
}

const fn unknown(name: &'static str, length: fn(&[u8]) -> usize) -> Known {
    let letters = Letters::Unknown { length };
    Known {
        name,
        others: &[],
        letters,
    }
}

/// All of them; the names are those of `pg_encname_tbl`.
#[rustfmt::skip]
static KNOWN: &[Known] = &[
    Known { name: "UTF8", others: &["unicode"], letters: Letters::Utf8 },
    Known { name: "SQL_ASCII", others: &[], letters: Letters::Utf8 },
    one("LATIN1", &["iso88591"], one_byte::LATIN1),
    one("LATIN2", &["iso88592"], one_byte::LATIN2),
    one("LATIN3", &["iso88593"], one_byte::LATIN3),
    one("LATIN4", &["iso88594"], one_byte::LATIN4),
    one("LATIN5", &["iso88599"], one_byte::LATIN5),
    one("LATIN6", &["iso885910"], one_byte::LATIN6),
    one("LATIN7", &["iso885913"], one_byte::LATIN7),
    one("LATIN8", &["iso885914"], one_byte::LATIN8),
    one("LATIN9", &["iso885915"], one_byte::LATIN9),
    one("LATIN10", &["iso885916"], one_byte::LATIN10),
    one("WIN1250", &["windows1250"], one_byte::WIN1250),
    one("WIN1251", &["windows1251", "win"], one_byte::WIN1251),
    one("WIN1252", &["windows1252"], one_byte::WIN1252),
    one("WIN1253", &["windows1253"], one_byte::WIN1253),
    one("WIN1254", &["windows1254"], one_byte::WIN1254),
    one("WIN1255", &["windows1255"], one_byte::WIN1255),
    one("WIN1256", &["windows1256"], one_byte::WIN1256),
    one("WIN1257", &["windows1257"], one_byte::WIN1257),
    one("WIN1258", &["windows1258", "abc", "tcvn", "tcvn5712", "vscii"], one_byte::WIN1258),
    one("WIN866", &["windows866", "alt"], one_byte::WIN866),
    one("WIN874", &["windows874"], one_byte::WIN874),
    one("KOI8R", &["koi8"], one_byte::KOI8R),
    one("KOI8U", &[], one_byte::KOI8U),
    one("ISO_8859_5", &[], one_byte::ISO_8859_5),
    one("ISO_8859_6", &[], one_byte::ISO_8859_6),
    one("ISO_8859_7", &[], one_byte::ISO_8859_7),
    one("ISO_8859_8", &[], one_byte::ISO_8859_8),
    web("EUC_JP", &[], encoding_rs::EUC_JP, euc, &[0x8f_a2c3..=0x8f_a2c3]),
    web("EUC_CN", &[], encoding_rs::GBK, two, &[0xa1a4..=0xa1a4, 0xa1aa..=0xa1aa]),
    web("EUC_KR", &[], encoding_rs::EUC_KR, euc, &[]),
    unknown("EUC_TW", two),
    unknown("EUC_JIS_2004", euc),
    unknown("MULE_INTERNAL", two),
    web("SJIS", &["mskanji", "shiftjis", "win932", "windows932"], encoding_rs::SHIFT_JIS, sjis, &[]),
    // Of these rows PostgreSQL has another version.
    web("BIG5", &["win950", "windows950"], encoding_rs::BIG5, two, &[0xa140..=0xa2ff, 0xc6a1..=0xc8ff]),
    web("GBK", &["win936", "windows936"], encoding_rs::GBK, two, &[]),
    web("UHC", &["win949", "windows949"], encoding_rs::EUC_KR, two, &[]),
    // Letters of private use until 2005 and 2022.
    web("GB18030", &[], encoding_rs::GB18030, gb18030, &[
        0xa3a0..=0xa3a0, 0xa6d9..=0xa6df, 0xa6ec..=0xa6ed, 0xa6f3..=0xa6f3, 0xa8bc..=0xa8bc, 0xfe50..=0xfea0,
        0x8135_f437..=0x8135_f437,
    ]),
    unknown("JOHAB", euc),
    unknown("SHIFT_JIS_2004", sjis),
];

/// Encodings that no database can have: in a letter of several bytes one may look like a quote, a backslash or a sign.
const CLIENT_ONLY: &[&str] = &[
    "SJIS",
    "SHIFT_JIS_2004",
    "BIG5",
    "GBK",
    "GB18030",
    "UHC",
    "JOHAB",
];

fn two(text: &[u8]) -> usize {
    1 + usize::from(text.first().is_some_and(|byte| *byte >= 0x80))
}

fn euc(text: &[u8]) -> usize {
    if text.first() == Some(&0x8f) {
        3
    } else {
        two(text)
    }
}

fn sjis(text: &[u8]) -> usize {
    // Katakana of half width.
    if matches!(text.first(), Some(0xa1..=0xdf)) {
        1
    } else {
        two(text)
    }
}

fn gb18030(text: &[u8]) -> usize {
    match text {
        [0x80..=0xff, b'0'..=b'9', ..] => 4,
        text => two(text),
    }
}

impl Encoding {
    /// Finds an encoding by a name in any spelling that the server accepts; `None` for a name that it refuses.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain = |name: &str| -> String {
            let kept = name.chars().filter(char::is_ascii_alphanumeric);
            kept.map(|c| c.to_ascii_lowercase()).collect()
        };
        let wanted = plain(name);
        KNOWN
            .iter()
            .find(|known| plain(known.name) == wanted || known.others.contains(&wanted.as_str()))
            .map(Self)
    }

    /// All encodings of PostgreSQL.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.iter().map(Self)
    }

    /// Its name as the server prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether every byte is a letter, so that none is ever wrong.
    #[must_use]
    pub const fn is_one_byte(self) -> bool {
        matches!(self.0.letters, Letters::One(_))
    }

    /// Whether no database can be in it, because bytes of its letters may look like quotes, backslashes or signs.
    #[must_use]
    pub fn is_client_only(self) -> bool {
        CLIENT_ONLY.contains(&self.0.name)
    }

    /// Bytes of the letter that `text` begins with, at least 1, as psql counts them; it may end after `text`.
    #[must_use]
    pub fn letter_length(self, text: &[u8]) -> usize {
        match self.0.letters {
            Letters::Utf8 | Letters::One(_) => 1,
            Letters::Web { length, .. } | Letters::Unknown { length } => length(text),
        }
    }

    /// Decodes a text; letters that are not known become [`UNKNOWN`].
    #[must_use]
    pub fn decode(self, text: &[u8]) -> Cow<'_, str> {
        if let (Letters::Utf8, _) | (_, true) = (self.0.letters, text.is_ascii()) {
            return String::from_utf8_lossy(text);
        }
        let mut decoded = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some(first) = rest.first() {
            let length = self.letter_length(rest).min(rest.len());
            let (letter, behind) = rest.split_at(length);
            match first {
                0..0x80 => decoded.push(char::from(*first)),
                _ => self.letter(letter, &mut decoded),
            }
            rest = behind;
        }
        decoded.into()
    }

    /// Decodes a text; `None` if any of its letters is not known.
    #[must_use]
    pub fn decode_fully(self, text: &[u8]) -> Option<Cow<'_, str>> {
        Some(self.decode(text)).filter(|text| !text.contains(UNKNOWN))
    }

    /// Decodes one letter beyond ASCII.
    fn letter(self, bytes: &[u8], decoded: &mut String) {
        match self.0.letters {
            Letters::One(letters) => {
                // Without the control characters there are 96.
                let first = if letters.chars().count() == 96 {
                    160
                } else {
                    128
                };
                let byte = u32::from(bytes[0]);
                decoded.push(match byte.checked_sub(first) {
                    Some(at) => letters.chars().nth(at as usize).unwrap_or(UNKNOWN),
                    None => char::from(bytes[0]),
                });
            }
            Letters::Web {
                decoder, except, ..
            } => {
                let code = bytes
                    .iter()
                    .fold(0, |code, byte| code << 8 | u32::from(*byte));
                let known = !except.iter().any(|range| range.contains(&code));
                let letter = decoder.decode_without_bom_handling_and_without_replacement(bytes);
                match letter.filter(|_| known) {
                    Some(letter) => decoded.push_str(&letter),
                    None => decoded.push(UNKNOWN),
                }
            }
            Letters::Utf8 | Letters::Unknown { .. } => decoded.push(UNKNOWN),
        }
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Self(&KNOWN[0])
    }
}

impl PartialEq for Encoding {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Encoding {}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("UTF8", "UTF8")]
    #[case("utf-8", "UTF8")]
    #[case("Unicode", "UTF8")]
    #[case("iso_8859_1", "LATIN1")]
    #[case("ISO-8859-9", "LATIN5")]
    #[case("iso_8859-5", "ISO_8859_5")]
    #[case("windows-1252", "WIN1252")]
    #[case("Shift_JIS", "SJIS")]
    #[case("shift_jis_2004", "SHIFT_JIS_2004")]
    #[case("\"latin1\"", "LATIN1")]
    fn encodings_are_found_by_every_name(#[case] name: &str, #[case] found: &str) {
        assert_eq!(Encoding::named(name).unwrap().name(), found);
    }

    #[test]
    fn a_name_that_the_server_refuses_is_none() {
        assert_eq!(Encoding::named("latin11"), None);
    }

    #[rstest]
    #[case("LATIN1", b"gr\xf6\xdfe", "größe")]
    #[case("LATIN9", b"\xa4", "€")]
    #[case("WIN1252", b"\x80\x81", "€\u{fffd}")]
    #[case("KOI8R", b"\xcb\xc9\xd4", "кит")]
    #[case("SJIS", b"\x95\x5c\x82\xa0a", "表あa")]
    #[case("EUC_JP", b"\x8f\xa2\xc3\xc9\xbd", "\u{fffd}表")]
    #[case("GB18030", b"\x81\x30\x81\x30a\xb0\xa1", "\u{80}a啊")]
    #[case("EUC_TW", b"a\xc4\xe3", "a\u{fffd}")]
    #[case("SQL_ASCII", b"\xc3\xa9", "é")]
    #[case("SQL_ASCII", b"\xe9", "\u{fffd}")]
    fn texts_are_decoded(#[case] encoding: &str, #[case] text: &[u8], #[case] decoded: &str) {
        let encoding = Encoding::named(encoding).unwrap();
        assert_eq!(encoding.decode(text), decoded);
        let fully = encoding.decode_fully(text).is_some();
        assert_eq!(fully, !decoded.contains(UNKNOWN));
    }

    #[test]
    fn one_byte_encodings_have_a_letter_or_none_for_each_byte() {
        for known in KNOWN {
            if let Letters::One(letters) = known.letters {
                assert!(
                    [96, 128].contains(&letters.chars().count()),
                    "{}",
                    known.name
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded(bytes: Vec<u8>) {
            for encoding in Encoding::all() {
                let _ = encoding.decode(&bytes);
            }
        }
    }
}
