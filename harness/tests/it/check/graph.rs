//! `graph` against broken and changed graphs.

use crate::support::{Case, on_own_plur, on_plur, on_restored_plur};

const CHECK: &str = r#"
[[check.graph]]
graph = "plur_permissions"
role = "plur_app"
vertices = { User = 120, Group = 24, Scope = { min = 60 } }
edges = { MEMBER_OF = 240, GRANTS = { min = 1 } }
patterns = [
    { pattern = "(u:User)-[:MEMBER_OF]->(g:Group)", rows = 240 },
    { pattern = "(u:User)-[:MEMBER_OF]->(:Group)-[:GRANTS]->(s:Scope) WHERE u.org = 'acme'", min = 1 },
]
"#;

/// Only what plur_app reads by label, for cases in which the whole graph is not its to read.
const TOPICS: &str = r#"
[[check.graph]]
graph = "plur_topics"
role = "plur_app"
vertices = { Topic = 12 }
edges = { RELATED_TO = 18 }
only-these-labels = true
"#;

/// Without a role: the graph alone.
const SUPERUSER: &str = r#"
[[check.graph]]
graph = "plur_topics"
patterns = [{ pattern = "(a:Topic)-[:RELATED_TO]->(b:Topic)", rows = 18 }]
"#;

/// Replaces `{}` by the name of the database.
const ON_DATABASE: &str =
    "DO $$BEGIN EXECUTE pg_catalog.format('{}', pg_catalog.current_database()); END$$";

