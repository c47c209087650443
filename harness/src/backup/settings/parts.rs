//! `[[backup.part]]`: several backups that are restored as one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{Composition, OTHERS, Read, SOURCES, Subject, read_one};
use crate::backup::base::settings::Target;
use crate::backup::source::{Location, Rules, Source};
use crate::input::Problem;
use crate::input::decode::{Table, decode};
use crate::units::Span;

/// Backups further apart than this are of two nights, unless the scenario says otherwise: dumps that a job takes every
/// night at about the same time differ by some 24 hours, those that it takes one after the other by minutes.
const ONE_NIGHT: Duration = Duration::from_hours(12);

/// Keys of a part in addition to those of a backup.
pub const OWN_KEYS: &[&str] = &["name", "database", "server"];

/// Keys of `[backup]` that are about all parts.
const OF_ALL: &[&str] = &["max-age", "same-time-within"];

/// Keys of `[backup]` for the first part: the roles of the cluster are restored before all parts.
const OF_FIRST: &[&str] = &["globals"];

/// Keys of `[backup]` for each part that does not set its own.
const SHARED: &[&str] = &["settled", "time", "decrypt", "previous", "retention"];

/// Several backups that are restored as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The backups, in the order of the scenario.
    pub parts: Vec<PartSubject>,
    /// Maximum difference of the times at which they were taken.
    pub within: Duration,
    /// Whether the scenario sets `within`.
    pub within_is_set: bool,
}

/// One of several backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSubject {
    /// Its name in reports.
    pub name: String,
    /// Where it is, and what it is compared with.
    pub subject: Subject,
    /// The database that it is restored into; `None` for the one that it names.
    pub database: Option<String>,
    /// The server that it is restored on; parts with the same name share one, and those without.
    pub server: Option<String>,
}

impl Parts {
    /// The newest backups that match these patterns, by the names of the parts.
    #[must_use]
    pub fn newest(patterns: impl Iterator<Item = (String, String)>) -> Self {
        let parts = patterns.map(|(name, pattern)| PartSubject {
            name,
            subject: Subject::of(Source {
                location: Location::Newest(pattern),
                rules: Rules::default(),
                globals: None,
            }),
            database: None,
            server: None,
        });
        Self {
            parts: parts.collect(),
            within: ONE_NIGHT,
            within_is_set: false,
        }
    }

    pub(super) fn subjects_mut(&mut self) -> impl Iterator<Item = &mut Subject> {
        self.parts.iter_mut().map(|part| &mut part.subject)
    }

    /// The databases that the scenario sets, by the name of the part.
    #[must_use]
    pub fn databases(&self) -> BTreeMap<String, String> {
        let parts = self.parts.iter();
        let set = parts.filter_map(|part| Some((part.name.clone(), part.database.clone()?)));
        set.collect()
    }
}

/// Reads the parts of `[backup]`, of which `shared` is the rest; `key` is the place of the name `part`.
pub(super) fn read(
    shared: &mut Table<'_>,
    key: &Range<usize>,
    parts: Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<Read> {
    let before = problems.len();
    refuse_of_one(shared, problems);
    let span = |name: &str, table: &mut Table<'_>, problems: &mut Vec<Problem>| {
        let value = table.remove(name)?;
        decode::<Span>(value, &[], problems)
    };
    let max_age = span("max-age", shared, problems);
    let within = span("same-time-within", shared, problems);
    let DeValue::Array(tables) = parts.into_inner() else {
        let problem = Problem::at(key.clone(), "`part` must be a list of tables");
        problems.push(problem.hint("begin each part with `[[backup.part]]`"));
        return None;
    };
    let mut read: Vec<(PartSubject, Range<usize>)> = Vec::new();
    for (at, mut table) in tables.into_iter().enumerate() {
        let place = table.span();
        if at == 0 {
            fill(&mut table, shared, OF_FIRST);
        }
        let Some(part) = part(table, shared, problems) else {
            continue;
        };
        let same = |other: &&(PartSubject, _)| {
            other.0.name == part.name
                || (part.database.is_some() && other.0.database == part.database)
        };
        if let Some((other, _)) = read.iter().find(same) {
            let what = match other.name == part.name {
                true => format!("two parts are called `{}`", part.name),
                false => format!(
                    "the part `{}` is restored into the same database",
                    other.name
                ),
            };
            let problem = Problem::at(place.clone(), what);
            problems.push(problem.hint("give each part a `name` and a `database` of its own"));
        }
        read.push((part, place));
    }
    if read.is_empty() && problems.len() == before {
        problems.push(Problem::at(key.clone(), "`part` lists no backup"));
    }
    // What is wrong in a key for all parts was found once for each.
    let mut seen = Vec::new();
    let mut at = 0;
    problems.retain(|problem| {
        let place = (problem.span.clone(), problem.message.clone());
        let is_new = at < before || !seen.contains(&place);
        at += 1;
        seen.push(place);
        is_new
    });
    if problems.len() > before {
        return None;
    }
    Some(Read {
        max_age,
        composition: Composition::Parts(Parts {
            parts: read.into_iter().map(|(part, _)| part).collect(),
            within: within.map_or(ONE_NIGHT, |span| span.0),
            within_is_set: within.is_some(),
        }),
        companions: Vec::new(),
    })
}

