//! What there is to have rights on, and all rights on it that are given to some roles.

use std::collections::BTreeMap;

use super::reach::Oid;
use super::right::{Kind, Right};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// Something that roles can have rights on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// What `pg_identify_object` calls it, for [`Kind::Other`].
    pub only_owned: String,
    /// Its oid.
    pub oid: Oid,
    /// Its schema; empty where the kind has none.
    pub schema: String,
    /// Its name. For default rights: of the role that makes the objects.
    pub name: String,
    /// The arguments of a function: `integer, text`.
    pub arguments: String,
    /// The role that owns it.
    pub owner: Oid,
    /// Whether it belongs to the server or to an extension, so that only what was changed counts.
    pub outside: bool,
    /// Whether it is outside and does not belong to whom the server or the extension gave it.
    pub moved: bool,
    /// The table whose column a sequence belongs to: whoever owns the table owns it.
    pub table: Option<Oid>,
}

impl Object {
    /// How SQL names it, with the kind where it is no table.
    #[must_use]
    pub fn show(&self) -> String {
        let named = || {
            QualifiedName {
                schema: self.schema.clone(),
                name: self.name.clone(),
            }
            .to_string()
        };
        match self.kind {
            Kind::Table => named(),
            Kind::Sequence | Kind::Type => format!("{} {}", self.kind.word(), named()),
            Kind::Function => format!("function {}({})", named(), self.arguments),
            Kind::Other => format!("{} {}", self.only_owned, self.name),
            Kind::LargeObject => format!("large object {}", self.name),
            kind if kind.is_default() => {
                let place = if self.schema.is_empty() {
                    String::new()
                } else {
                    format!(" in {}", quote_ident(&self.schema))
                };
                format!("{}{place} by role {}", kind.word(), quote_ident(&self.name))
            }
            kind => format!("{} {}", kind.word(), quote_ident(&self.name)),
        }
    }

    /// How GRANT and REVOKE name it.
    #[must_use]
    pub fn sql(&self) -> String {
        match self.kind {
            Kind::Table => self.show(),
            // Procedures and aggregates too.
            Kind::Function => self.show().replacen("function", "ROUTINE", 1),
            _ => {
                let shown = self.show();
                let (word, rest) = shown.split_at(self.kind.word().len().min(shown.len()));
                format!("{}{rest}", word.to_uppercase())
            }
        }
    }
}

/// One entry of one access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The object, by its place in [`World::objects`].
    pub object: usize,
    /// The column, where it is on one.
    pub column: Option<String>,
    /// The right, in capitals.
    pub privilege: String,
    /// The role that has it; `0` is PUBLIC.
    pub grantee: Oid,
    /// The role that gave it.
    pub grantor: Oid,
    /// Whether it may be handed on.
    pub grantable: bool,
    /// Whether the server or the extension itself gave it.
    pub initial: bool,
    /// Whether nobody gave it: it is PostgreSQL's default where no access list is kept.
    pub by_default: bool,
}

/// All objects of a database, and the rights given to the roles asked for and to PUBLIC.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The objects.
    pub objects: Vec<Object>,
    /// The rights.
    pub grants: Vec<Grant>,
    /// All schemas by name, for default rights.
    pub schemas: Vec<String>,
    /// The major version of the server.
    pub major: u64,
}

/// Everything that has an access list, one row each. Types without one of their own are left out:
/// arrays, multiranges, row types of tables. `public` came with the server, but belongs to its users. Of what
/// initdb grants on `information_schema` the server keeps no record.
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

/// Rights on parameters came with PostgreSQL 15.
const PARAMETERS: &str = "UNION ALL
  SELECT 'parameter', 'p', 'pg_catalog.pg_parameter_acl'::pg_catalog.regclass, oid, '', parname, '', 10,
         paracl, false
    FROM pg_catalog.pg_parameter_acl";

const OBJECTS: &str = "
SELECT t.kind, t.oid, t.schema, t.name, t.arguments, t.owner, t.outside, t.moved,
       (SELECT d.refobjid FROM pg_catalog.pg_depend d
         WHERE t.kind = 'sequence' AND d.classid = t.class AND d.objid = t.oid AND d.deptype IN ('a', 'i')
           AND d.refclassid = t.class LIMIT 1)
  FROM thing t ORDER BY t.kind, t.schema, t.name, t.arguments";

const GRANTS: &str = "
SELECT t.kind, t.oid, NULL, a.privilege_type, a.grantee, a.grantor, a.is_grantable,
       t.outside AND EXISTS (
         SELECT FROM pg_catalog.aclexplode(t.had) h
          WHERE h.grantee = a.grantee AND h.privilege_type = a.privilege_type
            AND h.is_grantable >= a.is_grantable),
       t.acl IS NULL
  FROM thing t, pg_catalog.aclexplode(t.has) a
 WHERE a.grantee IN ({grantees})
