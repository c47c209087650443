//! Selects one of several backups; every other candidate gets the reason why it was not selected.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::found::{Earlier, Found, Rules};
use super::name::{is_older, uncompressed};
use crate::backup::files::base_name;
use crate::outcome::{CandidateFacts, CouldNotRun, Finding, Picked};

/// How many candidates are listed; the rest is counted.
pub const LISTED: usize = 50;

/// An entry of a listing.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// Its name relative to the folder that was listed, with `/`.
    pub name: String,
    /// Its size; 0 for a folder.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// Its path, if on this machine.
    pub path: Option<PathBuf>,
    /// How it relates to the pattern.
    pub matches: bool,
}

impl Entry {
    /// An entry that is named explicitly.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            matches: true,
            ..Self::default()
        }
    }
}

/// The selected backup.
#[derive(Debug)]
pub(super) struct Choice {
    pub taken: Entry,
    pub time: Timestamp,
    pub chosen: String,
    pub candidates: Vec<CandidateFacts>,
    pub unlisted: usize,
    pub earlier: Vec<Earlier>,
    pub newer: Vec<Earlier>,
    pub picked: Option<Picked>,
    pub warnings: Vec<Finding>,
}

impl Choice {
    /// The selected backup, which is now at `path`.
    pub(super) fn into_found(self, path: PathBuf, origin: String, rules: &Rules) -> Found {
        Found {
            chosen: self.chosen,
            candidates: self.candidates,
            unlisted: self.unlisted,
            named_time: Some(self.time),
            modified: self.taken.modified,
            earlier: self.earlier,
            newer: self.newer,
            picked: self.picked,
            warnings: self.warnings,
            ..Found::named(path, origin, &self.taken.name, rules)
        }
    }
}

/// A listing with the reasons found so far.
struct Listing<'a> {
    rules: &'a Rules,
    entries: Vec<(Entry, Option<Timestamp>, Option<String>)>,
}

/// How many files that do not match are named where none does.
const NAMED: usize = 4;

/// Selects one by the time in its name: the newest, or the one that `rules` ask for. `pattern` is the pattern of the scenario, `own` its part
/// below the folder; `writing` returns a reason for an entry that is still being written.
///
/// # Errors
/// When there is none, or the selection is ambiguous.
pub(super) fn choose(
    entries: Vec<Entry>,
    rules: &Rules,
    pattern: &str,
    own: &str,
    mut writing: impl FnMut(&Entry) -> Option<String>,
) -> Result<Choice, CouldNotRun> {
    let mut listing = Listing::new(entries, rules);
    let (stream, key) = listing.one_stream(pattern, own)?;
    listing.reject(|entry, time| {
        (time.is_some() && key_of(rules, entry) != key)
            .then(|| format!("of another stream: {}", rules.stream(&entry.name)))
    });
    let mut warnings = Vec::new();
    loop {
        let at = listing.newest(pattern)?;
        let (entry, _, reason) = &mut listing.entries[at];
        let unsettled = rules
            .settled
            .zip(entry.modified)
            .filter(|(settled, modified)| !is_older(*modified, *settled))
            .map(|_| "changed more recently than `settled`".to_owned());
        match unsettled.or_else(|| writing(entry)) {
            None => break,
            Some(why) => {
                warnings.push(
                    Finding::about(
                        entry.name.clone(),
                        "a backup that is completely written",
                        why.clone(),
                    )
                    .hint("an older one was selected; run the drill after the backup job"),
                );
                *reason = Some(why);
            }
        }
    }
    let (taken, of) = listing.chosen(pattern)?;
    Ok(listing.conclude(taken, of, &stream, warnings))
}

impl<'a> Listing<'a> {
    /// Reads the time of every entry, and sets the reason of those that are not candidates.
    fn new(entries: Vec<Entry>, rules: &'a Rules) -> Self {
        let mut entries: Vec<_> = entries
            .into_iter()
            .filter(|entry| !is_beside(&entry.name))
            .map(|entry| {
                let time = rules.time(&entry.name);
                let reason = if is_unfinished(&entry.name) {
                    Some("incomplete, according to its name".to_owned())
                } else if !entry.matches {
                    Some("does not match the pattern".to_owned())
                } else if time.is_none() {
                    Some("no time in its name".to_owned())
                } else {
                    None
                };
                (entry, time, reason)
            })
            .collect();
        // Newest first, then what has no time.
        entries.sort_by(|(a, a_time, _), (b, b_time, _)| {
            b_time.cmp(a_time).then_with(|| a.name.cmp(&b.name))
        });
        Self { rules, entries }
    }

