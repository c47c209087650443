//! Arbitrary drills with arbitrary, mostly nasty, texts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use redrill::outcome::{
    Actor, BackupFacts, Before, CanaryFacts, CandidateFacts, ChainFacts, ChainedBackupFacts,
    ChangeFacts, CheckAfter, CheckConduct, CheckResult, CiFacts, ClusterFacts, CompanionFacts,
    CouldNotRun, Delivery, DeliveryEnd, DrillResult, EffectiveSettings, Evidence, ExplainedChange,
    ExtensionFacts, FetchFacts, Finding, InputFacts, KeptServerFacts, LockFacts, Measure,
    MigrationFacts, NotTested, Objective, OneMigrationFacts, Outcome, PartFacts, Phase,
    PhysicalFacts, Picked, ProofFacts, Provenance, RecoveryFacts, RehearsalResult, RestoreFacts,
    RestoreStep, RoleConduct, ScenarioFacts, ServerFacts, Since, Stage, StageResult,
    StatementFacts, Step, StepResult, TableFacts, TableHeld, TableRows, TimeSource, Tolerated,
    Tried, UpgradeFacts, UpgradeStep, Values, WaiverFacts, WaiverState,
};
use redrill::proof::settings::Level;
use redrill::stage::title;
use redrill::verdict::Verdict;

/// Text as a hostile backup would choose it.
pub fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("orders".to_owned()),
        2 => Just(" ".to_owned()),
        8 => prop::sample::select(vec![
            "]]>", "<![CDATA[", "-->", "<!--", "<script>", "</testcase><testcase name=\"x\">", "&",
            "&lt;", "&#0;", "\"", "'", "\0", "\u{8}", "\x1b[31m", "\x1b]0;x", "\u{fffe}",
            "\u{ffff}", "\u{9b}", "\u{202e}", "\n", "\r\n", "\n\n# ", "\n- ", "\u{2028}", "\t",
            "|", "\\|", "\\", "`", "``", "```", "*", "_", "__", "~~", "[", "](http://evil.test)",
            "![", "<img src=x>", "@octocat", "https://evil.test", "www.evil.test", "$x$", "#12",
            "    ", "1.", "-", "---", "===", "> ", ":boom:", "🙂", "日本", "PROVEN", "exit code 0",
        ]).prop_map(str::to_owned),
        2 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        // To the nanosecond up to 48 days, which is as exact as the seconds of the record are.
        9 => (0_u64..1 << 52).prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ]
}

/// Mostly passes: a drill of 20 uniform outcomes would never be proven.
fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        30 => Just(Outcome::Pass),
        1 => Just(Outcome::Fail),
        2 => Just(Outcome::Waived),
        1 => (nasty(), option::of(nasty()))
            .prop_map(|(reason, hint)| Outcome::Error(CouldNotRun { reason, hint })),
        1 => nasty().prop_map(|reason| Outcome::Skipped { reason }),
    ]
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let texts = (nasty(), nasty());
    let finding = (
        option::of(nasty()),
        texts,
        option::of(nasty()),
        option::of(nasty()),
    )
        .prop_map(|(object, (expected, actual), hint, waived)| Finding {
            object,
            expected,
            actual,
            hint,
            waived,
        });
    vec(finding, 0..3)
}

fn stages() -> impl Strategy<Value = Vec<StageResult>> {
    // Only findings of checks can be waived.
    let outcome = outcome().prop_map(|one| match one {
        Outcome::Waived => Outcome::Pass,
        other => other,
    });
    let stage = (outcome, nasty(), findings(), duration());
    let all = vec(stage, 5).prop_map(|stages| {
        let named = Stage::ALL.into_iter().zip(stages);
        named
            .map(
                |(stage, (outcome, summary, findings, duration))| StageResult {
                    stage,
                    title: title(stage, Level::Full).into(),
                    required: true,
                    outcome,
                    summary,
                    findings,
                    duration,
                },
            )
            .collect()
    });
    prop_oneof![20 => all, 1 => Just(Vec::new())]
}

