//! `migrations`: the migration files are what was released, and only expand the schema.
//!
//! - `files` reads the folder
//! - `statement` is which statements only expand

mod files;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::files::File;
use crate::check::absent;
use crate::check::columns::Columns as _;
use crate::check::privilege::conclude;
use crate::check::schema_version::files::compile;
use crate::check::schema_version::history::{LONGEST, MOST, refuse_too_many};
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::digest::parse_sum;
use crate::outcome::{CouldNotRun, Finding, NotTested, summarize};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::{listed, show_counted};

/// How files are named by default: `0001_baseline.up.sql`, `001-init.sql`.
const NAMES: &str = r"^([0-9]+)[-_][a-z0-9_-]+(?:\.up)?\.sql$";

/// The migration files of the repository are those that the restored database has applied, as they were released, and they
/// only expand the schema.
///
/// `schema-version` compares which files are applied; this check is about the files themselves. All `*.sql` files of the
/// folder count, and none below it.
///
/// ## What it proves
/// - Each file is named as `names` says, and no two have the same number.
/// - Every version in the history of the restored database has its file. A version is the number of a file, or its name
///   without the ending.
/// - With `frozen`, a list of digests as `sha256sum` writes it: each file of the list is there with the same bytes, and each file
///   that the restored database has applied is in the list.
/// - With `expand-only`: every statement of every file but the first only adds something, so that the previous version of the
///   application goes on working; except in files with the line `-- TAG` for the `contract-tag`. A statement that is not known
///   to expand counts as one that does not: what drops, renames, narrows, requires, removes rows or takes rights, and `DO`,
///   whose code is not read. On a table that the same file creates, and no earlier one,
///   nearly anything is allowed. The files are read by a
///   parser of PostgreSQL; what it cannot read makes the check unable to run.
///
/// ## What it does not prove
/// That the previous version of the application really works on the new schema. What a function does that a statement calls,
/// or that `CREATE OR REPLACE` changes. How long a statement holds a lock. Files in `reviewed` are not read, and the reports say so.
///
/// ## Example
/// ```toml
/// [[check.migrations]]
/// files = "../app/migrations"
/// names = '^([0-9]{4})_[a-z0-9_]+\.up\.sql$'
/// frozen = "../app/migrations/released.sha256"
/// expand-only = true
/// contract-tag = "phase contract"
/// reviewed = ["0007_backfill.up.sql"]
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Migrations {
    /// The folder of the migration files, relative to the scenario.
    pub files: PathBuf,
    /// A regular expression that every name of a file matches, with one group: its number. Default:
    /// `^([0-9]+)[-_][a-z0-9_-]+(?:\.up)?\.sql$`.
    pub names: Option<String>,
    /// The table of applied migrations. Default: `public.schema_migrations`.
    pub table: Option<String>,
    /// Its column that holds the version. Default: `version`.
    pub column: Option<String>,
    /// A list of the SHA-256 of the released files, relative to the scenario.
    pub frozen: Option<PathBuf>,
    /// Whether every file but the first may only expand the schema. Default: false.
    #[serde(default)]
    pub expand_only: bool,
    /// The comment of files that may contract, without the `--`.
    pub contract_tag: Option<String>,
    /// Files that a person found to expand only.
    #[serde(default)]
    pub reviewed: Vec<String>,
}

impl Parameters for Migrations {
    const KIND: &'static str = "migrations";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if let Some(names) = &self.names {
            errors.require("names", compile(names));
        }
        errors.require_names("table", &self.table, "schema.table");
        if let Some(tag) = &self.contract_tag {
            errors.refuse_empty("contract-tag", tag.trim());
        }
        if !self.expand_only {
            let of_expanding = [
                ("contract-tag", self.contract_tag.is_some()),
                ("reviewed", !self.reviewed.is_empty()),
            ];
            errors.each(
                of_expanding,
                "needs `expand-only = true`",
                "add it, or leave this out",
            );
        }
    }
}

#[async_trait]
impl Check for Migrations {
    fn inputs(&self) -> Vec<PathBuf> {
        let files = std::iter::once(&self.files);
        files.chain(&self.frozen).cloned().collect()
    }

