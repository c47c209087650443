//! Classes of objects: the words for each, and the rights that exist on it.

/// The type of an object in GRANT, or the objects that default privileges are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectClass {
    /// The current database.
    Database,
    /// A schema.
    Schema,
    /// Tables, partitions, views, materialized views and foreign tables.
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
    /// Objects that have an owner and no access list: publications, event triggers, extensions, statistics, …
    Other,
    /// Tables created later.
    DefaultTable,
    /// Sequences created later.
    DefaultSequence,
    /// Functions created later.
    DefaultFunction,
    /// Types created later.
    DefaultType,
    /// Schemas created later.
    DefaultSchema,
    /// Large objects created later.
    DefaultLargeObject,
}

/// Words for each class; messages use the first. The plural is formed with `s`; words of default privileges are plurals.
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

/// Types of objects that have an owner and no access list, as in `pg_identify_object`.
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

/// Rights on tables; MAINTAIN exists since PostgreSQL 17.
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
    /// The class of a word in the singular.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let mut all = WORDS.iter();
        all.find(|(_, words)| words.contains(&word))
            .map(|(class, _)| *class)
    }

    /// The word for one object.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = WORDS.iter();
        all.find(|(class, _)| *class == self)
            .and_then(|(_, words)| words.first().copied())
            .unwrap_or("object")
    }

    /// The word for several objects.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Table => "tables and views".to_owned(),
            Self::Other => "objects".to_owned(),
            _ if self.is_default() => self.word().to_owned(),
            _ => format!("{}s", self.word()),
        }
    }

    /// Whether it is for objects created later.
    #[must_use]
    pub fn is_default(self) -> bool {
        self.word().starts_with("default ")
    }

    /// Whether its objects are in a schema.
    #[must_use]
    pub const fn in_schema(self) -> bool {
        matches!(
            self,
            Self::Table | Self::Sequence | Self::Function | Self::Type
        )
    }

    /// All rights on it, on a server of this major version.
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
