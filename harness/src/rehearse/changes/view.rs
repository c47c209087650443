//! What a view shows: whether a role that may use it may do the same with all that it reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::ObjectId;
use crate::database::{DatabaseError, Session};

/// Key of a view, a role, a right that it has on the view and on all that the view reads. Policies apply to the owner of a view, and
/// what is read of the server (`pg_…`) has rights of its own.
const SHOWN: &str = r"
SELECT 'pg_class ' || v.oid,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END,
       a.privilege_type
  FROM pg_catalog.pg_class v, pg_catalog.aclexplode(v.relacl) a
 WHERE v.relkind IN ('v', 'm') AND v.oid >= 16384 AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
   AND pg_catalog.pg_get_viewdef(v.oid) !~ '\mpg_'
   AND NOT EXISTS (
     SELECT FROM pg_catalog.pg_rewrite r
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
        AND d.refclassid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
       LEFT JOIN pg_catalog.pg_class c ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.refobjid
      WHERE r.ev_class = v.oid AND c.oid IS DISTINCT FROM v.oid
        AND (c.oid IS NULL OR c.relkind NOT IN ('r', 'p', 'v', 'm') OR c.relrowsecurity
             OR c.relkind = 'v' AND c.reloptions IS NOT NULL
             OR NOT pg_catalog.has_schema_privilege(a.grantee, c.relnamespace, 'USAGE')
             OR NOT pg_catalog.has_table_privilege(a.grantee, c.oid, a.privilege_type)))";

/// Role and right.
pub type RoleRight = (String, String);

/// Reads the rights on views by which a role can do nothing that it cannot do without them.
pub(super) async fn read(
    session: &mut Session,
    identities: &BTreeMap<String, ObjectId>,
) -> Result<BTreeMap<ObjectId, BTreeSet<RoleRight>>, DatabaseError> {
    let mut all: BTreeMap<ObjectId, BTreeSet<RoleRight>> = BTreeMap::new();
    for row in session.rows(SHOWN).await? {
        if let Ok([Some(key), Some(role), Some(right)]) = <[_; 3]>::try_from(row)
            && let Some(view) = identities.get(&key)
        {
            all.entry(view.clone()).or_default().insert((role, right));
        }
    }
    Ok(all)
}
