//! The source of a backup → a local, inspected [`Backup`], before any server.
//!
//! - `source/`: finds and fetches it; one source, one file
//! - `packing/`: compression and encryption around it
//! - the crate `pgdump`: its format and contents
//! - `fault`: faults as findings; `foreign`: files that are not a backup; `fit`: compatible servers
//! - `base`: base backups and archived WAL
//! - `bundle`: several dumps that are one backup; `digest_list`: the list of their digests
//! - `settings`: the settings of a scenario
//! - `inspect`: one streaming pass: digest, completeness, contents
//! - `examine`: all of it, and the comparison with digests, the previous backup and retention
//! - `compose`: several backups that are restored as one

pub mod base;
pub mod bundle;
pub mod companion;
pub mod compose;
mod digest_list;
pub mod examine;
pub mod fault;
pub(crate) mod files;
pub mod fit;
mod foreign;
pub mod inspect;
pub mod packing;
pub mod previous;
pub mod retention;
pub mod settings;
pub mod source;
pub mod spool;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use base::BaseBackup;
use packing::{Keys, Layer, LayerError, Unpacked};
pub use pgdump::contents::Contents;
use pgdump::format::Format;
pub use pgdump::{contents, format, gather, objects, script, values};
use source::globals::Suggestion;
use spool::Spool;

use crate::outcome::{
    BackupFacts, Before, CandidateFacts, CompanionFacts, CouldNotRun, Finding, Objective,
    PartFacts, Picked, TableHeld, TimeSource,
};

/// A format with the layers around it, innermost first: `plain SQL, gzip`.
#[must_use]
pub fn describe(format: &impl std::fmt::Display, layers: &[Layer]) -> String {
    let mut text = format.to_string();
    for layer in layers.iter().rev() {
        text.push_str(&format!(", {layer}"));
    }
    text
}

/// A backup that was inspected from its first byte to its last.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The file or folder on this machine; the folder of the scenario where it consists of several.
    pub path: PathBuf,
    /// Its location, for messages.
    pub origin: String,
    /// Why it was selected.
    pub chosen: String,
    /// The candidates that are listed, and the number of further ones.
    pub candidates: (Vec<CandidateFacts>, usize),
    /// How it was selected, where the newest was not wanted.
    pub picked: Option<Picked>,
    /// Its format: `plain SQL, gzip`, `bundle of 3 dumps, tar, gzip`.
    pub format: String,
    /// How long it took to fetch it, WAL included; `None` for what is on this machine.
    pub fetched_in: Option<Duration>,
    /// Bytes as stored.
    pub bytes: u64,
    /// Bytes inside all layers, where there are any.
    pub unpacked_bytes: Option<u64>,
    /// SHA-256 as stored, in hex; of a folder see [`bundle::digest`].
    pub sha256: String,
    /// Where the same digest is stated.
    pub digest: Option<String>,
    /// When it was taken, and how that is known.
    pub made: Option<(Timestamp, TimeSource)>,
    /// Its dumps, in the order of their restore: the one that creates roles comes first. One, except for
    /// a bundle; none when the file is not a backup.
    pub parts: Vec<Part>,
    /// The base backup that it is, in place of dumps.
    pub physical: Option<Arc<BaseBackup>>,
    /// Tiers of earlier backups that the scenario requires.
    pub tiers: Vec<Objective>,
    /// The comparison with the previous backup, one sentence.
    pub previous: Option<String>,
    /// Its size and that of the previous backup.
    pub before: Option<Before>,
    /// Name and text of the manifest next to it.
    pub manifest: Option<(String, String)>,
    /// A file next to it that looks like its roles, where it requires roles that it does not contain.
    pub globals_beside: Option<Suggestion>,
    /// Required roles that neither it nor the scenario creates, where a restore fails without them.
    pub missing_roles: Option<Finding>,
    /// Faults: it is incomplete, damaged or unsafe.
    pub problems: Vec<Finding>,
    /// Warnings, which do not make it incomplete.
    pub warnings: Vec<Finding>,
    /// The backups that it consists of, by name, where it consists of several.
    pub consists_of: Vec<(String, BackupFacts)>,
    /// What belongs to it and is not in it.
    pub companions: Vec<CompanionFacts>,
}

