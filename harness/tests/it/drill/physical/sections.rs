//! `[backup.pgbackrest]` and `[backup.barman]`: real repositories, on a disk and in S3, encrypted and not.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use rstest::rstest;

use super::tools::{PGBACKREST, Repository};
use super::{CLUSTER, Drilled, drill};
use crate::backup::source::servers::Server;
use crate::support::{digests, shared};

const LATEST: &str = "target = \"latest\"";
const ENCRYPTED: &str = "repo1-cipher-type=aes-256-cbc";
const KEY: &str = "env = { PGBACKREST_REPO1_CIPHER_PASS = { file = \"key\" } }";

/// Drills a repository by its section with these further keys, up to a target. The configuration is that of pgBackRest, with `conf` in addition.
fn drill_pgbackrest(
    repository: &Repository,
    provider: &str,
    conf: &str,
    keys: &str,
    [recovery, rows]: [&str; 2],
) -> Drilled {
    let path = repository.path("repo");
    let lines = match conf.contains("repo1-type=s3") {
        true => conf.to_owned(),
        false => format!("repo1-path={}\n{conf}", path.display()),
    };
    std::fs::write(
        repository.path("pgbackrest.conf"),
        format!("[global]\n{lines}\n"),
    )
    .unwrap();
    let text = format!(
        "schema = 1\nname = \"x\"\n[server.{provider}]\n[backup.pgbackrest]\nstanza = \"main\"\nconfig = \"pgbackrest.conf\"\n{keys}\n\
         [recovery]\n{recovery}\n[[check.row-count]]\ntable = \"public.orders\"\nmin = {rows}\nmax = {rows}\n"
    );
    let before = digests(&path);
    let drilled = drill(repository.0.path(), &[], &text);
    assert_eq!(digests(&path), before, "it changed the repository");
    drilled
}

fn assert_proven(drilled: &Drilled) {
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "PROVEN");
    let physical = &drilled.record["backup"]["physical"];
    assert_eq!(physical["fetch"]["confined"], true);
}

/// A moment that the fixture noted.
fn moment(name: &str) -> String {
    let text = std::fs::read_to_string(PGBACKREST.join(name)).unwrap();
    text.trim().to_owned()
}

#[rstest]
#[case::container("container", "", LATEST, "1006")]
#[case::local("local", "", LATEST, "1006")]
#[case::one_repository("local", "repository = 1", LATEST, "1006")]
#[case::immediate("local", "", "target = \"immediate\"", "1002")]
#[case::older("local", "set = FULL", "target = \"immediate\"", "1000")]
#[case::time("local", "", "time = time", "1003")]
// The newest backup is younger than these.
#[case::early_time("local", "", "time = early", "1001")]
#[case::early_lsn("local", "", "lsn = early_lsn", "1001")]
#[case::own_program("local", "program = \"./tool\"", LATEST, "1006")]
#[case::options("local", "options = [\"--process-max=2\"]", LATEST, "1006")]
fn pgbackrest_backups_are_proven(
    #[case] provider: &str,
    #[case] keys: &str,
    #[case] recovery: &str,
    #[case] rows: &str,
) {
    let repository = Repository::copy("repo");
    let keys = keys.replace("FULL", &format!("{:?}", repository.full()));
    let recovery = match recovery.split_once(" = ") {
        Some(("time", name)) => format!("time = {}", moment(name)),
        Some(("lsn", name)) => format!("lsn = {:?}", moment(name)),
        _ => recovery.to_owned(),
    };
    if keys.contains("./tool") {
        let tool = Command::new("sh")
            .args(["-c", "command -v pgbackrest"])
            .output();
        let tool = String::from_utf8(tool.unwrap().stdout).unwrap();
        std::os::unix::fs::symlink(tool.trim(), repository.path("tool")).unwrap();
    }
    let drilled = drill_pgbackrest(&repository, provider, "", &keys, [&recovery, rows]);
    assert_proven(&drilled);
    let backup = &drilled.record["backup"];
    let origin = backup["origin"].as_str().unwrap();
    assert!(
        origin.contains("--config={scenario}/pgbackrest.conf --stanza=main"),
        "{origin}"
    );
}

static OF_17: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = include_str!("pgbackrest.sh");
    let script = format!("export PATH=/tools:$PATH\n{CLUSTER}{script}");
    shared::made_in_image_with(17, Some(&trixie()), &script)
});

/// The folder of pgBackRest from the suite of PostgreSQL 17.
fn trixie() -> PathBuf {
    let tools = std::env::var_os("REDRILL_TRIXIE");
    PathBuf::from(
        tools.expect("`. ci/setup.sh; need_pgbackrest_of_trixie` installs it and names its folder"),
    )
}

