use std::fmt::Write as _;

use rstest::rstest;

use super::*;
use crate::backup::inspect::{Inspection, inspect};
use crate::backup::source::{Rules, path};
use crate::backup::spool::Spool;

/// A dump as pg_dump writes it: its header, entries, rows.
struct Dump(String);

impl Dump {
    /// With the tables `app.orders` and `app.big`, which nothing joins.
    fn new() -> Self {
        let dump = Self(
            "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 17.6\n\n"
                .to_owned(),
        );
        dump.table("orders").table("big")
    }

    fn entry(mut self, kind: &str, name: &str, sql: &str) -> Self {
        let header = format!("-- Name: {name}; Type: {kind}; Schema: app; Owner: me");
        write!(self.0, "--\n{header}\n--\n\n{sql}\n\n").unwrap();
        self
    }

    fn table(self, name: &str) -> Self {
        let quoted = crate::sql::quote_ident(name);
        let sql = format!("CREATE TABLE app.{quoted} (\n    id integer,\n    tenant text\n);");
        self.entry("TABLE", name, &sql)
    }

    /// A function in PL/pgSQL, or with other options.
    fn function(self, name: &str, body: &str) -> Self {
        let sql = format!(
            "CREATE FUNCTION app.{name}() RETURNS trigger\n    LANGUAGE plpgsql\n    AS $$ {body} $$;"
        );
        self.entry("FUNCTION", &format!("{name}()"), &sql)
    }

    fn definer(self, name: &str, body: &str) -> Self {
        let sql = format!(
            "CREATE FUNCTION app.{name}() RETURNS trigger\n    LANGUAGE plpgsql SECURITY DEFINER\n    AS $$ {body} $$;"
        );
        self.entry("FUNCTION", &format!("{name}()"), &sql)
    }

    fn trigger(self, table: &str, function: &str) -> Self {
        let sql = format!(
            "CREATE TRIGGER {function}_t AFTER INSERT OR UPDATE ON app.{table} FOR EACH ROW EXECUTE FUNCTION app.{function}();"
        );
        self.entry("TRIGGER", &format!("{table} {function}_t"), &sql)
    }

    fn policy(self, table: &str, using: &str) -> Self {
        let sql = format!("CREATE POLICY fence ON app.{table} USING ({using});");
        self.entry("POLICY", &format!("{table} fence"), &sql)
    }

    fn key(self, child: &str, parent: &str, action: &str) -> Self {
        let sql = format!(
            "ALTER TABLE ONLY app.{child}\n    ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES app.{parent}(id){action};"
        );
        self.entry("FK CONSTRAINT", &format!("{child} fk"), &sql)
    }

    fn view(self, name: &str, sql: &str) -> Self {
        self.entry("VIEW", name, &format!("CREATE VIEW app.{name} AS\n {sql};"))
    }

    /// Rows of a table; those of large ones are more than [`SMALL`].
    fn rows(mut self, table: &str, large: bool) -> Self {
        let quoted = crate::sql::quote_ident(table);
        let count = if large { 1_100 } else { 3 };
        let header = format!("-- Data for Name: {table}; Type: TABLE DATA; Schema: app; Owner: me");
        write!(self.0, "--\n{header}\n--\n\n").unwrap();
        writeln!(self.0, "COPY app.{quoted} (id, tenant) FROM stdin;").unwrap();
        for id in 0..count {
            writeln!(self.0, "{id}\t{}", "t".repeat(1_000)).unwrap();
        }
        self.0.push_str("\\.\n\n");
        self
    }

    /// Rows of the two tables, and the end.
    fn plan(self, reads: &RowsRead) -> RowsLeftOut {
        let dump = self.rows("orders", true).rows("big", true);
        dump.plan_as_it_is(reads)
    }

    fn plan_as_it_is(mut self, reads: &RowsRead) -> RowsLeftOut {
        self.0
            .push_str("--\n-- PostgreSQL database dump complete\n--\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.sql");
        std::fs::write(&file, &self.0).unwrap();
        let found = path::find(&file, &Rules::default()).unwrap();
        let spool = Spool::in_folder(folder.path().join("spool"));
        let backup = inspect(&found, &Inspection::quiet(spool)).unwrap();
        assert_eq!(backup.problems, []);
        RowsLeftOut::of_reads(&backup, &Restore::default(), std::slice::from_ref(reads))
    }
}

fn reads(table: &str) -> RowsRead {
    RowsRead::default().with(&[format!("app.{table}")])
}

