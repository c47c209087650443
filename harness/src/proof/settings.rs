//! How much of the backup is proven to be in the database.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much of the backup is proven to be in the database, without any check: `full`, which is the
/// default, `counts`, `objects` or `off`. Each holds what is behind it in this list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    Off,
    /// Every object that the backup defines is there, and no other.
    Objects,
    /// And every table holds as many rows.
    Counts,
    /// And these rows have the same values, every one; so have sequences and large objects, and
    /// materialized views are filled.
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
