use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::support::{Case, on_empty, on_own_plur};

const APP: &str = r#"
[[check.role]]
role = "plur_app"
attributes = { login = true, inherit = true, connection-limit = 40, valid-until = "never", password = true }
member-of = ["plur_reader", { role = "plur_org_*", inherit = false }]
members = []
floor = [
    "connect on database",
    "usage on schema plur, public, ag_catalog, plur_permissions, plur_topics",
    "select on plur.users, plur.orgs, plur.api_keys, plur.attachments, plur.audit_monthly",
    "select on plur.my_org_members, plur.member_directory, public.schema_migrations",
    "select, insert on plur.audit_events",
    "select, insert, update on plur.memberships",
    "select, insert, delete on plur.sessions",
    "usage on sequence plur.audit_events_id_seq",
    "select on plur_permissions.*, plur_topics.*",
    'insert, update, delete on plur_permissions."User", plur_permissions."Group", plur_permissions."Scope"',
    'insert, update, delete on plur_permissions."MEMBER_OF", plur_permissions."GRANTS", plur_permissions."PARENT_OF"',
    'usage on sequences plur_permissions."User_id_seq", plur_permissions."Group_id_seq", plur_permissions."Scope_id_seq"',
    'usage on sequences plur_permissions."MEMBER_OF_id_seq", plur_permissions."GRANTS_id_seq", plur_permissions."PARENT_OF_id_seq"',
    "select on ag_catalog.ag_graph, ag_catalog.ag_label",
    "execute on function plur.embed(text), plur.membership_count(), plur.revoke_membership(bigint, timestamptz)",
    "usage on types plur.*",
    "select on large object 420001",
]
ceiling = [
    "usage on schema org_*",
    "select, insert, update, delete on org_*.engrams",
    "select, insert on org_*.recall_log",
    "select on default tables in org_*",
    "nothing on default functions by role plur_owner",
]
settings = { statement_timeout = "5000ms", search_path = "plur,ag_catalog,public", idle_in_transaction_session_timeout = "30s", "hnsw.ef_search" = "80" }
database-settings = { session_preload_libraries = "age", TimeZone = "UTC" }
"#;

const TRIED: &str = r#"
[[check.role]]
role = "plur_auditor"
floor = ["connect on database", "usage on schema plur", "select on plur.audit_events"]
ceiling = ["usage on schema public", "usage on types plur.*"]
attempts = true
may = ["SELECT count(*) FROM plur.audit_events"]
refused = ["DELETE FROM plur.audit_events", "SELECT FROM plur.users", "SET LOCAL session_replication_role = replica"]
"#;

const OWNER: &str = r#"
[[check.role]]
role = "plur_owner"
attributes = { login = false, inherit = false }
member-of = []
members = []
floor = ["owner of database", "owner of schema plur, org_*", "owner of plur.*, org_*.*", "owner of functions plur.*", "owner of types plur.*", "owner of large objects"]
ceiling = "any"
"#;

const ORGS: &str = r#"
[[check.role]]
roles = ["plur_org_*"]
attributes = { login = false }
member-of = []
floor = ["execute on function plur.embed(text)", "usage on schema plur"]
ceiling = "any"
"#;

const DEFAULTS: &str = r#"
[[check.role]]
roles = ["plur_org_acme"]
floor = ["select on default tables in org_acme by role plur_owner"]
ceiling = "any"
"#;

/// Runs a statement about the clone, whose name nobody knows.
fn on_database(sql: &str) -> String {
    format!("DO $do$ BEGIN EXECUTE format($sql${sql}$sql$, current_database()); END $do$")
}

