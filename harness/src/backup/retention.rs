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
    let declared = retention.tiers();
    declared
        .filter_map(|(tier, wanted)| tier.compare(wanted, &days))
        .collect()
}

impl Retention {
    /// The declared tiers, from the finest, with the number of their periods.
    pub fn tiers(&self) -> impl Iterator<Item = (Tier, u64)> {
        let all = [
            (Tier::Daily, self.daily),
            (Tier::Weekly, self.weekly),
            (Tier::Monthly, self.monthly),
        ];
        all.into_iter()
            .filter_map(|(tier, wanted)| Some((tier, u64::from(wanted?))))
    }

    /// Of these times, newest first, those that a tier keeps, the newest of each period, and no finer tier; where finer ones
    /// keep all of them, those that the tier keeps.
    #[must_use]
    pub fn only_in(&self, tier: Tier, times: &[Timestamp]) -> Vec<Timestamp> {
        let kept_by = |tier: Tier, wanted: u64| -> Vec<Timestamp> {
            let mut periods = BTreeSet::new();
            let newest = times.first().and_then(|time| tier.period_at(*time));
            let oldest = newest.and_then(|newest| tier.before(newest, wanted.saturating_sub(1)));
            let is_kept = |time: &&Timestamp| {
                let period = tier.period_at(**time);
                period >= oldest && period.is_some_and(|period| periods.insert(period))
            };
            times.iter().filter(is_kept).copied().collect()
        };
        let (mut finer, mut own) = (BTreeSet::new(), Vec::new());
        for (declared, wanted) in self.tiers() {
            let kept = kept_by(declared, wanted);
            if declared == tier {
                own = kept;
                break;
            }
            finer.extend(kept);
        }
        let only: Vec<Timestamp> = own
            .iter()
            .filter(|time| !finer.contains(time))
            .copied()
            .collect();
        if only.is_empty() { own } else { only }
    }
}

/// A tier of retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// One backup of each day.
    Daily,
    /// One of each week.
    Weekly,
    /// One of each month.
    Monthly,
}

impl Tier {
    /// As in a scenario.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// The first day of the period of a time.
    fn period_at(self, time: Timestamp) -> Option<Date> {
        self.period_of(time.to_zoned(TimeZone::UTC).date())
    }

    /// The first day of the period of a day.
    fn period_of(self, date: Date) -> Option<Date> {
        match self {
            Self::Daily => Some(date),
            Self::Weekly => {
                let back = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(back.days()).ok()
            }
            Self::Monthly => Some(date.first_of_month()),
        }
    }

    /// The period `back` periods before another one.
    fn before(self, period: Date, back: u64) -> Option<Date> {
        let back = i64::try_from(back).ok()?;
        let span = match self {
            Self::Daily => back.days(),
            Self::Weekly => back.weeks(),
            Self::Monthly => back.months(),
        };
        period.checked_sub(span).ok()
    }

    fn label(self, period: Date) -> String {
        match self {
            Self::Daily => period.to_string(),
            Self::Weekly => format!("the week of {period}"),
            Self::Monthly => period.strftime("%Y-%m").to_string(),
        }
    }

    fn compare(self, wanted: u64, days: &BTreeSet<Date>) -> Option<Objective> {
        let (mut kept, mut missing) = (0, Vec::new());
        match days.last() {
            None => missing.push("all of them: no backup has a time in its name".to_owned()),
            Some(newest) => {
                let existing: BTreeSet<Date> =
                    days.iter().filter_map(|day| self.period_of(*day)).collect();
                let last = self.period_of(*newest)?;
                // Numbers of periods before the last one: newest and oldest of consecutive ones.
                let mut gaps: Vec<(u64, u64)> = Vec::new();
                for back in 0..wanted {
                    match gaps.last_mut() {
                        _ if existing.contains(&self.before(last, back)?) => kept += 1,
                        Some((_, oldest)) if *oldest + 1 == back => *oldest = back,
                        _ => gaps.push((back, back)),
                    }
                }
                let label = |back: u64| self.before(last, back).map(|period| self.label(period));
                for (newest, oldest) in gaps {
                    missing.push(match newest == oldest {
                        true => label(newest)?,
                        false => format!("{} to {}", label(oldest)?, label(newest)?),
                    });
                }
            }
        }
        Some(Objective {
            name: self.word().into(),
            measure: Measure::Kept {
                wanted,
                kept,
                missing,
            },
            on: None,
        })
    }
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