UNION ALL
SELECT t.kind, t.oid, c.attname, a.privilege_type, a.grantee, a.grantor, a.is_grantable,
       t.outside AND EXISTS (
         SELECT FROM pg_catalog.pg_init_privs i, pg_catalog.aclexplode(i.initprivs) h
          WHERE i.classoid = t.class AND i.objoid = t.oid AND i.objsubid = c.attnum
            AND h.grantee = a.grantee AND h.privilege_type = a.privilege_type
            AND h.is_grantable >= a.is_grantable),
       false
  FROM thing t
  JOIN pg_catalog.pg_attribute c ON c.attrelid = t.oid AND NOT c.attisdropped,
       pg_catalog.aclexplode(c.attacl) a
 WHERE t.kind = 'table' AND a.grantee IN ({grantees})";

/// Rights on what will be made. Whoever makes it owns it, so the maker's own say nothing; and what
/// PUBLIC has on every new function and type is no one's doing.
const DEFAULTS: &str = "
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'default tables' WHEN 'S' THEN 'default sequences'
            WHEN 'f' THEN 'default functions' WHEN 'T' THEN 'default types'
            WHEN 'n' THEN 'default schemas' ELSE 'default large objects' END,
       d.oid, coalesce(n.nspname, ''), pg_catalog.pg_get_userbyid(d.defaclrole), d.defaclrole,
       a.privilege_type, a.grantee, a.grantor, a.is_grantable,
       d.defaclnamespace = 0 AND a.grantee = 0 AND NOT a.is_grantable
         AND (d.defaclobjtype, a.privilege_type) IN (('f', 'EXECUTE'), ('T', 'USAGE'))
  FROM pg_catalog.pg_default_acl d
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace,
       pg_catalog.aclexplode(d.defaclacl) a
 WHERE a.grantee <> d.defaclrole AND a.grantee IN ({grantees})
 ORDER BY 1, 3, 4";

/// What else belongs to a role: it has no access list, but its owner can change and drop it.
const OWNED: &str = "
SELECT i.type, s.objid, coalesce(i.name, i.identity), s.refobjid
  FROM pg_catalog.pg_shdepend s, pg_catalog.pg_identify_object(s.classid, s.objid, s.objsubid) i
 WHERE s.deptype = 'o' AND s.refobjid IN ({grantees})
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

impl World {
    /// Reads everything that matters to `grantees`. `rights` are what the scenario says, since what it
    /// names exactly is looked at wherever it belongs.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(
        session: &mut Session,
        major: u64,
        grantees: &[Oid],
        rights: &[&Right],
    ) -> Result<Self, DatabaseError> {
        let mut world = Self {
            major,
            ..Self::default()
        };
        let parameters = if major >= 15 { PARAMETERS } else { "" };
        let things = THINGS
            .replace("{parameters}", parameters)
            .replace("{named}", &named(rights));
        let mut list: Vec<&str> = grantees.iter().map(String::as_str).collect();
        list.push("0");
        let list = list.join(", ");
        let mut places = BTreeMap::new();
        for row in session.rows(&format!("{things}{OBJECTS}")).await? {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            let word = text(0);
            let Some(kind) = kind(&word) else { continue };
            places.insert((word, text(1)), world.objects.len());
            world.objects.push(Object {
                kind,
                only_owned: String::new(),
                oid: text(1),
                schema: text(2),
                name: text(3),
                arguments: text(4),
                owner: text(5),
                outside: is_true(row.get(6)),
                moved: is_true(row.get(7)),
                table: row.get(8).cloned().flatten(),
            });
        }
        let grants = GRANTS.replace("{grantees}", &list);
        for row in session.rows(&format!("{things}{grants}")).await? {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            let Some(object) = places.get(&(text(0), text(1))) else {
                continue;
            };
            world.grants.push(Grant {
                object: *object,
                column: row.get(2).cloned().flatten(),
                privilege: text(3),
                grantee: text(4),
                grantor: text(5),
                grantable: is_true(row.get(6)),
                initial: is_true(row.get(7)),
                by_default: is_true(row.get(8)),
            });
        }
        world.read_defaults(session, &list).await?;
        world.read_unsaid(session, rights).await?;
        for row in session.rows(&OWNED.replace("{grantees}", &list)).await? {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            world.objects.push(Object {
                kind: Kind::Other,
                only_owned: text(0),
                oid: text(1),
                schema: String::new(),
                name: text(2),
                arguments: String::new(),
                owner: text(3),
                outside: false,
                moved: false,
                table: None,
            });
        }
        for row in session.rows(SCHEMAS).await? {
            world.schemas.extend(row.into_iter().next().flatten());
        }
        Ok(world)
    }

    async fn read_defaults(
        &mut self,
        session: &mut Session,
        grantees: &str,
    ) -> Result<(), DatabaseError> {
        let mut places: BTreeMap<Oid, usize> = BTreeMap::new();
        for row in session
            .rows(&DEFAULTS.replace("{grantees}", grantees))
            .await?
        {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            let Some(kind) = kind(&text(0)) else { continue };
            let object = *places.entry(text(1)).or_insert_with(|| {
                self.objects.push(Object {
                    kind,
                    only_owned: String::new(),
                    oid: text(1),
                    schema: text(2),
                    name: text(3),
                    arguments: String::new(),
                    // Nobody owns what is not there yet; its maker will.
                    owner: text(4),
                    outside: false,
                    moved: false,
                    table: None,
                });
                self.objects.len() - 1
            });
            self.grants.push(Grant {
                object,
                column: None,
                privilege: text(5),
                grantee: text(6),
                grantor: text(7),
                grantable: is_true(row.get(8)),
                initial: is_true(row.get(9)),
                by_default: false,
            });
        }
        Ok(())
    }
}

