//! A data folder that redrill writes from a base backup to the volume of a container, before a server starts on it.
//!
//! The engine unpacks it there from a tar file that exists only as a stream, into a container that never starts. Nothing of it was
//! named by the backup but paths, which are in the data folder.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tar::{EntryType, Header};
use testcontainers::bollard::body_try_stream;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, Mount};
use testcontainers::bollard::query_parameters::{
    RemoveContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use tokio::sync::{mpsc, oneshot};

use super::copy::{Copy, data_folder};
use super::request::volume;
use super::{Container, FIND, HOME, engine};
use crate::data_folder::DataFolder;
use crate::outcome::CouldNotRun;
use crate::server::machine::DataSource;
use crate::server::settings::Storage;
use crate::units::show_bytes;

/// Says where the programs are, who runs them, and how much room `$1` has.
const ASK: &str = r#"
echo "redrill-bin $bin"
echo "redrill-user $(id -u) $(id -g)"
echo "redrill-timeout $(readlink -f "$(command -v timeout)")"
set -- $(df -Pk "$1" | tail -n 1)
echo "redrill-free $4"
"#;

/// Limit of the engine for all of it.
const WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Pieces that wait to be sent.
const WAITING: usize = 8;
/// Bytes of a piece.
const PIECE: usize = 1 << 18;
/// The error of the writer where the engine ended the upload.
const REFUSED: &str = "the engine does not take any more of it";
/// Bytes of a block of a tar file.
const BLOCK: u64 = 512;

/// Writes a data folder as a tar file.
struct Writer {
    to: mpsc::Sender<io::Result<Bytes>>,
    cancelled: Arc<AtomicBool>,
    owner: (u64, u64),
    /// What is not sent yet.
    piece: Vec<u8>,
    /// Bytes of the current file that are missing, and those that fill its last block.
    left: (u64, u64),
}

impl Writer {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece.extend_from_slice(bytes);
        match self.piece.len() >= PIECE {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        let sent = self.to.blocking_send(Ok(piece));
        sent.map_err(|_| io::Error::other(REFUSED))
    }

    fn header(&mut self, path: &str, kind: EntryType, bytes: u64) -> io::Result<()> {
        let mut header = Header::new_ustar();
        // It refuses whatever leads out of the folder.
        header.set_path(format!("{}/{path}", folder_name()))?;
        header.set_entry_type(kind);
        header.set_size(bytes);
        header.set_mode(if kind == EntryType::Directory {
            0o700
        } else {
            0o600
        });
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_cksum();
        self.send(header.as_bytes())
    }

    /// Sends the end of the tar file.
    fn finish(&mut self) -> io::Result<()> {
        self.send(&[0; 2 * BLOCK as usize])?;
        self.flush()
    }
}

/// The name of the data folder, in [`HOME`].
fn folder_name() -> String {
    data_folder().replace(&format!("{HOME}/"), "")
}

impl DataFolder for Writer {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        self.header(path, EntryType::Directory, 0)
    }

    fn begin(&mut self, path: &str, bytes: u64) -> io::Result<()> {
        self.left = (bytes, bytes.next_multiple_of(BLOCK) - bytes);
        self.header(path, EntryType::Regular, bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let rest = self.left.0.checked_sub(bytes.len() as u64);
        self.left.0 =
            rest.ok_or_else(|| io::Error::other("a file is longer than its entry says"))?;
        self.send(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        if self.left.0 > 0 {
            return Err(io::Error::other("a file is shorter than its entry says"));
        }
        let fill = usize::try_from(self.left.1).unwrap_or_default();
        self.send(&[0; BLOCK as usize][..fill])
    }
}

/// Ends the writing thread where nobody waits for it any more.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Container {
    /// Writes the data folder of a base backup to the volume of this server.
    pub(super) async fn write_base(
        &mut self,
        data: &Arc<dyn DataSource>,
    ) -> Result<(), CouldNotRun> {
        let unable = |why: String| {
            CouldNotRun::new(format!(
                "the data folder of the base backup cannot be written to a volume: {why}"
            ))
        };
        if self.by_port || self.storage != Storage::Volume {
            return Err(unable(
                "the server is reached by a port, or its data is in memory".to_owned(),
            )
            .hint(
                "leave `reach` and `storage` out of `[server.container]`, or use `[server.local]`",
            ));
        }
        let own = self.volume.clone();
        let own = own.ok_or_else(|| unable("the server has no volume".to_owned()))?;
        let mount = volume(&own, HOME, false, self.owned_labels());
        let (script, arguments) = (format!("{FIND}{ASK}"), vec![HOME.to_owned()]);
        let helped = self.help(script, arguments, vec![mount.clone()]).await?;
        let helped = helped.map_err(|error| unable(error.to_string()))?;
        let value = |name| helped.log.lines().find_map(|line| line.strip_prefix(name));
        let owner = value("redrill-user ").and_then(|ids| {
            let (user, group) = ids.split_once(' ')?;
            Some((user.parse().ok()?, group.parse().ok()?))
        });
        let (Some(bin), Some(owner)) = (value("redrill-bin "), owner) else {
            let last = helped.log.lines().next_back().unwrap_or("no message");
            return Err(unable(last.to_owned()));
        };
        let free = value("redrill-free ").and_then(|kib| kib.parse::<u64>().ok());
        if let Some(free) = free.map(|kib| kib * 1024)
            && free <= data.bytes()
        {
            return Err(CouldNotRun::with_hint(
                format!(
                    "the data folder of the base backup does not fit on the disk: {} needed, {} free",
                    show_bytes(data.bytes()),
                    show_bytes(free)
                ),
                "free some space on the disk of the container engine",
            ));
        }
        self.upload(data, owner, mount).await?;
        self.copy = Some(Copy {
            bin: bin.to_owned(),
            timeout: value("redrill-timeout ")
                .filter(|path| path.ends_with("/timeout"))
                .map(str::to_owned),
            denied: self.deny().map_err(|error| unable(error.to_string()))?,
        });
        self.bin.get_or_init(|| bin.to_owned());
        for (name, value) in data.settings() {
            self.arguments
                .extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        Ok(())
    }

    /// Sends the tar file to a container that has the volume and never starts.
    async fn upload(
        &self,
        data: &Arc<dyn DataSource>,
        owner: (u64, u64),
        mount: Mount,
    ) -> Result<(), CouldNotRun> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = Cancel(Arc::clone(&cancelled));
        let (to, mut pieces) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let source = Arc::clone(data);
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = Writer {
                to,
                cancelled,
                owner,
                piece: Vec::with_capacity(PIECE + (1 << 17)),
                left: (0, 0),
            };
            let written = writer
                .folder("")
                .map_err(|error| CouldNotRun::new(error.to_string()))
                .and_then(|()| source.write(&mut writer))
                .and_then(|()| {
                    writer
                        .finish()
                        .map_err(|error| CouldNotRun::new(error.to_string()))
                });
            if written.is_err() {
                // The engine must not take what is there for all of it.
                let _ = writer
                    .to
                    .blocking_send(Err(io::ErrorKind::Interrupted.into()));
            }
            written
        });
        let docker = self.docker.clone().with_timeout(WITHIN);
        let body = ContainerCreateBody {
            image: Some(self.image_id.clone()),
            labels: Some(self.owned_labels()),
            entrypoint: Some(vec!["/bin/false".to_owned()]),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let sent = self.unbroken(async move {
            let id = docker.create_container(None, body).await?.id;
            let options = UploadToContainerOptionsBuilder::new().path(HOME).build();
            let tar = stream::poll_fn(move |context| pieces.poll_recv(context));
            let sent = docker
                .upload_to_container(&id, Some(options), body_try_stream(tar))
                .await;
            let options = RemoveContainerOptionsBuilder::new().force(true).build();
            docker.remove_container(&id, Some(options)).await?;
            sent
        });
        let sent: Result<(), Error> = sent.await?;
        drop(cancel);
        let written = written.await;
        let written = written.unwrap_or_else(|error| Err(CouldNotRun::new(error.to_string())));
        match (written, sent) {
            (written, Ok(())) => written,
            // The error of the backup is the reason for that of the engine, unless it is the other way round.
            (Err(error), Err(_)) if !error.reason.contains(REFUSED) => Err(error),
            (_, Err(error)) => Err(CouldNotRun::with_hint(
                format!("the engine cannot write the data folder of the base backup: {error}"),
                "see the log of the container engine, and whether its disk is full",
            )),
        }
    }

    /// Waits for what the engine does. An engine that is interrupted does it all the same, so it is not dropped with this call:
    /// the end of the run waits for it and removes what it made.
    pub(super) async fn unbroken<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CouldNotRun> {
        let (sender, receiver) = oneshot::channel();
        let working = tokio::spawn(async move {
            // Nobody waits for it any more: `forget` removes it.
            let _ = sender.send(work.await);
        });
        engine::starting().insert(self.run.clone(), working);
        let done = receiver.await;
        done.map_err(|_| CouldNotRun::new("the container engine was given up"))
    }

    /// Asks the server to end its recovery. No code of the backup runs before that.
    pub(super) async fn ask_to_promote(&self) -> Result<(), CouldNotRun> {
        let bin = self.bin.get().cloned().unwrap_or_default();
        let (program, data) = (format!("{bin}/pg_ctl"), data_folder());
        let command = [program.as_str(), "promote", "-W", "-s", "-D", &data];
        let command = command.map(str::to_owned).into();
        let mut process = self.exec(command, "postgres", Vec::new(), false).await?;
        // It fails before the recovery has begun, and after it.
        process.end.wait().await?;
        Ok(())
    }
}
