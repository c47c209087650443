//! `partition`: a partitioned table has the partitions that it must have, and each is whole.
//!
//! - `compare` compares one table with everything that the check says of it
//! - `members` is which partitions there must be
//! - `bound` and `window` are which periods of the calendar are covered
//! - `tree` reads the partitions, and tables that look like some
//! - `parity` compares each with its parent and its siblings

mod bound;
mod compare;
mod members;
mod parity;
mod tree;
pub(crate) mod window;

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

use self::bound::moment;
pub use self::window::Period;
use crate::check::target::Targets;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_literal;
use crate::units::show_counted;

/// A partitioned table has the partitions that it must have: none missing, none detached, and each
/// with the indexes, triggers, constraints, rights and owner of its parent.
///
/// It checks the whole tree, partitions of partitions too. With `period` the partitions are a
/// rolling window by time, of a date, timestamp, number or text key (`2026-05`, `202605`, `2026-Q2`),
/// by range or by list. Where the table itself is partitioned by something else (such as a tenant),
/// and all its partitions are partitioned by time, each of them is such a window.
///
/// ## What it proves
/// - `period`: every period from `since` (or `behind` periods ago, or this one) to `ahead` periods from
///   now (or to `until`) has its partition; each partition takes exactly one period; nothing is open
///   between the oldest and the newest.
/// - "Now" is the time of the drill, because a database that is recovered today must take today's rows.
///   An old backup rightly has an older window: `at = "backup"` counts from the time it was made.
/// - The default partition holds no rows (each is counted). Neither does one that is open upwards, as
///   in `TO (MAXVALUE)`: with `period` it counts as a default, and fills no period.
/// - `partitions`, `count`, `bounds`: these partitions and no others, so many, with these bounds.
/// - Every index of a parent is valid and has an attached part on each partition. Constraints are as
///   validated as on the parent. Row triggers are there, in the same state, calling the same function.
///   So are triggers for each statement with `same-triggers`; without it, in the same state where they
///   are. No role has more rights on a partition than on its parent. Where the parent has row security,
///   a partition that others have rights on has it too. The owner is the same.
/// - What all siblings but one have in addition (an index, a constraint, a trigger, a right), that one
///   has too.
/// - No table with the same columns and the name of a partition exists outside the tree, unless it is in
///   `detached`. Those in `detached` are there, and have the rights, owner, triggers and row security
///   that a partition must have.
///
/// ## What it does not prove
/// That every row of the backup is in its partition: `row-count` counts them. That something makes
/// the next partition in time: only that it is there now. It does not search for detached tables
/// in schemas where the tree has none.
///
/// ## Example
/// ```toml
/// [[check.partition]]
/// name = "this month and the next two have a partition"
/// table = "app.events"
/// period = "month"
/// ahead = 2
/// since = "2025-01"
///
/// [[check.partition]]
/// name = "the audit trail is complete as of the backup"
/// table = "app.audit"
/// period = "day"
/// behind = 30
/// at = "backup"
/// default = "required"
/// same-triggers = true
/// detached = ["app.audit_2025*"]
///
/// [[check.partition]]
/// table = "app.customers"
/// partitions = ["app.customers_eu", "app.customers_us"]
/// bounds = { "app.customers_eu" = "FOR VALUES IN ('at', 'de')" }
/// default = "none"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Partition {
    /// The partitioned table.
    pub table: Option<String>,
    /// Several; `*` and `?` match in schema and name, and leave out what is not partitioned.
    #[serde(default)]
    pub tables: Vec<String>,
    /// How long each partition is.
    pub period: Option<Period>,
    /// So many further periods after the present one must be there. Default: 0.
    pub ahead: Option<u16>,
    /// So many periods before the present one must be there.
    pub behind: Option<u16>,
    /// Every period from this one on must be there, as in `2025-05`. Partitions that end before it
    /// may be of another length.
    pub since: Option<String>,
    /// The last period that must be there, instead of the present one and `ahead`.
    pub until: Option<String>,
    /// When the present period is. Default: `drill`.
    pub at: Option<At>,
    /// The zone in which periods begin at midnight. Default: `UTC`.
    pub time_zone: Option<String>,
    /// What a default partition may be. Default: `empty`.
    #[serde(default)]
    pub default: DefaultPartition,
    /// Exactly this many partitions, directly below the table, the default one included.
    pub count: Option<usize>,
    /// Exactly these partitions, directly below the table.
    #[serde(default)]
    pub partitions: Vec<String>,
    /// What a partition takes, as the server writes it.
    #[serde(default)]
    pub bounds: BTreeMap<String, String>,
    /// Whether triggers for each statement, such as those on TRUNCATE, must be on every partition.
    /// Default: false.
    #[serde(default)]
    pub same_triggers: bool,
    /// What partitions may have differently from their parent.
    #[serde(default)]
    pub may_differ: Vec<MayDiffer>,
    /// Tables that were detached on purpose. A name must be there; a pattern may match nothing.
    #[serde(default)]
    pub detached: Vec<String>,
}

