//! The data folder: a copy of a template, or what `initdb` makes.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::time::Duration;

use super::Local;
use super::template::Template;
use crate::outcome::CouldNotRun;
use crate::process::{self, Place, Program};

/// Limit for `initdb`.
const INITDB_WITHIN: Duration = Duration::from_secs(60);

impl Local {
    /// Makes the data folder of the superuser, from a template or by `initdb`. No server runs yet, so nothing of the
    /// backup either.
    pub(super) async fn make_data(&self) -> Result<(), CouldNotRun> {
        let arguments = [
            "--username",
            &self.superuser,
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            // The socket is in a folder of this run; nothing listens on TCP.
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-sync",
        ]
        .map(str::to_owned)
        .to_vec();
        let template = self.template(&arguments);
        // Without an await: an interrupted run removes the folder, and nothing may go on writing to it.
        let copied = template
            .as_ref()
            .is_some_and(|template| template.copy_to(&self.data, self.user));
        // Last: until then only redrill may enter it.
        self.give_data()?;
        if copied {
            return Ok(());
        }
        self.initdb(arguments).await?;
        if let Some(template) = template {
            // Without a template the next run is slower.
            let _ = template.keep(&self.data, &self.run);
        }
        Ok(())
    }

    /// The template of a data folder that `initdb` makes with these arguments; `None` where it cannot be kept.
    fn template(&self, arguments: &[String]) -> Option<Template> {
        let templates = self.templates.as_ref().ok()?;
        let mut read = self.installation.read_by_initdb()?;
        read.extend(self.libraries.iter().cloned());
        let (version, bin) = (&self.installation.version, &self.installation.bin);
        let mut words = arguments.to_vec();
        words.push(format!("{version} {:?} {}", self.user, bin.display()));
        let title = format!("{version}, {}, superuser {}", bin.display(), self.superuser);
        Some(templates.of(&read, &words, title))
    }

    /// Gives the data folder to the user of the server.
    pub(super) fn give_data(&self) -> Result<(), CouldNotRun> {
        let Some((user, group)) = self.user else {
            return Ok(());
        };
        chown(&self.data, Some(user), Some(group)).map_err(|error| {
            CouldNotRun::new(format!("cannot give {} away: {error}", self.data.display()))
        })
    }

    /// Runs `initdb` as the user of the server.
    async fn initdb(&self, mut arguments: Vec<String>) -> Result<(), CouldNotRun> {
        arguments.extend(["--pgdata".to_owned(), self.data.display().to_string()]);
        let initdb = self.installation.bin.join("initdb");
        let mut sandbox = self.sandbox(&initdb, &[], &[&self.data]);
        // It starts `postgres` by a shell.
        let shells = ["/bin", "/usr/bin"].map(PathBuf::from);
        sandbox.execute.push(self.installation.bin.clone());
        sandbox.execute.extend(shells.iter().cloned());
        sandbox.read.extend(shells);
        let made = process::run(
            Program {
                path: initdb,
                place: Place::Sandbox(sandbox),
                arguments,
                environment: self.environment(),
                folder: Some(self.data.clone()),
                user: self.user,
                run: self.run.clone(),
                ..Program::default()
            },
            INITDB_WITHIN,
        )
        .await?;
        if made.status.success() {
            return Ok(());
        }
        let mut lines = made.stderr.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        Err(CouldNotRun::new(format!(
            "initdb failed: {}",
            last.unwrap_or("no message")
        )))
    }
}
