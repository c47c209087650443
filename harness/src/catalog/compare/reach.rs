//! Adds to changes that widen rights which roles can do what: by membership, or as the owner.

use std::collections::BTreeSet;

use super::{Change, ChangeKind, Severity};
use crate::catalog::rights::{GRANT, MEMBER, facts, roles};
use crate::catalog::{Catalog, ObjectKind};
use crate::rights::{AccessPath, Actor, Facts, OWNER, Roles, Step};
use crate::sql::{quote_ident, read_identifier};

/// Rights in the order in which one is chosen as the example.
const EXAMPLES: &[&str] = &[
    OWNER, "DELETE", "UPDATE", "TRUNCATE", "INSERT", "EXECUTE", "SELECT", "CREATE", "USAGE",
];

/// Adds to each change that widens rights which roles can do what.
pub fn explain(old: &Catalog, new: &Catalog, changes: &mut [Change]) {
    let side = |catalog| (roles(catalog), facts(catalog));
    let (before, after) = (side(old), side(new));
    for change in changes {
        if change.severity != Severity::Widened || change.kind == ChangeKind::Removed {
            continue;
        }
        let Some(property) = change.property.as_deref() else {
            continue;
        };
        let more = if let Some(group) = property.strip_prefix(MEMBER) {
            let role = read_identifier(&change.object.name);
            gained_by_membership(&before, &after, &role, &read_identifier(group))
        } else if let Some(grantee) = property.strip_prefix(GRANT) {
            (grantee != "PUBLIC")
                .then(|| name_members(&after.0, &read_identifier(grantee)))
                .flatten()
        } else if property == "owner" {
            let owner = change.new.as_deref().unwrap_or_default();
            let by_owner = change.object.kind == ObjectKind::View
                || new.get(&change.object, "security definer").is_some();
            match after.0.is_superuser(owner) && by_owner {
                true => Some(format!(
                    "it runs as {}, a superuser, to whom no policy applies",
                    quote_ident(owner)
                )),
                false => name_members(&after.0, owner),
            }
        } else {
            None
        };
        if let Some(more) = more {
            change.add_reason(&more);
        }
    }
}

/// A right: the identity of the object, and the right.
type ObjectRight = (String, String);

/// The rights that a role has by the wanted paths.
fn rights(
    facts: &Facts,
    actor: &Actor<'_>,
    wanted: impl Fn(&AccessPath) -> bool,
) -> BTreeSet<ObjectRight> {
    let of = facts.objects.iter().flat_map(|object| {
        let mut rights = actor.rights_on(object);
        rights.retain(|held| !held.is_of_owner() && wanted(&held.path));
        rights.into_iter().map(move |held| {
            let object = match held.column {
                Some(column) => format!("{} column {}", object.id, quote_ident(column)),
                None => object.id.clone(),
            };
            (object, held.privilege.to_owned())
        })
    });
    of.collect()
}

/// `app_ro can now UPDATE table app.audit_log, by membership in app_rw, and 14 more`: rights that a role has through a
/// group and did not have before; those that need SET ROLE only if there are no others.
fn gained_by_membership(
    before: &(Roles, Facts),
    after: &(Roles, Facts),
    role: &str,
    group: &str,
) -> Option<String> {
    let now = Actor::new(
        &after.0,
        after.0.all.get(role).filter(|role| !role.superuser)?,
    );
    let old = before
        .0
        .all
        .get(role)
        .map(|role| Actor::new(&before.0, role));
    let through = |path: &AccessPath| path.roles().any(|name| name == group);
    let gained = |at_once: bool| {
        let wanted = |path: &AccessPath| !at_once || path.is_at_once();
        let had = old.as_ref().map(|old| rights(&before.1, old, wanted));
        let had = had.unwrap_or_default();
        let mut has = rights(&after.1, &now, |path| through(path) && wanted(path));
        // An owner already had every right.
        has.retain(|one| !had.contains(one) && !had.contains(&(one.0.clone(), OWNER.to_owned())));
        has
    };
    let mut how = format!("by membership in {}", quote_ident(group));
    let mut all = gained(true);
    if all.is_empty() {
        all = gained(false);
        let granted = matches!(
            now.paths.get(group)?.steps.last(),
            Some(Step::GrantItself(_))
        );
        how = match granted {
            true => format!(
                "after granting itself {} by ADMIN OPTION",
                quote_ident(group)
            ),
            false => format!("after SET ROLE, through {}", quote_ident(group)),
        };
    }
    let rank = |right: &str| {
        let rank = EXAMPLES.iter().position(|example| *example == right);
        rank.unwrap_or(EXAMPLES.len())
    };
    let ranked = all
        .iter()
        .map(|(object, right)| (rank(right), !object.starts_with("table "), object, right));
    let (.., object, right) = ranked.min()?;
    let does = match right.as_str() {
        OWNER => "act as owner of",
        right => right,
    };
    let more = match all.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!(
        "{} can now {does} {object}, {how}{more}",
        quote_ident(role)
    ))
}

/// Names the roles that have or can get the rights of a role, except superusers, who have every right.
fn name_members(roles: &Roles, of: &str) -> Option<String> {
    let others = roles
        .all
        .values()
        .filter(|role| !role.superuser && role.name != of);
    let members: Vec<String> = others
        .filter(|role| roles.reach(&role.name).contains_key(of))
        .map(|role| quote_ident(&role.name))
        .collect();
    (!members.is_empty()).then(|| {
        format!(
            "so can the members of {}: {}",
            quote_ident(of),
            members.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        let catalog = parse(CATALOG).unwrap();
        let (roles, facts) = (roles(&catalog), facts(&catalog));
        let of = |role| {
            let mut objects: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (object, right) in rights(&facts, &Actor::new(&roles, role), |_| true) {
                objects.entry(object).or_default().push(right);
            }
            objects
        };
        let own = roles.all.values();
        let shown: Vec<String> = own
            .filter(|role| !role.superuser && !role.is_predefined())
            .flat_map(|role| {
                of(role).into_iter().map(|(object, rights)| {
                    format!("{}: {object}: {}", role.name, rights.join(" "))
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
        assert!(roles.is_superuser("god"));
    }
}
