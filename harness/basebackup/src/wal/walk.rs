//! Reads WAL record by record, as a recovery does: each must follow the one before and have the right checksum.
//!
//! A recovery ends where no valid record follows, and says so as if that were the end. So whatever is not a clean end is a
//! fault here, with its place.

use std::io::{self, Read};

use crc_fast::{CrcAlgorithm, Digest};

use super::history::Path;
use super::record::{Event, HEADER};
use super::segment::{CONTINUES, OVERWRITES, Page, Segment, Source};
use crate::bytes::{u32_at, u64_at};
use crate::{Fault, Lsn};

/// Bytes of a record that are kept to read what it says.
const KEPT: usize = 4096;
/// Longest record that the server writes.
const LONGEST: u32 = 1020 << 20;

/// A record that was verified.
#[derive(Debug)]
pub struct Record {
    /// Its first byte.
    pub at: Lsn,
    /// The byte after it, aligned.
    pub end: Lsn,
    /// What it says.
    pub event: Event,
}

/// How a segment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// At its last byte: the next segment follows.
    Full,
    /// Nothing was written from this place on.
    Here(Lsn),
}

/// Walks over segments that follow each other.
pub struct Walk {
    source: Source,
    /// The timelines that it follows.
    path: Path,
    /// The next byte to be read.
    next: Lsn,
    /// Whether the walk has reached its start.
    began: bool,
    previous: Option<Lsn>,
    open: Option<Open>,
    /// Records that were read.
    pub records: u64,
    /// The end of the last record.
    pub end: Lsn,
}

/// A record that is being read.
struct Open {
    at: Lsn,
    length: u32,
    left: u32,
    head: Vec<u8>,
    crc: Digest,
}

impl Open {
    fn new(at: Lsn, length: u32) -> Self {
        Self {
            at,
            length,
            left: length,
            head: Vec::new(),
            crc: Digest::new(CrcAlgorithm::Crc32Iscsi),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let done = (self.length - self.left) as usize;
        // The header is summed last.
        let after = HEADER.saturating_sub(done).min(bytes.len());
        self.crc.update(&bytes[after..]);
        let room = (HEADER + KEPT).saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.left -= u32::try_from(bytes.len()).unwrap_or(self.left);
    }

    fn is_intact(&mut self) -> bool {
        self.crc.update(&self.head[..20]);
        self.crc.finalize() == u64::from(u32_at(&self.head, 20))
    }
}

fn aligned(at: u64) -> u64 {
    at.saturating_add(7) & !7
}

impl Walk {
    /// Begins at the first byte of a record, and follows these timelines.
    #[must_use]
    pub fn new(source: Source, path: Path, start: Lsn) -> Self {
        Self {
            source,
            path,
            next: start,
            began: false,
            previous: None,
            open: None,
            records: 0,
            end: start,
        }
    }

    /// Whether a record is open that the next segment continues.
    #[must_use]
    pub fn is_within_record(&self) -> bool {
        self.open.is_some()
    }

