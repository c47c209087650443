//! The rehearsal of a major upgrade: the backup is also restored on a server of its own major version, and both are compared.
//!
//! Both servers are new and have the same backup, so whatever differs comes from the versions. What a version is known to
//! change is explained (`definitions`), the rest is a finding. What an upgrade in place needs in addition (`REINDEX`,
//! `ALTER EXTENSION … UPDATE`) is a list of steps.
//!
//! - `definitions`: the catalogs; `known`: what a version changes by itself
//! - `collation`: keys whose order may differ; `extension`: versions; `function`: names that the newer server has itself
//! - `setting`: settings that the newer server lacks or refuses, also for the stages before the rehearsal, which they stop

mod collation;
mod definitions;
mod extension;
mod function;
mod known;
pub mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::context::Context;
use crate::database::DatabaseError;
use crate::needed::RowsLeftOut;
use crate::outcome::{CouldNotRun, ExplainedChange, Finding, NotTested, UpgradeFacts, UpgradeStep};
use crate::pipeline::Cluster;
use crate::proof::objects;
use crate::restore::settings::Restore;
use crate::restore::{RestoreLog, restore_needed};
use crate::scenario::Scenario;
use crate::server::{Servers, ThrowawayServer, settings};
use crate::stage::{unfit, wanted};
use crate::units::show_counted;

/// What a rehearsal works with.
pub struct UpgradeRehearsal<'a> {
    /// The scenario, whose `[server]` has the major version.
    pub scenario: &'a Scenario,
    /// What a drill needs in addition.
    pub context: &'a Context,
    /// Settings of the restore, with the created roles.
    pub settings: &'a Restore,
    /// Keeps the servers of the backup's own major version for the teardown.
    pub servers: &'a mut Servers,
}

/// The result of a rehearsal.
#[derive(Debug, Default)]
pub struct Upgrade {
    /// For reports.
    pub facts: UpgradeFacts,
    /// Differences that nothing explains, and errors of the restore on the backup's own major version.
    pub findings: Vec<Finding>,
    /// What was not compared, and why.
    pub not_compared: Vec<NotTested>,
    /// Whether the definitions of the whole backup were compared with those on its own major version.
    pub compared_definitions: bool,
    /// Objects whose difference the scenario explains.
    reviewed: BTreeSet<String>,
}

/// What a comparison of one database finds.
#[derive(Debug, Default)]
struct Differences {
    /// Number of objects that were compared.
    objects: u64,
    /// Differences, by the object as `explained` names it.
    found: Vec<(String, Finding)>,
    /// What the version explains.
    explained: Vec<ExplainedChange>,
    steps: Vec<UpgradeStep>,
    not_compared: Vec<NotTested>,
}

/// Two servers with the same backup.
struct Both<'a> {
    /// That of the backup's own major version.
    old: &'a ThrowawayServer,
    /// The newer one.
    new: &'a ThrowawayServer,
}

impl Both<'_> {
    /// Major versions of both.
    fn majors(&self) -> (u32, u32) {
        (self.old.version() / 10_000, self.new.version() / 10_000)
    }
}

/// An error of one of both servers.
fn unreadable(error: &DatabaseError) -> CouldNotRun {
    CouldNotRun::new(format!("the two majors cannot be compared: {error}"))
}

