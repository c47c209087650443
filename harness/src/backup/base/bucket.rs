//! Archived WAL in a bucket: listed once, and fetched file by file when it is read.
//!
//! What the listing does not have is not there, so nothing is asked for twice. The requests are made in the future of the inspection, so
//! that an interrupt ends both; the thread that reads the WAL asks for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use basebackup::wal::history;
use basebackup::wal::segment::Segment;
use tokio::sync::mpsc;

use super::fetch::{ReplySender, ask};
use super::segments::{Fetched, WalKind, kind_of};
use crate::backup::files::base_name;
use crate::backup::source::settings::S3Folder;
use crate::backup::source::{Listed, Listing, Place};
use crate::event::{Event, Listener};
use crate::outcome::CouldNotRun;
use crate::units::show_bytes;

/// Listed files by what they are, at most one of each segment and timeline.
#[derive(Debug, Default)]
struct ListedWal {
    segments: BTreeMap<Segment, Listed>,
    histories: BTreeMap<u32, Listed>,
    /// Names of segments that are not complete.
    partial: Vec<String>,
}

/// A request of the thread that reads the WAL.
enum BucketRequest {
    /// The files of WAL, of segments of `size` bytes those from a number on.
    List {
        size: u32,
        from: u64,
        reply: ReplySender<ListedWal>,
    },
    /// One of them, which has at most so many bytes.
    Fetch {
        file: Listed,
        most: u64,
        reply: ReplySender<PathBuf>,
    },
}

/// The files of a bucket, as the thread that reads the WAL has them.
pub struct WalBucket {
    shown: String,
    requests: mpsc::Sender<BucketRequest>,
    /// Bytes of a segment.
    size: u32,
    files: ListedWal,
    fetched: u64,
    duration: Duration,
}

impl WalBucket {
    /// Lists the files from the first segment of the recovery on; returns the names of segments that are not complete.
    ///
    /// # Errors
    /// The storage does not answer, or has no file of WAL there.
    pub(super) fn list(&mut self, size: u32, start: Segment) -> Result<Vec<String>, CouldNotRun> {
        let began = Instant::now();
        let from = start.number;
        self.size = size;
        self.files = ask(&self.requests, |reply| BucketRequest::List {
            size,
            from,
            reply,
        })?;
        self.duration += began.elapsed();
        Ok(std::mem::take(&mut self.files.partial))
    }

    /// Fetches a segment: its name without endings, and its place. `None` where there is none.
    ///
    /// # Errors
    /// The storage does not give it.
    pub(super) fn segment(
        &mut self,
        segment: Segment,
    ) -> Result<Option<(String, PathBuf)>, CouldNotRun> {
        let Some(file) = self.files.segments.remove(&segment) else {
            return Ok(None);
        };
        let path = self.fetch(file, most_stored(self.size))?;
        Ok(Some((segment.name(self.size), path)))
    }

    /// Fetches the histories of timelines after that of `start`, or only that of `wanted`.
    ///
    /// # Errors
    /// The storage does not give one.
    pub(super) fn histories(
        &mut self,
        start: Segment,
        wanted: Option<u32>,
    ) -> Result<Vec<(u32, PathBuf)>, CouldNotRun> {
        let newer = std::mem::take(&mut self.files.histories).into_iter();
        newer
            .filter(|(timeline, _)| {
                wanted.map_or(*timeline > start.timeline, |one| one == *timeline)
            })
            .map(|(timeline, file)| Ok((timeline, self.fetch(file, history::LONGEST)?)))
            .collect()
    }

    /// The segments that were not fetched.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.files.segments.keys()
    }

    /// What was fetched.
    pub(super) fn fetched(&self) -> Fetched {
        Fetched {
            origin: self.shown.clone(),
            files: self.fetched,
            duration: self.duration,
        }
    }

    fn fetch(&mut self, file: Listed, most: u64) -> Result<PathBuf, CouldNotRun> {
        let began = Instant::now();
        let path = ask(&self.requests, |reply| BucketRequest::Fetch {
            file,
            most,
            reply,
        })?;
        self.fetched += 1;
        self.duration += began.elapsed();
        Ok(path)
    }
}

