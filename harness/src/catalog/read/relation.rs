//! Tables, views, sequences and their parts.

use super::CatalogQuery;

pub(super) const QUERIES: &[CatalogQuery] = &[
    CatalogQuery::new(RELATIONS),
    CatalogQuery::new(OPTIONS),
    CatalogQuery::new(COLUMNS),
    CatalogQuery::new(COLUMN_OPTIONS),
    CatalogQuery::new(COMPRESSION).since(14),
    CatalogQuery::new(NOT_NULL_UNPROVEN).since(18),
    CatalogQuery::new(SEQUENCES),
    CatalogQuery::new(INDEXES),
    CatalogQuery::new(CONSTRAINTS),
    CatalogQuery::new(TRIGGERS),
    CatalogQuery::new(RULES),
    CatalogQuery::new(POLICIES),
    CatalogQuery::new(STATISTICS),
];

/// The order of columns is without numbers, since a restore does not keep those of dropped columns.
const RELATIONS: &str = r#"
SELECT 'pg_class ' || c.oid AS key,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), E'\n' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'S') AS columns,
       CASE c.relpersistence WHEN 'u' THEN 'unlogged' END AS persistence,
       CASE WHEN c.relkind IN ('r', 'm', 'p') THEN nullif(m.amname, 'heap') END AS "access method",
       CASE WHEN c.relkind IN ('r', 'p', 'm') THEN
         CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full'
           WHEN 'i' THEN 'index ' || (SELECT pg_catalog.quote_ident(x.relname)
                                        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                                       WHERE i.indrelid = c.oid AND i.indisreplident) END END AS "replica identity",
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS "partition by",
       CASE WHEN c.relispartition THEN h.parents END AS "partition of",
       pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS "partition bound",
       CASE WHEN NOT c.relispartition THEN h.parents END AS inherits,
       CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END AS "of type",
       s.spcname AS tablespace,
       CASE WHEN c.relrowsecurity THEN 'enabled' END AS "row security",
       CASE WHEN c.relforcerowsecurity THEN 'yes' END AS "row security forced",
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.ltrim(pg_catalog.pg_get_viewdef(c.oid)) END AS definition,
       CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'no' END AS populated,
       (SELECT pg_catalog.quote_ident(f.srvname) FROM pg_catalog.pg_foreign_table t
          JOIN pg_catalog.pg_foreign_server f ON f.oid = t.ftserver WHERE t.ftrelid = c.oid) AS server
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
  LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
  LEFT JOIN (
    SELECT i.inhrelid, pg_catalog.string_agg(
             pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.relname), ', ' ORDER BY i.inhseqno) AS parents
      FROM pg_catalog.pg_inherits i
      JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
      JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
     GROUP BY i.inhrelid) h ON h.inhrelid = c.oid
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.oid >= 16384"#;

/// Storage options of relations and of their TOAST tables, and options of foreign tables.
const OPTIONS: &str = r#"
SELECT 'pg_class ' || c.oid AS key,
       'option ' || o.prefix || pg_catalog.split_part(o.setting, '=', 1) AS property,
       pg_catalog.substr(o.setting, pg_catalog.strpos(o.setting, '=') + 1) AS value
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid,
       LATERAL (SELECT '' AS prefix, pg_catalog.unnest(c.reloptions) AS setting
                UNION ALL SELECT 'toast.', pg_catalog.unnest(t.reloptions)) o
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384
UNION ALL
SELECT 'pg_class ' || t.ftrelid, 'option ' || o.option_name,
       CASE WHEN o.option_name ~* '(pass|secret|token|key|credential)' THEN 'set, not shown' ELSE o.option_value END
  FROM pg_catalog.pg_foreign_table t, pg_catalog.pg_options_to_table(t.ftoptions) o"#;

/// Collation and storage are left out where they are those of the type.
const COLUMNS: &str = r#"
SELECT 'pg_attribute ' || a.attrelid || '.' || a.attnum AS key,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attnotnull THEN 'yes' END AS "not null",
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS "default",
       CASE a.attgenerated WHEN 's' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ' stored'
                           WHEN 'v' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ' virtual' END AS generated,
       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
       CASE WHEN a.attcollation <> t.typcollation THEN
         (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
            FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
           WHERE l.oid = a.attcollation) END AS collation,
       CASE WHEN a.attstorage <> t.typstorage AND c.relkind IN ('r', 'p', 'm', 'f') THEN
         CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END
       END AS storage,
       nullif(a.attstattarget, -1) AS "statistics target"
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid >= 16384"#;

/// Options set by users, without those that the server adds.
const COLUMN_OPTIONS: &str = r#"
SELECT 'pg_attribute ' || a.attrelid || '.' || a.attnum AS key,
       'option ' || o.option_name AS property, o.option_value AS value
  FROM pg_catalog.pg_attribute a,
       LATERAL (SELECT * FROM pg_catalog.pg_options_to_table(a.attoptions)
                 WHERE option_name !~ '^pg_'
                UNION ALL SELECT * FROM pg_catalog.pg_options_to_table(a.attfdwoptions)) o
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid >= 16384
   AND (a.attoptions IS NOT NULL OR a.attfdwoptions IS NOT NULL)"#;

