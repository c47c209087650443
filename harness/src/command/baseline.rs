//! `redrill baseline`: what a known-good database looks like, in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::inspect::open_with;
use super::run::provider;
use super::throwaway::{of_a_backup, with_server};
use super::{err, out};
use crate::baseline::observed::save;
use crate::baseline::take::{self, Wish};
use crate::baseline::{Baseline, Database};
use crate::cleanup::Run;
use crate::cli;
use crate::context::Context;
use crate::database::{DatabaseError, Session, Terms};
use crate::exit_code;
use crate::init;
use crate::input::Environment;
use crate::outcome::{Finding, Outcome, Stage};
use crate::process::{self, Input, Program};
use crate::redact::Redactor;
use crate::scenario::{self, Scenario};
use crate::server::ThrowawayServer;
use crate::source::{Address, Source};
use crate::sql::QualifiedName;
use crate::stage::{self, Stopped, told};
use crate::units::show_count;

/// Sessions that read at the same time.
const SESSIONS: usize = 4;

/// A statement on a restored database may take as long as this.
const READ_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// pg_dump may take as long as this.
const DUMP_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Runs the command; gives the exit code.
pub async fn run(arguments: cli::Baseline, environment: Environment) -> u8 {
    let append_only: Result<Vec<QualifiedName>, String> = arguments
        .append_only
        .iter()
        .map(|name| QualifiedName::parse(name))
        .collect();
    let append_only = match append_only {
        Ok(append_only) => append_only,
        Err(why) => {
            err(&format!(
                "`--append-only`: {why}\nhint: a table is named as in `app.audit_log`"
            ));
            return exit_code::INVALID;
        }
    };
    if Address::is_one(&arguments.from) {
        of_source(&arguments, &environment, append_only).await
    } else {
        of_backup(arguments, environment, append_only).await
    }
}

