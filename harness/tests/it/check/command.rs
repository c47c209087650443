use redrill::outcome::Finding;

use crate::support::{Case, Plur, on_plur};

fn check(body: &str) -> String {
    format!("[[check.command]]\n{body}")
}

/// A check that runs a script of the shell.
fn sh(script: &str, more: &str) -> String {
    check(&format!(
        "command = ['/bin/sh', '-c', '''{script}''']\n{more}"
    ))
}

async fn passes(plur: &Plur, name: &str, check: &str) {
    plur.passes(Case {
        name,
        change: "",
        undo: "",
        check,
    })
    .await;
}

async fn fails(plur: &Plur, name: &str, change: &str, check: &str, texts: &[&str]) {
    plur.fails(
        Case {
            name,
            change,
            undo: "",
            check,
        },
        texts,
    )
    .await;
}

async fn cannot(plur: &Plur, name: &str, check: &str, text: &str) {
    plur.cannot_look(
        Case {
            name,
            change: "",
            undo: "",
            check,
        },
        text,
    )
    .await;
}

/// What a check says that fails or cannot look, hints and all.
async fn said(plur: &Plur, check: &str) -> String {
    let case = Case {
        name: "",
        change: "",
        undo: "",
        check,
    };
    let findings: Vec<Finding> = match plur.run(case).await {
        Ok(observation) => observation.all_findings().cloned().collect(),
        Err(unable) => return format!("{unable:?}"),
    };
    format!("{findings:?}")
}

const USERS: &str = "test \"$(psql -XAtc \"SELECT count(*) FROM plur.users\")\" = 121";

#[tokio::test(flavor = "multi_thread")]
async fn command() {
    on_plur(async |plur| {
        passes(plur, "psql itself", &check("command = ['psql', '-Xc', 'SELECT 1 FROM plur.users']\nrole = 'plur_app'")).await;
        passes(plur, "a script, by the environment", &sh(USERS, "")).await;
        passes(plur, "by the URL", &sh("psql -Xc 'SELECT 1' \"$DATABASE_URL\"", "role = 'plur_app'")).await;
        fails(plur, "F46 its verdict is its exit code", "DELETE FROM plur.sessions; DELETE FROM plur.api_keys",
            &sh("test \"$(psql -XAtc 'SELECT count(*) FROM plur.api_keys')\" = 12", ""), &["exit code 0; exit code 1"]).await;
        passes(plur, "another exit code", &sh("exit 3", "expect = { exit = 3 }")).await;
        fails(plur, "not that exit code", "", &sh("exit 0", "expect = { exit = 3 }"), &["exit code 3; exit code 0"]).await;
        let path = sh("psql -XAtc 'SHOW search_path'", "role = 'plur_app'\nexpect = { output = '^plur, ag_catalog, public$' }");
        passes(plur, "its output, with the role's own settings", &path).await;
        fails(plur, "its output is another", "", &sh("echo no", "expect = { output = 'balanced' }"), &["output that matches `balanced`; 1 line, none that matches"]).await;
        fails(plur, "R04 the role has lost its right", "REVOKE SELECT ON plur.users FROM plur_reader", &sh(USERS, "role = 'plur_app'"), &["exit code 0; exit code 1"]).await;
        fails(plur, "R01 the role is not there", "", &sh("exit 0", "role = 'nobody_here'"), &["role nobody_here"]).await;
        cannot(plur, "a role that no program can be", &sh("exit 0", "role = 'plur_owner'"), "may not log in").await;

        // Nothing of it stays.
        let write = "psql -XqAtc 'DELETE FROM plur.sessions'";
        for via in [write, "psql -XqAtc 'DELETE FROM plur.sessions' \"$DATABASE_URL\"", "env -u PGOPTIONS psql -XqAtc 'DELETE FROM plur.sessions' \"$DATABASE_URL\""] {
            fails(plur, "a write is refused", "", &sh(via, ""), &["exit code 1"]).await;
        }
        let original = "test \"$(psql -XAt -d \"$${PGDATABASE#redrill_copy_of_}\" -c 'SELECT count(*) FROM plur.sessions')\" = 30";
        passes(plur, "a write goes into a copy", &sh(&format!("{write} && {original}"), "writes = true")).await;
        passes(plur, "the copy has the settings of the database", &path.replace("role =", "writes = true\nrole =")).await;
        let rights = "psql -XAtc \"SELECT count(*) FROM pg_database a, pg_database b WHERE a.datname = current_database() AND b.datname = substr(a.datname, 17) AND a.datdba = b.datdba AND a.datacl = b.datacl\"";
        passes(plur, "and its rights", &sh(rights, "writes = true\nrole = 'plur_app'\nexpect = { output = '^1$' }")).await;
        let left = plur.connect("postgres").await;
        drop(left);
        passes(plur, "no copy is left", &sh("test \"$(psql -XAtc \"SELECT count(*) FROM pg_database WHERE datname LIKE 'redrill_copy%'\")\" = 0", "")).await;
        let busy = "psql -Xqc 'SELECT pg_sleep(60)' >/dev/null 2>&1 & exit 0";
        passes(plur, "a session in the copy does not keep it", &sh(busy, "writes = true")).await;
        passes(plur, "what it leaves behind is killed", &sh("setsid sleep 4321 & sleep 4322 & exit 0", "")).await;
        let running = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            line == b"sleep\x004321\x00" || line == b"sleep\x004322\x00"
        });
        assert_eq!(running.count(), 0);

        // What says nothing of the backup.
        cannot(plur, "no such program", &check("command = ['no-such-program']"), "cannot start").await;
        cannot(plur, "no program", &check("command = ['./plur.toml']"), "cannot start").await;
        cannot(plur, "it takes too long", &sh("sleep 600 & sleep 600", "timeout = '3s'"), "did not end within").await;
        cannot(plur, "a signal", &sh("kill -9 $$", ""), "a signal ended it").await;

        // Tests.
        passes(plur, "tests pass", &sh("echo 1..2; echo ok 1 - a; echo ok 2 - b", "")).await;
        fails(plur, "a test fails, whatever the exit code", "", &sh("echo 1..2; echo ok 1 - a; echo not ok 2 - the column is there", ""),
            &["test 2: the column is there; a test that passes; it failed"]).await;
        fails(plur, "fewer tests than announced", "", &sh("echo 1..3; echo ok 1", ""), &["3 tests, as announced; 1 test ran"]).await;
        fails(plur, "no test at all", "", &sh("echo 1..0", ""), &["there is no test"]).await;

        // What is shown.
        let loud = "echo alice@acme.example; exit 1";
        let quiet = said(plur, &sh(loud, "")).await;
        assert!(quiet.contains("wrote 1 line;") && !quiet.contains("alice"), "{quiet}");
        let shown = said(plur, &sh(loud, "show-output = true")).await;
        assert!(shown.contains("alice@acme.example"), "{shown}");
        let secret = sh("echo key $KEY; exit 1", "show-output = true\nenv = { KEY = { file = '../fixtures/databases/plur/api/ada.authorization' } }");
        let shown = said(plur, &secret).await;
        assert!(shown.contains("key") && !shown.contains("plur-fixture-key-ada"), "{shown}");
        assert!(said(plur, &sh("env; exit 1", "show-output = true")).await.contains("PGOPTIONS"));
        plur.assert_passed_and_failed("command");
    })
    .await;
}
