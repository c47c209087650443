//! A database's definition as data: read it, write it as text, compare two of them.
//!
//! Everything that can be defined, granted, or set has one form: an object's identity, such as
//! `table app.orders column id`, and its properties as text. It has no OIDs, is sorted, and is the same for a database
//! and for what its dump restores to.

pub mod compare;
pub mod file;
mod id;
mod read;
pub mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::database::{DatabaseError, Session};

pub use id::{ObjectId, ObjectKind, ObjectPart, PartKind};

/// The properties of one object: name -> value as text, which may have several lines.
///
/// What has its default value is left out where that says nothing.
pub type Properties = BTreeMap<String, String>;

/// The definition of a database and of the cluster's objects that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Identity -> properties. The parts of an object follow it.
    pub objects: BTreeMap<ObjectId, Properties>,
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
        self.part(true)
    }

    /// The objects of the database alone.
    #[must_use]
    pub fn database(&self) -> Self {
        self.part(false)
    }

    /// Puts the cluster's part and the database's together again.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.objects.extend(other.objects);
        self.unreadable.extend(other.unreadable);
        self
    }

    fn part(&self, of_cluster: bool) -> Self {
        let objects = self.objects.iter();
        // Passwords are the cluster's, all else that may be unreadable the database's.
        let unreadable = self.unreadable.iter();
        Self {
            objects: objects
                .filter(|(object, _)| object.kind.is_of_cluster() == of_cluster)
                .map(|(object, properties)| (object.clone(), properties.clone()))
                .collect(),
            unreadable: unreadable
                .filter(|what| (*what == unreadable::PASSWORDS) == of_cluster)
                .cloned()
                .collect(),
        }
    }

    /// One property of one object.
    #[must_use]
    pub fn get(&self, object: &ObjectId, property: &str) -> Option<&str> {
        self.objects.get(object)?.get(property).map(String::as_str)
    }

    /// The objects of one kind as a whole, in order of schema and name.
    pub fn of_kind(
        &self,
        kind: ObjectKind,
    ) -> impl Iterator<Item = (&ObjectId, &Properties)> + use<'_> {
        let objects = self.objects.iter();
        objects.filter(move |(object, _)| object.kind == kind && object.part.is_none())
    }

    /// The partitioned table that another is a partition of.
    #[must_use]
    pub fn partition_parent(&self, table: &ObjectId) -> Option<ObjectId> {
        let parent = self.get(table, "partition of")?;
        format!("table {parent}").parse().ok()
    }

    /// The parts of an object, in order; not the object itself.
    pub fn children<'a>(
        &'a self,
        object: &'a ObjectId,
    ) -> impl Iterator<Item = (&'a ObjectId, &'a ObjectPart, &'a Properties)> {
        let behind = (Bound::Excluded(object), Bound::Unbounded);
        self.objects
            .range::<ObjectId, _>(behind)
            .take_while(|(id, _)| id.is_part_of(object))
            .filter_map(|(id, properties)| Some((id, id.part.as_ref()?, properties)))
    }

    /// The object that another is a part of, where the catalog has it: `table app.orders` of
    /// `table app.orders column id`.
    #[must_use]
    pub fn parent(&self, object: &ObjectId) -> Option<&ObjectId> {
        object.part.as_ref()?;
        let (parent, _) = self.objects.get_key_value(&object.whole())?;
        Some(parent)
    }
}
