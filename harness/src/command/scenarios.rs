//! The scenarios that a command line names, with its options applied.

use std::path::{Path, PathBuf};

use super::abort::Abort;
use crate::backup::packing::settings::Decrypt;
use crate::backup::settings::{Composition, OtherBackup, Subject};
use crate::backup::source::Source;
use crate::cli::{Decryption, Provider, RestoreOptions, Terminal};
use crate::input::secret::SecretText;
use crate::input::{Diagnostics, Environment, Problem};
use crate::outcome::ScenarioFacts;
use crate::proof::settings::Level;
use crate::restore;
use crate::scenario::{self, After, Scenario};
use crate::server::settings;

/// Reads a scenario.
pub(super) fn load(
    path: &Path,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Scenario, Abort> {
    scenario::load(path, environment)
        .map_err(|mistakes| Abort::invalid(mistakes.render(terminal.colour_errors)))
}

/// Whether a path is that of a scenario, not of a backup.
pub(super) fn is_scenario(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "toml")
}

/// Reads the scenario at `from`, or makes one for the backup there.
pub(super) fn load_or_make(
    from: &Path,
    decryption: &Decryption,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Scenario, Abort> {
    let mut scenario = match is_scenario(from) {
        true => load(from, environment, terminal)?,
        false => of_backup(from),
    };
    set_decryption(&mut scenario.backup, decryption);
    Ok(scenario)
}

/// Reads the scenario at `from`, or makes one for the backup there, to restore it.
pub(super) fn to_restore(
    from: &Path,
    options: &RestoreOptions,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Scenario, Abort> {
    let mut scenario = load_or_make(from, &options.decryption, environment, terminal)?;
    set_provider(&mut scenario.server, options.server);
    Ok(scenario)
}

/// Makes a scenario to restore a backup.
pub(super) fn for_backup(path: &Path, options: &RestoreOptions) -> Scenario {
    let mut scenario = of_backup(path);
    set_decryption(&mut scenario.backup, &options.decryption);
    set_provider(&mut scenario.server, options.server);
    scenario
}

/// Reads all scenarios; reports the mistakes of all of them at once. `backup` is drilled in place of that of
/// the only scenario, and `seed` decides what `pick` leaves to chance.
pub(super) fn load_all(
    paths: &[PathBuf],
    backup: Option<OtherBackup<'_>>,
    seed: u32,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Vec<Scenario>, Abort> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(scenario::files(path));
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let shown: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Abort::nothing_found(format!(
            "no scenario in {}\nhint: a scenario is a .toml file; `redrill --help` shows a first one",
            shown.join(", ")
        )));
    }
    if backup.is_some() && files.len() > 1 {
        return Err(Abort::invalid("`--backup` needs exactly one scenario\nhint: name the scenario that the file is a backup for".to_owned()));
    }
    let (mut scenarios, mut invalid): (Vec<Scenario>, _) = (Vec::new(), Vec::new());
    for file in &files {
        match scenario::load_drills(file, environment, backup, seed) {
            Ok(drills) => scenarios.extend(drills),
            Err(diagnostics) => invalid.push(diagnostics),
        }
    }
    for (at, scenario) in scenarios.iter().enumerate() {
        if let Some(other) = scenarios[..at]
            .iter()
            .find(|other| other.facts.name == scenario.facts.name)
        {
            invalid.push(same_name(
                &scenario.facts.file,
                &other.facts.file,
                &scenario.facts.name,
            ));
        }
    }
    if invalid.is_empty() {
        Ok(scenarios)
    } else {
        let mistakes = invalid.iter().map(|one| one.render(terminal.colour_errors));
        Err(Abort::invalid(mistakes.collect::<Vec<_>>().join("\n")))
    }
}

/// The error of two scenarios with one name, which would overwrite each other's reports.
fn same_name(file: &Path, other: &Path, name: &str) -> Diagnostics {
    let problem = Problem::whole(format!(
        "the name `{name}` is also the name of {}",
        other.display()
    ))
    .hint("the name is the folder of the reports: give each scenario its own");
    Diagnostics::new(file, "", vec![problem])
}

/// Applies the provider that the command line names.
pub(super) fn set_provider(server: &mut settings::Server, wanted: Option<Provider>) {
    match wanted {
        None => {}
        Some(Provider::Auto) => (server.container, server.local) = (None, None),
        Some(Provider::Container) => {
            server.local = None;
            server
                .container
                .get_or_insert_with(settings::Container::default);
        }
        Some(Provider::Local) => {
            server.container = None;
            server.local.get_or_insert_with(settings::Local::default);
        }
    }
}

/// Applies the decryption options of the command line.
pub(super) fn set_decryption(backup: &mut Composition, decryption: &Decryption) {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let by_identity = decryption.age_identity.as_ref().map(|file| Decrypt {
        age_identity: Some(SecretText::File(absolute(file))),
        ..Decrypt::default()
    });
    let by_command = decryption.decrypt.as_ref().map(|command| Decrypt {
        command: Some(command.split_whitespace().map(str::to_owned).collect()),
        ..Decrypt::default()
    });
    if let Some(decrypt) = by_command.or(by_identity) {
        for subject in backup.subjects_mut() {
            subject.decrypt = Some(decrypt.clone());
        }
    }
}

/// A scenario for a backup that has none.
fn of_backup(path: &Path) -> Scenario {
    Scenario {
        every: None,
        controls: Vec::new(),
        facts: ScenarioFacts::default(),
        folder: PathBuf::new(),
        backup: Composition::One(Box::new(Subject::of(Source::path(path)))),
        companions: Vec::new(),
        pitr: None,
        max_age: None,
        server: settings::Server::default(),
        restore: restore::settings::Restore::default(),
        proof: Level::Full,
        restore_within: None,
        runbook_within: None,
        incident: None,
        notify: Vec::new(),
        not_tested: Vec::new(),
        checks: Vec::new(),
        waivers: Vec::new(),
        rehearse: None,
        after: After::default(),
    }
}
