//! `[backup.s3]` against rclone, which checks signatures, and moto, which knows versions and tiers.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use redrill::digest::hex;
use redrill::event::Event;
use rstest::rstest;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::servers::{At, Server, free_port, proxy};
use super::{Bench, bytes};

const KEYS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "test-key"),
    ("AWS_SECRET_ACCESS_KEY", "test-s3cret"),
];

/// rclone on a folder with one bucket.
fn storage(files: &[(&str, &[u8])]) -> (TempDir, Server) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("backups")).unwrap();
    for (name, content) in files {
        let path = root.path().join("backups").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let server = Server::rclone(root.path(), free_port());
    (root, server)
}

fn s3(port: u16, rest: &str) -> String {
    format!("[backup.s3]\nbucket = \"backups\"\nendpoint = \"http://127.0.0.1:{port}\"\n{rest}")
}

#[tokio::test]
async fn an_object_is_fetched_whole() {
    let content = bytes(3_000_000, 1);
    let key = "nightly/d r/é%2F+x &=?-2026-05-25.dump";
    let (_root, server) = storage(&[(key, &content)]);
    let bench = Bench::new(KEYS);
    let found = bench
        .find(&s3(server.port, &format!("key = \"{key}\"")))
        .await
        .unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), content);
    assert!(found.path.starts_with(bench.path("spool")));
    assert_eq!(found.origin, format!("s3://backups/{key}"));
    assert_eq!(
        found.named_time.unwrap().to_string(),
        "2026-05-25T00:00:00Z"
    );
    assert!(found.modified.is_some());
    assert_eq!(found.received_sha256, Some(hex(&Sha256::digest(&content))));
}

#[tokio::test]
async fn the_digest_beside_an_object_is_read() {
    let digest = hex(&Sha256::digest(b"content"));
    let (_root, server) = storage(&[
        ("a.dump", b"content"),
        ("a.dump.sha256", format!("{digest}  a.dump\n").as_bytes()),
        ("b.dump", b"content"),
        ("b.dump.sha256", b"no digest"),
        ("c.dump", b"content"),
    ]);
    let bench = Bench::new(KEYS);
    for (key, expected, warnings) in [
        ("a.dump", Some(digest.as_str()), 0),
        ("b.dump", None, 1),
        ("c.dump", None, 0),
    ] {
        let found = bench
            .find(&s3(server.port, &format!("key = \"{key}\"")))
            .await
            .unwrap();
        let stated = found.expected_sha256.as_ref();
        assert_eq!(stated.map(|(digest, _)| digest.as_str()), expected, "{key}");
        assert_eq!(found.warnings.len(), warnings, "{key}");
    }
}

#[tokio::test]
async fn the_object_of_the_roles_of_the_same_day_is_fetched() {
    let content = bytes(1000, 2);
    let digest = hex(&Sha256::digest(b"roles of the 25th"));
    let (_root, server) = storage(&[
        ("nightly/shop-2026-05-24.sql", b"old"),
        ("nightly/shop-2026-05-25.sql", &content),
        ("nightly/globals-2026-05-24.sql", b"roles of the 24th"),
        ("nightly/globals-2026-05-25.sql", b"roles of the 25th"),
        ("nightly/globals-2026-05-25.sql.sha256", digest.as_bytes()),
        ("roles/shop-2026-05-25.sql", b"roles of the 25th"),
        ("shop-2026-05-25.sql", b"at the root"),
    ]);
    let bench = Bench::new(KEYS);
    for (source, globals) in [
        ("newest = \"nightly/shop-*.sql\"", "globals-*.sql"),
        ("newest = \"nightly/shop-*.sql\"", "globals-2026-05-25.sql"),
        (
            "key = \"nightly/shop-2026-05-25.sql\"",
            "../roles/shop-*.sql",
        ),
        ("key = \"shop-2026-05-25.sql\"", "nightly/globals-*"),
    ] {
        let backup = format!(
            "[backup]\nglobals = \"{globals}\"\n{}",
            s3(server.port, source)
        );
        let found = bench.find(&backup).await.unwrap();
        let (name, roles) = found.globals.expect(globals);
        assert!(name.ends_with("-2026-05-25.sql"), "{name}");
        assert_eq!(std::fs::read(&roles.path).unwrap(), b"roles of the 25th");
        assert_eq!(roles.received_sha256.as_ref(), Some(&digest));
        let stated = roles.expected_sha256.is_some();
        assert_eq!(stated, !globals.starts_with("../"), "{globals}");
        assert_ne!(std::fs::read(&found.path).unwrap(), b"roles of the 25th");
    }
    let old = "newest = \"nightly/shop-*.sql\"";
    let backup = format!(
        "[backup]\nglobals = \"roles-*.sql\"\n{}",
        s3(server.port, old)
    );
    let found = bench.find(&backup).await.unwrap();
    assert_eq!((found.globals, found.problems.len()), (None, 1));
}

