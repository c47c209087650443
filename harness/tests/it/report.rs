//! Reports: the examples in `reports/examples/`, the JSON Schema, and that all reports agree.

mod agree;
mod examples;
mod golden;
mod hostile;
mod strategies;
mod xml;
