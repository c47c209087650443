//! Checks: statements about the restored database. One kind, one file.
//!
//! A check file has, in order: the parameters' struct, whose doc comment is what
//! `redrill explain <kind>` prints; the query (SQL as a `const`); the comparison; the finding; unit
//! tests of the comparison. To add a kind: write its file, name it once in [`kinds`], and give it
//! cases in `tests/it/check`.

pub mod absent;
pub mod api;
pub mod append_only;
pub mod baseline;
pub mod columns;
pub mod command;
pub mod common;
pub mod constraint;
pub mod count_bound;
pub mod counts;
pub mod extension;
pub mod freshness;
pub mod function;
pub mod graph;
pub mod index;
pub mod indirect;
pub mod known;
pub mod migrations;
pub mod object;
mod parameters;
pub mod partition;
pub mod privilege;
pub mod program;
pub mod reads;
pub mod reference;
pub mod rls;
pub mod role;
pub mod row;
pub mod row_count;
pub mod schema_version;
pub mod sequence;
pub mod sessions;
pub mod size;
pub mod sql;
pub mod target;
pub mod tenant;
pub mod trigger;
pub mod triggers;
pub mod vector;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeValue;

use crate::baseline::Baseline;
use crate::baseline::observed::Observed;
use crate::database::{DatabaseError, Session, Terms, Trail};
use crate::input::{Environment, Problem, decode};
use crate::outcome::{BackupFacts, CouldNotRun, Finding, NotTested};
use crate::pipeline::RestoredServer;
use crate::redact::Redactor;
use crate::server::ThrowawayServer;
use crate::sql::QualifiedName;
use common::COMMON_KEYS;
use counts::Counts;
pub use parameters::ParameterErrors;
use reads::Reads;
use sessions::{Lent, Sessions};

/// Lists every kind: the one place where a kind is registered.
#[must_use]
pub fn kinds() -> Vec<CheckKind> {
    vec![
        CheckKind::of::<api::Api>(),
        CheckKind::of::<append_only::AppendOnly>(),
        CheckKind::of::<baseline::BaselineCheck>(),
        CheckKind::of::<command::CommandCheck>(),
        CheckKind::of::<constraint::Constraint>(),
        CheckKind::of::<extension::Extension>(),
        CheckKind::of::<freshness::Freshness>(),
        CheckKind::of::<function::Function>(),
        CheckKind::of::<graph::Graph>(),
        CheckKind::of::<index::Index>(),
        CheckKind::of::<migrations::Migrations>(),
        CheckKind::of::<object::ObjectCheck>(),
        CheckKind::of::<partition::Partition>(),
        CheckKind::of::<reference::Reference>(),
        CheckKind::of::<rls::Rls>(),
        CheckKind::of::<role::Role>(),
        CheckKind::of::<row_count::RowCount>(),
        CheckKind::of::<schema_version::SchemaVersion>(),
        CheckKind::of::<sequence::Sequence>(),
        CheckKind::of::<size::SizeCheck>(),
        CheckKind::of::<sql::Sql>(),
        CheckKind::of::<tenant::Tenant>(),
        CheckKind::of::<trigger::TriggerCheck>(),
        CheckKind::of::<vector::Vector>(),
    ]
}

/// What a check is given to run: the restored database and what it needs in addition.
pub struct Restored<'a> {
    /// The server.
    pub server: &'a ThrowawayServer,
    /// Id of the run, for whatever a check starts.
    pub run: &'a str,
    /// The database that the check is about.
    pub database: &'a str,
    /// All servers, where the backup is restored on several.
    pub servers: &'a [RestoredServer<'a>],
    /// What the backup says of itself, such as when it was made.
    pub backup: &'a BackupFacts,
    /// Sessions that checks hand on to each other.
    pub sessions: &'a Sessions,
    /// How many rows tables hold: each is read once, however many checks count on it.
    pub counts: &'a Counts,
    /// What checks observed of whole databases, for the record of the drill.
    pub observed: &'a Observed,
    /// As whom the check works, and what it tries, for the record of the drill.
    pub trail: &'a Trail,
    /// What the last PROVEN drill left in the state; see [`Context::last_record`](crate::context::Context::last_record).
    pub last_record: &'a Result<Option<Arc<Baseline>>, CouldNotRun>,
    /// The folder that relative paths start from.
    pub folder: &'a Path,
    /// The environment, for secrets.
    pub environment: &'a Environment,
    /// Takes secrets out of texts.
    pub redactor: &'a Redactor,
    /// Limit of the whole check.
    pub timeout: Duration,
}

