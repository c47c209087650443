//! The settings of a backup: `[backup]` and the table of its source.
//!
//! - `parts`: several backups that are one, `[[backup.part]]`
//! - `other`: the backup that the command line names

mod other;
pub mod parts;

pub use other::{OtherBackup, hint_at_option, replace_source, source_places};
use parts::Parts;

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::DeValue;

use super::base;
use super::base::settings::{ArchivedWal, Base, Physical, Target, Wal};
use super::base::tool::barman::Barman;
use super::base::tool::pgbackrest::PgBackRest;
use super::companion::{self, Companion};
use super::packing::settings::Decrypt;
use super::retention::Retention;
use super::source::pick::{self, Choosing, Pick};
use super::source::settings::{Command, Http, S3};
use super::source::{self, Location, Pattern, Rules, Source, TimePattern};
use crate::digest::parse_sha256;
use crate::input::Problem;
use crate::input::decode::{Table, decode};
use crate::input::diagnostic::nearest;
use crate::input::table::{key_span, table_at, text_at};
use crate::input::tables::TablePattern;
use crate::units::Span;

/// The backup of a drill. Exactly one of `path`, `newest`, `[backup.s3]`, `[backup.http]`,
/// `[backup.command]`, `[backup.base]`, `[backup.pgbackrest]` and `[backup.barman]`; or `[[backup.part]]`, several backups that are restored as one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Backup {
    /// One backup, a file or a folder, relative to the scenario file.
    pub path: Option<PathBuf>,
    /// A pattern for backups, such as `backups/plur-*.sql.gz`, or a folder of them. Selects the newest by
    /// the time in its name, never by its modification time. `*`, `?`, `[a-z]` and `{a,b}` are allowed in
    /// names and in folders.
    pub newest: Option<String>,
    /// A base backup of `pg_basebackup`, or of a tool that restores one.
    pub base: Option<Base>,
    /// The archived WAL of a base backup.
    pub wal: Option<Wal>,
    /// A base backup and its WAL in a repository of pgBackRest.
    pub pgbackrest: Option<PgBackRest>,
    /// A base backup and its WAL that Barman keeps.
    pub barman: Option<Barman>,
    /// A backup in S3-compatible storage.
    pub s3: Option<S3>,
    /// A backup that is fetched by HTTP.
    pub http: Option<Http>,
    /// A backup that a command writes.
    pub command: Option<Command>,
    /// The file of roles that belongs to the backup, as `pg_dumpall --globals-only` writes it: a path or a
    /// pattern relative to the folder of the backup, such as `globals-*.sql.gz`. Of several files the one of
    /// the same day with the nearest time in its name is restored before the backup; without one the drill
    /// fails. For `path`, `newest` and `[backup.s3]`.
    pub globals: Option<String>,
    /// Maximum age of the backup (the recovery point objective).
    pub max_age: Option<Span>,
    /// The expected SHA-256 of the file, in hex.
    pub sha256: Option<Sha256Hex>,
    /// Which of the backups that `newest` matches is drilled. Default: the newest. With another, `max-age` is still that of the
    /// newest.
    #[serde(default)]
    pub pick: Pick,
    /// A file that changed more recently than this is still being written and is not selected.
    pub settled: Option<Span>,
    /// Format of the time in the names, as for strptime: `plur-%Y-%m-%d.sql.gz`, or
    /// `plur-%s.sql` for Unix time. Default: the usual forms, such as `2026-05-25` and
    /// `20260525_020000`.
    pub time: Option<TimePattern>,
    /// How the backup is decrypted.
    pub decrypt: Option<Decrypt>,
    /// How it is compared with the previous backup.
    #[serde(default)]
    pub previous: Previous,
    /// Required earlier backups.
    pub retention: Option<Retention>,
}