#[tokio::test(flavor = "multi_thread")]
async fn role_on_plur() {
    on_own_plur(async |plur| {
        for check in [APP, TRIED, OWNER, ORGS, DEFAULTS] {
            plur.passes(Case {
                name: "the good backup",
                change: "",
                undo: "",
                check,
            })
            .await;
            for (name, change, undo) in HARMLESS {
                plur.passes(Case {
                    name,
                    change,
                    undo,
                    check,
                })
                .await;
            }
        }
        for (name, change, undo, texts) in BEYOND {
            plur.fails(
                Case {
                    name,
                    change,
                    undo,
                    check: APP,
                },
                texts,
            )
            .await;
        }
        for (name, change, undo, check, texts) in BELOW {
            plur.fails(
                Case {
                    name,
                    change,
                    undo,
                    check,
                },
                texts,
            )
            .await;
        }
        let change = on_database("REVOKE CONNECT ON DATABASE %I FROM plur_app");
        plur.fails(
            Case {
                name: "R02 CONNECT is lost",
                change: &change,
                undo: "",
                check: APP,
            },
            &["CONNECT for plur_app", "it has no CONNECT"],
        )
        .await;
        let change = on_database("GRANT TEMPORARY ON DATABASE %I TO PUBLIC");
        plur.fails(
            Case {
                name: "TEMPORARY for PUBLIC",
                change: &change,
                undo: "",
                check: APP,
            },
            &["nothing beyond CONNECT", "TEMPORARY, granted to PUBLIC"],
        )
        .await;
        let change = on_database("ALTER DATABASE %I OWNER TO plur_app");
        plur.fails(
            Case {
                name: "R15 the database belongs to the application",
                change: &change,
                undo: "",
                check: APP,
            },
            &[
                "it is the owner itself",
                "schema public",
                "by membership in pg_database_owner",
            ],
        )
        .await;
        let change = on_database("ALTER ROLE plur_app IN DATABASE %I RESET search_path");
        plur.fails(
            Case {
                name: "R06 a setting of the role in the database is lost",
                change: &change,
                undo: "",
                check: APP,
            },
            &["search_path is not set for it"],
        )
        .await;
        let change = on_database("ALTER DATABASE %I RESET ALL");
        plur.fails(
            Case {
                name: "R06 settings of the database are lost",
                change: &change,
                undo: "",
                check: APP,
            },
            &[
                "session_preload_libraries is not set for it",
                "TimeZone is not set for it",
            ],
        )
        .await;
        let change = on_database("ALTER DATABASE %I SET row_security = off");
        plur.fails(
            Case {
                name: "R06 the database has one setting more",
                change: &change,
                undo: "",
                check: APP,
            },
            &["row_security = off"],
        )
        .await;

        // Attempts.
        let tried = |name, change| Case {
            name,
            change,
            undo: "",
            check: TRIED,
        };
        plur.fails(
            tried(
                "DELETE is granted",
                "GRANT DELETE ON plur.users TO plur_auditor",
            ),
            &["plur.users; no right of plur_auditor; DELETE, granted to it"],
        )
        .await;
        plur.fails(
            tried(
                "the schema is closed",
                "REVOKE USAGE ON SCHEMA plur FROM plur_auditor",
            ),
            &[
                "USAGE for plur_auditor",
                "SELECT goes through for plur_auditor",
                "permission denied for schema plur",
            ],
        )
        .await;
        plur.fails(
            tried(
                "SELECT goes through",
                "GRANT SELECT ON plur.users TO PUBLIC",
            ),
            &[
                "SELECT, granted to PUBLIC",
                "statement 2 of `refused`",
                "it went through",
            ],
        )
        .await;
        let wrong = TRIED.replace("SELECT FROM plur.users", "SELECT FROM plur.nosuch");
        plur.cannot_look(
            Case {
                name: "a statement that shows nothing",
                change: "",
                undo: "",
                check: &wrong,
            },
            "42P01",
        )
        .await;
        plur.assert_passed_and_failed("role");
    })
    .await;
}

/// What must not alarm: name, change, undo.
const HARMLESS: &[(&str, &str, &str)] = &[
    (
        "statistics, a comment, a new table and an empty schema",
        "ANALYZE; COMMENT ON TABLE plur.users IS 'x'; CREATE TABLE plur.more (id serial); CREATE SCHEMA later AUTHORIZATION plur_owner; CREATE INDEX ON plur.users (name); ALTER TABLE plur.more OWNER TO plur_owner",
        "",
    ),
    (
        "a role that has nothing",
        "CREATE ROLE harmless LOGIN",
        "DROP ROLE harmless",
    ),
    (
        "the same right twice",
        "GRANT SELECT ON plur.users TO plur_reader; GRANT SELECT ON plur.users TO plur_reader",
        "",
    ),
    (
        "an access list that says the default",
        "GRANT USAGE ON TYPE plur.audit_action TO PUBLIC; GRANT ALL ON plur.users TO plur_owner",
        "",
    ),
];

