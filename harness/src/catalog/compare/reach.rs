//! What every role may effectively do: by itself, by membership, as owner, through PUBLIC.

use std::collections::{BTreeMap, BTreeSet};

use super::weigh::{GRANT, MEMBER, rights};
use super::{Change, Weight, What};
use crate::catalog::{Catalog, ObjectId, ObjectKind, Properties};
use crate::sql::{quote_ident, read_identifier};

/// Role -> object -> rights, `OWNER` for owning. Superusers are left out: nothing is refused to them.
pub type Effective = BTreeMap<String, BTreeMap<ObjectId, BTreeSet<String>>>;

/// Owning, as if it were one more right.
const OWNER: &str = "OWNER";

/// What members of the server's own roles may do: the role, kinds of objects, the rights.
const PREDEFINED: &[(&str, &[ObjectKind], &[&str])] = &[
    ("pg_read_all_data", TABLES, &["SELECT"]),
    ("pg_read_all_data", &[ObjectKind::Sequence], &["SELECT"]),
    ("pg_read_all_data", &[ObjectKind::Schema], &["USAGE"]),
    ("pg_write_all_data", TABLES, &["INSERT", "UPDATE", "DELETE"]),
    ("pg_write_all_data", &[ObjectKind::Sequence], &["UPDATE"]),
    ("pg_write_all_data", &[ObjectKind::Schema], &["USAGE"]),
    ("pg_maintain", TABLES, &["MAINTAIN"]),
];

const TABLES: &[ObjectKind] = &[
    ObjectKind::Table,
    ObjectKind::View,
    ObjectKind::MaterializedView,
    ObjectKind::ForeignTable,
];

/// What is worth being an example, the gravest first.
const GRAVEST: &[&str] = &[
    OWNER, "DELETE", "UPDATE", "TRUNCATE", "INSERT", "EXECUTE", "SELECT", "CREATE", "USAGE",
];

/// Computes the effective rights of every role on every object, what it can get by `SET ROLE` included.
#[must_use]
pub fn effective(catalog: &Catalog) -> Effective {
    let roles = Roles::of(catalog);
    let owned = |rights: BTreeSet<&str>| rights.into_iter().map(str::to_owned).collect();
    roles
        .names()
        .map(|role| {
            let held = held(catalog, &roles.reached(role)).into_iter();
            let held = held.map(|(object, rights)| (object.clone(), owned(rights)));
            (role.to_owned(), held.collect())
        })
        .collect()
}

/// Memberships, those included that a role has to use by `SET ROLE`.
struct Roles<'a> {
    /// Role -> roles that it is a member of, and whether it has their rights at once. Without superusers.
    groups: BTreeMap<&'a str, Vec<(String, bool)>>,
}

impl<'a> Roles<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        let mut groups: BTreeMap<&str, Vec<(String, bool)>> = BTreeMap::new();
        for (object, properties) in &catalog.objects {
            let Some(role) = object.as_role() else {
                continue;
            };
            if !properties.contains_key("superuser") {
                let of = properties.iter().filter_map(|(name, options)| {
                    let at_once = rights(Some(options)).contains_key("inherit");
                    Some((read_identifier(name.strip_prefix(MEMBER)?), at_once))
                });
                groups.insert(role, of.collect());
            }
        }
        // The owner of the database is a member without a grant.
        if let Some(owner) = catalog.get(&ObjectId::database(), "owner")
            && let Some(groups) = groups.get_mut(owner)
        {
            groups.push(("pg_database_owner".to_owned(), true));
        }
        Self { groups }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.groups.keys().copied()
    }

    /// The role and all that it is a member of, by others too.
    fn reached(&self, role: &str) -> BTreeSet<String> {
        self.closure(role, false)
    }

    /// The same, but only those whose rights it has without `SET ROLE`.
    fn acts_as(&self, role: &str) -> BTreeSet<String> {
        self.closure(role, true)
    }

    fn closure(&self, role: &str, only_at_once: bool) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([role.to_owned()]);
        let mut open = vec![role.to_owned()];
        while let Some(role) = open.pop() {
            for (group, at_once) in self.groups.get(role.as_str()).into_iter().flatten() {
                if (*at_once || !only_at_once) && reached.insert(group.clone()) {
                    open.push(group.clone());
                }
            }
        }
        reached
    }

    /// All roles that are members of it, directly or by others.
    fn members(&self, group: &str) -> Vec<&'a str> {
        let names = self.names().filter(|role| *role != group);
        names
            .filter(|role| self.reached(role).contains(group))
            .collect()
    }
}

/// What somebody may do who is all of these roles.
fn held<'a>(
    catalog: &'a Catalog,
    roles: &BTreeSet<String>,
) -> BTreeMap<&'a ObjectId, BTreeSet<&'a str>> {
    let mut held = BTreeMap::new();
    for (object, properties) in &catalog.objects {
        let mut rights = granted(properties, roles);
        for (role, kinds, predefined) in PREDEFINED {
            if roles.contains(*role) && kinds.contains(&object.kind) && object.part.is_none() {
                rights.extend(*predefined);
            }
        }
        if !rights.is_empty() {
            held.insert(object, rights);
        }
    }
    held
}

