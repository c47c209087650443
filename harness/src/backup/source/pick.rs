//! `pick`: which backup of a stream is drilled.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::backup::retention::{Retention, Tier};
use crate::digest::sha256;
use crate::input::Problem;
use crate::input::decode::Table;
use crate::input::table::{table_at, text_at};
use crate::outcome::Picked;

/// Which backup of a stream a drill restores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
    /// One at random. Reports show the seed, and `redrill run --seed` repeats the choice.
    Random,
    /// One drill for each tier of `[backup.retention]`, of a backup that this tier keeps and no finer one, at random.
    EachTier,
}

impl Pick {
    /// As in a scenario.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Random => "random",
            Self::EachTier => "each-tier",
        }
    }

    /// The choices of its drills, one for each.
    #[must_use]
    pub fn choices(self, retention: Option<&Retention>, seed: u32) -> Vec<Choosing> {
        match self {
            Self::Newest => vec![Choosing::Newest],
            Self::Oldest => vec![Choosing::Oldest],
            Self::Random => vec![Choosing::Random { seed }],
            Self::EachTier => {
                let retention = retention.cloned().unwrap_or_default();
                let tiers = retention.tiers().map(|(tier, _)| tier);
                let tiers: Vec<Tier> = tiers.collect();
                let of = |tier| Choosing::OfTier {
                    tier,
                    retention: retention.clone(),
                    seed,
                };
                tiers.into_iter().map(of).collect()
            }
        }
    }
}

/// How one drill chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choosing {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
    /// One at random.
    Random {
        /// Decides, together with the times of the backups.
        seed: u32,
    },
    /// One of those that a tier keeps, at random.
    OfTier {
        /// The tier.
        tier: Tier,
        /// All tiers.
        retention: Retention,
        /// Decides, together with the times of the backups.
        seed: u32,
    },
}

impl Choosing {
    /// As in a scenario.
    #[must_use]
    pub const fn pick(&self) -> Pick {
        match self {
            Self::Newest => Pick::Newest,
            Self::Oldest => Pick::Oldest,
            Self::Random { .. } => Pick::Random,
            Self::OfTier { .. } => Pick::EachTier,
        }
    }

    /// The seed, where it decides.
    #[must_use]
    pub const fn seed(&self) -> Option<u32> {
        match self {
            Self::Newest | Self::Oldest => None,
            Self::Random { seed } | Self::OfTier { seed, .. } => Some(*seed),
        }
    }

    /// The tier that it is limited to.
    #[must_use]
    pub const fn tier(&self) -> Option<Tier> {
        match self {
            Self::OfTier { tier, .. } => Some(*tier),
            Self::Newest | Self::Oldest | Self::Random { .. } => None,
        }
    }

    /// Why one was selected, of `of` that could have been and `all` of the stream.
    pub(super) fn describe(&self, of: usize, all: usize, stream: &str) -> String {
        let several = format!("{all} of `{stream}`");
        match self {
            Self::Newest => format!("the newest of {several}, by the time in its name"),
            Self::Oldest => format!("the oldest of {several}, by the time in its name"),
            Self::Random { seed } => format!("one of {several}, at random with seed {seed}"),
            Self::OfTier { tier, seed, .. } => format!(
                "one of {of} of the {} tier, at random with seed {seed}; {several} in all",
                tier.word()
            ),
        }
    }

    /// What reports show, where the newest was not wanted.
    pub(super) fn picked(&self, (name, time): (&String, Timestamp)) -> Option<Picked> {
        (*self != Self::Newest).then(|| Picked {
            pick: self.pick().word().into(),
            tier: self.tier().map(|tier| tier.word().into()),
            seed: self.seed(),
            newest: (name.clone(), time),
        })
    }

    /// Chooses one of these times, newest first, which are not empty; also returns among how many.
    pub(super) fn choose(&self, times: &[Timestamp]) -> Option<(Timestamp, usize)> {
        let all = times.len();
        match self {
            Self::Newest => Some((*times.first()?, all)),
            Self::Oldest => Some((*times.last()?, all)),
            Self::Random { seed } => drawn(times, *seed),
            Self::OfTier {
                tier,
                retention,
                seed,
            } => drawn(&retention.only_in(*tier, times), *seed),
        }
    }
}

/// Draws one: each time has a number that only depends on it and the seed, and the largest wins. So a backup more or less
/// changes the choice only if it is, or was, the one that is drawn.
fn drawn(times: &[Timestamp], seed: u32) -> Option<(Timestamp, usize)> {
    let number = |time: &&Timestamp| sha256(format!("{seed} {time}"));
    Some((*times.iter().max_by_key(number)?, times.len()))
}

