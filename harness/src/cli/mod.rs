//! The command line: the only reader of arguments and of the environment.

mod evidence;
mod help;
mod invocation;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use self::evidence::{Compare, Gate, History, Keeping, Merge, Report, Verify};
pub use self::invocation::{Invocation, Terminal, environment, read};
use crate::exit_code;
use crate::units::Span;

/// The folder for reports.
pub(crate) const REPORTS: &str = "reports/out";

/// Proves that a PostgreSQL backup restores.
///
/// A scenario file names a backup and what must be true of it. redrill starts a throwaway server,
/// restores the backup, compares every row with it, runs the checks, removes the server, and writes
/// reports.
#[derive(Debug, Parser)]
#[command(name = "redrill", version, after_long_help = format!("{}\n\n{}", help::FIRST, exit_code::TABLE), after_help = exit_code::TABLE)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Drill scenarios: restore, compare, check, report.
    ///
    /// Each scenario gets one verdict and a folder of reports; the worst verdict is the exit code.
    Run(Run),
    /// Rehearse a release: run its pending migrations on copies of the restored database.
    ///
    /// The backup of each scenario is restored and checked as in a drill. Then the release's own migration tool runs on a copy of
    /// the whole cluster, with production durability, and redrill stands between the tool and the server: which locks are held
    /// for how long, what is written anew, who is kept waiting, which rights become wider, and whether the checks still pass. It
    /// runs again, twice at the same time, and is cut off in the middle, each on a copy of its own. `[rehearse]` in the scenario
    /// says how; `redrill explain rehearse` lists its keys and all rules.
    ///
    /// With `--on`, a server that `redrill run --keep` kept is copied in place of restoring the backup.
    ///
    /// The verdict is that of the rehearsal: SAFE, UNSAFE, INCONCLUSIVE or NOTHING PENDING. Reports go to `<scenario>.rehearsal`.
    Rehearse(Rehearse),
    /// Inspect a backup without a server: what it is, whether it is complete, what it contains.
    Inspect(Inspect),
    /// Recover one table from a backup, as SQL or CSV.
    ///
    /// The backup is inspected and restored into a throwaway server, as in a drill; then the table is
    /// written, with all its partitions. SQL contains its definition, rows, indexes, constraints,
    /// triggers, policies, privileges and owned sequences; comments at the beginning of the file list
    /// what else it requires, and how to load it next to a damaged table. CSV contains the rows, in
    /// UTF-8, without generated columns.
    ///
    /// Nothing is written if the backup is incomplete, does not restore without an error, or the number
    /// of rows is not that in the backup. Roles that the backup requires and does not contain are
    /// created on the throwaway server, unless a scenario lists them. redrill never connects to the
    /// database that the file is for.
    Recover(Recover),
    /// Write a first scenario with its baseline, from a backup or a database.
    ///
    /// From a backup: it is restored into a throwaway server, as in a drill; redrill writes checks for
    /// what it finds there, and runs them on the same server. A check that fails is written as a comment
    /// with the reason, so that the scenario passes from the start.
    ///
    /// From a database: it is only read, in one snapshot. With `--backup` the scenario is also run on that
    /// backup.
    ///
    /// Every guess has a comment. redrill never changes the file again: edit it from then on.
    Init(Init),
    /// Record the state of a known-good database, to compare later backups with.
    ///
    /// Reads the definition of every object, the effective rights of every role, the rows of every table
    /// (their number and a digest of their values), the history of append-only tables and the values of
    /// sequences, and writes them to one file. Commit it, and name it in a scenario:
    /// `[[check.baseline]] file = "FILE"`.
    ///
    /// A database that is named by its address is only read, in one snapshot. With `--with-dump`, pg_dump
    /// runs on the same snapshot; the baseline is the manifest of that dump and describes exactly its rows.
    Baseline(Baseline),
    /// List the differences between a baseline and the last drill; accept them one by one.
    ///
    /// On a terminal it asks for each difference. Elsewhere nothing is written unless `--object` or `--all`
    /// selects what is accepted. A right that became wider must be accepted by name.
    Accept(Accept),
    /// List scenarios and their checks, without starting anything; or the servers that are kept.
    #[command(after_help = help::LIST)]
    List(List),
    /// Explain a kind of check; without a kind, list all kinds.
    #[command(after_help = help::EXPLAIN)]
    Explain {
        /// The kind, such as `row-count`, or `scenario` for the keys of the file itself.
        kind: Option<String>,
    },
    /// Print a JSON Schema.
    #[command(after_help = help::SCHEMA)]
    Schema {
        /// Schema to print.
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
    /// Verify the log of all drills: order, gaps, digests, signatures. Works offline.
    ///
    /// Each drill adds its record to a state (`--state`): an entry in a log that can only grow. This command reads all entries
    /// and lists what was changed, removed, added or moved, and then what a log cannot prove by itself. A report is made again from
    /// the record of its drill and compared.
    #[command(after_help = help::VERIFY)]
    Verify(Verify),
    /// List past drills and rehearsals, from the log.
    #[command(after_help = help::HISTORY)]
    History(History),
    /// Merge what the shards of a batch reported: one verdict, one JUnit report, one page.
    ///
    /// `redrill run --shard I/N` drills one of N shares of the scenarios and records it in the state. This command reads what all of
    /// them recorded, makes their reports again in one folder, and ends with the worst exit code. A shard that never began, died,
    /// or took no part is named, and so is each drill without a result: then it is INCONCLUSIVE or worse.
    #[command(after_help = format!("{}\n\n{}", help::MERGE, exit_code::TABLE))]
    Merge(Merge),
    /// Show what changed between two drills: size, rows, restore time, versions, checks.
    #[command(after_help = help::COMPARE)]
    Compare(Compare),
    /// Make a report of a drill again from its record, byte for byte.
    ///
    /// The record is `drill.json`, or what the log has of an entry. Reports of a drill that is in the log show its entry, which the
    /// record does not contain: name the state, so that they are equal to the files that the drill wrote.
    #[command(after_help = help::REPORT)]
    Report(Report),
    /// Say whether a release may go, from the log alone: is there a drill, PROVEN, recent, of the right checks?
    ///
    /// Nothing is restored. The newest drill of all checks that came to a conclusion decides: one that is INCONCLUSIVE, INTERRUPTED
    /// or NOTHING CHECKED says nothing about the backup.
    #[command(after_help = format!("{}\n\n{}", help::GATE, exit_code::GATE_TABLE))]
    Gate(Gate),
    /// Report whether a throwaway server can be started here, and what is missing.
    ///
    /// Starts one of each kind and removes it. With a backup or a scenario: whether that one can be drilled here; its
    /// backup is inspected first, and the server must have its version and extensions.
    #[command(after_help = help::DOCTOR)]
    Doctor(Doctor),
    /// Open psql on a server that `redrill run --keep` kept.
    ///
    /// It is the psql of the server's version where that is on this machine, otherwise one in PATH. What is done there changes
    /// neither the backup nor the verdict.
    #[command(after_help = help::PSQL)]
    Psql(Psql),
    /// Remove a server that `redrill run --keep` kept, before its time is over.
    #[command(after_help = help::DROP)]
    Drop(Drop),
    /// Print the completions of a shell.
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, in roff.
    #[command(after_help = help::MAN)]
    Man {
        /// A command, such as `run`. Default: redrill itself.
        #[arg(value_name = "COMMAND")]
        of: Option<String>,
    },
    /// Remove what killed runs left behind: containers, volumes, servers, folders.
    ///
    /// Removes only what redrill started. Also removes templates that are no longer used: the empty data folders that
    /// the servers of later runs begin with, so that `initdb` need not run again.
    #[command(after_help = help::CLEAN)]
    Clean(Clean),
}

