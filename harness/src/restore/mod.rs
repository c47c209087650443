//! `Backup` + `&ThrowawayServer` → [`RestoreLog`]. The log decides, never an exit code. One method,
//! one file.

mod log;
mod messages;
pub mod method;
mod pg_restore;
mod prepared;
mod psql;
pub mod recovery;
pub mod roles;
mod script;
pub mod settings;
mod statement;
pub mod target;
mod tolerance;
mod wire;

use std::time::{Duration, Instant};

use crate::backup::{Backup, Part};
use crate::catalog::system::{Compared, SystemCatalogs};
use crate::database::DatabaseError;
use crate::event::Listener;
use crate::needed::RowsLeftOut;
use crate::outcome::{CouldNotRun, Finding, Phase, RestoreFacts, RestoreStep};
use crate::redact::Redactor;
use crate::server::ThrowawayServer;
pub use log::ToleratedAt;
use method::{Chosen, PartLog, Work};
use settings::{MadeRole, Restore};

/// Limit of a restore when the scenario sets none.
pub(crate) const WITHIN: Duration = Duration::from_secs(6 * 3600);

/// How many of the longest steps are kept in addition to those that build an index.
const LONGEST: usize = 10;

/// The result of a restore.
#[derive(Debug, Clone, Default)]
pub struct RestoreLog {
    /// For the reports.
    pub facts: RestoreFacts,
    /// Databases that the backup was restored into, in order.
    pub databases: Vec<String>,
    /// The default database of checks, if it is unambiguous.
    pub database: Option<String>,
    /// Statements that failed.
    pub errors: Vec<Finding>,
    /// Places of the errors that the scenario tolerates.
    pub tolerated: Vec<ToleratedAt>,
    /// Roles of a recovered cluster, other than those of initdb; empty for dumps.
    pub roles: Vec<String>,
    /// Extensions of a recovered cluster; empty for dumps.
    pub extensions: Vec<String>,
    /// Why the restore has no result: an error of this machine or this server, not of the backup.
    pub unable: Vec<Finding>,
}

impl RestoreLog {
    /// The tolerated errors of one dump.
    #[must_use]
    pub fn tolerated_in(&self, part: &str) -> Vec<&ToleratedAt> {
        self.tolerated
            .iter()
            .filter(|one| one.part == part)
            .collect()
    }

