//! Reads a catalog: one query per class of objects, for the whole database.
//!
//! A query gives for each row a key (`pg_class 16385`) and properties, named as its columns; NULL is no property. Or,
//! where names of properties are data, a column `property` and a column `value`. Which object a key is, and whether it
//! belongs to the catalog at all, [`name`] knows; rows with other keys say nothing.

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

/// A query, and the major versions that it is for.
struct Look {
    since: u64,
    until: u64,
    sql: &'static str,
}

impl Look {
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

/// What decides how the server writes things. `row_security` off: an error rather than a part of the rows. Compiling
/// these queries takes longer than running them.
const PIN: &str = "
SET search_path = pg_catalog; SET row_security = off; SET quote_all_identifiers = off; SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET jit = off";

pub async fn read(session: &mut Session) -> Result<Catalog, DatabaseError> {
    session.run(PIN).await?;
    let version = session.value("SHOW server_version").await?;
    let number = session.count("SHOW server_version_num").await?;
    let major = number / 10_000;
    let mut reader = Reader {
        catalog: Catalog::default(),
        names: BTreeMap::new(),
    };
    reader.set(ObjectId::server(), "version", version.unwrap_or_default());
    for row in session.rows(name::NAMES).await? {
        let mut cells = row.into_iter();
        if let (Some(Some(key)), Some(Some(object))) = (cells.next(), cells.next()) {
            let object = identity(&object)?;
            reader.catalog.objects.entry(object.clone()).or_default();
            reader.names.insert(key, object);
        }
    }
    let all = [
        relation::LOOKS,
        routine::LOOKS,
        kind::LOOKS,
        database::LOOKS,
        role::LOOKS,
        privilege::LOOKS,
        note::LOOKS,
        graph::LOOKS,
    ];
    let looks = all.into_iter().flatten();
    for look in looks.filter(|look| (look.since..=look.until).contains(&major)) {
        let answer = session.run(look.sql).await?;
        reader.take(answer)?;
    }
    for guarded in [
        role::PASSWORDS,
        database::SUBSCRIPTIONS,
        database::USER_MAPPINGS,
    ] {
        reader.guarded(session, &guarded).await?;
    }
    graph::read(session, &mut reader).await?;
    Ok(reader.catalog)
}

/// A query of what not everybody may read.
struct Guarded {
    /// Word of [`unreadable`].
    what: &'static str,
    /// Whether the session's role may read it, one boolean; NULL where there is nothing to read.
    may: &'static str,
    look: Look,
}

struct Reader {
    catalog: Catalog,
    /// Key -> identity.
    names: BTreeMap<String, ObjectId>,
}

/// Reads the identity of an object as a query gives it.
fn identity(text: &str) -> Result<ObjectId, DatabaseError> {
    text.parse().map_err(|message| DatabaseError {
        sqlstate: None,
        message,
        lost: false,
    })
}

impl Reader {
    fn set(&mut self, object: ObjectId, property: &str, value: String) {
        let properties = self.catalog.objects.entry(object).or_default();
        properties.insert(property.to_owned(), value);
    }

    /// Keeps the properties of the objects that the catalog has. A key that begins with `=` is the identity itself.
    fn take(&mut self, answer: Answer) -> Result<(), DatabaseError> {
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
                Some(text) => identity(text)?,
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

    async fn guarded(
        &mut self,
        session: &mut Session,
        guarded: &Guarded,
    ) -> Result<(), DatabaseError> {
        match session.value(guarded.may).await? {
            None => {}
            may if is_true(Some(&may)) => {
                let answer = session.run(guarded.look.sql).await?;
                self.take(answer)?;
            }
            _ => {
                self.catalog.unreadable.insert(guarded.what.to_owned());
            }
        }
        Ok(())
    }
}
