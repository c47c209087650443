//! Facts about rights, from a catalog.

use super::{Catalog, ObjectId, ObjectKind, PartKind, Properties};
use crate::rights::{
    Facts, GrantFacts, MembershipOptions, ObjectClass, ObjectFacts, RoleFacts, Roles,
};
use crate::sql::read_identifier;

/// Prefix of a property that lists the rights granted to a role.
pub const GRANT: &str = "grant to ";
/// Prefix of a property that lists default rights revoked from a role.
pub const REVOKED: &str = "revoked from ";
/// Prefix of a property that lists the options of a membership in a role.
pub const MEMBER: &str = "member of ";

/// Splits the value of a `grant to …` or `member of …` into words, each with whether it has the grant option.
pub fn words(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let words = text.split(", ").filter(|word| !word.is_empty());
    words.map(|word| match word.strip_suffix(" (grantable)") {
        Some(right) => (right, true),
        None => (word, false),
    })
}

/// The roles of a catalog with their memberships.
#[must_use]
pub fn roles(catalog: &Catalog) -> Roles {
    let mut roles = Roles::default();
    for (object, properties) in &catalog.objects {
        let Some(name) = object.as_role().map(str::to_owned) else {
            continue;
        };
        for (property, options) in properties {
            let Some(of) = property.strip_prefix(MEMBER).map(read_identifier) else {
                continue;
            };
            let has = |word: &str| words(options).any(|(option, _)| option == word);
            let options = MembershipOptions {
                admin: has("admin"),
                inherit: has("inherit"),
                set: has("set"),
            };
            roles.add_member(&name, &of, options);
            // Predefined roles are not objects of a catalog.
            roles.all.entry(of.clone()).or_insert_with(|| RoleFacts {
                name: of,
                ..RoleFacts::default()
            });
        }
        let has = |property: &str| properties.contains_key(property);
        let facts = RoleFacts {
            name: name.clone(),
            superuser: has("superuser"),
            bypass_rls: has("bypassrls"),
            create_role: has("createrole"),
        };
        roles.all.insert(name, facts);
    }
    if let Some(owner) = catalog.get(&ObjectId::database(), "owner") {
        roles.add_database_owner(owner);
    }
    roles
}

/// The objects of a catalog with their owners and access lists.
#[must_use]
pub fn facts(catalog: &Catalog) -> Facts {
    let version = catalog
        .get(&ObjectId::server(), "version")
        .unwrap_or_default();
    let number: String = version.chars().take_while(char::is_ascii_digit).collect();
    let mut facts = Facts {
        // Without a version all rights are assumed to exist.
        major: number.parse().unwrap_or(u64::MAX),
        ..Facts::default()
    };
    for (id, properties) in &catalog.objects {
        let Some(mut object) = object(id) else {
            continue;
        };
        object.outside = properties.contains_key("part of");
        if let Some(owner) = properties.get("owner") {
            object.owner.clone_from(owner);
            let revoked = properties.get("revoked from its owner");
            let revoked = revoked.map(String::as_str).unwrap_or_default();
            let all = object.class.all(facts.major).iter();
            let kept = all.filter(|right| words(revoked).all(|(word, _)| word != **right));
            object.grants.extend(kept.map(|right| GrantFacts {
                privilege: (*right).to_owned(),
                grantee: Some(owner.clone()),
                ..GrantFacts::default()
            }));
        }
        object.grants.extend(grants(properties, None));
        for (_, part, properties) in catalog.children(id) {
            if part.kind == PartKind::Column {
                object.grants.extend(grants(properties, Some(&part.name)));
            }
        }
        facts.objects.push(object);
    }
    facts
}

