//! Finds the database of a backup that contains a table, and the number of its rows; suggests similar
//! names. What a base backup contains is only known of the recovered server.

use std::collections::BTreeSet;

use crate::backup::Backup;
use crate::database::{DatabaseError, Session, Terms};
use crate::outcome::{CouldNotRun, Finding};
use crate::restore::settings::Restore;
use crate::restore::target;
use crate::server::ThrowawayServer;
use crate::sql::QualifiedName;
use crate::stage::Stopped;
use crate::units::show_counted;

/// Maximum number of names in a hint.
const LISTED: usize = 12;

/// The number of rows of a table in the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Exactly this number.
    Exactly(u64),
    /// At most this number: the dump skips rows with conflicts.
    AtMost(u64),
    /// At least this number: the dump does not contain the number of all rows.
    AtLeast(u64),
}

impl Rows {
    /// The exact number, where there is one.
    #[must_use]
    pub const fn exact(self) -> Option<u64> {
        match self {
            Self::Exactly(rows) => Some(rows),
            Self::AtMost(_) | Self::AtLeast(_) => None,
        }
    }

    /// Compares the number of restored rows with it.
    pub(super) fn agree_with(self, table: &QualifiedName, restored: u64) -> Result<(), Stopped> {
        let (agree, expected) = match self {
            Self::Exactly(rows) => (restored == rows, show_counted(rows, "row")),
            Self::AtMost(rows) => (
                restored <= rows,
                format!(
                    "at most {}, since the dump may skip some",
                    show_counted(rows, "row")
                ),
            ),
            Self::AtLeast(rows) => (
                restored >= rows,
                format!("at least {}", show_counted(rows, "row")),
            ),
        };
        if agree {
            return Ok(());
        }
        let finding = Finding::about(
            table.to_string(),
            format!("{expected}, as in the backup"),
            show_counted(restored, "row"),
        )
        .hint("triggers and rules of the backup may change its rows: `redrill run` shows more");
        Err(Stopped::failed(
            format!("{table} was not restored with the rows of the backup"),
            vec![finding],
        ))
    }
}

/// Tables with the databases that they are restored into.
pub(super) type Tables = BTreeSet<(String, QualifiedName)>;

/// Databases that can be connected to.
const DATABASES: &str = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";

/// Tables of users in a database.
const TABLES: &str = "
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// All tables of a recovered server.
pub(super) async fn on_server(server: &ThrowawayServer) -> Result<Tables, CouldNotRun> {
    let unable = |error: DatabaseError| {
        CouldNotRun::new(format!(
            "cannot read the tables of the recovered server: {error}"
        ))
    };
    let mut all = Tables::new();
    let mut session = server.session("template1").await.map_err(unable)?;
    let databases = session.rows(DATABASES).await.map_err(unable)?;
    session.close().await;
    for database in databases.into_iter().flatten().flatten() {
        let terms = Terms::default();
        let session = Session::superuser(server.endpoint(), &database, &terms).await;
        let mut session = session.map_err(unable)?;
        for row in session.rows(TABLES).await.map_err(unable)? {
            if let Ok([Some(schema), Some(name)]) = <[Option<String>; 2]>::try_from(row) {
                all.insert((database.clone(), QualifiedName { schema, name }));
            }
        }
        session.close().await;
    }
    Ok(all)
}

/// All tables of a dump.
pub(super) fn in_dump(backup: &Backup, settings: &Restore) -> Tables {
    let mut all = Tables::new();
    for part in &backup.parts {
        let own = target::database_of(part, settings).unwrap_or_else(|| "postgres".to_owned());
        let contents = &part.contents;
        for (named, table) in contents.tables.iter().chain(contents.rows.keys()) {
            let database = if named.is_empty() { &own } else { named };
            all.insert((database.clone(), table.clone()));
        }
    }
    all
}

/// Finds the database of the table among all tables.
pub(super) fn database(
    all: &Tables,
    table: &QualifiedName,
    wanted: Option<&str>,
) -> Result<String, CouldNotRun> {
    let absent = |what: &str, why: &str, hint: String| {
        CouldNotRun::with_hint(format!("{what} cannot be recovered: {why}"), hint)
    };
    let databases: BTreeSet<&str> = all.iter().map(|(database, _)| database.as_str()).collect();
    if let Some(wanted) = wanted
        && !databases.contains(wanted)
    {
        let databases: Vec<&str> = databases.into_iter().collect();
        return Err(absent(
            &format!("database {wanted}"),
            "no table of the backup is restored into it",
            format!("its tables are restored into {}", databases.join(", ")),
        ));
    }
    let within = |database: &str| wanted.is_none_or(|wanted| wanted == database);
    let holding: Vec<&str> = all
        .iter()
        .filter(|(database, held)| held == table && within(database))
        .map(|(database, _)| database.as_str())
        .collect();
    match holding.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let names: BTreeSet<&QualifiedName> = all
                .iter()
                .filter(|(database, _)| within(database))
                .map(|(_, table)| table)
                .collect();
            Err(absent(
                &table.to_string(),
                &format!(
                    "it contains {}, and none of this name",
                    show_counted(names.len(), "table")
                ),
                near(table, &names),
            ))
        }
        several => Err(absent(
            &table.to_string(),
            &format!("the backup contains it in {}", several.join(", ")),
            "select one with `--database`".to_owned(),
        )),
    }
}

