//! The rights by which a role could change history, and what takes each away.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::privilege::Relation;
use crate::database::{DatabaseError, Session};
use crate::outcome::Finding;
use crate::rights::{Actor, Facts, Named, OWNER, ObjectClass, Roles, Step};
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// By what a role has a right on a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The table's schema belongs to this role, which may drop what is in it.
    SchemaOwner(String),
    /// The last step of the path, and the column where the right is on one.
    Step(Option<String>, Step),
    /// The server says that it has the right, and the catalogs do not say why.
    Unknown,
}

/// The rights on one table that change history, each with its reasons.
pub type HistoryRights = BTreeMap<String, BTreeSet<Reason>>;

/// The right to make triggers, which change history too. [`OWNER`] gives it and all others.
const TRIGGER: &str = "TRIGGER";

/// The server's own opinion of roles that are not superusers.
const HELD: &str = "
SELECT DISTINCT c.oid, v.name
  FROM pg_catalog.pg_class c, pg_catalog.pg_roles r,
       pg_catalog.unnest(ARRAY[{rights}]) v(name)
 WHERE c.oid IN ({oids}) AND r.rolname IN ({roles}) AND NOT r.rolsuper
   AND (pg_catalog.has_table_privilege(r.oid, c.oid, v.name)
        OR (v.name = 'UPDATE' AND pg_catalog.has_any_column_privilege(r.oid, c.oid, v.name)))";

/// The tables and their schemas, which are read wherever they belong.
#[must_use]
pub fn named(relations: &[Relation]) -> Vec<Named> {
    let one = |class, schema: &str, name: &str| Named {
        class,
        schema: schema.to_owned(),
        name: name.to_owned(),
    };
    let all = relations.iter().flat_map(|relation| {
        let QualifiedName { schema, name } = &relation.name;
        [
            one(ObjectClass::Table, schema, name),
            one(ObjectClass::Schema, "", schema),
        ]
    });
    all.collect()
}

/// Finds what a role has or can get that bypasses the rights on tables. A superuser yields one finding.
#[must_use]
pub fn find_bypasses(roles: &Roles, facts: &Facts, actor: &Actor<'_>) -> Vec<Finding> {
    let role = &actor.role.name;
    let object = format!("role {role}");
    let expected = "a role that cannot change history";
    if actor.role.superuser {
        return vec![
            Finding::about(&object, expected, "it is superuser")
                .hint(format!("ALTER ROLE {} NOSUPERUSER", quote_ident(role))),
        ];
    }
    let mut findings = Vec::new();
    if actor.role.create_role && facts.major < 16 {
        findings.push(
            Finding::about(
                &object,
                expected,
                "it has CREATEROLE, and so can make itself a member of the tables' owner",
            )
            .hint(format!("ALTER ROLE {} NOCREATEROLE", quote_ident(role))),
        );
    }
    let mut is_superuser = false;
    for other in actor.paths.keys().filter(|other| *other != role) {
        let actual = if roles.is_superuser(other) {
            is_superuser = true;
            match actor.becomes.contains(other) {
                true => format!("it can become {other}, which is superuser"),
                false => format!("it has the rights of {other}, which is superuser"),
            }
        } else if ["pg_execute_server_program", "pg_write_server_files"].contains(other) {
            format!("it is a member of {other}, and so can write the server's files")
        } else {
            continue;
        };
        findings.push(Finding::about(&object, expected, actual).hint(format!(
            "REVOKE {} FROM {}",
            quote_ident(other),
            quote_ident(role)
        )));
    }
    // Since PostgreSQL 15 a role can be allowed to switch ordinary triggers off for its session.
    let replica = facts.find(ObjectClass::Parameter, "", "session_replication_role");
    let rights = replica.map(|parameter| actor.rights_on(parameter));
    let mut set = rights.into_iter().flatten();
    if let Some(held) = set
        .find(|held| held.privilege == "SET")
        .filter(|_| !is_superuser)
    {
        findings.push(
            Finding::about(
                &object,
                "a role that cannot switch triggers off",
                format!(
                    "it may set session_replication_role ({})",
                    through(role, held.path.holder())
                ),
            )
            .hint(format!(
                "REVOKE SET ON PARAMETER session_replication_role FROM {}, and ENABLE ALWAYS the triggers",
                held.path.grantee()
            )),
        );
    }
    findings
}

