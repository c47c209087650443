//! Whether partitions have what their parent has, and what all their siblings have.

use std::collections::{BTreeMap, BTreeSet};

use super::MayDiffer;
use super::tree::Node;
use crate::check::CouldNotLook;
use crate::check::triggers::{self, Level, Trigger, set_state, state};
use crate::database::Session;
use crate::outcome::Finding;
use crate::sql::{quote_ident, tokens};

/// A table and what it must be like: a partition and its parent, or a detached one and the root.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The partition.
    pub child: &'a Node,
    /// What it is, or was, a partition of.
    pub parent: &'a Node,
    /// Whether it stands alone now, and so has nothing from its parent by itself.
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

/// Constraints of parents that a partition lacks or has not validated. Keys are indexes.
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

/// What each table has beside its columns: kind of thing, and how it reads without names of tables.
const THINGS: &str = "
SELECT i.indrelid, 'index',
       CASE WHEN i.indisunique THEN 'unique ' ELSE '' END
         || pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? USING ', 'using ')
  FROM pg_catalog.pg_index i WHERE i.indrelid IN ({oids})
UNION ALL
SELECT k.conrelid, 'constraint', pg_catalog.pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid IN ({oids}) AND k.contype IN ('c', 'f')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                    WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
UNION ALL
SELECT c.oid, 'grant', a.privilege_type || ' to '
       || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END
  FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
 WHERE c.oid IN ({oids}) AND a.grantee <> c.relowner";

