//! Facts that rights follow from: roles, memberships, owners and access lists, wherever they were read.

use std::collections::BTreeMap;

use super::class::ObjectClass;
use crate::sql::{QualifiedName, quote_ident};

/// A role of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its name, unquoted.
    pub name: String,
    /// Whether no rule holds for it.
    pub superuser: bool,
    /// Whether no policy holds for it.
    pub bypass_rls: bool,
    /// Whether it may make roles; before PostgreSQL 16 also grant any role that is no superuser.
    pub create_role: bool,
}

impl RoleFacts {
    /// Whether it came with the server, as `pg_read_all_data` did: no other name begins so.
    #[must_use]
    pub fn is_predefined(&self) -> bool {
        self.name.starts_with("pg_")
    }
}

/// The options of a membership, those of several grantors taken together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MembershipOptions {
    /// The member may grant the role to others, and to itself.
    pub admin: bool,
    /// The member has the role's rights without SET ROLE. Before PostgreSQL 16 the member's attribute
    /// INHERIT says so for all of its memberships.
    pub inherit: bool,
    /// The member may SET ROLE; always so before PostgreSQL 16.
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

    /// Makes the owner of the database a member of `pg_database_owner`, as the server does without a grant.
    pub fn add_database_owner(&mut self, owner: &str) {
        let options = MembershipOptions {
            admin: false,
            inherit: true,
            set: true,
        };
        self.add_member(owner, DATABASE_OWNER, options);
    }

    /// Whether there is such a role and it is a superuser.
    #[must_use]
    pub fn is_superuser(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|role| role.superuser)
    }

    /// Memberships of a role by which it is directly a member.
    pub fn memberships(&self, of: &str) -> impl Iterator<Item = (&str, MembershipOptions)> {
        let all = self.member_of.get(of).into_iter().flatten();
        all.map(|(role, options)| (role.as_str(), *options))
    }

    /// Memberships that somebody granted: that of the database's owner is left out.
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
    /// What it is.
    pub class: ObjectClass,
    /// What `pg_identify_object` calls it, for [`ObjectClass::Other`]; else empty.
    pub only_owned: String,
    /// What the reader knows it by: the OID in a session, the identity in a catalog.
    pub id: String,
    /// Its schema, unquoted; empty where the class has none.
    pub schema: String,
    /// Its name, unquoted. For default privileges: of the role that makes the objects.
    pub name: String,
    /// The argument types of a function: `integer, text`.
    pub arguments: String,
    /// Name of the role that owns it; for default privileges of the role that makes the objects.
    pub owner: String,
    /// Whether it belongs to the server or to an extension, so that only what was changed counts.
    pub outside: bool,
    /// Whether it is outside and has another owner than the server or the extension gave it.
    pub moved: bool,
    /// Whether it is a sequence of a table's column, which has the owner of the table.
    pub of_column: bool,
    /// Its access list. Where the server keeps none, PostgreSQL's default.
    pub grants: Vec<GrantFacts>,
}

impl ObjectFacts {
    /// An object without an access list, that is the database's own.
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

    /// The name with its schema, for a class that has one.
    #[must_use]
    pub fn qualified(&self) -> QualifiedName {
        QualifiedName {
            schema: self.schema.clone(),
            name: self.name.clone(),
        }
    }

    /// How SQL names it, with the class where it is no table.
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

    /// How GRANT and REVOKE name it.
    #[must_use]
    pub fn sql(&self) -> String {
        match self.class {
            ObjectClass::Table => self.show(),
            // Procedures and aggregates too.
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
    /// The role that gave it; empty where nobody did or the reader does not know.
    pub grantor: String,
    /// Whether it may be granted on.
    pub grantable: bool,
    /// Whether the server or the extension itself gave it.
    pub initial: bool,
    /// Whether nobody gave it: it is PostgreSQL's default where no access list is kept.
    pub by_default: bool,
}

/// Everything that rights in one database follow from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The objects.
    pub objects: Vec<ObjectFacts>,
    /// All schemas by name, for default privileges.
    pub schemas: Vec<String>,
    /// The major version of the server.
    pub major: u64,
}
