//! One drill of a run: its reports, its record, its summary.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Asked;
use super::notify::{self, describe_failure, notify, targets, webhook};
use super::record::{Place, Recorder, failure, lines};
use super::repeat::repeating_command;
use crate::baseline::{Baseline, observed};
use crate::batch::Part;
use crate::command::kept;
use crate::command::print::{err, out};
use crate::context::Context;
use crate::exit_code::{Ending, worst};
use crate::ledger::Kept;
use crate::ledger::statement::Summary;
use crate::outcome::{CouldNotRun, Delivery, DrillResult, RehearsalResult};
use crate::progress::Progress;
use crate::rehearse::Rehearsed;
use crate::report::terminal::{self, Look, total};
use crate::report::{self, json};
use crate::run::{Drilled, drill};
use crate::scenario::Scenario;
use crate::verdict::{RehearsalVerdict, Verdict};

/// What all drills of a run share.
pub(super) struct Drills<'a> {
    /// The context, but for listener and repeating command.
    pub(super) context: Context,
    pub(super) recorder: &'a Recorder,
    /// Who may have signed what an earlier drill left.
    pub(super) trusted: Kept,
    /// The part in a batch, where this is a shard.
    pub(super) part: Option<Part<'a>>,
    pub(super) asked: Asked<'a>,
    /// The words of the command line.
    pub(super) command: &'a [String],
    pub(super) progress: &'a Progress,
    pub(super) look: Look,
    /// Whether lines of progress begin with the name of the scenario.
    pub(super) prefixed: bool,
}

/// A drill whose files were written, or not.
pub(super) struct Recorded {
    pub(super) result: DrillResult,
    pub(super) verdict: Verdict,
    /// The verdict on the rehearsal of its release, and whether only that counts.
    pub(super) rehearsed: Option<RehearsalVerdict>,
    rehearsal_only: bool,
    /// The reports.
    pub(super) files: Vec<PathBuf>,
    /// Whether reports and record were all written.
    pub(super) complete: bool,
    /// Whether `--keep` asked for a server that is not there.
    not_kept: bool,
}

impl Recorded {
    /// How it ends the command.
    pub(super) fn ending(&self) -> Ending {
        let ending = match self.rehearsed {
            Some(verdict) if self.rehearsal_only => Ending::Rehearsed(verdict),
            Some(verdict) => worst([Ending::Judged(self.verdict), Ending::Rehearsed(verdict)]),
            None => Ending::Judged(self.verdict),
        };
        if self.complete && !self.not_kept {
            ending
        } else {
            ending.unless(Ending::CouldNotRun)
        }
    }

    /// How it is counted in the total.
    pub(super) fn state(&self) -> total::State {
        if self.complete {
            total::State::Judged(self.verdict, self.folder())
        } else {
            total::State::NotRecorded
        }
    }

    /// The folder of its reports.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.files.first().and_then(|file| file.parent());
        folder.map(Path::to_owned).unwrap_or_default()
    }
}

