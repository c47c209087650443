//! Several dumps that are one backup.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader};
use std::path::Path;

use super::file::{finding_of, whole_file};
use super::{Bundles, CHUNK, Inspected, Inspection};
use crate::backup::bundle::{self, Member, UnpackError};
use crate::backup::files::{base_name, read_at_most};
use crate::backup::packing::{Layer, Unpacked};
use crate::backup::{Part, describe, digest_list};
use crate::digest::sha256;
use crate::outcome::{CouldNotRun, Finding};

/// The databases that the dumps of a bundle say they are of, by the name of the file.
fn databases_by_file(parts: &[Part]) -> BTreeMap<String, BTreeSet<String>> {
    let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.is_globals()) {
        let contents = &part.contents;
        let names = contents
            .origin
            .iter()
            .chain(&contents.connects)
            .chain(&contents.creates);
        let file = base_name(&part.name).to_owned();
        held.entry(file).or_default().extend(names.cloned());
    }
    held
}

impl Inspection {
    /// All dumps of a folder are one backup.
    pub(super) fn bundle(&self, folder: &Path) -> Result<Inspected, CouldNotRun> {
        let unreadable = |error: io::Error| super::unreadable(folder, &error);
        let members = bundle::members(folder).map_err(unreadable)?;
        let mut inspected = Inspected::default();
        let mut files = Vec::new();
        for Member { name, path } in &members.dumps {
            let mut one = if path.is_dir() {
                self.directory_archive(name, path)?
            } else {
                self.file(name, path, Bundles::Within)?
            };
            files.push((name.clone(), one.bytes, one.sha256.clone()));
            inspected.bytes += one.bytes;
            inspected.header_time = match (inspected.header_time, one.header_time) {
                (Some(a), Some(b)) => Some(a.older(b)),
                (a, b) => a.or(b),
            };
            for part in &mut one.parts {
                part.named_database = Some(bundle::database_in_name(name));
            }
            inspected.parts.append(&mut one.parts);
            let within = |finding: Finding| finding.within(name);
            inspected
                .problems
                .extend(one.problems.into_iter().map(within));
            inspected
                .warnings
                .extend(one.warnings.into_iter().map(within));
            inspected.unread.extend(one.unread.into_iter().map(within));
        }
        let actual: BTreeMap<String, String> = files
            .iter()
            .map(|(name, _, digest)| (base_name(name).to_owned(), digest.clone()))
            .collect();
        let held = databases_by_file(&inspected.parts);
        for Member { name, path } in &members.lists {
            let bytes = read_at_most(path, digest_list::LONGEST).map_err(unreadable)?;
            inspected.bytes += bytes.len() as u64;
            files.push((name.clone(), bytes.len() as u64, sha256(&bytes)));
            let listed = digest_list::parse(&String::from_utf8_lossy(&bytes));
            let problems = &mut inspected.problems;
            problems.extend(digest_list::compare(name, &listed.digests, &actual));
            problems.extend(digest_list::compare_databases(name, &listed, &held));
        }
        for other in &members.others {
            inspected.warnings.push(
                Finding::about(
                    other,
                    "dumps and a list of them",
                    "a file that is neither; it was ignored",
                )
                .hint("if it is a dump, give it an extension of dumps, such as .sql or .dump"),
            );
        }
        inspected.sha256 = bundle::digest(&files);
        inspected.parts.sort_by_key(|part| !part.is_globals());
        if members.dumps.is_empty() {
            let actual = match files.is_empty() && members.others.is_empty() {
                true => "an empty folder",
                false => "a folder without a dump",
            };
            inspected.problems.push(
                Finding::new("a PostgreSQL backup", actual)
                    .hint("dumps are recognised by their extension, such as .sql.gz or .dump, or by their first bytes"),
            );
        }
        Ok(inspected)
    }

    /// Adds the file of roles that belongs to a backup: it is restored first. Size, digest and time of the backup
    /// remain its own.
    pub(super) fn add_globals(
        &self,
        name: &str,
        path: &Path,
        inspected: &mut Inspected,
    ) -> Result<(), CouldNotRun> {
        let globals = self.file(name, path, Bundles::Within)?;
        let within = |finding: Finding| finding.within(name);
        let is_globals = globals.parts.iter().all(Part::is_globals);
        if globals.problems.is_empty() && globals.unread.is_empty() && !is_globals {
            inspected.problems.push(
                Finding::about(
                    name,
                    "roles, and no table with rows",
                    match globals.parts.iter().any(|part| part.contents.holds_data()) {
                        true => "a dump with data",
                        false => "no CREATE ROLE",
                    },
                )
                .hint("`globals` in `[backup]` names the output of `pg_dumpall --globals-only`"),
            );
        }
        inspected
            .problems
            .extend(globals.problems.into_iter().map(within));
        inspected
            .warnings
            .extend(globals.warnings.into_iter().map(within));
        inspected
            .unread
            .extend(globals.unread.into_iter().map(within));
        inspected.parts.splice(
            0..0,
            globals.parts.into_iter().map(|part| Part {
                name: name.to_owned(),
                ..part
            }),
        );
        inspected.format.push_str(", with globals");
        Ok(())
    }

    /// A tar file of dumps: they are unpacked, since pg_restore reads files.
    pub(super) fn packed_bundle(
        &self,
        name: &str,
        path: &Path,
        mut content: Unpacked,
        layers: &[Layer],
    ) -> Result<Inspected, CouldNotRun> {
        let unreadable = |error: &io::Error| super::unreadable(path, error);
        let spool = self
            .spool
            .within(&format!("{}.members", base_name(name)))
            .map_err(|error| unreadable(&error))?;
        let reader = BufReader::with_capacity(CHUNK, self.watched(&mut content));
        let unpacked = bundle::unpack(reader, &spool);
        let (mut inspected, mut broken) = (Inspected::default(), None);
        match unpacked {
            Ok((folder, warnings)) => {
                inspected = self.folder(name, &folder)?;
                inspected.warnings.extend(warnings);
            }
            Err(UnpackError::Broken(finding)) => broken = Some(*finding),
            Err(UnpackError::Io(error)) => {
                broken = Some(finding_of(path, &error)?);
            }
        }
        whole_file(content, layers, &mut inspected, &mut broken)?;
        inspected.problems.extend(broken);
        let inner = if inspected.format.is_empty() {
            "bundle".to_owned()
        } else {
            inspected.format.replace(", folder", "")
        };
        inspected.format = describe(&format!("{inner}, tar"), layers);
        Ok(inspected)
    }
}
