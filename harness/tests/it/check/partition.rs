use crate::support::{Case, on_empty, on_plur};

const AUDIT: &str = r#"
[[check.partition]]
table = "plur.audit_events"
period = "month"
since = "2025-06"
until = "2026-05"
default = "required"
same-triggers = true
detached = ["plur.audit_events_2025_05"]
"#;

/// The same without what is asked for explicitly.
const PLAIN: &str = r#"
[[check.partition]]
tables = ["plur.*"]
may-differ = ["owner"]
period = "month"
since = "2025-06"
until = "2026-05"
"#;

const LOOSE: &str = r#"
[[check.partition]]
table = "plur.audit_events"
default = "any"
may-differ = ["indexes", "constraints", "triggers", "rights", "row-security", "owner", "siblings"]
detached = ["plur.audit_events_20*"]
"#;

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partition() {
    on_plur(async |plur| {
        plur.passes(case("the good backup", "", AUDIT)).await;
        plur.passes(case(
            "harmless: comments, statistics, fewer rights, tables with other columns or names, more indexes on all",
            "COMMENT ON TABLE plur.audit_events_2026_01 IS 'x'; ANALYZE;
             CREATE TABLE plur.audit_events_report (month date, n bigint);
             CREATE TABLE plur.audit_copy (LIKE plur.audit_events);
             GRANT SELECT ON plur.audit_events_2026_01 TO plur_app;
             REINDEX TABLE plur.audit_events_2026_01;
             CREATE INDEX ON plur.audit_events (user_id);
             CREATE INDEX ON plur.audit_events_2026_01 (action)",
            AUDIT,
        ))
        .await;
        let fails: &[(&str, &str, &str, &[&str])] = &[
            ("P03 a partition is detached", "ALTER TABLE plur.audit_events DETACH PARTITION plur.audit_events_2026_01", AUDIT,
             &["a partition for 2026-01", "plur.audit_events_2026_01; a partition of plur.audit_events"]),
            ("P03 the newest is detached", "ALTER TABLE plur.audit_events DETACH PARTITION plur.audit_events_2026_05", AUDIT,
             &["a partition for 2026-05", "plur.audit_events_2026_05"]),
            ("P03 found without a window too", "ALTER TABLE plur.audit_events DETACH PARTITION plur.audit_events_2026_01",
             "[[check.partition]]\ntable = \"plur.audit_events\"\ndetached = [\"plur.audit_events_2025*\"]\n", &["plur.audit_events_2026_01"]),
            ("P01 two partitions are lost", "DROP TABLE plur.audit_events_2026_01, plur.audit_events_2026_02", AUDIT, &["a partition for 2026-01 to 2026-02"]),
            ("P01 rows fell into the default partition",
             "INSERT INTO plur.audit_events (occurred_at, org, action, detail) SELECT '2027-01-01', org, action, detail FROM plur.audit_events LIMIT 2",
             AUDIT, &["plur.audit_events_default; no rows in the default partition; 2 rows"]),
            ("the default partition is gone", "DROP TABLE plur.audit_events_default", AUDIT, &["a default partition"]),
            ("P04 it came back as a table of its own",
             "ALTER TABLE plur.audit_events DETACH PARTITION plur.audit_events_default; ALTER TABLE plur.audit_events_default RENAME TO audit_events_old",
             AUDIT, &["plur.audit_events_old"]),
            ("one partition takes two months",
             "DROP TABLE plur.audit_events_2026_04, plur.audit_events_2026_05;
              CREATE TABLE plur.audit_events_2026_04 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-04-01 00:00+00') TO ('2026-06-01 00:00+00')",
             PLAIN, &["exactly one month", "2026-04-01 up to 2026-06-01"]),
            ("bounds off by an hour",
             "DROP TABLE plur.audit_events_2026_05;
              CREATE TABLE plur.audit_events_2026_05 PARTITION OF plur.audit_events FOR VALUES FROM ('2026-05-01 01:00+00') TO ('2026-06-01 00:00+00')",
             PLAIN, &["2026-05-01 up to 2026-05-01 01:00:00", "exactly one month"]),
            ("P05 an index was made on the parent only", "CREATE INDEX audit_events_user_idx ON ONLY plur.audit_events (user_id)", PLAIN,
             &["index audit_events_user_idx", "invalid", "plur.audit_events_2026_01; a part of its parent's index audit_events_user_idx"]),
            ("A02 a cloned trigger is disabled on one partition", "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER audit_events_refuse_change", PLAIN,
             &["trigger audit_events_refuse_change on plur.audit_events_2026_01; enabled ALWAYS, as on its parent; disabled"]),
            ("A05 a trigger lost ALWAYS on one partition", "ALTER TABLE plur.audit_events_2026_01 ENABLE TRIGGER audit_events_refuse_change", PLAIN,
             &["enabled ALWAYS, as on its parent; enabled"]),
            ("A02 the TRUNCATE trigger of one partition sleeps", "ALTER TABLE plur.audit_events_2026_01 ENABLE REPLICA TRIGGER audit_events_refuse_truncate", PLAIN,
             &["trigger audit_events_refuse_truncate on plur.audit_events_2026_01"]),
            ("A03 one partition lost its TRUNCATE trigger", "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_2026_01", AUDIT,
             &["plur.audit_events_2026_01; trigger audit_events_refuse_truncate"]),
            ("A03 seen by its siblings alone", "DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_default", PLAIN,
             &["plur.audit_events_default; trigger `CREATE TRIGGER audit_events_refuse_truncate"]),
            ("A03 all partitions lost it, and so siblings agree",
             "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'plur.audit_events'::regclass LOOP
              EXECUTE format('DROP TRIGGER audit_events_refuse_truncate ON %s', p); END LOOP; END $$",
             AUDIT, &["plur.audit_events_2025_06; trigger audit_events_refuse_truncate", "plur.audit_events_default"]),
            ("A11 a partition's trigger calls another function",
             "CREATE FUNCTION plur.stub() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
              DROP TRIGGER audit_events_refuse_truncate ON plur.audit_events_2026_01;
              CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON plur.audit_events_2026_01 FOR EACH STATEMENT EXECUTE FUNCTION plur.stub();
              ALTER TABLE plur.audit_events_2026_01 ENABLE ALWAYS TRIGGER audit_events_refuse_truncate",
             PLAIN, &["calls plur.refuse_audit_change, as on its parent; calls plur.stub"]),
            ("A01 a right on one partition", "GRANT UPDATE ON plur.audit_events_2026_01 TO plur_app", PLAIN,
             &["plur.audit_events_2026_01; no right that its parent does not give; plur_app has UPDATE"]),
            ("A01 through PUBLIC", "GRANT SELECT ON plur.audit_events_2026_01 TO PUBLIC", PLAIN, &["PUBLIC has SELECT"]),
            ("A07 a right on a column of one partition", "GRANT UPDATE (detail) ON plur.audit_events_2026_01 TO plur_app", PLAIN, &["plur_app has UPDATE (detail)"]),
            ("A01 with grant option", "GRANT SELECT ON plur.audit_events_2026_01 TO plur_app WITH GRANT OPTION", PLAIN, &["SELECT WITH GRANT OPTION"]),
            ("A08 a partition has another owner", "ALTER TABLE plur.audit_events_2026_01 OWNER TO plur_app", AUDIT,
             &["plur.audit_events_2026_01; owner plur_owner, as of its parent; owner plur_app"]),
            ("S05 the parent has row security, a reachable partition none",
             "ALTER TABLE plur.audit_events ENABLE ROW LEVEL SECURITY; GRANT SELECT ON plur.audit_events_2026_01 TO plur_app", PLAIN,
             &["plur.audit_events_2026_01; row security, as on its parent"]),
            ("A09 the table put away lost a trigger", "DROP TRIGGER audit_events_refuse_change ON plur.audit_events_2025_05", AUDIT,
             &["plur.audit_events_2025_05; trigger audit_events_refuse_change"]),
            ("A09 the table put away got a right", "GRANT DELETE ON plur.audit_events_2025_05 TO plur_app", AUDIT, &["plur.audit_events_2025_05", "plur_app has DELETE"]),
            ("the table put away is gone", "DROP TABLE plur.audit_events_2025_05", AUDIT, &["plur.audit_events_2025_05; a table that was detached"]),
            ("the table put away is attached",
             "DROP TRIGGER audit_events_refuse_change ON plur.audit_events_2025_05;
              ALTER TABLE plur.audit_events ATTACH PARTITION plur.audit_events_2025_05 FOR VALUES FROM ('2025-05-01 00:00+00') TO ('2025-06-01 00:00+00')",
             AUDIT, &["it is attached"]),
            ("it came back as a plain table", "DROP TABLE plur.audit_events CASCADE; CREATE TABLE plur.audit_events (id bigint)", AUDIT, &["a partitioned table; it is not partitioned"]),
            ("it is gone", "DROP TABLE plur.audit_events CASCADE", AUDIT, &["plur.audit_events; a table"]),
            ("a pattern that matches no partitioned table", "", "[[check.partition]]\ntables = [\"org_*.*\"]\n", &["none of the tables that match is partitioned"]),
            ("P02 without any partition",
             "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'plur.audit_events'::regclass LOOP
              EXECUTE format('DROP TABLE %s', p); END LOOP; END $$",
             LOOSE, &["it has none"]),
        ];
        plur.fails_each(fails).await;
        for (name, change, _, _) in fails.iter().filter(|f| f.0.starts_with("A0") || f.0.starts_with("P05") || f.0.starts_with("P01 rows")) {
            plur.passes(case(name, change, LOOSE)).await;
        }
        plur.passes(case(
            "row security on the parent alone, where nobody has rights on a partition",
            "ALTER TABLE plur.audit_events ENABLE ROW LEVEL SECURITY",
            AUDIT,
        ))
        .await;
        // The backup of the fixture is of today, and its partitions end in May 2026.
        plur.fails(
            case("the window of the backup's own time", "", "[[check.partition]]\ntable = \"plur.audit_events\"\nperiod = \"month\"\nat = \"backup\"\ndetached = [\"plur.audit_events_2025_05\"]\n"),
            &["plur.audit_events; a partition for 2026-06"],
        )
        .await;
        plur.cannot_look(
            case("a zone that is none", "", "[[check.partition]]\ntable = \"plur.audit_events\"\nperiod = \"month\"\ntime-zone = \"Mars/Olympus\"\n"),
            "Mars/Olympus",
        )
        .await;
        rolling(plur).await;
        plur.assert_passed_and_failed("partition");
    })
    .await;
}

