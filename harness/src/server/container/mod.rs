//! The container provider: testcontainers starts it, without a network, capabilities or a shell.
//!
//! The container runs `initdb` and `postgres` directly, as the user `postgres` of the image; the
//! entrypoint of the image is not used, since its temporary server takes half a second.

mod client;
mod copy;
mod engine;
mod helper;
mod lay_out;
mod request;
mod template;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::query_parameters::LogsOptionsBuilder;
use testcontainers::bollard::{self, Docker};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage};
use tokio::io::AsyncRead;
use tokio::sync::oneshot;
use tokio_util::io::StreamReader;

use self::copy::Copy;
use self::engine::{engine, image, sockets_cross};
pub(super) use self::engine::{forget, found, sweep};
use self::template::Template;
pub(super) use self::template::remove_templates;
use super::machine::{
    Client, ClientProcess, DataSource, Machine, Wanted, arguments, memory_of_this_machine,
};
use super::settings;
use super::snapshot::Data;
use super::socket::{HeldSocket, SocketFolder};
use super::tls::{Certificate, KEY};
use crate::cleanup::Run;
use crate::database::Address;
use crate::namespace::Entrance;
use crate::network::Network;
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::process;
use crate::redact::Secret;
use crate::sqlstate;
use crate::units::show_bytes;

/// Folder of the server's socket inside the container.
const SOCKET: &str = "/redrill/socket";
/// Folder of the socket that programs use, which the server cannot change.
const PROGRAMS: &str = "/redrill/programs";
/// Folder of the certificate inside the container.
const TLS: &str = "/redrill/tls";
/// Folders of the archives of the backup inside the container, by number.
const BACKUP: &str = "/redrill/backup";
/// Data directory: owned by `postgres` in every Postgres image, also on a fresh volume.
const HOME: &str = "/var/lib/postgresql";
/// Lines of the log that say why a server ended.
const LAST_OF_LOG: &str = "200";
/// Process limit when the scenario sets none.
const PIDS: u32 = 512;

