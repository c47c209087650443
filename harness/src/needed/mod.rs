//! Which rows of a backup the selected checks need, before a server is started: `redrill run --only`.
//!
//! It errs to one side: a table is left empty only where nothing within reach of the checks names it. Where what is read
//! cannot be known, as with dynamic SQL, all rows are needed, and the reports say why.
//!
//! - `text`: the names in a definition; `names`: those at known places; `definitions`: what a dump defines, by name
//! - `ways`: what leads to the tables that the checks name; `reach`: what is read where these are read and written

mod definitions;
mod names;
mod reach;
mod text;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use definitions::{At, Definitions, Relation, RelationKind};
use reach::Reach;
use ways::{Target, Ways};

use crate::backup::objects::ObjectSource;
use crate::backup::{Backup, Part};
use crate::check::reads::{Reads, RowsRead};
use crate::outcome::TableHeld;
use crate::restore::method;
use crate::restore::settings::Restore;
use crate::scenario::ScenarioCheck;
use crate::sql::QualifiedName;

/// Tables with fewer bytes of rows are loaded whenever that needs no larger one.
const SMALL: u64 = 1024 * 1024;

/// Extensions that read no tables but those that a call names, and those functions are known. Of others it is not known.
const KNOWN_EXTENSIONS: &[&str] = &[
    "age",
    "amcheck",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgaudit",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgres_fdw",
    "seg",
    "sslinfo",
    "tablefunc",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
    "xml2",
];

/// Rows that a restore leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowsLeftOut {
    /// Tables that stay empty, in whichever database.
    pub tables: BTreeSet<QualifiedName>,
    /// Materialized views that are not filled, because they read such tables.
    pub views: BTreeSet<QualifiedName>,
    /// The tables among them that have rows, the one with the most bytes first.
    pub held: Vec<TableHeld>,
    /// Why no rows are left out although only some checks were selected.
    pub none_because: Option<String>,
}

impl RowsLeftOut {
    /// Nothing is left out.
    fn none_because(why: impl Into<String>) -> Self {
        Self {
            none_because: Some(why.into()),
            ..Self::default()
        }
    }

    /// Finds the rows that none of these checks needs.
    #[must_use]
    pub fn of(backup: &Backup, settings: &Restore, checks: &[ScenarioCheck]) -> Self {
        let mut rows = Vec::new();
        for check in checks {
            match check.check.reads() {
                Reads::Some(read) => rows.push(read),
                Reads::Everything => {
                    return Self::none_because(format!(
                        "the check `{}` may read any table",
                        check.name
                    ));
                }
            }
        }
        Self::of_reads(backup, settings, &rows)
    }

    fn of_reads(backup: &Backup, settings: &Restore, reads: &[RowsRead]) -> Self {
        let with_rows = || {
            backup
                .parts
                .iter()
                .filter(|part| part.contents.holds_data())
        };
        // The dumps of a bundle belong together.
        if let Some(why) = with_rows().find_map(|part| method::loads_all(part, settings)) {
            return Self::none_because(why);
        }
        let by_statements =
            |part: &Part| part.contents.objects.listed_by == ObjectSource::ByStatements;
        if with_rows().any(by_statements) {
            return Self::none_because(
                "pg_dump did not write the backup, or its comments were removed: its definitions are not read",
            );
        }
        if with_rows().any(has_loose_definitions) {
            return Self::none_because(
                "the backup has functions, triggers, views or policies outside of the entries of pg_dump",
            );
        }
        let contents = backup.contents();
        let mut extensions = contents.extensions.iter();
        if let Some(other) = extensions.find(|name| !KNOWN_EXTENSIONS.contains(&name.as_str())) {
            return Self::none_because(format!(
                "it is not known what the functions of the extension {other} read"
            ));
        }
        let objects = backup
            .parts
            .iter()
            .flat_map(|part| &part.contents.objects.list);
        let definitions = Definitions::of(objects);
        let mut plan = Plan {
            reach: Reach::new(&definitions),
            definitions: &definitions,
            bytes: BTreeMap::new(),
        };
        for ((_, table), rows) in backup.parts.iter().flat_map(|part| &part.contents.rows) {
            *plan.bytes.entry(table).or_default() += rows.bytes;
        }
        for read in reads {
            plan.read(read);
        }
        if let Some(why) = plan.reach.unknown {
            return Self::none_because(format!("it is not known what the checks read: {why}"));
        }
        plan.add_small();
        let refreshed = contents.refreshed.iter().map(|(_, view)| view);
        let views = plan.views_left_out(refreshed.collect());
        let is_left_out = |relation: &(At, &Relation)| {
            relation.1.kind == RelationKind::Table && !plan.reach.loaded.contains(&relation.0)
        };
        let relations = definitions.relations.iter().enumerate();
        let tables = relations
            .filter(is_left_out)
            .map(|(_, one)| one.name.clone());
        let tables: BTreeSet<QualifiedName> = tables.collect();
        Self {
            held: held(&backup.parts, &tables),
            tables,
            views,
            none_because: None,
        }
    }
}

