//! Drills from the command line to the reports: the real binary, backups broken by code.

#[path = "../../../../fixtures/broken/mod.rs"]
pub mod broken;

mod archive;
pub mod builder;
mod bundle;
mod caracal;
mod check;
pub mod codes;
mod command;
mod companion;
mod copies;
mod doctor;
pub mod dumps;
mod encodings;
mod faults;
mod file;
mod formats;
mod globals;
mod grouped;
mod harmless;
mod incident;
mod judgement;
pub mod kept;
mod methods;
mod missing_roles;
mod noted;
mod odd;
mod options;
mod paperclip;
mod parallel;
pub mod physical;
mod pick;
pub mod powernode;
mod previous;
mod prisme;
mod proof;
mod provenance;
mod read_archive;
mod recover;
mod registered;
mod restore;
mod runbook;
mod scenario;
mod selected;
mod several;
mod source;
mod stub;
mod tls;
pub mod upgrade;
mod waived;
mod wrapped;
mod writer;

use std::sync::LazyLock;

use broken::Good;

/// The good backup that all others are made from.
pub static GOOD: LazyLock<Good> =
    LazyLock::new(|| Good::of(std::fs::read(crate::support::plur_backup()).unwrap()));

/// A scenario with one quick check; which backup, the command line says.
const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[server.container]

[[check.row-count]]
name = "orgs"
table = "plur.orgs"
exact = 3
"#;