    /// Entries without a reason, newest first.
    fn left(&self) -> impl Iterator<Item = (usize, &Entry, Timestamp)> {
        let left = self.entries.iter().enumerate();
        left.filter(|(_, (_, _, reason))| reason.is_none())
            .filter_map(|(at, (entry, time, _))| Some((at, entry, (*time)?)))
    }

    /// Sets the reason of entries that have none yet.
    fn reject(&mut self, why: impl Fn(&Entry, Option<Timestamp>) -> Option<String>) {
        for (entry, time, reason) in &mut self.entries {
            if reason.is_none() {
                *reason = why(entry, *time);
            }
        }
    }

    /// Determines the stream; returns its name and its key.
    fn one_stream(&self, pattern: &str, own: &str) -> Result<(String, String), CouldNotRun> {
        let mut streams: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for (_, entry, _) in self.left() {
            let stream = self.rules.stream(&entry.name);
            let (count, _) = streams
                .entry(uncompressed(&stream).to_owned())
                .or_insert_with(|| (0, stream));
            *count += 1;
        }
        let taken = |(key, (_, stream)): (&String, &(usize, String))| (stream.clone(), key.clone());
        // A pattern that equals the name of a stream selects that stream.
        let meant = streams.get_key_value(uncompressed(own));
        let repeated = || {
            let mut repeated = streams.iter().filter(|(_, (count, _))| *count > 1);
            repeated.next().filter(|_| repeated.next().is_none())
        };
        let only = || streams.iter().next().filter(|_| streams.len() == 1);
        if let Some(found) = meant.or_else(only).or_else(repeated) {
            return Ok(taken(found));
        }
        if streams.is_empty() {
            return Err(self.nothing(pattern));
        }
        let folder = pattern.strip_suffix(own).unwrap_or_default();
        let named: Vec<String> = streams
            .values()
            .take(10)
            .map(|(count, stream)| format!("{stream} ({count})"))
            .collect();
        let more = streams.len() - named.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let first = streams.values().next().map_or("", |(_, stream)| stream);
        Err(CouldNotRun::with_hint(
            format!(
                "backups of {} streams match {pattern}: {}{more}",
                streams.len(),
                named.join(", ")
            ),
            format!(
                "name one of them, such as `newest = \"{folder}{first}\"`; names with a time in another format need `time`"
            ),
        ))
    }

    /// Index of the newest entry without a reason.
    fn newest(&mut self, pattern: &str) -> Result<usize, CouldNotRun> {
        let newest = self.left().next().map(|(_, _, time)| time);
        let Some(time) = newest else {
            return Err(self.nothing(pattern));
        };
        self.of_time(time, pattern)
    }

    /// Index of the entry that is wanted, and among how many it was chosen.
    fn chosen(&mut self, pattern: &str) -> Result<(usize, usize), CouldNotRun> {
        let mut times: Vec<Timestamp> = self.left().map(|(_, _, time)| time).collect();
        times.dedup();
        let Some((time, of)) = self.rules.choosing.choose(&times) else {
            return Err(self.nothing(pattern));
        };
        Ok((self.of_time(time, pattern)?, of))
    }

    /// Index of the only entry of this time without a reason.
    fn of_time(&mut self, time: Timestamp, pattern: &str) -> Result<usize, CouldNotRun> {
        let twins: Vec<(usize, &Entry)> = self
            .left()
            .filter(|(_, _, other)| *other == time)
            .map(|(at, entry, _)| (at, entry))
            .collect();
        let entry = match twins.as_slice() {
            [] => return Err(self.nothing(pattern)),
            [(only, _)] => return Ok(*only),
            [(_, first), ..] => *first,
        };
        // A file and its compressed copy: the compressed one is selected.
        let packed: Vec<usize> = twins
            .iter()
            .filter(|(_, entry)| uncompressed(&entry.name) != entry.name)
            .map(|(at, _)| *at)
            .collect();
        let same = twins
            .iter()
            .all(|(_, twin)| uncompressed(&twin.name) == uncompressed(&entry.name));
        let ([packed], true) = (packed.as_slice(), same) else {
            let mut names: Vec<&str> = twins.iter().map(|(_, entry)| entry.name.as_str()).collect();
            names.sort_unstable();
            return Err(CouldNotRun::with_hint(
                format!(
                    "{} have the same time in their names, so none of them can be selected",
                    names.join(" and ")
                ),
                "use a pattern that matches one of them, or set `time` if their names contain more than a day",
            ));
        };
        let packed = *packed;
        let others: Vec<usize> = twins
            .iter()
            .map(|(at, _)| *at)
            .filter(|at| *at != packed)
            .collect();
        for at in others {
            self.entries[at].2 = Some("the same backup, not compressed".to_owned());
        }
        Ok(packed)
    }

