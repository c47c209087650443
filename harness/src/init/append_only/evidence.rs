//! What indicates that a table is append-only.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::super::access::Access;
use super::super::relation::{Relation, RelationColumn};
use super::super::shrinking::is_passing;
use super::super::trigger::TableTrigger;
use super::{AppendOnlyTable, GuardTrigger};
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind};
use crate::sql::QualifiedName;

/// Words in names of tables that keep history.
const NAMES: &[&str] = &[
    "audit",
    "audits",
    "log",
    "logs",
    "event",
    "events",
    "history",
    "histories",
    "ledger",
    "journal",
    "trail",
    "changelog",
    "migration",
    "migrations",
    "auditlog",
];

/// A body that raises an error, whatever the row is.
static RAISES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)\braise\s+(exception|sqlstate|'|[a-z_]+(\s+using|\s*;))").ok()
});

/// A body that lets the change of some rows pass.
static LETS_PASS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?is)\breturn\s+(new|old|coalesce)\b").ok());

fn says(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(text))
}

/// What a role other than the owner may do with a table without SET ROLE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct TableRights {
    role: String,
    select: bool,
    insert: bool,
    /// UPDATE, also of single columns, DELETE or TRUNCATE.
    change: bool,
    /// Whether it can act as the owner, also by SET ROLE.
    is_owner: bool,
}

/// What a table is judged by.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence<'a> {
    columns: Vec<RelationColumn<'a>>,
    guards: Vec<GuardTrigger>,
    /// The events that a rule replaces with nothing: `update`, `delete`.
    rules: Vec<&'static str>,
    rights: Vec<TableRights>,
}

/// Reads a trigger that stops changes: any row, under no condition, by a function that always raises an error. An AFTER
/// trigger stops the change as well.
fn guard(trigger: TableTrigger, body: &str) -> Option<GuardTrigger> {
    let is_on = matches!(trigger.enabled, "origin" | "always");
    if !is_on || trigger.conditional.is_some() || !says(&RAISES, body) || says(&LETS_PASS, body) {
        return None;
    }
    let events = ["update", "delete", "truncate"].into_iter();
    let events: Vec<&'static str> = events
        .filter(|event| trigger.events.contains(event))
        .collect();
    (!events.is_empty() && !trigger.events.contains(&"insert")).then(|| GuardTrigger {
        name: trigger.name,
        for_each_row: trigger.for_each_row,
        events,
        always: trigger.enabled == "always",
    })
}

