//! Values of keys, written as TOML.

use std::fmt::Write as _;

use super::{Keys, WIDTH};
use crate::toml_text;

/// A value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Self>),
    /// A list with each entry on a line of its own.
    Rows(Vec<Self>),
    /// An inline table.
    Inline(Keys),
}

/// Keys with their values.
pub fn keys<const N: usize>(entries: [(&str, Value); N]) -> Keys {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl Value {
    /// The text, unless it is a pattern.
    pub(super) fn as_name(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.contains(['*', '?']) => Some(text.clone()),
            _ => None,
        }
    }

    /// Formats it on one line.
    fn line(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Number(number) => group(*number),
            Self::Flag(flag) => flag.to_string(),
            Self::List(list) | Self::Rows(list) => {
                let items: Vec<String> = list.iter().map(Self::line).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Inline(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Inline(entries) => {
                let items: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{} = {}", bare(key), value.line()))
                    .collect();
                format!("{{ {} }}", items.join(", "))
            }
        }
    }

    /// Formats `key = value`; a long list is broken into lines with several short entries each.
    #[must_use]
    pub fn write(&self, key: &str) -> String {
        let line = format!("{} = {}", bare(key), self.line());
        let list = match self {
            Self::Rows(list) if list.len() > 1 || line.chars().count() > WIDTH => list,
            Self::List(list) if line.chars().count() > WIDTH => list,
            _ => return line,
        };
        // Tables in a list have a line each.
        let each = |item: &Self| matches!(item, Self::Inline(_)) || matches!(self, Self::Rows(_));
        let mut text = format!("{} = [\n", bare(key));
        let mut row = String::new();
        for value in list {
            let item = value.line();
            if each(value) {
                let _ = writeln!(text, "    {item},");
                continue;
            }
            if !row.is_empty() && row.chars().count() + item.chars().count() + 6 > WIDTH {
                let _ = writeln!(text, "    {}", row.trim_end());
                row.clear();
            }
            row.push_str(&item);
            row.push_str(", ");
        }
        if !row.is_empty() {
            let _ = writeln!(text, "    {}", row.trim_end());
        }
        text.push(']');
        text
    }
}

/// Formats a text as TOML that a scenario does not replace with variables of the environment.
#[must_use]
pub fn quote(text: &str) -> String {
    toml_text::line(&unexpanded(text))
}

/// A key, quoted where it must be.
fn bare(key: &str) -> String {
    toml_text::key(&unexpanded(key))
}

/// Escapes what would be a variable of the environment.
fn unexpanded(text: &str) -> String {
    text.replace("${", "$${")
}

/// `1234567` → `1_234_567`.
fn group(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('_');
        }
        out.push(c);
    }
    if number < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.orders", "\"app.orders\"")]
    #[case("\"My\".\"T\"", "'\"My\".\"T\"'")]
    #[case("a'b\"c", "\"a'b\\\"c\"")]
    #[case("${HOME}", "\"$${HOME}\"")]
    #[case("a\nb", "\"a\\nb\"")]
    fn texts_are_quoted_as_little_as_possible(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(quote(text), shown);
    }

    #[rstest]
    #[case(5, "5")]
    #[case(1000, "1_000")]
    #[case(1_234_567, "1_234_567")]
    #[case(-1, "-1")]
    fn numbers_are_grouped(#[case] number: i64, #[case] shown: &str) {
        assert_eq!(group(number), shown);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(text in "\\PC*|[\\x00-\\x7f]*", key in "\\PC+") {
            prop_assume!(!text.contains("${"));
            let written = format!("{} = {}", bare(&key.replace("${", "")), quote(&text));
            let read: toml::Table = toml::from_str(&written).unwrap();
            prop_assert_eq!(read.values().next().unwrap().as_str().unwrap(), text);
        }
    }
}
