//! Effective rights: what is read in a session and from a catalog gives the same answers, which are the server's own.

use std::collections::{BTreeMap, BTreeSet};

use redrill::catalog::{self, Catalog};
use redrill::database::{Session, is_true};
use redrill::rights::{Actor, Facts, ObjectClass, ObjectFacts, RoleFacts, Roles};

use crate::support::{Plur, on_empty, on_plur};

/// Roles that inherit and do not, names in quotes, owners without rights of their own, every way to a right.
const SCENE: &str = "
CREATE ROLE base; CREATE ROLE mid; CREATE ROLE deaf NOINHERIT; CREATE ROLE app LOGIN; CREATE ROLE \"Shop Owner\";
CREATE ROLE stranger; CREATE ROLE writer; CREATE ROLE lead; CREATE ROLE root SUPERUSER; CREATE ROLE heir;
GRANT base TO mid; GRANT mid TO app; GRANT mid TO deaf; GRANT pg_read_all_data TO stranger; GRANT root TO heir;
GRANT pg_write_all_data TO writer; GRANT \"Shop Owner\" TO lead WITH ADMIN OPTION; GRANT writer TO deaf;
ALTER DATABASE plur OWNER TO lead; REVOKE CONNECT ON DATABASE plur FROM PUBLIC; GRANT CONNECT ON DATABASE plur TO mid;
CREATE SCHEMA s AUTHORIZATION \"Shop Owner\"; GRANT USAGE ON SCHEMA s TO mid; GRANT CREATE ON SCHEMA public TO base;
CREATE TABLE s.t (a int, \"B c\" int); CREATE TABLE s.u (a serial); CREATE VIEW s.v AS SELECT 1 AS a;
CREATE TABLE s.p (a int) PARTITION BY LIST (a); CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES IN (1);
CREATE TABLE s.\"t index x\" (a int); CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS a; CREATE SEQUENCE s.q;
CREATE FUNCTION s.f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE s.g() LANGUAGE sql AS 'SELECT 1';
CREATE TYPE s.mood AS ENUM ('a'); REVOKE USAGE ON TYPE s.mood FROM PUBLIC; REVOKE EXECUTE ON FUNCTION s.f FROM PUBLIC;
ALTER TABLE s.t OWNER TO \"Shop Owner\"; ALTER TABLE s.u OWNER TO base; ALTER TABLE s.p1 OWNER TO mid;
ALTER TABLE s.m OWNER TO root; ALTER FUNCTION s.f OWNER TO base;
GRANT SELECT, UPDATE (\"B c\") ON s.t TO base; GRANT INSERT ON s.t TO PUBLIC; GRANT DELETE, TRIGGER ON s.v TO app;
GRANT TRUNCATE ON s.p TO deaf; REVOKE UPDATE ON s.u FROM base; GRANT SELECT ON s.u TO app WITH GRANT OPTION;
GRANT REFERENCES ON s.\"t index x\" TO \"Shop Owner\"; GRANT UPDATE ON SEQUENCE s.q TO mid; GRANT EXECUTE ON FUNCTION s.f TO deaf;
";

/// Memberships with options, since PostgreSQL 16.
const OPTIONS: &str = "
CREATE ROLE idle; GRANT \"Shop Owner\" TO idle WITH INHERIT FALSE, SET FALSE;
CREATE ROLE below; GRANT lead TO below WITH INHERIT FALSE, SET FALSE;
CREATE ROLE above; GRANT lead TO above WITH INHERIT TRUE, SET FALSE;
CREATE ROLE only_set; GRANT base TO only_set WITH INHERIT FALSE, SET TRUE;
";

/// Who may do what as the server says: role, class, schema, object with its arguments, right.
const SERVER: &str = "
SELECT r.rolname, 'table', n.nspname, c.relname, p, pg_catalog.has_table_privilege(r.oid, c.oid, p)
  FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest({table}) p
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT r.rolname, 'sequence', n.nspname, c.relname, p, pg_catalog.has_sequence_privilege(r.oid, c.oid, p)
  FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) p
 WHERE c.relkind = 'S'
UNION ALL
SELECT r.rolname, 'function', n.nspname, f.proname || '(' || oidvectortypes(f.proargtypes) || ')', 'EXECUTE',
       pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE')
  FROM pg_roles r, pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT r.rolname, 'type', n.nspname, t.typname, 'USAGE', pg_catalog.has_type_privilege(r.oid, t.oid, 'USAGE')
  FROM pg_roles r, pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT r.rolname, 'schema', '', n.nspname, p, pg_catalog.has_schema_privilege(r.oid, n.oid, p)
  FROM pg_roles r, pg_namespace n, unnest(ARRAY['USAGE', 'CREATE']) p
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT r.rolname, 'database', '', '', p, pg_catalog.has_database_privilege(r.oid, current_database(), p)
  FROM pg_roles r, unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) p";