fn granted<'a>(properties: &'a Properties, roles: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    for (name, value) in properties {
        let of_it = name.strip_prefix(GRANT).is_some_and(|grantee| {
            grantee == "PUBLIC" || roles.contains(&read_identifier(grantee))
        });
        if of_it {
            all.extend(rights(Some(value)).into_keys());
        } else if name == "owner" && roles.contains(value) {
            all.insert(OWNER);
        }
    }
    all
}

/// Says at a change that lets roles do more, which roles and what.
pub fn explain(old: &Catalog, new: &Catalog, changes: &mut [Change]) {
    let (before, roles) = (Roles::of(old), Roles::of(new));
    for change in changes {
        if change.weight != Weight::Widened || change.what == What::Removed {
            continue;
        }
        let Some(property) = change.property.as_deref() else {
            continue;
        };
        let more = if let Some(group) = property.strip_prefix(MEMBER) {
            let role = change.object.name.as_str();
            let of = read_identifier(group);
            let at_once = || {
                let had = held(old, &before.acts_as(role));
                let has = held(new, &roles.acts_as(&of));
                example(role, &has, &had, &format!("by membership in {group}"))
            };
            let inherits = rights(change.new.as_deref()).contains_key("inherit");
            let more = inherits.then(at_once).flatten();
            more.or_else(|| {
                let had = held(old, &before.reached(role));
                let has = held(new, &roles.reached(&of));
                example(
                    role,
                    &has,
                    &had,
                    &format!("after SET ROLE, by way of {group}"),
                )
            })
        } else if let Some(grantee) = property.strip_prefix(GRANT) {
            also(&roles.members(&read_identifier(grantee)), grantee)
        } else if property == "owner" {
            let owner = change.new.as_deref().unwrap_or_default();
            let by_owner = change.object.kind == ObjectKind::View
                || new.get(&change.object, "security definer").is_some();
            match new.get(&ObjectId::role(owner), "superuser") {
                Some(_) if by_owner => Some(format!(
                    "no policy holds for {}, as which it works for whoever uses it",
                    quote_ident(owner)
                )),
                _ => also(&roles.members(owner), &quote_ident(owner)),
            }
        } else {
            None
        };
        if let Some(more) = more {
            let why = change.why.take().map(|why| format!("{why}; "));
            change.why = Some(why.unwrap_or_default() + &more);
        }
    }
}

/// `app_ro can now UPDATE table app.audit_log, by membership in app_rw, and 14 more`.
fn example(
    role: &str,
    has: &BTreeMap<&ObjectId, BTreeSet<&str>>,
    had: &BTreeMap<&ObjectId, BTreeSet<&str>>,
    how: &str,
) -> Option<String> {
    let none = BTreeSet::new();
    let gained: Vec<(&ObjectId, &str)> = has
        .iter()
        .flat_map(|(object, rights)| {
            let before = had.get(object).unwrap_or(&none);
            let new = rights.difference(before);
            new.map(|right| (*object, *right))
        })
        // Whoever owns it could do everything before.
        .filter(|(object, _)| !had.get(object).is_some_and(|had| had.contains(OWNER)))
        .collect();
    let rank = |right: &str| {
        GRAVEST
            .iter()
            .position(|grave| *grave == right)
            .unwrap_or(GRAVEST.len())
    };
    let (object, right) = gained
        .iter()
        .min_by_key(|(object, right)| (rank(right), object.kind != ObjectKind::Table, *object))?;
    let does = match *right {
        OWNER => "act as owner of",
        right => right,
    };
    let more = match gained.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let role = quote_ident(role);
    Some(format!("{role} can now {does} {object}, {how}{more}"))
}

fn also(members: &[&str], of: &str) -> Option<String> {
    let members: Vec<String> = members.iter().map(|role| quote_ident(role)).collect();
    (!members.is_empty()).then(|| format!("so can the members of {of}: {}", members.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::file::parse;

    const CATALOG: &str = r#"
[database]
owner = "boss"
["role app"]
"member of rw" = "set"
["role rw"]
"member of ro" = "inherit, set"
["role ro"]
["role reader"]
"member of pg_read_all_data" = "inherit, set"
["role boss"]
["role god"]
superuser = "yes"
["schema public"]
owner = "pg_database_owner"
["table a.t"]
owner = "ro"
"grant to rw" = "INSERT, SELECT (grantable)"
"column c" = { "grant to app" = "UPDATE" }
["function a.f()"]
"grant to PUBLIC" = "EXECUTE"
"#;

    #[test]
    fn rights_of_all_roles() {
        let all = effective(&parse(CATALOG).unwrap());
        let shown: Vec<String> = all
            .iter()
            .flat_map(|(role, objects)| {
                objects.iter().map(move |(object, rights)| {
                    let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
                    format!("{role}: {object}: {}", rights.join(" "))
                })
            })
            .filter(|line| !line.ends_with("f(): EXECUTE"))
            .collect();
        assert_eq!(
            shown,
            [
                "app: table a.t: INSERT OWNER SELECT",
                "app: table a.t column c: UPDATE",
                "boss: database: OWNER",
                "boss: schema public: OWNER",
                "reader: schema public: USAGE",
                "reader: table a.t: SELECT",
                "ro: table a.t: OWNER",
                "rw: table a.t: INSERT OWNER SELECT",
            ]
        );
        assert!(!all.contains_key("god"));
    }
}
