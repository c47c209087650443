//! Grants on objects, and default privileges.

use super::CatalogQuery;

pub(super) const QUERIES: &[CatalogQuery] = &[
    CatalogQuery::new(GRANTS),
    CatalogQuery::new(OUTSIDE),
    CatalogQuery::new(DEFAULTS),
    CatalogQuery::new(PARAMETERS).since(15),
];

/// Where there is no access list, the default of PostgreSQL is written out. Rights of the owner are listed only where some
/// are missing. A right from several grantors is listed once.
const GRANTS: &str = r#"
WITH thing(key, owner, acl, base) AS MATERIALIZED (
  SELECT 'pg_class ' || oid, relowner, relacl,
         pg_catalog.acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::pg_catalog."char", relowner)
    FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND oid >= 16384
  UNION ALL
  SELECT 'pg_attribute ' || a.attrelid || '.' || a.attnum, c.relowner, a.attacl, pg_catalog.acldefault('c', c.relowner)
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
   WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384
  UNION ALL
  SELECT 'pg_proc ' || oid, proowner, proacl, pg_catalog.acldefault('f', proowner) FROM pg_catalog.pg_proc WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_type ' || oid, typowner, typacl, pg_catalog.acldefault('T', typowner) FROM pg_catalog.pg_type WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_namespace ' || oid, nspowner, nspacl, pg_catalog.acldefault('n', nspowner) FROM pg_catalog.pg_namespace
  UNION ALL
  SELECT 'pg_language ' || oid, lanowner, lanacl, pg_catalog.acldefault('l', lanowner) FROM pg_catalog.pg_language
   WHERE lanpltrusted OR lanacl IS NOT NULL
  UNION ALL
  SELECT 'pg_foreign_data_wrapper ' || oid, fdwowner, fdwacl, pg_catalog.acldefault('F', fdwowner)
    FROM pg_catalog.pg_foreign_data_wrapper
  UNION ALL
  SELECT 'pg_foreign_server ' || oid, srvowner, srvacl, pg_catalog.acldefault('S', srvowner)
    FROM pg_catalog.pg_foreign_server
  UNION ALL
  SELECT 'pg_tablespace ' || oid, spcowner, spcacl, pg_catalog.acldefault('t', spcowner) FROM pg_catalog.pg_tablespace
  UNION ALL
  SELECT 'pg_database ' || oid, datdba, datacl, pg_catalog.acldefault('d', datdba)
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
),
granted AS (
  SELECT t.key, t.owner, a.grantee, a.privilege_type AS privilege, pg_catalog.bool_or(a.is_grantable) AS grantable
    FROM thing t, pg_catalog.aclexplode(coalesce(t.acl, t.base)) a
   GROUP BY 1, 2, 3, 4
)
SELECT key,
       'grant to ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END AS property,
       pg_catalog.string_agg(privilege || CASE WHEN grantable THEN ' (grantable)' ELSE '' END, ', ' ORDER BY privilege) AS value
  FROM granted WHERE grantee <> owner GROUP BY key, grantee
UNION ALL
SELECT t.key, 'revoked from its owner', pg_catalog.string_agg(b.privilege_type, ', ' ORDER BY b.privilege_type)
  FROM thing t, pg_catalog.aclexplode(t.base) b
 WHERE t.acl IS NOT NULL AND b.grantee = t.owner
   AND NOT EXISTS (SELECT FROM granted g
                    WHERE g.key = t.key AND g.grantee = t.owner AND g.privilege = b.privilege_type)
 GROUP BY t.key"#;

