//! Whether partitions have what their parent has, and what all their siblings have.

mod siblings;
mod trigger;

use std::collections::BTreeSet;

use self::siblings::{Things, odd_ones};
use self::trigger::compare_triggers;
use super::MayDiffer;
use super::tree::Node;
use crate::check::absent;
use crate::check::columns::Columns as _;
use crate::check::triggers::{self, Trigger};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_ident;

/// A table and what it must be like: a partition and its parent, or a detached one and the root.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The partition.
    pub child: &'a Node,
    /// What it is, or was, a partition of.
    pub parent: &'a Node,
    /// Whether it is detached now, and so has nothing from its parent by itself.
    pub detached: bool,
}

/// Indexes of the tree that the server does not hold for usable.
const INVALID_INDEXES: &str = "
SELECT i.indrelid, x.relname
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
 WHERE i.indrelid IN ({oids}) AND NOT (i.indisvalid AND i.indisready AND i.indislive)
 ORDER BY 1, 2";

/// Indexes of parents that a partition has no attached part of. A foreign table has no indexes.
const LACKING_INDEXES: &str = "
SELECT p.child, x.relname
  FROM (VALUES {pairs}) p(child, parent)
  JOIN pg_catalog.pg_class c ON c.oid = p.child AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_index i ON i.indrelid = p.parent
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h
                     JOIN pg_catalog.pg_index own ON own.indexrelid = h.inhrelid
                    WHERE h.inhparent = i.indexrelid AND own.indrelid = p.child)
 ORDER BY 1, 2";

/// Constraints of parents that a partition does not have or has not validated. Keys are indexes.
const CONSTRAINTS: &str = "
SELECT p.child, k.conname, own.oid IS NOT NULL
  FROM (VALUES {pairs}) p(child, parent)
  JOIN pg_catalog.pg_class c ON c.oid = p.child AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_constraint k ON k.conrelid = p.parent AND k.contype IN ('c', 'f')
  LEFT JOIN pg_catalog.pg_constraint own
    ON own.conrelid = p.child AND own.contype = k.contype
   AND (own.conparentid = k.oid OR (k.contype = 'c' AND own.conname = k.conname))
 WHERE (own.oid IS NULL OR (k.convalidated AND NOT own.convalidated))
   -- A foreign key to a partitioned table has more rows, one for each partition over there.
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                    WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
 ORDER BY 1, 2";

/// Rights on a partition that its grantee does not have on the parent, on tables and on columns.
const WIDER: &str = "
SELECT p.child, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END,
       a.privilege_type, '', a.is_grantable
  FROM (VALUES {pairs}) p(child, parent)
  JOIN pg_catalog.pg_class c ON c.oid = p.child, pg_catalog.aclexplode(c.relacl) a
 WHERE a.grantee <> c.relowner
   AND NOT CASE a.grantee
           WHEN 0 THEN pg_catalog.has_table_privilege('public', p.parent, a.privilege_type)
           ELSE pg_catalog.has_table_privilege(a.grantee, p.parent,
                    a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) END
UNION ALL
SELECT p.child, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END,
       a.privilege_type, t.attname, a.is_grantable
  FROM (VALUES {pairs}) p(child, parent)
  JOIN pg_catalog.pg_class c ON c.oid = p.child
  JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped,
       pg_catalog.aclexplode(t.attacl) a
 WHERE a.grantee <> c.relowner
   AND EXISTS (SELECT FROM pg_catalog.pg_attribute up
                WHERE up.attrelid = p.parent AND up.attname = t.attname AND NOT up.attisdropped)
   AND NOT CASE a.grantee
           WHEN 0 THEN pg_catalog.has_column_privilege('public', p.parent, t.attname, a.privilege_type)
           ELSE pg_catalog.has_column_privilege(a.grantee, p.parent, t.attname,
                    a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) END
 ORDER BY 1, 2, 4, 3";

/// Who else than the owner can reach the rows of a table by a grant on it.
const REACHED: &str = "
SELECT DISTINCT c.oid
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped AND t.attacl IS NOT NULL,
       pg_catalog.aclexplode(c.relacl || t.attacl) a
 WHERE c.oid IN ({oids}) AND a.grantee <> c.relowner
   AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')";

