//! A backup is found, looked at, and held against what is said of it and what lies beside it.

use jiff::Timestamp;

use super::Backup;
use super::inspect::{InspectError, Inspection, inspect};
use super::packing::Keys;
use super::packing::settings::Decrypt;
use super::previous::{self, Looked, Previous};
use super::retention::{Retention, tiers};
use super::settings::{self, Compare};
use super::source::{self, Earlier, Found, Place, Source, SourceError};
use super::spool::Spool;
use crate::outcome::Finding;

/// What is to be looked at, and what it is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Where it lies.
    pub source: Source,
    /// How it is decrypted.
    pub decrypt: Option<Decrypt>,
    /// How it is held against the backup before it.
    pub previous: settings::Previous,
    /// Which older backups must lie beside it.
    pub retention: Option<Retention>,
}

impl Subject {
    /// A backup about which nothing else is said.
    #[must_use]
    pub fn of(source: Source) -> Self {
        Self {
            source,
            decrypt: None,
            previous: settings::Previous::default(),
            retention: None,
        }
    }
}

impl From<SourceError> for InspectError {
    fn from(error: SourceError) -> Self {
        Self {
            reason: error.reason,
            hint: Some(error.hint),
        }
    }
}

/// What a backup is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing follows.
    Look,
    /// A restore follows: it lies ready for that afterwards.
    Restore,
    /// And what is restored is compared with it, value by value.
    Proof,
}

/// Finds the backup and looks at it.
///
/// # Errors
/// When there is none, or it cannot be looked at. What is wrong with it is in [`Backup::problems`].
pub async fn examine(
    subject: &Subject,
    place: &Place<'_>,
    purpose: Purpose,
) -> Result<Backup, InspectError> {
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
            for_restore: purpose != Purpose::Look,
            digests: purpose == Purpose::Proof,
            listener: place.listener.clone(),
        };
        let found = found.clone();
        blocking(move || inspect(&found, &inspection))
    };
    let (now, before) = tokio::join!(now, look_back(before, &subject.previous, keys, place));
    let mut backup = now?;
    backup.warnings.extend(found.warnings.iter().cloned());
    backup.manifest.clone_from(&found.manifest);
    digests(&mut backup, &found);
    if let Some((previous, warning)) = before {
        backup.warnings.extend(warning);
        let may_shrink = &subject.previous.may_shrink;
        let compared = previous::compare(&backup, &previous, |table| {
            may_shrink.iter().any(|pattern| pattern.matches(table))
        });
        backup.previous = Some(compared.summary);
        backup.before = Some(compared.before);
        // A broken backup is smaller than the one before because it is broken.
        if backup.problems.is_empty() {
            backup.problems.extend(compared.problems);
            backup.warnings.extend(compared.warnings);
        }
    }
    if let Some(retention) = &subject.retention {
        let times: Vec<Timestamp> = found
            .named_time
            .into_iter()
            .chain(found.earlier.iter().map(|earlier| earlier.time))
            .collect();
        backup.tiers = tiers(retention, &times);
    }
    Ok(backup)
}

/// The backup to compare with.
fn before<'a>(found: &'a Found, settings: &settings::Previous) -> Option<&'a Earlier> {
    let wanted = settings.compare != Some(Compare::Off);
    found.earlier.first().filter(|_| wanted)
}

/// Looks at the backup before, as far as it is asked for and lies here. A warning says when it
/// could not be read.
async fn look_back(
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
        looked_at: None,
    };
    let path = match (before.path, settings.compare) {
        (Some(path), None | Some(Compare::Rows)) => path,
        _ => return Some((previous, None)),
    };
    let spool = place.spool.join("previous");
    let looked = {
        let spool = spool.clone();
        blocking(move || {
            let found = source::path::find(&path, &source::Rules::default())?;
            // Its progress is nobody's concern: it is done when the other one is, or soon after.
            let inspection = Inspection {
                keys,
                ..Inspection::quiet(Spool::in_folder(spool))
            };
            inspect(&found, &inspection)
        })
        .await
    };
    // What was unpacked of it is not needed again; what cannot be removed now goes with the run.
    let _ = tokio::fs::remove_dir_all(&spool).await;
    let unreadable = |why: String| {
        Finding::about(name.clone(), "a backup to compare with", why)
            .hint("its size was compared all the same; drill it by itself to know more")
    };
    let warning = match looked {
        Err(error) => Some(unreadable(error.reason)),
        Ok(backup) => match backup.problems.first() {
            Some(problem) => Some(unreadable(problem.actual.clone())),
            None => {
                previous.looked_at = Some(Looked::of(&backup));
                None
            }
        },
    };
    Some((previous, warning))
}

/// Compares the digest with what is said of it.
fn digests(backup: &mut Backup, found: &Found) {
    if let Some((expected, who)) = &found.expected_sha256 {
        if *expected == backup.sha256 {
            backup.digest = Some(format!("the same as in {who}"));
        } else {
            backup.problems.insert(
                0,
                Finding::new(format!("SHA-256 {expected}, by {who}"), backup.sha256.clone())
                    .hint("the file was changed, or not copied whole: fetch it again from where it was made"),
            );
        }
    }
    if let Some(received) = &found.received_sha256
        && *received != backup.sha256
        && found.path.is_file()
    {
        backup.problems.push(
            Finding::new(
                format!("SHA-256 {received}, as it was received"),
                backup.sha256.clone(),
            )
            .hint("the copy on this machine's disk is not what came: look at the disk"),
        );
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InspectError> + Send + 'static,
) -> Result<T, InspectError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(InspectError {
            reason: format!("the inspection ended: {error}"),
            hint: None,
        }),
    }
}
