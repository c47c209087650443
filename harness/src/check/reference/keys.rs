//! The values of a column as bytes, in the order of the bytes, so that two databases have the same order.

use crate::check::columns::{Columns as _, base_type};
use crate::check::{Restored, absent};
use crate::database::{RowsOut, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};

use super::VALUE;
use super::merge::{Compared, merge};

/// A column of a restored database.
pub(super) struct Column<'a> {
    /// The database.
    pub database: &'a str,
    /// The table.
    pub table: QualifiedName,
    /// The column.
    pub column: &'a str,
    /// Which rows count.
    pub condition: Option<&'a str>,
    /// What a name is made of a value, with [`VALUE`] for it; the value itself without one.
    pub name: Option<&'a str>,
    /// The column with the size of the file.
    pub size: Option<&'a str>,
}

/// How values of a type become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `1.0` is `1`.
    Number,
    Text,
    /// Case does not matter.
    AnyCase,
    Uuid,
    Bytes,
    Date,
}

impl Family {
    /// Of a type by its name; `None` for one whose values have no single text.
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "smallint" | "integer" | "bigint" | "numeric" | "oid" => Self::Number,
            "text" | "character varying" | "character" | "name" => Self::Text,
            "uuid" => Self::Uuid,
            "bytea" => Self::Bytes,
            "date" => Self::Date,
            // Of an extension: with its schema where that is not in the path.
            _ if kind.rsplit('.').next() == Some("citext") => Self::AnyCase,
            _ => return None,
        })
    }

    /// The family in which both sides are compared; `None` where they have nothing in common.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (one, same) if one == same => one,
            (Self::Text, Self::AnyCase | Self::Uuid) | (Self::AnyCase | Self::Uuid, Self::Text) => {
                Self::AnyCase
            }
            (Self::AnyCase, Self::Uuid) | (Self::Uuid, Self::AnyCase) => Self::AnyCase,
            // A number kept as text has one text too, if it is written without zeros around it.
            (Self::Text, Self::Number) | (Self::Number, Self::Text) => Self::Text,
            _ => return None,
        })
    }

    /// The text of a column whose own family is `own`.
    fn text(self, own: Self, column: &str) -> String {
        let text = match own {
            Self::Number => {
                format!("pg_catalog.trim_scale({column}::pg_catalog.numeric)::pg_catalog.text")
            }
            Self::Bytes => format!("pg_catalog.encode({column}, 'hex')"),
            Self::Date => format!("pg_catalog.to_char({column}, 'YYYY-MM-DD')"),
            _ => format!("{column}::pg_catalog.text"),
        };
        match self {
            Self::AnyCase => format!("pg_catalog.lower({text})"),
            _ => text,
        }
    }
}

/// Each value once, with the number of its rows, and the least and the greatest size that they state. A long one as its digest: the memory of a client is not the backup's to fill.
const KEYS: &str = "
COPY (SELECT key, pg_catalog.count(*), pg_catalog.min(size), pg_catalog.max(size)
        FROM (SELECT size, (CASE WHEN pg_catalog.octet_length(bytes) <= 4096 THEN pg_catalog.encode(bytes, 'hex')
                           ELSE 'sha256:' OPERATOR(pg_catalog.||) pg_catalog.encode(pg_catalog.sha256(bytes), 'hex')
                      END) COLLATE pg_catalog.\"C\" AS key
                FROM (SELECT pg_catalog.convert_to({text}, 'UTF8') AS bytes, {size}::pg_catalog.int8 AS size
                        FROM {table} WHERE {column} IS NOT NULL AND {condition}) v) k
       GROUP BY key ORDER BY key) TO STDOUT";

