//! A session, or the server, that ends in the middle of a load.

use std::time::{Duration, Instant};

use redrill::server::Wanted;
use redrill::server::settings::Server;

use super::{SMALL, into, on_server, redrill};
use crate::support::Plur;

/// Rows that take their time: each is checked for some milliseconds, and there are enough for all ways to load them.
fn dump() -> String {
    let table = |name: &str, count: usize| {
        let rows: String = (0..count)
            .map(|number| format!("{number}\t{}\n", "x".repeat(1024)))
            .collect();
        format!(
            "CREATE TABLE app.{name} (n integer, t text, CONSTRAINT slow CHECK ((pg_catalog.pg_sleep(0.02) IS NOT NULL)));
COPY app.{name} (n, t) FROM stdin;\n{rows}\\.\n"
        )
    };
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.6\nCREATE SCHEMA app;\n{}{}",
        table("small", 100),
        table("big", 3000),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_the_middle_of_a_load_ends_the_restore() {
    let wanted = Wanted {
        superuser: "postgres".to_owned(),
        ..Wanted::default()
    };
    let dump = dump();
    on_server(&Server::default(), &wanted, async |plur: &Plur| {
        // The small table is loaded by one session, the big one by all: after how many sessions copy one of them ends.
        for (jobs, copying) in [(1, 1), (4, 1), (4, 4)] {
            let name = format!("killed_{jobs}_{copying}");
            let settings = into(&name, jobs, SMALL);
            let began = Instant::now();
            let ends = async {
                let end = format!(
                    "DO $$ BEGIN
                       PERFORM pg_terminate_backend(max(pid)) FROM pg_stat_activity
                        WHERE datname = '{name}' AND query LIKE 'COPY app%' AND state = 'active'
                       HAVING count(*) >= {copying};
                       IF NOT FOUND THEN RAISE 'not yet'; END IF;
                     END $$"
                );
                while plur.try_sql("postgres", &end).await.is_err() {
                    assert!(began.elapsed() < Duration::from_secs(60));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Instant::now()
            };
            let (ended, killed) = tokio::join!(redrill(plur, dump.as_bytes(), &settings), ends);
            assert!(killed.elapsed() < Duration::from_secs(20), "{name} goes on");
            let reason = ended.expect_err("it could not run").reason;
            assert!(
                reason.contains("ended the session in the middle of the restore"),
                "{name}: {reason}"
            );
        }
    })
    .await;
}
