//! `append-only` on the PLUR database, whole and broken.

use crate::support::{Case, on_own_plur, on_plur};

const CHECK: &str = r#"
[[check.append-only]]
table = "plur.audit_events"
also = ["plur.audit_events_20*"]
roles = ["plur_app", "plur_auditor"]
insert-by = ["plur_app"]
insert = "INSERT INTO plur.audit_events (occurred_at, org, action, detail) VALUES ('2026-05-31 12:00:00+00', 'acme', 'login', '{}')"
attempt-as-owner = true

[[check.append-only.triggers]]
name = "audit_events_refuse_change"
on = "row"
events = ["update", "delete"]
enabled = "always"
function = "plur.refuse_audit_change"

[[check.append-only.triggers]]
on = "statement"
events = ["truncate"]
enabled = "always"
"#;

/// Only who may do what.
const ROLES: &str = r#"
[[check.append-only]]
table = "plur.audit_events"
roles = ["plur_app", "plur_auditor"]
"#;

/// Only whether triggers work.
const OWNER: &str = r#"
[[check.append-only]]
table = "plur.audit_events"
also = ["plur.audit_events_2025_05"]
attempt-as-owner = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn append_only() {
    on_own_plur(async |plur| {
        let case = |name, change| Case { name, change, undo: "", check: CHECK };
        let roles = |name, change, undo| Case { name, change, undo, check: ROLES };
        let owner = |name, change| Case { name, change, undo: "", check: OWNER };

        // What is right, and what is harmless.
        plur.passes(case("the good backup", "")).await;
        plur.passes(roles("a reader more", "GRANT SELECT ON plur.audit_events TO plur_reader", "")).await;
        plur.passes(roles(
            "a right of somebody who is not named",
            "GRANT UPDATE, DELETE ON plur.audit_events TO plur_org_acme; REVOKE plur_org_acme FROM plur_app",
            "GRANT plur_org_acme TO plur_app WITH INHERIT FALSE, SET TRUE",
        ))
        .await;
        plur.passes(roles("the owner is superuser", "ALTER TABLE plur.audit_events OWNER TO plur_admin", "")).await;
        plur.passes(case("the owner is superuser, and triggers hold", "ALTER TABLE plur.audit_events OWNER TO plur_admin")).await;
        plur.passes(case(
            "the owner lacks the rights itself",
            "REVOKE ALL ON plur.audit_events, plur.audit_events_2025_06 FROM plur_owner",
        ))
        .await;
        plur.passes(owner(
            "a trigger that lets an idle UPDATE through",
            "CREATE OR REPLACE FUNCTION plur.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF TG_OP = 'UPDATE' THEN
                 IF NEW IS DISTINCT FROM OLD THEN RAISE EXCEPTION 'closed' USING ERRCODE = '23001'; END IF;
                 RETURN NEW;
               END IF;
               RAISE EXCEPTION 'closed'; END $$",
        ))
        .await;
        plur.passes(owner(
            "a trigger that swallows the change",
            "CREATE OR REPLACE FUNCTION plur.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF TG_OP = 'TRUNCATE' THEN RAISE EXCEPTION 'closed'; END IF; RETURN NULL; END $$",
        ))
        .await;

        // Rights.
        plur.fails(
            roles("A01 a grant on one partition", "GRANT UPDATE ON plur.audit_events_2025_11 TO plur_app", ""),
            &["plur.audit_events_2025_11, role plur_app", "UPDATE granted to it"],
        )
        .await;
        plur.fails(
            roles("A01 on the table itself", "GRANT DELETE ON plur.audit_events TO plur_auditor", ""),
            &["plur.audit_events, role plur_auditor", "DELETE granted to it"],
        )
        .await;
        plur.fails(
            roles("A07 a grant on one column", "GRANT UPDATE (detail) ON plur.audit_events TO plur_app", ""),
            &["UPDATE on column detail granted to it"],
        )
        .await;
        plur.fails(
            roles("a right without SELECT", "REVOKE SELECT ON plur.audit_events FROM plur_app; GRANT DELETE ON plur.audit_events TO plur_app", ""),
            &["DELETE granted to it"],
        )
        .await;
        plur.fails(
            roles("R04 PUBLIC may TRUNCATE", "GRANT TRUNCATE ON plur.audit_events_2025_12 TO PUBLIC", ""),
            &["plur.audit_events_2025_12, role plur_auditor", "TRUNCATE granted to PUBLIC"],
        )
        .await;
        plur.fails(
            roles("a right of a role that it inherits", "GRANT DELETE ON plur.audit_events TO plur_reader", ""),
            &["role plur_app", "granted to plur_reader"],
        )
        .await;
        plur.fails(
            roles("a right of a role that it can SET ROLE to", "GRANT DELETE ON plur.audit_events TO plur_org_acme", ""),
            &["role plur_app", "granted to plur_org_acme"],
        )
        .await;
        plur.fails(
            roles("TRIGGER lets it put code on the table", "GRANT TRIGGER ON plur.audit_events TO plur_app", ""),
            &["TRIGGER granted to it"],
        )
        .await;
        plur.fails(
            roles("pg_write_all_data", "GRANT pg_write_all_data TO plur_app", "REVOKE pg_write_all_data FROM plur_app"),
            &["member of pg_write_all_data"],
        )
        .await;
        plur.fails(
            roles("A08 the role owns the table", "ALTER TABLE plur.audit_events_2025_10 OWNER TO plur_app", ""),
            &["plur.audit_events_2025_10, role plur_app", "it owns the table", "DISABLE TRIGGER"],
        )
        .await;
        plur.fails(
            roles("A08 the role can become the owner", "GRANT plur_owner TO plur_app", "REVOKE plur_owner FROM plur_app"),
            &["it can become plur_owner, which owns the table"],
        )
        .await;
        plur.fails(
            roles("the role owns the schema, and may drop what is in it", "ALTER SCHEMA plur OWNER TO plur_app", ""),
            &["DROP as owner of the schema"],
        )
        .await;
        plur.fails(
            roles("the role is superuser", "ALTER ROLE plur_app SUPERUSER", "ALTER ROLE plur_app NOSUPERUSER"),
            &["role plur_app", "it is superuser"],
        )
        .await;
        plur.fails(
            roles("the role can become superuser", "GRANT plur_admin TO plur_app", "REVOKE plur_admin FROM plur_app"),
            &["role plur_app", "it can become plur_admin"],
        )
        .await;
        plur.fails(
            roles(
                "the role can write the server's files",
                "GRANT pg_execute_server_program TO plur_auditor",
                "REVOKE pg_execute_server_program FROM plur_auditor",
            ),
            &["role plur_auditor", "pg_execute_server_program"],
        )
        .await;
        plur.fails(
            roles(
                "A04 the role may put triggers to sleep",
                "GRANT SET ON PARAMETER session_replication_role TO plur_app",
                "REVOKE SET ON PARAMETER session_replication_role FROM plur_app",
            ),
            &["role plur_app", "session_replication_role"],
        )
        .await;
        plur.fails(
            Case {
                name: "R01 the role is lost",
                change: "",
                undo: "",
                check: "[[check.append-only]]\ntable = \"plur.audit_events\"\nroles = [\"plur_lost\"]",
            },
            &["role plur_lost"],
        )
        .await;

        plur.passes(roles(
            "a role that it inherits from could become the owner, and it cannot",
            "GRANT plur_reader TO plur_app WITH SET FALSE;
             GRANT plur_owner TO plur_reader WITH INHERIT FALSE, SET TRUE",
            "REVOKE plur_owner FROM plur_reader; GRANT plur_reader TO plur_app WITH SET TRUE",
        ))
        .await;
        plur.fails(
            roles(
                "a role that it can become could become the owner",
                "GRANT plur_owner TO plur_org_acme WITH INHERIT FALSE, SET TRUE",
                "REVOKE plur_owner FROM plur_org_acme",
            ),
            &["it can become plur_owner"],
        )
        .await;
        plur.passes(roles(
            "a membership that gives nothing",
            "GRANT plur_owner TO plur_app WITH INHERIT FALSE, SET FALSE",
            "REVOKE plur_owner FROM plur_app",
        ))
        .await;
        plur.fails(
            roles(
                "a membership that it can widen itself",
                "GRANT plur_owner TO plur_app WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
                "REVOKE plur_owner FROM plur_app",
            ),
            &["it can become plur_owner"],
        )
        .await;

        plur.passes(roles(
            "ADMIN OPTION of a role that it is a member of, and neither inherits nor can become",
            "CREATE ROLE lead; GRANT plur_owner TO lead WITH ADMIN TRUE; GRANT lead TO plur_app WITH INHERIT FALSE, SET FALSE",
            "DROP ROLE lead",
        ))
        .await;
        plur.fails(
            roles(
                "ADMIN OPTION that it inherits",
                "CREATE ROLE lead; GRANT plur_owner TO lead WITH ADMIN TRUE, INHERIT FALSE; GRANT lead TO plur_app WITH SET FALSE",
                "DROP ROLE lead",
            ),
            &["it can become plur_owner"],
        )
        .await;
        plur.fails(
            roles(
                "the rights of a superuser that it cannot become",
                "GRANT plur_admin TO plur_auditor WITH INHERIT TRUE, SET FALSE",
                "REVOKE plur_admin FROM plur_auditor",
            ),
            &["role plur_auditor", "it has the rights of plur_admin, which is superuser"],
        )
        .await;

        // Triggers.
        plur.fails(
            case("A02 a trigger is off on one partition", "ALTER TABLE plur.audit_events_2025_09 DISABLE TRIGGER audit_events_refuse_change"),
            &["plur.audit_events_2025_09", "is disabled", "UPDATE of column", "DELETE of one row went through"],
        )
        .await;
        plur.fails(
            case("A03 a partition can be emptied", "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_2025_08"),
            &["plur.audit_events_2025_08", "TRUNCATE went through"],
        )
        .await;
        plur.fails(
            case("A03 an empty partition too", "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_default"),
            &["plur.audit_events_default", "TRUNCATE went through"],
        )
        .await;
        plur.fails(
            case("A05 ALWAYS became ORIGIN", "ALTER TABLE plur.audit_events_2025_07 ENABLE TRIGGER audit_events_refuse_change"),
            &["plur.audit_events_2025_07", "sleeps when session_replication_role"],
        )
        .await;
        plur.fails(
            case("A09 a detached partition lost its trigger", "DROP TRIGGER audit_events_refuse_change ON plur.audit_events_2025_05"),
            &["plur.audit_events_2025_05", "there is no trigger audit_events_refuse_change"],
        )
        .await;
        plur.fails(
            case(
                "A09 a copy without triggers and with grants",
                "CREATE TABLE plur.audit_events_2024_12 (LIKE plur.audit_events); GRANT ALL ON plur.audit_events_2024_12 TO plur_app",
            ),
            &["plur.audit_events_2024_12, role plur_app", "there is no trigger"],
        )
        .await;
        plur.fails(
            case(
                "A11 the function does nothing",
                "CREATE OR REPLACE FUNCTION plur.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
            ),
            &["UPDATE of column", "DELETE of one row went through", "TRUNCATE went through"],
        )
        .await;
        plur.fails(
            owner(
                "A11 the function watches one column only",
                "CREATE OR REPLACE FUNCTION plur.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF TG_OP = 'UPDATE' THEN
                     IF NEW.id <> OLD.id THEN RAISE EXCEPTION 'closed'; END IF; RETURN NEW;
                   END IF; RAISE EXCEPTION 'closed'; END $$",
            ),
            &["UPDATE of column"],
        )
        .await;
        plur.fails(
            case(
                "a trigger on some columns",
                "DROP TRIGGER audit_events_refuse_change ON plur.audit_events_2025_05;
                 CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OF id OR DELETE ON plur.audit_events_2025_05
                     FOR EACH ROW EXECUTE FUNCTION plur.refuse_audit_change();
                 ALTER TABLE plur.audit_events_2025_05 ENABLE ALWAYS TRIGGER audit_events_refuse_change",
            ),
            &["fires only on UPDATE of some columns", "UPDATE of column"],
        )
        .await;
        plur.fails(
            case(
                "a trigger with another function",
                "CREATE FUNCTION plur.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
                 DROP TRIGGER audit_events_refuse_change ON plur.audit_events_2025_05;
                 CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OR DELETE ON plur.audit_events_2025_05
                     FOR EACH ROW EXECUTE FUNCTION plur.nothing();
                 ALTER TABLE plur.audit_events_2025_05 ENABLE ALWAYS TRIGGER audit_events_refuse_change",
            ),
            &["calls plur.nothing"],
        )
        .await;

        // A10: rules in the place of triggers.
        const RULES: &str = "
            CREATE TABLE plur.ruled (id int PRIMARY KEY, note text);
            INSERT INTO plur.ruled VALUES (1, 'a');
            CREATE RULE no_update AS ON UPDATE TO plur.ruled DO INSTEAD NOTHING;
            CREATE RULE no_delete AS ON DELETE TO plur.ruled DO INSTEAD NOTHING;
            CREATE TRIGGER no_truncate BEFORE TRUNCATE ON plur.ruled EXECUTE FUNCTION plur.refuse_audit_change();";
        let ruled = "[[check.append-only]]\ntable = \"plur.ruled\"\nattempt-as-owner = true";
        plur.passes(Case { name: "rules stop the owner", change: RULES, undo: "", check: ruled }).await;
        let unruled = format!("{RULES} ALTER TABLE plur.ruled DISABLE RULE no_update; DROP RULE no_delete ON plur.ruled");
        plur.fails(
            Case { name: "A10 a rule is disabled, another lost", change: &unruled, undo: "", check: ruled },
            &["UPDATE of column", "DELETE of one row went through"],
        )
        .await;
        let referred = "
            CREATE TABLE plur.ruled (id int PRIMARY KEY); INSERT INTO plur.ruled VALUES (1);
            CREATE TABLE plur.refers (id int REFERENCES plur.ruled); INSERT INTO plur.refers VALUES (1);";
        plur.fails(
            Case { name: "only a foreign key is in the way", change: referred, undo: "", check: ruled },
            &["only a foreign key stopped it", "TRUNCATE went through"],
        )
        .await;

        // Old inheritance.
        let inherited = "
            CREATE TABLE plur.old_log (id int, note text);
            CREATE TABLE plur.old_log_1 () INHERITS (plur.old_log);
            INSERT INTO plur.old_log_1 VALUES (1, 'a');
            ALTER TABLE plur.old_log OWNER TO plur_owner; ALTER TABLE plur.old_log_1 OWNER TO plur_owner;";
        let log = "[[check.append-only]]\ntable = \"plur.old_log\"\nroles = [\"plur_app\"]";
        plur.passes(Case { name: "inheritance", change: inherited, undo: "", check: log }).await;
        let open = format!("{inherited} GRANT SELECT, DELETE ON plur.old_log_1 TO plur_app");
        plur.fails(
            Case { name: "a grant on a child", change: &open, undo: "", check: log },
            &["plur.old_log_1, role plur_app", "DELETE of one row went through"],
        )
        .await;

        // Adding.
        plur.fails(
            case("INSERT is lost", "REVOKE INSERT ON plur.audit_events FROM plur_app"),
            &["the right to INSERT", "it has none"],
        )
        .await;
        plur.fails(
            case("the sequence is not granted", "REVOKE USAGE ON SEQUENCE plur.audit_events_id_seq FROM plur_app"),
            &["the INSERT goes through", "it was refused"],
        )
        .await;
        plur.cannot_look(
            case("the INSERT is not valid", "ALTER TABLE plur.audit_events ADD CONSTRAINT never CHECK (org <> 'acme') NOT VALID"),
            "23514",
        )
        .await;

        // What shows nothing, and what is wrong all the same.
        let empty = "
            CREATE TABLE plur.empty_log (id int, note text);
            ALTER TABLE plur.empty_log OWNER TO plur_owner;";
        let log = "[[check.append-only]]\ntable = \"plur.empty_log\"\nroles = [\"plur_app\"]";
        plur.cannot_look(
            Case { name: "an empty trail", change: empty, undo: "", check: log },
            "is empty",
        )
        .await;
        let open = format!("{empty} GRANT UPDATE ON plur.empty_log TO plur_app");
        plur.fails(
            Case { name: "an empty trail with a grant", change: &open, undo: "", check: log },
            &["UPDATE granted to it", "is empty"],
        )
        .await;
        plur.fails(
            case("the trail is lost", "DROP TABLE plur.audit_events CASCADE"),
            &["plur.audit_events", "there is none"],
        )
        .await;
        plur.assert_passed_and_failed("append-only");
    })
    .await;
}

