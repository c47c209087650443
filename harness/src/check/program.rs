//! Programs of the user's that a check starts: where they are, what they get, what is shown of their words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::check::Restored;
use crate::input::program::inherit;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::{self, Place, Program, Running};
use crate::sql::{quote_ident, quote_literal};
use crate::units::show_counted;

/// What a program gets of redrill's own environment, so that it finds programs and its own folders.
/// Nothing else: a variable of the shell may well name the production database.
const INHERITED: &[&str] = &["PATH", "HOME", "LANG", "TMPDIR"];

/// Lines of output that a finding shows.
const LINES: usize = 15;

/// Characters of a line that a finding shows.
const LINE: usize = 300;

/// Starts a program of the user, where it reaches the server: in a network of its own if the server requires TLS.
///
/// # Errors
/// When it cannot be started, or the server does not require TLS any more.
pub async fn start(
    restored: &Restored<'_>,
    mut command: impl Iterator<Item = String>,
    environment: Vec<(String, String)>,
    working_directory: Option<&Path>,
) -> Result<Running, CouldNotRun> {
    let place = match restored.server.tls() {
        Some(tls) => {
            // After the restore, so that it holds for the server which the program meets.
            tls.probe().await?;
            Place::Network(tls.namespaces().clone())
        }
        None => Place::Here,
    };
    let folder = folder(restored, working_directory)?;
    if !folder.is_dir() {
        // The system would report the program as missing.
        let what = if folder.exists() {
            "is not a folder"
        } else {
            "does not exist"
        };
        return Err(CouldNotRun::with_hint(
            restored
                .redactor
                .clean(&format!("the folder {} {what}", folder.display())),
            "correct `working-directory`; it is relative to the folder of the scenario file",
        ));
    }
    process::spawn(Program {
        path: path(restored, &command.next().unwrap_or_default())?,
        arguments: command.collect(),
        environment,
        folder: Some(folder),
        place,
        run: restored.run.to_owned(),
        ..Program::default()
    })
    .map_err(|error| {
        CouldNotRun::new(restored.redactor.clean(&error.to_string()))
            .hint("`command` is relative to the scenario file, or is found in PATH")
    })
}

/// The files that the words of a program name: the program itself, where it is not found in `PATH`, and its arguments, relative to
/// where it starts. Options and placeholders are none, and what is no file is left out by whoever reads them.
#[must_use]
pub fn inputs(command: &[String], working_directory: Option<&Path>) -> Vec<PathBuf> {
    let Some((program, arguments)) = command.split_first() else {
        return Vec::new();
    };
    let program = program.contains('/').then(|| PathBuf::from(program));
    let arguments = arguments
        .iter()
        .filter(|word| !word.starts_with('-') && !word.contains('{'))
        .map(|word| working_directory.map_or_else(|| PathBuf::from(word), |at| at.join(word)));
    program.into_iter().chain(arguments).collect()
}

/// Gives what a program gets of redrill's own environment.
pub fn inherited(restored: &Restored<'_>) -> impl Iterator<Item = (String, String)> {
    inherit(restored.environment, INHERITED)
}

/// Finds the program: with a `/` it is relative to the scenario file, without it is looked for in
/// `PATH`.
///
/// # Errors
/// When this process has no working folder any more.
fn path(restored: &Restored<'_>, program: &str) -> Result<PathBuf, CouldNotRun> {
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
fn folder(restored: &Restored<'_>, folder: Option<&Path>) -> Result<PathBuf, CouldNotRun> {
    absolute(restored.folder.join(folder.unwrap_or(Path::new("."))))
}

/// Makes a path absolute: the program starts in a folder of its own.
fn absolute(path: PathBuf) -> Result<PathBuf, CouldNotRun> {
    std::path::absolute(&path)
        .map_err(|error| CouldNotRun::new(format!("{}: {error}", path.display())))
}

/// Whether a role may log in.
const LOGIN: &str = "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {role}";

/// Gives a finding for the first role that does not exist.
///
/// # Errors
/// When a role may not log in, so that no program can connect as it.
pub async fn find_missing_role<'r>(
    restored: &Restored<'_>,
    roles: impl Iterator<Item = &'r str>,
) -> Result<Option<Finding>, CouldNotRun> {
    let roles: BTreeSet<&str> = roles.collect();
    if roles.is_empty() {
        return Ok(None);
    }
    let mut session = restored.session().await?;
    let mut missing = None;
    for role in roles {
        let sql = LOGIN.replace("{role}", &quote_literal(role));
        match session.value(&sql).await?.as_deref() {
            Some("t") => {}
            Some(_) => {
                let reason = format!(
                    "{} may not log in, so no program can connect as it",
                    quote_ident(role)
                );
                return Err(
                    CouldNotRun::new(reason).hint("name the role that the program logs in as")
                );
            }
            None => {
                let finding = Finding::about(
                    format!("role {}", quote_ident(role)),
                    "a role",
                    "there is none in the restored server",
                );
                missing = Some(finding.hint("look for its CREATE ROLE in the backup"));
                break;
            }
        }
    }
    session.close().await;
    Ok(missing)
}

/// Fills in the places of a text, in one pass: placeholders in values are not replaced.
#[must_use]
pub fn fill(text: &str, places: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match places
            .iter()
            .find(|(place, _)| rest.starts_with(place.as_str()))
        {
            Some((place, value)) => {
                out.push_str(value);
                rest = &rest[place.len()..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Describes the output of a program: its last lines without control characters if `show` is set,
/// otherwise their number, since any of them may contain a value.
#[must_use]
pub fn describe_output(name: &str, output: &str, show: bool) -> String {
    let count = output.lines().count();
    if count == 0 {
        return format!("{name} wrote nothing");
    }
    if !show {
        let lines = show_counted(count, "line");
        return format!("{name} wrote {lines}; `show-output = true` shows the last of them");
    }
    let lines: Vec<String> = output
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(|line| {
            // Control characters would act on the terminal that shows the finding.
            line.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(LINE)
                .collect()
        })
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    format!("{name}'s output ends with:\n{}", last.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("--port={port}", "--port=8080")]
    #[case("{worker.port}{port}", "80818080")]
    #[case("{url}", "postgres://{port}/x")]
    #[case("{\"a\": {port}}", "{\"a\": 8080}")]
    #[case("{unknown}", "{unknown}")]
    fn places_are_filled_in_once(#[case] text: &str, #[case] filled: &str) {
        let places = [
            ("{port}".to_owned(), "8080".to_owned()),
            ("{worker.port}".to_owned(), "8081".to_owned()),
            ("{url}".to_owned(), "postgres://{port}/x".to_owned()),
        ];
        assert_eq!(fill(text, &places), filled);
    }

    #[test]
    fn output_is_shown_only_where_it_is_wanted_and_is_cut() {
        let output = "no \"alice\" here\nalice\n\u{1b}[31mred\n\n";
        assert!(!describe_output("it", output, false).contains("alice"));
        assert_eq!(
            describe_output("it", output, true),
            "it's output ends with:\nno \"alice\" here\nalice\n [31mred"
        );
        assert_eq!(describe_output("it", "", true), "it wrote nothing");
        let long = "line\n".repeat(1000);
        assert_eq!(
            describe_output("it", &long, true).lines().count(),
            LINES + 1
        );
        assert!(describe_output("it", &"x".repeat(10_000), true).len() < LINE + 30);
    }
}
