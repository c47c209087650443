//! Whether the application changed the schema.

use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};

/// Changes whenever a definition is added, changed or dropped. What a VACUUM, an ANALYZE, a TRUNCATE
/// or a refreshed materialised view writes into the catalogs does not count.
const FINGERPRINT: &str = "
WITH schema AS (
    SELECT n.oid, n.xmin FROM pg_catalog.pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), relation AS (
    SELECT c.oid, ROW(c.relname, c.relnamespace, c.relkind, c.relowner, c.relacl, c.reloptions,
                      c.relrowsecurity, c.relforcerowsecurity)::text AS what
      FROM pg_catalog.pg_class c JOIN schema ON schema.oid = c.relnamespace
), fact AS (
    SELECT 'n' AS kind, oid, 0 AS part, xmin::text AS what FROM schema
    UNION ALL SELECT 'c', oid, 0, what FROM relation
    UNION ALL SELECT 'a', a.attrelid, a.attnum, ROW(a.attname, a.atttypid, a.atttypmod,
              a.attnotnull, a.atthasdef, a.attisdropped, a.attacl)::text
      FROM pg_catalog.pg_attribute a JOIN relation ON relation.oid = a.attrelid
    UNION ALL SELECT 'd', d.adrelid, d.adnum, d.xmin::text
      FROM pg_catalog.pg_attrdef d JOIN relation ON relation.oid = d.adrelid
    UNION ALL SELECT 'o', k.oid, 0, k.xmin::text
      FROM pg_catalog.pg_constraint k JOIN schema ON schema.oid = k.connamespace
    UNION ALL SELECT 't', t.oid, 0, t.xmin::text
      FROM pg_catalog.pg_trigger t JOIN relation ON relation.oid = t.tgrelid
    UNION ALL SELECT 'p', p.oid, 0, p.xmin::text
      FROM pg_catalog.pg_policy p JOIN relation ON relation.oid = p.polrelid
    UNION ALL SELECT 'f', f.oid, 0, f.xmin::text
      FROM pg_catalog.pg_proc f JOIN schema ON schema.oid = f.pronamespace
    UNION ALL SELECT 'e', e.oid, 0, e.xmin::text FROM pg_catalog.pg_enum e
    UNION ALL SELECT 'x', x.oid, 0, x.xmin::text FROM pg_catalog.pg_extension x
)
SELECT pg_catalog.count(*)::text || '.' || coalesce(pg_catalog.sum(
           pg_catalog.hashtext(ROW(kind, oid, part, what)::text)::pg_catalog.int8), 0)::text
  FROM fact";

/// What the definitions of a database are, as one text that is equal only while none of them changes.
pub async fn fingerprint(session: &mut Session) -> Result<Option<String>, CouldNotRun> {
    Ok(session.value(FINGERPRINT).await?)
}

/// Finds that the schema is not what it was before the application started.
pub async fn find_change(
    session: &mut Session,
    before: Option<String>,
) -> Result<Option<Finding>, CouldNotRun> {
    if fingerprint(session).await? == before {
        return Ok(None);
    }
    Ok(Some(
        Finding::new(
            "the application leaves the schema as it was restored",
            "definitions were added, changed or dropped while it ran",
        )
        .hint(
            "missing migrations would not be noticed: start it with migrations off, or allow it by \
             `may-change-schema = true`",
        ),
    ))
}
