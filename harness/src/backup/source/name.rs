//! The time in the name of a backup, and the stream that the backup belongs to.
//!
//! The stream is the name with its time replaced, such as `plur-*.sql.gz`: files of one job share it;
//! files of another job, another database or made by hand do not.

use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::pattern::WILDCARDS;
use crate::backup::files::base_name;

/// Years that are accepted; other numbers are not dates.
const YEARS: Range<i16> = 1990..2200;

/// Endings of compressions.
const COMPRESSED: &[&str] = &[".gz", ".zst", ".xz", ".lz4", ".bz2"];

/// Reads the time in a file's name or relative path: `2026-05-25`, `20260525`, `2026/05/25`, each
/// with or without a time of day, a fraction and a zone. Without a zone it is UTC.
#[must_use]
pub fn time_in_name(name: &str) -> Option<Timestamp> {
    places(name).last().map(|(_, time)| *time)
}

/// Returns the stream of a name: the name with its time replaced by `*`. A name without a time is its
/// own stream.
#[must_use]
pub fn stream_of(name: &str) -> String {
    let mut stream = String::with_capacity(name.len());
    let mut end = 0;
    for (place, _) in places(name) {
        stream.push_str(&name[end..place.start]);
        stream.push('*');
        end = place.end;
    }
    stream.push_str(&name[end..]);
    stream
}

/// Returns a stream without the ending of its compression: a job that changes it stays the same job.
pub(super) fn uncompressed(stream: &str) -> &str {
    COMPRESSED
        .iter()
        .find_map(|ending| stream.strip_suffix(ending))
        .unwrap_or(stream)
}

/// The times of a path: the first of its folders and the first of its last part; the one of the
/// last part, which comes last, is used.
///
/// A second time in a file name stays in its stream, so that such files are never confused.
fn places(name: &str) -> Vec<(Range<usize>, Timestamp)> {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let own =
        first_time(&name[last..]).map(|(place, time)| (place.start + last..place.end + last, time));
    // Without a time in the last part, the folders may carry it together: `2026/05/25/plur.sql`.
    let folders = first_time(if own.is_some() { &name[..last] } else { name });
    folders.into_iter().chain(own).collect()
}

/// Finds the first time in a text.
fn first_time(text: &str) -> Option<(Range<usize>, Timestamp)> {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[at - 1].is_ascii_digit()))
        .find_map(|at| {
            let (length, time) = time_at(&bytes[at..])?;
            Some((at..at + length, time))
        })
}

/// Reads a time at the beginning of a text, and how many bytes it takes.
fn time_at(text: &[u8]) -> Option<(usize, Timestamp)> {
    let mut cursor = Cursor { text, at: 0 };
    let year = cursor.number(4)?;
    let month = cursor.after(b"-_./", 2)?;
    let day = cursor.after(b"-_./", 2)?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    if !YEARS.contains(&year) {
        return None;
    }
    let mut clock = cursor;
    let (time, offset) = match clock.time() {
        Some((time, offset)) => {
            cursor = clock;
            (time, offset)
        }
        None => (Time::midnight(), Offset::UTC),
    };
    // A longer run of digits is a number, not a time.
    if cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = offset.to_timestamp(DateTime::from_parts(date, time)).ok()?;
    Some((cursor.at, time))
}

