//! Ways past the policies of a table: views and commands are tried, functions listed.
//!
//! - `hidden` lists the rows that the policies hide
//! - `read` tries whether a view shows them, `write` whether a command writes them

mod hidden;
mod read;
mod write;

use self::read::shows_hidden;
use self::write::Written;
use super::{Indirect, Limit, Ways, could_not_rule_out};
use crate::check::Restored;
use crate::check::columns::Columns as _;
use crate::check::privilege::could_not_try;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{
    Actor, Facts, KnownRights, ObjectClass, ReadReach, Right, Roles, WriteEntry, WriteEvent,
    past_policies, write_targets,
};
use crate::sql::{Glob, QualifiedName};

/// What a scenario allows past the policies.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// Functions that were reviewed.
    pub trusted_functions: &'a [String],
    /// Views that may show and write what the policies hide.
    pub shared_views: &'a [String],
    /// Commands that other objects may run on rows that the policies hide.
    pub indirect: &'a [Right],
}

/// What the ways of some roles follow from.
#[derive(Debug)]
pub struct PastPolicies<'a> {
    roles: Roles,
    indirect: Indirect,
    rights: Facts,
    allowed: Allowed<'a>,
}

/// A session whose rows the policies select.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// The role.
    pub role: &'a str,
    /// Its settings.
    pub settings: &'a [(String, String)],
    /// The table with the policies.
    pub table: &'a QualifiedName,
}

/// The commands that policies apply to; not to TRUNCATE.
const ROWS: &[WriteEvent] = &[WriteEvent::Insert, WriteEvent::Update, WriteEvent::Delete];

const TABLE: &str = "
SELECT pg_catalog.pg_get_userbyid(relowner), relforcerowsecurity
  FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({table}) AND relrowsecurity AND relkind IN ('r', 'p')";

impl<'a> PastPolicies<'a> {
    /// Reads it; also gives a finding for each trusted function that is not there.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(
        session: &mut Session,
        names: &[&str],
        allowed: Allowed<'a>,
    ) -> Result<(Self, Vec<Finding>), CouldNotRun> {
        let roles = Roles::read(session).await?;
        let (indirect, missing) = Indirect::read(session, allowed.trusted_functions).await?;
        let rights = indirect
            .rights(session, &roles, names.iter().copied(), &[])
            .await?;
        let found = Self {
            roles,
            indirect,
            rights,
            allowed,
        };
        Ok((found, missing))
    }

    /// Tries or lists the ways of a role past the policies of a table.
    ///
    /// # Errors
    /// When the server is gone.
    pub async fn find(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        under: Under<'_>,
    ) -> Result<(Vec<Finding>, Vec<CouldNotRun>), CouldNotRun> {
        let (mut findings, mut open) = (Vec::new(), Vec::new());
        let sql = TABLE.replace("{table}", &under.table.literal());
        let rows = session.rows(&sql).await?;
        let (Some(row), Some(role)) = (rows.first(), self.roles.all.get(under.role)) else {
            return Ok((findings, open));
        };
        let (owner, forced) = (row.text(0).unwrap_or_default(), row.is_true(1));
        let exempt = |name: &str| self.roles.is_exempt(name, &owner, forced);
        let (writes, trusted) = (&self.indirect.writes, &self.indirect.trusted);
        let known = KnownRights::new(writes, &self.roles, &self.rights);
        let tree = writes.tree_of(under.table);
        let reach = ReadReach::new(writes, &known, &tree, exempt, trusted);
        let actor = Actor::new(&self.roles, role);
        let (views, functions) = reach.of_role(&actor);
        for view in views {
            if self.is_shared(&view.name) {
                continue;
            }
            match shows_hidden(restored, under, view).await {
                Ok(false) => {}
                Ok(true) => findings.push(
                    Finding::about(
                        view.name.to_string(),
                        format!("nothing of {} that its policies hide from {}", under.table, under.role),
                        format!("it shows the role something else without these rows: it reads with the rights of {}", view.owner),
                    )
                    .hint(format!(
                        "ALTER VIEW {} SET (security_invoker = true), or give it an owner under the policies; where it is meant, add it to `shared-views`",
                        view.name
                    )),
                ),
                Err(error) => open.push(error),
            }
        }
        if !functions.is_empty() {
            let ways = format!("role {} past the policies of {}", under.role, under.table);
            let what = "to whom the policies do not apply";
            open.push(could_not_rule_out(&ways, what, &functions));
        }
        // What is listed for reading needs no second entry.
        let mut trusted = trusted.clone();
        trusted.extend(functions.iter().map(|one| one.oid.clone()));
        let paths = past_policies(writes, &known, (&tree, exempt), &actor, &trusted);
        let mut ways = Ways::default();
        let targets = write_targets(&tree, ROWS);
        let limit = Limit {
            object: under.table.to_string(),
            expected: format!(
                "{} writes no row that the policies hide from it",
                under.role
            ),
            purpose: format!("write rows of {} that its policies hide", under.table),
            indirect: Some(under.table.to_string()),
            targets: &targets,
        };
        if !paths.is_empty() && !self.hides_any(restored, under).await? {
            return Ok((findings, open));
        }
        for path in &paths {
            let WriteEntry::Relation(relation, event) = path.entry else {
                continue;
            };
            let written = path.target.as_ref().map(|(_, event)| *event);
            if self.is_shared(&relation.name) || self.is_meant(under.table, written) {
                continue;
            }
            let written = Written {
                writes,
                path,
                relation,
                event,
                targets: &targets,
            };
            let end = written.try_hidden(restored, under).await?;
            ways.add(under.role, &limit, path, end);
        }
        let (written, unclear) = ways.finish();
        findings.extend(written);
        open.extend(unclear);
        Ok((findings, open))
    }

    /// Whether a view may show and write what the policies hide.
    fn is_shared(&self, view: &QualifiedName) -> bool {
        let names = self.allowed.shared_views.iter();
        let mut names = names.filter_map(|name| QualifiedName::parse(name).ok());
        names.any(|name| {
            Glob::new(&name.schema).matches(&view.schema)
                && Glob::new(&name.name).matches(&view.name)
        })
    }

    /// Whether a command on a table is in `indirect`; code may run any.
    fn is_meant(&self, table: &QualifiedName, event: Option<WriteEvent>) -> bool {
        let object = self
            .rights
            .find(ObjectClass::Table, &table.schema, &table.name);
        let events = event.as_ref().map_or(ROWS, std::slice::from_ref);
        object.is_some_and(|object| {
            events.iter().all(|event| {
                let mut entries = self.allowed.indirect.iter();
                entries.any(|entry| entry.covers(object) && entry.allows_command(event.word()))
            })
        })
    }

    /// Whether the policies hide a row from the role.
    async fn hides_any(
        &self,
        restored: &Restored<'_>,
        under: Under<'_>,
    ) -> Result<bool, CouldNotRun> {
        let superuser = &restored.server.endpoint().superuser;
        let mut session = restored.session_as(superuser, under.settings).await?;
        let prepare = hidden::list(&mut session, under).await?;
        let rows = hidden::count(&mut session, &prepare, "redrill_hidden").await;
        session.close().await;
        let what = format!("reading {} as {}", under.table, under.role);
        Ok(rows.map_err(|error| could_not_try(&what, &error))? > 0)
    }
}