/// Changed rights on objects of the server and of extensions, which pg_dump dumps too. The server does not record what
/// initdb grants on `information_schema`.
const OUTSIDE: &str = r#"
WITH member AS MATERIALIZED (
  SELECT d.classid, d.objid, e.extname
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
   WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
),
raw(class, oid, sub, identity, schema, owner, acl, letter) AS (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0,
         CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table '
                        WHEN 'S' THEN 'sequence ' ELSE 'table ' END
           || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
         n.nspname, c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(toast|temp_)'
  UNION ALL
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum,
         CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END
           || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' column ' || pg_catalog.quote_ident(a.attname),
         n.nspname, c.relowner, a.attacl, 'c'
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0,
         CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END
           || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
           || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')',
         n.nspname, p.proowner, p.proacl, 'f'
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE p.proacl IS NOT NULL
  UNION ALL
  SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 0,
         'type ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname), n.nspname, t.typowner, t.typacl, 'T'
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typacl IS NOT NULL
  UNION ALL
  SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, 0, 'schema ' || pg_catalog.quote_ident(nspname), nspname, nspowner, nspacl, 'n'
    FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp_)'
  UNION ALL
  SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, oid, 0, 'language ' || pg_catalog.quote_ident(lanname), '', lanowner, lanacl, 'l'
    FROM pg_catalog.pg_language
  UNION ALL
  SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, 0,
         'foreign data wrapper ' || pg_catalog.quote_ident(fdwname), '', fdwowner, fdwacl, 'F'
    FROM pg_catalog.pg_foreign_data_wrapper
),
thing AS MATERIALIZED (
  SELECT r.identity, r.owner, coalesce('extension ' || m.extname, 'the server') AS part,
         coalesce(r.acl, pg_catalog.acldefault(r.letter::pg_catalog."char", r.owner)) AS has,
         coalesce(i.initprivs, pg_catalog.acldefault(r.letter::pg_catalog."char", r.owner)
           || CASE WHEN 'information_schema' = r.schema AND m.objid IS NULL AND r.letter IN ('n', 'r')
                   THEN ARRAY[pg_catalog.makeaclitem(0, r.owner, CASE r.letter WHEN 'n' THEN 'USAGE' ELSE 'SELECT' END, false)]
              END) AS had
    FROM raw r
    LEFT JOIN member m ON m.classid = r.class AND m.objid = r.oid
    LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = r.class AND i.objoid = r.oid AND i.objsubid = r.sub
   WHERE (m.objid IS NOT NULL OR r.oid < 16384 AND r.schema <> 'public')
     AND r.acl::pg_catalog.text IS DISTINCT FROM i.initprivs::pg_catalog.text
),
right_(identity, owner, part, side, grantee, privilege, grantable) AS (
  SELECT t.identity, t.owner, t.part, 'has', a.grantee, a.privilege_type, pg_catalog.bool_or(a.is_grantable)
    FROM thing t, pg_catalog.aclexplode(t.has) a GROUP BY 1, 2, 3, 5, 6
  UNION ALL
  SELECT t.identity, t.owner, t.part, 'had', a.grantee, a.privilege_type, pg_catalog.bool_or(a.is_grantable)
    FROM thing t, pg_catalog.aclexplode(t.had) a GROUP BY 1, 2, 3, 5, 6
),
changed AS (
  SELECT r.*, CASE r.side WHEN 'has' THEN 'grant to ' ELSE 'revoked from ' END AS word
    FROM right_ r
   WHERE r.grantee <> r.owner
     AND NOT EXISTS (SELECT FROM right_ o WHERE o.identity = r.identity AND o.side <> r.side AND o.grantee = r.grantee
                        AND o.privilege = r.privilege AND (r.side = 'had' OR o.grantable >= r.grantable))
)
SELECT '=' || identity AS key,
       word || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END AS property,
       pg_catalog.string_agg(privilege || CASE WHEN grantable AND side = 'has' THEN ' (grantable)' ELSE '' END, ', '
                             ORDER BY privilege) AS value
  FROM changed GROUP BY identity, word, grantee
UNION ALL
SELECT DISTINCT '=' || identity, 'part of', part FROM changed"#;

/// Differences from the default of PostgreSQL, and what is added to it in one schema.
const DEFAULTS: &str = r#"
WITH entry AS MATERIALIZED (
  SELECT d.defaclrole AS owner,
         '=default privileges of ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole))
           || coalesce(' in schema ' || pg_catalog.quote_ident(n.nspname), '')
           || CASE d.defaclobjtype WHEN 'r' THEN ' on tables' WHEN 'S' THEN ' on sequences' WHEN 'f' THEN ' on functions'
                                   WHEN 'T' THEN ' on types' WHEN 'n' THEN ' on schemas' ELSE ' on large objects' END AS key,
         d.defaclacl AS has,
         CASE d.defaclnamespace WHEN 0 THEN
           pg_catalog.acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END::pg_catalog."char", d.defaclrole)
         END AS had
    FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
),
has AS (SELECT e.key, e.owner, a.grantee, a.privilege_type AS privilege, pg_catalog.bool_or(a.is_grantable) AS grantable
          FROM entry e, pg_catalog.aclexplode(e.has) a GROUP BY 1, 2, 3, 4),
had AS (SELECT e.key, e.owner, a.grantee, a.privilege_type AS privilege, pg_catalog.bool_or(a.is_grantable) AS grantable
          FROM entry e, pg_catalog.aclexplode(e.had) a GROUP BY 1, 2, 3, 4),
changed AS (
  SELECT h.key, 'grant to ' AS word, h.grantee, h.owner, h.privilege, h.grantable FROM has h
   WHERE NOT EXISTS (SELECT FROM had o WHERE o.key = h.key AND o.grantee = h.grantee AND o.privilege = h.privilege
                        AND o.grantable >= h.grantable)
  UNION ALL
  SELECT h.key, 'revoked from ', h.grantee, h.owner, h.privilege, false FROM had h
   WHERE NOT EXISTS (SELECT FROM has o WHERE o.key = h.key AND o.grantee = h.grantee AND o.privilege = h.privilege)
)
SELECT key,
       word || CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN grantee = owner THEN 'its maker'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END AS property,
       pg_catalog.string_agg(privilege || CASE WHEN grantable THEN ' (grantable)' ELSE '' END, ', ' ORDER BY privilege) AS value
  FROM changed WHERE NOT (word = 'grant to ' AND grantee = owner)
 GROUP BY key, word, grantee, owner"#;

/// `GRANT SET ON PARAMETER`, since 15.
const PARAMETERS: &str = r#"
SELECT '=parameter ' || p.parname AS key,
       'grant to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS property,
       pg_catalog.string_agg(a.privilege || CASE WHEN a.grantable THEN ' (grantable)' ELSE '' END, ', ' ORDER BY a.privilege) AS value
  FROM pg_catalog.pg_parameter_acl p,
       LATERAL (SELECT e.grantee, e.privilege_type AS privilege, pg_catalog.bool_or(e.is_grantable) AS grantable
                  FROM pg_catalog.aclexplode(p.paracl) e WHERE e.grantee <> 10 GROUP BY 1, 2) a
 GROUP BY p.parname, a.grantee"#;