/// The beginning of every script: where the programs are.
const FIND: &str = r#"
set -e
umask 077
postgres=$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | tail -n 1)
[ ! -L "$postgres" ] || postgres=$(readlink -f "$postgres")
bin=${postgres%/*}
"#;

/// Makes a data folder. `$1` is the superuser; the rest are further arguments of `initdb`.
const INITDB: &str = r#"
initdb() {
    superuser=$1
    shift
    "$bin/initdb" -D "$PGDATA" -U "$superuser" --encoding=UTF8 --auth-local=trust "$@" > /dev/null
}
"#;

/// Makes or copies the data folder and executes the server. `$1` is the superuser; the rest are arguments of the server.
const START: &str = r#"
echo "redrill-bin $bin"
superuser=$1
shift
# The server takes no key that others may read.
[ ! -e "$REDRILL_KEY" ] || cp "$REDRILL_KEY" "$PGDATA.key"
template=/redrill/template/current
if [ -n "$REDRILL_PASSWORD" ]; then
    printf '%s' "$REDRILL_PASSWORD" > /tmp/redrill-password
    unset REDRILL_PASSWORD
    initdb "$superuser" --no-sync --auth-host=scram-sha-256 --pwfile=/tmp/redrill-password
    rm /tmp/redrill-password
    # A published port arrives from the engine's bridge, not from 127.0.0.1.
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
elif ! { [ -e "$template" ] && mkdir "$PGDATA" && cp -a "$template/." "$PGDATA"; }; then
    echo "redrill-template unusable"
    rm -rf "$PGDATA"
    initdb "$superuser" --no-sync --auth-host=reject
fi
exec "$bin/postgres" -D "$PGDATA" "$@"
"#;

/// Every shell and interpreter that could serve `COPY … PROGRAM` or `\!`.
const SHELLS: &[&str] = &[
    "/bin/sh",
    "/bin/bash",
    "/bin/dash",
    "/bin/ash",
    "/bin/busybox",
    "/usr/bin/perl",
    "/usr/bin/python3",
    "/usr/bin/env",
];

struct Container {
    docker: Docker,
    run: String,
    /// Of the run.
    folder: PathBuf,
    labels: Vec<(&'static str, String)>,
    image: String,
    image_id: String,
    socket: SocketFolder,
    held: Option<HeldSocket>,
    /// Folders of the archives of the backup.
    folders: BTreeSet<PathBuf>,
    memory: u64,
    shm: u64,
    pids: u32,
    storage: settings::Storage,
    /// The volume of its data, where copies are made of it or it is one; otherwise the volume has no name.
    volume: Option<String>,
    /// What a copy needs.
    copy: Option<Copy>,
    /// When it ends by itself.
    ends_after: Option<Duration>,
    by_port: bool,
    arguments: Vec<String>,
    /// The folder of its certificate, where it requires TLS.
    tls: Option<PathBuf>,
    chosen: String,
    bin: OnceLock<String>,
    superuser: String,
    /// The template that is mounted.
    template: Option<Template>,
    /// Whether it cannot be used, and is not being made by another run either.
    template_is_unusable: AtomicBool,
    /// Its id as the engine sees it.
    first_process: Option<i32>,
    container: Option<ContainerAsync<GenericImage>>,
}

/// Returns an empty machine: an engine that answers, and a local image. Never pulls.
pub(super) async fn provide(
    server: &settings::Server,
    container: &settings::Container,
    wanted: &Wanted,
    tls: Option<&Certificate>,
    run: &Run,
    chosen: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    let docker = engine().await?;
    let (image, image_id) = image(&docker, container, server.major, wanted).await?;
    let machine_memory = memory_of_this_machine() / (1 + wanted.neighbours);
    let memory = container
        .memory
        .map_or(machine_memory / 4 * 3, |size| size.0);
    let storage = container.storage.unwrap_or({
        // A restored database takes up to about three times the size of its dump, with indexes.
        let in_memory = wanted.bytes.saturating_mul(4) < memory / 4;
        if in_memory && !wanted.copies && server.durability == settings::Durability::Off {
            settings::Storage::Memory
        } else {
            settings::Storage::Volume
        }
    });
    // `postgres` in the image has another uid; the folder of the run above is closed to others.
    let socket = SocketFolder::create(run, run.folder.join("socket"), 0o777, None)?;
    let by_port = match container.reach {
        Some(reach) => reach == settings::Reach::Port,
        None => !sockets_cross(&docker).await,
    };
    if let Some(certificate) = tls {
        if by_port {
            return Err(CouldNotRun::with_hint(
                "a server that requires TLS is reached by its network, and this engine shares neither sockets nor networks with this machine",
                "use an engine of this machine, or `[server.local]`",
            ));
        }
        let read = certificate.let_read(None);
        read.map_err(|error| CouldNotRun::new(format!("cannot share the certificate: {error}")))?;
    }
    let folders = wanted.files.iter().filter_map(|file| file.parent());
    let folders: BTreeSet<PathBuf> = folders.map(Path::to_owned).collect();
    Ok(Box::new(Container {
        docker,
        run: run.id.clone(),
        folder: run.folder.clone(),
        labels: run.labels().into(),
        image,
        image_id,
        socket,
        held: None,
        folders,
        memory,
        shm: container.shm.map_or(memory / 4, |size| size.0),
        pids: container.pids.unwrap_or(PIDS),
        volume: wanted.copies.then(|| copy::new_volume(run)),
        copy: None,
        ends_after: wanted.ends_after,
        storage,
        by_port,
        arguments: arguments(server, memory),
        tls: tls.map(|certificate| certificate.folder().to_owned()),
        chosen: chosen.to_owned(),
        bin: OnceLock::new(),
        superuser: String::new(),
        template: None,
        template_is_unusable: AtomicBool::new(false),
        first_process: None,
        container: None,
    }))
}

impl Container {
    fn id(&self) -> Result<&str, CouldNotRun> {
        self.container
            .as_ref()
            .map(|container| container.id())
            .ok_or_else(|| CouldNotRun::new("the container was not started"))
    }

    /// Verifies that the server can execute no shell.
    async fn is_locked(&self) -> Result<(), CouldNotRun> {
        let command = ["/bin/sh", "-c", "exit 0"].map(str::to_owned).into();
        let closed = match self.exec(command, "postgres", Vec::new(), false).await {
            Err(_) => true,
            Ok(mut process) => process.end.wait().await?.is_some_and(|code| code != 0),
        };
        if closed {
            Ok(())
        } else {
            Err(CouldNotRun::new(
                "the server can still execute the shell of the image",
            ))
        }
    }

    /// Labels of its run, for what the engine makes.
    fn owned_labels(&self) -> HashMap<String, String> {
        let labels = self.labels.iter();
        labels
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    /// The last lines of the output of the container, which is the log of the server.
    fn read_log(&self, lines: &str) -> BoxStream<'_, Result<Bytes, bollard::errors::Error>> {
        let Ok(id) = self.id() else {
            return stream::empty().boxed();
        };
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(lines)
            .build();
        let read = self.docker.logs(id, Some(options));
        read.map_ok(LogOutput::into_bytes).boxed()
    }

    /// The same as one text.
    async fn last_of_log(&self, lines: &str) -> String {
        let read = self.read_log(lines);
        let read = read.filter_map(async |part| part.ok());
        let parts: Vec<Bytes> = read.collect().await;
        String::from_utf8_lossy(&parts.concat()).into_owned()
    }
}

#[async_trait]
impl Machine for Container {
    async fn start(&mut self, superuser: &str, password: &Secret) -> Result<(), CouldNotRun> {
        superuser.clone_into(&mut self.superuser);
        // Not dropped with this call: an engine that is interrupted while it creates a container creates it
        // all the same, and only the end of the request says that it is there to be removed.
        let (sender, receiver) = oneshot::channel();
        // A password would be in the template, and a server that is reached by a port needs one.
        let template = (!self.by_port && self.copy.is_none())
            .then(|| Template::of(&self.image, &self.image_id, superuser));
        let make = match template {
            Some(template) if template.exists(&self.docker).await => {
                self.template = Some(template);
                None
            }
            template => template,
        };
        let request = self.request(superuser, password);
        let (docker, image, run) = (self.docker.clone(), self.image_id.clone(), self.run.clone());
        let superuser = superuser.to_owned();
        let labels = self.owned_labels();
        let starting = tokio::spawn(async move {
            // At the same time, so that the first run is not slower for it, and before anything is measured.
            let make = async {
                if let Some(template) = make {
                    // Without a template the next run is slower.
                    let _ = template
                        .make(&docker, &image, &superuser, &run, labels)
                        .await;
                }
            };
            let (started, ()) = tokio::join!(request.start(), make);
            // Nobody waits for it any more: `forget` removes it.
            let _ = sender.send(started);
        });
        engine::starting().insert(self.run.clone(), starting);
        let started = receiver
            .await
            .map_err(|_| CouldNotRun::new("the start of the container was given up"))?;
        let container = started.map_err(|error| {
            CouldNotRun::new(format!("the engine cannot start the container: {error}"))
        })?;
        self.container = Some(container);
        Ok(())
    }

    async fn copy_data(&mut self, data: &Data) -> Result<u64, CouldNotRun> {
        match data {
            Data::Volume { name, bin, .. } => self.copy_volume(name, bin).await,
            Data::Folder { path, .. } => Err(CouldNotRun::new(format!(
                "the data is that of a local server, in {}",
                path.display()
            ))),
        }
    }

    async fn lay_out(&mut self, data: &Arc<dyn DataSource>) -> Result<(), CouldNotRun> {
        self.write_base(data).await
    }

    async fn promote(&self) -> Result<(), CouldNotRun> {
        self.ask_to_promote().await
    }

    async fn take_data(&mut self, _: &Run) -> Result<Data, CouldNotRun> {
        self.give_up_volume().await
    }

    async fn address(&mut self) -> io::Result<Address> {
        let container = self.container.as_ref();
        let container =
            container.ok_or_else(|| io::Error::other("the container was not started"))?;
        if self.by_port {
            let ports = container.ports().await.map_err(io::Error::other)?;
            let port = ports.map_to_host_port_ipv4(5432);
            return port
                .map(Address::Loopback)
                .ok_or_else(|| io::Error::other("the engine reports no port"));
        }
        if self.first_process.is_none() {
            let inspected = self.docker.inspect_container(container.id(), None).await;
            let state = inspected.map_err(io::Error::other)?.state;
            self.first_process = state.and_then(|state| i32::try_from(state.pid?).ok());
        }
        let first = self
            .first_process
            .ok_or_else(|| io::Error::other("the container has no process"))?;
        let held = self.held.insert(self.socket.hold(first).await?);
        Ok(held.address.clone())
    }

    fn network(&self, entrance: Entrance) -> Result<Network, String> {
        // Another process may have this id on this machine.
        let seen = self.held.as_ref().is_some_and(HeldSocket::peer_is_known);
        let process = self.first_process.filter(|_| seen);
        let process = process.ok_or("redrill does not see the processes of the container")?;
        if entrance == Entrance::Program {
            return Err("the network of a container can be entered by root only".to_owned());
        }
        Network::of(process, entrance, &self.run).map_err(|error| error.to_string())
    }

    async fn ended(&self) -> Option<String> {
        let state = self
            .docker
            .inspect_container(self.id().ok()?, None)
            .await
            .ok()?
            .state?;
        if state.running == Some(true) {
            return None;
        }
        let log = self.last_of_log(LAST_OF_LOG).await;
        let why = |line: &&str| line.contains("FATAL: ") || line.contains("PANIC: ");
        let last = log
            .lines()
            .rev()
            .find(why)
            .or_else(|| log.lines().rev().find(|line| !line.trim().is_empty()))
            .map_or_else(|| "its log is empty".to_owned(), sqlstate::logged);
        let killed = if state.oom_killed == Some(true) {
            ", out of memory"
        } else {
            ""
        };
        Some(format!(
            "exit code {}{killed}; {last}",
            state.exit_code.unwrap_or(-1)
        ))
    }

    async fn processor_time(&self) -> Option<Duration> {
        // The engine takes a second to say it. With a held socket its processes are those of this machine.
        self.held.as_ref()?;
        process::processor_time_of_all(self.first_process?)
    }

    async fn log(&self) -> Box<dyn AsyncRead + Send + Unpin + '_> {
        let read = self.read_log("all");
        Box::new(StreamReader::new(read.map_err(io::Error::other)))
    }

    async fn lock(&self) -> Result<(), CouldNotRun> {
        for line in self.last_of_log(LAST_OF_LOG).await.lines() {
            if let Some(bin) = line.strip_prefix("redrill-bin ") {
                self.bin.get_or_init(|| bin.trim().to_owned());
            } else if line.starts_with("redrill-template unusable")
                && let Some(template) = &self.template
                && !template.is_in_use(&self.docker, self.id()?).await
            {
                self.template_is_unusable.store(true, Ordering::Relaxed);
            }
        }
        if self.copy.is_some() {
            return self.is_locked().await;
        }
        // Root without capabilities still owns these files, and may deny them to all other users.
        let mut command: Vec<String> = ["chmod", "-f", "0700"].map(str::to_owned).into();
        command.extend(SHELLS.iter().map(|shell| (*shell).to_owned()));
        let mut process = self.exec(command, "0", Vec::new(), false).await?;
        // Missing files make it end with 1; that the shell is denied is tested, not assumed.
        process.end.wait().await?;
        self.is_locked().await
    }

    async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun> {
        self.run_client(client).await
    }

    async fn stop(&mut self) -> Result<(), CouldNotRun> {
        // Dropping the handle would remove it again, in the background.
        if let Some(container) = self.container.take() {
            container.rm().await.map_err(|error| {
                CouldNotRun::new(format!("cannot remove the container: {error}"))
            })?;
        }
        // Including one whose creation was interrupted before its handle was returned.
        let failed = forget(&self.run).await;
        if let Some(template) = &self.template
            && self.template_is_unusable.load(Ordering::Relaxed)
        {
            template.remove(&self.docker).await;
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(CouldNotRun::new(failed.join("; ")))
        }
    }

    fn describe(&self) -> ServerFacts {
        let mut isolation = vec![
            "all capabilities dropped, no new privileges, user `postgres`".to_owned(),
            "no shell or interpreter for the server and its programs".to_owned(),
            format!(
                "at most {} of memory, {} of shared memory, {} processes",
                show_bytes(self.memory),
                show_bytes(self.shm),
                self.pids
            ),
            match self.storage {
                settings::Storage::Memory => "data in memory".to_owned(),
                settings::Storage::Volume => {
                    "data on a volume that is removed with the container".to_owned()
                }
            },
        ];
        if !self.folders.is_empty() {
            isolation.push("the folder of the backup is mounted read-only".to_owned());
        }
        let mut weaknesses = Vec::new();
        if self.by_port {
            weaknesses.push(
                "connected by a port on 127.0.0.1: the container has a network, which code of the backup could use too"
                    .to_owned(),
            );
            weaknesses.push(
                "connected by a port: roles are assumed without a login, so their settings (`ALTER ROLE … SET`) have no effect"
                    .to_owned(),
            );
        } else {
            isolation.insert(
                0,
                match self.tls {
                    None => "no network; connected by a unix socket in a private folder".to_owned(),
                    Some(_) => "a network with nothing else in it; connected by a unix socket in a private folder, and programs by TLS".to_owned(),
                },
            );
            weaknesses.extend(self.held.as_ref().and_then(HeldSocket::weakness));
        }
        ServerFacts {
            provider: "container".into(),
            origin: format!("{} ({})", self.image, short(&self.image_id)),
            digest: Some(self.image_id.clone()),
            settings: Vec::new(),
            version: String::new(),
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

/// `sha256:75771c205127…` → its first twelve digits, with the algorithm.
fn short(id: &str) -> &str {
    id.get(..19).unwrap_or(id)
}
