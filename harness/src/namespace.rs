//! Namespaces of a local child: a root with nothing but the folders that it needs, processes, network and
//! System V memory of its own.
//!
//! Landlock covers files and TCP, not unix sockets, and other servers of the machine may trust a connection
//! by a socket. A socket that has no path cannot be connected to. The child is the first process of its PID
//! namespace: when it ends, the kernel kills whatever it started.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, pivot_root};
use serde::{Deserialize, Serialize};

use crate::sandbox::Sandbox;

/// Where the new root is built; any folder would do, since it is the root afterwards.
const ROOT: &str = "/tmp";

/// The first argument of a program that shall enter namespaces and become another program.
const ENTER: &str = "--enter-redrill-namespaces";

/// How a child of this process comes into namespaces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entrance {
    /// A thread enters them and starts the child: root may do so.
    Thread,
    /// This program is started again and enters them with a user namespace, which a program with several
    /// threads cannot do.
    Program,
}

/// What a program that is started again shall become.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    sandbox: Sandbox,
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// Whether `main` of this program calls [`become_child`].
static CAN_BE_STARTED_AGAIN: OnceLock<()> = OnceLock::new();

impl Entrance {
    /// Finds out how this process can give a child namespaces of its own, by trying it.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn find() -> Result<Self, String> {
        if geteuid().is_root() {
            let tried = std::thread::spawn(|| enter(&[], &[])).join();
            return match tried {
                Ok(Ok(())) => Ok(Self::Thread),
                Ok(Err(error)) => Err(format!(
                    "this process is root without the right to create namespaces ({error})"
                )),
                Err(_) => Err("the thread that tried namespaces panicked".to_owned()),
            };
        }
        if CAN_BE_STARTED_AGAIN.get().is_none() {
            return Err(
                "a program that uses redrill as a library cannot enter user namespaces".to_owned(),
            );
        }
        let order = Order {
            sandbox: Sandbox {
                read: ["/usr", "/lib", "/lib64", "/bin"].map(PathBuf::from).into(),
                execute: vec!["/usr".into()],
                entrance: Some(Self::Program),
                ..Sandbox::default()
            },
            program: "/usr/bin/true".into(),
            arguments: Vec::new(),
        };
        let tried = order.command().and_then(|mut command| {
            let command = command.env_clear().stdin(Stdio::null());
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .output()
        });
        match tried {
            Ok(output) if output.status.success() => Ok(Self::Program),
            Ok(output) => Err(format!(
                "this kernel does not let an ordinary user create namespaces ({})",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => Err(format!("this program cannot be started again ({error})")),
        }
    }
}

impl Order {
    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new("/proc/self/exe");
        command.args([ENTER.to_owned(), serde_json::to_string(self)?]);
        Ok(command)
    }
}

/// The command that starts this program again, to enter the namespaces of `sandbox` and become `program`.
///
/// # Errors
/// When an argument cannot be passed on.
pub fn command(sandbox: Sandbox, program: PathBuf, arguments: Vec<String>) -> io::Result<Command> {
    let arguments = arguments.into_iter().map(OsString::from).collect();
    Order {
        sandbox,
        program,
        arguments,
    }
    .command()
}

/// Must be the first call of `main`: where this program was started again by itself, it enters its
/// namespaces, runs the other program to its end, and does not return.
pub fn become_child() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != ENTER) {
        // Set once; a second call of `main` changes nothing.
        let _ = CAN_BE_STARTED_AGAIN.set(());
        return;
    }
    let order = arguments.next().unwrap_or_default();
    let ended = serde_json::from_slice::<Order>(order.as_encoded_bytes())
        .map_err(io::Error::other)
        .and_then(run);
    let code = ended.unwrap_or_else(|error| {
        // Read by `find`, or by whoever reads the output of the child.
        let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{error}\n"));
        126
    });
    std::process::exit(code);
}

/// Enters the namespaces and runs the program as the first process in them; returns its exit code.
fn run(order: Order) -> io::Result<i32> {
    order.sandbox.enforce()?;
    let mut child = Command::new(order.program).args(order.arguments).spawn()?;
    let status = child.wait()?;
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

/// Moves the calling thread into namespaces of its own, with a root of only `read` and `write`; its next
/// child is the first process of a PID namespace. This cannot be undone.
///
/// # Errors
/// When the kernel refuses.
pub fn enter(read: &[PathBuf], write: &[PathBuf]) -> io::Result<()> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID;
    if geteuid().is_root() {
        unshare(flags)?;
    } else {
        let (user, group) = (geteuid(), getegid());
        unshare(flags | CloneFlags::CLONE_NEWUSER)?;
        // The kernel demands this before an ordinary user may map a group.
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    change_root(read, write)
}

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

fn change_root(read: &[PathBuf], write: &[PathBuf]) -> io::Result<()> {
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