/// Takes the baseline of a database that is there.
async fn of_source(
    arguments: &cli::Baseline,
    environment: &Environment,
    append_only: Vec<QualifiedName>,
) -> u8 {
    let redactor = Redactor::default();
    let address = match Address::parse(&arguments.from, &redactor) {
        Ok(address) => address,
        Err(why) => {
            err(&redactor.clean(&why));
            return exit_code::INVALID;
        }
    };
    let shown = address.shown().to_owned();
    let mut source = match Source::connect(address).await {
        Ok(source) => source,
        Err(error) => {
            let hint = match error.lost {
                true => "look at the address, and at `sslmode` and `sslrootcert` in it",
                false => {
                    "the role must be let in, and may read all tables: `GRANT pg_read_all_data` to it"
                }
            };
            err(&redactor.clean(&format!("cannot read {shown}: {error}\nhint: {hint}")));
            return exit_code::INCONCLUSIVE;
        }
    };
    let path = match (&arguments.out, &arguments.with_dump) {
        (Some(path), _) => path.clone(),
        (None, Some(dump)) => beside(dump),
        (None, None) => PathBuf::from(format!("{}.baseline.toml", source.database)),
    };
    let wanted = std::iter::once(&path).chain(&arguments.with_dump);
    if let Some(there) = wanted
        .into_iter()
        .find(|path| path.exists() && !arguments.force)
    {
        return is_there(there);
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
    let dump = match dumping.await {
        Ok(dump) => dump,
        Err(why) => {
            err(&redactor.clean(&why));
            return exit_code::INCONCLUSIVE;
        }
    };
    let read = read(source.session(), &mut more, append_only).await;
    let from = format!("database {} of {shown}", source.database);
    let (name, version) = (source.database.clone(), source.version.clone());
    for session in more {
        session.close().await;
    }
    source.close().await;
    match read {
        Ok(database) => {
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
        Err(error) => {
            err(&redactor.clean(&format!("cannot read {shown}: {error}")));
            exit_code::INCONCLUSIVE
        }
    }
}

/// Reads a database by several sessions of one snapshot.
async fn read(
    first: &mut Session,
    more: &mut [Session],
    mut append_only: Vec<QualifiedName>,
) -> Result<Database, DatabaseError> {
    append_only.extend(init::growing(first).await?);
    let wish = Wish {
        append_only,
        digests: true,
        ..Wish::default()
    };
    let mut sessions: Vec<&mut Session> = std::iter::once(first).chain(more.iter_mut()).collect();
    take::take(&mut sessions, &wish).await
}

/// Makes a dump of the snapshot; gives its SHA-256.
async fn dump(
    source: &Source,
    file: &Path,
    program: &Path,
    environment: &Environment,
) -> Result<String, String> {
    let Some(snapshot) = source.snapshot() else {
        return Err("the server exports no snapshot, so that a dump would speak of another moment\nhint: take both from the primary, without a pooler between".to_owned());
    };
    let file = std::path::absolute(file).map_err(|error| error.to_string())?;
    // A dump that did not end has no name that anybody could take for a backup's.
    let mut unfinished = file.clone().into_os_string();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let folder = file.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        return Err(format!(
            "there is no folder {}\nhint: make it, or name a file elsewhere",
            folder.display()
        ));
    }
    let program = match program.components().count() {
        1 => program.to_owned(),
        _ => std::path::absolute(program).map_err(|error| error.to_string())?,
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
    .map_err(|error| format!("{error}\nhint: name a pg_dump with `--pg-dump`"))?;
    if !output.status.success() {
        // It may not even have begun it.
        let _ = std::fs::remove_file(&unfinished);
        return Err(format!(
            "pg_dump ended with {}: {}\nhint: it must be no older than the server, {}; name one with `--pg-dump`",
            output.status,
            output.stderr.trim(),
            source.version
        ));
    }
    std::fs::rename(&unfinished, &file)
        .map_err(|error| format!("cannot name the dump {}: {error}", file.display()))?;
    let read = tokio::task::spawn_blocking(move || {
        use sha2::Digest as _;
        use std::io::BufRead as _;
        let mut sum = sha2::Sha256::new();
        let mut file = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(&file)?);
        loop {
            let block = file.fill_buf()?;
            if block.is_empty() {
                break;
            }
            sum.update(block);
            let length = block.len();
            file.consume(length);
        }
        Ok::<_, std::io::Error>(crate::digest::hex(&sum.finalize()))
    });
    match read.await {
        Ok(Ok(sum)) => Ok(sum),
        Ok(Err(error)) => Err(format!("cannot read the dump again: {error}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes the baseline of a backup that is restored for it.
async fn of_backup(
    arguments: cli::Baseline,
    environment: Environment,
    mut append_only: Vec<QualifiedName>,
) -> u8 {
    let from = PathBuf::from(&arguments.from);
    if arguments.with_dump.is_some() {
        err(
            "`--with-dump` needs a database to dump\nhint: give its address with `--from postgres://…`",
        );
        return exit_code::INVALID;
    }
    let is_scenario = from.extension().is_some_and(|ending| ending == "toml");
    let mut scenario = if is_scenario {
        match scenario::load(&from, &environment) {
            Ok(scenario) => scenario,
            Err(mistakes) => {
                err(&mistakes.render(false));
                return exit_code::INVALID;
            }
        }
    } else {
        of_a_backup(&from)
    };
    append_only.extend(
        scenario
            .checks
            .iter()
            .flat_map(|check| check.check.append_only()),
    );
    open_with(&mut scenario.backup, &arguments.opening);
    provider(&mut scenario.server, arguments.server);
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
    if path.exists() && !arguments.force {
        return is_there(&path);
    }
    let make_roles = !is_scenario;
    let work = async |context: &Context, run: &Run, server: &mut Option<ThrowawayServer>| {
        restored(scenario, make_roles, append_only, context, run, server).await
    };
    with_server(
        &arguments.work.work_dir,
        arguments.quiet,
        environment,
        work,
        |ended, redactor| match ended {
            Ok(baseline) => write(&baseline, &path, None),
            Err(stopped) => stopped_with(&stopped, redactor),
        },
    )
    .await
}

/// Restores a backup and reads every database of it.
async fn restored(
    mut scenario: Scenario,
    make_roles: bool,
    append_only: Vec<QualifiedName>,
    context: &Context,
    run: &Run,
    server: &mut Option<ThrowawayServer>,
) -> Result<Baseline, Stopped> {
    let backup = told(
        context,
        Stage::Backup,
        stage::backup(&scenario, run, context),
    )
    .await?;
    if make_roles {
        let needed = backup.contents();
        let needed = needed.roles_needed().into_iter().map(str::to_owned);
        scenario.restore.create_roles.extend(needed);
    }
    let started = stage::server(&scenario, &backup, run, context);
    let server = server.insert(told(context, Stage::Server, started).await?);
    let restore = stage::restore(&scenario, server, &backup, context);
    let log = told(context, Stage::Restore, restore).await?;
    let facts = backup.facts();
    let terms = Terms {
        statement_timeout: READ_WITHIN,
    };
    let mut databases = std::collections::BTreeMap::new();
    for name in &log.databases {
        let unable = |error: DatabaseError| Stopped::error(format!("cannot read {name}: {error}"));
        let mut open = Vec::new();
        for _ in 0..SESSIONS {
            let session = Session::superuser(server.endpoint(), name, &terms).await;
            open.push(session.map_err(unable)?);
        }
        let mut first = open.remove(0);
        let database = read(&mut first, &mut open, append_only.clone()).await;
        databases.insert(name.clone(), database.map_err(unable)?);
        open.push(first);
        for session in open {
            session.close().await;
        }
    }
    Ok(Baseline {
        taken: facts.made.map_or_else(Timestamp::now, |(made, _)| made),
        from: facts.origin,
        server: server.facts().version.clone(),
        dump: None,
        against: None,
        databases,
    })
}

/// The manifest of a dump lies beside it.
fn beside(dump: &Path) -> PathBuf {
    let mut name = dump.as_os_str().to_owned();
    name.push(".baseline.toml");
    name.into()
}

fn is_there(path: &Path) -> u8 {
    err(&format!(
        "{} is there already\nhint: name another file, or replace it with `--force`; `redrill accept` changes single things in it",
        path.display()
    ));
    exit_code::INVALID
}

/// Writes the file and says what is in it.
fn write(baseline: &Baseline, path: &Path, dump: Option<&Path>) -> u8 {
    if let Err(why) = save(path, baseline) {
        err(&why);
        return exit_code::INCONCLUSIVE;
    }
    for (name, database) in &baseline.databases {
        let rows: u64 = database.rows.values().map(|rows| rows.count).sum();
        out(&format!(
            "{name}: {} objects, {} rows of {} tables, {} sequences, history of {} append-only tables",
            show_count(database.catalog.objects.len() as u64),
            show_count(rows),
            database.rows.len(),
            database.sequences.len(),
            database.history.len()
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
            "dump: {}\nmanifest: {}\nnext: keep them together, and drill with `[[check.baseline]] manifest = true`; the dump holds no roles: keep \
             `pg_dumpall --globals-only` with it, or name them in `[restore] create-roles`",
            dump.display(),
            path.display()
        ),
        None => format!(
            "baseline: {}\nnext: commit it, and add `[[check.baseline]] file = \"{}\"` to the scenario",
            path.display(),
            path.file_name().unwrap_or_default().to_string_lossy()
        ),
    });
    exit_code::PROVEN
}

/// Says why a stage did not pass.
fn stopped_with(stopped: &Stopped, redactor: &Redactor) -> u8 {
    let mut text = stopped.summary.clone();
    let lines = |finding: &Finding| {
        let object = finding.object.as_ref().map(|object| format!("{object}: "));
        let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
        format!(
            "\n  {}{}{}",
            object.unwrap_or_default(),
            finding.actual,
            hint.unwrap_or_default()
        )
    };
    text.extend(stopped.findings.iter().take(5).map(lines));
    err(&redactor.clean(&text));
    match stopped.outcome {
        Outcome::Fail => exit_code::NOT_PROVEN,
        Outcome::Pass | Outcome::Error | Outcome::Skipped { .. } => exit_code::INCONCLUSIVE,
    }
}
