//! `sequence`: sequences are not behind their columns, belong to them, and have room.
//!
//! - `catalog` reads the sequences and the columns that take from them
//! - `compare` says what is wrong with one

mod catalog;
mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::catalog::{ColumnUse, SequenceState, read};
use self::compare::behind;
use crate::check::absent;
use crate::check::target::{Targets, is_listed, missing};
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{Glob, NamePattern, QualifiedName, quote_ident, split_qualified};
use crate::units::{Percent, show_counted};

/// Sequences are not behind their columns, belong to the column that takes from them, and are not
/// used up. Without any key it is about every sequence of the database.
///
/// Looked at are identity columns, columns whose DEFAULT is `nextval(…)` (OWNED BY or not), and columns
/// that own a sequence and have no DEFAULT. A partitioned table is read with all its partitions, and a
/// table that others inherit from with those that have no sequence of their own.
///
/// ## What it proves
/// - The next value of each sequence is on no row yet, and neither is any that comes after it: rows
///   at or beyond it are counted. With INCREMENT BY 2 or more only values that it will ever give count,
///   so that servers which share numbers out between them do not alarm. Descending sequences are read
///   the other way round.
/// - A sequence is not OWNED BY a column that does not take from it while another does: it would go
///   with the wrong table. With `owned`, each that a DEFAULT takes from is OWNED BY such a column.
/// - The next value is within the sequence's limits and fits into the column's type. With `room`, so
///   much of its range is left.
/// - `columns`: this column takes from this sequence, by identity or by DEFAULT.
/// - `fed-by-application`: rows of this column are not at or beyond this sequence, which the
///   application reads itself.
///
/// ## What it does not prove
/// That the application takes its numbers from the sequence. Sequences that CYCLE are not compared with
/// rows, and neither are columns whose DEFAULT makes something else of the number, or that are
/// not numeric. Sequences of Apache AGE's labels are left out: `graph` checks them.
///
/// ## Example
/// ```toml
/// [[check.sequence]]
/// name = "no sequence of the database is behind"
/// owned = true
/// room = "10%"
///
/// [[check.sequence]]
/// tables = ["app.*"]
///
/// [[check.sequence]]
/// columns = { "app.orders.id" = "app.orders_id_seq" }
/// fed-by-application = { "app.invoices.number" = "app.invoice_number" }
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sequence {
    /// One sequence.
    pub sequence: Option<String>,
    /// Several sequences; `*` and `?` match in schema and name.
    #[serde(default)]
    pub sequences: Vec<String>,
    /// The sequences that columns of these tables own or take from; `*` and `?` match.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The sequences of these schemas; `*` and `?` match.
    #[serde(default)]
    pub schemas: Vec<String>,
    /// Sequences that are left out; `*` and `?` match.
    #[serde(default)]
    pub except: Vec<String>,
    /// Whether a sequence that a DEFAULT takes from must be OWNED BY its column. Default: false.
    #[serde(default)]
    pub owned: bool,
    /// How much of its range each must have left, as in `10%`.
    pub room: Option<Percent>,
    /// Columns, as `schema.table.column`, and the sequence that each takes from.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Columns, as `schema.table.column`, and the sequence that the application fills each from.
    #[serde(default)]
    pub fed_by_application: BTreeMap<String, String>,
}

impl Parameters for Sequence {
    const KIND: &'static str = "sequence";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        errors.refuse_pattern("sequence", "sequences", self.sequence.as_ref());
        errors.require_names("sequence", &self.sequence, "schema.name");
        errors.require_names("sequences", &self.sequences, "schema.name");
        errors.require_names("tables", &self.tables, "schema.name");
        errors.require_names("except", &self.except, "schema.name");
        for (key, map) in [
            ("columns", &self.columns),
            ("fed-by-application", &self.fed_by_application),
        ] {
            errors.require_names(key, map.values(), "schema.name");
            for name in map.keys().filter(|name| column_name(name).is_none()) {
                errors
                    .at(key, format!("`{name}` is not a column"))
                    .add_hint("write `schema.table.column`");
            }
        }
    }
}

