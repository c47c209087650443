//! The integration tests: real servers, real backups, the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    missing_docs,
    reason = "a test that cannot go on says so by panicking"
)]

mod backup;
mod baseline;
mod broken;
mod browser;
mod catalog;
mod check;
mod drill;
mod init;
mod libtest;
mod needed;
mod proof;
mod rehearse;
mod report;
mod restore;
mod rights;
mod server;
mod state;
mod support;
