//! Graphs of Apache AGE and large objects: definitions that are stored as rows.

use super::{CatalogQuery, RestrictedQuery, unreadable};

pub(super) const QUERIES: &[CatalogQuery] = &[CatalogQuery::new(LARGE_OBJECTS)];

/// Owners and grants of all large objects together, since there may be millions of them.
const LARGE_OBJECTS: &str = r#"
WITH total AS (SELECT pg_catalog.count(*) AS n FROM pg_catalog.pg_largeobject_metadata)
SELECT '=large objects' AS key, 'owned by ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(lomowner)) AS property,
       CASE WHEN pg_catalog.count(*) = (SELECT n FROM total) THEN 'all' ELSE 'some' END AS value
  FROM pg_catalog.pg_largeobject_metadata GROUP BY lomowner
UNION ALL
SELECT '=large objects',
       'grant to ' || CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
       pg_catalog.string_agg(g.privilege || CASE WHEN g.n = t.n THEN ' on all' ELSE ' on some' END, ', ' ORDER BY g.privilege)
  FROM total t,
       (SELECT a.grantee, a.privilege_type AS privilege, pg_catalog.count(DISTINCT l.oid) AS n
          FROM pg_catalog.pg_largeobject_metadata l, pg_catalog.aclexplode(l.lomacl) a
         WHERE a.grantee <> l.lomowner GROUP BY 1, 2) g
 GROUP BY g.grantee"#;

/// The tables belong to the extension, and not every role may use its schema.
pub(super) const GRAPHS: RestrictedQuery = RestrictedQuery {
    what: unreadable::GRAPHS,
    may_read: r#"
SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT')
                           AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'ag_catalog' AND c.relname IN ('ag_graph', 'ag_label')"#,
    sql: r#"
SELECT '=graph ' || pg_catalog.quote_ident(g.name) AS key, 'schema' AS property, n.nspname::pg_catalog.text AS value
  FROM ag_catalog.ag_graph g LEFT JOIN pg_catalog.pg_namespace n ON n.oid = g.namespace::pg_catalog.oid
UNION ALL
SELECT '=graph ' || pg_catalog.quote_ident(g.name) || ' label ' || pg_catalog.quote_ident(l.name), 'kind',
       CASE l.kind::pg_catalog.text WHEN 'v' THEN 'vertex' ELSE 'edge' END
  FROM ag_catalog.ag_graph g JOIN ag_catalog.ag_label l ON l.graph::pg_catalog.oid = g.graphid::pg_catalog.oid
UNION ALL
SELECT '=graph ' || pg_catalog.quote_ident(g.name) || ' label ' || pg_catalog.quote_ident(l.name), 'table',
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
  FROM ag_catalog.ag_graph g
  JOIN ag_catalog.ag_label l ON l.graph::pg_catalog.oid = g.graphid::pg_catalog.oid
  JOIN pg_catalog.pg_class c ON c.oid = l.relation::pg_catalog.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"#,
};
