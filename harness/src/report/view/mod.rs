//! Texts and orders that all reports share, so that all of them say the same in the same words.

mod conduct;
mod delivery;
mod evidence;
mod objective;
mod provenance;
mod rows;
mod upgrade;
mod waiver;

use std::time::Duration;

use super::cause::failures;
use jiff::Timestamp;

pub(super) use self::conduct::{conduct, conduct_line, ran_as, role_name, tried_end};
pub(super) use self::delivery::delivery;
pub(super) use self::evidence::{Recorded, evidence, since, since_line};
pub(super) use self::objective::{
    objective_asked, objective_found, objective_line, objective_meaning, objective_word,
};
pub(super) use self::provenance::{host, provenance};
pub(super) use self::rows::{restored_rows, rows, same, word};
pub(super) use self::upgrade::{explained_line, step_line, upgrade, upgrade_line};
pub(super) use self::waiver::{not_required, waiver_line};
use crate::outcome::{
    BackupFacts, ChainFacts, CheckResult, CompanionFacts, DrillResult, FetchFacts, NotTested,
    Outcome, PhysicalFacts, RecoveryFacts, RestoreStep, ServerFacts, StageResult, TimeSource,
};
use crate::units::{listed, show_bytes, show_count, show_counted, show_duration};
use crate::verdict::Verdict;

/// Steps of a restore that are shown.
const STEPS: usize = 10;
/// Checks of the same cause that a line names.
const OTHERS: usize = 5;

/// Shows a time as ISO 8601 in UTC, to the second.
pub(super) fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// When a backup was made, how that is known and how old it was when the drill began.
pub(super) fn made(backup: &BackupFacts, started: Timestamp) -> String {
    let Some((at, source)) = backup.made else {
        return "not known".to_owned();
    };
    format!("{} ({}), {}", utc(at), known_by(source), age(at, started))
}

/// When a backup was made, how that is known and how long ago it was.
pub(crate) fn made_ago(backup: &BackupFacts, now: Timestamp) -> String {
    let Some((at, source)) = backup.made else {
        return "not known".to_owned();
    };
    let ago = match Duration::try_from(now.duration_since(at)) {
        Ok(age) => format!("{} ago", show_duration(age)),
        Err(_) => "in the future, so a clock is wrong".to_owned(),
    };
    format!("{} ({}), {ago}", utc(at), known_by(source))
}

/// What belongs to a backup and is not in it: its path, size and age.
pub(super) fn companion(companion: &CompanionFacts, started: Timestamp) -> String {
    let size = show_bytes(companion.bytes);
    let content = match companion.files {
        1 => size,
        files => format!("{}, {size}", show_counted(files, "file")),
    };
    let made = companion
        .made
        .map_or("at a time that is not known".to_owned(), |(at, source)| {
            format!("{} ({}), {}", utc(at), known_by(source), age(at, started))
        });
    let digest = match (&companion.digest, &companion.sha256) {
        (Some(agrees), _) => format!(", its digest is {agrees}"),
        (None, Some(_)) => String::new(),
        (None, None) => ", not read".to_owned(),
    };
    format!(
        "{}: {}, {content}{digest}; taken {made}",
        companion.name, companion.origin
    )
}

/// How the time of a backup is known.
fn known_by(source: TimeSource) -> &'static str {
    match source {
        TimeSource::Name => "from the file name",
        TimeSource::Header => "from its header",
        TimeSource::ModificationTime => {
            "from the modification time of the file, which copying the file changes"
        }
    }
}

/// How long before the drill a backup was made.
pub(super) fn age(made: Timestamp, started: Timestamp) -> String {
    match Duration::try_from(started.duration_since(made)) {
        Ok(age) => format!("{} before the drill began", show_duration(age)),
        Err(_) => "after the drill began, so a clock is wrong".to_owned(),
    }
}

/// Version, provider and origin of a server, and how programs connect to it where that is by TLS.
pub(super) fn server(server: &ServerFacts) -> String {
    let tls = server.tls.as_ref();
    let tls = tls.map_or_else(String::new, |version| {
        format!("; programs connect by {version}, and without TLS none was let in")
    });
    format!(
        "PostgreSQL {}, {}: {}{tls}",
        server.version, server.provider, server.origin
    )
}

/// What the isolation of the servers lacks, each once.
pub(super) fn weaknesses(result: &DrillResult) -> Vec<&str> {
    let others = result.other_servers.iter().map(|(_, server)| server);
    let all = result.server.iter().chain(others);
    let mut found: Vec<&str> = Vec::new();
    for weakness in all.flat_map(|server| &server.weaknesses) {
        if !found.contains(&weakness.as_str()) {
            found.push(weakness);
        }
    }
    found
}

