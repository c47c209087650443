//! What `redrill init` guesses of a database: each guess holds on harmless changes and fails on faults.

use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;
use rstest::rstest;
use tempfile::TempDir;

use super::{drill, folder, init, redrill, url_of};
use crate::drill::builder::Ended;
use crate::support::on_empty;

/// Writes a plain dump of these statements as the backup of a day.
fn save(folder: &Path, day: &str, statements: &str) -> String {
    let file = folder.join(format!("app-{day}.sql"));
    std::fs::write(&file, statements).unwrap();
    file.display().to_string()
}

/// The statements as a backup, and the scenario that `init` writes of it, without line breaks in comments.
fn written(statements: &str) -> (TempDir, String) {
    let out = folder();
    let ended = init(&save(out.path(), "2026-05-25", statements), out.path());
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("LEFT OUT"), "{}", ended.stdout);
    let text = std::fs::read_to_string(out.path().join("drilled.toml")).unwrap();
    let text = text.replace("\n# ", " ");
    (out, text)
}

/// The drill of other statements.
fn drill_of(out: &Path, day: &str, statements: &str) -> Ended {
    drill_backup(out, &save(out, day, statements))
}

fn drill_backup(out: &Path, backup: &str) -> Ended {
    redrill()
        .with(&out.join("drilled.toml").display().to_string())
        .with("--backup")
        .with(backup)
        .run()
}

const ORDERS: &str = "
CREATE TABLE public.orders (id integer PRIMARY KEY, total integer);
INSERT INTO public.orders VALUES (1, 5), (2, 6), (3, 7);
";

/// The checks are about the database of the address, which the backup has next to others.
#[tokio::test]
#[ignore = "slow: ci/slow.sh"]
async fn the_database_of_the_address_is_the_one_of_a_bundle() {
    on_empty(17, async |plur| {
        plur.sql("plur", ORDERS).await;
        let user = &plur.server.endpoint().superuser;
        let (own, other) = (
            url_of(plur, user),
            url_of(plur, user).replacen("/plur?", "/postgres?", 1),
        );
        tokio::task::spawn_blocking(move || {
            let base = folder();
            let night = base.path().join("night");
            std::fs::create_dir(&night).unwrap();
            for name in ["plur.sql", "accounts.sql"] {
                std::fs::write(night.join(name), ORDERS).unwrap();
            }
            let (night, out) = (night.display().to_string(), base.path().join("drills"));
            let to = out.display().to_string();
            let init = |from: &str| {
                let options = ["--from", from, "--backup", &night, "--out", &to];
                let all = options.iter().fold(redrill(), |call, one| call.with(one));
                all.call(&["init", "--quiet", "--name", "drilled"])
            };
            let ended = init(&other);
            assert_eq!(ended.code, 3, "{}\n{}", ended.stdout, ended.stderr);
            let said = ended
                .stderr
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            assert!(
                said.contains("the backup contains accounts, plur, and not `postgres`"),
                "{said}"
            );
            let ended = init(&own);
            assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
            assert!(
                ended
                    .stdout
                    .contains("not the database of `--from`: accounts"),
                "{}",
                ended.stdout
            );
            let text = std::fs::read_to_string(out.join("drilled.toml")).unwrap();
            for kind in ["row-count", "constraint", "baseline"] {
                let check = Regex::new(&format!(
                    "(?m)^\\[\\[check\\.{kind}\\]\\]\nname = .*\ndatabase = \"plur\"$"
                ))
                .unwrap();
                assert!(check.is_match(&text), "no {kind} in\n{text}");
            }
            let drilled = drill_backup(&out, &night);
            assert_eq!(drilled.code, 0, "{}", drilled.stdout);
            let orders = ORDERS.replace("(1, 5), (2, 6), ", "");
            std::fs::write(Path::new(&night).join("plur.sql"), orders).unwrap();
            let drilled = drill_backup(&out, &night);
            assert_eq!(drilled.code, 10, "{}", drilled.stdout);
        })
        .await
        .unwrap();
    })
    .await;
}

const NAMED_VERSIONS: &str = "
CREATE TABLE public.schema_migrations (version text PRIMARY KEY);
INSERT INTO public.schema_migrations VALUES ('0001_baseline'), ('0002_users'), ('0003_orders');
";

