//! Reads a catalog: one query per class of objects, for the whole database.
//!
//! Each row of a query has a key (`pg_class 16385`) and properties, named as the columns; NULL means no property. Where
//! names of properties are data, there are the columns `property` and `value` instead. [`name`] maps the keys of all
//! objects of the catalog to identities; rows with other keys are ignored.

mod database;
mod graph;
mod kind;
mod name;
mod note;
mod privilege;
mod relation;
mod role;
mod routine;

use std::collections::BTreeMap;

use super::{Catalog, ObjectId, unreadable};
use crate::database::{Answer, DatabaseError, Session, is_true};

/// A query and the major versions of servers that it is for, both included.
struct CatalogQuery {
    since: u64,
    until: u64,
    sql: &'static str,
}

impl CatalogQuery {
    const fn new(sql: &'static str) -> Self {
        Self {
            since: 0,
            until: u64::MAX,
            sql,
        }
    }

    const fn since(mut self, major: u64) -> Self {
        self.since = major;
        self
    }

    const fn until(mut self, major: u64) -> Self {
        self.until = major;
        self
    }
}

/// Settings that make all servers print the same text. With `row_security` off a policy causes an error instead of hiding
/// rows. JIT compilation of these queries takes longer than running them.
const SETTINGS: &str = "
SET search_path = pg_catalog; SET row_security = off; SET quote_all_identifiers = off; SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET jit = off";

pub async fn identities(
    session: &mut Session,
) -> Result<BTreeMap<String, ObjectId>, DatabaseError> {
    session.run(SETTINGS).await?;
    let mut names = BTreeMap::new();
    for row in session.rows(name::NAMES).await? {
        let mut cells = row.into_iter();
        if let (Some(Some(key)), Some(Some(object))) = (cells.next(), cells.next()) {
            names.insert(key, parse_identity(&object)?);
        }
    }
    Ok(names)
}

pub async fn read(session: &mut Session) -> Result<Catalog, DatabaseError> {
    let names = identities(session).await?;
    let version = session.value("SHOW server_version").await?;
    let major = session.major_version().await?;
    let mut reader = CatalogReader {
        catalog: Catalog::default(),
        names,
    };
    reader.set(ObjectId::server(), "version", version.unwrap_or_default());
    for object in reader.names.values() {
        reader.catalog.objects.entry(object.clone()).or_default();
    }
    let all = [
        relation::QUERIES,
        routine::QUERIES,
        kind::QUERIES,
        database::QUERIES,
        role::QUERIES,
        privilege::QUERIES,
        note::QUERIES,
        graph::QUERIES,
    ];
    let queries = all.into_iter().flatten();
    for query in queries.filter(|query| (query.since..=query.until).contains(&major)) {
        let answer = session.run(query.sql).await?;
        reader.store(answer)?;
    }
    for restricted in [
        role::PASSWORDS,
        database::SUBSCRIPTIONS,
        database::USER_MAPPINGS,
        graph::GRAPHS,
    ] {
        match session.value(restricted.may_read).await? {
            None => {}
            may if is_true(Some(&may)) => {
                let answer = session.run(restricted.sql).await?;
                reader.store(answer)?;
            }
            _ => {
                let what = restricted.what.to_owned();
                reader.catalog.unreadable.insert(what);
            }
        }
    }
    Ok(reader.catalog)
}

/// A query that not every role may run.
struct RestrictedQuery {
    /// The entry of [`unreadable`].
    what: &'static str,
    /// A query of one boolean: whether the role may run `sql`. NULL where there is nothing to read.
    may_read: &'static str,
    sql: &'static str,
}

struct CatalogReader {
    catalog: Catalog,
    /// Key → identity.
    names: BTreeMap<String, ObjectId>,
}

/// Parses an identity that a query returned.
fn parse_identity(text: &str) -> Result<ObjectId, DatabaseError> {
    text.parse().map_err(DatabaseError::new)
}

impl CatalogReader {
    fn set(&mut self, object: ObjectId, property: &str, value: String) {
        let properties = self.catalog.objects.entry(object).or_default();
        properties.insert(property.to_owned(), value);
    }

    /// Stores the properties of the objects of the catalog. A key that begins with `=` is the identity itself.
    fn store(&mut self, answer: Answer) -> Result<(), DatabaseError> {
        let listed = answer
            .columns
            .get(1)
            .is_some_and(|column| column == "property");
        for row in answer.rows {
            let mut cells = row.into_iter();
            let Some(Some(key)) = cells.next() else {
                continue;
            };
            let object = match key.strip_prefix('=') {
                Some(text) => parse_identity(text)?,
                None => match self.names.get(&key) {
                    Some(identity) => identity.clone(),
                    None => continue,
                },
            };
            if listed {
                if let (Some(Some(property)), Some(Some(value))) = (cells.next(), cells.next()) {
                    self.set(object, &property, value);
                }
                continue;
            }
            let properties = self.catalog.objects.entry(object).or_default();
            for (property, value) in answer.columns.iter().skip(1).zip(cells) {
                if let Some(value) = value {
                    properties.insert(property.clone(), value);
                }
            }
        }
        Ok(())
    }
}
