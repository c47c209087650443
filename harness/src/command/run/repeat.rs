//! The command line that repeats a drill.

use std::path::Path;

use crate::backup::settings::Composition;
use crate::backup::source::Location;
use crate::cli::{REPORTS, Run};
use crate::scenario::Scenario;

/// The command that repeats one drill of this run.
pub(super) fn repeating_command(
    command: &[String],
    scenario: &Scenario,
    arguments: &Run,
) -> String {
    let program = command
        .first()
        .map_or("redrill", |path| path.rsplit('/').next().unwrap_or(path));
    let mut words = vec![
        program.to_owned(),
        if arguments.rehearsal_only {
            "rehearse"
        } else {
            "run"
        }
        .to_owned(),
        scenario.facts.file.display().to_string(),
    ];
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
    if let Some(seed) = scenario.backup.choosing().seed() {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    if arguments.rehearse && !arguments.rehearsal_only {
        words.push("--rehearse".to_owned());
    }
    if arguments.rehearsal_only && !arguments.only.is_empty() {
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
    words
        .iter()
        .map(|word| {
            let plain = word
                .chars()
                .all(|c| c.is_alphanumeric() || "-_./:=,".contains(c));
            if plain {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
