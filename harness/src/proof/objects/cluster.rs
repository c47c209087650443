//! Roles, their memberships and their settings, which belong to no database.
//!
//! pg_dumpall starts pg_dump through a shell, which a throwaway server does not have, so the same catalogs are queried here.

use std::collections::BTreeMap;

use super::compare::{ObjectsProof, tolerated_because};
use super::findings::{additional, missing, name, other_definition};
use crate::backup::Backup;
use crate::backup::gather::entries::{CLUSTER, setting};
use crate::backup::objects::{Definition, Object, Objects};
use crate::database::DatabaseError;
use crate::outcome::CouldNotRun;
use crate::restore::RestoreLog;
use crate::restore::settings::{MadeRole, Restore};
use crate::server::ThrowawayServer;
use crate::sql::quote_ident;
use pgdump::fault::Place;

/// Every role with its attributes in the order of pg_dumpall; VALID UNTIL in seconds.
const ROLES: &str = "
SELECT rolname, pg_catalog.concat_ws(' ',
         CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
         CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
         CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
         CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
         CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
         CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
         CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
         CASE WHEN rolconnlimit <> -1 THEN 'CONNECTION LIMIT ' || rolconnlimit END,
         CASE WHEN rolvaliduntil IS NULL THEN NULL
              WHEN pg_catalog.isfinite(rolvaliduntil)
              THEN 'VALID UNTIL ' || pg_catalog.floor(EXTRACT(epoch FROM rolvaliduntil))
              ELSE 'VALID UNTIL ' || rolvaliduntil END)
  FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1";

/// Every setting of a role for all databases.
const SETTINGS: &str = "
SELECT r.rolname, pg_catalog.unnest(s.setconfig)
  FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 WHERE s.setdatabase = 0 ORDER BY 1, 2";

/// Every membership: role, member, ADMIN OPTION, the options since PostgreSQL 16, and the grantor.
const MEMBERSHIPS: &str = "
SELECT r.rolname, u.rolname, m.admin_option, pg_catalog.to_jsonb(m) ->> 'inherit_option',
       pg_catalog.to_jsonb(m) ->> 'set_option', g.rolname
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
  JOIN pg_catalog.pg_roles u ON u.oid = m.member
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
 WHERE NOT (r.rolname ~ '^pg_' AND u.rolname ~ '^pg_') ORDER BY 1, 2, 6";

/// Lists roles, settings and memberships of the server as pg_dumpall writes them.
async fn list(server: &ThrowawayServer) -> Result<Objects, DatabaseError> {
    let mut session = server.session("postgres").await?;
    let mut objects = Objects::default();
    let mut add = |kind: &str, name: String, sql: &str| {
        let object = Object {
            database: String::new(),
            kind: kind.to_owned(),
            schema: String::new(),
            name,
            owner: String::new(),
            place: Place::Line(0),
            definition: Definition::default(),
        };
        objects.add(object, sql);
    };
    for row in session.rows(ROLES).await? {
        if let [Some(name), Some(rights)] = row.as_slice() {
            add("ROLE", name.clone(), rights);
        }
    }
    for row in session.rows(SETTINGS).await? {
        if let [Some(role), Some(assigned)] = row.as_slice()
            && let Some((key, value)) = assigned.split_once('=')
        {
            add(
                "ROLE SETTING",
                format!("{role} {}", key.to_lowercase()),
                &setting(value),
            );
        }
    }
    for row in session.rows(MEMBERSHIPS).await? {
        if let [Some(role), Some(member), admin, inherit, set, grantor] = row.as_slice() {
            let is = |value: &Option<String>, word: &str| value.as_deref() == Some(word);
            let mut options = Vec::new();
            if is(admin, "t") {
                options.push("ADMIN OPTION");
            }
            match inherit.as_deref() {
                Some("true") => options.push("INHERIT TRUE"),
                Some(_) => options.push("INHERIT FALSE"),
                None => {}
            }
            if is(set, "false") {
                options.push("SET FALSE");
            }
            let with = match options.is_empty() {
                true => String::new(),
                false => format!(" WITH {}", options.join(", ")),
            };
            let by = grantor.as_ref().map_or_else(String::new, |grantor| {
                format!(" GRANTED BY {}", quote_ident(grantor))
            });
            let sql = format!(
                "GRANT {} TO {}{with}{by};",
                quote_ident(role),
                quote_ident(member)
            );
            add("MEMBERSHIP", format!("{role} TO {member}"), &sql);
        }
    }
    session.close().await;
    Ok(objects)
}

