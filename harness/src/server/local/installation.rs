//! Servers that are installed on this machine, and the user that runs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
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

impl Installation {
    /// SHA-256 of the program `postgres`, in hex; `None` where it cannot be read.
    pub(super) fn digest(&self) -> Option<String> {
        let program = std::fs::File::open(self.bin.join("postgres")).ok()?;
        crate::digest::sha256_of(program).ok()
    }
}

/// Selects the programs that the scenario names, or those of exactly a major version, or the most suitable ones for the backup.
pub(super) async fn choose(
    local: &settings::Local,
    exactly: Option<u32>,
    wanted: &Wanted,
    path: &str,
    run: &str,
) -> Result<Installation, CouldNotRun> {
    let want = match (exactly, wanted.major) {
        (Some(major), _) => format!("version {major}"),
        (None, Some(major)) => format!("version {major} or newer"),
        (None, None) => "any version".to_owned(),
    };
    if let Some(bin) = &local.bin {
        let inspected = match bin.join("postgres").canonicalize() {
            Ok(postgres) => inspect(postgres, run).await,
            Err(_) => None,
        };
        return inspected.ok_or_else(|| {
            CouldNotRun::new(format!("{} does not contain a Postgres server", bin.display())).hint(
                "`bin` is the folder of `initdb` and `postgres`, such as /usr/lib/postgresql/17/bin",
            )
        });
    }
    let found = installations(path, run).await;
    let least = wanted.major.unwrap_or(0);
    // A dump restores on its version or a newer one; the nearest is most similar to production.
    let fitting = match (exactly, wanted.major) {
        (Some(major), _) => found.iter().find(|one| one.major == major),
        (None, Some(_)) => found.iter().filter(|one| one.major >= least).min(),
        (None, None) => found.iter().max(),
    };
    fitting.cloned().ok_or_else(|| {
        let have: Vec<String> = found.iter().map(|one| one.major.to_string()).collect();
        let have = if have.is_empty() {
            "no server is installed".to_owned()
        } else {
            format!("installed: {}", have.join(", "))
        };
        let major = exactly.or(wanted.major).unwrap_or(17);
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

/// Where distributions install what `initdb` reads, by the folder above that of the programs.
const SHARED: &[&str] = &["share/postgresql", "share", "share/pgsql"];

/// Folders of the locales that `initdb` lists in the catalogs.
const LOCALES: &str = "/usr/lib/locale";

impl Installation {
    /// The libraries that its programs load.
    pub(super) async fn libraries(&self, run: &str) -> Vec<PathBuf> {
        let listed = PROGRAMS.iter().map(|name| {
            let program = Program {
                path: self.bin.join(name),
                // The dynamic loader lists what it would load, and does not start the program.
                environment: vec![("LD_TRACE_LOADED_OBJECTS".to_owned(), "1".to_owned())],
                run: run.to_owned(),
                ..Program::default()
            };
            process::run(program, Duration::from_secs(10))
        });
        let listed = join_all(listed).await;
        let lines = listed
            .iter()
            .flatten()
            .flat_map(|listed| listed.stdout.lines());
        let mut libraries: Vec<PathBuf> = lines.filter_map(library).collect();
        libraries.sort();
        libraries.dedup();
        libraries
    }

    /// The files that `initdb` reads, but for `libraries`; `None` if its folder is unknown.
    pub(super) fn read_by_initdb(&self) -> Option<Vec<PathBuf>> {
        let prefix = self.bin.parent()?;
        let of_version = Path::new("/usr/share/postgresql").join(self.major.to_string());
        let mut shared = SHARED
            .iter()
            .map(|folder| prefix.join(folder))
            .chain([of_version]);
        let shared = shared.find(|folder| folder.join("postgres.bki").exists())?;
        let mut files = vec![self.bin.join("initdb"), self.bin.join("postgres")];
        // The only extension that it creates.
        files.push(shared.join("extension/plpgsql.control"));
        for folder in [shared, LOCALES.into()] {
            // A machine may have no locales.
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()));
        }
        files.sort();
        Some(files)
    }
}

/// Folders of libraries in addition to those of the system: an installation that was moved here, such as one from a
/// package index, brings its own.
pub(super) fn library_folders(libraries: &[PathBuf]) -> Vec<PathBuf> {
    let folders = libraries.iter().filter_map(|library| library.parent());
    let mut folders: Vec<PathBuf> = folders
        .filter(|folder| !folder.starts_with("/usr"))
        .map(Path::to_owned)
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// `libpq.so.5 => /opt/x/lib/libpq.so.5 (0x00007f…)` → `/opt/x/lib/libpq.so.5`.
fn library(line: &str) -> Option<PathBuf> {
    let (path, _) = line.split_once(" => ")?.1.rsplit_once(" (0x")?;
    // As the loader found it, and where it is: either may be what is opened.
    Path::new(path).canonicalize().ok()
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
    folders.extend(std::env::split_paths(path));
    // `/bin` and `/usr/bin` are often one folder.
    let configs = std::env::split_paths(path).map(|folder| folder.join("pg_config"));
    let configs: BTreeMap<PathBuf, PathBuf> = configs
        .filter_map(|config| Some((config.canonicalize().ok()?, config)))
        .collect();
    // By its own name: it may be one of several that a wrapper has.
    let configured = configs
        .into_values()
        .map(|config| output_of(config, "--bindir", run));
    folders.extend(
        join_all(configured)
            .await
            .into_iter()
            .flatten()
            .map(PathBuf::from),
    );
    let mut servers: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| folder.join("postgres").canonicalize().ok())
        .collect();
    servers.sort();
    servers.dedup();
    let found = servers.into_iter().map(|server| inspect(server, run));
    let mut found: Vec<Installation> = join_all(found).await.into_iter().flatten().collect();
    found.sort();
    found
}

/// Detects whether the folder of `postgres`, a path without symlinks, is that of a server, and which version.
async fn inspect(postgres: PathBuf, run: &str) -> Option<Installation> {
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
