//! Every way in which pg_dump writes the same database restores without an alarm.

use redrill::server::{Client, ClientInput};
use tokio::io::AsyncReadExt as _;

use super::builder::{none, redrill};
use super::{GOOD, SCENARIO};
use crate::support::{Plur, on_restored_plur};

/// What a dump's lexer and a restore stumble over, beside what PLUR holds.
const ODD: &str = r#"
CREATE SCHEMA "Odd ones";
CREATE TABLE "Odd ones".parent (a integer);
CREATE TABLE "Odd ones".child (b integer) INHERITS ("Odd ones".parent);
INSERT INTO "Odd ones".parent SELECT generate_series(1, 5);
INSERT INTO "Odd ones".child SELECT g, g FROM generate_series(1, 7) g;
CREATE TABLE "Odd ones"."select" (a integer, b integer GENERATED ALWAYS AS (a * 2) STORED, "text" text);
INSERT INTO "Odd ones"."select" (a, "text") SELECT g, E'tab\t; \\. $$ ''quoted'' -- no comment' FROM generate_series(1, 9) g;
CREATE FUNCTION "Odd ones".atomic(x integer) RETURNS integer LANGUAGE sql
    BEGIN ATOMIC SELECT CASE WHEN x > 0 THEN x ELSE 0 END; END;
CREATE PROCEDURE "Odd ones".body() LANGUAGE plpgsql AS $body$ BEGIN PERFORM '\! sh'; END $body$;
CREATE RULE twice AS ON INSERT TO "Odd ones".parent WHERE new.a < 0 DO ALSO (SELECT 1; SELECT 2);
COMMENT ON TABLE "Odd ones".parent IS E'a;b\n-- PostgreSQL database dump\n\\.';
CREATE PUBLICATION everything FOR ALL TABLES;
"#;

/// Options that change how a dump is written, and not what it says.
const WAYS: &[&[&str]] = &[
    &[],
    &["--clean", "--if-exists"],
    &["--quote-all-identifiers", "--disable-dollar-quoting"],
    &["--load-via-partition-root", "--no-comments"],
    &["--rows-per-insert=50"],
];

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(2)]
#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_writing_a_dump_is_taken(#[case] each: usize) {
    on_restored_plur(None, async |plur| {
        plur.sql("plur", ODD).await;
        let mut dumps = Vec::new();
        for options in WAYS.iter().step_by(each) {
            dumps.push((options.join(" "), dump(plur, options).await));
        }
        let wrong = tokio::task::spawn_blocking(move || {
            let drills = dumps.into_iter().map(|(options, dump)| {
                let ended = redrill().scenario(SCENARIO).backup(dump, "all.sql").run();
                ended
                    .is_proven()
                    .map_err(|error| format!("pg_dump {options}: {error}"))
            });
            drills.filter_map(Result::err).collect()
        });
        none(wrong.await.unwrap());
    })
    .await;
}

/// Dumps the database behind the roles of the good backup.
async fn dump(plur: &Plur, options: &[&str]) -> Vec<u8> {
    let options = ["--create", "--dbname", "plur"].iter().chain(options);
    let mut client = plur
        .server
        .client(Client {
            program: "pg_dump",
            arguments: options.map(|option| (*option).to_owned()).collect(),
            input: ClientInput::Nothing,
        })
        .await
        .unwrap();
    let roles = GOOD.at("-- PostgreSQL database cluster dump complete");
    let mut bytes = [
        GOOD.until(roles),
        b"-- PostgreSQL database cluster dump complete\n--\n\n".to_vec(),
    ]
    .concat();
    let mut said = String::new();
    let (read, _) = tokio::join!(
        client.stdout.read_to_end(&mut bytes),
        client.stderr.read_to_string(&mut said)
    );
    read.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0), "{said}");
    bytes
}
