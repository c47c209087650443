//! The files of a command line: a record is found by its digest; a report is made again from the record of its drill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{several, unreadable};
use crate::command::print::{err, out};
use crate::command::report::{other_version, record_of};
use crate::digest::sha256;
use crate::exit_code::{Ending, worst};
use crate::ledger::statement::{Entry, Kind};
use crate::outcome::{CouldNotRun, Refusal};
use crate::report::json::Record;
use crate::report::text::line;
use crate::report::{rehearsal_reports, reports};
use crate::state::State;
use crate::verdict::{RehearsalVerdict, Verdict};

/// Characters of a line that are shown before the first that differs, and from there on.
const AROUND: (usize, usize) = (30, 60);

/// The ending of a record.
const RECORD: &str = "json";

/// A file.
pub(super) struct Given {
    path: PathBuf,
    content: Vec<u8>,
    is: Is,
}

/// What a file is, by its ending.
enum Is {
    /// `drill.json` or `rehearsal.json`, with its SHA-256.
    Record(String),
    /// Another report, with its ending.
    Report(&'static str),
}

/// What was found of a file.
pub(super) enum Found<'a> {
    /// It is that of an entry.
    Same(&'a Entry),
    /// It is the report over the drills of these entries.
    OfSeveral(Vec<&'a Entry>),
    /// It belongs to no entry.
    Nothing,
    /// It is not what the records of these entries give.
    Differs(Vec<&'a Entry>, Difference),
    /// It cannot be made again.
    Unknown(CouldNotRun),
}

/// The first line in which a file differs from the report that was made again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Its number, from 1.
    line: usize,
    /// What the file has there.
    file: String,
    /// What the record gives.
    record: String,
}

impl Given {
    /// Whether it has the form of a record or a report, of whatever drill.
    fn is_one(&self) -> bool {
        let text = String::from_utf8_lossy(&self.content);
        let drills = Verdict::ALL.map(Verdict::word);
        let rehearsals = RehearsalVerdict::ALL.map(RehearsalVerdict::word);
        let mut words = drills.into_iter().chain(rehearsals);
        match self.is {
            Is::Record(_) => serde_json::from_str(&text).is_ok_and(|record: Value| {
                record["run"].is_string() && record["verdict"].is_string()
            }),
            Is::Report("md") => words.any(|word| text.starts_with(&format!("# {word}: "))),
            Is::Report("html") => words.any(|word| text.contains(&format!("\n<title>{word}: "))),
            Is::Report(_) => text.contains("<testsuites"),
        }
    }

    /// Whether it is over several drills.
    fn is_of_several(&self) -> bool {
        let text = String::from_utf8_lossy(&self.content);
        match self.is {
            Is::Report("md") => text.starts_with("# Restore drills\n"),
            Is::Report("html") => text.contains("<h1>Restore drills</h1>"),
            Is::Report(_) => text.matches("\n<testsuite ").count() > 1,
            Is::Record(_) => false,
        }
    }
}

/// Reads the files.
///
/// # Errors
/// One cannot be read.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Given>, CouldNotRun> {
    let read = |path: &PathBuf| {
        let content = fs::read(path).map_err(|error| unreadable(path, &error))?;
        let ending = endings()
            .find(|ending| path.extension().is_some_and(|of_path| of_path == *ending))
            .filter(|ending| *ending != RECORD);
        Ok(Given {
            path: path.clone(),
            is: ending.map_or_else(|| Is::Record(sha256(&content)), Is::Report),
            content,
        })
    };
    paths.iter().map(read).collect()
}

/// The endings of the files of reports.
fn endings() -> impl Iterator<Item = &'static str> {
    let files = rehearsal_reports().map(|report| report.file);
    let ending = |file: &'static str| Path::new(file).extension()?.to_str();
    files.into_iter().flatten().filter_map(ending)
}

/// What may name the entries of files: the digest of a record; of a report each word, because one is the id of its run.
pub(super) fn names(files: &[Given]) -> BTreeSet<String> {
    let names = |file: &Given| match &file.is {
        Is::Record(sha256) => BTreeSet::from([sha256.clone()]),
        Is::Report(_) => words(&file.content),
    };
    files.iter().flat_map(names).collect()
}

fn words(content: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(content);
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.map(str::to_owned).collect()
}