/// The scenarios of a command.
#[derive(Debug, Args)]
pub struct Scenarios {
    /// Scenario files, or folders that contain them. Default: `scenarios`.
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
}

impl Scenarios {
    /// The paths of the command line, or the default.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        match self.scenarios.as_slice() {
            [] => vec![PathBuf::from("scenarios")],
            paths => paths.to_owned(),
        }
    }
}

/// Arguments of `redrill list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    pub(crate) scenarios: Scenarios,
    /// List the servers that `redrill run --keep` kept: name, verdict, databases, until when.
    #[arg(long, conflicts_with = "scenarios")]
    pub(crate) kept: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Arguments of `redrill psql`.
#[derive(Debug, Args)]
pub struct Psql {
    /// The name of the server, as `redrill list --kept` shows it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Arguments of psql, after `--`. Default: the first database of the server.
    #[arg(value_name = "ARGUMENT", last = true)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Arguments of `redrill drop`.
#[derive(Debug, Args)]
pub struct Drop {
    /// The name of the server, as `redrill list --kept` shows it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Reads how long a server is kept.
fn keep(text: &str) -> Result<Duration, String> {
    /// A year.
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    let span = Span::parse(text)?.0;
    if span < Duration::from_secs(1) || span > LONGEST {
        return Err(
            "it is kept for one second to 366 days; leave `--keep` out to remove it".to_owned(),
        );
    }
    Ok(span)
}

/// What `redrill run` and `redrill rehearse` have in common.
#[derive(Debug, Args)]
pub struct DrillOptions {
    #[command(flatten)]
    pub(crate) scenarios: Scenarios,
    /// Folder for reports; each scenario gets a folder in it.
    #[arg(long, value_name = "DIR", default_value = REPORTS)]
    pub(crate) reports: PathBuf,
    /// Run only these checks, named by kind or id, with commas between them; `*` in an id matches any text.
    #[arg(long, value_name = "KIND|ID", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Restore this backup file instead of the one in the scenario.
    #[arg(long, value_name = "FILE")]
    pub(crate) backup: Option<PathBuf>,
    /// The file of the roles of `--backup`. Default: the one that `globals` in the scenario selects.
    #[arg(long, value_name = "FILE", requires = "backup")]
    pub(crate) globals: Option<PathBuf>,
    /// The provider of the throwaway server. Default: that of the scenario, otherwise `auto`.
    #[arg(long, value_enum)]
    pub(crate) server: Option<Provider>,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    /// Show everything that was tested, not only what failed.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Show no progress, only the summary.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Arguments of `redrill run`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{}\n\n{}", help::RUN, exit_code::TABLE),
    mut_arg("only", |only| only.long_help(help::RUN_ONLY))
)]
pub struct Run {
    #[command(flatten)]
    pub(crate) options: DrillOptions,
    /// Repeat the choice of another run, where `pick` in the scenario selects a backup at random: its reports show
    /// the seed. Default: a new one.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Drill up to N scenarios at the same time. Each has its own server: mind memory and disk.
    #[arg(long, short, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub(crate) jobs: NonZeroUsize,
    /// Keep the server of each drill for this time, such as `2h`, also of one that failed: `redrill list --kept` shows it,
    /// `redrill psql NAME` opens it, `redrill rehearse --on NAME` rehearses a release on copies of it, `redrill drop NAME`
    /// removes it before. It needs room for two copies of its data.
    #[arg(long, value_name = "TIME", value_parser = keep)]
    pub(crate) keep: Option<Duration>,
    /// Drill one share of the scenarios: `2/5` is the second of five; the other shares are for other machines, with the same
    /// `--state`. `auto` reads the number from the variables of GitLab, Buildkite, Slurm or Kubernetes, `auto/5` where they have
    /// no number of shares. The durations in the log decide which drill is in which share. Then: `redrill merge`.
    #[arg(
        long,
        value_name = "I/N|auto",
        env = "REDRILL_SHARD",
        hide_env_values = true,
        conflicts_with_all = ["rehearse", "backup", "no_state"]
    )]
    pub(crate) shard: Option<String>,
    /// The name that all shards of one run share, and no other run has. Default: from the id that a CI system or Slurm gives the run.
    #[arg(
        long,
        value_name = "NAME",
        env = "REDRILL_BATCH",
        hide_env_values = true
    )]
    pub(crate) batch: Option<String>,
    /// Repeat a shard that died before it could report. One that was INCONCLUSIVE or INTERRUPTED can be repeated without it.
    #[arg(long, requires = "shard")]
    pub(crate) again: bool,
    /// Print what failed as annotations of GitHub (`::error file=…,line=…`), after everything else.
    #[arg(long, conflicts_with = "json")]
    pub(crate) annotate: bool,
    /// Write metrics of the drills to this file, for the textfile collector of node_exporter, which reads `*.prom`.
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// Begin no other drill after one that is neither PROVEN nor CHECKS PASSED.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Rehearse the release of each scenario after its drill; see `redrill rehearse`. The exit code is the worse of both.
    #[arg(long, conflicts_with = "only")]
    pub(crate) rehearse: bool,
    /// Print `drill.json` of each drill as one line, in place of the summary.
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) json: bool,
}

