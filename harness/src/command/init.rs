//! `redrill init`: a first scenario for a database that nobody described.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::inspect::open_with;
use super::run::provider;
use super::throwaway::{of_a_backup, with_server};
use super::{Abort, Ended, out};
use crate::backup::source::{stream_of, time_in_name};
use crate::baseline::observed::save;
use crate::cleanup::Run;
use crate::cli::{self, Terminal};
use crate::context::Context;
use crate::exit_code::Ending;
use crate::init::place::Place;
use crate::init::{Made, Seen, Wish, from_backup, from_source};
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;
use crate::report::terminal::initial;
use crate::server::ThrowawayServer;
use crate::source::{Address, Source};
use crate::stage::Stopped;

/// What is looked at.
enum From {
    Backup(PathBuf),
    /// The address as it was given, and a backup of it.
    Source(String, Option<PathBuf>),
}

/// Sessions that read rows at the same time.
const SESSIONS: usize = 4;

/// Runs the command.
pub async fn run(arguments: cli::Init, environment: Environment, terminal: Terminal) -> Ended {
    let (from, wish) = asked(&arguments).map_err(Abort::invalid)?;
    let work = async |context: &Context, run: &Run, server: &mut Option<ThrowawayServer>| {
        make(&from, &arguments, &wish, context, run, server).await
    };
    with_server(
        &arguments.work.work_dir,
        arguments.quiet,
        environment,
        work,
        |ended, redactor| match ended {
            Ok(made) => keep(&made, &wish, arguments.force, redactor, terminal),
            Err(stopped) => Err(Abort::stopped("NOT WRITTEN", &stopped, redactor, terminal)),
        },
    )
    .await
}

/// Looks, and tries what comes of it where there is a backup.
async fn make(
    from: &From,
    arguments: &cli::Init,
    wish: &Wish,
    context: &Context,
    run: &Run,
    server: &mut Option<ThrowawayServer>,
) -> Result<Made, Stopped> {
    let backup = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut scenario = of_a_backup(&path);
        open_with(&mut scenario.backup, &arguments.opening);
        provider(&mut scenario.server, arguments.server);
        scenario.restore.database.clone_from(&wish.database);
        scenario
    };
    match from {
        From::Backup(path) => from_backup(wish, backup(path), context, run, server, None).await,
        From::Source(address, dump) => {
            let address = Address::parse(address, &context.redactor).map_err(CouldNotRun::new)?;
            let shown = address.shown().to_owned();
            let mut source = Source::connect(address).await.map_err(|error| {
                CouldNotRun::with_hint(
                    format!("cannot read {shown}: {error}"),
                    "the role needs to log in and to read all tables, as `GRANT pg_read_all_data` lets it",
                )
            })?;
            let mut more = source.more(SESSIONS - 1).await;
            let seen = Seen::of(&mut source, &mut more);
            let made = match dump {
                Some(path) => {
                    from_backup(wish, backup(path), context, run, server, Some(seen)).await
                }
                None => from_source(wish, seen).await,
            };
            for session in more {
                session.close().await;
            }
            source.close().await;
            made
        }
    }
}

/// What the command line asks for, seen to be possible before anything is started.
fn asked(arguments: &cli::Init) -> Result<(From, Wish), String> {
    let folder = &arguments.out;
    if folder.exists() && !folder.is_dir() {
        return Err(format!(
            "{} is no folder\nhint: name the folder that the scenario goes into with `--out`",
            folder.display()
        ));
    }
    let (from, place, name) = if Address::is_one(&arguments.from) {
        let redactor = Redactor::default();
        let address =
            Address::parse(&arguments.from, &redactor).map_err(|why| redactor.clean(&why))?;
        let place = match &arguments.backup {
            Some(path) => there(path).map(|path| Place::of(&path, folder))?,
            None => Place::later(),
        };
        let name = address.shown().rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default().to_owned();
        (
            From::Source(arguments.from.clone(), arguments.backup.clone()),
            place,
            name,
        )
    } else {
        if arguments.backup.is_some() {
            return Err(
                "`--backup` goes with the address of a database: `--from` names a backup already"
                    .to_owned(),
            );
        }
        let path = there(Path::new(&arguments.from))?;
        (
            From::Backup(path.clone()),
            Place::of(&path, folder),
            stem(&path),
        )
    };
    let place = place.opened_by(
        arguments.opening.age_identity.as_deref(),
        arguments.opening.decrypt.as_deref(),
        folder,
    );
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => plain(&name),
    };
    if plain(&name) != name {
        return Err(format!(
            "`{name}` is no name of a scenario\nhint: letters, digits, `-`, `_` and `.`, as in `--name {}`",
            plain(&name)
        ));
    }
    let wish = Wish {
        file: folder.join(format!("{name}.toml")),
        baseline: folder.join(format!("{name}.baseline.toml")),
        name,
        place,
        database: arguments.database.clone(),
    };
    let there = [&wish.file, &wish.baseline]
        .into_iter()
        .find(|file| std::fs::symlink_metadata(file).is_ok());
    match there.filter(|_| !arguments.force) {
        None => Ok((from, wish)),
        Some(file) => Err(format!(
            "{} is there already\nhint: give another name with `--name`, or replace it with `--force`",
            file.display()
        )),
    }
}

/// A backup on this machine.
fn there(path: &Path) -> Result<PathBuf, String> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(format!(
            "cannot read {}: {error}\nhint: `--from` is a backup on this machine, or `postgres://user@host/database`",
            path.display()
        )),
    }
}

/// What a backup is of: its name without time and endings.
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

/// A text as the name of a scenario.
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

/// Writes the file and says what it holds.
fn keep(made: &Made, wish: &Wish, force: bool, redactor: &Redactor, terminal: Terminal) -> Ended {
    save(&wish.baseline, &made.baseline).map_err(CouldNotRun::new)?;
    write(&wish.file, &made.text, force).map_err(|error| {
        CouldNotRun::with_hint(
            format!("cannot write {}: {error}", wish.file.display()),
            "name another folder with `--out`",
        )
    })?;
    let text = initial::made(made, wish, terminal.width, terminal.colour);
    out(&redactor.clean(&text));
    Ok(Ending::Done)
}

/// Writes a whole file or none; one that is there is only replaced when that was asked for.
fn write(file: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut written = tempfile::Builder::new()
        .prefix(".redrill-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)?;
    written.write_all(text.as_bytes())?;
    if force {
        written.persist(file)?;
    } else {
        written.persist_noclobber(file)?;
    }
    Ok(())
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
    fn a_scenario_is_called_as_its_backup(#[case] path: &str, #[case] name: &str) {
        assert_eq!(plain(&stem(Path::new(path))), name);
    }
}