/// Whether a name is that of a table that keeps history.
fn keeps_history(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    words.any(|word| NAMES.contains(&word.to_lowercase().as_str()))
        || ["AuditLog", "EventLog", "History", "Audit", "Ledger"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Whether a column is the time at which a row was changed, or marked as deleted.
fn is_time_of_change(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "");
    [
        "updatedat",
        "updatedon",
        "updated",
        "modifiedat",
        "modifiedon",
        "modified",
        "lastmodified",
        "changedat",
        "deletedat",
        "archivedat",
        "updateddate",
        "updatetime",
        "lockversion",
    ]
    .contains(&name.as_str())
}

impl<'a> Evidence<'a> {
    /// Collects what a catalog has of a table.
    pub(super) fn of(catalog: &Catalog, table: &Relation<'a>, access: &Access<'_>) -> Self {
        let columns = table.columns().into_iter();
        let triggers = table.parts(PartKind::Trigger);
        let rules = table.parts(PartKind::Rule).filter(|(_, properties)| {
            let enabled = properties.get("enabled").map(String::as_str);
            matches!(enabled, Some("yes" | "always"))
        });
        let rules: Vec<&str> = rules
            .filter_map(|(_, properties)| properties.get("definition"))
            .map(String::as_str)
            .collect();
        let nothing = |event: &str| {
            let end = format!(
                "ON {} TO {} DO INSTEAD NOTHING;",
                event.to_uppercase(),
                table.name
            );
            rules.iter().any(|rule| rule.ends_with(&end))
        };
        Self {
            columns: columns
                .filter(|column| column.get("generated").is_empty())
                .collect(),
            guards: triggers
                .filter_map(|(name, properties)| {
                    let trigger = TableTrigger::of(name, properties)?;
                    let mut function = ObjectId::qualified(ObjectKind::Function, &trigger.function);
                    function.signature = Some(String::new());
                    guard(trigger, catalog.get(&function, "body")?)
                })
                .collect(),
            rules: ["update", "delete"]
                .into_iter()
                .filter(|event| nothing(event))
                .collect(),
            rights: rights(table, access),
        }
    }

    /// Whether a role other than the owner may change or remove rows.
    pub(super) fn may_be_changed(&self) -> bool {
        self.rights.iter().any(|rights| rights.change)
    }

    /// Whether roles other than the owner may add rows, and none of them may change or remove any.
    pub(super) fn is_by_rights(&self) -> bool {
        !self.may_be_changed() && self.rights.iter().any(|rights| rights.insert)
    }

    /// Decides whether a table is append-only; `others_change` is whether another table may be changed.
    pub(super) fn judge(
        &self,
        table: &QualifiedName,
        others_change: bool,
    ) -> Option<AppendOnlyTable> {
        let stops = |event: &&str| {
            self.rules.contains(event)
                || self.guards.iter().any(|guard| guard.events.contains(event))
        };
        let guarded = ["update", "delete"].iter().all(stops);
        let may_change = self.may_be_changed();
        let by_rights = others_change && self.is_by_rights();
        let by_name = keeps_history(&table.name);
        let like_history = self.columns.iter().any(RelationColumn::is_time_of_insert)
            && !self
                .columns
                .iter()
                .any(|column| is_time_of_change(column.name));
        let why = if guarded {
            "triggers or rules stop every UPDATE and DELETE"
        } else if may_change || is_passing(&table.name) || !like_history {
            return None;
        } else if by_rights && by_name {
            "its name suggests it and only its owner may change or remove rows"
        } else if by_rights {
            "roles may add rows and only its owner may change or remove them"
        } else if by_name {
            "its name suggests it and it has the time at which a row was added, and none at which it was changed"
        } else {
            return None;
        };
        let rights = || {
            let all = self.rights.iter();
            all.filter(|rights| !rights.change && !rights.is_owner)
        };
        Some(AppendOnlyTable {
            table: table.clone(),
            columns: self
                .columns
                .iter()
                .map(|column| column.name.to_owned())
                .collect(),
            why: why.to_owned(),
            roles: rights()
                .filter(|rights| rights.select || rights.insert)
                .map(|rights| rights.role.clone())
                .collect(),
            insert_by: rights()
                .filter(|rights| rights.insert)
                .map(|rights| rights.role.clone())
                .collect(),
            functions: BTreeSet::new(),
            triggers: self.guards.clone(),
            guarded,
        })
    }
}

/// The rights of every role that may do anything with a table, without its owner.
fn rights(table: &Relation<'_>, access: &Access<'_>) -> Vec<TableRights> {
    let Some(object) = access.table(&table.name) else {
        return Vec::new();
    };
    let others = access.actors().filter(|actor| {
        let role = actor.role;
        // Such a role can grant itself every other one, which says nothing about this table.
        let takes_any = role.create_role && access.creators_take_roles();
        role.name != table.owner() && !takes_any
    });
    let rights = others.map(|actor| {
        let held = actor.rights_on(object);
        let has = |privileges: &[&str], of_columns: bool| {
            held.iter().any(|right| {
                right.path.is_at_once()
                    && privileges.contains(&right.privilege)
                    && (of_columns || right.column.is_none())
            })
        };
        TableRights {
            role: actor.role.name.clone(),
            select: has(&["SELECT"], false),
            insert: has(&["INSERT"], false),
            change: has(&["UPDATE", "DELETE", "TRUNCATE"], true),
            is_owner: actor.owning(object).is_some(),
        }
    });
    rights
        .filter(|rights| rights.select || rights.insert || rights.change)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn column(name: &'static str, of_type: &str, default: &str) -> RelationColumn<'static> {
        let properties = [("type", of_type), ("not null", "yes"), ("default", default)];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
        RelationColumn {
            name,
            properties: Box::leak(Box::new(properties.into())),
        }
    }

    fn history() -> Evidence<'static> {
        Evidence {
            columns: vec![
                column("id", "bigint", "nextval('app.x_id_seq'::regclass)"),
                column("at", "timestamp with time zone", "now()"),
            ],
            ..Evidence::default()
        }
    }

    fn rights(insert: bool, change: bool) -> TableRights {
        TableRights {
            role: "app".to_owned(),
            select: true,
            insert,
            change,
            is_owner: false,
        }
    }

    /// A trigger before UPDATE and DELETE of each row that calls a function with this body.
    fn guarded_by(enabled: &str, body: &str) -> Option<GuardTrigger> {
        let definition = "CREATE TRIGGER t BEFORE DELETE OR UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.f()";
        let properties = [("definition", definition), ("enabled", enabled)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        guard(TableTrigger::of("t", &properties.into())?, body)
    }

    fn name(text: &str) -> QualifiedName {
        QualifiedName::parse(text).unwrap()
    }

    #[rstest]
    #[case("app.audit_log", true)]
    #[case("app.\"AuditLog\"", true)]
    #[case("app.events", true)]
    #[case("app.orders", false)]
    #[case("app.event_queue", false)]
    #[case("app.catalog", false)]
    fn a_name_needs_columns_of_history(#[case] table: &str, #[case] is: bool) {
        assert_eq!(history().judge(&name(table), true).is_some(), is);
        let mut changes = history();
        changes
            .columns
            .push(column("updated_at", "timestamp with time zone", "now()"));
        assert!(changes.judge(&name(table), true).is_none());
        let mut without = history();
        without.columns.truncate(1);
        assert!(without.judge(&name(table), true).is_none());
    }

    #[rstest]
    #[case(true, false, true, true)]
    #[case(true, false, false, false)]
    #[case(true, true, true, false)]
    #[case(false, false, true, false)]
    fn rights_count_where_another_table_may_be_changed(
        #[case] insert: bool,
        #[case] change: bool,
        #[case] others: bool,
        #[case] is: bool,
    ) {
        let mut evidence = history();
        evidence.rights.push(rights(insert, change));
        assert_eq!(evidence.judge(&name("app.payments"), others).is_some(), is);
    }

    #[test]
    fn a_right_to_change_excludes_a_table_that_no_trigger_protects() {
        let mut evidence = history();
        evidence.rights.push(rights(true, true));
        assert!(evidence.judge(&name("app.audit"), true).is_none());
        evidence
            .guards
            .extend(guarded_by("always", "BEGIN RAISE EXCEPTION 'no'; END"));
        let judged = evidence.judge(&name("app.audit"), true).unwrap();
        assert!(judged.guarded && judged.roles.is_empty());
    }

    #[rstest]
    #[case("BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '42501'; END", true)]
    #[case("begin raise exception 'no'; return null; end", true)]
    #[case(
        "BEGIN IF OLD.done THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END",
        false
    )]
    #[case("BEGIN RAISE NOTICE 'changed'; RETURN NULL; END", false)]
    #[case("BEGIN RAISE insufficient_privilege USING MESSAGE = 'no'; END", true)]
    fn only_what_always_raises_stops(#[case] body: &str, #[case] stops: bool) {
        assert_eq!(guarded_by("yes", body).is_some(), stops);
        assert!(guarded_by("no", body).is_none());
    }
}
