//! `redrill run`: drills scenarios, one after the other, and writes their reports.

use std::path::PathBuf;

use super::{Abort, Ended, err, out, scenarios, watch_signals, work_folder};
use crate::backup::source::{Location, Source};
use crate::baseline::observed;
use crate::cli::{Provider, Run, Terminal};
use crate::context::Context;
use crate::exit_code::{Ending, worst};
use crate::incident::{self, Incident};
use crate::input::Environment;
use crate::outcome::DrillResult;
use crate::redact::Redactor;
use crate::run::{Drilled, drill};
use crate::scenario::Scenario;
use crate::scenario::only::{Only, only};
use crate::server::settings;
use crate::verdict::Verdict;
use crate::{progress, report, server};

/// Runs the command.
pub async fn run(
    arguments: Run,
    environment: Environment,
    terminal: Terminal,
    command: Vec<String>,
) -> Ended {
    let paths = &arguments.scenarios.scenarios;
    let mut scenarios = scenarios(paths, &environment, terminal.colour_errors)?;
    adjust(&mut scenarios, &arguments).map_err(Abort::invalid)?;
    if !arguments.only.is_empty() {
        scenarios = some(scenarios, &arguments.only)?;
    }
    let work = work_folder(&arguments.work.work_dir)?;
    let listener = progress::listener(arguments.quiet);
    let interrupted = watch_signals()?;
    let swept = server::sweep(&work).await;
    if !swept.runs.is_empty() || !swept.containers.is_empty() {
        listener(crate::event::Event::Note(format!(
            "removed what a killed run left: {} folders, {} containers",
            swept.runs.len(),
            swept.containers.len()
        )));
    }
    let mut context = Context {
        work,
        environment,
        redactor: Redactor::default(),
        listener,
        interrupted,
        repeat: String::new(),
    };
    let mut results: Vec<(DrillResult, Verdict)> = Vec::new();
    let mut unwritten = false;
    for scenario in &scenarios {
        context.repeat = repeat(&command, scenario, &arguments);
        let Drilled {
            result,
            verdict,
            seen,
        } = drill(scenario, &context).await;
        let baseline = seen.as_ref().map(|seen| &seen.baseline);
        let mut written = Vec::new();
        match report::write_all(&arguments.reports, &result, verdict, baseline) {
            Ok(files) => {
                out(&report::terminal::summary(
                    &result,
                    verdict,
                    terminal.width,
                    terminal.colour,
                ));
                let shown: Vec<String> = files
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect();
                out(&format!("reports: {}", shown.join("  ")));
                written = files;
            }
            Err(error) => {
                unwritten = true;
                out(&report::terminal::summary(
                    &result,
                    verdict,
                    terminal.width,
                    terminal.colour,
                ));
                err(&format!(
                    "cannot write the reports to {}: {error}\nhint: name another folder with `--reports`",
                    arguments.reports.display()
                ));
            }
        }
        match observed::keep(seen.as_ref(), verdict) {
            Ok(None) => {}
            Ok(Some(path)) => out(&format!("record: {}", path.display())),
            Err(why) => {
                unwritten = true;
                err(&format!(
                    "{why}\nhint: the next drill is held against the record: let it be written"
                ));
            }
        }
        if let Some(incident) = &scenario.incident {
            notify(incident, scenario, &context, &result, verdict, &written).await;
        }
        out("");
        let stop = result.interrupted;
        results.push((result, verdict));
        if stop {
            break;
        }
    }
    if results.len() > 1
        && let Err(error) = report::write_merged(
            &arguments.reports,
            &results
                .iter()
                .map(|(result, verdict)| (result, *verdict))
                .collect::<Vec<_>>(),
        )
    {
        unwritten = true;
        err(&format!("cannot write the merged JUnit report: {error}"));
    }
    let verdicts = results.iter().map(|(_, verdict)| *verdict);
    let ending = worst(verdicts.map(Ending::Judged));
    // A drill without its record proves nothing to whoever reads later.
    Ok(if unwritten {
        ending.unless(Ending::CouldNotRun)
    } else {
        ending
    })
}

