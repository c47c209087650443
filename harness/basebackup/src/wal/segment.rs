//! Names and headers of segments.

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::{Fault, Lsn};

/// Bytes of the header of the first page of a segment.
pub const LONG_HEADER: usize = 40;
/// Bytes of the header of every other page.
pub const SHORT_HEADER: usize = 24;
/// The page begins with the rest of a record.
pub const CONTINUES: u16 = 1;
/// The page has the long header.
pub const IS_LONG: u16 = 2;
/// The rest of the record before this page was lost, and the server knows it.
pub const OVERWRITES: u16 = 8;

/// The magic number of a page, by major version.
const MAGICS: [(u16, u32); 7] = [
    (0xD101, 12),
    (0xD106, 13),
    (0xD10D, 14),
    (0xD110, 15),
    (0xD113, 16),
    (0xD116, 17),
    (0xD118, 18),
];

/// The magic number of WAL pages of a major version.
#[must_use]
pub fn magic_of(major: u32) -> Option<u16> {
    let mut all = MAGICS.iter();
    all.find(|(_, of)| *of == major).map(|(magic, _)| *magic)
}

/// A segment: its timeline, and its number for a size of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The timeline.
    pub timeline: u32,
    /// Its first byte divided by the size of a segment.
    pub number: u64,
}

impl Segment {
    /// The segment that contains a byte.
    #[must_use]
    pub fn of(timeline: u32, lsn: Lsn, size: u32) -> Self {
        Self {
            timeline,
            number: lsn.0 / u64::from(size.max(1)),
        }
    }

    /// Parses the name of a file: 24 hexadecimal digits.
    #[must_use]
    pub fn parse(name: &str, size: u32) -> Option<Self> {
        let valid = name.len() == 24
            && name
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
        let part = |from: usize| u64::from_str_radix(name.get(from..from + 8)?, 16).ok();
        if !valid {
            return None;
        }
        let each = (1_u64 << 32) / u64::from(size.max(1));
        let (high, low) = (part(8)?, part(16)?);
        (low < each).then_some(())?;
        Some(Self {
            timeline: u32::try_from(part(0)?).ok()?,
            number: high.checked_mul(each)?.checked_add(low)?,
        })
    }

    /// The name of its file.
    #[must_use]
    pub fn name(self, size: u32) -> String {
        let each = (1_u64 << 32) / u64::from(size.max(1));
        format!(
            "{:08X}{:08X}{:08X}",
            self.timeline,
            self.number / each,
            self.number % each
        )
    }

    /// Its first byte.
    #[must_use]
    pub fn start(self, size: u32) -> Lsn {
        Lsn(self.number.saturating_mul(u64::from(size)))
    }
}

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Magic number.
    pub magic: u16,
    /// Flags.
    pub info: u16,
    /// The timeline that it was written on.
    pub timeline: u32,
    /// The place of its first byte.
    pub address: Lsn,
    /// Bytes that remain of the record before.
    pub remaining: u32,
}

impl Page {
    /// Reads the header.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self {
            magic: u16_at(bytes, 0),
            info: u16_at(bytes, 2),
            timeline: u32_at(bytes, 4),
            address: Lsn(u64_at(bytes, 8)),
            remaining: u32_at(bytes, 16),
        }
    }

    /// Bytes of the header.
    #[must_use]
    pub fn header(self) -> usize {
        match self.info & IS_LONG {
            0 => SHORT_HEADER,
            _ => LONG_HEADER,
        }
    }
}

/// What WAL of a backup must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The cluster.
    pub system_identifier: u64,
    /// Major version.
    pub major: Option<u32>,
    /// Bytes of a segment.
    pub segment_size: u32,
    /// Bytes of a page.
    pub block_size: u32,
}

impl Source {
    /// Verifies the first page of a file against its name.
    ///
    /// # Errors
    /// It is a segment of another cluster, version, place or size, or none.
    pub fn verify(&self, name: &str, segment: Segment, page: &[u8]) -> Result<(), Fault> {
        let wrong = |expected: String, found: String| Err(Fault::new(name, expected, found));
        let head = Page::parse(page);
        if page.len() < LONG_HEADER || page.iter().all(|byte| *byte == 0) {
            return wrong(
                "a segment of WAL".to_owned(),
                "a file that is empty or only zeros".to_owned(),
            );
        }
        let magic = self.major.and_then(magic_of);
        if magic.is_some_and(|magic| magic != head.magic) || head.info & IS_LONG == 0 {
            let of = MAGICS.iter().find(|(magic, _)| *magic == head.magic);
            let found = match of {
                Some((_, major)) if head.info & IS_LONG != 0 => {
                    format!("WAL of PostgreSQL {major}")
                }
                _ => "a file that is no segment of WAL: damaged, compressed twice or encrypted"
                    .to_owned(),
            };
            let expected = match self.major {
                Some(major) => format!("WAL of PostgreSQL {major}"),
                None => "a segment of WAL".to_owned(),
            };
            return wrong(expected, found);
        }
        let cluster = u64_at(page, 24);
        if cluster != self.system_identifier {
            return wrong(
                format!("WAL of the cluster {}", self.system_identifier),
                format!("WAL of another cluster: {cluster}"),
            );
        }
        let (size, block) = (u32_at(page, 32), u32_at(page, 36));
        if (size, block) != (self.segment_size, self.block_size) {
            return wrong(
                format!("segments of {} bytes", self.segment_size),
                format!("a segment of {size} bytes with pages of {block}"),
            );
        }
        let start = segment.start(self.segment_size);
        if head.address != start {
            let other = Segment::of(head.timeline, head.address, self.segment_size);
            return wrong(
                format!("WAL from {start} on"),
                format!(
                    "WAL from {} on: the contents of {}",
                    head.address,
                    other.name(self.segment_size)
                ),
            );
        }
        if head.timeline > segment.timeline || head.timeline == 0 {
            return wrong(
                format!("WAL of timeline {}", segment.timeline),
                format!("WAL of timeline {}", head.timeline),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SIZE: u32 = 16 << 20;

    #[rstest]
    #[case("000000010000000000000002", Some((1, 2)))]
    #[case("0000000A00000001000000FF", Some((10, 0x1FF)))]
    #[case("000000010000000000000100", None)]
    #[case("00000001000000000000000a", None)]
    #[case("000000010000000000000002.partial", None)]
    #[case("00000002.history", None)]
    fn names_of_segments(#[case] name: &str, #[case] expected: Option<(u32, u64)>) {
        let segment = Segment::parse(name, SIZE);
        assert_eq!(segment.map(|one| (one.timeline, one.number)), expected);
        if let Some(segment) = segment {
            assert_eq!(segment.name(SIZE), name);
        }
    }
}
