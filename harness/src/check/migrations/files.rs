//! The migration files of a folder, one after the other.

use std::path::Path;

use regex::Regex;

use crate::check::schema_version::files::Version;
use crate::digest::sha256;
use crate::outcome::CouldNotRun;

/// The size up to which a file is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// Its number; `None` where its name is not as it must be.
    pub number: Option<Version>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// Whether a version of the history is this file: by its number, or by its name without the ending.
    pub fn is_version(&self, applied: &str) -> bool {
        let number = self.number.as_ref();
        let stem = self.name.split('.').next().unwrap_or_default();
        number.is_some_and(|number| *number == Version::read(applied))
            || stem == applied
            || self.name == applied
    }

    /// Whether a line of it is a comment with this text.
    pub fn has_tag(&self, tag: &str) -> bool {
        let mut comments = self
            .text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--"));
        comments.any(|comment| comment.trim() == tag)
    }
}

/// Reads the files of a folder that end in `.sql`, in sorted order; `names` has one group, the number.
///
/// # Errors
/// When the folder or a file cannot be read, or there is no such file.
pub fn read(folder: &Path, names: &Regex) -> Result<Vec<File>, CouldNotRun> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        CouldNotRun::new(format!("cannot read {}: {error}", path.display()))
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && name.to_ascii_lowercase().ends_with(".sql") {
            all.push(name);
        }
    }
    all.sort();
    if all.is_empty() {
        return Err(
            CouldNotRun::new(format!("no file *.sql in {}", folder.display()))
                .hint("correct `files`, which is relative to the scenario"),
        );
    }
    let read = |name: String| {
        let path = folder.join(&name);
        let size = std::fs::metadata(&path)
            .map_err(|error| unreadable(&path, &error))?
            .len();
        if size > LARGEST {
            return Err(unreadable(
                &path,
                &format!("it is larger than {LARGEST} bytes"),
            ));
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        let sha256 = sha256(&bytes);
        let text = String::from_utf8(bytes).map_err(|_| unreadable(&path, &"it is not UTF-8"))?;
        let number = names.captures(&name).and_then(|found| found.get(1));
        Ok(File {
            number: number.map(|number| Version::read(number.as_str())),
            sha256,
            text,
            name,
        })
    };
    let mut files = all.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // `10` comes after `9`, whatever their names are as text.
    files.sort_by(|one, other| (&one.number, &one.name).cmp(&(&other.number, &other.name)));
    Ok(files)
}