/// A server of 17 with the pgBackRest of its own suite.
#[rstest]
#[case::latest("repo", "", "", LATEST, "1006")]
#[case::incremental("repo", "", "", "target = \"immediate\"", "1002")]
#[case::early_time("repo", "", "", "time = early", "1001")]
#[case::encrypted("secret", ENCRYPTED, KEY, LATEST, "1006")]
#[ignore = "slow: ci/slow.sh"]
fn backups_of_17_are_proven(
    #[case] name: &str,
    #[case] conf: &str,
    #[case] keys: &str,
    #[case] recovery: &str,
    #[case] rows: &str,
) {
    let repository = Repository::copy_of(&OF_17, name);
    std::fs::write(repository.path("key"), "correct-horse").unwrap();
    let early = std::fs::read_to_string(OF_17.join("early")).unwrap();
    let recovery = recovery.replace("early", early.trim());
    let keys = format!("program = {:?}\n{keys}", trixie().join("pgbackrest"));
    let drilled = drill_pgbackrest(&repository, "container", conf, &keys, [&recovery, rows]);
    assert_proven(&drilled);
    let version = drilled.record["server"]["version"].as_str().unwrap();
    assert!(version.starts_with("17."), "{version}");
}

/// Neither the file nor a report has the key.
#[test]
fn encrypted_repositories_are_proven() {
    let repository = Repository::copy("secret");
    std::fs::write(repository.path("key"), "correct-horse").unwrap();
    let drilled = drill_pgbackrest(&repository, "local", ENCRYPTED, KEY, [LATEST, "1006"]);
    assert_proven(&drilled);
    assert!(!drilled.record.to_string().contains("correct-horse"));

    std::fs::write(repository.path("key"), "wrong-horse").unwrap();
    let drilled = drill_pgbackrest(&repository, "local", ENCRYPTED, KEY, [LATEST, "1006"]);
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert!(drilled.said.contains("exit code"), "{}", drilled.said);
    assert!(!drilled.said.contains("wrong-horse"), "{}", drilled.said);
}

/// The bucket is the folder of the repository, which a server of S3 gives by TLS to who signs with its key.
#[rstest]
#[case::plain("repo", "", "")]
#[case::encrypted(
    "secret",
    ENCRYPTED,
    "PGBACKREST_REPO1_CIPHER_PASS = { file = \"key\" }, "
)]
fn repositories_in_s3_are_proven(#[case] name: &str, #[case] conf: &str, #[case] env: &str) {
    let repository = Repository::copy(name);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| repository.path(name));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let root = repository.0.path();
    let server = Server::rclone_by_tls(root, &certificate, &key);
    let conf = format!(
        "repo1-type=s3\nrepo1-path=/\nrepo1-s3-bucket=repo\nrepo1-s3-endpoint=localhost\nrepo1-storage-port={}\n\
         repo1-s3-region=us-east-1\nrepo1-s3-uri-style=path\nrepo1-storage-ca-file={}\n{conf}",
        server.port,
        certificate.display()
    );
    let keys = format!(
        "env = {{ {env}PGBACKREST_REPO1_S3_KEY = \"test-key\", PGBACKREST_REPO1_S3_KEY_SECRET = {{ file = \"secret\" }} }}"
    );
    std::fs::write(repository.path("key"), "correct-horse").unwrap();
    std::fs::write(repository.path("secret"), "test-s3cret").unwrap();
    let drilled = drill_pgbackrest(&repository, "local", &conf, &keys, [LATEST, "1006"]);
    assert_proven(&drilled);

    std::fs::write(repository.path("secret"), "another-secret").unwrap();
    let drilled = drill_pgbackrest(&repository, "local", &conf, &keys, [LATEST, "1006"]);
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "INCONCLUSIVE");
    assert!(!drilled.said.contains("another-secret"), "{}", drilled.said);
}

static BARMAN: LazyLock<PathBuf> =
    LazyLock::new(|| shared::made_by_postgres(&[CLUSTER, include_str!("barman.sh")].concat()));

/// A folder with the configuration of Barman, which refuses to be another user than that of its configuration.
fn barman() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let conf = std::fs::read_to_string(BARMAN.join("barman.conf")).unwrap();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.unwrap().unwrap();
    let conf: Vec<String> = conf
        .lines()
        .map(|line| match line.starts_with("barman_user") {
            true => format!("barman_user = {}", user.name),
            false => line.to_owned(),
        })
        .collect();
    std::fs::write(folder.path().join("barman.conf"), conf.join("\n")).unwrap();
    folder
}

const BY_SECTION: &str = "[backup.barman]\nserver = \"main\"\nconfig = \"barman.conf\"\nWRITES\n";
const BY_COMMANDS: &str = "[backup.base]\ncommand = [\"barman\", \"-c\", \"barman.conf\", \"recover\", \"--get-wal\", \"main\", \"latest\", \"{folder}\"]\nWRITES\n\
    [backup.wal]\ncommand = [\"barman\", \"-c\", \"barman.conf\", \"get-wal\", \"main\", \"{segment}\"]\n";

