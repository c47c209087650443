//! `[backup]` of a scenario: the newest backup of its name where the name contains a time, else the file.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use super::block::{Value, commented, quote};
use crate::backup::base::settings::Target;
use crate::backup::bundle::is_directory_archive;
use crate::backup::packing::{Keys, Unpacked};
use crate::backup::source::globals::{Suggestion, suggest};
use crate::backup::source::{Rules, newest, stream_of, time_in_name};
use pgdump::format::{Sniffed, sniff};

/// Maximum number of `..` in a path; a longer one is written from the root.
const UP: usize = 4;

/// The variable that names the backup of a scenario that was written without one.
pub const VARIABLE: &str = "BACKUP";

/// Where the backup is, as the scenario has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupLocation {
    /// `path` or `newest`.
    key: &'static str,
    value: String,
    /// The file of its roles: `globals`.
    pub globals: Option<String>,
    /// Why it was selected of the folder that was named: one sentence.
    pub chosen: Option<String>,
    /// The parts, where there are several backups.
    pub parts: Vec<PartLocation>,
    /// Written above it.
    comment: Option<String>,
    /// The file of an age identity.
    identity: Option<String>,
    /// The command that decrypts.
    command: Vec<String>,
    /// How it is recovered, where it is a base backup.
    base: Option<BaseLocation>,
}

/// How a base backup is recovered, as the scenario has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct BaseLocation {
    /// The folder of the archived WAL.
    wal: Option<String>,
    /// The key and the value of the target; `None` for the end of the WAL.
    target: Option<String>,
}

/// Where one of several backups is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartLocation {
    /// Its name.
    pub name: String,
    /// The pattern of its files, from the root.
    pub pattern: String,
    /// The same as the scenario has it.
    shown: String,
}

impl BackupLocation {
    /// A backup that a variable of the environment names.
    #[must_use]
    pub fn later() -> Self {
        Self {
            key: "path",
            value: "${BACKUP}".to_owned(),
            comment: Some(
                "Name the backup with `redrill run --backup FILE`, or replace `path` with the newest of a folder: \
                 newest = \"/backups/orders-*.sql.gz\"."
                    .to_owned(),
            ),
            ..Self::default()
        }
    }

    /// The backup at `path`, for a scenario in `folder`.
    #[must_use]
    pub fn of(path: &Path, folder: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let file = absolute
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let shown = |path: &Path| relative(path, folder).display().to_string();
        let mut location = Self {
            key: "path",
            value: shown(&absolute),
            ..Self::default()
        };
        let (Some(name), Some(parent)) = (file, absolute.parent()) else {
            return location;
        };
        location.globals = globals_of(&absolute);
        if time_in_name(&name).is_none() || name.contains(['*', '?', '[', '{']) {
            return location;
        }
        let pattern = parent.join(stream_of(&name));
        let found = newest::find(folder, &pattern.display().to_string(), &Rules::default());
        if found.is_ok_and(|found| found.path == absolute) {
            location.key = "newest";
            location.value = shown(&pattern);
            location.comment = Some(
                "The newest file by the time in its name. If a backup is made every night, add `max-age = \"26h\"`: the drill then \
                 fails if one is missing."
                    .to_owned(),
            );
        } else {
            location.comment = Some(format!(
                "The folder contains newer files of this name, or several of the same time. Write `newest = {}` to use the newest.",
                quote(&shown(&pattern))
            ));
        }
        location
    }