/// Compares every pair.
pub async fn compare(
    session: &mut Session,
    pairs: &[Pair<'_>],
    may_differ: &[MayDiffer],
    same_triggers: bool,
) -> Result<Vec<Finding>, CouldNotRun> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let held = |what: MayDiffer| !may_differ.contains(&what);
    let attached: Vec<Pair<'_>> = pairs.iter().filter(|p| !p.detached).copied().collect();
    let mut findings = Vec::new();
    if held(MayDiffer::Indexes) {
        findings.extend(indexes(session, &attached).await?);
    }
    if held(MayDiffer::Constraints) && !attached.is_empty() {
        let sql = CONSTRAINTS.replace("{pairs}", &values(&attached));
        for row in session.rows(&sql).await? {
            let child = name_of(pairs, row.text(0));
            findings.push(constraint(
                child,
                &row.text(1).unwrap_or_default(),
                row.is_true(2),
            ));
        }
    }
    if held(MayDiffer::Rights) {
        let sql = WIDER.replace("{pairs}", &values(pairs));
        for row in session.rows(&sql).await? {
            if let (Some(who), Some(right), Some(column)) = (row.text(1), row.text(2), row.text(3))
            {
                let child = name_of(pairs, row.text(0));
                findings.push(wider(&child, &who, &right, &column, row.is_true(4)));
            }
        }
    }
    if held(MayDiffer::RowSecurity) {
        let sql = REACHED.replace("{oids}", &oids(pairs));
        let rows = session.rows(&sql).await?;
        let reached: BTreeSet<String> = rows.iter().filter_map(|row| row.text(0)).collect();
        findings.extend(
            pairs
                .iter()
                .filter_map(|pair| row_security(pair, reached.contains(&pair.child.relation.oid))),
        );
    }
    if held(MayDiffer::Owner) {
        findings.extend(pairs.iter().filter_map(owner));
    }
    let relations: Vec<_> = pairs
        .iter()
        .flat_map(|pair| [pair.child.relation.clone(), pair.parent.relation.clone()])
        .collect();
    let all = triggers::read(session, &relations).await?;
    if held(MayDiffer::Triggers) {
        for pair in pairs {
            findings.extend(compare_triggers(pair, &all, same_triggers));
        }
    }
    if held(MayDiffer::Siblings) {
        let triggers: &[Trigger] = if held(MayDiffer::Triggers) { &all } else { &[] };
        let things = Things::read(session, &oids(pairs), triggers, held).await?;
        let said: BTreeSet<String> = findings.iter().filter_map(|f| f.object.clone()).collect();
        let odd = odd_ones(&attached, &things);
        // What is said of a table already need not be said again in other words.
        findings.extend(odd.into_iter().filter(|finding| {
            let object = finding.object.clone().unwrap_or_default();
            !said.contains(&object) || !finding.expected.starts_with("trigger")
        }));
    }
    Ok(findings)
}

