//! Partitioned tables: by which period, from when to when, and their default partition.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::block::{Block, Value};
use super::cover::cover;
use super::relation::{Relation, Relations};
use super::section::{Section, listed};
use crate::catalog::PartKind;
use crate::check::partition::window::{Bound, Edge, Period, bound};
use crate::sql::QualifiedName;

/// Maximum number of partitions that are listed by name.
const LISTED: usize = 24;

/// A partitioned table with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitioned {
    table: QualifiedName,
    by_hash: bool,
    /// Partitions with their bounds, as the server writes them, and their rows.
    partitions: Vec<(QualifiedName, String, u64)>,
    /// Tables next to it that look like detached partitions.
    detached: Vec<QualifiedName>,
}

/// Finds the partitioned tables.
#[must_use]
pub fn find(relations: &Relations<'_>) -> Vec<Partitioned> {
    let parents = relations.tables().filter(|one| one.is_partitioned());
    parents
        .map(|parent| {
            let by = parent.property("partition by").unwrap_or_default();
            let all = relations.all.iter();
            let partitions = all.filter(|one| one.parent().as_ref() == Some(parent.id));
            Partitioned {
                table: parent.name.clone(),
                by_hash: by.starts_with("HASH"),
                partitions: partitions
                    .map(|one| {
                        let bound = one.property("partition bound").unwrap_or_default();
                        (
                            one.name.clone(),
                            bound.to_owned(),
                            one.rows.unwrap_or_default(),
                        )
                    })
                    .collect(),
                detached: detached(relations, parent),
            }
        })
        .collect()
}

/// The partitions of tables whose old ones seem to be dropped regularly: the tables, and names and patterns of their partitions.
#[must_use]
pub fn dropped(
    all: &[Partitioned],
    relations: &Relations<'_>,
    made: Option<Date>,
) -> (BTreeSet<QualifiedName>, Vec<String>) {
    let rolling: Vec<&Partitioned> = all
        .iter()
        .filter(|table| {
            let window = table.window();
            window.is_some_and(|window| window.present(made).is_some())
        })
        .collect();
    let relations = relations.all.iter().map(|one| one.name.clone());
    let relations: Vec<QualifiedName> = relations.collect();
    let patterns = rolling.iter().flat_map(|table| {
        let partitions = table.partitions.iter().map(|(name, ..)| name.clone());
        cover(&partitions.collect::<Vec<_>>(), &relations)
    });
    let patterns = patterns.collect();
    let tables = rolling.into_iter().map(|table| table.table.clone());
    (tables.collect(), patterns)
}

/// Tables that have the columns of a partitioned table and a name that begins with its name.
fn detached(relations: &Relations<'_>, parent: &Relation<'_>) -> Vec<QualifiedName> {
    let columns = |table: &Relation<'_>| -> Vec<(String, Option<String>)> {
        let columns = table.parts(PartKind::Column);
        columns
            .map(|(name, properties)| (name.to_owned(), properties.get("type").cloned()))
            .collect()
    };
    let expected = columns(parent);
    let tables = relations.tables().filter(|table| {
        table.id != parent.id
            && !table.is_partitioned()
            && table.name.schema == parent.name.schema
            && table.name.name.starts_with(&parent.name.name)
            && columns(table) == expected
    });
    tables.map(|table| table.name.clone()).collect()
}

/// Writes the checks; `made` is the day on which the backup was made.
#[must_use]
pub fn section(all: &[Partitioned], made: Option<Date>) -> Section {
    let mut section = Section::new(
        "partitions",
        "Each partitioned table has all its partitions, and each partition has the columns, indexes, constraints, \
         triggers and rights of its parent; `may-differ` lists what was different already.",
    );
    let mut found = Vec::new();
    for table in all.iter().filter(|one| !one.partitions.is_empty()) {
        let window = table.window();
        found.push(match &window {
            Some(window) => format!("{} by {}", table.table, window.period.word()),
            None => table.table.to_string(),
        });
        section.blocks.push(table.block(window.as_ref(), made));
        section.blocks.extend(table.filled());
    }
    if !found.is_empty() {
        section.found(format!("partitioned: {}", listed(&found, 6)));
    }
    section
}