/// One dump: the whole backup, or one of a bundle.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name in the bundle, otherwise that of the backup.
    pub name: String,
    /// Its path on this machine: the backup itself, or a copy in the folder of the run.
    pub path: PathBuf,
    /// The layers around it there, outermost first.
    pub layers: Vec<Layer>,
    /// A copy of what is inside them, for a program that cannot read them.
    pub unpacked: Option<PathBuf>,
    /// The keys for these layers.
    pub keys: Keys,
    /// Its format.
    pub format: Format,
    /// Bytes of `path`.
    pub bytes: u64,
    /// Bytes inside the layers.
    pub unpacked_bytes: u64,
    /// Bytes of definitions and rows, without any compression.
    pub text_bytes: u64,
    /// SHA-256 of `path`, in hex.
    pub sha256: String,
    /// The database that its name indicates, in a bundle.
    pub named_database: Option<String>,
    /// The server that it is restored on, where the scenario names several.
    pub server: Option<String>,
    /// Its contents, which may be large: whoever needs the dump for long has them too.
    pub contents: Arc<Contents>,
}

impl Part {
    /// Whether it is an archive, of any of pg_dump's formats; otherwise it is plain SQL.
    #[must_use]
    pub const fn is_archive(&self) -> bool {
        matches!(self.format, Format::Archive(_))
    }

    /// Opens it again, to read what is inside all layers.
    ///
    /// # Errors
    /// When it cannot be opened any more; the error contains a [`LayerError`].
    pub fn open(&self) -> io::Result<Unpacked> {
        Ok(Unpacked::open(&self.path, &self.keys).map_err(LayerError::from)?)
    }

    /// The file or folder without layers, for a program that cannot read them; see [`Self::unpack`].
    #[must_use]
    pub fn file(&self) -> &Path {
        self.unpacked.as_deref().unwrap_or(&self.path)
    }

    /// Copies what is inside its layers, if it has any, into the folder of a run; `number` tells dumps of one name apart.
    /// Blocks.
    ///
    /// # Errors
    /// When it cannot be read, or there is no room.
    pub fn unpack(&mut self, spool: &Spool, number: usize) -> Result<(), CouldNotRun> {
        if self.layers.is_empty() {
            return Ok(());
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let copied = self.open().and_then(|mut content| {
            let (path, mut file) = spool.file(&format!("{number}-{name}.archive"))?;
            io::copy(&mut content, &mut file)?;
            Ok(path)
        });
        let copied = copied.map_err(|error| {
            let shown = self.path.display();
            let reason = format!("cannot copy what is in {shown} for pg_restore: {error}");
            CouldNotRun::with_hint(
                reason,
                "free some space, or set another folder with `--work-dir`",
            )
        })?;
        self.unpacked = Some(copied);
        Ok(())
    }

    /// Whether it creates roles and contains neither data nor tables: what `pg_dumpall --globals-only` writes.
    #[must_use]
    pub fn is_globals(&self) -> bool {
        let contents = &self.contents;
        !contents.roles.is_empty() && !contents.holds_data() && contents.tables.is_empty()
    }
}

impl Backup {
    /// Its name: that of the file or folder, or of all that it consists of.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self
            .consists_of
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        match names.is_empty() {
            false => names.join(", "),
            true => {
                let name = self.path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
        }
    }

    /// The backup of each server, in the order of the parts; of one server, all of it.
    #[must_use]
    pub fn by_server(&self) -> Vec<(Option<String>, Cow<'_, Self>)> {
        let mut names: Vec<&Option<String>> = Vec::new();
        for part in &self.parts {
            if !names.contains(&&part.server) {
                names.push(&part.server);
            }
        }
        if names.len() <= 1 {
            let name = names.first().and_then(|name| (*name).clone());
            return vec![(name, Cow::Borrowed(self))];
        }
        let of_server = |name: &Option<String>| {
            let parts = self.parts.iter().filter(|part| part.server == *name);
            Self {
                parts: parts.cloned().collect(),
                ..self.clone()
            }
        };
        let all = names.into_iter();
        all.map(|name| (name.clone(), Cow::Owned(of_server(name))))
            .collect()
    }

