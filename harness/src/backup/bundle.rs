//! A bundle: several dumps that are one backup, in a folder or in a tar file. One drill, one verdict.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use pgdump::format::tar::{self, Sort, TarError};
use sha2::{Digest as _, Sha256};

use super::digest_list::is_digest_list;
use super::fault;
use super::files::base_name;
use super::source::{MANIFEST, time_in_name};
use super::spool::Spool;
use crate::digest::hex;
use crate::outcome::Finding;

/// Maximum depth of folders.
const DEEPEST: u32 = 3;

/// Maximum number of members of a bundle.
pub const MOST_MEMBERS: usize = 100_000;

/// One dump of a bundle, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the bundle, folders included.
    pub name: String,
    /// Its path: a file, or the folder of a directory archive.
    pub path: PathBuf,
}

/// The contents of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Dumps, by name.
    pub dumps: Vec<Member>,
    /// Lists of files with digests.
    pub lists: Vec<Member>,
    /// Names of all others.
    pub others: Vec<String>,
}

/// Whether a folder is an archive of `pg_dump --format=directory`: it contains the table of contents,
/// or files of rows named by a number, whose table of contents is missing.
#[must_use]
pub fn is_directory_archive(folder: &Path) -> bool {
    folder.join("toc.dat").is_file()
        || std::fs::read_dir(folder).is_ok_and(|entries| {
            entries
                .take(MOST_MEMBERS)
                .flatten()
                .any(|entry| is_file_of_rows(&entry.file_name().to_string_lossy()))
        })
}

/// `3348.dat`, or what it was compressed to.
fn is_file_of_rows(name: &str) -> bool {
    name.split_once(".dat").is_some_and(|(number, rest)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && matches!(rest, "" | ".gz" | ".lz4" | ".zst")
    })
}

/// Finds the dumps of a folder by their names and first bytes.
///
/// # Errors
/// When the folder cannot be read.
pub fn members(folder: &Path) -> io::Result<Members> {
    let mut members = Members::default();
    gather(folder, "", DEEPEST, &mut members)?;
    Ok(members)
}

fn gather(folder: &Path, prefix: &str, deeper: u32, members: &mut Members) -> io::Result<()> {
    let mut entries: Vec<(String, PathBuf)> = std::fs::read_dir(folder)?
        .take(MOST_MEMBERS)
        .map(|entry| {
            entry.map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, entry.path())
            })
        })
        .collect::<io::Result<_>>()?;
    entries.sort();
    for (name, path) in entries {
        let member = Member {
            name: format!("{prefix}{name}"),
            path,
        };
        // A manifest of the databases is not a list of digests.
        if name.starts_with('.') || name.ends_with(MANIFEST) {
            continue;
        }
        if member.path.is_dir() {
            if is_directory_archive(&member.path) {
                members.dumps.push(member);
            } else if deeper > 0 {
                let within = format!("{prefix}{name}/");
                gather(&member.path, &within, deeper - 1, members)?;
            }
        } else if member.path.metadata().is_ok_and(|data| !data.is_file()) {
            // Opening a pipe may block forever.
            members.others.push(member.name);
        } else if is_digest_list(&name) {
            members.lists.push(member);
        } else if looks_like_a_dump(&name, &member.path)? {
            members.dumps.push(member);
        } else {
            members.others.push(member.name);
        }
    }
    Ok(())
}

/// A dump is recognised by its name, or by its first bytes where the name is not conclusive. An empty
/// file with the name of a dump is a failed dump, so the name comes first.
fn looks_like_a_dump(name: &str, path: &Path) -> io::Result<bool> {
    const NAMES: &[&str] = &[
        "sql", "dump", "pgdump", "backup", "bak", "custom", "tar", "tgz", "gz", "zst", "zstd",
        "lz4", "xz", "age", "gpg", "pgp", "asc", "enc",
    ];
    const BEGINNINGS: &[&[u8]] = &[
        b"PGDMP",
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0x04, 0x22, 0x4d, 0x18],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        b"age-encryption",
        b"--\n-- PostgreSQL database",
    ];
    let lower = name.to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension);
    if extension.is_some_and(|extension| NAMES.contains(&extension)) {
        return Ok(true);
    }
    let mut reader = io::BufReader::with_capacity(64, std::fs::File::open(path)?);
    let head = reader.fill_buf()?;
    Ok(BEGINNINGS.iter().any(|begins| head.starts_with(begins)))
}

/// Why a bundle could not be unpacked.
#[derive(Debug)]
pub enum UnpackError {
    /// It cannot be read or written.
    Io(io::Error),
    /// The bundle itself is at fault.
    Broken(Box<Finding>),
}

impl From<TarError> for UnpackError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Io(error) => Self::Io(error),
            TarError::Damaged(fault) => Self::Broken(Box::new(fault::finding(*fault))),
        }
    }
}