/// Arguments of `redrill rehearse`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{}\n\n{}", help::REHEARSE, exit_code::REHEARSAL_TABLE),
    mut_arg("scenarios", |scenarios| scenarios.long_help(help::REHEARSE_SCENARIOS))
)]
pub struct Rehearse {
    #[command(flatten)]
    pub(crate) options: DrillOptions,
    /// Rehearse on copies of the server that `redrill run --keep` kept under this name, in place of restoring the backup again.
    /// They have the state that the drill left: what was done by `redrill psql` since is not in them, and the kept server
    /// goes on running as it is.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["backup", "globals", "server"])]
    pub(crate) on: Option<String>,
}

/// Arguments of `redrill inspect`.
#[derive(Debug, Args)]
#[command(after_help = help::INSPECT)]
pub struct Inspect {
    /// A backup, file or folder; or a scenario (.toml), for its backup and the requirements in
    /// `[backup]`.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) decryption: Decryption,
    #[command(flatten)]
    pub(crate) recovery: RecoveryOptions,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Arguments of `redrill doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// A backup, file or folder; or a scenario (.toml). Default: no particular one.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) decryption: Decryption,
    #[command(flatten)]
    pub(crate) recovery: RecoveryOptions,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Arguments of `redrill clean`.
#[derive(Debug, Args)]
pub struct Clean {
    /// Remove all templates; the next run makes its own again.
    #[arg(long)]
    pub(crate) templates: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// How to decrypt a backup.
#[derive(Debug, Args)]
pub struct Decryption {
    /// The identity file of a backup that is encrypted with age.
    #[arg(long, value_name = "FILE", conflicts_with = "decrypt")]
    pub(crate) age_identity: Option<PathBuf>,
    /// The command that decrypts: it reads the file from standard input and writes the content to
    /// standard output, such as `gpg --batch --decrypt`.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) decrypt: Option<String>,
}

/// What a base backup is recovered with, and how far.
#[derive(Debug, Default, Args)]
pub struct RecoveryOptions {
    /// The folder of the archived WAL of a base backup. Default: that of the scenario, otherwise only the WAL in the base
    /// backup.
    #[arg(long, value_name = "DIR")]
    pub(crate) wal: Option<PathBuf>,
    /// Recover a base backup to this time, such as `2026-11-24T20:35:30Z`, or to the restore point of this name. Default:
    /// `[recovery]` of the scenario, otherwise the end of the WAL.
    #[arg(long, value_name = "TIME|NAME")]
    pub(crate) until: Option<String>,
}

impl RecoveryOptions {
    /// The first option that is given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let wal = self.wal.as_ref().map(|_| "--wal");
        wal.or_else(|| self.until.as_ref().map(|_| "--until"))
    }
}

/// How to restore a backup into a throwaway server.
#[derive(Debug, Args)]
pub struct RestoreOptions {
    /// The provider of the throwaway server. Default: that of the scenario, otherwise `auto`.
    #[arg(long, value_enum)]
    pub(crate) server: Option<Provider>,
    #[command(flatten)]
    pub(crate) decryption: Decryption,
    #[command(flatten)]
    pub(crate) recovery: RecoveryOptions,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// Arguments of `redrill recover`.
#[derive(Debug, Args)]
#[command(after_help = help::RECOVER)]
pub struct Recover {
    /// The table, such as `app.orders` or `"My Schema"."Orders"`.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) table: String,
    /// A backup, file or folder; or a scenario (.toml), for its backup and the settings of its restore.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) from: PathBuf,
    /// The file to write, readable by its owner only; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Format. Default: CSV if FILE ends in `.csv`, otherwise SQL.
    #[arg(long, value_enum)]
    pub(crate) format: Option<TableFormat>,
    /// The database of the table, if several databases in the backup contain it.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Replace FILE if it exists.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) restore: RestoreOptions,
}

/// Arguments of `redrill baseline`.
#[derive(Debug, Args)]
#[command(after_help = help::BASELINE)]
pub struct Baseline {
    /// The address of a database, such as `postgres://reader@db/orders`; or a scenario (.toml) or a backup, which
    /// is restored into a throwaway server.
    #[arg(
        long,
        value_name = "URL|SCENARIO|BACKUP",
        env = "REDRILL_FROM",
        hide_env_values = true
    )]
    pub(crate) from: String,
    /// The file to write. Default: `NAME.baseline.toml`, with the name of the database, scenario or backup; with
    /// `--with-dump`, next to the dump.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also write a dump of the same snapshot: a custom archive if the name ends in `.dump`, otherwise plain SQL,
    /// compressed if it ends in `.gz`, `.zst` or `.lz4`.
    #[arg(long, value_name = "DUMP")]
    pub(crate) with_dump: Option<PathBuf>,
    /// The pg_dump to run; its version must be that of the server or newer.
    #[arg(
        long,
        value_name = "PROGRAM",
        default_value = "pg_dump",
        requires = "with_dump"
    )]
    pub(crate) pg_dump: PathBuf,
    /// An append-only table, in addition to those that are recognised. May be repeated.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) append_only: Vec<String>,
    /// Replace FILE if it exists.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) restore: RestoreOptions,
}