/// The pairs as rows of VALUES.
fn values(pairs: &[Pair<'_>]) -> String {
    let rows: Vec<String> = pairs
        .iter()
        .map(|pair| {
            format!(
                "({}::pg_catalog.oid, {}::pg_catalog.oid)",
                pair.child.relation.oid, pair.parent.relation.oid
            )
        })
        .collect();
    rows.join(", ")
}

fn oids(pairs: &[Pair<'_>]) -> String {
    let oids: Vec<&str> = pairs
        .iter()
        .map(|p| p.child.relation.oid.as_str())
        .collect();
    oids.join(", ")
}

/// Gives the name of a table by its oid.
fn name_of(pairs: &[Pair<'_>], oid: Option<String>) -> String {
    pairs
        .iter()
        .flat_map(|pair| [pair.child, pair.parent])
        .find(|node| Some(&node.relation.oid) == oid.as_ref())
        .map_or(String::new(), |node| node.relation.name.to_string())
}

/// Finds indexes that are not valid, and those that a partition has no part of.
async fn indexes(session: &mut Session, pairs: &[Pair<'_>]) -> Result<Vec<Finding>, CouldNotRun> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let all: BTreeSet<&str> = pairs
        .iter()
        .flat_map(|pair| [pair.child, pair.parent])
        .map(|node| node.relation.oid.as_str())
        .collect();
    let all: Vec<&str> = all.into_iter().collect();
    let mut findings = Vec::new();
    for row in session
        .rows(&INVALID_INDEXES.replace("{oids}", &all.join(", ")))
        .await?
    {
        if let Some(index) = row.text(1) {
            let table = name_of(pairs, row.text(0));
            findings.push(
                Finding::about(
                    format!("index {} on {table}", quote_ident(&index)),
                    "valid, ready and live",
                    "invalid",
                )
                .hint("an index of every partition must be attached to it: ALTER INDEX … ATTACH PARTITION"),
            );
        }
    }
    for row in session
        .rows(&LACKING_INDEXES.replace("{pairs}", &values(pairs)))
        .await?
    {
        if let Some(index) = row.text(1) {
            findings.push(
                Finding::about(
                    name_of(pairs, row.text(0)),
                    format!("a part of its parent's index {}", quote_ident(&index)),
                    "none is attached",
                )
                .hint(absent::why(
                    "CREATE INDEX with ALTER INDEX … ATTACH PARTITION",
                )),
            );
        }
    }
    Ok(findings)
}

fn constraint(child: String, name: &str, there: bool) -> Finding {
    let actual = if there {
        "it is NOT VALID here"
    } else {
        "it is not here"
    };
    Finding::about(
        child,
        format!("its parent's constraint {}", quote_ident(name)),
        actual,
    )
    .hint("ALTER TABLE … VALIDATE CONSTRAINT, and look for rows that break it")
}

fn wider(child: &str, who: &str, right: &str, column: &str, grantable: bool) -> Finding {
    let column = if column.is_empty() {
        String::new()
    } else {
        format!(" ({})", quote_ident(column))
    };
    let option = if grantable { " WITH GRANT OPTION" } else { "" };
    let grantee = if who == "PUBLIC" {
        who.to_owned()
    } else {
        quote_ident(who)
    };
    Finding::about(
        child,
        "no right that its parent does not give",
        format!("{grantee} has {right}{column}{option} on it, and not on the parent"),
    )
    .hint(format!("REVOKE {right}{column} ON {child} FROM {grantee}"))
}

/// Finds a partition that shows by its own name what its parent hides.
fn row_security(pair: &Pair<'_>, reached: bool) -> Option<Finding> {
    let (child, parent) = (pair.child.row_security, pair.parent.row_security);
    let name = &pair.child.relation.name;
    let (expected, actual, mend) = match (child, parent) {
        ((false, _), (true, _)) if reached => (
            "row security, as on its parent",
            "it is off, and others than the owner have rights on it: by its own name they see every row",
            "ENABLE",
        ),
        ((true, false), (true, true)) => (
            "row security for its owner too, as on its parent",
            "it is not forced",
            "FORCE",
        ),
        _ => return None,
    };
    Some(
        Finding::about(name.to_string(), expected, actual).hint(format!(
            "ALTER TABLE {name} {mend} ROW LEVEL SECURITY, or revoke the rights on it"
        )),
    )
}

fn owner(pair: &Pair<'_>) -> Option<Finding> {
    let (child, parent) = (&pair.child.relation, &pair.parent.relation);
    (child.owner != parent.owner).then(|| {
        Finding::about(
            child.name.to_string(),
            format!("owner {}, as of its parent", quote_ident(&parent.owner)),
            format!("owner {}", quote_ident(&child.owner)),
        )
        .hint(format!(
            "ALTER TABLE {} OWNER TO {}",
            child.name,
            quote_ident(&parent.owner)
        ))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::check::privilege::Relation;
    use crate::sql::QualifiedName;
    use rstest::rstest;

    pub fn node(oid: &str, parent: &str, bound: &str) -> Node {
        Node {
            relation: Relation {
                oid: oid.to_owned(),
                name: QualifiedName::parse(&format!("app.p{oid}")).unwrap(),
                kind: 'r',
                owner: "owner".to_owned(),
                level: 1,
            },
            parent: parent.to_owned(),
            bound: bound.to_owned(),
            key: String::new(),
            row_security: (false, false),
        }
    }

    #[rstest]
    #[case((true, true), (true, true), true, 0)]
    #[case((false, false), (true, true), true, 1)]
    #[case((false, false), (true, true), false, 0)]
    #[case((true, false), (true, true), false, 1)]
    #[case((true, false), (true, false), true, 0)]
    #[case((true, false), (false, false), true, 0)]
    fn row_security_of_a_partition(
        #[case] below: (bool, bool),
        #[case] above: (bool, bool),
        #[case] reached: bool,
        #[case] broken: usize,
    ) {
        let parent = Node {
            row_security: above,
            ..node("1", "", "")
        };
        let child = Node {
            row_security: below,
            ..node("2", "1", "x")
        };
        let pair = Pair {
            child: &child,
            parent: &parent,
            detached: false,
        };
        assert_eq!(usize::from(row_security(&pair, reached).is_some()), broken);
    }
}