/// The word for how a stage or a check ended, in capitals where the verdict depends on it.
pub(super) fn label(outcome: &Outcome, required: bool) -> &'static str {
    match (outcome, required) {
        (Outcome::Pass, _) => "pass",
        (Outcome::Fail, true) => "FAIL",
        (Outcome::Fail, false) => "fail, not required",
        (Outcome::Waived, _) => "waived",
        (Outcome::Error(_), true) => "ERROR",
        (Outcome::Error(_), false) => "error, not required",
        (Outcome::Skipped { .. }, _) => "skipped",
    }
}

/// What was found in place of what was expected: never empty for a check that did not pass.
pub(super) fn found(check: &CheckResult) -> &str {
    match (&check.outcome, check.findings.first()) {
        (Outcome::Error(error), _) => &error.reason,
        (_, Some(first)) if check.actual.trim().is_empty() => &first.actual,
        _ if check.actual.trim().is_empty() => "no details were given",
        _ => &check.actual,
    }
}

/// What a person can do about what could not run.
pub(super) fn hint(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Error(error) => error.hint.as_deref(),
        Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Skipped { .. } => None,
    }
}

/// One line on why a check did not pass; empty for one that did.
pub(super) fn why(check: &CheckResult) -> String {
    match &check.outcome {
        Outcome::Pass => String::new(),
        Outcome::Fail | Outcome::Waived if check.expected.trim().is_empty() => {
            found(check).to_owned()
        }
        Outcome::Fail | Outcome::Waived => {
            format!("expected {}, found {}", check.expected, found(check))
        }
        Outcome::Error(error) => format!("could not run: {}", error.reason),
        Outcome::Skipped { reason } => reason.clone(),
    }
}

/// One line on why a stage did not pass; its summary when it did.
pub(super) fn stage_why(stage: &StageResult) -> &str {
    match (&stage.outcome, stage.findings.first()) {
        (Outcome::Skipped { reason }, _) => reason,
        (Outcome::Error(error), _) => &error.reason,
        (_, Some(first)) if stage.summary.trim().is_empty() => &first.actual,
        _ => &stage.summary,
    }
}

/// Sorts the checks: required ones that failed first, those that passed last.
pub(super) fn by_severity(result: &DrillResult) -> Vec<&CheckResult> {
    let mut checks: Vec<&CheckResult> = result.checks.iter().collect();
    checks.sort_by_key(|check| match (&check.outcome, check.required) {
        (Outcome::Fail, true) => 0,
        (Outcome::Error(_), true) => 1,
        (Outcome::Waived, _) => 2,
        (Outcome::Fail, false) => 3,
        (Outcome::Error(_), false) => 4,
        (Outcome::Skipped { .. }, _) => 5,
        (Outcome::Pass, _) => 6,
    });
    checks
}

/// `50 004 rows in 41 tables with rows, 0 large objects, 3 policies`.
pub(super) fn contents(backup: &BackupFacts) -> String {
    if let Some(base) = &backup.physical {
        return base.contents();
    }
    format!(
        "{} in {} with rows, {}, {}",
        show_counted(backup.rows, "row"),
        show_counted(backup.tables, "table"),
        show_counted(backup.large_objects, "large object"),
        show_counted(backup.policies, "policy")
    )
}

/// What a recovery of a base backup reads, by name.
pub(super) fn recovery(base: &PhysicalFacts) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        (
            "cluster",
            format!(
                "{}, data checksums {}, {}",
                base.system_identifier,
                if base.checksums { "on" } else { "off" },
                show_counted(base.tablespaces, "tablespace")
            ),
        ),
        ("recovers to", base.target.clone()),
        (
            "WAL",
            format!(
                "{} to {} on timeline {}, {}",
                base.start,
                base.end,
                base.timeline,
                show_bytes(base.wal_bytes)
            ),
        ),
        (
            "consistent",
            match &base.consistent {
                Some(lsn) => format!("from {lsn} on"),
                None => "nowhere in this WAL".to_owned(),
            },
        ),
        (
            "commits",
            match &base.times {
                Some((first, last)) => {
                    format!("{} from {first} to {last}", show_count(base.commits))
                }
                None => "none in this WAL".to_owned(),
            },
        ),
    ];
    if !base.restore_points.is_empty() {
        facts.push(("points", base.restore_points.join(", ")));
    }
    if let Some(chain) = &base.chain {
        facts.extend(chained(chain));
    }
    if let Some(fetch) = &base.fetch {
        facts.extend(fetched(fetch));
    }
    facts
}

