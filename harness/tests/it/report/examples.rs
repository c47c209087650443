//! Drills that are made up for tests of reports: with everything that a report may show. Those of `reports/examples` are real.

use std::time::Duration;

use redrill::outcome::{
    Actor, BackupFacts, CandidateFacts, CheckConduct, CheckResult, CiFacts, CouldNotRun, Delivery,
    DeliveryEnd, DrillResult, EffectiveSettings, Evidence, ExtensionFacts, Finding, Inspection,
    Measure, NotTested, Objective, Outcome, Phase, ProofFacts, Provenance, RestoreFacts,
    RestoreStep, RoleConduct, ScenarioFacts, ServerFacts, Since, Stage, StageResult, TableHeld,
    TableRows, TimeSource, Tolerated, Tried, Values,
};
use redrill::proof::settings::Level;
use redrill::stage::{proof_off, title};

/// All of them, by name.
pub fn all() -> [(&'static str, DrillResult); 4] {
    [
        ("proven", proven()),
        ("not-proven", not_proven()),
        ("inconclusive", inconclusive()),
        ("checks-passed", checks_passed()),
    ]
}

/// Every stage and every check passes.
pub fn proven() -> DrillResult {
    DrillResult {
        run: "20251121-061203-4f0c9a2e".to_owned(),
        redrill: "0.1.0".to_owned(),
        provenance: provenance(),
        scenario: ScenarioFacts {
            name: "plur-nightly".to_owned(),
            description: Some(
                "The nightly dump of PLUR Enterprise restores completely.".to_owned(),
            ),
            file: "scenarios/plur/nightly.toml".into(),
            sha256: "1c6f0a5e3bd7c24f98e1d05a7b62c3f4e9a80d17b5c6e2f3a4d5b6c7d8e9f001".to_owned(),
            text: "schema = 1\nname = \"plur-nightly\"\n".to_owned(),
            settings: EffectiveSettings::default(),
            inputs: Vec::new(),
            only: Vec::new(),
        },
        severity: Some("P1".to_owned()),
        incident: None,
        notified: Vec::new(),
        since: Some(Since {
            entry: 38,
            began: "2025-11-14T06:12:01.907Z".parse().unwrap(),
            changes: vec![
                "size: 28.9 MB → 29.4 MB (+1 %)".to_owned(),
                "rows: 183 112 → 186 402 (+1 %)".to_owned(),
                "restore: 1 min 09 s → 1 min 11 s (+4 %)".to_owned(),
            ],
        }),
        state: Some("s3://evidence/drills".to_owned()),
        evidence: Some(Evidence {
            entry: 41,
            record_sha256: "9f2c1d7e5ab84c03d6e1f0928b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b".to_owned(),
            checkpoint: "redrill/39273270961871bd5574e004e2028baf 42 FBeG62LlwgrkJK8sdH22/WEq1FZomL9Ib+uNh8LqJmk=".to_owned(),
            key: Some("SHA256:bMK0EOPyQzotpNsjCuMM4MQP2RbXqA1KPsYeilpFR0A".to_owned()),
        }),
        started: "2025-11-21T06:12:03.218Z".parse().unwrap(),
        duration: Duration::from_millis(96_412),
        stages: vec![
            stage(
                Stage::Backup,
                Outcome::Pass,
                "gzip complete, 41 tables, ends with the last line of a dump",
                1_870,
            ),
            stage(
                Stage::Server,
                Outcome::Pass,
                "PostgreSQL 17.6 with vector 0.8.0 and age 1.5.0",
                3_214,
            ),
            stage(
                Stage::Restore,
                Outcome::Pass,
                "no statement failed, 1 message was tolerated",
                71_906,
            ),
            stage(
                Stage::Proof,
                Outcome::Pass,
                "50 004 rows of 41 tables, 14 sequences, 1 materialized view, compared with the backup value by value",
                5_040,
            ),
            stage(
                Stage::Teardown,
                Outcome::Pass,
                "1 container and 1 folder removed",
                640,
            ),
        ],
        checks: checks(),
        conduct: conduct(),
        backup: Some(backup()),
        server: Some(server()),
        other_servers: Vec::new(),
        restore: Some(restore()),
        proof: Some(proof()),
        objectives: vec![
            Objective::time(
                "restore-within",
                Duration::from_secs(1_200),
                Some(Duration::from_millis(71_906)),
            ),
            Objective::time(
                "max-age",
                Duration::from_secs(93_600),
                Some(Duration::from_secs(15_123)),
            ),
        ],
        waivers: Vec::new(),
        not_tested: vec![NotTested {
            what: "the API's login".to_owned(),
            why: "the API is not part of this fixture".to_owned(),
        }],
        repeat: "redrill run scenarios/plur/nightly.toml --backup /backups/plur-2025-11-21.sql.gz"
            .to_owned(),
        interrupted: false,
    }
}

/// A nightly job.
fn provenance() -> Provenance {
    Provenance {
        actor: Actor {
            name: "ann".to_owned(),
            variable: Some("GITLAB_USER_LOGIN".into()),
        },
        host: Some("runner-7".to_owned()),
        program_sha256: Some(
            "5b0e6c2fd1a94e37b8f6a0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f".to_owned(),
        ),
        ci: Some(CiFacts {
            system: "GitLab CI".into(),
            job: Some("quarterly-drill".to_owned()),
            url: Some("https://gitlab.example/plur/drills/-/jobs/4711".to_owned()),
            commit: Some("ffac537e6cbbf934b08745a378932722df287a53".to_owned()),
        }),
        commit: Some("ffac537e6cbbf934b08745a378932722df287a53".to_owned()),
    }
}

/// The checks that `--only` selects pass, on the rows that they need.
pub fn checks_passed() -> DrillResult {
    let mut result = proven();
    result.run = "20251121-061500-77aa01c3".to_owned();
    result.scenario.only = vec!["role".to_owned(), "append-only".to_owned()];
    result.duration = Duration::from_millis(7_940);
    result
        .checks
        .retain(|check| result.scenario.only.iter().any(|kind| *kind == check.kind));
    let proof = &mut result.stages[3];
    proof.title = title(Stage::Proof, Level::Off).into();
    proof.required = false;
    proof.summary = proof_off(true).to_owned();
    proof.outcome = Outcome::Skipped {
        reason: proof_off(true).to_owned(),
    };
    proof.duration = Duration::ZERO;
    result.proof = None;
    result.objectives.remove(0);
    if let Some(restore) = &mut result.restore {
        restore.duration = Duration::from_millis(3_310);
        restore.phases.clear();
        restore.steps.clear();
        restore.rows.clear();
        restore.left_out = vec![
            held("org_acme.engrams", 12_000, 310_000_000),
            held("org_globex.engrams", 8_400, 216_500_000),
        ];
    }
    result.not_tested.extend([
        NotTested::new(
            "that the database is equal to the backup",
            "`--only`: only the selected checks read it",
        ),
        NotTested::new(
            "the rows of org_acme.engrams, org_globex.engrams",
            "`--only`: no selected check needs them, so they were not restored",
        ),
    ]);
    result.repeat += " --only role,append-only";
    result
}

/// Two required checks fail, one of them with many findings, one could not run, and one that is not
/// required fails.
pub fn not_proven() -> DrillResult {
    let mut result = proven();
    result.run = "20251121-070944-b81d22f6".to_owned();
    result.started = "2025-11-21T07:09:44.002Z".parse().unwrap();
    result.duration = Duration::from_millis(1_535_906);
    result.incident = Some(Delivery {
        host: Some("https://incidents.example".to_owned()),
        status: Some(202),
        tries: 2,
        end: DeliveryEnd::Sent,
    });
    result.stages[2].duration = Duration::from_secs(1_511);
    result.objectives[0] = Objective::time(
        "restore-within",
        Duration::from_secs(1_200),
        Some(Duration::from_secs(1_511)),
    );
    result.stages[3] = StageResult {
        stage: Stage::Proof,
        title: title(Stage::Proof, Level::Full).into(),
        required: true,
        outcome: Outcome::Fail,
        summary: "2 of 41 tables differ".to_owned(),
        findings: vec![
            Finding::about(
                "org_acme.engrams",
                "12 000 rows, as in the backup",
                "11 337 rows",
            )
            .hint("look for the table in the restore's log"),
            Finding::about(
                "plur.audit_2025_10",
                "a table with 4 410 rows",
                "there is none",
            ),
        ],
        duration: Duration::from_millis(5_211),
    };
    fail(
        &mut result.checks[0],
        "11 337 rows",
        vec![Finding::about(
            "org_acme.engrams",
            "at least 12 000 rows",
            "11 337 rows",
        )],
    );
    let findings = (1..=31)
        .map(|n| {
            Finding::about(
                format!("org_{n:02}.engrams"),
                "no privilege for role `plur_app` beyond those listed",
                "TRUNCATE, TRIGGER",
            )
            .hint("revoke the extra privileges, and see the default privileges of the target")
        })
        .collect();
    fail(
        &mut result.checks[2],
        "62 extra privileges on 31 tables",
        findings,
    );
    result.checks[3].actual = String::new();
    result.checks[3].outcome = Outcome::Error(CouldNotRun::with_hint(
        "canceling statement due to statement timeout (SQLSTATE 57014)",
        "give the check a longer `timeout`",
    ));
    stop_api(&mut result);
    if let Some(restore) = &mut result.restore {
        restore.duration = Duration::from_secs(1_511);
        restore.phases[1].duration = Duration::from_secs(640);
        restore.phases[2].duration = Duration::from_secs(868);
        restore.rows[1].restored = Some(11_337);
        restore.rows[6].restored = None;
    }
    result.objectives[1] = Objective::time(
        "max-age",
        Duration::from_secs(93_600),
        Some(Duration::from_millis(18_584_002)),
    );
    result
}

/// The server did not start: nothing is known about the backup but what the file says.
pub fn inconclusive() -> DrillResult {
    let mut result = proven();
    result.run = "20251121-081500-0d3b77c1".to_owned();
    result.started = "2025-11-21T08:15:00Z".parse().unwrap();
    result.duration = Duration::from_millis(4_120);
    result.incident = Some(Delivery {
        host: Some("https://incidents.example".to_owned()),
        status: Some(403),
        tries: 1,
        end: DeliveryEnd::Failed("answered 403 Forbidden: check `token` and `headers`".to_owned()),
    });
    result.stages[1] = StageResult {
        stage: Stage::Server,
        title: title(Stage::Server, Level::Full).into(),
        required: true,
        outcome: Outcome::Error(CouldNotRun::with_hint(
            "no container engine answers",
            "start the engine, or set `[server.local]` in the scenario",
        )),
        summary: "no container engine answers".to_owned(),
        findings: Vec::new(),
        duration: Duration::from_millis(2_003),
    };
    let skipped = Outcome::Skipped {
        reason: "the server did not start".to_owned(),
    };
    for stage in &mut result.stages[2..4] {
        stage.outcome = skipped.clone();
        stage.summary = String::new();
        stage.duration = Duration::ZERO;
    }
    "nothing was started".clone_into(&mut result.stages[4].summary);
    for check in &mut result.checks {
        check.outcome = skipped.clone();
        check.actual = String::new();
        check.findings = Vec::new();
        check.duration = Duration::ZERO;
    }
    result.server = None;
    result.restore = None;
    result.proof = None;
    result.objectives[0] = Objective::time("restore-within", Duration::from_secs(1_200), None);
    result.objectives[1] = Objective::time(
        "max-age",
        Duration::from_secs(93_600),
        Some(Duration::from_secs(22_500)),
    );
    result
}

fn stage(stage: Stage, outcome: Outcome, summary: &str, millis: u64) -> StageResult {
    StageResult {
        stage,
        title: title(stage, Level::Full).into(),
        required: true,
        outcome,
        summary: summary.to_owned(),
        findings: Vec::new(),
        duration: Duration::from_millis(millis),
    }
}

fn fail(check: &mut CheckResult, actual: &str, findings: Vec<Finding>) {
    check.outcome = Outcome::Fail;
    actual.clone_into(&mut check.actual);
    check.findings = findings;
}

/// As whom one of the checks ran.
fn conduct() -> Vec<CheckConduct> {
    let role = |role: &str, superuser, statements, tried| RoleConduct {
        role: role.to_owned(),
        superuser,
        statements,
        tried,
        unlisted: 0,
    };
    let tried = Tried {
        what: "DELETE FROM plur.audit WHERE ctid = '…'".to_owned(),
        rolled_back: true,
        times: 3,
        refused: 3,
    };
    vec![CheckConduct {
        check: "append-only/audit".to_owned(),
        roles: vec![
            role("postgres", true, 12, Vec::new()),
            role("plur_app", false, 3, vec![tried]),
        ],
    }]
}

fn checks() -> Vec<CheckResult> {
    let check =
        |kind: &'static str, name: &str, line, expected: &str, actual: &str, millis| CheckResult {
            id: format!("{kind}/{}", name.replace(' ', "-")),
            object: None,
            kind: kind.into(),
            name: name.to_owned(),
            line,
            required: true,
            not_required_because: None,
            database: "plur".to_owned(),
            outcome: Outcome::Pass,
            expected: expected.to_owned(),
            actual: actual.to_owned(),
            findings: Vec::new(),
            duration: Duration::from_millis(millis),
        };
    let mut checks = vec![
        check(
            "row-count",
            "engrams are complete",
            14,
            "at least 12 000 rows",
            "12 000 rows",
            41,
        ),
        check(
            "schema-version",
            "migrations are complete",
            19,
            "version 10 in plur.schema_migrations, nothing pending",
            "version 10, nothing pending",
            12,
        ),
        check(
            "role",
            "plur_app has the expected rights",
            26,
            "SELECT, INSERT, UPDATE, DELETE and nothing more on 31 tables",
            "exactly those",
            388,
        ),
        check(
            "index",
            "the vector indexes are valid and used",
            41,
            "3 HNSW indexes, valid, used by a nearest-neighbour query",
            "3 valid, 3 used",
            1_730,
        ),
        check(
            "append-only",
            "the audit log is append-only",
            52,
            "UPDATE, DELETE and TRUNCATE refused to role `plur_app` on plur.audit and its 14 partitions",
            "refused on all 15",
            960,
        ),
        check(
            "api",
            "the API answers",
            63,
            "GET /health answers 200 within 30 s",
            "ready after 1.2 s; 1 of 1 request answered as expected",
            1_480,
        ),
    ];
    checks[5].required = false;
    checks[5].not_required_because = Some("the API is drilled with its own release".to_owned());
    checks
}