fn checks() -> impl Strategy<Value = Vec<CheckResult>> {
    let check = (
        (nasty(), nasty(), nasty(), nasty(), nasty()),
        prop::sample::select(vec!["row-count", "index", "role"]),
        (1_usize..400, prop::bool::weighted(0.8)),
        outcome(),
        (findings(), duration(), option::of(nasty())),
    );
    let check = check.prop_map(
        |(texts, kind, (line, required), outcome, (findings, duration, object))| {
            let (id, name, database, expected, actual) = texts;
            CheckResult {
                id,
                object,
                kind: kind.into(),
                name,
                line,
                required,
                not_required_because: (!required).then(|| expected.clone()),
                database,
                outcome,
                expected,
                actual,
                findings,
                duration,
            }
        },
    );
    vec(check, 0..5)
}

fn objectives() -> impl Strategy<Value = Vec<Objective>> {
    let objective = (
        prop::sample::select(vec!["restore-within", "max-age"]),
        duration(),
        option::weighted(0.95, (0_u64..2_000_000).prop_map(Duration::from_millis)),
        option::of(nasty()),
    );
    let time = objective.prop_map(|(name, limit, actual, on)| {
        let objective = Objective::time(name, limit, actual);
        match on {
            Some(on) => objective.measured_on(on),
            None => objective,
        }
    });
    let kept = (
        prop::sample::select(vec!["daily", "weekly", "monthly"]),
        0_u64..40,
        0_u64..40,
        vec(nasty(), 0..6),
    );
    let kept = kept.prop_map(|(name, wanted, kept, missing)| Objective {
        name: name.into(),
        measure: Measure::Kept {
            wanted,
            kept,
            missing,
        },
        on: None,
    });
    vec(prop_oneof![4 => time, 1 => kept], 0..3)
}

fn waivers() -> impl Strategy<Value = Vec<WaiverFacts>> {
    let state = prop::sample::select(vec![
        WaiverState::NotJudged,
        WaiverState::Used,
        WaiverState::Expired,
        WaiverState::NotNeeded,
    ]);
    let texts = (nasty(), nasty(), nasty(), nasty());
    let waiver = (texts, state, 0_u64..2000, 1_usize..400);
    let waiver =
        waiver.prop_map(
            |((check, object, reason, owner), state, findings, line)| WaiverFacts {
                check,
                object,
                reason,
                owner,
                until: jiff::civil::date(2027, 1, 31),
                line,
                findings,
                state,
            },
        );
    vec(waiver, 0..3)
}

fn input() -> impl Strategy<Value = InputFacts> {
    let parts = (nasty(), vec(nasty(), 0..2), option::of(nasty()));
    parts.prop_map(|(path, checks, sha256)| InputFacts {
        path,
        checks,
        sha256,
    })
}

fn conduct() -> impl Strategy<Value = CheckConduct> {
    let tried = (nasty(), any::<bool>(), any::<u32>(), any::<u32>());
    let tried = tried.prop_map(|(what, rolled_back, times, refused)| Tried {
        what,
        rolled_back,
        times: times.into(),
        refused: refused.into(),
    });
    let role = (
        nasty(),
        any::<bool>(),
        any::<u32>(),
        vec(tried, 0..8),
        any::<u32>(),
    );
    let role = role.prop_map(
        |(role, superuser, statements, tried, unlisted)| RoleConduct {
            role,
            superuser,
            statements: statements.into(),
            tried,
            unlisted: unlisted.into(),
        },
    );
    (nasty(), vec(role, 0..3)).prop_map(|(check, roles)| CheckConduct { check, roles })
}

