//! Periods of the calendar: what partitions cover of them and what they leave open.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time, Weekday};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use super::bound::{Bound, Edge, bound};
use crate::check::absent;
use crate::outcome::Finding;
use crate::sql::QualifiedName;

/// How long one partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// A day.
    Day,
    /// Seven days, from whatever weekday the newest partition begins on.
    Week,
    /// A month of the calendar.
    Month,
    /// Three months from January, April, July or October.
    Quarter,
    /// A year of the calendar.
    Year,
}

impl Period {
    /// The word for one.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The first day of the period that holds `day`.
    pub fn floor(self, day: Date, week_begins: Weekday) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                let back = day.weekday().since(week_begins);
                day.saturating_sub(i64::from(back).days())
            }
            Self::Month => day.first_of_month(),
            Self::Quarter => {
                let month = (day.month() - 1) / 3 * 3 + 1;
                Date::new(day.year(), month, 1).unwrap_or(day)
            }
            Self::Year => day.first_of_year(),
        }
    }

    /// The day that is `count` periods after `day`.
    pub fn after(self, day: Date, count: i32) -> Date {
        let count = i64::from(count);
        let span = match self {
            Self::Day => count.days(),
            Self::Week => (count * 7).days(),
            Self::Month => count.months(),
            Self::Quarter => (count * 3).months(),
            Self::Year => count.years(),
        };
        day.saturating_add(span)
    }

    /// Writes the period that begins on `day`.
    pub fn show(self, day: Date) -> String {
        match self {
            Self::Day => day.to_string(),
            Self::Week => format!("the week of {day}"),
            Self::Month => day.strftime("%Y-%m").to_string(),
            Self::Quarter => format!("{}-Q{}", day.year(), (day.month() - 1) / 3 + 1),
            Self::Year => day.year().to_string(),
        }
    }
}

/// A partition and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedPartition {
    /// Its name.
    pub name: QualifiedName,
    /// What it takes.
    pub bound: Bound,
}

/// The periods that must all be there, the first day of the first and of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The length of each.
    pub period: Period,
    /// The first one begins on this day.
    pub first: Date,
    /// The last one begins on this day.
    pub last: Date,
    /// Partitions that end before this day may be of any length: they were put away.
    pub even_since: Option<Date>,
}

/// The weekday that weeks begin on: that of the newest partition.
pub fn week_begins(pieces: &[BoundedPartition]) -> Weekday {
    pieces
        .iter()
        .filter_map(|piece| match &piece.bound {
            Bound::Range(Edge::At(lower), _) => Some(*lower),
            Bound::List(all) => all.iter().max().copied(),
            Bound::Range(Edge::Open, _) | Bound::Default => None,
        })
        .max()
        .map_or(Weekday::Monday, |newest| newest.date().weekday())
}

impl Window {
    /// Finds partitions of another length, gaps between them, and periods that have none.
    pub fn judge(&self, table: &QualifiedName, pieces: &[BoundedPartition]) -> Vec<Finding> {
        let weeks = week_begins(pieces);
        let mut findings = Vec::new();
        // What is covered, from a moment (or ever) up to a moment.
        let mut covered: Vec<(Option<DateTime>, DateTime)> = Vec::new();
        for piece in pieces {
            match &piece.bound {
                // A catch-all at the open end counts as the default partition, not for a period.
                Bound::Default | Bound::Range(_, Edge::Open) => {}
                Bound::Range(Edge::Open, Edge::At(upper)) => covered.push((None, *upper)),
                Bound::Range(Edge::At(lower), Edge::At(upper)) => {
                    covered.push((Some(*lower), *upper));
                    let first = self.period.floor(lower.date(), weeks);
                    let exact = lower.time() == Time::midnight()
                        && lower.date() == first
                        && *upper == self.end_of(first);
                    if !exact && self.is_even(*upper) {
                        findings.push(self.uneven(
                            piece,
                            &format!("it takes {} up to {}", show(*lower), show(*upper)),
                        ));
                    }
                }
                Bound::List(all) => {
                    let mut periods: Vec<Date> = all
                        .iter()
                        .map(|value| self.period.floor(value.date(), weeks))
                        .collect();
                    periods.sort_unstable();
                    periods.dedup();
                    if periods.len() > 1 && self.is_even(self.end_of(periods[periods.len() - 1])) {
                        let names: Vec<String> =
                            periods.iter().map(|day| self.period.show(*day)).collect();
                        findings
                            .push(self.uneven(piece, &format!("it takes {}", names.join(", "))));
                    }
                    covered.extend(
                        periods
                            .into_iter()
                            .map(|day| (Some(day.to_datetime(Time::midnight())), self.end_of(day))),
                    );
                }
            }
        }
        findings.extend(self.gaps(table, covered));
        findings
    }

