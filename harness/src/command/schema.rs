//! `redrill schema`: a JSON Schema on standard output.

use super::out;
use crate::cli::SchemaOf;
use crate::{exit_code, report, scenario};

/// Runs the command; gives the exit code.
pub fn run(of: SchemaOf) -> u8 {
    let schema = match of {
        SchemaOf::Scenario => scenario::schema::schema(),
        SchemaOf::Report => report::json::schema(),
        SchemaOf::Incident => report::incident::schema(),
        SchemaOf::Inspection => report::json::inspection_schema(),
    };
    match serde_json::to_string_pretty(&schema) {
        Ok(text) => {
            out(&text);
            exit_code::PROVEN
        }
        Err(_) => exit_code::INTERNAL,
    }
}
