//! `redrill init`: what it writes is a scenario, holds on what it was written from, and fails on what changed.

mod guesses;
pub mod shop;

use std::path::Path;

use redrill::database::Address;
use redrill::scenario::parse;
use rstest::rstest;
use tempfile::TempDir;

use crate::drill::builder::{Ended, redrill};
use crate::support::{Plur, environment, on_empty, on_restored_plur, plur_backup};

/// A plain dump of one table whose sequence is far behind: restored whole, and wrong.
const BEHIND: &str = "--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6
-- Dumped by pg_dump version 17.6

SET client_encoding = 'UTF8';

CREATE SCHEMA app;
CREATE TABLE app.orders (id bigint NOT NULL, total integer);
ALTER TABLE app.orders OWNER TO app_owner;
CREATE SEQUENCE app.orders_id_seq;
ALTER TABLE app.orders_id_seq OWNER TO app_owner;
ALTER SEQUENCE app.orders_id_seq OWNED BY app.orders.id;
ALTER TABLE ONLY app.orders ALTER COLUMN id SET DEFAULT nextval('app.orders_id_seq'::regclass);
COPY app.orders (id, total) FROM stdin;
1	5
2	6
3	7
\\.
SELECT pg_catalog.setval('app.orders_id_seq', 1, true);
ALTER TABLE ONLY app.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

--
-- PostgreSQL database dump complete
--
";

/// `redrill init` of a backup or an address, into a folder.
fn init(from: &str, out: &Path) -> Ended {
    let out = out.display().to_string();
    redrill()
        .with("--from")
        .with(from)
        .with("--out")
        .with(&out)
        .call(&["init", "--quiet", "--work-dir", "/tmp", "--name", "drilled"])
}

