//! `DrillResult` → the wire shape.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::provenance::Provenance;
use super::recovery;
use super::{
    Backup, Candidate, Chain, ChainedBackup, Check, CheckConduct, CheckCounts, Companion,
    CouldNotRun, DeliveryWord, Dump, ExplainedChange, Extension, Fetch, Finding, Incident, Input,
    LeftOut, Made, NotTested, Objective, OneBackup, OtherServer, OutcomeWord, Phase, Physical,
    Picked, Proof, Report, Restore, RestoreStep, SCHEMA, Scenario, Server, Setting, Settings,
    Since, Stage, TableRows, TimeSource, Tolerated, Upgrade, UpgradeStep, Values, VerdictWord,
    Waiver, WaiverWord,
};
use crate::exit_code;
use crate::outcome::{self, Delivery, DeliveryEnd, DrillResult, Outcome, WaiverState};
use crate::report::view;
use crate::verdict::{Verdict, explain};

impl Report {
    pub(super) fn of(result: &DrillResult, verdict: Verdict) -> Self {
        Self {
            schema: SCHEMA,
            verdict: verdict.into(),
            meaning: explain(result, verdict),
            exit_code: exit_code::of(verdict),
            severity: view::severity(result, verdict).map(str::to_owned),
            incident: result.incident.as_ref().map(Incident::from),
            notifications: result.notified.iter().map(Incident::from).collect(),
            interrupted: result.interrupted,
            run: result.run.clone(),
            redrill: result.redrill.clone(),
            provenance: Provenance::of(&result.provenance),
            started: result.started.to_string(),
            duration_s: result.duration.as_secs_f64(),
            state: result.state.clone(),
            since_last: result.since.as_ref().map(|last| Since {
                entry: last.entry,
                began: last.began.to_string(),
                changes: last.changes.clone(),
            }),
            scenario: Scenario::of(&result.scenario),
            backup: result
                .backup
                .as_ref()
                .map(|backup| Backup::of(backup, result.started)),
            server: result.server.as_ref().map(Server::of),
            other_servers: each(&result.other_servers, |(name, server)| OtherServer {
                name: name.clone(),
                server: Server::of(server),
            }),
            restore: result.restore.as_ref().map(Restore::of),
            proof: result.proof.as_ref().map(|proof| Proof {
                level: proof.level.clone(),
                tables: view::same(result),
                sequences: proof.sequences,
                materialized_views: proof.views,
                large_objects: proof.large_objects,
                upgrade: proof.upgrade.as_ref().map(Upgrade::of),
                cluster: proof.cluster.as_ref().map(recovery::Cluster::of),
            }),
            objectives: each(&result.objectives, Objective::of),
            stages: each(&result.stages, |stage| Stage {
                name: stage.stage.word().to_owned(),
                title: stage.title.to_string(),
                required: stage.required,
                outcome: (&stage.outcome).into(),
                skipped_because: reason(&stage.outcome),
                could_not_run: could_not_run(&stage.outcome),
                summary: stage.summary.clone(),
                findings: each(&stage.findings, Finding::of),
                duration_s: stage.duration.as_secs_f64(),
            }),
            check_counts: CheckCounts {
                total: result.checks.len(),
                pass: result.checks_with("pass"),
                fail: result.checks_with("fail"),
                waived: result.checks_with("waived"),
                error: result.checks_with("error"),
                skipped: result.checks_with("skipped"),
            },
            checks: each(&result.checks, Check::of),
            conduct: each(&result.conduct, CheckConduct::of),
            waivers: each(&result.waivers, Waiver::of),
            not_tested: each(&result.not_tested, NotTested::of),
            repeat: result.repeat.clone(),
        }
    }
}

impl Upgrade {
    fn of(upgrade: &outcome::UpgradeFacts) -> Self {
        Self {
            from: upgrade.from,
            to: upgrade.to,
            servers: upgrade.servers.clone(),
            objects: upgrade.objects,
            explained: each(&upgrade.explained, |entry| ExplainedChange {
                object: entry.object.clone(),
                why: entry.why.clone(),
                since: entry.since,
            }),
            steps: each(&upgrade.steps, |step| UpgradeStep {
                about: step.about.clone(),
                change: step.change.clone(),
                action: step.action.clone(),
            }),
        }
    }
}