    /// The base backup at `path`, its archived WAL and the target of its recovery, for a scenario in `folder`.
    #[must_use]
    pub fn base(path: &Path, wal: Option<&Path>, target: &Target, folder: &Path) -> Self {
        let shown = |path: &Path| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            relative(&absolute, folder).display().to_string()
        };
        let mut location = Self::of(path, folder);
        let target = written(target);
        // A later base backup begins after a fixed target.
        if target.is_some() || location.key == "path" {
            (location.key, location.value) = ("path", shown(path));
            location.comment = None;
        } else {
            location.comment = Some(
                "The newest by the time in its name. If a base backup is taken every night, add `max-age = \"26h\"` to `[backup]`: the \
                 drill then fails if one is missing."
                    .to_owned(),
            );
        }
        location.base = Some(BaseLocation {
            wal: wal.map(shown),
            target,
        });
        location
    }

    /// Whether it is a base backup.
    #[must_use]
    pub const fn is_base(&self) -> bool {
        self.base.is_some()
    }

    /// The newest of each of these streams in `backups`, for a scenario in `folder`.
    #[must_use]
    pub fn several(backups: &Path, streams: &[String], folder: &Path) -> Self {
        let absolute = std::path::absolute(backups).unwrap_or_else(|_| backups.to_owned());
        let part = |stream: &String| {
            let pattern = absolute.join(stream);
            // The time is gone from the name of a stream.
            let name = stream.split(['*', '.']).next().unwrap_or_default();
            PartLocation {
                name: name.trim_end_matches(['-', '_', ' ']).to_owned(),
                shown: relative(&pattern, folder).display().to_string(),
                pattern: pattern.display().to_string(),
            }
        };
        Self {
            parts: streams.iter().map(part).collect(),
            comment: Some(
                "The newest of each by the time in its name. Parts of several nights fail: `same-time-within` says how far apart they may \
                 be (12 h unless set). If backups are made every night, add `max-age = \"26h\"`: the drill then fails if one is missing."
                    .to_owned(),
            ),
            ..Self::default()
        }
    }

    /// Sets how it is decrypted.
    #[must_use]
    pub fn opened_by(
        mut self,
        identity: Option<&Path>,
        command: Option<&str>,
        folder: &Path,
    ) -> Self {
        self.identity = identity.map(|file| {
            let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            relative(&absolute, folder).display().to_string()
        });
        self.command = command
            .map(|text| text.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        self
    }

    /// Writes `[backup]`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = match &self.base {
            Some(_) => String::from("\n[backup.base]\n"),
            None => String::from("\n[backup]\n"),
        };
        if let Some(comment) = &self.comment {
            text.push_str(&commented(comment));
        }
        for part in &self.parts {
            let (name, pattern) = (quote(&part.name), quote(&part.shown));
            let _ = write!(
                text,
                "\n[[backup.part]]\nname = {name}\nnewest = {pattern}\n"
            );
        }
        if self.parts.is_empty() {
            self.write_one(&mut text);
        }
        if let Some(file) = &self.identity {
            let _ = write!(
                text,
                "\n[backup.decrypt]\nage-identity = {{ file = {} }}\n",
                quote(file)
            );
        }
        if !self.command.is_empty() {
            let words: Value = self.command.clone().into();
            let _ = write!(text, "\n[backup.decrypt]\n{}\n", words.write("command"));
        }
        if let Some(base) = &self.base {
            base.write(&mut text);
        }
        text
    }

    /// Writes the keys of one backup.
    fn write_one(&self, text: &mut String) {
        let value = if self.value == "${BACKUP}" {
            format!("\"{}\"", self.value)
        } else {
            quote(&self.value)
        };
        let _ = writeln!(text, "{} = {value}", self.key);
        if let Some(globals) = &self.globals {
            let comment =
                "The roles of the same day, restored before the backup. A day without them fails.";
            text.push_str(&commented(comment));
            let _ = writeln!(text, "globals = {}", quote(globals));
        }
    }
}

impl BaseLocation {
    /// Writes `[backup.wal]` and `[recovery]`.
    fn write(&self, text: &mut String) {
        match &self.wal {
            Some(wal) => {
                let _ = write!(text, "\n[backup.wal]\npath = {}\n", quote(wal));
            }
            None => text.push_str(&commented(
                "Only the WAL in the base backup is replayed. Archived WAL: `[backup.wal]` with the folder that `archive_command` writes to.",
            )),
        }
        text.push_str("\n[recovery]\n");
        text.push_str(self.target.as_deref().unwrap_or("target = \"latest\"\n"));
    }
}

/// The target of a recovery as `[recovery]` has it; `None` for the end of the WAL.
fn written(target: &Target) -> Option<String> {
    Some(match target {
        Target::Latest => return None,
        Target::Immediate => "target = \"immediate\"\n".to_owned(),
        Target::Time(time) => format!("time = {time}\n"),
        Target::Lsn(lsn) => format!("lsn = \"{lsn}\"\n"),
        Target::Transaction(transaction) => format!("transaction = {transaction}\n"),
        Target::Name(name) => format!("name = {}\n", quote(name)),
    })
}

/// The file of roles next to a dump that contains none, as `globals` names it.
fn globals_of(backup: &Path) -> Option<String> {
    let is_folder_of_dumps = backup.is_dir() && !is_directory_archive(backup);
    if is_folder_of_dumps || (backup.is_file() && is_of_cluster(backup)?) {
        return None;
    }
    let Suggestion { file, globals } = suggest(backup, &Rules::default())?;
    is_of_cluster(&backup.with_file_name(file))?.then_some(globals)
}

/// Whether a file is written by pg_dumpall or is a bundle, so that it may contain roles; `None` if it cannot be read.
fn is_of_cluster(file: &Path) -> Option<bool> {
    let content = Unpacked::open(file, &Keys::default()).ok()?;
    let head = content.head();
    let is_bundle = matches!(sniff(head), Sniffed::Tar) && !head.starts_with(b"toc.dat\0");
    Some(is_bundle || head.starts_with(b"--\n-- PostgreSQL database cluster dump\n"))
}

