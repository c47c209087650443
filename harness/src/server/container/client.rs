//! Programs in the container: their streams and their end.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use testcontainers::bollard::Docker;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::StartExecResults;
use testcontainers::bollard::models::ExecConfig;
use tokio::io::AsyncWriteExt as _;

use super::{BACKUP, Container, PROGRAMS, SOCKET};
use crate::outcome::CouldNotRun;
use crate::server::machine::{Client, ClientEnd, ClientInput, ClientProcess};

impl Container {
    /// Starts a program of the server.
    pub(super) async fn run_client(&self, client: Client) -> Result<ClientProcess, CouldNotRun> {
        let program = match self.bin.get() {
            Some(bin) => format!("{bin}/{}", client.program),
            None => client.program.to_owned(),
        };
        let mut command = vec![program];
        command.extend(client.arguments);
        // Without a socket that this machine shares with the container there is only the server's own.
        let socket = if self.by_port { SOCKET } else { PROGRAMS };
        let environment = [
            ("PGHOST", socket),
            ("PGPORT", "5432"),
            ("PGUSER", &self.superuser),
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

    /// Starts a program inside and attaches to it.
    pub(super) async fn exec(
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
