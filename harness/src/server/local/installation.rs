//! Servers that are installed on this machine, and the user that runs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;

use crate::outcome::CouldNotRun;
use crate::process::{self, Program};
use crate::sandbox::{Sandbox, Strength};
use crate::server::machine::Wanted;
use crate::server::{extension, settings};

/// Folders in which distributions install the programs of a server.
const FOLDERS: &[&str] = &[
    "/usr/lib/postgresql",
    "/usr/local/pgsql",
    "/opt/homebrew/opt",
];

/// A set of server programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Installation {
    /// Major version.
    major: u32,
    /// The folder of `initdb` and `postgres`.
    pub(super) bin: PathBuf,
    /// Output of `postgres --version`.
    pub(super) version: String,
}

/// Selects the programs that the scenario names, or the most suitable ones for the backup.
pub(super) async fn choose(
    local: &settings::Local,
    wanted: &Wanted,
    path: &str,
    run: &str,
) -> Result<Installation, CouldNotRun> {
    let want = wanted.major.map_or_else(
        || "any version".to_owned(),
        |major| format!("version {major} or newer"),
    );
    if let Some(bin) = &local.bin {
        return inspect(bin, run).await.ok_or_else(|| {
            CouldNotRun::new(format!("{} does not contain a Postgres server", bin.display())).hint(
                "`bin` is the folder of `initdb` and `postgres`, such as /usr/lib/postgresql/17/bin",
            )
        });
    }
    let found = installations(path, run).await;
    let least = wanted.major.unwrap_or(0);
    // A dump restores on its version or a newer one; the nearest is most similar to production.
    let fitting = if wanted.major.is_some() {
        found.iter().filter(|one| one.major >= least).min()
    } else {
        found.iter().max()
    };
    fitting.cloned().ok_or_else(|| {
        let have: Vec<String> = found.iter().map(|one| one.major.to_string()).collect();
        let have = if have.is_empty() {
            "no server is installed".to_owned()
        } else {
            format!("installed: {}", have.join(", "))
        };
        let major = wanted.major.unwrap_or(17);
        // Extensions in the package of the server need not be listed.
        let extensions: Vec<&str> = wanted
            .extensions
            .iter()
            .map(String::as_str)
            .filter(|name| *name != "plpgsql")
            .collect();
        let packages = format!(
            "postgresql-{major} {}",
            extension::packages(major, &extensions)
        );
        CouldNotRun::new(format!("no local Postgres of {want} ({have})")).hint(format!(
            "`apt-get install {}`, or name its folder in `[server.local]`",
            packages.trim()
        ))
    })
}

/// The programs of a server that redrill runs.
const PROGRAMS: &[&str] = &["postgres", "pg_dump", "pg_restore", "psql"];

impl Installation {
    /// Folders of the libraries that its programs load, in addition to those of the system: an installation
    /// that was moved here, such as one from a package index, brings its own.
    pub(super) async fn libraries(&self, run: &str) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for name in PROGRAMS {
            let program = Program {
                path: self.bin.join(name),
                // The dynamic loader lists what it would load, and does not start the program.
                environment: vec![("LD_TRACE_LOADED_OBJECTS".to_owned(), "1".to_owned())],
                run: run.to_owned(),
                ..Program::default()
            };
            if let Ok(listed) = process::run(program, Duration::from_secs(10)).await {
                folders.extend(listed.stdout.lines().filter_map(library_folder));
            }
        }
        folders.retain(|folder| !folder.starts_with("/usr"));
        folders.sort();
        folders.dedup();
        folders
    }
}

/// `libpq.so.5 => /opt/x/lib/libpq.so.5 (0x00007f…)` → `/opt/x/lib`.
fn library_folder(line: &str) -> Option<PathBuf> {
    let (path, _) = line.split_once(" => ")?.1.rsplit_once(" (0x")?;
    // As the loader found it, and where it is: either may be what is opened.
    let path = Path::new(path).canonicalize().ok()?;
    path.parent().map(Path::to_owned)
}

/// Finds all installed servers, each once.
async fn installations(path: &str, run: &str) -> Vec<Installation> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for root in FOLDERS {
        folders.push(Path::new(root).join("bin"));
        if let Ok(entries) = std::fs::read_dir(root) {
            folders.extend(entries.flatten().map(|entry| entry.path().join("bin")));
        }
    }
    for folder in std::env::split_paths(path) {
        let config = folder.join("pg_config");
        if config.exists()
            && let Some(bin) = output_of(config, "--bindir", run).await
        {
            folders.push(bin.into());
        }
        folders.push(folder);
    }
    folders.retain(|folder| folder.join("postgres").exists());
    let mut found = Vec::new();
    for bin in &folders {
        found.extend(inspect(bin, run).await);
    }
    found.sort();
    found.dedup();
    found
}

/// Detects whether a folder contains a server, and which version.
async fn inspect(bin: &Path, run: &str) -> Option<Installation> {
    let postgres = bin.join("postgres").canonicalize().ok()?;
    let bin = postgres.parent()?.to_owned();
    if !bin.join("initdb").exists() {
        return None;
    }
    let version = output_of(postgres, "--version", run).await?;
    let number = version.split_whitespace().nth(2)?;
    let major = number
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()?;
    Some(Installation {
        major,
        bin,
        version,
    })
}

/// Runs a program with one argument; returns its output without the line end.
async fn output_of(path: PathBuf, argument: &str, run: &str) -> Option<String> {
    let program = Program {
        path,
        arguments: vec![argument.to_owned()],
        environment: vec![("LC_ALL".to_owned(), "C".to_owned())],
        run: run.to_owned(),
        ..Program::default()
    };
    let output = process::run(program, Duration::from_secs(10)).await.ok()?;
    output
        .status
        .success()
        .then(|| output.stdout.trim().to_owned())
}

/// The user that the server runs as, where redrill is root: a server refuses to run as root. `postgres`
/// only if there is no other: that user owns the other servers of this machine and is their superuser, and
/// code in the backup could connect to them by a unix socket.
pub(super) fn unprivileged() -> Result<(Option<(u32, u32)>, String), CouldNotRun> {
    if !nix::unistd::geteuid().is_root() {
        let name = User::from_uid(nix::unistd::geteuid())
            .ok()
            .flatten()
            .map(|user| user.name);
        return Ok((None, name.unwrap_or_else(|| "this user".to_owned())));
    }
    for name in ["nobody", "postgres"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok((Some((user.uid.as_raw(), user.gid.as_raw())), user.name));
        }
    }
    Err(CouldNotRun::new(
        "redrill runs as root, and there is no user `nobody` or `postgres` to run the server as",
    )
    .hint("run redrill as an ordinary user"))
}

/// Lists the servers that are installed, and what keeps their code in.
pub(in crate::server) async fn found(path: &str) -> Vec<String> {
    let found = installations(path, "doctor").await;
    if found.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = found
        .iter()
        .map(|one| format!("{} in {}", one.version, one.bin.display()))
        .collect();
    lines.push(match Sandbox::strength() {
        Strength::Full => "Landlock restricts files, programs and TCP".to_owned(),
        Strength::NoTcp => "Landlock restricts files and programs, not TCP".to_owned(),
        Strength::Nothing => {
            "this kernel has no Landlock: code of the backup is not restricted".to_owned()
        }
    });
    lines
}
