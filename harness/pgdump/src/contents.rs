//! The contents of a backup, collected while it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::digest::RowsDigest;
use crate::encoding::Encoding;
use crate::layout::Layout;
use crate::needs::Need;
use crate::objects::Objects;
use crate::sql::QualifiedName;
use crate::values::Values;

/// Rows of one table in the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// Bytes of COPY text, or of the INSERT statements, uncompressed.
    pub bytes: u64,
    /// Line of the file where they begin, counted from 1; 0 where the format has no lines.
    pub line: u64,
    /// Whether the writer lets rows be left out silently (`ON CONFLICT DO NOTHING`).
    pub may_be_fewer: bool,
    /// Whether it also has rows of unknown number (`INSERT … SELECT`).
    pub unknown: bool,
    /// Their values, if requested.
    pub values: Values,
}

impl Rows {
    /// Adds other rows of the same table.
    pub fn add(&mut self, other: &Self) {
        self.line = self.line.min(other.line);
        self.count += other.count;
        self.bytes += other.bytes;
        self.may_be_fewer |= other.may_be_fewer;
        self.unknown |= other.unknown;
        self.values.merge(&other.values);
    }
}

/// How many objects of the kinds that are only counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Constraints that are added after the tables: primary, unique and foreign keys, checks.
    pub constraints: u64,
    /// Statements of a table with a CHECK in them.
    pub checks: u64,
    /// Indexes, without those of constraints.
    pub indexes: u64,
    /// Triggers.
    pub triggers: u64,
    /// Functions, procedures and aggregates.
    pub functions: u64,
    /// Views, materialized ones among them.
    pub views: u64,
    /// Sequences, those of identity columns among them.
    pub sequences: u64,
}

/// What a backup holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Version of the server that it was taken from.
    pub source_version: Option<String>,
    /// Version of the program that wrote it.
    pub dump_version: Option<String>,
    /// The database that it was taken from, if the format contains it.
    pub origin: Option<String>,
    /// Kind, version and inner compression, for an archive.
    pub archive: Option<Layout>,
    /// Why `pg_restore` alone can restore an archive, if [`crate::format::archive::script`] cannot write it as SQL.
    pub only_by_pg_restore: Option<String>,
    /// Databases that it creates itself.
    pub creates: Vec<String>,
    /// Databases that it connects to, in order; empty if it is restored into the connected one.
    pub connects: Vec<String>,
    /// Rows per database and table. The database is empty when the file names none.
    pub rows: BTreeMap<(String, QualifiedName), Rows>,
    /// Times with a zone in its rows, by database: they indicate the time zone of the session that wrote it.
    pub times: BTreeMap<String, Vec<String>>,
    /// Statements that say how the values in it are read, in order, each with the database that it is
    /// for; pg_dump writes none that matters.
    pub settings: Vec<(String, String)>,
    /// `client_encoding` by database, where several are in one file.
    pub encodings: BTreeMap<String, String>,
    /// What it sets sequences to: the value, and whether it was used.
    pub sequences: BTreeMap<(String, QualifiedName), (i64, bool)>,
    /// Materialized views that it fills.
    pub refreshed: BTreeSet<(String, QualifiedName)>,
    /// Large objects by database: each as a row of its number and the digest of its bytes.
    pub large_object_values: BTreeMap<String, RowsDigest>,
    /// Roles that it creates.
    pub roles: Vec<String>,
    /// Roles that it makes superusers.
    pub superusers: Vec<String>,
    /// Roles by which it grants memberships.
    pub grantors: Vec<String>,
    /// Roles that objects belong to.
    pub owners: Vec<String>,
    /// Roles that it names: owners, grantees, those that policies and user mappings are for.
    pub roles_named: BTreeSet<String>,
    /// Schemas that it makes or puts tables into.
    pub schemas: BTreeSet<String>,
    /// Tables that it defines, by database; partitioned and foreign ones among them.
    pub tables: BTreeSet<(String, QualifiedName)>,
    /// Tables that it defines and has no place for rows of (`--exclude-table-data`).
    pub without_data: Vec<QualifiedName>,
    /// Policies: table and name.
    pub policies: BTreeSet<(QualifiedName, String)>,
    /// Tables under row security.
    pub row_security: u64,
    /// AGE graphs, by the rows of `ag_catalog.ag_graph`.
    pub graphs: BTreeSet<String>,
    /// Objects that are only counted.
    pub counts: Counts,
    /// What it defines, entry by entry.
    pub objects: Arc<Objects>,
    /// Tables and schemas that its keys, views, partitions and triggers name and that it does not
    /// hold: a filter left them out.
    pub left_out: BTreeSet<String>,
    /// Access methods of its tables and indexes that belong to extensions.
    pub access_methods: BTreeSet<String>,
    /// Features that not every server supports.
    pub needs: Vec<Need>,
    /// The program that wrote it, if it is another one and states its name.
    pub writer: Option<String>,
    /// When that program began, if it states the time with its zone.
    pub made: Option<Timestamp>,
    /// Whether optimizer statistics are in it.
    pub has_statistics: bool,
    /// Extensions that it names.
    pub extensions: Vec<String>,
    /// Large objects.
    pub large_objects: u64,
    /// Bytes of large objects.
    pub large_object_bytes: u64,
    /// Whether any privilege is granted.
    pub has_privileges: bool,
    /// Whether any object is given an owner.
    pub has_owners: bool,
    /// The encoding of the database that it was taken from, if it says so without creating it: in an archive.
    pub database_encoding: Option<String>,
    /// `client_encoding` of the file.
    pub encoding: Option<String>,
    /// Offset of the first rows in the uncompressed file.
    pub data_begins: Option<u64>,
    /// Byte at which the last rows end, in the uncompressed file.
    pub data_ends: Option<u64>,
    /// Lines of a plain file with nothing but statements that drop what the file then creates, as `--clean` writes them
    /// before the first CREATE; each is the line that the statement ends in.
    pub drops: BTreeSet<u64>,
    /// Statements, for a plain file.
    pub statements: u64,
}

