//! Several histories in one table, such as one for each plugin.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::files::{MigrationFile, Version, read_any, unreadable};
use super::history::{Applied, locked, missing};
use super::{SchemaVersion, seen};
use crate::check::{Entry, Observation, ParameterErrors, Restored};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// The migration files of each history, by its name.
type Folders = BTreeMap<String, BTreeMap<Version, MigrationFile>>;

impl SchemaVersion {
    /// Compares each history in the table with the folder of its name.
    pub(super) async fn run_per_history(
        &self,
        restored: &Restored<'_>,
        folder: Option<&Path>,
    ) -> Result<Observation, CouldNotRun> {
        let folders = folder.map(|folder| self.folders(folder)).transpose()?;
        let table = QualifiedName::parse(self.table_name()).map_err(CouldNotRun::new)?;
        let mut session = restored.session().await?;
        let mut findings = missing(&mut session, &table, &self.columns()).await?;
        let mut rows = Vec::new();
        if findings.is_empty() {
            rows = self.rows(&mut session, &table).await?;
        }
        if let Some((lock, column)) = self.lock(&table) {
            findings.extend(locked(&mut session, &lock, &column).await?);
        }
        let mut entries = Vec::new();
        if findings.is_empty() {
            let mut histories = by_history(rows);
            if let Some(schemas) = &self.schemas {
                let counts = histories
                    .iter()
                    .map(|(key, rows)| (key.clone(), rows.len()))
                    .collect();
                findings = schemas.findings(&mut session, &counts).await?;
            }
            for name in folders.iter().flatten().map(|(name, _)| name) {
                histories.entry(name.clone()).or_default();
            }
            if histories.is_empty() {
                findings.push(Finding::about(
                    table.to_string(),
                    "applied migrations",
                    "the table is empty",
                ));
            }
            for (name, rows) in histories {
                entries.push(self.entry(&table, &name, rows, folders.as_ref())?);
            }
        }
        session.close().await;
        let histories = show_counted(entries.len(), "history");
        let expected = format!("each history: {}", self.expectation(None));
        Ok(Observation::new(expected, histories, findings).with_entries(entries))
    }

    /// Compares one history.
    fn entry(
        &self,
        table: &QualifiedName,
        name: &str,
        rows: Vec<Applied>,
        folders: Option<&Folders>,
    ) -> Result<Entry, CouldNotRun> {
        let began = Instant::now();
        let object = format!("{table} [{}]", Version::Text(name.to_owned()));
        let files = folders.and_then(|folders| folders.get(name));
        let mut findings = self.compare(&object, files, &rows)?;
        if folders.is_some() && files.is_none() {
            findings.push(
                Finding::about(
                    &object,
                    "a folder with its migration files",
                    "there is none",
                )
                .hint("add the folder of this name to `files`, or find out who installed it"),
            );
        }
        Ok(Entry::new(
            &object,
            self.expectation(files),
            seen(&rows, files),
            findings,
            began,
        ))
    }

    /// Reads the migration files in each folder of `folder`.
    fn folders(&self, folder: &Path) -> Result<Folders, CouldNotRun> {
        let mut folders = Folders::new();
        let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            let path = entry.path();
            if path.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let files = read_any(&path, self.selection())?;
                // One without migrations has no history.
                if !files.is_empty() {
                    folders.insert(name, files);
                }
            }
        }
        if folders.is_empty() {
            return Err(CouldNotRun::new(format!(
                "no folder with migration files in {}",
                folder.display()
            ))
            .hint("with `per`, `files` has a folder for each history, of the same name"));
        }
        Ok(folders)
    }

    /// Reports what contradicts `per`, or needs it.
    pub(super) fn validate_per(&self, errors: &mut ParameterErrors<'_>) {
        if let Some(schemas) = &self.schemas {
            errors.require_names("schemas", [&schemas.table], "schema.table");
        }
        if self.per.is_none() {
            errors.each(
                [("schemas", self.schemas.is_some())],
                "needs `per`",
                "add `per`, the column that separates the histories",
            );
            return;
        }
        errors.each(
            [("head", self.head.is_some())],
            "is of one history, and `per` has several",
            "leave it out, and give `files`",
        );
        if self.files.is_some() && self.pattern.is_none() {
            errors
                .whole("`per` with `files` needs `pattern`")
                .add_hint("it is matched with paths in the folder of each history, as in `^migrations/([^/]+\\.sql)$`");
        }
    }
}

/// The rows of each history; those where the column is NULL have an empty name.
fn by_history(rows: Vec<Applied>) -> BTreeMap<String, Vec<Applied>> {
    let mut histories: BTreeMap<String, Vec<Applied>> = BTreeMap::new();
    for row in rows {
        let name = row.history.clone().unwrap_or_default();
        histories.entry(name).or_default().push(row);
    }
    histories
}
