//! `redrill run`: drills scenarios, one after the other, and writes their reports.

use std::path::PathBuf;

use super::abort::{Abort, Ended};
use super::print::{err, out};
use super::scenarios::{load_all, set_provider};
use super::start::{watch_signals, work_folder};
use crate::backup::source::Location;
use crate::baseline::observed;
use crate::cli::{Provider, Run, Terminal};
use crate::context::Context;
use crate::exit_code::{Ending, worst};
use crate::incident::{self, Incident};
use crate::input::Environment;
use crate::outcome::{CouldNotRun, DrillResult};
use crate::redact::Redactor;
use crate::run::{Drilled, drill};
use crate::scenario::Scenario;
use crate::scenario::only::{Only, only};
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
    // A path of the command line is not relative to the scenario.
    let backup = arguments.backup.as_ref().map(std::path::absolute);
    let backup = backup
        .transpose()
        .map_err(|error| Abort::invalid(error.to_string()))?;
    let mut scenarios = load_all(paths, backup.as_deref(), &environment, terminal)?;
    for scenario in &mut scenarios {
        set_provider(&mut scenario.server, arguments.server);
    }
    if !arguments.only.is_empty() {
        scenarios = select(scenarios, &arguments.only)?;
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
    report::check_writable(&arguments.reports).map_err(|error| {
        CouldNotRun::with_hint(
            format!("the reports cannot be written: {error}"),
            "name another folder with `--reports`",
        )
    })?;
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
        context.repeat = repeating_command(&command, scenario, &arguments);
        let Drilled {
            result,
            verdict,
            observed,
        } = drill(scenario, &context).await;
        let baseline = observed.as_ref().map(|observed| &observed.baseline);
        let mut missing = Vec::new();
        let written = report::write_all(&arguments.reports, &result, verdict, baseline)
            .unwrap_or_else(|error| {
                missing.push(format!(
                    "the reports were not written: {error}\nhint: name another folder with `--reports`"
                ));
                Vec::new()
            });
        let record = observed::save_record(observed.as_ref(), verdict).unwrap_or_else(|why| {
            missing.push(format!(
                "{why}\nhint: the next drill is compared with the record: make its folder writable"
            ));
            None
        });
        // After the files: without them the drill is no evidence, and its summary says so.
        let summary = match missing.is_empty() {
            true => report::terminal::summary,
            false => report::terminal::unrecorded,
        };
        out(&summary(&result, verdict, terminal.width, terminal.colour));
        if !written.is_empty() {
            let shown: Vec<String> = written
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            out(&format!("reports: {}", shown.join("  ")));
        }
        if let Some(path) = record {
            out(&format!("record: {}", path.display()));
        }
        for missing in &missing {
            err(missing);
        }
        unwritten |= !missing.is_empty();
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
        err(&format!("the merged JUnit report was not written: {error}"));
    }
    let verdicts = results.iter().map(|(_, verdict)| *verdict);
    let ending = worst(verdicts.map(Ending::Judged));
    Ok(if unwritten {
        ending.unless(Ending::CouldNotRun)
    } else {
        ending
    })
}

/// Keeps the checks that `--only` selects.
fn select(scenarios: Vec<Scenario>, wanted: &[String]) -> Result<Vec<Scenario>, Abort> {
    let wanted: Result<Vec<Only>, _> = wanted.iter().map(|text| Only::parse(text)).collect();
    let wanted = wanted.map_err(|error| Abort::invalid(format!("`--only`: {error}")))?;
    only(scenarios, &wanted).map_err(Abort::nothing_found)
}

/// Sends the result to the webhook of the scenario. A failure is only reported: it affects neither the
/// verdict nor the reports.
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
    let sent = if result.interrupted {
        deliver.await
    } else {
        tokio::select! {
            biased;
            _ = signal.wait_for(|interrupted| *interrupted) => {
                Err("a signal interrupted it".to_owned())
            }
            sent = deliver => sent,
        }
    };
    match sent {
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
                "the result of `{}` was not sent: {why}\nhint: correct `[incident.webhook]`; the verdict and the reports are not affected",
                scenario.facts.name
            ));
        }
    }
}

/// The command that repeats one drill of this run.
fn repeating_command(command: &[String], scenario: &Scenario, arguments: &Run) -> String {
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
