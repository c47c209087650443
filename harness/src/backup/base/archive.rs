//! The WAL between the start of a base backup and the target of its recovery.
//!
//! A server ends its recovery where no valid record follows, and starts as if that were the end: a gap is lost data that nobody
//! reports. So every record is read here, and a recovery must end where this ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use basebackup::control::Control;
use basebackup::label::Label;
use basebackup::manifest::Manifest;
use basebackup::wal::history::{self, Switch};
use basebackup::wal::record::Event;
use basebackup::wal::segment::{Segment, Source};
use basebackup::wal::walk::{Ended, Record, Walk};
use basebackup::{Fault, Lsn};

use super::Wal;
use super::segments::{Archive, COMPRESSED};
use super::settings::{Physical, Target};
use crate::backup::files::read_at_most;
use crate::backup::packing::{Keys, LayerError, Unpacked};
use crate::outcome::{CouldNotRun, Finding};
use crate::units::show_counted;

/// Restore points that are kept by name.
const NAMES: usize = 100;

/// A target and what is known of it.
struct Progress<'a> {
    physical: &'a Physical,
    label: &'a Label,
    /// Bytes of a segment.
    segment_size: u64,
    wal: Wal,
    /// Where the WAL of the backup ends, by its manifest.
    listed: Option<Lsn>,
    /// Whether the target was reached, and whether the backup was consistent then.
    reached: Option<bool>,
    /// Where a recovery that read so far ends.
    end: Option<Lsn>,
}

impl Archive {
    /// Reads the WAL up to the target.
    ///
    /// # Errors
    /// The machine or the keys are at fault.
    pub(super) fn read(
        &mut self,
        (control, label, manifest): (&Control, &Label, Option<&Manifest>),
        physical: &Physical,
        keys: &Keys,
        problems: &mut Vec<Finding>,
        warnings: &mut Vec<Finding>,
    ) -> Result<Wal, CouldNotRun> {
        let source = Source {
            system_identifier: control.system_identifier,
            major: control.major,
            segment_size: control.wal_segment_size,
            block_size: control.wal_block_size,
        };
        let size = source.segment_size;
        let mut progress = Progress {
            physical,
            label,
            segment_size: u64::from(size),
            wal: Wal::default(),
            listed: manifest.and_then(Manifest::end),
            reached: None,
            end: None,
        };
        progress.wal.consistent = match label.of_standby {
            // As the server has it. The manifest may list more: what the standby replayed until the backup ended.
            true => Some(control.minimum_recovery_point),
            false => progress.listed,
        };
        let start = Segment::of(label.timeline, label.start, size);
        self.fetch_histories(start, physical.timeline)?;
        let Some(path) = self.timelines(label, physical, keys, problems)? else {
            return Ok(progress.wal);
        };
        progress.wal.timeline = path.last();
        if path.last() != label.timeline && physical.timeline.is_none() {
            warnings.push(
                Finding::about(
                    format!("timeline {}", path.last()),
                    format!("the timeline of the backup, {}", label.timeline),
                    "a newer one, which the recovery follows",
                )
                .hint("after a failover that is right; a drill or a test that archived into the same folder leaves one too: `timeline` in `[recovery]` sets it"),
            );
        }
        let mut walk = Walk::new(source, path.clone(), label.start);
        let mut number = start.number;
        let stopped: Option<Finding> = loop {
            let Some((segment, name, file)) = self.segment(&path, number)? else {
                if self.ask_again(&path, number)? {
                    continue;
                }
                break self.gap(&path, number, size, walk.is_within_record());
            };
            let ended = read_segment(&mut walk, (&name, &file), segment, keys, &mut |record| {
                progress.take(&record)
            })?;
            progress.wal.segments += 1;
            progress.wal.bytes += u64::from(size);
            progress.wal.files.push((name.clone(), file));
            match ended {
                Err(finding) => break Some(finding),
                Ok(_) if progress.reached.is_some() => break None,
                Ok(Ended::Full) => number += 1,
                Ok(Ended::Here(at)) => {
                    self.ask_again(&path, number + 1)?;
                    break self.next(&path, number + 1).map(|next| {
                        Finding::about(
                            name,
                            format!("WAL to its end, since {} is there", next.name(size)),
                            format!("nothing after {at}"),
                        )
                        .hint("the segment was archived before it was complete: a recovery would end there and lose what follows")
                    });
                }
            }
        };
        self.ask_again_for_history()?;
        progress.wal.fetched = self.fetched();
        progress.wal.end = progress.end.unwrap_or(walk.end);
        progress.wal.stops = progress.reached.is_some();
        let histories = self
            .histories
            .iter()
            .filter(|(one, _)| **one <= path.last());
        progress
            .wal
            .files
            .extend(histories.map(|(_, file)| file.clone()));
        problems.extend(progress.judge(stopped));
        Ok(progress.wal)
    }

