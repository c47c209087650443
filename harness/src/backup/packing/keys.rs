//! The resolved means of decryption: identities, or a command with its environment.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use age::Identity;

use crate::redact::Redactor;

/// Identities that a file may be encrypted to.
pub(super) type Identities = Vec<Box<dyn Identity + Send + Sync>>;

/// Identities or a command for decryption; none by default. Cheap to clone; its `Debug` output contains
/// no secret.
#[derive(Clone, Default)]
pub struct Keys(pub(super) Option<Way>);

/// Identities or a command.
#[derive(Clone)]
pub(super) enum Way {
    Age(Arc<Identities>),
    Command(Arc<Command>),
}

/// A program that reads the file and writes the content.
pub(super) struct Command {
    /// A path, or a name that is searched in the `PATH` of `environment`.
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub folder: Option<PathBuf>,
    /// Limit until the next byte.
    pub timeout: Duration,
    /// Id of the run.
    pub run: String,
    pub redactor: Redactor,
}

impl Command {
    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        self.program.file_name().map_or_else(
            || self.program.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        )
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Keys(none)"),
            Some(Way::Age(identities)) => write!(f, "Keys({} age identities)", identities.len()),
            Some(Way::Command(command)) => write!(f, "Keys(`{}`)", command.name()),
        }
    }
}
