//! A state on a real S3 server that misbehaves: between redrill and the server is a proxy that answers for it, delays it, cuts its
//! connections, or confirms what it never got.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use redrill::ledger::{Kept, entries, verify};
use rstest::rstest;

use super::s3::{create, variables};
use super::{Site, add};
use crate::backup::source::servers::Server;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// This status, and the server never sees it.
    Status(&'static str),
    /// The server gets it late.
    Slow(Duration),
    /// The connection ends, and the server never sees it.
    CutBefore,
    /// The connection ends once the server has answered.
    CutAfter,
    /// The answer says another ETag.
    OtherTag,
}

const SUCCESS: Fault = Fault::Status("200 OK");
const ERROR: Fault = Fault::Status("500 Internal Server Error");
const SLOW_DOWN: Fault = Fault::Status("503 Slow Down");
const CONDITION: Fault = Fault::Status("412 Precondition Failed");

/// Which requests a fault is for.
#[derive(Debug, Clone, Copy)]
struct Of {
    method: &'static str,
    /// A part of the path.
    object: &'static str,
    /// How many are affected.
    times: usize,
}

/// A proxy with one fault; gives its port and how many requests were affected.
fn faulty(server: u16, of: Of, fault: Fault) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let affected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&affected);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            // A client that goes away ends its own connection only.
            thread::spawn(move || pass_on(client, server, of, fault, &count));
        }
    });
    (port, affected)
}

/// Passes one request on, and closes the connection.
fn pass_on(
    mut client: TcpStream,
    server: u16,
    of: Of,
    fault: Fault,
    affected: &AtomicUsize,
) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut head).ok()?;
    let first = head.clone();
    while reader.read_line(&mut line).ok()? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let meant = first.starts_with(of.method) && first.contains(of.object);
    let hit = meant
        && affected
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
                (count < of.times).then_some(count + 1)
            })
            .is_ok();
    let fault = Some(fault).filter(|_| hit);
    match fault {
        Some(Fault::Status(status)) => {
            let answer = format!(
                "HTTP/1.1 {status}\r\nETag: \"a\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return client.write_all(answer.as_bytes()).ok();
        }
        Some(Fault::CutBefore) => return None,
        Some(Fault::Slow(time)) => thread::sleep(time),
        Some(Fault::CutAfter | Fault::OtherTag) | None => {}
    }
    let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).ok()?;
    upstream
        .write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
        .ok()?;
    upstream.write_all(&body).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    match fault {
        Some(Fault::CutAfter) => return None,
        Some(Fault::OtherTag) => {
            let at = answer
                .windows(7)
                .position(|part| part.eq_ignore_ascii_case(b"etag: \""))?;
            answer[at + 7] = b'x';
        }
        _ => {}
    }
    client.write_all(&answer).ok()
}

/// A fault of requests, by method, a part of the path and how many, and what the error says; `@` is the prefix of the state. Without
/// an error the entry is written.
type Case = (&'static str, &'static str, usize, Fault, &'static str);

const CASES: &[Case] = &[
    ("PUT", "/entries/", 1, ERROR, ""),
    ("PUT", "/entries/", 1, SLOW_DOWN, ""),
    (
        "PUT",
        "/entries/",
        99,
        ERROR,
        "cannot write s3://drills/@/entries/0000000001.json: the storage is unavailable (500)",
    ),
    (
        "PUT",
        "/entries/",
        99,
        SLOW_DOWN,
        "cannot write s3://drills/@/entries/0000000001.json: the storage is unavailable (503)",
    ),
    (
        "PUT",
        "/entries/",
        99,
        CONDITION,
        "s3://drills/@ said that `entries/0000000001.json` was written, and does not have it",
    ),
    (
        "PUT",
        "/entries/",
        99,
        SUCCESS,
        "s3://drills/@ said that `entries/0000000001.json` was written, and does not have it",
    ),
    (
        "PUT",
        "/entries/",
        99,
        Fault::CutBefore,
        "cannot write s3://drills/@/entries/0000000001.json: ",
    ),
    ("PUT", "/entries/", 1, Fault::CutAfter, ""),
    (
        "PUT",
        "/entries/",
        99,
        Fault::CutAfter,
        "cannot write s3://drills/@/entries/0000000001.json: ",
    ),
    (
        "PUT",
        "/entries/",
        99,
        Fault::Slow(Duration::from_secs(2)),
        "",
    ),
    ("PUT", "/entries/", 99, Fault::OtherTag, ""),
    (
        "GET",
        "/entries/0000000001",
        99,
        ERROR,
        "cannot read s3://drills/@/entries/0000000001.json: the storage is unavailable (500)",
    ),
    (
        "GET",
        "/entries/0000000001",
        99,
        SUCCESS,
        "replaced `entries/0000000001.json`, which was there before",
    ),
    (
        "PUT",
        "/records/",
        99,
        ERROR,
        "cannot write s3://drills/@/records/",
    ),
    ("PUT", "/records/", 99, SUCCESS, "and does not have it"),
    (
        "PUT",
        "/checkpoints/",
        99,
        ERROR,
        "cannot write s3://drills/@/checkpoints/0000000002",
    ),
    ("PUT", "/checkpoints/", 99, SUCCESS, "and does not have it"),
    ("GET", "list-type", 99, ERROR, ""),
    ("PUT", "/head", 99, ERROR, ""),
    (
        "GET",
        "/head",
        99,
        Fault::CutBefore,
        "cannot read s3://drills/@/head: ",
    ),
    // Longer than a connection may be silent.
    (
        "PUT",
        "/entries/",
        99,
        Fault::Slow(Duration::from_secs(600)),
        "cannot write s3://drills/@/entries/0000000001.json: ",
    ),
];

/// Whatever the server does: what was reported as written is there, once; what was not is an error that says why; and the log
/// can be continued by a machine that the server serves well.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_wrong_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::seaweedfs(folder.path());
    let cases = CASES.iter().enumerate();
    let cases = cases.map(|(number, case)| judge(server.port, format!("case{number}"), *case));
    futures_util::future::join_all(cases).await;
}

