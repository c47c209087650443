//! A first scenario for a database that nobody described: look at each thing that checks know of, write
//! what holds it to that, and try it where there is a restored backup to try it on.
//!
//! - one file for each thing: `look` reads it, `section` makes checks of it without a database
//! - `block` is a check as text, `section` the checks about one thing, `cover` patterns in place of names
//! - `write` puts them together, `place` says where the backup lies, `verify` tries the checks and leaves
//!   out, in plain sight, those that do not hold
//!
//! What is guessed is written as a guess. Values of rows are not looked at, but for keys of tenants that a
//! check of row security must name, and what migrations call themselves.

pub mod append_only;
pub mod block;
mod constraint;
pub mod cover;
mod database;
mod extension;
mod freshness;
mod function;
mod graph;
mod index;
mod migration;
mod partition;
pub mod place;
pub mod relation;
mod rls;
mod role;
mod rows;
pub mod section;
mod sequence;
mod tenant;
mod trigger;
mod vector;
pub mod verify;
pub mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::baseline::observed::save;
use crate::baseline::{Baseline, Database, take};
use crate::catalog::Catalog;
use crate::cleanup::Run;
use crate::context::Context;
use crate::database::{DatabaseError, Session, Terms};
use crate::outcome::{BackupFacts, CouldNotRun};
use crate::pipeline::Pipeline;
use crate::record::Record;
use crate::restore::target;
use crate::scenario::Scenario;
use crate::server::ThrowawayServer;
use crate::source::Source;
use crate::sql::QualifiedName;
use crate::stage::Stopped;
use block::{Block, State};
use place::Place;
use section::Section;
use write::Head;

/// Databases that hold nothing of anybody's, unless somebody put something there.
const MAINTENANCE: &[&str] = &["postgres", "template1", "template0"];

/// A transaction that sees one moment and writes nothing.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Sessions that read rows at the same time.
const SESSIONS: usize = 4;

/// How long one question to a throwaway server may take: large tables are counted.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

/// One database, as checks hold it to what it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looked {
    /// Its name, where the backup holds several.
    pub database: Option<String>,
    /// The parts of the scenario.
    pub sections: Vec<Section>,
    /// What could not be looked at, and why.
    pub missed: Vec<(String, String)>,
    /// Whether it holds a table of anybody's own.
    pub inhabited: bool,
    /// Tables whose rows are added and never changed, as far as their history can be kept.
    pub append_only: Vec<QualifiedName>,
    /// Tables whose rows come and go.
    pub passing: Vec<QualifiedName>,
}

/// What is known of a backup before the database is looked at.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When the backup was made, where it says so itself.
    pub made: Option<Timestamp>,
    /// Roles that were made for the restore: what they are says nothing.
    pub made_roles: Vec<String>,
    /// Whether the database itself was made for the restore: its locale and settings say nothing.
    pub made_database: bool,
}

/// Looks at each thing; what the session may not read is missed, not fatal.
struct Looking<'a> {
    session: &'a mut Session,
    missed: Vec<(String, String)>,
}

impl Looking<'_> {
    async fn at<T: Default>(
        &mut self,
        what: &str,
        look: impl AsyncFnOnce(&mut Session) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.session.run("SAVEPOINT redrill_look").await?;
        let looked = look(self.session).await;
        let value = match looked {
            Ok(value) => value,
            Err(error) if error.lost => return Err(error),
            Err(error) => {
                self.session
                    .run("ROLLBACK TO SAVEPOINT redrill_look")
                    .await?;
                self.missed.push((what.to_owned(), error.to_string()));
                T::default()
            }
        };
        self.session.run("RELEASE SAVEPOINT redrill_look").await?;
        Ok(value)
    }
}