/// Arguments of `redrill accept`.
#[derive(Debug, Args)]
#[command(after_help = help::ACCEPT)]
pub struct Accept {
    /// The scenario, or a baseline file.
    #[arg(value_name = "SCENARIO|BASELINE")]
    pub(crate) scenario: PathBuf,
    /// The observed state. Default: `seen.baseline.toml` in the reports of the scenario.
    #[arg(long, value_name = "FILE")]
    pub(crate) seen: Option<PathBuf>,
    /// Where the reports of `redrill run` are.
    #[arg(long, value_name = "DIR", default_value = REPORTS)]
    pub(crate) reports: PathBuf,
    /// Accept this object, named as it is listed: `table app.orders`; `*` matches any text. May be repeated.
    #[arg(long, value_name = "OBJECT")]
    pub(crate) object: Vec<String>,
    /// Accept all differences except those that may weaken the database: rights that became wider, a constraint, policy,
    /// trigger or unique index that is gone or differs, another view or function, edited history. `--object` accepts those
    /// by their names; `*` matches any text.
    #[arg(long)]
    pub(crate) all: bool,
}

/// The format that `redrill recover` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Definition and rows, to be loaded with `psql -1 -f FILE`.
    Sql,
    /// The rows; the first line contains the names of the columns.
    Csv,
}