/// Compares the roles of the backup with those of the server; without roles in the backup nothing is compared.
pub(super) async fn compare(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    log: &RestoreLog,
) -> Result<ObjectsProof, CouldNotRun> {
    let of_cluster = |object: &&Object| CLUSTER.contains(&object.kind.as_str());
    let parts = backup.parts.iter();
    let expected: Vec<(&str, &Object)> = parts
        .flat_map(|part| {
            part.contents
                .objects
                .list
                .iter()
                .map(|object| (part.name.as_str(), object))
        })
        .filter(|(_, object)| of_cluster(object))
        .collect();
    if expected.is_empty() {
        return Ok(ObjectsProof::default());
    }
    let found = list(server).await.map_err(|error| {
        CouldNotRun::new(format!("the server does not list its roles: {error}"))
    })?;
    let created = settings.made_roles();
    let by_pg_dumpall = backup
        .parts
        .iter()
        .any(|part| part.contents.objects.by_pg_dumpall);
    let major = backup.parts.iter().find_map(|part| part.contents.major());
    let cluster = Cluster {
        superuser: &server.endpoint().superuser,
        created,
        by_pg_dumpall,
        one_major: major == Some(server.version() / 10_000),
    };
    let found: Vec<&Object> = found.list.iter().filter(of_cluster).collect();
    let mut proof = cluster.compare(&expected, &found, log);
    if !by_pg_dumpall {
        proof.not_compared(
            "attributes of roles, and whether there are others",
            "the statements that create roles are not those of pg_dumpall: only the roles that they name were compared",
        );
    } else if expected.iter().any(|(_, object)| object.kind == "ROLE") {
        proof.not_compared(
            "passwords of roles",
            "the server does not show them; a check can log in",
        );
    }
    Ok(proof)
}

/// The roles that need not be in the backup, and how far others can be compared.
struct Cluster<'a> {
    /// The bootstrap superuser.
    superuser: &'a str,
    /// Roles that redrill created.
    created: Vec<MadeRole>,
    by_pg_dumpall: bool,
    one_major: bool,
}

impl Cluster<'_> {
    fn compare(
        &self,
        expected: &[(&str, &Object)],
        found: &[&Object],
        log: &RestoreLog,
    ) -> ObjectsProof {
        let mut proof = ObjectsProof::default();
        let key = |object: &Object| (object.kind.clone(), object.name.clone());
        let mut by_key: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
        for object in found {
            by_key.entry(key(object)).or_default().push(object);
        }
        for (at, (part, object)) in expected.iter().enumerate() {
            proof.objects += 1;
            let others = by_key.get_mut(&key(object));
            let other = others.and_then(|others| {
                let same = others
                    .iter()
                    .position(|other| other.definition.is_same(&object.definition));
                (!others.is_empty()).then(|| others.swap_remove(same.unwrap_or(0)))
            });
            let next = expected
                .get(at + 1)
                .filter(|(other, _)| other == part)
                .map(|(_, next)| *next);
            match other {
                Some(other)
                    if !self.can_compare(object)
                        || other.definition.is_same(&object.definition) => {}
                other => match tolerated_because(&log.tolerated_in(part), object, next) {
                    Some(reason) => proof.not_compared(
                        name(object),
                        format!("an error of its restore is tolerated: {reason}"),
                    ),
                    None => proof.findings.push(match other {
                        Some(other) => other_definition(object, other),
                        None => missing(object),
                    }),
                },
            }
        }
        if self.by_pg_dumpall {
            let more = by_key
                .into_values()
                .flatten()
                .filter(|object| !self.is_expected(object));
            proof.findings.extend(more.map(additional));
        }
        proof
    }

    /// Whether definitions can be compared.
    fn can_compare(&self, object: &Object) -> bool {
        // Since PostgreSQL 16 memberships have options.
        self.by_pg_dumpall && (self.one_major || object.kind != "MEMBERSHIP")
    }

    /// Whether every server has it, or redrill created it.
    fn is_expected(&self, object: &Object) -> bool {
        match object.kind.as_str() {
            "ROLE" => {
                object.name == self.superuser
                    || self.created.iter().any(|role| role.name == object.name)
            }
            "MEMBERSHIP" => self.created.iter().any(|role| {
                let mut all = role.member_of.iter();
                all.any(|of| object.name == format!("{of} TO {}", role.name))
            }),
            _ => false,
        }
    }
}
