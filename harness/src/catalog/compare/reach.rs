//! What every role may effectively do: by itself, by membership, as owner, through PUBLIC.

use std::collections::{BTreeMap, BTreeSet};

use super::weigh::{GRANT, MEMBER, rights};
use super::{Change, Weight, What};
use crate::catalog::{Catalog, DATABASE, Properties};

/// Role -> object -> rights, `OWNER` for owning. Superusers are left out: nothing is refused to them.
pub type Effective = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Owning, as if it were one more right.
const OWNER: &str = "OWNER";

/// What members of the server's own roles may do: the role, beginnings of objects, the rights.
const PREDEFINED: &[(&str, &[&str], &[&str])] = &[
    ("pg_read_all_data", TABLES, &["SELECT"]),
    ("pg_read_all_data", &["sequence "], &["SELECT"]),
    ("pg_read_all_data", &["schema "], &["USAGE"]),
    ("pg_write_all_data", TABLES, &["INSERT", "UPDATE", "DELETE"]),
    ("pg_write_all_data", &["sequence "], &["UPDATE"]),
    ("pg_write_all_data", &["schema "], &["USAGE"]),
    ("pg_maintain", TABLES, &["MAINTAIN"]),
];

const TABLES: &[&str] = &["table ", "view ", "materialized view ", "foreign table "];

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
            let held = held.map(|(object, rights)| (object.to_owned(), owned(rights)));
            (role.to_owned(), held.collect())
        })
        .collect()
}

/// Memberships, those included that a role has to use by `SET ROLE`.
struct Roles<'a> {
    /// Role -> roles that it is a member of, and whether it has their rights at once. Without superusers.
    groups: BTreeMap<&'a str, Vec<(&'a str, bool)>>,
}

impl<'a> Roles<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        let mut groups: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
        for (object, properties) in &catalog.objects {
            let Some(role) = object.strip_prefix("role ") else {
                continue;
            };
            if !properties.contains_key("superuser") {
                let of = properties.iter().filter_map(|(name, options)| {
                    let at_once = rights(Some(options)).contains_key("inherit");
                    Some((name.strip_prefix(MEMBER)?, at_once))
                });
                groups.insert(role, of.collect());
            }
        }
        // The owner of the database is a member without a grant.
        if let Some(owner) = catalog.get(DATABASE, "owner")
            && let Some(groups) = groups.get_mut(owner)
        {
            groups.push(("pg_database_owner", true));
        }
        Self { groups }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.groups.keys().copied()
    }

    /// The role and all that it is a member of, by others too.
    fn reached(&self, role: &'a str) -> BTreeSet<&'a str> {
        self.closure(role, false)
    }

    /// The same, but only those whose rights it has without `SET ROLE`.
    fn acts_as(&self, role: &'a str) -> BTreeSet<&'a str> {
        self.closure(role, true)
    }

    fn closure(&self, role: &'a str, only_at_once: bool) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::from([role]);
        let mut open = vec![role];
        while let Some(role) = open.pop() {
            for (group, at_once) in self.groups.get(role).into_iter().flatten() {
                if (*at_once || !only_at_once) && reached.insert(group) {
                    open.push(group);
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
fn held<'a>(catalog: &'a Catalog, roles: &BTreeSet<&str>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut held = BTreeMap::new();
    for (object, properties) in &catalog.objects {
        let mut rights = granted(properties, roles);
        for (role, kinds, predefined) in PREDEFINED {
            let is_one = || kinds.iter().any(|kind| object.starts_with(kind));
            if roles.contains(role) && is_one() && catalog.parent(object).is_none() {
                rights.extend(*predefined);
            }
        }
        if !rights.is_empty() {
            held.insert(object.as_str(), rights);
        }
    }
    held
}

fn granted<'a>(properties: &'a Properties, roles: &BTreeSet<&str>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    for (name, value) in properties {
        let of_it = name
            .strip_prefix(GRANT)
            .is_some_and(|grantee| grantee == "PUBLIC" || roles.contains(grantee));
        if of_it {
            all.extend(rights(Some(value)).into_keys());
        } else if name == "owner" && roles.contains(value.as_str()) {
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
            let role = change.object.strip_prefix("role ").unwrap_or_default();
            let at_once = || {
                let had = held(old, &before.acts_as(role));
                let has = held(new, &roles.acts_as(group));
                example(role, &has, &had, &format!("by membership in {group}"))
            };
            let inherits = rights(change.new.as_deref()).contains_key("inherit");
            let more = inherits.then(at_once).flatten();
            more.or_else(|| {
                let had = held(old, &before.reached(role));
                let has = held(new, &roles.reached(group));
                example(
                    role,
                    &has,
                    &had,
                    &format!("after SET ROLE, by way of {group}"),
                )
            })
        } else if let Some(grantee) = property.strip_prefix(GRANT) {
            also(&roles.members(grantee), grantee)
        } else if property == "owner" {
            let owner = change.new.as_deref().unwrap_or_default();
            let by_owner = change.object.starts_with("view ")
                || new.get(&change.object, "security definer").is_some();
            match new.get(&format!("role {owner}"), "superuser") {
                Some(_) if by_owner => Some(format!(
                    "no policy holds for {owner}, as which it works for whoever uses it"
                )),
                _ => also(&roles.members(owner), owner),
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
    has: &BTreeMap<&str, BTreeSet<&str>>,
    had: &BTreeMap<&str, BTreeSet<&str>>,
    how: &str,
) -> Option<String> {
    let none = BTreeSet::new();
    let gained: Vec<(&str, &str)> = has
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
        .min_by_key(|(object, right)| (rank(right), !object.starts_with("table "), *object))?;
    let does = match *right {
        OWNER => "act as owner of",
        right => right,
    };
    let more = match gained.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!("{role} can now {does} {object}, {how}{more}"))
}

fn also(members: &[&str], of: &str) -> Option<String> {
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
