//! `redrill recover`: one table from a backup, as a file.

use std::path::Path;

use jiff::Timestamp;

use super::inspect::open_with;
use super::run::provider;
use super::throwaway::{of_a_backup, with_server};
use super::{Abort, Ended, err, out};
use crate::cleanup::Run;
use crate::cli::{self, TableFormat, Terminal};
use crate::context::Context;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::recover::write::{self, Destination, Format};
use crate::recover::{NotRecovered, Recovered, Wish, recover};
use crate::redact::Redactor;
use crate::report::terminal::recovery;
use crate::scenario::{self, Scenario};
use crate::server::ThrowawayServer;
use crate::sql::QualifiedName;

/// Runs the command.
pub async fn run(arguments: cli::Recover, environment: Environment, terminal: Terminal) -> Ended {
    let (wish, scenario) = asked(&arguments, &environment, terminal).map_err(Abort::invalid)?;
    let work = async |context: &Context, run: &Run, server: &mut Option<ThrowawayServer>| {
        recover(&wish, scenario, context, run, server).await
    };
    with_server(
        &arguments.work.work_dir,
        arguments.quiet,
        environment,
        work,
        |ended, redactor| show(ended, &wish, redactor, terminal),
    )
    .await
}

/// Validates the command line before anything is started.
fn asked(
    arguments: &cli::Recover,
    environment: &Environment,
    terminal: Terminal,
) -> Result<(Wish, Scenario), String> {
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
    let is_scenario = arguments
        .from
        .extension()
        .is_some_and(|extension| extension == "toml");
    let mut scenario = if is_scenario {
        scenario::load(&arguments.from, environment)
            .map_err(|mistakes| mistakes.render(terminal.colour_errors))?
    } else {
        of_a_backup(&arguments.from)
    };
    open_with(&mut scenario.backup, &arguments.opening);
    provider(&mut scenario.server, arguments.server);
    let wish = Wish {
        table,
        database: arguments.database.clone(),
        format,
        destination: destination(&arguments.out, arguments.force)?,
        make_roles: !is_scenario,
    };
    Ok((wish, scenario))
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
    let folder = write::folder(path);
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

/// Says how it ended.
fn show(
    ended: Result<Recovered, NotRecovered>,
    wish: &Wish,
    redactor: &Redactor,
    terminal: Terminal,
) -> Ended {
    const WORD: &str = "NOT RECOVERED";
    match ended {
        Ok(recovered) => {
            // The table may be on standard output, so nothing else is printed there.
            let text = |colour| {
                redactor.clean(&recovery::recovered(
                    &recovered,
                    Timestamp::now(),
                    terminal.width,
                    colour,
                ))
            };
            match wish.destination {
                Destination::Stdout => err(&text(terminal.colour_errors)),
                Destination::File { .. } => out(&text(terminal.colour)),
            }
            Ok(Ending::Done)
        }
        Err(NotRecovered::Absent(error)) => Err(Abort {
            ending: Ending::NothingFound,
            ..Abort::stopped(WORD, &error.into(), redactor, terminal)
        }),
        Err(NotRecovered::Stopped(stopped)) => {
            Err(Abort::stopped(WORD, &stopped, redactor, terminal))
        }
    }
}