/// How a backup is compared with the previous successful one of the same stream: the newest earlier one that the inspection
/// finds complete. Up to five earlier ones are examined; a warning names each that is passed over. Where they are not read
/// (`compare = "size"`, or a source on another machine), only an empty file is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Previous {
    /// What is compared. Default: `rows` if the previous backup is on this machine, otherwise `size`.
    pub compare: Option<Compare>,
    /// Tables that may lose any number of rows between two backups, such as `["app.outbox",
    /// "*.sessions"]`. `*` matches any characters, `?` one.
    #[serde(default)]
    pub may_shrink: Vec<TablePattern>,
}

/// What is compared with the previous backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// The size, and the rows of every table: the previous backup is read too.
    Rows,
    /// The size of the file.
    Size,
    /// Nothing.
    Off,
}

/// A SHA-256 in hex, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent, extend("pattern" = "^[0-9A-Fa-f]{64}$"))]
pub struct Sha256Hex(pub String);

impl<'de> Deserialize<'de> for Sha256Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_sha256(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom("a SHA-256 is 64 hexadecimal digits, as `sha256sum` prints it")
        })
    }
}

/// A source, and what the backup is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Where it is.
    pub source: Source,
    /// Which of several a drill restores; whatever else reads the backup takes the newest.
    pub pick: Pick,
    /// How it is decrypted.
    pub decrypt: Option<Decrypt>,
    /// How it is compared with the previous backup.
    pub previous: Previous,
    /// Required earlier backups.
    pub retention: Option<Retention>,
    /// The recovery of a base backup; `None` for dumps.
    pub physical: Option<Physical>,
}

/// The backup of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Composition {
    /// One backup.
    One(Box<Subject>),
    /// Several that are restored as one.
    Parts(Parts),
}

impl Composition {
    /// How each of its drills selects one of several backups.
    #[must_use]
    pub fn choices(&self, seed: u32) -> Vec<Choosing> {
        match self {
            Self::One(subject) => subject.pick.choices(subject.retention.as_ref(), seed),
            Self::Parts(_) => vec![Choosing::Newest],
        }
    }

    /// How the drill selects one of several backups.
    #[must_use]
    pub fn choosing(&self) -> &Choosing {
        match self {
            Self::One(subject) => &subject.source.rules.choosing,
            Self::Parts(_) => &Choosing::Newest,
        }
    }

    /// Sets how the drill selects one of several backups.
    pub fn set_choosing(&mut self, choosing: &Choosing) {
        if let Self::One(subject) = self {
            subject.source.rules.choosing = choosing.clone();
        }
    }

    /// All backups that it consists of.
    pub fn subjects_mut(&mut self) -> impl Iterator<Item = &mut Subject> {
        let (one, parts) = match self {
            Self::One(subject) => (Some(subject.as_mut()), None),
            Self::Parts(parts) => (None, Some(parts.subjects_mut())),
        };
        one.into_iter().chain(parts.into_iter().flatten())
    }
}

impl Subject {
    /// A backup without further settings.
    #[must_use]
    pub fn of(source: Source) -> Self {
        Self {
            source,
            pick: Pick::default(),
            decrypt: None,
            previous: Previous::default(),
            retention: None,
            physical: None,
        }
    }
}

/// The keys of the sources.
const SOURCES: &[&str] = &[
    "path",
    "newest",
    "s3",
    "http",
    "command",
    "base",
    "pgbackrest",
    "barman",
];

/// The other keys of the table, to suggest a name for a misspelt one.
const OTHERS: &[&str] = &[
    "wal",
    "globals",
    "max-age",
    "sha256",
    "pick",
    "settled",
    "time",
    "decrypt",
    "previous",
    "retention",
];

/// The example where no source is set.
pub const EXAMPLE: &str = "add `path = \"backup.sql.gz\"`, or `newest = \"backups/plur-*.sql.gz\"`";

/// `[backup]` as it was read.
#[derive(Debug)]
pub struct Read {
    /// Maximum age of the backup.
    pub max_age: Option<Span>,
    /// Where it is, and what it is compared with.
    pub composition: Composition,
    /// What belongs to it and is not in it.
    pub companions: Vec<Companion>,
}

