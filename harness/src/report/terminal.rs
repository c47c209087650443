//! The summary on a terminal: the verdict first, failures in full, a line for each pass.
//!
//! It reads without colour, in 80 columns, and in a CI log.

use tabled::builder::Builder;
use tabled::grid::util::string::get_text_width;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style, Width};

use super::text::line;
use super::view;
use crate::exit_code;
use crate::outcome::{CheckResult, DrillResult, Finding, Outcome, StageResult};
use crate::scenario::units::{show_bytes, show_count, show_duration};
use crate::verdict::Verdict;

/// The longest list of findings of one check or stage.
const FINDINGS: usize = 10;
/// The longest list of tables whose rows differ.
const DIFFERENCES: usize = 10;
/// How many of the largest tables are shown.
const LARGEST: usize = 5;
/// The longest of all other lists.
const LIST: usize = 20;
/// No narrower than this, or nothing would be readable.
const NARROWEST: usize = 40;

/// Writes the summary for a terminal of `width` columns.
#[must_use]
pub fn summary(result: &DrillResult, verdict: Verdict, width: usize, colour: bool) -> String {
    let mut paper = Paper {
        text: String::new(),
        width: width.max(NARROWEST),
        colour,
    };
    head(&mut paper, result, verdict);
    stages(&mut paper, result);
    checks(&mut paper, result);
    rows(&mut paper, result);
    left_out(&mut paper, result);
    paper.blank();
    paper.fact("repeat", &result.repeat);
    paper.text
}

fn head(paper: &mut Paper, result: &DrillResult, verdict: Verdict) {
    let hue = match verdict {
        Verdict::Proven => Hue::Green,
        Verdict::NotProven => Hue::Red,
        Verdict::ObjectiveMissed
        | Verdict::Inconclusive
        | Verdict::NothingChecked
        | Verdict::Interrupted => Hue::Yellow,
    };
    let title = format!(
        "{} (exit code {})",
        line(&result.scenario.name),
        exit_code::of(verdict)
    );
    let word = paper.paint(verdict.word(), hue);
    paper.text.push_str(&format!("{word}  {title}\n"));
    paper.wrap(verdict.meaning(), 0, 0);
    for reason in view::decisive(result).iter().take(FINDINGS) {
        paper.wrap(&format!("- {reason}"), 0, 2);
    }
    paper.more(view::decisive(result).len().saturating_sub(FINDINGS), 0);
    paper.blank();
    match &result.backup {
        Some(backup) => {
            let name = backup.path.display().to_string();
            let size = show_bytes(backup.bytes);
            paper.fact("backup", &format!("{name}, {size}, {}", backup.format));
            paper.fact("made", &view::made(backup, result.started));
        }
        None => paper.fact("backup", "none was found, or it could not be read"),
    }
    match &result.server {
        Some(server) => paper.fact(
            "server",
            &format!(
                "PostgreSQL {}, {}: {}",
                server.version, server.provider, server.origin
            ),
        ),
        None => paper.fact("server", "none ran"),
    }
    let mut time = format!("{} in all", show_duration(result.duration));
    if let Some(restore) = &result.restore {
        time.push_str(&format!(", restore {}", show_duration(restore.duration)));
        let phases: Vec<String> = restore
            .phases
            .iter()
            .map(|phase| format!("{} {}", phase.name, show_duration(phase.duration)))
            .collect();
        if !phases.is_empty() {
            time.push_str(&format!(" ({})", phases.join(", ")));
        }
    }
    paper.fact("time", &time);
    for objective in &result.objectives {
        paper.fact("limit", &view::objective_line(objective));
    }
    for weakness in result.server.iter().flat_map(|server| &server.weaknesses) {
        paper.fact("caveat", weakness);
    }
}

fn stages(paper: &mut Paper, result: &DrillResult) {
    if result.stages.is_empty() {
        return;
    }
    paper.section("stages");
    for stage in &result.stages {
        stage_lines(paper, stage);
    }
}

