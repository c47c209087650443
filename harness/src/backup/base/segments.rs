//! Segments and histories of archived WAL: in a folder, in the base backup itself, or given by a command one by one.
//!
//! A command that fails says nothing about the archive. So where it gives no segment, a file that it gave before must come again, and the
//! segment is asked for once more; what follows it shows whether it is a gap or the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use basebackup::Lsn;
use basebackup::wal::history::{self, timeline_of};
use basebackup::wal::segment::Segment;

use crate::outcome::CouldNotRun;

/// Maximum depth of folders in an archive.
const DEEPEST: u32 = 4;
/// Endings of compressed segments.
pub(super) const COMPRESSED: [&str; 6] = [".gz", ".lz4", ".zst", ".xz", ".bz2", ".age"];
/// Segments after a missing one that are asked for, to tell a gap from the end.
const AFTER: u64 = 2;

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The file, complete as far as its size shows.
    File(PathBuf),
    /// The archive does not have it, by the exit code; how the command ended, without secrets, and the next step where that is known.
    Nothing(CouldNotRun),
}

/// Asks for a file by its name and the bytes that it may have; blocks.
pub type Ask = Box<dyn FnMut(&str, RangeInclusive<u64>) -> Result<Answer, CouldNotRun> + Send>;

/// A command that gives files of WAL.
pub struct Asker {
    /// Program and arguments, without secrets.
    pub shown: String,
    /// Runs it for one file.
    pub ask: Ask,
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
    command: Option<Command>,
}

/// A command that gives files, and what it answered.
struct Command {
    asker: Asker,
    /// Bytes of a segment.
    size: u32,
    /// Segments that it did not give.
    missing: BTreeSet<Segment>,
    /// The last segment of the base backup's own WAL, of which an archive may have more.
    incomplete: Option<Segment>,
    /// The first timeline whose history it did not give.
    no_history: Option<u32>,
    /// The file that it gave last.
    last: Option<String>,
    /// Number of files that it gave.
    files: u64,
    /// Time of all its runs.
    duration: Duration,
}

/// What a command gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Program and arguments, without secrets.
    pub command: String,
    /// Number of files.
    pub files: u64,
    /// Time of the command, for all that it was asked for.
    pub duration: Duration,
}

impl Archive {
    /// An archive of segments of `size` bytes without a file. A command is asked for whatever is not added.
    pub(super) fn new(size: u32, asker: Option<Asker>) -> Self {
        Self {
            size,
            segments: BTreeMap::new(),
            histories: BTreeMap::new(),
            partial: Vec::new(),
            command: asker.map(|asker| Command {
                asker,
                size,
                missing: BTreeSet::new(),
                incomplete: None,
                no_history: None,
                last: None,
                files: 0,
                duration: Duration::ZERO,
            }),
        }
    }

