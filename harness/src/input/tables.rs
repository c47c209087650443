//! Tables that a scenario names by patterns.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sql::{NamePattern, QualifiedName, split_qualified, tokens};

/// The name of all large objects in a list of tables.
pub const LARGE_OBJECTS: &str = "large objects";

/// A table by its schema and name, such as `app.outbox`, or several: in either part `*` matches any text
/// and `?` one character, such as `*.sessions`. `large objects` means those.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct TablePattern(
    /// None for large objects.
    Option<NamePattern>,
);

impl TablePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// A lowercase fragment with the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == LARGE_OBJECTS {
            return Ok(Self(None));
        }
        if split_qualified(text).0.is_none() {
            return Err(
                "a table is named with its schema, such as `app.outbox` or `*.sessions`".to_owned(),
            );
        }
        if tokens(text).any(|token| matches!(token.text, "[" | "]" | "{" | "}")) {
            return Err(format!(
                "`{text}` contains wildcards other than `*` and `?`; write one entry per name"
            ));
        }
        NamePattern::parse(text).map(|names| Self(Some(names)))
    }

    /// Whether it matches a table.
    #[must_use]
    pub fn matches(&self, table: &QualifiedName) -> bool {
        let names = self.0.as_ref();
        names.is_some_and(|names| names.matches(table))
    }

    /// Whether it matches a table whose name is written as the server quotes it, or for `large objects`.
    #[must_use]
    pub fn matches_text(&self, table: &str) -> bool {
        match table {
            LARGE_OBJECTS => self.0.is_none(),
            table => QualifiedName::parse(table).is_ok_and(|table| self.matches(&table)),
        }
    }
}

impl TryFrom<String> for TablePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.outbox", "app.outbox", true)]
    #[case("App.Outbox", "app.outbox", true)]
    #[case("*.sessions", "app.sessions", true)]
    #[case("app.log_????", "app.log_2026", true)]
    #[case("\"App\".*", "\"App\".\"T\"", true)]
    #[case("\"App\".*", "app.t", false)]
    #[case("app.*", "\"app.x\".t", false)]
    #[case("*.*", "app.t", true)]
    #[case("*.*", "large objects", false)]
    #[case("large objects", "large objects", true)]
    fn tables_are_matched(#[case] pattern: &str, #[case] table: &str, #[case] hit: bool) {
        assert_eq!(
            TablePattern::parse(pattern).unwrap().matches_text(table),
            hit
        );
    }

    #[rstest]
    #[case("*", "with its schema")]
    #[case("outbox", "with its schema")]
    #[case("app.{a,b}", "write one entry per name")]
    #[case("app.log_[0-9]", "write one entry per name")]
    #[case("a.b.c", "more than a schema and a name")]
    #[case("app.\"x", "not closed")]
    fn what_is_no_pattern_is_refused(#[case] text: &str, #[case] says: &str) {
        let error = TablePattern::parse(text).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
