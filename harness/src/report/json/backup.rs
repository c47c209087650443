//! The wire shape of the backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NotTested;

/// A backup and its contents.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Backup {
    /// Location: a path, `s3://bucket/key`, an address, a command.
    pub(super) origin: String,
    /// Why this backup was selected.
    pub(super) chosen: String,
    /// How it was selected; null where it is the newest, or the only one.
    pub(super) picked: Option<Picked>,
    /// The candidates, newest first; empty where there was only one.
    pub(super) candidates: Vec<Candidate>,
    /// Number of further candidates.
    pub(super) unlisted: u64,
    /// Format and compression.
    pub(super) format: String,
    /// How long it took to fetch it, WAL included; absent for what is on the machine of the drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fetched_s: Option<f64>,
    /// Size of the file.
    pub(super) size_bytes: u64,
    /// Size after decompression, where it is compressed as a whole.
    pub(super) uncompressed_bytes: Option<u64>,
    /// SHA-256 of the file, in hexadecimal; of a folder, of the sorted lines `SHA-256  BYTES  NAME` of its files.
    pub(super) sha256: String,
    /// The source of the expected digest, which agrees; null when there is none.
    pub(super) sha256_agrees_with: Option<String>,
    /// When it was made; null when that is not known.
    pub(super) made: Option<Made>,
    /// Age when the drill began; null when its time is not known.
    pub(super) age_s: Option<f64>,
    /// Version of the server it was taken from.
    pub(super) source_version: Option<String>,
    /// Version of the program that wrote it.
    pub(super) dump_version: Option<String>,
    /// Databases it restores into.
    pub(super) databases: Vec<String>,
    /// Extensions it requires.
    pub(super) extensions: Vec<String>,
    /// Schemas it creates or puts tables into.
    pub(super) schemas: Vec<String>,
    /// AGE graphs.
    pub(super) graphs: Vec<String>,
    /// Roles it creates.
    pub(super) roles: Vec<String>,
    /// Required roles that it does not create.
    pub(super) roles_needed: Vec<String>,
    /// Number of row-level security policies.
    pub(super) policies: u64,
    /// Servers that it can be restored on.
    pub(super) servers: String,
    /// Comparison with the previous backup; null where there is none.
    pub(super) previous: Option<String>,
    /// The dumps of a bundle, in the order of their restore; empty for a single dump.
    pub(super) dumps: Vec<Dump>,
    /// Number of tables with rows.
    pub(super) tables: u64,
    /// Number of rows of all tables.
    pub(super) rows: u64,
    /// Number of large objects.
    pub(super) large_objects: u64,
    /// What the backup does not contain.
    pub(super) not_held: Vec<NotTested>,
    /// The backups that it consists of; empty for one.
    pub(super) consists_of: Vec<OneBackup>,
    /// What belongs to the backup and is not in it, by `[[backup.companion]]`.
    pub(super) companions: Vec<Companion>,
    /// The base backup and its WAL; absent for dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) physical: Option<Physical>,
}

/// A base backup, and the WAL up to the target of its recovery.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Physical {
    /// The cluster, as `pg_control` names it.
    pub(super) system_identifier: String,
    /// Number of files, without WAL.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) size_bytes: u64,
    /// Number of tablespaces.
    pub(super) tablespaces: u64,
    /// Whether data pages have checksums.
    pub(super) checksums: bool,
    /// Whether a manifest lists the files.
    pub(super) manifest: bool,
    /// The timeline that the recovery ends on.
    pub(super) timeline: u32,
    /// The LSN at which it begins.
    pub(super) start: String,
    /// The LSN at which the backup becomes consistent; null where the WAL ends before.
    pub(super) consistent: Option<String>,
    /// The LSN up to which the WAL was read: its end, or the target.
    pub(super) end: String,
    /// Number of segments of WAL.
    pub(super) segments: u64,
    /// Their bytes.
    pub(super) wal_bytes: u64,
    /// Number of transactions that were committed in this WAL.
    pub(super) commits: u64,
    /// Time of the first of them; null without one.
    #[schemars(extend("format" = "date-time"))]
    pub(super) first_commit: Option<String>,
    /// Time of the last of them; null without one.
    #[schemars(extend("format" = "date-time"))]
    pub(super) last_commit: Option<String>,
    /// Names of restore points in this WAL.
    pub(super) restore_points: Vec<String>,
    /// The target of the recovery.
    pub(super) target: String,
    /// What was fetched; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fetch: Option<Fetch>,
    /// The backups that an incremental one is restored with; absent for a full backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chain: Option<Chain>,
}

