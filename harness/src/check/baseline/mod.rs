//! `baseline`: the database is what it was when it was known to be good.

mod entries;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::baseline::compare::{CompareOptions, Comparison, compare};
use crate::baseline::difference::Area;
use crate::baseline::tables::list_tables;
use crate::baseline::take::{TakeOptions, take};
use crate::baseline::{Baseline, Database, file};
use crate::catalog::compare::{Scope, not_compared};
use crate::catalog::{ObjectId, ObjectKind};
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::digest::sha256;
use crate::input::diagnostic::nearest;
use crate::input::tables::TablePattern;
use crate::outcome::{BackupFacts, CouldNotRun, Finding, NotTested};
use crate::sql::{Glob, QualifiedName};

/// How many sessions read at the same time.
const SESSIONS: usize = 2;

/// The database is what it was when it was known to be good: every definition, every right, every sequence, no
/// table with fewer rows, and the history of append-only tables unchanged.
///
/// What it is compared with is one of three. `file`, a baseline that `redrill baseline` or `redrill init` wrote
/// and somebody committed. `manifest`, what `redrill baseline --with-dump` wrote next to the backup in the
/// snapshot of the dump itself: then every row of every table must be there with its value. `record`, what the
/// last PROVEN drill of the scenario saw: its state has it (`--state`), so that drills on several machines, of folders
/// that are read-only or vanish, are compared too. The file is written next to it where that is possible, and read while the
/// state has no record, or with `--no-state`. The first drill has nothing to compare with and only writes it.
///
/// Compared with a baseline and a record, added rows, and changed rows of tables that are not append-only, are expected
/// drift: reported, but never a failure. So are a new partition of the same shape, another version of an extension, and a comment. `redrill
/// accept` shows everything else that changed and writes into the baseline what you accept.
///
/// ## What it proves
/// That nothing that the baseline knows was added, removed or changed: relations, columns, constraints, indexes,
/// triggers on every partition, functions, views, policies, types, owners, grants and effective rights of every
/// role, settings. That no table lost rows and no sequence went back. That all rows of an append-only table that
/// were there then are there now, with the same values; also when an edited row leaves the count as it was.
///
/// ## What it does not prove
/// That changed rows of tables that may change are right, unless a manifest has them. What the backup does not
/// hold, such as roles in a dump without globals, is listed as not tested.
///
/// ## Example
/// ```toml
/// [[check.baseline]]
/// file = "orders.baseline.toml"
/// may-shrink = ["app.sessions", "app.jobs_*"]
/// may-be-dropped = ["app.events_*"]
///
/// [[check.baseline]]
/// name = "the rows are those of the dump's snapshot"
/// manifest = true
///
/// [[check.baseline]]
/// name = "nothing of the past was rewritten since the last drill"
/// record = "records/orders.baseline.toml"
/// append-only = ["app.audit_log"]
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BaselineCheck {
    /// A baseline file, relative to the scenario.
    pub file: Option<PathBuf>,
    /// Whether the manifest next to the backup is compared: `BACKUP.baseline.toml`.
    #[serde(default)]
    pub manifest: bool,
    /// A file, relative to the scenario, for what each PROVEN drill leaves for the next one. The state has it too, and is
    /// asked first.
    pub record: Option<PathBuf>,
    /// With `record`: tables that only grow, whose history is kept.
    #[serde(default)]
    pub append_only: Vec<String>,
    /// Tables that may lose rows, or end, such as old partitions, as in `["app.outbox", "*.sessions"]`; `*`
    /// stands for any letters, `?` for one. `large objects` are named so.
    #[serde(default)]
    pub may_shrink: Vec<TablePattern>,
    /// Tables that may be dropped, such as old partitions, as in `["app.events_*"]`; while they are there, all their rows must be.
    #[serde(default)]
    pub may_be_dropped: Vec<TablePattern>,
    /// Whether another comment on an object is a failure. Default: it is only reported.
    #[serde(default)]
    pub comments: bool,
    /// Objects whose definition is not compared, named as in the baseline, as in `table app.scratch_*`. A right that
    /// became wider is reported all the same.
    #[serde(default)]
    pub ignore: Vec<String>,
}

