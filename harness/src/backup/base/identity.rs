//! What identifies a base backup: its manifest, its digest, and what must agree in its files.

use std::io;
use std::path::PathBuf;

use basebackup::Lsn;
use basebackup::control::{CONTROL, Control};
use basebackup::label::{LABEL, Label};
use basebackup::manifest::{self, Manifest};

use super::archive::{finding_of, read_plain};
use super::files::Layout;
use crate::backup::bundle;
use crate::digest::sha256_of;
use crate::outcome::{CouldNotRun, Finding};

/// What newer versions of pgBackRest write in place of the address of the newest checkpoint (its pull request 2232), so that no server starts
/// without `backup_label`. No record of WAL has this address.
const INVALIDATED: Lsn = Lsn(0xDEAD);

/// The file with the major version.
pub(super) const VERSION: &str = "PG_VERSION";

/// Reads the manifest of the files that the backup gives; without one, its absence is a warning.
pub(super) fn read_manifest(
    layout: &Layout,
    is_fetched: bool,
    problems: &mut Vec<Finding>,
    warnings: &mut Vec<Finding>,
) -> Result<Option<Manifest>, CouldNotRun> {
    let Some(path) = layout.manifest() else {
        let hint = match is_fetched {
            false => {
                "pg_basebackup writes it from version 13 on, unless `--no-manifest` is given; copy it with the backup"
            }
            true => {
                "some tools, such as pgBackRest, have a manifest of their own and verify each file when they restore it: an error there ends the drill, and what a tool does not verify is not known here"
            }
        };
        warnings.push(
            Finding::about(
                manifest::MANIFEST,
                "the sizes and checksums of all files",
                "it is missing, so a file that was changed, lost or added is not noticed",
            )
            .hint(hint),
        );
        return Ok(None);
    };
    match Manifest::parse(&read_plain(&path, manifest::LONGEST)?) {
        Ok(manifest) => Ok(Some(layout.listed(manifest))),
        Err(fault) => {
            problems.push(
                finding_of(&fault).hint(
                    "fetch the manifest again: without it nothing says which files are whole",
                ),
            );
            Ok(None)
        }
    }
}

/// Files of several backups or clusters.
pub(super) fn contradictions(
    control: &Control,
    label: &Label,
    manifest: Option<&Manifest>,
    major: Option<u32>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let cluster = manifest.and_then(|manifest| manifest.system_identifier);
    if let Some(cluster) = cluster.filter(|cluster| *cluster != control.system_identifier) {
        found.push(Finding::about(
            CONTROL,
            format!("the cluster {cluster}, by the manifest"),
            format!("the cluster {}", control.system_identifier),
        ));
    }
    if let (Some(of_control), Some(of_file)) = (control.major, major)
        && of_control != of_file
    {
        found.push(Finding::about(
            VERSION,
            format!("{of_control}, by pg_control"),
            of_file.to_string(),
        ));
    }
    if control.checkpoint != INVALIDATED && control.checkpoint < label.checkpoint {
        found.push(
            Finding::about(
                LABEL,
                format!(
                    "a checkpoint up to {}, the newest in pg_control",
                    control.checkpoint
                ),
                format!("{}: it is of a later backup", label.checkpoint),
            )
            .hint("the files of the backup are of several backups: fetch it again"),
        );
    }
    let of_manifest = manifest.and_then(|manifest| manifest.wal.first());
    if let Some(range) = of_manifest.filter(|range| range.start != label.start) {
        found.push(
            Finding::about(
                LABEL,
                format!("WAL from {} on, by the manifest", range.start),
                format!("from {} on: it is of another backup", label.start),
            )
            .hint("the files of the backup are of several backups: fetch it again"),
        );
    }
    found
}

/// Bytes of a backup as stored, and its digest: of the sorted lines `SHA-256  BYTES  NAME` of its files; of a data folder that
/// of its manifest, which has the checksums of all files, or of `sums` without one.
pub(super) fn stored(
    layout: &Layout,
    sums: Vec<(String, u64, String)>,
) -> io::Result<(u64, String)> {
    let sum = |path: &PathBuf| -> io::Result<(String, u64, String)> {
        let file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, bytes, sha256_of(file)?))
    };
    let files = match layout {
        Layout::Folder(_) | Layout::Chain(_) => layout.manifest().into_iter().collect(),
        Layout::Tars {
            main,
            wal,
            tablespaces,
            manifest,
        } => {
            let others = wal
                .iter()
                .chain(manifest)
                .chain(tablespaces.iter().map(|(_, path)| path));
            [main]
                .into_iter()
                .chain(others)
                .cloned()
                .collect::<Vec<_>>()
        }
    };
    let of_files = files.iter().map(sum).collect::<io::Result<Vec<_>>>()?;
    let sums = [sums, of_files].concat();
    let bytes = sums.iter().map(|(_, bytes, _)| bytes).sum();
    Ok((bytes, bundle::digest(&sums)))
}
