//! Reads facts about rights from the system catalogs.

use std::collections::BTreeMap;

use super::class::ObjectClass;
use super::effective::Actor;
use super::entry::Right;
use super::facts::{Facts, GrantFacts, MembershipOptions, ObjectFacts, RoleFacts, Roles};
use crate::database::{DatabaseError, Session, TextRow, is_true};
use crate::sql::{quote_ident, quote_literal};

/// An object that is read even if it belongs to the server or to an extension and is unchanged; of default privileges the
/// role that creates the objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The class of the object.
    pub class: ObjectClass,
    /// Its schema, unquoted; empty where the class has none.
    pub schema: String,
    /// Its name, unquoted.
    pub name: String,
}

const ROLES: &str = "
SELECT rolname, rolsuper, rolbypassrls, rolcreaterole FROM pg_catalog.pg_roles";

/// Before PostgreSQL 16 the attribute INHERIT of the member applies to all of its memberships.
const MEMBERS: &str = "
SELECT u.rolname, r.rolname, pg_catalog.bool_or(m.admin_option),
       pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool, u.rolinherit)),
       pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool, true))
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles u ON u.oid = m.member
  JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
 GROUP BY 1, 2";

const DATABASE_OWNER: &str = "
SELECT pg_catalog.pg_get_userbyid(datdba)
  FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";

impl RoleFacts {
    /// Reads one role; `None` if it does not exist.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(session: &mut Session, role: &str) -> Result<Option<Self>, DatabaseError> {
        let sql = format!("{ROLES} WHERE rolname = {}", quote_literal(role));
        Ok(session.rows(&sql).await?.first().map(Self::of_row))
    }

    fn of_row(row: &TextRow) -> Self {
        Self {
            name: text(row, 0),
            superuser: is_true(row.get(1)),
            bypass_rls: is_true(row.get(2)),
            create_role: is_true(row.get(3)),
        }
    }
}

impl Roles {
    /// Reads all roles and memberships.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(session: &mut Session) -> Result<Self, DatabaseError> {
        let (all, members) = (session.rows(ROLES).await?, session.rows(MEMBERS).await?);
        let owner = session.value(DATABASE_OWNER).await?.unwrap_or_default();
        Ok(Self::of_rows(&all, &members, &owner))
    }

    /// Builds them from the rows of [`ROLES`] and [`MEMBERS`] and the name of the database's owner.
    pub(crate) fn of_rows(all: &[TextRow], members: &[TextRow], owner: &str) -> Self {
        let all = all.iter().map(RoleFacts::of_row);
        let mut roles = Self {
            all: all.map(|role| (role.name.clone(), role)).collect(),
            ..Self::default()
        };
        for row in members {
            let options = MembershipOptions {
                admin: is_true(row.get(2)),
                inherit: is_true(row.get(3)),
                set: is_true(row.get(4)),
            };
            roles.add_member(&text(row, 0), &text(row, 1), options);
        }
        roles.add_database_owner(owner);
        roles
    }
}

