//! The settings of `[[backup.companion]]`.

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use crate::backup::settings::Sha256Hex;
use crate::backup::source::settings::{S3, validate_pattern, validate_s3};
use crate::backup::source::{Location, Rules, Source, TimePattern};
use crate::input::Problem;
use crate::input::decode::{Table, decode};
use crate::input::table::{key_span, table_at, text_at};
use crate::units::Span;

/// What belongs to the backup and is not in it. Exactly one of `path`, `newest` and `s3`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Companion {
    /// Its name in reports.
    pub name: String,
    /// A file or a folder, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// A pattern, such as `backups/uploads-*.tar.gz`. Selects the newest by the time in its name.
    pub newest: Option<String>,
    /// An object of a bucket, as `[backup.s3]`: a `key`, or the `newest` of a pattern. It is fetched into the folder of the run.
    pub s3: Option<S3>,
    /// Format of the time in the names, as for the backup.
    pub time: Option<TimePattern>,
    /// Maximum age, by the time in its name; without one, by its modification time, of a folder by that of the file
    /// in it that changed last, of an object by that of its upload.
    pub max_age: Option<Span>,
    /// How far its time may be from that of the backup, such as `1h`. Default: any.
    pub same_time_within: Option<Span>,
    /// The expected SHA-256 of the file, in hex. Without it a file or object `X.sha256` next to it is read, where there is one.
    pub sha256: Option<Sha256Hex>,
    /// Whether it is read to its end. Default: true. `false` is for a folder that is too large: then it has no digest,
    /// and a file that cannot be read is not noticed. An object is always read.
    pub read: Option<bool>,
}

/// The keys of the sources.
const SOURCES: &[&str] = &["path", "newest", "s3"];

/// Reads the list. Errors are added to `problems`; `key` is the place of the name `companion`.
pub fn read(
    value: Spanned<DeValue<'_>>,
    key: &Range<usize>,
    problems: &mut Vec<Problem>,
) -> Vec<Companion> {
    let DeValue::Array(tables) = value.into_inner() else {
        let problem = Problem::at(key.clone(), "`companion` must be a list of tables");
        problems.push(problem.hint("begin each companion with `[[backup.companion]]`"));
        return Vec::new();
    };
    let mut read: Vec<Companion> = Vec::new();
    for table in tables {
        let (place, mut name) = (table.span(), None);
        let (mut unread, mut digest) = (None, None);
        if let DeValue::Table(table) = table.get_ref() {
            require_one_source(table, &place, problems);
            validate_pattern(table, problems);
            if let Some((s3, key)) = table_at(table, "s3") {
                validate_s3(s3, "[backup.companion.s3]", key, problems);
            }
            name = text_at(table, "name").map(|(_, place)| place);
            unread = key_span(table, "read");
            digest = key_span(table, "sha256");
        }
        let Some(companion) = decode::<Companion>(table, &[], problems) else {
            continue;
        };
        if companion.read == Some(false) {
            if let Some(digest) = digest {
                let problem = Problem::at(digest, "`sha256` is not compared without reading it");
                problems.push(problem.hint("leave out `read = false`"));
            }
            if let (Some(unread), Some(_)) = (unread, &companion.s3) {
                let problem = Problem::at(unread, "an object is fetched, and so it is read");
                problems.push(problem.hint("leave out `read = false`"));
            }
        }
        if read.iter().any(|other| other.name == companion.name) {
            let message = format!("two companions are called `{}`", companion.name);
            problems.push(
                Problem::at(name.unwrap_or(place), message)
                    .hint("give each companion a `name` of its own"),
            );
        }
        read.push(companion);
    }
    read
}

/// Requires exactly one source; `place` is that of the companion.
fn require_one_source(table: &Table<'_>, place: &Range<usize>, problems: &mut Vec<Problem>) {
    let mut named: Vec<_> = SOURCES
        .iter()
        .filter_map(|name| key_span(table, name))
        .collect();
    named.sort_by_key(|span| span.start);
    let hint =
        "keep one of `path = \"uploads\"`, `newest = \"backups/uploads-*.tar.gz\"`, and `s3`";
    if named.is_empty() {
        let problem = Problem::at(
            place.clone(),
            "the companion needs `path`, `newest` or `s3`",
        );
        problems.push(problem.hint(hint.replace("keep", "add")));
    }
    for second in named.into_iter().skip(1) {
        let problem = Problem::at(second, "a companion has exactly one source");
        problems.push(problem.hint(hint));
    }
}

impl Companion {
    pub(super) fn source(&self) -> Source {
        let location = match (&self.path, &self.s3) {
            (Some(path), _) => Location::Path(path.clone()),
            (None, Some(object)) => Location::S3(object.clone()),
            // Validated with the scenario.
            (None, None) => Location::Newest(self.newest.clone().unwrap_or_default()),
        };
        Source {
            location,
            rules: Rules {
                time: self.time.clone(),
                sha256: self.sha256.clone().map(|digest| digest.0),
                ..Rules::default()
            },
            globals: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("name = 'a'\npath = 'x'", &[])]
    #[case("name = 'a'\nnewest = 'x-*'\nmax-age = '26h'\nread = false", &[])]
    #[case("name = 'a'", &["needs `path`, `newest` or `s3`"])]
    #[case("name = 'a'\npath = 'x'\nnewest = 'x-*'", &["exactly one source"])]
    #[case("name = 'a'\npath = 'x'\ns3 = { bucket = 'b', key = 'k' }", &["exactly one source"])]
    #[case("name = 'a'\nmax-age = '1d'\n[companion.s3]\nbucket = 'b'\nnewest = 'n/x-*.tar'", &[])]
    #[case("name = 'a'\n[companion.s3]\nbucket = 'b'", &["`[backup.companion.s3]` names no object"])]
    #[case("name = 'a'\ns3 = { bucket = 'b', newest = 'n/[x' }", &["is not a pattern"])]
    #[case("name = 'a'\nnewest = 'n/[x'", &["is not a pattern"])]
    #[case("name = 'a'\nread = false\ns3 = { bucket = 'b', key = 'k' }", &["an object is fetched"])]
    #[case("name = 'a'\ns3 = { bucket = 'b', key = 'k', access-key-id = 'a', secret-access-key = 'b' }", &["never written"])]
    #[case("path = 'x'", &["`name` is missing"])]
    #[case("name = 'a'\npath = 'x'\nmaxage = '1h'", &["unknown key `maxage`"])]
    #[case("name = 'a'\npath = 'x'\nread = false\nsha256 = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", &["is not compared"])]
    #[case("name = 'a'\npath = 'x'\n[[companion]]\nname = 'a'\npath = 'y'", &["two companions are called `a`"])]
    fn settings_must_make_sense(#[case] toml: &str, #[case] expected: &[&str]) {
        let text = format!("[[companion]]\n{toml}");
        let mut root = toml::de::DeTable::parse(&text).unwrap();
        let (key, value) = root.get_mut().remove_entry("companion").unwrap();
        let mut problems = Vec::new();
        read(value, &key.span(), &mut problems);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, text) in problems.iter().zip(expected) {
            assert!(problem.message.contains(text), "{problem:#?}");
        }
    }
}
