//! The proof: what the backup holds is in the database.

mod objects;
