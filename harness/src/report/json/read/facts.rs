//! Facts of a drill: backup, server, restore, proof.

use jiff::Timestamp;

use super::{Read, all, each, seconds, time};
use crate::outcome;
use crate::report::json::recovery::{Cluster, Recovery};
use crate::report::json::{
    Backup, Candidate, Chain, Fetch, LeftOut, Made, NotTested, Physical, Picked, Proof, Restore,
    Server, TableRows, TimeSource, Upgrade, Values,
};

impl Backup {
    pub(in crate::report::json) fn read(self) -> Read<outcome::BackupFacts> {
        Ok(outcome::BackupFacts {
            origin: self.origin,
            chosen: self.chosen,
            picked: self.picked.map(Picked::read).transpose()?,
            candidates: each(self.candidates, Candidate::read)?,
            unlisted: self.unlisted,
            format: self.format,
            fetched_in: self
                .fetched_s
                .map(|value| seconds("fetched_s", value))
                .transpose()?,
            bytes: self.size_bytes,
            uncompressed_bytes: self.uncompressed_bytes,
            sha256: self.sha256,
            digest: self.sha256_agrees_with,
            made: self.made.map(Made::read).transpose()?,
            source_version: self.source_version,
            dump_version: self.dump_version,
            databases: self.databases,
            extensions: self.extensions,
            schemas: self.schemas,
            graphs: self.graphs,
            roles: self.roles,
            roles_needed: self.roles_needed,
            policies: self.policies,
            servers: self.servers,
            tables: self.tables,
            rows: self.rows,
            large_objects: self.large_objects,
            not_held: all(self.not_held, NotTested::read),
            physical: self.physical.map(Physical::read).transpose()?,
            previous: self.previous,
            parts: all(self.dumps, |dump| outcome::PartFacts {
                name: dump.name,
                format: dump.format,
                bytes: dump.size_bytes,
                sha256: dump.sha256,
                tables: dump.tables,
                rows: dump.rows,
            }),
            consists_of: each(self.consists_of, |one| Ok((one.name, one.backup.read()?)))?,
            companions: each(self.companions, |one| {
                Ok(outcome::CompanionFacts {
                    name: one.name,
                    origin: one.origin,
                    chosen: one.chosen,
                    files: one.files,
                    bytes: one.size_bytes,
                    sha256: one.sha256,
                    digest: one.digest,
                    made: one.made.map(Made::read).transpose()?,
                    ..outcome::CompanionFacts::default()
                })
            })?,
            ..outcome::BackupFacts::default()
        })
    }
}

impl Physical {
    pub(in crate::report::json) fn read(self) -> Read<outcome::PhysicalFacts> {
        let times = match (self.first_commit, self.last_commit) {
            (Some(first), Some(last)) => {
                Some((time("first_commit", &first)?, time("last_commit", &last)?))
            }
            _ => None,
        };
        Ok(outcome::PhysicalFacts {
            system_identifier: self.system_identifier,
            files: self.files,
            bytes: self.size_bytes,
            tablespaces: self.tablespaces,
            checksums: self.checksums,
            manifest: self.manifest,
            timeline: self.timeline,
            start: self.start,
            consistent: self.consistent,
            end: self.end,
            segments: self.segments,
            wal_bytes: self.wal_bytes,
            commits: self.commits,
            times,
            restore_points: self.restore_points,
            target: self.target,
            fetch: self.fetch.map(Fetch::read).transpose()?,
            chain: self.chain.map(Chain::read),
        })
    }
}

impl Chain {
    fn read(self) -> outcome::ChainFacts {
        let backups = self
            .backups
            .into_iter()
            .map(|one| outcome::ChainedBackupFacts {
                name: one.name,
                start: one.start,
                timeline: one.timeline,
                time: one.time,
                bytes: one.size_bytes,
            });
        outcome::ChainFacts {
            backups: backups.collect(),
            absent_pages: self.absent_pages,
        }
    }
}

impl Fetch {
    fn read(self) -> Read<outcome::FetchFacts> {
        let time =
            |key: &str, value: Option<f64>| value.map(|value| seconds(key, value)).transpose();
        Ok(outcome::FetchFacts {
            base: time("fetch.base_s", self.base_s)?,
            wal: time("fetch.wal_s", self.wal_s)?,
            wal_files: self.wal_files,
            wal_origin: self.wal_origin,
            confined: self.confined,
        })
    }
}

impl Picked {
    pub(super) fn read(self) -> Read<outcome::Picked> {
        Ok(outcome::Picked {
            pick: self.pick.into(),
            tier: self.tier.map(Into::into),
            seed: self.seed,
            newest: (self.newest, time("newest_time", &self.newest_time)?),
        })
    }
}