impl Objective {
    pub(super) fn of(objective: &outcome::Objective) -> Self {
        let mut wire = Self {
            name: objective.name.to_string(),
            limit_s: None,
            actual_s: None,
            wanted: None,
            kept: None,
            missing: Vec::new(),
            met: objective.met(),
            on: objective.on.as_deref().map(str::to_owned),
        };
        match &objective.measure {
            outcome::Measure::Time { limit, actual } => {
                wire.limit_s = Some(limit.as_secs_f64());
                wire.actual_s = actual.as_ref().map(Duration::as_secs_f64);
            }
            outcome::Measure::Kept {
                wanted,
                kept,
                missing,
            } => {
                wire.wanted = Some(*wanted);
                wire.kept = Some(*kept);
                wire.missing.clone_from(missing);
            }
        }
        wire
    }
}

impl Scenario {
    pub(super) fn of(scenario: &outcome::ScenarioFacts) -> Self {
        Self {
            name: scenario.name.clone(),
            only: scenario.only.clone(),
            description: scenario.description.clone(),
            file: show(&scenario.file),
            sha256: scenario.sha256.clone(),
            text: scenario.text.clone(),
            settings: Settings {
                written: scenario.settings.written.clone(),
                defaults: scenario.settings.defaults.clone(),
            },
            inputs: each(&scenario.inputs, |input| Input {
                path: input.path.clone(),
                checks: input.checks.clone(),
                sha256: input.sha256.clone(),
            }),
        }
    }
}

impl Physical {
    pub(super) fn of(base: &outcome::PhysicalFacts) -> Self {
        Self {
            system_identifier: base.system_identifier.clone(),
            files: base.files,
            size_bytes: base.bytes,
            tablespaces: base.tablespaces,
            checksums: base.checksums,
            manifest: base.manifest,
            timeline: base.timeline,
            start: base.start.clone(),
            consistent: base.consistent.clone(),
            end: base.end.clone(),
            segments: base.segments,
            wal_bytes: base.wal_bytes,
            commits: base.commits,
            first_commit: base.times.map(|(first, _)| first.to_string()),
            last_commit: base.times.map(|(_, last)| last.to_string()),
            restore_points: base.restore_points.clone(),
            target: base.target.clone(),
            fetch: base.fetch.as_ref().map(|fetch| Fetch {
                base_s: fetch.base.map(|time| time.as_secs_f64()),
                wal_s: fetch.wal.map(|time| time.as_secs_f64()),
                wal_files: fetch.wal_files,
                wal_origin: fetch.wal_origin.clone(),
                confined: fetch.confined,
            }),
            chain: base.chain.as_ref().map(|chain| Chain {
                backups: each(&chain.backups, |one| ChainedBackup {
                    name: one.name.clone(),
                    start: one.start.clone(),
                    timeline: one.timeline,
                    time: one.time.clone(),
                    size_bytes: one.bytes,
                }),
                absent_pages: chain.absent_pages,
            }),
        }
    }
}