/// Caracal's triggers stop UPDATE and DELETE, and not TRUNCATE.
const STATEMENTS: &str = r#"
[[check.append-only]]
table = "plur.audit_events"
roles = ["plur_app", "plur_auditor"]
attempt-as-owner = true
statements = ["update", "delete"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_must_be_refused() {
    on_plur(async |plur| {
        let case = |name, change, check| Case { name, change, undo: "", check };
        let truncate = "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_2025_08;
                        DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events;
                        GRANT TRUNCATE ON plur.audit_events, plur.audit_events_2025_09 TO plur_app";
        for change in ["", truncate] {
            let seen = plur.run(case("TRUNCATE is not judged", change, STATEMENTS)).await.unwrap();
            assert_eq!(seen.all_findings().count(), 0, "{seen:?}");
            assert!(seen.expected.contains("TRUNCATE not judged"), "{}", seen.expected);
            let listed: Vec<&str> = seen.not_tested.iter().map(|one| one.what.as_str()).collect();
            assert_eq!(listed, ["whether TRUNCATE of plur.audit_events is refused"]);
        }
        let all = STATEMENTS.replace("statements = [\"update\", \"delete\"]", "");
        let other = STATEMENTS.replace("\"update\", \"delete\"", "\"truncate\"");
        plur.passes(case("all three", "", &all)).await;
        let change = "GRANT UPDATE, DELETE ON plur.audit_events TO plur_app; ALTER TABLE plur.audit_events DISABLE TRIGGER audit_events_refuse_change";
        plur.passes(case("only TRUNCATE is judged", change, &other)).await;
        plur.fails_each(&[
            ("A03 all three", truncate, &all, &["TRUNCATE granted to it", "plur.audit_events_2025_08; TRUNCATE is stopped by a trigger"]),
            ("A03 TRUNCATE alone", truncate, &other, &["TRUNCATE granted to it", "plur.audit_events_2025_08; TRUNCATE is stopped by a trigger"]),
            ("A01 a right to DELETE", "GRANT DELETE ON plur.audit_events_2025_09 TO plur_auditor", STATEMENTS, &["plur.audit_events_2025_09, role plur_auditor", "DELETE granted to it"]),
            ("A07 a right to UPDATE one column", "GRANT UPDATE (detail) ON plur.audit_events TO plur_app", STATEMENTS, &["UPDATE on column detail granted to it"]),
            ("a right to make triggers", "GRANT TRIGGER ON plur.audit_events TO plur_app", STATEMENTS, &["TRIGGER granted to it"]),
            ("A08 it owns a partition", "ALTER TABLE plur.audit_events_2025_10 OWNER TO plur_app", STATEMENTS, &["it owns the table"]),
            ("A02 a trigger is off", "ALTER TABLE plur.audit_events_2025_09 DISABLE TRIGGER audit_events_refuse_change", STATEMENTS,
             &["UPDATE is stopped by a trigger", "DELETE is stopped by a trigger"]),
            ("a view of the owner", "CREATE VIEW plur.trail AS SELECT * FROM plur.audit_events; ALTER VIEW plur.trail OWNER TO plur_owner; GRANT DELETE ON plur.trail TO plur_app;
              ALTER TABLE plur.audit_events DISABLE TRIGGER audit_events_refuse_change", STATEMENTS, &["role plur_app has DELETE on plur.trail"]),
        ])
        .await;
    })
    .await;
}
