//! The database of PostgreSQL's own regression tests, dumped, restored and compared; `ci/regression.sh` runs it.

use std::path::PathBuf;
use std::process::Command;

use redrill::server::settings::{Local, Server};
use rstest::rstest;

use super::fixtures::compare;
use crate::drill::builder::redrill;
use crate::support::root;

/// The dumps and the server, made by their own script unless they are there.
fn made() -> PathBuf {
    let folder = root().join("fixtures/databases/regression");
    let made = Command::new(folder.join("make.sh")).output().unwrap();
    let messages = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{messages}");
    folder.join("out")
}

fn scenario(of: &str) -> String {
    format!(
        r#"schema = 1
name = "drilled"
proof = "full"

[backup]
path = "{of}"

[server.local]
bin = "{}"

[restore]
jobs = 4
"#,
        made().join("server/bin").display()
    )
}

#[rstest]
#[case("regression")]
#[case("regression-custom")]
#[case("regression-directory")]
#[case("tables")]
#[ignore = "a minute: ci/regression.sh runs it"]
fn the_regression_database_is_proven(#[case] of: &str) {
    let ended = redrill()
        .scenario(&scenario(of))
        .copy(&made().join(of), of)
        .run();
    eprintln!("{of}: {}", ended.stdout);
    ended.is_proven().unwrap();
}

#[rstest]
// Its operators and casts may run code anywhere: the rows are loaded in order, indexes and keys are not.
#[case("regression", 0)]
#[case("tables", 40)]
#[ignore = "a minute: ci/regression.sh runs it"]
#[tokio::test(flavor = "multi_thread")]
async fn the_regression_database_is_what_psql_restores(#[case] of: &str, #[case] emptied: u64) {
    let server = Server {
        local: Some(Local {
            bin: Some(made().join("server/bin")),
            trusted_backup: false,
        }),
        ..Server::default()
    };
    let folder = made().join(of);
    let roles = std::fs::read_to_string(folder.join("globals.sql")).unwrap();
    compare(&server, &folder.join(format!("{of}.sql")), &roles, emptied).await;
}
