//! Which partitions a table must have, and which of them may hold rows.

use jiff::civil::Date;

use super::bound::{Bound, Edge, bound};
use super::tree::{self, Node};
use super::window::{BoundedPartition, Period, Window, week_begins};
use super::{DefaultPartition, Partition};
use crate::check::Restored;
use crate::check::absent;
use crate::check::target::Targets;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, is_same_definition};
use crate::units::show_counted;

impl Partition {
    /// Compares the partitions with `count`, `partitions` and `bounds`.
    pub fn lists(&self, root: &Node, direct: &[&Node]) -> Result<Vec<Finding>, CouldNotRun> {
        let table = root.relation.name.to_string();
        let mut findings = Vec::new();
        if let Some(count) = self.count
            && count != direct.len()
        {
            findings.push(Finding::about(
                &table,
                show_counted(count, "partition"),
                show_counted(direct.len(), "partition"),
            ));
        }
        let find = |name: &QualifiedName| direct.iter().find(|node| node.relation.name == *name);
        let mut wanted = Vec::new();
        for name in &self.partitions {
            wanted.push(QualifiedName::parse(name).map_err(CouldNotRun::new)?);
        }
        for name in wanted.iter().filter(|name| find(name).is_none()) {
            findings.push(
                Finding::about(
                    name.to_string(),
                    format!("a partition of {table}"),
                    "it is not one",
                )
                .hint(absent::why("CREATE TABLE with ATTACH PARTITION")),
            );
        }
        if !wanted.is_empty() {
            findings.extend(
                direct
                    .iter()
                    .filter(|node| !wanted.contains(&node.relation.name))
                    .map(|node| {
                        Finding::about(
                            node.relation.name.to_string(),
                            format!("no partition of {table} that `partitions` does not name"),
                            format!("{} takes {}", node.relation.name, node.bound),
                        )
                    }),
            );
        }
        for (name, expected) in &self.bounds {
            let name = QualifiedName::parse(name).map_err(CouldNotRun::new)?;
            let actual = match find(&name) {
                None => format!("it is not a partition of {table}"),
                Some(node) if is_same_definition(expected, &node.bound) => continue,
                Some(node) => node.bound.clone(),
            };
            findings.push(Finding::about(name.to_string(), expected, actual));
        }
        Ok(findings)
    }

    /// Compares the partitions of a table with the window; where they are by something else and
    /// partitioned themselves, each of them.
    pub fn windows(
        &self,
        parent: &Node,
        tree: &[Node],
        period: Period,
        today: Date,
        findings: &mut Vec<Finding>,
    ) {
        let children: Vec<&Node> = tree
            .iter()
            .filter(|node| node.parent == parent.relation.oid)
            .collect();
        let pieces: Option<Vec<BoundedPartition>> = children
            .iter()
            .map(|node| {
                Some(BoundedPartition {
                    name: node.relation.name.clone(),
                    bound: bound(&node.bound)?,
                })
            })
            .collect();
        let others = children.iter().filter(|node| node.bound != "DEFAULT");
        match pieces {
            Some(pieces) => {
                let weeks = week_begins(&pieces);
                let now = period.floor(today, weeks);
                let count = |number: Option<u16>| i32::from(number.unwrap_or(0));
                let since = self.date(&self.since);
                let first = match since {
                    Some(since) => period.floor(since, weeks),
                    None => period.after(now, -count(self.behind)),
                };
                let last = match self.date(&self.until) {
                    Some(until) => period.floor(until, weeks),
                    None => period.after(now, count(self.ahead)),
                };
                let window = Window {
                    period,
                    // Without `since` the window is its last period where that is in the past.
                    first: if since.is_none() {
                        first.min(last)
                    } else {
                        first
                    },
                    last,
                    even_since: since.map(|since| period.floor(since, weeks)),
                };
                findings.extend(window.judge(&parent.relation.name, &pieces));
            }
            None if others.clone().all(|node| node.relation.kind == 'p') => {
                for child in others {
                    self.windows(child, tree, period, today, findings);
                }
            }
            None => findings.push(
                Finding::about(
                    parent.relation.name.to_string(),
                    format!("partitions by {}", period.word()),
                    format!("it is partitioned by {}, not by time", parent.key),
                )
                .hint("leave out `period`, and list its `partitions`"),
            ),
        }
    }

