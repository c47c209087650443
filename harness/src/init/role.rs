//! Roles: what each is, whom it belongs to, and every right that it has, as floor and ceiling.
//!
//! Rights are judged as the check judges them, by `rights/`, so that what is written is what the check will find.

use std::collections::{BTreeMap, BTreeSet};

use super::Known;
use super::block::{Block, Keys, Value, keys};
use super::cover::cover;
use super::relation::text;
use super::section::{Section, named, some};
use crate::database::{DatabaseError, Session, is_true};
use crate::rights::{
    AccessPath, Actor, DATABASE_OWNER, Facts, HeldRight, MembershipOptions, OWNER, ObjectClass,
    ObjectFacts, Roles,
};
use crate::sql::{QualifiedName, quote_ident, quote_literal};

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
  FROM {roles} r WHERE r.rolname = {role}";

const SETTINGS: &str = "
SELECT DISTINCT ON (1) pg_catalog.split_part(c, '=', 1), pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)
  FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
 WHERE s.setrole = coalesce((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {role}), 0)
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
    let roles = Roles::read(session).await?;
    let bootstrap = session.value(BOOTSTRAP).await?.unwrap_or_default();
    let own = roles.all.values();
    let actors: Vec<Actor<'_>> = own
        .filter(|role| !role.is_predefined() && role.name != bootstrap)
        .map(|role| Actor::new(&roles, role))
        .collect();
    let facts = Facts::read(session, &roles, &actors, &[]).await?;
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
        database_settings: settings(session, None).await?,
        ..Found::default()
    };
    for mut actor in actors {
        let role = actor.role;
        let above = above(&roles, &actor);
        actor.without(|name| roles.is_superuser(name));
        let (floor, ceiling) = rights(&facts, &actor, &closed);
        let (attributes, login) = attributes(session, &role.name, sees_passwords).await?;
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
        // What everybody may do makes nobody somebody.
        let own_rights = facts.objects.iter().any(|object| {
            let held = actor.rights_on(object);
            held.iter()
                .any(|held| !held.initial && held.path.holder().is_some())
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
            settings: settings(session, Some(&role.name)).await?,
            superuser: role.superuser,
            login,
        });
    }
    Ok(found)
}

