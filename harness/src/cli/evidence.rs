//! Arguments about the state: records of drills and the log of them.

use std::path::PathBuf;

use clap::Args;

/// Where a drill is recorded.
#[derive(Debug, Args)]
pub struct Keeping {
    /// The state: a folder, or `s3://bucket/prefix`, that keeps the record of each drill and a log of them. Keys and endpoint of S3
    /// come from the variables of AWS. Default: `.redrill` beside the scenario.
    #[arg(long, value_name = "DIR|s3://…", env = "REDRILL_STATE")]
    pub(crate) state: Option<String>,
    /// Record nothing.
    #[arg(long, conflicts_with = "state")]
    pub(crate) no_state: bool,
    /// The private key that signs entries and checkpoints of the log, made by `ssh-keygen -t ed25519`. Default: nothing is signed.
    #[arg(long, value_name = "FILE", env = "REDRILL_KEY")]
    pub(crate) key: Option<PathBuf>,
}

/// Arguments of `redrill verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Records whose entries are to be found: `drill.json` of one drill.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The state.
    #[arg(
        long,
        value_name = "DIR",
        env = "REDRILL_STATE",
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
}
