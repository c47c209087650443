//! Tools that behave oddly: they are killed, cancel, send anything, or drop what they are connected to.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redrill::database::{Address, SOCKET};
use redrill::rehearse::observe::LockMode::AccessExclusive;
use sqlx::{Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{connect, mode, observed, on_schema, options, psql, psql_command, stopped};
use crate::support::Plur;

/// Waits until a program has begun its statement.
async fn begun(plur: &Plur, statement: &str) {
    let mut connection = plur.connect("plur").await;
    loop {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1";
        let count: i64 = sqlx::query_scalar(query)
            .bind(format!("%{statement}%"))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        if count > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_tool_ends_with_its_statement() {
    on_schema(async |plur| {
        let seen = observed(plur, async |endpoint| {
            let mut child = psql_command(endpoint)
                .args(["-c", "ALTER TABLE app.t ADD x integer; SELECT pg_sleep(0.5)"])
                .spawn()
                .unwrap();
            begun(plur, "pg_sleep").await;
            child.kill().await.unwrap();
        })
        .await;
        assert_eq!(mode(&seen, "app.t"), Some(AccessExclusive));
        let mut direct = plur.connect("plur").await;
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%' AND pid <> pg_backend_pid()")
            .fetch_one(&mut direct)
            .await
            .unwrap();
        assert_eq!(left, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_cancels_its_statement() {
    on_schema(async |plur| {
        for statement in ["SELECT pg_sleep(60)", "SELECT 1; SELECT pg_sleep(60)"] {
            let seen = observed(plur, async |endpoint| {
                let child = psql_command(endpoint)
                    .args(["-c", statement])
                    .spawn()
                    .unwrap();
                begun(plur, "pg_sleep").await;
                let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
                kill(pid, Signal::SIGINT).unwrap();
                let output = child.wait_with_output().await.unwrap();
                assert_eq!(output.status.code(), Some(1), "{output:?}");
            })
            .await;
            assert_eq!(
                seen.statements.last().unwrap().error.as_deref(),
                Some("57014")
            );
            assert_eq!(seen.processes.len(), 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_may_be_sent() {
    on_schema(async |plur| {
        stopped(plur, None, async |endpoint| {
            let Address::Socket { programs, .. } = &endpoint.address else {
                panic!("it is a socket");
            };
            let startup = b"\0\0\0\x25\0\x03\0\0user\0postgres\0database\0plur\0\0".to_vec();
            assert_eq!(startup.len(), 0x25);
            let sent: Vec<Vec<u8>> = vec![
                vec![],
                b"\0".to_vec(),
                b"GET / HTTP/1.1\r\n\r\n".to_vec(),
                b"\x16\x03\x01\0\0\0\0\0".to_vec(),
                b"\0\0\0\x08\x04\xd2\x16\x2e".to_vec(),
                b"\0\0\0\x08\x04\xd2\x16\x2f".to_vec(),
                b"\0\0\0\x08\0\x02\0\0".to_vec(),
                [&startup[..], b"Q\0\0\0\x03"].concat(),
                [&startup[..], b"Q\xff\xff\xff\xff"].concat(),
                [&startup[..], b"Q\0\0\0\x04"].concat(),
                [&startup[..], b"Q\0\0\0\x08abcd"].concat(),
                [
                    &startup[..],
                    b"E\0\0\0\x04B\0\0\0\x04P\0\0\0\x04C\0\0\0\x04D\0\0\0\x04S\0\0\0\x04",
                ]
                .concat(),
                [&startup[..], b"P\0\0\0\x05x"].concat(),
                [
                    &startup[..],
                    b"P\0\0\0\x10\0SELECT 1\0\0\0Q\0\0\0\x0dSELECT 1\0",
                ]
                .concat(),
                [&startup[..], b"d\0\0\0\x10\0c\0\0\0\x04z\0\0\0\x04"].concat(),
                [&startup[..], b"F\0\0\0\x04"].concat(),
            ];
            for bytes in sent {
                let mut connection = UnixStream::connect(programs.join(SOCKET)).await.unwrap();
                connection.write_all(&bytes).await.unwrap();
                connection.shutdown().await.unwrap();
                let mut answer = Vec::new();
                let read = connection.read_to_end(&mut answer);
                let _ = tokio::time::timeout(Duration::from_secs(20), read)
                    .await
                    .expect("it ends");
            }
            // Others go on.
            let output = psql(endpoint, "SELECT 42").await;
            assert!(String::from_utf8_lossy(&output.stdout).contains("42"));
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_connections_and_databases_are_kept_apart() {
    on_schema(async |plur| {
        let seen = observed(plur, async |endpoint| {
            let mut first = connect(endpoint).await;
            let mut second = connect(endpoint).await;
            let mut block = first.begin().await.unwrap();
            block
                .execute("ALTER TABLE app.t ADD x integer")
                .await
                .unwrap();
            sqlx::raw_sql("SELECT 1; ALTER TABLE app.u ADD x integer; SELECT 2")
                .execute(&mut second)
                .await
                .unwrap();
            block.commit().await.unwrap();
            first.close().await.unwrap();
            second.close().await.unwrap();
            // Databases come and go.
            let maintenance = options(endpoint).database("template1");
            let mut third = sqlx::PgConnection::connect_with(&maintenance)
                .await
                .unwrap();
            for statement in [
                "CREATE DATABASE other TEMPLATE plur",
                "ALTER DATABASE other RENAME TO another",
            ] {
                sqlx::query(statement).execute(&mut third).await.unwrap();
            }
            let another = options(endpoint).database("another");
            let mut fourth = sqlx::PgConnection::connect_with(&another).await.unwrap();
            sqlx::raw_sql("SELECT 1; ALTER TABLE app.u ADD y integer; SELECT 2")
                .execute(&mut fourth)
                .await
                .unwrap();
            fourth.close().await.unwrap();
            sqlx::query("DROP DATABASE another")
                .execute(&mut third)
                .await
                .unwrap();
            third.close().await.unwrap();
            let nothing = options(endpoint).database("nothing");
            let refused = sqlx::PgConnection::connect_with(&nothing)
                .await
                .unwrap_err();
            assert!(refused.to_string().contains("does not exist"));
        })
        .await;
        assert_eq!(seen.processes.len(), 5);
        let exclusive: Vec<(&str, &str, usize)> = seen
            .locks
            .iter()
            .filter(|lock| lock.mode == AccessExclusive)
            .map(|lock| {
                (
                    lock.database.as_str(),
                    lock.relation.as_str(),
                    seen.statements[lock.statement].connection,
                )
            })
            .collect();
        assert_eq!(
            exclusive,
            [
                ("plur", "app.t", 0),
                ("plur", "app.u", 1),
                ("another", "app.u", 3)
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_plpgsql_a_string_passes_as_it_is() {
    on_schema(async |plur| {
        plur.sql("plur", "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC; CREATE ROLE migrator LOGIN; GRANT USAGE ON SCHEMA app TO migrator; ALTER TABLE app.u OWNER TO migrator; GRANT CREATE ON SCHEMA app TO migrator").await;
        let seen = stopped(plur, None, async |endpoint| {
            let mut tool = sqlx::PgConnection::connect_with(&options(endpoint).username("migrator")).await.unwrap();
            sqlx::raw_sql("SELECT 1; ALTER TABLE app.u ADD x integer; SELECT 2").execute(&mut tool).await.unwrap();
            tool.close().await.unwrap();
        })
        .await;
        assert_eq!(seen.not_observed.len(), 1, "{seen:?}");
        assert_eq!(seen.statements.len(), 3);
    })
    .await;
}
