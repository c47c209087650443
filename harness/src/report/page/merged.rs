//! Several drills on one page: how each ended, and what is missing.

use super::block::{Block, Page};
use super::inline::{Inline, code, fixed, known, span, strong, words};
use crate::report::terminal::total::{One, counts};
use crate::report::view;
use crate::report::{Batch, Merged};

/// The file of each drill that is complete.
pub(in crate::report) const COMPLETE: &str = "drill.json of each drill";

/// The columns of the list of drills.
pub(in crate::report) const COLUMNS: [&str; 6] =
    ["scenario", "verdict", "restored in", "backup", "why", "run"];

/// The page; the complete reports of each drill are in its folder.
pub(in crate::report) fn merged(merged: &Merged<'_>) -> Page {
    let mut page = Page::beside(COMPLETE);
    page.heading(1, fixed("Restore drills"));
    page.paragraph(fixed("**") + fixed(merged.verdict().word()) + "**: " + summary(merged));
    problems(&mut page, merged);
    page.heading(2, fixed("Drills"));
    // All of them: what is left out of this list looks as if it had passed.
    let rows = merged.lines.iter().map(|one| row(merged, one).into());
    page.table(&COLUMNS, rows.collect());
    if let Some(batch) = &merged.batch {
        shards(&mut page, batch);
    }
    page
}

/// How many ended in which way, and the exit code.
pub(in crate::report) fn summary(merged: &Merged<'_>) -> Inline {
    words(&counts(merged.lines, merged.ending)) + "."
}

/// Shards that did not take part as they should.
pub(in crate::report) fn problems(page: &mut Page, merged: &Merged<'_>) {
    if merged.problems.is_empty() {
        return;
    }
    page.heading(2, fixed("Problems of shards"));
    let all = merged.problems.iter().map(|problem| words(problem));
    // However many: each of them may be a shard that never reported.
    page.blocks.push(Block::List(all.collect()));
}

/// A drill, in the order of the columns.
pub(in crate::report) fn row(merged: &Merged<'_>, one: &One) -> [Inline; 6] {
    let result = merged.of(one).map(|(result, _)| result);
    let restore = result.and_then(|result| result.restore.as_ref());
    let backup = result.and_then(|result| result.backup.as_ref());
    [
        code(&one.name),
        strong(one.state.word()),
        restore.map_or_else(|| known(None), |restore| span(restore.duration)),
        backup.map_or_else(|| known(None), |backup| words(&backup.origin)),
        words(&one.state.why(result.map(view::decisive))),
        // What `redrill verify` finds its record by.
        result.map_or_else(Inline::default, |result| code(&result.run)),
    ]
}

/// What became of each shard.
pub(in crate::report) fn shards(page: &mut Page, batch: &Batch<'_>) {
    page.heading(2, fixed("Shards"));
    page.facts(vec![
        ("Batch", code(batch.name)),
        ("State", code(batch.place)),
    ]);
    let rows = batch.shards.iter().map(|shard| {
        vec![
            words(&format!("{}/{}", shard.number, batch.shards.len())),
            fixed(shard.end),
            words(&view::show(shard.planned)),
            words(&view::show(shard.reported)),
            shard.by.map_or_else(Inline::default, words),
        ]
    });
    // All of them, as with the drills.
    page.table(
        &["shard", "end", "drills", "reported", "by"],
        rows.collect(),
    );
    if !batch.notes.is_empty() {
        let notes = batch.notes.iter().map(|note| words(note));
        page.blocks.push(Block::List(notes.collect()));
    }
}
