//! Finds and inspects a backup, and compares it with the settings, its digest and earlier backups.

use jiff::Timestamp;

use super::Backup;
use super::files::blocking;
use super::inspect::{Inspection, inspect};
use super::packing::Keys;
use super::previous::{self, Previous, PreviousContents};
use super::retention::tiers;
use super::settings::{self, Compare, Subject};
use super::source::globals::Suggestion;
use super::source::{self, Earlier, Found, Location, Place, Source};
use super::spool::Spool;
use crate::outcome::{CouldNotRun, Finding};

/// The purpose of an inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only the inspection.
    Look,
    /// A restore follows: the backup is on disk in a form that can be restored.
    Restore,
    /// A restore follows, and the database is compared with the backup value by value.
    Proof,
}

/// Finds the backup and inspects it.
///
/// # Errors
/// When there is none, or it cannot be inspected. Faults of the backup are in [`Backup::problems`].
pub async fn examine(
    subject: &Subject,
    place: &Place<'_>,
    purpose: Purpose,
) -> Result<Backup, CouldNotRun> {
    let keys = match &subject.decrypt {
        Some(decrypt) => {
            decrypt.keys(place.folder, place.environment, place.redactor, place.run)?
        }
        None => Keys::default(),
    };
    let found = source::find(&subject.source, place).await?;
    let before = before(&found, &subject.previous).cloned();
    let now = {
        let inspection = Inspection {
            keys: keys.clone(),
            spool: Spool::in_folder(place.spool.to_owned()),
            digests: purpose == Purpose::Proof,
            listener: place.listener.clone(),
        };
        let found = found.clone();
        blocking(move || inspect(&found, &inspection))
    };
    let (now, before) = tokio::join!(
        now,
        inspect_previous(before, &subject.previous, keys, place)
    );
    let mut backup = now?;
    backup.globals_beside = suggest_globals(&backup, &subject.source).await;
    backup.problems.extend(found.problems.iter().cloned());
    backup.warnings.extend(found.warnings.iter().cloned());
    backup.manifest.clone_from(&found.manifest);
    compare_digests(&mut backup, &found);
    if let Some((previous, warning)) = before {
        backup.warnings.extend(warning);
        let may_shrink = &subject.previous.may_shrink;
        let compared = previous::compare(&backup, &previous, |table| {
            may_shrink.iter().any(|pattern| pattern.matches(table))
        });
        backup.previous = Some(compared.summary);
        backup.before = Some(compared.before);
        // A broken backup is smaller than the previous one because it is broken.
        if backup.problems.is_empty() {
            backup.problems.extend(compared.problems);
            backup.warnings.extend(compared.warnings);
        }
    }
    if let Some(retention) = &subject.retention {
        let times: Vec<Timestamp> = found
            .named_time
            .into_iter()
            .chain(found.newer.iter().map(|newer| newer.time))
            .chain(found.earlier.iter().map(|earlier| earlier.time))
            .collect();
        backup.tiers = tiers(retention, &times);
    }
    Ok(backup)
}

/// Searches for the roles of a local backup that requires some and does not contain them.
async fn suggest_globals(backup: &Backup, source: &Source) -> Option<Suggestion> {
    let is_local = matches!(source.location, Location::Path(_) | Location::Newest(_));
    if !is_local || source.globals.is_some() || backup.contents().roles_needed().is_empty() {
        return None;
    }
    let (path, rules) = (backup.path.clone(), source.rules.clone());
    let search = blocking(move || Ok(source::globals::suggest(&path, &rules)));
    search.await.ok().flatten()
}

/// The backup to compare with.
fn before<'a>(found: &'a Found, settings: &settings::Previous) -> Option<&'a Earlier> {
    let wanted = settings.compare != Some(Compare::Off);
    found.earlier.first().filter(|_| wanted)
}

/// Inspects the previous backup, if requested and on this machine. A warning reports when it could not
/// be read.
async fn inspect_previous(
    before: Option<Earlier>,
    settings: &settings::Previous,
    keys: Keys,
    place: &Place<'_>,
) -> Option<(Previous, Option<Finding>)> {
    let before = before?;
    let name = before.name.clone();
    let mut previous = Previous {
        name: name.clone(),
        bytes: before.bytes,
        contents: None,
    };
    let path = match (before.path, settings.compare) {
        (Some(path), None | Some(Compare::Rows)) => path,
        _ => return Some((previous, None)),
    };
    let spool = place.spool.join("previous");
    let inspected = {
        let spool = spool.clone();
        blocking(move || {
            let found = source::path::find(&path, &source::Rules::default())?;
            // Its progress is not shown: it ends with the other inspection, or soon after.
            let inspection = Inspection {
                keys,
                ..Inspection::quiet(Spool::in_folder(spool))
            };
            inspect(&found, &inspection)
        })
        .await
    };
    // Its unpacked files are not needed again; the end of the run removes what remains.
    let _ = tokio::fs::remove_dir_all(&spool).await;
    let unreadable = |why: String| {
        Finding::about(name.clone(), "a backup to compare with", why)
            .hint("its size was compared; drill it separately for more")
    };
    let warning = match inspected {
        Err(error) => Some(unreadable(error.reason)),
        Ok(backup) => match backup.problems.first() {
            Some(problem) => Some(unreadable(problem.actual.clone())),
            None => {
                previous.contents = Some(PreviousContents::of(&backup));
                None
            }
        },
    };
    Some((previous, warning))
}

/// Compares the digests of the backup and of the file of its roles with the expected ones.
fn compare_digests(backup: &mut Backup, found: &Found) {
    let (agrees, faults) = compare_digest(&backup.sha256, found);
    backup.digest = agrees;
    // A file that was changed has other faults because it was changed.
    backup.problems.splice(0..0, faults);
    let Some((name, globals)) = &found.globals else {
        return;
    };
    if let Some(part) = backup.parts.iter().find(|part| part.name == *name) {
        let (_, faults) = compare_digest(&part.sha256, globals);
        let faults = faults.into_iter().map(|fault| fault.within(name));
        backup.problems.splice(0..0, faults);
    }
    let warnings = globals.warnings.iter().cloned();
    backup.warnings.extend(warnings);
}

/// Compares a digest with the expected one; returns where the same is stated, and the faults.
pub(super) fn compare_digest(sha256: &str, found: &Found) -> (Option<String>, Vec<Finding>) {
    let (mut agrees, mut faults) = (None, Vec::new());
    if let Some((expected, who)) = &found.expected_sha256 {
        if expected == sha256 {
            agrees = Some(format!("the same as in {who}"));
        } else {
            faults.push(
                Finding::new(format!("SHA-256 {expected}, by {who}"), sha256)
                    .hint("the file was changed or is truncated: fetch the original again"),
            );
        }
    }
    if let Some(received) = &found.received_sha256
        && received != sha256
        && found.path.is_file()
    {
        faults.push(
            Finding::new(format!("SHA-256 {received}, as received"), sha256).hint(
                "the copy on the disk of this machine differs from the received bytes: check the disk",
            ),
        );
    }
    (agrees, faults)
}
