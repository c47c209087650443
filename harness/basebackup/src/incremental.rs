//! Files of an incremental backup: the pages of a relation that changed since an earlier backup, and from which backup of a chain
//! each page of the whole file is.
//!
//! What `pg_combinebackup` writes is what is restored, so the choice of pages is its own, also where it cannot know better: a page
//! that no backup has was never written by the server, and is zeros.

use std::collections::BTreeSet;
use std::io::{self, Read};

use crate::Fault;
use crate::bytes::u32_at;
use crate::page::{PAGE, segment_of};

/// What the names of these files begin with.
const PREFIX: &str = "INCREMENTAL.";
/// The first number of each of them.
const MAGIC: u32 = 0xd3ae_1f0d;
/// Pages of a segment of a relation, at most.
const SEGMENT: u32 = 131_072;
/// Bytes of the numbers before those of the pages.
const FIXED: usize = 12;
/// Bytes of the longest header, without what fills its last page.
pub const LONGEST: usize = FIXED + 4 * SEGMENT as usize;

/// The file that an incremental one stands for: `base/5/1259` for `base/5/INCREMENTAL.1259`; `None` for all other files.
#[must_use]
pub fn whole_path(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    let whole = format!("{folder}/{}", name.strip_prefix(PREFIX)?);
    segment_of(&whole).is_some().then_some(whole)
}

/// The incremental file that stands for a file.
#[must_use]
pub fn incremental_path(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/{PREFIX}{name}"),
        None => format!("{PREFIX}{path}"),
    }
}

/// What an incremental file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Numbers of the pages that it has, in their order.
    pub pages: Vec<u32>,
    /// Pages of the file when the backup was taken: those below, which it does not have, are in an earlier backup.
    pub length: u32,
}

impl Header {
    /// Reads the header of a file of so many bytes.
    ///
    /// # Errors
    /// Those of the reader. What is wrong with the file is a fault about `path`.
    pub fn read(path: &str, reader: &mut dyn Read, size: u64) -> io::Result<Result<Self, Fault>> {
        let wrong = |expected: String, found: String| Ok(Err(Fault::new(path, expected, found)));
        let mut fixed = [0; FIXED];
        if size < FIXED as u64 {
            return wrong(
                "a header of 12 bytes".to_owned(),
                format!("{size} bytes: it was truncated"),
            );
        }
        reader.read_exact(&mut fixed)?;
        let [magic, count, length] = [0, 4, 8].map(|at| u32_at(&fixed, at));
        if magic != MAGIC {
            return wrong(
                format!("an incremental file, which begins with {MAGIC:#x}"),
                format!("{magic:#x} at its beginning"),
            );
        }
        for (what, number) in [("pages in it", count), ("pages of the file", length)] {
            if number > SEGMENT {
                return wrong(
                    format!("at most {SEGMENT} {what}"),
                    format!("{number} by its header"),
                );
            }
        }
        let expected = data_at(count) * PAGE as u64 + u64::from(count) * PAGE as u64;
        let expected = if count == 0 { FIXED as u64 } else { expected };
        if size != expected {
            return wrong(
                format!("{expected} bytes, by its header"),
                format!("{size} bytes"),
            );
        }
        let mut numbers = vec![0; 4 * count as usize];
        reader.read_exact(&mut numbers)?;
        let pages: Vec<u32> = numbers
            .chunks_exact(4)
            .map(|four| u32_at(four, 0))
            .collect();
        let mut known = BTreeSet::new();
        for page in &pages {
            if *page >= SEGMENT {
                return wrong(
                    format!("numbers of pages below {SEGMENT}"),
                    format!("page {page}"),
                );
            }
            if !known.insert(page) {
                return wrong("each page once".to_owned(), format!("page {page} twice"));
            }
        }
        Ok(Ok(Self { pages, length }))
    }

    /// Pages of the file that is rebuilt from it and earlier ones.
    #[must_use]
    pub fn rebuilt_pages(&self) -> u32 {
        let beyond = self.pages.iter().map(|page| page + 1).max();
        self.length.max(beyond.unwrap_or(0))
    }

    /// Bytes of that file.
    #[must_use]
    pub fn rebuilt_bytes(&self) -> u64 {
        u64::from(self.rebuilt_pages()) * PAGE as u64
    }
}