fn not_tested() -> impl Strategy<Value = Vec<NotTested>> {
    vec(
        (nasty(), nasty()).prop_map(|(what, why)| NotTested { what, why }),
        0..3,
    )
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => 0_i64..4_000_000_000,
        1 => Just(Timestamp::MIN.as_second()),
        1 => Just(Timestamp::MAX.as_second()),
    ]
    .prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn backup() -> impl Strategy<Value = BackupFacts> {
    let source = prop::sample::select(vec![
        TimeSource::Name,
        TimeSource::Header,
        TimeSource::ModificationTime,
    ]);
    (
        (nasty(), nasty(), nasty(), nasty()),
        (
            any::<u64>(),
            option::of(any::<u64>()),
            any::<u64>(),
            any::<u64>(),
        ),
        option::of((time(), source)),
        (option::of(nasty()), option::of(nasty())),
        (vec(nasty(), 0..3), vec(nasty(), 0..3), vec(nasty(), 0..3)),
        (not_tested(), option::of(picked()), objectives()),
    )
        .prop_map(
            |(texts, sizes, made, versions, names, (not_held, picked, tiers))| BackupFacts {
                physical: sizes.1.map(|bytes| PhysicalFacts {
                    system_identifier: texts.3.clone(),
                    files: sizes.2,
                    bytes,
                    timeline: 3,
                    checksums: sizes.0 % 2 == 0,
                    manifest: sizes.2 % 2 == 0,
                    start: texts.1.clone(),
                    consistent: versions.0.clone(),
                    times: made.map(|(time, _)| (time, time)),
                    restore_points: names.0.clone(),
                    target: texts.2.clone(),
                    fetch: made.map(|_| FetchFacts {
                        wal_origin: versions.0.clone(),
                        confined: sizes.0 % 2 == 0,
                        ..FetchFacts::default()
                    }),
                    chain: versions.1.clone().map(|name| ChainFacts {
                        backups: vec![ChainedBackupFacts {
                            name,
                            start: texts.0.clone(),
                            time: texts.3.clone(),
                            timeline: 3,
                            bytes,
                        }],
                        absent_pages: sizes.2,
                    }),
                    ..PhysicalFacts::default()
                }),
                picked,
                candidates: vec![CandidateFacts {
                    name: texts.0.clone(),
                    bytes: sizes.0,
                    time: made.map(|(time, _)| time),
                    not_taken: versions.1.clone(),
                }],
                unlisted: sizes.2,
                origin: texts.0,
                chosen: texts.1,
                format: texts.2,
                fetched_in: sizes
                    .1
                    .map(|bytes| Duration::from_millis(bytes % 10_000_000)),
                bytes: sizes.0,
                uncompressed_bytes: sizes.1,
                sha256: texts.3.clone(),
                digest: versions.0.clone(),
                schemas: names.0.clone(),
                graphs: names.1.clone(),
                roles_needed: names.2.clone(),
                policies: sizes.3,
                servers: texts.3,
                made,
                source_version: versions.0.clone(),
                dump_version: versions.1.clone(),
                databases: names.0.clone(),
                extensions: names.1.clone(),
                roles: names.2.clone(),
                tables: sizes.2,
                rows: sizes.3,
                large_objects: sizes.0,
                has_owners: sizes.0 % 2 == 0,
                has_privileges: sizes.2 % 2 == 0,
                makes: names.0.clone(),
                manifest: versions.1.clone().map(|text| (text.clone(), text)),
                consists_of: Vec::new(),
                companions: names
                    .1
                    .iter()
                    .map(|name| CompanionFacts {
                        path: name.clone().into(),
                        name: name.clone(),
                        origin: name.clone(),
                        chosen: name.clone(),
                        files: sizes.3,
                        bytes: sizes.0,
                        sha256: versions.0.clone(),
                        digest: versions.1.clone(),
                        made,
                    })
                    .collect(),
                not_held,
                tiers,
                previous: versions.0.clone(),
                before: versions.0.clone().map(|name| Before {
                    name,
                    now: sizes.0,
                    before: sizes.2,
                }),
                parts: names
                    .2
                    .iter()
                    .map(|name| PartFacts {
                        name: name.clone(),
                        format: name.clone(),
                        bytes: sizes.0,
                        sha256: name.clone(),
                        tables: sizes.2,
                        rows: sizes.3,
                    })
                    .collect(),
            },
        )
}

fn picked() -> impl Strategy<Value = Picked> {
    let words = prop::sample::select(vec!["oldest", "random", "each-tier"]);
    let tier = option::of(prop::sample::select(vec!["daily", "weekly"]));
    (words, tier, option::of(any::<u32>()), (nasty(), time())).prop_map(
        |(pick, tier, seed, newest)| Picked {
            pick: pick.into(),
            tier: tier.map(Into::into),
            seed,
            newest,
        },
    )
}

/// One backup, or one that consists of several.
fn backup_of_several() -> impl Strategy<Value = BackupFacts> {
    (backup(), vec((nasty(), backup()), 0..3)).prop_map(|(whole, consists_of)| BackupFacts {
        consists_of,
        ..whole
    })
}

fn extension() -> impl Strategy<Value = ExtensionFacts> {
    let extension = (nasty(), nasty(), option::of(nasty()));
    extension.prop_map(|(name, version, sha256)| ExtensionFacts {
        name,
        version,
        sha256,
    })
}

