//! `size`: tables, the database and the backup take as much room as they must.

use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::target::Targets;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{BackupFacts, CouldNotRun, Finding};
use crate::sql::QualifiedName;
use crate::units::{Percent, Size as Bytes, show_bytes, show_counted};

/// Tables, the whole database or the backup's file take as much room as they must.
///
/// Either `table` or `tables`, each with all its partitions and with what inherits from it, or
/// `whole = "database"`, or `whole = "backup"`: the bytes of the file or folder as it is stored, and as a share
/// of the previous backup of the same stream.
///
/// Every drill compares the backup with the previous one in any case: under 10 % of its size, or of the
/// rows of one of its tables, it fails before any server is started; `[backup.previous]` sets that. `previous` here
/// asks for more than these 10 %. Both compare what is inside, where a backup is compressed as a whole and
/// the previous one could be read.
///
/// ## What it proves
/// That not much less came back than must be there, and that nothing grew beyond its bounds, with the sizes
/// that `pg_table_size`, `pg_indexes_size`, `pg_total_relation_size` and `pg_database_size` give.
///
/// ## What it does not prove
/// How many rows there are; see `row-count`. A restored table has no dead rows and its indexes are new, so it
/// is smaller than the one it was dumped from, often by half. An empty database takes some 8 MB.
///
/// ## Example
/// ```toml
/// [[check.size]]
/// name = "the ledger is not hollow"
/// table = "app.ledger"
/// min = "500 MiB"
///
/// [[check.size]]
/// tables = ["app.*"]
/// of = "indexes"
/// max = "20 GiB"
///
/// [[check.size]]
/// whole = "database"
/// min = "2 GiB"
///
/// [[check.size]]
/// name = "tonight's backup is about as large as last night's"
/// whole = "backup"
/// previous = "80%"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SizeCheck {
    /// One table.
    pub table: Option<String>,
    /// Several tables; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// What is measured instead of tables.
    pub whole: Option<MeasuredWhole>,
    /// What of a table counts. Default: `total`.
    pub of: Option<Of>,
    /// At least this size.
    pub min: Option<Bytes>,
    /// At most this size.
    pub max: Option<Bytes>,
    /// At least such a share of the backup before it.
    pub previous: Option<Percent>,
}

/// What is measured instead of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeasuredWhole {
    /// The restored database, catalogs included.
    Database,
    /// The backup as it is stored.
    Backup,
}

/// What of a table counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The rows, with TOAST: `pg_table_size`.
    Table,
    /// The indexes: `pg_indexes_size`.
    Indexes,
    /// Both: `pg_total_relation_size`.
    #[default]
    Total,
}

impl Of {
    /// The server's function.
    const fn function(self) -> &'static str {
        match self {
            Self::Table => "pg_table_size",
            Self::Indexes => "pg_indexes_size",
            Self::Total => "pg_total_relation_size",
        }
    }
}

/// Below this share of the previous backup, a drill fails in any case.
const ANYHOW: f64 = 10.0;

impl Parameters for SizeCheck {
    const KIND: &'static str = "size";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let tables = self.table.is_some() || !self.tables.is_empty();
        match self.whole {
            Some(_) if tables => errors
                .at("whole", "`whole` is for what is not a table")
                .add_hint("write a check of its own for it"),
            Some(_) => {}
            None => self.targets().validate(errors),
        }
        if self.of.is_some() && self.whole.is_some() {
            errors.at("of", "`of` is for tables");
        }
        errors.require_assertion(
            [
                self.min.is_some(),
                self.max.is_some(),
                self.previous.is_some(),
            ],
            "add `min`, `max`, or `previous` where the whole is the backup",
        );
        if self.min.is_some_and(|min| min.0 == 0) {
            errors.at("min", "everything has at least 0 bytes");
        }
        errors.refuse_empty_range(self.min, self.max);
        match self.previous {
            Some(_) if self.whole != Some(MeasuredWhole::Backup) => errors
                .at("previous", "only a backup has a previous one")
                .add_hint("add `whole = \"backup\"`"),
            Some(share) if share.0 <= ANYHOW => errors
                .at(
                    "previous",
                    format!("a backup under {ANYHOW} % of the previous one fails in any case"),
                )
                .add_hint("give a higher share, or leave it to `[backup.previous]`"),
            _ => {}
        }
    }
}

/// The size of a table with all below it.
const TABLE: &str = "
WITH RECURSIVE tree(oid) AS (
    SELECT {table}::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid)
SELECT pg_catalog.sum(pg_catalog.{function}(tree.oid::pg_catalog.regclass))::pg_catalog.int8
  FROM tree";

const DATABASE: &str = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";

#[async_trait]
impl Check for SizeCheck {
    fn describe(&self) -> String {
        match self.whole {
            Some(MeasuredWhole::Database) => "size of the database".to_owned(),
            Some(MeasuredWhole::Backup) => "size of the backup".to_owned(),
            None => format!("size of {}", self.targets().describe()),
        }
    }

    fn reads_backup(&self) -> Option<&'static str> {
        (self.whole == Some(MeasuredWhole::Backup)).then_some("its size")
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let bytes = match self.whole {
            Some(MeasuredWhole::Backup) => return self.backup(restored.backup),
            Some(MeasuredWhole::Database) => {
                let mut session = restored.session().await?;
                let bytes = session.count(DATABASE).await?;
                session.close().await;
                bytes
            }
            None => return self.each_table(restored).await,
        };
        let findings = self.bounds("the database", bytes);
        Ok(Observation::new(
            self.expectation(),
            show_bytes(bytes),
            findings,
        ))
    }
}

