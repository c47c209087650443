//! Roles: what each is, whom it belongs to, and every right that it has, as floor and ceiling.
//!
//! Rights are judged by the check's own code, so that what is written is what the check will find.

use std::collections::{BTreeMap, BTreeSet};

use super::Known;
use super::block::{Block, Keys, Value, keys};
use super::cover::cover;
use super::relation::text;
use super::section::{Section, named, some};
use crate::check::privilege::{is_true, major_version};
use crate::check::role::hold::{Hold, Holds, OWNER};
use crate::check::role::reach::{Oid, Options, Role as AnyRole, Roles};
use crate::check::role::right::Kind;
use crate::check::role::world::{Object, World};
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};

/// Columns that the names of one entry take.
const WIDTH: usize = 96;

/// A role and what it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    name: String,
    attributes: Keys,
    member_of: Vec<Value>,
    members: Vec<Value>,
    /// Superusers and the server's own roles that it reaches by way of others.
    reaches: Vec<String>,
    floor: Vec<String>,
    ceiling: Vec<String>,
    settings: Option<Keys>,
    superuser: bool,
    login: bool,
}

/// The roles of a database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    roles: Vec<Role>,
    database_settings: Option<Keys>,
    /// Roles that have nothing here: neither rights nor members nor a login.
    bystanders: Vec<String>,
}

/// A password's presence is only known to superusers.
const FACTS: &str = "
SELECT r.rolcanlogin, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolinherit,
       r.rolconnlimit, CASE WHEN r.rolvaliduntil <> 'infinity' THEN r.rolvaliduntil END, {password}
  FROM {roles} r WHERE r.oid = {oid}";

const SETTINGS: &str = "
SELECT DISTINCT ON (1) pg_catalog.split_part(c, '=', 1), pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)
  FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
 WHERE s.setrole = {role}
   AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
 ORDER BY 1, s.setdatabase DESC";

/// Roles that took from PUBLIC what it may do with their functions and types by default.
const CLOSED: &str = "
SELECT pg_catalog.pg_get_userbyid(d.defaclrole), d.defaclobjtype
  FROM pg_catalog.pg_default_acl d
 WHERE d.defaclnamespace = 0 AND d.defaclobjtype IN ('f', 'T')
   AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(d.defaclacl) a WHERE a.grantee = 0)
 ORDER BY 1, 2";

const BOOTSTRAP: &str = "SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10";

/// Reads them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<Found, DatabaseError> {
    let major = major_version(session).await?;
    let roles = Roles::read(session, major).await?;
    let bootstrap = session.value(BOOTSTRAP).await?.unwrap_or_default();
    let mut own: Vec<&AnyRole> = roles
        .all
        .values()
        .filter(|role| !role.predefined && role.name != bootstrap)
        .collect();
    own.sort_by(|one, other| one.name.cmp(&other.name));
    let all: BTreeSet<Oid> = own
        .iter()
        .flat_map(|role| roles.reach(&role.oid).into_keys())
        .collect();
    let all: Vec<Oid> = all.into_iter().collect();
    let world = World::read(session, major, &all, &[]).await?;
    let closed = session.rows(CLOSED).await?;
    let closed: Vec<(String, String)> = closed
        .iter()
        .map(|row| (text(row, 0), text(row, 1)))
        .collect();
    let sees_passwords = session
        .value("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')")
        .await?
        .as_deref()
        == Some("t");
    let mut found = Found {
        database_settings: settings(session, "0").await?,
        ..Found::default()
    };
    for role in own {
        let mut ways = roles.reach(&role.oid);
        let above = above(&roles, role);
        ways.retain(|oid, way| {
            let superuser = |name: &str| roles.named(name).is_some_and(|role| role.superuser);
            *oid == role.oid || !way.names().any(superuser)
        });
        let holds = Holds::gather(&world, &roles, role, ways);
        let (floor, ceiling) = rights(&world, &holds, &closed);
        let (attributes, login) = attributes(session, &role.oid, sees_passwords).await?;
        let member_of = roles.direct(&role.oid);
        let member_of: Vec<Value> = member_of
            .map(|(other, options)| membership(&other.name, options))
            .collect();
        let members = roles.members(&role.oid);
        let members: Vec<Value> = members
            .keys()
            .map(|oid| {
                let direct = roles.member_of.get(oid).and_then(|of| of.get(&role.oid));
                match direct {
                    Some(options) => membership(roles.name(oid), *options),
                    None => roles.name(oid).into(),
                }
            })
            .collect();
        // What everybody may do makes nobody somebody.
        let own_rights = (0..world.objects.len()).any(|at| {
            let holds = holds.on(at).iter();
            holds
                .filter(|hold| !hold.initial)
                .any(|hold| hold.path.grantee() != "PUBLIC")
        });
        if !login && !own_rights && member_of.is_empty() && members.is_empty() {
            found.bystanders.push(role.name.clone());
            continue;
        }
        found.roles.push(Role {
            name: role.name.clone(),
            attributes,
            member_of,
            members,
            reaches: above,
            floor,
            ceiling,
            settings: settings(session, &role.oid).await?,
            superuser: role.superuser,
            login,
        });
    }
    Ok(found)
}

