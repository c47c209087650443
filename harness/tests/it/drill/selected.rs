//! `--only`: some checks, the rows that they need, and a verdict that proves nothing else.

use super::builder::{Ended, redrill};

const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[restore]
login-roles = ["web"]

[objective]
restore-within = "20m"

[[check.rls]]
name = "orders are fenced"
table = "app.orders"
[[check.rls.behaviour]]
role = "web"
settings = { "app.tenant" = "acme" }
sees-where = "tenant = 'acme'"

[[check.row-count]]
name = "clicks are there"
table = "app.clicks"
exact = 3000

[[check.role]]
name = "web reads orders"
role = "web"
may = ["SELECT count(*) FROM app.orders"]
"#;

fn entry(kind: &str, name: &str, sql: &str) -> String {
    format!("--\n-- Name: {name}; Type: {kind}; Schema: app; Owner: -\n--\n\n{sql}\n\n")
}

fn data(table: &str, columns: &str) -> String {
    let header = format!("-- Data for Name: {table}; Type: TABLE DATA; Schema: app; Owner: -");
    format!("--\n{header}\n--\n\nCOPY app.{table} ({columns}) FROM stdin;\n")
}

/// Orders of two tenants, and clicks that no check of them needs.
fn dump(policy: &str) -> String {
    let mut text = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 17.6\n-- Dumped by pg_dump version 17.6\n\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n\n".to_owned();
    text += "--\n-- Name: app; Type: SCHEMA; Schema: -; Owner: -\n--\n\nCREATE SCHEMA app;\n\n";
    text += &entry(
        "TABLE",
        "clicks",
        "CREATE TABLE app.clicks (\n    id integer NOT NULL,\n    filler text\n);",
    );
    text += &entry(
        "TABLE",
        "orders",
        "CREATE TABLE app.orders (\n    id integer NOT NULL,\n    tenant text\n);",
    );
    text += &data("clicks", "id, filler");
    for id in 1..=3000 {
        text += &format!("{id}\t{}\n", "c".repeat(1000));
    }
    text += "\\.\n\n\n";
    text += &data("orders", "id, tenant");
    text += "1\tacme\n2\tbolt\n3\tacme\n\\.\n\n\n";
    text += &entry(
        "CONSTRAINT",
        "clicks clicks_pkey",
        "ALTER TABLE ONLY app.clicks\n    ADD CONSTRAINT clicks_pkey PRIMARY KEY (id);",
    );
    text += &entry(
        "POLICY",
        "orders fence",
        &format!("CREATE POLICY fence ON app.orders USING ({policy});"),
    );
    text += &entry(
        "ROW SECURITY",
        "orders",
        "ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;",
    );
    text += &entry("ACL", "SCHEMA app", "GRANT USAGE ON SCHEMA app TO web;");
    text += &entry(
        "ACL",
        "TABLE orders",
        "GRANT SELECT,INSERT ON TABLE app.orders TO web;",
    );
    text + "--\n-- PostgreSQL database dump complete\n--\n\n"
}

const FENCE: &str = "(tenant = current_setting('app.tenant'::text, true))";

fn drilled(policy: &str, arguments: &[&str]) -> Ended {
    let run = redrill()
        .scenario(SCENARIO)
        .backup(dump(policy), "made.sql");
    arguments
        .iter()
        .fold(run, |run, argument| run.with(argument))
        .run()
}

/// Every text that a drill writes for people and machines.
fn texts(ended: &Ended) -> [&str; 3] {
    [&ended.stdout, &ended.pages[0], &ended.pages[1]]
}

#[test]
fn selected_checks_pass_and_prove_nothing_else() {
    let ended = drilled(FENCE, &["--only", "rls,role,tenant"]);
    let shown = format!("{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, 0, "{shown}");
    let drill = ended.drill();
    assert_eq!(drill["verdict"], "CHECKS PASSED");
    assert_eq!(
        ended.checks("pass"),
        ["rls/orders-are-fenced", "role/web-reads-orders"],
        "{shown}"
    );
    assert_eq!(ended.stages("skipped"), ["proof"]);
    assert_eq!(drill["restore"]["left_out"][0]["table"], "app.clicks");
    assert_eq!(drill["restore"]["left_out"][0]["rows"], 3000);
    assert_eq!(drill["objectives"].as_array().unwrap().len(), 0);
    for text in texts(&ended) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        for said in [
            "CHECKS PASSED",
            "The selected checks passed. The backup is not proven.",
            "Selected: rls, role, tenant;",
            "the rows of app.clicks (3.0 MB) were not restored.",
        ] {
            assert!(text.contains(said), "no {said:?} in {text}");
        }
        // The word is in the list of exit codes of the report for people, and nowhere else.
        assert!(
            !text
                .replace("0 PROVEN or", "")
                .replace("NOT PROVEN", "")
                .contains("PROVEN"),
            "{text}"
        );
    }
}

#[test]
fn a_fault_is_found_as_in_a_drill_of_all_checks() {
    let [all, some] = [&[][..], &["--only", "rls"]].map(|arguments| {
        let ended = drilled("true", arguments);
        assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(
            ended.checks("fail"),
            ["rls/orders-are-fenced"],
            "{}",
            ended.stdout
        );
        ended.findings("rls/orders-are-fenced")
    });
    assert_eq!(all, some);
}

#[test]
fn a_check_that_may_read_any_table_needs_all_rows() {
    let ended = drilled(FENCE, &["--only", "row-count", "--only", "rls/*"]);
    let drill = ended.drill();
    assert_eq!(drill["verdict"], "CHECKS PASSED", "{}", ended.stdout);
    assert_eq!(ended.checks("pass").len(), 2, "{}", ended.stdout);
    assert_eq!(drill["restore"]["left_out"].as_array().unwrap().len(), 0);
    let why = "the check `clicks are there` may read any table";
    assert_eq!(drill["restore"]["none_left_out_because"], why);
    assert!(
        ended.pages[0].contains("may read any table"),
        "{}",
        ended.pages[0]
    );
}

#[test]
fn a_selection_of_nothing_ends_before_a_server() {
    for (only, message) in [
        ("roles", "did you mean `role`?"),
        (
            "api,graph",
            "the scenario `drilled` has no check that `--only api,graph` selects",
        ),
    ] {
        let ended = drilled(FENCE, &["--only", only]);
        assert_eq!(ended.code, 4, "{}", ended.stdout);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("give a kind (rls, role, row-count)"),
            "{}",
            ended.stderr
        );
        assert!(ended.drill.is_none());
    }
}
