//! Parses the output of psql and pg_restore into messages: severity, SQLSTATE, text, place. Values are
//! dropped here.

use super::ToleratedAt;
use super::settings::Tolerate;
use crate::outcome::{Finding, Tolerated};
use crate::redact::Redactor;
use crate::sqlstate;

/// Number of errors that are kept with their text; the rest is counted.
pub const KEPT: usize = 200;

/// One error of a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// SQLSTATE, five characters; empty where psql prints none.
    pub sqlstate: String,
    /// The primary message as printed: for matching only, never shown.
    pub raw: String,
    /// Line of the dump where the statement ends; 0 if unknown.
    pub line: u64,
    /// Entry of the table of contents, for archives.
    pub entry: String,
    /// The first line of the statement, for archives: shortened before it is shown.
    pub command: String,
    /// Whether code of the database raised it: its text may contain anything.
    pub raised: bool,
}

impl Message {
    /// The text without values and secrets.
    pub fn shown(&self, redactor: &Redactor) -> String {
        let text = redactor.clean(&sqlstate::shown(&self.sqlstate, &self.raw, self.raised));
        if self.sqlstate.is_empty() {
            text
        } else {
            format!("{text} ({})", self.sqlstate)
        }
    }

    /// What to do when the machine or the server caused the error; `None` for an error of the backup.
    pub fn remedy(&self) -> Option<&'static str> {
        // Code of the database may raise any SQLSTATE, which says nothing about the machine.
        if self.raised {
            return None;
        }
        let raw = self.raw.as_str();
        match self.sqlstate.as_str() {
            "53100" => Some(
                "the disk or the shared memory is full: raise `shm` or set `storage = \"volume\"` in `[server.container]`",
            ),
            "53200" => Some("out of memory: raise `memory` in `[server.container]`"),
            state if state.starts_with("53") => {
                Some("the server ran out of a resource: raise its limits in `[server]`")
            }
            state if state.starts_with("57P0") => {
                Some("the server stopped: check the memory and the disk of the machine")
            }
            "58P01" => Some(
                "a library or file is missing on the server: install the package of the extension there",
            ),
            state if state.starts_with("58") => {
                Some("the server cannot read or write its files: check the disk")
            }
            _ if raw.contains("invalid locale name")
                || raw.contains("invalid LC_COLLATE locale name")
                || raw.contains("invalid LC_CTYPE locale name") =>
            {
                Some(
                    "the locale of the source is not installed on the server: add it to the image (`localedef`) or the machine (`locale-gen`)",
                )
            }
            _ if raw.contains("is not available") && raw.contains("extension") => {
                Some("install the extension on the server, or name an image that has it")
            }
            // Only messages of psql; with an SQLSTATE it is a connection that a statement opens. A
            // database that the dump failed to create is not a server that stopped.
            "" if (raw.contains("connection to server") && !raw.contains("FATAL:  database"))
                || raw.contains("server closed the connection") =>
            {
                Some(
                    "the server stopped during the restore: check the memory and the disk of the machine",
                )
            }
            _ => None,
        }
    }
}

/// Errors of a restore, collected while they are printed.
#[derive(Debug, Default)]
pub struct Log {
    /// The first [`KEPT`] errors, with their text.
    pub errors: Vec<Message>,
    /// Number of all errors.
    pub count: u64,
    /// Tolerated errors.
    pub tolerated: Vec<Tolerated>,
    /// Places of the errors that the scenario tolerates.
    pub tolerated_at: Vec<ToleratedAt>,
}

/// Which errors are tolerated, and why.
pub struct Tolerance<'a> {
    /// By the scenario.
    pub scenario: &'a [Tolerate],
    /// The bootstrap superuser, which every cluster has: its `CREATE ROLE` must fail.
    pub superuser: &'a str,
}

