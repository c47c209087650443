//! Identities of objects: typed, with one way to print them (`print`) and one strict parser (`parse`).
//!
//! The text is the kind and then the name as SQL writes it: `table app.orders`, `function app.f(integer, text)`,
//! `role "Odd role"`. A part of an object follows the object: `table app.orders column id`. Baseline files, reports and
//! the command line have this text; everything else compares the fields, in which no name is quoted.

mod kind;
mod parse;
mod print;
#[cfg(test)]
pub(super) mod tests;

use crate::sql::QualifiedName;

pub use kind::{ObjectKind, PartKind};

/// The identity of an object or of a part of one. Names are as the server keeps them, without quotes.
///
/// Sorted, the parts of an object follow it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The kind of the object.
    pub kind: ObjectKind,
    /// The schema that it is in; of default privileges the schema that they are for.
    pub schema: Option<String>,
    /// Its name; empty for a kind with only one object, and for casts. Of default privileges the role that creates the
    /// objects, of a user mapping the foreign server, of a transform the language.
    pub name: String,
    /// What distinguishes it from others of its name: types of arguments as the server prints them, the access method of
    /// an operator class, the role of a user mapping (none for PUBLIC), the class of objects of default privileges.
    pub signature: Option<String>,
    /// The part, where the identity is that of a part.
    pub part: Option<ObjectPart>,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPart {
    /// `column`, `index`, …
    pub kind: PartKind,
    /// The schema of a part that can be in another schema than its object: statistics, published tables.
    pub schema: Option<String>,
    /// Its name; of settings of a role the role; empty for the settings of the database itself.
    pub name: String,
}

impl ObjectId {
    /// Creates the identity of an object without a schema.
    pub fn new(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            schema: None,
            name: name.into(),
            signature: None,
            part: None,
        }
    }

    /// Creates the identity of an object in a schema.
    #[must_use]
    pub fn qualified(kind: ObjectKind, name: &QualifiedName) -> Self {
        Self {
            schema: Some(name.schema.clone()),
            ..Self::new(kind, name.name.clone())
        }
    }

    /// The entry with the version of the server.
    #[must_use]
    pub fn server() -> Self {
        Self::new(ObjectKind::Server, "")
    }

    /// The database itself.
    #[must_use]
    pub fn database() -> Self {
        Self::new(ObjectKind::Database, "")
    }

    /// All large objects together.
    #[must_use]
    pub fn large_objects() -> Self {
        Self::new(ObjectKind::LargeObjects, "")
    }

    /// The role of this name.
    pub fn role(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Role, name)
    }

    /// The identity of a part of this object.
    #[must_use]
    pub fn with_part(&self, part: ObjectPart) -> Self {
        Self {
            part: Some(part),
            ..self.clone()
        }
    }

    /// The object without the part.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self {
            part: None,
            ..self.clone()
        }
    }

    /// The kind of the part, where it is one.
    #[must_use]
    pub fn part_kind(&self) -> Option<PartKind> {
        self.part.as_ref().map(|part| part.kind)
    }

    /// Whether it is a part of `object`.
    #[must_use]
    pub fn is_part_of(&self, object: &Self) -> bool {
        self.part.is_some()
            && object.part.is_none()
            && (self.kind, &self.schema, &self.name, &self.signature)
                == (object.kind, &object.schema, &object.name, &object.signature)
    }

    /// Schema and name of the object; `None` where the kind has no schema.
    #[must_use]
    pub fn qualified_name(&self) -> Option<QualifiedName> {
        Some(QualifiedName {
            schema: self.schema.clone()?,
            name: self.name.clone(),
        })
    }

    /// The name of a role; `None` for anything else.
    #[must_use]
    pub fn as_role(&self) -> Option<&str> {
        (self.kind == ObjectKind::Role).then_some(self.name.as_str())
    }
}

impl ObjectPart {
    /// Creates a part that has no schema of its own.
    pub fn new(kind: PartKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            schema: None,
            name: name.into(),
        }
    }
}
