//! Custom archives by `pg_restore` of the server's own version.
//!
//! An archive says nowhere how many rows it holds, and `pg_restore --list` accepts one that is cut
//! off. So it is first written out as SQL, which reads every byte of it, and the rows are counted.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio_util::io::SyncIoBridge;

use super::log::{Gather, Log, Tolerance};
use super::psql::summarise;
use super::settings::Restore;
use super::{RestoreError, RestoreLog, make_database};
use crate::backup::Backup;
use crate::backup::format::plain;
use crate::outcome::{Finding, Phase, RestoreFacts};
use crate::redact::Redactor;
use crate::server::{Client, ClientInput, ThrowawayServer};

/// Restores a custom archive.
pub(super) async fn restore(
    server: &ThrowawayServer,
    backup: &mut Backup,
    settings: &Restore,
    redactor: &Redactor,
) -> Result<RestoreLog, RestoreError> {
    let errors = read(server, backup, redactor).await?;
    let mut log = RestoreLog {
        errors,
        ..RestoreLog::default()
    };
    if !log.errors.is_empty() {
        log.facts.errors = log.errors.len() as u64;
        return Ok(log);
    }
    log.database = make_database(server, backup, settings).await?;
    let mut arguments: Vec<String> = ["--verbose", "--no-password", "--dbname", &log.database]
        .map(str::to_owned)
        .into();
    // A local pg_restore reads an open file, which it cannot do with several jobs.
    let jobs = settings
        .jobs
        .filter(|jobs| *jobs > 1 && server.facts().provider == "container");
    if let Some(jobs) = jobs {
        arguments.push(format!("--jobs={jobs}"));
    }
    let began = Instant::now();
    let input = ClientInput::Backup(backup.path.clone());
    let mut client = server
        .client(Client {
            program: "pg_restore",
            arguments,
            input,
        })
        .await?;
    let tolerance = Tolerance {
        scenario: &settings.tolerate,
        superuser: &server.endpoint().superuser,
    };
    let mut messages = Log::default();
    let mut gather = Gather::default();
    let (mut data, mut post) = (None, None);
    let mut ignored = None;
    let mut lines = BufReader::new(client.stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        if data.is_none() && line.contains("processing data for table") {
            data = Some(began.elapsed());
        }
        if data.is_some() && post.is_none() && is_post_data(&line) {
            post = Some(began.elapsed());
        }
        if let Some(count) = line.split("errors ignored on restore: ").nth(1) {
            ignored = count.trim().parse::<u64>().ok();
        }
        if let Some(message) = gather.pg_restore(&line) {
            messages.add(message, &tolerance, redactor);
        }
    }
    if let Some(message) = gather.end() {
        messages.add(message, &tolerance, redactor);
    }
    let code = client.end.wait().await?;
    let duration = began.elapsed();
    let (errors, unable) = messages.findings(redactor, |message| {
        (!message.command.is_empty()).then(|| summarise(&message.command))
    });
    (log.errors, log.unable) = (errors, unable);
    let told = messages.count
        + messages
            .tolerated
            .iter()
            .map(|entry| entry.times)
            .sum::<u64>();
    if !came_to_the_end(code, ignored, told) {
        let finding = Finding::new(
            "pg_restore ends with code 0",
            format!(
                "it ended with {}",
                code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"))
            ),
        );
        log.errors.push(finding.hint("it was killed or gave up: look at the messages beside this one and at the machine's memory"));
    }
    log.facts = RestoreFacts {
        method: match jobs {
            Some(jobs) => format!("pg_restore with {jobs} jobs"),
            None => "pg_restore".to_owned(),
        },
        duration,
        phases: phases(data, post, duration),
        errors: messages.count.max(log.errors.len() as u64),
        tolerated: messages.tolerated,
        rows: Vec::new(),
    };
    Ok(log)
}

/// Whether pg_restore went through the whole archive, and every error that it counts was told.
///
/// It ends with 0 after no error, and says at its very end how many it ignored. One that was killed
/// says nothing, however harmless the messages before were.
fn came_to_the_end(code: Option<i64>, ignored: Option<u64>, told: u64) -> bool {
    match ignored {
        Some(ignored) => ignored <= told,
        None => code == Some(0),
    }
}

/// Tells the first object that comes after all data.
fn is_post_data(line: &str) -> bool {
    [
        "creating CONSTRAINT",
        "creating INDEX",
        "creating FK CONSTRAINT",
        "creating TRIGGER",
        "creating POLICY",
    ]
    .iter()
    .any(|object| line.contains(object))
}

fn phases(data: Option<Duration>, post: Option<Duration>, end: Duration) -> Vec<Phase> {
    let spans = [
        (
            "pre-data",
            Some(Duration::ZERO),
            data.or(post).unwrap_or(end),
        ),
        ("data", data, post.unwrap_or(end)),
        ("post-data", post, end),
    ];
    spans
        .into_iter()
        .filter_map(|(name, from, to)| {
            Some(Phase {
                name: name.to_owned(),
                duration: to.saturating_sub(from?),
            })
        })
        .collect()
}

/// Reads every byte of the archive, counts its rows, and gives what is wrong with it.
async fn read(
    server: &ThrowawayServer,
    backup: &mut Backup,
    redactor: &Redactor,
) -> Result<Vec<Finding>, RestoreError> {
    let mut client = server
        .client(Client {
            program: "pg_restore",
            arguments: vec!["--file=-".to_owned()],
            input: ClientInput::Backup(backup.path.clone()),
        })
        .await?;
    let stdout = BufReader::with_capacity(256 * 1024, client.stdout);
    let bridge = SyncIoBridge::new(stdout);
    let reading = tokio::task::spawn_blocking(move || plain::read(bridge));
    let mut stderr = String::new();
    let (text, _) = tokio::join!(reading, client.stderr.read_to_string(&mut stderr));
    let (contents, found, bytes) = text
        .map_err(|error| RestoreError::new(error.to_string()))?
        .map_err(|error| {
            RestoreError::new(format!("cannot read what pg_restore writes: {error}"))
        })?;
    let code = client.end.wait().await?;
    if code != Some(0) {
        let mut gather = Gather::default();
        let first = stderr.lines().find_map(|line| gather.pg_restore(line));
        let said = first.or(gather.end()).map_or_else(
            || "without a message".to_owned(),
            |message| message.shown(redactor),
        );
        return Ok(vec![
            Finding::about(
                backup.path.display().to_string(),
                "an archive that can be read to its end",
                format!("pg_restore gave up: {said}"),
            )
            .hint("the file was cut off or damaged: compare its size and digest with where it was made"),
        ]);
    }
    if !found.problems.is_empty() {
        return Ok(found.problems);
    }
    for ((_, table), rows) in contents.rows {
        backup.contents.rows.insert((String::new(), table), rows);
    }
    backup.contents.large_objects = backup.contents.large_objects.max(contents.large_objects);
    backup.uncompressed_bytes = bytes;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some(0), None, 0, true)]
    #[case(Some(1), Some(1), 1, true)]
    #[case(Some(1), Some(2), 1, false)]
    #[case(Some(1), None, 0, false)]
    #[case(Some(1), None, 1, false)]
    #[case(Some(137), None, 1, false)]
    #[case(None, None, 1, false)]
    fn the_end_is_told_not_guessed(
        #[case] code: Option<i64>,
        #[case] ignored: Option<u64>,
        #[case] told: u64,
        #[case] whole: bool,
    ) {
        assert_eq!(came_to_the_end(code, ignored, told), whole);
    }
}