/// The advice for a runner whose versions are names: its pattern finds the files, with and without `down`.
#[rstest]
#[case(&["up.sql", "down.sql"])]
#[ignore = "slow: ci/slow.sh"]
#[case(&["sql"])]
fn the_advice_to_compare_migrations_works(#[case] extensions: &[&str]) {
    let (out, text) = written(NAMED_VERSIONS);
    let migrations = out.path().join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    for version in ["0001_baseline", "0002_users", "0003_orders"] {
        for extension in extensions {
            let file = migrations.join(format!("{version}.{extension}"));
            std::fs::write(file, "SELECT 1;\n").unwrap();
        }
    }
    let first = extensions[0];
    let advice = Regex::new(&format!(
        "pattern = ('[^']*') for files such as `0003_orders\\.{}`",
        first.replace('.', "\\.")
    ))
    .unwrap();
    let found = advice.captures(&text);
    let pattern = &found.unwrap_or_else(|| panic!("no advice for .{first} in\n{text}"))[1];
    let file = out.path().join("drilled.toml");
    let scenario = std::fs::read_to_string(&file).unwrap();
    let head = "head = \"0003_orders\"\n";
    let with_files = format!("{head}files = \"migrations\"\npattern = {pattern}\n");
    std::fs::write(&file, scenario.replacen(head, &with_files, 1)).unwrap();
    let drilled = drill(out.path());
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
    std::fs::remove_file(migrations.join(format!("0002_users.{first}"))).unwrap();
    let drilled = drill(out.path());
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
}

/// A row that is lost in the middle is named without files, where the versions were consecutive.
#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_gap_in_consecutive_versions_is_named() {
    let (out, text) = written(NAMED_VERSIONS);
    assert!(text.contains("\nconsecutive = true\n"), "{text}");
    let newer = NAMED_VERSIONS.replace(", ('0003", ", ('0003_b'), ('0003");
    let drilled = drill_of(out.path(), "2026-05-26", &newer);
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
    let gap = NAMED_VERSIONS.replace("('0002_users'), ", "");
    let drilled = drill_of(out.path(), "2026-05-27", &gap);
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
    assert!(
        drilled.stdout.contains("no version with the number 2"),
        "{}",
        drilled.stdout
    );
    // A number that was never there, and dates.
    for versions in [
        "('0001_a'), ('0003_c')",
        "('20260101_a'), ('20260102_b')",
        "('7_a'), ('8_b')",
        "('a'), ('b')",
    ] {
        let (_, text) = written(&format!(
            "CREATE TABLE public.schema_migrations (version text PRIMARY KEY);\nINSERT INTO public.schema_migrations VALUES {versions};\n"
        ));
        assert!(!text.contains("consecutive"), "{text}");
    }
}

const CASCADES: &str = "
CREATE TABLE public.sessions (id integer PRIMARY KEY);
CREATE TABLE public.edges (id integer PRIMARY KEY, session integer REFERENCES public.sessions ON DELETE CASCADE);
CREATE TABLE public.hops (id integer PRIMARY KEY, edge integer REFERENCES public.edges ON DELETE CASCADE);
CREATE TABLE public.visits (id integer PRIMARY KEY, session integer REFERENCES public.sessions ON DELETE SET NULL);
INSERT INTO public.sessions SELECT i FROM generate_series(1, 1500) i;
INSERT INTO public.edges SELECT i, i FROM generate_series(1, 1500) i;
INSERT INTO public.hops SELECT i, i FROM generate_series(1, 1500) i;
INSERT INTO public.visits SELECT i, i FROM generate_series(1, 1500) i;
";

#[test]
#[ignore = "slow: ci/slow.sh"]
fn rows_that_are_removed_with_others_may_be_fewer() {
    let (out, text) = written(CASCADES);
    let list = "may-shrink = [\"public.edges\", \"public.hops\", \"public.sessions\"]";
    assert_eq!(text.matches(list).count(), 2, "{text}");
    let purged = format!("{CASCADES}DELETE FROM public.sessions WHERE id > 9;\n");
    let drilled = drill_of(out.path(), "2026-05-26", &purged);
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
    let lost = format!("{CASCADES}DELETE FROM public.visits WHERE id > 9;\n");
    let drilled = drill_of(out.path(), "2026-05-27", &lost);
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
}