impl Backup {
    pub(super) fn of(backup: &outcome::BackupFacts, started: Timestamp) -> Self {
        Self {
            origin: backup.origin.clone(),
            chosen: backup.chosen.clone(),
            picked: backup.picked.as_ref().map(|picked| Picked {
                pick: picked.pick.to_string(),
                tier: picked.tier.as_deref().map(str::to_owned),
                seed: picked.seed,
                newest: picked.newest.0.clone(),
                newest_time: picked.newest.1.to_string(),
            }),
            candidates: each(&backup.candidates, |candidate| Candidate {
                name: candidate.name.clone(),
                size_bytes: candidate.bytes,
                time: candidate.time.map(|time| time.to_string()),
                not_taken: candidate.not_taken.clone(),
            }),
            unlisted: backup.unlisted,
            format: backup.format.clone(),
            fetched_s: backup.fetched_in.map(|time| time.as_secs_f64()),
            size_bytes: backup.bytes,
            uncompressed_bytes: backup.uncompressed_bytes,
            sha256: backup.sha256.clone(),
            sha256_agrees_with: backup.digest.clone(),
            made: backup.made.map(Made::of),
            age_s: backup
                .made
                .map(|(at, _)| started.duration_since(at).as_secs_f64()),
            source_version: backup.source_version.clone(),
            dump_version: backup.dump_version.clone(),
            databases: backup.databases.clone(),
            extensions: backup.extensions.clone(),
            schemas: backup.schemas.clone(),
            graphs: backup.graphs.clone(),
            roles: backup.roles.clone(),
            roles_needed: backup.roles_needed.clone(),
            policies: backup.policies,
            servers: backup.servers.clone(),
            previous: backup.previous.clone(),
            dumps: each(&backup.parts, |part| Dump {
                name: part.name.clone(),
                format: part.format.clone(),
                size_bytes: part.bytes,
                sha256: part.sha256.clone(),
                tables: part.tables,
                rows: part.rows,
            }),
            tables: backup.tables,
            rows: backup.rows,
            large_objects: backup.large_objects,
            not_held: each(&backup.not_held, NotTested::of),
            physical: backup.physical.as_ref().map(Physical::of),
            consists_of: each(&backup.consists_of, |(name, backup)| OneBackup {
                name: name.clone(),
                backup: Self::of(backup, started),
            }),
            companions: each(&backup.companions, |companion| Companion {
                name: companion.name.clone(),
                origin: companion.origin.clone(),
                chosen: companion.chosen.clone(),
                files: companion.files,
                size_bytes: companion.bytes,
                sha256: companion.sha256.clone(),
                digest: companion.digest.clone(),
                made: companion.made.map(Made::of),
            }),
        }
    }
}

impl Made {
    fn of((at, source): (Timestamp, outcome::TimeSource)) -> Self {
        Self {
            at: at.to_string(),
            known_by: source.into(),
        }
    }
}

impl Server {
    pub(super) fn of(server: &outcome::ServerFacts) -> Self {
        Self {
            provider: server.provider.to_string(),
            origin: server.origin.clone(),
            version: server.version.clone(),
            digest: server.digest.clone(),
            settings: each(&server.settings, |(name, value)| Setting {
                name: name.clone(),
                value: value.clone(),
            }),
            extensions: each(&server.extensions, |one| Extension {
                name: one.name.clone(),
                version: one.version.clone(),
                sha256: one.sha256.clone(),
            }),
            isolation: server.isolation.clone(),
            weaknesses: server.weaknesses.clone(),
            tls: server.tls.clone(),
            chosen: server.chosen.clone(),
            started_in_s: server.started_in.as_secs_f64(),
            tuned: server.tuned,
        }
    }
}

impl Restore {
    fn of(restore: &outcome::RestoreFacts) -> Self {
        Self {
            method: restore.method.clone(),
            duration_s: restore.duration.as_secs_f64(),
            processor_s: restore.processor.map(|time| time.as_secs_f64()),
            analyze_s: restore.analyzed.map(|time| time.as_secs_f64()),
            phases: each(&restore.phases, |phase| Phase {
                name: phase.name.clone(),
                duration_s: phase.duration.as_secs_f64(),
            }),
            steps: each(&restore.steps, |step| RestoreStep {
                what: step.what.clone(),
                method: step.method.clone(),
                duration_s: step.duration.as_secs_f64(),
            }),
            errors: restore.errors,
            tolerated: each(&restore.tolerated, |tolerated| Tolerated {
                message: tolerated.message.clone(),
                times: tolerated.times,
                reason: tolerated.reason.clone(),
                by_scenario: tolerated.by_scenario,
            }),
            rows: each(&restore.rows, |rows| TableRows {
                database: rows.database.clone(),
                table: rows.table.clone(),
                backup: rows.backup,
                restored: rows.restored,
                values: match rows.values {
                    outcome::Values::NotAsked => None,
                    outcome::Values::Same => Some(Values::Same),
                    outcome::Values::Differ => Some(Values::Differ),
                    outcome::Values::NotCompared(_) => Some(Values::NotCompared),
                },
            }),
            left_out: each(&restore.left_out, |table| LeftOut {
                database: table.database.clone(),
                table: table.table.clone(),
                rows: table.rows,
                size_bytes: table.bytes,
            }),
            none_left_out_because: restore.none_left_out_because.clone(),
            recovery: restore.recovery.as_ref().map(recovery::Recovery::of),
        }
    }
}

