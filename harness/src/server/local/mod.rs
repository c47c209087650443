//! The local provider: `initdb` and `postgres` of this machine, in a private folder, without TCP.
//!
//! - `installation`: the programs; `confine`: what they may access
//! - `copy`: data folders that are copied from another server
//! - `lay_out`: data folders of base backups
//! - `data`: the data folder; `template`: copies that are kept of it; `tree`: how one is copied

mod confine;
mod copy;
mod data;
mod installation;
mod lay_out;
mod template;
mod tree;
mod wal;

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::Signal;
use tokio::io::AsyncRead;
use tokio::task::spawn_blocking;

pub(super) use self::installation::found;
use self::installation::{Installation, choose, library_folders, unprivileged};
use self::template::Templates;
use super::machine::{
    Client, ClientEnd, ClientInput, ClientProcess, DataSource, Machine, Wanted, arguments, ending,
    memory_of_this_machine,
};
use super::settings;
use super::snapshot::Data;
use super::socket::{HeldSocket, SocketFolder};
use super::tls::{self, Certificate, KEY};
use crate::cleanup::{Run, SEGMENTS, SERVER};
use crate::database::Address;
use crate::namespace::Entrance;
use crate::network::Network;
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::process::{self, Input, Place, Program, Running};
use crate::redact::Secret;
use crate::sandbox::{Sandbox, Strength};
use crate::shared_memory;
use crate::sqlstate;

/// The data folder, in the folder of the server.
const DATA: &str = "data";
/// The folder for a copy of an archive.
const ARCHIVE: &str = "archive";
/// The program by which a server ends by itself.
const TIMEOUT: [&str; 2] = ["/usr/bin/timeout", "/bin/timeout"];

struct Local {
    run: String,
    installation: Installation,
    /// Its libraries.
    libraries: Vec<PathBuf>,
    /// Folders of those that are none of the system.
    library_folders: Vec<PathBuf>,
    /// Where new data folders are copied from, or why `initdb` makes each.
    templates: Result<Templates, String>,
    /// Of redrill: the server may not create or rename anything in it.
    folder: PathBuf,
    /// Of the server.
    data: PathBuf,
    socket: SocketFolder,
    held: Option<HeldSocket>,
    user: Option<(u32, u32)>,
    user_name: String,
    arguments: Vec<String>,
    /// The folder of its certificate, where it requires TLS.
    tls: Option<PathBuf>,
    strength: Strength,
    /// How its programs get namespaces of their own, or why they do not.
    entrance: Result<Entrance, String>,
    chosen: String,
    superuser: String,
    /// Whether its data folder was copied from another server.
    is_copy: bool,
    /// When it ends by itself.
    ends_after: Option<Duration>,
    server: Option<Mutex<Running>>,
}

