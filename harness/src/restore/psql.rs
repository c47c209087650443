//! Restores plain SQL with `psql` of the version of the server, as a person does: it rehearses the literal command.
//!
//! What psql says is believed for what it is: the drill compares the database with the dump afterwards.

use std::io::{self, BufRead as _};
use std::time::Instant;

use tokio_util::io::SyncIoBridge;

use super::log::Log;
use super::messages::MessageParser;
use super::method::{PartLog, Work, changed, unreadable};
use super::script::content::Content;
use crate::backup::Part;
use crate::event::Event;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::Lines;
use crate::server::{Client, ClientInput};

/// Restores a plain dump, beginning in `database`.
pub(super) async fn restore(
    work: &Work<'_>,
    part: &Part,
    database: &str,
) -> Result<PartLog, CouldNotRun> {
    let arguments = [
        "--no-psqlrc",
        "--no-password",
        "--quiet",
        // With the SQLSTATE of each error, and the function of the server that raised it.
        "--variable=VERBOSITY=verbose",
        "--output=/dev/null",
        "--file=-",
        "--dbname",
        database,
    ];
    let began = Instant::now();
    let mut client = work
        .server
        .client(Client {
            program: "psql",
            arguments: arguments.map(str::to_owned).into(),
            input: ClientInput::Pipe,
        })
        .await?;
    let stdin = client
        .stdin
        .take()
        .ok_or_else(|| CouldNotRun::new("psql has no standard input; this is a bug in redrill"))?;
    let mut input = SyncIoBridge::new(stdin);
    let (content, _) = Content::open(part, database);
    let (listener, total) = (work.listener.clone(), part.text_bytes);
    let sending = tokio::task::spawn_blocking(move || {
        let sent = send(content, &mut input, |bytes| {
            listener(Event::Restored {
                bytes: bytes.min(total),
                total,
            });
        });
        // psql ends at the end of its input.
        let ended = input.shutdown();
        sent.and_then(|digest| ended.map(|()| digest))
    });
    let (tolerance, mask) = (work.tolerance(part), work.mask());
    let mut messages = Log::default();
    let mut parser = MessageParser::default();
    let mut lines = Lines::of(client.stderr);
    while let Some(line) = lines.next().await {
        if let Some(message) = parser.psql(&line) {
            messages.add(message, &tolerance, mask);
        }
    }
    if let Some(message) = parser.end() {
        messages.add(message, &tolerance, mask);
    }
    let code = client.end.wait().await?;
    let duration = began.elapsed();
    let sent = sending
        .await
        .map_err(|error| CouldNotRun::new(error.to_string()))?;
    let (mut errors, mut unable) = messages.findings(mask, work.globals_beside, |_| None);
    match sent {
        Ok(digest) => unable.extend(changed(part, &digest)),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            let finding = Finding::new("psql reads the dump to its end", "it ended before");
            errors.push(finding.hint("see the other messages and the memory of the machine"));
        }
        Err(error) => {
            return Err(unreadable(part, &error));
        }
    }
    if code != Some(0) {
        let actual = match code {
            Some(code) => format!("it ended with code {code}"),
            None => "it ended with a signal".to_owned(),
        };
        let finding = Finding::new("psql ends with code 0", actual);
        errors.push(finding.hint("see the other messages and the memory of the machine"));
    }
    let times = (duration, Vec::new(), Vec::new());
    let method = "psql".to_owned();
    Ok(PartLog::new(method, times, messages, errors, unable))
}

/// Sends the dump; returns the digest of its file. Blocks.
fn send(
    mut content: Content,
    input: &mut impl io::Write,
    report: impl Fn(u64),
) -> io::Result<String> {
    /// Bytes between two reports of the progress.
    const STEP: u64 = 16 * 1024 * 1024;
    let (mut bytes, mut reported) = (0, 0);
    loop {
        let chunk = content.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        let length = chunk.len();
        input.write_all(chunk)?;
        content.consume(length);
        bytes += length as u64;
        if bytes - reported >= STEP {
            reported = bytes;
            report(bytes);
        }
    }
    input.flush()?;
    content.end()
}
