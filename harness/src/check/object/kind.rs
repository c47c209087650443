//! Kinds of objects that have a name, and how a name of each is written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::catalog::{ObjectId, ObjectKind, PartKind};
use crate::sql::quote_ident;

/// A kind of object or of a part of one, in the words of identities with `-` for each space: `materialized-view`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum NamedKind {
    /// `table`, `role`, …
    Object(ObjectKind),
    /// `column`, `policy`, …
    Part(PartKind),
}

/// Kinds of objects. Casts, operators, transforms, user mappings and default privileges have no name, graphs and
/// subscriptions are rows, and of the others there is one.
const OBJECTS: &[ObjectKind] = &[
    ObjectKind::AccessMethod,
    ObjectKind::Aggregate,
    ObjectKind::Collation,
    ObjectKind::Conversion,
    ObjectKind::Domain,
    ObjectKind::EventTrigger,
    ObjectKind::Extension,
    ObjectKind::ForeignDataWrapper,
    ObjectKind::ForeignServer,
    ObjectKind::ForeignTable,
    ObjectKind::Function,
    ObjectKind::Language,
    ObjectKind::MaterializedView,
    ObjectKind::Procedure,
    ObjectKind::Publication,
    ObjectKind::Role,
    ObjectKind::Schema,
    ObjectKind::Sequence,
    ObjectKind::Table,
    ObjectKind::Tablespace,
    ObjectKind::TextSearchConfiguration,
    ObjectKind::TextSearchDictionary,
    ObjectKind::TextSearchParser,
    ObjectKind::TextSearchTemplate,
    ObjectKind::Type,
    ObjectKind::View,
];

/// Kinds of parts.
const PARTS: &[PartKind] = &[
    PartKind::Column,
    PartKind::Constraint,
    PartKind::Index,
    PartKind::Policy,
    PartKind::Rule,
    PartKind::Statistics,
    PartKind::Trigger,
];

impl NamedKind {
    /// Lists all of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let objects = OBJECTS.iter().map(|kind| Self::Object(*kind));
        objects.chain(PARTS.iter().map(|kind| Self::Part(*kind)))
    }

    /// The word in messages: `materialized view`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Object(kind) => kind.word(),
            Self::Part(kind) => kind.word(),
        }
    }

    /// The word in a scenario: `materialized-view`.
    fn key(self) -> String {
        self.word().replace(' ', "-")
    }

    /// Whether an object is named with the table, or the domain, that it is on.
    pub const fn is_of_a_table(self) -> bool {
        match self {
            // They are in a schema by names of their own.
            Self::Part(PartKind::Index | PartKind::Statistics) | Self::Object(_) => false,
            Self::Part(_) => true,
        }
    }

    /// Whether a name without parentheses is that of several.
    pub const fn is_routine(self) -> bool {
        matches!(self, Self::Object(kind) if kind.is_routine())
    }

    /// How a name is written.
    pub const fn shape(self) -> &'static str {
        match self {
            Self::Object(kind) if kind.is_routine() => "schema.name(types)",
            Self::Object(kind) if kind.has_schema() => "schema.name",
            Self::Object(_) => "name",
            Self::Part(_) if self.is_of_a_table() => "schema.table.name",
            Self::Part(_) => "schema.name",
        }
    }

    /// How many parts a name has.
    pub fn parts(self) -> usize {
        1 + self.shape().matches('.').count()
    }

    /// What would have made one.
    pub fn statement(self) -> String {
        match self {
            Self::Part(PartKind::Column) => "column".to_owned(),
            Self::Part(PartKind::Constraint) => "ADD CONSTRAINT".to_owned(),
            _ => format!("CREATE {}", self.word().to_uppercase()),
        }
    }

    /// The name of an object in parts, where it is of this kind; `key` is that of [`crate::catalog::identities`].
    pub fn path<'a>(self, key: &str, id: &'a ObjectId) -> Option<Vec<&'a str>> {
        let schema = id.schema.as_deref();
        let Some(part) = &id.part else {
            let is_one = matches!(self, Self::Object(kind) if kind == id.kind);
            return is_one.then(|| schema.into_iter().chain([id.name.as_str()]).collect());
        };
        let Self::Part(kind) = self else {
            return None;
        };
        let is_one = match kind {
            // That of a constraint has its identity.
            PartKind::Index => {
                part.kind == PartKind::Index
                    || part.kind == PartKind::Constraint && key.starts_with("pg_class ")
            }
            PartKind::Constraint => matches!(
                part.kind,
                PartKind::Constraint | PartKind::InheritedConstraint
            ),
            kind => part.kind == kind,
        };
        let name = part.name.as_str();
        match kind {
            _ if !is_one => None,
            PartKind::Index => Some(vec![schema?, name]),
            PartKind::Statistics => Some(vec![part.schema.as_deref()?, name]),
            _ => Some(vec![schema?, id.name.as_str(), name]),
        }
    }

    /// Names an object in a finding: `column app.orders.id`, `function app.f(integer)`.
    pub fn describe(self, path: &[&str], id: &ObjectId) -> String {
        if self.is_routine() {
            return id.to_string();
        }
        let path: Vec<String> = path.iter().map(|name| quote_ident(name)).collect();
        format!("{} {}", self.word(), path.join("."))
    }
}

