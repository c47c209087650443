//! The database itself, schemas, extensions, and objects that are neither relations, routines nor types.

use super::{CatalogQuery, RestrictedQuery, unreadable};

pub(super) const QUERIES: &[CatalogQuery] = &[
    CatalogQuery::new(DATABASE),
    CatalogQuery::new(DATABASE_SETTINGS),
    CatalogQuery::new(SCHEMAS),
    CatalogQuery::new(EXTENSIONS),
    CatalogQuery::new(EVENT_TRIGGERS),
    CatalogQuery::new(PUBLICATIONS),
    CatalogQuery::new(PUBLISHED).since(15),
    CatalogQuery::new(PUBLISHED_SCHEMAS).since(15),
    CatalogQuery::new(WRAPPERS),
    CatalogQuery::new(SERVERS),
    CatalogQuery::new(FOREIGN_OPTIONS),
];

/// The columns of the locale exist since PostgreSQL 15 and have other names since 17.
const DATABASE: &str = r#"
SELECT 'pg_database ' || d.oid AS key,
       pg_catalog.pg_get_userbyid(d.datdba) AS owner,
       pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS collation, d.datctype AS ctype,
       CASE j ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider,
       coalesce(j ->> 'datlocale', j ->> 'daticulocale') AS locale,
       j ->> 'daticurules' AS rules,
       j ->> 'datcollversion' AS version,
       nullif(d.datconnlimit, -1) AS "connection limit",
       CASE WHEN d.datistemplate THEN 'yes' END AS template,
       CASE WHEN NOT d.datallowconn THEN 'no' END AS "allows connections",
       (SELECT nullif(s.spcname, 'pg_default') FROM pg_catalog.pg_tablespace s WHERE s.oid = d.dattablespace) AS tablespace
  FROM pg_catalog.pg_database d, pg_catalog.to_jsonb(d) j
 WHERE d.datname = pg_catalog.current_database()"#;

/// `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET`. Values of settings named like a secret are left out.
const DATABASE_SETTINGS: &str = r#"
SELECT CASE s.setrole WHEN 0 THEN '=database settings'
            ELSE '=database settings of role ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.setrole)) END AS key,
       'set ' || pg_catalog.split_part(c, '=', 1) AS property,
       CASE WHEN pg_catalog.split_part(c, '=', 1) ~* '(pass|secret|token|credential|key$)' THEN 'set, not shown'
            ELSE pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) END AS value
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database(),
       pg_catalog.unnest(s.setconfig) c"#;

const SCHEMAS: &str = r#"
SELECT 'pg_namespace ' || oid AS key, pg_catalog.pg_get_userbyid(nspowner) AS owner FROM pg_catalog.pg_namespace"#;

/// Without the owner, which is the role that restores. Configuration tables, whose rows pg_dump dumps, are listed by name.
const EXTENSIONS: &str = r#"
SELECT 'pg_extension ' || e.oid AS key,
       pg_catalog.quote_ident(n.nspname) AS schema, e.extversion AS version,
       (SELECT pg_catalog.string_agg(c.oid::pg_catalog.regclass || coalesce(' ' || nullif(w, ''), ''), E'\n'
                                     ORDER BY c.relname COLLATE "C")
          FROM unnest(e.extconfig, e.extcondition) x(t, w)
          JOIN pg_catalog.pg_class c ON c.oid = x.t) AS "dumped tables"
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"#;

const EVENT_TRIGGERS: &str = r#"
SELECT 'pg_event_trigger ' || e.oid AS key,
       pg_catalog.pg_get_userbyid(e.evtowner) AS owner,
       e.evtevent AS event, e.evtfoid::pg_catalog.regprocedure AS function,
       (SELECT pg_catalog.string_agg(t, ', ' ORDER BY t COLLATE "C") FROM pg_catalog.unnest(e.evttags) t) AS tags,
       CASE e.evtenabled WHEN 'O' THEN 'yes' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'no' END AS enabled
  FROM pg_catalog.pg_event_trigger e"#;

const PUBLICATIONS: &str = r#"
SELECT 'pg_publication ' || p.oid AS key,
       pg_catalog.pg_get_userbyid(p.pubowner) AS owner,
       CASE WHEN p.puballtables THEN 'yes' END AS "all tables",
       pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
         CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END) AS publishes,
       CASE WHEN p.pubviaroot THEN 'yes' END AS "via partition root",
       nullif(pg_catalog.to_jsonb(p) ->> 'pubgencols', 'n') AS "generated columns"
  FROM pg_catalog.pg_publication p"#;