impl Contents {
    /// Number of tables with rows.
    #[must_use]
    pub fn filled_tables(&self) -> u64 {
        let filled = self
            .rows
            .values()
            .filter(|rows| rows.count > 0 || rows.unknown);
        filled.count() as u64
    }

    /// Major version of the server that it was taken from: 17, or 9 for 9.6.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        let version = self.source_version.as_deref()?;
        version
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    }

    /// The encoding of the database that it is restored into, if it does not create one: that of the source, as far as
    /// the dump says; a plain dump only says that of its own text.
    #[must_use]
    pub fn own_encoding(&self) -> &'static str {
        let encoding = self.database_encoding.as_ref().or(self.encoding.as_ref());
        let encoding = encoding.and_then(|name| Encoding::named(name));
        encoding
            .filter(|encoding| !encoding.is_client_only())
            .unwrap_or_default()
            .name()
    }

    /// Whether it holds any data at all: rows, or tables without any, or large objects.
    #[must_use]
    pub fn holds_data(&self) -> bool {
        !self.rows.is_empty() || self.large_objects > 0
    }

    /// Adds what another part of the same backup holds; `database` is where its unnamed rows go.
    pub fn merge(&mut self, other: &Self, database: Option<&str>) {
        fn add(into: &mut Vec<String>, from: &[String]) {
            for name in from {
                if !into.contains(name) {
                    into.push(name.clone());
                }
            }
        }
        let own = database.or(other.origin.as_deref());
        let within = |named: &str| match named {
            "" => own.unwrap_or_default().to_owned(),
            named => named.to_owned(),
        };
        self.source_version = self.source_version.take().or(other.source_version.clone());
        self.dump_version = self.dump_version.take().or(other.dump_version.clone());
        self.encoding = self.encoding.take().or(other.encoding.clone());
        self.writer = self.writer.take().or(other.writer.clone());
        add(&mut self.creates, &other.creates);
        add(&mut self.connects, &other.connects);
        if other.connects.is_empty() && other.holds_data() {
            add(&mut self.connects, own.map(str::to_owned).as_slice());
        }
        for ((named, table), rows) in &other.rows {
            self.rows
                .insert((within(named), table.clone()), rows.clone());
        }
        for (named, table) in &other.tables {
            self.tables.insert((within(named), table.clone()));
        }
        add(&mut self.roles, &other.roles);
        add(&mut self.superusers, &other.superusers);
        add(&mut self.grantors, &other.grantors);
        add(&mut self.owners, &other.owners);
        add(&mut self.extensions, &other.extensions);
        self.roles_named.extend(other.roles_named.iter().cloned());
        self.schemas.extend(other.schemas.iter().cloned());
        self.without_data.extend(other.without_data.iter().cloned());
        self.policies.extend(other.policies.iter().cloned());
        self.graphs.extend(other.graphs.iter().cloned());
        self.left_out.extend(other.left_out.iter().cloned());
        self.access_methods
            .extend(other.access_methods.iter().cloned());
        self.needs.extend(other.needs.iter().cloned());
        self.row_security += other.row_security;
        self.counts.constraints += other.counts.constraints;
        self.counts.checks += other.counts.checks;
        self.counts.indexes += other.counts.indexes;
        self.counts.triggers += other.counts.triggers;
        self.counts.functions += other.counts.functions;
        self.counts.views += other.counts.views;
        self.counts.sequences += other.counts.sequences;
        self.large_objects += other.large_objects;
        self.large_object_bytes += other.large_object_bytes;
        self.has_statistics |= other.has_statistics;
        self.has_privileges |= other.has_privileges;
        self.has_owners |= other.has_owners;
        self.statements += other.statements;
    }

    /// Databases that it restores into by itself.
    #[must_use]
    pub fn databases(&self) -> Vec<String> {
        // `pg_dumpall --clean` makes these two anew; every cluster has them.
        let of_every_cluster = |name: &str| matches!(name, "postgres" | "template1");
        let mut databases = Vec::new();
        for name in self.creates.iter().chain(&self.connects) {
            if !databases.contains(name) && !of_every_cluster(name) {
                databases.push(name.clone());
            }
        }
        databases
    }

    /// Guesses the bootstrap superuser of the source cluster.
    ///
    /// The throwaway server is given the same one: from version 16 on, memberships are restored
    /// `GRANTED BY` it, which no other superuser may do.
    #[must_use]
    pub fn bootstrap_superuser(&self) -> String {
        let postgres = "postgres".to_owned();
        if self.superusers.contains(&postgres) || self.superusers.is_empty() {
            return postgres;
        }
        let grantor = self
            .grantors
            .iter()
            .find(|role| self.superusers.contains(role));
        grantor
            .or(self.superusers.first())
            .cloned()
            .unwrap_or(postgres)
    }

    /// Roles that it names and does not create: they must be there before it is restored.
    #[must_use]
    pub fn roles_needed(&self) -> Vec<&str> {
        let superuser = self.bootstrap_superuser();
        let named = self.owners.iter().chain(&self.roles_named);
        let needed: BTreeSet<&str> = named
            .map(String::as_str)
            .filter(|role| {
                let built_in = *role == "public" || role.starts_with("pg_") || *role == superuser;
                !built_in && !self.roles.iter().any(|made| made == role)
            })
            .collect();
        needed.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&["shop"], &["template1", "shop"], &["shop"])]
    #[case(&["template1", "postgres", "shop"], &["template1", "postgres", "shop"], &["shop"])]
    #[case(&[], &["template1", "postgres"], &[])]
    #[case(&[], &["b", "a"], &["b", "a"])]
    fn its_databases_are_those_that_not_every_cluster_has(
        #[case] creates: &[&str],
        #[case] connects: &[&str],
        #[case] expected: &[&str],
    ) {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let contents = Contents {
            creates: list(creates),
            connects: list(connects),
            ..Contents::default()
        };
        assert_eq!(contents.databases(), expected);
    }

    #[rstest]
    #[case(&["postgres", "dba"], &["dba"], "postgres")]
    #[case(&["dba", "boss"], &["boss"], "boss")]
    #[case(&["dba", "boss"], &[], "dba")]
    #[case(&[], &[], "postgres")]
    fn the_bootstrap_superuser_is_the_one_that_grants(
        #[case] superusers: &[&str],
        #[case] grantors: &[&str],
        #[case] expected: &str,
    ) {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let contents = Contents {
            superusers: list(superusers),
            grantors: list(grantors),
            ..Contents::default()
        };
        assert_eq!(contents.bootstrap_superuser(), expected);
    }
}
