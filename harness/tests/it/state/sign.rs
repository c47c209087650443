//! Drills that a program of the user signs, and a log that another one verifies.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rstest::rstest;

use super::Site;

const SIGN: &str = "openssl dgst -sha256 -sign ec.pem";
const VERIFY: &str = "openssl dgst -sha256 -verify ec.pub -signature {signature}";

impl Site {
    /// A site with a key of openssl, which redrill does not know.
    fn with_openssl() -> Self {
        let site = Self::new();
        site.make_key("ec");
        site
    }

    fn make_key(&self, name: &str) {
        let make = format!(
            "openssl ecparam -name prime256v1 -genkey -noout -out {name}.pem && openssl ec -in {name}.pem -pubout -out {name}.pub"
        );
        let made = Command::new("sh")
            .args(["-c", &make])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn script(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_program_signs_and_another_verifies() {
    let mut site = Site::with_openssl();
    site.set("REDRILL_SIGN_COMMAND", SIGN);
    for _ in 0..2 {
        site.drill("", 0);
    }
    let report = fs::read_to_string(site.path("reports/out/orgs/drill.md")).unwrap();
    assert!(report.contains("command:openssl"), "{report}");
    // Nobody who has no program for it can verify it, and that is said.
    let verify = "verify --state .redrill";
    let said = site.call(verify);
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert!(
        said.stdout.contains(
            "the signatures of 2 drills and their checkpoints, which command:openssl made"
        ),
        "{}",
        said.stdout
    );
    let said = site.call(&format!("{verify} --signers key.pub"));
    assert_eq!(said.code, 23, "{}", said.stdout);
    assert!(
        said.stdout.contains("`--verify-command` is not given"),
        "{}",
        said.stdout
    );

    site.set("REDRILL_VERIFY_COMMAND", VERIFY);
    let said = site.call(verify);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("2 drills by command:openssl"),
        "{}",
        said.stdout
    );
    assert!(
        !said.stdout.contains("the signatures of"),
        "{}",
        said.stdout
    );
    let gate = "gate --scenario orgs.toml --verified";
    assert_eq!(site.call(gate).code, 0);

    // Another key, a changed signature of a checkpoint, an entry that nobody or that a key in the state signed.
    site.make_key("other");
    site.set(
        "REDRILL_VERIFY_COMMAND",
        &VERIFY.replace("ec.pub", "other.pub"),
    );
    let said = site.call(verify);
    assert_eq!(said.code, 23, "{}", said.stdout);
    assert!(
        said.stdout
            .contains("entry 0 its signature is not one of command:openssl"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .contains("checkpoint 1 its signature is not one over"),
        "{}",
        said.stdout
    );
    assert_eq!(site.call(gate).code, 23);
    site.set("REDRILL_VERIFY_COMMAND", VERIFY);
    let (one, two) = (
        ".redrill/checkpoints/0000000001.sig",
        ".redrill/checkpoints/0000000002.sig",
    );
    let good = fs::read(site.path(one)).unwrap();
    fs::copy(site.path(two), site.path(one)).unwrap();
    let said = site.call(verify);
    assert!(
        said.stdout
            .contains("checkpoint 1 its signature is not one over"),
        "{}",
        said.stdout
    );
    fs::write(site.path(one), good).unwrap();
    assert_eq!(site.call(verify).code, 0);
    site.set("REDRILL_SIGN_COMMAND", "");
    site.environment
        .retain(|(name, _)| name != "REDRILL_SIGN_COMMAND");
    site.drill("", 0);
    site.drill("--key key", 0);
    let said = site.call(verify);
    assert_eq!(said.code, 23, "{}", said.stdout);
    assert!(
        said.stdout.contains("entry 2 nobody signed it"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("entry 3 it is signed by SHA256:"),
        "{}",
        said.stdout
    );
}

#[rstest]
#[case::is_not_there("no-such-program", "cannot start `no-such-program`")]
#[case::has_no_key("openssl dgst -sha256 -sign nokey.pem", "it ended with exit status")]
#[case::prints_nothing("true", "it printed nothing")]
#[case::prints_garbage("sha256sum", "`--verify-command` refuses its signature")]
fn a_program_that_does_not_sign_is_an_error_before_the_drill(
    #[case] sign: &str,
    #[case] why: &str,
) {
    let mut site = Site::with_openssl();
    site.set("REDRILL_SIGN_COMMAND", sign);
    site.set("REDRILL_VERIFY_COMMAND", VERIFY);
    let said = site.drill("", 3);
    assert!(said.stderr.contains(why), "{}", said.stderr);
    assert!(!site.path("reports/out/orgs").exists() && !site.path(".redrill").exists());
}

/// A token that is removed during the drill: its verdict stays, and nothing is in the log that nobody signed.
#[test]
fn a_program_that_fails_after_the_drill_does_not_change_the_verdict() {
    let mut site = Site::with_openssl();
    site.script(
        "sign.sh",
        &format!("#!/bin/sh\necho x >> calls\n[ \"$(wc -l < calls)\" -le 2 ] || {{ echo \"no token; PIN $PIN\" >&2; exit 5; }}\nexec {SIGN}\n"),
    );
    site.set("PIN", "geheim-4711");
    site.set("REDRILL_SIGN_COMMAND", "./sign.sh");
    let said = site.drill("", 3);
    assert!(said.stderr.contains("it was not recorded: `--sign-command ./sign.sh …`: it ended with exit status: 5: no token; PIN ***"), "{}", said.stderr);
    let record = fs::read_to_string(site.path("reports/out/orgs/drill.json")).unwrap();
    assert!(record.contains("\"verdict\": \"PROVEN\""), "{record}");
    assert_eq!(
        fs::read_dir(site.path(".redrill/entries")).map_or(0, Iterator::count),
        0
    );
    site.set("REDRILL_SIGN_COMMAND", SIGN);
    site.drill("", 0);
    site.set("REDRILL_VERIFY_COMMAND", VERIFY);
    assert_eq!(site.call("verify --state .redrill").code, 0);
}
