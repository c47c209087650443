//! `redrill verify`: whether the log of a state is complete, in order and unchanged.

mod files;
mod several;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::abort::{Abort, Ended};
use super::print::out;
use crate::cli;
use crate::exit_code::{Ending, worst};
use crate::input::Environment;
use crate::ledger::sign_command::VerifyCommand;
use crate::ledger::{Checkpoint, Kept, Verified, key, verify};
use crate::outcome::{CouldNotRun, Refusal};
use crate::redact::Redactor;
use crate::report::text::line;
use crate::state::{At, State};
use crate::units::show_counted;

/// How many problems and notes are printed.
const SHOWN: usize = 20;

/// Runs the command.
pub async fn run(arguments: cli::Verify, environment: &Environment) -> Ended {
    let kept = brought(
        arguments.signers.as_deref(),
        arguments.checkpoint.as_deref(),
        (arguments.verify_command.as_deref(), environment),
    )?;
    let files = files::read(&arguments.files)?;
    let state = Arc::new(existing_state(&arguments.state, environment).await?);
    let verified = verify(&state, &kept, &files::names(&files)).await?;
    out(&text(&state, &verified, &kept));
    let of_log = match verified.problems.is_empty() {
        true => Ending::Done,
        false => Ending::Closed(Refusal::NotVerified),
    };
    let of_files = files::verify(&state, &files, &verified.found).await?;
    Ok(worst([of_log, of_files]))
}

/// Opens a state; `None` where there is none.
pub(super) async fn open_state(
    place: &str,
    environment: &Environment,
) -> Result<Option<State>, CouldNotRun> {
    let at = At {
        place,
        environment,
        redactor: &Redactor::default(),
    };
    State::open(&at).await
}

/// Opens a state that must be there.
pub(super) async fn existing_state(place: &str, environment: &Environment) -> Result<State, Abort> {
    let state = open_state(place, environment).await?;
    state.ok_or_else(|| no_state(place))
}

/// The error that there is no state.
pub(super) fn no_state(place: &str) -> Abort {
    Abort::nothing_found(format!(
        "there is no state at {place}\nhint: name it with `--state`; `redrill run` writes it beside the scenarios"
    ))
}

/// What the auditor brings.
pub(super) fn brought(
    signers: Option<&Path>,
    checkpoint: Option<&str>,
    (command, environment): (Option<&str>, &Environment),
) -> Result<Kept, Abort> {
    let command = command.map(|text| VerifyCommand::read(text, environment));
    let mut kept = Kept {
        command: command.transpose()?,
        ..Kept::default()
    };
    if let Some(path) = signers {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        kept.keys = key::allowed(&text);
        if kept.keys.is_empty() {
            return Err(Abort::invalid(format!(
                "{} has no ed25519 key\nhint: `--signers` takes a `.pub` file of ssh-keygen, or an allowed_signers file",
                path.display()
            )));
        }
    }
    if let Some(given) = checkpoint {
        let text = match Checkpoint::parse(given) {
            Some(_) => given.to_owned(),
            None => {
                fs::read_to_string(given).map_err(|error| unreadable(Path::new(given), &error))?
            }
        };
        let checkpoint = Checkpoint::parse(&text).ok_or_else(|| {
            Abort::invalid(format!(
                "{given} is no checkpoint\nhint: it has the name of the log, a number and a digest in base64, as each report shows them"
            ))
        })?;
        kept.checkpoint = Some(checkpoint);
    }
    Ok(kept)
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> CouldNotRun {
    CouldNotRun::new(format!("cannot read {}: {error}", path.display()))
}

fn text(state: &State, verified: &Verified, kept: &Kept) -> String {
    let mut text = match verified.problems.is_empty() {
        true => "VERIFIED",
        false => "NOT VERIFIED",
    }
    .to_owned();
    let fact =
        |text: &mut String, name: &str, value: &str| text.push_str(&format!("{name:<12}{value}\n"));
    text.push_str(&format!("  {}\n", state.place()));
    list(
        &mut text,
        "",
        &verified
            .problems
            .iter()
            .map(|(place, why)| format!("{place} {why}"))
            .collect::<Vec<_>>(),
    );
    fact(
        &mut text,
        "entries",
        &format!(
            "{}, {} with their record",
            verified.entries, verified.records
        ),
    );
    for (key, count) in &verified.signed {
        fact(
            &mut text,
            "signed",
            &format!("{} by {}", show_counted(*count, "drill"), key.fingerprint()),
        );
    }
    for (id, count) in &verified.by_command {
        fact(
            &mut text,
            "signed",
            &format!("{} by {id}", show_counted(*count, "drill")),
        );
    }
    if verified.unsigned > 0 {
        fact(
            &mut text,
            "not signed",
            &show_counted(verified.unsigned, "drill"),
        );
    }
    if let Some(checkpoint) = &verified.checkpoint {
        fact(&mut text, "checkpoint", &checkpoint.line());
    }
    if let Some(checkpoint) = kept
        .checkpoint
        .as_ref()
        .filter(|_| verified.problems.is_empty())
    {
        fact(
            &mut text,
            "kept",
            &format!(
                "the log of {} then is the beginning of this one",
                show_counted(checkpoint.size, "drill")
            ),
        );
    }
    list(&mut text, "note", &verified.notes);
    list(&mut text, "not proven", &verified.not_proven);
    text
}

fn list(text: &mut String, name: &str, entries: &[String]) {
    for entry in entries.iter().take(SHOWN) {
        text.push_str(&match name {
            "" => format!("  {}\n", line(entry)),
            name => format!("{name:<12}{}\n", line(entry)),
        });
    }
    if entries.len() > SHOWN {
        text.push_str(&format!("  and {} more\n", entries.len() - SHOWN));
    }
}