/// Finds the rights of a role on each of the tables, by OID; a table without any is not in it. `statements` are those that
/// change history, in capitals.
///
/// # Errors
/// When the server does not give its own opinion.
pub async fn find(
    session: &mut Session,
    facts: &Facts,
    actor: &Actor<'_>,
    relations: &[Relation],
    statements: &[&str],
) -> Result<BTreeMap<String, HistoryRights>, DatabaseError> {
    let changing = [statements, &[TRIGGER]].concat();
    let mut all: BTreeMap<String, HistoryRights> = BTreeMap::new();
    let mut add = |table: &str, right: &str, reason| {
        let rights = all.entry(table.to_owned()).or_default();
        rights.entry(right.to_owned()).or_default().insert(reason);
    };
    for relation in relations {
        let QualifiedName { schema, name } = &relation.name;
        let schema_facts = facts.find(ObjectClass::Schema, "", schema);
        if let Some(object) = schema_facts.filter(|object| actor.owning(object).is_some()) {
            let reason = Reason::SchemaOwner(object.owner.clone());
            add(&relation.oid, "DROP", reason);
        }
        let Some(table) = facts.find(ObjectClass::Table, schema, name) else {
            continue;
        };
        for mut held in actor.rights_on(table) {
            let changes = changing.contains(&held.privilege) || held.privilege == OWNER;
            if let Some(step) = held.path.steps.pop().filter(|_| changes) {
                let reason = Reason::Step(held.column.map(str::to_owned), step);
                add(&relation.oid, held.privilege, reason);
            }
        }
    }
    let oids: Vec<&str> = relations.iter().map(|one| one.oid.as_str()).collect();
    let names: Vec<String> = actor.paths.keys().map(|name| quote_literal(name)).collect();
    let rights: Vec<String> = changing.iter().map(|right| quote_literal(right)).collect();
    let sql = HELD
        .replace("{oids}", &oids.join(", "))
        .replace("{rights}", &rights.join(", "))
        .replace("{roles}", &names.join(", "));
    for row in session.rows(&sql).await? {
        if let [Some(oid), Some(right)] = row.as_slice() {
            let rights = all.entry(oid.clone()).or_default();
            let reasons = rights.entry(right.clone()).or_default();
            if reasons.is_empty() {
                reasons.insert(Reason::Unknown);
            }
        }
    }
    Ok(all)
}

/// Reports that `role` has `rights` on `table`, and what takes them away. `tried` is what an attempt showed.
#[must_use]
pub fn finding(role: &str, table: &QualifiedName, rights: &HistoryRights, tried: &str) -> Finding {
    let object = format!("{table}, role {role}");
    if let Some(owner) = rights.get(OWNER).and_then(|reasons| reasons.first()) {
        let owner = match owner {
            Reason::Step(_, Step::Owner(owner)) => owner.as_str(),
            _ => role,
        };
        let how = if owner == role {
            "it owns the table".to_owned()
        } else {
            format!("it can become {owner}, which owns the table")
        };
        let hint = if owner == role {
            format!("ALTER TABLE {table} OWNER TO a role without LOGIN and without members")
        } else {
            format!("REVOKE {} FROM {}", quote_ident(owner), quote_ident(role))
        };
        return Finding::about(
            object,
            "no way to change history",
            format!(
                "{how}, and so can change every row, grant itself all rights and switch the triggers off{tried}"
            ),
        )
        .hint(hint);
    }
    // One reason often gives several rights: `UPDATE, DELETE by a grant to PUBLIC`.
    let mut by_reasons: BTreeMap<&BTreeSet<Reason>, Vec<&str>> = BTreeMap::new();
    for (right, reasons) in rights {
        by_reasons.entry(reasons).or_default().push(right);
    }
    let mut says = Vec::new();
    let mut hints = Vec::new();
    for (reasons, names) in by_reasons {
        let words: Vec<String> = reasons.iter().map(|reason| reason.describe(role)).collect();
        says.push(format!("{} {}", names.join(", "), words.join(" and ")));
        hints.extend(
            reasons
                .iter()
                .map(|reason| reason.mend(table, &names, role)),
        );
    }
    Finding::about(
        object,
        "no right to change history",
        format!("it has {}{tried}", says.join("; ")),
    )
    .hint(hints.join("; "))
}

