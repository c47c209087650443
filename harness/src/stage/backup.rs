//! Finds and inspects the backup.

use super::{Facts, Passed, Staged, Stopped, unable};
use crate::backup::compose::examine_all;
use crate::backup::examine::Purpose;
use crate::backup::files::blocking;
use crate::backup::source::Place;
use crate::backup::spool::Spool;
use crate::backup::{Backup, companion};
use crate::cleanup::Run;
use crate::context::Context;
use crate::outcome::{CouldNotRun, Finding};
use crate::proof::settings::Level;
use crate::restore::{method, roles, target};
use crate::scenario::Scenario;
use crate::units::{show_bytes, show_counted};

/// Finds and inspects the backup. Its facts are reported even if it is damaged.
/// `creates_roles` is whether the caller creates the roles that the backup lacks.
pub async fn backup(
    scenario: &Scenario,
    creates_roles: bool,
    run: &Run,
    context: &Context,
) -> Staged<Backup> {
    let spool = run.folder.join("backup");
    let place = Place {
        folder: &scenario.folder,
        spool: &spool,
        run: &run.id,
        environment: &context.environment,
        redactor: &context.redactor,
        listener: &context.listener,
    };
    let purpose = match scenario.proof {
        Level::Full => Purpose::Proof,
        Level::Off | Level::Objects | Level::Counts => Purpose::Restore,
    };
    match judged(scenario, &place, purpose).await {
        Err(error) => unable(error.into()),
        Ok(mut backup) => {
            backup.missing_roles.take_if(|_| creates_roles);
            let facts = Facts {
                backup: Some(backup.facts()),
                ..Facts::default()
            };
            let required = scenario.checks.iter().filter(|check| check.required);
            let named = required.filter_map(|check| check.database.as_deref());
            let absent = match &backup.physical {
                // Its databases are known once it was recovered.
                Some(_) => Vec::new(),
                None => target::absent(&backup, &scenario.restore, named),
            };
            (facts, judge_backup(backup, absent))
        }
    }
}

/// Finds and inspects the backup of a scenario, and compares it with the settings of its restore: what `inspect` and a
/// drill report is the same.
///
/// # Errors
/// When there is none, or it cannot be inspected.
pub async fn judged(
    scenario: &Scenario,
    place: &Place<'_>,
    purpose: Purpose,
) -> Result<Backup, CouldNotRun> {
    let mut backup = examine_all(&scenario.backup, place, purpose).await?;
    companion::add(&scenario.companions, place, &mut backup).await?;
    method::check(&backup, &scenario.restore)?;
    if purpose != Purpose::Look {
        let spool = Spool::in_folder(place.spool.to_owned());
        let settings = scenario.restore.clone();
        backup = blocking(move || {
            let parts = backup.parts.iter_mut().enumerate();
            let mut read_by_programs =
                parts.filter(|(_, part)| method::reads_file(part, &settings));
            read_by_programs.try_for_each(|(number, part)| part.unpack(&spool, number))?;
            Ok(backup)
        })
        .await?;
    }
    let misplaced = target::problems(&backup, &scenario.restore);
    backup.problems.extend(misplaced);
    let shared = target::shared_schemas(&backup, &scenario.restore);
    backup.problems.extend(shared);
    let missing = backup
        .by_server()
        .iter()
        .find_map(|(_, group)| roles::missing(group, &scenario.restore));
    backup.missing_roles = missing;
    Ok(backup)
}

/// Judges the backup by its inspection; `absent` are databases that checks are about.
fn judge_backup(backup: Backup, absent: Vec<Finding>) -> Result<Passed<Backup>, Stopped> {
    let name = backup.name();
    if let Some(first) = backup.problems.first() {
        let place = first
            .object
            .as_ref()
            .map(|object| format!("{object}: "))
            .unwrap_or_default();
        let summary = format!(
            "{name} is incomplete, damaged or unsafe: {place}{}",
            first.actual
        );
        return Err(Stopped::failed(
            summary,
            [backup.problems, absent, backup.warnings].concat(),
        ));
    }
    if let Some(first) = absent.first() {
        let database = first.object.as_deref().unwrap_or_default();
        let summary = format!(
            "{name} does not have what checks are about: {database}: {}",
            first.actual
        );
        return Err(Stopped::failed(summary, [absent, backup.warnings].concat()));
    }
    if let Some(missing) = backup.missing_roles {
        let summary = format!("{name} cannot be restored as it is: {}", missing.actual);
        let findings = [vec![missing], backup.warnings].concat();
        return Err(Stopped::failed(summary, findings));
    }
    let facts = backup.facts();
    let holds = match &facts.physical {
        Some(base) => base.contents(),
        None => format!(
            "{} with {}",
            show_counted(facts.tables, "table"),
            show_counted(facts.rows, "row")
        ),
    };
    let (format, bytes) = (&backup.format, show_bytes(backup.bytes));
    let summary = format!("{name}: {format}, {bytes}, {holds}");
    let warnings = backup.warnings.clone();
    Ok(Passed {
        value: backup,
        summary,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::inspect::{Inspection, inspect};
    use crate::backup::source::{Rules, path};
    use crate::backup::spool::Spool;

    fn inspected(text: &str) -> Backup {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sql");
        std::fs::write(&path, text).unwrap();
        let found = path::find(&path, &Rules::default());
        let spool = Spool::in_folder(folder.path().join("spool"));
        inspect(&found.unwrap(), &Inspection::quiet(spool)).unwrap()
    }

    #[test]
    fn a_file_with_a_problem_fails_the_first_stage() {
        let good = inspected("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n");
        assert!(judge_backup(good, Vec::new()).is_ok());
        let cut = inspected("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n");
        let Err(stopped) = judge_backup(cut, Vec::new()) else {
            panic!("a cut file must not pass")
        };
        let Stopped::Failed { summary, findings } = stopped else {
            panic!("a cut file is a fault of the backup")
        };
        assert!(summary.contains("the file ends after 1 of its rows (COPY in line 2)"));
        assert_eq!(findings[0].object.as_deref(), Some("public.t"));
    }
}
