//! A state in a folder of this machine.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::store::{Created, Store};
use crate::atomic_file::{self, folder_of};
use crate::outcome::CouldNotRun;

/// The folder, in that of the state, of files that have no name yet.
const UNFINISHED: &str = "tmp";
/// How old such a file is that no writer will finish any more.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder, which is created with the first object.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Does something with the path of an object in a thread that may wait for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        doing: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CouldNotRun> {
        let path = self.0.join(name);
        let shown = path.clone();
        let worked = tokio::task::spawn_blocking(move || work(&path)).await;
        let worked = worked.unwrap_or_else(|error| Err(io::Error::other(error)));
        worked.map_err(|error| unable(doing, &shown, &error))
    }
}

fn unable(doing: &str, path: &Path, error: &io::Error) -> CouldNotRun {
    let reason = format!("cannot {doing} {}: {error}", path.display());
    CouldNotRun::with_hint(reason, hint(error))
}

/// Reads a file; `None` where there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// What to do about an error.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space: what was written before is complete"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "name a folder that this user can write to with `--state`"
        }
        _ => "name another folder with `--state`, or repair this one",
    }
}

#[async_trait]
impl Store for Folder {
    fn place(&self) -> String {
        self.0.display().to_string()
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CouldNotRun> {
        self.blocking(name, "read", read).await
    }

    /// All of them on one thread: to change the thread takes longer than to read a small file.
    async fn read_each(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, CouldNotRun> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.0.join(name)).collect();
        let worked = tokio::task::spawn_blocking(move || {
            let read = |path: &PathBuf| read(path).map_err(|error| unable("read", path, &error));
            paths.iter().map(read).collect()
        });
        let worked = worked.await;
        worked.unwrap_or_else(|error| Err(unable("read", &self.0, &io::Error::other(error))))
    }

    async fn create(&self, name: &str, content: Vec<u8>) -> Result<Created, CouldNotRun> {
        let unfinished = self.0.join(UNFINISHED);
        self.blocking(name, "write", move |path| {
            match write(path, &unfinished, &content, false) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Exists),
                written => written.map(|()| Created::New),
            }
        })
        .await
    }

    async fn replace(&self, name: &str, content: Vec<u8>) -> Result<(), CouldNotRun> {
        let unfinished = self.0.join(UNFINISHED);
        self.blocking(name, "write", move |path| {
            write(path, &unfinished, &content, true)
        })
        .await
    }

    /// Removes what killed writers left.
    async fn check(&self) -> Result<(), CouldNotRun> {
        self.blocking(UNFINISHED, "clean", |path| {
            for file in fs::read_dir(path).into_iter().flatten().flatten() {
                let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
                if age > STALE {
                    fs::remove_file(file.path())?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn names(&self, folder: &str) -> Result<Vec<String>, CouldNotRun> {
        self.blocking(folder, "list", |path| {
            let entries = match fs::read_dir(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                read => read?,
            };
            let mut names = Vec::new();
            for entry in entries {
                // Whatever is no text is none of our names.
                names.extend(entry?.file_name().into_string());
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }
}

/// Writes a file, and the folders above it, to the disk.
fn write(path: &Path, unfinished: &Path, content: &[u8], replace: bool) -> io::Result<()> {
    if !replace && path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = folder_of(path);
    create_folder(folder)?;
    create_folder(unfinished)?;
    let mut file = tempfile::Builder::new()
        .prefix(".redrill-")
        .permissions(mode())
        .tempfile_in(unfinished)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    if replace {
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    // Without it the name may be lost where the machine loses its power.
    File::open(folder)?.sync_all()
}

fn mode() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(atomic_file::SHARED)
}

/// Creates a folder and those above it, each on disk before the next.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    create_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => {
            created?;
            File::open(above)?.sync_all()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::at(&folder.path().join("deep/state"));
        assert_eq!(store.read("entries/1").await.unwrap(), None);
        assert!(store.names("entries").await.unwrap().is_empty());
        assert_eq!(
            store.create("entries/1", b"a".to_vec()).await.unwrap(),
            Created::New
        );
        assert_eq!(
            store.create("entries/1", b"b".to_vec()).await.unwrap(),
            Created::Exists
        );
        assert_eq!(store.read("entries/1").await.unwrap().unwrap(), b"a");
        store.replace("entries/1", b"c".to_vec()).await.unwrap();
        assert_eq!(store.read("entries/1").await.unwrap().unwrap(), b"c");
        assert_eq!(store.names("entries").await.unwrap(), ["1"]);
    }

    /// What a killed writer left is removed a day later; what another one is writing stays.
    #[tokio::test]
    async fn what_killed_writers_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::at(folder.path());
        store.create("entries/1", b"a".to_vec()).await.unwrap();
        assert_eq!(store.names(UNFINISHED).await.unwrap(), [""; 0]);
        let (old, new) = (folder.path().join("tmp/old"), folder.path().join("tmp/new"));
        for path in [&old, &new] {
            fs::write(path, "half").unwrap();
        }
        let before = std::time::SystemTime::now() - STALE - STALE;
        File::options()
            .write(true)
            .open(&old)
            .unwrap()
            .set_modified(before)
            .unwrap();
        store.check().await.unwrap();
        assert_eq!(store.names(UNFINISHED).await.unwrap(), ["new"]);
    }

    /// Of many writers of one name, one has created it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_of_several_writers_creates_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::at(folder.path());
        let writers = (0..32_u8).map(|writer| store.create("a/1", vec![writer]));
        let created = futures_util::future::join_all(writers).await;
        let winners: Vec<u8> = (0_u8..)
            .zip(created)
            .filter_map(|(writer, created)| (created.unwrap() == Created::New).then_some(writer))
            .collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(store.read("a/1").await.unwrap().unwrap(), winners);
        assert_eq!(store.names("a").await.unwrap(), ["1"]);
    }
}