impl Candidate {
    pub(super) fn read(self) -> Read<outcome::CandidateFacts> {
        let at = self.time.as_deref();
        Ok(outcome::CandidateFacts {
            name: self.name,
            bytes: self.size_bytes,
            time: at.map(|at| time("candidates.time", at)).transpose()?,
            not_taken: self.not_taken,
        })
    }
}

impl Made {
    pub(super) fn read(self) -> Read<(Timestamp, outcome::TimeSource)> {
        let known_by = match self.known_by {
            TimeSource::Name => outcome::TimeSource::Name,
            TimeSource::Header => outcome::TimeSource::Header,
            TimeSource::ModificationTime => outcome::TimeSource::ModificationTime,
        };
        Ok((time("made.at", &self.at)?, known_by))
    }
}

impl Server {
    pub(in crate::report::json) fn read(self) -> Read<outcome::ServerFacts> {
        Ok(outcome::ServerFacts {
            provider: self.provider.into(),
            origin: self.origin,
            version: self.version,
            digest: self.digest,
            settings: all(self.settings, |one| (one.name, one.value)),
            extensions: all(self.extensions, |one| outcome::ExtensionFacts {
                name: one.name,
                version: one.version,
                sha256: one.sha256,
            }),
            isolation: self.isolation,
            weaknesses: self.weaknesses,
            tls: self.tls,
            chosen: self.chosen,
            started_in: seconds("started_in_s", self.started_in_s)?,
            tuned: self.tuned,
        })
    }
}

impl Restore {
    pub(super) fn read(self) -> Read<outcome::RestoreFacts> {
        let optional = |name, value: Option<f64>| value.map(|value| seconds(name, value));
        Ok(outcome::RestoreFacts {
            method: self.method,
            duration: seconds("restore.duration_s", self.duration_s)?,
            processor: optional("processor_s", self.processor_s).transpose()?,
            analyzed: optional("analyze_s", self.analyze_s).transpose()?,
            phases: each(self.phases, |phase| {
                Ok(outcome::Phase {
                    name: phase.name,
                    duration: seconds("phases.duration_s", phase.duration_s)?,
                })
            })?,
            steps: each(self.steps, |step| {
                Ok(outcome::RestoreStep {
                    what: step.what,
                    method: step.method,
                    duration: seconds("steps.duration_s", step.duration_s)?,
                })
            })?,
            errors: self.errors,
            tolerated: all(self.tolerated, |one| outcome::Tolerated {
                message: one.message,
                times: one.times,
                reason: one.reason,
                by_scenario: one.by_scenario,
            }),
            rows: all(self.rows, TableRows::read),
            left_out: all(self.left_out, LeftOut::read),
            none_left_out_because: self.none_left_out_because,
            recovery: self.recovery.map(Recovery::read).transpose()?,
        })
    }
}

impl TableRows {
    pub(super) fn read(self) -> outcome::TableRows {
        outcome::TableRows {
            database: self.database,
            table: self.table,
            backup: self.backup,
            restored: self.restored,
            values: match self.values {
                None => outcome::Values::NotAsked,
                Some(Values::Same) => outcome::Values::Same,
                Some(Values::Differ) => outcome::Values::Differ,
                Some(Values::NotCompared) => outcome::Values::NotCompared(String::new()),
            },
        }
    }
}

impl LeftOut {
    pub(super) fn read(self) -> outcome::TableHeld {
        outcome::TableHeld {
            database: self.database,
            table: self.table,
            rows: self.rows,
            bytes: self.size_bytes,
        }
    }
}

impl Proof {
    pub(super) fn read(self) -> Read<outcome::ProofFacts> {
        Ok(outcome::ProofFacts {
            level: self.level,
            sequences: self.sequences,
            views: self.materialized_views,
            large_objects: self.large_objects,
            upgrade: self.upgrade.map(Upgrade::read),
            cluster: self.cluster.map(Cluster::read).transpose()?,
            ..outcome::ProofFacts::default()
        })
    }
}

impl Upgrade {
    pub(super) fn read(self) -> outcome::UpgradeFacts {
        outcome::UpgradeFacts {
            from: self.from,
            to: self.to,
            servers: self.servers,
            objects: self.objects,
            explained: all(self.explained, |one| outcome::ExplainedChange {
                object: one.object,
                why: one.why,
                since: one.since,
            }),
            steps: all(self.steps, |step| outcome::UpgradeStep {
                about: step.about,
                change: step.change,
                action: step.action,
            }),
        }
    }
}
