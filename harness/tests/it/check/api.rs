//! `api` with the fixture's application, and with programs that are none.

use std::process::Command;

use crate::support::{Case, on_own_plur, on_plur, plur_api};

/// Builds the fixture's application, and writes a check of it.
fn check() -> String {
    let program = plur_api();
    format!(
        r#"
[[check.api]]
command = ["{}"]
role = "plur_app"
ready = {{ path = "/health", within = "30s" }}

[[check.api.request]]
path = "/health"
expect.json = {{ "$.status" = "ok", "$.users" = 121, "$.migrations.head" = 10 }}
expect.headers = {{ content-type = "application/json" }}

[[check.api.request]]
name = "a restored user is known"
path = "/api/v1/me"
headers = {{ authorization = "Bearer plur-fixture-key-ada" }}
expect.json = {{ "$.user.id" = 1, "$.user.email" = {{ min-length = 5 }}, "$.org" = {{ exists = true }} }}
expect.within = "5s"

[[check.api.request]]
name = "nobody comes in without a key"
path = "/api/v1/me"
expect.status = 401

[[check.api.request]]
name = "the graph answers"
path = "/api/v1/scopes"
expect.json = {{ "$.count" = {{ min = 1 }}, "$.scopes[*].users" = {{ min = 1 }} }}

[[check.api.request]]
name = "vectors answer"
path = "/api/v1/recall?org=acme&q=backup"
headers = {{ authorization = "Bearer plur-fixture-key-ada" }}
expect.json = {{ "$.engrams" = {{ length = 5 }} }}
expect.body-contains = "distance"
"#,
        program.display()
    )
}

