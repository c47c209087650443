//! The backup comes from where it lies, through the real binary: storage, HTTP, a command, a pattern.

use std::time::Duration;

use redrill::digest::hex;
use sha2::{Digest as _, Sha256};

use super::builder::{Redrill, none, redrill};
use super::dumps::{ROWS, dumps};
use crate::backup::source::servers::{Server, free_port};
use crate::backup::source::web::{Web, answer, file};

fn scenario(backup: &str) -> Redrill {
    redrill().scenario(&format!(
        "schema = 1\nname = \"drilled\"\n{backup}\n[restore]\ncreate-roles = [\"shop_app\"]\n[[check.row-count]]\ntable = \"auth.users\"\nexact = 1500\n"
    ))
}

#[test]
fn an_object_in_storage_restores() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("backups/nightly");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, dump) in [("2026-05-24", "users.tar"), ("2026-05-25", "users.dump")] {
        let to = folder.join(format!("users-{name}.dump"));
        std::fs::copy(dumps(17).path(dump), to).unwrap();
    }
    let server = Server::rclone(root.path(), free_port());
    let backup = format!(
        "[backup.s3]\nbucket = \"backups\"\nendpoint = \"http://127.0.0.1:{}\"\nnewest = \"nightly/users-*.dump\"",
        server.port
    );
    let ended = scenario(&backup)
        .environment("AWS_ACCESS_KEY_ID", "test-key")
        .environment("AWS_SECRET_ACCESS_KEY", "test-s3cret")
        .run();
    ended.is_proven_with(ROWS[0]).unwrap();
    let backup = &ended.drill()["backup"];
    assert_eq!(
        backup["candidates"].as_array().unwrap().len(),
        2,
        "{backup}"
    );
    assert!(!ended.stdout.contains("test-s3cret"));
}

#[test]
fn a_file_behind_an_address_restores_and_a_page_does_not() {
    let dump = dumps(17).read("users.dump");
    let web = Web::start(move |_, request| match request.path.as_str() {
        "/users.dump" => file(request, "\"1\"", &dump),
        "/page" => answer(
            "200 OK",
            "Content-Type: text/html\r\n",
            b"<html>Sign in</html>",
        ),
        _ => answer("404 Not Found", "", b""),
    });
    let of = |path: &str| scenario(&format!("[backup.http]\nurl = \"{}\"", web.url(path))).run();
    let mut wrong = Vec::new();
    wrong.extend(of("/users.dump").is_proven_with(ROWS[0]).err());
    wrong.extend(
        of("/page")
            .fails_in("backup", &["an HTML or XML page"])
            .err(),
    );
    wrong.extend(of("/gone").cannot_look_in("backup", &["404"]).err());
    none(wrong);
}

#[test]
fn what_a_command_writes_restores_and_its_failure_says_nothing_of_the_backup() {
    let of = |command: &str, file: &str| {
        let backup = format!("[backup.command]\nrun = {command}\nname = \"users-2026-05-25.dump\"");
        scenario(&backup).copy(&dumps(17).path(file), "users.dump")
    };
    let mut wrong = Vec::new();
    let ended = of("[\"cat\", \"users.dump\"]", "users.dump").run();
    wrong.extend(ended.is_proven_with(ROWS[0]).err());
    let made = &ended.drill()["backup"]["made"];
    if !made.to_string().contains("2026-05-25") {
        wrong.push(format!("made {made}"));
    }
    let ended = of(
        "[\"sh\", \"-c\", \"head -c 900 users.dump; exit 7\"]",
        "users.dump",
    )
    .run();
    wrong.extend(ended.cannot_look_in("backup", &["code 7"]).err());
    let ended = of("[\"head\", \"-c\", \"9000\", \"users.dump\"]", "users.dump").run();
    wrong.extend(
        ended
            .fails_in("backup", &["the file ends within its data"])
            .err(),
    );
    // Ctrl-C while the command still writes.
    let slow = of(
        "[\"sh\", \"-c\", \"cat users.dump; sleep 60\"]",
        "users.dump",
    );
    let ended = slow.interrupted_after(Duration::from_millis(500));
    if ended.code != 130 {
        wrong.push(format!("Ctrl-C: {}\n{}", ended.code, ended.stdout));
    }
    none(wrong);
}

#[test]
fn f46_the_newest_is_taken_with_proof_and_against_its_digest() {
    let dump = dumps(17).path("users.dump");
    let digest = hex(&Sha256::digest(dumps(17).read("users.dump")));
    let of = |backup: &str, digest: &str| {
        scenario(backup)
            .copy(&dump, "b/users-2026-05-25.dump")
            .copy(
                &dumps(17).path("users-seekable.dump"),
                "b/users-2026-05-24.dump",
            )
            .file("b/users-2026-05-26.dump.part", "half")
            .file(
                "b/users-2026-05-25.dump.sha256",
                format!("{digest}  users-2026-05-25.dump\n"),
            )
    };
    let newest = "[backup]\nnewest = \"b/users-*.dump*\"";
    let mut wrong = Vec::new();
    let ended = of(newest, &digest).run();
    wrong.extend(ended.is_proven_with(ROWS[0]).err());
    for page in [&ended.drill().to_string(), &ended.pages[0]] {
        for text in [
            "users-2026-05-25.dump",
            "users-2026-05-24.dump",
            "incomplete, according to its name",
            &digest,
        ] {
            if !page.contains(text) {
                wrong.push(format!("no `{text}` in {page}"));
            }
        }
    }
    let other = "0".repeat(64);
    let says = ["users-2026-05-25.dump.sha256", &other];
    wrong.extend(of(newest, &other).run().fails_in("backup", &says).err());
    let stated = format!("[backup]\npath = \"b/users-2026-05-25.dump\"\nsha256 = \"{other}\"");
    wrong.extend(
        of(&stated, &digest)
            .run()
            .fails_in("backup", &["SHA-256", &other])
            .err(),
    );
    none(wrong);
}
