//! Finds and inspects a backup, and compares it with the settings, its digest and earlier backups.

use std::path::PathBuf;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;

use super::Backup;
use super::base::settings::{ArchivedWal, Physical};
use super::base::{self, Fetcher, Further, WalStorage};
use super::files::blocking;
use super::inspect::{Inspection, inspect};
use super::packing::Keys;
use super::previous::{self, Previous, PreviousContents};
use super::retention::tiers;
use super::settings::{self, Compare, Subject};
use super::source::globals::Suggestion;
use super::source::{self, Earlier, Found, Location, Place, Source, confine};
use super::spool::Spool;
use crate::outcome::{CouldNotRun, Finding, Objective};

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
    if let Some(physical) = &subject.physical {
        return examine_base(subject, physical, found, keys, place).await;
    }
    let earlier = match subject.previous.compare {
        Some(Compare::Off) => &[],
        _ => found.earlier.as_slice(),
    };
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
    let (now, before) = tokio::join!(now, find_previous(earlier, &subject.previous, keys, place));
    let mut backup = now?;
    backup.globals_beside = suggest_globals(&backup, &subject.source).await;
    backup.problems.extend(found.problems.iter().cloned());
    backup.warnings.extend(found.warnings.iter().cloned());
    backup.manifest.clone_from(&found.manifest);
    compare_digests(&mut backup, &found);
    if let Some((previous, warnings)) = before {
        backup.warnings.extend(warnings);
        let may_shrink = &subject.previous.may_shrink;
        let compared = previous::compare(&backup, &previous, |table| {
            may_shrink.iter().any(|pattern| pattern.matches(table))
        });
        let mut summary = compared.summary;
        if !previous.passed_over.is_empty() {
            let names = previous.passed_over.join(", ");
            summary.push_str(&format!(
                "; {names} passed over: not complete, or not readable here"
            ));
        }
        backup.previous = Some(summary);
        backup.before = Some(compared.before);
        // A broken backup is smaller than the previous one because it is broken.
        if backup.problems.is_empty() {
            backup.problems.extend(compared.problems);
            backup.warnings.extend(compared.warnings);
        }
    }
    backup.tiers = kept_tiers(subject, &found);
    Ok(backup)
}

/// Inspects a physical backup.
async fn examine_base(
    subject: &Subject,
    physical: &Physical,
    found: Found,
    keys: Keys,
    place: &Place<'_>,
) -> Result<Backup, CouldNotRun> {
    let inspection = Inspection {
        keys,
        spool: Spool::in_folder(place.spool.to_owned()),
        digests: false,
        listener: place.listener.clone(),
    };
    let mut warning = None;
    let (further, serving): (_, BoxFuture<'_, ()>) = match &physical.wal {
        None => (Further::No, ready(()).boxed()),
        Some(ArchivedWal::Folder(path)) => {
            (Further::Folder(place.folder.join(path)), ready(()).boxed())
        }
        Some(ArchivedWal::Command(command)) => {
            warning = confine::warning("[backup.wal]");
            let (fetcher, asker) = Fetcher::new(command, &found.path, place)?;
            (Further::Command(asker), fetcher.serve().boxed())
        }
        Some(ArchivedWal::S3(settings)) => {
            let (storage, bucket) = WalStorage::new(settings, place);
            (Further::Bucket(bucket), storage.serve().boxed())
        }
    };
    let (of, mut physical) = (found.clone(), physical.clone());
    for parent in &mut physical.parents {
        *parent = place.folder.join(&*parent);
    }
    let inspected = blocking(move || base::inspect(&of, &physical, further, &inspection));
    let mut backup = tokio::join!(inspected, serving).0?;
    backup.problems.extend(found.problems.iter().cloned());
    backup.warnings.extend(found.warnings.iter().cloned());
    backup.warnings.extend(warning);
    backup.tiers = kept_tiers(subject, &found);
    Ok(backup)
}

/// The tiers of earlier backups that the scenario requires.
fn kept_tiers(subject: &Subject, found: &Found) -> Vec<Objective> {
    let Some(retention) = &subject.retention else {
        return Vec::new();
    };
    let times: Vec<Timestamp> = found
        .named_time
        .into_iter()
        .chain(found.newer.iter().map(|newer| newer.time))
        .chain(found.earlier.iter().map(|earlier| earlier.time))
        .collect();
    tiers(retention, &times)
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

/// How many earlier backups are examined until one is complete.
const EXAMINED: usize = 5;

/// Finds the previous successful backup: the newest earlier one without a fault, as far as that can be seen, and its
/// contents where it is read. A warning names each that is passed over. Where none is complete, it is the largest of those
/// that were examined, of which only the size is compared: a small one would let everything pass.
async fn find_previous(
    earlier: &[Earlier],
    settings: &settings::Previous,
    keys: Keys,
    place: &Place<'_>,
) -> Option<(Previous, Vec<Finding>)> {
    let mut warnings = Vec::new();
    let mut passed_over = Vec::new();
    for before in earlier.iter().take(EXAMINED) {
        let name = &before.name;
        let mut previous = Previous {
            name: name.clone(),
            bytes: before.bytes,
            contents: None,
            passed_over: Vec::new(),
        };
        let why = match (&before.path, settings.compare) {
            (Some(path), None | Some(Compare::Rows)) => {
                match inspect_earlier(path.clone(), keys.clone(), place).await {
                    Ok(Ok(contents)) => {
                        previous.contents = Some(contents);
                        None
                    }
                    Ok(Err(fault)) => Some(fault),
                    Err(error) => Some(error.reason),
                }
            }
            // Nothing else shows in a list whether a job succeeded.
            (path, _) => {
                let is_folder = path.as_ref().is_some_and(|path| path.is_dir());
                (before.bytes == 0 && !is_folder).then(|| "an empty file".to_owned())
            }
        };
        let Some(why) = why else {
            previous.passed_over = passed_over;
            return Some((previous, warnings));
        };
        warnings.push(
            Finding::about(name, "a complete backup to compare with", why)
                .hint("the job of that time did not succeed, or it cannot be read here: drill it separately for more"),
        );
        passed_over.push(name.clone());
    }
    let largest = earlier.iter().take(EXAMINED).rev();
    let largest = largest.max_by_key(|before| before.bytes)?;
    let previous = Previous {
        name: largest.name.clone(),
        bytes: largest.bytes,
        contents: None,
        passed_over: Vec::new(),
    };
    warnings.push(
        Finding::about(
            &largest.name,
            "a complete backup to compare with",
            match passed_over.len() {
                1 => "the only earlier one that was examined is not".to_owned(),
                count => format!("none of the {count} earlier ones that were examined is"),
            },
        )
        .hint("the size of the largest of them was compared"),
    );
    Some((previous, warnings))
}

/// Inspects an earlier backup; the inner error is its first fault.
async fn inspect_earlier(
    path: PathBuf,
    keys: Keys,
    place: &Place<'_>,
) -> Result<Result<PreviousContents, String>, CouldNotRun> {
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
            let backup = inspect(&found, &inspection)?;
            let (_, faults) = compare_digest(&backup.sha256, &found);
            Ok((backup, faults))
        })
        .await
    };
    // Its unpacked files are not needed again; the end of the run removes what remains.
    let _ = tokio::fs::remove_dir_all(&spool).await;
    let (backup, faults) = inspected?;
    let fault = faults
        .first()
        .map(|_| "another SHA-256 than its digest file states".to_owned());
    let fault = fault.or_else(|| Some(backup.problems.first()?.actual.clone()));
    Ok(fault.map_or_else(|| Ok(PreviousContents::of(&backup)), Err))
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
