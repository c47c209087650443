//! Indirect ways by which roles write tables: what the checks ask to be reviewed is listed with them.

use std::collections::{BTreeMap, BTreeSet};

use super::block::Block;
use crate::database::{DatabaseError, Session};
use crate::rights::{
    self, Actor, Facts, KnownRights, ObjectClass, ReadReach, Right, Roles, WriteEntry, WriteEvent,
    WriteFacts, WriteReach, WriteTarget, find_bounds, write_targets,
};
use crate::sql::QualifiedName;

const REVIEW: &str = "Review the functions of `trusted-functions`: they run with the rights of their owners, a role here may \
    call them, and what they do was not tested.";

/// Adds functions to `trusted-functions`, to be reviewed.
#[must_use]
pub fn reviewed(block: Block, functions: &[String]) -> Block {
    match functions {
        [] => block,
        functions => block.comment(REVIEW).list("trusted-functions", functions),
    }
}

/// What indirect ways follow from.
#[derive(Debug, Default)]
pub struct IndirectWays {
    roles: Roles,
    rights: Facts,
    /// Views, foreign keys, rules, triggers and functions.
    pub writes: WriteFacts,
}

/// The ways of one role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaysOfRole {
    /// Functions that may run the commands.
    pub functions: BTreeSet<String>,
    /// Commands that other objects may run.
    pub commands: BTreeSet<WriteEvent>,
}

/// The ways of one role past the policies of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaysPast {
    /// Views that read or write the table as an owner to whom the policies do not apply.
    pub views: BTreeSet<String>,
    /// Functions that do.
    pub functions: BTreeSet<String>,
    /// Commands on the table that foreign keys and rules may run.
    pub commands: BTreeSet<WriteEvent>,
}

