//! Downloads one remote file: streamed, resumed after an interruption, given up after a while, and
//! never combined from two files.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use jiff::Timestamp;

use super::download::{Download, Received};
use super::found::Place;
use crate::http::cause;
use crate::outcome::CouldNotRun;
use crate::units::{show_bytes, show_duration};

/// The pauses before further attempts; after the last one it is given up.
const WAITS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Number of attempts for a server that has never answered.
const FIRST_TRIES: usize = 2;

/// After this many more bytes the attempts are counted from the beginning.
const ANEW: u64 = 256 * 1024 * 1024;

/// A connection without a byte for this long is dead.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// Limit for establishing a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// A server with the file.
#[async_trait]
pub(super) trait Remote: Send + Sync {
    /// Requests the bytes from `from` on, of the file that was `seen` before.
    async fn open(&self, from: u64, seen: Option<&Identity>) -> Result<Opened, Failure>;

    /// Queries the file without its bytes; `None` where that is not possible.
    async fn query(&self) -> Result<Option<Identity>, Failure>;

    /// Whether a replacement of the file during the download would be detected.
    fn may_resume(&self, seen: &Identity) -> bool {
        seen.tag.is_some()
    }
}

/// A response.
pub(super) struct Opened {
    /// Offset of the first byte: 0 when the server does not support ranges.
    pub from: u64,
    /// The file that the bytes are of.
    pub identity: Identity,
    /// The bytes.
    pub body: BoxStream<'static, Result<Bytes, Failure>>,
}

/// What distinguishes a file from another of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// The strong ETag.
    pub tag: Option<String>,
    /// Total bytes.
    pub size: Option<u64>,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// The SHA-256 that the server states, in hex.
    pub sha256: Option<String>,
}

impl Identity {
    /// Whether anything that both contain differs.
    pub fn differs(&self, other: &Self) -> bool {
        fn unlike<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_some() && other.is_some() && one != other
        }
        unlike(&self.tag, &other.tag)
            || unlike(&self.size, &other.size)
            || unlike(&self.modified, &other.modified)
    }
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt would fail too.
    Final(CouldNotRun),
    /// Another attempt may succeed.
    Passing(CouldNotRun),
}

/// The error that the file was replaced during the download.
pub(super) fn replaced() -> Failure {
    Failure::Final(CouldNotRun::with_hint(
        "it was replaced while it was read",
        "run the drill after the backup job, or give every backup its own name",
    ))
}

/// Downloads a file into the folder of the run.
///
/// # Errors
/// When it cannot be downloaded completely. Nothing of it is left then.
pub(super) async fn fetch(
    remote: &dyn Remote,
    place: &Place<'_>,
    name: &str,
) -> Result<(Received, Identity), CouldNotRun> {
    let mut download = Download::begin(place, name).await?;
    let mut seen = None;
    let (mut tries, mut counted) = (0, 0);
    loop {
        let error = match attempt(remote, &mut download, &mut seen).await {
            Ok(()) => break,
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(error)) => error,
        };
        if download.bytes >= counted + ANEW {
            (tries, counted) = (0, download.bytes);
        }
        let limit = if seen.is_some() {
            WAITS.len()
        } else {
            FIRST_TRIES
        };
        if tries == limit {
            return Err(gave_up(error, tries + 1, download.bytes));
        }
        tokio::time::sleep(WAITS[tries]).await;
        tries += 1;
    }
    let seen = seen.unwrap_or_default();
    match remote.query().await {
        Ok(Some(now)) if seen.differs(&now) => return Err(only(replaced())),
        Ok(_) => {}
        Err(failure) => return Err(only(failure)),
    }
    Ok((download.end().await?, seen))
}

/// The error in a failure.
pub(super) fn only(failure: Failure) -> CouldNotRun {
    match failure {
        Failure::Final(error) | Failure::Passing(error) => error,
    }
}

fn gave_up(error: CouldNotRun, tries: usize, bytes: u64) -> CouldNotRun {
    let after = if bytes > 0 {
        format!(", at the end after {}", show_bytes(bytes))
    } else {
        String::new()
    };
    CouldNotRun {
        reason: format!("{} (tried {tries} times{after})", error.reason),
        ..error
    }
}

/// Opens the file once and stores the bytes.
async fn attempt(
    remote: &dyn Remote,
    download: &mut Download,
    seen: &mut Option<Identity>,
) -> Result<(), Failure> {
    // Without an identification of the file the download begins again.
    if let Some(before) = seen.as_ref().filter(|_| download.bytes > 0)
        && !remote.may_resume(before)
    {
        download.restart().await.map_err(Failure::Final)?;
        *seen = None;
    }
    let from = download.bytes;
    let opened = within_stall(remote.open(from, seen.as_ref().filter(|_| from > 0))).await??;
    if from > 0
        && seen
            .as_ref()
            .is_some_and(|before| before.differs(&opened.identity))
    {
        return Err(replaced());
    }
    if opened.from != from {
        download.restart().await.map_err(Failure::Final)?;
    }
    let total = opened.identity.size;
    *seen = Some(opened.identity);
    download.expect(total).map_err(Failure::Final)?;
    let mut body = opened.body;
    while let Some(chunk) = within_stall(body.next()).await? {
        download.write(&chunk?).await.map_err(Failure::Final)?;
        if total.is_some_and(|total| download.bytes > total) {
            return Err(Failure::Final(CouldNotRun::with_hint(
                "more bytes were received than announced",
                "check the server and the proxies between it and this machine",
            )));
        }
    }
    match total {
        Some(total) if download.bytes < total => Err(Failure::Passing(CouldNotRun::with_hint(
            format!(
                "it was interrupted after {} of {} bytes",
                download.bytes, total
            ),
            "check the server and the network between it and this machine",
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Waits for an answer within a limit.
async fn within_stall<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(STALL + CONNECT, work)
        .await
        .map_err(|_| {
            Failure::Passing(CouldNotRun::with_hint(
                format!(
                    "no byte was received for {}",
                    show_duration(STALL + CONNECT)
                ),
                "check the server and the network between it and this machine",
            ))
        })
}

/// The error that a server cannot be reached.
pub(super) fn unreachable(host: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Passing(CouldNotRun::with_hint(
        format!("cannot reach {host}: {}", cause(error)),
        "check the address and that this machine may reach it; set `ca` for certificates of a private authority",
    ))
}