impl Drills<'_> {
    /// Drills a scenario, writes its files, sends it to its webhook, and prints its summary.
    pub(super) async fn drill(&self, scenario: &Scenario) -> Recorded {
        let place = self.recorder.place(scenario, &self.context).await;
        let last_record = match &place {
            Ok(place) => place.last_record(scenario, &self.trusted).await,
            Err(error) => Err(error.clone()),
        };
        let context = self.context_of(scenario, last_record);
        let mut not_sent = match self.asked.rehearsal_only() {
            true => Vec::new(),
            false => notify::announce(scenario, &context).await,
        };
        let Drilled {
            mut result,
            verdict,
            observed,
            mut rehearsed,
            kept,
        } = drill(scenario, &context).await;
        if self.asked.rehearsal_only() {
            return self
                .rehearsal(scenario, &context, (result, verdict), rehearsed)
                .await;
        }
        let baseline = observed.as_ref().map(|observed| &observed.baseline);
        let mut missing = Vec::new();
        let webhook = webhook(scenario, verdict);
        let targets = targets(scenario, verdict);
        result.incident = webhook.map(|_| Delivery::default());
        result.notified = vec![Delivery::default(); targets.len()];
        let mut files = self.write_reports(&result, verdict, baseline, &mut missing);
        // The reports are there before: a delivery may take minutes, and end with this program.
        let all = webhook.into_iter().chain(targets);
        let all =
            all.map(|webhook| notify(webhook, scenario, &context, (&result, verdict), &files));
        let mut deliveries = futures_util::future::join_all(all).await;
        let described = deliveries.iter();
        not_sent.extend(
            described.filter_map(|delivery| describe_failure(scenario, "the result", delivery)),
        );
        result.incident = webhook.map(|_| deliveries.remove(0));
        result.notified = deliveries;
        // Last, because the record says everything, the delivery of the message too.
        let (place, summary) = (
            place.map_err(failure),
            Summary::of(&result, verdict).with(scenario),
        );
        let recorded = async {
            let place = place.as_ref().map_err(Clone::clone)?;
            result.state = place.name();
            result.since = place.since(&summary).await.map_err(failure)?;
            let record = json::render(&result, verdict);
            let left = observed::record_of(observed.as_ref(), verdict).map(|(_, left)| left);
            place.record(record, summary, left).await.map_err(failure)
        };
        let evidence = recorded.await.unwrap_or_else(|error: String| {
            missing.push(error);
            None
        });
        result.evidence = evidence;
        let record = observed::save_record(observed.as_ref(), verdict);
        let record = record.unwrap_or_else(|why| {
            // What is in the state needs no file, and its folder may be read-only.
            if result.evidence.is_none() {
                missing.push(format!(
                    "{why}\nhint: the next drill is compared with the record: make its folder writable, or name a state with `--state`"
                ));
            }
            None
        });
        let note = place.as_ref().ok().and_then(Place::note);
        let changed =
            result.incident.is_some() || !result.notified.is_empty() || result.evidence.is_some();
        if !files.is_empty() && changed {
            files = self.write_reports(&result, verdict, baseline, &mut missing);
        }
        let rehearsal = match &mut rehearsed {
            Some(rehearsed) => Some(self.keep(rehearsed, scenario, &context, &mut missing).await),
            None => None,
        };
        let recorded = Recorded {
            result,
            verdict,
            rehearsed: rehearsed.map(|rehearsed| rehearsed.verdict),
            rehearsal_only: false,
            files,
            complete: missing.is_empty(),
            not_kept: kept.iter().any(Result::is_err),
        };
        let text = if self.asked.json() && !recorded.complete {
            // Its line would say the verdict of a drill that is no evidence.
            String::new()
        } else if self.asked.json() {
            json::render_line(&recorded.result, verdict).unwrap_or_else(|error| {
                missing.push(format!("the result was not printed: {error}"));
                String::new()
            })
        } else {
            self.summary(&recorded, record.as_deref())
        };
        self.progress.pause(|| {
            if !text.is_empty() {
                out(&text);
            }
            match rehearsal {
                // Standard output has only JSON then.
                Some(text) if self.asked.json() => err(&text),
                Some(text) => out(&format!("\n{text}")),
                None => {}
            }
            missing
                .iter()
                .chain(&not_sent)
                .chain(note)
                .for_each(|error| err(error));
            // Standard output has only JSON then.
            let print = if self.asked.json() { err } else { out };
            for kept in &kept {
                match kept {
                    Ok(kept) => print(&kept::usage(kept)),
                    Err(error) => err(&kept::failure(error)),
                }
            }
            if !self.asked.json() {
                out("");
            }
        });
        recorded
    }

    /// Writes the reports of a rehearsal and prints its summary, without those of the drill.
    async fn rehearsal(
        &self,
        scenario: &Scenario,
        context: &Context,
        (result, verdict): (DrillResult, Verdict),
        mut rehearsed: Option<Rehearsed>,
    ) -> Recorded {
        let mut missing = Vec::new();
        let text = match &mut rehearsed {
            Some(rehearsed) => Some(self.keep(rehearsed, scenario, context, &mut missing).await),
            None => None,
        };
        // Of a rehearsal that a signal ended, its own summary says so.
        let interrupted = result.interrupted && rehearsed.is_some();
        let drill = match verdict.passed() || interrupted {
            true => None,
            false => Some(terminal::summary(&result, verdict, self.look)),
        };
        self.progress.pause(|| {
            // Why the database that the migrations ran on is not proven.
            drill.iter().for_each(|text| out(text));
            text.iter().for_each(|text| out(text));
            missing.iter().for_each(|error| err(error));
            out("");
        });
        Recorded {
            result,
            verdict,
            rehearsed: rehearsed.map(|rehearsed| rehearsed.verdict),
            rehearsal_only: true,
            files: Vec::new(),
            complete: missing.is_empty(),
            not_kept: false,
        }
    }

    /// Writes the reports of a rehearsal and records it; gives its summary.
    async fn keep(
        &self,
        rehearsed: &mut Rehearsed,
        scenario: &Scenario,
        context: &Context,
        missing: &mut Vec<String>,
    ) -> String {
        let shown = (self.asked, self.look);
        keep_rehearsal(rehearsed, self.recorder, scenario, context, shown, missing).await
    }

    /// Writes the reports; none where that fails, which is added to `missing`.
    fn write_reports(
        &self,
        result: &DrillResult,
        verdict: Verdict,
        baseline: Option<&Baseline>,
        missing: &mut Vec<String>,
    ) -> Vec<PathBuf> {
        report::write_all(&self.asked.options.reports, result, verdict, baseline).unwrap_or_else(
            |error| {
                missing.push(format!(
                    "the reports were not written: {error}\nhint: name another folder with `--reports`"
                ));
                Vec::new()
            },
        )
    }

    /// The context of one drill.
    fn context_of(
        &self,
        scenario: &Scenario,
        last_record: Result<Option<Arc<Baseline>>, CouldNotRun>,
    ) -> Context {
        let name = &scenario.facts.name;
        let prefix = if self.prefixed {
            format!("{name}: ")
        } else {
            String::new()
        };
        let shared = &self.context;
        Context {
            work: shared.work.clone(),
            environment: shared.environment.clone(),
            redactor: shared.redactor.clone(),
            listener: self.progress.listener(&prefix),
            interrupted: shared.interrupted.clone(),
            keep: shared.keep,
            repeat: repeating_command(self.command, scenario, self.asked, None),
            rehearse: shared.rehearse,
            last_record,
        }
    }

    /// The summary, and where the files are.
    fn summary(&self, recorded: &Recorded, record: Option<&Path>) -> String {
        // After the files: without them the drill is no evidence, and its summary says so.
        let summary = match recorded.complete {
            true => terminal::summary,
            false => terminal::unrecorded,
        };
        let mut text = summary(&recorded.result, recorded.verdict, self.look);
        text += &reports_line(&recorded.files);
        if let Some(evidence) = &recorded.result.evidence {
            let state = recorded.result.state.as_deref().unwrap_or_default();
            text += &lines(state, evidence);
        }
        if let Some(record) = record {
            text += &format!("record     {}\n", record.display());
        }
        text
    }
}