/// What is beyond the ceiling of `plur_app`: name, change, undo, texts in the findings.
const BEYOND: &[(&str, &str, &str, &[&str])] = &[
    // What it is.
    (
        "R11 SUPERUSER",
        "ALTER ROLE plur_app SUPERUSER",
        "ALTER ROLE plur_app NOSUPERUSER",
        &["NOSUPERUSER; SUPERUSER"],
    ),
    (
        "R11 BYPASSRLS",
        "ALTER ROLE plur_app BYPASSRLS",
        "ALTER ROLE plur_app NOBYPASSRLS",
        &["NOBYPASSRLS; BYPASSRLS"],
    ),
    (
        "R11 CREATEROLE",
        "ALTER ROLE plur_app CREATEROLE",
        "ALTER ROLE plur_app NOCREATEROLE",
        &["NOCREATEROLE; CREATEROLE"],
    ),
    (
        "R11 CREATEDB",
        "ALTER ROLE plur_app CREATEDB",
        "ALTER ROLE plur_app NOCREATEDB",
        &["NOCREATEDB; CREATEDB"],
    ),
    (
        "R11 REPLICATION",
        "ALTER ROLE plur_app REPLICATION",
        "ALTER ROLE plur_app NOREPLICATION",
        &["NOREPLICATION; REPLICATION"],
    ),
    (
        "R11 the connection limit is lost",
        "ALTER ROLE plur_app CONNECTION LIMIT -1",
        "ALTER ROLE plur_app CONNECTION LIMIT 40",
        &["CONNECTION LIMIT 40; CONNECTION LIMIT -1"],
    ),
    (
        "R11 it ends",
        "ALTER ROLE plur_app VALID UNTIL '2027-01-01'",
        "ALTER ROLE plur_app VALID UNTIL 'infinity'",
        &["VALID UNTIL never; VALID UNTIL 2027"],
    ),
    (
        "NOINHERIT",
        "ALTER ROLE plur_app NOINHERIT",
        "ALTER ROLE plur_app INHERIT",
        &["INHERIT; NOINHERIT"],
    ),
    (
        "R09 no password",
        "ALTER ROLE plur_app PASSWORD NULL",
        "ALTER ROLE plur_app PASSWORD 'plur_app_only'",
        &["a password; it has none"],
    ),
    (
        "R06 a setting for every database",
        "ALTER ROLE plur_app SET row_security = off",
        "ALTER ROLE plur_app RESET row_security",
        &["row_security = off"],
    ),
    // Memberships.
    (
        "R08 ADMIN OPTION",
        "GRANT plur_reader TO plur_app WITH ADMIN TRUE",
        "GRANT plur_reader TO plur_app WITH ADMIN FALSE",
        &[
            "member of plur_reader with INHERIT TRUE, SET TRUE",
            "ADMIN TRUE",
        ],
    ),
    (
        "R08 INHERIT",
        "GRANT plur_org_acme TO plur_app WITH INHERIT TRUE",
        "GRANT plur_org_acme TO plur_app WITH INHERIT FALSE",
        &["with INHERIT FALSE, SET TRUE; with INHERIT TRUE"],
    ),
    (
        "R08 SET",
        "GRANT plur_org_acme TO plur_app WITH SET FALSE",
        "GRANT plur_org_acme TO plur_app WITH SET TRUE",
        &["with INHERIT FALSE, SET FALSE"],
    ),
    (
        "a membership more",
        "GRANT plur_auditor TO plur_app",
        "REVOKE plur_auditor FROM plur_app",
        &["no member of plur_auditor"],
    ),
    (
        "somebody may be it",
        "GRANT plur_app TO plur_auditor",
        "REVOKE plur_app FROM plur_auditor",
        &["plur_auditor is no member; it is one"],
    ),
    (
        "pg_read_all_data at the end of a chain",
        "GRANT pg_read_all_data TO plur_reader",
        "REVOKE pg_read_all_data FROM plur_reader",
        &[
            "no way to predefined role pg_read_all_data; by membership in plur_reader → pg_read_all_data",
        ],
    ),
    (
        "pg_execute_server_program by SET ROLE",
        "GRANT pg_execute_server_program TO plur_org_acme",
        "REVOKE pg_execute_server_program FROM plur_org_acme",
        &["after SET ROLE plur_org_acme by membership in pg_execute_server_program"],
    ),
    (
        "a superuser at the end of a chain",
        "GRANT plur_admin TO plur_org_acme",
        "REVOKE plur_admin FROM plur_org_acme",
        &[
            "no way to superuser plur_admin; after SET ROLE plur_org_acme by membership in plur_admin",
        ],
    ),
    (
        "the owner by SET ROLE",
        "GRANT plur_owner TO plur_org_acme",
        "REVOKE plur_owner FROM plur_org_acme",
        &[
            "ownership, after SET ROLE plur_org_acme by membership in plur_owner",
            "more tables and views",
            "schema plur",
        ],
    ),
    (
        "the owner by ADMIN OPTION alone",
        "GRANT plur_owner TO plur_app WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        "REVOKE plur_owner FROM plur_app",
        &[
            "no member of plur_owner",
            "ownership, after granting itself by ADMIN OPTION plur_owner",
        ],
    ),
    // Tables.
    (
        "DELETE",
        "GRANT DELETE ON plur.users TO plur_app",
        "",
        &[
            "plur.users; nothing beyond SELECT for plur_app; DELETE, granted to it (granted by plur_owner)",
        ],
    ),
    (
        "a right by membership",
        "GRANT DELETE ON plur.users TO plur_reader",
        "",
        &["DELETE, by membership in plur_reader (granted by plur_owner)"],
    ),
    (
        "a right of PUBLIC",
        "GRANT SELECT ON org_acme.engrams TO PUBLIC; GRANT INSERT ON plur.users TO PUBLIC",
        "",
        &["plur.users; nothing beyond SELECT for plur_app; INSERT, granted to PUBLIC"],
    ),
    (
        "a right of a chain that only SET ROLE opens",
        "CREATE ROLE deep; GRANT deep TO plur_org_borealis; GRANT SELECT ON plur.audit_by_user TO deep",
        "REVOKE deep FROM plur_org_borealis; DROP OWNED BY deep; DROP ROLE deep",
        &[
            "plur.audit_by_user; no right of plur_app; SELECT, after SET ROLE plur_org_borealis by membership in deep",
        ],
    ),
    (
        "TRUNCATE, TRIGGER, REFERENCES, MAINTAIN",
        "GRANT TRUNCATE, TRIGGER, REFERENCES, MAINTAIN ON plur.orgs TO plur_app",
        "",
        &["MAINTAIN, REFERENCES, TRIGGER, TRUNCATE, granted to it"],
    ),
    (
        "A01 a right on a partition",
        "GRANT UPDATE ON plur.audit_events_2026_01 TO plur_app",
        "",
        &["plur.audit_events_2026_01; no right of plur_app; UPDATE"],
    ),
    (
        "A07 a right on a column",
        "GRANT UPDATE (detail) ON plur.audit_events TO plur_app",
        "",
        &[
            "plur.audit_events; nothing beyond SELECT, INSERT for plur_app; UPDATE (detail), granted to it",
        ],
    ),
    (
        "A07 a right of PUBLIC on a column",
        "GRANT SELECT (key_hash), REFERENCES (id) ON plur.api_keys TO PUBLIC",
        "",
        &["REFERENCES (id), granted to PUBLIC"],
    ),
    (
        "A08 it owns a table",
        "ALTER TABLE plur.audit_events OWNER TO plur_app",
        "",
        &["plur.audit_events; plur_app does not own it; ownership, it is the owner itself"],
    ),
    (
        "A08 it owns a table by membership",
        "ALTER TABLE plur.users OWNER TO plur_reader",
        "",
        &["ownership, by membership in plur_reader"],
    ),
    (
        "WITH GRANT OPTION",
        "GRANT SELECT ON plur.users TO plur_app WITH GRANT OPTION",
        "",
        &["SELECT WITH GRANT OPTION, granted to it"],
    ),
    (
        "R04 everything on every table",
        "GRANT ALL ON ALL TABLES IN SCHEMA plur TO plur_app",
        "",
        &[
            "DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE, granted to it",
            "more tables and views",
        ],
    ),
    (
        "a view",
        "CREATE VIEW plur.peek AS SELECT * FROM org_acme.engrams; GRANT SELECT ON plur.peek TO plur_reader",
        "",
        &["plur.peek; no right of plur_app; SELECT, by membership in plur_reader"],
    ),
    (
        "names that need quotes",
        "CREATE SCHEMA \"My, Secrets\"; CREATE TABLE \"My, Secrets\".\"Sal\"\"ary\" (a int); GRANT SELECT ON \"My, Secrets\".\"Sal\"\"ary\" TO plur_reader",
        "",
        &["\"My, Secrets\".\"Sal\"\"ary\"; no right"],
    ),
    // Everything else.
    (
        "R12 CREATE in public",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "",
        &["schema public; nothing beyond USAGE for plur_app; CREATE, granted to PUBLIC"],
    ),
    (
        "CREATE in a schema",
        "GRANT CREATE ON SCHEMA plur TO plur_reader",
        "",
        &["schema plur; nothing beyond USAGE for plur_app; CREATE, by membership in plur_reader"],
    ),
    (
        "it owns a schema",
        "ALTER SCHEMA plur_topics OWNER TO plur_app",
        "",
        &["schema plur_topics; plur_app does not own it"],
    ),
    (
        "R16 EXECUTE for PUBLIC again",
        "GRANT EXECUTE ON FUNCTION plur.provision_org(text) TO PUBLIC",
        "",
        &["function plur.provision_org(text); no right of plur_app; EXECUTE, granted to PUBLIC"],
    ),
    (
        "R16 a function without an access list",
        "CREATE FUNCTION plur.fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "",
        &[
            "function plur.fresh(); no right of plur_app; EXECUTE, granted to PUBLIC by PostgreSQL's default",
        ],
    ),
    (
        "an overload",
        "CREATE FUNCTION plur.embed(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "",
        &["function plur.embed(integer); no right"],
    ),
    (
        "it owns a function",
        "ALTER FUNCTION plur.membership_count() OWNER TO plur_app",
        "",
        &["function plur.membership_count(); plur_app does not own it"],
    ),
    (
        "a sequence",
        "GRANT UPDATE ON SEQUENCE plur.audit_events_id_seq TO plur_app; GRANT SELECT ON SEQUENCE org_acme.engrams_id_seq TO plur_app",
        "",
        &[
            "sequence plur.audit_events_id_seq; nothing beyond USAGE for plur_app; UPDATE",
            "sequence org_acme.engrams_id_seq; no right",
        ],
    ),
    (
        "a type elsewhere",
        "CREATE TYPE public.mood AS ENUM ('a')",
        "",
        &[
            "type public.mood; no right of plur_app; USAGE, granted to PUBLIC by PostgreSQL's default",
        ],
    ),
    (
        "a large object",
        "GRANT UPDATE ON LARGE OBJECT 420001 TO plur_reader",
        "",
        &[
            "large object 420001; nothing beyond SELECT for plur_app; UPDATE, by membership in plur_reader",
        ],
    ),
    (
        "a foreign data wrapper and a server",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN DATA WRAPPER w TO plur_app; GRANT USAGE ON FOREIGN SERVER s TO PUBLIC",
        "",
        &[
            "foreign data wrapper w; no right",
            "foreign server s; no right of plur_app; USAGE, granted to PUBLIC",
        ],
    ),
    (
        "a parameter",
        "GRANT SET ON PARAMETER session_replication_role TO plur_app",
        "REVOKE SET ON PARAMETER session_replication_role FROM plur_app",
        &["parameter session_replication_role; no right of plur_app; SET, granted to it"],
    ),
    (
        "a publication",
        "CREATE PUBLICATION leak FOR TABLE plur.users; ALTER PUBLICATION leak OWNER TO plur_app",
        "",
        &["publication leak; plur_app does not own it"],
    ),
    (
        "what initdb made",
        "GRANT SELECT ON pg_catalog.pg_authid TO plur_reader; GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC",
        "",
        &[
            "pg_catalog.pg_authid; no right",
            "function pg_catalog.pg_read_file(text); no right of plur_app; EXECUTE, granted to PUBLIC",
        ],
    ),
    (
        "a column of what initdb made",
        "GRANT SELECT (rolpassword) ON pg_catalog.pg_authid TO PUBLIC",
        "",
        &["pg_catalog.pg_authid; no right of plur_app; SELECT (rolpassword), granted to PUBLIC"],
    ),
    (
        "what an extension made",
        "GRANT INSERT ON ag_catalog.ag_graph TO PUBLIC; ALTER TABLE ag_catalog.ag_label OWNER TO plur_app",
        "",
        &[
            "ag_catalog.ag_graph; nothing beyond SELECT for plur_app; INSERT, granted to PUBLIC",
            "ag_catalog.ag_label; plur_app does not own it",
        ],
    ),
    (
        "R04 default privileges in a schema",
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner IN SCHEMA plur GRANT ALL ON TABLES TO plur_app",
        "",
        &["default tables in plur by role plur_owner; no right of plur_app; DELETE"],
    ),
    (
        "R04 default privileges everywhere, for PUBLIC",
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT SELECT ON TABLES TO PUBLIC",
        "",
        &["default tables by role plur_owner; no right of plur_app; SELECT, granted to PUBLIC"],
    ),
    (
        "R05 the revoked default of functions is lost",
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "",
        &[
            "default functions by role plur_owner; no right of plur_app; EXECUTE, granted to PUBLIC by PostgreSQL's default",
        ],
    ),
    (
        "R04 default privileges of another kind",
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT USAGE ON SEQUENCES TO plur_reader; ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT CREATE ON SCHEMAS TO plur_reader",
        "",
        &[
            "default sequences by role plur_owner; no right",
            "default schemas by role plur_owner; no right",
        ],
    ),
];

