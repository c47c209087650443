//! `[[backup.companion]]`: what belongs to a backup and is not in it, such as a folder of uploads or the key of secrets.
//!
//! It is found, fetched where it is in a bucket, aged, and its bytes are read to the end, whatever they are; nothing of
//! its content is shown.
//!
//! - `settings`: the keys of the scenario

mod settings;

use jiff::Timestamp;

pub use self::settings::{Companion, read};
use super::Backup;
use super::examine::compare_digest;
use super::files::blocking;
use super::source::{self, Found, Place, apart};
use crate::file_content::Content;
use crate::outcome::{CompanionFacts, CouldNotRun, Finding, Objective, TimeSource};
use crate::record::age;
use crate::units::show_duration;

/// Finds and reads the companions of a backup, and adds what they are and what is wrong with them.
///
/// # Errors
/// When one is there and cannot be read.
pub async fn add(
    companions: &[Companion],
    place: &Place<'_>,
    backup: &mut Backup,
) -> Result<(), CouldNotRun> {
    for (number, companion) in companions.iter().enumerate() {
        // Two of them may have one name in different buckets.
        let spool = place.spool.join("companions").join(number.to_string());
        let place = &Place {
            spool: &spool,
            ..*place
        };
        let within = |error: CouldNotRun| CouldNotRun {
            reason: format!("companion `{}`: {}", companion.name, error.reason),
            ..error
        };
        let source = companion.source();
        let (found, missing) = match source::find(&source, place).await {
            Ok(found) => (Some(found), None),
            Err(error) if source::is_absent(&source, place).await => (None, Some(error)),
            Err(error) => return Err(within(error)),
        };
        let Some(found) = found else {
            let reason = missing.map_or_else(String::new, |error| error.reason);
            backup.problems.push(
                companion
                    .finding(
                        "it is there, because the backup alone is not enough",
                        reason,
                    )
                    .hint("find out whether its backup job runs, and where it writes to"),
            );
            continue;
        };
        let digested = companion.read != Some(false);
        let path = found.path.clone();
        let content = blocking(move || Content::of(&path, digested))
            .await
            .map_err(within)?;
        backup.problems.extend(found.problems.iter().cloned());
        backup.warnings.extend(found.warnings.iter().cloned());
        let (facts, findings) = companion.judge(&found, content, backup.made)?;
        backup.problems.extend(findings);
        if let Some(limit) = companion.max_age {
            let made = facts.made.map(|(made, _)| made);
            let actual = made.and_then(|made| age(made, Timestamp::now()));
            let of = format!("of {}", companion.name);
            backup
                .tiers
                .push(Objective::time("max-age", limit.0, actual).measured_on(of));
        }
        backup.companions.push(facts);
    }
    Ok(())
}

impl Companion {
    fn finding(&self, expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        Finding::about(format!("companion {}", self.name), expected, actual)
    }

    /// What it is, and what is wrong with it.
    ///
    /// # Errors
    /// When the scenario expects what cannot be compared.
    fn judge(
        &self,
        found: &Found,
        content: Content,
        backup: Option<(Timestamp, TimeSource)>,
    ) -> Result<(CompanionFacts, Vec<Finding>), CouldNotRun> {
        let mut findings = Vec::new();
        let mut digest = None;
        if content.is_folder && self.sha256.is_some() {
            return Err(CouldNotRun::with_hint(
                format!(
                    "companion `{}` is a folder, and `sha256` is that of a file",
                    self.name
                ),
                "leave out `sha256`; the report has a digest of the folder",
            ));
        }
        if content.bytes == 0 {
            let what = if content.is_folder {
                "a folder with files"
            } else {
                "a file with a content"
            };
            findings.push(
                self.finding(what, "it is empty")
                    .hint("find out what its backup job wrote"),
            );
        }
        if let Some(sha256) = content.sha256.as_deref().filter(|_| !content.is_folder) {
            let (agrees, faults) = compare_digest(sha256, found);
            digest = agrees;
            let object = format!("companion {}", self.name);
            findings.extend(faults.into_iter().map(|fault| fault.within(&object)));
        }
        // A fetched file is as old as the object; that of a folder says nothing of the files in it.
        let changed = match found.received_sha256 {
            Some(_) => found.modified,
            None => content.changed,
        };
        let made = found
            .named_time
            .map(|time| (time, TimeSource::Name))
            .or_else(|| Some((changed?, TimeSource::ModificationTime)));
        if let Some(within) = self.same_time_within {
            let (Some((own, _)), Some((of_backup, _))) = (made, backup) else {
                let reason = format!(
                    "nothing says when the backup or its companion `{}` was taken, so they cannot be compared",
                    self.name
                );
                return Err(CouldNotRun::with_hint(
                    reason,
                    "put the time into its name, or leave out `same-time-within`",
                ));
            };
            let apart = apart(own, of_backup);
            if apart > within.0 {
                findings.push(
                    self.finding(
                        format!("taken within {} of the backup", show_duration(within.0)),
                        format!("{} apart", show_duration(apart)),
                    )
                    .hint("rows and files of two nights do not fit together: drill those of one night"),
                );
            }
        }
        let facts = CompanionFacts {
            name: self.name.clone(),
            path: found.path.clone(),
            origin: found.origin.clone(),
            chosen: found.chosen.clone(),
            files: content.files,
            bytes: content.bytes,
            sha256: content.sha256,
            digest,
            made,
        };
        Ok((facts, findings))
    }
}
