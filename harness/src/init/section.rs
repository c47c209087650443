//! A section of a scenario: the checks of one feature, and what a reader should know of them.

use super::block::Block;

/// A section of a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// The title.
    pub title: &'static str,
    /// What its checks detect and what to change.
    pub about: &'static str,
    /// Its checks, in order.
    pub blocks: Vec<Block>,
    /// What is written below `about`.
    pub notes: Vec<String>,
    /// What was found, in one line for the terminal; nothing without any object of the feature.
    pub found: Option<String>,
}

impl Section {
    /// Begins a section.
    #[must_use]
    pub const fn new(title: &'static str, about: &'static str) -> Self {
        Self {
            title,
            about,
            blocks: Vec::new(),
            notes: Vec::new(),
            found: None,
        }
    }

    /// Sets what was found.
    pub fn found(&mut self, what: impl Into<String>) {
        self.found = Some(what.into());
    }

    /// Adds a note.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.notes.is_empty()
    }
}

/// Groups items by key, in the order of the first item of each.
pub fn grouped<K: PartialEq, T>(items: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for (key, item) in items {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, all)) => all.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// Formats names as a list of at most `most`, and the number of the others.
#[must_use]
pub fn listed<T: ToString>(names: &[T], most: usize) -> String {
    let mut shown: Vec<String> = names.iter().take(most).map(ToString::to_string).collect();
    if names.len() > most {
        shown.push(format!("{} more", names.len() - most));
    }
    shown.join(", ")
}
