//! How a command ends.

use crate::cli::Terminal;
use crate::exit_code::Ending;
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;
use crate::report::terminal;
use crate::stage::Stopped;
use crate::verdict::Verdict;

/// The title of a command that writes a scenario or a baseline.
pub(super) const NOT_WRITTEN: [&str; 2] = ["NOT WRITTEN", "nothing was written"];

/// How a command ended, or why it ended early.
pub type Ended = Result<Ending, Abort>;

/// Why a command ended early: the message on standard error, and its meaning for the exit code.
#[derive(Debug)]
pub struct Abort {
    pub(super) message: String,
    pub(super) ending: Ending,
}

impl Abort {
    /// The command line or a scenario has mistakes.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ending: Ending::Invalid,
        }
    }

    /// Nothing is there that it was asked to work on.
    pub(super) fn nothing_found(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ending: Ending::NothingFound,
        }
    }

    /// A bug in redrill, or a system that refuses something basic.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ending: Ending::Internal,
        }
    }

    /// A stage did not pass; `title` is a word such as `NOT RECOVERED` and its meaning.
    pub(super) fn stopped(
        title: [&str; 2],
        stopped: &Stopped,
        redactor: &Redactor,
        terminal: Terminal,
    ) -> Self {
        let (hint, findings, ending) = match stopped {
            Stopped::Failed { findings, .. } => {
                (None, findings, Ending::Judged(Verdict::NotProven))
            }
            Stopped::CouldNotRun { error, findings } => {
                (error.hint.as_deref(), findings, Ending::CouldNotRun)
            }
        };
        let message = terminal::stopped::stopped(
            title,
            stopped.summary(),
            hint,
            findings,
            terminal.width,
            terminal.colour_errors,
        );
        Self {
            message: redactor.clean(&message),
            ending,
        }
    }
}

impl From<CouldNotRun> for Abort {
    fn from(error: CouldNotRun) -> Self {
        let hint = error.hint.map(|hint| format!("\nhint: {hint}"));
        Self {
            message: error.reason + &hint.unwrap_or_default(),
            ending: Ending::CouldNotRun,
        }
    }
}
