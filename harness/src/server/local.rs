//! The local provider: `initdb` and `postgres` of this machine, in a private folder, without TCP.

use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::Signal;
use nix::unistd::User;

use super::{
    Availability, Client, ClientEnd, ClientInput, ClientProcess, Machine, Wanted, arguments,
    extension, settings,
};
use crate::cleanup::{DATA, Run, SERVER};
use crate::database::{Address, Endpoint};
use crate::namespace::Namespace;
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::process::{self, Input, Program, Running};
use crate::redact::Secret;
use crate::sandbox::{Sandbox, Strength};

/// Folders in which distributions install the programs of a server.
const FOLDERS: &[&str] = &[
    "/usr/lib/postgresql",
    "/usr/local/pgsql",
    "/opt/homebrew/opt",
];

/// Limit for `initdb`.
const INITDB_WITHIN: Duration = Duration::from_secs(60);

/// A set of server programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Installation {
    /// Major version.
    major: u32,
    /// The folder of `initdb` and `postgres`.
    bin: PathBuf,
    /// Output of `postgres --version`.
    version: String,
}

struct Local {
    run: String,
    installation: Installation,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    user_name: String,
    arguments: Vec<String>,
    strength: Strength,
    separate: bool,
    chosen: String,
    endpoint: Option<Endpoint>,
    server: Option<Mutex<Running>>,
}

/// Returns an empty machine: suitable programs, and a private folder for them.
pub(super) async fn provide(
    server: &settings::Server,
    local: &settings::Local,
    wanted: &Wanted,
    run: &Run,
    path: &str,
    chosen: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    let installation = choose(local, wanted, path, &run.id).await?;
    let (user, user_name) = unprivileged()?;
    let folder = run.folder.join(SERVER);
    if let Some((_, group)) = user {
        run.let_pass(group).map_err(|error| {
            CouldNotRun::new(format!("cannot use {}: {error}", run.folder.display()))
        })?;
    }
    for (name, mode) in [("", 0o711), (DATA, 0o700), ("socket", 0o711)] {
        let path = folder.join(name);
        std::fs::DirBuilder::new()
            .mode(mode)
            .recursive(true)
            .create(&path)
            .and_then(|()| match user {
                Some((user, group)) => chown(&path, Some(user), Some(group)),
                None => Ok(()),
            })
            .map_err(|error| {
                CouldNotRun::new(format!("cannot create {}: {error}", path.display()))
            })?;
    }
    let socket = folder.join("socket/.s.PGSQL.5432");
    // The limit of sun_path on Linux, with its final NUL.
    if socket.as_os_str().len() > 107 {
        return Err(CouldNotRun::new(format!(
            "the path of the socket is too long for the system: {}",
            socket.display()
        ))
        .hint("set `--work-dir` to a shorter folder, such as /tmp"));
    }
    Ok(Box::new(Local {
        run: run.id.clone(),
        installation,
        folder,
        user,
        user_name,
        arguments: arguments(server),
        strength: Sandbox::strength(),
        separate: Namespace::is_possible(),
        chosen: chosen.to_owned(),
        endpoint: None,
        server: None,
    }))
}

