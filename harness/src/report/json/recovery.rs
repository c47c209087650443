//! The wire shape of the recovery of a base backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{Read, seconds, time};
use crate::outcome;

/// The recovery of a base backup.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Recovery {
    /// LSN at which the server ended it.
    end: String,
    /// The timeline that the server began there.
    timeline: u32,
    /// Bytes of WAL from the start of the backup to that end.
    replayed_bytes: u64,
    /// Time of the replay alone; null where the log of the server does not say it.
    replayed_s: Option<f64>,
    /// Settings of the backup that were not taken over.
    switched_off: Vec<String>,
    /// Libraries that the server preloaded as in the backup.
    libraries: Vec<String>,
    /// Files and folders of the backup that were left out.
    left_out: Vec<String>,
    /// Unlogged tables, which are empty after every recovery.
    unlogged: Vec<String>,
    /// Collations of which this server has another version.
    collations: Vec<String>,
    /// Prepared transactions that were rolled back before the proof.
    #[serde(default)]
    prepared: Vec<String>,
}

/// What was read of a recovered cluster.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Cluster {
    /// Number of databases.
    databases: u64,
    /// Tables and materialized views that were read to the end, with the system catalogs.
    tables: u64,
    /// Their rows.
    rows: u64,
    /// Large objects that were read to the end.
    large_objects: u64,
    /// Tables that amcheck verified.
    verified_tables: u64,
    /// B-tree indexes that amcheck verified against their tables.
    verified_indexes: u64,
    /// References between system catalogs that hold.
    references: u64,
    /// Pages whose checksums were verified before the server started; null where they have none.
    pages: Option<u64>,
    /// The canary; null where the scenario has none.
    canary: Option<Canary>,
}

/// The newest row of a table that the source writes to all the time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Canary {
    /// The table.
    table: String,
    /// Number of its rows.
    rows: u64,
    /// The time of its newest row; null where it has none.
    newest: Option<String>,
    /// What that is compared with: the target of the recovery, or the time of the drill.
    until: Option<String>,
    /// How often the source writes a row.
    every_s: f64,
}

impl Recovery {
    pub(super) fn of(facts: &outcome::RecoveryFacts) -> Self {
        Self {
            end: facts.end.clone(),
            timeline: facts.timeline,
            replayed_bytes: facts.replayed,
            replayed_s: facts.replayed_in.map(|time| time.as_secs_f64()),
            switched_off: facts.switched_off.clone(),
            libraries: facts.libraries.clone(),
            left_out: facts.left_out.clone(),
            unlogged: facts.unlogged.clone(),
            collations: facts.collations.clone(),
            prepared: facts.prepared.clone(),
        }
    }

    pub(super) fn read(self) -> Read<outcome::RecoveryFacts> {
        let took = self
            .replayed_s
            .map(|value| seconds("recovery.replayed_s", value));
        Ok(outcome::RecoveryFacts {
            end: self.end,
            timeline: self.timeline,
            replayed: self.replayed_bytes,
            replayed_in: took.transpose()?,
            switched_off: self.switched_off,
            libraries: self.libraries,
            left_out: self.left_out,
            unlogged: self.unlogged,
            collations: self.collations,
            prepared: self.prepared,
        })
    }
}

impl Cluster {
    pub(super) fn of(facts: &outcome::ClusterFacts) -> Self {
        Self {
            databases: facts.databases,
            tables: facts.tables,
            rows: facts.rows,
            large_objects: facts.large_objects,
            verified_tables: facts.verified_tables,
            verified_indexes: facts.verified_indexes,
            references: facts.references,
            pages: facts.pages,
            canary: facts.canary.as_ref().map(|canary| Canary {
                table: canary.table.clone(),
                rows: canary.rows,
                newest: canary.newest.map(|at| at.to_string()),
                until: canary.until.map(|at| at.to_string()),
                every_s: canary.every.as_secs_f64(),
            }),
        }
    }

    pub(super) fn read(self) -> Read<outcome::ClusterFacts> {
        Ok(outcome::ClusterFacts {
            databases: self.databases,
            tables: self.tables,
            rows: self.rows,
            large_objects: self.large_objects,
            verified_tables: self.verified_tables,
            verified_indexes: self.verified_indexes,
            references: self.references,
            pages: self.pages,
            canary: self.canary.map(Canary::read).transpose()?,
        })
    }
}

impl Canary {
    fn read(self) -> Read<outcome::CanaryFacts> {
        let at = |name, value: Option<String>| value.map(|value| time(name, &value)).transpose();
        Ok(outcome::CanaryFacts {
            table: self.table,
            rows: self.rows,
            newest: at("canary.newest", self.newest)?,
            until: at("canary.until", self.until)?,
            every: seconds("canary.every_s", self.every_s)?,
        })
    }
}
