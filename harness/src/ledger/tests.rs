//! The log, written and changed: each change is found and named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use rstest::rstest;

use super::key::Signer;
use super::statement::{Kind, Summary};
use super::*;
use crate::input::Environment;
use crate::outcome::{CheckResult, DrillResult, Outcome};
use crate::redact::Redactor;
use crate::state::{At, State};
use crate::verdict::Verdict;

/// A state in a folder, with a key.
struct Log {
    folder: tempfile::TempDir,
    state: Arc<State>,
    signer: Option<Signer>,
}

impl Log {
    async fn new(signed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = At {
            place: &folder.path().join("state").display().to_string(),
            environment: &Environment::new(),
            redactor: &Redactor::default(),
        };
        let state = State::create(&at).await.unwrap();
        let signer = signed.then(|| new_key(&folder.path().join("key")));
        Self {
            folder,
            state: Arc::new(state),
            signer,
        }
    }

    async fn of(size: u64, signed: bool) -> Self {
        let log = Self::new(signed).await;
        for run in 0..size {
            log.add(&format!("run{run}")).await;
        }
        log
    }

    async fn add(&self, run: &str) -> Written {
        append(
            &self.state,
            self.signer.as_ref().map(Into::into),
            &format!("{{\"run\":\"{run}\"}}\n"),
            summary(run),
        )
        .await
        .unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("state").join(name)
    }

    async fn verify(&self, kept: &Kept) -> Verified {
        verify(&self.state, kept, &BTreeSet::new()).await.unwrap()
    }

    /// The places and the beginnings of what is wrong.
    async fn problems(&self, kept: &Kept) -> Vec<String> {
        let verified = self.verify(kept).await;
        verified
            .problems
            .iter()
            .map(|(place, why)| format!("{place} {why}"))
            .collect()
    }
}

fn new_key(path: &Path) -> Signer {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Signer::read(path).unwrap()
}

pub(super) fn summary(run: &str) -> Summary {
    let check = |kind: &'static str, outcome| CheckResult {
        id: format!("{kind}/a"),
        object: None,
        kind: kind.into(),
        name: String::new(),
        line: 1,
        required: true,
        not_required_because: None,
        database: String::new(),
        outcome,
        expected: String::new(),
        actual: String::new(),
        findings: Vec::new(),
        duration: std::time::Duration::ZERO,
    };
    let mut result = DrillResult {
        run: run.to_owned(),
        started: Timestamp::now(),
        checks: vec![
            check("role", Outcome::Pass),
            check("rls", Outcome::Pass),
            check("rls", Outcome::Fail),
        ],
        ..DrillResult::default()
    };
    "plur".clone_into(&mut result.scenario.name);
    Summary::of(&result, Verdict::NotProven)
}

#[rstest]
#[tokio::test]
async fn a_log_that_nobody_changed_verifies(
    #[values(0, 1, 2, 7, 20)] size: u64,
    #[values(true, false)] signed: bool,
) {
    let log = Log::of(size, signed).await;
    let verified = log.verify(&Kept::default()).await;
    assert_eq!(verified.problems, []);
    assert_eq!(verified.notes, [""; 0]);
    assert_eq!((verified.entries, verified.records), (size, size));
    assert_eq!(
        verified.checkpoint.as_ref().map_or(0, |newest| newest.size),
        size
    );
    assert_eq!(verified.unsigned, if signed { 0 } else { size });
    assert_eq!(
        verified.signed.values().sum::<u64>(),
        if signed { size } else { 0 }
    );
    assert_eq!(verified.not_proven.len(), 3);
    let kept = Kept {
        keys: log.signer.iter().map(Signer::public).collect(),
        checkpoint: verified.checkpoint,
        command: None,
    };
    assert_eq!(log.problems(&kept).await, [""; 0]);
    let entries = entries(&log.state).await.unwrap();
    assert!(
        (0..)
            .zip(&entries)
            .all(|(index, entry)| entry.position.index == index)
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.drill.covers == BTreeSet::from(["role".to_owned()]))
    );
}

