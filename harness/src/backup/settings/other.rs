//! The backup that the command line names in place of that of a scenario.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::SOURCES;
use crate::input::Problem;
use crate::input::decode::Table;
use crate::input::table::key_span;

/// Keys that are about the file that a source gives.
const OF_THE_FILE: &[&str] = &["sha256", "settled", "time", "pick"];

/// Sources of base backups.
const OF_BASE_BACKUPS: &[&str] = &["base", "pgbackrest", "barman"];

/// A backup that the command line names in place of that of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct OtherBackup<'a> {
    /// Its path, absolute.
    pub path: &'a Path,
    /// Its file of roles, absolute; `None` for the one that `globals` selects.
    pub globals: Option<&'a Path>,
}

/// Puts the path of another backup in place of the source in `[backup]`, before anything of it is read.
///
/// # Errors
/// The scenario has several parts, so that one path says too little.
pub fn replace_source(
    backup: &mut Spanned<DeValue<'_>>,
    other: OtherBackup<'_>,
) -> Result<(), Problem> {
    let span = backup.span();
    if let DeValue::Table(table) = backup.get_mut() {
        if let Some(key) = key_span(table, "part") {
            let problem = Problem::at(
                key,
                "`--backup` names one backup, and this one has several parts",
            );
            return Err(problem.hint(
                "let a variable name the file of a part: `path = \"${USERS_DUMP}\"`, or its folder: `newest = \"${BACKUPS}/users-*.dump\"`",
            ));
        }
        let is_base = table
            .keys()
            .any(|key| OF_BASE_BACKUPS.contains(&key.get_ref().as_ref()));
        for key in SOURCES.iter().chain(OF_THE_FILE) {
            table.remove(*key);
        }
        let set = |table: &mut Table<'_>, name: &'static str, path: &Path| {
            // It names no variable.
            let path = path.display().to_string().replace("${", "$${");
            let key = Spanned::new(span.clone(), name.into());
            table.remove(name);
            table.insert(
                key,
                Spanned::new(span.clone(), DeValue::String(path.into())),
            );
        };
        if is_base {
            let mut base = Table::new();
            set(&mut base, "path", other.path);
            let key = Spanned::new(span.clone(), "base".into());
            table.insert(key, Spanned::new(span.clone(), DeValue::Table(base)));
        } else {
            set(table, "path", other.path);
        }
        if let Some(globals) = other.globals {
            set(table, "globals", globals);
        }
    }
    Ok(())
}

/// The places of the values that name the backup. Those of parts are none of them: the command line cannot name a part.
#[must_use]
pub fn source_places(backup: &Spanned<DeValue<'_>>) -> Vec<Range<usize>> {
    let DeValue::Table(table) = backup.get_ref() else {
        return Vec::new();
    };
    let is_source = |key: &str| SOURCES.contains(&key);
    let sources = table.iter().filter(|(key, _)| is_source(key.get_ref()));
    let values = sources.flat_map(|(_, value)| match value.get_ref() {
        DeValue::Table(table) => table.values().collect(),
        _ => vec![value],
    });
    values.map(Spanned::span).collect()
}

/// Adds to errors about variables of the source that the command line can name a backup instead.
pub fn hint_at_option(source: &[Range<usize>], problems: &mut [Problem]) {
    for problem in problems {
        let is_of_source = problem.span.as_ref().is_some_and(|at| source.contains(at));
        if let Some(hint) = problem.hint.as_mut().filter(|_| is_of_source) {
            hint.push_str("; or name a backup: `redrill run SCENARIO --backup FILE`");
        }
    }
}