impl Tolerance<'_> {
    /// Returns the reason to tolerate a message, and whether the scenario gives it.
    fn reason(&self, message: &Message) -> Option<(String, bool)> {
        // `pg_dumpall --clean` drops every role, including the one that restores.
        if message.raw == "current user cannot be dropped" {
            return Some((
                "the bootstrap superuser runs the restore and cannot be dropped".to_owned(),
                false,
            ));
        }
        if message.raw == format!("role \"{}\" already exists", self.superuser) {
            let why = "every cluster already has its bootstrap superuser";
            return Some((why.to_owned(), false));
        }
        self.scenario
            .iter()
            .find(|entry| {
                entry
                    .sqlstate
                    .as_deref()
                    .is_none_or(|state| state == message.sqlstate)
                    && entry
                        .message
                        .as_deref()
                        .is_none_or(|part| message.raw.contains(part))
            })
            .map(|entry| (entry.reason.clone(), true))
    }
}

impl Log {
    /// Adds an error, as tolerated where a reason is given.
    pub fn add(&mut self, message: Message, tolerance: &Tolerance<'_>, redactor: &Redactor) {
        if let Some((reason, by_scenario)) = tolerance.reason(&message) {
            if by_scenario {
                self.tolerated_at.push(ToleratedAt {
                    part: String::new(),
                    line: message.line,
                    entry: message.entry.clone(),
                    reason: reason.clone(),
                });
            }
            let shown = message.shown(redactor);
            match self
                .tolerated
                .iter_mut()
                .find(|entry| entry.message == shown)
            {
                Some(entry) => entry.times += 1,
                None => self.tolerated.push(Tolerated {
                    message: shown,
                    times: 1,
                    reason,
                }),
            }
            return;
        }
        self.count += 1;
        if self.errors.len() < KEPT {
            self.errors.push(message);
        }
    }

    /// Findings for the kept errors: first those that the backup causes, then the others.
    pub fn findings(
        &self,
        redactor: &Redactor,
        statement: impl Fn(&Message) -> Option<String>,
    ) -> (Vec<Finding>, Vec<Finding>) {
        let (mut errors, mut unable) = (Vec::new(), Vec::new());
        for message in &self.errors {
            let place = match (message.line, message.entry.as_str()) {
                (0, "") => "the restore".to_owned(),
                (0, entry) => entry.to_owned(),
                (line, _) => format!("line {line} of the dump"),
            };
            let expected =
                statement(message).unwrap_or_else(|| "the statement succeeds".to_owned());
            let finding = Finding::about(place, redactor.clean(&expected), message.shown(redactor));
            match message.remedy() {
                Some(remedy) => unable.push(finding.hint(remedy)),
                None => errors.push(match hint(message) {
                    Some(hint) => finding.hint(hint),
                    None => finding,
                }),
            }
        }
        let kept = self.errors.len() as u64;
        if self.count > kept {
            errors.push(Finding::new(
                "no error",
                format!("{} more errors", self.count - kept),
            ));
        }
        (errors, unable)
    }
}

/// What to do about an error that the backup causes.
fn hint(message: &Message) -> Option<&'static str> {
    let raw = message.raw.as_str();
    if raw.starts_with("role ") && raw.ends_with("does not exist") {
        return Some(
            "pg_dump writes no roles: keep the output of `pg_dumpall --globals-only` with the backup, or list the roles in `create-roles` of `[restore]`",
        );
    }
    if raw.contains("unrecognized parameter \"pg_attver\"") {
        return Some(
            "pg_dump and this server have different minor versions: see the release notes of the newer one",
        );
    }
    if raw.contains("already exists") {
        return Some(
            "the backup creates it twice, or every cluster has it; if it is harmless, add it to `[[restore.tolerate]]` with the reason",
        );
    }
    match message.sqlstate.as_str() {
        "22021" | "22P05" => Some(
            "the bytes are not in the `client_encoding` of the file: it was re-encoded or damaged after the dump",
        ),
        "42830" => Some("the key that it refers to failed before: see the errors above"),
        state if state.starts_with("22") => Some(
            "a value in the file does not fit the type of its column: the file was changed, or another tool wrote it",
        ),
        state if state.starts_with("23") => Some(
            "rows in the file violate this constraint: they are duplicates or were changed, or the index of the source is corrupt",
        ),
        "42704" | "42883" | "42P01" | "42703" | "3F000" | "3D000" => Some(
            "an object that it requires is not in the backup, failed before, or is named without its schema (a restore runs with an empty `search_path`)",
        ),
        _ => None,
    }
}

