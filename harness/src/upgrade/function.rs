//! Functions of the backup whose names the newer server has itself: a call without a schema reaches that one instead.

use std::collections::BTreeSet;

use super::{Both, Differences, unreadable};
use crate::database::DatabaseError;
use crate::outcome::{CouldNotRun, UpgradeStep};
use crate::server::ThrowawayServer;

/// Functions of the server: name and number of arguments.
const BUILT_IN: &str = "SELECT DISTINCT proname || ' ' || pronargs FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace";

/// Functions of the database that belong to no extension: the same, and as SQL names each.
const OWN: &str = "
SELECT p.proname || ' ' || p.pronargs, pg_catalog.format('%s(%s)', p.oid::pg_catalog.regproc, pg_catalog.pg_get_function_identity_arguments(p.oid))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                                                    AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 2";

/// Lists the functions of the database whose names only the newer server has.
pub(super) async fn compare(
    both: &Both<'_>,
    database: &str,
    differences: &mut Differences,
) -> Result<(), CouldNotRun> {
    let built_in = tokio::try_join!(read(both.old, database), read(both.new, database));
    let ((before, _), (now, own)) = built_in.map_err(|error| unreadable(&error))?;
    let to = both.majors().1;
    for (key, function) in own {
        if now.contains(&key) && !before.contains(&key) {
            let name = key.split(' ').next().unwrap_or_default();
            differences.steps.push(UpgradeStep {
                about: format!("function {function}"),
                change: format!("PostgreSQL {to} has a function `{name}` of its own, which calls without a schema may reach instead"),
                action: "call it with its schema, or drop it where that of the server does the same".to_owned(),
            });
        }
    }
    Ok(())
}

/// The functions of the server, and those of the database.
async fn read(
    server: &ThrowawayServer,
    database: &str,
) -> Result<(BTreeSet<String>, Vec<(String, String)>), DatabaseError> {
    let mut session = server.session(database).await?;
    session.run("SET search_path = ''").await?;
    let built_in = session.rows(BUILT_IN).await?;
    let own = session.rows(OWN).await?;
    session.close().await;
    let pairs = own.into_iter().filter_map(|row| {
        let mut cells = row.into_iter().flatten();
        cells.next().zip(cells.next())
    });
    Ok((
        built_in.into_iter().flatten().flatten().collect(),
        pairs.collect(),
    ))
}
