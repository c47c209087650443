//! The end of a run of several scenarios: how each ended.

use std::path::PathBuf;

use super::Look;
use super::paper::{Hue, Paper};
use crate::exit_code::Ending;
use crate::units::show_counted;
use crate::verdict::Verdict;

/// How one scenario of a run ended.
#[derive(Debug)]
pub struct One {
    /// Its name.
    pub name: String,
    /// Its verdict, and the folder of its reports; `None` when it was not drilled.
    pub drilled: Option<(Verdict, PathBuf)>,
}

/// Writes how many scenarios have which verdict, then a line for each; `why_not` is why some were not drilled.
#[must_use]
pub fn render(all: &[One], why_not: &str, ending: Ending, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    let with = |wanted| {
        let verdicts = all.iter().map(|one| one.drilled.as_ref().map(|(v, _)| *v));
        verdicts.filter(|verdict| *verdict == wanted).count()
    };
    let words = Verdict::ALL.map(|verdict| (with(Some(verdict)), verdict.word()));
    let words = words.into_iter().chain([(with(None), NOT_DRILLED)]);
    let counts: Vec<String> = words
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let scenarios = show_counted(all.len(), "scenario");
    let code = ending.code();
    paper.wrap(
        &format!("{scenarios}: {} (exit code {code})", counts.join(", ")),
        0,
        2,
    );
    let longest = |length: fn(&One) -> usize| all.iter().map(length).max().unwrap_or(0);
    let word = |one: &One| one.drilled.as_ref().map_or(NOT_DRILLED, |(v, _)| v.word());
    let (words, names) = (
        all.iter().map(|one| word(one).len()).max().unwrap_or(0),
        longest(|one| one.name.len()),
    );
    for one in all {
        let (hue, end) = match &one.drilled {
            Some((verdict, folder)) => (Hue::of(*verdict), folder.display().to_string()),
            None => (Hue::Yellow, why_not.to_owned()),
        };
        let padding = " ".repeat(words - word(one).len());
        let word = paper.paint(word(one), hue);
        let line = format!("  {word}{padding}  {:<names$}  {end}\n", one.name);
        paper.text.push_str(&line);
    }
    paper.text
}

const NOT_DRILLED: &str = "not drilled";
