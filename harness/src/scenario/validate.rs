//! Validates a scenario file: required keys, valid combinations, checks that assert nothing.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Scenario;
use super::checks::{after, checks, refuse_unknown_companions, refuse_vacuous};
use super::effective;
use super::file::{self, TOP_KEYS};
use super::place::{place_of_key, span_of};
use super::restore_settings::{refuse_of_dumps, roles, stubs, tolerations};
use super::shown::without_secrets;
use super::waiver::waivers;
use crate::backup::base::settings::Recovery;
use crate::backup::settings::{self, Composition, OtherBackup};
use crate::baseline::file::is_baseline;
use crate::digest::sha256;
use crate::incident;
use crate::input::decode::{Table, decode, expand};
use crate::input::diagnostic::nearest;
use crate::input::{Diagnostics, Environment, Problem, secret};
use crate::outcome::{NotTested, ScenarioFacts};
use crate::proof::physical::settings::Pitr;
use crate::proof::settings::Level;
use crate::rehearse;
use crate::restore::settings::Restore;
use crate::server::settings::{Reach, Server};

/// Reads and validates a scenario file.
///
/// # Errors
/// All errors of the file, each with its line and caret.
pub fn load(path: &Path, environment: &Environment) -> Result<Scenario, Diagnostics> {
    load_for(path, environment, None)
}

/// The same, for another backup than the file names: its source is not read, and variables that only the
/// source needs may be missing.
///
/// # Errors
/// All errors of the rest of the file.
pub fn load_for(
    path: &Path,
    environment: &Environment,
    backup: Option<OtherBackup<'_>>,
) -> Result<Scenario, Diagnostics> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Diagnostics::unreadable(path, &error))?;
    if is_baseline(&text) {
        let problem = Problem::whole("this file is a baseline, not a scenario").hint(
            "name the scenario whose `[[check.baseline]]` names this file, or the folder of both",
        );
        return Err(Diagnostics::new(path, &text, vec![problem]));
    }
    validate(path, &text, environment, backup)
}

/// The same as the drills of the scenario: one, or one for each tier where `pick` is `each-tier`. `seed` decides what `pick`
/// leaves to chance.
///
/// # Errors
/// All errors of the file.
pub fn load_drills(
    path: &Path,
    environment: &Environment,
    backup: Option<OtherBackup<'_>>,
    seed: u32,
) -> Result<Vec<Scenario>, Diagnostics> {
    let first = load_for(path, environment, backup)?;
    let choices = first.backup.choices(seed);
    let mut drills = vec![first];
    // Checks cannot be copied, so each further drill reads the file again.
    for _ in 1..choices.len() {
        drills.push(load_for(path, environment, backup)?);
    }
    for (drill, choosing) in drills.iter_mut().zip(choices) {
        if let Some(tier) = choosing.tier() {
            drill.facts.name = format!("{}-{}", drill.facts.name, tier.word());
        }
        drill.backup.set_choosing(&choosing);
    }
    Ok(drills)
}

/// Validates the text of a scenario file at `path`.
///
/// # Errors
/// All errors of the file, each with its line and caret.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Scenario, Diagnostics> {
    validate(path, text, environment, None)
}

fn validate(
    path: &Path,
    text: &str,
    environment: &Environment,
    backup: Option<OtherBackup<'_>>,
) -> Result<Scenario, Diagnostics> {
    let mut problems = Vec::new();
    let scenario = scenario(path, text, environment, backup, &mut problems);
    match scenario {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        Some(_) | None => Err(Diagnostics::new(path, text, problems)),
    }
}

