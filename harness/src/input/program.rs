//! Programs that a scenario names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Environment;
use super::secret::SecretText;
use crate::outcome::CouldNotRun;
use crate::process::Program;
use crate::redact::Redactor;

/// A program, as a section of a scenario sets it.
pub struct ProgramSettings<'a> {
    /// The section, for messages: `[backup.command]`.
    pub section: &'static str,
    /// Program and arguments. A program with a `/` is relative to the folder, one without is searched in
    /// `PATH`.
    pub words: &'a [String],
    /// Variables of this process that it inherits.
    pub inherited: &'static [&'static str],
    /// Additional variables.
    pub variables: &'a BTreeMap<String, SecretText>,
}

impl ProgramSettings<'_> {
    /// The program, to be started in `folder`, the folder of the scenario file; `run` is the id of the run.
    ///
    /// # Errors
    /// When a variable cannot be resolved.
    pub fn resolve(
        &self,
        folder: &Path,
        environment: &Environment,
        redactor: &Redactor,
        run: &str,
    ) -> Result<Program, CouldNotRun> {
        let absolute = absolute_folder(folder)?;
        let (program, arguments) = match self.words {
            [program, arguments @ ..] => (program.as_str(), arguments),
            [] => ("", &[][..]),
        };
        let path = if program.contains('/') {
            absolute.join(program)
        } else {
            PathBuf::from(program)
        };
        let mut variables: BTreeMap<String, String> =
            inherit(environment, self.inherited).collect();
        for (name, text) in self.variables {
            let value = text.resolve(folder, environment, redactor).map_err(|error| {
                CouldNotRun::with_hint(
                    format!("`env.{name}` of `{}`: {error}", self.section),
                    "it is read on the machine that runs the drill, relative to the scenario file",
                )
            })?;
            variables.insert(name.clone(), value.expose().to_owned());
        }
        Ok(Program {
            path,
            arguments: arguments.to_vec(),
            environment: variables.into_iter().collect(),
            folder: Some(absolute),
            run: run.to_owned(),
            ..Program::default()
        })
    }
}

/// The folder of the scenario file as a program has it, which starts there: independent of where redrill was started.
///
/// # Errors
/// When the current folder is unknown.
pub fn absolute_folder(folder: &Path) -> Result<PathBuf, CouldNotRun> {
    // Without a scenario the folder is empty, which `absolute` refuses.
    std::path::absolute(folder.join("."))
        .map_err(|error| CouldNotRun::new(format!("{}: {error}", folder.display())))
}

/// The variables of this process that a program inherits.
pub fn inherit<'a>(
    environment: &'a Environment,
    names: &'a [&'a str],
) -> impl Iterator<Item = (String, String)> + 'a {
    let value = |name: &&str| Some(((*name).to_owned(), environment.get(*name)?.clone()));
    names.iter().filter_map(value)
}
