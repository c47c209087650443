//! Classes of objects that roles have rights on: the words for each, and the rights that there are on it.

/// What GRANT calls the type of an object, and what default privileges are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectClass {
    /// The database that the facts are about.
    Database,
    /// A schema.
    Schema,
    /// Whatever has rows: tables, partitions, views, materialized views, foreign tables.
    Table,
    /// A sequence.
    Sequence,
    /// Functions, procedures and aggregates.
    Function,
    /// Types and domains; not the row types of tables and not arrays.
    Type,
    /// A procedural language.
    Language,
    /// A foreign server.
    Server,
    /// A foreign data wrapper.
    Wrapper,
    /// A large object.
    LargeObject,
    /// A tablespace.
    Tablespace,
    /// A configuration parameter.
    Parameter,
    /// Whatever can only be owned: publications, event triggers, extensions, statistics, …
    Other,
    /// Tables made later.
    DefaultTable,
    /// Sequences made later.
    DefaultSequence,
    /// Functions made later.
    DefaultFunction,
    /// Types made later.
    DefaultType,
    /// Schemas made later.
    DefaultSchema,
    /// Large objects made later.
    DefaultLargeObject,
}

/// Words for each class, the first as texts show it. Each has a plural with `s`; those of default
/// privileges are plurals.
pub(super) const WORDS: &[(ObjectClass, &[&str])] = &[
    (ObjectClass::Database, &["database"]),
    (ObjectClass::Schema, &["schema"]),
    (
        ObjectClass::Table,
        &["table", "view", "materialized view", "foreign table"],
    ),
    (ObjectClass::Sequence, &["sequence"]),
    (
        ObjectClass::Function,
        &["function", "procedure", "routine", "aggregate"],
    ),
    (ObjectClass::Type, &["type", "domain"]),
    (ObjectClass::Language, &["language"]),
    (ObjectClass::Server, &["foreign server"]),
    (ObjectClass::Wrapper, &["foreign data wrapper"]),
    (ObjectClass::LargeObject, &["large object"]),
    (ObjectClass::Tablespace, &["tablespace"]),
    (ObjectClass::Parameter, &["parameter"]),
    (ObjectClass::DefaultTable, &["default tables"]),
    (ObjectClass::DefaultSequence, &["default sequences"]),
    (
        ObjectClass::DefaultFunction,
        &["default functions", "default routines"],
    ),
    (ObjectClass::DefaultType, &["default types"]),
    (ObjectClass::DefaultSchema, &["default schemas"]),
    (ObjectClass::DefaultLargeObject, &["default large objects"]),
];

/// What can be owned and has no rights of its own, as `pg_identify_object` calls it.
pub(super) const ONLY_OWNED: &[&str] = &[
    "publication",
    "subscription",
    "event trigger",
    "extension",
    "collation",
    "conversion",
    "operator class",
    "operator family",
    "operator",
    "statistics object",
    "text search configuration",
    "text search dictionary",
];

/// Rights on tables; MAINTAIN came with PostgreSQL 17.
const TABLE: [&str; 8] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
];

impl ObjectClass {
    /// The class that a word, singular, is for.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let mut all = WORDS.iter();
        all.find(|(_, words)| words.contains(&word))
            .map(|(class, _)| *class)
    }

    /// What texts call one of them.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = WORDS.iter();
        all.find(|(class, _)| *class == self)
            .and_then(|(_, words)| words.first().copied())
            .unwrap_or("object")
    }

    /// What texts call several of them.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Table => "tables and views".to_owned(),
            Self::Other => "objects".to_owned(),
            _ if self.is_default() => self.word().to_owned(),
            _ => format!("{}s", self.word()),
        }
    }

    /// Whether it stands for what will be made later.
    #[must_use]
    pub fn is_default(self) -> bool {
        self.word().starts_with("default ")
    }

    /// Whether its names have a schema.
    #[must_use]
    pub const fn in_schema(self) -> bool {
        matches!(
            self,
            Self::Table | Self::Sequence | Self::Function | Self::Type
        )
    }

    /// All rights that there are on it, on a server of this major version.
    #[must_use]
    pub fn all(self, major: u64) -> &'static [&'static str] {
        match self {
            Self::Table | Self::DefaultTable => TABLE.split_at(if major >= 17 { 8 } else { 7 }).0,
            Self::Sequence | Self::DefaultSequence => &["USAGE", "SELECT", "UPDATE"],
            Self::Function | Self::DefaultFunction => &["EXECUTE"],
            Self::Database => &["CONNECT", "CREATE", "TEMPORARY"],
            Self::Schema | Self::DefaultSchema => &["USAGE", "CREATE"],
            Self::Type | Self::DefaultType | Self::Language | Self::Server | Self::Wrapper => {
                &["USAGE"]
            }
            Self::LargeObject | Self::DefaultLargeObject => &["SELECT", "UPDATE"],
            Self::Tablespace => &["CREATE"],
            Self::Parameter => &["SET", "ALTER SYSTEM"],
            Self::Other => &[],
        }
    }
}
