//! Free space on a disk. A disk is never filled: other programs write to it too.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::units::show_bytes;

/// This many bytes stay free, or a twentieth of the disk if that is less.
const KEPT_FREE: u64 = 1 << 30;

/// Checks that `needed` more bytes fit on the disk of `path`. Passes if the file system does not report its
/// free space.
///
/// # Errors
/// A lowercase fragment with the numbers.
pub fn fits(path: &Path, needed: u64) -> Result<(), String> {
    let Ok(disk) = statvfs(path) else {
        return Ok(());
    };
    let block = disk.fragment_size();
    judge(
        needed,
        disk.blocks_available() * block,
        disk.blocks() * block,
    )
}

fn judge(needed: u64, free: u64, size: u64) -> Result<(), String> {
    let kept = KEPT_FREE.min(size / 20);
    if needed.saturating_add(kept) <= free {
        return Ok(());
    }
    Err(format!(
        "{} needed and {} to stay free, {} free",
        show_bytes(needed),
        show_bytes(kept),
        show_bytes(free)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GIB: u64 = 1 << 30;

    #[rstest]
    #[case::roomy(GIB, 10 * GIB, 100 * GIB, true)]
    #[case::a_gib_stays_free(9 * GIB, 10 * GIB, 100 * GIB, true)]
    #[case::one_byte_too_many(9 * GIB + 1, 10 * GIB, 100 * GIB, false)]
    #[case::a_small_disk_keeps_a_twentieth(90, 95, 100, true)]
    #[case::small_and_full(91, 95, 100, false)]
    #[case::unknown_size(0, 4, 100, false)]
    #[case::absurd(u64::MAX, GIB, 100 * GIB, false)]
    fn a_disk_is_never_filled(
        #[case] needed: u64,
        #[case] free: u64,
        #[case] size: u64,
        #[case] fit: bool,
    ) {
        assert_eq!(judge(needed, free, size).is_ok(), fit);
    }
}
