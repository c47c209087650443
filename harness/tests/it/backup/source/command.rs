//! `[backup.command]`: its output is the backup, its failure is its own.

use std::time::{Duration, Instant};

use rstest::rstest;

use super::{Bench, bytes};

fn shell(script: &str, rest: &str) -> String {
    format!("[backup.command]\nrun = [\"sh\", \"-c\", '''{script}''']\n{rest}")
}

#[tokio::test]
async fn its_output_is_the_backup() {
    let content = bytes(3_000_000, 11);
    let bench = Bench::new(&[
        ("TOKEN", "s3cret-token"),
        ("DATABASE_URL", "postgres://production"),
    ]);
    std::fs::write(bench.path("there.dump"), &content).unwrap();
    let script = "test -z \"$DATABASE_URL\" && test -n \"$REDRILL_RUN\" && test \"$T\" = s3cret-token && cat there.dump; : s3cret-token";
    let rest = "name = \"orders-2026-05-25.dump\"\nenv = { T = { env = \"TOKEN\" } }";
    let found = bench.find(&shell(script, rest)).await.unwrap();
    assert!(std::fs::read(&found.path).unwrap() == content);
    assert_eq!(found.path.file_name().unwrap(), "orders-2026-05-25.dump");
    assert_eq!(
        found.named_time.unwrap().to_string(),
        "2026-05-25T00:00:00Z"
    );
    assert_eq!(
        found.modified, None,
        "when it was written says nothing about the backup"
    );
    assert!(
        found.origin.starts_with("sh -c test") && !found.origin.contains("s3cret"),
        "{}",
        found.origin
    );
}

#[rstest]
#[case::fails(
    "echo part; echo 'no such host: s3cret-token' >&2; exit 3",
    "it ended with exit code 3: no such host: ***"
)]
#[case::fails_after_output("head -c 100000 /dev/zero; exit 1", "it ended with exit code 1")]
#[case::killed("kill -9 $$", "a signal ended it")]
#[case::writes_nothing("true", "it wrote nothing")]
#[case::says_why_it_wrote_nothing("echo gone >&2", "it wrote nothing: gone")]
#[tokio::test]
async fn its_failure_is_told(#[case] script: &str, #[case] says: &str) {
    let bench = Bench::new(&[("TOKEN", "s3cret-token")]);
    let rest = "env = { T = { env = \"TOKEN\" } }";
    bench
        .fails(&shell(script, rest), says, &["s3cret-token"])
        .await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let bench = Bench::new(&[]);
    bench
        .fails(
            "[backup.command]\nrun = [\"no-such-program\"]",
            "cannot start `no-such-program`",
            &[],
        )
        .await;
    bench
        .fails("[backup.command]\nrun = [\"./none.sh\"]", "none.sh", &[])
        .await;
}

#[tokio::test]
async fn it_is_killed_with_all_it_started() {
    let bench = Bench::new(&[]);
    let began = Instant::now();
    // One that leaves the group and holds the pipe, too.
    let script = "setsid sleep 983 & echo part; sleep 984";
    bench
        .fails(
            &shell(script, "timeout = \"500ms\""),
            "did not end within 500 ms",
            &[],
        )
        .await;
    assert!(began.elapsed() < Duration::from_secs(20));
    // Dropping the search, as an interrupt does, kills it as well.
    let backup = shell("echo part; sleep 985", "");
    let dropped = tokio::time::timeout(Duration::from_millis(500), bench.find(&backup)).await;
    assert!(dropped.is_err());
    let left = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            [
                &b"sleep\x00983\x00"[..],
                b"sleep\x00984\x00",
                b"sleep\x00985\x00",
            ]
            .contains(&line.as_slice())
        });
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn it_writes_nowhere_else() {
    let bench = Bench::new(&[]);
    std::fs::write(bench.path("there.dump"), "content").unwrap();
    let lock = bench.path("lock");
    let script = format!(
        "echo x > \"$TMPDIR/x\" && echo x > {} && cat there.dump",
        lock.display()
    );
    let error = bench.find(&shell(&script, "")).await.unwrap_err();
    assert!(error.reason.contains("Permission denied"), "{error:?}");
    let hint = error.hint.unwrap();
    let key = format!("writes = [{lock:?}]");
    assert!(
        hint.contains(&format!("`{key}` in `[backup.command]`")),
        "{hint}"
    );
    std::fs::write(&lock, "").unwrap();
    let found = bench.find(&shell(&script, &key)).await.unwrap();
    assert_eq!(std::fs::read(&lock).unwrap(), b"x\n");
    assert_eq!(found.warnings, []);
}
