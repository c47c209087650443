//! Which rights a role has on the tables, and the path by which it has each.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::privilege::{Relation, RoleFacts};
use crate::database::{DatabaseError, Session, TextRow};
use crate::outcome::Finding;
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// Where a right comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// The table belongs to this role.
    Owner(String),
    /// The table's schema belongs to this role, which may drop what is in it.
    SchemaOwner(String),
    /// A grant on the table to this role; empty for PUBLIC.
    Grant(String),
    /// A grant on a column to this role; empty for PUBLIC.
    Column(String, String),
    /// A role of the server whose members have the right everywhere.
    Predefined(String),
    /// The server says that it has the right, and none of the above is why.
    Unknown,
}

/// The rights on one table that change history, each with its paths.
pub type Rights = BTreeMap<String, BTreeSet<Path>>;

/// All roles whose rights a role has or can get. `takes` says that it can become that role itself,
/// and so go on from there; a role that it only inherits from leads no further.
///
/// What counts is not what is inherited but what can be had: a member that does not inherit can
/// `SET ROLE`, and a member with ADMIN OPTION can grant itself the rest. A superuser ends the
/// search, since it is everyone: [`above`] reports it.
const BECOME: &str = "
WITH RECURSIVE become(oid, takes) AS (
  SELECT r.oid, true FROM pg_catalog.pg_roles r WHERE r.rolname = {role}
  UNION
  SELECT r.oid, ({takes})
    FROM become b
    JOIN pg_catalog.pg_roles me ON me.oid = b.oid AND NOT me.rolsuper
    JOIN pg_catalog.pg_roles r ON r.oid <> b.oid
                              AND (({takes}) OR pg_catalog.pg_has_role(b.oid, r.oid, 'USAGE'))
   WHERE b.takes
)";

/// Since PostgreSQL 16 a membership may be without inheritance and without SET. Only a superuser
/// grants a superuser's role, whoever has ADMIN OPTION.
const TAKES_16: &str = "pg_catalog.pg_has_role(b.oid, r.oid, 'SET')
  OR (pg_catalog.pg_has_role(b.oid, r.oid, 'MEMBER WITH ADMIN OPTION') AND NOT r.rolsuper)";

/// Before, a member can always SET ROLE.
const TAKES_13: &str = "pg_catalog.pg_has_role(b.oid, r.oid, 'MEMBER')";

/// Rights as the server sees them, joined with every reason that the catalog gives for one.
const RIGHTS: &str = ",
relation AS (
  SELECT c.oid, c.relowner, c.relacl, n.nspowner
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid IN ({oids})
),
reason AS (
  SELECT c.oid, a.privilege_type AS name, 'grant' AS path, a.grantee, NULL::pg_catalog.name AS col
    FROM relation c, pg_catalog.aclexplode(c.relacl) a
   WHERE a.grantee = 0 OR a.grantee IN (SELECT b.oid FROM become b)
  UNION ALL
  SELECT c.oid, a.privilege_type, 'column', a.grantee, t.attname
    FROM relation c
    JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped,
         pg_catalog.aclexplode(t.attacl) a
   WHERE a.grantee = 0 OR a.grantee IN (SELECT b.oid FROM become b)
  UNION ALL
  SELECT c.oid, v.name, 'predefined', r.oid, NULL
    FROM relation c, (VALUES ('UPDATE'), ('DELETE')) v(name), pg_catalog.pg_roles r
   WHERE r.rolname = 'pg_write_all_data' AND r.oid IN (SELECT b.oid FROM become b)
),
held AS (
  SELECT DISTINCT c.oid, v.name
    FROM relation c,
         become b JOIN pg_catalog.pg_roles me ON me.oid = b.oid AND NOT me.rolsuper,
         (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('TRIGGER')) v(name)
   WHERE pg_catalog.has_table_privilege(b.oid, c.oid, v.name)
      OR (v.name = 'UPDATE' AND pg_catalog.has_any_column_privilege(b.oid, c.oid, v.name))
)
SELECT c.oid, 'OWNER', 'owner', pg_catalog.pg_get_userbyid(c.relowner), NULL
  FROM relation c WHERE c.relowner IN (SELECT b.oid FROM become b)
UNION ALL
SELECT c.oid, 'DROP', 'schema', pg_catalog.pg_get_userbyid(c.nspowner), NULL
  FROM relation c WHERE c.nspowner IN (SELECT b.oid FROM become b)
UNION ALL
SELECT h.oid, h.name, r.path,
       CASE r.grantee WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(r.grantee)::pg_catalog.text END,
       r.col
  FROM held h LEFT JOIN reason r ON r.oid = h.oid AND r.name = h.name";

/// What lies above all tables: roles that a role can become and that no right stops.
const ABOVE: &str = "
SELECT DISTINCT r.rolname, CASE WHEN r.rolsuper THEN 'superuser' ELSE 'server' END
  FROM become b JOIN pg_catalog.pg_roles r ON r.oid = b.oid
 WHERE r.rolname <> {role}
   AND ((r.rolsuper AND b.takes) OR r.rolname IN ('pg_execute_server_program', 'pg_write_server_files'))
 ORDER BY 1";