impl IndirectWays {
    /// Reads it.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(session: &mut Session) -> Result<Self, DatabaseError> {
        let roles = Roles::read(session).await?;
        let actors: Vec<Actor<'_>> = roles
            .all
            .values()
            .map(|one| Actor::new(&roles, one))
            .collect();
        Ok(Self {
            rights: Facts::read(session, &roles, &actors, &[]).await?,
            writes: WriteFacts::read(session).await?,
            roles,
        })
    }

    /// The ways of a role to run one of these commands.
    #[must_use]
    pub fn of_role(&self, role: &str, targets: &[WriteTarget]) -> WaysOfRole {
        let role = self.roles.all.get(role);
        let actor = role.map(|role| Actor::new(&self.roles, role));
        let known = KnownRights::new(&self.writes, &self.roles, &self.rights);
        actor.map_or_else(WaysOfRole::default, |actor| {
            self.of_actor(&known, &actor, targets)
        })
    }

    /// The ways of a role beyond entries, on the tables that they name: its functions, and entries for other ways.
    #[must_use]
    pub fn beyond(&self, role: &str, entries: &[String]) -> (BTreeSet<String>, Vec<String>) {
        let (mut functions, mut indirect) =
            (BTreeSet::new(), BTreeMap::<String, Vec<String>>::new());
        let entries: Vec<Right> = entries
            .iter()
            .cloned()
            .filter_map(|text| Right::try_from(text).ok())
            .collect();
        let entries: Vec<&Right> = entries.iter().collect();
        let Some(role) = self.roles.all.get(role) else {
            return (functions, Vec::new());
        };
        let mut actor = Actor::new(&self.roles, role);
        actor.without(|name| self.roles.is_superuser(name));
        let known = KnownRights::new(&self.writes, &self.roles, &self.rights);
        for bound in find_bounds(&self.writes, &self.rights, &actor, &entries, &entries) {
            let ways = self.of_actor(&known, &actor, &bound.targets);
            functions.extend(ways.functions);
            if !ways.commands.is_empty() {
                let commands = WriteEvent::list(ways.commands).to_lowercase();
                let tables = indirect.entry(commands).or_default();
                tables.push(bound.table.name.to_string());
            }
        }
        let indirect = indirect.into_iter();
        let indirect =
            indirect.map(|(commands, tables)| format!("{commands} on {}", tables.join(", ")));
        (functions, indirect.collect())
    }

    /// The ways of a role past the policies of a table.
    #[must_use]
    pub fn past_policies(&self, role: &str, table: &QualifiedName, forced: bool) -> WaysPast {
        let object = self
            .rights
            .find(ObjectClass::Table, &table.schema, &table.name);
        let (Some(object), Some(role)) = (object, self.roles.all.get(role)) else {
            return WaysPast::default();
        };
        let exempt = |name: &str| self.roles.is_exempt(name, &object.owner, forced);
        let known = KnownRights::new(&self.writes, &self.roles, &self.rights);
        let tree = self.writes.tree_of(table);
        let actor = Actor::new(&self.roles, role);
        let reach = ReadReach::new(&self.writes, &known, &tree, exempt, &BTreeSet::new());
        let (views, functions) = reach.of_role(&actor);
        let mut past = WaysPast {
            views: views.iter().map(|one| one.name.to_string()).collect(),
            functions: functions.iter().map(|one| one.show()).collect(),
            commands: BTreeSet::new(),
        };
        let paths = |trusted: &BTreeSet<String>| {
            rights::past_policies(&self.writes, &known, (&tree, exempt), &actor, trusted)
        };
        let reading = functions.iter().map(|one| one.oid.clone());
        let code = paths(&reading.collect());
        past.functions.extend(
            code.iter()
                .flat_map(|path| path.functions().map(str::to_owned)),
        );
        let trusted = self.writes.functions.values();
        let trusted = trusted.filter(|one| past.functions.contains(&one.show()));
        for path in paths(&trusted.map(|one| one.oid.clone()).collect()) {
            match (&path.entry, &path.target) {
                (WriteEntry::Relation(view, _), _) if view.is_view => {
                    past.views.insert(view.name.to_string());
                }
                (_, Some((_, event))) => drop(past.commands.insert(*event)),
                (_, None) => past.commands.extend([
                    WriteEvent::Insert,
                    WriteEvent::Update,
                    WriteEvent::Delete,
                ]),
            }
        }
        past
    }

    /// The functions by which a role may read or write other schemas than its own.
    #[must_use]
    pub fn into_schemas(&self, role: &str, schemas: &BTreeSet<&str>) -> BTreeSet<String> {
        let Some(role) = self.roles.all.get(role) else {
            return BTreeSet::new();
        };
        let actor = Actor::new(&self.roles, role);
        let known = KnownRights::new(&self.writes, &self.roles, &self.rights);
        let tables = self.writes.of_schemas(|schema| schemas.contains(schema));
        let able = known.readers(&tables);
        let exempt = |owner: &str| able.contains(owner);
        let reach = ReadReach::new(&self.writes, &known, &tables, exempt, &BTreeSet::new());
        let (_, reading) = reach.of_role(&actor);
        let targets = write_targets(&tables, &WriteEvent::ALL);
        let mut functions = self.of_actor(&known, &actor, &targets).functions;
        functions.extend(reading.iter().map(|one| one.show()));
        functions
    }

    fn of_actor(
        &self,
        known: &KnownRights<'_>,
        actor: &Actor<'_>,
        targets: &[WriteTarget],
    ) -> WaysOfRole {
        let mut ways = WaysOfRole::default();
        let none = BTreeSet::new();
        for path in WriteReach::new(&self.writes, known, targets, &none).paths(actor) {
            ways.functions.extend(path.functions().map(str::to_owned));
        }
        let functions = self.writes.functions.values();
        let trusted = functions.filter(|one| ways.functions.contains(&one.show()));
        let trusted = trusted.map(|one| one.oid.clone()).collect();
        for path in WriteReach::new(&self.writes, known, targets, &trusted).paths(actor) {
            match &path.target {
                Some((_, event)) if !path.by_code => drop(ways.commands.insert(*event)),
                _ => ways
                    .commands
                    .extend(targets.iter().map(|(_, event)| *event)),
            }
        }
        ways
    }
}
