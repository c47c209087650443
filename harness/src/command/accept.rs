//! `redrill accept`: shows each difference between a baseline and the state that a drill observed, and writes the
//! accepted ones into the baseline.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::abort::{Abort, Ended};
use super::print::out;
use super::scenarios;
use crate::baseline::accept::accept;
use crate::baseline::difference::Difference;
use crate::baseline::file::save;
use crate::baseline::{Baseline, file};
use crate::catalog::ObjectId;
use crate::check::baseline::BaselineCheck;
use crate::check::common::COMMON_KEYS;
use crate::cli::{self, Terminal};
use crate::digest::sha256;
use crate::exit_code::Ending;
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::report::SEEN;
use crate::sql::Glob;
use crate::verdict::Verdict;

/// The decision on a difference.
enum Answer {
    Accept,
    Leave,
    /// Leave this one and all after it.
    Stop,
}

/// Runs the command.
pub fn run(arguments: &cli::Accept, environment: &Environment, terminal: Terminal) -> Ended {
    let objects: Result<Vec<String>, String> = arguments.object.iter().map(parse_object).collect();
    let objects = objects.map_err(Abort::invalid)?;
    let (path, seen_path) = paths(arguments, environment, terminal)?;
    let read = |path: &Path, hint: &str| {
        file::load(path).map_err(|error| CouldNotRun::with_hint(error.to_string(), hint))
    };
    let mut baseline = read(&path, "`redrill baseline` writes one")?;
    let mut seen = read(
        &seen_path,
        "`redrill run` writes it where a scenario has `[[check.baseline]]`",
    )?;
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    if seen
        .against
        .as_ref()
        .is_some_and(|against| *against != sha256(&text))
    {
        return Err(CouldNotRun::with_hint(
            format!(
                "{} was changed since the drill was compared with it",
                path.display()
            ),
            "run the drill again, then `redrill accept`",
        )
        .into());
    }
    out(&format!(
        "{} as of {}\ncompared with the state of {} as of {}\n",
        path.display(),
        baseline.taken.strftime("%F %H:%M UTC"),
        seen.from,
        seen.taken.strftime("%F %H:%M UTC"),
    ));
    let (accepted, left) = decide_all(&mut baseline, &mut seen, &objects, arguments.all);
    if accepted > 0 {
        save(&path, &baseline).map_err(CouldNotRun::new)?;
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CouldNotRun::new(format!("cannot read {}: {error}", path.display()))
        })?;
        seen.against = Some(sha256(&text));
        save(&seen_path, &seen).map_err(CouldNotRun::new)?;
        out(&format!(
            "{accepted} accepted and written to {}: commit it",
            path.display()
        ));
    }
    match left {
        0 if accepted == 0 => out("no difference"),
        0 => {}
        left => out(&format!(
            "{left} not accepted and not written\nhint: name what you accept, such as `--object \"table app.orders*\"`, or run this on a terminal"
        )),
    }
    Ok(match left {
        0 => Ending::Done,
        _ => Ending::Judged(Verdict::NotProven),
    })
}

/// Shows every difference and applies the accepted ones; returns the numbers of accepted and other ones.
fn decide_all(
    baseline: &mut Baseline,
    seen: &mut Baseline,
    objects: &[String],
    all: bool,
) -> (usize, usize) {
    let asks = objects.is_empty() && !all && std::io::stdin().is_terminal();
    let (mut accepted, mut left, mut stopped) = (0, 0, false);
    for (name, now) in &mut seen.databases {
        let named = baseline.database(name).map(|(named, _)| named.to_owned());
        let Some(was) = named.and_then(|named| baseline.databases.get_mut(&named)) else {
            continue;
        };
        for difference in std::mem::take(&mut now.differences) {
            out(&show(&difference));
            let answer = match (stopped, asks) {
                (true, _) => Answer::Leave,
                (false, true) => ask(),
                (false, false) => selected(&difference, objects, all),
            };
            match answer {
                Answer::Accept => {
                    out("  accepted\n");
                    accept(was, now, &difference);
                    accepted += 1;
                    continue;
                }
                Answer::Leave => {}
                Answer::Stop => stopped = true,
            }
            left += 1;
            now.differences.push(difference);
        }
    }
    (accepted, left)
}

/// The decision of the command line.
fn selected(difference: &Difference, objects: &[String], all: bool) -> Answer {
    let name = difference.area.name_of(&difference.object);
    let names = |pattern: &String| {
        let pattern = Glob::new(pattern);
        let shown = difference.finding.object.as_ref();
        pattern.matches(&name) || shown.is_some_and(|shown| pattern.matches(shown))
    };
    let accepted = objects.iter().any(names) || all && difference.by_name_only().is_none();
    if accepted {
        Answer::Accept
    } else {
        Answer::Leave
    }
}