/// A full backup and incremental ones, which are restored as one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Chain {
    /// Each of them, the full one first.
    pub(super) backups: Vec<ChainedBackup>,
    /// Number of pages that none of them has, because the server never wrote them: zeros.
    pub(super) absent_pages: u64,
}

/// One backup of a chain.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct ChainedBackup {
    /// The name of its folder, or its path where the scenario lists it.
    pub(super) name: String,
    /// The LSN at which it starts.
    pub(super) start: String,
    /// The timeline of that LSN.
    pub(super) timeline: u32,
    /// The time of its start, as its label has it.
    pub(super) time: String,
    /// Its size as stored.
    pub(super) size_bytes: u64,
}

/// What was fetched of a base backup and its WAL.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Fetch {
    /// Time of the command that wrote the base backup; null without one.
    pub(super) base_s: Option<f64>,
    /// Time of all requests for WAL; null where it is on this machine.
    pub(super) wal_s: Option<f64>,
    /// Number of files of WAL that were fetched.
    pub(super) wal_files: u64,
    /// Program and arguments that gave them, without secrets, or `s3://bucket/prefix`; null without one.
    pub(super) wal_origin: Option<String>,
    /// Whether commands fetched it, and the kernel kept them from writing elsewhere on this machine.
    #[serde(default)]
    pub(super) confined: bool,
}

/// How one of several backups was selected, where the newest was not wanted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Picked {
    /// `oldest`, `random` or `each-tier`, as in the scenario.
    pub(super) pick: String,
    /// The tier of retention that it was selected from; null without one.
    pub(super) tier: Option<String>,
    /// The seed that decided; null where none did.
    pub(super) seed: Option<u32>,
    /// The newest backup, whose age is that of `max-age`.
    pub(super) newest: String,
    /// The time in its name.
    #[schemars(extend("format" = "date-time"))]
    pub(super) newest_time: String,
}

/// What belongs to a backup and is not in it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Companion {
    /// Its name in the scenario.
    pub(super) name: String,
    /// The path.
    pub(super) origin: String,
    /// Why it was selected.
    pub(super) chosen: String,
    /// Number of files.
    pub(super) files: u64,
    /// Size of all files.
    pub(super) size_bytes: u64,
    /// SHA-256 of the file; of a folder, the sum, modulo 2^256 and little-endian, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of its
    /// files. Null where it was not read.
    pub(super) sha256: Option<String>,
    /// Where the same digest is stated; null where it is not.
    pub(super) digest: Option<String>,
    /// When it was taken; null where that is not known.
    pub(super) made: Option<Made>,
}

/// One of several backups that are restored as one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct OneBackup {
    /// Its name in the scenario.
    pub(super) name: String,
    /// The backup.
    pub(super) backup: Backup,
}

/// A file that was considered as the backup.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Candidate {
    /// Its name.
    pub(super) name: String,
    /// Its size.
    pub(super) size_bytes: u64,
    /// The time in its name; null where there is none.
    #[schemars(extend("format" = "date-time"))]
    pub(super) time: Option<String>,
    /// Why it was not selected; null for the selected one.
    pub(super) not_taken: Option<String>,
}

/// One dump of a bundle.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Dump {
    /// Its name in the bundle.
    pub(super) name: String,
    /// Format and compression.
    pub(super) format: String,
    /// Its size in the bundle.
    pub(super) size_bytes: u64,
    /// SHA-256 of it as it is in the bundle.
    pub(super) sha256: String,
    /// Number of tables with rows.
    pub(super) tables: u64,
    /// Number of rows of all tables.
    pub(super) rows: u64,
}

/// When a backup was made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Made {
    /// The time.
    #[schemars(extend("format" = "date-time"))]
    pub(super) at: String,
    /// How it is known.
    pub(super) known_by: TimeSource,
}

/// How the time of a backup is known.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeSource {
    /// In the file name.
    Name,
    /// In the archive header.
    Header,
    /// The modification time of the file: weak, because a copy changes it.
    ModificationTime,
}
