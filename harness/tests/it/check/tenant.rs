use crate::support::{Case, on_own_plur};

const SCHEMAS: &str = r#"
[[check.tenant]]
schemas = ["org_*"]
role = "plur_{schema}"
refused = ["SELECT count(*) FROM {other}.engrams e, {schema}.engrams m"]
"#;

const BY_NAME: &str = r#"
[[check.tenant]]
schemas = ["org_acme", "org_borealis"]
roles = { org_acme = "plur_org_acme", org_borealis = "plur_org_borealis" }
shared-views = ["plur.pe*"]
"#;

const ROWS: &str = r#"
[[check.tenant]]
tables = ["plur.memberships", "plur.member_directory"]
column = "org"
role = "plur_app"
setting = "plur.org"
"#;

const HARMLESS: &[(&str, &str, &str)] = &[
    (
        "a role that has nothing, statistics, a schema of nobody",
        "CREATE ROLE harmless; ANALYZE; CREATE SCHEMA extra",
        "DROP ROLE harmless",
    ),
    (
        "its own right twice",
        "GRANT SELECT ON org_acme.engrams TO plur_org_acme",
        "",
    ),
    (
        "a table that everybody may read, elsewhere",
        "CREATE TABLE plur.news (id int); GRANT SELECT ON plur.news TO PUBLIC",
        "",
    ),
    (
        "a view of its own",
        "CREATE VIEW org_acme.own AS SELECT * FROM org_acme.engrams; GRANT SELECT ON org_acme.own TO plur_org_acme",
        "",
    ),
    (
        "a function and a type with PostgreSQL's default",
        "CREATE FUNCTION org_acme.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE org_acme.mood AS ENUM ('a')",
        "",
    ),
];

/// Ways into another tenant's schema, and what the check says of each.
const WRITTEN: &[(&str, &str, &str)] = &[
    (
        "a view that may only be written",
        "CREATE VIEW plur.box AS SELECT * FROM org_borealis.recall_log; GRANT DELETE ON plur.box TO plur_org_acme",
        "role plur_org_acme has DELETE on plur.box",
    ),
    (
        "S17 a foreign key with CASCADE",
        "CREATE TABLE plur.plans (id int PRIMARY KEY); INSERT INTO plur.plans VALUES (1);
         CREATE TABLE org_borealis.orders (plan int REFERENCES plur.plans ON DELETE CASCADE); INSERT INTO org_borealis.orders VALUES (1);
         GRANT SELECT, DELETE ON plur.plans TO plur_org_acme",
        "role plur_org_acme has DELETE on plur.plans",
    ),
    (
        "a rule",
        "CREATE TABLE plur.inbox (n int); GRANT INSERT ON plur.inbox TO plur_org_acme;
         CREATE RULE r AS ON INSERT TO plur.inbox DO ALSO DELETE FROM org_borealis.recall_log",
        "role plur_org_acme has INSERT on plur.inbox",
    ),
];

/// Functions that may reach another tenant's schema.
const FUNCTIONS: &[&str] = &[
    "CREATE FUNCTION org_acme.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM org_borealis.engrams'",
    "CREATE FUNCTION org_acme.f() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN count(*) FROM engrams; END'",
    "CREATE FUNCTION org_acme.f() RETURNS void LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC DELETE FROM org_borealis.recall_log; END",
    "CREATE FUNCTION org_acme.f() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE current_setting($$a.b$$); END'",
];

const HARMLESS_FUNCTION: &str = "CREATE FUNCTION org_acme.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = org_acme
     AS 'SELECT count(*) FROM engrams'";

