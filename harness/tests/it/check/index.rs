//! `index` on the PLUR backup: three orgs with hnsw and ivfflat, a partitioned audit table.

use std::io::Write as _;

use crate::support::{Case, on_plur};

const HNSW: &str = "
[[check.index]]
tables = ['org_*.engrams']
index = 'engrams_embedding_hnsw_idx'
method = 'hnsw'
unique = false
columns = ['embedding']
operator-classes = { embedding = 'vector_cosine_ops' }
options = { m = 16, ef_construction = 100 }
";

const IVFFLAT: &str = "
[[check.index]]
tables = ['org_*.engrams']
index = 'engrams_embedding_ivfflat_idx'
operator-classes = { embedding = 'public.vector_l2_ops' }
options = { lists = 20 }
";

const ALL_VALID: &str = "
[[check.index]]
tables = ['plur.*', 'org_*.*']
all-valid = true
";

const AUDIT: &str = "
[[check.index]]
table = 'plur.audit_events'
index = 'audit_events_org_occurred_at_idx'
columns = ['org', 'occurred_at']
definition = 'CREATE INDEX audit_events_org_occurred_at_idx ON plur.audit_events USING btree (org, occurred_at)'
";

const USED: &str = "
[[check.index]]
table = 'org_acme.engrams'
index = 'engrams_embedding_hnsw_idx'
used-by.role = 'plur_org_acme'
used-by.query = '''
    SELECT e.id FROM org_acme.engrams e
     ORDER BY e.embedding OPERATOR(public.<=>) (SELECT q.embedding FROM org_acme.engrams q WHERE q.id = 424242)
     LIMIT 10'''
";

