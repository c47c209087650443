//! What changed between two drills of a scenario.

use std::collections::BTreeSet;
use std::time::Duration;

use super::statement::Summary;
use crate::units::{show_bytes, show_count, show_duration};

/// Ids that a line names.
const NAMED: usize = 5;

/// What changed, one line each: verdict, backup, restore, versions, checks. Nothing for what is the same.
#[must_use]
pub fn changes(before: &Summary, after: &Summary) -> Vec<String> {
    let mut lines = Lines(Vec::new());
    lines.text("verdict", Some(&before.verdict), Some(&after.verdict));
    let backup = |summary: &Summary| summary.backup.clone();
    let (old, new) = (backup(before), backup(after));
    if let (Some(old), Some(new)) = (&old, &new) {
        if old.sha256 == new.sha256 {
            lines.0.push("the same backup".to_owned());
        }
        lines.number("size", old.size_bytes, new.size_bytes, show_bytes);
        lines.number("rows", old.rows, new.rows, show_count);
        lines.text(
            "backup taken from",
            old.source_version.as_ref(),
            new.source_version.as_ref(),
        );
    }
    if let (Some(old), Some(new)) = (before.restore_s, after.restore_s) {
        let milliseconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let (old, new) = (milliseconds(old), milliseconds(new));
        let show = |milliseconds| show_duration(Duration::from_millis(milliseconds));
        let whole = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        lines.number("restore", whole(old), whole(new), show);
    }
    lines.text("restored on", before.server.as_ref(), after.server.as_ref());
    lines.text("redrill", Some(&before.version), Some(&after.version));
    if before.scenario_sha256 != after.scenario_sha256 {
        lines.0.push("the scenario file is another".to_owned());
    }
    let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<String>>();
    let all = |summary: &Summary| {
        let ran = &set(&summary.passed) | &set(&summary.failed);
        &ran | &set(&summary.waived)
    };
    let (failed, failed_before) = (set(&after.failed), set(&before.failed));
    lines.ids("fails now", &(&failed - &failed_before));
    lines.ids("fails still", &(&failed & &failed_before));
    lines.ids("passes again", &(&set(&after.passed) & &failed_before));
    let (waived, waived_before) = (set(&after.waived), set(&before.waived));
    lines.ids("waived now", &(&waived - &waived_before));
    lines.ids(
        "passes without its waiver",
        &(&set(&after.passed) & &waived_before),
    );
    lines.ids("was not checked before", &(&all(after) - &all(before)));
    lines.ids("is not checked any more", &(&all(before) - &all(after)));
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    lines.number(
        "not tested",
        count(before.not_tested),
        count(after.not_tested),
        show_count,
    );
    lines.0
}

struct Lines(Vec<String>);

impl Lines {
    fn text(&mut self, what: &str, before: Option<&String>, after: Option<&String>) {
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            self.0.push(format!("{what}: {before} → {after}"));
        }
    }

    fn number(&mut self, what: &str, before: u64, after: u64, show: impl Fn(u64) -> String) {
        if before == after {
            return;
        }
        let share = match before {
            0 => String::new(),
            _ => {
                let difference = i128::from(after) - i128::from(before);
                format!(" ({:+} %)", difference * 100 / i128::from(before))
            }
        };
        self.0
            .push(format!("{what}: {} → {}{share}", show(before), show(after)));
    }

    fn ids(&mut self, what: &str, ids: &BTreeSet<String>) {
        if ids.is_empty() {
            return;
        }
        let named: Vec<&str> = ids.iter().take(NAMED).map(String::as_str).collect();
        let more = match ids.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.0.push(format!("{what}: {}{more}", named.join(", ")));
    }
}
