//! `[[backup.companion]]`: what belongs to a backup and is not in it, such as a folder of uploads or the key of secrets.
//!
//! It is found, aged, and its bytes are read to the end, whatever they are; nothing of its content is shown.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::Backup;
use super::examine::compare_digest;
use super::files::blocking;
use super::settings::Sha256Hex;
use super::source::{self, Found, Location, Place, Rules, Source, TimePattern, apart};
use crate::digest::{RowsDigest, sha256_of};
use crate::input::Problem;
use crate::input::decode::decode;
use crate::outcome::{CompanionFacts, CouldNotRun, Finding, Objective, TimeSource};
use crate::record::age;
use crate::units::{Span, show_duration};

/// What belongs to the backup and is not in it. Exactly one of `path` and `newest`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Companion {
    /// Its name in reports.
    pub name: String,
    /// A file or a folder, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// A pattern, such as `backups/uploads-*.tar.gz`. Selects the newest by the time in its name.
    pub newest: Option<String>,
    /// Format of the time in the names, as for the backup.
    pub time: Option<TimePattern>,
    /// Maximum age, by the time in its name; without one, by its modification time, of a folder by that of the file
    /// in it that changed last.
    pub max_age: Option<Span>,
    /// How far its time may be from that of the backup, such as `1h`. Default: any.
    pub same_time_within: Option<Span>,
    /// The expected SHA-256 of the file, in hex. Without it a file `X.sha256` next to it is read, where there is one.
    pub sha256: Option<Sha256Hex>,
    /// Whether it is read to its end. Default: true. `false` is for a folder that is too large: then it has no digest,
    /// and a file that cannot be read is not noticed.
    pub read: Option<bool>,
}

/// Reads the list. Errors are added to `problems`; `key` is the place of the name `companion`.
pub fn read(
    value: Spanned<DeValue<'_>>,
    key: &Range<usize>,
    problems: &mut Vec<Problem>,
) -> Vec<Companion> {
    let DeValue::Array(tables) = value.into_inner() else {
        let problem = Problem::at(key.clone(), "`companion` must be a list of tables");
        problems.push(problem.hint("begin each companion with `[[backup.companion]]`"));
        return Vec::new();
    };
    let mut read: Vec<Companion> = Vec::new();
    for table in tables {
        let place = table.span();
        let Some(companion) = decode::<Companion>(table, &[], problems) else {
            continue;
        };
        let mut wrong = |message: String, hint: &str| {
            problems.push(Problem::at(place.clone(), message).hint(hint));
        };
        if companion.path.is_some() == companion.newest.is_some() {
            wrong(
                format!(
                    "`{}` needs `path` or `newest`, and not both",
                    companion.name
                ),
                "add `path = \"uploads\"`, or `newest = \"backups/uploads-*.tar.gz\"`",
            );
        }
        if companion.read == Some(false) && companion.sha256.is_some() {
            wrong(
                format!(
                    "`sha256` of `{}` is not compared without reading it",
                    companion.name
                ),
                "leave out `read = false`",
            );
        }
        if read.iter().any(|other| other.name == companion.name) {
            wrong(
                format!("two companions are called `{}`", companion.name),
                "give each companion a `name` of its own",
            );
        }
        read.push(companion);
    }
    read
}

/// Finds and reads the companions of a backup, and adds what they are and what is wrong with them.
///
/// # Errors
/// When one is there and cannot be read.
pub async fn add(
    companions: &[Companion],
    place: &Place<'_>,
    backup: &mut Backup,
) -> Result<(), CouldNotRun> {
    for companion in companions {
        let within = |error: CouldNotRun| CouldNotRun {
            reason: format!("companion `{}`: {}", companion.name, error.reason),
            ..error
        };
        let source = companion.source();
        let (found, missing) = match source::find(&source, place).await {
            Ok(found) => (Some(found), None),
            Err(error) if source::is_absent(&source, place.folder) => (None, Some(error)),
            Err(error) => return Err(within(error)),
        };
        let Some(found) = found else {
            let reason = missing.map_or_else(String::new, |error| error.reason);
            backup.problems.push(
                companion
                    .finding(
                        "it is there, because the backup alone is not enough",
                        reason,
                    )
                    .hint("find out whether its backup job runs, and where it writes to"),
            );
            continue;
        };
        let digested = companion.read != Some(false);
        let path = found.path.clone();
        let content = blocking(move || Content::of(&path, digested))
            .await
            .map_err(within)?;
        backup.problems.extend(found.problems.iter().cloned());
        backup.warnings.extend(found.warnings.iter().cloned());
        let (facts, findings) = companion.judge(&found, content, backup.made)?;
        backup.problems.extend(findings);
        if let Some(limit) = companion.max_age {
            let made = facts.made.map(|(made, _)| made);
            let actual = made.and_then(|made| age(made, Timestamp::now()));
            let of = format!("of {}", companion.name);
            backup
                .tiers
                .push(Objective::time("max-age", limit.0, actual).measured_on(of));
        }
        backup.companions.push(facts);
    }
    Ok(())
}

