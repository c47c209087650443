//! The files of a directory archive, each read once, with its digest.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Source;
use super::data::Coding;
use super::stop::Stop;
use crate::digest::hex;

/// The files of a folder, and the digests of those that were read.
#[derive(Debug)]
pub(super) struct Files<'a> {
    folder: &'a Path,
    pub all: BTreeMap<OsString, OneFile>,
}

#[derive(Debug, Default)]
pub(super) struct OneFile {
    /// Whether it is a file, rather than a folder, a link, a pipe.
    regular: bool,
    /// SHA-256 in hex and bytes, once it was read.
    pub digest: Option<(String, u64)>,
}

impl<'a> Files<'a> {
    pub fn list(folder: &'a Path) -> io::Result<Self> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = OneFile {
                regular: entry.file_type()?.is_file(),
                digest: None,
            };
            all.insert(entry.file_name(), file);
        }
        Ok(Self { folder, all })
    }

    /// Finds a file as pg_restore does: as it is named, or with a suffix of compression.
    pub fn find(&self, name: &str) -> Option<(OsString, Coding)> {
        [
            ("", Coding::Plain),
            (".gz", Coding::Gzip),
            (".lz4", Coding::Lz4),
            (".zst", Coding::Zstd),
        ]
        .into_iter()
        .map(|(suffix, coding)| (OsString::from(format!("{name}{suffix}")), coding))
        .find(|(name, _)| self.all.get(name).is_some_and(|file| file.regular))
    }

    /// Reads a file with `read`, then to its end, and digests it.
    pub fn read<T>(
        &mut self,
        name: &OsString,
        read: impl FnOnce(&mut Source<BufReader<Digesting>>) -> T,
    ) -> Result<T, Stop> {
        let file = File::open(self.folder.join(name)).map_err(Stop::Io)?;
        let digesting = Digesting {
            file,
            digest: Sha256::new(),
        };
        let mut source = Source::new(BufReader::with_capacity(128 * 1024, digesting));
        let given = read(&mut source);
        // A part that was not read still counts for the digest.
        if source.failed.is_none() {
            source.drain().map_err(Stop::Io)?;
        }
        let given = source.ended(Ok(given))?;
        let digest = hex(&source.reader.into_inner().digest.finalize());
        if let Some(file) = self.all.get_mut(name) {
            file.digest = Some((digest, source.at));
        }
        Ok(given)
    }

    /// Reads the other files; returns digest and bytes of the folder.
    pub fn digest(mut self) -> io::Result<(String, u64)> {
        let unread: Vec<OsString> = self
            .all
            .iter()
            .filter(|(_, file)| file.regular && file.digest.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        for name in unread {
            match self.read(&name, |_| ()) {
                Ok(()) => {}
                Err(Stop::Io(error)) => return Err(error),
                Err(_) => return Err(io::Error::other("a file changed while it was read")),
            }
        }
        let mut lines = Vec::new();
        let mut all = 0;
        for (name, file) in &self.all {
            if let Some((sha256, bytes)) = &file.digest {
                lines.push(format!("{sha256}  {bytes}  {}\n", name.to_string_lossy()));
                all += bytes;
            }
        }
        lines.sort();
        Ok((hex(&Sha256::digest(lines.concat())), all))
    }
}

/// Digests a file while it is read.
#[derive(Debug)]
pub(super) struct Digesting {
    file: File,
    digest: Sha256,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
