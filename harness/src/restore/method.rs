//! What the methods of a restore share.

use std::fmt::Display;
use std::num::NonZero;
use std::time::Duration;

use super::log::{Log, Mask, ToleratedAt};
use super::settings::{Method, Restore};
use super::tolerance::Tolerance;
use crate::backup::source::globals::Suggestion;
use crate::backup::{Backup, Part};
use crate::event::Listener;
use crate::needed::RowsLeftOut;
use crate::outcome::{CouldNotRun, Finding, Phase, RestoreFacts, RestoreStep};
use crate::redact::Redactor;
use crate::server::ThrowawayServer;

/// A dump with less than this in its rows is restored by one session: opening more takes longer than they save.
const WORTHWHILE: u64 = 1024 * 1024;

/// The same for the number of its tables.
const MANY_TABLES: usize = 500;

/// What restores one dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen<'a> {
    /// Sessions of redrill.
    Sessions,
    /// `psql`.
    Psql,
    /// `pg_restore`, and why nothing else does.
    PgRestore(Option<&'a str>),
}

/// Chooses the method for a dump.
///
/// # Errors
/// It is not one for this dump.
pub(super) fn choose<'a>(part: &'a Part, settings: &Restore) -> Result<Chosen<'a>, CouldNotRun> {
    let archive = part.is_archive();
    let obstacle = part.contents.only_by_pg_restore.as_deref();
    let refused = |why: String, hint: &str| Err(CouldNotRun::with_hint(why, hint));
    match (settings.method, archive) {
        (Method::Auto, _) if obstacle.is_some() => Ok(Chosen::PgRestore(obstacle)),
        (Method::Parallel, _) if obstacle.is_some() => refused(
            format!(
                "only pg_restore can restore {}: {}",
                part.name,
                obstacle.unwrap_or_default()
            ),
            "set `method = \"auto\"` or `\"pg_restore\"` in `[restore]`",
        ),
        (Method::Auto | Method::Parallel, _) => Ok(Chosen::Sessions),
        (Method::Psql | Method::Runbook, false) => Ok(Chosen::Psql),
        (Method::PgRestore | Method::Runbook, true) => Ok(Chosen::PgRestore(None)),
        (Method::Psql, true) => refused(
            format!("psql cannot restore {}, which is an archive", part.name),
            "set `method = \"pg_restore\"` in `[restore]`",
        ),
        (Method::PgRestore, false) => refused(
            format!(
                "pg_restore cannot restore {}, which is plain SQL",
                part.name
            ),
            "set `method = \"psql\"` in `[restore]`",
        ),
    }
}

/// Whether a program of the server has to read the file of a dump.
pub fn reads_file(part: &Part, settings: &Restore) -> bool {
    matches!(choose(part, settings), Ok(Chosen::PgRestore(_)))
}

/// Why all rows of a dump are loaded; `None` where some can be passed over.
pub fn loads_all(part: &Part, settings: &Restore) -> Option<String> {
    match choose(part, settings) {
        Ok(Chosen::Sessions) => None,
        Ok(Chosen::Psql) => Some("`psql` loads all of them".to_owned()),
        Ok(Chosen::PgRestore(_)) => Some("`pg_restore` loads all of them".to_owned()),
        Err(error) => Some(error.reason),
    }
}

/// Chooses for every dump, before a server is started.
///
/// # Errors
/// The method of the scenario is not one for this backup.
pub fn check(backup: &Backup, settings: &Restore) -> Result<(), CouldNotRun> {
    let mut parts = backup.parts.iter();
    parts.try_for_each(|part| choose(part, settings).map(drop))
}

/// What every method requires in addition to the dump.
pub(super) struct Work<'a> {
    pub(super) server: &'a ThrowawayServer,
    pub(super) settings: &'a Restore,
    /// Rows that are passed over.
    pub(super) left_out: &'a RowsLeftOut,
    pub(super) redactor: &'a Redactor,
    pub(super) listener: &'a Listener,
    /// A file next to the backup that looks like its roles.
    pub(super) globals_beside: Option<&'a Suggestion>,
}

