//! Reports: pure functions of a [`DrillResult`] and its [`Verdict`]. One format, one file.
//!
//! They never query, never measure and never change the verdict. `drill.json` is complete; the
//! others are for people and for CI, and say when they leave something out.

pub mod annotations;
mod cause;
pub mod html;
pub mod incident;
pub mod json;
pub mod junit;
pub mod markdown;
mod merged;
pub mod metrics;
mod page;
pub mod terminal;
pub(crate) mod text;
pub(crate) mod view;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use self::merged::{Batch, Merged, Shard};
use crate::atomic_file;
use crate::baseline::{Baseline, file};
use crate::outcome::{DrillResult, RehearsalResult, ScenarioFacts};
use crate::verdict::{RehearsalVerdict, Verdict};

/// The file with what the drill observed of the databases, next to its reports.
pub const SEEN: &str = "seen.baseline.toml";

/// A kind of report of a drill, or of a rehearsal.
pub struct Report<R = DrillResult, V = Verdict> {
    /// Its name, which is that of its module: `junit`.
    pub name: &'static str,
    /// The file that each drill or rehearsal writes; the summary for the terminal is only printed.
    pub file: Option<&'static str>,
    /// Renders it; for the terminal without colour, at a width of 80 characters.
    pub render: fn(&R, V) -> io::Result<String>,
}

/// A kind of report of a rehearsal.
pub type RehearsalReport = Report<RehearsalResult, RehearsalVerdict>;

/// Lists every kind of report: the one place where a kind is registered.
#[must_use]
pub fn reports() -> [Report; 5] {
    [
        Report {
            name: "json",
            file: Some("drill.json"),
            render: |result, verdict| Ok(json::render(result, verdict)?),
        },
        Report {
            name: "markdown",
            file: Some("drill.md"),
            render: |result, verdict| Ok(markdown::render(result, verdict)),
        },
        Report {
            name: "html",
            file: Some("drill.html"),
            render: |result, verdict| Ok(html::render(result, verdict)),
        },
        Report {
            name: "junit",
            file: Some("junit.xml"),
            render: junit::render,
        },
        Report {
            name: "terminal",
            file: None,
            render: |result, verdict| {
                Ok(terminal::summary(
                    result,
                    verdict,
                    terminal::Look::default(),
                ))
            },
        },
    ]
}

/// Lists every kind of report of a rehearsal: those of a drill, and one for a pull request.
#[must_use]
pub fn rehearsal_reports() -> [RehearsalReport; 6] {
    [
        Report {
            name: "json",
            file: Some("rehearsal.json"),
            render: |result, verdict| Ok(json::render_rehearsal(result, verdict)?),
        },
        Report {
            name: "markdown",
            file: Some("rehearsal.md"),
            render: |result, verdict| Ok(markdown::render_rehearsal(result, verdict)),
        },
        Report {
            name: "html",
            file: Some("rehearsal.html"),
            render: |result, verdict| Ok(html::render_rehearsal(result, verdict)),
        },
        Report {
            name: "comment",
            file: Some("comment.md"),
            render: |result, verdict| Ok(markdown::render_comment(result, verdict)),
        },
        Report {
            name: "junit",
            file: Some("junit.xml"),
            render: junit::render_rehearsal,
        },
        Report {
            name: "terminal",
            file: None,
            render: |result, verdict| {
                Ok(terminal::rehearsal(
                    result,
                    verdict,
                    terminal::Look::default(),
                ))
            },
        },
    ]
}

/// Creates the folder of all reports, and a file in it that is removed again: a drill of hours should not end without
/// its reports.
///
/// # Errors
/// When the folder cannot be created or written to.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let cannot_create = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot create {}: {error}", folder.display()),
        )
    };
    fs::create_dir_all(folder).map_err(cannot_create)?;
    atomic_file::create(&folder.join("drill.json"), atomic_file::SHARED).map(drop)
}

