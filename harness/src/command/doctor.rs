//! `redrill doctor`: whether a throwaway server can be started here, for any backup or for a given one. It starts one
//! of each kind, as a drill does, and removes it.

use super::abort::{Abort, Ended};
use super::print::{err, out};
use super::scenarios::{load_or_make, set_provider};
use super::start::{no_work_folder, watch_signals, work_folder};
use crate::backup::Backup;
use crate::cleanup::Run;
use crate::cli::{self, Provider, Terminal};
use crate::context::Context;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::redact::Redactor;
use crate::restore::roles;
use crate::sandbox::{Sandbox, Strength};
use crate::scenario::Scenario;
use crate::server::{self, Servers, ThrowawayServer, Wanted, settings};
use crate::units::show_duration;
use crate::verdict::Verdict;
use crate::{progress, stage};

const NOT_READY: [&str; 2] = ["NOT READY", "no server was started"];

/// Runs the command.
pub async fn run(arguments: cli::Doctor, environment: Environment, terminal: Terminal) -> Ended {
    let scenario = match &arguments.backup {
        Some(from) => {
            let (decryption, recovery) = (&arguments.decryption, &arguments.recovery);
            Some(load_or_make(
                from,
                decryption,
                recovery,
                &environment,
                terminal,
            )?)
        }
        None => None,
    };
    let work_dir = &arguments.work.work_dir;
    let work = work_folder(work_dir, &environment)?;
    let run = work
        .begin()
        .map_err(|error| no_work_folder(work_dir, &error))?;
    let context = Context {
        work,
        environment,
        redactor: Redactor::default(),
        listener: progress::listener(true),
        interrupted: watch_signals()?,
        keep: None,
        repeat: String::new(),
        rehearse: false,
        last_record: Ok(None),
    };
    let ended = examine(scenario.as_ref(), &run, &context, terminal).await;
    if let Err(error) = run.end() {
        err(&format!("{error}\nhint: `redrill clean` tries again"));
    }
    if *context.interrupted.borrow() {
        return Ok(Ending::Judged(Verdict::Interrupted));
    }
    ended
}

/// Starts a server of each kind; with a scenario, as its drill would.
async fn examine(
    scenario: Option<&Scenario>,
    run: &Run,
    context: &Context,
    terminal: Terminal,
) -> Ended {
    let backup = match scenario {
        Some(scenario) => Some(inspect(scenario, run, context, terminal).await?),
        None => None,
    };
    let wanted = match scenario.zip(backup.as_ref()) {
        Some((scenario, backup)) => stage::wanted(backup, &scenario.restore),
        None => Wanted {
            superuser: "postgres".to_owned(),
            ..Wanted::default()
        },
    };
    if let Some(host) = context.environment.get("DOCKER_HOST") {
        out(&format!("DOCKER_HOST: {host}"));
    }
    let settings = scenario.map_or_else(settings::Server::default, |s| s.server.clone());
    let (kinds, one) = match (&settings.container, &settings.local) {
        (_, Some(_)) => (&[Provider::Local][..], true),
        (Some(_), None) => (&[Provider::Container][..], true),
        (None, None) => (&[Provider::Container, Provider::Local][..], false),
    };
    let attempt = async |settings: &settings::Server| {
        start(settings, &wanted, backup.as_ref(), context).await
    };
    let of_drill = attempt(&settings).await;
    let mut usable = Vec::new();
    for kind in kinds {
        let drill_uses_it = matches!(&of_drill, Ok(facts) if facts.provider == kind.word());
        let started = if one || drill_uses_it {
            of_drill.clone()
        } else {
            let mut settings = settings.clone();
            set_provider(&mut settings, Some(*kind));
            attempt(&settings).await
        };
        usable.extend(started.is_ok().then_some(kind.word()));
        show(*kind, started, context).await;
    }
    out(&format!("work folder: {}", context.work.root().display()));
    out(&match server::template_folder(&context.work) {
        Ok(folder) => format!("templates of local servers: {}", folder.display()),
        Err(why) => format!("no templates of local servers, which start slower: {why}"),
    });
    out(match Sandbox::strength() {
        Strength::Nothing => {
            "commands that fetch a backup: not confined, since this kernel has no Landlock"
        }
        Strength::Full | Strength::NoTcp => {
            "commands that fetch a backup: confined, they write to folders of the run only"
        }
    });
    let what = backup.as_ref().map_or("a backup", |_| "this backup");
    match of_drill {
        Ok(facts) => {
            out(&format!("{what} can be drilled here: {}", facts.provider));
            Ok(Ending::Done)
        }
        Err(_) => {
            err(&match usable.as_slice() {
                [] => format!("{what} cannot be drilled here: see the hints above"),
                // A drill takes an image that it finds, whatever the image lacks.
                kinds => format!(
                    "{what} can be drilled here only with `--server {}`",
                    kinds.join("` or `")
                ),
            });
            Ok(Ending::CouldNotRun)
        }
    }
}

