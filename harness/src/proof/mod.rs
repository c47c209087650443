//! Proof: what the backup holds is in the database, without a check being written.
//!
//! - `rows`: every row of every table
//! - `settings`: how much is proven

pub mod rows;
pub mod settings;