/// Whether statements define more than the entries of pg_dump do: somebody added them.
fn has_loose_definitions(part: &Part) -> bool {
    let contents = &part.contents;
    let entries = |kinds: &[&str]| {
        let all = contents.objects.list.iter();
        all.filter(|object| kinds.contains(&object.kind.as_str()))
            .count() as u64
    };
    contents.counts.functions > entries(&["FUNCTION", "PROCEDURE", "AGGREGATE"])
        || contents.counts.triggers > entries(&["TRIGGER"])
        // A view that another needs is made twice, the second time by the entry of its rule.
        || contents.counts.views > entries(&["VIEW", "MATERIALIZED VIEW", "RULE"])
        || contents.policies.len() as u64 > entries(&["POLICY"])
}

/// The rows of some tables, the one with the most bytes first.
fn held(parts: &[Part], tables: &BTreeSet<QualifiedName>) -> Vec<TableHeld> {
    let rows = parts
        .iter()
        .flat_map(|part| part.contents.rows.iter().map(move |rows| (part, rows)));
    let rows = rows.filter(|(_, ((_, table), rows))| {
        tables.contains(table) && (rows.count > 0 || rows.unknown)
    });
    let held = rows.map(|(part, ((database, table), rows))| TableHeld {
        database: match (database.as_str(), &part.named_database) {
            ("", Some(named)) => named.clone(),
            _ => database.clone(),
        },
        table: table.to_string(),
        rows: (!rows.unknown).then_some(rows.count),
        bytes: rows.bytes,
    });
    let mut held: Vec<TableHeld> = held.collect();
    held.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    held
}

/// What is loaded, while it is found out.
struct Plan<'a> {
    definitions: &'a Definitions,
    reach: Reach<'a>,
    /// Bytes of the rows of each table, in all databases.
    bytes: BTreeMap<&'a QualifiedName, u64>,
}

impl<'a> Plan<'a> {
    /// Adds what a check reads, and what the server reads then.
    fn read(&mut self, read: &RowsRead) {
        let all = self.definitions.relations.iter().enumerate();
        let is_named = |name: &QualifiedName| read.relations.iter().any(|one| one.matches(name));
        let target = Target {
            inserts: read.ways_to_insert,
        };
        let targets = all.filter(|(_, one)| is_named(&one.name));
        let targets = targets.map(|(at, _)| (at, target)).collect();
        let trusted = self.trusted(&read.trusted_functions);
        let ways = Ways::new(self.definitions, targets, &trusted);
        for at in ways.found.into_keys() {
            self.reach.add(at);
        }
        for statement in &read.statements {
            self.reach.statement(statement);
        }
        if read.materialized_views {
            let all = self.definitions.relations.iter().enumerate();
            for (at, _) in all.filter(|(_, one)| one.kind == RelationKind::MaterializedView) {
                self.reach.add(at);
            }
        }
    }

    /// The functions that a scenario trusts. Of several with one name none is taken for it, since types have several names.
    fn trusted(&self, names: &[String]) -> BTreeSet<At> {
        let names = names.iter().filter_map(|name| name.split('(').next());
        let names = names.filter_map(|name| QualifiedName::parse(name).ok());
        names
            .filter_map(|name| {
                let mut all = self.definitions.functions_called(&name);
                all.next().filter(|_| all.next().is_none())
            })
            .collect()
    }

    /// Adds small tables: what a check needs of them and nothing shows is there then too.
    fn add_small(&mut self) {
        for (at, relation) in self.definitions.relations.iter().enumerate() {
            if relation.kind == RelationKind::Table && !self.reach.loaded.contains(&at) {
                self.attempt(at);
            }
        }
    }

    /// The materialized views that cannot be filled with what is loaded.
    fn views_left_out(&mut self, refreshed: BTreeSet<&QualifiedName>) -> BTreeSet<QualifiedName> {
        let mut left_out = BTreeSet::new();
        for (at, relation) in self.definitions.relations.iter().enumerate() {
            if refreshed.contains(&relation.name)
                && !self.reach.loaded.contains(&at)
                && !self.attempt(at)
            {
                left_out.insert(relation.name.clone());
            }
        }
        left_out
    }

    /// Loads a relation, unless that needs a table that is not small.
    fn attempt(&mut self, relation: At) -> bool {
        let (definitions, bytes) = (self.definitions, &self.bytes);
        self.reach.attempt(relation, |at| {
            let bytes = bytes.get(&definitions.relations[at].name);
            bytes.is_none_or(|bytes| *bytes < SMALL)
        })
    }
}

#[cfg(test)]
mod tests;