    /// The error that there is no backup, with the entries that there are.
    fn nothing(&self, pattern: &str) -> CouldNotRun {
        let matching = self.entries.iter().filter(|(entry, _, _)| entry.matches);
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, _, reason) in matching {
            if let Some(reason) = reason {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let dates = "dates are read as 2026-05-25, 20260525 or 20260525_020000, others by `time`; for a backup without one use `path`";
        if reasons.is_empty() {
            let all = self.entries.len();
            let names = self.entries.iter().take(NAMED);
            let names: Vec<&str> = names.map(|(entry, ..)| entry.name.as_str()).collect();
            let found = match all.saturating_sub(NAMED) {
                _ if all == 0 => "there is no other file".to_owned(),
                0 => format!("found {}", names.join(", ")),
                more => format!("found {} and {more} more", names.join(", ")),
            };
            return CouldNotRun::with_hint(format!("no file matches {pattern}; {found}"), dates);
        }
        let reasons: Vec<String> = reasons
            .into_iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        CouldNotRun::with_hint(
            format!(
                "none of the files that match {pattern} can be selected: {}",
                reasons.join(", ")
            ),
            dates,
        )
    }

    /// Returns the selected backup with all candidates.
    fn conclude(mut self, taken: usize, of: usize, stream: &str, warnings: Vec<Finding>) -> Choice {
        let left: Vec<usize> = self.left().map(|(at, _, _)| at).collect();
        let others = |is_wanted: &dyn Fn(usize) -> bool| -> Vec<Earlier> {
            let others = self.left().filter(|(at, _, _)| is_wanted(*at));
            let others = others.map(|(_, entry, time)| Earlier {
                name: entry.name.clone(),
                bytes: entry.bytes,
                time,
                path: entry.path.clone(),
            });
            others.collect()
        };
        // They are sorted, newest first.
        let (newer, earlier) = (others(&|at| at < taken), others(&|at| at > taken));
        let (entry, time, _) = self.entries[taken].clone();
        let selected = entry.name.clone();
        for at in left {
            let reason = match at.cmp(&taken) {
                Ordering::Less => Some(format!("newer than {selected}")),
                Ordering::Equal => None,
                Ordering::Greater => Some(format!("older than {selected}")),
            };
            self.entries[at].2 = reason;
        }
        let all = newer.len() + earlier.len() + 1;
        let left_out = self.entries.len() - all;
        let mut chosen = self.rules.choosing.describe(of, all, stream);
        let newest = newer
            .first()
            .map_or((&entry.name, time.unwrap_or_default()), |first| {
                (&first.name, first.time)
            });
        let picked = self.rules.choosing.picked(newest);
        if let Some(before) = earlier.first() {
            chosen.push_str(&format!("; the previous one is {}", before.name));
        }
        match left_out {
            0 => {}
            1 => chosen.push_str("; 1 other was left out"),
            _ => chosen.push_str(&format!("; {left_out} others were left out")),
        }
        let mut candidates: Vec<CandidateFacts> = self
            .entries
            .into_iter()
            .map(|(entry, time, reason)| CandidateFacts {
                name: entry.name,
                bytes: entry.bytes,
                time,
                not_taken: reason,
            })
            .collect();
        let unlisted = candidates.len().saturating_sub(LISTED);
        // The selected one is always listed.
        if taken >= LISTED {
            candidates.swap(LISTED - 1, taken);
        }
        candidates.truncate(LISTED);
        Choice {
            taken: entry,
            // Only an entry with a time is ever selected.
            time: time.unwrap_or_default(),
            chosen,
            candidates,
            unlisted,
            earlier,
            newer,
            picked,
            warnings,
        }
    }
}

/// The stream of an entry, whatever its compression.
fn key_of(rules: &Rules, entry: &Entry) -> String {
    uncompressed(&rules.stream(&entry.name)).to_owned()
}

/// Endings of files with information about a backup.
const BESIDE: &[&str] = &[
    ".sha256",
    ".sha256sum",
    ".md5",
    ".sig",
    ".asc",
    ".json",
    ".toml",
];

/// Whether a name is that of a file about backups, not of a backup.
pub(super) fn is_beside(name: &str) -> bool {
    let name = base_name(name).to_ascii_lowercase();
    BESIDE.iter().any(|ending| name.ends_with(ending))
        || ["manifest", "sha256sum", "md5sum"]
            .iter()
            .any(|word| name.starts_with(word) || name.ends_with(word))
}

/// Endings of files of incomplete transfers.
const UNFINISHED: &[&str] = &[
    ".part",
    ".partial",
    ".tmp",
    ".temp",
    ".filepart",
    ".crdownload",
    ".inprogress",
    ".swp",
];

/// Whether a name is that of an incomplete file.
pub(super) fn is_unfinished(name: &str) -> bool {
    let name = base_name(name).to_ascii_lowercase();
    name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::time::Duration;

    fn listed(names: &[&str], own: &str) -> Vec<Entry> {
        let pattern = super::super::pattern::Pattern::parse(own).unwrap();
        names
            .iter()
            .map(|name| Entry {
                name: (*name).to_owned(),
                bytes: 1,
                matches: pattern.as_ref().is_none_or(|pattern| {
                    pattern.judge(name) == super::super::pattern::Match::Whole
                }),
                ..Entry::default()
            })
            .collect()
    }

    fn chosen(names: &[&str], own: &str) -> Result<Choice, CouldNotRun> {
        choose(
            listed(names, own),
            &Rules::default(),
            &format!("backups/{own}"),
            own,
            |_| None,
        )
    }

    fn reason<'a>(choice: &'a Choice, name: &str) -> &'a str {
        let found = choice
            .candidates
            .iter()
            .find(|candidate| candidate.name == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not listed"));
        found.not_taken.as_deref().unwrap_or("taken")
    }

