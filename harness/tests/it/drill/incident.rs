//! The result is sent to where incidents are kept, by the real binary to a real server; whatever
//! becomes of it, the verdict and the exit code are those of the drill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::Value;

use super::builder::{Ended, Redrill, redrill};
use crate::backup::source::servers::free_port;
use crate::backup::source::web::{Answer, Web, answer};
use crate::support::json_schema::JsonSchema;

/// A backup that is cut: NOT PROVEN before any server starts.
const CUT: &str = "--
-- PostgreSQL database dump
--
CREATE TABLE public.orders (id integer);
COPY public.orders (id) FROM stdin;
1
";

/// The whole of it.
const WHOLE: &str = "--
-- PostgreSQL database dump
--
CREATE TABLE public.orders (id integer);
COPY public.orders (id) FROM stdin;
1
2
\\.

--
-- PostgreSQL database dump complete
--
";

/// A scenario whose results go to an address.
fn scenario(url: &str, rest: &str) -> String {
    format!(
        "schema = 1\nname = \"drilled\"\n[backup]\npath = \"named-by-the-command-line\"\n\
         [[check.row-count]]\ntable = \"public.orders\"\nexact = 2\n\
         [incident]\nseverity = \"P1\"\n[incident.webhook]\nurl = {url}\n{rest}"
    )
}

fn drill(web: &Web, rest: &str) -> Redrill {
    redrill().scenario(&scenario(
        &format!("\"{}\"", web.url("/hooks/planted-path")),
        rest,
    ))
}

/// Answers one after the other; the last one again and again.
fn answers(list: &'static [(&'static str, &'static str)]) -> Web {
    Web::start(move |number, _| -> Answer {
        let (status, headers) = list[number.min(list.len() - 1)];
        answer(status, headers, b"")
    })
}

/// The drill itself came to its end as it must.
fn not_proven(ended: &Ended) {
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.drill()["verdict"], "NOT PROVEN");
}

