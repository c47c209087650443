//! `baseline`: the database is what it was when it was known to be good.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::baseline::compare::{Area, Compared, Terms, compare};
use crate::baseline::observed::digest_of;
use crate::baseline::take::{self, Wish};
use crate::baseline::{Baseline, Database, file};
use crate::catalog::compare::{Scope, not_compared};
use crate::catalog::{ObjectId, ObjectKind};
use crate::check::{Check, Complaint, Observation, Parameters, Restored};
use crate::database::Session;
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
/// last PROVEN drill saw; the first one has nothing to compare with and only writes it.
///
/// Against a baseline and a record, rows that were added and rows of other tables that were changed since are
/// life. So are a new partition of the same shape, another version of an extension, and a comment. `redrill
/// accept` shows everything else that changed and writes into the baseline what you accept.
///
/// ## What it proves
/// That nothing that the baseline knows was added, removed or changed: relations, columns, constraints, indexes,
/// triggers on every partition, functions, views, policies, types, owners, grants and effective rights of every
/// role, settings. That no table lost rows and no sequence went back. That all rows of an append-only table that
/// were there then are there now, with the same values; also when an edited row leaves the count as it was.
///
/// ## What it does not prove
/// That changed rows of tables that may change are right, unless a manifest says them. What the backup does not
/// hold, such as roles in a dump without globals, is listed as not tested.
///
/// ## Example
/// ```toml
/// [[check.baseline]]
/// file = "orders.baseline.toml"
/// may-shrink = ["app.sessions", "app.jobs_*"]
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
    /// A file, relative to the scenario, that each PROVEN drill writes and the next one is compared with.
    pub record: Option<PathBuf>,
    /// With `record`: tables that only grow, whose history is kept.
    #[serde(default)]
    pub append_only: Vec<String>,
    /// Tables that may lose rows, or end, such as old partitions, as in `["app.outbox", "*.sessions"]`; `*`
    /// stands for any letters, `?` for one. `large objects` are named so.
    #[serde(default)]
    pub may_shrink: Vec<TablePattern>,
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

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let against = [self.file.is_some(), self.manifest, self.record.is_some()];
        if against.iter().filter(|given| **given).count() != 1 {
            complaints.push(
                Complaint::whole("this check needs one thing to hold the database against")
                    .hint("give one of `file = \"…\"`, `manifest = true` and `record = \"…\"`"),
            );
        }
        if !self.append_only.is_empty() && self.record.is_none() {
            complaints.push(
                Complaint::about("append-only", "`append-only` belongs to `record`")
                    .hint("a baseline file and a manifest say themselves which tables only grow"),
            );
        }
        if self.manifest && !self.may_shrink.is_empty() {
            complaints.push(Complaint::about(
                "may-shrink",
                "a manifest speaks of the very rows of the backup: none of them may be missing",
            ));
        }
        for table in &self.append_only {
            if let Err(message) = QualifiedName::parse(table) {
                complaints
                    .push(Complaint::about("append-only", message).hint("write `schema.table`"));
            }
        }
        complaints
    }
}

#[async_trait]
impl Check for BaselineCheck {
    fn describe(&self) -> String {
        match (&self.file, &self.record) {
            (Some(path), _) => format!("as it was in {}", path.display()),
            (None, Some(_)) => "as it was in the last drill".to_owned(),
            (None, None) => "as the manifest next to the backup says".to_owned(),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let held = self.held(restored)?;
        let was = match &held {
            Some(held) => Some(database_of(held, restored.database)?),
            None => None,
        };
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(restored.own_session().await?);
        }
        let wish = self.wish(was, restored)?;
        let mut readers: Vec<&mut Session> = sessions.iter_mut().collect();
        let mut now = take::take(&mut readers, &wish).await?;
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
                let terms = self.terms(was, &now, restored);
                let compared = compare(was, &now, rewritten, &terms);
                let mut observation = told::observation(held, was, &now, &compared);
                observation.findings.extend(self.of_another(held, restored));
                observation.not_tested = not_tested(was, &now, &compared, &terms);
                now.differences = compared.differences;
                now.differences.retain(|difference| difference.fails);
                observation
            }
            _ => {
                let mut observation = Observation::new(
                    "a record for the next drill",
                    format!(
                        "{}; there is no record yet to compare with",
                        told::size(&now)
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
            Some(digest_of(&text))
        });
        restored
            .observed
            .note(restored.database, now, against, record);
        Ok(observation)
    }
}

impl BaselineCheck {
    /// Reads what the database is held against; `None` for a record that no drill has written yet.
    fn held(&self, restored: &Restored<'_>) -> Result<Option<Baseline>, CouldNotRun> {
        if let Some(path) = &self.file {
            let path = restored.folder.join(path);
            let baseline = file::load(&path)
                .map_err(|error| CouldNotRun::new(error).hint("`redrill baseline` writes one"))?;
            return Ok(Some(baseline));
        }
        if let Some(path) = &self.record {
            let path = restored.folder.join(path);
            if !path.exists() {
                return Ok(None);
            }
            return file::load(&path).map(Some).map_err(|error| {
                CouldNotRun::new(error)
                    .hint("take it back from where drills keep their records; without it the next drill starts from nothing")
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

    /// What is to be read: for a manifest every value; for others counts, and the histories that they keep.
    fn wish(&self, was: Option<&Database>, restored: &Restored<'_>) -> Result<Wish, CouldNotRun> {
        let mut append_only = Vec::new();
        for table in &self.append_only {
            append_only.push(QualifiedName::parse(table).map_err(CouldNotRun::new)?);
        }
        append_only.extend(was.iter().flat_map(|was| was.history.keys()).cloned());
        Ok(Wish {
            append_only,
            digests: self.manifest,
            known: restored.counts.known(restored.database),
        })
    }

    /// What may differ, by the word of the scenario and of the backup.
    fn terms(&self, was: &Database, now: &Database, restored: &Restored<'_>) -> Terms {
        let backup = restored.backup;
        Terms {
            exact: self.manifest,
            may_shrink: self.may_shrink.clone(),
            ignore: self.ignore.iter().map(|text| Glob::new(text)).collect(),
            scope: Scope {
                roles: Some(roles(was, now, backup)),
                cluster: !backup.roles.is_empty(),
                owners: backup.has_owners,
                privileges: backup.has_privileges,
                database_settings: backup.makes.iter().any(|name| name == restored.database),
                comments: self.comments,
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
    let (tables, _) = take::tables(session).await?;
    for (name, history) in &was.history {
        let found = match tables.iter().find(|table| table.name == *name) {
            Some(table) => history.hold(session, table).await?,
            None => Some(history.gone(name)),
        };
        rewritten.extend(found.map(|finding| (name.clone(), finding)));
    }
    Ok(rewritten)
}

/// What was not compared, and why.
fn not_tested(
    was: &Database,
    now: &Database,
    compared: &Compared,
    terms: &Terms,
) -> Vec<NotTested> {
    let entry = |what: String, why: &str| NotTested {
        what,
        why: why.to_owned(),
    };
    let scope = not_compared(&was.catalog, &now.catalog, &terms.scope);
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
        !terms.exact && sequence == Some("yes")
    };
    let cycling: Vec<&QualifiedName> = was.sequences.keys().filter(cycle).collect();
    if !cycling.is_empty() {
        list.push(entry(
            format!("the values of the sequences {}", join(&cycling)),
            "they cycle, so a lower value may be right",
        ));
    }
    let other_values = !terms.exact
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
}