#[tokio::test]
async fn f46_the_newest_of_more_than_a_page_is_taken() {
    let names: Vec<String> = (0..1203)
        .map(|hour| {
            let time = jiff::Timestamp::from_second(1_700_000_000 + hour * 3600).unwrap();
            format!("nightly/plur-{}.sql", time.strftime("%Y%m%dT%H%M%SZ"))
        })
        .chain([
            "nightly/pre_migration-20990101.sql".to_owned(),
            "other/plur-20990101T000000Z.sql".to_owned(),
        ])
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), name.as_bytes()))
        .collect();
    let (_root, server) = storage(&files);
    let bench = Bench::new(KEYS);
    for newest in [
        "nightly/*.sql",
        "nightly/",
        "nightly/plur-*.sql",
        "n*/plur-*.sql",
    ] {
        let found = bench
            .find(&s3(server.port, &format!("newest = \"{newest}\"")))
            .await
            .unwrap();
        assert_eq!(
            found.origin,
            format!("s3://backups/{}", names[1202]),
            "{newest}"
        );
        assert_eq!(std::fs::read(&found.path).unwrap(), names[1202].as_bytes());
        assert_eq!((found.earlier.len(), found.candidates.len()), (1202, 50));
        assert!(found.candidates.iter().any(|one| one.not_taken.is_none()));
    }
    bench
        .fails(
            &s3(server.port, "newest = \"nightly/x-*.sql\""),
            "no file matches s3://backups/nightly/x-*.sql",
            &[],
        )
        .await;
}

#[rstest]
#[case::wrong_secret("test-key", "wr0ng-s3cret", "key = \"a.sql\"", "SignatureDoesNotMatch")]
#[case::unknown_key("other-key", "test-s3cret", "key = \"a.sql\"", "InvalidAccessKeyId")]
#[case::wrong_secret_of_a_listing(
    "test-key",
    "wr0ng-s3cret",
    "newest = \"*.sql\"",
    "SignatureDoesNotMatch"
)]
#[case::no_object(
    "test-key",
    "test-s3cret",
    "key = \"b.sql\"",
    "the object does not exist"
)]
#[case::no_bucket(
    "test-key",
    "test-s3cret",
    "key = \"a.sql\"\nBUCKET",
    "the bucket `nowhere` does not exist"
)]
#[tokio::test]
async fn the_storage_says_why(
    #[case] id: &str,
    #[case] secret: &str,
    #[case] rest: &str,
    #[case] says: &str,
) {
    let (_root, server) = storage(&[("a.sql", b"a")]);
    let bench = Bench::new(&[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)]);
    let mut backup = s3(server.port, rest);
    if let Some(without) = backup.strip_suffix("\nBUCKET") {
        backup = without.replace("\"backups\"", "\"nowhere\"");
    }
    bench.fails(&backup, says, &[secret]).await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_in_one_line() {
    let bench = Bench::new(KEYS);
    let began = Instant::now();
    let backup = s3(free_port(), "key = \"a.sql\"");
    bench
        .fails(&backup, "Connection refused", &["test-s3cret"])
        .await;
    let backup = backup.replace("127.0.0.1", "no-such-host.invalid");
    bench
        .fails(&backup, "cannot reach http://no-such-host.invalid", &[])
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    let without = Bench::new(&[("AWS_ACCESS_KEY_ID", "test-key")]);
    without
        .fails(
            &backup,
            "environment variable `AWS_SECRET_ACCESS_KEY` is not set",
            &[],
        )
        .await;
}

