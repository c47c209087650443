//! A run that is stopped at a statement, as if the tool had been killed.

use redrill::rehearse::observe::{CutOff, StopAt, When};
use sqlx::AssertSqlSafe;

use super::{connect, cut_off, on_schema, psql, stopped};
use crate::support::Plur;

/// Rows of `app.log`.
async fn log(plur: &Plur) -> Vec<i32> {
    let mut connection = plur.connect("plur").await;
    let rows = sqlx::query_scalar("SELECT n FROM app.log ORDER BY n")
        .fetch_all(&mut connection)
        .await;
    plur.sql("plur", "TRUNCATE app.log").await;
    rows.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_at_each_statement() {
    on_schema(async |plur| {
        plur.sql("plur", "CREATE TABLE app.log (n integer)").await;
        let insert = |n: i32| format!("INSERT INTO app.log VALUES ({n})");
        for when in [When::Before, When::After] {
            for statement in 0..3 {
                let at = Some(StopAt {
                    statement,
                    when: when.clone(),
                });
                let done = i32::try_from(statement).unwrap() + i32::from(when == When::After);

                // Each commits.
                stopped(plur, at.clone(), async |endpoint| {
                    psql(
                        endpoint,
                        &format!("{}; {}; {};", insert(0), insert(1), insert(2)),
                    )
                    .await;
                })
                .await;
                assert_eq!(log(plur).await, (0..done).collect::<Vec<_>>(), "{at:?}");
                stopped(plur, at.clone(), async |endpoint| {
                    let mut tool = connect(endpoint).await;
                    for n in 0..3 {
                        let insert = AssertSqlSafe(insert(n));
                        let _ = sqlx::query(insert)
                            .persistent(false)
                            .execute(&mut tool)
                            .await;
                    }
                })
                .await;
                assert_eq!(log(plur).await, (0..done).collect::<Vec<_>>(), "{at:?}");

                // One transaction.
                let whole = format!("{}; {}; {}", insert(0), insert(1), insert(2));
                let committed: Vec<i32> = match at {
                    Some(StopAt {
                        statement: 2,
                        when: When::After,
                    }) => vec![0, 1, 2],
                    _ => vec![],
                };
                let seen = stopped(plur, at.clone(), async |endpoint| {
                    let mut tool = connect(endpoint).await;
                    let _ = sqlx::raw_sql(AssertSqlSafe(whole.clone()))
                        .execute(&mut tool)
                        .await;
                })
                .await;
                assert_eq!(log(plur).await, committed, "{at:?}");
                assert_eq!(
                    seen.statements.len(),
                    usize::try_from(done).unwrap(),
                    "{at:?}: {seen:#?}"
                );

                // Transactions of its own.
                let own = format!(
                    "BEGIN; {}; COMMIT; BEGIN; {}; COMMIT; {}",
                    insert(0),
                    insert(1),
                    insert(2)
                );
                let at = Some(StopAt {
                    statement: statement * 3,
                    when: when.clone(),
                });
                stopped(plur, at.clone(), async |endpoint| {
                    let mut tool = connect(endpoint).await;
                    let _ = sqlx::raw_sql(AssertSqlSafe(own)).execute(&mut tool).await;
                })
                .await;
                let done = match at {
                    // The last one is in no block, and commits.
                    Some(StopAt {
                        statement: 6,
                        when: When::After,
                    }) => 3,
                    _ => i32::try_from(statement).unwrap(),
                };
                assert_eq!(log(plur).await, (0..done).collect::<Vec<_>>(), "{at:?}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_connects_after_the_stop() {
    on_schema(async |plur| {
        let at = Some(StopAt {
            statement: 1,
            when: When::Before,
        });
        let seen = stopped(plur, at, async |endpoint| {
            let output = psql(endpoint, "SELECT 1; SELECT 2; SELECT 3;").await;
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let output = psql(endpoint, "SELECT 4").await;
            assert_eq!(output.status.code(), Some(2), "{output:?}");
        })
        .await;
        assert_eq!((seen.statements.len(), seen.processes.len()), (1, 1));
        let mut direct = plur.connect("plur").await;
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql'",
        )
        .fetch_one(&mut direct)
        .await
        .unwrap();
        assert_eq!(left, 0);
    })
    .await;
}

/// Statements that commit several times, and what each leaves where it is cut off in its middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_within_a_statement_that_commits_several_times() {
    const INVALID: &str =
        "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid = 'app.u'::regclass";
    on_schema(async |plur| {
        use CutOff::{After, Within};
        for (sql, busy, place, invalid) in [
            ("CREATE INDEX CONCURRENTLY u_id ON app.u (id)", true, Within, 1),
            // Of a table that was not there before, it waits for older snapshots.
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS u_id_2 ON app.u (id)", false, Within, 1),
            ("DROP INDEX CONCURRENTLY app.u_t", true, Within, 1),
            ("REINDEX INDEX CONCURRENTLY app.u_t", true, Within, 1),
            // These do not wait, and are cut off when they have ended.
            ("DROP INDEX CONCURRENTLY IF EXISTS app.not_there", false, After, 0),
            ("CALL app.commits()", true, After, 0),
        ] {
            let busy = if busy { vec!["app.u".to_owned()] } else { vec![] };
            let at = Some(StopAt {
                statement: 0,
                when: When::During(busy),
            });
            let run = cut_off(plur, at, async |endpoint| drop(psql(endpoint, sql).await));
            assert_eq!(run.await.1, Some(place), "{sql}");
            let mut direct = plur.connect("plur").await;
            let left: i64 = sqlx::query_scalar(INVALID).fetch_one(&mut direct).await.unwrap();
            assert_eq!(left, invalid, "{sql}");
            plur.sql(
                "plur",
                "DROP INDEX IF EXISTS app.u_id, app.u_id_2, app.u_t, app.u_t_ccnew; CREATE INDEX u_t ON app.u (t)",
            )
            .await;
        }
    })
    .await;
}
