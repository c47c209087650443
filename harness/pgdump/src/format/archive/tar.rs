//! Tar archives: `toc.dat`, then the data of every entry as a member of its own.
//!
//! `restore.sql`, which pg_dump puts last for people, restores nothing: it is not read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use super::data::Coding;
use super::files::{self, LargeObjects, is_large_object};
use super::stop::{Stop, damaged};
use super::{Archive, ArchiveError, Reading, Source, Stored};
use crate::digest::show_count;
use crate::fault::{Fault, FaultKind};
use crate::format::tar::{Member, Members, Sort, TarError};
use crate::gather::Gather;
use crate::layout::{Compression, Kind};

/// Reads a tar archive to its last byte.
///
/// # Errors
/// That the reader fails, or that the archive is of a version that is not known. What is wrong with
/// the archive is in [`Archive::problems`].
pub fn read(reader: impl BufRead) -> Result<Archive, ArchiveError> {
    read_into(reader, Gather::default())
}

/// The same, with a gatherer that does more with rows than to count them.
///
/// # Errors
/// As [`read`].
pub fn read_into(reader: impl BufRead, gather: Gather) -> Result<Archive, ArchiveError> {
    let mut source = Source::new(reader);
    let mut reading = Reading::new(Kind::Tar, gather);
    let ended = all(&mut Members::new(&mut source), &mut reading);
    let ended = source.ended(ended);
    reading.finish(ended)
}

impl From<TarError> for Stop {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Io(error) => Self::Io(error),
            TarError::Damaged(fault) => Self::Damaged(fault),
        }
    }
}