/// The same of columns: role, schema, table, column, right.
const COLUMNS: &str = "
SELECT r.rolname, n.nspname, c.relname, a.attname, p, pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, p)
  FROM pg_roles r, pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Whether a role has the rights of another, and can become it.
const ROLES: &str = "
SELECT a.rolname, b.rolname, pg_catalog.pg_has_role(a.oid, b.oid, 'USAGE'), pg_catalog.pg_has_role(a.oid, b.oid, {set})
  FROM pg_roles a, pg_roles b WHERE NOT a.rolsuper AND a.oid <> b.oid";

/// Roles and objects, as one of the readers knows them.
struct Known {
    roles: Roles,
    facts: Facts,
}

type Key = (ObjectClass, String, String);

impl Known {
    /// The objects by class, schema and name with arguments; of the database there is one.
    fn objects(&self) -> BTreeMap<Key, &ObjectFacts> {
        let objects = self.facts.objects.iter().filter(|object| !object.outside);
        objects
            .map(|object| {
                let name = match object.class {
                    ObjectClass::Database => String::new(),
                    ObjectClass::Function => format!("{}({})", object.name, object.arguments),
                    _ => object.name.clone(),
                };
                ((object.class, object.schema.clone(), name), object)
            })
            .collect()
    }
}

/// Reads both and compares them with each other, and with the server in every role, object and right.
async fn agree(plur: &Plur) {
    let mut session = plur.server.session("plur").await.unwrap();
    let roles = Roles::read(&mut session).await.unwrap();
    let actors: Vec<Actor<'_>> = roles
        .all
        .values()
        .map(|role| Actor::new(&roles, role))
        .collect();
    let facts = Facts::read(&mut session, &roles, &actors, &[])
        .await
        .unwrap();
    drop(actors);
    let of_session = Known { roles, facts };
    let catalog = Catalog::read(&mut session).await.unwrap();
    let of_catalog = Known {
        roles: catalog::rights::roles(&catalog),
        facts: catalog::rights::facts(&catalog),
    };
    assert_eq!(of_session.facts.major, of_catalog.facts.major);

    // What a role has: right, column, whether at once, whether it may be granted on.
    let own = || {
        of_session
            .roles
            .all
            .values()
            .filter(|role| !role.is_predefined())
    };
    let (one, other) = (of_session.objects(), of_catalog.objects());
    let rights = |known: &Known,
                  role: &RoleFacts,
                  object: &ObjectFacts|
     -> BTreeSet<(String, Option<String>, String, bool)> {
        let actor = Actor::new(&known.roles, &known.roles.all[&role.name]);
        let rights = actor.rights_on(object).into_iter();
        rights
            .map(|held| {
                let path = held.path.describe().replace(" by PostgreSQL's default", "");
                (
                    held.privilege.to_owned(),
                    held.column.map(str::to_owned),
                    path,
                    held.grantable,
                )
            })
            .collect()
    };
    let mut compared = 0;
    for (key, object) in &other {
        if object.owner.is_empty()
            || matches!(key.0, ObjectClass::Other | ObjectClass::LargeObject)
            || key.0.is_default()
        {
            continue;
        }
        let same = one
            .get(key)
            .unwrap_or_else(|| panic!("{key:?} is in the catalog alone"));
        for role in own() {
            assert_eq!(
                rights(&of_session, role, same),
                rights(&of_catalog, role, object),
                "{} on {key:?}",
                role.name
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");

    let text = |row: &[Option<String>], at: usize| row[at].clone().unwrap_or_default();
    for (known, objects) in [(&of_session, &one), (&of_catalog, &other)] {
        let role = |name: &str| {
            known
                .roles
                .all
                .get(name)
                .filter(|role| !role.is_predefined())
        };
        let all: BTreeMap<&str, Actor<'_>> = known
            .roles
            .all
            .iter()
            .map(|(name, role)| (name.as_str(), Actor::new(&known.roles, role)))
            .collect();
        let table: Vec<String> = ObjectClass::Table
            .all(known.facts.major)
            .iter()
            .map(|right| format!("'{right}'"))
            .collect();
        let sql = SERVER.replace("{table}", &format!("ARRAY[{}]", table.join(", ")));
        let mut answers = 0;
        for row in session.rows(&sql).await.unwrap() {
            let key = (
                ObjectClass::of_word(&text(&row, 1)).unwrap(),
                text(&row, 2),
                text(&row, 3),
            );
            if let (Some(role), Some(object)) = (role(&text(&row, 0)), objects.get(&key)) {
                let has = all[role.name.as_str()].has(object, &text(&row, 4), None, false);
                assert_eq!(has, is_true(row.get(5)), "{row:?}");
                answers += 1;
            }
        }
        for row in session.rows(COLUMNS).await.unwrap() {
            let key = (ObjectClass::Table, text(&row, 1), text(&row, 2));
            if let (Some(role), Some(object)) = (role(&text(&row, 0)), objects.get(&key)) {
                let has = all[role.name.as_str()].has(
                    object,
                    &text(&row, 4),
                    Some(&text(&row, 3)),
                    false,
                );
                assert_eq!(has, is_true(row.get(5)), "{row:?}");
                answers += 1;
            }
        }
        assert!(answers > 1000, "{answers}");
        pairs(&mut session, known).await;
    }
    session.close().await;
}

/// Compares which roles a role acts as and can become with what the server says.
async fn pairs(session: &mut Session, known: &Known) {
    let set = if known.facts.major >= 16 {
        "'SET'"
    } else {
        "'MEMBER'"
    };
    for row in session.rows(&ROLES.replace("{set}", set)).await.unwrap() {
        let [Some(role), Some(other), ..] = row.as_slice() else {
            panic!("{row:?}");
        };
        let (Some(_), Some(_)) = (known.roles.all.get(role), known.roles.all.get(other)) else {
            continue;
        };
        // A catalog has no memberships of the server's own roles.
        if role.starts_with("pg_") || other.starts_with("pg_") {
            continue;
        }
        let reached = known.roles.reach(role);
        let path = reached.get(other.as_str());
        assert_eq!(
            path.is_some_and(|path| path.is_at_once()),
            is_true(row.get(2)),
            "{row:?}"
        );
        let can_set = is_true(row.get(3));
        let by_set =
            path.is_some_and(|path| !path.is_at_once() && !path.describe().contains("granting"));
        assert!(!can_set || path.is_some(), "{row:?}");
        // A role that is inherited after SET ROLE is not always one to SET ROLE to.
        let last_is_set = path.is_some_and(|path| {
            matches!(path.steps.last(), Some(redrill::rights::Step::SetRole(_)))
        });
        assert!(!(by_set && last_is_set) || can_set, "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_on_plur_are_the_servers() {
    on_plur(async |plur| agree(plur).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_those_of_every_major_version() {
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.sql("plur", SCENE).await;
            if major >= 16 {
                plur.sql("plur", OPTIONS).await;
            }
            agree(plur).await;
            if major >= 16 {
                // ADMIN OPTION of a role is of use to whoever inherits from it or can become it.
                let take = |role: &str| {
                    format!("SET SESSION AUTHORIZATION {role}; GRANT \"Shop Owner\" TO {role}")
                };
                assert!(plur.try_sql("plur", &take("below")).await.is_err());
                plur.sql("plur", &take("above")).await;
            }
        })
        .await;
    }
}
