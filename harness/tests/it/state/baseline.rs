//! What a drill leaves for `record` of a `baseline` check: it is in the state, so that a drill of another machine finds it.

use std::fs;

use rstest::rstest;

use super::s3::variables;
use super::{SCENARIO, Site};
use crate::backup::source::servers::Server;
use crate::drill::codes::SMALL;

/// A file that cannot be written, not even by root: a scenario folder that is read-only.
const READ_ONLY: &str = "/proc/redrill/orgs.baseline.toml";

const FIRST: &str = "there is no record of one";

impl Site {
    /// A new machine, with nothing but its checkout.
    fn with_record(record: &str) -> Self {
        let site = Self::new();
        let check =
            format!("{SCENARIO}\n[[check.baseline]]\nname = \"since\"\nrecord = \"{record}\"\n");
        // The number of rows is not what fails.
        let check = check.replace("exact = 3", "min = 1");
        fs::write(site.path("orgs.toml"), check).unwrap();
        site
    }

    fn report(&self) -> String {
        fs::read_to_string(self.path("reports/out/orgs/drill.md")).unwrap()
    }

    /// The backup of this machine has one row less.
    fn lose_a_row(&self) {
        let fewer = SMALL.replace("\n3\n", "\n");
        fs::write(self.path("orgs-2026-11-20.sql"), fewer).unwrap();
    }
}

#[rstest]
fn what_a_drill_leaves_is_found_by_the_next_one(#[values(false, true)] in_s3: bool) {
    let folder = tempfile::tempdir().unwrap();
    let server = in_s3.then(|| Server::seaweedfs(folder.path()));
    let state = match in_s3 {
        true => "s3://drills/team".to_owned(),
        false => folder.path().join("state").display().to_string(),
    };
    let machine = || {
        let mut site = Site::with_record(READ_ONLY);
        if let Some(server) = &server {
            site.environment = variables(server.port).into_iter().collect();
        }
        site
    };
    let drill = |site: &Site, code: i32| site.drill(&format!("--state {state} --key key"), code);
    let (first, second, third, fourth) = (machine(), machine(), machine(), machine());
    // One key for all of them.
    for site in [&second, &third, &fourth] {
        fs::copy(first.path("key"), site.path("key")).unwrap();
    }
    // The file cannot be written, and need not be.
    let said = drill(&first, 0);
    assert!(!said.stderr.contains("/proc"), "{}", said.stderr);
    assert!(first.report().contains(FIRST), "{}", first.report());
    // A drill that is not PROVEN leaves nothing: the one after it is compared with the first.
    for site in [&second, &third] {
        site.lose_a_row();
        drill(site, 10);
        let report = site.report();
        assert!(!report.contains(FIRST), "{report}");
        assert!(report.contains("3 rows"), "{report}");
    }
    drill(&fourth, 0);
    let verified = fourth.call(&format!("verify --state {state}"));
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    // Without a state nothing is remembered, and the file is missed.
    let said = fourth.drill("--no-state", 3);
    assert!(said.stderr.contains(READ_ONLY), "{}", said.stderr);
    assert!(fourth.report().contains(FIRST), "{}", fourth.report());
}

#[test]
fn what_was_left_cannot_be_exchanged() {
    let site = Site::with_record("records/orgs.toml");
    site.drill("", 0);
    let left: Vec<_> = fs::read_dir(site.path(".redrill/baselines"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let [left] = &left[..] else {
        panic!("{left:?}")
    };
    let good = fs::read_to_string(left).unwrap();
    assert_eq!(
        good,
        fs::read_to_string(site.path("records/orgs.toml")).unwrap()
    );
    // A table of fewer rows hides that some were lost.
    fs::write(left, good.replace("3 rows", "2 rows")).unwrap();
    site.lose_a_row();
    site.drill("", 3);
    assert!(
        site.report()
            .contains("entry 0 left for the next drill is missing or was changed"),
        "{}",
        site.report()
    );
    let said = site.call("verify --state .redrill");
    assert_eq!(said.code, 23);
    assert!(
        said.stdout
            .contains("entry 0 what it left for the next drill"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("was changed"), "{}", said.stdout);
    fs::remove_file(left).unwrap();
    let said = site.call("verify --state .redrill");
    assert!(said.stdout.contains("is missing"), "{}", said.stdout);
    fs::write(left, &good).unwrap();
    site.drill("", 10);
    assert_eq!(site.call("verify --state .redrill").code, 0);
}

/// The file of an earlier version is read until the state has a record, and goes on being written.
#[test]
fn a_file_without_a_state_keeps_working() {
    let site = Site::with_record("records/orgs.toml");
    site.drill("--no-state", 0);
    let file = fs::read(site.path("records/orgs.toml")).unwrap();
    site.lose_a_row();
    site.drill("", 10);
    assert!(!site.report().contains(FIRST), "{}", site.report());
    assert!(!site.path(".redrill/baselines").exists());
    fs::write(
        site.path("orgs-2026-11-20.sql"),
        SMALL.replace("\n3\n", "\n3\n4\n"),
    )
    .unwrap();
    site.drill("", 0);
    assert_ne!(fs::read(site.path("records/orgs.toml")).unwrap(), file);
    // From now on the state says what was there, whatever became of the file.
    fs::write(site.path("records/orgs.toml"), file).unwrap();
    fs::write(site.path("orgs-2026-11-20.sql"), SMALL).unwrap();
    site.drill("", 10);
    assert!(site.report().contains("4 rows"), "{}", site.report());
}

/// Whoever can write to the state but has no key cannot say what the next drill is compared with.
#[test]
fn what_another_key_signed_is_not_used() {
    let sites = [(); 3].map(|()| Site::with_record("records/orgs.toml"));
    let [site, other, unsigned] = &sites;
    let state = site.path("state").display().to_string();
    let drill = |site: &Site, words: &str, code: i32| {
        site.drill(&format!("--state {state} {words}"), code);
    };
    let refused = |words: &str, entry: u64, why: &str| {
        drill(site, words, 3);
        let report = site.report();
        let expected = format!(
            "the record that entry {entry} left for the next drill is not used: the entry {why}"
        );
        assert!(report.contains(&expected), "{report}");
        assert!(report.contains("with `--signers`"), "{report}");
    };
    // Before there is a key, nobody signs: the first drill with one goes on with that.
    drill(site, "", 0);
    drill(site, "--key key", 0);
    assert!(!site.report().contains(FIRST), "{}", site.report());
    // From then on a loss cannot be hidden by an entry that nobody signed.
    other.lose_a_row();
    drill(other, "", 10);
    drill(unsigned, "", 0);
    refused(
        "--key key",
        3,
        "is signed by nobody, and entry 1 before it is",
    );
    drill(unsigned, "--key key", 0);
    refused("--key key", 5, "is signed by another key, SHA256:");
    // That key may sign, too.
    fs::copy(unsigned.path("key.pub"), site.path("others.pub")).unwrap();
    drill(site, "--key key --signers others.pub", 0);
    // A copy of an earlier entry at the end of the log.
    let entries = site.path("state/entries");
    let copy = entries.join("0000000008.json");
    fs::copy(entries.join("0000000001.json"), copy).unwrap();
    refused("--key key", 8, "was written as entry 1");
}