/// A place in a text.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes one byte, if it is one of these.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| bytes.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// Takes a number of so many digits.
    fn number(&mut self, digits: usize) -> Option<i16> {
        let part = self.text.get(self.at..self.at + digits)?;
        if !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.at += digits;
        std::str::from_utf8(part).ok()?.parse().ok()
    }

    /// Takes a number behind an optional separator.
    fn after(&mut self, separators: &[u8], digits: usize) -> Option<i16> {
        self.one_of(separators);
        self.number(digits)
    }

    /// Takes a time of day, with its fraction and zone where it has them.
    fn time(&mut self) -> Option<(Time, Offset)> {
        let iso = matches!(self.peek(), Some(b'T' | b't'));
        let hour = i8::try_from(self.after(b"-_./:Tt", 2)?).ok()?;
        let minute = i8::try_from(self.after(b"-_.:", 2)?).ok()?;
        let before = self.at;
        let second = self
            .after(b"-_.:", 2)
            .and_then(|second| i8::try_from(second).ok());
        // `-170` behind a time is something else.
        let more = self.peek().is_some_and(|byte| byte.is_ascii_digit());
        let second = match second.filter(|_| !more || before + 2 == self.at) {
            Some(second) => second,
            None => {
                self.at = before;
                0
            }
        };
        let nanoseconds = self.fraction();
        let time = Time::new(hour, minute, second, nanoseconds).ok()?;
        Some((time, self.zone(iso).unwrap_or(Offset::UTC)))
    }

    /// Takes a fraction of three, six or nine digits; `.7z` and `.gz` are none.
    fn fraction(&mut self) -> i32 {
        let digits = match self.text[self.at..].split_first() {
            Some((b'.' | b',', rest)) => {
                rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
            }
            _ => return 0,
        };
        let scale = match digits {
            3 => 1_000_000,
            6 => 1_000,
            9 => 1,
            _ => return 0,
        };
        let number = &self.text[self.at + 1..][..digits];
        self.at += 1 + digits;
        std::str::from_utf8(number)
            .ok()
            .and_then(|number| number.parse::<i32>().ok())
            .map_or(0, |number| number * scale)
    }

    /// Takes a zone: `Z`, `+02`, `+0200`, `+02:00`; a minus only behind an ISO stamp, since
    /// elsewhere it begins the next word of the name.
    fn zone(&mut self, iso: bool) -> Option<Offset> {
        let start = self.at;
        let zone = self.read_zone(iso);
        let word = self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if zone.is_none() || word {
            self.at = start;
            return None;
        }
        zone
    }

    fn read_zone(&mut self, iso: bool) -> Option<Offset> {
        if self.one_of(b"Zz").is_some() {
            return Some(Offset::UTC);
        }
        let minus = match self.one_of(b"+-")? {
            b'-' if !iso => return None,
            sign => sign == b'-',
        };
        let hours = self.number(2).filter(|hours| *hours <= 14)?;
        let before = self.at;
        let minutes = self
            .after(b":", 2)
            .filter(|minutes| [0, 15, 30, 45].contains(minutes));
        let minutes = match minutes {
            Some(minutes) => minutes,
            None if minus => return None,
            None => {
                self.at = before;
                0
            }
        };
        let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
        Offset::from_seconds(if minus { -seconds } else { seconds }).ok()
    }
}

/// The format of the time in names, where the known formats do not match: a pattern of strptime for
/// the whole name, such as `plur-%Y-%m-%d.sql.gz`. `%s` alone is Unix time in seconds or milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(transparent)]
pub struct TimePattern(String);

