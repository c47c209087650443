//! Places in a scenario file, for errors.

use std::ops::Range;

use toml::de::DeValue;

use crate::input::decode::Table;

/// The place of a key.
pub(super) fn place_of_key(table: &Table<'_>, path: &[&str]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match (rest, value.get_ref()) {
        ([], _) => Some(key.span()),
        (rest, DeValue::Table(table)) => place_of_key(table, rest),
        _ => None,
    }
}

/// The place of a `[header]`, for errors about a whole section.
pub(super) fn span_of(text: &str, header: &str) -> Range<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.trim_start_matches('[').trim_end_matches(']').trim() == header
            && trimmed.starts_with('[')
        {
            return at..at + line.trim_end().len();
        }
        at += line.len();
    }
    0..0
}
