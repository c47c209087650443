//! The command line: the only reader of arguments and of the environment.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit_code;
use crate::input::Environment;

/// Proves that a PostgreSQL backup restores.
///
/// A scenario file names a backup and what must be true of it. redrill starts a throwaway Postgres,
/// restores the backup, checks it, tears everything down, and writes the reports.
#[derive(Debug, Parser)]
#[command(name = "redrill", version, after_long_help = format!("{FIRST}\n\n{}", exit_code::TABLE), after_help = exit_code::TABLE)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// A first scenario, for the end of `--help`.
const FIRST: &str = "\
A first scenario, in orders.toml:

    schema = 1
    name = \"orders\"

    [backup]
    path = \"orders.sql.gz\"

    [[check.row-count]]
    table = \"public.orders\"
    min = 1000

    redrill run orders.toml

`redrill explain` lists the kinds of checks, `redrill explain row-count` shows one with an example,
`redrill doctor` says whether a throwaway server can be started here.";

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Drill scenarios: restore, check, report. One verdict each, one exit code.
    Run(Run),
    /// Look at a backup without any server: what it is, whether it is whole, what it holds.
    Inspect(Inspect),
    /// Recover one table from a backup: restore on a throwaway server, write the table for a person
    /// to load.
    Recover(Recover),
    /// Write a first scenario for a database that nobody described, from a backup or from the database.
    Init(Init),
    /// Take a baseline: what a known-good database looks like, for later drills to be held against.
    Baseline(Baseline),
    /// Show what a drill saw that is not as in the baseline; write into it what you accept.
    Accept(Accept),
    /// List scenarios and their checks, without starting anything.
    List(Scenarios),
    /// Explain a kind of check; without one, list the kinds.
    Explain {
        /// The kind, such as `row-count`, or `scenario` for the file itself.
        kind: Option<String>,
    },
    /// Print a JSON Schema.
    Schema {
        /// Of what.
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
    /// Say whether a throwaway server can be started here, and what is missing.
    Doctor(Work),
    /// Remove what killed runs left: containers, volumes, servers, folders. Nobody else's.
    Clean(Work),
}

/// Which scenarios.
#[derive(Debug, Args)]
pub struct Scenarios {
    /// Scenario files, or folders that hold some.
    #[arg(value_name = "SCENARIO", default_value = "scenarios")]
    pub scenarios: Vec<PathBuf>,
}

