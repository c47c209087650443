//! What a provider implements, and what it is given.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use super::settings::{self, Durability};
use super::snapshot::Data;
use crate::cleanup::Run;
use crate::data_folder::DataFolder;
use crate::database::Address;
use crate::namespace::Entrance;
use crate::network::Network;
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::redact::Secret;

/// What a backup requires of a server.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Major version of the server that the backup was taken from.
    pub major: Option<u32>,
    /// Extensions that it requires.
    pub extensions: Vec<String>,
    /// Those among them that it may lack.
    pub stubs: Vec<String>,
    /// Name of the bootstrap superuser.
    pub superuser: String,
    /// Bytes of the backup after decompression: decides whether the data fits in memory.
    pub bytes: u64,
    /// Archives that the programs of the server must be able to read: files, or folders.
    pub files: Vec<PathBuf>,
    /// Number of further servers that the drill runs on this machine, which share its memory.
    pub neighbours: u64,
    /// Whether copies of its data will be made, which data in the memory of a container does not permit.
    pub copies: bool,
    /// When it ends by itself, whatever becomes of this process; only for copies.
    pub ends_after: Option<Duration>,
}

/// A program of the version of the server, run where the server is.
#[derive(Debug, Default)]
pub struct Client {
    /// `psql`, `pg_restore`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its standard input.
    pub input: ClientInput,
}

/// Standard input of a client program.
#[derive(Debug, Default)]
pub enum ClientInput {
    /// Nothing.
    #[default]
    Nothing,
    /// A pipe that the caller writes to.
    Pipe,
    /// One of the archives that the server was started with ([`Wanted::files`]). A file is read in
    /// place, a folder where the machine can reach it.
    Archive(PathBuf),
}

/// A running client program. Dropping it ends it.
pub struct ClientProcess {
    /// Its standard input, when a pipe was requested.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Waits for its end.
    pub end: Box<dyn ClientEnd>,
}

/// The end of a client program.
#[async_trait]
pub trait ClientEnd: Send {
    /// Waits; the exit code, `None` when a signal ended it.
    async fn wait(&mut self) -> Result<Option<i64>, CouldNotRun>;
}

/// A data folder that a server recovers from.
pub trait DataSource: Send + Sync {
    /// Bytes that it takes on a disk.
    fn bytes(&self) -> u64;

    /// The settings of the recovery, which no file of the data folder and no code of the backup can change.
    fn settings(&self) -> Vec<(&'static str, String)>;

    /// Writes it. Blocks.
    ///
    /// # Errors
    /// The disk, or a backup that cannot be read.
    fn write(&self, to: &mut dyn DataFolder) -> Result<(), CouldNotRun>;
}

/// Somewhere a server can run.
#[async_trait]
pub trait Machine: Send + Sync {
    /// Creates a new cluster, unless its data was copied, and starts it; the server may not answer yet.
    ///
    /// `password` is that of the superuser, for connections by TCP.
    async fn start(&mut self, superuser: &str, password: &Secret) -> Result<(), CouldNotRun>;

    /// Makes the data folder, before the start, by copying that of another server of the same programs; returns its bytes.
    ///
    /// # Errors
    /// The disk has no room, or the data contains what no server makes.
    async fn copy_data(&mut self, data: &Data) -> Result<u64, CouldNotRun>;

    /// Makes the data folder, before the start, from a base backup: the server begins with a recovery.
    ///
    /// # Errors
    /// The disk has no room, or the backup cannot be read.
    async fn lay_out(&mut self, data: &Arc<dyn DataSource>) -> Result<(), CouldNotRun>;

    /// Asks a server in recovery to end it where no further WAL is there. It may be asked too early, and again.
    ///
    /// # Errors
    /// It cannot be asked.
    async fn promote(&self) -> Result<(), CouldNotRun>;

    /// Shuts the server down and moves its data to a place of `run`. Afterwards it can only be stopped.
    ///
    /// # Errors
    /// It does not end, or its data cannot be copied.
    async fn take_data(&mut self, run: &Run) -> Result<Data, CouldNotRun>;

    /// The address of the server, once it is known that the server that was started listens there.
    ///
    /// # Errors
    /// Nobody listens yet; or not the server does, or it is no socket (`InvalidData`).
    async fn address(&mut self) -> io::Result<Address>;

