//! `redrill init`: a first scenario with its baseline, from a backup or a database.

mod summary;

use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::backup::settings::Composition;
use crate::backup::settings::parts::Parts;
use crate::backup::source::path::neighbour;
use crate::backup::source::{newest, stream_of, time_in_name};
use crate::baseline::file::save;
use crate::cleanup::Run;
use crate::cli::{self, Terminal};
use crate::command::abort::{Abort, Ended, NOT_WRITTEN};
use crate::command::print::out;
use crate::command::scenarios::{for_backup, is_base, not_for_address, set_decryption, target};
use crate::command::throwaway::with_server;
use crate::context::Context;
use crate::exit_code::Ending;
use crate::init::generate::{
    GeneratedScenario, InitRequest, OpenSource, SESSIONS, from_backup, from_source,
};
use crate::init::location::BackupLocation;
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;
use crate::server::Servers;
use crate::source::{Address, Source};
use crate::stage::Stopped;
use crate::verdict::Verdict;

/// What is described.
enum From {
    Backup(PathBuf),
    /// The address as it was given, and a backup of it.
    Source(String, Option<PathBuf>),
}

/// Runs the command.
pub async fn run(arguments: cli::Init, environment: Environment, terminal: Terminal) -> Ended {
    let (from, request) = parse(&arguments).map_err(Abort::invalid)?;
    let work = async |context: &Context, run: &Run, servers: &mut Servers| {
        make(&from, &arguments, &request, context, run, servers).await
    };
    with_server(
        &arguments.restore,
        environment,
        work,
        |ended, redactor| match ended {
            Ok(made) => save_both(&made, &request, arguments.force, redactor, terminal),
            Err(stopped) => Err(Abort::stopped(NOT_WRITTEN, &stopped, redactor, terminal)),
        },
    )
    .await
}

/// Describes a database and writes checks, which are run if there is a backup.
async fn make(
    from: &From,
    arguments: &cli::Init,
    request: &InitRequest,
    context: &Context,
    run: &Run,
    servers: &mut Servers,
) -> Result<GeneratedScenario, Stopped> {
    let backup = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let scenario = for_backup(&path, &arguments.restore);
        let mut scenario = scenario.map_err(CouldNotRun::new)?;
        scenario.restore.database.clone_from(&request.database);
        let globals = &request.location.globals;
        for subject in scenario.backup.subjects_mut() {
            subject.source.globals.clone_from(globals);
        }
        if !request.location.parts.is_empty() {
            let parts = request.location.parts.iter();
            let patterns = parts.map(|part| (part.name.clone(), part.pattern.clone()));
            scenario.backup = Composition::Parts(Parts::newest(patterns));
            set_decryption(&mut scenario.backup, &arguments.restore.decryption);
        }
        Ok::<_, CouldNotRun>(scenario)
    };
    match from {
        From::Backup(path) => {
            from_backup(request, backup(path)?, context, run, servers, None).await
        }
        From::Source(address, dump) => {
            let address = Address::parse(address, &context.redactor).map_err(CouldNotRun::new)?;
            let mut source = Source::connect(address).await?;
            let mut more = source.more(SESSIONS - 1).await;
            let open = OpenSource {
                first: &mut source,
                more: &mut more,
            };
            let made = match dump {
                Some(path) => {
                    from_backup(request, backup(path)?, context, run, servers, Some(open)).await
                }
                None => from_source(request, open, &context.environment)
                    .await
                    .map_err(Stopped::from),
            };
            for session in more {
                session.close().await;
            }
            source.close().await;
            made
        }
    }
}

