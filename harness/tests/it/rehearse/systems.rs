//! The releases of the systems, by their committed scenarios: the good one is safe, and each bad migration is unsafe for its own
//! reason.

use std::process::Command;

use rstest::rstest;

use super::release::{FIRST_RUN_ONLY, Rehearsed, rehearse};
use crate::drill::builder::{Redrill, redrill};
use crate::drill::powernode;
use crate::support::{caches, plur_api, plur_backup, root};

/// The checks of the release gate.
const GATE: &str = "role,rls,tenant,append-only";

/// The programs and the backups that the scenarios name.
fn prepared(system: &str) -> Redrill {
    let backup = match system {
        "plur" => plur_backup(),
        _ => powernode::backup(),
    };
    let backups = backup.parent().unwrap().to_str().unwrap();
    let (plur, own) = (plur_api(), plur_api().with_file_name("powernode-api"));
    redrill()
        .drilled(system)
        .environment("XDG_CACHE_HOME", caches().to_str().unwrap())
        .environment("PLUR_API", plur.to_str().unwrap())
        .environment("POWERNODE_API", own.to_str().unwrap())
        .environment(&format!("{}_BACKUPS", system.to_uppercase()), backups)
}

/// The folder of a system's releases.
fn release(system: &str) -> String {
    format!("{}/fixtures/databases/{system}/release", root().display())
}

/// The committed scenario, with this file in place of the good release and lines for `[rehearse]`.
fn scenario(system: &str, file: &str, settings: &str) -> String {
    let (root, release) = (root().display().to_string(), release(system));
    let text = std::fs::read_to_string(format!("{root}/scenarios/{system}.toml")).unwrap();
    let text = text.replace("\"../", &format!("\"{root}/"));
    let baseline = format!("{system}.baseline.json");
    let text = text.replace(&baseline, &format!("{root}/scenarios/{baseline}"));
    let runner = format!("{release}/migrate.sh\"");
    let good = format!("[rehearse]\ncommand = [\"{runner}]\n");
    let bad = format!("[rehearse]\ncommand = [\"{runner}, \"{release}/bad/{file}\"]\n{settings}");
    assert!(text.contains(&good), "{text}");
    // The way back, and what holds afterwards, are those of the good one.
    let down = format!("down = [\"{runner}, \"down\"]\n");
    let text = text.replace(&good, &bad).replace(&down, "");
    let of_good = text.find("\n[[after.").unwrap();
    text[..of_good].to_owned() + "\n"
}

/// Rehearses one bad migration, with the checks of the release gate.
fn bad(system: &str, file: &str, settings: &str) -> Rehearsed {
    let gate = if system == "plur" { GATE } else { "role" };
    let run = prepared(system).scenario(&scenario(system, file, settings));
    rehearse(run.with("--only").with(gate))
}

#[rstest]
#[case::plur("plur", &["down"])]
#[ignore = "slow: ci/slow.sh"]
#[case::powernode("powernode", &[])]
fn the_release_of_a_system_is_safe(#[case] system: &str, #[case] skipped: &[&str]) {
    let committed = format!("{}/scenarios/{system}.toml", root().display());
    let rehearsed = rehearse(prepared(system).with(&committed));
    assert_eq!(rehearsed.verdict(), "SAFE", "{}", rehearsed.ended.stdout);
    assert_eq!(rehearsed.steps("skipped"), skipped);
    assert_eq!(rehearsed.steps("fail"), [""; 0]);
    assert!(rehearsed.advice().is_empty(), "{:?}", rehearsed.advice());
    // All checks of the drill ran on what the release made of the database.
    let checks = rehearsed.report()["checks"].as_array().unwrap();
    for kind in ["role", "schema-version", "api"] {
        let of_kind = |check: &&serde_json::Value| check["result"]["kind"] == kind;
        assert!(checks.iter().any(|check| of_kind(&check)), "{kind}");
    }
}