/// Looks at a database, in a session that is in a transaction of one snapshot.
///
/// # Errors
/// When the connection is lost, or the catalog cannot be read at all.
pub async fn look(session: &mut Session, known: &Known) -> Result<Looked, DatabaseError> {
    let major = session.major_version().await?;
    let catalog = &definitions(session).await?;
    let mut relations = relation::look(session).await?;
    let unread = relation::count(session, &mut relations).await?;
    let relations = &relations;
    let made = known.made.map(|made| made.to_zoned(TimeZone::UTC).date());
    let mut to = Looking {
        session,
        missed: unread
            .into_iter()
            .map(|(table, error)| (format!("rows of {table}"), error.to_string()))
            .collect(),
    };
    let migrations = to
        .at("migrations", async |s| migration::look(s, relations).await)
        .await?;
    let mut sections = vec![
        migration::section(&migrations),
        extension::section(catalog),
        rows::section(relations),
    ];
    let newest = to
        .at("freshness", async |s| freshness::look(s, relations).await)
        .await?;
    sections.push(freshness::section(&newest, known.made));
    let partitioned = partition::find(catalog, relations);
    sections.push(partition::section(&partitioned, made));
    sections.push(sequence::section(catalog, relations));
    let constraints = to
        .at("constraints", async |s| {
            constraint::find(s, catalog, relations).await
        })
        .await?;
    sections.push(constraint::section(&constraints, relations));
    let indexes = to
        .at("indexes", async |s| index::look(s, relations).await)
        .await?;
    sections.push(index::section(&indexes, relations));
    let vectors = to
        .at("embeddings", async |s| vector::look(s, relations).await)
        .await?;
    sections.push(vector::section(&vectors));
    let large_objects = to
        .at("large objects", async |s| {
            database::count_large_objects(s).await
        })
        .await?;
    sections.push(database::section(catalog, large_objects, known));
    let secured = to
        .at("row security", async |s| {
            rls::find(s, catalog, relations).await
        })
        .await?;
    sections.push(rls::section(&secured));
    let roles = to.at("roles", async |s| role::look(s).await).await?;
    sections.push(role::section(&roles, known));
    let tenants = to
        .at("tenants", async |s| tenant::look(s, relations).await)
        .await?;
    sections.push(tenant::section(&tenants));
    let history = to
        .at("history", async |s| append_only::among(s, relations).await)
        .await?;
    sections.push(append_only::section(&history));
    let triggers = to
        .at("triggers", async |s| {
            trigger::look(s, catalog, relations).await
        })
        .await?;
    sections.push(trigger::section(&triggers));
    let functions = to
        .at("functions", async |s| function::look(s, major).await)
        .await?;
    sections.push(function::section(&functions));
    sections.push(graph::section(
        &to.at("graphs", async |s| graph::look(s).await).await?,
    ));
    Ok(Looked {
        database: None,
        sections,
        missed: to.missed,
        inhabited: relations.all.iter().any(|one| !one.foreign),
        append_only: grown(&history, &migrations),
        passing: relations
            .tables()
            .filter(|one| rows::is_passing(&one.name.name))
            .map(|one| one.name.clone())
            .collect(),
    })
}

/// Reads the catalog, which changes how the session writes things, and takes these settings back.
async fn definitions(session: &mut Session) -> Result<Catalog, DatabaseError> {
    session.run("SAVEPOINT redrill_catalog").await?;
    let catalog = Catalog::read(session).await?;
    session
        .run("ROLLBACK TO SAVEPOINT redrill_catalog; RELEASE SAVEPOINT redrill_catalog")
        .await?;
    Ok(catalog)
}

/// Finds the tables that only grow: those whose rows are added and never changed, and histories of migrations.
///
/// # Errors
/// When one cannot be read.
pub async fn growing(session: &mut Session) -> Result<Vec<QualifiedName>, DatabaseError> {
    let relations = relation::look(session).await?;
    let history = append_only::among(session, &relations).await?;
    let migrations = migration::look(session, &relations).await?;
    Ok(grown(&history, &migrations))
}

fn grown(
    history: &[append_only::AppendOnly],
    migrations: &[migration::History],
) -> Vec<QualifiedName> {
    let migrations = migrations.iter().filter_map(migration::History::grows);
    let tables = history.iter().map(|one| &one.table).chain(migrations);
    tables.cloned().collect()
}

/// Looks at a database, and takes its baseline: by all sessions, which see the same snapshot.
///
/// # Errors
/// When the connection is lost, or a table cannot be read.
async fn remember(
    first: &mut Session,
    more: &mut [Session],
    known: &Known,
) -> Result<(Looked, Database), DatabaseError> {
    let looked = look(first, known).await?;
    let wish = take::Wish {
        append_only: looked.append_only.clone(),
        digests: true,
        ..take::Wish::default()
    };
    let mut sessions: Vec<&mut Session> = std::iter::once(first).chain(more).collect();
    let database = take::take(&mut sessions, &wish).await?;
    Ok((looked, database))
}