fn server() -> impl Strategy<Value = ServerFacts> {
    (
        (nasty(), nasty(), nasty()),
        vec(extension(), 0..3),
        (vec(nasty(), 0..3), vec(nasty(), 0..3)),
        (duration(), any::<bool>(), option::of(nasty())),
        (option::of(nasty()), vec((nasty(), nasty()), 0..3)),
    )
        .prop_map(
            |(texts, extensions, lists, (started_in, tuned, tls), (digest, settings))| {
                ServerFacts {
                    digest,
                    settings,
                    tls,
                    tuned,
                    provider: "container".into(),
                    origin: texts.0,
                    version: texts.1,
                    extensions,
                    isolation: lists.0,
                    weaknesses: lists.1,
                    chosen: texts.2,
                    started_in,
                }
            },
        )
}

fn restore() -> impl Strategy<Value = RestoreFacts> {
    let phase = (nasty(), duration()).prop_map(|(name, duration)| Phase { name, duration });
    let tolerated = (nasty(), any::<u64>(), nasty(), any::<bool>()).prop_map(
        |(message, times, reason, by_scenario)| Tolerated {
            message,
            times,
            reason,
            by_scenario,
        },
    );
    let rows = (nasty(), nasty(), any::<u64>(), option::of(0_u64..9)).prop_map(
        |(database, table, backup, restored)| TableRows {
            database,
            table,
            backup,
            restored,
            values: match backup % 4 {
                0 => Values::NotAsked,
                1 => Values::Same,
                2 => Values::Differ,
                _ => Values::NotCompared("why".to_owned()),
            },
        },
    );
    let left_out = (nasty(), nasty(), option::of(any::<u64>()), 0..1_u64 << 50);
    let left_out = left_out.prop_map(|(database, table, rows, bytes)| TableHeld {
        database,
        table,
        rows,
        bytes,
    });
    let step = (nasty(), option::of(nasty()), duration());
    let step = step.prop_map(|(what, method, duration)| RestoreStep {
        what,
        method,
        duration,
    });
    let times = (duration(), option::of(duration()), option::of(duration()));
    (
        (nasty(), any::<u64>()),
        times,
        (vec(phase, 0..3), vec(step, 0..13)),
        vec(tolerated, 0..3),
        vec(rows, 0..4),
        (vec(left_out, 0..5), option::weighted(0.1, nasty())),
    )
        .prop_map(
            |((method, errors), times, (phases, steps), tolerated, rows, selection)| RestoreFacts {
                steps,
                method,
                duration: times.0,
                processor: times.1,
                analyzed: times.2,
                phases,
                errors,
                tolerated,
                rows,
                left_out: selection.0,
                none_left_out_because: selection.1.clone(),
                recovery: (errors % 2 == 1).then(|| RecoveryFacts {
                    end: "0/5000000".to_owned(),
                    timeline: 2,
                    replayed: errors,
                    replayed_in: times.1,
                    switched_off: selection.1.clone().into_iter().collect(),
                    libraries: vec!["age".to_owned()],
                    left_out: Vec::new(),
                    unlogged: selection.1.clone().into_iter().collect(),
                    collations: Vec::new(),
                    prepared: selection.1.clone().into_iter().collect(),
                }),
            },
        )
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let end = prop_oneof![
        Just(DeliveryEnd::NotKnown),
        Just(DeliveryEnd::Sent),
        nasty().prop_map(DeliveryEnd::Failed),
    ];
    (option::of(nasty()), option::of(100..600_u16), 0..10_u8, end).prop_map(
        |(host, status, tries, end)| Delivery {
            host,
            status,
            tries,
            end,
        },
    )
}

/// A proof with the rehearsal of an upgrade.
fn upgrade() -> impl Strategy<Value = ProofFacts> {
    let explained = (nasty(), nasty(), option::of(0_u32..20));
    let explained =
        explained.prop_map(|(object, why, since)| ExplainedChange { object, why, since });
    let step = (nasty(), nasty(), nasty());
    let step = step.prop_map(|(about, change, action)| UpgradeStep {
        about,
        change,
        action,
    });
    let facts = (
        option::of(0_u32..20),
        0_u32..20,
        vec(nasty(), 0..2),
        vec(explained, 0..3),
        vec(step, 0..5),
    );
    facts.prop_map(|(from, to, servers, explained, steps)| ProofFacts {
        upgrade: Some(UpgradeFacts {
            from,
            to,
            servers,
            objects: 5,
            explained,
            steps,
        }),
        level: "full".to_owned(),
        objects: u64::from(to),
        sequences: u64::from(to) + 1,
        views: u64::from(to) + 2,
        large_objects: u64::from(to) + 3,
        not_compared: vec![NotTested::new("a", "b")],
        cluster: from.map(|number| ClusterFacts {
            databases: u64::from(number),
            rows: u64::from(to),
            pages: Some(3),
            canary: Some(CanaryFacts {
                table: "<b>`|".to_owned(),
                rows: 1,
                every: Duration::from_secs(60),
                ..CanaryFacts::default()
            }),
            ..ClusterFacts::default()
        }),
    })
}

