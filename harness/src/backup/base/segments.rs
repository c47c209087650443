//! Segments and histories of archived WAL: in a folder, in the base backup itself, in a bucket, or given by a command one by one.
//!
//! A command that fails says nothing about the archive. So where it gives no segment, a file that it gave before must come again, and the
//! segment is asked for once more; what follows it shows whether it is a gap or the end.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use basebackup::Lsn;
use basebackup::wal::history::{self, timeline_of};
use basebackup::wal::segment::Segment;

use super::asked::{Answer, WalCommand};
use super::bucket::WalBucket;
use crate::outcome::CouldNotRun;

/// Maximum depth of folders in an archive.
const DEEPEST: u32 = 4;
/// Endings of compressed and encrypted segments, the outermost first.
pub(super) const COMPRESSED: [&str; 6] = [".age", ".gz", ".lz4", ".zst", ".xz", ".bz2"];
/// Segments after a missing one that are asked for, to tell a gap from the end.
const AFTER: u64 = 2;

/// What gives files that are not on this machine.
pub(super) enum Supply {
    /// Nothing.
    None,
    /// A command, by their names.
    Command(WalCommand),
    /// A bucket, which lists them.
    Bucket(WalBucket),
}

/// What a file of an archive is.
pub(super) enum WalKind {
    /// A segment.
    Segment(Segment),
    /// The history of a timeline.
    History(u32),
    /// A segment that is not complete.
    Partial,
}

/// The name of a file without endings, and what it is; `size` is the bytes of a segment. `None` where it is no WAL.
pub(super) fn kind_of(name: &str, size: u32) -> Option<(&str, WalKind)> {
    let stem = COMPRESSED.iter().fold(name, |name, ending| {
        name.strip_suffix(ending).unwrap_or(name)
    });
    let kind = if let Some(segment) = Segment::parse(stem, size) {
        WalKind::Segment(segment)
    } else if let Some(timeline) = timeline_of(stem) {
        WalKind::History(timeline)
    } else if is_partial(stem, size) {
        WalKind::Partial
    } else {
        return None;
    };
    Some((stem, kind))
}

fn is_partial(stem: &str, size: u32) -> bool {
    let segment = stem.strip_suffix(".partial");
    segment.is_some_and(|name| Segment::parse(name, size).is_some())
}

/// Segments and histories that were found.
pub(super) struct Archive {
    /// Bytes of a segment.
    size: u32,
    /// Name and place of each.
    segments: BTreeMap<Segment, (String, PathBuf)>,
    /// Name and place of each, by timeline.
    pub histories: BTreeMap<u32, (String, PathBuf)>,
    /// Names of segments that are not complete.
    pub partial: Vec<String>,
    supply: Supply,
    /// The last segment of the base backup's own WAL, of which an archive may have more.
    incomplete: Option<Segment>,
}

/// What a command or a bucket gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Program and arguments, without secrets; or `s3://bucket/prefix`.
    pub origin: String,
    /// Number of files.
    pub files: u64,
    /// Time of all requests.
    pub duration: Duration,
}

impl Archive {
    /// An archive of segments of `size` bytes without a file. What is not added is asked for.
    pub(super) fn new(size: u32, supply: Supply) -> Self {
        Self {
            size,
            segments: BTreeMap::new(),
            histories: BTreeMap::new(),
            partial: Vec::new(),
            supply,
            incomplete: None,
        }
    }

    /// Adds a file by its name, unless there is one of that name already.
    pub(super) fn add(&mut self, name: &str, path: PathBuf) {
        let Some((stem, kind)) = kind_of(name, self.size) else {
            return;
        };
        let stem = stem.to_owned();
        match kind {
            WalKind::Segment(segment) => {
                self.segments.entry(segment).or_insert((stem, path));
                self.incomplete = self.incomplete.max(Some(segment));
            }
            WalKind::History(timeline) => {
                self.histories.entry(timeline).or_insert((stem, path));
            }
            WalKind::Partial => self.partial.push(stem),
        }
    }