/// Selects the programs that the scenario names, or the most suitable ones for the backup.
async fn choose(
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
            && let Some(bin) = ask(config, "--bindir", run).await
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
    let version = ask(postgres, "--version", run).await?;
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
async fn ask(path: PathBuf, question: &str, run: &str) -> Option<String> {
    let program = Program {
        path,
        arguments: vec![question.to_owned()],
        environment: vec![("LC_ALL".to_owned(), "C".to_owned())],
        run: run.to_owned(),
        ..Program::default()
    };
    let answer = process::run(program, Duration::from_secs(10)).await.ok()?;
    answer
        .status
        .success()
        .then(|| answer.stdout.trim().to_owned())
}

/// A server refuses to run as root, so root takes an unprivileged user. Not `postgres`, where it can
/// be helped: to this machine's other servers that user is their owner and superuser, and code in
/// the backup could go there by a unix socket.
fn unprivileged() -> Result<(Option<(u32, u32)>, String), CouldNotRun> {
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

impl Local {
    fn environment(&self) -> Vec<(String, String)> {
        [
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("PATH", "/usr/bin:/bin"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The namespace of a program of the server: no sockets but its own. The server executes code of the
    /// backup, so it is offline.
    fn namespace(&self, offline: bool) -> Option<Namespace> {
        let bin = &self.installation.bin;
        let prefix = bin.parent().unwrap_or(bin);
        self.separate.then(|| Namespace {
            keep: vec![self.folder.clone(), prefix.to_owned()],
            offline,
        })
    }

    /// Copies the folder of an archive to where the unprivileged program may read it; returns the path.
    ///
    /// A folder cannot be passed as an open file, and that user may not have access to it.
    fn folder_within_reach(&self, archive: &Path) -> Result<String, CouldNotRun> {
        let copied = (|| {
            let folder = self.folder.join("archive");
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
            let give = |path: &Path| match self.user {
                Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
                None => Ok(()),
            };
            give(&folder)?;
            for entry in std::fs::read_dir(archive)? {
                let entry = entry?;
                if entry.metadata()?.is_file() {
                    let copy = folder.join(entry.file_name());
                    std::fs::copy(entry.path(), &copy)?;
                    give(&copy)?;
                }
            }
            Ok(folder.display().to_string())
        })();
        copied.map_err(|error: std::io::Error| {
            CouldNotRun::new(format!("cannot copy {}: {error}", archive.display()))
                .hint("the local provider needs space for a copy of a directory archive: set another `--work-dir`")
        })
    }

    /// What a program of the server may access: itself, libraries and data of the system, this run.
    fn sandbox(&self, program: &Path) -> Option<Sandbox> {
        if self.strength == Strength::Nothing {
            return None;
        }
        let prefix = self
            .installation
            .bin
            .parent()
            .unwrap_or(&self.installation.bin);
        let read = [
            "/usr",
            "/lib",
            "/lib32",
            "/lib64",
            "/etc",
            "/proc",
            "/sys/devices/system",
            "/dev",
        ];
        let mut execute = vec![program.to_owned()];
        // The dynamic loader is executed on behalf of the program.
        for folder in [
            "/lib",
            "/lib64",
            "/usr/lib",
            "/usr/lib64",
            "/lib/x86_64-linux-gnu",
            "/lib/aarch64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
        ] {
            if let Ok(entries) = std::fs::read_dir(folder) {
                execute.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
                    path.file_name()
                        .and_then(|name| name.to_str())
                        .is_some_and(|name| {
                            (name.starts_with("ld-") || name.starts_with("ld64"))
                                && name.contains(".so")
                        })
                        && path.is_file()
                }));
            }
        }
        Some(Sandbox {
            read: read
                .iter()
                .map(PathBuf::from)
                .chain([prefix.to_owned()])
                .filter(|path| path.exists())
                .collect(),
            write: vec![self.folder.clone(), "/dev/null".into()],
            execute,
        })
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

#[async_trait]
impl Machine for Local {
    async fn start(&mut self, superuser: &str) -> Result<Endpoint, CouldNotRun> {
        let data = self.folder.join(DATA);
        let password = Secret::random().map_err(|error| CouldNotRun::new(error.to_string()))?;
        let arguments = [
            "--pgdata",
            &data.display().to_string(),
            "--username",
            superuser,
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            // The socket is in a folder of this run; nothing listens on TCP.
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-sync",
        ]
        .map(str::to_owned);
        let made = process::run(
            Program {
                path: self.installation.bin.join("initdb"),
                arguments: arguments.into(),
                environment: self.environment(),
                folder: Some(self.folder.clone()),
                user: self.user,
                namespace: self.namespace(false),
                run: self.run.clone(),
                ..Program::default()
            },
            INITDB_WITHIN,
        )
        .await
        .map_err(|error| CouldNotRun::new(error.to_string()))?;
        if !made.status.success() {
            let last = made
                .stderr
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty());
            return Err(CouldNotRun::new(format!(
                "initdb failed: {}",
                last.unwrap_or("no message")
            )));
        }
        let socket = self.folder.join("socket");
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        arguments.extend(self.arguments.iter().cloned());
        for (name, value) in [
            ("listen_addresses", String::new()),
            ("port", "5432".to_owned()),
            ("unix_socket_directories", socket.display().to_string()),
            // In the data folder: files in /dev/shm outlive a server that is killed, and access to
            // /dev/shm would be a hole in the sandbox.
            ("dynamic_shared_memory_type", "mmap".to_owned()),
        ] {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let postgres = self.installation.bin.join("postgres");
        let mut server = process::spawn(Program {
            namespace: self.namespace(true),
            sandbox: self.sandbox(&postgres),
            path: postgres,
            arguments,
            environment: self.environment(),
            folder: Some(data),
            user: self.user,
            run: self.run.clone(),
            ..Program::default()
        })
        .map_err(|error| CouldNotRun::new(error.to_string()))?;
        // A server whose log is not read stops when the pipe is full.
        let (stdout, stderr) = (server.stdout(), server.stderr());
        let log = self.log_path();
        tokio::spawn(async move {
            let drain = process::keep_end(stdout);
            if let (Some(mut stderr), Ok(mut file)) = (stderr, tokio::fs::File::create(log).await) {
                // The log is for people; a full disk is reported elsewhere.
                let _ = tokio::io::copy(&mut stderr, &mut file).await;
            }
            drain.await
        });
        self.server = Some(Mutex::new(server));
        let endpoint = Endpoint {
            address: Address::Socket(socket),
            superuser: superuser.to_owned(),
            password,
        };
        self.endpoint = Some(endpoint.clone());
        Ok(endpoint)
    }

    async fn ended(&self) -> Option<String> {
        let status = {
            let mut server = match self.server.as_ref()?.lock() {
                Ok(server) => server,
                Err(poisoned) => poisoned.into_inner(),
            };
            server.try_wait().ok()??
        };
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let last = log
            .lines()
            .rev()
            .find(|line| line.contains("FATAL") || line.contains("PANIC"));
        Some(format!("{status}; {}", last.unwrap_or("its log is empty")))
    }

    async fn lock(&mut self) -> Result<(), CouldNotRun> {
        // The sandbox was closed before the server started.
        Ok(())
    }

    async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun> {
        let endpoint = self
            .endpoint
            .as_ref()
            .ok_or_else(|| CouldNotRun::new("the server was not started"))?;
        let path = self.installation.bin.join(client.program);
        let mut arguments = client.arguments;
        let input = match client.input {
            ClientInput::Nothing => Input::Nothing,
            ClientInput::Pipe => Input::Pipe,
            ClientInput::Archive(path) if path.is_dir() => {
                arguments.push(self.folder_within_reach(&path)?);
                Input::Nothing
            }
            // Opened by redrill, since the unprivileged program may not be allowed to.
            ClientInput::Archive(path) => {
                Input::File(std::fs::File::open(&path).map_err(|error| {
                    CouldNotRun::new(format!("cannot open {}: {error}", path.display()))
                })?)
            }
        };
        let mut environment = self.environment();
        environment.extend(endpoint.environment(&endpoint.superuser, "postgres"));
        environment.retain(|(name, _)| name != "DATABASE_URL");
        let mut running = process::spawn(Program {
            namespace: self.namespace(false),
            sandbox: self.sandbox(&path),
            path,
            arguments,
            environment,
            folder: Some(self.folder.clone()),
            user: self.user,
            input,
            run: self.run.clone(),
        })
        .map_err(|error| CouldNotRun::new(error.to_string()))?;
        let (Some(stdout), Some(stderr)) = (running.stdout(), running.stderr()) else {
            return Err(CouldNotRun::new("a client program without output"));
        };
        Ok(ClientProcess {
            stdin: running.stdin().map(|stdin| Box::new(stdin) as _),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            end: Box::new(LocalEnd(running)),
        })
    }

    async fn stop(&mut self) -> Result<(), CouldNotRun> {
        if let Some(server) = self.server.take() {
            let mut server = match server.into_inner() {
                Ok(server) => server,
                Err(poisoned) => poisoned.into_inner(),
            };
            // Immediate shutdown: the data is not needed again.
            server.signal(Signal::SIGQUIT);
            let _ = tokio::time::timeout(Duration::from_secs(5), server.wait()).await;
            server.kill();
        }
        process::kill_working_in(&self.folder);
        std::fs::remove_dir_all(&self.folder).map_err(|error| {
            CouldNotRun::new(format!("cannot remove {}: {error}", self.folder.display()))
        })
    }

    fn describe(&self) -> ServerFacts {
        let mut isolation = vec![
            "unix socket in a private folder, nothing listens on TCP".to_owned(),
            format!("processes of the user `{}`", self.user_name),
        ];
        let mut weaknesses = vec![
            "a local server shares the kernel, memory and processes of this machine: it isolates less than a container"
                .to_owned(),
        ];
        let files = "Landlock: executes only the programs of the server, reads no home directory, writes only to its folder";
        match self.strength {
            Strength::Full => {
                isolation.push(files.to_owned());
                isolation.push("Landlock: no TCP connection, in or out".to_owned());
            }
            Strength::NoTcp => {
                isolation.push(files.to_owned());
                if !self.separate {
                    weaknesses.push("Landlock of this kernel does not cover TCP: code of the backup could use the network".to_owned());
                }
            }
            Strength::Nothing => weaknesses.push(
                "this kernel has no Landlock: code of the backup runs with all rights of that user"
                    .to_owned(),
            ),
        }
        if self.separate {
            isolation.push(
                "own namespaces: no network, no sockets of other servers on this machine"
                    .to_owned(),
            );
        } else {
            weaknesses.push(
                "code of the backup could connect to other servers on this machine by their unix sockets, as that user; redrill prevents this only if it is root and may mount"
                    .to_owned(),
            );
        }
        weaknesses.push("no limit on memory or processes".to_owned());
        ServerFacts {
            provider: "local",
            origin: self.installation.bin.display().to_string(),
            version: self.installation.version.clone(),
            extensions: Vec::new(),
            isolation,
            weaknesses,
            chosen: self.chosen.clone(),
            started_in: Duration::ZERO,
        }
    }
}

struct LocalEnd(Running);

#[async_trait]
impl ClientEnd for LocalEnd {
    async fn wait(&mut self) -> Result<Option<i64>, CouldNotRun> {
        let status = self
            .0
            .wait()
            .await
            .map_err(|error| CouldNotRun::new(error.to_string()))?;
        Ok(status.code().map(i64::from))
    }
}

/// Reports which servers are installed.
pub(super) async fn availability(path: &str) -> Availability {
    let found = installations(path, "doctor").await;
    let mut lines: Vec<String> = found
        .iter()
        .map(|one| format!("{} in {}", one.version, one.bin.display()))
        .collect();
    let user = unprivileged();
    if let Ok((_, name)) = &user {
        lines.push(format!("the server would run as `{name}`"));
    }
    lines.push(match Sandbox::strength() {
        Strength::Full => "Landlock restricts files, programs and TCP".to_owned(),
        Strength::NoTcp => "Landlock restricts files and programs, not TCP".to_owned(),
        Strength::Nothing => {
            "this kernel has no Landlock: code of the backup is not restricted".to_owned()
        }
    });
    Availability {
        provider: "local",
        usable: !found.is_empty() && user.is_ok(),
        hint: found.is_empty().then(|| "`apt-get install postgresql-17 postgresql-17-pgvector postgresql-17-age`, or the version of your backups".to_owned()),
        found: lines,
    }
}
