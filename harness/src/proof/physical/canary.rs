//! The canary: its newest row before the target is there, and none after it.

use jiff::Timestamp;

use super::settings::Pitr;
use super::{Recovered, open};
use crate::backup::base::settings::Target;
use crate::outcome::{CanaryFacts, CouldNotRun, Finding};
use crate::sql::QualifiedName;
use crate::units::show_counted;

/// Reads the canary.
///
/// # Errors
/// The server ended; the scenario does not say which database it is in.
pub(super) async fn read(
    recovered: &Recovered<'_>,
    pitr: &Pitr,
    findings: &mut Vec<Finding>,
) -> Result<CanaryFacts, CouldNotRun> {
    let database = match (&pitr.database, recovered.databases) {
        (Some(named), _) => named,
        (None, [only]) => only,
        (None, several) => {
            return Err(CouldNotRun::with_hint(
                format!(
                    "`[pitr]` does not name the database of the canary, and there are {}",
                    several.join(", ")
                ),
                "add `database = \"…\"` to `[pitr]`",
            ));
        }
    };
    let base = recovered.base;
    let last_commit = base.wal.times.map(|(_, last)| last);
    let until = match &base.recovery.target {
        Target::Time(time) => Some(*time),
        Target::Latest => Some(Timestamp::now()),
        Target::Immediate | Target::Lsn(_) | Target::Transaction(_) | Target::Name(_) => {
            last_commit
        }
    };
    let mut facts = CanaryFacts {
        table: pitr.canary.clone(),
        until,
        every: pitr.every.0,
        ..CanaryFacts::default()
    };
    let name = QualifiedName::parse(&pitr.canary).map_err(|_| {
        CouldNotRun::with_hint(
            format!(
                "`canary = \"{}\"` in `[pitr]` is no name of a table",
                pitr.canary
            ),
            "write the schema and the name: `public.redrill_canary`",
        )
    })?;
    let after = match &base.recovery.target {
        Target::Time(time) => format!("at > '{time}'"),
        Target::Lsn(lsn) => format!("lsn > '{lsn}'"),
        _ => "false".to_owned(),
    };
    let statement = format!(
        "SELECT pg_catalog.count(*), pg_catalog.to_char(pg_catalog.max(at), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), pg_catalog.count(*) FILTER (WHERE {after}) FROM {name}"
    );
    let mut session = open(recovered.server, database).await?;
    let rows = session.rows(&statement).await;
    session.close().await;
    let expected = "a table with the columns `at` and `lsn`, and rows";
    let row = match rows {
        Ok(rows) => rows.into_iter().next().unwrap_or_default(),
        Err(error) => {
            let found = super::fault(&pitr.canary, expected, error)?;
            findings.push(found.hint("`redrill explain pitr` has the statements that make it; the base backup must be newer"));
            return Ok(facts);
        }
    };
    let number = |at: usize| {
        row.get(at)
            .and_then(|value| value.as_deref()?.parse::<u64>().ok())
    };
    facts.rows = number(0).unwrap_or_default();
    facts.newest = row.get(1).and_then(|value| value.as_deref()?.parse().ok());
    let later = number(2).unwrap_or_default();
    if facts.rows == 0 {
        findings.push(
            Finding::about(&pitr.canary, expected, "no row")
                .hint("the job that writes the canary does not run on the source, or everything it wrote is lost"),
        );
    }
    if later > 0 {
        findings.push(
            Finding::about(
                &pitr.canary,
                format!("no row after {}", base.target),
                format!("{} after it", show_counted(later, "row")),
            )
            .hint(
                "the recovery went further than its target, or the clock of the source was changed",
            ),
        );
    }
    Ok(facts)
}
