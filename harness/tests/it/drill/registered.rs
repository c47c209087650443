//! Every format of a dump, every compression and every encryption that the code knows is documented, and is
//! read where it is complete and refused where it is truncated.

use std::fs;

use age::secrecy::ExposeSecret as _;
use age::x25519;

use super::broken::gzip;
use super::builder::{Ended, redrill};
use super::dumps::dumps;
use super::wrapped::{age, lz4, xz, zstd};
use crate::support::root;

/// The variants of an enum, as its source lists them.
fn variants(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, rest) = text.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let variant = |line: &str| {
        let line = line.trim();
        let is_name = line.starts_with(|first: char| first.is_ascii_uppercase());
        is_name.then(|| line.split(['(', ',', ' ']).next().unwrap().to_owned())
    };
    body.lines().filter_map(variant).collect()
}

/// Requires that the cases are those of the enum, and that the line of the documentation names each.
fn assert_complete(cases: &[(&str, &str)], variants: &[String], line: &str) {
    let named: Vec<&str> = cases.iter().map(|(variant, _)| *variant).collect();
    assert_eq!(named, variants, "cases and code differ");
    let text = fs::read_to_string(root().join("scenarios/README.md")).unwrap();
    let start = format!("| **{line}** |");
    let documented = text.lines().find(|text| text.starts_with(&start)).unwrap();
    for (variant, word) in cases {
        assert!(
            documented.contains(word),
            "{variant}: `{word}` is not in {documented}"
        );
    }
}

/// A scenario for the file `dump`, which a command decrypts.
const DECRYPTED: &str = r#"schema = 1
name = "drilled"

[backup]
path = "dump"

[backup.decrypt]
command = ["gzip", "-dc"]

[[check.row-count]]
table = "auth.users"
exact = 1500
"#;

/// Inspects these bytes as the file `dump`; `arguments` name it, or the scenario.
fn inspect(bytes: &[u8], arguments: &[&str]) -> Ended {
    let redrill = redrill().file("dump", bytes).file("dump.toml", DECRYPTED);
    redrill.call(&[&["inspect", "--quiet"], arguments].concat())
}

/// Requires that the whole file passes, that its format is shown, and that a part of it fails.
fn assert_passed_and_failed(whole: &[u8], shown: &str, arguments: &[&str]) {
    let passed = inspect(whole, arguments);
    assert_eq!(
        passed.code, 0,
        "{shown}: {}{}",
        passed.stdout, passed.stderr
    );
    assert!(passed.stdout.contains(shown), "{shown}: {}", passed.stdout);
    let failed = inspect(&whole[..whole.len() * 2 / 3], arguments);
    assert_eq!(
        failed.code, 10,
        "{shown}: {}{}",
        failed.stdout, failed.stderr
    );
}

#[test]
fn every_format_is_documented_and_has_a_passing_and_a_failing_case() {
    let formats = [("Plain", "plain SQL"), ("Archive", "archives")];
    let in_code = variants("harness/pgdump/src/format/mod.rs", "Format");
    assert_complete(&formats, &in_code, "format");
    let kinds = [
        ("Custom", "custom"),
        ("Directory", "directory"),
        ("Tar", "tar"),
    ];
    let in_code = variants("harness/pgdump/src/layout.rs", "Kind");
    assert_complete(&kinds, &in_code, "format");
    let dumps = dumps(17);
    assert_passed_and_failed(&dumps.read("users.sql"), "plain SQL", &["dump"]);
    assert_passed_and_failed(&dumps.read("users.dump"), "custom archive", &["dump"]);
    assert_passed_and_failed(&dumps.read("users.tar"), "tar archive", &["dump"]);
    // A folder is truncated where a file of it is missing.
    let folder = dumps.path("users.dir");
    let passed = redrill().copy(&folder, "dump");
    let passed = passed.call(&["inspect", "--quiet", "dump"]);
    assert_eq!(passed.code, 0, "{}{}", passed.stdout, passed.stderr);
    assert!(
        passed.stdout.contains("directory archive"),
        "{}",
        passed.stdout
    );
    let failed = redrill().copy(&folder, "dump");
    let data = fs::read_dir(failed.path("dump")).unwrap();
    let data = data.map(|entry| entry.unwrap().path());
    let data = data
        .filter(|path| !path.ends_with("toc.dat"))
        .min()
        .unwrap();
    fs::remove_file(data).unwrap();
    let failed = failed.call(&["inspect", "--quiet", "dump"]);
    assert_eq!(failed.code, 10, "{}{}", failed.stdout, failed.stderr);
}

#[test]
fn every_compression_inside_an_archive_is_documented_and_has_a_passing_and_a_failing_case() {
    let inside = [
        ("None", "none"),
        ("Gzip", "gzip"),
        ("Lz4", "lz4"),
        ("Zstd", "zstd"),
    ];
    let in_code = variants("harness/pgdump/src/layout.rs", "Compression");
    assert_complete(&inside, &in_code, "format");
    for (variant, word) in inside {
        let shown = if variant == "None" {
            "custom archive"
        } else {
            word
        };
        let whole = dumps(17).read(&format!("custom-{word}.dump"));
        assert_passed_and_failed(&whole, shown, &["dump"]);
    }
}

#[test]
fn every_layer_is_documented_and_has_a_passing_and_a_failing_case() {
    let layers = [
        ("Gzip", "gzip"),
        ("Zstd", "zstd"),
        ("Lz4", "lz4"),
        ("Xz", "xz"),
        ("Age", "age"),
        ("Command", "[backup.decrypt] command"),
    ];
    let in_code = variants("harness/src/backup/packing/layer.rs", "Layer");
    assert_complete(&layers, &in_code, "compression, encryption");
    let plain = dumps(17).read("users.sql");
    let key = x25519::Identity::generate();
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("key");
    fs::write(&identity, key.to_string().expose_secret()).unwrap();
    let identity = identity.to_str().unwrap();
    for (layer, shown) in layers {
        let (whole, shown, arguments): (Vec<u8>, &str, &[&str]) = match layer {
            "Gzip" => (gzip(&plain), shown, &["dump"]),
            "Zstd" => (zstd(&plain), shown, &["dump"]),
            "Lz4" => (lz4(&plain), shown, &["dump"]),
            "Xz" => (xz(&plain), shown, &["dump"]),
            "Age" => (
                age(&plain, &key),
                shown,
                &["dump", "--age-identity", identity],
            ),
            "Command" => (gzip(&plain), "`gzip`", &["dump.toml"]),
            other => panic!("{other} has no case"),
        };
        assert_passed_and_failed(&whole, shown, arguments);
    }
}
