//! Starts the throwaway servers.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{Facts, Passed, Staged, Stopped, of_server, unable};
use crate::backup::{Backup, fit};
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{CouldNotRun, Finding, ServerFacts};
use crate::restore::method;
use crate::restore::settings::Restore;
use crate::scenario::Scenario;
use crate::server::{Servers, ThrowawayServer, Wanted, settings};
use crate::units::show_duration;
use crate::upgrade::setting::{self, Refused};

/// Starts the throwaway servers: one, unless parts of the backup name others. `servers` has them then.
pub async fn server(
    scenario: &Scenario,
    backup: &Backup,
    run: &Run,
    context: &Context,
    servers: &mut Servers,
) -> Staged<()> {
    if let Some(error) = older(scenario, backup) {
        return unable(error.into());
    }
    if let Some(error) = unrecoverable(scenario, backup) {
        return unable(error.into());
    }
    let rehearses = context.rehearse && scenario.rehearse.is_some();
    let groups = backup.by_server();
    let neighbours = groups.len().saturating_sub(1) as u64;
    for (number, (name, _)) in groups.iter().enumerate() {
        let own = match number {
            0 => None,
            _ => match context.work.begin() {
                Ok(run) => Some(run),
                Err(error) => {
                    let reason = format!("cannot write to the work folder: {error}");
                    return unable(CouldNotRun::new(reason).into());
                }
            },
        };
        servers.add(name.clone(), own);
    }
    let starting = servers
        .slots_mut()
        .iter_mut()
        .zip(&groups)
        .map(|(slot, (_, group))| async {
            let wanted = Wanted {
                neighbours,
                copies: context.keep.is_some() || rehearses || backup.physical.is_some(),
                ..wanted(group, &scenario.restore)
            };
            let owner = slot.run.as_ref().unwrap_or(run);
            let started =
                ThrowawayServer::start(&scenario.server, &wanted, owner, context.path()).await;
            let started = started.map_err(|error| of_server(slot.name.as_deref(), error))?;
            let facts = started.facts().clone();
            slot.server = Some(started);
            Ok::<_, CouldNotRun>((slot.name.clone(), facts))
        });
    let mut started = Vec::new();
    for server in join_all(starting).await {
        match server {
            Ok(server) => started.push(server),
            Err(error) => {
                let refused = refused_settings(scenario, backup, context, servers).await;
                return unable(refused.unwrap_or_else(|| error.into()));
            }
        }
    }
    let summaries = started.iter().map(|(name, facts)| {
        let place = if facts.provider == "container" {
            "in a container"
        } else {
            "as a local server"
        };
        let of = name
            .as_ref()
            .map_or_else(String::new, |name| format!("{name}: "));
        format!(
            "{of}PostgreSQL {} {place}, {}, up in {}",
            facts.version,
            facts.origin,
            show_duration(facts.started_in)
        )
    });
    let summary = summaries.collect::<Vec<_>>().join("; ");
    let warnings = needless_stubs(scenario, backup, &started);
    let mut all = started.into_iter();
    let facts = Facts {
        server: all.next().map(|(_, facts)| facts),
        other_servers: all
            .map(|(name, facts)| (name.unwrap_or_default(), facts))
            .collect(),
        ..Facts::default()
    };
    let passed = Passed {
        warnings,
        ..Passed::new((), summary)
    };
    (facts, Ok(passed))
}

/// Why a server of the newer major version of a rehearsal did not start, if that is a setting of the scenario: one without them
/// is asked.
async fn refused_settings(
    scenario: &Scenario,
    backup: &Backup,
    context: &Context,
    servers: &mut Servers,
) -> Option<Stopped> {
    let of_scenario = &scenario.server.settings;
    let from = backup.major()?;
    if of_scenario.is_empty() || scenario.server.major.is_none_or(|to| to <= from) {
        return None;
    }
    let without = settings::Server {
        settings: BTreeMap::new(),
        tls: None,
        certificate: None,
        ..scenario.server.clone()
    };
    let slot = servers.add_slot(None, context.work.begin().ok()?);
    let owner = slot.run.as_ref()?;
    let wanted = wanted(backup, &scenario.restore);
    let started = ThrowawayServer::start(&without, &wanted, owner, context.path()).await;
    let server = slot.server.insert(started.ok()?);
    let refused = setting::refused_of_scenario(server, of_scenario, from).await;
    let findings: Vec<Finding> = refused.ok()?.iter().map(Refused::finding).collect();
    let first = findings.first()?;
    let summary = format!(
        "the server does not start with the settings of the scenario: {}",
        first.in_one_line()
    );
    Some(Stopped::failed(summary, findings))
}

