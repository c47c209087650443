//! The schemas in `reports/` are what the code makes, and reports fit them.

use std::fs;
use std::path::PathBuf;

use redrill::report::{incident, json};
use redrill::verdict::{Verdict, verdict};

use super::examples;
use crate::support::json_schema::JsonSchema;

/// Set to anything, it makes the tests write the files instead of comparing them.
const UPDATE: &str = "REDRILL_UPDATE";

/// Compares a file of `reports/` with what it must be, or writes it.
pub fn compare(path: &str, text: &str) -> Result<(), String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../reports")
        .join(path);
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return Ok(());
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let (old, new) = (committed.lines(), text.lines());
    if committed == text {
        return Ok(());
    }
    let line = old.zip(new).take_while(|(old, new)| old == new).count();
    Err(format!(
        "{} differs from line {}:\n  committed: {}\n  made now:  {}\n\
         to write it anew: {UPDATE}=1 ci/test.sh report::",
        path.display(),
        line + 1,
        committed.lines().nth(line).unwrap_or("(ends)"),
        text.lines().nth(line).unwrap_or("(ends)"),
    ))
}

#[test]
fn what_an_incident_tool_gets_fits_its_schema() {
    let schema = incident::schema();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if let Err(difference) = compare("schema/incident.schema.json", &text) {
        panic!("{difference}");
    }
    let schema = JsonSchema::of(schema);
    for (name, result) in examples::all() {
        let reports = [PathBuf::from("reports/out/plur-nightly/drill.json")];
        let text = incident::render(&result, verdict(&result), &reports).unwrap();
        let value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema.errors(&value), "", "{name}");
    }
}

#[test]
fn the_schema_of_inspections_is_as_committed() {
    let schema = serde_json::to_string_pretty(&json::inspection_schema()).unwrap() + "\n";
    if let Err(difference) = compare("schema/inspection.schema.json", &schema) {
        panic!("{difference}");
    }
}

#[test]
fn the_inspection_fits_its_schema() {
    let schema = json::inspection_schema();
    let text = json::render_inspection(&examples::inspection()).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    let schema = JsonSchema::of(schema);
    assert_eq!(schema.errors(&value), "");
}

#[test]
fn the_examples_are_what_their_names_say() {
    let verdicts = examples::all().map(|(name, result)| (name, verdict(&result)));
    assert_eq!(
        verdicts,
        [
            ("proven", Verdict::Proven),
            ("not-proven", Verdict::NotProven),
            ("inconclusive", Verdict::Inconclusive),
            ("checks-passed", Verdict::ChecksPassed),
        ]
    );
}

#[test]
fn the_schema_is_as_committed() {
    let schema = serde_json::to_string_pretty(&json::schema()).unwrap() + "\n";
    if let Err(difference) = compare("schema/drill.schema.json", &schema) {
        panic!("{difference}");
    }
}

#[test]
fn the_examples_fit_the_schema() {
    let schema = JsonSchema::of(json::schema());
    for (name, result) in examples::all() {
        let report = json::render(&result, verdict(&result)).unwrap();
        let mut report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(schema.errors(&report), "", "{name}");
        // The schema does say something.
        report["verdict"] = "FINE".into();
        assert_ne!(schema.errors(&report), "");
    }
}

#[test]
fn all_files_are_written_under_the_scenarios_name() {
    let folder = tempfile::tempdir().unwrap();
    let result = examples::proven();
    // Twice: what an earlier drill left is replaced.
    for verdict in [Verdict::NotProven, Verdict::Proven] {
        let paths = redrill::report::write_all(folder.path(), &result, verdict, None).unwrap();
        let names = ["drill.json", "drill.md", "drill.html", "junit.xml"];
        let expected = names.map(|name| folder.path().join("plur-nightly").join(name));
        assert_eq!(paths, expected);
    }
    let markdown = fs::read_to_string(folder.path().join("plur-nightly/drill.md")).unwrap();
    assert!(markdown.starts_with("# PROVEN"));
    let left = fs::read_dir(folder.path().join("plur-nightly")).unwrap();
    assert_eq!(left.count(), 4);
}
