//! `redrill history` and `redrill compare`: what the log says of past drills.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style};

use super::abort::{Abort, Ended};
use super::print::out;
use super::verify::existing_state;
use crate::atomic_file;
use crate::cli;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::ledger::changes::changes;
use crate::ledger::latest::Latest;
use crate::ledger::statement::Entry;
use crate::ledger::{checkpoint_of, entries, oldest_first, record};
use crate::outcome::CouldNotRun;
use crate::report::html::overview::{self, Overview};
use crate::report::json;
use crate::report::text::line;
use crate::state::State;
use crate::units::{show_bytes, show_count, show_counted, show_duration};
use crate::verdict::RehearsalVerdict;

/// Runs `redrill history`.
pub async fn run(arguments: cli::History, environment: &Environment) -> Ended {
    let state = existing_state(&arguments.state, environment).await?;
    let since = arguments.since.map(|span| {
        let span = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(span).unwrap_or(Timestamp::MIN)
    });
    let wanted = |entry: &Entry| {
        since.is_none_or(|since| entry.drill.began >= since)
            && (arguments.scenarios.is_empty()
                || arguments.scenarios.contains(&entry.drill.scenario))
    };
    let mut entries = std::pin::pin!(oldest_first(&state).await?);
    let mut table = Table::new();
    let mut latest = Latest::default();
    let mut overview = arguments.html.is_some().then(Overview::default);
    let mut found: usize = 0;
    let mut proven: usize = 0;
    while let Some(entry) = entries.next().await {
        let Some(entry) = entry?.filter(wanted) else {
            continue;
        };
        if arguments.json {
            let json = serde_json::to_string(&entry)
                .map_err(|error| Abort::internal(error.to_string()))?;
            out(&format!("{} {json}", if found == 0 { "[" } else { "," }));
        } else if let Some(overview) = &mut overview {
            overview.add(&entry);
        } else if !arguments.controls {
            table.push(&entry);
        }
        found += 1;
        let is_safe = entry.drill.verdict == RehearsalVerdict::Safe.word();
        proven += usize::from(entry.drill.is_proven() || is_safe);
        latest.add(entry);
    }
    if arguments.json {
        out(if found == 0 { "[]" } else { "]" });
        return Ok(Ending::Done);
    }
    if found == 0 {
        return Err(Abort::nothing_found(format!(
            "{} has no such drill",
            state.place()
        )));
    }
    if let (Some(path), Some(mut overview)) = (&arguments.html, overview) {
        for newest in latest.newest().filter(|newest| !newest.drill.is_proven()) {
            overview.explain(&newest.drill.scenario, why(&state, newest).await);
        }
        overview.place = state.place();
        overview.checkpoint = checkpoint_of(&state).await?;
        let cannot = |error: std::io::Error| CouldNotRun::new(error.to_string());
        let page = overview.render(&latest, Timestamp::now());
        atomic_file::write(path, &page, true).map_err(cannot)?;
        out(&line(&format!(
            "{}: {}, {} of them PROVEN or SAFE. None of it is verified: `redrill verify`",
            path.display(),
            show_counted(count(found), "record"),
            show_count(count(proven))
        )));
        return Ok(Ending::Done);
    }
    if arguments.controls {
        out(&controls(&latest));
        return Ok(Ending::Done);
    }
    out(&table.text());
    let overdue = overdue(&latest, Timestamp::now());
    let waived = waived(&latest);
    overdue
        .iter()
        .chain(&waived)
        .for_each(|text| out(&line(text)));
    out(&format!(
        "\n{}, {} of them PROVEN or SAFE. None of it is verified: `redrill verify`",
        show_counted(count(found), "record"),
        show_count(count(proven))
    ));
    Ok(Ending::Done)
}