    /// The network that the server listens in, where it requires TLS; `entrance` is how this process enters one. Once the
    /// server listens.
    ///
    /// # Errors
    /// Why it cannot be entered.
    fn network(&self, entrance: Entrance) -> Result<Network, String>;

    /// Why the server is not running any more, with the end of its log; `None` while it runs.
    async fn ended(&self) -> Option<String>;

    /// The log of the server so far; empty where it cannot be read.
    async fn log(&self) -> Box<dyn AsyncRead + Send + Unpin + '_>;

    /// Removes access that only the start needed: afterwards nothing on the server can run a shell. Once the server
    /// listens.
    async fn lock(&self) -> Result<(), CouldNotRun>;

    /// Starts a program of the version of the server.
    async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun>;

    /// Processor time of the server and all its processes since it was started; `None` where nobody says it.
    async fn processor_time(&self) -> Option<Duration>;

    /// Removes everything immediately.
    async fn stop(&mut self) -> Result<(), CouldNotRun>;

    /// Provider, origin and isolation.
    fn describe(&self) -> ServerFacts;
}

/// Settings for speed. Not safe for any server that is kept.
const FAST: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("jit", "off"),
];

/// Settings that a drill needs, and that change the time of a restore little.
const SETTINGS: &[(&str, &str)] = &[
    ("max_wal_senders", "0"),
    ("archive_mode", "off"),
    ("max_locks_per_transaction", "512"),
    ("max_connections", "60"),
    // A restored subscription must never connect to its publisher (D15).
    ("max_logical_replication_workers", "0"),
    ("lc_messages", "C"),
    ("log_min_messages", "warning"),
    // The log may be shown, so it must not contain statements and their values.
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("unix_socket_permissions", "0777"),
];

/// Memory of this machine in bytes; 4 GiB if unknown.
pub(super) fn memory_of_this_machine() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(4 << 30, |kib| kib * 1024)
}

/// Settings for `memory` in bytes and a number of processors. As many indexes as there are processors are built at once, each
/// with a part of a quarter of the memory; what is restored may be in memory too.
fn sized(memory: u64, processors: u64) -> [(&'static str, String); 5] {
    const MB: u64 = 1024 * 1024;
    let megabytes =
        |bytes: u64, least: u64, most: u64| format!("{}MB", (bytes / MB).clamp(least, most));
    [
        ("shared_buffers", megabytes(memory / 16, 128, 2048)),
        (
            "maintenance_work_mem",
            megabytes(memory / 4 / processors, 64, 2048),
        ),
        // The session that builds an index sorts too.
        (
            "max_parallel_maintenance_workers",
            (processors - 1).to_string(),
        ),
        ("max_parallel_workers", processors.to_string()),
        ("max_worker_processes", processors.max(8).to_string()),
    ]
}

/// The settings of a throwaway server with so many bytes of memory; those of the scenario are last.
pub(super) fn arguments(server: &settings::Server, memory: u64) -> Vec<String> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (fast, sized) = match server.durability {
        Durability::Off => (FAST, Vec::from(sized(memory, processors as u64))),
        Durability::Production => (&[][..], Vec::new()),
    };
    let sized = sized
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    let ours = SETTINGS.iter().chain(fast);
    let ours = ours.map(|(name, value)| format!("{name}={value}"));
    let theirs = server
        .settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    ours.chain(sized)
        .chain(theirs)
        .flat_map(|setting| ["-c".to_owned(), setting])
        .collect()
}

/// Arguments of `timeout` that run a program and shut it down after some time, in the form that every implementation knows.
pub(super) fn ending(after: Duration, program: &str) -> [String; 6] {
    let after = after.as_secs().to_string();
    ["-s", "INT", "-k", "60", &after, program].map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GB: u64 = 1024 * 1024 * 1024;

    #[rstest]
    #[case(GB / 4, 2, "128MB", "64MB")]
    #[case(4 * GB, 2, "256MB", "512MB")]
    #[case(16 * GB, 16, "1024MB", "256MB")]
    #[case(512 * GB, 64, "2048MB", "2048MB")]
    fn memory_is_shared_by_indexes(
        #[case] memory: u64,
        #[case] processors: u64,
        #[case] buffers: &str,
        #[case] index: &str,
    ) {
        let sized = sized(memory, processors);
        assert_eq!([&sized[0].1, &sized[1].1], [buffers, index]);
    }
}
