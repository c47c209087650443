//! Migration files and their versions.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use md5::Md5;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384};

use crate::digest::hex;
use crate::outcome::CouldNotRun;

/// How migration files are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// `001-init.sql`, `0001_init.up.sql`: the number. `*.down.sql` is left out.
    Numbered,
    /// `20250101120000_create_users.rb`: the digits.
    Rails,
}

impl Naming {
    /// The equivalent pattern; the folder's own files only.
    const fn pattern(self) -> &'static str {
        match self {
            Self::Numbered => r"^([0-9]+)[-_.][^/]*\.sql$",
            Self::Rails => r"^([0-9]+)_[^/]*\.rb$",
        }
    }
}

/// A digest of a file's bytes, in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-384, as sqlx keeps it.
    Sha384,
}

impl Checksum {
    /// Computes it.
    fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(bytes)),
            Self::Sha256 => hex(&Sha256::digest(bytes)),
            Self::Sha384 => hex(&Sha384::digest(bytes)),
        }
    }
}

/// A migration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Its path below the folder.
    pub name: String,
    /// The digest of its bytes, where one is asked for.
    pub digest: Option<String>,
}

/// A version. Numbers, with dots or underscores between them or without, are ordered as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `010`, `20250101120000`, `1.2`.
    Numbers(Vec<Digits>),
    /// Anything else.
    Text(String),
}

/// A whole number of any length, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits(String);

impl Ord for Digits {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Digits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Version {
    /// Reads a version.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let parts: Vec<&str> = text.split(['.', '_']).collect();
        let numeric = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !parts.iter().all(numeric) {
            return Self::Text(text.to_owned());
        }
        let digits = |part: &&str| match part.trim_start_matches('0') {
            "" => Digits("0".to_owned()),
            rest => Digits(rest.to_owned()),
        };
        Self::Numbers(parts.iter().map(digits).collect())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts of the database are not trusted to be short or printable.
        const MOST: usize = 80;
        let text = match self {
            Self::Numbers(parts) => {
                let parts: Vec<&str> = parts.iter().map(|digits| digits.0.as_str()).collect();
                parts.join(".")
            }
            Self::Text(text) => text.replace(char::is_control, "�"),
        };
        match text.char_indices().nth(MOST) {
            Some((at, _)) => write!(f, "{}…", &text[..at]),
            None => f.write_str(&text),
        }
    }
}

/// Compiles a pattern that must have one group.
///
/// # Errors
/// A lowercase fragment that says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let regex = Regex::new(pattern).map_err(|error| {
        // The last line says what is wrong; those before it draw a caret.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        let reason = reason.trim_start_matches("error: ");
        format!("this is not a regular expression: {reason}")
    })?;
    match regex.captures_len() {
        2 => Ok(regex),
        _ => Err("the pattern needs exactly one group, around the version".to_owned()),
    }
}

