//! Where the objects of a state are.

use async_trait::async_trait;

use crate::outcome::CouldNotRun;

/// Whether an object was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was.
    New,
    /// There is an object of this name, which stays as it is.
    Exists,
}

/// A place of objects. Each appears complete or not at all, and is on disk when a write returns.
///
/// Names are relative paths: `entries/0000000007.json`.
#[async_trait]
pub trait Store: Send + Sync {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Reads an object; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CouldNotRun>;

    /// Reads several objects, in their order, as [`Store::read`] does each.
    ///
    /// # Errors
    /// One of them cannot be read.
    async fn read_each(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, CouldNotRun> {
        let reads = names.iter().map(|name| self.read(name));
        futures_util::future::try_join_all(reads).await
    }

    /// Creates an object, unless there is one of this name: of several writers one creates it.
    ///
    /// # Errors
    /// It cannot be written.
    async fn create(&self, name: &str, content: Vec<u8>) -> Result<Created, CouldNotRun>;

    /// Writes an object, also where there is one of this name.
    ///
    /// # Errors
    /// It cannot be written.
    async fn replace(&self, name: &str, content: Vec<u8>) -> Result<(), CouldNotRun>;

    /// Whether it does what [`Store::create`] promises; removes what killed writers left.
    ///
    /// # Errors
    /// It does not, or cannot be asked.
    async fn check(&self) -> Result<(), CouldNotRun> {
        Ok(())
    }

    /// The names of the objects of a folder, without the folder, sorted; none where it is not there.
    ///
    /// # Errors
    /// They cannot be listed.
    async fn names(&self, folder: &str) -> Result<Vec<String>, CouldNotRun>;
}