/// The check that holds a database to its baseline.
fn baseline(looked: &Looked, file: &Path) -> Section {
    let mut section = Section::new("the baseline: everything else that it was");
    section.note(
        "Every definition and right, the number of rows of every table, and the history of tables that only grow. After a \
         change that you meant, `redrill accept` shows the difference and writes it into the baseline.",
    );
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let mut block =
        Block::new("baseline", "everything is what it was").with("file", name.unwrap_or_default());
    if !looked.passing.is_empty() {
        let passing: Vec<String> = looked.passing.iter().map(ToString::to_string).collect();
        block = block
            .guess("rows of the tables in `may-shrink` come and go, by their names")
            .with("may-shrink", passing);
    }
    if !looked.append_only.is_empty() {
        let tables = section::named(&looked.append_only, 8);
        block = block.comment(format!(
            "Its history is kept: {tables}. Where old rows are removed as a matter of course, name the table in `may-shrink`."
        ));
    }
    section.blocks.push(block);
    section
}

/// Why the baseline does not hold, where it was left out.
fn baseline_left_out(looked: &[Looked]) -> Option<String> {
    let sections = looked.iter().flat_map(|one| &one.sections);
    let blocks = sections.flat_map(|section| &section.blocks);
    let mut baselines = blocks.filter(|block| block.kind == "baseline");
    baselines.find_map(|block| match &block.state {
        State::LeftOut(reason) => Some(reason.clone()),
        State::Stands | State::Weaker(_) => None,
    })
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The scenario's file, in its folder.
    pub file: PathBuf,
    /// Its baseline's, in the same folder.
    pub baseline: PathBuf,
    /// The scenario's name.
    pub name: String,
    /// What the scenario says of its backup.
    pub place: Place,
    /// Only this database, where the backup holds several.
    pub database: Option<String>,
}

/// A scenario that was made.
#[derive(Debug)]
pub struct Made {
    /// The text of the file.
    pub text: String,
    /// What the database looked like.
    pub baseline: Baseline,
    /// What was looked at.
    pub looked: Vec<Looked>,
    /// The backup that the checks were tried on.
    pub tried_on: Option<BackupFacts>,
    /// Roles that were made for the restore.
    pub made_roles: Vec<String>,
}

/// A database that is there, as it is looked at: several sessions of one snapshot.
pub struct Seen<'a> {
    first: &'a mut Session,
    more: &'a mut [Session],
    address: String,
    database: String,
    version: String,
}

impl<'a> Seen<'a> {
    /// Takes a source and its further sessions.
    pub fn of(source: &'a mut Source, more: &'a mut [Session]) -> Self {
        Self {
            address: source.address().shown().to_owned(),
            database: source.database.clone(),
            version: source.version.clone(),
            first: source.session(),
            more,
        }
    }
}