/// Parses `--object` and returns it in the form in which differences are shown: an object, a property of it
/// (`table app.t: owner`), the name of a table or sequence. A pattern is returned unchanged.
fn parse_object(text: &String) -> Result<String, String> {
    if text.contains(['*', '?']) {
        return Ok(text.clone());
    }
    let object = match text.parse::<ObjectId>() {
        Ok(object) => return Ok(object.to_string()),
        Err(error) => error,
    };
    let mut properties = text.match_indices(": ");
    let property = properties.find_map(|(at, _)| {
        let object: ObjectId = text[..at].parse().ok()?;
        Some(format!("{object}{}", &text[at..]))
    });
    let name = || {
        let table: ObjectId = format!("table {text}").parse().ok()?;
        let name = table.qualified_name().filter(|_| table.part.is_none())?;
        Some(name.to_string())
    };
    property.or_else(name).ok_or_else(|| {
        format!(
            "`--object`: {object}\nhint: write it as it is listed, such as `--object \"table app.orders column id\"`; `*` and `?` are wildcards"
        )
    })
}

/// Asks on the terminal.
fn ask() -> Answer {
    loop {
        let mut stdout = std::io::stdout();
        let _ = write!(stdout, "accept this? [y]es, [n]o, [q]uit: ");
        let _ = stdout.flush();
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => return Answer::Stop,
            Ok(_) => {}
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Answer::Accept,
            "n" | "no" | "" => return Answer::Leave,
            "q" | "quit" => return Answer::Stop,
            _ => {}
        }
    }
}

/// A difference as text.
fn show(difference: &Difference) -> String {
    let finding = &difference.finding;
    let object = finding.object.clone();
    let object = object.unwrap_or_else(|| difference.area.name_of(&difference.object));
    let by_name = difference.by_name_only();
    let by_name = by_name.map(|word| format!(", {word}")).unwrap_or_default();
    let side = |mark: &str, text: &str| {
        let lines = text.lines().map(|line| format!("  {mark} {line}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let hint = finding
        .hint
        .as_ref()
        .map(|hint| format!("\n  {hint}"))
        .unwrap_or_default();
    format!(
        "{object}  ({}{by_name})\n{}\n{}{hint}\n",
        difference.area.word(),
        side("-", &finding.expected),
        side("+", &finding.actual)
    )
}

/// The paths of the baseline and of the observed state.
fn paths(
    arguments: &cli::Accept,
    environment: &Environment,
    terminal: Terminal,
) -> Result<(PathBuf, PathBuf), Abort> {
    let given = &arguments.scenario;
    if given.to_string_lossy().ends_with(".baseline.toml") {
        let seen = arguments.seen.clone().ok_or_else(|| {
            Abort::invalid(
                "a baseline file needs `--seen`, the observed state\nhint: name the scenario instead, or set `--seen`",
            )
        })?;
        return Ok((given.clone(), seen));
    }
    let scenario = scenarios::load(given, environment, terminal)?;
    let seen = arguments
        .seen
        .clone()
        .unwrap_or_else(|| arguments.reports.join(&scenario.facts.name).join(SEEN));
    let file = baseline_of(given).ok_or_else(|| {
        Abort::invalid(format!(
            "{} compares its backup with no baseline file\nhint: take one with `redrill baseline --from {}`, and add `[[check.baseline]] file = \"…\"`",
            given.display(),
            given.display()
        ))
    })?;
    Ok((scenario.folder.join(file), seen))
}

/// The file of the first `[[check.baseline]]` with one.
fn baseline_of(scenario: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(scenario).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    let checks = table.get("check")?.get("baseline")?.as_array()?;
    checks.iter().find_map(|check| {
        let mut check = check.as_table()?.clone();
        check.retain(|key, _| !COMMON_KEYS.contains(&key));
        let check: BaselineCheck = check.try_into().ok()?;
        check.file
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("table app.orders", Ok("table app.orders"))]
    #[case("table \"app\".orders column id", Ok("table app.orders column id"))]
    #[case("table app.orders: grant to app", Ok("table app.orders: grant to app"))]
    #[case("app.orders", Ok("app.orders"))]
    #[case("\"My App\".\"Orders\"", Ok("\"My App\".\"Orders\""))]
    #[case("large objects", Ok("large objects"))]
    #[case("table app.orders*", Ok("table app.orders*"))]
    #[case(
        "tabel app.orders",
        Err("`tabel app.orders` does not begin with a kind of object")
    )]
    #[case("table app.Orders", Err("expected a name, in quotes"))]
    #[case(
        "table app.orders colum id",
        Err("`colum id` is not a part of a table")
    )]
    fn objects_are_named_as_differences_are_shown(
        #[case] text: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        match (parse_object(&text.to_owned()), expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }
}