    /// The timelines that the recovery follows; `None` with a problem.
    fn timelines(
        &self,
        label: &Label,
        physical: &Physical,
        keys: &Keys,
        problems: &mut Vec<Finding>,
    ) -> Result<Option<history::Path>, CouldNotRun> {
        let own = history::Path::one(label.timeline);
        let mut paths = BTreeMap::from([(label.timeline, own)]);
        for (timeline, (name, file)) in &self.histories {
            let switches: Result<Vec<Switch>, Finding> =
                match read_small(file, history::LONGEST, keys)? {
                    Ok(text) => history::parse(name, &String::from_utf8_lossy(&text))
                        .map_err(|fault| finding_of(&fault)),
                    Err(finding) => Err(finding.within(name)),
                };
            let wanted = physical.timeline.is_none_or(|wanted| wanted == *timeline);
            match switches {
                Ok(switches) => {
                    let path = history::Path::to(*timeline, &switches);
                    paths.insert(*timeline, path);
                }
                Err(finding) if wanted => {
                    problems.push(finding.hint("a recovery cannot follow that timeline"));
                }
                Err(_) => {}
            }
        }
        let leads = |path: &history::Path| path.contains(label.timeline, label.start);
        let Some(wanted) = physical.timeline else {
            let mut all = paths.into_values().rev();
            return Ok(all.find(leads));
        };
        let path = paths.remove(&wanted);
        if path.is_none() {
            problems.push(
                Finding::about(
                    format!("timeline {wanted}"),
                    format!("{wanted:08X}.history in the archive"),
                    "it is missing",
                )
                .hint("`timeline` in `[recovery]` names a timeline that nothing leads to"),
            );
        } else if path.as_ref().is_some_and(|path| !leads(path)) {
            problems.push(
                Finding::about(
                    format!("timeline {wanted}"),
                    format!("a timeline that begins after {}", label.start),
                    format!(
                        "one that left timeline {} before the backup was taken",
                        label.timeline
                    ),
                )
                .hint("use an older backup, or another `timeline` in `[recovery]`"),
            );
            return Ok(None);
        }
        Ok(path)
    }

    /// What is missing where no segment of this number is there; `None` at the end of the WAL.
    fn gap(&self, path: &history::Path, number: u64, size: u32, is_open: bool) -> Option<Finding> {
        let timeline = self.timelines_of(path, number).first().copied();
        let missing = Segment {
            timeline: timeline.unwrap_or_else(|| path.last()),
            number,
        };
        let name = missing.name(size);
        let partial = self
            .partial
            .iter()
            .find(|partial| partial.starts_with(&name));
        let found = match (self.next(path, number), partial) {
            (Some(segment), _) => {
                let next = segment.name(size);
                match segment.number - number {
                    1 => format!("it is missing; {next} is there"),
                    more => format!(
                        "it and {} are missing; {next} is there",
                        show_counted(more - 1, "further segment")
                    ),
                }
            }
            (None, Some(partial)) => format!("only {partial}, which no recovery reads"),
            (None, None) if is_open => {
                "it is missing, and the last record of the segment before continues in it"
                    .to_owned()
            }
            (None, None) => return None,
        };
        let finding = Finding::about(name, "a segment of WAL", found);
        Some(finding.hint("a recovery ends before it and reports success: look for it in `pg_wal` of the source, and find out why it was not archived; a new base backup ends the gap"))
    }
}

