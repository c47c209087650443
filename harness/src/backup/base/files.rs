//! Every file of a base backup: of a data folder, of tar files, or of a chain.
//!
//! The backup is untrusted: names are followed one by one from open folders, symlinks never, and whatever is neither a folder nor a
//! file is a fault.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use basebackup::manifest::{Expected, MANIFEST, Manifest, is_inside};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use pgdump::format::tar::{Members, Sort, TarError};

use super::chain::BackupChain;
use crate::backup::packing::{Keys, LayerError, Unpacked};
use crate::outcome::{CouldNotRun, Finding};

/// Bytes per read.
const CHUNK: usize = 1 << 17;
/// Endings of tar files.
const TARS: [&str; 5] = [".tar", ".tar.gz", ".tar.lz4", ".tar.zst", ".tar.xz"];

/// Where the files of a base backup are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// A data folder.
    Folder(PathBuf),
    /// Tar files.
    Tars {
        /// `base.tar`.
        main: PathBuf,
        /// `pg_wal.tar`.
        wal: Option<PathBuf>,
        /// OID and tar file of each tablespace.
        tablespaces: Vec<(u32, PathBuf)>,
        /// `backup_manifest`.
        manifest: Option<PathBuf>,
    },
    /// Data folders of a full backup and of incremental ones, which are read as one.
    Chain(BackupChain),
}

/// What was read of a backup, in addition to its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadToEnd {
    /// Layers around its tar files.
    pub layers: Vec<String>,
    /// Pages of relations that no backup of a chain has: the server never wrote them.
    pub absent: u64,
}

/// Whether a folder is a base backup by the files that only base backups have.
#[must_use]
pub fn is_base_backup(folder: &Path) -> bool {
    ["PG_VERSION", MANIFEST]
        .iter()
        .any(|name| folder.join(name).symlink_metadata().is_ok())
}

impl Layout {
    /// Recognises the form of a backup; `None` for a folder that is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        if path.join("PG_VERSION").symlink_metadata().is_ok() {
            return Ok(Some(Self::Folder(path.to_owned())));
        }
        let (mut main, mut wal, mut manifest, mut tablespaces) = (None, None, None, Vec::new());
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_file() {
                continue;
            }
            let stem = TARS.iter().find_map(|ending| name.strip_suffix(ending));
            match stem {
                Some("base") => main = Some(entry.path()),
                Some("pg_wal") => wal = Some(entry.path()),
                Some(oid) => {
                    if let Some(oid) = oid.parse().ok().filter(|oid| *oid > 0) {
                        tablespaces.push((oid, entry.path()));
                    }
                }
                None if name == MANIFEST => manifest = Some(entry.path()),
                None => {}
            }
        }
        tablespaces.sort();
        Ok(main.map(|main| Self::Tars {
            main,
            wal,
            tablespaces,
            manifest,
        }))
    }

    /// The data folder, of a chain that of its newest backup; `None` for tar files.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Chain(chain) => chain.folders.first().map(PathBuf::as_path),
            Self::Tars { .. } => None,
        }
    }

    /// The file of the manifest, if there is one; see [`Self::listed`].
    #[must_use]
    pub fn manifest(&self) -> Option<PathBuf> {
        if let Self::Tars { manifest, .. } = self {
            return manifest.clone();
        }
        let path = self.folder()?.join(MANIFEST);
        path.symlink_metadata()
            .is_ok_and(|one| one.is_file())
            .then_some(path)
    }

    /// What that manifest says of the files that [`Self::read`] gives.
    #[must_use]
    pub fn listed(&self, manifest: Manifest) -> Manifest {
        match self {
            Self::Chain(chain) => chain.listed(manifest),
            Self::Folder(_) | Self::Tars { .. } => manifest,
        }
    }

    /// Whether a file is not stored as [`Self::read`] gives it.
    #[must_use]
    pub fn is_rebuilt(&self, path: &str) -> bool {
        matches!(self, Self::Chain(chain) if chain.rebuilt.contains_key(path))
    }

    /// Sets what rebuilt files are, so that another read is compared with this one.
    pub fn seal(&mut self, rebuilt: Vec<(String, Expected)>) {
        if let Self::Chain(chain) = self {
            chain.rebuilt = rebuilt.into_iter().collect();
        }
    }

    /// Reads every file; `each` gets its path in the data folder, its bytes and its content, of which it may leave the rest.
    ///
    /// # Errors
    /// The machine or the keys are at fault. Faults of the backup are added to `faults`.
    pub fn read(
        &self,
        keys: &Keys,
        faults: &mut Vec<Finding>,
        each: &mut dyn FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    ) -> Result<ReadToEnd, CouldNotRun> {
        let mut done = ReadToEnd::default();
        match self {
            Self::Chain(chain) => done.absent = chain.read(faults, each)?,
            Self::Folder(path) => {
                let unreadable = |error: io::Error| cannot_read(path, &error);
                let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let folder = open(path, flags, Mode::empty());
                let folder = folder.map_err(|error| unreadable(error.into()))?;
                read_folder(&folder.into(), "", faults, each).map_err(unreadable)?;
            }
            Self::Tars {
                main,
                wal,
                tablespaces,
                ..
            } => {
                let all = [(main, String::new())].into_iter();
                let all = all.chain(wal.iter().map(|path| (path, "pg_wal/".to_owned())));
                let of = tablespaces.iter();
                let all = all.chain(of.map(|(oid, path)| (path, format!("pg_tblspc/{oid}/"))));
                for (path, within) in all {
                    for layer in read_tar(path, &within, keys, faults, each)? {
                        if !done.layers.contains(&layer) {
                            done.layers.push(layer);
                        }
                    }
                }
            }
        }
        Ok(done)
    }
}

