//! What the methods of a restore share.

use std::num::NonZero;
use std::time::Duration;

use super::log::{Log, Mask, ToleratedAt};
use super::settings::Restore;
use super::tolerance::Tolerance;
use crate::backup::Part;
use crate::backup::source::globals::Suggestion;
use crate::event::Listener;
use crate::outcome::{Finding, Phase, RestoreFacts, RestoreStep};
use crate::redact::Redactor;
use crate::server::ThrowawayServer;

/// A dump with less than this in its rows is restored by one session: opening more takes longer than they save.
const WORTHWHILE: u64 = 1024 * 1024;

/// The same for the number of its tables.
const MANY_TABLES: usize = 500;

/// What every method requires in addition to the dump.
pub(super) struct Work<'a> {
    pub(super) server: &'a ThrowawayServer,
    pub(super) settings: &'a Restore,
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
                phases,
                steps,
                errors: log.count.max(errors.len() as u64),
                tolerated: log.tolerated,
                rows: Vec::new(),
            },
            errors,
            unable,
        }
    }
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