/// Requires several backups for `pick`, and tiers for one of each.
pub fn validate(table: &Table<'_>, section: &str, problems: &mut Vec<Problem>) {
    let Some((pick, span)) = text_at(table, "pick") else {
        return;
    };
    if section != "[backup]" {
        let problem = Problem::at(
            span,
            "`pick` selects one backup, and a part is one of several",
        );
        problems.push(problem.hint("remove it: parts are of one night, the newest"));
        return;
    }
    let in_s3 = || table_at(table, "s3").is_some_and(|(s3, _)| s3.contains_key("newest"));
    if !table.contains_key("newest") && !in_s3() {
        let problem = Problem::at(
            span,
            "`pick` selects one of several backups, and there is one",
        );
        problems.push(problem.hint(
            "name several: `newest = \"backups/plur-*.sql.gz\"`, or `newest` in `[backup.s3]`",
        ));
        return;
    }
    if pick == Pick::EachTier.word() && !table.contains_key("retention") {
        let problem = Problem::at(span, "`pick = \"each-tier\"` without a tier");
        problems.push(
            problem.hint(
                "add `[backup.retention]` with `daily = 14`, `weekly = 13` or `monthly = 12`",
            ),
        );
    }
}

/// A seed that nobody chose.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_seed() -> std::io::Result<u32> {
    getrandom::u32().map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::collections::BTreeSet;

    fn days(dates: &[&str]) -> Vec<Timestamp> {
        let at = |date: &&str| format!("{date}T02:00:00Z").parse().unwrap();
        dates.iter().map(at).collect()
    }

    const STORE: [&str; 9] = [
        "2026-05-20", // a Wednesday
        "2026-05-19",
        "2026-05-18",
        "2026-05-17",
        "2026-05-10",
        "2026-05-03",
        "2026-04-30",
        "2026-04-12",
        "2026-03-31",
    ];

    fn of_tier(tier: Tier, seed: u32) -> Choosing {
        let retention = Retention {
            daily: Some(3),
            weekly: Some(4),
            monthly: Some(3),
        };
        Choosing::OfTier {
            tier,
            retention,
            seed,
        }
    }

    #[rstest]
    #[case::newest(Choosing::Newest, "2026-05-20", 9)]
    #[case::oldest(Choosing::Oldest, "2026-03-31", 9)]
    fn the_ends_need_no_seed(#[case] choosing: Choosing, #[case] date: &str, #[case] of: usize) {
        let chosen = choosing.choose(&days(&STORE));
        assert_eq!(chosen, Some((days(&[date])[0], of)));
        assert_eq!(choosing.seed(), None);
    }

    #[test]
    fn every_backup_can_be_drawn_and_a_seed_repeats() {
        let times = days(&STORE);
        let all = (0..200).map(|seed| Choosing::Random { seed }.choose(&times).unwrap().0);
        assert_eq!(all.collect::<BTreeSet<_>>().len(), times.len());
        for seed in 0..50 {
            let choosing = Choosing::Random { seed };
            let (drawn, _) = choosing.choose(&times).unwrap();
            // Another day's backup more, another one less.
            let mut more = days(&["2026-05-21"]);
            more.extend(
                times
                    .iter()
                    .filter(|time| **time == drawn || **time != times[4]),
            );
            let (again, _) = choosing.choose(&more).unwrap();
            assert!(again == drawn || again == more[0]);
        }
    }

    #[rstest]
    #[case::daily(Tier::Daily, &["2026-05-20", "2026-05-19", "2026-05-18"])]
    // The newest of the week of 18 May is kept as a daily backup.
    #[case::weekly(Tier::Weekly, &["2026-05-17", "2026-05-10", "2026-05-03"])]
    // Of the week of 27 April, the newest is that of 3 May.
    #[case::monthly(Tier::Monthly, &["2026-04-30", "2026-03-31"])]
    fn a_tier_has_what_no_finer_one_keeps(#[case] tier: Tier, #[case] dates: &[&str]) {
        let times = days(&STORE);
        let drawn = (0..100).map(|seed| of_tier(tier, seed).choose(&times).unwrap());
        let drawn: BTreeSet<(Timestamp, usize)> = drawn.collect();
        let expected = days(dates).into_iter().map(|time| (time, dates.len()));
        assert_eq!(drawn, expected.collect());
    }

    #[test]
    fn of_a_young_store_a_tier_has_what_finer_ones_keep_too() {
        let times = days(&["2026-05-20", "2026-05-19"]);
        let chosen = of_tier(Tier::Monthly, 7).choose(&times);
        assert_eq!(chosen, Some((times[0], 1)));
    }

    #[test]
    fn each_tier_is_a_drill_for_each() {
        let retention = Retention {
            daily: Some(2),
            monthly: Some(3),
            ..Retention::default()
        };
        let all = Pick::EachTier.choices(Some(&retention), 5);
        let tiers: Vec<Option<Tier>> = all.iter().map(Choosing::tier).collect();
        assert_eq!(tiers, [Some(Tier::Daily), Some(Tier::Monthly)]);
        assert_eq!(
            Pick::Random.choices(None, 5),
            [Choosing::Random { seed: 5 }]
        );
    }
}
