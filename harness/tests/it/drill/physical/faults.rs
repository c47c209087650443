//! Faults of a base backup that has no manifest any more, so that only its contents show them: pages, relations, indexes, WAL.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use basebackup::page::{PAGE, checksum};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use rstest::rstest;

use super::{Copy, orders};

/// Files of `base.tar.gz`, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Rewrites `base.tar.gz` and removes the manifest.
pub fn edit(copy: &Copy, change: impl FnOnce(&mut Files)) {
    rewrite(copy, change);
    std::fs::remove_file(copy.path("base/backup_manifest")).unwrap();
}

/// Rewrites the manifest, with its own checksum.
fn edit_manifest(copy: &Copy, change: impl FnOnce(&str) -> String) {
    let path = copy.path("base/backup_manifest");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let (listed, _) = manifest.split_once("\"Manifest-Checksum\"").unwrap();
    let changed = change(listed);
    assert_ne!(changed, listed);
    let sum = redrill::digest::sha256(&changed);
    std::fs::write(
        &path,
        format!("{changed}\"Manifest-Checksum\": \"{sum}\"}}\n"),
    )
    .unwrap();
}

/// Rewrites `base.tar.gz`.
fn rewrite(copy: &Copy, change: impl FnOnce(&mut Files)) {
    let path = copy.path("base/base.tar.gz");
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(&path).unwrap()));
    let (mut files, mut folders) = (Files::new(), Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if entry.header().entry_type().is_dir() {
            folders.push(name);
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    change(&mut files);
    let out = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    let mut builder = tar::Builder::new(out);
    for (name, content) in &files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    let mut out = builder.into_inner().unwrap();
    out.flush().unwrap();
    out.finish().unwrap();
}

/// The file that has a text on a page, the largest of several.
fn holding(files: &Files, text: &[u8], kind: impl Fn(&str) -> bool) -> String {
    let has = |content: &Vec<u8>| content.windows(text.len()).any(|window| window == text);
    let all = files
        .iter()
        .filter(|(name, _)| name.starts_with("base/") && kind(name));
    let all = all.filter(|(_, content)| has(content));
    let (name, _) = all.max_by_key(|(_, content)| content.len()).unwrap();
    name.clone()
}

/// The file of `orders`.
pub fn table(files: &Files) -> String {
    holding(files, &[b'x'; 200], |_| true)
}

/// The file of its primary key: the largest B-tree that was made next, by its number.
fn index(files: &Files) -> String {
    let (folder, number) = table(files)
        .rsplit_once('/')
        .map(|(a, b)| (a.to_owned(), b.parse::<u32>().unwrap()))
        .unwrap();
    let next = (number + 1..number + 10).map(|number| format!("{folder}/{number}"));
    let is_tree = |name: &String| {
        files
            .get(name)
            .is_some_and(|file| file.get(24..28) == Some(&0x0005_3162_u32.to_le_bytes()))
    };
    let trees = next.filter(is_tree);
    trees.max_by_key(|name| files[name].len()).unwrap()
}

fn flip(file: &mut [u8], at: usize) {
    file[at] ^= 0x10;
}

/// Gives a page the checksum of its contents, as a broken disk controller or a lying backup would.
fn seal(file: &mut [u8], block: u32) {
    let from = block as usize * PAGE;
    let sum = checksum(&file[from..from + PAGE], block);
    file[from + 8..from + 10].copy_from_slice(&sum.to_le_bytes());
}

#[rstest]
#[case::heap_page(|files: &mut Files| { let t = table(files); flip(files.get_mut(&t).unwrap(), 5000); }, "page 0 expected its own checksum")]
#[case::index_page(|files: &mut Files| { let i = index(files); flip(files.get_mut(&i).unwrap(), PAGE + 5000); }, "page 1 expected its own checksum")]
#[case::visibility_map(|files: &mut Files| { let t = table(files) + "_vm"; flip(files.get_mut(&t).unwrap(), 30); }, "_vm page 0 expected its own checksum")]
#[case::part_of_a_page(|files: &mut Files| { let t = table(files); files.get_mut(&t).unwrap().truncate(PAGE + 100); }, "a part of a page at its end")]
fn pages_are_verified_before_a_server_starts(
    #[case] change: impl FnOnce(&mut Files),
    #[case] says: &str,
) {
    let copy = Copy::make();
    edit(&copy, change);
    let drilled = copy.drill("local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert!(drilled.said.contains(says), "{}", drilled.said);
}

#[rstest]
#[case::missing_relation(|files: &mut Files| { let t = table(files); files.remove(&t); }, "shop: public.orders")]
#[case::missing_pages(|files: &mut Files| { let t = table(files); files.get_mut(&t).unwrap().truncate(PAGE); }, "shop: public.orders")]
#[case::row_of_the_future(|files: &mut Files| {
    // The transaction that made the first row.
    let t = table(files);
    let file = files.get_mut(&t).unwrap();
    let at = usize::from(u16::from_le_bytes([file[24], file[25]]) & 0x7FFF);
    file[at..at + 4].copy_from_slice(&4_000_000_u32.to_le_bytes());
    file[at + 20..at + 22].copy_from_slice(&0x0802_u16.to_le_bytes());
    seal(file, 0);
}, "shop: public.orders")]
#[case::index_without_a_row(|files: &mut Files| {
    // Its leaf is page 1: the last entry is cut off.
    let i = index(files);
    let file = files.get_mut(&i).unwrap();
    let lower = u16::from_le_bytes([file[PAGE + 12], file[PAGE + 13]]) - 4;
    file[PAGE + 12..PAGE + 14].copy_from_slice(&lower.to_le_bytes());
    seal(file, 1);
}, "index public.orders_pkey")]
#[case::index_out_of_order(|files: &mut Files| {
    let i = index(files);
    let file = files.get_mut(&i).unwrap();
    let (a, b) = (PAGE + 24 + 4 * 50, PAGE + 24 + 4 * 60);
    for byte in 0..4 {
        file.swap(a + byte, b + byte);
    }
    seal(file, 1);
}, "index public.orders_pkey")]
#[case::catalog_without_a_type(|files: &mut Files| {
    // `note` has a type that is not there.
    let name = holding(files, b"note\0\0\0\0\0\0\0\0", |name| name.ends_with("/1249"));
    let file = files.get_mut(&name).unwrap();
    let at = file.windows(12).position(|window| window == b"note\0\0\0\0\0\0\0\0").unwrap();
    file[at + 64..at + 68].copy_from_slice(&99_999_u32.to_le_bytes());
    let block = u32::try_from(at / PAGE).unwrap();
    seal(file, block);
}, "pg_attribute")]
fn what_no_checksum_shows_is_found_in_the_recovered_cluster(
    #[case] change: impl FnOnce(&mut Files),
    #[case] says: &str,
) {
    let copy = Copy::make();
    edit(&copy, change);
    let drilled = copy.drill("local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    let stages = drilled.record["stages"].as_array().unwrap();
    let failed = stages.iter().find(|one| one["outcome"] == "fail").unwrap();
    assert_eq!(failed["name"], "proof", "{}", drilled.said);
    assert!(
        failed["findings"].to_string().contains(says),
        "{}",
        failed["findings"]
    );
}

#[rstest]
#[case::missing_segment(|copy: &Copy| std::fs::remove_file(segment(copy, 1)).unwrap(), "it is missing;")]
#[case::target_after_the_end(|_: &Copy| (), "a server would refuse this target")]
fn wal_that_ends_too_early_is_not_proven(#[case] change: impl FnOnce(&Copy), #[case] says: &str) {
    let copy = Copy::make();
    change(&copy);
    let drilled = copy.drill("local", "lsn = \"F/0\"", &orders(3000));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "NOT PROVEN");
    assert!(drilled.said.contains(says), "{}", drilled.said);
}

