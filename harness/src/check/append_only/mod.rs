//! `append-only`: rows of a table can be added, and never be changed or removed.
//!
//! - `judged` is which statements must be refused
//! - `rights` is which rights a role has, and why
//! - `roles` puts together what a role may and what it tried
//! - `triggers` is which triggers each table has
//! - `attempts` tries to change a row, with the statements of `statement`

mod attempts;
mod judged;
mod rights;
mod roles;
mod statement;
mod triggers;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::attempts::AttemptEnd;
use self::statement::{AttemptTarget, HistoryChange};
pub use self::triggers::{Enabled, Event, WantedTrigger};
use crate::check::absent;
use crate::check::indirect::{self, Indirect};
use crate::check::privilege::{Relation, conclude, tree};
use crate::check::reads::{Reads, RowsRead};
use crate::check::target::Targets;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, summarize};
use crate::rights::Roles;
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// Rows of a table can be added, and never be changed or removed: by right, by trigger, by trying.
///
/// It checks the whole tree of partitions or inheritance children, the table itself included,
/// because each of them can be reached by its own name and has its own grants and triggers.
///
/// ## What it proves
/// - No role of `roles` has UPDATE (of a table or of a column), DELETE, TRUNCATE or TRIGGER on any of
///   the tables, owns one or its schema, or can become a role that does: by inheritance, by SET ROLE,
///   by ADMIN OPTION, through PUBLIC, through `pg_write_all_data`. None is superuser, can become or inherits from one,
///   can write the server's files, or may set `session_replication_role`. Before PostgreSQL 16 none
///   has CREATEROLE either, which there can hand out any role.
/// - None of them can change history with the rights of another: by an updatable view, by a foreign key with ON DELETE or
///   ON UPDATE CASCADE, SET NULL or SET DEFAULT, by a rule, by a trigger or function that is SECURITY DEFINER. Each such way
///   is tried where it can be. A function cannot be called to find out what it does: unless its owner has no right to change
///   history, or its body (SQL, PL/pgSQL) writes none of these tables and has no dynamic SQL, the check could not run.
///   `trusted-functions` lists functions that were reviewed.
/// - Each of them, in a session of its own, is refused UPDATE and DELETE of a real row, TRUNCATE,
///   and DISABLE TRIGGER on each table, and `SET session_replication_role = replica`.
/// - With `triggers`: each table that holds rows has them, enabled as wished.
/// - With `attempt-as-owner`: they work. UPDATE, DELETE and TRUNCATE are tried on each table as its
///   owner, whom only triggers and rules can stop. Where a right of the owner is missing or it is under row
///   security, it is tried as superuser. An UPDATE counts as stopped when no column of a row can
///   really be changed.
/// - With `statements`: only these are judged, by rights, by other ways and by trying, as when a trail is emptied by TRUNCATE on
///   purpose, or its triggers do not stop it. Each report lists the others as not tested.
/// - With `insert-by`: these roles can still add rows: they have INSERT on the table, and where
///   `insert` is given, it goes through as each of them.
///
/// Everything that is tried is rolled back, except that sequences move on.
///
/// ## What it does not prove
/// That history was not changed before the backup was taken. That a superuser, or the owner by
/// switching triggers off, could not change it: nothing inside the database stops these two, so no
/// one should be able to log in as the owner. What functions of extensions do. Rows of an empty partition cannot be tried: there the
/// rights, the triggers in the catalog and TRUNCATE are checked. Foreign partitions are checked for
/// rights only.
///
/// ## Example
/// ```toml
/// [[check.append-only]]
/// table = "app.audit"
/// also = ["app.audit_20*"]
/// roles = ["app", "auditor"]
/// insert-by = ["app"]
/// insert = "INSERT INTO app.audit (at, what) VALUES (now(), 'drill')"
/// attempt-as-owner = true
///
/// [[check.append-only.triggers]]
/// name = "audit_refuse_change"
/// on = "row"
/// events = ["update", "delete"]
/// enabled = "always"
///
/// [[check.append-only.triggers]]
/// on = "statement"
/// events = ["truncate"]
/// enabled = "always"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AppendOnly {
    /// The table, with everything below it.
    pub table: String,
    /// Other tables that hold history too, such as detached partitions; `*` and `?` match, and a
    /// pattern may match nothing.
    #[serde(default)]
    pub also: Vec<String>,
    /// Roles that must not be able to change history. The owner does not belong here, and neither
    /// does a superuser.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Roles that must be able to add rows.
    #[serde(default)]
    pub insert_by: Vec<String>,
    /// An INSERT that must go through as each role of `insert-by`. Without it only the right is
    /// checked.
    pub insert: Option<String>,
    /// SECURITY DEFINER functions, as `schema.name(types)`, that a review found to change no row of the tables. They are not
    /// tested, and the reports say so.
    #[serde(default)]
    pub trusted_functions: Vec<String>,
    /// Settings of the sessions in which roles try.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Triggers that each table that holds rows must have.
    #[serde(default)]
    pub triggers: Vec<WantedTrigger>,
    /// Whether triggers must stop even the tables' owner. Default: false.
    #[serde(default)]
    pub attempt_as_owner: bool,
    /// The statements that must be refused. Default: `["update", "delete", "truncate"]`.
    pub statements: Option<Vec<Event>>,
}

