//! Where a drill is recorded, and what changed since the last one, for the reports.

use super::utc;
use crate::outcome::{DrillResult, Since};

/// Facts about the entry of a drill, in the order in which they are shown; none for a drill without one.
pub(in crate::report) fn evidence(result: &DrillResult) -> Vec<(&'static str, String)> {
    let Some(evidence) = &result.evidence else {
        return Vec::new();
    };
    let nobody = || "nobody: no `--key` was named".to_owned();
    vec![
        ("State", result.state.clone().unwrap_or_default()),
        ("Entry of its log", evidence.entry.to_string()),
        ("SHA-256 of drill.json", evidence.record_sha256.clone()),
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
