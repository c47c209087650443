//! Proof: compares the database with the backup, without any check.
//!
//! - `objects`: every object, and no other
//! - `rows`: every row of every table, counted and digested; `tables`: which tables, and how they are printed; `zone`: the
//!   time zone of the dump
//! - `reload`: compares rows whose text differs; `reread` reads the dump again for it, `fields` finds the columns
//! - `sequences`, `large_objects`, `views`: what else a dump contains
//! - `physical`: the proof of a recovered base backup, which is another one
//! - `settings`: how much is compared

mod fields;
pub mod large_objects;
pub mod objects;
pub mod physical;
mod reload;
mod reread;
pub mod rows;
mod sequences;
pub mod settings;
mod tables;
mod views;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use crate::backup::Backup;
use crate::database::DatabaseError;
use crate::event::Listener;
use crate::outcome::{CouldNotRun, Finding, NotTested, ProofFacts, TableRows, Values};
use crate::restore::RestoreLog;
use crate::restore::settings::Restore;
use crate::server::ThrowawayServer;
use crate::units::{listed, show_counted};
use crate::upgrade::Upgrade;
use settings::Level;

/// The result of a proof.
#[derive(Debug, Default)]
pub struct Proof {
    /// What was compared, for reports.
    pub facts: ProofFacts,
    /// Every table of the backup.
    pub rows: Vec<TableRows>,
    /// What differs from the backup.
    pub findings: Vec<Finding>,
    /// How many of the findings are about rows of tables.
    pub tables: usize,
}

/// Compares the databases with the backup that was restored into them.
///
/// # Errors
/// When a database or the backup cannot be read: this says nothing about the backup.
pub async fn prove(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    log: &RestoreLog,
    level: Level,
    listener: &Listener,
) -> Result<Proof, CouldNotRun> {
    let objects = async {
        match level {
            Level::Off => Ok(objects::ObjectsProof::default()),
            Level::Objects | Level::Counts | Level::Full => {
                objects::compare(server, backup, settings, log).await
            }
        }
    };
    let rows = async {
        match level {
            Level::Off | Level::Objects => Ok(rows::RowsProof::default()),
            Level::Counts | Level::Full => {
                rows::compare(server, backup, settings, level, listener).await
            }
        }
    };
    let (objects, rows) = tokio::join!(objects, rows);
    let (objects, rows) = (objects?, rows?);
    let mut not_compared = not_compared(&rows.rows);
    not_compared.extend(objects.not_compared);
    let mut proof = Proof {
        facts: ProofFacts {
            level: level.word().to_owned(),
            objects: objects.objects,
            not_compared,
            ..ProofFacts::default()
        },
        tables: rows.findings.len(),
        rows: rows.rows,
        findings: [objects.findings, rows.findings].concat(),
    };
    if level == Level::Full {
        proof.compare_other_data(server, backup, settings).await?;
    }
    Ok(proof)
}

impl Proof {
    /// Adds what was compared on another server.
    pub fn join(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.findings.extend(other.findings);
        self.tables += other.tables;
        let (facts, more) = (&mut self.facts, other.facts);
        facts.objects += more.objects;
        facts.sequences += more.sequences;
        facts.views += more.views;
        facts.large_objects += more.large_objects;
        for item in more.not_compared {
            if !facts.not_compared.contains(&item) {
                facts.not_compared.push(item);
            }
        }
    }

    /// Adds the rehearsal of an upgrade.
    pub fn add_upgrade(&mut self, upgrade: Upgrade) {
        let (facts, more) = (&mut self.facts, upgrade.not_compared);
        if upgrade.compared_definitions {
            // On the server of the backup's own major version they were.
            facts
                .not_compared
                .retain(|entry| entry.what != objects::DEFINITIONS);
        }
        for item in more {
            if !facts.not_compared.contains(&item) {
                facts.not_compared.push(item);
            }
        }
        facts.upgrade = Some(upgrade.facts);
        self.findings.extend(upgrade.findings);
    }

