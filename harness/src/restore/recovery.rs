//! Recovers a base backup: the empty server says what it has, is replaced by one that recovers, and then what came out is compared
//! with what the WAL was known to hold before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use basebackup::Lsn;

use super::RestoreLog;
use super::settings::Restore;
use crate::backup::base::BaseBackup;
use crate::backup::base::settings::Target;
use crate::catalog::system::{Compared, SystemCatalogs};
use crate::cleanup::Run;
use crate::data_folder::DataFolder;
use crate::database::{Session, Terms};
use crate::outcome::{CouldNotRun, Finding, Phase, RecoveryFacts};
use crate::server::{DataSource, ThrowawayServer};

/// Libraries that are preloaded as in the backup, where the server has the extension: they start no process, reach no network, and
/// parts of their extension do not work without.
const PRELOADED: [&str; 2] = ["age", "pg_stat_statements"];
/// Settings of a file that say nothing: `initdb` writes them, or they name places of the source.
const USUAL: [&str; 17] = [
    "data_directory",
    "datestyle",
    "default_text_search_config",
    "dynamic_shared_memory_type",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "log_timezone",
    "max_connections",
    "max_wal_size",
    "min_wal_size",
    "shared_buffers",
    "timezone",
];
/// What the server says where the backup or its WAL is at fault.
const FAULTS: [&str; 14] = [
    "recovery ended before configured recovery target was reached",
    "requested recovery stop point is before consistent recovery point",
    "could not locate required checkpoint record",
    "could not locate a valid checkpoint record",
    "invalid checkpoint record",
    "could not find redo location",
    "WAL ends before end of online backup",
    "WAL ends before consistent recovery point",
    "WAL contains references to invalid pages",
    "invalid page in block",
    "could not access status of transaction",
    "invalid data in file",
    "backup_label contains data inconsistent with control file",
    "is not a child of this server's history",
];

/// The data folder of a base backup, with its settings.
struct Recovery {
    base: Arc<BaseBackup>,
    conf: String,
    left_out: Arc<std::sync::Mutex<Vec<String>>>,
}

impl DataSource for Recovery {
    fn bytes(&self) -> u64 {
        self.base.bytes_to_lay_out()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let base = &self.base;
        let timeline = match base.wal.timeline == base.label.timeline {
            // Its own history may not be in the archive, and is not needed.
            true => "current".to_owned(),
            false => base.wal.timeline.to_string(),
        };
        let mut settings = vec![
            ("hot_standby", "off".to_owned()),
            ("restore_command", String::new()),
            ("primary_conninfo", String::new()),
            ("primary_slot_name", String::new()),
            ("recovery_end_command", String::new()),
            ("archive_cleanup_command", String::new()),
            ("recovery_min_apply_delay", "0".to_owned()),
            ("recovery_target_action", "promote".to_owned()),
            ("recovery_target_timeline", timeline),
            ("log_line_prefix", "%m [%p] ".to_owned()),
            ("log_timezone", "UTC".to_owned()),
        ];
        let (name, value) = match &base.recovery.target {
            Target::Latest => return settings,
            // Nothing follows, and a server would miss the next record.
            Target::Immediate if !base.wal.stops => return settings,
            Target::Immediate => ("recovery_target", "immediate".to_owned()),
            // Names of time zones, such as `Z`, are not known yet when the server reads it.
            Target::Time(time) => (
                "recovery_target_time",
                time.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string(),
            ),
            Target::Lsn(lsn) => ("recovery_target_lsn", lsn.to_string()),
            Target::Transaction(transaction) => ("recovery_target_xid", transaction.to_string()),
            Target::Name(name) => ("recovery_target_name", name.clone()),
        };
        let inclusive = if base.recovery.inclusive { "on" } else { "off" };
        settings.push((name, value));
        settings.push(("recovery_target_inclusive", inclusive.to_owned()));
        settings
    }

    fn write(&self, to: &mut dyn DataFolder) -> Result<(), CouldNotRun> {
        let laid_out = self.base.lay_out(&self.conf, to)?;
        if let Ok(mut left_out) = self.left_out.lock() {
            *left_out = laid_out.left_out;
        }
        Ok(())
    }
}

/// Recovers a base backup in the place of the empty cluster of `server`.
///
/// # Errors
/// The machine, the server or the time limit: this says nothing about the backup. Faults of the backup are in [`RestoreLog::errors`].
pub async fn recover(
    server: &ThrowawayServer,
    base: &Arc<BaseBackup>,
    settings: &Restore,
    run: &Run,
) -> Result<RestoreLog, CouldNotRun> {
    let within = settings.timeout.map_or(super::WITHIN, |span| span.0);
    let work = Box::pin(recover_within(server, base, settings, run));
    tokio::time::timeout(within, work).await.unwrap_or_else(|_| {
        Err(CouldNotRun::with_hint(
            format!("the recovery did not end within {within:?}"),
            "raise `timeout` in `[restore]`, or take base backups more often, so that less WAL has to be replayed",
        ))
    })
}