/// Leaves what `--only` names.
fn some(scenarios: Vec<Scenario>, wanted: &[String]) -> Result<Vec<Scenario>, Abort> {
    let wanted: Result<Vec<Only>, _> = wanted.iter().map(|text| Only::parse(text)).collect();
    let wanted = wanted.map_err(|error| Abort::invalid(format!("`--only`: {error}")))?;
    only(scenarios, &wanted).map_err(Abort::nothing_found)
}

/// Tells whoever keeps incidents. A note is all that becomes of what did not arrive: the verdict
/// stands, and the reports are written.
async fn notify(
    incident: &Incident,
    scenario: &Scenario,
    context: &Context,
    result: &DrillResult,
    verdict: Verdict,
    reports: &[PathBuf],
) {
    let Some(webhook) = incident
        .webhook
        .as_ref()
        .filter(|webhook| webhook.is_for(verdict))
    else {
        return;
    };
    let sender = incident::Sender {
        folder: &scenario.folder,
        environment: &context.environment,
        redactor: &context.redactor,
        interrupted: result.interrupted,
    };
    let deliver = async {
        let body = report::incident::render(result, verdict, reports)
            .map_err(|error| error.to_string())?;
        let body = context.redactor.clean(&body);
        incident::deliver(webhook, &sender, &result.run, &body).await
    };
    let mut signal = context.interrupted.clone();
    let told = if result.interrupted {
        deliver.await
    } else {
        tokio::select! {
            biased;
            _ = signal.wait_for(|interrupted| *interrupted) => {
                Err("a signal came before it arrived".to_owned())
            }
            told = deliver => told,
        }
    };
    match told {
        Ok(delivered) => {
            let tries = match delivered.tries {
                1 => String::new(),
                more => format!(", on try {more}"),
            };
            out(&format!("incident: sent to {}{tries}", delivered.host));
        }
        Err(why) => {
            let why = context.redactor.clean(&why);
            out("incident: NOT sent, see standard error");
            err(&format!(
                "the result of `{}` was not sent: {why}\nhint: correct `[incident.webhook]`; the verdict and the reports stand",
                scenario.facts.name
            ));
        }
    }
}

/// Applies what the command line says over what the scenarios say.
fn adjust(scenarios: &mut [Scenario], arguments: &Run) -> Result<(), String> {
    if let Some(backup) = &arguments.backup {
        let [scenario] = scenarios else {
            return Err("`--backup` needs exactly one scenario\nhint: name the scenario that the file is a backup for".to_owned());
        };
        let path = std::path::absolute(backup).map_err(|error| error.to_string())?;
        scenario.backup.source = Source::path(path);
    }
    for scenario in scenarios {
        provider(&mut scenario.server, arguments.server);
    }
    Ok(())
}

/// Applies the provider that the command line names.
pub(super) fn provider(server: &mut settings::Server, wanted: Option<Provider>) {
    match wanted {
        None => {}
        Some(Provider::Auto) => (server.container, server.local) = (None, None),
        Some(Provider::Container) => {
            server.local = None;
            server
                .container
                .get_or_insert_with(settings::Container::default);
        }
        Some(Provider::Local) => {
            server.container = None;
            server.local.get_or_insert_with(settings::Local::default);
        }
    }
}

/// The command that repeats one drill of this run.
fn repeat(command: &[String], scenario: &Scenario, arguments: &Run) -> String {
    let program = command
        .first()
        .map_or("redrill", |path| path.rsplit('/').next().unwrap_or(path));
    let mut words = vec![
        program.to_owned(),
        "run".to_owned(),
        scenario.facts.file.display().to_string(),
    ];
    if let Location::Path(path) = &scenario.backup.source.location
        && arguments.backup.is_some()
    {
        words.extend(["--backup".to_owned(), path.display().to_string()]);
    }
    for only in &scenario.facts.only {
        words.extend(["--only".to_owned(), only.clone()]);
    }
    if let Some(provider) = arguments.server {
        let word = match provider {
            Provider::Auto => "auto",
            Provider::Container => "container",
            Provider::Local => "local",
        };
        words.extend(["--server".to_owned(), word.to_owned()]);
    }
    words
        .iter()
        .map(|word| {
            let plain = word
                .chars()
                .all(|c| c.is_alphanumeric() || "-_./:=,".contains(c));
            if plain {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