impl Restored<'_> {
    /// Lends a read-only session as superuser, to read catalogs and to count. `close` gives it
    /// back to the other checks.
    ///
    /// # Errors
    /// When the database does not let it in.
    pub async fn session(&self) -> Result<Lent<'_>, DatabaseError> {
        let mut lent = self
            .sessions
            .lend(self.server.endpoint(), self.database, &self.terms())
            .await?;
        self.note(&mut lent, self.superuser());
        Ok(lent)
    }

    /// The superuser of redrill.
    fn superuser(&self) -> &str {
        &self.server.endpoint().superuser
    }

    /// Notes from now on what a session does as `role`.
    fn note(&self, session: &mut Session, role: &str) {
        session.noted_in(self.trail, role, role == self.superuser());
    }

    /// Notes that a program of the user is started, by its words in the scenario, which connects as this role.
    pub fn note_program(&self, role: &str, words: &[String]) {
        self.trail.program(role, role == self.superuser(), words);
    }

    /// Opens a read-only session as superuser that no other check will have.
    ///
    /// # Errors
    /// When the database does not let it in.
    pub async fn own_session(&self) -> Result<Session, DatabaseError> {
        self.own_session_in(self.database).await
    }

    /// The roles that the backup itself creates on this server.
    #[must_use]
    pub fn roles_of_backup(&self) -> Vec<String> {
        match self.servers {
            [] | [_] => self.backup.roles.clone(),
            several => {
                let has = |one: &&RestoredServer<'_>| {
                    one.databases.iter().any(|name| name == self.database)
                };
                let own = several.iter().find(has).unwrap_or(&several[0]);
                own.roles.clone()
            }
        }
    }

    /// The same for another database of the backup.
    ///
    /// # Errors
    /// When the database does not let it in.
    pub async fn own_session_in(&self, database: &str) -> Result<Session, DatabaseError> {
        let has = |one: &&RestoredServer<'_>| one.databases.iter().any(|name| name == database);
        let elsewhere = self
            .servers
            .iter()
            .find(has)
            .filter(|_| database != self.database);
        let server = elsewhere.map_or(self.server, |other| other.server);
        let mut session = Session::superuser(server.endpoint(), database, &self.terms()).await?;
        self.note(&mut session, self.superuser());
        Ok(session)
    }

    /// Opens a fresh session as `role` itself, with `settings` set in it.
    ///
    /// # Errors
    /// When the role is missing or not let in.
    pub async fn session_as(
        &self,
        role: &str,
        settings: &[(String, String)],
    ) -> Result<Session, DatabaseError> {
        let endpoint = self.server.endpoint();
        // Before it is opened: a role that is not let in was tried too.
        self.trail
            .asked_for(role, role == self.superuser(), settings);
        let terms = self.terms();
        let mut session = Session::role(endpoint, self.database, role, settings, &terms).await?;
        self.note(&mut session, role);
        Ok(session)
    }

    /// Counts the rows of a table, those of its partitions and of what inherits from it too.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub async fn count(
        &self,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<u64, DatabaseError> {
        self.counts.rows(session, self.database, table).await
    }

    /// A statement may take as long as the check, which is cut off from outside anyway.
    fn terms(&self) -> Terms {
        Terms {
            statement_timeout: self.timeout,
        }
    }
}

/// The result of a check that ran. Without findings it is a pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// What was expected, in one line.
    pub expected: String,
    /// What was found, in one line; never a row's values.
    pub actual: String,
    /// Everything that is not as expected; with entries, only what belongs to none of them.
    pub findings: Vec<Finding>,
    /// One for each object, where the scenario names several by a list or a pattern: each has a row
    /// of its own in the reports. A check of one object has none.
    pub entries: Vec<Entry>,
    /// Objects that it could not run on, where others show a fault; alone they are the check's error.
    pub not_run: Vec<(String, CouldNotRun)>,
    /// What it could not check and does not count as a fault of the backup, and why.
    pub not_tested: Vec<NotTested>,
}

/// The result for one of several objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The object, as SQL names it: `app.orders`.
    pub object: String,
    /// What was expected, in one line.
    pub expected: String,
    /// What was found, in one line; never a row's values.
    pub actual: String,
    /// Everything that is not as expected.
    pub findings: Vec<Finding>,
    /// Wall time.
    pub duration: Duration,
}

impl Entry {
    /// Makes an entry for an object whose check `began` then.
    pub fn new(
        object: &impl ToString,
        expected: impl Into<String>,
        actual: impl Into<String>,
        findings: Vec<Finding>,
        began: Instant,
    ) -> Self {
        Self {
            object: object.to_string(),
            expected: expected.into(),
            actual: actual.into(),
            findings,
            duration: began.elapsed(),
        }
    }
}

impl Observation {
    /// Makes an observation of one thing.
    pub fn new(
        expected: impl Into<String>,
        actual: impl Into<String>,
        findings: Vec<Finding>,
    ) -> Self {
        Self {
            expected: expected.into(),
            actual: actual.into(),
            findings,
            entries: Vec::new(),
            not_run: Vec::new(),
            not_tested: Vec::new(),
        }
    }