/// Whether `app.big` is left out; panics where all rows are loaded for a reason.
fn leaves_big(plan: &RowsLeftOut) -> bool {
    assert_eq!(plan.none_because, None);
    let big = QualifiedName::parse("app.big").unwrap();
    let orders = QualifiedName::parse("app.orders").unwrap();
    assert!(!plan.tables.contains(&orders), "{plan:?}");
    plan.tables.contains(&big)
}

const READS_BIG: &str = "BEGIN PERFORM 1 FROM big; RETURN NEW; END";
const CHANGES_ORDERS: &str = "BEGIN DELETE FROM app.orders; RETURN NEW; END";
const ADDS_ORDERS: &str = "BEGIN INSERT INTO app.orders VALUES (1); RETURN NEW; END";

#[rstest]
#[case::nothing_names_it(Dump::new(), true)]
#[case::a_policy_reads_it(Dump::new().policy("orders", "(EXISTS ( SELECT 1 FROM app.big))"), false)]
#[case::a_policy_of_another_table_reads_it(Dump::new().table("other").policy("other", "(EXISTS ( SELECT 1 FROM app.big))"), true)]
#[case::a_function_of_a_policy_reads_it(Dump::new().function("allowed", READS_BIG).policy("orders", "app.allowed()"), false)]
#[case::a_function_of_a_function_reads_it(
    Dump::new().function("inner_one", READS_BIG).function("allowed", "BEGIN RETURN inner_one(); END").policy("orders", "app.allowed()"),
    false
)]
#[case::a_function_that_nothing_calls_reads_it(Dump::new().function("allowed", READS_BIG), true)]
#[case::a_trigger_reads_it(Dump::new().function("checks", READS_BIG).trigger("orders", "checks"), false)]
#[case::the_same_trigger_function_is_on_it(
    Dump::new().function("touch", "BEGIN NEW.id := 1; RETURN NEW; END").trigger("orders", "touch").trigger("big", "touch"),
    true
)]
#[case::a_view_joins_it(Dump::new().view("v", "SELECT o.id FROM (app.orders o JOIN app.big b ON ((b.id = o.id)))"), false)]
#[case::a_view_on_a_view_joins_it(
    Dump::new().view("v", "SELECT orders.id FROM app.orders").view("w", "SELECT v.id FROM (app.v JOIN app.big b ON (true))"),
    false
)]
#[case::a_view_reads_it_alone(Dump::new().view("v", "SELECT id FROM app.big"), true)]
#[case::it_is_referred_to(Dump::new().key("orders", "big", ""), false)]
#[case::it_refers(Dump::new().key("big", "orders", " ON DELETE CASCADE"), true)]
#[case::a_cascade_begins_at_it(Dump::new().table("middle").key("orders", "middle", " ON DELETE CASCADE").key("middle", "big", " ON DELETE SET NULL"), false)]
#[case::its_trigger_changes_the_table(Dump::new().definer("purge", CHANGES_ORDERS).trigger("big", "purge"), false)]
#[case::its_trigger_with_the_rights_of_the_caller_changes_it(Dump::new().function("purge", CHANGES_ORDERS).trigger("big", "purge"), true)]
#[case::its_trigger_adds_rows(Dump::new().definer("record", ADDS_ORDERS).trigger("big", "record"), true)]
#[case::its_trigger_calls_what_changes_it(
    Dump::new().function("purge", CHANGES_ORDERS).definer("calls", "BEGIN PERFORM app.purge(); RETURN NEW; END").trigger("big", "calls"),
    false
)]
#[case::its_rule_changes_the_table(
    Dump::new().entry("RULE", "big purge", "CREATE RULE purge AS\n    ON INSERT TO app.big DO  DELETE FROM app.orders;"),
    false
)]
#[case::a_default_reads_it(
    Dump::new().function("next", READS_BIG).entry("DEFAULT", "orders id", "ALTER TABLE ONLY app.orders ALTER COLUMN id SET DEFAULT app.next();"),
    false
)]
#[case::a_domain_reads_it(
    Dump::new().function("known", READS_BIG)
        .entry("DOMAIN", "code", "CREATE DOMAIN app.code AS text\n\tCONSTRAINT known CHECK (app.known());")
        .policy("orders", "(tenant = ('x'::text)::app.code)"),
    false
)]
#[case::an_operator_reads_it(
    Dump::new().function("same", READS_BIG).entry("OPERATOR", "===", "CREATE OPERATOR app.=== (\n    FUNCTION = app.same,\n    LEFTARG = text,\n    RIGHTARG = text\n);"),
    false
)]
#[case::it_inherits(Dump::new().entry("TABLE", "part", "CREATE TABLE app.part (\n)\nINHERITS (app.orders);").key("part", "big", ""), false)]
fn a_large_table_is_left_out_only_where_nothing_needs_it(
    #[case] dump: Dump,
    #[case] left_out: bool,
) {
    let plan = dump.plan(&reads("orders"));
    assert_eq!(leaves_big(&plan), left_out, "{plan:?}");
    assert_eq!(
        plan.held
            .iter()
            .map(|one| one.table.as_str())
            .collect::<Vec<_>>(),
        if left_out { &["app.big"][..] } else { &[] }
    );
}

