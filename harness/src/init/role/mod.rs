//! Roles: attributes, memberships, settings and every right that each has.
//!
//! By its own SQL: what rights follow from, as the check reads it, so that an entry is what the check will find (the
//! catalog leaves out memberships of predefined roles, and grants on single large objects); settings, of which the
//! catalog leaves out those of ALTER ROLE ALL and masks some; and the name of the bootstrap superuser.

mod entries;

use super::Origin;
use super::access::Access;
use super::block::{Block, Keys, Value, keys};
use super::section::{Section, listed};
use super::ways::{IndirectWays, reviewed};
use crate::catalog::{Catalog, ObjectId, unreadable};
use crate::database::{DatabaseError, Session};
use crate::rights::{Actor, DATABASE_OWNER, Facts, MembershipOptions, Roles, read_settings};
use crate::sql::quote_literal;
use crate::units::show_counted;

/// A role with its rights.
#[derive(Debug, Clone, PartialEq)]
struct RoleWithRights {
    name: String,
    attributes: Keys,
    member_of: Vec<Value>,
    members: Vec<Value>,
    /// Superusers and predefined roles that it can become through others.
    reaches: Vec<String>,
    floor: Vec<String>,
    ceiling: Vec<String>,
    /// SECURITY DEFINER functions by which it may write beyond these.
    functions: Vec<String>,
    /// What it may write beyond them by other objects.
    indirect: Vec<String>,
    settings: Option<Keys>,
    superuser: bool,
    login: bool,
}

/// The roles of a cluster and their rights in one database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolesWithRights {
    roles: Vec<RoleWithRights>,
    database_settings: Option<Keys>,
    /// Roles without rights, memberships, members and LOGIN.
    unused: Vec<String>,
}

const BOOTSTRAP: &str = "SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10";

/// Reads the roles, without the bootstrap superuser and predefined roles.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    session: &mut Session,
    catalog: &Catalog,
    access: &Access<'_>,
    ways: &IndirectWays,
    unknown_backup: bool,
) -> Result<RolesWithRights, DatabaseError> {
    let roles = &Roles::read(session).await?;
    let bootstrap = session.value(BOOTSTRAP).await?.unwrap_or_default();
    let own = roles.all.values();
    let actors: Vec<Actor<'_>> = own
        .filter(|role| !role.is_predefined() && role.name != bootstrap)
        .map(|role| Actor::new(roles, role))
        .collect();
    let facts = Facts::read(session, roles, &actors, &[]).await?;
    let mut found = RolesWithRights {
        database_settings: match unknown_backup {
            true => None,
            false => settings(session, None).await?,
        },
        ..RolesWithRights::default()
    };
    for mut actor in actors {
        let role = actor.role;
        let reaches = reaches(roles, &actor);
        actor.without(|name| roles.is_superuser(name));
        let (floor, ceiling) = entries::write(catalog, &facts, &actor, unknown_backup);
        let member_of: Vec<Value> = roles
            .granted_memberships(&role.name)
            .map(|(other, options)| membership(other, options))
            .collect();
        let members = roles.members(&role.name).into_keys();
        let members: Vec<Value> = members
            .map(|name| {
                let mut direct = roles.memberships(name).filter(|(of, _)| *of == role.name);
                match direct.next() {
                    Some((_, options)) => membership(name, options),
                    None => name.into(),
                }
            })
            .collect();
        let login = access.may_log_in(&role.name);
        // What PUBLIC may do does not count.
        let own_rights = facts.objects.iter().any(|object| {
            let held = actor.rights_on(object);
            held.iter()
                .any(|held| !held.initial && held.path.holder().is_some())
        });
        if !login && !own_rights && member_of.is_empty() && members.is_empty() {
            found.unused.push(role.name.clone());
            continue;
        }
        let entries = [floor.as_slice(), &ceiling].concat();
        let (functions, indirect) = match reaches.iter().any(|name| roles.is_superuser(name)) {
            true => Default::default(),
            false => ways.beyond(&role.name, &entries),
        };
        found.roles.push(RoleWithRights {
            name: role.name.clone(),
            attributes: attributes(catalog, &role.name),
            member_of,
            members,
            reaches,
            floor,
            ceiling,
            functions: functions.into_iter().collect(),
            indirect,
            settings: match unknown_backup && of_this_database(session, &role.name).await? {
                true => None,
                false => settings(session, Some(&role.name)).await?,
            },
            superuser: role.superuser,
            login,
        });
    }
    Ok(found)
}

