//! Validates `[backup.base]`, `[backup.wal]` and the sections of tools, with the place of every error.

use std::ops::Range;

use toml::de::DeValue;

use super::settings::{FOLDER, SEGMENT};
use super::tool::{self, TOOLS};
use crate::backup::source::settings::validate_s3_folder;
use crate::input::Problem;
use crate::input::decode::Table;
use crate::input::table::{key_span, table_at};

/// Validates these sections, and refuses what only dumps have. Values of a wrong type are reported when the table is
/// decoded.
pub fn validate(backup: &Table<'_>, problems: &mut Vec<Problem>) {
    tool::validate(backup, problems);
    let of_tool = TOOLS.iter().any(|(name, ..)| backup.contains_key(*name));
    if of_tool {
        refuse_of_dumps(backup, problems);
    }
    let Some((base, place)) = table_at(backup, "base") else {
        if of_tool {
            return;
        }
        if let Some(place) = key_span(backup, "wal") {
            problems.push(
                Problem::at(
                    place,
                    "archived WAL needs the base backup that it continues",
                )
                .hint("add `[backup.base]` with `path`, `newest` or `command`"),
            );
        }
        return;
    };
    let one = "write `newest = \"backups/base-*\"`, `path` with the folder of one backup, or `command` of a tool that writes it into `{folder}`";
    let of_base = Section {
        name: "[backup.base]",
        locations: &["path", "newest", "command"],
        one_of: "`path`, `newest` and `command`",
        example: one,
        placeholder: FOLDER,
        command: "command = [\"pgbackrest\", \"--stanza=main\", \"--pg1-path={folder}\", \"restore\"]",
    };
    of_base.validate(base, &place, problems);
    if let Some((wal, place)) = table_at(backup, "wal") {
        let of_wal = Section {
            name: "[backup.wal]",
            locations: &["path", "s3", "command"],
            one_of: "`path`, `s3` and `command`",
            example: "write `path = \"wal\"`, the folder that `archive_command` writes to, `s3 = { bucket = \"backups\", prefix = \"wal/\" }`, or `command` of a tool that writes `{segment}` to `{file}`",
            placeholder: SEGMENT,
            command: "command = [\"pgbackrest\", \"--stanza=main\", \"--pg1-path={folder}\", \"archive-get\", \"{segment}\", \"{file}\"]",
        };
        of_wal.validate(wal, &place, problems);
        if let Some((s3, _)) = table_at(wal, "s3") {
            validate_s3_folder(s3, problems);
        }
    }
    refuse_of_dumps(backup, problems);
}

/// Refuses what only dumps have.
fn refuse_of_dumps(backup: &Table<'_>, problems: &mut Vec<Problem>) {
    let of_dumps = [
        ("globals", "a base backup contains all roles"),
        ("sha256", "its manifest has a checksum of each file"),
        (
            "previous",
            "rows of a base backup are not known before it is recovered",
        ),
    ];
    for (key, why) in of_dumps {
        if let Some(place) = key_span(backup, key) {
            let problem = Problem::at(place, format!("`{key}` is for dumps: {why}"));
            problems.push(problem.hint(format!("remove `{key}`")));
        }
    }
}

/// The keys of both tables.
const KNOWN: [&str; 8] = [
    "path", "newest", "parents", "s3", "command", "env", "timeout", "writes",
];
/// Those of a command.
const OF_COMMAND: [&str; 3] = ["env", "timeout", "writes"];

/// A table with one location, which may be a command.
struct Section {
    name: &'static str,
    /// Keys of which there is exactly one.
    locations: &'static [&'static str],
    /// The same in words.
    one_of: &'static str,
    /// The hint where there is none, or several.
    example: &'static str,
    /// What the command must contain.
    placeholder: &'static str,
    /// The hint where it does not.
    command: &'static str,
}

impl Section {
    fn validate(&self, table: &Table<'_>, place: &Range<usize>, problems: &mut Vec<Problem>) {
        let given = self.locations.iter();
        let given: Vec<&str> = given
            .copied()
            .filter(|key| table.contains_key(*key))
            .collect();
        // A misspelt key has its own error.
        if given.len() > 1
            || given.is_empty()
                && table
                    .keys()
                    .all(|key| KNOWN.contains(&key.get_ref().as_ref()))
        {
            let what = format!("`{}` has exactly one of {}", self.name, self.one_of);
            problems.push(Problem::at(place.clone(), what).hint(self.example));
        }
        let Some(command) = table.get("command") else {
            for key in OF_COMMAND {
                if let Some(place) = key_span(table, key) {
                    let what = format!(
                        "`{key}` is for `command`, which `{}` does not have",
                        self.name
                    );
                    problems.push(
                        Problem::at(place, what)
                            .hint(format!("remove `{key}`, or add `{}`", self.command)),
                    );
                }
            }
            return;
        };
        let DeValue::Array(words) = command.get_ref() else {
            return;
        };
        let mut texts = words
            .iter()
            .map(|word| word.get_ref().as_str().unwrap_or_default());
        if texts.next().is_none_or(str::is_empty) {
            problems.push(
                Problem::at(command.span(), "no program is set")
                    .hint(format!("write `{}`", self.command)),
            );
        } else if !texts.any(|word| word.contains(self.placeholder)) {
            let what = format!("no argument has `{}`", self.placeholder);
            problems
                .push(Problem::at(command.span(), what).hint(format!("write `{}`", self.command)));
        }
    }
}