/// When the present period is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// Now, when the drill runs.
    #[default]
    Drill,
    /// When the backup was made; of a base backup, its last transaction.
    Backup,
}

/// What a default partition may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultPartition {
    /// There may be one, without rows.
    #[default]
    Empty,
    /// There must be one, without rows.
    Required,
    /// There must be none.
    None,
    /// There may be one, with rows.
    Any,
}

/// What partitions may have differently from their parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MayDiffer {
    /// Attached and valid parts of its indexes.
    Indexes,
    /// Constraints, and whether they are validated.
    Constraints,
    /// Triggers and their state.
    Triggers,
    /// Rights beyond those on the parent.
    Rights,
    /// Row security, on and forced.
    RowSecurity,
    /// The owner.
    Owner,
    /// What all siblings have.
    Siblings,
}

impl Parameters for Partition {
    const KIND: &'static str = "partition";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        self.targets().validate(errors);
        errors.refuse_pattern("table", "tables", self.table.as_ref());
        if self.period.is_none() {
            let of_window = [
                ("ahead", self.ahead.is_some()),
                ("behind", self.behind.is_some()),
                ("since", self.since.is_some()),
                ("until", self.until.is_some()),
                ("at", self.at.is_some()),
                ("time-zone", self.time_zone.is_some()),
            ];
            errors.each(of_window, "needs a `period`", "add `period = \"month\"`");
        }
        let behind = ("behind", self.behind.is_some() && self.since.is_some());
        errors.each(
            [behind],
            "and `since` are two ways to say the same",
            "keep one of them",
        );
        let until = ("until", self.until.is_some() && self.ahead.is_some());
        errors.each(
            [until],
            "and `ahead` are two ways to say the same",
            "keep one of them",
        );
        for (key, text) in [("since", &self.since), ("until", &self.until)] {
            if let Some(text) = text
                && moment(text).is_none()
            {
                errors
                    .at(key, format!("`{text}` is not a date or a period"))
                    .add_hint("write as in \"2025-05\", \"2025-05-01\", \"2025-Q2\" or \"2025\"");
            }
        }
        if self.at.is_some() && self.since.is_some() && self.until.is_some() {
            errors.at("at", "with `since` and `until`, `at` has no effect");
        }
        if let (Some(since), Some(until)) = (self.date(&self.since), self.date(&self.until))
            && since > until
        {
            errors.at("since", "`since` is after `until`");
        }
        if !self.tables.is_empty() {
            let of_one = [
                ("partitions", !self.partitions.is_empty()),
                ("bounds", !self.bounds.is_empty()),
                ("detached", !self.detached.is_empty()),
            ];
            errors.require_one_table(of_one);
        }
        errors.require_names("partitions", &self.partitions, "schema.table");
        errors.require_names("bounds", self.bounds.keys(), "schema.table");
        errors.require_names("detached", &self.detached, "schema.table");
    }
}

/// The present moment in the zone of the periods; bounds are written in that zone from then on.
const NOW: &str = "
SELECT pg_catalog.set_config('TimeZone', {zone}, false),
       pg_catalog.to_char({now}::pg_catalog.timestamptz, 'YYYY-MM-DD')";

#[async_trait]
impl Check for Partition {
    fn describe(&self) -> String {
        format!("partitions of {}", self.targets().describe())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let today = self.today(restored, &mut session).await?;
        let resolved = self.targets().resolve(&mut session).await?;
        let mut whole = Observation::new(self.expectation(), "", resolved.missing);
        let mut entries = Vec::new();
        for table in &resolved.tables {
            let began = Instant::now();
            let Some((actual, findings)) = self
                .compare_table(restored, &mut session, table, today)
                .await?
            else {
                continue;
            };
            entries.push(Entry::new(
                table,
                self.expectation(),
                actual,
                findings,
                began,
            ));
        }
        session.close().await;
        if entries.is_empty() && whole.findings.is_empty() {
            whole.findings.push(
                Finding::about(
                    self.targets().describe(),
                    "a partitioned table",
                    "none of the tables that match is partitioned",
                )
                .hint("correct the pattern, or leave the check out: none of them has PARTITION BY in the backup"),
            );
        }
        whole.actual = match entries.as_slice() {
            [one] => one.actual.clone(),
            [] => "no partitioned table".to_owned(),
            many => show_counted(many.len(), "partitioned table"),
        };
        Ok(self.targets().in_entries(whole, entries))
    }
}

