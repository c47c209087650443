//! Validates a scenario file: required keys, valid combinations, checks that assert nothing.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::{self, TOP_KEYS};
use super::{Scenario, ScenarioCheck};
use crate::backup::settings;
use crate::check::common::{COMMON_KEYS, Common};
use crate::check::{CheckKind, kinds};
use crate::incident;
use crate::input::decode::{Table, decode, expand};
use crate::input::diagnostic::nearest;
use crate::input::{Environment, Problem, secret};
use crate::outcome::{NotTested, ScenarioFacts};
use crate::proof::settings::Level;
use crate::restore::settings::Restore;
use crate::server::settings::Server;

/// Default limit of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads the whole file; errors are added to `problems`.
pub(super) fn scenario(
    path: &Path,
    text: &str,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<Scenario> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().trim_end();
            Problem::at(span, message).hint(match message {
                "duplicate key" => {
                    "a key may occur once in its table; each check begins with its own `[[check.…]]`"
                }
                _ => "the file is TOML: `key = value` lines below `[table]` headers",
            })
        }));
        return None;
    }
    let mut root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    expand(&mut root, environment, problems);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    secret::refuse_short(&root, "", folder, environment, problems);
    let DeValue::Table(mut root) = root.into_inner() else {
        return None;
    };

    unknown_keys(&root, problems);
    version(&mut root, problems);
    let name = name(&mut root, path, problems);
    let description = take::<String>(&mut root, "description", problems);
    let has_backup = root.contains_key("backup");
    let backup = root.remove("backup").and_then(|value| {
        let header = span_of(text, "backup");
        let header = if header.is_empty() {
            value.span()
        } else {
            header
        };
        settings::read(value, header, problems)
    });
    let server = take::<Server>(&mut root, "server", problems).unwrap_or_default();
    if server.container.is_some() && server.local.is_some() {
        problems.push(
            Problem::at(
                span_of(text, "server.local"),
                "the scenario sets two providers",
            )
            .hint("keep `[server.container]` or `[server.local]`, or neither"),
        );
    }
    let restore = take::<Restore>(&mut root, "restore", problems).unwrap_or_default();
    tolerations(&restore, text, problems);
    let proof = take::<Level>(&mut root, "proof", problems).unwrap_or_default();
    let objective = take::<file::Objective>(&mut root, "objective", problems).unwrap_or_default();
    let incident = root
        .remove("incident")
        .and_then(|value| incident::read(value, problems));
    let not_tested =
        take::<Vec<file::NotTested>>(&mut root, "not-tested", problems).unwrap_or_default();
    let checks = checks(&mut root, text, problems);

    if !has_backup {
        problems.push(Problem::whole("`[backup]` is missing").hint(settings::EXAMPLE));
    }
    let (max_age, backup) = backup.unzip();
    Some(Scenario {
        facts: ScenarioFacts {
            name: name?,
            description,
            file: path.to_owned(),
            sha256: crate::digest::hex(&Sha256::digest(text.as_bytes())),
            only: Vec::new(),
        },
        folder: folder.to_owned(),
        backup: backup?,
        max_age: max_age.flatten().map(|span| span.0),
        server,
        restore,
        proof,
        incident,
        restore_within: objective.restore_within.map(|span| span.0),
        not_tested: not_tested
            .into_iter()
            .map(|entry| NotTested {
                what: entry.what,
                why: entry.why,
            })
            .collect(),
        checks,
    })
}

/// Removes a key from the table and reads it.
fn take<T: serde::de::DeserializeOwned>(
    table: &mut Table<'_>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let value = table.remove(key)?;
    decode(value, &[], problems)
}

/// Reports unknown keys.
fn unknown_keys(root: &Table<'_>, problems: &mut Vec<Problem>) {
    for key in root.keys() {
        let name: &str = key.get_ref();
        if !TOP_KEYS.contains(&name) {
            let problem = Problem::at(key.span(), format!("unknown key `{name}`"));
            problems.push(match nearest(name, TOP_KEYS.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("known keys: {}", TOP_KEYS.join(", "))),
            });
        }
    }
}

/// Reads `schema = 1`, the version of the format.
fn version(root: &mut Table<'_>, problems: &mut Vec<Problem>) {
    match root.remove("schema") {
        None => problems
            .push(Problem::whole("`schema` is missing").hint("begin the file with `schema = 1`")),
        Some(value) => {
            let span = value.span();
            if decode::<u32>(value, &[], problems).is_some_and(|version| version != 1) {
                problems.push(
                    Problem::at(span, "this version of redrill reads `schema = 1`")
                        .hint("use a newer redrill, or write the scenario in format 1"),
                );
            }
        }
    }
}

/// Reads the name of the scenario, which names its reports.
fn name(root: &mut Table<'_>, path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let Some(value) = root.remove("name") else {
        let stem = path
            .file_stem()
            .map_or("nightly".into(), |stem| stem.to_string_lossy());
        problems.push(
            Problem::whole("`name` is missing").hint(format!("add `name = \"{stem}\"` at the top")),
        );
        return None;
    };
    let span = value.span();
    let name: String = decode(value, &[], problems)?;
    let good = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !name.starts_with('.');
    if !good {
        problems.push(
            Problem::at(span, "a name consists of letters, digits, `-`, `_` and `.`").hint(
                "it is the name of the folder of the reports; write sentences in `description`",
            ),
        );
        return None;
    }
    Some(name)
}

