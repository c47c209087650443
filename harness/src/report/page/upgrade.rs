//! The rehearsal of a major upgrade.

use super::LIST;
use super::block::Page;
use super::inline::{code, fixed, words};
use crate::outcome::DrillResult;
use crate::report::view;

pub(in crate::report) fn write(page: &mut Page, result: &DrillResult) {
    let Some(upgrade) = view::upgrade(result) else {
        return;
    };
    page.heading(2, fixed("Upgrade"));
    page.paragraph(words(&view::upgrade_line(upgrade)) + ".");
    if !upgrade.steps.is_empty() {
        page.paragraph(fixed("What it needs in addition to a restore:"));
        let steps = upgrade
            .steps
            .iter()
            .take(LIST)
            .map(|step| vec![words(&step.about), words(&step.change), words(&step.action)]);
        page.table(&["about", "what changes", "what to do"], steps.collect());
        page.more(upgrade.steps.len().saturating_sub(LIST));
    }
    if !upgrade.explained.is_empty() {
        page.paragraph(fixed(
            "Definitions that differ and are explained. All other differences are failures of the proof.",
        ));
        let explained = upgrade.explained.iter().take(LIST).map(|change| {
            let by = match change.since {
                Some(major) => format!("PostgreSQL {major}"),
                None => "the scenario".to_owned(),
            };
            vec![code(&change.object), words(&change.why), words(&by)]
        });
        page.table(&["object", "why", "explained by"], explained.collect());
        page.more(upgrade.explained.len().saturating_sub(LIST));
    }
}
