//! The command line that repeats a drill.

use std::path::Path;

use super::Asked;
use crate::backup::settings::Composition;
use crate::backup::source::Location;
use crate::cli::REPORTS;
use crate::report::text::shell_word;
use crate::scenario::Scenario;

/// The command that repeats one drill of this run, or its rehearsal `on` a kept server.
pub(super) fn repeating_command(
    command: &[String],
    scenario: &Scenario,
    asked: Asked<'_>,
    on: Option<&str>,
) -> String {
    let arguments = asked.options;
    let program = command
        .first()
        .map_or("redrill", |path| path.rsplit('/').next().unwrap_or(path));
    let mut words = vec![
        program.to_owned(),
        if asked.rehearsal_only() {
            "rehearse"
        } else {
            "run"
        }
        .to_owned(),
        scenario.facts.file.display().to_string(),
    ];
    words.extend(
        on.into_iter()
            .flat_map(|name| ["--on".to_owned(), name.to_owned()]),
    );
    if let Composition::One(subject) = &scenario.backup
        && let Location::Path(path) = &subject.source.location
        && arguments.backup.is_some()
    {
        words.extend(["--backup".to_owned(), path.display().to_string()]);
        let globals = subject.source.globals.clone();
        if let Some(globals) = globals.filter(|_| arguments.globals.is_some()) {
            words.extend(["--globals".to_owned(), globals]);
        }
    }
    if let Some(seed) = scenario.backup.choosing().seed().filter(|_| on.is_none()) {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    if asked.rehearses() && !asked.rehearsal_only() {
        words.push("--rehearse".to_owned());
    }
    if asked.rehearsal_only() && !arguments.only.is_empty() {
        words.extend(["--only".to_owned(), arguments.only.join(",")]);
    }
    if !scenario.facts.only.is_empty() {
        words.extend(["--only".to_owned(), scenario.facts.only.join(",")]);
    }
    if arguments.reports != Path::new(REPORTS) {
        words.extend([
            "--reports".to_owned(),
            arguments.reports.display().to_string(),
        ]);
    }
    if let Some(provider) = arguments.server {
        words.extend(["--server".to_owned(), provider.word().to_owned()]);
    }
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    words.join(" ")
}
