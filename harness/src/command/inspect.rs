//! `redrill inspect`: what a backup is, whether it is complete, what it contains. Needs no server.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::{Abort, Ended, err, no_work_folder, out, watch_signals, work_folder};
use crate::backup::Backup;
use crate::backup::examine::{Purpose, Subject, examine};
use crate::backup::packing::settings::Decrypt;
use crate::backup::source::{Place, Source};
use crate::cli::{Inspect, Opening, Terminal};
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::input::secret::SecretText;
use crate::outcome::{Inspection, Objective};
use crate::record;
use crate::redact::Redactor;
use crate::verdict::Verdict;
use crate::{progress, report, scenario};

/// The backup to inspect, and the base of relative paths.
struct Wanted {
    subject: Subject,
    folder: PathBuf,
    max_age: Option<std::time::Duration>,
}

/// Runs the command.
pub async fn run(arguments: Inspect, environment: Environment, terminal: Terminal) -> Ended {
    let wanted = wanted(&arguments, &environment)
        .map_err(|mistakes| Abort::invalid(mistakes.render(terminal.colour_errors)))?;
    let work_dir = &arguments.work.work_dir;
    let run = work_folder(work_dir)?
        .begin()
        .map_err(|error| no_work_folder(work_dir, &error))?;
    let mut interrupted = watch_signals()?;
    let redactor = Redactor::default();
    let listener = progress::listener(arguments.quiet || arguments.json);
    let spool = run.folder.join("backup");
    let place = Place {
        folder: &wanted.folder,
        spool: &spool,
        run: &run.id,
        environment: &environment,
        redactor: &redactor,
        listener: &listener,
    };
    let (started, began) = (Timestamp::now(), Instant::now());
    let looked = tokio::select! {
        biased;
        _ = interrupted.wait_for(|interrupted| *interrupted) => None,
        looked = examine(&wanted.subject, &place, Purpose::Look) => Some(looked),
    };
    let ended = match looked {
        None => Ok(Ending::Judged(Verdict::Interrupted)),
        Some(Err(error)) => Err(redactor.clean_error(error).into()),
        Some(Ok(backup)) => {
            let inspection = inspection(&backup, wanted.max_age, started, began, &redactor);
            tell(&inspection, arguments.json, terminal);
            Ok(Ending::Judged(judge(&inspection)))
        }
    };
    if let Err(error) = run.end() {
        err(&format!("{error}\nhint: `redrill clean` tries again"));
    }
    ended
}

/// The backup of a scenario with its settings, or a backup without.
fn wanted(
    arguments: &Inspect,
    environment: &Environment,
) -> Result<Wanted, crate::input::Diagnostics> {
    let path = &arguments.backup;
    let is_scenario = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    let mut wanted = if is_scenario {
        let scenario = scenario::load(path, environment)?;
        Wanted {
            subject: scenario.backup,
            folder: scenario.folder,
            max_age: scenario.max_age,
        }
    } else {
        Wanted {
            subject: Subject::of(Source::path(path)),
            folder: PathBuf::new(),
            max_age: None,
        }
    };
    open_with(&mut wanted.subject, &arguments.opening);
    Ok(wanted)
}

/// Applies the decryption options of the command line.
pub(super) fn open_with(subject: &mut Subject, opening: &Opening) {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(file) = &opening.age_identity {
        subject.decrypt = Some(Decrypt {
            age_identity: Some(SecretText::File(absolute(file))),
            ..Decrypt::default()
        });
    }
    if let Some(command) = &opening.decrypt {
        let words = command.split_whitespace().map(str::to_owned).collect();
        subject.decrypt = Some(Decrypt {
            command: Some(words),
            ..Decrypt::default()
        });
    }
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
    let clean = |findings: &[crate::outcome::Finding]| {
        findings
            .iter()
            .map(|finding| redactor.clean_finding(finding.clone()))
            .collect()
    };
    Inspection {
        redrill: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        duration: began.elapsed(),
        backup: backup.facts(),
        tables: backup.tables(),
        problems: clean(&backup.problems),
        warnings: clean(&backup.warnings),
        objectives: age
            .into_iter()
            .chain(backup.tiers.iter().cloned())
            .collect(),
    }
}

fn tell(inspection: &Inspection, json: bool, terminal: Terminal) {
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

fn judge(inspection: &Inspection) -> Verdict {
    if !inspection.problems.is_empty() {
        return Verdict::NotProven;
    }
    let met: Vec<Option<bool>> = inspection.objectives.iter().map(Objective::met).collect();
    if met.contains(&Some(false)) {
        Verdict::ObjectiveMissed
    } else if met.contains(&None) {
        Verdict::Inconclusive
    } else {
        Verdict::Proven
    }
}