/// Consecutive periods without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    period: Period,
    /// The first day of the oldest period, and of the newest.
    first: Date,
    last: Date,
}

impl Partitioned {
    /// The default partition.
    fn default(&self) -> Option<&(QualifiedName, String, u64)> {
        let mut all = self.partitions.iter();
        all.find(|(_, bound, _)| bound == "DEFAULT")
    }

    /// The newest consecutive periods, if every partition is one period of the same length.
    fn window(&self) -> Option<Window> {
        let mut days: Vec<(Date, Date)> = Vec::new();
        for (_, text, _) in &self.partitions {
            match bound(text)? {
                Bound::Range(Edge::At(from), Edge::At(to)) => days.push((from.date(), to.date())),
                Bound::Range(..) | Bound::Default => {}
                Bound::List(_) => return None,
            }
        }
        days.sort_unstable();
        let (last, end) = *days.last()?;
        let periods = [
            Period::Day,
            Period::Week,
            Period::Month,
            Period::Quarter,
            Period::Year,
        ];
        let period = periods.into_iter().find(|period| {
            period.after(last, 1) == end && period.floor(last, last.weekday()) == last
        })?;
        let mut first = last;
        for (from, to) in days.iter().rev().skip(1) {
            if *to != first || period.after(*from, 1) != *to {
                break;
            }
            first = *from;
        }
        // The period of one partition alone is not known.
        (first < last).then_some(Window {
            period,
            first,
            last,
        })
    }

    fn block(&self, window: Option<&Window>, made: Option<Date>) -> Block {
        let mut block =
            Block::new("partition", self.name(window)).with("table", self.table.to_string());
        if let Some(window) = window {
            block = window.keys(block, made);
        } else if self.by_hash || self.partitions.len() <= LISTED {
            let names = self.partitions.iter();
            let names: Vec<String> = names.map(|(name, ..)| name.to_string()).collect();
            block = block.with("partitions", names);
            if !self.by_hash {
                block =
                    block.guess("partitions are not added or dropped automatically. If they are, remove `partitions`.");
            }
        }
        block = block.maybe(
            "default",
            match self.default() {
                None => Some("none"),
                Some((_, _, 0)) => Some("required"),
                Some(_) => Some("any"),
            },
        );
        let detached = self.detached.iter();
        let detached: Vec<String> = detached.map(ToString::to_string).collect();
        if !detached.is_empty() {
            block = block
                .comment("The tables in `detached` have the columns and the name of a partition, and are not attached.")
                .with("detached", detached);
        }
        let loose = block.clone().with(
            "may-differ",
            vec![
                "indexes",
                "constraints",
                "triggers",
                "rights",
                "row-security",
                "owner",
                "siblings",
            ],
        );
        let rights = block
            .clone()
            .with("may-differ", vec!["rights", "row-security", "siblings"]);
        let siblings = block.clone().with("may-differ", vec!["siblings"]);
        let plain = block.clone();
        let mut least = loose.clone().without(&["detached"]);
        least.comments.clear();
        block
            .with("same-triggers", true)
            .or(plain)
            .or(siblings)
            .or(rights)
            .or(loose)
            .or(least)
    }

    fn name(&self, window: Option<&Window>) -> String {
        match window {
            Some(window) => format!(
                "{} has a partition for every {}",
                self.table,
                window.period.word()
            ),
            None => format!("{} has its partitions", self.table),
        }
    }

