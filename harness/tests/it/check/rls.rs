//! `rls` on the PLUR database, whole and broken.

use crate::support::{Case, on_own_plur};

const CHECK: &str = r#"
[[check.rls]]
table = "plur.memberships"
forced = true
views = "fenced"
policies = [
    { name = "org_fence", using = "org = current_setting('plur.org', true)", with-check = "(org)::text = (current_setting('plur.org'::text, true))" },
    { name = "revoked_are_gone", command = "select", permissive = false, roles = ["plur_app"], using = "revoked_at is null" },
]

[[check.rls.behaviour]]
role = "plur_app"
settings = { "plur.org" = "acme" }
sees-where = "org = 'acme' AND revoked_at IS NULL"
refuses = "INSERT INTO plur.memberships (org, user_id, role, joined_at) SELECT 'borealis', id, 'guest', now() FROM plur.users ORDER BY id DESC LIMIT 1"

[[check.rls.behaviour]]
role = "plur_app"
settings = { "plur.org" = "acme" }
refuses = "UPDATE plur.memberships SET joined_at = joined_at WHERE org = 'borealis'"
allows = "UPDATE plur.memberships SET joined_at = joined_at WHERE org = 'acme'"

[[check.rls.behaviour]]
role = "plur_app"
settings = { "plur.org" = "acme" }
through = "plur.member_directory"
sees-rows = 62

[[check.rls.behaviour]]
role = "plur_app"
sees = "none"

[[check.rls.behaviour]]
role = "plur_auditor"
denied = true
"#;

/// Only the behaviour: what a broken database does, whatever its catalog says.
const BEHAVIOUR: &str = r#"
[[check.rls]]
table = "plur.memberships"

[[check.rls.behaviour]]
role = "plur_app"
settings = { "plur.org" = "acme" }
sees-where = "org = 'acme' AND revoked_at IS NULL"

[[check.rls.behaviour]]
role = "plur_app"
sees = "none"
"#;

const PARTITIONED: &str = r#"
[[check.rls]]
table = "plur.audit_events"

[[check.rls.behaviour]]
role = "plur_auditor"
settings = { "plur.org" = "acme" }
sees-where = "org = 'acme'"
"#;

const FENCED_AUDIT: &str = "
ALTER TABLE plur.audit_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY fence ON plur.audit_events USING (org = current_setting('plur.org', true));
";

