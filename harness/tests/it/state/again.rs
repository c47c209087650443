//! `redrill report` and `redrill verify` of reports: what a drill wrote is made again from its record, and what was changed is named.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use redrill::ledger::append;
use redrill::ledger::statement::Summary;

use super::{Site, state};
use crate::drill::codes::SMALL;

/// The reports of a drill, by the name of their format.
const REPORTS: [(&str, &str); 4] = [
    ("json", "drill.json"),
    ("markdown", "drill.md"),
    ("html", "drill.html"),
    ("junit", "junit.xml"),
];

/// A site with two drills, signed; the reports of the first are in `first`.
fn drilled() -> Site {
    let site = Site::new();
    site.drill("--key key", 0);
    let first = site.path("first");
    fs::create_dir(&first).unwrap();
    for (_, file) in REPORTS {
        fs::copy(site.path("reports/out/orgs").join(file), first.join(file)).unwrap();
    }
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    let text = text.replace("exact = 3", "exact = 4");
    // A text that is the id of another run, which is in the reports too.
    let run = run_of(&fs::read_to_string(first.join("drill.md")).unwrap());
    let name = "name = \"orgs\"\n";
    let text = text.replacen(name, &format!("{name}description = \"{run}\"\n"), 1);
    let text = text + "[incident]\nseverity = \"P1\"\n[objective]\nrestore-within = \"1h\"\n";
    fs::write(site.path("orgs.toml"), text).unwrap();
    site.drill("--key key", 10);
    site
}

/// The id of the run of a report.
fn run_of(page: &str) -> String {
    let line = page.lines().find(|line| line.starts_with("| Run "));
    line.unwrap().split('`').nth(1).unwrap().to_owned()
}

