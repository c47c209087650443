//! How much of the backup is proven to be in the database.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much is proven; each level holds the one below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    Off,
    /// Every object that the backup defines is there, and no other.
    Objects,
    /// And every table holds as many rows.
    Counts,
    /// And these rows have the same values.
    #[default]
    Full,
}

impl Level {
    /// As a scenario writes it.
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
