//! What initdb wrote into the system catalogs, and whether a backup left it as it was.
//!
//! Whatever redrill asks of a server is answered by these functions, operators, types and views, and a superuser may replace each
//! of them, such as `aclexplode` by a function that finds no rights. The rows of the catalogs are read by COPY, which evaluates no
//! expression, and compared here. Native code that a backup loads into the server could still change what COPY sends.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::future::try_join_all;
use sha2::{Digest as _, Sha256};

use crate::database::{DatabaseError, Endpoint, Session, Terms};
use crate::sql::quote_ident;

/// A catalog that says what an object of the server does.
struct SystemCatalog {
    name: &'static str,
    /// What an object of it is called.
    kind: &'static str,
    /// The column with its name, or with the OID of the relation that has one.
    named_by: &'static str,
    /// The columns that are compared; empty for all but [`MUTABLE`].
    only: &'static [&'static str],
}

const CATALOGS: [SystemCatalog; 12] = [
    of("pg_proc", "function", "proname"),
    of("pg_aggregate", "aggregate", "aggfnoid"),
    of("pg_operator", "operator", "oprname"),
    of("pg_type", "type", "typname"),
    of("pg_cast", "cast", "oid"),
    of("pg_amop", "operator of an operator family", "oid"),
    of("pg_amproc", "function of an operator family", "oid"),
    of("pg_opclass", "operator class", "opcname"),
    of("pg_opfamily", "operator family", "opfname"),
    of("pg_rewrite", "view", "ev_class"),
    SystemCatalog {
        only: &[
            "oid",
            "relname",
            "relnamespace",
            "relkind",
            "relrowsecurity",
        ],
        ..of("pg_class", "relation", "relname")
    },
    SystemCatalog {
        only: &["oid", "nspname"],
        ..of("pg_namespace", "schema", "nspname")
    },
];

const fn of(name: &'static str, kind: &'static str, named_by: &'static str) -> SystemCatalog {
    SystemCatalog {
        name,
        kind,
        named_by,
        only: &[],
    }
}

/// Columns that a dump may change of an object of the server: owners and rights.
const MUTABLE: [&str; 8] = [
    "proowner", "proacl", "typowner", "typacl", "oprowner", "opcowner", "opfowner", "nspowner",
];

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// All that initdb makes: of a server on which it ran just now.
    All,
    /// What has the same OID in every cluster of a major version: of a cluster that another initdb made.
    Pinned,
}

/// The first OID that initdb gives out by itself.
const FIRST_OF_INITDB: u32 = 12000;
/// The first OID that no object of initdb has.
const FIRST_OF_USERS: u32 = 16384;
/// The OID of the schema `pg_catalog`.
const PG_CATALOG: &str = "11";

const COLUMNS: &str = "
SELECT c.relname, a.attname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 11 AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY c.relname, a.attnum";
const RELATIONS: &str = "SELECT oid, relname FROM pg_catalog.pg_class";