/// Reads the whole file; errors are added to `problems`.
fn scenario(
    path: &Path,
    text: &str,
    environment: &Environment,
    other_backup: Option<OtherBackup<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<Scenario> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().trim_end();
            Problem::at(span, message).hint(match message {
                "duplicate key" => {
                    "a key may occur once in its table; each check begins with its own `[[check.…]]`"
                }
                _ => "the file is TOML: `key = value` lines below `[table]` headers",
            })
        }));
        return None;
    }
    let (span, mut table) = (root.span(), root.into_inner());
    if let (Some(other), Some(backup)) = (other_backup, table.get_mut("backup")) {
        problems.extend(settings::replace_source(backup, other).err());
    }
    let source = table.get("backup").map(settings::source_places);
    let mut root = Spanned::new(span, DeValue::Table(table));
    let before = problems.len();
    expand(&mut root, environment, problems);
    settings::hint_at_option(&source.unwrap_or_default(), &mut problems[before..]);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    secret::refuse_short(&root, "", folder, environment, problems);
    let settings = effective::settings(&root);
    let DeValue::Table(mut root) = root.into_inner() else {
        return None;
    };

    unknown_keys(&root, problems);
    version(&mut root, problems);
    let name = name(&mut root, path, problems);
    let description = take::<String>(&mut root, "description", problems);
    let place_of_recovery = span_of(text, "recovery");
    let place = root.get("recovery").map(|value| value.span());
    let place_of_recovery = match place {
        Some(place) if place_of_recovery.is_empty() => place,
        _ => place_of_recovery,
    };
    let recovery = take::<Recovery>(&mut root, "recovery", problems);
    let target = recovery.as_ref().map(Recovery::target).unwrap_or_default();
    let has_backup = root.contains_key("backup");
    let backup = root.remove("backup").and_then(|value| {
        let header = span_of(text, "backup");
        let header = if header.is_empty() {
            value.span()
        } else {
            header
        };
        settings::read(value, header, &target, problems)
    });
    let of_tls = [
        &["server", "certificate"][..],
        &["server", "container", "reach"],
    ]
    .map(|path| place_of_key(&root, path).unwrap_or_default());
    let place_of_explained = place_of_key(&root, &["server", "explained"]).unwrap_or_default();
    let mut server = take::<Server>(&mut root, "server", problems).unwrap_or_default();
    server.certificate = server.certificate.map(|own| own.within(folder));
    tls(&server, of_tls, problems);
    explained(&server, place_of_explained, problems);
    if server.container.is_some() && server.local.is_some() {
        problems.push(
            Problem::at(
                span_of(text, "server.local"),
                "the scenario sets two providers",
            )
            .hint("keep `[server.container]` or `[server.local]`, or neither"),
        );
    }
    let mut restore = take::<Restore>(&mut root, "restore", problems).unwrap_or_default();
    tolerations(&restore, text, problems);
    let proof = take::<Level>(&mut root, "proof", problems).unwrap_or_default();
    let objective = take::<file::Objective>(&mut root, "objective", problems).unwrap_or_default();
    stubs(&restore, objective.runbook_within.is_some(), text, problems);
    let cadence = take::<file::Cadence>(&mut root, "cadence", problems);
    let controls = take::<Vec<Spanned<String>>>(&mut root, "controls", problems);
    let controls = super::checks::controls(controls.unwrap_or_default(), problems);
    let incident = root
        .remove("incident")
        .and_then(|value| incident::read(value, problems));
    let notify = root
        .remove("notify")
        .map(|value| incident::read_targets(value, problems))
        .unwrap_or_default();
    let not_tested =
        take::<Vec<file::NotTested>>(&mut root, "not-tested", problems).unwrap_or_default();
    let checks = checks(&mut root, text, proof, problems);
    let has_rehearsal = root.contains_key("rehearse");
    let rehearse = root
        .remove("rehearse")
        .and_then(|value| rehearse::settings::read(value, problems));
    let after = after(&mut root, (text, has_rehearsal), &checks, problems);
    roles(&restore, text, problems);

    let of_checks = take::<Vec<file::Waiver>>(&mut root, "waiver", problems).unwrap_or_default();
    let waivers = waivers(of_checks, [&checks, &after.checks], text, problems);

    let place_of_pitr = root.get("pitr").map(|value| value.span());
    let pitr = take::<Pitr>(&mut root, "pitr", problems);
    let backup = backup.map(|mut backup| {
        let bases = backup.composition.subjects_mut();
        let mut bases = bases.filter_map(|subject| subject.physical.as_mut());
        match (bases.next(), recovery) {
            (Some(base), Some(recovery)) => recovery.apply(base, &place_of_recovery, problems),
            (None, Some(_)) => problems.push(
                Problem::at(place_of_recovery, "`[recovery]` is for base backups").hint(
                    "a dump is of one moment: remove it, or name a base backup in `[backup.base]`",
                ),
            ),
            (_, None) => {}
        }
        drop(bases);
        let is_physical = backup
            .composition
            .subjects_mut()
            .any(|subject| subject.physical.is_some());
        if objective.runbook_within.is_some() && is_physical {
            problems.push(
                Problem::at(
                    span_of(text, "objective.runbook-within"),
                    "no `psql` or `pg_restore` restores a base backup",
                )
                .hint("use `restore-within`, which is judged on the recovery"),
            );
        }
        if is_physical {
            refuse_of_dumps(&restore, text, problems);
        }
        if let (Some(place), false) = (place_of_pitr, is_physical) {
            problems.push(
                Problem::at(place, "`[pitr]` is for base backups")
                    .hint("a dump is of one moment: `max-age` in `[backup]` limits what is lost"),
            );
        }
        backup
    });
    if !has_backup {
        problems.push(Problem::whole("`[backup]` is missing").hint(settings::EXAMPLE));
    }
    let (name, backup) = (name?, backup?);
    for checks in [&checks, &after.checks] {
        refuse_unknown_companions(checks, &backup.companions, text, problems);
    }
    let mut several_servers = false;
    if let Composition::Parts(parts) = &backup.composition {
        restore.databases.extend(parts.databases());
        several_servers = parts.parts.iter().any(|part| part.server.is_some());
    }
    // Of several servers, one may have from its backup a role that is made for another.
    if !several_servers {
        refuse_vacuous(&checks, &restore, text, problems);
    }
    Some(Scenario {
        facts: ScenarioFacts {
            name,
            description,
            file: path.to_owned(),
            sha256: sha256(text),
            text: without_secrets(text),
            settings,
            inputs: Vec::new(),
            only: Vec::new(),
        },
        folder: folder.to_owned(),
        max_age: backup.max_age.map(|span| span.0),
        backup: backup.composition,
        companions: backup.companions,
        pitr,
        server,
        restore,
        proof,
        incident,
        notify,
        every: cadence.map(|cadence| cadence.every.0),
        controls,
        restore_within: objective.restore_within.map(|span| span.0),
        runbook_within: objective.runbook_within.map(|span| span.0),
        not_tested: not_tested
            .into_iter()
            .map(|entry| NotTested {
                what: entry.what,
                why: entry.why,
            })
            .collect(),
        checks,
        waivers,
        rehearse,
        after,
    })
}