    #[rstest]
    #[case::f46_newest(&["a-2026-05-24.sql", "a-2026-05-25.sql"], "a-*.sql", "a-2026-05-25.sql")]
    #[case::f46_ad_hoc(&["powernode_20260516_020000.sql.gz", "powernode_20260517_020000.sql.gz", "pre_migration_20260518_120000.sql.gz"], "*.sql.gz", "powernode_20260517_020000.sql.gz")]
    #[case::f46_undated_never(&["a-2026-05-24.sql", "a-latest.sql"], "a-*", "a-2026-05-24.sql")]
    #[case::f46_the_pattern_is_the_stream(&["a-2026-05-24.sql", "a-2026-05-25.sql", "a-staging-2026-05-26.sql", "a-staging-2026-05-27.sql"], "a-*.sql", "a-2026-05-25.sql")]
    #[case::f46_one_of_each_by_pattern(&["a-2026-05-24.sql", "a-staging-2026-05-27.sql"], "a-*.sql", "a-2026-05-24.sql")]
    #[case::f02_unfinished(&["a-2026-05-24.sql", "a-2026-05-25.sql.part", ".a-2026-05-26.sql"], "*", "a-2026-05-24.sql")]
    #[case::whole_folder(&["a-2026-05-24.sql", "a-2026-05-25.sql", "a-2026-05-25.sql.sha256", "MANIFEST"], "", "a-2026-05-25.sql")]
    #[case::other_compression(&["a-2026-05-24.sql.gz", "a-2026-05-25.sql.zst"], "a-*", "a-2026-05-25.sql.zst")]
    #[case::twin(&["a-2026-05-25.sql", "a-2026-05-25.sql.gz"], "a-*", "a-2026-05-25.sql.gz")]
    #[case::future(&["a-2026-05-25.sql", "a-2126-05-25.sql"], "a-*.sql", "a-2126-05-25.sql")]
    #[case::by_time_not_by_name(&["a-2026-05-24T23:30:00Z.sql", "a-2026-05-25T00:30:00+02:00.sql"], "a-*.sql", "a-2026-05-24T23:30:00Z.sql")]
    fn the_newest_is_taken(#[case] names: &[&str], #[case] own: &str, #[case] taken: &str) {
        let choice = chosen(names, own).unwrap();
        assert_eq!(choice.taken.name, taken);
        assert_eq!(reason(&choice, taken), "taken");
        let takes = choice.candidates.iter().filter(|c| c.not_taken.is_none());
        assert_eq!(takes.count(), 1);
    }

