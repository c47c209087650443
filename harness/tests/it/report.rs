//! Reports: the examples in `reports/examples/` (`committed`), the JSON Schema, and that all reports agree.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod again;
mod agree;
mod committed;
pub mod examples;
mod golden;
pub mod hostile;
pub mod merged;
pub mod overview;
mod plural;
mod registered;
pub mod rehearsal;
pub mod strategies;
pub mod xml;