/// Since PostgreSQL 15 a role can be allowed to switch ordinary triggers off for its session.
const REPLICA: &str = "
SELECT r.rolname FROM become b JOIN pg_catalog.pg_roles r ON r.oid = b.oid
 WHERE pg_catalog.has_parameter_privilege(b.oid, 'session_replication_role', 'SET')
 ORDER BY r.rolname = {role} DESC, 1 LIMIT 1";

/// The common beginning of the queries about what a role can become.
fn become_cte(role: &str, major: u64) -> String {
    let takes = if major >= 16 { TAKES_16 } else { TAKES_13 };
    BECOME
        .replace("{takes}", takes)
        .replace("{role}", &quote_literal(role))
}

/// Finds the rights of a role that lie above all tables. A superuser yields one finding.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn above(
    session: &mut Session,
    role: &str,
    facts: &RoleFacts,
    major: u64,
) -> Result<Vec<Finding>, DatabaseError> {
    let object = format!("role {role}");
    if facts.superuser {
        return Ok(vec![
            Finding::about(
                &object,
                "a role that cannot change history",
                "it is superuser",
            )
            .hint(format!("ALTER ROLE {} NOSUPERUSER", quote_ident(role))),
        ]);
    }
    let mut findings = Vec::new();
    if facts.create_role && major < 16 {
        findings.push(
            Finding::about(
                &object,
                "a role that cannot change history",
                "it has CREATEROLE, and so can make itself a member of the tables' owner",
            )
            .hint(format!("ALTER ROLE {} NOCREATEROLE", quote_ident(role))),
        );
    }
    let begin = become_cte(role, major);
    let literal = quote_literal(role);
    for row in session
        .rows(&format!("{begin}{}", ABOVE.replace("{role}", &literal)))
        .await?
    {
        let [Some(other), Some(why)] = row.as_slice() else {
            continue;
        };
        let actual = if why == "superuser" {
            format!("it can become {other}, which is superuser")
        } else {
            format!("it is a member of {other}, and so can write the server's files")
        };
        findings.push(
            Finding::about(&object, "a role that cannot change history", actual).hint(format!(
                "REVOKE {} FROM {}",
                quote_ident(other),
                quote_ident(role)
            )),
        );
    }
    if major >= 15
        && !findings.iter().any(|f| f.actual.contains("superuser"))
        && let Some(by) = session
            .value(&format!("{begin}{}", REPLICA.replace("{role}", &literal)))
            .await?
    {
        findings.push(
            Finding::about(
                &object,
                "a role that cannot switch triggers off",
                format!("it may set session_replication_role ({})", through(role, &by)),
            )
            .hint(format!(
                "REVOKE SET ON PARAMETER session_replication_role FROM {}, and ENABLE ALWAYS the triggers",
                grantee(&by)
            )),
        );
    }
    Ok(findings)
}

/// Reads the rights of a role on each of the tables, by oid; a table without any is not in it.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    session: &mut Session,
    role: &str,
    relations: &[Relation],
    major: u64,
) -> Result<BTreeMap<String, Rights>, DatabaseError> {
    let oids: Vec<&str> = relations.iter().map(|r| r.oid.as_str()).collect();
    let sql = format!(
        "{}{}",
        become_cte(role, major),
        RIGHTS.replace("{oids}", &oids.join(", "))
    );
    Ok(gather(session.rows(&sql).await?))
}

/// Sorts the rows of [`RIGHTS`] by table and right.
fn gather(rows: Vec<TextRow>) -> BTreeMap<String, Rights> {
    let mut all: BTreeMap<String, Rights> = BTreeMap::new();
    for row in rows {
        let [Some(oid), Some(right), path, who, column] = row.as_slice() else {
            continue;
        };
        let who = who.clone().unwrap_or_default();
        let path = match path.as_deref() {
            Some("owner") => Path::Owner(who),
            Some("schema") => Path::SchemaOwner(who),
            Some("grant") => Path::Grant(who),
            Some("column") => Path::Column(column.clone().unwrap_or_default(), who),
            Some("predefined") => Path::Predefined(who),
            _ => Path::Unknown,
        };
        all.entry(oid.clone())
            .or_default()
            .entry(right.clone())
            .or_default()
            .insert(path);
    }
    all
}