impl Parameters for AppendOnly {
    const KIND: &'static str = "append-only";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        errors.require_names("table", [&self.table], "schema.table");
        errors.refuse_pattern("table", "also", Some(&self.table));
        errors.require_names("also", &self.also, "schema.table");
        let asserted = [
            !self.roles.is_empty(),
            !self.triggers.is_empty(),
            self.attempt_as_owner,
        ];
        errors.require_assertion(
            asserted,
            "add `roles`, `triggers` or `attempt-as-owner = true`",
        );
        if self.insert.is_some() && self.insert_by.is_empty() {
            errors.at("insert", "`insert` needs `insert-by`");
        }
        errors.require_statements("insert", &self.insert);
        if !self.trusted_functions.is_empty() && self.roles.is_empty() {
            errors.at("trusted-functions", "`trusted-functions` needs `roles`");
        }
        indirect::validate(&self.trusted_functions, errors);
        for trigger in &self.triggers {
            trigger.validate(errors);
        }
        self.validate_statements(errors);
    }
}

/// Whether the owner has everything that an attempt needs, so that only triggers are in its way.
const OWNER_CAN: &str = "
SELECT pg_catalog.has_schema_privilege(c.relowner, c.relnamespace, 'USAGE')
   AND pg_catalog.has_table_privilege(c.relowner, c.oid, 'SELECT')
   AND pg_catalog.has_table_privilege(c.relowner, c.oid, 'UPDATE')
   AND pg_catalog.has_table_privilege(c.relowner, c.oid, 'DELETE')
   AND pg_catalog.has_table_privilege(c.relowner, c.oid, 'TRUNCATE')
   AND (NOT r.rolcanlogin
        OR pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT'))
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
 WHERE c.oid = {oid}";

#[async_trait]
impl Check for AppendOnly {
    fn describe(&self) -> String {
        format!("{} is append-only", self.table)
    }

    fn alone(&self) -> bool {
        true
    }

    fn append_only(&self) -> Vec<QualifiedName> {
        QualifiedName::parse(&self.table).into_iter().collect()
    }

    fn reads(&self) -> Reads {
        Reads::Some(
            RowsRead {
                statements: self.insert.iter().cloned().collect(),
                trusted_functions: self.trusted_functions.clone(),
                ..RowsRead::default()
            }
            .with(std::iter::once(&self.table).chain(&self.also)),
        )
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let table = QualifiedName::parse(&self.table).map_err(CouldNotRun::new)?;
        let (relations, mut findings) = self.relations(&mut session, &table).await?;
        if relations.is_empty() {
            return Ok(Observation::new(
                self.expectation(),
                "there is no such table",
                findings,
            ));
        }
        let targets = targets(&mut session, &relations).await?;
        let held = |(relation, target): &(&Relation, &AttemptTarget)| {
            relation.is_storage() && target.row.is_some()
        };
        let pairs = || relations.iter().zip(&targets);
        let with_rows = pairs().filter(held).count();
        let mut unclear = Vec::new();
        if with_rows == 0 {
            unclear.push(
                CouldNotRun::new(format!("{table} is empty: there is no row to try on"))
                    .hint("check whether the restore lost its rows"),
            );
        }
        let roles = Roles::read(&mut session).await?;
        let (indirect, missing) = Indirect::read(&mut session, &self.trusted_functions).await?;
        findings.extend(missing);
        let names = self.roles.iter().chain(&self.insert_by).map(String::as_str);
        let named = rights::named(&relations);
        let facts = indirect.rights(&mut session, &roles, names, &named).await?;
        let known = (&roles, &facts);
        for role in &self.roles {
            match self
                .role(restored, &mut session, role, known, &relations, &targets)
                .await
            {
                Ok(found) => findings.extend(found),
                Err(error) => unclear.push(error),
            }
        }
        match self
            .ways(restored, &mut session, known, &indirect, &relations)
            .await
        {
            Ok((found, open)) => {
                findings.extend(found);
                unclear.extend(open);
            }
            Err(error) => unclear.push(error),
        }
        let triggers = crate::check::triggers::read(&mut session, &relations).await?;
        for wanted in &self.triggers {
            for relation in &relations {
                findings.extend(wanted.compare(relation, &triggers));
            }
        }
        if self.attempt_as_owner {
            let mut sessions = BTreeMap::new();
            for (relation, target) in pairs().filter(|(relation, _)| relation.is_storage()) {
                let each_column = triggers
                    .iter()
                    .any(|trigger| trigger.some_columns && trigger.is_on(relation));
                let (who, own) = self
                    .owner_session(restored, &mut session, &mut sessions, relation)
                    .await?;
                for change in self.judged().map(HistoryChange::from) {
                    match attempts::try_as_owner(own, target, change, each_column).await {
                        Ok(end) => findings.extend(unstopped(relation, &who, change, &end)),
                        Err(error) => unclear.push(error),
                    }
                }
            }
        }
        for role in &self.insert_by {
            match self.inserts(restored, role, known, &table).await {
                Ok(found) => findings.extend(found),
                Err(error) => unclear.push(error),
            }
        }
        session.close().await;
        let findings = conclude(findings, unclear)?;
        let storage = relations.iter().filter(|r| r.is_storage()).count();
        let actual = if findings.is_empty() {
            attempts::describe_rows(with_rows, storage)
        } else {
            format!(
                "{}; {}",
                show_counted(storage, "table"),
                summarize(&findings, "finding")
            )
        };
        let mut observation = Observation::new(self.expectation(), actual, findings);
        observation.not_tested = indirect::not_tested(&self.trusted_functions);
        observation.not_tested.extend(self.not_tested(&table));
        Ok(observation)
    }
}

impl AppendOnly {
    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        if !self.roles.is_empty() {
            parts.push(format!("{} cannot change its rows", self.roles.join(", ")));
        }
        if !self.triggers.is_empty() {
            parts.push("its triggers are on every table".to_owned());
        }
        if self.attempt_as_owner {
            parts.push("triggers stop even the owner".to_owned());
        }
        if !self.insert_by.is_empty() {
            let how = if self.insert.is_some() {
                "can"
            } else {
                "have the right to"
            };
            parts.push(format!("{} {how} add rows", self.insert_by.join(", ")));
        }
        let not_judged: Vec<&str> = self.not_judged().map(Event::word).collect();
        if !not_judged.is_empty() {
            parts.push(format!("{} not judged", not_judged.join(", ")));
        }
        format!("{}: {}", self.table, parts.join("; "))
    }

    /// Finds the tables, each once, and a finding for each name that is not there.
    async fn relations(
        &self,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<(Vec<Relation>, Vec<Finding>), CouldNotRun> {
        let mut relations = tree(session, table).await?;
        if relations.is_empty() {
            return Ok((
                relations,
                vec![
                    Finding::about(
                        &self.table,
                        "a table",
                        "there is none in the restored database",
                    )
                    .hint(absent::table(session, table).await?),
                ],
            ));
        }
        let mut findings = Vec::new();
        let mut seen: BTreeSet<String> = relations.iter().map(|r| r.oid.clone()).collect();
        for entry in &self.also {
            let resolved = Targets::of_pattern(entry).resolve(session).await?;
            // What is not detached yet cannot be found by a pattern, and that is no fault.
            if !entry.contains(['*', '?']) {
                findings.extend(resolved.missing);
            }
            for name in &resolved.tables {
                let below = tree(session, name).await?;
                relations.extend(below.into_iter().filter(|r| seen.insert(r.oid.clone())));
            }
        }
        Ok((relations, findings))
    }

    /// Opens, or finds among those open, the session of a table's owner: of someone with all rights.
    async fn owner_session<'s>(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        sessions: &'s mut BTreeMap<String, Session>,
        relation: &Relation,
    ) -> Result<(String, &'s mut Session), CouldNotRun> {
        let can = session
            .value(&OWNER_CAN.replace("{oid}", &relation.oid))
            .await?;
        let who = if can.as_deref() == Some("t") {
            relation.owner.clone()
        } else {
            restored.server.endpoint().superuser.clone()
        };
        let own = match sessions.entry(who.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(restored.session_as(&who, &self.settings()).await?)
            }
        };
        Ok((who, own))
    }

    fn settings(&self) -> Vec<(String, String)> {
        self.settings.clone().into_iter().collect()
    }
}

