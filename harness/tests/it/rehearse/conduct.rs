//! How a tool behaves, and what the application cannot do afterwards: what no lock and no change shows.

use std::collections::BTreeSet;

use rstest::rstest;

use super::release::{FIRST_RUN_ONLY, Rehearsed, release};

/// A tool that is one line for a shell.
fn by_shell(line: &str) -> Rehearsed {
    let line = line.replace('"', "\\\"");
    release()
        .command(&format!("[\"sh\", \"-c\", \"{line}\"]"))
        .settings(FIRST_RUN_ONLY)
        .more("[server.settings]\nmax_prepared_transactions = \"5\"\n")
        .rehearse()
}

#[rstest]
#[case::refusals_are_passed_over(
    "psql -Xqc 'ALTER TABLE app.nobody ADD a int' -c 'CREATE TABLE app.a ()'; true",
    "ignored-error: pass over ALTER TABLE app.nobody ADD a int",
    "ON_ERROR_STOP"
)]
#[case::it_connects_as_another(
    "psql -Xqc 'CREATE TABLE app.a ()' && psql -Xq -U shop_app -c 'SELECT 1'",
    "other-role: connect as shop_app",
    "not as `shop_owner`"
)]
#[case::a_session_goes_on(
    "psql -Xqc 'CREATE TABLE app.a ()'; psql -Xqc 'SELECT pg_sleep(20)' & sleep 2",
    "left-open: leave a session that was still open some seconds after the tool had ended",
    "wait for all of its sessions"
)]
#[case::a_prepared_transaction(
    "psql -Xqc 'BEGIN' -c 'CREATE TABLE app.a ()' -c \"PREPARE TRANSACTION 'x'\" && psql -Xqc 'CREATE TABLE app.b ()'",
    "left-open: leave the prepared transaction 'x' of shop_owner",
    "COMMIT PREPARED"
)]
fn a_tool_that_misbehaves_is_unsafe(#[case] line: &str, #[case] fault: &str, #[case] says: &str) {
    let rehearsed = by_shell(line);
    let findings = rehearsed.fails_in(&["run"]);
    assert!(findings.contains(says), "{findings}");
    assert_eq!(rehearsed.faults(), BTreeSet::from([fault.to_owned()]));
}

/// What a careful tool does.
#[rstest]
#[case::back_to_a_savepoint(
    "psql -Xqc 'BEGIN; SAVEPOINT s' -c 'ALTER TABLE app.nobody ADD a int' -c 'ROLLBACK TO s' -c 'CREATE TABLE app.a (); COMMIT'; true"
)]
#[case::it_asks_for_its_history(
    "psql -Xqc 'SELECT * FROM schema_version' -c 'CREATE TABLE app.a ()'; true"
)]
fn a_refusal_that_is_meant_is_safe(#[case] line: &str) {
    let rehearsed = by_shell(line);
    assert_eq!(rehearsed.verdict(), "SAFE", "{}", rehearsed.ended.stdout);
}

/// Sessions of the application that begin after the migrations.
#[rstest]
#[case::login("postgres", "ALTER ROLE shop_app NOLOGIN;", &["refused: refuse shop_app to log in"])]
#[case::no_time_left("postgres", "ALTER ROLE shop_app VALID UNTIL '2000-01-01';", &["refused: refuse shop_app to log in"])]
#[case::no_session_left("postgres", "ALTER ROLE shop_app CONNECTION LIMIT 0;", &["refused: refuse shop_app to log in"])]
#[case::read_only(
    "postgres",
    "ALTER ROLE shop_app SET default_transaction_read_only = on;",
    &["refused: refuse shop_app to write unless its transactions say READ WRITE"]
)]
#[case::no_policy(
    "shop_owner",
    "ALTER TABLE app.account ENABLE ROW LEVEL SECURITY;",
    &["refused: hide rows of app.account from shop_app"]
)]
#[case::nothing_is_permitted(
    "shop_owner",
    "CREATE POLICY nobody ON app.policy AS RESTRICTIVE USING (false);",
    &["refused: hide rows of app.policy from shop_app"]
)]
#[case::a_longer_time("postgres", "ALTER ROLE shop_app VALID UNTIL 'infinity';", &[])]
#[case::fewer_sessions("postgres", "ALTER ROLE shop_app CONNECTION LIMIT 50;", &[])]
#[case::some_rows_are_permitted(
    "shop_owner",
    "CREATE POLICY few ON app.policy AS RESTRICTIVE USING (amount > 20);",
    &[]
)]
fn what_a_role_cannot_do_any_more_is_named(
    #[case] role: &'static str,
    #[case] sql: &str,
    #[case] faults: &[&str],
) {
    let rehearsed = release()
        .role(role)
        .settings(FIRST_RUN_ONLY)
        .settings("application = [\"shop_app\"]\n")
        .up("001", &format!("{sql}\nCREATE TABLE app.new (id bigint);"))
        .rehearse();
    let refused: Vec<String> = rehearsed.faults().into_iter().collect();
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    assert_eq!(refused, faults, "{}", rehearsed.ended.stdout);
    if !faults.is_empty() {
        rehearsed.fails_in(&["blocking"]);
    }
}

#[test]
fn what_is_replaced_of_the_server_itself_is_unsafe() {
    let sql = "CREATE OR REPLACE FUNCTION pg_catalog.pg_table_is_visible(oid) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';";
    let rehearsed = release()
        .role("postgres")
        .settings(FIRST_RUN_ONLY)
        .up("001", sql)
        .rehearse();
    rehearsed.fails_in(&["run"]);
    let fault = "replaced-system: replace function pg_table_is_visible of PostgreSQL";
    assert_eq!(rehearsed.faults(), BTreeSet::from([fault.to_owned()]));
}

/// Such a session is not between the tool and the server, so no lock of it is known.
#[test]
fn work_in_a_session_that_was_not_observed_is_inconclusive() {
    let sql = "CREATE EXTENSION dblink;
SELECT public.dblink_exec(format('host=%s user=postgres dbname=%s', current_setting('unix_socket_directories'), current_database()),
    'ALTER TABLE app.not_null ALTER amount SET NOT NULL');";
    let rehearsed = release()
        .role("postgres")
        .settings(FIRST_RUN_ONLY)
        .up("001", sql)
        .rehearse();
    assert_eq!(
        rehearsed.steps("error"),
        ["work"],
        "{}",
        rehearsed.ended.stdout
    );
    let findings = rehearsed.findings("work");
    assert!(findings.contains("was not observed"), "{findings}");
}
