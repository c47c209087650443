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
    pub(super) fn of(&self, read: &[PathBuf], words: &[String], title: String) -> Template {
        let mut key = words.join("\0");
        for path in read {
            let file = path
                .canonicalize()
                .and_then(|path| Ok((path.metadata()?, path)));
            let file = file.map(|(file, path)| {
                let (place, size) = ((file.dev(), file.ino()), file.size());
                format!(
                    "{} {place:?} {size} {:?}",
                    path.display(),
                    file.modified().ok()
                )
            });
            key.push_str(&format!("\0{} {file:?}", path.display()));
        }
        Template {
            templates: self.clone(),
            key: sha256(key)[..32].to_owned(),
            title,
        }
    }

    /// Their folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
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
        // What cannot be removed now is removed the next time.
        self.templates.remove(false);
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

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rstest::rstest;

    use super::*;

    /// A cache with one template, `data` as `initdb` left it, and an empty folder for a copy.
    struct Cache {
        folder: tempfile::TempDir,
        template: Template,
    }

    impl Cache {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("data");
            std::fs::create_dir_all(data.join("base/1")).unwrap();
            std::fs::create_dir(folder.path().join("copy")).unwrap();
            std::fs::write(data.join("PG_VERSION"), "15\n").unwrap();
            std::fs::write(data.join("base/1/1259"), "pages").unwrap();
            let templates = Templates::open(&folder.path().join("cache")).unwrap();
            let program = data.join("PG_VERSION");
            let template = templates.of(&[program], &["postgres".to_owned()], "title".to_owned());
            template.keep(&data, "0a0a0a0a").unwrap();
            Self { folder, template }
        }

        fn copy(&self) -> bool {
            self.template
                .copy_to(&self.folder.path().join("copy"), None)
        }

        /// Files in the copy and folders of templates.
        fn left(&self) -> [usize; 2] {
            [
                &self.folder.path().join("copy"),
                self.template.templates.folder(),
            ]
            .map(|folder| std::fs::read_dir(folder).unwrap().count())
        }
    }

    #[test]
    fn a_template_is_copied() {
        let cache = Cache::new();
        assert!(cache.copy());
        let page = std::fs::read(cache.folder.path().join("copy/base/1/1259"));
        assert_eq!(page.unwrap(), b"pages");
        assert_eq!(cache.left(), [2, 1]);
    }

    #[rstest]
    #[case::truncated(|data: &Path| std::fs::write(data.join("data/base/1/1259"), ""))]
    #[case::rewritten(|data: &Path| std::fs::write(data.join("data/base/1/1259"), "PAGES"))]
    #[case::missing(|data: &Path| std::fs::remove_file(data.join("data/base/1/1259")))]
    #[case::folder_missing(|data: &Path| std::fs::remove_dir_all(data.join("data/base")))]
    #[case::added(|data: &Path| std::fs::write(data.join("data/base/1/1260"), ""))]
    #[case::symlink(|data: &Path| symlink("/etc", data.join("data/base/2")))]
    #[case::second_name(|data: &Path| std::fs::hard_link(data.join("data/PG_VERSION"), data.join("name")))]
    #[case::manifest_missing(|data: &Path| std::fs::remove_file(data.join("manifest")))]
    #[case::manifest_empty(|data: &Path| std::fs::write(data.join("manifest"), ""))]
    fn a_damaged_template_is_removed_and_not_used(
        #[case] damage: impl Fn(&Path) -> io::Result<()>,
    ) {
        let cache = Cache::new();
        damage(&cache.template.folder()).unwrap();
        assert!(!cache.copy());
        assert_eq!(cache.left(), [0, 0]);
        // The next one is whole again.
        let data = cache.folder.path().join("data");
        cache.template.keep(&data, "0b0b0b0b").unwrap();
        assert!(cache.copy());
    }

    #[test]
    fn a_folder_of_data_that_holds_something_else_is_not_kept() {
        let cache = Cache::new();
        cache.template.templates.remove(true);
        let data = cache.folder.path().join("data");
        symlink("/etc/passwd", data.join("base/passwd")).unwrap();
        cache.template.keep(&data, "0b0b0b0b").unwrap_err();
        assert_eq!(cache.left(), [0, 0]);
    }

    #[test]
    fn what_initdb_reads_decides_which_template_it_is() {
        let cache = Cache::new();
        let program = cache.folder.path().join("data/PG_VERSION");
        let of = |word: &str| {
            let templates = &cache.template.templates;
            let words = [word.to_owned()];
            templates
                .of(std::slice::from_ref(&program), &words, String::new())
                .key
        };
        assert_eq!(of("postgres"), cache.template.key);
        assert_ne!(of("admin"), cache.template.key);
        std::fs::write(&program, "15.1\n").unwrap();
        assert_ne!(of("postgres"), cache.template.key);
    }

    #[test]
    fn the_first_of_two_that_are_made_at_once_stays() {
        let cache = Cache::new();
        let kept = std::fs::metadata(cache.template.folder()).unwrap().ino();
        let data = cache.folder.path().join("data");
        cache.template.keep(&data, "0b0b0b0b").unwrap();
        let stays = std::fs::metadata(cache.template.folder()).unwrap().ino();
        assert_eq!((stays, cache.left()), (kept, [0, 1]));
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_a_living_one_makes_stays() {
        let cache = Cache::new();
        let templates = &cache.template.templates;
        let [dead, living] = ["0c0c.0d0d", "0c0c.0e0e"].map(|name| templates.folder().join(name));
        for folder in [&dead, &living] {
            std::fs::create_dir(folder).unwrap();
        }
        let lock = File::open(&living).unwrap();
        lock.try_lock().unwrap();
        assert_eq!(templates.remove(false), (vec![], vec![]));
        assert_eq!((dead.exists(), living.exists()), (false, true));
        assert_eq!(cache.left(), [0, 2]);
    }

    #[test]
    fn unused_and_superfluous_templates_are_removed() {
        let cache = Cache::new();
        let data = cache.folder.path().join("data");
        let of = |number: usize| {
            let templates = &cache.template.templates;
            templates.of(&[], &[number.to_string()], format!("number {number}"))
        };
        let last_used = |template: &Template, ago: Duration| {
            let manifest = File::open(template.folder().join(MANIFEST)).unwrap();
            manifest.set_modified(SystemTime::now() - ago).unwrap();
        };
        last_used(&cache.template, Duration::from_secs(60));
        for number in 0..KEPT {
            of(number).keep(&data, "0b0b0b0b").unwrap();
        }
        assert_eq!(cache.left(), [0, KEPT]);
        assert!(!cache.template.folder().exists());
        last_used(&of(3), UNUSED_FOR + Duration::from_secs(60));
        let templates = &cache.template.templates;
        assert_eq!(templates.remove(false).0, ["number 3"]);
        assert_eq!(templates.remove(true).0.len(), KEPT - 1);
    }

    #[rstest]
    #[case::cache(".", 0o777)]
    #[case::folder("local", 0o755)]
    fn a_cache_that_others_can_change_is_refused(#[case] folder: &str, #[case] mode: u32) {
        let cache = Cache::new();
        let path = cache.folder.path().join("cache");
        std::fs::set_permissions(path.join(folder), Permissions::from_mode(mode)).unwrap();
        Templates::open(&path).unwrap_err();
    }
}