    /// Adds every file of a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn add_folder(&mut self, folder: &Path) -> Result<(), CouldNotRun> {
        self.walk_folder(folder, 0).map_err(|error| {
            CouldNotRun::with_hint(
                format!(
                    "cannot read the archived WAL in {}: {error}",
                    folder.display()
                ),
                "`path` in `[backup.wal]` is the folder that `archive_command` writes to",
            )
        })
    }

    fn walk_folder(&mut self, folder: &Path, depth: u32) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // Of the entry itself: no link is followed.
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < DEEPEST {
                self.walk_folder(&entry.path(), depth + 1)?;
            } else if kind.is_file() {
                let name = entry.file_name();
                self.add(&name.to_string_lossy(), entry.path());
            }
        }
        Ok(())
    }

    /// What was given by a command or a bucket; `None` without one.
    pub(super) fn fetched(&self) -> Option<Fetched> {
        match &self.supply {
            Supply::None => None,
            Supply::Command(command) => Some(command.fetched()),
            Supply::Bucket(bucket) => Some(bucket.fetched()),
        }
    }

    /// The timeline, name and place of the segment of this number on a path, if there is one.
    ///
    /// # Errors
    /// Those of the command.
    pub(super) fn segment(
        &mut self,
        path: &history::Path,
        number: u64,
    ) -> Result<Option<(Segment, String, PathBuf)>, CouldNotRun> {
        let timelines = self.timelines_of(path, number);
        for timeline in timelines {
            let segment = Segment { timeline, number };
            self.fetch(segment)?;
            if let Some((name, file)) = self.segments.get(&segment) {
                return Ok(Some((segment, name.clone(), file.clone())));
            }
        }
        Ok(None)
    }

    /// Fetches a segment that is not there, or may not be complete.
    fn fetch(&mut self, segment: Segment) -> Result<(), CouldNotRun> {
        if self.segments.contains_key(&segment) && self.incomplete != Some(segment) {
            return Ok(());
        }
        let given = match &mut self.supply {
            Supply::None => None,
            Supply::Command(command) => command.segment(segment)?,
            Supply::Bucket(bucket) => bucket.segment(segment)?,
        };
        if let Some(given) = given {
            self.segments.insert(segment, given);
            if self.incomplete == Some(segment) {
                self.incomplete = None;
            }
        }
        Ok(())
    }

    /// Lists a bucket from `start` on, the first segment of the recovery, and fetches the histories of all timelines after that of `start`, or
    /// that of `wanted`.
    ///
    /// # Errors
    /// Those of the command or the bucket.
    pub(super) fn fetch_histories(
        &mut self,
        start: Segment,
        wanted: Option<u32>,
    ) -> Result<(), CouldNotRun> {
        let command = match &mut self.supply {
            Supply::None => return Ok(()),
            Supply::Command(command) => command,
            Supply::Bucket(bucket) => {
                self.partial.extend(bucket.list(self.size, start)?);
                for (timeline, path) in bucket.histories(start, wanted)? {
                    let name = history_name(timeline);
                    self.histories.entry(timeline).or_insert((name, path));
                }
                return Ok(());
            }
        };
        let timelines = match wanted {
            Some(wanted) if wanted == start.timeline => return Ok(()),
            Some(wanted) => wanted..=wanted,
            None => start.timeline.saturating_add(1)..=u32::MAX,
        };
        for timeline in timelines {
            if self.histories.contains_key(&timeline) {
                continue;
            }
            let name = history_name(timeline);
            match command.ask(&name)? {
                Answer::File(path) => {
                    self.histories.insert(timeline, (name, path));
                }
                Answer::Nothing(_) if wanted.is_none() => {
                    command.no_history = Some(timeline);
                    break;
                }
                // It is a fault of the backup only where the command works.
                Answer::Nothing(how) => {
                    if let Answer::Nothing(_) = command.ask(&start.name(self.size))? {
                        return Err(command.gave_nothing(&name, how));
                    }
                }
            }
        }
        Ok(())
    }

    /// Verifies that a segment which the command did not give is not in the archive, and lets it give those that follow. Returns
    /// whether the segment is there now.
    ///
    /// # Errors
    /// The command does not give any more what it gave before, or gave nothing at all.
    pub(super) fn ask_again(
        &mut self,
        path: &history::Path,
        number: u64,
    ) -> Result<bool, CouldNotRun> {
        let timelines = self.timelines_of(path, number);
        let newest = timelines.first().copied().unwrap_or_else(|| path.last());
        let missing = Segment {
            timeline: newest,
            number,
        };
        // A bucket was listed.
        let Supply::Command(command) = &mut self.supply else {
            return Ok(false);
        };
        command.prove_it_gives(&missing.name(self.size))?;
        // Of the last segment of the base backup's own WAL the archive may have more.
        let own = self.incomplete;
        if let Some(own) = own.filter(|own| command.missing.contains(own)) {
            command.still_gives_no(&own.name(self.size))?;
        }
        for timeline in timelines {
            command.missing.remove(&Segment { timeline, number });
        }
        if self.segment(path, number)?.is_some() {
            return Ok(true);
        }
        for number in number + 1..=number + AFTER {
            self.segment(path, number)?;
        }
        Ok(false)
    }

    /// Verifies that no history appeared which would have changed the path.
    ///
    /// # Errors
    /// The command gives one that it did not give at first.
    pub(super) fn ask_again_for_history(&mut self) -> Result<(), CouldNotRun> {
        let Supply::Command(command) = &mut self.supply else {
            return Ok(());
        };
        // Without a file that it gave, it may have failed both times; then the WAL is that of the base backup, whose timeline is known.
        let (Some(timeline), Some(_)) = (command.no_history, &command.last) else {
            return Ok(());
        };
        command.still_gives_no(&history_name(timeline))
    }

    /// The next segment on the path from a number on.
    pub(super) fn next(&self, path: &history::Path, from: u64) -> Option<Segment> {
        let listed = match &self.supply {
            Supply::Bucket(bucket) => Some(bucket.segments()),
            Supply::None | Supply::Command(_) => None,
        };
        let all = self.segments.keys().chain(listed.into_iter().flatten());
        let all = all.filter(|segment| {
            let timelines = self.timelines_of(path, segment.number);
            segment.number >= from && timelines.contains(&segment.timeline)
        });
        all.min_by_key(|segment| segment.number).copied()
    }

    /// The timelines on a path that the segment of this number may be of, the newest first.
    pub(super) fn timelines_of(&self, path: &history::Path, number: u64) -> Vec<u32> {
        let size = u64::from(self.size);
        let first = number.saturating_mul(size);
        path.timelines(Lsn(first), Lsn(first.saturating_add(size - 1)))
            .collect()
    }
}

