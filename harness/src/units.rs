//! Durations and sizes: strings that carry a unit, as in `"26h"`, `"1h 30m"`, `"512 MiB"`.

pub use pgdump::digest::{show_count, show_counted};

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};

/// Lists names, at most `most`, and how many more there are: `a, b and 3 more`.
#[must_use]
pub fn listed<T: ToString>(names: &[T], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(ToString::to_string).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {} more", show_count(more as u64)),
    }
}

/// A span of time with a unit: `"90s"`, `"20m"`, `"26h"`, `"14d"`, `"1h 30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(transparent, extend("pattern" = "^\\s*(\\d+(\\.\\d+)?\\s*(ms|s|m|h|d|w|y)\\s*)+$"))]
pub struct Span(#[schemars(with = "String")] pub Duration);

impl Span {
    /// Reads a span.
    ///
    /// # Errors
    /// A lowercase fragment with an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a duration; write a number and a unit, as in \"90s\", \"20m\", \"26h\", \"14d\""
            )
        };
        let mut total = 0.0_f64;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(bad)?;
            let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = rest[digits..].trim_start();
            let letters = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "ms" => 0.001,
                "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
                "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                "w" | "week" | "weeks" => 604_800.0,
                "y" | "year" | "years" => 31_536_000.0,
                _ => return Err(bad()),
            };
            total += number * unit;
            rest = rest[letters..].trim_start();
        }
        Duration::try_from_secs_f64(total)
            .map(Self)
            .map_err(|_| bad())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a duration with a unit, such as \"20m\"", Self::parse))
    }
}

/// A number of bytes with a unit: `"512 MiB"`, `"2GiB"`, `"100 MB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(transparent, extend("pattern" = "^\\s*\\d+(\\.\\d+)?\\s*([KMGT]i?)?B\\s*$"))]
pub struct Size(#[schemars(with = "String")] pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_bytes(self.0))
    }
}

impl Size {
    /// Reads a size.
    ///
    /// # Errors
    /// A lowercase fragment with an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a size; write a number and a unit, as in \"512 MiB\", \"2 GiB\""
            )
        };
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(bad)?;
        let number: f64 = trimmed[..digits].parse().map_err(|_| bad())?;
        let unit: f64 = match trimmed[digits..].trim() {
            "B" => 1.0,
            "KB" | "kB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            "KiB" => 1024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            "TiB" => 1_099_511_627_776.0,
            _ => return Err(bad()),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a size is positive, and a fraction of a byte does not matter"
        )]
        Ok(Self((number * unit) as u64))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a size with a unit, such as \"512 MiB\"", Self::parse))
    }
}

/// Deserializes a text: what is expected, and the parser.
struct Text<T>(&'static str, fn(&str) -> Result<T, String>);

impl<T> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

/// A share, written with a percent sign: `"5%"`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Percent(pub f64);

impl Percent {
    /// Reads a share.
    ///
    /// # Errors
    /// A lowercase fragment with an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.trim()
            .strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .filter(|number: &f64| (0.0..=100.0).contains(number))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a share; write as in \"5%\""))
    }

    /// Gives it as a fraction of one.
    #[must_use]
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }
}

impl TryFrom<String> for Percent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

/// Shows a duration as a person would say it: `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 10 min`, `26 days`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Shows a number of bytes: `512 B`, `12.3 MB`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let number = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", number / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number / 1e6),
        _ => format!("{:.2} GB", number / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(1, "row", "1 row")]
    #[case(0, "row", "0 rows")]
    #[case(2000, "index", "2\u{20}000 indexes")]
    #[case(2, "entry", "2 entries")]
    #[case(2, "key", "2 keys")]
    fn nouns(#[case] count: u64, #[case] noun: &str, #[case] expected: &str) {
        assert_eq!(show_counted(count, noun), expected);
    }

    #[test]
    fn lists_are_cut() {
        assert_eq!(listed(&["a", "b"], 2), "a, b");
        assert_eq!(listed(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[rstest]
    #[case("90s", 90)]
    #[case("1h 30m", 5400)]
    #[case("26 hours", 93_600)]
    #[case("0.5d", 43_200)]
    fn spans(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(Span::parse(text), Ok(Span(Duration::from_secs(seconds))));
    }

    #[rstest]
    #[case("")]
    #[case("20")]
    #[case("m")]
    #[case("-5m")]
    #[case("5 parsecs")]
    fn bare_numbers_and_nonsense_are_refused(#[case] text: &str) {
        assert!(Span::parse(text).is_err());
        assert!(Size::parse(text).is_err());
    }

    #[rstest]
    #[case("512 MiB", 536_870_912)]
    #[case("2GB", 2_000_000_000)]
    fn sizes(#[case] text: &str, #[case] bytes: u64) {
        assert_eq!(Size::parse(text), Ok(Size(bytes)));
    }

    #[rstest]
    #[case(850, "850 ms")]
    #[case(12_340, "12.3 s")]
    #[case(245_000, "4 min 05 s")]
    #[case(7_800_000, "2 h 10 min")]
    #[case(190_800_000, "2 days 5 h")]
    fn durations_read_well(#[case] millis: u64, #[case] text: &str) {
        assert_eq!(show_duration(Duration::from_millis(millis)), text);
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(show_count(7), "7");
        assert_eq!(show_count(34_012), "34 012");
        assert_eq!(show_count(1_000_000), "1 000 000");
    }

    #[rstest]
    #[case(0, "row", "0 rows")]
    #[case(1, "row", "1 row")]
    #[case(34_012, "row", "34 012 rows")]
    #[case(2, "index", "2 indexes")]
    #[case(2, "body", "2 bodies")]
    #[case(1, "body", "1 body")]
    #[case(2, "key", "2 keys")]
    #[case(2, "search", "2 searches")]
    #[case(2, "alias", "2 aliases")]
    #[case(2, "vertex", "2 vertices")]
    #[case(2, "materialized view", "2 materialized views")]
    fn nouns_follow_their_count(#[case] count: usize, #[case] noun: &str, #[case] text: &str) {
        assert_eq!(show_counted(count, noun), text);
    }
}