/// All objects with an access list, one row each, except arrays, multiranges and row types of tables. `public` counts as a
/// schema of users. The server does not record what initdb grants on `information_schema`.
const THINGS: &str = "
WITH member AS MATERIALIZED (
  SELECT d.classid, d.objid, e.extowner
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
   WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
),
raw(kind, letter, class, oid, schema, name, arguments, owner, acl, base) AS (
  SELECT 'database', 'd', 'pg_catalog.pg_database'::pg_catalog.regclass, oid, '', datname::pg_catalog.text,
         '', datdba, datacl, false
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
  UNION ALL
  SELECT 'schema', 'n', 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, '', nspname, '', nspowner,
         nspacl, oid < 16384 AND nspname <> 'public'
    FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp_)'
  UNION ALL
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END,
         'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, n.nspname, c.relname, '', c.relowner, c.relacl,
         c.oid < 16384
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(toast|temp_)'
  UNION ALL
  SELECT 'function', 'f', 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, n.nspname, p.proname,
         CASE WHEN p.oid < 16384 AND p.proacl IS NULL THEN '' ELSE pg_catalog.oidvectortypes(p.proargtypes) END,
         p.proowner, p.proacl, p.oid < 16384
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE n.nspname !~ '^pg_temp_'
  UNION ALL
  SELECT 'type', 'T', 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, n.nspname, t.typname, '', t.typowner,
         t.typacl, t.oid < 16384
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r') AND t.typisdefined AND n.nspname !~ '^pg_(toast|temp_)'
     AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))
     AND NOT (t.typelem <> 0 AND EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid))
  UNION ALL
  SELECT 'language', 'l', 'pg_catalog.pg_language'::pg_catalog.regclass, oid, '', lanname, '', lanowner,
         lanacl, oid < 16384
    FROM pg_catalog.pg_language
  UNION ALL
  SELECT 'foreign server', 'S', 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, '', srvname, '',
         srvowner, srvacl, false
    FROM pg_catalog.pg_foreign_server
  UNION ALL
  SELECT 'foreign data wrapper', 'F', 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, '',
         fdwname, '', fdwowner, fdwacl, false
    FROM pg_catalog.pg_foreign_data_wrapper
  UNION ALL
  SELECT 'large object', 'L', 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid, '', oid::pg_catalog.text,
         '', lomowner, lomacl, false
    FROM pg_catalog.pg_largeobject_metadata
  UNION ALL
  SELECT 'tablespace', 't', 'pg_catalog.pg_tablespace'::pg_catalog.regclass, oid, '', spcname, '', spcowner,
         spcacl, oid < 16384
    FROM pg_catalog.pg_tablespace
  {parameters}
),
thing AS MATERIALIZED (
  SELECT r.*, r.base OR m.objid IS NOT NULL AS outside,
         r.owner <> 10 AND r.owner IS DISTINCT FROM m.extowner AS moved,
         coalesce(r.acl, pg_catalog.acldefault(r.letter::\"char\", r.owner)) AS has,
         coalesce(i.initprivs, pg_catalog.acldefault(r.letter::\"char\", r.owner)
           || CASE WHEN r.base AND 'information_schema' IN (r.schema, r.name)
                   THEN ARRAY[pg_catalog.makeaclitem(0, r.owner, CASE r.kind WHEN 'schema' THEN 'USAGE' ELSE 'SELECT' END, false)]
              END) AS had
    FROM raw r
    LEFT JOIN member m ON m.classid = r.class AND m.objid = r.oid
    LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = r.class AND i.objoid = r.oid AND i.objsubid = 0
   WHERE NOT (r.base OR m.objid IS NOT NULL)
      OR r.acl::pg_catalog.text IS DISTINCT FROM i.initprivs::pg_catalog.text
      OR (r.owner <> 10 AND r.owner IS DISTINCT FROM m.extowner)
      OR (r.kind, r.schema, r.name) IN ({named})
      OR (r.kind = 'table' AND r.oid IN (
            SELECT a.attrelid FROM pg_catalog.pg_attribute a
              LEFT JOIN pg_catalog.pg_init_privs c ON c.objoid = a.attrelid AND c.objsubid = a.attnum
               AND c.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
             WHERE a.attacl IS NOT NULL AND a.attacl::pg_catalog.text IS DISTINCT FROM c.initprivs::pg_catalog.text))
)";

/// Rights on parameters exist since PostgreSQL 15.
const PARAMETERS: &str = "UNION ALL
  SELECT 'parameter', 'p', 'pg_catalog.pg_parameter_acl'::pg_catalog.regclass, oid, '', parname, '', 10,
         paracl, false
    FROM pg_catalog.pg_parameter_acl";

/// The roles whose rights are read, and PUBLIC.
const GRANTEES: &str = "
grantee(oid, name) AS (
  SELECT 0::pg_catalog.oid, NULL::pg_catalog.name
  UNION ALL
  SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname IN ({grantees})
)";

const OBJECTS: &str = "
SELECT t.kind, t.oid, t.schema, t.name, t.arguments, pg_catalog.pg_get_userbyid(t.owner), t.outside, t.moved,
       t.kind = 'sequence' AND EXISTS (
         SELECT FROM pg_catalog.pg_depend d
          WHERE d.classid = t.class AND d.objid = t.oid AND d.deptype IN ('a', 'i') AND d.refclassid = t.class)
  FROM thing t ORDER BY t.kind, t.schema, t.name, t.arguments";

const GRANTS: &str = "
SELECT t.kind, t.oid, NULL, a.privilege_type, g.name,
       CASE WHEN t.acl IS NOT NULL THEN pg_catalog.pg_get_userbyid(a.grantor) END, a.is_grantable,
       t.outside AND EXISTS (
         SELECT FROM pg_catalog.aclexplode(t.had) h
          WHERE h.grantee = a.grantee AND h.privilege_type = a.privilege_type
            AND h.is_grantable >= a.is_grantable),
       t.acl IS NULL
  FROM thing t, pg_catalog.aclexplode(t.has) a JOIN grantee g ON g.oid = a.grantee
UNION ALL
SELECT t.kind, t.oid, c.attname, a.privilege_type, g.name, pg_catalog.pg_get_userbyid(a.grantor), a.is_grantable,
       t.outside AND EXISTS (
         SELECT FROM pg_catalog.pg_init_privs i, pg_catalog.aclexplode(i.initprivs) h
          WHERE i.classoid = t.class AND i.objoid = t.oid AND i.objsubid = c.attnum
            AND h.grantee = a.grantee AND h.privilege_type = a.privilege_type
            AND h.is_grantable >= a.is_grantable),
       false
  FROM thing t
  JOIN pg_catalog.pg_attribute c ON c.attrelid = t.oid AND NOT c.attisdropped,
       pg_catalog.aclexplode(c.attacl) a JOIN grantee g ON g.oid = a.grantee
 WHERE t.kind = 'table'";

/// Default privileges: a row for each grant, as in [`GRANTS`], or one row without a right where no grant is to one of the
/// roles. Grants to the creator, who owns the object, are left out; what PUBLIC has by default on functions and types is
/// marked as initial.
const DEFAULTS: &str = "
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'default tables' WHEN 'S' THEN 'default sequences'
            WHEN 'f' THEN 'default functions' WHEN 'T' THEN 'default types'
            WHEN 'n' THEN 'default schemas' ELSE 'default large objects' END,
       d.oid, NULL, a.privilege_type, a.name, pg_catalog.pg_get_userbyid(a.grantor), a.is_grantable,
       d.defaclnamespace = 0 AND a.grantee = 0 AND NOT a.is_grantable
         AND (d.defaclobjtype, a.privilege_type) IN (('f', 'EXECUTE'), ('T', 'USAGE')),
       false, coalesce(n.nspname, ''), pg_catalog.pg_get_userbyid(d.defaclrole)
  FROM pg_catalog.pg_default_acl d
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
  LEFT JOIN LATERAL (SELECT * FROM pg_catalog.aclexplode(d.defaclacl) e JOIN grantee g ON g.oid = e.grantee) a
    ON a.grantee <> d.defaclrole
 ORDER BY 1, 10, 11";

/// Other objects of the roles: without an access list, but the owner can change and drop them.
const OWNED: &str = "
SELECT i.type, s.objid, coalesce(i.name, i.identity), g.name
  FROM pg_catalog.pg_shdepend s JOIN grantee g ON g.oid = s.refobjid,
       pg_catalog.pg_identify_object(s.classid, s.objid, s.objsubid) i
 WHERE s.deptype = 'o'
   AND (s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        OR EXISTS (SELECT FROM pg_catalog.pg_subscription u
                    WHERE s.classid = 'pg_catalog.pg_subscription'::pg_catalog.regclass AND u.oid = s.objid
                      AND u.subdbid = (SELECT oid FROM pg_catalog.pg_database
                                        WHERE datname = pg_catalog.current_database())))
   AND i.type IN ('publication', 'subscription', 'event trigger', 'extension', 'collation', 'conversion',
                  'operator class', 'operator family', 'operator', 'statistics object',
                  'text search configuration', 'text search dictionary')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = s.classid AND d.objid = s.objid AND d.deptype = 'e')
 ORDER BY 1, 3";

const SCHEMAS: &str = "
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'";

/// The results of the queries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    /// Rows of [`OBJECTS`].
    pub objects: Vec<TextRow>,
    /// Rows of [`GRANTS`].
    pub grants: Vec<TextRow>,
    /// Rows of [`DEFAULTS`].
    pub defaults: Vec<TextRow>,
    /// Rows of [`OWNED`].
    pub owned: Vec<TextRow>,
    /// Rows of [`SCHEMAS`].
    pub schemas: Vec<TextRow>,
}

impl Facts {
    /// Reads all objects, with the grants that concern `actors`. Objects of the server and of extensions are read if their
    /// rights or owner were changed, or if they are `named`. Without actors nothing is read.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(
        session: &mut Session,
        roles: &Roles,
        actors: &[Actor<'_>],
        named: &[Named],
    ) -> Result<Self, DatabaseError> {
        if actors.is_empty() {
            return Ok(Self::default());
        }
        let major = session.major_version().await?;
        let mut grantees: Vec<String> = actors
            .iter()
            .flat_map(|actor| actor.paths.keys())
            .map(|name| quote_literal(name))
            .collect();
        grantees.sort();
        grantees.dedup();
        let grantees = GRANTEES.replace("{grantees}", &grantees.join(", "));
        let things = THINGS
            .replace("{parameters}", if major >= 15 { PARAMETERS } else { "" })
            .replace("{named}", &rows_of(named));
        let answers = Answers {
            objects: session.rows(&format!("{things}{OBJECTS}")).await?,
            grants: session
                .rows(&format!("{things},{grantees}{GRANTS}"))
                .await?,
            defaults: session.rows(&format!("WITH {grantees}{DEFAULTS}")).await?,
            owned: session.rows(&format!("WITH {grantees}{OWNED}")).await?,
            schemas: session.rows(SCHEMAS).await?,
        };
        Ok(Self::of_answers(&answers, roles, named, major))
    }

    /// Builds the facts from the results of the queries.
    pub(crate) fn of_answers(
        answers: &Answers,
        roles: &Roles,
        named: &[Named],
        major: u64,
    ) -> Self {
        let mut facts = Self {
            schemas: answers.schemas.iter().map(|row| text(row, 0)).collect(),
            major,
            ..Self::default()
        };
        let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
        for row in &answers.objects {
            let Some(class) = ObjectClass::of_word(&text(row, 0)) else {
                continue;
            };
            places.insert((text(row, 0), text(row, 1)), facts.objects.len());
            facts.objects.push(ObjectFacts {
                schema: text(row, 2),
                name: text(row, 3),
                arguments: text(row, 4),
                owner: text(row, 5),
                outside: is_true(row.get(6)),
                moved: is_true(row.get(7)),
                of_column: is_true(row.get(8)),
                ..ObjectFacts::new(class, text(row, 1))
            });
        }
        // Default privileges are an object whose owner is the creator.
        for row in &answers.defaults {
            let Some(class) = ObjectClass::of_word(&text(row, 0)) else {
                continue;
            };
            places
                .entry((text(row, 0), text(row, 1)))
                .or_insert_with(|| {
                    facts.objects.push(ObjectFacts {
                        schema: text(row, 9),
                        name: text(row, 10),
                        owner: text(row, 10),
                        ..ObjectFacts::new(class, text(row, 1))
                    });
                    facts.objects.len() - 1
                });
        }
        for row in answers.grants.iter().chain(&answers.defaults) {
            let place = places.get(&(text(row, 0), text(row, 1)));
            let object = place.and_then(|at| facts.objects.get_mut(*at));
            if let (Some(object), Some(Some(privilege))) = (object, row.get(3)) {
                object.grants.push(GrantFacts {
                    column: row.get(2).cloned().flatten(),
                    privilege: privilege.clone(),
                    grantee: row.get(4).cloned().flatten(),
                    grantor: text(row, 5),
                    grantable: is_true(row.get(6)),
                    initial: is_true(row.get(7)),
                    by_default: is_true(row.get(8)),
                });
            }
        }
        facts.count_defaults_of_public(roles, named);
        facts
            .objects
            .retain(|object| !object.class.is_default() || !object.grants.is_empty());
        facts
            .objects
            .extend(answers.owned.iter().map(|row| ObjectFacts {
                only_owned: text(row, 0),
                name: text(row, 2),
                owner: text(row, 3),
                ..ObjectFacts::new(ObjectClass::Other, text(row, 1))
            }));
        facts
    }

    /// What PUBLIC has by default on functions and types counts for creators that are named.
    fn count_defaults_of_public(&mut self, roles: &Roles, named: &[Named]) {
        for creator in named {
            let privilege = match creator.class {
                ObjectClass::DefaultFunction => "EXECUTE",
                ObjectClass::DefaultType => "USAGE",
                _ => continue,
            };
            let mut everywhere = false;
            for object in &mut self.objects {
                if object.class == creator.class && object.name == creator.name {
                    everywhere |= object.schema.is_empty();
                    for grant in &mut object.grants {
                        grant.initial = false;
                    }
                }
            }
            // Without default privileges for all schemas, those of PostgreSQL apply.
            if !everywhere && roles.all.contains_key(&creator.name) {
                self.objects.push(ObjectFacts {
                    name: creator.name.clone(),
                    owner: creator.name.clone(),
                    grants: vec![GrantFacts {
                        privilege: privilege.to_owned(),
                        by_default: true,
                        ..GrantFacts::default()
                    }],
                    ..ObjectFacts::new(creator.class, String::new())
                });
            }
        }
    }
}

fn text(row: &TextRow, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

/// Names as rows of an SQL list.
fn rows_of(named: &[Named]) -> String {
    let mut rows = vec!["('', '', '')".to_owned()];
    rows.extend(named.iter().map(|one| {
        let values = [one.class.word(), &one.schema, &one.name].map(quote_literal);
        format!("({})", values.join(", "))
    }));
    rows.join(", ")
}

/// Resolves the functions that a scenario names with arguments.
///
/// # Errors
/// When a signature cannot be parsed, or the connection is lost.
pub async fn resolve_functions(
    session: &mut Session,
    rights: &mut [Right],
) -> Result<(), DatabaseError> {
    for name in rights.iter_mut().flat_map(Right::all_names_mut) {
        if let Some(arguments) = &name.arguments {
            let function = format!(
                "{}.{}({arguments})",
                quote_ident(name.schema.text()),
                quote_ident(name.name.text())
            );
            let sql = format!(
                "SELECT pg_catalog.to_regprocedure({})::pg_catalog.oid",
                quote_literal(&function)
            );
            name.id = Some(session.value(&sql).await?.unwrap_or_default());
        }
    }
    Ok(())
}
