//! Places in the WAL.

use std::fmt;
use std::str::FromStr;

/// A byte position in the WAL; printed as the server does: `0/5000060`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |half: &str| {
            let valid =
                (1..=8).contains(&half.len()) && half.bytes().all(|b| b.is_ascii_hexdigit());
            valid.then(|| u64::from_str_radix(half, 16).ok()).flatten()
        };
        let halves = text.split_once('/');
        let parsed = halves.and_then(|(high, low)| Some(Self((half(high)? << 32) | half(low)?)));
        parsed.ok_or("an LSN is two hexadecimal numbers, such as `0/5000060`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0/5000060", Some(0x500_0060))]
    #[case("1A/FF", Some(0x1A_0000_00FF))]
    #[case("FFFFFFFF/FFFFFFFF", Some(u64::MAX))]
    #[case("0/", None)]
    #[case("/0", None)]
    #[case("0/123456789", None)]
    #[case("0/-1", None)]
    #[case("05000060", None)]
    fn lsns_are_read_as_the_server_reads_them(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(text.parse().ok(), expected.map(Lsn));
        if let Some(lsn) = expected {
            assert_eq!(Lsn(lsn).to_string(), text);
        }
    }
}
