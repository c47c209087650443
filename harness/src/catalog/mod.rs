//! A database's definition as data: read it, write it as text, compare two of them.
//!
//! One picture for everything that can be defined, given, or set: an object's identity, such as
//! `table app.orders column id`, and its properties as text. It has no OIDs, is sorted, and is the same for a database
//! and for what its dump restores to.

pub mod compare;
pub mod file;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::database::{DatabaseError, Session};

/// The properties of one object: name -> value as text, which may have several lines.
///
/// What has its default value is left out where that says nothing.
pub type Properties = BTreeMap<String, String>;

/// The definition of a database and of the cluster's objects that it needs.
///
/// An object's identity is what SQL calls it behind its kind: `table app.orders`, `role plur_app`,
/// `function app.f(integer, text)`. What belongs to an object begins with that one's identity and a space:
/// `table app.orders trigger t`. So sorting keeps it together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Identity -> properties.
    pub objects: BTreeMap<String, Properties>,
    /// What the role that looked may not read, and so is left out; see [`unreadable`].
    pub unreadable: BTreeSet<String>,
}

/// Words for what [`Catalog::unreadable`] may hold.
pub mod unreadable {
    /// Whether roles have passwords.
    pub const PASSWORDS: &str = "passwords of roles";
    /// Subscriptions.
    pub const SUBSCRIPTIONS: &str = "subscriptions";
    /// Options of user mappings of others.
    pub const USER_MAPPINGS: &str = "options of user mappings";
    /// Graphs of Apache AGE.
    pub const GRAPHS: &str = "graphs";
}

/// The object that says of which server the catalog was read.
pub const SERVER: &str = "server";
/// The object that holds what is said of the database itself.
pub const DATABASE: &str = "database";
/// The object that holds whose large objects are and who may do what with them.
pub const LARGE_OBJECTS: &str = "large objects";
/// The object that holds what `ALTER DATABASE … SET` set.
pub const DATABASE_SETTINGS: &str = "database settings";

impl Catalog {
    /// Reads the catalog of the session's database, and the cluster's roles.
    ///
    /// Changes the session's settings (`search_path`, formats of output). Runs in the caller's transaction if there is
    /// one, and does nothing that could abort it; nothing is written. What the session's role may not read is left out
    /// and told in [`Catalog::unreadable`].
    ///
    /// # Errors
    /// When the server does not answer a query about its catalogs.
    pub async fn read(session: &mut Session) -> Result<Self, DatabaseError> {
        read::read(session).await
    }

    /// The objects that all databases of a cluster share: roles, tablespaces, rights on parameters, the server.
    #[must_use]
    pub fn cluster(&self) -> Self {
        self.part(is_of_cluster)
    }

    /// The objects of the database alone.
    #[must_use]
    pub fn database(&self) -> Self {
        self.part(|object| !is_of_cluster(object))
    }

    /// Puts the cluster's part and the database's together again.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.objects.extend(other.objects);
        self.unreadable.extend(other.unreadable);
        self
    }

    fn part(&self, of: impl Fn(&str) -> bool) -> Self {
        let objects = self.objects.iter().filter(|(object, _)| of(object));
        let unreadable = self.unreadable.iter().filter(|what| {
            // Passwords are the cluster's, all else that may be unreadable the database's.
            of(match what.as_str() {
                unreadable::PASSWORDS => "role ",
                _ => DATABASE,
            })
        });
        Self {
            objects: objects
                .map(|(object, properties)| (object.clone(), properties.clone()))
                .collect(),
            unreadable: unreadable.cloned().collect(),
        }
    }

    /// One property of one object.
    #[must_use]
    pub fn get(&self, object: &str, property: &str) -> Option<&str> {
        self.objects.get(object)?.get(property).map(String::as_str)
    }

    /// What belongs to an object, in order; not the object itself.
    pub fn children<'a>(
        &'a self,
        object: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Properties)> + use<'a> {
        let prefix = format!("{object} ");
        let from = (Bound::Included(prefix.clone()), Bound::Unbounded);
        self.objects
            .range::<String, _>(from)
            .take_while(move |(name, _)| name.starts_with(&prefix))
            .map(|(name, properties)| (name.as_str(), properties))
    }

    /// The object that another belongs to, where it is there: `table app.orders` of `table app.orders column id`.
    #[must_use]
    pub fn parent<'a>(&self, object: &'a str) -> Option<&'a str> {
        object
            .match_indices(' ')
            .map(|(at, _)| &object[..at])
            .find(|prefix| self.objects.contains_key(*prefix))
    }
}

/// Tells whether all databases of a cluster share it.
#[must_use]
pub fn is_of_cluster(object: &str) -> bool {
    object == SERVER
        || ["role ", "tablespace ", "parameter "]
            .iter()
            .any(|kind| object.starts_with(kind))
}
