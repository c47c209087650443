//! `redrill schema`: a JSON Schema on standard output.

use super::abort::{Abort, Ended};
use super::print::out;
use crate::cli::SchemaOf;
use crate::exit_code::Ending;
use crate::{report, scenario};

/// Runs the command.
pub fn run(of: SchemaOf) -> Ended {
    let schema = match of {
        SchemaOf::Scenario => scenario::schema::schema(),
        SchemaOf::Report => report::json::schema(),
        SchemaOf::Incident => report::incident::schema(),
        SchemaOf::Rehearsal => report::json::rehearsal_schema(),
        SchemaOf::Inspection => report::json::inspection_schema(),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Abort::internal(format!("cannot write the schema: {error}")))?;
    out(&text);
    Ok(Ending::Done)
}
