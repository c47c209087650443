//! Readers of physical backups of PostgreSQL: what `pg_basebackup` writes, and archived WAL. They know nothing of servers,
//! scenarios and reports, and trust no byte: everything that they return was checked, and what is wrong is a [`Fault`].
//!
//! - `lsn`, `fault`: places in the WAL; what is wrong, as data
//! - `control`: `pg_control`; `label`: `backup_label` and `tablespace_map`
//! - `manifest`: `backup_manifest`, and the checksums of files while they are read
//! - `incremental`: files of incremental backups, and from which backup of a chain each page is
//! - `page`: data pages and their checksums; `roles`: who may log in; `conf`: what files of settings set
//! - `wal`: segments, their records, timelines

pub mod conf;
pub mod control;
pub mod fault;
pub mod incremental;
pub mod label;
pub mod lsn;
pub mod manifest;
pub mod page;
pub mod roles;
pub mod wal;

mod bytes;

pub use fault::Fault;
pub use lsn::Lsn;