/// Tables of other shapes, some with the window around now.
async fn rolling(plur: &crate::support::Plur) {
    const MONTHS: &str = "
CREATE SCHEMA win;
CREATE TABLE win.event (at timestamptz NOT NULL, id int) PARTITION BY RANGE (at);
DO $$ DECLARE d timestamp; BEGIN
  FOR d IN SELECT generate_series(date_trunc('month', now() AT TIME ZONE 'Europe/Vienna') - interval '3 months',
                                  date_trunc('month', now() AT TIME ZONE 'Europe/Vienna') + interval '2 months', '1 month') LOOP
    EXECUTE format('CREATE TABLE win.%I PARTITION OF win.event FOR VALUES FROM (%L) TO (%L)', 'Event ' || to_char(d, 'YYYY-MM'),
                   d AT TIME ZONE 'Europe/Vienna', (d + interval '1 month') AT TIME ZONE 'Europe/Vienna');
  END LOOP; END $$;";
    const ROLLING: &str = "[[check.partition]]\ntable = \"win.event\"\nperiod = \"month\"\nbehind = 3\nahead = 2\ntime-zone = \"Europe/Vienna\"\n";
    plur.passes(case("the window of now, in its zone", MONTHS, ROLLING))
        .await;
    plur.fails(
        case(
            "a window of another zone",
            MONTHS,
            "[[check.partition]]\ntable = \"win.event\"\nperiod = \"month\"\nahead = 1\n",
        ),
        &["exactly one month"],
    )
    .await;
    plur.fails(
        case("nothing was made ahead", MONTHS, "[[check.partition]]\ntable = \"win.event\"\nperiod = \"month\"\nahead = 3\ntime-zone = \"Europe/Vienna\"\n"),
        &["win.event; a partition for "],
    )
    .await;
    let catch_all = format!("{MONTHS} DO $$ BEGIN EXECUTE format('CREATE TABLE win.later PARTITION OF win.event FOR VALUES FROM (%L) TO (MAXVALUE)',
        (date_trunc('month', now() AT TIME ZONE 'Europe/Vienna') + interval '3 months') AT TIME ZONE 'Europe/Vienna'); END $$;
        CREATE TABLE win.before PARTITION OF win.event FOR VALUES FROM (MINVALUE) TO ('2000-01-01');");
    let with_rows = format!("{catch_all} INSERT INTO win.event VALUES ('2199-01-01', 1);");
    let bounded = catch_all.replace("CREATE TABLE win.before PARTITION OF win.event FOR VALUES FROM (MINVALUE) TO ('2000-01-01');", "");
    plur.passes(case("an empty catch-all", &bounded, ROLLING))
        .await;
    plur.fails(
        case("a gap behind the oldest", &catch_all, ROLLING),
        &["2000-01-01"],
    )
    .await;
    plur.fails(
        case("rows in a catch-all", &with_rows, ROLLING),
        &["win.later; no rows in the open-ended partition; 1 row"],
    )
    .await;

    const TENANTS: &str = "
CREATE SCHEMA win;
CREATE TABLE win.fact (org text, month text, id int) PARTITION BY LIST (org);
CREATE TABLE win.fact_a PARTITION OF win.fact FOR VALUES IN ('a') PARTITION BY LIST (month);
CREATE TABLE win.fact_b PARTITION OF win.fact FOR VALUES IN ('b') PARTITION BY RANGE (month);
CREATE TABLE win.fact_a_1 PARTITION OF win.fact_a FOR VALUES IN ('2026-01');
CREATE TABLE win.fact_a_2 PARTITION OF win.fact_a FOR VALUES IN ('2026-02', NULL);
CREATE TABLE win.fact_b_1 PARTITION OF win.fact_b FOR VALUES FROM ('2026-01') TO ('2026-02');
CREATE TABLE win.fact_b_2 PARTITION OF win.fact_b FOR VALUES FROM ('2026-02') TO ('2026-03');
CREATE INDEX fact_id ON win.fact (id);";
    const FACT: &str = "[[check.partition]]\ntable = \"win.fact\"\nperiod = \"month\"\nsince = \"2026-01\"\nuntil = \"2026-02\"\ncount = 2\npartitions = [\"win.fact_a\", \"win.fact_b\"]\nbounds = { \"win.fact_a\" = \"FOR VALUES IN ('a')\" }\ndefault = \"none\"\n";
    plur.passes(case("by tenant, then by month as text", TENANTS, FACT))
        .await;
    let fails: &[(&str, &str, &[&str])] = &[
        (
            "a month is missing below one tenant",
            "DROP TABLE win.fact_b_2",
            &["win.fact_b; a partition for 2026-02"],
        ),
        (
            "two months in one list",
            "DROP TABLE win.fact_a_2, win.fact_a_1; CREATE TABLE win.fact_a_1 PARTITION OF win.fact_a FOR VALUES IN ('2026-01', '2026-02')",
            &["it takes 2026-01, 2026-02"],
        ),
        (
            "a tenant's partition is lost",
            "DROP TABLE win.fact_b",
            &[
                "2 partitions; 1 partition",
                "win.fact_b; a partition of win.fact",
            ],
        ),
        (
            "a partition too many",
            "CREATE TABLE win.fact_c PARTITION OF win.fact FOR VALUES IN ('c') PARTITION BY LIST (month); CREATE TABLE win.fact_c_1 PARTITION OF win.fact_c FOR VALUES IN ('2026-01'); CREATE TABLE win.fact_c_2 PARTITION OF win.fact_c FOR VALUES IN ('2026-02')",
            &[
                "2 partitions; 3 partitions",
                "win.fact_c takes FOR VALUES IN ('c')",
            ],
        ),
        (
            "a default partition further down",
            "CREATE TABLE win.fact_a_d PARTITION OF win.fact_a DEFAULT",
            &["win.fact_a_d; no default partition"],
        ),
        (
            "a partition of a partition is detached",
            "ALTER TABLE win.fact_b DETACH PARTITION win.fact_b_2",
            &[
                "win.fact_b_2; a partition of win.fact",
                "win.fact_b; a partition for 2026-02",
            ],
        ),
        (
            "other bounds",
            "ALTER TABLE win.fact DETACH PARTITION win.fact_a; ALTER TABLE win.fact ATTACH PARTITION win.fact_a FOR VALUES IN ('x')",
            &["win.fact_a; FOR VALUES IN ('a'); FOR VALUES IN ('x')"],
        ),
    ];
    for (name, change, texts) in fails {
        plur.fails(case(name, &format!("{TENANTS}{change}"), FACT), texts)
            .await;
    }
    const HASH: &str = "CREATE SCHEMA win; CREATE TABLE win.h (id int) PARTITION BY HASH (id);
        CREATE TABLE win.h_0 PARTITION OF win.h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE win.h_1 PARTITION OF win.h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE UNIQUE INDEX ON win.h_0 (id); CREATE UNIQUE INDEX ON win.h_1 (id);";
    plur.passes(case(
        "by hash",
        HASH,
        "[[check.partition]]\ntable = \"win.h\"\ncount = 2\n",
    ))
    .await;
    plur.fails(
        case(
            "by hash is not by time",
            HASH,
            "[[check.partition]]\ntable = \"win.h\"\nperiod = \"month\"\n",
        ),
        &["HASH (id), not by time"],
    )
    .await;
    let three = format!("{HASH} DROP TABLE win.h_1; CREATE TABLE win.h_1 PARTITION OF win.h FOR VALUES WITH (MODULUS 4, REMAINDER 1);
        CREATE TABLE win.h_3 PARTITION OF win.h FOR VALUES WITH (MODULUS 4, REMAINDER 3); CREATE UNIQUE INDEX ON win.h_1 (id);");
    plur.fails(
        case(
            "one partition lacks the index that its siblings have",
            &three,
            "[[check.partition]]\ntable = \"win.h\"\n",
        ),
        &["win.h_3; index `unique using btree ( id )`, as on all its siblings"],
    )
    .await;
}

/// Old and new servers: their catalogs differ in columns and in what they clone.
#[tokio::test(flavor = "multi_thread")]
async fn partition_on_15_and_18() {
    const TREE: &str = "
CREATE SCHEMA app;
CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE TABLE app.kind (id int PRIMARY KEY); INSERT INTO app.kind VALUES (1);
CREATE TABLE app.t (at date NOT NULL, id int, kind int REFERENCES app.kind, CHECK (id > 0), PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE app.t_2026_01 PARTITION OF app.t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE app.t_2026_02 PARTITION OF app.t FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE app.t_2026_03 PARTITION OF app.t FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TRIGGER refuse BEFORE DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION app.refuse();
ALTER TABLE app.t ENABLE ALWAYS TRIGGER refuse;
CREATE TABLE app.ref (at date, id int, FOREIGN KEY (at, id) REFERENCES app.t);
";
    const CHECK: &str = "[[check.partition]]\ntable = \"app.t\"\nperiod = \"month\"\nsince = \"2026-01\"\nuntil = \"2026-03\"\n";
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.sql("plur", TREE).await;
            let case = |name, change| Case { name, change, undo: "", check: CHECK };
            plur.passes(case("good", "")).await;
            plur.fails(case("A02", "ALTER TABLE app.t_2026_02 DISABLE TRIGGER refuse"), &["disabled"]).await;
            plur.fails(case("P03", "ALTER TABLE app.ref DROP CONSTRAINT ref_at_id_fkey; ALTER TABLE app.t DETACH PARTITION app.t_2026_02"), &["2026-02", "app.t_2026_02"]).await;
            plur.fails(case("P05", "CREATE INDEX i ON ONLY app.t (id)"), &["index i on app.t"]).await;
        })
        .await;
    }
}
