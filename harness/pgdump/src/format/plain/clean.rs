//! The statements of `--clean`: they drop what the dump then creates, and in an empty database each of them fails.

use std::collections::BTreeSet;

use crate::script::statement::Words;

/// Whether statements still belong to the section of `--clean`.
#[derive(Debug, Default)]
pub(super) struct Clean {
    ended: bool,
    /// Line in which the last other statement ended.
    last: u64,
}

impl Clean {
    /// Rows come, so that it has ended.
    pub(super) const fn data(&mut self) {
        self.ended = true;
    }

    /// Handles a statement by its first and its last line; adds the last line of one that only drops.
    pub(super) fn statement(
        &mut self,
        words: &Words<'_>,
        (first, last): (u64, u64),
        drops: &mut BTreeSet<u64>,
    ) {
        let is_drop = match words.start() {
            ["drop", ..] | ["select", "pg_catalog.lo_unlink", ..] => true,
            ["alter", ..] => words.contains(&["drop"]),
            // The view is made anew without what it reads, so that this can be dropped.
            ["create", "or", "replace", "view", ..] => false,
            ["create" | "insert" | "copy", ..] => {
                self.ended = true;
                false
            }
            _ => false,
        };
        if is_drop && !self.ended && first > self.last {
            drops.insert(last);
        } else {
            // Its errors could not be distinguished from those of a drop on its line.
            drops.remove(&first);
            self.last = last;
        }
    }
}
