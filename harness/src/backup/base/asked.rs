//! A command that gives archived WAL file by file, as the thread that reads the WAL asks it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use basebackup::wal::history;
use basebackup::wal::segment::Segment;

use super::segments::Fetched;
use crate::outcome::CouldNotRun;

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

/// A command that gives files, and what it answered.
pub(super) struct WalCommand {
    asker: Asker,
    /// Bytes of a segment.
    size: u32,
    /// Segments that it did not give.
    pub(super) missing: BTreeSet<Segment>,
    /// The first timeline whose history it did not give.
    pub(super) no_history: Option<u32>,
    /// The file that it gave last.
    pub(super) last: Option<String>,
    /// Number of files that it gave.
    files: u64,
    /// Time of all its runs.
    duration: Duration,
}

impl WalCommand {
    /// A command that was not asked for anything; `size` is the bytes of a segment.
    pub(super) const fn new(size: u32, asker: Asker) -> Self {
        Self {
            asker,
            size,
            missing: BTreeSet::new(),
            no_history: None,
            last: None,
            files: 0,
            duration: Duration::ZERO,
        }
    }

    pub(super) fn fetched(&self) -> Fetched {
        Fetched {
            origin: self.asker.shown.clone(),
            files: self.files,
            duration: self.duration,
        }
    }

    /// Asks for a segment that it was not asked for; name and place.
    pub(super) fn segment(
        &mut self,
        segment: Segment,
    ) -> Result<Option<(String, PathBuf)>, CouldNotRun> {
        if self.missing.contains(&segment) {
            return Ok(None);
        }
        let name = segment.name(self.size);
        match self.ask(&name)? {
            Answer::File(path) => Ok(Some((name, path))),
            Answer::Nothing(_) => {
                self.missing.insert(segment);
                Ok(None)
            }
        }
    }

    /// Asks for a segment or a history by its name.
    pub(super) fn ask(&mut self, name: &str) -> Result<Answer, CouldNotRun> {
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
    pub(super) fn still_gives_no(&mut self, name: &str) -> Result<(), CouldNotRun> {
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
    pub(super) fn prove_it_gives(&mut self, missing: &str) -> Result<(), CouldNotRun> {
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

    /// The error where it never gave a file.
    pub(super) fn gave_nothing(&self, missing: &str, how: CouldNotRun) -> CouldNotRun {
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
