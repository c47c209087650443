//! `[backup.barman]`: a backup that Barman keeps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Tool, ToolCommands};
use crate::backup::base::settings::{FOLDER, SEGMENT, TABLESPACES};
use crate::input::secret::SecretText;
use crate::units::Span;

/// A backup that Barman keeps, which `barman recover` restores and whose WAL `barman get-wal` gives, by its own configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Barman {
    /// The name of the server.
    pub server: String,
    /// The configuration of Barman, relative to the scenario file. Default: that of Barman, `/etc/barman.conf`.
    pub config: Option<PathBuf>,
    /// The id of a backup, such as `20261124T203530`. Default: `latest`.
    pub backup: Option<String>,
    /// Names of the tablespaces of the cluster. Barman restores a tablespace that is not named to its path of the source, where the drill does not
    /// let it write.
    #[serde(default)]
    pub tablespaces: Vec<String>,
    /// Further options of `barman recover`, such as `["--jobs", "4"]`.
    #[serde(default)]
    pub options: Vec<String>,
    /// Additional variables. It inherits `PATH`, `HOME`, `USER`, `LANG` and `SSH_AUTH_SOCK`.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit for the restore; `6h` where it is not set.
    pub timeout: Option<Span>,
    /// Limit for one file of WAL; `10m` where it is not set.
    pub wal_timeout: Option<Span>,
    /// Files and folders that it may write in addition to the folders of the run, relative to the scenario file: Barman opens its lock,
    /// `["/var/lib/barman/.main-archive-wal.lock"]`.
    #[serde(default)]
    pub writes: Vec<PathBuf>,
}

impl Barman {
    /// Its commands.
    #[must_use]
    pub fn commands(self) -> ToolCommands {
        let mut barman = vec!["barman".to_owned()];
        if let Some(config) = self.config {
            barman.extend(["-c".to_owned(), config.display().to_string()]);
        }
        let mut recover = ["recover", "--get-wal"].map(str::to_owned).to_vec();
        for name in self.tablespaces {
            recover.extend([
                "--tablespace".to_owned(),
                format!("{name}:{TABLESPACES}/{name}"),
            ]);
        }
        recover.extend(self.options);
        let backup = self.backup.unwrap_or_else(|| "latest".to_owned());
        recover.extend([self.server.clone(), backup, FOLDER.to_owned()]);
        let get = ["get-wal".to_owned(), self.server, SEGMENT.to_owned()];
        Tool {
            section: "[backup.barman]",
            program: "install Barman on the machine that runs the drill, and put it into `PATH`",
            env: self.env,
            writes: self.writes,
            timeout: self.timeout,
            wal_timeout: self.wal_timeout,
        }
        .commands(
            [&barman, &recover[..]].concat(),
            [&barman, &get[..]].concat(),
        )
    }
}
