//! Verifies files of a base backup against its manifest while they are read.

use std::collections::BTreeSet;
use std::io::{self, Read};

use basebackup::manifest::{Manifest, Sum, is_ignored};

use crate::outcome::Finding;

/// Bytes per read.
const CHUNK: usize = 1 << 17;
/// Faults of files that are listed; more say nothing new.
pub(super) const LISTED: usize = 100;

/// Compares files with a manifest while they are read.
#[derive(Debug)]
pub struct Verifying<'a> {
    manifest: Option<&'a Manifest>,
    seen: BTreeSet<String>,
    faults: Vec<Finding>,
    /// How many faults are not listed.
    unlisted: usize,
    /// Files without WAL, and their bytes.
    pub files: (u64, u64),
}

impl<'a> Verifying<'a> {
    /// Begins before the first file.
    #[must_use]
    pub fn new(manifest: Option<&'a Manifest>) -> Self {
        Self {
            manifest,
            seen: BTreeSet::new(),
            faults: Vec::new(),
            unlisted: 0,
            files: (0, 0),
        }
    }

    fn fault(&mut self, finding: Finding) {
        match self.faults.len() < LISTED {
            true => self.faults.push(finding),
            false => self.unlisted += 1,
        }
    }

    /// Reads a file to its end; `take` gets its bytes.
    ///
    /// # Errors
    /// Those of the reader and of `take`.
    pub fn file(
        &mut self,
        path: &str,
        reader: &mut dyn Read,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let expected = self.manifest.and_then(|manifest| manifest.files.get(path));
        let checksum = expected.and_then(|expected| expected.checksum.as_ref());
        let mut sum = checksum.map(|(algorithm, _)| Sum::of(*algorithm));
        let mut buffer = vec![0; CHUNK];
        let mut bytes = 0;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            bytes += read as u64;
            if let Some(sum) = &mut sum {
                sum.update(&buffer[..read]);
            }
            take(&buffer[..read])?;
        }
        if !path.starts_with("pg_wal/") {
            self.files.0 += 1;
            self.files.1 += bytes;
        }
        if !self.seen.insert(path.to_owned()) {
            self.fault(Finding::about(
                path,
                "one file of each name",
                "a second one",
            ));
        }
        if self.manifest.is_none() || is_ignored(path) {
            return Ok(());
        }
        match expected {
            None => self.fault(
                Finding::about(
                    path,
                    "a file that the manifest lists",
                    "one that it does not",
                )
                .hint("it was added after the backup was taken, or is of another backup"),
            ),
            Some(expected) if expected.size != bytes => {
                let found = format!("{bytes} bytes");
                self.fault(
                    Finding::about(
                        path,
                        format!("{} bytes, by the manifest", expected.size),
                        found,
                    )
                    .hint("it was truncated or changed after the backup was taken: fetch it again"),
                );
            }
            Some(_) => {
                if let (Some(sum), Some((_, digest))) = (sum, checksum)
                    && sum.finish() != *digest
                {
                    self.fault(
                        Finding::about(path, "the checksum in the manifest", "another one")
                            .hint("it was changed after the backup was taken: fetch it again"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether a file of this path was read.
    #[must_use]
    pub fn has_seen(&self, path: &str) -> bool {
        self.seen.contains(path)
    }

    /// What differs from the manifest.
    #[must_use]
    pub fn into_faults(mut self) -> Vec<Finding> {
        if self.unlisted > 0 {
            self.faults.push(Finding::new(
                "files as the manifest lists them",
                format!("{} further files that differ", self.unlisted),
            ));
        }
        self.faults
    }

    /// Adds what is missing, after the last file.
    pub fn end(&mut self) {
        let Some(manifest) = self.manifest else {
            return;
        };
        let missing = manifest.files.keys();
        let missing: Vec<&String> = missing
            .filter(|path| !self.seen.contains(*path) && !is_ignored(path))
            .collect();
        for path in missing {
            self.fault(
                Finding::about(path, "a file, by the manifest", "it is missing")
                    .hint("the backup is incomplete: fetch it again, or take a new one"),
            );
        }
    }
}
