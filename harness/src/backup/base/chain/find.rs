//! The parents of an incremental backup: by the start and the timeline that its label names, among the folders next to it and those
//! that the scenario lists.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use basebackup::control::{CONTROL, Control, HEAD};
use basebackup::label::{self, LABEL, Label, Parent};
use basebackup::manifest::{self, Manifest};
use pgdump::format::tar::Members;

use super::open_below;
use crate::backup::base::archive::read_plain;
use crate::backup::base::files::{Layout, cannot_read};
use crate::backup::packing::{Keys, LayerError, Unpacked};
use crate::outcome::{CouldNotRun, Finding};
use crate::units::listed;

/// Backups of a chain, at most: a file of each is open at once.
const MOST: usize = 500;
/// What a folder of `parents` must be.
const AS_LISTED: &str = "a backup of the chain, because `parents` lists it";
/// Backups that a fault lists.
const LISTED: usize = 5;
/// Members of a tar file that are searched for the label: the server sends it first.
const FIRST: usize = 16;

/// One backup of a chain.
#[derive(Debug)]
pub(super) struct BackupOfChain {
    /// The name of its folder, or its path where the scenario lists it.
    pub name: String,
    /// Its files, as stored.
    pub layout: Layout,
    /// Its label.
    pub label: Label,
}

/// The label of a backup, read before all else; `None` where there is none that can be read.
///
/// # Errors
/// The machine or the keys are at fault.
pub(in crate::backup::base) fn peek(
    layout: &Layout,
    keys: &Keys,
) -> Result<Option<Label>, CouldNotRun> {
    let text = match layout {
        Layout::Tars { main, .. } => first_label(main, keys)?,
        Layout::Chain(_) => None,
        Layout::Folder(folder) => {
            let file = open_below(folder, LABEL).map_err(|error| cannot_read(folder, &error))?;
            let mut text = Vec::new();
            match file.map(|file| file.take(label::LONGEST).read_to_end(&mut text)) {
                None => None,
                Some(Ok(_)) => Some(text),
                Some(Err(error)) => return Err(cannot_read(folder, &error)),
            }
        }
    };
    Ok(text.and_then(|text| Label::parse(&String::from_utf8_lossy(&text)).ok()))
}

