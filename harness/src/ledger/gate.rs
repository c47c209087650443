//! Whether a release may go, as far as the log of drills can say.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::read::{each, newest_first};
use super::rehearsals::announced;
use super::statement::{Entry, Kind};
use crate::outcome::{CouldNotRun, Refusal};
use crate::state::State;
use crate::units::show_duration;
use crate::verdict::{RehearsalVerdict, Verdict};

/// How far a clock may be ahead of that of this machine.
const AHEAD: Duration = Duration::from_secs(300);

/// What a gate asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The names of the drills: several where a scenario drills each tier.
    pub scenarios: Vec<String>,
    /// How old the drill may be.
    pub max_age: Option<Duration>,
    /// Kinds of checks of which one must have passed, and none anything else.
    pub covers: Vec<String>,
    /// Whether the release must have been rehearsed.
    pub rehearsed: bool,
    /// The commit that must have been rehearsed, or its beginning.
    pub commit: Option<String>,
}

/// What the log says of one drill.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The newest drill of all checks with a conclusion.
    pub drill: Option<Entry>,
    /// Newer ones without a conclusion.
    pub without: Vec<Entry>,
    /// The newest rehearsal with a conclusion: of the wanted commit, where one is named.
    pub rehearsal: Option<Entry>,
}

/// Looks for the newest drill and rehearsal of a scenario.
///
/// # Errors
/// The state cannot be read.
pub async fn find(state: &State, scenario: &str, wanted: &Wanted) -> Result<Found, CouldNotRun> {
    let mut found = Found::default();
    let rehearsed = wanted.rehearsed && may_be_rehearsed(state, scenario, wanted).await?;
    let mut entries = std::pin::pin!(newest_first(state).await?);
    while let Some(entry) = entries.next().await {
        let Some(entry) =
            entry?.filter(|entry| entry.drill.scenario == scenario && entry.drill.only.is_empty())
        else {
            continue;
        };
        match entry.drill.kind {
            Kind::Drill if found.drill.is_some() => {}
            Kind::Drill if is_conclusion(&entry) => found.drill = Some(entry),
            Kind::Drill => found.without.push(entry),
            Kind::Rehearsal => {
                let commit = wanted.commit.as_deref();
                if found.rehearsal.is_none() && counts(&entry, scenario, commit) {
                    found.rehearsal = Some(entry);
                }
            }
        }
        if found.drill.is_some() && (found.rehearsal.is_some() || !rehearsed) {
            break;
        }
    }
    Ok(found)
}

