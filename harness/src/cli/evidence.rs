//! Arguments about the state: records of drills and the log of them.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::REPORTS;
use crate::report::rehearsal_reports;
use crate::units::Span;

/// Where a drill is recorded.
#[derive(Debug, Args)]
pub struct Keeping {
    /// The state: a folder, or `s3://bucket/prefix`, that keeps the record of each drill and a log of them. Keys and endpoint of S3
    /// come from the variables of AWS. Default: `.redrill` beside the scenario.
    #[arg(
        long,
        value_name = "DIR|s3://…",
        env = "REDRILL_STATE",
        hide_env_values = true
    )]
    pub(crate) state: Option<String>,
    /// Record nothing, also where `--state` names a state.
    #[arg(long)]
    pub(crate) no_state: bool,
    /// The private key that signs entries and checkpoints of the log, made by `ssh-keygen -t ed25519`. Default: nothing is signed.
    #[arg(long, value_name = "FILE", env = "REDRILL_KEY", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
    /// A program that signs in place of a key, with its arguments: it gets what is signed on standard input and writes the signature
    /// to standard output. There is no shell. It is tried before the drill.
    #[arg(
        long,
        value_name = "COMMAND",
        env = "REDRILL_SIGN_COMMAND",
        hide_env_values = true,
        conflicts_with = "key"
    )]
    pub(crate) sign_command: Option<String>,
    /// The program that verifies it, as for `redrill verify`: the signature that is tried must be valid.
    #[arg(
        long,
        value_name = "COMMAND",
        env = "REDRILL_VERIFY_COMMAND",
        hide_env_values = true
    )]
    pub(crate) verify_command: Option<String>,
    /// The public keys of others that may sign, as for `redrill verify`: with a key, what an earlier drill left for `record` of a
    /// `baseline` check is used only where that key or one of these signed its entry.
    #[arg(long, value_name = "FILE")]
    pub(crate) signers: Option<PathBuf>,
}

/// Arguments of `redrill verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Reports of one drill, by their ending: `drill.json`, `drill.md`, `drill.html`, `junit.xml`; or `rehearsal.json`. Of each, the entry is
    /// found, and whether it is what the entry is about.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The state.
    #[arg(
        long,
        value_name = "DIR",
        env = "REDRILL_STATE",
        hide_env_values = true,
        default_value = "scenarios/.redrill"
    )]
    pub(crate) state: String,
    /// A checkpoint that was kept elsewhere: the line of a report, or a file with it. Shows that no entry up to it was removed, and
    /// that the log was not written anew.
    #[arg(long, value_name = "LINE|FILE")]
    pub(crate) checkpoint: Option<String>,
    /// The public keys that may sign: a `.pub` file, or an `allowed_signers` file of OpenSSH. Default: those in the state, which
    /// does not show whose they are.
    #[arg(long, value_name = "FILE")]
    pub(crate) signers: Option<PathBuf>,
    /// The program that verifies what `--sign-command` signed: it gets what was signed on standard input and the file with the
    /// signature in place of `{signature}`, and ends with 0 where it is valid.
    #[arg(
        long,
        value_name = "COMMAND",
        env = "REDRILL_VERIFY_COMMAND",
        hide_env_values = true
    )]
    pub(crate) verify_command: Option<String>,
}

/// Arguments of `redrill history`.
#[derive(Debug, Args)]
pub struct History {
    /// Names of scenarios. Default: all.
    #[arg(value_name = "NAME")]
    pub(crate) scenarios: Vec<String>,
    /// The state.
    #[arg(
        long,
        value_name = "DIR|s3://…",
        env = "REDRILL_STATE",
        hide_env_values = true,
        default_value = "scenarios/.redrill"
    )]
    pub(crate) state: String,
    /// Only what began within this time, such as `90d` or `1y`.
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    pub(crate) since: Option<Span>,
    /// List controls (`controls` in a scenario) in place of drills: what is evidence for each, and what is not.
    #[arg(long, conflicts_with = "json")]
    pub(crate) controls: bool,
    /// Print everything that the log has, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write one page over these drills for a browser, in place of the table: a calendar by scenario and quarter, times, sizes and
    /// ages against the objectives, what is overdue, findings, waivers, controls. It is replaced if it exists, and needs no server.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "controls"])]
    pub(crate) html: Option<PathBuf>,
}

