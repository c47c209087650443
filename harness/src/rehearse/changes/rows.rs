//! The rows of a table: how many, digests without order of its key and of each column, and a sample of rows.
//!
//! A digest of whole rows cannot say what a migration did: a new column would change every row. So the values of each column
//! are digested together with the key of their row, and columns are compared one by one. A sample, of all rows where there
//! are few, shows which rows are gone, new or changed where the keys are not the same.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::OnceLock;

use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;

/// Values of the samples of all tables of a database, at most: 4 bytes each.
const CELLS: usize = 1 << 24;
/// Values of the sample of one table, at least and at most.
const CELLS_OF_TABLE: (usize, usize) = (1 << 14, 1 << 22);

/// Columns of a table without generated ones, in the order of COPY, and its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableColumns {
    /// OID of the table.
    pub oid: u32,
    /// Name and number of each column.
    pub columns: Vec<(String, i16)>,
    /// Positions in `columns` of those that identify a row: of the primary key, or of another unique index without NULL. Empty
    /// where there is no such index: then the whole row is its key.
    pub key: Vec<usize>,
}

/// The rows of a table. Digests are comparable in this process only.
#[derive(Debug, Clone, Default)]
pub struct TableRows {
    /// Its columns and key.
    pub columns: TableColumns,
    /// Number of rows.
    pub count: u64,
    /// Sum of the digests of the keys.
    pub(super) keys: u64,
    /// Sum of the digests of the values of each column; with a key each together with the key of its row.
    pub(super) sums: Vec<u64>,
    /// Rows of which the lowest bits of the digest of the key are zero.
    pub(super) sample: RowSample,
    /// Whether they were only counted, so that there are no digests.
    pub(super) is_counted: bool,
}

/// Some rows of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct RowSample {
    /// One row in 2^`level` is in it.
    pub level: u32,
    /// The digest of the key of each row.
    pub keys: Vec<u64>,
    /// The digest of each value, row by row.
    pub cells: Vec<u32>,
    /// Rows that it may have.
    most: usize,
}

/// Values of the sample of one table, where a database has so many tables.
pub(super) fn cells_of_each(tables: usize) -> usize {
    let (least, most) = CELLS_OF_TABLE;
    (CELLS / tables.max(1)).clamp(least, most)
}

/// Columns and keys of all tables.
const COLUMNS: &str = "
SELECT n.nspname, c.relname, c.oid,
       pg_catalog.to_json(ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum)),
       pg_catalog.to_json(ARRAY(SELECT a.attnum FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum)),
       (SELECT pg_catalog.to_json((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]) FROM pg_catalog.pg_index i
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
           AND i.indexprs IS NULL AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND NOT a.attnotnull
                AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]))
         ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.oid >= 16384";

/// Reads the columns and the key of each table.
pub(super) async fn read_columns(
    session: &mut Session,
) -> Result<HashMap<QualifiedName, TableColumns>, DatabaseError> {
    let mut all = HashMap::new();
    for row in session.rows(COLUMNS).await? {
        let Ok(
            [
                Some(schema),
                Some(name),
                Some(oid),
                Some(names),
                Some(numbers),
                key,
            ],
        ) = <[_; 6]>::try_from(row)
        else {
            continue;
        };
        let names: Vec<String> = serde_json::from_str(&names).unwrap_or_default();
        let numbers: Vec<i16> = serde_json::from_str(&numbers).unwrap_or_default();
        let key: Vec<i16> = key
            .and_then(|key| serde_json::from_str(&key).ok())
            .unwrap_or_default();
        let positions = key
            .iter()
            .map(|number| numbers.iter().position(|other| other == number));
        let columns = TableColumns {
            oid: oid.parse().unwrap_or_default(),
            // A key with a generated column, which is not read, is none.
            key: positions.collect::<Option<_>>().unwrap_or_default(),
            columns: names.into_iter().zip(numbers).collect(),
        };
        all.insert(QualifiedName { schema, name }, columns);
    }
    Ok(all)
}

impl TableRows {
    /// Rows that were only counted.
    pub(super) fn counted(columns: TableColumns, count: u64) -> Self {
        Self {
            columns,
            count,
            is_counted: true,
            ..Self::default()
        }
    }

    /// An empty table, whose sample has at most so many values.
    #[must_use]
    pub fn new(columns: TableColumns, cells: usize) -> Self {
        let width = columns.columns.len();
        Self {
            sums: vec![0; width],
            sample: RowSample {
                most: (cells / width.max(1)).max(1),
                ..RowSample::default()
            },
            columns,
            ..Self::default()
        }
    }

    /// Adds a row, as COPY prints it.
    pub fn add(&mut self, row: &[u8]) {
        let width = self.columns.columns.len();
        let key = match self.columns.key.as_slice() {
            [] => hash(0, row),
            key => {
                let fields: Vec<&[u8]> = row.split(|byte| *byte == b'\t').collect();
                let fields = key
                    .iter()
                    .map(|at| fields.get(*at).copied().unwrap_or_default());
                fields.fold(1, hash)
            }
        };
        let salt = if self.columns.key.is_empty() { 0 } else { key };
        self.count += 1;
        self.keys = self.keys.wrapping_add(key);
        let in_sample = self.sample.has(key);
        let fields = row.split(|byte| *byte == b'\t').take(width);
        for (sum, field) in self.sums.iter_mut().zip(fields) {
            let value = hash(salt, field);
            *sum = sum.wrapping_add(value);
            if in_sample {
                // The lower half.
                #[expect(clippy::cast_possible_truncation, reason = "the lower half is enough")]
                self.sample.cells.push(value as u32);
            }
        }
        if in_sample {
            self.sample.keys.push(key);
            self.sample.shrink(width);
        }
    }
}

impl RowSample {
    /// Whether a row with this key belongs to it.
    pub fn has(&self, key: u64) -> bool {
        key.trailing_zeros() >= self.level
    }

    /// Drops every other row while there are too many.
    fn shrink(&mut self, width: usize) {
        while self.keys.len() > self.most && self.level < u64::BITS {
            self.level += 1;
            let mut kept = 0;
            for at in 0..self.keys.len() {
                if self.has(self.keys[at]) {
                    self.keys[kept] = self.keys[at];
                    self.cells
                        .copy_within(at * width..(at + 1) * width, kept * width);
                    kept += 1;
                }
            }
            self.keys.truncate(kept);
            self.cells.truncate(kept * width);
        }
    }
}

/// Hashes bytes with a key of this process, so that no rows can be made to collide.
fn hash(salt: u64, bytes: &[u8]) -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    let mut hasher = KEYS.get_or_init(RandomState::new).build_hasher();
    hasher.write_u64(salt);
    hasher.write(bytes);
    hasher.finish()
}