    fn describe(&self) -> String {
        format!("migration files in {}", self.files.display())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let names = compile(self.names.as_deref().unwrap_or(NAMES)).map_err(CouldNotRun::new)?;
        let files = files::read(&restored.folder.join(&self.files), &names)?;
        let (mut findings, mut unclear) = (self.named(&files), Vec::new());
        let applied = match self.history(restored).await? {
            Ok(applied) => applied,
            Err(missing) => {
                findings.push(missing);
                Vec::new()
            }
        };
        findings.extend(without_file(&applied, &files));
        if let Some(frozen) = &self.frozen {
            let listed = digests(&restored.folder.join(frozen))?;
            findings.extend(thawed(&listed, &files, &applied));
        }
        if self.expand_only {
            findings.extend(self.reviewed.iter().filter_map(|name| {
                let there = files.iter().any(|file| file.name == *name);
                (!there).then(|| {
                    Finding::about(
                        name,
                        "a file that was reviewed",
                        "there is none in the folder",
                    )
                    .hint("correct the name in `reviewed`")
                })
            }));
            let mut earlier = BTreeSet::new();
            for (at, file) in files.iter().enumerate() {
                match self.expands(file, &earlier) {
                    // The first file may do anything: nothing was there.
                    _ if at == 0 => {}
                    Ok(found) => findings.extend(found),
                    Err(error) => unclear.push(error),
                }
                earlier.extend(statement::tables_made(&file.text));
            }
        }
        let findings = conclude(findings, unclear)?;
        let all = show_counted(files.len(), "file");
        let actual = match findings.is_empty() {
            true => format!("{all}, {} applied", applied.len()),
            false => format!("{all}; {}", summarize(&findings, "finding")),
        };
        let mut observation = Observation::new(self.expectation(), actual, findings);
        observation.not_tested = self
            .reviewed
            .iter()
            .map(|name| {
                NotTested::new(
                    format!("whether {name} only expands"),
                    "it is in `reviewed`",
                )
            })
            .collect();
        Ok(observation)
    }
}

impl Migrations {
    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = vec!["named and numbered as they must be, with every applied one"];
        if self.frozen.is_some() {
            parts.push("as released");
        }
        if self.expand_only {
            parts.push("each only expands, or has the tag");
        }
        parts.join("; ")
    }

    /// Finds names that are not as they must be, and numbers that two files have.
    fn named(&self, files: &[File]) -> Vec<Finding> {
        let names = self.names.as_deref().unwrap_or(NAMES);
        let mut findings = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let Some(number) = &file.number else {
                let expected = format!("a name that matches {names}");
                findings.push(
                    Finding::about(&file.name, expected, "it does not")
                        .hint("rename the file, or move it out of the folder"),
                );
                continue;
            };
            let mut earlier = files.iter().take(at);
            if let Some(other) = earlier.find(|other| other.number.as_ref() == Some(number)) {
                findings.push(
                    Finding::about(
                        &file.name,
                        "a number of its own",
                        format!("{} has the number {number} too", other.name),
                    )
                    .hint("give the newer file the next number"),
                );
            }
        }
        findings
    }

    /// Reads the applied versions; a finding where there are none.
    async fn history(
        &self,
        restored: &Restored<'_>,
    ) -> Result<Result<Vec<String>, Finding>, CouldNotRun> {
        let name = self.table.as_deref().unwrap_or("public.schema_migrations");
        let table = QualifiedName::parse(name).map_err(CouldNotRun::new)?;
        let column = self.column.as_deref().unwrap_or("version");
        let mut session = restored.session().await?;
        let sql = format!(
            "SELECT pg_catalog.left({}::pg_catalog.text, {LONGEST}) FROM {table} ORDER BY 1 LIMIT {MOST} + 1",
            quote_ident(column)
        );
        let history = match session.rows(&sql).await {
            Ok(rows) => Ok(rows
                .iter()
                .filter_map(|row| row.text(0))
                .collect::<Vec<_>>()),
            Err(error) => match error.sqlstate.as_deref() {
                Some("42P01" | "3F000") => {
                    let hint = absent::table(&mut session, &table).await?;
                    Err(
                        Finding::about(name, "the history of migrations", "there is no such table")
                            .hint(hint),
                    )
                }
                Some("42703") => Err(absent::column(&mut session, &table, column).await?),
                _ => return Err(error.into()),
            },
        };
        session.close().await;
        refuse_too_many(&table, history.as_ref().map_or(0, Vec::len))?;
        Ok(history.and_then(|applied| match applied.is_empty() {
            false => Ok(applied),
            true => Err(
                Finding::about(name, "the history of migrations", "it is empty")
                    .hint("check whether the restore lost its rows"),
            ),
        }))
    }

    /// Finds statements of a file that may contract.
    fn expands(
        &self,
        file: &File,
        earlier: &BTreeSet<QualifiedName>,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let tag = self.contract_tag.as_deref().map(str::trim);
        if self.reviewed.contains(&file.name) || tag.is_some_and(|tag| file.has_tag(tag)) {
            return Ok(Vec::new());
        }
        let found = statement::contractions(&file.text, earlier).map_err(|error| {
            CouldNotRun::new(format!("{}:{}: {}", file.name, error.line, error.message))
                .hint("the parser cannot read it; when a person has, add the file to `reviewed`")
        })?;
        let expected = match tag {
            Some(tag) => format!("a statement that only expands, or the line `-- {tag}`"),
            None => "a statement that only expands".to_owned(),
        };
        let finding = |one: statement::Contraction| {
            let actual = format!("{}: {}", one.statement, one.why);
            Finding::about(format!("{}:{}", file.name, one.line), &expected, actual).hint(
                "leave it to a later release and tag that file; what a person found to expand goes into `reviewed`",
            )
        };
        Ok(found.into_iter().map(finding).collect())
    }
}

