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
