//! `schema-version` on the PLUR backup: ten numbered files, their SHA-256 in the table.

use crate::support::{Case, on_plur};

/// The path is absolute, since the check's own folder is not where the fixture is.
const MIGRATIONS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../fixtures/databases/plur/migrations"
);

fn check(more: &str) -> String {
    format!("[[check.schema-version]]\nfiles = \"{MIGRATIONS}\"\n{more}")
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_version() {
    on_plur(async |plur| {
        let plain = check("");
        let head = check("head = '10'");
        let hashed = check("checksum-column = 'checksum'\nchecksum = 'sha256'\nhead = '010'");

        for (name, change, check) in [
            ("the good backup", "", &plain),
            ("the good backup, its head", "", &head),
            ("the good backup, its checksums", "", &hashed),
            (
                "versions kept as text with zeros",
                "ALTER TABLE public.schema_migrations ALTER version TYPE text USING pg_catalog.lpad(version::text, 4, '0')",
                &hashed,
            ),
            (
                "a version that may wait",
                "DELETE FROM public.schema_migrations WHERE version = 10",
                &check("allow-pending = ['010']"),
            ),
            (
                "a version that needs no file",
                "INSERT INTO public.schema_migrations VALUES (11, 'x', 'x', pg_catalog.now())",
                &check("allow-unknown = ['11']"),
            ),
            (
                "files after the head",
                "DELETE FROM public.schema_migrations WHERE version > 8",
                &check("head = '8'"),
            ),
            (
                "checksums kept as bytea, and only later on",
                "ALTER TABLE public.schema_migrations ALTER checksum DROP NOT NULL;
                 ALTER TABLE public.schema_migrations ALTER checksum TYPE bytea USING pg_catalog.decode(checksum, 'hex');
                 UPDATE public.schema_migrations SET checksum = NULL WHERE version < 4",
                &hashed,
            ),
            (
                "one row, the newest",
                "DELETE FROM public.schema_migrations WHERE version < 10;
                 ALTER TABLE public.schema_migrations ADD dirty boolean NOT NULL DEFAULT false",
                &check("keeps = 'newest'\ndirty-column = 'dirty'"),
            ),
            (
                "a lock that nobody holds",
                "CREATE TABLE public.lock (locked boolean); INSERT INTO public.lock VALUES (false)",
                &check("lock = { table = 'public.lock', column = 'locked' }"),
            ),
        ] {
            plur.passes(Case { name, change, undo: "", check }).await;
        }

        let faults: &[(&str, &str, &str, &[&str])] = &[
            (
                "M01 the newest row is lost",
                "DELETE FROM public.schema_migrations WHERE version = 10",
                &plain,
                &["public.schema_migrations", "pending: 010-audit-aggregate.sql"],
            ),
            (
                "M02 an unknown version",
                "INSERT INTO public.schema_migrations VALUES (11, 'x', 'x', pg_catalog.now())",
                &plain,
                &["applied without a file: 11"],
            ),
            (
                "M02 a version beyond the head",
                "INSERT INTO public.schema_migrations VALUES (11, 'x', 'x', pg_catalog.now())",
                &head,
                &["version 10 is the newest applied", "version 11 is"],
            ),
            (
                "M03 dirty",
                "ALTER TABLE public.schema_migrations ADD dirty boolean NOT NULL DEFAULT false;
                 UPDATE public.schema_migrations SET dirty = true WHERE version = 7",
                &check("dirty-column = 'dirty'"),
                &["half done or failed: 7"],
            ),
            (
                "M03 not finished",
                "ALTER TABLE public.schema_migrations ALTER applied_at DROP NOT NULL;
                 UPDATE public.schema_migrations SET applied_at = NULL WHERE version = 7",
                &check("success-column = 'applied_at'"),
                &["half done or failed: 7"],
            ),
            (
                "M04 the lock is held",
                "CREATE TABLE public.lock (is_locked integer); INSERT INTO public.lock VALUES (1)",
                &check("lock = { table = 'public.lock', column = 'is_locked' }"),
                &["public.lock", "the lock is held"],
            ),
            (
                "M05 a row in the middle is lost",
                "DELETE FROM public.schema_migrations WHERE version = 4",
                &plain,
                &["left out in the middle: 004-embeddings.sql"],
            ),
            (
                "M06 a checksum was changed",
                "UPDATE public.schema_migrations SET checksum = pg_catalog.md5('x') WHERE version = 4",
                &hashed,
                &["other bytes: 004-embeddings.sql"],
            ),
            (
                "M07 the table is empty",
                "TRUNCATE public.schema_migrations",
                &plain,
                &["the table is empty"],
            ),
            (
                "M08 the table is gone",
                "DROP TABLE public.schema_migrations",
                &plain,
                &["public.schema_migrations", "there is none"],
            ),
            (
                "M08 the table is in another schema",
                "ALTER TABLE public.schema_migrations SET SCHEMA plur",
                &plain,
                &["public.schema_migrations", "there is none"],
            ),
            (
                "M10 an older backup",
                "DELETE FROM public.schema_migrations WHERE version > 8",
                &head,
                &["version 8 is", "pending: 009-attachments.sql, 010-audit-aggregate.sql"],
            ),
            (
                "M12 another tool's table",
                "ALTER TABLE public.schema_migrations RENAME version TO migration_id",
                &plain,
                &["a column version"],
            ),
            (
                "F42 restored twice into a table without its key",
                "ALTER TABLE public.schema_migrations DROP CONSTRAINT schema_migrations_pkey;
                 INSERT INTO public.schema_migrations SELECT * FROM public.schema_migrations WHERE version = 3",
                &plain,
                &["there more than once: 3"],
            ),
        ];
        for (name, change, check, texts) in faults {
            plur.fails(Case { name, change, undo: "", check }, texts).await;
        }

        let nowhere = "[[check.schema-version]]\nfiles = '/nowhere/at/all'";
        let case = Case { name: "no folder", change: "", undo: "", check: nowhere };
        plur.cannot_look(case, "cannot read /nowhere/at/all").await;
        let rails = check("naming = 'rails'");
        let case = Case { name: "no file of that naming", change: "", undo: "", check: &rails };
        plur.cannot_look(case, "no migration file in").await;
        let many = "INSERT INTO public.schema_migrations SELECT n, 'x', 'x', pg_catalog.now() FROM pg_catalog.generate_series(11, 100001) AS n";
        plur.cannot_look(Case { name: "a history that fills the memory", change: many, undo: "", check: &plain }, "more than 100 000 rows").await;
        plur.assert_passed_and_failed("schema-version");
    })
    .await;
}
