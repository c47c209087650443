//! The System V segment by which a Postgres server protects its data folder: it remains after a SIGKILL,
//! unless the server has an IPC namespace of its own.
//!
//! All other memory of a server is released with its processes or is in its data folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::process;

/// A segment as the kernel describes it. The numbers of removed segments are used again; its creator and the
/// time make it this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    number: u64,
    creator: u64,
    created: u64,
    attached: u64,
}

/// What redrill notes of the segments of a server.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// The IPC namespace in which the numbers are valid.
    namespace: String,
    segments: Vec<Segment>,
}

/// Notes in `file` which segments the process `server` created, so that [`remove`] can find them when it was
/// killed. `file` must be in a folder to which the server cannot write.
///
/// # Errors
/// When the file cannot be written.
pub fn note(server: i32, file: &Path) -> std::io::Result<()> {
    let mut segments = segments(&table());
    segments.retain(|segment| i64::try_from(segment.creator) == Ok(i64::from(server)));
    let noted = Noted {
        namespace: namespace(),
        segments,
    };
    std::fs::write(file, serde_json::to_vec(&noted)?)
}

/// Removes the noted segments that are still there and that no process has attached.
pub fn remove(file: &Path) {
    let noted = std::fs::read(file).ok();
    let Some(noted) = noted.and_then(|bytes| serde_json::from_slice::<Noted>(&bytes).ok()) else {
        return;
    };
    if noted.namespace != namespace() {
        return;
    }
    for segment in left_over(&noted.segments, &segments(&table())) {
        process::remove_segment(segment);
    }
}

/// Numbers of the noted segments that are still the same and unused.
fn left_over(noted: &[Segment], there: &[Segment]) -> Vec<u64> {
    let same = |one: &Segment, other: &Segment| {
        (one.number, one.creator, one.created) == (other.number, other.creator, other.created)
    };
    there
        .iter()
        .filter(|segment| segment.attached == 0 && noted.iter().any(|own| same(own, segment)))
        .map(|segment| segment.number)
        .collect()
}

fn namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/ipc").unwrap_or_default();
    link.display().to_string()
}

fn table() -> String {
    std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default()
}

/// Parses `/proc/sysvipc/shm`.
fn segments(table: &str) -> Vec<Segment> {
    // key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime …
    let lines = table.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let field = |at: usize| fields.get(at)?.parse().ok();
        Some(Segment {
            number: field(1)?,
            creator: field(4)?,
            attached: field(6)?,
            created: field(13)?,
        })
    });
    lines.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime        rss       swap
  10371470      32772   600                    56 31638 31700      0   101   101   101   101 1763718990 1763718999 1763718980       4096          0
  10371471      32773   600                    56 31639 31701      6   101   101   101   101 1763718990          0 1763718981       4096          0
        -1      32774   600               8388608 31639 31701      0   101   101   101   101 1763718990          0 1763718982       4096          0
";

    #[test]
    fn only_the_very_segment_that_was_noted_is_removed() {
        let there = segments(TABLE);
        assert_eq!(there.len(), 3);
        let unused = there[0];
        assert_eq!(left_over(&[unused], &there), [32772]);
        // Another segment got its number, of another server or at another time.
        let of_another = Segment {
            creator: 4711,
            ..unused
        };
        let of_another_time = Segment {
            created: 17,
            ..unused
        };
        assert_eq!(left_over(&[of_another, of_another_time], &there), [0; 0]);
        // Somebody uses it.
        assert_eq!(left_over(&[there[1]], &there), [0; 0]);
    }

    #[test]
    fn what_is_no_note_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("segments");
        remove(&file);
        std::fs::write(&file, "31638\n/tmp/x/data\n1763718980\n").unwrap();
        remove(&file);
        note(i32::MAX, &file).unwrap();
        let noted: Noted = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!((noted.namespace, noted.segments), (namespace(), Vec::new()));
    }
}