/// Stubs of extensions that the backup does not create, or that every server has.
fn needless_stubs(
    scenario: &Scenario,
    backup: &Backup,
    started: &[(Option<String>, ServerFacts)],
) -> Vec<Finding> {
    let contents = backup.contents();
    let stubs = scenario.restore.stub.iter();
    let needless = stubs.filter_map(|stub| {
        let actual = if !contents.extensions.contains(&stub.extension) {
            "the backup does not create it"
        } else if started
            .iter()
            .all(|(_, facts)| facts.has_extension(&stub.extension))
        {
            "the server has it, and it was restored"
        } else {
            return None;
        };
        let expected = "an extension that the server lacks, as `[[restore.stub]]` says";
        let object = format!("extension {}", stub.extension);
        Some(Finding::about(object, expected, actual).hint("remove the entry"))
    });
    needless.collect()
}

/// Why the backup cannot be restored on the major version that the scenario sets.
fn older(scenario: &Scenario, backup: &Backup) -> Option<CouldNotRun> {
    let major = scenario.server.major?;
    let from = backup.major().filter(|from| *from > major)?;
    let reason = format!(
        "`major = {major}` in `[server]`, and the backup is of PostgreSQL {from}: a newer server cannot be rehearsed on an older one"
    );
    Some(CouldNotRun::with_hint(
        reason,
        format!("set {from} or a later version, or leave `major` out"),
    ))
}

/// Why a base backup cannot be recovered on the server that the scenario asks for.
fn unrecoverable(scenario: &Scenario, backup: &Backup) -> Option<CouldNotRun> {
    let base = backup.physical.as_ref()?;
    if scenario
        .server
        .major
        .is_some_and(|major| major != base.major)
    {
        return Some(CouldNotRun::with_hint(
            format!(
                "a base backup of PostgreSQL {} starts on a server of that version only",
                base.major
            ),
            "remove `major` from `[server]`, or rehearse the upgrade with a dump",
        ));
    }
    if scenario.server.tls.is_some() {
        return Some(CouldNotRun::with_hint(
            "a recovered server does not require TLS in this version",
            "remove `tls` from `[server]`",
        ));
    }
    if base.superuser.is_none() {
        return Some(CouldNotRun::with_hint(
            "no superuser that may log in was found in the base backup, so nobody could connect to the recovered server",
            "`ALTER ROLE postgres LOGIN` on the source, before the next base backup",
        ));
    }
    None
}

/// What of the backup the server refuses because of its version.
pub fn unfit(backup: &Backup, server: &ThrowawayServer) -> Vec<Finding> {
    let version = (server.version() / 10_000, server.version() % 10_000);
    let parts = backup.parts.iter();
    parts
        .flat_map(|part| fit::fits(&part.contents, &part.format, version))
        .collect()
}

/// The requirements of the backup on a server.
#[must_use]
pub fn wanted(backup: &Backup, settings: &Restore) -> Wanted {
    if let Some(base) = &backup.physical {
        return Wanted {
            major: Some(base.major),
            superuser: base.superuser.clone().unwrap_or_default(),
            bytes: base.bytes_to_lay_out(),
            copies: true,
            ..Wanted::default()
        };
    }
    let contents = backup.contents();
    let parts = backup.parts.iter();
    let archives = parts.filter(|part| method::reads_file(part, settings));
    // An archive may be newer than the server that it was made of.
    let parts = backup.parts.iter();
    let oldest = parts.filter_map(|part| fit::oldest(&part.contents, &part.format));
    let oldest = oldest.max().unwrap_or_default();
    Wanted {
        major: contents.major().map(|major| major.max(oldest)),
        extensions: contents.extensions.clone(),
        stubs: settings
            .stub
            .iter()
            .map(|stub| stub.extension.clone())
            .collect(),
        superuser: contents.bootstrap_superuser(),
        bytes: backup.parts.iter().map(|part| part.text_bytes).sum(),
        files: archives.map(|part| part.file().to_owned()).collect(),
        neighbours: 0,
        copies: false,
        ends_after: None,
    }
}