fn stage_lines(paper: &mut Paper, stage: &StageResult) {
    let text = format!(
        "{}: {} ({})",
        stage.stage.word(),
        view::stage_why(stage),
        show_duration(stage.duration)
    );
    paper.outcome(&stage.outcome, true, &text);
    findings(paper, &stage.findings);
}

fn checks(paper: &mut Paper, result: &DrillResult) {
    paper.section(&view::check_counts(result));
    let (skipped, looked): (Vec<_>, Vec<_>) = view::by_gravity(result)
        .into_iter()
        .partition(|check| matches!(check.outcome, Outcome::Skipped { .. }));
    for check in looked {
        check_lines(paper, result, check);
    }
    for (reason, checks) in view::skipped(result, |check| skipped.iter().any(|s| s.id == check.id))
    {
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        let outcome = Outcome::Skipped {
            reason: String::new(),
        };
        paper.outcome(&outcome, true, &format!("{} ({reason})", names.join("; ")));
    }
}

fn check_lines(paper: &mut Paper, result: &DrillResult, check: &CheckResult) {
    if check.outcome == Outcome::Pass {
        let text = if check.actual.trim().is_empty() {
            check.name.clone()
        } else {
            format!("{}: {}", check.name, check.actual)
        };
        paper.outcome_line(&check.outcome, &text);
        return;
    }
    let required = if check.required { "" } else { ", not required" };
    let text = format!(
        "{} ({}{required}, {}:{})",
        check.name,
        check.kind,
        result.scenario.file.display(),
        check.line
    );
    paper.outcome(&check.outcome, check.required, &text);
    paper.wrap(&view::why(check), INDENT, INDENT);
    findings(paper, &check.findings);
}

/// Findings that differ in nothing but their object stand together.
fn findings(paper: &mut Paper, all: &[Finding]) {
    let same = |a: &Finding, b: &Finding| {
        a.object.is_some()
            && b.object.is_some()
            && (&a.expected, &a.actual, &a.hint) == (&b.expected, &b.actual, &b.hint)
    };
    for group in all[..all.len().min(FINDINGS)].chunk_by(same) {
        let Some(finding) = group.first() else {
            continue;
        };
        let mut indent = INDENT;
        let objects: Vec<String> = group
            .iter()
            .filter_map(|finding| finding.object.as_deref().map(line))
            .collect();
        if !objects.is_empty() {
            paper.wrap(&format!("- {}", objects.join(", ")), INDENT, INDENT + 2);
            indent += 2;
        }
        let mut fact = |name: &str, text: &str| {
            paper.wrap(&format!("{name:<10}{text}"), indent, indent + 10);
        };
        fact("expected", &finding.expected);
        fact("found", &finding.actual);
        if let Some(hint) = &finding.hint {
            fact("hint", hint);
        }
    }
    paper.more(all.len().saturating_sub(FINDINGS), INDENT);
}

fn rows(paper: &mut Paper, result: &DrillResult) {
    let all = result.restore.as_ref().map_or(&[][..], |r| &r.rows);
    if all.is_empty() {
        return;
    }
    let rows = view::rows(all, LARGEST);
    paper.section(match (rows.compared, rows.differ.is_empty()) {
        (false, _) => "rows per table (not counted in the restored database)",
        (true, true) => "rows per table: none differs",
        (true, false) => "rows per table: what differs comes first",
    });
    let mut table = Builder::default();
    table.push_record(["", "table", "in the backup", "restored"]);
    let marked = rows.differ.iter().take(DIFFERENCES).map(|t| ("DIFFERS", t));
    let word = if rows.compared { "equal" } else { "" };
    let equal = rows.largest.iter().map(|table| (word, table));
    for (word, rows) in marked.chain(equal) {
        table.push_record([
            word.to_owned(),
            line(&format!("{}: {}", rows.database, rows.table)),
            show_count(rows.backup),
            view::restored_rows(rows),
        ]);
    }
    table.push_record([
        String::new(),
        format!("all {} tables", view::show(rows.tables)),
        show_count(rows.backup),
        if rows.compared {
            show_count(rows.restored)
        } else {
            String::new()
        },
    ]);
    let mut table = table.build();
    table
        .with(Style::empty())
        .with(Padding::new(2, 0, 0, 0))
        .modify(Columns::new(2..), Alignment::right())
        .with(Width::wrap(paper.width).keep_words(true));
    for line in table.to_string().lines() {
        paper.text.push_str(line.trim_end());
        paper.text.push('\n');
    }
    paper.more(rows.differ.len().saturating_sub(DIFFERENCES), 2);
}

