//! `pg_control`: what made the data, and how it is laid out.

use crc_fast::{CrcAlgorithm, checksum};

use crate::bytes::{u32_at, u64_at};
use crate::{Fault, Lsn};

/// Its name in a data folder.
pub const CONTROL: &str = "global/pg_control";

/// Bytes that are read of the file: the server writes 8192, and uses fewer than 512.
pub const HEAD: usize = 512;

/// What `pg_control` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// The cluster: each `initdb` makes another.
    pub system_identifier: u64,
    /// Major version of the server; `None` for one that this version does not know.
    pub major: Option<u32>,
    /// The version of the catalogs.
    pub catalog_version: u32,
    /// The state; see [`State`].
    pub state: State,
    /// Place of the newest checkpoint.
    pub checkpoint: Lsn,
    /// Where its replay begins.
    pub redo: Lsn,
    /// Its timeline.
    pub timeline: u32,
    /// Where a recovery becomes consistent, at least.
    pub minimum_recovery_point: Lsn,
    /// `wal_level`: 0 minimal, 1 replica, 2 logical.
    pub wal_level: u32,
    /// `max_connections` of the source.
    pub max_connections: u32,
    /// `max_worker_processes` of the source.
    pub max_worker_processes: u32,
    /// `max_prepared_transactions` of the source.
    pub max_prepared_transactions: u32,
    /// `max_locks_per_transaction` of the source.
    pub max_locks_per_transaction: u32,
    /// `track_commit_timestamp` of the source.
    pub track_commit_timestamp: bool,
    /// Largest alignment, in bytes; 8 on all 64-bit machines.
    pub alignment: u32,
    /// Bytes of a data page.
    pub block_size: u32,
    /// Blocks of a segment of a relation.
    pub relation_segment: u32,
    /// Bytes of a page of the WAL.
    pub wal_block_size: u32,
    /// Bytes of a segment of the WAL.
    pub wal_segment_size: u32,
    /// Whether data pages have checksums.
    pub checksums: bool,
}

/// The state of a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Shut down.
    ShutDown,
    /// Shut down while it was in recovery.
    ShutDownInRecovery,
    /// In archive recovery: a standby.
    InArchiveRecovery,
    /// In production, or after a crash.
    InProduction,
    /// Any other.
    #[default]
    Other,
}

/// The floating-point number that shows the order of bytes.
const FLOAT_FORMAT: u64 = 1_234_567.0_f64.to_bits();

/// Versions of the catalogs of released servers.
const MAJORS: [(u32, u32); 7] = [
    (201_909_212, 12),
    (202_007_201, 13),
    (202_107_181, 14),
    (202_209_061, 15),
    (202_307_071, 16),
    (202_406_281, 17),
    (202_506_291, 18),
];

