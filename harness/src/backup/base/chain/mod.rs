//! A chain: a full backup and incremental ones, each based on the one before, which are read as the one backup that
//! `pg_combinebackup` would write. No program is run and nothing is copied: each file is rebuilt while it is read.
//!
//! - `open`: all of the following
//! - `find`: the parents of an incremental backup
//! - `verify`: each backup of the chain by its own manifest, whether they belong together, and tar files as data folders

mod find;
mod open;
mod verify;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use basebackup::Fault;
use basebackup::incremental::{Header, PagePlan, PageRun, incremental_path, whole_path};
use basebackup::label::{self, LABEL};
use basebackup::manifest::{Expected, Manifest};
use basebackup::page::PAGE;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::archive::finding_of;
use super::files::Layout;
use crate::backup::packing::Keys;
use crate::outcome::{CouldNotRun, Finding};

pub(super) use find::peek;
pub(super) use open::{OpenedChain, open_chain};

/// The data folders of a chain, which was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupChain {
    /// Newest first; the last one is the full backup.
    pub(super) folders: Vec<PathBuf>,
    /// Files that are not as the newest backup has them, by their path in the data folder: what they are once they are rebuilt.
    pub(super) rebuilt: BTreeMap<String, Expected>,
}

impl BackupChain {
    /// Reads every file, as [`Layout::read`] does; returns the number of pages that no backup has.
    ///
    /// # Errors
    /// The machine is at fault. Faults of the backups are added to `faults`.
    pub(super) fn read(
        &self,
        faults: &mut Vec<Finding>,
        each: &mut dyn FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    ) -> Result<u64, CouldNotRun> {
        let newest = Layout::Folder(self.folders[0].clone());
        let (mut absent, mut wrong) = (0, Vec::new());
        newest.read(&Keys::default(), faults, &mut |path, bytes, reader| {
            if path == LABEL {
                let text = rewritten_label(reader)?;
                return each(path, text.len() as u64, &mut text.as_bytes());
            }
            let Some(whole) = whole_path(path) else {
                return each(path, bytes, reader);
            };
            match self.rebuild(&whole)? {
                Err(fault) => wrong.push(finding_of(&fault)),
                Ok(mut file) => {
                    absent += file.absent();
                    each(&whole, file.size(), &mut file)?;
                }
            }
            Ok(())
        })?;
        faults.append(&mut wrong);
        Ok(absent)
    }

    /// The manifest of the files that [`Self::read`] gives, from that of the newest backup.
    pub(super) fn listed(&self, mut manifest: Manifest) -> Manifest {
        for (path, expected) in &self.rebuilt {
            manifest.files.remove(&incremental_path(path));
            manifest.files.insert(path.clone(), expected.clone());
        }
        manifest
    }

    /// A file that the newest backup has as an incremental one.
    fn rebuild(&self, whole: &str) -> io::Result<Result<Rebuilt, Fault>> {
        let path = incremental_path(whole);
        let mut files = Vec::new();
        let mut plan: Option<PagePlan> = None;
        for (number, folder) in (0..).zip(&self.folders) {
            if let Some(plan) = &mut plan
                && let Some(file) = open_below(folder, whole)?
            {
                plan.add_whole(number, file.metadata()?.len());
                files.push(file);
                return Ok(Ok(Rebuilt::of(plan, files)));
            }
            let Some(file) = open_below(folder, &path)? else {
                break;
            };
            let header = Header::read(&path, &mut &file, file.metadata()?.len())?;
            match (header, &mut plan) {
                (Err(fault), _) => return Ok(Err(fault)),
                (Ok(header), None) => plan = Some(PagePlan::of(&header)),
                (Ok(header), Some(plan)) => plan.add(number, &header),
            }
            files.push(file);
        }
        let found = "it is missing";
        Ok(Err(Fault::new(
            whole,
            "a file in each backup of the chain",
            found,
        )))
    }
}

/// The label of the newest backup without its parent, for a server that would refuse it.
fn rewritten_label(reader: &mut dyn Read) -> io::Result<String> {
    let mut text = Vec::new();
    reader.take(label::LONGEST).read_to_end(&mut text)?;
    Ok(label::without_parent(&String::from_utf8_lossy(&text)))
}

/// A file that is rebuilt while it is read.
struct Rebuilt {
    runs: Vec<PageRun>,
    /// The file in each backup, newest first.
    files: Vec<File>,
    /// The run that is read, and its bytes that were read.
    run: usize,
    within: u64,
}

impl Rebuilt {
    fn of(plan: &PagePlan, files: Vec<File>) -> Self {
        Self {
            runs: plan.runs(),
            files,
            run: 0,
            within: 0,
        }
    }

    fn size(&self) -> u64 {
        self.runs.iter().map(length).sum()
    }

    /// Pages that no backup has.
    fn absent(&self) -> u64 {
        let runs = self.runs.iter().filter(|run| run.from.is_none());
        runs.map(|run| u64::from(run.pages)).sum()
    }
}

fn length(run: &PageRun) -> u64 {
    u64::from(run.pages) * PAGE as u64
}

impl Read for Rebuilt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(run) = self.runs.get(self.run) else {
            return Ok(0);
        };
        let left = usize::try_from(length(run) - self.within).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let part = &mut buffer[..most];
        let read = match run.from {
            None => {
                part.fill(0);
                part.len()
            }
            Some((number, at)) => match self.files.get(number) {
                Some(file) => file.read_at(part, at + self.within)?,
                None => 0,
            },
        };
        if read == 0 && most > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file of the chain became shorter while it was read",
            ));
        }
        self.within += read as u64;
        if self.within == length(run) {
            (self.run, self.within) = (self.run + 1, 0);
        }
        Ok(read)
    }
}

/// Opens a file below a folder without following a link; `None` where it is not there.
fn open_below(folder: &Path, path: &str) -> io::Result<Option<File>> {
    let flags = OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut at: File = open(folder, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?.into();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let of_folder = match names.peek() {
            Some(_) => OFlag::O_DIRECTORY,
            None => OFlag::empty(),
        };
        at = match openat(&at, name, flags | of_folder, Mode::empty()) {
            Ok(inner) => inner.into(),
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    match at.metadata()?.is_file() {
        true => Ok(Some(at)),
        false => Err(io::Error::other(format!("`{path}` is not a file"))),
    }
}
