//! The files of a command line: a record is found by its digest; a report is made again from the record of its drill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::unreadable;
use crate::command::print::{err, out};
use crate::command::report::{of_entry, other_version};
use crate::digest::sha256;
use crate::exit_code::{Ending, worst};
use crate::ledger::statement::{Entry, Kind};
use crate::outcome::{CouldNotRun, Refusal};
use crate::report::text::line;
use crate::report::{Report, reports};
use crate::state::State;
use crate::verdict::{RehearsalVerdict, Verdict};

/// Characters of a line that are shown before the first that differs, and from there on.
const AROUND: (usize, usize) = (30, 60);

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
    /// Another report.
    Report(Report),
}

/// What was found of a file.
enum Found<'a> {
    /// It is that of an entry.
    Same(&'a Entry),
    /// It belongs to no entry.
    Nothing,
    /// It is not what the record of an entry gives. A rehearsal of the same run has reports of its own.
    Differs(&'a Entry, Difference, Option<&'a Entry>),
    /// It cannot be made again.
    Unknown(CouldNotRun),
}

/// The first line in which a file differs from the report that was made again.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
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
        let report = match &self.is {
            Is::Report(report) => report.name,
            Is::Record(_) => {
                let record: Option<Value> = serde_json::from_str(&text).ok();
                return record.is_some_and(|record| {
                    record["run"].is_string() && record["verdict"].is_string()
                });
            }
        };
        let drills = Verdict::ALL.map(Verdict::word);
        let rehearsals = RehearsalVerdict::ALL.map(RehearsalVerdict::word);
        let mut words = drills.into_iter().chain(rehearsals);
        match report {
            "markdown" => words.any(|word| text.starts_with(&format!("# {word}: "))),
            "html" => words.any(|word| text.contains(&format!("\n<title>{word}: "))),
            _ => text.contains("<testsuites"),
        }
    }

    /// Whether it is over several drills.
    fn is_of_several(&self) -> bool {
        let text = String::from_utf8_lossy(&self.content);
        match &self.is {
            Is::Record(_) => false,
            Is::Report(report) => match report.name {
                "markdown" => text.starts_with("# Restore drills\n"),
                "html" => text.contains("<h1>Restore drills</h1>"),
                _ => text.matches("\n<testsuite ").count() > 1,
            },
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
        let report = reports()
            .into_iter()
            .find(|report| {
                let file = report.file.map(Path::new);
                file.is_some_and(|file| file.extension() == path.extension())
            })
            .filter(|report| report.name != "json");
        Ok(Given {
            path: path.clone(),
            is: report.map_or_else(|| Is::Record(sha256(&content)), Is::Report),
            content,
        })
    };
    paths.iter().map(read).collect()
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
            Is::Report(report) => of_report(state, file, report, entries).await?,
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
                         hint: `redrill verify` takes drill.json and rehearsal.json, and drill.md, drill.html and junit.xml of one drill"
                    ),
                });
                endings.push(Ending::NothingFound);
            }
            Found::Differs(entry, difference, rehearsal) => {
                let (number, index) = (difference.line, entry.position.index);
                out(&format!(
                    "NOT VERIFIED  {path}: line {number} is not what the record of entry {index} gives\n  \
                     in the file      {}\n  of the record    {}",
                    difference.file, difference.record
                ));
                if let Some(rehearsal) = rehearsal {
                    out(&format!(
                        "  unless it is one of the rehearsal of entry {}, which are not made again",
                        rehearsal.position.index
                    ));
                }
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

/// Compares a report with what the record of its drill gives.
async fn of_report<'a>(
    state: &State,
    file: &Given,
    report: &Report,
    entries: &'a BTreeMap<String, Entry>,
) -> Result<Found<'a>, CouldNotRun> {
    let words = words(&file.content);
    let entries = entries.values();
    let (drills, rehearsals): (Vec<_>, Vec<_>) = entries
        .filter(|entry| words.contains(&entry.drill.run))
        .partition(|entry| entry.drill.kind == Kind::Drill);
    if of_rehearsal(&file.path) || drills.is_empty() && !rehearsals.is_empty() {
        return Ok(Found::Unknown(CouldNotRun::with_hint(
            "only reports of drills can be made again, and it is one of a rehearsal",
            "verify its `rehearsal.json`",
        )));
    }
    // A text of the backup may be the id of another run: the file is compared with the drills of all.
    let mut nearest: Option<(&Entry, Difference, Option<String>)> = None;
    for entry in drills {
        let (result, verdict) = match of_entry(state, entry).await {
            Ok(read) => read,
            Err(error) => return Ok(Found::Unknown(error)),
        };
        let made = (report.render)(&result, verdict)
            .map_err(|error| CouldNotRun::new(error.to_string()))?;
        let Some(difference) = difference(&file.content, made.as_bytes()) else {
            return Ok(Found::Same(entry));
        };
        if nearest
            .as_ref()
            .is_none_or(|(_, nearest, _)| nearest.line < difference.line)
        {
            nearest = Some((entry, difference, other_version(&result)));
        }
    }
    if file.is_of_several() {
        return Ok(Found::Unknown(CouldNotRun::with_hint(
            "it is of several drills, and only reports of one can be made again",
            "verify the reports of each, which are in folders next to it",
        )));
    }
    let Some((entry, difference, other_version)) = nearest else {
        return Ok(Found::Nothing);
    };
    if let Some(other) = other_version {
        return Ok(Found::Unknown(CouldNotRun::with_hint(
            format!("{other}; line {} differs", difference.line),
            "verify it with the redrill that wrote it",
        )));
    }
    let same_run = |one: &&Entry| one.drill.run == entry.drill.run;
    let rehearsal = rehearsals.into_iter().find(same_run);
    Ok(Found::Differs(entry, difference, rehearsal))
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
        let name = file.path.file_name();
        reports()
            .iter()
            .any(|report| name.is_some_and(|name| report.file.is_some_and(|file| name == file)))
    };
    let named = move || same.iter().filter(move |(file, _)| is_named(file));
    named().filter_map(move |one| {
        let first = named().find(|first| first.0.path.parent() == one.0.path.parent())?;
        (first.1.drill.run != one.1.drill.run).then_some((first, one))
    })
}

/// The first line that differs; `None` for the same bytes.
fn difference(file: &[u8], made: &[u8]) -> Option<Difference> {
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
