//! Which database each dump of a backup is restored into.

use super::settings::Restore;
use crate::backup::{Backup, Part};
use crate::outcome::Finding;

/// The database for a dump that names none.
const UNNAMED: &str = "restored";

/// The database to create for a dump; `None` for a dump that connects to its database itself.
#[must_use]
pub fn database_of(part: &Part, settings: &Restore) -> Option<String> {
    if !part.contents.connects.is_empty() || part.is_globals() {
        return None;
    }
    let in_bundle = part.named_database.as_ref();
    let only = settings.database.as_ref().filter(|_| in_bundle.is_none());
    let database = settings
        .databases
        .get(&part.name)
        .or(only)
        .or(part.contents.origin.as_ref())
        .or(in_bundle);
    Some(database.map_or_else(|| UNNAMED.to_owned(), Clone::clone))
}

/// All databases that the backup is restored into, in order.
#[must_use]
pub fn databases(backup: &Backup, settings: &Restore) -> Vec<String> {
    let mut all = Vec::new();
    for part in &backup.parts {
        let own = database_of(part, settings);
        for database in own.into_iter().chain(part.contents.databases()) {
            if !all.contains(&database) {
                all.push(database);
            }
        }
    }
    all
}

/// Errors in the databases that the scenario assigns: two dumps for one database, a database for a
/// dump that does not exist.
#[must_use]
pub fn problems(backup: &Backup, settings: &Restore) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, part) in backup.parts.iter().enumerate() {
        let Some(database) = database_of(part, settings) else {
            continue;
        };
        let other = backup.parts[..at]
            .iter()
            .find(|other| database_of(other, settings).as_ref() == Some(&database));
        if let Some(other) = other {
            findings.push(
                Finding::about(
                    &part.name,
                    "a separate database",
                    format!("it is restored into `{database}`, like {}", other.name),
                )
                .hint("assign a database to each: `[restore] databases = { \"FILE\" = \"DATABASE\" }`"),
            );
        }
    }
    for name in settings.databases.keys() {
        if !backup.parts.iter().any(|part| part.name == *name) {
            let names: Vec<&str> = backup.parts.iter().map(|part| part.name.as_str()).collect();
            findings.push(
                Finding::about(
                    name,
                    "a dump of the bundle with this name, which `databases` in `[restore]` names",
                    format!("the backup contains {}", names.join(", ")),
                )
                .hint("correct the name, including its folders"),
            );
        }
    }
    findings
}
