//! Facts from which indirect write paths are computed, and how they are read in a session. A catalog does not have them:
//! it knows neither what a view can update nor which relations it reads.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Body;
use super::{WriteEvent, is_named};
use crate::database::{DatabaseError, Session, TextRow, is_true};
use crate::sql::QualifiedName;

/// A table, partition, foreign table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationFacts {
    /// Its OID.
    pub oid: String,
    /// Its name.
    pub name: QualifiedName,
    /// Its owner.
    pub owner: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// Whether it is a view with `security_invoker`.
    pub invoker: bool,
    /// What the server allows on a view; includes INSTEAD OF triggers and rules.
    pub updatable: BTreeSet<WriteEvent>,
}

/// A foreign key with an action on the rows that refer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CascadeFacts {
    /// Its name.
    pub name: String,
    /// The OID of the table that refers.
    pub child: String,
    /// The OID of the table that it refers to.
    pub parent: String,
    /// The action of ON DELETE and of ON UPDATE: `a` and `r` none, `c` CASCADE, `n` SET NULL, `d` SET DEFAULT.
    pub actions: (char, char),
    /// The condition that joins a row `c` of the child to the row `p` that it refers to.
    pub join: String,
    /// The columns that it refers to.
    pub key: Vec<String>,
}

/// A rule, or a trigger with the OID of its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReactionFacts {
    pub relation: String,
    pub name: String,
    pub events: BTreeSet<WriteEvent>,
    pub function: Option<String>,
    pub body: Body,
}

/// A function that does not belong to the server or to an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFacts {
    /// Its OID.
    pub oid: String,
    /// Its name.
    pub name: QualifiedName,
    /// The argument types: `integer, text`.
    pub arguments: String,
    /// Its owner.
    pub owner: String,
    /// Whether it is SECURITY DEFINER.
    pub definer: bool,
    /// Whether it is VOLATILE: the server refuses commands that write in others.
    pub volatile: bool,
    /// Whether it returns `trigger`, and so can only be called by a trigger.
    pub of_triggers: bool,
    /// What it may do; `None` where its language is not read here.
    pub(super) body: Option<Body>,
}

impl FunctionFacts {
    /// `app.purge(interval)`.
    #[must_use]
    pub fn show(&self) -> String {
        format!("{}({})", self.name, self.arguments)
    }
}

/// What indirect write paths follow from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteFacts {
    /// Relations by OID.
    pub relations: BTreeMap<String, RelationFacts>,
    /// Views, each with a relation that it reads.
    pub(super) reads: Pairs,
    /// Children, each with its parent.
    pub(super) children: Pairs,
    /// Foreign keys with an action.
    pub cascades: Vec<CascadeFacts>,
    pub(super) rules: Vec<ReactionFacts>,
    pub(super) triggers: Vec<ReactionFacts>,
    /// Functions by OID.
    pub functions: BTreeMap<String, FunctionFacts>,
    /// The OIDs of relations, by their name without the schema.
    named: BTreeMap<String, Vec<String>>,
    /// The OIDs of functions, by their name without the schema.
    functions_named: BTreeMap<String, Vec<String>>,
    /// The places of foreign keys in `cascades`, by the table that refers.
    referring: BTreeMap<String, Vec<usize>>,
}

/// Pairs of OIDs, found by either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    seconds: BTreeMap<String, Vec<String>>,
    firsts: BTreeMap<String, Vec<String>>,
}

impl Pairs {
    fn of(rows: &[TextRow]) -> Self {
        let mut pairs = Self::default();
        for row in rows {
            let (first, second) = (text(row, 0), text(row, 1));
            let firsts = pairs.firsts.entry(second.clone()).or_default();
            firsts.push(first.clone());
            pairs.seconds.entry(first).or_default().push(second);
        }
        pairs
    }

    /// What is paired with a first.
    pub(super) fn seconds(&self, first: &str) -> &[String] {
        self.seconds.get(first).map_or(&[], Vec::as_slice)
    }

    /// What is paired with a second.
    pub(super) fn firsts(&self, second: &str) -> &[String] {
        self.firsts.get(second).map_or(&[], Vec::as_slice)
    }
}

