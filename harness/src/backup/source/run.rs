//! Runs a command that fetches a backup or a part of it: confined, and with a temporary folder of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::confine::{self, hint, listed};
use super::download::{Download, no_room};
use super::found::Place;
use crate::backup::base::settings::FetchKeys;
use crate::disk;
use crate::input::program::ProgramSettings;
use crate::input::secret::SecretText;
use crate::outcome::CouldNotRun;
use crate::process::{self, Program};
use crate::redact::Redactor;
use crate::sandbox::Sandbox;
use crate::units::show_duration;

/// Environment variables that it inherits: enough for programs that log in elsewhere.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LANG", "SSH_AUTH_SOCK"];

/// Variables with the path of its temporary folder. pgBackRest has its locks and logs in folders of the system otherwise, where a drill would
/// keep others from restoring.
const TEMPORARY: [&str; 3] = ["TMPDIR", "PGBACKREST_LOCK_PATH", "PGBACKREST_LOG_PATH"];

/// Other variables: pgBackRest would fetch ahead in the background, into a folder that it shares with servers of this machine.
const SET: [(&str, &str); 1] = [("PGBACKREST_ARCHIVE_ASYNC", "n")];

/// Time between two checks of the free space while a command writes files itself.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// A command, as a section of a scenario sets it.
pub(in crate::backup) struct FetchTerms<'a> {
    /// What sets it in the scenario.
    pub keys: FetchKeys,
    /// Program and arguments.
    pub words: &'a [String],
    /// Additional variables.
    pub env: &'a BTreeMap<String, SecretText>,
    /// Limit for the whole command.
    pub limit: Duration,
    /// What it may write in addition, relative to the scenario file.
    pub writes: &'a [PathBuf],
    /// The folders of the run that it writes to, as absolute paths. The disk of the first must not become full.
    pub folders: &'a [&'a Path],
}

/// A command as it may be shown. Its words may contain a secret of its variables, so these are resolved first; running it reports those
/// that cannot be.
pub(in crate::backup) fn show_command(
    words: &[String],
    env: &BTreeMap<String, SecretText>,
    place: &Place<'_>,
) -> String {
    for text in env.values() {
        let _ = text.resolve(place.folder, place.environment, place.redactor);
    }
    place.redactor.clean(&words.join(" "))
}

/// How a command ended.
pub(in crate::backup) struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The last lines that it wrote to standard error, after a colon and without secrets; empty where there are none.
    pub errors: String,
    /// The next step where a write was refused.
    pub refused: Option<String>,
}

impl Ended {
    /// `it ended with exit code 3: no such host`; `None` where it succeeded.
    pub fn failure(&self) -> Option<String> {
        if self.status.success() {
            return None;
        }
        let how = match self.status.code() {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        };
        Some(format!("{how}{}", self.errors))
    }

    /// The hint where it failed: `otherwise`, unless a write was refused.
    pub fn hint(&self, otherwise: &str) -> String {
        self.refused.clone().unwrap_or_else(|| otherwise.to_owned())
    }
}

