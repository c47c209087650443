//! Findings that are waived, and checks that are not required.

use crate::outcome::{CheckResult, WaiverFacts};

/// A waiver and what became of it, in one line.
pub(in crate::report) fn waiver_line(waiver: &WaiverFacts) -> String {
    let object = match waiver.object.as_str() {
        "*" => String::new(),
        object => format!(" on {object}"),
    };
    format!(
        "{}{object}: {} ({})",
        waiver.check,
        waiver.end(),
        waiver.terms()
    )
}

/// `not required (the application tolerates it)`.
pub(in crate::report) fn not_required(check: &CheckResult) -> String {
    match &check.not_required_because {
        Some(why) => format!("not required ({why})"),
        None => "not required".to_owned(),
    }
}
