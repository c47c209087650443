//! The container provider: testcontainers starts it, without a network, capabilities or a shell.
//!
//! The container runs `initdb` and `postgres` directly, as the user `postgres` of the image; the
//! entrypoint of the image is not used, since its temporary server takes half a second.

use std::collections::HashMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use testcontainers::bollard::Docker;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::StartExecResults;
use testcontainers::bollard::models::{ExecConfig, HostConfig, Mount, MountType, PortBinding};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio::io::AsyncWriteExt as _;

use super::{
    Availability, Client, ClientEnd, ClientInput, ClientProcess, Machine, Wanted, arguments,
    settings,
};
use crate::cleanup::{LABEL_HOST, LABEL_RUN, LABEL_WORK, Run, Work, host};
use crate::database::{Address, Endpoint};
use crate::outcome::{CouldNotRun, ServerFacts};
use crate::redact::Secret;
use crate::units::show_bytes;

/// Folder of the socket inside the container.
const SOCKET: &str = "/redrill/socket";
/// Folders of the archives of the backup inside the container, by number.
const BACKUP: &str = "/redrill/backup";
/// Data directory: owned by `postgres` in every Postgres image, also on a fresh volume.
const HOME: &str = "/var/lib/postgresql";
/// The newest major version that is tried when there is no image for that of the backup.
const NEWEST_MAJOR: u32 = 18;
/// Process limit when the scenario sets none.
const PIDS: u32 = 512;
/// Timeout of a single request to the engine.
const ENGINE_WITHIN: Duration = Duration::from_secs(10);

/// Creates the cluster and executes the server. `$1` is the superuser; the rest are arguments of the server.
const START: &str = r#"
set -e
bin=$(dirname "$(readlink -f "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | tail -n 1)")")
echo "redrill-bin $bin"
superuser=$1
shift
umask 077
printf '%s' "$REDRILL_PASSWORD" > /tmp/redrill-password
unset REDRILL_PASSWORD
"$bin/initdb" -D "$PGDATA" -U "$superuser" --encoding=UTF8 --no-sync \
    --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/redrill-password > /dev/null
rm /tmp/redrill-password
# A published port arrives from the engine's bridge, not from 127.0.0.1.
echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
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
    labels: Vec<(&'static str, String)>,
    image: String,
    image_id: String,
    socket: PathBuf,
    /// Folders of the archives of the backup.
    folders: Vec<PathBuf>,
    memory: u64,
    shm: u64,
    pids: u32,
    storage: settings::Storage,
    by_port: bool,
    arguments: Vec<String>,
    chosen: String,
    bin: Option<String>,
    endpoint: Option<Endpoint>,
    container: Option<ContainerAsync<GenericImage>>,
}

/// Returns an empty machine: an engine that answers, and a local image. Never pulls.
pub(super) async fn provide(
    server: &settings::Server,
    container: &settings::Container,
    wanted: &Wanted,
    run: &Run,
    chosen: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    let docker = engine().await?;
    let (image, image_id) = image(&docker, container, wanted).await?;
    let machine_memory = memory_of_this_machine();
    let memory = container
        .memory
        .map_or(machine_memory / 4 * 3, |size| size.0);
    let storage = container.storage.unwrap_or({
        // A restored database takes up to about three times the size of its dump, with indexes.
        let in_memory = wanted.bytes.saturating_mul(4) < memory / 4;
        if in_memory {
            settings::Storage::Memory
        } else {
            settings::Storage::Volume
        }
    });
    let socket = run.folder.join("socket");
    std::fs::create_dir(&socket)
        .and_then(|()| {
            // `postgres` in the image has another uid; the folder of the run above is closed to others.
            std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777))
        })
        .map_err(|error| {
            CouldNotRun::new(format!("cannot create {}: {error}", socket.display()))
        })?;
    let by_port = match container.reach {
        Some(reach) => reach == settings::Reach::Port,
        None => !sockets_cross(&docker).await,
    };
    Ok(Box::new(Container {
        docker,
        run: run.id.clone(),
        labels: run.labels().into(),
        image,
        image_id,
        socket,
        folders: folders_of(&wanted.files),
        memory,
        shm: container.shm.map_or(memory / 4, |size| size.0),
        pids: container.pids.unwrap_or(PIDS),
        storage,
        by_port,
        arguments: arguments(server),
        chosen: chosen.to_owned(),
        bin: None,
        endpoint: None,
        container: None,
    }))
}