/// The backups of a chain, the full one first.
fn chained(chain: &ChainFacts) -> Vec<(&'static str, String)> {
    let mut kinds = std::iter::once("full").chain(std::iter::repeat("incremental"));
    let backups = chain.backups.iter().map(|one| {
        let kind = kinds.next().unwrap_or_default();
        let line = format!(
            "{} from {} on timeline {}, {}, {}",
            one.name,
            one.start,
            one.timeline,
            one.time,
            show_bytes(one.bytes)
        );
        (kind, line)
    });
    let mut facts: Vec<_> = backups.collect();
    if chain.absent_pages > 0 {
        let pages = show_counted(chain.absent_pages, "page");
        facts.push((
            "zeros",
            format!("{pages} that no backup of the chain has, as the server never wrote them"),
        ));
    }
    facts
}

/// What was fetched, and in which time.
fn fetched(fetch: &FetchFacts) -> Vec<(&'static str, String)> {
    let of_base = fetch
        .base
        .map(|time| format!("base backup in {}", show_duration(time)));
    let of_wal = fetch.wal.map(|time| {
        let files = show_counted(fetch.wal_files, "file");
        format!("{files} of WAL in {}", show_duration(time))
    });
    let confined = fetch
        .confined
        .then(|| "written to folders of the run only".to_owned());
    let parts: Vec<String> = of_base.into_iter().chain(of_wal).chain(confined).collect();
    let mut facts = vec![("fetched", parts.join(", "))];
    facts.extend(
        fetch
            .wal_origin
            .clone()
            .map(|command| ("WAL from", command)),
    );
    facts
}

