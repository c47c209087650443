//! Settings of the whole server, by `ALTER SYSTEM`.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChangeClass, ClusterChange, State, name};
use crate::catalog::ObjectId;
use crate::database::{DatabaseError, Session};

const SETTINGS: &str = r"
SELECT name, setting FROM pg_catalog.pg_file_settings WHERE sourcefile ~ '/postgresql\.auto\.conf$' ORDER BY seqno";

/// Reads them.
pub(super) async fn read(session: &mut Session) -> Result<BTreeMap<String, String>, DatabaseError> {
    let rows = session.rows(SETTINGS).await?.into_iter();
    let pairs = rows.filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(name), value]) => Some((name, value.unwrap_or_default())),
        _ => None,
    });
    Ok(pairs.collect())
}

/// Lists what differs. Values are not shown: some settings have passwords.
pub(super) fn compare(before: &State, after: &State) -> Vec<ClusterChange> {
    let (before, after) = (&before.settings, &after.settings);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    let changes = changed.map(|setting| {
        let verb = match after.contains_key(setting) {
            true => "set",
            false => "reset",
        };
        let text = format!("the server has another {setting} from its next reload or start on");
        ClusterChange {
            loses: true,
            ..name::change(
                &ObjectId::database(),
                ChangeClass::Changed,
                format!("alter system {verb} {setting}"),
                text,
            )
        }
    });
    changes.collect()
}
