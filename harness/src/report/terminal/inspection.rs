//! The result of an inspection, on a terminal: errors first, then the backup and its contents.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style};

use super::paper::{Hue, Paper};
use crate::outcome::{Finding, Inspection, NotTested};
use crate::report::text::line;
use crate::report::view;
use crate::units::{show_bytes, show_count, show_counted, show_duration};

/// Columns before a fact.
const INDENT: usize = 12;
/// Findings that are shown.
const FINDINGS: usize = 20;
/// Tables that are shown.
const TABLES: usize = 20;
/// Other things that are shown.
const LIST: usize = 12;

/// Writes what was found for a terminal of `width` columns.
#[must_use]
pub fn render(inspection: &Inspection, width: usize, colour: bool) -> String {
    let mut paper = Paper::new(width, colour);
    head(&mut paper, inspection);
    findings(&mut paper, "errors", &inspection.problems);
    findings(&mut paper, "warnings", &inspection.warnings);
    paper.blank();
    facts(&mut paper, inspection);
    tables(&mut paper, inspection);
    not_held(&mut paper, &inspection.backup.not_held);
    candidates(&mut paper, inspection);
    paper.text
}

fn head(paper: &mut Paper, inspection: &Inspection) {
    let missed: Vec<String> = inspection
        .objectives
        .iter()
        .filter(|objective| objective.met() == Some(false))
        .map(view::objective_line)
        .collect();
    let (word, hue, sentence) = if !inspection.problems.is_empty() {
        (
            "BROKEN",
            Hue::Red,
            "The backup is incomplete, damaged or unsafe.".to_owned(),
        )
    } else if !missed.is_empty() {
        (
            "WHOLE",
            Hue::Yellow,
            "The file is complete, but an objective was missed.".to_owned(),
        )
    } else if let Some(why) = &inspection.not_restorable {
        (
            "WHOLE",
            Hue::Yellow,
            format!("The file is complete, but cannot be restored as it is: {why}."),
        )
    } else {
        (
            "WHOLE",
            Hue::Green,
            "The file is complete and undamaged. Only a drill proves that it restores.".to_owned(),
        )
    };
    let word = paper.paint(word, hue);
    let title = format!("{word}  {}\n", line(&inspection.backup.origin));
    paper.text.push_str(&title);
    paper.wrap(&sentence, 0, 0);
    for objective in missed {
        paper.wrap(&format!("- {objective}"), 0, 2);
    }
}

fn findings(paper: &mut Paper, title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    paper.section(title);
    paper.findings(findings, FINDINGS, ", see `--json`");
}

fn facts(paper: &mut Paper, inspection: &Inspection) {
    let backup = &inspection.backup;
    let size = match backup.uncompressed_bytes {
        Some(bytes) => format!(
            "{}, {} unpacked",
            show_bytes(backup.bytes),
            show_bytes(bytes)
        ),
        None => show_bytes(backup.bytes),
    };
    fact(paper, "format", &backup.format);
    fact(paper, "size", &size);
    fact(paper, "sha256", &backup.sha256);
    if let Some(agrees) = &backup.digest {
        fact(paper, "digest", agrees);
    }
    fact(paper, "taken", &view::made_ago(backup, inspection.started));
    let source = [&backup.source_version, &backup.dump_version];
    let source: Vec<String> = source
        .into_iter()
        .zip(["PostgreSQL ", "by "])
        .filter_map(|(version, of)| Some(format!("{of}{}", version.as_ref()?)))
        .collect();
    if !source.is_empty() {
        fact(paper, "source", &source.join(", "));
    }
    if !backup.servers.is_empty() {
        fact(paper, "restores on", &backup.servers);
    }
    if let Some(previous) = &backup.previous {
        fact(paper, "previous", previous);
    }
    fact(paper, "selected", &backup.chosen);
    for companion in &backup.companions {
        fact(
            paper,
            "companion",
            &view::companion(companion, inspection.started),
        );
    }
    for objective in &inspection.objectives {
        fact(paper, "objective", &view::objective_line(objective));
    }
    fact(paper, "contents", &view::contents(backup));
    for (name, value) in backup.physical.iter().flat_map(view::recovery) {
        fact(paper, name, &value);
    }
    for (name, list) in [
        ("databases", &backup.databases),
        ("schemas", &backup.schemas),
        ("extensions", &backup.extensions),
        ("graphs", &backup.graphs),
        ("creates", &backup.roles),
        ("requires", &backup.roles_needed),
    ] {
        if !list.is_empty() {
            fact(paper, name, &list.join(", "));
        }
    }
    for (name, one) in &backup.consists_of {
        let taken = view::made_ago(one, inspection.started);
        fact(paper, "part", &format!("{name}: {taken}; {}", one.chosen));
    }
    for part in &backup.parts {
        let text = format!(
            "{}: {}, {}, {}",
            part.name,
            part.format,
            show_bytes(part.bytes),
            show_counted(part.rows, "row")
        );
        fact(paper, "dump", &text);
    }
    fact(
        paper,
        "inspected",
        &format!("in {}", show_duration(inspection.duration)),
    );
}

fn tables(paper: &mut Paper, inspection: &Inspection) {
    if inspection.tables.is_empty() {
        return;
    }
    paper.section("largest tables");
    let mut builder = Builder::new();
    builder.push_record(["table", "rows", "bytes"]);
    for table in inspection.tables.iter().take(TABLES) {
        let name = if table.database.is_empty() {
            table.table.clone()
        } else {
            format!("{}: {}", table.database, table.table)
        };
        builder.push_record([
            line(&name),
            table.rows.map_or_else(|| "?".to_owned(), show_count),
            show_bytes(table.bytes),
        ]);
    }
    let mut shown = builder.build();
    shown
        .with(Style::empty())
        .with(Padding::new(2, 0, 0, 0))
        .modify(Columns::new(1..), Alignment::right());
    for row in shown.to_string().lines() {
        paper.text.push_str(row.trim_end());
        paper.text.push('\n');
    }
    more(paper, inspection.tables.len().saturating_sub(TABLES));
}

fn not_held(paper: &mut Paper, all: &[NotTested]) {
    if all.is_empty() {
        return;
    }
    paper.section("not in the backup");
    for item in all.iter().take(LIST) {
        paper.wrap(&format!("- {}: {}", item.what, item.why), 2, 4);
    }
    more(paper, all.len().saturating_sub(LIST));
}

fn candidates(paper: &mut Paper, inspection: &Inspection) {
    let all = &inspection.backup.candidates;
    if all.is_empty() {
        return;
    }
    paper.section("candidates, newest first");
    for candidate in all.iter().take(LIST) {
        let why = candidate.not_taken.as_deref().unwrap_or("selected");
        let size = show_bytes(candidate.bytes);
        paper.wrap(&format!("- {}, {size}: {why}", candidate.name), 2, 4);
    }
    let unlisted = usize::try_from(inspection.backup.unlisted).unwrap_or(usize::MAX);
    more(
        paper,
        all.len().saturating_sub(LIST).saturating_add(unlisted),
    );
}

fn fact(paper: &mut Paper, name: &str, value: &str) {
    paper.wrap(&format!("{name:<INDENT$}{}", line(value)), 0, INDENT);
}

fn more(paper: &mut Paper, count: usize) {
    if count > 0 {
        let text = format!("… and {} more, see `--json`", view::show(count));
        paper.wrap(&text, 2, 2);
    }
}
