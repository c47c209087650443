//! How one remote file comes to this machine: streamed, resumed where it was cut, given up after a
//! while, and never put together from two files.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use jiff::Timestamp;

use super::download::{Download, Received};
use super::{Place, SourceError};
use crate::units::{show_bytes, show_duration};

/// The pauses before the next tries; after the last one it is given up.
const WAITS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// So many tries are spent on what has not answered even once.
const FIRST_TRIES: usize = 2;

/// After so many more bytes the tries are counted anew.
const ANEW: u64 = 256 * 1024 * 1024;

/// A connection without a byte for this long is dead.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// How long a connection may take to be made.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Whoever has the file.
#[async_trait]
pub(super) trait Remote: Send + Sync {
    /// Asks for the bytes from `from` on, of the file that was `seen` before.
    async fn open(&self, from: u64, seen: Option<&Identity>) -> Result<Opened, Failure>;

    /// Looks at the file without its bytes; `None` where that is not possible.
    async fn look(&self) -> Result<Option<Identity>, Failure>;

    /// Whether the end of another file would be noticed behind this one's beginning.
    fn may_resume(&self, seen: &Identity) -> bool {
        seen.tag.is_some()
    }
}

/// Bytes on their way.
pub(super) struct Opened {
    /// Where they begin: 0 when the server does not know ranges.
    pub from: u64,
    /// The file that they are of.
    pub identity: Identity,
    /// The bytes.
    pub body: BoxStream<'static, Result<Bytes, Failure>>,
}

/// What tells one file from another of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// The strong ETag.
    pub tag: Option<String>,
    /// Bytes in all.
    pub size: Option<u64>,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// The SHA-256 that the server states, in hex.
    pub sha256: Option<String>,
}

impl Identity {
    /// Tells whether something that both know differs.
    pub fn differs(&self, other: &Self) -> bool {
        fn unlike<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_some() && other.is_some() && one != other
        }
        unlike(&self.tag, &other.tag)
            || unlike(&self.size, &other.size)
            || unlike(&self.modified, &other.modified)
    }
}

/// Why bytes did not come.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again changes nothing.
    Final(SourceError),
    /// It may pass.
    Passing(SourceError),
}

/// What was fetched is not one file.
pub(super) fn replaced() -> Failure {
    Failure::Final(SourceError::new(
        "it was replaced while it was read",
        "drill when the backup job is done, or let every backup have a name of its own",
    ))
}

/// Fetches a file into the run's folder.
///
/// # Errors
/// When it cannot be had whole. Nothing of it is left then.
pub(super) async fn fetch(
    remote: &dyn Remote,
    place: &Place<'_>,
    name: &str,
) -> Result<(Received, Identity), SourceError> {
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
    match remote.look().await {
        Ok(Some(now)) if seen.differs(&now) => return Err(only(replaced())),
        Ok(_) => {}
        Err(failure) => return Err(only(failure)),
    }
    Ok((download.end().await?, seen))
}

/// The error in a failure.
pub(super) fn only(failure: Failure) -> SourceError {
    match failure {
        Failure::Final(error) | Failure::Passing(error) => error,
    }
}

fn gave_up(error: SourceError, tries: usize, bytes: u64) -> SourceError {
    let after = if bytes > 0 {
        format!(", at the end after {}", show_bytes(bytes))
    } else {
        String::new()
    };
    SourceError {
        reason: format!("{} (tried {tries} times{after})", error.reason),
        ..error
    }
}

/// Opens the file once and takes what comes.
async fn attempt(
    remote: &dyn Remote,
    download: &mut Download,
    seen: &mut Option<Identity>,
) -> Result<(), Failure> {
    // Without a mark that tells files apart it is begun anew.
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
            return Err(Failure::Final(SourceError::new(
                "more bytes came than were announced",
                "look at the server and at what stands between it and this machine",
            )));
        }
    }
    match total {
        Some(total) if download.bytes < total => Err(Failure::Passing(SourceError::new(
            format!("it was cut off after {} of {} bytes", download.bytes, total),
            "look at the server and at the network between it and this machine",
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Waits for an answer, but not forever.
async fn within_stall<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(STALL + CONNECT, work)
        .await
        .map_err(|_| {
            Failure::Passing(SourceError::new(
                format!("no byte came for {}", show_duration(STALL + CONNECT)),
                "look at the server and at the network between it and this machine",
            ))
        })
}

/// The innermost cause of an error: outer ones repeat addresses, which may hold secrets.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What to do when a server is not reached.
pub(super) fn unreachable(host: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Passing(SourceError::new(
        format!("cannot reach {host}: {}", cause(error)),
        "see that the address is right and that this machine may reach it; certificates of an authority of your own go into `ca`",
    ))
}

/// Reads the certificates of `ca`.
pub(super) fn read_ca(place: &Place<'_>, ca: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(place.folder.join(ca)).map_err(|error| bad_ca(ca, &error))
}

/// `ca` is not what it should be.
pub(super) fn bad_ca(ca: &Path, error: &dyn std::error::Error) -> SourceError {
    SourceError::new(
        format!(
            "cannot read the certificates in {}: {}",
            ca.display(),
            cause(error)
        ),
        "`ca` is a file of certificates in PEM, relative to the scenario file",
    )
}
