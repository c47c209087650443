//! What is applied, compared with what must be.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{MigrationFile, Version};
use super::history::Applied;
use super::tool::{Files, Tool};
use super::{SchemaVersion, consecutive, journal, plan};
use crate::outcome::{CouldNotRun, Finding};

impl SchemaVersion {
    /// Compares what is applied with what must be. `table` is what findings are about.
    ///
    /// # Errors
    /// When the scenario names a version that the files do not have.
    pub(super) fn compare(
        &self,
        table: &str,
        files: Option<&BTreeMap<Version, MigrationFile>>,
        rows: &[Applied],
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let applied: BTreeSet<&Version> =
            rows.iter().filter_map(|row| row.version.as_ref()).collect();
        let Some(newest) = applied.last() else {
            let finding = match (rows, &self.per) {
                ([], None) => Finding::about(table, "applied migrations", "the table is empty").hint(
                    "check whether the backup leaves this table's rows out (`--exclude-table-data`, `--schema-only`)",
                ),
                ([], Some(_)) => Finding::about(table, "applied migrations", "no row")
                    .hint("its rows are lost, or it was never installed here: then its folder does not belong here"),
                _ => Finding::about(table, "applied migrations", "no row has a version"),
            };
            return Ok(vec![finding]);
        };
        let mut findings = Vec::new();
        let mut add = |expected: &str, actual: &str, names: Vec<String>, hint: &str| {
            if !names.is_empty() {
                let actual = format!("{actual}: {}", list(&names));
                findings.push(Finding::about(table, expected, actual).hint(hint));
            }
        };

        let known: Vec<&Version> = rows.iter().filter_map(|row| row.version.as_ref()).collect();
        let mut seen = BTreeSet::new();
        // Drizzle's version is a time, which two migrations may have that were generated together.
        let same = |row: &&Applied| match self.tool {
            Some(Tool::Drizzle) => row.checksum.clone(),
            _ => None,
        };
        let twice: BTreeSet<&Version> = rows
            .iter()
            .filter_map(|row| Some((row.version.as_ref()?, same(&row))))
            .filter(|one| !seen.insert(one.clone()))
            .map(|(version, _)| version)
            .collect();
        add(
            "each version once",
            "there more than once",
            twice.into_iter().map(ToString::to_string).collect(),
            "the table lost its primary key, or it was restored twice into the same database",
        );
        let branches = files.is_some() && self.rules().files == Files::Revisions;
        if self.keeps_newest() && known.len() > 1 && !branches {
            let all = applied.iter().map(ToString::to_string).collect();
            let hint = "leave out `keeps = \"newest\"` where the tool keeps a row per migration";
            add("one row, the newest version", "several rows", all, hint);
        }
        let failed = rows.iter().filter(|row| row.failed);
        add(
            "every migration ended well",
            "half done or failed",
            failed
                .map(|row| {
                    row.version
                        .as_ref()
                        .map_or("one without a version".to_owned(), ToString::to_string)
                })
                .collect(),
            "the backup was taken while a migration ran, or after one failed: repair the source, not the backup",
        );

        let head = self.head.as_deref();
        let head = head.map(|text| self.version(files, text)).transpose()?;
        if let Some(head) = &head
            && *newest != head
        {
            let hint = if *newest < head {
                "the backup is older than this version, or the newest rows of the table are lost"
            } else {
                "the backup is newer than the scenario: update `head`, or look for the right backup"
            };
            let expected = format!("version {head} is the newest applied");
            let actual = format!("version {newest} is");
            findings.push(Finding::about(table, expected, actual).hint(hint));
        }
        if self.consecutive {
            findings.extend(consecutive::missing(table, applied.iter().copied()));
        }
        if let Some(files) = files {
            findings.extend(self.against_files(table, files, rows, head.as_ref())?);
        }
        Ok(findings)
    }

    /// The version that the scenario names.
    fn version(
        &self,
        files: Option<&BTreeMap<Version, MigrationFile>>,
        text: &str,
    ) -> Result<Version, CouldNotRun> {
        match files {
            Some(files) if self.tool == Some(Tool::Drizzle) => journal::find(files, text),
            Some(files) if self.tool == Some(Tool::Sqitch) => plan::find(files, text),
            _ => Ok(Version::read(text)),
        }
    }

