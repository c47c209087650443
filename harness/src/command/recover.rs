//! `redrill recover`: one table out of a backup, for a person to load.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::sync::watch;

use super::inspect::open_with;
use super::run::{provider, watch_signals};
use super::{err, out};
use crate::backup::examine::Subject;
use crate::backup::source::Source;
use crate::cleanup::Work;
use crate::cli::{self, TableFormat, Terminal};
use crate::context::Context;
use crate::database::QualifiedName;
use crate::input::Environment;
use crate::outcome::{Finding, Outcome, ScenarioFacts};
use crate::proof::settings::Level;
use crate::recover::write::{self, Destination, Format};
use crate::recover::{NotRecovered, Recovered, Wish, recover};
use crate::redact::Redactor;
use crate::report::terminal::recovery;
use crate::scenario::{self, Scenario};
use crate::{exit_code, progress, restore, server, stage};

/// Runs the command; gives the exit code.
pub async fn run(arguments: cli::Recover, environment: Environment, terminal: Terminal) -> u8 {
    let (wish, scenario) = match asked(&arguments, &environment, terminal) {
        Ok(asked) => asked,
        Err(message) => {
            err(&message);
            return exit_code::INVALID;
        }
    };
    let work = match Work::below(&arguments.work.work_dir) {
        Ok(work) => work,
        Err(error) => return no_work(&arguments.work.work_dir, &error),
    };
    let (sender, interrupted) = watch::channel(false);
    if let Err(error) = watch_signals(sender) {
        err(&format!("cannot listen to signals: {error}"));
        return exit_code::INTERNAL;
    }
    // What a killed run left is the next one's to remove, whatever that was for.
    server::sweep(&work).await;
    let run = match work.begin() {
        Ok(run) => run,
        Err(error) => return no_work(&arguments.work.work_dir, &error),
    };
    let context = Context {
        work,
        environment,
        redactor: Redactor::default(),
        listener: progress::listener(arguments.quiet),
        interrupted,
        repeat: String::new(),
    };
    let mut server = None;
    let mut interrupted = context.interrupted.clone();
    let ended = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => None,
        ended = recover(&wish, scenario, &context, &run, &mut server) => Some(ended),
    };
    let (_, torn_down) = stage::teardown(server, run).await;
    let code = match ended {
        None => exit_code::INTERRUPTED,
        Some(ended) => tell(ended, &wish, &context.redactor, terminal),
    };
    match torn_down {
        Ok(_) => code,
        Err(stopped) => {
            err(&format!(
                "{}\nhint: `redrill clean` tries again",
                stopped.summary
            ));
            match code {
                exit_code::PROVEN => exit_code::INCONCLUSIVE,
                code => code,
            }
        }
    }
}

fn no_work(folder: &Path, error: &std::io::Error) -> u8 {
    err(&format!(
        "cannot use the work folder {}: {error}\nhint: name another one with `--work-dir`",
        folder.display()
    ));
    exit_code::INCONCLUSIVE
}

/// What the command line asks for, seen to be possible before anything is started.
fn asked(
    arguments: &cli::Recover,
    environment: &Environment,
    terminal: Terminal,
) -> Result<(Wish, Scenario), String> {
    let table = QualifiedName::parse(&arguments.table).map_err(|why| {
        format!("{why}\nhint: a table is named as in `app.orders`, or `\"My Schema\".\"Orders\"`")
    })?;
    let csv = arguments
        .out
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let format = match (arguments.format, csv) {
        (Some(TableFormat::Csv), _) | (None, true) => Format::Csv,
        (Some(TableFormat::Sql), _) | (None, false) => Format::Sql,
    };
    let is_scenario = arguments
        .from
        .extension()
        .is_some_and(|extension| extension == "toml");
    let mut scenario = if is_scenario {
        scenario::load(&arguments.from, environment)
            .map_err(|mistakes| mistakes.render(terminal.colour_errors))?
    } else {
        of_a_backup(&arguments.from)
    };
    open_with(&mut scenario.backup, &arguments.opening);
    provider(&mut scenario.server, arguments.server);
    let wish = Wish {
        table,
        database: arguments.database.clone(),
        format,
        destination: destination(&arguments.out, arguments.force)?,
        make_roles: !is_scenario,
    };
    Ok((wish, scenario))
}

/// A backup of which no scenario says anything.
fn of_a_backup(path: &Path) -> Scenario {
    Scenario {
        facts: ScenarioFacts::default(),
        folder: PathBuf::new(),
        backup: Subject::of(Source::path(path)),
        max_age: None,
        server: server::settings::Server::default(),
        restore: restore::settings::Restore::default(),
        proof: Level::Off,
        restore_within: None,
        incident: None,
        not_tested: Vec::new(),
        checks: Vec::new(),
    }
}

/// A place that can be written to, as far as can be told before there is anything to write.
fn destination(path: &Path, force: bool) -> Result<Destination, String> {
    if path == Path::new("-") {
        return Ok(Destination::Stdout);
    }
    let shown = path.display();
    if path.is_dir() {
        return Err(format!(
            "{shown} is a folder\nhint: name a file in it with `--out`"
        ));
    }
    if std::fs::symlink_metadata(path).is_ok() && !force {
        return Err(format!(
            "{shown} is there already\nhint: name another file with `--out`, or replace it with `--force`"
        ));
    }
    let folder = write::folder(path);
    if !folder.is_dir() {
        return Err(format!(
            "there is no folder {}\nhint: make it, or name a file elsewhere with `--out`",
            folder.display()
        ));
    }
    Ok(Destination::File {
        path: path.to_owned(),
        replace: force,
    })
}

/// Says how it ended; gives the exit code.
fn tell(
    ended: Result<Recovered, NotRecovered>,
    wish: &Wish,
    redactor: &Redactor,
    terminal: Terminal,
) -> u8 {
    match ended {
        Ok(recovered) => {
            // The table itself may be on standard output: nothing else belongs there.
            let text = |colour| {
                redactor.clean(&recovery::recovered(
                    &recovered,
                    Timestamp::now(),
                    terminal.width,
                    colour,
                ))
            };
            match wish.destination {
                Destination::Stdout => err(&text(terminal.colour_errors)),
                Destination::File { .. } => out(&text(terminal.colour)),
            }
            exit_code::PROVEN
        }
        Err(NotRecovered::Absent(finding)) => {
            let place = finding.object.clone().unwrap_or_default();
            let summary = format!("{place} is not there to be recovered: {}", finding.actual);
            let hints = [Finding {
                actual: summary.clone(),
                ..finding
            }];
            show(&summary, &hints, redactor, terminal);
            exit_code::NOTHING_CHECKED
        }
        Err(NotRecovered::Stopped(stopped)) => {
            show(&stopped.summary, &stopped.findings, redactor, terminal);
            match stopped.outcome {
                Outcome::Fail => exit_code::NOT_PROVEN,
                Outcome::Pass | Outcome::Error | Outcome::Skipped { .. } => exit_code::INCONCLUSIVE,
            }
        }
    }
}

fn show(summary: &str, findings: &[Finding], redactor: &Redactor, terminal: Terminal) {
    let text = recovery::stopped(summary, findings, terminal.width, terminal.colour_errors);
    err(&redactor.clean(&text));
}
