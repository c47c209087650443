//! `redrill inspect`: what a backup is, whether it is complete, what it contains. Needs no server.

use std::time::Instant;

use jiff::Timestamp;

use super::abort::Ended;
use super::print::{err, out};
use super::scenarios::load_or_make;
use super::start::{no_work_folder, watch_signals, work_folder};
use crate::backup::Backup;
use crate::backup::examine::Purpose;
use crate::backup::source::Place;
use crate::cli::{Inspect, Terminal};
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::outcome::{Finding, Inspection, Objective};
use crate::record;
use crate::redact::Redactor;
use crate::stage::judged;
use crate::verdict::{Verdict, judge_inspection};
use crate::{progress, report};

/// Runs the command.
pub async fn run(arguments: Inspect, environment: Environment, terminal: Terminal) -> Ended {
    let (from, decryption) = (&arguments.backup, &arguments.decryption);
    let recovery = &arguments.recovery;
    let scenario = load_or_make(from, decryption, recovery, &environment, terminal)?;
    let work_dir = &arguments.work.work_dir;
    let run = work_folder(work_dir, &environment)?
        .begin()
        .map_err(|error| no_work_folder(work_dir, &error))?;
    let mut interrupted = watch_signals()?;
    let redactor = Redactor::default();
    let listener = progress::listener(arguments.quiet || arguments.json);
    let spool = run.folder.join("backup");
    let place = Place {
        folder: &scenario.folder,
        spool: &spool,
        run: &run.id,
        environment: &environment,
        redactor: &redactor,
        listener: &listener,
    };
    let (started, began) = (Timestamp::now(), Instant::now());
    let examined = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => None,
        examined = judged(&scenario, &place, Purpose::Look) => Some(examined),
    };
    let ended = match examined {
        None => Ok(Ending::Judged(Verdict::Interrupted)),
        Some(Err(error)) => Err(redactor.clean_error(error).into()),
        Some(Ok(backup)) => {
            let inspection = inspection(&backup, scenario.max_age, started, began, &redactor);
            show(&inspection, arguments.json, terminal);
            Ok(Ending::Judged(judge_inspection(&inspection)))
        }
    };
    if let Err(error) = run.end() {
        err(&format!("{error}\nhint: `redrill clean` tries again"));
    }
    ended
}

/// Builds the value that the reports are made from, without secrets.
fn inspection(
    backup: &Backup,
    max_age: Option<std::time::Duration>,
    started: Timestamp,
    began: Instant,
    redactor: &Redactor,
) -> Inspection {
    let made = backup.made.map(|(made, _)| made);
    let age = max_age.map(|limit| {
        let age = made.and_then(|made| record::age(made, started));
        Objective::time("max-age", limit, age)
    });
    let clean = |finding: &Finding| redactor.clean_finding(finding.clone());
    Inspection {
        redrill: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        duration: began.elapsed(),
        backup: backup.facts(),
        tables: backup.tables(),
        problems: backup.problems.iter().map(clean).collect(),
        not_restorable: (backup.missing_roles.as_ref()).map(|missing| clean(missing).actual),
        warnings: (backup.missing_roles.iter())
            .chain(&backup.warnings)
            .map(clean)
            .collect(),
        objectives: age
            .into_iter()
            .chain(backup.tiers.iter().cloned())
            .collect(),
    }
}

fn show(inspection: &Inspection, json: bool, terminal: Terminal) {
    if !json {
        out(&report::terminal::inspection::render(
            inspection,
            terminal.width,
            terminal.colour,
        ));
        return;
    }
    match report::json::render_inspection(inspection) {
        Ok(text) => out(&text),
        Err(error) => err(&format!("cannot write JSON: {error}")),
    }
}
