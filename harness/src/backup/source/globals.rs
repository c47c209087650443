//! `globals`: the file of roles that belongs to the backup, as `pg_dumpall --globals-only` writes it next to
//! every dump.
//!
//! A backup job writes it seconds or minutes before or after the dump, so the times in the two names may
//! differ; what belongs together is of one day.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::candidates::{Entry, is_beside, is_unfinished};
use super::found::{Found, Rules};
use super::name::{stream_of, uncompressed};
use super::pattern::{Pattern, WILDCARDS};
use super::{newest, path};
use crate::backup::files::base_name;
use crate::outcome::{CouldNotRun, Finding};

/// Files of two days that are not further apart belong together: a job may write at midnight.
const NEAR: SignedDuration = SignedDuration::from_hours(1);

/// Words in the names of such files.
const WORDS: &[&str] = &["globals", "roles"];

/// What the files of roles are selected for.
pub(super) struct Wanted<'a> {
    /// `globals` in the scenario, a path or a pattern below the folder of the backup.
    pub globals: &'a str,
    /// The name of the backup.
    pub backup: &'a str,
    /// The time in that name.
    pub time: Option<Timestamp>,
}

/// Selects the file of roles for a local backup, and adds it or what is wrong with it. Blocks.
///
/// # Errors
/// When a folder or a file cannot be read, or the selection is ambiguous.
pub(super) fn add(found: &mut Found, globals: &str, rules: &Rules) -> Result<(), CouldNotRun> {
    let folder = folder_of(&found.path);
    let name = found.path.file_name().unwrap_or_default().to_string_lossy();
    let wanted = Wanted {
        globals,
        backup: &name,
        time: found.named_time,
    };
    let rules = &rules.of_globals(globals);
    match wanted.select(list(&folder, globals, rules)?, rules)? {
        Err(missing) => found.problems.push(missing),
        Ok(entry) => {
            let globals = path::find(&folder.join(&entry.name), rules)?;
            found.set_globals(&entry.name, globals);
        }
    }
    Ok(())
}

/// Lists what may match.
fn list(folder: &Path, globals: &str, rules: &Rules) -> Result<Vec<Entry>, CouldNotRun> {
    let pattern = parse(globals)?;
    let Some(pattern) = &pattern else {
        let exists = folder.join(globals).is_file();
        return Ok(exists.then(|| Entry::named(globals)).into_iter().collect());
    };
    let base = folder.join(&pattern.base);
    let mut entries = Vec::new();
    newest::list(&base, "", 0, Some(pattern), rules, &mut entries).map_err(|error| {
        CouldNotRun::with_hint(
            format!("cannot read the folder {}: {error}", base.display()),
            "correct `globals` in `[backup]`; it is relative to the folder of the backup",
        )
    })?;
    entries.retain(|entry| entry.path.as_ref().is_some_and(|path| path.is_file()));
    for entry in &mut entries {
        entry.name = format!("{}{}", pattern.base, entry.name);
    }
    Ok(entries)
}

/// Parses `globals`; `None` for a path.
pub(super) fn parse(globals: &str) -> Result<Option<Pattern>, CouldNotRun> {
    Pattern::parse(globals)
        .map_err(|why| CouldNotRun::with_hint(why, "correct `globals` in `[backup]`"))
}

impl Wanted<'_> {
    /// Selects the entry that belongs to the backup: of the same day, the one with the nearest time. The
    /// inner error is that there is none.
    ///
    /// # Errors
    /// When the selection is ambiguous.
    pub fn select(
        &self,
        mut entries: Vec<Entry>,
        rules: &Rules,
    ) -> Result<Result<Entry, Finding>, CouldNotRun> {
        entries.retain(|entry| {
            entry.matches && !is_beside(&entry.name) && !is_unfinished(&entry.name)
        });
        let is_pattern = parse(self.globals)?.is_some();
        let time = match self.time {
            Some(time) => time,
            None if !is_pattern => return Ok(entries.pop().ok_or_else(|| self.missing(None))),
            None => {
                return Err(CouldNotRun::with_hint(
                    format!(
                        "{} has no time in its name, so none of the files that match {} is known to belong to it",
                        self.backup, self.globals
                    ),
                    "with `--backup`, name its file of roles: `--globals FILE`; or name one file in `globals`, without a wildcard",
                ));
            }
        };
        let mut timed: Vec<(Option<SignedDuration>, Entry)> = entries
            .into_iter()
            .map(|entry| {
                let apart = rules
                    .time(&entry.name)
                    .map(|of| of.duration_since(time).abs());
                (apart, entry)
            })
            // A file that is named explicitly needs no time in its name.
            .filter(|(apart, _)| apart.is_some() || !is_pattern)
            .collect();
        // Of a file and its compressed copy the compressed one comes first.
        timed.sort_by_key(|(apart, entry)| {
            let packed = uncompressed(&entry.name) != entry.name;
            (*apart, !packed, entry.name.clone())
        });
        let nearest = timed.first().map(|(_, entry)| entry.name.clone());
        timed.retain(|(_, entry)| {
            let of = rules.time(&entry.name);
            of.is_none_or(|of| belong_together(of, time))
        });
        let mut timed = timed.into_iter();
        let Some((apart, entry)) = timed.next() else {
            return Ok(Err(self.missing(nearest.as_deref())));
        };
        let twin = timed.find(|(of, other)| {
            *of == apart && uncompressed(&other.name) != uncompressed(&entry.name)
        });
        match twin {
            None => Ok(Ok(entry)),
            Some((_, twin)) => Err(CouldNotRun::with_hint(
                format!(
                    "{} and {} are both of the same time, so it is not known which belongs to {}",
                    entry.name, twin.name, self.backup
                ),
                "write a pattern in `globals` that matches the files of one job",
            )),
        }
    }

    /// The finding that no file belongs to the backup.
    fn missing(&self, nearest: Option<&str>) -> Finding {
        let day = self.time.map(|time| time.to_zoned(TimeZone::UTC).date());
        let of = day.map_or_else(String::new, |day| format!(" of {day}"));
        Finding::about(
            self.backup,
            format!("a file of its roles{of}, as `globals = \"{}\"` names it", self.globals),
            match nearest {
                Some(nearest) => format!("none of that day; the nearest is {nearest}"),
                None if self.globals.contains(WILDCARDS) => {
                    "no file with a time in its name matches".to_owned()
                }
                None => "there is no such file".to_owned(),
            },
        )
        .hint("let the backup job write it with every dump: `pg_dumpall --globals-only`; or correct `globals`, which is relative to the folder of the backup; with `--backup`, name the file: `--globals FILE`")
    }
}

