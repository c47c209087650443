//! The output of `redrill inspect --json`.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::convert::each;
use super::{Backup, Finding, Objective, SCHEMA};
use crate::outcome;

/// Writes the result of an inspection, with a line end at its end.
///
/// # Errors
/// None in practice: every value of the shape can be written.
pub fn render_inspection(inspection: &outcome::Inspection) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Inspection::of(inspection))?;
    text.push('\n');
    Ok(text)
}

/// Makes the JSON Schema of an inspection.
#[must_use]
pub fn inspection_schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Inspection>()
        .into()
}

/// The result of reading a backup without any server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "redrill inspection")]
struct Inspection {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA))]
    schema: u32,
    /// Whether the file is complete and undamaged. Only a drill proves that it restores.
    whole: bool,
    /// Version of redrill.
    redrill: String,
    /// When the inspection began.
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// Wall time.
    duration_s: f64,
    /// Why it is incomplete, damaged or unsafe; empty for a good backup.
    problems: Vec<Finding>,
    /// Warnings; they do not affect `whole`.
    warnings: Vec<Finding>,
    /// Maximum age and retention, where a scenario sets them.
    objectives: Vec<Objective>,
    /// The backup and its contents.
    backup: Backup,
    /// Every table with an entry for rows, the one with the most bytes first.
    tables: Vec<TableHeld>,
}

/// Rows of one table in a backup.
#[derive(Debug, Serialize, JsonSchema)]
struct TableHeld {
    /// Database; empty where the backup names none.
    database: String,
    /// `schema.table`.
    table: String,
    /// Number of rows; null where the backup does not say.
    rows: Option<u64>,
    /// Bytes of the rows in text form.
    text_bytes: u64,
}

impl Inspection {
    fn of(inspection: &outcome::Inspection) -> Self {
        Self {
            schema: SCHEMA,
            whole: inspection.problems.is_empty(),
            redrill: inspection.redrill.clone(),
            started: inspection.started.to_string(),
            duration_s: inspection.duration.as_secs_f64(),
            problems: each(&inspection.problems, Finding::of),
            warnings: each(&inspection.warnings, Finding::of),
            objectives: each(&inspection.objectives, Objective::of),
            backup: Backup::of(&inspection.backup, inspection.started),
            tables: each(&inspection.tables, |table| TableHeld {
                database: table.database.clone(),
                table: table.table.clone(),
                rows: table.rows,
                text_bytes: table.bytes,
            }),
        }
    }
}
