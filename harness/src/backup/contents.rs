//! What a backup holds, as it says itself: gathered statement by statement while it is read.

use std::collections::BTreeMap;

use super::format::archive::Layout;
use crate::database::QualifiedName;
use crate::outcome::{Finding, NotTested};

/// Rows of one table in the backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// Bytes of COPY text, uncompressed; 0 for rows that come as INSERT.
    pub bytes: u64,
    /// Line of the file where they begin, counted from 1; 0 where the format has no lines.
    pub line: u64,
    /// Whether the writer lets rows be left out silently (`ON CONFLICT DO NOTHING`).
    pub may_be_fewer: bool,
}

/// What a backup holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Version of the server that it was taken from.
    pub source_version: Option<String>,
    /// Version of the program that wrote it.
    pub dump_version: Option<String>,
    /// The database that it was taken from, where the format says so.
    pub origin: Option<String>,
    /// Kind, version and inner compression, for an archive.
    pub archive: Option<Layout>,
    /// Databases that it creates itself.
    pub creates: Vec<String>,
    /// Databases that it connects to, in order; empty when it goes wherever the restore is connected.
    pub connects: Vec<String>,
    /// Rows per database and table. The database is empty when the file names none.
    pub rows: BTreeMap<(String, QualifiedName), Rows>,
    /// Roles that it creates.
    pub roles: Vec<String>,
    /// Roles that it makes superusers.
    pub superusers: Vec<String>,
    /// Roles by which it grants memberships.
    pub grantors: Vec<String>,
    /// Roles that objects belong to.
    pub owners: Vec<String>,
    /// Extensions that it names.
    pub extensions: Vec<String>,
    /// Large objects.
    pub large_objects: u64,
    /// Whether any privilege is granted.
    pub has_privileges: bool,
    /// Whether any object is given an owner.
    pub has_owners: bool,
    /// `client_encoding` of the file.
    pub encoding: Option<String>,
    /// Byte after which the first rows come, in the uncompressed file.
    pub data_begins: Option<u64>,
    /// Byte at which the last rows end, in the uncompressed file.
    pub data_ends: Option<u64>,
    /// Statements, for a plain file.
    pub statements: u64,
}

impl Contents {
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

    /// The database that is made for it when it connects to none itself.
    #[must_use]
    pub fn target(&self, wanted: Option<&str>) -> String {
        wanted
            .or(self.origin.as_deref())
            .unwrap_or("restored")
            .to_owned()
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

    /// Guesses the bootstrap superuser of the cluster that the backup comes from.
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

    /// Says what this backup does not hold, by looking at what it does.
    #[must_use]
    pub fn not_held(&self) -> Vec<NotTested> {
        let mut missing = Vec::new();
        let mut add = |what: String, why: &str| {
            missing.push(NotTested {
                what,
                why: why.to_owned(),
            })
        };
        if self.roles.is_empty() {
            let needed: Vec<&str> = self
                .owners
                .iter()
                .map(String::as_str)
                .filter(|owner| *owner != "postgres")
                .collect();
            let what = if needed.is_empty() {
                "roles".to_owned()
            } else {
                format!("roles ({})", needed.join(", "))
            };
            add(
                what,
                "pg_dump writes none; `pg_dumpall --globals-only` does",
            );
        }
        if !self.has_privileges {
            add(
                "privileges".to_owned(),
                "no GRANT is in the file; it may have been written with `--no-privileges`",
            );
        }
        if !self.has_owners {
            add(
                "owners of objects".to_owned(),
                "no OWNER TO is in the file; it may have been written with `--no-owner`",
            );
        }
        if self.large_objects == 0 {
            add(
                "large objects".to_owned(),
                "none is in the file; filters by schema or table leave them out",
            );
        }
        add(
            "server configuration".to_owned(),
            "postgresql.conf and pg_hba.conf are not part of a dump",
        );
        add(
            "optimizer statistics".to_owned(),
            "a dump holds none unless it is asked to; run ANALYZE after a real restore",
        );
        missing
    }
}

/// What reading a plain file found wrong, beside its contents.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// What makes it no whole, harmless backup.
    pub problems: Vec<Finding>,
    /// What is odd and does not matter.
    pub warnings: Vec<Finding>,
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