/// Changes of a log of 9 entries, made by somebody without its key.
#[rstest]
#[case::record_changed("replace records/@4 {}", "entry 4 its record")]
#[case::record_removed("remove records/@4", "entry 4 its record")]
#[case::records_swapped("swap records/@4 records/@5", "entry 4 its record")]
#[case::entry_removed("remove entries/0000000004.json", "entry 4 is missing")]
#[case::entry_replaced(
    "replace entries/0000000004.json {}",
    "entry 4 is no entry that redrill wrote"
)]
#[case::entries_swapped(
    "swap entries/0000000004.json entries/0000000005.json",
    "entry 4 was written as entry 5"
)]
#[case::entry_repeated(
    "copy entries/0000000004.json entries/0000000009.json",
    "entry 9 was written as entry 4"
)]
#[case::entry_inserted_at_the_end_of_another_log(
    "other entries/0000000009.json",
    "entry 9 belongs to the log"
)]
#[case::tail_cut(
    "remove entries/0000000008.json",
    "checkpoint 9 is of 9 entries, and there are 8: the newest were removed"
)]
#[case::checkpoint_changed(
    "replace checkpoints/0000000005 {}",
    "checkpoint 5 is not of the first 5 entries"
)]
#[case::checkpoints_swapped(
    "swap checkpoints/0000000005 checkpoints/0000000006",
    "checkpoint 5 is not of the first 5 entries"
)]
#[case::checkpoint_of_a_signature(
    "swap checkpoints/0000000005.sig checkpoints/0000000006.sig",
    "checkpoint 5 its signature is not one over this content"
)]
#[case::payload_changed("edit entries/0000000004.json", "entry 4 its signature is not one of")]
#[tokio::test]
async fn a_change_is_found_and_named(#[case] change: &str, #[case] expected: &str) {
    let log = Log::of(9, true).await;
    let other = Log::of(10, true).await;
    let records: Vec<String> = entries(&log.state)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.record)
        .collect();
    let file = |name: &str| match name.split_once('@') {
        Some((folder, index)) => log
            .file(folder)
            .join(format!("{}.json", records[index.parse::<usize>().unwrap()])),
        None => log.file(name),
    };
    match change.split(' ').collect::<Vec<_>>()[..] {
        ["remove", name] => fs::remove_file(file(name)).unwrap(),
        ["replace", name, content] => fs::write(file(name), content).unwrap(),
        ["copy", from, to] => drop(fs::copy(file(from), file(to)).unwrap()),
        ["other", name] => drop(fs::copy(other.file(name), file(name)).unwrap()),
        ["swap", one, two] => {
            let (first, second) = (fs::read(file(one)).unwrap(), fs::read(file(two)).unwrap());
            fs::write(file(one), second).unwrap();
            fs::write(file(two), first).unwrap();
        }
        // The verdict of an entry, in an envelope with the old signature.
        ["edit", name] => {
            use base64::Engine as _;
            use base64::prelude::BASE64_STANDARD as BASE64;
            let mut envelope: serde_json::Value =
                serde_json::from_slice(&fs::read(file(name)).unwrap()).unwrap();
            let payload = BASE64
                .decode(envelope["payload"].as_str().unwrap())
                .unwrap();
            let payload = String::from_utf8(payload).unwrap().replace("run4", "run9");
            envelope["payload"] = BASE64.encode(payload).into();
            fs::write(file(name), serde_json::to_vec(&envelope).unwrap()).unwrap();
        }
        _ => panic!("{change}"),
    }
    let problems = log.problems(&Kept::default()).await;
    assert!(
        problems.iter().any(|problem| problem.starts_with(expected)),
        "{problems:#?}"
    );
}

