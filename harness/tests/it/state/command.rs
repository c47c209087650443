//! `run`, `verify`, `history`, `compare` and `gate`, one after the other.

use std::fs;

use super::Site;

/// The value of a line of the output.
fn value<'a>(output: &'a str, name: &str) -> &'a str {
    let line = output.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no `{name}` in {output}"))
        .trim()
}

#[test]
fn drills_are_recorded_and_verified() {
    let site = Site::new();
    let said = site.drill("--key key", 0);
    assert_eq!(value(&said.stdout, "log "), ".redrill: entry 0");
    let first = value(&said.stdout, "checkpoint ").to_owned();
    let page = fs::read_to_string(site.path("reports/out/orgs/drill.md")).unwrap();
    let junit = fs::read_to_string(site.path("reports/out/orgs/junit.xml")).unwrap();
    for report in [&page, &junit] {
        assert!(report.contains(&first), "{report}");
    }
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    fs::write(
        site.path("orgs.toml"),
        text.replace("exact = 3", "exact = 4"),
    )
    .unwrap();
    let said = site.drill("--key key", 10);
    let second = value(&said.stdout, "checkpoint ").to_owned();

    let said = site.call("verify --state .redrill --signers key.pub reports/out/orgs/drill.json");
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.starts_with("VERIFIED  .redrill\n"),
        "{}",
        said.stdout
    );
    assert_eq!(value(&said.stdout, "entries "), "2, 2 with their record");
    assert_eq!(value(&said.stdout, "checkpoint "), second);
    assert!(
        said.stdout
            .contains("drill.json is the record of entry 1: NOT PROVEN of `orgs`"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .contains("not proven  that the newest entries are still there"),
        "{}",
        said.stdout
    );

    // With a checkpoint that was kept, that is proven too.
    fs::write(site.path("kept.txt"), format!("{first}\n")).unwrap();
    let said = site.call("verify --state .redrill --checkpoint kept.txt");
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert!(
        !said
            .stdout
            .contains("that the newest entries are still there"),
        "{}",
        said.stdout
    );
    assert_eq!(
        value(&said.stdout, "kept "),
        "the log of 1 drill then is the beginning of this one"
    );

    let said = site.call("history --state .redrill");
    assert_eq!(
        said.stdout
            .lines()
            .filter(|line| line.contains(" orgs "))
            .count(),
        2,
        "{}",
        said.stdout
    );
    let said = site.call("history --state .redrill --json");
    let history: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(history[0]["verdict"], "PROVEN");
    assert_eq!(history[1]["failed"][0], "row-count/orgs");
    let said = site.call("compare 0 1 --state .redrill");
    assert!(
        said.stdout
            .contains("- verdict: PROVEN → NOT PROVEN\n- the same backup\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("- fails now: row-count/orgs\n"),
        "{}",
        said.stdout
    );
    assert_eq!(site.call("compare 0 7 --state .redrill").code, 4);

    // A report that somebody changed is not that of an entry.
    let record = fs::read_to_string(site.path("reports/out/orgs/drill.json")).unwrap();
    fs::write(
        site.path("nicer.json"),
        record.replace("NOT PROVEN", "PROVEN"),
    )
    .unwrap();
    let said = site.call("verify --state .redrill nicer.json");
    assert_eq!(said.code, 4);
    assert!(
        said.stderr
            .contains("nicer.json is not the record of an entry"),
        "{}",
        said.stderr
    );

    // The newest entry is removed with everything about it: only a kept checkpoint shows it.
    for name in [
        "entries/0000000001.json",
        "checkpoints/0000000002",
        "checkpoints/0000000002.sig",
    ] {
        fs::remove_file(site.path(".redrill").join(name)).unwrap();
    }
    assert_eq!(site.call("verify --state .redrill").code, 0);
    fs::write(site.path("kept.txt"), format!("{second}\n")).unwrap();
    let said = site.call("verify --state .redrill --checkpoint kept.txt");
    assert_eq!(said.code, 23);
    assert!(
        said.stdout.contains(
            "the kept checkpoint is of 2 entries, and there are 1: the newest were removed"
        ),
        "{}",
        said.stdout
    );
}

#[test]
fn a_gate_says_why_it_is_closed() {
    let site = Site::new();
    let gate = |words: &str| {
        let said = site.call(&format!("gate --scenario orgs.toml {words}"));
        (said.code, said.stdout + &said.stderr)
    };
    assert_eq!(gate("").0, 4, "there is no state");
    site.drill("--only row-count", 0);
    let (code, said) = gate("");
    assert_eq!(
        (code, said.as_str()),
        (
            4,
            "CLOSED  orgs: the log has no drill of all its checks that came to a conclusion\n"
        )
    );
    site.drill("--key key", 0);
    let (code, said) = gate("--max-age 1d --covers row-count");
    assert!(
        code == 0 && said.starts_with("OPEN  orgs: entry 1, PROVEN, began "),
        "{code} {said}"
    );
    assert_eq!(gate("--max-age 0s").0, 20);
    assert_eq!(gate("--covers row-count,rls").0, 21);
    let (code, said) = gate("--covers row-cuont");
    assert!(
        code == 2 && said.contains("did you mean `row-count`?"),
        "{code} {said}"
    );
    assert_eq!(gate("--rehearsed --commit ffac537").0, 22);
    assert_eq!(gate("--commit ffac537").0, 2, "it needs --rehearsed");
    // The first entry was not signed.
    assert_eq!(gate("--verified").0, 0);
    assert_eq!(gate("--verified --signers key.pub --max-age 0s").0, 23);
    fs::remove_file(site.path("orgs-2026-11-20.sql")).unwrap();
    site.drill("", 3);
    let (code, said) = gate("");
    assert!(
        code == 0 && said.contains("note: orgs: entry 2 is INCONCLUSIVE and decides nothing"),
        "{code} {said}"
    );
    fs::write(
        site.path("orgs-2026-11-20.sql"),
        "COPY public.orgs (id) FROM stdin;\n1\n",
    )
    .unwrap();
    site.drill("", 10);
    assert_eq!(gate("--max-age 1d").0, 10);
}

/// A year in the log: what is overdue, and what is evidence for which control.
#[test]
fn history_lists_what_is_overdue_and_controls() {
    let site = Site::new();
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    let text = text.replace(
        "[backup]",
        "controls = [\"SOC2:A1.3\"]\n[cadence]\nevery = \"90d\"\n[backup]",
    );
    let text = text
        + "controls = [\"NIST:CP-4\"]\n[[check.row-count]]\nname = \"more\"\ntable = \"plur.orgs\"\nmin = 1\n";
    fs::write(site.path("orgs.toml"), &text).unwrap();
    site.drill("", 0);
    let said = site.call("history --state .redrill");
    assert!(!said.stdout.contains("OVERDUE"), "{}", said.stdout);
    let controls = || site.call("history --state .redrill --controls").stdout;
    let said = controls();
    for control in ["NIST:CP-4", "SOC2:A1.3"] {
        let line = said.lines().find(|line| line.starts_with(control)).unwrap();
        assert!(
            line.contains(" evidence     orgs, entry 0, PROVEN, "),
            "{line}"
        );
    }
    // A drill that is not PROVEN is evidence for nothing, also where the check of a control passed; of selected checks neither.
    fs::write(site.path("orgs.toml"), text.replace("min = 1", "min = 9")).unwrap();
    site.drill("", 10);
    site.drill("--only row-count/orgs", 0);
    let said = controls();
    assert_eq!(
        said.matches(" NO EVIDENCE  orgs, entry 1, NOT PROVEN, ")
            .count(),
        2,
        "{said}"
    );
    fs::write(site.path("orgs.toml"), text.replace("90d", "1ms")).unwrap();
    site.drill("", 0);
    let said = site.call("history --state .redrill");
    assert!(
        said.stdout.contains("OVERDUE  orgs: PROVEN "),
        "{}",
        said.stdout
    );
    let said = site.call("history --state .redrill nobody");
    assert_eq!(said.code, 4);
}

/// What cannot be written is said before the drill where it was named, and is a note where it was not.
#[test]
fn a_state_that_cannot_be_written_does_not_change_the_verdict() {
    let site = Site::new();
    fs::write(site.path(".redrill"), "a file").unwrap();
    let said = site.drill("", 0);
    assert!(said.stdout.starts_with("PROVEN  orgs"), "{}", said.stdout);
    assert!(
        said.stderr
            .contains("note: `orgs` is not in a log: cannot "),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("hint: name a folder for it with `--state`"),
        "{}",
        said.stderr
    );
    let said = site.drill("--state .redrill", 3);
    assert_eq!(said.stdout, "", "no drill began");
    assert!(said.stderr.contains("cannot "), "{}", said.stderr);
    fs::remove_file(site.path(".redrill")).unwrap();
    let said = site.drill("--no-state", 0);
    assert!(!said.stdout.contains("checkpoint") && !site.path(".redrill").exists());
    fs::set_permissions(
        site.path("key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let said = site.drill("--key key", 3);
    assert!(
        said.stderr
            .contains("its mode is 0644, so that others can use it\nhint: `chmod 600 key`"),
        "{}",
        said.stderr
    );
}

/// A disk that is full when the record is written: the drill and its reports stay, and the exit code says that it is no evidence.
#[test]
fn a_full_disk_loses_nothing_that_was_written() {
    let site = Site::new();
    site.drill("", 0);
    let script = "mount -t tmpfs -o size=64k disk .redrill && cp -a saved/. .redrill && \
                  head -c 1M /dev/zero >.redrill/filler 2>/dev/null; \"$0\" run orgs.toml --quiet --state .redrill; code=$?; \
                  rm .redrill/filler; \"$0\" verify --state .redrill || exit 99; exit $code";
    fs::rename(site.path(".redrill"), site.path("saved")).unwrap();
    fs::create_dir(site.path(".redrill")).unwrap();
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_redrill")])
        .current_dir(site.folder.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(3), "{stdout}{stderr}");
    assert!(
        stdout.contains("PROVEN, NOT RECORDED  orgs"),
        "{stdout}{stderr}"
    );
    assert!(stderr.contains("No space left on device"), "{stderr}");
    assert!(
        stdout.contains("VERIFIED  .redrill\nentries     1, 1 with their record"),
        "{stdout}"
    );
}

#[test]
fn what_was_waived_is_in_the_log() {
    let site = Site::new();
    let path = site.path("orgs.toml");
    let waiver = "[[waiver]]\ncheck = \"row-count/orgs\"\nobject = \"*\"\nreason = \"the import\"\nowner = \"Ann\"\nuntil = 9999-12-31\n";
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("exact = 3", "exact = 4") + waiver).unwrap();
    site.drill("", 13);
    let said = site.call("history --state .redrill");
    let line =
        "WAIVED   orgs: 1 finding of row-count/orgs on *, by Ann until 9999-12-31: the import\n";
    assert!(said.stdout.contains(line), "{}", said.stdout);
    let said = site.call("history --state .redrill --json");
    let history: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(history[0]["waived"][0], "row-count/orgs");
    assert_eq!(history[0]["waivers"][0]["owner"], "Ann");
    for (covers, code) in [("", 0), ("--covers row-count", 21)] {
        let said = site.call(&format!(
            "gate --scenario orgs.toml --state .redrill --max-age 1d {covers}"
        ));
        assert_eq!(said.code, code, "{}{}", said.stdout, said.stderr);
    }
    assert_eq!(site.call("verify --state .redrill").code, 0);
}