impl Work<'_> {
    /// What errors may show.
    pub(super) fn mask(&self) -> Mask<'_> {
        Mask {
            redactor: self.redactor,
            names: &self.server.endpoint().names,
        }
    }

    /// How many sessions restore a dump at once; `None` for one.
    pub(super) fn jobs(&self, part: &Part) -> Option<usize> {
        let contents = &part.contents;
        let bytes: u64 = contents.rows.values().map(|rows| rows.bytes).sum();
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let jobs = self.settings.jobs.map_or_else(cores, usize::from);
        let many = bytes >= WORTHWHILE || contents.tables.len() >= MANY_TABLES;
        let worthwhile = many || self.settings.jobs.is_some();
        (worthwhile && jobs > 1).then_some(jobs)
    }

    /// Which errors are tolerated.
    pub(super) fn tolerance<'a>(&'a self, part: &'a Part) -> Tolerance<'a> {
        Tolerance {
            scenario: &self.settings.tolerate,
            superuser: &self.server.endpoint().superuser,
            drops: &part.contents.drops,
        }
    }
}

/// The result of restoring one dump.
#[derive(Debug, Default)]
pub(super) struct PartLog {
    pub(super) tolerated_at: Vec<ToleratedAt>,
    pub(super) facts: RestoreFacts,
    pub(super) errors: Vec<Finding>,
    pub(super) unable: Vec<Finding>,
}

impl PartLog {
    /// The result of a method that ran to its end, with `errors` and `unable` in addition to those of the
    /// log.
    pub(super) fn new(
        method: String,
        (duration, phases, steps): (Duration, Vec<Phase>, Vec<RestoreStep>),
        log: Log,
        errors: Vec<Finding>,
        unable: Vec<Finding>,
    ) -> Self {
        Self {
            tolerated_at: log.tolerated_at,
            facts: RestoreFacts {
                method,
                duration,
                processor: None,
                analyzed: None,
                phases,
                steps,
                errors: log.count.max(errors.len() as u64),
                tolerated: log.tolerated,
                ..RestoreFacts::default()
            },
            errors,
            unable,
        }
    }
}

/// That the file of a dump changed while it was restored, by the digest of what was read.
pub(super) fn changed(part: &Part, sha256: &str) -> Option<Finding> {
    let finding = Finding::about(
        part.path.display().to_string(),
        "the file that was inspected",
        "it changed while it was restored",
    );
    (sha256 != part.sha256).then(|| finding.hint("drill a file that is not being written to"))
}

/// That the file of a dump cannot be read, though its inspection could.
pub(super) fn unreadable(part: &Part, error: &std::io::Error) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot read {}: {error}", part.path.display()),
        "it could be read when it was inspected: drill a file that nobody writes to or removes",
    )
}

/// Times of the phases; `data` and `post` are the beginnings of the second and the third.
pub(super) fn phases(data: Option<Duration>, post: Option<Duration>, end: Duration) -> Vec<Phase> {
    let spans = [
        (
            "pre-data",
            Some(Duration::ZERO),
            data.or(post).unwrap_or(end),
        ),
        ("data", data, post.unwrap_or(end)),
        ("post-data", post, end),
    ];
    spans
        .into_iter()
        .filter_map(|(name, from, to)| {
            Some(Phase {
                name: name.to_owned(),
                duration: to.saturating_sub(from?),
            })
        })
        .collect()
}
/// How long a server whose session broke off may take to be seen as ended.
const ENDED_WITHIN: Duration = Duration::from_secs(3);

/// Why a session of the restore broke off.
pub(super) async fn broken_off(server: &ThrowawayServer, error: impl Display) -> CouldNotRun {
    let why = server.ended_within(ENDED_WITHIN).await;
    CouldNotRun::with_hint(
        match why {
            Some(why) => format!("the server stopped during the restore: {why}"),
            None => format!("the server ended the session in the middle of the restore: {error}"),
        },
        "check the memory and the disk of the machine; if both are sufficient, a process of the server crashed",
    )
}
