//! `[pitr]`: what a scenario says about the recovery point.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// A canary: a table that the source writes a row to at an interval, so that the newest recovered row shows how much was lost.
/// `redrill explain pitr` has the statements that make it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pitr {
    /// The table, with its schema: `public.redrill_canary`. It has the columns `at` (`timestamptz`) and `lsn` (`pg_lsn`).
    pub canary: String,
    /// Its database. Default: that of the checks.
    pub database: Option<String>,
    /// How often the source writes a row: the error of the data loss that is found.
    pub every: Span,
    /// Maximum time between the newest row and the target of the recovery (the recovery point objective). For the target `latest` it is
    /// the time until the drill.
    pub max_data_loss: Option<Span>,
}
