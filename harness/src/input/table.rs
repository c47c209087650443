//! Checks of a table before it is decoded, with the place of every error.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::Problem;
use super::decode::Table;
use crate::http;

/// The place of a key.
#[must_use]
pub fn key_span(table: &Table<'_>, name: &str) -> Option<Range<usize>> {
    table.get_key_value(name).map(|(key, _)| key.span())
}

/// A text and its place.
#[must_use]
pub fn text_at<'a>(table: &'a Table<'_>, name: &str) -> Option<(&'a str, Range<usize>)> {
    let value = table.get(name)?;
    Some((value.get_ref().as_str()?, value.span()))
}

/// The place of the value at a path of keys and indexes of lists; of the last one that is there, where the rest is not.
#[must_use]
pub fn span_within(value: &Spanned<DeValue<'_>>, path: &[&str]) -> Range<usize> {
    let Some((first, rest)) = path.split_first() else {
        return value.span();
    };
    let inner = match value.get_ref() {
        DeValue::Table(table) => table.get(*first),
        DeValue::Array(list) => first.parse().ok().and_then(|at: usize| list.get(at)),
        _ => None,
    };
    inner.map_or_else(|| value.span(), |inner| span_within(inner, rest))
}

/// A table in the table, and the place of its key.
#[must_use]
pub fn table_at<'a, 'i>(table: &'a Table<'i>, name: &str) -> Option<(&'a Table<'i>, Range<usize>)> {
    let (key, value) = table.get_key_value(name)?;
    Some((value.get_ref().as_table()?, key.span()))
}

/// Refuses secrets that are written in the file.
pub fn refuse_plain_secrets(table: &Table<'_>, names: &[&str], problems: &mut Vec<Problem>) {
    for name in names {
        if let Some((_, span)) = text_at(table, name) {
            problems.push(
                Problem::at(span, "a secret is never written in a scenario")
                    .hint("write `{ env = \"NAME\" }` or `{ file = \"path\" }`"),
            );
        }
    }
}

/// Reports a key whose companion is missing.
pub fn require_with(table: &Table<'_>, name: &str, other: &str, problems: &mut Vec<Problem>) {
    if let (Some(span), None) = (key_span(table, name), key_span(table, other)) {
        problems.push(Problem::at(span, format!("`{name}` requires `{other}`")));
    }
}

/// Reports a text that is not an HTTP address.
pub fn check_http_url(table: &Table<'_>, name: &str, problems: &mut Vec<Problem>) {
    if let Some((text, span)) = text_at(table, name)
        && http::parse_url(text).is_none()
    {
        problems.push(
            Problem::at(span, "this is not an HTTP address")
                .hint("write it in full, such as `https://backups.example.com/plur.sql.gz`"),
        );
    }
}
