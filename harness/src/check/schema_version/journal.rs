//! Drizzle's journal: the order of its migrations, and which of them the rows of its table are.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::digests::Digests;
use super::files::{Label, MigrationFile, Version, unreadable};
use super::history::Applied;
use crate::outcome::CouldNotRun;

/// The file of the journal, below the folder of the migrations.
const JOURNAL: &str = "meta/_journal.json";

#[derive(Deserialize)]
struct Journal {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// Milliseconds since 1970.
    when: i64,
    /// Name of the file, without `.sql`.
    tag: String,
}

/// Reads the journal and the file of each entry, with its checksums.
///
/// # Errors
/// When the journal or the file of an entry cannot be read: all of this says something about the
/// repository and nothing about the backup.
pub fn read(folder: &Path) -> Result<BTreeMap<Version, MigrationFile>, CouldNotRun> {
    let path = folder.join(JOURNAL);
    let bytes = std::fs::read(&path).map_err(|error| {
        unreadable(&path, &error).hint(
            "`files` is the folder that `drizzle.config` calls `out`, with `meta/_journal.json`",
        )
    })?;
    let journal: Journal = serde_json::from_slice(&bytes).map_err(|error| {
        CouldNotRun::new(format!("{} is not a journal of Drizzle: {error}", path.display()))
            .hint("expected `{\"entries\": [{\"idx\": 0, \"when\": 1700000000000, \"tag\": \"0000_init\"}]}`")
    })?;
    let mut files = BTreeMap::new();
    for (position, entry) in journal.entries.into_iter().enumerate() {
        let name = format!("{}.sql", entry.tag);
        if entry.tag.contains(['/', '\\']) {
            return Err(CouldNotRun::new(format!(
                "{}: the tag `{}` is no name of a file",
                path.display(),
                entry.tag
            )));
        }
        let file = folder.join(&name);
        let bytes = std::fs::read(&file).map_err(|error| {
            unreadable(&file, &error).hint(format!(
                "`{JOURNAL}` has an entry for it: Drizzle would not run either"
            ))
        })?;
        let digests = Digests::Sha256OrUnixLines.of(&name, &bytes);
        let version = Version::Entry {
            when: entry.when,
            position,
            tag: Label(entry.tag),
        };
        let file = MigrationFile {
            name,
            digests,
            superseded: false,
        };
        files.insert(version, file);
    }
    if files.is_empty() {
        return Err(CouldNotRun::new(format!("{} has no entry", path.display())));
    }
    Ok(files)
}

/// The version that a scenario names: by the tag of an entry, or by a time in milliseconds.
///
/// # Errors
/// When the journal has no such entry.
pub fn find(files: &BTreeMap<Version, MigrationFile>, text: &str) -> Result<Version, CouldNotRun> {
    let named = |version: &&Version| matches!(version, Version::Entry { tag, .. } if tag.0 == text);
    if let Some(version) = files.keys().find(named) {
        return Ok(version.clone());
    }
    match text.parse() {
        Ok(when) => Ok(row_of(when, None)),
        Err(_) => Err(
            CouldNotRun::new(format!("no entry of `{JOURNAL}` has the tag `{text}`"))
                .hint("name a tag, such as `0007_add_users`"),
        ),
    }
}

/// The newest time that the table has: Drizzle runs what is newer, and nothing else.
pub fn reached(rows: &[Applied]) -> Option<Version> {
    let newest = rows.iter().filter_map(|row| row.recorded).max();
    newest.map(|when| row_of(when, None))
}

/// The time that a row has, before it is matched.
fn time_in(row: &Applied) -> Option<i64> {
    row.version.as_ref()?.to_string().parse().ok()
}

/// A row that no entry explains: after every entry of its time.
fn row_of(when: i64, hash: Option<&str>) -> Version {
    let hash = hash.map(|hash| format!(" with hash {}", hash.chars().take(12).collect::<String>()));
    Version::Entry {
        when,
        position: usize::MAX,
        tag: Label(format!("created_at {when}{}", hash.unwrap_or_default())),
    }
}

/// Whether a row may be that of an entry.
type Way<'a> = &'a dyn Fn(&Applied, &Version) -> bool;