    /// Compares what is applied with the files.
    fn against_files(
        &self,
        table: &str,
        files: &BTreeMap<Version, MigrationFile>,
        rows: &[Applied],
        head: Option<&Version>,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let listed = |versions: &[String]| -> Result<BTreeSet<Version>, CouldNotRun> {
            let versions = versions.iter();
            versions
                .map(|text| self.version(Some(files), text))
                .collect()
        };
        let allow_pending = listed(&self.allow_pending)?;
        let allow_unknown = listed(&self.allow_unknown)?;
        let squashed = self.squashed_before.as_deref();
        let squashed = squashed
            .map(|text| self.version(Some(files), text))
            .transpose()?;
        let baseline = rows.iter().filter(|row| row.baseline);
        let baseline = baseline.filter_map(|row| row.version.as_ref()).max();
        let applied: BTreeSet<&Version> =
            rows.iter().filter_map(|row| row.version.as_ref()).collect();
        // An unknown version far ahead must not make a gap of everything that is merely pending.
        let newest = applied.iter().rev();
        let known = newest.copied().find(|v| files.contains_key(*v)).cloned();
        let last = match self.tool {
            Some(Tool::Drizzle) => journal::reached(rows),
            // Without an order nothing is in the middle.
            Some(tool) if !tool.facts().ordered || tool.facts().files == Files::Revisions => None,
            _ => known,
        };

        let mut gaps = Vec::new();
        let mut pending = Vec::new();
        for (version, file) in files {
            let expected = head.is_none_or(|head| version <= head)
                && baseline.is_none_or(|baseline| version > baseline)
                && !allow_pending.contains(version);
            if applied.contains(version) || !expected || file.superseded {
                continue;
            }
            if last.as_ref().is_none_or(|last| version > last) {
                pending.push(file.name.clone());
            } else if !self.keeps_newest() {
                gaps.push(file.name.clone());
            }
        }
        let unknown: Vec<String> = applied
            .iter()
            .filter(|version| !files.contains_key(**version))
            .filter(|version| !allow_unknown.contains(**version) && Some(**version) != baseline)
            .filter(|version| squashed.as_ref().is_none_or(|before| **version >= before))
            .map(ToString::to_string)
            .collect();
        let mut followed = Vec::new();
        if pending.is_empty() {
            let superseded =
                |version: &&&Version| files.get(**version).is_some_and(|file| file.superseded);
            followed.extend(applied.iter().filter(superseded).map(ToString::to_string));
        }
        let (changed, bare) = self.checksums(files, rows);

        let classes = [
            (
                gaps,
                "every migration up to the newest is applied",
                "left out in the middle",
                self.rules().left_out,
            ),
            (
                pending,
                "every migration is applied",
                "pending",
                "the backup is older than the files; name `head`, or put a version that may wait into `allow-pending`",
            ),
            (
                unknown,
                "every applied migration has its file",
                "applied without a file",
                "the database is ahead of these files, or they are another system's",
            ),
            (
                followed,
                "only the last revision of each branch has a row",
                "rows of earlier ones",
                "the table was restored twice, or changed by hand: the tool refuses to go on",
            ),
            (
                changed,
                "each migration was applied from the bytes of its file",
                "other bytes",
                "the file was changed after it was applied, or the checksum in the database was",
            ),
            (
                bare,
                "each applied migration has a checksum",
                "none",
                "older rows have one, so the tool wrote it and it is lost",
            ),
        ];
        Ok(classes
            .into_iter()
            .filter(|(names, ..)| !names.is_empty())
            .map(|(names, expected, actual, hint)| {
                let actual = format!("{actual}: {}", list(&names));
                Finding::about(table, expected, actual).hint(hint)
            })
            .collect())
    }

    /// Finds migrations whose checksum is not that of the file, and those that lost theirs.
    fn checksums(
        &self,
        files: &BTreeMap<Version, MigrationFile>,
        rows: &[Applied],
    ) -> (Vec<String>, Vec<String>) {
        let (mut changed, mut bare) = (Vec::new(), Vec::new());
        if !self.compares_checksums() {
            return (changed, bare);
        }
        let first = rows
            .iter()
            .filter(|row| row.checksum.is_some())
            .filter_map(|row| row.version.as_ref())
            .min();
        for row in rows {
            let Some((version, file)) = row.version.as_ref().and_then(|v| files.get_key_value(v))
            else {
                continue;
            };
            // Tools keep none of what is no SQL.
            if file.digests.is_empty() {
                continue;
            }
            match &row.checksum {
                Some(checksum) if !file.digests.contains(checksum) => {
                    changed.push(file.name.clone());
                }
                None if first.is_none_or(|first| version > first) => bare.push(file.name.clone()),
                Some(_) | None => {}
            }
        }
        (changed, bare)
    }
}

