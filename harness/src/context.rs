//! What a drill needs in addition to its scenario.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::baseline::Baseline;
use crate::cleanup::Work;
use crate::event::Listener;
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;

/// What a drill needs in addition to its scenario.
pub struct Context {
    /// The work folder, with a folder for each run.
    pub work: Work,
    /// The environment.
    pub environment: Environment,
    /// Removes secrets from all output.
    pub redactor: Redactor,
    /// Receives events.
    pub listener: Listener,
    /// Becomes true when a signal asks for the end.
    pub interrupted: watch::Receiver<bool>,
    /// How long the server of the drill is kept; `None`: it is removed.
    pub keep: Option<Duration>,
    /// The command line that repeats the drill.
    pub repeat: String,
    /// Whether the release of a scenario is rehearsed after its drill.
    pub rehearse: bool,
    /// What the last PROVEN drill of the scenario left in the state, for `record` of a `baseline` check; `None` where there is
    /// nothing, or where the scenario does not ask for it.
    pub last_record: Result<Option<Arc<Baseline>>, CouldNotRun>,
}

impl Context {
    /// Where programs are searched.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.environment.get("PATH");
        path.map_or("/usr/bin:/bin", String::as_str)
    }
}
