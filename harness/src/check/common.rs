//! Parameters that every check has in addition to its own.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::units::Span;

/// Parameters that every check has in addition to its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Common {
    /// The name that reports show; without it, the check describes itself.
    pub name: Option<String>,
    /// Whether the verdict depends on it. Default: true. `false` needs a `reason`.
    #[schemars(with = "Option<bool>")]
    pub required: Option<Spanned<bool>>,
    /// Why the verdict does not depend on it; every report shows it.
    #[schemars(with = "Option<String>")]
    pub reason: Option<Spanned<String>>,
    /// The database to check, where the backup holds several.
    pub database: Option<String>,
    /// Limit of the whole check. Default: `5m`.
    pub timeout: Option<Span>,
    /// Controls of standards that it is evidence for, where it passes in a PROVEN drill: `["SOC2:CC6.1"]`. `redrill history
    /// --controls` lists them.
    #[schemars(with = "Option<Vec<String>>")]
    pub controls: Option<Vec<Spanned<String>>>,
}

/// Keys of [`Common`].
pub const COMMON_KEYS: &[&str] = &[
    "name", "required", "reason", "database", "timeout", "controls",
];
