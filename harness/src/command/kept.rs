//! Kept servers: `redrill list --kept`, `redrill psql`, `redrill drop`, and what `redrill run --keep` prints.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::abort::{Abort, Ended};
use super::print::{err, out};
use super::start::work_folder;
use crate::cleanup::Work;
use crate::cli;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::process;
use crate::server::kept::{Kept, NoKept};
use crate::units::{show_bytes, show_duration};

/// Where Debian's packages have the programs of each version.
const INSTALLED: &str = "/usr/lib/postgresql";

/// Lists kept servers.
pub(super) fn list(work: &cli::Work, environment: &Environment) -> Ended {
    let work = work_folder(&work.work_dir, environment)?;
    let (all, damaged) = Kept::all(&work);
    for kept in &all {
        let facts = &kept.facts;
        let verdict = facts.verdict.as_deref().unwrap_or("no verdict");
        let state = match &kept.ended {
            None => String::new(),
            Some(why) => format!("\n    ended      {why}"),
        };
        out(&format!(
            "{}  {verdict}  until {}\n    scenario   {}  ({})\n    databases  {}\n    server     PostgreSQL {}, {}, {}, {}{state}",
            facts.name,
            until(kept),
            facts.scenario,
            facts.file.display(),
            facts.databases.join(", "),
            facts.version,
            facts.provider,
            facts.origin,
            show_bytes(facts.bytes),
        ));
    }
    for damaged in &damaged {
        err(&Abort::from(damaged.error()).message);
    }
    if all.is_empty() && damaged.is_empty() {
        out("no server is kept; `redrill run --keep 2h` keeps that of a drill for two hours");
    }
    Ok(Ending::Done)
}

/// How a server that was kept is used.
pub(super) fn usage(kept: &Kept) -> String {
    let name = &kept.facts.name;
    format!(
        "kept       {name} until {}: `redrill psql {name}`, `redrill rehearse --on {name}`, `redrill drop {name}`",
        until(kept)
    )
}

/// Why a server was not kept.
pub(super) fn failure(error: &CouldNotRun) -> String {
    let hint = error.hint.as_ref();
    let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    format!("no server is kept: {}{hint}", error.reason)
}

/// Becomes psql on a kept server.
pub(super) fn psql(arguments: &cli::Psql, environment: &Environment) -> Ended {
    let work = work_folder(&arguments.work.work_dir, environment)?;
    let kept = named(&arguments.name, &work)?;
    if let Some(why) = &kept.ended {
        return Err(CouldNotRun::with_hint(
            format!("the server of {} has ended: {why}", kept.facts.name),
            format!("`redrill drop {}` removes it", kept.facts.name),
        )
        .into());
    }
    let database = kept.facts.databases.first();
    let mut variables = vec![
        ("PGHOST", kept.socket().display().to_string()),
        ("PGPORT", "5432".to_owned()),
        ("PGUSER", kept.facts.superuser.clone()),
    ];
    variables.extend(database.map(|name| ("PGDATABASE", name.clone())));
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let program = kept.psql().filter(|path| path.exists());
    let program = program.or_else(|| installed(environment)).ok_or_else(|| {
        CouldNotRun::with_hint(
            "no psql is on this machine",
            format!(
                "install it, such as `apt-get install postgresql-client`, or connect another client to the socket in {}",
                kept.socket().display()
            ),
        )
    })?;
    let error = process::replace(&program, &arguments.arguments, &variables);
    Err(CouldNotRun::new(format!("cannot start {}: {error}", program.display())).into())
}

/// Removes a kept server.
pub(super) async fn drop(arguments: &cli::Drop, environment: &Environment) -> Ended {
    let work = work_folder(&arguments.work.work_dir, environment)?;
    let removed = Kept::remove(&work, &arguments.name).await;
    removed.map_err(not_found)?;
    out(&format!("removed {}", arguments.name));
    Ok(Ending::Done)
}

/// The kept server of a name.
pub(super) fn named(name: &str, work: &Work) -> Result<Kept, Abort> {
    Kept::named(work, name).map_err(not_found)
}

fn not_found(error: NoKept) -> Abort {
    match error {
        NoKept::Unknown(error) => Abort::nothing_found(Abort::from(error).message),
        NoKept::Unusable(error) => error.into(),
    }
}

/// `2026-05-25 14:00:00 UTC, in 2 h`.
fn until(kept: &Kept) -> String {
    let seconds = i64::try_from(kept.facts.until).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{at}, in {}", show_duration(kept.left()))
}

/// A psql in `PATH`, otherwise the newest one that a package installed.
fn installed(environment: &Environment) -> Option<PathBuf> {
    let path = environment
        .get("PATH")
        .map_or("/usr/bin:/bin", String::as_str);
    let mut found = std::env::split_paths(path).map(|folder| folder.join("psql"));
    found.find(|program| program.is_file()).or_else(|| {
        let versions = Path::new(INSTALLED).read_dir().ok()?.flatten();
        let mut versions: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| {
                let major = entry.file_name().to_str()?.parse().ok()?;
                let program = entry.path().join("bin/psql");
                program.is_file().then_some((major, program))
            })
            .collect();
        versions.sort();
        versions.pop().map(|(_, program)| program)
    })
}