/// Collects messages from lines.
///
/// A message is one line and any number of lines that belong to it (DETAIL, CONTEXT, LINE, …).
/// These may contain values and are dropped; they only show whether code of the database raised it.
#[derive(Debug, Default)]
pub struct Gather {
    begun: Option<Message>,
    /// The last entry of the table of contents that pg_restore named.
    entry: String,
}

impl Gather {
    /// Adds a line of psql, printed with `VERBOSITY=verbose`; returns the previous message if complete.
    pub fn psql(&mut self, line: &str) -> Option<Message> {
        if line.starts_with("psql:") {
            return std::mem::replace(&mut self.begun, psql_line(line));
        }
        if let (Some(message), Some(place)) = (&mut self.begun, line.strip_prefix("LOCATION:  ")) {
            // `exec_stmt_raise, pl_exec.c:3923`
            let (routine, file) = place.split_once(", ").unwrap_or((place, ""));
            message.raised |= sqlstate::is_raised(routine, file);
        }
        None
    }

    /// Adds a line of pg_restore; returns the previous message if complete.
    pub fn pg_restore(&mut self, line: &str) -> Option<Message> {
        if line.starts_with("pg_restore: ") {
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
        }
        None
    }

    /// Returns the last message.
    pub fn end(self) -> Option<Message> {
        self.begun
    }
}

/// Reads the first line of a message of psql.
#[must_use]
fn psql_line(line: &str) -> Option<Message> {
    let rest = line.strip_prefix("psql:")?;
    // `<stdin>:12: ERROR:  42P01: text`, `<stdin>:12: error: text`, ` error: text`
    let (number, rest) = match rest.strip_prefix("<stdin>:") {
        Some(rest) => {
            let (number, rest) = rest.split_once(':')?;
            (number.parse().ok()?, rest)
        }
        None => (0, rest),
    };
    let (severity, text) = rest.trim_start().split_once(':')?;
    let text = text.trim_start();
    if matches!(
        severity,
        "WARNING" | "NOTICE" | "INFO" | "LOG" | "DEBUG" | "warning" | "info" | "detail" | "hint"
    ) {
        return None;
    }
    let (sqlstate, text) = match text.split_once(':') {
        Some((state, text)) if is_sqlstate(state) => (state, text.trim_start()),
        _ => ("", text),
    };
    // With `lc_messages` set by the dump the server prints `FEHLER`, or `HINWEIS` for a notice: then
    // the class of the SQLSTATE distinguishes success (00) and warning (01) from errors.
    if !is_severity(severity) && (sqlstate.starts_with("00") || sqlstate.starts_with("01")) {
        return None;
    }
    Some(Message {
        sqlstate: sqlstate.to_owned(),
        raw: text.to_owned(),
        line: number,
        ..Message::default()
    })
}

/// Whether the word is the severity of an error; psql itself prints lower case.
fn is_severity(word: &str) -> bool {
    matches!(word, "ERROR" | "FATAL" | "PANIC" | "error" | "fatal")
}