/// Suggests similar names; without any, lists the tables.
fn near(table: &QualifiedName, names: &BTreeSet<&QualifiedName>) -> String {
    let list = |names: &[&QualifiedName]| {
        let mut shown: Vec<String> = names
            .iter()
            .take(LISTED)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = names.len().saturating_sub(LISTED);
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown.join(", ")
    };
    let mut close: Vec<(usize, &QualifiedName)> = names
        .iter()
        .filter_map(|name| {
            // The same name in another schema, and partitions, are similar regardless of length.
            let folded = name.name.to_lowercase() == table.name.to_lowercase();
            let begins = table.name.len() >= 3 && name.name.starts_with(&table.name);
            let distance = match (folded, begins) {
                (true, _) => 0,
                (_, true) => 1,
                _ => strsim::damerau_levenshtein(&name.name, &table.name),
            };
            (distance <= 1 + table.name.len() / 4).then_some((distance, *name))
        })
        .collect();
    close.sort();
    let close: Vec<&QualifiedName> = close.into_iter().map(|(_, name)| name).collect();
    match close.as_slice() {
        [] => {
            let all: Vec<&QualifiedName> = names.iter().copied().collect();
            format!("it contains {}", list(&all))
        }
        some => format!("did you mean {}?", list(some)),
    }
}

/// Counts the rows of the table and of its partitions in the backup.
pub(super) fn rows(
    backup: &Backup,
    settings: &Restore,
    database: &str,
    relations: &[QualifiedName],
) -> Result<Rows, Stopped> {
    let (mut count, mut fewer, mut more, mut seen) = (0, false, false, false);
    let mut without = None;
    for part in &backup.parts {
        let own = target::database_of(part, settings).unwrap_or_else(|| "postgres".to_owned());
        for ((named, table), rows) in &part.contents.rows {
            let held = if named.is_empty() { &own } else { named };
            if held == database && relations.contains(table) {
                count += rows.count;
                fewer |= rows.may_be_fewer;
                more |= rows.unknown;
                seen = true;
            }
        }
        let left = part.contents.without_data.iter();
        without = without.or_else(|| left.into_iter().find(|table| relations.contains(table)));
    }
    match without {
        // A definition without its rows would be loaded as an empty table.
        Some(table) if !seen => Err(Stopped::failed(
            format!("the backup defines {table} without its rows"),
            vec![
                Finding::about(table.to_string(), "its rows", "they are not in the backup")
                    .hint("it was written with `--exclude-table-data` or `--schema-only`: use another backup"),
            ],
        )),
        _ => Ok(match (more, fewer) {
            (true, _) => Rows::AtLeast(count),
            (false, true) => Rows::AtMost(count),
            (false, false) => Rows::Exactly(count),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn names(list: &[&str]) -> Vec<QualifiedName> {
        list.iter()
            .map(|name| QualifiedName::parse(name).unwrap())
            .collect()
    }

    #[rstest]
    #[case("app.ordrs", "did you mean `app.orders`?")]
    #[case("orders", "did you mean `app.orders`?")]
    #[case("app.audit", "did you mean `app.audit_2026_01`, `app.audit_2026_02`?")]
    #[case("app.\"Users\"", "did you mean `app.users`?")]
    #[case(
        "zzz.zzzzzz",
        "it contains `app.audit_2026_01`, `app.audit_2026_02`, `app.orders`, `app.users`"
    )]
    fn what_may_be_meant_is_named(#[case] wanted: &str, #[case] hint: &str) {
        let all = names(&[
            "app.orders",
            "app.users",
            "app.audit_2026_01",
            "app.audit_2026_02",
        ]);
        let wanted = QualifiedName::parse(wanted).unwrap();
        assert_eq!(near(&wanted, &all.iter().collect()), hint);
    }

    #[rstest]
    #[case(Rows::Exactly(5), 5, true)]
    #[case(Rows::Exactly(5), 4, false)]
    #[case(Rows::Exactly(5), 6, false)]
    #[case(Rows::AtMost(5), 4, true)]
    #[case(Rows::AtMost(5), 6, false)]
    #[case(Rows::AtLeast(5), 6, true)]
    #[case(Rows::AtLeast(5), 4, false)]
    fn rows_are_held_against_the_backup(
        #[case] rows: Rows,
        #[case] restored: u64,
        #[case] agree: bool,
    ) {
        let table = QualifiedName::parse("app.orders").unwrap();
        assert_eq!(rows.agree_with(&table, restored).is_ok(), agree);
    }
}
