//! `freshness`: the newest row is as old as the backup, not older.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::absent;
use crate::check::columns::base_type;
use crate::check::target::Targets;
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::database::{DatabaseError, Session};
use crate::outcome::{BackupFacts, CouldNotRun, Finding, TimeSource};
use crate::sql::{QualifiedName, quote_ident, quote_literal};
use crate::units::{Span, show_counted, show_duration};

/// The newest row of a table is as old as the backup itself: not much older, and not later.
///
/// The newest value of `column` is compared with the time at which the backup was made, as its name, its
/// header or, where neither has a time, its file says; never with the clock, so that an old backup can
/// be drilled. A name that carries only a date means that whole day, in UTC: rows may be from
/// any time of it. A file's own time is when it was finished, so `within` must leave room for the
/// dump's duration there. Of a base backup it is the time of the last transaction that its recovery replays.
///
/// The column is a `date`, `timestamp` or `timestamptz`, or a number of seconds, milliseconds or
/// microseconds since 1970 with `unit`. Times without a zone are taken for UTC unless `zone` names
/// another. NULL and `infinity` are not times. Partitions and inheriting tables are read with
/// their parent, as superuser, whatever row security says.
///
/// ## What it proves
/// That the rows of the last hours before the backup are in it: a dump of a replica that stood still, of
/// another system, an old file under a new name, a table whose rows are left out by a filter all
/// leave a newest row that is too old. A newest row that is later than the backup by more than
/// `ahead` shows that the backup is not from when it says, or that a clock was wrong.
///
/// ## What it does not prove
/// That no row is missing in between; see `row-count`.
///
/// ## Example
/// ```toml
/// [[check.freshness]]
/// name = "the heartbeat goes up to the backup"
/// table = "app.heartbeat"
/// column = "at"
/// within = "2h"
///
/// [[check.freshness]]
/// tables = ["app.orders", "billing.*"]
/// column = "created_at"
/// within = "1d"
/// where = "NOT is_test"
///
/// [[check.freshness]]
/// table = "app.events"
/// column = "epoch_ms"
/// unit = "milliseconds"
/// within = "30m"
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Freshness {
    /// One table.
    pub table: Option<String>,
    /// Several tables that all have the column; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The column with the time at which a row was written.
    pub column: String,
    /// The newest row may be this much older than the backup.
    pub within: Span,
    /// The newest row may be this much later than the backup. Default: `24h`, because a name may carry
    /// local time.
    pub ahead: Option<Span>,
    /// What a number counts since 1970.
    pub unit: Option<Unit>,
    /// The time zone of a column without one, as in `Europe/Berlin`. Default: `UTC`.
    pub zone: Option<String>,
    /// A condition for the rows that count.
    #[serde(rename = "where")]
    pub condition: Option<String>,
}

/// What a number counts since 1970-01-01 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl Parameters for Freshness {
    const KIND: &'static str = "freshness";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        self.targets().validate(errors);
        errors.refuse_empty("column", &self.column);
        if self.unit.is_some() && self.zone.is_some() {
            errors
                .at("zone", "a number since 1970 has no time zone")
                .add_hint("give `unit` or `zone`");
        }
        errors.require_condition("where", self.condition.as_ref());
    }
}

/// The newest time, in seconds since 1970. `{moment}` is a timestamptz or a number of seconds.
const NEWEST: &str = "
SELECT pg_catalog.round({moment}::pg_catalog.numeric, 3)
  FROM (SELECT pg_catalog.max({column}) AS newest FROM {table} WHERE {finite} AND {condition}) n";

