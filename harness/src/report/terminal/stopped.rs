//! Why a command wrote nothing, on a terminal.

use super::paper::{Hue, Paper};
use crate::outcome::Finding;

/// Maximum number of findings that are shown.
const FINDINGS: usize = 20;

/// Reports why nothing was written, under a word such as `NOT RECOVERED`.
#[must_use]
pub fn nothing_written(
    word: &str,
    summary: &str,
    hint: Option<&str>,
    findings: &[Finding],
    width: usize,
    colour: bool,
) -> String {
    let mut paper = Paper::new(width, colour);
    let word = paper.paint(word, Hue::Red);
    paper
        .text
        .push_str(&format!("{word}  nothing was written\n"));
    paper.wrap(summary, 0, 0);
    if let Some(hint) = hint {
        paper.wrap(&format!("hint: {hint}"), 4, 10);
    }
    paper.findings(findings, FINDINGS, "");
    paper.text
}
