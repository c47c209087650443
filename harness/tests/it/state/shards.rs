//! `run --shard` and `merge`: several machines that share a state, by the real binary.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use redrill::batch::collect;
use redrill::ledger::entries;
use rstest::rstest;
use serde_json::Value;

use super::{Said, Site, s3};
use crate::backup::source::servers::Server;
use crate::report::xml;

/// A folder with a state in it and as many scenarios; the last one fails where `bad`.
fn site(scenarios: usize, bad: bool) -> Site {
    let site = Site::new();
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    fs::remove_file(site.path("orgs.toml")).unwrap();
    fs::create_dir(site.path("drills")).unwrap();
    for number in 1..=scenarios {
        let mut text = text
            .replace(
                "name = \"orgs\"\n\n[backup]",
                &format!("name = \"d{number}\"\n\n[backup]"),
            )
            .replace("orgs-2026", "../orgs-2026");
        if bad && number == scenarios {
            text = text.replace("exact = 3", "exact = 4");
        }
        fs::write(site.path(&format!("drills/d{number}.toml")), text).unwrap();
    }
    site
}

impl Site {
    fn shard(&self, shard: &str, more: &str) -> Said {
        self.call(&format!(
            "run drills --quiet --state state --batch b --shard {shard} --reports out/{} {more}",
            shard.replace('/', "-")
        ))
    }

    fn merge(&self) -> Said {
        self.call("merge --state state --batch b --reports merged")
    }