const SUCCEEDING: &[(&str, &str, &str)] = &[
    ("the good backup", "", CHECK),
    ("the good backup, second graph", "", TOPICS),
    ("the good backup, as superuser", "", SUPERUSER),
    (
        "X29 a sequence that skipped numbers",
        r#"SELECT setval('plur_permissions."User_id_seq"', 5000)"#,
        CHECK,
    ),
    (
        "a graph of another application",
        "LOAD 'age'; SET search_path = ag_catalog, public; SELECT create_graph('another')",
        CHECK,
    ),
    (
        "a table of the application in the graph's schema",
        "CREATE TABLE plur_permissions.notes (id int PRIMARY KEY)",
        CHECK,
    ),
    (
        "a new label without rows",
        "LOAD 'age'; SET search_path = ag_catalog, public; SELECT create_vlabel('plur_permissions', 'Later')",
        CHECK,
    ),
    (
        "a new index",
        r#"CREATE INDEX ON plur_permissions."GRANTS" (end_id)"#,
        CHECK,
    ),
    (
        "a least-privilege role that may not read the whole graph",
        "REVOKE SELECT ON plur_topics._ag_label_vertex, plur_topics._ag_label_edge FROM plur_reader",
        TOPICS,
    ),
    (
        "a database without preloading, as superuser",
        "ALTER DATABASE {} RESET session_preload_libraries",
        SUPERUSER,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn good_graphs_pass() {
    on_plur(async |plur| {
        for (name, change, check) in SUCCEEDING {
            let change = on_database(change);
            let change = change.as_str();
            let undo = "";
            plur.passes(Case {
                name,
                change,
                undo,
                check,
            })
            .await;
        }
    })
    .await;
}

/// Writes a statement about the database that a case runs in.
fn on_database(change: &str) -> String {
    if change.contains("{}") {
        ON_DATABASE.replace("{}", &change.replace('\'', "''").replace("{}", "%I"))
    } else {
        change.to_owned()
    }
}

const FAILING: &[(&str, &str, &str, &[&str])] = &[
    (
        "G03 an empty ag_label",
        "DELETE FROM ag_catalog.ag_label",
        CHECK,
        &[
            "plur_permissions._ag_label_vertex",
            "plur_permissions.\"User\"",
        ],
    ),
    (
        "G03 one label lost from ag_label",
        "DELETE FROM ag_catalog.ag_label WHERE name = 'Group'",
        CHECK,
        &[
            "plur_permissions.\"Group\"",
            "ag_catalog.ag_label does not know",
        ],
    ),
    (
        "G04 a graph that is not registered",
        "DELETE FROM ag_catalog.ag_label; DELETE FROM ag_catalog.ag_graph",
        CHECK,
        &[
            "graph plur_permissions",
            "schema plur_permissions",
            "schema plur_topics",
        ],
    ),
    (
        "a label's table is gone",
        r#"UPDATE ag_catalog.ag_label SET relation = 4000000000::oid::regclass WHERE name = 'Group'"#,
        CHECK,
        &["plur_permissions.\"Group\"", "no table in its schema"],
    ),
    (
        "a label's sequence is gone",
        r#"ALTER TABLE plur_permissions."Group" ALTER id DROP DEFAULT; DROP SEQUENCE plur_permissions."Group_id_seq""#,
        CHECK,
        &["plur_permissions.\"Group\"", "no sequence"],
    ),
    (
        "the extension is gone",
        "DROP EXTENSION age CASCADE",
        CHECK,
        &["extension age", "none in the restored database"],
    ),
    (
        "G10 a library that is not the catalog's",
        "UPDATE pg_catalog.pg_extension SET extversion = '1.3.0' WHERE extname = 'age'",
        CHECK,
        &["extension age", "version 1.3.0"],
    ),
    (
        "G07 a sequence that is behind",
        r#"SELECT setval('plur_permissions."User_id_seq"', 7)"#,
        CHECK,
        &["plur_permissions.\"User\"", "it is at 7"],
    ),
    (
        "G07 an id twice",
        r#"ALTER TABLE plur_topics."Topic" DROP CONSTRAINT IF EXISTS "Topic_pkey"; INSERT INTO plur_topics."Topic" SELECT * FROM plur_topics."Topic" LIMIT 1"#,
        TOPICS,
        &[
            "1 vertex with an id that is taken",
            "exactly 12 vertices",
            "13 vertices",
        ],
    ),
    (
        "G08 dangling edges",
        r#"DELETE FROM plur_topics."Topic" WHERE id::text = (SELECT min(id::text) FROM plur_topics."Topic")"#,
        TOPICS,
        &[
            "plur_topics.\"RELATED_TO\"",
            "without a vertex",
            "11 vertices",
            "as SQL counts",
        ],
    ),
    (
        "ids of another label",
        r#"UPDATE plur_topics."Topic" SET id = (id::text::bigint + 281474976710656)::text::ag_catalog.graphid"#,
        TOPICS,
        &["12 vertices with another label's id"],
    ),
    (
        "edges are lost",
        r#"DELETE FROM plur_permissions."MEMBER_OF" WHERE ctid = (SELECT min(ctid) FROM plur_permissions."MEMBER_OF")"#,
        CHECK,
        &[
            "exactly 240 edges",
            "239 edges",
            "(u:User)-[:MEMBER_OF]->(g:Group)",
            "239 rows",
        ],
    ),
    (
        "an empty graph",
        r#"TRUNCATE plur_topics."Topic", plur_topics."RELATED_TO""#,
        TOPICS,
        &["0 vertices", "0 edges"],
    ),
    (
        "a label that is not listed",
        "LOAD 'age'; SET search_path = ag_catalog, public; SELECT create_vlabel('plur_topics', 'Extra')",
        TOPICS,
        &["plur_topics.\"Extra\"", "a label with 0 vertices"],
    ),
    (
        "a label's table outside the inheritance",
        r#"ALTER TABLE plur_topics."Topic" NO INHERIT plur_topics._ag_label_vertex"#,
        TOPICS,
        &["MATCH (n)", "0 rows"],
    ),
    (
        "G05 the library is not loaded",
        "ALTER DATABASE {} RESET session_preload_libraries",
        CHECK,
        &["unhandled cypher"],
    ),
    (
        "R06 the search_path is lost",
        "ALTER ROLE plur_app IN DATABASE {} RESET search_path",
        CHECK,
        &["operator does not exist"],
    ),
    (
        "G06 no right on ag_catalog",
        "REVOKE USAGE ON SCHEMA ag_catalog FROM plur_reader",
        CHECK,
        &["permission denied for schema ag_catalog"],
    ),
    (
        "G06 no right on a label",
        r#"REVOKE SELECT ON plur_permissions."User" FROM plur_reader, plur_app"#,
        CHECK,
        &["permission denied for table User"],
    ),
    (
        "the role may not connect",
        "REVOKE CONNECT ON DATABASE {} FROM plur_app, PUBLIC",
        CHECK,
        &["role plur_app", "permission denied for database"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn broken_graphs_fail() {
    on_own_plur(async |plur| {
        plur.passes(Case {
            name: "the good backup",
            change: "",
            undo: "",
            check: CHECK,
        })
        .await;
        for (name, change, check, texts) in FAILING {
            let change = on_database(change);
            let change = change.as_str();
            let undo = "";
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
        plur.assert_passed_and_failed("graph");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_fails() {
    on_plur(async |plur| {
        let cases = [
            (
                CHECK.replace("plur_permissions", "plur_gone"),
                "AGE does not know it",
            ),
            (CHECK.replace("plur_app", "plur_gone"), "role plur_gone"),
            (
                CHECK.replace("Scope =", "Scopes ="),
                "plur_permissions.\"Scopes\"",
            ),
        ];
        for (check, text) in &cases {
            let name = text;
            plur.fails(
                Case {
                    name,
                    change: "",
                    undo: "",
                    check,
                },
                &[text],
            )
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_no_fault() {
    on_plur(async |plur| {
        let pattern = |text: &str| SUPERUSER.replace("(a:Topic)-[:RELATED_TO]->(b:Topic)", text);
        let cases = [
            (
                "a pattern that writes",
                "",
                pattern("(n) CREATE (:Topic)"),
                "read-only transaction",
            ),
            (
                "a pattern that is none",
                "",
                pattern("(n) RETURN n"),
                "syntax error",
            ),
            (
                "nothing to look at",
                r#"TRUNCATE plur_topics."Topic", plur_topics."RELATED_TO""#,
                SUPERUSER.replace("18", "0"),
                "holds no vertex",
            ),
        ];
        for (name, change, check, text) in &cases {
            plur.cannot_look(
                Case {
                    name,
                    change,
                    undo: "",
                    check,
                },
                text,
            )
            .await;
        }
    })
    .await;
}

/// AGE 1.8.0 still counts with a stale id, and returns no vertex and no edge.
#[tokio::test(flavor = "multi_thread")]
async fn g01_a_stale_id_is_told_where_age_needs_it() {
    const REPAIR: &str = "
        ALTER TABLE ag_catalog.ag_label DROP CONSTRAINT fk_graph_oid;
        UPDATE ag_catalog.ag_label l SET graph = g.namespace::oid FROM ag_catalog.ag_graph g WHERE g.graphid = l.graph;
        UPDATE ag_catalog.ag_graph SET graphid = namespace::oid;
        ALTER TABLE ag_catalog.ag_label ADD CONSTRAINT fk_graph_oid
            FOREIGN KEY (graph) REFERENCES ag_catalog.ag_graph (graphid)";
    on_restored_plur(Some(18), async |plur| {
        for check in [CHECK, TOPICS, SUPERUSER] {
            let case = |name, change| Case {
                name,
                change,
                undo: "",
                check,
            };
            let stale = case("G01 as any dump restores it", "");
            plur.fails(stale, &["graph with oid", "does not exist"])
                .await;
            plur.passes(case("repaired", REPAIR)).await;
        }
    })
    .await;
}
