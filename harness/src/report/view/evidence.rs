//! Where a drill is recorded, for the reports.

use crate::outcome::Evidence;

/// Facts about the entry of a drill, in the order in which they are shown.
pub(in crate::report) fn evidence(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let nobody = || "nobody: no `--key` was named".to_owned();
    vec![
        ("State", evidence.state.clone()),
        ("Entry of its log", evidence.entry.to_string()),
        ("SHA-256 of drill.json", evidence.record_sha256.clone()),
        ("Checkpoint", evidence.checkpoint.clone()),
        ("Signed by", evidence.key.clone().unwrap_or_else(nobody)),
    ]
}
