use crate::support::{Case, on_plur, root};
use redrill::scenario;

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

const TABLES: &str = r#"
[[check.object]]
kind = "table"
present = ["plur.users", "plur.orgs", "plur.api_keys", "plur.sessions", "plur.memberships", "plur.attachments", "plur.audit_events", "plur.audit_events_*", "org_*.engrams"]
absent = ["plur.audit_flat*", "*.legacy_*"]
no-others-in = ["plur.*"]
"#;

/// One check for each way in which a name is written.
const KINDS: &str = r#"
[[check.object]]
kind = "KIND"
present = [PRESENT]
absent = [ABSENT]
"#;

fn of_kind(kind: &str, present: &str, absent: &str) -> String {
    KINDS
        .replace("KIND", kind)
        .replace("PRESENT", present)
        .replace("ABSENT", absent)
}

const OTHERS: &str = "
CREATE PROCEDURE plur.tidy() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE plur.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE EVENT TRIGGER refuse_drop ON sql_drop EXECUTE FUNCTION plur.refuse();
CREATE PUBLICATION feed FOR TABLE plur.orgs;
CREATE STATISTICS plur.by_org ON org, user_id FROM plur.memberships;
CREATE TABLE plur.ruled (id int);
CREATE RULE no_delete AS ON DELETE TO plur.ruled DO INSTEAD NOTHING;
CREATE TABLE plur.\"Odd.Table\" (\"Odd column\" int);
";

const EVENT: &str =
    "CREATE FUNCTION plur.refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';";

