//! Data pages of relations, and their checksums: computed here, not believed from a server that runs on them.

use crate::bytes::{u16_at, u32_at};
use crate::control::Control;
use crate::{Fault, Lsn};

/// Bytes of a page; servers with other pages are compiled for it.
pub const PAGE: usize = 8192;
/// Pages that are kept one by one; more say nothing new.
const LISTED: usize = 100;

const SUMS: usize = 32;
const PRIME: u32 = 16_777_619;
/// The starts of the sums that are computed side by side.
const STARTS: [u32; SUMS] = [
    0x5B1F_36E9,
    0xB852_5960,
    0x02AB_50AA,
    0x1DE6_6D2A,
    0x79FF_467A,
    0x9BB9_F8A3,
    0x217E_7CD2,
    0x83E1_3D2C,
    0xF8D4_474F,
    0xE39E_B970,
    0x42C6_AE16,
    0x9932_16FA,
    0x7B09_3B5D,
    0x98DA_FF3C,
    0xF718_902A,
    0x0B1C_9CDB,
    0xE58F_764B,
    0x1876_36BC,
    0x5D7B_3BB1,
    0xE73D_E7DE,
    0x92BE_C979,
    0xCCA6_C0B2,
    0x304A_0979,
    0x85AA_43D4,
    0x7831_25BB,
    0x6CA8_EAA2,
    0xE407_EAC6,
    0x4B5C_FC3E,
    0x9FBF_8C76,
    0x15CA_20BE,
    0xF2CA_9FD3,
    0x959B_D756,
];

/// The checksum of a page, as the server computes it. `block` is its number in the fork of the relation.
///
/// # Panics
/// `page` has fewer than [`PAGE`] bytes.
#[must_use]
pub fn checksum(page: &[u8], block: u32) -> u16 {
    let mix = |sum: u32, word: u32| {
        let mixed = sum ^ word;
        mixed.wrapping_mul(PRIME) ^ (mixed >> 17)
    };
    let mut sums = STARTS;
    for (row, words) in page[..PAGE].chunks_exact(4 * SUMS).enumerate() {
        for (number, (sum, word)) in sums.iter_mut().zip(words.chunks_exact(4)).enumerate() {
            let mut word = u32_at(word, 0);
            if (row, number) == (0, 2) {
                // The field of the checksum counts as zero.
                word &= 0xFFFF_0000;
            }
            *sum = mix(*sum, word);
        }
    }
    for sum in &mut sums {
        *sum = mix(mix(*sum, 0), 0);
    }
    let all = sums.iter().fold(0, |all, sum| all ^ sum);
    u16::try_from((all ^ block) % 65_535 + 1).unwrap_or(u16::MAX)
}