/// A check of a shell script, which is no application. One that ends by itself gets time enough
/// to end on a busy machine.
fn script(text: &str, within: &str) -> String {
    format!(
        r#"
[[check.api]]
command = ["/bin/sh", "-c", '''{text}''']
role = "plur_app"
ready = {{ within = "{within}" }}

[[check.api.request]]
path = "/"
expect.body-contains = "x"
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_answers() {
    let check = check();
    on_plur(async |plur| {
        let undo = "";
        plur.passes(Case { name: "the good backup", change: "", undo, check: &check }).await;
        let fails: &[(&str, &str, &[&str])] = &[
            (
                "a user is lost",
                "DELETE FROM plur.api_keys WHERE user_id = 1",
                &["a restored user is known", "status 200", "status 401"],
            ),
            (
                "O08 the role may not read",
                "REVOKE SELECT ON plur.users FROM plur_reader, plur_app",
                &["status 200", "within 30.0 s", "503"],
            ),
            (
                "another user has the key",
                "UPDATE plur.api_keys SET user_id = 2 WHERE user_id = 1",
                &["$.user.id is 1", "a number that differs"],
            ),
            (
                "the graph is empty",
                r#"DELETE FROM plur_permissions."GRANTS""#,
                &["the graph answers", "a smaller number"],
            ),
            (
                "G05 the library is not loaded",
                "DO $$BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I RESET session_preload_libraries', pg_catalog.current_database()); END$$",
                &["the graph answers", "status 503"],
            ),
        ];
        let short = check.replace("within = \"30s\"", "within = \"5s\"");
        for (name, change, texts) in fails {
            let texts: Vec<&str> = texts.iter().map(|t| if *t == "within 30.0 s" { "within 5.0 s" } else { t }).collect();
            plur.fails(Case { name, change, undo, check: &short }, &texts).await;
        }
        let began = std::time::Instant::now();
        let no_role = check.replace("role = \"plur_app\"", "role = \"plur_ap\"");
        plur.fails(Case { name: "O04 the role is lost", change: "", undo, check: &no_role }, &["role plur_ap; a role; there is none in the restored server"]).await;
        let no_login = Case { name: "the role may not log in", change: "CREATE ROLE locked NOLOGIN", undo: "DROP ROLE locked", check: &check.replace("role = \"plur_app\"", "role = \"locked\"") };
        plur.cannot_look(no_login, "locked may not log in").await;
        assert!(began.elapsed() < std::time::Duration::from_secs(25), "it waited");
        let never = check.replace("expect.within = \"5s\"", "expect.within = \"0.001ms\"");
        plur.fails(Case { name: "too slow, twice", change: "", undo, check: &never }, &["an answer within", "then"]).await;
        let no_head = check.replace("\"$.migrations.head\" = 10", "\"$.migrations.head\" = 11");
        plur.fails(Case { name: "another number", change: "", undo, check: &no_head }, &["$.migrations.head is 11"]).await;
        plur.assert_passed_and_failed("api");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_does_not_come_up_fails() {
    on_plur(async |plur| {
        let cases: &[(&str, &str, &str, &[&str])] = &[
            (
                "it ends",
                "echo no such relation; exit 7",
                "60s",
                &["exited with code 7"],
            ),
            ("it is killed", "kill -9 $$", "60s", &["a signal ended it"]),
            (
                "it never listens",
                "sleep 600",
                "1s",
                &["within 1.0 s", "no connection"],
            ),
        ];
        for (name, text, within, texts) in cases {
            let check = script(text, within);
            plur.fails(
                Case {
                    name,
                    change: "",
                    undo: "",
                    check: &check,
                },
                texts,
            )
            .await;
        }
        let check = script("sleep 1", "1s").replace("/bin/sh", "/no/such/program");
        plur.cannot_look(
            Case {
                name: "no program",
                change: "",
                undo: "",
                check: &check,
            },
            "cannot start",
        )
        .await;
    })
    .await;
}

/// The fixture's application with another process, which has these keys.
fn with_process(keys: &str) -> String {
    format!(
        "{}\n[[check.api.process]]\nname = \"worker\"\n{keys}\n",
        check()
    )
}

/// Another process that is a shell script.
fn with_script(text: &str, ready: &str) -> String {
    with_process(&format!(
        "command = [\"/bin/sh\", \"-c\", '''{text}''']\nready = {{ {ready} }}"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_processes_must_get_ready_and_go_on() {
    let second = format!("command = [\"{}\"]", plur_api().display());
    let asked = "[[check.api.request]]\nprocess = \"worker\"\npath = \"/health\"\nexpect.json = { \"$.status\" = \"ok\" }";
    let second = format!("{second}\nrole = \"second\"\nready = {{ listens = true }}\n{asked}");
    // The address of the application is in the other one's environment.
    let asks = "exec 3<>/dev/tcp/127.0.0.1/$API && echo connected >&2; exec sleep 600";
    let connects = with_process(&format!(
        "command = [\"bash\", \"-c\", '''while :; do (: 3<>/dev/tcp/127.0.0.1/$API) 2>/dev/null && break; sleep 0.05; done; {asks}''']\nenv = {{ API = \"{{application.port}}\" }}\nready = {{ output = \"^connected$\" }}"
    ));
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().display().to_string();
    on_own_plur(async |plur| {
        let change = "CREATE ROLE second LOGIN; GRANT plur_app TO second";
        let undo = "DROP ROLE second";
        for (name, check) in [
            (
                "a second one with a role of its own",
                &with_process(&second),
            ),
            (
                "it writes a line",
                &with_script(
                    "echo booting; sleep 0.3; echo ready; exec sleep 600",
                    "output = \"^ready$\"",
                ),
            ),
            (
                "it writes a file",
                &with_script(
                    "sleep 0.3; echo ready > FOLDER/ready; exec sleep 600",
                    "file = \"FOLDER/ready\"",
                )
                .replace("FOLDER", &folder),
            ),
            ("it connects to the first one", &connects),
        ] {
            plur.passes(Case {
                name,
                change,
                undo,
                check,
            })
            .await;
        }
        let cases: &[(&str, String, &[&str])] = &[
            (
                "the second one ends",
                with_script(
                    "echo no such queue; exit 7",
                    "output = \"^ready$\", within = \"60s\"",
                ),
                &[
                    "worker",
                    "a line of output that matches `^ready$`",
                    "exited with code 7",
                ],
            ),
            (
                "the second one never gets ready",
                with_script(
                    "echo not ready; exec sleep 600",
                    "output = \"^ready$\", within = \"1s\"",
                ),
                &["worker", "within 1.0 s", "at the end, no such line"],
            ),
            (
                "it does not listen",
                with_script("exec sleep 600", "listens = true, within = \"1s\""),
                &["worker", "a connection to its port", "no connection"],
            ),
            (
                "the file was there before",
                with_script("exec sleep 600", "file = \"/bin/sh\", within = \"1s\""),
                &["worker", "the file `/bin/sh`", "as it was before the start"],
            ),
            (
                "there is no file",
                with_script("exec sleep 600", "file = \"no/such\", within = \"1s\""),
                &["worker", "no such file"],
            ),
            (
                "it ends once it was ready",
                with_script("echo ready; exit 3", "output = \"^ready$\""),
                &[
                    "worker",
                    "runs until the last request is answered",
                    "exited with code 3",
                ],
            ),
            (
                "O08 the role of the second one may not read",
                with_process(&second.replace("\"second\"", "\"nobody\"")),
                &["GET /health of worker", "status 503"],
            ),
            (
                "neither gets ready",
                with_script("exit 1", "listens = true").replace(
                    "\"/health\", within = \"30s\"",
                    "\"/health\", status = 299, within = \"1s\"",
                ),
                &["the application; status 299", "worker; a connection"],
            ),
        ];
        let change = "CREATE ROLE nobody LOGIN";
        let undo = "DROP ROLE nobody";
        for (name, check, texts) in cases {
            plur.fails(
                Case {
                    name,
                    change,
                    undo,
                    check,
                },
                texts,
            )
            .await;
        }
        let missing = with_script("x", "listens = true").replace("/bin/sh", "/no/such/program");
        plur.cannot_look(
            Case {
                name: "no program",
                change: "",
                undo: "",
                check: &missing,
            },
            "cannot start",
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_running() {
    on_plur(async |plur| {
        // The grandchild leaves the process group.
        let worker = "setsid sleep 98765 & exec sleep 98764";
        let check = format!(
            "{}\n[[check.api.process]]\nname = \"worker\"\ncommand = [\"/bin/sh\", \"-c\", '{worker}']\nready.within = \"1s\"\n",
            script(worker, "1s")
        );
        plur.fails(
            Case {
                name: "it never listens",
                change: "",
                undo: "",
                check: &check,
            },
            &["no connection"],
        )
        .await;
    })
    .await;
    let left = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line == b"sleep\x0098765\x00" || line == b"sleep\x0098764\x00"
        });
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_changes_the_schema_is_found() {
    // It migrates, then answers like the real one.
    let check = check();
    let program = check
        .lines()
        .find_map(|l| l.strip_prefix("command = [\""))
        .unwrap();
    let program = program.trim_end_matches("\"]").to_owned();
    let start = "psql -qX -h \"$PGHOST\" -U migrator -c 'CREATE TABLE public.migrated ()' && exec ";
    let migrates = check.replace(
        &format!("command = [\"{program}\"]"),
        &format!("command = [\"/bin/sh\", \"-c\", '''{start}{program}''']"),
    );
    if Command::new("psql").arg("--version").output().is_err() {
        return;
    }
    on_own_plur(async |plur| {
        let change = "CREATE ROLE migrator LOGIN SUPERUSER";
        let undo = "DROP OWNED BY migrator; DROP ROLE migrator";
        plur.fails(
            Case {
                name: "O09 it migrates",
                change,
                undo,
                check: &migrates,
            },
            &["leaves the schema as it was restored"],
        )
        .await;
        let allowed = migrates.replace(
            "role = \"plur_app\"",
            "role = \"plur_app\"\nmay-change-schema = true",
        );
        plur.passes(Case {
            name: "it may migrate",
            change,
            undo,
            check: &allowed,
        })
        .await;
    })
    .await;
}