#[tokio::test(flavor = "multi_thread")]
async fn object() {
    on_plur(async |plur| {
        plur.passes(case("the good backup", "", TABLES)).await;
        plur.passes(case(
            "harmless: columns, indexes, comments, other rights and owners, objects of other kinds and schemas, rows",
            "ALTER TABLE plur.users ADD COLUMN more int; CREATE INDEX ON plur.users (more); COMMENT ON TABLE plur.users IS 'x';
             ALTER TABLE plur.users OWNER TO plur_admin; REVOKE ALL ON plur.users FROM plur_app; DELETE FROM plur.sessions;
             CREATE VIEW plur.legacy_users AS SELECT 1; CREATE SCHEMA more; CREATE TABLE more.t (id int)",
            TABLES,
        ))
        .await;
        let others = format!("{EVENT}{OTHERS}");
        let gone = |drop: &str| format!("{EVENT}{OTHERS}{drop}");
        // Of each kind one that is there and one that is not, how the one goes, and what comes instead.
        let kinds = [
            ("view", "'plur.my_org_members'", "'plur.old_*'", "DROP VIEW plur.my_org_members", "CREATE VIEW plur.old_v AS SELECT 1"),
            ("materialized-view", "'plur.audit_monthly'", "'plur.old_*'", "DROP MATERIALIZED VIEW plur.audit_monthly", "CREATE MATERIALIZED VIEW plur.old_v AS SELECT 1"),
            ("sequence", "'plur.audit_events_id_seq', 'plur.*_seq'", "'plur.old_*'", "DROP SEQUENCE plur.audit_events_id_seq CASCADE", "CREATE SEQUENCE plur.old_s"),
            ("index", "'plur.memberships_user_id_idx', 'plur.users_pkey'", "'plur.old_*'", "DROP INDEX plur.memberships_user_id_idx", "CREATE INDEX old_i ON plur.users (id)"),
            ("index", "'plur.users_email_key'", "'plur.old_*'", "ALTER TABLE plur.users DROP CONSTRAINT users_email_key", "ALTER TABLE plur.orgs ADD CONSTRAINT old_key UNIQUE (slug, name)"),
            ("function", "'plur.embed(text)', 'plur.refuse_*'", "'plur.embed(integer)', 'plur.old_*'", "ALTER FUNCTION plur.embed(text) RENAME TO embed_text", "CREATE FUNCTION plur.embed(int) RETURNS int LANGUAGE sql AS 'SELECT 1'"),
            ("procedure", "'plur.tidy()'", "'plur.old'", "DROP PROCEDURE plur.tidy()", "CREATE PROCEDURE plur.old(a int) LANGUAGE sql AS 'SELECT 1'"),
            ("aggregate", "'plur.total'", "'plur.old_*'", "DROP AGGREGATE plur.total(integer)", "CREATE AGGREGATE plur.old_total(integer) (SFUNC = int4pl, STYPE = integer)"),
            ("type", "'plur.member_role'", "'plur.old_*'", "ALTER TYPE plur.member_role RENAME TO role_of_member", "CREATE TYPE plur.old_t AS ENUM ('a')"),
            ("domain", "'plur.scope_path'", "'plur.old_*'", "DROP DOMAIN plur.scope_path CASCADE", "CREATE DOMAIN plur.old_d AS text"),
            ("trigger", "'plur.audit_events.audit_events_refuse_change'", "'plur.*.old_*'", "DROP TRIGGER audit_events_refuse_change ON plur.audit_events", "CREATE TRIGGER old_t AFTER INSERT ON plur.users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
            ("policy", "'plur.memberships.org_fence'", "'plur.memberships.old_*'", "DROP POLICY org_fence ON plur.memberships", "CREATE POLICY old_p ON plur.memberships USING (true)"),
            ("rule", "'plur.ruled.no_delete'", "'plur.ruled.old_*'", "DROP RULE no_delete ON plur.ruled", "CREATE RULE old_r AS ON UPDATE TO plur.ruled DO INSTEAD NOTHING"),
            ("column", "'plur.users.email', 'plur.audit_monthly.month', 'plur.\"Odd.Table\".\"Odd column\"'", "'plur.*.old_*'", "ALTER TABLE plur.users DROP COLUMN email CASCADE", "ALTER TABLE plur.users ADD COLUMN old_password text"),
            ("constraint", "'plur.users.users_pkey', 'plur.scope_path.*'", "'plur.*.old_*'", "ALTER TABLE plur.users DROP CONSTRAINT users_pkey CASCADE", "ALTER TABLE plur.users ADD CONSTRAINT old_c CHECK (true)"),
            ("schema", "'org_*', 'plur'", "'old_*'", "DROP SCHEMA plur CASCADE", "CREATE SCHEMA old_s"),
            ("extension", "'age', 'vector'", "'pg_*'", "DROP EXTENSION vector CASCADE", "CREATE EXTENSION pg_trgm"),
            ("event-trigger", "'refuse_drop'", "'old_*'", "DROP EVENT TRIGGER refuse_drop", "CREATE EVENT TRIGGER old_e ON sql_drop EXECUTE FUNCTION plur.refuse()"),
            ("publication", "'feed'", "'old_*'", "DROP PUBLICATION feed", "CREATE PUBLICATION old_p"),
            ("statistics", "'plur.by_org'", "'plur.old_*'", "DROP STATISTICS plur.by_org", "CREATE STATISTICS plur.old_s ON org, user_id FROM plur.memberships"),
        ];
        for (kind, present, absent, drop, create) in kinds {
            let check = of_kind(kind, present, absent);
            plur.passes(case(kind, &others, &check)).await;
            plur.fails(case(kind, &gone(drop), &check), &["there is none in the restored database"]).await;
            plur.fails(case(kind, &gone(create), &check), &["; it is there"]).await;
        }
        plur.fails_each(&[
            ("F01 F39 a table is not there", "DROP TABLE plur.sessions", TABLES, &["table plur.sessions; it is there; there is none in the restored database"]),
            ("P01 no partition is there", "DROP TABLE plur.audit_events, plur.audit_events_2025_05 CASCADE", TABLES,
             &["table plur.audit_events; it is there; there is none", "plur.audit_events_*; at least one table that matches; there is none"]),
            ("F43 a retired table is there again", "CREATE TABLE plur.audit_flat_2024 (id int); CREATE TABLE org_acme.legacy_engrams (id int)", TABLES,
             &["table plur.audit_flat_2024; no such table; it is there", "table org_acme.legacy_engrams; no such table; it is there",
               "table plur.audit_flat_2024; no other table than those of `present`; it is there"]),
            ("F44 a table that nobody named", "CREATE TABLE plur.\"x; DROP TABLE y\" (id int)", TABLES, &["table plur.\"x; DROP TABLE y\"; no other table"]),
            ("a view is where the table was", "ALTER TABLE plur.sessions RENAME TO s; ALTER TABLE plur.s SET SCHEMA public; CREATE VIEW plur.sessions AS SELECT * FROM public.s", TABLES,
             &["table plur.sessions; it is there; the view plur.sessions is there instead"]),
            ("D17 it was made part of an extension", "ALTER EXTENSION vector ADD TABLE plur.sessions", TABLES, &["plur.sessions belongs to the extension vector"]),
            ("its schema is missing", "DROP SCHEMA org_acme CASCADE", "[[check.object]]\nkind = 'table'\npresent = ['org_acme.engrams']\n",
             &["table org_acme.engrams; it is there; there is none in the restored database"]),
            ("many at once", "DO $$ BEGIN FOR n IN 1..30 LOOP EXECUTE format('CREATE TABLE plur.legacy_%s (id int)', n); END LOOP; END $$", TABLES, &["*.legacy_*; no such table; 10 more of them"]),
            ("R01 a role is not there", "", "[[check.object]]\nkind = 'role'\npresent = ['plur_app', 'plur_writer']\n", &["role plur_writer; it is there; there is none"]),
            ("a role is there that must not be", "", "[[check.object]]\nkind = 'role'\npresent = ['plur_app']\nabsent = ['plur_audit*']\n", &["role plur_auditor; no such role; it is there"]),
        ])
        .await;
        // What belongs to extensions is neither retired nor missing.
        let extensions = "[[check.object]]\nkind = 'function'\npresent = ['plur.embed']\nabsent = ['public.*', 'ag_catalog.*']\n";
        plur.passes(case("functions of extensions", "", extensions)).await;
        let roles = "[[check.object]]\nkind = 'role'\npresent = ['plur_*']\nno-others-in = ['*']\n";
        plur.passes(case("roles", "", roles)).await;
        plur.fails(
            Case { name: "R11 a role more", change: "CREATE ROLE hidden LOGIN", undo: "DROP ROLE hidden", check: roles },
            &["role hidden; no other role than those of `present`; it is there"],
        )
        .await;
        plur.cannot_look(
            Case { name: "a role that the drill made", change: "CREATE ROLE made_here", undo: "DROP ROLE made_here",
                   check: "[[check.object]]\nkind = 'role'\npresent = ['made_here']\n" },
            "no statement of the backup creates it",
        )
        .await;
        // That nothing is there where nothing can be shows nothing.
        for (check, hint) in [
            ("[[check.object]]\nkind = 'table'\nabsent = ['plurr.legacy_*']\n", "no table is there to be checked"),
            ("[[check.object]]\nkind = 'column'\nabsent = ['plur.user.password']\n", "no column is there to be checked"),
        ] {
            plur.cannot_look(case("of a schema or table that is not there", "", check), hint).await;
        }
        let both = "[[check.object]]\nkind = 'table'\nabsent = ['plur.legacy_*', 'billing.invoices']\n";
        let observation = plur.run(case("one of two", "", both)).await.unwrap();
        assert_eq!(observation.all_findings().count(), 0);
        let not_tested = observation.not_tested.first().unwrap();
        assert_eq!(not_tested.what, "whether table billing.invoices is gone by itself");
        assert!(not_tested.why.contains("no schema billing"), "{}", not_tested.why);
        plur.assert_passed_and_failed("object");
    })
    .await;
}

/// What is wrong in a scenario, what is printed of it, and the line that the caret is under.
const REFUSED: [(&str, &[&str]); 6] = [
    (
        "kind = \"tabel\"\npresent = [\"app.t\"]",
        &[
            "unknown value `tabel`",
            "did you mean `table`?",
            "kind = \"tabel\"",
        ],
    ),
    (
        "kind = \"table\"\npresent = [\"app.t\", \"app.t.id\"]",
        &["`app.t.id` does not name a table", "write `schema.name`"],
    ),
    (
        "kind = \"column\"\nabsent = [\"id\"]",
        &["`id` does not name a column", "write `schema.table.name`"],
    ),
    (
        "kind = \"table\"",
        &["this check asserts nothing", "add `present` or `absent`"],
    ),
    (
        "kind = \"table\"\nabsent = [\"app.t\"]\nno-others-in = [\"app.*\"]",
        &["`no-others-in` needs `present`"],
    ),
    (
        "kind = \"table\"\npresent = [\"app.old_t\"]\nabsent = [\"app.old_*\"]",
        &["`app.old_t` is matched by `app.old_*` of `absent` too"],
    ),
];

#[test]
fn a_name_that_cannot_be_is_refused_in_its_place() {
    for (check, says) in REFUSED {
        let text = format!(
            "schema = 1\nname = \"t\"\n[backup]\npath = \"x\"\n[[check.object]]\n{check}\n"
        );
        let path = root().join("scenarios/test.toml");
        let refused = scenario::parse(&path, &text, &crate::support::environment());
        let shown = refused
            .err()
            .map(|refused| refused.to_string())
            .unwrap_or_default();
        for text in says {
            assert!(shown.contains(text), "no `{text}` for\n{check}\nin {shown}");
        }
        assert!(shown.contains('^'), "{shown}");
    }
}
