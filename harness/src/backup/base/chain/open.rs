//! A chain from its newest backup: its parents are found, and all of them verified.

use std::collections::BTreeSet;
use std::path::PathBuf;

use basebackup::label::Label;

use super::BackupChain;
use super::find::{BackupOfChain, Places};
use super::verify::{ChainVerification, VerifiedBackup};
use crate::backup::base::files::Layout;
use crate::backup::bundle;
use crate::backup::inspect::Inspection;
use crate::backup::source::Found;
use crate::outcome::{ChainedBackupFacts, CouldNotRun, Finding};

/// A chain whose backups are whole and belong together.
pub(in crate::backup::base) struct OpenedChain {
    /// It.
    pub chain: BackupChain,
    /// Its backups, the full one first.
    pub backups: Vec<ChainedBackupFacts>,
    /// Bytes of all backups as stored, and a digest of their digests.
    pub stored: (u64, String),
    /// What it is: `base backup, chain of 3, data folders`.
    pub format: String,
}

/// Finds the parents of an incremental backup and verifies all of them. `listed` are the folders of `parents`.
///
/// # Errors
/// The machine is at fault. Faults of the backups are returned.
pub(in crate::backup::base) fn open_chain(
    found: &Found,
    (layout, label): (&Layout, &Label),
    listed: &[PathBuf],
    inspection: &Inspection,
    warnings: &mut Vec<Finding>,
) -> Result<Result<OpenedChain, Vec<Finding>>, CouldNotRun> {
    let name = found.path.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let places = Places {
        // A command writes it into a folder of the run.
        beside: found.fetched_in.is_none().then_some(&*found.path),
        listed,
    };
    let parents = places.parents(&name, layout, label, &inspection.keys, warnings)?;
    let parents = match parents {
        Ok(parents) => parents,
        Err(fault) => return Ok(Err(vec![fault])),
    };
    let mut members = vec![BackupOfChain {
        name,
        layout: layout.clone(),
        label: label.clone(),
    }];
    members.extend(parents);
    let mut verification = ChainVerification::new(inspection, warnings);
    let mut all: Vec<VerifiedBackup> = Vec::new();
    for (number, member) in members.iter().enumerate() {
        let verified = verification.member(number, member, number + 1 == members.len())?;
        if let (Some(newest), Some(own)) = (all.first(), &verified.identity) {
            let of_newest = newest.identity.as_ref();
            verification.compare(of_newest.map(|own| (own, &*members[0].name)), own, member);
        }
        all.push(verified);
    }
    if !verification.problems.is_empty() {
        return Ok(Err(verification.problems));
    }
    let rebuilt = verification.rebuilt;
    let mut backups = Vec::new();
    let mut sums = Vec::new();
    for (number, (member, one)) in members.iter().zip(&all).rev().enumerate() {
        backups.push(ChainedBackupFacts {
            name: member.name.clone(),
            start: member.label.start.to_string(),
            timeline: member.label.timeline,
            time: member.label.time.clone(),
            bytes: one.stored.0,
        });
        sums.push((format!("{number:04}"), one.stored.0, one.stored.1.clone()));
    }
    Ok(Ok(OpenedChain {
        format: format(&members, &all),
        stored: (
            all.iter().map(|one| one.stored.0).sum(),
            bundle::digest(&sums),
        ),
        backups,
        chain: BackupChain {
            folders: all.into_iter().map(|one| one.folder).collect(),
            rebuilt,
        },
    }))
}

fn format(members: &[BackupOfChain], all: &[VerifiedBackup]) -> String {
    let is_tar = |one: &BackupOfChain| matches!(one.layout, Layout::Tars { .. });
    let form = match members.iter().filter(|one| is_tar(one)).count() {
        0 => "data folders",
        tars if tars == members.len() => "tar",
        _ => "data folders and tar",
    };
    let mut text = format!("base backup, chain of {}, {form}", members.len());
    let layers: BTreeSet<&String> = all.iter().flat_map(|one| &one.layers).collect();
    for layer in layers {
        text.push_str(&format!(", {layer}"));
    }
    text
}