/// What keeps the newest drill of a scenario from being PROVEN, from its record.
async fn why(state: &State, newest: &Entry) -> Vec<String> {
    let read = record(state, newest).await;
    match read.and_then(|text| json::read(&text)) {
        Ok((result, _)) => overview::reasons(&result),
        Err(error) => vec![error.reason],
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A line for each scenario that was not proven within its cadence.
fn overdue(latest: &Latest, now: Timestamp) -> Vec<String> {
    let lines = latest.overdue(now).into_iter().map(|one| {
        let every = show_duration(one.every);
        match one.proven {
            None => format!(
                "OVERDUE  {}: never PROVEN, and every {every} is asked for",
                one.scenario
            ),
            Some(age) => format!(
                "OVERDUE  {}: PROVEN {} ago, and every {every} is asked for",
                one.scenario,
                show_duration(age)
            ),
        }
    });
    lines.collect()
}

/// A line for each waiver that the newest drill of a scenario rests on.
fn waived(latest: &Latest) -> Vec<String> {
    let lines = latest.waivers().map(|(name, waiver)| {
        format!(
            "WAIVED   {name}: {} of {} on {}, by {} until {}: {}",
            show_counted(waiver.findings, "finding"),
            waiver.check,
            waiver.object,
            waiver.owner,
            waiver.until,
            waiver.reason
        )
    });
    lines.collect()
}

/// A line for each control and scenario: whether its newest drill is evidence.
fn controls(latest: &Latest) -> String {
    let controls = latest.controls().into_iter();
    let lines = controls.map(|(control, evidence, newest)| {
        let word = if evidence { "evidence" } else { "NO EVIDENCE" };
        line(&format!(
            "{control:<20} {word:<12} {}, entry {}, {}, {}",
            newest.drill.scenario,
            newest.position.index,
            newest.drill.verdict,
            minute(newest.drill.began)
        ))
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    if lines.is_empty() {
        return "no scenario of these drills names a control: add `controls = [\"SOC2:A1.3\"]`"
            .to_owned();
    }
    lines.join("\n")
}

/// One line for each entry.
struct Table(Builder);

impl Table {
    fn new() -> Self {
        let mut builder = Builder::default();
        builder.push_record([
            "entry",
            "began",
            "scenario",
            "verdict",
            "backup taken",
            "size",
            "rows",
            "restored in",
            "by",
        ]);
        Self(builder)
    }

    fn push(
        &mut self,
        Entry {
            position, drill, ..
        }: &Entry,
    ) {
        let backup = drill.backup.as_ref();
        let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let restore = drill
            .restore_s
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let scenario = match drill.only.as_slice() {
            [] => drill.scenario.clone(),
            only => format!("{} (only {})", drill.scenario, only.join(", ")),
        };
        let row = [
            position.index.to_string(),
            minute(drill.began),
            scenario,
            drill.verdict.clone(),
            dash(backup.and_then(|backup| backup.made).map(minute)),
            dash(backup.map(|backup| show_bytes(backup.size_bytes))),
            dash(backup.map(|backup| show_count(backup.rows))),
            dash(restore.map(show_duration)),
            drill.actor.clone(),
        ];
        self.0.push_record(row.iter().map(|cell| line(cell)));
    }

    fn text(self) -> String {
        let mut table = self.0.build();
        table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
        for column in [0, 5, 6, 7] {
            table.modify(Columns::one(column), Alignment::right());
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// A time in UTC, to the minute.
fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Runs `redrill compare`.
pub async fn compare(arguments: cli::Compare, environment: &Environment) -> Ended {
    let state = existing_state(&arguments.state, environment).await?;
    let all = entries(&state).await?;
    let find = |name: &str| {
        let named = all
            .iter()
            .find(|entry| entry.position.index.to_string() == name || entry.drill.run == name);
        named.ok_or_else(|| {
            Abort::nothing_found(format!(
                "{} has no entry `{name}`\nhint: name the number of an entry or the id of a run; `redrill history` lists them",
                state.place()
            ))
        })
    };
    let (before, after) = (find(&arguments.before)?, find(&arguments.after)?);
    for entry in [before, after] {
        out(&line(&format!(
            "{:>5}  {}  {}  {}",
            entry.position.index,
            minute(entry.drill.began),
            entry.drill.scenario,
            entry.drill.verdict
        )));
    }
    let changes = changes(&before.drill, &after.drill);
    for change in &changes {
        out(&format!("- {}", line(change)));
    }
    if changes.is_empty() {
        out("no difference in what the log has");
    }
    Ok(Ending::Done)
}
