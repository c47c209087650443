//! The table of contents: one entry for every object, and one for the data of each table.
//!
//! The layout is that of `ReadToc` in `pg_backup_archiver.c`; the location of the data of an entry is
//! what the custom, directory and tar formats add to it.

use std::io::BufRead;

use super::head::{Fields, Head, damaged};
use super::stop::Stop;
use crate::fault::Place;
use crate::layout::Kind;
use crate::objects::{Definition, Object};
use crate::sql::QualifiedName;

/// The location of the data of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It has none.
    Nothing,
    /// Unknown: the archive was written into a pipe.
    Somewhere,
    /// At this byte of a custom archive.
    At(u64),
    /// In this file of a directory, or member of a tar file; its name without a suffix of compression.
    File(String),
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// By which others depend on it, and its data is found.
    pub id: i64,
    /// Whether the archive holds data for it.
    pub has_data: bool,
    /// Oid of the catalog that the object is in.
    pub catalog: String,
    /// Oid of the object.
    pub oid: String,
    /// Name of the object.
    pub tag: String,
    /// What it is: `TABLE`, `TABLE DATA`, `ACL`, …
    pub kind: String,
    /// When it is restored: 1 none, 2 pre-data, 3 data, 4 post-data.
    pub section: i64,
    /// SQL that makes it.
    pub definition: String,
    /// SQL that drops it.
    pub drop: String,
    /// The COPY statement before its rows; empty for data of INSERT statements.
    pub copy: String,
    /// Its schema.
    pub namespace: String,
    /// Its tablespace.
    pub tablespace: String,
    /// Its table access method, from 1.14 on.
    pub access_method: String,
    /// `relkind` of a relation, from 1.16 on.
    pub relation_kind: i64,
    /// Its owner.
    pub owner: String,
    /// Ids of the entries that it needs.
    pub dependencies: Vec<i64>,
    /// The location of its data.
    pub stored: Stored,
}

impl Entry {
    /// Reads the next entry.
    pub(super) fn read<R: BufRead>(
        fields: &mut Fields<R>,
        head: &Head,
        kind: Kind,
    ) -> Result<Self, Stop> {
        let minor = head.version.minor;
        let mut entry = Self {
            id: fields.int()?,
            has_data: fields.int()? != 0,
            catalog: fields.text()?.unwrap_or_default(),
            oid: fields.text()?.unwrap_or_default(),
            tag: fields.text()?.unwrap_or_default(),
            kind: fields.text()?.unwrap_or_default(),
            section: fields.int()?,
            definition: fields.text()?.unwrap_or_default(),
            drop: fields.text()?.unwrap_or_default(),
            copy: fields.text()?.unwrap_or_default(),
            namespace: fields.text()?.unwrap_or_default(),
            tablespace: fields.text()?.unwrap_or_default(),
            access_method: if minor >= 14 {
                fields.text()?.unwrap_or_default()
            } else {
                String::new()
            },
            relation_kind: if minor >= 16 { fields.int()? } else { 0 },
            owner: fields.text()?.unwrap_or_default(),
            dependencies: Vec::new(),
            stored: Stored::Nothing,
        };
        let _with_oids = fields.text()?;
        while let Some(id) = fields.text()? {
            let id = id
                .parse()
                .map_err(|_| damaged("a dependency that is no number"))?;
            entry.dependencies.push(id);
        }
        if entry.id <= 0 {
            return Err(damaged("an entry with an impossible number"));
        }
        entry.stored = match kind {
            Kind::Custom => offset(fields, head.offset_size)?,
            Kind::Directory | Kind::Tar => match fields.text()? {
                None => Stored::Nothing,
                Some(name) if name.is_empty() => Stored::Nothing,
                // In tar archives, and in all before 1.16, the entry names a file that there is not.
                Some(_) if entry.kind == "BLOBS" && minor < 16 => {
                    Stored::File("blobs.toc".to_owned())
                }
                Some(_) if entry.kind == "BLOBS" && kind == Kind::Tar => {
                    Stored::File(format!("blobs_{}.toc", entry.id))
                }
                Some(name) => Stored::File(name),
            },
        };
        Ok(entry)
    }

    /// What a person calls it.
    pub(super) fn name(&self) -> String {
        match self.kind.as_str() {
            "TABLE DATA" => QualifiedName {
                schema: self.namespace.clone(),
                name: self.tag.clone(),
            }
            .to_string(),
            "BLOBS" => "large objects".to_owned(),
            kind => format!("{kind} {}", self.tag),
        }
    }

    /// The object that it defines, without its definition.
    pub(super) fn object(&self) -> Object {
        Object {
            database: String::new(),
            kind: self.kind.clone(),
            schema: self.namespace.clone(),
            name: self.tag.clone(),
            owner: self.owner.clone(),
            place: Place::Entry(self.id),
            definition: Definition::default(),
        }
    }

    /// Whether pg_restore gives the object its owner: not where the owner is that of its table, nor for rows, rights
    /// and comments, which have nothing to drop.
    pub(super) fn sets_owner(&self) -> bool {
        const OF_A_TABLE: &[&str] = &[
            "CAST",
            "CHECK CONSTRAINT",
            "CONSTRAINT",
            "DEFAULT",
            "FK CONSTRAINT",
            "INDEX",
            "POLICY",
            "ROW SECURITY",
            "RULE",
            "TRIGGER",
            "USER MAPPING",
        ];
        self.is_within_database()
            && !self.drop.is_empty()
            && !OF_A_TABLE.contains(&self.kind.as_str())
    }

    /// Whether restoring it makes something within the database, rather than the database itself,
    /// which `pg_restore` does only with `--create`.
    pub(super) fn is_within_database(&self) -> bool {
        // Any other object may be named so.
        let is_about = matches!(self.kind.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
        let is_of_database = is_about && self.tag.starts_with("DATABASE ");
        !self.kind.starts_with("DATABASE") && !is_of_database
    }
}

/// A state, then the byte at which the data begins.
fn offset<R: BufRead>(fields: &mut Fields<R>, size: u8) -> Result<Stored, Stop> {
    let state = fields.byte()?;
    let at = fields.magnitude(size)?;
    match state {
        1 => Ok(Stored::Somewhere),
        2 => Ok(Stored::At(at)),
        3 => Ok(Stored::Nothing),
        _ => Err(damaged("an unknown place of data")),
    }
}
