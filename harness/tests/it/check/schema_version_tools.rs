//! `schema-version` with `tool`, and several histories in one table: tables as the tools make them, next to files of the
//! test.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256, Sha384};
use tempfile::TempDir;

use crate::support::{Case, Plur, on_plur};

/// A folder with these files; each holds its own name, unless it has a text.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if text.is_empty() { name } else { text }).unwrap();
    }
    folder
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn check(tool: &str, files: &Path, more: &str) -> String {
    let files = files.display();
    format!("[[check.schema-version]]\ntool = \"{tool}\"\nfiles = \"{files}\"\n{more}")
}

/// What makes the table of a tool, its files, and what breaks it with what must be reported.
struct Tool {
    name: &'static str,
    table: String,
    files: &'static [(&'static str, &'static str)],
    harmless: &'static [&'static str],
    faults: &'static [(&'static str, &'static str, &'static str)],
}

async fn run(plur: &Plur, tool: &Tool) {
    let folder = folder(tool.files);
    let check = check(tool.name, folder.path(), "");
    for change in [""].iter().chain(tool.harmless) {
        let change = format!("{}; {change}", tool.table);
        let name = tool.name;
        plur.passes(Case {
            name,
            change: &change,
            undo: "",
            check: &check,
        })
        .await;
    }
    for (name, change, text) in tool.faults {
        let change = format!("{}; {change}", tool.table);
        plur.fails(
            Case {
                name,
                change: &change,
                undo: "",
                check: &check,
            },
            &[text],
        )
        .await;
    }
}

const JOURNAL: &str = r#"{"version": "7", "dialect": "postgresql", "entries": [
    {"idx": 0, "version": "7", "when": 1700000000000, "tag": "0000_init", "breakpoints": true},
    {"idx": 1, "version": "7", "when": 1700000100000, "tag": "0001_users", "breakpoints": true},
    {"idx": 2, "version": "7", "when": 1700000200000, "tag": "0002_posts", "breakpoints": true}]}"#;

const DRIZZLE: &[(&str, &str)] = &[
    ("meta/_journal.json", JOURNAL),
    ("0000_init.sql", ""),
    (
        "0001_users.sql",
        "CREATE TABLE a ();\r\n--> statement-breakpoint\r\nCREATE TABLE b ();\r\n",
    ),
    ("0002_posts.sql", ""),
];

