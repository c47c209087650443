//! Parses the output of pg_restore and psql into messages: text, entry or line, statement. Values are dropped here.

use super::log::Message;
use crate::sqlstate;

/// Collects messages from lines.
///
/// A message is a text, mostly of one line, and any number of lines that belong to it (DETAIL, CONTEXT,
/// LINE, …). These may contain values and are dropped; they only show whether code of the database
/// raised it.
#[derive(Debug, Default)]
pub struct MessageParser {
    begun: Option<Message>,
    /// Whether the next line may continue the text of the message, as where a value has several lines.
    in_text: bool,
    /// The last entry of the table of contents that pg_restore named.
    entry: String,
}

impl MessageParser {
    /// Adds a line of pg_restore; returns the previous message if complete.
    pub fn pg_restore(&mut self, line: &str) -> Option<Message> {
        if line.starts_with("pg_restore: ") {
            self.in_text = true;
            let message = pg_restore_line(line, &mut self.entry);
            return std::mem::replace(&mut self.begun, message);
        }
        if let Some(message) = &mut self.begun {
            if let Some(command) = line.strip_prefix("Command was: ") {
                command.clone_into(&mut message.command);
            }
            // `CONTEXT:  PL/pgSQL function app.f() line 3 at RAISE`
            message.raised |=
                line.contains("PL/") && (line.ends_with(" at RAISE") || !line.contains("PL/pgSQL"));
            self.in_text = self.in_text && continue_text(message, line);
        }
        None
    }

    /// Adds a line of psql, which prints the SQLSTATE and the place in the server's source; returns the previous message
    /// if complete.
    pub fn psql(&mut self, line: &str) -> Option<Message> {
        if let Some(rest) = line.strip_prefix("psql:<stdin>:") {
            self.in_text = true;
            let message = psql_line(rest);
            return std::mem::replace(&mut self.begun, message);
        }
        // Before the first line of the dump, and where the connection is lost.
        if let Some(lost) = line.strip_prefix("psql: error: ") {
            self.in_text = true;
            let message = Message {
                raw: lost.to_owned(),
                ..Message::default()
            };
            return self.begun.replace(message);
        }
        let message = self.begun.as_mut()?;
        if let Some((routine, place)) = line
            .strip_prefix("LOCATION:  ")
            .and_then(|location| location.split_once(", "))
        {
            let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
            message.raised |= sqlstate::is_raised(routine, file);
        }
        self.in_text = self.in_text && continue_text(message, line);
        None
    }

    /// Returns the last message.
    pub fn end(self) -> Option<Message> {
        self.begun
    }
}

/// Beginnings of the lines that follow the text of a message.
const FIELDS: &[&str] = &[
    "DETAIL:  ",
    "HINT:  ",
    "QUERY:  ",
    "CONTEXT:  ",
    "LINE ",
    "SCHEMA NAME:  ",
    "TABLE NAME:  ",
    "COLUMN NAME:  ",
    "DATATYPE NAME:  ",
    "CONSTRAINT NAME:  ",
    "LOCATION:  ",
    "Command was: ",
    "\tIs the server running ",
];

/// Bytes of a message that are kept.
const LONGEST: usize = 16 * 1024;

/// Adds a line to the text of a message, unless it is no part of it.
fn continue_text(message: &mut Message, line: &str) -> bool {
    if FIELDS.iter().any(|field| line.starts_with(field)) {
        return false;
    }
    let raw = &mut message.raw;
    if raw.len() + line.len() > LONGEST {
        // The middle is dropped: the end is needed to recognise the wording.
        raw.truncate(raw.floor_char_boundary(LONGEST / 2));
        raw.push('…');
    }
    raw.push('\n');
    raw.push_str(line);
    true
}

/// Reads pg_restore's messages line by line; `entry` is the entry that the last line named.
#[must_use]
fn pg_restore_line(line: &str, entry: &mut String) -> Option<Message> {
    let rest = line.strip_prefix("pg_restore: ")?;
    if let Some(named) = rest.strip_prefix("from TOC entry ") {
        // `3340; 1259 16390 TABLE orders app_owner`: a reader does not need the numbers.
        let words: Vec<&str> = named.split_whitespace().skip(3).collect();
        *entry = words.join(" ");
        return None;
    }
    let text = rest
        .strip_prefix("error: ")
        .or_else(|| rest.strip_prefix("fatal: "))?;
    let text = text
        .strip_prefix("could not execute query: ")
        .unwrap_or(text);
    let raw = text.trim_start_matches("ERROR:").trim_start();
    Some(Message {
        raw: raw.to_owned(),
        entry: entry.clone(),
        ..Message::default()
    })
}

