//! What a scenario says of its backup: the newest of its stream where its name carries a time, else the
//! file itself.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use super::block::{Value, commented, quote};
use crate::backup::source::{Rules, newest, stream_of, time_in_name};

/// How many folders up a path may go before it is better told from the root.
const UP: usize = 4;

/// Where the backup lies, as the scenario says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// `path` or `newest`.
    key: &'static str,
    value: String,
    /// What a person should know.
    comment: Option<String>,
    /// The file of an age identity.
    identity: Option<String>,
    /// The command that decrypts.
    command: Vec<String>,
}

impl Place {
    /// A backup that is named when the scenario is run.
    #[must_use]
    pub fn later() -> Self {
        Self {
            key: "path",
            // The check of the environment would refuse a variable that is not set; so it is told apart
            // from texts by its own constructor.
            value: "${BACKUP}".to_owned(),
            comment: Some(
                "Name the backup by `BACKUP=… redrill run`, or write where the nightly ones lie: \
                 newest = \"/backups/orders-*.sql.gz\"."
                    .to_owned(),
            ),
            ..Self::default()
        }
    }

    /// The backup at `path`, for a scenario in `folder`.
    #[must_use]
    pub fn of(path: &Path, folder: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let file = absolute
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let shown = |path: &Path| relative(path, folder).display().to_string();
        let mut place = Self {
            key: "path",
            value: shown(&absolute),
            ..Self::default()
        };
        let (Some(name), Some(parent)) = (file, absolute.parent()) else {
            return place;
        };
        if time_in_name(&name).is_none() || name.contains(['*', '?', '[', '{']) {
            return place;
        }
        let pattern = parent.join(stream_of(&name));
        let found = newest::find(folder, &pattern.display().to_string(), &Rules::default());
        if found.is_ok_and(|found| found.path == absolute) {
            place.key = "newest";
            place.value = shown(&pattern);
            place.comment = Some(
                "The newest by the time in its name. Where one is made every night, `max-age = \"26h\"` says when one is missing."
                    .to_owned(),
            );
        } else {
            place.comment = Some(format!(
                "There are newer ones of its stream, or ones that cannot be told apart; newest = {} takes the newest.",
                quote(&shown(&pattern))
            ));
        }
        place
    }

    /// Says how it is decrypted.
    #[must_use]
    pub fn opened_by(
        mut self,
        identity: Option<&Path>,
        command: Option<&str>,
        folder: &Path,
    ) -> Self {
        self.identity = identity.map(|file| {
            let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            relative(&absolute, folder).display().to_string()
        });
        self.command = command
            .map(|text| text.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        self
    }

    /// Writes `[backup]`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::from("\n[backup]\n");
        if let Some(comment) = &self.comment {
            text.push_str(&commented(comment));
        }
        let value = if self.value == "${BACKUP}" {
            format!("\"{}\"", self.value)
        } else {
            quote(&self.value)
        };
        let _ = writeln!(text, "{} = {value}", self.key);
        if let Some(file) = &self.identity {
            let _ = write!(
                text,
                "\n[backup.decrypt]\nage-identity = {{ file = {} }}\n",
                quote(file)
            );
        }
        if !self.command.is_empty() {
            let words: Value = self.command.clone().into();
            let _ = write!(text, "\n[backup.decrypt]\n{}\n", words.write("command"));
        }
        text
    }
}

/// A path as it is told from a folder, where that is not far.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = folder.canonicalize().unwrap_or(folder);
    let (there, here): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (path.components().collect(), folder.components().collect());
    let common = there
        .iter()
        .zip(&here)
        .take_while(|(one, other)| one == other)
        .count();
    let up = here.len() - common;
    // Nothing in common but the root is no neighbourhood.
    if up > UP || common < 2 {
        return path.to_owned();
    }
    let mut told: PathBuf = std::iter::repeat_n("..", up).collect();
    told.extend(there.iter().skip(common));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/srv/app/backups/x.sql", "/srv/app/drills", "../backups/x.sql")]
    #[case("/srv/app/x.sql", "/srv/app", "x.sql")]
    #[case("/var/backups/x.sql", "/srv/app", "/var/backups/x.sql")]
    fn paths_are_told_from_the_scenario(
        #[case] path: &str,
        #[case] folder: &str,
        #[case] told: &str,
    ) {
        assert_eq!(
            relative(Path::new(path), Path::new(folder)),
            Path::new(told)
        );
    }

    #[test]
    fn the_newest_of_a_stream_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for name in ["app-2026-05-24.sql", "app-2026-05-25.sql", "plain.sql"] {
            std::fs::write(folder.join(name), "-- x\n").unwrap();
        }
        let of = |name: &str| Place::of(&folder.join(name), &folder);
        assert_eq!(
            (of("plain.sql").key, of("plain.sql").value.as_str()),
            ("path", "plain.sql")
        );
        let newest = of("app-2026-05-25.sql");
        assert_eq!((newest.key, newest.value.as_str()), ("newest", "app-*.sql"));
        let older = of("app-2026-05-24.sql");
        assert_eq!(
            (older.key, older.value.as_str()),
            ("path", "app-2026-05-24.sql")
        );
        assert!(older.comment.unwrap().contains("newest = \"app-*.sql\""));
    }
}