/// Restores the backup of each server on its own major version, and compares.
///
/// # Errors
/// When a database cannot be read. A server that cannot be started is in [`Upgrade::not_compared`].
pub async fn rehearse_upgrade(
    rehearsal: &mut UpgradeRehearsal<'_>,
    clusters: &[Cluster<'_>],
) -> Result<Option<Upgrade>, CouldNotRun> {
    let Some(to) = rehearsal.scenario.server.major else {
        return Ok(None);
    };
    let is_newer = |one: &Cluster<'_>| one.backup.major().is_none_or(|from| from < to);
    if !clusters.iter().any(is_newer) {
        return Ok(None);
    }
    let mut upgrade = Upgrade {
        facts: UpgradeFacts {
            to,
            ..UpgradeFacts::default()
        },
        compared_definitions: true,
        ..Upgrade::default()
    };
    let majors = clusters.iter().filter_map(|one| one.backup.major());
    upgrade.facts.from = majors.min();
    for one in clusters {
        let from = match one.backup.major() {
            Some(from) if from >= to => continue,
            Some(from) => from,
            None => {
                let why = "the backup does not say which version it was taken from";
                upgrade.without_own_server(one, why);
                continue;
            }
        };
        if let Err(why) = rehearsal.one(one, from, &mut upgrade).await? {
            upgrade.without_own_server(one, &why);
        }
    }
    if upgrade.compared_definitions {
        let reviewed = rehearsal.scenario.server.explained.keys();
        let needless = reviewed.filter(|object| !upgrade.reviewed.contains(*object));
        let needless = needless.map(|object| UpgradeStep {
            about: object.clone(),
            change: "`explained` in `[server]` names it, and nothing of it needs that: it is equal, or the version explains the difference".to_owned(),
            action: "remove the entry".to_owned(),
        });
        upgrade.facts.steps.extend(needless);
    }
    Ok(Some(upgrade))
}

impl Upgrade {
    /// Records that there was no server to compare with.
    fn without_own_server(&mut self, cluster: &Cluster<'_>, why: &str) {
        self.compared_definitions = false;
        let of = cluster
            .name
            .map_or_else(String::new, |name| format!(" of server `{name}`"));
        let own = cluster.backup.major().map_or_else(
            || "its own major version".to_owned(),
            |major| format!("PostgreSQL {major}"),
        );
        let what = format!(
            "what the upgrade to {} changes{of}: definitions, collations and extensions were not compared with a server of {own}",
            self.facts.to
        );
        self.not_compared.push(NotTested::new(what, why));
    }
}

impl UpgradeRehearsal<'_> {
    /// Restores the backup of one server on its own major version, and compares; the inner error is why there is no such server.
    async fn one(
        &mut self,
        cluster: &Cluster<'_>,
        from: u32,
        upgrade: &mut Upgrade,
    ) -> Result<Result<(), String>, CouldNotRun> {
        let Self {
            scenario,
            context,
            settings,
            servers,
        } = self;
        let backup = &cluster.backup;
        let run = context.work.begin().map_err(|error| {
            CouldNotRun::new(format!("cannot write to the work folder: {error}"))
        })?;
        let slot = servers.add_slot(cluster.name.map(str::to_owned), run);
        let owner = slot.run.as_ref().unwrap_or(cluster.run);
        let server = of_major(&scenario.server, from);
        let mut wanted = wanted(backup, settings);
        wanted.neighbours = 1;
        let old = match ThrowawayServer::start(&server, &wanted, owner, context.path()).await {
            Ok(old) => &*slot.server.insert(old),
            Err(error) => return Ok(Err(error.reason)),
        };
        if let Some(first) = unfit(backup, old).first() {
            let why = format!("{from} refuses the backup: {}", first.in_one_line());
            return Ok(Err(why));
        }
        let facts = old.facts();
        upgrade.facts.servers.push(format!(
            "PostgreSQL {}, {} {}",
            facts.version, facts.provider, facts.origin
        ));
        let left_out = RowsLeftOut::default();
        let listener: crate::event::Listener = Arc::new(|_| {});
        let restored = restore_needed(
            old,
            backup,
            (settings, &left_out),
            &context.redactor,
            &listener,
        );
        let log = match restored.await {
            Ok(log) => log,
            Err(error) => return Ok(Err(error.reason)),
        };
        if let Some(first) = log.unable.first() {
            let why = format!("the restore on {from} could not run: {}", first.actual);
            return Ok(Err(why));
        }
        let named = format!("PostgreSQL {from}");
        if !log.errors.is_empty() {
            let errors = log.errors.into_iter().map(|error| error.within(&named));
            upgrade.findings.extend(errors);
            let why = format!(
                "its restore on {from} has {}",
                show_counted(log.facts.errors, "error")
            );
            return Ok(Err(why));
        }
        let both = Both {
            old,
            new: cluster.server,
        };
        let explained = &scenario.server.explained;
        compare(cluster, &both, (settings, &log), explained, upgrade).await?;
        Ok(Ok(()))
    }
}