/// Reads `schema.table.column`.
fn column_name(text: &str) -> Option<(QualifiedName, String)> {
    let (table, column) = split_qualified(text);
    let table = QualifiedName::parse(table?).ok()?;
    // A name of one part is read as one in `public`.
    let column = QualifiedName::parse(column).ok()?.name;
    Some((table, column))
}

#[async_trait]
impl Check for Sequence {
    fn describe(&self) -> String {
        match (&self.sequence, self.lists().next()) {
            (Some(one), _) => format!("sequence {one}"),
            (None, Some(first)) => format!("sequences of {first}"),
            (None, None) if self.is_of_columns() => "sequences of columns".to_owned(),
            (None, None) => "every sequence".to_owned(),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let everything = read(&mut session).await?;
        let (chosen, mut findings) = self.choose(&mut session, &everything).await?;
        findings.extend(self.columns(&mut session, &everything).await?);
        let mut entries = Vec::new();
        let mut compared = 0;
        for found in &chosen {
            let began = Instant::now();
            let mut wrong = self.compare(found);
            for using in found.uses.iter().filter(|using| using.comparable) {
                compared += 1;
                wrong.extend(behind(&mut session, found, using).await?);
            }
            entries.push(Entry::new(
                &found.name,
                self.expectation(),
                found.describe(),
                wrong,
                began,
            ));
        }
        session.close().await;
        if chosen.is_empty() && findings.is_empty() && !self.is_of_columns() {
            return Err(CouldNotRun::new("there is no sequence to check")
                .hint("leave the check out, or correct what it names"));
        }
        let mut actual = match chosen.as_slice() {
            [one] if self.sequence.is_some() => one.describe(),
            many => format!(
                "{}, {} compared with them",
                show_counted(many.len(), "sequence"),
                show_counted(compared, "column")
            ),
        };
        if chosen.is_empty() {
            let columns = self.columns.len() + self.fed_by_application.len();
            actual = format!("{} checked", show_counted(columns, "column"));
        }
        let whole = Observation::new(self.expectation(), actual, findings);
        Ok(whole.with_entries_if(self.lists().next().is_some(), entries))
    }
}

impl Sequence {
    /// Everything that names several.
    fn lists(&self) -> impl Iterator<Item = &String> {
        self.sequences
            .iter()
            .chain(&self.tables)
            .chain(&self.schemas)
    }

    /// Whether it names columns and nothing else.
    fn is_of_columns(&self) -> bool {
        let columns = !self.columns.is_empty() || !self.fed_by_application.is_empty();
        columns && self.sequence.is_none() && self.lists().next().is_none()
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut text = "no row at or beyond the next value, which is within its limits".to_owned();
        if self.owned {
            text.push_str(", owned by the column that takes from it");
        }
        if let Some(room) = self.room {
            text.push_str(&format!(", {} % of its range left", room.0));
        }
        text
    }

