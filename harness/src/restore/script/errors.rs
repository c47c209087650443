//! Errors of the server and of the dump, with their place.

use super::sending::{Place, Sending};
use crate::restore::log::{Mask, Message};
use crate::restore::tolerance::Tolerance;
use crate::restore::wire::{Reply, ServerError};
use crate::sqlstate;

impl Place {
    fn entry_name(&self) -> String {
        let entry = self.entry.as_ref();
        entry.map(|mark| mark.entry.to_string()).unwrap_or_default()
    }
}

impl Sending {
    pub(super) fn errors(&mut self, reply: Reply, place: &Place) {
        for error in reply.errors {
            self.error(error, place);
        }
    }

    pub(super) fn error(&mut self, error: ServerError, place: &Place) {
        self.add(Message {
            raised: sqlstate::is_raised(&error.routine, &error.file),
            line: place.line + error.row,
            entry: place.entry_name(),
            row: error.row,
            sqlstate: error.sqlstate,
            raw: error.message,
            command: place.command.clone(),
        });
    }

    pub(super) fn own_error(&mut self, what: &str, place: &Place) {
        self.add(Message {
            raw: what.to_owned(),
            line: place.line,
            entry: place.entry_name(),
            command: place.command.clone(),
            ..Message::default()
        });
    }

    fn add(&mut self, message: Message) {
        let tolerance = Tolerance {
            scenario: &self.tolerate.tolerate,
            superuser: &self.endpoint.superuser,
            drops: &self.part.contents.drops,
        };
        let mask = Mask {
            redactor: &self.redactor,
            names: &self.endpoint.names,
        };
        self.log.add(message, &tolerance, mask);
    }
}
