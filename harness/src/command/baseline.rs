//! `redrill baseline`: writes the state of a known-good database to a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::abort::{Abort, Ended, NOT_WRITTEN};
use super::print::out;
use super::scenarios::{is_scenario, not_for_address, to_restore};
use super::throwaway::with_server;
use crate::baseline::file::save;
use crate::baseline::take::{self, TakeOptions};
use crate::baseline::{Baseline, Database};
use crate::catalog::Catalog;
use crate::cleanup::Run;
use crate::cli::{self, Terminal};
use crate::context::Context;
use crate::database::{DatabaseError, Session, Terms};
use crate::digest::sha256_of;
use crate::exit_code::Ending;
use crate::init;
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::pipeline::Pipeline;
use crate::process::{self, Input, Program};
use crate::proof::settings::Level;
use crate::record::Record;
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::server::Servers;
use crate::source::{Address, Source};
use crate::sql::QualifiedName;
use crate::stage::Stopped;
use crate::units::show_counted;

/// Sessions that read at the same time.
const SESSIONS: usize = 4;

/// Limit of a statement on a restored database.
const READ_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// Limit of pg_dump.
const DUMP_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Runs the command.
pub async fn run(arguments: cli::Baseline, environment: Environment, terminal: Terminal) -> Ended {
    let named = arguments.append_only.iter();
    let append_only: Result<Vec<QualifiedName>, String> =
        named.map(|name| QualifiedName::parse(name)).collect();
    let append_only = append_only.map_err(|why| {
        Abort::invalid(format!(
            "`--append-only`: {why}\nhint: a table is named as in `app.audit_log`"
        ))
    })?;
    if Address::is_one(&arguments.from) {
        if let Some(option) = arguments.restore.recovery.first() {
            return Err(Abort::invalid(not_for_address(option)));
        }
        of_source(&arguments, &environment, append_only).await
    } else {
        of_backup(arguments, environment, append_only, terminal).await
    }
}

/// Takes the baseline of an existing database.
async fn of_source(
    arguments: &cli::Baseline,
    environment: &Environment,
    append_only: Vec<QualifiedName>,
) -> Ended {
    let redactor = Redactor::default();
    let address = Address::parse(&arguments.from, &redactor)
        .map_err(|why| Abort::invalid(redactor.clean(&why)))?;
    let shown = address.shown().to_owned();
    let source = Source::connect(address).await;
    let mut source = source.map_err(|error| redactor.clean_error(error))?;
    let path = match (&arguments.out, &arguments.with_dump) {
        (Some(path), _) => path.clone(),
        (None, Some(dump)) => manifest_of(dump),
        (None, None) => PathBuf::from(format!("{}.baseline.toml", source.database)),
    };
    let wanted = std::iter::once(&path).chain(&arguments.with_dump);
    for path in wanted {
        refuse_existing(path, arguments.force)?;
    }
    let taken = Timestamp::now();
    let dumping = async {
        match &arguments.with_dump {
            None => Ok(None),
            Some(file) => dump(&source, file, &arguments.pg_dump, environment)
                .await
                .map(Some),
        }
    };
    let mut more = source.more(SESSIONS - 1).await;
    let dump = dumping.await.map_err(|error| redactor.clean_error(error))?;
    let read = read(source.session(), &mut more, append_only).await;
    let from = format!("database {} of {shown}", source.database);
    let (name, version) = (source.database.clone(), source.version.clone());
    for session in more {
        session.close().await;
    }
    source.close().await;
    let database = read.map_err(|error| {
        redactor.clean_error(CouldNotRun::new(format!("cannot read {shown}: {error}")))
    })?;
    let baseline = Baseline {
        taken,
        from: redactor.clean(&from),
        server: version,
        dump,
        against: None,
        databases: [(name, database)].into(),
    };
    write(&baseline, &path, arguments.with_dump.as_deref())
}

/// Reads a database by several sessions of one snapshot.
async fn read(
    first: &mut Session,
    more: &mut [Session],
    mut append_only: Vec<QualifiedName>,
) -> Result<Database, DatabaseError> {
    let catalog = Catalog::read(first).await?;
    append_only.extend(init::growing(&catalog));
    let options = TakeOptions {
        append_only,
        digests: true,
        ..TakeOptions::default()
    };
    let mut sessions: Vec<&mut Session> = std::iter::once(first).chain(more.iter_mut()).collect();
    take::with_catalog(&mut sessions, catalog, &options).await
}

