//! Restores archives with `pg_restore` of the version of the server. Whether an archive is complete, and
//! how many rows it contains, is known before: `pg_restore --list` accepts a truncated one.

use std::collections::BTreeMap;
use std::time::Instant;

use super::log::Log;
use super::messages::MessageParser;
use super::method::{PartLog, Work, phases};
use super::statement::summarise;
use crate::backup::Part;
use crate::event::Event;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::Lines;
use crate::server::{Client, ClientInput};
use pgdump::layout::Kind;

/// Restores an archive into `database`; `why` nothing else does.
pub(super) async fn restore(
    work: &Work<'_>,
    part: &Part,
    why: Option<&str>,
    database: &str,
) -> Result<PartLog, CouldNotRun> {
    let server = work.server;
    let mut arguments: Vec<String> = ["--verbose", "--no-password", "--dbname", database]
        .map(str::to_owned)
        .into();
    // A local pg_restore reads an open file, which it cannot do with several jobs; a tar file it never can.
    let parallel = match part.contents.archive.map(|layout| layout.kind) {
        Some(Kind::Custom) => server.facts().provider == "container",
        Some(Kind::Directory) => true,
        Some(Kind::Tar) | None => false,
    };
    let jobs = work.jobs(part).filter(|_| parallel);
    if let Some(jobs) = jobs {
        arguments.push(format!("--jobs={jobs}"));
    }
    let began = Instant::now();
    let input = ClientInput::Archive(part.file().to_owned());
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
    let mut progress = Progress::of(part);
    while let Some(line) = lines.next().await {
        if let Some(event) = progress.event(&line) {
            (work.listener)(event);
        }
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
    let mut method = match jobs {
        Some(jobs) => format!("pg_restore with {jobs} jobs"),
        None => "pg_restore".to_owned(),
    };
    if let Some(why) = why {
        method.push_str(&format!(", because {why}"));
    }
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

/// How far pg_restore is, by what it says that it begins.
struct Progress {
    /// Bytes of the rows of tables, by the names that pg_restore prints.
    tables: BTreeMap<String, u64>,
    /// Bytes of the tables that were begun before the last.
    bytes: u64,
    /// Of the last.
    last: u64,
    total: u64,
    /// Indexes and constraints that were begun.
    begun: u64,
    of: u64,
}

impl Progress {
    fn of(part: &Part) -> Self {
        let rows = part.contents.rows.iter();
        let tables = rows.map(|((_, table), rows)| {
            let printed = format!("{}.{}", table.schema, table.name);
            (printed, rows.bytes)
        });
        let tables: BTreeMap<String, u64> = tables.collect();
        let counts = &part.contents.counts;
        Self {
            total: tables.values().sum(),
            tables,
            bytes: 0,
            last: 0,
            begun: 0,
            of: counts.indexes + counts.constraints,
        }
    }

    /// The event of a line.
    fn event(&mut self, line: &str) -> Option<Event> {
        if let Some((_, table)) = line.split_once("processing data for table \"") {
            self.bytes += self.last;
            let bytes = self.tables.get(table.trim_end().trim_end_matches('"'));
            self.last = bytes.copied().unwrap_or_default();
            return Some(Event::Restored {
                bytes: self.bytes.min(self.total),
                total: self.total,
            });
        }
        is_build(line).then(|| {
            let built = self.begun.min(self.of);
            self.begun += 1;
            Event::Built {
                built,
                of: self.of,
                work: built,
                total: self.of,
            }
        })
    }
}

/// Whether a line begins an index or a constraint.
fn is_build(line: &str) -> bool {
    [
        "creating CONSTRAINT",
        "creating INDEX",
        "creating FK CONSTRAINT",
    ]
    .iter()
    .any(|object| line.contains(object))
}

/// Whether a line names an object that comes after all data.
fn is_post_data(line: &str) -> bool {
    let other = ["creating TRIGGER", "creating POLICY"];
    is_build(line) || other.iter().any(|object| line.contains(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn progress_follows_from_what_is_begun() {
        let mut progress = Progress {
            tables: [("app.a".to_owned(), 30), ("app.b".to_owned(), 70)].into(),
            bytes: 0,
            last: 0,
            total: 100,
            begun: 0,
            of: 2,
        };
        let restored = |bytes| Some(Event::Restored { bytes, total: 100 });
        let built = |built| {
            Some(Event::Built {
                built,
                of: 2,
                work: built,
                total: 2,
            })
        };
        let lines = [
            ("pg_restore: creating TABLE \"app.a\"", None),
            (
                "pg_restore: processing data for table \"app.a\"",
                restored(0),
            ),
            (
                "pg_restore: processing data for table \"app.b\"",
                restored(30),
            ),
            (
                "pg_restore: processing data for table \"app.c\"",
                restored(100),
            ),
            ("pg_restore: creating INDEX \"app.i\"", built(0)),
            ("pg_restore: creating CONSTRAINT \"app.a c\"", built(1)),
        ];
        for (line, expected) in lines {
            assert_eq!(progress.event(line), expected, "{line}");
        }
    }

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