impl Progress<'_> {
    /// Notes a record; whether the recovery goes on.
    fn take(&mut self, record: &Record) -> bool {
        if let Event::BackupEnd { start } = &record.event
            && *start == self.label.start
        {
            // Before the target: `immediate` is here.
            self.wal.consistent.get_or_insert(record.end);
        }
        let consistent = self.wal.consistent;
        let is_consistent = |at: Lsn| consistent.is_some_and(|from| at >= from);
        let inclusive = self.physical.inclusive;
        let end = match record.event {
            // Nothing of the rest of the segment is used: where a standby is consistent may be the end of the segment.
            Event::Switch => Lsn(record.end.0.next_multiple_of(self.segment_size)),
            _ => record.end,
        };
        // Where the record before ends: between the two may be the header of a page.
        let before = self.end.unwrap_or(record.at);
        // Whether the recovery stops here, and whether it replays this record before.
        let stops = match (&self.physical.target, &record.event) {
            (Target::Latest, _) => None,
            // A server looks before the next record, and without one it waits.
            (Target::Immediate, _) => is_consistent(before).then_some(false),
            (Target::Lsn(lsn), _) => (record.at >= *lsn).then_some(inclusive),
            (Target::Time(time), Event::Ended { time: Some(at), .. }) => {
                let is_after = *at > *time || (!inclusive && at == time);
                is_after.then_some(false)
            }
            (Target::Transaction(wanted), Event::Ended { transaction, .. }) => {
                (transaction == wanted).then_some(inclusive)
            }
            (Target::Name(wanted), Event::RestorePoint { name }) => {
                (name == wanted).then_some(true)
            }
            _ => None,
        };
        if let Some(replays) = stops {
            self.reached = Some(is_consistent(if replays { end } else { before }));
            if !replays {
                self.end = Some(before);
                return false;
            }
        }
        self.end = Some(end);
        match &record.event {
            Event::Ended {
                committed: true,
                time,
                ..
            } => {
                self.wal.commits += 1;
                if let Some(time) = time {
                    let first = self.wal.times.map_or(*time, |(first, _)| first);
                    let last = self.wal.times.map_or(*time, |(_, last)| last.max(*time));
                    self.wal.times = Some((first, last));
                }
            }
            Event::RestorePoint { name } if self.wal.restore_points.len() < NAMES => {
                self.wal
                    .restore_points
                    .push(name.escape_default().to_string());
            }
            _ => {}
        }
        stops.is_none()
    }

    /// What prevents the recovery. `stopped` is why the WAL could not be read further.
    fn judge(&self, stopped: Option<Finding>) -> Vec<Finding> {
        let mut problems: Vec<Finding> = stopped.into_iter().collect();
        let end = self.wal.end;
        let window = match self.wal.times {
            Some((_, last)) => format!("the WAL ends at {end}, with a commit at {last}"),
            None => format!("the WAL ends at {end}, without a commit"),
        };
        match self.wal.consistent {
            Some(consistent) if end < consistent && self.reached.is_none() => problems.push(
                Finding::about(
                    "recovery",
                    format!("WAL up to {consistent}, where the backup is consistent"),
                    window.clone(),
                )
                .hint("the backup cannot be used without it: archive the WAL, or take the backup with `-X stream`"),
            ),
            None if self.reached.is_none() => problems.push(
                Finding::about("recovery", "the end of the base backup in the WAL", window.clone())
                    .hint("the backup cannot be used without it: archive the WAL, or take the backup with `-X stream`"),
            ),
            Some(_) if self.reached.is_none() && self.listed.is_some_and(|listed| end < listed) => {
                let listed = self.listed.map(|listed| format!("WAL up to {listed}, by the manifest"));
                problems.push(
                    Finding::about("recovery", listed.unwrap_or_default(), window.clone())
                        .hint("WAL that was there when the backup was taken is missing: archive it"),
                );
            }
            _ => {}
        }
        let target = &self.physical.target;
        match self.reached {
            Some(true) => {}
            Some(false) => problems.push(
                Finding::about(
                    "recovery",
                    format!("{target}, after the base backup is consistent"),
                    match self.wal.consistent {
                        Some(consistent) => {
                            format!("it is before {consistent}, where the backup is consistent")
                        }
                        None => "it is before the end of the base backup".to_owned(),
                    },
                )
                .hint("an older base backup reaches this target"),
            ),
            // The end of the WAL is always reached.
            None if matches!(target, Target::Latest | Target::Immediate) => {}
            None => problems.push(
                Finding::about("recovery", format!("{target}"), window)
                    .hint("a server would refuse this target: archive more WAL, or set one before that end"),
            ),
        }
        problems
    }
}

