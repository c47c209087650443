//! Directory archives: `toc.dat`, and a file with the data of every entry.
//!
//! pg_restore treats an empty file as a table without rows, and an empty list of large objects as
//! none. Here every file must be there, end as pg_dump ends it, and belong to something.

use std::ffi::OsString;
use std::io::{self, BufReader};
use std::path::Path;

use super::data::{Coding, Decoder};
use super::files::{LargeObjects, is_large_object, is_own_file, strange, unnamed};
use super::folder::Files;
use super::stop::{Stop, damaged};
use super::{Archive, ArchiveError, Entry, Reading, Source, Stored};
use crate::fault::Fault;
use crate::gather::Gather;
use crate::layout::Kind;

/// A directory archive, with its digest.
#[derive(Debug, Clone)]
pub struct Directory {
    /// What is in it.
    pub archive: Archive,
    /// SHA-256 of the sorted lines `SHA-256  BYTES  NAME`, one for every file: what
    /// `for f in *; do echo "$(sha256sum <"$f" | cut -c-64)  $(stat -c %s "$f")  $f"; done | LC_ALL=C sort | sha256sum`
    /// says in the folder.
    pub sha256: String,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Reads the archive in a folder, every file to its last byte.
///
/// # Errors
/// That the disk fails, or that the archive is of a version that is not known. What is wrong with
/// the archive is in [`Archive::problems`].
pub fn read(folder: &Path) -> Result<Directory, ArchiveError> {
    read_into(folder, Gather::default())
}

/// The same, with a gatherer that does more with rows than to count them.
///
/// # Errors
/// As [`read`].
pub fn read_into(folder: &Path, gather: Gather) -> Result<Directory, ArchiveError> {
    let mut files = Files::list(folder)?;
    let mut reading = Reading::new(Kind::Directory, gather);
    let ended = all(&mut files, &mut reading);
    let archive = reading.finish(ended)?;
    let (sha256, bytes) = files.digest()?;
    Ok(Directory {
        archive,
        sha256,
        bytes,
    })
}

/// Reads everything in the table of contents, then the other files.
fn all(files: &mut Files<'_>, reading: &mut Reading) -> Result<(), Stop> {
    let Some((name, coding)) = files.find("toc.dat") else {
        let actual = "no `toc.dat`: the table of contents is not there";
        return Err(Stop::damaged("an archive of pg_dump", actual));
    };
    files.read(&name, |file| {
        let mut decoder = Decoder::new(coding, file);
        let mut reader = BufReader::new(&mut decoder);
        reading.table_of_contents(&mut reader)?;
        let more = io::copy(&mut reader, &mut io::sink()).map_err(|error| {
            Stop::damaged(
                "a table of contents that can be read to its end",
                format!("`toc.dat` is damaged: {error}"),
            )
        })?;
        reading.ignored(
            "toc.dat",
            "nothing after the table of contents",
            more + decoder.behind(),
        );
        Ok::<_, Stop>(())
    })??;
    for (_, entry) in std::mem::take(&mut reading.missing) {
        let Stored::File(name) = &entry.stored else {
            continue;
        };
        let Some((file, coding)) = found(files, reading, entry.name(), name) else {
            continue;
        };
        let finding = if entry.kind == "BLOBS" {
            large_objects(files, reading, &entry, &file)?
        } else {
            files.read(&file, |file| reading.data(&entry, coding, file))?
        };
        if let Some(finding) = finding {
            reading.problem(finding);
        }
    }
    let left: Vec<String> = files
        .all
        .iter()
        .filter(|(_, file)| file.digest.is_none())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    let (objects, others): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|name| is_large_object(name));
    unnamed(reading, objects.iter());
    strange(reading, &others);
    Ok(())
}

/// Reads the data of the large objects that a list names.
fn large_objects(
    files: &mut Files<'_>,
    reading: &mut Reading,
    entry: &Entry,
    list: &OsString,
) -> Result<Option<Fault>, Stop> {
    let mut objects = LargeObjects::default();
    let shown = list.to_string_lossy().into_owned();
    let finding = files.read(list, |file| objects.read(&shown, file))?;
    for (oid, name) in &objects.named {
        let object = format!("large object {oid}");
        if let Some((file, coding)) = found(files, reading, object, name) {
            let read = |file: &mut Source<_>| reading.large_object(entry, coding, oid, file);
            if let Some(finding) = files.read(&file, read)? {
                reading.problem(finding);
            }
        }
    }
    Ok(finding)
}

