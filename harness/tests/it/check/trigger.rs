use crate::support::{Case, on_empty, on_plur};

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

const ALL: &str = "[[check.trigger]]\ntables = [\"plur.*\"]\nall-enabled = true\n";

const AUDIT: &str = r#"
[[check.trigger]]
table = "plur.audit_events"

[[check.trigger.triggers]]
name = "audit_events_refuse_change"
enabled = "always"
timing = "before"
events = ["update", "delete"]
level = "row"
function = "plur.refuse_audit_change"
definition = """
    CREATE TRIGGER audit_events_refuse_change
    BEFORE DELETE OR UPDATE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION plur.refuse_audit_change()"""

[[check.trigger.triggers]]
name = "audit_events_refuse_truncate"
enabled = "always"
events = ["truncate"]
level = "statement"
on-partitions = true
"#;

const PLAIN: &str = "[[check.trigger]]\ntables = [\"plur.audit_events\"]\ntriggers = [{ name = \"audit_events_refuse_change\" }, { name = \"audit_events_refuse_truncate\" }]\n";

/// An event trigger and rules, which PLUR has not.
const OTHERS: &str = "
CREATE FUNCTION plur.refuse_drop() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER refuse_drop ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA') EXECUTE FUNCTION plur.refuse_drop();
ALTER EVENT TRIGGER refuse_drop ENABLE ALWAYS;
CREATE TABLE plur.ruled (id int);
CREATE RULE no_delete AS ON DELETE TO plur.ruled DO INSTEAD NOTHING;
CREATE VIEW plur.seen AS SELECT id FROM plur.ruled;
CREATE FUNCTION plur.put() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER put INSTEAD OF INSERT ON plur.seen FOR EACH ROW EXECUTE FUNCTION plur.put();
";

