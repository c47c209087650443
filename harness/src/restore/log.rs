//! Errors of a restore: which are tolerated, what caused them, and what is shown of them.

use std::collections::BTreeSet;

use super::roles;
use super::tolerance::Tolerance;
use crate::backup::source::globals::Suggestion;
use crate::outcome::{Finding, Tolerated};
use crate::redact::Redactor;
use crate::sqlstate::{self, Names};
use crate::units::show_counted;

/// Number of errors that are kept with their text; the rest is counted.
pub const KEPT: usize = 200;

/// One error of a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// SQLSTATE, five characters; empty in messages of pg_restore.
    pub sqlstate: String,
    /// The primary message as the server sent it: for matching only, never shown.
    pub raw: String,
    /// Line of the dump where the statement ends; 0 if unknown. For archives a line of what is sent: for sorting only.
    pub line: u64,
    /// Entry of the table of contents, for archives.
    pub entry: String,
    /// The number of the row behind a COPY, from 1 on; 0 for none.
    pub row: u64,
    /// The first line of the statement, for archives: shortened before it is shown.
    pub command: String,
    /// Whether code of the database raised it: its text may contain anything.
    pub raised: bool,
}

/// What an error may show.
#[derive(Clone, Copy)]
pub struct Mask<'a> {
    /// Removes secrets.
    pub redactor: &'a Redactor,
    /// Names that may be shown.
    pub names: &'a Names,
}

impl Message {
    /// Whether a statement failed because a role is missing.
    pub fn lacks_role(&self) -> bool {
        let raw = self.raw.as_str();
        !self.raised && raw.starts_with("role ") && raw.ends_with("does not exist")
    }

    /// Whether it is about an archive's database itself: its owner, rights, settings or comment.
    pub fn is_of_database(&self) -> bool {
        let kinds = ["", "ACL ", "COMMENT ", "SECURITY LABEL "];
        let mut kinds = kinds
            .iter()
            .filter_map(|kind| self.entry.strip_prefix(kind));
        kinds.any(|rest| rest.starts_with("DATABASE "))
    }

    /// The text without values and secrets.
    pub fn shown(&self, mask: Mask<'_>) -> String {
        let text = sqlstate::shown(&self.sqlstate, &self.raw, self.raised, mask.names);
        let text = mask.redactor.clean(&text);
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

/// Place of an error that the scenario tolerates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToleratedAt {
    /// The dump, by its name in the backup.
    pub part: String,
    /// Line where its statement ends; 0 for an archive.
    pub line: u64,
    /// Entry of the table of contents, as pg_restore names it: kind, name, owner.
    pub entry: String,
    /// The reason in the scenario.
    pub reason: String,
}

/// Errors of a restore, collected while they are printed.
#[derive(Debug, Default)]
pub struct Log {
    /// The first [`KEPT`] errors in the order of the dump, with their text.
    pub errors: Vec<Message>,
    /// Number of all errors.
    pub count: u64,
    /// Tolerated errors.
    pub tolerated: Vec<Tolerated>,
    /// Places of the errors that the scenario tolerates.
    pub tolerated_at: Vec<ToleratedAt>,
}

impl Log {
    /// Adds an error, as tolerated where a reason is given.
    pub fn add(&mut self, message: Message, tolerance: &Tolerance<'_>, mask: Mask<'_>) {
        if let Some((reason, by_scenario)) = tolerance.reason(&message) {
            // The comparison of objects does not expect what they are about.
            if by_scenario || message.is_of_database() {
                self.tolerated_at.push(ToleratedAt {
                    part: String::new(),
                    line: match message.entry.as_str() {
                        "" => message.line,
                        _ => 0,
                    },
                    entry: message.entry.clone(),
                    reason: reason.clone(),
                });
            }
            let shown = message.shown(mask);
            let is_kept = self.tolerated.len() < KEPT;
            let known = self.tolerated.iter().any(|entry| entry.message == shown);
            let message = if is_kept || known {
                shown
            } else {
                format!("other messages after the first {KEPT}")
            };
            let same = |entry: &&mut Tolerated| entry.message == message && entry.reason == reason;
            match self.tolerated.iter_mut().find(same) {
                Some(entry) => entry.times += 1,
                None => self.tolerated.push(Tolerated {
                    message,
                    times: 1,
                    reason,
                    by_scenario,
                }),
            }
            return;
        }
        self.count += 1;
        // Sessions that work at once report in any order; those that are kept are the first of the dump all the same.
        let before = |kept: &Message| kept.line <= message.line;
        let at = self.errors.partition_point(before);
        self.errors.insert(at, message);
        self.errors.truncate(KEPT);
    }

    /// Findings for the kept errors: first those that the backup causes, then the others.
    pub fn findings(
        &self,
        mask: Mask<'_>,
        globals_beside: Option<&Suggestion>,
        statement: impl Fn(&Message) -> Option<String>,
    ) -> (Vec<Finding>, Vec<Finding>) {
        let (mut errors, mut unable) = (Vec::new(), Vec::new());
        let (roles, others): (Vec<_>, Vec<_>) = self.errors.iter().partition(|m| m.lacks_role());
        let first = roles.first().and_then(|message| statement(message));
        errors.extend(missing_roles(&roles, first, mask, globals_beside));
        for message in others {
            let place = match (message.entry.as_str(), message.line, message.row) {
                ("", 0, _) => "the restore".to_owned(),
                ("", line, _) => format!("line {line} of the dump"),
                (entry, _, 0) => mask.names.known_words(entry),
                (entry, _, row) => format!("{}, row {row}", mask.names.known_words(entry)),
            };
            let expected =
                statement(message).unwrap_or_else(|| "the statement succeeds".to_owned());
            let expected = mask.redactor.clean(&expected);
            let place = mask.redactor.clean(&place);
            let finding = Finding::about(place, expected, message.shown(mask));
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

/// One finding for all roles that are missing, since each makes many statements fail.
/// `first` is the first of them.
fn missing_roles(
    errors: &[&Message],
    first: Option<String>,
    mask: Mask<'_>,
    globals_beside: Option<&Suggestion>,
) -> Option<Finding> {
    let shown: BTreeSet<String> = errors.iter().map(|message| message.shown(mask)).collect();
    let named = shown.iter().filter_map(|text| text.split('"').nth(1));
    let named = named.filter(|role| *role != "…").map(str::to_owned);
    let named: BTreeSet<String> = named.collect();
    (!errors.is_empty()).then(|| {
        let first = first.unwrap_or_else(|| "a statement succeeds".to_owned());
        let others = match errors.len() - 1 {
            0 => String::new(),
            others => format!(", and {}", show_counted(others, "other statement")),
        };
        let expected = mask.redactor.clean(&format!("{first}{others}"));
        roles::finding(&Vec::from_iter(named), expected, globals_beside)
    })
}

/// What to do about an error that the backup causes.
fn hint(message: &Message) -> Option<&'static str> {
    let raw = message.raw.as_str();
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
    if raw.starts_with("unrecognized configuration parameter") {
        return Some(
            "this version of PostgreSQL does not have the setting: reset it at the source (`ALTER ROLE … RESET`, `ALTER DATABASE … RESET`) before an upgrade to it",
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
