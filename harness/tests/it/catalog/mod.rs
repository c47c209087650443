//! A catalog read of real databases: the same each time, the same after a dump and a restore.

mod change;

use redrill::catalog::compare::{Change, Scope, Severity, compare, not_compared};
use redrill::catalog::{Catalog, file};
use redrill::database::{Session, Terms};
use redrill::server::{Client, ClientInput};
use redrill::sql::quote_ident;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Plur, on_empty, on_own_plur};

/// Everything is compared, comments too.
fn everything() -> Scope {
    Scope {
        comments: true,
        ..Scope::default()
    }
}

async fn read(plur: &Plur, database: &str) -> Catalog {
    let mut session = plur.server.session(database).await.unwrap();
    let catalog = Catalog::read(&mut session).await.unwrap();
    session.close().await;
    catalog
}

/// One line per difference, as a test expects it.
fn lines(changes: &[Change]) -> Vec<String> {
    let severity = |severity| match severity {
        Severity::Widened => "widened",
        Severity::Broken => "broken",
        Severity::Tuning => "tuning",
        Severity::Note => "note",
    };
    changes
        .iter()
        .map(|change| {
            let kind = format!("{:?}", change.kind).to_lowercase();
            let property = change.property.as_deref().unwrap_or("-");
            format!(
                "{} {kind} {} | {property}",
                severity(change.severity),
                change.object
            )
        })
        .collect()
}

/// Runs a program of the server's own version.
async fn client(plur: &Plur, program: &'static str, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut client = plur
        .server
        .client(Client {
            program,
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            input: ClientInput::Pipe,
        })
        .await
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let (mut out, mut messages) = (Vec::new(), String::new());
    let (_, read, _) = tokio::join!(
        async move {
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        },
        client.stdout.read_to_end(&mut out),
        client.stderr.read_to_string(&mut messages)
    );
    read.unwrap();
    assert_eq!(client.end.wait().await.unwrap(), Some(0), "{messages}");
    out
}

/// Dumps a database, drops it, and restores it.
async fn restored(plur: &Plur, database: &str) {
    let dbname = format!("--dbname={database}");
    let dump = client(
        plur,
        "pg_dump",
        &["--no-password", "--create", &dbname],
        Vec::new(),
    )
    .await;
    plur.sql(
        "postgres",
        &format!("DROP DATABASE {database} WITH (FORCE)"),
    )
    .await;
    let psql = [
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--dbname=postgres",
    ];
    client(plur, "psql", &psql, dump).await;
}

/// Reads it twice, writes and parses it, dumps and restores it: always the same.
async fn is_stable(plur: &Plur) -> Catalog {
    let catalog = read(plur, "plur").await;
    assert_eq!(read(plur, "plur").await, catalog);
    let text = file::write(&catalog);
    if let Some(folder) = std::env::var_os("CATALOG_OUT") {
        let path = std::path::Path::new(&folder).join(format!("{}.toml", plur.server.version()));
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(file::parse(&text).as_ref(), Ok(&catalog));
    for secret in ["planted", "SCRAM-SHA-256$"] {
        assert!(!text.contains(secret), "{secret}");
    }
    restored(plur, "plur").await;
    let again = read(plur, "plur").await;
    let findings: Vec<String> = compare(&catalog, &again, &everything())
        .iter()
        .map(|change| format!("{:?} {:?}", change.severity, change.finding()))
        .collect();
    assert_eq!(findings, [] as [&str; 0]);
    catalog
}

#[tokio::test(flavor = "multi_thread")]
async fn plur_is_the_same_after_a_restore() {
    on_own_plur(async |plur| {
        let catalog = is_stable(plur).await;
        assert_eq!(read(plur, "plur").await, catalog);
    })
    .await;
}

#[rstest::rstest]
#[case(15)]
#[case(17)]
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_the_same_after_a_restore(#[case] major: u32) {
    on_empty(major, async |plur| {
        plur.sql("plur", include_str!("everything.sql")).await;
        is_stable(plur).await;
    })
    .await;
}

/// A baseline's text has names as the server quotes them, so that a committed file does not change.
#[rstest::rstest]
#[case(15)]
#[case(17)]
#[case(18)]
#[tokio::test(flavor = "multi_thread")]
async fn keywords_are_quoted_as_the_server_quotes_them(#[case] major: u32) {
    on_empty(major, async |plur| {
        let mut session = plur.server.session("plur").await.unwrap();
        let words = "SELECT word, quote_ident(word) FROM pg_get_keywords()";
        for row in session.rows(words).await.unwrap() {
            let [Some(word), Some(quoted)] = row.as_slice() else {
                panic!("{row:?}");
            };
            // Keywords of other versions are quoted too.
            if quoted != word {
                assert_eq!(quote_ident(word), *quoted);
            }
        }
        session.close().await;
    })
    .await;
}

/// What a read-only login of production sees, but for what it may not; and what cannot be done in a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_role_reads_the_same_and_says_what_it_may_not() {
    on_own_plur(async |plur| {
        let all = read(plur, "plur").await;
        let endpoint = plur.server.endpoint();
        let mut session = Session::role(endpoint, "plur", "plur_auditor", &[], &Terms::default())
            .await
            .unwrap();
        let seen = Catalog::read(&mut session).await.unwrap();
        session.close().await;
        let unread: Vec<&str> = seen.unreadable.iter().map(String::as_str).collect();
        assert_eq!(unread, ["graphs", "passwords of roles", "subscriptions"]);
        assert_eq!(lines(&compare(&all, &seen, &everything())), [] as [&str; 0]);
        assert_eq!(lines(&compare(&seen, &all, &everything())), [] as [&str; 0]);
        let unread = not_compared(&all, &seen, &everything());
        assert_eq!(unread.len(), 3, "{unread:?}");

        for sql in [
            "VACUUM FULL",
            "VACUUM FREEZE ANALYZE",
            "REINDEX DATABASE plur",
            "CLUSTER plur.users USING users_pkey; ALTER TABLE plur.users SET WITHOUT CLUSTER",
        ] {
            plur.sql("plur", sql).await;
            assert_eq!(read(plur, "plur").await, all, "{sql}");
        }
    })
    .await;
}