const EVENT: &str = "[[check.trigger]]\nevent-triggers = [{ name = \"refuse_drop\", enabled = \"always\", event = \"sql_drop\", tags = [\"DROP SCHEMA\", \"DROP TABLE\"], function = \"plur.refuse_drop\", owner = \"plur_admin\" }]\n";
const RULE: &str = "[[check.trigger]]\ntable = \"plur.ruled\"\nrules = [{ name = \"no_delete\", definition = \"CREATE RULE no_delete AS ON DELETE TO ruled DO INSTEAD NOTHING\" }]\n";
const VIEW: &str = "[[check.trigger]]\ntable = \"plur.seen\"\ntriggers = [{ name = \"put\", timing = \"instead-of\", events = [\"insert\"] }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn trigger() {
    on_plur(async |plur| {
        for check in [ALL, AUDIT, PLAIN] {
            plur.passes(case("the good backup", "", check)).await;
            plur.passes(case(
                "harmless: other triggers, one for a replica that is named nowhere else, comments, a function with another body",
                "CREATE TRIGGER more AFTER INSERT ON plur.users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
                 DROP TRIGGER more ON plur.users;
                 CREATE FUNCTION plur.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                 CREATE TRIGGER note AFTER INSERT ON plur.users FOR EACH ROW EXECUTE FUNCTION plur.note();
                 COMMENT ON TRIGGER note ON plur.users IS 'x'",
                check,
            ))
            .await;
        }
        for check in [EVENT, RULE, VIEW] {
            plur.passes(case("others", OTHERS, check)).await;
        }
        plur.fails_each(&[
            ("A02 disabled on one partition", "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER audit_events_refuse_change", ALL,
             &["trigger audit_events_refuse_change on plur.audit_events_2026_01; it fires in ordinary sessions; disabled"]),
            ("A02 for a named trigger", "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER audit_events_refuse_change", AUDIT,
             &["trigger audit_events_refuse_change on plur.audit_events_2026_01; enabled ALWAYS; disabled"]),
            ("A02 without a state", "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER audit_events_refuse_truncate", PLAIN,
             &["trigger audit_events_refuse_truncate on plur.audit_events_2026_01; it fires in ordinary sessions; disabled"]),
            ("A02 for replicas only", "ALTER TABLE plur.audit_events ENABLE REPLICA TRIGGER audit_events_refuse_change", ALL, &["enabled REPLICA only"]),
            ("A05 every trigger was made plainly enabled", "ALTER TABLE plur.audit_events ENABLE TRIGGER USER", AUDIT,
             &["trigger audit_events_refuse_change on plur.audit_events; enabled ALWAYS; enabled", "trigger audit_events_refuse_truncate on plur.audit_events; enabled ALWAYS; enabled"]),
            ("A05 on one partition", "ALTER TABLE plur.audit_events_2026_01 ENABLE TRIGGER audit_events_refuse_change", ALL, &["enabled ALWAYS, as on its parent; enabled"]),
            ("disabled on a plain table", "CREATE FUNCTION plur.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
              CREATE TRIGGER note AFTER INSERT ON plur.users FOR EACH ROW EXECUTE FUNCTION plur.note(); ALTER TABLE plur.users DISABLE TRIGGER note", ALL, &["trigger note on plur.users; it fires in ordinary sessions; disabled"]),
            ("A03 a partition lost its TRUNCATE trigger", "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_2026_01", AUDIT, &["trigger audit_events_refuse_truncate on plur.audit_events_2026_01"]),
            ("it is gone", "DROP TRIGGER audit_events_refuse_change ON plur.audit_events", PLAIN, &["trigger audit_events_refuse_change on plur.audit_events; a trigger; there is none"]),
            ("it is another", "DROP TRIGGER audit_events_refuse_change ON plur.audit_events;
              CREATE TRIGGER audit_events_refuse_change AFTER UPDATE OF detail ON plur.audit_events FOR EACH ROW EXECUTE FUNCTION plur.refuse_audit_change()", AUDIT,
             &["BEFORE; AFTER", "it fires on UPDATE, DELETE; it fires on UPDATE", "enabled ALWAYS; enabled", "CREATE TRIGGER audit_events_refuse_change AFTER UPDATE OF detail"]),
            ("only when it does not matter", "DROP TRIGGER audit_events_refuse_change ON plur.audit_events;
              CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OR DELETE ON plur.audit_events FOR EACH ROW WHEN (old.id < 0) EXECUTE FUNCTION plur.refuse_audit_change();
              ALTER TABLE plur.audit_events ENABLE ALWAYS TRIGGER audit_events_refuse_change", AUDIT, &["WHEN ((old.id < 0))"]),
            ("A11 it calls another function", "CREATE FUNCTION plur.stub() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
              DROP TRIGGER audit_events_refuse_change ON plur.audit_events;
              CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OR DELETE ON plur.audit_events FOR EACH ROW EXECUTE FUNCTION plur.stub()", AUDIT,
             &["it calls plur.refuse_audit_change; it calls plur.stub"]),
            ("a table is gone", "DROP TABLE plur.audit_events CASCADE", AUDIT, &["plur.audit_events; a table"]),
            ("A12 the event trigger is gone", "", EVENT, &["event trigger refuse_drop; an event trigger; there is none"]),
            ("A12 it is disabled", &format!("{OTHERS} ALTER EVENT TRIGGER refuse_drop DISABLE"), EVENT, &["event trigger refuse_drop; enabled ALWAYS; disabled"]),
            ("A12 it is another", &format!("{OTHERS} DROP EVENT TRIGGER refuse_drop; CREATE EVENT TRIGGER refuse_drop ON ddl_command_end EXECUTE FUNCTION plur.refuse_drop()"), EVENT,
             &["it fires on sql_drop; it fires on ddl_command_end", "for every command"]),
            ("A10 the rule is gone", &format!("{OTHERS} DROP RULE no_delete ON plur.ruled"), RULE, &["rule no_delete on plur.ruled; a rule; there is none"]),
            ("A10 the rule is off", &format!("{OTHERS} ALTER TABLE plur.ruled DISABLE RULE no_delete"), RULE, &["rule no_delete on plur.ruled; it fires in ordinary sessions; disabled"]),
            ("A10 the rule is another", &format!("{OTHERS} DROP RULE no_delete ON plur.ruled; CREATE RULE no_delete AS ON UPDATE TO plur.ruled DO INSTEAD NOTHING"), RULE, &["ON UPDATE TO plur.ruled"]),
            ("a view's trigger is gone", &format!("{OTHERS} DROP TRIGGER put ON plur.seen"), VIEW, &["trigger put on plur.seen"]),
        ])
        .await;
        plur.cannot_look(case("tables without triggers", "", "[[check.trigger]]\ntable = \"plur.orgs\"\nall-enabled = true\n"), "no trigger").await;
        plur.assert_passed_and_failed("trigger");
    })
    .await;
}

/// Up to 14 a copy on a partition is an internal trigger, and only later servers rename it too.
#[tokio::test(flavor = "multi_thread")]
async fn trigger_on_15_and_18() {
    const TREE: &str = "
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE TABLE t (at date, id int) PARTITION BY RANGE (at);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TRIGGER refuse BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION refuse();";
    const CHECK: &str = "[[check.trigger]]\ntables = [\"public.*\"]\nall-enabled = true\ntriggers = [{ name = \"refuse\", enabled = \"origin\" }]\n";
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.passes(case("good", TREE, CHECK)).await;
            let off = format!("{TREE} ALTER TABLE t_1 DISABLE TRIGGER refuse");
            plur.fails(
                case("A02", &off, CHECK),
                &["trigger refuse on public.t_1; enabled; disabled"],
            )
            .await;
        })
        .await;
    }
}