/// Compares every pair.
pub async fn compare(
    session: &mut Session,
    pairs: &[Pair<'_>],
    may_differ: &[MayDiffer],
    same_triggers: bool,
) -> Result<Vec<Finding>, CouldNotLook> {
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
            if let [Some(child), Some(name), Some(there)] = row.as_slice() {
                findings.push(constraint(name_of(pairs, child), name, there == "t"));
            }
        }
    }
    if held(MayDiffer::Rights) {
        let sql = WIDER.replace("{pairs}", &values(pairs));
        for row in session.rows(&sql).await? {
            if let [
                Some(child),
                Some(who),
                Some(right),
                Some(column),
                Some(grantable),
            ] = row.as_slice()
            {
                let child = name_of(pairs, child);
                findings.push(wider(&child, who, right, column, grantable == "t"));
            }
        }
    }
    if held(MayDiffer::RowSecurity) {
        let sql = REACHED.replace("{oids}", &oids(pairs));
        let reached: BTreeSet<String> = session
            .rows(&sql)
            .await?
            .into_iter()
            .filter_map(|row| row.into_iter().next().flatten())
            .collect();
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
        let mut things = Things::default();
        let sql = THINGS.replace("{oids}", &oids(pairs));
        for row in session.rows(&sql).await? {
            if let [Some(oid), Some(kind), Some(text)] = row.as_slice() {
                let about = match kind.as_str() {
                    "index" => MayDiffer::Indexes,
                    "constraint" => MayDiffer::Constraints,
                    _ => MayDiffer::Rights,
                };
                if held(about) {
                    things.add(oid, kind, text);
                }
            }
        }
        if held(MayDiffer::Triggers) {
            for trigger in &all {
                things.add(&trigger.relation, "trigger", &trigger.shape());
            }
        }
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

fn name_of(pairs: &[Pair<'_>], oid: &str) -> String {
    pairs
        .iter()
        .flat_map(|pair| [pair.child, pair.parent])
        .find(|node| node.relation.oid == oid)
        .map_or(String::new(), |node| node.relation.name.to_string())
}

/// Finds indexes that are not valid, and those that a partition has no part of.
async fn indexes(session: &mut Session, pairs: &[Pair<'_>]) -> Result<Vec<Finding>, CouldNotLook> {
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
        if let [Some(table), Some(index)] = row.as_slice() {
            findings.push(
                Finding::about(
                    format!("index {} on {}", quote_ident(index), name_of(pairs, table)),
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
        if let [Some(child), Some(index)] = row.as_slice() {
            findings.push(
                Finding::about(
                    name_of(pairs, child),
                    format!("a part of its parent's index {}", quote_ident(index)),
                    "none is attached",
                )
                .hint("look for CREATE INDEX and ALTER INDEX … ATTACH PARTITION in the restore's errors"),
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

/// Compares a partition's triggers with its parent's. Only row triggers are handed down; those for
/// each statement must be there where `all` says so, and in the same state where they are.
fn compare_triggers(pair: &Pair<'_>, triggers: &[Trigger], all: bool) -> Vec<Finding> {
    let (child, parent) = (&pair.child.relation, &pair.parent.relation);
    let here: Vec<&Trigger> = triggers.iter().filter(|t| t.is_on(child)).collect();
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for above in triggers.iter().filter(|t| t.is_on(parent)) {
        if !seen.insert(&above.oid) {
            continue;
        }
        let clone = here
            .iter()
            .find(|t| t.parent.as_deref() == Some(&above.oid))
            .or_else(|| here.iter().find(|t| t.name == above.name));
        let name = quote_ident(&above.name);
        let Some(clone) = clone else {
            if above.level() == Level::Row || all || pair.detached {
                findings.push(
                    Finding::about(
                        child.name.to_string(),
                        format!("trigger {name}, as on its parent"),
                        "it is not here",
                    )
                    .hint(
                        "triggers for each statement, TRUNCATE ones among them, are not handed down, \
                         and DETACH drops those that were: create it on this table",
                    ),
                );
            }
            continue;
        };
        let mut wrongs = Vec::new();
        if clone.function != above.function {
            wrongs.push((
                format!("calls {}", above.function),
                format!("calls {}", clone.function),
            ));
        } else if clone.kind != above.kind || clone.some_columns != above.some_columns {
            wrongs.push(("the same events".to_owned(), clone.definition.clone()));
        }
        if clone.enabled != above.enabled {
            wrongs.push((
                state(above.enabled).to_owned(),
                state(clone.enabled).to_owned(),
            ));
        }
        findings.extend(wrongs.into_iter().map(|(expected, actual)| {
            Finding::about(
                format!("trigger {} on {}", quote_ident(&clone.name), child.name),
                format!("{expected}, as on its parent"),
                actual,
            )
            .hint(format!(
                "ALTER TABLE {} {} TRIGGER {}, or create it again",
                child.name,
                set_state(above.enabled),
                quote_ident(&clone.name)
            ))
        }));
    }
    findings
}

/// What each table has, by its oid.
#[derive(Debug, Default)]
struct Things(BTreeMap<String, BTreeSet<(String, String)>>);

impl Things {
    fn add(&mut self, oid: &str, kind: &str, text: &str) {
        let words: Vec<&str> = tokens(text).map(|token| token.text).collect();
        let things = self.0.entry(oid.to_owned()).or_default();
        things.insert((kind.to_owned(), words.join(" ")));
    }
}

/// Finds the one partition that lacks what every sibling has. A default partition may lack all but
/// triggers: it is meant to stay empty.
fn odd_ones(pairs: &[Pair<'_>], things: &Things) -> Vec<Finding> {
    let none = BTreeSet::new();
    let of = |pair: &Pair<'_>| things.0.get(&pair.child.relation.oid).unwrap_or(&none);
    let parents: BTreeSet<&str> = pairs.iter().map(|p| &*p.parent.relation.oid).collect();
    let mut findings = Vec::new();
    for parent in parents {
        let family: Vec<&Pair<'_>> = pairs
            .iter()
            .filter(|pair| pair.parent.relation.oid == parent)
            // What is partitioned itself, or foreign, has other things by its nature.
            .filter(|pair| pair.child.relation.is_storage())
            .collect();
        let inherited = things.0.get(parent).unwrap_or(&none);
        let every: BTreeSet<&(String, String)> = family.iter().flat_map(|pair| of(pair)).collect();
        for thing in every {
            // What the parent has is compared with the parent.
            if inherited.contains(thing) && thing.0 != "trigger" && thing.0 != "grant" {
                continue;
            }
            let lacking: Vec<&&Pair<'_>> = family
                .iter()
                .filter(|pair| pair.child.bound != "DEFAULT" || thing.0 == "trigger")
                .filter(|pair| !of(pair).contains(thing))
                .collect();
            let holders = family
                .iter()
                .filter(|pair| of(pair).contains(thing))
                .count();
            if let [odd] = lacking.as_slice()
                && holders >= 2
            {
                findings.push(
                    Finding::about(
                        odd.child.relation.name.to_string(),
                        format!("{} `{}`, as on all its siblings", thing.0, thing.1),
                        "it alone has none",
                    )
                    .hint("if this is meant, write `may-differ = [\"siblings\"]`"),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::privilege::Relation;
    use crate::sql::QualifiedName;
    use rstest::rstest;

    fn node(oid: &str, parent: &str, bound: &str) -> Node {
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

    fn on(oid: &str, mut trigger: Trigger) -> Trigger {
        trigger.relation = oid.to_owned();
        trigger.oid = format!("t{oid}{}", trigger.name);
        trigger
    }

    #[rstest]
    #[case::same('A', 1, 1, false, 0)]
    #[case::disabled('D', 1, 1, false, 1)]
    #[case::reset('O', 1, 1, false, 1)]
    #[case::other_events('A', 1, 9, false, 1)]
    #[case::statement_disabled('D', 0, 0, false, 1)]
    fn a_clone_is_as_its_parent(
        #[case] enabled: char,
        #[case] above: u32,
        #[case] below: u32,
        #[case] all: bool,
        #[case] broken: usize,
    ) {
        let (parent, child) = (node("1", "", ""), node("2", "1", "x"));
        let pair = Pair {
            child: &child,
            parent: &parent,
            detached: false,
        };
        let triggers = [
            on("1", Trigger::for_tests("refuse", above, 'A')),
            on("2", Trigger::for_tests("refuse", below, enabled)),
        ];
        assert_eq!(compare_triggers(&pair, &triggers, all).len(), broken);
    }

    #[rstest]
    #[case::row(1, false, false, 1)]
    #[case::statement(0, false, false, 0)]
    #[case::statement_asked_for(0, true, false, 1)]
    #[case::statement_detached(0, false, true, 1)]
    fn a_missing_trigger(
        #[case] kind: u32,
        #[case] all: bool,
        #[case] detached: bool,
        #[case] broken: usize,
    ) {
        let (parent, child) = (node("1", "", ""), node("2", "1", "x"));
        let pair = Pair {
            child: &child,
            parent: &parent,
            detached,
        };
        let triggers = [on("1", Trigger::for_tests("refuse", kind, 'A'))];
        assert_eq!(compare_triggers(&pair, &triggers, all).len(), broken);
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

    #[test]
    fn the_odd_one_among_siblings_is_named() {
        let parent = node("1", "", "");
        let children = [
            node("2", "1", "a"),
            node("3", "1", "b"),
            node("4", "1", "c"),
            node("5", "1", "DEFAULT"),
        ];
        let pairs: Vec<Pair<'_>> = children
            .iter()
            .map(|child| Pair {
                child,
                parent: &parent,
                detached: false,
            })
            .collect();
        let mut things = Things::default();
        for oid in ["2", "3"] {
            things.add(oid, "index", "unique using btree (id)");
            things.add(oid, "index", &format!("own {oid}"));
        }
        let odd = odd_ones(&pairs, &things);
        assert_eq!(odd.len(), 1, "{odd:?}");
        assert_eq!(odd[0].object.as_deref(), Some("app.p4"));
        things.add("4", "index", "unique using btree (id)");
        assert_eq!(odd_ones(&pairs, &things), []);
        for oid in ["2", "3", "4"] {
            things.add(oid, "trigger", "refuse truncate");
        }
        assert_eq!(
            odd_ones(&pairs, &things)[0].object.as_deref(),
            Some("app.p5")
        );
    }
}
