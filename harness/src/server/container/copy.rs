//! The data of a container as a volume, and copies of it.
//!
//! A container of its own copies it, before the server starts. Links in the data lead nowhere but in the container that has the
//! copy, which is as isolated as the one that made them.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::Mount;
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;

use super::helper::{Helped, Helper};
use super::request::volume;
use super::{Container, HOME, Machine as _};
use crate::cleanup::Run;
use crate::outcome::CouldNotRun;
use crate::server::snapshot::{Data, volume_prefix};

/// Where the container that copies reads the data.
const FROM: &str = "/redrill/snapshot";
/// The file of the run that takes the place of each shell.
const DENIED: &str = "denied";

/// Limit of a shutdown, which writes what is in the memory of the server.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(300);

/// Copies the data folder `$1` to `$PGDATA`, sharing blocks where the file system can. `$2` is the folder of the programs. Of the WAL
/// of a server that was shut down, which was all applied, only the segment with its last record and the next four are copied.
const COPY: &str = r#"
set -e
umask 077
state=$(LC_ALL=C "$2/pg_controldata" "$1" 2> /dev/null || :)
redo=$(echo "$state" | sed -n "s/^Latest checkpoint's REDO WAL file: *//p")
case $state in
    *"cluster state: "*"shut down"*) ;;
    *) redo= ;;
esac
[ -n "$redo" ] && [ -f "$1/pg_wal/$redo" ] || redo=
segments() {
    ls "$1/pg_wal" | grep -x '[0-9A-F]\{24\}' | LC_ALL=C sort | grep -x -A 4 "$redo"
}
need=$(du -sk "$1" | cut -f1)
if [ -n "$redo" ]; then
    all=$(du -sk "$1/pg_wal" | cut -f1)
    need=$((need - all + $(segments "$1" | wc -l) * 16384))
fi
echo "redrill-kib $need"
echo "redrill-timeout $(readlink -f "$(command -v timeout)")"
mkdir "$PGDATA"
if ! cp --reflink=always "$1/PG_VERSION" "$PGDATA" 2> /dev/null; then
    set -- "$1" $(df -Pk "$PGDATA" | tail -n 1)
    if [ "$5" -le "$need" ]; then
        echo "redrill-full $need KiB needed, $5 KiB free"
        exit 1
    fi
fi
copy() {
    cp -a --reflink=auto "$@" 2> /dev/null || cp -a "$@"
}
if [ -z "$redo" ]; then
    copy "$1/." "$PGDATA"
    exit
fi
for entry in "$1"/* "$1"/.[!.]*; do
    name=${entry##*/}
    [ "$name" = pg_wal ] || [ ! -e "$entry" ] && [ ! -L "$entry" ] || copy "$entry" "$PGDATA"
done
mkdir "$PGDATA/pg_wal"
for name in $(ls "$1/pg_wal" | grep -v -x '[0-9A-F]\{24\}') $(segments "$1"); do
    copy "$1/pg_wal/$name" "$PGDATA/pg_wal"
done
"#;

/// What the container of a copy needs.
pub(super) struct Copy {
    /// The folder of the programs in the image.
    pub bin: String,
    /// The program by which the server ends by itself; `None` where it is one of those that are denied.
    pub timeout: Option<String>,
    /// A file without any right, which is mounted over each shell.
    pub denied: PathBuf,
}

/// The data folder, on its volume.
pub(super) fn data_folder() -> String {
    format!("{HOME}/redrill")
}

/// A name for a volume of a run.
pub(super) fn new_volume(run: &Run) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // A run that was handed over has volumes of two processes.
    format!("{}{}-{number}", volume_prefix(&run.id), std::process::id())
}