/// The owner of the key can write a log anew. Only what was kept elsewhere shows it.
#[tokio::test]
async fn a_log_written_anew_is_found_by_a_kept_checkpoint() {
    let log = Log::of(9, true).await;
    let kept = Kept {
        checkpoint: log.verify(&Kept::default()).await.checkpoint,
        ..Kept::default()
    };
    for folder in ["entries", "checkpoints", "head"] {
        let path = log.file(folder);
        fs::remove_dir_all(&path)
            .or_else(|_| fs::remove_file(&path))
            .unwrap();
    }
    for run in 0..5 {
        log.add(&format!("other{run}")).await;
    }
    assert_eq!(log.problems(&Kept::default()).await, [""; 0]);
    assert_eq!(
        log.problems(&kept).await,
        ["the kept checkpoint is of 9 entries, and there are 5: the newest were removed"]
    );
    for run in 5..12 {
        log.add(&format!("other{run}")).await;
    }
    assert_eq!(
        log.problems(&kept).await,
        [
            "the kept checkpoint is not of these entries: the first 9 of the log were changed or written anew"
        ]
    );
    let other = Log::of(1, false).await;
    let problems = other.problems(&kept).await;
    assert!(
        problems[0].starts_with("the kept checkpoint is of the log redrill/"),
        "{problems:?}"
    );
}

#[tokio::test]
async fn keys_that_were_not_named_do_not_sign() {
    let (log, other) = (Log::of(2, true).await, Log::new(true).await);
    let kept = Kept {
        keys: vec![other.signer.as_ref().unwrap().public()],
        ..Kept::default()
    };
    let problems = log.problems(&kept).await;
    assert_eq!(
        problems
            .iter()
            .filter(|problem| problem.contains("is not one of the known keys"))
            .count(),
        2
    );
    assert_eq!(
        problems
            .iter()
            .filter(|problem| problem.contains("is not one of `--signers`"))
            .count(),
        2
    );
    let unsigned = Log::of(1, false).await;
    assert_eq!(
        unsigned.problems(&kept).await,
        ["entry 0 nobody signed it", "checkpoint 1 nobody signed it"]
    );
}

/// Writers that share nothing but the folder.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_none_is_lost(#[values(true, false)] with_head: bool) {
    let log = Log::new(true).await;
    let writers = (0..8).map(async |writer| {
        let mut indexes = Vec::new();
        for run in 0..5 {
            indexes.push(log.add(&format!("w{writer}r{run}")).await.index);
            if !with_head {
                let _ = fs::remove_file(log.file("head"));
            }
        }
        indexes
    });
    let mut indexes = futures_util::future::join_all(writers).await.concat();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..40).collect::<Vec<u64>>());
    let verified = log.verify(&Kept::default()).await;
    assert_eq!(verified.problems, []);
    assert_eq!(
        (verified.entries, verified.checkpoint.unwrap().size),
        (40, 40)
    );
}

/// An entry whose checkpoint was never written, as where the program was killed in between.
#[tokio::test]
async fn an_entry_without_a_checkpoint_is_in_the_next() {
    let log = Log::of(20, true).await;
    for size in 3..=20 {
        fs::remove_file(log.file(&format!("checkpoints/{size:010}"))).unwrap();
    }
    fs::write(log.file("head"), "7").unwrap();
    let verified = log.verify(&Kept::default()).await;
    assert_eq!(verified.problems, []);
    assert_eq!(
        verified.notes,
        [
            "18 entries were written after the newest checkpoint: their drill was interrupted, or is being written now"
        ]
    );
    assert_eq!(log.add("next").await.index, 20);
    let verified = log.verify(&Kept::default()).await;
    assert_eq!(
        (verified.problems, verified.checkpoint.unwrap().size),
        (vec![], 21)
    );
}

#[rstest]
#[case::past_the_end("40")]
#[case::far_before("1")]
#[case::nonsense("x")]
#[case::none("0")]
#[tokio::test]
async fn a_wrong_head_is_only_a_wrong_hint(#[case] head: &str) {
    let log = Log::of(4, false).await;
    fs::write(log.file("head"), head).unwrap();
    assert_eq!(log.add("next").await.index, 4);
    assert_eq!(log.problems(&Kept::default()).await, [""; 0]);
}

