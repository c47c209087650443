//! Bounds of partitions, and what people write for a period, as moments.

use crate::sql::{TokenKind, tokens};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// Reads what people and bounds write for a moment or a period: `2026-05-01`, `2026-05-01 00:00:00+00`,
/// `2026-05`, `2026_05`, `202605`, `20260501`, `2026`, `2026-Q2`, `2026-W18`.
///
/// An offset is left out: the session writes bounds in the zone that the periods are of.
pub fn moment(text: &str) -> Option<DateTime> {
    let text = text.trim();
    if !text.is_ascii() || text.ends_with("BC") {
        return None;
    }
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let date = |year: i16, month: i16, day: i16| {
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    let shape: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' => '9',
            '_' | '/' | '.' => '-',
            'q' => 'Q',
            'w' => 'W',
            other => other,
        })
        .collect();
    let year = number(0, 4)?;
    match shape.as_str() {
        "9999" => return date(year, 1, 1).map(midnight),
        "9999-99" | "999999" => return date(year, number(4, 6)?, 1).map(midnight),
        "9999-99-99" | "99999999" => {
            return date(year, number(4, 6)?, number(6, 8)?).map(midnight);
        }
        "9999-Q9" | "9999Q9" => {
            let quarter = number(4, 5)?;
            return date(year, quarter.checked_sub(1)? * 3 + 1, 1).map(midnight);
        }
        "9999-W99" | "9999W99" => {
            let week = i8::try_from(number(4, 6)?).ok()?;
            let monday = jiff::civil::ISOWeekDate::new(year, week, Weekday::Monday).ok()?;
            return Some(midnight(monday.date()));
        }
        _ => {}
    }
    // A timestamp; what follows the seconds is a fraction or an offset.
    let seconds = text.get(..19)?;
    let behind = text.get(19..)?;
    let bare: DateTime = seconds.replacen(' ', "T", 1).parse().ok()?;
    // A fraction of a second is not the start of anything.
    let has_fraction = behind.strip_prefix('.').is_some();
    Some(if has_fraction {
        bare.saturating_add(1.millisecond())
    } else {
        bare
    })
}

/// Where a partition begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// At MINVALUE, MAXVALUE or infinity.
    Open,
    /// At a moment; the lower one is in, the upper one is not.
    At(DateTime),
}

/// What one partition takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// What no other takes.
    Default,
    /// Values from one up to another.
    Range(Edge, Edge),
    /// These values.
    List(Vec<DateTime>),
}

/// Splits the values between parentheses; the flag says that a value was quoted.
fn values(text: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut value = (String::new(), false);
    for token in tokens(text) {
        if token.text == "," {
            all.push(std::mem::take(&mut value));
            continue;
        }
        value.1 |= token.kind == TokenKind::Literal;
        value.0.push_str(&token.content());
    }
    all.push(value);
    all
}

/// Reads a bound as `pg_get_expr` writes it; `None` when it is not about time.
pub fn bound(text: &str) -> Option<Bound> {
    let edge = |text: &str| {
        let all = values(text);
        let ((first, quoted), rest) = all.split_first()?;
        // With several key columns only the first one is the time, and the others must not cut it.
        if rest.iter().any(|(word, _)| word != "MINVALUE") && first != "MINVALUE" {
            return None;
        }
        match first.as_str() {
            "MINVALUE" | "MAXVALUE" if !quoted => Some(Edge::Open),
            "-infinity" | "infinity" => Some(Edge::Open),
            text => moment(text).map(Edge::At),
        }
    };
    if text == "DEFAULT" {
        return Some(Bound::Default);
    }
    if let Some(rest) = text.strip_prefix("FOR VALUES FROM (") {
        let (lower, upper) = rest.strip_suffix(')')?.split_once(") TO (")?;
        return Some(Bound::Range(edge(lower)?, edge(upper)?));
    }
    let list = text
        .strip_prefix("FOR VALUES IN (")
        .and_then(|rest| rest.strip_suffix(')'))?;
    values(list)
        .iter()
        .filter(|(word, quoted)| *quoted || word != "NULL")
        .map(|(word, _)| moment(word))
        .collect::<Option<Vec<_>>>()
        .map(Bound::List)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2026-05-01", "2026-05-01T00:00:00")]
    #[case("2026-05-01 00:00:00+00", "2026-05-01T00:00:00")]
    #[case("2026-05-01 00:00:00", "2026-05-01T00:00:00")]
    #[case("2026-05-01 02:30:00+02", "2026-05-01T02:30:00")]
    #[case("2026-05-01 00:00:00.5+00", "2026-05-01T00:00:00.001")]
    #[case("2026-05", "2026-05-01T00:00:00")]
    #[case("2026_05", "2026-05-01T00:00:00")]
    #[case("202605", "2026-05-01T00:00:00")]
    #[case("20260501", "2026-05-01T00:00:00")]
    #[case("2026", "2026-01-01T00:00:00")]
    #[case("2026-Q2", "2026-04-01T00:00:00")]
    #[case("2026q4", "2026-10-01T00:00:00")]
    #[case("2026-W18", "2026-04-27T00:00:00")]
    fn moments(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(moment(text), expected.parse().ok());
    }

    #[rstest]
    #[case("acme")]
    #[case("2026-13")]
    #[case("0044-03-15 BC")]
    #[case("12")]
    #[case("2026-Q9")]
    #[case("überall")]
    fn what_is_no_moment(#[case] text: &str) {
        assert_eq!(moment(text), None);
    }

    #[test]
    fn bounds() {
        let at = |text| Edge::At(moment(text).unwrap());
        let cases = [
            ("DEFAULT", Some(Bound::Default)),
            (
                "FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00')",
                Some(Bound::Range(at("2026-05"), at("2026-06"))),
            ),
            (
                "FOR VALUES FROM (MINVALUE) TO (202605)",
                Some(Bound::Range(Edge::Open, at("2026-05"))),
            ),
            (
                "FOR VALUES FROM ('2026-05-01', MINVALUE) TO ('2026-06-01', MINVALUE)",
                Some(Bound::Range(at("2026-05"), at("2026-06"))),
            ),
            (
                "FOR VALUES FROM ('2026-05-01', 5) TO ('2026-06-01', MINVALUE)",
                None,
            ),
            (
                "FOR VALUES IN ('2026-05', NULL)",
                Some(Bound::List(vec![moment("2026-05").unwrap()])),
            ),
            ("FOR VALUES IN ('acme')", None),
            ("FOR VALUES IN ('it''s, (2026-05)')", None),
            ("FOR VALUES WITH (modulus 4, remainder 0)", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bound(text), expected, "{text}");
        }
    }
}