/// Dumps the snapshot; returns the SHA-256 of the dump.
async fn dump(
    source: &Source,
    file: &Path,
    program: &Path,
    environment: &Environment,
) -> Result<String, CouldNotRun> {
    let unable = |error: &dyn std::fmt::Display| CouldNotRun::new(error.to_string());
    let Some(snapshot) = source.snapshot() else {
        return Err(CouldNotRun::with_hint(
            "the server exports no snapshot, so a dump would not contain the same state",
            "take both from the primary, without a connection pooler",
        ));
    };
    let file = std::path::absolute(file).map_err(|error| unable(&error))?;
    // An incomplete dump must not have the name of a backup.
    let mut unfinished = file.clone().into_os_string();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let folder = file.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        return Err(CouldNotRun::with_hint(
            format!("the folder {} does not exist", folder.display()),
            "create it, or set a file in another folder",
        ));
    }
    let program = match program.components().count() {
        1 => program.to_owned(),
        _ => std::path::absolute(program).map_err(|error| unable(&error))?,
    };
    let ending = file
        .extension()
        .map(|ending| ending.to_string_lossy().into_owned());
    let mut arguments = vec![
        format!("--dbname={}", source.address().shown()),
        format!("--snapshot={snapshot}"),
        format!("--file={}", unfinished.display()),
    ];
    arguments.extend(match ending.as_deref() {
        Some("dump") => vec!["--format=custom".to_owned()],
        Some("gz") => vec!["--compress=6".to_owned()],
        Some(method @ ("zst" | "lz4")) => {
            let method = if method == "zst" { "zstd" } else { method };
            vec![format!("--compress={method}")]
        }
        Some(_) | None => Vec::new(),
    });
    let output = process::run(
        Program {
            path: program,
            arguments,
            environment: source.address().environment(environment),
            input: Input::Nothing,
            ..Program::default()
        },
        DUMP_WITHIN,
    )
    .await
    .map_err(|error| unable(&error).hint("set a pg_dump with `--pg-dump`"))?;
    if !output.status.success() {
        // It may not exist.
        let _ = std::fs::remove_file(&unfinished);
        return Err(CouldNotRun::with_hint(
            format!(
                "pg_dump ended with {}: {}",
                output.status,
                output.stderr.trim()
            ),
            match output.stderr.contains("row-level security") {
                true => "pg_dump must read every row: use a superuser, or a role with `ALTER ROLE … BYPASSRLS`".to_owned(),
                false => format!(
                    "its version must be that of the server, {}, or newer: set one with `--pg-dump`",
                    source.version
                ),
            },
        ));
    }
    std::fs::rename(&unfinished, &file).map_err(|error| {
        CouldNotRun::new(format!(
            "cannot rename the dump to {}: {error}",
            file.display()
        ))
    })?;
    let read = tokio::task::spawn_blocking(move || sha256_of(std::fs::File::open(&file)?));
    match read.await {
        Ok(Ok(sum)) => Ok(sum),
        Ok(Err(error)) => Err(CouldNotRun::new(format!("cannot read the dump: {error}"))),
        Err(error) => Err(unable(&error)),
    }
}

/// Takes the baseline of a backup, restored into a throwaway server.
async fn of_backup(
    arguments: cli::Baseline,
    environment: Environment,
    mut append_only: Vec<QualifiedName>,
    terminal: Terminal,
) -> Ended {
    let from = PathBuf::from(&arguments.from);
    if arguments.with_dump.is_some() {
        return Err(Abort::invalid(
            "`--with-dump` requires a database to dump\nhint: set its address with `--from postgres://…`",
        ));
    }
    let is_scenario = is_scenario(&from);
    let scenario = to_restore(&from, &arguments.restore, &environment, terminal)?;
    append_only.extend(
        scenario
            .checks
            .iter()
            .flat_map(|check| check.check.append_only()),
    );
    let path = arguments.out.clone().unwrap_or_else(|| {
        let name = match is_scenario {
            true => scenario.facts.name.clone(),
            false => from.file_name().map_or_else(
                || "backup".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            ),
        };
        PathBuf::from(format!("{name}.baseline.toml"))
    });
    refuse_existing(&path, arguments.force)?;
    let make_roles = !is_scenario;
    let work = async |context: &Context, run: &Run, servers: &mut Servers| {
        restored(scenario, make_roles, append_only, context, run, servers).await
    };
    with_server(
        &arguments.restore,
        environment,
        work,
        |ended, redactor| match ended {
            Ok(baseline) => write(&baseline, &path, None),
            Err(stopped) => Err(Abort::stopped(NOT_WRITTEN, &stopped, redactor, terminal)),
        },
    )
    .await
}

