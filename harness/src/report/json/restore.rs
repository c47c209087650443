//! The wire shape of the restore.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recovery::Recovery;

/// A restore.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Restore {
    /// What restored it.
    pub(super) method: String,
    /// Time of the whole restore.
    pub(super) duration_s: f64,
    /// Processor time of the server meanwhile; null if unknown.
    pub(super) processor_s: Option<f64>,
    /// Time of `ANALYZE` afterwards, which is no part of the restore; null if it was not run, or failed.
    pub(super) analyze_s: Option<f64>,
    /// Time per phase.
    pub(super) phases: Vec<Phase>,
    /// The longest steps, the longest first, and every one that builds an index. Some ran at the same time. Empty where
    /// psql or pg_restore restored it.
    pub(super) steps: Vec<RestoreStep>,
    /// Statements that failed and are not tolerated.
    pub(super) errors: u64,
    /// Tolerated messages.
    pub(super) tolerated: Vec<Tolerated>,
    /// Rows per table; empty until they were compared.
    pub(super) rows: Vec<TableRows>,
    /// Tables whose rows `--only` left out, because no selected check needs them, the one with the most bytes first.
    pub(super) left_out: Vec<LeftOut>,
    /// Why `--only` left out no rows; null where it did, and for a drill of all checks.
    pub(super) none_left_out_because: Option<String>,
    /// The recovery of a base backup; absent for dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recovery: Option<Recovery>,
}

/// A table whose rows were not restored.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct LeftOut {
    /// Database; empty where the backup names none.
    pub(super) database: String,
    /// `schema.table`.
    pub(super) table: String,
    /// Rows in the backup; null if unknown.
    pub(super) rows: Option<u64>,
    /// Size of their text.
    pub(super) size_bytes: u64,
}

/// A phase of a restore.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Phase {
    /// Its name.
    pub(super) name: String,
    /// Wall time.
    pub(super) duration_s: f64,
}

/// A step of a restore that took long.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct RestoreStep {
    /// `rows of app.orders`, `index app.orders_at`, `constraint orders_pkey of app.orders`.
    pub(super) what: String,
    /// The access method, where it builds an index; null for anything else.
    pub(super) method: Option<String>,
    /// Wall time.
    pub(super) duration_s: f64,
}

/// A tolerated message of the restore.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Tolerated {
    /// The message.
    pub(super) message: String,
    /// Number of occurrences.
    pub(super) times: u64,
    /// Why it is tolerated.
    pub(super) reason: String,
    /// Whether the scenario tolerates it; otherwise every restore of such a dump has it.
    pub(super) by_scenario: bool,
}

/// Rows of one table.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct TableRows {
    /// Database.
    pub(super) database: String,
    /// `schema.table`.
    pub(super) table: String,
    /// Rows in the backup.
    pub(super) backup: u64,
    /// Rows in the restored database; null when the table is missing or was not counted.
    pub(super) restored: Option<u64>,
    /// Result of comparing the values; null when they were not to be compared.
    pub(super) values: Option<Values>,
}

/// Result of comparing the values of a table's rows.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Values {
    /// Every row has the values of the backup.
    Same,
    /// At least one row differs.
    Differ,
    /// They could not be compared; `not_tested` says why.
    NotCompared,
}
