//! Tools that restore a base backup and give its archived WAL: one tool, one file. Each is the two commands that a person would
//! write into `[backup.base]` and `[backup.wal]`.

pub mod barman;
pub mod pgbackrest;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::settings::{FetchCommand, FetchKeys, SCENARIO};
use crate::input::Problem;
use crate::input::decode::Table;
use crate::input::secret::SecretText;
use crate::input::table::{key_span, table_at};
use crate::units::Span;

/// The sections of tools below `[backup]`, with a key that each requires, and an example of it.
pub const TOOLS: [(&str, &str, &str); 2] = [
    ("pgbackrest", "stanza", "stanza = \"main\""),
    ("barman", "server", "server = \"main\""),
];

/// The commands of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCommands {
    /// Writes the base backup.
    pub base: FetchCommand,
    /// Gives a file of archived WAL.
    pub wal: FetchCommand,
}

/// What the commands of a tool have in common.
struct Tool {
    section: &'static str,
    /// What to do where the program cannot be started.
    program: &'static str,
    env: BTreeMap<String, SecretText>,
    writes: Vec<PathBuf>,
    timeout: Option<Span>,
    wal_timeout: Option<Span>,
}

impl Tool {
    /// Its commands with these programs and arguments.
    fn commands(self, base: Vec<String>, wal: Vec<String>) -> ToolCommands {
        let command = |words, limit: Option<Span>, key| FetchCommand {
            words,
            env: self.env.clone(),
            timeout: limit.map(|span| span.0),
            writes: self.writes.clone(),
            keys: FetchKeys {
                section: self.section,
                limit: key,
                program: self.program,
            },
        };
        ToolCommands {
            base: command(base, self.timeout, "timeout"),
            wal: command(wal, self.wal_timeout, "wal-timeout"),
        }
    }
}

/// A path of a scenario as an argument, absolute where the command runs.
fn absolute(path: &Path) -> String {
    match path.is_absolute() {
        true => path.display().to_string(),
        false => format!("{SCENARIO}/{}", path.display()),
    }
}

/// Validates the section of a tool, and refuses what belongs to other base backups. Values of a wrong type are reported when the table is
/// decoded.
pub fn validate(backup: &Table<'_>, problems: &mut Vec<Problem>) {
    for (name, required, example) in TOOLS {
        let Some((tool, place)) = table_at(backup, name) else {
            continue;
        };
        let value = tool.get(required).map(toml::Spanned::get_ref);
        let is_empty =
            |value: &DeValue<'_>| matches!(value, DeValue::String(text) if text.is_empty());
        if value.is_none_or(is_empty) {
            let what = format!("`[backup.{name}]` names no {required}");
            problems.push(Problem::at(place, what).hint(format!("add `{example}`")));
        }
        if let Some(program) = tool
            .get("program")
            .filter(|value| is_empty(value.get_ref()))
        {
            problems.push(
                Problem::at(program.span(), "no program is set")
                    .hint(format!("remove `program` for the `{name}` in `PATH`")),
            );
        }
        if let Some(place) = key_span(backup, "wal") {
            let what = format!("`[backup.{name}]` gives the archived WAL too");
            let problem = Problem::at(place, what);
            problems
                .push(problem.hint("remove `[backup.wal]`, or use `[backup.base]` with `command`"));
        }
    }
}
