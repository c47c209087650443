//! The names of all objects: key → identity, except for objects of the server and of extensions.

/// Two columns: the key, `pg_class 16385`, and the identity.
///
/// The index of a constraint has the identity of the constraint. The copy of a foreign key on a partition is named after
/// the original, because a restore gives it another name; constraints that the server adds for each partition that a key
/// references are left out. So are NOT NULL constraints, which are a property of the column, and the constructors and the
/// cast of a range type.
pub const NAMES: &str = r#"
WITH member AS MATERIALIZED (
  SELECT DISTINCT classid::pg_catalog.regclass::pg_catalog.text AS class, objid FROM pg_catalog.pg_depend
   WHERE deptype = 'e' AND refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
      OR deptype = 'i' AND refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
         AND classid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass)
),
place AS MATERIALIZED (
  SELECT oid, pg_catalog.quote_ident(nspname) || '.' AS schema
    FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
named(class, oid, identity) AS (
  SELECT 'pg_class', c.oid,
         CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table '
                        WHEN 'S' THEN 'sequence ' ELSE 'table ' END || p.schema || pg_catalog.quote_ident(c.relname)
    FROM pg_catalog.pg_class c JOIN place p ON p.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT 'pg_proc', f.oid,
         CASE f.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END
           || p.schema || pg_catalog.quote_ident(f.proname) || '(' || pg_catalog.oidvectortypes(f.proargtypes) || ')'
    FROM pg_catalog.pg_proc f JOIN place p ON p.oid = f.pronamespace
  UNION ALL
  SELECT 'pg_type', t.oid,
         CASE t.typtype WHEN 'd' THEN 'domain ' ELSE 'type ' END || p.schema || pg_catalog.quote_ident(t.typname)
    FROM pg_catalog.pg_type t JOIN place p ON p.oid = t.typnamespace
   WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r', 'p')
     AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))
     AND (t.typelem = 0 OR t.oid NOT IN (SELECT e.typarray FROM pg_catalog.pg_type e))
  UNION ALL
  SELECT 'pg_collation', c.oid, 'collation ' || p.schema || pg_catalog.quote_ident(c.collname)
    FROM pg_catalog.pg_collation c JOIN place p ON p.oid = c.collnamespace
  UNION ALL
  SELECT 'pg_conversion', c.oid, 'conversion ' || p.schema || pg_catalog.quote_ident(c.conname)
    FROM pg_catalog.pg_conversion c JOIN place p ON p.oid = c.connamespace
  UNION ALL
  SELECT 'pg_operator', o.oid,
         'operator ' || p.schema || o.oprname || '(' ||
           CASE o.oprleft WHEN 0 THEN '' ELSE pg_catalog.format_type(o.oprleft, NULL) || ', ' END
           || pg_catalog.format_type(o.oprright, NULL) || ')'
    FROM pg_catalog.pg_operator o JOIN place p ON p.oid = o.oprnamespace
  UNION ALL
  SELECT 'pg_opclass', o.oid,
         'operator class ' || p.schema || pg_catalog.quote_ident(o.opcname) || ' using ' || pg_catalog.quote_ident(a.amname)
    FROM pg_catalog.pg_opclass o JOIN place p ON p.oid = o.opcnamespace
    JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
  UNION ALL
  SELECT 'pg_opfamily', o.oid,
         'operator family ' || p.schema || pg_catalog.quote_ident(o.opfname) || ' using ' || pg_catalog.quote_ident(a.amname)
    FROM pg_catalog.pg_opfamily o JOIN place p ON p.oid = o.opfnamespace
    JOIN pg_catalog.pg_am a ON a.oid = o.opfmethod
  UNION ALL
  SELECT 'pg_ts_config', o.oid, 'text search configuration ' || p.schema || pg_catalog.quote_ident(o.cfgname)
    FROM pg_catalog.pg_ts_config o JOIN place p ON p.oid = o.cfgnamespace
  UNION ALL
  SELECT 'pg_ts_dict', o.oid, 'text search dictionary ' || p.schema || pg_catalog.quote_ident(o.dictname)
    FROM pg_catalog.pg_ts_dict o JOIN place p ON p.oid = o.dictnamespace
  UNION ALL
  SELECT 'pg_ts_parser', o.oid, 'text search parser ' || p.schema || pg_catalog.quote_ident(o.prsname)
    FROM pg_catalog.pg_ts_parser o JOIN place p ON p.oid = o.prsnamespace
  UNION ALL
  SELECT 'pg_ts_template', o.oid, 'text search template ' || p.schema || pg_catalog.quote_ident(o.tmplname)
    FROM pg_catalog.pg_ts_template o JOIN place p ON p.oid = o.tmplnamespace
  UNION ALL
  SELECT 'pg_namespace', oid, 'schema ' || pg_catalog.quote_ident(nspname)
    FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
  UNION ALL
  SELECT 'pg_extension', oid, 'extension ' || pg_catalog.quote_ident(extname) FROM pg_catalog.pg_extension
  UNION ALL
  SELECT 'pg_language', oid, 'language ' || pg_catalog.quote_ident(lanname)
    FROM pg_catalog.pg_language WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_am', oid, 'access method ' || pg_catalog.quote_ident(amname) FROM pg_catalog.pg_am WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_cast', oid,
         'cast (' || pg_catalog.format_type(castsource, NULL) || ' AS ' || pg_catalog.format_type(casttarget, NULL) || ')'
    FROM pg_catalog.pg_cast WHERE oid >= 16384
  UNION ALL
  SELECT 'pg_transform', t.oid,
         'transform for ' || pg_catalog.format_type(t.trftype, NULL) || ' language ' || pg_catalog.quote_ident(l.lanname)
    FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang
  UNION ALL
  SELECT 'pg_foreign_data_wrapper', oid, 'foreign data wrapper ' || pg_catalog.quote_ident(fdwname)
    FROM pg_catalog.pg_foreign_data_wrapper
  UNION ALL
  SELECT 'pg_foreign_server', oid, 'foreign server ' || pg_catalog.quote_ident(srvname)
    FROM pg_catalog.pg_foreign_server
  UNION ALL
  SELECT 'pg_user_mapping', umid,
         'user mapping for ' || CASE umuser WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(usename) END
           || ' on ' || pg_catalog.quote_ident(srvname)
    FROM pg_catalog.pg_user_mappings
  UNION ALL
  SELECT 'pg_event_trigger', oid, 'event trigger ' || pg_catalog.quote_ident(evtname)
    FROM pg_catalog.pg_event_trigger
  UNION ALL
  SELECT 'pg_publication', oid, 'publication ' || pg_catalog.quote_ident(pubname) FROM pg_catalog.pg_publication
  UNION ALL
  SELECT 'pg_roles', oid, 'role ' || pg_catalog.quote_ident(rolname)
    FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'
  UNION ALL
  SELECT 'pg_tablespace', oid, 'tablespace ' || pg_catalog.quote_ident(spcname)
    FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_'
  UNION ALL
  SELECT 'pg_database', oid, 'database'
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
),
own AS MATERIALIZED (
  SELECT n.class, n.oid, n.identity
    FROM named n LEFT JOIN member m
      ON m.objid = n.oid AND m.class = n.class
   WHERE m.objid IS NULL
),
relation AS MATERIALIZED (SELECT oid, identity FROM own WHERE class = 'pg_class')
SELECT class || ' ' || oid, identity FROM own
UNION ALL
SELECT 'pg_authid ' || oid, identity FROM own WHERE class = 'pg_roles'
UNION ALL
SELECT 'pg_attribute ' || a.attrelid || '.' || a.attnum, r.identity || ' column ' || pg_catalog.quote_ident(a.attname)
  FROM pg_catalog.pg_attribute a JOIN relation r ON r.oid = a.attrelid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND r.identity !~ '^sequence '
