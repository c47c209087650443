//! Where a drill is recorded, and what changed since the last one, for the reports.

use super::utc;
use crate::outcome::{Evidence, Since};

/// What the digest of an entry is of.
#[derive(Clone, Copy)]
pub(in crate::report) enum Recorded {
    Drill,
    Rehearsal,
}

/// Facts about an entry in a state, in the order in which they are shown.
pub(in crate::report) fn evidence(
    recorded: Recorded,
    state: Option<&str>,
    evidence: &Evidence,
) -> [(&'static str, String); 5] {
    let digest = match recorded {
        Recorded::Drill => "SHA-256 of drill.json",
        Recorded::Rehearsal => "SHA-256 of rehearsal.json",
    };
    let nobody = || "nobody: no `--key` was named".to_owned();
    [
        ("State", state.unwrap_or_default().to_owned()),
        ("Entry of its log", evidence.entry.to_string()),
        (digest, evidence.record_sha256.clone()),
        ("Checkpoint", evidence.checkpoint.clone()),
        ("Signed by", evidence.key.clone().unwrap_or_else(nobody)),
    ]
}

/// Which drill is the last one.
pub(in crate::report) fn since(since: &Since) -> String {
    format!("the drill of {} (entry {})", utc(since.began), since.entry)
}

/// What changed since the last drill, in one line.
pub(in crate::report) fn since_line(last: &Since) -> String {
    let changes = match last.changes.as_slice() {
        [] => "nothing that the log has".to_owned(),
        changes => changes.join("; "),
    };
    format!("{}: {changes}", since(last))
}