    fn plan(&self) -> Value {
        let text = fs::read_to_string(self.path("state/batches/b/plan.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn ended(said: &Said, code: i32) {
    assert_eq!(said.code, code, "{}\n{}", said.stdout, said.stderr);
}

/// Whether some text of an output has all of these, in this order.
fn says(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no `{part}` in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

fn red(site: &Site) -> Vec<(String, bool)> {
    let text = fs::read_to_string(site.path("merged/junit.xml")).unwrap();
    let suites = xml::parse(&text);
    suites
        .iter()
        .map(|suite| (suite.name.clone(), suite.red()))
        .collect()
}

#[test]
fn shards_are_one_run() {
    let site = site(3, false);
    // At the same time, as machines do; the first to begin is what merges them, when there is no state yet.
    let mut merging = site
        .command("merge --state state --batch b --reports waited --wait 10m")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(merging.stderr.take().unwrap());
    lines.read_line(&mut said).unwrap();
    assert!(
        said.starts_with("waiting for the shards of `b`, "),
        "{said}"
    );
    std::thread::scope(|scope| {
        for shard in ["1/2", "2/2"] {
            let site = &site;
            scope.spawn(move || ended(&site.shard(shard, ""), 0));
        }
    });
    assert!(merging.wait().unwrap().success());
    let said = site.merge();
    ended(&said, 0);
    assert!(said.stderr.is_empty(), "{}", said.stderr);
    let waited = fs::read(site.path("waited/drills.md")).unwrap();
    assert_eq!(waited, fs::read(site.path("merged/drills.md")).unwrap());
    says(
        &said.stdout,
        &[
            "3 scenarios: 3 PROVEN (exit code 0)",
            "d1",
            "d2",
            "d3",
            "merged/drills.md",
            "merged/drills.html",
        ],
    );
    assert_eq!(
        red(&site),
        ["d1", "d2", "d3"].map(|name| (name.to_owned(), false))
    );
    // Each drill was drilled once, and its reports are those that its shard wrote.
    for drill in ["d1", "d2", "d3"] {
        let own = ["1-2", "2-2"].map(|shard| site.path(&format!("out/{shard}/{drill}")));
        let own: Vec<_> = own.iter().filter(|folder| folder.exists()).collect();
        assert_eq!(own.len(), 1, "{drill}");
        for file in ["drill.json", "drill.md", "junit.xml"] {
            let read = |folder: &Path| fs::read(folder.join(file)).unwrap();
            assert_eq!(
                read(own[0]),
                read(&site.path("merged").join(drill)),
                "{drill} {file}"
            );
        }
    }
    ended(&site.call("verify --state state"), 0);
    // Durations are known now: the next batch is planned by them.
    let said = site.call("run drills --quiet --state state --batch c --shard 1/2");
    ended(&said, 0);
    let text = fs::read_to_string(site.path("state/batches/c/plan.json")).unwrap();
    let plan: Value = serde_json::from_str(&text).unwrap();
    let expected: Vec<f64> = plan["drills"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drill| drill["expected_s"].as_f64().unwrap())
        .collect();
    assert!(
        expected.iter().all(|seconds| (0.1..60.0).contains(seconds)),
        "{expected:?}"
    );
    assert_eq!(plan["entries"], 3);
}

/// Machines that share nothing but a bucket, and one that is killed between two of its drills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_at_the_same_time_in_s3() {
    let mut site = site(6, false);
    let server = Server::seaweedfs(&site.path("s3"));
    site.environment = s3::variables(server.port).into_iter().collect();
    let shard = |number: u32, more: &str| {
        site.command(&format!(
            "run drills --quiet --state s3://drills/team --batch b --shard {number}/3 --reports out/{number} {more}"
        ))
    };
    let began = [1, 2, 3].map(|number| {
        let mut command = shard(number, "");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    let [first, mut killed, third] = began;
    let state = s3::create("s3://drills/team", server.port).await.unwrap();
    // It has drilled one of two, and drills the other.
    while collect(&state, "b")
        .await
        .unwrap()
        .is_none_or(|batch| batch.shards[1].reported == 0)
    {
        let ended = killed.try_wait().unwrap();
        assert!(ended.is_none(), "shard 2/3 ended: {ended:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    for other in [first, third] {
        let output = other.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
    }
    let merge = || site.call("merge --state s3://drills/team --batch b --reports merged");
    let said = merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &["error: shard 2/3 began and did not end: ", "began 20"],
    );
    says(
        &said.stdout,
        &[
            "6 scenarios: 5 PROVEN, 1 not drilled (exit code 3)",
            "shard 2/3 began and did not end",
            "merged/drills.html",
        ],
    );
    let red = red(&site);
    assert_eq!(red.iter().filter(|(_, red)| *red).count(), 2, "{red:?}");
    let page = |site: &Site| fs::read_to_string(site.path("merged/drills.html")).unwrap();
    says(
        &page(&site),
        &[
            "<title>INCONCLUSIVE: 6 restore drills</title>",
            "5 PROVEN, 1 not drilled (exit code 3)",
            "shard 2/3 began and did not end",
            ">did not end<",
        ],
    );
    // Each was drilled by one shard, and none twice.
    let entries = entries(&state).await.unwrap();
    let drilled: BTreeSet<&str> = entries.iter().map(|one| &*one.drill.scenario).collect();
    assert_eq!((entries.len(), drilled.len()), (5, 5), "{drilled:?}");
    // Nobody takes its place unasked, since it may run.
    let output = shard(2, "").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = shard(2, "--again").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let said = merge();
    ended(&said, 0);
    says(
        &said.stderr,
        &["note: shard 2/3 was repeated: attempt 2 counts, the one before died"],
    );
    says(&said.stdout, &["6 scenarios: 6 PROVEN (exit code 0)"]);
    says(
        &page(&site),
        &["<title>PROVEN: 6 restore drills</title>", "was repeated"],
    );
    ended(&site.call("verify --state s3://drills/team"), 0);
    // The server of the drill that was killed.
    ended(&site.call("clean"), 0);
}

#[test]
fn the_worst_ending_is_that_of_all() {
    let site = site(2, true);
    let codes = ["1/2", "2/2"].map(|shard| site.shard(shard, "").code);
    assert_eq!(codes, [0, 10]);
    let said = site.merge();
    ended(&said, 10);
    says(&said.stdout, &["1 PROVEN, 1 NOT PROVEN (exit code 10)"]);
    let page = fs::read_to_string(site.path("merged/drills.md")).unwrap();
    says(
        &page,
        &[
            "# Restore drills",
            "1 PROVEN, 1 NOT PROVEN",
            "d1",
            "d2",
            "NOT PROVEN",
            "expected",
        ],
    );
    // What came to a conclusion is not repeated until it passes.
    let again = site.shard("2/2", "");
    ended(&again, 2);
    says(
        &again.stderr,
        &[
            "has reported already, with exit code 10",
            "begin a new batch",
        ],
    );
    ended(&site.shard("2/2", "--again"), 2);
    ended(&site.merge(), 10);
}

#[test]
fn a_shard_that_never_began_is_named() {
    let site = site(2, false);
    ended(&site.shard("1/2", ""), 0);
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &["error: shard 2/2 never began: 1 drills are missing"],
    );
    says(
        &said.stdout,
        &[
            "1 PROVEN, 1 not drilled (exit code 3)",
            "shard 2/2 never began",
        ],
    );
    assert_eq!(
        red(&site),
        [("d1", false), ("d2", true), ("shards", true)].map(|(name, red)| (name.to_owned(), red))
    );
    // It came late.
    ended(&site.shard("2/2", ""), 0);
    ended(&site.merge(), 0);
}

/// A shard that died has begun; what it drilled before counts.
#[test]
fn a_shard_that_died_is_another_than_one_that_never_began() {
    let site = site(3, false);
    ended(&site.shard("1/2", ""), 0);
    ended(&site.shard("2/2", ""), 0);
    let plan = site.plan();
    let of_one: Vec<usize> = (0..3)
        .filter(|at| plan["drills"][at]["shard"] == 1)
        .collect();
    assert_eq!(of_one.len(), 2);
    let batch = site.path("state/batches/b");
    fs::remove_file(batch.join("shard-00001.1.ended.json")).unwrap();
    fs::remove_file(batch.join(format!("drill-{:05}.1.json", of_one[1]))).unwrap();
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &["error: shard 1/2 began and did not end: ", "began 20"],
    );
    says(&said.stdout, &["2 PROVEN, 1 not drilled (exit code 3)"]);
    // Somebody else with its number is refused, since it may run; and named.
    let second = site.shard("1/2", "");
    ended(&second, 2);
    says(
        &second.stderr,
        &[
            "shard 1/2 of the batch `b` was not begun: another one has this number",
            "repeat it with `--again`",
        ],
    );
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &["two shards have number 1: another one has this number"],
    );
    // Once it is known that it died, it is repeated as a whole.
    ended(&site.shard("1/2", "--again"), 0);
    let said = site.merge();
    ended(&said, 0);
    says(
        &said.stderr,
        &["note: shard 1/2 was repeated: attempt 2 counts, the one before died"],
    );
    // It was not dead after all.
    fs::write(batch.join("shard-00001.1.ended.json"), "{}").unwrap();
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &[
            "two shards have number 1: attempt 1 (",
            "ended after attempt 2 (",
        ],
    );
}

/// A failure that an attempt found stays, whatever the next attempt finds.
#[test]
fn a_failure_of_an_earlier_attempt_counts() {
    let site = site(1, true);
    ended(&site.shard("1/1", ""), 10);
    let ended_file = site.path("state/batches/b/shard-00001.1.ended.json");
    fs::remove_file(&ended_file).unwrap();
    let text = fs::read_to_string(site.path("orgs-2026-11-20.sql")).unwrap();
    fs::write(
        site.path("orgs-2026-11-20.sql"),
        text.replace("\n3\n\\.", "\n3\n4\n\\."),
    )
    .unwrap();
    ended(&site.shard("1/1", "--again"), 0);
    let said = site.merge();
    ended(&said, 10);
    says(
        &said.stderr,
        &["`d1`: the result of attempt 1 counts, NOT PROVEN"],
    );
}

#[test]
fn a_scenario_that_changed_between_shards_is_named() {
    let site = site(2, false);
    ended(&site.shard("1/2", ""), 0);
    let path = site.path("drills/d2.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("exact = 3", "exact = 3 ")).unwrap();
    let said = site.shard("2/2", "");
    ended(&said, 2);
    says(
        &said.stderr,
        &[
            "shard 2/2 of the batch `b` was not begun: the text of `d2` changed: its SHA-256 is",
            "same commit",
        ],
    );
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &["error: shard 2/2 took no part: the text of `d2` changed"],
    );
    says(&said.stdout, &["1 PROVEN, 1 not drilled"]);
    fs::write(&path, text).unwrap();
    ended(&site.shard("2/2", ""), 0);
    ended(&site.merge(), 0);
}

#[rstest]
#[case::fewer("drills/d1.toml", "2/2", "`d2` of the plan is not here")]
#[case::other_number("drills", "2/3", "one of 3 shards, and the plan has 2")]
#[case::other_checks(
    "drills --only row-count",
    "2/2",
    "`d1 (only row-count)` is not in the plan"
)]
fn a_shard_with_other_drills_takes_no_part(
    #[case] scenarios: &str,
    #[case] shard: &str,
    #[case] why: &str,
) {
    let site = site(2, false);
    ended(&site.shard("1/2", ""), 0);
    let said = site.call(&format!(
        "run {scenarios} --quiet --state state --batch b --shard {shard}"
    ));
    ended(&said, 2);
    says(&said.stderr, &[why]);
    ended(&site.merge(), 3);
}