/// The segment of a relation that a path in the data folder names: the number of the segment, from 0 on; `None` for other files.
#[must_use]
pub fn segment_of(path: &str) -> Option<u32> {
    let mut folders = path.split('/');
    let name = folders.next_back()?;
    let above: Vec<&str> = folders.collect();
    match above.as_slice() {
        ["global"] | ["base", _] | ["pg_tblspc", _, _, _] => {}
        _ => return None,
    }
    let (name, number) = match name.split_once('.') {
        Some((name, number)) => (name, number.parse().ok()?),
        None => (name, 0),
    };
    let node = match name.split_once('_') {
        Some((node, "fsm" | "vm" | "init")) => node,
        Some(_) => return None,
        None => name,
    };
    let is_number = !node.is_empty() && node.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

/// A page whose checksum is wrong.
#[derive(Debug)]
struct Wrong {
    path: String,
    segment: u32,
    block: u32,
    lsn: Lsn,
}

/// Verifies the pages of all relations while their files are read. Whether they have checksums at all is known afterwards,
/// because `pg_control` is the last file of a base backup.
#[derive(Debug, Default)]
pub struct Pages {
    path: String,
    segment: Option<u32>,
    block: u32,
    page: Vec<u8>,
    wrong: Vec<Wrong>,
    /// Further pages whose checksum is wrong.
    unlisted: u64,
    /// Pages that were verified.
    pub verified: u64,
    /// Files that end within a page.
    torn: Vec<String>,
}

impl Pages {
    /// Begins a file.
    pub fn begin(&mut self, path: &str) {
        path.clone_into(&mut self.path);
        self.segment = segment_of(path);
        self.block = 0;
        self.page.clear();
    }

    /// Takes the next bytes of the file.
    pub fn take(&mut self, mut bytes: &[u8]) {
        let Some(segment) = self.segment else { return };
        if !self.page.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(PAGE - self.page.len()));
            self.page.extend_from_slice(head);
            bytes = rest;
            if self.page.len() == PAGE {
                let page = std::mem::take(&mut self.page);
                self.verify(segment, &page);
                self.page = page;
                self.page.clear();
            }
        }
        let mut pages = bytes.chunks_exact(PAGE);
        for page in &mut pages {
            self.verify(segment, page);
        }
        self.page.extend_from_slice(pages.remainder());
    }

    /// Ends the file.
    pub fn end(&mut self) {
        if self.segment.is_some() && !self.page.is_empty() && self.torn.len() < LISTED {
            self.torn.push(self.path.clone());
        }
        self.segment = None;
    }

    fn verify(&mut self, segment: u32, page: &[u8]) {
        let block = self.block;
        self.block += 1;
        // A page that was never written is all zeros, and has no checksum.
        if u16_at(page, 14) == 0 && page.iter().all(|byte| *byte == 0) {
            return;
        }
        self.verified += 1;
        let absolute = segment.wrapping_mul(131_072).wrapping_add(block);
        let written = u16_at(page, 8);
        // No page has the checksum 0.
        if written != 0 && written == checksum(page, absolute) {
            return;
        }
        if self.wrong.len() < LISTED {
            self.wrong.push(Wrong {
                path: self.path.clone(),
                segment,
                block: absolute,
                lsn: Lsn(u64::from(u32_at(page, 0)) << 32 | u64::from(u32_at(page, 4))),
            });
        } else {
            self.unlisted += 1;
        }
    }

    /// What is wrong, and how many pages were verified; `None` where the cluster has no checksums, or other pages.
    ///
    /// A page that the server wrote while the backup was taken may be torn: it is in the WAL as a whole, which the recovery writes
    /// over it. So only pages that were written before `start` are judged, as `pg_basebackup` does.
    #[must_use]
    pub fn judge(self, control: &Control, start: Lsn) -> (Vec<Fault>, Option<u64>) {
        let usual = control.block_size as usize == PAGE && control.relation_segment == 131_072;
        if !usual {
            return (Vec::new(), None);
        }
        let mut faults: Vec<Fault> = self
            .torn
            .iter()
            .map(|path| {
                Fault::new(
                    path,
                    "whole pages of 8192 bytes",
                    "a part of a page at its end",
                )
            })
            .collect();
        if !control.checksums {
            return (faults, None);
        }
        let old = self.wrong.iter().filter(|one| one.lsn < start);
        faults.extend(old.map(|one| {
            let first = one.segment.wrapping_mul(131_072);
            Fault::new(
                format!("{} page {}", one.path, one.block.wrapping_sub(first)),
                "its own checksum",
                "contents with another checksum",
            )
        }));
        if self.unlisted > 0 {
            faults.push(Fault::new(
                "pages",
                "their own checksums",
                format!("{} further pages with another one", self.unlisted),
            ));
        }
        (faults, Some(self.verified))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("base/5/1259", Some(0))]
    #[case("base/5/16384.3", Some(3))]
    #[case("base/5/1259_vm", Some(0))]
    #[case("base/5/1259_fsm.1", Some(1))]
    #[case("global/1260", Some(0))]
    #[case("pg_tblspc/16385/PG_17_202406281/5/16390", Some(0))]
    #[case("global/pg_control", None)]
    #[case("global/pg_filenode.map", None)]
    #[case("base/5/PG_VERSION", None)]
    #[case("base/pgsql_tmp/1", Some(0))]
    #[case("pg_xact/0000", None)]
    #[case("base/5/1259_x", None)]
    fn files_of_relations_are_known_by_their_names(
        #[case] path: &str,
        #[case] segment: Option<u32>,
    ) {
        assert_eq!(segment_of(path), segment);
    }

    fn control() -> Control {
        Control {
            checksums: true,
            block_size: 8192,
            relation_segment: 131_072,
            ..Control::default()
        }
    }

    /// A page of this block with an LSN and its checksum.
    fn page(block: u32, lsn: u64) -> Vec<u8> {
        let mut page: Vec<u8> = (0..PAGE)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        page[..4].copy_from_slice(&u32::try_from(lsn >> 32).unwrap().to_le_bytes());
        page[4..8].copy_from_slice(&u32::try_from(lsn & 0xFFFF_FFFF).unwrap().to_le_bytes());
        let sum = checksum(&page, block);
        page[8..10].copy_from_slice(&sum.to_le_bytes());
        page
    }

    fn judged(pages: &[Vec<u8>], path: &str, piece: usize) -> (Vec<Fault>, Option<u64>) {
        let mut all = Pages::default();
        all.begin(path);
        for bytes in pages.concat().chunks(piece) {
            all.take(bytes);
        }
        all.end();
        all.judge(&control(), Lsn(100))
    }

    #[rstest]
    #[case(PAGE)]
    #[case(1000)]
    #[case(5 * PAGE / 2)]
    fn a_flipped_bit_is_found_in_any_pieces(#[case] piece: usize) {
        let good = [page(0, 50), vec![0; PAGE], page(2, 50)];
        assert_eq!(judged(&good, "base/5/9", piece), (Vec::new(), Some(2)));
        let mut bad = good.clone();
        bad[2][4000] ^= 1;
        let (faults, _) = judged(&bad, "base/5/9", piece);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].object, "base/5/9 page 2");
        // The place is a part of the checksum.
        let swapped = [good[2].clone(), good[1].clone(), good[0].clone()];
        assert_eq!(judged(&swapped, "base/5/9", piece).0.len(), 2);
        // No page, so nothing to verify.
        assert_eq!(judged(&bad, "pg_xact/0000", piece), (Vec::new(), Some(0)));
    }

    #[test]
    fn what_was_written_during_the_backup_may_be_torn() {
        let mut torn = page(0, 200);
        torn[6000] ^= 1;
        assert_eq!(judged(&[torn], "base/5/9", PAGE), (Vec::new(), Some(1)));
        let (faults, _) = judged(&[page(0, 50)[..5000].to_vec()], "base/5/9", PAGE);
        assert_eq!(faults[0].found, "a part of a page at its end");
    }
}
