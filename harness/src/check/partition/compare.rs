//! Compares one table and everything below it with the check.

use jiff::civil::Date;

use super::Partition;
use super::members::{describe, stray};
use super::parity::{self, Pair};
use super::tree::{self, Node};
use crate::check::Restored;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;

impl Partition {
    /// Gives what was found in one line, and what is wrong. `None` for a plain table that only a
    /// pattern matches.
    pub(super) async fn compare_table(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        table: &QualifiedName,
        today: Date,
    ) -> Result<Option<(String, Vec<Finding>)>, CouldNotRun> {
        let tree = tree::read(session, table).await?;
        let is_partitioned = tree.first().is_some_and(|root| root.relation.kind == 'p');
        if !is_partitioned {
            if !self.is_named(table) {
                return Ok(None);
            }
            let finding = Finding::about(
                table.to_string(),
                "a partitioned table",
                "it is not partitioned",
            )
            .hint(
                "it may have been restored as one plain table; look for PARTITION BY in the dump",
            );
            return Ok(Some(("not partitioned".to_owned(), vec![finding])));
        }
        let mut findings = Vec::new();
        let Some((root, below)) = tree.split_first() else {
            return Ok(None);
        };
        let direct: Vec<&Node> = below
            .iter()
            .filter(|node| node.parent == root.relation.oid)
            .collect();
        if direct.is_empty() {
            findings.push(
                Finding::about(
                    table.to_string(),
                    "partitions",
                    "it has none: no row can be stored",
                )
                .hint("a dump of the parent alone has no rows either (`pg_dump -t parent`)"),
            );
        }
        findings.extend(self.lists(root, &direct)?);
        if let Some(period) = self.period
            && !direct.is_empty()
        {
            self.windows(root, &tree, period, today, &mut findings);
        }
        let in_default = self
            .defaults(restored, session, &tree, &mut findings)
            .await?;
        let allowed = self.allowed(session, &tree, &mut findings).await?;
        for node in tree::detached(session, &tree).await? {
            if !allowed
                .iter()
                .any(|known| known.relation.oid == node.relation.oid)
            {
                findings.push(stray(&node, root));
            }
        }
        let attached = below.iter().filter_map(|child| {
            let parent = tree.iter().find(|node| node.relation.oid == child.parent)?;
            Some(Pair {
                child,
                parent,
                detached: false,
            })
        });
        let put_away = allowed.iter().map(|child| Pair {
            child,
            parent: root,
            detached: true,
        });
        let pairs: Vec<Pair<'_>> = attached.chain(put_away).collect();
        findings
            .extend(parity::compare(session, &pairs, &self.may_differ, self.same_triggers).await?);
        Ok(Some((
            describe(&direct, allowed.len(), in_default),
            findings,
        )))
    }

    /// Tells whether the scenario names this table itself, not by a pattern.
    fn is_named(&self, table: &QualifiedName) -> bool {
        self.table
            .iter()
            .chain(&self.tables)
            .any(|name| QualifiedName::parse(name).is_ok_and(|name| name == *table))
    }
}
