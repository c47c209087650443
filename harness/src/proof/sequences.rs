//! Compares the values of sequences with the backup.

use crate::backup::Contents;
use crate::database::{DatabaseError, Session};
use crate::outcome::Finding;
use crate::restore::settings::Restore;
use crate::sql::QualifiedName;

/// Sequences that one query reads.
const AT_ONCE: usize = 200;

/// Compares the sequences that the backup sets in the database that it names `named`; gives their number.
pub(super) async fn compare(
    session: &mut Session,
    contents: &Contents,
    (named, settings): (&str, &Restore),
    findings: &mut Vec<Finding>,
) -> Result<u64, DatabaseError> {
    let all: Vec<_> = contents
        .sequences
        .iter()
        .filter(|((database, name), _)| {
            database == named && settings.stub_of_schema(&name.schema).is_none()
        })
        .collect();
    for some in all.chunks(AT_ONCE) {
        let existing = existing(session, some.iter().map(|((_, name), _)| name)).await?;
        let asked: Vec<String> = some
            .iter()
            .filter(|((_, name), _)| existing.contains(&name.to_string()))
            .map(|((_, name), _)| {
                format!(
                    "SELECT {}, last_value, is_called FROM {name}",
                    name.literal()
                )
            })
            .collect();
        let rows = match asked.as_slice() {
            [] => Vec::new(),
            asked => session.rows(&asked.join(" UNION ALL ")).await?,
        };
        for ((_, name), (value, called)) in some {
            let row = rows
                .iter()
                .find(|row| row.first().and_then(Option::as_deref) == Some(&name.to_string()));
            let is = match row.map(Vec::as_slice) {
                Some([_, Some(value), Some(called)]) => Some((value.clone(), called == "t")),
                _ => None,
            };
            if is.as_ref() == Some(&(value.to_string(), *called)) {
                continue;
            }
            let show = |value: &str, called: bool| match called {
                true => format!("its last value is {value}"),
                false => format!("never used, its next value is {value}"),
            };
            let actual = is.map_or_else(
                || "it is not in the database".to_owned(),
                |(value, called)| show(&value, called),
            );
            findings.push(
                Finding::about(name.to_string(), show(&value.to_string(), *called), actual)
                    .hint("see the errors of the restore for its `setval`, and check what calls `nextval` during the restore"),
            );
        }
    }
    Ok(all.len() as u64)
}

/// The sequences of a list that exist.
async fn existing(
    session: &mut Session,
    names: impl Iterator<Item = &QualifiedName>,
) -> Result<Vec<String>, DatabaseError> {
    let names: Vec<String> = names.map(|name| format!("({})", name.literal())).collect();
    let sql = format!(
        "SELECT v.name FROM (VALUES {}) v(name)
           JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(v.name) AND c.relkind = 'S'",
        names.join(", ")
    );
    let rows = session.rows(&sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect())
}
