//! Which rows a check reads, for a restore that loads no others.

use crate::sql::{NamePattern, QualifiedName};

/// Which rows a check reads.
#[derive(Debug, Clone)]
pub enum Reads {
    /// Any, or it is not known which.
    Everything,
    /// Those of some relations, and whatever the server reads in addition where these are read and written.
    Some(RowsRead),
}

/// Relations whose rows a check reads.
#[derive(Debug, Clone, Default)]
pub struct RowsRead {
    /// Tables and views; a name may match none.
    pub relations: Vec<NamePattern>,
    /// Whether ways to add rows to them count too, and not only ways to change and remove rows.
    pub ways_to_insert: bool,
    /// Statements and conditions of the scenario, which may name other relations and functions.
    pub statements: Vec<String>,
    /// Whether it makes a difference if a materialized view was never filled, whichever it is.
    pub materialized_views: bool,
    /// SECURITY DEFINER functions that are no ways, as `schema.name(types)`.
    pub trusted_functions: Vec<String>,
}

impl RowsRead {
    /// Adds names and patterns as a scenario writes them. One that cannot be read was refused with the scenario.
    #[must_use]
    pub fn with<'a>(mut self, names: impl IntoIterator<Item = &'a String>) -> Self {
        let names = names.into_iter();
        let names = names.filter_map(|name| NamePattern::parse(name).ok());
        self.relations.extend(names);
        self
    }

    /// Adds one relation.
    pub fn add(&mut self, name: &QualifiedName) {
        self.relations.push(NamePattern::from(name));
    }
}
