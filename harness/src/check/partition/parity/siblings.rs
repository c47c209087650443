//! Finds what all siblings of a partition have and it does not.

use std::collections::{BTreeMap, BTreeSet};

use super::{MayDiffer, Pair};
use crate::check::columns::Columns as _;
use crate::check::triggers::Trigger;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::tokens;

/// What each table has in addition to its columns: kind of thing, and how it reads without names of tables.
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

/// What each table has, by its oid.
#[derive(Debug, Default)]
pub struct Things(BTreeMap<String, BTreeSet<(String, String)>>);

impl Things {
    /// Reads what the tables have of each kind that partitions may not have differently.
    pub async fn read(
        session: &mut Session,
        oids: &str,
        triggers: &[Trigger],
        held: impl Fn(MayDiffer) -> bool,
    ) -> Result<Self, CouldNotRun> {
        let mut things = Self::default();
        for row in session.rows(&THINGS.replace("{oids}", oids)).await? {
            if let (Some(oid), Some(kind), Some(text)) = (row.text(0), row.text(1), row.text(2)) {
                let about = match kind.as_str() {
                    "index" => MayDiffer::Indexes,
                    "constraint" => MayDiffer::Constraints,
                    _ => MayDiffer::Rights,
                };
                if held(about) {
                    things.add(&oid, &kind, &text);
                }
            }
        }
        for trigger in triggers {
            things.add(&trigger.relation, "trigger", &trigger.shape());
        }
        Ok(things)
    }

    fn add(&mut self, oid: &str, kind: &str, text: &str) {
        let words: Vec<&str> = tokens(text).map(|token| token.text).collect();
        let things = self.0.entry(oid.to_owned()).or_default();
        things.insert((kind.to_owned(), words.join(" ")));
    }
}

/// Finds the one partition without what every sibling has. A default partition may be without all but
/// triggers: it is meant to stay empty.
pub fn odd_ones(pairs: &[Pair<'_>], things: &Things) -> Vec<Finding> {
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
    use super::super::tests::node;
    use super::*;

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