/// The drill of what was written.
fn drill(out: &Path) -> Ended {
    redrill()
        .with(&out.join("drilled.toml").display().to_string())
        .run()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn plur_is_proven_by_what_was_written_of_it() {
    let out = folder();
    let ended = init(&plur_backup().display().to_string(), out.path());
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("LEFT OUT"), "{}", ended.stdout);
    let text = std::fs::read_to_string(out.path().join("drilled.toml")).unwrap();
    for expected in [
        "newest = ",
        "head = \"10\"",
        "schemas = [\"org_*\"]\nrole = \"plur_{schema}\"",
        "period = \"month\"\nsince = \"2025-06\"\nuntil = \"2026-05\"\ndefault = \"required\"",
        "also = [\"plur.audit_events_2025_05\"]\nroles = [\"plur_auditor\"]",
        "settings = { \"plur.org\" = \"acme\" }\nsees-where = \"org = 'acme' AND ((revoked_at IS NULL) OR (current_setting('plur.revoking'::text, true) = 'on'::text))\"",
        "method = \"hnsw\"\noperator-classes = { embedding = \"vector_cosine_ops\" }",
        "member-of = [\n    { role = \"plur_org_acme\", inherit = false },",
        "graph = \"plur_permissions\"\nrole = \"plur_app\"",
        "not-valid = [\"users_email_shape\"]",
        "[[check.baseline]]",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    // Keys of tenants are all that it tells of any row.
    assert!(!text.contains('@'), "{text}");
    let drilled = drill(out.path());
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
}

/// A plain dump of a database with SECURITY DEFINER functions, a view of the owner, a cascading key and policies.
const WAYS: &str = include_str!("ways.sql");

#[test]
fn functions_with_the_rights_of_their_owner_are_listed_for_review() {
    let out = folder();
    let backup = out.path().join("ways.sql");
    std::fs::write(&backup, WAYS).unwrap();
    let ended = init(&backup.display().to_string(), out.path());
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let text = std::fs::read_to_string(out.path().join("drilled.toml")).unwrap();
    assert!(
        !ended.stdout.contains("LEFT OUT"),
        "{}\n{text}",
        ended.stdout
    );
    for expected in [
        "# Review the functions of `trusted-functions`",
        "roles = [\"clerk\", \"web\"]\ninsert-by = [\"web\"]\ntrusted-functions = [\"app.purge(interval)\"]",
        "trusted-functions = [\"app.purge(interval)\", \"app.record()\"]",
        "indirect = [\"delete on app.items, app.members\"]",
        "trusted-functions = [\"app.is_member(text)\"]",
        "shared-views = [\"app.member_names\"]\nindirect = [\"delete on app.members\"]",
        "role = \"web_{schema}\"\ntrusted-functions = [\"org_a.count_notes()\"]",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    let drilled = drill(out.path());
    assert_eq!(drilled.code, 0, "{}\n{text}", drilled.stdout);
}

/// A plain dump of a database of no framework: a table of migrations, policies, rights and inheritance of its own, and one
/// sequence of two that is behind.
const HOME_MADE: &str = include_str!("home_made.sql");

/// What `pg_dumpall --globals-only` writes next to it.
const ROLES: &str = "--
-- PostgreSQL database cluster dump
--

CREATE ROLE app_owner;
CREATE ROLE auditor;
ALTER ROLE auditor WITH LOGIN;
CREATE ROLE web;
ALTER ROLE web WITH LOGIN;

--
-- PostgreSQL database cluster dump complete
--
";

/// The databases of a cluster, each with a dump of its own every night.
#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_folder_of_several_databases_gives_one_backup_of_parts() {
    let base = folder();
    let nights = base.path().join("nights");
    std::fs::create_dir(&nights).unwrap();
    let night = |day: &str, names: &[&str]| {
        for name in names {
            let rows = (1..=120).map(|n| format!("{n}\n")).collect::<String>();
            let dump = format!(
                "CREATE TABLE public.{name} (id integer PRIMARY KEY);\nALTER TABLE public.{name} OWNER TO web;\nCOPY public.{name} (id) FROM stdin;\n{rows}\\.\n"
            );
            std::fs::write(nights.join(format!("{name}-{day}.sql")), dump).unwrap();
        }
        std::fs::write(
            nights.join(format!("globals-{day}.sql")),
            "CREATE ROLE web LOGIN;\n",
        )
        .unwrap();
    };
    for day in ["2026-05-24", "2026-05-25"] {
        night(day, &["users", "orders"]);
    }
    // The folder of the scenario is not there yet.
    let out = base.path().join("drills");
    let ended = init(&nights.display().to_string(), &out);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let text = std::fs::read_to_string(out.join("drilled.toml")).unwrap();
    for name in ["globals", "orders", "users"] {
        let part =
            format!("[[backup.part]]\nname = \"{name}\"\nnewest = \"../nights/{name}-*.sql\"\n");
        assert!(text.contains(&part), "no `{part}` in\n{text}");
    }
    assert!(text.contains("database = \"orders\"\n"), "{text}");
    assert_eq!(drill(&out).code, 0);
    // The next night is drilled as it is; a part without it fails.
    night("2026-05-26", &["users", "orders"]);
    assert_eq!(drill(&out).code, 0);
    night("2026-05-27", &["users"]);
    let ended = drill(&out);
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("orders"), "{}", ended.stdout);
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_folder_of_one_job_gives_the_newest_with_its_roles() {
    let out = folder();
    let nights = out.path().join("nights");
    std::fs::create_dir(&nights).unwrap();
    for day in ["23", "24", "25"] {
        std::fs::write(nights.join(format!("shop-2026-05-{day}.sql")), HOME_MADE).unwrap();
        std::fs::write(nights.join(format!("globals-2026-05-{day}.sql")), ROLES).unwrap();
    }
    let ended = init(&nights.display().to_string(), out.path());
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let said = ended
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for expected in [
        "/shop-2026-05-25.sql, the newest of 3 of `shop-*.sql`",
        "its roles are those of `globals-*.sql` of its day",
        // Three migrations, three orders, three notes, two posts, a receipt and two old events.
        "7 tables, 6 of them with 14 rows",
    ] {
        assert!(said.contains(expected), "no `{expected}` in\n{said}");
    }
    let text = std::fs::read_to_string(out.path().join("drilled.toml")).unwrap();
    let words = text.split_whitespace().filter(|word| *word != "#");
    let words = words.collect::<Vec<_>>().join(" ");
    for expected in [
        "newest = \"nights/shop-*.sql\"",
        "globals = \"globals-*.sql\"",
        "`app.schema_migrations` is the table of a migration runner of the project",
        "name = \"web reads the rows of one org and no other: app.orders\"",
        "none but the owner may UPDATE, DELETE or TRUNCATE: app.receipts. Nothing else",
        "Tables without rows, which are not checked: app.events.",
        "nearly used up: app.notes_id_seq",
    ] {
        assert!(words.contains(expected), "no `{expected}` in\n{text}");
    }
    // The posts of other tenants may be public; orders never are.
    for name in [
        "web reads the rows of one org and no other",
        "as web, no org reads or writes rows of another",
    ] {
        let strict = format!("name = \"{name}: app.orders\"\ntables = [\"app.orders\"]\n");
        assert!(
            text.contains(&format!("\n{strict}")),
            "no `{strict}` in\n{text}"
        );
        let alone = format!("\n# name = \"{name}: app.posts\"\n");
        assert!(text.contains(&alone), "no `{alone}` in\n{text}");
    }
    // One sequence fails, and the other is still checked.
    assert!(
        text.contains("\nexcept = [\"app.notes_id_seq\"]\nowned = true\n"),
        "{text}"
    );
    assert!(
        text.contains("\n# sequences = [\"app.notes_id_seq\"]\n"),
        "{text}"
    );
    for wrong in [
        "auditor reads the rows",
        "as auditor, no org",
        "dirty-column",
    ] {
        assert!(!text.contains(wrong), "`{wrong}` in\n{text}");
    }
    let drilled = drill(out.path());
    assert_eq!(drilled.code, 0, "{}", drilled.stdout);
}

#[test]
fn what_does_not_hold_is_left_out_in_plain_sight() {
    let out = folder();
    let backup = out.path().join("orders.sql");
    std::fs::write(&backup, BEHIND).unwrap();
    let ended = init(&backup.display().to_string(), out.path());
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("LEFT OUT"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("does not contain the role app_owner"),
        "{}",
        ended.stdout
    );
    let text = std::fs::read_to_string(out.path().join("drilled.toml")).unwrap();
    for expected in [
        "path = \"orders.sql\"",
        "role = [\n    { name = \"app_owner\" },\n]",
        "# Left out, because it fails on this backup: ",
        "\n# [[check.sequence]]\n",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    assert_eq!(drill(out.path()).code, 0);
    // A file that is there is a person's.
    let again = init(&backup.display().to_string(), out.path());
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
}

#[test]
fn of_a_backup_that_is_not_whole_nothing_is_written() {
    let out = folder();
    let backup = out.path().join("orders.sql");
    std::fs::write(&backup, BEHIND.split("\\.").next().unwrap()).unwrap();
    let ended = init(&backup.display().to_string(), out.path());
    assert_eq!(ended.code, 10, "{}", ended.stdout);
    assert!(ended.stderr.contains("NOT WRITTEN"), "{}", ended.stderr);
    assert!(!out.path().join("drilled.toml").exists());
}

#[rstest]
#[case("nowhere.sql", "cannot read nowhere.sql")]
#[case("postgres://[", "not the address of a database")]
fn what_cannot_be_looked_at_is_said_before_anything_starts(#[case] from: &str, #[case] says: &str) {
    let out = folder();
    let ended = init(from, out.path());
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}

#[tokio::test]
async fn a_database_is_only_read() {
    on_empty(17, async |plur| {
        plur.sql("plur", shop::SHOP).await;
        let endpoint = plur.server.endpoint();
        let url = url(plur);
        let password = endpoint.password.expose().to_owned();
        let folder = folder();
        let out = folder.path().to_owned();
        let ended = tokio::task::spawn_blocking(move || {
            redrill()
                .with("--from")
                .with(&url)
                .with("--out")
                .with(&out.display().to_string())
                .environment("PGPASSWORD", &password)
                .call(&["init", "--quiet", "--work-dir", "/tmp", "--name", "shop"])
        });
        let ended = ended.await.unwrap();
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        assert!(
            ended.stdout.contains("The checks were not run"),
            "{}",
            ended.stdout
        );
        let file = folder.path().join("shop.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("path = \"${BACKUP}\""), "{text}");
        let mut environment = environment();
        environment.insert("BACKUP".to_owned(), "x.sql".to_owned());
        let scenario = parse(&file, &text, &environment);
        if let Err(mistakes) = scenario {
            panic!("{}\n{text}", mistakes.render(false));
        }
        assert!(folder.path().join("shop.baseline.toml").exists());
    })
    .await;
}

#[tokio::test]
async fn what_a_role_cannot_read_is_said_first() {
    on_empty(17, async |plur| {
        plur.sql("plur", shop::SHOP).await;
        plur.sql("plur", "CREATE ROLE blind LOGIN").await;
        let folder = folder();
        for (user, is_complete) in [("postgres", true), ("blind", false)] {
            let url = url_of(plur, user);
            let out = folder.path().join(user);
            let to = out.display().to_string();
            let ended = tokio::task::spawn_blocking(move || {
                redrill()
                    .with("--from")
                    .with(&url)
                    .with("--out")
                    .with(&to)
                    .call(&["init", "--quiet", "--work-dir", "/tmp", "--name", "shop"])
            });
            let ended = ended.await.unwrap();
            assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
            let text = std::fs::read_to_string(out.join("shop.toml")).unwrap();
            assert_eq!(text.starts_with("# NOT COMPLETE: "), !is_complete, "{text}");
            assert_eq!(text.contains("Not described"), !is_complete, "{text}");
            assert_eq!(
                ended.stdout.contains("pg_read_all_data"),
                !is_complete,
                "{}",
                ended.stdout
            );
        }
    })
    .await;
}

/// `init` does not know how the backups will be made: what only some of them contain is required of none.
#[tokio::test]
async fn what_is_written_from_a_database_holds_for_its_dumps_with_and_without_create() {
    // The version of the programs that are installed for the tests.
    on_empty(15, async |plur| {
        plur.sql("plur", shop::SHOP).await;
        plur.sql("plur", OWNED).await;
        let folder = folder();
        let from = url(plur);
        tokio::task::spawn_blocking(move || {
            let path = |name: &str| folder.path().join(name).display().to_string();
            let ended = redrill()
                .with("--from")
                .with(&from)
                .with("--out")
                .with(&path("drills"))
                .call(&["init", "--quiet", "--name", "shop"]);
            assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
            for (name, create) in [("plain", None), ("created", Some("--create"))] {
                let night = folder.path().join(name);
                std::fs::create_dir(&night).unwrap();
                let dump = |program: &str, file: &str, options: &[&str]| {
                    let dumped = std::process::Command::new(program)
                        .args(options)
                        .arg("--dbname")
                        .arg(&from)
                        .arg("--file")
                        .arg(night.join(file))
                        .output()
                        .unwrap();
                    let error = String::from_utf8_lossy(&dumped.stderr);
                    assert!(dumped.status.success(), "{error}");
                };
                dump("pg_dumpall", "globals.sql", &["--globals-only"]);
                dump("pg_dump", "shop.sql", create.as_slice());
                let ended = redrill()
                    .with(&path("drills/shop.toml"))
                    .with("--backup")
                    .with(&path(name))
                    .run();
                assert_eq!(ended.code, 0, "{name}: {}", ended.stdout);
            }
        })
        .await
        .unwrap();
    })
    .await;
}

/// What only `pg_dump --create` and pg_dumpall write: owner, rights and settings of the database; and a policy that fails
/// without its setting.
const OWNED: &str = "
CREATE ROLE landlord LOGIN; ALTER DATABASE plur OWNER TO landlord;
REVOKE CONNECT ON DATABASE plur FROM PUBLIC; ALTER DATABASE plur SET work_mem = '5MB';
CREATE ROLE lodger LOGIN; GRANT CONNECT ON DATABASE plur TO lodger, shop_app; ALTER ROLE lodger IN DATABASE plur SET work_mem = '6MB'; ALTER ROLE lodger SET statement_timeout = '7s';
CREATE TABLE public.rooms (id integer PRIMARY KEY, house integer); INSERT INTO public.rooms SELECT i, i % 2 FROM generate_series(1, 9) i;
ALTER TABLE public.rooms OWNER TO landlord; ALTER TABLE public.rooms ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.rooms TO lodger;
CREATE POLICY own ON public.rooms USING (house = current_setting('inn.house')::integer)";

#[tokio::test]
async fn a_connection_that_is_refused_says_what_to_correct() {
    on_empty(17, async |plur| {
        let good = url(plur);
        let other_database = good.replacen("/plur?", "/plurr?", 1);
        for (from, says) in [
            (other_database, "correct the name of the database"),
            (url_of(plur, "nosuch"), "correct the user in the address"),
            (
                "postgres://127.0.0.1:1/plur".to_owned(),
                "check host and port",
            ),
        ] {
            for command in ["init", "baseline"] {
                let from = from.clone();
                let ended = tokio::task::spawn_blocking(move || {
                    redrill().with("--from").with(&from).call(&[command])
                });
                let ended = ended.await.unwrap();
                assert_eq!(ended.code, 3, "{}", ended.stderr);
                let said = ended.stderr.replace("\n          ", " ");
                assert!(said.contains(says), "{command}: {said}");
            }
        }
    })
    .await;
}

/// The address of the server's database for its superuser.
fn url(plur: &Plur) -> String {
    url_of(plur, &plur.server.endpoint().superuser)
}

/// The address of the server's database.
fn url_of(plur: &Plur, user: &str) -> String {
    let endpoint = plur.server.endpoint();
    match &endpoint.address {
        Address::Socket {
            programs: folder, ..
        } => {
            format!("postgres:///plur?host={}&user={user}", folder.display())
        }
        Address::Loopback(port) => format!("postgres://{user}@127.0.0.1:{port}/plur"),
    }
}

#[tokio::test]
#[ignore = "slow: ci/slow.sh"]
async fn a_backup_of_another_moment_keeps_a_baseline() {
    on_restored_plur(None, async |plur| {
        plur.sql(
            "plur",
            "CREATE TABLE plur.later (id int PRIMARY KEY); GRANT SELECT ON plur.later TO plur_app; GRANT DELETE ON plur.users TO plur_app",
        )
        .await;
        let (url, password) = (url(plur), plur.server.endpoint().password.expose().to_owned());
        let folder = folder();
        let out = folder.path().to_owned();
        let ended = tokio::task::spawn_blocking(move || {
            redrill()
                .with("--from")
                .with(&url)
                .with("--backup")
                .with(&plur_backup().display().to_string())
                .with("--out")
                .with(&out.display().to_string())
                .environment("PGPASSWORD", &password)
                .call(&["init", "--quiet", "--work-dir", "/tmp", "--name", "plur"])
        });
        let ended = ended.await.unwrap();
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        let said = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("it is taken of the backup and not of the database"), "{said}");
        let text = std::fs::read_to_string(folder.path().join("plur.toml")).unwrap();
        assert!(text.contains("\n[[check.baseline]]"), "{text}");
        let baseline = std::fs::read_to_string(folder.path().join("plur.baseline.toml")).unwrap();
        assert!(!baseline.contains("plur.later") && baseline.contains("plur.users"));
        // A folder is its scenarios; the baseline next to one is not another, and says so when it is named.
        let written = folder.path().display().to_string();
        let (drilled, named) = tokio::task::spawn_blocking(move || {
            let baseline = format!("{written}/plur.baseline.toml");
            (redrill().with(&written).run(), redrill().with(&baseline).run())
        })
        .await
        .unwrap();
        assert_eq!(drilled.code, 0, "{}\n{}", drilled.stdout, drilled.stderr);
        assert_eq!(named.code, 2, "{}\n{}", named.stdout, named.stderr);
        assert!(named.stderr.contains("is a baseline, not a scenario"), "{}", named.stderr);
    })
    .await;
}