/// Refuses an entry that would tolerate every error, or has no reason.
fn tolerations(restore: &Restore, text: &str, problems: &mut Vec<Problem>) {
    for entry in &restore.tolerate {
        let empty =
            |field: &Option<String>| field.as_deref().is_none_or(|text| text.trim().is_empty());
        if empty(&entry.sqlstate) && empty(&entry.message) {
            problems.push(
                Problem::at(
                    span_of(text, "restore.tolerate"),
                    "this would tolerate every error",
                )
                .hint("add `sqlstate = \"42710\"`, `message = \"…\"`, or both"),
            );
        }
        if entry.reason.trim().is_empty() {
            problems.push(
                Problem::at(span_of(text, "restore.tolerate"), "`reason` is empty")
                    .hint("give the reason why the error is harmless; every report shows it"),
            );
        }
    }
}

/// Reads all checks, in the order of the file.
fn checks(root: &mut Table<'_>, text: &str, problems: &mut Vec<Problem>) -> Vec<ScenarioCheck> {
    let kinds = kinds();
    let mut checks = Vec::new();
    let mut looks_at_data = false;
    let before = problems.len();
    let Some(value) = root.remove("check") else {
        problems.push(no_check());
        return checks;
    };
    let span = value.span();
    let DeValue::Table(table) = value.into_inner() else {
        problems.push(
            Problem::at(span, "the kind of a check is in its header")
                .hint("write `[[check.row-count]]`"),
        );
        return checks;
    };
    for (key, value) in table {
        let Some(kind) = kinds
            .iter()
            .find(|kind| kind.name == key.get_ref().as_ref())
        else {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
            let problem = Problem::at(
                key.span(),
                format!("unknown kind of check `{}`", key.get_ref()),
            );
            problems.push(match nearest(key.get_ref(), names.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("the kinds are {}", names.join(", "))),
            });
            continue;
        };
        let span = value.span();
        let DeValue::Array(entries) = value.into_inner() else {
            problems.push(
                Problem::at(span, "a check has double brackets")
                    .hint(format!("write `[[check.{}]]`", kind.name)),
            );
            continue;
        };
        for entry in entries {
            looks_at_data |= kind.looks_at_data;
            checks.extend(check(kind, entry, text, problems));
        }
    }
    if problems.len() == before {
        if checks.is_empty() {
            problems.push(no_check());
        } else if !looks_at_data {
            problems.push(
                Problem::whole(
                    "no check of this scenario reads data, so an empty database would pass",
                )
                .hint("add a `[[check.row-count]]` with a `min`"),
            );
        }
    }
    checks.sort_by_key(|check| check.line);
    number_repeated(&mut checks);
    checks
}

/// Reads one check.
fn check(
    kind: &CheckKind,
    entry: Spanned<DeValue<'_>>,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Option<ScenarioCheck> {
    let span = entry.span();
    let DeValue::Table(mut table) = entry.into_inner() else {
        problems.push(
            Problem::at(span, "a check is a table")
                .hint(format!("write `[[check.{}]]`", kind.name)),
        );
        return None;
    };
    let mut common = Table::new();
    for key in COMMON_KEYS {
        if let Some((key, value)) = table.remove_entry(*key) {
            common.insert(key, value);
        }
    }
    let common = decode::<Common>(
        Spanned::new(span.clone(), DeValue::Table(common)),
        &[],
        problems,
    );
    let check = kind.read(Spanned::new(span.clone(), DeValue::Table(table)), problems);
    let (common, check) = (common?, check?);
    let name = common.name.unwrap_or_else(|| check.describe());
    Some(ScenarioCheck {
        id: format!("{}/{}", kind.name, slug(&name)),
        kind: kind.name,
        name,
        line: text[..span.start.min(text.len())].matches('\n').count() + 1,
        required: common.required.unwrap_or(true),
        database: common.database,
        timeout: common.timeout.map_or(CHECK_TIMEOUT, |span| span.0),
        check,
    })
}

/// The error of a scenario without a check.
fn no_check() -> Problem {
    Problem::whole("the scenario has no check")
        .hint("add one, such as `[[check.row-count]]`; `redrill explain` lists the kinds")
}

/// Makes the ids of checks unique.
fn number_repeated(checks: &mut [ScenarioCheck]) {
    let mut seen = BTreeSet::new();
    for check in checks {
        let base = check.id.clone();
        let mut number = 2;
        while !seen.insert(check.id.clone()) {
            check.id = format!("{base}-{number}");
            number += 1;
        }
    }
}

/// `Orders is not hollow!` → `orders-is-not-hollow`.
fn slug(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// The place of a `[header]`, for errors about a whole section.
fn span_of(text: &str, header: &str) -> Range<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.trim_start_matches('[').trim_end_matches(']').trim() == header
            && trimmed.starts_with('[')
        {
            return at..at + line.trim_end().len();
        }
        at += line.len();
    }
    0..0
}
