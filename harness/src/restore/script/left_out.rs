//! Which statements a restore passes over because no selected check needs what they load.

use pgdump::script::statement::{Words, inserts_into};

use super::sending::Sending;
use crate::needed::RowsLeftOut;
use crate::sql::QualifiedName;

impl Sending {
    /// Whether a statement loads rows, or fills a materialized view, that the restore leaves out.
    pub(super) fn is_left_out(&self, words: &Words<'_>, text: &str) -> bool {
        let RowsLeftOut { tables, views, .. } = &self.left_out;
        let is_of = |name: Option<QualifiedName>| name.is_some_and(|name| tables.contains(&name));
        match words.start() {
            _ if tables.is_empty() && views.is_empty() => false,
            ["copy", ..] => words.copy().is_some() && is_of(words.qualified(1)),
            ["insert", "into", ..] => {
                let name = inserts_into(text.as_bytes()).map(String::from_utf8_lossy);
                is_of(name.and_then(|name| QualifiedName::parse(&name).ok()))
            }
            ["refresh", "materialized", "view", ..] => {
                words.qualified(3).is_some_and(|view| views.contains(&view))
            }
            _ => false,
        }
    }
}