/// Verifies files with the entries that the log has of their names, and prints what was found.
///
/// # Errors
/// The state cannot be read.
pub(super) async fn verify(
    state: &State,
    files: &[Given],
    entries: &BTreeMap<String, Entry>,
) -> Result<Ending, CouldNotRun> {
    let mut endings = vec![Ending::Done];
    let mut same: Vec<(&Given, &Entry)> = Vec::new();
    for file in files {
        let path = file.path.display();
        let found = match &file.is {
            Is::Record(sha256) => entries.get(sha256).map_or(Found::Nothing, Found::Same),
            Is::Report(ending) => of_report(state, file, ending, entries).await?,
        };
        let noun = match file.is {
            Is::Record(_) => "record",
            Is::Report(_) => "report",
        };
        match found {
            Found::Same(entry) => {
                out(&line(&format!(
                    "{path} is the {noun} of entry {}: {} of `{}`, run {}",
                    entry.position.index,
                    entry.drill.verdict,
                    entry.drill.scenario,
                    entry.drill.run,
                )));
                same.push((file, entry));
            }
            Found::Nothing => {
                err(&match file.is_one() {
                    true => format!(
                        "{path} is not the {noun} of an entry: it was changed, or belongs to another state"
                    ),
                    false => format!(
                        "{path} is no record and no report of a drill\n\
                         hint: `redrill verify` takes drill.json and rehearsal.json, and their reports: markdown, HTML and JUnit"
                    ),
                });
                endings.push(Ending::NothingFound);
            }
            Found::OfSeveral(entries) => out(&line(&format!(
                "{path} is the report over {}",
                numbers(&entries)
            ))),
            Found::Differs(entries, difference) => {
                let (number, of) = (difference.line, numbers(&entries));
                let (record, give) = match entries.len() {
                    1 => ("record", "gives"),
                    _ => ("records", "give"),
                };
                out(&format!(
                    "NOT VERIFIED  {path}: line {number} is not what the {record} of {of} {give}\n  \
                     in the file      {}\n  of the record    {}",
                    difference.file, difference.record
                ));
                endings.push(Ending::Closed(Refusal::NotVerified));
            }
            Found::Unknown(error) => {
                let hint = error.hint.map(|hint| format!("\nhint: {hint}"));
                err(&format!(
                    "{path} was not verified: {}{}",
                    error.reason,
                    hint.unwrap_or_default()
                ));
                endings.push(Ending::CouldNotRun);
            }
        }
    }
    for (one, other) in swapped(&same) {
        out(&line(&format!(
            "NOT VERIFIED  {} is of entry {}, and {} next to it of entry {}: one of them was exchanged",
            one.0.path.display(),
            one.1.position.index,
            other.0.path.display(),
            other.1.position.index,
        )));
        endings.push(Ending::Closed(Refusal::NotVerified));
    }
    Ok(worst(endings))
}

/// `entry 4`, `entries 4, 5`.
fn numbers(entries: &[&Entry]) -> String {
    let numbers = entries
        .iter()
        .map(|entry| entry.position.index.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    match entries.len() {
        1 => format!("entry {numbers}"),
        _ => format!("entries {numbers}"),
    }
}

/// Compares a report with what the record of its drill or rehearsal gives.
async fn of_report<'a>(
    state: &State,
    file: &Given,
    ending: &str,
    entries: &'a BTreeMap<String, Entry>,
) -> Result<Found<'a>, CouldNotRun> {
    let words = words(&file.content);
    let entries = entries.values();
    let mut entries: Vec<&Entry> = entries
        .filter(|entry| words.contains(&entry.drill.run))
        .collect();
    if file.is_of_several() {
        return several::verify(state, &file.content, ending, entries).await;
    }
    // A rehearsal has the run of its drill. Of two that differ in the same line the name of the file decides.
    let of_rehearsal = of_rehearsal(&file.path);
    entries.sort_by_key(|entry| (entry.drill.kind == Kind::Rehearsal) != of_rehearsal);
    // A text of the backup may be the id of another run: the file is compared with the drills of all.
    let mut nearest: Option<(&Entry, Difference, Option<String>)> = None;
    for entry in entries {
        let record = match record_of(state, entry).await {
            Ok(read) => read,
            Err(error) => return Ok(Found::Unknown(error)),
        };
        for made in made_again(&record, ending)? {
            let Some(difference) = difference(&file.content, made.as_bytes()) else {
                return Ok(Found::Same(entry));
            };
            if nearest
                .as_ref()
                .is_none_or(|(_, nearest, _)| nearest.line < difference.line)
            {
                nearest = Some((entry, difference, other_version(&record)));
            }
        }
    }
    Ok(match nearest {
        None => Found::Nothing,
        Some((_, difference, Some(other))) => of_other_version(&other, &difference),
        Some((entry, difference, None)) => Found::Differs(vec![entry], difference),
    })
}

/// What is said of a difference that another version of redrill may have made.
pub(super) fn of_other_version(other: &str, difference: &Difference) -> Found<'static> {
    Found::Unknown(CouldNotRun::with_hint(
        format!("{other}; line {} differs", difference.line),
        "verify it with the redrill that wrote it",
    ))
}

/// The reports of a record whose files have this ending.
fn made_again(record: &Record, ending: &str) -> Result<Vec<String>, CouldNotRun> {
    let has = |file: Option<&'static str>| {
        let of_file = file.and_then(|file| Path::new(file).extension());
        of_file.is_some_and(|of_file| of_file == ending)
    };
    let made: std::io::Result<Vec<String>> = match record {
        Record::Drill(result, verdict) => reports()
            .iter()
            .filter(|report| has(report.file))
            .map(|report| (report.render)(result, *verdict))
            .collect(),
        Record::Rehearsal(result, verdict) => rehearsal_reports()
            .iter()
            .filter(|report| has(report.file))
            .map(|report| (report.render)(result, *verdict))
            .collect(),
    };
    made.map_err(|error| CouldNotRun::new(error.to_string()))
}

