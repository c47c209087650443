//! Programs that are killed while they write to a state.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use redrill::ledger::{Kept, entries, verify};

use super::{add, new_key, state};

/// Names the folder to a program that writes to it until it is killed.
const WRITER: &str = "REDRILL_TEST_STATE_WRITER";
const KILLS: u32 = 200;

/// Started by the test below: adds entries, and prints what was written, until it is killed.
#[tokio::test]
async fn writer() {
    let Some(folder) = std::env::var_os(WRITER) else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let signer = redrill::ledger::key::Signer::read(&folder.join("key")).unwrap();
    let state = state(&folder.join("state")).await;
    for round in 0.. {
        let run = format!("{}-{round}", std::process::id());
        let written = add(&state, Some(&signer), &run).await.unwrap();
        println!("\nwritten {} {run}", written.index);
    }
}

/// Whatever was reported as written is there, nothing is half-written, and the log verifies: each time a program of several was
/// killed, at any moment.
#[tokio::test]
async fn nothing_that_was_reported_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    new_key(&folder.path().join("key"));
    let mut reported: Vec<(u64, String)> = Vec::new();
    for kill in 0..KILLS {
        // Two at a time, so that one is killed while the other goes on.
        let mut writers = [(); 2].map(|()| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["state::kills::writer", "--exact", "--nocapture"])
                .env(WRITER, folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut writer = command.spawn().unwrap();
            let output = BufReader::new(writer.stdout.take().unwrap());
            (writer, output.lines().map_while(Result::ok))
        });
        // Every fourth time at any moment of the start, else once both write, however slow the machine is.
        if kill % 4 != 0 {
            for (_, output) in &mut writers {
                reported.extend(output.find_map(|line| written(&line)));
            }
        }
        std::thread::sleep(Duration::from_millis(u64::from(kill * 7 % 41)));
        for (mut writer, output) in writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
            reported.extend(output.filter_map(|line| written(&line)));
        }
    }
    assert!(
        reported.len() > KILLS as usize,
        "{} entries only",
        reported.len()
    );
    let state = Arc::new(state(&folder.path().join("state")).await);
    let verified = verify(&state, &Kept::default(), &BTreeSet::new())
        .await
        .unwrap();
    assert_eq!(verified.problems, []);
    let entries = entries(&state).await.unwrap();
    assert!(entries.len() >= reported.len());
    for (index, run) in reported {
        let entry = &entries[usize::try_from(index).unwrap()];
        assert_eq!((entry.position.index, &entry.drill.run), (index, &run));
    }
    // The next writer goes on after the last entry.
    let next = add(&state, None, "next").await.unwrap();
    assert_eq!(usize::try_from(next.index).unwrap(), entries.len());
}

/// What a line of a writer reports. A pipe takes a line in one piece or not at all.
fn written(line: &str) -> Option<(u64, String)> {
    let (index, run) = line.strip_prefix("written ")?.split_once(' ')?;
    Some((index.parse().ok()?, run.to_owned()))
}
