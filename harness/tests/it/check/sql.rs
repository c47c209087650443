use crate::support::{Case, on_own_plur};

fn sql(body: &str) -> String {
    format!("[[check.sql]]\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_checks() {
    on_own_plur(async |plur| {
        let passes = async |name: &str, change: &str, body: &str| {
            let check = sql(body);
            plur.passes(Case { name, change, undo: "", check: &check }).await;
        };
        let fails = async |name: &str, change: &str, body: &str, texts: &[&str]| {
            let check = sql(body);
            plur.fails(Case { name, change, undo: "", check: &check }, texts).await;
        };
        let cannot = async |name: &str, change: &str, body: &str, text: &str| {
            let check = sql(body);
            plur.cannot_look(Case { name, change, undo: "", check: &check }, text).await;
        };

        // One value.
        let users = "query = 'SELECT count(*) FROM plur.users'\nscalar = 121";
        passes("a count", "", users).await;
        passes("harmless: a comment, a new table, statistics",
            "COMMENT ON TABLE plur.users IS 'x'; CREATE TABLE plur.more (id int); ANALYZE;", users).await;
        passes("a user more, within the tolerance", "INSERT INTO plur.users (email, name, created_at, home_org) VALUES ('x@y', 'x', now(), 'acme')",
            &format!("{users}\ntolerance = '5%'")).await;
        fails("F46 it is another database", "UPDATE plur.orgs SET slug = slug; DELETE FROM plur.api_keys WHERE id = 1",
            "query = \"SELECT encode(sha256('plur-fixture-key-ada'), 'hex') IN (SELECT key_hash FROM plur.api_keys)\"\nscalar = true", &["true; false"]).await;
        fails("C-SENTINEL a text differs, and is not shown", "UPDATE plur.users SET email = 'secret@acme.example' WHERE id = 1",
            "query = 'SELECT email FROM plur.users WHERE id = 1'\nscalar = 'ada@acme.example'", &["another text, of 19 characters"]).await;
        passes("the text as it is", "", "query = 'SELECT email FROM plur.users WHERE id = 1'\nscalar = 'ada@acme.example'").await;
        passes("NULL", "", "query = 'SELECT revoked_at FROM plur.api_keys WHERE user_id = 1'\nscalar = { null = true }").await;
        fails("no longer NULL", "UPDATE plur.api_keys SET revoked_at = now()",
            "query = 'SELECT revoked_at FROM plur.api_keys WHERE user_id = 1'\nscalar = { null = true }", &["NULL; a value"]).await;
        fails("D06 the sum is too small", "DELETE FROM plur.sessions", "query = 'SELECT count(*) FROM plur.sessions'\nmin = 1", &["at least 1; 0"]).await;
        fails("F20 nothing in the table", "DELETE FROM plur.sessions", "query = 'SELECT token_hash FROM plur.sessions WHERE user_id = 8'\nscalar = 'x'", &["no row"]).await;
        passes("times are written with UTC", "ALTER DATABASE plur SET TimeZone = 'Asia/Tokyo'; ALTER ROLE plur_app SET TimeZone = 'Asia/Tokyo'",
            "role = 'plur_app'\nquery = \"SELECT max(applied_at)::timestamptz FROM public.schema_migrations\"\nscalar = '2025-07-22 09:00:00+00'").await;
        plur.sql("postgres", "ALTER DATABASE plur SET TimeZone = 'UTC'; ALTER ROLE plur_app RESET TimeZone").await;

        // Rows.
        let orgs = "query = 'SELECT slug, owner_id FROM plur.orgs ORDER BY slug'\nrows = [['cumulus', 101], ['acme', 1], ['borealis', 61]]";
        passes("rows in any order", "", orgs).await;
        fails("not in this order", "", &format!("{orgs}\nordered = true"), &["3 of 3 rows not as expected"]).await;
        fails("an owner changed", "UPDATE plur.orgs SET owner_id = 2 WHERE slug = 'borealis'", orgs,
            &["1 of the 3 expected missing", "row 3 of the scenario", "column owner_id"]).await;
        fails("an org more", "INSERT INTO plur.orgs SELECT (jsonb_populate_record(o, '{\"slug\": \"delta\"}')).* FROM plur.orgs o WHERE slug = 'acme'", orgs, &["4 rows", "1 not expected"]).await;
        fails("another number of columns", "", "query = 'SELECT slug, owner_id FROM plur.orgs'\nrows = ['acme', 'borealis', 'cumulus']", &["rows of 2 columns instead of 1"]).await;
        passes("a row of one column", "", "query = 'SELECT slug FROM plur.orgs ORDER BY slug'\nrows = ['acme', 'borealis', 'cumulus']\nordered = true").await;
        let orphans = "query = '''SELECT 1 FROM plur.sessions s LEFT JOIN plur.users u ON u.id = s.user_id WHERE u.id IS NULL'''\nno-rows = true";
        passes("no orphan", "", orphans).await;
        fails("D03 an orphan", "SET session_replication_role = replica; UPDATE plur.sessions SET user_id = 9999 WHERE user_id = 8", orphans, &["no row; "]).await;
        passes("so many rows", "", "query = 'TABLE plur.orgs'\nrow-count = 3").await;
        fails("R01 not so many", "DELETE FROM plur.sessions", "query = 'TABLE plur.sessions'\nrow-count = 30\ntolerance = 2", &["30 rows, give or take 2; 0 rows"]).await;

        // As a role.
        let fence = "role = 'plur_app'\nsettings = { 'plur.org' = 'acme' }\nquery = 'SELECT DISTINCT org FROM plur.memberships'\nrows = ['acme']";
        passes("a role sees its rows", "", fence).await;
        fails("S03 without row security it sees all", "ALTER TABLE plur.memberships DISABLE ROW LEVEL SECURITY", fence, &["3 rows; 0 of the 1 expected"]).await;
        fails("S03 nothing is seen when the policy is gone", "DROP POLICY org_fence ON plur.memberships", fence, &["1 of the 1 expected"]).await;
        let denied = "role = 'plur_auditor'\nquery = 'SELECT count(*) FROM plur.users'\nerror = '42501'";
        passes("a role is refused", "", denied).await;
        fails("a right too many", "GRANT SELECT ON plur.users TO PUBLIC", denied, &["the error 42501; the query is answered"]).await;
        fails("another error is not that one", "DROP TABLE plur.users CASCADE", denied, &["42P01"]).await;
        fails("R01 the role is not there", "", "role = 'nobody_here'\nquery = 'SELECT 1'\nscalar = 1", &["role nobody_here"]).await;
        fails("R06 the role's search path is lost", "ALTER ROLE plur_app IN DATABASE current_db RESET search_path".replace("current_db", "plur").as_str(),
            "role = 'plur_app'\nsettings = { search_path = 'public' }\nquery = 'SELECT count(*) FROM users'\nscalar = 121", &["42P01"]).await;
        plur.sql("postgres", "ALTER ROLE plur_app IN DATABASE plur SET search_path = plur, ag_catalog, public").await;
        passes("the role's own search path", "", "role = 'plur_app'\nquery = 'SELECT count(*) FROM users'\nscalar = 121").await;

        // What is not there, and what says nothing.
        fails("a table is lost", "DROP TABLE plur.users CASCADE", users, &["42P01"]).await;
        fails("D11 a materialised view is not populated", "REFRESH MATERIALIZED VIEW plur.audit_monthly WITH NO DATA", "query = 'SELECT count(*) FROM plur.audit_monthly'\nmin = 1", &["55000"]).await;
        cannot("a write is refused", "", "query = 'WITH gone AS (DELETE FROM plur.users RETURNING 1) SELECT count(*) FROM gone'\nscalar = 0", "25006").await;
        cannot("a function that writes too", "CREATE FUNCTION public.wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM plur.sessions; SELECT 1'",
            "query = 'SELECT public.wipe()'\nscalar = 1", "25006").await;
        cannot("a write switch in the query", "CREATE FUNCTION public.sly() RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('transaction_read_only', 'off', false); DELETE FROM plur.sessions; RETURN 1; END$$",
            "query = 'SELECT public.sly()'\nscalar = 1", "25001").await;
        cannot("a syntax error", "", "query = 'SELECT FROM WHERE'\nscalar = 1", "42601").await;
        cannot("a query that takes too long", "", "timeout = '1s'\nquery = 'SELECT pg_sleep(20)'\nscalar = 1", "").await;
        plur.assert_passed_and_failed("sql");
    })
    .await;
}