async fn recover_within(
    server: &ThrowawayServer,
    base: &Arc<BaseBackup>,
    settings: &Restore,
    run: &Run,
) -> Result<RestoreLog, CouldNotRun> {
    // Before any byte of the backup is on the server.
    let mut session = server.session("template1").await?;
    let available = session
        .rows("SELECT name FROM pg_catalog.pg_available_extensions")
        .await?;
    session.close().await;
    let available: Vec<String> = available.into_iter().flatten().flatten().collect();
    let system = SystemCatalogs::read(server.endpoint(), "template1", Compared::Pinned).await?;
    let libraries = libraries(base, &available);
    let left_out = Arc::default();
    let recovery = Recovery {
        base: Arc::clone(base),
        conf: conf(base, &libraries),
        left_out: Arc::clone(&left_out),
    };
    let began = Instant::now();
    let mut log = RestoreLog::default();
    log.facts.method = "recovery of a base backup".to_owned();
    let replay = match Box::pin(server.recover(Arc::new(recovery), run)).await {
        Ok(replay) => replay,
        Err(error) => {
            let fault = FAULTS.iter().find(|words| error.reason.contains(**words));
            if fault.is_none() {
                return Err(hint_at(error));
            }
            let expected = format!("a recovery to {}", base.target);
            log.facts.duration = began.elapsed();
            log.facts.errors = 1;
            log.errors.push(
                Finding::about("recovery", expected, error.reason)
                    .hint("the server refuses what was read without a fault before: keep this backup and its WAL, and report it as a bug of redrill"),
            );
            return Ok(log);
        }
    };
    let phases = replay.phases().into_iter();
    log.facts.phases = phases
        .map(|(name, duration)| Phase {
            name: name.to_owned(),
            duration,
        })
        .collect();
    // The empty server that was there before is none of it.
    log.facts.duration = log.facts.phases.iter().map(|phase| phase.duration).sum();
    let mut facts = RecoveryFacts {
        replayed_in: replay.replayed_in(),
        switched_off: switched_off(base, &libraries),
        libraries,
        left_out: left_out.lock().map(|list| list.clone()).unwrap_or_default(),
        ..RecoveryFacts::default()
    };
    ended(server, base, &mut facts, &mut log.errors).await?;
    describe(server, &mut log, &mut facts, &available).await?;
    facts.prepared = super::prepared::roll_back(server).await?;
    log.database = match (&settings.database, log.databases.as_slice()) {
        (Some(named), _) => Some(named.clone()),
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
    };
    if log.unable.is_empty() {
        let changed = system.changed(server.endpoint(), &log.databases).await?;
        log.errors
            .extend(changed.into_iter().map(super::changed_in_server));
    }
    log.facts.errors = log.errors.len() as u64;
    log.facts.recovery = Some(facts);
    Ok(log)
}

/// Explains reasons of a server that did not recover.
fn hint_at(error: CouldNotRun) -> CouldNotRun {
    let hints = [
        (
            "does not exist (28000)",
            "the superuser was renamed after the base backup was taken: use a newer base backup",
        ),
        (
            "database files are incompatible with server",
            "the server was compiled with other sizes of blocks or segments: name an image or `bin` of the same build as the source",
        ),
        (
            "could not access file",
            "a library of the backup is missing on this server: use an image that has its extensions",
        ),
        (
            "resource manager",
            "a library of `shared_preload_libraries` wrote WAL of its own kind: use an image that has it, and set `shared_preload_libraries` in `[server]` `settings`",
        ),
    ];
    let hint = hints.iter().find(|(words, _)| error.reason.contains(words));
    match hint {
        Some((_, hint)) => CouldNotRun::with_hint(error.reason, *hint),
        None => error,
    }
}

/// The libraries that the source preloads and this server may load.
fn libraries(base: &BaseBackup, available: &[String]) -> Vec<String> {
    let set = base.configured.iter().rev();
    let mut set = set.filter(|(name, _)| name == "shared_preload_libraries");
    let all = set
        .next()
        .map(|(_, value)| value.as_str())
        .unwrap_or_default();
    let all = all.split(',').map(|name| name.trim().trim_matches('"'));
    all.filter(|name| PRELOADED.contains(name) && available.iter().any(|has| has == name))
        .map(str::to_owned)
        .collect()
}

/// The settings of the recovered server that are not on its command line: a copy of it needs them too.
fn conf(base: &BaseBackup, libraries: &[String]) -> String {
    let control = &base.control;
    let mut conf = format!(
        "shared_preload_libraries = '{}'\nmax_prepared_transactions = {}\ntrack_commit_timestamp = {}\n",
        libraries.join(","),
        control.max_prepared_transactions.max(64),
        if control.track_commit_timestamp {
            "on"
        } else {
            "off"
        },
    );
    if base.tablespaces > 0 {
        conf.push_str("allow_in_place_tablespaces = on\n");
    }
    conf
}

