//! `newest`: of the files that match a pattern, the one with the latest time in its name.
//!
//! Never by modification time: a copy or a restore of old files changes it.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Found, SourceError};

/// Takes the newest file that matches.
pub(super) fn find(pattern: &Path) -> Result<Found, SourceError> {
    let folder = pattern.parent().unwrap_or(Path::new("."));
    let name = pattern
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if folder.to_string_lossy().contains(['*', '?']) {
        return Err(SourceError {
            reason: format!(
                "the pattern {} has a wildcard in its folder",
                pattern.display()
            ),
            hint: "wildcards stand in the file's name only".to_owned(),
        });
    }
    let entries = std::fs::read_dir(folder).map_err(|error| SourceError {
        reason: format!("cannot read the folder {}: {error}", folder.display()),
        hint: "correct `newest` in `[backup]`; it is relative to the scenario file".to_owned(),
    })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|file| matches(name.as_bytes(), file.as_bytes()))
        .collect();
    names.sort();
    let matching = names.len();
    let mut dated: Vec<(Timestamp, String)> = names
        .into_iter()
        .filter_map(|name| Some((time_in_name(&name)?, name)))
        .collect();
    dated.sort();
    let undated = matching - dated.len();
    let Some((time, newest)) = dated.pop() else {
        let reason = if matching == 0 {
            format!("no file matches {}", pattern.display())
        } else {
            format!(
                "none of the {matching} files that match {} has a date in its name",
                pattern.display()
            )
        };
        return Err(SourceError {
            reason,
            hint: "dates are read as 2026-05-25, 20260525 or 20260525_020000; for a file without one use `path`".to_owned(),
        });
    };
    let mut chosen = format!(
        "the newest by the date in its name of {} that match `{name}`",
        dated.len() + 1
    );
    if undated > 0 {
        chosen.push_str(&format!("; {undated} without a date were left out"));
    }
    if let Some((_, before)) = dated.last() {
        chosen.push_str(&format!("; the one before is {before}"));
    }
    Ok(Found {
        path: folder.join(newest),
        chosen,
        named_time: Some(time),
    })
}

/// Tells whether a name matches a pattern with `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, tail)| matches(pattern, tail))
        }
        (Some((b'?', rest)), Some((_, tail))) => matches(rest, tail),
        (Some((p, rest)), Some((n, tail))) if p == n => matches(rest, tail),
        _ => false,
    }
}

/// Reads the time in a file's name: `2026-05-25`, `20260525`, each with or without a time of day.
/// Without a zone it is taken as UTC.
#[must_use]
pub fn time_in_name(name: &str) -> Option<Timestamp> {
    let bytes = name.as_bytes();
    (0..bytes.len())
        .filter(|at| *at == 0 || !bytes[at - 1].is_ascii_digit())
        .find_map(|at| time_at(&name[at..]))
}

/// Reads a time at the beginning of a text.
fn time_at(text: &str) -> Option<Timestamp> {
    let mut digits = Vec::new();
    let mut rest = text.as_bytes();
    // Year, month, day, hour, minute, second: two digits each, four for the year, separators between.
    for (index, width) in [4, 2, 2, 2, 2, 2].into_iter().enumerate() {
        let unseparated = match rest.first() {
            Some(b'-' | b'_' | b'T' | b't' | b':' | b'.') if index > 0 => &rest[1..],
            _ => rest,
        };
        let part = unseparated
            .get(..width)
            .filter(|part| part.iter().all(u8::is_ascii_digit));
        match part {
            Some(part) => {
                digits.push(std::str::from_utf8(part).ok()?.parse::<i16>().ok()?);
                rest = &unseparated[width..];
            }
            None => break,
        }
    }
    // A longer run of digits is a number, not a time.
    if digits.len() < 3 || (digits.len() == 6 && rest.first().is_some_and(u8::is_ascii_digit)) {
        return None;
    }
    let part = |index: usize| i8::try_from(digits.get(index).copied().unwrap_or(0)).ok();
    let has_time = digits.len() >= 5;
    let date = DateTime::new(
        digits[0],
        part(1)?,
        part(2)?,
        if has_time { part(3)? } else { 0 },
        if has_time { part(4)? } else { 0 },
        if has_time { part(5)? } else { 0 },
        0,
    )
    .ok()?;
    (1990..2200).contains(&digits[0]).then_some(())?;
    date.to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plur-2026-05-25.sql.gz", Some("2026-05-25T00:00:00Z"))]
    #[case("powernode_20260518_020000.sql.gz", Some("2026-05-18T02:00:00Z"))]
    #[case("db-2026-05-25T02:30:00Z.dump", Some("2026-05-25T02:30:00Z"))]
    #[case("20260525.sql", Some("2026-05-25T00:00:00Z"))]
    #[case("v16.2-20260525T0230.sql", Some("2026-05-25T02:30:00Z"))]
    #[case("backup-2026-13-40.sql", None)]
    #[case("backup-1234567.sql", None)]
    #[case("pre_migration_v2.sql.gz", None)]
    fn times_are_read(#[case] name: &str, #[case] time: Option<&str>) {
        assert_eq!(
            time_in_name(name).map(|time| time.to_string()).as_deref(),
            time
        );
    }

    #[test]
    fn the_newest_is_taken_by_name_not_by_modification_time() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a-2026-05-25.sql",
            "a-2026-05-24.sql",
            "a-old.sql",
            "b-2026-05-26.sql",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = find(&folder.path().join("a-*.sql")).unwrap();
        assert_eq!(found.path.file_name().unwrap(), "a-2026-05-25.sql");
        assert!(
            found.chosen.contains("a-2026-05-24.sql"),
            "{}",
            found.chosen
        );
        assert!(find(&folder.path().join("c-*.sql")).is_err());
    }
}