/// Runs a command to its end; `output` gets its standard output, which is discarded without one. Dropping what this returns kills the
/// command with all that it started.
///
/// # Errors
/// When it cannot be started, exceeds its limit, or the disk becomes full. An exit code other than 0 is no error.
pub(in crate::backup) async fn run(
    fetch: &FetchTerms<'_>,
    place: &Place<'_>,
    output: Option<&mut Download>,
) -> Result<Ended, CouldNotRun> {
    // It is removed after the command has ended.
    let temporary =
        temporary_folder(place.spool).map_err(|error| unwritable(place.spool, &error))?;
    let mut allowed = listed(fetch.writes, place.folder, fetch.keys.section)?;
    allowed.push(temporary.path().to_owned());
    allowed.extend(fetch.folders.iter().map(|folder| (*folder).to_owned()));
    let settings = ProgramSettings {
        section: fetch.keys.section,
        words: fetch.words,
        inherited: INHERITED,
        variables: fetch.env,
    };
    let mut program =
        settings.resolve(place.folder, place.environment, place.redactor, place.run)?;
    let path = path_text(temporary.path())?;
    let own = TEMPORARY.into_iter().map(|name| (name, path)).chain(SET);
    for (name, value) in own {
        if !fetch.env.contains_key(name) {
            let variable = (name.to_owned(), value.to_owned());
            program.environment.push(variable);
        }
    }
    program.place = process::Place::Sandbox(Sandbox::writing(allowed.clone()));
    let ran = async {
        tokio::select! {
            ended = run_to_end(program, fetch, place.redactor, output) => ended,
            error = watch_disk(fetch.folders.first().copied()) => Err(error),
        }
    };
    let ended = tokio::time::timeout(fetch.limit, ran).await;
    let mut ended = ended.unwrap_or_else(|_| {
        Err(CouldNotRun::with_hint(
            format!(
                "it did not end within {} and was killed",
                show_duration(fetch.limit)
            ),
            format!(
                "raise `{}` in `{}`, or find out why it takes so long",
                fetch.keys.limit, fetch.keys.section
            ),
        ))
    })?;
    if confine::is_confined() && !ended.errors.is_empty() {
        ended.refused = hint(&ended.errors, fetch.keys.section, &allowed);
    }
    Ok(ended)
}

/// Creates an empty folder that only this user may enter, and that is removed when it is dropped.
fn temporary_folder(spool: &Path) -> io::Result<tempfile::TempDir> {
    let spool = std::path::absolute(spool)?;
    std::fs::create_dir_all(&spool)?;
    tempfile::Builder::new().prefix("tmp").tempdir_in(spool)
}

/// The error that the folder of the run cannot be written.
pub(super) fn unwritable(folder: &Path, error: &io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot write to {}: {error}", folder.display()),
        "set another folder with `--work-dir`",
    )
}

/// A path as an argument of a command.
pub(in crate::backup) fn path_text(path: &Path) -> Result<&str, CouldNotRun> {
    path.to_str().ok_or_else(|| {
        CouldNotRun::with_hint(
            format!("the path {} is not UTF-8", path.display()),
            "set another folder with `--work-dir`",
        )
    })
}

async fn run_to_end(
    program: Program,
    fetch: &FetchTerms<'_>,
    redactor: &Redactor,
    output: Option<&mut Download>,
) -> Result<Ended, CouldNotRun> {
    let lost = |error: io::Error| {
        CouldNotRun::with_hint(
            format!("its exit code is unknown: {error}"),
            "run it by hand and see its output",
        )
    };
    let mut running = process::spawn(program)
        .map_err(|error| CouldNotRun::with_hint(error.to_string(), fetch.keys.program))?;
    let mut errors = tokio::spawn(process::keep_end(running.stderr()));
    match (running.stdout(), output) {
        (Some(mut stdout), Some(output)) => {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let read = stdout.read(&mut buffer).await.map_err(lost)?;
                if read == 0 {
                    break;
                }
                output.write(&buffer[..read]).await?;
            }
        }
        // A full pipe would stop it.
        (stdout, _) => drop(tokio::spawn(process::keep_end(stdout))),
    }
    let status = running.wait().await.map_err(lost)?;
    // Processes that it left in the background would keep its pipes open.
    running.kill();
    let errors = process::last_lines(&mut errors, redactor).await;
    Ok(Ended {
        status,
        errors,
        refused: None,
    })
}

/// Returns once the disk of a folder has no room left; never without a folder.
async fn watch_disk(folder: Option<&Path>) -> CouldNotRun {
    let Some(folder) = folder else {
        return std::future::pending().await;
    };
    loop {
        if let Err(reason) = disk::fits(folder, 0) {
            return no_room(folder, &reason);
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
