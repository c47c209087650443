//! Why a command stopped early, on a terminal.

use super::paper::{Hue, Paper};
use crate::outcome::Finding;

/// Maximum number of findings that are shown.
const FINDINGS: usize = 20;

/// Reports why a command stopped, under a word such as `NOT RECOVERED` and its meaning.
#[must_use]
pub fn stopped(
    [word, meaning]: [&str; 2],
    summary: &str,
    hint: Option<&str>,
    findings: &[Finding],
    width: usize,
    colour: bool,
) -> String {
    let mut paper = Paper::new(width, colour);
    let word = paper.paint(word, Hue::Red);
    paper.text.push_str(&format!("{word}  {meaning}\n"));
    paper.wrap(summary, 0, 0);
    if let Some(hint) = hint {
        paper.wrap(&format!("hint: {hint}"), 4, 10);
    }
    paper.findings(findings, FINDINGS, "");
    paper.text
}