/// A catalog and what identifies a row in it.
type RowKey = (&'static str, Vec<u8>);

/// The rows of the system catalogs of a database in which nothing is replaced yet.
#[derive(Debug)]
pub struct SystemCatalogs {
    /// The columns of each of [`CATALOGS`].
    columns: Vec<Vec<String>>,
    /// The object of each row, by the digest of the row.
    rows: HashMap<[u8; 32], String>,
    /// Names of functions.
    functions: HashSet<Vec<u8>>,
    /// Catalog and OID of each row, where a row may be missing: another minor version of initdb did not make it.
    made_by_other: HashMap<[u8; 32], RowKey>,
}

impl SystemCatalogs {
    /// Reads them.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn read(
        endpoint: &Endpoint,
        database: &str,
        compared: Compared,
    ) -> Result<Self, DatabaseError> {
        let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
        let pairs = session.rows(COLUMNS).await?;
        let columns = CATALOGS.iter().map(|catalog| {
            let of_catalog = pairs.iter().filter_map(|row| match row.as_slice() {
                [Some(name), Some(column)] if name == catalog.name => Some(column.as_str()),
                _ => None,
            });
            let compared = of_catalog.filter(|column| match catalog.only {
                [] => !MUTABLE.contains(column),
                only => only.contains(column),
            });
            compared.map(str::to_owned).collect()
        });
        let mut all = Self {
            columns: columns.collect(),
            rows: HashMap::new(),
            functions: HashSet::new(),
            made_by_other: HashMap::new(),
        };
        let relations = session.rows(RELATIONS).await?;
        let relations: HashMap<String, String> = relations
            .into_iter()
            .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
                Ok([Some(oid), Some(name)]) => Some((oid, name)),
                _ => None,
            })
            .collect();
        for (at, catalog) in CATALOGS.iter().enumerate() {
            let (rows, functions) = (&mut all.rows, &mut all.functions);
            let made_by_other = &mut all.made_by_other;
            let field = |row: &[u8], column: &str| field(&all.columns[at], row, column);
            let take = |row: &[u8]| {
                let field = field(row, catalog.named_by);
                let name = String::from_utf8_lossy(&field).into_owned();
                let of_relation = relations.get(&name);
                let of_relation = of_relation.filter(|_| catalog.named_by == "ev_class");
                let name = of_relation.unwrap_or(&name);
                if !is_of_initdb(catalog, &all.columns[at], row, name) {
                    return;
                }
                let oid = String::from_utf8_lossy(&self::field(&all.columns[at], row, "oid"))
                    .parse::<u32>();
                if compared == Compared::Pinned && oid.is_ok_and(|oid| oid >= FIRST_OF_INITDB) {
                    return;
                }
                let object = format!("{} {}", catalog.kind, quote_ident(name));
                if compared == Compared::Pinned {
                    let key = row_key(catalog, &all.columns[at], row);
                    made_by_other.insert(Sha256::digest(row).into(), key);
                }
                rows.insert(Sha256::digest(row).into(), object);
                if catalog.name == "pg_proc" {
                    functions.insert(field);
                }
            };
            session
                .copy_out(&copy(catalog, &all.columns[at]), take)
                .await?;
        }
        session.close().await;
        Ok(all)
    }

    /// The objects of the server that are not as they were in one of the databases, and those that PostgreSQL would take for one of
    /// its own, such as `function aclexplode`.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn changed(
        &self,
        endpoint: &Endpoint,
        databases: &[String],
    ) -> Result<BTreeSet<String>, DatabaseError> {
        let of_each = databases
            .iter()
            .map(|database| self.changed_in(endpoint, database));
        let found = try_join_all(of_each).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn changed_in(
        &self,
        endpoint: &Endpoint,
        database: &str,
    ) -> Result<BTreeSet<String>, DatabaseError> {
        let mut session = Session::superuser(endpoint, database, &Terms::default()).await?;
        let mut missing: HashSet<&[u8; 32]> = self.rows.keys().collect();
        let mut found = BTreeSet::new();
        let mut seen: HashSet<RowKey> = HashSet::new();
        for (catalog, columns) in CATALOGS.iter().zip(&self.columns) {
            let take = |row: &[u8]| {
                let digest: [u8; 32] = Sha256::digest(row).into();
                if !self.made_by_other.is_empty() {
                    seen.insert(row_key(catalog, columns, row));
                }
                if !missing.remove(&digest) && self.overloads(catalog, columns, row) {
                    let name = field(columns, row, catalog.named_by);
                    let name = String::from_utf8_lossy(&name).into_owned();
                    found.insert(format!("{} {}", catalog.kind, quote_ident(&name)));
                }
            };
            session.copy_out(&copy(catalog, columns), take).await?;
        }
        session.close().await;
        // What is not there at all answers nothing.
        missing.retain(|digest| {
            self.made_by_other
                .get(*digest)
                .is_none_or(|key| seen.contains(key))
        });
        found.extend(missing.into_iter().map(|digest| self.rows[digest].clone()));
        Ok(found)
    }

    /// Whether a row is a new function or operator that may be called in place of one of the server: in the same schema, for types of
    /// the server.
    fn overloads(&self, catalog: &SystemCatalog, columns: &[String], row: &[u8]) -> bool {
        let text =
            |column: &str| String::from_utf8_lossy(&field(columns, row, column)).into_owned();
        if !is_of_user(&text("oid")) {
            return false;
        }
        let of_server = |types: &str| !types.split(' ').any(is_of_user);
        match catalog.name {
            "pg_proc" => {
                text("pronamespace") == PG_CATALOG
                    && self.functions.contains(&field(columns, row, "proname"))
                    && of_server(&text("proargtypes"))
            }
            "pg_operator" => {
                let operands = [text("oprleft"), text("oprright")];
                text("oprnamespace") == PG_CATALOG && operands.iter().all(|one| of_server(one))
            }
            _ => false,
        }
    }
}

/// What identifies a row of a catalog: its OID, or its name where it has none.
fn row_key(catalog: &SystemCatalog, columns: &[String], row: &[u8]) -> RowKey {
    let column = match columns.iter().any(|column| column == "oid") {
        true => "oid",
        false => catalog.named_by,
    };
    (catalog.name, field(columns, row, column))
}

/// Whether a row is one of initdb which no dump removes or puts anew, as `--clean` does with the schema `public` and the extension
/// `plpgsql`.
fn is_of_initdb(catalog: &SystemCatalog, columns: &[String], row: &[u8], name: &str) -> bool {
    let made = match catalog.name {
        // The name of a function of another schema is qualified.
        "pg_aggregate" => !name.trim_start_matches("pg_catalog.").contains('.'),
        _ => !is_of_user(&String::from_utf8_lossy(&field(columns, row, "oid"))),
    };
    made && !name.starts_with("plpgsql") && !(catalog.name == "pg_namespace" && name == "public")
}

fn is_of_user(oid: &str) -> bool {
    oid.parse::<u32>().is_ok_and(|oid| oid >= FIRST_OF_USERS)
}

fn copy(catalog: &SystemCatalog, columns: &[String]) -> String {
    let name = catalog.name;
    format!("COPY pg_catalog.{name} ({}) TO STDOUT", columns.join(", "))
}

/// A field of a row of COPY.
fn field(columns: &[String], row: &[u8], column: &str) -> Vec<u8> {
    let at = columns.iter().position(|name| name == column);
    let mut fields = row.split(|byte| *byte == b'\t');
    let field = at.and_then(|at| fields.nth(at));
    field.unwrap_or_default().to_vec()
}