/// Finds an engine that answers.
async fn engine() -> Result<Docker, CouldNotRun> {
    let hint = "start the container engine, or allow redrill to use it: add your user to the group `docker`";
    let docker = docker_client_instance()
        .await
        .map_err(|error| CouldNotRun::new(format!("no container engine: {error}")).hint(hint))?;
    match tokio::time::timeout(ENGINE_WITHIN, docker.version()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(CouldNotRun::new(format!(
            "the container engine does not answer: {error}"
        ))
        .hint(hint)),
        Err(_) => Err(CouldNotRun::new("the container engine does not answer in time").hint(hint)),
    }
}

/// Whether a unix socket created in a container can be used from here; not if the engine runs in a
/// virtual machine.
async fn sockets_cross(docker: &Docker) -> bool {
    match docker.info().await {
        Ok(info) => !info
            .operating_system
            .is_some_and(|name| name.contains("Docker Desktop")),
        Err(_) => true,
    }
}

/// Selects the image that the scenario names, or one for the major version of the backup or the next.
async fn image(
    docker: &Docker,
    container: &settings::Container,
    wanted: &Wanted,
) -> Result<(String, String), CouldNotRun> {
    if let Some(name) = &container.image {
        return match docker.inspect_image(name).await {
            Ok(image) => Ok((name.clone(), image.id.unwrap_or_default())),
            Err(_) => Err(
                CouldNotRun::new(format!("the image `{name}` is not on this machine"))
                    .hint(format!("`docker pull {name}`, or build it")),
            ),
        };
    }
    let majors: Vec<u32> = match wanted.major {
        Some(major) => (major..=NEWEST_MAJOR.max(major)).collect(),
        None => (13..=NEWEST_MAJOR).rev().collect(),
    };
    for major in majors {
        for name in [
            format!("redrill/postgres:{major}"),
            format!("postgres:{major}"),
        ] {
            if let Ok(image) = docker.inspect_image(&name).await {
                return Ok((name, image.id.unwrap_or_default()));
            }
        }
    }
    let major = wanted.major.unwrap_or(17);
    Err(CouldNotRun::new(format!(
        "no Postgres image for version {major} or newer is on this machine"
    ))
    .hint(format!(
        "`ci/image.sh {major}` builds one, or `docker pull postgres:{major}`"
    )))
}

/// Memory of this machine in bytes; 4 GiB if unknown.
fn memory_of_this_machine() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(4 << 30, |kib| kib * 1024)
}