    /// Finds rows where none should be; gives how many default partitions hold how many rows.
    pub async fn defaults(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        tree: &[Node],
        findings: &mut Vec<Finding>,
    ) -> Result<Option<u64>, CouldNotRun> {
        let mut sum = None;
        let of_root = tree.first().map(|root| root.relation.oid.as_str());
        for node in tree {
            let is_default = node.bound == "DEFAULT";
            let is_open = self.period.is_some()
                && matches!(bound(&node.bound), Some(Bound::Range(_, Edge::Open)));
            if !is_default && !is_open {
                continue;
            }
            let name = &node.relation.name;
            if is_default && self.default == DefaultPartition::None {
                findings.push(Finding::about(
                    name.to_string(),
                    "no default partition",
                    "it is one",
                ));
            }
            if self.default == DefaultPartition::Any {
                continue;
            }
            if node.relation.kind == 'f' {
                return Err(CouldNotRun::new(format!(
                    "{name} is a foreign table, and a drill has no foreign server"
                ))
                .hint("write `default = \"any\"`"));
            }
            let rows = restored.count(session, name).await?;
            sum = Some(sum.unwrap_or(0) + rows);
            if rows > 0 {
                let what = if is_default { "default" } else { "open-ended" };
                findings.push(
                    Finding::about(
                        name.to_string(),
                        format!("no rows in the {what} partition"),
                        show_counted(rows, "row"),
                    )
                    .hint("their own partition was missing when they came: make it and move them"),
                );
            }
        }
        let has_default =
            |node: &Node| node.bound == "DEFAULT" && Some(node.parent.as_str()) == of_root;
        if self.default == DefaultPartition::Required && !tree.iter().any(has_default) {
            let table = tree.first().map(|root| root.relation.name.to_string());
            findings.push(
                Finding::about(
                    table.unwrap_or_default(),
                    "a default partition",
                    "there is none: rows of no partition are refused",
                )
                .hint("CREATE TABLE … PARTITION OF … DEFAULT, or check whether it was detached"),
            );
        }
        Ok(sum)
    }

    /// Finds the tables that were detached on purpose, and says which of them are not there.
    pub async fn allowed(
        &self,
        session: &mut Session,
        tree: &[Node],
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Node>, CouldNotRun> {
        let mut allowed: Vec<Node> = Vec::new();
        for entry in &self.detached {
            let is_pattern = entry.contains(['*', '?']);
            let targets = Targets::of_pattern(entry);
            for name in targets.resolve(session).await?.tables {
                let found = tree::find(session, &name).await?;
                let mut known = tree.iter().chain(&allowed);
                if let Some((node, false)) = found
                    && known.all(|known| known.relation.oid != node.relation.oid)
                {
                    allowed.push(node);
                }
            }
            let name = QualifiedName::parse(entry).map_err(CouldNotRun::new)?;
            if !is_pattern && !allowed.iter().any(|node| node.relation.name == name) {
                let is_partition = tree.iter().any(|node| node.relation.name == name);
                let actual = if is_partition {
                    "it is attached"
                } else {
                    "there is none in the restored database"
                };
                findings.push(
                    Finding::about(entry, "a table that was detached", actual)
                        .hint("correct `detached`, or look for the history that it held"),
                );
            }
        }
        Ok(allowed)
    }
}

/// Says that a table looks like a partition and is none.
pub fn stray(node: &Node, root: &Node) -> Finding {
    let (name, table) = (&node.relation.name, &root.relation.name);
    Finding::about(
        name.to_string(),
        format!("a partition of {table}"),
        "it has the columns and the name of one, and is not attached: its rows are not seen through the parent",
    )
    .hint(format!(
        "{}; if it was detached on purpose, write `detached = [\"{name}\"]`",
        absent::why("ALTER TABLE … ATTACH PARTITION")
    ))
}

/// Says what was found, in one line.
pub fn describe(direct: &[&Node], detached: usize, in_default: Option<u64>) -> String {
    let mut parts = vec![show_counted(direct.len(), "partition")];
    if let Some(rows) = in_default {
        parts.push(format!("{} in the default one", show_counted(rows, "row")));
    }
    if detached > 0 {
        parts.push(format!("{detached} detached"));
    }
    parts.join(", ")
}
