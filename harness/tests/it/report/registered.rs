//! Every report is registered, documented, and has an example of a drill that passes and of one that fails.

use std::fs;
use std::path::Path;

use redrill::report::{Report, reports};

use crate::support::root;

/// Modules of `src/report` that are not reports of a drill.
const OTHERS: [&str; 8] = [
    "annotations",
    "cause",
    "incident",
    "merged",
    "metrics",
    "mod",
    "text",
    "view",
];

/// Where the example of a report is, in `reports/`.
pub fn example_of(report: &Report, drill: &str) -> String {
    let ending = report.file.map_or("txt", |file| {
        Path::new(file).extension().unwrap().to_str().unwrap()
    });
    format!("examples/{drill}.{ending}")
}

#[test]
fn every_report_is_registered_under_the_name_of_its_file() {
    let entries = fs::read_dir(root().join("harness/src/report")).unwrap();
    let mut implemented: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !OTHERS.contains(&name.as_str()))
        .collect();
    implemented.sort_unstable();
    let mut registered = reports().map(|report| report.name);
    registered.sort_unstable();
    assert_eq!(implemented, registered, "src/report and `reports()` differ");
}

#[test]
fn every_report_is_documented_with_examples() {
    let text = fs::read_to_string(root().join("reports/README.md")).unwrap();
    for report in reports() {
        let name = report.file.unwrap_or(report.name);
        let documents = |line: &str| match report.file {
            Some(file) => line.starts_with(&format!("| `{file}` |")),
            None => line.contains(report.name),
        };
        assert!(
            text.lines().any(documents),
            "reports/README.md: no `{name}`"
        );
        for drill in ["proven", "not-proven"] {
            let example = example_of(&report, drill);
            assert!(
                root().join("reports").join(&example).is_file(),
                "no reports/{example}"
            );
        }
        let example = example_of(&report, "proven");
        assert!(
            text.contains(&format!("({example})")),
            "reports/README.md does not link to {example}"
        );
    }
}