/// The segment of the archive at this place, counted from the end.
fn segment(copy: &Copy, from_end: usize) -> std::path::PathBuf {
    let entries = std::fs::read_dir(copy.path("wal")).unwrap().flatten();
    let all = entries.map(|entry| entry.path());
    let mut all: Vec<_> = all.filter(|path| path.extension().is_none()).collect();
    all.sort();
    all.swap_remove(all.len() - 1 - from_end)
}

/// Where a standby is consistent is in its control file; its manifest may list more WAL, of which none may be lost.
#[test]
fn wal_that_the_manifest_of_a_standby_lists_must_be_there() {
    let copy = Copy::of("of_standby");
    edit_manifest(&copy, |listed| {
        let (before, end) = listed.rsplit_once("\"End-LSN\": \"").unwrap();
        let (_, after) = end.split_once('"').unwrap();
        format!("{before}\"End-LSN\": \"0/F0000000\"{after}")
    });
    let drilled = copy.drill("local", "target = \"latest\"", &orders(100));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    let says = "WAL up to 0/F0000000, by the manifest";
    assert!(drilled.said.contains(says), "{}", drilled.said);
}

/// A relation that neither the files nor the manifest have.
#[test]
fn a_manifest_that_does_not_list_what_is_lost_is_no_proof() {
    let copy = Copy::make();
    let mut lost = String::new();
    rewrite(&copy, |files| {
        lost = table(files);
        files.remove(&lost);
    });
    edit_manifest(&copy, |listed| {
        let lines = listed
            .lines()
            .filter(|line| !line.contains(&format!("\"{lost}\"")));
        lines.map(|line| format!("{line}\n")).collect()
    });
    let drilled = copy.drill("local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert!(
        !drilled.said.contains("by the manifest"),
        "{}",
        drilled.said
    );
    assert!(
        drilled.said.contains("shop: public.orders"),
        "{}",
        drilled.said
    );
}

