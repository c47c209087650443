//! `redrill baseline` and `redrill accept`, with the real binary, on a real source: what is taken of a database holds
//! its dumps, and what a person accepts is held from then on.

use std::path::PathBuf;
use std::process::Command;

use crate::drill::builder::{Ended, redrill};
use crate::support::{Plur, on_empty};
use redrill::database::Address;

/// A shop with an append-only trail, two roles, a policy, and numbers that are given by sequences.
const SHOP: &str = "
CREATE ROLE shop_owner; CREATE ROLE shop_app LOGIN PASSWORD 'geheim-4711'; CREATE ROLE shop_ro LOGIN;
CREATE SCHEMA shop AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA shop TO shop_app, shop_ro;
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, total numeric(10, 2) DEFAULT 0);
CREATE TABLE shop.audit_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), what text);
CREATE TABLE shop.sessions (token uuid PRIMARY KEY);
ALTER TABLE shop.orders OWNER TO shop_owner; ALTER TABLE shop.audit_log OWNER TO shop_owner;
GRANT SELECT, INSERT, UPDATE ON shop.orders TO shop_app; GRANT SELECT, INSERT ON shop.audit_log TO shop_app;
GRANT SELECT ON shop.orders TO shop_ro;
INSERT INTO shop.orders (customer, total) SELECT 'c' || n, n FROM generate_series(1, 500) n;
INSERT INTO shop.audit_log (at, what) SELECT '2026-01-01'::timestamptz + n * interval '1 minute', 'did ' || n FROM generate_series(1, 700) n;
INSERT INTO shop.sessions SELECT gen_random_uuid() FROM generate_series(1, 20);";

/// The address of the server's database, as a client takes it.
fn url(plur: &Plur, user: &str) -> String {
    match &plur.server.endpoint().address {
        Address::Socket {
            programs: folder, ..
        } => {
            let folder = folder.display().to_string().replace('/', "%2F");
            format!("postgres://{user}@localhost/plur?host={folder}")
        }
        Address::Loopback(port) => format!("postgres://{user}@127.0.0.1:{port}/plur"),
    }
}

/// A folder in which commands are run one after the other.
struct Desk {
    folder: tempfile::TempDir,
    url: String,
    pg_dump: &'static str,
}

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A dump as a backup job makes it.
    fn dump(&self, name: &str) {
        let dumped = Command::new(self.pg_dump)
            .arg(format!("--dbname={}", self.url))
            .arg(format!("--file={}", self.shown(name)))
            .output()
            .unwrap();
        assert!(
            dumped.status.success(),
            "{}",
            String::from_utf8_lossy(&dumped.stderr)
        );
    }

    fn drill(&self, check: &str, backup: &str) -> Ended {
        let scenario = format!(
            "schema = 1\nname = \"drilled\"\n[backup]\npath = {:?}\n[restore]\ncreate-roles = [\"shop_owner\", \"shop_app\", \"shop_ro\"]\n[[check.baseline]]\n{check}\n",
            self.shown(backup)
        );
        std::fs::write(self.path("scenario.toml"), scenario).unwrap();
        let reports = self.shown("reports");
        redrill().with(&self.shown("scenario.toml")).call(&[
            "run",
            "--quiet",
            "--reports",
            &reports,
            "--work-dir",
            "/tmp",
        ])
    }

    /// What the last drill wrote for people.
    fn report(&self) -> String {
        std::fs::read_to_string(self.path("reports/drilled/drill.md")).unwrap()
    }

    fn call(&self, arguments: &[&str]) -> Ended {
        redrill().call(arguments)
    }
}

fn proven(ended: &Ended) {
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
}

