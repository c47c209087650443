//! What differs between a cluster before and after a run of migrations: objects, rights, rows, storage.

use std::collections::BTreeMap;

use crate::catalog::Catalog;

/// The state of a cluster.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// By name.
    pub databases: BTreeMap<String, DatabaseState>,
}

/// The state of one database.
#[derive(Debug, Clone, Default)]
pub struct DatabaseState {
    /// Its definition, with the roles of the cluster.
    pub catalog: Catalog,
}
