//! Definitions as the server keeps them: with OIDs and numbers of columns in place of names.
//!
//! A constraint prints another text when a column of it is renamed, though nobody changed the constraint.

use std::collections::BTreeMap;

use crate::catalog::Properties;
use crate::database::{DatabaseError, Session};

/// Key as in the catalog → digest.
const STORED: &str = "
SELECT 'pg_policy ' || p.oid, pg_catalog.md5((pg_catalog.to_jsonb(p) - 'polname')::pg_catalog.text)
  FROM pg_catalog.pg_policy p
UNION ALL
SELECT 'pg_constraint ' || k.oid, pg_catalog.md5(pg_catalog.concat(
         pg_catalog.to_jsonb(k) - '{conname,connamespace,convalidated,conenforced,condeferrable,condeferred}'::pg_catalog.text[],
         pg_catalog.to_jsonb(i) - '{indisvalid,indisready,indcheckxmin,indisclustered,indisreplident,indislive}'::pg_catalog.text[]))
  FROM pg_catalog.pg_constraint k LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid AND i.indrelid = k.conrelid
 WHERE k.oid >= 16384
UNION ALL
SELECT 'pg_class ' || i.indexrelid, pg_catalog.md5(pg_catalog.concat(
         pg_catalog.to_jsonb(i) - '{indisvalid,indisready,indcheckxmin,indisclustered,indisreplident,indislive}'::pg_catalog.text[],
         c.relam, ' ', c.reloptions))
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indexrelid >= 16384
UNION ALL
SELECT 'pg_attribute ' || adrelid || '.' || adnum, pg_catalog.md5(adbin::pg_catalog.text)
  FROM pg_catalog.pg_attrdef
UNION ALL
SELECT CASE rulename WHEN '_RETURN' THEN 'pg_class ' || ev_class ELSE 'pg_rewrite ' || oid END,
       pg_catalog.md5(pg_catalog.concat(ev_type, is_instead, ev_qual, ' ', ev_action))
  FROM pg_catalog.pg_rewrite WHERE oid >= 16384
UNION ALL
SELECT 'pg_trigger ' || t.oid, pg_catalog.md5((pg_catalog.to_jsonb(t) - '{tgname,tgenabled}'::pg_catalog.text[])::pg_catalog.text)
  FROM pg_catalog.pg_trigger t
UNION ALL
SELECT 'pg_statistic_ext ' || s.oid, pg_catalog.md5(
         (pg_catalog.to_jsonb(s) - '{stxname,stxnamespace,stxowner,stxstattarget}'::pg_catalog.text[])::pg_catalog.text)
  FROM pg_catalog.pg_statistic_ext s
UNION ALL
SELECT 'pg_proc ' || oid, pg_catalog.md5(prosqlbody::pg_catalog.text)
  FROM pg_catalog.pg_proc WHERE prosqlbody IS NOT NULL AND oid >= 16384
UNION ALL
SELECT 'pg_class ' || c.oid, pg_catalog.md5(pg_catalog.concat(pg_catalog.to_jsonb(p), c.relpartbound))
  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
 WHERE c.relkind = 'p' OR c.relispartition AND c.relkind <> 'i' AND c.relkind <> 'I'";

/// Properties of the catalog that are printed from these definitions.
pub(super) const PRINTED: &[&str] = &[
    "body",
    "default",
    "definition",
    "generated",
    "partition bound",
    "partition by",
    "using",
    "with check",
];

/// Reads the digests of all definitions.
pub(super) async fn read(session: &mut Session) -> Result<BTreeMap<String, String>, DatabaseError> {
    let mut all = BTreeMap::new();
    for row in session.rows(STORED).await? {
        if let Ok([Some(key), Some(digest)]) = <[_; 2]>::try_from(row) {
            all.insert(key, digest);
        }
    }
    Ok(all)
}

/// Copies the texts of a definition that is kept as it was: only names in it are others.
pub(super) fn copy_printed(to: &mut Properties, from: &Properties) {
    for property in PRINTED {
        if let (Some(to), Some(from)) = (to.get_mut(*property), from.get(*property)) {
            to.clone_from(from);
        }
    }
}