/// The label in a tar file. What is wrong with the file is found when it is read to its end.
fn first_label(main: &Path, keys: &Keys) -> Result<Option<Vec<u8>>, CouldNotRun> {
    let content = match Unpacked::open(main, keys).map_err(LayerError::from) {
        Ok(content) => content,
        Err(LayerError::CouldNotRun(error)) => return Err(error),
        Err(LayerError::Damaged(_)) => return Ok(None),
    };
    let mut members = Members::new(BufReader::new(content));
    for _ in 0..FIRST {
        match members.next_member() {
            Ok(Some(member)) if member.name.trim_start_matches("./") == LABEL => {
                let mut text = Vec::new();
                let read = members.take(label::LONGEST).read_to_end(&mut text);
                return Ok(read.is_ok().then_some(text));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    Ok(None)
}

/// The cluster that a backup is of; `None` where only reading all of it would say so.
fn cluster(layout: &Layout) -> Option<u64> {
    if let Layout::Folder(folder) = layout {
        let mut head = Vec::new();
        let file = open_below(folder, CONTROL).ok()??;
        file.take(HEAD as u64).read_to_end(&mut head).ok()?;
        return Some(Control::parse(&head).ok()?.system_identifier);
    }
    let text = read_plain(&layout.manifest()?, manifest::LONGEST).ok()?;
    Manifest::parse(&text).ok()?.system_identifier
}

/// Where parents may be.
pub(super) struct Places<'a> {
    /// The folder of the newest backup, whose neighbours are searched; `None` where they are of no use.
    pub beside: Option<&'a Path>,
    /// Folders that the scenario lists.
    pub listed: &'a [PathBuf],
}

impl Places<'_> {
    /// All base backups there, each once.
    fn members(
        &self,
        newest: &Layout,
        keys: &Keys,
        warnings: &mut Vec<Finding>,
    ) -> Result<Vec<BackupOfChain>, CouldNotRun> {
        let mut known = BTreeSet::new();
        let mut members = Vec::new();
        for path in self.listed {
            let name = path.display().to_string();
            let layout = match Layout::of(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                layout => layout.map_err(|error| cannot_read(path, &error))?,
            };
            let label = match &layout {
                Some(layout) => peek(layout, keys)?,
                None => None,
            };
            let (Some(layout), Some(label)) = (layout, label) else {
                warnings.push(
                    Finding::about(name, AS_LISTED, "no base backup with a label is there")
                        .hint("`parents` has folders that pg_basebackup wrote, relative to the scenario file"),
                );
                continue;
            };
            if known.insert(path.canonicalize().ok()) {
                members.push(BackupOfChain {
                    name,
                    layout,
                    label,
                });
            }
        }
        let Some(own) = self.beside else {
            return Ok(members);
        };
        let beside = std::path::absolute(own).ok();
        let Some(beside) = beside.as_deref().and_then(Path::parent) else {
            return Ok(members);
        };
        let entries = std::fs::read_dir(beside).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| cannot_read(beside, &error))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            // What cannot be read is no parent; if it was one, its absence is reported.
            let Ok(Some(layout)) = Layout::of(&path) else {
                continue;
            };
            if let (true, Ok(Some(label))) =
                (known.insert(path.canonicalize().ok()), peek(&layout, keys))
                && layout != *newest
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                members.push(BackupOfChain {
                    name,
                    layout,
                    label,
                });
            }
        }
        Ok(members)
    }

    /// The parents of the newest backup, newest first, down to the full backup.
    ///
    /// # Errors
    /// The machine is at fault, or two backups may be the parent. A parent that is not there is a fault.
    pub fn parents(
        &self,
        name: &str,
        layout: &Layout,
        label: &Label,
        keys: &Keys,
        warnings: &mut Vec<Finding>,
    ) -> Result<Result<Vec<BackupOfChain>, Finding>, CouldNotRun> {
        let mut others = self.members(layout, keys, warnings)?;
        let own = cluster(layout);
        let (mut child, mut child_label) = (name.to_owned(), label.clone());
        let mut chain: Vec<BackupOfChain> = Vec::new();
        while let Some(parent) = child_label.parent {
            let expected = format!(
                "its parent, the backup that starts at {} on timeline {}",
                parent.start, parent.timeline
            );
            let fault = |found: String| Finding::about(&child, &expected, found).hint(MISSING);
            if chain.len() >= MOST || parent.start >= child_label.start {
                let expected = format!("a parent that started before it, and at most {MOST}");
                let found = format!("one at {}, of {}", parent.start, child_label.start);
                return Ok(Err(Finding::about(child, expected, found)));
            }
            let of_place = others
                .iter()
                .enumerate()
                .filter(|(_, one)| is_at(one, parent));
            let (same, other): (Vec<_>, Vec<_>) = of_place.partition(|(_, one)| {
                let theirs = cluster(&one.layout);
                own.is_none() || theirs.is_none() || theirs == own
            });
            match (same.as_slice(), other.first()) {
                ([(at, _)], _) => {
                    let at = *at;
                    let found = others.remove(at);
                    (child, child_label) = (found.name.clone(), found.label.clone());
                    chain.push(found);
                }
                ([], Some((_, other))) => {
                    return Ok(Err(fault(format!(
                        "{}, which is a backup of another cluster",
                        other.name
                    ))));
                }
                ([], None) => return Ok(Err(fault(listing(&others)))),
                ([(_, one), (_, other), ..], _) => {
                    return Err(CouldNotRun::with_hint(
                        format!(
                            "the parent of {child} may be {} or {}: both start at {}",
                            one.name, other.name, parent.start
                        ),
                        "move one of them elsewhere",
                    ));
                }
            }
        }
        let unused = others.iter().filter(|one| {
            let paths = self.listed.iter().map(|path| path.display().to_string());
            paths.into_iter().any(|path| path == one.name)
        });
        warnings.extend(unused.map(|one| {
            Finding::about(
                &one.name,
                AS_LISTED,
                format!("one at {}, on which nothing is based", one.label.start),
            )
            .hint("remove it from `parents` in `[backup.base]`")
        }));
        Ok(Ok(chain))
    }
}

/// What to do about a parent that is not there.
const MISSING: &str = "an incremental backup cannot be restored without every backup that it is based on: put it next to this one, or list its folder in `parents` of `[backup.base]`; where it is lost, take a full backup";

fn is_at(one: &BackupOfChain, parent: Parent) -> bool {
    (one.label.start, one.label.timeline) == (parent.start, parent.timeline)
}

/// The backups that are there, none of which is the parent.
fn listing(others: &[BackupOfChain]) -> String {
    let all = others.iter().map(|one| {
        let kind = if one.label.parent.is_some() {
            "incremental"
        } else {
            "full"
        };
        format!("{} ({kind}) at {}", one.name, one.label.start)
    });
    match all.collect::<Vec<_>>().as_slice() {
        [] => "it is missing, and there is no other backup".to_owned(),
        all => format!("it is missing; other backups: {}", listed(all, LISTED)),
    }
}
