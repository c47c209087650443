//! The System V segment by which a Postgres server guards its data folder: it outlives a SIGKILL.
//!
//! Everything else of a server's memory goes with its processes or lies in its data folder.

use std::path::Path;

use crate::process;

/// The line of `postmaster.pid` that holds key and number of the segment.
const LINE: usize = 6;
/// The guard is this small; a segment with data in it is never touched.
const LARGEST: u64 = 4096;

/// Removes the segment of the dead server whose data was in `data`.
///
/// The file is the server's own, so what it says is not believed: only a tiny segment that no
/// process has attached is removed, and the guard of a living server is always attached.
pub fn remove(data: &Path) {
    let Some(id) = std::fs::read_to_string(data.join("postmaster.pid"))
        .ok()
        .and_then(|text| number(&text))
    else {
        return;
    };
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    if is_left_over(&segments, id) {
        process::remove_segment(id);
    }
}

/// Takes the number of the segment out of `postmaster.pid`.
fn number(text: &str) -> Option<u64> {
    text.lines()
        .nth(LINE)?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// Whether segment `id` is tiny and nobody's; `segments` is `/proc/sysvipc/shm`.
fn is_left_over(segments: &str, id: u64) -> bool {
    segments.lines().skip(1).any(|line| {
        // key shmid perms size cpid lpid nattch …
        let fields: Vec<u64> = line
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(u64::MAX))
            .collect();
        matches!(fields.as_slice(),
            [_, number, _, size, _, _, attached, ..] if *number == id && *size <= LARGEST && *attached == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tiny_segment_without_processes_is_a_leftover() {
        let pid = "31638\n/tmp/x/data\n1763718980\n5432\n/tmp/x/socket\n\n  10371470     32772\nready   \n";
        assert_eq!(number(pid), Some(32772));
        assert_eq!(number("31638\n"), None);
        let segments = "       key      shmid perms                  size  cpid  lpid nattch   uid\n\
                        10371470      32772   600                    56 31638 31700      0   101\n\
                        10371471      32773   600                    56 31639 31701      6   101\n\
                        -1            32774   600               8388608 31639 31701      0   101\n";
        assert!(is_left_over(segments, 32772));
        assert!(!is_left_over(segments, 32773));
        assert!(!is_left_over(segments, 32774));
        assert!(!is_left_over(segments, 1));
    }
}