    /// Picks the sequences that the scenario names; a name that picks none is a finding.
    async fn choose(
        &self,
        session: &mut Session,
        everything: &[SequenceState],
    ) -> Result<(Vec<SequenceState>, Vec<Finding>), CouldNotRun> {
        let mut findings = Vec::new();
        let mut picked: BTreeSet<&str> = BTreeSet::new();
        let meant = |entry: &str| hint(entry, everything);
        let mut pick = |entry: &str, expected: &str, is: &dyn Fn(&SequenceState) -> bool| {
            let before: Vec<&str> = everything
                .iter()
                .filter(|found| is(found))
                .map(|found| found.oid.as_str())
                .collect();
            if before.is_empty() {
                findings.push(missing(entry, expected, meant(entry)));
            }
            picked.extend(before);
        };
        for entry in self.sequence.iter().chain(&self.sequences) {
            let pattern = NamePattern::parse(entry).map_err(CouldNotRun::new)?;
            pick(entry, "a sequence", &|found| pattern.matches(&found.name));
        }
        for entry in &self.schemas {
            let schema = Glob::new(entry);
            pick(entry, "a schema with sequences", &|found| {
                schema.matches(&found.name.schema)
            });
        }
        let mut absent = Vec::new();
        for entry in &self.tables {
            let resolved = Targets::of_pattern(entry).resolve(session).await?;
            absent.extend(resolved.missing);
            if resolved.tables.is_empty() {
                continue;
            }
            pick(entry, "a table with a sequence", &|found| {
                found
                    .uses
                    .iter()
                    .any(|using| resolved.tables.contains(&using.table))
            });
        }
        let everything_meant =
            self.sequence.is_none() && self.lists().next().is_none() && !self.is_of_columns();
        let is_chosen = |found: &&SequenceState| {
            (everything_meant || picked.contains(found.oid.as_str()))
                && !is_listed(&self.except, &found.name)
        };
        let chosen = everything.iter().filter(is_chosen).cloned().collect();
        findings.extend(absent);
        Ok((chosen, findings))
    }

    /// Looks at the columns that are named with their sequences.
    async fn columns(
        &self,
        session: &mut Session,
        everything: &[SequenceState],
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let mut findings = Vec::new();
        let meant = |entry: &str| hint(entry, everything);
        let taken = self.columns.iter().map(|entry| (entry, true));
        let fed = self.fed_by_application.iter().map(|entry| (entry, false));
        for ((column, sequence), takes) in taken.chain(fed) {
            let name = QualifiedName::parse(sequence).map_err(CouldNotRun::new)?;
            let Some((table, attribute)) = column_name(column) else {
                continue;
            };
            let Some(found) = everything.iter().find(|found| found.name == name) else {
                findings.push(missing(sequence, "a sequence", meant(sequence)));
                continue;
            };
            if takes {
                let using = found
                    .uses
                    .iter()
                    .find(|using| using.table == table && using.column == attribute);
                match using {
                    Some(using) if using.is_fed() => {
                        findings.extend(behind(session, found, using).await?);
                    }
                    _ => findings.push(
                        Finding::about(
                            format!("{table}.{}", quote_ident(&attribute)),
                            format!("it takes its value from {name}"),
                            taken_from(everything, &table, &attribute),
                        )
                        .hint(absent::why("ALTER COLUMN … SET DEFAULT or ADD GENERATED")),
                    ),
                }
            } else {
                let using = ColumnUse {
                    relation: String::new(),
                    partitioned: true,
                    column: attribute,
                    owns: false,
                    takes: true,
                    identity: false,
                    comparable: true,
                    most: i128::from(i64::MAX),
                    with_children: true,
                    table,
                };
                findings.extend(behind(session, found, &using).await?);
            }
        }
        Ok(findings)
    }
}

/// Says where a column takes its value from, if anywhere.
fn taken_from(everything: &[SequenceState], table: &QualifiedName, column: &str) -> String {
    let other = everything.iter().find(|found| {
        found
            .uses
            .iter()
            .any(|u| u.is_fed() && u.table == *table && u.column == column)
    });
    match other {
        Some(found) => format!("it takes it from {}", found.name),
        None => "it takes it from no sequence, or is not there".to_owned(),
    }
}

/// Why a sequence is not there, or which is meant.
fn hint(entry: &str, everything: &[SequenceState]) -> String {
    let there: Vec<String> = everything.iter().map(|one| one.name.to_string()).collect();
    absent::why_or_meant("CREATE SEQUENCE", entry, there.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    #[rstest]
    #[case("sequence = 'app.s'", 0)]
    #[case("", 0)]
    #[case("columns = { 'app.t.id' = 'app.s' }", 0)]
    #[case("columns = { 'id' = 'app.s' }", 1)]
    #[case("sequence = 'app.*'", 1)]
    #[case("sequences = ['a.b.c']", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        let check: Sequence = toml::from_str(toml).unwrap();
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), expected);
    }
}
