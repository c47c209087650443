//! Objectives: what they ask for, and what was measured.

use crate::outcome::{Measure, Objective};
use crate::units::{show_count, show_duration};

/// Periods without a backup that a line names.
const GAPS: usize = 4;

/// What an objective limits.
pub(in crate::report) fn objective_meaning(name: &str) -> &'static str {
    match name {
        "restore-within" => {
            "time to fetch the backup and to restore it (recovery time objective, RTO)"
        }
        "runbook-within" => "time of the restore by the runbook's own command",
        "max-data-loss" => {
            "data lost by the recovery, as the canary shows (recovery point objective, RPO)"
        }
        "max-age" => "age of the backup (recovery point objective, RPO)",
        "daily" => "days with a backup (retention)",
        "weekly" => "weeks with a backup (retention)",
        "monthly" => "months with a backup (retention)",
        _ => "a limit that the scenario sets",
    }
}

/// The word for how an objective ended.
pub(in crate::report) fn objective_word(objective: &Objective) -> &'static str {
    match objective.met() {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "not measured",
    }
}

/// One line about an objective: `restore-within: 25 min 00 s, at most 20 min 00 s: MISSED`.
pub(in crate::report) fn objective_line(objective: &Objective) -> String {
    let (name, asked) = (&objective.name, objective_asked(objective));
    match objective_found(objective) {
        Some(found) => format!("{name}: {found}, {asked}: {}", objective_word(objective)),
        None => format!("{name}: not measured, {asked}"),
    }
}

/// What an objective requires: `at most 20 min 00 s`, `30 required`.
pub(in crate::report) fn objective_asked(objective: &Objective) -> String {
    match &objective.measure {
        Measure::Time { limit, .. } => format!("at most {}", show_duration(*limit)),
        Measure::Kept { wanted, .. } => format!("{} required", show_count(*wanted)),
    }
}

/// What was measured: a time, or backups and the periods that have none.
pub(in crate::report) fn objective_found(objective: &Objective) -> Option<String> {
    let on = objective
        .on
        .as_ref()
        .map_or_else(String::new, |on| format!(" {on}"));
    match &objective.measure {
        Measure::Time { actual, .. } => actual.map(|actual| show_duration(actual) + &on),
        Measure::Kept { kept, missing, .. } => {
            let mut found = format!("{} found{on}", show_count(*kept));
            if !missing.is_empty() {
                let named: Vec<&str> = missing.iter().take(GAPS).map(String::as_str).collect();
                found.push_str(&format!(" (none for {}", named.join(", ")));
                let more = missing.len().saturating_sub(GAPS);
                if more > 0 {
                    found.push_str(&format!(" and {more} more"));
                }
                found.push(')');
            }
            Some(found)
        }
    }
}