/// A fault of a reader as a finding.
pub(super) fn finding_of(fault: &Fault) -> Finding {
    Finding::about(&fault.object, &fault.expected, &fault.found)
}

/// Reads a segment inside its layers.
fn read_segment(
    walk: &mut Walk,
    (name, path): (&str, &Path),
    segment: Segment,
    keys: &Keys,
    each: &mut dyn FnMut(Record) -> bool,
) -> Result<Result<Ended, Finding>, CouldNotRun> {
    let mut reader = match open(path, keys)? {
        Ok(reader) => reader,
        Err(finding) => return Ok(Err(finding.within(name))),
    };
    match walk.segment(name, segment, &mut reader, each) {
        Ok(Ok(ended)) => Ok(Ok(ended)),
        Ok(Err(fault)) => Ok(Err(finding_of(&fault))),
        Err(error) => match LayerError::of(&error) {
            LayerError::Damaged(finding) => Ok(Err(finding.within(name))),
            LayerError::CouldNotRun(error) => Err(error),
        },
    }
}

/// Opens a file of an archive: as it is, or inside its layers.
pub(super) fn open(
    path: &Path,
    keys: &Keys,
) -> Result<Result<Box<dyn Read>, Finding>, CouldNotRun> {
    let is_plain = path
        .extension()
        .is_none_or(|ending| !COMPRESSED.iter().any(|one| one[1..] == *ending));
    if is_plain {
        let file = File::open(path).map_err(|error| {
            CouldNotRun::with_hint(
                format!("cannot open {}: {error}", path.display()),
                "run redrill as a user who may read the archived WAL",
            )
        })?;
        return Ok(Ok(Box::new(BufReader::with_capacity(1 << 17, file))));
    }
    match Unpacked::open(path, keys).map_err(LayerError::from) {
        Ok(content) => Ok(Ok(Box::new(BufReader::with_capacity(1 << 17, content)))),
        Err(LayerError::Damaged(finding)) => Ok(Err(finding)),
        Err(LayerError::CouldNotRun(error)) => Err(error),
    }
}

/// Reads a small file inside its layers.
fn read_small(
    path: &Path,
    most: u64,
    keys: &Keys,
) -> Result<Result<Vec<u8>, Finding>, CouldNotRun> {
    let mut bytes = Vec::new();
    match open(path, keys)? {
        Ok(reader) => match reader.take(most).read_to_end(&mut bytes) {
            Ok(_) => Ok(Ok(bytes)),
            Err(error) => match LayerError::of(&error) {
                LayerError::Damaged(finding) => Ok(Err(finding)),
                LayerError::CouldNotRun(error) => Err(error),
            },
        },
        Err(finding) => Ok(Err(finding)),
    }
}

/// Reads a small file that is no part of an archive.
pub(super) fn read_plain(path: &Path, most: u64) -> Result<Vec<u8>, CouldNotRun> {
    read_at_most(path, most).map_err(|error| {
        CouldNotRun::with_hint(
            format!("cannot read {}: {error}", path.display()),
            "run redrill as a user who may read the backup",
        )
    })
}