#[async_trait]
impl Check for Freshness {
    fn describe(&self) -> String {
        format!("newest row of {}", self.targets().describe())
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let made = BackupTime::of(restored.backup).ok_or_else(|| {
            CouldNotRun::new("nothing says when the backup was made").hint(
                "put the time into its name, or say with `time` in `[backup]` how it is written there",
            )
        })?;
        let mut session = restored.session().await?;
        let resolved = self.targets().resolve(&mut session).await?;
        let mut entries = Vec::new();
        for table in &resolved.tables {
            let began = Instant::now();
            let seen = self.newest(&mut session, table).await?;
            let (actual, findings) = match seen {
                Ok(seen) => self.compare(table, &made, seen),
                Err(no_column) => (no_column.actual.clone(), vec![no_column]),
            };
            entries.push(Entry::new(
                table,
                self.expectation(&made),
                actual,
                findings,
                began,
            ));
        }
        session.close().await;
        let actual = match entries.as_slice() {
            [one] if self.table.is_some() => one.actual.clone(),
            several => format!("{} checked", show_counted(several.len(), "table")),
        };
        let whole = Observation::new(self.expectation(&made), actual, resolved.missing);
        Ok(self.targets().in_entries(whole, entries))
    }
}

/// When the backup was made, and how sure that is.
struct BackupTime {
    first: Timestamp,
    last: Timestamp,
    words: &'static str,
}