async fn judge(server: u16, prefix: String, (method, object, times, fault, why): Case) {
    let place = format!("s3://drills/{prefix}");
    let case = format!("{prefix}: {method} {object} {times} {fault:?}");
    let direct = Arc::new(create(&place, server).await.unwrap());
    add(&direct, None, "before").await.unwrap();
    let of = Of {
        method,
        object,
        times,
    };
    let (port, affected) = faulty(server, of, fault);
    let state = create(&place, port).await.unwrap();
    let written = add(&state, None, "during").await;
    // The list is asked for only where the hint is of no use.
    let asked = affected.load(Ordering::SeqCst);
    assert!(asked > 0 || object == "list-type", "{case} was not tried");
    let why = why.replace('@', &prefix);
    match (&written, why.as_str()) {
        (Ok(written), "") => assert_eq!(written.index, 1, "{case}"),
        (Err(error), why) if !why.is_empty() => {
            assert!(error.reason.contains(why), "{case}: {}", error.reason);
            assert!(error.hint.is_some(), "{case}: {}", error.reason);
        }
        _ => panic!("{case}: {written:?}"),
    }
    add(&direct, None, "after").await.unwrap();
    let verified = verify(&direct, &Kept::default(), &BTreeSet::new())
        .await
        .unwrap();
    assert_eq!(verified.problems, [], "{case}");
    let runs = entries(&direct).await.unwrap().into_iter();
    let runs: Vec<String> = runs.map(|entry| entry.drill.run).collect();
    let times_of = |run: &str| runs.iter().filter(|one| *one == run).count();
    assert_eq!(
        (times_of("before"), times_of("after")),
        (1, 1),
        "{case}: {runs:?}"
    );
    // Where the answer was lost, the entry may be there, though it was reported as not written.
    let most = times_of("during");
    assert!(
        most == 1 || (most == 0 && written.is_err()),
        "{case}: {runs:?}"
    );
}

/// The drill itself: its verdict stays, the exit code says that it was not recorded, and the next one is.
#[rstest]
#[case::fails(ERROR)]
#[case::confirms_falsely(SUCCESS)]
#[case::is_cut(Fault::CutBefore)]
fn a_drill_that_cannot_be_recorded_keeps_its_verdict(#[case] fault: Fault) {
    let mut site = Site::new();
    let server = Server::seaweedfs(site.folder.path());
    let of = Of {
        method: "PUT",
        object: "/entries/",
        times: usize::MAX,
    };
    let (port, _) = faulty(server.port, of, fault);
    site.environment = variables(port).into_iter().collect();
    let said = site.drill("--state s3://drills/a", 3);
    assert!(
        said.stderr.contains("it was not recorded: "),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("entries/0000000000.json"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("hint: "), "{}", said.stderr);
    let record = std::fs::read_to_string(site.path("reports/out/orgs/drill.json")).unwrap();
    assert!(record.contains("\"verdict\": \"PROVEN\""), "{record}");
    site.environment = variables(server.port).into_iter().collect();
    site.drill("--state s3://drills/a", 0);
    let said = site.call("verify --state s3://drills/a reports/out/orgs/drill.json");
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
}
