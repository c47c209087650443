//! Who ran a drill, where and with which program, as each report has it.

use std::process::Command;

use super::SCENARIO;
use super::builder::redrill;
use super::codes::SMALL;

const COMMIT: &str = "ffac537e6cbbf934b08745a378932722df287a53";

#[test]
fn a_job_of_github_is_in_every_report() {
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_ACTOR", "octo"),
        ("GITHUB_JOB", "drill"),
        // The user part of an address may be a secret.
        ("GITHUB_SERVER_URL", "https://ann:s3cr3t-word@git.example"),
        ("GITHUB_REPOSITORY", "shop/orders"),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_SHA", COMMIT),
    ];
    let drill = redrill().scenario(SCENARIO);
    let drill = drill.backup(SMALL, "orgs-2026-11-20.sql");
    let drill = variables
        .into_iter()
        .fold(drill, |drill, (name, value)| drill.environment(name, value));
    let ended = drill.run();
    let provenance = &ended.drill()["provenance"];
    assert_eq!(provenance["actor"], "octo", "{provenance:#}");
    assert_eq!(provenance["actor_variable"], "GITHUB_ACTOR");
    let ci = &provenance["ci"];
    assert_eq!(ci["system"], "GitHub Actions");
    assert_eq!(ci["commit"], COMMIT);
    let url = ci["job_url"].as_str().unwrap();
    assert!(
        url.ends_with("@git.example/shop/orders/actions/runs/7"),
        "{url}"
    );
    let digest = Command::new("sha256sum")
        .arg(env!("CARGO_BIN_EXE_redrill"))
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    let expected = digest.split_whitespace().next().unwrap();
    assert_eq!(provenance["program_sha256"], expected);

    let host = Command::new("uname").arg("-n").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    assert_eq!(provenance["host"], host.trim());
    let [page, junit] = &ended.pages;
    let hostname = format!("hostname=\"{}\"", host.trim());
    assert!(junit.contains(&hostname), "{junit}");
    assert!(page.contains("octo"), "{page}");
    for report in [&ended.drill().to_string(), junit, page, &ended.stdout] {
        assert!(!report.contains("s3cr3t-word"), "{report}");
    }
}

/// As whom checks ran and what they tried, the scenario itself, what checks are compared with, and what the server ran with.
#[test]
fn the_record_says_as_whom_and_on_what_each_check_ran() {
    let dump = format!(
        "{SMALL}\nCREATE ROLE keeper LOGIN;\nCREATE TABLE ledger (note text);\nINSERT INTO ledger VALUES ('s3cret-row');\nGRANT SELECT ON ledger TO keeper;\n"
    );
    let scenario = r#"schema = 1
name = "conduct"

[backup]
path = "orgs-2026-11-20.sql"

[restore]
database = "orgs"

[[check.sql]]
name = "keeper reads"
role = "keeper"
query = "SELECT count(*) FROM public.ledger WHERE note = 's3cret-row'"
scalar = 1

[[check.role]]
name = "keeper reads only"
role = "keeper"
floor = ["connect on database", "usage on schema public", "select on public.ledger"]
ceiling = ["temporary on database orgs"]
attempts = true

[[check.command]]
name = "the script"
command = ["sh", "check.sh", "--strict"]
role = "keeper"
"#;
    let drill = redrill().scenario(scenario).drilled("conduct");
    let ended = drill
        .backup(&dump, "orgs-2026-11-20.sql")
        .file("check.sh", "exit 0\n")
        .run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let drill = ended.drill();
    assert_eq!(drill["scenario"]["text"], scenario);
    let settings = &drill["scenario"]["settings"];
    assert_eq!(settings["written"]["restore.database"], "orgs");
    assert_eq!(settings["defaults"]["restore.timeout"], "6h");
    let inputs = &drill["scenario"]["inputs"];
    assert_eq!(inputs[0]["path"], "check.sh", "{inputs:#}");
    assert_eq!(inputs[0]["sha256"], redrill::digest::sha256("exit 0\n"));
    let settings = drill["server"]["settings"].as_array().unwrap();
    let fsync = settings.iter().find(|one| one["name"] == "fsync").unwrap();
    assert_eq!(fsync["value"], "off");
    assert!(drill["server"]["digest"].as_str().unwrap().len() >= 64);

    let conduct = drill["conduct"].as_array().unwrap();
    let tried = |check: &str| {
        let own = conduct.iter().find(|one| one["check"] == check).unwrap();
        let roles = own["roles"].as_array().unwrap();
        let keeper = roles.iter().find(|one| one["role"] == "keeper").unwrap();
        assert_eq!(keeper["superuser"], false);
        keeper["tried"].as_array().unwrap().clone()
    };
    let query = "SELECT count(*) FROM public.ledger WHERE note = '…'";
    assert!(
        tried("sql/keeper-reads")
            .iter()
            .any(|one| one["what"] == query)
    );
    let role = tried("role/keeper-reads-only");
    let refused = |one: &&serde_json::Value| one["refused"] == 1 && one["rolled_back"] == true;
    assert!(role.iter().any(|one| refused(&one)), "{role:#?}");
    let program = &tried("command/the-script")[0]["what"];
    assert_eq!(program, "program sh check.sh --strict");

    let [page, junit] = &ended.pages;
    for report in [page, junit] {
        assert!(report.contains("public.ledger WHERE note"), "{report}");
        assert!(report.contains("program sh check.sh --strict"), "{report}");
        assert!(
            report.contains(&redrill::digest::sha256("exit 0\n")),
            "{report}"
        );
        assert!(!report.contains("s3cret-row"), "{report}");
    }
}

/// Of a local server the record says which files an extension was made of.
#[test]
fn the_extensions_of_a_local_server_have_digests() {
    let dump = format!(
        "{}\nCREATE EXTENSION pg_trgm;\n",
        SMALL.replace("17.6", "15.6")
    );
    let ended = redrill()
        .scenario(SCENARIO)
        .backup(&dump, "orgs-2026-11-20.sql")
        .with("--server")
        .with("local")
        .run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let server = &ended.drill()["server"];
    let extension = &server["extensions"][0];
    assert_eq!(extension["name"], "pg_trgm", "{server:#}");
    let digest = extension["sha256"].as_str().unwrap();
    // As a person would make it, with the tools of a shell.
    let script = r#"
        bin=$1
        share=$("$bin/pg_config" --sharedir) libraries=$("$bin/pg_config" --pkglibdir)
        for file in "$share"/extension/pg_trgm.control "$share"/extension/pg_trgm--*.sql "$libraries/pg_trgm.so"; do
            sum=$(sha256sum < "$file")
            printf '%s  %s  %s' "${sum%% *}" "$(stat -Lc %s "$file")" "$(basename "$file")" | sha256sum | cut -c 1-64
        done | python3 -c 'import sys; print("%064x" % (sum(int.from_bytes(bytes.fromhex(line), "little") for line in sys.stdin) % 2**256))'"#;
    let made = Command::new("bash")
        .args(["-ec", script, "bash", server["origin"].as_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&made.stdout).trim(), digest);
    let page = &ended.pages[0];
    assert!(page.contains(digest), "{page}");
}