/// Whether a file has the name or the folder of a report of a rehearsal.
fn of_rehearsal(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    let folder = path.parent().and_then(Path::extension);
    matches!(name, Some("rehearsal" | "comment"))
        || folder.is_some_and(|folder| folder == "rehearsal")
}

/// Files in the folder of one drill that are of another: each with the first file of the folder.
fn swapped<'a>(
    same: &'a [(&'a Given, &'a Entry)],
) -> impl Iterator<Item = (&'a (&'a Given, &'a Entry), &'a (&'a Given, &'a Entry))> {
    // Files of several drills may be together under names of their own.
    let is_named = |file: &Given| {
        let name = file.path.file_name().and_then(|name| name.to_str());
        let drill = reports().map(|report| report.file);
        let rehearsal = rehearsal_reports().map(|report| report.file);
        name.is_some() && drill.iter().chain(&rehearsal).any(|file| *file == name)
    };
    let named = move || same.iter().filter(move |(file, _)| is_named(file));
    named().filter_map(move |one| {
        let beside = |first: &&(&Given, &Entry)| {
            first.0.path.parent() == one.0.path.parent()
                && of_rehearsal(&first.0.path) == of_rehearsal(&one.0.path)
        };
        let first = named().find(beside)?;
        (first.1.position.index != one.1.position.index).then_some((first, one))
    })
}

/// The first line that differs; `None` for the same bytes.
pub(super) fn difference(file: &[u8], made: &[u8]) -> Option<Difference> {
    if file == made {
        return None;
    }
    let lines = |content| <[u8]>::split_inclusive(content, |byte| *byte == b'\n');
    let same = lines(file).zip(lines(made)).take_while(|(a, b)| a == b);
    let same = same.count();
    let text = |content| {
        let line = lines(content).nth(same)?;
        Some(String::from_utf8_lossy(line).into_owned())
    };
    let (file, made) = (text(file), text(made));
    let equal = |(a, b): (&String, &String)| {
        let both = a.chars().zip(b.chars());
        both.take_while(|(a, b)| a == b).count()
    };
    let equal = file.as_ref().zip(made.as_ref()).map_or(0, equal);
    let from = equal.saturating_sub(AROUND.0);
    let shown = |text: Option<String>| {
        text.map_or("nothing: it ends before".to_owned(), |text| {
            let part: String = text.chars().skip(from).take(AROUND.0 + AROUND.1).collect();
            let dots = if from > 0 { "… " } else { "" };
            // Quoted as in a program, so that a space or the end of a line is seen.
            line(&format!("{dots}{part:?}"))
        })
    };
    Some(Difference {
        line: same + 1,
        file: shown(file),
        record: shown(made),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a\nb\n", "a\nb\n", None)]
    #[case("a\nb\n", "a\nc\n", Some((2, r#""b\n""#, r#""c\n""#)))]
    #[case("a\r\nb\n", "a\nb\n", Some((1, r#""a\r\n""#, r#""a\n""#)))]
    #[case("a\n", "a\nb\n", Some((2, "nothing: it ends before", r#""b\n""#)))]
    #[case("a\nb", "a\n", Some((2, r#""b""#, "nothing: it ends before")))]
    #[case("a\n\u{202e}b", "a\nb", Some((2, r#""\u{202e}b""#, r#""b""#)))]
    fn the_first_line_that_differs_is_named(
        #[case] file: &str,
        #[case] made: &str,
        #[case] expected: Option<(usize, &str, &str)>,
    ) {
        let expected = expected.map(|(line, file, record)| Difference {
            line,
            file: file.to_owned(),
            record: record.to_owned(),
        });
        assert_eq!(difference(file.as_bytes(), made.as_bytes()), expected);
    }

    /// Not every byte is a letter, and one that is shown like another is a difference.
    #[test]
    fn bytes_that_are_no_text_differ() {
        let found = difference(b"a\n\xff\n", b"a\n\xfe\n").unwrap();
        assert_eq!((found.line, &*found.file), (2, "\"\u{fffd}\\n\""));
        let long = "x".repeat(200);
        let found = difference(format!("{long}a").as_bytes(), format!("{long}b").as_bytes());
        let found = found.unwrap();
        assert_eq!(found.line, 1);
        assert!(found.file.starts_with("… \"xxx") && found.file.ends_with("xa\""));
    }

    #[rstest]
    #[case("reports/out/orders/drill.md", false)]
    #[case("reports/out/orders.rehearsal/junit.xml", true)]
    #[case("rehearsal.md", true)]
    fn reports_of_rehearsals_have_names(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(of_rehearsal(Path::new(path)), expected);
    }
}
