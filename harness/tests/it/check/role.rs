use crate::support::{Case, on_empty, on_plur};

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

#[tokio::test(flavor = "multi_thread")]
async fn role_on_plur() {
    on_plur(async |plur| {
        for check in [APP, TRIED, OWNER, ORGS] {
            plur.passes(Case { name: "the good backup", change: "", undo: "", check }).await;
        }
    })
    .await;
}