/// Pages that a header takes in a file with so many pages of data.
fn data_at(count: u32) -> u64 {
    (FIXED as u64 + 4 * u64::from(count)).div_ceil(PAGE as u64)
}

/// Consecutive pages of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRun {
    /// Number of pages.
    pub pages: u32,
    /// The backup of the chain, and the byte in its file; `None` for pages that no backup has, which are zeros.
    pub from: Option<(usize, u64)>,
}

/// From which backup each page of a file is. At most 131 072 pages, in about 1.5 MB.
#[derive(Debug)]
pub struct PagePlan {
    length: u32,
    /// Number of the backup, and of the page in its file.
    pages: Vec<Option<(u32, u32)>>,
}

impl PagePlan {
    /// Begins with the file of the newest backup, which has the number 0.
    #[must_use]
    pub fn of(newest: &Header) -> Self {
        let mut plan = Self {
            length: newest.rebuilt_pages(),
            pages: vec![None; newest.rebuilt_pages() as usize],
        };
        plan.add(0, newest);
        // Of earlier backups only what was not cut off since.
        plan.length = newest.length;
        plan
    }

    /// Adds the incremental file of the next older backup.
    pub fn add(&mut self, backup: u32, header: &Header) {
        let data = u32::try_from(data_at(
            u32::try_from(header.pages.len()).unwrap_or(SEGMENT),
        ));
        let data = data.unwrap_or(SEGMENT);
        for (number, page) in (data..).zip(&header.pages) {
            self.set(*page, (backup, number));
        }
    }

    /// Adds the whole file of the next older backup, of so many bytes: what it does not have is nowhere.
    pub fn add_whole(&mut self, backup: u32, bytes: u64) {
        let pages = u32::try_from(bytes / PAGE as u64).unwrap_or(SEGMENT);
        for page in 0..pages.min(self.length) {
            self.set(page, (backup, page));
        }
    }

    fn set(&mut self, page: u32, from: (u32, u32)) {
        if page < self.length
            && let Some(place @ None) = self.pages.get_mut(page as usize)
        {
            *place = Some(from);
        }
    }

