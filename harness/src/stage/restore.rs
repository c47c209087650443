//! Restores the backup.

use super::server::unfit;
use super::{Facts, Passed, Staged, Stopped, of_server, unable};
use crate::context::Context;
use crate::needed::RowsLeftOut;
use crate::outcome::{CouldNotRun, Finding, RestoreFacts};
use crate::pipeline::Cluster;
use crate::restore::settings::Restore;
use crate::restore::{RestoreLog, recovery, restore_needed};
use crate::units::{show_counted, show_duration};
use crate::upgrade::setting;

/// Restores the backup and judges the log. `major` is that of the rehearsal of an upgrade.
pub async fn restore(
    settings: &Restore,
    left_out: &RowsLeftOut,
    clusters: &[Cluster<'_>],
    major: Option<u32>,
    context: &Context,
) -> Staged<RestoreLog> {
    let unfit: Vec<Finding> = clusters
        .iter()
        .flat_map(|one| unfit(&one.backup, one.server))
        .collect();
    if let Some(first) = unfit.first() {
        let summary = format!("the server lacks what the backup needs: {}", first.expected);
        return unable(Stopped::could_not_run(summary, unfit));
    }
    let redactor = &context.redactor;
    let rows = (&left_out.held, &left_out.none_because);
    let restored = async {
        let mut whole: Option<RestoreLog> = None;
        // One server after the other: each uses all processors.
        for one in clusters {
            if let Some(base) = &one.backup.physical {
                // Boxed: as a part of this future it takes more of the stack than a thread of tests has.
                let recovered =
                    Box::pin(recovery::recover(one.server, base, settings, one.run)).await;
                whole = Some(recovered.map_err(|error| of_server(one.name, error))?);
                continue;
            }
            let log = restore_needed(
                one.server,
                &one.backup,
                (settings, left_out),
                redactor,
                &context.listener,
            );
            let log = log.await.map_err(|error| of_server(one.name, error))?;
            match &mut whole {
                None => whole = Some(log),
                Some(whole) => whole.join(log, settings),
            }
        }
        let mut whole = whole.unwrap_or_default();
        if let Some(to) = major.filter(|_| !whole.errors.is_empty()) {
            name_settings(clusters, to, &mut whole).await?;
        }
        Ok::<_, CouldNotRun>(whole)
    };
    match restored.await {
        Err(error) => {
            let facts = Facts {
                restore: Some(RestoreFacts {
                    left_out: rows.0.clone(),
                    none_left_out_because: rows.1.clone(),
                    ..RestoreFacts::default()
                }),
                ..Facts::default()
            };
            (facts, Err(error.into()))
        }
        Ok(mut log) => {
            for finding in &mut log.errors {
                needs_stub(settings, finding);
            }
            log.facts.left_out.clone_from(rows.0);
            log.facts.none_left_out_because.clone_from(rows.1);
            let facts = Facts {
                restore: Some(log.facts.clone()),
                ..Facts::default()
            };
            (facts, judge_restore(log))
        }
    }
}

/// Replaces errors about settings by what the backup sets and the newer major version does not take.
async fn name_settings(
    clusters: &[Cluster<'_>],
    to: u32,
    log: &mut RestoreLog,
) -> Result<(), CouldNotRun> {
    let mut refused = Vec::new();
    for one in clusters {
        if let Some(from) = one.backup.major().filter(|from| *from < to) {
            refused.extend(setting::refused(one.server, &one.backup, from).await?);
        }
    }
    // One of which the restore reports nothing is tolerated.
    refused.retain(|one| log.errors.iter().any(|error| one.explains(error)));
    let is_other = |error: &Finding| !refused.iter().any(|one| one.explains(error));
    log.errors.retain(is_other);
    let findings = refused.iter().map(setting::Refused::finding);
    log.errors.splice(0..0, findings);
    Ok(())
}

/// Says of an error about something that is not there that it may be of an extension that is none.
fn needs_stub(settings: &Restore, finding: &mut Finding) {
    let names = settings.stub.iter().map(|stub| stub.extension.as_str());
    let names: Vec<&str> = names.collect();
    if !names.is_empty() && finding.actual.contains("does not exist") {
        let hint = format!(
            "`[[restore.stub]]` makes nothing of {}: where this is in the schema that the extension makes for itself, name it with `schema`; where the backup itself needs it, remove the entry and drill on a server that has it",
            names.join(", ")
        );
        finding.hint = Some(hint);
    }
}

/// Judges the restore by its log.
fn judge_restore(log: RestoreLog) -> Result<Passed<RestoreLog>, Stopped> {
    let facts = &log.facts;
    if let Some(first) = log.unable.first() {
        let reason = format!(
            "the restore environment failed, so the backup cannot be judged: {}",
            first.actual
        );
        let findings = [log.unable, log.errors].concat();
        return Err(Stopped::could_not_run(reason, findings));
    }
    let took = show_duration(facts.duration);
    if !log.errors.is_empty() {
        let mut summary = format!("{} in {took}", show_counted(facts.errors, "error"));
        if let Some(first) = log.errors.first() {
            summary.push_str(&format!("; the first: {}", first.in_one_line()));
        }
        return Err(Stopped::failed(summary, log.errors));
    }
    let phases: Vec<String> = facts
        .phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, show_duration(phase.duration)))
        .collect();
    let mut summary = format!("no error in {took}");
    if !phases.is_empty() {
        summary.push_str(&format!(" ({})", phases.join(", ")));
    }
    Ok(Passed::new(log, summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn the_log_decides() {
        let finding = || vec![Finding::new("a", "b")];
        assert!(judge_restore(RestoreLog::default()).is_ok());
        let log = RestoreLog {
            errors: finding(),
            ..RestoreLog::default()
        };
        assert_eq!(judge_restore(log).unwrap_err().outcome(), Outcome::Fail);
        let log = RestoreLog {
            errors: finding(),
            unable: finding(),
            ..RestoreLog::default()
        };
        let outcome = judge_restore(log).unwrap_err().outcome();
        assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
    }
}
