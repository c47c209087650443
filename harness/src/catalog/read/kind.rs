//! Types, domains, collations, text search.

use super::CatalogQuery;

pub(super) const QUERIES: &[CatalogQuery] = &[
    CatalogQuery::new(TYPES),
    CatalogQuery::new(BASE_TYPES),
    CatalogQuery::new(RANGES),
    CatalogQuery::new(COLLATIONS),
    CatalogQuery::new(TEXT_SEARCH_CONFIGURATIONS),
    CatalogQuery::new(TEXT_SEARCH_DICTIONARIES),
    CatalogQuery::new(TEXT_SEARCH_PARSERS),
    CatalogQuery::new(TEXT_SEARCH_TEMPLATES),
];

const TYPES: &str = r#"
SELECT 'pg_type ' || t.oid AS key,
       pg_catalog.pg_get_userbyid(t.typowner) AS owner,
       CASE WHEN NOT t.typisdefined THEN 'shell' WHEN t.typtype = 'b' THEN 'base' WHEN t.typtype = 'c' THEN 'composite'
            WHEN t.typtype = 'e' THEN 'enum' WHEN t.typtype = 'r' THEN 'range' END AS kind,
       CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS type,
       CASE WHEN t.typtype = 'd' AND t.typnotnull THEN 'yes' END AS "not null",
       CASE WHEN t.typtype = 'd' THEN coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault) END AS "default",
       CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN
         (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
            FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
           WHERE l.oid = t.typcollation) END AS collation,
       CASE WHEN t.typtype = 'e' THEN
         (SELECT pg_catalog.string_agg(e.enumlabel, E'\n' ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) END AS labels,
       CASE WHEN t.typtype = 'c' THEN
         (SELECT pg_catalog.string_agg(
                   pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
                     || CASE WHEN a.attcollation <> y.typcollation THEN ' collate ' || pg_catalog.quote_ident(l.collname) ELSE '' END,
                   E'\n' ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
           WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END AS attributes
  FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
 WHERE t.oid >= 16384 AND (t.typelem = 0 OR t.typcategory <> 'A')
   AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))"#;

const BASE_TYPES: &str = r#"
SELECT 'pg_type ' || oid AS key,
       typinput AS input, typoutput AS output,
       nullif(typreceive, 0)::pg_catalog.regproc AS receive, nullif(typsend, 0)::pg_catalog.regproc AS send,
       nullif(typmodin, 0)::pg_catalog.regproc AS "modifier input", nullif(typmodout, 0)::pg_catalog.regproc AS "modifier output",
       nullif(typanalyze, 0)::pg_catalog.regproc AS "analyze",
       typlen AS length, typalign AS alignment, typstorage AS storage, typcategory AS category,
       CASE WHEN typispreferred THEN 'yes' END AS preferred,
       CASE WHEN typbyval THEN 'yes' END AS "by value",
       typdefault AS "default",
       CASE WHEN typelem <> 0 THEN pg_catalog.format_type(typelem, NULL) END AS element,
       nullif(typdelim, ',') AS delimiter,
       CASE WHEN typcollation <> 0 THEN 'yes' END AS collatable
  FROM pg_catalog.pg_type
 WHERE typtype = 'b' AND typisdefined AND oid >= 16384 AND (typelem = 0 OR typcategory <> 'A')"#;

const RANGES: &str = r#"
SELECT 'pg_type ' || r.rngtypid AS key,
       pg_catalog.format_type(r.rngsubtype, NULL) AS subtype,
       (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(o.opcname)
          FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
         WHERE o.oid = r.rngsubopc) AS "operator class",
       (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
          FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
         WHERE l.oid = r.rngcollation) AS collation,
       nullif(r.rngcanonical, 0)::pg_catalog.regproc AS canonical, nullif(r.rngsubdiff, 0)::pg_catalog.regproc AS difference
  FROM pg_catalog.pg_range r WHERE r.rngtypid >= 16384"#;

/// The locale's column changed its name twice.
const COLLATIONS: &str = r#"
SELECT 'pg_collation ' || c.oid AS key,
       pg_catalog.pg_get_userbyid(c.collowner) AS owner,
       CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE 'default' END AS provider,
       c.collcollate AS collate, c.collctype AS ctype,
       coalesce(j ->> 'colllocale', j ->> 'colliculocale') AS locale,
       j ->> 'collicurules' AS rules,
       CASE WHEN NOT c.collisdeterministic THEN 'no' END AS deterministic,
       CASE WHEN c.collencoding <> -1 THEN pg_catalog.pg_encoding_to_char(c.collencoding) END AS encoding,
       c.collversion AS version
  FROM pg_catalog.pg_collation c, pg_catalog.to_jsonb(c) j WHERE c.oid >= 16384"#;

const TEXT_SEARCH_CONFIGURATIONS: &str = r#"
SELECT 'pg_ts_config ' || c.oid AS key,
       pg_catalog.pg_get_userbyid(c.cfgowner) AS owner,
       (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.prsname)
          FROM pg_catalog.pg_ts_parser p JOIN pg_catalog.pg_namespace n ON n.oid = p.prsnamespace
         WHERE p.oid = c.cfgparser) AS parser,
       (SELECT pg_catalog.string_agg(m.line, E'\n' ORDER BY m.line COLLATE "C")
          FROM (SELECT y.alias || ': ' || pg_catalog.string_agg(m.mapdict::pg_catalog.regdictionary::pg_catalog.text, ', '
                                                               ORDER BY m.mapseqno) AS line
                  FROM pg_catalog.pg_ts_config_map m, pg_catalog.ts_token_type(c.cfgparser) y
                 WHERE m.mapcfg = c.oid AND y.tokid = m.maptokentype GROUP BY y.alias) m) AS mappings
  FROM pg_catalog.pg_ts_config c WHERE c.oid >= 16384"#;

const TEXT_SEARCH_DICTIONARIES: &str = r#"
SELECT 'pg_ts_dict ' || d.oid AS key,
       pg_catalog.pg_get_userbyid(d.dictowner) AS owner,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.tmplname) AS template,
       d.dictinitoption AS options
  FROM pg_catalog.pg_ts_dict d
  JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
  JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace
 WHERE d.oid >= 16384"#;

const TEXT_SEARCH_PARSERS: &str = r#"
SELECT 'pg_ts_parser ' || oid AS key, prsstart AS start, prstoken AS token, prsend AS "end",
       nullif(prsheadline, 0)::pg_catalog.regproc AS headline, prslextype AS types
  FROM pg_catalog.pg_ts_parser WHERE oid >= 16384"#;

const TEXT_SEARCH_TEMPLATES: &str = r#"
SELECT 'pg_ts_template ' || oid AS key, nullif(tmplinit, 0)::pg_catalog.regproc AS init, tmpllexize AS lexize
  FROM pg_catalog.pg_ts_template WHERE oid >= 16384"#;