/// Each fails in these steps only, and every fault is about one of these objects.
#[rstest]
#[case::grant_widened("plur", "020-grant-widened.sql", &["changes", "checks"], &["api_keys"])]
#[ignore = "slow: ci/slow.sh"]
#[case::policy_widened(
    "plur", "021-policy-widened.sql", &["changes", "checks"], &["memberships", "member_directory"]
)]
#[ignore = "slow: ci/slow.sh"]
#[case::trigger_disabled("plur", "022-trigger-disabled.sql", &["changes", "checks"], &["audit_events"])]
#[ignore = "slow: ci/slow.sh"]
#[case::not_null_with_nulls("plur", "024-not-null-with-nulls.sql", &["run"], &["api_keys"])]
#[ignore = "slow: ci/slow.sh"]
#[case::unique_with_duplicates(
    "plur", "025-unique-with-duplicates.sql", &["run", "changes"], &["recall_log_key"]
)]
#[ignore = "slow: ci/slow.sh"]
#[case::only_on_empty("plur", "026-only-on-empty.sql", &["run"], &["plur.users"])]
#[case::open_to_everybody(
    "powernode", "20250701000000_open_users_to_everybody.rb", &["changes"], &["public.users"]
)]
#[case::embeddings_with_nulls(
    "powernode", "20250701000100_require_embeddings.rb", &["run"], &["ai_knowledge_graph_nodes"]
)]
#[ignore = "slow: ci/slow.sh"]
#[case::messages_with_duplicates(
    "powernode", "20250701000200_one_message_per_role.rb", &["run", "changes"],
    &["index_messages_on_conversation_id_and_role"]
)]
#[case::index_under_lock(
    "powernode", "20250701000300_index_audit_logs_on_user_id.rb", &["work"], &["index_audit_logs_on_user_id"]
)]
#[case::seed_on_real_rows("powernode", "20250701000400_seed_first_account.rb", &["run"], &["accounts"])]
fn a_bad_migration_is_unsafe_for_its_own_reason(
    #[case] system: &str,
    #[case] file: &str,
    #[case] steps: &[&str],
    #[case] about: &[&str],
) {
    let rehearsed = bad(system, file, FIRST_RUN_ONLY);
    // A statement that an error ends early may have read few rows or all: then its scan is a fault too.
    let scanned = steps == ["run"] && rehearsed.steps("fail") == ["run", "work"];
    rehearsed.fails_in(if scanned { &["run", "work"] } else { steps });
    for fault in rehearsed.faults() {
        let of_it = about.iter().any(|object| fault.contains(object));
        assert!(of_it, "{fault}");
    }
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::plur("plur", "027-not-repeatable.sql", "plur.orgs ADD COLUMN plan")]
#[case::powernode(
    "powernode",
    "20250701000500_add_plan_and_seats.rb",
    "accounts ADD COLUMN plan"
)]
fn a_migration_that_cannot_be_repeated_is_unsafe_once_it_is_cut_off(
    #[case] system: &str,
    #[case] file: &str,
    #[case] statement: &str,
) {
    let rehearsed = bad(system, file, "two-runners = false\n");
    let findings = rehearsed.fails_in(&["crashes"]);
    assert!(findings.contains(statement), "{findings}");
    assert!(findings.contains("(42701)"), "{findings}");
}

/// The rule is of ten thousand rows and more, which the database of the drills does not have.
#[test]
#[ignore = "slow, for its larger database: ci/tools.sh"]
fn a_backfill_in_one_statement_is_unsafe() {
    let folder = caches().join("plur-10");
    let made = Command::new(root().join("fixtures/databases/plur/make.sh"))
        .arg(&folder)
        .env("SCALE", "10")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    // Its rows stay locked until its end, and others wait, as long as this machine takes.
    let settings = format!("{FIRST_RUN_ONLY}lock-limit = \"10m\"\n");
    let text = scenario("plur", "023-backfill-at-once.sql", &settings);
    let run = prepared("plur")
        .environment("PLUR_BACKUPS", folder.to_str().unwrap())
        .scenario(&text);
    let rehearsed = rehearse(run.with("--only").with(GATE));
    rehearsed.fails_in(&["work"]);
    let faults: Vec<String> = rehearsed.faults().into_iter().collect();
    assert_eq!(faults, ["backfill: backfill org_acme.engrams"]);
}