#[test]
fn every_report_is_made_again_from_its_record() {
    let site = drilled();
    for (format, file) in REPORTS {
        for (entry, folder) in ["first", "reports/out/orgs"].into_iter().enumerate() {
            let written = fs::read_to_string(site.path(folder).join(file)).unwrap();
            for record in [format!("{folder}/drill.json"), entry.to_string()] {
                let said = site.call(&format!(
                    "report --state .redrill --format {format} {record}"
                ));
                assert_eq!((said.code, &*said.stderr), (0, ""), "{}", said.stdout);
                assert_eq!(said.stdout, written, "{format} of {record}");
            }
        }
    }
    // From another folder the state is another place, and the report is the same.
    let place = site.path(".redrill").display().to_string();
    let said = site.call(&format!("report 1 --state {place} --out again/drill.md"));
    assert_eq!((said.code, &*said.stdout), (0, ""), "{}", said.stderr);
    let made = fs::read_to_string(site.path("again/drill.md")).unwrap();
    let written = fs::read_to_string(site.path("reports/out/orgs/drill.md")).unwrap();
    assert_eq!(made, written);
    let said = site.call("report first/drill.json --state .redrill --format terminal");
    assert!(
        said.stdout.starts_with("PROVEN  orgs (exit code 0)\n"),
        "{}",
        said.stdout
    );
    // Without the state the evidence is missing, which is said.
    let said = site.call("report first/drill.json");
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(!said.stdout.contains("\n## Evidence\n"), "{}", said.stdout);
    assert!(
        said.stderr
            .contains("scenarios/.redrill has no entry of this record"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("hint: name its state with `--state`: .redrill"),
        "{}",
        said.stderr
    );
    assert_eq!(site.call("report 0").code, 4);
    assert_eq!(site.call("report 2 --state .redrill").code, 4);
    for no_record in ["orgs.toml", "first/drill.md", "missing.json"] {
        let said = site.call(&format!("report {no_record}"));
        assert_eq!((said.code, &*said.stdout), (3, ""), "{no_record}");
        assert!(said.stderr.contains(no_record), "{}", said.stderr);
        assert!(said.stderr.contains("\nhint: "), "{}", said.stderr);
    }
    // A drill that is in no log has no evidence to miss.
    site.drill("--no-state", 10);
    let said = site.call("report reports/out/orgs/drill.json");
    let written = fs::read_to_string(site.path("reports/out/orgs/drill.md")).unwrap();
    assert_eq!((said.stdout, &*said.stderr), (written, ""));
}

#[test]
fn a_report_that_was_changed_is_found() {
    let site = drilled();
    let verify = |files: &str| {
        let said = site.call(&format!(
            "verify --state .redrill --signers key.pub {files}"
        ));
        (said.code, said.stdout, said.stderr)
    };
    let every = REPORTS.map(|(_, file)| format!("first/{file}")).join(" ");
    let (code, stdout, stderr) = verify(&format!("{every} reports/out/orgs/junit.xml"));
    assert_eq!(code, 0, "{stdout}{stderr}");
    for (noun, file) in ["record", "report", "report", "report"].iter().zip(REPORTS) {
        let expected = format!(
            "first/{} is the {noun} of entry 0: PROVEN of `orgs`",
            file.1
        );
        assert!(stdout.contains(&expected), "{stdout}");
    }
    assert!(
        stdout.contains("orgs/junit.xml is the report of entry 1: NOT PROVEN of"),
        "{stdout}"
    );

    // A line of each that says something nicer.
    for (file, before, after) in [
        ("drill.md", "exactly 4 rows", "exactly 3 rows"),
        ("drill.html", "exactly 4 rows", "exactly 3 rows"),
        ("junit.xml", "<failure", "<skipped"),
    ] {
        let report = site.path("reports/out/orgs").join(file);
        let text = fs::read_to_string(&report).unwrap();
        let number = text.lines().position(|line| line.contains(before)).unwrap() + 1;
        fs::write(site.path(file), text.replacen(before, after, 1)).unwrap();
        let (code, stdout, _) = verify(file);
        assert_eq!(code, 23, "{stdout}");
        let expected = format!(
            "NOT VERIFIED  {file}: line {number} is not what the record of entry 1 gives\n  in the file      "
        );
        assert!(stdout.contains(&expected), "{stdout}");
        let (_, lines) = stdout.split_once(&expected).unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines[0].contains(after), "{stdout}");
        assert!(
            lines[1].starts_with("  of the record    ") && lines[1].contains(before),
            "{stdout}"
        );
        // Nothing but its end is missing, or added.
        fs::write(site.path(file), text.trim_end()).unwrap();
        assert_eq!(verify(file).0, 23);
        fs::write(site.path(file), text.clone() + "\n").unwrap();
        assert_eq!(verify(file).0, 23);
    }

    // The report of another drill, in the place of this one; as it is, and with the id of this run.
    let (good, bad) = (
        site.path("first/drill.md"),
        site.path("reports/out/orgs/drill.md"),
    );
    let (good, written) = (
        fs::read_to_string(good).unwrap(),
        fs::read_to_string(&bad).unwrap(),
    );
    fs::write(&bad, &good).unwrap();
    let both = "reports/out/orgs/drill.json reports/out/orgs/drill.md";
    let (code, stdout, _) = verify(both);
    assert_eq!(code, 23, "{stdout}");
    assert!(
        stdout.contains("NOT VERIFIED  reports/out/orgs/drill.json is of entry 1, and reports/out/orgs/drill.md next to it of entry 0"),
        "{stdout}"
    );
    fs::write(&bad, good.replace(&run_of(&good), &run_of(&written))).unwrap();
    let (code, stdout, _) = verify("reports/out/orgs/drill.md");
    assert_eq!(code, 23, "{stdout}");
    assert!(
        stdout.contains("drill.md: line 1 is not what the record of entry 1 gives\n  in the file      \"# PROVEN"),
        "{stdout}"
    );

    // Of no run of this log, or not of a drill.
    fs::write(&bad, good.replace(&run_of(&good), "0a0a0a0a")).unwrap();
    let (code, _, stderr) = verify("reports/out/orgs/drill.md");
    assert_eq!(code, 4, "{stderr}");
    assert!(
        stderr.contains("orgs/drill.md is not the report of an entry"),
        "{stderr}"
    );
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    let text = text.replace("name = \"orgs\"\nd", "name = \"two\"\nd");
    fs::write(site.path("two.toml"), text).unwrap();
    assert_eq!(
        site.call("run orgs.toml two.toml --quiet --key key").code,
        10
    );
    // The report over both, and what is made of their records.
    let merged = "reports/out/junit.xml";
    let (code, stdout, stderr) = verify(merged);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(
        stdout.contains("reports/out/junit.xml is the report over entries 2, 3"),
        "{stdout}"
    );
    let written = fs::read_to_string(site.path(merged)).unwrap();
    let said = site.call("report 2 3 --state .redrill --format junit");
    assert_eq!((said.code, said.stdout), (0, written.clone()));
    let said = site.call("report 2 3 --state .redrill");
    let page = fs::read_to_string(site.path("reports/out/drills.md")).unwrap();
    assert_eq!((said.code, said.stdout), (0, page));
    let said = site.call("report 2 3 --state .redrill --format html");
    let page = fs::read_to_string(site.path("reports/out/drills.html")).unwrap();
    assert_eq!((said.code, said.stdout), (0, page));
    let said = site.call("report 2 3 --state .redrill --format terminal");
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(
        said.stderr.contains("there are 2 records\nhint: "),
        "{}",
        said.stderr
    );
    let number = written.lines().position(|line| line.contains("<failure"));
    let changed = written.replacen("<failure", "<skipped", 1);
    fs::write(site.path("changed.xml"), changed).unwrap();
    let (code, stdout, _) = verify("changed.xml");
    assert_eq!(code, 23, "{stdout}");
    let expected = format!(
        "NOT VERIFIED  changed.xml: line {} is not what the records of entries 2, 3 give",
        number.unwrap() + 1
    );
    assert!(stdout.contains(&expected), "{stdout}");
    for page in ["drills.md", "drills.html"] {
        let (code, stdout, stderr) = verify(&format!("reports/out/{page}"));
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert!(
            stdout.contains("is the report over entries 2, 3"),
            "{stdout}"
        );
        let written = fs::read_to_string(site.path("reports/out").join(page)).unwrap();
        let changed = written.replacen("2 NOT PROVEN", "2 PROVEN", 1);
        assert_ne!(written, changed);
        let changed_page = format!("changed-{page}");
        fs::write(site.path(&changed_page), changed).unwrap();
        let (code, stdout, _) = verify(&changed_page);
        assert_eq!(code, 23, "{stdout}");
    }
    for other in ["orgs.toml", "key.pub"] {
        let (code, _, stderr) = verify(other);
        assert_eq!(code, 4, "{stderr}");
        let expected = format!("{other} is no record and no report of a drill\nhint: ");
        assert!(stderr.contains(&expected), "{stderr}");
    }
    // A scenario that was not begun has no record.
    assert_eq!(
        site.call("run orgs.toml two.toml --quiet --key key --fail-fast")
            .code,
        10
    );
    let (code, _, stderr) = verify(merged);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("it has scenarios that were not drilled"),
        "{stderr}"
    );

    // The record is missing: the log is at fault, and the report cannot be judged.
    for record in fs::read_dir(site.path(".redrill/records")).unwrap() {
        fs::remove_file(record.unwrap().path()).unwrap();
    }
    let (code, stdout, stderr) = verify("first/drill.md");
    assert_eq!(code, 23, "{stdout}");
    assert!(
        stderr.contains(
            "first/drill.md was not verified: the record of entry 0 is missing or was changed"
        ),
        "{stderr}"
    );
}