/// Refuses settings of TLS that contradict each other.
fn tls(server: &Server, places: [Range<usize>; 2], problems: &mut Vec<Problem>) {
    let [certificate, reach] = places;
    if server.tls.is_none() && server.certificate.is_some() {
        problems.push(
            Problem::at(certificate, "`certificate` has no effect without `tls`")
                .hint("add `tls = \"required\"` to `[server]`"),
        );
    }
    let container = server.container.as_ref();
    if server.tls.is_some() && container.is_some_and(|one| one.reach == Some(Reach::Port)) {
        problems.push(
            Problem::at(
                reach,
                "a server that requires TLS is reached by its own network, not by a port of this machine",
            )
            .hint("remove `reach`, or `tls` in `[server]`"),
        );
    }
}

/// Removes a key from the table and reads it.
fn take<T: serde::de::DeserializeOwned>(
    table: &mut Table<'_>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let value = table.remove(key)?;
    decode(value, &[], problems)
}

/// Reports unknown keys.
fn unknown_keys(root: &Table<'_>, problems: &mut Vec<Problem>) {
    for key in root.keys() {
        let name: &str = key.get_ref();
        if !TOP_KEYS.contains(&name) {
            let problem = Problem::at(key.span(), format!("unknown key `{name}`"));
            problems.push(match nearest(name, TOP_KEYS.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("known keys: {}", TOP_KEYS.join(", "))),
            });
        }
    }
}

/// Reads `schema = 1`, the version of the format.
fn version(root: &mut Table<'_>, problems: &mut Vec<Problem>) {
    match root.remove("schema") {
        None => problems
            .push(Problem::whole("`schema` is missing").hint("begin the file with `schema = 1`")),
        Some(value) => {
            let span = value.span();
            if decode::<u32>(value, &[], problems).is_some_and(|version| version != 1) {
                problems.push(
                    Problem::at(span, "this version of redrill reads `schema = 1`")
                        .hint("use a newer redrill, or write the scenario in format 1"),
                );
            }
        }
    }
}

/// Reads the name of the scenario, which names its reports.
fn name(root: &mut Table<'_>, path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let Some(value) = root.remove("name") else {
        let stem = path
            .file_stem()
            .map_or("nightly".into(), |stem| stem.to_string_lossy());
        problems.push(
            Problem::whole("`name` is missing").hint(format!("add `name = \"{stem}\"` at the top")),
        );
        return None;
    };
    let span = value.span();
    let name: String = decode(value, &[], problems)?;
    let good = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !name.starts_with('.');
    if !good {
        problems.push(
            Problem::at(span, "a name consists of letters, digits, `-`, `_` and `.`").hint(
                "it is the name of the folder of the reports; write sentences in `description`",
            ),
        );
        return None;
    }
    Some(name)
}

/// Refuses explanations of an upgrade where there is none, and those without a reason.
fn explained(server: &Server, place: Range<usize>, problems: &mut Vec<Problem>) {
    if server.explained.is_empty() {
        return;
    }
    if server.major.is_none() {
        let problem = Problem::at(place.clone(), "`explained` has no effect without `major`");
        problems.push(
            problem.hint("add `major = 18`, the version that the upgrade leads to, or remove it"),
        );
    }
    let empty = server
        .explained
        .iter()
        .filter(|(_, why)| why.trim().is_empty());
    for (object, _) in empty {
        let problem = Problem::at(place.clone(), format!("the reason for `{object}` is empty"));
        problems.push(problem.hint("say why the difference is harmless: every report shows it"));
    }
}