fn left_out(paper: &mut Paper, result: &DrillResult) {
    let tolerated = result.restore.as_ref().map_or(&[][..], |r| &r.tolerated);
    list(
        paper,
        "messages that were let pass",
        tolerated.iter().map(|message| {
            let times = match message.times {
                1 => "once".to_owned(),
                more => format!("{} times", show_count(more)),
            };
            format!("{} ({times}): {}", message.message, message.reason)
        }),
    );
    // What was skipped or failed stands above.
    list(
        paper,
        "not tested",
        result
            .not_tested
            .iter()
            .map(|item| format!("{}: {}", item.what, item.why)),
    );
    let not_held = result.backup.as_ref().map_or(&[][..], |b| &b.not_held);
    list(
        paper,
        "not in the backup",
        not_held
            .iter()
            .map(|item| format!("{}: {}", item.what, item.why)),
    );
}

fn list(paper: &mut Paper, title: &str, items: impl ExactSizeIterator<Item = String>) {
    let count = items.len();
    if count == 0 {
        return;
    }
    paper.section(title);
    for item in items.take(LIST) {
        paper.wrap(&format!("- {item}"), 2, 4);
    }
    paper.more(count.saturating_sub(LIST), 2);
}

/// Columns before the text of a stage or a check.
const INDENT: usize = 11;

#[derive(Clone, Copy)]
enum Hue {
    Red,
    Green,
    Yellow,
}

struct Paper {
    text: String,
    width: usize,
    colour: bool,
}

impl Paper {
    fn paint(&self, word: &str, hue: Hue) -> String {
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

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.blank();
        self.wrap(title, 0, 2);
    }

    fn fact(&mut self, name: &str, value: &str) {
        self.wrap(&format!("{name:<8}{}", line(value)), 0, 8);
    }

    fn more(&mut self, count: usize, indent: usize) {
        if count > 0 {
            let text = format!("… and {} more, see drill.json", view::show(count));
            self.wrap(&text, indent, indent);
        }
    }

    /// Writes an outcome's word, then the text beside it.
    fn outcome(&mut self, outcome: &Outcome, required: bool, text: &str) {
        let start = self.text.len();
        self.wrap(&line(text), INDENT, INDENT);
        let (word, hue) = match (outcome, required) {
            (Outcome::Pass, _) => ("pass", Hue::Green),
            (Outcome::Fail, true) => ("FAIL", Hue::Red),
            (Outcome::Fail, false) => ("fail", Hue::Yellow),
            (Outcome::Error, true) => ("ERROR", Hue::Yellow),
            (Outcome::Error, false) => ("error", Hue::Yellow),
            (Outcome::Skipped { .. }, _) => ("skipped", Hue::Yellow),
        };
        let padding = " ".repeat(INDENT - 2 - word.len());
        let painted = format!("  {}{padding}", self.paint(word, hue));
        self.text.replace_range(start..start + INDENT, &painted);
    }

    /// As [`outcome`](Self::outcome), cut to one line.
    fn outcome_line(&mut self, outcome: &Outcome, text: &str) {
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
    fn wrap(&mut self, text: &str, first: usize, others: usize) {
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
            text: String::new(),
            width,
            colour: false,
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
    fn an_outcome_stands_before_its_text_even_when_there_is_none() {
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
