//! Which statements must be refused, and which are not judged.

use super::AppendOnly;
use super::triggers::Event;
use crate::check::ParameterErrors;
use crate::outcome::NotTested;
use crate::sql::QualifiedName;

impl AppendOnly {
    /// The statements that must be refused, each once.
    pub(super) fn judged(&self) -> impl Iterator<Item = Event> {
        let named = self.statements.as_ref();
        let is_named =
            move |event: &Event| named.is_none_or(|statements| statements.contains(event));
        Event::ALL.into_iter().filter(is_named)
    }

    /// The statements that are not judged.
    pub(super) fn not_judged(&self) -> impl Iterator<Item = Event> {
        let judged: Vec<Event> = self.judged().collect();
        Event::ALL
            .into_iter()
            .filter(move |event| !judged.contains(event))
    }

    /// Lists the statements that are not judged, for the reports.
    pub(super) fn not_tested(&self, table: &QualifiedName) -> Vec<NotTested> {
        let of_event = |event: Event| {
            let what = format!("whether {} of {table} is refused", event.word());
            NotTested::new(what, "`statements` does not name it")
        };
        self.not_judged().map(of_event).collect()
    }

    /// Reports a list that names no statement, or one twice.
    pub(super) fn validate_statements(&self, errors: &mut ParameterErrors<'_>) {
        if let Some(statements) = &self.statements {
            if statements.is_empty() {
                errors
                    .at(
                        "statements",
                        "no statement is named, so nothing would be refused",
                    )
                    .add_hint("name `update` and `delete`, or leave the key out for all three");
            }
            if self.judged().count() < statements.len() {
                errors.at("statements", "a statement is named twice");
            }
        }
    }
}
