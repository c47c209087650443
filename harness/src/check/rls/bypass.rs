//! Ways past the policies of a table that the catalog shows: children, views, and the role itself.

use crate::check::columns::Columns as _;
use crate::check::privilege::tree;
use crate::database::{Session, TextRow};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::RoleFacts;
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// Grants on children that have no row security of their own, to roles under policies.
const CHILD_GRANTS: &str = "
WITH child AS (
  SELECT c.oid, c.relowner, c.relacl FROM pg_catalog.pg_class c
   WHERE c.oid IN ({oids}) AND NOT c.relrowsecurity
), granted AS (
  SELECT c.oid, c.relowner, a.grantee, a.privilege_type
    FROM child c, pg_catalog.aclexplode(c.relacl) a
  UNION
  SELECT c.oid, c.relowner, a.grantee, a.privilege_type
    FROM child c
    JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped,
         pg_catalog.aclexplode(t.attacl) a
)
SELECT g.oid, COALESCE(r.rolname::pg_catalog.text, 'PUBLIC'),
       pg_catalog.string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type)
  FROM granted g LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
 WHERE g.grantee <> g.relowner
   AND NOT COALESCE(r.rolsuper OR r.rolbypassrls, false)
   AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
 GROUP BY 1, 2 ORDER BY 1, 2";

/// Views that look at the table with the rights of an owner to whom the policies do not apply.
const BYPASSING_VIEWS: &str = "
SELECT DISTINCT n.nspname, v.relname, o.rolname
  FROM pg_catalog.pg_class t
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                             AND d.refobjid = t.oid
  JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                              AND w.oid = d.objid
  JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
  JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
  JOIN pg_catalog.pg_roles o ON o.oid = v.relowner
 WHERE t.oid = {table}::pg_catalog.regclass
   AND NOT EXISTS (SELECT FROM pg_catalog.unnest(v.reloptions) p(option)
                    WHERE p.option IN ('security_invoker=true', 'security_invoker=on',
                                       'security_invoker=yes', 'security_invoker=1'))
   AND (o.rolsuper OR o.rolbypassrls
        OR (pg_catalog.pg_has_role(o.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity))
   AND EXISTS (SELECT FROM pg_catalog.aclexplode(v.relacl) a
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
                WHERE a.grantee <> v.relowner AND a.privilege_type = 'SELECT'
                  AND NOT COALESCE(g.rolsuper OR g.rolbypassrls, false))
 ORDER BY 1, 2";

/// Whether the owner's exemption holds for a role.
const EXEMPT_AS_OWNER: &str = "
SELECT pg_catalog.pg_has_role({role}, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity
  FROM pg_catalog.pg_class c WHERE c.oid = {table}::pg_catalog.regclass";

/// Finds partitions and children that lead past the policies of their parent.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn children(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<Finding>, CouldNotRun> {
    let below = tree(session, table).await?;
    let oids: Vec<&str> = below.iter().skip(1).map(|r| r.oid.as_str()).collect();
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session
        .rows(&CHILD_GRANTS.replace("{oids}", &oids.join(", ")))
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let [Some(oid), Some(who), Some(rights)] = row.as_slice() else {
                return None;
            };
            let child = below.iter().find(|relation| relation.oid == *oid)?;
            let grantee = if who == "PUBLIC" {
                who.clone()
            } else {
                quote_ident(who)
            };
            Some(
                Finding::about(
                    child.name.to_string(),
                    format!("no way past the policies of {table}"),
                    format!("{who} has {rights} on it directly, and it has no row security"),
                )
                .hint(format!(
                    "REVOKE {rights} ON {} FROM {grantee}; rights on the parent are enough",
                    child.name
                )),
            )
        })
        .collect())
}

/// Finds views that lead past the policies.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn views(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<Finding>, CouldNotRun> {
    let rows = session
        .rows(&BYPASSING_VIEWS.replace("{table}", &table.literal()))
        .await?;
    let finding = |row: &TextRow| {
        let finding = Finding::about(
            row.name(0)?.to_string(),
            format!("a view to which the policies of {table} apply"),
            format!(
                "it reads with the rights of {}, to whom they do not",
                row.text(2)?
            ),
        );
        let hint = "restore it with its owner, or ALTER VIEW … SET (security_invoker = true)";
        Some(finding.hint(hint))
    };
    Ok(rows.iter().filter_map(finding).collect())
}

/// Finds a role for which policies do not hold: whatever it sees shows nothing.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn exempt(
    session: &mut Session,
    table: &QualifiedName,
    role: &str,
) -> Result<Option<Finding>, CouldNotRun> {
    let object = format!("role {role}");
    let expected = format!("a role under the policies of {table}");
    let Some(facts) = RoleFacts::read(session, role).await? else {
        return Ok(Some(
            Finding::about(object, expected, "there is no such role").hint(
                "a dump of one database holds no roles: back up the output of `pg_dumpall --globals-only` with it",
            ),
        ));
    };
    let name = quote_ident(role);
    let (actual, hint) = if facts.superuser {
        ("it is superuser", format!("ALTER ROLE {name} NOSUPERUSER"))
    } else if facts.bypass_rls {
        ("it has BYPASSRLS", format!("ALTER ROLE {name} NOBYPASSRLS"))
    } else {
        let sql = EXEMPT_AS_OWNER
            .replace("{role}", &quote_literal(role))
            .replace("{table}", &table.literal());
        if session.value(&sql).await?.as_deref() != Some("t") {
            return Ok(None);
        }
        (
            "it has the rights of the table's owner, and row security is not forced",
            format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY, or give it another owner"),
        )
    };
    Ok(Some(
        Finding::about(
            object,
            expected,
            format!("{actual}: what it sees shows nothing"),
        )
        .hint(hint),
    ))
}
