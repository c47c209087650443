//! Proof: what the backup holds is in the database, without a check being written.
//!
//! - `objects`: every object, and no other
//! - `rows`: every row of every table, counted and digested; `zone`: the time zone that they are written in
//! - `anew`: the second look at rows whose text differs; `fields`: in which columns
//! - `sequences`, `large_objects`, `views`: what else a dump carries beside definitions
//! - `settings`: how much is proven

mod anew;
mod fields;
pub mod large_objects;
pub mod objects;
pub mod rows;
mod sequences;
pub mod settings;
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
use crate::units::show_count;
use settings::Level;

/// What was proven, and what speaks against it.
#[derive(Debug, Default)]
pub struct Proof {
    /// For the reports.
    pub facts: ProofFacts,
    /// Every table of the backup.
    pub rows: Vec<TableRows>,
    /// What is not as in the backup.
    pub findings: Vec<Finding>,
    /// How many of them are about tables.
    pub tables: usize,
}

/// Proves that the database holds what the backup holds.
///
/// # Errors
/// When a database or the backup cannot be looked at: this says nothing about the backup.
pub async fn prove(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    log: &RestoreLog,
    level: Level,
    listener: &Listener,
) -> Result<Proof, CouldNotRun> {
    let mut proof = Proof::default();
    proof.facts.level = level.word().to_owned();
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
            Level::Off | Level::Objects => Ok(rows::Compared::default()),
            Level::Counts | Level::Full => {
                rows::compare(server, backup, settings, level, listener).await
            }
        }
    };
    let (objects, compared) = tokio::join!(objects, rows);
    let (objects, compared) = (objects?, compared?);
    proof.tables = compared.findings.len();
    (proof.rows, proof.findings) = (compared.rows, compared.findings);
    if level == Level::Full {
        proof.beside_rows(server, backup, settings).await?;
    }
    proof.facts.objects = objects.objects;
    proof.facts.not_compared = not_compared(&proof.rows);
    proof.facts.not_compared.extend(objects.not_compared);
    proof.findings.splice(0..0, objects.findings);
    Ok(proof)
}

impl Proof {
    /// Sequences, materialized views, large objects and tables that must be empty.
    async fn beside_rows(
        &mut self,
        server: &ThrowawayServer,
        backup: &Backup,
        settings: &Restore,
    ) -> Result<(), DatabaseError> {
        for part in &backup.parts {
            let contents = &part.contents;
            let own = rows::own_database(part, settings);
            let named = contents.rows.keys().map(|(named, _)| named);
            let named = named.chain(contents.sequences.keys().map(|(named, _)| named));
            let named = named.chain(contents.large_object_values.keys());
            let named = named.chain(contents.refreshed.iter().map(|(named, _)| named));
            let all: BTreeSet<&String> = named.collect();
            let one = all.len() == 1;
            for named in all {
                let database = if named.is_empty() { &own } else { named };
                let mut session = server.session(database).await?;
                let found = &mut self.findings;
                self.facts.sequences +=
                    sequences::compare(&mut session, contents, named, found).await?;
                self.facts.views += views::filled(&mut session, contents, named, found).await?;
                if one {
                    // Which database they belong to is not known otherwise.
                    views::empty(&mut session, contents, found).await?;
                }
                if let Some(held) = contents.large_object_values.get(named) {
                    let there = large_objects::digest(&mut session).await?;
                    if there == *held {
                        self.facts.large_objects += held.count;
                    } else {
                        let expected =
                            format!("{}, with the content of the backup", objects(held.count));
                        let actual = match there.count {
                            count if count == held.count => "other content, in as many".to_owned(),
                            count => objects(count),
                        };
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
        if !self.findings.is_empty() {
            let others = self.findings.len() - self.tables;
            let verb = if self.tables == 1 { "does" } else { "do" };
            let tables = format!(
                "{} of {} tables {verb} not contain the rows of the backup",
                self.tables,
                self.rows.len()
            );
            let noun = if others == 1 {
                "object is"
            } else {
                "objects are"
            };
            let others = |more: &str| format!("{others} {more}{noun} not as in the backup");
            return match (self.tables, self.findings.len() - self.tables) {
                (_, 0) => tables,
                (0, _) => others(""),
                _ => format!("{tables}, {}", others("other ")),
            };
        }
        let count: u64 = self.rows.iter().map(|table| table.backup).sum();
        let all = format!("{} objects", show_count(self.facts.objects));
        let rows = format!("{} rows of {} tables", show_count(count), self.rows.len());
        let how = match level {
            Level::Off => return "nothing was compared".to_owned(),
            Level::Objects => return format!("{all} and no other; nothing of its rows"),
            Level::Counts => return format!("{all} and no other; {rows}, counted one by one"),
            Level::Full => "compared with the backup value by value",
        };
        let facts = &self.facts;
        let mut more = String::new();
        for (count, one, many) in [
            (facts.sequences, "sequence", "sequences"),
            (facts.views, "materialized view", "materialized views"),
            (facts.large_objects, "large object", "large objects"),
        ] {
            if count > 0 {
                more.push_str(&format!(
                    ", {} {}",
                    show_count(count),
                    if count == 1 { one } else { many }
                ));
            }
        }
        let not = self
            .rows
            .iter()
            .filter(|table| matches!(table.values, Values::NotCompared(_)))
            .count();
        let but = match not {
            0 => String::new(),
            1 => "; those of 1 table only counted".to_owned(),
            many => format!("; those of {many} tables only counted"),
        };
        format!("{all} and no other; {rows}{more}, {how}{but}")
    }
}

fn objects(count: u64) -> String {
    let noun = if count == 1 {
        "large object"
    } else {
        "large objects"
    };
    format!("{} {noun}", show_count(count))
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
        let shown = tables
            .iter()
            .take(8)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = tables.len().saturating_sub(8);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        NotTested {
            what: format!("the values of rows in {shown}{more}"),
            why: why.to_owned(),
        }
    });
    entries.collect()
}