#[test]
fn a_trigger_that_adds_rows_counts_where_that_is_asked() {
    let dump = || {
        Dump::new()
            .definer("record", ADDS_ORDERS)
            .trigger("big", "record")
    };
    let all_ways = RowsRead {
        ways_to_insert: true,
        ..reads("orders")
    };
    assert!(!leaves_big(&dump().plan(&all_ways)));
    assert!(leaves_big(&dump().plan(&reads("orders"))));
}

#[test]
fn partitions_are_loaded_together() {
    let dump = || {
        Dump::new()
            .entry("TABLE", "log", "CREATE TABLE app.log (\n    id integer,\n    tenant text\n)\nPARTITION BY RANGE (id);")
            .table("log 1")
            .table("log 2")
            .entry("TABLE ATTACH", "log 1", "ALTER TABLE ONLY app.log ATTACH PARTITION app.\"log 1\" FOR VALUES FROM (0) TO (9);")
            .entry("TABLE ATTACH", "log 2", "ALTER TABLE ONLY app.log ATTACH PARTITION app.\"log 2\" FOR VALUES FROM (9) TO (99);")
            .rows("log 1", true)
            .rows("log 2", true)
    };
    for named in ["log", "\"log 2\""] {
        let plan = dump().plan_as_it_is(&reads(named));
        let names: Vec<&str> = plan
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        // Both are small without rows.
        assert_eq!((names, &plan.none_because), (vec![], &None), "{named}");
    }
    let plan = dump().plan(&reads("orders"));
    let names: Vec<&str> = plan
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(names, ["big", "log", "log 1", "log 2"]);
    let held: Vec<&str> = plan.held.iter().map(|one| one.table.as_str()).collect();
    assert_eq!(held, ["app.big", "app.\"log 1\"", "app.\"log 2\""]);
}

#[test]
fn tables_of_one_name_in_two_databases_are_loaded_together() {
    let mut dump = Dump::new().rows("big", true).rows("orders", true);
    dump.0.push_str("\\connect other\n\n");
    let dump = dump.table("big").table("orders").key("orders", "big", "");
    let plan = dump.rows("big", true).plan_as_it_is(&reads("orders"));
    assert!(!leaves_big(&plan), "{plan:?}");
    let mut dump = Dump::new().rows("big", true).rows("orders", true);
    dump.0.push_str("\\connect other\n\n");
    let plan = dump
        .table("big")
        .rows("big", true)
        .plan_as_it_is(&reads("orders"));
    assert!(leaves_big(&plan), "{plan:?}");
    let databases: Vec<&str> = plan.held.iter().map(|one| one.database.as_str()).collect();
    assert_eq!(databases, ["", "other"]);
}

#[test]
fn names_that_need_quotes_are_the_same_everywhere() {
    let dump = Dump::new()
        .table("Big One")
        .function("reads", "BEGIN PERFORM 1 FROM \"Big One\"; RETURN NEW; END")
        .trigger("orders", "reads")
        .rows("Big One", true);
    let plan = dump.plan(&reads("orders"));
    assert!(leaves_big(&plan) && plan.tables.len() == 1, "{plan:?}");
    let plan = Dump::new()
        .table("Big One")
        .rows("Big One", true)
        .plan(&reads("\"Big One\""));
    let names: Vec<String> = plan.tables.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["app.big", "app.orders"]);
}

#[test]
fn small_tables_are_loaded_where_that_needs_no_large_one() {
    let dump = Dump::new()
        .table("codes")
        .table("notes")
        .key("notes", "big", "")
        .rows("codes", false)
        .rows("notes", false);
    let plan = dump.plan(&reads("orders"));
    let names: Vec<&str> = plan
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(names, ["big", "notes"]);
}

#[test]
fn a_materialized_view_on_what_is_left_out_is_not_filled() {
    let dump = || {
        let views = [
            ("of_big", "big"),
            ("of_orders", "orders"),
            ("of_view", "of_big"),
        ];
        views.into_iter().fold(Dump::new(), |dump, (name, from)| {
            let sql = format!("CREATE MATERIALIZED VIEW app.{name} AS\n SELECT id FROM app.{from}\n  WITH NO DATA;");
            let fill = format!("REFRESH MATERIALIZED VIEW app.{name};");
            dump.entry("MATERIALIZED VIEW", name, &sql)
                .entry("MATERIALIZED VIEW DATA", name, &fill)
        })
    };
    let plan = dump().plan(&reads("orders"));
    assert!(leaves_big(&plan));
    let views: Vec<&str> = plan.views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(views, ["of_big", "of_view"]);
    let all_views = RowsRead {
        materialized_views: true,
        ..reads("orders")
    };
    let plan = dump().plan(&all_views);
    assert!(!leaves_big(&plan) && plan.views.is_empty(), "{plan:?}");
}