/// Superusers and predefined roles that a role reaches and is no direct member of.
fn above(roles: &Roles, role: &AnyRole) -> Vec<String> {
    let direct: BTreeSet<&str> = roles
        .direct(&role.oid)
        .map(|(other, _)| other.name.as_str())
        .collect();
    let ways = roles.reach(&role.oid);
    let names = ways.keys().filter_map(|oid| roles.all.get(oid));
    names
        .filter(|other| other.oid != role.oid && (other.superuser || other.predefined))
        .filter(|other| other.name != "pg_database_owner" && !direct.contains(other.name.as_str()))
        .map(|other| other.name.clone())
        .collect()
}

fn membership(role: &str, options: Options) -> Value {
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

async fn attributes(
    session: &mut Session,
    oid: &str,
    sees_passwords: bool,
) -> Result<(Keys, bool), DatabaseError> {
    let (roles, password) = if sees_passwords {
        ("pg_catalog.pg_authid", "r.rolpassword IS NOT NULL")
    } else {
        ("pg_catalog.pg_roles", "NULL")
    };
    let sql = FACTS
        .replace("{roles}", roles)
        .replace("{password}", password)
        .replace("{oid}", oid);
    let rows = session.rows(&sql).await?;
    let Some(row) = rows.first() else {
        return Ok((Keys::new(), false));
    };
    let login = is_true(row.first());
    let mut entries = keys([("login", login.into())]);
    let mut add = |key: &str, value: Value| entries.push((key.to_owned(), value));
    for (at, key) in [
        (1, "superuser"),
        (2, "bypass-rls"),
        (3, "create-role"),
        (4, "create-db"),
        (5, "replication"),
    ] {
        if is_true(row.get(at)) {
            add(key, true.into());
        }
    }
    if !is_true(row.get(6)) {
        add("inherit", false.into());
    }
    let limit: i64 = text(row, 7).parse().unwrap_or(-1);
    if login || limit != -1 {
        add("connection-limit", limit.into());
    }
    match row.get(8).cloned().flatten() {
        Some(until) => add("valid-until", until.into()),
        None if login => add("valid-until", "never".into()),
        None => {}
    }
    if sees_passwords {
        add("password", is_true(row.get(9)).into());
    }
    Ok((entries, login))
}

/// Settings of a role or, for `0`, of the database; nothing where one of them may be a secret, since
/// extensions and applications keep keys in settings of their own.
async fn settings(session: &mut Session, role: &str) -> Result<Option<Keys>, DatabaseError> {
    let rows = session.rows(&SETTINGS.replace("{role}", role)).await?;
    let all: Keys = rows
        .iter()
        .map(|row| (text(row, 0), text(row, 1).into()))
        .collect();
    let known = ["hnsw.", "ivfflat.", "pg_trgm.", "plpgsql."];
    let secret = all
        .iter()
        .any(|(name, _)| name.contains('.') && !known.iter().any(|start| name.starts_with(start)));
    Ok((!secret).then_some(all))
}

/// What a role may do with an object: the rights as an entry writes them.
type Rights = String;

/// Writes all rights of a role: what it has at once, and what only by becoming another role.
fn rights(world: &World, holds: &Holds, closed: &[(String, String)]) -> (Vec<String>, Vec<String>) {
    if holds.superuser {
        return (Vec::new(), Vec::new());
    }
    let tables: BTreeMap<&str, usize> = world
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| object.kind == Kind::Table)
        .map(|(at, object)| (object.oid.as_str(), at))
        .collect();
    let mut now: BTreeMap<(Kind, Rights, String), Vec<&Object>> = BTreeMap::new();
    let mut later: BTreeMap<(Kind, Rights, String), Vec<&Object>> = BTreeMap::new();
    for (at, object) in world.objects.iter().enumerate() {
        let of_table = object.table.as_deref().and_then(|oid| tables.get(oid));
        let made_by_it = object.kind.is_default()
            && holds.ways.get(&object.owner).is_some_and(|way| way.at_once);
        if made_by_it || of_table.is_some_and(|table| holds.owns(*table)) {
            continue;
        }
        // What an object is besides its kind: the maker of default rights, the word of what is owned.
        let besides = match object.kind {
            Kind::Other => object.only_owned.clone(),
            kind if kind.is_default() => object.name.clone(),
            _ => String::new(),
        };
        for grantable in [false, true] {
            for entry in shown(holds.on(at), true, grantable) {
                now.entry((object.kind, entry, besides.clone()))
                    .or_default()
                    .push(object);
            }
            for entry in shown(holds.on(at), false, grantable) {
                later
                    .entry((object.kind, entry, besides.clone()))
                    .or_default()
                    .push(object);
            }
        }
    }
    let mut ceiling = entries(world, &later);
    let makers: BTreeSet<(&str, Kind)> = now
        .keys()
        .chain(later.keys())
        .filter(|(kind, ..)| matches!(kind, Kind::DefaultFunction | Kind::DefaultType))
        .map(|(kind, _, maker)| (maker.as_str(), *kind))
        .collect();
    // Where an entry speaks of a maker's functions, what everybody may do with them counts too.
    for (maker, kind) in makers {
        let (letter, right) = match kind {
            Kind::DefaultFunction => ("f", "execute"),
            _ => ("T", "usage"),
        };
        let is_closed = closed
            .iter()
            .any(|(role, of)| role == maker && of == letter);
        let right = if is_closed { "nothing" } else { right };
        ceiling.push(format!(
            "{right} on {} by role {}",
            kind.word(),
            role_name(maker)
        ));
    }
    (entries(world, &now), ceiling)
}