/// A name with a number far past the end makes no reader count up to it, and no writer go on there.
#[tokio::test]
async fn a_number_far_past_the_end_is_a_gap() {
    let log = Log::of(3, false).await;
    fs::copy(
        log.file("entries/0000000000.json"),
        log.file("entries/18446744073709551615.json"),
    )
    .unwrap();
    fs::remove_file(log.file("head")).unwrap();
    let problems = log.problems(&Kept::default()).await;
    assert_eq!(problems[0], "entries 3 to 18446744073709551614 are missing");
    assert_eq!(
        problems[1],
        "entry 18446744073709551615 was written as entry 0"
    );
    let error = append(&log.state, None, "{}", summary("next"))
        .await
        .unwrap_err();
    assert!(
        error
            .reason
            .contains("`entries/0000000003.json` is missing"),
        "{}",
        error.reason
    );
}

#[tokio::test]
async fn nothing_is_added_to_a_log_whose_tail_was_cut() {
    let log = Log::of(4, true).await;
    fs::remove_file(log.file("entries/0000000003.json")).unwrap();
    let error = append(
        &log.state,
        log.signer.as_ref().map(Into::into),
        "{}",
        summary("next"),
    )
    .await
    .unwrap_err();
    assert!(
        error.reason.contains("its log was changed"),
        "{}",
        error.reason
    );
}

/// A checkpoint of somebody else is not built on, even where it is newer.
#[tokio::test]
async fn a_forged_checkpoint_is_not_built_on() {
    let log = Log::of(4, true).await;
    let other = new_key(&log.folder.path().join("other"));
    let mut tree = merkle::Tree::default();
    (0..4_u8).for_each(|leaf| tree.push(merkle::leaf(&[leaf])));
    let text = checkpoint::write(log.state.origin(), &tree);
    fs::write(log.file("checkpoints/0000000004"), &text).unwrap();
    fs::write(
        log.file("checkpoints/0000000004.sig"),
        other.sign_file(&text).unwrap(),
    )
    .unwrap();
    log.add("next").await;
    let verified = log.verify(&Kept::default()).await;
    assert_eq!(verified.checkpoint.unwrap().size, 5);
    assert_eq!(verified.problems.len(), 1);
    assert!(verified.problems[0].0 == "checkpoint 4");
}

impl Log {
    /// Adds a drill or a rehearsal of a commit.
    async fn add_one(&self, kind: Kind, verdict: &str, commit: &str) {
        let mut summary = summary(commit);
        summary.kind = kind;
        verdict.clone_into(&mut summary.verdict);
        summary.commit = Some(commit.to_owned());
        append(&self.state, None, "{}", summary).await.unwrap();
    }

    /// The rehearsal that decides about a commit.
    async fn rehearsal_of(&self, commit: &str) -> Option<u64> {
        let wanted = gate::Wanted {
            rehearsed: true,
            commit: Some(commit.to_owned()),
            ..gate::Wanted::default()
        };
        let found = gate::find(&self.state, "plur", &wanted).await.unwrap();
        assert!(found.drill.is_some());
        found.rehearsal.map(|entry| entry.position.index)
    }
}

