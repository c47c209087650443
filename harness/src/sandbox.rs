//! The sandbox of a local child: namespaces of its own where the kernel permits them, and Landlock, which
//! needs no privileges.
//!
//! A backup is untrusted code. In the sandbox it executes only the program itself, sees no other folder than
//! those listed, writes only to the data of its server, and has no network. A command of the scenario is trusted and may
//! have mistakes: it writes only to what is listed, and does everything else that its user may.

use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use serde::{Deserialize, Serialize};

use crate::namespace::{self, Entrance};

/// The newest kernel interface whose rights are used; an older kernel enforces those that it supports.
const NEWEST: ABI = ABI::V6;

/// Folders and files that a child may access; it cannot access any others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Only writing and signals are restricted: it reads and executes everything, and has the network of this process.
    pub is_open: bool,
    /// May be read.
    pub read: Vec<PathBuf>,
    /// May be read and written.
    pub write: Vec<PathBuf>,
    /// May be executed.
    pub execute: Vec<PathBuf>,
    /// The only port that it may listen on; `None`: it has no network at all.
    pub listens: Option<u16>,
    /// How it gets namespaces of its own; `None` where the kernel permits none.
    pub entrance: Option<Entrance>,
}

/// How much of a sandbox the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Files, programs and TCP.
    Full,
    /// Files and programs; TCP stays open.
    NoTcp,
    /// Nothing: the kernel has no Landlock.
    Nothing,
}

/// Devices that programs write to, and the folder of shared memory and semaphores.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/shm"];

impl Sandbox {
    /// The sandbox of a program that writes only to these folders and files, and to the usual devices.
    #[must_use]
    pub fn writing(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let devices = DEVICES.map(PathBuf::from);
        Self {
            is_open: true,
            write: devices.into_iter().chain(paths).collect(),
            ..Self::default()
        }
    }

    /// Restricts the calling thread and its children; this cannot be undone.
    ///
    /// # Errors
    /// When the kernel supports the rules but refuses them.
    pub fn enforce(&self) -> io::Result<()> {
        if self.entrance.is_some() {
            namespace::enter(&self.read, &self.write)?;
            if self.listens.is_some() {
                namespace::raise_loopback()?;
            }
        }
        let port = |port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::BindTcp));
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let enforce = || {
            let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
            let (ruleset, write) = match self.is_open {
                true => {
                    let write = AccessFs::from_write(NEWEST);
                    (ruleset.handle_access(write)?.scope(Scope::Signal)?, write)
                }
                false => {
                    let all = AccessFs::from_all(NEWEST);
                    let ruleset = ruleset
                        .handle_access(all)?
                        .handle_access(AccessNet::from_all(NEWEST))?
                        .scope(Scope::AbstractUnixSocket | Scope::Signal)?;
                    (ruleset, all & !AccessFs::Execute)
                }
            };
            ruleset
                .create()?
                .add_rules(path_beneath_rules(&self.read, read))?
                .add_rules(path_beneath_rules(&self.write, write))?
                .add_rules(path_beneath_rules(&self.execute, read | AccessFs::Execute))?
                .add_rules(self.listens.into_iter().map(port))?
                .restrict_self()
        };
        enforce().map(drop).map_err(io::Error::other)
    }

    /// Determines what this kernel enforces, on a separate thread.
    #[must_use]
    pub fn strength() -> Strength {
        let level = |with_net: bool| {
            std::thread::spawn(move || {
                let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
                let ruleset = if with_net {
                    ruleset.handle_access(AccessNet::from_all(ABI::V4)).ok()?
                } else {
                    ruleset.handle_access(AccessFs::from_all(ABI::V1)).ok()?
                };
                let status = ruleset.create().ok()?.restrict_self().ok()?;
                Some(status.ruleset == RulesetStatus::FullyEnforced)
            })
            .join()
            .ok()
            .flatten()
            .unwrap_or(false)
        };
        match (level(false), level(true)) {
            (true, true) => Strength::Full,
            (true, false) => Strength::NoTcp,
            (false, _) => Strength::Nothing,
        }
    }
}
