//! Lines for a terminal: wrapped between words, indented, coloured when asked for.

use tabled::grid::util::string::get_text_width;

use crate::outcome::{Finding, Outcome};
use crate::report::{text::line, view};
use crate::verdict::Verdict;

/// No narrower than this, or nothing would be readable.
const NARROWEST: usize = 40;

/// Columns before the text of a fact, a stage or a check.
pub(crate) const INDENT: usize = 11;

#[derive(Clone, Copy)]
pub(crate) enum Hue {
    Red,
    Green,
    Yellow,
}

impl Hue {
    /// The colour of a verdict.
    pub(crate) const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Proven | Verdict::ChecksPassed => Self::Green,
            Verdict::ProvenWithWaivers | Verdict::ChecksPassedWithWaivers => Self::Yellow,
            Verdict::NotProven => Self::Red,
            Verdict::ObjectiveMissed
            | Verdict::Inconclusive
            | Verdict::NothingChecked
            | Verdict::Interrupted => Self::Yellow,
        }
    }
}

/// The text that is being written.
pub(crate) struct Paper {
    pub(crate) text: String,
    pub(crate) width: usize,
    colour: bool,
}

impl Paper {
    /// Starts an empty text for a terminal of `width` columns.
    pub(crate) fn new(width: usize, colour: bool) -> Self {
        Self {
            text: String::new(),
            width: width.max(NARROWEST),
            colour,
        }
    }

    pub(crate) fn paint(&self, word: &str, hue: Hue) -> String {
        let code = match hue {
            Hue::Red => "1;31",
            Hue::Green => "32",
            Hue::Yellow => "33",
        };
        if self.colour {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(crate) fn section(&mut self, title: &str) {
        self.blank();
        self.wrap(title, 0, 2);
    }

    pub(crate) fn fact(&mut self, name: &str, value: &str) {
        self.wrap(&format!("{name:<INDENT$}{}", line(value)), 0, INDENT);
    }

    pub(crate) fn more(&mut self, count: usize, indent: usize) {
        if count > 0 {
            let text = format!("… and {} more, see drill.json", view::show(count));
            self.wrap(&text, indent, indent);
        }
    }

    /// Writes the first `most` findings with their hints; `rest` says where the others are.
    pub(crate) fn findings(&mut self, findings: &[Finding], most: usize, rest: &str) {
        for finding in findings.iter().take(most) {
            let object = finding.object.iter();
            let object: String = object.map(|object| format!("{object}: ")).collect();
            let (expected, actual) = (&finding.expected, &finding.actual);
            let text = format!("- {object}expected {expected}; found {actual}");
            self.wrap(&text, 2, 4);
            if let Some(hint) = &finding.hint {
                self.wrap(&format!("hint: {hint}"), 4, 10);
            }
        }
        let more = findings.len().saturating_sub(most);
        if more > 0 {
            self.wrap(&format!("… and {} more{rest}", view::show(more)), 2, 2);
        }
    }

    /// Writes the first `most` items below a title; `rest` says where the others are.
    pub(crate) fn list(
        &mut self,
        title: &str,
        items: impl IntoIterator<Item = String>,
        most: usize,
        rest: &str,
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.section(title);
        }
        for item in items.by_ref().take(most) {
            self.wrap(&format!("- {item}"), 2, 4);
        }
        match items.count() {
            0 => {}
            more => self.wrap(&format!("… and {} more{rest}", view::show(more)), 2, 2),
        }
    }

    /// Writes the word of an outcome, then the text next to it.
    pub(crate) fn outcome(&mut self, outcome: &Outcome, required: bool, text: &str) {
        let start = self.text.len();
        self.wrap(&line(text), INDENT, INDENT);
        let (word, hue) = match (outcome, required) {
            (Outcome::Pass, _) => ("pass", Hue::Green),
            (Outcome::Fail, true) => ("FAIL", Hue::Red),
            (Outcome::Fail, false) => ("fail", Hue::Yellow),
            (Outcome::Waived, _) => ("waived", Hue::Yellow),
            (Outcome::Error(_), true) => ("ERROR", Hue::Yellow),
            (Outcome::Error(_), false) => ("error", Hue::Yellow),
            (Outcome::Skipped { .. }, _) => ("skipped", Hue::Yellow),
        };
        let padding = " ".repeat(INDENT - 2 - word.len());
        let painted = format!("  {}{padding}", self.paint(word, hue));
        self.text.replace_range(start..start + INDENT, &painted);
    }

    /// As [`outcome`](Self::outcome), cut to one line.
    pub(crate) fn outcome_line(&mut self, outcome: &Outcome, text: &str) {
        let text = line(text);
        let room = self.width - INDENT;
        let short = if get_text_width(&text) <= room {
            text
        } else {
            let mut short = String::new();
            for c in text.chars() {
                short.push(c);
                if get_text_width(&short) >= room {
                    short.pop();
                    break;
                }
            }
            format!("{short}…")
        };
        self.outcome(outcome, true, &short);
    }

    /// Writes text, wrapped between words: a word that is too long is left whole for copying.
    pub(crate) fn wrap(&mut self, text: &str, first: usize, others: usize) {
        let text = line(text);
        let mut out = " ".repeat(first);
        let mut column = first;
        let mut begun = false;
        for word in unbreakable(&text) {
            let width = get_text_width(word);
            if begun && column + 1 + width > self.width {
                out.truncate(out.trim_end().len());
                out.push('\n');
                out.push_str(&" ".repeat(others));
                column = others;
            } else if begun {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
            begun = true;
        }
        self.text.push_str(out.trim_end());
        if out.trim().is_empty() {
            self.text.push_str(&out);
        }
        self.text.push('\n');
    }
}

/// Splits into words; a number such as `11 337` is one.
fn unbreakable(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ') {
        let group: Vec<char> = text[at + 1..].chars().take(4).collect();
        let number = text[..at].ends_with(|c: char| c.is_ascii_digit())
            && group.iter().take_while(|c| c.is_ascii_digit()).count() == 3;
        if !number {
            words.push(&text[start..at]);
            start = at + 1;
        }
    }
    words.push(&text[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(width: usize) -> Paper {
        Paper {
            width,
            ..Paper::new(width, false)
        }
    }

    #[test]
    fn text_is_wrapped_between_words_and_long_words_stay_whole() {
        let mut paper = paper(20);
        paper.wrap("one two three four abcdefghijklmnopqrstuvwxyz five", 2, 4);
        assert_eq!(
            paper.text,
            "  one two three four\n    abcdefghijklmnopqrstuvwxyz\n    five\n"
        );
    }

    #[test]
    fn a_number_is_one_word() {
        let words = unbreakable("found 11 337 rows, 1 234 567 in 2025 1 x");
        assert_eq!(
            words,
            [
                "found",
                "11 337",
                "rows,",
                "1 234 567",
                "in",
                "2025",
                "1",
                "x"
            ]
        );
        assert_eq!(unbreakable(""), [""]);
    }

    #[test]
    fn an_outcome_comes_before_its_text_even_when_there_is_none() {
        let mut paper = paper(40);
        paper.outcome(&Outcome::Fail, true, "a check");
        paper.outcome(&Outcome::Pass, true, "");
        assert_eq!(paper.text, "  FAIL     a check\n  pass     \n");
    }

    #[test]
    fn a_pass_takes_one_line() {
        let mut paper = paper(40);
        paper.outcome_line(&Outcome::Pass, &"word ".repeat(40));
        assert_eq!(paper.text.lines().count(), 1);
        assert!(
            get_text_width(paper.text.trim_end()) <= 40,
            "{}",
            paper.text
        );
    }
}
