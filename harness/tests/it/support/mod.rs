//! One way to speak to a restored PLUR database: a clone per case, a change, a check, an expectation.

pub mod json_schema;
pub mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use nix::sys::signal::Signal;
use redrill::backup::inspect::Inspection;
use redrill::backup::source::{Rules, newest, path};
use redrill::backup::spool::Spool;
use redrill::backup::{self, Backup};
use redrill::baseline::observed::Observed;
use redrill::check::counts::Counts;
use redrill::check::sessions::Sessions;
use redrill::check::{Observation, Restored};
use redrill::cleanup::{Run, Work};
use redrill::database::Address;
use redrill::digest::sha256;
use redrill::input::Environment;
use redrill::outcome::{BackupFacts, CouldNotRun, Finding};
use redrill::redact::Redactor;
use redrill::restore::settings::Restore;
use redrill::scenario::{self, ScenarioCheck};
use redrill::server::settings::Server;
use redrill::server::{ThrowawayServer, Wanted};
use redrill::{restore, run};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// One database broken, or changed harmlessly, and the check that looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What is done, with the id of `failures.md` where there is one.
    pub name: &'a str,
    /// SQL that is run as superuser in the clone.
    pub change: &'a str,
    /// SQL that takes back what a clone shares with others, such as roles.
    pub undo: &'a str,
    /// Exactly one `[[check.<kind>]]`.
    pub check: &'a str,
}

/// A throwaway server with the PLUR backup in it.
pub struct Plur {
    pub server: ThrowawayServer,
    pub run: Run,
    /// What its backup says of itself; empty where there was none.
    pub backup: BackupFacts,
    clones: AtomicU32,
    /// Kinds of checks that ran on it, and whether they passed.
    verdicts: Mutex<BTreeSet<(&'static str, bool)>>,
}

/// Statements that give the database `{name}` the owner, rights and settings of `plur`. A setting that
/// is a list is written as one: quoted as a whole it would be one name.
const CARRIED: &str = "
    SELECT format('ALTER DATABASE {name} OWNER TO %I; REVOKE ALL ON DATABASE {name} FROM PUBLIC',
                  pg_get_userbyid(datdba))
      FROM pg_database WHERE datname = 'plur'
     UNION ALL
    SELECT format('GRANT %s ON DATABASE {name} TO %s', a.privilege_type,
                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
      FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = 'plur'
     UNION ALL
    SELECT CASE WHEN r.rolname IS NULL THEN 'ALTER DATABASE {name}'
                ELSE format('ALTER ROLE %I IN DATABASE {name}', r.rolname) END
           || format(CASE split_part(c, '=', 1) WHEN 'search_path' THEN ' SET %s = %s' ELSE ' SET %s = %L' END,
                     split_part(c, '=', 1), substr(c, strpos(c, '=') + 1))
      FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
      LEFT JOIN pg_roles r ON r.oid = s.setrole
     CROSS JOIN LATERAL unnest(s.setconfig) AS c
     WHERE d.datname = 'plur'";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Digests of all files of a folder, by path.
pub fn digests(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            all.append(&mut digests(&path));
        } else if kind.is_file() {
            let content = std::fs::read(&path).unwrap();
            all.insert(path, sha256(content));
        }
    }
    all
}

