//! `rls` on the PLUR database, whole and broken.

use crate::support::{Case, on_own_plur, on_plur};

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

/// Five tables under one policy each: with a key, with a trigger that keeps rows as they are, in partitions, with a right to
/// update one column, without rows.
const ZONES: &str = "
    CREATE SCHEMA zone; GRANT USAGE ON SCHEMA zone TO plur_app;
    CREATE TABLE zone.keyed (id int PRIMARY KEY, org text, note text DEFAULT 'x');
    CREATE TABLE zone.immutable (id int, org text NOT NULL);
    CREATE TABLE zone.trail (at date, org text) PARTITION BY RANGE (at);
    CREATE TABLE zone.trail_1 PARTITION OF zone.trail FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE zone.narrow (id int GENERATED ALWAYS AS IDENTITY, org text, revoked_at timestamptz);
    CREATE TABLE zone.empty (org text);
    INSERT INTO zone.keyed VALUES (1, 'acme'), (2, 'borealis'), (3, NULL);
    INSERT INTO zone.immutable SELECT id, org FROM zone.keyed WHERE org IS NOT NULL;
    INSERT INTO zone.trail SELECT '2026-01-05', org FROM zone.keyed;
    INSERT INTO zone.narrow (org) SELECT org FROM zone.keyed;
    CREATE FUNCTION zone.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'immutable' USING ERRCODE = '42501'; END $$;
    CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON zone.immutable FOR EACH ROW EXECUTE FUNCTION zone.keep();
    GRANT SELECT, INSERT, UPDATE, DELETE ON zone.keyed, zone.immutable, zone.empty TO plur_app;
    GRANT SELECT, INSERT ON zone.trail TO plur_app;
    GRANT SELECT, INSERT (org), UPDATE (revoked_at) ON zone.narrow TO plur_app;
    DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY '{keyed,immutable,trail,narrow,empty}'::text[] LOOP
      EXECUTE format('ALTER TABLE zone.%I ENABLE ROW LEVEL SECURITY', t);
      EXECUTE format('CREATE POLICY fence ON zone.%I USING (org = current_setting(''plur.org'', true))', t);
    END LOOP; END $$;
";

const CLOSED: &str = r#"
[[check.rls]]
tables = ["zone.*"]
skip-empty = true
behaviour = [{ role = "plur_app", writes = "none" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_writes_without_a_setting() {
    on_plur(async |plur| {
        let zones = |change: &str| format!("{ZONES}{change}");
        let passes = async |name, change: &str| {
            let change = zones(change);
            plur.passes(Case { name, change: &change, undo: "", check: CLOSED }).await;
        };
        passes("five tables, one of them empty", "").await;
        passes("a policy for each command",
            "DROP POLICY fence ON zone.keyed;
             CREATE POLICY r ON zone.keyed FOR SELECT USING (true);
             CREATE POLICY i ON zone.keyed FOR INSERT WITH CHECK (org = current_setting('plur.org', true));
             CREATE POLICY u ON zone.keyed FOR UPDATE USING (org = current_setting('plur.org', true));
             CREATE POLICY d ON zone.keyed FOR DELETE USING (org = current_setting('plur.org', true))").await;
        passes("no right at all", "REVOKE ALL ON zone.keyed FROM plur_app").await;
        passes("a trigger before policies are asked, which refuses every statement",
            "CREATE TRIGGER no BEFORE INSERT OR UPDATE OR DELETE ON zone.keyed EXECUTE FUNCTION zone.keep()").await;
        passes("a default that is no value for the column", "ALTER TABLE zone.keyed ALTER COLUMN note SET NOT NULL, ALTER COLUMN note SET DEFAULT NULL").await;
        let cases = [
            ("S03 row security of one table is off", "ALTER TABLE zone.keyed DISABLE ROW LEVEL SECURITY",
             vec!["zone.keyed as plur_app; its INSERT writes no row; the policies let it through, and only a constraint stopped it (23505)",
                  "zone.keyed as plur_app; its UPDATE writes no row; the policies let it through, and only a constraint stopped it (23502)", "zone.keyed as plur_app; its DELETE writes no row; it writes 3 rows"]),
            ("the policy of one table takes any new row", "ALTER POLICY fence ON zone.trail WITH CHECK (true)",
             vec!["zone.trail as plur_app; its INSERT writes no row; it writes 1 row"]),
            ("… any new row without an org", "ALTER POLICY fence ON zone.trail WITH CHECK (org IS NULL OR org = current_setting('plur.org', true))",
             vec!["zone.trail as plur_app; its INSERT writes no row; it writes 1 row"]),
            ("an INSERT policy more", "CREATE POLICY more ON zone.narrow FOR INSERT WITH CHECK (true)",
             vec!["zone.narrow as plur_app; its INSERT writes no row; it writes 1 row"]),
            ("an UPDATE policy that SELECT hides, on the one column that it may set", "CREATE POLICY more ON zone.narrow FOR UPDATE USING (true)",
             vec!["zone.narrow as plur_app; its UPDATE writes no row; it writes 3 rows"]),
            ("a DELETE policy, where only a trigger is in the way", "CREATE POLICY more ON zone.immutable FOR DELETE USING (true)",
             vec!["zone.immutable as plur_app; its DELETE writes no row; the policies let it through, and only a trigger stopped it: without triggers it writes 2 rows"]),
            ("a policy that fails open without a setting", "ALTER POLICY fence ON zone.keyed USING (org = coalesce(current_setting('plur.org', true), org))",
             vec!["zone.keyed as plur_app; its DELETE writes no row; it writes 2 rows"]),
            ("it is one for all", "CREATE POLICY admin ON zone.keyed USING (true)", vec!["its DELETE writes no row; it writes 3 rows"]),
        ];
        for (name, change, texts) in cases {
            let change = zones(change);
            plur.fails(Case { name, change: &change, undo: "", check: CLOSED }, &texts).await;
        }
        let always = zones("CREATE TRIGGER no BEFORE INSERT ON zone.keyed EXECUTE FUNCTION zone.keep(); ALTER TABLE zone.keyed ENABLE ALWAYS TRIGGER no");
        let case = Case { name: "a trigger that always stops it first", change: &always, undo: "", check: CLOSED };
        plur.cannot_look(case, "INSERT of zone.keyed as plur_app ended in 42501").await;
        let strict = CLOSED.replace("skip-empty = true", "");
        plur.cannot_look(Case { name: "never on an empty table", change: ZONES, undo: "", check: &strict }, "zone.empty is empty").await;
        let lost = zones("ALTER POLICY fence ON zone.keyed USING (org = current_setting('plur.lost'))");
        plur.cannot_look(Case { name: "S10 a policy that fails", change: &lost, undo: "", check: CLOSED }, "42704").await;
    })
    .await;
}