impl Check {
    pub(super) fn of(check: &outcome::CheckResult) -> Self {
        Self {
            id: check.id.clone(),
            object: check.object.clone(),
            kind: check.kind.to_string(),
            name: check.name.clone(),
            line: check.line,
            required: check.required,
            not_required_because: check.not_required_because.clone(),
            database: check.database.clone(),
            outcome: (&check.outcome).into(),
            skipped_because: reason(&check.outcome),
            could_not_run: could_not_run(&check.outcome),
            expected: check.expected.clone(),
            actual: match &check.outcome {
                Outcome::Error(error) => error.reason.clone(),
                Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Skipped { .. } => {
                    check.actual.clone()
                }
            },
            findings: each(&check.findings, Finding::of),
            duration_s: check.duration.as_secs_f64(),
        }
    }
}

impl Finding {
    pub(super) fn of(finding: &outcome::Finding) -> Self {
        Self {
            object: finding.object.clone(),
            expected: finding.expected.clone(),
            actual: finding.actual.clone(),
            hint: finding.hint.clone(),
            waived: finding.waived.clone(),
        }
    }
}

impl Waiver {
    fn of(waiver: &outcome::WaiverFacts) -> Self {
        Self {
            check: waiver.check.clone(),
            object: waiver.object.clone(),
            reason: waiver.reason.clone(),
            owner: waiver.owner.clone(),
            until: waiver.until.to_string(),
            line: waiver.line,
            findings: waiver.findings,
            state: match waiver.state {
                WaiverState::Used => WaiverWord::Used,
                WaiverState::Expired => WaiverWord::Expired,
                WaiverState::NotNeeded => WaiverWord::NotNeeded,
                WaiverState::NotJudged => WaiverWord::NotJudged,
            },
        }
    }
}

impl NotTested {
    pub(super) fn of(not_tested: &outcome::NotTested) -> Self {
        Self {
            what: not_tested.what.clone(),
            why: not_tested.why.clone(),
        }
    }
}

impl From<Verdict> for VerdictWord {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Proven => Self::Proven,
            Verdict::ProvenWithWaivers => Self::ProvenWithWaivers,
            Verdict::NotProven => Self::NotProven,
            Verdict::ObjectiveMissed => Self::ObjectiveMissed,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::NothingChecked => Self::NothingChecked,
            Verdict::Interrupted => Self::Interrupted,
            Verdict::ChecksPassed => Self::ChecksPassed,
            Verdict::ChecksPassedWithWaivers => Self::ChecksPassedWithWaivers,
        }
    }
}

impl From<&Delivery> for Incident {
    fn from(delivery: &Delivery) -> Self {
        let (word, why) = match &delivery.end {
            DeliveryEnd::NotKnown => (DeliveryWord::NotKnown, None),
            DeliveryEnd::Sent => (DeliveryWord::Sent, None),
            DeliveryEnd::Failed(why) => (DeliveryWord::NotSent, Some(why.clone())),
        };
        Self {
            delivery: word,
            to: delivery.host.clone(),
            status: delivery.status,
            tries: delivery.tries,
            why,
        }
    }
}

impl From<&Outcome> for OutcomeWord {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Pass,
            Outcome::Fail => Self::Fail,
            Outcome::Waived => Self::Waived,
            Outcome::Error(_) => Self::Error,
            Outcome::Skipped { .. } => Self::Skipped,
        }
    }
}

impl From<outcome::TimeSource> for TimeSource {
    fn from(source: outcome::TimeSource) -> Self {
        match source {
            outcome::TimeSource::Name => Self::Name,
            outcome::TimeSource::Header => Self::Header,
            outcome::TimeSource::ModificationTime => Self::ModificationTime,
        }
    }
}

pub(super) fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Skipped { reason } => Some(reason.clone()),
        Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Error(_) => None,
    }
}

pub(super) fn could_not_run(outcome: &Outcome) -> Option<CouldNotRun> {
    match outcome {
        Outcome::Error(error) => Some(CouldNotRun {
            reason: error.reason.clone(),
            hint: error.hint.clone(),
        }),
        Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Skipped { .. } => None,
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

pub(super) fn each<T, U>(items: &[T], convert: impl Fn(&T) -> U) -> Vec<U> {
    items.iter().map(convert).collect()
}
