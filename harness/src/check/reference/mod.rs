//! `reference`: what a column names exists, in another table, database, folder or bucket.
//!
//! - `keys`: the values of a column in an order that every database has
//! - `merge`: two such lists side by side; `files`: the values as files of a folder or objects of a bucket

mod files;
mod keys;
mod merge;

use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::backup::source::settings::S3;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;
use crate::units::{show_count, show_counted};
use keys::Column;
use merge::Compared;

/// Every value of a column exists where it points to: a foreign key across databases, or from a row to a file.
///
/// A foreign key holds within one database. What `permissions.user_id` says of a database `users`, or
/// `attachments.path` of a folder of uploads, nothing holds; after a restore of parts of different times, such values point to
/// nothing. The check reads the values of `column` once, in order, next to those of `to`, and counts the values without a
/// counterpart, and the rows that have them. Its reports show numbers, never values.
///
/// `to` names a column of another table, with `database` where it is in another database of the backup; or a `folder`, with
/// `file` as the name of the file below it: `"{value}"`, which is the default, or such as `"uploads/{value}.pdf"`; or a bucket,
/// `s3`, with `file` as the key. Its objects are listed once, below the folder that `file` begins with. A file of 0 bytes is a
/// finding, unless `size-column` says that it has none or `may-be-empty` is set; so is one of another size than `size-column`
/// says. `at-most` is no limit for these.
///
/// Values are compared by their text: numbers without trailing zeros, `uuid` with text in lower case. Types that have no
/// single text, such as `jsonb`, cannot be compared. NULL refers to nothing and is not counted. A column without any value
/// cannot be checked.
///
/// ## What it proves
/// That parts which were backed up each by itself fit together: no right of a user who is lost, no row whose file is gone.
///
/// ## What it does not prove
/// That the counterpart is the right one, or that a file has the right contents; nor the other direction, for which another
/// check names the columns the other way round.
///
/// ## Example
/// ```toml
/// [[check.reference]]
/// name = "every permission is that of a user"
/// database = "permissions"
/// table = "public.permissions"
/// column = "user_id"
/// to = { database = "users", table = "public.users", column = "id" }
///
/// [[check.reference]]
/// table = "app.attachments"
/// column = "path"
/// where = "NOT deleted"
/// to = { folder = "../backups/uploads", file = "{value}" }
/// at-most = 10
///
/// [[check.reference]]
/// table = "app.attachments"
/// column = "id"
/// to = { s3 = { bucket = "uploads" }, file = "attachments/{value}.pdf", size-column = "bytes" }
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reference {
    /// The table with the values.
    pub table: String,
    /// The column with the values.
    pub column: String,
    /// A condition for the rows that count.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// Where each value exists.
    pub to: Target,
    /// So many values may exist nowhere. Default: 0.
    #[serde(default)]
    pub at_most: u64,
}

/// Where values exist: `table` and `column`, or `folder`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// The database of `table`. Default: that of the check.
    pub database: Option<String>,
    /// The table that has them.
    pub table: Option<String>,
    /// Its column.
    pub column: Option<String>,
    /// A condition for its rows that count.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// The folder that has a file for each, relative to the scenario file.
    pub folder: Option<PathBuf>,
    /// The bucket that has an object for each, as `[backup.s3]`, without `key`, `newest` and `version`.
    pub s3: Option<S3>,
    /// The name of the file below `folder`, or the key of the object; `{value}` is the value. Default: `{value}`.
    pub file: Option<String>,
    /// The column of `table` of the check that says how many bytes the file has. NULL says nothing.
    pub size_column: Option<String>,
    /// Whether a file may be empty. Default: false.
    #[serde(default)]
    pub may_be_empty: bool,
}

/// What stands for the value in the name of a file.
const VALUE: &str = "{value}";

