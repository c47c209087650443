use crate::support::{Case, on_plur};

const ENGRAMS: &str = r#"
[[check.row-count]]
tables = ["org_*.engrams"]
min = 700
"#;

const AUDIT: &str = r#"
[[check.row-count]]
table = "plur.audit_events"
exact = 6450
per-partition = { min = 1, empty = ["plur.audit_events_default"] }
"#;

const VIEW: &str = r#"
[[check.row-count]]
table = "plur.audit_monthly"
min = 1
"#;

const LOST: &str = r#"
[[check.row-count]]
tables = ["org_*.nosuch"]
min = 1
"#;

#[tokio::test(flavor = "multi_thread")]
async fn row_count() {
    on_plur(async |plur| {
        for check in [ENGRAMS, AUDIT] {
            plur.passes(Case { name: "the good backup", change: "", undo: "", check }).await;
            plur.passes(Case {
                name: "harmless: a comment, a new table, statistics",
                change: "COMMENT ON TABLE plur.users IS 'x'; CREATE TABLE plur.more (id int); ANALYZE;",
                undo: "",
                check,
            })
            .await;
        }
        let case = |name, change, check| Case { name, change, undo: "", check };
        plur.fails(
            case("F20 a table came back empty", "TRUNCATE org_borealis.engrams CASCADE", ENGRAMS),
            &["org_borealis.engrams", "at least 700", "0 rows"],
        )
        .await;
        plur.fails(
            case("a table is missing whole", "DROP SCHEMA org_acme, org_borealis, org_cumulus CASCADE", ENGRAMS),
            &["org_*.engrams"],
        )
        .await;
        plur.fails(
            case("P03 a partition is detached", "ALTER TABLE plur.audit_events DETACH PARTITION plur.audit_events_2026_01", AUDIT),
            &["plur.audit_events", "exactly 6 450"],
        )
        .await;
        plur.fails(
            case(
                "P01 rows fell into the default partition",
                "INSERT INTO plur.audit_events (occurred_at, org, action, detail)
                 SELECT '2027-01-01', org, action, detail FROM plur.audit_events LIMIT 1",
                AUDIT,
            ),
            &["plur.audit_events_default", "exactly 0 rows"],
        )
        .await;
        plur.fails(
            case(
                "a materialized view is not populated",
                "REFRESH MATERIALIZED VIEW plur.audit_monthly WITH NO DATA",
                VIEW,
            ),
            &["plur.audit_monthly", "it is not populated"],
        )
        .await;
        plur.fails(case("a pattern that matches nothing", "", LOST), &["org_*.nosuch"]).await;
        plur.assert_passed_and_failed("row-count");
    })
    .await;
}
