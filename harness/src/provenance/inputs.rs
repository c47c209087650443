//! What checks are compared with, and what they start: baselines, migrations, programs, by their digests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::file_content::Content;
use crate::outcome::InputFacts;
use crate::scenario::Scenario;

/// What is larger is not read: an argument of a program may name anything.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A folder of so many files or more is not read.
const MOST_FILES: u64 = 10_000;

/// The paths that the checks of a scenario name, each with the ids of those checks, in the order of paths.
pub(super) fn named(scenario: &Scenario) -> BTreeMap<PathBuf, Vec<String>> {
    let mut named: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for check in &scenario.checks {
        for path in check.check.inputs() {
            let checks = named.entry(path).or_default();
            if !checks.contains(&check.id) {
                checks.push(check.id.clone());
            }
        }
    }
    named
}

/// Their digests. What is not there is left out where it may be an ordinary word of a program. Blocks.
pub(super) fn read(folder: &Path, named: BTreeMap<PathBuf, Vec<String>>) -> Vec<InputFacts> {
    let input = |(path, checks): (PathBuf, Vec<String>)| {
        let place = folder.join(&path);
        place.exists().then(|| InputFacts {
            path: path.display().to_string(),
            checks,
            sha256: digest(&place),
        })
    };
    named.into_iter().filter_map(input).collect()
}

/// The digest of a file or folder; `None` where it is too large, or cannot be read.
fn digest(path: &Path) -> Option<String> {
    let size = Content::within(path, MOST_FILES).ok()??;
    if size > LARGEST {
        return None;
    }
    Content::of(path, true).ok()?.sha256
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_and_folders_have_digests_and_words_have_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("base.toml"), "a = 1\n").unwrap();
        fs::create_dir(folder.path().join("migrations")).unwrap();
        fs::write(folder.path().join("migrations/1.sql"), "SELECT 1").unwrap();
        let checks = vec!["baseline/all".to_owned()];
        let names = ["base.toml", "migrations", "serve"].map(PathBuf::from);
        let named: BTreeMap<_, _> = names.map(|name| (name, checks.clone())).into();
        let before = read(folder.path(), named.clone());
        let paths: Vec<_> = before.iter().map(|input| input.path.as_str()).collect();
        assert_eq!(paths, ["base.toml", "migrations"]);
        assert_eq!(before[0].sha256, Some(crate::digest::sha256("a = 1\n")));
        fs::write(folder.path().join("migrations/1.sql"), "SELECT 2").unwrap();
        let after = read(folder.path(), named);
        assert_eq!(before[0], after[0]);
        assert_ne!(before[1].sha256, after[1].sha256);
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs::File::create(folder.path().join("large")).unwrap();
        file.set_len(LARGEST + 1).unwrap();
        assert_eq!(digest(&folder.path().join("large")), None);
        file.set_len(0).unwrap();
        assert!(digest(folder.path()).is_some());
        for number in 0..MOST_FILES {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        assert_eq!(digest(folder.path()), None);
    }
}