impl Parameters for Reference {
    const KIND: &'static str = "reference";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        errors.require_names("table", [&self.table], "schema.table");
        errors.refuse_empty("column", &self.column);
        errors.require_condition("where", self.condition.as_ref());
        errors.require_condition("to", self.to.condition.as_ref());
        let to = &self.to;
        let (of_table, of_folder) = (
            [&to.table, &to.column, &to.database, &to.condition],
            to.folder.is_some()
                || to.s3.is_some()
                || to.file.is_some()
                || to.size_column.is_some()
                || to.may_be_empty,
        );
        if let Some(bucket) = &to.s3 {
            for [key, message, hint] in files::find_bucket_errors(bucket) {
                errors.within(&["to", "s3", key], message).add_hint(hint);
            }
        }
        let is_files = to.folder.is_some() != to.s3.is_some();
        match (&to.table, &to.column, is_files) {
            _ if of_folder && of_table.iter().any(|key| key.is_some()) => {
                errors
                    .at("to", "`to` names a table and a folder")
                    .add_hint("keep `table` and `column`, or `folder` and `file`");
            }
            (Some(table), Some(column), false) => {
                if let Err(message) = QualifiedName::parse(table) {
                    errors.within(&["to", "table"], message);
                }
                if column.is_empty() {
                    errors.within(&["to", "column"], "`column` is empty");
                }
            }
            (None, None, true) => {
                let file = to.file.as_deref().unwrap_or(VALUE);
                if file.matches(VALUE).count() != 1 {
                    errors
                        .within(&["to", "file"], "`file` must have `{value}` once")
                        .add_hint("write such as `file = \"{value}.pdf\"`");
                } else if file.starts_with('/') || file.split('/').any(|part| part == "..") {
                    errors
                        .within(&["to", "file"], "`file` leads out of `folder`")
                        .add_hint("name the folder above in `folder`");
                }
            }
            _ => {
                errors
                    .at("to", "`to` does not say where the values exist")
                    .add_hint("write `to = { table = \"schema.table\", column = \"id\" }`, `to = { folder = \"uploads\" }`, or `to = { s3 = { bucket = \"uploads\" } }`");
            }
        }
    }
}

#[async_trait]
impl Check for Reference {
    fn describe(&self) -> String {
        format!(
            "{}.{} refers to {}",
            self.table,
            self.column,
            self.to.describe()
        )
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let file = self.to.file.as_deref().unwrap_or(VALUE);
        let from = Column {
            database: restored.database,
            table: QualifiedName::parse(&self.table).map_err(CouldNotRun::new)?,
            column: &self.column,
            condition: self.condition.as_deref(),
            // The keys of objects are compared in their order, so they are made where they are sorted.
            name: self.to.s3.as_ref().map(|_| file),
            size: self.to.size_column.as_deref(),
        };
        let compared = match (&self.to.table, &self.to.column, &self.to.s3) {
            (Some(table), Some(column), _) => {
                let to = Column {
                    database: self.to.database.as_deref().unwrap_or(restored.database),
                    table: QualifiedName::parse(table).map_err(CouldNotRun::new)?,
                    column,
                    condition: self.to.condition.as_deref(),
                    name: None,
                    size: None,
                };
                keys::compare(restored, &from, &to).await?
            }
            (_, _, Some(bucket)) => files::compare_objects(restored, &from, bucket, file).await?,
            _ => {
                let folder = restored
                    .folder
                    .join(self.to.folder.clone().unwrap_or_default());
                files::compare(restored, &from, folder, file).await?
            }
        };
        match compared {
            Ok(compared) => self.judge(&from, &compared),
            Err(missing) => Ok(Observation::new(
                self.expectation(),
                missing.actual.clone(),
                vec![missing],
            )),
        }
    }
}

impl Target {
    /// In words: `users: public.users.id`, `files of ../uploads`.
    fn describe(&self) -> String {
        let database = self
            .database
            .as_ref()
            .map_or_else(String::new, |name| format!("{name}: "));
        match (&self.table, &self.column, &self.folder, &self.s3) {
            (Some(table), Some(column), ..) => format!("{database}{table}.{column}"),
            (_, _, Some(folder), _) => format!("files of {}", folder.display()),
            (_, _, _, Some(bucket)) => format!("objects of s3://{}", bucket.bucket),
            _ => "nothing".to_owned(),
        }
    }
}

impl Reference {
    fn expectation(&self) -> String {
        let to = self.to.describe();
        match self.at_most {
            0 => format!("every value exists in {to}"),
            most => format!("all but {} exist in {to}", show_counted(most, "value")),
        }
    }

