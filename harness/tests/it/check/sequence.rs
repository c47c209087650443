use crate::support::{Case, on_empty, on_plur};

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

const ALL: &str = "[[check.sequence]]\nowned = true\nroom = \"10%\"\n";
const TABLES: &str = "[[check.sequence]]\ntables = [\"plur.*\", \"org_*.engrams\"]\n";
const COLUMNS: &str = "[[check.sequence]]\ncolumns = { \"plur.users.id\" = \"plur.users_id_seq\", \"plur.audit_events.id\" = \"plur.audit_events_id_seq\" }\n";

#[tokio::test(flavor = "multi_thread")]
async fn sequence() {
    on_plur(async |plur| {
        plur.passes(case("the good backup", "", ALL)).await;
        plur.passes(case("the good backup, columns", "", COLUMNS)).await;
        plur.passes(case(
            "harmless: gaps, a sequence of nobody, a cycling one, another's numbers between, a default that makes something else",
            "SELECT nextval('plur.users_id_seq') FROM generate_series(1, 50);
             CREATE SEQUENCE plur.ticket; CREATE SEQUENCE plur.round MAXVALUE 3 CYCLE;
             CREATE TABLE plur.rounds (n int DEFAULT nextval('plur.round')); ALTER SEQUENCE plur.round OWNED BY plur.rounds.n;
             INSERT INTO plur.rounds SELECT 1 FROM generate_series(1, 5);
             CREATE SEQUENCE plur.odd INCREMENT 2 START 1; CREATE TABLE plur.shared (id bigint PRIMARY KEY DEFAULT nextval('plur.odd'));
             ALTER SEQUENCE plur.odd OWNED BY plur.shared.id; INSERT INTO plur.shared VALUES (DEFAULT), (DEFAULT), (4), (6), (8), (100);
             CREATE SEQUENCE plur.shard; CREATE TABLE plur.sharded (id bigint DEFAULT (nextval('plur.shard') << 10)); ALTER SEQUENCE plur.shard OWNED BY plur.sharded.id;
             INSERT INTO plur.sharded SELECT FROM generate_series(1, 3);
             CREATE TABLE plur.down (id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1)); INSERT INTO plur.down SELECT FROM generate_series(1, 3)",
            ALL,
        ))
        .await;
        let fails: &[(&str, &str, &str, &[&str])] = &[
            ("D06 behind an identity column", "SELECT setval('plur.users_id_seq', 5)", ALL, &["plur.users_id_seq; a next value after every row of plur.users.id; the next value is 6, with 115 rows"]),
            ("D06 by one", "SELECT setval('plur.users_id_seq', 120, false)", ALL, &["the next value is 120, with 1 row "]),
            ("D06 never set, of a partitioned table", "ALTER SEQUENCE plur.audit_events_id_seq RESTART", TABLES, &["plur.audit_events_id_seq; a next value after every row of plur.audit_events.id"]),
            ("D06 in a schema of an org", "ALTER TABLE org_borealis.engrams ALTER COLUMN id RESTART", TABLES, &["org_borealis.engrams_id_seq"]),
            ("D06 for a named column", "SELECT setval('plur.users_id_seq', 5)", COLUMNS, &["plur.users_id_seq"]),
            ("it is owned by nobody", "ALTER SEQUENCE plur.audit_events_id_seq OWNED BY NONE", ALL, &["plur.audit_events_id_seq; owned by plur.audit_events.id", "no column owns it"]),
            ("it is owned by another", "CREATE TABLE plur.other (n int); ALTER TABLE plur.other OWNER TO plur_owner; ALTER SEQUENCE plur.audit_events_id_seq OWNED BY plur.other.n", TABLES,
             &["plur.audit_events_id_seq; owned by plur.audit_events.id", "owned by plur.other.n, which does not"]),
            ("the default is gone", "ALTER TABLE plur.audit_events ALTER COLUMN id DROP DEFAULT", COLUMNS, &["plur.audit_events.id; it takes its value from plur.audit_events_id_seq; it takes it from no sequence"]),
            ("the column is no identity any more", "ALTER TABLE plur.users ALTER COLUMN id DROP IDENTITY", COLUMNS, &["plur.users_id_seq; a sequence"]),
            ("it takes from another sequence", "CREATE SEQUENCE plur.x; ALTER TABLE plur.audit_events ALTER COLUMN id SET DEFAULT nextval('plur.x')", COLUMNS, &["it takes it from plur.x"]),
            ("used up", "SELECT setval('plur.users_id_seq', 9223372036854775807)", ALL, &["plur.users_id_seq; a next value of at most"]),
            ("nearly used up", "CREATE TABLE plur.small (id smallserial); SELECT setval('plur.small_id_seq', 32000)", ALL, &["plur.small_id_seq; 10 % of its range left; 2.3 % left"]),
            ("the column is narrower than its sequence", "CREATE SEQUENCE plur.wide; CREATE TABLE plur.narrow (id int DEFAULT nextval('plur.wide')); SELECT setval('plur.wide', 2147483647)",
             "[[check.sequence]]\nsequence = \"plur.wide\"\n", &["at most 2147483647"]),
            ("a sequence that is not owned", "CREATE SEQUENCE plur.n; CREATE TABLE plur.a (id int DEFAULT nextval('plur.n')); CREATE TABLE plur.b (id int DEFAULT nextval('plur.n')); INSERT INTO plur.b VALUES (7)",
             "[[check.sequence]]\nschemas = [\"plur\"]\n", &["plur.n; a next value after every row of plur.b.id"]),
            ("a quoted one, descending", "CREATE SEQUENCE plur.\"My 'Seq\" INCREMENT -1; CREATE TABLE plur.\"T\" (\"Id\" numeric DEFAULT nextval('plur.\"My ''Seq\"')); INSERT INTO plur.\"T\" VALUES (-9), (5)",
             ALL, &["plur.\"My 'Seq\"; a next value after every row of plur.\"T\".\"Id\"; the next value is -1, with 1 row "]),
            ("owned, without a default: an object mapper's", "CREATE SEQUENCE plur.m INCREMENT 50; CREATE TABLE plur.mapped (id bigint PRIMARY KEY); ALTER SEQUENCE plur.m OWNED BY plur.mapped.id; INSERT INTO plur.mapped SELECT generate_series(1, 120)",
             ALL, &["plur.m;", "with 3 rows"]),
            ("rows of a child by inheritance", "CREATE TABLE plur.base (id serial, a int); CREATE TABLE plur.kid () INHERITS (plur.base); INSERT INTO plur.kid VALUES (40, 1)", ALL, &["plur.base_id_seq; a next value after every row of plur.base.id"]),
            ("fed by the application", "CREATE SEQUENCE plur.app_seq", "[[check.sequence]]\nfed-by-application = { \"plur.users.id\" = \"plur.app_seq\" }\n", &["plur.app_seq; a next value after every row of plur.users.id"]),
            ("it is gone", "DROP SEQUENCE plur.audit_events_id_seq CASCADE", "[[check.sequence]]\nsequences = [\"plur.audit_events_id_seq\"]\n", &["plur.audit_events_id_seq; a sequence"]),
            ("a pattern that matches nothing", "", "[[check.sequence]]\nsequences = [\"nosuch.*\"]\n", &["nosuch.*"]),
            ("a table without any", "", "[[check.sequence]]\ntables = [\"plur.orgs\"]\n", &["plur.orgs; a table with a sequence"]),
        ];
        plur.fails_each(fails).await;
        plur.passes(case(
            "left out",
            "SELECT setval('plur.users_id_seq', 5)",
            "[[check.sequence]]\nexcept = [\"plur.users*\"]\n",
        ))
        .await;
        plur.passes(case(
            "a child with a sequence of its own",
            "CREATE TABLE plur.base (id serial, a int); CREATE TABLE plur.kid (id serial) INHERITS (plur.base); INSERT INTO plur.kid (a) SELECT 1 FROM generate_series(1, 9)",
            ALL,
        ))
        .await;
        plur.assert_passed_and_failed("sequence");
    })
    .await;
}

/// Identity columns of partitioned tables came with 17, and an empty database has nothing to look at.
#[tokio::test(flavor = "multi_thread")]
async fn sequence_on_15_and_18() {
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.cannot_look(case("nothing there", "", ALL), "no sequence")
                .await;
            let key = if major >= 17 {
                "bigint GENERATED ALWAYS AS IDENTITY"
            } else {
                "bigserial"
            };
            let tree = format!(
                "CREATE TABLE t (id {key}, at date) PARTITION BY RANGE (at);
                 CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
                 INSERT INTO t (at) SELECT '2026-01-05' FROM generate_series(1, 9);"
            );
            plur.passes(case("good", &tree, ALL)).await;
            let behind = format!("{tree} SELECT setval('t_id_seq', 4);");
            plur.fails(
                case("D06", &behind, ALL),
                &["public.t_id_seq", "with 5 rows"],
            )
            .await;
        })
        .await;
    }
}
