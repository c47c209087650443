//! Which roles a role acts as and can become, by the server's own rules, and by which path.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::facts::Roles;
use crate::sql::quote_ident;

/// One step of a path from a role to another role, or to a right on an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It has the rights of this role by inheritance.
    Inherit(String),
    /// It can `SET ROLE` to this one.
    SetRole(String),
    /// It has ADMIN OPTION on this one, and so can grant it to itself.
    GrantItself(String),
    /// Everybody has the right; `true` where nobody granted it and it is PostgreSQL's default.
    Public(bool),
    /// The right is granted to this role.
    Grant(String),
    /// The object belongs to this role.
    Owner(String),
    /// This role of the server has the right on everything.
    Predefined(String),
}

/// The steps from a role to another, or to a right. Steps between roles come first; a path to a right has one more, which
/// says by what that role has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessPath {
    /// The steps, in order; empty for the role itself.
    pub steps: Vec<Step>,
}

impl Step {
    /// The role that a step between roles leads to.
    #[must_use]
    pub fn to_role(&self) -> Option<&str> {
        match self {
            Self::Inherit(name) | Self::SetRole(name) | Self::GrantItself(name) => Some(name),
            Self::Public(_) | Self::Grant(_) | Self::Owner(_) | Self::Predefined(_) => None,
        }
    }

    /// The role that has the right which this step leads to; `None` is PUBLIC, or that it leads to a role.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        match self {
            Self::Grant(name) | Self::Owner(name) | Self::Predefined(name) => Some(name),
            _ => None,
        }
    }

    /// The role that has the right, as SQL writes a grantee.
    #[must_use]
    pub fn grantee(&self) -> String {
        self.holder()
            .map_or_else(|| "PUBLIC".to_owned(), quote_ident)
    }
}

impl AccessPath {
    /// The path with one more step.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps }
    }

    /// Whether it needs no SET ROLE and no GRANT.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        let mut steps = self.steps.iter();
        !steps.any(|step| matches!(step, Step::SetRole(_) | Step::GrantItself(_)))
    }

    /// The roles on the path, in order, without the one it begins at.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(Step::to_role)
    }

    /// The role whose direct membership opens the path, where one does.
    #[must_use]
    pub fn membership(&self) -> Option<&str> {
        self.roles().next()
    }

    /// The role that has the right: `None` is PUBLIC, or that this is a path between roles.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.steps.last().and_then(Step::holder)
    }

    /// The role that has the right, as SQL writes a grantee.
    #[must_use]
    pub fn grantee(&self) -> String {
        self.steps.last().map(Step::grantee).unwrap_or_default()
    }

    /// The path in words: `by membership in a → b`, `granted to PUBLIC`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (at, step) in self.steps.iter().enumerate() {
            let next = self.steps.get(at + 1);
            let before = at.checked_sub(1).and_then(|at| self.steps.get(at));
            let begin = match (before, step, next) {
                // Several SET ROLE in a row are one: the last.
                (_, Step::SetRole(_), Some(Step::SetRole(_))) => continue,
                (Some(Step::Inherit(_)), Step::Inherit(_), _) => " → ",
                (_, Step::Inherit(_), _) => " by membership in ",
                (_, Step::SetRole(_), _) => " after SET ROLE ",
                (_, Step::GrantItself(_), _) => " after granting itself by ADMIN OPTION ",
                (_, Step::Public(true), _) => " granted to PUBLIC by PostgreSQL's default",
                (_, Step::Public(false), _) => " granted to PUBLIC",
                (None, Step::Grant(_), _) => " granted to it",
                (None, Step::Owner(_), _) => " it is the owner itself",
                (None, Step::Predefined(_), _) => " as the predefined role",
                // The roles say it.
                (Some(_), Step::Grant(_) | Step::Owner(_) | Step::Predefined(_), _) => continue,
            };
            let is_first = text.is_empty();
            text.push_str(begin);
            let Some(name) = step.to_role() else {
                continue;
            };
            text.push_str(name);
            if let Some(door) = self.membership().filter(|door| is_first && *door != name) {
                text.push_str(&format!(" (which membership in {door} allows)"));
            }
        }
        text.trim_start().to_owned()
    }
}

impl Roles {
    /// All roles whose rights `of` has or can get, itself included, each with the shortest path: first
    /// those that it has without SET ROLE.
    ///
    /// A member that does not inherit can SET ROLE; a member with ADMIN OPTION can grant itself the
    /// rest. The search ends at a superuser that it can become, since that one is everyone.
    #[must_use]
    pub fn reach<'a>(&'a self, of: &'a str) -> BTreeMap<&'a str, AccessPath> {
        self.search(of).0
    }

