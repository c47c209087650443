//! One difference between a database and its baseline, which can be accepted by itself.

use crate::catalog::{ObjectId, ObjectKind};
use crate::input::tables::LARGE_OBJECTS;
use crate::outcome::Finding;
use crate::sql::QualifiedName;

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Owners, grants, roles and memberships.
    Rights,
    /// The definition of an object.
    Definition,
    /// The history of an append-only table.
    History,
    /// The number of rows of a table, or their values.
    Rows,
    /// The value of a sequence.
    Sequences,
}

impl Area {
    /// All areas, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Rights,
        Self::Definition,
        Self::History,
        Self::Rows,
        Self::Sequences,
    ];

    /// The word of reports and files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rights => "rights",
            Self::Definition => "definition",
            Self::History => "history",
            Self::Rows => "rows",
            Self::Sequences => "sequences",
        }
    }

    /// The name of an object in this area: of a table or a sequence without its kind, which the area implies.
    #[must_use]
    pub fn name_of(self, object: &ObjectId) -> String {
        match (self, object.qualified_name()) {
            (Self::History | Self::Rows | Self::Sequences, Some(name)) => name.to_string(),
            _ => object.to_string(),
        }
    }

    /// Parses what [`Area::name_of`] returns.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn parse_object(self, text: &str) -> Result<ObjectId, String> {
        let kind = match self {
            Self::Rights | Self::Definition => return text.parse(),
            Self::Rows if text == LARGE_OBJECTS => return Ok(ObjectId::large_objects()),
            Self::History | Self::Rows => ObjectKind::Table,
            Self::Sequences => ObjectKind::Sequence,
        };
        let name = QualifiedName::parse(text)?;
        Ok(ObjectId::qualified(kind, &name))
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub area: Area,
    /// The object; of rows, history and sequences the table, the sequence, or all large objects.
    pub object: ObjectId,
    /// The property of a changed definition or right; `None` for the object as a whole.
    pub property: Option<String>,
    /// Whether a right became wider.
    pub widened: bool,
    /// Whether the data is less protected: see [`weakens`](crate::catalog::compare::weakens).
    pub weakened: bool,
    /// Whether it is a failure; otherwise it is expected drift, which is only reported.
    pub fails: bool,
    /// The difference for reports.
    pub finding: Finding,
}

impl Difference {
    /// What makes it one that a person must accept by its name, as the word of a list.
    #[must_use]
    pub fn by_name_only(&self) -> Option<&'static str> {
        match self.area {
            _ if self.widened => Some("WIDER"),
            _ if self.weakened => Some("WEAKER"),
            // What an append-only table had recorded is not as it was.
            Area::History => Some("HISTORY"),
            Area::Rights | Area::Definition | Area::Rows | Area::Sequences => None,
        }
    }

    /// The finding for the report of a drill, with the word that [`by_name_only`](Self::by_name_only) gives it.
    #[must_use]
    pub fn marked(&self) -> Finding {
        let mut finding = self.finding.clone();
        if let Some(word) = self.by_name_only() {
            finding.actual = format!("{word}: {}", finding.actual);
        }
        finding
    }
}
