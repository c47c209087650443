//! A state in S3: on a server that honours conditional writes, on one that does not, and on one that fails.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use redrill::input::Environment;
use redrill::ledger::{Kept, entries, verify};
use redrill::redact::Redactor;
use redrill::state::{At, State};
use rstest::rstest;

use super::{Site, add, new_key};
use crate::backup::source::servers::{At as Cut, Server, free_port, proxy};

pub(super) fn variables(port: u16) -> Environment {
    [
        ("AWS_ACCESS_KEY_ID", "test-key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test-s3cret".to_owned()),
        ("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{port}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) async fn create(place: &str, port: u16) -> Result<State, redrill::outcome::CouldNotRun> {
    let at = At {
        place,
        environment: &variables(port),
        redactor: &Redactor::default(),
    };
    State::create(&at).await
}

/// Machines that share nothing but the bucket.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::seaweedfs(folder.path());
    let signer = new_key(&folder.path().join("key"));
    let writers = (0..6).map(async |writer| {
        let state = create("s3://drills/team/a", server.port).await.unwrap();
        let mut indexes = Vec::new();
        for run in 0..10 {
            indexes.push(
                add(&state, Some(&signer), &format!("w{writer}r{run}"))
                    .await
                    .unwrap()
                    .index,
            );
        }
        indexes
    });
    let mut indexes = futures_util::future::join_all(writers).await.concat();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..60).collect::<Vec<u64>>());
    let state = Arc::new(create("s3://drills/team/a", server.port).await.unwrap());
    let verified = verify(&state, &Kept::default(), &BTreeSet::new())
        .await
        .unwrap();
    assert_eq!((verified.problems, verified.entries), (vec![], 60));
    let runs: BTreeSet<String> = entries(&state)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.drill.run)
        .collect();
    assert_eq!(runs.len(), 60);
    // Another prefix is another state.
    let other = create("s3://drills/team", server.port).await.unwrap();
    assert_ne!(other.origin(), state.origin());
    assert_eq!(add(&other, None, "first").await.unwrap().index, 0);
}

#[test]
fn drills_of_two_machines_are_in_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::seaweedfs(folder.path());
    let mut sites = [Site::new(), Site::new()];
    for site in &mut sites {
        site.environment = variables(server.port).into_iter().collect();
    }
    std::thread::scope(|scope| {
        for site in &sites {
            scope.spawn(|| site.drill("--state s3://drills --key key", 0));
        }
    });
    // Each has a key of its own.
    let said = sites[0].call("verify --state s3://drills");
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(
        said.stdout.matches("1 drill by SHA256:").count(),
        2,
        "{}",
        said.stdout
    );
    let said =
        sites[1].call("gate --scenario orgs.toml --state s3://drills --max-age 1h --verified");
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
}

/// rclone replaces what it was asked to create: two writers would lose an entry.
#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("drills")).unwrap();
    let server = Server::rclone(folder.path(), free_port());
    let error = create("s3://drills/a", server.port).await.err().unwrap();
    assert!(
        error.reason.contains("does not honour conditional writes"),
        "{}",
        error.reason
    );
}

/// Connections that break while objects are written: an entry is written once, or the error says that it was not.
#[tokio::test]
async fn a_connection_that_breaks_writes_no_entry_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::seaweedfs(folder.path());
    let direct = Arc::new(create("s3://drills/a", server.port).await.unwrap());
    let mut failed = 0;
    for after in [0, 40, 200] {
        // Each answer is cut off after so many bytes, every third time.
        let port = proxy(server.port, after.max(1), |times| {
            if times % 3 == 2 { Cut::Cut } else { Cut::GoOn }
        });
        for run in 0..5 {
            let Ok(state) = create("s3://drills/a", port).await else {
                failed += 1;
                continue;
            };
            failed += u32::from(add(&state, None, &format!("{after}-{run}")).await.is_err());
        }
    }
    let verified = verify(&direct, &Kept::default(), &BTreeSet::new())
        .await
        .unwrap();
    assert_eq!(verified.problems, []);
    let runs: Vec<String> = entries(&direct)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.drill.run)
        .collect();
    let once: BTreeSet<&String> = runs.iter().collect();
    assert_eq!(once.len(), runs.len(), "{runs:?}");
    assert!(
        runs.len() + usize::try_from(failed).unwrap() >= 15,
        "{failed} failed, and {} were written",
        runs.len()
    );
    assert_eq!(
        add(&direct, None, "last").await.unwrap().index,
        runs.len() as u64
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let error = create("s3://drills/a", free_port()).await.err().unwrap();
    assert!(
        error
            .reason
            .starts_with("cannot read s3://drills/a/state.json: "),
        "{}",
        error.reason
    );
    let error = create("s3:///a", free_port()).await.err().unwrap();
    assert!(error.hint.unwrap().contains("s3://bucket/prefix"));
    assert!(!Path::new("s3:").exists());
}

/// A server that gives each GET and each PUT the same status, whatever it is asked.
fn always(get: &'static str, put: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let (mut first, mut line, mut body) = (String::new(), String::new(), 0);
            reader.read_line(&mut first).unwrap();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let header = line.to_ascii_lowercase();
                if let Some(length) = header.strip_prefix("content-length:") {
                    body = length.trim().parse().unwrap();
                }
                line.clear();
            }
            std::io::copy(&mut reader.take(body), &mut std::io::sink()).unwrap();
            let status = if first.starts_with("GET") { get } else { put };
            let answer = format!(
                "HTTP/1.1 {status}\r\nETag: \"a\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            client.write_all(answer.as_bytes()).unwrap();
        }
    });
    port
}

/// What a server confirms is read back; what it refuses is an error that names it.
#[rstest]
#[case::that_claims_success(
    "404 Not Found",
    "200 OK",
    "s3://drills/a does not keep what is written to it"
)]
#[case::that_says_it_is_there(
    "404 Not Found",
    "412 Precondition Failed",
    "s3://drills/a does not keep what is written to it"
)]
#[case::that_fails(
    "500 Internal Server Error",
    "500 Internal Server Error",
    "cannot read s3://drills/a/state.json: the storage is unavailable (500)"
)]
#[case::that_fails_to_write(
    "404 Not Found",
    "503 Slow Down",
    "cannot write s3://drills/a/state.json: the storage is unavailable (503)"
)]
#[case::that_refuses_access(
    "403 Forbidden",
    "403 Forbidden",
    "cannot read s3://drills/a/state.json: the storage refuses access (AccessDenied)"
)]
#[tokio::test]
async fn a_server(#[case] get: &'static str, #[case] put: &'static str, #[case] why: &str) {
    let error = create("s3://drills/a", always(get, put))
        .await
        .err()
        .unwrap();
    assert_eq!(error.reason, why);
}