impl Column<'_> {
    /// Opens a session and finds out what the values are.
    ///
    /// # Errors
    /// When the column cannot be read. The inner one: it is not there.
    pub(super) async fn open(
        &self,
        restored: &Restored<'_>,
    ) -> Result<Result<(Session, Family), Finding>, CouldNotRun> {
        let mut session = match restored.own_session_in(self.database).await {
            Ok(session) => session,
            Err(error) if error.sqlstate.as_deref() == Some("3D000") => {
                let object = format!("database {}", quote_ident(self.database));
                let missing = Finding::about(object, "a database of the backup", "there is none");
                return Ok(Err(missing.hint(
                    "the backup of this database is missing, or `database` is another one",
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(kind) = base_type(&mut session, &self.table, self.column).await? else {
            let exists = format!("SELECT pg_catalog.to_regclass({})", self.table.literal());
            let exists = session
                .rows(&exists)
                .await?
                .iter()
                .any(|row| row.text(0).is_some());
            let missing = match exists {
                true => absent::column(&mut session, &self.table, self.column).await?,
                false => {
                    let hint = absent::table(&mut session, &self.table).await?;
                    crate::check::target::missing(&self.table.to_string(), "a table", hint)
                }
            };
            return Ok(Err(missing.within(self.database)));
        };
        let Some(family) = Family::of(&kind) else {
            let reason = format!(
                "{}.{} is {kind}, whose values have no single text",
                self.table, self.column
            );
            return Err(CouldNotRun::with_hint(
                reason,
                "a check of kind `sql` can compare them within one database",
            ));
        };
        if let Some(size) = self.size
            && base_type(&mut session, &self.table, size).await?.is_none()
        {
            let missing = absent::column(&mut session, &self.table, size).await?;
            return Ok(Err(missing.within(self.database)));
        }
        Ok(Ok((session, family)))
    }

    /// The statement that gives the values in a family; see [`KEYS`].
    pub(super) fn sql(&self, own: Family, common: Family) -> String {
        let column = quote_ident(self.column);
        let condition = match self.condition {
            Some(condition) => format!("({condition}\n)"),
            None => "true".to_owned(),
        };
        let mut text = common.text(own, &column);
        if let Some((before, after)) = self.name.and_then(|name| name.split_once(VALUE)) {
            let join = |one: &str, other: &str| format!("{one} OPERATOR(pg_catalog.||) {other}");
            text = join(
                &join(&quote_literal(before), &format!("({text})")),
                &quote_literal(after),
            );
        }
        let size = self.size.map_or_else(|| "NULL".to_owned(), quote_ident);
        KEYS.replace("{text}", &text)
            .replace("{size}", &size)
            .replace("{table}", &self.table.to_string())
            .replace("{column}", &column)
            .replace("{condition}", &condition)
    }
}

/// A value and the number of its rows.
pub(super) struct Key {
    /// Its bytes in hex; of a long one its digest.
    pub hex: Vec<u8>,
    /// Rows that have it.
    pub rows: u64,
    /// The least and the greatest size that they state.
    pub sizes: Option<(i64, i64)>,
}

/// Reads the next value.
///
/// # Errors
/// When the server cannot go on.
pub(super) async fn next_key(rows: &mut RowsOut<'_>) -> Result<Option<Key>, CouldNotRun> {
    let Some(row) = rows.next().await? else {
        return Ok(None);
    };
    let mut columns = row.split(|byte| *byte == b'\t');
    let hex = columns.next().unwrap_or_default().to_vec();
    let mut number = || {
        std::str::from_utf8(columns.next()?)
            .ok()?
            .trim_end()
            .parse::<i64>()
            .ok()
    };
    let count = number().and_then(|count| u64::try_from(count).ok());
    Ok(Some(Key {
        hex,
        rows: count.ok_or_else(|| CouldNotRun::new("the server sent a row without a number"))?,
        sizes: number().zip(number()),
    }))
}

/// Compares two columns.
///
/// # Errors
/// When they cannot be compared. The inner one: a column is not there.
pub(super) async fn compare(
    restored: &Restored<'_>,
    from: &Column<'_>,
    to: &Column<'_>,
) -> Result<Result<Compared, Finding>, CouldNotRun> {
    let (mut one, own) = match from.open(restored).await? {
        Ok(opened) => opened,
        Err(missing) => return Ok(Err(missing)),
    };
    let (mut other, others) = match to.open(restored).await? {
        Ok(opened) => opened,
        Err(missing) => return Ok(Err(missing)),
    };
    let Some(common) = own.common(others) else {
        let reason = format!(
            "{}.{} and {}.{} are of types that have no text in common",
            from.table, from.column, to.table, to.column
        );
        return Err(CouldNotRun::with_hint(
            reason,
            "a check of kind `sql` can convert them within one database",
        ));
    };
    let compared = {
        let mut keys = one.rows_out(&from.sql(own, common)).await?;
        let mut targets = other.rows_out(&to.sql(others, common)).await?;
        merge(&mut keys, &mut targets).await?
    };
    one.close().await;
    other.close().await;
    Ok(Ok(compared))
}