#[tokio::test]
async fn a_cut_transfer_is_resumed() {
    let content = bytes(6_000_000, 2);
    let (_root, server) = storage(&[("a.dump", &content)]);
    let port = proxy(server.port, 1_500_000, |number| {
        if number <= 3 { At::Cut } else { At::GoOn }
    });
    let bench = Bench::new(KEYS);
    let found = bench.find(&s3(port, "key = \"a.dump\"")).await.unwrap();
    assert!(
        std::fs::read(&found.path).unwrap() == content,
        "the seams are right"
    );
    let events = bench.events.lock().unwrap();
    assert!(events.iter().all(|event| matches!(
        event,
        Event::Fetched {
            total: Some(6_000_000),
            ..
        }
    )));
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_waited_for() {
    let content = bytes(6_000_000, 3);
    let (root, server) = storage(&[("a.dump", &content)]);
    let (port, root) = (server.port, root);
    let server = Mutex::new(Some(server));
    let folder = root.path().to_owned();
    let through = proxy(port, 1_500_000, move |number| {
        if number > 1 {
            return At::GoOn;
        }
        let mut server = server.lock().unwrap();
        drop(server.take());
        *server = Some(Server::rclone(&folder, port));
        At::Cut
    });
    let bench = Bench::new(KEYS);
    let found = bench.find(&s3(through, "key = \"a.dump\"")).await.unwrap();
    assert!(std::fs::read(&found.path).unwrap() == content);
}

#[tokio::test]
async fn a_server_that_dies_for_good_is_given_up() {
    let (_root, server) = storage(&[("a.dump", &bytes(6_000_000, 4))]);
    let port = server.port;
    let server = Mutex::new(Some(server));
    let through = proxy(port, 1_500_000, move |_| {
        drop(server.lock().unwrap().take());
        At::Cut
    });
    let began = Instant::now();
    let error = Bench::new(KEYS)
        .fails(
            &s3(through, "key = \"a.dump\""),
            "tried 6 times, at the end after",
            &["test-s3cret"],
        )
        .await;
    assert!(error.reason.starts_with("s3://backups/a.dump: "), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(45),
        "{:?}",
        began.elapsed()
    );
}

/// An object is never put together from two.
#[rstest]
#[case::between_two_parts(At::Cut)]
#[case::while_it_comes(At::GoOn)]
#[tokio::test]
async fn f46_an_object_replaced_while_it_is_read_is_seen(#[case] then: At) {
    let (root, server) = storage(&[("a.dump", &bytes(6_000_000, 5))]);
    let path = root.path().join("backups/a.dump");
    let cut = matches!(then, At::Cut);
    let port = proxy(server.port, 1_500_000, move |number| {
        if number == 1 {
            let new = path.with_extension("new");
            std::fs::write(&new, bytes(6_000_000, 6)).unwrap();
            std::fs::rename(&new, &path).unwrap();
            if cut {
                return At::Cut;
            }
        }
        At::GoOn
    });
    Bench::new(KEYS)
        .fails(
            &s3(port, "key = \"a.dump\""),
            "it was replaced while it was read",
            &[],
        )
        .await;
}

#[tokio::test]
async fn versions_and_archive_tiers() {
    let server = Server::moto();
    server.send("PUT /backups", "", "");
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    server.send("PUT /backups?versioning", "", versioning);
    let answer = server.send("PUT /backups/a.sql", "", "first");
    let version = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-amz-version-id: "))
        .unwrap_or_else(|| panic!("{answer}"));
    server.send("PUT /backups/a.sql", "", "second");
    server.send(
        "PUT /backups/cold.sql",
        "x-amz-storage-class: GLACIER\r\n",
        "cold",
    );
    let bench = Bench::new(KEYS);
    let at = |rest: &str| s3(server.port, rest);

    let found = bench.find(&at("key = \"a.sql\"")).await.unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), b"second");
    let named = format!("key = \"a.sql\"\nversion = \"{version}\"");
    let found = bench.find(&at(&named)).await.unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), b"first");
    assert_eq!(
        found.origin,
        format!("s3://backups/a.sql (version {version})")
    );

    let other = "key = \"a.sql\"\nversion = \"00000000-0000-0000-0000-000000000000\"";
    bench
        .fails(&at(other), "this version of it does not exist", &[])
        .await;
    bench
        .fails(&at("key = \"cold.sql\""), "it is in an archive tier", &[])
        .await;
}
