//! Nouns follow their count in everything that redrill writes: "1 row", "2 rows".

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::support::root;

/// A count of one and a word that ends in `s`. A digit, a point or a space after digits in front of
/// it makes the 1 a part of a larger number.
static ONE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|[^0-9A-Za-z_.,:#-])1 ([a-z]+s)\b").unwrap());

/// Words that end in `s` and are no plurals of what is counted.
const SINGULAR: [&str; 11] = [
    "as", "does", "has", "is", "its", "less", "ms", "passes", "this", "was", "writes",
];

/// Finds "1 rows" in a text.
fn wrong_plurals(text: &str) -> Vec<String> {
    text.lines()
        .flat_map(|line| ONE.captures_iter(line))
        .filter(|found| !SINGULAR.contains(&&found[1]))
        .map(|found| found[0].trim().to_owned())
        .collect()
}

/// Collects the wrong plurals of a file, or of all files in a folder.
fn search(path: &Path, wrong: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            // The state of drills that somebody ran here.
            if !path.ends_with(".redrill") {
                search(&path, wrong);
            }
        }
        return;
    }
    let text = fs::read(path).unwrap();
    let found = wrong_plurals(&String::from_utf8_lossy(&text));
    wrong.extend(found.iter().map(|one| format!("{}: {one}", path.display())));
}

#[test]
fn one_of_something_is_no_plural() {
    let mut wrong = Vec::new();
    // The golden files, the help, and the texts that the tests of the real binary and of the checks expect.
    for path in [
        "README.md",
        "reports/README.md",
        "reports/examples",
        "scenarios",
        "harness/tests/it/check",
        "harness/tests/it/drill",
        "harness/tests/it/init",
        "harness/tests/it/proof",
    ] {
        search(&root().join(path), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_plural_after_one_is_found() {
    assert_eq!(
        wrong_plurals("found 1 rows; 1 indexes"),
        ["1 rows", "1 indexes"]
    );
    let good = "1 row, 2 rows, 21 rows, 34 001 rows, 0.1 rows, 1 is less, row 1 has none";
    assert_eq!(wrong_plurals(good), [] as [&str; 0]);
}
