//! A command that writes a data folder, or tar files: that of `[backup.base]`, or of the section of a tool.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::command::{TIMEOUT, of_command};
use super::confine;
use super::found::{Found, Place, Rules};
use super::run::{FetchTerms, path_text, run, show_command, unwritable};
use crate::backup::base::settings::{FOLDER, FetchCommand, SCENARIO, TABLESPACES};
use crate::backup::files::blocking;
use crate::input::program::absolute_folder;
use crate::outcome::CouldNotRun;

/// Runs the command in an empty folder of the run.
pub(super) async fn find(
    settings: &FetchCommand,
    rules: &Rules,
    place: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    let folder = new_folder(place.spool, "base")?;
    let tablespaces = new_folder(place.spool, "tablespaces")?;
    let scenario = absolute_folder(place.folder)?;
    let values = [
        (SCENARIO, path_text(&scenario)?),
        (FOLDER, path_text(&folder)?),
        (TABLESPACES, path_text(&tablespaces)?),
    ];
    let words = settings.with(&values);
    let fetch = FetchTerms {
        keys: settings.keys,
        words: &words,
        env: &settings.env,
        limit: settings.timeout.unwrap_or(TIMEOUT),
        writes: &settings.writes,
        folders: &[&folder, &tablespaces],
    };
    let shown = show_command(&settings.words, &settings.env, place);
    let ended = run(&fetch, place, None).await;
    let ended = ended.map_err(|error| of_command(&shown, error))?;
    let failed = |reason: String, hint: &str| {
        Err(of_command(
            &shown,
            CouldNotRun::with_hint(reason, ended.hint(hint)),
        ))
    };
    if let Some(failure) = ended.failure() {
        return failed(
            failure,
            "this says nothing about the backup: run the command by hand",
        );
    }
    let (of, from) = (folder.clone(), tablespaces);
    let is_empty = blocking(move || {
        let placed = place_tablespaces(&of, &from).and_then(|()| is_empty(&of));
        placed.map_err(|error| unwritable(&of, &error))
    });
    if is_empty.await? {
        return failed(
            format!("it wrote nothing into `{FOLDER}`{}", ended.errors),
            "it must write the data folder of the backup there",
        );
    }
    let mut found = Found::named(folder, shown, "", rules);
    found.chosen = "what the command in the scenario wrote".to_owned();
    found
        .warnings
        .extend(confine::warning(settings.keys.section));
    Ok(found)
}

/// Creates an empty folder that only this user may read.
fn new_folder(spool: &Path, name: &str) -> Result<PathBuf, CouldNotRun> {
    let made = (|| {
        let folder = std::path::absolute(spool)?.join(name);
        std::fs::create_dir_all(spool)?;
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(folder)
    })();
    made.map_err(|error| unwritable(spool, &error))
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(folder)?.next().is_none())
}

/// Puts each tablespace that was written to `from` in place of the link to it, so that no link has to be followed. Other links stay,
/// and are faults of the backup.
fn place_tablespaces(folder: &Path, from: &Path) -> io::Result<()> {
    let links = folder.join("pg_tblspc");
    if !links.symlink_metadata().is_ok_and(|one| one.is_dir()) {
        return Ok(());
    }
    for entry in std::fs::read_dir(links)? {
        let link = entry?.path();
        let Ok(target) = std::fs::read_link(&link) else {
            continue;
        };
        let is_folder = target.symlink_metadata().is_ok_and(|one| one.is_dir());
        let leads_to = target.parent().filter(|_| target.file_name().is_some());
        if leads_to == Some(from) && is_folder {
            std::fs::remove_file(&link)?;
            std::fs::rename(&target, &link)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_tablespaces_that_the_command_wrote_are_put_in_place() {
        let spool = tempfile::tempdir().unwrap();
        let [folder, from] = ["base", "tablespaces"].map(|name| {
            let folder = new_folder(spool.path(), name).unwrap();
            assert!(is_empty(&folder).unwrap());
            folder
        });
        let links = folder.join("pg_tblspc");
        std::fs::create_dir(&links).unwrap();
        std::fs::create_dir(from.join("fast")).unwrap();
        std::fs::write(from.join("fast/file"), "x").unwrap();
        symlink("/etc", from.join("away")).unwrap();
        for (name, target) in [
            ("1", from.join("fast")),
            ("2", PathBuf::from("/etc")),
            ("3", from.join("..")),
            ("4", from.join("away")),
            ("5", from.join("none")),
        ] {
            symlink(target, links.join(name)).unwrap();
        }
        place_tablespaces(&folder, &from).unwrap();
        assert_eq!(std::fs::read(links.join("1/file")).unwrap(), b"x");
        let is_link = |name: &str| links.join(name).symlink_metadata().unwrap().is_symlink();
        assert_eq!(
            ["1", "2", "3", "4", "5"].map(is_link),
            [false, true, true, true, true]
        );
        assert!(new_folder(spool.path(), "base").is_err(), "never twice");
    }
}
