//! Proof: what the backup holds is in the database, without a check being written.
//!
//! - `objects`: every object, and no other
//! - `rows`: every row of every table
//! - `settings`: how much is proven

pub mod objects;
pub mod rows;
pub mod settings;
