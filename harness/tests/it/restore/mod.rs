//! What several sessions restore of a plain dump, and report of it, is what psql restores and reports.

mod alike;
mod damaged;
mod fixtures;
mod killed;
mod regression;

use std::sync::Arc;
use std::time::Duration;

use redrill::event::Listener;
use redrill::outcome::{CouldNotRun, Finding};
use redrill::redact::Redactor;
use redrill::restore::settings::{Restore, Sizes};
use redrill::restore::{self, RestoreLog};
use redrill::server::settings::Server;
use redrill::server::{Client, ClientInput, ThrowawayServer, Wanted};
use redrill::sqlstate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Plur, given, inspect, work};

/// Limit of one restore: none of these takes longer than some seconds.
const WITHIN: Duration = Duration::from_secs(120);

/// Sizes at which the tables of a small dump are loaded in every way.
const SMALL: Sizes = Sizes {
    split: 2 * 1024 * 1024,
    emptied: 256 * 1024,
};

/// Place and text of an error.
type Error = (String, String);

/// Starts a server and lets the test work with it.
async fn on_server(server: &Server, wanted: &Wanted, test: impl AsyncFnOnce(&Plur)) {
    let run = work().begin().unwrap();
    let folder = run.folder.clone();
    let path = std::env::var("PATH").unwrap();
    let server = ThrowawayServer::start(server, wanted, &run, &path)
        .await
        .unwrap();
    given(server, run, redrill::outcome::BackupFacts::default(), test).await;
    assert!(!folder.exists(), "{} is left", folder.display());
}

/// Runs a client program of the server; gives its output and its messages.
async fn client(
    plur: &Plur,
    program: &'static str,
    arguments: &[&str],
    input: &[u8],
) -> (Vec<u8>, String) {
    let mut client = plur
        .server
        .client(Client {
            program,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            input: ClientInput::Pipe,
        })
        .await
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let (mut output, mut messages) = (Vec::new(), Vec::new());
    let (written, read, heard) = tokio::join!(
        async {
            stdin.write_all(input).await?;
            stdin.shutdown().await?;
            drop(stdin);
            Ok::<(), std::io::Error>(())
        },
        client.stdout.read_to_end(&mut output),
        client.stderr.read_to_end(&mut messages),
    );
    written.unwrap();
    read.unwrap();
    heard.unwrap();
    let messages = String::from_utf8_lossy(&messages).into_owned();
    let code = client.end.wait().await.unwrap();
    assert_eq!(code, Some(0), "{program}: {messages}");
    (output, messages)
}

/// Restores a plain dump with psql into a database that is there. The errors are as redrill shows them.
async fn psql(plur: &Plur, database: &str, dump: &[u8]) -> Vec<Error> {
    let database = format!("--dbname={database}");
    let arguments = [
        "--no-psqlrc",
        "--quiet",
        "--set=VERBOSITY=verbose",
        "--output=/dev/null",
        &database,
        "--file=-",
    ];
    let (_, messages) = client(plur, "psql", &arguments, dump).await;
    let lines: Vec<&[u8]> = dump.split(|byte| *byte == b'\n').collect();
    let mut errors: Vec<(u64, String, String)> = Vec::new();
    for line in messages.lines() {
        if let Some((place, error)) = line.split_once(": ERROR:  ") {
            let (_, number) = place.rsplit_once(':').unwrap();
            let (state, message) = error.split_once(": ").unwrap();
            errors.push((
                number.parse().unwrap(),
                state.to_owned(),
                message.to_owned(),
            ));
        } else if let Some(context) = line.strip_prefix("CONTEXT:  COPY ")
            && let Some((table, row)) = context.split_once(", line ")
        {
            let row = row.split(|c: char| !c.is_ascii_digit()).next().unwrap();
            let (place, ..) = errors.last_mut().unwrap();
            // psql names the line where the rows end.
            let end = usize::try_from(*place).unwrap().min(lines.len());
            let copies = |line: &&[u8]| {
                let line = String::from_utf8_lossy(line);
                line.starts_with("COPY ") && line.contains(&format!(".{table} ("))
            };
            let copy = lines[..end].iter().rposition(copies);
            *place = copy.unwrap() as u64 + 1 + row.parse::<u64>().unwrap();
        }
    }
    let names = &plur.server.endpoint().names;
    let shown = errors.into_iter().map(|(line, state, message)| {
        let text = sqlstate::shown(&state, &message, false, names);
        (
            format!("line {line} of the dump"),
            format!("{text} ({state})"),
        )
    });
    shown.collect()
}

/// Restores a plain dump with redrill, into a database that the restore creates.
async fn redrill(plur: &Plur, dump: &[u8], settings: &Restore) -> Result<RestoreLog, CouldNotRun> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.sql");
    std::fs::write(&file, dump).unwrap();
    let backup = inspect(&file).await;
    let listener = Arc::new(|_| {}) as Listener;
    let redactor = Redactor::default();
    let restoring = restore::restore(&plur.server, &backup, settings, &redactor, &listener);
    let Ok(ended) = tokio::time::timeout(WITHIN, restoring).await else {
        // Its thread would keep this process from ending with a panic. The next run removes the server.
        eprintln!("the restore did not end within {WITHIN:?}");
        std::process::exit(101);
    };
    ended
}

fn into(database: &str, jobs: u16, sizes: Sizes) -> Restore {
    Restore {
        database: Some(database.to_owned()),
        jobs: Some(jobs),
        sizes,
        ..Restore::default()
    }
}

fn errors_of(log: &RestoreLog) -> Vec<Error> {
    let of = |finding: &Finding| {
        let object = finding.object.clone();
        (object.unwrap_or_default(), finding.actual.clone())
    };
    assert_eq!(log.unable, []);
    log.errors.iter().map(of).collect()
}

/// The database as pg_dump writes it, with the rows of each table sorted: several sessions mix them.
async fn dumped(plur: &Plur, database: &str) -> Vec<String> {
    let database = format!("--dbname={database}");
    let (text, _) = client(plur, "pg_dump", &[&database], b"").await;
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<String> = Vec::new();
    let mut rows = None;
    for line in text.lines() {
        match rows {
            None if line.starts_with("COPY ") => rows = Some(lines.len() + 1),
            Some(from) if line == "\\." => {
                lines[from..].sort_unstable();
                rows = None;
            }
            // Each dump has a key of its own there.
            None if line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ") => {
                continue;
            }
            _ => {}
        }
        lines.push(line.to_owned());
    }
    assert!(lines.len() > 10, "{lines:?}");
    lines
}

/// The first lines in which two databases differ; `None` where they are equal.
fn difference(one: &[String], other: &[String]) -> Option<String> {
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let around = |lines: &[String]| {
        let lines: Vec<&str> = lines[at.saturating_sub(3).min(lines.len())..]
            .iter()
            .take(6)
            .map(|line| line.get(..200).unwrap_or(line))
            .collect();
        lines.join("\n")
    };
    Some(format!("{}\n--- and ---\n{}", around(one), around(other)))
}