/// Restores a backup, proves that the databases contain all of it, and reads them.
async fn restored(
    mut scenario: Scenario,
    make_roles: bool,
    append_only: Vec<QualifiedName>,
    context: &Context,
    run: &Run,
    servers: &mut Servers,
) -> Result<Baseline, Stopped> {
    // A baseline is taken only of databases that were compared in full, whatever the scenario sets.
    scenario.proof = Level::Full;
    let pipeline = Pipeline {
        scenario: &scenario,
        context,
        run,
        make_roles,
    };
    let mut record = Record::begin(&scenario, context);
    let restored = pipeline.proven(servers, &mut record).await?;
    let (server, facts) = (restored.server(), &restored.facts);
    let terms = Terms {
        statement_timeout: READ_WITHIN,
    };
    let mut databases = std::collections::BTreeMap::new();
    for name in &restored.log.databases {
        let unable =
            |error: DatabaseError| CouldNotRun::new(format!("cannot read {name}: {error}"));
        let of_database = restored.server_of(name);
        let mut open = Vec::new();
        for _ in 0..SESSIONS {
            let session = Session::superuser(of_database.endpoint(), name, &terms).await;
            open.push(session.map_err(unable)?);
        }
        let mut first = open.remove(0);
        let database = read(&mut first, &mut open, append_only.clone()).await;
        let mut database = database.map_err(unable)?;
        let recovery = restored.log.facts.recovery.as_ref();
        database.leave_out(
            recovery
                .into_iter()
                .flat_map(|facts| facts.unlogged_in(name)),
        );
        databases.insert(name.clone(), database);
        open.push(first);
        for session in open {
            session.close().await;
        }
    }
    Ok(Baseline {
        taken: facts.state_time().unwrap_or_else(Timestamp::now),
        from: facts.origin.clone(),
        server: server.facts().version.clone(),
        dump: None,
        against: None,
        databases,
    })
}

/// The path of the manifest of a dump, next to it.
fn manifest_of(dump: &Path) -> PathBuf {
    let mut name = dump.as_os_str().to_owned();
    name.push(".baseline.toml");
    name.into()
}

/// Refuses to replace an existing file without `--force`.
fn refuse_existing(path: &Path, force: bool) -> Result<(), Abort> {
    if !path.exists() || force {
        return Ok(());
    }
    Err(Abort::invalid(format!(
        "{} exists\nhint: set another file with `--out`, or replace it with `--force`; `redrill accept` changes parts of it",
        path.display()
    )))
}

/// Writes the file and prints a summary.
fn write(baseline: &Baseline, path: &Path, dump: Option<&Path>) -> Ended {
    save(path, baseline).map_err(CouldNotRun::new)?;
    for (name, database) in &baseline.databases {
        let rows: u64 = database.rows.values().map(|rows| rows.count).sum();
        out(&format!(
            "{name}: {}, {} of {}, {}, history of {}",
            show_counted(database.catalog.objects.len(), "object"),
            show_counted(rows, "row"),
            show_counted(database.rows.len(), "table"),
            show_counted(database.sequences.len(), "sequence"),
            show_counted(database.history.len(), "append-only table")
        ));
        for table in database.history.keys() {
            out(&format!("  append-only: {table}"));
        }
        for what in &database.not_read {
            out(&format!("  not read: {what}"));
        }
        for what in &database.catalog.unreadable {
            out(&format!("  not read: {what}"));
        }
    }
    out(&match dump {
        Some(dump) => format!(
            "dump: {}\nmanifest: {}\nnext: keep them together, and drill with `[[check.baseline]] manifest = true`; the dump contains no roles: keep \
             `pg_dumpall --globals-only` with it, or list them in `[[restore.role]]`",
            dump.display(),
            path.display()
        ),
        None => format!(
            "baseline: {}\nnext: commit it, and add `[[check.baseline]] file = \"{}\"` to the scenario",
            path.display(),
            path.file_name().unwrap_or_default().to_string_lossy()
        ),
    });
    Ok(Ending::Done)
}
