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

use super::digests::Digests;
use super::tool::{Files, Tool};
use super::{journal, plan, revisions};
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
    pub fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(bytes)),
            Self::Sha256 => hex(&Sha256::digest(bytes)),
            Self::Sha384 => hex(&Sha384::digest(bytes)),
        }
    }
}

/// A migration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationFile {
    /// Its path below the folder.
    pub name: String,
    /// The checksums that the table may have for it; none where they are not compared.
    pub digests: Vec<String>,
    /// Whether the table has no row for it once a later one is applied.
    pub superseded: bool,
}

/// A version. Numbers, with dots or underscores between them or without, are ordered as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `010`, `20250101120000`, `1.2`.
    Numbers(Vec<Digits>),
    /// Anything else.
    Text(String),
    /// An entry of Drizzle's journal or a change of Sqitch's plan, or a row that none explains: in this order.
    Entry {
        /// Milliseconds since 1970; for Sqitch 0, or the maximum for a row that is not in the plan.
        when: i64,
        /// Which of the entries it is.
        position: usize,
        /// What it is shown as.
        tag: Label,
    },
}

/// What a version is shown as, which makes no difference between two of them.
#[derive(Debug, Clone)]
pub struct Label(pub String);

impl PartialEq for Label {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Label {}

impl Ord for Label {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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
            Self::Text(text)
            | Self::Entry {
                tag: Label(text), ..
            } => text.replace(char::is_control, "�"),
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

/// Which files of a folder are migrations, and which checksum the table has for them.
#[derive(Debug, Clone, Copy)]
pub enum Selection<'a> {
    /// By the name of the file.
    Naming(Naming, Option<Checksum>),
    /// By a pattern with one group, the version, in the folder and in those below it.
    Pattern(&'a str, Option<Checksum>),
    /// As the tool selects them.
    Of(Tool),
}

impl Selection<'_> {
    const fn digests(self) -> Option<Digests> {
        match self {
            Self::Naming(_, checksum) | Self::Pattern(_, checksum) => match checksum {
                Some(checksum) => Some(Digests::Exact(checksum)),
                None => None,
            },
            Self::Of(tool) => match tool.facts().checksum {
                Some((_, digests)) => Some(digests),
                None => None,
            },
        }
    }

    /// The version in a path, if it is that of a migration.
    fn version(self, regex: &Regex, path: &str) -> Option<Version> {
        let found = regex.captures(path)?;
        let groups: Vec<&str> = found.iter().skip(1).flatten().map(|m| m.as_str()).collect();
        let down = path.ends_with(".down.sql");
        match self {
            Self::Naming(..) if down => None,
            Self::Of(_) if down => None,
            // Diesel writes its dates without the dashes that the folders have.
            Self::Of(Tool::Diesel) => Some(Version::read(&groups.concat().replace('-', ""))),
            Self::Naming(..) | Self::Pattern(..) | Self::Of(_) => {
                Some(Version::read(&groups.join(".")))
            }
        }
    }
}

/// Reads the names, and where they are compared the checksums, of the migration files in `folder`.
///
/// # Errors
/// When the folder cannot be read, holds no migration, or holds two of the same version: all of
/// this says something about the repository and nothing about the backup.
pub fn read(
    folder: &Path,
    selection: Selection<'_>,
) -> Result<BTreeMap<Version, MigrationFile>, CouldNotRun> {
    let files = read_any(folder, selection)?;
    if files.is_empty() {
        return Err(
            CouldNotRun::new(format!("no migration file in {}", folder.display()))
                .hint("correct `files`, or say with `tool`, `naming` or `pattern` how the files are named"),
        );
    }
    Ok(files)
}

/// The same for a folder that may hold no migration.
///
/// # Errors
/// When the folder cannot be read, or holds two migrations of the same version.
pub fn read_any(
    folder: &Path,
    selection: Selection<'_>,
) -> Result<BTreeMap<Version, MigrationFile>, CouldNotRun> {
    let (pattern, deep) = match selection {
        Selection::Naming(naming, _) => (naming.pattern(), false),
        Selection::Pattern(pattern, _) => (pattern, true),
        Selection::Of(tool) => match tool.facts().files {
            Files::Journal => return journal::read(folder),
            Files::Plan => return plan::read(folder),
            Files::Revisions => return revisions::read(folder),
            Files::Pattern(pattern) => (pattern, true),
            // Refused with the scenario.
            Files::Unread => return Err(CouldNotRun::new("the files of this tool are not read")),
        },
    };
    let regex = Regex::new(pattern).map_err(|error| CouldNotRun::new(error.to_string()))?;
    let mut names = Vec::new();
    walk(folder, "", deep, &mut names).map_err(|error| unreadable(folder, &error))?;
    names.sort();
    let mut files = BTreeMap::new();
    for name in names {
        let Some(version) = selection.version(&regex, &name) else {
            continue;
        };
        let digests = match selection.digests() {
            Some(digests) => {
                let path = folder.join(&name);
                let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                digests.of(&name, &bytes)
            }
            None => Vec::new(),
        };
        let file = MigrationFile {
            name,
            digests,
            superseded: false,
        };
        if let Some(other) = files.insert(version.clone(), file.clone()) {
            return Err(CouldNotRun::new(format!(
                "{} and {} are both version {version}",
                other.name, file.name
            ))
            .hint("name the files apart, or leave one of them out with `pattern`"));
        }
    }
    Ok(files)
}

/// What to say of a file of the repository that cannot be read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> CouldNotRun {
    CouldNotRun::new(format!("cannot read {}: {error}", path.display()))
}

/// Collects the paths of files; links to folders are not followed.
pub(super) fn walk(
    folder: &Path,
    prefix: &str,
    deep: bool,
    names: &mut Vec<String>,
) -> std::io::Result<()> {
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
        let selection = pattern.map_or(Selection::Naming(naming, None), |pattern| {
            Selection::Pattern(pattern, None)
        });
        let files = read(folder.path(), selection).unwrap();
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
        let error = read(folder.path(), Selection::Naming(Naming::Numbered, None)).unwrap_err();
        assert!(error.reason.contains(reason), "{}", error.reason);
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_failure() {
        let path = Path::new("/nowhere/at/all");
        let error = read(path, Selection::Naming(Naming::Numbered, None)).unwrap_err();
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
        let selection = Selection::Naming(Naming::Numbered, Some(checksum));
        let files = read(folder.path(), selection).unwrap();
        assert_eq!(files.values().next().unwrap().digests, [expected]);
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
