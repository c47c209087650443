//! The WAL of a server that was shut down. All of it was applied, so that a copy needs only the segment with the last record;
//! a restore leaves about a gigabyte, which each copy would take with it.

use std::fs::{File, symlink_metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// The folder of the WAL in the data folder.
const WAL: &str = "pg_wal";
/// Bytes of segments that stay in addition, which the server of a copy writes anew, as one in production finds its own.
const KEPT: u64 = 64 << 20;
/// Versions of `pg_control` whose beginning has the fields of [`last_segment`]: those of PostgreSQL 11 to 18.
const KNOWN: std::ops::RangeInclusive<u32> = 1100..=1800;
/// `DB_SHUTDOWNED`.
const SHUT_DOWN: u32 = 1;

/// Removes the segments that a server on this data folder does not need, once no process uses it. Removes nothing where it does
/// not know the format, or where the server was not shut down.
///
/// # Errors
/// Errors of the system; a part of the segments may be removed, but never one that is needed.
pub(super) fn trim(data: &Path) -> io::Result<()> {
    // Code of the backup could have put a link there.
    let folders = [data.join("global"), data.join(WAL)];
    for folder in &folders {
        if !symlink_metadata(folder)?.is_dir() {
            return Ok(());
        }
    }
    let control = folders[0].join("pg_control");
    if !symlink_metadata(&control)?.is_file() {
        return Ok(());
    }
    let mut head = [0; 64];
    File::open(control)?.read_exact(&mut head)?;
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(&folders[1])? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let is_segment = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_segment && metadata.is_file() {
            segments.push((name, metadata.len()));
        }
    }
    segments.sort();
    let size = segments.first().map_or(0, |(_, size)| *size);
    let last = last_segment(&head, size);
    let Some(at) = segments
        .iter()
        .position(|(name, _)| Some(name) == last.as_ref())
    else {
        return Ok(());
    };
    let following = usize::try_from(KEPT / size.max(1)).unwrap_or(usize::MAX);
    let kept = at..=at.saturating_add(following.max(1));
    for (number, (name, _)) in segments.iter().enumerate() {
        if !kept.contains(&number) {
            std::fs::remove_file(folders[1].join(name))?;
        }
    }
    Ok(())
}

/// The name of the segment with the checkpoint of the shutdown, of `size` bytes, as the head of `pg_control` says.
fn last_segment(head: &[u8; 64], size: u64) -> Option<String> {
    let word = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let (version, state) = (word(8)?, word(16)?);
    let (checkpoint, redo, timeline) = (long(32)?, long(40)?, word(48)?);
    // Nothing is to be replayed after the checkpoint of a shutdown.
    let is_shut_down = state == SHUT_DOWN && checkpoint == redo;
    if !KNOWN.contains(&version) || !is_shut_down || !size.is_power_of_two() || size < 1 << 20 {
        return None;
    }
    let (number, each) = (redo / size, (1_u64 << 32) / size);
    Some(format!(
        "{timeline:08X}{:08X}{:08X}",
        number / each,
        number % each
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The head of a control file: version, state, checkpoint, redo.
    fn head(version: u32, state: u32, checkpoint: u64, redo: u64) -> [u8; 64] {
        let mut head = [0; 64];
        head[8..12].copy_from_slice(&version.to_ne_bytes());
        head[16..20].copy_from_slice(&state.to_ne_bytes());
        head[32..40].copy_from_slice(&checkpoint.to_ne_bytes());
        head[40..48].copy_from_slice(&redo.to_ne_bytes());
        head[48..52].copy_from_slice(&1_u32.to_ne_bytes());
        head
    }

    #[rstest]
    #[case::shut_down(
        1300,
        1,
        0x1_0500_0028,
        0x1_0500_0028,
        Some("000000010000000100000005")
    )]
    #[case::crashed(1300, 6, 0x1_0500_0028, 0x1_0500_0028, None)]
    #[case::online(1300, 1, 0x1_0500_0028, 0x1_0400_0028, None)]
    #[case::unknown_version(900, 1, 0x1_0500_0028, 0x1_0500_0028, None)]
    fn only_the_segment_of_the_shutdown_is_needed(
        #[case] version: u32,
        #[case] state: u32,
        #[case] checkpoint: u64,
        #[case] redo: u64,
        #[case] expected: Option<&str>,
    ) {
        let head = head(version, state, checkpoint, redo);
        assert_eq!(last_segment(&head, 16 << 20).as_deref(), expected);
        assert_eq!(last_segment(&head, 0), None);
    }

    #[test]
    fn the_others_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (global, wal) = (folder.path().join("global"), folder.path().join(WAL));
        std::fs::create_dir(&global).unwrap();
        std::fs::create_dir_all(wal.join("archive_status")).unwrap();
        let at = 5 * (16 << 20) + 40;
        std::fs::write(global.join("pg_control"), head(1300, 1, at, at)).unwrap();
        for number in 0..20 {
            let file = File::create(wal.join(format!("00000001{number:016X}"))).unwrap();
            file.set_len(16 << 20).unwrap();
        }
        trim(folder.path()).unwrap();
        let names = std::fs::read_dir(&wal).unwrap().flatten();
        let mut names: Vec<String> = names
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        let segments = (5..=9).map(|number| format!("00000001{number:016X}"));
        let expected: Vec<String> = segments.chain(["archive_status".to_owned()]).collect();
        assert_eq!(names, expected);
        // The folder of the WAL is a link: nothing is removed there.
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&wal, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &wal).unwrap();
        File::create(elsewhere.join("000000010000000000000000")).unwrap();
        trim(folder.path()).unwrap();
        assert!(elsewhere.join("000000010000000000000000").exists());
    }
}