/// Superusers and predefined roles that a role reaches and is no direct member of.
fn above(roles: &Roles, actor: &Actor<'_>) -> Vec<String> {
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

async fn attributes(
    session: &mut Session,
    role: &str,
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
        .replace("{role}", &quote_literal(role));
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

/// Settings of a role or, without one, of the database; nothing where one of them may be a secret, since
/// extensions and applications keep keys in settings of their own.
async fn settings(
    session: &mut Session,
    role: Option<&str>,
) -> Result<Option<Keys>, DatabaseError> {
    let role = role.map_or_else(|| "NULL".to_owned(), quote_literal);
    let rows = session.rows(&SETTINGS.replace("{role}", &role)).await?;
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
fn rights(
    facts: &Facts,
    actor: &Actor<'_>,
    closed: &[(String, String)],
) -> (Vec<String>, Vec<String>) {
    if actor.role.superuser {
        return (Vec::new(), Vec::new());
    }
    type Groups<'a> = BTreeMap<(ObjectClass, Rights, String), Vec<&'a ObjectFacts>>;
    let (mut now, mut later) = (Groups::new(), Groups::new());
    for object in &facts.objects {
        let maker = actor.paths.get(object.owner.as_str());
        let makes = object.class.is_default() && maker.is_some_and(AccessPath::is_at_once);
        if makes || (object.of_column && actor.owning(object).is_some()) {
            continue;
        }
        let held = actor.rights_on(object);
        // What an object is besides its class: the maker of default rights, the word of what is owned.
        let besides = match object.class {
            ObjectClass::Other => object.only_owned.clone(),
            class if class.is_default() => object.name.clone(),
            _ => String::new(),
        };
        for (groups, at_once) in [(&mut now, true), (&mut later, false)] {
            for grantable in [false, true] {
                for entry in shown(&held, at_once, grantable) {
                    let key = (object.class, entry, besides.clone());
                    groups.entry(key).or_default().push(object);
                }
            }
        }
    }
    let mut ceiling = entries(facts, &later);
    let makers: BTreeSet<(&str, ObjectClass)> = now
        .keys()
        .chain(later.keys())
        .filter(|(class, ..)| {
            matches!(
                class,
                ObjectClass::DefaultFunction | ObjectClass::DefaultType
            )
        })
        .map(|(class, _, maker)| (maker.as_str(), *class))
        .collect();
    // Where an entry speaks of a maker's functions, what everybody may do with them counts too.
    for (maker, class) in makers {
        let (letter, right) = match class {
            ObjectClass::DefaultFunction => ("f", "execute"),
            _ => ("T", "usage"),
        };
        let is_closed = closed
            .iter()
            .any(|(role, of)| role == maker && of == letter);
        let right = if is_closed { "nothing" } else { right };
        ceiling.push(format!(
            "{right} on {} by role {}",
            class.word(),
            role_name(maker)
        ));
    }
    (entries(facts, &now), ceiling)
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
fn shown(rights: &[HeldRight<'_>], at_once: bool, grantable: bool) -> Vec<Rights> {
    let mut columns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let owns = |now: bool| {
        let mut all = rights.iter();
        all.any(|held| held.privilege == OWNER && !held.initial && (held.path.is_at_once() || !now))
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
    let now: BTreeSet<(&str, Option<&str>)> = rights
        .iter()
        .filter(|held| held.path.is_at_once())
        .map(|held| (held.privilege, held.column))
        .collect();
    for held in rights {
        let counted = held.initial
            || held.privilege == OWNER
            || held.grantable != grantable
            || held.path.is_at_once() != at_once
            || (!at_once && now.contains(&(held.privilege, held.column)));
        if counted {
            continue;
        }
        let of = columns.entry(held.privilege).or_default();
        of.extend(held.column);
    }
    // A right on the whole needs no columns.
    let whole: BTreeSet<&str> = rights
        .iter()
        .filter(|held| held.column.is_none() && held.path.is_at_once() == at_once)
        .map(|held| held.privilege)
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
fn entries(
    facts: &Facts,
    groups: &BTreeMap<(ObjectClass, Rights, String), Vec<&ObjectFacts>>,
) -> Vec<String> {
    let mut all = Vec::new();
    for ((class, rights, besides), objects) in groups {
        let (rights, option) = match rights.strip_suffix(" with grant option") {
            Some(rights) => (rights, " with grant option"),
            None => (rights.as_str(), ""),
        };
        let mut add = |text: String| all.push(format!("{rights} {text}{option}"));
        if class.is_default() {
            let maker = role_name(besides);
            let schemas: BTreeSet<&str> = objects.iter().map(|one| one.schema.as_str()).collect();
            if schemas.contains("") {
                add(format!("{} by role {maker}", class.word()));
            }
            let schemas: Vec<String> = schemas
                .into_iter()
                .filter(|one| !one.is_empty())
                .map(quote_ident)
                .collect();
            for names in lines(&schemas) {
                add(format!("{} in {names} by role {maker}", class.word()));
            }
            continue;
        }
        if *class == ObjectClass::Other {
            for object in objects {
                add(format!("{besides} {}", object.name));
            }
            continue;
        }
        if *class == ObjectClass::Database {
            add("database".to_owned());
            continue;
        }
        let (names, several) = names(facts, *class, objects);
        let word = match (class, several) {
            (ObjectClass::Table, _) => String::new(),
            (_, false) => format!("{} ", class.word()),
            (_, true) => format!("{} ", class.words()),
        };
        for names in lines(&names) {
            add(format!("{word}{names}"));
        }
    }
    all
}

/// The names of objects, as patterns where that is shorter; and whether there are several.
fn names(facts: &Facts, class: ObjectClass, objects: &[&ObjectFacts]) -> (Vec<String>, bool) {
    if !class.in_schema() {
        let names = objects.iter().map(|one| match class {
            ObjectClass::LargeObject | ObjectClass::Parameter => one.name.clone(),
            _ => quote_ident(&one.name),
        });
        let names: Vec<String> = names.collect();
        let several = names.len() > 1;
        return (names, several);
    }
    // What belongs to the server or to an extension is always named; so is what shares its name with
    // another function that is not meant.
    let same_name = |one: &ObjectFacts, other: &ObjectFacts| {
        one.schema == other.schema && one.name == other.name
    };
    let universe: Vec<&ObjectFacts> = facts
        .objects
        .iter()
        .filter(|one| one.class == class)
        .collect();
    let meant = |one: &ObjectFacts| objects.iter().any(|other| other.id == one.id);
    let (exact, free): (Vec<&ObjectFacts>, Vec<&ObjectFacts>) = objects.iter().partition(|one| {
        one.outside
            || universe
                .iter()
                .any(|other| same_name(one, other) && other.id != one.id && !meant(other))
    });
    let wanted: BTreeSet<QualifiedName> = free.iter().map(|one| one.qualified()).collect();
    let wanted: Vec<QualifiedName> = wanted.into_iter().collect();
    let all: Vec<QualifiedName> = universe.iter().map(|one| one.qualified()).collect();
    let full = |object: &ObjectFacts| match class {
        ObjectClass::Function => format!("{}({})", object.qualified(), object.arguments),
        _ => object.qualified().to_string(),
    };
    let mut names = Vec::new();
    for name in cover(&wanted, &all) {
        let plain = free
            .iter()
            .filter(|one| one.qualified().to_string() == name);
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
