//! The versions of extensions on two major versions.

use std::collections::BTreeMap;

use super::{Both, Differences, unreadable};
use crate::check::extension::version::Dotted;
use crate::database::DatabaseError;
use crate::outcome::{CouldNotRun, Finding, UpgradeStep};
use crate::server::ThrowawayServer;

/// The extensions of the database, each with the version that a restore installs.
const INSTALLED: &str = "SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1";

/// Compares the versions that a restore installs: an upgrade in place keeps that of the older server until it is updated.
pub(super) async fn compare(
    both: &Both<'_>,
    database: &str,
    differences: &mut Differences,
) -> Result<(), CouldNotRun> {
    let installed = tokio::try_join!(read(both.old, database), read(both.new, database));
    let (old, new) = installed.map_err(|error| unreadable(&error))?;
    let (from, to) = both.majors();
    for (name, was) in old {
        // One that is not there is a difference of the definitions.
        let Some(is) = new.get(&name).filter(|is| **is != was) else {
            continue;
        };
        let object = format!("extension {name}");
        match Dotted::read(&was).zip(Dotted::read(is)) {
            Some((was_number, is_number)) if is_number > was_number => {
                differences.steps.push(UpgradeStep {
                    about: object,
                    change: format!("{was} on PostgreSQL {from}, {is} on {to}"),
                    action: format!("after an upgrade in place: `ALTER EXTENSION {name} UPDATE`"),
                });
            }
            _ => differences.found.push((
                object.clone(),
                Finding::about(
                    object,
                    format!("version {was} or newer, as on PostgreSQL {from}"),
                    format!("version {is}"),
                )
                .hint(format!(
                    "install its version {was} or newer for PostgreSQL {to} before the upgrade"
                )),
            )),
        }
    }
    Ok(())
}

async fn read(
    server: &ThrowawayServer,
    database: &str,
) -> Result<BTreeMap<String, String>, DatabaseError> {
    let mut session = server.session(database).await?;
    let rows = session.rows(INSTALLED).await?;
    session.close().await;
    let pairs = rows.into_iter().filter_map(|row| {
        let mut cells = row.into_iter().flatten();
        cells.next().zip(cells.next())
    });
    Ok(pairs.collect())
}