fn is_sqlstate(text: &str) -> bool {
    text.len() == 5
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "psql:<stdin>:12: ERROR:  42P01: relation \"app.x\" does not exist",
        12,
        "42P01",
        "relation \"app.x\" does not exist"
    )]
    #[case(
        "psql:<stdin>:9: error: invalid command \\foo",
        9,
        "",
        "invalid command \\foo"
    )]
    #[case(
        "psql: error: connection to server on socket failed",
        0,
        "",
        "connection to server on socket failed"
    )]
    #[case(
        "psql:<stdin>:7: FEHLER:  42P01: Relation »app.x« existiert nicht",
        7,
        "42P01",
        "Relation »app.x« existiert nicht"
    )]
    #[case(
        "psql:<stdin>:3: FATAL:  57P01: terminating connection",
        3,
        "57P01",
        "terminating connection"
    )]
    fn psql_messages_are_read(
        #[case] line: &str,
        #[case] at: u64,
        #[case] state: &str,
        #[case] text: &str,
    ) {
        let message = psql_line(line).unwrap();
        assert_eq!(
            (
                message.line,
                message.sqlstate.as_str(),
                message.raw.as_str()
            ),
            (at, state, text)
        );
    }

    #[rstest]
    #[case("psql:<stdin>:12: NOTICE:  00000: index is small")]
    #[case("psql:<stdin>:12: HINWEIS:  00000: Index ist klein")]
    #[case("psql:<stdin>:12: WARNUNG:  01000: Vorsicht")]
    #[case("psql:<stdin>:12: NOTICE:  23505: raised so by the database's own code")]
    #[case("psql:<stdin>:12: WARNING:  25001: there is already a transaction in progress")]
    #[case("DETAIL:  Key (mail)=(alice@example) is duplicated.")]
    #[case("CONTEXT:  COPY users, line 3, column mail: \"alice\"")]
    #[case("LOCATION:  parserOpenTable, parse_relation.c:1392")]
    fn everything_else_is_dropped(#[case] line: &str) {
        assert_eq!(psql_line(line), None);
    }

    #[test]
    fn a_statement_goes_to_its_own_error() {
        let superuser = Tolerance {
            scenario: &[],
            superuser: "boss",
        };
        let mut log = Log::default();
        let mut gather = Gather::default();
        for line in [
            "pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist",
            "Command was: ALTER SCHEMA app OWNER TO app;",
            "pg_restore: error: could not execute query: ERROR:  role \"boss\" already exists",
            "Command was: CREATE ROLE boss;",
        ] {
            if let Some(message) = gather.pg_restore(line) {
                log.add(message, &superuser, &Redactor::default());
            }
        }
        if let Some(message) = gather.end() {
            log.add(message, &superuser, &Redactor::default());
        }
        let commands: Vec<&str> = log.errors.iter().map(|e| e.command.as_str()).collect();
        assert_eq!(commands, ["ALTER SCHEMA app OWNER TO app;"]);
    }

    #[test]
    fn errors_raised_by_code_of_the_database_are_marked() {
        let mut psql = Gather::default();
        let lines = [
            "psql:<stdin>:3: ERROR:  23505: card 4111 is taken",
            "LOCATION:  exec_stmt_raise, pl_exec.c:3923",
            "psql:<stdin>:9: ERROR:  23505: duplicate key value violates unique constraint \"k\"",
            "LOCATION:  _bt_check_unique, nbtinsert.c:666",
        ];
        let mut messages: Vec<Message> = lines.iter().filter_map(|line| psql.psql(line)).collect();
        messages.extend(psql.end());
        let raised: Vec<bool> = messages.iter().map(|message| message.raised).collect();
        assert_eq!(raised, [true, false]);

        let mut pg_restore = Gather::default();
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
    fn an_error_of_the_machine_is_not_one_of_the_backup() {
        let message = |sqlstate: &str, raw: &str, raised| Message {
            sqlstate: sqlstate.to_owned(),
            raw: raw.to_owned(),
            raised,
            ..Message::default()
        };
        let full = "could not extend file: No space left on device";
        assert!(message("53100", full, false).remedy().is_some());
        assert!(message("53100", full, true).remedy().is_none());
        let lost = "connection to server on socket failed";
        assert!(message("", lost, false).remedy().is_some());
        let absent = "\\connect: connection to server on socket \"x\" failed: FATAL:  database \"y\" does not exist";
        assert!(message("", absent, false).remedy().is_none());
        assert!(message("08006", lost, false).remedy().is_none());
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

    #[test]
    fn only_what_is_listed_is_tolerated() {
        let scenario = [Tolerate {
            sqlstate: Some("42710".into()),
            message: Some("plpgsql".into()),
            reason: "built in".into(),
        }];
        let tolerance = Tolerance {
            scenario: &scenario,
            superuser: "postgres",
        };
        let mut log = Log::default();
        for (state, raw) in [
            ("42710", "role \"postgres\" already exists"),
            ("42710", "extension \"plpgsql\" already exists"),
            ("42710", "role \"app\" already exists"),
            ("42P07", "relation \"plpgsql\" already exists"),
        ] {
            let message = Message {
                sqlstate: state.into(),
                raw: raw.into(),
                ..Message::default()
            };
            log.add(message, &tolerance, &Redactor::default());
        }
        assert_eq!((log.count, log.tolerated.len()), (2, 2));
    }
}