/// The folders of these files, each once.
fn folders_of(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in files.iter().filter_map(|file| file.parent()) {
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

impl Container {
    /// Options that testcontainers has no method for.
    fn host_config(&self) -> impl Fn(&mut HostConfig) + Send + Sync + 'static {
        let (memory, pids, storage, by_port) = (self.memory, self.pids, self.storage, self.by_port);
        let mut mounts = vec![bind(&self.socket, SOCKET, false)];
        for (number, folder) in self.folders.iter().enumerate() {
            mounts.push(bind(folder, &format!("{BACKUP}/{number}"), true));
        }
        if storage == settings::Storage::Volume {
            // Without a source it is anonymous, and is removed with the container.
            mounts.push(Mount {
                typ: Some(MountType::VOLUME),
                target: Some(HOME.to_owned()),
                ..Mount::default()
            });
        }
        move |config: &mut HostConfig| {
            config.memory = i64::try_from(memory).ok();
            // No additional swap: a drill that swaps measures the disk.
            config.memory_swap = config.memory;
            config.pids_limit = Some(i64::from(pids));
            config.mounts = Some(mounts.clone());
            config.publish_all_ports = Some(false);
            if storage == settings::Storage::Memory {
                config.tmpfs = Some(HashMap::from([(
                    HOME.to_owned(),
                    "rw,mode=1777,exec".to_owned(),
                )]));
            }
            if by_port {
                let binding = PortBinding {
                    host_ip: Some("127.0.0.1".to_owned()),
                    host_port: Some(String::new()),
                };
                config.port_bindings = Some(HashMap::from([(
                    "5432/tcp".to_owned(),
                    Some(vec![binding]),
                )]));
            } else {
                config.network_mode = Some("none".to_owned());
                config.port_bindings = None;
            }
        }
    }

    fn request(&self, superuser: &str, password: &Secret) -> ContainerRequest<GenericImage> {
        let (name, tag) = match self.image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
            _ => (self.image.clone(), "latest".to_owned()),
        };
        let mut command: Vec<String> = ["-c", START, "redrill", superuser]
            .map(str::to_owned)
            .into();
        command.extend(self.arguments.iter().cloned());
        let listen = if self.by_port { "*" } else { "" };
        for (name, value) in [
            ("listen_addresses", listen),
            ("port", "5432"),
            ("unix_socket_directories", SOCKET),
        ] {
            command.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        GenericImage::new(name, tag)
            .with_entrypoint("/bin/sh")
            .with_cmd(command)
            .with_user("postgres")
            .with_env_var("PGDATA", format!("{HOME}/redrill"))
            .with_env_var("REDRILL_PASSWORD", password.expose())
            .with_env_var("TZ", "UTC")
            .with_cap_drop("ALL")
            .with_security_opt("no-new-privileges")
            .with_shm_size(self.shm)
            .with_labels(
                self.labels
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .with_host_config_modifier(self.host_config())
    }

    fn id(&self) -> Result<&str, CouldNotRun> {
        self.container
            .as_ref()
            .map(|container| container.id())
            .ok_or_else(|| CouldNotRun::new("the container was not started"))
    }

    /// The end of the output of the container, which is the log of the server.
    async fn log(&self) -> String {
        let Ok(id) = self.id() else {
            return String::new();
        };
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("200")
            .build();
        let lines = self.docker.logs(id, Some(options));
        lines
            .filter_map(|line| async { line.ok().map(|line| line.to_string()) })
            .collect::<Vec<String>>()
            .await
            .concat()
    }

    /// Starts a program inside and attaches to it.
    async fn exec(
        &self,
        command: Vec<String>,
        user: &str,
        environment: Vec<String>,
        with_input: bool,
    ) -> Result<ClientProcess, CouldNotRun> {
        let failed = |error: testcontainers::bollard::errors::Error| {
            CouldNotRun::new(format!(
                "the engine cannot start a program in the container: {error}"
            ))
        };
        let config = ExecConfig {
            cmd: Some(command),
            user: Some(user.to_owned()),
            env: Some(environment),
            attach_stdin: Some(with_input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ExecConfig::default()
        };
        let exec = self
            .docker
            .create_exec(self.id()?, config)
            .await
            .map_err(failed)?
            .id;
        let StartExecResults::Attached { output, input } =
            self.docker.start_exec(&exec, None).await.map_err(failed)?
        else {
            return Err(CouldNotRun::new("the engine did not attach to the program"));
        };
        // The engine returns both streams as one; they are separated here.
        let (stdout, mut to_stdout) = tokio::io::duplex(64 * 1024);
        let (stderr, mut to_stderr) = tokio::io::duplex(64 * 1024);
        let pump = tokio::spawn(async move {
            let mut output = output;
            while let Ok(Some(chunk)) = output.try_next().await {
                let written = match chunk {
                    LogOutput::StdErr { message } => to_stderr.write_all(&message).await,
                    LogOutput::StdOut { message } | LogOutput::Console { message } => {
                        to_stdout.write_all(&message).await
                    }
                    LogOutput::StdIn { .. } => Ok(()),
                };
                if written.is_err() {
                    break;
                }
            }
        });
        Ok(ClientProcess {
            stdin: with_input.then(|| Box::new(input) as _),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            end: Box::new(ContainerEnd {
                docker: self.docker.clone(),
                exec,
                pump,
            }),
        })
    }
}

/// A bind mount.
fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

#[async_trait]
impl Machine for Container {
    async fn start(&mut self, superuser: &str) -> Result<Endpoint, CouldNotRun> {
        let password = Secret::random().map_err(|error| CouldNotRun::new(error.to_string()))?;
        let container = self
            .request(superuser, &password)
            .start()
            .await
            .map_err(|error| {
                CouldNotRun::new(format!("the engine cannot start the container: {error}"))
            })?;
        let address = if self.by_port {
            let ports = container.ports().await.map_err(|error| {
                CouldNotRun::new(format!("the engine reports no port: {error}"))
            })?;
            let port = ports
                .map_to_host_port_ipv4(5432)
                .ok_or_else(|| CouldNotRun::new("the engine reports no port"))?;
            Address::Loopback(port)
        } else {
            Address::Socket(self.socket.clone())
        };
        self.container = Some(container);
        let endpoint = Endpoint {
            address,
            superuser: superuser.to_owned(),
            password,
        };
        self.endpoint = Some(endpoint.clone());
        Ok(endpoint)
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
        let log = self.log().await;
        let last = log
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("its log is empty");
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

    async fn lock(&mut self) -> Result<(), CouldNotRun> {
        let log = self.log().await;
        self.bin = log.lines().find_map(|line| {
            line.strip_prefix("redrill-bin ")
                .map(|bin| bin.trim().to_owned())
        });
        // Root without capabilities still owns these files, and may deny them to all other users.
        let mut command: Vec<String> = ["chmod", "-f", "0700"].map(str::to_owned).into();
        command.extend(SHELLS.iter().map(|shell| (*shell).to_owned()));
        let mut process = self.exec(command, "0", Vec::new(), false).await?;
        // Missing files make it end with 1; that the shell is denied is tested, not assumed.
        process.end.wait().await?;
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

    async fn client(&self, client: Client) -> Result<ClientProcess, CouldNotRun> {
        let superuser = self
            .endpoint
            .as_ref()
            .map_or("postgres", |endpoint| &endpoint.superuser);
        let program = match &self.bin {
            Some(bin) => format!("{bin}/{}", client.program),
            None => client.program.to_owned(),
        };
        let mut command = vec![program];
        command.extend(client.arguments);
        let environment = [
            ("PGHOST", SOCKET),
            ("PGPORT", "5432"),
            ("PGUSER", superuser),
            ("PGDATABASE", "postgres"),
            ("LC_ALL", "C.UTF-8"),
        ];
        let environment = environment
            .map(|(name, value)| format!("{name}={value}"))
            .into();
        let (user, with_input) = match &client.input {
            ClientInput::Nothing => ("postgres".to_owned(), false),
            ClientInput::Pipe => ("postgres".to_owned(), true),
            ClientInput::Archive(file) => {
                let metadata = file.metadata().map_err(|error| {
                    CouldNotRun::new(format!("cannot read {}: {error}", file.display()))
                })?;
                let number = self
                    .folders
                    .iter()
                    .position(|folder| Some(folder.as_path()) == file.parent());
                let (Some(number), Some(name)) = (number, file.file_name()) else {
                    return Err(CouldNotRun::new(format!(
                        "{} is not mounted",
                        file.display()
                    )));
                };
                command.push(format!("{BACKUP}/{number}/{}", name.to_string_lossy()));
                // A backup that only its owner may read is read with the uid of the owner.
                (format!("{}:{}", metadata.uid(), metadata.gid()), false)
            }
        };
        self.exec(command, &user, environment, with_input).await
    }

    async fn stop(&mut self) -> Result<(), CouldNotRun> {
        // Dropping the handle would remove it again, in the background.
        if let Some(container) = self.container.take() {
            container.rm().await.map_err(|error| {
                CouldNotRun::new(format!("cannot remove the container: {error}"))
            })?;
        }
        // Including one whose creation was interrupted before its handle was returned.
        let failed = remove_labelled(&self.docker, &[format!("{LABEL_RUN}={}", self.run)], |_| {
            true
        })
        .await
        .1;
        if failed.is_empty() {
            Ok(())
        } else {
            Err(CouldNotRun::new(failed.join("; ")))
        }
    }

    fn describe(&self) -> ServerFacts {
        let mut isolation = vec![
            "all capabilities dropped, no new privileges, user `postgres`".to_owned(),
            "no shell or interpreter for the server and psql".to_owned(),
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
                "no network; connected by a unix socket in a private folder".to_owned(),
            );
        }
        ServerFacts {
            provider: "container",
            origin: format!("{} ({})", self.image, short(&self.image_id)),
            version: String::new(),
            extensions: Vec::new(),
            isolation,
            weaknesses,
            chosen: self.chosen.clone(),
            started_in: Duration::ZERO,
        }
    }
}

/// `sha256:75771c205127…` → its first twelve digits, with the algorithm.
fn short(id: &str) -> &str {
    id.get(..19).unwrap_or(id)
}

struct ContainerEnd {
    docker: Docker,
    exec: String,
    pump: tokio::task::JoinHandle<()>,
}

#[async_trait]
impl ClientEnd for ContainerEnd {
    async fn wait(&mut self) -> Result<Option<i64>, CouldNotRun> {
        // The engine answers before the program runs, and reports until then that it does not run: it
        // has certainly started only when its streams are closed.
        if !self.pump.is_finished() {
            let _ = (&mut self.pump).await;
        }
        // The engine may close them shortly before it knows the code; a program may also close them
        // and run for a long time.
        let mut pause = Duration::from_millis(2);
        loop {
            let exec = self
                .docker
                .inspect_exec(&self.exec)
                .await
                .map_err(|error| {
                    CouldNotRun::new(format!("the engine lost the program: {error}"))
                })?;
            if exec.running != Some(true) {
                return Ok(exec.exit_code);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

impl Drop for ContainerEnd {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// Removes containers with all the given labels for which `is_dead` is true; returns ids and errors.
async fn remove_labelled(
    docker: &Docker,
    labels: &[String],
    is_dead: impl Fn(&HashMap<String, String>) -> bool,
) -> (Vec<String>, Vec<String>) {
    let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    let containers = match docker.list_containers(Some(options)).await {
        Ok(containers) => containers,
        Err(error) => {
            return (
                removed,
                vec![format!("the engine cannot list its containers: {error}")],
            );
        }
    };
    for container in containers {
        let (Some(id), Some(labels)) = (container.id, container.labels) else {
            continue;
        };
        if !is_dead(&labels) {
            continue;
        }
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        match docker.remove_container(&id, Some(options)).await {
            Ok(()) => removed.push(id),
            // 404: it was removed meanwhile; 409: the engine is removing it already.
            Err(testcontainers::bollard::errors::Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => {}
            Err(error) => failed.push(format!(
                "container {}: {error}",
                id.get(..12).unwrap_or(&id)
            )),
        }
    }
    (removed, failed)
}

/// Removes the containers of one run; returns what could not be removed.
pub(super) async fn forget(run: &str) -> Vec<String> {
    match tokio::time::timeout(ENGINE_WITHIN, engine()).await {
        Ok(Ok(docker)) => {
            remove_labelled(&docker, &[format!("{LABEL_RUN}={run}")], |_| true)
                .await
                .1
        }
        // Without an engine there is no container.
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// Removes the containers, with their volumes, of runs of this user on this machine that are dead.
pub(super) async fn sweep(work: &Work) -> (Vec<String>, Vec<String>) {
    let Ok(Ok(docker)) = tokio::time::timeout(ENGINE_WITHIN, engine()).await else {
        return (Vec::new(), Vec::new());
    };
    let ours = [
        format!("{LABEL_HOST}={}", host()),
        format!("{LABEL_WORK}={}", work.root().display()),
    ];
    remove_labelled(&docker, &ours, |labels| {
        labels.get(LABEL_RUN).is_some_and(|run| !work.is_alive(run))
    })
    .await
}

/// Reports whether an engine answers, and which images it has.
pub(super) async fn availability() -> Availability {
    let (mut found, mut hint, mut usable) = (Vec::new(), None, false);
    match engine().await {
        Err(error) => {
            found.push(error.reason);
            hint = error.hint;
        }
        Ok(docker) => {
            let version = docker
                .version()
                .await
                .ok()
                .and_then(|version| version.version);
            found.push(format!("engine {} answers", version.unwrap_or_default()));
            for major in 13..=NEWEST_MAJOR {
                for name in [
                    format!("redrill/postgres:{major}"),
                    format!("postgres:{major}"),
                ] {
                    if docker.inspect_image(&name).await.is_ok() {
                        found.push(format!("image {name}"));
                        usable = true;
                    }
                }
            }
            if !usable {
                found.push("no Postgres image is on this machine".to_owned());
                hint = Some("`ci/image.sh 17`, or `docker pull postgres:17`".to_owned());
            }
        }
    }
    Availability {
        provider: "container",
        usable,
        found,
        hint,
    }
}