impl Parameters for BaselineCheck {
    const KIND: &'static str = "baseline";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let references = [self.file.is_some(), self.manifest, self.record.is_some()];
        if references.iter().filter(|given| **given).count() != 1 {
            errors
                .whole("this check needs one state to compare the database with")
                .add_hint("give one of `file = \"…\"`, `manifest = true` and `record = \"…\"`");
        }
        if !self.append_only.is_empty() && self.record.is_none() {
            errors
                .at("append-only", "`append-only` needs `record`")
                .add_hint("a baseline file and a manifest list the append-only tables themselves");
        }
        let lists = [
            ("may-shrink", &self.may_shrink),
            ("may-be-dropped", &self.may_be_dropped),
        ];
        for (key, list) in lists {
            if self.manifest && !list.is_empty() {
                errors
                    .at(key, format!("`{key}` and `manifest` exclude each other"))
                    .add_hint("a manifest is of this backup, so no row of it may be missing");
            }
        }
        errors.require_names("append-only", &self.append_only, "schema.table");
        for (index, pattern) in self.ignore.iter().enumerate() {
            if let Err((message, hint)) = check_pattern(pattern) {
                errors.at_item("ignore", index, message).add_hint(hint);
            }
        }
    }
}

/// Refuses a pattern of objects that no object matches; else gives a message and a hint.
fn check_pattern(pattern: &str) -> Result<(), (String, String)> {
    let begins_with = |word: &str| {
        let rest = pattern.strip_prefix(word);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let mut words = ObjectKind::ALL.iter().map(|kind| kind.word());
    if !words.any(begins_with) {
        let words = ObjectKind::ALL.iter().map(|kind| kind.word());
        let given = pattern.split(' ').next().unwrap_or_default();
        let hint = match nearest(given, words.clone()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("known: {}", words.collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{pattern}` does not begin with a kind of object");
        return Err((message, hint));
    }
    if !pattern.contains(['*', '?'])
        && let Err(message) = pattern.parse::<ObjectId>()
    {
        let hint = "write the object as the baseline does, as in `table app.scratch_*`";
        return Err((message, hint.to_owned()));
    }
    Ok(())
}

#[async_trait]
impl Check for BaselineCheck {
    fn reads_last_record(&self) -> bool {
        self.record.is_some()
    }

    fn reads_backup(&self) -> Option<&'static str> {
        self.manifest.then_some("its manifest")
    }

    fn inputs(&self) -> Vec<PathBuf> {
        self.file.iter().cloned().collect()
    }

    fn describe(&self) -> String {
        match (&self.file, &self.record) {
            (Some(path), _) => format!("as it was in {}", path.display()),
            (None, Some(_)) => "as it was in the last drill".to_owned(),
            (None, None) => "as the manifest next to the backup says".to_owned(),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let held = self.load_reference(restored)?;
        let was = match &held {
            Some(held) => Some(database_of(held, restored.database)?),
            None => None,
        };
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(restored.own_session().await?);
        }
        let options = self.take_options(was, restored)?;
        let mut readers: Vec<&mut Session> = sessions.iter_mut().collect();
        let mut now = take(&mut readers, &options).await?;
        let rewritten = match was {
            Some(was) => rewritten(was, &mut sessions).await?,
            None => BTreeMap::new(),
        };
        for session in sessions {
            session.close().await;
        }
        let record = self.record.as_ref().map(|path| restored.folder.join(path));
        let observation = match (&held, was) {
            (Some(held), Some(was)) => {
                let options = self.compare_options(was, &now, restored);
                let compared = compare(was, &now, rewritten, &options);
                let mut observation = entries::observe(held, was, &now, &compared);
                observation.findings.extend(self.of_another(held, restored));
                observation.not_tested = not_tested(was, &now, &compared, &options);
                now.differences = compared.differences;
                now.differences.retain(|difference| difference.fails);
                observation
            }
            _ => {
                let mut observation = Observation::new(
                    "a record for the next drill",
                    format!(
                        "{}; there is no record yet to compare with",
                        entries::describe_size(&now)
                    ),
                    Vec::new(),
                );
                // A record that was lost must not go unnoticed: every drill would be a first one.
                observation.not_tested.push(NotTested {
                    what: "what changed since the last drill".to_owned(),
                    why: "there is no record of one; this drill writes it if it is PROVEN"
                        .to_owned(),
                });
                observation
            }
        };
        let against = self.file.as_ref().and_then(|path| {
            let text = std::fs::read_to_string(restored.folder.join(path)).ok()?;
            Some(sha256(&text))
        });
        restored
            .observed
            .add(restored.database, now, against, record);
        Ok(observation)
    }
}

impl BaselineCheck {
    /// Reads the state that the database is compared with; `None` for a record that no drill has written yet.
    fn load_reference(&self, restored: &Restored<'_>) -> Result<Option<Baseline>, CouldNotRun> {
        if let Some(path) = &self.file {
            let path = restored.folder.join(path);
            let baseline = file::load(&path)
                .map_err(|error| CouldNotRun::new(error).hint("`redrill baseline` writes one"))?;
            return Ok(Some(baseline));
        }
        if let Some(path) = &self.record {
            if let Some(last) = restored.last_record.clone()? {
                return Ok(Some(Arc::unwrap_or_clone(last)));
            }
            let path = restored.folder.join(path);
            if !path.exists() {
                return Ok(None);
            }
            return file::load(&path).map(Some).map_err(|error| {
                CouldNotRun::new(error).hint(
                    "restore it from a copy; without it the next drill has nothing to compare with",
                )
            });
        }
        let Some((name, text)) = &restored.backup.manifest else {
            return Err(CouldNotRun::new(
                "no manifest is next to the backup, as BACKUP.baseline.toml, or in its folder",
            )
            .hint("`redrill baseline --from URL --with-dump BACKUP` makes both in one snapshot; copy both"));
        };
        file::parse(text)
            .map(Some)
            .map_err(|error| CouldNotRun::new(format!("the manifest {name} is not valid: {error}")))
    }

    /// Says what to read: for a manifest every value; for others counts, and the histories that they keep.
    fn take_options(
        &self,
        was: Option<&Database>,
        restored: &Restored<'_>,
    ) -> Result<TakeOptions, CouldNotRun> {
        let mut append_only = Vec::new();
        for table in &self.append_only {
            append_only.push(QualifiedName::parse(table).map_err(CouldNotRun::new)?);
        }
        append_only.extend(was.iter().flat_map(|was| was.history.keys()).cloned());
        Ok(TakeOptions {
            append_only,
            digests: self.manifest,
            known: restored.counts.known(restored.database),
        })
    }

    /// Collects what may differ, as the scenario and the backup say.
    fn compare_options(
        &self,
        was: &Database,
        now: &Database,
        restored: &Restored<'_>,
    ) -> CompareOptions {
        let backup = restored.backup;
        let scope = match &backup.physical {
            // Of the whole cluster, whatever is in it.
            Some(_) => Scope::default(),
            None => Scope {
                roles: Some(roles(was, now, backup)),
                cluster: !backup.roles.is_empty(),
                owners: backup.has_owners,
                privileges: backup.has_privileges,
                database_settings: backup.makes.iter().any(|name| name == restored.database),
                ..Scope::default()
            },
        };
        CompareOptions {
            exact: self.manifest,
            may_shrink: self.may_shrink.clone(),
            may_be_dropped: self.may_be_dropped.clone(),
            ignore: self.ignore.iter().map(|text| Glob::new(text)).collect(),
            scope: Scope {
                comments: self.comments,
                ..scope
            },
        }
    }

    /// A manifest that was written with another dump says nothing of this one.
    fn of_another(&self, held: &Baseline, restored: &Restored<'_>) -> Option<Finding> {
        // What was packed after it was written has another digest; its rows are compared all the same.
        let packed = restored.backup.uncompressed_bytes.is_some();
        let dump = held.dump.as_ref().filter(|_| self.manifest && !packed)?;
        let parts = restored.backup.parts.iter().map(|part| &part.sha256);
        let mut all = parts.chain([&restored.backup.sha256]);
        (!all.any(|sha256| sha256 == dump)).then(|| {
            Finding::new(
                format!("the dump that the manifest was written with, SHA-256 {dump}"),
                format!("a backup with SHA-256 {}", restored.backup.sha256),
            )
            .hint("one of the two was replaced, or the backup was packed again: keep them together")
        })
    }
}

/// Roles that can be compared: all, where the backup makes any, but those that it needs and does not make.
fn roles(was: &Database, now: &Database, backup: &BackupFacts) -> BTreeSet<String> {
    if backup.roles.is_empty() {
        return BTreeSet::new();
    }
    let objects = was.catalog.objects.keys().chain(now.catalog.objects.keys());
    let roles = objects.filter_map(ObjectId::as_role);
    roles
        .filter(|role| !backup.roles_needed.iter().any(|needed| needed == role))
        .map(str::to_owned)
        .collect()
}

/// The part of a baseline that speaks of a database.
fn database_of<'a>(held: &'a Baseline, name: &str) -> Result<&'a Database, CouldNotRun> {
    let Some((_, database)) = held.database(name) else {
        let names: Vec<&str> = held.databases.keys().map(String::as_str).collect();
        return Err(CouldNotRun::new(format!(
            "the baseline speaks of {}, and not of {name}",
            names.join(", ")
        ))
        .hint("take it again, or name another `database`"));
    };
    if database.catalog.objects.is_empty() && database.rows.is_empty() {
        return Err(
            CouldNotRun::new("the baseline holds nothing to compare with")
                .hint("take it again with `redrill baseline`"),
        );
    }
    Ok(database)
}

/// Holds the tables that only grow against their history; gives those that were rewritten.
async fn rewritten(
    was: &Database,
    sessions: &mut [Session],
) -> Result<BTreeMap<QualifiedName, Finding>, CouldNotRun> {
    let mut rewritten = BTreeMap::new();
    let Some(session) = sessions.first_mut() else {
        return Ok(rewritten);
    };
    let (tables, _) = list_tables(session).await?;
    for (name, history) in &was.history {
        let found = match tables.iter().find(|table| table.name == *name) {
            Some(table) => history.compare(session, table).await?,
            None => Some(history.table_missing(name)),
        };
        rewritten.extend(found.map(|finding| (name.clone(), finding)));
    }
    Ok(rewritten)
}

/// What was not compared, and why.
fn not_tested(
    was: &Database,
    now: &Database,
    compared: &Comparison,
    options: &CompareOptions,
) -> Vec<NotTested> {
    let entry = |what: String, why: &str| NotTested {
        what,
        why: why.to_owned(),
    };
    let scope = not_compared(&was.catalog, &now.catalog, &options.scope);
    let mut list: Vec<NotTested> = scope
        .into_iter()
        .map(|(what, why)| entry(format!("against the baseline: {what}"), &why))
        .collect();
    list.extend(was.not_read.iter().map(|what| {
        entry(
            format!("against the baseline: {what}"),
            "it could not be read when the baseline was taken",
        )
    }));
    if !compared.ignored.is_empty() {
        list.push(entry(
            format!("the definition of {}", join(&compared.ignored)),
            "it changed, and `ignore` of the `baseline` check leaves it out",
        ));
    }
    let cycle = |name: &&QualifiedName| {
        let sequence = ObjectId::qualified(ObjectKind::Sequence, name);
        let sequence = now.catalog.get(&sequence, "cycle");
        !options.exact && sequence == Some("yes")
    };
    let cycling: Vec<&QualifiedName> = was.sequences.keys().filter(cycle).collect();
    if !cycling.is_empty() {
        list.push(entry(
            format!("the values of the sequences {}", join(&cycling)),
            "they cycle, so a lower value may be right",
        ));
    }
    let other_values = !options.exact
        && compared
            .differences
            .iter()
            .all(|one| one.area != Area::Rows);
    if other_values {
        list.push(entry(
            "changed values in tables that are not append-only and in large objects, since the baseline".to_owned(),
            "an earlier moment cannot tell a change from a fault; a manifest of the dump's own snapshot can",
        ));
    }
    list
}

fn join<T: ToString>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::settings::Previous;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    #[rstest]
    #[case("app.outbox", true)]
    #[case("*.sessions", true)]
    #[case("App.log_????", true)]
    #[case("\"App\".*", true)]
    #[case("large objects", true)]
    #[case("outbox", false)]
    #[case("*", false)]
    #[case("app.{a,b}", false)]
    #[case("app.log_[0-9]", false)]
    fn may_shrink_is_one_language(#[case] pattern: &str, #[case] taken: bool) {
        let text = format!("may-shrink = ['{pattern}']");
        let previous = toml::from_str::<Previous>(&text).map(|read| read.may_shrink);
        let check = toml::from_str::<BaselineCheck>(&text).map(|read| read.may_shrink);
        assert_eq!((previous.is_ok(), check.is_ok()), (taken, taken));
        assert_eq!(previous.ok(), check.ok());
    }

    #[rstest]
    #[case("table app.scratch_*", None)]
    #[case("function app.f*", None)]
    #[case("table app.t column note", None)]
    #[case("database", None)]
    #[case("materialized view app.*", None)]
    #[case("tabel app.t", Some("did you mean `table`?"))]
    #[case("app.scratch", Some("known: access method, "))]
    #[case("table app.t colum note", Some("as the baseline does"))]
    fn ignored_objects_begin_with_a_kind(#[case] pattern: &str, #[case] hint: Option<&str>) {
        let check = BaselineCheck {
            manifest: true,
            ignore: vec![pattern.to_owned()],
            ..BaselineCheck::default()
        };
        let problems = errors_of(|errors| check.validate(errors));
        let hints: Vec<String> = problems.into_iter().filter_map(|one| one.hint).collect();
        match hint {
            None => assert_eq!(hints, [] as [String; 0]),
            Some(hint) => assert!(hints.len() == 1 && hints[0].contains(hint), "{hints:?}"),
        }
    }
}