/// Makes a scenario of a backup: restores it, looks, and tries what it wrote. With a source that is
/// looked at in place of the backup. The server stays where the teardown finds it.
///
/// # Errors
/// When the backup is not whole or does not restore without an error, or when it could not be tried.
pub async fn from_backup(
    wish: &Wish,
    scenario: Scenario,
    context: &Context,
    run: &Run,
    server: &mut Option<ThrowawayServer>,
    source: Option<Seen<'_>>,
) -> Result<Made, Stopped> {
    let pipeline = Pipeline {
        scenario: &scenario,
        context,
        run,
        make_roles: true,
    };
    let mut record = Record::begin(&scenario, context);
    let restored = pipeline.proven(server, &mut record).await?;
    let (server, facts, log) = (restored.server, &restored.facts, &restored.log);
    let made_roles = restored.settings.create_roles.clone();
    let mut known = Known {
        made: facts.made.map(|(made, _)| made),
        made_roles: made_roles.clone(),
        made_database: false,
    };
    let mut looked = Vec::new();
    let mut from = restored
        .backup
        .path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut baseline = Baseline {
        taken: known.made.unwrap_or_else(Timestamp::now),
        from: facts.origin.clone(),
        server: server.facts().version.clone(),
        dump: None,
        against: None,
        databases: BTreeMap::new(),
    };
    let of_source = source.is_some();
    if let Some(source) = source {
        from = source.address;
        baseline.taken = Timestamp::now();
        baseline.from = format!("database {} of {from}", source.database);
        baseline.server = source.version;
        let (mut one, database) = remember(source.first, source.more, &known)
            .await
            .map_err(unable)?;
        one.sections.push(self::baseline(&one, &wish.baseline));
        looked.push(one);
        baseline.databases.insert(source.database, database);
    } else {
        let databases = match &wish.database {
            Some(one) => vec![one.clone()],
            None => log.databases.clone(),
        };
        let several = databases.len() > 1;
        for name in databases {
            known.made_database =
                restored.backup.parts.iter().any(|part| {
                    target::database_of(part, &restored.settings).as_ref() == Some(&name)
                });
            let (mut one, database) = look_restored(server, &name, &known).await.map_err(unable)?;
            if several && MAINTENANCE.contains(&name.as_str()) && !one.inhabited {
                continue;
            }
            one.sections.push(self::baseline(&one, &wish.baseline));
            one.database = log.database.is_none().then(|| name.clone());
            looked.push(one);
            baseline.databases.insert(name, database);
        }
    }
    let head = Head {
        name: wish.name.clone(),
        from,
        of: known.made,
        place: wish.place.clone(),
        create_roles: made_roles.clone(),
        database: wish.database.clone(),
        tried: true,
    };
    save(
        &run.folder
            .join(wish.baseline.file_name().unwrap_or_default()),
        &baseline,
    )
    .map_err(CouldNotRun::new)?;
    let trial = verify::Trial {
        wish,
        head: &head,
        restored: &restored,
    };
    verify::verify(&trial, &mut looked).await?;
    // A backup is of another moment than the database itself: then its own state is what can be held.
    if of_source
        && let Some(reason) = baseline_left_out(&looked)
        && let (Some(name), Some(one)) = (&log.database, looked.first_mut())
    {
        let (_, database) = look_restored(server, name, &known).await.map_err(unable)?;
        baseline.from.clone_from(&facts.origin);
        baseline.databases = [(name.clone(), database)].into();
        save(
            &run.folder
                .join(wish.baseline.file_name().unwrap_or_default()),
            &baseline,
        )
        .map_err(CouldNotRun::new)?;
        one.sections.pop();
        let mut section = self::baseline(one, &wish.baseline);
        for block in &mut section.blocks {
            block.state = State::Weaker(format!(
                "it is taken of the backup and not of the database, which differs: {reason}"
            ));
        }
        one.sections.push(section);
        verify::verify(&trial, &mut looked).await?;
    }
    Ok(Made {
        text: write::scenario(&head, &looked),
        baseline,
        looked,
        tried_on: Some(facts.clone()),
        made_roles,
    })
}

/// Makes a scenario of a database alone; nothing is tried.
///
/// # Errors
/// When the connection is lost.
pub async fn from_source(wish: &Wish, source: Seen<'_>) -> Result<Made, Stopped> {
    let now = Timestamp::now();
    let known = Known {
        made: Some(now),
        ..Known::default()
    };
    let (mut one, database) = remember(source.first, source.more, &known)
        .await
        .map_err(unable)?;
    one.sections.push(baseline(&one, &wish.baseline));
    let head = Head {
        name: wish.name.clone(),
        from: source.address.clone(),
        of: None,
        place: wish.place.clone(),
        create_roles: Vec::new(),
        database: None,
        tried: false,
    };
    let looked = vec![one];
    Ok(Made {
        text: write::scenario(&head, &looked),
        baseline: Baseline {
            taken: now,
            from: format!("database {} of {}", source.database, source.address),
            server: source.version,
            dump: None,
            against: None,
            databases: [(source.database, database)].into(),
        },
        looked,
        tried_on: None,
        made_roles: Vec::new(),
    })
}

/// Looks at a database of a throwaway server, where nobody else is.
async fn look_restored(
    server: &ThrowawayServer,
    database: &str,
    known: &Known,
) -> Result<(Looked, Database), DatabaseError> {
    let terms = Terms {
        statement_timeout: PATIENCE,
    };
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let mut session = Session::superuser(server.endpoint(), database, &terms).await?;
        session.run(SNAPSHOT).await?;
        sessions.push(session);
    }
    let Some((first, more)) = sessions.split_first_mut() else {
        return Ok(Default::default());
    };
    let seen = remember(first, more, known).await?;
    for session in sessions {
        session.close().await;
    }
    Ok(seen)
}

fn unable(error: DatabaseError) -> CouldNotRun {
    CouldNotRun::new(format!("the database could not be looked at: {error}"))
}
