//! The commands of psql that pg_dump writes, and the sessions that they open.

use std::io;

use pgdump::format::plain::connected_database;

use super::fresh::FreshTables;
use super::order::Indexes;
use super::sending::{Place, Sending};
use super::session_settings::SessionSettings;
use crate::restore::wire::Connection;

impl Sending {
    /// Opens a session, in place of the one before.
    pub(super) fn connect(&mut self, database: &str, line: u64) -> io::Result<()> {
        self.settle()?;
        self.pool = None;
        self.settings = SessionSettings::default();
        self.fresh = FreshTables::default();
        self.indexes = Indexes::default();
        database.clone_into(&mut self.database);
        self.session = None;
        match Connection::open(&self.endpoint, database)? {
            Ok(session) => self.session = Some(session),
            Err(refused) => {
                let place = Place {
                    line,
                    entry: None,
                    command: format!("`\\connect` to `{database}` succeeds"),
                };
                self.error(refused, &place);
            }
        }
        Ok(())
    }

    /// Executes a command of psql.
    pub(super) fn command(&mut self, line: u64, text: &[u8]) -> io::Result<()> {
        let session = self.session.as_ref();
        let encoding = session.map(|session| session.encoding).unwrap_or_default();
        let text = encoding.decode(text);
        let (command, argument) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        match command {
            "\\restrict" | "\\unrestrict" => Ok(()),
            "\\connect" | "\\c" => match connected_database(argument.trim()) {
                Some(database) => self.connect(&database, line),
                None => self.unknown_command(line),
            },
            _ => self.unknown_command(line),
        }
    }

    /// The inspection refuses such a dump before it is restored.
    fn unknown_command(&mut self, line: u64) -> io::Result<()> {
        let place = Place {
            line,
            entry: self.entry.clone(),
            command: "a command of psql that pg_dump writes".to_owned(),
        };
        self.own_error("another command, which was not executed", &place);
        Ok(())
    }
}