    /// Gives every object an entry of its own.
    #[must_use]
    pub fn with_entries(mut self, entries: Vec<Entry>) -> Self {
        self.entries = entries;
        self
    }

    /// Gives every object an entry of its own where the scenario names `several`; findings about a
    /// single object are those of the check itself.
    #[must_use]
    pub fn with_entries_if(mut self, several: bool, entries: Vec<Entry>) -> Self {
        if several {
            return self.with_entries(entries);
        }
        let findings = entries.into_iter().flat_map(|entry| entry.findings);
        self.findings.extend(findings);
        self
    }

    /// Everything that is not as expected, of the whole and of its entries.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let entries = self.entries.iter().flat_map(|entry| &entry.findings);
        self.findings.iter().chain(entries)
    }
}

/// One statement about the restored database.
#[async_trait]
pub trait Check: Send + Sync {
    /// Describes itself in a few words, for scenarios that give no name.
    fn describe(&self) -> String;

    /// Whether no other check may run at the same time: for what tries a write (its locks would
    /// make others wait), starts a program, or has been seen to bring a server down.
    fn alone(&self) -> bool {
        false
    }

    /// The roles that it judges by nothing but what whoever created them gave them, such as LOGIN and memberships: without
    /// meaning for those that redrill created itself.
    fn judges_only_attributes_of(&self) -> &[String] {
        &[]
    }

    /// What it reads of the backup itself, and not of the restored databases or of what was recorded of the backup, such as its
    /// time.
    fn reads_backup(&self) -> Option<&'static str> {
        None
    }

    /// Whether it compares the database with what the last drill of the scenario left.
    fn reads_last_record(&self) -> bool {
        false
    }

    /// The first companion of the backup that it names and that is none of these.
    fn unknown_companion(&self, _known: &[&str]) -> Option<String> {
        None
    }

    /// Tables that it takes for append-only, by name: their history belongs into a baseline.
    fn append_only(&self) -> Vec<QualifiedName> {
        Vec::new()
    }

    /// Files and folders that it is compared with, or that it starts: paths as in the scenario, relative to its folder.
    fn inputs(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Which rows it reads, for `--only`, which restores no others.
    fn reads(&self) -> Reads {
        Reads::Everything
    }

    /// Reads the database and compares.
    ///
    /// # Errors
    /// When it could not run, or would have passed without having checked anything.
    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun>;
}

/// The parameters of a kind, as a scenario has them.
pub trait Parameters: Check + DeserializeOwned + JsonSchema + 'static {
    /// The kind's name everywhere: `row-count`.
    const KIND: &'static str;

    /// Whether it reads rows of the application, and so shows that data came back.
    const LOOKS_AT_DATA: bool;

    /// Reports parameters that contradict each other, or that assert nothing.
    fn validate(&self, errors: &mut ParameterErrors<'_>);
}

/// Reads the parameters of one check; mistakes are added to the list.
type ReadParameters = fn(Spanned<DeValue<'_>>, &mut Vec<Problem>) -> Option<Arc<dyn Check>>;

/// A registered kind of check.
pub struct CheckKind {
    /// Its name: `row-count`.
    pub name: &'static str,
    /// Whether it reads rows of the application.
    pub looks_at_data: bool,
    read: ReadParameters,
    schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

impl CheckKind {
    /// Registers a kind.
    fn of<P: Parameters>() -> Self {
        Self {
            name: P::KIND,
            looks_at_data: P::LOOKS_AT_DATA,
            read: read::<P>,
            schema: |generator| P::json_schema(generator),
        }
    }

    /// Reads the parameters of one check; mistakes are added to `problems`.
    pub fn read(
        &self,
        value: Spanned<DeValue<'_>>,
        problems: &mut Vec<Problem>,
    ) -> Option<Arc<dyn Check>> {
        (self.read)(value, problems)
    }

    /// Gives the JSON Schema of the parameters.
    pub fn schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        (self.schema)(generator)
    }

    /// Gives the kind's documentation: the doc comment of its parameters.
    #[must_use]
    pub fn documentation(&self) -> String {
        let schema = self.schema(&mut schemars::SchemaGenerator::default());
        let text = |key: &str| {
            schema
                .get(key)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        text("description")
    }
}

/// Reads and validates the parameters of kind `P`.
fn read<P: Parameters>(
    value: Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<dyn Check>> {
    let parameters = value.clone();
    let check: P = decode::decode(value, COMMON_KEYS, problems)?;
    check.validate(&mut ParameterErrors::new(&parameters, problems));
    Some(Arc::new(check))
}