/// `redrill run`.
#[derive(Debug, Args)]
#[command(after_help = exit_code::TABLE)]
pub struct Run {
    #[command(flatten)]
    pub(crate) scenarios: Scenarios,
    /// Where reports go: a folder per scenario in it.
    #[arg(long, value_name = "DIR", default_value = "reports/out")]
    pub(crate) reports: PathBuf,
    /// Only these checks, named by kind or id; `*` in an id stands for anything. May be repeated.
    /// The reports go to a folder of their own and say what was left out.
    #[arg(long, value_name = "KIND|ID")]
    pub(crate) only: Vec<String>,
    /// Drill this backup file instead of the scenario's.
    #[arg(long, value_name = "FILE")]
    pub(crate) backup: Option<PathBuf>,
    /// Use this provider, whatever the scenario says.
    #[arg(long, value_enum)]
    pub(crate) server: Option<Provider>,
    /// Show no progress, only the summary.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// `redrill inspect`.
#[derive(Debug, Args)]
#[command(after_help = INSPECT_CODES)]
pub struct Inspect {
    /// A backup, file or folder; or a scenario (.toml), for the backup that it names and what it
    /// says of it.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// What opens an encrypted backup.
#[derive(Debug, Args)]
pub struct Opening {
    /// The identity that an age-encrypted backup is read with.
    #[arg(long, value_name = "FILE", conflicts_with = "decrypt")]
    pub(crate) age_identity: Option<PathBuf>,
    /// The command that decrypts: it gets the file and gives the content, as `gpg --batch --decrypt`.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) decrypt: Option<String>,
}

/// `redrill recover`.
///
/// The backup is inspected and restored onto a throwaway server, as in a drill; then the table is
/// written, with all its partitions. SQL holds its definition, rows, indexes, constraints, triggers,
/// policies, rights and the sequences that belong to it; what else it needs stands at the beginning
/// of the file, and how it is loaded beside a damaged one. CSV holds the rows, in UTF-8, without
/// generated columns.
///
/// Nothing is written when the backup is not whole, does not restore without an error, or the rows
/// of the table are not as many as in the backup. Roles that the backup names and does not hold are
/// made on the throwaway server, unless a scenario says which. redrill never connects to the
/// database that the file is for.
#[derive(Debug, Args)]
#[command(after_help = RECOVER_CODES)]
pub struct Recover {
    /// The table, as in `app.orders`, or `"My Schema"."Orders"`.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) table: String,
    /// A backup, file or folder; or a scenario (.toml), for the backup that it names and how it is
    /// restored.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) from: PathBuf,
    /// The file to write, readable for its owner alone; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// What to write. Default: by the ending of FILE, `.csv` or else SQL.
    #[arg(long, value_enum)]
    pub(crate) format: Option<TableFormat>,
    /// The database that the table is in, where the backup holds it in several.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Replace FILE if it is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Use this provider, whatever the scenario says.
    #[arg(long, value_enum)]
    pub(crate) server: Option<Provider>,
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// `redrill baseline`.
///
/// Reads the definition of every object, the rights of every role, the rows of every table (their number and a
/// digest of their values), the history of tables that only grow and the values of sequences, and writes them to
/// one file, to be committed. A scenario holds a backup against it with `[[check.baseline]] file = "FILE"`.
///
/// A database that is named by its address is only read, in one snapshot. With `--with-dump`, pg_dump runs on that
/// same snapshot: the baseline that is written beside the dump is its manifest, and speaks of the very rows that
/// are in it.
#[derive(Debug, Args)]
#[command(after_help = BASELINE_CODES)]
pub struct Baseline {
    /// The address of a database, as in `postgres://reader@db/orders`; or a scenario (.toml) or a backup, which is
    /// restored on a throwaway server.
    #[arg(
        long,
        value_name = "URL|SCENARIO|BACKUP",
        env = "REDRILL_FROM",
        hide_env_values = true
    )]
    pub(crate) from: String,
    /// The file to write. Default: `NAME.baseline.toml`, by the database, scenario or backup; of a dump, beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Make a dump of the same snapshot: `.dump` is a custom archive; anything else plain SQL, and `.gz`, `.zst` and
    /// `.lz4` compress it.
    #[arg(long, value_name = "DUMP")]
    pub(crate) with_dump: Option<PathBuf>,
    /// A pg_dump that is no older than the server.
    #[arg(
        long,
        value_name = "PROGRAM",
        default_value = "pg_dump",
        requires = "with_dump"
    )]
    pub(crate) pg_dump: PathBuf,
    /// Tables that only grow, beside those that are recognised; may be repeated.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) append_only: Vec<String>,
    /// Replace FILE if it is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Use this provider, whatever the scenario says.
    #[arg(long, value_enum)]
    pub(crate) server: Option<Provider>,
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// `redrill accept`.
///
/// Compares the baseline of a scenario with what its last drill saw, and shows each difference. On a terminal it
/// asks for each; elsewhere nothing is written unless `--object` or `--all` says what is accepted. A right that
/// became wider is only accepted by its name.
#[derive(Debug, Args)]
#[command(after_help = ACCEPT_CODES)]
pub struct Accept {
    /// The scenario, or a baseline file.
    #[arg(value_name = "SCENARIO|BASELINE")]
    pub(crate) scenario: PathBuf,
    /// What the drill saw. Default: the one in the scenario's reports.
    #[arg(long, value_name = "FILE")]
    pub(crate) seen: Option<PathBuf>,
    /// Where the reports of `redrill run` are.
    #[arg(long, value_name = "DIR", default_value = "reports/out")]
    pub(crate) reports: PathBuf,
    /// Accept what this names, as it is shown: `table app.orders`; `*` stands for anything. May be repeated.
    #[arg(long, value_name = "OBJECT")]
    pub(crate) object: Vec<String>,
    /// Accept everything but rights that became wider.
    #[arg(long)]
    pub(crate) all: bool,
}

/// The exit codes of `redrill baseline`.
const BASELINE_CODES: &str = "\
Exit codes:
    0  FILE is written
    2  bad command line or scenario, or FILE is there already
    3  could not: no answer from the database, backup not found, no server, FILE not writable
   10  the backup is not whole, or does not restore without an error
  130  Ctrl-C or SIGTERM; cleaned up, no FILE";

/// The exit codes of `redrill accept`.
const ACCEPT_CODES: &str = "\
Exit codes:
    0  there is no difference, or every one is accepted and written
    2  bad command line or scenario
    3  could not: no baseline, no drill that saw anything
   10  there are differences that are not accepted";

/// What `redrill recover` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Definition and rows, for `psql -1 -f FILE`.
    Sql,
    /// The rows, with the names of the columns in the first line.
    Csv,
}