/// The names of rehearsals save work where there is none, and never open a gate.
#[tokio::test]
async fn a_name_that_is_missing_closes_a_gate_and_never_opens_it() {
    let (release, other) = (
        "ffac537e6cbbf934b08745a378932722df287a53",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    );
    let log = Log::new(false).await;
    log.add_one(Kind::Rehearsal, "SAFE", release).await;
    log.add_one(Kind::Rehearsal, "UNSAFE", release).await;
    log.add_one(Kind::Rehearsal, "INCONCLUSIVE", release).await;
    log.add_one(Kind::Rehearsal, "SAFE", "no commit of git")
        .await;
    for _ in 0..3 {
        log.add_one(Kind::Drill, "PROVEN", other).await;
    }
    let names = || {
        let files = fs::read_dir(log.file("rehearsals")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 4);
    assert_eq!(log.rehearsal_of("FFAC537").await, Some(1));
    assert_eq!(log.rehearsal_of("no commit of git").await, Some(3));
    assert_eq!(log.rehearsal_of(other).await, None);
    // Without the name of the newer one, which is UNSAFE, the older one does not decide.
    fs::remove_file(&names()[1]).unwrap();
    assert_eq!(log.rehearsal_of(release).await, Some(1));
    names()
        .iter()
        .for_each(|name| fs::remove_file(name).unwrap());
    assert_eq!(log.rehearsal_of(release).await, None);
    // A name of an entry that is none.
    fs::write(log.file("rehearsals/0000000005.0.-"), "").unwrap();
    assert_eq!(log.rehearsal_of(release).await, None);
    // A state of an earlier version has no names, and is read as a whole.
    let about = fs::read_to_string(log.file("state.json")).unwrap();
    fs::write(
        log.file("state.json"),
        about.replace(",\"rehearsals\":true", ""),
    )
    .unwrap();
    let at = At {
        place: &log.file("").display().to_string(),
        environment: &Environment::new(),
        redactor: &Redactor::default(),
    };
    let log = Log {
        state: Arc::new(State::open(&at).await.unwrap().unwrap()),
        ..log
    };
    assert_eq!(log.rehearsal_of(release).await, Some(1));
}

/// A machine whose clock was a year ahead, and then went back: the order is that of the numbers, and the clock is named.
#[tokio::test]
async fn a_clock_that_jumps_back_changes_no_order() {
    let log = Log::of(1, false).await;
    let year = jiff::SignedDuration::from_hours(24 * 365);
    let mut ahead = summary("ahead");
    ahead.began += year;
    "PROVEN".clone_into(&mut ahead.verdict);
    let record = "{\"run\":\"ahead\"}\n";
    let entry = statement::Entry {
        position: statement::Position {
            log: log.state.origin().to_owned(),
            index: 1,
            recorded: Timestamp::now() + year,
        },
        record: crate::digest::sha256(record),
        drill: ahead,
    };
    fs::write(log.file(&record_name(&entry.record)), record).unwrap();
    let statement = statement::Statement::of(entry).write().unwrap();
    let envelope = envelope::Envelope::seal(&statement, None).await.unwrap();
    fs::write(log.file(&entry_name(1)), envelope.write().unwrap()).unwrap();
    assert_eq!(log.add("back").await.index, 2);
    let verified = log.verify(&Kept::default()).await;
    assert_eq!(verified.problems, []);
    let note = &verified.notes[..];
    assert_eq!(note.len(), 1, "{note:?}");
    assert!(note[0].starts_with("entry 2 was written at "), "{note:?}");
    assert!(
        note[0].ends_with("the clock of a machine was wrong"),
        "{note:?}"
    );
    let last = previous(&log.state, &summary("next"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((last.position.index, &*last.drill.run), (2, "back"));
    // The newest drill decides, although an earlier one says that it began later.
    let found = gate::find(&log.state, "plur", &gate::Wanted::default())
        .await
        .unwrap();
    assert_eq!(found.drill.unwrap().position.index, 2);
}

/// Two machines of one name, and even of one run: each drill is an entry of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_machines_of_one_name_lose_nothing() {
    let log = Log::new(true).await;
    let machines = (0..2).map(async |machine| {
        for run in 0..10 {
            let mut summary = summary(&format!("run{run}"));
            summary.host = Some("runner".to_owned());
            summary.duration_s = f64::from(machine);
            let record = format!("{{\"run\":\"run{run}\",\"machine\":{machine}}}\n");
            let signer = log.signer.as_ref().map(Into::into);
            append(&log.state, signer, &record, summary).await.unwrap();
        }
    });
    futures_util::future::join_all(machines).await;
    assert_eq!(log.problems(&Kept::default()).await, [""; 0]);
    let entries = entries(&log.state).await.unwrap();
    let records: BTreeSet<&String> = entries.iter().map(|entry| &entry.record).collect();
    assert_eq!((entries.len(), records.len()), (20, 20));
    for machine in [0.0, 1.0] {
        let of = entries
            .iter()
            .filter(|entry| entry.drill.duration_s == machine);
        let of: BTreeSet<&String> = of.map(|entry| &entry.drill.run).collect();
        assert_eq!(of.len(), 10);
    }
}