/// Such as to keep a server: no record has it, so nobody is accused of a change.
#[test]
fn a_page_of_a_run_that_did_not_do_all_is_not_judged() {
    let site = Site::new();
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    let text = text.replacen("name = \"orgs\"", "name = \"two\"", 1);
    fs::write(site.path("two.toml"), text).unwrap();
    let said = site.call("run orgs.toml two.toml --quiet");
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let page = site.path("reports/out/drills.md");
    let written = fs::read_to_string(&page).unwrap();
    let all = "**PROVEN**: 2 scenarios: 2 PROVEN (exit code 0)";
    let not_all = "**INCONCLUSIVE**: 2 scenarios: 2 PROVEN (exit code 3)";
    assert!(written.contains(all), "{written}");
    let other = written.replacen(all, not_all, 1);
    fs::write(&page, &other).unwrap();
    let said = site.call("verify --state .redrill reports/out/drills.md");
    assert_eq!(said.code, 3, "{}", said.stdout);
    let stderr = &said.stderr;
    assert!(
        stderr.contains("did not do all it was asked to"),
        "{stderr}"
    );
    // With anything else it was changed.
    fs::write(&page, other.replacen("| PROVEN", "| Proven", 1)).unwrap();
    let said = site.call("verify --state .redrill reports/out/drills.md");
    assert_eq!(said.code, 23, "{}", said.stdout);
}