/// Superusers and predefined roles that a role can become and is not a direct member of.
fn reaches(roles: &Roles, actor: &Actor<'_>) -> Vec<String> {
    let role = actor.role;
    let is_direct = |name: &str| {
        roles
            .granted_memberships(&role.name)
            .any(|(of, _)| of == name)
    };
    let others = actor.paths.keys().filter_map(|name| roles.all.get(*name));
    others
        .filter(|other| *other != role && (other.superuser || other.is_predefined()))
        .filter(|other| other.name != DATABASE_OWNER && !is_direct(&other.name))
        .map(|other| other.name.clone())
        .collect()
}

fn membership(role: &str, options: MembershipOptions) -> Value {
    let mut entries = keys([("role", role.into())]);
    let mut add = |key: &str, flag: bool| entries.push((key.to_owned(), flag.into()));
    if options.admin {
        add("admin", true);
    }
    if !options.inherit {
        add("inherit", false);
    }
    if !options.set {
        add("set", false);
    }
    match entries.len() {
        1 => role.into(),
        _ => Value::Inline(entries),
    }
}

/// The attributes of a role as the check writes them.
fn attributes(catalog: &Catalog, role: &str) -> Keys {
    let id = ObjectId::role(role);
    let property = |name: &str| catalog.get(&id, name);
    let login = property("login").is_some();
    let mut entries = keys([("login", login.into())]);
    let mut add = |key: &str, value: Value| entries.push((key.to_owned(), value));
    for (name, key) in [
        ("superuser", "superuser"),
        ("bypassrls", "bypass-rls"),
        ("createrole", "create-role"),
        ("createdb", "create-db"),
        ("replication", "replication"),
    ] {
        if property(name).is_some() {
            add(key, true.into());
        }
    }
    if property("noinherit").is_some() {
        add("inherit", false.into());
    }
    let limit = property("connection limit").and_then(|limit| limit.parse::<i64>().ok());
    if login || limit.is_some() {
        add("connection-limit", limit.unwrap_or(-1).into());
    }
    match property("valid until").filter(|until| *until != "infinity") {
        Some(until) => add("valid-until", until.into()),
        None if login => add("valid-until", "never".into()),
        None => {}
    }
    if !catalog.unreadable.contains(unreadable::PASSWORDS) {
        add("password", property("password").is_some().into());
    }
    entries
}

/// Whether settings of a role are kept for this database alone, which not every backup writes.
async fn of_this_database(session: &mut Session, role: &str) -> Result<bool, DatabaseError> {
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_db_role_setting s
           JOIN pg_catalog.pg_roles r ON r.oid = s.setrole JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
          WHERE r.rolname = {} AND d.datname = pg_catalog.current_database()",
        quote_literal(role)
    );
    Ok(session.count(&sql).await? > 0)
}

/// Settings of a role or, without one, of the database; `None` if one of them may be a secret: applications keep keys in
/// settings of their own.
async fn settings(
    session: &mut Session,
    role: Option<&str>,
) -> Result<Option<Keys>, DatabaseError> {
    let all: Keys = read_settings(session, role)
        .await?
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    let known = ["hnsw.", "ivfflat.", "pg_trgm.", "plpgsql."];
    let secret = all
        .iter()
        .any(|(name, _)| name.contains('.') && !known.iter().any(|start| name.starts_with(start)));
    Ok((!secret).then_some(all))
}

