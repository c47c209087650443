//! Several backups that are restored as one: each is found and inspected by itself, then they become one [`Backup`].

use super::bundle;
use super::examine::{Purpose, examine};
use super::inspect::no_rows;
use super::settings::Composition;
use super::settings::parts::{PartSubject, Parts};
use super::source::{Place, apart};
use super::{Backup, Part};
use crate::outcome::{Before, CouldNotRun, Finding, TimeSource};
use crate::units::{show_counted, show_duration};

/// Finds and inspects the backup of a scenario.
///
/// # Errors
/// When there is none, or it cannot be inspected. Faults of the backup are in [`Backup::problems`].
pub async fn examine_all(
    composition: &Composition,
    place: &Place<'_>,
    purpose: Purpose,
) -> Result<Backup, CouldNotRun> {
    let mut backup = match composition {
        Composition::One(subject) => examine(subject, place, purpose).await?,
        Composition::Parts(parts) => examine_parts(parts, place, purpose).await?,
    };
    // Roles alone are a part of a backup, and no backup.
    let is_globals = !backup.parts.is_empty() && backup.parts.iter().all(Part::is_globals);
    if is_globals {
        backup.problems.insert(0, no_rows());
    }
    Ok(backup)
}

/// Inspects one part after the other, as each already reads with all processors.
async fn examine_parts(
    parts: &Parts,
    place: &Place<'_>,
    purpose: Purpose,
) -> Result<Backup, CouldNotRun> {
    let (mut inspected, mut failed) = (Vec::new(), Vec::new());
    for (number, part) in parts.parts.iter().enumerate() {
        let spool = place.spool.join(number.to_string());
        let place = Place {
            spool: &spool,
            ..*place
        };
        match examine(&part.subject, &place, purpose).await {
            Ok(backup) => inspected.push((part, backup)),
            Err(error) => failed.push((part, error)),
        }
    }
    if let Some((_, first)) = failed.first() {
        let reasons = failed
            .iter()
            .map(|(part, error)| format!("part `{}`: {}", part.name, error.reason));
        return Err(CouldNotRun {
            reason: reasons.collect::<Vec<_>>().join("; "),
            hint: first.hint.clone(),
        });
    }
    compose(parts, inspected, place)
}

