//! What observing costs. `cargo test --test it -- --ignored --nocapture cost`

use std::time::{Duration, Instant};

use redrill::database::Endpoint;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{connect, observed, on_schema};

/// Statements of each way.
const COUNT: i32 = 2000;
/// Statements of the long way, which takes more than 10 s.
const LONG: i32 = 120;
/// Measurements of each way, directly and observed in turn.
const ROUNDS: usize = 3;

async fn autocommitted(tool: &mut PgConnection) {
    for n in 0..COUNT {
        let insert = format!("INSERT INTO app.u VALUES ({}, 1)", 100_000 + n);
        sqlx::raw_sql(AssertSqlSafe(insert))
            .execute(&mut *tool)
            .await
            .unwrap();
    }
}

async fn in_a_block(tool: &mut PgConnection) {
    let mut block = tool.begin().await.unwrap();
    for n in 0..COUNT {
        let insert = sqlx::query("INSERT INTO app.u VALUES ($1, 1)").bind(100_000 + n);
        insert.execute(&mut *block).await.unwrap();
    }
    block.commit().await.unwrap();
}

async fn in_one_string(tool: &mut PgConnection) {
    let inserts: String = (0..COUNT)
        .map(|n| format!("INSERT INTO app.u VALUES ({}, 1);", 100_000 + n))
        .collect();
    sqlx::raw_sql(AssertSqlSafe(inserts))
        .execute(&mut *tool)
        .await
        .unwrap();
}

async fn long(tool: &mut PgConnection) {
    for _ in 0..LONG {
        let update = "UPDATE app.u SET t = (SELECT max(n) FROM generate_series(1, 300000) n) WHERE id < 30000; ALTER TABLE app.u ALTER t SET DEFAULT 1";
        sqlx::raw_sql(update).execute(&mut *tool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, by the command above; nothing fails by its result"]
async fn cost() {
    on_schema(async |plur| {
        let time = async |way: &str, endpoint: &Endpoint| -> Duration {
            plur.sql("plur", "DELETE FROM app.u WHERE id >= 100000")
                .await;
            let mut tool = connect(endpoint).await;
            let began = Instant::now();
            match way {
                "autocommitted" => autocommitted(&mut tool).await,
                "in a block" => in_a_block(&mut tool).await,
                "in one string" => in_one_string(&mut tool).await,
                _ => long(&mut tool).await,
            }
            let took = began.elapsed();
            tool.close().await.unwrap();
            took
        };
        for way in ["autocommitted", "in a block", "in one string", "long"] {
            let mut ratios = Vec::new();
            for _ in 0..ROUNDS {
                let direct = time(way, plur.server.endpoint()).await;
                let mut through = Duration::ZERO;
                observed(plur, async |endpoint| through = time(way, endpoint).await).await;
                let ratio = through.as_secs_f64() / direct.as_secs_f64();
                eprintln!("{way}: directly {direct:?}, observed {through:?}, {ratio:.3}");
                ratios.push(ratio);
            }
            ratios.sort_by(f64::total_cmp);
            eprintln!("{way}: {:.3} is the median", ratios[ROUNDS / 2]);
        }
    })
    .await;
}