    /// Adds a file by its name, unless there is one of that name already.
    pub(super) fn add(&mut self, name: &str, path: PathBuf) {
        let endings = COMPRESSED.iter();
        let stem = endings.fold(name, |name, ending| {
            name.strip_suffix(ending).unwrap_or(name)
        });
        if let Some(segment) = Segment::parse(stem, self.size) {
            self.segments
                .entry(segment)
                .or_insert((stem.to_owned(), path));
            if let Some(command) = &mut self.command {
                command.incomplete = command.incomplete.max(Some(segment));
            }
        } else if let Some(timeline) = timeline_of(stem) {
            self.histories
                .entry(timeline)
                .or_insert((stem.to_owned(), path));
        } else if stem.ends_with(".partial") {
            self.partial.push(stem.to_owned());
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

    /// What the command gave; `None` without one.
    pub(super) fn fetched(&self) -> Option<Fetched> {
        let command = self.command.as_ref()?;
        Some(Fetched {
            command: command.asker.shown.clone(),
            files: command.files,
            duration: command.duration,
        })
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
        let timelines: Vec<u32> = path.timelines(self.last_byte(number)).collect();
        for timeline in timelines {
            let segment = Segment { timeline, number };
            self.fetch(segment)?;
            if let Some((name, file)) = self.segments.get(&segment) {
                return Ok(Some((segment, name.clone(), file.clone())));
            }
        }
        Ok(None)
    }

    /// Lets the command give a segment that is not there, or may not be complete.
    fn fetch(&mut self, segment: Segment) -> Result<(), CouldNotRun> {
        let Some(command) = &mut self.command else {
            return Ok(());
        };
        let is_there = self.segments.contains_key(&segment);
        if command.missing.contains(&segment) || is_there && command.incomplete != Some(segment) {
            return Ok(());
        }
        let name = segment.name(self.size);
        match command.ask(&name)? {
            Answer::File(path) => {
                self.segments.insert(segment, (name, path));
                if command.incomplete == Some(segment) {
                    command.incomplete = None;
                }
            }
            Answer::Nothing(_) => {
                command.missing.insert(segment);
            }
        }
        Ok(())
    }

    /// Lets the command give the histories of all timelines after that of `start`, the first segment of the recovery, or that of `wanted`.
    ///
    /// # Errors
    /// Those of the command.
    pub(super) fn fetch_histories(
        &mut self,
        start: Segment,
        wanted: Option<u32>,
    ) -> Result<(), CouldNotRun> {
        let Some(command) = &mut self.command else {
            return Ok(());
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
            let name = format!("{timeline:08X}.history");
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
        let timelines: Vec<u32> = path.timelines(self.last_byte(number)).collect();
        let newest = timelines.first().copied().unwrap_or_else(|| path.last());
        let missing = Segment {
            timeline: newest,
            number,
        };
        let Some(command) = &mut self.command else {
            return Ok(false);
        };
        command.prove_it_gives(&missing.name(self.size))?;
        // Of the last segment of the base backup's own WAL the archive may have more.
        if let Some(own) = command
            .incomplete
            .filter(|own| command.missing.contains(own))
        {
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
        let Some(command) = &mut self.command else {
            return Ok(());
        };
        // Without a file that it gave, it may have failed both times; then the WAL is that of the base backup, whose timeline is known.
        let (Some(timeline), Some(_)) = (command.no_history, &command.last) else {
            return Ok(());
        };
        let name = format!("{timeline:08X}.history");
        command.still_gives_no(&name)
    }

    /// The next segment on the path from a number on.
    pub(super) fn next(&self, path: &history::Path, from: u64) -> Option<Segment> {
        let all = self.segments.keys().filter(|segment| {
            let last_byte = self.last_byte(segment.number);
            let on_path = path.timelines(last_byte).any(|one| one == segment.timeline);
            segment.number >= from && on_path
        });
        all.min_by_key(|segment| segment.number).copied()
    }

    /// The last byte of a segment.
    pub(super) fn last_byte(&self, number: u64) -> Lsn {
        Lsn((number + 1).saturating_mul(u64::from(self.size)) - 1)
    }
}

impl Command {
    fn ask(&mut self, name: &str) -> Result<Answer, CouldNotRun> {
        let bytes = match name.ends_with(".history") {
            true => 1..=history::LONGEST,
            false => u64::from(self.size)..=u64::from(self.size),
        };
        let began = Instant::now();
        let answer = (self.asker.ask)(name, bytes);
        self.duration += began.elapsed();
        let answer = answer?;
        if let Answer::File(_) = answer {
            self.files += 1;
            self.last = Some(name.to_owned());
        }
        Ok(answer)
    }

    /// Verifies that the command does not give a file that it did not give before and that was done without.
    fn still_gives_no(&mut self, name: &str) -> Result<(), CouldNotRun> {
        match self.ask(name)? {
            Answer::Nothing(_) => Ok(()),
            Answer::File(_) => Err(CouldNotRun::with_hint(
                format!(
                    "the command `{}` gave {name} only when it was asked again",
                    self.asker.shown
                ),
                "it failed before, or the file was archived a moment ago: run the drill again",
            )),
        }
    }

    /// Verifies that the command works by a file that it gave before. `missing` is what it did not give.
    fn prove_it_gives(&mut self, missing: &str) -> Result<(), CouldNotRun> {
        let Some(last) = self.last.clone() else {
            let Answer::Nothing(how) = self.ask(missing)? else {
                return Ok(());
            };
            return Err(self.gave_nothing(missing, how));
        };
        let files = self.files;
        let answer = self.ask(&last)?;
        self.files = files;
        match answer {
            Answer::File(_) => Ok(()),
            Answer::Nothing(how) => Err(explain(
                how,
                |how| {
                    format!(
                        "the command `{}` did not give {missing}, and {last}, which it gave before, not any more: {how}",
                        self.asker.shown
                    )
                },
                "it fails for another reason than the end of the WAL: run it by hand for both",
            )),
        }
    }

    fn gave_nothing(&self, missing: &str, how: CouldNotRun) -> CouldNotRun {
        explain(
            how,
            |how| {
                format!(
                    "the command `{}` gave no file at all; for {missing} {how}",
                    self.asker.shown
                )
            },
            "this says nothing about the backup: run the command by hand for a segment that is in the archive",
        )
    }
}

/// The error of a command that ended in this way, with its own next step or this one.
fn explain(how: CouldNotRun, reason: impl FnOnce(&str) -> String, hint: &str) -> CouldNotRun {
    CouldNotRun {
        reason: reason(&how.reason),
        hint: how.hint.or_else(|| Some(hint.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

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
        (Archive::new(SIZE, Some(asker)), asked)
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