/// Reads `[backup]`, of which a recovery up to `target` is made. Errors are added to `problems`; `header` is the place of errors about missing
/// keys.
pub fn read(
    mut value: Spanned<DeValue<'_>>,
    header: Range<usize>,
    target: &Target,
    problems: &mut Vec<Problem>,
) -> Option<Read> {
    let mut companions = Vec::new();
    if let DeValue::Table(table) = value.get_mut() {
        if let Some((key, list)) = table.remove_entry("companion") {
            companions = companion::read(list, &key.span(), problems);
        }
        if let Some((key, parts)) = table.remove_entry("part") {
            let read = parts::read(table, &key.span(), parts, problems)?;
            return Some(Read { companions, ..read });
        }
    }
    let (max_age, subject) = read_one(value, "[backup]", header, target, problems)?;
    let composition = Composition::One(Box::new(subject));
    Some(Read {
        max_age,
        composition,
        companions,
    })
}

/// Reads the settings of one backup in a section of this name; returns its maximum age too.
fn read_one(
    value: Spanned<DeValue<'_>>,
    section: &str,
    header: Range<usize>,
    target: &Target,
    problems: &mut Vec<Problem>,
) -> Option<(Option<Span>, Subject)> {
    let before = problems.len();
    if let DeValue::Table(table) = value.get_ref() {
        require_one_source(table, section, &header, problems);
        source::settings::validate(table, problems);
        validate_retention(table, problems);
        pick::validate(table, section, problems);
        validate_globals(table, problems);
        base::validate(table, problems);
    }
    let decrypt = match value.get_ref() {
        DeValue::Table(table) => key_span(table, "decrypt").unwrap_or_default(),
        _ => header,
    };
    let backup: Backup = decode(value, parts::OWN_KEYS, problems)?;
    if let Some(settings) = &backup.decrypt {
        settings.check(&decrypt, problems);
    }
    if problems.len() > before {
        return None;
    }
    let by_tool = None
        .or_else(|| Some(backup.pgbackrest.clone()?.commands(target)))
        .or_else(|| Some(backup.barman.clone()?.commands()));
    let base = backup.base.clone();
    let of_base = base.clone().unwrap_or_default();
    let of_base_backup = |parents, wal| Physical {
        parents,
        wal,
        inclusive: true,
        ..Physical::default()
    };
    let physical = match (&by_tool, base) {
        (Some(tool), _) => Some(of_base_backup(
            Vec::new(),
            Some(ArchivedWal::Command(tool.wal.clone())),
        )),
        (None, Some(base)) => Some(of_base_backup(
            base.parents,
            backup.wal.and_then(Wal::archived),
        )),
        (None, None) => None,
    };
    let path = backup.path.as_ref().or(of_base.path.as_ref());
    let location = match (path, backup.newest.as_ref().or(of_base.newest.as_ref())) {
        (Some(path), _) => Location::Path(path.clone()),
        (_, Some(newest)) => Location::Newest(newest.clone()),
        (None, None) => None
            .or_else(|| backup.s3.clone().map(Location::S3))
            .or_else(|| backup.http.clone().map(Location::Http))
            .or_else(|| backup.command.clone().map(Location::Command))
            .or_else(|| by_tool.map(|tool| Location::Base(tool.base)))
            .or_else(|| of_base.fetch().map(Location::Base))?,
    };
    let rules = Rules {
        time: backup.time.clone(),
        settled: backup.settled.map(|span| span.0),
        sha256: backup.sha256.clone().map(|digest| digest.0),
        choosing: Choosing::default(),
    };
    let subject = Subject {
        source: Source {
            location,
            rules,
            globals: backup.globals,
        },
        pick: backup.pick,
        decrypt: backup.decrypt,
        previous: backup.previous,
        retention: backup.retention,
        physical,
    };
    Some((backup.max_age, subject))
}

