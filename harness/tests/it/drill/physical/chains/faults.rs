//! What is wrong with a chain is named before any server starts.

use std::fs;

use basebackup::page::PAGE;
use rstest::rstest;

use super::{CHECKS, Chain, OF_17, drilled, put};

/// Where the pages of incremental files begin that have at most 2045 of them.
const DATA: usize = PAGE;

#[rstest]
#[case::x20_no_parent(|c: &Chain| { fs::remove_dir_all(c.path("first")).unwrap(); }, "it is missing; other backups: full (full) at")]
#[case::x20_no_full_backup(|c: &Chain| { fs::remove_dir_all(c.path("full")).unwrap(); }, "first: expected its parent, the backup that starts at")]
#[case::expired(|c: &Chain| c.label("full", &c.start("full"), "0/1000028"), "it is missing; other backups: full (full) at 0/1000028")]
#[ignore = "slow: ci/slow.sh"]
#[case::later(|c: &Chain| c.label("full", &c.start("full"), "F/1000028"), "it is missing; other backups: full (full) at F/1000028")]
#[ignore = "slow: ci/slow.sh"]
#[case::other_timeline(|c: &Chain| c.label("full", "START TIMELINE: 1", "START TIMELINE: 2"), "on timeline 1; found it is missing")]
#[ignore = "slow: ci/slow.sh"]
#[case::not_before_it(|c: &Chain| c.label("second", &c.start("second"), "0/1000000"), "a parent that started before it")]
#[case::other_cluster(|c: &Chain| c.control("full", |bytes| bytes[0] ^= 1), "full, which is a backup of another cluster")]
#[case::x19_damaged_parent(|c: &Chain| c.damage_full_backup(), "expected the checksum in the manifest")]
#[case::lost_of_parent(|c: &Chain| fs::remove_file(c.whole("full")).unwrap(), "expected a file, by the manifest; found it is missing")]
#[case::lost_of_parent_without_manifest(|c: &Chain| { fs::remove_file(c.whole("full")).unwrap(); c.forget("full"); }, "expected the whole file, because newer backups have only a part of it; found it is missing")]
#[ignore = "slow: ci/slow.sh"]
#[case::lost_of_newest(|c: &Chain| fs::remove_file(c.incremental("second")).unwrap(), "expected a file, by the manifest; found it is missing")]
#[ignore = "slow: ci/slow.sh"]
#[case::truncated(|c: &Chain| { let path = c.incremental("first"); c.edit("first", &path, |bytes| bytes.truncate(bytes.len() - 1)); }, "bytes, by its header")]
#[case::truncated_newest(|c: &Chain| { let path = c.incremental("second"); c.edit("second", &path, |bytes| bytes.truncate(5)); }, "5 bytes: it was truncated")]
#[case::magic(|c: &Chain| { let path = c.incremental("second"); c.edit("second", &path, |bytes| bytes[0] ^= 1); }, "found 0xd3ae1f0c at its beginning")]
#[case::twice(|c: &Chain| { let path = c.incremental("second"); c.edit("second", &path, |bytes| bytes.copy_within(12..16, 16)); }, "expected each page once")]
#[ignore = "slow: ci/slow.sh"]
#[case::beyond(|c: &Chain| { let path = c.incremental("second"); c.edit("second", &path, |bytes| bytes[15] = 1); }, "numbers of pages below 131072")]
#[case::two_forms(|c: &Chain| { fs::copy(c.whole("full"), c.whole("second")).unwrap(); c.forget("second"); }, "expected either the whole file or an incremental one")]
#[case::page_of_parent(|c: &Chain| { let path = c.unchanged("full"); c.edit("full", &path, |bytes| bytes[5000] ^= 1); }, "expected its own checksum")]
#[ignore = "slow: ci/slow.sh"]
#[case::page_of_newest(|c: &Chain| { let path = c.incremental("second"); c.edit("second", &path, |bytes| { bytes[DATA..DATA + 8].fill(0); bytes[DATA + 5000] ^= 1; }); }, "expected its own checksum")]
#[case::checksums(|c: &Chain| c.control("full", |bytes| bytes[252] = 0), "none: they were switched on after this backup")]
#[case::other_version(|c: &Chain| {
    c.control("full", |bytes| bytes[12..16].copy_from_slice(&202_307_071_u32.to_le_bytes()));
    put(&c.path("full/PG_VERSION"), b"16\n");
}, "expected PostgreSQL 17, as in second; found PostgreSQL 16")]
#[case::files_of_two(|c: &Chain| put(&c.path("first/backup_manifest"), &fs::read(c.path("second/backup_manifest")).unwrap()), "first: base/")]
#[ignore = "slow: ci/slow.sh"]
#[case::link(|c: &Chain| { let path = c.whole("full"); fs::remove_file(&path).unwrap(); std::os::unix::fs::symlink("/etc/passwd", path).unwrap(); }, "a link, which leads out of the backup")]
fn each_fault_is_named(#[case] fault: impl Fn(&Chain), #[case] says: &str) {
    let chain = Chain::make();
    fault(&chain);
    let (said, code) = chain.inspect("path = \"second\"");
    assert_eq!(code, 10, "{said}");
    assert!(said.contains(says), "{said}");
}

/// A server writes no WAL for pages that it only adds, so they are in no backup; pg_combinebackup writes zeros too.
#[test]
fn pages_that_no_backup_has_are_counted() {
    let chain = Chain::make();
    let whole = chain.unchanged("second");
    let name = whole.file_name().unwrap().to_str().unwrap();
    let path = whole.with_file_name(format!("INCREMENTAL.{name}"));
    chain.edit("second", &path, |bytes| {
        let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) + 3;
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
    });
    let (said, code) = chain.inspect("path = \"second\"");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("3 pages that no backup of the chain has"),
        "{said}"
    );
}

/// The same chain with one damaged byte in its full backup: what pg_combinebackup makes of it has a manifest that agrees.
#[test]
fn a_drill_of_a_damaged_chain_is_not_proven() {
    let chain = Chain::of(&OF_17, &["full", "first", "second", "wal"]);
    chain.damage_full_backup();
    let drilled = drilled(&chain, "path = \"second\"", "target = \"latest\"", CHECKS);
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "NOT PROVEN");
    let said = &drilled.said;
    assert!(said.contains("the checksum in the manifest"), "{said}");
}