fn fails(ended: &Ended, texts: &[&str]) {
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    for text in texts {
        assert!(
            ended.stdout.contains(text),
            "{text} is not in\n{}",
            ended.stdout
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: ci/slow.sh"]
async fn what_is_taken_of_a_source_holds_its_dumps() {
    on_empty(15, async |plur: &Plur| {
        plur.sql("plur", SHOP).await;
        let desk = Desk {
            folder: tempfile::tempdir().unwrap(),
            url: url(plur, "postgres"),
            pg_dump: "pg_dump",
        };
        let take = |out: &str, more: &[&str]| {
            let out = desk.shown(out);
            let mut arguments = vec!["baseline", "--from", &desk.url, "--append-only", "shop.audit_log", "--out", &out];
            arguments.extend(more);
            desk.call(&arguments)
        };

        // A manifest speaks of the very rows of its dump.
        let dump = desk.shown("a.sql");
        let manifest = desk.shown("a.sql.baseline.toml");
        let taken = take("a.sql.baseline.toml", &["--with-dump", &dump]);
        proven(&taken);
        assert!(taken.stdout.contains("append-only: shop.audit_log"), "{}", taken.stdout);
        proven(&desk.drill("manifest = true", "a.sql"));
        let packed = desk.shown("c.sql.gz");
        proven(&take("c.sql.gz.baseline.toml", &["--with-dump", &packed]));
        proven(&desk.drill("manifest = true", "c.sql.gz"));
        assert_eq!(take("a.sql.baseline.toml", &[]).code, 2, "it is there already");
        let text = std::fs::read_to_string(&dump).unwrap();
        std::fs::write(desk.path("b.sql"), text.replacen("\tc7\t7.00\n", "\tc7\t9.00\n", 1)).unwrap();
        std::fs::copy(&manifest, desk.path("b.sql.baseline.toml")).unwrap();
        fails(&desk.drill("manifest = true", "b.sql"), &["500 rows, with other values", "the manifest was written with"]);
        desk.dump("bare.sql");
        let bare = desk.drill("manifest = true", "bare.sql");
        assert_eq!(bare.code, 3, "{}", bare.stdout);
        assert!(bare.stdout.contains("no manifest is next to the backup"), "{}", bare.stdout);

        // A baseline speaks of an earlier moment: life goes on.
        proven(&take("shop.baseline.toml", &[]));
        // In the order of numbers, in which 99 is not among the newest of 700.
        let text = std::fs::read_to_string(desk.path("shop.baseline.toml")).unwrap();
        let taken: toml::Value = toml::from_str(&text).unwrap();
        let history = &taken["database"]["plur"]["history"]["shop.audit_log"];
        let newest = history["newest"].as_str().unwrap().split_whitespace();
        assert_eq!((history["watermark"].as_str(), history["up-to"].as_str()), (Some("id"), Some("650")));
        assert_eq!(newest.count(), 50);
        let held = "file = \"shop.baseline.toml\"";
        plur.sql("plur", "INSERT INTO shop.orders (customer) SELECT 'new' FROM generate_series(1, 9); UPDATE shop.orders SET total = 5 WHERE id < 100;
            INSERT INTO shop.audit_log (what) SELECT 'later' FROM generate_series(1, 300)").await;
        plur.sql("plur", "VACUUM FULL shop.orders").await;
        desk.dump("life.sql");
        let life = desk.drill(held, "life.sql");
        proven(&life);
        assert!(desk.report().contains("2 with more rows"), "{}", desk.report());

        // What a record of the last drill says is held, and a drill that is not PROVEN leaves no record.
        let record = "record = \"state/shop.baseline.toml\"\nappend-only = [\"shop.audit_log\"]";
        let first = desk.drill(record, "life.sql");
        proven(&first);
        assert!(desk.report().contains("no record yet"), "{}", desk.report());
        assert!(desk.report().contains("what changed since the last drill"), "{}", desk.report());
        let kept = std::fs::read_to_string(desk.path("state/shop.baseline.toml")).unwrap();
        plur.sql("plur", "UPDATE shop.audit_log SET what = 'did nothing' WHERE id = 13").await;
        desk.dump("forged.sql");
        fails(&desk.drill(record, "forged.sql"), &["history", "shop.audit_log", "HISTORY: as many rows up to the watermark"]);
        assert_eq!(kept, std::fs::read_to_string(desk.path("state/shop.baseline.toml")).unwrap());
        plur.sql("plur", "UPDATE shop.audit_log SET what = 'did 13' WHERE id = 13").await;
        desk.dump("mended.sql");
        proven(&desk.drill(record, "mended.sql"));

        // What changed is shown, and a person accepts it piece by piece.
        plur.sql("plur", "ALTER TABLE shop.orders ADD COLUMN note text; GRANT DELETE ON shop.audit_log TO shop_app; DELETE FROM shop.sessions;
            ALTER TABLE shop.orders ADD CONSTRAINT paid CHECK (total >= 0), ALTER COLUMN customer DROP NOT NULL;
            UPDATE shop.audit_log SET what = 'did nothing' WHERE id = 13").await;
        desk.dump("changed.sql");
        fails(&desk.drill(held, "changed.sql"), &["shop.orders column note", "shop.orders constraint paid", "DELETE", "shop.sessions", "history", "WIDER: ", "WEAKER: ", "HISTORY: ", "; 1 WEAKER"]);
        let scenario = desk.shown("scenario.toml");
        let reports = desk.shown("reports");
        let before = std::fs::read_to_string(desk.path("shop.baseline.toml")).unwrap();
        let accept = |more: &[&str]| {
            let mut arguments = vec!["accept", &scenario, "--reports", &reports];
            arguments.extend(more);
            desk.call(&arguments)
        };
        fails(&accept(&[]), &["not accepted", "WIDER"]);
        assert_eq!(before, std::fs::read_to_string(desk.path("shop.baseline.toml")).unwrap(), "nothing by itself");
        fails(&accept(&["--object", "table shop.orders column note", "--object", "shop.sessions"]), &["2 accepted", "4 not accepted"]);
        // What weakens the database is accepted by its name only.
        fails(&accept(&["--all"]), &["1 accepted", "3 not accepted", "WIDER", "WEAKER", "HISTORY"]);
        fails(&desk.drill(held, "changed.sql"), &["shop_app", "DELETE", "not null", "history"]);
        proven(&accept(&["--object", "table shop.audit_log", "--object", "shop.audit_log", "--object", "table shop.orders column customer"]));
        proven(&desk.drill(held, "changed.sql"));
        assert!(accept(&[]).stdout.contains("no difference"));
        // A baseline that is another now is not what that drill was held against.
        std::fs::write(desk.path("shop.baseline.toml"), &before).unwrap();
        let stale = accept(&[]);
        assert_eq!(stale.code, 3, "{}", stale.stdout);
        assert!(stale.stderr.contains("was changed since the drill was compared with it"), "{}", stale.stderr);

        // A dump that does not come to an end leaves nothing that could be taken for one.
        let none = desk.shown("none.sql");
        let broken = take("none.sql.baseline.toml", &["--with-dump", &none, "--pg-dump", "false"]);
        assert_eq!(broken.code, 3, "{}", broken.stdout);
        let left = std::fs::read_dir(desk.folder.path()).unwrap();
        let left: Vec<String> = left.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
        assert!(!left.iter().any(|name| name.starts_with("none")), "{left:?}");


        // A role that may not read everything says what it did not read; no password is shown anywhere.
        let reader = url(plur, "shop_app:geheim-4711");
        let out = desk.shown("reader.baseline.toml");
        let little = desk.call(&["baseline", "--from", &reader, "--out", &out]);
        proven(&little);
        assert!(little.stdout.contains("not read: rows of shop.sessions"), "{}", little.stdout);
        let written = std::fs::read_to_string(&out).unwrap();
        for text in [&written, &little.stdout, &little.stderr] {
            assert!(!text.contains("geheim"), "{text}");
        }
        let lost = desk.call(&["baseline", "--from", "postgres://u:geheim-4711@127.0.0.1:1/none", "--out", "none.toml"]);
        assert_eq!(lost.code, 3);
        assert!(!lost.stderr.contains("geheim"), "{}", lost.stderr);
    })
    .await;
}
