//! The migrations of a run, one by one: what lies between two of the tool's writes to its history.
//!
//! The history is a table of a known tool, or what the scenario names in `history`. The names of the migrations are the versions
//! that are new in it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::observe::{HeldLock, Observed, Statement};
use super::settings::{Rehearse, history};
use crate::check::schema_version::recognise::{Keeps, recognise};
use crate::database::{Session, Terms, TextRow};
use crate::outcome::{CouldNotRun, LockFacts, OneMigrationFacts};
use crate::server::ThrowawayServer;
use crate::sql::{QualifiedName, quote_ident};

/// Columns that hold the version in a history of no known tool.
const COLUMNS: [&str; 5] = ["version", "name", "migration", "filename", "id"];

/// Tables with the names and types of their columns.
const TABLES: &str = "
SELECT n.nspname, c.relname,
       pg_catalog.to_json(pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum)),
       pg_catalog.to_json(pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum))
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = 'r' AND c.oid >= 16384
 GROUP BY 1, 2";

/// A table of applied migrations, of one row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    table: QualifiedName,
    /// The version of a row `m`, as SQL; `None` where it is not known how.
    version: Option<String>,
}

/// The histories that a run may write.
#[derive(Debug)]
pub(super) struct Histories {
    all: Vec<History>,
    before: BTreeSet<String>,
}

impl Histories {
    /// Finds them in a database, and reads the versions that they have.
    ///
    /// # Errors
    /// When the server refuses a session or a query.
    pub(super) async fn read(
        server: &ThrowawayServer,
        database: &str,
        settings: &Rehearse,
    ) -> Result<Self, CouldNotRun> {
        let mut session = open(server, database).await?;
        let all = find(session.rows(TABLES).await?, &history(settings));
        session.close().await;
        let before = versions(server, database, &all).await?;
        Ok(Self {
            all,
            before: before.into_iter().collect(),
        })
    }

    /// The migrations of a run that has ended.
    ///
    /// # Errors
    /// When the server refuses a session or a query.
    pub(super) async fn migrations(
        &self,
        server: &ThrowawayServer,
        database: &str,
        observed: &Observed,
    ) -> Result<Vec<OneMigrationFacts>, CouldNotRun> {
        let mut new = versions(server, database, &self.all).await?;
        new.retain(|version| !self.before.contains(version));
        Ok(facts(observed, &self.all, new))
    }
}

/// The histories among tables, as [`TABLES`] lists them.
fn find(tables: Vec<TextRow>, named: &[QualifiedName]) -> Vec<History> {
    let found = tables.into_iter().filter_map(|row| {
        let [schema, name, names, types] = <[Option<String>; 4]>::try_from(row).ok()?;
        let table = QualifiedName {
            schema: schema?,
            name: name?,
        };
        let names: Vec<String> = serde_json::from_str(&names?).ok()?;
        let types: Vec<String> = serde_json::from_str(&types?).ok()?;
        let columns = names.iter().map(String::as_str);
        let columns: Vec<(&str, &str)> = columns.zip(types.iter().map(String::as_str)).collect();
        let known = recognise(&table.name, &columns, None);
        if known.is_none() && !named.contains(&table) {
            return None;
        }
        let of_tool = known.and_then(|tool| match tool.keeps {
            Keeps::Known(tool) => Some(tool.facts().version.to_owned()),
            Keeps::Versions { column, .. } => Some(format!("m.{}", quote_ident(column))),
            Keeps::Query(_) => None,
        });
        let version = of_tool.or_else(|| {
            let mut likely = COLUMNS.into_iter();
            let column = likely.find(|one| columns.iter().any(|(name, _)| name == one))?;
            Some(format!("m.{column}"))
        });
        Some(History { table, version })
    });
    found.collect()
}

async fn open(server: &ThrowawayServer, database: &str) -> Result<Session, CouldNotRun> {
    Ok(Session::superuser(server.endpoint(), database, &Terms::default()).await?)
}

/// The versions in histories, in the order in which their rows were written.
async fn versions(
    server: &ThrowawayServer,
    database: &str,
    histories: &[History],
) -> Result<Vec<String>, CouldNotRun> {
    let mut session = open(server, database).await?;
    let mut all = Vec::new();
    for History { table, version } in histories {
        let Some(version) = version else { continue };
        let sql = format!("SELECT ({version})::pg_catalog.text FROM {table} m ORDER BY m.ctid");
        // A release may drop the history of a tool that it gives up.
        let rows = session.rows(&sql).await.unwrap_or_default();
        all.extend(rows.into_iter().filter_map(|row| row.into_iter().next()?));
    }
    session.close().await;
    Ok(all)
}

/// The migrations, with these new versions as their names where there is one for each.
fn facts(observed: &Observed, histories: &[History], new: Vec<String>) -> Vec<OneMigrationFacts> {
    let runs = split(&observed.statements, histories);
    let recorded = runs.iter().filter(|run| run.recorded).count();
    let mut names = match new.len() == recorded {
        true => new.into_iter(),
        false => Vec::new().into_iter(),
    };
    let facts = runs.into_iter().map(|run| {
        let statements = &observed.statements[run.statements.clone()];
        OneMigrationFacts {
            name: names.next().filter(|_| run.recorded),
            recorded: run.recorded,
            statements: statements.len(),
            duration: statements.iter().map(|one| one.took).sum(),
            lock: longest_lock(observed, &run.statements),
        }
    });
    facts.collect()
}