impl BackupTime {
    fn of(backup: &BackupFacts) -> Option<Self> {
        let replays = backup
            .physical
            .as_ref()
            .is_some_and(|base| base.times.is_some());
        if let Some(time) = backup.state_time().filter(|_| replays) {
            let (first, last, words) = (time, time, "the time of its last transaction");
            return Some(Self { first, last, words });
        }
        let (time, source) = backup.made?;
        // A name without a time of day means midnight.
        let midnight = time.as_second().rem_euclid(DAY) == 0 && time.subsec_nanosecond() == 0;
        let (length, words) = match source {
            TimeSource::Name if midnight => (SignedDuration::from_secs(DAY), "the day in its name"),
            TimeSource::Name => (SignedDuration::ZERO, "the time in its name"),
            TimeSource::Header => (SignedDuration::ZERO, "the time in its header"),
            TimeSource::ModificationTime => (SignedDuration::ZERO, "the time of its file"),
        };
        Some(Self {
            first: time,
            last: time.checked_add(length).unwrap_or(time),
            words,
        })
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What there is to see of one table.
#[derive(Debug, Clone, Copy, PartialEq)]
enum NewestRow {
    /// No row, or none with a time.
    Nothing,
    /// Seconds since 1970.
    Newest { seconds: f64, of_a_day: bool },
}

impl Freshness {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    fn ahead(&self) -> Duration {
        self.ahead
            .map_or(Duration::from_secs(24 * 3600), |span| span.0)
    }

    fn expectation(&self, made: &BackupTime) -> String {
        format!(
            "the newest row at most {} older than the backup, by {}",
            show_duration(self.within.0),
            made.words
        )
    }

    /// Asks for the newest row.
    async fn newest(
        &self,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<Result<NewestRow, Finding>, CouldNotRun> {
        let Some(kind) = base_type(session, table, &self.column).await? else {
            return Ok(Err(absent::column(session, table, &self.column).await?));
        };
        let column = quote_ident(&self.column);
        let zone = quote_literal(self.zone.as_deref().unwrap_or("UTC"));
        let with_zone = kind == "timestamp with time zone";
        let (moment, finite) = match (kind.as_str(), self.unit) {
            ("date" | "timestamp without time zone" | "timestamp with time zone", None) => {
                let moment = if with_zone {
                    "newest".to_owned()
                } else {
                    format!("pg_catalog.timezone({zone}, newest::pg_catalog.timestamp)")
                };
                let moment = format!("pg_catalog.date_part('epoch', {moment})");
                (moment, format!("pg_catalog.isfinite({column})"))
            }
            ("smallint" | "integer" | "bigint" | "numeric", Some(unit)) => {
                let moment = match unit {
                    Unit::Seconds => "newest",
                    Unit::Milliseconds => "(newest / 1000.0)",
                    Unit::Microseconds => "(newest / 1000000.0)",
                };
                (moment.to_owned(), format!("{column} IS NOT NULL"))
            }
            ("date" | "timestamp without time zone" | "timestamp with time zone", Some(_)) => {
                return Err(CouldNotRun::new(format!("{table}.{column} is a {kind}"))
                    .hint("`unit` is for numbers; leave it out"));
            }
            ("smallint" | "integer" | "bigint" | "numeric", None) => {
                return Err(CouldNotRun::new(format!("{table}.{column} is a number, {kind}"))
                    .hint("say by `unit` whether it counts seconds, milliseconds or microseconds since 1970"));
            }
            _ => {
                return Err(
                    CouldNotRun::new(format!("{table}.{column} is no time but {kind}"))
                        .hint("a check of kind `sql` can turn it into one"),
                );
            }
        };
        let condition = match &self.condition {
            Some(condition) => format!("({condition}\n)"),
            None => "true".to_owned(),
        };
        let sql = NEWEST
            .replace("{moment}", &moment)
            .replace("{column}", &column)
            .replace("{table}", &table.to_string())
            .replace("{finite}", &finite)
            .replace("{condition}", &condition);
        let value = session
            .value(&sql)
            .await
            .map_err(|error| unable(table, &error))?;
        Ok(Ok(match value.and_then(|text| text.parse().ok()) {
            Some(seconds) => NewestRow::Newest {
                seconds,
                of_a_day: kind == "date",
            },
            None => NewestRow::Nothing,
        }))
    }

    /// Compares the newest row with the backup's time; gives what was found and what is wrong.
    fn compare(
        &self,
        table: &QualifiedName,
        made: &BackupTime,
        seen: NewestRow,
    ) -> (String, Vec<Finding>) {
        let wrong = |expected: String, actual: String, hint: &str| {
            let finding = Finding::about(table.to_string(), expected, actual.clone()).hint(hint);
            (actual, vec![finding])
        };
        let (seconds, of_a_day) = match seen {
            NewestRow::Nothing => {
                return wrong(
                    self.expectation(made),
                    "no row with a time".to_owned(),
                    "the table is empty, or `where` leaves nothing",
                );
            }
            NewestRow::Newest { seconds, of_a_day } => (seconds, of_a_day),
        };
        // A date is a whole day too; what its hours could be speaks for the backup.
        let whole = if of_a_day { DAY as f64 } else { 0.0 };
        let behind = made.first.as_second() as f64 - (seconds + whole);
        let before = seconds - made.last.as_second() as f64;
        if behind > self.within.0.as_secs_f64() {
            return wrong(
                self.expectation(made),
                format!("it is {} older", show(behind)),
                "the dump was taken from something that stood still, or these rows are left out; \
                 a time without a zone in the backup's name is read as UTC",
            );
        }
        if before > self.ahead().as_secs_f64() {
            return wrong(
                format!(
                    "no row later than the backup by more than {}, by {}",
                    show_duration(self.ahead()),
                    made.words
                ),
                format!("the newest is {} later", show(before)),
                "the backup is not from when it says, or a clock was wrong; \
                 rows that are meant to be in the future can be left out by `where`",
            );
        }
        let actual = if behind > 0.0 {
            format!("it is {} older", show(behind))
        } else if before > 0.0 {
            format!("it is {} later", show(before))
        } else {
            "it is as old as the backup".to_owned()
        };
        (actual, Vec::new())
    }
}

/// A condition that the server does not take, or a time zone that it does not know.
fn unable(table: &QualifiedName, error: &DatabaseError) -> CouldNotRun {
    let unable = CouldNotRun::new(format!("{table}: {error}"));
    match error.sqlstate.as_deref() {
        Some("22023") => unable.hint("see that `zone` is a time zone that the server knows"),
        Some(state) if state.starts_with("42") => unable
            .hint("see that `where` is a condition; names outside pg_catalog need their schema"),
        _ => unable,
    }
}

/// Shows seconds as a person would say them.
fn show(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "ages".to_owned(), show_duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use crate::outcome::PhysicalFacts;
    use rstest::rstest;

    fn check(toml: &str) -> Freshness {
        toml::from_str(&format!("column = 'at'\nwithin = '2h'\n{toml}")).unwrap()
    }

    #[rstest]
    #[case("table = 'a.b'", 0)]
    #[case("tables = ['a.*']\nwhere = 'NOT x'\nunit = 'seconds'", 0)]
    #[case("", 1)]
    #[case("table = 'a.b'\nwhere = ' '", 1)]
    #[case("table = 'a.b'\nwhere = 'true; COMMIT'", 1)]
    #[case("table = 'a.b'\nunit = 'seconds'\nzone = 'UTC'", 1)]
    fn parameters(#[case] toml: &str, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| check(toml).validate(errors)).len(),
            expected
        );
    }

    fn findings(made: &str, source: TimeSource, newest: &str, of_a_day: bool) -> usize {
        let backup = BackupFacts {
            made: Some((made.parse().unwrap(), source)),
            ..BackupFacts::default()
        };
        let newest: Timestamp = newest.parse().unwrap();
        let seen = NewestRow::Newest {
            seconds: newest.as_second() as f64,
            of_a_day,
        };
        let table = QualifiedName::parse("a.b").unwrap();
        let made = BackupTime::of(&backup).unwrap();
        check("table = 'a.b'").compare(&table, &made, seen).1.len()
    }

    #[rstest]
    #[case("2026-05-25T02:00:00Z", 0)]
    #[case("2026-05-25T00:00:00Z", 0)]
    #[case("2026-05-24T23:59:59Z", 1)]
    // pg_dump's snapshot is taken after the name was made.
    #[case("2026-05-25T02:05:00Z", 0)]
    #[case("2026-05-26T02:00:00Z", 0)]
    #[case("2026-05-26T02:00:01Z", 1)]
    fn a_name_with_a_time_is_that_time(#[case] newest: &str, #[case] expected: usize) {
        for source in [TimeSource::Name, TimeSource::Header] {
            assert_eq!(
                findings("2026-05-25T02:00:00Z", source, newest, false),
                expected
            );
        }
    }

    /// The base backup is of a week before.
    #[rstest]
    #[case("2026-05-25T02:00:00Z", 0)]
    #[case("2026-05-24T23:59:59Z", 1)]
    fn a_recovered_state_is_as_new_as_its_last_transaction(
        #[case] newest: &str,
        #[case] expected: usize,
    ) {
        let time = |text: &str| -> Timestamp { text.parse().unwrap() };
        let base = PhysicalFacts {
            times: Some((time("2026-05-18T02:00:10Z"), time("2026-05-25T02:00:00Z"))),
            ..PhysicalFacts::default()
        };
        let backup = BackupFacts {
            made: Some((time("2026-05-18T02:00:00Z"), TimeSource::Header)),
            physical: Some(base),
            ..BackupFacts::default()
        };
        let seen = NewestRow::Newest {
            seconds: time(newest).as_second() as f64,
            of_a_day: false,
        };
        let made = BackupTime::of(&backup).unwrap();
        let table = QualifiedName::parse("a.b").unwrap();
        let (_, findings) = check("table = 'a.b'").compare(&table, &made, seen);
        assert_eq!(findings.len(), expected);
    }

    #[rstest]
    #[case("2026-05-25T18:00:00Z", 0)]
    #[case("2026-05-24T22:00:00Z", 0)]
    #[case("2026-05-24T21:59:59Z", 1)]
    #[case("2026-05-27T00:00:00Z", 0)]
    #[case("2026-05-27T00:00:01Z", 1)]
    fn a_name_with_a_date_is_that_day(#[case] newest: &str, #[case] expected: usize) {
        let made = "2026-05-25T00:00:00Z";
        assert_eq!(findings(made, TimeSource::Name, newest, false), expected);
    }

    #[rstest]
    #[case("2026-05-24T00:00:00Z", 0)]
    #[case("2026-05-23T00:00:00Z", 1)]
    fn a_row_with_a_date_is_that_day(#[case] newest: &str, #[case] expected: usize) {
        let made = "2026-05-25T02:00:00Z";
        assert_eq!(findings(made, TimeSource::Name, newest, true), expected);
    }

    #[test]
    fn an_empty_table_is_not_fresh() {
        let backup = BackupFacts {
            made: Some(("2026-05-25T02:00:00Z".parse().unwrap(), TimeSource::Name)),
            ..BackupFacts::default()
        };
        let made = BackupTime::of(&backup).unwrap();
        let table = QualifiedName::parse("a.b").unwrap();
        let (_, findings) = check("table = 'a.b'").compare(&table, &made, NewestRow::Nothing);
        assert_eq!(findings.len(), 1);
    }
}
