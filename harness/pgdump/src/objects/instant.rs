//! Times with a zone in definitions: pg_dump writes them in the time zone of its session, so that a bound of a
//! partition has another text on a server in another zone. One form for both: UTC.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::{Captures, Regex};

/// A time as the server writes it, with its offset.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"'(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-]\d\d(?::\d\d){0,2})'").ok()
});

/// Writes each time of a definition that has an offset in UTC.
pub(super) fn in_utc(text: &str) -> Cow<'_, str> {
    let Some(time) = TIME.as_ref() else {
        return text.into();
    };
    time.replace_all(text, |found: &Captures<'_>| {
        let (date, clock, offset) = (&found[1], &found[2], &found[3]);
        let parsed: Result<Timestamp, _> = format!("{date}T{clock}{offset}").parse();
        parsed.map_or_else(
            |_| found[0].to_owned(),
            |instant| format!("'{}'", instant.strftime("%F %T%.f+00")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "FROM ('2026-06-01 00:00:00+02') TO",
        "FROM ('2026-05-31 22:00:00+00') TO"
    )]
    #[case("('2026-05-31 22:00:00+00')", "('2026-05-31 22:00:00+00')")]
    #[case("('2026-05-31 18:30:00.25-03:30')", "('2026-05-31 22:00:00.25+00')")]
    #[case("('1890-01-01 00:53:28+00:53:28')", "('1890-01-01 00:00:00+00')")]
    #[case("('2026-06-01 00:00:00')", "('2026-06-01 00:00:00')")]
    #[case("('2026-06-01')", "('2026-06-01')")]
    #[case("('infinity')", "('infinity')")]
    #[case("('2026-13-01 00:00:00+02')", "('2026-13-01 00:00:00+02')")]
    fn times_are_written_in_one_zone(#[case] text: &str, #[case] utc: &str) {
        assert_eq!(in_utc(text), utc);
    }
}