/// The most bytes of a stored segment: what cannot be compressed becomes a little longer.
fn most_stored(size: u32) -> u64 {
    u64::from(size) + u64::from(size) / 8 + (64 << 10)
}

/// Carries out the requests. Dropping it ends them.
pub struct WalStorage<'a> {
    settings: &'a S3Folder,
    place: &'a Place<'a>,
    /// Where the files are.
    spool: PathBuf,
    /// The listing, whose client fetches too.
    listing: Option<Listing>,
    /// Bytes so far.
    bytes: u64,
    requests: mpsc::Receiver<BucketRequest>,
}

impl<'a> WalStorage<'a> {
    /// The storage, and what asks it from another thread.
    pub fn new(settings: &'a S3Folder, place: &'a Place<'a>) -> (Self, WalBucket) {
        let (sender, requests) = mpsc::channel(1);
        let storage = Self {
            settings,
            place,
            spool: place.spool.join("wal"),
            listing: None,
            bytes: 0,
            requests,
        };
        let bucket = WalBucket {
            shown: settings.shown(),
            requests: sender,
            size: 0,
            files: ListedWal::default(),
            fetched: 0,
            duration: Duration::ZERO,
        };
        (storage, bucket)
    }

    /// Answers until nobody asks any more.
    pub async fn serve(mut self) {
        while let Some(request) = self.requests.recv().await {
            // The thread that asked may have ended.
            match request {
                BucketRequest::List { size, from, reply } => {
                    let _ = reply.send(self.list(size, from).await);
                }
                BucketRequest::Fetch { file, most, reply } => {
                    let _ = reply.send(self.fetch(&file, most).await);
                }
            }
        }
    }

    async fn list(&mut self, size: u32, from: u64) -> Result<ListedWal, CouldNotRun> {
        let mut listing =
            Listing::open(&self.settings.storage(), &self.settings.prefix, self.place)?;
        let (mut files, mut has_wal) = (ListedWal::default(), false);
        while let Some(file) = listing.next().await? {
            let Some((name, kind)) = kind_of(base_name(&file.key), size) else {
                continue;
            };
            has_wal = true;
            match kind {
                WalKind::Segment(segment) if segment.number >= from => {
                    files.segments.entry(segment).or_insert(file);
                }
                // Before the backup.
                WalKind::Segment(_) => {}
                WalKind::History(timeline) => {
                    files.histories.entry(timeline).or_insert(file);
                }
                WalKind::Partial => files.partial.push(name.to_owned()),
            }
        }
        self.listing = Some(listing);
        if !has_wal {
            return Err(CouldNotRun::with_hint(
                format!("{} has no file of WAL", self.settings.shown()),
                "correct `bucket` and `prefix` in `[backup.wal.s3]`: the objects have the names that `archive_command` gave them, such as `000000010000000000000005.zst`",
            ));
        }
        Ok(files)
    }

    async fn fetch(&mut self, file: &Listed, most: u64) -> Result<PathBuf, CouldNotRun> {
        if file.bytes > most {
            return Err(CouldNotRun::with_hint(
                format!(
                    "s3://{}/{} has {}, where at most {} are expected",
                    self.settings.bucket,
                    file.key,
                    show_bytes(file.bytes),
                    show_bytes(most)
                ),
                "it is no file of WAL: find out what wrote it, and remove it",
            ));
        }
        let silent: Listener = Arc::new(|_| {});
        let place = Place {
            spool: &self.spool,
            listener: &silent,
            ..*self.place
        };
        let listing = self.listing.as_mut();
        let listing = listing.ok_or_else(|| CouldNotRun::new("nothing was listed"))?;
        let path = listing.fetch(file, &place).await?;
        self.bytes += file.bytes;
        (self.place.listener)(Event::Fetched {
            bytes: self.bytes,
            total: None,
        });
        Ok(path)
    }
}
