//! The definition of a database as data: read it, write it as text, compare two of them.
//!
//! Everything that can be defined, granted or set has one form: the identity of an object, such as
//! `table app.orders column id`, and its properties as text. There are no OIDs, the order is fixed, and a database and the
//! restore of its dump have the same catalog.

pub mod compare;
pub mod file;
mod id;
mod read;
pub mod rights;
pub mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::database::{DatabaseError, Session};

pub use id::{ObjectId, ObjectKind, ObjectPart, PartKind};

/// The properties of one object: name → value as text, which may have several lines. Most defaults are left out.
pub type Properties = BTreeMap<String, String>;

/// The definition of a database and of the cluster's objects that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Identity → properties. The parts of an object follow it.
    pub objects: BTreeMap<ObjectId, Properties>,
    /// What the role of the session has no right to read; see [`unreadable`].
    pub unreadable: BTreeSet<String>,
}

/// Reads the identity of every object and every part of one, without properties: by the key of its row in the system
/// catalogs, such as `pg_class 16385`. The index of a constraint has the identity of the constraint. Objects of the server and of
/// extensions, graphs and subscriptions are left out.
///
/// Changes settings of the session, as [`Catalog::read`] does.
///
/// # Errors
/// When the query of the system catalogs fails.
pub async fn identities(
    session: &mut Session,
) -> Result<BTreeMap<String, ObjectId>, DatabaseError> {
    read::identities(session).await
}

/// The possible entries of [`Catalog::unreadable`].
pub mod unreadable {
    /// Whether roles have passwords, and of which kind.
    pub const PASSWORDS: &str = "passwords of roles";
    /// All of them: `pg_subscription` is readable by superusers only.
    pub const SUBSCRIPTIONS: &str = "subscriptions";
    /// Those of other users.
    pub const USER_MAPPINGS: &str = "options of user mappings";
    /// Graphs of Apache AGE, whose tables are those of an extension.
    pub const GRAPHS: &str = "graphs";
}

impl Catalog {
    /// Reads the catalog of the session's database, and the cluster's roles.
    ///
    /// Changes settings of the session (`search_path`, formats of output). Runs in the caller's transaction if there is
    /// one, and does nothing that could abort it; nothing is written. What the session's role may not read is left out
    /// and listed in [`Catalog::unreadable`].
    ///
    /// # Errors
    /// When a query of the system catalogs fails.
    pub async fn read(session: &mut Session) -> Result<Self, DatabaseError> {
        read::read(session).await
    }

    /// The value of a property of an object.
    #[must_use]
    pub fn get(&self, object: &ObjectId, property: &str) -> Option<&str> {
        self.objects.get(object)?.get(property).map(String::as_str)
    }

    /// The objects of one kind without their parts, by schema and name.
    pub fn of_kind(
        &self,
        kind: ObjectKind,
    ) -> impl Iterator<Item = (&ObjectId, &Properties)> + use<'_> {
        let objects = self.objects.iter();
        objects.filter(move |(object, _)| object.kind == kind && object.part.is_none())
    }

    /// The partitioned table that `table` is a partition of.
    #[must_use]
    pub fn partition_parent(&self, table: &ObjectId) -> Option<ObjectId> {
        let parent = self.get(table, "partition of")?;
        format!("table {parent}").parse().ok()
    }

    /// The parts of an object, in order, without the object itself.
    pub fn children<'a>(
        &'a self,
        object: &'a ObjectId,
    ) -> impl Iterator<Item = (&'a ObjectId, &'a ObjectPart, &'a Properties)> {
        let after = (Bound::Excluded(object), Bound::Unbounded);
        self.objects
            .range::<ObjectId, _>(after)
            .take_while(|(id, _)| id.is_part_of(object))
            .filter_map(|(id, properties)| Some((id, id.part.as_ref()?, properties)))
    }

    /// The object that `object` is a part of, where the catalog has it: `table app.orders` for
    /// `table app.orders column id`.
    #[must_use]
    pub fn parent(&self, object: &ObjectId) -> Option<&ObjectId> {
        object.part.as_ref()?;
        let (parent, _) = self.objects.get_key_value(&object.whole())?;
        Some(parent)
    }
}