/// Lists the first few names.
pub fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    let shown = names
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn check(toml: &str) -> SchemaVersion {
        toml::from_str(toml).unwrap()
    }

    /// `1..=4`, each with its number for a digest.
    fn files() -> BTreeMap<Version, MigrationFile> {
        ["001-a.sql", "002-b.sql", "003-c.sql", "004-d.sql"]
            .map(|name| {
                let file = MigrationFile {
                    name: name.to_owned(),
                    digests: vec![name[..3].to_owned()],
                    superseded: false,
                };
                (Version::read(&name[..3]), file)
            })
            .into()
    }

    fn applied(versions: &[&str]) -> Vec<Applied> {
        let row = |version: &&str| Applied {
            version: Some(Version::read(version)),
            checksum: Some(format!("{version:0>3}")),
            ..Applied::default()
        };
        versions.iter().map(row).collect()
    }

    #[rstest]
    #[case::whole("", &["1", "2", "3", "4"], &[])]
    #[case::order_and_zeros_do_not_matter("", &["004", "02", "1", "3"], &[])]
    #[case::empty("", &[], &["empty"])]
    #[case::pending("", &["1", "2"], &["pending: 003-c.sql, 004-d.sql"])]
    #[case::gap("", &["1", "3", "4"], &["left out in the middle: 002-b.sql"])]
    #[case::unknown("", &["1", "2", "3", "4", "9"], &["without a file: 9"])]
    #[case::pending_and_unknown("", &["1", "2", "3", "9"], &["pending: 004-d.sql", "without a file: 9"])]
    #[case::twice("", &["1", "2", "3", "4", "4"], &["more than once: 4"])]
    #[case::may_wait("allow-pending = ['004']", &["1", "2", "3"], &[])]
    #[case::may_wait_but_need_not("allow-pending = ['4']", &["1", "2", "3", "4"], &[])]
    #[case::only_that_one_may_wait("allow-pending = ['4']", &["1", "2"], &["pending: 003-c.sql"])]
    #[case::may_be_unknown("allow-unknown = ['9']", &["1", "2", "3", "4", "9"], &[])]
    #[case::squashed("squashed-before = '1'", &["0", "1", "2", "3", "4"], &[])]
    #[case::head("head = '4'", &["1", "2", "3", "4"], &[])]
    #[case::files_after_the_head("head = '003'", &["1", "2", "3"], &[])]
    #[case::older_than_the_head("head = '4'", &["1", "2", "3"], &["version 3 is", "pending: 004-d.sql"])]
    #[case::newer_than_the_head("head = '3'", &["1", "2", "3", "4"], &["version 4 is"])]
    #[case::newest_only("keeps = 'newest'", &["4"], &[])]
    #[case::newest_only_behind("keeps = 'newest'", &["3"], &["pending: 004-d.sql"])]
    #[case::newest_only_twice("keeps = 'newest'", &["3", "4"], &["several rows: 3, 4"])]
    fn applied_is_held_against_the_files(
        #[case] toml: &str,
        #[case] versions: &[&str],
        #[case] expected: &[&str],
    ) {
        let findings = check(toml)
            .compare("public.m", Some(&files()), &applied(versions))
            .unwrap();
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, text) in findings.iter().zip(expected) {
            assert!(finding.actual.contains(text), "{finding:#?}");
        }
    }

    #[rstest]
    #[case::same(&[Some("001"), Some("002"), Some("003"), Some("004")], &[])]
    #[case::other(&[Some("001"), Some("002"), Some("xyz"), Some("004")], &["other bytes: 003-c.sql"])]
    #[case::not_kept_at_first(&[None, None, Some("003"), Some("004")], &[])]
    #[case::lost(&[Some("001"), None, Some("003"), Some("004")], &["none: 002-b.sql"])]
    #[case::never_kept(&[None, None, None, None], &["none: 001-a.sql"])]
    fn checksums_are_held_against_the_files(
        #[case] checksums: &[Option<&str>],
        #[case] expected: &[&str],
    ) {
        let rows: Vec<Applied> = applied(&["1", "2", "3", "4"])
            .into_iter()
            .zip(checksums)
            .map(|(row, checksum)| Applied {
                checksum: checksum.map(str::to_owned),
                ..row
            })
            .collect();
        let check = check("checksum = 'md5'\nchecksum-column = 'c'");
        let findings = check.compare("public.m", Some(&files()), &rows).unwrap();
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, text) in findings.iter().zip(expected) {
            assert!(finding.actual.contains(text), "{finding:#?}");
        }
    }

    #[test]
    fn a_failed_migration_is_named_even_without_a_version() {
        let mut rows = applied(&["1", "2", "3", "4"]);
        rows[3].failed = true;
        rows.push(Applied {
            failed: true,
            ..Applied::default()
        });
        let findings = check("")
            .compare("public.m", Some(&files()), &rows)
            .unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].actual,
            "half done or failed: 4, one without a version"
        );
    }

    #[test]
    fn many_names_are_cut_short() {
        let names: Vec<String> = (1..=14).map(|n| n.to_string()).collect();
        assert_eq!(
            list(&names),
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more"
        );
    }
}
