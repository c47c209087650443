//! `redrill report`: makes a report of a drill or a rehearsal again from its record, or one over several drills.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::abort::{Abort, Ended};
use super::print::{err, exact};
use super::verify::{existing_state, open_state, unreadable};
use crate::atomic_file;
use crate::cli;
use crate::digest::sha256;
use crate::exit_code::{Ending, worst};
use crate::input::Environment;
use crate::ledger::statement::Entry;
use crate::ledger::{entry, entry_of, evidence, record};
use crate::outcome::{CouldNotRun, DrillResult};
use crate::report::json::{self, Record};
use crate::report::terminal::total;
use crate::report::text::line;
use crate::report::{Merged, html, junit, markdown, rehearsal_reports, reports};
use crate::state::State;
use crate::units::listed;
use crate::verdict::Verdict;

/// The version that makes reports here.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The reports that can be over several drills.
const SEVERAL: [&str; 3] = ["junit", "markdown", "html"];

/// The reports that do not show the entry of a drill.
const WITHOUT_EVIDENCE: [&str; 3] = ["json", "comment", "terminal"];

/// Runs the command.
pub async fn run(arguments: cli::Report, environment: &Environment) -> Ended {
    let format = arguments.format.as_str();
    let shows_evidence = !WITHOUT_EVIDENCE.contains(&format);
    let mut records = Vec::new();
    for name in &arguments.records {
        let mut record = find(name, &arguments.state, environment, shows_evidence).await?;
        note_what_differs(&mut record, &arguments.state, shows_evidence);
        records.push(record);
    }
    let text = match records.as_slice() {
        [record] => of_one(record, format)?,
        several => of_several(several, &arguments.records, format)?,
    };
    match &arguments.out {
        Some(path) => atomic_file::write(path, &text, true).map_err(cannot)?,
        None => exact(&text),
    }
    Ok(Ending::Done)
}

fn cannot(error: io::Error) -> CouldNotRun {
    CouldNotRun::new(error.to_string())
}

/// The record of this name: a file, or the number of an entry.
async fn find(
    name: &str,
    place: &str,
    environment: &Environment,
    shows_evidence: bool,
) -> Result<Record, Abort> {
    let Ok(index) = name.parse() else {
        let state = match shows_evidence {
            true => open_state(place, environment).await?,
            false => None,
        };
        return Ok(of_file(Path::new(name), state.as_ref()).await?);
    };
    let state = existing_state(place, environment).await?;
    let entry = entry(&state, index).await?.ok_or_else(|| {
        Abort::nothing_found(format!(
            "{} has no entry {index}\nhint: `redrill history` lists them; a file of this name is `./{index}`",
            state.place()
        ))
    })?;
    Ok(record_of(&state, &entry).await?)
}

/// Says why a report may differ from the one that the drill wrote.
fn note_what_differs(record: &mut Record, place: &str, shows_evidence: bool) {
    if let (true, Some((state, None))) = (shows_evidence, record.evidence()) {
        err(&line(&format!(
            "note: {place} has no entry of this record, so the report is without the evidence that the first one has"
        )));
        err(&line(&format!(
            "hint: name its state with `--state`: {state}"
        )));
    }
    if let Some(other) = other_version(record) {
        err(&format!("note: {other}"));
    }
}

/// Makes a report of one record.
fn of_one(record: &Record, format: &str) -> Result<String, Abort> {
    let text = match record {
        Record::Drill(result, verdict) => reports()
            .iter()
            .find(|report| report.name == format)
            .map(|report| (report.render)(result, *verdict)),
        Record::Rehearsal(result, verdict) => rehearsal_reports()
            .iter()
            .find(|report| report.name == format)
            .map(|report| (report.render)(result, *verdict)),
    };
    let text = text.ok_or_else(|| {
        Abort::invalid(format!(
            "`--format {format}` is a report of a rehearsal, and this is the record of a drill\nhint: name its `rehearsal.json`, or another format"
        ))
    })?;
    Ok(text.map_err(cannot)?)
}