/// Whether a role has an access list of its own for what it makes in any schema.
const UNSAID: &str = "
SELECT r.oid, (SELECT pg_catalog.count(*) FROM pg_catalog.pg_default_acl d
                WHERE d.defaclrole = r.oid AND d.defaclnamespace = 0 AND d.defaclobjtype = {letter})
  FROM pg_catalog.pg_roles r WHERE r.rolname = {role}";

impl World {
    /// What PUBLIC may do with every new function and type counts for those roles of which the scenario
    /// says what is by default on theirs.
    async fn read_unsaid(
        &mut self,
        session: &mut Session,
        rights: &[&Right],
    ) -> Result<(), DatabaseError> {
        let mut seen = Vec::new();
        for right in rights {
            let (letter, privilege) = match right.kind {
                Kind::DefaultFunction => ("'f'", "EXECUTE"),
                Kind::DefaultType => ("'T'", "USAGE"),
                _ => continue,
            };
            let Some(maker) = right.by.as_ref().and_then(|by| by.exact()) else {
                continue;
            };
            if seen.contains(&(right.kind, maker)) {
                continue;
            }
            seen.push((right.kind, maker));
            for grant in &mut self.grants {
                let object = self.objects.get(grant.object);
                if object.is_some_and(|object| object.kind == right.kind && object.name == maker) {
                    grant.initial = false;
                }
            }
            let sql = UNSAID
                .replace("{letter}", letter)
                .replace("{role}", &quote_literal(maker));
            let rows = session.rows(&sql).await?;
            let Some([Some(oid), Some(said)]) = rows.first().map(Vec::as_slice) else {
                continue;
            };
            if said != "0" {
                continue;
            }
            self.objects.push(Object {
                kind: right.kind,
                only_owned: String::new(),
                oid: oid.clone(),
                schema: String::new(),
                name: maker.to_owned(),
                arguments: String::new(),
                owner: oid.clone(),
                outside: false,
                moved: false,
                table: None,
            });
            self.grants.push(Grant {
                object: self.objects.len() - 1,
                column: None,
                privilege: privilege.to_owned(),
                grantee: "0".to_owned(),
                grantor: oid.clone(),
                grantable: false,
                initial: false,
                by_default: true,
            });
        }
        Ok(())
    }
}

/// The kind that a row of a query is about.
fn kind(word: &str) -> Option<Kind> {
    const KINDS: &[Kind] = &[
        Kind::Database,
        Kind::Schema,
        Kind::Table,
        Kind::Sequence,
        Kind::Function,
        Kind::Type,
        Kind::Language,
        Kind::Server,
        Kind::Wrapper,
        Kind::LargeObject,
        Kind::Tablespace,
        Kind::Parameter,
        Kind::DefaultTable,
        Kind::DefaultSequence,
        Kind::DefaultFunction,
        Kind::DefaultType,
        Kind::DefaultSchema,
        Kind::DefaultLargeObject,
    ];
    KINDS.iter().copied().find(|kind| kind.word() == word)
}

/// Exact names, as rows of SQL.
fn named(rights: &[&Right]) -> String {
    let mut rows: Vec<String> = rights
        .iter()
        .flat_map(|right| right.names.iter().map(move |name| (right.kind, name)))
        .filter(|(kind, name)| name.is_exact(kind.in_schema()))
        .map(|(kind, name)| {
            format!(
                "({}, {}, {})",
                quote_literal(kind.word()),
                quote_literal(if kind.in_schema() {
                    name.schema.text()
                } else {
                    ""
                }),
                quote_literal(name.name.text())
            )
        })
        .collect();
    if rows.is_empty() {
        rows.push("('', '', '')".to_owned());
    }
    rows.join(", ")
}

/// Asks the server which functions the scenario means by their arguments.
///
/// # Errors
/// When a signature cannot be read, or the server is gone.
pub async fn resolve_functions(
    session: &mut Session,
    rights: &mut [Right],
) -> Result<(), DatabaseError> {
    for right in rights {
        for name in right.all_names_mut() {
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
                name.oid = Some(session.value(&sql).await?.unwrap_or_default());
            }
        }
    }
    Ok(())
}