/// A role as an entry names it.
fn role_name(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        quote_ident(name)
    }
}

/// The rights on one object, in the words of an entry; of an owner just that.
fn shown(holds: &[Hold], at_once: bool, grantable: bool) -> Vec<Rights> {
    let mut columns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let owns = |now: bool| {
        let mut all = holds.iter();
        all.any(|hold| hold.privilege == OWNER && !hold.initial && (hold.path.at_once() || !now))
    };
    if owns(at_once) {
        let first = at_once || !owns(true);
        return if first && !grantable {
            vec!["owner of".to_owned()]
        } else {
            Vec::new()
        };
    }
    // The owner's own rights are part of owning; after it became the owner the rest is, too.
    if !at_once && owns(true) {
        return Vec::new();
    }
    let now: BTreeSet<(&str, Option<&str>)> = holds
        .iter()
        .filter(|hold| hold.path.at_once())
        .map(|hold| (hold.privilege.as_str(), hold.column.as_deref()))
        .collect();
    for hold in holds {
        let counted = hold.initial
            || hold.privilege == OWNER
            || hold.grantable != grantable
            || hold.path.at_once() != at_once
            || (!at_once && now.contains(&(hold.privilege.as_str(), hold.column.as_deref())));
        if counted {
            continue;
        }
        let of = columns.entry(hold.privilege.as_str()).or_default();
        of.extend(hold.column.as_deref());
    }
    // A right on the whole needs no columns.
    let whole: BTreeSet<&str> = holds
        .iter()
        .filter(|hold| hold.column.is_none() && hold.path.at_once() == at_once)
        .map(|hold| hold.privilege.as_str())
        .collect();
    const ORDER: &[&str] = &[
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CONNECT",
        "TEMPORARY",
        "USAGE",
        "CREATE",
    ];
    let mut words: Vec<(&str, BTreeSet<&str>)> = columns.into_iter().collect();
    words.sort_by_key(|(word, _)| {
        (
            ORDER.iter().position(|known| known == word).unwrap_or(99),
            *word,
        )
    });
    let words: Vec<String> = words
        .into_iter()
        .map(|(word, columns)| {
            let word_ = word.to_lowercase();
            if columns.is_empty() || whole.contains(word) {
                return word_;
            }
            let columns: Vec<String> = columns.into_iter().map(quote_ident).collect();
            format!("{word_} ({})", columns.join(", "))
        })
        .collect();
    if words.is_empty() {
        Vec::new()
    } else {
        let option = if grantable { " with grant option" } else { "" };
        vec![format!("{} on{option}", words.join(", "))]
    }
}