/// What is below a floor: name, change, undo, check, texts in the findings.
const BELOW: &[(&str, &str, &str, &str, &[&str])] = &[
    (
        "R01 the role is missing",
        "ALTER ROLE plur_app RENAME TO plur_gone",
        "ALTER ROLE plur_gone RENAME TO plur_app",
        APP,
        &["role plur_app; a role; there is none"],
    ),
    (
        "R01 all roles are missing",
        "ALTER ROLE plur_org_acme RENAME TO a; ALTER ROLE plur_org_borealis RENAME TO b; ALTER ROLE plur_org_cumulus RENAME TO c",
        "ALTER ROLE a RENAME TO plur_org_acme; ALTER ROLE b RENAME TO plur_org_borealis; ALTER ROLE c RENAME TO plur_org_cumulus",
        ORGS,
        &["role plur_org_*; a role; there is none"],
    ),
    (
        "R07 a membership is lost",
        "REVOKE plur_reader FROM plur_app",
        "GRANT plur_reader TO plur_app",
        APP,
        &[
            "member of plur_reader; it is not",
            "plur.users",
            "it has no SELECT",
            "it has no USAGE",
        ],
    ),
    (
        "R07 the group is missing",
        "ALTER ROLE plur_reader RENAME TO plur_gone",
        "ALTER ROLE plur_gone RENAME TO plur_reader",
        APP,
        &["member of plur_reader; there is no such role"],
    ),
    (
        "a right is only there after SET ROLE",
        "GRANT plur_reader TO plur_app WITH INHERIT FALSE",
        "GRANT plur_reader TO plur_app WITH INHERIT TRUE",
        APP,
        &["SELECT only after SET ROLE plur_reader"],
    ),
    (
        "R16 column rights are no table rights",
        "REVOKE SELECT ON plur.users FROM plur_reader; GRANT SELECT (id) ON plur.users TO plur_reader",
        "",
        APP,
        &["plur.users; SELECT for plur_app; SELECT only on column id"],
    ),
    (
        "R02 grants are lost",
        "REVOKE ALL ON ALL TABLES IN SCHEMA plur_topics FROM plur_reader",
        "",
        APP,
        &["plur_topics", "it has no SELECT"],
    ),
    (
        "R16 EXECUTE is lost",
        "REVOKE ALL ON FUNCTION plur.embed(text) FROM plur_reader",
        "",
        APP,
        &["function plur.embed(text); EXECUTE for plur_app"],
    ),
    (
        "R16 the large object's grant is lost",
        "REVOKE ALL ON LARGE OBJECT 420001 FROM plur_app",
        "",
        APP,
        &["large object 420001; SELECT for plur_app"],
    ),
    (
        "a schema is missing",
        "ALTER SCHEMA plur_topics RENAME TO old_topics",
        "",
        APP,
        &["plur_topics; something that", "plur_topics.*"],
    ),
    (
        "a function is missing",
        "ALTER FUNCTION plur.revoke_membership(bigint, timestamptz) RENAME TO gone",
        "",
        APP,
        &["plur.revoke_membership(bigint, timestamptz); something that"],
    ),
    (
        "rights of an extension's table",
        "REVOKE SELECT ON ag_catalog.ag_label FROM plur_reader",
        "",
        APP,
        &["ag_catalog.ag_label; SELECT for plur_app"],
    ),
    (
        "R02 a table belongs to the superuser",
        "ALTER TABLE plur.users OWNER TO plur_admin",
        "",
        OWNER,
        &["plur.users; plur_owner owns it; it belongs to plur_admin"],
    ),
    (
        "R02 everything does",
        "REASSIGN OWNED BY plur_owner TO plur_admin",
        "",
        OWNER,
        &[
            "more tables and views; plur_owner owns it; it belongs to plur_admin",
            "function plur.",
            "schema plur",
        ],
    ),
    (
        "R15 another role owns it",
        "ALTER FUNCTION plur.membership_count() OWNER TO plur_reader",
        "",
        OWNER,
        &["function plur.membership_count(); plur_owner owns it; it belongs to plur_reader"],
    ),
    (
        "somebody may be the owner, by way of another",
        "CREATE ROLE lead; GRANT plur_owner TO lead; GRANT lead TO plur_auditor",
        "DROP ROLE lead",
        OWNER,
        &[
            "lead is no member",
            "plur_auditor is no member; it is one by membership in lead",
        ],
    ),
    (
        "one of many",
        "REVOKE USAGE ON SCHEMA plur FROM plur_org_cumulus",
        "",
        ORGS,
        &["schema plur; USAGE for plur_org_cumulus"],
    ),
    (
        "R05 default privileges are lost",
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner IN SCHEMA org_acme REVOKE SELECT ON TABLES FROM plur_org_acme",
        "",
        DEFAULTS,
        &["default tables in org_acme by role plur_owner; SELECT for plur_org_acme"],
    ),
];

