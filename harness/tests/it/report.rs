//! Reports: the examples in `reports/examples/`, the JSON Schema, and that all reports agree.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod again;
mod agree;
mod examples;
mod golden;
mod hostile;
mod plural;
mod registered;
mod strategies;
pub mod xml;