    /// Adds the restore of further parts on another server.
    pub(crate) fn join(&mut self, other: Self, settings: &Restore) {
        self.errors.extend(other.errors);
        self.unable.extend(other.unable);
        self.tolerated.extend(other.tolerated);
        self.databases.extend(other.databases);
        self.database = match (&settings.database, self.databases.as_slice()) {
            (Some(named), _) => Some(named.clone()),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        let (facts, more) = (&mut self.facts, other.facts);
        if !facts.method.contains(&more.method) {
            facts.method = format!("{}; {}", facts.method, more.method);
        }
        let sum = |one: Option<Duration>, other| {
            one.zip(other)
                .map(|(one, other): (_, Duration)| one + other)
        };
        facts.duration += more.duration;
        facts.processor = sum(facts.processor, more.processor);
        facts.analyzed = sum(facts.analyzed, more.analyzed);
        facts.phases.extend(more.phases);
        facts.steps.extend(more.steps);
        longest(&mut facts.steps);
        facts.errors += more.errors;
        facts.tolerated.extend(more.tolerated);
        facts.rows.extend(more.rows);
    }

    /// Adds the result of one dump; `within` names the dump where there are several.
    fn add(&mut self, part: PartLog, within: Option<&str>) {
        let name = |finding: Finding| match within {
            None => finding,
            Some(name) => finding.within(name),
        };
        self.errors.extend(part.errors.into_iter().map(name));
        self.unable.extend(part.unable.into_iter().map(name));
        let facts = &mut self.facts;
        if !facts.method.contains(&part.facts.method) {
            let joint = if facts.method.is_empty() { "" } else { "; " };
            facts.method.push_str(joint);
            facts.method.push_str(&part.facts.method);
        }
        facts.duration += part.facts.duration;
        facts.errors += part.facts.errors;
        facts.tolerated.extend(part.facts.tolerated);
        facts
            .steps
            .extend(part.facts.steps.into_iter().map(|step| RestoreStep {
                what: match within {
                    None => step.what,
                    Some(name) => format!("{} ({name})", step.what),
                },
                ..step
            }));
        longest(&mut facts.steps);
        match within {
            None => facts.phases.extend(part.facts.phases),
            Some(name) => facts.phases.push(Phase {
                name: name.to_owned(),
                duration: part.facts.duration,
            }),
        }
    }
}

/// Sorts the steps, the longest first, and keeps the longest of them and every one that builds an index.
fn longest(steps: &mut Vec<RestoreStep>) {
    steps.sort_by_key(|step| std::cmp::Reverse(step.duration));
    let mut kept = 0;
    steps.retain(|step| {
        kept += 1;
        kept <= LONGEST || step.method.is_some()
    });
}

/// Restores the backup, dump by dump, each with the method for its format.
///
/// # Errors
/// When it could not be completed: no client program, timeout, the server is gone.
pub async fn restore(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
    redactor: &Redactor,
    listener: &Listener,
) -> Result<RestoreLog, CouldNotRun> {
    let all = RowsLeftOut::default();
    restore_needed(server, backup, (settings, &all), redactor, listener).await
}

/// Restores the backup without some rows; `psql` and `pg_restore` load all of them.
///
/// # Errors
/// When it could not be completed: no client program, timeout, the server is gone.
pub async fn restore_needed(
    server: &ThrowawayServer,
    backup: &Backup,
    (settings, left_out): (&Restore, &RowsLeftOut),
    redactor: &Redactor,
    listener: &Listener,
) -> Result<RestoreLog, CouldNotRun> {
    let within = settings.timeout.map_or(WITHIN, |span| span.0);
    let databases = target::databases(backup, settings);
    for part in &backup.parts {
        server.endpoint().names.learn(&part.contents);
    }
    let mut log = RestoreLog {
        database: match (&settings.database, databases.as_slice()) {
            (Some(named), _) => Some(named.clone()),
            (None, [only]) => Some(only.clone()),
            (None, []) => Some("postgres".to_owned()),
            (None, _) => None,
        },
        databases,
        ..RestoreLog::default()
    };
    let work = Work {
        globals_beside: backup.globals_beside.as_ref(),
        server,
        settings,
        left_out,
        redactor,
        listener,
    };
    let method = async {
        let system = SystemCatalogs::read(server.endpoint(), "template1", Compared::All).await;
        let system = of_session(server, system).await?;
        make_roles(server, backup, settings).await?;
        let before = server.processor_time().await;
        let several = backup.parts.len() > 1 || !backup.consists_of.is_empty();
        for part in &backup.parts {
            let database = make_database(server, part, settings).await?;
            let done = match method::choose(part, settings)? {
                Chosen::Sessions => script::restore(&work, part, &database).await?,
                Chosen::Psql => psql::restore(&work, part, &database).await?,
                Chosen::PgRestore(why) => pg_restore::restore(&work, part, why, &database).await?,
            };
            let places = done.tolerated_at.iter().cloned();
            log.tolerated.extend(places.map(|place| ToleratedAt {
                part: part.name.clone(),
                ..place
            }));
            log.add(done, several.then_some(part.name.as_str()));
        }
        let after = server.processor_time().await;
        log.facts.processor = after
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        if log.errors.is_empty() && log.unable.is_empty() {
            let changed = system.changed(server.endpoint(), &log.databases).await;
            let changed = of_session(server, changed).await?;
            log.errors = changed.into_iter().map(changed_in_server).collect();
            log.facts.errors += log.errors.len() as u64;
        }
        if log.errors.is_empty() && log.unable.is_empty() {
            grant_roles(server, backup, settings).await?;
            let began = Instant::now();
            let analyzed = server.analyze(&log.databases).await;
            log.facts.analyzed = analyzed.ok().map(|()| began.elapsed());
        }
        Ok(log)
    };
    match tokio::time::timeout(within, method).await {
        Ok(result) => result,
        Err(_) => Err(
            CouldNotRun::new(format!("the restore did not end within {within:?}"))
                .hint("raise `timeout` in `[restore]`, or find out what the server waits for"),
        ),
    }
}

/// What a session found, or why it has no answer.
async fn of_session<T>(
    server: &ThrowawayServer,
    found: Result<T, DatabaseError>,
) -> Result<T, CouldNotRun> {
    match found {
        Ok(found) => Ok(found),
        Err(error) if error.lost => Err(method::broken_off(server, error).await),
        Err(error) => Err(error.into()),
    }
}

/// An object of the server that the backup changes.
fn changed_in_server(object: String) -> Finding {
    Finding::about(
        object,
        "as PostgreSQL itself makes it",
        "the backup replaces it, or adds one that is called in its place",
    )
    .hint("nothing that this server says of the backup can be believed; no dump of PostgreSQL's own programs does this: find out who wrote the backup, and what else it does")
}

/// Creates the roles that the scenario lists as missing, without privileges and memberships.
async fn make_roles(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
) -> Result<(), CouldNotRun> {
    for MadeRole { name, login, .. } in made_roles(backup, settings) {
        server.create_role(&name, login).await.map_err(|error| {
            CouldNotRun::new(format!("cannot create the role `{name}`: {error}")).hint(
                "remove from `[[restore.role]]` the roles that the backup or the server creates",
            )
        })?;
    }
    Ok(())
}

/// Makes these roles members of others, which the backup may have created.
async fn grant_roles(
    server: &ThrowawayServer,
    backup: &Backup,
    settings: &Restore,
) -> Result<(), CouldNotRun> {
    for MadeRole {
        name, member_of, ..
    } in made_roles(backup, settings)
    {
        for of in member_of {
            server.grant_role(&of, &name).await.map_err(|error| {
                let reason = format!("cannot make `{name}` a member of `{of}`: {error}");
                CouldNotRun::with_hint(
                    reason,
                    "`member-of` in `[[restore.role]]` names roles that the backup or another `[[restore.role]]` creates",
                )
            })?;
        }
    }
    Ok(())
}

/// The roles to create on the server of a backup.
fn made_roles(backup: &Backup, settings: &Restore) -> Vec<MadeRole> {
    let mut roles = settings.made_roles();
    // Of several servers, one may have it from its own file of roles.
    if backup.parts.iter().any(|part| part.server.is_some()) {
        let creates = |role: &MadeRole| {
            let mut parts = backup.parts.iter();
            parts.any(|part| part.contents.roles.contains(&role.name))
        };
        roles.retain(|role| !creates(role));
        // A role that only another server has is none to be a member of here.
        let names: Vec<String> = roles.iter().map(|role| role.name.clone()).collect();
        let contents = backup.contents();
        let is_elsewhere = |of: &String| {
            let all = backup.consists_of.iter();
            all.flat_map(|(_, facts)| &facts.roles)
                .any(|role| role == of)
        };
        for role in &mut roles {
            role.member_of.retain(|of| {
                contents.roles.contains(of) || names.contains(of) || !is_elsewhere(of)
            });
        }
    }
    roles
}

/// Creates the database for a dump that connects to none itself; returns the database to begin in.
async fn make_database(
    server: &ThrowawayServer,
    part: &Part,
    settings: &Restore,
) -> Result<String, CouldNotRun> {
    let every_cluster_has = "postgres".to_owned();
    let Some(name) = target::database_of(part, settings) else {
        return Ok(every_cluster_has);
    };
    if name == every_cluster_has {
        return Ok(name);
    }
    let encoding = part.contents.own_encoding();
    server
        .create_database(&name, encoding)
        .await
        .map_err(|error| {
            CouldNotRun::new(format!("cannot create the database `{name}`: {error}"))
        })?;
    Ok(name)
}
