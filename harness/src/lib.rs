//! `redrill` proves that a PostgreSQL backup restores.

pub mod check;
pub mod cleanup;
pub mod database;
pub mod exit_code;
pub mod outcome;
pub mod process;
pub mod redact;
pub mod sandbox;
pub mod scenario;
pub mod server;
pub mod sqlstate;
pub mod verdict;