/// Makes the check of the API, which is not required, fail.
pub fn stop_api(result: &mut DrillResult) {
    let api = &mut result.checks[5];
    api.duration = Duration::from_secs(30);
    fail(
        api,
        "not ready within 30 s",
        vec![
            Finding::about(
                "GET http://127.0.0.1:8080/health",
                "status 200",
                "connection refused",
            )
            .hint("see the output of the program in `api.log`"),
        ],
    );
}

fn candidate(name: &str, bytes: u64, not_taken: Option<&str>) -> CandidateFacts {
    CandidateFacts {
        name: name.to_owned(),
        bytes,
        time: None,
        not_taken: not_taken.map(str::to_owned),
    }
}

fn backup() -> BackupFacts {
    BackupFacts {
        origin: "/backups/plur-2025-11-21.sql.gz".to_owned(),
        chosen: "the newest of 14 files that match /backups/plur-*.sql.gz".to_owned(),
        picked: None,
        fetched_in: None,
        candidates: vec![
            candidate("plur-2025-11-21.sql.gz", 18_422_907, None),
            candidate(
                "plur-2025-11-20.sql.gz",
                18_301_554,
                Some("older than the selected one"),
            ),
            candidate(
                "plur-before-upgrade.sql.gz",
                17_000_201,
                Some("no time in its name: an ad-hoc backup"),
            ),
        ],
        unlisted: 0,
        format: "plain SQL, gzip".to_owned(),
        bytes: 18_422_907,
        uncompressed_bytes: Some(96_014_338),
        sha256: "9f2b5d1ac07e4e86b3c1f5d9a2807b6e4c3d2f1a0b9e8d7c6f5a4b3c2d1e0f99".to_owned(),
        digest: Some("the same as in plur-2025-11-21.sql.gz.sha256".to_owned()),
        made: Some(("2025-11-21T02:00:00Z".parse().unwrap(), TimeSource::Name)),
        source_version: Some("16.4 (Debian 16.4-1.pgdg120+1)".to_owned()),
        dump_version: Some("pg_dump 16.4".to_owned()),
        databases: vec!["plur".to_owned()],
        extensions: vec!["age".to_owned(), "vector".to_owned()],
        schemas: vec!["plur".to_owned(), "org_acme".to_owned()],
        graphs: vec!["plur_permissions".to_owned()],
        roles: vec!["plur_app".to_owned()],
        roles_needed: Vec::new(),
        policies: 4,
        servers: "every supported server".to_owned(),
        tables: 41,
        rows: 50_004,
        large_objects: 0,
        has_owners: true,
        has_privileges: true,
        makes: vec!["plur".to_owned()],
        manifest: None,
        consists_of: Vec::new(),
        companions: Vec::new(),
        physical: None,
        tiers: Vec::new(),
        previous: Some("18.4 MB, 18.3 MB before in plur-2025-11-20.sql.gz".to_owned()),
        before: None,
        parts: Vec::new(),
        not_held: vec![
            NotTested {
                what: "the password of role `plur_app`".to_owned(),
                why: "the dump creates the role without one; the deployment sets it".to_owned(),
            },
            NotTested {
                what: "files that users uploaded".to_owned(),
                why: "they are not in the database".to_owned(),
            },
        ],
    }
}