    /// Compares sequences, materialized views, large objects and tables that must be empty.
    async fn compare_other_data(
        &mut self,
        server: &ThrowawayServer,
        backup: &Backup,
        settings: &Restore,
    ) -> Result<(), DatabaseError> {
        for part in &backup.parts {
            let contents = &part.contents;
            let own = tables::own_database(part, settings);
            let named = contents.rows.keys().map(|(named, _)| named);
            let named = named.chain(contents.sequences.keys().map(|(named, _)| named));
            let named = named.chain(contents.large_object_values.keys());
            let named = named.chain(contents.refreshed.iter().map(|(named, _)| named));
            let all: BTreeSet<&String> = named.collect();
            let single = all.len() == 1;
            for named in all {
                let database = if named.is_empty() { &own } else { named };
                let mut session = server.session(database).await?;
                let found = &mut self.findings;
                self.facts.sequences +=
                    sequences::compare(&mut session, contents, (named, settings), found).await?;
                self.facts.views +=
                    views::check_populated(&mut session, contents, named, found).await?;
                if single {
                    // With several databases it is not known which one these tables are in.
                    views::check_empty(&mut session, contents, found).await?;
                }
                if let Some(held) = contents.large_object_values.get(named) {
                    let restored = large_objects::digest(&mut session).await?;
                    if restored == *held {
                        self.facts.large_objects += held.count;
                    } else {
                        let expected = show_counted(held.count, "large object");
                        let actual = match restored.count == held.count {
                            true => format!("{expected}, with other content"),
                            false => show_counted(restored.count, "large object"),
                        };
                        let expected = format!("{expected}, with the content of the backup");
                        found.push(Finding::about("large objects", expected, actual));
                    }
                }
                session.close().await;
            }
        }
        Ok(())
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self, level: Level) -> String {
        if self.findings.is_empty() {
            return self.summary_of_success(level);
        }
        let others = self.findings.len() - self.tables;
        let mut differences = Vec::new();
        if self.facts.cluster.is_some() {
            let found = show_counted(self.findings.len() as u64, "fault");
            differences.push(format!("{found} in the recovered cluster"));
        } else if self.tables > 0 {
            let verb = if self.tables == 1 { "does" } else { "do" };
            let of = show_counted(self.rows.len() as u64, "table");
            let tables = self.tables;
            differences.push(format!(
                "{tables} of {of} {verb} not contain the rows of the backup"
            ));
        }
        if others > 0 && self.facts.cluster.is_none() {
            let verb = if others == 1 { "is" } else { "are" };
            let noun = if self.tables > 0 {
                "other object"
            } else {
                "object"
            };
            let others = show_counted(others as u64, noun);
            differences.push(format!("{others} {verb} not as in the backup"));
        }
        if let Some(first) = self.findings.first() {
            let first = first.in_one_line();
            return format!("{}; the first: {first}", differences.join(", "));
        }
        differences.join(", ")
    }

    fn summary_of_success(&self, level: Level) -> String {
        if let Some(cluster) = &self.facts.cluster {
            return physical::summary(cluster, level);
        }
        let count: u64 = self.rows.iter().map(|table| table.backup).sum();
        let tables = show_counted(self.rows.len() as u64, "table");
        let all = show_counted(self.facts.objects, "object");
        let rows = format!("{} of {tables}", show_counted(count, "row"));
        match level {
            Level::Off => return "nothing was compared".to_owned(),
            Level::Objects => return format!("{all} and no other; no rows were compared"),
            Level::Counts => return format!("{all} and no other; {rows}, only counted"),
            Level::Full => {}
        }
        let facts = &self.facts;
        let more = [
            (facts.sequences, "sequence"),
            (facts.views, "materialized view"),
            (facts.large_objects, "large object"),
        ];
        let more = more.into_iter().filter(|(count, _)| *count > 0);
        let more: String = more
            .map(|(count, noun)| format!(", {}", show_counted(count, noun)))
            .collect();
        let values = self.rows.iter().map(|table| &table.values);
        let but = match values
            .filter(|values| matches!(values, Values::NotCompared(_)))
            .count()
        {
            0 => String::new(),
            not => format!(
                "; those of {} only counted",
                show_counted(not as u64, "table")
            ),
        };
        format!("{all} and no other; {rows}{more}, compared with the backup value by value{but}")
    }
}

/// Tables whose values were not compared, by the reason.
fn not_compared(rows: &[TableRows]) -> Vec<NotTested> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for table in rows {
        if let Values::NotCompared(why) = &table.values {
            by_reason.entry(why).or_default().push(&table.table);
        }
    }
    let entries = by_reason.into_iter().map(|(why, tables)| {
        let what = format!("the values of rows in {}", listed(&tables, 8));
        NotTested::new(what, why)
    });
    entries.collect()
}