/// Requires exactly one source.
fn require_one_source(
    table: &Table<'_>,
    section: &str,
    header: &Range<usize>,
    problems: &mut Vec<Problem>,
) {
    let mut named: Vec<_> = table
        .keys()
        .filter(|key| SOURCES.contains(&key.get_ref().as_ref()))
        .collect();
    named.sort_by_key(|key| key.span().start);
    match named.as_slice() {
        [_] => {}
        [] => {
            // A misspelt source has its own error.
            let known = || {
                let all = [SOURCES, OTHERS, parts::OWN_KEYS];
                all.into_iter().flatten().copied()
            };
            let meant = table
                .keys()
                .filter_map(|key| nearest(key.get_ref(), known()))
                .any(|name| SOURCES.contains(&name));
            if !meant {
                let problem = Problem::at(header.clone(), format!("`{section}` names no backup"));
                problems.push(problem.hint(EXAMPLE));
            }
        }
        [first, more @ ..] => {
            for key in more {
                let problem =
                    Problem::at(key.span(), format!("`{section}` has exactly one source"));
                problems.push(problem.hint(format!(
                    "keep `{}` or `{}`",
                    first.get_ref(),
                    key.get_ref()
                )));
            }
        }
    }
}

/// Requires a tier in `[backup.retention]`, and a source with several backups.
fn validate_retention(table: &Table<'_>, problems: &mut Vec<Problem>) {
    let Some((retention, span)) = table_at(table, "retention") else {
        return;
    };
    let example = "write `daily = 14`, `weekly = 13` or `monthly = 12`";
    if retention.is_empty() {
        problems.push(Problem::at(span.clone(), "`[backup.retention]` sets no tier").hint(example));
    }
    for value in retention.values() {
        if matches!(value.get_ref(), DeValue::Integer(number) if number.as_str() == "0") {
            problems.push(Problem::at(value.span(), "a tier must be at least 1").hint(example));
        }
    }
    let of_base = table_at(table, "base").is_some_and(|(base, _)| base.contains_key("command"));
    for source in ["http", "command", "base", "pgbackrest", "barman"] {
        if table.contains_key(source) && (source != "base" || of_base) {
            problems.push(
                Problem::at(
                    span.clone(),
                    format!("`[backup.{source}]` is a single backup, without earlier ones"),
                )
                .hint("retention requires `newest`, `path` or `[backup.s3]`"),
            );
        }
    }
}