/// `barman recover` writes a folder, `barman get-wal` the segment to its standard output.
#[rstest]
#[case::section("[backup.barman]", BY_SECTION)]
#[case::commands("[backup.base]", BY_COMMANDS)]
fn barman_backups_are_proven(#[case] section: &str, #[case] backup: &str) {
    let folder = barman();
    // The only file that it must write.
    let writes = format!(
        "writes = [{:?}]",
        BARMAN.join("lock/.main-archive-wal.lock")
    );
    let text = format!(
        "schema = 1\nname = \"x\"\n[server.local]\n{backup}\
         [[check.row-count]]\ntable = \"public.orders\"\nmin = 1003\nmax = 1003\n"
    );
    let drilled = drill(folder.path(), &[], &text.replace("WRITES", ""));
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    let hint = format!("set `{writes}` in `{section}`");
    assert!(drilled.said.contains(&hint), "{}", drilled.said);
    let before = digests(&BARMAN.join("barman"));
    let drilled = drill(folder.path(), &[], &text.replace("WRITES", &writes));
    assert_proven(&drilled);
    assert_eq!(digests(&BARMAN.join("barman")), before);
    // It renames the manifest when it recovers.
    let physical = &drilled.record["backup"]["physical"];
    assert_eq!(physical["manifest"], false);
    assert!(
        physical["fetch"]["wal_files"].as_u64().unwrap() >= 4,
        "{physical}"
    );
}

#[rstest]
#[case::no_stanza("[backup.pgbackrest]\nset = \"x\"", "names no stanza")]
#[case::empty_stanza("[backup.pgbackrest]\nstanza = \"\"", "names no stanza")]
#[case::no_server("[backup.barman]\nbackup = \"x\"", "names no server")]
#[case::no_program(
    "[backup.pgbackrest]\nstanza = \"a\"\nprogram = \"\"",
    "no program is set"
)]
#[case::misspelt("[backup.pgbackrest]\nstanza = \"a\"\nrepo = 1", "unknown key `repo`")]
#[case::two(
    "[backup.pgbackrest]\nstanza = \"a\"\n[backup.barman]\nserver = \"a\"",
    "has exactly one source"
)]
#[case::wal(
    "[backup.pgbackrest]\nstanza = \"a\"\n[backup.wal]\npath = \"wal\"",
    "gives the archived WAL too"
)]
#[case::of_dumps(
    "[backup]\nsha256 = \"\"\n[backup.barman]\nserver = \"a\"",
    "`sha256` is for dumps"
)]
#[case::retention(
    "[backup.retention]\ndaily = 2\n[backup.barman]\nserver = \"a\"",
    "is a single backup"
)]
#[case::plain_text("[backup]\nbarman = \"main\"", "this must be a table")]
fn mistakes_have_a_place_and_a_way_out(#[case] backup: &str, #[case] says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let drilled = drill(
        folder.path(),
        &[],
        &format!("schema = 1\nname = \"x\"\n{backup}\n"),
    );
    assert_eq!(drilled.code, 2, "{}", drilled.said);
    let said = &drilled.said;
    assert!(said.contains(says), "{said}");
    assert!(said.contains('^'), "{said}");
}

#[rstest]
#[case::pgbackrest(
    "[backup.pgbackrest]\nstanza = \"main\"\nprogram = \"./none\"",
    "set `program` in `[backup.pgbackrest]`"
)]
#[case::slow(
    "[backup.pgbackrest]\nstanza = \"main\"\nprogram = \"./slow\"\ntimeout = \"300ms\"",
    "raise `timeout` in `[backup.pgbackrest]`"
)]
#[case::stanza(
    "[backup.pgbackrest]\nstanza = \"none\"\nconfig = \"pgbackrest.conf\"",
    "it ended with exit code"
)]
fn a_tool_that_does_not_give_a_backup_is_inconclusive(#[case] backup: &str, #[case] says: &str) {
    let repository = Repository::copy("repo");
    let conf = format!(
        "[global]\nrepo1-path={}\n",
        repository.path("repo").display()
    );
    std::fs::write(repository.path("pgbackrest.conf"), conf).unwrap();
    let slow = repository.path("slow");
    std::fs::write(&slow, "#!/bin/sh\nexec sleep 974\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&slow, mode).unwrap();
    let drilled = drill(
        repository.0.path(),
        &[],
        &format!("schema = 1\nname = \"x\"\n{backup}\n"),
    );
    assert_eq!(drilled.code, 3, "{}", drilled.said);
    assert!(drilled.said.contains(says), "{}", drilled.said);
}