/// How a recovery ended, and what of the backup is not in effect, by name.
pub(super) fn recovered(recovery: &RecoveryFacts) -> Vec<(&'static str, String)> {
    let rate = recovery.rate().map_or_else(String::new, |rate| {
        format!(", {} per second", show_bytes(rate))
    });
    let mut facts = vec![
        (
            "Ended at",
            format!("{}, and timeline {} began", recovery.end, recovery.timeline),
        ),
        (
            "Replayed",
            format!("{} of WAL{rate}", show_bytes(recovery.replayed)),
        ),
    ];
    let lists = [
        ("Settings that were not taken over", &recovery.switched_off),
        ("Preloaded libraries", &recovery.libraries),
        ("Files that were left out", &recovery.left_out),
        (
            "Unlogged tables, empty after a recovery",
            &recovery.unlogged,
        ),
        ("Collations with another version here", &recovery.collations),
        (
            "Prepared transactions, rolled back before the proof",
            &recovery.prepared,
        ),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    facts.extend(lists.map(|(name, list)| {
        let names: Vec<&str> = list.iter().map(String::as_str).collect();
        (name, listed(&names, 40))
    }));
    facts
}

/// `31 checks: 28 passed, 2 failed (1 of them not required), 1 could not run`.
pub(super) fn check_counts(result: &DrillResult) -> String {
    match result.checks.len() {
        0 => check_outcomes(result),
        some => show_counted(some, "check") + ": " + &check_outcomes(result),
    }
}

/// `28 passed, 2 failed (1 of them not required), 1 could not run`.
pub(super) fn check_outcomes(result: &DrillResult) -> String {
    if result.checks.is_empty() {
        return "no checks".to_owned();
    }
    let mut parts = Vec::new();
    for (word, said) in [
        ("pass", "passed"),
        ("fail", "failed"),
        ("waived", "waived"),
        ("error", "could not run"),
        ("skipped", "skipped"),
    ] {
        let all = result.checks_with(word);
        let optional = result
            .checks
            .iter()
            .filter(|check| !check.required && check.outcome.word() == word)
            .count();
        if all > 0 {
            parts.push(match optional {
                0 => format!("{} {said}", show(all)),
                _ if word == "pass" => format!("{} {said}", show(all)),
                _ if optional == all => format!("{} {said} (not required)", show(all)),
                _ => format!(
                    "{} {said} ({} of them not required)",
                    show(all),
                    show(optional)
                ),
            });
        }
    }
    parts.join(", ")
}

/// The severity that the scenario gives to a drill that did not pass.
pub(super) fn severity(result: &DrillResult, verdict: Verdict) -> Option<&str> {
    result.severity.as_deref().filter(|_| !verdict.passed())
}

/// The longest steps of a restore, every index that searches by approximation, and the number of the other steps.
pub(super) fn longest_steps(steps: &[RestoreStep]) -> (Vec<&RestoreStep>, usize) {
    let mut at = 0;
    let (shown, others): (Vec<_>, Vec<_>) = steps.iter().partition(|step| {
        at += 1;
        at <= STEPS || matches!(step.method.as_deref(), Some("hnsw" | "ivfflat"))
    });
    (shown, others.len())
}

/// Everything that keeps the verdict from being PROVEN, one line each.
pub(super) fn decisive(result: &DrillResult) -> Vec<String> {
    let mut lines = Vec::new();
    if result.interrupted {
        lines.push("the drill was interrupted by a signal".to_owned());
    }
    for stage in &result.stages {
        let word = stage.stage.word();
        match &stage.outcome {
            Outcome::Pass | Outcome::Waived => {}
            Outcome::Fail => lines.push(format!("stage `{word}` failed: {}", stage_why(stage))),
            Outcome::Error(error) => {
                lines.push(format!("stage `{word}` could not run: {}", error.reason));
            }
            Outcome::Skipped { reason } if stage.required => {
                lines.push(format!("stage `{word}` was skipped: {reason}"));
            }
            // The scenario's own decision; `verdict::explain` says it.
            Outcome::Skipped { .. } => {}
        }
    }
    if result.stages.is_empty() {
        lines.push("no stage ran".to_owned());
    }
    let required = failures(result)
        .into_iter()
        .filter(|one| one.check.required);
    for failure in required {
        let check = failure.check;
        let failed = match check.outcome {
            Outcome::Error(_) => "",
            Outcome::Fail | Outcome::Waived | Outcome::Pass | Outcome::Skipped { .. } => "failed: ",
        };
        let mut line = format!("check `{}` {failed}{}", check.title(), why(check));
        if let Some(others) = failure.others_line(OTHERS) {
            line.push_str(&format!("; {others}"));
        }
        lines.push(line);
    }
    for (reason, checks) in skipped(result, |check| check.required) {
        lines.push(match checks.as_slice() {
            [one] => format!("check `{}` was skipped: {reason}", one.title()),
            more => format!("{} checks were skipped: {reason}", show(more.len())),
        });
    }
    if !result
        .checks
        .iter()
        .any(|c| c.required && c.outcome.is_accepted())
        && lines.is_empty()
    {
        lines.push("no required check ran".to_owned());
    }
    for objective in &result.objectives {
        if objective.met() != Some(true) {
            lines.push(format!("objective {}", objective_line(objective)));
        }
    }
    lines
}

/// Groups the skipped checks by their reason, in the order of the scenario.
pub(super) fn skipped(
    result: &DrillResult,
    which: impl Fn(&CheckResult) -> bool,
) -> Vec<(&str, Vec<&CheckResult>)> {
    let mut groups: Vec<(&str, Vec<&CheckResult>)> = Vec::new();
    for check in result.checks.iter().filter(|check| which(check)) {
        if let Outcome::Skipped { reason } = &check.outcome {
            match groups.iter_mut().find(|(known, _)| known == reason) {
                Some((_, checks)) => checks.push(check),
                None => groups.push((reason, vec![check])),
            }
        }
    }
    groups
}

/// What this drill does not prove: what the scenario declares as not tested, and what was skipped,
/// could not run or does not count. Checks that were skipped for the same reason are one entry.
pub(super) fn not_tested(result: &DrillResult) -> Vec<NotTested> {
    let mut list = result.not_tested.clone();
    let mut add = |what: String, why: String| {
        let entry = NotTested { what, why };
        if !list.contains(&entry) {
            list.push(entry);
        }
    };
    for stage in &result.stages {
        let what = format!("stage `{}`: {}", stage.stage.word(), stage.title);
        match &stage.outcome {
            Outcome::Pass | Outcome::Fail | Outcome::Waived => {}
            Outcome::Error(error) => add(what, format!("could not run: {}", error.reason)),
            Outcome::Skipped { reason } => add(what, format!("skipped: {reason}")),
        }
    }
    for (reason, checks) in skipped(result, |_| true) {
        let what = match checks.as_slice() {
            [one] => format!("check `{}`", one.title()),
            several => format!("{} checks", show(several.len())),
        };
        add(what, format!("skipped: {reason}"));
    }
    for check in &result.checks {
        let what = format!("check `{}`", check.title());
        match &check.outcome {
            Outcome::Fail if !check.required => add(
                what,
                format!("failed, but is {}: {}", not_required(check), why(check)),
            ),
            Outcome::Error(_) if check.required => add(what, why(check)),
            Outcome::Error(_) => add(
                what,
                format!("{}; it is {}", why(check), not_required(check)),
            ),
            Outcome::Pass | Outcome::Fail | Outcome::Waived | Outcome::Skipped { .. } => {}
        }
    }
    for objective in result.objectives.iter().filter(|o| o.met().is_none()) {
        add(
            format!("objective `{}`", objective.name),
            "not measured".to_owned(),
        );
    }
    list
}

/// Shows a number of things.
pub(super) fn show(count: usize) -> String {
    show_count(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_from_the_future_shows_a_wrong_clock() {
        let noon: Timestamp = "2025-11-21T12:00:00Z".parse().unwrap();
        let later: Timestamp = "2025-11-21T13:00:00Z".parse().unwrap();
        assert_eq!(age(noon, later), "1 h 00 min before the drill began");
        assert!(age(later, noon).contains("a clock is wrong"));
    }
}