/// Makes one backup of all parts.
fn compose(
    parts: &Parts,
    inspected: Vec<(&PartSubject, Backup)>,
    place: &Place<'_>,
) -> Result<Backup, CouldNotRun> {
    let each = |of: &dyn Fn(&Backup) -> Option<String>| {
        let texts = inspected
            .iter()
            .filter_map(|(part, backup)| Some(format!("{}: {}", part.name, of(backup)?)));
        texts.collect::<Vec<_>>().join("; ")
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let files: Vec<_> = inspected
        .iter()
        .map(|(part, backup)| (part.name.clone(), backup.bytes, backup.sha256.clone()))
        .collect();
    let formats: Vec<&str> = inspected
        .iter()
        .map(|(_, backup)| backup.format.as_str())
        .collect();
    let count = show_counted(inspected.len() as u64, "backup");
    let format = match formats.iter().all(|format| *format == formats[0]) {
        true => format!("{count}, each {}", formats[0]),
        false => format!("{count}: {}", formats.join("; ")),
    };
    let night = one_night(parts, &inspected)?;
    let (misfits, odd) = misfits(&inspected);
    let mut backup = Backup {
        path: place.folder.to_owned(),
        origin: each(&|backup| Some(backup.origin.clone())),
        chosen: format!("each as the scenario says{}", night.spread),
        candidates: (Vec::new(), 0),
        picked: None,
        format,
        fetched_in: inspected
            .iter()
            .filter_map(|(_, backup)| backup.fetched_in)
            .reduce(|one, other| one + other),
        bytes: files.iter().map(|(_, bytes, _)| bytes).sum(),
        unpacked_bytes: None,
        sha256: bundle::digest(&files),
        digest: some(each(&|backup| backup.digest.clone())),
        // What is lost is lost since the oldest. A part of unknown age may be older.
        made: inspected
            .iter()
            .map(|(_, backup)| backup.made)
            .collect::<Option<Vec<_>>>()
            .and_then(|times| times.into_iter().min_by_key(|(time, _)| *time)),
        parts: Vec::new(),
        physical: None,
        tiers: Vec::new(),
        companions: Vec::new(),
        previous: some(each(&|backup| backup.previous.clone())),
        before: before(&inspected),
        manifest: None,
        globals_beside: inspected
            .iter()
            .find_map(|(_, backup)| backup.globals_beside.clone()),
        missing_roles: None,
        problems: [misfits, night.problems].concat(),
        warnings: [odd, night.warnings].concat(),
        consists_of: inspected
            .iter()
            .map(|(part, backup)| (part.name.clone(), backup.facts()))
            .collect(),
    };
    for (part, own) in inspected {
        let name = &part.name;
        let within = |finding: Finding| finding.within(name);
        backup.problems.extend(own.problems.into_iter().map(within));
        backup.warnings.extend(own.warnings.into_iter().map(within));
        backup.tiers.extend(
            own.tiers
                .into_iter()
                .map(|tier| tier.measured_on(format!("of {name}"))),
        );
        backup.parts.extend(renamed(part, own.parts));
    }
    backup.parts.sort_by_key(|part| !part.is_globals());
    Ok(backup)
}

/// Names the dumps of a part after it: one dump, apart from a file of roles, has the name of the part.
fn renamed(of: &PartSubject, parts: Vec<Part>) -> Vec<Part> {
    let name = &of.name;
    let is_main = |part: &Part| parts.len() == 1 || !part.is_globals();
    let mains = parts.iter().filter(|part| is_main(part)).count();
    let own_name = |part: &Part| match is_main(part) && mains == 1 {
        true => name.clone(),
        false => format!("{name}/{}", part.name),
    };
    let names: Vec<String> = parts.iter().map(own_name).collect();
    let parts = parts.into_iter().zip(names);
    parts
        .map(|(part, own)| Part {
            named_database: part.named_database.or_else(|| Some(name.clone())),
            server: of.server.clone(),
            name: own,
            ..part
        })
        .collect()
}

/// The sizes of all parts and of their previous ones, where each has one.
fn before(inspected: &[(&PartSubject, Backup)]) -> Option<Before> {
    let all = inspected.iter().map(|(_, backup)| backup.before.as_ref());
    let all: Vec<&Before> = all.collect::<Option<_>>()?;
    Some(Before {
        name: "the previous one of each part".to_owned(),
        now: all.iter().map(|before| before.now).sum(),
        before: all.iter().map(|before| before.before).sum(),
    })
}

/// Parts that are not what the scenario takes them for: a database without one, or one file for two; and those that may not
/// be, which is a warning.
fn misfits(inspected: &[(&PartSubject, Backup)]) -> (Vec<Finding>, Vec<Finding>) {
    let (mut misfits, mut odd) = (Vec::new(), Vec::new());
    for (at, (part, backup)) in inspected.iter().enumerate() {
        let is_globals = backup.parts.iter().all(Part::is_globals);
        if part.database.is_some() && is_globals && !backup.parts.is_empty() {
            misfits.push(no_rows().within(&part.name));
        }
        // Roles of two clusters may be written with the same bytes.
        let same = |other: &&(&PartSubject, Backup)| {
            other.1.origin == backup.origin || (other.1.sha256 == backup.sha256 && !is_globals)
        };
        if let Some((other, _)) = inspected[..at].iter().find(same) {
            let actual = format!("the same file as part `{}`: {}", other.name, backup.origin);
            let finding = Finding::about(&part.name, "a backup of its own", actual);
            misfits.push(finding.hint(
                "its own backup is missing, so that its pattern selects that of another part, or the job wrote one file twice",
            ));
        }
        let origins = backup
            .parts
            .iter()
            .filter_map(|part| part.contents.origin.as_ref());
        for origin in
            origins.filter(|origin| part.database.as_ref().is_some_and(|own| own != *origin))
        {
            let own = part.database.clone().unwrap_or_default();
            let expected = format!("a dump of the database `{own}`");
            let finding = Finding::about(&part.name, expected, format!("one of `{origin}`"));
            odd.push(finding.hint(
                "harmless where the part is meant to be restored under another name; otherwise the pattern selects another database",
            ));
        }
    }
    (misfits, odd)
}

/// Whether the parts were taken at one time.
#[derive(Debug, Default)]
struct Night {
    /// How far apart they are, for the sentence that says how the backup was selected.
    spread: String,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// Compares the times of the parts. A modification time is none: a copy changes it, and makes all of them equal.
fn one_night(parts: &Parts, inspected: &[(&PartSubject, Backup)]) -> Result<Night, CouldNotRun> {
    let mut night = Night::default();
    let (mut timed, mut unknown) = (Vec::new(), Vec::new());
    for (part, backup) in inspected {
        match backup.made {
            Some((time, TimeSource::Name | TimeSource::Header)) => {
                timed.push((part.name.as_str(), time))
            }
            Some((_, TimeSource::ModificationTime)) | None => unknown.push(part.name.as_str()),
        }
    }
    if !unknown.is_empty() && inspected.len() > 1 {
        let reason = format!(
            "neither the name nor the header of {} says when it was taken",
            unknown.join(", ")
        );
        let hint = "`time` in `[[backup.part]]` describes the time in a name; without one nobody knows whether the parts are of one night";
        if parts.within_is_set {
            return Err(CouldNotRun::with_hint(reason, hint));
        }
        night
            .warnings
            .push(Finding::new("parts of one night", reason).hint(hint));
    }
    let Some((newest, last)) = timed.iter().max_by_key(|(_, time)| *time) else {
        return Ok(night);
    };
    let older = |time| apart(time, *last);
    let most = timed
        .iter()
        .map(|(_, time)| older(*time))
        .max()
        .unwrap_or_default();
    if timed.len() > 1 {
        night.spread = match most.is_zero() {
            true => "; all of one time".to_owned(),
            false => format!("; taken within {} of each other", show_duration(most)),
        };
    }
    for (name, time) in &timed {
        let behind = older(*time);
        if behind > parts.within {
            let expected = format!(
                "at most {} older than {newest} ({last})",
                show_duration(parts.within)
            );
            let actual = format!("{time}, {} older", show_duration(behind));
            let finding = Finding::about(*name, expected, actual);
            night.problems.push(finding.hint(
                "parts of several nights are no backup of one state: find out why the newer one is missing, unfinished or was not selected; `same-time-within` in `[backup]` allows more",
            ));
        }
    }
    Ok(night)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::backup::inspect::{Inspection, inspect};
    use crate::backup::settings::Subject;
    use crate::backup::source::{Rules, Source, path};
    use crate::backup::spool::Spool;

    /// Parts whose files have these names.
    fn night(names: &[&str], within: Option<Duration>) -> Result<Night, CouldNotRun> {
        let folder = tempfile::tempdir().unwrap();
        let inspected = |name: &&str| {
            let path = folder.path().join(name);
            std::fs::write(
                &path,
                "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n",
            )
            .unwrap();
            let found = path::find(&path, &Rules::default()).unwrap();
            let spool = Spool::in_folder(folder.path().join("spool"));
            let backup = inspect(&found, &Inspection::quiet(spool)).unwrap();
            let part = PartSubject {
                name: (*name).to_owned(),
                subject: Subject::of(Source::path(path)),
                database: None,
                server: None,
            };
            (part, backup)
        };
        let all: Vec<_> = names.iter().map(inspected).collect();
        let parts = Parts {
            parts: Vec::new(),
            within: within.unwrap_or(Duration::from_hours(12)),
            within_is_set: within.is_some(),
        };
        let inspected: Vec<_> = all
            .iter()
            .map(|(part, backup)| (part, backup.clone()))
            .collect();
        one_night(&parts, &inspected)
    }

    const MINUTE: Option<Duration> = Some(Duration::from_mins(1));

    #[rstest]
    #[case::one(&["a-2026-05-25.sql"], None, 0, 0)]
    #[case::one_night(&["a_20260525_020000.sql", "b_20260525_031500.sql"], None, 0, 0)]
    #[case::f46_two_nights(&["a-2026-05-25.sql", "b-2026-05-24.sql"], None, 1, 0)]
    #[case::f46_all_older_ones_are_named(&["a-2026-05-23.sql", "b-2026-05-24.sql", "c-2026-05-25.sql"], None, 2, 0)]
    #[case::date_and_time_of_one_day(&["a-2026-05-25.sql", "b_20260525_230000.sql"], MINUTE, 0, 0)]
    #[case::limit(&["a_20260525_020000.sql", "b_20260525_020100.sql"], MINUTE, 0, 0)]
    #[case::beyond_it(&["a_20260525_020000.sql", "b_20260525_020101.sql"], MINUTE, 1, 0)]
    #[case::a_time_of_the_file_is_none(&["a-2026-05-25.sql", "b.sql"], None, 0, 1)]
    fn parts_are_of_one_night(
        #[case] names: &[&str],
        #[case] within: Option<Duration>,
        #[case] problems: usize,
        #[case] warnings: usize,
    ) {
        let night = night(names, within).unwrap();
        assert_eq!(
            (night.problems.len(), night.warnings.len()),
            (problems, warnings),
            "{night:?}"
        );
    }

    #[test]
    fn without_a_time_nobody_knows() {
        let error = night(&["a-2026-05-25.sql", "b.sql"], MINUTE).unwrap_err();
        assert!(
            error.reason.contains("of b.sql says when it was taken"),
            "{error:?}"
        );
    }
}
