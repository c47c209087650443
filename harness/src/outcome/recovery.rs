//! Facts of the recovery of a base backup, for reports.

use std::time::Duration;

use jiff::Timestamp;

/// The recovery of a base backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryFacts {
    /// The LSN at which the server ended it.
    pub end: String,
    /// The timeline that the server began there.
    pub timeline: u32,
    /// Bytes of WAL from the start of the backup to that end.
    pub replayed: u64,
    /// Time of the replay alone; `None` where the log of the server does not say it.
    pub replayed_in: Option<Duration>,
    /// Settings of the backup that were not taken over, by name.
    pub switched_off: Vec<String>,
    /// Libraries that the server preloaded as in the backup.
    pub libraries: Vec<String>,
    /// Files and folders of the backup that were left out.
    pub left_out: Vec<String>,
    /// Unlogged tables, which are empty after every recovery.
    pub unlogged: Vec<String>,
    /// Collations of which this server has another version, so that indexes may be in another order.
    pub collations: Vec<String>,
    /// Prepared transactions that were rolled back before the proof: database, name and owner.
    pub prepared: Vec<String>,
}

impl RecoveryFacts {
    /// Unlogged tables of a database, as `schema.table` without quotes.
    pub fn unlogged_in(&self, database: &str) -> impl Iterator<Item = &str> {
        let of = format!("{database}: ");
        let all = self.unlogged.iter();
        all.filter_map(move |table| table.strip_prefix(&of))
    }

    /// Bytes of WAL per second.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        let seconds = self.replayed_in?.as_secs_f64();
        (seconds > 0.0).then(|| (self.replayed as f64 / seconds) as u64)
    }
}

/// What was read of a recovered cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Databases, with those that no scenario names.
    pub databases: u64,
    /// Tables and materialized views that were read to the end, with the system catalogs.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Large objects that were read to the end.
    pub large_objects: u64,
    /// Tables that amcheck verified.
    pub verified_tables: u64,
    /// B-tree indexes that amcheck verified against their tables.
    pub verified_indexes: u64,
    /// References between system catalogs that hold in each database.
    pub references: u64,
    /// Pages whose checksums were verified before the server started; `None` where they have none.
    pub pages: Option<u64>,
    /// The newest row of the canary; `None` where the scenario has no canary.
    pub canary: Option<CanaryFacts>,
}

/// The newest row of a table that the source writes to all the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryFacts {
    /// The table.
    pub table: String,
    /// Number of its rows.
    pub rows: u64,
    /// The time of its newest row.
    pub newest: Option<Timestamp>,
    /// What the newest row is compared with: the target of the recovery, or the time of the drill.
    pub until: Option<Timestamp>,
    /// How often the source writes a row.
    pub every: Duration,
}

impl CanaryFacts {
    /// The data loss that the canary shows: the time between its newest row and the target, but for one interval at most.
    #[must_use]
    pub fn loss(&self) -> Option<Duration> {
        let loss = self.until?.duration_since(self.newest?);
        Some(Duration::try_from(loss).unwrap_or_default())
    }
}
