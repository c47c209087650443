//! A digest of rows that does not depend on their order, so that a dump, a table and a table that was
//! vacuumed, clustered or restored in parallel give the same one.
//!
//! Each row is its line of COPY text, without the line end. The digest is the number of rows and the sum
//! of their SHA-256 modulo 2^256. It adds up: the digest of a partitioned table is the sum of its
//! partitions'. A sum shows every change by accident or by hand of single rows; against an attacker who
//! can choose tens of thousands of rows freely, a sum of digests is weaker than SHA-256 itself.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// Number of rows, and the sum of their digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RowsDigest {
    /// Rows.
    pub count: u64,
    /// The sum, its lowest 64 bits first.
    sum: [u64; 4],
}

impl RowsDigest {
    /// Adds one row.
    pub fn add(&mut self, row: &[u8]) {
        self.count += 1;
        self.sum = plus(self.sum, limbs(&Sha256::digest(row)));
    }

    /// Adds one row that came in parts.
    pub fn add_hashed(&mut self, row: Sha256) {
        self.count += 1;
        self.sum = plus(self.sum, limbs(&row.finalize()));
    }

    /// Adds the rows of another table, such as a partition.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = plus(self.sum, other.sum);
    }

    /// Which of `count` parts a single row belongs to, evenly.
    #[must_use]
    pub fn part(&self, count: usize) -> usize {
        usize::try_from(self.sum[0] % count as u64).unwrap_or_default()
    }

    /// The sum alone, as 64 hexadecimal digits.
    #[must_use]
    pub fn sum(&self) -> String {
        self.sum
            .iter()
            .rev()
            .map(|limb| format!("{limb:016x}"))
            .collect()
    }
}

/// Decodes hexadecimal digits.
#[must_use]
pub fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect()
}

/// Writes bytes as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Shows a count with thin groups of thousands: `34 012`.
#[must_use]
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Shows a count with its noun, in the singular or the plural: `1 row`, `12 000 rows`, `2 indexes`,
/// `3 policies`.
#[must_use]
pub fn show_counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let is_vowel = |letter: char| "aeiou".contains(letter);
    let plural = match noun.strip_suffix('y') {
        _ if count == 1 => noun.to_owned(),
        Some(stem) if !stem.ends_with(is_vowel) => format!("{stem}ies"),
        _ if noun.ends_with("vertex") => noun.replace("vertex", "vertices"),
        _ if noun.ends_with(['x', 's']) || noun.ends_with("ch") => format!("{noun}es"),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", show_count(count))
}

/// The bytes of a SHA-256 as a number.
fn limbs(bytes: &[u8]) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    limbs
}

/// Adds modulo 2^256.
fn plus(left: [u64; 4], right: [u64; 4]) -> [u64; 4] {
    let mut sum = [0; 4];
    let mut carry = false;
    for at in 0..4 {
        let (limb, over) = left[at].overflowing_add(right[at]);
        let (limb, again) = limb.overflowing_add(u64::from(carry));
        sum[at] = limb;
        carry = over || again;
    }
    sum
}

/// `120 rows 00ff…`, as in files.
impl fmt::Display for RowsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows {}", self.count, self.sum())
    }
}

impl FromStr for RowsDigest {
    type Err = String;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no digest of rows: expected `120 rows` and 64 hexadecimal digits")
        };
        let (count, sum) = text.split_once(" rows ").ok_or_else(wrong)?;
        if sum.len() != 64 || !sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let mut limbs = [0; 4];
        for (at, limb) in limbs.iter_mut().enumerate() {
            let from = 48 - at * 16;
            *limb = u64::from_str_radix(&sum[from..from + 16], 16).map_err(|_| wrong())?;
        }
        Ok(Self {
            count: count.parse().map_err(|_| wrong())?,
            sum: limbs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn of(rows: &[Vec<u8>]) -> RowsDigest {
        let mut digest = RowsDigest::default();
        for row in rows {
            digest.add(row);
        }
        digest
    }

    proptest! {
        #[test]
        fn order_and_partitions_do_not_matter(rows: Vec<Vec<u8>>, at: prop::sample::Index) {
            let mut turned = rows.clone();
            turned.reverse();
            prop_assert_eq!(of(&rows), of(&turned));
            let (left, right) = rows.split_at(at.index(rows.len() + 1));
            let mut sum = of(left);
            sum.merge(&of(right));
            prop_assert_eq!(of(&rows), sum);
        }

        #[test]
        fn one_byte_matters(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..20), row: prop::sample::Index, byte: prop::sample::Index, by in 1..=255_u8) {
            let mut changed = rows.clone();
            let row = row.get_mut(&mut changed);
            let at = byte.index(row.len());
            row[at] = row[at].wrapping_add(by);
            prop_assert_ne!(of(&rows), of(&changed));
        }

        #[test]
        fn what_is_written_is_read(rows: Vec<Vec<u8>>) {
            prop_assert_eq!(of(&rows).to_string().parse(), Ok(of(&rows)));
        }
    }

    #[test]
    fn one_row_is_its_sha_256() {
        let digest = of(&[b"1\tone".to_vec()]);
        let mut bytes = Sha256::digest(b"1\tone").to_vec();
        bytes.reverse();
        assert_eq!(digest.sum(), hex(&bytes));
    }

    #[rstest]
    #[case("")]
    #[case("1 rows 00")]
    #[case("x rows 0000000000000000000000000000000000000000000000000000000000000000")]
    #[case("1 rows +000000000000000000000000000000000000000000000000000000000000000")]
    fn what_is_no_digest_is_refused(#[case] text: &str) {
        assert!(text.parse::<RowsDigest>().is_err());
    }
}