const PUBLISHED: &str = r#"
SELECT 'pg_publication_rel ' || x.oid AS key,
       pg_catalog.pg_get_expr(x.prqual, x.prrelid) AS "where",
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.prrelid AND a.attnum = ANY (x.prattrs)) AS "column list"
  FROM pg_catalog.pg_publication_rel x"#;

const PUBLISHED_SCHEMAS: &str = r#"
SELECT 'pg_publication ' || x.pnpubid AS key, 'schema ' || pg_catalog.quote_ident(n.nspname) AS property, 'all tables' AS value
  FROM pg_catalog.pg_publication_namespace x JOIN pg_catalog.pg_namespace n ON n.oid = x.pnnspid"#;

const WRAPPERS: &str = r#"
SELECT 'pg_foreign_data_wrapper ' || oid AS key,
       pg_catalog.pg_get_userbyid(fdwowner) AS owner,
       nullif(fdwhandler, 0)::pg_catalog.regproc AS handler,
       nullif(fdwvalidator, 0)::pg_catalog.regproc AS validator
  FROM pg_catalog.pg_foreign_data_wrapper"#;

const SERVERS: &str = r#"
SELECT 'pg_foreign_server ' || s.oid AS key,
       pg_catalog.pg_get_userbyid(s.srvowner) AS owner,
       pg_catalog.quote_ident(w.fdwname) AS wrapper, s.srvtype AS type, s.srvversion AS version
  FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw"#;

const FOREIGN_OPTIONS: &str = r#"
SELECT x.key, 'option ' || o.option_name AS property,
       CASE WHEN o.option_name ~* '(pass|secret|token|key|credential)' THEN 'set, not shown' ELSE o.option_value END AS value
  FROM (SELECT 'pg_foreign_data_wrapper ' || oid AS key, fdwoptions AS options FROM pg_catalog.pg_foreign_data_wrapper
        UNION ALL
        SELECT 'pg_foreign_server ' || oid, srvoptions FROM pg_catalog.pg_foreign_server) x,
       pg_catalog.pg_options_to_table(x.options) o"#;

/// `pg_user_mappings` shows options of other users as NULL, as it does a mapping without options.
pub(super) const USER_MAPPINGS: RestrictedQuery = RestrictedQuery {
    what: unreadable::USER_MAPPINGS,
    may_read: "
SELECT pg_catalog.has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT')
 WHERE EXISTS (SELECT FROM pg_catalog.pg_user_mappings)",
    sql: r#"
SELECT 'pg_user_mapping ' || m.oid AS key, 'option ' || o.option_name AS property,
       CASE WHEN o.option_name = 'user' THEN o.option_value ELSE 'set, not shown' END AS value
  FROM pg_catalog.pg_user_mapping m, pg_catalog.pg_options_to_table(m.umoptions) o"#,
};

/// Without `subconninfo`, which may contain a password. Other properties are named as the columns.
pub(super) const SUBSCRIPTIONS: RestrictedQuery = RestrictedQuery {
    what: unreadable::SUBSCRIPTIONS,
    may_read: "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_subscription', 'SELECT')",
    sql: r#"
SELECT '=subscription ' || pg_catalog.quote_ident(s.subname) AS key, p.name AS property, p.value
  FROM pg_catalog.pg_subscription s
  JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = pg_catalog.current_database(),
       LATERAL (
         SELECT 'owner' AS name, pg_catalog.pg_get_userbyid(s.subowner)::pg_catalog.text AS value
         UNION ALL SELECT 'enabled', CASE WHEN s.subenabled THEN 'yes' ELSE 'no' END
         UNION ALL SELECT 'publications', pg_catalog.array_to_string(s.subpublications, ', ')
         UNION ALL
         SELECT CASE j.key WHEN 'subslotname' THEN 'slot' WHEN 'subsynccommit' THEN 'synchronous commit'
                           ELSE pg_catalog.substr(j.key, 4) END, j.value
           FROM pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(s)) j
          WHERE j.key NOT IN ('oid', 'subdbid', 'subname', 'subowner', 'subenabled', 'subpublications', 'subconninfo',
                              'subskiplsn') AND j.value IS NOT NULL) p"#,
};