/// The lock that was taken by one of these statements and keeps others waiting for longest.
fn longest_lock(observed: &Observed, statements: &Range<usize>) -> Option<LockFacts> {
    let locks = observed.locks.iter();
    let blocking =
        locks.filter(|lock| statements.contains(&lock.statement) && lock.mode.blocks_writers());
    let held = |lock: &&HeldLock| lock.until.saturating_sub(lock.from);
    let longest = blocking.max_by_key(held)?;
    Some(LockFacts {
        table: longest.of_table().to_owned(),
        mode: longest.mode.name().into(),
        held: held(&longest),
    })
}

/// Consecutive statements of one migration.
#[derive(Debug, PartialEq, Eq)]
struct MigrationRun {
    statements: Range<usize>,
    /// Whether the history has it.
    recorded: bool,
}

/// Divides a run: a migration ends with a write to the history and the commit of it. What the tool does before the first
/// statement that may change something belongs to none.
fn split(statements: &[Statement], histories: &[History]) -> Vec<MigrationRun> {
    if histories.is_empty() {
        return Vec::new();
    }
    let mut runs: Vec<MigrationRun> = Vec::new();
    let mut current: Option<usize> = None;
    for (at, statement) in statements.iter().enumerate() {
        let records =
            statement.may_change() && histories.iter().any(|one| one.is_written_by(statement));
        match (current, runs.last_mut()) {
            (Some(from), _) if records => {
                runs.push(MigrationRun {
                    statements: from..at + 1,
                    recorded: true,
                });
                current = None;
            }
            (Some(_), _) => {}
            // What follows a record directly completes it.
            (None, Some(last))
                if (records || statement.is_commit()) && last.statements.end == at =>
            {
                last.statements.end = at + 1;
            }
            (None, _) if !records && statement.may_change() => current = Some(at),
            (None, _) => {}
        }
    }
    if let Some(from) = current {
        runs.push(MigrationRun {
            statements: from..statements.len(),
            recorded: false,
        });
    }
    runs
}

impl History {
    /// Whether a statement that may change something writes this table, by its text.
    fn is_written_by(&self, statement: &Statement) -> bool {
        let word = statement.text.split_whitespace().next().unwrap_or_default();
        let writes = [
            "insert", "update", "delete", "merge", "truncate", "with", "copy",
        ];
        let writes = writes.iter().any(|one| word.eq_ignore_ascii_case(one));
        let names = statement
            .text
            .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        writes && names.into_iter().any(|name| name == self.table.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn statements(texts: &[&str]) -> Vec<Statement> {
        let statements = texts.iter().map(|text| Statement {
            text: (*text).to_owned(),
            ..Statement::default()
        });
        statements.collect()
    }

    const RECORD: &str = "INSERT INTO \"schema_migrations\" (version) VALUES ($1)";

    #[rstest]
    #[case::nothing(&["SELECT 1", RECORD], &[])]
    #[case::in_transactions(
        &["SELECT 1", "BEGIN", "CREATE TABLE a ()", RECORD, "COMMIT", "BEGIN", "CREATE TABLE b ()", RECORD, "COMMIT"],
        &[(2..5, true), (6..9, true)]
    )]
    #[case::marked_before_and_after(
        &["TRUNCATE schema_migrations", RECORD, "CREATE TABLE a ()", "TRUNCATE schema_migrations", RECORD, "CREATE TABLE b ()", RECORD],
        &[(2..5, true), (5..7, true)]
    )]
    #[case::in_one_transaction(
        &["BEGIN", "CREATE TABLE a ()", "UPDATE schema_migrations SET v = …", "CREATE TABLE b ()", "UPDATE schema_migrations SET v = …", "COMMIT"],
        &[(1..3, true), (3..6, true)]
    )]
    #[case::one_that_fails(
        &["BEGIN", "CREATE TABLE a ()", RECORD, "COMMIT", "BEGIN", "CREATE TABLE b ()", "ROLLBACK"],
        &[(1..4, true), (5..7, false)]
    )]
    #[case::another_table_of_a_similar_name(
        &["INSERT INTO old_schema_migrations VALUES (…)", RECORD],
        &[(0..2, true)]
    )]
    fn a_migration_ends_with_its_record(
        #[case] texts: &[&str],
        #[case] expected: &[(Range<usize>, bool)],
    ) {
        let histories = [History {
            table: QualifiedName::parse("public.schema_migrations").unwrap(),
            version: None,
        }];
        let found = split(&statements(texts), &histories);
        let found: Vec<_> = found
            .into_iter()
            .map(|run| (run.statements, run.recorded))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(split(&statements(texts), &[]), []);
    }

    #[rstest]
    #[case::one_each(&["1", "2"], &[Some("1"), Some("2"), None])]
    #[case::only_the_newest(&["2"], &[None, None, None])]
    fn migrations_have_the_names_of_the_history(
        #[case] new: &[&str],
        #[case] expected: &[Option<&str>],
    ) {
        let histories = [History {
            table: QualifiedName::parse("public.schema_migrations").unwrap(),
            version: None,
        }];
        let texts = [
            "CREATE TABLE a ()",
            RECORD,
            "CREATE TABLE b ()",
            RECORD,
            "ANALYZE",
        ];
        let observed = Observed {
            statements: statements(&texts),
            ..Observed::default()
        };
        let new = new.iter().map(|name| (*name).to_owned()).collect();
        let found = facts(&observed, &histories, new);
        let names: Vec<Option<&str>> = found.iter().map(|one| one.name.as_deref()).collect();
        assert_eq!(names, expected);
    }
}
