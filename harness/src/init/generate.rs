//! From a backup or a database to a scenario and its baseline.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::block::State;
use super::location::BackupLocation;
use super::section::Section;
use super::write::{self, Head};
use super::{Description, Origin, describe, state, verify};
use crate::baseline::file::save;
use crate::baseline::{Baseline, Database, take};
use crate::catalog::Catalog;
use crate::cleanup::Run;
use crate::context::Context;
use crate::database::{DatabaseError, Session, Terms};
use crate::input::Environment;
use crate::outcome::{BackupFacts, CouldNotRun};
use crate::pipeline::Pipeline;
use crate::record::Record;
use crate::restore::target;
use crate::scenario::Scenario;
use crate::server::{Servers, ThrowawayServer};
use crate::source::Source;
use crate::stage::Stopped;

/// Databases that are left out if they have no table.
const MAINTENANCE: &[&str] = &["postgres", "template1", "template0"];

/// Begins a transaction of one snapshot that writes nothing.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Number of sessions that read rows at the same time.
pub const SESSIONS: usize = 4;

/// Time limit of one query on a throwaway server: large tables are counted.
const TIMEOUT: Duration = Duration::from_secs(6 * 3600);

/// What is to be written.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// The file of the scenario.
    pub file: PathBuf,
    /// The file of its baseline, in the same folder.
    pub baseline: PathBuf,
    /// The name of the scenario.
    pub name: String,
    /// Where the backup is.
    pub location: BackupLocation,
    /// Only this database, if the backup contains several.
    pub database: Option<String>,
}

/// A scenario with its baseline.
#[derive(Debug)]
pub struct GeneratedScenario {
    /// The text of the scenario.
    pub text: String,
    /// The state of the databases.
    pub baseline: Baseline,
    /// What the scenario was written from.
    pub descriptions: Vec<Description>,
    /// The backup that the checks were run on.
    pub run_on: Option<BackupFacts>,
    /// Roles that were created for the restore.
    pub made_roles: Vec<String>,
}

/// An existing database, with further sessions of the same snapshot.
pub struct OpenSource<'a> {
    /// The database, with the first session.
    pub first: &'a mut Source,
    /// The other sessions.
    pub more: &'a mut [Session],
}

impl OpenSource<'_> {
    /// Describes the database and takes its baseline.
    async fn describe(
        self,
        request: &InitRequest,
        origin: &Origin,
    ) -> Result<(Description, Baseline), CouldNotRun> {
        let Self {
            first: source,
            more,
        } = self;
        let taken = Timestamp::now();
        let read = read(source.session(), more, origin).await;
        let (mut description, database) = read.map_err(unreadable)?;
        let section = state::section(&description, &request.baseline);
        description.sections.push(section);
        let baseline = Baseline {
            taken,
            from: format!(
                "database {} of {}",
                source.database,
                source.address().shown()
            ),
            server: source.version.clone(),
            dump: None,
            against: None,
            databases: [(source.database.clone(), database)].into(),
        };
        Ok((description, baseline))
    }
}

/// Describes a database and takes its baseline, with one snapshot and one reading of the catalog.
async fn read(
    first: &mut Session,
    more: &mut [Session],
    origin: &Origin,
) -> Result<(Description, Database), DatabaseError> {
    let catalog = Catalog::read(first).await?;
    let description = describe(first, &catalog, origin).await?;
    let options = take::TakeOptions {
        append_only: description.append_only.clone(),
        digests: true,
        ..take::TakeOptions::default()
    };
    let mut sessions: Vec<&mut Session> = std::iter::once(first).chain(more).collect();
    let database = take::with_catalog(&mut sessions, catalog, &options).await?;
    Ok((description, database))
}

