//! Commands that fetch a base backup and its WAL: what they give is verified as a folder is, and no failure of theirs is the end of the WAL.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rstest::rstest;

use super::{Cluster, flip};
use crate::support::{digests, is_running};

const BASE: &str = "command = [\"cp\", \"-a\", \"folder/.\", \"{folder}\"]";
const WAL: &str = "command = [\"cp\", \"wal/{segment}\", \"{file}\"]";
const LATEST: &str = "target = \"latest\"";

/// Writes a script that gets the name of the segment and the path of its file; `cp` is the command of the archive.
fn script(cluster: &Cluster, text: &str) {
    let path = cluster.path("get.sh");
    let text = format!(
        "#!/bin/sh\nset -e\ncp() {{ command cp wal/\"$segment\" \"$file\"; }}\nsegment=$1 file=$2\n{text}\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
}

/// Some of the scripts note what they were asked for.
const SCRIPT: &str = "command = [\"./get.sh\", \"{segment}\", \"{file}\"]\nwrites = [\".\"]";

#[rstest]
#[case::latest(BASE, WAL, LATEST)]
#[case::standard_output(BASE, "command = [\"cat\", \"wal/{segment}\"]", LATEST)]
#[case::restore_point(BASE, WAL, "name = \"before_release\"")]
#[case::tar("command = [\"cp\", \"-a\", \"base/.\", \"{folder}\"]", WAL, LATEST)]
#[case::base_in_a_folder("path = \"base\"", WAL, LATEST)]
#[case::wal_in_a_folder(BASE, "path = \"wal\"", LATEST)]
#[case::own_wal_is_enough(
    BASE,
    "command = [\"false\", \"{segment}\", \"{file}\"]",
    "target = \"immediate\""
)]
fn what_commands_give_is_whole(#[case] base: &str, #[case] wal: &str, #[case] recovery: &str) {
    let cluster = Cluster::make();
    let (said, code) = cluster.inspect_with(base, wal, recovery);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("fetched "), "{said}");
    if base.starts_with("command") {
        assert!(said.contains("/. {folder}"), "{said}");
    }
    // The same as of folders.
    let (folders, code) = cluster.inspect("folder", recovery);
    assert_eq!(code, 0, "{folders}");
    let end = |said: &str| {
        let (_, from) = said.split_once(" WAL ").unwrap();
        from.split(" on timeline ").next().unwrap().to_owned()
    };
    if base != "path = \"base\"" && !base.contains("base/.") {
        assert_eq!(end(&said), end(&folders), "{said}");
    }
}

#[rstest]
#[case::gap(|c: &Cluster| std::fs::remove_file(c.segment(1)).unwrap(), "it is missing;")]
#[case::two_gaps(|c: &Cluster| { std::fs::remove_file(c.segment(2)).unwrap(); std::fs::remove_file(c.segment(1)).unwrap(); }, "it and 1 further segment are missing;")]
#[case::swapped(|c: &Cluster| assert!(std::fs::copy(c.segment(2), c.segment(1)).unwrap() > 0), "the contents of")]
#[case::corrupt(|c: &Cluster| flip(&c.segment(2), 60), "a record with a wrong checksum")]
#[case::link(|c: &Cluster| std::os::unix::fs::symlink("/etc", c.path("folder/base/x")).unwrap(), "a link, which leads out of the backup")]
#[case::page(|c: &Cluster| flip(&c.path("folder/base/1/1259"), 5000), "base/1/1259: expected the checksum in the manifest")]
fn each_fault_is_named(#[case] fault: impl Fn(&Cluster), #[case] says: &str) {
    let cluster = Cluster::make();
    fault(&cluster);
    let (said, code) = cluster.inspect_with(BASE, WAL, LATEST);
    assert_eq!(code, 10, "{said}");
    assert!(said.contains(says), "{said}");
}

