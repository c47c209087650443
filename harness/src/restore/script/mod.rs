//! Restores plain SQL: every statement as psql would send it, every row to the COPY that waits for it. An archive is
//! restored as the SQL that `pg_restore` makes of it.
//!
//! psql is not used: it reads rows as SQL and as commands of its own where a COPY failed, and it must be
//! believed how far it came. Here the server says whether it waits for rows; rows that nobody waits for are
//! passed over. The file is decompressed and split while it is sent, so memory use does not grow with it.
//!
//! One session sends the statements in their order. Where `order` and `fresh` know that the result is the same, others work
//! beside it: they load rows, and build indexes and constraints. What fails there is tried once more, alone and in its
//! place, so that errors are those of a restore in order.
//!
//! - `content`: the text of the dump; `sending`: the session that reads it; `commands`: `\connect`; `others`: what it gives to
//!   other sessions; `errors`: what is reported
//! - `stub`: what is passed over of an extension that is not there
//! - `left_out`: which statements are passed over where only some rows are restored
//! - `order`: which statements may run beside others, and the tables that they claim
//! - `fresh`: which tables other sessions may load
//! - `session_settings`: what the other sessions must have set, or cannot have
//! - `schedule`: which of the waiting statements may begin
//! - `pool`: the other sessions; `session`: what each does; `loading`: the rows on their way to them

mod commands;
pub(super) mod content;
mod errors;
mod fresh;
mod left_out;
mod loading;
mod order;
mod others;
mod pool;
mod schedule;
mod sending;
mod session;
mod session_settings;
mod stub;

use std::time::Instant;

use pgdump::script::lexer::End;

use self::sending::{Broken, Sending};
use super::method::{self, PartLog, Work};
use crate::backup::Part;
use crate::backup::format::Format;
use crate::backup::packing::Layer;
use crate::outcome::{CouldNotRun, Finding};
use crate::units::show_counted;

/// Restores a dump, beginning in `database`.
pub(super) async fn restore(
    work: &Work<'_>,
    part: &Part,
    database: &str,
) -> Result<PartLog, CouldNotRun> {
    let began = Instant::now();
    let sending = Sending::new(work, part, (database, began));
    let sent = tokio::task::spawn_blocking(move || sending.run()).await;
    let sent = sent.map_err(|error| CouldNotRun::new(error.to_string()))?;
    let duration = began.elapsed();
    let sent = match sent {
        Ok(sent) => sent,
        Err(Broken::File(error)) => {
            return Err(method::unreadable(part, &error));
        }
        Err(Broken::Server(error)) => return Err(method::broken_off(work.server, error).await),
    };
    let (mut errors, mut unable) = sent
        .log
        .findings(work.mask(), work.globals_beside, |message| {
            (!message.command.is_empty()).then(|| message.command.clone())
        });
    unable.extend(method::changed(part, &sent.digest));
    if let End::InRows { line } | End::InStatement { line, .. } = sent.end {
        errors.push(Finding::about(
            format!("line {line} of the dump"),
            "the statement ends before the dump does",
            "it does not",
        ));
    }
    let mut method = match part.format {
        Format::Plain => format!(
            "statement by statement, as `{} FILE | psql` does",
            part.layers.first().map_or("cat", Layer::undone_by)
        ),
        Format::Archive(_) => "statement by statement, as `pg_restore` does".to_owned(),
    };
    if sent.sessions > 0 {
        method.push_str(&format!(
            ", rows and indexes by {}",
            show_counted(sent.sessions, "session")
        ));
    }
    let phases = method::phases(sent.data, sent.post, duration);
    Ok(PartLog::new(
        method,
        (duration, phases, sent.steps),
        sent.log,
        errors,
        unable,
    ))
}