    /// All pages, in their order.
    #[must_use]
    pub fn runs(&self) -> Vec<PageRun> {
        let mut runs: Vec<PageRun> = Vec::new();
        for from in &self.pages {
            let from = from.map(|(backup, page)| (backup as usize, u64::from(page) * PAGE as u64));
            if let Some(last) = runs.last_mut() {
                let bytes = u64::from(last.pages) * PAGE as u64;
                if last.from.map(|(backup, at)| (backup, at + bytes)) == from {
                    last.pages += 1;
                    continue;
                }
            }
            runs.push(PageRun { pages: 1, from });
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// An incremental file with these pages.
    fn file(pages: &[u32], length: u32) -> Vec<u8> {
        let count = u32::try_from(pages.len()).unwrap();
        let numbers = [&[MAGIC, count, length], pages].concat();
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|one| one.to_le_bytes()).collect();
        if count > 0 {
            bytes.resize(bytes.len().next_multiple_of(PAGE) + pages.len() * PAGE, 0);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Header, Fault> {
        Header::read("base/5/INCREMENTAL.9", &mut &*bytes, bytes.len() as u64).unwrap()
    }

    #[rstest]
    #[case("base/5/INCREMENTAL.1259", Some("base/5/1259"))]
    #[case("global/INCREMENTAL.1260_vm", Some("global/1260_vm"))]
    #[case(
        "pg_tblspc/16385/PG_17_202406281/5/INCREMENTAL.16390.1",
        Some("pg_tblspc/16385/PG_17_202406281/5/16390.1")
    )]
    #[case("base/5/1259", None)]
    #[case("INCREMENTAL.1259", None)]
    #[case("base/5/INCREMENTAL.pg_filenode.map", None)]
    #[case("pg_xact/INCREMENTAL.0000", None)]
    fn files_are_known_by_their_names(#[case] path: &str, #[case] whole: Option<&str>) {
        assert_eq!(whole_path(path).as_deref(), whole);
        if let Some(whole) = whole {
            assert_eq!(incremental_path(whole), path);
        }
    }

    #[test]
    fn a_header_is_read() {
        let header = read(&file(&[], 7)).unwrap();
        assert_eq!((header.pages.len(), header.rebuilt_bytes()), (0, 7 * 8192));
        let many: Vec<u32> = (0..3000).collect();
        assert_eq!(read(&file(&many, 10)).unwrap().pages, many);
        assert_eq!(read(&file(&[2, 9], 4)).unwrap().rebuilt_pages(), 10);
    }

    #[rstest]
    #[case::empty(Vec::new(), "0 bytes: it was truncated")]
    #[case::cut_in_its_header(file(&[3], 9)[..14].to_vec(), "14 bytes")]
    #[case::cut_in_its_data(file(&[3], 9)[..PAGE * 2 - 1].to_vec(), "16383 bytes")]
    #[case::longer([file(&[], 9), vec![0]].concat(), "13 bytes")]
    #[case::magic(vec![0; PAGE], "0x0 at its beginning")]
    #[case::twice(file(&[3, 4, 3], 9), "page 3 twice")]
    #[case::beyond(file(&[SEGMENT], 9), "page 131072")]
    #[case::too_long(file(&[], SEGMENT + 1), "131073 by its header")]
    #[case::too_many([MAGIC, u32::MAX, 0].iter().flat_map(|one| one.to_le_bytes()).collect(), "4294967295 by its header")]
    fn each_fault_is_named(#[case] bytes: Vec<u8>, #[case] found: &str) {
        let fault = read(&bytes).unwrap_err();
        assert_eq!(fault.found, found);
        assert_eq!(fault.object, "base/5/INCREMENTAL.9");
    }

    #[test]
    fn each_page_is_of_the_newest_backup_that_has_it() {
        let header = |pages: &[u32], length| read(&file(pages, length)).unwrap();
        // Cut to four pages, then a page was added at its end.
        let mut plan = PagePlan::of(&header(&[1, 5], 4));
        plan.add(1, &header(&[0, 1, 4], 6));
        plan.add_whole(2, 3 * 8192 + 100);
        let page = |number| number * PAGE as u64;
        let one = |from| PageRun { pages: 1, from };
        let expected = [
            one(Some((1, page(1)))),
            one(Some((0, page(1)))),
            one(Some((2, page(2)))),
            // Neither what the file lost since, nor half a page.
            PageRun {
                pages: 2,
                from: None,
            },
            one(Some((0, page(2)))),
        ];
        assert_eq!(plan.runs(), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_a_fault(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            magic: bool,
            size in 0_u64..100_000,
        ) {
            let mut bytes = bytes;
            if magic && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            }
            if let Ok(Ok(header)) = Header::read("x", &mut &*bytes, size) {
                let pages: u32 = PagePlan::of(&header).runs().iter().map(|run| run.pages).sum();
                prop_assert_eq!(pages, header.rebuilt_pages());
            }
        }

        #[test]
        fn runs_are_the_pages_one_by_one(
            newest in prop::collection::btree_set(0_u32..40, 0..20),
            older in prop::collection::btree_set(0_u32..40, 0..20),
            length in 0_u32..40,
            whole in 0_u64..40,
        ) {
            let of = |pages: &BTreeSet<u32>, length| Header {
                pages: pages.iter().copied().collect(),
                length,
            };
            let mut plan = PagePlan::of(&of(&newest, length));
            plan.add(1, &of(&older, 40));
            plan.add_whole(2, whole * PAGE as u64);
            let mut page = 0;
            for run in plan.runs() {
                for number in 0..run.pages {
                    let place = |pages: &BTreeSet<u32>| {
                        1 + pages.iter().position(|one| *one == page).unwrap() as u64
                    };
                    let expected = if newest.contains(&page) {
                        Some((0, place(&newest)))
                    } else if page >= length {
                        None
                    } else if older.contains(&page) {
                        Some((1, place(&older)))
                    } else {
                        (u64::from(page) < whole).then_some((2, u64::from(page)))
                    };
                    let expected = expected.map(|(backup, place)| (backup, place * PAGE as u64));
                    let from = run.from.map(|(backup, at)| (backup, at + u64::from(number) * PAGE as u64));
                    prop_assert_eq!(from, expected);
                    page += 1;
                }
            }
        }
    }
}