impl TryFrom<String> for NamedKind {
    type Error = String;

    /// Parses a word of a scenario. The error is one as serde writes them, so that the most similar word is suggested.
    fn try_from(text: String) -> Result<Self, String> {
        Self::all().find(|kind| kind.key() == text).ok_or_else(|| {
            let known: Vec<String> = Self::all()
                .map(|kind| format!("`{}`", kind.key()))
                .collect();
            format!(
                "unknown variant `{text}`, expected one of {}",
                known.join(", ")
            )
        })
    }
}

impl JsonSchema for NamedKind {
    fn schema_name() -> Cow<'static, str> {
        "NamedKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<String> = Self::all().map(Self::key).collect();
        json_schema!({
            "description": "A kind of object that has a name.",
            "type": "string",
            "enum": words
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn kind(text: &str) -> NamedKind {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn every_word_is_read() {
        for one in NamedKind::all() {
            assert_eq!(kind(&one.key()), one);
        }
        assert!(NamedKind::try_from("tabel".to_owned()).is_err());
    }

    #[rstest]
    #[case("table", "pg_class 1", "table app.orders", Some("app/orders"))]
    #[case("view", "pg_class 1", "table app.orders", None)]
    #[case("table", "pg_attribute 1.1", "table app.orders column id", None)]
    #[case(
        "column",
        "pg_attribute 1.1",
        "table app.orders column id",
        Some("app/orders/id")
    )]
    #[case(
        "constraint",
        "pg_constraint 1",
        "domain app.key constraint long",
        Some("app/key/long")
    )]
    #[case(
        "index",
        "pg_class 1",
        "table app.orders constraint orders_pkey",
        Some("app/orders_pkey")
    )]
    #[case(
        "index",
        "pg_constraint 1",
        "table app.orders constraint orders_pkey",
        None
    )]
    #[case(
        "statistics",
        "pg_statistic_ext 1",
        "table app.t statistics other.s",
        Some("other/s")
    )]
    #[case(
        "function",
        "pg_proc 1",
        "function app.f(integer, text)",
        Some("app/f")
    )]
    #[case("role", "pg_roles 1", "role \"a@example.com\"", Some("a@example.com"))]
    fn objects_of_a_kind(
        #[case] word: &str,
        #[case] key: &str,
        #[case] id: &str,
        #[case] path: Option<&str>,
    ) {
        let id: ObjectId = id.parse().unwrap();
        let found = kind(word).path(key, &id);
        assert_eq!(found.as_ref().map(|path| path.join("/")).as_deref(), path);
        if let Some(path) = found {
            assert_eq!(path.len(), kind(word).parts());
        }
    }
}