impl Partition {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    fn date(&self, text: &Option<String>) -> Option<Date> {
        text.as_deref().and_then(moment).map(|moment| moment.date())
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        if let Some(period) = self.period {
            let from = match (&self.since, self.behind) {
                (Some(since), _) => since.clone(),
                (None, Some(behind)) => format!("{behind} before"),
                (None, None) => "now".to_owned(),
            };
            let to = match (&self.until, self.ahead) {
                (Some(until), _) => until.clone(),
                (None, Some(ahead)) => format!("{ahead} ahead"),
                (None, None) => "now".to_owned(),
            };
            let of = match (self.at.unwrap_or_default(), &self.until) {
                (_, Some(_)) => "",
                (At::Drill, None) => ", at the time of the drill",
                (At::Backup, None) => ", at the time of the backup",
            };
            parts.push(format!(
                "one for every {} from {from} to {to}{of}",
                period.word()
            ));
        }
        if let Some(count) = self.count {
            parts.push(format!("{count} of them"));
        }
        if !self.partitions.is_empty() {
            parts.push(format!("exactly these {}", self.partitions.len()));
        }
        parts.push(
            match self.default {
                DefaultPartition::Empty => "nothing in a default partition",
                DefaultPartition::Required => "an empty default partition",
                DefaultPartition::None => "no default partition",
                DefaultPartition::Any => "a default partition or none",
            }
            .to_owned(),
        );
        parts.push("each like its parent, none detached".to_owned());
        format!("partitions: {}", parts.join("; "))
    }

    /// Gives the day that is today, and makes the session write bounds in the zone of the periods.
    async fn today(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
    ) -> Result<Date, CouldNotRun> {
        let now = match self.at.unwrap_or_default() {
            At::Drill => Timestamp::now(),
            At::Backup => restored.backup.state_time().ok_or_else(|| {
                CouldNotRun::new("nothing says when the backup was made")
                    .hint("put the date into the file's name, or leave out `at = \"backup\"`")
            })?,
        };
        let zone = self.time_zone.as_deref().unwrap_or("UTC");
        let sql = NOW
            .replace("{zone}", &quote_literal(zone))
            .replace("{now}", &quote_literal(&now.to_string()));
        let rows = session.rows(&sql).await.map_err(|error| {
            CouldNotRun::new(format!(
                "the server does not know the time zone {zone}: {error}"
            ))
            .hint("write `time-zone` as in \"Europe/Vienna\"")
        })?;
        rows.first()
            .and_then(|row| row.get(1)?.as_deref()?.parse().ok())
            .ok_or_else(|| CouldNotRun::new("the server did not return the current date"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(toml: &str) -> Partition {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("table = 'app.t'", 0)]
    #[case("tables = ['app.*']\nperiod = 'month'\nahead = 2", 0)]
    #[case(
        "table = 'app.t'\nperiod = 'month'\nsince = '2025-05'\nuntil = '2026-05'",
        0
    )]
    #[case(
        "table = 'app.t'\nperiod = 'week'\nbehind = 4\nahead = 1\nat = 'backup'",
        0
    )]
    #[case(
        "table = 'app.t'\npartitions = ['app.a']\nbounds = { 'app.a' = \"FOR VALUES IN ('a')\" }",
        0
    )]
    #[case("", 1)]
    #[case("table = 'app.*'", 1)]
    #[case("table = 'app.t'\nahead = 2", 1)]
    #[case("table = 'app.t'\nperiod = 'month'\nsince = 'May'", 1)]
    #[case("table = 'app.t'\nperiod = 'month'\nsince = '2026'\nbehind = 2", 1)]
    #[case("table = 'app.t'\nperiod = 'month'\nuntil = '2026'\nahead = 2", 1)]
    #[case("table = 'app.t'\nperiod = 'month'\nsince = '2027'\nuntil = '2026'", 1)]
    #[case(
        "table = 'app.t'\nperiod = 'month'\nsince = '2025'\nuntil = '2026'\nat = 'backup'",
        1
    )]
    #[case("tables = ['app.*']\npartitions = ['app.a']", 1)]
    #[case("table = 'app.t'\npartitions = ['a.b.c']", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        let made = errors_of(|errors| check(toml).validate(errors));
        assert_eq!(made.len(), expected, "{made:#?}");
    }
}
