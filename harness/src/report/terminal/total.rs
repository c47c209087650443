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
    /// How it ended.
    pub state: State,
}

/// How a scenario ended.
#[derive(Debug)]
pub enum State {
    /// With a verdict; its reports are in this folder.
    Judged(Verdict, PathBuf),
    /// Not all of its files were written, so it is no evidence, whatever its verdict.
    NotRecorded,
    /// It was not begun, or there is no result, for this reason.
    NotDrilled(String),
}

const NOT_RECORDED: &str = "NOT RECORDED";
const NOT_DRILLED: &str = "not drilled";
const NOT_WRITTEN: &str = "not all of its files were written";

impl State {
    /// Why it is not PROVEN: what this state says, or the first of these reasons of its drill.
    pub(in crate::report) fn why(&self, decisive: Option<Vec<String>>) -> String {
        match self.own_reason() {
            Some(own) => own.to_owned(),
            None => decisive
                .and_then(|why| why.into_iter().next())
                .unwrap_or_default(),
        }
    }

    /// Why it is no evidence, whatever its drill says.
    pub(in crate::report) fn own_reason(&self) -> Option<&str> {
        match self {
            Self::Judged(..) => None,
            Self::NotRecorded => Some(NOT_WRITTEN),
            Self::NotDrilled(why) => Some(why),
        }
    }

    pub(in crate::report) const fn word(&self) -> &'static str {
        match self {
            Self::Judged(verdict, _) => verdict.word(),
            Self::NotRecorded => NOT_RECORDED,
            Self::NotDrilled(_) => NOT_DRILLED,
        }
    }
}

/// How many scenarios ended in which way, and the exit code.
#[must_use]
pub fn counts(all: &[One], ending: Ending) -> String {
    let verdicts = Verdict::ALL.map(Verdict::word);
    let words = verdicts.into_iter().chain([NOT_RECORDED, NOT_DRILLED]);
    let count = |word| all.iter().filter(|one| one.state.word() == word).count();
    let counts: Vec<String> = words
        .map(|word| (count(word), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let scenarios = show_counted(all.len(), "scenario");
    let code = ending.code();
    format!("{scenarios}: {} (exit code {code})", counts.join(", "))
}

/// Writes how many scenarios ended in which way, then a line for each.
#[must_use]
pub fn render(all: &[One], ending: Ending, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    paper.wrap(&counts(all, ending), 0, 2);
    let longest = |length: fn(&One) -> usize| all.iter().map(length).max().unwrap_or(0);
    let words = longest(|one| one.state.word().len());
    let names = longest(|one| one.name.len());
    for one in all {
        let (hue, end) = match &one.state {
            State::Judged(verdict, folder) => (Hue::of(*verdict), folder.display().to_string()),
            State::NotRecorded => (Hue::Yellow, NOT_WRITTEN.to_owned()),
            State::NotDrilled(why) => (Hue::Yellow, why.clone()),
        };
        let word = one.state.word();
        let padding = " ".repeat(words - word.len());
        let word = paper.paint(word, hue);
        let line = format!("  {word}{padding}  {:<names$}  {end}\n", one.name);
        paper.text.push_str(&line);
    }
    paper.text
}
