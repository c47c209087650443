//! The result of `redrill recover`, on a terminal.

use jiff::Timestamp;

use super::paper::{Hue, Paper};
use crate::outcome::Finding;
use crate::recover::{Recovered, show_rows};
use crate::report::view;
use crate::units::{show_bytes, show_count};

/// Findings that are shown.
const FINDINGS: usize = 20;
/// Other things that are shown.
const LIST: usize = 20;
/// Columns before a fact.
const INDENT: usize = 12;

/// Reports what was written, for a terminal of `width` columns.
#[must_use]
pub fn recovered(recovered: &Recovered, now: Timestamp, width: usize, colour: bool) -> String {
    let mut paper = Paper::new(width, colour);
    let (table, written, backup) = (&recovered.table, &recovered.written, &recovered.backup);
    let word = paper.paint("RECOVERED", Hue::Green);
    let title = crate::report::text::line(&table.name());
    paper.text.push_str(&format!("{word}  {title}\n"));
    let held = match recovered.rows_in_backup {
        Some(_) => "as many as in the backup",
        None => "the backup does not contain an exact number to compare with",
    };
    let partitions = match table.relations.len() - 1 {
        0 => String::new(),
        1 => " in one partition".to_owned(),
        some => format!(" in {} partitions", show_count(some as u64)),
    };
    let file = written
        .path
        .as_ref()
        .map_or_else(|| "standard output".to_owned(), |p| p.display().to_string());
    for (name, value) in [
        (
            "rows",
            format!("{}{partitions}: {held}", show_rows(written.rows)),
        ),
        ("file", format!("{file}, {}", show_bytes(written.bytes))),
        ("sha256", written.sha256.clone()),
        ("backup", backup.origin.clone()),
        ("sha256", backup.sha256.clone()),
        ("taken", view::made_ago(backup, now)),
        ("database", recovered.database.clone()),
        (
            "restored on",
            format!(
                "PostgreSQL {}; the backup was taken from {}",
                recovered.server,
                backup
                    .source_version
                    .as_deref()
                    .unwrap_or("an unknown version")
            ),
        ),
    ] {
        paper.wrap(&format!("{name:<INDENT$}{value}"), 0, INDENT);
    }
    list(
        &mut paper,
        "required where it is loaded",
        table.needs.iter().map(|need| need.what.as_str()),
    );
    list(
        &mut paper,
        "refers to the table and is not in the file",
        table.not_with_it.iter().map(String::as_str),
    );
    paper.text
}

fn list<'a>(paper: &mut Paper, title: &str, items: impl ExactSizeIterator<Item = &'a str>) {
    let more = items.len().saturating_sub(LIST);
    if items.len() == 0 {
        return;
    }
    paper.section(title);
    for item in items.take(LIST) {
        paper.wrap(&format!("- {item}"), 2, 4);
    }
    if more > 0 {
        paper.wrap(&format!("… and {more} more"), 2, 2);
    }
}

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
    for finding in findings.iter().take(FINDINGS) {
        let object = finding
            .object
            .as_ref()
            .map(|object| format!("{object}: "))
            .unwrap_or_default();
        paper.wrap(
            &format!(
                "- {object}expected {}; found {}",
                finding.expected, finding.actual
            ),
            2,
            4,
        );
        if let Some(hint) = &finding.hint {
            paper.wrap(&format!("hint: {hint}"), 4, 10);
        }
    }
    let more = findings.len().saturating_sub(FINDINGS);
    if more > 0 {
        paper.wrap(&format!("… and {more} more"), 2, 2);
    }
    paper.text
}
