//! Comments and security labels.

use super::CatalogQuery;

pub(super) const QUERIES: &[CatalogQuery] =
    &[CatalogQuery::new(COMMENTS), CatalogQuery::new(LABELS)];

/// A column's key has its number; the index of a constraint may have a comment in addition to that of the constraint.
const COMMENTS: &str = r#"
SELECT CASE WHEN d.objsubid = 0 THEN d.classoid::pg_catalog.regclass || ' ' || d.objoid
            ELSE 'pg_attribute ' || d.objoid || '.' || d.objsubid END AS key,
       CASE WHEN c.relkind IN ('i', 'I') AND EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                                      WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
            THEN 'comment of the index' ELSE 'comment' END AS property,
       d.description AS value
  FROM pg_catalog.pg_description d
  LEFT JOIN pg_catalog.pg_class c
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objoid AND d.objsubid = 0
 WHERE d.objoid >= 16384 OR d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
UNION ALL
SELECT classoid::pg_catalog.regclass || ' ' || objoid, 'comment', description FROM pg_catalog.pg_shdescription"#;

const LABELS: &str = r#"
SELECT CASE WHEN objsubid = 0 THEN classoid::pg_catalog.regclass || ' ' || objoid
            ELSE 'pg_attribute ' || objoid || '.' || objsubid END AS key,
       'security label ' || provider AS property, label AS value
  FROM pg_catalog.pg_seclabel
UNION ALL
SELECT classoid::pg_catalog.regclass || ' ' || objoid, 'security label ' || provider, label
  FROM pg_catalog.pg_shseclabel"#;