    /// Major version of the server that it was taken from, the newest of several parts; `None` where no part names it.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        let parts = self.parts.iter();
        let of_dumps = parts.filter_map(|part| part.contents.major()).max();
        of_dumps.or_else(|| Some(self.physical.as_ref()?.major))
    }

    /// The contents of all parts, rows by the database that they belong to.
    #[must_use]
    pub fn contents(&self) -> Cow<'_, Contents> {
        match self.parts.as_slice() {
            [one] => Cow::Borrowed(one.contents.as_ref()),
            parts => Cow::Owned(parts.iter().fold(Contents::default(), |mut all, part| {
                all.merge(&part.contents, part.named_database.as_deref());
                all
            })),
        }
    }

    /// Every table with an entry for rows, the one with the most bytes first.
    #[must_use]
    pub fn tables(&self) -> Vec<TableHeld> {
        let mut tables: Vec<TableHeld> = self
            .contents()
            .rows
            .iter()
            .map(|((database, table), rows)| TableHeld {
                database: database.clone(),
                table: table.to_string(),
                rows: (!rows.unknown).then_some(rows.count),
                bytes: rows.bytes,
            })
            .collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
        tables
    }

    /// The servers that it can be restored on, one sentence.
    fn servers(&self) -> String {
        if let Some(base) = &self.physical {
            return format!("PostgreSQL {}", base.major);
        }
        let mut suitable: Vec<String> = Vec::new();
        for part in &self.parts {
            for servers in fit::servers(&part.contents, &part.format) {
                if !suitable.contains(&servers) {
                    suitable.push(servers);
                }
            }
        }
        match suitable.as_slice() {
            [] => "every supported server".to_owned(),
            some => some.join(", and "),
        }
    }

    /// The facts for reports.
    #[must_use]
    pub fn facts(&self) -> BackupFacts {
        let contents = self.contents();
        let parts = match self.parts.as_slice() {
            [_] => &[],
            parts => parts,
        };
        BackupFacts {
            origin: self.origin.clone(),
            chosen: self.chosen.clone(),
            picked: self.picked.clone(),
            candidates: self.candidates.0.clone(),
            unlisted: self.candidates.1 as u64,
            format: self.format.clone(),
            fetched_in: self.fetched_in,
            bytes: self.bytes,
            uncompressed_bytes: self.unpacked_bytes,
            sha256: self.sha256.clone(),
            digest: self.digest.clone(),
            made: self.made,
            source_version: match &self.physical {
                Some(base) => Some(base.major.to_string()),
                None => contents.source_version.clone(),
            },
            dump_version: contents.dump_version.clone().or(contents.writer.clone()),
            databases: contents.databases(),
            extensions: contents.extensions.clone(),
            schemas: contents.schemas.iter().cloned().collect(),
            graphs: contents.graphs.iter().cloned().collect(),
            roles: contents.roles.clone(),
            roles_needed: contents
                .roles_needed()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            policies: contents.policies.len() as u64,
            servers: self.servers(),
            tables: contents.filled_tables(),
            rows: contents.rows.values().map(|rows| rows.count).sum(),
            large_objects: contents.large_objects,
            not_held: match &self.physical {
                Some(_) => Vec::new(),
                None => fault::missing(&contents),
            },
            physical: self.physical.as_ref().map(|base| base.facts()),
            tiers: self.tiers.clone(),
            previous: self.previous.clone(),
            before: self.before.clone(),
            has_owners: contents.has_owners,
            has_privileges: contents.has_privileges,
            makes: self
                .parts
                .iter()
                .filter(|part| !part.contents.connects.is_empty())
                .flat_map(|part| part.contents.creates.iter().cloned())
                .collect(),
            manifest: self.manifest.clone(),
            consists_of: self.consists_of.clone(),
            companions: self.companions.clone(),
            parts: parts
                .iter()
                .map(|part| PartFacts {
                    name: part.name.clone(),
                    format: describe(&part.format, &part.layers),
                    bytes: part.bytes,
                    sha256: part.sha256.clone(),
                    tables: part.contents.filled_tables(),
                    rows: part.contents.rows.values().map(|rows| rows.count).sum(),
                })
                .collect(),
        }
    }
}
