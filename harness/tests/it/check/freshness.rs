use redrill::outcome::TimeSource;

use crate::support::{Case, on_plur};

fn check(body: &str) -> String {
    format!("[[check.freshness]]\n{body}")
}

const AUDIT: &str = "table = 'plur.audit_events'\ncolumn = 'occurred_at'\nwithin = '2h'";

#[tokio::test(flavor = "multi_thread")]
async fn freshness() {
    on_plur(async |plur| {
        // The rows of the fixture are of fixed days, its backup is of today.
        let (made, source) = plur.backup.made.unwrap();
        assert_eq!(source, TimeSource::Name);
        let event = |when: &str| {
            format!(
                "INSERT INTO plur.audit_events (occurred_at, org, action, detail)
                 VALUES ('{made}'::timestamptz {when}, 'acme', 'login', '{{}}')"
            )
        };
        let passes = async |name: &str, change: &str, body: &str| {
            let check = check(body);
            plur.passes(Case { name, change, undo: "", check: &check }).await;
        };
        let fails = async |name: &str, change: &str, body: &str, texts: &[&str]| {
            let check = check(body);
            plur.fails(Case { name, change, undo: "", check: &check }, texts).await;
        };
        let cannot = async |name: &str, change: &str, body: &str, text: &str| {
            let check = check(body);
            plur.cannot_look(Case { name, change, undo: "", check: &check }, text).await;
        };

        passes("a row an hour before", &event("- interval '1 hour'"), AUDIT).await;
        passes("a row of the backup's own day", &event("+ interval '20 hours'"), AUDIT).await;
        fails("C-FRESH F46 the newest row is days old", &event("- interval '5 days'"), AUDIT,
            &["plur.audit_events", "at most 2 h 00 min older", "it is 5 days 0 h older"]).await;
        fails("the newest row is of the week after", &event("+ interval '8 days'"), AUDIT, &["the newest is 7 days 0 h later"]).await;
        fails("F20 the table is empty", "TRUNCATE plur.sessions", "table = 'plur.sessions'\ncolumn = 'expires_at'\nwithin = '9999d'", &["no row with a time"]).await;
        let outbox = |kind: &str, rows: &str| format!("CREATE TABLE plur.outbox (at {kind}); INSERT INTO plur.outbox VALUES {rows}; CREATE ROLE x; DROP ROLE x");
        let of_outbox = "table = 'plur.outbox'\ncolumn = 'at'\nwithin = '2h'";
        let second = made.as_second();
        passes("no time, and infinity, are none", &outbox("timestamptz", &format!("(NULL), ('infinity'), ('{made}')")), of_outbox).await;
        fails("only NULL and infinity", &outbox("timestamptz", "(NULL), ('infinity')"), of_outbox, &["no row with a time"]).await;
        passes("without a zone it is UTC", &outbox("timestamp", &format!("('{made}'::timestamptz AT TIME ZONE 'UTC' - interval '1 hour')")), of_outbox).await;
        fails("without a zone it is not local time", &outbox("timestamp", &format!("('{made}'::timestamptz AT TIME ZONE 'America/Caracas')")), of_outbox, &["4 h 00 min older"]).await;
        passes("unless it says so", &outbox("timestamp", &format!("('{made}'::timestamptz AT TIME ZONE 'America/Caracas')")), &format!("{of_outbox}\nzone = 'America/Caracas'")).await;
        cannot("a zone that is none", &outbox("timestamp", "(now())"), &format!("{of_outbox}\nzone = 'Nowhere'"), "22023").await;
        passes("a date is its whole day", &outbox("date", &format!("('{made}'::timestamptz::date - 1)")), of_outbox).await;
        fails("the day before that is not", &outbox("date", &format!("('{made}'::timestamptz::date - 2)")), of_outbox, &["24 h 00 min older"]).await;
        passes("seconds", &outbox("bigint", &format!("({second})")), &format!("{of_outbox}\nunit = 'seconds'")).await;
        passes("milliseconds", &outbox("bigint", &format!("({second}000)")), &format!("{of_outbox}\nunit = 'milliseconds'")).await;
        fails("milliseconds that are seconds", &outbox("bigint", &format!("({second})")), &format!("{of_outbox}\nunit = 'milliseconds'"), &["older"]).await;
        cannot("a number without a unit", &outbox("bigint", "(1)"), of_outbox, "is a number").await;
        cannot("a time with a unit", &outbox("timestamptz", "(now())"), &format!("{of_outbox}\nunit = 'seconds'"), "is a timestamp").await;
        cannot("a text is no time", &outbox("text", "('now')"), of_outbox, "is no time but text").await;
        passes("a domain is what it is of", &format!("CREATE DOMAIN plur.at AS timestamptz; {}", outbox("plur.at", &format!("('{made}')"))), of_outbox).await;
        let odd = format!("CREATE SCHEMA \"Odd\"; CREATE TABLE \"Odd\".\"My Table\" (\"When\" timestamptz, test bool); INSERT INTO \"Odd\".\"My Table\" VALUES ('{made}', false), ('{made}'::timestamptz + interval '9 years', true)");
        passes("quoted names, and a condition", &odd, "table = '\"Odd\".\"My Table\"'\ncolumn = 'When'\nwithin = '1m'\nwhere = 'NOT test -- '").await;
        fails("without the condition", &odd, "table = '\"Odd\".\"My Table\"'\ncolumn = 'When'\nwithin = '1m'", &["later"]).await;
        cannot("a condition that is none", &odd, "table = '\"Odd\".\"My Table\"'\ncolumn = 'When'\nwithin = '1m'\nwhere = 'nothing'", "42703").await;
        let parts = format!(
            "CREATE TABLE plur.p (at timestamptz, k int) PARTITION BY LIST (k); CREATE TABLE plur.p1 PARTITION OF plur.p FOR VALUES IN (1) PARTITION BY RANGE (at);
             CREATE TABLE plur.p11 PARTITION OF plur.p1 FOR VALUES FROM (MINVALUE) TO (MAXVALUE); INSERT INTO plur.p VALUES ('{made}', 1)");
        let of_parts = "table = 'plur.p'\ncolumn = 'at'\nwithin = '2h'";
        passes("partitions of partitions", &parts, of_parts).await;
        fails("P03 the newest partition is detached", &format!("{parts}; ALTER TABLE plur.p DETACH PARTITION plur.p1"), of_parts, &["no row with a time"]).await;
        passes("row security hides nothing", &format!("{}; ALTER TABLE plur.outbox ENABLE ROW LEVEL SECURITY; ALTER TABLE plur.outbox FORCE ROW LEVEL SECURITY", outbox("timestamptz", &format!("('{made}')"))), of_outbox).await;
        let several = "tables = ['org_*.recall_log']\ncolumn = 'at'\nwithin = '2h'";
        let fresh = format!("UPDATE org_acme.recall_log SET at = '{made}'; UPDATE org_borealis.recall_log SET at = '{made}'");
        fails("one of several", &fresh, several, &["org_cumulus.recall_log"]).await;
        passes("all of several", &format!("{fresh}; UPDATE org_cumulus.recall_log SET at = '{made}'"), several).await;
        fails("a table without the column", "", "tables = ['plur.*']\ncolumn = 'no_such'\nwithin = '2h'", &["plur.users", "a column no_such"]).await;
        fails("a pattern that matches nothing", "", "tables = ['nosuch.*']\ncolumn = 'at'\nwithin = '2h'", &["nosuch.*"]).await;
        plur.assert_passed_and_failed("freshness");
    })
    .await;
}
