//! What people name as a backup by mistake: it is said what it is and what to do, and nothing hangs.

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::builder::{Redrill, none, redrill};
use super::dumps::{ROWS, dumps};
use super::wrapped::tar;

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

fn on(name: &str) -> Redrill {
    redrill().scenario(USERS).names(name)
}

#[test]
fn what_is_no_backup_is_named() {
    let mut wrong = Vec::new();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10";
    let empty = on("empty");
    std::fs::create_dir(empty.path("empty")).unwrap();
    let ended = empty.run();
    wrong.extend(ended.fails_in("backup", &["an empty folder"]).err());
    let ended = on("photos").file("photos/a.png", png).run();
    let says = ["a folder without a dump", "a.png"];
    wrong.extend(ended.fails_in("backup", &says).err());
    let ended = on("x.dump").file("x.dump", "<html>502</html>").run();
    wrong.extend(ended.fails_in("backup", &["an HTML or XML page"]).err());
    let ended = on("b").file("b/users.dump", "").run();
    wrong.extend(
        ended
            .fails_in("backup", &["users.dump", "an empty file"])
            .err(),
    );
    let ended = on("toc.dat").copy(&dumps(17).path("users.dir/toc.dat"), "toc.dat");
    let says = ["name the folder that pg_dump wrote"];
    wrong.extend(ended.run().fails_in("backup", &says).err());
    none(wrong);
}

#[test]
fn what_cannot_be_looked_at_is_named() {
    let mut wrong = Vec::new();
    let pipe = on("pipe");
    mkfifo(&pipe.path("pipe"), Mode::S_IRWXU).unwrap();
    let says = ["neither a file nor a folder", "[backup.command]"];
    wrong.extend(pipe.run().cannot_look_in("backup", &says).err());
    let inner = on("x").copy(&dumps(17).path("users.dump"), "users.dump");
    let members = tar(&[(&inner.path("users.dump"), "users.dump")]);
    let inner = inner.file("inner.tar", members);
    let outer = tar(&[(&inner.path("inner.tar"), "inner.tar")]);
    let ended = on("outer.tar").file("outer.tar", outer).run();
    let says = ["inner.tar is a bundle in a bundle", "tar xf"];
    wrong.extend(ended.cannot_look_in("backup", &says).err());
    let ended = on("base").file("base/PG_VERSION", "17\n").run();
    let says = ["a physical base backup", "[backup.base]"];
    wrong.extend(ended.cannot_look_in("backup", &says).err());
    let ended = on("gone.sql").run();
    wrong.extend(ended.cannot_look_in("backup", &["gone.sql"]).err());
    none(wrong);
}

#[test]
fn what_is_only_odd_restores() {
    let sql = String::from_utf8(dumps(17).read("users.sql")).unwrap();
    let ended = on("crlf.sql")
        .file("crlf.sql", sql.replace('\n', "\r\n"))
        .run();
    ended.is_proven_with(ROWS[0]).unwrap();
    // A pipe among the dumps is not waited for.
    let beside = on("b").copy(&dumps(17).path("users.dump"), "b/users.dump");
    mkfifo(&beside.path("b/pipe.sql"), Mode::S_IRWXU).unwrap();
    let ended = beside.run();
    ended.is_proven_with(ROWS[0]).unwrap();
    assert!(ended.findings("backup").contains("pipe.sql"));
}