fn provenance() -> impl Strategy<Value = Provenance> {
    let text = || option::of(nasty());
    let ci = (text(), text(), text()).prop_map(|(job, url, commit)| CiFacts {
        system: "Jenkins".into(),
        job,
        url,
        commit,
    });
    let variable = option::of(Just("BUILD_USER_ID".into()));
    (nasty(), variable, text(), text(), option::of(ci), text()).prop_map(
        |(name, variable, host, program_sha256, ci, commit)| Provenance {
            actor: Actor { name, variable },
            host,
            program_sha256,
            ci,
            commit,
        },
    )
}

fn settings() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(nasty(), nasty(), 0..3)
}

fn scenario() -> impl Strategy<Value = ScenarioFacts> {
    (
        nasty(),
        option::of(nasty()),
        nasty(),
        nasty(),
        (
            vec(nasty(), 0..2),
            nasty(),
            vec(input(), 0..3),
            [settings(), settings()],
        ),
    )
        .prop_map(
            |(name, description, file, sha256, (only, text, inputs, [written, defaults]))| {
                ScenarioFacts {
                    text,
                    settings: EffectiveSettings { written, defaults },
                    inputs,
                    name,
                    description,
                    file: file.into(),
                    sha256,
                    only,
                }
            },
        )
}

/// Any drill.
pub fn drill() -> impl Strategy<Value = DrillResult> {
    (
        (
            scenario(),
            nasty(),
            nasty(),
            time(),
            duration(),
            provenance(),
        ),
        (
            stages(),
            checks(),
            objectives(),
            not_tested(),
            option::of(upgrade()),
            waivers(),
            vec(conduct(), 0..3),
        ),
        (
            option::of(backup_of_several()),
            (option::of(server()), vec((nasty(), server()), 0..2)),
            option::of(restore()),
        ),
        (
            nasty(),
            prop::bool::weighted(0.05),
            option::of(nasty()),
            option::of(delivery()),
            (option::of((nasty(), evidence())), option::of(since())),
        ),
    )
        .prop_map(
            |(
                about,
                parts,
                facts,
                (repeat, interrupted, severity, incident, (recorded, since)),
            )| {
                let (state, evidence) = recorded.unzip();
                DrillResult {
                    state,
                    evidence,
                    since,
                    run: about.1,
                    redrill: about.2,
                    provenance: about.5,
                    scenario: about.0,
                    severity,
                    notified: incident.iter().cloned().collect(),
                    incident,
                    started: about.3,
                    duration: about.4,
                    stages: parts.0,
                    checks: parts.1,
                    conduct: parts.6,
                    backup: facts.0,
                    server: facts.1.0,
                    other_servers: facts.1.1,
                    restore: facts.2,
                    proof: parts.4,
                    objectives: parts.2,
                    waivers: parts.5,
                    not_tested: parts.3,
                    repeat,
                    interrupted,
                }
            },
        )
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (0_u64..9, nasty(), nasty(), option::of(nasty())).prop_map(
        |(entry, record_sha256, checkpoint, key)| Evidence {
            entry,
            record_sha256,
            checkpoint,
            key,
        },
    )
}

fn since() -> impl Strategy<Value = Since> {
    (0_u64..9, time(), vec(nasty(), 0..3)).prop_map(|(entry, began, changes)| Since {
        entry,
        began,
        changes,
    })
}

fn steps() -> impl Strategy<Value = Vec<StepResult>> {
    let of = |step| {
        (outcome(), nasty(), findings(), duration()).prop_map(
            move |(outcome, summary, findings, duration)| StepResult {
                step,
                outcome,
                summary,
                findings,
                duration,
            },
        )
    };
    Vec::from(Step::ALL.map(of))
}