/// Writes the reports of a rehearsal and records it; gives its summary.
pub(super) async fn keep_rehearsal(
    rehearsed: &mut Rehearsed,
    recorder: &Recorder,
    scenario: &Scenario,
    context: &Context,
    (asked, look): (Asked<'_>, Look),
    missing: &mut Vec<String>,
) -> String {
    let Rehearsed { result, verdict } = rehearsed;
    let write = |result: &RehearsalResult, missing: &mut Vec<String>| {
        let written = report::write_rehearsal(&asked.options.reports, result, *verdict);
        written.unwrap_or_else(|error| {
            missing.push(format!(
                "the reports of the rehearsal were not written: {error}\nhint: name another folder with `--reports`"
            ));
            Vec::new()
        })
    };
    let mut files = write(result, missing);
    let mut recorded = async || {
        let place = recorder.place(scenario, context).await?;
        result.state = place.name();
        let record = json::render_rehearsal(result, *verdict);
        let summary = Summary::of_rehearsal(result, *verdict);
        result.evidence = place.record(record, summary, None).await?;
        Ok(place.note().map(|note| format!("{note}\n")))
    };
    let note = recorded().await.unwrap_or_else(|error| {
        missing.push(failure(error));
        None
    });
    // With the evidence, and with the state that the record names.
    if !files.is_empty() && result.state.is_some() {
        files = write(result, missing);
    }
    let mut text = terminal::rehearsal(result, *verdict, look);
    text += &reports_line(&files);
    if let Some(evidence) = &result.evidence {
        text += &lines(result.state.as_deref().unwrap_or_default(), evidence);
    }
    text + &note.unwrap_or_default()
}

/// The line about files of one folder.
fn reports_line(files: &[PathBuf]) -> String {
    let names = |file: &PathBuf| Some(file.file_name()?.to_string_lossy().into_owned());
    let names: Vec<String> = files.iter().filter_map(names).collect();
    let folder = files.first().and_then(|file| file.parent());
    folder.map_or_else(String::new, |folder| {
        format!("reports    {}: {}\n", folder.display(), names.join(", "))
    })
}