#[tokio::test(flavor = "multi_thread")]
async fn rls() {
    on_own_plur(async |plur| {
        let case = |name, change| Case { name, change, undo: "", check: CHECK };
        let behaves = |name, change| Case { name, change, undo: "", check: BEHAVIOUR };

        // What is right, and what is harmless.
        plur.passes(case("the good backup", "")).await;
        plur.passes(case(
            "a policy of another table",
            "ALTER TABLE plur.orgs ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON plur.orgs USING (true)",
        ))
        .await;
        plur.passes(case(
            "the same policies, written and ordered otherwise",
            "DROP POLICY org_fence ON plur.memberships;
             CREATE POLICY org_fence ON plur.memberships
                 USING (((org)::text = (current_setting('plur.org'::text, true))::text))",
        ))
        .await;
        plur.passes(case(
            "an admin's view that nobody else can read",
            "CREATE VIEW plur.everything AS SELECT * FROM plur.memberships",
        ))
        .await;
        plur.passes(Case {
            name: "no policies are named, and one more is there",
            change: "CREATE POLICY more ON plur.memberships FOR DELETE USING (false)",
            undo: "",
            check: BEHAVIOUR,
        })
        .await;

        plur.passes(case(
            "an event trigger that forbids to make policies",
            "CREATE FUNCTION plur.no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE POLICY') EXECUTE FUNCTION plur.no()",
        ))
        .await;

        // The catalog.
        plur.fails(
            case("S03 row security is off", "ALTER TABLE plur.memberships DISABLE ROW LEVEL SECURITY"),
            &["row security on", "it is off", "it sees"],
        )
        .await;
        plur.fails(
            case("S04 FORCE is lost", "ALTER TABLE plur.memberships NO FORCE ROW LEVEL SECURITY"),
            &["forced on its owner", "plur.member_directory"],
        )
        .await;
        plur.fails(
            case("R03 the restrictive policy is lost", "DROP POLICY revoked_are_gone ON plur.memberships"),
            &["policy revoked_are_gone", "it only took away", "4 of them others"],
        )
        .await;
        plur.fails(
            case("the permissive policy is lost", "DROP POLICY org_fence ON plur.memberships"),
            &["policy org_fence", "it sees 0 rows"],
        )
        .await;
        plur.fails(
            case("one policy more", "CREATE POLICY oops ON plur.memberships USING (true)"),
            &["policy oops", "no policy that the scenario does not name"],
        )
        .await;
        plur.fails(
            case("a changed USING", "ALTER POLICY org_fence ON plur.memberships USING (org <> 'x')"),
            &["policy org_fence", "USING ("],
        )
        .await;
        plur.fails(
            case(
                "a changed WITH CHECK",
                "ALTER POLICY org_fence ON plur.memberships WITH CHECK (true)",
            ),
            &["WITH CHECK (true)", "it went through and touched 1 row "],
        )
        .await;
        plur.fails(
            case("a policy for other roles", "ALTER POLICY revoked_are_gone ON plur.memberships TO plur_auditor"),
            &["to plur_app", "to plur_auditor"],
        )
        .await;
        plur.fails(
            case(
                "a restrictive policy that became permissive",
                "DROP POLICY revoked_are_gone ON plur.memberships;
                 CREATE POLICY revoked_are_gone ON plur.memberships FOR SELECT TO plur_app USING (revoked_at IS NULL)",
            ),
            &["restrictive", "permissive"],
        )
        .await;
        plur.fails(
            case("the table is lost", "DROP TABLE plur.memberships CASCADE"),
            &["plur.memberships", "there is none"],
        )
        .await;
        plur.fails(
            Case {
                name: "row security where there must be none",
                change: "",
                undo: "",
                check: "[[check.rls]]\ntable = \"plur.memberships\"\nenabled = false",
            },
            &["row security off"],
        )
        .await;

        // Ways round it.
        plur.fails(
            case("S07 a view belongs to a superuser", "ALTER VIEW plur.member_directory OWNER TO plur_admin"),
            &["plur.member_directory", "rights of plur_admin", "it sees 132 rows"],
        )
        .await;
        plur.fails(
            case(
                "S08 security_invoker is lost on a superuser's view",
                "ALTER VIEW plur.my_org_members RESET (security_invoker);
                 ALTER VIEW plur.my_org_members OWNER TO plur_admin",
            ),
            &["plur.my_org_members"],
        )
        .await;
        plur.passes(Case {
            name: "policies of a partitioned table",
            change: FENCED_AUDIT,
            undo: "",
            check: PARTITIONED,
        })
        .await;
        let direct = format!("{FENCED_AUDIT} GRANT SELECT ON plur.audit_events_2025_07 TO plur_reader");
        plur.fails(
            Case { name: "S05 a partition is reachable", change: &direct, undo: "", check: PARTITIONED },
            &["plur.audit_events_2025_07", "plur_reader has SELECT"],
        )
        .await;
        let column = format!("{FENCED_AUDIT} GRANT SELECT (org) ON plur.audit_events_2025_08 TO PUBLIC");
        plur.fails(
            Case { name: "S05 a partition's column is", change: &column, undo: "", check: PARTITIONED },
            &["plur.audit_events_2025_08", "PUBLIC has SELECT"],
        )
        .await;
        let closed = format!("{direct}; ALTER TABLE plur.audit_events_2025_07 ENABLE ROW LEVEL SECURITY");
        plur.passes(Case {
            name: "a reachable partition with row security of its own",
            change: &closed,
            undo: "",
            check: PARTITIONED,
        })
        .await;

        // The role itself.
        plur.fails(
            Case {
                name: "S12 the role is superuser",
                change: "ALTER ROLE plur_app SUPERUSER",
                undo: "ALTER ROLE plur_app NOSUPERUSER",
                check: BEHAVIOUR,
            },
            &["role plur_app", "it is superuser"],
        )
        .await;
        plur.fails(
            Case {
                name: "R11 the role has BYPASSRLS",
                change: "ALTER ROLE plur_app BYPASSRLS",
                undo: "ALTER ROLE plur_app NOBYPASSRLS",
                check: BEHAVIOUR,
            },
            &["role plur_app", "BYPASSRLS"],
        )
        .await;
        plur.fails(
            behaves(
                "S12 the role owns the table",
                "ALTER TABLE plur.memberships OWNER TO plur_app;
                 ALTER TABLE plur.memberships NO FORCE ROW LEVEL SECURITY",
            ),
            &["role plur_app", "owner"],
        )
        .await;
        plur.passes(behaves("the owner under FORCE is a role like others", "ALTER TABLE plur.memberships OWNER TO plur_app")).await;

        // What the role sees.
        plur.fails(
            behaves(
                "a policy that fails open without a setting",
                "ALTER POLICY org_fence ON plur.memberships
                     USING (org = coalesce(nullif(current_setting('plur.org', true), ''), org))",
            ),
            &["it sees no row"],
        )
        .await;
        plur.fails(
            behaves("the grant is lost", "REVOKE SELECT ON plur.memberships FROM plur_app"),
            &["its query fails", "42501"],
        )
        .await;
        plur.fails(
            behaves(
                "S10 a policy needs a setting that is lost",
                "ALTER POLICY org_fence ON plur.memberships USING (org = current_setting('plur.lost'))",
            ),
            &["its query fails", "42704"],
        )
        .await;
        plur.fails(
            case("denied no more", "GRANT SELECT ON plur.memberships TO plur_auditor"),
            &["plur_auditor", "it sees 0 rows"],
        )
        .await;
        plur.fails(
            case("a write is refused that must go through", "REVOKE UPDATE ON plur.memberships FROM plur_app"),
            &["the write goes through", "it was refused"],
        )
        .await;
        plur.fails(
            behaves("the role may not connect", "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM plur_app', current_database()); END $$"),
            &["it is not let in"],
        )
        .await;

        // Several tables at once.
        let zones = "
            CREATE SCHEMA zone; GRANT USAGE ON SCHEMA zone TO plur_app;
            CREATE TABLE zone.a (org text); CREATE TABLE zone.b (org text); CREATE TABLE zone.c (org text);
            INSERT INTO zone.a VALUES ('acme'), ('borealis'); INSERT INTO zone.b TABLE zone.a;
            GRANT SELECT ON ALL TABLES IN SCHEMA zone TO plur_app;
            CREATE FUNCTION zone.org() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('plur.org', true) $$;
            GRANT EXECUTE ON FUNCTION zone.org() TO plur_app;
            CREATE POLICY fence ON zone.a USING (org = zone.org()); ALTER TABLE zone.a ENABLE ROW LEVEL SECURITY;
            CREATE POLICY fence ON zone.b USING (org = zone.org()); ALTER TABLE zone.b ENABLE ROW LEVEL SECURITY;
            CREATE POLICY fence ON zone.c USING (org = zone.org()); ALTER TABLE zone.c ENABLE ROW LEVEL SECURITY;";
        let check = r#"
            [[check.rls]]
            tables = ["zone.*"]
            policies = [{ name = "fence", using = "org = org()" }]
            skip-empty = true
            behaviour = [
                { role = "plur_app", sees = "none" },
                { role = "plur_app", settings = { "plur.org" = "acme" }, sees-where = "org = 'acme'" },
            ]"#;
        plur.passes(Case { name: "three tables, one of them empty", change: zones, undo: "", check }).await;
        let open = format!("{zones} ALTER TABLE zone.b DISABLE ROW LEVEL SECURITY");
        plur.fails(
            Case { name: "one of three is open", change: &open, undo: "", check },
            &["zone.b as plur_app", "it sees 2 rows"],
        )
        .await;
        let strict = check.replace("skip-empty = true", "");
        plur.cannot_look(
            Case { name: "an empty one is not overlooked", change: zones, undo: "", check: &strict },
            "zone.c is empty",
        )
        .await;
        let nothing = format!("{zones} TRUNCATE zone.a, zone.b");
        plur.cannot_look(
            Case { name: "all are empty", change: &nothing, undo: "", check },
            "every table is empty",
        )
        .await;

        // What shows nothing.
        plur.cannot_look(case("an empty table", "DELETE FROM plur.memberships"), "is empty").await;
        plur.cannot_look(
            behaves("one org only", "DELETE FROM plur.memberships WHERE org <> 'acme' OR revoked_at IS NOT NULL"),
            "nothing shows that others are hidden",
        )
        .await;
        plur.cannot_look(
            behaves("none of the org", "DELETE FROM plur.memberships WHERE org = 'acme'"),
            "no row of plur.memberships",
        )
        .await;
        let tries = |statement: &str| {
            format!("[[check.rls]]\ntable = \"plur.memberships\"\n[[check.rls.behaviour]]\nrole = \"plur_app\"\nsettings = {{ \"plur.org\" = \"acme\" }}\n{statement}")
        };
        for (name, statement, reason) in [
            ("a syntax error is no refusal", "refuses = \"INSERT plur.memberships\"", "42601"),
            ("a key is no refusal", "refuses = \"INSERT INTO plur.memberships SELECT * FROM plur.memberships\"", "23505"),
            ("no right is a refusal, whatever the rows", "refuses = \"DELETE FROM plur.memberships WHERE org = 'nobody'\"", "42501"),
            ("an UPDATE of nothing", "refuses = \"UPDATE plur.memberships SET joined_at = joined_at WHERE org = 'nobody'\"", "even as superuser"),
            ("a condition on a lost column", "sees-where = \"lost = 1\"", "42703"),
        ] {
            let check = tries(statement);
            let case = Case { name, change: "", undo: "", check: &check };
            if reason == "42501" {
                // plur_app has no right to DELETE here at all, and that is a refusal.
                plur.passes(case).await;
            } else {
                plur.cannot_look(case, reason).await;
            }
        }
        let wrong = "[[check.rls]]\ntable = \"plur.memberships\"\npolicies = [{ name = \"org_fence\", using = \"lost = 1\" }, { name = \"revoked_are_gone\", using = \"true\" }]";
        plur.cannot_look(Case { name: "an expression that is none", change: "", undo: "", check: wrong }, "42703").await;
        plur.assert_passed_and_failed("rls");
    })
    .await;
}