/// Returns an empty machine: suitable programs, and a private folder for them.
pub(super) async fn provide(
    server: &settings::Server,
    local: &settings::Local,
    wanted: &Wanted,
    tls: Option<&Certificate>,
    run: &Run,
    path: &str,
    chosen: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    let programs = async {
        let installation = choose(local, server.major, wanted, path, &run.id).await?;
        let libraries = installation.libraries(&run.id).await;
        Ok::<_, CouldNotRun>((installation, libraries))
    };
    // A network namespace takes its time.
    let (programs, entrance) = tokio::join!(programs, spawn_blocking(Entrance::find));
    let (installation, libraries) = programs?;
    let entrance = entrance.unwrap_or_else(|error| Err(error.to_string()));
    if let Err(why) = &entrance
        && !local.trusted_backup
    {
        return Err(CouldNotRun::with_hint(
            format!(
                "code of the backup could reach other servers of this machine by their sockets: {why}"
            ),
            "drill it in a container, or, if you trust everybody who can write to the backup, set `trusted-backup = true` in `[server.local]`",
        ));
    }
    let (user, user_name) = unprivileged()?;
    if let (Some(certificate), Some((_, group))) = (tls, user) {
        let read = certificate.let_read(Some(group));
        read.map_err(|error| CouldNotRun::new(format!("cannot share the certificate: {error}")))?;
    }
    let folder = run.folder.join(SERVER);
    let data = folder.join(DATA);
    let prepare = || -> io::Result<()> {
        if let Some((_, group)) = user {
            run.let_pass(group)?;
        }
        // Empty folders of redrill; what is in them later belongs to the server only where it must.
        for (path, mode) in [(&folder, 0o711), (&data, 0o700)] {
            std::fs::DirBuilder::new().mode(0o700).create(path)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    prepare().map_err(|error| {
        CouldNotRun::new(format!("cannot create {}: {error}", folder.display()))
    })?;
    let socket = SocketFolder::create(run, folder.join("socket"), 0o711, user)?;
    let strength = Sandbox::strength();
    Ok(Box::new(Local {
        run: run.id.clone(),
        library_folders: library_folders(&libraries),
        libraries,
        templates: if user.is_none() && entrance.is_err() && strength == Strength::Nothing {
            Err("code of the backup could change them".to_owned())
        } else {
            templates(run.cache())
        },
        installation,
        folder,
        data,
        socket,
        held: None,
        user,
        user_name,
        tls: tls.map(|certificate| certificate.folder().to_owned()),
        arguments: arguments(server, memory_of_this_machine() / (1 + wanted.neighbours)),
        strength,
        entrance,
        chosen: chosen.to_owned(),
        superuser: String::new(),
        is_copy: false,
        ends_after: wanted.ends_after,
        server: None,
    }))
}

/// Removes all templates, or those that are not used any more; returns what it removed, and what it could not.
pub(super) fn remove_templates(cache: Option<&Path>, all: bool) -> (Vec<String>, Vec<String>) {
    match cache.filter(|cache| cache.exists()) {
        Some(_) => templates(cache)
            .map(|templates| templates.remove(all))
            .unwrap_or_default(),
        None => Default::default(),
    }
}

/// The folder of the templates, or why there is none.
pub(super) fn template_folder(cache: Option<&Path>) -> Result<PathBuf, String> {
    templates(cache).map(|templates| templates.folder().to_owned())
}

/// The templates in the cache of redrill.
fn templates(cache: Option<&Path>) -> Result<Templates, String> {
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    Templates::open(cache).map_err(|error| error.to_string())
}

impl Local {
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = vec![
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
            ("TZ".to_owned(), "UTC".to_owned()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ];
        if !self.library_folders.is_empty() {
            // Without /proc the dynamic loader does not know where a program is, and what is beside it.
            let folders: Vec<_> = self
                .library_folders
                .iter()
                .map(|f| f.to_string_lossy())
                .collect();
            environment.push(("LD_LIBRARY_PATH".to_owned(), folders.join(":")));
        }
        environment
    }

    /// Copies the folder of an archive to where the unprivileged program may read it; returns the copy.
    ///
    /// A folder cannot be passed as an open file, and that user may not have access to it.
    fn folder_within_reach(&self, archive: &Path) -> Result<PathBuf, CouldNotRun> {
        let copy = self.folder.join(ARCHIVE);
        let readable = |path: &Path, mode| {
            if let Some((_, group)) = self.user {
                chown(path, None, Some(group))?;
            }
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        };
        let copied = (|| {
            if copy.exists() {
                std::fs::remove_dir_all(&copy)?;
            }
            std::fs::DirBuilder::new().mode(0o700).create(&copy)?;
            readable(&copy, 0o750)?;
            for entry in std::fs::read_dir(archive)? {
                let entry = entry?;
                if entry.metadata()?.is_file() {
                    let file = copy.join(entry.file_name());
                    std::fs::copy(entry.path(), &file)?;
                    readable(&file, 0o640)?;
                }
            }
            Ok(())
        })();
        copied.map_err(|error: io::Error| {
            CouldNotRun::new(format!("cannot copy {}: {error}", archive.display()))
                .hint("the local provider needs space for a copy of a directory archive: set another `--work-dir`")
        })?;
        Ok(copy)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

#[async_trait]
impl Machine for Local {
    async fn start(&mut self, superuser: &str, _: &Secret) -> Result<(), CouldNotRun> {
        superuser.clone_into(&mut self.superuser);
        if !self.is_copy {
            self.make_data().await?;
        }
        let socket = &self.socket.path;
        let mut arguments = vec!["-D".to_owned(), self.data.display().to_string()];
        arguments.extend(self.arguments.iter().cloned());
        let mut settings = vec![
            ("listen_addresses", String::new()),
            ("port", "5432".to_owned()),
            ("unix_socket_directories", socket.display().to_string()),
            // In the data folder: files in /dev/shm outlive a server that is killed, and access to
            // /dev/shm would be a hole in the sandbox.
            ("dynamic_shared_memory_type", "mmap".to_owned()),
        ];
        let mut read = Vec::new();
        if let Some(folder) = &self.tls {
            settings.extend(tls::settings(folder, &folder.join(KEY)));
            read.push(folder.as_path());
        }
        for (name, value) in settings {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let postgres = self.installation.bin.join("postgres");
        let mut sandbox = self.sandbox(&postgres, &read, &[&self.data, socket]);
        sandbox.listens = self.tls.is_some().then_some(tls::PORT);
        let timeout = TIMEOUT.iter().map(Path::new).find(|path| path.exists());
        let path = match (self.ends_after, timeout) {
            (Some(after), Some(timeout)) => {
                arguments.splice(0..0, ending(after, &postgres.display().to_string()));
                sandbox.execute.push(timeout.to_owned());
                timeout.to_owned()
            }
            _ => postgres,
        };
        let mut server = process::spawn(Program {
            place: Place::Sandbox(sandbox),
            path,
            arguments,
            environment: self.environment(),
            folder: Some(self.data.clone()),
            user: self.user,
            run: self.run.clone(),
            ..Program::default()
        })?;
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
        Ok(())
    }

    async fn copy_data(&mut self, data: &Data) -> Result<u64, CouldNotRun> {
        match data {
            Data::Folder { path, .. } => self.copy_folder(path).await,
            Data::Volume { name, .. } => Err(CouldNotRun::new(format!(
                "the data is in the volume {name} of a container engine"
            ))),
        }
    }

    async fn lay_out(&mut self, data: &Arc<dyn DataSource>) -> Result<(), CouldNotRun> {
        self.write_base(data).await
    }

    async fn promote(&self) -> Result<(), CouldNotRun> {
        self.ask_to_promote().map_err(|error| {
            CouldNotRun::new(format!("cannot end the recovery of the server: {error}"))
        })
    }

    async fn take_data(&mut self, run: &Run) -> Result<Data, CouldNotRun> {
        self.give_up_data(run).await
    }

    async fn address(&mut self) -> io::Result<Address> {
        let server = self.server.as_ref().and_then(|server| {
            let server = server.lock().unwrap_or_else(PoisonError::into_inner);
            server.id()
        });
        let server = server.ok_or_else(|| io::Error::other("the server was not started"))?;
        let held = self.socket.hold(server).await?;
        if self.entrance.is_err() {
            shared_memory::note(server, &self.folder.join(SEGMENTS))?;
        }
        Ok(self.held.insert(held).address.clone())
    }

    fn network(&self, _: Entrance) -> Result<Network, String> {
        let entrance = self.entrance.as_ref().map_err(Clone::clone)?;
        let server = self.server.as_ref().and_then(|server| {
            let server = server.lock().unwrap_or_else(PoisonError::into_inner);
            server.id()
        });
        let server = server.ok_or("the server was not started")?;
        Network::of(server, *entrance, &self.run).map_err(|error| error.to_string())
    }

    async fn ended(&self) -> Option<String> {
        let status = {
            let server = self.server.as_ref()?.lock();
            let mut server = server.unwrap_or_else(PoisonError::into_inner);
            server.try_wait().ok()??
        };
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let last = log
            .lines()
            .rev()
            .find(|line| line.contains("FATAL") || line.contains("PANIC"));
        let last = last.map_or_else(|| "its log is empty".to_owned(), sqlstate::logged);
        Some(format!("{status}; {last}"))
    }

    async fn processor_time(&self) -> Option<Duration> {
        let server = self.server.as_ref()?.lock();
        let server = server.unwrap_or_else(PoisonError::into_inner);
        server.processor_time()
    }

    async fn log(&self) -> Box<dyn AsyncRead + Send + Unpin + '_> {
        match tokio::fs::File::open(self.log_path()).await {
            Ok(file) => Box::new(file),
            Err(_) => Box::new(tokio::io::empty()),
        }
    }

    async fn lock(&self) -> Result<(), CouldNotRun> {
        // The sandbox was closed before the server started.
        Ok(())
    }

    async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun> {
        let path = self.installation.bin.join(client.program);
        let mut arguments = client.arguments;
        let programs = &self.socket.programs;
        let mut read = vec![programs.clone()];
        let input = match client.input {
            ClientInput::Nothing => Input::Nothing,
            ClientInput::Pipe => Input::Pipe,
            ClientInput::Archive(path) if path.is_dir() => {
                let copy = self.folder_within_reach(&path)?;
                arguments.push(copy.display().to_string());
                read.push(copy);
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
        environment.extend([
            ("PGHOST".to_owned(), programs.display().to_string()),
            ("PGPORT".to_owned(), "5432".to_owned()),
            ("PGUSER".to_owned(), self.superuser.clone()),
            ("PGDATABASE".to_owned(), "postgres".to_owned()),
        ]);
        let read: Vec<&Path> = read.iter().map(PathBuf::as_path).collect();
        let mut running = process::spawn(Program {
            place: Place::Sandbox(self.sandbox(&path, &read, &[])),
            path,
            arguments,
            environment,
            folder: None,
            user: self.user,
            input,
            run: self.run.clone(),
        })?;
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
            let mut server = server.into_inner().unwrap_or_else(PoisonError::into_inner);
            // With namespaces of its own the kernel removes everything with it. Without them only the server
            // itself can remove its System V segment, in an immediate shutdown.
            if self.entrance.is_err() {
                server.signal(Signal::SIGQUIT);
                let _ = tokio::time::timeout(Duration::from_secs(5), server.wait()).await;
            }
            server.kill();
            let _ = tokio::time::timeout(Duration::from_secs(5), server.wait()).await;
        }
        process::kill_working_in(&self.folder);
        match std::fs::remove_dir_all(&self.folder) {
            // Its data was taken.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| {
                CouldNotRun::new(format!("cannot remove {}: {error}", self.folder.display()))
            }),
        }
    }

    fn describe(&self) -> ServerFacts {
        let mut isolation = vec![
            match self.tls {
                None => "unix socket in a private folder, nothing listens on TCP".to_owned(),
                Some(_) => "unix socket in a private folder; a port in a network with nothing else in it, for programs by TLS".to_owned(),
            },
            format!("processes of the user `{}`", self.user_name),
        ];
        let mut weaknesses = vec![
            "a local server shares the kernel, memory and processes of this machine: it isolates less than a container"
                .to_owned(),
        ];
        let files = "Landlock: executes only the programs of the server, reads no home directory, writes only to its data";
        match self.strength {
            Strength::Full => {
                isolation.push(files.to_owned());
                isolation.push(match self.tls {
                    None => "Landlock: no TCP connection, in or out".to_owned(),
                    Some(_) => {
                        "Landlock: no TCP connection out, and one port to listen on".to_owned()
                    }
                });
            }
            Strength::NoTcp => {
                isolation.push(files.to_owned());
                if self.entrance.is_err() {
                    weaknesses.push("Landlock of this kernel does not cover TCP: code of the backup could use the network".to_owned());
                }
            }
            Strength::Nothing => weaknesses.push(
                "this kernel has no Landlock: code of the backup runs with all rights of that user"
                    .to_owned(),
            ),
        }
        match &self.entrance {
            Ok(_) => isolation.push(
                "own namespaces: no network, no processes, sockets and folders of this machine but the programs of the server and its data; the kernel ends its processes with it"
                    .to_owned(),
            ),
            Err(why) => weaknesses.push(format!(
                "`trusted-backup` is set: code of the backup could connect to other servers of this machine by their unix sockets, and leave processes behind, as that user: {why}"
            )),
        }
        weaknesses.extend(self.held.as_ref().and_then(HeldSocket::weakness));
        weaknesses.push("no limit on memory or processes".to_owned());
        ServerFacts {
            provider: "local".into(),
            origin: self.installation.bin.display().to_string(),
            digest: self.installation.digest(),
            settings: Vec::new(),
            version: self.installation.version.clone(),
            extensions: Vec::new(),
            isolation,
            weaknesses,
            tls: None,
            chosen: self.chosen.clone(),
            started_in: Duration::ZERO,
            tuned: false,
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
