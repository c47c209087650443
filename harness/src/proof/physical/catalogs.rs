//! References between system catalogs, as PostgreSQL's own regression tests verify them.

use super::fault;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_ident;
use crate::units::show_counted;

/// One line for each reference: its tables and columns, whether the last column is an array, whether 0 is no reference.
const REFERENCES: &str = "
SELECT fktable::pg_catalog.text, pg_catalog.array_to_string(fkcols, ','), pktable::pg_catalog.text,
       pg_catalog.array_to_string(pkcols, ','), is_array, is_opt
  FROM pg_catalog.pg_get_catalog_foreign_keys()";

/// Verifies all references of a database; returns how many there are.
///
/// # Errors
/// The server ended.
pub(super) async fn verify(
    session: &mut Session,
    database: &str,
    findings: &mut Vec<Finding>,
) -> Result<u64, CouldNotRun> {
    let object = format!("{database}: system catalogs");
    let references = match session.rows(REFERENCES).await {
        Ok(references) => references,
        Err(error) => {
            findings.push(fault(&object, "references that can be listed", error)?);
            return Ok(0);
        }
    };
    let mut verified = 0;
    for row in references {
        let [
            Some(from),
            Some(columns),
            Some(to),
            Some(keys),
            Some(array),
            Some(optional),
        ] = row.as_slice()
        else {
            continue;
        };
        let statement = statement((from, columns), (to, keys), array == "t", optional == "t");
        let object = format!("{database}: {from} ({columns})");
        let expected = format!("rows of {to}");
        match session.count(&statement).await {
            Ok(0) => verified += 1,
            Ok(count) => findings.push(
                Finding::about(
                    object,
                    expected,
                    format!("{} that are not there", show_counted(count, "reference")),
                )
                .hint("the system catalogs contradict each other: use another backup"),
            ),
            Err(error) => findings.push(fault(&object, &expected, error)?),
        }
    }
    Ok(verified)
}

/// Counts the rows of `from` that refer to none of `to`.
fn statement(
    (from, columns): (&str, &str),
    (to, keys): (&str, &str),
    is_array: bool,
    is_optional: bool,
) -> String {
    let columns: Vec<String> = columns.split(',').map(quote_ident).collect();
    let last = columns.len() - 1;
    let source = match is_array {
        false => format!("pg_catalog.{from}"),
        true => {
            let others: String = columns[..last]
                .iter()
                .map(|one| format!("{one}, "))
                .collect();
            let last = &columns[last];
            format!("(SELECT {others}pg_catalog.unnest({last}) AS {last} FROM pg_catalog.{from})")
        }
    };
    let mut conditions: Vec<String> = Vec::new();
    if is_optional {
        conditions.extend(columns.iter().map(|one| format!("fk.{one} <> 0")));
    }
    let pairs = keys.split(',').zip(&columns);
    let pairs: Vec<String> = pairs
        .map(|(key, column)| format!("pk.{} = fk.{column}", quote_ident(key)))
        .collect();
    conditions.push(format!(
        "NOT EXISTS (SELECT 1 FROM pg_catalog.{to} pk WHERE {})",
        pairs.join(" AND ")
    ));
    format!(
        "SELECT pg_catalog.count(*) FROM {source} fk WHERE {}",
        conditions.join(" AND ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_statements() {
        assert_eq!(
            statement(("pg_class", "reltype"), ("pg_type", "oid"), false, true),
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class fk WHERE fk.reltype <> 0 AND NOT EXISTS \
             (SELECT 1 FROM pg_catalog.pg_type pk WHERE pk.oid = fk.reltype)"
        );
        assert_eq!(
            statement(
                ("pg_index", "indrelid,indkey"),
                ("pg_attribute", "attrelid,attnum"),
                true,
                true
            ),
            "SELECT pg_catalog.count(*) FROM (SELECT indrelid, pg_catalog.unnest(indkey) AS indkey FROM \
             pg_catalog.pg_index) fk WHERE fk.indrelid <> 0 AND fk.indkey <> 0 AND NOT EXISTS (SELECT 1 FROM \
             pg_catalog.pg_attribute pk WHERE pk.attrelid = fk.indrelid AND pk.attnum = fk.indkey)"
        );
    }
}