/// Describes a database of a throwaway server.
async fn read_restored(
    server: &ThrowawayServer,
    database: &str,
    origin: &Origin,
) -> Result<(Description, Database), CouldNotRun> {
    let terms = Terms {
        statement_timeout: TIMEOUT,
    };
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let session = Session::superuser(server.endpoint(), database, &terms).await;
        let mut session = session.map_err(unreadable)?;
        session.run(SNAPSHOT).await.map_err(unreadable)?;
        sessions.push(session);
    }
    let Some((first, more)) = sessions.split_first_mut() else {
        return Ok(Default::default());
    };
    let read = read(first, more, origin).await.map_err(unreadable)?;
    for session in sessions {
        session.close().await;
    }
    Ok(read)
}

fn unreadable(error: DatabaseError) -> CouldNotRun {
    CouldNotRun::new(format!("the database cannot be read: {error}"))
}

/// That the described database is none of those of the backup.
fn not_in_backup(database: &str, all: &[String]) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!(
            "the backup contains {}, and not `{database}`, the database of `--from`",
            all.join(", ")
        ),
        "connect to one of them, or give the backup as `--from` to describe all of its databases",
    )
}

/// The databases of the backup that are not described.
fn other_databases(described: &str, all: &[String]) -> Section {
    let mut section = Section::new(
        "other databases",
        "The proof compares every database of the backup, and the checks name the described one only. `redrill init` of the \
         backup itself describes all of them.",
    );
    let others: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|one| *one != described)
        .collect();
    section.note(format!("Not described: {}.", others.join(", ")));
    section.found(format!(
        "not described, because it is not the database of `--from`: {}",
        others.join(", ")
    ));
    section
}

/// The tables whose rows no check can expect of a base backup.
fn emptied(unlogged: &[&str]) -> Option<Section> {
    if unlogged.is_empty() {
        return None;
    }
    let mut section = Section::new(
        "unlogged tables",
        "A recovery empties unlogged tables, so nothing is known of their rows.",
    );
    section.note(format!(
        "Not described: the rows of {}.",
        unlogged.join(", ")
    ));
    section.found(format!(
        "not described, because they are unlogged: the rows of {}",
        unlogged.join(", ")
    ));
    Some(section)
}