/// Whether two files are of one day, or of one run of a job at midnight.
fn belong_together(one: Timestamp, other: Timestamp) -> bool {
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    day(one) == day(other) || one.duration_since(other).abs() <= NEAR
}

/// The folder that a backup is in.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether a file is called after roles.
pub(super) fn is_called_after_roles(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

/// A file next to a backup that looks like its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Its name.
    pub file: String,
    /// The value of `globals` that selects it.
    pub globals: String,
}

/// Searches the folder of a local backup for a file of its day that is called after roles. Blocks.
#[must_use]
pub fn suggest(backup: &Path, rules: &Rules) -> Option<Suggestion> {
    let name = backup.file_name()?.to_str()?;
    let time = rules.time(name);
    let entries = std::fs::read_dir(folder_of(backup)).ok()?.flatten();
    let called_after_roles = entries
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| {
            other != name && is_called_after_roles(other) && !other.contains(WILDCARDS)
        });
    let (dated, undated): (Vec<String>, Vec<String>) =
        called_after_roles.partition(|name| rules.time(name).is_some());
    let mut values: Vec<String> = match time {
        Some(_) => dated.iter().map(|name| stream_of(name)).collect(),
        None => undated,
    };
    values.sort();
    values.dedup();
    values.into_iter().find_map(|globals| {
        let wanted = Wanted {
            globals: &globals,
            backup: name,
            time,
        };
        let rules = rules.of_globals(&globals);
        let entries = list(&folder_of(backup), &globals, &rules).ok()?;
        let entry = wanted.select(entries, &rules).ok()?.ok()?;
        Some(Suggestion {
            file: base_name(&entry.name).to_owned(),
            globals,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::source::TimePattern;
    use rstest::rstest;

    /// What is selected for a backup among these files.
    fn selected(
        backup: &str,
        globals: &str,
        files: &[&str],
        time: Option<&str>,
    ) -> Result<Result<String, String>, String> {
        let folder = tempfile::tempdir().unwrap();
        for name in files.iter().chain([&backup]) {
            let path = folder.path().join("b").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let rules = Rules {
            time: time.map(|time| TimePattern::parse(time).unwrap()),
            ..Rules::default()
        };
        let mut found = path::find(&folder.path().join("b").join(backup), &rules).unwrap();
        add(&mut found, globals, &rules).map_err(|error| error.reason)?;
        Ok(match (found.globals, found.problems.as_slice()) {
            (Some((name, globals)), []) => {
                assert!(globals.path.ends_with(name.trim_start_matches("../")));
                Ok(name)
            }
            (None, [problem]) => Err(problem.actual.clone()),
            other => panic!("{other:?}"),
        })
    }

    #[rstest]
    #[case::same("shop-2026-05-25.sql.gz", "globals-*.sql.gz", &["globals-2026-05-24.sql.gz", "globals-2026-05-25.sql.gz", "globals-2026-05-26.sql.gz"], "globals-2026-05-25.sql.gz")]
    #[case::seconds_before("shop_20260525T020003.sql", "globals_*", &["globals_20260525T020001.sql", "globals_20260524T020001.sql"], "globals_20260525T020001.sql")]
    #[case::minutes_after("shop_20260525T0200.sql", "globals_*", &["globals_20260525T0207.sql", "globals_20260525T0107.sql"], "globals_20260525T0207.sql")]
    #[case::hourly_dumps_nightly_roles("shop_20260525T1400.sql", "globals-*", &["globals-2026-05-25.sql", "globals-2026-05-26.sql"], "globals-2026-05-25.sql")]
    #[case::at_midnight("shop_20260525T235958.sql", "globals_*", &["globals_20260526T000004.sql", "globals_20260524T235958.sql"], "globals_20260526T000004.sql")]
    #[case::compressed_copy("shop-2026-05-25.sql", "globals-*", &["globals-2026-05-25.sql", "globals-2026-05-25.sql.gz", "globals-2026-05-25.sql.gz.sha256"], "globals-2026-05-25.sql.gz")]
    #[case::another_folder("shop-2026-05-25.sql", "../roles/*.sql", &["../roles/2026-05-25.sql", "../roles/2026-05-24.sql"], "../roles/2026-05-25.sql")]
    #[case::folders("shop-2026-05-25.sql", "../*/globals.sql", &["../2026-05-25/globals.sql", "../2026-05-24/globals.sql"], "../2026-05-25/globals.sql")]
    #[case::explicit("shop-2026-05-25.sql", "globals.sql", &["globals.sql"], "globals.sql")]
    #[case::both_undated("shop.sql", "globals.sql", &["globals.sql"], "globals.sql")]
    #[case::partial("shop-2026-05-25.sql", "g*", &["g-2026-05-25.sql.part", "g2-2026-05-25.sql"], "g2-2026-05-25.sql")]
    fn the_file_of_the_same_run_is_selected(
        #[case] backup: &str,
        #[case] globals: &str,
        #[case] files: &[&str],
        #[case] expected: &str,
    ) {
        let name = selected(backup, globals, files, None).unwrap().unwrap();
        assert_eq!(name, expected);
    }

    #[rstest]
    #[case::day_before("shop-2026-05-25.sql", "g-*.sql", &["g-2026-05-24.sql", "g-2026-05-20.sql"], "the nearest is g-2026-05-24.sql")]
    #[case::day_after("shop-2026-05-25.sql", "g-*.sql", &["g-2026-05-26.sql"], "the nearest is g-2026-05-26.sql")]
    #[case::explicit_of_another_day("shop-2026-05-25.sql", "g-2026-05-24.sql", &["g-2026-05-24.sql"], "the nearest is g-2026-05-24.sql")]
    #[case::explicit_and_missing("shop-2026-05-25.sql", "g.sql", &[], "there is no such file")]
    #[case::none("shop-2026-05-25.sql", "g-*.sql", &["roles-2026-05-25.sql"], "no file with a time in its name matches")]
    #[case::undated("shop-2026-05-25.sql", "g*.sql", &["g.sql"], "no file with a time in its name matches")]
    fn no_file_of_the_day_is_a_fault(
        #[case] backup: &str,
        #[case] globals: &str,
        #[case] files: &[&str],
        #[case] says: &str,
    ) {
        let why = selected(backup, globals, files, None).unwrap().unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[rstest]
    #[case("shop-2026-05-25.sql", "*g*.sql", &["ag-2026-05-25.sql", "bg-2026-05-25.sql"], "both of the same time")]
    #[case("shop.sql", "g-*.sql", &["g-2026-05-25.sql"], "has no time in its name")]
    #[case("shop-2026-05-25.sql", "no-folder/g-*.sql", &[], "cannot read the folder")]
    fn what_cannot_be_decided_is_an_error(
        #[case] backup: &str,
        #[case] globals: &str,
        #[case] files: &[&str],
        #[case] says: &str,
    ) {
        let why = selected(backup, globals, files, None).unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[test]
    fn the_time_has_the_format_of_the_scenario() {
        let files = ["g-1779676201.sql", "g-1779589801.sql"];
        let pattern = Some("shop-%s.sql");
        let name = selected("shop-1779676200.sql", "g-*.sql", &files, pattern);
        assert_eq!(name, Ok(Ok("g-1779676201.sql".to_owned())));
        let files = &files[1..];
        let name = selected("shop-1779676200.sql", "g-*.sql", files, pattern);
        assert!(name.unwrap().unwrap_err().contains("g-1779589801.sql"));
    }

    #[rstest]
    #[case("shop-2026-05-25.sql.gz", &["globals-2026-05-25.sql.gz", "globals-2026-05-24.sql.gz"], Some(("globals-2026-05-25.sql.gz", "globals-*.sql.gz")))]
    #[case("shop-2026-05-25.sql.gz", &["Roles_20260525T0200.sql"], Some(("Roles_20260525T0200.sql", "Roles_*.sql")))]
    #[case("shop-2026-05-25.sql.gz", &["globals-2026-05-24.sql.gz", "users-2026-05-25.sql.gz"], None)]
    #[case("shop.sql", &["globals.sql", "globals-2026-05-24.sql"], Some(("globals.sql", "globals.sql")))]
    fn a_file_that_is_called_after_roles_is_suggested(
        #[case] backup: &str,
        #[case] files: &[&str],
        #[case] expected: Option<(&str, &str)>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for name in files.iter().chain([&backup]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let suggestion = suggest(&folder.path().join(backup), &Rules::default());
        let suggestion = suggestion.as_ref();
        let found = suggestion.map(|one| (one.file.as_str(), one.globals.as_str()));
        assert_eq!(found, expected);
    }
}