impl SizeCheck {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let bounds = [("at least", self.min), ("at most", self.max)]
            .into_iter()
            .filter_map(|(word, bound)| Some(format!("{word} {}", show_bytes(bound?.0))));
        let share = self
            .previous
            .map(|share| format!("at least {} % of the backup before", share.0));
        bounds.chain(share).collect::<Vec<_>>().join(", ")
    }

    async fn each_table(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let resolved = self.targets().resolve(&mut session).await?;
        let mut entries = Vec::new();
        let mut sum = 0;
        for table in &resolved.tables {
            let began = Instant::now();
            let bytes = self.table(&mut session, table).await?;
            sum += bytes;
            entries.push(Entry::new(
                table,
                self.expectation(),
                show_bytes(bytes),
                self.bounds(&table.to_string(), bytes),
                began,
            ));
        }
        session.close().await;
        let actual = if self.table.is_some() && entries.len() == 1 {
            show_bytes(sum)
        } else {
            format!(
                "{} in {}",
                show_bytes(sum),
                show_counted(entries.len(), "table")
            )
        };
        let whole = Observation::new(self.expectation(), actual, resolved.missing);
        Ok(self.targets().in_entries(whole, entries))
    }

    async fn table(
        &self,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<u64, CouldNotRun> {
        let sql = TABLE
            .replace("{table}", &table.literal())
            .replace("{function}", self.of.unwrap_or_default().function());
        Ok(session.count(&sql).await?)
    }

    /// Judges the backup by what was found out of it before any server.
    fn backup(&self, backup: &BackupFacts) -> Result<Observation, CouldNotRun> {
        let mut findings = self.bounds("the backup", backup.bytes);
        let mut actual = show_bytes(backup.bytes);
        if let Some(share) = self.previous {
            let Some(before) = &backup.before else {
                return Err(CouldNotRun::new(
                    "no backup before this one was compared with it",
                )
                .hint(
                    "it must be next to it, and `compare` in `[backup.previous]` must not be off",
                ));
            };
            #[expect(clippy::cast_precision_loss, reason = "a share is approximate")]
            let percent = before.now as f64 * 100.0 / before.before.max(1) as f64;
            // Rounded down, so that what is shown is not more than what is there.
            let shown = (percent * 10.0).floor() / 10.0;
            actual.push_str(&format!(", {shown} % of {}", before.name));
            if percent < share.0 {
                findings.push(
                    Finding::about(
                        "the backup",
                        format!(
                            "at least {} % of the {} in {}",
                            share.0,
                            show_bytes(before.before),
                            before.name
                        ),
                        format!("{}, {shown} % of it", show_bytes(before.now)),
                    )
                    .hint("look at what the job dumped, and which tables have fewer rows"),
                );
            }
        }
        Ok(Observation::new(self.expectation(), actual, findings))
    }

    /// Compares a size with its bounds.
    fn bounds(&self, object: &str, bytes: u64) -> Vec<Finding> {
        let broken = [
            self.min
                .filter(|min| bytes < min.0)
                .map(|min| ("at least", min)),
            self.max
                .filter(|max| bytes > max.0)
                .map(|max| ("at most", max)),
        ];
        broken
            .into_iter()
            .flatten()
            .map(|(word, bound)| {
                Finding::about(
                    object,
                    format!("{word} {}", show_bytes(bound.0)),
                    show_bytes(bytes),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use crate::outcome::Before;
    use rstest::rstest;

    fn check(toml: &str) -> SizeCheck {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("table = 'a.b'\nmin = '1 MiB'", 0)]
    #[case("tables = ['a.*']\nof = 'indexes'\nmin = '1 MiB'\nmax = '2 MiB'", 0)]
    #[case("whole = 'database'\nmax = '1 GB'", 0)]
    #[case("whole = 'backup'\nprevious = '80%'", 0)]
    #[case("table = 'a.b'", 1)]
    #[case("min = '1 MiB'", 1)]
    #[case("table = 'a.b'\nmin = '0 B'", 1)]
    #[case("table = 'a.b'\nmin = '2 MiB'\nmax = '1 MiB'", 1)]
    #[case("table = 'a.b'\nprevious = '80%'", 1)]
    #[case("whole = 'backup'\nprevious = '10%'", 1)]
    #[case("whole = 'backup'\ntable = 'a.b'\nmin = '1 MiB'", 1)]
    #[case("whole = 'backup'\nof = 'indexes'\nmin = '1 MiB'", 1)]
    fn parameters(#[case] toml: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(toml).validate(errors)).len(),
            expected
        );
    }

    #[rstest]
    #[case("min = '1 kB'", 999, 1)]
    #[case("min = '1 kB'", 1000, 0)]
    #[case("max = '1 kB'", 1000, 0)]
    #[case("max = '1 kB'", 1001, 1)]
    fn sizes_are_held_to_their_bounds(
        #[case] toml: &str,
        #[case] bytes: u64,
        #[case] findings: usize,
    ) {
        assert_eq!(check(toml).bounds("a.b", bytes).len(), findings);
    }

    #[rstest]
    #[case(800, Some(0))]
    #[case(799, Some(1))]
    #[case(5000, Some(0))]
    #[case(0, None)]
    fn f45_a_backup_is_held_against_the_one_before(
        #[case] now: u64,
        #[case] findings: Option<usize>,
    ) {
        let before = (now > 0).then(|| Before {
            name: "x".to_owned(),
            now,
            before: 1000,
        });
        let facts = BackupFacts {
            before,
            ..BackupFacts::default()
        };
        let looked = check("whole = 'backup'\nprevious = '80%'").backup(&facts);
        assert_eq!(looked.ok().map(|seen| seen.findings.len()), findings);
    }
}
