//! Which tables a check is about: one name, or a list of names and patterns.

use crate::check::{Complaint, CouldNotLook, Entry, Observation};
use crate::database::Session;
use crate::outcome::Finding;
use crate::sql::{QualifiedName, quote_literal};

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
/// unpopulated and a foreign table lies on another server.
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
    /// All entries, in the order of the scenario.
    fn entries(&self) -> impl Iterator<Item = &'a str> {
        self.table
            .into_iter()
            .chain(self.tables.iter().map(String::as_str))
    }

    /// Complains when no table is named, or a name cannot be read.
    #[must_use]
    pub fn complaints(&self) -> Vec<Complaint> {
        if self.entries().next().is_none() {
            return vec![
                Complaint::whole("no table is named")
                    .hint("add `table = \"schema.name\"`, or `tables = [\"schema.*\"]`"),
            ];
        }
        let key = if self.table.is_some() {
            "table"
        } else {
            "tables"
        };
        self.entries()
            .filter_map(|entry| QualifiedName::parse(entry).err())
            .map(|message| Complaint::about(key, message).hint("write `schema.table`"))
            .collect()
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
    pub fn in_entries(&self, mut whole: Observation, entries: Vec<Entry>) -> Observation {
        if self.tables.is_empty() {
            let findings = entries.into_iter().flat_map(|entry| entry.findings);
            whole.findings.extend(findings);
            whole
        } else {
            whole.with_entries(entries)
        }
    }

    /// Finds the tables. A pattern leaves out partitions (their parent stands for them), views, and
    /// foreign tables.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn resolve(&self, session: &mut Session) -> Result<Resolved, CouldNotLook> {
        let mut resolved = Resolved::default();
        for entry in self.entries() {
            let name = QualifiedName::parse(entry).map_err(CouldNotLook::because)?;
            let is_pattern = entry.contains(['*', '?']);
            let sql = CANDIDATES
                .replace("{schema}", &like(&name.schema))
                .replace("{name}", &like(&name.name))
                .replace("{exact}", if is_pattern { "false" } else { "true" });
            let rows = session.rows(&sql).await?;
            if rows.is_empty() {
                let expected = if is_pattern {
                    "at least one table that matches"
                } else {
                    "a table"
                };
                resolved.missing.push(
                    Finding::about(entry, expected, "there is none in the restored database")
                        .hint("look for its CREATE TABLE in the restore's errors, or correct the name in the scenario"),
                );
            }
            for row in rows {
                if let [Some(schema), Some(name)] = row.as_slice() {
                    let found = QualifiedName {
                        schema: schema.clone(),
                        name: name.clone(),
                    };
                    if !resolved.tables.contains(&found) {
                        resolved.tables.push(found);
                    }
                }
            }
        }
        Ok(resolved)
    }
}

/// Makes a LIKE pattern, as a literal, of a name with `*` and `?`.
fn like(pattern: &str) -> String {
    let escaped = pattern
        .replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_");
    quote_literal(&escaped.replace('*', "%").replace('?', "_"))
}
