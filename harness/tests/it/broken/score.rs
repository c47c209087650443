//! What was seen, held against the table.

use std::fmt::Write as _;

use tabled::builder::Builder;
use tabled::settings::Style;

use super::{Row, Seen};
use crate::drill::broken::table::{Change, Severity};

/// How many findings of a row are shown where it is wrong.
const SHOWN: usize = 12;

/// The numbers of one section.
#[derive(Debug, Default)]
struct Numbers {
    rows: u32,
    worst: u32,
    caught: u32,
    missed: u32,
    alarms: u32,
}

/// The score.
#[derive(Debug, Default)]
pub struct Score {
    sections: Vec<(&'static str, Numbers)>,
    wrong: Vec<String>,
}

impl Score {
    /// Judges one row.
    pub fn add(&mut self, row: Row, seen: &Seen) {
        let (name, worst, must, may): (_, _, &[&str], &[&str]) = match row {
            Row::Broken(section, fault) => (
                section,
                fault.severity == Severity::S1,
                fault.must_fail,
                fault.may_fail,
            ),
            Row::Harmless(_) => ("harmless", false, &[], &[]),
        };
        let missed: Vec<&str> = must
            .iter()
            .filter(|wanted| !seen.failed.iter().any(|id| names(wanted, id)))
            .copied()
            .collect();
        // What somebody changed in a dump is not what its own entries say: the proof sees that too.
        let in_dump =
            matches!(row, Row::Broken(_, fault) if matches!(fault.change, Change::Text { .. }));
        let named = |id: &&String| {
            must.iter().chain(may).any(|name| names(name, id)) || (in_dump && *id == "stage:proof")
        };
        let strange = |all: &std::collections::BTreeSet<String>| {
            all.iter()
                .filter(|id| !named(id))
                .cloned()
                .collect::<Vec<_>>()
        };
        let (alarms, unable) = (strange(&seen.failed), strange(&seen.unable));

        if self.sections.last().is_none_or(|(last, _)| *last != name) {
            self.sections.push((name, Numbers::default()));
        }
        if let Some((_, numbers)) = self.sections.last_mut() {
            numbers.rows += 1;
            numbers.worst += u32::from(worst);
            let caught = missed.is_empty() && seen.undone.is_none();
            numbers.caught += u32::from(caught && !must.is_empty());
            numbers.missed += u32::from(!caught);
            numbers.alarms += u32::from(!alarms.is_empty() || !unable.is_empty());
        }

        let mut wrong = String::new();
        if let Some(error) = &seen.undone {
            let _ = writeln!(wrong, "  it could not be made: {error}");
        } else if !missed.is_empty() {
            let _ = writeln!(wrong, "  MISSED by {}", missed.join(", "));
        }
        if !alarms.is_empty() {
            let _ = writeln!(wrong, "  ALARM of {}", alarms.join(", "));
        }
        if !unable.is_empty() {
            let _ = writeln!(wrong, "  could not run: {}", unable.join(", "));
        }
        if !wrong.is_empty() {
            let failed: Vec<&str> = seen.failed.iter().map(String::as_str).collect();
            let _ = writeln!(wrong, "  failed: {}", failed.join(", "));
            for line in seen.says.iter().take(SHOWN) {
                let _ = writeln!(wrong, "    {line}");
            }
            self.wrong
                .push(format!("{} {}\n{wrong}", row.id(), row.what()));
        }
    }

    /// Prints the score, and fails with whatever is wrong.
    pub fn settle(&self) {
        let mut table = Builder::new();
        table.push_record([
            "section",
            "faults",
            "of S1",
            "caught",
            "missed",
            "alarms of others",
        ]);
        let mut all = Numbers::default();
        let record = |name: &str, n: &Numbers| {
            let of = |number: u32| {
                if name == "harmless" {
                    "-".to_owned()
                } else {
                    number.to_string()
                }
            };
            [
                name.to_owned(),
                n.rows.to_string(),
                of(n.worst),
                of(n.caught),
                of(n.missed),
                n.alarms.to_string(),
            ]
        };
        for (name, numbers) in &self.sections {
            table.push_record(record(name, numbers));
            if *name != "harmless" {
                all.rows += numbers.rows;
                all.worst += numbers.worst;
                all.caught += numbers.caught;
                all.missed += numbers.missed;
                all.alarms += numbers.alarms;
            }
        }
        table.push_record(record("all faults", &all));
        eprintln!("\n{}\n", table.build().with(Style::sharp()));
        crate::drill::builder::none(self.wrong.clone());
    }
}

/// Whether an entry of the table names a check: by how its id begins, up to the end of a word.
pub fn names(entry: &str, id: &str) -> bool {
    let rest = id.strip_prefix(entry);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']))
}
