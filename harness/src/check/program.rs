//! Programs of the user's that a check starts: where they are, what they get, what is shown of their words.

use std::path::{Path, PathBuf};

use crate::check::Restored;
use crate::outcome::CouldNotRun;
use crate::sqlstate::without_quoted;

/// What a program gets of redrill's own environment, so that it finds programs and its own folders.
/// Nothing else: a variable of the shell may well name the production database.
const INHERITED: &[&str] = &["PATH", "HOME", "LANG", "TMPDIR"];

/// Lines of output that a finding shows.
const LINES: usize = 15;

/// Characters of a line that a finding shows.
const LINE: usize = 300;

/// Gives what a program gets of redrill's own environment.
pub fn inherited(restored: &Restored<'_>) -> impl Iterator<Item = (String, String)> {
    INHERITED.iter().filter_map(|name| {
        let value = restored.environment.get(*name)?;
        Some(((*name).to_owned(), value.clone()))
    })
}

/// Finds the program: with a `/` it is relative to the scenario file, without it is looked for in
/// `PATH`.
///
/// # Errors
/// When this process has no working folder any more.
pub fn path(restored: &Restored<'_>, program: &str) -> Result<PathBuf, CouldNotRun> {
    if program.contains('/') {
        absolute(restored.folder.join(program))
    } else {
        Ok(PathBuf::from(program))
    }
}

/// Gives the folder that it starts in.
///
/// # Errors
/// When this process has no working folder any more.
pub fn folder(restored: &Restored<'_>, folder: Option<&Path>) -> Result<PathBuf, CouldNotRun> {
    absolute(restored.folder.join(folder.unwrap_or(Path::new("."))))
}

/// Makes a path absolute: the program starts in a folder of its own.
fn absolute(path: PathBuf) -> Result<PathBuf, CouldNotRun> {
    std::path::absolute(&path)
        .map_err(|error| CouldNotRun::new(format!("{}: {error}", path.display())))
}

/// Gives the last lines of an output that is free of secrets; without `whole`, also of what may be
/// a value of a row: quoted text, and the lines in which the server explains an error.
#[must_use]
pub fn tail(output: &str, whole: bool) -> String {
    let explains = |line: &str| {
        let lower = line.to_ascii_lowercase();
        ["detail", "context:", "failing row", "where:"]
            .iter()
            .any(|word| lower.contains(word))
    };
    let lines: Vec<String> = output
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && (whole || !explains(line)))
        .map(|line| {
            let line = if whole {
                line.to_owned()
            } else {
                without_quoted(line)
            };
            // Control characters would act on the terminal that shows the finding.
            line.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(LINE)
                .collect()
        })
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_and_holds_no_values() {
        let output = "first\nno \"alice\" here\nDETAIL: Key (email)=(alice)\n\u{1b}[31mred\n\n";
        assert_eq!(tail(output, false), "first\nno \"…\" here\n [31mred");
        assert!(tail(output, true).contains("alice"));
        let long = "line\n".repeat(1000);
        assert_eq!(tail(&long, false).lines().count(), LINES);
        assert_eq!(tail(&"x".repeat(10_000), false).len(), LINE);
    }
}