    /// Finds periods between the ends that are not covered.
    fn gaps(
        &self,
        table: &QualifiedName,
        mut covered: Vec<(Option<DateTime>, DateTime)>,
    ) -> Vec<Finding> {
        covered.sort_unstable();
        let first = self.first.to_datetime(Time::midnight());
        let end = self.end_of(self.last);
        let lowest = covered.first().map_or(Some(first), |(lower, _)| *lower);
        // Where something is open below, nothing can be missing there.
        let mut at = lowest.map_or(DateTime::MIN, |lowest| lowest.min(first));
        let mut open = Vec::new();
        for (lower, upper) in covered {
            let lower = lower.unwrap_or(DateTime::MIN);
            if lower > at {
                open.push((at, lower));
            }
            at = at.max(upper);
        }
        if at < end {
            open.push((at, end));
        }
        open.into_iter()
            .map(|(from, to)| {
                Finding::about(
                    table.to_string(),
                    format!("a partition for {}", self.span(from, to)),
                    "there is none: such rows are refused, or fall into a default or open-ended partition",
                )
                .hint(format!(
                    "{}; if nothing makes partitions ahead, the job that should has stopped",
                    absent::why("CREATE TABLE with ATTACH PARTITION")
                ))
            })
            .collect()
    }

    /// Writes what is missing as periods where it is made of them.
    fn span(&self, from: DateTime, to: DateTime) -> String {
        let (first, whole) = (from.date(), from.time() == Time::midnight());
        if whole && self.end_of(first) == to {
            return self.period.show(first);
        }
        let last = self.period.after(to.date(), -1);
        if whole && to.time() == Time::midnight() && last > first {
            return format!("{} to {}", self.period.show(first), self.period.show(last));
        }
        format!("{} up to {}", show(from), show(to))
    }

    fn end_of(&self, day: Date) -> DateTime {
        self.period.after(day, 1).to_datetime(Time::midnight())
    }

    fn is_even(&self, upper: DateTime) -> bool {
        self.even_since
            .is_none_or(|since| upper > since.to_datetime(Time::midnight()))
    }

    fn uneven(&self, piece: &BoundedPartition, actual: &str) -> Finding {
        Finding::about(
            piece.name.to_string(),
            format!("a partition of exactly one {}", self.period.word()),
            actual,
        )
        .hint(
            "if periods begin at midnight of another zone than UTC, give it as `time-zone`; \
             if older partitions were put together, say from when on with `since`",
        )
    }
}