/// Facts of an object without its grants; `None` for a part.
fn object(id: &ObjectId) -> Option<ObjectFacts> {
    let signature = id.signature.clone().unwrap_or_default();
    let class = match id.kind {
        ObjectKind::DefaultPrivileges => ObjectClass::of_word(&format!("default {signature}"))?,
        ObjectKind::LargeObjects => ObjectClass::LargeObject,
        kind => ObjectClass::of_word(kind.word()).unwrap_or(ObjectClass::Other),
    };
    let creator = class.is_default().then(|| id.name.clone());
    id.part.is_none().then(|| ObjectFacts {
        schema: id.schema.clone().unwrap_or_default(),
        name: id.name.clone(),
        owner: creator.unwrap_or_default(),
        arguments: match class {
            ObjectClass::Function => signature,
            _ => String::new(),
        },
        ..ObjectFacts::new(class, id.to_string())
    })
}

/// The grants on an object, or on one of its columns.
fn grants(properties: &Properties, column: Option<&str>) -> Vec<GrantFacts> {
    let of = properties.iter().filter_map(|(property, rights)| {
        let grantee = property.strip_prefix(GRANT)?;
        Some((
            (grantee != "PUBLIC").then(|| read_identifier(grantee)),
            rights,
        ))
    });
    of.flat_map(|(grantee, rights)| words(rights).map(move |word| (grantee.clone(), word)))
        .map(|(grantee, (privilege, grantable))| GrantFacts {
            column: column.map(str::to_owned),
            privilege: privilege.to_owned(),
            grantee,
            grantable,
            ..GrantFacts::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::database::TextRow;
    use crate::rights::{Actor, Answers};
    use crate::sql::quote_ident;

    #[rstest]
    #[case("table app.orders", "app.orders")]
    #[case("materialized view \"My App\".\"v (x)\"", "\"My App\".\"v (x)\"")]
    #[case("foreign data wrapper w", "foreign data wrapper w")]
    #[case("foreign server \"S\"", "foreign server \"S\"")]
    #[case("procedure app.tidy()", "function app.tidy()")]
    #[case(
        "function app.\"f(\"(integer, text)",
        "function app.\"f(\"(integer, text)"
    )]
    #[case("domain app.email", "type app.email")]
    #[case("default privileges of boss on tables", "default tables by role boss")]
    #[case(
        "default privileges of \"Shop Owner\" in schema \"a b\" on large objects",
        "default large objects in \"a b\" by role \"Shop Owner\""
    )]
    #[case("parameter app.tenant", "parameter \"app.tenant\"")]
    fn an_identity_is_an_object(#[case] identity: &str, #[case] shown: &str) {
        let id: ObjectId = identity.parse().unwrap();
        assert_eq!(object(&id).unwrap().show(), shown);
    }

    const NAMES: [&str; 7] = [
        "app",
        "Shop Owner",
        "a, b",
        "boss",
        "ro",
        "pg_read_all_data",
        "pg_write_all_data",
    ];
    /// Identities, and how a session reads the same object: class, schema, name, arguments.
    const OBJECTS: [(&str, [&str; 4]); 5] = [
        ("table s.t", ["table", "s", "t", ""]),
        ("view \"S\".\"v w\"", ["table", "S", "v w", ""]),
        ("sequence s.q", ["sequence", "s", "q", ""]),
        ("schema s", ["schema", "", "s", ""]),
        ("function s.f(integer)", ["function", "s", "f", "integer"]),
    ];

    /// (object, grantee, right, whether on a column) → whether with grant option.
    type Grants = BTreeMap<(usize, usize, usize, bool), bool>;

    /// Roles, memberships, owners and grants, by index.
    #[derive(Debug, Clone)]
    struct World {
        superusers: Vec<bool>,
        members: BTreeMap<(usize, usize), (bool, bool, bool)>,
        owners: Vec<usize>,
        grants: Grants,
        /// Rights revoked from owners: object, right.
        revoked: BTreeSet<(usize, usize)>,
    }

    fn world() -> impl Strategy<Value = World> {
        let roles = 0..NAMES.len();
        // The index after the last role is PUBLIC.
        let grant = (0..OBJECTS.len(), 0..=NAMES.len(), 0..8_usize, any::<bool>());
        (
            vec(proptest::bool::weighted(0.1), NAMES.len() - 2),
            btree_map(
                (0..NAMES.len() - 2, roles),
                any::<(bool, bool, bool)>(),
                0..9,
            ),
            vec(0..NAMES.len() - 2, OBJECTS.len() + 1),
            btree_map(grant, any::<bool>(), 0..14),
            proptest::collection::btree_set((0..OBJECTS.len(), 0..8_usize), 0..6),
        )
            .prop_map(|(superusers, mut members, owners, mut grants, revoked)| {
                members.retain(|(member, of), _| member != of);
                // A catalog does not list grants to the owner; only tables have columns.
                grants.retain(|(object, grantee, right, column), _| {
                    let all = rights_on(*object);
                    *grantee != owners[*object] && *right < all.len() && (!*column || *object < 2)
                });
                World {
                    superusers,
                    members,
                    owners,
                    grants,
                    revoked,
                }
            })
    }

    fn rights_on(object: usize) -> &'static [&'static str] {
        ObjectClass::of_word(OBJECTS[object].1[0]).unwrap().all(17)
    }

    impl World {
        fn kept_by_owner(&self, object: usize) -> impl Iterator<Item = &'static str> {
            let all = rights_on(object).iter().enumerate();
            all.filter(move |(right, _)| !self.revoked.contains(&(object, *right)))
                .map(|(_, name)| *name)
        }

        /// The facts that a session reads.
        fn in_session(&self) -> (Roles, Facts) {
            let bit = |is: bool| Some(if is { "t" } else { "f" }.to_owned());
            let text = |text: &str| Some(text.to_owned());
            let roles: Vec<TextRow> = NAMES
                .iter()
                .enumerate()
                .map(|(at, name)| {
                    let superuser = self.superusers.get(at).copied().unwrap_or_default();
                    vec![text(name), bit(superuser), bit(false), bit(false)]
                })
                .collect();
            let members = self.members.iter().map(|((member, of), options)| {
                let (member, of) = (text(NAMES[*member]), text(NAMES[*of]));
                vec![member, of, bit(options.0), bit(options.1), bit(options.2)]
            });
            let members: Vec<TextRow> = members.collect();
            let roles = Roles::of_rows(&roles, &members, NAMES[self.owners[OBJECTS.len()]]);
            let mut answers = Answers::default();
            for (at, (_, [class, schema, name, arguments])) in OBJECTS.iter().enumerate() {
                let (class, id) = (text(class), Some(at.to_string()));
                let owner = text(NAMES[self.owners[at]]);
                let mut row = vec![class.clone(), id.clone(), text(schema), text(name)];
                row.extend([
                    text(arguments),
                    owner.clone(),
                    bit(false),
                    bit(false),
                    bit(false),
                ]);
                answers.objects.push(row);
                answers.grants.extend(self.kept_by_owner(at).map(|right| {
                    let grantor = owner.clone();
                    let row = [
                        class.clone(),
                        id.clone(),
                        None,
                        text(right),
                        owner.clone(),
                        grantor,
                    ];
                    row.into_iter()
                        .chain([bit(false), bit(false), bit(false)])
                        .collect()
                }));
            }
            for ((object, grantee, right, column), grantable) in &self.grants {
                let of = &OBJECTS[*object].1;
                answers.grants.push(vec![
                    text(of[0]),
                    Some(object.to_string()),
                    column.then(|| "C d".to_owned()),
                    text(rights_on(*object)[*right]),
                    NAMES.get(*grantee).map(|name| (*name).to_owned()),
                    None,
                    bit(*grantable),
                    bit(false),
                    bit(false),
                ]);
            }
            let facts = Facts::of_answers(&answers, &roles, &[], 17);
            (roles, facts)
        }

        /// The catalog.
        fn in_catalog(&self) -> Catalog {
            let mut catalog = Catalog::default();
            let mut set = |object: &str, property: &str, value: &str| {
                let id: ObjectId = object.parse().unwrap();
                let properties = catalog.objects.entry(id).or_default();
                let known: &mut String = properties.entry(property.to_owned()).or_default();
                let comma = if known.is_empty() { "" } else { ", " };
                *known = format!("{known}{comma}{value}");
            };
            set("server", "version", "17.6");
            set("database", "owner", NAMES[self.owners[OBJECTS.len()]]);
            for (at, superuser) in self.superusers.iter().enumerate() {
                let role = format!("role {}", quote_ident(NAMES[at]));
                set(&role, "login", "yes");
                if *superuser {
                    set(&role, "superuser", "yes");
                }
            }
            for ((member, of), (admin, inherit, can_set)) in &self.members {
                let words = [(*admin, "admin"), (*inherit, "inherit"), (*can_set, "set")];
                let words: Vec<&str> = words
                    .iter()
                    .filter(|(is, _)| *is)
                    .map(|(_, word)| *word)
                    .collect();
                let property = format!("member of {}", quote_ident(NAMES[*of]));
                set(
                    &format!("role {}", quote_ident(NAMES[*member])),
                    &property,
                    &words.join(", "),
                );
            }
            for (at, (identity, _)) in OBJECTS.iter().enumerate() {
                set(identity, "owner", NAMES[self.owners[at]]);
                let kept: Vec<&str> = self.kept_by_owner(at).collect();
                for right in rights_on(at).iter().filter(|right| !kept.contains(right)) {
                    set(identity, "revoked from its owner", right);
                }
            }
            for ((object, grantee, right, column), grantable) in &self.grants {
                let grantee = NAMES
                    .get(*grantee)
                    .map_or("PUBLIC".to_owned(), |name| quote_ident(name));
                let identity = OBJECTS[*object].0;
                let identity = match column {
                    true => format!("{identity} column \"C d\""),
                    false => identity.to_owned(),
                };
                let option = if *grantable { " (grantable)" } else { "" };
                let right = format!("{}{option}", rights_on(*object)[*right]);
                set(&identity, &format!("grant to {grantee}"), &right);
            }
            catalog
        }
    }

    /// Every right of a role, with its path: object, right, column, path, grantable.
    fn all(
        roles: &Roles,
        facts: &Facts,
        role: &str,
    ) -> BTreeSet<(String, String, Option<String>, String, bool)> {
        let actor = Actor::new(roles, &roles.all[role]);
        let of = facts.objects.iter().flat_map(|object| {
            let rights = actor.rights_on(object).into_iter();
            rights.map(|held| {
                let path = format!("{:?}", held.path);
                let column = held.column.map(str::to_owned);
                (
                    object.show(),
                    held.privilege.to_owned(),
                    column,
                    path,
                    held.grantable,
                )
            })
        });
        of.collect()
    }

    proptest! {
        #[test]
        fn a_session_and_a_catalog_give_the_same_rights(world in world()) {
            let (known, of_session) = world.in_session();
            let catalog = world.in_catalog();
            let (read, mut of_catalog) = (roles(&catalog), facts(&catalog));
            of_catalog.objects.retain(|object| object.class != ObjectClass::Database);
            for name in &NAMES[..NAMES.len() - 2] {
                prop_assert_eq!(
                    all(&known, &of_session, name),
                    all(&read, &of_catalog, name),
                    "{}", name
                );
                // Inherited roles, computed a second way: repeat until nothing is added.
                let mut inherited = BTreeSet::from([*name]);
                loop {
                    let before = inherited.len();
                    for (member, of) in &known.member_of {
                        if inherited.contains(member.as_str()) {
                            inherited.extend(of.iter().filter(|(_, options)| options.inherit).map(|(of, _)| of.as_str()));
                        }
                    }
                    if inherited.len() == before {
                        break;
                    }
                }
                let reached = known.reach(name);
                let at_once: BTreeSet<&str> = reached.iter().filter(|(_, path)| path.is_at_once()).map(|(of, _)| *of).collect();
                prop_assert_eq!(at_once, inherited);
            }
        }
    }
}