    /// Reads the next segment; `each` gets its records and says whether to go on.
    ///
    /// # Errors
    /// The outer error is that of the reader. The inner one is a fault: the file is too short or too long, of another cluster or
    /// place, or has a record that is none.
    pub fn segment(
        &mut self,
        name: &str,
        segment: Segment,
        reader: &mut dyn Read,
        each: &mut dyn FnMut(Record) -> bool,
    ) -> io::Result<Result<Ended, Fault>> {
        let (size, block) = (self.source.segment_size, self.source.block_size as usize);
        let begin = segment.start(size);
        let mut page = vec![0; block];
        let mut ended = None;
        let mut going = true;
        let mut nonzero_after_end = false;
        for number in 0..u64::from(size) / block as u64 {
            let filled = fill(reader, &mut page)?;
            if filled < block {
                let bytes = number * block as u64 + filled as u64;
                return Ok(Err(Fault::new(
                    name,
                    format!("{size} bytes"),
                    format!("{bytes} bytes: it was truncated, or is not complete yet"),
                )));
            }
            let address = Lsn(begin.0 + number * block as u64);
            if number == 0
                && let Err(fault) = self.source.verify(name, segment, &page)
            {
                return Ok(Err(fault));
            }
            if !going {
                continue;
            }
            if ended.is_some() {
                // Pages of an older segment that was used again have older addresses.
                let head = Page::parse(&page);
                nonzero_after_end |= head.address == address;
                continue;
            }
            if address.0 + block as u64 <= self.next.0 && !self.began {
                continue;
            }
            match self.page((name, segment), address, &page, each) {
                Ok(Step::On) => {}
                Ok(Step::Stop) => going = false,
                Ok(Step::SegmentOver) => {
                    // Nothing of the rest of this segment is used.
                    self.next = Lsn(begin.0 + u64::from(size));
                    going = false;
                }
                Ok(Step::End(at)) => ended = Some(at),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        if fill(reader, &mut page[..1])? > 0 {
            return Ok(Err(Fault::new(
                name,
                format!("{size} bytes"),
                "more bytes than a segment has",
            )));
        }
        Ok(Ok(match ended {
            Some(at) if nonzero_after_end => {
                return Ok(Err(Fault::new(
                    name,
                    format!("a record at {at}"),
                    "zeros, and pages with WAL after them",
                )));
            }
            Some(at) => Ended::Here(at),
            None => Ended::Full,
        }))
    }

    fn page(
        &mut self,
        (name, segment): (&str, Segment),
        address: Lsn,
        page: &[u8],
        each: &mut dyn FnMut(Record) -> bool,
    ) -> Result<Step, Fault> {
        let head = Page::parse(page);
        let fault =
            |at: Lsn, found: &str| Err(Fault::new(name, format!("a valid record at {at}"), found));
        // A page that was never written, or an older one of a segment that is used again.
        if head.address != address || head.magic == 0 {
            let is_unwritten = page.iter().all(|byte| *byte == 0);
            if is_unwritten || (head.address < address && head.magic != 0) {
                return Ok(Step::End(
                    self.open.as_ref().map_or(address, |open| open.at),
                ));
            }
            return fault(address, "a page with another address");
        }
        let other = |at: Lsn, expected: u32, found: u32| {
            Err(Fault::new(
                name,
                format!("WAL of timeline {expected} at {at}"),
                format!("WAL of timeline {found}"),
            ))
        };
        let timeline = self.path.timeline_at(address);
        if head.timeline != timeline {
            return other(address, timeline, head.timeline);
        }
        let mut at = head.header();
        if let Some(open) = &self.open {
            if head.info & OVERWRITES != 0 {
                // The server lost the rest of that record in a crash and says so.
                self.open = None;
            } else if head.info & CONTINUES == 0 || head.remaining != open.left {
                let at = open.at;
                return fault(at, "a record that its next page does not continue");
            }
        }
        if !self.began {
            self.began = true;
            at = at.max(usize::try_from(self.next.0.saturating_sub(address.0)).unwrap_or(at));
            if head.info & CONTINUES != 0 && self.next <= Lsn(address.0 + head.header() as u64) {
                // The start is after the rest of a record.
                at = usize::try_from(aligned(at as u64 + u64::from(head.remaining)))
                    .unwrap_or(page.len());
            }
        }
        loop {
            if let Some(open) = &mut self.open {
                let bytes = (open.left as usize).min(page.len().saturating_sub(at));
                open.take(&page[at..at + bytes]);
                at += bytes;
                if open.left > 0 {
                    return Ok(Step::On);
                }
                at = usize::try_from(aligned(at as u64)).unwrap_or(page.len());
                let Some(mut open) = self.open.take() else {
                    return Ok(Step::On);
                };
                if !open.is_intact() {
                    return fault(open.at, "a record with a wrong checksum");
                }
                let previous = Lsn(u64_at(&open.head, 8));
                if self.previous.is_some_and(|last| last != previous) {
                    return fault(open.at, "a record that does not follow the one before it");
                }
                self.previous = Some(open.at);
                self.records += 1;
                self.end = Lsn(address.0 + at as u64);
                let event = Event::of(&open.head[..HEADER], &open.head[HEADER..]);
                let is_switch = event == Event::Switch;
                let record = Record {
                    at: open.at,
                    end: self.end,
                    event,
                };
                if !each(record) {
                    return Ok(Step::Stop);
                }
                if is_switch {
                    return Ok(Step::SegmentOver);
                }
            }
            if at >= page.len() {
                return Ok(Step::On);
            }
            let here = Lsn(address.0 + at as u64);
            let length = u32_at(page, at);
            if length == 0 {
                let rest_is_unused = page[at..].iter().all(|byte| *byte == 0);
                return match rest_is_unused {
                    true => Ok(Step::End(here)),
                    false => fault(here, "zeros, and more bytes after them"),
                };
            }
            if (length as usize) < HEADER || length > LONGEST {
                return fault(here, "bytes that are no record");
            }
            // The rest of the page on which a timeline was left.
            let timeline = self.path.timeline_at(here);
            if timeline > segment.timeline {
                return other(here, timeline, segment.timeline);
            }
            self.open = Some(Open::new(here, length));
        }
    }
}

enum Step {
    On,
    /// The caller has seen enough.
    Stop,
    /// The rest of the segment is not used.
    SegmentOver,
    /// Nothing was written from this place on.
    End(Lsn),
}

/// Reads until the buffer is full or the reader ends; returns the number of bytes.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
