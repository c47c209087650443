//! Reports: pure functions of a [`DrillResult`] and its [`Verdict`]. One format, one file.
//!
//! They never query, never measure and never change the verdict. `drill.json` is complete; the
//! others are for people and for CI, and say when they leave something out.

pub mod incident;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod terminal;
mod text;
mod view;

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::baseline::{Baseline, file};
use crate::outcome::DrillResult;
use crate::verdict::Verdict;

/// The file with what the drill observed of the databases, next to its reports.
pub const SEEN: &str = "seen.baseline.toml";

/// Writes `drill.json`, `drill.md` and `junit.xml`, and what was observed of the databases, into
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
    let folder = folder.join(folder_name(result)?);
    let texts = [
        ("drill.json", json::render(result, verdict)?),
        ("drill.md", markdown::render(result, verdict)),
        ("junit.xml", junit::render(result, verdict)?),
    ];
    let seen = seen.map(file::write);
    let seen = seen.transpose().map_err(io::Error::other)?;
    let texts = texts.into_iter().chain(seen.map(|text| (SEEN, text)));
    fs::create_dir_all(&folder)?;
    // All are on disk before the first gets its name, so that a full disk never leaves an old report
    // next to a new one.
    let staged = texts
        .map(|(name, text)| Ok((folder.join(name), stage(&folder, &text)?)))
        .collect::<io::Result<Vec<_>>>()?;
    staged
        .into_iter()
        .map(|(path, file)| {
            file.persist(&path)?;
            Ok(path)
        })
        .collect()
}

/// Writes `<folder>/junit.xml` over several drills.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_merged(folder: &Path, drills: &[(&DrillResult, Verdict)]) -> io::Result<PathBuf> {
    let xml = junit::merge(drills)?;
    fs::create_dir_all(folder)?;
    let path = folder.join("junit.xml");
    stage(folder, &xml)?.persist(&path)?;
    Ok(path)
}

/// The scenario's name, where it can be the name of one folder.
fn folder_name(result: &DrillResult) -> io::Result<String> {
    let name = result.scenario.name.as_str();
    let one_folder = !name.starts_with('.')
        && !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if one_folder {
        let only = result.scenario.only.iter().map(|only| slug(only));
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

/// Writes a temporary file into the folder of its destination, and syncs it.
fn stage(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".redrill-")
        // A temporary file is readable by its owner only, and the job that collects reports may run
        // as another user.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
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
        assert_eq!(folder_name(&result).is_ok(), good);
    }

    #[test]
    fn some_checks_only_have_a_folder_of_their_own() {
        let mut result = DrillResult::default();
        "plur".clone_into(&mut result.scenario.name);
        result.scenario.only = vec!["role".to_owned(), "rls/../*".to_owned()];
        assert_eq!(folder_name(&result).unwrap(), "plur.only-role.only-rls");
    }
}
