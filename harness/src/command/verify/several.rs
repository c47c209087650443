//! The reports over several drills: made again from the records of all of them.

use super::files::{Found, difference, of_other_version};
use crate::command::report::{other_version, over_drills, record_of};
use crate::exit_code::Ending;
use crate::ledger::statement::{Entry, Kind};
use crate::outcome::CouldNotRun;
use crate::report::json::Record;
use crate::state::State;
use crate::verdict::RehearsalVerdict;

/// A report over several drills, by the ending of its file.
struct Several {
    /// As `redrill report --format` names it.
    format: &'static str,
    /// What is around the id of the run of each drill.
    run: (&'static str, &'static str),
    /// What it has of a drill that is in no log.
    in_no_record: [&'static str; 3],
}

impl Several {
    fn of(ending: &str) -> Self {
        match ending {
            "md" => Self {
                format: "markdown",
                run: ("| `", "` |"),
                in_no_record: ["**not drilled**", "**NOT RECORDED**", "## Shards"],
            },
            "html" => Self {
                format: "html",
                run: ("<code>", "</code></td>"),
                in_no_record: [">not drilled<", ">NOT RECORDED<", ">Shards<"],
            },
            _ => Self {
                format: "junit",
                run: ("\nrun: ", "\n"),
                in_no_record: ["\"not-drilled\"", "\"missing\"", "\"shard\""],
            },
        }
    }
}

/// Compares such a report with what the records give, in the order of the file. Of the entries each word of the file is the run.
///
/// # Errors
/// A report cannot be made.
pub(super) async fn verify<'a>(
    state: &State,
    content: &[u8],
    ending: &str,
    entries: Vec<&'a Entry>,
) -> Result<Found<'a>, CouldNotRun> {
    let text = String::from_utf8_lossy(content);
    let Several {
        format,
        run: (before, after),
        in_no_record,
    } = Several::of(ending);
    let placed = entries.into_iter().filter_map(|entry| {
        let place = text.find(&format!("{before}{}{after}", entry.drill.run))?;
        Some((place, entry))
    });
    let mut placed: Vec<(usize, &Entry)> = placed.collect();
    placed.sort_by_key(|(place, _)| *place);
    // The exit code is over the rehearsals too, which have the runs of their drills.
    let rehearsed = placed.iter().filter_map(|(_, entry)| {
        let mut all = RehearsalVerdict::ALL.into_iter();
        let verdict = all.find(|verdict| verdict.word() == entry.drill.verdict)?;
        (entry.drill.kind == Kind::Rehearsal).then_some(Ending::Rehearsed(verdict))
    });
    let rehearsed: Vec<Ending> = rehearsed.collect();
    let entries = placed.iter().map(|(_, entry)| *entry);
    let entries: Vec<&Entry> = entries
        .filter(|entry| entry.drill.kind == Kind::Drill)
        .collect();
    if entries.is_empty() {
        return Ok(Found::Nothing);
    }
    let mut drills = Vec::new();
    let mut other = None;
    for entry in &entries {
        match record_of(state, entry).await {
            Ok(record) => {
                other = other.or(other_version(&record));
                if let Record::Drill(result, verdict) = record {
                    drills.push((result, verdict));
                }
            }
            Err(error) => return Ok(Found::Unknown(error)),
        }
    }
    let make = |others: Vec<Ending>| {
        let drills = drills.iter().map(|(result, verdict)| (&**result, *verdict));
        over_drills(drills.collect(), others, format)
            .map_err(|error| CouldNotRun::new(error.to_string()))
    };
    let made = make(rehearsed.clone())?;
    let Some(difference) = difference(content, made.as_bytes()) else {
        return Ok(Found::OfSeveral(entries));
    };
    if let Some(other) = other {
        return Ok(of_other_version(&other, &difference));
    }
    // A run that could not keep a server, say: all is as in the records but how the run ended.
    let of_run = make([rehearsed, vec![Ending::CouldNotRun]].concat())?;
    let unknown = |reason: &str| {
        Found::Unknown(CouldNotRun::with_hint(
            reason,
            "verify the reports of each drill",
        ))
    };
    Ok(if in_no_record.iter().any(|kind| text.contains(kind)) {
        unknown("it has scenarios that were not drilled, of which there is no record")
    } else if of_run.as_bytes() == content {
        unknown(
            "its run did not do all it was asked to, which is in no record; its drills are as recorded",
        )
    } else {
        Found::Differs(entries, difference)
    })
}