/// Writes the checks.
#[must_use]
pub fn section(found: &RolesWithRights, origin: &Origin) -> Section {
    let mut section = Section::new(
        "roles",
        "Each role has exactly these attributes, memberships and rights: those in `floor` without SET ROLE, those in \
         `ceiling` in addition after SET ROLE, and no others. A lost right breaks the application, an additional one is \
         a leak. After a change of rights, change the entries; `redrill explain role` has their syntax.",
    );
    let roles = || found.roles.iter();
    let mut database_settings = found
        .database_settings
        .clone()
        .filter(|_| !origin.made_database);
    for role in roles().filter(|role| !role.superuser) {
        let made = origin.made_roles.contains(&role.name);
        section
            .blocks
            .push(role.block(database_settings.take(), made));
    }
    let superusers: Vec<&str> = roles()
        .filter(|role| role.superuser)
        .map(|role| role.name.as_str())
        .collect();
    for role in roles().filter(|role| role.superuser) {
        section.blocks.push(
            Block::new("role", format!("{} is a superuser", role.name))
                .with("role", role.name.as_str())
                .with("attributes", Value::Inline(role.attributes.clone()))
                .with("ceiling", "any"),
        );
    }
    if !found.unused.is_empty() {
        section.note(format!(
            "Roles without LOGIN, memberships and rights in this database, which are not checked: {}.",
            listed(&found.unused, 12)
        ));
    }
    if !found.roles.is_empty() {
        let logins = roles().filter(|role| role.login).count();
        let mut text = format!(
            "{}, {logins} with LOGIN",
            show_counted(found.roles.len(), "role")
        );
        if !superusers.is_empty() {
            text.push_str(&format!(", superusers: {}", superusers.join(", ")));
        }
        section.found(text);
    }
    section
}

impl RoleWithRights {
    fn block(&self, database_settings: Option<Keys>, made: bool) -> Block {
        let keys = |settings: &Option<Keys>| settings.clone().map(Value::Inline);
        let identity = Block::new(
            "role",
            format!("{} has its rights and no others", self.name),
        )
        .with("role", self.name.as_str())
        .maybe(
            "attributes",
            (!made).then(|| Value::Inline(self.attributes.clone())),
        )
        .with("member-of", Value::List(self.member_of.clone()))
        .with("members", Value::List(self.members.clone()))
        .maybe(
            "reaches",
            (!self.reaches.is_empty()).then(|| self.reaches.clone()),
        );
        let identity = if made {
            identity.comment(
                "The backup does not contain this role, so its attributes are not compared.",
            )
        } else {
            identity
        };
        let settings = |block: Block| {
            block
                .maybe("settings", keys(&self.settings))
                .maybe("database-settings", keys(&database_settings))
        };
        let lines = |entries: &[String]| {
            let entries = entries.iter().map(|entry| entry.as_str().into());
            Value::Rows(entries.collect())
        };
        let rights = identity.clone().with("floor", lines(&self.floor)).maybe(
            "ceiling",
            (!self.ceiling.is_empty()).then(|| lines(&self.ceiling)),
        );
        let reviewed = |block: Block| settings(reviewed(block, &self.functions));
        let strict = reviewed(rights.clone());
        let mut weaker = strict.clone();
        let mut strict = strict;
        if !self.indirect.is_empty() {
            weaker = reviewed(rights.with("indirect", lines(&self.indirect))).comment(
                "Review `indirect`: what the role may do with these tables by way of views, foreign keys, rules or triggers.",
            );
            strict = strict.or(weaker.clone());
        }
        let no_settings = weaker.without(&["settings", "database-settings"]);
        let floor = identity
            .clone()
            .with("floor", lines(&self.floor))
            .with("ceiling", "any");
        strict.or(no_settings).or(floor).or(identity)
    }
}