fn drizzle_table() -> String {
    let hashes = DRIZZLE[1..]
        .iter()
        .map(|(name, text)| sha256(if text.is_empty() { name } else { text }));
    let rows: Vec<String> = hashes
        .enumerate()
        .map(|(n, hash)| format!("('{hash}', 1700000{n}00000)"))
        .collect();
    format!(
        "CREATE SCHEMA drizzle;
         CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
         INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES {}",
        rows.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn drizzle() {
    on_plur(async |plur| {
        run(plur, &Tool {
            name: "drizzle",
            table: drizzle_table(),
            files: DRIZZLE,
            harmless: &[
                "UPDATE drizzle.__drizzle_migrations SET created_at = created_at + 7 WHERE id = 3",
                "UPDATE drizzle.__drizzle_migrations SET id = id + 10",
                "ALTER TABLE drizzle.__drizzle_migrations ADD name text",
            ],
            faults: &[
                ("M01 the newest row is lost", "DELETE FROM drizzle.__drizzle_migrations WHERE id = 3", "pending: 0002_posts.sql"),
                (
                    "M02 a row of no entry",
                    "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('abcdefabcdefabcdef', 1700000300000)",
                    "applied without a file: created_at 1700000300000 with hash abcdefabcdef",
                ),
                ("M05 M11 skipped: older than the newest", "DELETE FROM drizzle.__drizzle_migrations WHERE id = 2", "left out in the middle: 0001_users.sql"),
                (
                    "M11 skipped behind another branch's",
                    "DELETE FROM drizzle.__drizzle_migrations WHERE id = 3;
                     UPDATE drizzle.__drizzle_migrations SET created_at = 1700000250000 WHERE id = 2",
                    "left out in the middle: 0002_posts.sql",
                ),
                ("M06 another hash", "UPDATE drizzle.__drizzle_migrations SET hash = pg_catalog.md5('x') WHERE id = 2", "other bytes: 0001_users.sql"),
                ("M07 empty", "TRUNCATE drizzle.__drizzle_migrations", "the table is empty"),
                ("M08 absent", "DROP TABLE drizzle.__drizzle_migrations", "drizzle.__drizzle_migrations"),
                ("M08 elsewhere", "ALTER TABLE drizzle.__drizzle_migrations SET SCHEMA public", "there is none"),
                ("M12 another table", "ALTER TABLE drizzle.__drizzle_migrations RENAME hash TO digest", "a column hash"),
                (
                    "F42 restored twice",
                    "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) SELECT hash, created_at FROM drizzle.__drizzle_migrations WHERE id = 3",
                    "there more than once: 0002_posts",
                ),
            ],
        })
        .await;

        let files = folder(DRIZZLE);
        let table = drizzle_table();
        let behind = format!("{table}; DELETE FROM drizzle.__drizzle_migrations WHERE id = 3");
        let head = check("drizzle", files.path(), "head = '0002_posts'");
        let older = check("drizzle", files.path(), "head = '0001_users'");
        let waits = check("drizzle", files.path(), "allow-pending = ['0002_posts']");
        let unix = sha256("CREATE TABLE a ();\n--> statement-breakpoint\nCREATE TABLE b ();\n");
        let unix = format!("{table}; UPDATE drizzle.__drizzle_migrations SET hash = '{unix}' WHERE id = 2");
        for (name, change, check) in [
            ("the hash of the same lines", &unix, &head),
            ("its head", &table, &head),
            ("an older head", &behind, &older),
            ("one that may wait", &behind, &waits),
            ("by time only", &table, &"[[check.schema-version]]\ntool = 'drizzle'\nhead = '1700000200000'".to_owned()),
        ] {
            plur.passes(Case { name, change, undo: "", check }).await;
        }
        // Two migrations that were generated together.
        let together = format!("{table}; UPDATE drizzle.__drizzle_migrations SET created_at = 1700000200000 WHERE id = 2");
        let bare = "[[check.schema-version]]\ntool = 'drizzle'\nhead = '1700000200000'\n";
        plur.passes(Case { name: "two of one time", change: &together, undo: "", check: bare }).await;
        let twice = format!("{table}; INSERT INTO drizzle.__drizzle_migrations (hash, created_at) SELECT hash, created_at FROM drizzle.__drizzle_migrations WHERE id = 3");
        plur.fails(Case { name: "F42 restored twice, without files", change: &twice, undo: "", check: bare }, &["there more than once: 1700000200000"]).await;
        let case = Case { name: "M10 an older backup", change: &behind, undo: "", check: &head };
        plur.fails(case, &["version 0002_posts is the newest applied", "version 0001_users is"]).await;
        let case = Case { name: "newer than the head", change: &table, undo: "", check: &older };
        plur.fails(case, &["version 0001_users is the newest applied", "version 0002_posts is"]).await;

        // The repository is at fault, and the backup is not judged.
        let wrong = check("drizzle", files.path(), "head = '0009_gone'");
        let case = Case { name: "an unknown tag", change: &table, undo: "", check: &wrong };
        plur.cannot_look(case, "no entry of `meta/_journal.json` has the tag `0009_gone`").await;
        let gone = folder(&DRIZZLE[..3]);
        let gone = check("drizzle", gone.path(), "");
        let case = Case { name: "a file of the journal is missing", change: &table, undo: "", check: &gone };
        plur.cannot_look(case, "0002_posts.sql").await;
        let bare = folder(&DRIZZLE[1..]);
        let bare = check("drizzle", bare.path(), "");
        let case = Case { name: "no journal", change: &table, undo: "", check: &bare };
        plur.cannot_look(case, "meta/_journal.json").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goose() {
    on_plur(async |plur| {
        run(plur, &Tool {
            name: "goose",
            table: "CREATE TABLE public.goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT pg_catalog.now());
                INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false), (2, true), (3, true)".to_owned(),
            files: &[("00001_a.sql", ""), ("00002_b.go", ""), ("00003_c.sql", ""), ("README.md", "")],
            harmless: &[
                "DELETE FROM public.goose_db_version WHERE id IN (1, 3, 4)",
                "INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (9, true), (9, false)",
            ],
            faults: &[
                ("M01 the newest was undone", "INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (3, false)", "pending: 00003_c.sql"),
                ("M05 undone in the middle", "INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (2, false)", "left out in the middle: 00002_b.go"),
                ("M02 an unknown version", "INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (4, true)", "applied without a file: 4"),
                ("M07 only the first row", "DELETE FROM public.goose_db_version WHERE version_id > 0", "the table is empty"),
                ("M12 another tool's", "ALTER TABLE public.goose_db_version DROP is_applied", "a column is_applied"),
            ],
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_with_checksums() {
    on_plur(async |plur| {
        run(plur, &Tool {
            name: "flyway",
            table: "CREATE TABLE public.flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL DEFAULT '',
                    type varchar(20) NOT NULL, checksum integer, success boolean NOT NULL);
                INSERT INTO public.flyway_schema_history (installed_rank, version, type, checksum, success) VALUES
                    (1, NULL, 'SCHEMA', NULL, true), (2, '1', 'BASELINE', NULL, true), (3, '1.2', 'SQL', -873187034, true),
                    (4, '1.10', 'JDBC', NULL, true), (5, NULL, 'SQL', 7, true), (6, '2', 'SQL', -873187034, true)".to_owned(),
            files: &[("V0_9__before.sql", ""), ("V1_2__a.sql", "1234\r\n56789\r\n"), ("V1_10__b.java", ""), ("V2__c.sql", "123456789"), ("R__view.sql", "")],
            harmless: &[
                "INSERT INTO public.flyway_schema_history (installed_rank, version, type, success) VALUES (7, '3', 'SQL', true), (8, '3', 'UNDO_SQL', true)",
                "INSERT INTO public.flyway_schema_history (installed_rank, version, type, success) VALUES (7, '3', 'SQL', false), (8, '3', 'DELETE', true)",
            ],
            faults: &[
                ("M01 lost", "DELETE FROM public.flyway_schema_history WHERE installed_rank = 6", "pending: V2__c.sql"),
                ("M01 undone", "INSERT INTO public.flyway_schema_history (installed_rank, version, type, success) VALUES (7, '2', 'UNDO_SQL', true)", "pending: V2__c.sql"),
                ("M03 failed", "UPDATE public.flyway_schema_history SET success = false WHERE installed_rank = 6", "half done or failed: 2"),
                ("M03 a repeatable one failed", "UPDATE public.flyway_schema_history SET success = false WHERE installed_rank = 5", "one without a version"),
                ("M05 lost in the middle", "DELETE FROM public.flyway_schema_history WHERE installed_rank = 4", "left out in the middle: V1_10__b.java"),
                ("M06 another checksum", "UPDATE public.flyway_schema_history SET checksum = checksum + 1 WHERE installed_rank = 3", "other bytes: V1_2__a.sql"),
            ],
        })
        .await;

        let (first, second) = (sha256("2025_a/migration.sql"), sha256("x\r\n"));
        run(plur, &Tool {
            name: "prisma",
            table: format!("CREATE TABLE public._prisma_migrations (id text PRIMARY KEY, checksum text NOT NULL, finished_at timestamptz, migration_name text NOT NULL, rolled_back_at timestamptz);
                INSERT INTO public._prisma_migrations VALUES ('1', '{first}', pg_catalog.now(), '2025_a', NULL),
                    ('2', 'x', NULL, '2025_b', pg_catalog.now()), ('3', '{second}', pg_catalog.now(), '2025_b', NULL)"),
            files: &[("2025_a/migration.sql", ""), ("2025_b/migration.sql", "x\n"), ("migration_lock.toml", "")],
            harmless: &["DELETE FROM public._prisma_migrations WHERE id = '2'"],
            faults: &[
                ("M03 not finished", "UPDATE public._prisma_migrations SET finished_at = NULL WHERE id = '3'", "half done or failed: 2025_b"),
                ("M03 rolled back", "UPDATE public._prisma_migrations SET rolled_back_at = pg_catalog.now() WHERE id = '3'", "pending: 2025_b/migration.sql"),
                ("M06 another checksum", "UPDATE public._prisma_migrations SET checksum = pg_catalog.md5('x') WHERE id = '1'", "other bytes: 2025_a/migration.sql"),
                ("F42 twice", "INSERT INTO public._prisma_migrations SELECT '4', checksum, finished_at, migration_name FROM public._prisma_migrations WHERE id = '1'", "more than once: 2025_a"),
            ],
        })
        .await;

        let checksum = |name: &str| hex(&Sha384::digest(name));
        let (first, second) = (checksum("1_a.sql"), checksum("2_b.up.sql"));
        run(plur, &Tool {
            name: "sqlx",
            table: format!("CREATE TABLE public._sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL DEFAULT '', installed_on timestamptz NOT NULL DEFAULT pg_catalog.now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL DEFAULT 0);
                INSERT INTO public._sqlx_migrations (version, success, checksum) VALUES (1, true, '\\x{first}'), (2, true, '\\x{second}')"),
            files: &[("1_a.sql", ""), ("2_b.up.sql", ""), ("2_b.down.sql", "")],
            harmless: &["UPDATE public._sqlx_migrations SET execution_time = -1"],
            faults: &[
                ("M03 failed", "UPDATE public._sqlx_migrations SET success = false WHERE version = 2", "half done or failed: 2"),
                ("M06 another checksum", "UPDATE public._sqlx_migrations SET checksum = '\\x00' WHERE version = 2", "other bytes: 2_b.up.sql"),
            ],
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_without_checksums() {
    let versions = |table: &str, kind: &str, values: &str| {
        format!(
            "CREATE TABLE public.{table} (version {kind} PRIMARY KEY); INSERT INTO public.{table} VALUES {values}"
        )
    };
    // PLUR has a table of this name.
    let free = "ALTER TABLE public.schema_migrations RENAME TO of_plur;
        ALTER INDEX public.schema_migrations_pkey RENAME TO of_plur_pkey; ";
    let tools = [
        Tool {
            name: "rails",
            table: format!("{free}{}", versions("schema_migrations", "varchar", "('20250101000000'), ('20250102000000')")),
            files: &[("20250101000000_a.rb", ""), ("archive/20250102000000_b.rb", "")],
            harmless: &[],
            faults: &[("M01 lost", "DELETE FROM public.schema_migrations WHERE version > '20250101000000'", "pending: archive/20250102000000_b.rb")],
        },
        Tool {
            name: "ecto",
            table: format!("{free}{}", versions("schema_migrations", "bigint", "(20250101000000), (20250102000000)")),
            files: &[("20250101000000_a.exs", ""), ("20250102000000_b.exs", ""), (".formatter.exs", "")],
            harmless: &[],
            faults: &[("M05 lost", "DELETE FROM public.schema_migrations WHERE version = 20250101000000", "left out in the middle: 20250101000000_a.exs")],
        },
        Tool {
            name: "golang-migrate",
            table: format!("{free} CREATE TABLE public.schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO public.schema_migrations VALUES (2, false)"),
            files: &[("000001_a.up.sql", ""), ("000001_a.down.sql", ""), ("000002_b.up.sql", "")],
            harmless: &[],
            faults: &[
                ("M03 dirty", "UPDATE public.schema_migrations SET dirty = true", "half done or failed: 2"),
                ("M10 behind", "UPDATE public.schema_migrations SET version = 1", "pending: 000002_b.up.sql"),
                ("F42 two rows", "INSERT INTO public.schema_migrations VALUES (1, false)", "several rows: 1, 2"),
                ("M12 another tool's", "ALTER TABLE public.schema_migrations DROP dirty", "a column dirty"),
            ],
        },
        Tool {
            name: "diesel",
            table: versions("__diesel_schema_migrations", "varchar(50)", "('00000000000000'), ('20250102030405')"),
            files: &[("00000000000000_diesel_initial_setup/up.sql", ""), ("2025-01-02-030405_a/up.sql", ""), ("2025-01-02-030405_a/down.sql", "")],
            harmless: &[],
            faults: &[("M01 lost", "DELETE FROM public.__diesel_schema_migrations WHERE version > '1'", "pending: 2025-01-02-030405_a/up.sql")],
        },
        Tool {
            name: "refinery",
            table: versions("refinery_schema_history", "integer", "(1), (2)"),
            files: &[("V1__a.sql", ""), ("V2__b.rs", ""), ("mod.rs", "")],
            harmless: &[],
            faults: &[("M05 lost", "DELETE FROM public.refinery_schema_history WHERE version = 1", "left out in the middle: V1__a.sql")],
        },
        Tool {
            name: "typeorm",
            table: "CREATE TABLE public.migrations (id serial PRIMARY KEY, timestamp bigint NOT NULL, name varchar NOT NULL); INSERT INTO public.migrations (timestamp, name) VALUES (1700000000000, 'A1700000000000'), (1700000000001, 'B1700000000001')".to_owned(),
            files: &[("1700000000000-A.ts", ""), ("1700000000001-B.ts", ""), ("1700000000001-B.d.ts", "")],
            harmless: &[],
            faults: &[("M02 unknown", "INSERT INTO public.migrations (timestamp, name) VALUES (1800000000000, 'C')", "applied without a file: 1800000000000")],
        },
        Tool {
            name: "knex",
            table: "CREATE TABLE public.knex_migrations (id serial PRIMARY KEY, name varchar(255), batch integer, migration_time timestamptz);
                CREATE TABLE public.knex_migrations_lock (index serial PRIMARY KEY, is_locked integer);
                INSERT INTO public.knex_migrations_lock VALUES (1, 0);
                INSERT INTO public.knex_migrations (name, batch) VALUES ('20250101_a.js', 1), ('20250102_b.js', 1)".to_owned(),
            files: &[("20250101_a.js", ""), ("20250102_b.js", "")],
            harmless: &[],
            faults: &[
                ("M04 locked", "UPDATE public.knex_migrations_lock SET is_locked = 1", "the lock is held"),
                ("M05 lost", "DELETE FROM public.knex_migrations WHERE id = 1", "left out in the middle: 20250101_a.js"),
            ],
        },
        Tool {
            name: "django",
            table: "CREATE TABLE public.django_migrations (id bigserial PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL DEFAULT pg_catalog.now());
                INSERT INTO public.django_migrations (app, name) VALUES ('auth', '0001_initial'), ('shop', '0001_initial'), ('cart', '0001_initial'), ('shop', '0002_more')".to_owned(),
            files: &[("shop/migrations/__init__.py", ""), ("shop/migrations/0001_initial.py", ""), ("shop/migrations/0002_more.py", ""), ("cart/migrations/0001_initial.py", ""), ("shop/models.py", "")],
            harmless: &["DELETE FROM public.django_migrations WHERE app = 'auth'"],
            faults: &[
                ("M05 lost", "DELETE FROM public.django_migrations WHERE app = 'shop' AND name = '0001_initial'", "pending: shop/migrations/0001_initial.py"),
                ("M02 unknown", "INSERT INTO public.django_migrations (app, name) VALUES ('cart', '0009_x')", "applied without a file: cart.0009_x"),
                ("M07 only those of packages", "DELETE FROM public.django_migrations WHERE app <> 'auth'", "the table is empty"),
            ],
        },
    ];
    on_plur(async |plur| {
        for tool in &tools {
            run(plur, tool).await;
        }
        let liquibase = "CREATE TABLE public.databasechangelog (id varchar(255), author varchar(255), filename varchar(255), orderexecuted integer, exectype varchar(10));
            CREATE TABLE public.databasechangeloglock (id integer, locked boolean);
            INSERT INTO public.databasechangelog VALUES ('1', 'a', 'f', 1, 'EXECUTED'), ('2', 'a', 'f', 2, 'RERAN');
            INSERT INTO public.databasechangeloglock VALUES (1, false);";
        let check = "[[check.schema-version]]\ntool = 'liquibase'\nhead = '2'";
        plur.passes(Case { name: "liquibase", change: liquibase, undo: "", check }).await;
        for (name, change, text) in [
            ("M03 failed", "UPDATE public.databasechangelog SET exectype = 'FAILED' WHERE id = '2'", "half done or failed: 2"),
            ("M04 locked", "UPDATE public.databasechangeloglock SET locked = true", "the lock is held"),
            ("M10 behind", "DELETE FROM public.databasechangelog WHERE id = '2'", "version 1 is"),
        ] {
            let change = format!("{liquibase} {change}");
            plur.fails(Case { name, change: &change, undo: "", check }, &[text]).await;
        }
        run(plur, &Tool {
            name: "alembic",
            table: "CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO public.alembic_version VALUES ('b2'), ('c3')".to_owned(),
            files: &[
                ("a1_first.py", "revision = 'a1'\ndown_revision = None\n"),
                ("b2_left.py", "revision: str = 'b2'\ndown_revision: str | None = 'a1'\n"),
                ("c3_right.py", "revision = 'c3'\ndown_revision = 'a1'\n"),
            ],
            harmless: &[],
            faults: &[
                ("M10 one branch is behind", "UPDATE public.alembic_version SET version_num = 'a1' WHERE version_num = 'c3'", "pending: c3_right.py"),
                ("M01 one branch is lost", "DELETE FROM public.alembic_version WHERE version_num = 'b2'", "pending: b2_left.py"),
                ("M02 unknown", "INSERT INTO public.alembic_version VALUES ('d4')", "applied without a file: d4"),
                ("F42 an earlier revision too", "INSERT INTO public.alembic_version VALUES ('a1')", "rows of earlier ones: a1"),
            ],
        })
        .await;
        let alembic = "CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO public.alembic_version VALUES ('ae1027a6acf');";
        let check = "[[check.schema-version]]\ntool = 'alembic'\nhead = 'ae1027a6acf'";
        plur.passes(Case { name: "alembic", change: alembic, undo: "", check }).await;
        let change = format!("{alembic} UPDATE public.alembic_version SET version_num = '1975ea83b712'");
        plur.fails(Case { name: "M10 behind", change: &change, undo: "", check }, &["version 1975ea83b712 is"]).await;
    })
    .await;
}

const PLUGINS: &str = "
    CREATE TABLE public.namespaces (plugin text PRIMARY KEY, schema_name text NOT NULL);
    CREATE TABLE public.plugin_history (plugin text, file text, checksum text, applied_at timestamptz DEFAULT pg_catalog.now());
    CREATE SCHEMA plugin_one; CREATE TABLE plugin_one.a (); CREATE SCHEMA plugin_two; CREATE TABLE plugin_two.a ();
    INSERT INTO public.namespaces VALUES ('one', 'plugin_one'), ('two', 'plugin_two');";

#[tokio::test(flavor = "multi_thread")]
async fn a_history_for_each_plugin() {
    on_plur(async |plur| {
        let files = folder(&[
            ("one/migrations/001_a.sql", ""),
            ("one/migrations/002_b.sql", ""),
            ("two/migrations/001_a.sql", ""),
            ("three/README.md", ""),
        ]);
        let rows: Vec<String> = [("one", "001_a.sql"), ("one", "002_b.sql"), ("two", "001_a.sql")]
            .map(|(plugin, file)| format!("('{plugin}', '{file}', '{}')", sha256(&format!("{plugin}/migrations/{file}"))))
            .into();
        let table = format!("{PLUGINS} INSERT INTO public.plugin_history (plugin, file, checksum) VALUES {}", rows.join(", "));
        let check = format!(
            "[[check.schema-version]]
            table = 'public.plugin_history'
            column = 'file'
            per = 'plugin'
            files = '{}'
            pattern = '^migrations/([^/]+\\.sql)$'
            success-column = 'applied_at'
            checksum = 'sha256'
            checksum-column = 'checksum'
            schemas = {{ table = 'public.namespaces', key = 'plugin', schema = 'schema_name', named = 'plugin_*' }}",
            files.path().display()
        );
        plur.passes(Case { name: "each plugin", change: &table, undo: "", check: &check }).await;
        for (name, change, texts) in [
            ("M01 the newest of one", "DELETE FROM public.plugin_history WHERE file = '002_b.sql'", &["public.plugin_history [one]", "pending: migrations/002_b.sql"][..]),
            ("M05 the first of one", "DELETE FROM public.plugin_history WHERE plugin = 'one' AND file = '001_a.sql'", &["public.plugin_history [one]", "left out in the middle: migrations/001_a.sql"]),
            ("M03 failed", "UPDATE public.plugin_history SET applied_at = NULL WHERE plugin = 'two'", &["public.plugin_history [two]", "half done or failed: 001_a.sql"]),
            ("M06 another checksum", "UPDATE public.plugin_history SET checksum = 'x' WHERE plugin = 'two'", &["public.plugin_history [two]", "other bytes: migrations/001_a.sql"]),
            ("M07 a whole history is lost", "DELETE FROM public.plugin_history WHERE plugin = 'two'", &["public.plugin_history [two]", "no row", "applied migrations of two"]),
            ("M07 empty", "TRUNCATE public.plugin_history", &["[one]", "[two]", "no row"]),
            ("M08 absent", "DROP TABLE public.plugin_history", &["public.plugin_history", "there is none"]),
            ("M02 of no plugin", "INSERT INTO public.plugin_history VALUES ('nine', '001_a.sql', 'x')", &["[nine]", "a folder with its migration files", "a row for nine"]),
            ("M02 without a plugin", "INSERT INTO public.plugin_history VALUES (NULL, '001_a.sql', 'x')", &["public.plugin_history []", "a folder with its migration files"]),
            ("S01 a schema is lost", "DROP SCHEMA plugin_two CASCADE", &["schema plugin_two", "there is none"]),
            ("S01 its tables are lost", "DROP TABLE plugin_two.a", &["schema plugin_two", "no table"]),
            ("a schema that is not registered", "CREATE SCHEMA \"plugin_X\"; CREATE TABLE \"plugin_X\".a ()", &["schema \"plugin_X\"", "a row in public.namespaces"]),
            ("the registration is lost", "DELETE FROM public.namespaces WHERE plugin = 'one'", &["schema plugin_one", "a row for one, which has applied migrations"]),
            ("the register is lost", "DROP TABLE public.namespaces", &["public.namespaces", "there is none"]),
            ("a path for a name", "INSERT INTO public.plugin_history VALUES ('../../etc', 'passwd', 'x'); INSERT INTO public.namespaces VALUES ('../../etc', 'plugin_one')", &["[../../etc]", "a folder with its migration files"]),
        ] {
            let change = format!("{table}; {change}");
            plur.fails(Case { name, change: &change, undo: "", check: &check }, texts).await;
        }
        let empty = folder(&[("one/README.md", "")]);
        let check = check.replace(&files.path().display().to_string(), &empty.path().display().to_string());
        let case = Case { name: "no migrations", change: &table, undo: "", check: &check };
        plur.cannot_look(case, "no folder with migration files in").await;
    })
    .await;
}

/// A plan, its scripts, and the registry that Sqitch 1.3.1 made of them, in which another project has a change too.
const SQITCH: &[(&str, &str)] = &[
    ("sqitch.plan", include_str!("sqitch/sqitch.plan")),
    (
        "deploy/schema.sql",
        include_str!("sqitch/deploy/schema.sql"),
    ),
    ("deploy/users.sql", include_str!("sqitch/deploy/users.sql")),
    (
        "deploy/users@v1.1.sql",
        include_str!("sqitch/deploy/users@v1.1.sql"),
    ),
    (
        "deploy/app/orders.sql",
        include_str!("sqitch/deploy/app/orders.sql"),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn sqitch() {
    on_plur(async |plur| {
        run(plur, &Tool {
            name: "sqitch",
            table: include_str!("sqitch/registry.sql").to_owned(),
            files: SQITCH,
            harmless: &[
                "DELETE FROM sqitch.changes WHERE project = 'other'",
                "UPDATE sqitch.changes SET script_hash = change_id",
                "UPDATE sqitch.changes SET committed_at = pg_catalog.now(), committer_name = 'Other'",
                "DELETE FROM sqitch.tags",
            ],
            faults: &[
                ("M01 the newest change is lost", "DELETE FROM sqitch.changes WHERE change_id LIKE 'bb3a%'", "pending: users"),
                ("M05 a change in the middle is lost", "DELETE FROM sqitch.dependencies; DELETE FROM sqitch.tags; DELETE FROM sqitch.changes WHERE change = 'app/orders'", "left out in the middle: app/orders"),
                (
                    "M02 a change that the plan does not have",
                    "INSERT INTO sqitch.changes SELECT repeat('ab', 20), repeat('cd', 20), 'invoices', project, '', now(), '', '', now(), '', '' FROM sqitch.changes WHERE change = 'schema'",
                    "applied without a file: shop:invoices with id abababababab",
                ),
                (
                    "M06 a change of the plan was another one when it was deployed",
                    "UPDATE sqitch.changes SET change_id = repeat('ab', 20) WHERE change = 'schema'",
                    "applied without a file: shop:schema with id abababababab",
                ),
                (
                    "M06 a script was changed after it was deployed",
                    "UPDATE sqitch.changes SET script_hash = repeat('ab', 20) WHERE change_id LIKE '8250%'",
                    "other bytes: users@v1.0",
                ),
                ("M06 the digest of a script is lost", "UPDATE sqitch.changes SET script_hash = NULL WHERE change = 'app/orders'", "none: app/orders"),
                ("M07 the registry is empty", "TRUNCATE sqitch.changes CASCADE", "the table is empty"),
                ("M07 only another project is left", "DELETE FROM sqitch.tags; DELETE FROM sqitch.dependencies; DELETE FROM sqitch.changes WHERE project = 'shop'", "pending: schema, users@v1.0, app/orders, users"),
            ],
        })
        .await;
        let folder = folder(SQITCH);
        for (change, head, fails) in [
            ("", "users", None),
            ("DELETE FROM sqitch.changes WHERE change_id LIKE 'bb3a%'", "app/orders", None),
            ("", "app/orders", Some("version users is")),
            ("DELETE FROM sqitch.changes WHERE change_id LIKE 'bb3a%'", "users", Some("version app/orders is")),
        ] {
            let change = format!("{}; {change}", include_str!("sqitch/registry.sql"));
            let check = check("sqitch", folder.path(), &format!("head = \"{head}\""));
            let case = Case {
                name: head,
                change: &change,
                undo: "",
                check: &check,
            };
            match fails {
                None => plur.passes(case).await,
                Some(text) => plur.fails(case, &[text]).await,
            }
        }
    })
    .await;
}
