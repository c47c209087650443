//! `redrill` proves that a PostgreSQL backup restores.

pub mod backup;
pub mod check;
pub mod cleanup;
pub mod cli;
pub mod command;
pub mod context;
pub mod database;
pub mod event;
pub mod exit_code;
pub mod input;
pub mod outcome;
pub mod process;
pub mod progress;
pub mod record;
pub mod redact;
pub mod report;
pub mod restore;
pub mod run;
pub mod sandbox;
pub mod scenario;
pub mod server;
pub mod sqlstate;
pub mod stage;
pub mod units;
pub mod verdict;
