//! Alembic's revisions: each file names itself and the one before it, and the table has those that no other follows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;

use super::files::{MigrationFile, Version, unreadable, walk};
use crate::outcome::CouldNotRun;

/// The name of a revision.
const REVISION: &str = r#"(?m)^revision\s*(?::[^=\n]*)?=\s*['"]([^'"\n]+)['"]"#;

/// What a revision follows, or depends on: nothing, one, or several.
const OTHERS: &str =
    r#"(?m)^{key}\s*(?::[^=\n]*)?=\s*(None|\([^)]*\)|\[[^\]]*\]|'[^'\n]*'|"[^"\n]*")"#;

/// A text in the value of [`OTHERS`].
const TEXT: &str = r#"['"]([^'"\n]+)['"]"#;

/// Reads the revisions in a folder and those below it; all but the last of each branch are superseded.
///
/// # Errors
/// When a file cannot be read or its place in the order is not a plain value, or there is no revision.
pub fn read(folder: &Path) -> Result<BTreeMap<Version, MigrationFile>, CouldNotRun> {
    let compile = |pattern: &str| Regex::new(pattern).map_err(|e| CouldNotRun::new(e.to_string()));
    let revision = compile(REVISION)?;
    let follows = compile(&OTHERS.replace("{key}", "down_revision"))?;
    let depends = compile(&OTHERS.replace("{key}", "depends_on"))?;
    let text_in = compile(TEXT)?;
    let mut names = Vec::new();
    walk(folder, "", true, &mut names).map_err(|error| unreadable(folder, &error))?;
    names.retain(|name| name.ends_with(".py"));
    names.sort();
    let mut files: BTreeMap<Version, MigrationFile> = BTreeMap::new();
    let mut followed = BTreeSet::new();
    for name in names {
        let path = folder.join(&name);
        let text = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        let text = String::from_utf8_lossy(&text);
        let Some(own) = revision.captures(&text).and_then(|found| found.get(1)) else {
            continue;
        };
        let value = |key: &Regex| {
            let found = key.captures(&text)?;
            Some(found.get(1)?.as_str().to_owned())
        };
        let Some(before) = value(&follows) else {
            return Err(CouldNotRun::with_hint(
                format!(
                    "{} has a `revision`, and no `down_revision` that is a plain value",
                    path.display()
                ),
                "write a text, a tuple of texts or `None`, as Alembic does",
            ));
        };
        if value(&depends).is_some_and(|others| others != "None") {
            return Err(CouldNotRun::with_hint(
                format!("{} has `depends_on`, which is not compared", path.display()),
                "give `head` instead of `files`",
            ));
        }
        let before = text_in.captures_iter(&before);
        followed.extend(
            before.filter_map(|found| Some(Version::Text(found.get(1)?.as_str().to_owned()))),
        );
        let file = MigrationFile {
            name,
            ..MigrationFile::default()
        };
        if let Some(other) = files.insert(Version::Text(own.as_str().to_owned()), file.clone()) {
            return Err(CouldNotRun::new(format!(
                "{} and {} are both revision {}",
                other.name,
                file.name,
                own.as_str()
            )));
        }
    }
    for (version, file) in &mut files {
        file.superseded = followed.contains(version);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read_all(texts: &[&str]) -> Result<Vec<String>, CouldNotRun> {
        let folder = tempfile::tempdir().unwrap();
        for (n, text) in texts.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{n}.py")), text).unwrap();
        }
        let files = read(folder.path())?;
        let heads = files.iter().filter(|(_, file)| !file.superseded);
        Ok(heads.map(|(version, _)| version.to_string()).collect())
    }

    const FIRST: &str = "revision = 'a1'\ndown_revision = None\ndepends_on = None\n";

    #[rstest]
    #[case::line(&[FIRST, "revision: str = \"b2\"\ndown_revision: Union[str, None] = \"a1\"\n"], &["b2"])]
    #[case::branches(&[FIRST, "revision = 'b2'\ndown_revision = 'a1'\n", "revision = 'c3'\ndown_revision = 'a1'\n"], &["b2", "c3"])]
    #[case::merge(
        &[FIRST, "revision = 'b2'\ndown_revision = 'a1'\n", "revision = 'c3'\ndown_revision = 'a1'\n",
          "revision = 'd4'\ndown_revision = (\n    'b2',\n    'c3',\n)\n"],
        &["d4"]
    )]
    #[case::others(&[FIRST, "import x\n"], &["a1"])]
    fn the_last_of_each_branch_is_not_superseded(#[case] texts: &[&str], #[case] heads: &[&str]) {
        assert_eq!(read_all(texts).unwrap(), heads);
    }

    #[rstest]
    #[case(&["revision = 'a1'\ndown_revision = before()\n"], "no `down_revision` that is a plain value")]
    #[case(&["revision = 'a1'\ndown_revision = None\ndepends_on = 'x'\n"], "has `depends_on`")]
    #[case(&[FIRST, FIRST], "are both revision a1")]
    fn what_cannot_be_read_is_no_failure(#[case] texts: &[&str], #[case] reason: &str) {
        let error = read_all(texts).unwrap_err();
        assert!(error.reason.contains(reason), "{}", error.reason);
    }
}