pub(super) fn cannot_read(path: &Path, error: &io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot read {}: {error}", path.display()),
        "run redrill as a user who may read the backup",
    )
}

fn read_folder(
    folder: &File,
    within: &str,
    faults: &mut Vec<Finding>,
    each: &mut dyn FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    // The descriptor, not the path, which may be another folder by now.
    let entries = std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = PathBuf::from(entry.file_name());
        let path = format!("{within}{}", name.to_string_lossy());
        let kind = entry.file_type()?;
        let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        if kind.is_dir() {
            let inner = openat(folder, &name, flags | OFlag::O_DIRECTORY, Mode::empty())?;
            read_folder(&inner.into(), &format!("{path}/"), faults, each)?;
        } else if kind.is_file() {
            let mut file = File::from(openat(folder, &name, flags, Mode::empty())?);
            let bytes = file.metadata()?.len();
            each(&path, bytes, &mut file)?;
        } else {
            faults.push(not_a_file(&path, kind.is_symlink()));
        }
    }
    Ok(())
}

fn not_a_file(path: &str, is_link: bool) -> Finding {
    let hint = match path {
        _ if path.starts_with("pg_tblspc/") => {
            "a tablespace elsewhere is not in the backup: take it with `-F t`, which writes a tar file of each tablespace"
        }
        "pg_wal" => "the WAL is not in the backup: take it without `--waldir`, or with `-F t`",
        _ => "pg_basebackup writes nothing of the kind: find out who wrote the backup",
    };
    let found = match is_link {
        true => "a link, which leads out of the backup",
        false => "a device, a pipe, a socket or a link",
    };
    Finding::about(path, "a file or a folder", found).hint(hint)
}

fn read_tar(
    path: &Path,
    within: &str,
    keys: &Keys,
    faults: &mut Vec<Finding>,
    each: &mut dyn FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<Vec<String>, CouldNotRun> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let damaged = |found: &str| Finding::about(&name, "a complete tar file", found);
    let mut content = match Unpacked::open(path, keys).map_err(LayerError::from) {
        Ok(content) => content,
        Err(LayerError::CouldNotRun(error)) => return Err(error),
        Err(LayerError::Damaged(finding)) => {
            faults.push(finding.within(&name));
            return Ok(Vec::new());
        }
    };
    let layers = content.layers().iter().map(ToString::to_string).collect();
    let mut broken = None;
    {
        let mut members = Members::new(BufReader::with_capacity(CHUNK, &mut content));
        loop {
            match members.next_member() {
                Ok(None) if members.trailing > 0 => {
                    broken = Some(damaged("bytes after its end"));
                    break;
                }
                Ok(None) => break,
                Ok(Some(member)) => {
                    let inner = member.name.trim_start_matches("./").trim_end_matches('/');
                    let path = format!("{within}{inner}");
                    if !inner.is_empty() && !is_inside(&path) {
                        let shown = member.name.escape_default().to_string();
                        faults.push(
                            Finding::about(&name, "names below the data folder", shown).hint(
                                "this archive is made to write outside of its folder: do not unpack it",
                            ),
                        );
                        continue;
                    }
                    match member.sort {
                        Sort::Folder => {}
                        Sort::Other => faults.push(not_a_file(&path, false)),
                        Sort::File => match each(&path, member.bytes, &mut members) {
                            // The next step reports it with the name of the member.
                            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                            Err(error) => {
                                broken = Some(layer_fault(&name, &error)?);
                                break;
                            }
                            Ok(()) => {}
                        },
                    }
                }
                Err(TarError::Damaged(fault)) => {
                    broken = Some(damaged(&fault.found));
                    break;
                }
                Err(TarError::Io(error)) => {
                    broken = Some(layer_fault(&name, &error)?);
                    break;
                }
            }
        }
    }
    match broken {
        Some(finding) => faults.push(finding),
        // The checksum of a layer is after its content.
        None => faults.extend(content.end()?.problem.map(|one| one.within(&name))),
    }
    Ok(layers)
}

/// The fault of a layer that an error of its reader carries.
fn layer_fault(name: &str, error: &io::Error) -> Result<Finding, CouldNotRun> {
    match LayerError::of(error) {
        LayerError::Damaged(finding) => Ok(finding.within(name)),
        LayerError::CouldNotRun(error) => Err(error),
    }
}