/// Replaces the time of each row by the entry that it is the row of: the one with its hash, or else
/// the one with its time, whose file then has other bytes. Other runners than Drizzle's write a
/// later time than that of the entry, so the hash goes first.
pub fn matched(files: &BTreeMap<Version, MigrationFile>, rows: Vec<Applied>) -> Vec<Applied> {
    let hash_of = |row: &Applied, version: &Version| {
        let digests = files.get(version).map(|file| &file.digests);
        row.checksum
            .as_ref()
            .is_some_and(|hash| digests.is_some_and(|digests| digests.contains(hash)))
    };
    let same_time = |row: &Applied, version: &Version| matches!(version, Version::Entry { when, .. } if time_in(row) == Some(*when));
    let mut free: Vec<&Version> = files.keys().collect();
    let mut found: Vec<Option<Version>> = vec![None; rows.len()];
    // Two files may be the same, such as two without a statement: those with the right time first.
    let ways: [Way<'_>; 3] = [
        &|row, version| hash_of(row, version) && same_time(row, version),
        &|row, version| hash_of(row, version),
        &|row, version| same_time(row, version),
    ];
    for way in ways {
        for (row, found) in rows.iter().zip(&mut found) {
            if found.is_none()
                && let Some(at) = free.iter().position(|version| way(row, version))
            {
                *found = Some(free.remove(at).clone());
            }
        }
    }
    let twice = |row: &Applied| files.keys().find(|version| hash_of(row, version)).cloned();
    rows.into_iter()
        .zip(found)
        .map(|(row, found)| {
            let recorded = time_in(&row);
            let version = found
                .or_else(|| twice(&row))
                .or_else(|| recorded.map(|when| row_of(when, row.checksum.as_deref())));
            Applied {
                version,
                recorded,
                ..row
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn entry(when: i64, position: usize, hash: &str) -> (Version, MigrationFile) {
        let tag = format!("000{position}_x");
        let file = MigrationFile {
            name: format!("{tag}.sql"),
            digests: vec![hash.to_owned()],
            superseded: false,
        };
        let tag = Label(tag);
        (
            Version::Entry {
                when,
                position,
                tag,
            },
            file,
        )
    }

    fn rows(rows: &[(i64, &str)]) -> Vec<Applied> {
        let row = |(when, hash): &(i64, &str)| Applied {
            version: Some(Version::read(&when.to_string())),
            checksum: Some((*hash).to_owned()),
            ..Applied::default()
        };
        rows.iter().map(row).collect()
    }

    #[rstest]
    #[case::each(&[(10, "a"), (20, "b"), (30, "b")], &["0000_x", "0001_x", "0002_x"])]
    #[case::later_than_its_entry(&[(11, "a")], &["0000_x"])]
    #[case::same_bytes(&[(30, "b"), (20, "b")], &["0002_x", "0001_x"])]
    #[case::other_bytes(&[(10, "z")], &["0000_x"])]
    #[case::twice(&[(10, "a"), (40, "a")], &["0000_x", "0000_x"])]
    #[case::unknown(&[(40, "abcdefabcdefabcdef")], &["created_at 40 with hash abcdefabcdef"])]
    fn a_row_is_that_of_the_entry_with_its_hash(
        #[case] table: &[(i64, &str)],
        #[case] expected: &[&str],
    ) {
        let files = [entry(10, 0, "a"), entry(20, 1, "b"), entry(30, 2, "b")].into();
        let found: Vec<String> = matched(&files, rows(table))
            .iter()
            .map(|row| row.version.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case(None, "cannot read")]
    #[case(
        Some("{\"entries\": [{\"when\": 1}]}"),
        "missing field `tag` at line 1"
    )]
    #[case(
        Some("{\"entries\": [{\"when\": 1, \"tag\": \"../x\"}]}"),
        "no name of a file"
    )]
    #[case(
        Some("{\"entries\": [{\"when\": 1, \"tag\": \"0000_gone\"}]}"),
        "0000_gone.sql"
    )]
    #[case(Some("{\"entries\": []}"), "has no entry")]
    fn a_journal_that_says_nothing_is_no_failure(#[case] text: Option<&str>, #[case] reason: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("meta")).unwrap();
        if let Some(text) = text {
            std::fs::write(folder.path().join(JOURNAL), text).unwrap();
        }
        let error = read(folder.path()).unwrap_err();
        assert!(error.reason.contains(reason), "{}", error.reason);
    }
}