/// Writes a moment, without its time where it is midnight.
fn show(moment: DateTime) -> String {
    if moment.time() == Time::midnight() {
        moment.date().to_string()
    } else {
        moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::bound::moment;
    use super::*;
    use jiff::civil::date;
    use rstest::rstest;

    fn pieces(bounds: &[(&str, &str)]) -> Vec<BoundedPartition> {
        let edge = |text: &str| moment(text).map_or(Edge::Open, Edge::At);
        bounds
            .iter()
            .enumerate()
            .map(|(at, (lower, upper))| BoundedPartition {
                name: QualifiedName::parse(&format!("app.p{at}")).unwrap(),
                bound: Bound::Range(edge(lower), edge(upper)),
            })
            .collect()
    }

    fn window(first: &str, last: &str) -> Window {
        Window {
            period: Period::Month,
            first: moment(first).unwrap().date(),
            last: moment(last).unwrap().date(),
            even_since: None,
        }
    }

    #[rstest]
    #[case::whole(&[("2026-04", "2026-05"), ("2026-05", "2026-06")], "2026-05", "2026-05", &[])]
    #[case::ahead(&[("2026-04", "2026-05"), ("2026-05", "2026-06")], "2026-05", "2026-07", &["2026-06 to 2026-07"])]
    #[case::gap(&[("2026-03", "2026-04"), ("2026-05", "2026-06")], "2026-05", "2026-05", &["2026-04"])]
    #[case::begins_late(&[("2026-05", "2026-06")], "2026-03", "2026-05", &["2026-03 to 2026-04"])]
    #[case::long_past(&[("2025-01", "2025-02")], "2026-05", "2026-05", &["2025-02 to 2026-05"])]
    #[case::two_months(&[("2026-04", "2026-06")], "2026-05", "2026-05", &["exactly one month"])]
    #[case::half(&[("2026-05-01", "2026-05-15"), ("2026-05-15", "2026-06-01")], "2026-05", "2026-05", &["exactly one month", "exactly one month"])]
    #[case::open_below(&[("", "2026-05"), ("2026-05", "2026-06")], "2020-05", "2026-05", &[])]
    #[case::open_above(&[("2026-05", "2026-06"), ("2026-06", "")], "2026-05", "2026-06", &["2026-06"])]
    #[case::nothing(&[], "2026-05", "2026-05", &["2026-05"])]
    fn a_window_is_whole_or_says_what_is_missing(
        #[case] bounds: &[(&str, &str)],
        #[case] first: &str,
        #[case] last: &str,
        #[case] expected: &[&str],
    ) {
        let table = QualifiedName::parse("app.t").unwrap();
        let findings = window(first, last).judge(&table, &pieces(bounds));
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, text) in findings.iter().zip(expected) {
            assert!(finding.expected.contains(text), "{finding:?}");
        }
    }

    #[test]
    fn what_was_put_away_may_be_of_any_length() {
        let table = QualifiedName::parse("app.t").unwrap();
        let pieces = pieces(&[("2024", "2026-05"), ("2026-05", "2026-06")]);
        let mut window = window("2026-05", "2026-05");
        assert_eq!(window.judge(&table, &pieces).len(), 1);
        window.even_since = Some(window.first);
        assert_eq!(window.judge(&table, &pieces), []);
    }

    #[test]
    fn weeks_begin_where_the_newest_partition_does() {
        let table = QualifiedName::parse("app.t").unwrap();
        // 2026-05-03 is a Sunday.
        let pieces = pieces(&[("2026-05-03", "2026-05-10"), ("2026-05-10", "2026-05-17")]);
        let weeks = week_begins(&pieces);
        assert_eq!(weeks, Weekday::Sunday);
        let period = Period::Week;
        let first = period.floor(date(2026, 5, 13), weeks);
        assert_eq!(first, date(2026, 5, 10));
        let window = Window {
            period,
            first,
            last: period.after(first, 1),
            even_since: None,
        };
        let findings = window.judge(&table, &pieces);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].expected.contains("the week of 2026-05-17"));
    }

    #[test]
    fn lists_hold_periods_too() {
        let table = QualifiedName::parse("app.t").unwrap();
        let list = |texts: &[&str]| BoundedPartition {
            name: table.clone(),
            bound: Bound::List(texts.iter().map(|text| moment(text).unwrap()).collect()),
        };
        let window = window("2026-04", "2026-06");
        let good = [
            list(&["2026-04"]),
            list(&["2026-05", "2026-05-07"]),
            list(&["2026-06"]),
        ];
        assert_eq!(window.judge(&table, &good), []);
        let findings = window.judge(&table, &[list(&["2026-04", "2026-06"])]);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