/// Rows that were added on weekdays from 9 to 17, on one day, and on six days of 70.
fn added() -> String {
    let mut text = String::new();
    for (table, rows) in [
        (
            "busy",
            "timestamp '2026-04-30' + d * interval '1 day' + h * interval '1 hour' FROM generate_series(1, 22) d, generate_series(9, 17) h WHERE extract(isodow FROM timestamp '2026-04-30' + d * interval '1 day') < 6",
        ),
        (
            "seeded",
            "timestamp '2026-05-24 20:00' + n * interval '1 second' FROM generate_series(1, 200) n",
        ),
        (
            "rare",
            "timestamp '2026-03-20' + n / 40 * interval '13 days' FROM generate_series(1, 239) n",
        ),
    ] {
        writeln!(
            text,
            "CREATE TABLE public.{table} (created_at timestamp NOT NULL DEFAULT now());\nINSERT INTO public.{table} SELECT {rows};"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_table_is_fresh_by_the_longest_gap_of_many_days() {
    let (out, text) = written(&added());
    assert_eq!(text.matches("[[check.freshness]]").count(), 1, "{text}");
    for expected in [
        "table = \"public.busy\"\ncolumn = \"created_at\"\nwithin = \"8d\"",
        "no row for at most 64 h",
        "`within` is three times as long",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    // A long weekend, and the state of weeks ago.
    let drilled = drill_of(out.path(), "2026-05-28", &added());
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
    let drilled = drill_of(out.path(), "2026-06-12", &added());
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
}

/// A history by month, with rows in each month, until some months after the backup.
fn months(names: &[&str]) -> String {
    let mut text = String::from(
        "CREATE TABLE public.audit_log (id bigint, at timestamp NOT NULL DEFAULT now(), what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.refuse();\n",
    );
    for name in names {
        let month: u8 = name[5..].parse().unwrap();
        writeln!(
            text,
            "CREATE TABLE public.audit_log_{} PARTITION OF public.audit_log FOR VALUES FROM ('{name}-01') TO ('2026-{:02}-01');
INSERT INTO public.audit_log SELECT i, '{name}-02', 'x' FROM generate_series(1, 800) i WHERE {month} < 6;",
            name.replace('-', "_"),
            month + 1,
        )
        .unwrap();
    }
    text
}

#[test]
fn an_old_partition_may_be_dropped() {
    let (out, text) = written(&months(&[
        "2026-02", "2026-03", "2026-04", "2026-05", "2026-06",
    ]));
    for expected in [
        "may-shrink = [\"public.audit_log_*\"]",
        "may-be-dropped = [\"public.audit_log_*\"]",
        "behind = 2\nahead = 1\nat = \"backup\"",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    let kept = ["2026-03", "2026-04", "2026-05", "2026-06", "2026-07"];
    let drilled = drill_of(out.path(), "2026-05-26", &months(&kept));
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
    // Too many are dropped, and the rows of one that is there are changed.
    let drilled = drill_of(out.path(), "2026-05-27", &months(&kept[2..]));
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
    let changed = months(&kept).replace("'2026-04-02', 'x'", "'2026-04-02', 'y'");
    let drilled = drill_of(out.path(), "2026-05-28", &changed);
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
    assert!(drilled.stdout.contains("HISTORY"), "{}", drilled.stdout);
}

const PLUGINS: &str = "
CREATE TABLE public.plugin_database_namespaces (id integer PRIMARY KEY, plugin_id integer NOT NULL, plugin_key text NOT NULL, namespace_name text NOT NULL, status text NOT NULL);
CREATE TABLE public.plugin_migrations (id integer PRIMARY KEY, plugin_id integer NOT NULL, plugin_key text NOT NULL, namespace_name text NOT NULL, migration_key text NOT NULL, checksum text NOT NULL, status text NOT NULL, applied_at timestamptz);
CREATE SCHEMA plugin_crm_1f; CREATE TABLE plugin_crm_1f.contacts (id integer PRIMARY KEY); INSERT INTO plugin_crm_1f.contacts VALUES (1);
CREATE SCHEMA plugin_docs_2e; CREATE TABLE plugin_docs_2e.pages (id integer PRIMARY KEY); INSERT INTO plugin_docs_2e.pages VALUES (1);
INSERT INTO public.plugin_database_namespaces VALUES (1, 1, 'crm', 'plugin_crm_1f', 'active'), (2, 2, 'docs', 'plugin_docs_2e', 'active');
INSERT INTO public.plugin_migrations VALUES (1, 1, 'crm', 'plugin_crm_1f', '0001.sql', 'a', 'applied', now()), (2, 2, 'docs', 'plugin_docs_2e', '0001.sql', 'b', 'applied', now());
";

#[test]
fn the_histories_of_plugins_are_recognised() {
    let (out, text) = written(PLUGINS);
    for expected in [
        "per = \"plugin_key\"\ncolumn = \"migration_key\"\nsuccess-column = \"applied_at\"",
        "[check.schema-version.schemas]\ntable = \"public.plugin_database_namespaces\"\nkey = \"plugin_key\"\nschema = \"namespace_name\"\nnamed = \"plugin_*\"",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    let drilled = drill_of(
        out.path(),
        "2026-05-26",
        &PLUGINS
            .replace("pages (id", "papers (id")
            .replace("plugin_docs_2e.pages", "plugin_docs_2e.papers"),
    );
    assert!(
        !drilled.stdout.contains("schema plugin_"),
        "{}",
        drilled.stdout
    );
    let lost = PLUGINS.replace(", (2, 2, 'docs', 'plugin_docs_2e', 'active')", "");
    let drilled = drill_of(out.path(), "2026-05-27", &lost);
    assert_eq!(drilled.code, 10, "{}", drilled.stdout);
    assert!(
        drilled.stdout.contains("none has this schema"),
        "{}",
        drilled.stdout
    );
}
