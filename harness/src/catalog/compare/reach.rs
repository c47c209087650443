//! What every role may effectively do, by itself, by membership, as owner, through PUBLIC.

use std::collections::{BTreeMap, BTreeSet};

use super::Change;
use crate::catalog::Catalog;

/// Role -> object -> rights.
pub type Effective = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Computes them.
#[must_use]
pub fn effective(_catalog: &Catalog) -> Effective {
    Effective::new()
}

/// Says at a widened membership or ownership what it lets roles do.
pub fn explain(_old: &Catalog, _new: &Catalog, _changes: &mut [Change]) {}
