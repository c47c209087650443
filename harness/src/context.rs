//! What a drill needs beside its scenario: where to work, whom to tell, when to stop.

use tokio::sync::watch;

use crate::cleanup::Work;
use crate::event::Listener;
use crate::input::Environment;
use crate::redact::Redactor;

/// What a drill needs beside its scenario.
pub struct Context {
    /// Where runs keep what they start.
    pub work: Work,
    /// The environment.
    pub environment: Environment,
    /// Takes secrets out of everything that is shown.
    pub redactor: Redactor,
    /// Who is told what happens.
    pub listener: Listener,
    /// Becomes true when a signal asks for the end.
    pub interrupted: watch::Receiver<bool>,
    /// The command line that repeats the drill.
    pub repeat: String,
}
