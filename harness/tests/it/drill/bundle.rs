//! Several dumps that are one backup: one drill, one verdict over all databases, and what is wrong
//! with any of them is found before a server starts.

use std::time::Duration;

use redrill::digest::hex;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::broken::gzip;
use super::builder::{Redrill, none, redrill};
use super::dumps::{ROWS, dumps};
use super::wrapped::{tar, zstd};
use crate::server::drill::usable;

const ALL: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[[check.row-count]]
table = "auth.users"
database = "users"
exact = 1500

[[check.row-count]]
table = "public.documents"
database = "collections"
exact = 900
"#;

/// The members of a good bundle.
pub fn members() -> Members {
    let of = dumps(17);
    let mut members = vec![
        ("globals.sql", of.read("globals.sql")),
        ("users.dump", of.read("custom-zstd.dump")),
        ("permissions.dump", of.read("permissions.dump")),
        (
            "orders-2026-05-25.sql.gz",
            gzip(&of.read("collections.sql")),
        ),
    ];
    for entry in std::fs::read_dir(of.path("collections.dir")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = format!("collections/{name}");
        members.push((name.leak(), std::fs::read(path).unwrap()));
    }
    members
}

/// `sha256sum` of those that are files of the bundle itself.
fn sums(members: &[(&str, Vec<u8>)]) -> String {
    let files = members.iter().filter(|(name, _)| !name.contains('/'));
    files
        .map(|(name, bytes)| format!("{}  {name}\n", hex(&Sha256::digest(bytes))))
        .collect()
}

fn folder(members: &[(&str, Vec<u8>)]) -> Redrill {
    let drill = redrill().names("bundle");
    members.iter().fold(drill, |drill, (name, bytes)| {
        drill.file(&format!("bundle/{name}"), bytes)
    })
}

/// The one plain dump calls itself nothing, so its name says where it goes.
fn rows() -> u64 {
    ROWS.iter().sum::<u64>() + ROWS[2]
}

/// A bundle without one of its databases, and no list of digests that would say so.
#[test]
fn a_database_that_checks_name_is_in_the_bundle() {
    let mut members = members();
    members.retain(|(name, _)| !name.starts_with("collections/"));
    let ended = folder(&members).scenario(ALL).run();
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    let findings = ended.drill()["stages"][0]["findings"].to_string();
    for text in [
        "database collections",
        "1 check names it",
        "its dump is missing",
    ] {
        assert!(findings.contains(text), "{findings}");
    }
    // No server had to be started for it.
    assert_eq!(ended.drill()["stages"][1]["outcome"], "skipped");
}

#[test]
fn a_folder_is_one_backup() {
    let mut members = members();
    let sums = sums(&members);
    members.push(("SHA256SUMS", sums.into_bytes()));
    members.push(("README", b"how to restore".to_vec()));
    members.push(("backup.log", b"done".to_vec()));
    let ended = folder(&members).scenario(ALL).run();
    ended.is_proven_with(rows()).unwrap();
    let warned = ended.findings("backup");
    let named: Vec<_> = warned
        .lines()
        .filter_map(|line| line.split(" | ").next())
        .collect();
    assert_eq!(named, ["README", "backup.log"], "{warned}");
    let format = &ended.drill()["backup"]["format"];
    assert_eq!(*format, "bundle of 5 dumps, folder");
}