/// Adds keys of `[backup]` to a part that does not set them.
fn fill<'i>(part: &mut Spanned<DeValue<'i>>, shared: &Table<'i>, keys: &[&str]) {
    let DeValue::Table(table) = part.get_mut() else {
        return;
    };
    for key in keys {
        if let Some((key, value)) = shared.get_key_value(*key)
            && !table.contains_key(key.get_ref().as_ref())
        {
            table.insert(key.clone(), value.clone());
        }
    }
}

/// Refuses keys of `[backup]` that are about one backup.
fn refuse_of_one(shared: &Table<'_>, problems: &mut Vec<Problem>) {
    let of_all = || OF_ALL.iter().chain(OF_FIRST).chain(SHARED);
    for key in shared.keys() {
        let name: &str = key.get_ref();
        if of_all().any(|known| *known == name) {
            continue;
        }
        let problem = match SOURCES.iter().chain(OTHERS).any(|known| *known == name) {
            true => Problem::at(key.span(), format!("`{name}` belongs to one part"))
                .hint("move it below the `[[backup.part]]` that it is about"),
            false => {
                let known: Vec<&str> = of_all().copied().collect();
                Problem::at(key.span(), format!("unknown key `{name}`")).hint(format!(
                    "known in `[backup]` with parts: {}",
                    known.join(", ")
                ))
            }
        };
        problems.push(problem);
    }
}

