//! The scenarios that a command line names, with its options applied.

use std::path::{Path, PathBuf};

use super::abort::Abort;
use crate::backup::base::is_base_backup;
use crate::backup::base::settings::{ArchivedWal, Physical, Target};
use crate::backup::packing::settings::Decrypt;
use crate::backup::settings::{Composition, OtherBackup, Subject};
use crate::backup::source::Source;
use crate::cli::{Decryption, Provider, RecoveryOptions, RestoreOptions, Terminal};
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
    recovery: &RecoveryOptions,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Scenario, Abort> {
    let mut scenario = match is_scenario(from) {
        true => load(from, environment, terminal)?,
        false => of_backup(from, recovery),
    };
    set_decryption(&mut scenario.backup, decryption);
    set_recovery(&mut scenario.backup, recovery).map_err(Abort::invalid)?;
    Ok(scenario)
}

/// Reads the scenario at `from`, or makes one for the backup there, to restore it.
pub(super) fn to_restore(
    from: &Path,
    options: &RestoreOptions,
    environment: &Environment,
    terminal: Terminal,
) -> Result<Scenario, Abort> {
    let RestoreOptions {
        decryption,
        recovery,
        ..
    } = options;
    let mut scenario = load_or_make(from, decryption, recovery, environment, terminal)?;
    set_provider(&mut scenario.server, options.server);
    Ok(scenario)
}

/// Makes a scenario to restore a backup.
///
/// # Errors
/// A mistake of the command line.
pub(super) fn for_backup(path: &Path, options: &RestoreOptions) -> Result<Scenario, String> {
    let mut scenario = of_backup(path, &options.recovery);
    set_decryption(&mut scenario.backup, &options.decryption);
    set_recovery(&mut scenario.backup, &options.recovery)?;
    set_provider(&mut scenario.server, options.server);
    Ok(scenario)
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

/// Applies the options of the command line about the recovery of a base backup.
///
/// # Errors
/// The backup is none, or a value has a mistake.
pub(super) fn set_recovery(
    backup: &mut Composition,
    recovery: &RecoveryOptions,
) -> Result<(), String> {
    let Some(option) = recovery.first() else {
        return Ok(());
    };
    let mut bases = backup.subjects_mut();
    let Some(base) = bases.find_map(|subject| subject.physical.as_mut()) else {
        return Err(format!(
            "`{option}` is for base backups, and the backup of the scenario is a dump, which is of one moment\nhint: leave it out, or name \
             the folder that pg_basebackup wrote, or a scenario with `[backup.base]`"
        ));
    };
    if let Some(folder) = &recovery.wal {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        base.wal = Some(ArchivedWal::Folder(folder));
    }
    if let Some(target) = target(recovery)? {
        base.target = target;
        base.inclusive = true;
    }
    Ok(())
}

/// The target that the command line names; `None` without one.
///
/// # Errors
/// It has a mistake.
pub(super) fn target(recovery: &RecoveryOptions) -> Result<Option<Target>, String> {
    let until = recovery.until.as_deref();
    let target = until.map(|until| Target::parse(until).map_err(|why| format!("`--until`: {why}")));
    target.transpose()
}

/// That an option for base backups is given with the address of a database.
pub(super) fn not_for_address(option: &str) -> String {
    format!(
        "`{option}` is for base backups, and `--from` is the address of a database\nhint: leave it out, or name the folder that \
         pg_basebackup wrote"
    )
}

/// Whether the backup at `path` is a base backup, or is said to be one.
pub(super) fn is_base(path: &Path, recovery: &RecoveryOptions) -> bool {
    recovery.first().is_some() || is_base_backup(path)
}

/// A scenario for a backup that has none.
fn of_backup(path: &Path, recovery: &RecoveryOptions) -> Scenario {
    let mut subject = Subject::of(Source::path(path));
    subject.physical = is_base(path, recovery).then(|| Physical {
        inclusive: true,
        ..Physical::default()
    });
    Scenario {
        every: None,
        controls: Vec::new(),
        facts: ScenarioFacts::default(),
        folder: PathBuf::new(),
        backup: Composition::One(Box::new(subject)),
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
