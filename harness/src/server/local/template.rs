//! Templates: data folders that `initdb` made once. A server of the same programs and settings begins with a copy.
//!
//! They are in a folder that only redrill's user may enter. A template appears by a rename, so that it is whole or not
//! there; its manifest has the size and time of every file, and a template that differs from it is removed, not used.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::tree;
use crate::digest::sha256;

/// The folder in the cache.
const FOLDER: &str = "local";
/// The data folder in that of a template.
const DATA: &str = "data";
/// The file next to it: a line for people, then the [`tree::listing`]. The time of its change is that of the last use.
const MANIFEST: &str = "manifest";

/// Number of templates that are kept, of some 40 MB each.
const KEPT: usize = 8;
/// How long one is kept without being used.
const UNUSED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The templates of a user.
#[derive(Debug, Clone)]
pub(super) struct Templates {
    folder: PathBuf,
}

/// One template, which may not be there yet.
#[derive(Debug, Clone)]
pub(super) struct Template {
    templates: Templates,
    /// Digest of all that `initdb` depends on.
    key: String,
    /// One line for people.
    title: String,
}

impl Templates {
    /// Opens, or creates, the folder of the templates in `cache`.
    ///
    /// # Errors
    /// It cannot be created, or another user could change what is in it.
    pub(super) fn open(cache: &Path) -> io::Result<Self> {
        let folder = cache.join(FOLDER);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let folder = folder.canonicalize()?;
        let own = nix::unistd::geteuid().as_raw();
        for above in folder.ancestors() {
            let metadata = above.symlink_metadata()?;
            // Nobody removes what is another's from a folder with the sticky bit.
            let others_write = metadata.mode() & 0o022 != 0 && metadata.mode() & 0o1000 == 0;
            if ![0, own].contains(&metadata.uid()) || others_write {
                return Err(io::Error::other(format!(
                    "{} belongs to another user, or other users may write to it",
                    above.display()
                )));
            }
        }
        let metadata = folder.symlink_metadata()?;
        if metadata.uid() != own || metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "{} is accessible to other users",
                folder.display()
            )));
        }
        Ok(Self { folder })
    }

    /// The template for what `initdb` reads, the files `read`, and what it is given, `words`.
    ///
    /// # Errors
    /// One of the files is missing.
    pub(super) fn of(
        &self,
        read: &[PathBuf],
        words: &[String],
        title: String,
    ) -> io::Result<Template> {
        let mut key = words.join("\0");
        for path in read {
            let path = path.canonicalize()?;
            let file = path.metadata()?;
            key.push_str(&format!(
                "\0{}\0{} {} {} {} {}",
                path.display(),
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec()
            ));
        }
        Ok(Template {
            templates: self.clone(),
            key: sha256(key)[..32].to_owned(),
            title,
        })
    }

    /// Removes all templates, or those that are half made, not used for long or too many; returns the titles of those
    /// that it removed, and what could not be removed.
    pub(super) fn remove(&self, all: bool) -> (Vec<String>, Vec<String>) {
        let (mut removed, mut failed) = (Vec::new(), Vec::new());
        let mut templates = Vec::new();
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none() {
                let used = path.join(MANIFEST).metadata();
                let used = used.and_then(|manifest| manifest.modified());
                templates.push((used.unwrap_or(SystemTime::UNIX_EPOCH), path));
            } else if !File::open(&path).is_ok_and(|folder| folder.try_lock().is_err()) {
                failed.extend(remove_folder(&path).err());
            }
        }
        templates.sort();
        for (number, (used, path)) in templates.into_iter().rev().enumerate() {
            let unused = used.elapsed().is_ok_and(|since| since > UNUSED_FOR);
            if all || unused || number >= KEPT {
                let manifest = std::fs::read_to_string(path.join(MANIFEST)).unwrap_or_default();
                let title = manifest.lines().next().unwrap_or("a damaged template");
                match discard(&path) {
                    Ok(()) => removed.push(title.to_owned()),
                    Err(error) => failed.push(error),
                }
            }
        }
        (removed, failed)
    }
}

impl Template {
    fn folder(&self) -> PathBuf {
        self.templates.folder.join(&self.key)
    }

    /// Copies it to the empty folder `data`, for user and group `owner`. Returns false where there is none, or none that
    /// can be used; then `data` is as it was.
    pub(super) fn copy_to(&self, data: &Path, owner: Option<(u32, u32)>) -> bool {
        let folder = self.folder();
        let copy = || -> io::Result<bool> {
            let manifest = std::fs::read_to_string(folder.join(MANIFEST))?;
            let copied = tree::copy(&folder.join(DATA), data, owner)?;
            let whole = manifest
                .split_once('\n')
                .is_some_and(|(_, made)| made == copied);
            if whole {
                File::open(folder.join(MANIFEST))?.set_modified(SystemTime::now())?;
            }
            Ok(whole)
        };
        if !folder.exists() {
            return false;
        }
        // A full disk, or another run that removes it, is no different from damage: `initdb` makes a new one.
        let copied = matches!(copy(), Ok(true));
        if !copied {
            let _ = discard(&folder);
            empty(data);
        }
        copied
    }

    /// Keeps a copy of what `initdb` made in `data`, before a server changes it. `run` is the id of the run.
    ///
    /// # Errors
    /// It cannot be written. Nothing of it is left.
    pub(super) fn keep(&self, data: &Path, run: &str) -> io::Result<()> {
        let new = self.templates.folder.join(format!("{}.{run}", self.key));
        let make = || -> io::Result<()> {
            let copy = new.join(DATA);
            for folder in [&new, &copy] {
                DirBuilder::new().mode(0o700).create(folder)?;
            }
            // While it is locked, no other run takes it for what a killed run left.
            let lock = File::open(&new)?;
            lock.try_lock()?;
            tree::copy(data, &copy, None)?;
            let manifest = format!("{}\n{}", self.title, tree::listing(&copy)?);
            std::fs::write(new.join(MANIFEST), manifest)?;
            match std::fs::rename(&new, self.folder()) {
                // Another run was first.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    std::fs::remove_dir_all(&new)
                }
                renamed => renamed,
            }
        };
        let made = make();
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&new);
        }
        made
    }
}

/// Takes a template out of use and removes it.
fn discard(template: &Path) -> Result<(), String> {
    let gone = template.with_extension("removed");
    match std::fs::rename(template, &gone) {
        Ok(()) => remove_folder(&gone),
        // Another run was first, or one was killed here.
        Err(_) => remove_folder(&gone).and_then(|()| remove_folder(template)),
    }
}

fn remove_folder(folder: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Removes what is in a folder of redrill.
fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // What remains is an error of `initdb`, which demands an empty folder.
        let _ = match entry.file_type() {
            Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(path),
            _ => std::fs::remove_file(path),
        };
    }
}
