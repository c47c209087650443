//! `[backup.pgbackrest]`: a backup in a repository of pgBackRest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Tool, ToolCommands, absolute};
use crate::backup::base::settings::{FILE, FOLDER, SEGMENT, TABLESPACES, Target};
use crate::input::secret::SecretText;
use crate::units::Span;

/// A backup in a repository of pgBackRest, which `pgbackrest` restores and whose WAL it gives, by its own configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PgBackRest {
    /// The stanza.
    pub stanza: String,
    /// Its configuration, relative to the scenario file. Default: that of pgBackRest, `/etc/pgbackrest/pgbackrest.conf`.
    pub config: Option<PathBuf>,
    /// The number of the repository. Default: pgBackRest selects one.
    pub repository: Option<u32>,
    /// The label of a backup, such as `20261124-203530F`. Default: the newest before the `time` or the `lsn` in `[recovery]`,
    /// otherwise the newest.
    pub set: Option<String>,
    /// Further options of both commands, such as `["--repo1-path=/backups"]`.
    #[serde(default)]
    pub options: Vec<String>,
    /// Additional variables, such as `PGBACKREST_REPO1_CIPHER_PASS`. It inherits `PATH`, `HOME`, `USER`, `LANG` and
    /// `SSH_AUTH_SOCK`.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit for the restore; `6h` where it is not set.
    pub timeout: Option<Span>,
    /// Limit for one file of WAL; `10m` where it is not set.
    pub wal_timeout: Option<Span>,
    /// Files and folders that it may write in addition to the folders of the run, relative to the scenario file.
    #[serde(default)]
    pub writes: Vec<PathBuf>,
    /// The program. Default: the `pgbackrest` in `PATH`.
    pub program: Option<String>,
}

impl PgBackRest {
    /// Its commands for a recovery up to a target.
    #[must_use]
    pub fn commands(self, target: &Target) -> ToolCommands {
        let mut tool = vec![self.program.unwrap_or_else(|| "pgbackrest".to_owned())];
        tool.extend(
            self.config
                .map(|path| format!("--config={}", absolute(&path))),
        );
        tool.push(format!("--stanza={}", self.stanza));
        tool.extend(self.repository.map(|number| format!("--repo={number}")));
        tool.push(format!("--pg1-path={FOLDER}"));
        tool.extend(self.options);
        // Without the map it would restore tablespaces to the paths of the source.
        let mut restore = vec![format!("--tablespace-map-all={TABLESPACES}")];
        match (self.set, target) {
            (Some(set), _) => restore.push(format!("--set={set}")),
            // It selects the backup by these; the settings of a recovery that it writes have no effect.
            (None, Target::Time(time)) => {
                let time = time.strftime("%Y-%m-%d %H:%M:%S.%6f+00");
                restore.extend(["--type=time".to_owned(), format!("--target={time}")]);
            }
            (None, Target::Lsn(lsn)) => {
                restore.extend(["--type=lsn".to_owned(), format!("--target={lsn}")]);
            }
            (
                None,
                Target::Latest | Target::Immediate | Target::Transaction(_) | Target::Name(_),
            ) => {}
        }
        restore.push("restore".to_owned());
        let get = ["archive-get", SEGMENT, FILE].map(str::to_owned);
        Tool {
            section: "[backup.pgbackrest]",
            program: "install pgBackRest on the machine that runs the drill, or set `program` in `[backup.pgbackrest]`",
            env: self.env,
            writes: self.writes,
            timeout: self.timeout,
            wal_timeout: self.wal_timeout,
        }
        .commands([&tool, &restore[..]].concat(), [&tool, &get[..]].concat())
    }
}