#[rstest]
#[case::gives_nothing("exit 1", "gave no file at all; for 0000")]
#[case::says_why(
    "echo 'no route: s3cret-token' >&2; exit 1",
    "it ended with exit code 1: no route: ***"
)]
#[case::stops(
    "echo >> calls; [ $(wc -l < calls) -lt 4 ] || exit 9; cp",
    "which it gave before, not any more: it ended with exit code 9"
)]
#[case::a_timeline_comes_late(
    "case $segment in *.history) [ -e asked ] && echo 1 0/9000000 > $file || { touch asked; exit 1; } ;; *) cp ;; esac",
    "gave 00000002.history only when it was asked again"
)]
#[case::not_found("exit 127", "it ended with exit code 127")]
#[case::killed("kill -9 $$", "a signal ended it")]
#[case::no_file("exit 0", "exit code 0 and wrote no file")]
#[case::empty(": > $file", "exit code 0 and wrote an empty file")]
#[case::short(
    "case $segment in *.history) exit 1;; esac; head -c 1000 /dev/zero > $file",
    "wrote 1000 bytes, where 16777216 are expected"
)]
#[case::long(
    "case $segment in *.history) exit 1;; esac; cp; echo >> $file",
    "wrote 16777217 bytes, where 16777216 are expected"
)]
#[case::link("ln -s /etc/passwd $file", "exit code 0 and wrote no file")]
#[case::folder("mkdir $file", "exit code 0 and wrote no file")]
fn a_failure_is_never_the_end_of_the_wal(#[case] text: &str, #[case] says: &str) {
    let cluster = Cluster::make();
    script(&cluster, text);
    std::fs::write(cluster.path("token"), "s3cret-token").unwrap();
    let wal = format!("{SCRIPT}\nenv = {{ TOKEN = {{ file = \"token\" }} }}");
    let (said, code) = cluster.inspect_with(BASE, &wal, LATEST);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(says), "{said}");
    assert!(said.contains("./get.sh {segment} {file}"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

/// Once it gave a segment again, the end is the end.
#[test]
fn a_command_that_fails_once_is_asked_again() {
    let cluster = Cluster::make();
    let last = cluster.segment(0).file_name().unwrap().to_owned();
    let last = last.to_str().unwrap();
    script(
        &cluster,
        &format!("if [ $segment = {last} ] && [ ! -e failed ]; then touch failed; exit 1; fi; cp"),
    );
    let (said, code) = cluster.inspect_with(BASE, SCRIPT, LATEST);
    assert_eq!(code, 0, "{said}");
    assert!(cluster.path("failed").exists());
    let (whole, _) = cluster.inspect("folder", LATEST);
    let (_, commits) = whole.split_once(" commits ").unwrap();
    let commits: Vec<&str> = commits.split(' ').take(4).collect();
    assert!(said.contains(&commits.join(" ")), "{said}\n{whole}");
}

#[test]
fn a_missing_timeline_is_a_fault_only_of_a_command_that_works() {
    let cluster = Cluster::make();
    let (said, code) = cluster.inspect_with(BASE, WAL, "timeline = 7");
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("00000007.history in the archive"), "{said}");
    script(&cluster, "exit 1");
    let (said, code) = cluster.inspect_with(BASE, SCRIPT, "timeline = 7");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("gave no file at all"), "{said}");
}

#[rstest]
#[case::base(
    "command = [\"sh\", \"-c\", \"sleep 973\", \"{folder}\"]\ntimeout = \"500ms\"",
    WAL
)]
#[case::wal(
    BASE,
    "command = [\"sh\", \"-c\", \"sleep 973\", \"{segment}\"]\ntimeout = \"500ms\""
)]
fn a_command_that_hangs_is_killed(#[case] base: &str, #[case] wal: &str) {
    let cluster = Cluster::make();
    let began = Instant::now();
    let (said, code) = cluster.inspect_with(base, wal, LATEST);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("did not end within 500 ms and was killed"),
        "{said}"
    );
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(!is_running(&["sleep", "973"]));
}