/// Writes the file of each of [`reports`], and what was observed of the databases, into
/// `<folder>/<scenario name>/`. A drill of selected checks has a folder of its own, so that it never
/// replaces the reports of a complete one.
///
/// Each file is written completely or not at all, and replaces that of an earlier drill.
///
/// # Errors
/// When the folder or a file cannot be written, or the scenario has no name to call a folder by.
pub fn write_all(
    folder: &Path,
    result: &DrillResult,
    verdict: Verdict,
    seen: Option<&Baseline>,
) -> io::Result<Vec<PathBuf>> {
    let folder = folder.join(folder_name(&result.scenario)?);
    let mut texts = texts_of(&reports(), result, verdict)?;
    if let Some(seen) = seen {
        texts.push((SEEN, file::write(seen).map_err(io::Error::other)?));
    }
    write_files(&folder, texts)
}

/// Writes the reports of a rehearsal into `<folder>/<scenario name>.rehearsal/`, so that they never replace those of a drill.
///
/// # Errors
/// As [`write_all`].
pub fn write_rehearsal(
    folder: &Path,
    result: &RehearsalResult,
    verdict: RehearsalVerdict,
) -> io::Result<Vec<PathBuf>> {
    let name = folder_name(&result.scenario)?;
    let texts = texts_of(&rehearsal_reports(), result, verdict)?;
    write_files(&folder.join(format!("{name}.rehearsal")), texts)
}

/// The files of these reports.
fn texts_of<R, V: Copy>(
    reports: &[Report<R, V>],
    result: &R,
    verdict: V,
) -> io::Result<Vec<(&'static str, String)>> {
    let files = reports
        .iter()
        .filter_map(|report| Some((report.file?, report.render)));
    files
        .map(|(file, render)| Ok((file, render(result, verdict)?)))
        .collect()
}

/// Writes all of these files, or none.
fn write_files(folder: &Path, texts: Vec<(&str, String)>) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    // All are on disk before the first gets its name, so that a full disk never leaves an old report
    // next to a new one.
    let staged = texts
        .into_iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            let file = atomic_file::stage(&path, &text)?;
            Ok((path, file))
        })
        .collect::<io::Result<Vec<_>>>()?;
    staged
        .into_iter()
        .map(|(path, file)| {
            atomic_file::rename(file, &path, true)?;
            Ok(path)
        })
        .collect()
}

/// Writes `junit.xml`, `drills.md` and `drills.html` over several drills into a folder.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_merged(folder: &Path, merged: &Merged<'_>) -> io::Result<Vec<PathBuf>> {
    let texts = vec![
        ("junit.xml", junit::merge_all(merged)?),
        ("drills.md", markdown::render_merged(merged)),
        ("drills.html", html::merged::render(merged)),
    ];
    write_files(folder, texts)
}

/// The scenario's name, where it can be the name of one folder.
fn folder_name(scenario: &ScenarioFacts) -> io::Result<String> {
    let name = scenario.name.as_str();
    let one_folder = !name.starts_with('.')
        && !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if one_folder {
        let only = scenario.only.iter().map(|only| slug(only));
        Ok(std::iter::once(name.to_owned())
            .chain(only)
            .collect::<Vec<_>>()
            .join(".only-"))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name of the scenario cannot be used as a folder name",
        ))
    }
}

/// Turns a pattern into a part of a folder name: `role/plur*` → `role-plur`.
fn slug(pattern: &str) -> String {
    let parts = pattern.split(|c: char| !c.is_ascii_alphanumeric());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("orders-nightly", true)]
    #[case("v1.2_x", true)]
    #[case("", false)]
    #[case("..", false)]
    #[case(".hidden", false)]
    #[case("a/b", false)]
    #[case("a\nb", false)]
    fn a_scenario_names_one_folder(#[case] name: &str, #[case] good: bool) {
        let mut result = DrillResult::default();
        name.clone_into(&mut result.scenario.name);
        assert_eq!(folder_name(&result.scenario).is_ok(), good);
    }

    #[test]
    fn some_checks_only_have_a_folder_of_their_own() {
        let mut result = DrillResult::default();
        "plur".clone_into(&mut result.scenario.name);
        result.scenario.only = vec!["role".to_owned(), "rls/../*".to_owned()];
        assert_eq!(
            folder_name(&result.scenario).unwrap(),
            "plur.only-role.only-rls"
        );
    }
}