    /// A check that every partition has rows, if each has some.
    fn filled(&self) -> Option<Block> {
        let default = self.default();
        let others = || self.partitions.iter().filter(|one| Some(*one) != default);
        let all_filled = others().all(|(_, _, rows)| *rows > 0);
        if !all_filled || others().count() < 2 {
            return None;
        }
        let mut bounds = vec![("min".to_owned(), 1_u64.into())];
        if let Some((name, _, 0)) = default {
            bounds.push(("empty".to_owned(), vec![name.to_string()].into()));
        }
        Some(
            Block::new(
                "row-count",
                format!("every partition of {} has rows", self.table),
            )
            .guess(
                "each partition had rows. Remove this check if partitions are created in advance.",
            )
            .with("table", self.table.to_string())
            .with("per-partition", Value::Inline(bounds)),
        )
    }
}

impl Window {
    /// The period in which the backup was made, if it is within the window.
    fn present(&self, made: Option<Date>) -> Option<Date> {
        let present = self.period.floor(made?, self.last.weekday());
        (self.first <= present && present <= self.last).then_some(present)
    }

    /// Adds from when to when: relative to the time of the backup if that is within the window, else by date.
    fn keys(&self, block: Block, made: Option<Date>) -> Block {
        let block = block.with("period", self.period.word());
        match self.present(made) {
            Some(present) => {
                let between = |from: Date, to: Date| {
                    let mut count = 0_u64;
                    let mut day = from;
                    while day < to && count < 10_000 {
                        day = self.period.after(day, 1);
                        count += 1;
                    }
                    count
                };
                // The oldest may be dropped at any time.
                let behind = between(self.first, present).saturating_sub(1);
                let ahead = between(present, self.last);
                block
                    .guess("old partitions are dropped and new ones are created regularly, so `behind` is one less than there were. If none is dropped, \
                            write `since` instead of `behind`, and remove the partitions from `may-shrink` and `may-be-dropped`.")
                    .maybe("behind", (behind > 0).then_some(behind))
                    .maybe("ahead", (ahead > 0).then_some(ahead))
                    .with("at", "backup")
            }
            None => block
                .guess("no partitions are added, because the backup was made outside of these periods. If some are, write `behind`, `ahead` and `at = \"backup\"` instead.")
                .with("since", self.show(self.first))
                .with("until", self.show(self.last)),
        }
    }

    fn show(&self, day: Date) -> String {
        match self.period {
            Period::Week => day.to_string(),
            period => period.show(day),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(bounds: &[&str]) -> Partitioned {
        let name = |n: usize| QualifiedName::parse(&format!("app.t_{n}")).unwrap();
        Partitioned {
            table: QualifiedName::parse("app.t").unwrap(),
            by_hash: false,
            partitions: bounds
                .iter()
                .enumerate()
                .map(|(at, bound)| (name(at), (*bound).to_owned(), 0))
                .collect(),
            detached: Vec::new(),
        }
    }

    const MONTHS: &[&str] = &[
        "FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
        "FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
        "FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')",
        "DEFAULT",
    ];

    #[test]
    fn a_rolling_window_is_counted_from_the_backup() {
        let all = [table(MONTHS)];
        let text = section(&all, "2026-04-15".parse().ok()).blocks[0].render();
        assert!(
            text.contains("period = \"month\"\nahead = 1\nat = \"backup\""),
            "{text}"
        );
        let text = section(&all, "2026-05-15".parse().ok()).blocks[0].render();
        assert!(
            text.contains("period = \"month\"\nbehind = 1\nat = \"backup\""),
            "{text}"
        );
        let text = section(&all, "2027-04-15".parse().ok()).blocks[0].render();
        assert!(
            text.contains("since = \"2026-03\"\nuntil = \"2026-05\""),
            "{text}"
        );
    }

    #[test]
    fn partitions_that_are_not_periods_are_listed() {
        let text = section(&[table(&["FOR VALUES IN ('eu')"])], None).blocks[0].render();
        assert!(text.contains("partitions = [\"app.t_0\"]"), "{text}");
        assert!(
            table(&[
                "FOR VALUES FROM (1) TO (1000)",
                "FOR VALUES FROM (1000) TO (2000)"
            ])
            .window()
            .is_none()
        );
    }
}