/// The reports of a rehearsal follow from its record too.
#[test]
fn a_rehearsal_is_made_again_and_verified() {
    let site = Site::new();
    let dump = SMALL.replace("plur;", "plur;\nALTER SCHEMA plur OWNER TO release;");
    fs::write(site.path("orgs-2026-11-20.sql"), dump).unwrap();
    let tool = "#!/bin/bash\nPATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH\n\
                psql -X -c 'CREATE TABLE IF NOT EXISTS plur.notes (id integer PRIMARY KEY)'\n";
    fs::write(site.path("migrate.sh"), tool).unwrap();
    let runs = fs::Permissions::from_mode(0o755);
    fs::set_permissions(site.path("migrate.sh"), runs).unwrap();
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap()
        + "[restore]\nrole = [{ name = \"release\", login = true }]\n\
           [rehearse]\ncommand = [\"./migrate.sh\"]\nrole = \"release\"\ntwo-runners = false\ncrashes = 0\n";
    fs::write(site.path("orgs.toml"), text).unwrap();
    site.drill("--key key --rehearse", 0);
    let folder = "reports/out/orgs.rehearsal";
    let page = fs::read_to_string(site.path(folder).join("rehearsal.md")).unwrap();
    let (_, checkpoint) = page.split_once("--checkpoint '").unwrap();
    let (checkpoint, _) = checkpoint.split_once('\'').unwrap();
    fs::write(site.path("kept.txt"), format!("{checkpoint}\n")).unwrap();
    let said = site.call("verify --state .redrill --checkpoint kept.txt");
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let files = [
        ("json", "rehearsal.json"),
        ("markdown", "rehearsal.md"),
        ("html", "rehearsal.html"),
        ("comment", "comment.md"),
        ("junit", "junit.xml"),
    ];
    for (format, file) in files {
        let written = fs::read_to_string(site.path(folder).join(file)).unwrap();
        for record in ["1", "reports/out/orgs.rehearsal/rehearsal.json"] {
            let said = site.call(&format!(
                "report --state .redrill --format {format} {record}"
            ));
            assert_eq!((said.code, &*said.stderr), (0, ""), "{}", said.stdout);
            assert_eq!(said.stdout, written, "{format} of {record}");
        }
        let said = site.call(&format!("verify --state .redrill {folder}/{file}"));
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        assert!(
            said.stdout.contains(" of entry 1: SAFE of `orgs`"),
            "{}",
            said.stdout
        );
    }
    // The report of its drill, in the place of its own, and one that says something nicer.
    let own = site.path(folder).join("junit.xml");
    let written = fs::read_to_string(&own).unwrap();
    fs::copy(site.path("reports/out/orgs/junit.xml"), &own).unwrap();
    let both = format!("{folder}/rehearsal.json {folder}/junit.xml");
    let said = site.call(&format!("verify --state .redrill {both}"));
    assert_eq!(said.code, 23, "{}", said.stdout);
    assert!(
        said.stdout.contains("one of them was exchanged"),
        "{}",
        said.stdout
    );
    fs::write(&own, written.replacen("SAFE", "FINE", 1)).unwrap();
    let said = site.call(&format!("verify --state .redrill {folder}/junit.xml"));
    assert_eq!(said.code, 23, "{}", said.stdout);
    assert!(
        said.stdout
            .contains("is not what the record of entry 1 gives"),
        "{}",
        said.stdout
    );
    // A drill has no comment, and a report over several is one of drills.
    let said = site.call("report 0 --state .redrill --format comment");
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(
        said.stderr
            .contains("is a report of a rehearsal, and this is the record of a drill"),
        "{}",
        said.stderr
    );
    let said = site.call("report 0 1 --state .redrill --format junit");
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(
        said.stderr.contains("1 is the record of a rehearsal"),
        "{}",
        said.stderr
    );
}

/// What another redrill wrote may have another form, so a difference says nothing.
#[tokio::test]
async fn a_report_of_another_version_is_not_judged() {
    let site = Site::new();
    site.drill("--no-state", 0);
    let record = fs::read_to_string(site.path("reports/out/orgs/drill.json")).unwrap();
    let own = format!("\"redrill\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let other = record.replace(&own, "\"redrill\": \"9.9.9\"");
    assert_ne!(record, other);
    let page = fs::read_to_string(site.path("reports/out/orgs/drill.md")).unwrap();
    let summary = Summary {
        run: run_of(&page),
        ..Summary::default()
    };
    let place = site.path("state");
    let written = append(&state(&place).await, None, &other, summary).await;
    assert_eq!(written.unwrap().index, 0);
    let said = site.call("report 0 --state state --out drill.md");
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stderr
            .contains("note: redrill 9.9.9 wrote the reports of this drill, and this is "),
        "{}",
        said.stderr
    );
    let verify = || site.call("verify --state state drill.md");
    assert_eq!(verify().code, 0);
    let page = fs::read_to_string(site.path("drill.md")).unwrap();
    fs::write(site.path("drill.md"), page.replacen("restore", "return", 1)).unwrap();
    let said = verify();
    assert_eq!(said.code, 3, "{}", said.stdout);
    assert!(
        said.stderr
            .contains("drill.md was not verified: redrill 9.9.9 wrote"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("; line 1 differs\nhint: verify it with the redrill that wrote it"),
        "{}",
        said.stderr
    );
}