#[test]
fn a_tar_file_is_one_backup() {
    let folder = tempfile::tempdir().unwrap();
    let mut members = members();
    let list: Vec<String> = members
        .iter()
        .filter(|(name, _)| !name.contains('/'))
        .map(|(name, bytes)| format!("\"{name}\": \"{}\"", hex(&Sha256::digest(bytes))))
        .collect();
    let manifest = format!("{{ \"files\": {{ {} }} }}", list.join(", "));
    members.push(("manifest.json", manifest.into_bytes()));
    for (name, bytes) in &members {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let whole = tar(&[(folder.path(), "nightly")]);
    for (name, bytes) in [("b.tar.gz", gzip(&whole)), ("b.tar.zst", zstd(&whole))] {
        let ended = redrill().scenario(ALL).backup(bytes, name).run();
        ended.is_proven_with(rows()).unwrap();
        assert_eq!(ended.findings("backup"), "", "{name}");
    }
}

#[tokio::test]
async fn three_archives_without_roles_are_drilled_where_they_lie() {
    let scenario = ALL.to_owned()
        + "[[check.row-count]]\ntable = \"public.grants\"\nexact = 700\n[restore]\ndatabase = \"permissions\"\ncreate-roles = [\"shop_app\", \"shop_reader\"]\n";
    for provider in ["container", "local"] {
        if !usable(provider).await {
            continue;
        }
        let drill = redrill().scenario(&scenario).names("nightly");
        let drill = ["users", "permissions", "collections"]
            .iter()
            .fold(drill, |drill, name| {
                let name = format!("{name}.dump");
                drill.copy(&dumps(15).path(&name), &format!("nightly/{name}"))
            });
        let ended = drill.with("--server").with(provider).run();
        ended.is_proven_with(ROWS.iter().sum()).unwrap();
    }
}

#[test]
fn the_roles_that_its_dumps_lack_are_one_finding() {
    let mut without = members();
    without.remove(0);
    let scenario = ALL.replace("database = \"collections\"\n", "");
    let ended = folder(&without).scenario(&scenario).run();
    let says = [
        "roles \"shop_app\", \"shop_reader\" do not exist",
        "role = [{ name = \"shop_app\" }, { name = \"shop_reader\" }]",
    ];
    ended.fails_in("backup", &says).unwrap();
}

#[test]
fn a_check_says_which_of_several_databases_it_is_about() {
    let scenario = ALL.replace("database = \"collections\"\n", "");
    let ended = folder(&members()).scenario(&scenario).run();
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    let said = ended.findings("row-count/rows-of-public-documents") + &ended.stdout;
    for text in ["collections", "permissions", "add `database = "] {
        assert!(said.contains(text), "{text}: {said}");
    }
}

pub type Members = Vec<(&'static str, Vec<u8>)>;

/// What is wrong with a bundle, what a finding must say, and how it is made of a good one.
type Fault = (&'static str, &'static str, fn(&mut Members));

const FAULTS: &[Fault] = &[
    ("a member was changed", "users.dump | SHA-256", |members| {
        let list = sums(members);
        members[1].1 = dumps(17).read("custom-gzip.dump");
        members.push(("SHA256SUMS", list.into_bytes()));
    }),
    (
        "a member is missing",
        "permissions.dump | a file that SHA256SUMS names",
        |members| {
            let list = sums(members);
            members.retain(|(name, _)| *name != "permissions.dump");
            members.push(("SHA256SUMS", list.into_bytes()));
        },
    ),
    (
        "F16 a member is cut",
        "permissions.dump: public.grants | ",
        |members| {
            members[2].1.truncate(9000);
        },
    ),
    (
        "F11 a member's gzip is cut",
        "orders-2026-05-25.sql.gz",
        |members| {
            members[3].1.truncate(3000);
        },
    ),
    (
        "F07 a member is empty",
        "users.dump | a PostgreSQL backup | an empty file",
        |members| {
            members[1].1.clear();
        },
    ),
    ("F09 a member is a message", "users.dump | ", |members| {
        members[1].1 = b"pg_dump: error: connection failed\n".to_vec();
    }),
    ("F19 a member lacks a file", "collections: ", |members| {
        members.retain(|(name, _)| !name.ends_with(".dat.gz"));
    }),
    (
        "two dumps for one database",
        "it is restored into `users`, like ",
        |members| {
            members.push(("again.dump", dumps(17).read("users.dump")));
        },
    ),
    (
        "there are roles alone",
        "definitions without any data",
        |members| {
            members.truncate(1);
        },
    ),
];

#[test]
fn a_fault_of_any_member_is_found_before_a_server_starts() {
    let mut wrong = Vec::new();
    for (what, says, change) in FAULTS {
        let mut members = members();
        change(&mut members);
        let ended = folder(&members).scenario(ALL).run();
        if let Err(why) = ended.fails_in("backup", &[says]) {
            wrong.push(format!("{what}: {why}"));
        }
    }
    none(wrong);
}

#[test]
fn a_dump_that_is_not_there_is_told_before_a_server_starts() {
    let restore = "[restore]\ndatabases = { \"usres.dump\" = \"users\" }\n";
    let ended = folder(&members())
        .scenario(&(ALL.to_owned() + restore))
        .run();
    let says = ["usres.dump", "the backup contains ", "users.dump"];
    ended.fails_in("backup", &says).unwrap();
}

/// A tar file with one more member, whose name no honest `tar` writes.
fn with_member(name: &str, sort: EntryType) -> Vec<u8> {
    let dump = dumps(17).path("users.dump");
    let mut header = Header::new_gnu();
    header.set_entry_type(sort);
    header.set_size(0);
    header.set_mode(0o644);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    if sort == EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    [header.as_bytes(), tar(&[(&dump, "users.dump")]).as_slice()].concat()
}

#[test]
fn f50_members_that_lead_elsewhere_are_refused_or_left_out() {
    let mut wrong = Vec::new();
    for name in ["../x.sql", "/tmp/redrill-x.sql", "a/../../x.sql"] {
        let bytes = with_member(name, EntryType::Regular);
        let ended = redrill().scenario(ALL).backup(bytes, "b.tar").run();
        wrong.extend(ended.fails_in("backup", &[name, "do not unpack it"]).err());
    }
    assert!(!std::path::Path::new("/tmp/redrill-x.sql").exists());
    // A link alone is no reason: what else is there is looked at.
    let restore = "[restore]\ncreate-roles = [\"shop_app\"]\n";
    let scenario = ALL
        .split("[[check.row-count]]\ntable = \"public")
        .next()
        .unwrap();
    let ended = redrill()
        .scenario(&(scenario.to_owned() + restore))
        .backup(with_member("etc.sql", EntryType::Symlink), "b.tar")
        .run();
    wrong.extend(ended.is_proven_with(ROWS[0]).err());
    if !ended.findings("backup").contains("etc.sql") {
        wrong.push("no warning about the link".to_owned());
    }
    none(wrong);
}

#[test]
fn f18_a_tar_file_that_was_cut_is_found_wherever_it_was() {
    let (globals, users) = (dumps(17).path("globals.sql"), dumps(17).path("users.dump"));
    let whole = tar(&[(&globals, "globals.sql"), (&users, "users.dump")]);
    let mut wrong = Vec::new();
    for end in [600, 1024, 3000, whole.len() - 1024, whole.len() - 512] {
        for packed in [whole[..end].to_vec(), gzip(&whole[..end])] {
            let ended = redrill().scenario(ALL).backup(packed, "b.tar").run();
            wrong.extend(ended.fails_in("backup", &["a complete tar file"]).err());
        }
    }
    none(wrong);
}

#[test]
fn ctrl_c_while_a_bundle_is_unpacked_leaves_nothing() {
    let mut header = Header::new_gnu();
    let bytes = 4 << 30;
    header.set_size(bytes);
    header.set_path("big.sql").unwrap();
    header.set_cksum();
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut header.as_bytes().as_slice(), &mut encoder).unwrap();
    let zeros = std::io::Read::take(std::io::repeat(b'\n'), bytes / 4);
    std::io::copy(
        &mut std::io::BufReader::with_capacity(1 << 20, zeros),
        &mut encoder,
    )
    .unwrap();
    let packed = encoder.finish().unwrap();
    let drill = redrill().scenario(ALL).backup(packed, "b.tar.zst");
    let ended = drill.interrupted_after(Duration::from_millis(400));
    assert_eq!(ended.code, 130, "{}", ended.stdout);
}