/// The file that holds the data of `object`; that there is none is a problem.
fn found(
    files: &Files<'_>,
    reading: &mut Reading,
    object: String,
    name: &str,
) -> Option<(OsString, Coding)> {
    let actual = if !is_own_file(name) {
        "its data in a file outside the folder, or in another's: pg_dump never writes that"
            .to_owned()
    } else {
        match files.find(name) {
            Some((file, _))
                if files
                    .all
                    .get(&file)
                    .is_some_and(|file| file.digest.is_some()) =>
            {
                format!("file `{name}`, which belongs to another entry")
            }
            Some(found) => return Some(found),
            None => format!("no file `{name}`, compressed or not"),
        }
    };
    reading.problem(damaged("its data", actual).about(object));
    None
}

#[cfg(test)]
mod tests {
    use super::super::write::{Folder, Sample, assert_default, compress};
    use super::*;
    use crate::digest::hex;
    use crate::layout::Compression;
    use rstest::rstest;
    use sha2::{Digest as _, Sha256};
    use std::fmt::Write as _;
    use std::fs;

    fn written(files: &Folder) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    /// Problems, and warnings behind `odd`.
    fn told(files: &Folder) -> String {
        let problems = read(written(files).path()).unwrap().archive.problems;
        let mut text = String::new();
        for (what, findings) in [("", problems.problems), ("odd ", problems.warnings)] {
            for finding in findings {
                let object = finding.at.map(|at| at.to_string()).unwrap_or_default();
                writeln!(text, "{what}{object}: {}", finding.found).unwrap();
            }
        }
        text
    }

    #[rstest]
    #[case(14, Compression::Gzip, false)]
    #[case(14, Compression::None, false)]
    #[case(15, Compression::Zstd, false)]
    #[case(16, Compression::Gzip, true)]
    #[case(16, Compression::Lz4, false)]
    #[case(16, Compression::Zstd, false)]
    #[case(16, Compression::None, false)]
    fn an_archive_is_read(
        #[case] minor: u8,
        #[case] compression: Compression,
        #[case] inserts: bool,
    ) {
        let files = Sample {
            minor,
            compression,
            inserts,
            ..Sample::default()
        }
        .directory();
        let folder = written(&files);
        let Directory {
            archive,
            sha256,
            bytes,
        } = read(folder.path()).unwrap();
        assert_default(&archive);
        assert_eq!(
            bytes,
            files.values().map(|bytes| bytes.len() as u64).sum::<u64>()
        );
        let mut lines: Vec<String> = files
            .iter()
            .map(|(name, bytes)| {
                format!("{}  {}  {name}\n", hex(&Sha256::digest(bytes)), bytes.len())
            })
            .collect();
        lines.sort();
        assert_eq!(sha256, hex(&Sha256::digest(lines.concat())));
    }

    #[rstest]
    #[case(Compression::None)]
    #[case(Compression::Gzip)]
    #[case(Compression::Lz4)]
    #[case(Compression::Zstd)]
    fn any_file_cut_after_any_byte_is_found(#[case] compression: Compression) {
        let tables = vec![vec!["1\tone".to_owned(), "2\ttwo".to_owned()], Vec::new()];
        // Without compression a truncated large object cannot be detected.
        let large_objects = match compression {
            Compression::None => Vec::new(),
            _ => vec![b"hello".to_vec(), b"world".to_vec()],
        };
        let good = Sample {
            compression,
            tables,
            large_objects,
            ..Sample::default()
        }
        .directory();
        assert_eq!(told(&good), "");
        for (name, bytes) in &good {
            for end in 0..bytes.len() {
                // An empty file is how pg_dump writes an empty large object.
                if end == 0 && name.starts_with("blob_") && compression != Compression::Gzip {
                    continue;
                }
                let mut files = good.clone();
                files.get_mut(name).unwrap().truncate(end);
                let told = told(&files);
                assert!(
                    told.lines().any(|line| !line.starts_with("odd")),
                    "{name} cut after {end}"
                );
            }
        }
    }

    type Change = fn(&mut Folder);