impl Container {
    /// Makes the file that takes the place of each shell.
    pub(super) fn deny(&self) -> io::Result<PathBuf> {
        let denied = self.folder.join(DENIED);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o000)
            .open(&denied)?;
        Ok(denied)
    }

    /// Runs a script on volumes, in a container of the image of this server. The inner error is one of the engine.
    pub(super) async fn help(
        &self,
        script: String,
        arguments: Vec<String>,
        mounts: Vec<Mount>,
    ) -> Result<Result<Helped, Error>, CouldNotRun> {
        let helper = Helper {
            image: self.image_id.clone(),
            script,
            arguments,
            data: data_folder(),
            mounts,
            labels: self.owned_labels(),
        };
        let docker = self.docker.clone();
        self.unbroken(async move { helper.run(&docker).await })
            .await
    }

    /// Copies the data of the volume `from`, made with the programs in `bin`, to that of this server; returns its bytes.
    pub(super) async fn copy_volume(&mut self, from: &str, bin: &str) -> Result<u64, CouldNotRun> {
        let unable = |why: String| {
            CouldNotRun::new(format!("the data of the server cannot be copied: {why}"))
        };
        let own = self.volume.as_ref();
        let own = own.ok_or_else(|| unable("the copy has no volume".to_owned()))?;
        let denied = self.deny().map_err(|error| unable(error.to_string()))?;
        let arguments = vec![data_folder().replace(HOME, FROM), bin.to_owned()];
        let mounts = vec![
            volume(from, FROM, true, HashMap::new()),
            volume(own, HOME, false, self.owned_labels()),
        ];
        let helped = self.help(COPY.to_owned(), arguments, mounts).await?;
        let helped = helped.map_err(|error| unable(error.to_string()))?;
        let value = |name| helped.log.lines().find_map(|line| line.strip_prefix(name));
        if let Some(why) = value("redrill-full ") {
            return Err(CouldNotRun::with_hint(
                format!("a copy of the data of the server does not fit on the disk: {why}"),
                "free some space on the disk of the container engine",
            ));
        }
        if !helped.succeeded {
            let last = helped.log.lines().next_back().unwrap_or("no message");
            return Err(unable(last.to_owned()));
        }
        self.copy = Some(Copy {
            bin: bin.to_owned(),
            timeout: value("redrill-timeout ")
                .filter(|path| path.ends_with("/timeout"))
                .map(str::to_owned),
            denied,
        });
        self.bin.get_or_init(|| bin.to_owned());
        let kib = value("redrill-kib ").and_then(|kib| kib.parse::<u64>().ok());
        Ok(kib.unwrap_or_default() * 1024)
    }

    /// Shuts the server down and removes its container, but not the volume.
    pub(super) async fn give_up_volume(&mut self) -> Result<Data, CouldNotRun> {
        if self.by_port {
            return Err(CouldNotRun::with_hint(
                "a server that is reached by a port cannot be copied",
                "use an engine of this machine, or `[server.local]`",
            ));
        }
        let name = self.volume.clone().filter(|_| {
            // A scenario may set it.
            self.storage == crate::server::settings::Storage::Volume
        });
        let name = name.ok_or_else(|| {
            CouldNotRun::with_hint(
                "the data of the server is in memory, and cannot be copied from there",
                "remove `storage = \"memory\"` from `[server.container]`",
            )
        })?;
        if let Some(why) = self.ended().await {
            return Err(CouldNotRun::new(format!(
                "the server has already ended: {why}"
            )));
        }
        let cannot =
            |why: String| CouldNotRun::new(format!("the server cannot be shut down: {why}"));
        let id = self.id()?.to_owned();
        let options = KillContainerOptionsBuilder::new().signal("SIGINT").build();
        let killed = self.docker.kill_container(&id, Some(options)).await;
        killed.map_err(|error| cannot(error.to_string()))?;
        let mut waiting = self.docker.wait_container(&id, None);
        match tokio::time::timeout(SHUTDOWN_WITHIN, waiting.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(cannot(error.to_string())),
            Ok(None) => return Err(cannot("the engine lost it".to_owned())),
            Err(_) => {
                return Err(cannot(format!("it did not end within {SHUTDOWN_WITHIN:?}")));
            }
        }
        self.held = None;
        if let Some(container) = self.container.take() {
            container.rm().await.map_err(|error| {
                CouldNotRun::new(format!("cannot remove the container: {error}"))
            })?;
        }
        let removed = self.socket.remove();
        removed.map_err(|error| {
            CouldNotRun::new(format!("cannot remove the folders of the socket: {error}"))
        })?;
        Ok(Data::Volume {
            name,
            image: self.image.clone(),
            bin: self.bin.get().cloned().unwrap_or_default(),
        })
    }
}