/// Finds applied versions that no file is.
fn without_file(applied: &[String], files: &[File]) -> Option<Finding> {
    let is_known = |version: &&String| files.iter().any(|file| file.is_version(version));
    let unknown: Vec<&String> = applied
        .iter()
        .filter(|version| !is_known(version))
        .collect();
    // Versions are names of files, not values of the application.
    let shown: Vec<String> = unknown
        .iter()
        .map(|version| crate::check::schema_version::files::Version::read(version).to_string())
        .collect();
    (!unknown.is_empty()).then(|| {
        Finding::about(
            "the history of migrations",
            "a file for every applied version",
            format!("none for {}", listed(&shown, 5)),
        )
        .hint("the backup is newer than the repository, or a released file was removed")
    })
}

/// Reads a list of digests, by the name of the file.
fn digests(path: &Path) -> Result<BTreeMap<String, String>, CouldNotRun> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CouldNotRun::new(format!("cannot read {}: {error}", path.display())))?;
    let of_line = |line: &str| {
        let (digest, name) = parse_sum(line)?;
        let name = name?.rsplit('/').next()?.to_owned();
        Some((name, digest))
    };
    let all: BTreeMap<String, String> = text.lines().filter_map(of_line).collect();
    match all.is_empty() {
        false => Ok(all),
        true => Err(
            CouldNotRun::new(format!("{} lists no digest", path.display()))
                .hint("`sha256sum *.up.sql` writes the list"),
        ),
    }
}

/// Finds released files that are not as they were, and applied ones that are in no list.
fn thawed(frozen: &BTreeMap<String, String>, files: &[File], applied: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, digest) in frozen {
        let actual = match files.iter().find(|file| file.name == *name) {
            None => "there is no such file".to_owned(),
            Some(file) if file.sha256 != *digest => format!("SHA-256 {}", file.sha256),
            Some(_) => continue,
        };
        findings.push(
            Finding::about(
                name,
                format!("SHA-256 {digest}, as it was released"),
                actual,
            )
            .hint("a released file never changes: restore it, and write a new one"),
        );
    }
    for file in files.iter().filter(|file| !frozen.contains_key(&file.name)) {
        if applied.iter().any(|version| file.is_version(version)) {
            findings.push(
                Finding::about(
                    &file.name,
                    "its digest in the list of released files",
                    "it is applied and not in the list",
                )
                .hint("add it to the list with its release"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check() -> Migrations {
        Migrations {
            files: "migrations".into(),
            ..Migrations::default()
        }
    }

    #[rstest]
    #[case(check(), 0)]
    #[case(Migrations { expand_only: true, contract_tag: Some("phase contract".to_owned()), ..check() }, 0)]
    #[case(Migrations { contract_tag: Some("phase contract".to_owned()), ..check() }, 1)]
    #[case(Migrations { reviewed: vec!["1.sql".to_owned()], ..check() }, 1)]
    #[case(Migrations { names: Some("^[0-9]+$".to_owned()), ..check() }, 1)]
    #[case(Migrations { names: Some("(".to_owned()), ..check() }, 1)]
    #[case(Migrations { table: Some("a.b.c".to_owned()), ..check() }, 1)]
    fn parameters(#[case] check: Migrations, #[case] expected: usize) {
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), expected);
    }
}