    const FAULTS: &[(&str, Change, &str)] = &[
        (
            "F19 file missing",
            |f| {
                f.remove("100.dat.gz");
            },
            "app.t0: no file `100.dat`",
        ),
        (
            "F19 large object missing",
            |f| {
                f.remove("blob_4711.dat.gz");
            },
            "large object 4711: no file",
        ),
        (
            "F20 zero bytes",
            |f| {
                f.insert("100.dat.gz".into(), vec![]);
            },
            "app.t0: its data ends in the middle",
        ),
        (
            "F20 zero bytes, plain",
            |f| {
                f.remove("100.dat.gz");
                f.insert("100.dat".into(), vec![]);
            },
            "app.t0: its rows end without this mark after 0 rows",
        ),
        (
            "F21 shortened",
            |f| {
                f.insert(
                    "100.dat.gz".into(),
                    compress(b"1\n2\n", Compression::Gzip, false),
                );
            },
            "app.t0: its rows end without this mark after 2 rows",
        ),
        (
            "F22 cut gzip",
            |f| {
                let b = f.get_mut("100.dat.gz").unwrap();
                b.truncate(b.len() - 1);
            },
            "app.t0: its data ends in the middle after 30 rows",
        ),
        (
            "F23 no toc.dat",
            |f| {
                f.remove("toc.dat");
            },
            "no `toc.dat`",
        ),
        (
            "F24 empty list",
            |f| {
                f.insert("blobs_900.toc".into(), vec![]);
            },
            "large objects in `blobs_900.toc`: an empty file",
        ),
        (
            "F24 empty list",
            |f| {
                f.insert("blobs_900.toc".into(), vec![]);
            },
            "2 files with such data are in none",
        ),
        (
            "F24 shorter list",
            |f| {
                f.insert("blobs_900.toc".into(), b"4711 blob_4711.dat\n".to_vec());
            },
            "1 files with such data are in none of them, `blob_4712.dat.gz` first",
        ),
        (
            "F24 no list",
            |f| {
                f.remove("blobs_900.toc");
            },
            "large objects: no file `blobs_900.toc`",
        ),
        (
            "F50 list leads outside",
            |f| {
                f.insert("blobs_900.toc".into(), b"4711 ../x\n".to_vec());
            },
            "line 1 is not such a line",
        ),
        (
            "stray",
            |f| {
                f.insert("77.dat.gz".into(), vec![]);
            },
            "odd : `77.dat.gz`, which",
        ),
        (
            "F14 bytes behind gzip",
            |f| {
                f.get_mut("100.dat.gz").unwrap().push(0);
            },
            "odd app.t0: 1 more bytes, which pg_restore ignores",
        ),
        (
            "both",
            |f| {
                f.insert("100.dat".into(), b"\\.\n\n\n".to_vec());
            },
            "odd : `100.dat.gz`, which",
        ),
        (
            "longer toc",
            |f| {
                f.get_mut("toc.dat").unwrap().push(0);
            },
            "odd toc.dat: 1 more bytes",
        ),
    ];

    #[test]
    fn a_broken_folder_is_told() {
        for (fault, change, says) in FAULTS {
            let mut files = Sample::default().directory();
            change(&mut files);
            let told = told(&files);
            assert!(told.contains(says), "{fault}: {told}");
        }
    }

    #[test]
    fn f50_a_file_outside_the_folder_is_refused() {
        let mut files = Sample::default().directory();
        let toc = files.get_mut("toc.dat").unwrap();
        let at = toc
            .windows(7)
            .position(|window| window == b"100.dat")
            .unwrap();
        toc[at..at + 7].copy_from_slice(b"../0dat");
        let told = told(&files);
        assert!(
            told.contains("app.t0: its data in a file outside the folder"),
            "{told}"
        );
    }

    #[test]
    fn links_are_not_followed() {
        let folder = written(&Sample::default().directory());
        let file = folder.path().join("100.dat.gz");
        fs::rename(&file, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &file).unwrap();
        let problems = read(folder.path()).unwrap().archive.problems;
        assert!(
            problems.problems[0].found.starts_with("no file `100.dat`"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_toc_that_was_compressed_by_hand_is_read() {
        let mut files = Sample::default().directory();
        let toc = files.remove("toc.dat").unwrap();
        files.insert(
            "toc.dat.gz".to_owned(),
            compress(&toc, Compression::Gzip, false),
        );
        assert_eq!(told(&files), "");
    }
}
