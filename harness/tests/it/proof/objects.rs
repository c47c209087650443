//! Every object of a dump is found again, whatever its kind and however the dump was written; and each
//! change of the restored database is told by name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redrill::backup::Backup;
use redrill::event::Listener;
use redrill::outcome::Finding;
use redrill::proof::objects::{ObjectsProof, compare};
use redrill::redact::Redactor;
use redrill::restore::settings::{Restore, Tolerate};
use redrill::restore::{self, RestoreLog};
use redrill::server::settings::Server;
use redrill::server::{Client, ClientInput, ThrowawayServer, Wanted};
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::drill::dumps::dumps as dumps_of_shop;
use crate::support::{Plur, given, inspect, on_empty, work};

/// Every kind of object.
const KINDS: &str = include_str!("kinds.sql");

/// Roles that it needs.
const ROLES: &str = "
CREATE ROLE kinds_owner NOLOGIN;
CREATE ROLE kinds_app LOGIN CONNECTION LIMIT 5 PASSWORD 'planted' VALID UNTIL '2037-01-01 12:00:00+02';
CREATE ROLE kinds_reader NOINHERIT;
GRANT kinds_reader TO kinds_app WITH ADMIN OPTION;
GRANT pg_monitor TO kinds_reader;
ALTER ROLE kinds_app SET search_path TO app, \"$user\", public;
ALTER ROLE kinds_app SET application_name TO 'it''s; an app';
ALTER ROLE kinds_app IN DATABASE plur SET work_mem TO '5MB';
ALTER DATABASE plur SET app.tenant TO 'none';
";

/// A database with a subscription cannot be dropped.
const WITHOUT_SUBSCRIPTION: &str = "
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_subscription) THEN
        ALTER SUBSCRIPTION sub SET (slot_name = NONE);
        DROP SUBSCRIPTION sub;
    END IF;
END $$";

/// Ways to write one: file and options. What ends in `.sql` is plain.
const WAYS: &[(&str, &[&str])] = &[
    ("plain.sql", &[]),
    ("inserts.sql", &["--inserts"]),
    ("clean.sql", &["--clean", "--if-exists", "--create"]),
    ("create.sql", &["--create"]),
    (
        "bare.sql",
        &["--no-owner", "--no-privileges", "--no-comments"],
    ),
    ("no-owner.sql", &["--no-owner"]),
    (
        "no-privileges.sql",
        &["--no-privileges", "--no-publications", "--no-subscriptions"],
    ),
    ("quoted.sql", &["--quote-all-identifiers"]),
    ("without-dollars.sql", &["--disable-dollar-quoting"]),
    ("session.sql", &["--use-set-session-authorization"]),
    ("verbose.sql", &["--verbose"]),
    (
        "pre-data.sql",
        &[
            "--section=pre-data",
            "--section=data",
            "--exclude-table=app.grouped",
        ],
    ),
    ("filter.sql", &["--schema=side"]),
    ("custom.dump", &["--format=custom"]),
    (
        "custom-bare.dump",
        &[
            "--format=custom",
            "--no-privileges",
            "--no-comments",
            "--no-security-labels",
        ],
    ),
    ("tar.dump", &["--format=tar"]),
];

/// Dumps of every kind by a server of a version.
async fn dumps(major: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    on_empty(major, async |source: &Plur| {
        source.sql("plur", ROLES).await;
        source.sql("plur", KINDS).await;
        for (name, options) in WAYS {
            let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
            let bytes = written(&source.server, "plur", options).await;
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
    })
    .await;
    folder
}

/// What pg_dump writes of a database.
async fn written(server: &ThrowawayServer, database: &str, mut arguments: Vec<String>) -> Vec<u8> {
    arguments.push(format!("--dbname={database}"));
    let mut client = server
        .client(Client {
            program: "pg_dump",
            arguments,
            input: ClientInput::Nothing,
        })
        .await
        .unwrap();
    let (mut bytes, mut messages) = (Vec::new(), String::new());
    let (read, heard) = tokio::join!(
        client.stdout.read_to_end(&mut bytes),
        client.stderr.read_to_string(&mut messages)
    );
    read.unwrap();
    heard.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0), "{messages}");
    bytes
}

