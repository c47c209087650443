//! Functions, procedures, aggregates, and what uses them: operators, casts, languages, access methods.

use super::CatalogQuery;

pub(super) const QUERIES: &[CatalogQuery] = &[
    CatalogQuery::new(ROUTINES),
    CatalogQuery::new(SQL_BODIES).since(14),
    CatalogQuery::new(ROUTINE_SETTINGS),
    CatalogQuery::new(AGGREGATES),
    CatalogQuery::new(OPERATORS),
    CatalogQuery::new(OPERATOR_CLASSES),
    CatalogQuery::new(OPERATOR_FAMILIES),
    CatalogQuery::new(CASTS),
    CatalogQuery::new(LANGUAGES),
    CatalogQuery::new(TRANSFORMS),
    CatalogQuery::new(CONVERSIONS),
    CatalogQuery::new(ACCESS_METHODS),
];

/// Each clause is a property, so that a change names the clause. Defaults are left out.
const ROUTINES: &str = r#"
SELECT 'pg_proc ' || p.oid AS key,
       pg_catalog.pg_get_userbyid(p.proowner) AS owner,
       nullif(pg_catalog.pg_get_function_arguments(p.oid), '') AS arguments,
       CASE WHEN p.prokind <> 'p' THEN pg_catalog.pg_get_function_result(p.oid) END AS returns,
       CASE WHEN p.prokind <> 'a' THEN l.lanname END AS language,
       CASE WHEN p.prokind = 'a' OR p.prosrc = '' THEN NULL WHEN p.probin IS NULL THEN p.prosrc
            ELSE p.probin || ', ' || p.prosrc END AS body,
       CASE WHEN p.prokind = 'w' THEN 'yes' END AS "window",
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END AS parallel,
       CASE WHEN p.proisstrict THEN 'yes' END AS strict,
       CASE WHEN p.prosecdef THEN 'yes' END AS "security definer",
       CASE WHEN p.proleakproof THEN 'yes' END AS leakproof,
       CASE WHEN p.procost <> CASE WHEN l.lanname IN ('internal', 'c') THEN 1 ELSE 100 END
             AND p.prokind <> 'a' THEN p.procost END AS cost,
       CASE WHEN p.proretset AND p.prorows <> 1000 THEN p.prorows END AS rows,
       nullif(p.prosupport, 0)::pg_catalog.regproc AS support
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.oid >= 16384"#;

const SQL_BODIES: &str = r#"
SELECT 'pg_proc ' || oid AS key, pg_catalog.pg_get_function_sqlbody(oid) AS body
  FROM pg_catalog.pg_proc WHERE prosqlbody IS NOT NULL AND oid >= 16384"#;

const ROUTINE_SETTINGS: &str = r#"
SELECT 'pg_proc ' || p.oid AS key, 'set ' || pg_catalog.split_part(s, '=', 1) AS property,
       CASE WHEN pg_catalog.split_part(s, '=', 1) ~* '(pass|secret|token|credential|key$)' THEN 'set, not shown'
            ELSE pg_catalog.substr(s, pg_catalog.strpos(s, '=') + 1) END AS value
  FROM pg_catalog.pg_proc p, pg_catalog.unnest(p.proconfig) s
 WHERE p.oid >= 16384"#;

const AGGREGATES: &str = r#"
SELECT 'pg_proc ' || a.aggfnoid::pg_catalog.oid AS key,
       CASE a.aggkind WHEN 'o' THEN 'ordered set' WHEN 'h' THEN 'hypothetical set' END AS "aggregate kind",
       a.aggtransfn AS "state function",
       pg_catalog.format_type(a.aggtranstype, NULL) AS "state type",
       nullif(a.aggtransspace, 0) AS "state size",
       a.agginitval AS "initial state",
       nullif(a.aggfinalfn, 0)::pg_catalog.regproc AS "final function",
       nullif(a.aggfinalmodify, CASE a.aggkind WHEN 'n' THEN 'r' ELSE 'w' END::pg_catalog."char") AS "final function modifies",
       CASE WHEN a.aggfinalextra THEN 'yes' END AS "final function extra",
       nullif(a.aggcombinefn, 0)::pg_catalog.regproc AS "combine function",
       nullif(a.aggserialfn, 0)::pg_catalog.regproc AS "serial function",
       nullif(a.aggdeserialfn, 0)::pg_catalog.regproc AS "deserial function",
       nullif(a.aggmtransfn, 0)::pg_catalog.regproc AS "moving state function",
       nullif(a.aggminvtransfn, 0)::pg_catalog.regproc AS "moving inverse function",
       nullif(a.aggmfinalfn, 0)::pg_catalog.regproc AS "moving final function",
       CASE WHEN a.aggmtranstype <> 0 THEN pg_catalog.format_type(a.aggmtranstype, NULL) END AS "moving state type",
       a.aggminitval AS "moving initial state",
       CASE WHEN a.aggsortop <> 0 THEN a.aggsortop::pg_catalog.regoperator END AS "sort operator"
  FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid >= 16384"#;