/// Compares both servers, database by database.
async fn compare(
    cluster: &Cluster<'_>,
    both: &Both<'_>,
    (settings, log): (&Restore, &RestoreLog),
    explained: &BTreeMap<String, String>,
    upgrade: &mut Upgrade,
) -> Result<(), CouldNotRun> {
    // What the own major version has is what the backup defines: it prints definitions as the backup does.
    let own = objects::compare(both.old, &cluster.backup, settings, log).await?;
    let named = format!("PostgreSQL {}", both.majors().0);
    let own_findings = own.findings.into_iter();
    upgrade
        .findings
        .extend(own_findings.map(|finding| finding.within(&named)));
    let not_compared = own.not_compared.into_iter();
    for entry in not_compared.filter(|entry| entry.what == objects::DEFINITIONS) {
        upgrade.compared_definitions = false;
        upgrade.not_compared.push(entry);
    }
    // The restore had no error, so it passes over these.
    let refused = setting::refused(both.new, &cluster.backup, both.majors().0).await?;
    let steps = refused.iter().map(setting::Refused::step);
    upgrade.facts.steps.extend(steps);
    let several = cluster.databases.len() > 1 || cluster.name.is_some();
    for (number, database) in cluster.databases.iter().enumerate() {
        let mut differences = Differences::default();
        let all = &mut differences;
        definitions::compare(both, database, number == 0, all).await?;
        extension::compare(both, database, all).await?;
        collation::compare(both, cluster, database, all).await?;
        function::compare(both, database, all).await?;
        let database = several.then_some(database.as_str());
        upgrade.add(differences, database, explained);
    }
    Ok(())
}

impl Upgrade {
    /// Adds what differs in a database, which is named where there are several.
    fn add(
        &mut self,
        more: Differences,
        database: Option<&str>,
        reviewed: &BTreeMap<String, String>,
    ) {
        let within = |name: &str| match database {
            None => name.to_owned(),
            Some(database) => format!("{database}: {name}"),
        };
        self.facts.objects += more.objects;
        for (object, finding) in more.found {
            let Some(why) = reviewed.get(&object) else {
                self.findings.push(match database {
                    None => finding,
                    Some(name) => finding.within(name),
                });
                continue;
            };
            self.facts.explained.push(ExplainedChange {
                object: within(finding.object.as_deref().unwrap_or(&object)),
                why: why.clone(),
                since: None,
            });
            self.reviewed.insert(object);
        }
        let explained = more.explained.into_iter();
        self.facts
            .explained
            .extend(explained.map(|entry| ExplainedChange {
                object: within(&entry.object),
                ..entry
            }));
        let steps = more.steps.into_iter().map(|step| UpgradeStep {
            about: within(&step.about),
            ..step
        });
        self.facts.steps.extend(steps);
        let not_compared = more.not_compared.into_iter();
        self.not_compared
            .extend(not_compared.map(|entry| NotTested {
                what: within(&entry.what),
                ..entry
            }));
    }
}

/// The settings of a server of another major version on the same provider.
fn of_major(server: &settings::Server, major: u32) -> settings::Server {
    let mut server = settings::Server {
        major: Some(major),
        // No program of a check connects to it.
        tls: None,
        certificate: None,
        ..server.clone()
    };
    if let Some(container) = &mut server.container {
        container.image = None;
    }
    if let Some(local) = &mut server.local {
        local.bin = None;
    }
    server
}