/// Reads the names, and where asked the digests, of the migration files below `folder`.
///
/// # Errors
/// When the folder cannot be read, holds no migration, or holds two of the same version: all of
/// this says something about the repository and nothing about the backup.
pub fn read(
    folder: &Path,
    naming: Naming,
    pattern: Option<&str>,
    checksum: Option<Checksum>,
) -> Result<BTreeMap<Version, MigrationFile>, CouldNotRun> {
    let regex = compile(pattern.unwrap_or(naming.pattern())).map_err(CouldNotRun::new)?;
    let mut names = Vec::new();
    walk(folder, "", pattern.is_some(), &mut names).map_err(|error| unreadable(folder, &error))?;
    names.sort();
    let mut files = BTreeMap::new();
    for name in names {
        let Some(group) = regex.captures(&name).and_then(|found| found.get(1)) else {
            continue;
        };
        if pattern.is_none() && name.ends_with(".down.sql") {
            continue;
        }
        let version = Version::read(group.as_str());
        let digest = match checksum {
            Some(checksum) => {
                let path = folder.join(&name);
                let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                Some(checksum.of(&bytes))
            }
            None => None,
        };
        let file = MigrationFile { name, digest };
        if let Some(other) = files.insert(version.clone(), file.clone()) {
            return Err(CouldNotRun::new(format!(
                "{} and {} are both version {version}",
                other.name, file.name
            ))
            .hint("name the files apart, or leave one of them out with `pattern`"));
        }
    }
    if files.is_empty() {
        return Err(
            CouldNotRun::new(format!("no migration file in {}", folder.display()))
                .hint("correct `files`, or say with `naming` or `pattern` how the files are named"),
        );
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> CouldNotRun {
    CouldNotRun::new(format!("cannot read {}: {error}", path.display()))
}

/// Collects the paths of files; links to folders are not followed.
fn walk(folder: &Path, prefix: &str, deep: bool, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if !entry.file_type()?.is_dir() {
            names.push(name);
        } else if deep {
            walk(&entry.path(), &format!("{name}/"), deep, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "SELECT 1;\n").unwrap();
        }
        folder
    }

    fn versions(names: &[&str], naming: Naming, pattern: Option<&str>) -> Vec<String> {
        let folder = folder(names);
        let files = read(folder.path(), naming, pattern, None).unwrap();
        files.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn numbered_files_give_their_numbers() {
        let names = [
            "001-init.sql",
            "0002_more.up.sql",
            "0002_more.down.sql",
            "10.last.sql",
            "README.md",
            "old/003-x.sql",
            "2024-notes.txt",
        ];
        assert_eq!(versions(&names, Naming::Numbered, None), ["1", "2", "10"]);
    }

    #[test]
    fn rails_files_give_their_digits() {
        let names = [
            "20250101120000_create_users.rb",
            "20250102_x.sql",
            "helper.rb",
        ];
        assert_eq!(versions(&names, Naming::Rails, None), ["20250101120000"]);
    }

    #[rstest]
    #[case("^V([0-9._]+)__.*\\.sql$", &["V1_10__b.sql", "V1.2__a.sql", "R__c.sql"], &["1.2", "1.10"])]
    #[case("^([^/]+)/migration\\.sql$", &["2025_init/migration.sql", "lock.toml"], &["2025_init"])]
    fn a_pattern_gives_its_group(
        #[case] pattern: &str,
        #[case] names: &[&str],
        #[case] expected: &[&str],
    ) {
        assert_eq!(versions(names, Naming::Numbered, Some(pattern)), expected);
    }

    #[rstest]
    #[case(&["README.md"], "no migration file in")]
    #[case(&["010-a.sql", "10-b.sql"], "010-a.sql and 10-b.sql are both version 10")]
    fn a_folder_that_says_nothing_is_no_failure(#[case] names: &[&str], #[case] reason: &str) {
        let folder = folder(names);
        let error = read(folder.path(), Naming::Numbered, None, None).unwrap_err();
        assert!(error.reason.contains(reason), "{}", error.reason);
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_failure() {
        let path = Path::new("/nowhere/at/all");
        let error = read(path, Naming::Numbered, None, None).unwrap_err();
        assert!(error.reason.starts_with("cannot read /nowhere/at/all"));
    }

    #[rstest]
    #[case(Checksum::Md5, "2bdf1665f56c0ce5b966d9c60a7f7eac")]
    #[case(
        Checksum::Sha256,
        "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
    )]
    fn digests_are_of_the_bytes(#[case] checksum: Checksum, #[case] expected: &str) {
        let folder = folder(&["1-a.sql"]);
        let files = read(folder.path(), Naming::Numbered, None, Some(checksum)).unwrap();
        let digest = files.values().next().unwrap().digest.clone();
        assert_eq!(digest.as_deref(), Some(expected));
    }

    #[rstest]
    #[case("2", "10")]
    #[case("009", "10")]
    #[case("1.2", "1.10")]
    #[case("1", "1.1")]
    #[case("99999999999999999999999998", "99999999999999999999999999")]
    #[case("10", "a")]
    fn versions_are_ordered_as_numbers(#[case] less: &str, #[case] more: &str) {
        assert!(Version::read(less) < Version::read(more));
    }

    #[test]
    fn a_version_is_shown_short_and_printable() {
        let shown = Version::read(&"x\n".repeat(100)).to_string();
        assert_eq!(shown.chars().count(), 81);
        assert!(!shown.contains('\n'));
    }
}