const USED_PARTITIONED: &str = "
[[check.index]]
table = 'plur.audit_events'
index = 'audit_events_org_occurred_at_idx'
used-by = { role = 'plur_app', query = \"SELECT count(*) FROM plur.audit_events WHERE org = 'acme' AND occurred_at > '2026-01-01'\" }
";

const USED_BITMAP: &str = "
[[check.index]]
table = 'org_acme.engrams'
index = 'engrams_tags_idx'
used-by = { role = 'plur_org_acme', query = \"SELECT id FROM org_acme.engrams WHERE tags @> '{q1}'\" }
";

#[tokio::test(flavor = "multi_thread")]
async fn index() {
    on_plur(async |plur| {
        let rebuilt = "
            DROP INDEX org_acme.engrams_embedding_hnsw_idx;
            CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams
                USING hnsw (embedding public.vector_cosine_ops) WITH (ef_construction = 100)";
        for (name, change, check) in [
            ("the good backup, hnsw", "", HNSW),
            ("the good backup, ivfflat", "", IVFFLAT),
            ("the good backup, all valid", "", ALL_VALID),
            ("the good backup, partitioned", "", AUDIT),
            ("the good backup, used", "", USED),
            ("the good backup, used on partitions", "", USED_PARTITIONED),
            ("the good backup, used by a bitmap scan", "", USED_BITMAP),
            ("an option left at its default", rebuilt, HNSW),
            ("an index more", "CREATE INDEX more_idx ON org_acme.engrams (title)", ALL_VALID),
            ("the extension in another schema", "CREATE SCHEMA ext; ALTER EXTENSION vector SET SCHEMA ext", HNSW),
            ("a new partition", "CREATE TABLE plur.audit_2030 PARTITION OF plur.audit_events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')", AUDIT),
        ] {
            plur.passes(Case { name, change, undo: "", check }).await;
        }

        let faults: &[(&str, &str, &str, &[&str])] = &[
            (
                "I01 an invalid index",
                "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'org_acme.engrams_tags_idx'::pg_catalog.regclass",
                ALL_VALID,
                &["org_acme.engrams_tags_idx on org_acme.engrams", "invalid"],
            ),
            (
                "I01 an index not ready",
                "UPDATE pg_catalog.pg_index SET indisready = false WHERE indexrelid = 'org_borealis.engrams_embedding_hnsw_idx'::pg_catalog.regclass",
                HNSW,
                &["org_borealis.engrams_embedding_hnsw_idx on org_borealis.engrams", "not ready for inserts"],
            ),
            (
                "I02 an index is lost in one org",
                "DROP INDEX org_cumulus.engrams_embedding_hnsw_idx",
                HNSW,
                &["org_cumulus.engrams_embedding_hnsw_idx on org_cumulus.engrams", "there is none"],
            ),
            (
                "D19 the table itself is lost",
                "DROP TABLE org_acme.engrams CASCADE",
                "[[check.index]]\ntable = 'org_acme.engrams'\nindex = 'engrams_embedding_hnsw_idx'",
                &["org_acme.engrams"],
            ),
            (
                "V03 the operator class of another distance",
                "DROP INDEX org_acme.engrams_embedding_hnsw_idx;
                 CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams
                    USING hnsw (embedding public.vector_ip_ops) WITH (m = 16, ef_construction = 100)",
                HNSW,
                &["operator class vector_cosine_ops on embedding", "operator class public.vector_ip_ops"],
            ),
            (
                "V03 the operator class of another distance leaves the index unused",
                "DROP INDEX org_acme.engrams_embedding_hnsw_idx;
                 CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams
                    USING hnsw (embedding public.vector_ip_ops) WITH (m = 16, ef_construction = 100)",
                USED,
                &["in the plan of the query, as plur_org_acme", "Sort"],
            ),
            (
                "another method and other options",
                "DROP INDEX org_acme.engrams_embedding_hnsw_idx;
                 CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams
                    USING ivfflat (embedding public.vector_cosine_ops) WITH (lists = 5)",
                HNSW,
                &["made with hnsw", "made with ivfflat", "m is not set"],
            ),
            (
                "fewer lists",
                "ALTER INDEX org_acme.engrams_embedding_ivfflat_idx SET (lists = 5)",
                IVFFLAT,
                &["lists = 20", "lists = 5"],
            ),
            (
                "a definition with a condition",
                "DROP INDEX plur.audit_events_org_occurred_at_idx;
                 CREATE INDEX audit_events_org_occurred_at_idx ON plur.audit_events (org, occurred_at) WHERE user_id IS NOT NULL",
                AUDIT,
                &["plur.audit_events_org_occurred_at_idx on plur.audit_events", "WHERE (user_id IS NOT NULL)"],
            ),
            (
                "other columns",
                "DROP INDEX plur.audit_events_org_occurred_at_idx;
                 CREATE INDEX audit_events_org_occurred_at_idx ON plur.audit_events (occurred_at, org)",
                AUDIT,
                &["on (org, occurred_at)", "on (occurred_at, org)"],
            ),
            (
                "P05 a partitioned index that was never attached",
                "DROP INDEX plur.audit_events_org_occurred_at_idx;
                 CREATE INDEX audit_events_org_occurred_at_idx ON ONLY plur.audit_events (org, occurred_at)",
                AUDIT,
                &["invalid", "plur.audit_events_2025_06", "none is attached there"],
            ),
            (
                "P05 a partition's part is invalid",
                "UPDATE pg_catalog.pg_index SET indisvalid = false
                  WHERE indexrelid = (SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
                                       WHERE h.inhparent = 'plur.audit_events_org_occurred_at_idx'::pg_catalog.regclass
                                         AND i.indrelid = 'plur.audit_events_2025_07'::pg_catalog.regclass)",
                AUDIT,
                &["plur.audit_events_2025_07", "it is invalid there"],
            ),
            (
                "P05 all valid looks at partitions too",
                "UPDATE pg_catalog.pg_index SET indisvalid = false
                  WHERE indrelid = 'plur.audit_events_2025_07'::pg_catalog.regclass AND indisprimary",
                ALL_VALID,
                &["on plur.audit_events_2025_07", "invalid"],
            ),
            (
                "V02 the query has no index",
                "DROP INDEX org_acme.engrams_tags_idx; CREATE INDEX engrams_tags_idx ON org_acme.engrams (title)",
                USED_BITMAP,
                &["org_acme.engrams_tags_idx on org_acme.engrams", "Seq Scan on engrams"],
            ),
            (
                "R02 the role may not run the query",
                "REVOKE ALL ON org_acme.engrams FROM plur_org_acme",
                USED_BITMAP,
                &["the query cannot be planned", "42501"],
            ),
        ];
        for (name, change, check, texts) in faults {
            plur.fails(Case { name, change, undo: "", check }, texts).await;
        }

        let none = "[[check.index]]\ntable = 'org_acme.recall_log'\nall-valid = true";
        let case = Case { name: "F41 no index to look at", change: "", undo: "", check: none };
        plur.cannot_look(case, "org_acme.recall_log has no index").await;
        let role = USED_BITMAP.replace("plur_org_acme", "no_such_role");
        let case = Case { name: "no such role", change: "", undo: "", check: &role };
        plur.cannot_look(case, "cannot be no_such_role").await;
        plur.assert_passed_and_failed("index");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_baseline() {
    on_plur(async |plur| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(
            br#"{ "indexes": {
                "org_acme.engrams_pkey": "CREATE UNIQUE INDEX engrams_pkey ON org_acme.engrams USING btree (id)",
                "org_acme.engrams_tags_idx": "CREATE INDEX engrams_tags_idx ON org_acme.engrams  USING gin (tags)",
                "org_acme.engrams_embedding_hnsw_idx": "CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams USING hnsw (embedding public.vector_cosine_ops) WITH (m='16', ef_construction='100')",
                "plur.audit_events_pkey": "CREATE UNIQUE INDEX audit_events_pkey ON ONLY plur.audit_events USING btree (occurred_at, id)"
            } }"#,
        )
        .unwrap();
        let check = format!("[[check.index]]\nbaseline = '{}'", file.path().display());
        for (name, change) in [
            ("the good backup", ""),
            ("an index more", "CREATE INDEX more_idx ON org_acme.engrams (title)"),
            ("an index lost that the baseline does not know", "DROP INDEX org_borealis.engrams_tags_idx"),
            ("a rebuilt index", "REINDEX INDEX org_acme.engrams_tags_idx"),
        ] {
            plur.passes(Case { name, change, undo: "", check: &check }).await;
        }
        let faults: &[(&str, &str, &[&str])] = &[
            (
                "I02 an index is lost",
                "DROP INDEX org_acme.engrams_tags_idx",
                &["org_acme.engrams_tags_idx on org_acme.engrams", "there is none"],
            ),
            (
                "F40 a primary key is lost",
                "ALTER TABLE org_acme.engrams DROP CONSTRAINT engrams_pkey CASCADE",
                &["org_acme.engrams_pkey on org_acme.engrams"],
            ),
            (
                "an index was changed",
                "DROP INDEX org_acme.engrams_tags_idx; CREATE INDEX engrams_tags_idx ON org_acme.engrams USING gin (tags) WHERE tags <> '{}'",
                &["org_acme.engrams_tags_idx on org_acme.engrams", "WHERE"],
            ),
            (
                "V03 the operator class was changed",
                "DROP INDEX org_acme.engrams_embedding_hnsw_idx;
                 CREATE INDEX engrams_embedding_hnsw_idx ON org_acme.engrams
                    USING hnsw (embedding public.vector_l2_ops) WITH (m = 16, ef_construction = 100)",
                &["vector_l2_ops"],
            ),
            (
                "I01 an invalid index",
                "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'org_acme.engrams_tags_idx'::pg_catalog.regclass",
                &["org_acme.engrams_tags_idx on org_acme.engrams", "invalid"],
            ),
        ];
        for (name, change, texts) in faults {
            plur.fails(Case { name, change, undo: "", check: &check }, texts).await;
        }
        let check = "[[check.index]]\nbaseline = '/nowhere/at/all.json'";
        let case = Case { name: "no baseline", change: "", undo: "", check };
        plur.cannot_look(case, "cannot read the baseline").await;
    })
    .await;
}
