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
use crate::cli;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::ledger::changes::changes;
use crate::ledger::statement::Entry;
use crate::ledger::{entries, oldest_first};
use crate::report::text::line;
use crate::units::{show_bytes, show_count, show_counted, show_duration};

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
        } else {
            table.push(&entry);
        }
        found += 1;
        proven += usize::from(matches!(entry.drill.verdict.as_str(), "PROVEN" | "SAFE"));
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
    out(&table.text());
    out(&format!(
        "\n{}, {} of them PROVEN or SAFE. None of it is verified: `redrill verify`",
        show_counted(count(found), "record"),
        show_count(count(proven))
    ));
    Ok(Ending::Done)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
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