impl TimePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A lowercase fragment with an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "for example \"plur-%Y-%m-%d.sql.gz\"";
        let pattern = Self(text.to_owned());
        if text.contains('/') {
            return Err(format!(
                "the pattern is for the name without its folders; {example}"
            ));
        }
        if pattern.around_seconds().is_some() {
            return Ok(pattern);
        }
        // It must read what it writes, and the result must contain a day.
        let sample = DateTime::constant(2026, 5, 25, 13, 14, 15, 0);
        let sample = sample
            .to_zoned(TimeZone::UTC)
            .map_err(|error| error.to_string())?;
        let name = strtime::format(text, &sample)
            .map_err(|error| format!("`{text}` is not a strptime pattern: {error}; {example}"))?;
        match pattern.time(&name) {
            Some(time) if time.to_zoned(TimeZone::UTC).date() == sample.date() => Ok(pattern),
            Some(_) | None => Err(format!(
                "`{text}` does not contain a year, a month and a day; {example}"
            )),
        }
    }

    /// Parses the time in a name. Without a zone it is UTC.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        let name = base_name(name);
        if let Some((before, after)) = self.around_seconds() {
            let digits = name.strip_prefix(before)?.strip_suffix(after)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let number: i64 = digits.parse().ok()?;
            return match digits.len() {
                9..=11 => Timestamp::from_second(number).ok(),
                12..=14 => Timestamp::from_millisecond(number).ok(),
                _ => None,
            };
        }
        let read = BrokenDownTime::parse(&self.0, name).ok()?;
        if let Ok(time) = read.to_timestamp() {
            return Some(time);
        }
        let time = read.to_time().unwrap_or(Time::midnight());
        let time = DateTime::from_parts(read.to_date().ok()?, time);
        Offset::UTC.to_timestamp(time).ok()
    }

    /// Returns the stream of the names that it reads: the pattern with `*` for its times.
    #[must_use]
    pub fn stream(&self) -> String {
        let mut stream = String::new();
        let mut characters = self.0.chars();
        let mut end = None;
        while let Some(c) = characters.next() {
            if c != '%' {
                stream.push(c);
                continue;
            }
            match characters.find(|c| c.is_ascii_alphabetic() || *c == '%') {
                Some('%') => stream.push('%'),
                _ => {
                    // From the first directive to the last it is one time.
                    let start = *end.get_or_insert(stream.len());
                    stream.truncate(start);
                    stream.push('*');
                }
            }
        }
        stream
    }

    /// The same time in names that match `glob`, whose only wildcard is a `*` in its place.
    pub(super) fn for_names(&self, glob: &str) -> Option<Self> {
        let (before, after) = base_name(glob).split_once('*')?;
        let mut directives = self.0.match_indices('%');
        let first = directives.next()?.0;
        let last = directives.next_back().map_or(first, |(at, _)| at);
        let letter = self.0[last + 1..].find(|c: char| c.is_ascii_alphabetic())?;
        let time = &self.0[first..last + letter + 2];
        let literal = |text: &str| text.replace('%', "%%");
        let derived = format!("{}{time}{}", literal(before), literal(after));
        (!time.contains("%%") && !after.contains(WILDCARDS)).then(|| Self::parse(&derived).ok())?
    }

    /// The text before and after `%s`, where it is the only directive.
    fn around_seconds(&self) -> Option<(&str, &str)> {
        let (before, after) = self.0.split_once("%s")?;
        (!before.contains('%') && !after.contains('%')).then_some((before, after))
    }
}