impl Companion {
    fn source(&self) -> Source {
        let location = match (&self.path, &self.newest) {
            (Some(path), _) => Location::Path(path.clone()),
            // Validated with the scenario.
            (None, newest) => Location::Newest(newest.clone().unwrap_or_default()),
        };
        Source {
            location,
            rules: Rules {
                time: self.time.clone(),
                sha256: self.sha256.clone().map(|digest| digest.0),
                ..Rules::default()
            },
            globals: None,
        }
    }

    fn finding(&self, expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        Finding::about(format!("companion {}", self.name), expected, actual)
    }

    /// What it is, and what is wrong with it.
    ///
    /// # Errors
    /// When the scenario expects what cannot be compared.
    fn judge(
        &self,
        found: &Found,
        content: Content,
        backup: Option<(Timestamp, TimeSource)>,
    ) -> Result<(CompanionFacts, Vec<Finding>), CouldNotRun> {
        let mut findings = Vec::new();
        let mut digest = None;
        if content.is_folder && self.sha256.is_some() {
            return Err(CouldNotRun::with_hint(
                format!(
                    "companion `{}` is a folder, and `sha256` is that of a file",
                    self.name
                ),
                "leave out `sha256`; the report has a digest of the folder",
            ));
        }
        if content.bytes == 0 {
            let what = if content.is_folder {
                "a folder with files"
            } else {
                "a file with a content"
            };
            findings.push(
                self.finding(what, "it is empty")
                    .hint("find out what its backup job wrote"),
            );
        }
        if let Some(sha256) = content.sha256.as_deref().filter(|_| !content.is_folder) {
            let (agrees, faults) = compare_digest(sha256, found);
            digest = agrees;
            let object = format!("companion {}", self.name);
            findings.extend(faults.into_iter().map(|fault| fault.within(&object)));
        }
        let made = found
            .named_time
            .map(|time| (time, TimeSource::Name))
            .or_else(|| Some((content.changed?, TimeSource::ModificationTime)));
        if let Some(within) = self.same_time_within {
            let (Some((own, _)), Some((of_backup, _))) = (made, backup) else {
                let reason = format!(
                    "nothing says when the backup or its companion `{}` was taken, so they cannot be compared",
                    self.name
                );
                return Err(CouldNotRun::with_hint(
                    reason,
                    "put the time into its name, or leave out `same-time-within`",
                ));
            };
            let apart = apart(own, of_backup);
            if apart > within.0 {
                findings.push(
                    self.finding(
                        format!("taken within {} of the backup", show_duration(within.0)),
                        format!("{} apart", show_duration(apart)),
                    )
                    .hint("rows and files of two nights do not fit together: drill those of one night"),
                );
            }
        }
        let facts = CompanionFacts {
            name: self.name.clone(),
            path: found.path.clone(),
            origin: found.origin.clone(),
            chosen: found.chosen.clone(),
            files: content.files,
            bytes: content.bytes,
            sha256: content.sha256,
            digest,
            made,
        };
        Ok((facts, findings))
    }
}

/// What is in a file or a folder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    is_folder: bool,
    files: u64,
    bytes: u64,
    /// Of a file, its SHA-256; of a folder, the sum of those of the lines `SHA-256  BYTES  NAME` of its files, which needs
    /// no order and so no memory for their names.
    sha256: Option<String>,
    /// The last change of a file.
    changed: Option<Timestamp>,
}