/// Arguments of `redrill init`.
#[derive(Debug, Args)]
#[command(after_help = help::INIT)]
pub struct Init {
    /// A backup, file or folder; or `postgres://user@host:5432/database`. A password comes from PGPASSWORD
    /// or ~/.pgpass.
    #[arg(long, value_name = "URL|BACKUP")]
    pub(crate) from: String,
    /// The folder to write to; created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// The name of the scenario and of its file. Default: the name of the backup without its time, or of the
    /// database.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A backup of the database in `--from`, to run the scenario on.
    #[arg(long, value_name = "FILE")]
    pub(crate) backup: Option<PathBuf>,
    /// Only this database, if the backup contains several; the name of the database for a dump that does not
    /// create one.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Replace the scenario if it exists.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) restore: RestoreOptions,
}

/// The folder for whatever a run starts.
#[derive(Debug, Args)]
pub struct Work {
    /// Folder for sockets and data of throwaway servers; its path must be short.
    #[arg(
        long,
        value_name = "DIR",
        env = "REDRILL_WORK_DIR",
        default_value = "/tmp"
    )]
    pub(crate) work_dir: PathBuf,
}

/// A provider of throwaway servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// A container if a container engine answers and has an image, otherwise a local server.
    Auto,
    /// A container without network.
    Container,
    /// Processes of this machine.
    Local,
}

impl Provider {
    /// As it is written on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Container => "container",
            Self::Local => "local",
        }
    }
}

/// A schema that can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files.
    Scenario,
    /// `drill.json`.
    Report,
    /// The output of `redrill inspect --json`.
    Inspection,
    /// The message to the webhook of `[incident]`.
    Incident,
    /// `rehearsal.json`.
    Rehearsal,
}