const OPERATORS: &str = r#"
SELECT 'pg_operator ' || o.oid AS key,
       pg_catalog.pg_get_userbyid(o.oprowner) AS owner,
       o.oprcode AS function,
       pg_catalog.format_type(nullif(o.oprresult, 0), NULL) AS returns,
       CASE WHEN o.oprcom <> 0 THEN o.oprcom::pg_catalog.regoperator END AS commutator,
       CASE WHEN o.oprnegate <> 0 THEN o.oprnegate::pg_catalog.regoperator END AS negator,
       nullif(o.oprrest, 0)::pg_catalog.regproc AS "restriction estimator",
       nullif(o.oprjoin, 0)::pg_catalog.regproc AS "join estimator",
       CASE WHEN o.oprcanhash THEN 'yes' END AS hashes,
       CASE WHEN o.oprcanmerge THEN 'yes' END AS merges
  FROM pg_catalog.pg_operator o WHERE o.oid >= 16384"#;

const OPERATOR_CLASSES: &str = r#"
SELECT 'pg_opclass ' || o.oid AS key,
       pg_catalog.pg_get_userbyid(o.opcowner) AS owner,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(f.opfname) AS family,
       pg_catalog.format_type(o.opcintype, NULL) AS type,
       CASE WHEN o.opckeytype <> 0 THEN pg_catalog.format_type(o.opckeytype, NULL) END AS "key type",
       CASE WHEN o.opcdefault THEN 'yes' END AS "default"
  FROM pg_catalog.pg_opclass o
  JOIN pg_catalog.pg_opfamily f ON f.oid = o.opcfamily
  JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace
 WHERE o.oid >= 16384"#;

const OPERATOR_FAMILIES: &str = r#"
SELECT 'pg_opfamily ' || f.oid AS key,
       pg_catalog.pg_get_userbyid(f.opfowner) AS owner,
       (SELECT pg_catalog.string_agg(
                 o.amopstrategy || ' ' || o.amopopr::pg_catalog.regoperator
                   || CASE WHEN o.amopsortfamily <> 0 THEN ' for order by' ELSE '' END, E'\n'
                 ORDER BY o.amoplefttype::pg_catalog.regtype::pg_catalog.text COLLATE "C",
                          o.amoprighttype::pg_catalog.regtype::pg_catalog.text COLLATE "C", o.amopstrategy)
          FROM pg_catalog.pg_amop o WHERE o.amopfamily = f.oid) AS operators,
       (SELECT pg_catalog.string_agg(
                 p.amprocnum || ' (' || pg_catalog.format_type(p.amproclefttype, NULL) || ', '
                   || pg_catalog.format_type(p.amprocrighttype, NULL) || ') ' || p.amproc::pg_catalog.oid::pg_catalog.regprocedure, E'\n'
                 ORDER BY p.amproclefttype::pg_catalog.regtype::pg_catalog.text COLLATE "C",
                          p.amprocrighttype::pg_catalog.regtype::pg_catalog.text COLLATE "C", p.amprocnum)
          FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = f.oid) AS functions
  FROM pg_catalog.pg_opfamily f WHERE f.oid >= 16384"#;

const CASTS: &str = r#"
SELECT 'pg_cast ' || oid AS key,
       CASE castmethod WHEN 'f' THEN castfunc::pg_catalog.regprocedure::pg_catalog.text
                       WHEN 'i' THEN 'by text' ELSE 'binary coercible' END AS method,
       CASE castcontext WHEN 'a' THEN 'assignment' WHEN 'i' THEN 'implicit' ELSE 'explicit' END AS context
  FROM pg_catalog.pg_cast WHERE oid >= 16384"#;

const LANGUAGES: &str = r#"
SELECT 'pg_language ' || oid AS key,
       pg_catalog.pg_get_userbyid(lanowner) AS owner,
       CASE WHEN lanpltrusted THEN 'yes' ELSE 'no' END AS trusted,
       nullif(lanplcallfoid, 0)::pg_catalog.regproc AS handler,
       nullif(laninline, 0)::pg_catalog.regproc AS inline,
       nullif(lanvalidator, 0)::pg_catalog.regproc AS validator
  FROM pg_catalog.pg_language WHERE oid >= 16384"#;

const TRANSFORMS: &str = r#"
SELECT 'pg_transform ' || oid AS key,
       nullif(trffromsql, 0)::pg_catalog.regproc AS "from sql", nullif(trftosql, 0)::pg_catalog.regproc AS "to sql"
  FROM pg_catalog.pg_transform"#;

const CONVERSIONS: &str = r#"
SELECT 'pg_conversion ' || oid AS key,
       pg_catalog.pg_get_userbyid(conowner) AS owner,
       pg_catalog.pg_encoding_to_char(conforencoding) AS "from",
       pg_catalog.pg_encoding_to_char(contoencoding) AS "to",
       conproc AS function,
       CASE WHEN condefault THEN 'yes' END AS "default"
  FROM pg_catalog.pg_conversion WHERE oid >= 16384"#;

const ACCESS_METHODS: &str = r#"
SELECT 'pg_am ' || oid AS key, amhandler AS handler,
       CASE amtype WHEN 't' THEN 'table' ELSE 'index' END AS type
  FROM pg_catalog.pg_am WHERE oid >= 16384"#;