/// Writes a scenario: restores a backup, describes the restored database or else `source`, and runs the checks on the
/// restored database. The server is left for the teardown.
///
/// # Errors
/// When the backup is not proven, or the checks could not be run.
pub async fn from_backup(
    request: &InitRequest,
    scenario: Scenario,
    context: &Context,
    run: &Run,
    servers: &mut Servers,
    source: Option<OpenSource<'_>>,
) -> Result<GeneratedScenario, Stopped> {
    let pipeline = Pipeline {
        scenario: &scenario,
        context,
        run,
        make_roles: true,
    };
    let mut record = Record::begin(&scenario, context);
    let restored = pipeline.proven(servers, &mut record).await?;
    let (server, facts, log) = (restored.server(), &restored.facts, &restored.log);
    let made_roles = restored.settings.made_roles().into_iter();
    let made_roles: Vec<String> = made_roles.map(|role| role.name).collect();
    let recovery = log.facts.recovery.as_ref();
    let mut origin = Origin {
        made: facts.state_time(),
        made_roles: made_roles.clone(),
        ..Origin::default()
    };
    let of_source = source.is_some();
    let (mut descriptions, mut baseline, from);
    // The database that `source` is in the backup.
    let mut counterpart = log.database.clone();
    if let Some(source) = source {
        from = source.first.address().shown().to_owned();
        let database = source.first.database.clone();
        let several = log.database.is_none();
        if several && !log.databases.contains(&database) {
            return Err(not_in_backup(&database, &log.databases).into());
        }
        let (mut description, taken) = source.describe(request, &origin).await?;
        if several {
            counterpart = Some(database.clone());
            description
                .sections
                .insert(0, other_databases(&database, &log.databases));
            description.database = Some(database);
        }
        (descriptions, baseline) = (vec![description], taken);
    } else {
        from = match &facts.physical {
            Some(base) => format!(
                "{}, recovered to {}",
                restored.backup.name(),
                base.recovered_to()
            ),
            None => restored.backup.name(),
        };
        descriptions = Vec::new();
        baseline = Baseline {
            taken: origin.made.unwrap_or_else(Timestamp::now),
            from: facts.origin.clone(),
            server: server.facts().version.clone(),
            dump: None,
            against: None,
            databases: BTreeMap::new(),
        };
        let databases = match &request.database {
            Some(one) => vec![one.clone()],
            None => log.databases.clone(),
        };
        let several = databases.len() > 1;
        for name in databases {
            let parts = &restored.backup.parts;
            let made_for = parts
                .iter()
                .find(|part| target::database_of(part, &restored.settings).as_ref() == Some(&name));
            origin.made_database = made_for.is_some();
            origin.chosen_encoding =
                made_for.is_some_and(|part| part.contents.database_encoding.is_none());
            let (mut description, mut database) =
                read_restored(restored.server_of(&name), &name, &origin).await?;
            let unlogged = recovery
                .into_iter()
                .flat_map(|facts| facts.unlogged_in(&name));
            let unlogged: Vec<&str> = unlogged.collect();
            database.leave_out(unlogged.iter().copied());
            description.sections.extend(emptied(&unlogged));
            if several && MAINTENANCE.contains(&name.as_str()) && !description.has_tables {
                continue;
            }
            let section = state::section(&description, &request.baseline);
            description.sections.push(section);
            description.database = log.database.is_none().then(|| name.clone());
            descriptions.push(description);
            baseline.databases.insert(name, database);
        }
    }
    let head = Head {
        name: request.name.clone(),
        from,
        made: origin.made.filter(|_| facts.physical.is_none()),
        location: request.location.clone(),
        create_roles: made_roles.clone(),
        database: request.database.clone(),
        run: true,
    };
    let checks = verify::Verification {
        request,
        head: &head,
        restored: &restored,
    };
    // The checks read it there.
    let file = run
        .folder
        .join(request.baseline.file_name().unwrap_or_default());
    save(&file, &baseline).map_err(CouldNotRun::new)?;
    verify::verify(&checks, &mut descriptions).await?;
    // The source may have changed since the backup was made; then the baseline is taken of the backup.
    if of_source
        && let Some(reason) = state::why_left_out(&descriptions)
        && let (Some(name), Some(description)) = (&counterpart, descriptions.first_mut())
    {
        let (_, mut database) = read_restored(restored.server_of(name), name, &origin).await?;
        database.leave_out(
            recovery
                .into_iter()
                .flat_map(|facts| facts.unlogged_in(name)),
        );
        baseline.from.clone_from(&facts.origin);
        baseline.databases = [(name.clone(), database)].into();
        save(&file, &baseline).map_err(CouldNotRun::new)?;
        description.sections.pop();
        let mut section = state::section(description, &request.baseline);
        for block in &mut section.blocks {
            block.state = State::Weaker(format!(
                "it is taken of the backup and not of the database, which differs: {reason}"
            ));
        }
        description.sections.push(section);
        verify::verify(&checks, &mut descriptions).await?;
    }
    Ok(GeneratedScenario {
        text: write::scenario(&head, &descriptions),
        baseline,
        descriptions,
        run_on: Some(facts.clone()),
        made_roles,
    })
}

/// Writes a scenario of an existing database; its checks are not run.
///
/// # Errors
/// When the database cannot be read.
pub async fn from_source(
    request: &InitRequest,
    source: OpenSource<'_>,
    environment: &Environment,
) -> Result<GeneratedScenario, CouldNotRun> {
    let origin = Origin {
        made: Some(Timestamp::now()),
        unknown_backup: true,
        ..Origin::default()
    };
    let head = Head {
        name: request.name.clone(),
        from: source.first.address().shown().to_owned(),
        made: None,
        location: request.location.clone(),
        create_roles: Vec::new(),
        database: None,
        run: false,
    };
    let (description, baseline) = source.describe(request, &origin).await?;
    let mut descriptions = vec![description];
    verify::parse(&request.file, &head, &mut descriptions, environment)?;
    Ok(GeneratedScenario {
        text: write::scenario(&head, &descriptions),
        baseline,
        descriptions,
        run_on: None,
        made_roles: Vec::new(),
    })
}