/// Makes a report over several drills, as a run of all of them writes it.
fn of_several(records: &[Record], names: &[String], format: &str) -> Result<String, Abort> {
    let mut drills = Vec::new();
    for (record, name) in records.iter().zip(names) {
        let Record::Drill(result, verdict) = record else {
            return Err(Abort::invalid(
                line(&format!(
                    "{name} is the record of a rehearsal, and a report over several records is one of drills"
                )) + "\nhint: make its report alone",
            ));
        };
        drills.push((&**result, *verdict));
    }
    if !SEVERAL.contains(&format) {
        return Err(Abort::invalid(format!(
            "`--format {format}` is a report of one drill, and there are {} records\nhint: {} can be made over several",
            records.len(),
            listed(&SEVERAL.map(|format| format!("`{format}`")), SEVERAL.len())
        )));
    }
    Ok(over_drills(drills, Vec::new(), format).map_err(cannot)?)
}

/// A report of [`SEVERAL`] over drills that were complete, as a run of all of them writes it; the exit code is over `others` too.
///
/// # Errors
/// It cannot be written.
pub(super) fn over_drills(
    drills: Vec<(&DrillResult, Verdict)>,
    others: Vec<Ending>,
    format: &str,
) -> io::Result<String> {
    let line = |(result, verdict): &(&DrillResult, Verdict)| total::One {
        name: result.scenario.title(),
        // Its folder is only printed.
        state: total::State::Judged(*verdict, PathBuf::new()),
    };
    let lines: Vec<total::One> = drills.iter().map(line).collect();
    let endings = drills.iter().map(|(_, verdict)| Ending::Judged(*verdict));
    let ending = worst(endings.chain(others));
    let merged = Merged {
        drills,
        not_drilled: Vec::new(),
        missing: Vec::new(),
        problems: &[],
        batch: None,
        lines: &lines,
        ending,
    };
    Ok(match format {
        "markdown" => markdown::render_merged(&merged),
        "html" => html::merged::render(&merged),
        _ => junit::merge_all(&merged)?,
    })
}

/// The drill of an entry, with its evidence.
///
/// # Errors
/// The log or the record cannot be read, or it is of a rehearsal.
pub(super) async fn of_entry(
    state: &State,
    entry: &Entry,
) -> Result<(DrillResult, Verdict), CouldNotRun> {
    match record_of(state, entry).await? {
        Record::Drill(result, verdict) => Ok((*result, verdict)),
        Record::Rehearsal(..) => Err(CouldNotRun::new(format!(
            "entry {} is a rehearsal, and not a drill",
            entry.position.index
        ))),
    }
}

/// The record of an entry, with its evidence.
///
/// # Errors
/// The log or the record cannot be read.
pub(super) async fn record_of(state: &State, entry: &Entry) -> Result<Record, CouldNotRun> {
    let text = record(state, entry).await?;
    let mut record = json::read_record(&text)
        .map_err(|error| about(&format!("entry {}", entry.position.index), error))?;
    if let Some((_, slot)) = record.evidence() {
        *slot = evidence(state, entry).await?;
    }
    Ok(record)
}

/// The record in a file, with its evidence where the state has it.
async fn of_file(path: &Path, state: Option<&State>) -> Result<Record, CouldNotRun> {
    let text = fs::read_to_string(path).map_err(|error| {
        unreadable(path, &error).hint(
            "name the `drill.json` of a drill, the `rehearsal.json` of a rehearsal, or the number of an entry of the log",
        )
    })?;
    let mut record =
        json::read_record(&text).map_err(|error| about(&path.display().to_string(), error))?;
    if let (Some(state), Some((_, slot))) = (state, record.evidence())
        && let Some(entry) = entry_of(state, &sha256(&text)).await?
    {
        *slot = evidence(state, &entry).await?;
    }
    Ok(record)
}

fn about(what: &str, error: CouldNotRun) -> CouldNotRun {
    CouldNotRun {
        reason: line(&format!("{what}: {}", error.reason)),
        ..error
    }
}

/// What is to be said where another version of redrill wrote the reports of a record.
pub(super) fn other_version(record: &Record) -> Option<String> {
    let version = match record {
        Record::Drill(result, _) => &result.redrill,
        Record::Rehearsal(result, _) => &result.redrill,
    };
    (version != VERSION).then(|| {
        line(&format!(
            "redrill {version} wrote the reports of this drill, and this is redrill {VERSION}, whose reports may have another form"
        ))
    })
}