/// Reads one part, with the keys for all parts that it does not set.
fn part<'i>(
    mut value: Spanned<DeValue<'i>>,
    shared: &Table<'i>,
    problems: &mut Vec<Problem>,
) -> Option<PartSubject> {
    let before = problems.len();
    let place = value.span();
    let (mut name, mut database, mut server) = (None, None, None);
    if let DeValue::Table(table) = value.get_mut() {
        let text = |key: &str, table: &mut Table<'_>, problems: &mut Vec<Problem>| {
            let value = table.remove(key)?;
            let at = value.span();
            let text = decode::<String>(value, &[], problems)?;
            if text.trim().is_empty() {
                problems.push(Problem::at(at, format!("`{key}` is empty")));
            }
            Some(text)
        };
        name = text("name", table, problems);
        database = text("database", table, problems);
        server = text("server", table, problems);
        for key in OF_ALL {
            if let Some((key, _)) = table.remove_entry(*key) {
                let what = format!("`{}` is about all parts", key.get_ref());
                problems.push(Problem::at(key.span(), what).hint("move it to `[backup]`"));
            }
        }
    }
    fill(&mut value, shared, SHARED);
    let read = read_one(
        value,
        "[[backup.part]]",
        place.clone(),
        &Target::default(),
        problems,
    );
    let Some(name) = name.or_else(|| database.clone()) else {
        let problem = Problem::at(place, "this part has no name");
        problems.push(
            problem.hint("add `database = \"users\"`, or `name = \"globals\"` for a file of roles"),
        );
        return None;
    };
    if problems.len() > before {
        return None;
    }
    let (_, subject) = read?;
    Some(PartSubject {
        name,
        subject,
        database,
        server,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;
    use crate::scenario;

    fn read(backup: &str) -> Result<Parts, String> {
        let check = "[[check.row-count]]\ntable = \"x.y\"\nmin = 1\n";
        let text = format!("schema = 1\nname = \"x\"\n{backup}\n{check}");
        let read = scenario::parse(Path::new("x.toml"), &text, &[].into());
        match read.map_err(|mistakes| mistakes.render(false))?.backup {
            Composition::Parts(parts) => Ok(parts),
            Composition::One(_) => panic!("several parts"),
        }
    }

    const TWO: &str = "[[backup.part]]\nnewest = \"u-*.dump\"\ndatabase = \"users\"\n[[backup.part]]\nname = \"globals\"\npath = \"g.sql\"\n";

    #[test]
    fn parts_have_keys_of_their_own_and_those_for_all() {
        let parts = read(&format!(
            "[backup]\nmax-age = \"1d\"\nsame-time-within = \"10m\"\nsettled = \"5m\"\n{TWO}settled = \"1m\"\n"
        ))
        .unwrap();
        let names: Vec<&str> = parts.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["users", "globals"]);
        assert_eq!(parts.within, Duration::from_mins(10));
        assert_eq!(parts.databases().len(), 1);
        let settled = |at: usize| parts.parts[at].subject.source.rules.settled;
        assert_eq!(settled(0), Some(Duration::from_mins(5)));
        assert_eq!(settled(1), Some(Duration::from_mins(1)));
        let parts = read(TWO).unwrap();
        assert!(!parts.within_is_set && parts.within == ONE_NIGHT);
    }

    #[test]
    fn roles_of_the_cluster_are_restored_with_the_first_part() {
        let parts = read(&format!("[backup]\nglobals = \"g-*.sql\"\n{TWO}")).unwrap();
        let globals = parts
            .parts
            .iter()
            .map(|part| part.subject.source.globals.clone());
        assert_eq!(
            globals.collect::<Vec<_>>(),
            [Some("g-*.sql".to_owned()), None]
        );
    }

    #[rstest]
    #[case::source_beside("[backup]\npath = \"a\"\n", TWO, "`path` belongs to one part", 1)]
    #[case::misspelt_for_all("[backup]\nsame-time = \"1h\"\n", TWO, "unknown key `same-time`", 1)]
    #[case::no_time("[backup]\nsame-time-within = \"often\"\n", TWO, "^", 1)]
    #[case::wrong_for_all_once("[backup]\nsettled = \"often\"\n", TWO, "^", 1)]
    #[case::no_list("[backup]\npart = 3\n", "", "must be a list of tables", 1)]
    #[case::empty("[backup]\npart = []\n", "", "`part` lists no backup", 1)]
    #[case::no_name("", "[[backup.part]]\npath = \"a\"\n", "this part has no name", 1)]
    #[case::no_source(
        "",
        "[[backup.part]]\ndatabase = \"a\"\n",
        "`[[backup.part]]` names no backup",
        1
    )]
    #[case::two_sources(
        "",
        "[[backup.part]]\nname = \"a\"\npath = \"a\"\nnewest = \"b\"\n",
        "exactly one source",
        1
    )]
    #[case::of_all(
        "",
        "[[backup.part]]\nname = \"a\"\npath = \"a\"\nmax-age = \"1d\"\n",
        "is about all parts",
        1
    )]
    #[case::empty_name(
        "",
        "[[backup.part]]\nname = \"\"\npath = \"a\"\n",
        "`name` is empty",
        1
    )]
    #[case::one_name(
        "",
        "[[backup.part]]\nname = \"a\"\npath = \"a\"\n[[backup.part]]\nname = \"a\"\npath = \"b\"\n",
        "two parts are called `a`",
        1
    )]
    #[case::one_database(
        "",
        "[[backup.part]]\nname = \"a\"\npath = \"a\"\ndatabase = \"d\"\n[[backup.part]]\npath = \"b\"\ndatabase = \"d\"\n",
        "the part `a` is restored into the same database",
        1
    )]
    #[case::misspelt(
        "",
        "[[backup.part]]\nname = \"a\"\npath = \"a\"\ndatabse = \"d\"\n",
        "did you mean `database`?",
        1
    )]
    fn mistakes_have_a_place(
        #[case] all: &str,
        #[case] parts: &str,
        #[case] says: &str,
        #[case] count: usize,
    ) {
        let mistakes = read(&format!("{all}{parts}")).unwrap_err();
        assert!(mistakes.contains(says), "no `{says}` in\n{mistakes}");
        assert!(mistakes.contains('^'), "{mistakes}");
        assert_eq!(mistakes.matches("error:").count(), count, "{mistakes}");
    }
}