/// What the objects of a batch say is no evidence: the log is.
#[test]
fn what_is_not_in_the_log_is_missing() {
    let site = site(2, false);
    for shard in ["1/2", "2/2"] {
        ended(&site.shard(shard, ""), 0);
    }
    let path = site.path("state/batches/b/drill-00001.1.json");
    let own = fs::read_to_string(&path).unwrap();
    let first = fs::read_to_string(site.path("state/batches/b/drill-00000.1.json")).unwrap();
    let other = first.replace("\"drill\": 0", "\"drill\": 1");
    for (text, why) in [
        (other.as_str(), "is that of another drill"),
        (
            &own.replace("\"entry\": 1", "\"entry\": 7"),
            "its entry 7 is not in the log",
        ),
        (
            &own.replace("\"entry\": 1", "\"entry\": null"),
            "drilled and not recorded",
        ),
        ("{", "drilled and not recorded"),
    ] {
        fs::write(&path, text).unwrap();
        let said = site.merge();
        ended(&said, 3);
        says(&said.stdout, &["1 PROVEN, 1 not drilled", why]);
    }
    let not_complete = own.replace("\"complete\": true", "\"complete\": false");
    fs::write(&path, not_complete).unwrap();
    let said = site.merge();
    ended(&said, 3);
    says(&said.stdout, &["1 PROVEN, 1 NOT RECORDED"]);
    fs::write(&path, &own).unwrap();
    ended(&site.merge(), 0);
    // A record that was edited.
    let done: Value = serde_json::from_str(&own).unwrap();
    let record = site.path(&format!(
        "state/records/{}.json",
        done["record_sha256"].as_str().unwrap()
    ));
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("PROVEN", "proven")).unwrap();
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stdout,
        &["the record of entry 1 is missing or was changed"],
    );
}