/// Checks the command line before anything is started.
fn parse(arguments: &cli::Init) -> Result<(From, InitRequest), String> {
    let folder = &arguments.out;
    if folder.exists() && !folder.is_dir() {
        return Err(format!(
            "{} is not a folder\nhint: set the folder of the scenario with `--out`",
            folder.display()
        ));
    }
    let recovery = &arguments.restore.recovery;
    let located = |path: &Path| {
        if !is_base(path, recovery) {
            return Ok(BackupLocation::of(path, folder));
        }
        let wal = recovery.wal.as_deref().map(existing).transpose()?;
        let target = target(recovery)?.unwrap_or_default();
        let base = BackupLocation::base(path, wal.as_deref(), &target, folder);
        Ok::<_, String>(base)
    };
    let (from, location, name) = if Address::is_one(&arguments.from) {
        let redactor = Redactor::default();
        let address =
            Address::parse(&arguments.from, &redactor).map_err(|why| redactor.clean(&why))?;
        let location = match &arguments.backup {
            Some(path) => existing(path).and_then(|path| located(&path))?,
            None => match recovery.first() {
                Some(option) => return Err(not_for_address(option)),
                None => BackupLocation::later(),
            },
        };
        let path = address.shown().split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        (
            From::Source(arguments.from.clone(), arguments.backup.clone()),
            location,
            name,
        )
    } else {
        if arguments.backup.is_some() {
            return Err(
                "`--backup` requires the address of a database in `--from`, which is a backup here"
                    .to_owned(),
            );
        }
        let mut path = existing(Path::new(&arguments.from))?;
        if is_base(&path, recovery) {
            (From::Backup(path.clone()), located(&path)?, stem(&path))
        } else if let Some(streams) = newest::several_of_folder(&path) {
            let location = BackupLocation::several(&path, &streams, folder);
            (From::Backup(path.clone()), location, stem(&path))
        } else {
            let newest = newest::of_folder(&path);
            if let Some(newest) = &newest {
                path.clone_from(&newest.path);
            }
            let mut location = BackupLocation::of(&path, folder);
            location.chosen = newest.map(|newest| newest.chosen);
            (From::Backup(path.clone()), location, stem(&path))
        }
    };
    let location = location.opened_by(
        arguments.restore.decryption.age_identity.as_deref(),
        arguments.restore.decryption.decrypt.as_deref(),
        folder,
    );
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => plain(&name),
    };
    if plain(&name) != name {
        return Err(format!(
            "`{name}` is not a valid name of a scenario\nhint: use letters, digits, `-`, `_` and `.`, as in `--name {}`",
            plain(&name)
        ));
    }
    let request = InitRequest {
        file: folder.join(format!("{name}.toml")),
        baseline: folder.join(format!("{name}.baseline.toml")),
        name,
        location,
        database: arguments.database.clone(),
    };
    let there = [&request.file, &request.baseline]
        .into_iter()
        .find(|file| std::fs::symlink_metadata(file).is_ok());
    match there.filter(|_| !arguments.force) {
        None => Ok((from, request)),
        Some(file) => Err(format!(
            "{} exists already\nhint: set another name with `--name`, or replace it with `--force`",
            file.display()
        )),
    }
}

/// The path of a backup on this machine.
fn existing(path: &Path) -> Result<PathBuf, String> {
    let Err(error) = std::fs::metadata(path) else {
        return Ok(path.to_owned());
    };
    let hint = neighbour(path).map_or_else(
        || "`--from` is the path of a backup or `postgres://user@host/database`".to_owned(),
        |near| format!("did you mean {}?", near.display()),
    );
    Err(format!(
        "cannot read {}: {error}\nhint: {hint}",
        path.display()
    ))
}

/// The name of a backup without time and extensions.
fn stem(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = absolute
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let name = match time_in_name(&name) {
        Some(_) => stream_of(&name),
        None => name,
    };
    let before = name.split('.').next().unwrap_or_default();
    before.replace('*', "")
}

/// Makes the name of a scenario out of a text.
fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    match name.trim_matches(['-', '_', '.']) {
        "" => "database".to_owned(),
        name => name.to_owned(),
    }
}

/// Writes both files and reports what they contain.
fn save_both(
    made: &GeneratedScenario,
    request: &InitRequest,
    force: bool,
    redactor: &Redactor,
    terminal: Terminal,
) -> Ended {
    save(&request.baseline, &made.baseline).map_err(CouldNotRun::new)?;
    atomic_file::write(&request.file, &made.text, force).map_err(|error| {
        CouldNotRun::with_hint(error.to_string(), "set another folder with `--out`")
    })?;
    let text = summary::summary(made, request, terminal.width, terminal.colour);
    out(&redactor.clean(&text));
    Ok(match summary::nothing_is_checked(&made.descriptions) {
        true => Ending::Judged(Verdict::NothingChecked),
        false => Ending::Done,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/b/plur-2026-05-25.sql.gz", "plur")]
    #[case("/b/powernode_20260525_020000.sql.gz", "powernode")]
    #[case("/b/My Shop.dump", "My-Shop")]
    #[case("/b/2026-05-25.dump", "database")]
    fn a_scenario_has_the_name_of_its_backup(#[case] path: &str, #[case] name: &str) {
        assert_eq!(plain(&stem(Path::new(path))), name);
    }
}
