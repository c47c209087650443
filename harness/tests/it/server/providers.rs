//! Both providers give the same verdict for the same reasons, and show no secret.

use redrill::server::{Client, ClientInput};
use serde_json::Value;

use super::drill::{Drill, PROVIDERS, usable};
use crate::support::{Plur, on_empty};

const GOOD: &str = "
CREATE ROLE app LOGIN PASSWORD 'planted-0';
CREATE TABLE public.orders (id integer PRIMARY KEY, at timestamptz);
ALTER TABLE public.orders OWNER TO app;
COPY public.orders (id, at) FROM stdin;
1\t2026-01-01 00:00:00 Europe/Zurich
2\t2026-01-02 00:00:00+00
\\.
SELECT pg_catalog.lo_create(4711);
CREATE INDEX orders_at ON public.orders (at);
";

/// Errors whose messages hold what must not be shown, each in another way.
const BROKEN: &str = "
CREATE ROLE app LOGIN PASSWORD 'planted-1';
CREATE ROLE app LOGIN PASSWORD 'planted-2';
CREATE TABLE public.orders (id integer PRIMARY KEY, mail text CHECK (mail <> 'planted-3'));
CREATE FUNCTION public.refuse(state text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'card planted-4' USING ERRCODE = state; END $$;
SELECT public.refuse('P0001');
SELECT public.refuse('23505');
SELECT public.refuse('53100');
COPY public.orders (id, mail) FROM stdin;
planted-5\tx
\\.
COPY public.orders (id, mail) FROM stdin;
1\tplanted-3
\\.
SELECT 1 'planted-6';
COPY public.gone (id, mail) FROM stdin;
planted-7\tplanted-8
\\.
";

const CHECK: &str = "
[[check.row-count]]
table = \"public.orders\"
exact = 2
";

/// What must be the same: verdict, stages, checks, and what was found. Minor versions of psql go on
/// differently after a COPY into a table that is not there, so what is found last is left out.
fn facts(report: &Value) -> Vec<String> {
    let mut facts = vec![report["verdict"].to_string()];
    for stage in report["stages"].as_array().unwrap() {
        let findings = stage["findings"].as_array().unwrap();
        let findings = &findings[..findings.len().min(8)];
        facts.push(format!(
            "{} {} {}",
            stage["name"],
            stage["outcome"],
            Value::from(findings)
        ));
    }
    for check in report["checks"].as_array().unwrap() {
        facts.push(format!(
            "{} {} {}",
            check["id"], check["outcome"], check["actual"]
        ));
    }
    facts
}

#[tokio::test]
async fn both_providers_say_the_same() {
    for (sql, code) in [(GOOD, 0), (BROKEN, 10)] {
        let drill = Drill::new(sql, CHECK);
        let mut seen: Vec<Vec<String>> = Vec::new();
        for provider in PROVIDERS {
            if !usable(provider).await {
                continue;
            }
            let (output, report) = drill.run(provider);
            let shown = format!(
                "{}{}{report}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(output.status.code(), Some(code), "{provider}: {shown}");
            assert!(!shown.contains("planted"), "{provider}: {shown}");
            assert_eq!(drill.left(), [""; 0], "{provider}");
            seen.push(facts(&report));
        }
        if let [one, other] = seen.as_slice() {
            assert_eq!(one, other);
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_not_waited_for() {
    let settings = "[server]\nsettings = { session_preload_libraries = 'nothing_like_it' }\n";
    let drill = Drill::new(GOOD, &format!("{settings}{CHECK}"));
    for provider in PROVIDERS {
        if !usable(provider).await {
            continue;
        }
        let (output, report) = drill.run(provider);
        assert_eq!(output.status.code(), Some(3), "{provider}: {report}");
        let reason = report["stages"][1]["could_not_run"]["reason"]
            .as_str()
            .unwrap();
        assert!(
            reason.starts_with("the server refuses the session of redrill: "),
            "{reason}"
        );
        assert!(reason.contains("58P01"), "{reason}");
        assert_eq!(drill.left(), [""; 0], "{provider}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_told_with_the_last_reason() {
    if !usable("container").await {
        return;
    }
    // It takes a connection and then says nothing for a minute. Before that there was no socket.
    let server = "[server]\nstart-within = '8s'\nsettings = { pre_auth_delay = '60s' }\n";
    let drill = Drill::new(GOOD, &format!("{server}{CHECK}"));
    let (output, report) = drill.run("container");
    assert_eq!(output.status.code(), Some(3), "{report}");
    let reason = report["stages"][1]["could_not_run"]["reason"]
        .as_str()
        .unwrap();
    let rest = reason.strip_prefix("the server did not answer within 8s: ");
    assert!(rest.is_some_and(|why| !why.is_empty()), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_ended_only_when_it_has_begun() {
    if !usable("container").await {
        return;
    }
    on_empty(17, async |plur: &Plur| {
        for _ in 0..20 {
            let mut client = plur
                .server
                .client(Client {
                    program: "psql",
                    arguments: vec!["--version".to_owned()],
                    input: ClientInput::Nothing,
                })
                .await
                .unwrap();
            // Its output is not read: that it is there does not wait for it.
            assert_eq!(client.end.wait().await.unwrap(), Some(0));
        }
    })
    .await;
}

#[tokio::test]
async fn a_container_can_be_reached_by_a_port() {
    if !usable("container").await {
        return;
    }
    let by_port = format!("[server.container]\nreach = \"port\"\n{CHECK}");
    let (output, report) = Drill::new(GOOD, &by_port).run("container");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(report["server"].to_string().contains("port on 127.0.0.1"));
}
