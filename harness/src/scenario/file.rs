//! The keys of a scenario file. Their doc comments are also the texts of the JSON Schema and of
//! `redrill explain scenario`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// Time objectives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Objective {
    /// Maximum time of the restore (the recovery time objective).
    pub restore_within: Option<Span>,
}

/// How often the backup must be drilled. `redrill history` lists what is overdue; `redrill gate` asks for an age of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cadence {
    /// The longest time from the beginning of one PROVEN drill to that of the next: `"90d"`.
    pub every: Span,
}

/// Something that the scenario deliberately does not test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotTested {
    /// What is not tested.
    pub what: String,
    /// The reason.
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
    "cadence",
    "controls",
    "incident",
    "not-tested",
    "check",
    "rehearse",
    "after",
];