/// Says that `role` has `rights` on `table`, and what mends it. `tried` is what an attempt showed.
#[must_use]
pub fn finding(role: &str, table: &QualifiedName, rights: &Rights, tried: &str) -> Finding {
    let object = format!("{table}, role {role}");
    if let Some(owner) = rights.get("OWNER").and_then(|paths| paths.first()) {
        let owner = match owner {
            Path::Owner(owner) => owner.as_str(),
            _ => role,
        };
        let how = if owner == role {
            "it owns the table".to_owned()
        } else {
            format!("it can become {owner}, which owns the table")
        };
        let hint = if owner == role {
            format!("ALTER TABLE {table} OWNER TO a role that nobody logs in as or is a member of")
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
    // One path often gives several rights: `UPDATE, DELETE by a grant to PUBLIC`.
    let mut by_paths: BTreeMap<&BTreeSet<Path>, Vec<&str>> = BTreeMap::new();
    for (right, paths) in rights {
        by_paths.entry(paths).or_default().push(right);
    }
    let mut says = Vec::new();
    let mut hints = Vec::new();
    for (paths, names) in by_paths {
        let words: Vec<String> = paths.iter().map(|path| path.describe(role)).collect();
        says.push(format!("{} {}", names.join(", "), words.join(" and ")));
        hints.extend(paths.iter().map(|path| path.mend(table, &names, role)));
    }
    Finding::about(
        object,
        "no right to change history",
        format!("it has {}{tried}", says.join("; ")),
    )
    .hint(hints.join("; "))
}

/// Names a role that stands between `role` and a right.
fn through(role: &str, by: &str) -> String {
    match by {
        "" => "granted to PUBLIC".to_owned(),
        by if by == role => "granted to it".to_owned(),
        by => format!("granted to {by}, which it is or can become"),
    }
}

/// Writes a grantee as SQL does.
fn grantee(name: &str) -> String {
    if name.is_empty() {
        "PUBLIC".to_owned()
    } else {
        quote_ident(name)
    }
}

impl Path {
    fn describe(&self, role: &str) -> String {
        match self {
            Self::Owner(owner) => format!("as owner ({owner})"),
            Self::SchemaOwner(owner) if owner == role => "as owner of the schema".to_owned(),
            Self::SchemaOwner(owner) => {
                format!("as owner of the schema ({owner}, which it can become)")
            }
            Self::Grant(by) => through(role, by),
            Self::Column(column, by) => {
                format!("on column {} {}", quote_ident(column), through(role, by))
            }
            Self::Predefined(by) => format!("as member of {by}"),
            Self::Unknown => "by a path that the catalog does not name".to_owned(),
        }
    }

    fn mend(&self, table: &QualifiedName, rights: &[&str], role: &str) -> String {
        match self {
            Self::Owner(_) => format!("ALTER TABLE {table} OWNER TO another role"),
            Self::SchemaOwner(_) => {
                format!(
                    "ALTER SCHEMA {} OWNER TO another role",
                    quote_ident(&table.schema)
                )
            }
            Self::Grant(by) => {
                format!(
                    "REVOKE {} ON {table} FROM {}",
                    rights.join(", "),
                    grantee(by)
                )
            }
            Self::Column(column, by) => format!(
                "REVOKE UPDATE ({}) ON {table} FROM {}",
                quote_ident(column),
                grantee(by)
            ),
            Self::Predefined(by) => format!("REVOKE {by} FROM {}", quote_ident(role)),
            Self::Unknown => format!("look at the grants on {table}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn row(values: [&str; 5]) -> TextRow {
        // NULL is written as `-` here.
        values
            .iter()
            .map(|value| (*value != "-").then(|| (*value).to_owned()))
            .collect()
    }

    fn audit() -> QualifiedName {
        QualifiedName::parse("app.audit").unwrap()
    }

    #[rstest]
    #[case(&[["1", "UPDATE", "grant", "app", "-"]], "UPDATE granted to it", "REVOKE UPDATE ON app.audit FROM app")]
    #[case(&[["1", "DELETE", "grant", "", "-"]], "granted to PUBLIC", "FROM PUBLIC")]
    #[case(&[["1", "UPDATE", "column", "app", "detail"]], "on column detail", "REVOKE UPDATE (detail)")]
    #[case(&[["1", "UPDATE", "grant", "writers", "-"]], "writers, which it is or can become", "FROM writers")]
    #[case(&[["1", "DELETE", "predefined", "pg_write_all_data", "-"]], "member of pg_write_all_data", "REVOKE pg_write_all_data FROM app")]
    #[case(&[["1", "OWNER", "owner", "app", "-"], ["1", "UPDATE", "grant", "app", "-"]], "it owns the table", "OWNER TO")]
    #[case(&[["1", "OWNER", "owner", "boss", "-"]], "can become boss", "REVOKE boss FROM app")]
    #[case(&[["1", "DROP", "schema", "app", "-"]], "owner of the schema", "ALTER SCHEMA app")]
    #[case(&[["1", "UPDATE", "-", "-", "-"]], "does not name", "look at the grants")]
    fn a_finding_names_the_path_and_what_mends_it(
        #[case] rows: &[[&str; 5]],
        #[case] says: &str,
        #[case] mends: &str,
    ) {
        let all = gather(rows.iter().map(|values| row(*values)).collect());
        let finding = finding("app", &audit(), &all["1"], "");
        assert!(finding.actual.contains(says), "{}", finding.actual);
        assert!(
            finding.hint.as_deref().unwrap().contains(mends),
            "{finding:?}"
        );
    }

    #[test]
    fn rights_by_one_path_stand_together() {
        let rows = ["DELETE", "UPDATE"].map(|right| row(["1", right, "grant", "app", "-"]));
        let all = gather(rows.into());
        let finding = finding("app", &audit(), &all["1"], "");
        assert_eq!(finding.actual, "it has DELETE, UPDATE granted to it");
    }
}
