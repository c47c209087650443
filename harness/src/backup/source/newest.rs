//! `newest`: of the files and folders that match a pattern, the one with the latest time in its name.
//!
//! Never by modification time: a copy or a restore of old files changes it.

use crate::outcome::CouldNotRun;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::candidates::{Entry, choose};
use super::found::{Found, Rules};
use super::name::is_older;
use super::path::modified;
use super::pattern::{Match, Pattern};
use super::{digest, manifest};

/// A file that has not changed for this long is not examined a second time.
const QUIET: Duration = Duration::from_secs(120);

/// The pause before a file that may still be written is examined again.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Selects the newest that matches. A relative pattern starts from `folder`. Blocks.
///
/// # Errors
/// When there is none, or the selection is ambiguous.
pub fn find(folder: &Path, pattern: &str, rules: &Rules) -> Result<Found, CouldNotRun> {
    let read = Pattern::parse(pattern)
        .map_err(|why| CouldNotRun::with_hint(why, "correct `newest` in `[backup]`"))?;
    let base = read.as_ref().map_or(pattern, |pattern| &pattern.base);
    let base = folder.join(base);
    let own = read.as_ref().map_or("", |pattern| &pattern.text);
    let mut entries = Vec::new();
    list(&base, "", 0, read.as_ref(), rules, &mut entries).map_err(|error| {
        CouldNotRun::with_hint(
            format!("cannot read the folder {}: {error}", base.display()),
            "correct `newest` in `[backup]`; it is relative to the scenario file",
        )
    })?;
    let shown = if own.is_empty() {
        format!("{}/", base.display().to_string().trim_end_matches('/'))
    } else {
        folder.join(pattern).display().to_string()
    };
    let choice = choose(entries, rules, &shown, own, |entry| {
        entry.path.as_deref().and_then(still_written)
    })?;
    let path = choice.taken.path.clone().unwrap_or_default();
    let origin = path.display().to_string();
    let mut found = choice.into_found(path, origin, rules);
    digest::read_digest_file(&mut found);
    manifest::read_manifest(&mut found);
    Ok(found)
}

/// Lists the folders of the pattern. A folder is a backup only with a time in its name.
pub(super) fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    pattern: Option<&Pattern>,
    rules: &Rules,
    entries: &mut Vec<Entry>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        // A dangling link is ignored.
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        let below = format!("{prefix}{name}");
        if pattern.is_some_and(|pattern| depth + 1 < pattern.depth()) {
            if metadata.is_dir() && pattern.is_some_and(|pattern| pattern.part(depth, &name)) {
                // A folder without access does not prevent reading the others.
                let _ = list(
                    &path,
                    &format!("{below}/"),
                    depth + 1,
                    pattern,
                    rules,
                    entries,
                );
            }
            continue;
        }
        let matches = pattern.is_none_or(|pattern| pattern.judge(&below) == Match::Whole);
        if metadata.is_file() || (metadata.is_dir() && matches && rules.time(&name).is_some()) {
            entries.push(entry_of(below, path, &metadata, matches));
        }
    }
    Ok(())
}

fn entry_of(name: String, path: PathBuf, metadata: &Metadata, matches: bool) -> Entry {
    let (bytes, modified) = if metadata.is_dir() {
        size_of(&path)
    } else {
        (metadata.len(), modified(metadata))
    };
    Entry {
        name,
        bytes,
        modified,
        path: Some(path),
        matches,
    }
}

/// Total bytes of the files in a folder, and the latest modification time.
fn size_of(folder: &Path) -> (u64, Option<Timestamp>) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|entry| entry.metadata().ok())
        .filter(Metadata::is_file)
        .fold((0, None), |(bytes, last), metadata| {
            (bytes + metadata.len(), last.max(modified(&metadata)))
        })
}

/// Returns the reason if a file or folder changes while it is observed.
fn still_written(path: &Path) -> Option<String> {
    let observe = || {
        let metadata = std::fs::metadata(path).ok()?;
        Some(match metadata.is_dir() {
            true => size_of(path),
            false => (metadata.len(), modified(&metadata)),
        })
    };
    let first = observe()?;
    if first.1.is_none_or(|time| is_older(time, QUIET)) {
        return None;
    }
    std::thread::sleep(LOOK_AGAIN);
    (observe() != Some(first))
        .then(|| "still being written: it changed while it was observed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        folder
    }

    fn taken(folder: &tempfile::TempDir, pattern: &str) -> String {
        let found = find(folder.path(), pattern, &Rules::default()).unwrap();
        let name = found.path.strip_prefix(folder.path()).unwrap();
        name.to_str().unwrap().to_owned()
    }

    #[test]
    fn f46_the_newest_is_taken_by_name_not_by_modification_time() {
        // The last one written is the oldest by its name.
        let folder = folder(&[
            "a-2026-05-25.sql",
            "a-2026-05-24.sql",
            "a-old.sql",
            "b-2026-05-26.sql",
        ]);
        let found = find(folder.path(), "a-*.sql", &Rules::default()).unwrap();
        assert_eq!(found.path, folder.path().join("a-2026-05-25.sql"));
        assert_eq!(found.origin, found.path.display().to_string());
        assert!(
            found.chosen.contains("a-2026-05-24.sql"),
            "{}",
            found.chosen
        );
        assert_eq!(
            found.earlier[0].path,
            Some(folder.path().join("a-2026-05-24.sql"))
        );
        assert_eq!(found.candidates.len(), 4);
        let error = find(folder.path(), "c-*.sql", &Rules::default()).unwrap_err();
        assert!(error.reason.contains("no file matches"), "{error}");
        assert!(find(folder.path(), "nowhere/*.sql", &Rules::default()).is_err());
    }

    #[test]
    fn folders_are_searched_and_taken() {
        let folder = folder(&[
            "2026-05-24/plur.sql",
            "2026-05-25/plur.sql",
            "flat/x-2026-05-25.sql",
            "flat/deeper/x-2026-05-26.sql",
            "dumps/x-2026-05-25/toc.dat",
            "dumps/x-2026-05-24/toc.dat",
        ]);
        assert_eq!(taken(&folder, "*/plur.sql"), "2026-05-25/plur.sql");
        assert_eq!(taken(&folder, "flat"), "flat/x-2026-05-25.sql");
        assert_eq!(taken(&folder, "flat/"), "flat/x-2026-05-25.sql");
        assert_eq!(taken(&folder, "dumps/x-*"), "dumps/x-2026-05-25");
    }

    #[test]
    fn f02_a_file_that_grows_is_not_taken() {
        let folder = folder(&["a-2026-05-24.sql", "a-2026-05-25.sql"]);
        let path = folder.path().join("a-2026-05-25.sql");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = std::fs::File::options().append(true).open(path).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    file.write_all(b"more").unwrap();
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
            let found = find(folder.path(), "a-*.sql", &Rules::default());
            stop.store(true, Ordering::Relaxed);
            let found = found.unwrap();
            assert_eq!(found.path, folder.path().join("a-2026-05-24.sql"));
            assert!(
                matches!(&found.candidates[0].not_taken, Some(why) if why.contains("still being written"))
            );
            assert_eq!(found.warnings.len(), 1);
        });
        assert_eq!(taken(&folder, "a-*.sql"), "a-2026-05-25.sql");
    }
}
