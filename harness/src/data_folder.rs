//! A data folder that is written file by file, before a server starts on it.

use std::io;

/// Where a data folder is written: a folder of this machine, or a volume of a container engine. Paths are relative to it.
pub trait DataFolder {
    /// Creates an empty folder, in one that is there.
    ///
    /// # Errors
    /// Errors of the machine; the path leads elsewhere, or is there already.
    fn folder(&mut self, path: &str) -> io::Result<()>;

    /// Creates a file of so many bytes, which the following calls of [`Self::write`] must provide.
    ///
    /// # Errors
    /// As those of [`Self::folder`].
    fn begin(&mut self, path: &str, bytes: u64) -> io::Result<()>;

    /// Writes the next bytes of the file.
    ///
    /// # Errors
    /// Errors of the machine; more bytes than the file has.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the file.
    ///
    /// # Errors
    /// Errors of the machine; fewer bytes than the file has.
    fn end(&mut self) -> io::Result<()>;
}
