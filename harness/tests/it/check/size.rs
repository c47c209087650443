use crate::support::{Case, Plur, on_plur};

fn check(body: &str) -> String {
    format!("[[check.size]]\n{body}")
}

async fn passes(plur: &Plur, name: &str, change: &str, body: &str) {
    let check = check(body);
    plur.passes(Case {
        name,
        change,
        undo: "",
        check: &check,
    })
    .await;
}

async fn fails(plur: &Plur, name: &str, change: &str, body: &str, texts: &[&str]) {
    let check = check(body);
    plur.fails(
        Case {
            name,
            change,
            undo: "",
            check: &check,
        },
        texts,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn size() {
    on_plur(async |plur| {
        let engrams = "tables = ['org_*.engrams']\nmin = '500 KiB'\nmax = '50 MiB'";
        passes(plur, "the good backup", "", engrams).await;
        passes(plur, "harmless: a comment, statistics", "COMMENT ON TABLE org_acme.engrams IS 'x'; ANALYZE", engrams).await;
        fails(plur, "F20 a table came back empty", "TRUNCATE org_borealis.engrams CASCADE", engrams, &["org_borealis.engrams; at least 512.0 kB"]).await;
        fails(plur, "a table grew beyond its bounds", "", "table = 'org_acme.engrams'\nmax = '100 KiB'", &["org_acme.engrams; at most 102.4 kB"]).await;
        let indexes = "table = 'org_acme.engrams'\nof = 'indexes'\nmin = '300 KiB'";
        passes(plur, "indexes", "", indexes).await;
        fails(plur, "V02 the large indexes are gone", "DROP INDEX org_acme.engrams_embedding_hnsw_idx, org_acme.engrams_embedding_ivfflat_idx, org_acme.engrams_words_idx", indexes, &["at least 307.2 kB"]).await;
        passes(plur, "the rows do not count them", "DROP INDEX org_acme.engrams_embedding_hnsw_idx", "table = 'org_acme.engrams'\nof = 'table'\nmin = '500 KiB'").await;
        let audit = "table = 'plur.audit_events'\nof = 'table'\nmin = '500 KiB'";
        passes(plur, "a partitioned table is all its partitions", "", audit).await;
        fails(plur, "P03 most partitions are detached",
            "DO $$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'plur.audit_events'::regclass LIMIT 11 LOOP EXECUTE 'ALTER TABLE plur.audit_events DETACH PARTITION ' || p; END LOOP; END $$",
            audit, &["plur.audit_events; at least 512.0 kB"]).await;
        fails(plur, "a table is missing", "DROP TABLE plur.sessions", "table = 'plur.sessions'\nmin = '1 kB'", &["plur.sessions; a table; there is none"]).await;
        fails(plur, "a pattern that matches nothing", "", "tables = ['nosuch.*']\nmin = '1 kB'", &["nosuch.*"]).await;
        passes(plur, "the database", "", "whole = 'database'\nmin = '10 MB'\nmax = '1 GB'").await;
        fails(plur, "F20 most of the database is gone", "DROP SCHEMA org_acme, org_borealis, org_cumulus, plur CASCADE", "whole = 'database'\nmin = '20 MB'", &["the database; at least 20.0 MB"]).await;
        passes(plur, "the backup", "", "whole = 'backup'\nmin = '100 KiB'").await;
        let first = check("whole = 'backup'\nprevious = '80%'");
        let case = Case { name: "F45 the first backup has none before it", change: "", undo: "", check: &first };
        match plur.backup.before {
            None => plur.cannot_look(case, "no backup before this one").await,
            Some(_) => plur.passes(case).await,
        }
        fails(plur, "F45 the backup is too small", "", "whole = 'backup'\nmin = '1 GiB'", &["the backup; at least 1.07 GB"]).await;
        plur.assert_passed_and_failed("size");
    })
    .await;
}
