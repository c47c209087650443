//! What a command that fetches may write, and what is said where it was refused more.
//!
//! It is trusted, and runs with the configuration and the rights of the user; but a wrong option must not change the repository that it
//! reads, and nothing of a drill is left behind.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::outcome::{CouldNotRun, Finding};
use crate::sandbox::{Sandbox, Strength};

/// The message of the system for a refused write, in lower case, and the exceptions of Python that are named like it.
const REFUSED: [&str; 2] = ["permission denied", "permissiondenied"];
/// What follows it in messages of others: of ssh, and of a server.
const OF_OTHERS: [&str; 2] = [" (", " for "];

/// Whether this kernel confines commands.
pub(in crate::backup) fn is_confined() -> bool {
    Sandbox::strength() != Strength::Nothing
}

/// The warning where it does not; `section` is that of the command.
pub(in crate::backup) fn warning(section: &str) -> Option<Finding> {
    (!is_confined()).then(|| unconfined(section))
}

fn unconfined(section: &str) -> Finding {
    Finding::about(
        format!("the command of `{section}`"),
        "a command that writes only to its folders of the run",
        "it ran with all rights of the user: this kernel has no Landlock",
    )
    .hint("Linux has it from version 5.13 on; in a container, the seccomp profile of the runtime must permit it")
}

/// The paths of `writes` in a section.
///
/// # Errors
/// One of them does not exist.
pub(super) fn listed(
    writes: &[PathBuf],
    folder: &Path,
    section: &str,
) -> Result<Vec<PathBuf>, CouldNotRun> {
    let paths = writes.iter().map(|path| {
        let path = folder.join(path);
        match path.metadata() {
            Ok(_) => Ok(path),
            Err(error) => Err(CouldNotRun::with_hint(
                format!("`writes` of `{section}`: {}: {error}", path.display()),
                "create the file or folder, or correct the path; it is relative to the scenario file",
            )),
        }
    });
    paths.collect()
}

/// The next step where the messages of a failed command say that it was refused a write or further rights. `allowed` is what it may write.
pub(super) fn hint(errors: &str, section: &str, allowed: &[PathBuf]) -> Option<String> {
    if errors.contains("no new privileges") {
        return Some(format!(
            "a confined command gets no further rights, so `sudo` has no effect: run redrill as that user, and remove it in `{section}`"
        ));
    }
    // The parts of a line around the message.
    let parts = |line| {
        let lower = str::to_ascii_lowercase(line);
        let (at, message) = REFUSED
            .iter()
            .find_map(|one| Some((lower.find(one)?, one)))?;
        let (before, after) = (&line[..at], &line[at + message.len()..]);
        let is_of_others = OF_OTHERS.iter().any(|one| after.starts_with(one));
        (!is_of_others).then_some((before, after))
    };
    let (before, after) = errors.rsplit("; ").find_map(parts)?;
    let only = "it may write only to its own folders of the run, and to `writes`";
    // Before the message is also the name of the program.
    match paths_in(before).last().or_else(|| paths_in(after).next()) {
        None => Some(format!(
            "{only}: name there what else it must write, as `writes = [\"/path\"]` in `{section}`"
        )),
        Some(path) if allowed.iter().any(|one| path.starts_with(one)) || !is_writable(path) => None,
        Some(path) => Some(format!(
            "{only}: if it must write there, set `writes = [{:?}]` in `{section}`; if not, correct the command",
            path.display().to_string()
        )),
    }
}

/// The absolute paths in a message.
fn paths_in(line: &str) -> impl Iterator<Item = &Path> {
    let begins = move |(at, _): &(usize, &str)| {
        let before = line[..*at].chars().next_back();
        before.is_none_or(|before| before.is_whitespace() || "'\"`(=[".contains(before))
    };
    let all = line.match_indices('/').filter(begins);
    all.map(move |(at, _)| path_at(line, at))
}

/// The path that begins there, to its quote or to the end of the word.
fn path_at(line: &str, at: usize) -> &Path {
    const QUOTES: [char; 3] = ['\'', '"', '`'];
    let quote = line[..at]
        .chars()
        .next_back()
        .filter(|one| QUOTES.contains(one));
    let ends = |one: char| match quote {
        Some(quote) => one == quote,
        None => one.is_whitespace() || ":,;)]".contains(one),
    };
    Path::new(line[at..].split(ends).next().unwrap_or_default())
}

/// Whether the user of this process may write to a path, or create it.
fn is_writable(path: &Path) -> bool {
    let is_there = |path: &&Path| path.symlink_metadata().is_ok();
    let nearest = path.ancestors().find(is_there);
    nearest.is_some_and(|path| access(path, Access::WRITE_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::of_pgbackrest(
        ": P00 ERROR: [047]: unable to create path '/tmp/x y': [13] Permission denied",
        Some("`writes = [\"/tmp/x y\"]` in `[backup.base]`")
    )]
    #[case::of_python(
        ": Traceback; PermissionError: [Errno 13] Permission denied: '/tmp/lock'",
        Some("\"/tmp/lock\"")
    )]
    #[case::of_barman(
        ": barman.exceptions.LockFilePermissionDenied: /tmp/.main-archive-wal.lock",
        Some("`writes = [\"/tmp/.main-archive-wal.lock\"]` in `[backup.base]`")
    )]
    #[case::of_a_shell(
        ": /bin/get.sh: 1: cannot create /tmp/a: Permission denied",
        Some("\"/tmp/a\"")
    )]
    #[case::of_go(": open /tmp/b: permission denied", Some("\"/tmp/b\""))]
    #[case::the_last_one(
        ": /tmp/a: Permission denied; /tmp/b: Permission denied; it failed",
        Some("\"/tmp/b\"")
    )]
    #[case::a_relative_path(
        ": sh: 1: cannot create x: Permission denied",
        Some("`writes = [\"/path\"]`")
    )]
    #[case::its_own_folder(": /tmp/own/file: Permission denied", None)]
    #[case::of_ssh(": ada@host: Permission denied (publickey).", None)]
    #[case::of_a_server(": ERROR: permission denied for table orders", None)]
    #[case::of_sudo(
        ": sudo: The \"no new privileges\" flag is set",
        Some("run redrill as that user")
    )]
    #[case::another(": no such host", None)]
    fn a_refused_write_has_a_next_step(#[case] errors: &str, #[case] says: Option<&str>) {
        let hint = hint(errors, "[backup.base]", &[PathBuf::from("/tmp/own")]);
        assert_eq!(hint.is_some(), says.is_some(), "{hint:?}");
        let hint = hint.unwrap_or_default();
        assert!(hint.contains(says.unwrap_or_default()), "{hint}");
    }

    #[test]
    fn what_writes_names_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("log"), "").unwrap();
        let writes = ["log", "lock"].map(PathBuf::from);
        assert!(listed(&writes[..1], folder.path(), "[backup.wal]").is_ok());
        let error = listed(&writes, folder.path(), "[backup.wal]").unwrap_err();
        assert!(error.reason.contains("lock: No such file"), "{error:?}");
    }

    #[test]
    fn a_kernel_without_it_is_named() {
        let warning = unconfined("[backup.base]");
        assert!(warning.actual.contains("no Landlock"), "{warning:?}");
    }
}