fn server() -> ServerFacts {
    ServerFacts {
        provider: "container".into(),
        origin: "redrill/postgres:17 (sha256:7d0c1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5)".to_owned(),
        version: "17.6 (Debian 17.6-0+deb13u1)".to_owned(),
        digest: Some("sha256:7d0c1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5".to_owned()),
        settings: vec![("fsync".to_owned(), "off".to_owned())],
        extensions: [("age", "1.5.0"), ("vector", "0.8.0")]
            .map(|(name, version)| ExtensionFacts {
                name: name.to_owned(),
                version: version.to_owned(),
                sha256: None,
            })
            .into(),
        isolation: vec![
            "the container has no network".to_owned(),
            "all capabilities are dropped but 5, and no new privileges can be gained".to_owned(),
            "memory, processes and disk are limited".to_owned(),
        ],
        weaknesses: vec!["the container shares the kernel of this machine".to_owned()],
        chosen: "the scenario says `[server.container]`".to_owned(),
        started_in: Duration::from_millis(2_871),
        tls: None,
        tuned: true,
    }
}

fn proof() -> ProofFacts {
    ProofFacts {
        level: "full".to_owned(),
        sequences: 14,
        views: 1,
        ..ProofFacts::default()
    }
}

fn restore() -> RestoreFacts {
    let rows = |table: &str, rows| TableRows {
        database: "plur".to_owned(),
        table: table.to_owned(),
        backup: rows,
        restored: Some(rows),
        values: Values::Same,
    };
    let mut all = vec![
        rows("plur.audit_2025_11", 5_004),
        rows("org_acme.engrams", 12_000),
        rows("org_globex.engrams", 8_400),
        rows("plur.schema_migrations", 10),
        rows("plur.users", 240),
        rows("\"Odd | name\".\"`t`\"", 2_345),
        rows("plur.audit_2025_10", 4_410),
    ];
    all.extend((1..=34).map(|n| rows(&format!("org_{n:02}.engrams"), 500 + n)));
    RestoreFacts {
        method: "psql 17.6".to_owned(),
        duration: Duration::from_millis(71_906),
        processor: Some(Duration::from_millis(110_330)),
        analyzed: Some(Duration::from_millis(1_204)),
        phases: [("pre-data", 2_110), ("data", 31_507), ("post-data", 38_289)]
            .map(|(name, millis)| Phase {
                name: name.to_owned(),
                duration: Duration::from_millis(millis),
            })
            .into(),
        steps: [
            ("index org_01.engrams_embedding_idx", Some("hnsw"), 21_400),
            ("rows of plur.audit_2025_10", None, 9_120),
            ("constraint audit_pkey of plur.audit", None, 2_030),
        ]
        .map(|(what, method, millis)| RestoreStep {
            what: what.to_owned(),
            method: method.map(str::to_owned),
            duration: Duration::from_millis(millis),
        })
        .into(),
        errors: 0,
        tolerated: vec![Tolerated {
            message: "ERROR: role \"postgres\" already exists (SQLSTATE 42710)".to_owned(),
            times: 1,
            reason: "every server has this role".to_owned(),
            by_scenario: false,
        }],
        rows: all,
        left_out: Vec::new(),
        none_left_out_because: None,
        recovery: None,
    }
}