#[rstest]
#[case("DELETE FROM app.orders", false)]
#[case("UPDATE app.orders SET id = 2", false)]
#[case("UPDATE app.orders SET tenant = 'x'", true)]
#[case("INSERT INTO app.orders VALUES (1)", true)]
#[case("SELECT app.purges()", false)]
#[case("SELECT 1 FROM big", false)]
#[case("SELECT app.allowed()", false)]
#[case("SELECT 1 FROM app.other", true)]
fn statements_of_the_scenario_name_tables_too(#[case] statement: &str, #[case] left_out: bool) {
    let dump = Dump::new()
        .table("other")
        .function("allowed", READS_BIG)
        .function("purges", CHANGES_ORDERS)
        .key("big", "orders", "");
    let read = RowsRead {
        statements: vec![statement.to_owned()],
        ..reads("orders")
    };
    assert_eq!(leaves_big(&dump.plan(&read)), left_out);
}

const DYNAMIC: &str = "BEGIN EXECUTE 'DELETE FROM ' || TG_ARGV[0]; RETURN NEW; END";

#[rstest]
#[case::a_trigger_with_dynamic_sql(
    Dump::new().function("dynamic", DYNAMIC).trigger("orders", "dynamic"),
    "it is not known what the checks read: function app.dynamic(): it has dynamic SQL"
)]
#[case::a_way_with_dynamic_sql(Dump::new().definer("dynamic", DYNAMIC).trigger("big", "dynamic"), "function app.dynamic()")]
#[case::another_language(
    Dump::new().entry("FUNCTION", "py()", "CREATE FUNCTION app.py() RETURNS boolean\n    LANGUAGE plpython3u\n    AS $$ return True $$;").policy("orders", "app.py()"),
    "function app.py(): its language is not read"
)]
#[case::a_text_that_is_run(Dump::new().policy("orders", "(query_to_xml('x'::text, true, true, ''::text) IS NULL)"), "policy app.orders fence: it calls")]
#[case::an_extension(
    Dump::new().entry("EXTENSION", "timescaledb", "CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA app;"),
    "the extension timescaledb"
)]
fn what_is_not_known_needs_all_rows(#[case] dump: Dump, #[case] why: &str) {
    let plan = dump.plan(&reads("orders"));
    assert!(plan.tables.is_empty() && plan.views.is_empty(), "{plan:?}");
    let said = plan.none_because.unwrap();
    assert!(said.contains(why), "{said}");
}

#[test]
fn dynamic_sql_that_nothing_reaches_does_not_matter() {
    let dump = Dump::new()
        .function("dynamic", DYNAMIC)
        .trigger("big", "dynamic");
    assert!(leaves_big(&dump.plan(&reads("orders"))));
    let trusted = RowsRead {
        trusted_functions: vec!["app.dynamic()".to_owned()],
        ..reads("orders")
    };
    let dump = Dump::new()
        .definer("dynamic", DYNAMIC)
        .trigger("big", "dynamic");
    assert!(leaves_big(&dump.plan(&trusted)));
}

#[rstest]
#[case("CREATE TRIGGER t AFTER INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.f();")]
#[case("CREATE POLICY p ON app.orders USING (true);")]
#[case("CREATE VIEW app.v AS SELECT 1;")]
#[case("CREATE FUNCTION app.g() RETURNS int LANGUAGE sql AS 'SELECT 1';")]
fn a_definition_that_somebody_added_needs_all_rows(#[case] sql: &str) {
    let mut dump = Dump::new().rows("orders", false);
    dump.0 += &format!("{sql}\n");
    let plan = dump.plan_as_it_is(&reads("orders"));
    assert!(
        plan.none_because
            .unwrap()
            .contains("outside of the entries")
    );
}

#[test]
fn a_dump_without_the_comments_of_pg_dump_is_restored_with_all_rows() {
    let mut dump = Dump::new().rows("orders", false);
    dump.0 = dump
        .0
        .lines()
        .filter(|line| !line.starts_with("-- Name"))
        .fold(String::new(), |text, line| text + line + "\n");
    let plan = dump.plan_as_it_is(&reads("orders"));
    assert!(plan.none_because.unwrap().contains("pg_dump did not write"));
}