    fn judge(&self, from: &Column<'_>, compared: &Compared) -> Result<Observation, CouldNotRun> {
        let Compared {
            keys,
            rows,
            orphans,
            orphan_rows,
            empty,
            other_size,
            targets,
        } = *compared;
        if keys == 0 {
            let reason = format!(
                "{}.{} has no value that could refer to anything",
                from.table, self.column
            );
            return Err(CouldNotRun::with_hint(
                reason,
                match &self.condition {
                    Some(_) => "correct `where`, which leaves no row with a value",
                    None => {
                        "the table is empty, or the column is NULL in every row: leave the check out, or ask by `row-count` for rows"
                    }
                },
            ));
        }
        let all = format!(
            "{} in {}",
            show_counted(keys, "value"),
            show_counted(rows, "row")
        );
        let actual = match orphans {
            0 => format!("{all}, each exists"),
            _ => format!("{} of {all} exist nowhere", show_count(orphans)),
        };
        let mut findings = Vec::new();
        // `at-most` is for a few: a side without anything in common was lost, or is another one.
        let none_exists = orphans == keys || targets == Some(0);
        if orphans > self.at_most || none_exists {
            let object = format!("{}.{}", from.table, self.column);
            let found = format!(
                "{} of {} do not exist there, in {}",
                show_count(orphans),
                show_counted(keys, "value"),
                show_counted(orphan_rows, "row")
            );
            let finding = Finding::about(object, self.expectation(), found);
            findings.push(finding.hint(match targets {
                Some(0) => "there is nothing that they could refer to: the other side is empty, or its `where` leaves nothing",
                _ => "the two sides were backed up at different times, or one of them lost rows; `at-most` allows what the source itself lacks",
            }));
        }
        let object = || format!("{}.{}", from.table, self.column);
        if empty > 0 && !self.to.may_be_empty {
            let found = format!(
                "{} of {} are empty",
                show_count(empty),
                show_counted(keys - orphans, "file")
            );
            let hint = "their contents were lost, or never written; where files may be empty, set `size-column` or `may-be-empty`";
            findings.push(Finding::about(object(), "files with contents", found).hint(hint));
        }
        if other_size > 0 {
            let size = self.to.size_column.as_deref().unwrap_or_default();
            let found = format!(
                "{} of {} have another",
                show_count(other_size),
                show_counted(keys - orphans, "file")
            );
            let hint = "the files were truncated or replaced, or are of another time than the rows";
            findings.push(
                Finding::about(object(), format!("the size that `{size}` says"), found).hint(hint),
            );
        }
        Ok(Observation::new(self.expectation(), actual, findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    #[rstest]
    #[case("s3 = { bucket = 'b' }", 0)]
    #[case(
        "s3 = { bucket = 'b', endpoint = 'http://[::1]:9000', access-key-id = 'a', secret-access-key = { env = 'S' } }, file = 'a/{value}', size-column = 'bytes'",
        0
    )]
    #[case("folder = 'a', may-be-empty = true", 0)]
    #[case("s3 = { bucket = 'b' }, folder = 'a'", 1)]
    #[case("s3 = { bucket = 'b' }, file = 'a'", 1)]
    #[case("s3 = { bucket = 'b/a' }", 1)]
    #[case("s3 = { bucket = 'b', key = 'a' }", 1)]
    #[case("s3 = { bucket = 'b', access-key-id = 'a' }", 1)]
    #[case(
        "s3 = { bucket = 'b', access-key-id = 'a', secret-access-key = 'abcd' }",
        1
    )]
    #[case("s3 = { bucket = 'b', endpoint = 'storage:9000' }", 1)]
    #[case("size-column = 'bytes'", 1)]
    #[case("table = 'a.b', column = 'c', size-column = 'bytes'", 1)]
    #[case("table = 'a.b', column = 'c', may-be-empty = true", 1)]
    fn targets_that_make_no_sense_are_refused(#[case] to: &str, #[case] expected: usize) {
        let text = format!("table = 'a.b'\ncolumn = 'c'\nto = {{ {to} }}");
        let check: Reference = toml::from_str(&text).unwrap();
        let errors = errors_of(|errors| check.validate(errors));
        assert_eq!(errors.len(), expected, "{errors:?}");
    }
}