/// Writes the entries of `floor` or `ceiling`.
fn entries(world: &World, groups: &BTreeMap<(Kind, Rights, String), Vec<&Object>>) -> Vec<String> {
    let mut all = Vec::new();
    for ((kind, rights, besides), objects) in groups {
        let (rights, option) = match rights.strip_suffix(" with grant option") {
            Some(rights) => (rights, " with grant option"),
            None => (rights.as_str(), ""),
        };
        let mut add = |text: String| all.push(format!("{rights} {text}{option}"));
        if kind.is_default() {
            let maker = role_name(besides);
            let schemas: BTreeSet<&str> = objects.iter().map(|one| one.schema.as_str()).collect();
            if schemas.contains("") {
                add(format!("{} by role {maker}", kind.word()));
            }
            let schemas: Vec<String> = schemas
                .into_iter()
                .filter(|one| !one.is_empty())
                .map(quote_ident)
                .collect();
            for names in lines(&schemas) {
                add(format!("{} in {names} by role {maker}", kind.word()));
            }
            continue;
        }
        if *kind == Kind::Other {
            for object in objects {
                add(format!("{besides} {}", object.name));
            }
            continue;
        }
        if *kind == Kind::Database {
            add("database".to_owned());
            continue;
        }
        let (names, several) = names(world, *kind, objects);
        let word = match (kind, several) {
            (Kind::Table, _) => String::new(),
            (_, false) => format!("{} ", kind.word()),
            (_, true) => format!("{} ", kind.words()),
        };
        for names in lines(&names) {
            add(format!("{word}{names}"));
        }
    }
    all
}

/// The names of objects, as patterns where that is shorter; and whether there are several.
fn names(world: &World, kind: Kind, objects: &[&Object]) -> (Vec<String>, bool) {
    let qualified = |object: &Object| QualifiedName {
        schema: object.schema.clone(),
        name: object.name.clone(),
    };
    if !kind.in_schema() {
        let names = objects.iter().map(|one| match kind {
            Kind::LargeObject | Kind::Parameter => one.name.clone(),
            _ => quote_ident(&one.name),
        });
        let names: Vec<String> = names.collect();
        let several = names.len() > 1;
        return (names, several);
    }
    // What belongs to the server or to an extension is always named; so is what shares its name with
    // another function that is not meant.
    let same_name =
        |one: &Object, other: &Object| one.schema == other.schema && one.name == other.name;
    let universe: Vec<&Object> = world
        .objects
        .iter()
        .filter(|one| one.kind == kind)
        .collect();
    let meant = |one: &Object| objects.iter().any(|other| other.oid == one.oid);
    let (exact, free): (Vec<&Object>, Vec<&Object>) = objects.iter().partition(|one| {
        one.outside
            || universe
                .iter()
                .any(|other| same_name(one, other) && other.oid != one.oid && !meant(other))
    });
    let wanted: BTreeSet<QualifiedName> = free.iter().map(|one| qualified(one)).collect();
    let wanted: Vec<QualifiedName> = wanted.into_iter().collect();
    let all: Vec<QualifiedName> = universe.iter().map(|one| qualified(one)).collect();
    let full = |object: &Object| match kind {
        Kind::Function => format!("{}({})", qualified(object), object.arguments),
        _ => qualified(object).to_string(),
    };
    let mut names = Vec::new();
    for name in cover(&wanted, &all) {
        let plain = free.iter().filter(|one| qualified(one).to_string() == name);
        let plain: Vec<String> = plain.map(|one| full(one)).collect();
        if plain.is_empty() {
            names.push(name);
        } else {
            names.extend(plain);
        }
    }
    names.extend(exact.into_iter().map(full));
    let several = names.len() > 1 || names.iter().any(|name| name.contains('*'));
    (names, several)
}

