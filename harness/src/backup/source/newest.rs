//! `newest`: of the files and folders that match a pattern, the one with the latest time in its name.
//!
//! Never by modification time: a copy or a restore of old files changes it.

use crate::backup::bundle;
use crate::outcome::CouldNotRun;
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::candidates::{Entry, choose, is_unfinished};
use super::found::{Found, Rules};
use super::globals::is_called_after_roles;
use super::name::{is_older, stream_of, time_in_name, uncompressed};
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

/// Selects the newest of a folder that one job writes into: all its dumps have a time in their names and, without files of
/// roles, are of one stream. `None` for any other folder, such as a bundle. Blocks.
#[must_use]
pub fn of_folder(folder: &Path) -> Option<Found> {
    let names = dated_dumps(folder)?;
    let newest = names
        .iter()
        .filter(|name| !is_called_after_roles(name))
        .max_by_key(|name| (time_in_name(name), name.len()))?;
    let stream = stream_of(newest);
    if streams(&names).len() > 1 {
        return None;
    }
    find(
        &std::path::absolute(folder).ok()?,
        &stream,
        &Rules::default(),
    )
    .ok()
}

/// The streams of a folder that a job writes several dumps into every time, such as one of each database: all dumps have a
/// time in their names, and are of several streams. Those of roles come first. Blocks.
#[must_use]
pub fn several_of_folder(folder: &Path) -> Option<Vec<String>> {
    let names = dated_dumps(folder)?;
    let of_data = streams(&names);
    let is_flat = || {
        names
            .iter()
            .all(|name| folder.join(name).is_file() || is_archive(folder, name))
    };
    if of_data.len() < 2 || !is_flat() {
        return None;
    }
    let roles = names.iter().filter(|name| is_called_after_roles(name));
    let roles: BTreeSet<String> = roles.map(|name| stream_of(name)).collect();
    Some(roles.into_iter().chain(of_data).collect())
}

fn is_archive(folder: &Path, name: &str) -> bool {
    bundle::is_directory_archive(&folder.join(name))
}

/// The streams of these names without those of roles; another compression is no other stream.
fn streams(names: &BTreeSet<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names
        .iter()
        .rev()
        .filter(|name| !is_called_after_roles(name))
    {
        let stream = stream_of(name);
        if !all
            .iter()
            .any(|other| uncompressed(other) == uncompressed(&stream))
        {
            all.push(stream);
        }
    }
    all.sort();
    all
}

/// The dumps of a folder, or the folders of them, if all have a time in their names.
fn dated_dumps(folder: &Path) -> Option<BTreeSet<String>> {
    let own = std::path::absolute(folder).ok()?;
    let is_dated = |name: &str| time_in_name(name).is_some();
    if is_dated(&own.file_name()?.to_string_lossy()) || bundle::is_directory_archive(folder) {
        return None;
    }
    let members = bundle::members(folder).ok()?;
    let first_part = |name: &'_ str| name.split('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = members
        .dumps
        .iter()
        .map(|dump| first_part(&dump.name))
        .filter(|name| !is_unfinished(name))
        .collect();
    names.iter().all(|name| is_dated(name)).then_some(names)
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
    use rstest::rstest;
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

    #[rstest]
    #[case::days(&["shop-2026-05-24.sql.gz", "shop-2026-05-25.sql.gz", "globals-2026-05-25.sql.gz"], Some("shop-2026-05-25.sql.gz"))]
    #[case::one_day(&["shop-2026-05-25.sql", "globals-2026-05-25.sql", "shop-2026-05-25.sql.sha256"], Some("shop-2026-05-25.sql"))]
    #[case::now_compressed(&["shop-2026-05-24.sql", "shop-2026-05-25.sql.gz"], Some("shop-2026-05-25.sql.gz"))]
    #[case::partial(&["shop-2026-05-24.sql", "shop-2026-05-25.sql.part"], Some("shop-2026-05-24.sql"))]
    #[case::a_folder_each_day(&["2026-05-24/shop.sql", "2026-05-25/shop.sql", "2026-05-25/globals.sql"], Some("2026-05-25"))]
    #[case::bundle_of_a_day(&["shop-2026-05-25.sql", "crm-2026-05-25.sql", "globals-2026-05-25.sql"], None)]
    #[case::bundle(&["shop.sql", "globals.sql"], None)]
    #[case::one_without_time(&["shop-2026-05-24.sql", "shop-2026-05-25.sql", "crm.sql"], None)]
    #[case::only_roles(&["globals-2026-05-24.sql", "globals-2026-05-25.sql"], None)]
    fn a_folder_of_one_job_has_a_newest(#[case] names: &[&str], #[case] expected: Option<&str>) {
        let folder = folder(names);
        let found = of_folder(folder.path());
        let name = found.as_ref().map(|found| found.path.file_name().unwrap());
        assert_eq!(name, expected.map(AsRef::as_ref));
        assert!(expected.is_none() || several_of_folder(folder.path()).is_none());
        let dated = folder.path().join("2026-05-25");
        assert!(of_folder(&dated).is_none());
    }

    #[rstest]
    #[case::two(&["shop-2026-05-25.sql", "crm-2026-05-25.sql"], &["crm-*.sql", "shop-*.sql"])]
    #[case::nights_and_roles(
        &["shop-2026-05-24.sql", "shop-2026-05-25.sql", "crm-2026-05-25.sql", "globals-2026-05-25.sql"],
        &["globals-*.sql", "crm-*.sql", "shop-*.sql"]
    )]
    #[case::now_compressed(&["shop-2026-05-24.sql", "shop-2026-05-25.sql.gz", "crm-2026-05-25.sql"], &["crm-*.sql", "shop-*.sql.gz"])]
    #[case::directories(&["shop-2026-05-25/toc.dat", "crm-2026-05-25/toc.dat"], &["crm-*", "shop-*"])]
    #[case::one(&["shop-2026-05-25.sql"], &[])]
    #[case::one_without_time(&["shop-2026-05-25.sql", "crm.sql"], &[])]
    #[case::a_folder_each_day(&["2026-05-24/shop.sql", "2026-05-25/shop.sql", "2026-05-25/crm.sql"], &[])]
    fn a_folder_of_several_databases_has_several_streams(
        #[case] names: &[&str],
        #[case] expected: &[&str],
    ) {
        let folder = folder(names);
        let found = several_of_folder(folder.path()).unwrap_or_default();
        assert_eq!(found, expected);
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