fn held(table: &str, rows: u64, bytes: u64) -> TableHeld {
    TableHeld {
        database: "plur".to_owned(),
        table: table.to_owned(),
        rows: Some(rows),
        bytes,
    }
}

/// The inspection of a truncated backup.
pub fn inspection() -> Inspection {
    Inspection {
        redrill: "0.1.0".to_owned(),
        started: "2025-11-21T06:12:03Z".parse().unwrap(),
        duration: Duration::from_millis(412),
        backup: backup(),
        tables: vec![
            held("plur.engrams", 30_000, 61_204_113),
            held("plur.audit_events_2025_11", 17_004, 4_203_771),
            held("plur.\"Odd table\"", 3_000, 91_004),
        ],
        problems: vec![
            Finding::about(
                "plur.audit_events_2025_11",
                "rows that end with the line `\\.`",
                "the file ends after 17 004 of its rows (COPY in line 48211)",
            )
            .hint("the file is truncated: check the disk and the transfer of the backup job"),
        ],
        not_restorable: None,
        warnings: vec![Finding::new(
            "about 19.1 MB as in plur-2025-11-20.sql.gz",
            "18.4 MB, 89 % of it",
        )],
        objectives: vec![Objective {
            name: "daily".into(),
            measure: Measure::Kept {
                wanted: 14,
                kept: 12,
                missing: vec!["2025-11-12 to 2025-11-13".to_owned()],
            },
            on: None,
        }],
    }
}