/// The commands that a view allows have in `pg_relation_is_updatable` the bits 4 (UPDATE), 8 (INSERT) and 16 (DELETE); in
/// the result, as in all below, those of `tgtype`.
const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), c.relkind = 'v',
       EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) o
                WHERE o.option_name = 'security_invoker' AND o.option_value::pg_catalog.bool),
       (u.mask & 4) * 4 + (u.mask & 24) / 2
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
       LATERAL (SELECT CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_relation_is_updatable(c.oid, true) ELSE 0 END) u(mask)
 WHERE c.relkind IN ('r', 'p', 'f', 'v') AND c.oid >= 16384";

const READS: &str = "
SELECT DISTINCT w.ev_class, d.refobjid
  FROM pg_catalog.pg_rewrite w
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
                             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
 WHERE w.rulename = '_RETURN' AND d.refobjid <> w.ev_class AND w.oid >= 16384";

const CHILDREN: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";

const CASCADES: &str = "
SELECT k.conname, k.conrelid, k.confrelid, k.confdeltype, k.confupdtype,
       pg_catalog.string_agg(pg_catalog.format('c.%I = p.%I', c.attname, p.attname), ' AND '),
       pg_catalog.array_to_json(pg_catalog.array_agg(p.attname))
  FROM pg_catalog.pg_constraint k, ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) u(own, other)
  JOIN pg_catalog.pg_attribute c ON c.attnum = u.own
  JOIN pg_catalog.pg_attribute p ON p.attnum = u.other
 WHERE k.contype = 'f' AND c.attrelid = k.conrelid AND p.attrelid = k.confrelid
   AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
 GROUP BY k.oid, 1, 2, 3, 4, 5 ORDER BY 1, 2";

const RULES: &str = "
SELECT ev_class, rulename, CASE ev_type WHEN '2' THEN 16 WHEN '3' THEN 4 WHEN '4' THEN 8 ELSE 0 END, NULL,
       pg_catalog.pg_get_ruledef(oid)
  FROM pg_catalog.pg_rewrite WHERE rulename <> '_RETURN' AND ev_enabled <> 'D' AND oid >= 16384";

const TRIGGERS: &str = "
SELECT t.tgrelid, t.tgname, t.tgtype, t.tgfoid, ''
  FROM pg_catalog.pg_trigger t
 WHERE t.tgenabled <> 'D'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't')";

const FUNCTIONS: &str = "
SELECT p.oid, n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes), pg_catalog.pg_get_userbyid(p.proowner),
       p.prosecdef, p.provolatile = 'v', p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype,
       l.lanname IN ('sql', 'plpgsql'), {body},
       (SELECT pg_catalog.substr(o.setting, 13) FROM pg_catalog.unnest(p.proconfig) o(setting)
         WHERE pg_catalog.starts_with(o.setting, 'search_path='))
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.oid >= 16384 AND p.prokind <> 'a'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')";