/// Waits until a program handles a signal, which ends it before: on a busy machine that takes a while.
pub fn wait_until_handled(child: &Child, signal: Signal) {
    let began = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let handled = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let handled = u64::from_str_radix(handled.unwrap().trim(), 16).unwrap();
        if handled & (1 << (signal as i32 - 1)) != 0 {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{signal}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process with these words runs.
pub fn is_running(words: &[&str]) -> bool {
    let line: String = words.iter().flat_map(|word| [*word, "\0"]).collect();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines.any(|one| one == line.as_bytes())
}

/// The PLUR backup, made by its own script unless it is there.
pub fn plur_backup() -> PathBuf {
    static BACKUP: OnceLock<PathBuf> = OnceLock::new();
    BACKUP
        .get_or_init(|| {
            let out = root().join("fixtures/databases/plur/out");
            let script = root().join("fixtures/databases/plur/make.sh");
            let made = Command::new(script).output().expect("make.sh starts");
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
            newest::find(&out, "plur-*.sql.gz", &Rules::default())
                .unwrap()
                .path
        })
        .clone()
}

/// A work folder that this process's runs share; short, since sockets lie in it.
pub fn work() -> Work {
    let work = Work::below(Path::new("/tmp")).unwrap();
    work.caching_in(Some(caches().join("redrill")))
}

/// `XDG_CACHE_HOME` of the tests, in `target/`: templates of servers are made once for all of them.
pub fn caches() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Looks at a backup file.
pub async fn inspect(file: &Path) -> Backup {
    let found = path::find(file, &Rules::default()).unwrap();
    // Nothing is taken apart: plain files and archives are read where they lie.
    let inspection = Inspection::quiet(Spool::in_folder(PathBuf::from("/nowhere")));
    tokio::task::spawn_blocking(move || backup::inspect::inspect(&found, &inspection))
        .await
        .unwrap()
        .unwrap()
}

/// Lets the test work in clones of PLUR with an owner of its own, on a server that all such tests of this process share.
///
/// Such a test changes nothing that clones have in common: roles, settings, the database `plur`, to
/// which it does not stay connected either. And it brings no process of the server down.
pub async fn on_plur(test: impl AsyncFnOnce(&Plur)) {
    shared::on(test).await;
}

/// Starts a server, restores PLUR into it, gives it an owner of its own, lets the test work with it, and removes it, also
/// when the test fails.
pub async fn on_own_plur(test: impl AsyncFnOnce(&Plur)) {
    let plur = with_separate_owner().await;
    given(plur.server, plur.run, plur.backup, test).await;
}

/// The same with PLUR as it is in its backup, where the application owns everything, on a server of this major version;
/// without one, of the backup's.
pub async fn on_restored_plur(major: Option<u32>, test: impl AsyncFnOnce(&Plur)) {
    let plur = restored(major).await;
    given(plur.server, plur.run, plur.backup, test).await;
}

/// Starts a server and restores PLUR into it, with an owner of its own: against an application that owns its tables,
/// rights cannot be checked.
async fn with_separate_owner() -> Plur {
    let plur = restored(None).await;
    let file = root().join("fixtures/databases/plur/separate_owner.sql");
    plur.sql("plur", &std::fs::read_to_string(file).unwrap())
        .await;
    plur
}

/// Starts a server and restores PLUR into it.
async fn restored(major: Option<u32>) -> Plur {
    let backup = inspect(&plur_backup()).await;
    let run = work().begin().unwrap();
    let mut wanted = redrill::stage::wanted(&backup, &Restore::default());
    wanted.major = major.or(wanted.major);
    let path = std::env::var("PATH").unwrap();
    let server = ThrowawayServer::start(&Server::default(), &wanted, &run, &path)
        .await
        .unwrap();
    let log = restore::restore(
        &server,
        &backup,
        &Restore::default(),
        &Redactor::default(),
        &(Arc::new(|_| {}) as redrill::event::Listener),
    )
    .await
    .unwrap();
    assert_eq!(log.errors, []);
    assert_eq!(log.database.as_deref(), Some("plur"));
    Plur {
        server,
        run,
        backup: backup.facts(),
        clones: AtomicU32::new(0),
        verdicts: Mutex::default(),
    }
}

/// Starts a server of this major version with an empty database `plur`, for tests that fill it themselves.
pub async fn on_empty(major: u32, test: impl AsyncFnOnce(&Plur)) {
    let run = work().begin().unwrap();
    let wanted = Wanted {
        major: Some(major),
        superuser: "postgres".to_owned(),
        ..Wanted::default()
    };
    let path = std::env::var("PATH").unwrap();
    let server = ThrowawayServer::start(&Server::default(), &wanted, &run, &path)
        .await
        .unwrap();
    given(server, run, BackupFacts::default(), async |plur: &Plur| {
        plur.sql("postgres", "CREATE DATABASE plur TEMPLATE template0")
            .await;
        test(plur).await;
    })
    .await;
}

/// Opens a read-write session as superuser.
pub async fn connect(server: &ThrowawayServer, database: &str) -> PgConnection {
    let endpoint = server.endpoint();
    let options = PgConnectOptions::new_without_pgpass()
        .username(&endpoint.superuser)
        .database(database)
        .statement_cache_capacity(0);
    let options = match &endpoint.address {
        Address::Socket { sessions, .. } => options.socket(sessions),
        Address::Loopback(port) => options
            .host("127.0.0.1")
            .port(*port)
            .password(endpoint.password.expose()),
    };
    PgConnection::connect_with(&options).await.unwrap()
}

/// Lets the test work with a server, and removes it.
pub async fn given(
    server: ThrowawayServer,
    run: Run,
    backup: BackupFacts,
    test: impl AsyncFnOnce(&Plur),
) {
    let plur = Plur {
        server,
        run,
        backup,
        clones: AtomicU32::new(0),
        verdicts: Mutex::default(),
    };
    let tested = AssertUnwindSafe(test(&plur)).catch_unwind().await;
    plur.server.stop().await.unwrap();
    plur.run.end().unwrap();
    if let Err(panic) = tested {
        std::panic::resume_unwind(panic);
    }
}

impl Plur {
    /// Opens a read-write session as superuser.
    pub async fn connect(&self, database: &str) -> PgConnection {
        connect(&self.server, database).await
    }

    /// Runs SQL as superuser.
    pub async fn sql(&self, database: &str, sql: &str) {
        if let Err(error) = self.try_sql(database, sql).await {
            panic!("{error}");
        }
    }

    /// Runs SQL as superuser; an error comes with the SQL.
    pub async fn try_sql(&self, database: &str, sql: &str) -> Result<(), String> {
        let mut connection = self.connect(database).await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await;
        connection.close().await.unwrap();
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error}\nin: {sql}")),
        }
    }

    /// Makes a copy of the restored database, with the settings and rights that a template does not carry.
    pub async fn cloned(&self) -> String {
        let name = format!("clone_{}", self.clones.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect("postgres").await;
        // Files are copied as they are; writing every page to the log as well takes three times as long.
        let create = format!("CREATE DATABASE {name} TEMPLATE plur STRATEGY file_copy");
        let statements = CARRIED.replace("{name}", &name);
        let mut run = async |sql: String| {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .fetch_all(&mut connection)
                .await
                .unwrap()
        };
        run(create).await;
        let statements = run(statements).await;
        let statements: Vec<String> = statements.iter().map(|row| row.get(0)).collect();
        run(statements.join(";")).await;
        connection.close().await.unwrap();
        name
    }

    /// Applies a case and runs its check.
    pub async fn run(&self, case: Case<'_>) -> Result<Observation, CouldNotRun> {
        let database = self.cloned().await;
        if !case.change.is_empty() {
            let change = case.change.replace("{database}", &database);
            self.sql(&database, &change).await;
        }
        // The clone stands for the database that the backup makes.
        let mut backup = self.backup.clone();
        if !backup.makes.is_empty() {
            backup.makes.push(database.clone());
        }
        let check = parse(case.check);
        let folder = root().join("scenarios");
        let restored = Restored {
            last_record: &Ok(None),
            server: &self.server,
            servers: &[],
            run: &self.run.id,
            database: &database,
            backup: &backup,
            counts: &Counts::default(),
            sessions: &Sessions::default(),
            observed: &Observed::default(),
            trail: &redrill::database::Trail::default(),
            folder: &folder,
            environment: &environment(),
            redactor: &Redactor::default(),
            timeout: check.timeout,
        };
        let looked = run::run_check(&check, &restored).await;
        if let Ok(observation) = &looked {
            let passed = observation.all_findings().next().is_none();
            self.verdicts.lock().unwrap().insert((check.kind, passed));
        }
        if !case.undo.is_empty() {
            self.sql(&database, case.undo).await;
        }
        self.sql(
            "postgres",
            &format!("DROP DATABASE {database} WITH (FORCE)"),
        )
        .await;
        looked
    }

    /// Expects that checks of this kind ran before, and that one of them passed and one failed.
    pub fn assert_passed_and_failed(&self, kind: &str) {
        let verdicts = self.verdicts.lock().unwrap();
        assert!(verdicts.contains(&(kind, true)), "no `{kind}` that passes");
        assert!(verdicts.contains(&(kind, false)), "no `{kind}` that fails");
    }

    /// Expects the check to pass.
    pub async fn passes(&self, case: Case<'_>) {
        match self.run(case).await {
            Ok(observation) => {
                let findings: Vec<&Finding> = observation.all_findings().collect();
                assert!(
                    findings.is_empty(),
                    "`{}` must pass: {findings:#?}\n{}",
                    case.name,
                    case.check
                );
            }
            Err(unable) => panic!(
                "`{}` must pass, but could not run: {unable:?}\n{}",
                case.name, case.check
            ),
        }
    }

    /// Expects the check to fail, and each text to be in some finding.
    pub async fn fails(&self, case: Case<'_>, texts: &[&str]) {
        match self.run(case).await {
            Ok(observation) => {
                let findings: Vec<&Finding> = observation.all_findings().collect();
                assert!(
                    !findings.is_empty(),
                    "`{}` must fail\n{}",
                    case.name,
                    case.check
                );
                let shown: String = findings
                    .iter()
                    .map(|f| {
                        format!(
                            "{}; {}; {}\n",
                            f.object.as_deref().unwrap_or("-"),
                            f.expected,
                            f.actual
                        )
                    })
                    .collect();
                for text in texts {
                    assert!(
                        shown.contains(text),
                        "`{}`: no `{text}` in {shown}",
                        case.name
                    );
                }
            }
            Err(unable) => panic!(
                "`{}` must fail, but could not run: {unable:?}\n{}",
                case.name, case.check
            ),
        }
    }

    /// Expects each check to fail after its change: name, change, check, texts. Says of all which ones
    /// do not.
    pub async fn fails_each(&self, cases: &[(&str, &str, &str, &[&str])]) {
        let mut wrong = Vec::new();
        for (name, change, check, texts) in cases {
            let case = Case {
                name,
                change,
                undo: "",
                check,
            };
            let tried = AssertUnwindSafe(self.fails(case, texts));
            if tried.catch_unwind().await.is_err() {
                wrong.push(*name);
            }
        }
        assert!(wrong.is_empty(), "not as expected: {wrong:#?}");
    }

    /// Expects the check not to be able to look, and to say why.
    pub async fn cannot_look(&self, case: Case<'_>, text: &str) {
        match self.run(case).await {
            Ok(observation) => panic!("`{}` must not be able to look: {observation:?}", case.name),
            Err(unable) => {
                assert!(
                    unable.reason.contains(text),
                    "`{}`: no `{text}` in {unable:?}",
                    case.name
                );
            }
        }
    }
}

/// The fixture's application: the one that `PLUR_API` names, or one that is built here.
pub fn plur_api() -> PathBuf {
    if let Some(built) = std::env::var_os("PLUR_API") {
        return built.into();
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "plur-api"])
        .current_dir(root())
        .status();
    assert!(built.unwrap().success(), "plur-api does not build");
    let target =
        std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from);
    target.join("debug/plur-api")
}

/// The environment of this process.
pub fn environment() -> Environment {
    std::env::vars().collect()
}

/// Reads one check through the scenario parser, as a user would write it.
pub fn parse(check: &str) -> ScenarioCheck {
    let text = format!(
        "schema = 1\nname = \"test\"\n[backup]\npath = \"x.sql\"\n{check}\n[[check.row-count]]\nname = \"filler\"\ntable = \"x\"\nmin = 1\n"
    );
    let path = root().join("scenarios/test.toml");
    match scenario::parse(&path, &text, &environment()) {
        Ok(mut scenario) => scenario.checks.remove(0),
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}
