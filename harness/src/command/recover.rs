//! `redrill recover`: one table from a backup, as a file.

use std::path::Path;

use jiff::Timestamp;

use super::abort::{Abort, Ended};
use super::print::{err, out};
use super::scenarios::{is_scenario, to_restore};
use super::throwaway::with_server;
use crate::atomic_file::folder_of;
use crate::cleanup::Run;
use crate::cli::{self, TableFormat, Terminal};
use crate::context::Context;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::recover::write::{Destination, Format};
use crate::recover::{Assured, NotRecovered, RecoverRequest, Recovered, recover};
use crate::redact::Redactor;
use crate::report::terminal::paper::{Hue, Paper};
use crate::report::text::line;
use crate::report::view;
use crate::server::Servers;
use crate::sql::QualifiedName;
use crate::units::{show_bytes, show_count, show_counted};

/// Maximum number of items of a list.
const LIST: usize = 20;
/// Columns before a fact.
const INDENT: usize = 12;

/// Runs the command.
pub async fn run(arguments: cli::Recover, environment: Environment, terminal: Terminal) -> Ended {
    let request = parse(&arguments).map_err(Abort::invalid)?;
    let scenario = to_restore(&arguments.from, &arguments.restore, &environment, terminal)?;
    let work = async |context: &Context, run: &Run, servers: &mut Servers| {
        recover(&request, scenario, context, run, servers).await
    };
    with_server(&arguments.restore, environment, work, |result, redactor| {
        show(result, &request, redactor, terminal)
    })
    .await
}

/// Validates the command line before anything is started.
fn parse(arguments: &cli::Recover) -> Result<RecoverRequest, String> {
    let table = QualifiedName::parse(&arguments.table).map_err(|why| {
        format!("{why}\nhint: write the table as `app.orders` or `\"My Schema\".\"Orders\"`")
    })?;
    let csv = arguments
        .out
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let format = match (arguments.format, csv) {
        (Some(TableFormat::Csv), _) | (None, true) => Format::Csv,
        (Some(TableFormat::Sql), _) | (None, false) => Format::Sql,
    };
    Ok(RecoverRequest {
        table,
        database: arguments.database.clone(),
        format,
        destination: destination(&arguments.out, arguments.force)?,
        make_roles: !is_scenario(&arguments.from),
    })
}

/// Checks that the destination can be written to, as far as possible before writing.
fn destination(path: &Path, force: bool) -> Result<Destination, String> {
    if path == Path::new("-") {
        return Ok(Destination::Stdout);
    }
    let shown = path.display();
    if path.is_dir() {
        return Err(format!(
            "{shown} is a folder\nhint: set a file in it with `--out`"
        ));
    }
    if std::fs::symlink_metadata(path).is_ok() && !force {
        return Err(format!(
            "{shown} exists\nhint: set another file with `--out`, or replace it with `--force`"
        ));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(format!(
            "the folder {} does not exist\nhint: create it, or set another file with `--out`",
            folder.display()
        ));
    }
    Ok(Destination::File {
        path: path.to_owned(),
        replace: force,
    })
}

/// Reports the result.
fn show(
    result: Result<Recovered, NotRecovered>,
    request: &RecoverRequest,
    redactor: &Redactor,
    terminal: Terminal,
) -> Ended {
    const TITLE: [&str; 2] = ["NOT RECOVERED", "nothing was written"];
    match result {
        Ok(recovered) => {
            // The table may be on standard output, so nothing else is printed there.
            let text = |colour| {
                redactor.clean(&summary(
                    &recovered,
                    Timestamp::now(),
                    terminal.width,
                    colour,
                ))
            };
            match request.destination {
                Destination::Stdout => err(&text(terminal.colour_errors)),
                Destination::File { .. } => out(&text(terminal.colour)),
            }
            Ok(Ending::Done)
        }
        Err(NotRecovered::Absent(error)) => Err(Abort {
            ending: Ending::NothingFound,
            ..Abort::stopped(TITLE, &error.into(), redactor, terminal)
        }),
        Err(NotRecovered::Stopped(stopped)) => {
            Err(Abort::stopped(TITLE, &stopped, redactor, terminal))
        }
    }
}

/// Reports what was written.
fn summary(recovered: &Recovered, now: Timestamp, width: usize, colour: bool) -> String {
    let mut paper = Paper::new(width, colour);
    let (table, written, backup) = (&recovered.table, &recovered.written, &recovered.backup);
    let word = paper.paint("RECOVERED", Hue::Green);
    let title = line(&table.name());
    paper.text.push_str(&format!("{word}  {title}\n"));
    let held = match recovered.assured {
        Assured::AsManyAsInBackup => "as many as in the backup",
        Assured::WithoutExactNumber => {
            "the backup does not contain an exact number to compare with"
        }
        Assured::Verified => {
            "read to the end and verified by amcheck; a base backup has no second copy to compare them with"
        }
        Assured::Read => {
            "read to the end, and not verified by amcheck, as `proof` of the scenario says; a base backup has no second copy to compare them with"
        }
    };
    let partitions = match table.relations.len() - 1 {
        0 => String::new(),
        1 => " in one partition".to_owned(),
        some => format!(" in {} partitions", show_count(some as u64)),
    };
    let file = written
        .path
        .as_ref()
        .map_or_else(|| "standard output".to_owned(), |p| p.display().to_string());
    let base = backup.physical.as_ref();
    let until = base.map(|base| ("recovered", format!("to {}", base.recovered_to())));
    let mut facts = vec![
        (
            "rows",
            format!("{}{partitions}: {held}", show_counted(written.rows, "row")),
        ),
        ("file", format!("{file}, {}", show_bytes(written.bytes))),
        ("sha256", written.sha256.clone()),
        ("backup", backup.origin.clone()),
        ("sha256", backup.sha256.clone()),
        ("taken", view::made_ago(backup, now)),
    ];
    facts.extend(until);
    facts.extend([
        ("database", recovered.database.clone()),
        (
            "restored on",
            format!(
                "PostgreSQL {}; the backup was taken from {}",
                recovered.server,
                backup
                    .source_version
                    .as_deref()
                    .unwrap_or("an unknown version")
            ),
        ),
    ]);
    for (name, value) in facts {
        paper.wrap(&format!("{name:<INDENT$}{value}"), 0, INDENT);
    }
    paper.list(
        "required where it is loaded",
        table.needs.iter().map(|need| need.what.clone()),
        LIST,
        "",
    );
    paper.list(
        "refers to the table and is not in the file",
        table.not_with_it.iter().cloned(),
        LIST,
        "",
    );
    paper.text
}