impl WriteFacts {
    /// Reads them.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(session: &mut Session) -> Result<Self, DatabaseError> {
        // The body of a function in SQL-standard form is not in `prosrc`.
        let body = match session.major_version().await? {
            14.. => "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)",
            _ => "p.prosrc",
        };
        let relations = session.rows(RELATIONS).await?;
        let functions = session.rows(&FUNCTIONS.replace("{body}", body)).await?;
        let cascades = session.rows(CASCADES).await?;
        let mut facts = Self {
            reads: Pairs::of(&session.rows(READS).await?),
            children: Pairs::of(&session.rows(CHILDREN).await?),
            cascades: cascades.iter().map(CascadeFacts::of_row).collect(),
            ..Self::default()
        };
        for one in relations.iter().map(RelationFacts::of_row) {
            let named = facts.named.entry(one.name.name.clone()).or_default();
            named.push(one.oid.clone());
            facts.relations.insert(one.oid.clone(), one);
        }
        for (at, key) in facts.cascades.iter().enumerate() {
            let referring = facts.referring.entry(key.child.clone()).or_default();
            referring.push(at);
        }
        for one in functions.iter().map(FunctionFacts::of_row) {
            let named = facts.functions_named.entry(one.name.name.clone());
            named.or_default().push(one.oid.clone());
            facts.functions.insert(one.oid.clone(), one);
        }
        let rules = session.rows(RULES).await?;
        facts.rules = rules.iter().map(ReactionFacts::of_row).collect();
        let triggers = session.rows(TRIGGERS).await?;
        facts.triggers = triggers.iter().map(ReactionFacts::of_row).collect();
        Ok(facts)
    }

    /// The roles with whose rights views, rules, foreign keys and functions write.
    #[must_use]
    pub fn owners(&self) -> BTreeSet<&str> {
        let relations = self.relations.values().map(|one| one.owner.as_str());
        let functions = self.functions.values().filter(|one| one.definer);
        relations
            .chain(functions.map(|one| one.owner.as_str()))
            .collect()
    }

    /// A table with its partitions and children, by OID; none where there is no such table.
    #[must_use]
    pub fn tree_of(&self, table: &QualifiedName) -> BTreeSet<&str> {
        let mut roots = self.with_name(table);
        roots.next().map(|root| self.tree(root)).unwrap_or_default()
    }

    /// The relations of schemas, with partitions and children elsewhere, by OID.
    #[must_use]
    pub fn of_schemas(&self, is_meant: impl Fn(&str) -> bool) -> BTreeSet<&str> {
        let all = self.relations.values();
        all.filter(|one| is_meant(&one.name.schema))
            .flat_map(|one| self.tree(&one.oid))
            .collect()
    }

    /// A relation with its partitions and children, by OID.
    pub(super) fn tree<'a>(&'a self, root: &'a str) -> BTreeSet<&'a str> {
        let mut tree = BTreeSet::from([root]);
        let mut queue = vec![root];
        while let Some(parent) = queue.pop() {
            let below = self.children.firsts(parent).iter().map(String::as_str);
            queue.extend(below.filter(|child| tree.insert(child)));
        }
        tree
    }

    /// The relations that a name in a body may mean, by OID.
    pub(super) fn with_name(&self, name: &QualifiedName) -> impl Iterator<Item = &str> {
        let all = self.named.get(&name.name).into_iter().flatten();
        all.map(String::as_str).filter(move |oid| {
            let relation = self.relations.get(*oid);
            relation.is_some_and(|one| is_named(name, &one.name))
        })
    }

    /// The functions that a name in a body may mean, by OID.
    pub(super) fn functions_with_name(&self, name: &QualifiedName) -> impl Iterator<Item = &str> {
        let all = self.functions_named.get(&name.name).into_iter().flatten();
        all.map(String::as_str).filter(move |oid| {
            let function = self.functions.get(*oid);
            function.is_some_and(|one| is_named(name, &one.name))
        })
    }

    /// The foreign keys of a table that refers, with their places in `cascades`.
    pub(super) fn cascades_of(&self, child: &str) -> impl Iterator<Item = (usize, &CascadeFacts)> {
        let all = self.referring.get(child).into_iter().flatten();
        all.filter_map(|at| Some((*at, self.cascades.get(*at)?)))
    }
}

impl RelationFacts {
    fn of_row(row: &TextRow) -> Self {
        Self {
            oid: text(row, 0),
            name: name(row),
            owner: text(row, 3),
            is_view: is_true(row.get(4)),
            invoker: is_true(row.get(5)),
            updatable: events(&text(row, 6)),
        }
    }
}

impl CascadeFacts {
    fn of_row(row: &TextRow) -> Self {
        let action = |at| text(row, at).chars().next().unwrap_or('a');
        Self {
            name: text(row, 0),
            child: text(row, 1),
            parent: text(row, 2),
            actions: (action(3), action(4)),
            join: text(row, 5),
            key: serde_json::from_str(&text(row, 6)).unwrap_or_default(),
        }
    }
}

impl ReactionFacts {
    fn of_row(row: &TextRow) -> Self {
        Self {
            relation: text(row, 0),
            name: text(row, 1),
            events: events(&text(row, 2)),
            function: row.get(3).cloned().flatten(),
            body: Body::of_rule(&text(row, 4)),
        }
    }
}

impl FunctionFacts {
    fn of_row(row: &TextRow) -> Self {
        Self {
            oid: text(row, 0),
            name: name(row),
            arguments: text(row, 3),
            owner: text(row, 4),
            definer: is_true(row.get(5)),
            volatile: is_true(row.get(6)),
            of_triggers: is_true(row.get(7)),
            body: is_true(row.get(8)).then(|| {
                let body = Body::of(&text(row, 9));
                match row.get(10).cloned().flatten() {
                    Some(path) => body.within(&path),
                    None => body,
                }
            }),
        }
    }
}

fn text(row: &TextRow, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

fn name(row: &TextRow) -> QualifiedName {
    QualifiedName {
        schema: text(row, 1),
        name: text(row, 2),
    }
}

fn events(mask: &str) -> BTreeSet<WriteEvent> {
    WriteEvent::of_bits(mask.parse().unwrap_or(0)).collect()
}