/// Inspects the backup.
async fn inspect(
    scenario: &Scenario,
    run: &Run,
    context: &Context,
    terminal: Terminal,
) -> Result<Backup, Abort> {
    let mut interrupted = context.interrupted.clone();
    let (_, inspected) = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => {
            return Err(CouldNotRun::new("interrupted").into());
        }
        inspected = stage::backup(scenario, true, run, context) => inspected,
    };
    let inspected = inspected
        .map_err(|stopped| Abort::stopped(NOT_READY, &stopped, &context.redactor, terminal))?;
    let backup = inspected.value;
    out(&format!("backup: {}", inspected.summary));
    let facts = backup.facts();
    out(&format!("    restores on {}", facts.servers));
    let extensions: Vec<&str> = facts.extensions.iter().map(String::as_str).collect();
    if !extensions.is_empty() {
        out(&format!(
            "    needs the extensions {}",
            extensions.join(", ")
        ));
    }
    if let Some(missing) = roles::missing(&backup, &scenario.restore) {
        let missing = context.redactor.clean_finding(missing);
        out(&format!(
            "    cannot be restored as it is: {}",
            missing.actual
        ));
        if let Some(hint) = missing.hint {
            out(&format!("    hint: {hint}"));
        }
    }
    Ok(backup)
}

/// Starts a server that suits the backup, and removes it.
async fn start(
    settings: &settings::Server,
    wanted: &Wanted,
    backup: Option<&Backup>,
    context: &Context,
) -> Result<ServerFacts, CouldNotRun> {
    let cannot = |error| CouldNotRun::new(format!("cannot write to the work folder: {error}"));
    let run = context.work.begin().map_err(cannot)?;
    let mut server = None;
    let mut interrupted = context.interrupted.clone();
    let started = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => Err(CouldNotRun::new("interrupted")),
        started = ThrowawayServer::start(settings, wanted, &run, context.path()) => started.and_then(|started| {
            let server = server.insert(started);
            let unfit = backup.map(|backup| stage::unfit(backup, server)).unwrap_or_default();
            match unfit.first() {
                Some(first) => Err(CouldNotRun::new(format!("it has not what the backup needs: {}", first.expected))),
                None => Ok(server.facts().clone()),
            }
        }),
    };
    let (_, removed) = stage::teardown(Servers::only(server), run).await;
    removed.map_err(|stopped| CouldNotRun::new(stopped.summary().to_owned()))?;
    started
}

/// Prints whether a kind of server can be used, and what there is of it.
async fn show(kind: Provider, started: Result<ServerFacts, CouldNotRun>, context: &Context) {
    let (line, hint) = match started {
        Ok(facts) => {
            let time = show_duration(facts.started_in);
            let line = format!(
                "usable, PostgreSQL {}, {}, up in {time}",
                facts.version, facts.origin
            );
            (line, None)
        }
        Err(error) => (format!("not usable, {}", error.reason), error.hint),
    };
    out(&format!("{}: {line}", kind.word()));
    if let Some(hint) = hint {
        out(&format!("    hint: {hint}"));
    }
    let found = match kind {
        Provider::Local => server::installations(context.path()).await,
        Provider::Container | Provider::Auto => server::images().await,
    };
    for line in found {
        out(&format!("    {line}"));
    }
}
