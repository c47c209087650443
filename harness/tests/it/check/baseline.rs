//! `baseline` on the restored PLUR database: each change of the table of faults, and changes of its own.

use std::collections::BTreeSet;

use redrill::baseline::file::save;
use redrill::baseline::take::{TakeOptions, take};
use redrill::baseline::{Baseline, Database};
use redrill::database::{Session, Terms};
use redrill::sql::QualifiedName;

use crate::drill::broken::table::{Change, HARMLESS, SECTIONS};
use crate::support::{Case, Plur, on_plur, on_restored_plur};

/// Changes of values in tables that may change, which an earlier moment cannot tell from life; and what the
/// server or the build of an index does, which is no definition. The kinds that look at values see them.
const LIFE: &[&str] = &[
    "a migration has lost its name, which only the team's own program reads",
    // Nobody but the files of the repository knows that it is none of them.
    "a migration is recorded that the repository does not have",
    "a row is later than the backup, so a clock was wrong",
    "an extension is older than the application needs",
    "dead rows fill a table",
    "edges end nowhere",
    "ids are there twice",
    "keys are there twice behind the index",
    "some rows lost their vector",
    "some vectors are nothing but zeros",
    "the IVFFlat index of one org was made over a few rows of a test, before its rows came",
    "the same for another org",
    "the check is there, and a row breaks it",
    "the foreign key is there, and a row breaks it",
    "the database was made under another version of its collation",
];

/// Changes that break nothing and are changes of the definition all the same: a person accepts them.
const DEFINED: &[&str] = &[
    "statistics targets and extended statistics",
    "an index more",
    "a role more, which may nothing",
    "another application in a schema of its own",
    "a policy made anew, with its expression written otherwise",
];

/// Reads a database as `redrill baseline` does.
async fn read(plur: &Plur, database: &str, digests: bool) -> Database {
    let mut session = Session::superuser(plur.server.endpoint(), database, &Terms::default())
        .await
        .unwrap();
    let options = TakeOptions {
        append_only: vec![QualifiedName::parse("plur.audit_events").unwrap()],
        digests,
        ..TakeOptions::default()
    };
    let taken = take(&mut [&mut session], &options).await.unwrap();
    session.close().await;
    taken
}

fn baseline(database: Database) -> Baseline {
    Baseline {
        taken: "2026-05-25T03:00:00Z".parse().unwrap(),
        from: "the fixture".to_owned(),
        server: "17.6".to_owned(),
        dump: None,
        against: None,
        databases: [("plur".to_owned(), database)].into(),
    }
}

/// The check against a baseline file that lies in a folder of its own.
struct Held {
    _folder: tempfile::TempDir,
    check: String,
}

impl Held {
    async fn of(plur: &Plur, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plur.baseline.toml");
        let clone = plur.cloned().await;
        save(&path, &baseline(read(plur, &clone, true).await)).unwrap();
        let check = format!("[[check.baseline]]\nfile = '{}'\n{more}", path.display());
        Self {
            _folder: folder,
            check,
        }
    }

    fn case<'a>(&'a self, name: &'a str, change: &'a str) -> Case<'a> {
        Case {
            name,
            change,
            undo: "",
            check: &self.check,
        }
    }
}

/// Changes for the sake of speed alone.
const TUNED: &[(&str, &str)] = &[
    (
        "options of storage and vacuum",
        "ALTER TABLE plur.users SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = off)",
    ),
    (
        "how columns are stored and planned for",
        "ALTER TABLE plur.users ALTER COLUMN name SET STORAGE EXTERNAL, ALTER COLUMN name SET STATISTICS 500, ALTER COLUMN name SET (n_distinct = 3)",
    ),
    (
        "replica identity",
        "ALTER TABLE plur.users REPLICA IDENTITY FULL",
    ),
    (
        "the fillfactor of indexes, those of keys among them",
        "DO $$ DECLARE i regclass; BEGIN FOR i IN SELECT indexrelid FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam \
         WHERE indrelid = 'plur.users'::regclass AND amname = 'btree' LOOP EXECUTE format('ALTER INDEX %s SET (fillfactor = 70)', i); END LOOP; END $$",
    ),
];

const SEEN: &[(&str, &str, &[&str])] = &[
    (
        "an option that is no tuning",
        "ALTER TABLE plur.users SET (fillfactor = 70, user_catalog_table = true)",
        &["plur.users", "true"],
    ),
    (
        "an index with another definition",
        "CREATE INDEX tuned ON plur.users (name) WITH (fillfactor = 70)",
        &["tuned"],
    ),
    (
        "A13 an audit row is rewritten, and their number is the same",
        "ALTER TABLE plur.audit_events DISABLE TRIGGER audit_events_refuse_change; UPDATE plur.audit_events SET detail = detail || '{\"x\": 1}' WHERE id = (SELECT min(id) FROM plur.audit_events); ALTER TABLE plur.audit_events ENABLE ALWAYS TRIGGER audit_events_refuse_change",
        &["plur.audit_events_2025_0", "at least one has other values"],
    ),
    (
        "A13 the newest audit row is gone",
        "ALTER TABLE plur.audit_events DISABLE TRIGGER audit_events_refuse_change; DELETE FROM plur.audit_events WHERE id = (SELECT max(id) FROM plur.audit_events); ALTER TABLE plur.audit_events ENABLE ALWAYS TRIGGER audit_events_refuse_change",
        &["newest rows"],
    ),
    (
        "a row of a table that may change is gone",
        "DELETE FROM plur.sessions WHERE ctid IN (SELECT ctid FROM plur.sessions LIMIT 1)",
        &["plur.sessions", "at least"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn baseline_check() {
    on_plur(async |plur| {
        let held = Held::of(plur, "").await;
        plur.passes(held.case("as it was", "")).await;
        for (name, change) in TUNED {
            plur.passes(held.case(name, change)).await;
        }
        for (name, change, texts) in SEEN {
            plur.fails(held.case(name, change), texts).await;
        }
        plur.assert_passed_and_failed("baseline");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute or two: ci/broken.sh runs it"]
async fn every_change_of_the_table_is_seen_by_the_baseline_alone() {
    // As the backup has it: the faults are about its roles.
    on_restored_plur(None, async |plur| {
        let held = Held::of(plur, "").await;
        let mut silent = BTreeSet::new();
        for fault in SECTIONS.iter().flat_map(|section| section.faults) {
            if let Change::Sql { change, undo } = fault.change {
                let looked = plur
                    .run(Case {
                        name: fault.what,
                        change,
                        undo,
                        check: &held.check,
                    })
                    .await;
                let findings = looked.map(|seen| seen.all_findings().count());
                eprintln!("{:6} {}: {findings:?}", fault.id, fault.what);
                if findings == Ok(0) {
                    silent.insert(fault.what);
                }
            }
        }
        assert_eq!(silent, LIFE.iter().copied().collect());
        let mut told = BTreeSet::new();
        for harmless in HARMLESS {
            if let Change::Sql { change, undo } = harmless.change {
                let looked = plur
                    .run(Case {
                        name: harmless.what,
                        change,
                        undo,
                        check: &held.check,
                    })
                    .await;
                if looked.unwrap().all_findings().next().is_some() {
                    told.insert(harmless.what);
                }
            }
        }
        assert_eq!(told, DEFINED.iter().copied().collect());
    })
    .await;
}
