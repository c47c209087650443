//! Which tables a check is about: one name, or a list of names and patterns.

use crate::check::absent;
use crate::check::columns::Columns as _;
use crate::check::{Entry, Observation, ParameterErrors};
use crate::database::Session;
use crate::input::diagnostic::nearest;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{NamePattern, QualifiedName, quote_ident, quote_literal};

/// The `table` and `tables` keys of a check.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// One name.
    pub table: Option<&'a str>,
    /// Names and patterns: `*` and `?` in the schema or in the name.
    pub tables: &'a [String],
}

/// What the keys name in the restored database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Tables that are there.
    pub tables: Vec<QualifiedName>,
    /// One finding for each name that is not, and for each pattern that matches nothing.
    pub missing: Vec<Finding>,
}

/// By name anything that has rows; by pattern only tables, since a materialised view may rightly be
/// unpopulated and a foreign table is on another server.
const CANDIDATES: &str = "
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND n.nspname LIKE {schema} ESCAPE '!' AND c.relname LIKE {name} ESCAPE '!'
   AND ({exact} OR (NOT c.relispartition AND c.relkind IN ('r', 'p')))
 ORDER BY 1, 2";

impl<'a> Targets<'a> {
    /// Takes the keys of a check.
    #[must_use]
    pub const fn new(table: Option<&'a str>, tables: &'a [String]) -> Self {
        Self { table, tables }
    }

    /// Takes one entry of a list, a name or a pattern.
    #[must_use]
    pub const fn of_pattern(entry: &'a String) -> Self {
        Self::new(None, std::slice::from_ref(entry))
    }

    /// All entries, in the order of the scenario.
    fn entries(&self) -> impl Iterator<Item = &'a str> {
        self.table
            .into_iter()
            .chain(self.tables.iter().map(String::as_str))
    }

    /// Reports that no table is named, or that a name cannot be read.
    pub fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.entries().next().is_none() {
            errors
                .whole("no table is named")
                .add_hint("add `table = \"schema.name\"`, or `tables = [\"schema.*\"]`");
        }
        if let Some(Err(message)) = self.table.map(QualifiedName::parse) {
            errors.at("table", message).add_hint("write `schema.table`");
        }
        errors.require_names("tables", self.tables, "schema.table");
    }

    /// Describes the targets in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let entries: Vec<&str> = self.entries().collect();
        match entries.as_slice() {
            [one] => (*one).to_owned(),
            [first, second] => format!("{first}, {second}"),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => "no table".to_owned(),
        }
    }

    /// Makes the observation of what was seen of each table. A list or a pattern gives each table an
    /// entry of its own; one table by name is the check itself.
    #[must_use]
    pub fn in_entries(&self, whole: Observation, entries: Vec<Entry>) -> Observation {
        whole.with_entries_if(!self.tables.is_empty(), entries)
    }

    /// Finds the tables. A pattern leaves out partitions (their parent is checked), views, and
    /// foreign tables.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn resolve(&self, session: &mut Session) -> Result<Resolved, CouldNotRun> {
        let mut resolved = Resolved::default();
        for entry in self.entries() {
            let name = QualifiedName::parse(entry).map_err(CouldNotRun::new)?;
            let is_pattern = entry.contains(['*', '?']);
            let sql = CANDIDATES
                .replace("{schema}", &like(&name.schema))
                .replace("{name}", &like(&name.name))
                .replace("{exact}", if is_pattern { "false" } else { "true" });
            let rows = session.rows(&sql).await?;
            if rows.is_empty() {
                resolved.missing.push(if is_pattern {
                    let hint = hint_for_pattern(session, &name).await?;
                    missing(entry, "at least one table that matches", hint)
                } else {
                    let hint = absent::table(session, &name).await?;
                    missing(entry, "a table", hint)
                });
            }
            for found in rows.iter().filter_map(|row| row.name(0)) {
                if !resolved.tables.contains(&found) {
                    resolved.tables.push(found);
                }
            }
        }
        Ok(resolved)
    }
}

/// Makes a finding about an object that the restored database does not have.
#[must_use]
pub fn missing(object: &str, expected: &str, hint: impl Into<String>) -> Finding {
    Finding::about(object, expected, "there is none in the restored database").hint(hint)
}

/// Which schema a pattern of tables may mean that matches none.
async fn hint_for_pattern(
    session: &mut Session,
    pattern: &QualifiedName,
) -> Result<String, CouldNotRun> {
    let sql = "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'";
    let schemas: Vec<String> = session
        .rows(sql)
        .await?
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let there = || schemas.iter().map(String::as_str);
    let meant = nearest(&pattern.schema, there()).filter(|meant| *meant != pattern.schema);
    Ok(match meant {
        Some(meant) => format!("did you mean `{}.{}`?", quote_ident(meant), pattern.name),
        None => "correct the pattern, or leave out what the backup does not have".to_owned(),
    })
}

/// Tells whether a name or pattern of a list matches `name`.
#[must_use]
pub fn is_listed(list: &[String], name: &QualifiedName) -> bool {
    let mut patterns = list
        .iter()
        .filter_map(|entry| NamePattern::parse(entry).ok());
    patterns.any(|pattern| pattern.matches(name))
}

/// Makes a LIKE pattern, as a literal, of a name with `*` and `?`.
fn like(pattern: &str) -> String {
    let escaped = pattern
        .replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_");
    quote_literal(&escaped.replace('*', "%").replace('?', "_"))
}