/// Names of the settings of the backup that are not in effect.
fn switched_off(base: &BaseBackup, libraries: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (name, value) in &base.configured {
        let shown = match name.as_str() {
            name if USUAL.contains(&name) => continue,
            "shared_preload_libraries" => {
                let kept = |one: &&str| libraries.iter().any(|kept| kept == one);
                let others = value.split(',').map(str::trim).filter(|one| !kept(one));
                let others: Vec<&str> = others.filter(|one| !one.is_empty()).collect();
                if others.is_empty() {
                    continue;
                }
                format!("{name} ({})", others.join(", "))
            }
            // A value may be a secret.
            name => name.to_owned(),
        };
        if !all.contains(&shown) {
            all.push(shown);
        }
    }
    all
}

/// Compares where the server ended the recovery with where the WAL was read to: the server reports lost WAL as its end.
async fn ended(
    server: &ThrowawayServer,
    base: &BaseBackup,
    facts: &mut RecoveryFacts,
    errors: &mut Vec<Finding>,
) -> Result<(), CouldNotRun> {
    let mut session = server.session("template1").await?;
    let timeline = session
        .value("SELECT substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)")
        .await?;
    let timeline = timeline.unwrap_or_default();
    let history = format!("SELECT pg_catalog.pg_read_file('pg_wal/{timeline}.history')");
    let history = session.value(&history).await?.unwrap_or_default();
    session.close().await;
    let last = history.lines().rev().find(|line| !line.trim().is_empty());
    let end = last.and_then(|line| line.split_whitespace().nth(1));
    let end: Option<Lsn> = end.and_then(|lsn| lsn.parse().ok());
    let end = end.ok_or_else(|| {
        CouldNotRun::new(
            "the server does not say where its recovery ended: its history has no such line",
        )
    })?;
    facts.end = end.to_string();
    facts.timeline = u32::from_str_radix(&timeline, 16).unwrap_or_default();
    facts.replayed = end.0.saturating_sub(base.label.start.0);
    if end != base.wal.end {
        let expected = format!(
            "an end at {}, where the WAL for {} ends",
            base.wal.end, base.target
        );
        errors.push(
            Finding::about(
                "recovery",
                expected,
                format!("the server ended it at {end}"),
            )
            .hint(
                "what follows in the WAL is not in the recovered cluster, and no message says so",
            ),
        );
    }
    Ok(())
}

/// Databases, unlogged tables and collations of the recovered cluster; what this server lacks.
async fn describe(
    server: &ThrowawayServer,
    log: &mut RestoreLog,
    facts: &mut RecoveryFacts,
    available: &[String],
) -> Result<(), CouldNotRun> {
    let mut session = server.session("template1").await?;
    let databases = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";
    let databases = session.rows(databases).await?;
    let roles = "SELECT rolname FROM pg_catalog.pg_roles WHERE oid >= 16384 ORDER BY rolname";
    log.roles = session
        .rows(roles)
        .await?
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    session.close().await;
    let all: Vec<String> = databases.into_iter().flatten().flatten().collect();
    let own: Vec<String> = all
        .iter()
        .filter(|name| *name != "postgres")
        .cloned()
        .collect();
    for database in &all {
        let terms = Terms {
            statement_timeout: Duration::from_secs(600),
        };
        let mut session = Session::superuser(server.endpoint(), database, &terms).await?;
        let missing = session
            .rows("SELECT extname FROM pg_catalog.pg_extension ORDER BY 1")
            .await?;
        for name in missing.into_iter().flatten().flatten() {
            if !available.contains(&name) {
                log.unable.push(
                    Finding::about(
                        format!("extension {name}"),
                        "an extension that the server has",
                        format!("it does not have it, and {database} uses it"),
                    )
                    .hint("name an image that has it in `[server.container]`, or install it"),
                );
            } else if !log.extensions.contains(&name) {
                log.extensions.push(name);
            }
        }
        let unlogged = "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_toast' ORDER BY 1";
        let unlogged = session
            .rows(unlogged)
            .await?
            .into_iter()
            .flatten()
            .flatten();
        facts
            .unlogged
            .extend(unlogged.map(|name| format!("{database}: {name}")));
        let collations = "SELECT format('%I (%s, here %s)', d.datname, d.datcollversion, pg_catalog.pg_database_collation_actual_version(d.oid)) FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database() AND d.datcollversion IS DISTINCT FROM pg_catalog.pg_database_collation_actual_version(d.oid) AND d.datcollversion IS NOT NULL UNION ALL SELECT format('%I (%s, here %s)', c.collname, c.collversion, pg_catalog.pg_collation_actual_version(c.oid)) FROM pg_catalog.pg_collation c WHERE c.oid >= 16384 AND c.collversion IS DISTINCT FROM pg_catalog.pg_collation_actual_version(c.oid) AND c.collversion IS NOT NULL";
        let collations = session
            .rows(collations)
            .await?
            .into_iter()
            .flatten()
            .flatten();
        facts
            .collations
            .extend(collations.map(|name| format!("{database}: {name}")));
        session.close().await;
    }
    log.databases = if own.is_empty() { all } else { own };
    Ok(())
}