impl Content {
    /// Reads a file or a folder; without `digested` only their sizes. Links are not followed. Blocks.
    fn of(path: &Path, digested: bool) -> Result<Self, CouldNotRun> {
        let unreadable = |path: &Path, error: &io::Error| {
            CouldNotRun::with_hint(
                format!("cannot read {}: {error}", path.display()),
                "run redrill as a user who may read it",
            )
        };
        let mut content = Self::default();
        if !path.is_dir() {
            let sum = content.add(path, digested);
            content.sha256 = sum.map_err(|error| unreadable(path, &error))?;
            return Ok(content);
        }
        content.is_folder = true;
        let mut sum = RowsDigest::default();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries =
                std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| unreadable(&folder, &error))?;
                let own = entry.path();
                let kind = entry
                    .file_type()
                    .map_err(|error| unreadable(&own, &error))?;
                if kind.is_dir() {
                    folders.push(own);
                } else if kind.is_file() {
                    let before = content.bytes;
                    let digest = content
                        .add(&own, digested)
                        .map_err(|error| unreadable(&own, &error))?;
                    let name = own.strip_prefix(path).unwrap_or(&own).to_string_lossy();
                    let bytes = content.bytes - before;
                    sum.add(format!("{}  {bytes}  {name}", digest.unwrap_or_default()).as_bytes());
                }
            }
        }
        content.sha256 = digested.then(|| sum.sum());
        Ok(content)
    }

    /// Adds a file; returns its SHA-256 where it is read.
    fn add(&mut self, path: &Path, digested: bool) -> io::Result<Option<String>> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        self.files += 1;
        self.bytes += metadata.len();
        let changed = metadata.modified().ok();
        self.changed = self
            .changed
            .max(changed.and_then(|time| Timestamp::try_from(time).ok()));
        digested.then(|| sha256_of(file)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_folder_has_one_digest_whatever_its_order() {
        let digest = |names: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in names {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let content = Content::of(folder.path(), true).unwrap();
            assert_eq!(content.files, names.len() as u64);
            content.sha256.unwrap()
        };
        let whole = digest(&[("a", "1"), ("b/c", "22"), ("d", "")]);
        assert_eq!(whole, digest(&[("d", ""), ("b/c", "22"), ("a", "1")]));
        assert_ne!(whole, digest(&[("a", "1"), ("b/c", "23"), ("d", "")]));
        assert_ne!(whole, digest(&[("a", "1"), ("b/e", "22"), ("d", "")]));
        assert_ne!(whole, digest(&[("a", "1"), ("b/c", "22")]));
    }

    #[test]
    fn links_are_not_followed_and_content_is_not_read_if_not_wanted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "123").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        let content = Content::of(folder.path(), false).unwrap();
        assert_eq!((content.files, content.bytes), (1, 3));
        assert_eq!(content.sha256, None);
        assert!(content.changed.is_some());
    }

    #[rstest]
    #[case("name = 'a'\npath = 'x'", &[])]
    #[case("name = 'a'\nnewest = 'x-*'\nmax-age = '26h'\nread = false", &[])]
    #[case("name = 'a'", &["needs `path` or `newest`"])]
    #[case("name = 'a'\npath = 'x'\nnewest = 'x-*'", &["needs `path` or `newest`"])]
    #[case("path = 'x'", &["`name` is missing"])]
    #[case("name = 'a'\npath = 'x'\nmaxage = '1h'", &["unknown key `maxage`"])]
    #[case("name = 'a'\npath = 'x'\nread = false\nsha256 = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", &["is not compared"])]
    #[case("name = 'a'\npath = 'x'\n[[companion]]\nname = 'a'\npath = 'y'", &["two companions are called `a`"])]
    fn settings_must_make_sense(#[case] toml: &str, #[case] expected: &[&str]) {
        let text = format!("[[companion]]\n{toml}");
        let mut root = toml::de::DeTable::parse(&text).unwrap();
        let (key, value) = root.get_mut().remove_entry("companion").unwrap();
        let mut problems = Vec::new();
        read(value, &key.span(), &mut problems);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, text) in problems.iter().zip(expected) {
            assert!(problem.message.contains(text), "{problem:#?}");
        }
    }
}