/// A path relative to a folder, if that is near.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = folder.canonicalize().unwrap_or(folder);
    let (there, here): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (path.components().collect(), folder.components().collect());
    let common = there
        .iter()
        .zip(&here)
        .take_while(|(one, other)| one == other)
        .count();
    let up = here.len() - common;
    // Only the root in common is not near.
    if up > UP || common < 2 {
        return path.to_owned();
    }
    let mut relative: PathBuf = std::iter::repeat_n("..", up).collect();
    relative.extend(there.iter().skip(common));
    relative
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::settings::Composition;
    use crate::input::Environment;
    use rstest::rstest;

    #[rstest]
    #[case("/srv/app/backups/x.sql", "/srv/app/drills", "../backups/x.sql")]
    #[case("/srv/app/x.sql", "/srv/app", "x.sql")]
    #[case("/var/backups/x.sql", "/srv/app", "/var/backups/x.sql")]
    fn paths_are_relative_to_the_scenario(
        #[case] path: &str,
        #[case] folder: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(
            relative(Path::new(path), Path::new(folder)),
            Path::new(expected)
        );
    }

    #[rstest]
    #[case(
        "shop-2026-05-25.sql",
        "database",
        "globals-2026-05-25.sql",
        "database cluster",
        Some("globals-*.sql")
    )]
    #[case(
        "shop.sql",
        "database",
        "globals.sql",
        "database cluster",
        Some("globals.sql")
    )]
    #[case(
        "shop-2026-05-25.sql",
        "database",
        "globals-2026-05-24.sql",
        "database cluster",
        None
    )]
    #[case(
        "shop-2026-05-25.sql",
        "database",
        "roles-2026-05-25.sql",
        "database",
        None
    )]
    #[case(
        "all-2026-05-25.sql",
        "database cluster",
        "globals-2026-05-25.sql",
        "database cluster",
        None
    )]
    fn a_file_of_roles_next_to_the_backup_is_written(
        #[case] backup: &str,
        #[case] writes: &str,
        #[case] other: &str,
        #[case] contains: &str,
        #[case] globals: Option<&str>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for (name, what) in [(backup, writes), (other, contains)] {
            std::fs::write(
                folder.join(name),
                format!("--\n-- PostgreSQL {what} dump\n--\n"),
            )
            .unwrap();
        }
        let location = BackupLocation::of(&folder.join(backup), &folder);
        assert_eq!(location.globals.as_deref(), globals);
        let written =
            globals.map_or_else(String::new, |globals| format!("globals = \"{globals}\"\n"));
        assert!(location.write().ends_with(&written), "{}", location.write());
    }

    #[rstest]
    #[case::latest(Target::Latest, "newest = \"base-*\"", "target = \"latest\"")]
    #[case::time(
        Target::Time("2026-11-24T20:35:30.5Z".parse().unwrap()),
        "path = \"base-2026-11-25\"",
        "time = 2026-11-24T20:35:30.5Z"
    )]
    #[case::name(
        Target::Name("it \"is\" ok".to_owned()),
        "path = \"base-2026-11-25\"",
        "name = 'it \"is\" ok'"
    )]
    fn a_base_backup_has_its_wal_and_target(
        #[case] target: Target,
        #[case] backup: &str,
        #[case] recovery: &str,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for name in ["base-2026-11-24", "base-2026-11-25", "wal"] {
            std::fs::create_dir(folder.join(name)).unwrap();
        }
        let (path, wal) = (folder.join("base-2026-11-25"), folder.join("wal"));
        let text = BackupLocation::base(&path, Some(&wal), &target, &folder).write();
        let rest = format!("{backup}\n\n[backup.wal]\npath = \"wal\"\n\n[recovery]\n{recovery}\n");
        assert!(text.starts_with("\n[backup.base]\n"), "{text}");
        assert!(text.ends_with(&rest), "{text}");
        let scenario = format!("schema = 1\nname = \"x\"\n{text}");
        let read =
            crate::scenario::parse(&folder.join("x.toml"), &scenario, &Environment::default());
        let scenario = read.map_err(|mistakes| mistakes.render(false)).unwrap();
        let Composition::One(subject) = scenario.backup else {
            panic!("one backup")
        };
        assert_eq!(subject.physical.unwrap().target, target);
    }

    #[test]
    fn the_newest_of_a_name_is_written_as_a_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for name in ["app-2026-05-24.sql", "app-2026-05-25.sql", "plain.sql"] {
            std::fs::write(folder.join(name), "-- x\n").unwrap();
        }
        let of = |name: &str| BackupLocation::of(&folder.join(name), &folder);
        assert_eq!(
            (of("plain.sql").key, of("plain.sql").value.as_str()),
            ("path", "plain.sql")
        );
        let newest = of("app-2026-05-25.sql");
        assert_eq!((newest.key, newest.value.as_str()), ("newest", "app-*.sql"));
        let older = of("app-2026-05-24.sql");
        assert_eq!(
            (older.key, older.value.as_str()),
            ("path", "app-2026-05-24.sql")
        );
        assert!(older.comment.unwrap().contains("newest = \"app-*.sql\""));
    }
}
