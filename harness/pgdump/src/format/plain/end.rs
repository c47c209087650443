//! Whether a plain file is complete: the marks at its end.

use crate::contents::Contents;
use crate::digest::show_count;
use crate::fault::{Fault, FaultKind, Place, Problems};
use crate::script::lexer::End;
use crate::script::statement::Words;

/// Marks that were opened and not closed, and those that were.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Dumps that were begun and not completed, by the line of their header.
    open_dumps: Vec<u64>,
    completed: u64,
    /// `\restrict` that was not answered.
    restricted: Option<(u64, String)>,
    /// The line of a BEGIN without its COMMIT.
    transaction: Option<u64>,
    transactions: u64,
    /// Whether data came outside of a transaction.
    loose_data: bool,
    /// Whether the last statement was a COMMIT.
    committed_last: bool,
}

impl Marks {
    /// The header of a dump.
    pub(super) fn dump(&mut self, line: u64) {
        self.open_dumps.push(line);
    }

    /// The trailer of a dump.
    pub(super) fn complete(&mut self) {
        self.open_dumps.pop();
        self.completed += 1;
    }

    pub(super) fn restrict(&mut self, line: u64, key: &str) {
        self.restricted = Some((line, key.to_owned()));
    }

    /// Whether it belongs to a `\restrict`.
    pub(super) fn unrestrict(&mut self, key: &str) -> bool {
        self.restricted.take().is_some_and(|(_, open)| open == key)
    }

    /// Rows come.
    pub(super) fn data(&mut self) {
        self.loose_data |= self.transaction.is_none();
        self.committed_last = false;
    }

    /// Any statement but an INSERT.
    pub(super) fn statement(&mut self, words: &Words<'_>, line: u64) {
        self.committed_last = false;
        match words.start() {
            ["begin", ..] | ["start", "transaction", ..] => {
                self.transaction = Some(line);
                self.transactions += 1;
            }
            ["commit" | "end", ..] => {
                self.committed_last = self.transaction.take().is_some();
            }
            ["rollback", next, ..] if *next != "to" => self.transaction = None,
            ["abort", ..] => self.transaction = None,
            _ => {}
        }
    }

    /// Whether one transaction holds all data and the file ends with its COMMIT: nothing can be missing.
    fn all_in_one(&self) -> bool {
        self.transactions == 1 && self.committed_last && !self.loose_data
    }

    /// Checks whether the file is complete.
    pub(super) fn judge(
        self,
        mut contents: Contents,
        mut found: Problems,
        end: End,
    ) -> (Contents, Problems) {
        let problems = &mut found.problems;
        if contents.statements == 0 && contents.rows.is_empty() {
            problems.push(Fault::new(
                FaultKind::Empty,
                "statements that make a database",
                "none: there is nothing to restore",
            ));
        }
        problems.extend(open_end(end, &contents));
        if let Some((line, _)) = &self.restricted {
            problems.push(Fault::new(
                FaultKind::FileCut,
                format!("an `\\unrestrict` for the `\\restrict` in line {line}"),
                "the file ends without this `\\unrestrict`",
            ));
        }
        for line in &self.open_dumps {
            problems.push(Fault::new(
                FaultKind::FileCut,
                format!(
                    "`-- PostgreSQL database dump complete` for the dump that begins in line {line}"
                ),
                "the file ends without this last line",
            ));
        }
        if let Some(line) = self.transaction {
            problems.push(
                Fault::new(
                    FaultKind::FileCut,
                    format!("a COMMIT for the BEGIN in line {line}"),
                    "the file ends within its transaction: psql prints no error and the server keeps nothing of it",
                )
            );
        }
        let by_pg_dump = self.completed > 0 || !self.open_dumps.is_empty();
        if !by_pg_dump {
            // Other writers write nothing for tables without rows.
            contents.without_data.clear();
        }
        if !by_pg_dump && problems.is_empty() && !self.all_in_one() {
            found.warnings.push(
                Fault::new(
                    FaultKind::NoEndMark,
                    "the header and trailer that pg_dump writes, or one transaction from the first row to the last line",
                    "neither: the file does not show whether its end is missing",
                )
            );
        }
        (contents, found)
    }
}

/// What was open where the file ends.
fn open_end(end: End, contents: &Contents) -> Option<Fault> {
    match end {
        End::Clean => None,
        End::InRows { line } => {
            let table = contents.rows.iter().find(|(_, rows)| rows.line == line);
            let (name, count) = table.map_or_else(
                || ("a table".to_owned(), 0),
                |((_, table), rows)| (table.to_string(), rows.count),
            );
            Some(
                Fault::new(
                    FaultKind::FileCut,
                    "rows that end with the line `\\.`",
                    format!(
                        "the file ends after {} of its rows (COPY in line {line})",
                        show_count(count)
                    ),
                )
                .about(name),
            )
        }
        End::InStatement { line, open } => Some(
            Fault::new(
                FaultKind::FileCut,
                "a statement that ends",
                format!("the file ends within {open}"),
            )
            .at(Place::Line(line)),
        ),
    }
}
