//! Retention: compares the declared tiers with the existing backups.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::outcome::{Measure, Objective};

/// Required backups, counted back from the newest. Days, weeks (from Monday) and months are those of
/// UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Retention {
    /// Number of days with a backup.
    pub daily: Option<u16>,
    /// Number of weeks with a backup.
    pub weekly: Option<u16>,
    /// Number of months with a backup.
    pub monthly: Option<u16>,
}

/// Compares the tiers with the times of all backups of the stream. Missing periods are listed newest
/// first, consecutive ones together: `2026-05-20 to 2026-05-22`.
#[must_use]
pub fn tiers(retention: &Retention, times: &[Timestamp]) -> Vec<Objective> {
    let days: BTreeSet<Date> = times
        .iter()
        .map(|time| time.to_zoned(TimeZone::UTC).date())
        .collect();
    let newest = days.last().copied();
    let day = |date: Date| Some(date);
    let week = |date: Date| {
        let back = i64::from(date.weekday().to_monday_zero_offset());
        date.checked_sub(back.days()).ok()
    };
    let month = |date: Date| Some(date.first_of_month());
    let declared = [
        (
            "daily",
            retention.daily,
            Period {
                of: &day,
                step: &|n| n.days(),
            },
        ),
        (
            "weekly",
            retention.weekly,
            Period {
                of: &week,
                step: &|n| n.weeks(),
            },
        ),
        (
            "monthly",
            retention.monthly,
            Period {
                of: &month,
                step: &|n| n.months(),
            },
        ),
    ];
    declared
        .into_iter()
        .filter_map(|(name, wanted, period)| tier(name, wanted?, &period, newest, &days))
        .collect()
}

/// A period, and the arithmetic of its dates.
struct Period<'a> {
    of: &'a dyn Fn(Date) -> Option<Date>,
    step: &'a dyn Fn(i64) -> jiff::Span,
}

fn tier(
    name: &'static str,
    wanted: u16,
    period: &Period<'_>,
    newest: Option<Date>,
    days: &BTreeSet<Date>,
) -> Option<Objective> {
    let Some(newest) = newest else {
        let missing = "all of them: no backup has a time in its name".to_owned();
        return Some(Objective {
            name,
            measure: Measure::Kept {
                wanted: u64::from(wanted),
                kept: 0,
                missing: vec![missing],
            },
        });
    };
    let there: BTreeSet<Date> = days.iter().filter_map(|day| (period.of)(*day)).collect();
    let last = (period.of)(newest)?;
    let label = |date: Date| match name {
        "monthly" => date.strftime("%Y-%m").to_string(),
        "weekly" => format!("the week of {date}"),
        _ => date.to_string(),
    };
    let mut missing: Vec<(i64, i64)> = Vec::new();
    let mut kept = 0;
    for back in 0..i64::from(wanted) {
        let date = last.checked_sub((period.step)(back)).ok()?;
        if there.contains(&date) {
            kept += 1;
            continue;
        }
        match missing.last_mut() {
            Some((_, oldest)) if *oldest + 1 == back => *oldest = back,
            _ => missing.push((back, back)),
        }
    }
    let at = |back: i64| last.checked_sub((period.step)(back)).map(label);
    let missing = missing
        .into_iter()
        .filter_map(|(newer, older)| match newer == older {
            true => at(newer).ok(),
            false => Some(format!("{} to {}", at(older).ok()?, at(newer).ok()?)),
        })
        .collect();
    Some(Objective {
        name,
        measure: Measure::Kept {
            wanted: u64::from(wanted),
            kept,
            missing,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn times(dates: &[&str]) -> Vec<Timestamp> {
        let at = |date: &&str| format!("{date}T02:00:00Z").parse().unwrap();
        dates.iter().map(at).collect()
    }

    fn one(retention: Retention, dates: &[&str]) -> (u64, Vec<String>) {
        let tiers = tiers(&retention, &times(dates));
        let [
            Objective {
                measure: Measure::Kept { kept, missing, .. },
                ..
            },
        ] = tiers.as_slice()
        else {
            panic!("{tiers:?}")
        };
        (*kept, missing.clone())
    }

    #[rstest]
    #[case(3, &["2026-05-25", "2026-05-24", "2026-05-23"], 3, &[])]
    #[case(3, &["2026-05-25", "2026-05-25", "2026-05-23"], 2, &["2026-05-24"])]
    #[case(5, &["2026-05-25", "2026-05-21"], 2, &["2026-05-22 to 2026-05-24"])]
    #[case(3, &["2026-03-01"], 1, &["2026-02-27 to 2026-02-28"])]
    fn days_without_a_backup_are_named(
        #[case] daily: u16,
        #[case] dates: &[&str],
        #[case] kept: u64,
        #[case] missing: &[&str],
    ) {
        let retention = Retention {
            daily: Some(daily),
            ..Retention::default()
        };
        let missing = missing.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(one(retention, dates), (kept, missing));
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let weekly = Retention {
            weekly: Some(3),
            ..Retention::default()
        };
        // A Sunday, the Monday before it, and one three weeks back.
        let dates = ["2026-05-24", "2026-05-18", "2026-05-04"];
        assert_eq!(
            one(weekly, &dates),
            (2, vec!["the week of 2026-05-11".to_owned()])
        );
        let monthly = Retention {
            monthly: Some(3),
            ..Retention::default()
        };
        assert_eq!(
            one(monthly, &["2026-03-31", "2026-01-01"]),
            (2, vec!["2026-02".to_owned()])
        );
    }

    #[test]
    fn without_times_a_tier_is_not_kept_and_without_tiers_nothing_is_said() {
        assert_eq!(tiers(&Retention::default(), &times(&["2026-05-25"])), []);
        let daily = Retention {
            daily: Some(1),
            ..Retention::default()
        };
        let (kept, missing) = one(daily, &[]);
        assert_eq!(kept, 0);
        assert!(missing[0].contains("no backup has a time"));
    }
}