/// Requires a pattern or a path in `globals`, and a source with a folder.
fn validate_globals(table: &Table<'_>, problems: &mut Vec<Problem>) {
    let Some((globals, span)) = text_at(table, "globals") else {
        return;
    };
    if globals.is_empty() {
        problems.push(
            Problem::at(span.clone(), "`globals` names no file")
                .hint("write `globals = \"globals-*.sql.gz\"`, or remove it"),
        );
    }
    if let Err(why) = Pattern::parse(globals) {
        problems.push(Problem::at(span.clone(), why));
    }
    for source in ["http", "command"] {
        if table.contains_key(source) {
            problems.push(
                Problem::at(
                    span.clone(),
                    format!("`[backup.{source}]` is a single file, without a folder for `globals`"),
                )
                .hint("fetch a tar file with both, which is one backup; or use `path`, `newest` or `[backup.s3]`"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use rstest::rstest;
    use std::path::Path;

    fn read(backup: &str) -> Result<Subject, String> {
        let text = format!(
            "schema = 1\nname = \"x\"\n{backup}\n[[check.row-count]]\ntable = \"x\"\nmin = 1\n"
        );
        match scenario::parse(Path::new("x.toml"), &text, &[].into()) {
            Ok(scenario) => match scenario.backup {
                Composition::One(subject) => Ok(*subject),
                Composition::Parts(_) => panic!("one backup"),
            },
            Err(mistakes) => Err(mistakes.render(false)),
        }
    }

    #[rstest]
    #[case::path("[backup]\npath = \"a.sql\"")]
    #[case::newest(
        "[backup]\nnewest = \"a/{b,c}/x-*.sql\"\nsettled = \"10m\"\ntime = \"x-%s.sql\""
    )]
    #[case::s3(
        "[backup.s3]\nbucket = \"b\"\nnewest = \"a/x-*.sql\"\naccess-key-id = \"id\"\nsecret-access-key = { env = \"S\" }"
    )]
    #[case::s3_version(
        "[backup]\nmax-age = \"26h\"\n[backup.s3]\nbucket = \"b\"\nkey = \"k\"\nversion = \"v\"\nendpoint = \"http://[::1]:9000\""
    )]
    #[case::pick("[backup]\nnewest = \"a-*\"\npick = \"each-tier\"\nretention = { daily = 3 }")]
    #[case::pick_s3("[backup]\npick = \"random\"\n[backup.s3]\nbucket = \"b\"\nnewest = \"n-*\"")]
    #[case::globals("[backup]\nnewest = \"shop-*.sql\"\nglobals = \"../roles/globals-*.sql\"")]
    #[case::http(
        "[backup.http]\nurl = \"https://h.test/a.sql\"\nuser = \"ada\"\npassword = { file = \"p\" }"
    )]
    #[case::command("[backup.command]\nrun = [\"ssh\", \"host\", \"cat x\"]\ntimeout = \"1h\"")]
    fn every_source_is_read(#[case] backup: &str) {
        if let Err(mistakes) = read(backup) {
            panic!("{mistakes}");
        }
    }

    #[rstest]
    #[case::none("[backup]\nmax-age = \"1h\"", "`[backup]` names no backup", 1)]
    #[case::two(
        "[backup]\npath = \"a\"\nnewest = \"b\"",
        "`[backup]` has exactly one source",
        1
    )]
    #[case::table_and_key(
        "[backup]\npath = \"a\"\n[backup.s3]\nbucket = \"b\"\nkey = \"k\"",
        "keep `path` or `s3`",
        1
    )]
    #[case::two_and_another_mistake(
        "[backup]\npath = \"a\"\nnewest = \"b\"\nmax-age = \"1\"",
        "`[backup]` has exactly one source",
        2
    )]
    #[case::none_and_another_mistake("[backup]\nmax-age = \"1\"", "`[backup]` names no backup", 2)]
    #[case::misspelt("[backup]\npaht = \"a\"", "did you mean `path`?", 1)]
    #[case::misspelt_table("[backup.comand]\nrun = [\"x\"]", "did you mean `command`?", 1)]
    #[case::short_digest("[backup]\npath = \"a\"\nsha256 = \"abc\"", "64 hexadecimal digits", 1)]
    #[case::no_day(
        "[backup]\nnewest = \"a\"\ntime = \"%H\"",
        "does not contain a year, a month and a day",
        1
    )]
    #[case::globals_without_a_folder(
        "[backup]\nglobals = \"g-*.sql\"\n[backup.command]\nrun = [\"x\"]",
        "fetch a tar file with both",
        1
    )]
    #[case::no_globals("[backup]\npath = \"a\"\nglobals = \"\"", "names no file", 1)]
    #[case::globals_no_pattern(
        "[backup]\npath = \"a\"\nglobals = \"g-[b\"",
        "`g-[b` is not a pattern",
        1
    )]
    #[case::no_pattern("[backup]\nnewest = \"a/[b\"", "`[b` is not a pattern", 1)]
    #[case::too_deep("[backup]\nnewest = \"a/**/b\"", "`**` is not supported", 1)]
    #[case::no_object("[backup.s3]\nbucket = \"b\"", "names no object", 1)]
    #[case::two_objects(
        "[backup.s3]\nbucket = \"b\"\nkey = \"k\"\nnewest = \"n*\"",
        "keep `key` or `newest`",
        1
    )]
    #[case::no_bucket("[backup.s3]\nkey = \"k\"", "`bucket` is missing", 1)]
    #[case::address_for_bucket(
        "[backup.s3]\nbucket = \"s3://b/x\"\nkey = \"k\"",
        "not a name of a bucket",
        1
    )]
    #[case::version_of_many(
        "[backup.s3]\nbucket = \"b\"\nnewest = \"n*\"\nversion = \"v\"",
        "a version belongs to one `key`",
        1
    )]
    #[case::half_a_key(
        "[backup.s3]\nbucket = \"b\"\nkey = \"k\"\naccess-key-id = \"x\"",
        "requires `secret-access-key`",
        1
    )]
    #[case::open_secret(
        "[backup.s3]\nbucket = \"b\"\nkey = \"k\"\naccess-key-id = \"x\"\nsecret-access-key = \"y\"",
        "never written in a scenario",
        1
    )]
    #[case::no_address(
        "[backup.s3]\nbucket = \"b\"\nkey = \"k\"\nendpoint = \"localhost:9000\"",
        "not an HTTP address",
        1
    )]
    #[case::no_url("[backup.http]\nurl = \"ftp://h/x\"", "not an HTTP address", 1)]
    #[case::two_logins(
        "[backup.http]\nurl = \"http://h/x\"\nbearer = { env = \"A\" }\nuser = \"u\"\npassword = { env = \"B\" }",
        "two ways of authentication",
        1
    )]
    #[case::user_alone(
        "[backup.http]\nurl = \"http://h/x\"\nuser = \"u\"",
        "`user` requires `password`",
        1
    )]
    #[case::no_program("[backup.command]\nrun = []", "no program is set", 1)]
    #[case::no_key(
        "[backup]\npath = \"a\"\n[backup.decrypt]",
        "sets no way to decrypt",
        1
    )]
    #[case::open_key(
        "[backup]\npath = \"a\"\ndecrypt = { age-identity = \"AGE-SECRET-KEY-1\" }",
        "never written in a scenario",
        1
    )]
    #[case::no_schema(
        "[backup]\npath = \"a\"\nprevious = { may-shrink = [\"outbox\"] }",
        "a table is named with its schema",
        1
    )]
    #[case::no_tier("[backup]\npath = \"a\"\n[backup.retention]", "sets no tier", 1)]
    #[case::nothing_kept(
        "[backup]\npath = \"a\"\n[backup.retention]\ndaily = 0",
        "a tier must be at least 1",
        1
    )]
    #[case::nothing_shown(
        "[backup.command]\nrun = [\"x\"]\n[backup.retention]\ndaily = 3",
        "without earlier ones",
        1
    )]
    #[case::pick_of_one("[backup]\npath = \"a\"\npick = \"oldest\"", "and there is one", 1)]
    #[case::pick_of_one_object(
        "[backup]\npick = \"random\"\n[backup.s3]\nbucket = \"b\"\nkey = \"k\"",
        "or `newest` in `[backup.s3]`",
        1
    )]
    #[case::pick_of_no_tier(
        "[backup]\nnewest = \"a-*\"\npick = \"each-tier\"",
        "`pick = \"each-tier\"` without a tier",
        1
    )]
    #[case::pick_unknown(
        "[backup]\nnewest = \"a-*\"\npick = \"weekly\"",
        "unknown value `weekly`",
        1
    )]
    #[case::pick_in_a_part(
        "[[backup.part]]\ndatabase = \"a\"\nnewest = \"a-*\"\npick = \"oldest\"",
        "a part is one of several",
        1
    )]
    #[case::misspelt_tier(
        "[backup]\npath = \"a\"\n[backup.retention]\ndayly = 3",
        "did you mean `daily`?",
        1
    )]
    fn mistakes_have_a_place_and_a_way_out(
        #[case] backup: &str,
        #[case] says: &str,
        #[case] count: usize,
    ) {
        let mistakes = read(backup).unwrap_err();
        assert!(mistakes.contains(says), "no `{says}` in\n{mistakes}");
        assert!(mistakes.contains("^"), "{mistakes}");
        assert_eq!(mistakes.matches("error:").count(), count, "{mistakes}");
    }
}
