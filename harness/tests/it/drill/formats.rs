//! Every format and compression that `pg_dump` of every version writes restores, on both providers,
//! with all rows; and a server that is too old is named as what it is.

use rstest::rstest;

use super::builder::{Redrill, none, redrill};
use super::dumps::{ROWS, dumps};
use crate::server::drill::usable;

/// A drill of `users` with the roles that its dumps lack.
const USERS: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[restore]
create-roles = ["shop_app"]
jobs = 4

[[check.row-count]]
table = "auth.users"
exact = 1500
"#;

/// All ways in which one version wrote `users`, as one bundle: each dump into a database of its own.
fn every_way(major: u32) -> (Redrill, u64) {
    let begins = ["custom-", "directory-", "inserts", "users.", "users-seek"];
    let names = dumps(major).names(&begins);
    assert!(names.len() >= 12, "{names:?}");
    let databases: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| format!("\"{name}\" = \"d{at}\""))
        .collect();
    let databases = format!(
        "[restore]\ndatabase = \"d0\"\ndatabases = {{ {} }}",
        databases.join(", ")
    );
    let drill = redrill().scenario(&USERS.replace("[restore]", &databases));
    let drill = names.iter().fold(drill, |drill, name| {
        drill.copy(&dumps(major).path(name), &format!("ways/{name}"))
    });
    (drill.names("ways"), names.len() as u64 * ROWS[0])
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case(15, "container")]
#[case(15, "local")]
#[case(17, "container")]
#[ignore = "slow: ci/slow.sh"]
#[case(18, "container")]
#[tokio::test]
async fn every_way_of_every_version_restores(#[case] major: u32, #[case] provider: &str) {
    if !usable(provider).await {
        return;
    }
    let (drill, rows) = every_way(major);
    // Nobody but root may go there; a server of another user is handed what it needs.
    let only_root = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(drill.path("ways"), only_root).unwrap();
    let ended = drill.with("--server").with(provider).run();
    ended.is_proven_with(rows).unwrap();
    // None of these is odd, and `pg_dump > FILE` least of all.
    assert_eq!(ended.findings("backup"), "", "{major}");
    let method = &ended.drill()["restore"]["method"];
    assert!(method.to_string().contains("by 4 sessions"), "{method}");
    assert!(!method.to_string().contains("because"), "{method}");
}

#[rstest]
#[case("users.dump")]
#[case("users.dir")]
#[case("users.tar")]
#[tokio::test]
async fn an_archive_by_itself_restores_on_both_providers(#[case] name: &str) {
    for provider in ["container", "local"] {
        if !usable(provider).await {
            continue;
        }
        let drill = redrill().scenario(USERS).copy(&dumps(15).path(name), name);
        let ended = drill.names(name).with("--server").with(provider).run();
        ended.is_proven_with(ROWS[0]).unwrap();
    }
}

#[test]
fn a_cluster_and_a_database_that_is_created_restore() {
    let scenario = USERS.replace("jobs = 4", "database = \"users\"");
    let bytes = dumps(17).read("users-create.sql");
    let ended = redrill().scenario(&scenario).backup(bytes, "x.sql").run();
    ended.is_proven_with(ROWS[0]).unwrap();
    let scenario = USERS
        .replace("create-roles = [\"shop_app\"]\njobs = 4", "")
        .replace("exact", "database = \"users\"\nexact");
    let bytes = dumps(17).read("all.sql");
    let ended = redrill().scenario(&scenario).backup(bytes, "x.sql").run();
    ended.is_proven_with(ROWS.iter().sum()).unwrap();
}

#[test]
fn f25_a_server_that_is_too_old_is_no_fault_of_the_backup() {
    let on = |image: &str, major: u32| {
        let server = format!("[server.container]\nimage = \"redrill/postgres:{image}\"\n");
        let bytes = dumps(major).read("users.dump");
        redrill()
            .scenario(&(USERS.to_owned() + &server))
            .backup(bytes, "users.dump")
            .run()
    };
    let mut wrong = Vec::new();
    let needs = "`pg_restore` of version 17 or newer";
    wrong.extend(on("15", 17).cannot_look_in("restore", &[needs]).err());
    wrong.extend(on("17", 15).is_proven_with(ROWS[0]).err());
    wrong.extend(on("18", 17).is_proven_with(ROWS[0]).err());
    none(wrong);
}
