//! What programs of a local server may access.

use std::path::{Path, PathBuf};

use super::Local;
use crate::sandbox::Sandbox;

/// What programs of a server read of the system.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
];

/// Folders of the dynamic loader.
const LOADERS: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
];

impl Local {
    /// What a program of the server may access: itself, libraries and data of the system, and `read` and
    /// `write` of this run.
    pub(super) fn sandbox(&self, program: &Path, read: &[&Path], write: &[&Path]) -> Sandbox {
        let bin = &self.installation.bin;
        let prefix = bin.parent().unwrap_or(bin);
        let system = SYSTEM.iter().map(Path::new).chain([prefix]);
        let mut execute = vec![program.to_owned()];
        // The dynamic loader is executed on behalf of the program.
        for folder in LOADERS {
            if let Ok(entries) = std::fs::read_dir(folder) {
                execute.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
                    path.file_name()
                        .and_then(|name| name.to_str())
                        .is_some_and(|name| {
                            (name.starts_with("ld-") || name.starts_with("ld64"))
                                && name.contains(".so")
                        })
                        && path.is_file()
                }));
            }
        }
        Sandbox {
            is_open: false,
            read: system
                .chain(self.library_folders.iter().map(PathBuf::as_path))
                .chain(read.iter().copied())
                .map(Path::to_owned)
                .filter(|path| path.exists())
                .collect(),
            write: [Path::new("/dev/null")]
                .iter()
                .chain(write)
                .map(|path| (*path).to_owned())
                .collect(),
            execute,
            listens: None,
            entrance: self.entrance.as_ref().ok().copied(),
        }
    }
}
