//! A part of a scenario: the checks about one thing, and what a person should know of it.

use super::block::Block;

/// A part of a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// What it is about.
    pub title: &'static str,
    /// Its checks, in order.
    pub blocks: Vec<Block>,
    /// What stands below its title.
    pub notes: Vec<String>,
    /// What was found, in one line for the terminal; nothing where there is nothing of the kind.
    pub found: Option<String>,
}

impl Section {
    /// Begins a part.
    #[must_use]
    pub const fn new(title: &'static str) -> Self {
        Self {
            title,
            blocks: Vec::new(),
            notes: Vec::new(),
            found: None,
        }
    }

    /// Says what was found.
    pub fn found(&mut self, what: impl Into<String>) {
        self.found = Some(what.into());
    }

    /// Adds what a person should know.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.notes.is_empty()
    }
}

/// `1 table`, `3 tables`.
#[must_use]
pub fn some(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else if noun.ends_with("ey") || !noun.ends_with('y') {
        let ending = if noun.ends_with('x') { "es" } else { "s" };
        format!("{count} {noun}{ending}")
    } else {
        format!("{count} {}ies", noun.trim_end_matches('y'))
    }
}

/// Names in words, no more than a few.
#[must_use]
pub fn named<T: ToString>(names: &[T], most: usize) -> String {
    let mut shown: Vec<String> = names.iter().take(most).map(ToString::to_string).collect();
    if names.len() > most {
        shown.push(format!("{} more", names.len() - most));
    }
    shown.join(", ")
}
