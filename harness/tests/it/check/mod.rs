//! Checks on real databases, one file per kind; and that no kind is forgotten anywhere.

mod absent;
mod api;
mod append_only;
mod baseline;
mod command;
mod constraint;
mod extension;
mod freshness;
mod function;
mod graph;
mod index;
mod migrations;
mod object;
mod partition;
mod past_policies;
mod reference;
mod rls;
mod role;
mod row_count;
mod schema_version;
mod schema_version_tools;
mod sequence;
mod size;
mod sql;
mod tenant;
mod trigger;
mod vector;
mod write_paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use redrill::check::kinds;

use crate::drill::broken::table::SECTIONS;
use crate::support::{parse, root};

/// Counts the kinds that a file or folder of `src/check` implements.
fn implementations(path: &Path) -> usize {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        return entries
            .map(|entry| implementations(&entry.unwrap().path()))
            .sum();
    }
    let text = fs::read_to_string(path).unwrap();
    let begins = |line: &&str| line.starts_with("impl Parameters for ");
    text.lines().filter(begins).count()
}

#[test]
fn every_kind_is_registered_under_the_name_of_its_file() {
    let mut implemented = Vec::new();
    for entry in fs::read_dir(root().join("harness/src/check")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let name = name.replace('_', "-");
        implemented.extend((0..implementations(&path)).map(|_| name.clone()));
    }
    implemented.sort_unstable();
    let registered: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
    assert_eq!(implemented, registered, "src/check and `kinds()` differ");
}

#[test]
fn every_kind_has_a_passing_and_a_failing_case() {
    for kind in kinds() {
        let module = kind.name.replace('-', "_");
        assert!(
            include_str!("mod.rs").contains(&format!("\nmod {module};\n")),
            "tests/it/check has no module `{module}`"
        );
        let file = root().join(format!("harness/tests/it/check/{module}.rs"));
        let call = format!(
            "\n        plur.assert_passed_and_failed(\"{}\");\n",
            kind.name
        );
        assert!(
            fs::read_to_string(&file).unwrap().contains(&call),
            "{} has no `{}`",
            file.display(),
            call.trim()
        );
    }
}

#[test]
fn every_kind_is_explained_with_examples_that_parse() {
    for kind in kinds() {
        let text = kind.documentation();
        for section in ["## What it proves", "## What it does not prove"] {
            assert!(text.contains(section), "{}: no `{section}`", kind.name);
        }
        let example = text.split_once("## Example\n```toml\n");
        let example = example.and_then(|(_, rest)| rest.split_once("\n```"));
        let (example, _) = example.unwrap_or_else(|| panic!("{}: no example", kind.name));
        assert_eq!(parse(example).kind, kind.name, "{example}");
    }
}

#[test]
fn the_documented_table_of_kinds_is_complete() {
    let files = ["README.md", "scenarios/README.md"];
    let text = files.map(|file| fs::read_to_string(root().join(file)).unwrap());
    let text = text.concat();
    let (_, table) = text.split_once("| about | kinds |\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let documented: BTreeSet<&str> = table.split('`').skip(1).step_by(2).collect();
    let registered: BTreeSet<&str> = kinds().iter().map(|kind| kind.name).collect();
    assert_eq!(documented, registered);
}

#[test]
fn every_kind_has_a_fault_in_the_table() {
    let faults = SECTIONS.iter().flat_map(|section| section.faults);
    let mut caught: BTreeSet<&str> = faults
        .flat_map(|fault| fault.must_fail)
        .filter_map(|name| name.split('/').next())
        .collect();
    // `every_change_of_the_table_is_seen_by_the_baseline_alone` has each fault for it.
    caught.insert("baseline");
    for kind in kinds() {
        assert!(caught.contains(kind.name), "no fault for {}", kind.name);
    }
}