/// Restores a dump into a database of its own.
async fn restored(
    server: &ThrowawayServer,
    file: &Path,
    settings: &Restore,
) -> (Backup, RestoreLog) {
    let backup = inspect(file).await;
    assert_eq!(backup.problems, [], "{}", file.display());
    let listener = Arc::new(|_| {}) as Listener;
    let log = restore::restore(server, &backup, settings, &Redactor::default(), &listener)
        .await
        .unwrap();
    (backup, log)
}

fn into(database: &str) -> Restore {
    Restore {
        database: Some(database.to_owned()),
        ..Restore::default()
    }
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let object = finding.object.as_deref().unwrap_or("-");
        format!("{object} | {} | {}", finding.expected, finding.actual)
    };
    findings.iter().map(line).collect()
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case(15, 15)]
#[ignore = "slow: ci/slow.sh"]
#[case(17, 17)]
#[case(15, 17)]
#[tokio::test]
async fn every_kind_is_found_again_in_every_format(#[case] from: u32, #[case] to: u32) {
    let folder = dumps(from).await;
    let archives = WAYS.iter().map(|(name, _)| folder.path().join(name));
    let run = work().begin().unwrap();
    let wanted = Wanted {
        major: Some(to),
        superuser: "postgres".to_owned(),
        files: archives
            .filter(|path| path.extension().is_some_and(|end| end == "dump"))
            .collect::<Vec<PathBuf>>(),
        ..Wanted::default()
    };
    let path = std::env::var("PATH").unwrap();
    let server = ThrowawayServer::start(&Server::default(), &wanted, &run, &path)
        .await
        .unwrap();
    given(server, run, Default::default(), async |plur: &Plur| {
        plur.sql(
            "postgres",
            ROLES.split("ALTER ROLE kinds_app IN").next().unwrap(),
        )
        .await;
        // `--use-set-session-authorization` makes objects as their owner, who could make them once.
        plur.sql("postgres", "ALTER ROLE kinds_owner SUPERUSER")
            .await;
        let mut wrong = Vec::new();
        for (name, _) in WAYS {
            let creates = matches!(*name, "clean.sql" | "create.sql");
            let settings = match creates {
                true => Restore::default(),
                false => into("plur"),
            };
            let (backup, log) = restored(&plur.server, &folder.path().join(name), &settings).await;
            wrong.extend(
                lines(&log.errors)
                    .into_iter()
                    .map(|line| format!("{name}: {line}")),
            );
            let proof = compare(&plur.server, &backup, &settings, &log)
                .await
                .unwrap();
            let least = if *name == "filter.sql" { 3 } else { 100 };
            assert!(proof.objects >= least, "{name}: {} objects", proof.objects);
            wrong.extend(
                lines(&proof.findings)
                    .into_iter()
                    .map(|line| format!("{name}: {line}")),
            );
            let definitions = proof
                .not_compared
                .iter()
                .any(|one| one.what == "definitions of objects");
            assert_eq!(definitions, from != to, "{name}: {:?}", proof.not_compared);
            plur.sql("plur", WITHOUT_SUBSCRIPTION).await;
            plur.sql("postgres", "DROP DATABASE plur").await;
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    })
    .await;
}

/// A change of the restored database, its fault's id where there is one, and what is told of it.
const CHANGES: &[(&str, &str, &[&str])] = &[
    (
        "an index is gone",
        "DROP INDEX app.customers_lower",
        &[
            "INDEX app.customers_lower | as in the backup | not in the database",
            "COMMENT app.INDEX customers_lower | as in",
        ],
    ),
    (
        "an index is another one of the same name",
        "DROP INDEX app.customers_born CASCADE; CREATE INDEX customers_born ON app.customers (born)",
        &[
            "INDEX app.customers_born | its definition in the backup, line 1: `CREATE UNIQUE INDEX customers_born",
            "line 1: `CREATE INDEX customers_born",
        ],
    ),
    (
        "R03: a restrictive policy is gone",
        "DROP POLICY only_positive ON app.orders",
        &["POLICY app.orders only_positive | as in the backup | not in the database"],
    ),
    (
        "a policy's condition is another one",
        "ALTER POLICY tenant ON app.customers USING (true)",
        &[
            "POLICY app.customers tenant | its definition in the backup, line 1",
            "USING (true)",
        ],
    ),
    (
        "a policy is for others",
        "ALTER POLICY tenant ON app.customers TO PUBLIC",
        &["POLICY app.customers tenant | "],
    ),
    (
        "row security is off",
        "ALTER TABLE app.customers DISABLE ROW LEVEL SECURITY",
        &["ROW SECURITY app.customers | as in the backup | not in the database"],
    ),
    (
        "S04: row security is not forced",
        "ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY",
        &["TABLE app.orders | "],
    ),
    (
        "R04: a right is wider",
        "GRANT DELETE ON app.customers TO kinds_app",
        &["ACL app.TABLE customers | "],
    ),
    (
        "R04: a right where there was none",
        "GRANT ALL ON app.serials TO PUBLIC",
        &["ACL app.TABLE serials | not in the database: the backup does not define it | it exists"],
    ),
    (
        "R04: default privileges are wider",
        "ALTER DEFAULT PRIVILEGES FOR ROLE kinds_owner IN SCHEMA app GRANT ALL ON TABLES TO kinds_app",
        &["DEFAULT ACL app.DEFAULT PRIVILEGES FOR TABLES | "],
    ),
    (
        "R16: a function is anybody's again",
        "GRANT EXECUTE ON FUNCTION app.tricky() TO PUBLIC",
        &["ACL app.FUNCTION tricky() | "],
    ),
    (
        "a right is gone",
        "REVOKE SELECT (email) ON app.customers FROM kinds_reader",
        &["ACL app.COLUMN customers.email | as in the backup | not in the database"],
    ),
    (
        "spreads: another owner",
        "ALTER TABLE app.serials OWNER TO kinds_owner",
        &["TABLE app.serials | owned by postgres, as in the backup | owned by kinds_owner"],
    ),
    (
        "another body",
        "CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
        &[
            "FUNCTION app.touch() | its definition in the backup | its definition differs in line 3, within a quoted text or a body",
        ],
    ),
    (
        "a function is its caller's",
        "ALTER FUNCTION app.tricky() SECURITY INVOKER",
        &[
            "FUNCTION app.tricky() | its definition in the backup, line 2: `LANGUAGE plpgsql SECURITY DEFINER`",
        ],
    ),
    (
        "a view instead of a table",
        "DROP TABLE app.dropped; CREATE VIEW app.dropped AS SELECT 1 AS a, 2 AS b",
        &[
            "TABLE app.dropped | as in the backup | not in the database",
            "VIEW app.dropped | not in the database",
        ],
    ),
    (
        "another view",
        "CREATE OR REPLACE VIEW app.simple AS SELECT id, email FROM app.customers WHERE feeling = 'sad' WITH LOCAL CHECK OPTION",
        &[
            "VIEW app.simple | its definition in the backup | its definition differs in line 5, within a quoted text or a body",
        ],
    ),
    (
        "S08: a view is its owner's",
        "ALTER VIEW app.secure RESET (security_invoker)",
        &["VIEW app.secure | its definition in the backup, line 1"],
    ),
    (
        "A02: a trigger is off on one partition",
        "ALTER TABLE app.orders_2026_0 DISABLE TRIGGER parted",
        &["app.orders_2026_0"],
    ),
    (
        "a trigger is on",
        "ALTER TABLE app.customers ENABLE TRIGGER off",
        &["TRIGGER app.customers off | "],
    ),
    (
        "an event trigger is on",
        "ALTER EVENT TRIGGER watch ENABLE",
        &["EVENT TRIGGER watch | "],
    ),
    (
        "spreads: a constraint is gone",
        "ALTER TABLE app.orders DROP CONSTRAINT not_free",
        &["TABLE app.orders | "],
    ),
    (
        "a key is gone",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_customer_fkey",
        &["FK CONSTRAINT app.orders orders_customer_fkey | as in the backup | not in the database"],
    ),
    (
        "a key is not deferred",
        "ALTER TABLE app.orders ALTER CONSTRAINT orders_customer_fkey NOT DEFERRABLE",
        &["FK CONSTRAINT app.orders orders_customer_fkey | "],
    ),
    (
        "a default is another one",
        "ALTER TABLE app.child ALTER COLUMN b SET DEFAULT 'secret'",
        &["its definition differs in line 1, within a quoted text or a body"],
    ),
    (
        "a column more",
        "ALTER TABLE app.unlogged ADD COLUMN more integer",
        &[
            "TABLE app.unlogged | its definition in the backup, line 3: `)` | line 3: `more integer`",
        ],
    ),
    (
        "a column may be empty",
        "ALTER TABLE app.customers ALTER COLUMN email DROP NOT NULL",
        &[
            "TABLE app.customers | its definition in the backup, line 3: `email public.citext NOT NULL`",
        ],
    ),
    (
        "spreads: a partition is detached",
        "ALTER TABLE app.orders DETACH PARTITION app.orders_2025",
        &["TABLE ATTACH app.orders_2025 | as in the backup | not in the database"],
    ),
    (
        "D: a sequence counts otherwise",
        "ALTER SEQUENCE app.loose INCREMENT BY 8",
        &["SEQUENCE app.loose | its definition in the backup, line 3: `INCREMENT BY 7`"],
    ),
    (
        "a sequence belongs to nobody",
        "ALTER SEQUENCE app.serials_id_seq OWNED BY NONE",
        &["SEQUENCE OWNED BY app.serials_id_seq | as in"],
    ),
    (
        "a value of an enum",
        "ALTER TYPE app.mood ADD VALUE 'furious'",
        &["TYPE app.mood | "],
    ),
    (
        "a domain takes anything",
        "ALTER DOMAIN app.positive DROP CONSTRAINT is_positive",
        &["DOMAIN app.positive | "],
    ),
    (
        "a publication is wider",
        "ALTER PUBLICATION a_few ADD TABLE app.serials",
        &[
            "PUBLICATION TABLE app.a_few serials | not in the database: the backup does not define it",
        ],
    ),
    (
        "F44: a table that was there before",
        "CREATE TABLE public.of_template (a int)",
        &[
            "TABLE public.of_template | not in the database: the backup does not define it | it exists",
        ],
    ),
    (
        "a schema more",
        "CREATE SCHEMA another",
        &["SCHEMA another | not in the database"],
    ),
    (
        "spreads: an extension more",
        "CREATE EXTENSION hstore SCHEMA side",
        &["EXTENSION hstore | not in the database"],
    ),
    (
        "a comment is another one",
        "COMMENT ON TABLE app.customers IS 'other'",
        &[
            "COMMENT app.TABLE customers | its definition in the backup | its definition differs in line 1, within a quoted text or a body",
        ],
    ),
    (
        "the password of a mapping",
        "ALTER USER MAPPING FOR kinds_app SERVER elsewhere OPTIONS (SET password 'secret')",
        &[
            "USER MAPPING USER MAPPING kinds_app SERVER elsewhere | its definition in the backup | its definition differs in line 2, within a quoted text or a body",
        ],
    ),
    (
        "a rule is gone",
        "DROP RULE no_delete ON app.serials",
        &["RULE app.serials no_delete | as in"],
    ),
    (
        "statistics are gone",
        "DROP STATISTICS app.stats",
        &["STATISTICS app.stats | as in"],
    ),
    (
        "an operator of two of one name is gone",
        "DROP OPERATOR app.<+> (text, text)",
        &["OPERATOR app.<+> | as in the backup | not in the database"],
    ),
];

/// Changes that a dump does not tell: what a person may do to a restored database without harm.
const HARMLESS: &[(&str, &str)] = &[
    ("vacuum", "VACUUM ANALYZE"),
    ("a rebuilt index", "REINDEX TABLE app.customers"),
    (
        "an index created again",
        "DROP INDEX app.orders_brin; CREATE INDEX orders_brin ON app.orders_2025 USING brin (at) WITH (pages_per_range = 32)",
    ),
    (
        "grants in another order",
        "REVOKE ALL ON app.loose FROM kinds_app; GRANT ALL ON app.loose TO kinds_app",
    ),
    ("rows", "INSERT INTO app.parent VALUES (2)"),
    ("a temporary table", "CREATE TEMP TABLE t (a int)"),
];

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case(15, "plain.sql")]
#[case(17, "plain.sql")]
#[tokio::test]
async fn every_change_is_told_by_name(#[case] major: u32, #[case] way: &str) {
    let folder = dumps(major).await;
    on_empty(major, async |plur: &Plur| {
        plur.sql(
            "postgres",
            ROLES.split("ALTER ROLE kinds_app IN").next().unwrap(),
        )
        .await;
        let settings = into("changed");
        let (backup, log) = restored(&plur.server, &folder.path().join(way), &settings).await;
        assert_eq!(log.errors, []);
        plur.sql("changed", WITHOUT_SUBSCRIPTION).await;
        plur.sql("postgres", "ALTER DATABASE changed RENAME TO whole")
            .await;
        let mut wrong = Vec::new();
        let harmless = HARMLESS.iter().map(|(name, sql)| (*name, *sql, &[][..]));
        for (name, sql, texts) in CHANGES.iter().copied().chain(harmless) {
            plur.sql("postgres", "CREATE DATABASE changed TEMPLATE whole")
                .await;
            plur.sql("changed", sql).await;
            let proof = compare(&plur.server, &backup, &settings, &log)
                .await
                .unwrap();
            let told: Vec<String> = lines(&proof.findings)
                .into_iter()
                .filter(|line| {
                    !line.starts_with("DATABASE ") && !line.starts_with("SUBSCRIPTION sub |")
                })
                .collect();
            let all = told.join("\n");
            let as_expected = match texts.is_empty() {
                true => told.is_empty(),
                false => {
                    texts.iter().all(|text| all.contains(text)) && told.len() <= texts.len() + 2
                        || name.starts_with("spreads")
                }
            };
            if !as_expected || all.contains("secret") || all.contains("planted") {
                wrong.push(format!("{name}: {told:#?}"));
            }
            plur.sql("postgres", "DROP DATABASE changed WITH (FORCE)")
                .await;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}

/// A dump of a small shop, as `drill::dumps` makes it, changed.
fn changed(name: &str, change: impl FnOnce(String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = String::from_utf8(dumps_of_shop(17).read(name)).unwrap();
    std::fs::write(folder.path().join("shop.sql"), change(text)).unwrap();
    folder
}

/// Restores such a dump and tells what differs.
async fn told(folder: &TempDir, settings: &Restore, change: &str) -> (Vec<String>, ObjectsProof) {
    let mut told = None;
    let run = work().begin().unwrap();
    let backup = inspect(&folder.path().join("shop.sql")).await;
    let path = std::env::var("PATH").unwrap();
    let wanted = redrill::stage::wanted(&backup, &Restore::default());
    let server = ThrowawayServer::start(&Server::default(), &wanted, &run, &path)
        .await
        .unwrap();
    given(server, run, backup.facts(), async |plur: &Plur| {
        let (backup, log) = restored(&plur.server, &folder.path().join("shop.sql"), settings).await;
        assert_eq!(log.errors, []);
        plur.sql("postgres", change).await;
        let proof = compare(&plur.server, &backup, settings, &log)
            .await
            .unwrap();
        told = Some((lines(&proof.findings), proof));
    })
    .await;
    told.unwrap()
}

/// What pg_dumpall writes of roles beyond those of the shop.
fn with_roles(text: String) -> String {
    let (head, rest) = text.split_once("\n\\connect ").unwrap();
    format!(
        "{head}\nCREATE ROLE late;\nALTER ROLE late WITH NOSUPERUSER NOINHERIT NOCREATEROLE CREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5 PASSWORD 'SCRAM-SHA-256$planted' VALID UNTIL '2037-01-01 12:00:00+02';\n\
         CREATE ROLE by_hand LOGIN CONNECTION LIMIT 5;\nCREATE USER \"by hand\";\nALTER ROLE \"by hand\" CREATEDB;\nCREATE ROLE bare;\n\
         ALTER ROLE shop_app SET search_path TO 'auth', '$user', 'public';\n\
         ALTER ROLE shop_app SET application_name TO 'it''s; an app';\n\
         GRANT shop_reader TO shop_app WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;\n\
         GRANT shop_reader TO late WITH INHERIT FALSE, SET FALSE GRANTED BY shop_app;\n\
         GRANT pg_monitor TO late WITH INHERIT TRUE GRANTED BY postgres;\n\\connect {rest}"
    )
}

#[tokio::test]
async fn roles_are_found_again() {
    let folder = changed("all.sql", with_roles);
    let (all, proof) = told(&folder, &Restore::default(), "SELECT 1").await;
    assert_eq!(all, Vec::<String>::new());
    assert!(proof.objects > 15, "{}", proof.objects);
    assert!(
        proof
            .not_compared
            .iter()
            .any(|one| one.what == "passwords of roles")
    );
}

#[tokio::test]
async fn every_change_of_a_role_is_told_by_name() {
    let folder = changed("all.sql", with_roles);
    let change = "
        ALTER ROLE shop_app SUPERUSER;
        CREATE ROLE stranger LOGIN;
        ALTER ROLE shop_app SET search_path TO public;
        ALTER ROLE late SET work_mem TO '1GB';
        ALTER ROLE late VALID UNTIL '2038-01-01';
        ALTER ROLE by_hand CONNECTION LIMIT 6;
        GRANT pg_write_all_data TO shop_reader;
        REVOKE pg_monitor FROM late;
        CREATE DATABASE more";
    let (all, _) = told(
        &folder,
        &Restore::default(),
        &change.replace("CREATE DATABASE more", "SELECT 1"),
    )
    .await;
    let all = all.join("\n");
    for text in [
        "ROLE shop_app | its definition in the backup, line 1: `NOSUPERUSER INHERIT",
        "ROLE stranger | not in the database: the backup does not define it | it exists",
        "ROLE SETTING shop_app search_path | its definition in the backup, line 1: `auth, $user, public`",
        "ROLE SETTING late work_mem | not in the database",
        "ROLE late | its definition in the backup",
        "ROLE by_hand | its definition in the backup",
        "MEMBERSHIP pg_write_all_data TO shop_reader | not in the database",
        "MEMBERSHIP pg_monitor TO late | as in the backup | not in the database",
    ] {
        assert!(all.contains(text), "no `{text}` in\n{all}");
    }
    assert_eq!(all.lines().count(), 8, "{all}");
    assert!(!all.contains("planted"), "{all}");
}

#[tokio::test]
async fn a_database_that_nobody_dumped_is_told() {
    let folder = changed("users-create.sql", |text| text);
    let settings = Restore {
        create_roles: vec!["shop_app".to_owned()],
        ..Restore::default()
    };
    let (all, _) = told(&folder, &settings, "CREATE DATABASE more").await;
    assert_eq!(
        all,
        ["DATABASE more | not on the server: it is not in the backup | it exists"]
    );
}

/// What somebody put into a dump, where, and what is told of what it did.
const PLANTED: &[(&str, &str, &[&str])] = &[
    (
        "a view behind the dump",
        "CREATE VIEW auth.hook AS SELECT 1 AS one;",
        &["VIEW auth.hook | not in the database: the backup does not define it"],
    ),
    (
        "an index dropped behind the dump",
        "DROP INDEX auth.users_email;",
        &["INDEX auth.users_email | as in the backup | not in the database"],
    ),
    (
        "a function of another body",
        "CREATE FUNCTION auth.f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        &["FUNCTION auth.f() | not in the database: the backup"],
    ),
    (
        "rights for everybody",
        "GRANT ALL ON auth.users TO PUBLIC;",
        &["ACL auth.TABLE users | not in the database: the backup does not define it"],
    ),
    (
        "a table that is a view",
        "DROP TABLE auth.nobody; CREATE VIEW auth.nobody AS SELECT 1 AS id;",
        &[
            "TABLE auth.nobody | as in the backup | not in the database",
            "VIEW auth.nobody | not in the database",
        ],
    ),
];

#[tokio::test]
async fn what_somebody_put_into_a_dump_is_told() {
    let settings = Restore {
        create_roles: vec!["shop_app".to_owned()],
        ..into("users")
    };
    for (name, sql, texts) in PLANTED {
        let folder = changed("users.sql", |text| format!("{text}\n{sql}\n"));
        let (all, _) = told(&folder, &settings, "SELECT 1").await;
        let all = all.join("\n");
        assert!(texts.iter().all(|text| all.contains(text)), "{name}: {all}");
    }
    let trigger = "
CREATE FUNCTION public.drops() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DROP INDEX IF EXISTS auth.users_email; END $$;
CREATE EVENT TRIGGER drops ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.drops();
--
-- Name: auth; Type: SCHEMA;";
    let folder = changed("users.sql", |text| {
        text.replacen("--\n-- Name: auth; Type: SCHEMA;", trigger.trim_start(), 1)
    });
    let (all, _) = told(&folder, &settings, "SELECT 1").await;
    let all = all.join("\n");
    for text in [
        "INDEX auth.users_email | as in the backup | not in the database",
        "EVENT TRIGGER drops | not in the database",
        "FUNCTION public.drops() | not in",
    ] {
        assert!(all.contains(text), "{all}");
    }
}

#[tokio::test]
async fn what_the_scenario_tolerates_is_told_as_not_compared() {
    let folder = changed("users.sql", |text| text);
    let settings = Restore {
        tolerate: vec![Tolerate {
            sqlstate: Some("42704".to_owned()),
            message: None,
            reason: "roles are made by hand".to_owned(),
        }],
        ..into("users")
    };
    let (all, proof) = told(&folder, &settings, "SELECT 1").await;
    assert_eq!(all, Vec::<String>::new());
    let told: Vec<String> = proof
        .not_compared
        .iter()
        .map(|one| format!("{}: {}", one.what, one.why))
        .collect();
    assert!(
        told.iter().any(|line| line.contains("TABLE auth.users")
            && line.contains("is tolerated: roles are made by hand")),
        "{told:#?}"
    );
}

#[tokio::test]
async fn a_dump_without_its_comments_is_looked_for_by_its_statements() {
    let without = |text: String| {
        let lines = text.lines().filter(|line| {
            !line.starts_with("-- Name: ") && !line.starts_with("-- Data for Name: ")
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let settings = Restore {
        create_roles: vec!["shop_app".to_owned()],
        ..into("users")
    };
    let folder = changed("users.sql", without);
    let (all, proof) = told(&folder, &settings, "SELECT 1").await;
    assert_eq!(all, Vec::<String>::new());
    assert_eq!(proof.objects, 5);
    let folder = changed("users.sql", |text| {
        without(text) + "DROP INDEX auth.users_email;\nDROP TABLE auth.nobody;\n"
    });
    let (all, _) = told(&folder, &settings, "SELECT 1").await;
    assert_eq!(
        all,
        [
            "TABLE auth.nobody | as in the backup | not in the database",
            "INDEX auth.users_email | as in the backup | not in the database"
        ]
    );
}