/// Finds one row to try on in each table.
async fn targets(
    session: &mut Session,
    relations: &[Relation],
) -> Result<Vec<AttemptTarget>, CouldNotRun> {
    let has_foreign = relations.iter().any(|relation| relation.kind == 'f');
    let mut targets = Vec::new();
    for relation in relations {
        // Reading through a parent would ask a foreign server, which a drill has none of.
        let readable = relation.is_storage() || (relation.kind == 'p' && !has_foreign);
        targets.push(AttemptTarget {
            table: relation.name.clone(),
            row: if readable {
                statement::find_row(session, relation).await?
            } else {
                None
            },
        });
    }
    Ok(targets)
}

/// Reports that no trigger stopped the owner.
fn unstopped(
    relation: &Relation,
    who: &str,
    change: HistoryChange,
    end: &AttemptEnd,
) -> Option<Finding> {
    let actual = match end {
        AttemptEnd::Changed(what) => format!("{what} went through (rolled back)"),
        AttemptEnd::OnlyForeignKey => {
            "it got past rights and triggers, and only a foreign key stopped it".to_owned()
        }
        AttemptEnd::Permitted | AttemptEnd::Stopped => return None,
    };
    Some(
        Finding::about(
            relation.name.to_string(),
            format!("{} is stopped by a trigger, even as {who}", change.word()),
            actual,
        )
        .hint("check whether its trigger exists and is enabled, and whether the trigger's function still raises an exception"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check() -> AppendOnly {
        AppendOnly {
            table: "app.audit".to_owned(),
            roles: vec!["app".to_owned()],
            ..AppendOnly::default()
        }
    }

    #[test]
    fn a_good_check_is_valid() {
        assert!(errors_of(|errors| check().validate(errors)).is_empty());
    }

    #[rstest]
    #[case(AppendOnly { roles: Vec::new(), insert_by: vec!["app".to_owned()], ..check() })]
    #[case(AppendOnly { table: "app.*".to_owned(), ..check() })]
    #[case(AppendOnly { table: "a.b.c".to_owned(), ..check() })]
    #[case(AppendOnly { also: vec!["a.b.c".to_owned()], ..check() })]
    #[case(AppendOnly { insert: Some("INSERT INTO t VALUES (1)".to_owned()), ..check() })]
    #[case(AppendOnly { statements: Some(Vec::new()), ..check() })]
    #[case(AppendOnly { statements: Some(vec![Event::Update, Event::Update]), ..check() })]
    #[case(AppendOnly { insert: Some("COMMIT".to_owned()), insert_by: vec!["app".to_owned()], ..check() })]
    fn a_check_that_cannot_be_meant_is_refused(#[case] check: AppendOnly) {
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), 1);
    }
}