#[test]
fn it_arrives_though_the_other_side_fails_twice() {
    let web = answers(&[
        ("500 Internal Server Error", ""),
        ("503 Service Unavailable", "Retry-After: 3\r\n"),
        ("200 OK", ""),
    ]);
    let began = Instant::now();
    let ended = drill(&web, "token = { env = \"HOOK_TOKEN\" }\nheaders = { x-team = \"dba\", x-api-key = { env = \"HOOK_KEY\" } }")
        .environment("HOOK_TOKEN", "planted-token")
        .environment("HOOK_KEY", "planted-key")
        .backup(CUT, "orders-2026-05-25.sql")
        .run();
    not_proven(&ended);
    assert!(
        began.elapsed() > Duration::from_secs(4),
        "a second, then the three that were asked for"
    );
    let sent = format!(
        "sent to http://127.0.0.1:{}, on try 3, status 200",
        web.port
    );
    let line = format!("incident   {sent}");
    assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    let line = format!("incident: {sent}");
    assert!(ended.pages[1].contains(&line), "{}", ended.pages[1]);
    let cell = ended.pages[0]
        .lines()
        .find(|line| line.starts_with("| Incident webhook"));
    let cell = cell.unwrap_or_default().replace('\\', "");
    assert!(cell.contains("on try 3, status 200"), "{cell}");
    assert_eq!(
        ended.drill()["incident"],
        serde_json::json!({
            "delivery": "sent",
            "to": format!("http://127.0.0.1:{}", web.port),
            "status": 200,
            "tries": 3,
            "why": null,
        })
    );

    let asked = web.asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    let run = ended.drill()["run"].as_str().unwrap();
    for request in asked.iter() {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/hooks/planted-path")
        );
        assert_eq!(
            request.header("authorization"),
            Some("Bearer planted-token")
        );
        assert_eq!(request.header("x-api-key"), Some("planted-key"));
        assert_eq!(request.header("x-team"), Some("dba"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("idempotency-key"), Some(run));
    }
    let body: Value = serde_json::from_slice(&asked[2].body).unwrap();
    let schema = JsonSchema::of(redrill::report::incident::schema());
    assert_eq!(schema.errors(&body), "", "{body}");
    for (pointer, expected) in [
        ("/schema", Value::from(1)),
        ("/dedup_key", "redrill:drilled".into()),
        ("/open", true.into()),
        ("/severity", "P1".into()),
        ("/verdict", "NOT PROVEN".into()),
        ("/exit_code", 10.into()),
        ("/run", run.into()),
        ("/scenario/name", "drilled".into()),
        ("/failures/0/of", "stage".into()),
        ("/failures/0/name", "backup".into()),
        ("/failures/0/outcome", "fail".into()),
        ("/backup/sha256", ended.drill()["backup"]["sha256"].clone()),
        ("/backup/made", "2026-05-25T00:00:00Z".into()),
        ("/reports/0", "reports/drilled/drill.json".into()),
        ("/repeat", ended.drill()["repeat"].clone()),
    ] {
        assert_eq!(
            body.pointer(pointer),
            Some(&expected),
            "{pointer} in {body}"
        );
    }
    let summary = body["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("P1: restore drill of drilled: NOT PROVEN: stage `backup` failed:"),
        "{summary}"
    );

    // The severity stands in every report, and no secret anywhere.
    assert_eq!(ended.drill()["severity"], "P1");
    assert!(
        ended.pages[0].contains("| Severity ") && ended.pages[0].contains("| P1 "),
        "{}",
        ended.pages[0]
    );
    assert!(
        ended.pages[1].contains("severity: P1"),
        "{}",
        ended.pages[1]
    );
    assert!(ended.stdout.contains("severity   P1"), "{}", ended.stdout);
    let all = format!(
        "{}{}{}{}{}{body}",
        ended.stdout,
        ended.stderr,
        ended.pages[0],
        ended.pages[1],
        ended.drill()
    );
    for secret in ["planted-token", "planted-key", "planted-path"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn what_does_not_arrive_is_told_and_changes_nothing() {
    let slow = Web::start(|_, _| {
        std::thread::sleep(Duration::from_secs(20));
        answer("200 OK", "", b"")
    });
    let moved = answers(&[("302 Found", "Location: http://127.0.0.1:1/elsewhere\r\n")]);
    let refused = answers(&[("403 Forbidden", "")]);
    let later = answers(&[("429 Too Many Requests", "Retry-After: 3600\r\n")]);
    let down = answers(&[("502 Bad Gateway", "")]);
    let closed = Arc::new(free_port());
    for (url, rest, asked, status, says) in [
        (
            slow.url("/"),
            "timeout = \"300ms\"\ntries = 1",
            None,
            None,
            "did not answer within 300 ms",
        ),
        (
            moved.url("/"),
            "",
            Some((&moved, 1)),
            Some(302),
            "answered 302 Found: redirects are not followed",
        ),
        (
            refused.url("/"),
            "",
            Some((&refused, 1)),
            Some(403),
            "answered 403 Forbidden: check `token`",
        ),
        (
            later.url("/"),
            "",
            Some((&later, 1)),
            Some(429),
            "asks to wait for 1 h 00 min, which is too long",
        ),
        (
            down.url("/"),
            "tries = 2",
            Some((&down, 2)),
            Some(502),
            "answered 502 Bad Gateway (the last attempt of 2)",
        ),
        (
            format!("http://127.0.0.1:{closed}/"),
            "tries = 1",
            None,
            None,
            "cannot be reached",
        ),
    ] {
        let ended = redrill()
            .scenario(&scenario(&format!("\"{url}\""), rest))
            .backup(CUT, "orders-2026-05-25.sql")
            .run();
        not_proven(&ended);
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
        assert!(
            ended.stdout.contains("incident   NOT sent"),
            "{}",
            ended.stdout
        );
        if let Some((web, times)) = asked {
            assert_eq!(web.count("POST"), times, "{says}");
        }
        let incident = &ended.drill()["incident"];
        assert_eq!(incident["delivery"], "not_sent");
        assert_eq!(incident["status"], Value::from(status), "{says}");
        assert_eq!(incident["to"], url.trim_end_matches('/'), "{says}");
        let why = incident["why"].as_str().unwrap();
        assert!(why.contains(says), "{why}");
        assert!(
            ended.pages[0].contains("| NOT sent to "),
            "{}",
            ended.pages[0]
        );
        // Shown in a case of its own, which is not red: the only red one is that of the backup.
        let case = ended.pages[1]
            .lines()
            .find(|line| line.contains(".incident\""));
        assert!(
            case.is_some_and(|case| case.contains("<skipped")),
            "{}",
            ended.pages[1]
        );
        let suite = ended.pages[1]
            .lines()
            .find(|line| line.starts_with("<testsuite "));
        assert!(
            suite.is_some_and(|suite| suite.contains("failures=\"1\"")),
            "{suite:?}"
        );
    }
    let ended = redrill()
        .scenario(&scenario("{ env = \"NO_SUCH_HOOK\" }", ""))
        .backup(CUT, "orders-2026-05-25.sql")
        .run();
    not_proven(&ended);
    assert!(
        ended
            .stderr
            .contains("environment variable `NO_SUCH_HOOK` is not set"),
        "{}",
        ended.stderr
    );
}

#[test]
fn reports_are_complete_before_a_delivery_and_say_that_it_has_not_ended() {
    let run = redrill();
    let folder = run.path("reports/drilled");
    let web = Web::start(move |_, _| {
        let json = std::fs::read_to_string(folder.join("drill.json")).unwrap_or_default();
        let says = json.contains("\"delivery\": \"not_known\"");
        let markdown = std::fs::read_to_string(folder.join("drill.md")).unwrap_or_default();
        match says && markdown.contains("before the delivery ended") {
            true => answer("200 OK", "", b""),
            false => answer("400 Bad Request", "", b""),
        }
    });
    let ended = run
        .scenario(&scenario(&format!("\"{}\"", web.url("/hooks")), ""))
        .backup(CUT, "orders-2026-05-25.sql")
        .run();
    not_proven(&ended);
    assert_eq!(ended.drill()["incident"]["delivery"], "sent");
    assert!(!ended.pages[0].contains("before the delivery ended"));
}

#[test]
fn a_proven_drill_is_sent_only_where_every_result_is_logged() {
    let web = answers(&[("204 No Content", "")]);
    let ended = drill(&web, "").backup(WHOLE, "orders-2026-05-25.sql").run();
    ended.is_proven().unwrap();
    assert_eq!(web.count("POST"), 0);
    assert!(!ended.stdout.contains("incident"), "{}", ended.stdout);
    assert_eq!(ended.drill()["incident"], Value::Null);

    let ended = drill(&web, "always = true")
        .backup(WHOLE, "orders-2026-05-25.sql")
        .run();
    ended.is_proven().unwrap();
    assert_eq!(ended.drill()["incident"]["status"], 204);
    let asked = web.asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(
        (&body["open"], &body["severity"]),
        (&false.into(), &Value::Null)
    );
    assert_eq!(
        (&body["verdict"], &body["dedup_key"]),
        (&"PROVEN".into(), &"redrill:drilled".into())
    );
    // Nothing is grave about a backup that restores.
    assert_eq!(ended.drill()["severity"], Value::Null);
    let [markdown, junit] = &ended.pages;
    assert!(!markdown.contains("| Severity ") && !junit.contains("severity: "));
    assert!(!ended.stdout.contains("severity "));

    // It failed and is sent only where that is not among what is asked for.
    drop(asked);
    let ended = drill(&web, "on = [\"objective-missed\"]")
        .backup(CUT, "orders-2026-05-25.sql")
        .run();
    not_proven(&ended);
    assert_eq!(web.count("POST"), 1);
}

#[test]
fn a_signal_is_told_too_and_not_held_up() {
    let web = Web::start(|_, _| {
        std::thread::sleep(Duration::from_secs(30));
        answer("200 OK", "", b"")
    });
    let slow = WHOLE.replace(
        "CREATE TABLE",
        "SELECT pg_catalog.pg_sleep(30);\nCREATE TABLE",
    );
    let ended = drill(&web, "")
        .backup(slow, "orders-2026-05-25.sql")
        .interrupted_after(Duration::from_secs(2));
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("(one attempt of 1)") || ended.stderr.contains("did not answer"),
        "{}",
        ended.stderr
    );
}

#[test]
fn mistakes_are_reported_with_their_place() {
    let text = scenario("\"https://me:pass@hooks.test/\"", "token = \"literal\"\nheaders = { Authorization = \"Bearer literal\", \"x y\" = \"z\" }\non = []\nalways = true\ntries = 0\n")
        .replace("\"P1\"", "\" \"");
    let ended = redrill().scenario(&text).call(&["list"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    insta::assert_snapshot!(ended.stderr, @r#"
    error: a severity is one or two words
     --> scenario.toml:9:12
      |
    9 | severity = " "
      |            ^^^
      |
      = hint: use a term of your incident tool, such as `severity = "P1"`

    error: a secret is never written in a scenario
      --> scenario.toml:11:7
       |
    11 | url = "https://me:pass@hooks.test/"
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = hint: write `{ env = "NAME" }` or `{ file = "path" }`

    error: a secret is never written in a scenario
      --> scenario.toml:12:9
       |
    12 | token = "literal"
       |         ^^^^^^^^^
       |
       = hint: write `{ env = "NAME" }` or `{ file = "path" }`

    error: two ways of authentication
      --> scenario.toml:13:13
       |
    13 | headers = { Authorization = "Bearer literal", "x y" = "z" }
       |             ^^^^^^^^^^^^^
       |
       = hint: keep `token` or this header

    error: a secret is never written in a scenario
      --> scenario.toml:13:29
       |
    13 | headers = { Authorization = "Bearer literal", "x y" = "z" }
       |                             ^^^^^^^^^^^^^^^^
       |
       = hint: write `{ env = "NAME" }` or `{ file = "path" }`

    error: this is not a header name
      --> scenario.toml:13:47
       |
    13 | headers = { Authorization = "Bearer literal", "x y" = "z" }
       |                                               ^^^^^

    error: `always` already selects every result
      --> scenario.toml:14:1
       |
    14 | on = []
       | ^^
       |
       = hint: keep `on` or `always`

    error: no result is ever sent
      --> scenario.toml:14:6
       |
    14 | on = []
       |      ^^
       |
       = hint: remove `on` to send all but PROVEN, or remove the whole table

    error: the number of attempts is 1 to 10
      --> scenario.toml:16:9
       |
    16 | tries = 0
       |         ^

    9 errors in scenario.toml
    "#);
    let good = scenario("\"https://hooks.test/\"", "");
    for (from, to, mistake) in [
        ("severity = \"P1\"\n", "", "`severity` is missing"),
        (
            "url = \"https://hooks.test/\"",
            "tries = 1",
            "`url` is missing",
        ),
        ("https://", "", "this is not an HTTP address"),
        (
            "hooks.test/\"",
            "hooks.test/\"\non = [\"red\"]",
            "unknown value `red`",
        ),
        ("[incident]", "[incidents]", "did you mean `incident`?"),
    ] {
        let ended = redrill().scenario(&good.replace(from, to)).call(&["list"]);
        assert_eq!(ended.code, 2, "{mistake}: {}", ended.stdout);
        assert!(
            ended.stderr.contains(mistake),
            "{mistake}: {}",
            ended.stderr
        );
    }
}

/// Each target of `[[notify]]` gets what it takes, a switch also when a drill begins and when it passed.
#[rstest]
#[case::passed(WHOLE, 0, &["GET /start", "GET /ping", "POST /always"])]
#[case::failed(CUT, 10, &["GET /start", "GET /failed", "POST /slack", "POST /always"])]
fn several_targets_are_notified(
    #[case] backup: &str,
    #[case] code: i32,
    #[case] expected: &[&str],
) {
    let web = answers(&[("200 OK", "")]);
    let url = |path: &str| web.url(path);
    let notify = format!(
        "[[notify]]\nformat = \"ping\"\nurl = \"{}\"\nstart = \"{}\"\nfailed = {{ env = \"FAILED\" }}\n\
         [[notify]]\nformat = \"slack\"\nurl = \"{}\"\n\
         [[notify]]\nalways = true\nurl = \"{}\"\n",
        url("/ping"),
        url("/start"),
        url("/slack"),
        url("/always")
    );
    let text = scenario("\"http://127.0.0.1:9/\"", "on = [\"interrupted\"]\n");
    let ended = redrill()
        .scenario(&(text + &notify))
        .environment("FAILED", &url("/failed"))
        .backup(backup, "orders-2026-05-25.sql")
        .run();
    assert_eq!(ended.code, code, "{}\n{}", ended.stdout, ended.stderr);
    let asked = web.asked.lock().unwrap();
    let mut calls: Vec<String> = asked
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert_eq!(calls[0], "GET /start");
    calls.sort();
    let mut expected: Vec<String> = expected.iter().map(|call| (*call).to_owned()).collect();
    let results = expected.len() - 1;
    expected.sort();
    assert_eq!(calls, expected);
    for request in asked.iter().filter(|request| request.method == "GET") {
        assert!(request.body.is_empty());
    }
    if let Some(slack) = asked.iter().find(|request| request.path == "/slack") {
        let body: Value = serde_json::from_slice(&slack.body).unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(
            text.starts_with("P1: restore drill of drilled: NOT PROVEN"),
            "{text}"
        );
        assert_eq!(body["mrkdwn"], false);
    }
    let sent = ended.drill()["notifications"].as_array().unwrap().clone();
    assert_eq!(sent.len(), results);
    assert!(sent.iter().all(|one| one["delivery"] == "sent"), "{sent:?}");
    assert_eq!(
        ended
            .stdout
            .matches("notified   sent to http://127.0.0.1:")
            .count(),
        results,
        "{}",
        ended.stdout
    );
    assert_eq!(
        ended.pages[0].matches("| Notification ").count(),
        results,
        "{}",
        ended.pages[0]
    );
}

/// A target that is not there is in every report, and changes nothing.
#[test]
fn a_target_that_is_not_there_does_not_stop_the_others() {
    let web = answers(&[("200 OK", "")]);
    let port = free_port();
    let notify = format!(
        "[[notify]]\nformat = \"ping\"\nurl = \"http://127.0.0.1:{port}/\"\nstart = \"http://127.0.0.1:{port}/s\"\ntries = 1\n\
         [[notify]]\nalways = true\nurl = \"{}\"\n",
        web.url("/always")
    );
    let text = scenario("\"http://127.0.0.1:9/\"", "");
    let ended = redrill()
        .scenario(&(text + &notify))
        .backup(WHOLE, "orders-2026-05-25.sql")
        .run();
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .stderr
            .contains("the beginning of `drilled` was not sent"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("the result of `drilled` was not sent"),
        "{}",
        ended.stderr
    );
    let sent = &ended.drill()["notifications"];
    assert_eq!(
        (&sent[0]["delivery"], &sent[1]["delivery"]),
        (&"not_sent".into(), &"sent".into())
    );
    assert_eq!(web.asked.lock().unwrap().len(), 1);
}

#[rstest]
#[case::on("format = \"ping\"\non = [\"proven\"]", "a ping says by its address")]
#[case::start("start = \"http://a.test/\"", "only a ping has several addresses")]
#[case::failed(
    "format = \"slack\"\nfailed = \"http://a.test/\"",
    "only a ping has several addresses"
)]
#[case::no_address("format = \"ping\"\nfailed = \"a.test\"", "failed = \"a.test\"")]
#[case::secret(
    "format = \"ping\"\nstart = \"http://u:p@a.test/\"",
    "a secret is never written"
)]
#[case::word("format = \"pong\"", "format = \"pong\"")]
#[case::key("adress = \"http://a.test/\"", "adress")]
fn bad_targets_are_refused(#[case] keys: &str, #[case] expected: &str) {
    let text = scenario("\"http://127.0.0.1:9/\"", "")
        + &format!("[[notify]]\nurl = \"http://a.test/\"\n{keys}\n");
    let ended = redrill()
        .scenario(&text)
        .backup(WHOLE, "orders-2026-05-25.sql")
        .run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}