/// Whether the log may have a rehearsal that counts. Only a `false` saves work, and closes the gate.
async fn may_be_rehearsed(
    state: &State,
    scenario: &str,
    wanted: &Wanted,
) -> Result<bool, CouldNotRun> {
    let commit = wanted.commit.as_deref();
    let Some(indexes) = announced(state, scenario, commit).await? else {
        return Ok(true);
    };
    let mut entries = std::pin::pin!(each(state, indexes.into_iter().rev().collect()));
    while let Some(entry) = entries.next().await {
        if entry?.is_some_and(|entry| counts(&entry, scenario, commit)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an entry is a rehearsal that says something about a scenario and a commit.
fn counts(entry: &Entry, scenario: &str, commit: Option<&str>) -> bool {
    entry.drill.kind == Kind::Rehearsal
        && entry.drill.scenario == scenario
        && entry.drill.only.is_empty()
        && is_conclusion(entry)
        && is_of_commit(entry, commit)
}

/// Whether a verdict says something about the backup or the release.
fn is_conclusion(entry: &Entry) -> bool {
    let verdict = entry.drill.verdict.as_str();
    let of_drills = [
        Verdict::Inconclusive,
        Verdict::Interrupted,
        Verdict::NothingChecked,
    ];
    let of_rehearsals = [
        RehearsalVerdict::Inconclusive,
        RehearsalVerdict::Interrupted,
        RehearsalVerdict::NothingPending,
    ];
    match entry.drill.kind {
        Kind::Drill => !of_drills.iter().any(|one| one.word() == verdict),
        Kind::Rehearsal => !of_rehearsals.iter().any(|one| one.word() == verdict),
    }
}

fn is_of_commit(entry: &Entry, commit: Option<&str>) -> bool {
    commit.is_none_or(|commit| {
        entry
            .drill
            .commit
            .as_ref()
            .is_some_and(|of| of.starts_with(&commit.to_ascii_lowercase()))
    })
}

/// Why the gate is closed; empty where it is open.
#[must_use]
pub fn judge(found: &Found, wanted: &Wanted, now: Timestamp) -> Vec<(Refusal, String)> {
    let mut refusals = Vec::new();
    match &found.drill {
        None => refusals.push((
            Refusal::NotDrilled,
            "the log has no drill of all its checks that came to a conclusion".to_owned(),
        )),
        Some(drill) => of_drill(drill, wanted, now, &mut refusals),
    }
    if wanted.rehearsed {
        let commit = wanted
            .commit
            .as_ref()
            .map(|commit| format!(" of commit {commit}"))
            .unwrap_or_default();
        match &found.rehearsal {
            None => refusals.push((
                Refusal::NotRehearsed,
                format!("the log has no rehearsal{commit} that came to a conclusion"),
            )),
            Some(entry) if entry.drill.verdict != RehearsalVerdict::Safe.word() => {
                refusals.push((
                    Refusal::NotRehearsed,
                    format!(
                        "its newest rehearsal{commit}, entry {}, is {}",
                        entry.position.index, entry.drill.verdict
                    ),
                ));
            }
            Some(entry) => {
                if let Some(why) = too_old(entry, wanted, now) {
                    refusals.push((
                        Refusal::NotRehearsed,
                        format!(
                            "its newest rehearsal{commit}, entry {}, {why}",
                            entry.position.index
                        ),
                    ));
                }
            }
        }
    }
    refusals
}

fn of_drill(entry: &Entry, wanted: &Wanted, now: Timestamp, refusals: &mut Vec<(Refusal, String)>) {
    let index = entry.position.index;
    if !entry.drill.is_proven() {
        refusals.push((
            Refusal::NotProven,
            format!(
                "its newest drill, entry {index}, is {}",
                entry.drill.verdict
            ),
        ));
    }
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut ended = entry.drill.waivers.iter().filter(|one| one.until < today);
    if let Some(waiver) = ended.next() {
        refusals.push((
            Refusal::NotProven,
            format!(
                "its newest drill, entry {index}, rests on a waiver of {} by {} that ended on {}",
                waiver.check, waiver.owner, waiver.until
            ),
        ));
    }
    if let Some(why) = too_old(entry, wanted, now) {
        refusals.push((
            Refusal::TooOld,
            format!("its newest drill, entry {index}, {why}"),
        ));
    }
    let missing: Vec<&str> = wanted
        .covers
        .iter()
        .filter(|kind| !entry.drill.covers.contains(*kind))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        refusals.push((
            Refusal::NotCovered,
            format!(
                "its newest drill, entry {index}, has no required check that passed of: {}",
                missing.join(", ")
            ),
        ));
    }
}

/// Why an entry is too old; `None` where it is not.
fn too_old(entry: &Entry, wanted: &Wanted, now: Timestamp) -> Option<String> {
    let limit = wanted.max_age?;
    let age = now.duration_since(entry.drill.began);
    if age.unsigned_abs() > AHEAD && age.is_negative() {
        return Some(format!(
            "began at {}, which is in the future: a clock is wrong",
            entry.drill.began
        ));
    }
    (age.unsigned_abs() > limit).then(|| {
        format!(
            "began {} ago, and at most {} are allowed",
            show_duration(age.unsigned_abs()),
            show_duration(limit)
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::ledger::statement::{Position, WaiverSummary};
    use crate::ledger::tests::summary;

    fn entry(kind: Kind, verdict: &str, days: i64) -> Entry {
        let mut drill = summary("a");
        drill.kind = kind;
        verdict.clone_into(&mut drill.verdict);
        drill.began = now() - jiff::SignedDuration::from_hours(24 * days);
        drill.commit = Some("ffac537e6cbbf934b08745a378932722df287a53".to_owned());
        Entry {
            position: Position {
                log: String::new(),
                index: 7,
                recorded: now(),
            },
            record: String::new(),
            drill,
        }
    }

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[rstest]
    #[case::open("PROVEN", 89, "role", None, &[])]
    #[case::of_the_day("PROVEN", 90, "role", None, &[])]
    #[case::too_old("PROVEN", 91, "role", None, &[Refusal::TooOld])]
    #[case::of_the_future("PROVEN", -1, "role", None, &[Refusal::TooOld])]
    #[case::not_proven("NOT PROVEN", 1, "role", None, &[Refusal::NotProven])]
    #[case::objective_missed("OBJECTIVE MISSED", 1, "role", None, &[Refusal::NotProven])]
    #[case::a_word_that_is_not_known("PROVEN?", 1, "role", None, &[Refusal::NotProven])]
    #[case::with_waivers("PROVEN WITH WAIVERS", 1, "role", None, &[])]
    #[case::checks_passed("CHECKS PASSED", 1, "role", None, &[Refusal::NotProven])]
    #[case::not_covered("PROVEN", 1, "role,append-only", None, &[Refusal::NotCovered])]
    #[case::one_of_the_kind_failed("PROVEN", 1, "rls", None, &[Refusal::NotCovered])]
    #[case::rehearsed("PROVEN", 1, "role", Some(("SAFE", 1)), &[])]
    #[case::rehearsed_long_ago("PROVEN", 1, "role", Some(("SAFE", 91)), &[Refusal::NotRehearsed])]
    #[case::unsafe_("PROVEN", 1, "role", Some(("UNSAFE", 1)), &[Refusal::NotRehearsed])]
    #[case::everything("NOT PROVEN", 91, "tenant", Some(("UNSAFE", 1)),
        &[Refusal::NotProven, Refusal::TooOld, Refusal::NotCovered, Refusal::NotRehearsed])]
    fn what_closes_the_gate(
        #[case] verdict: &str,
        #[case] days: i64,
        #[case] covers: &str,
        #[case] rehearsal: Option<(&str, i64)>,
        #[case] expected: &[Refusal],
    ) {
        let wanted = Wanted {
            scenarios: Vec::new(),
            max_age: Some(Duration::from_secs(90 * 86_400)),
            covers: covers.split(',').map(str::to_owned).collect(),
            rehearsed: rehearsal.is_some(),
            commit: None,
        };
        let found = Found {
            drill: Some(entry(Kind::Drill, verdict, days)),
            without: Vec::new(),
            rehearsal: rehearsal.map(|(verdict, days)| entry(Kind::Rehearsal, verdict, days)),
        };
        let refusals: Vec<Refusal> = judge(&found, &wanted, now())
            .into_iter()
            .map(|(refusal, _)| refusal)
            .collect();
        assert_eq!(refusals, expected);
        let nothing: Vec<Refusal> = judge(&Found::default(), &wanted, now())
            .into_iter()
            .map(|(refusal, _)| refusal)
            .collect();
        let both = [Refusal::NotDrilled, Refusal::NotRehearsed];
        assert_eq!(nothing, both[..if wanted.rehearsed { 2 } else { 1 }]);
    }

    #[rstest]
    #[case("2026-11-24", &[])]
    #[case("2026-11-23", &[Refusal::NotProven])]
    fn a_waiver_that_ended_since_closes_the_gate(
        #[case] until: &str,
        #[case] expected: &[Refusal],
    ) {
        let mut drill = entry(Kind::Drill, "PROVEN WITH WAIVERS", 2);
        drill.drill.waivers = vec![WaiverSummary {
            check: "role/app".to_owned(),
            object: "*".to_owned(),
            reason: "removed with the next release".to_owned(),
            owner: "Ann".to_owned(),
            until: until.parse().unwrap(),
            findings: 1,
        }];
        let found = Found {
            drill: Some(drill),
            ..Found::default()
        };
        let refusals = judge(&found, &Wanted::default(), now()).into_iter();
        let refusals: Vec<Refusal> = refusals.map(|(refusal, _)| refusal).collect();
        assert_eq!(refusals, expected);
    }

    #[rstest]
    #[case("ffac537", true)]
    #[case("FFAC537e6cbbf934b08745a378932722df287a53", true)]
    #[case("ffac538", false)]
    fn a_commit_may_be_shortened(#[case] commit: &str, #[case] same: bool) {
        assert_eq!(
            is_of_commit(&entry(Kind::Rehearsal, "SAFE", 1), Some(commit)),
            same
        );
    }

    #[rstest]
    #[case(Kind::Drill, "PROVEN", true)]
    #[case(Kind::Drill, "NOT PROVEN", true)]
    #[case(Kind::Drill, "INCONCLUSIVE", false)]
    #[case(Kind::Drill, "INTERRUPTED", false)]
    #[case(Kind::Rehearsal, "UNSAFE", true)]
    #[case(Kind::Rehearsal, "NOTHING PENDING", false)]
    fn what_says_nothing_decides_nothing(
        #[case] kind: Kind,
        #[case] verdict: &str,
        #[case] is: bool,
    ) {
        assert_eq!(is_conclusion(&entry(kind, verdict, 1)), is);
    }
}