/// `redrill init`.
///
/// From a backup: it is restored onto a throwaway server, as in a drill; what is there is looked at, and
/// the scenario that comes out of it is tried on the same server. A check that does not hold is written
/// as a comment with the reason, so that the scenario is green at once.
///
/// From a database: it is only read, in one snapshot. With `--backup` what is written is also tried, on
/// that backup.
///
/// What was guessed says so in a comment. The file is a person's from then on: redrill never changes it.
#[derive(Debug, Args)]
#[command(after_help = INIT_CODES)]
pub struct Init {
    /// A backup, file or folder; or `postgres://user@host:5432/database`. A password comes from PGPASSWORD
    /// or ~/.pgpass.
    #[arg(long, value_name = "URL|BACKUP")]
    pub(crate) from: String,
    /// The folder to write to; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// The scenario's name, and that of its file. Default: that of the backup without its time, or of the
    /// database.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A backup of the database that `--from` is the address of, to try the scenario on.
    #[arg(long, value_name = "FILE")]
    pub(crate) backup: Option<PathBuf>,
    /// Only this database, where the backup holds several; and the name of the database that is made for
    /// a dump which makes none.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Replace the scenario if it is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Use this provider, whatever is there.
    #[arg(long, value_enum)]
    pub(crate) server: Option<Provider>,
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

/// The exit codes of `redrill init`.
const INIT_CODES: &str = "\
Examples:
    redrill init --from /backups/orders-2026-05-25.sql.gz --out scenarios
    redrill init --from postgres://backup@db.internal/orders --out scenarios
    redrill init --from postgres://backup@db.internal/orders --backup orders.dump --name orders

Exit codes:
    0  the scenario is written
    2  bad command line, or the scenario is there already
    3  could not: backup not found, no server, database not reached, DIR not writable
   10  the backup is not whole, or does not restore without an error: nothing is written
  130  Ctrl-C or SIGTERM; cleaned up, nothing is written";

/// The exit codes of `redrill recover`.
const RECOVER_CODES: &str = "\
Exit codes:
    0  the table is in FILE, with the rows of the backup
    2  bad command line or scenario, or FILE is there already
    3  could not: backup not found, no server, FILE not writable
    4  the backup does not hold the table
   10  the backup is not whole, does not restore without an error, or not with these rows
  130  Ctrl-C or SIGTERM; cleaned up, no FILE";

/// The exit codes of `redrill inspect`.
const INSPECT_CODES: &str = "\
Exit codes:
    0  nothing is wrong with the file; whether it restores, only `redrill run` shows
    2  bad command line or scenario
    3  could not look: not there, not readable, no key
   10  it is no whole, harmless backup
   11  it is whole, but too old, or older ones are missing
  130  Ctrl-C or SIGTERM";

/// Where runs keep what they start.
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
    /// A container when an engine answers and an image is there, else a local server.
    Auto,
    /// A container without network.
    Container,
    /// Processes of this machine.
    Local,
}

/// A schema that can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files.
    Scenario,
    /// `drill.json`.
    Report,
    /// What `redrill inspect --json` prints.
    Inspection,
    /// What a webhook of `[incident]` gets.
    Incident,
}

/// What the terminal is like.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Whether standard output takes colour.
    pub colour: bool,
    /// Whether standard error takes colour.
    pub colour_errors: bool,
    /// Columns.
    pub width: usize,
}

/// What a command line and its surroundings say.
#[derive(Debug)]
pub struct Invocation {
    /// The command.
    pub command: Command,
    /// The environment.
    pub environment: Environment,
    /// The terminal.
    pub terminal: Terminal,
    /// The words of the command line, the program first.
    pub words: Vec<String>,
}

/// Reads the environment.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the command line and the environment.
///
/// # Errors
/// The exit code, after the help or the mistake was printed.
pub fn read() -> Result<Invocation, u8> {
    let cli = Cli::try_parse().map_err(|error| {
        // Printing fails only when nobody reads.
        let _ = error.print();
        if error.use_stderr() {
            exit_code::INVALID
        } else {
            exit_code::PROVEN
        }
    })?;
    let environment = environment();
    let plain = environment
        .get("NO_COLOR")
        .is_some_and(|value| !value.is_empty())
        || environment.get("TERM").is_some_and(|term| term == "dumb");
    let terminal = Terminal {
        colour: !plain && std::io::stdout().is_terminal(),
        colour_errors: !plain && std::io::stderr().is_terminal(),
        width: environment
            .get("COLUMNS")
            .and_then(|text| text.parse().ok())
            .unwrap_or(100),
    };
    let words = std::env::args().collect();
    Ok(Invocation {
        command: cli.command,
        environment,
        terminal,
        words,
    })
}