/// The role that a right is granted to, as `role` is related to it; `None` is PUBLIC.
fn through(role: &str, by: Option<&str>) -> String {
    match by {
        None => "granted to PUBLIC".to_owned(),
        Some(by) if by == role => "granted to it".to_owned(),
        Some(by) => format!("granted to {by}, which it is or can become"),
    }
}

impl Reason {
    fn describe(&self, role: &str) -> String {
        let by = match self {
            Self::SchemaOwner(owner) if owner == role => {
                return "as owner of the schema".to_owned();
            }
            Self::SchemaOwner(owner) => {
                return format!("as owner of the schema ({owner}, which it can become)");
            }
            Self::Unknown => return "by a path that the catalog does not name".to_owned(),
            Self::Step(_, Step::Predefined(by)) => return format!("as member of {by}"),
            Self::Step(_, step) => through(role, step.holder()),
        };
        match self {
            Self::Step(Some(column), _) => format!("on column {} {by}", quote_ident(column)),
            _ => by,
        }
    }

    fn mend(&self, table: &QualifiedName, rights: &[&str], role: &str) -> String {
        match self {
            Self::SchemaOwner(_) => {
                let schema = quote_ident(&table.schema);
                format!("ALTER SCHEMA {schema} OWNER TO another role")
            }
            Self::Step(_, Step::Predefined(by)) => {
                format!("REVOKE {} FROM {}", quote_ident(by), quote_ident(role))
            }
            Self::Step(Some(column), step) => {
                let column = quote_ident(column);
                format!(
                    "REVOKE UPDATE ({column}) ON {table} FROM {}",
                    step.grantee()
                )
            }
            Self::Step(None, step) => {
                let rights = rights.join(", ");
                format!("REVOKE {rights} ON {table} FROM {}", step.grantee())
            }
            Self::Unknown => format!("look at the grants on {table}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn audit() -> QualifiedName {
        QualifiedName::parse("app.audit").unwrap()
    }

    fn rights(all: &[(&str, Reason)]) -> HistoryRights {
        let mut rights = HistoryRights::new();
        for (right, reason) in all {
            let reasons = rights.entry((*right).to_owned()).or_default();
            reasons.insert(reason.clone());
        }
        rights
    }

    fn grant(to: &str) -> Reason {
        Reason::Step(None, Step::Grant(to.to_owned()))
    }

    fn owner(role: &str) -> Reason {
        Reason::Step(None, Step::Owner(role.to_owned()))
    }

    #[rstest]
    #[case(&[("UPDATE", grant("app"))], "UPDATE granted to it", "REVOKE UPDATE ON app.audit FROM app")]
    #[case(&[("DELETE", Reason::Step(None, Step::Public(false)))], "granted to PUBLIC", "FROM PUBLIC")]
    #[case(&[("UPDATE", Reason::Step(Some("detail".to_owned()), Step::Grant("app".to_owned())))], "on column detail", "REVOKE UPDATE (detail)")]
    #[case(&[("UPDATE", grant("writers"))], "writers, which it is or can become", "FROM writers")]
    #[case(&[("DELETE", Reason::Step(None, Step::Predefined("pg_write_all_data".to_owned())))], "member of pg_write_all_data", "REVOKE pg_write_all_data FROM app")]
    #[case(&[("OWNER", owner("app")), ("UPDATE", grant("app"))], "it owns the table", "OWNER TO")]
    #[case(&[("OWNER", owner("boss"))], "can become boss", "REVOKE boss FROM app")]
    #[case(&[("DROP", Reason::SchemaOwner("app".to_owned()))], "owner of the schema", "ALTER SCHEMA app")]
    #[case(&[("UPDATE", Reason::Unknown)], "does not name", "look at the grants")]
    fn a_finding_names_the_path_and_what_mends_it(
        #[case] all: &[(&str, Reason)],
        #[case] says: &str,
        #[case] mends: &str,
    ) {
        let finding = finding("app", &audit(), &rights(all), "");
        assert!(finding.actual.contains(says), "{}", finding.actual);
        assert!(
            finding.hint.as_deref().unwrap().contains(mends),
            "{finding:?}"
        );
    }

    #[test]
    fn rights_by_one_path_stand_together() {
        let all = rights(&[("DELETE", grant("app")), ("UPDATE", grant("app"))]);
        let finding = finding("app", &audit(), &all, "");
        assert_eq!(finding.actual, "it has DELETE, UPDATE granted to it");
    }
}
