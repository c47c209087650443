//! The rehearsal of a major upgrade.

use crate::outcome::{DrillResult, ExplainedChange, UpgradeFacts, UpgradeStep};
use crate::units::show_counted;

/// The rehearsal of a major upgrade, if there was one.
pub(in crate::report) fn upgrade(result: &DrillResult) -> Option<&UpgradeFacts> {
    result.proof.as_ref()?.upgrade.as_ref()
}

/// What a rehearsal compared: `from PostgreSQL 15 to 18: 223 objects compared with those on PostgreSQL 15.20, container …`.
pub(in crate::report) fn upgrade_line(upgrade: &UpgradeFacts) -> String {
    let from = upgrade.from.map_or_else(
        || "an unknown version".to_owned(),
        |from| format!("PostgreSQL {from}"),
    );
    let compared = match upgrade.servers.as_slice() {
        [] => "restored there, and compared with no server of the version of the backup".to_owned(),
        servers => format!(
            "{} compared with those on {}; {} of the definitions explained, {}",
            show_counted(upgrade.objects, "object"),
            servers.join(" and "),
            show_counted(upgrade.explained.len() as u64, "difference"),
            show_counted(upgrade.steps.len() as u64, "further step")
        ),
    };
    format!("from {from} to {}: {compared}", upgrade.to)
}

/// An explained difference, one line.
pub(in crate::report) fn explained_line(change: &ExplainedChange) -> String {
    let by = match change.since {
        Some(major) => format!("PostgreSQL {major}"),
        None => "the scenario".to_owned(),
    };
    format!("explained by {by}: {}: {}", change.object, change.why)
}

/// A step of an upgrade, one line.
pub(in crate::report) fn step_line(step: &UpgradeStep) -> String {
    format!("{}: {}; {}", step.about, step.change, step.action)
}