const COMPRESSION: &str = r#"
SELECT 'pg_attribute ' || attrelid || '.' || attnum AS key,
       CASE attcompression WHEN 'p' THEN 'pglz' ELSE 'lz4' END AS compression
  FROM pg_catalog.pg_attribute
 WHERE attcompression <> '' AND attnum > 0 AND NOT attisdropped AND attrelid >= 16384"#;

/// Since PostgreSQL 18 NOT NULL may be NOT VALID.
const NOT_NULL_UNPROVEN: &str = r#"
SELECT 'pg_attribute ' || conrelid || '.' || conkey[1] AS key, 'yes, not validated' AS "not null"
  FROM pg_catalog.pg_constraint WHERE contype = 'n' AND NOT convalidated"#;

const SEQUENCES: &str = r#"
SELECT 'pg_class ' || s.seqrelid AS key,
       pg_catalog.format_type(s.seqtypid, NULL) AS type,
       s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum,
       nullif(s.seqcache, 1) AS cache,
       CASE WHEN s.seqcycle THEN 'yes' END AS cycle,
       (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || '.'
               || pg_catalog.quote_ident(a.attname)
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.seqrelid
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')) AS "owned by"
  FROM pg_catalog.pg_sequence s"#;

/// Without the definition where it is that of a constraint.
const INDEXES: &str = r#"
SELECT 'pg_class ' || i.indexrelid AS key,
       CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                              WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
            THEN pg_catalog.pg_get_indexdef(i.indexrelid) END AS definition,
       CASE WHEN NOT i.indisvalid THEN 'no' END AS "index valid",
       CASE WHEN NOT i.indisready OR NOT i.indislive THEN 'no' END AS "index ready",
       CASE WHEN i.indisclustered THEN 'yes' END AS clustered,
       (SELECT pg_catalog.string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0) AS "statistics targets",
       (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.relname)
          FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
          JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
         WHERE h.inhrelid = i.indexrelid) AS "partition of",
       (SELECT s.spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace) AS tablespace
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indexrelid >= 16384"#;

/// The words at the end of the definition (deferrable, not valid, not enforced) are properties of their own.
const CONSTRAINTS: &str = r#"
SELECT 'pg_constraint ' || k.oid AS key,
       pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid),
         '( DEFERRABLE| INITIALLY DEFERRED| NOT VALID| NOT ENFORCED)+$', '') AS definition,
       CASE WHEN NOT k.convalidated THEN 'no' END AS validated,
       CASE WHEN k.condeferred THEN 'initially deferred' WHEN k.condeferrable THEN 'initially immediate' END AS "deferrable",
       CASE WHEN pg_catalog.pg_get_constraintdef(k.oid) ~ ' NOT ENFORCED$' THEN 'no' END AS enforced,
       t.off || ' of ' || t.all || ' of its triggers do not fire in ordinary sessions' AS enforcement
  FROM pg_catalog.pg_constraint k
  LEFT JOIN (SELECT tgconstraint, pg_catalog.count(*) AS all,
                    nullif(pg_catalog.count(*) FILTER (WHERE tgenabled IN ('D', 'R')), 0) AS off
               FROM pg_catalog.pg_trigger WHERE tgisinternal AND tgconstraint <> 0 GROUP BY tgconstraint) t
    ON t.tgconstraint = k.oid
 WHERE k.oid >= 16384"#;

const TRIGGERS: &str = r#"
SELECT 'pg_trigger ' || oid AS key,
       pg_catalog.pg_get_triggerdef(oid) AS definition,
       CASE tgenabled WHEN 'O' THEN 'yes' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'no' END AS enabled
  FROM pg_catalog.pg_trigger
 WHERE NOT tgisinternal OR (tgparentid <> 0 AND tgconstraint = 0)"#;

const RULES: &str = r#"
SELECT 'pg_rewrite ' || oid AS key,
       pg_catalog.pg_get_ruledef(oid) AS definition,
       CASE ev_enabled WHEN 'O' THEN 'yes' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'no' END AS enabled
  FROM pg_catalog.pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384"#;

const POLICIES: &str = r#"
SELECT 'pg_policy ' || p.oid AS key,
       CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END AS mode,
       CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete'
                     ELSE 'all' END AS command,
       (SELECT pg_catalog.string_agg(CASE r WHEN 0 THEN 'PUBLIC'
                                            ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', '
                                     ORDER BY pg_catalog.pg_get_userbyid(r) COLLATE "C")
          FROM pg_catalog.unnest(p.polroles) r) AS roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS "with check"
  FROM pg_catalog.pg_policy p"#;

const STATISTICS: &str = r#"
SELECT 'pg_statistic_ext ' || oid AS key,
       pg_catalog.pg_get_userbyid(stxowner) AS owner,
       pg_catalog.pg_get_statisticsobjdef(oid) AS definition,
       nullif(stxstattarget, -1) AS "statistics target"
  FROM pg_catalog.pg_statistic_ext"#;
