//! What the methods of a restore share.

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
