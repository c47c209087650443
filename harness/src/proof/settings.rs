//! The key `proof` of a scenario.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much of the backup is compared with the database, without any check: `full`, which is the default, `counts`,
/// `objects` or `off`. Each includes those after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing is compared.
    Off,
    /// Every object that the backup defines exists, and no other.
    Objects,
    /// Also: every table has as many rows.
    Counts,
    /// Also: all rows, sequences and large objects have the same values, and materialized views are populated.
    #[default]
    Full,
}

impl Level {
    /// Whether it reads rows, so that an empty database does not pass.
    #[must_use]
    pub fn reads_rows(self) -> bool {
        self >= Self::Counts
    }

    /// The value of the key.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Objects => "objects",
            Self::Counts => "counts",
            Self::Full => "full",
        }
    }
}
