//! Which roles a role acts as, and which it can become: the server's own rules, with the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session};

/// The oid of a role, as text.
pub type Oid = String;

/// A role of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Whether no rule holds for it.
    pub superuser: bool,
    /// Whether it came with the server: `pg_read_all_data`.
    pub predefined: bool,
}

/// One membership, grants by several grantors taken together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The member may grant the role to others, and to itself.
    pub admin: bool,
    /// The member has the role's rights without doing anything.
    pub inherit: bool,
    /// The member may `SET ROLE`.
    pub set: bool,
}

/// All roles and memberships.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// By oid.
    pub all: BTreeMap<Oid, Role>,
    /// By member, then by the role it is a member of.
    pub member_of: BTreeMap<Oid, BTreeMap<Oid, Options>>,
}

const ROLES: &str = "
SELECT oid, rolname, rolsuper, oid < 16384 AND rolname ~ '^pg_'
  FROM pg_catalog.pg_roles";

/// Since PostgreSQL 16 a membership has options of its own.
const MEMBERS_16: &str = "
SELECT member, roleid, pg_catalog.bool_or(admin_option), pg_catalog.bool_or(inherit_option),
       pg_catalog.bool_or(set_option)
  FROM pg_catalog.pg_auth_members GROUP BY 1, 2";

/// Before, the member's attribute INHERIT decides for all of its memberships.
const MEMBERS_12: &str = "
SELECT m.member, m.roleid, pg_catalog.bool_or(m.admin_option), pg_catalog.bool_or(r.rolinherit), true
  FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member GROUP BY 1, 2";

/// The owner of the database is a member of `pg_database_owner` without a grant.
const DATABASE_OWNER: &str = "
SELECT d.datdba, r.oid
  FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
 WHERE d.datname = pg_catalog.current_database() AND r.rolname = 'pg_database_owner'";

/// How a role comes to the rights of another, or of itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Whether it has them without doing anything; otherwise it must become another role first.
    pub at_once: bool,
    /// The steps; empty for the role itself.
    pub steps: Vec<Step>,
    /// The role whose direct membership opens the way.
    pub door: Option<String>,
}

/// One step of a way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It inherits from this role.
    Inherits(String),
    /// It can `SET ROLE` to this one.
    Becomes(String),
    /// It has ADMIN OPTION on this one, and so can grant it to itself.
    Grants(String),
}

impl Way {
    /// The way as it stands behind a right: `by membership in a, b`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut inherits = false;
        for step in &self.steps {
            let (begin, name) = match step {
                Step::Inherits(name) if inherits => (" → ", name),
                Step::Inherits(name) => (" by membership in ", name),
                Step::Becomes(name) => (" after SET ROLE ", name),
                Step::Grants(name) => (" after granting itself by ADMIN OPTION ", name),
            };
            inherits = matches!(step, Step::Inherits(_));
            text.push_str(begin);
            text.push_str(name);
            let first = self.steps.first() == Some(step);
            if let Some(door) = self.door.as_ref().filter(|door| first && *door != name) {
                text.push_str(&format!(" (which membership in {door} allows)"));
            }
        }
        text.trim_start().to_owned()
    }

    /// The roles on the way, the last included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| match step {
            Step::Inherits(name) | Step::Becomes(name) | Step::Grants(name) => name.as_str(),
        })
    }

    /// The role whose direct membership opens the way.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.door.as_deref()
    }

    /// The way with one more step.
    fn then(&self, step: Step, at_once: bool) -> Self {
        let mut steps = self.steps.clone();
        let (Step::Inherits(name) | Step::Becomes(name) | Step::Grants(name)) = &step;
        let door = self.door.clone().unwrap_or_else(|| name.clone());
        // Several SET ROLE in a row are one: the last.
        if matches!(
            (&step, steps.last()),
            (Step::Becomes(_), Some(Step::Becomes(_)))
        ) {
            steps.pop();
        }
        steps.push(step);
        Self {
            at_once,
            steps,
            door: Some(door),
        }
    }
}

