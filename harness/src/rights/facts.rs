//! Facts from which rights are computed: roles, memberships, owners and access lists.

use std::collections::BTreeMap;

use super::class::ObjectClass;
use crate::sql::{QualifiedName, quote_ident};

/// A role of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its name, unquoted.
    pub name: String,
    /// SUPERUSER.
    pub superuser: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// CREATEROLE; before PostgreSQL 16 it allows to grant any role except superusers.
    pub create_role: bool,
}

impl RoleFacts {
    /// Whether it is a predefined role, such as `pg_read_all_data`: other names may not begin with `pg_`.
    #[must_use]
    pub fn is_predefined(&self) -> bool {
        self.name.starts_with("pg_")
    }
}

/// The options of a membership, those of several grantors combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MembershipOptions {
    /// The member may grant the role to others, and to itself.
    pub admin: bool,
    /// The member has the rights of the role without SET ROLE. Before PostgreSQL 16 this is the attribute INHERIT of the
    /// member.
    pub inherit: bool,
    /// The member may SET ROLE; always true before PostgreSQL 16.
    pub set: bool,
}

/// All roles and memberships.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// By name.
    pub all: BTreeMap<String, RoleFacts>,
    /// By member, then by the role it is a member of.
    pub member_of: BTreeMap<String, BTreeMap<String, MembershipOptions>>,
}

impl Roles {
    /// Adds a membership.
    pub fn add_member(&mut self, member: &str, role: &str, options: MembershipOptions) {
        let of = self.member_of.entry(member.to_owned()).or_default();
        of.insert(role.to_owned(), options);
    }

    /// Makes the owner of the database a member of `pg_database_owner`, as it is implicitly.
    pub fn add_database_owner(&mut self, owner: &str) {
        let options = MembershipOptions {
            admin: false,
            inherit: true,
            set: true,
        };
        self.add_member(owner, DATABASE_OWNER, options);
    }

    /// Whether the role exists and is a superuser.
    #[must_use]
    pub fn is_superuser(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|role| role.superuser)
    }

    /// The direct memberships of a role.
    pub fn memberships(&self, of: &str) -> impl Iterator<Item = (&str, MembershipOptions)> {
        let all = self.member_of.get(of).into_iter().flatten();
        all.map(|(role, options)| (role.as_str(), *options))
    }

    /// The granted memberships of a role, without the implicit one of the database owner.
    pub fn granted_memberships(&self, of: &str) -> impl Iterator<Item = (&str, MembershipOptions)> {
        self.memberships(of)
            .filter(|(role, _)| *role != DATABASE_OWNER)
    }
}

/// The role whose only member is the owner of the database.
pub const DATABASE_OWNER: &str = "pg_database_owner";

/// An object, its owner and its access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// The class of the object.
    pub class: ObjectClass,
    /// The type in `pg_identify_object`, for [`ObjectClass::Other`]; otherwise empty.
    pub only_owned: String,
    /// The OID, or the identity in a catalog.
    pub id: String,
    /// Its schema, unquoted; empty where the class has none.
    pub schema: String,
    /// Its name, unquoted; of default privileges that of the role that creates the objects.
    pub name: String,
    /// The argument types of a function: `integer, text`.
    pub arguments: String,
    /// The owner; of default privileges the role that creates the objects.
    pub owner: String,
    /// Whether it belongs to the server or to an extension, so that only changes count.
    pub outside: bool,
    /// Whether it belongs to the server or to an extension and has another owner than originally.
    pub moved: bool,
    /// Whether it is a sequence owned by a column, which has the owner of the table.
    pub of_column: bool,
    /// The access list; where there is none, the default of PostgreSQL.
    pub grants: Vec<GrantFacts>,
}

impl ObjectFacts {
    /// Creates an object of the database without an access list.
    #[must_use]
    pub fn new(class: ObjectClass, id: String) -> Self {
        Self {
            class,
            only_owned: String::new(),
            id,
            schema: String::new(),
            name: String::new(),
            arguments: String::new(),
            owner: String::new(),
            outside: false,
            moved: false,
            of_column: false,
            grants: Vec::new(),
        }
    }

    /// Schema and name, for a class with schemas.
    #[must_use]
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName {
            schema: self.schema.clone(),
            name: self.name.clone(),
        }
    }

    /// The name in messages: as in SQL, with the class unless it is a table.
    #[must_use]
    pub fn show(&self) -> String {
        let word = self.class.word();
        match self.class {
            ObjectClass::Table => self.qualified().to_string(),
            ObjectClass::Sequence | ObjectClass::Type => format!("{word} {}", self.qualified()),
            ObjectClass::Function => format!("function {}({})", self.qualified(), self.arguments),
            ObjectClass::Other => format!("{} {}", self.only_owned, self.name),
            ObjectClass::LargeObject => format!("large object {}", self.name),
            class if class.is_default() => {
                let place = match self.schema.as_str() {
                    "" => String::new(),
                    schema => format!(" in {}", quote_ident(schema)),
                };
                format!("{word}{place} by role {}", quote_ident(&self.name))
            }
            _ => format!("{word} {}", quote_ident(&self.name)),
        }
    }

    /// The object in GRANT and REVOKE.
    #[must_use]
    pub fn sql(&self) -> String {
        match self.class {
            ObjectClass::Table => self.show(),
            // ROUTINE includes procedures and aggregates.
            ObjectClass::Function => self.show().replacen("function", "ROUTINE", 1),
            _ => {
                let shown = self.show();
                let (word, rest) = shown.split_at(self.class.word().len().min(shown.len()));
                format!("{}{rest}", word.to_uppercase())
            }
        }
    }
}

/// One entry of an access list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantFacts {
    /// The column, where it is on one.
    pub column: Option<String>,
    /// The right, in capitals.
    pub privilege: String,
    /// The role that has it; `None` is PUBLIC.
    pub grantee: Option<String>,
    /// The grantor; empty where there is none or it is not known.
    pub grantor: String,
    /// Whether it has the grant option.
    pub grantable: bool,
    /// Whether it was granted by the server or by the extension itself.
    pub initial: bool,
    /// Whether it is the default of PostgreSQL where there is no access list.
    pub by_default: bool,
}

/// The facts of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The objects.
    pub objects: Vec<ObjectFacts>,
    /// All schemas by name, for default privileges.
    pub schemas: Vec<String>,
    /// The major version of the server.
    pub major: u64,
}
