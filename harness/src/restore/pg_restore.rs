//! Restores archives with `pg_restore` of the version of the server. Whether an archive is complete, and
//! how many rows it contains, is known before: `pg_restore --list` accepts a truncated one.

use std::time::Instant;

use super::lines::Lines;
use super::log::Log;
use super::messages::MessageParser;
use super::method::{PartLog, Work, phases};
use super::statement::summarise;
use crate::backup::Part;
use crate::outcome::{CouldNotRun, Finding};
use crate::server::{Client, ClientInput};
use pgdump::layout::{Kind, Layout};

/// Restores an archive into `database`.
pub(super) async fn restore(
    work: &Work<'_>,
    part: &Part,
    layout: Layout,
    database: &str,
) -> Result<PartLog, CouldNotRun> {
    let server = work.server;
    let mut arguments: Vec<String> = ["--verbose", "--no-password", "--dbname", database]
        .map(str::to_owned)
        .into();
    // A local pg_restore reads an open file, which it cannot do with several jobs; a tar file it never can.
    let parallel = match layout.kind {
        Kind::Custom => server.facts().provider == "container",
        Kind::Directory => true,
        Kind::Tar => false,
    };
    let jobs = work.jobs(part).filter(|_| parallel);
    if let Some(jobs) = jobs {
        arguments.push(format!("--jobs={jobs}"));
    }
    let began = Instant::now();
    let input = ClientInput::Archive(part.path.clone());
    let mut client = server
        .client(Client {
            program: "pg_restore",
            arguments,
            input,
        })
        .await?;
    let (tolerance, mask) = (work.tolerance(part), work.mask());
    let mut messages = Log::default();
    let mut parser = MessageParser::default();
    let (mut data, mut post) = (None, None);
    let mut ignored = None;
    let mut lines = Lines::of(client.stderr);
    while let Some(line) = lines.next().await {
        if data.is_none() && line.contains("processing data for table") {
            data = Some(began.elapsed());
        }
        if data.is_some() && post.is_none() && is_post_data(&line) {
            post = Some(began.elapsed());
        }
        if let Some(count) = line.split("errors ignored on restore: ").nth(1) {
            ignored = count.trim().parse::<u64>().ok();
        }
        if let Some(message) = parser.pg_restore(&line) {
            messages.add(message, &tolerance, mask);
        }
    }
    if let Some(message) = parser.end() {
        messages.add(message, &tolerance, mask);
    }
    let code = client.end.wait().await?;
    let duration = began.elapsed();
    let (mut errors, unable) = messages.findings(mask, work.globals_beside, |message| {
        (!message.command.is_empty()).then(|| summarise(&message.command, mask.names))
    });
    let printed = messages.count
        + messages
            .tolerated
            .iter()
            .map(|entry| entry.times)
            .sum::<u64>();
    if !is_complete(code, ignored, printed) {
        let finding = Finding::new(
            "pg_restore ends with code 0",
            format!(
                "it ended with {}",
                code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"))
            ),
        );
        errors.push(finding.hint(
            "it was killed or gave up: see the other messages and the memory of the machine",
        ));
    }
    let method = match jobs {
        Some(jobs) => format!("pg_restore with {jobs} jobs"),
        None => "pg_restore".to_owned(),
    };
    let times = (duration, phases(data, post, duration), Vec::new());
    Ok(PartLog::new(method, times, messages, errors, unable))
}

/// Whether pg_restore read the whole archive, and every error that it counts was printed.
///
/// Without an error it ends with 0; otherwise its last line contains the number of ignored errors. If
/// it was killed, that line is missing.
fn is_complete(code: Option<i64>, ignored: Option<u64>, printed: u64) -> bool {
    match ignored {
        Some(ignored) => ignored <= printed,
        None => code == Some(0),
    }
}

/// Whether a line names an object that comes after all data.
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
    fn the_end_is_read_not_guessed(
        #[case] code: Option<i64>,
        #[case] ignored: Option<u64>,
        #[case] printed: u64,
        #[case] whole: bool,
    ) {
        assert_eq!(is_complete(code, ignored, printed), whole);
    }
}
