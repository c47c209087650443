//! Archived WAL in a bucket of a real server: it is read as a folder is, and no failure of the storage is the end of the WAL.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rstest::rstest;

use super::{Cluster, flip};
use crate::backup::source::servers::{At, Server, free_port, proxy};

const BASE: &str = "path = \"folder\"";
const LATEST: &str = "target = \"latest\"";

/// Moves the archive into the bucket `archive`, below `main/wal`, and leaves a link to it.
fn store(cluster: &Cluster) -> Server {
    let folder = cluster.path("storage/archive/main");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::rename(cluster.path("wal"), folder.join("wal")).unwrap();
    std::os::unix::fs::symlink(folder.join("wal"), cluster.path("wal")).unwrap();
    std::fs::write(cluster.path("key"), "test-s3cret\n").unwrap();
    Server::rclone(&cluster.path("storage"), free_port())
}

/// The settings of WAL in this bucket.
fn bucket(port: u16, place: &str) -> String {
    format!(
        "s3 = {{ {place}, endpoint = \"http://127.0.0.1:{port}\", access-key-id = \"test-key\", secret-access-key = {{ file = \"key\" }} }}"
    )
}

const PLACE: &str = "bucket = \"archive\", prefix = \"main/wal\"";

/// Replaces a file by one that is compressed by its ending.
fn compress(path: &Path, ending: &str) {
    let content = std::fs::read(path).unwrap();
    let packed = match ending {
        "gz" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(&content).unwrap();
            out.finish().unwrap()
        }
        "lz4" => {
            let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
            out.write_all(&content).unwrap();
            out.finish().unwrap()
        }
        _ => zstd::encode_all(content.as_slice(), 1).unwrap(),
    };
    let mut name = path.to_owned().into_os_string();
    name.push(".");
    name.push(ending);
    std::fs::write(name, packed).unwrap();
    std::fs::remove_file(path).unwrap();
}

/// What is said of WAL, commits and timelines.
fn read(said: &str) -> String {
    let (_, from) = said.split_once(" WAL ").unwrap();
    from.split(" fetched ").next().unwrap().to_owned()
}

#[rstest]
#[case::latest(LATEST)]
#[case::immediate("target = \"immediate\"")]
#[case::restore_point("name = \"before_release\"")]
fn wal_in_a_bucket_is_read_as_in_a_folder(#[case] recovery: &str) {
    let cluster = Cluster::make();
    for (at, ending) in ["gz", "lz4", "zst"].into_iter().enumerate() {
        compress(&cluster.segment(at), ending);
    }
    // As some tools sort them; and the history of a timeline that begins after all.
    let name = |path: PathBuf| path.file_name().unwrap().to_owned();
    let first = cluster.segment(0);
    std::fs::create_dir(cluster.path("wal/0000000100000000")).unwrap();
    let moved = cluster
        .path("wal/0000000100000000")
        .join(name(first.clone()));
    std::fs::rename(first, moved).unwrap();
    std::fs::write(cluster.path("wal/00000002.history"), "1\t0/F0000000\tx\n").unwrap();
    let server = store(&cluster);
    let (said, code) = cluster.inspect_with(BASE, &bucket(server.port, PLACE), recovery);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("WAL from s3://archive/main/wal"), "{said}");
    assert!(said.contains(" on timeline 2"), "{said}");
    let (folder, code) = cluster.inspect("folder", recovery);
    assert_eq!(code, 0, "{folder}");
    let of_folder = folder.split(" inspected ").next().unwrap();
    assert!(of_folder.contains(&read(&said)), "{said}\n{folder}");
}