impl Roles {
    /// Reads them.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(session: &mut Session, major: u64) -> Result<Self, DatabaseError> {
        let mut roles = Self::default();
        for row in session.rows(ROLES).await? {
            if let [Some(oid), Some(name), ..] = row.as_slice() {
                let role = Role {
                    oid: oid.clone(),
                    name: name.clone(),
                    superuser: is_true(row.get(2)),
                    predefined: is_true(row.get(3)),
                };
                roles.all.insert(oid.clone(), role);
            }
        }
        let members = if major >= 16 { MEMBERS_16 } else { MEMBERS_12 };
        for row in session.rows(members).await? {
            if let [Some(member), Some(role), ..] = row.as_slice() {
                let options = Options {
                    admin: is_true(row.get(2)),
                    inherit: is_true(row.get(3)),
                    set: is_true(row.get(4)),
                };
                roles.add(member, role, options);
            }
        }
        for row in session.rows(DATABASE_OWNER).await? {
            if let [Some(owner), Some(role)] = row.as_slice() {
                let options = Options {
                    admin: false,
                    inherit: true,
                    set: true,
                };
                roles.add(owner, role, options);
            }
        }
        Ok(roles)
    }

    fn add(&mut self, member: &str, role: &str, options: Options) {
        self.member_of
            .entry(member.to_owned())
            .or_default()
            .insert(role.to_owned(), options);
    }

    /// Finds a role by name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Role> {
        self.all.values().find(|role| role.name == name)
    }

    /// The name of a role, or its oid where it is gone.
    #[must_use]
    pub fn name<'a>(&'a self, oid: &'a str) -> &'a str {
        self.all.get(oid).map_or(oid, |role| role.name.as_str())
    }

    /// Direct memberships of a role, those that only the server makes left out.
    pub fn direct<'a>(&'a self, oid: &str) -> impl Iterator<Item = (&'a Role, Options)> + 'a {
        self.member_of
            .get(oid)
            .into_iter()
            .flatten()
            .filter_map(|(role, options)| Some((self.all.get(role)?, *options)))
            .filter(|(role, _)| role.name != "pg_database_owner")
    }

    /// All roles whose rights `of` has or can get, each with the shortest way, ways at once first.
    ///
    /// A member that does not inherit can `SET ROLE`; a member with ADMIN OPTION can grant itself
    /// the rest. A superuser that it can become ends the search, since that one is everyone.
    #[must_use]
    pub fn reach(&self, of: &str) -> BTreeMap<Oid, Way> {
        let mut ways = BTreeMap::new();
        let start = Way {
            at_once: true,
            steps: Vec::new(),
            door: None,
        };
        self.inherit(of, &start, &mut ways);
        // Roles it can be, each to be gone on from; SET is decided by memberships of the session's
        // own role, and leads through chains as inheritance does.
        let mut become_seen = BTreeSet::from([of.to_owned()]);
        let mut queue = VecDeque::from([(of.to_owned(), start)]);
        while let Some((role, way)) = queue.pop_front() {
            if self.all.get(&role).is_some_and(|role| role.superuser) {
                continue;
            }
            let mut next: Vec<(Oid, Way)> = Vec::new();
            for (to, options) in self.member_of.get(&role).into_iter().flatten() {
                if options.set {
                    let step = Step::Becomes(self.name(to).to_owned());
                    next.push((to.clone(), way.then(step, false)));
                }
            }
            // ADMIN OPTION is inherited like any other right.
            let mut acts_as = BTreeMap::new();
            self.inherit(&role, &way, &mut acts_as);
            for (actor, way) in &acts_as {
                for (to, options) in self.member_of.get(actor).into_iter().flatten() {
                    let superuser = self.all.get(to).is_some_and(|role| role.superuser);
                    if options.admin && !superuser {
                        let step = Step::Grants(self.name(to).to_owned());
                        next.push((to.clone(), way.then(step, false)));
                    }
                }
            }
            for (to, way) in next {
                if become_seen.insert(to.clone()) {
                    self.inherit(&to, &way, &mut ways);
                    queue.push_back((to, way));
                }
            }
        }
        ways
    }

    /// Adds a role and all that it inherits from.
    fn inherit(&self, from: &str, way: &Way, ways: &mut BTreeMap<Oid, Way>) {
        let mut queue = VecDeque::from([(from.to_owned(), way.clone())]);
        let mut seen = BTreeSet::from([from.to_owned()]);
        while let Some((role, way)) = queue.pop_front() {
            ways.entry(role.clone()).or_insert_with(|| way.clone());
            for (to, options) in self.member_of.get(&role).into_iter().flatten() {
                if options.inherit && seen.insert(to.clone()) {
                    let step = Step::Inherits(self.name(to).to_owned());
                    queue.push_back((to.clone(), way.then(step, way.at_once)));
                }
            }
        }
    }

    /// All roles that are members of `of`, directly or by way of others, superusers left out since
    /// they need no membership; each with the names on the way, its own first.
    #[must_use]
    pub fn members(&self, of: &str) -> BTreeMap<Oid, Vec<String>> {
        let mut found: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
        let mut queue = VecDeque::from([(of.to_owned(), Vec::new())]);
        while let Some((role, way)) = queue.pop_front() {
            for (member, roles) in &self.member_of {
                let superuser = self.all.get(member).is_some_and(|role| role.superuser);
                if !roles.contains_key(&role)
                    || superuser
                    || member == of
                    || found.contains_key(member)
                {
                    continue;
                }
                let mut longer = vec![self.name(member).to_owned()];
                longer.extend(way.iter().cloned());
                found.insert(member.clone(), longer.clone());
                queue.push_back((member.clone(), longer));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INHERIT: Options = Options {
        admin: false,
        inherit: true,
        set: true,
    };
    const SET: Options = Options {
        admin: false,
        inherit: false,
        set: true,
    };
    const ADMIN: Options = Options {
        admin: true,
        inherit: false,
        set: false,
    };
    const ONLY_INHERIT: Options = Options {
        admin: false,
        inherit: true,
        set: false,
    };
    const NOTHING: Options = Options {
        admin: false,
        inherit: false,
        set: false,
    };

    fn roles(edges: &[(&str, &str, Options)]) -> Roles {
        let mut roles = Roles::default();
        for (member, role, options) in edges {
            for name in [member, role] {
                let one = Role {
                    oid: (*name).to_owned(),
                    name: (*name).to_owned(),
                    superuser: name.starts_with("super"),
                    predefined: false,
                };
                roles.all.insert(one.oid.clone(), one);
            }
            roles.add(member, role, *options);
        }
        roles
    }

    fn shown(roles: &Roles, of: &str) -> Vec<String> {
        roles
            .reach(of)
            .iter()
            .map(|(oid, way)| {
                format!(
                    "{oid}: {}{}",
                    if way.at_once { "" } else { "!" },
                    way.describe()
                )
            })
            .collect()
    }

    #[test]
    fn rights_come_by_chains_and_set_role_and_admin() {
        let all = roles(&[
            ("app", "reader", INHERIT),
            ("reader", "base", INHERIT),
            ("app", "org", SET),
            ("org", "deep", INHERIT),
            ("app", "boss", ADMIN),
            ("app", "fenced", NOTHING),
        ]);
        assert_eq!(
            shown(&all, "app"),
            [
                "app: ",
                "base: by membership in reader → base",
                "boss: !after granting itself by ADMIN OPTION boss",
                "deep: !after SET ROLE org by membership in deep",
                "org: !after SET ROLE org",
                "reader: by membership in reader",
            ]
        );
    }

    #[test]
    fn inheritance_stops_where_an_option_says_so_and_set_role_goes_on() {
        let all = roles(&[
            ("app", "a", INHERIT),
            ("a", "b", SET),
            ("b", "c", ONLY_INHERIT),
            ("c", "d", SET),
        ]);
        assert_eq!(
            shown(&all, "app"),
            [
                "a: by membership in a",
                "app: ",
                "b: !after SET ROLE b (which membership in a allows)",
                "c: !after SET ROLE b (which membership in a allows) by membership in c"
            ]
        );
    }

    #[test]
    fn admin_option_is_inherited_and_never_gives_a_superuser() {
        let all = roles(&[
            ("app", "lead", ONLY_INHERIT),
            ("lead", "boss", ADMIN),
            ("app", "super", ADMIN),
        ]);
        assert_eq!(shown(&all, "app").len(), 3);
        let all = roles(&[("app", "super", SET), ("super", "more", INHERIT)]);
        assert!(all.reach("app").contains_key("super"));
    }

    #[test]
    fn a_way_knows_the_membership_that_opens_it() {
        let all = roles(&[
            ("app", "a", SET),
            ("a", "b", SET),
            ("app", "lead", ONLY_INHERIT),
            ("lead", "boss", ADMIN),
        ]);
        let ways = all.reach("app");
        assert_eq!(ways["b"].first(), Some("a"));
        assert_eq!(
            ways["b"].describe(),
            "after SET ROLE b (which membership in a allows)"
        );
        assert_eq!(ways["boss"].first(), Some("lead"));
        assert_eq!(
            ways["boss"].describe(),
            "by membership in lead after granting itself by ADMIN OPTION boss"
        );
    }

    #[test]
    fn members_are_found_by_way_of_others() {
        let all = roles(&[
            ("intern", "app", SET),
            ("app", "owner", SET),
            ("superb", "owner", SET),
        ]);
        let members = all.members("owner");
        assert_eq!(members["intern"], ["intern", "app"]);
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn circles_end() {
        let all = roles(&[("a", "b", INHERIT), ("b", "a", INHERIT)]);
        assert_eq!(all.reach("a").len(), 2);
        assert_eq!(all.members("a").len(), 1);
    }
}
