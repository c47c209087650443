//! Custom archives (`pg_dump -Fc`): whole, and without their roles.

use redrill::server::{Client, ClientInput};
use tokio::io::AsyncReadExt as _;

use super::SCENARIO;
use super::builder::redrill;
use crate::support::{Plur, on_restored_plur};

/// A small database whose only role is the superuser that every cluster has.
const LEDGER: &str = "
CREATE SCHEMA ledger;
CREATE TABLE ledger.entries (id integer PRIMARY KEY, note text NOT NULL);
INSERT INTO ledger.entries SELECT i, 'note ' || md5(i::text) FROM generate_series(1, 5000) i;
CREATE TABLE ledger.nothing (id integer);
CREATE INDEX entries_note_idx ON ledger.entries (note);
SELECT pg_catalog.lo_from_bytea(4711, 'a large object');
";

const LEDGER_SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[server.container]

[[check.row-count]]
table = "ledger.entries"
exact = 5000
"#;

#[tokio::test(flavor = "multi_thread")]
async fn custom_archives_are_read_to_their_end() {
    on_restored_plur(None, async |plur| {
        plur.sql("plur", "CREATE ROLE postgres SUPERUSER").await;
        plur.sql(
            "plur",
            "CREATE DATABASE ledger OWNER postgres TEMPLATE template0",
        )
        .await;
        let made = format!("SET SESSION AUTHORIZATION postgres; {LEDGER}");
        plur.sql("ledger", &made).await;
        let ledger = dump(plur, "ledger").await;
        let whole = dump(plur, "plur").await;
        tokio::task::spawn_blocking(move || {
            good(&ledger);
            without_roles(&whole);
        })
        .await
        .unwrap();
    })
    .await;
}

/// Dumps a database of the server.
async fn dump(plur: &Plur, database: &str) -> Vec<u8> {
    let arguments = [
        "--format=custom",
        "--compress=6",
        "--no-password",
        "--dbname",
        database,
    ];
    let mut client = plur
        .server
        .client(Client {
            program: "pg_dump",
            arguments: arguments.map(str::to_owned).into(),
            input: ClientInput::Nothing,
        })
        .await
        .unwrap();
    let (mut archive, mut messages) = (Vec::new(), String::new());
    let (read, _) = tokio::join!(
        client.stdout.read_to_end(&mut archive),
        client.stderr.read_to_string(&mut messages)
    );
    read.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0), "{messages}");
    archive
}

fn good(ledger: &[u8]) {
    let ended = redrill()
        .scenario(LEDGER_SCENARIO)
        .backup(ledger, "ledger.dump")
        .run();
    ended.is_proven().unwrap();
    let rows = ended.drill()["restore"]["rows"].as_array().unwrap();
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["table"].as_str().unwrap(),
                row["backup"],
                row["restored"]
            )
        })
        .collect();
    // What an archive does not say anywhere is counted by reading it.
    assert_eq!(rows, ["ledger.entries 5000 5000", "ledger.nothing 0 0"]);
    assert_eq!(ended.drill()["backup"]["large_objects"], 1);
}

fn without_roles(whole: &[u8]) {
    let ended = redrill()
        .scenario(SCENARIO)
        .backup(whole, "plur.dump")
        .run();
    let texts = [
        "roles \"plur_admin\", \"plur_app\", ",
        "\"plur_org_acme\"",
        "role = [{ name = \"plur_admin\" }, { name = \"plur_app\" }, ",
        "pg_dumpall --globals-only",
    ];
    if let Err(why) = ended.fails_in("backup", &texts) {
        panic!("R01 {why}");
    }
    let not_held = ended.drill()["backup"]["not_held"].to_string();
    assert!(not_held.contains("plur_app"), "{not_held}");
}
