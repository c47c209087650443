//! Which roles a role acts as and can become, by the rules of the server, and by which path.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::facts::Roles;
use crate::sql::{QualifiedName, quote_ident};

/// One step of a path from a role to another role, or to a right on an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It has the rights of this role by inheritance.
    Inherit(String),
    /// It can `SET ROLE` to this one.
    SetRole(String),
    /// It has ADMIN OPTION on this one, and so can grant it to itself.
    GrantItself(String),
    /// PUBLIC has the right; `true` where that is the default of PostgreSQL.
    Public(bool),
    /// The right is granted to this role.
    Grant(String),
    /// This role owns the object.
    Owner(String),
    /// This predefined role has the right on all objects.
    Predefined(String),
    /// Writing the view writes its table with the rights of the view's owner, or of the caller where there is none.
    View {
        /// The view.
        view: QualifiedName,
        /// Its owner; `None` with `security_invoker`.
        owner: Option<String>,
    },
    /// Writing the table writes this partition or child.
    Child(QualifiedName),
    /// Writing a row that a foreign key refers to writes the rows that refer to it.
    Cascade {
        /// The foreign key.
        constraint: String,
        /// The table that refers.
        child: QualifiedName,
        /// `ON DELETE CASCADE`.
        action: String,
    },
    /// A rule writes with the rights of the owner of its table.
    Rule {
        /// The rule.
        rule: String,
        /// Its table or view.
        relation: QualifiedName,
    },
    /// A trigger calls a SECURITY DEFINER function.
    Trigger {
        /// The trigger.
        trigger: String,
        /// Its table or view.
        relation: QualifiedName,
        /// The function with its argument types.
        function: String,
    },
    /// A SECURITY DEFINER function runs with the rights of its owner.
    Function {
        /// The name with its argument types.
        function: String,
        /// The owner.
        owner: String,
    },
}

/// The steps from a role to another one, or to a right. Steps between roles come first; the last step of a path to a right
/// is how that role has the right.
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
            _ => None,
        }
    }

    /// What a step after the right leads through, in words; `None` of the other steps.
    fn through(&self) -> Option<String> {
        Some(match self {
            Self::View { view, owner: None } => format!("view {view}"),
            Self::View {
                view,
                owner: Some(owner),
            } => format!("view {view}, which has the rights of its owner {owner}"),
            Self::Child(child) => format!("the partition or child {child}"),
            Self::Cascade {
                constraint,
                child,
                action,
            } => format!(
                "foreign key {} of {child} ({action})",
                quote_ident(constraint)
            ),
            Self::Rule { rule, relation } => format!("rule {} on {relation}", quote_ident(rule)),
            Self::Trigger {
                trigger,
                relation,
                function,
            } => format!(
                "trigger {} on {relation}, which calls {function}",
                quote_ident(trigger)
            ),
            Self::Function { function, owner } => {
                format!("function {function} (SECURITY DEFINER, owner {owner})")
            }
            _ => return None,
        })
    }

    /// The role that has the right; `None` for PUBLIC and for a step to a role.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        match self {
            Self::Grant(name) | Self::Owner(name) | Self::Predefined(name) => Some(name),
            _ => None,
        }
    }

    /// The role that has the right, as a grantee in SQL.
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

    /// Whether it needs neither SET ROLE nor GRANT.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        let mut steps = self.steps.iter();
        !steps.any(|step| matches!(step, Step::SetRole(_) | Step::GrantItself(_)))
    }

    /// The roles on the path, in order, without the first one.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(Step::to_role)
    }

    /// The role of the direct membership that the path begins with, if any.
    #[must_use]
    pub fn membership(&self) -> Option<&str> {
        self.roles().next()
    }

    /// The role that has the right; `None` for PUBLIC and for a path between roles.
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
        let mut passed = false;
        for (at, step) in self.steps.iter().enumerate() {
            let next = self.steps.get(at + 1);
            let before = at.checked_sub(1).and_then(|at| self.steps.get(at));
            if let Some(through) = step.through() {
                text.push_str(match (passed, text.is_empty()) {
                    (true, _) => " → ",
                    (false, true) => " by ",
                    // The right is one to the first object of the way.
                    (false, false) => ", and from there by ",
                });
                text.push_str(&through);
                passed = true;
                continue;
            }
            let begin = match (before, step, next) {
                // Of several SET ROLE in a row only the last is needed.
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
                // The path to the role is already in the text.
                _ => continue,
            };
            let is_first = text.is_empty();
            text.push_str(begin);
            let Some(name) = step.to_role() else {
                continue;
            };
            text.push_str(name);
            if let Some(group) = self.membership().filter(|group| is_first && *group != name) {
                text.push_str(&format!(" (which membership in {group} allows)"));
            }
        }
        text.trim_start().to_owned()
    }
}

impl Roles {
    /// All roles whose rights `of` has or can get, itself included, each with the shortest path; a path without SET ROLE is
    /// preferred.
    ///
    /// A member that does not inherit can SET ROLE; a member with ADMIN OPTION can grant itself the other options. The
    /// search does not continue from a superuser, which can become every role.
    #[must_use]
    pub fn reach<'a>(&'a self, of: &'a str) -> BTreeMap<&'a str, AccessPath> {
        self.search(of).0
    }

    /// The same, and which of these roles it can become, itself included.
    pub(super) fn search<'a>(
        &'a self,
        of: &'a str,
    ) -> (BTreeMap<&'a str, AccessPath>, BTreeSet<&'a str>) {
        let mut paths = BTreeMap::new();
        self.inherit(of, &AccessPath::default(), &mut paths);
        // Roles that it can become; the search continues from each.
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
            // ADMIN OPTION is inherited like other rights; it does not allow to grant a superuser role.
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

    /// All direct and indirect members of `of`, except superusers, who need no membership; each with the roles from the member
    /// (included) to `of` (not included).
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
        // Memberships of a superuser are not followed; by another path they count.
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
    fn a_path_has_the_membership_that_it_begins_with() {
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
