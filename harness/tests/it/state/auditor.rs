//! The commands of the documentation by which an auditor verifies a state without redrill: each is run as it is there.

use std::process::Command;

use super::Site;

/// The shell commands of a section of the documentation.
fn commands(heading: &str) -> String {
    let page = include_str!("../../../../reports/README.md");
    let section = page.split_once(heading).expect(heading).1;
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn the_documented_commands_verify_a_state_and_notice_changes() {
    let site = Site::new();
    for _ in 0..3 {
        site.drill("--key key", 0);
    }
    let python = crate::backup::source::servers::tool("python3");
    let folder = python.parent().unwrap().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let commands = commands("\n## To verify a state without redrill\n");
    let audit = || {
        let mut command = Command::new("bash");
        command.args(["-eu", "-o", "pipefail", "-c", &commands]);
        command.current_dir(site.folder.path()).env("PATH", &path);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (good, said) = audit();
    assert!(good, "{said}");
    assert!(
        said.contains("Good \"redrill-checkpoint\" signature"),
        "{said}"
    );
    assert!(
        said.contains("3 entries, in order and signed; root of checkpoint 3: the same"),
        "{said}"
    );

    // One byte of anything that was signed.
    let entry = site.path(".redrill/entries/0000000001.json");
    let text = std::fs::read_to_string(&entry).unwrap();
    for (file, from, to) in [
        (
            ".redrill/entries/0000000001.json",
            "payload\":\"ey",
            "payload\":\"eY",
        ),
        (".redrill/checkpoints/0000000003", "\n3\n", "\n4\n"),
    ] {
        let path = site.path(file);
        let good = std::fs::read_to_string(&path).unwrap();
        assert!(good.contains(from), "{good}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        assert!(!audit().0, "{file}");
        std::fs::write(&path, good).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&entry).unwrap(), text);
    let record = std::fs::read_dir(site.path(".redrill/records"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, good.replace("PROVEN", "proven")).unwrap();
    assert!(!audit().0, "a record");
    std::fs::write(&record, good).unwrap();
    std::fs::remove_file(site.path(".redrill/entries/0000000002.json")).unwrap();
    assert!(!audit().0, "the newest entry");
}
