//! Roles: attributes, memberships, settings; tablespaces.

use super::{CatalogQuery, RestrictedQuery, unreadable};

pub(super) const QUERIES: &[CatalogQuery] = &[
    CatalogQuery::new(ROLES),
    CatalogQuery::new(ROLE_SETTINGS),
    CatalogQuery::new(MEMBERS_OF_ALL_OPTIONS).since(16),
    CatalogQuery::new(MEMBERS).until(15),
    CatalogQuery::new(TABLESPACES),
    CatalogQuery::new(TABLESPACE_OPTIONS),
];

const ROLES: &str = r#"
SELECT 'pg_roles ' || oid AS key,
       CASE WHEN rolsuper THEN 'yes' END AS superuser,
       CASE WHEN rolbypassrls THEN 'yes' END AS bypassrls,
       CASE WHEN rolcreaterole THEN 'yes' END AS createrole,
       CASE WHEN rolcreatedb THEN 'yes' END AS createdb,
       CASE WHEN rolreplication THEN 'yes' END AS replication,
       CASE WHEN rolcanlogin THEN 'yes' END AS login,
       CASE WHEN NOT rolinherit THEN 'yes' END AS noinherit,
       nullif(rolconnlimit, -1) AS "connection limit",
       rolvaliduntil AS "valid until"
  FROM pg_catalog.pg_roles"#;

const ROLE_SETTINGS: &str = r#"
SELECT 'pg_roles ' || s.setrole AS key, 'set ' || pg_catalog.split_part(c, '=', 1) AS property,
       CASE WHEN pg_catalog.split_part(c, '=', 1) ~* '(pass|secret|token|credential|key$)' THEN 'set, not shown'
            ELSE pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) END AS value
  FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
 WHERE s.setdatabase = 0"#;

/// Options of each membership, without the grantor; several grants of one membership are one.
const MEMBERS_OF_ALL_OPTIONS: &str = r#"
SELECT 'pg_roles ' || m.member AS key,
       'member of ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(m.roleid)) AS property,
       pg_catalog.concat_ws(', ', CASE WHEN pg_catalog.bool_or(m.admin_option) THEN 'admin' END,
         CASE WHEN pg_catalog.bool_or(m.inherit_option) THEN 'inherit' END,
         CASE WHEN pg_catalog.bool_or(m.set_option) THEN 'set' END) AS value
  FROM pg_catalog.pg_auth_members m GROUP BY m.member, m.roleid"#;

/// Before PostgreSQL 16 the attribute INHERIT of the member applies.
const MEMBERS: &str = r#"
SELECT 'pg_roles ' || m.member AS key,
       'member of ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(m.roleid)) AS property,
       pg_catalog.concat_ws(', ', CASE WHEN pg_catalog.bool_or(m.admin_option) THEN 'admin' END,
         CASE WHEN pg_catalog.bool_or(r.rolinherit) THEN 'inherit' END, 'set') AS value
  FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member GROUP BY m.member, m.roleid"#;

const TABLESPACES: &str = r#"
SELECT 'pg_tablespace ' || oid AS key, pg_catalog.pg_get_userbyid(spcowner) AS owner FROM pg_catalog.pg_tablespace"#;

const TABLESPACE_OPTIONS: &str = r#"
SELECT 'pg_tablespace ' || s.oid AS key, 'option ' || o.option_name AS property, o.option_value AS value
  FROM pg_catalog.pg_tablespace s, pg_catalog.pg_options_to_table(s.spcoptions) o"#;

/// The kind of the password, never the password.
pub(super) const PASSWORDS: RestrictedQuery = RestrictedQuery {
    what: unreadable::PASSWORDS,
    may_read: "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')",
    sql: r#"
SELECT 'pg_authid ' || oid AS key,
       CASE WHEN rolpassword IS NULL THEN NULL WHEN rolpassword ~ '^SCRAM-SHA-256\$' THEN 'scram-sha-256'
            WHEN rolpassword ~ '^md5' THEN 'md5' ELSE 'plain' END AS password
  FROM pg_catalog.pg_authid"#,
};