#[test]
fn a_tablespace_that_is_missing_is_named() {
    let copy = Copy::make();
    let files = std::fs::read_dir(copy.path("base")).unwrap().flatten();
    let names = files.map(|file| file.file_name().into_string().unwrap());
    let mut names = names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    let name = names.next().unwrap();
    std::fs::remove_file(copy.path("base").join(&name)).unwrap();
    let drilled = copy.drill("local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    let oid = name.split('.').next().unwrap();
    let says = format!("{oid}.tar expected the tar file of a tablespace");
    assert!(drilled.said.contains(&says), "{}", drilled.said);
}

/// The server of a build with other blocks would be needed.
/// Rewrites `pg_control`, with its checksum, and removes the manifest.
fn edit_control(copy: &Copy, change: impl FnOnce(&mut [u8])) {
    edit(copy, |files| {
        let control = files.get_mut("global/pg_control").unwrap();
        change(control);
        let version = u32::from_le_bytes(control[8..12].try_into().unwrap());
        let end = if version < 1800 { 288 } else { 292 };
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &control[..end]);
        control[end..end + 4].copy_from_slice(&u32::try_from(sum).unwrap().to_le_bytes());
    });
}

/// The first is what newer versions of pgBackRest write.
#[rstest]
#[case::invalidated(0xDEAD, 0, "PROVEN")]
#[case::older(0x1_0000, 10, "a checkpoint up to 0/10000, the newest in pg_control")]
fn the_newest_checkpoint_is_not_older_than_the_backup(
    #[case] checkpoint: u64,
    #[case] code: i32,
    #[case] says: &str,
) {
    let copy = Copy::make();
    edit_control(&copy, |control| {
        control[32..40].copy_from_slice(&checkpoint.to_le_bytes());
    });
    let drilled = copy.drill("local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, code, "{}", drilled.said);
    assert!(drilled.said.contains(says), "{}", drilled.said);
}

#[test]
fn a_backup_with_another_block_size_is_inconclusive() {
    let copy = Copy::make();
    edit_control(&copy, |control| {
        control[216..220].copy_from_slice(&16_384_u32.to_le_bytes());
    });
    let drilled = copy.drill("local", "target = \"immediate\"", &orders(3000));
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert!(
        drilled.said.contains("other sizes of blocks"),
        "{}",
        drilled.said
    );
}

/// What a backup sets could end the recovery early, run a program, or shut the server down where it ends.
#[test]
fn settings_of_a_backup_are_not_in_effect() {
    let copy = Copy::make();
    let marker = copy.path("ran");
    edit(&copy, |files| {
        let auto = files.get_mut("postgresql.auto.conf").unwrap();
        let run = format!("touch {}", marker.display());
        for (name, value) in [
            ("recovery_target_action", "shutdown"),
            ("recovery_target", "immediate"),
            ("recovery_target_timeline", "current"),
            ("restore_command", &run),
            ("recovery_end_command", &run),
            ("archive_cleanup_command", &run),
            ("archive_command", &run),
            ("ssl_passphrase_command", &run),
            ("session_preload_libraries", "nobody"),
            ("shared_preload_libraries", "nobody"),
            ("recovery_min_apply_delay", "1d"),
            ("default_transaction_read_only", "on"),
        ] {
            auto.extend_from_slice(format!("{name} = '{value}'\n").as_bytes());
        }
        files.insert("recovery.signal".to_owned(), Vec::new());
    });
    let drilled = copy.drill("local", "target = \"latest\"", &orders(100));
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    assert!(!marker.exists(), "a program of the backup ran");
    let off = drilled.record["restore"]["recovery"]["switched_off"].to_string();
    for name in [
        "recovery_target_action",
        "restore_command",
        "shared_preload_libraries (nobody)",
    ] {
        assert!(off.contains(name), "{off}");
    }
}
