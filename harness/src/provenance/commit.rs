//! The commit that is checked out in a git work tree, read from `.git` without running git.

use std::fs;
use std::path::{Path, PathBuf};

/// Deepest chain of symbolic references, as in git.
const DEPTH: usize = 5;

/// The commit that is checked out in the work tree that `folder`, which is absolute, belongs to. Files of the work tree may
/// differ from it. `None` outside of a work tree, before its first commit, and where references are in another form than
/// files (`reftable`).
pub(super) fn of(folder: &Path) -> Option<String> {
    let git = folder.ancestors().find_map(repository)?;
    // A further work tree has a HEAD of its own, and shares the references of the first.
    let shared = match fs::read_to_string(git.join("commondir")) {
        Ok(path) => git.join(path.trim()),
        Err(_) => git.clone(),
    };
    let mut value = first_line(&git.join("HEAD"))?;
    for _ in 0..DEPTH {
        let Some(name) = value.strip_prefix("ref:") else {
            return is_commit(&value).then_some(value);
        };
        let name = name.trim();
        value = first_line(&git.join(name))
            .or_else(|| first_line(&shared.join(name)))
            .or_else(|| packed(&shared, name))?;
    }
    None
}

/// Whether a text is the id of a commit: SHA-1 or SHA-256 in hex.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The repository of a work tree whose top is `folder`.
fn repository(folder: &Path) -> Option<PathBuf> {
    let path = folder.join(".git");
    if path.is_dir() {
        return Some(path);
    }
    // In a further work tree and in a submodule it is a file.
    let text = first_line(&path)?;
    Some(folder.join(text.strip_prefix("gitdir:")?.trim()))
}

/// A reference among those that git has packed into one file.
fn packed(shared: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(shared.join("packed-refs")).ok()?;
    let mut entries = text.lines().filter_map(|line| line.split_once(' '));
    let (commit, _) = entries.find(|(_, other)| *other == name)?;
    Some(commit.to_owned())
}

fn first_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.test"])
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What git itself says, in each form that a repository can have.
    #[test]
    fn the_commit_is_the_one_that_git_names() {
        let base = tempfile::tempdir().unwrap();
        let (tree, other) = (base.path().join("tree"), base.path().join("other"));
        fs::create_dir_all(tree.join("drills/deep")).unwrap();
        assert_eq!(of(&tree.join("drills")), None);
        git(&tree, &["init", "--quiet"]);
        assert_eq!(of(&tree), None, "before the first commit");
        let commit = |folder: &Path| {
            git(folder, &["commit", "--quiet", "--allow-empty", "-m", "x"]);
            git(folder, &["rev-parse", "HEAD"])
        };
        let first = commit(&tree);
        assert_eq!(of(&tree.join("drills/deep")), Some(first.clone()));
        git(&tree, &["pack-refs", "--all"]);
        assert_eq!(of(&tree), Some(first.clone()), "packed");
        let place = other.display().to_string();
        git(&tree, &["worktree", "add", "--quiet", "-b", "next", &place]);
        let second = commit(&other);
        assert_ne!(first, second);
        assert_eq!(of(&other), Some(second.clone()), "further work tree");
        git(&other, &["pack-refs", "--all"]);
        assert_eq!(of(&other), Some(second.clone()), "packed, shared");
        git(&tree, &["checkout", "--quiet", "--detach", &second]);
        assert_eq!(of(&tree), Some(second), "detached");
    }

    #[test]
    fn what_is_no_repository_has_no_commit() {
        let base = tempfile::tempdir().unwrap();
        for head in ["", "ref: HEAD", "ref: refs/heads/gone", "not a commit"] {
            fs::create_dir_all(base.path().join(".git")).unwrap();
            fs::write(base.path().join(".git/HEAD"), head).unwrap();
            assert_eq!(of(base.path()), None, "{head}");
        }
    }
}