/// What a command with mistakes, or a tool with a wrong option, does to the repository and to the machine.
const HARM: &str = r#"
set +e
try() { sh -c "$1" 2>> "$TMPDIR/refused" && did="$did [$1]"; }
try 'rm -r wal'
try ': > wal/$(ls wal | head -n 1)'
try 'mv folder/PG_VERSION folder/PG_VERSION.old'
try 'echo > folder/base/1/new'
try 'mkdir elsewhere'
try 'ln wal/$(ls wal | head -n 1) '"$segment/linked"
try 'echo > "$HOME/file"'
# Linux 6.12 or newer.
case $(uname -r) in [0-5].*|6.[0-9].*|6.1[01].*) ;; *) [ "$may" ] || try "kill -0 $PPID" ;; esac
# What it may.
echo > "$segment/file"; mkdir "$segment/sub"; mv "$segment/file" "$segment/sub"; rm -r "$segment/sub"
echo > "$TMPDIR/file"; echo > /dev/null; echo > /dev/stdout; : > "/dev/shm/$$"; rm "/dev/shm/$$"
cat wal/* > /dev/null
echo "did:$did" >&2
"#;

/// A drill changes nothing of what it reads. The first case is refused all of it; the second shows that nothing else would have
/// prevented it.
#[rstest]
#[case::confined("", "exit code 1: did: hint:")]
#[case::it_may_write_everywhere(
    "writes = [\"/\"]",
    "did: [rm -r wal] [mv folder/PG_VERSION folder/PG_VERSION.old] [echo > folder/base/1/new] [mkdir elsewhere] [echo > \"$HOME/file\"]"
)]
fn a_command_writes_to_its_folders_only(#[case] writes: &str, #[case] did: &str) {
    let cluster = Cluster::make();
    std::fs::create_dir(cluster.path("home")).unwrap();
    let may = if writes.is_empty() { "" } else { "may=1" };
    script(&cluster, &format!("{may}\n{HARM}\nexit 1"));
    let before = digests(cluster.0.path());
    let home = cluster.path("home");
    let base =
        format!("command = [\"./get.sh\", \"{{folder}}\"]\nenv = {{ HOME = {home:?} }}\n{writes}");
    let (said, code) = cluster.inspect_with(&base, WAL, LATEST);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(did), "{said}");
    let mut after = digests(cluster.0.path());
    after.remove(&cluster.path("x.toml"));
    assert_eq!(after == before, writes.is_empty());
}

/// The same of a command that gives WAL, which cannot change what it gave before either; and nothing that it starts is left.
#[test]
fn a_command_of_wal_writes_its_file_only() {
    let cluster = Cluster::make();
    let [first, second] = [2, 1].map(|at| cluster.segment(at).file_name().unwrap().to_owned());
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    script(
        &cluster,
        &format!(
            "if [ $segment = {first} ]; then setsid sleep 971 & (env -i /usr/bin/setsid /bin/sleep 972 &); fi\n\
             if [ $segment = {second} ]; then rm -f wal/{first} ${{file%/*}}/../{first} || :; [ -e wal/{first} ]; [ -e ${{file%/*}}/../{first} ]; fi\n\
             cp"
        ),
    );
    let before = digests(&cluster.path("wal"));
    let wal = SCRIPT.split('\n').next().unwrap();
    let (said, code) = cluster.inspect_with(BASE, wal, LATEST);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("written to folders of the run only"),
        "{said}"
    );
    assert_eq!(digests(&cluster.path("wal")), before);
    assert!(!is_running(&["sleep", "971"]) && !is_running(&["/bin/sleep", "972"]));
}

/// The next step is in the error, and works.
#[rstest]
#[case::base("[backup.base]", "it ended with exit code 2")]
#[case::wal("[backup.wal]", "gave no file at all")]
fn a_refused_write_names_the_key(#[case] section: &str, #[case] says: &str) {
    let cluster = Cluster::make();
    let lock = cluster.path("lock");
    let get = format!("echo > {} || exit 2\n", lock.display());
    let (base, wal) = match section {
        "[backup.base]" => {
            script(&cluster, &format!("{get}command cp -a folder/. $segment"));
            ("command = [\"./get.sh\", \"{folder}\"]", WAL)
        }
        _ => {
            script(&cluster, &format!("{get}cp"));
            (BASE, SCRIPT.split('\n').next().unwrap())
        }
    };
    let (said, code) = cluster.inspect_with(base, wal, LATEST);
    assert_eq!(code, 3, "{said}");
    let key = format!("writes = [{lock:?}]");
    let hint = format!("if it must write there, set `{key}` in `{section}`");
    assert!(said.contains(says) && said.contains(&hint), "{said}");
    let with = |table: &str| format!("{table}\n{key}");
    let inspect = || match section {
        "[backup.base]" => cluster.inspect_with(&with(base), wal, LATEST),
        _ => cluster.inspect_with(base, &with(wal), LATEST),
    };
    let (said, code) = inspect();
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("`writes` of") && said.contains("No such file"),
        "{said}"
    );
    std::fs::write(&lock, "").unwrap();
    let (said, code) = inspect();
    assert_eq!(code, 0, "{said}");
}

#[rstest]
#[case::fails(
    "echo 'no stanza: s3cret-token' >&2; exit 82",
    3,
    "it ended with exit code 82: no stanza: ***"
)]
#[case::fails_after_all(
    "command cp -a folder/. $segment; exit 1",
    3,
    "it ended with exit code 1"
)]
#[case::writes_nothing("exit 0", 3, "it wrote nothing into `{folder}`")]
#[case::killed("kill -9 $$", 3, "a signal ended it")]
#[case::no_backup(
    "touch $segment/x",
    10,
    "a folder without PG_VERSION and without base.tar"
)]
#[case::no_label(
    "command cp -a folder/. $segment; rm $segment/backup_label",
    10,
    "backup_label: expected where the recovery begins; found it is missing"
)]
fn a_base_backup_that_was_not_fetched_is_none(
    #[case] text: &str,
    #[case] code: i32,
    #[case] says: &str,
) {
    let cluster = Cluster::make();
    script(&cluster, text);
    std::fs::write(cluster.path("token"), "s3cret-token").unwrap();
    let base = "command = [\"./get.sh\", \"{folder}\"]\nenv = { TOKEN = { file = \"token\" } }";
    let (said, ended) = cluster.inspect_with(base, WAL, LATEST);
    assert_eq!(ended, code, "{said}");
    assert!(said.contains(says), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

/// Words of a command may have what its variables have, and the redactor learns of these when they are read.
#[test]
fn a_command_is_shown_without_its_secrets() {
    let cluster = Cluster::make();
    std::fs::write(cluster.path("token"), "s3cret-token").unwrap();
    let with = |command: &str| {
        let (start, _) = command.rsplit_once(']').unwrap();
        format!("{start}, \"s3cret-token\"]\nenv = {{ TOKEN = {{ file = \"token\" }} }}")
    };
    script(&cluster, "cp");
    let (said, code) = cluster.inspect_with(
        BASE,
        &with("command = [\"./get.sh\", \"{segment}\", \"{file}\"]"),
        LATEST,
    );
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("./get.sh {segment} {file} ***"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[rstest]
#[case::two(
    "path = \"base\"\ncommand = [\"x\", \"{folder}\"]",
    WAL,
    "`[backup.base]` has exactly one of `path`, `newest` and `command`"
)]
#[case::none("", WAL, "`[backup.base]` has exactly one of")]
#[case::none_but_env("env = { A = \"b\" }", WAL, "`[backup.base]` has exactly one of")]
#[case::no_folder(
    "command = [\"pgbackrest\", \"restore\"]",
    WAL,
    "no argument has `{folder}`"
)]
#[case::no_program("command = []", WAL, "no program is set")]
#[case::only_a_program("command = [\"{folder}\"]", WAL, "no argument has `{folder}`")]
#[case::env_of_a_path("path = \"base\"\nenv = { A = \"b\" }", WAL, "`env` is for `command`")]
#[case::timeout_of_a_path(
    "path = \"base\"",
    "path = \"wal\"\ntimeout = \"1m\"",
    "`timeout` is for `command`"
)]
#[case::writes_of_a_path("path = \"base\"\nwrites = [\"x\"]", WAL, "`writes` is for `command`")]
#[case::misspelt("comand = [\"x\", \"{folder}\"]", WAL, "did you mean `command`?")]
#[case::text(
    "command = \"pgbackrest restore {folder}\"",
    WAL,
    "this must be a list in brackets"
)]
#[case::two_of_wal(
    BASE,
    "path = \"wal\"\ncommand = [\"x\", \"{segment}\"]",
    "`[backup.wal]` has exactly one of `path`, `s3` and `command`"
)]
#[case::none_of_wal(BASE, "", "`[backup.wal]` has exactly one of")]
#[case::no_segment(BASE, "command = [\"x\", \"{file}\"]", "no argument has `{segment}`")]
#[case::no_limit(BASE, "command = [\"x\", \"{segment}\"]\ntimeout = \"soon\"", "soon")]
fn mistakes_have_a_place_and_a_way_out(#[case] base: &str, #[case] wal: &str, #[case] says: &str) {
    let cluster = Cluster(tempfile::tempdir().unwrap());
    let (said, code) = cluster.inspect_with(base, wal, LATEST);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(says), "{said}");
    assert!(said.contains('^') && said.contains("error:"), "{said}");
}
