//! What a backup is wrapped in comes off: compression, tar files, encryption. A wrong key says
//! nothing about the backup.

use std::io::Write as _;
use std::iter::once;
use std::path::Path;
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret as _;
use age::{Encryptor, x25519};

use super::broken::gzip;
use super::builder::{Redrill, none, redrill};
use super::dumps::{ROWS, copy, dumps};

const USERS: &str = r#"schema = 1
name = "drilled"

[backup]
path = "named-by-the-command-line"

[restore]
create-roles = ["shop_app"]

[[check.row-count]]
table = "auth.users"
exact = 1500
"#;

/// `tar` of a folder with these in it.
pub fn tar(members: &[(&Path, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for (from, name) in members {
        let to = folder.path().join(name);
        copy(from, &to);
        if to.is_dir() {
            builder.append_dir_all(name, to).unwrap();
        } else {
            builder.append_path_with_name(to, name).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn age(bytes: &[u8], key: &x25519::Identity) -> Vec<u8> {
    let recipient = key.to_public();
    let recipients = once(&recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(recipients).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn compressed_dumps_restore() {
    let plain = dumps(17).read("users.sql");
    let members = [
        ("a.sql.zst", zstd(&plain)),
        ("b.sql.lz4", lz4(&plain)),
        ("c.sql.xz", xz(&plain)),
        ("d.dump.gz", gzip(&dumps(17).read("users.dump"))),
        ("e.tar.gz", gzip(&dumps(17).read("users.tar"))),
    ];
    let restore = "[restore]\ndatabase = \"a\"\ndatabases = { \"a.sql.zst\" = \"a\", \"b.sql.lz4\" = \"b\", \"c.sql.xz\" = \"c\", \"d.dump.gz\" = \"d\", \"e.tar.gz\" = \"e\" }";
    let drill = redrill().scenario(&USERS.replace("[restore]", restore));
    let drill = members.into_iter().fold(drill, |drill, (name, bytes)| {
        drill.file(&format!("wrapped/{name}"), bytes)
    });
    let ended = drill.names("wrapped").run();
    ended.is_proven_with(5 * ROWS[0]).unwrap();
}

#[test]
fn a_directory_archive_in_a_tar_file_restores() {
    let whole = gzip(&tar(&[(&dumps(15).path("users.dir"), "users.dir")]));
    let ended = redrill()
        .scenario(USERS)
        .backup(whole, "users.tar.gz")
        .run();
    ended.is_proven_with(ROWS[0]).unwrap();
}

#[test]
fn an_age_file_needs_its_own_key() {
    let (key, other) = (x25519::Identity::generate(), x25519::Identity::generate());
    let packed = age(&gzip(&dumps(17).read("users.sql")), &key);
    let with = |key: &x25519::Identity| {
        let decrypt = "[backup.decrypt]\nage-identity = { file = \"backup.key\" }\n\n[restore]";
        redrill()
            .scenario(&USERS.replace("[restore]", decrypt))
            .file("backup.key", key.to_string().expose_secret())
            .backup(&packed, "users.sql.gz.age")
            .run()
    };
    let mut wrong = Vec::new();
    wrong.extend(with(&key).is_proven_with(ROWS[0]).err());
    wrong.extend(with(&other).cannot_look_in("backup", &["identity"]).err());
    let without = redrill().scenario(USERS).backup(&packed, "x.age").run();
    let says = ["[backup.decrypt]"];
    wrong.extend(without.cannot_look_in("backup", &says).err());
    none(wrong);
}

#[test]
fn gpg_decrypts_as_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("gpg");
    std::fs::create_dir(&home).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&home, mode).unwrap();
    let words = |more: &[&str]| -> Vec<String> {
        let always = ["--batch", "--quiet", "--pinentry-mode=loopback"];
        let passphrase = ["--passphrase-file", "passphrase"];
        let words = [&always[..], &passphrase, more].concat();
        words.into_iter().map(str::to_owned).collect()
    };
    std::fs::write(folder.path().join("passphrase"), "correct horse\n").unwrap();
    let mut gpg = Command::new("gpg")
        .args(words(&["--symmetric", "--output=-"]))
        .current_dir(folder.path())
        .env("GNUPGHOME", &home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ci/setup.sh installs gpg");
    let mut stdin = gpg.stdin.take().unwrap();
    let dump = dumps(17).read("users.dump");
    let feeder = std::thread::spawn(move || stdin.write_all(&dump));
    let packed = gpg.wait_with_output().unwrap().stdout;
    feeder.join().unwrap().unwrap();
    let with = |passphrase: &str| -> Redrill {
        let command = [vec!["gpg".to_owned()], words(&["--decrypt"])].concat();
        let decrypt = format!(
            "[backup.decrypt]\ncommand = {command:?}\nenv = {{ GNUPGHOME = {home:?} }}\n\n[restore]"
        );
        redrill()
            .scenario(&USERS.replace("[restore]", &decrypt))
            .file("passphrase", passphrase)
            .backup(&packed, "users.dump.gpg")
    };
    let mut wrong = Vec::new();
    wrong.extend(with("correct horse\n").run().is_proven_with(ROWS[0]).err());
    let other = with("wrong horse\n").run();
    let says = ["gpg", "Bad session key"];
    wrong.extend(other.cannot_look_in("backup", &says).err());
    let without = redrill().scenario(USERS).backup(&packed, "x.gpg").run();
    let says = ["[backup.decrypt]"];
    wrong.extend(without.cannot_look_in("backup", &says).err());
    let _ = Command::new("gpgconf")
        .args(["--kill", "all"])
        .env("GNUPGHOME", &home)
        .status();
    none(wrong);
}