fn history_name(timeline: u32) -> String {
    format!("{timeline:08X}.history")
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::sync::{Arc, Mutex};

    use super::super::asked::Asker;
    use super::*;

    const SIZE: u32 = 16 << 20;
    const FAILED: &str = "it ended with exit code 1";

    fn name(number: u64) -> String {
        let timeline = 1;
        Segment { timeline, number }.name(SIZE)
    }

    type Asked = Arc<Mutex<Vec<String>>>;

    /// An archive of a command that has some files, as `has` says at each request; also returns what it was asked for.
    fn archive(mut has: impl FnMut(&str, usize) -> bool + Send + 'static) -> (Archive, Asked) {
        let asked = Asked::default();
        let log = Arc::clone(&asked);
        let ask = move |name: &str, _: RangeInclusive<u64>| {
            let mut log = log.lock().unwrap();
            log.push(name.to_owned());
            Ok(match has(name, log.len()) {
                true => Answer::File(PathBuf::from(name)),
                false => Answer::Nothing(CouldNotRun::new(FAILED)),
            })
        };
        let asker = Asker {
            shown: "get".to_owned(),
            ask: Box::new(ask),
        };
        let command = Supply::Command(WalCommand::new(SIZE, asker));
        (Archive::new(SIZE, command), asked)
    }

    #[test]
    fn a_file_is_what_its_name_says() {
        let kind = |name: &str| match kind_of(name, SIZE) {
            None => "none",
            Some((_, WalKind::Segment(_))) => "segment",
            Some((_, WalKind::History(_))) => "history",
            Some((_, WalKind::Partial)) => "partial",
        };
        let name = name(5);
        for (ending, expected) in [
            ("", "segment"),
            (".zst", "segment"),
            (".gz.age", "segment"),
            (".partial", "partial"),
            (".partial.lz4", "partial"),
            (".00000028.backup", "none"),
            (".tmp", "none"),
        ] {
            assert_eq!(kind(&format!("{name}{ending}")), expected, "{ending}");
        }
        assert_eq!(kind("00000002.history.gz"), "history");
        assert_eq!(kind("big.partial"), "none");
    }

    #[test]
    fn the_end_is_verified_by_what_was_given_before() {
        let (mut archive, asked) = archive(|one, _| one <= name(5).as_str());
        let path = history::Path::one(1);
        assert!(archive.segment(&path, 5).unwrap().is_some());
        assert!(archive.segment(&path, 6).unwrap().is_none());
        assert!(!archive.ask_again(&path, 6).unwrap());
        assert_eq!(archive.next(&path, 6), None);
        let expected = [5, 6, 5, 6, 7, 8].map(name);
        assert_eq!(*asked.lock().unwrap(), expected);
        assert_eq!(archive.fetched().unwrap().files, 1, "each file counts once");
    }

    #[test]
    fn what_follows_a_missing_segment_is_found() {
        let (mut archive, _) = archive(|one, _| one == name(5) || one == name(8));
        let path = history::Path::one(1);
        archive.segment(&path, 5).unwrap();
        assert!(!archive.ask_again(&path, 6).unwrap());
        assert_eq!(archive.next(&path, 6).unwrap().number, 8);
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        let path = history::Path::one(1);
        let (mut failing, _) = archive(|_, request| request == 1);
        failing.segment(&path, 5).unwrap();
        failing.segment(&path, 6).unwrap();
        let error = failing.ask_again(&path, 6).unwrap_err();
        assert!(error.reason.contains("not any more: it ended"), "{error:?}");
        let (mut never, asked) = archive(|_, _| false);
        never.segment(&path, 5).unwrap();
        let error = never.ask_again(&path, 5).unwrap_err();
        assert!(error.reason.contains("no file at all"), "{error:?}");
        assert_eq!(asked.lock().unwrap().len(), 2);
        // It failed once and gives the segment now.
        let (mut once, _) = archive(|_, request| request != 2);
        once.segment(&path, 5).unwrap();
        assert!(once.segment(&path, 6).unwrap().is_none());
        assert!(once.ask_again(&path, 6).unwrap());
        assert!(once.segment(&path, 6).unwrap().is_some());
    }

    #[test]
    fn histories_are_asked_for_until_one_is_missing() {
        let start = Segment {
            timeline: 1,
            number: 5,
        };
        let has = |one: &str, _| one == name(5) || one < "00000004.history";
        let (mut archive, asked) = archive(has);
        archive.fetch_histories(start, None).unwrap();
        assert_eq!(archive.histories.keys().collect::<Vec<_>>(), [&2, &3]);
        archive.ask_again_for_history().unwrap();
        let expected = ["2", "3", "4", "4"].map(|digit| format!("0000000{digit}.history"));
        assert_eq!(*asked.lock().unwrap(), expected);
    }

    #[test]
    fn a_history_that_comes_late_is_an_error() {
        let start = Segment {
            timeline: 1,
            number: 5,
        };
        let (mut archive, _) = archive(|_, request| request > 1);
        archive.fetch_histories(start, None).unwrap();
        assert!(archive.ask_again_for_history().is_ok(), "nothing was given");
        archive.segment(&history::Path::one(1), 5).unwrap();
        assert!(archive.ask_again_for_history().is_err());
    }

    #[test]
    fn more_of_the_last_own_segment_that_comes_late_is_an_error() {
        // A history is given, so the command works; the segment only at the second request for it.
        let (mut archive, _) =
            archive(|one, request| one == "00000002.history" || one == name(6) && request > 3);
        archive.add(&name(6), PathBuf::from("own"));
        let start = Segment {
            timeline: 1,
            number: 6,
        };
        archive.fetch_histories(start, None).unwrap();
        let path = history::Path::one(1);
        assert!(archive.segment(&path, 6).unwrap().is_some());
        let error = archive.ask_again(&path, 7).unwrap_err();
        assert!(
            error.reason.contains("only when it was asked again"),
            "{error:?}"
        );
    }

    #[test]
    fn only_the_last_segment_of_the_base_backup_is_asked_for() {
        let (mut archive, asked) = archive(|_, _| false);
        for number in [6, 5] {
            archive.add(&name(number), PathBuf::from("own"));
        }
        let path = history::Path::one(1);
        for number in [5, 6, 6] {
            assert!(archive.segment(&path, number).unwrap().is_some());
        }
        assert_eq!(*asked.lock().unwrap(), [name(6)]);
    }
}