/// Puts names together as long as they fit on a line.
fn lines(names: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(last) if last.chars().count() + name.chars().count() + 2 <= WIDTH => {
                last.push_str(", ");
                last.push_str(name);
            }
            _ => lines.push(name.clone()),
        }
    }
    lines
}

/// Makes checks of them.
#[must_use]
pub fn section(found: &Found, known: &Known) -> Section {
    let mut section = Section::new("roles: exactly the rights that they have now");
    let roles = || found.roles.iter();
    let mut database_settings = found
        .database_settings
        .clone()
        .filter(|_| !known.made_database);
    for role in roles().filter(|role| !role.superuser) {
        // What was made for the restore has no login, no password and no memberships of its own.
        let is_made = known.made_roles.contains(&role.name);
        section
            .blocks
            .push(role.block(database_settings.take(), is_made));
    }
    let superusers: Vec<&str> = roles()
        .filter(|role| role.superuser)
        .map(|role| role.name.as_str())
        .collect();
    for role in roles().filter(|role| role.superuser) {
        section.blocks.push(
            Block::new("role", format!("{} is a superuser, as it was", role.name))
                .with("role", role.name.as_str())
                .with("attributes", Value::Inline(role.attributes.clone()))
                .with("ceiling", "any"),
        );
    }
    if !found.bystanders.is_empty() {
        section.note(format!(
            "Roles without a login and without any right here, of which nothing is said: {}.",
            named(&found.bystanders, 12)
        ));
    }
    if !found.roles.is_empty() {
        let logins = roles().filter(|role| role.login).count();
        let mut told = format!("{}, {logins} with a login", some(found.roles.len(), "role"));
        if !superusers.is_empty() {
            told.push_str(&format!(", superusers: {}", superusers.join(", ")));
        }
        section.found(told);
    }
    section
}

impl Role {
    fn block(&self, database_settings: Option<Keys>, made: bool) -> Block {
        let keys = |settings: &Option<Keys>| settings.clone().map(Value::Inline);
        let identity = Block::new("role", format!("{} has its rights and no more", self.name))
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
            identity.comment("The backup does not hold this role: only its rights come from it.")
        } else {
            identity
        };
        let settings = |block: Block| {
            block
                .maybe("settings", keys(&self.settings))
                .maybe("database-settings", keys(&database_settings))
        };
        let strict = settings(identity.clone().with("floor", Broken(&self.floor)).maybe(
            "ceiling",
            (!self.ceiling.is_empty()).then_some(Broken(&self.ceiling)),
        ));
        let no_settings = strict.clone().without(&["settings", "database-settings"]);
        let floor = identity
            .clone()
            .with("floor", Broken(&self.floor))
            .with("ceiling", "any");
        strict.or(no_settings).or(floor).or(identity)
    }
}

/// Entries of a floor: one on each line, where there are several.
struct Broken<'a>(&'a [String]);

impl From<Broken<'_>> for Value {
    fn from(entries: Broken<'_>) -> Self {
        Self::Rows(
            entries
                .0
                .iter()
                .map(|entry| entry.as_str().into())
                .collect(),
        )
    }
}
