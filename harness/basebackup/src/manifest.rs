//! `backup_manifest`: every file of a base backup, with its size and checksum, and the WAL that it needs.
//!
//! Its last line has a SHA-256 of all lines before, so that a truncated or edited manifest is none.

use std::collections::BTreeMap;

use crc_fast::{CrcAlgorithm, Digest as Crc};
use serde::Deserialize;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use crate::{Fault, Lsn};

/// Its name next to or in a base backup.
pub const MANIFEST: &str = "backup_manifest";
/// Longest manifest that is read, in bytes: millions of files.
pub const LONGEST: u64 = 1 << 30;

/// A manifest whose own checksum is right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The cluster, from version 17 on.
    pub system_identifier: Option<u64>,
    /// Files by their path in the data folder.
    pub files: BTreeMap<String, Expected>,
    /// The WAL that the backup needs to become consistent.
    pub wal: Vec<WalRange>,
}

/// What a file must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Bytes.
    pub size: u64,
    /// The checksum; `None` where the backup was taken with `--manifest-checksums=NONE`.
    pub checksum: Option<(Algorithm, Vec<u8>)>,
}

/// A range of WAL on one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalRange {
    /// The timeline.
    pub timeline: u32,
    /// The first byte.
    pub start: Lsn,
    /// The byte after the last.
    pub end: Lsn,
}

/// An algorithm of checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32C.
    Crc32c,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "PostgreSQL-Backup-Manifest-Version")]
    version: u32,
    #[serde(rename = "System-Identifier")]
    system_identifier: Option<u64>,
    #[serde(rename = "Files")]
    files: Vec<FileText>,
    #[serde(rename = "WAL-Ranges")]
    wal: Vec<RangeText>,
    #[serde(rename = "Manifest-Checksum")]
    checksum: String,
}

#[derive(Deserialize)]
struct FileText {
    #[serde(rename = "Path")]
    path: Option<String>,
    #[serde(rename = "Encoded-Path")]
    encoded: Option<String>,
    #[serde(rename = "Size")]
    size: u64,
    #[serde(rename = "Checksum-Algorithm")]
    algorithm: Option<String>,
    #[serde(rename = "Checksum")]
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct RangeText {
    #[serde(rename = "Timeline")]
    timeline: u32,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// It is no manifest, was truncated or edited, or names a file twice or outside of the data folder.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let fault = |expected: &str, found: String| Fault::new(MANIFEST, expected, found);
        let text: Text = serde_json::from_slice(bytes).map_err(|error| {
            let found = format!("it cannot be read (line {})", error.line());
            fault("the JSON that pg_basebackup writes, to its end", found)
        })?;
        if !(1..=2).contains(&text.version) {
            return Err(fault(
                "a manifest of version 1 or 2",
                format!("version {}", text.version),
            ));
        }
        // The checksum is of all lines but the last, which has it.
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let end = body
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let own = decode(&text.checksum).unwrap_or_default();
        if own != Sha256::digest(&bytes[..end]).as_slice() {
            return Err(fault(
                "the SHA-256 in its last line",
                "contents with another one: it was edited, truncated or is of another backup"
                    .to_owned(),
            ));
        }
        let mut manifest = Self {
            system_identifier: text.system_identifier,
            ..Self::default()
        };
        for file in text.files {
            let path = match (file.path, file.encoded) {
                (Some(path), None) => path,
                (None, Some(hex)) => {
                    let bytes = decode(&hex).unwrap_or_default();
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                _ => {
                    return Err(fault(
                        "a path of each file",
                        "a file without one".to_owned(),
                    ));
                }
            };
            if !is_inside(&path) {
                return Err(fault(
                    "paths in the data folder",
                    format!("`{}`", path.escape_default()),
                ));
            }
            let checksum = match (file.algorithm.as_deref(), file.checksum) {
                (None | Some("NONE"), _) => None,
                (Some(name), Some(hex)) => {
                    let algorithm = Algorithm::named(name).ok_or_else(|| {
                        fault("a known checksum", format!("`{}`", name.escape_default()))
                    })?;
                    let digest = decode(&hex).ok_or_else(|| {
                        fault("checksums in hex", format!("another one of `{path}`"))
                    })?;
                    Some((algorithm, digest))
                }
                (Some(_), None) => {
                    return Err(fault("a checksum", format!("none of `{path}`")));
                }
            };
            let expected = Expected {
                size: file.size,
                checksum,
            };
            if manifest.files.insert(path.clone(), expected).is_some() {
                return Err(fault("each file once", format!("`{path}` twice")));
            }
        }
        for range in text.wal {
            let lsn = |text: &str| {
                let parsed: Result<Lsn, _> = text.parse();
                parsed.map_err(|why| fault("ranges of WAL", why.to_owned()))
            };
            manifest.wal.push(WalRange {
                timeline: range.timeline,
                start: lsn(&range.start)?,
                end: lsn(&range.end)?,
            });
        }
        Ok(manifest)
    }

    /// Where the backup becomes consistent.
    #[must_use]
    pub fn end(&self) -> Option<Lsn> {
        self.wal.iter().map(|range| range.end).max()
    }
}

/// Files that pg_basebackup or an administrator writes after the manifest, as `pg_verifybackup` has them.
#[must_use]
pub fn is_ignored(path: &str) -> bool {
    matches!(
        path,
        MANIFEST | "postgresql.auto.conf" | "standby.signal" | "recovery.signal"
    ) || path.starts_with("pg_wal/")
}

/// Whether a path from a backup is one below a folder, component by component.
#[must_use]
pub fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path
            .split('/')
            .all(|name| !matches!(name, "" | "." | "..") && name.len() <= 255)
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
        .collect()
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "CRC32C" => Self::Crc32c,
            "SHA224" => Self::Sha224,
            "SHA256" => Self::Sha256,
            "SHA384" => Self::Sha384,
            "SHA512" => Self::Sha512,
            _ => return None,
        })
    }
}