fn migration() -> impl Strategy<Value = MigrationFacts> {
    let lock = (nasty(), nasty(), duration());
    let lock = lock.prop_map(|(table, mode, held)| LockFacts {
        table,
        mode: mode.into(),
        held,
    });
    let one = (
        option::of(nasty()),
        any::<bool>(),
        0_usize..99,
        duration(),
        option::of(lock),
    );
    let one = one.prop_map(
        |(name, recorded, statements, duration, lock)| OneMigrationFacts {
            name,
            recorded,
            statements,
            duration,
            lock,
        },
    );
    let statement = (nasty(), duration(), option::of(nasty()));
    let statement = statement.prop_map(|(text, duration, error)| StatementFacts {
        text,
        duration,
        error,
    });
    let waited = || option::of(duration());
    let table = (
        (nasty(), nasty(), any::<bool>(), nasty()),
        (waited(), waited(), waited()),
    );
    let table = table.prop_map(|((table, lock, blocks_readers, statement), waited)| {
        let (held, readers_waited, writers_waited) = waited;
        TableFacts {
            table,
            lock: lock.into(),
            blocks_readers,
            held,
            statement,
            readers_waited,
            writers_waited,
        }
    });
    let change = (nasty(), nasty(), any::<bool>(), option::of(nasty()));
    let change = change.prop_map(|(name, text, needs_review, accepted)| ChangeFacts {
        name,
        text,
        needs_review,
        accepted,
    });
    (
        (duration(), 0_usize..9, 0_usize..99),
        (vec(one, 0..3), vec(statement, 0..3), vec(table, 0..3)),
        vec(change, 0..3),
        any::<[u32; 4]>().prop_map(|bytes| bytes.map(u64::from)),
    )
        .prop_map(|(run, parts, changes, bytes)| {
            let (migrations, longest, tables) = parts;
            let [wal_bytes, temporary_bytes, size_before, size_after] = bytes;
            MigrationFacts {
                duration: run.0,
                connections: run.1,
                statements: run.2,
                migrations,
                longest,
                tables,
                wal_bytes,
                temporary_bytes,
                size_before,
                size_after,
                changes,
            }
        })
}

/// Any rehearsal.
pub fn rehearsal() -> impl Strategy<Value = RehearsalResult> {
    let kept = (nasty(), nasty(), nasty(), time(), vec(nasty(), 0..2));
    let kept = kept.prop_map(|(name, scenario, run, until, doubts)| KeptServerFacts {
        name,
        scenario,
        run,
        until,
        doubts,
    });
    let drill = prop_oneof![
        Just("NO VERDICT"),
        prop::sample::select(Verdict::ALL.to_vec()).prop_map(Verdict::word),
    ];
    let check = (checks(), option::of(outcome()));
    let checks = check.prop_map(|(checks, before)| {
        let after = checks.into_iter().map(|result| CheckAfter {
            result,
            before: before.clone(),
        });
        after.collect::<Vec<_>>()
    });
    (
        (
            nasty(),
            nasty(),
            provenance(),
            scenario(),
            time(),
            duration(),
        ),
        (
            drill,
            option::of(kept),
            option::of(backup()),
            option::of(server()),
            option::of((nasty(), evidence())),
        ),
        (vec(nasty(), 0..3), nasty(), steps(), checks),
        (
            option::of(migration()),
            prop::bool::weighted(0.1),
            not_tested(),
            nasty(),
            prop::bool::weighted(0.05),
        ),
    )
        .prop_map(|(about, facts, parts, rest)| {
            let passed = |verdict: &Verdict| verdict.word() == facts.0 && verdict.passed();
            let (state, evidence) = facts.4.unzip();
            RehearsalResult {
                run: about.0,
                redrill: about.1,
                provenance: about.2,
                scenario: about.3,
                started: about.4,
                duration: about.5,
                state,
                evidence,
                drill: facts.0.into(),
                drill_passed: Verdict::ALL.iter().any(passed),
                kept: facts.1,
                backup: facts.2,
                server: facts.3,
                command: parts.0,
                role: parts.1,
                steps: parts.2,
                checks: parts.3,
                migration: rest.0,
                nothing_pending: rest.1,
                not_tested: rest.2,
                repeat: rest.3,
                interrupted: rest.4,
            }
        })
}