    /// The same, and which of those roles it can be, by SET ROLE or after a GRANT, itself included.
    pub(super) fn search<'a>(
        &'a self,
        of: &'a str,
    ) -> (BTreeMap<&'a str, AccessPath>, BTreeSet<&'a str>) {
        let mut paths = BTreeMap::new();
        self.inherit(of, &AccessPath::default(), &mut paths);
        // Roles that it can be, from each of which the search goes on. SET leads through chains.
        let mut known = BTreeSet::from([of]);
        if self.is_superuser(of) {
            return (paths, known);
        }
        let mut queue = VecDeque::from([(of, AccessPath::default())]);
        while let Some((role, path)) = queue.pop_front() {
            let set = self
                .memberships(role)
                .filter(|(_, options)| options.set)
                .map(|(to, _)| (to, path.then(Step::SetRole(to.to_owned()))));
            let mut next: Vec<(&str, AccessPath)> = set.collect();
            // ADMIN OPTION is inherited like any other right; nobody can grant a superuser's role so.
            let mut acts_as = BTreeMap::new();
            self.inherit(role, &path, &mut acts_as);
            for (actor, path) in &acts_as {
                let all = self.memberships(actor);
                let admin = all.filter(|(to, options)| options.admin && !self.is_superuser(to));
                next.extend(admin.map(|(to, _)| (to, path.then(Step::GrantItself(to.to_owned())))));
            }
            for (to, path) in next {
                if !known.insert(to) {
                    continue;
                }
                if self.is_superuser(to) {
                    paths.entry(to).or_insert(path);
                } else {
                    self.inherit(to, &path, &mut paths);
                    queue.push_back((to, path));
                }
            }
        }
        (paths, known)
    }

    /// Adds a role and all whose rights it inherits.
    fn inherit<'a>(
        &'a self,
        from: &'a str,
        path: &AccessPath,
        paths: &mut BTreeMap<&'a str, AccessPath>,
    ) {
        let mut queue = VecDeque::from([(from, path.clone())]);
        let mut known = BTreeSet::from([from]);
        while let Some((role, path)) = queue.pop_front() {
            for (to, options) in self.memberships(role) {
                if options.inherit && known.insert(to) {
                    queue.push_back((to, path.then(Step::Inherit(to.to_owned()))));
                }
            }
            paths.entry(role).or_insert(path);
        }
    }

    /// All roles that are members of `of`, directly or through others, superusers left out since they
    /// need no membership; each with the roles between the two, from the member on, itself first.
    #[must_use]
    pub fn members<'a>(&'a self, of: &str) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut queue = VecDeque::from([(of, Vec::new())]);
        while let Some((role, between)) = queue.pop_front() {
            for (member, roles) in &self.member_of {
                let member = member.as_str();
                if !roles.contains_key(role)
                    || self.is_superuser(member)
                    || member == of
                    || found.contains_key(member)
                {
                    continue;
                }
                let mut longer = vec![member];
                longer.extend(&between);
                found.insert(member, longer.clone());
                queue.push_back((member, longer));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{MembershipOptions, RoleFacts};
    use super::*;

    const INHERIT: MembershipOptions = MembershipOptions {
        admin: false,
        inherit: true,
        set: true,
    };
    const SET: MembershipOptions = MembershipOptions {
        admin: false,
        inherit: false,
        set: true,
    };
    const ADMIN: MembershipOptions = MembershipOptions {
        admin: true,
        inherit: false,
        set: false,
    };
    const ONLY_INHERIT: MembershipOptions = MembershipOptions {
        admin: false,
        inherit: true,
        set: false,
    };
    const NOTHING: MembershipOptions = MembershipOptions {
        admin: false,
        inherit: false,
        set: false,
    };

    fn roles(edges: &[(&str, &str, MembershipOptions)]) -> Roles {
        let mut roles = Roles::default();
        for (member, role, options) in edges {
            for name in [member, role] {
                let one = RoleFacts {
                    name: (*name).to_owned(),
                    superuser: name.starts_with("super"),
                    ..RoleFacts::default()
                };
                roles.all.insert(one.name.clone(), one);
            }
            roles.add_member(member, role, *options);
        }
        roles
    }

    fn shown(roles: &Roles, of: &str) -> Vec<String> {
        roles
            .reach(of)
            .iter()
            .map(|(role, path)| {
                format!(
                    "{role}: {}{}",
                    if path.is_at_once() { "" } else { "!" },
                    path.describe()
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
        // Whoever is a superuser needs none of its memberships; by another path they count.
        let all = roles(&[
            ("app", "super", SET),
            ("super", "more", INHERIT),
            ("app", "z", SET),
            ("z", "more", INHERIT),
        ]);
        assert_eq!(
            shown(&all, "app"),
            [
                "app: ",
                "more: !after SET ROLE z by membership in more",
                "super: !after SET ROLE super",
                "z: !after SET ROLE z",
            ]
        );
    }

    #[test]
    fn a_path_knows_the_membership_that_opens_it() {
        let all = roles(&[
            ("app", "a", SET),
            ("a", "b", SET),
            ("app", "lead", ONLY_INHERIT),
            ("lead", "boss", ADMIN),
        ]);
        let paths = all.reach("app");
        assert_eq!(paths["b"].membership(), Some("a"));
        assert_eq!(
            paths["b"].describe(),
            "after SET ROLE b (which membership in a allows)"
        );
        assert_eq!(paths["boss"].membership(), Some("lead"));
        assert_eq!(
            paths["boss"].describe(),
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
