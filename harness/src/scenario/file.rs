//! The shape of a scenario file. What a key means is in its doc comment, which is also what the
//! JSON Schema and `redrill explain scenario` show.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// Time objectives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Objective {
    /// The restore may take at most this long (the recovery time objective).
    pub restore_within: Option<Span>,
}

/// Something that the scenario knowingly leaves untested.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotTested {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// Keys of the file itself.
pub const TOP_KEYS: &[&str] = &[
    "schema",
    "name",
    "description",
    "backup",
    "server",
    "restore",
    "proof",
    "objective",
    "incident",
    "not-tested",
    "check",
];