/// A checksum of a file while it is read.
pub enum Sum {
    /// CRC-32C.
    Crc32c(Box<Crc>),
    /// SHA-224.
    Sha224(Sha224),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl Sum {
    /// Begins before the first byte.
    #[must_use]
    pub fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32c => Self::Crc32c(Box::new(Crc::new(CrcAlgorithm::Crc32Iscsi))),
            Algorithm::Sha224 => Self::Sha224(Sha224::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32c(sum) => sum.update(bytes),
            Self::Sha224(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha384(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
        }
    }

    /// The checksum, in the order of bytes that the manifest has.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self {
            // pg_basebackup writes the bytes of the number as they are in memory.
            Self::Crc32c(sum) => sum.finalize().to_le_bytes()[..4].to_vec(),
            Self::Sha224(sum) => sum.finalize().to_vec(),
            Self::Sha256(sum) => sum.finalize().to_vec(),
            Self::Sha384(sum) => sum.finalize().to_vec(),
            Self::Sha512(sum) => sum.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn manifest(files: &str) -> Vec<u8> {
        let body = format!(
            "{{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n{files}\n],\n\
             \"WAL-Ranges\": [\n{{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }}\n],\n"
        );
        let sum: String = Sha256::digest(&body)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        format!("{body}\"Manifest-Checksum\": \"{sum}\"}}\n").into_bytes()
    }

    const FILE: &str = r#"{ "Path": "base/1/1", "Size": 3, "Last-Modified": "2026-11-24 20:35:30 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "b73f4b36" }"#;

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(&manifest(FILE)).unwrap();
        let expected = &manifest.files["base/1/1"];
        assert_eq!(expected.size, 3);
        let (algorithm, digest) = expected.checksum.clone().unwrap();
        let mut sum = Sum::of(algorithm);
        sum.update(b"abc");
        assert_eq!(sum.finish(), digest);
        assert_eq!(manifest.end().unwrap().to_string(), "0/2000100");
    }

    #[test]
    fn an_edited_manifest_is_refused() {
        let good = manifest(FILE);
        for end in [good.len() - 2, good.len() / 2] {
            assert!(Manifest::parse(&good[..end]).is_err(), "cut after {end}");
        }
        let text = String::from_utf8(good).unwrap();
        let edited = text.replace("\"Size\": 3", "\"Size\": 4");
        let fault = Manifest::parse(edited.as_bytes()).unwrap_err();
        assert!(fault.found.contains("another one"), "{fault}");
    }

    #[rstest]
    #[case::outside(&FILE.replace("base/1/1", "../x"), "`../x`")]
    #[case::absolute(&FILE.replace("base/1/1", "/etc/x"), "`/etc/x`")]
    #[case::twice(&format!("{FILE},{FILE}"), "`base/1/1` twice")]
    #[case::algorithm(&FILE.replace("CRC32C", "MD5"), "`MD5`")]
    fn odd_entries_are_refused(#[case] files: &str, #[case] found: &str) {
        assert_eq!(Manifest::parse(&manifest(files)).unwrap_err().found, found);
    }
}