/// Arguments of `redrill merge`.
#[derive(Debug, Args)]
pub struct Merge {
    /// The batch, as its shards named it. Default: from the id that a CI system gives the run.
    #[arg(
        long,
        value_name = "NAME",
        env = "REDRILL_BATCH",
        hide_env_values = true
    )]
    pub(crate) batch: Option<String>,
    /// The state that all shards wrote to.
    #[arg(
        long,
        value_name = "DIR|s3://…",
        env = "REDRILL_STATE",
        hide_env_values = true,
        default_value = "scenarios/.redrill"
    )]
    pub(crate) state: String,
    /// Folder for reports: one for each drill, and `junit.xml`, `drills.md` and `drills.html` over all of them.
    #[arg(long, value_name = "DIR", default_value = REPORTS)]
    pub(crate) reports: PathBuf,
    /// Print what failed as annotations of GitHub (`::error file=…,line=…`), after everything else.
    #[arg(long)]
    pub(crate) annotate: bool,
    /// Write metrics of the drills to this file, for the textfile collector of node_exporter, which reads `*.prom`.
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// Wait for shards that have not ended, for this time at most, such as `2h`. Default: what is not there is missing.
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    pub(crate) wait: Option<Span>,
}

/// Arguments of `redrill compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The earlier drill: the number of its entry, or the id of its run.
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// The later drill.
    #[arg(value_name = "AFTER")]
    pub(crate) after: String,
    /// The state.
    #[arg(
        long,
        value_name = "DIR|s3://…",
        env = "REDRILL_STATE",
        hide_env_values = true,
        default_value = "scenarios/.redrill"
    )]
    pub(crate) state: String,
}

/// Arguments of `redrill report`.
#[derive(Debug, Args)]
pub struct Report {
    /// The record of a drill or a rehearsal: its `drill.json` or `rehearsal.json`; or the number of an entry of the log. Of several
    /// drills one report is made, as a run of all of them writes it: `junit` or `markdown`.
    #[arg(value_name = "RECORD", required = true)]
    pub(crate) records: Vec<String>,
    /// The report; `comment` is one of a rehearsal.
    #[arg(long, value_parser = formats(), default_value = "markdown")]
    pub(crate) format: String,
    /// The file to write; it is replaced if it exists. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The state.
    #[arg(
        long,
        value_name = "DIR|s3://…",
        env = "REDRILL_STATE",
        hide_env_values = true,
        default_value = "scenarios/.redrill"
    )]
    pub(crate) state: String,
}

/// Arguments of `redrill gate`.
#[derive(Debug, Args)]
pub struct Gate {
    /// The scenario file. Where it drills several backups, each must be proven.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: PathBuf,
    /// The state. Default: `.redrill` beside the scenario.
    #[arg(
        long,
        value_name = "DIR|s3://…",
        env = "REDRILL_STATE",
        hide_env_values = true
    )]
    pub(crate) state: Option<String>,
    /// How long ago the drill, and the rehearsal, may have begun.
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    pub(crate) max_age: Option<Span>,
    /// Kinds of checks, with commas between them: of each, a required check passed, and none failed or did not run.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) covers: Vec<String>,
    /// The release was rehearsed and is SAFE.
    #[arg(long)]
    pub(crate) rehearsed: bool,
    /// The commit that was rehearsed, or its beginning: that of the CI job, otherwise that of the scenario's folder.
    #[arg(long, value_name = "SHA", requires = "rehearsed", value_parser = commit)]
    pub(crate) commit: Option<String>,
    /// Verify the whole log too; see `redrill verify`.
    #[arg(long)]
    pub(crate) verified: bool,
    /// The public keys that may sign, as for `redrill verify`.
    #[arg(long, value_name = "FILE", requires = "verified")]
    pub(crate) signers: Option<PathBuf>,
    /// The program that verifies what `--sign-command` signed, as for `redrill verify`.
    #[arg(
        long,
        value_name = "COMMAND",
        env = "REDRILL_VERIFY_COMMAND",
        hide_env_values = true
    )]
    pub(crate) verify_command: Option<String>,
    /// A checkpoint that was kept elsewhere, as for `redrill verify`.
    #[arg(long, value_name = "LINE|FILE", requires = "verified")]
    pub(crate) checkpoint: Option<String>,
}

/// The names of all reports: a rehearsal has each kind that a drill has.
fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(rehearsal_reports().map(|report| report.name))
}

/// Reads a commit: 7 hexadecimal digits or more.
fn commit(text: &str) -> Result<String, String> {
    let valid = (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid
        .then(|| text.to_owned())
        .ok_or_else(|| "a commit has 7 to 64 hexadecimal digits".to_owned())
}