fn all(members: &mut Members<impl BufRead>, reading: &mut Reading) -> Result<(), Stop> {
    match members.next_member()? {
        Some(first) if first.name == "toc.dat" && first.sort == Sort::File => {}
        _ => {
            return Err(Stop::damaged(
                "`toc.dat` as its first member",
                "another one: it is not an archive of pg_dump, or was packed again",
            ));
        }
    }
    let contents = reading.table_of_contents(&mut *members);
    if let Err(stop) = contents {
        // If the tar file itself is truncated, that is the better message.
        return match (stop, members.next_member()) {
            (Stop::Damaged(_), Err(TarError::Damaged(cut))) => Err(Stop::Damaged(cut)),
            (stop, _) => Err(stop),
        };
    }
    if reading
        .layout
        .is_some_and(|layout| layout.compression != Compression::None)
    {
        return Err(Stop::damaged(
            "a tar archive without compression inside",
            "its header states that its data is compressed, which pg_restore does not read",
        ));
    }
    let mut entries = BTreeMap::new();
    for entry in reading.missing.values() {
        if let Stored::File(name) = &entry.stored {
            entries.insert(name.clone(), entry.clone());
        }
    }
    let blobs = entries
        .values()
        .find(|entry| entry.kind == "BLOBS")
        .cloned();
    let mut objects = LargeObjects::default();
    let mut held = BTreeSet::new();
    let mut strange = Vec::new();
    while let Some(Member { name, sort, .. }) = members.next_member()? {
        if !held.insert(name.clone()) {
            return Err(Stop::damaged(
                "every member once",
                format!("a second member `{name}`"),
            ));
        }
        let found = match (entries.get(&name), &blobs) {
            _ if sort != Sort::File => {
                strange.push(name);
                continue;
            }
            (Some(entry), _) if entry.kind == "BLOBS" => {
                reading.comes(entry.id);
                reading.missing.remove(&entry.id);
                objects.read(&name, &mut *members)
            }
            (Some(entry), _) => {
                reading.comes(entry.id);
                reading.missing.remove(&entry.id);
                reading.data(entry, Coding::Plain, &mut *members)
            }
            (None, Some(blobs)) if is_large_object(&name) => {
                reading.large_object_comes();
                reading.large_object(blobs, Coding::Plain, &name, &mut *members)
            }
            (None, _) if name == "restore.sql" => None,
            (None, _) => {
                strange.push(name);
                None
            }
        };
        // If the member itself is truncated, that is the better message.
        members.skip()?;
        if let Some(finding) = found {
            reading.problem(finding);
        }
    }
    for (oid, name) in &objects.named {
        if !held.contains(name) {
            let fault = damaged("its data", format!("no member `{name}`"));
            reading.problem(fault.about(format!("large object {oid}")));
        }
    }
    let unnamed = held
        .iter()
        .filter(|name| is_large_object(name) && !objects.files.contains(*name));
    files::unnamed(reading, unnamed);
    files::strange(reading, &strange);
    if members.trailing > 0 {
        let actual = format!(
            "{} more bytes, which pg_restore ignores",
            show_count(members.trailing)
        );
        let expected = "nothing after the end of the tar file";
        reading.warning(Fault::new(FaultKind::BehindTar, expected, actual));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::write::{Sample, assert_default};
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn problems(bytes: &[u8]) -> Vec<String> {
        let archive = read(bytes).unwrap();
        let shown = |fault: Fault| {
            let object = fault.at.map(|at| at.to_string());
            format!("{}: {}", object.unwrap_or_default(), fault.found)
        };
        archive.problems.problems.into_iter().map(shown).collect()
    }

    #[rstest]
    #[case(14, false)]
    #[case(15, false)]
    #[case(16, false)]
    #[case(16, true)]
    fn f18_an_archive_is_read_and_a_cut_after_any_byte_is_found(
        #[case] minor: u8,
        #[case] inserts: bool,
    ) {
        let bytes = Sample {
            minor,
            inserts,
            ..Sample::default()
        }
        .tar();
        let archive = read(bytes.as_slice()).unwrap();
        assert_default(&archive);
        for end in 0..bytes.len() {
            assert_eq!(problems(&bytes[..end]).len(), 1, "cut after {end}");
        }
        let within = problems(&bytes[..bytes.len() - 1024 - 512 - 512 - 512 - 20]).join(", ");
        assert!(within.contains("it ends within"), "{within}");
    }

    #[test]
    fn members_that_do_not_fit_the_table_of_contents_are_told() {
        let bytes = Sample::default().tar();
        let renamed = |from: &str, to: &str| {
            let mut bytes = bytes.clone();
            let at = bytes
                .chunks(512)
                .position(|block| block.starts_with(from.as_bytes()))
                .unwrap()
                * 512;
            let mut header = ::tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
            header.set_path(to).unwrap();
            header.set_cksum();
            bytes[at..at + 512].copy_from_slice(header.as_bytes());
            let archive = read(bytes.as_slice()).unwrap();
            let found = archive
                .problems
                .problems
                .iter()
                .chain(&archive.problems.warnings);
            found
                .map(|f| {
                    let object = f.at.as_ref().map(ToString::to_string);
                    format!("{} {}\n", object.unwrap_or_default(), f.found)
                })
                .collect::<String>()
        };
        let told = [
            ("100.dat", "other.dat", "app.t0 the archive ends without it"),
            (
                "restore.sql",
                "other.sql",
                "`other.sql`, which the table of contents does not name",
            ),
            ("101.dat", "100.dat", "a second member `100.dat`"),
            ("blob_4711", "blob_1.dat", "no member `blob_4711.dat`"),
            ("blob_4711", "blob_1.dat", "`blob_1.dat` first"),
            ("toc.dat", "x", "not an archive of pg_dump"),
        ];
        for (from, to, says) in told {
            let found = renamed(from, to);
            assert!(found.contains(says), "{from} to {to}: {found}");
        }
    }

    proptest! {
        #[test]
        fn any_change_is_read_to_an_end(at: prop::sample::Index, with: Vec<u8>) {
            let mut bytes = Sample::default().tar();
            let at = at.index(bytes.len());
            let end = (at + with.len()).min(bytes.len());
            bytes.splice(at..end, with);
            let _ = read(bytes.as_slice());
        }
    }
}
