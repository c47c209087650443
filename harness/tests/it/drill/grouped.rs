//! One cause that fails many checks is one failure, and hides no other.

use super::builder::redrill;

/// Twelve tenants, whose rows a policy keeps apart where row security is on.
fn dump(row_security: &str, grant: &str, audit: &str) -> String {
    let orders: String = (1..=12)
        .flat_map(|tenant| (0..2).map(move |n| format!("{}\tt{tenant}\n", tenant * 10 + n)))
        .collect();
    format!(
        "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE app;\nALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;\n\n\\connect template1\n\nCREATE DATABASE shop;\n\\connect shop\n
--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 17.4\n-- Dumped by pg_dump version 17.4\n\nSET client_encoding = 'UTF8';
CREATE TABLE public.orders (id integer NOT NULL, org text NOT NULL);
CREATE TABLE public.prices (id integer NOT NULL);
CREATE TABLE public.audit (id integer NOT NULL, what text);
COPY public.orders (id, org) FROM stdin;\n{orders}\\.
COPY public.prices (id) FROM stdin;\n1\n\\.
COPY public.audit (id, what) FROM stdin;\n1\t{audit}\n\\.
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
CREATE POLICY own ON public.orders USING ((org = current_setting('app.org'::text, true)));
{row_security}
GRANT SELECT,INSERT,UPDATE,DELETE ON TABLE public.orders TO app;
{grant}
--\n-- PostgreSQL database dump complete\n--\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n"
    )
}

const SCENARIO: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[[check.tenant]]
name = "no org reads rows of another"
tables = ["public.orders"]
column = "org"
role = "app"
setting = "app.org"

[[check.rls]]
name = "row security of orders"
table = "public.orders"

[[check.role]]
name = "app reads prices"
role = "app"
floor = ["select on public.prices"]
ceiling = "any"

[[check.sql]]
name = "the audit is as it was"
query = "SELECT count(*) FROM public.audit WHERE what = 'paid'"
scalar = 1

[[check.row-count]]
table = "public.orders"
exact = 24
"#;

const ON: &str = "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;";
const GRANT: &str = "GRANT SELECT ON TABLE public.prices TO app;";

#[test]
fn a_table_without_row_security_is_one_failure_and_hides_no_other() {
    let whole = redrill().scenario(SCENARIO);
    let ended = whole.backup(dump(ON, GRANT, "paid"), "shop.sql").run();
    ended.is_proven_with(26).unwrap();

    let broken = redrill().scenario(SCENARIO);
    let ended = broken.backup(dump("", "", "lost"), "shop.sql").run();
    assert_eq!(ended.code, 10, "{}{}", ended.stdout, ended.stderr);
    // JSON has an entry for each tenant.
    assert_eq!(ended.checks("fail").len(), 12 + 3, "{}", ended.stdout);
    let failed = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("  FAIL"));
    let failed: Vec<&str> = failed.collect();
    assert_eq!(failed.len(), 3, "{}", ended.stdout);
    for (line, name) in failed.iter().zip([
        "row security of orders",
        "app reads prices",
        "the audit is as it was",
    ]) {
        assert!(line.contains(name), "{line}");
    }
    assert!(!ended.stdout.contains("more, see"), "{}", ended.stdout);
    // Lines are wrapped anywhere.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(&ended.stdout);
    assert!(
        page.contains(
            "also failed, about public.orders: `no org reads rows of another [tenant 1]`, "
        )
    );
    assert!(
        page.contains("1 finding: public.orders: it is off (expected row security on)"),
        "{page}"
    );
    let lead = ended.pages[0]
        .split("## What was not tested")
        .next()
        .unwrap();
    assert!(
        lead.contains("and 7 more") && lead.contains("the audit is as it was"),
        "{lead}"
    );
    assert!(!lead.contains("listed below"), "{lead}");
}