impl Control {
    /// Reads the beginning of the file, at least [`HEAD`] bytes of it.
    ///
    /// # Errors
    /// It is too short, of another order of bytes, of an unknown version, or its checksum is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let wrong = |expected: &str, found: String| Err(Fault::new(CONTROL, expected, found));
        if bytes.len() < HEAD {
            return wrong("at least 512 bytes", format!("{} bytes", bytes.len()));
        }
        let version = u32_at(bytes, 8);
        if version.swap_bytes() / 100 >= 12 && version.swap_bytes() / 100 <= 99 {
            return wrong(
                "the byte order of this machine",
                "the data of a machine with the other byte order".to_owned(),
            );
        }
        let crc_at = match version {
            1200..=1799 => 288,
            1800..=1899 => 292,
            _ => {
                return wrong(
                    "a control file of PostgreSQL 12 to 18",
                    format!("version {version}"),
                );
            }
        };
        let actual = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..crc_at]);
        if u64::from(u32_at(bytes, crc_at)) != actual {
            return wrong(
                "its own checksum",
                "contents with another checksum: damaged, edited, or torn while it was copied"
                    .to_owned(),
            );
        }
        if u64_at(bytes, 208) != FLOAT_FORMAT {
            return wrong(
                "the floating-point numbers of this machine",
                "another format of numbers: the data is of another architecture".to_owned(),
            );
        }
        let catalog_version = u32_at(bytes, 12);
        let control = Self {
            system_identifier: u64_at(bytes, 0),
            major: MAJORS
                .iter()
                .find(|(catalog, _)| *catalog == catalog_version)
                .map(|(_, major)| *major),
            catalog_version,
            state: match u32_at(bytes, 16) {
                1 => State::ShutDown,
                2 => State::ShutDownInRecovery,
                5 => State::InArchiveRecovery,
                6 => State::InProduction,
                _ => State::Other,
            },
            checkpoint: Lsn(u64_at(bytes, 32)),
            redo: Lsn(u64_at(bytes, 40)),
            timeline: u32_at(bytes, 48),
            minimum_recovery_point: Lsn(u64_at(bytes, 136)),
            wal_level: u32_at(bytes, 172),
            max_connections: u32_at(bytes, 180),
            max_worker_processes: u32_at(bytes, 184),
            max_prepared_transactions: u32_at(bytes, 192),
            max_locks_per_transaction: u32_at(bytes, 196),
            track_commit_timestamp: bytes[200] != 0,
            alignment: u32_at(bytes, 204),
            block_size: u32_at(bytes, 216),
            relation_segment: u32_at(bytes, 220),
            wal_block_size: u32_at(bytes, 224),
            wal_segment_size: u32_at(bytes, 228),
            checksums: u32_at(bytes, 252) != 0,
        };
        let powers = [
            ("a block size", control.block_size, 1 << 10, 1 << 15),
            (
                "a block size of WAL",
                control.wal_block_size,
                1 << 10,
                1 << 16,
            ),
            (
                "a segment size of WAL",
                control.wal_segment_size,
                1 << 20,
                1 << 30,
            ),
        ];
        for (what, size, least, most) in powers {
            if !size.is_power_of_two() || !(least..=most).contains(&size) {
                return wrong(
                    &format!("{what} that PostgreSQL has"),
                    format!("{size} bytes"),
                );
            }
        }
        Ok(control)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A control file of PostgreSQL 15 with a valid checksum.
    pub fn sample(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &7_u64.to_le_bytes());
        put(8, &1300_u32.to_le_bytes());
        put(12, &202_209_061_u32.to_le_bytes());
        put(16, &6_u32.to_le_bytes());
        put(32, &0x200_0060_u64.to_le_bytes());
        put(40, &0x200_0028_u64.to_le_bytes());
        put(48, &1_u32.to_le_bytes());
        put(172, &1_u32.to_le_bytes());
        put(204, &8_u32.to_le_bytes());
        put(208, &FLOAT_FORMAT.to_le_bytes());
        put(216, &8192_u32.to_le_bytes());
        put(220, &131_072_u32.to_le_bytes());
        put(224, &8192_u32.to_le_bytes());
        put(228, &(16_u32 << 20).to_le_bytes());
        put(252, &1_u32.to_le_bytes());
        edit(&mut bytes);
        let crc = checksum(CrcAlgorithm::Crc32Iscsi, &bytes[..288]);
        bytes[288..292].copy_from_slice(&u32::try_from(crc).unwrap().to_le_bytes());
        bytes
    }

    #[test]
    fn a_control_file_is_read() {
        let control = Control::parse(&sample(|_| {})).unwrap();
        assert_eq!((control.major, control.system_identifier), (Some(15), 7));
        assert_eq!(control.redo.to_string(), "0/2000028");
        assert!(control.checksums);
        assert_eq!(control.state, State::InProduction);
    }

    #[test]
    fn what_is_not_one_is_named() {
        let found = |bytes: &[u8]| Control::parse(bytes).unwrap_err().found;
        let mut flipped = sample(|_| {});
        flipped[100] ^= 1;
        assert!(found(&flipped).contains("another checksum"));
        assert!(found(&[0; 100]).contains("100 bytes"));
        let other = sample(|bytes| bytes[8..12].copy_from_slice(&1300_u32.to_be_bytes()));
        assert!(found(&other).contains("other byte order"));
        let odd = sample(|bytes| bytes[216..220].copy_from_slice(&5000_u32.to_le_bytes()));
        assert_eq!(found(&odd), "5000 bytes");
    }
}
