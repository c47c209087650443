//! `redrill history` and `redrill compare`: what the log says of past drills.

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
use crate::ledger::entries;
use crate::ledger::statement::Entry;
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
    let mut found = entries(&state).await?;
    found.retain(wanted);
    if arguments.json {
        let json = serde_json::to_string_pretty(&found)
            .map_err(|error| Abort::internal(error.to_string()))?;
        out(&json);
        return Ok(Ending::Done);
    }
    if found.is_empty() {
        return Err(Abort::nothing_found(format!(
            "{} has no such drill",
            state.place()
        )));
    }
    out(&table(&found));
    let proven = found
        .iter()
        .filter(|entry| matches!(entry.drill.verdict.as_str(), "PROVEN" | "SAFE"))
        .count();
    out(&format!(
        "\n{}, {} PROVEN or SAFE; none of it is verified: `redrill verify`",
        show_counted(count(found.len()), "entry").replace("entrys", "entries"),
        show_count(count(proven))
    ));
    Ok(Ending::Done)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// One line for each entry, the oldest first.
fn table(entries: &[Entry]) -> String {
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
    for Entry {
        position, drill, ..
    } in entries
    {
        let backup = drill.backup.as_ref();
        let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let restore = drill
            .restore_s
            .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
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
        builder.push_record(row.iter().map(|cell| line(cell)));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    for column in [0, 5, 6, 7] {
        table.modify(Columns::one(column), Alignment::right());
    }
    let text = table.to_string();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
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
