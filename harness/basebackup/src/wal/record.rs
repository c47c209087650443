//! What a record says that matters to a recovery: the end of a transaction, a restore point, the end of a backup.

use jiff::Timestamp;

use crate::Lsn;
use crate::bytes::{u32_at, u64_at};

/// Bytes of the header of a record.
pub const HEADER: usize = 24;
/// Seconds from 1970 to 2000, where the clock of PostgreSQL begins.
const EPOCH: i64 = 946_684_800;

/// A record that a recovery may stop at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The end of a transaction.
    Ended {
        /// The transaction; of a prepared one, that of its rows.
        transaction: u32,
        /// Whether it was committed.
        committed: bool,
        /// When, by the clock of the source.
        time: Option<Timestamp>,
    },
    /// `pg_create_restore_point`.
    RestorePoint {
        /// Its name.
        name: String,
    },
    /// The end of a base backup that began at this place: it is consistent from here on.
    BackupEnd {
        /// Where it began.
        start: Lsn,
    },
    /// The rest of the segment is not used.
    Switch,
    /// Anything else.
    Other,
}

impl Event {
    /// Reads a record: its header, and what follows, of which the end may be missing.
    #[must_use]
    pub fn of(header: &[u8], body: &[u8]) -> Self {
        let (info, manager) = (header[16], header[17]);
        match (manager, info & 0xF0) {
            (0, 0x40) => Self::Switch,
            (0, 0x50) => match data(body) {
                Some(data) => Self::BackupEnd {
                    start: Lsn(u64_at(data, 0)),
                },
                None => Self::Other,
            },
            (0, 0x70) => match data(body) {
                Some(data) if data.len() > 8 => {
                    let name = &data[8..];
                    let end = name.iter().position(|byte| *byte == 0);
                    let name = &name[..end.unwrap_or(name.len())];
                    Self::RestorePoint {
                        name: String::from_utf8_lossy(name).into_owned(),
                    }
                }
                _ => Self::Other,
            },
            (1, _) => {
                let committed = match info & 0x70 {
                    0x00 | 0x30 => true,
                    0x20 | 0x40 => false,
                    _ => return Self::Other,
                };
                let data = data(body).unwrap_or_default();
                let time = (data.len() >= 8).then(|| time(u64_at(data, 0))).flatten();
                let prepared = matches!(info & 0x70, 0x30 | 0x40);
                let own = u32_at(header, 4);
                Self::Ended {
                    transaction: match prepared {
                        true => prepared_transaction(info, data).unwrap_or(own),
                        false => own,
                    },
                    committed,
                    time,
                }
            }
            _ => Self::Other,
        }
    }
}

/// The transaction of `COMMIT PREPARED` and `ROLLBACK PREPARED`.
fn prepared_transaction(info: u8, data: &[u8]) -> Option<u32> {
    const HAS_INFO: u8 = 0x80;
    if info & HAS_INFO == 0 {
        return None;
    }
    let flags = u32_at(data, 8);
    let mut at: usize = 12;
    let count = |at: usize| usize::try_from(u32_at(data, at)).unwrap_or(usize::MAX);
    // Database and tablespace; subtransactions; files to remove; invalidations (only of a commit); dropped statistics.
    if flags & 1 != 0 {
        at = at.checked_add(8)?;
    }
    if flags & 2 != 0 {
        at = at.checked_add(count(at).checked_mul(4)?.checked_add(4)?)?;
    }
    if flags & 4 != 0 {
        at = at.checked_add(count(at).checked_mul(12)?.checked_add(4)?)?;
    }
    if flags & 0x100 != 0 {
        at = at.checked_add(count(at).checked_mul(12)?.checked_add(4)?)?;
    }
    if flags & 8 != 0 {
        at = at.checked_add(count(at).checked_mul(16)?.checked_add(4)?)?;
    }
    (flags & 0x10 != 0 && data.len() >= at.checked_add(4)?).then(|| u32_at(data, at))
}

/// The main data of a record without references to blocks; `None` where it has some.
fn data(body: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match *body.get(at)? {
            // Its origin, and its transaction above.
            253 => at += 3,
            252 => at += 5,
            255 => {
                let length = usize::from(*body.get(at + 1)?);
                let rest = body.get(at + 2..)?;
                return Some(&rest[..length.min(rest.len())]);
            }
            254 => {
                let length = usize::try_from(u32_at(body, at + 1)).ok()?;
                let rest = body.get(at + 5..)?;
                return Some(&rest[..length.min(rest.len())]);
            }
            _ => return None,
        }
    }
}

/// A time of PostgreSQL: microseconds since 2000.
fn time(microseconds: u64) -> Option<Timestamp> {
    let microseconds = i64::from_le_bytes(microseconds.to_le_bytes());
    Timestamp::from_microsecond(microseconds.checked_add(EPOCH * 1_000_000)?).ok()
}