#[rstest]
#[case::x01_gap(|c: &Cluster| std::fs::remove_file(c.segment(1)).unwrap(), "it is missing;")]
#[case::two_gaps(|c: &Cluster| { std::fs::remove_file(c.segment(2)).unwrap(); std::fs::remove_file(c.segment(1)).unwrap(); }, "it and 1 further segment are missing;")]
#[case::partial(|c: &Cluster| { let last = c.segment(0); std::fs::rename(&last, last.with_extension("partial")).unwrap(); }, ".partial, which no recovery reads")]
#[case::x09_truncated(|c: &Cluster| std::fs::File::options().write(true).open(c.segment(1)).unwrap().set_len(1 << 20).unwrap(), "1048576 bytes: it was truncated")]
#[case::corrupt(|c: &Cluster| flip(&c.segment(2), 60), "a record with a wrong checksum")]
fn each_fault_is_named(#[case] fault: impl Fn(&Cluster), #[case] says: &str) {
    let cluster = Cluster::make();
    fault(&cluster);
    let server = store(&cluster);
    let (said, code) = cluster.inspect_with(BASE, &bucket(server.port, PLACE), LATEST);
    assert_eq!(code, 10, "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn a_timeline_that_is_not_listed_is_a_fault() {
    let cluster = Cluster::make();
    let server = store(&cluster);
    let wal = bucket(server.port, PLACE);
    let (said, code) = cluster.inspect_with(BASE, &wal, "timeline = 7");
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("00000007.history in the archive"), "{said}");
}

#[rstest]
#[case::unreachable(0, PLACE, "cannot reach")]
#[case::no_bucket(1, "bucket = \"none\"", "cannot list s3://none")]
#[case::no_wal(
    1,
    "bucket = \"archive\", prefix = \"main/none\"",
    "s3://archive/main/none has no file of WAL"
)]
fn a_failure_is_never_the_end_of_the_wal(
    #[case] is_up: usize,
    #[case] place: &str,
    #[case] says: &str,
) {
    let cluster = Cluster::make();
    let server = store(&cluster);
    let port = [free_port(), server.port][is_up];
    // The WAL of the base backup would be enough.
    let wal = bucket(port, place);
    let (said, code) = cluster.inspect_with(BASE, &wal, "target = \"immediate\"");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(says), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn an_object_that_vanishes_is_no_gap() {
    let cluster = Cluster::make();
    let server = store(&cluster);
    let last = cluster.segment(0);
    // The first answer is the listing.
    let port = proxy(server.port, 1, move |_| {
        let _ = std::fs::remove_file(&last);
        At::GoOn
    });
    let (said, code) = cluster.inspect_with(BASE, &bucket(port, PLACE), LATEST);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("the object does not exist"), "{said}");
}

#[test]
fn what_is_too_large_for_a_segment_is_not_fetched() {
    let cluster = Cluster::make();
    let file = std::fs::File::options()
        .write(true)
        .open(cluster.segment(1));
    file.unwrap().set_len(64 << 20).unwrap();
    let server = store(&cluster);
    let (said, code) = cluster.inspect_with(BASE, &bucket(server.port, PLACE), LATEST);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has 67.1 MB, where at most"), "{said}");
}

#[rstest]
#[case::two(
    "path = \"wal\"\ns3 = { bucket = \"b\" }",
    "has exactly one of `path`, `s3` and `command`"
)]
#[case::an_address("s3 = \"s3://b/wal\"", "this must be a table")]
#[case::no_bucket("s3 = { prefix = \"wal\" }", "`bucket` is missing")]
#[case::address_for_bucket("s3 = { bucket = \"s3://b/wal\" }", "not a name of a bucket")]
#[case::absolute(
    "s3 = { bucket = \"b\", prefix = \"/wal\" }",
    "not the name of a folder"
)]
#[case::one_object("s3 = { bucket = \"b\", key = \"wal\" }", "unknown key `key`")]
#[case::open_secret(
    "s3 = { bucket = \"b\", access-key-id = \"x\", secret-access-key = \"y\" }",
    "never written in a scenario"
)]
#[case::timeout(
    "s3 = { bucket = \"b\" }\ntimeout = \"1m\"",
    "`timeout` is for `command`"
)]
fn mistakes_have_a_place_and_a_way_out(#[case] wal: &str, #[case] says: &str) {
    let cluster = Cluster(tempfile::tempdir().unwrap());
    let (said, code) = cluster.inspect_with(BASE, wal, LATEST);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(says), "{said}");
    assert!(said.contains('^') && said.contains("error:"), "{said}");
}