/// Writes the files of a tar file into the spool; returns the folder that contains them all.
///
/// # Errors
/// When it cannot be read or written, or is an incomplete tar file.
pub fn unpack(reader: impl BufRead, spool: &Spool) -> Result<(PathBuf, Vec<Finding>), UnpackError> {
    let mut members = tar::Members::new(reader);
    let (mut count, mut warnings) = (0, Vec::new());
    while let Some(member) = members.next_member()? {
        count += 1;
        if count > MOST_MEMBERS {
            let finding = Finding::new(
                format!("at most {MOST_MEMBERS} members"),
                "a tar file with more of them",
            );
            return Err(UnpackError::Broken(Box::new(finding)));
        }
        match member.sort {
            Sort::Folder => {}
            Sort::Other => warnings.push(
                Finding::about(
                    &member.name,
                    "files and folders",
                    "a link or a device; it was ignored",
                )
                .hint("a dump that is a link is not in the backup"),
            ),
            Sort::File => {
                let (_, mut copy) =
                    spool
                        .file(&member.name)
                        .map_err(|error| match error.kind() {
                            io::ErrorKind::InvalidInput | io::ErrorKind::AlreadyExists => {
                                let finding = Finding::about(
                                    &member.name,
                                    "one name of one file below the bundle",
                                    error.to_string(),
                                );
                                UnpackError::Broken(Box::new(finding.hint(
                                "this bundle is made to write outside of its folder: do not unpack it",
                            )))
                            }
                            _ => UnpackError::Io(error),
                        })?;
                match io::copy(&mut members, &mut copy) {
                    Ok(_) => {}
                    // The next step reports it with the name of the member.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                    Err(error) => return Err(UnpackError::Io(error)),
                }
            }
        }
    }
    Ok((
        only_folder(spool.folder()).map_err(UnpackError::Io)?,
        warnings,
    ))
}

/// Descends while a folder contains one folder and nothing else.
fn only_folder(folder: &Path) -> io::Result<PathBuf> {
    let mut folder = folder.to_owned();
    loop {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(folder),
            Err(error) => return Err(error),
        };
        match entries.as_slice() {
            [only] if only.path().is_dir() => folder = only.path(),
            _ => return Ok(folder),
        }
    }
}

/// The database that the name of a dump indicates: `users-2026-05-25.sql.gz` → `users`.
#[must_use]
pub fn database_in_name(name: &str) -> String {
    let base = base_name(name);
    let stem = base
        .char_indices()
        .filter(|(at, c)| {
            c.is_ascii_digit() && !base[..*at].ends_with(|c: char| c.is_ascii_digit())
        })
        .find(|(at, _)| {
            time_in_name(&base[*at..]).is_some_and(|_| begins_with_a_time(&base[*at..]))
        })
        .map_or(base, |(at, _)| &base[..at]);
    let stem = stem.split('.').next().unwrap_or(stem);
    let stem = stem.trim_end_matches(['-', '_', ' ']);
    if stem.is_empty() { "restored" } else { stem }.to_owned()
}

/// Whether a text begins with a time.
fn begins_with_a_time(text: &str) -> bool {
    text.get(..8)
        .is_some_and(|head| time_in_name(head).is_some())
        || text
            .get(..10)
            .is_some_and(|head| time_in_name(head).is_some())
}

/// The digest of several files: SHA-256 of the lines `sha256  bytes  name`, sorted by name. It is
/// the same for the same files, regardless of their folder and order.
#[must_use]
pub fn digest(files: &[(String, u64, String)]) -> String {
    let mut files: Vec<_> = files.iter().collect();
    files.sort();
    let mut sum = Sha256::new();
    for (name, bytes, sha256) in files {
        sum.update(format!("{sha256}  {bytes}  {name}\n"));
    }
    hex(&sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("users.dump", "users")]
    #[case("users-2026-05-25.sql.gz", "users")]
    #[case("nightly/collections_20260518_020000.sql.gz", "collections")]
    #[case("my_app.custom", "my_app")]
    #[case("tenant-42.sql", "tenant-42")]
    #[case("2026-05-25.sql", "restored")]
    fn a_name_stands_for_a_database(#[case] name: &str, #[case] database: &str) {
        assert_eq!(database_in_name(name), database);
    }

    #[test]
    fn dumps_lists_and_other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("db/perms")).unwrap();
        for (name, text) in [
            ("globals.sql", ""),
            ("users", "PGDMP\u{1}"),
            ("README", "how to restore"),
            ("SHA256SUMS", ""),
            ("manifest.json", "{}"),
            (".hidden.sql", ""),
            ("db/perms/toc.dat", "PGDMP"),
            ("db/perms/1.dat.gz", ""),
            ("db/notes.txt", "--\n-- PostgreSQL database dump\n"),
        ] {
            std::fs::write(at(name), text).unwrap();
        }
        nix::unistd::mkfifo(&at("pipe.sql"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let members = members(folder.path()).unwrap();
        let names = |list: &[Member]| list.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            names(&members.dumps),
            ["db/notes.txt", "db/perms", "globals.sql", "users"]
        );
        assert_eq!(names(&members.lists), ["SHA256SUMS", "manifest.json"]);
        assert_eq!(members.others, ["README", "pipe.sql"]);
    }

    #[test]
    fn a_digest_of_files_knows_names_and_bytes_and_no_order() {
        let file = |name: &str, sum: &str| (name.to_owned(), 1, sum.to_owned());
        let (a, b) = (file("a", "1"), file("b", "2"));
        assert_eq!(
            digest(&[a.clone(), b.clone()]),
            digest(&[b.clone(), a.clone()])
        );
        assert_ne!(
            digest(&[a.clone(), b]),
            digest(&[a.clone(), file("b", "3")])
        );
        assert_ne!(digest(std::slice::from_ref(&a)), digest(&[file("c", "1")]));
    }
}
