//! A root with nothing but the folders that a child needs.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::pivot_root;

/// Where the new root is built; any folder would do, since it is the root afterwards.
const ROOT: &str = "/tmp";

/// A part of the new root.
enum Source {
    /// A symlink, and where it points.
    Link(PathBuf),
    /// A folder, file or device, without following a symlink.
    Open(File),
}

impl Source {
    fn of(path: &Path) -> io::Result<Self> {
        if path.is_symlink() {
            return std::fs::read_link(path).map(Self::Link);
        }
        let flags = (OFlag::O_PATH | OFlag::O_NOFOLLOW).bits();
        let open = File::options().read(true).custom_flags(flags).open(path)?;
        Ok(Self::Open(open))
    }
}

/// Replaces the root of the calling thread, which has a mount namespace of its own, by one with only `read` and `write`.
pub(super) fn change_root(read: &[PathBuf], write: &[PathBuf]) -> io::Result<()> {
    let nothing = None::<&str>;
    // Mounts are not visible outside.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing)?;
    // What is inside another folder of the list comes with it.
    let outermost = |path: &&PathBuf| {
        !read
            .iter()
            .any(|other| *path != other && path.starts_with(other))
    };
    // Opened before the new root hides them, and after the namespace was entered: the kernel mounts a folder
    // only into the namespace that it was opened in.
    let parts = read
        .iter()
        .filter(outermost)
        .map(|path| (path, true))
        .chain(write.iter().map(|path| (path, false)))
        .filter(|(path, _)| path.exists())
        .map(|(path, read_only)| Ok((path, Source::of(path)?, read_only)))
        .collect::<io::Result<Vec<_>>>()?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        ROOT,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=1m"),
    )?;
    for (path, source, read_only) in parts {
        let target = Path::new(ROOT).join(path.strip_prefix("/").unwrap_or(path));
        if let Some(above) = target.parent() {
            create(above)?;
        }
        let open = match source {
            Source::Link(to) => {
                symlink(to, target)?;
                continue;
            }
            Source::Open(open) => open,
        };
        let is_folder = open.metadata()?.is_dir();
        if is_folder {
            create(&target)?;
        } else {
            File::create_new(&target)?;
        }
        // The open folder is accessible by its descriptor, though its path may be hidden.
        let from = format!("/proc/thread-self/fd/{}", open.as_raw_fd());
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(from.as_str()), &target, nothing, bind, nothing)?;
        if read_only && is_folder {
            let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | flags;
            mount(nothing, &target, nothing, again, nothing)?;
        }
    }
    std::env::set_current_dir(ROOT)?;
    // The old root is on top of the new one until it is removed.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")?;
    let seal = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | flags;
    mount(nothing, "/", nothing, seal, nothing)?;
    Ok(())
}

/// Creates a folder and those above it, accessible to all users whatever the umask is.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        create(above)?;
    }
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o755))
}
