//! Segments of WAL, their records and timelines.
//!
//! - `segment`: names and headers of files; `history`: timelines
//! - `walk`: reads records from a place on, one segment after the other, and verifies each
//! - `record`: what a record says that matters to a recovery

pub mod history;
pub mod record;
pub mod segment;
pub mod walk;
