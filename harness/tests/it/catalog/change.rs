//! Single changes of a database, each with the changes that the comparison reports.

use redrill::catalog::compare::{Scope, accept, compare};
use redrill::catalog::{Catalog, ObjectId};
use redrill::database::{DatabaseError, Session};

use super::{everything, is_stable, lines};
use crate::support::{on_empty, on_own_plur};

/// A statement, and the changes that it must cause: severity, kind, object | property.
type Case = (&'static str, &'static [&'static str]);

/// What the catalog becomes by SQL that is taken back again.
async fn changed(session: &mut Session, sql: &str) -> Result<Catalog, DatabaseError> {
    session.run("BEGIN READ WRITE").await?;
    let done = session.run(sql).await;
    let catalog = match done {
        Ok(_) => Catalog::read(session).await,
        Err(error) => Err(error),
    };
    session.run("ROLLBACK").await?;
    catalog
}

/// What is told otherwise than expected.
async fn each(session: &mut Session, cases: &[Case], scope: &Scope) -> String {
    let good = Catalog::read(session).await.unwrap();
    let mut wrong = String::new();
    for (sql, expected) in cases {
        let now = match changed(session, sql).await {
            Ok(catalog) => catalog,
            Err(error) => {
                wrong += &format!("{error} in: {sql}\n");
                continue;
            }
        };
        let changes = compare(&good, &now, scope);
        let mut accepted = good.clone();
        for change in &changes {
            accept(&mut accepted, change, &now);
        }
        if accepted != now {
            wrong += &format!("not all is accepted of: {sql}\n");
        }
        let found = lines(&changes);
        if found != *expected {
            wrong += &format!("(\n    {sql:?},\n    &{found:#?},\n),\n");
            for change in &changes {
                wrong += &format!("    // {:?}\n", change.finding());
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_reported() {
    on_own_plur(async |plur| {
        let mut session = plur.server.session("plur").await.unwrap();
        let wrong = each(&mut session, CASES, &everything()).await
            + &each(&mut session, HARMLESS, &Scope::default()).await;
        assert!(wrong.is_empty(), "other changes:\n{wrong}");
        session.close().await;
    })
    .await;
}

#[rstest::rstest]
#[case(15)]
#[case(17)]
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_everything_else_are_reported(#[case] major: u32) {
    on_empty(major, async |plur| {
        plur.sql("plur", include_str!("everything.sql")).await;
        let mut session = plur.server.session("plur").await.unwrap();
        let wrong = each(&mut session, MORE, &everything()).await;
        session.close().await;
        assert!(wrong.is_empty(), "other changes:\n{wrong}");
    })
    .await;
}

/// Names that contain words of identities.
#[tokio::test(flavor = "multi_thread")]
async fn words_in_names_are_not_parsed() {
    on_empty(17, async |plur| {
        plur.sql("plur", include_str!("odd.sql")).await;
        is_stable(plur).await;
        let mut session = plur.server.session("plur").await.unwrap();
        let wrong = each(&mut session, ODD, &everything()).await;
        assert!(wrong.is_empty(), "other changes:\n{wrong}");
        // A changed constraint fails even between major versions, whatever the name of its table.
        let mut good = Catalog::read(&mut session).await.unwrap();
        let server = good.objects.get_mut(&ObjectId::server()).unwrap();
        server.insert("version".to_owned(), "16.1".to_owned());
        for (table, constraint) in [("a index b", "c rule d"), ("x rule y", "checked")] {
            let table = format!("app.\"{table}\"");
            let sql = format!(
                "ALTER TABLE {table} DROP CONSTRAINT \"{constraint}\", ADD CONSTRAINT \"{constraint}\" CHECK (true)"
            );
            let now = changed(&mut session, &sql).await.unwrap();
            let found = lines(&compare(&good, &now, &everything()));
            let broken: Vec<_> = found.iter().filter(|line| line.starts_with("broken")).collect();
            assert_eq!(broken.len(), 1, "{found:?}");
            assert!(broken[0].starts_with(&format!("broken changed table {table} constraint")), "{found:?}");
        }
        // A membership in an owner whose name needs quotes.
        let good = Catalog::read(&mut session).await.unwrap();
        let now = changed(&mut session, "GRANT \"The \"\"Boss\"\"\" TO app").await.unwrap();
        let changes = compare(&good, &now, &everything());
        let reason = changes[0].reason.clone().unwrap();
        assert!(reason.contains("act as owner of table app.\"a index b\""), "{reason}");
        session.close().await;
    })
    .await;
}

const ODD: &[Case] = &[
    (
        "ALTER TABLE app.\"a index b\" ADD COLUMN \"trigger\" text",
        &["broken added table app.\"a index b\" column trigger | -"],
    ),
    (
        "DROP TABLE app.\"x rule y\"",
        &["broken removed table app.\"x rule y\" | -"],
    ),
    (
        "ALTER TABLE app.\"two\nlines\" DROP CONSTRAINT checked",
        &["broken removed table app.\"two\nlines\" constraint checked | -"],
    ),
    (
        "ALTER TABLE app.\" ends with a space \" ALTER COLUMN \" \" SET DEFAULT 2",
        &["broken changed table app.\" ends with a space \" column \" \" | default"],
    ),
    (
        "ALTER TABLE app.server ALTER COLUMN \"timestamp\" SET NOT NULL",
        &["broken added table app.server column \"timestamp\" | not null"],
    ),
    (
        "DROP INDEX app.\"i\"\" column j\"",
        &["broken removed table app.\"it \"\"says\"\" trigger t\" index \"i\"\" column j\" | -"],
    ),
    (
        "DROP INDEX \"my.app\".\"t.id\"",
        &["broken removed table \"my.app\".\"t.x\" index \"t.id\" | -"],
    ),
    (
        "CREATE TABLE \"my.app\".\"t.x_c\" PARTITION OF \"my.app\".\"t.x\" FOR VALUES IN ('c')",
        &["note added table \"my.app\".\"t.x_c\" | -"],
    ),
    (
        "DROP FUNCTION app.\"f(x)\"(app.\"odd) type\", integer)",
        &["broken removed function app.\"f(x)\"(app.\"odd) type\", integer) | -"],
    ),
    (
        "DROP OPERATOR FAMILY app.family USING \"odd method\"",
        &["broken removed operator family app.family using \"odd method\" | -"],
    ),
];

/// One change each.
const CASES: &[Case] = &[
    (
        "ALTER TABLE plur.users ADD COLUMN phone text",
        &["broken added table plur.users column phone | -"],
    ),
    (
        "ALTER TABLE plur.users DROP COLUMN name CASCADE",
        &[
            "broken removed table plur.users column name | -",
            "broken removed view plur.member_directory | -",
            "broken removed view plur.my_org_members | -",
        ],
    ),
    (
        "ALTER TABLE plur.users RENAME COLUMN name TO full_name",
        &[
            "broken added table plur.users column full_name | -",
            "broken removed table plur.users column name | -",
            "broken changed view plur.member_directory | definition",
            "broken changed view plur.my_org_members | definition",
        ],
    ),
    (
        "ALTER TABLE plur.orgs ALTER COLUMN name TYPE varchar(50)",
        &["broken changed table plur.orgs column name | type"],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN name DROP NOT NULL",
        &["broken removed table plur.users column name | not null"],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN name SET DEFAULT 'nobody'",
        &["broken added table plur.users column name | default"],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN id SET GENERATED ALWAYS",
        &["broken changed table plur.users column id | identity"],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN id DROP IDENTITY",
        &[
            "broken removed sequence plur.users_id_seq | -",
            "broken removed table plur.users column id | identity",
        ],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN name SET STORAGE external",
        &["tuning added table plur.users column name | storage"],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN name SET STATISTICS 500",
        &["tuning added table plur.users column name | statistics target"],
    ),
    (
        "ALTER TABLE plur.users ALTER COLUMN name SET (n_distinct = 3)",
        &["tuning added table plur.users column name | option n_distinct"],
    ),
    (
        r#"ALTER TABLE plur.orgs ALTER COLUMN name TYPE text COLLATE "C""#,
        &["broken added table plur.orgs column name | collation"],
    ),
    (
        "ALTER TABLE plur.users ADD COLUMN twice text GENERATED ALWAYS AS (name || name) STORED",
        &["broken added table plur.users column twice | -"],
    ),
    (
        "ALTER TABLE plur.users RENAME TO people",
        &[
            "broken changed sequence plur.users_id_seq | owned by",
            "broken changed table plur.api_keys constraint api_keys_user_id_fkey | definition",
            "broken changed table plur.memberships constraint memberships_user_id_fkey | definition",
            "broken changed table plur.orgs constraint orgs_owner_id_fkey | definition",
            "broken added table plur.people | -",
            "broken changed table plur.sessions constraint sessions_user_id_fkey | definition",
            "broken removed table plur.users | -",
            "broken changed view plur.member_directory | definition",
            "broken changed view plur.my_org_members | definition",
        ],
    ),
    (
        "ALTER TABLE plur.users OWNER TO plur_app",
        &["widened changed table plur.users | owner"],
    ),
    (
        "ALTER TABLE plur.users SET (fillfactor = 50)",
        &["tuning added table plur.users | option fillfactor"],
    ),
    (
        "ALTER TABLE plur.users REPLICA IDENTITY FULL",
        &["tuning added table plur.users | replica identity"],
    ),
    (
        "ALTER TABLE plur.sessions SET LOGGED",
        &["broken removed table plur.sessions | persistence"],
    ),
    (
        "DROP TABLE plur.api_keys",
        &["broken removed table plur.api_keys | -"],
    ),
    (
        "CREATE TABLE plur.extra (id integer PRIMARY KEY, name text)",
        &["broken added table plur.extra | -"],
    ),
    (
        "CREATE TABLE plur.extra (id integer); GRANT SELECT ON plur.extra TO PUBLIC",
        &[
            "broken added table plur.extra | -",
            "widened added table plur.extra | grant to PUBLIC",
        ],
    ),
    (
        "ALTER TABLE plur.api_keys DROP CONSTRAINT api_keys_key_hash_shape",
        &["broken removed table plur.api_keys constraint api_keys_key_hash_shape | -"],
    ),
    (
        "ALTER TABLE plur.api_keys DROP CONSTRAINT api_keys_key_hash_shape; ALTER TABLE plur.api_keys ADD CONSTRAINT api_keys_key_hash_shape CHECK (key_hash ~ '^[0-9a-f]*$')",
        &["broken changed table plur.api_keys constraint api_keys_key_hash_shape | definition"],
    ),
    (
        "ALTER TABLE plur.api_keys DROP CONSTRAINT api_keys_key_hash_shape; ALTER TABLE plur.api_keys ADD CONSTRAINT api_keys_key_hash_shape CHECK (key_hash ~ '^[0-9a-f]{64}$') NOT VALID",
        &["broken added table plur.api_keys constraint api_keys_key_hash_shape | validated"],
    ),
    (
        "ALTER TABLE plur.api_keys DROP CONSTRAINT api_keys_user_id_fkey; ALTER TABLE plur.api_keys ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES plur.users",
        &["broken changed table plur.api_keys constraint api_keys_user_id_fkey | definition"],
    ),
    (
        "ALTER TABLE plur.api_keys ALTER CONSTRAINT api_keys_user_id_fkey DEFERRABLE INITIALLY DEFERRED",
        &["broken added table plur.api_keys constraint api_keys_user_id_fkey | deferrable"],
    ),
    (
        "ALTER TABLE plur.api_keys DROP CONSTRAINT api_keys_key_hash_key",
        &["broken removed table plur.api_keys constraint api_keys_key_hash_key | -"],
    ),
    (
        "ALTER TABLE plur.memberships DISABLE TRIGGER ALL",
        &[
            "broken added table plur.memberships constraint memberships_org_fkey | enforcement",
            "broken added table plur.memberships constraint memberships_user_id_fkey | enforcement",
        ],
    ),
    (
        "ALTER TABLE plur.audit_events DROP CONSTRAINT audit_events_detail_is_object",
        &["broken removed table plur.audit_events constraint audit_events_detail_is_object | -"],
    ),
    (
        "DROP INDEX org_acme.engrams_embedding_hnsw_idx; CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams USING hnsw (embedding public.vector_l2_ops) WITH (m = '16', ef_construction = '100')",
        &["broken changed table org_acme.engrams index engrams_embedding_hnsw_idx | definition"],
    ),
    (
        "DROP INDEX org_acme.engrams_tags_idx",
        &["broken removed table org_acme.engrams index engrams_tags_idx | -"],
    ),
    (
        "CREATE INDEX more ON plur.users (name)",
        &["broken added table plur.users index more | -"],
    ),
    (
        "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'org_acme.engrams_tags_idx'::regclass",
        &["broken added table org_acme.engrams index engrams_tags_idx | index valid"],
    ),
    (
        "DROP INDEX plur.audit_events_org_occurred_at_idx",
        &["broken removed table plur.audit_events index audit_events_org_occurred_at_idx | -"],
    ),
    (
        "ALTER TABLE plur.users CLUSTER ON users_pkey",
        &["note added table plur.users constraint users_pkey | clustered"],
    ),
    (
        "CREATE STATISTICS plur.more ON name, email FROM plur.users",
        &["broken added table plur.users statistics plur.more | -"],
    ),
    (
        "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER audit_events_refuse_change",
        &[
            "broken changed table plur.audit_events_2026_01 trigger audit_events_refuse_change | enabled",
        ],
    ),
    (
        "ALTER TABLE plur.audit_events_2026_01 ENABLE TRIGGER audit_events_refuse_truncate",
        &[
            "broken changed table plur.audit_events_2026_01 trigger audit_events_refuse_truncate | enabled",
        ],
    ),
    (
        "ALTER TABLE plur.audit_events DISABLE TRIGGER audit_events_refuse_change",
        &["broken changed table plur.audit_events trigger audit_events_refuse_change | enabled"],
    ),
    (
        "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_2026_01",
        &[
            "broken removed table plur.audit_events_2026_01 trigger audit_events_refuse_truncate | -",
        ],
    ),
    (
        "DROP TRIGGER audit_events_refuse_change ON plur.audit_events",
        &["broken removed table plur.audit_events trigger audit_events_refuse_change | -"],
    ),
    (
        "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events; CREATE TRIGGER audit_events_refuse_truncate AFTER TRUNCATE ON plur.audit_events FOR EACH STATEMENT EXECUTE FUNCTION plur.refuse_audit_change(); ALTER TABLE plur.audit_events ENABLE ALWAYS TRIGGER audit_events_refuse_truncate",
        &[
            "broken changed table plur.audit_events trigger audit_events_refuse_truncate | definition",
        ],
    ),
    (
        "CREATE TRIGGER more BEFORE UPDATE ON plur.users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        &["broken added table plur.users trigger more | -"],
    ),
    (
        "CREATE RULE more AS ON DELETE TO plur.users DO INSTEAD NOTHING",
        &["broken added table plur.users rule more | -"],
    ),
    (
        "ALTER TABLE plur.audit_events DETACH PARTITION plur.audit_events_2026_01",
        &[
            "broken removed table plur.audit_events_2026_01 | partition of",
            "broken removed table plur.audit_events_2026_01 trigger audit_events_refuse_change | -",
        ],
    ),
    (
        "DROP TABLE plur.audit_events_2026_01",
        &["broken removed table plur.audit_events_2026_01 | -"],
    ),
    (
        "ALTER TABLE plur.memberships DISABLE ROW LEVEL SECURITY",
        &["widened removed table plur.memberships | row security"],
    ),
    (
        "ALTER TABLE plur.memberships NO FORCE ROW LEVEL SECURITY",
        &["widened removed table plur.memberships | row security forced"],
    ),
    (
        "DROP POLICY revoked_are_gone ON plur.memberships",
        &["widened removed table plur.memberships policy revoked_are_gone | -"],
    ),
    (
        "DROP POLICY org_fence ON plur.memberships",
        &["broken removed table plur.memberships policy org_fence | -"],
    ),
    (
        "ALTER POLICY org_fence ON plur.memberships USING (true)",
        &["broken changed table plur.memberships policy org_fence | using"],
    ),
    (
        "ALTER POLICY org_fence ON plur.memberships WITH CHECK (true)",
        &["broken changed table plur.memberships policy org_fence | with check"],
    ),
    (
        "ALTER POLICY revoked_are_gone ON plur.memberships TO plur_auditor",
        &["broken changed table plur.memberships policy revoked_are_gone | roles"],
    ),
    (
        "CREATE POLICY more ON plur.memberships FOR SELECT TO plur_auditor USING (true)",
        &["widened added table plur.memberships policy more | -"],
    ),
    (
        "DROP POLICY revoked_are_gone ON plur.memberships; CREATE POLICY revoked_are_gone ON plur.memberships AS PERMISSIVE FOR SELECT TO plur_app USING (revoked_at IS NULL)",
        &["widened changed table plur.memberships policy revoked_are_gone | mode"],
    ),
    (
        "CREATE OR REPLACE FUNCTION plur.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS 'BEGIN RETURN OLD; END'",
        &["broken changed function plur.refuse_audit_change() | body"],
    ),
    (
        "ALTER FUNCTION plur.embed(text) SECURITY DEFINER",
        &["widened added function plur.embed(text) | security definer"],
    ),
    (
        "ALTER FUNCTION plur.membership_count() SECURITY INVOKER",
        &["broken removed function plur.membership_count() | security definer"],
    ),
    (
        "ALTER FUNCTION plur.membership_count() RESET ALL",
        &["broken removed function plur.membership_count() | set search_path"],
    ),
    (
        "ALTER FUNCTION plur.membership_count() VOLATILE",
        &["broken changed function plur.membership_count() | volatility"],
    ),
    (
        "ALTER FUNCTION plur.membership_count() OWNER TO plur_admin",
        &["widened changed function plur.membership_count() | owner"],
    ),
    (
        "GRANT EXECUTE ON FUNCTION plur.membership_count() TO PUBLIC",
        &["widened added function plur.membership_count() | grant to PUBLIC"],
    ),
    (
        "REVOKE EXECUTE ON FUNCTION plur.membership_count() FROM plur_app",
        &["broken removed function plur.membership_count() | grant to plur_app"],
    ),
    (
        "DROP FUNCTION plur.revoke_membership(bigint, timestamptz)",
        &["broken removed function plur.revoke_membership(bigint, timestamp with time zone) | -"],
    ),
    (
        "CREATE FUNCTION plur.more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        &["broken added function plur.more() | -"],
    ),
    (
        "CREATE FUNCTION plur.more() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        &[
            "broken added function plur.more() | -",
            "widened added function plur.more() | grant to PUBLIC",
        ],
    ),
    (
        "ALTER VIEW plur.my_org_members RESET (security_invoker)",
        &["widened removed view plur.my_org_members | option security_invoker"],
    ),
    (
        "ALTER VIEW plur.my_org_members SET (security_invoker = false)",
        &["widened changed view plur.my_org_members | option security_invoker"],
    ),
    (
        "ALTER VIEW plur.member_directory OWNER TO plur_admin",
        &["widened changed view plur.member_directory | owner"],
    ),
    (
        "CREATE OR REPLACE VIEW plur.member_directory AS SELECT m.org, m.user_id, u.name, false AS is_revoked FROM plur.memberships m JOIN plur.users u ON u.id = m.user_id",
        &["broken changed view plur.member_directory | definition"],
    ),
    (
        "REFRESH MATERIALIZED VIEW plur.audit_monthly WITH NO DATA",
        &["broken added materialized view plur.audit_monthly | populated"],
    ),
    (
        "ALTER SEQUENCE plur.audit_events_id_seq INCREMENT 2",
        &["broken changed sequence plur.audit_events_id_seq | increment"],
    ),
    (
        "ALTER SEQUENCE plur.audit_events_id_seq OWNED BY NONE",
        &["broken removed sequence plur.audit_events_id_seq | owned by"],
    ),
    (
        "ALTER TYPE plur.member_role ADD VALUE 'robot' BEFORE 'guest'",
        &["broken changed type plur.member_role | labels"],
    ),
    (
        "ALTER TYPE plur.member_role RENAME VALUE 'guest' TO 'visitor'",
        &["broken changed type plur.member_role | labels"],
    ),
    (
        "ALTER DOMAIN plur.scope_path DROP CONSTRAINT scope_path_shape",
        &["broken removed domain plur.scope_path constraint scope_path_shape | -"],
    ),
    (
        "ALTER DOMAIN plur.scope_path SET DEFAULT 'org/none'",
        &["broken added domain plur.scope_path | default"],
    ),
    (
        "GRANT UPDATE ON plur.audit_events TO plur_app",
        &["widened changed table plur.audit_events | grant to plur_app"],
    ),
    (
        "GRANT UPDATE (detail) ON plur.audit_events TO plur_app",
        &["widened added table plur.audit_events column detail | grant to plur_app"],
    ),
    (
        "GRANT SELECT ON plur.audit_events TO plur_auditor WITH GRANT OPTION",
        &["widened changed table plur.audit_events | grant to plur_auditor"],
    ),
    (
        "REVOKE INSERT ON plur.audit_events FROM plur_app",
        &["broken changed table plur.audit_events | grant to plur_app"],
    ),
    (
        "GRANT SELECT ON plur.api_keys TO PUBLIC",
        &["widened added table plur.api_keys | grant to PUBLIC"],
    ),
    (
        "GRANT DELETE ON plur.audit_events_2026_01 TO plur_app",
        &["widened added table plur.audit_events_2026_01 | grant to plur_app"],
    ),
    (
        "REVOKE USAGE ON SCHEMA plur FROM plur_app, plur_reader",
        &["broken removed schema plur | grant to plur_reader"],
    ),
    (
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        &["widened changed schema public | grant to PUBLIC"],
    ),
    (
        "GRANT CONNECT ON DATABASE plur TO PUBLIC",
        &["widened added database | grant to PUBLIC"],
    ),
    (
        "GRANT USAGE ON LANGUAGE plpgsql TO plur_app WITH GRANT OPTION",
        &["widened added language plpgsql | -"],
    ),
    (
        "REVOKE INSERT ON plur.users FROM plur_owner",
        &["broken added table plur.users | revoked from its owner"],
    ),
    (
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO plur_app",
        &["widened added function pg_catalog.pg_read_file(text) | -"],
    ),
    (
        "REVOKE SELECT ON ag_catalog.ag_graph FROM plur_reader",
        &["broken removed table ag_catalog.ag_graph | grant to plur_reader"],
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner IN SCHEMA org_acme GRANT SELECT ON TABLES TO plur_auditor",
        &[
            "widened added default privileges of plur_owner in schema org_acme on tables | grant to plur_auditor",
        ],
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        &["widened removed default privileges of plur_owner on functions | -"],
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT INSERT ON TABLES TO plur_app",
        &["widened added default privileges of plur_owner on tables | -"],
    ),
    (
        "GRANT plur_owner TO plur_app",
        &["widened added role plur_app | member of plur_owner"],
    ),
    (
        "GRANT plur_org_acme TO plur_auditor WITH INHERIT FALSE",
        &["widened added role plur_auditor | member of plur_org_acme"],
    ),
    (
        "GRANT plur_org_acme TO plur_app WITH INHERIT TRUE",
        &["widened changed role plur_app | member of plur_org_acme"],
    ),
    (
        "GRANT plur_org_acme TO plur_app WITH ADMIN OPTION",
        &["widened changed role plur_app | member of plur_org_acme"],
    ),
    (
        "GRANT pg_read_all_data TO plur_auditor",
        &["widened added role plur_auditor | member of pg_read_all_data"],
    ),
    (
        "REVOKE plur_reader FROM plur_app",
        &["broken removed role plur_app | member of plur_reader"],
    ),
    (
        "ALTER ROLE plur_app BYPASSRLS",
        &["widened added role plur_app | bypassrls"],
    ),
    (
        "ALTER ROLE plur_app SUPERUSER",
        &["widened added role plur_app | superuser"],
    ),
    (
        "ALTER ROLE plur_app CREATEROLE",
        &["widened added role plur_app | createrole"],
    ),
    (
        "ALTER ROLE plur_owner LOGIN",
        &["widened added role plur_owner | login"],
    ),
    (
        "ALTER ROLE plur_owner INHERIT",
        &["widened removed role plur_owner | noinherit"],
    ),
    (
        "ALTER ROLE plur_app NOLOGIN",
        &["broken removed role plur_app | login"],
    ),
    (
        "ALTER ROLE plur_app CONNECTION LIMIT 50",
        &["broken changed role plur_app | connection limit"],
    ),
    (
        "ALTER ROLE plur_auditor VALID UNTIL 'infinity'",
        &["broken changed role plur_auditor | valid until"],
    ),
    (
        "ALTER ROLE plur_app PASSWORD NULL",
        &["broken removed role plur_app | password"],
    ),
    (
        "ALTER ROLE plur_app SET statement_timeout = '1h'",
        &["broken changed role plur_app | set statement_timeout"],
    ),
    (
        "ALTER ROLE plur_auditor RESET default_transaction_read_only",
        &["broken removed role plur_auditor | set default_transaction_read_only"],
    ),
    (
        "ALTER ROLE plur_app IN DATABASE plur RESET search_path",
        &["broken removed database settings of role plur_app | set search_path"],
    ),
    ("CREATE ROLE more LOGIN", &["broken added role more | -"]),
    (
        "CREATE ROLE more BYPASSRLS",
        &["widened added role more | -"],
    ),
    (
        "ALTER DATABASE plur RESET session_preload_libraries",
        &["broken removed database settings | set session_preload_libraries"],
    ),
    (
        "ALTER DATABASE plur OWNER TO plur_app",
        &[
            "broken removed database | grant to plur_app",
            "widened changed database | owner",
        ],
    ),
    (
        "ALTER DATABASE plur CONNECTION LIMIT 3",
        &["broken added database | connection limit"],
    ),
    (
        "COMMENT ON TABLE plur.users IS 'people'",
        &["broken added table plur.users | comment"],
    ),
    (
        "CREATE PUBLICATION more FOR TABLE plur.users",
        &["broken added publication more | -"],
    ),
    ("CREATE SCHEMA more", &["broken added schema more | -"]),
    (
        "ALTER SCHEMA org_acme OWNER TO plur_org_acme",
        &[
            "broken removed schema org_acme | grant to plur_org_acme",
            "widened changed schema org_acme | owner",
        ],
    ),
    (
        "CREATE COLLATION plur.german (provider = libc, locale = 'C.UTF-8')",
        &["broken added collation plur.german | -"],
    ),
    (
        "CREATE CAST (plur.member_role AS integer) WITH INOUT",
        &["broken added cast (plur.member_role AS integer) | -"],
    ),
    (
        "CREATE TEXT SEARCH CONFIGURATION plur.more (COPY = pg_catalog.simple)",
        &["broken added text search configuration plur.more | -"],
    ),
    (
        "CREATE FOREIGN DATA WRAPPER more",
        &["broken added foreign data wrapper more | -"],
    ),
    (
        "CREATE AGGREGATE plur.more(integer) (SFUNC = int4pl, STYPE = integer)",
        &["broken added aggregate plur.more(integer) | -"],
    ),
    (
        "CREATE TABLE plur.audit_events_2026_06 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-06-01') TO ('2026-07-01'); ALTER TABLE plur.audit_events_2026_06 OWNER TO plur_owner",
        &["broken added table plur.audit_events_2026_06 | -"],
    ),
    (
        "CREATE TABLE plur.audit_events_2026_06 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-06-01') TO ('2026-07-01'); ALTER TABLE plur.audit_events_2026_06 OWNER TO plur_owner; CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON plur.audit_events_2026_06 FOR EACH STATEMENT EXECUTE FUNCTION plur.refuse_audit_change()",
        &["broken added table plur.audit_events_2026_06 | -"],
    ),
    (
        "CREATE TABLE plur.audit_events_2026_06 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-06-01') TO ('2026-07-01'); ALTER TABLE plur.audit_events_2026_06 OWNER TO plur_owner; CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON plur.audit_events_2026_06 FOR EACH STATEMENT EXECUTE FUNCTION plur.refuse_audit_change(); ALTER TABLE plur.audit_events_2026_06 ENABLE ALWAYS TRIGGER audit_events_refuse_truncate; GRANT DELETE ON plur.audit_events_2026_06 TO plur_app",
        &["widened added table plur.audit_events_2026_06 | -"],
    ),
    (
        "CREATE TABLE plur.audit_events_2026_06 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-06-01') TO ('2026-07-01'); ALTER TABLE plur.audit_events_2026_06 OWNER TO plur_owner; CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON plur.audit_events_2026_06 FOR EACH STATEMENT EXECUTE FUNCTION plur.refuse_audit_change(); ALTER TABLE plur.audit_events_2026_06 ENABLE ALWAYS TRIGGER audit_events_refuse_truncate; ALTER TABLE plur.audit_events_2026_06 ALTER COLUMN org DROP DEFAULT, ADD CHECK (id > 0)",
        &["broken added table plur.audit_events_2026_06 | -"],
    ),
    (
        "DROP TRIGGER audit_events_refuse_change ON plur.audit_events_2025_05; ALTER TABLE plur.audit_events ATTACH PARTITION plur.audit_events_2025_05 FOR VALUES FROM ('2025-05-01') TO ('2025-06-01')",
        &["broken added table plur.audit_events_2025_05 | partition of"],
    ),
    (
        "ALTER TABLE plur.audit_events ADD COLUMN more text",
        &["broken added table plur.audit_events column more | -"],
    ),
    (
        "SELECT ag_catalog.create_elabel('plur_topics', 'MORE')",
        &[
            "broken added graph plur_topics label \"MORE\" | -",
            "broken added table plur_topics.\"MORE\" | -",
        ],
    ),
    (
        "SET ROLE plur_app; SELECT lo_create(4711); RESET ROLE",
        &[
            "note changed large objects | grant to plur_app",
            "note added large objects | owned by plur_app",
            "note changed large objects | owned by plur_owner",
        ],
    ),
    (
        "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
        &["broken removed large objects | -"],
    ),
];

/// What is no failure.
const HARMLESS: &[Case] = &[
    ("ANALYZE", &[]),
    ("REINDEX TABLE plur.users", &[]),
    (
        "INSERT INTO org_acme.recall_log SELECT now(), 1, 'x', 1, 0",
        &[],
    ),
    ("DELETE FROM plur.sessions", &[]),
    ("TRUNCATE plur.sessions", &[]),
    ("SELECT setval('plur.audit_events_id_seq', 100000)", &[]),
    ("ALTER SEQUENCE plur.audit_events_id_seq RESTART", &[]),
    ("REFRESH MATERIALIZED VIEW plur.audit_monthly", &[]),
    (
        "DROP INDEX org_acme.engrams_tags_idx; CREATE INDEX engrams_tags_idx ON org_acme.engrams USING gin (tags)",
        &[],
    ),
    (
        "GRANT DELETE ON plur.audit_events TO plur_app; REVOKE DELETE ON plur.audit_events FROM plur_app",
        &[],
    ),
    (
        "REVOKE SELECT, INSERT ON plur.audit_events FROM plur_app; GRANT INSERT, SELECT ON plur.audit_events TO plur_app",
        &[],
    ),
    (
        "SET ROLE plur_owner; GRANT SELECT ON plur.audit_events TO plur_app; RESET ROLE",
        &[],
    ),
    (
        "ALTER TABLE plur.users ADD COLUMN brief text; ALTER TABLE plur.users DROP COLUMN brief",
        &[],
    ),
    ("ALTER TABLE plur.orgs ALTER COLUMN name TYPE text", &[]),
    (
        "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER audit_events_refuse_change; ALTER TABLE plur.audit_events_2026_01 ENABLE ALWAYS TRIGGER audit_events_refuse_change",
        &[],
    ),
    (
        "CREATE OR REPLACE VIEW plur.my_org_members WITH (security_invoker = true) AS SELECT m.user_id, u.name, u.email, m.role FROM plur.memberships AS m JOIN plur.users AS u ON u.id = m.user_id",
        &[],
    ),
    (
        "DROP POLICY revoked_are_gone ON plur.memberships; CREATE POLICY revoked_are_gone ON plur.memberships AS RESTRICTIVE FOR SELECT TO plur_app USING (revoked_at IS NULL)",
        &[],
    ),
    (
        "ALTER TABLE plur.api_keys DROP CONSTRAINT api_keys_user_id_fkey; ALTER TABLE plur.api_keys ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES plur.users ON DELETE CASCADE",
        &[],
    ),
    ("ALTER ROLE plur_app PASSWORD 'another'", &[]),
    (
        "REVOKE plur_reader FROM plur_app; GRANT plur_reader TO plur_app",
        &[],
    ),
    (
        "SET ROLE plur_owner; SELECT lo_create(4711); RESET ROLE",
        &["note changed large objects | grant to plur_app"],
    ),
    (
        "CREATE TABLE plur.brief (id integer); DROP TABLE plur.brief",
        &[],
    ),
    (
        "COMMENT ON TABLE plur.users IS 'people'",
        &["note added table plur.users | comment"],
    ),
    (
        "COMMENT ON EXTENSION vector IS NULL",
        &["note removed extension vector | comment"],
    ),
    (
        "UPDATE pg_catalog.pg_database SET datcollversion = '1' WHERE datname = current_database()",
        &["note added database | version"],
    ),
    (
        "UPDATE pg_catalog.pg_extension SET extversion = '0.7.0' WHERE extname = 'vector'",
        &["note changed extension vector | version"],
    ),
    (
        "CREATE TABLE plur.audit_events_2026_06 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-06-01') TO ('2026-07-01'); ALTER TABLE plur.audit_events_2026_06 OWNER TO plur_owner; CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON plur.audit_events_2026_06 FOR EACH STATEMENT EXECUTE FUNCTION plur.refuse_audit_change(); ALTER TABLE plur.audit_events_2026_06 ENABLE ALWAYS TRIGGER audit_events_refuse_truncate",
        &["note added table plur.audit_events_2026_06 | -"],
    ),
];

/// One change each of what PLUR has not, the same on every version.
const MORE: &[Case] = &[
    (
        "ALTER EVENT TRIGGER watch DISABLE",
        &["broken changed event trigger watch | enabled"],
    ),
    (
        "DROP EVENT TRIGGER watch",
        &["broken removed event trigger watch | -"],
    ),
    (
        "ALTER PUBLICATION a_part SET (publish = 'insert')",
        &["broken changed publication a_part | publishes"],
    ),
    (
        "ALTER PUBLICATION a_part SET TABLE app.orders (id) WHERE (id > 0), TABLE app.self",
        &["broken changed publication a_part table app.orders | column list"],
    ),
    (
        "ALTER PUBLICATION a_part SET TABLE app.orders (id, note) WHERE (id > 1), TABLE app.self",
        &["broken changed publication a_part table app.orders | where"],
    ),
    (
        "ALTER PUBLICATION a_part DROP TABLE app.self",
        &["broken removed publication a_part table app.self | -"],
    ),
    (
        "ALTER PUBLICATION of_schema DROP TABLES IN SCHEMA app",
        &["broken removed publication of_schema | schema app"],
    ),
    (
        "ALTER SERVER elsewhere OPTIONS (SET host 'other')",
        &["broken changed foreign server elsewhere | option host"],
    ),
    (
        "ALTER FOREIGN DATA WRAPPER nothing OPTIONS (DROP a)",
        &["broken removed foreign data wrapper nothing | option a"],
    ),
    (
        "ALTER USER MAPPING FOR reader SERVER elsewhere OPTIONS (SET user 'me')",
        &["broken changed user mapping for reader on elsewhere | option user"],
    ),
    (
        "DROP USER MAPPING FOR reader SERVER elsewhere",
        &["broken removed user mapping for reader on elsewhere | -"],
    ),
    (
        "ALTER FOREIGN TABLE app.far OPTIONS (SET table_name 'u')",
        &["broken changed foreign table app.far | option table_name"],
    ),
    (
        "GRANT USAGE ON FOREIGN DATA WRAPPER nothing TO PUBLIC",
        &["widened added foreign data wrapper nothing | grant to PUBLIC"],
    ),
    (
        "ALTER TEXT SEARCH CONFIGURATION app.english DROP MAPPING FOR asciiword",
        &["broken changed text search configuration app.english | mappings"],
    ),
    (
        "ALTER TEXT SEARCH DICTIONARY app.simple (stopwords)",
        &["broken removed text search dictionary app.simple | options"],
    ),
    (
        "DROP CAST (app.pair AS text)",
        &["broken removed cast (app.pair AS text) | -"],
    ),
    (
        "DROP OPERATOR app.=== (app.pair, app.pair) CASCADE",
        &[
            "broken removed operator app.===(app.pair, app.pair) | -",
            "broken removed operator class app.pair_ops using btree | -",
            "broken removed operator family app.pairs using btree | functions",
            "broken removed operator family app.pairs using btree | operators",
        ],
    ),
    (
        "ALTER OPERATOR app.=== (app.pair, app.pair) SET (RESTRICT = NONE)",
        &["broken removed operator app.===(app.pair, app.pair) | restriction estimator"],
    ),
    (
        "CREATE OR REPLACE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '1', PARALLEL = SAFE, COMBINEFUNC = int4pl)",
        &["broken changed aggregate app.total(integer) | initial state"],
    ),
    (
        "DROP CONVERSION app.latin",
        &["broken removed conversion app.latin | -"],
    ),
    (
        "DROP COLLATION app.german",
        &["broken removed collation app.german | -"],
    ),
    (
        "DROP ACCESS METHOD other_heap",
        &["broken removed access method other_heap | -"],
    ),
    (
        "ALTER TYPE app.pair ADD ATTRIBUTE c text CASCADE",
        &[
            "broken added table app.typed column c | -",
            "broken changed type app.pair | attributes",
        ],
    ),
    (
        "GRANT USAGE ON TYPE app.pair TO PUBLIC",
        &["widened added type app.pair | grant to PUBLIC"],
    ),
    (
        "ALTER DOMAIN app.positive DROP NOT NULL",
        &["broken removed domain app.positive | not null"],
    ),
    (
        "ALTER DOMAIN app.positive VALIDATE CONSTRAINT not_too_large",
        &["broken removed domain app.positive constraint not_too_large | validated"],
    ),
    (
        "ALTER PROCEDURE app.work(integer, text) OWNER TO maker",
        &["widened changed procedure app.work(integer, text) | owner"],
    ),
    (
        "CREATE OR REPLACE FUNCTION app.plus(a integer, b integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN a - b",
        &["broken changed function app.plus(integer, integer) | body"],
    ),
    (
        "CREATE OR REPLACE FUNCTION app.plus(a integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN a + b",
        &["broken changed function app.plus(integer, integer) | arguments"],
    ),
    (
        "ALTER FUNCTION app.owner_only(app.status) COST 9 LEAKPROOF",
        &[
            "broken changed function app.owner_only(app.status) | cost",
            "broken added function app.owner_only(app.status) | leakproof",
        ],
    ),
    (
        "ALTER STATISTICS app.together SET STATISTICS 70",
        &["tuning changed table app.orders statistics app.together | statistics target"],
    ),
    (
        "ALTER TABLE app.orders ENABLE TRIGGER fired",
        &["broken changed table app.orders trigger fired | enabled"],
    ),
    (
        "ALTER TABLE app.orders ENABLE RULE kept",
        &["broken changed table app.orders rule kept | enabled"],
    ),
    (
        "ALTER TABLE app.orders ALTER COLUMN raw SET COMPRESSION default",
        &["tuning removed table app.orders column raw | compression"],
    ),
    (
        "ALTER TABLE app.orders RESET (toast.autovacuum_enabled)",
        &["tuning removed table app.orders | option toast.autovacuum_enabled"],
    ),
    (
        "ALTER TABLE app.orders DROP CONSTRAINT no_overlap",
        &["broken removed table app.orders constraint no_overlap | -"],
    ),
    (
        "ALTER TABLE app.orders VALIDATE CONSTRAINT later",
        &["broken removed table app.orders constraint later | validated"],
    ),
    (
        "ALTER TABLE app.orders DROP COLUMN doubled",
        &["broken removed table app.orders column doubled | -"],
    ),
    (
        "ALTER TABLE app.lines SET LOGGED",
        &[
            "broken removed sequence app.lines_id_seq | persistence",
            "broken removed table app.lines | persistence",
        ],
    ),
    (
        "ALTER TABLE app.child NO INHERIT app.lines",
        &["broken removed table app.child | inherits"],
    ),
    (
        "ALTER TABLE app.typed NOT OF",
        &["broken removed table app.typed | of type"],
    ),
    (
        "ALTER INDEX app.orders_expression ALTER COLUMN 1 SET STATISTICS 400",
        &["tuning changed table app.orders index orders_expression | statistics targets"],
    ),
    (
        "ALTER TABLE app.events_1_a ENABLE TRIGGER fired",
        &["broken changed table app.events_1_a trigger fired | enabled"],
    ),
    (
        "ALTER TABLE app.self ALTER CONSTRAINT self_up_fkey NOT DEFERRABLE",
        &["broken removed table app.self constraint self_up_fkey | deferrable"],
    ),
    (
        "ALTER VIEW app.seen SET (security_barrier = false)",
        &["broken changed view app.seen | option security_barrier"],
    ),
    (
        "ALTER VIEW app.seen ALTER COLUMN note DROP DEFAULT",
        &["broken removed view app.seen column note | default"],
    ),
    (
        "CREATE OR REPLACE VIEW app.seen WITH (security_barrier = true, security_invoker = true) AS SELECT id, upper(note) AS note FROM app.orders WHERE state = ANY (ARRAY['new', 'done'])",
        &["broken removed view app.seen | option check_option"],
    ),
    (
        "REVOKE ADMIN OPTION FOR writer FROM reader",
        &["broken changed role reader | member of writer"],
    ),
    (
        "REVOKE SET ON PARAMETER log_min_messages FROM reader",
        &["broken removed parameter log_min_messages | -"],
    ),
    (
        "GRANT ALTER SYSTEM ON PARAMETER log_min_messages TO reader",
        &["widened changed parameter log_min_messages | grant to reader"],
    ),
    (
        "GRANT EXECUTE ON FUNCTION public.citext_cmp(public.citext, public.citext) TO PUBLIC",
        &["widened removed function public.citext_cmp(public.citext, public.citext) | -"],
    ),
    (
        "REVOKE GRANT OPTION FOR UPDATE ON app.orders FROM reader",
        &["broken changed table app.orders | grant to reader"],
    ),
    (
        "GRANT TRUNCATE ON app.lines TO maker",
        &["widened removed table app.lines | revoked from its owner"],
    ),
    (
        "ALTER DATABASE plur RESET app.jwt_secret",
        &["broken removed database settings | set app.jwt_secret"],
    ),
    (
        "ALTER LARGE OBJECT 4712 OWNER TO maker",
        &[
            "note added large objects | owned by maker",
            "note changed large objects | owned by postgres",
        ],
    ),
    (
        "REVOKE SELECT ON LARGE OBJECT 4711 FROM reader",
        &["broken removed large objects | grant to reader"],
    ),
    (
        "ALTER EXTENSION citext SET SCHEMA app",
        &[
            "broken changed extension citext | schema",
            "broken added function app.citext_cmp(app.citext, app.citext) | -",
            "widened removed function public.citext_cmp(public.citext, public.citext) | -",
        ],
    ),
];