UNION ALL
SELECT 'pg_class ' || i.indexrelid,
       r.identity || CASE WHEN k.oid IS NULL THEN ' index ' || pg_catalog.quote_ident(c.relname)
                          ELSE ' constraint ' || pg_catalog.quote_ident(k.conname) END
  FROM pg_catalog.pg_index i
  JOIN relation r ON r.oid = i.indrelid
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  LEFT JOIN pg_catalog.pg_constraint k
    ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
UNION ALL
SELECT 'pg_constraint ' || k.oid,
       r.identity || CASE WHEN k.contype = 'f' AND up.oid IS NOT NULL
                          THEN ' inherited constraint ' || pg_catalog.quote_ident(up.conname)
                          ELSE ' constraint ' || pg_catalog.quote_ident(k.conname) END
  FROM pg_catalog.pg_constraint k
  JOIN relation r ON r.oid = k.conrelid
  LEFT JOIN pg_catalog.pg_constraint up ON up.oid = k.conparentid
 WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND (up.oid IS NULL OR up.confrelid = k.confrelid)
UNION ALL
SELECT 'pg_constraint ' || k.oid, o.identity || ' constraint ' || pg_catalog.quote_ident(k.conname)
  FROM pg_catalog.pg_constraint k JOIN own o ON o.class = 'pg_type' AND o.oid = k.contypid
 WHERE k.contype = 'c'
UNION ALL
SELECT 'pg_trigger ' || t.oid, r.identity || ' trigger ' || pg_catalog.quote_ident(t.tgname)
  FROM pg_catalog.pg_trigger t JOIN relation r ON r.oid = t.tgrelid
 WHERE NOT t.tgisinternal OR (t.tgparentid <> 0 AND t.tgconstraint = 0)
UNION ALL
SELECT 'pg_rewrite ' || w.oid, r.identity || ' rule ' || pg_catalog.quote_ident(w.rulename)
  FROM pg_catalog.pg_rewrite w JOIN relation r ON r.oid = w.ev_class
 WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_policy ' || p.oid, r.identity || ' policy ' || pg_catalog.quote_ident(p.polname)
  FROM pg_catalog.pg_policy p JOIN relation r ON r.oid = p.polrelid
UNION ALL
SELECT 'pg_statistic_ext ' || s.oid,
       r.identity || ' statistics ' || p.schema || pg_catalog.quote_ident(s.stxname)
  FROM pg_catalog.pg_statistic_ext s JOIN relation r ON r.oid = s.stxrelid JOIN place p ON p.oid = s.stxnamespace
UNION ALL
SELECT 'pg_publication_rel ' || x.oid, o.identity || ' table ' || pg_catalog.substring(r.identity, ' (.*)$')
  FROM pg_catalog.pg_publication_rel x
  JOIN own o ON o.class = 'pg_publication' AND o.oid = x.prpubid
  JOIN relation r ON r.oid = x.prrelid"#;