#[test]
fn other_versions_are_named() {
    let site = site(2, false);
    ended(&site.shard("1/2", ""), 0);
    let path = site.path("state/batches/b/plan.json");
    let plan = fs::read_to_string(&path).unwrap();
    let version = format!("\"redrill\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(plan.contains(&version));
    fs::write(&path, plan.replace(&version, "\"redrill\": \"0.0.9\"")).unwrap();
    let said = site.shard("2/2", "");
    ended(&said, 2);
    says(&said.stderr, &["the plan is of redrill 0.0.9"]);
    let said = site.merge();
    ended(&said, 3);
    says(
        &said.stderr,
        &["shard 1/2 is of redrill", "the plan of redrill 0.0.9"],
    );
    says(
        &said.stdout,
        &["2 not drilled", "and the plan of redrill 0.0.9"],
    );
    fs::write(&path, plan.replace("\"version\": 1", "\"version\": 2")).unwrap();
    let said = site.merge();
    ended(&said, 3);
    says(&said.stderr, &["is of redrill", "begin a new batch"]);
}

#[test]
fn more_shards_than_drills() {
    let site = site(1, false);
    ended(&site.shard("1/3", ""), 0);
    ended(&site.shard("3/3", ""), 0);
    // The second never began, and had nothing to drill.
    let said = site.merge();
    ended(&said, 0);
    says(
        &said.stderr,
        &["note: shard 2/3 never began; it had nothing to drill"],
    );
}

#[rstest]
#[case::no_state("run drills --batch b --shard 1/2", 2, "`--shard` without `--state`")]
#[case::no_batch("run drills --state state --shard 1/2", 2, "no name of the batch")]
#[case::no_such_shard(
    "run drills --state state --batch b --shard 3/2",
    2,
    "there is no shard 3 of 2"
)]
#[case::auto(
    "run drills --state state --batch b --shard auto",
    2,
    "no number of a shard"
)]
#[case::with_rehearsal(
    "run drills --state state --batch b --shard 1/2 --rehearse",
    2,
    "cannot be used with"
)]
#[case::again_alone("run drills --again", 2, "--shard")]
#[case::unreachable(
    "run drills --state s3://nowhere/x --batch b --shard 1/2",
    3,
    "s3://nowhere/x"
)]
#[case::merge_unreachable("merge --state s3://nowhere/x --batch b", 3, "s3://nowhere/x")]
#[case::merge_no_state("merge --state other --batch b", 4, "there is no state at other")]
#[case::merge_no_batch(
    "merge --state state --batch other",
    3,
    "has no batch `other`: it has b"
)]
fn bad_input(#[case] words: &str, #[case] code: i32, #[case] why: &str) {
    let mut site = site(1, false);
    site.environment = [
        ("AWS_ACCESS_KEY_ID", "test-key"),
        ("AWS_SECRET_ACCESS_KEY", "test-s3cret"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if words.contains("--batch other") {
        ended(&site.shard("1/1", ""), 0);
    }
    let said = site.call(words);
    ended(&said, code);
    says(&said.stderr, &[why]);
}