impl<'de> Deserialize<'de> for TimePattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Whether a time is more than `limit` before now.
pub(super) fn is_older(time: Timestamp, limit: std::time::Duration) -> bool {
    let age = Timestamp::now().duration_since(time);
    SignedDuration::try_from(limit).is_ok_and(|limit| age >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "plur-2026-05-25.sql.gz",
        Some("2026-05-25T00:00:00Z"),
        "plur-*.sql.gz"
    )]
    #[case(
        "powernode_20260518_020000.sql.gz",
        Some("2026-05-18T02:00:00Z"),
        "powernode_*.sql.gz"
    )]
    #[case(
        "db-2026-05-25T02:30:00Z.dump",
        Some("2026-05-25T02:30:00Z"),
        "db-*.dump"
    )]
    #[case("db-20260525T023000Z.dump", Some("2026-05-25T02:30:00Z"), "db-*.dump")]
    #[case(
        "db-2026-05-25T02:30:00+02:00.dump",
        Some("2026-05-25T00:30:00Z"),
        "db-*.dump"
    )]
    #[case(
        "db-20260525T023000+0200.dump",
        Some("2026-05-25T00:30:00Z"),
        "db-*.dump"
    )]
    #[case("db-20260525T023000+02", Some("2026-05-25T00:30:00Z"), "db-*")]
    #[case(
        "db-20260525T023000-0500.dump",
        Some("2026-05-25T07:30:00Z"),
        "db-*.dump"
    )]
    #[case(
        "db-2026-05-25T02:30:00.250Z.dump",
        Some("2026-05-25T02:30:00.25Z"),
        "db-*.dump"
    )]
    #[case(
        "db-2026-05-25T02:30:00.123456.dump",
        Some("2026-05-25T02:30:00.123456Z"),
        "db-*.dump"
    )]
    #[case("db-2026-05-25T02:30:00.7z", Some("2026-05-25T02:30:00Z"), "db-*.7z")]
    #[case("2026-05-25_02-30-00.dump", Some("2026-05-25T02:30:00Z"), "*.dump")]
    #[case("2026-05-25_02.30.00.dump", Some("2026-05-25T02:30:00Z"), "*.dump")]
    #[case("20260525.sql", Some("2026-05-25T00:00:00Z"), "*.sql")]
    #[case("v16.2-20260525T0230.sql", Some("2026-05-25T02:30:00Z"), "v16.2-*.sql")]
    #[case("202605250230.sql", Some("2026-05-25T02:30:00Z"), "*.sql")]
    // Not a zone, not a time of day: they stay in the stream.
    #[case(
        "db_20260525_020000-0001.sql",
        Some("2026-05-25T02:00:00Z"),
        "db_*-0001.sql"
    )]
    #[case(
        "db-20260525_020000Zurich.sql",
        Some("2026-05-25T02:00:00Z"),
        "db-*Zurich.sql"
    )]
    #[case("db-2026-05-25-01.sql", Some("2026-05-25T00:00:00Z"), "db-*-01.sql")]
    #[case(
        "db-2026-05-25-9910.sql",
        Some("2026-05-25T00:00:00Z"),
        "db-*-9910.sql"
    )]
    // A second time never makes two files one stream.
    #[case(
        "v20250101-db-2026-05-25.sql",
        Some("2025-01-01T00:00:00Z"),
        "v*-db-2026-05-25.sql"
    )]
    // Folders.
    #[case(
        "2026/05/25/plur.sql.gz",
        Some("2026-05-25T00:00:00Z"),
        "*/plur.sql.gz"
    )]
    #[case(
        "2026-05-25/plur.sql.gz",
        Some("2026-05-25T00:00:00Z"),
        "*/plur.sql.gz"
    )]
    #[case(
        "2026-05-25/plur-20260525_0200.sql",
        Some("2026-05-25T02:00:00Z"),
        "*/plur-*.sql"
    )]
    #[case(
        "host-a/plur-2026-05-25.sql",
        Some("2026-05-25T00:00:00Z"),
        "host-a/plur-*.sql"
    )]
    // Numbers that are no dates.
    #[case("backup-2026-13-40.sql", None, "backup-2026-13-40.sql")]
    #[case("backup-1234567.sql", None, "backup-1234567.sql")]
    #[case("backup-1779676200.sql", None, "backup-1779676200.sql")]
    #[case("backup-1779676200123.sql", None, "backup-1779676200123.sql")]
    #[case("backup-202605251.sql", None, "backup-202605251.sql")]
    #[case("backup-2026052512.sql", None, "backup-2026052512.sql")]
    #[case("backup-20260525123.sql", None, "backup-20260525123.sql")]
    #[case("pre_migration_v2.sql.gz", None, "pre_migration_v2.sql.gz")]
    fn names(#[case] name: &str, #[case] time: Option<&str>, #[case] stream: &str) {
        let read = time_in_name(name).map(|time| time.to_string());
        assert_eq!(read.as_deref(), time);
        assert_eq!(stream_of(name), stream);
    }

    #[rstest]
    #[case(
        "plur-%Y-%m-%d.sql.gz",
        "plur-2026-05-25.sql.gz",
        Some("2026-05-25T00:00:00Z"),
        "plur-*.sql.gz"
    )]
    #[case(
        "plur-%d%m%y-%H%M.sql",
        "plur-250526-0230.sql",
        Some("2026-05-25T02:30:00Z"),
        "plur-*.sql"
    )]
    #[case(
        "db-%Y%m%dT%H%M%S%z.dump",
        "db-20260525T023000+0200.dump",
        Some("2026-05-25T00:30:00Z"),
        "db-*.dump"
    )]
    #[case(
        "db-%s.dump",
        "db-1779676200.dump",
        Some("2026-05-25T02:30:00Z"),
        "db-*.dump"
    )]
    #[case(
        "db-%s.dump",
        "db-1779676200123.dump",
        Some("2026-05-25T02:30:00.123Z"),
        "db-*.dump"
    )]
    #[case("db-%s.dump", "db-old.dump", None, "db-*.dump")]
    #[case(
        "plur-%Y-%m-%d.sql.gz",
        "plur-staging-2026-05-25.sql.gz",
        None,
        "plur-*.sql.gz"
    )]
    fn patterns(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] time: Option<&str>,
        #[case] stream: &str,
    ) {
        let pattern = TimePattern::parse(pattern).unwrap();
        let read = pattern.time(name).map(|time| time.to_string());
        assert_eq!(read.as_deref(), time);
        assert_eq!(pattern.stream(), stream);
    }

    #[rstest]
    #[case("shop-%s.dump", "globals-*.sql", Some("globals-%s.sql"))]
    #[case(
        "shop-%d%m%y-%H%M.sql",
        "../roles/g%_*.sql.gz",
        Some("g%%_%d%m%y-%H%M.sql.gz")
    )]
    #[case("shop-%Y-%m-%d.sql", "globals.sql", None)]
    #[case("shop-%Y-%m-%d.sql", "globals-*-*.sql", None)]
    fn the_time_is_the_same_in_names_of_roles(
        #[case] pattern: &str,
        #[case] globals: &str,
        #[case] expected: Option<&str>,
    ) {
        let pattern = TimePattern::parse(pattern).unwrap();
        let derived = pattern.for_names(globals);
        assert_eq!(derived.map(|derived| derived.0).as_deref(), expected);
    }

    #[rstest]
    #[case("plur.sql")]
    #[case("%H%M")]
    #[case("plur-%Y-%m.sql")]
    #[case("plur-%!.sql")]
    #[case("backups/%Y-%m-%d.sql")]
    fn a_pattern_without_a_day_is_refused(#[case] pattern: &str) {
        assert!(TimePattern::parse(pattern).is_err());
    }

    proptest! {
        #[test]
        fn any_name_is_read_without_a_panic(name in ".{0,40}", digits in "[0-9TZ+:._/-]{0,40}") {
            for text in [&name, &digits] {
                match time_in_name(text) {
                    Some(_) => prop_assert!(stream_of(text).contains('*')),
                    None => prop_assert_eq!(&stream_of(text), text),
                }
                if let Ok(pattern) = TimePattern::parse(text) {
                    let _ = pattern.time(&digits);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(seconds in 700_000_000_i64..4_000_000_000, hours in -12_i32..=14) {
            let time = Timestamp::from_second(seconds).unwrap();
            let zoned = time.to_zoned(TimeZone::fixed(Offset::from_seconds(hours * 3600).unwrap()));
            for pattern in ["a-%Y-%m-%dT%H:%M:%S%:z.sql", "a-%Y%m%dT%H%M%S%z.sql", "a-%s.sql"] {
                let name = strtime::format(pattern, &zoned).unwrap();
                prop_assert_eq!(TimePattern::parse(pattern).unwrap().time(&name), Some(time));
                if pattern.contains("%Y") {
                    prop_assert_eq!(time_in_name(&name), Some(time));
                    prop_assert_eq!(stream_of(&name), "a-*.sql");
                }
            }
        }
    }
}