const PARTED: &str = "
CREATE TABLE plur.parted (org text, n int) PARTITION BY LIST (org);
CREATE TABLE plur.parted_a PARTITION OF plur.parted FOR VALUES IN ('acme');
CREATE TABLE plur.parted_b PARTITION OF plur.parted FOR VALUES IN ('borealis');
INSERT INTO plur.parted VALUES ('acme', 1), ('borealis', 2);
ALTER TABLE plur.parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY fence ON plur.parted USING (org = current_setting('plur.org', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON plur.parted TO plur_app;
";

#[tokio::test(flavor = "multi_thread")]
async fn tenant() {
    on_own_plur(async |plur| {
        for check in [SCHEMAS, BY_NAME, ROWS] {
            plur.passes(Case { name: "the good backup", change: "", undo: "", check }).await;
            for (name, change, undo) in HARMLESS {
                plur.passes(Case { name, change, undo, check }).await;
            }
        }
        let cases: &[(&str, &str, &str, &str, &[&str])] = &[
            ("a grant across", "GRANT SELECT ON org_borealis.engrams TO plur_org_acme", "", SCHEMAS, &["org_borealis.engrams; no right of plur_org_acme; SELECT, granted to it"]),
            ("a grant across that works", "GRANT USAGE ON SCHEMA org_borealis TO plur_org_acme; GRANT SELECT, DELETE ON org_borealis.engrams TO plur_org_acme", "", SCHEMAS, &["schema org_borealis; no right of plur_org_acme; USAGE", "SELECT is refused for plur_org_acme; it went through", "DELETE is refused", "statement 1; a statement of `refused`"]),
            ("A07 a grant across on a column", "GRANT UPDATE (title) ON org_borealis.engrams TO plur_org_acme", "", BY_NAME, &["UPDATE (title), granted to it"]),
            ("a membership across", "GRANT plur_org_borealis TO plur_org_acme", "REVOKE plur_org_borealis FROM plur_org_acme", SCHEMAS, &["no way to plur_org_borealis; by membership in plur_org_borealis", "SELECT is refused for plur_org_acme; it went through"]),
            ("a membership across that only SET ROLE opens", "GRANT plur_org_borealis TO plur_org_acme WITH INHERIT FALSE", "REVOKE plur_org_borealis FROM plur_org_acme", SCHEMAS, &["no way to plur_org_borealis; after SET ROLE plur_org_borealis"]),
            ("pg_read_all_data", "GRANT pg_read_all_data TO plur_org_acme", "REVOKE pg_read_all_data FROM plur_org_acme", SCHEMAS, &["no way to predefined role pg_read_all_data", "SELECT is refused for plur_org_acme; it went through"]),
            ("superuser", "ALTER ROLE plur_org_acme SUPERUSER", "ALTER ROLE plur_org_acme NOSUPERUSER", SCHEMAS, &["it is superuser"]),
            ("PUBLIC in one schema", "GRANT USAGE ON SCHEMA org_borealis TO PUBLIC; GRANT SELECT ON org_borealis.engrams TO PUBLIC", "", SCHEMAS, &["no right of plur_org_acme; SELECT, granted to PUBLIC", "no right of plur_org_cumulus; USAGE, granted to PUBLIC"]),
            ("R04 default privileges", "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner IN SCHEMA org_borealis GRANT SELECT ON TABLES TO plur_org_acme", "", SCHEMAS, &["default tables in org_borealis by role plur_owner; no right of plur_org_acme"]),
            ("A08 ownership across", "ALTER TABLE org_borealis.recall_log OWNER TO plur_org_acme", "", SCHEMAS, &["org_borealis.recall_log; plur_org_acme does not own it"]),
            ("S07 a view into another's schema", "CREATE VIEW plur.peek AS SELECT * FROM org_borealis.engrams; CREATE VIEW plur.deep AS SELECT * FROM plur.peek; GRANT SELECT ON plur.deep TO PUBLIC", "", SCHEMAS, &["plur.deep; no view of plur_org_acme into another's schema; it reads org_borealis"]),
            ("its own rows are closed to it", "REVOKE USAGE ON SCHEMA org_acme FROM plur_org_acme", "", SCHEMAS, &["plur_org_acme reads rows of its own; it can read none"]),
            ("R01 a role is missing", "ALTER ROLE plur_org_acme RENAME TO gone", "ALTER ROLE gone RENAME TO plur_org_acme", SCHEMAS, &["role plur_org_acme; the role of schema org_acme; there is none"]),
            ("a schema is missing", "ALTER SCHEMA org_acme RENAME TO gone", "", BY_NAME, &["schema org_acme; a tenant's schema; there is none"]),
            ("S03 row security is off", "ALTER TABLE plur.memberships DISABLE ROW LEVEL SECURITY", "", ROWS, &["plur.memberships; no row of another tenant for plur_app", "plur.memberships; UPDATE touches no row"]),
            ("a policy is lost", "DROP POLICY org_fence ON plur.memberships", "", ROWS, &["plur.memberships; rows of its own tenant; it sees none"]),
            ("S04 FORCE is lost, and the view shows all", "ALTER TABLE plur.memberships NO FORCE ROW LEVEL SECURITY", "", ROWS, &["plur.member_directory; no row of another tenant"]),
            ("S12 the role passes by the policies", "ALTER ROLE plur_app BYPASSRLS", "ALTER ROLE plur_app NOBYPASSRLS", ROWS, &["no row of another tenant for plur_app"]),
            ("a policy without its check", "ALTER POLICY org_fence ON plur.memberships WITH CHECK (true)", "", ROWS, &["INSERT for another tenant is refused"]),
        ];
        for (name, change, undo, check, texts) in cases {
            plur.fails(Case { name, change, undo, check }, texts).await;
        }
        for (name, change, text) in WRITTEN {
            let texts = ["writes no other tenant's schema", text, "went through (rolled back)"];
            plur.fails(Case { name, change, undo: "", check: SCHEMAS }, &texts).await;
        }
        let open = "ways of role plur_org_acme into the schemas of other tenants could neither be tried nor ruled out: EXECUTE on org_acme.f()";
        let trusted = format!("{SCHEMAS}trusted-functions = [\"org_acme.f()\"]");
        for change in FUNCTIONS {
            plur.cannot_look(Case { name: change, change, undo: "", check: SCHEMAS }, open).await;
            plur.passes(Case { name: change, change, undo: "", check: &trusted }).await;
        }
        plur.passes(Case { name: "a function that is limited to its schema", change: HARMLESS_FUNCTION, undo: "", check: SCHEMAS }).await;
        let parted = ROWS.replace("\"plur.memberships\", \"plur.member_directory\"", "\"plur.parted\"");
        plur.passes(Case { name: "partitions without grants", change: PARTED, undo: "", check: &parted }).await;
        let open = format!("{PARTED} GRANT SELECT, DELETE ON plur.parted_b TO plur_app");
        plur.fails(
            Case { name: "S05 a partition is reached past its parent's policies", change: &open, undo: "", check: &parted },
            &["plur.parted_b; no row of another tenant for plur_app; 1 row", "plur.parted_b; DELETE touches no row of another tenant; 1 row "],
        )
        .await;
        let shared = "CREATE VIEW plur.peek AS SELECT * FROM org_borealis.engrams; GRANT SELECT ON plur.peek TO PUBLIC";
        plur.passes(Case { name: "a shared view that is named", change: shared, undo: "", check: BY_NAME }).await;
        plur.cannot_look(
            Case { name: "no rows of its own", change: "TRUNCATE org_acme.engrams, org_acme.recall_log CASCADE", undo: "", check: SCHEMAS },
            "no table of schema org_acme has a row",
        )
        .await;
        plur.cannot_look(
            Case { name: "one tenant", change: "DROP SCHEMA org_acme, org_borealis CASCADE", undo: "", check: SCHEMAS },
            "isolation needs at least two tenants, and there is one",
        )
        .await;
        plur.cannot_look(
            Case { name: "no rows at all", change: "TRUNCATE plur.memberships CASCADE", undo: "", check: ROWS },
            "no table holds rows of two tenants",
        )
        .await;
        plur.assert_passed_and_failed("tenant");
    })
    .await;
}