    #[rstest]
    #[case::none(&[], "a-*.sql", "no file matches backups/a-*.sql")]
    #[case::undated(&["a-old.sql"], "a-*.sql", "1 no time in its name")]
    #[case::unfinished(&["a-2026-05-25.sql.part"], "a-*", "1 incomplete, according to its name")]
    #[case::f46_two_streams(&["a-2026-05-24.sql", "a-2026-05-25.sql", "b-2026-05-24.sql", "b-2026-05-25.sql"], "*.sql", "a-*.sql (2), b-*.sql (2)")]
    #[case::f46_two_singles(&["a-2026-05-24.sql", "b-2026-05-25.sql"], "*.sql", "backups of 2 streams match")]
    #[case::f46_two_hosts(&["x/a-2026-05-24.sql", "x/a-2026-05-25.sql", "y/a-2026-05-24.sql", "y/a-2026-05-25.sql"], "*/a-*.sql", "x/a-*.sql (2), y/a-*.sql (2)")]
    #[case::f46_same_time(&["a-2026-05-25.sql", "a-20260525.sql"], "a-*.sql", "a-2026-05-25.sql and a-20260525.sql have the same time in their names")]
    #[case::same_time_packed_twice(&["a-2026-05-25.sql.gz", "a-2026-05-25.sql.zst"], "a-*", "have the same time in their names")]
    fn it_is_told_why_none_is(#[case] names: &[&str], #[case] own: &str, #[case] why: &str) {
        let error = chosen(names, own).unwrap_err();
        assert!(error.reason.contains(why), "{}", error.reason);
    }

    #[test]
    fn every_candidate_has_its_reason() {
        let names = [
            "a-2026-05-23.sql",
            "a-2026-05-24.sql",
            "a-2026-05-25.sql",
            "b-2026-05-26.sql",
            "a-new.sql",
            "a-2026-05-27.sql.tmp",
            "notes-2026-05-28.txt",
            "a-2026-05-25.sql.asc",
        ];
        let choice = chosen(&names, "*.sql*").unwrap();
        let reasons: Vec<(&str, &str)> = choice
            .candidates
            .iter()
            .map(|candidate| (candidate.name.as_str(), reason(&choice, &candidate.name)))
            .collect();
        assert_eq!(
            reasons,
            [
                ("notes-2026-05-28.txt", "does not match the pattern"),
                ("a-2026-05-27.sql.tmp", "incomplete, according to its name"),
                ("b-2026-05-26.sql", "of another stream: b-*.sql"),
                ("a-2026-05-25.sql", "taken"),
                ("a-2026-05-24.sql", "older than a-2026-05-25.sql"),
                ("a-2026-05-23.sql", "older than a-2026-05-25.sql"),
                ("a-new.sql", "no time in its name"),
            ]
        );
        let earlier: Vec<&str> = choice.earlier.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(earlier, ["a-2026-05-24.sql", "a-2026-05-23.sql"]);
        assert_eq!(
            choice.chosen,
            "the newest of 3 of `a-*.sql`, by the time in its name; the previous one is a-2026-05-24.sql; 4 others were left out"
        );
    }

    #[test]
    fn what_is_being_written_is_not_taken_and_said() {
        let names = ["a-2026-05-24.sql", "a-2026-05-25.sql"];
        let choice = choose(listed(&names, ""), &Rules::default(), "x/", "", |entry| {
            entry
                .name
                .contains("05-25")
                .then(|| "still being written".to_owned())
        })
        .unwrap();
        assert_eq!(choice.taken.name, "a-2026-05-24.sql");
        assert_eq!(reason(&choice, "a-2026-05-25.sql"), "still being written");
        assert_eq!(
            choice.warnings[0].object.as_deref(),
            Some("a-2026-05-25.sql")
        );
    }

    #[test]
    fn what_changed_lately_is_not_settled() {
        let mut entries = listed(&["a-2026-05-24.sql", "a-2026-05-25.sql"], "");
        entries[1].modified = Some(Timestamp::now());
        entries[0].modified = Some(Timestamp::now() - Duration::from_secs(700));
        let rules = Rules {
            settled: Some(Duration::from_secs(600)),
            ..Rules::default()
        };
        let choice = choose(entries, &rules, "x/", "", |_| None).unwrap();
        assert_eq!(choice.taken.name, "a-2026-05-24.sql");
    }

    #[test]
    fn fifty_are_listed_and_the_taken_one_is_among_them() {
        let names: Vec<String> = (0..200)
            .map(|n| format!("x{n}-2026-06-01.sql"))
            .chain(["a-2026-05-24.sql".to_owned(), "a-2026-05-25.sql".to_owned()])
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let choice = chosen(&names, "*.sql").unwrap();
        assert_eq!(reason(&choice, "a-2026-05-25.sql"), "taken");
        assert_eq!((choice.candidates.len(), choice.unlisted), (LISTED, 152));
    }
}
