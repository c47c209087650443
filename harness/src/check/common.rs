//! Parameters that every check has in addition to its own.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// Parameters that every check has in addition to its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Common {
    /// The name that reports show; without it, the check describes itself.
    pub name: Option<String>,
    /// Whether the verdict depends on it. Default: true.
    pub required: Option<bool>,
    /// The database to check, where the backup holds several.
    pub database: Option<String>,
    /// Limit of the whole check. Default: `5m`.
    pub timeout: Option<Span>,
}

/// Keys of [`Common`].
pub const COMMON_KEYS: &[&str] = &["name", "required", "database", "timeout"];