const SCENE: &str = "
CREATE ROLE base; CREATE ROLE mid; CREATE ROLE deaf NOINHERIT; CREATE ROLE app LOGIN; CREATE ROLE boss; CREATE ROLE stranger;
GRANT base TO mid; GRANT mid TO app; GRANT mid TO deaf; GRANT pg_read_all_data TO stranger;
CREATE SCHEMA s AUTHORIZATION boss; GRANT USAGE ON SCHEMA s TO mid;
CREATE TABLE s.t (a int, b int); CREATE TABLE s.u (a int); CREATE VIEW s.v AS SELECT 1 AS a;
CREATE TABLE s.p (a int) PARTITION BY LIST (a); CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES IN (1);
ALTER TABLE s.t OWNER TO boss; ALTER TABLE s.u OWNER TO base; ALTER TABLE s.p1 OWNER TO mid;
GRANT SELECT, UPDATE (b) ON s.t TO base; GRANT INSERT ON s.t TO PUBLIC; GRANT DELETE, TRIGGER ON s.v TO app;
GRANT TRUNCATE ON s.p TO deaf; REVOKE UPDATE ON s.u FROM base; GRANT SELECT ON s.u TO app WITH GRANT OPTION;
";

const ALL: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
];

#[tokio::test(flavor = "multi_thread")]
async fn role_judges_as_the_server_does() {
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.sql("plur", SCENE).await;
            for role in ["base", "mid", "deaf", "app", "boss", "stranger"] {
                let mut floor = Vec::new();
                let mut lacks = BTreeSet::new();
                let mut connection = plur.connect("plur").await;
                for table in ["t", "u", "v", "p", "p1"] {
                    for right in ALL {
                        let sql = format!("SELECT has_table_privilege('{role}', 's.{table}', '{right}')");
                        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
                        if !row.get::<bool, _>(0) {
                            lacks.insert(format!("s.{table}: {right} for {role}"));
                        }
                        floor.push(format!("'{right} on s.{table}'"));
                    }
                }
                connection.close().await.unwrap();
                let check = format!("[[check.role]]\nrole = '{role}'\nfloor = [{}]\nceiling = 'any'\nreaches = ['pg_*']", floor.join(", "));
                let seen = plur.run(Case { name: "as the server", change: "", undo: "", check: &check }).await.unwrap();
                let found: BTreeSet<String> = seen
                    .all_findings()
                    .map(|finding| format!("{}: {}", finding.object.as_deref().unwrap(), finding.expected))
                    .collect();
                assert_eq!(found, lacks, "{role} on {major}");
            }
            let exact = r#"
[[check.role]]
role = "app"
floor = ["connect, temporary on database", "usage on schema s, public", "select, insert, update (b) on s.t", "delete, trigger on s.v", "owner of s.u, s.p1", "select on s.u with grant option"]
"#;
            // A clone of the tests has no right for PUBLIC by itself.
            let open = on_database("GRANT CONNECT, TEMPORARY ON DATABASE %I TO PUBLIC");
            plur.passes(Case { name: "floor and ceiling are one", change: &open, undo: "", check: exact }).await;
            for (line, text) in [("\"owner of s.u, s.p1\", ", "ownership, by membership in mid → base"), (", update (b)", "UPDATE (b), by membership in mid → base"), (", temporary", "TEMPORARY, granted to PUBLIC")] {
                let check = exact.replace(line, "");
                plur.fails(Case { name: "one entry less", change: &open, undo: "", check: &check }, &[text]).await;
            }
            // Before 16 a role that does not inherit can still SET ROLE to all.
            let deaf = "[[check.role]]\nrole = 'deaf'\nfloor = ['select on s.t']\nceiling = ['truncate on s.p']";
            let texts: &[&str] = if major < 16 {
                &["s.t; SELECT for deaf; SELECT only after SET ROLE", "s.p1; deaf does not own it; ownership, after SET ROLE mid"]
            } else {
                &["s.t; SELECT for deaf; SELECT only after SET ROLE"]
            };
            plur.fails(Case { name: "NOINHERIT", change: "", undo: "", check: deaf }, texts).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn role_is_quick_and_short_on_many_tables() {
    on_empty(17, async |plur| {
        plur.sql("plur", "CREATE ROLE app; CREATE SCHEMA s;
            DO $do$ BEGIN FOR i IN 1..300 LOOP
                EXECUTE format('CREATE TABLE s.t%s (id serial, note text); GRANT SELECT, DELETE ON s.t%s TO app', i, i);
            END LOOP; END $do$").await;
        let check = "[[check.role]]\nrole = 'app'\nfloor = ['select on s.*']\nceiling = ['connect, temporary on database', 'usage on schema public']";
        let began = std::time::Instant::now();
        let seen = plur.run(Case { name: "many", change: "", undo: "", check }).await.unwrap();
        // A clone is made and dropped in this time too.
        println!("{:?}", began.elapsed());
        let findings: Vec<_> = seen.all_findings().collect();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert!(findings[0].object.as_deref().unwrap().ends_with("and 292 more tables and views"), "{findings:#?}");
    })
    .await;
}

const SHOP: &str = r#"
CREATE ROLE "alice@example.com" LOGIN NOINHERIT; CREATE ROLE "Shop Owner"; CREATE ROLE web LOGIN; CREATE ROLE rw; CREATE ROLE ro;
GRANT ro TO rw; GRANT rw TO web; GRANT rw TO "alice@example.com"; GRANT pg_monitor TO ro;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE "Shop Owner" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE SCHEMA shop AUTHORIZATION "Shop Owner";
SET ROLE "Shop Owner";
CREATE TYPE shop.state AS ENUM ('new', 'paid'); CREATE DOMAIN shop.email AS text;
CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail shop.email, secret text);
CREATE TABLE shop.orders (id bigserial PRIMARY KEY, customer bigint REFERENCES shop.customers, state shop.state, note text, at date);
CREATE TABLE shop.log (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_2026 PARTITION OF shop.log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (what);
CREATE TABLE shop.log_2026_a PARTITION OF shop.log_2026 FOR VALUES IN ('a');
CREATE VIEW shop.public_customers AS SELECT id, mail FROM shop.customers;
CREATE MATERIALIZED VIEW shop.per_day AS SELECT at, count(*) FROM shop.orders GROUP BY 1 WITH NO DATA;
CREATE FUNCTION shop.total(int, text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE shop.tidy() LANGUAGE sql AS 'SELECT 1';
GRANT USAGE ON SCHEMA shop TO ro;
GRANT SELECT ON shop.orders, shop.public_customers, shop.per_day, shop.log TO ro;
GRANT SELECT (id, mail) ON shop.customers TO ro; GRANT INSERT, UPDATE (state, note) ON shop.orders TO rw; GRANT INSERT ON shop.log TO rw;
GRANT USAGE ON SEQUENCE shop.orders_id_seq TO rw;
GRANT EXECUTE ON FUNCTION shop.total(int, text) TO rw; GRANT EXECUTE ON PROCEDURE shop.tidy() TO rw;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO ro;
RESET ROLE;
CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgcrypto;
"#;

const WEB: &str = r#"
[[check.role]]
role = "web"
member-of = ["rw"]
reaches = ["pg_monitor"]
floor = [
    "usage on schema shop",
    "select on shop.orders, shop.public_customers, shop.per_day, shop.log",
    "select (id, mail) on shop.customers",
    "insert, update (state, note) on shop.orders",
    "insert on shop.log",
    "usage on sequence shop.orders_id_seq",
    "execute on function shop.total(int, text), shop.tidy()",
    "usage on types shop.*",
    "select on default tables in shop by role Shop Owner",
    "nothing on default functions by role Shop Owner",
]
ceiling = ["connect on database"]
attempts = true
"#;

const ALICE: &str = r#"
[[check.role]]
role = "alice@example.com"
reaches = ["pg_monitor"]
floor = []
ceiling = ["connect on database", "usage on schema shop", "all on shop.* except shop.log_*", "usage on sequences shop.*", "execute on functions shop.*", "usage on types shop.*", "select on default tables in shop"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn role_on_another_database() {
    for major in [15, 17] {
        on_empty(major, async |plur| {
            plur.sql("plur", SHOP).await;
            let open = on_database("GRANT CONNECT ON DATABASE %I TO PUBLIC");
            for check in [WEB, ALICE] {
                let harmless = format!("{open}; CREATE TABLE shop.more (id int); ALTER TABLE shop.more OWNER TO \"Shop Owner\"; GRANT SELECT ON shop.orders TO rw; GRANT ALL ON shop.orders TO \"Shop Owner\"; CREATE SCHEMA extra; ANALYZE");
                for change in [&open, &harmless] {
                    plur.passes(Case { name: "as it was made", change, undo: "", check }).await;
                }
            }
            let cases: &[(&str, &str, &str, &[&str])] = &[
                ("A07", "GRANT SELECT (secret) ON shop.customers TO ro", "", &["shop.customers; nothing beyond SELECT (id, mail) for web; SELECT (secret), by membership in rw → ro"]),
                ("a whole table instead of columns", "GRANT UPDATE ON shop.orders TO rw", "", &["shop.orders; nothing beyond SELECT, INSERT, UPDATE (state, note) for web; UPDATE, by membership in rw"]),
                ("A01 a partition of a partition", "GRANT DELETE ON shop.log_2026_a TO PUBLIC", "", &["shop.log_2026_a; no right of web; DELETE, granted to PUBLIC"]),
                ("the owner at the end of a chain", "GRANT \"Shop Owner\" TO ro", "REVOKE \"Shop Owner\" FROM ro", &["ownership, by membership in rw → ro → Shop Owner"]),
                ("R05 functions are open to PUBLIC again", "ALTER DEFAULT PRIVILEGES FOR ROLE \"Shop Owner\" GRANT EXECUTE ON FUNCTIONS TO PUBLIC", "", &["default functions by role \"Shop Owner\"; no right of web; EXECUTE, granted to PUBLIC"]),
                ("a column is closed", "REVOKE SELECT (mail) ON shop.customers FROM ro", "", &["shop.customers; SELECT (mail) for web"]),
                ("a procedure is closed", "REVOKE EXECUTE ON PROCEDURE shop.tidy() FROM rw", "", &["function shop.tidy(); EXECUTE for web"]),
                ("a materialised view belongs to it", "ALTER MATERIALIZED VIEW shop.per_day OWNER TO web", "", &["shop.per_day; web does not own it"]),
                ("an extension's function that reads files", "GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO PUBLIC", "", &["pg_stat_statements_reset", "EXECUTE, granted to PUBLIC"]),
                ("a server's role beside the one allowed", "GRANT pg_signal_backend TO rw", "REVOKE pg_signal_backend FROM rw", &["no way to predefined role pg_signal_backend; by membership in rw → pg_signal_backend"]),
                ("R12 public is open again", "GRANT ALL ON SCHEMA public TO PUBLIC", "", &["schema public; no right of web; CREATE, USAGE, granted to PUBLIC"]),
            ];
            for (name, change, undo, texts) in cases {
                let change = format!("{open}; {change}");
                plur.fails(Case { name, change: &change, undo, check: WEB }, texts).await;
            }
            let change = format!("{open}; GRANT SELECT ON shop.log_2026_a TO ro");
            let path = if major < 16 { "SELECT, after SET ROLE rw by membership in ro" } else { "SELECT, after SET ROLE" };
            plur.fails(Case { name: "what only SET ROLE opens", change: &change, undo: "", check: ALICE }, &["shop.log_2026_a; no right of alice@example.com", path]).await;
        })
        .await;
    }
}