/// Reads `LINE: ERROR:  SQLSTATE: text`, and `LINE: error: text` of psql itself; nothing of notices.
fn psql_line(rest: &str) -> Option<Message> {
    let (line, rest) = rest.split_once(": ")?;
    let line = line.parse().ok()?;
    let (severity, text) = rest.split_once(": ")?;
    let text = text.trim_start();
    let (sqlstate, raw) = match severity {
        "ERROR" | "FATAL" | "PANIC" => text.split_once(": ")?,
        "error" => ("", text),
        _ => return None,
    };
    Some(Message {
        sqlstate: sqlstate.to_owned(),
        raw: raw.trim_start().to_owned(),
        line,
        ..Message::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;
    use crate::restore::log::{Log, Mask};
    use crate::restore::tolerance::Tolerance;
    use crate::sqlstate::Names;
    use std::collections::BTreeSet;

    #[test]
    fn a_statement_goes_to_its_own_error() {
        let superuser = Tolerance {
            scenario: &[],
            superuser: "boss",
            drops: &BTreeSet::new(),
        };
        let mask = Mask {
            redactor: &Redactor::default(),
            names: &Names::default(),
        };
        let mut log = Log::default();
        let mut parser = MessageParser::default();
        for line in [
            "pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist",
            "Command was: ALTER SCHEMA app OWNER TO app;",
            "pg_restore: error: could not execute query: ERROR:  role \"boss\" already exists",
            "Command was: CREATE ROLE boss;",
        ] {
            if let Some(message) = parser.pg_restore(line) {
                log.add(message, &superuser, mask);
            }
        }
        if let Some(message) = parser.end() {
            log.add(message, &superuser, mask);
        }
        let commands: Vec<&str> = log.errors.iter().map(|e| e.command.as_str()).collect();
        assert_eq!(commands, ["ALTER SCHEMA app OWNER TO app;"]);
    }

    #[test]
    fn errors_raised_by_code_of_the_database_are_marked() {
        let mut pg_restore = MessageParser::default();
        let lines = [
            "pg_restore: error: could not execute query: ERROR:  card 4111 is taken",
            "CONTEXT:  PL/pgSQL function app.f() line 3 at RAISE",
            "Command was: SELECT app.f();",
            "pg_restore: error: could not execute query: ERROR:  role \"a\" does not exist",
            "Command was: ALTER TABLE t OWNER TO a;",
        ];
        let mut messages: Vec<Message> = lines
            .iter()
            .filter_map(|line| pg_restore.pg_restore(line))
            .collect();
        messages.extend(pg_restore.end());
        let raised: Vec<bool> = messages.iter().map(|message| message.raised).collect();
        assert_eq!(raised, [true, false]);
    }

    #[test]
    fn psql_messages_carry_their_line_and_sqlstate() {
        let mut psql = MessageParser::default();
        let lines = [
            "psql:<stdin>:3: NOTICE:  00000: table \"t\" does not exist, skipping",
            "LOCATION:  DropErrorMsgNonExistent, tablecmds.c:1265",
            "psql:<stdin>:12: ERROR:  22P02: invalid input syntax for type integer: \"secret\"",
            "CONTEXT:  COPY t, line 2, column a: \"secret\"",
            "LOCATION:  pg_strtoint32_safe, numutils.c:606",
            "psql:<stdin>:15: ERROR:  42P01: card 4111 is taken",
            "CONTEXT:  PL/pgSQL function app.f() line 3 at RAISE",
            "LOCATION:  exec_stmt_raise, pl_exec.c:3911",
            "psql:<stdin>:20: error: invalid command \\N",
            "psql: error: connection to server was lost",
        ];
        let mut messages: Vec<Message> = lines.iter().filter_map(|line| psql.psql(line)).collect();
        messages.extend(psql.end());
        let found: Vec<_> = messages
            .iter()
            .map(|message| (message.line, message.sqlstate.as_str(), message.raised))
            .collect();
        assert_eq!(
            found,
            [
                (12, "22P02", false),
                (15, "42P01", true),
                (20, "", false),
                (0, "", false)
            ]
        );
        assert_eq!(messages[2].raw, "invalid command \\N");
    }

    #[test]
    fn pg_restore_messages_carry_their_entry() {
        let mut entry = String::new();
        assert_eq!(
            pg_restore_line(
                "pg_restore: from TOC entry 3340; 1259 16390 TABLE orders app",
                &mut entry
            ),
            None
        );
        let line =
            "pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist";
        let message = pg_restore_line(line, &mut entry).unwrap();
        assert_eq!(
            (message.entry.as_str(), message.raw.as_str()),
            ("TABLE orders app", "role \"app\" does not exist")
        );
        assert_eq!(
            pg_restore_line(
                "pg_restore: warning: errors ignored on restore: 1",
                &mut entry
            ),
            None
        );
    }
}
