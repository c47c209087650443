//! Several drills on one page: how each ended, and what is missing.

use super::block::Page;
use super::inline::{code, fixed, known, span, words};
use crate::outcome::DrillResult;
use crate::report::Merged;
use crate::report::terminal::total::{One, counts};
use crate::report::view;

/// The page; the complete reports of each drill are in its folder.
pub(in crate::report) fn merged(merged: &Merged<'_>) -> Page {
    let mut page = Page::beside("drill.json of each drill");
    page.heading(1, fixed("Restore drills"));
    page.paragraph(words(&counts(merged.lines, merged.ending)) + ".");
    if !merged.problems.is_empty() {
        page.heading(2, fixed("Shards"));
        page.list(
            merged
                .problems
                .iter()
                .map(|problem| words(problem))
                .collect(),
        );
    }
    let row = |one: &One| {
        let find = |(result, _): &&(&DrillResult, _)| result.scenario.title() == one.name;
        let result = merged.drills.iter().find(find).map(|(result, _)| *result);
        let restore = result.and_then(|result| result.restore.as_ref());
        let backup = result.and_then(|result| result.backup.as_ref());
        vec![
            code(&one.name),
            words(one.state.word()),
            restore.map_or_else(|| known(None), |restore| span(restore.duration)),
            backup.map_or_else(|| known(None), |backup| words(&backup.origin)),
            words(&one.state.why(result.map(view::decisive))),
        ]
    };
    page.heading(2, fixed("Drills"));
    // All of them: what is left out of this list looks as if it had passed.
    page.table(
        &["scenario", "verdict", "restored in", "backup", "why"],
        merged.lines.iter().map(row).collect(),
    );
    page
}
