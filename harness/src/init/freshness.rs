//! Columns that say when a row was added, in tables that are written all the time: the newest row of each
//! must be about as old as the backup.

use jiff::Timestamp;

use super::block::Block;
use super::relation::{Relations, text};
use super::rows::is_passing;
use super::section::{Section, some};
use crate::database::{DatabaseError, Session};
use crate::sql::{QualifiedName, quote_ident};

/// From so many rows on, a table counts as written all the time.
const BUSY: u64 = 100;

/// The newest row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Newest {
    table: QualifiedName,
    column: String,
    /// Seconds since 1970.
    at: f64,
}

/// One column of each table: NOT NULL, and now by default.
const COLUMNS: &str = "
SELECT DISTINCT ON (a.attrelid) a.attrelid, a.attname
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND a.attgenerated = ''
   AND a.atttypid IN ('pg_catalog.timestamptz'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype)
   AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~* '^\\(?(now\\(\\)|current_timestamp|(statement|transaction|clock)_timestamp\\(\\)|localtimestamp)'
   AND a.attname !~* '(update|modif|change|delet|expire)'
 ORDER BY a.attrelid, a.attnum";

/// Reads them.
///
/// # Errors
/// When one cannot be read.
pub async fn look(
    session: &mut Session,
    relations: &Relations,
) -> Result<Vec<Newest>, DatabaseError> {
    let mut found = Vec::new();
    for row in session.rows(COLUMNS).await? {
        let Some(table) = relations.of(&text(&row, 0)) else {
            continue;
        };
        let busy = table.rows.is_some_and(|rows| rows >= BUSY);
        if table.foreign || table.partition || !busy || is_passing(&table.name.name) {
            continue;
        }
        let column = text(&row, 1);
        let sql = format!(
            "SELECT pg_catalog.date_part('epoch', pg_catalog.max({})) FROM {}",
            quote_ident(&column),
            table.name
        );
        if let Some(at) = session
            .value(&sql)
            .await?
            .and_then(|text| text.parse().ok())
        {
            found.push(Newest {
                table: table.name.clone(),
                column,
                at,
            });
        }
    }
    found.sort_by(|one, other| one.table.cmp(&other.table));
    Ok(found)
}

/// Makes checks of those that are about as old as the backup.
#[must_use]
pub fn section(all: &[Newest], made: Option<Timestamp>) -> Section {
    let mut section = Section::new("freshness: the newest rows are as old as the backup");
    let Some(made) = made else { return section };
    let mut groups: Vec<(&str, &'static str, Vec<String>)> = Vec::new();
    for newest in all {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact in an f64"
        )]
        let gap = made.as_second() as f64 - newest.at;
        let Some(within) = within(gap) else { continue };
        match groups
            .iter_mut()
            .find(|(column, known, _)| *column == newest.column && *known == within)
        {
            Some((_, _, tables)) => tables.push(newest.table.to_string()),
            None => groups.push((&newest.column, within, vec![newest.table.to_string()])),
        }
    }
    let count: usize = groups.iter().map(|(_, _, tables)| tables.len()).sum();
    for (column, within, tables) in groups {
        let name = match tables.as_slice() {
            [one] => format!("{one} goes up to the backup"),
            many => format!("{} go up to the backup", some(many.len(), "table")),
        };
        section.blocks.push(
            Block::new("freshness", name)
                .guess(format!(
                    "`{column}` is when a row was added, and there is a new one at least every {within}"
                ))
                .of_tables(&tables)
                .with("column", column)
                .with("within", within),
        );
    }
    if count > 0 {
        section.found(format!("{} written up to the backup", some(count, "table")));
    }
    section
}

/// A bound with room for a quiet day; nothing where the newest row is too old to tell.
fn within(gap: f64) -> Option<&'static str> {
    const HOUR: f64 = 3600.0;
    match gap {
        gap if gap < -24.0 * HOUR => None,
        gap if gap <= 3.0 * HOUR => Some("1d"),
        gap if gap <= 24.0 * HOUR => Some("3d"),
        gap if gap <= 60.0 * HOUR => Some("7d"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, Some("1d"))]
    #[case(80_000.0, Some("3d"))]
    #[case(200_000.0, Some("7d"))]
    #[case(3_000_000.0, None)]
    #[case(-90_000.0, None)]
    fn there_is_room_for_a_quiet_day(#[case] gap: f64, #[case] bound: Option<&str>) {
        assert_eq!(within(gap), bound);
    }
}
