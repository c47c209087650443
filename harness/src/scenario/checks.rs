//! Reads the checks of a scenario file.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{After, ScenarioCheck};
use crate::backup::companion::Companion;
use crate::check::common::{COMMON_KEYS, Common};
use crate::check::{CheckKind, kinds};
use crate::input::Problem;
use crate::input::decode::{Table, decode};
use crate::input::diagnostic::nearest;
use crate::proof::settings::Level;
use crate::restore::settings::Restore;
use crate::sql::Glob;

/// Default limit of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads all checks, in the order of the file. Without one that reads data the proof must read rows.
pub(super) fn checks(
    root: &mut Table<'_>,
    text: &str,
    proof: Level,
    problems: &mut Vec<Problem>,
) -> Vec<ScenarioCheck> {
    let before = problems.len();
    let Some(value) = root.remove("check") else {
        problems.extend((!proof.reads_rows()).then(|| no_check(proof)));
        return Vec::new();
    };
    let span = value.span();
    let DeValue::Table(table) = value.into_inner() else {
        problems.push(
            Problem::at(span, "the kind of a check is in its header")
                .hint("write `[[check.row-count]]`"),
        );
        return Vec::new();
    };
    let (checks, looks_at_data) = of_kinds("check", table, text, problems);
    if problems.len() == before && !proof.reads_rows() {
        if checks.is_empty() {
            problems.push(no_check(proof));
        } else if !looks_at_data {
            problems.push(
                Problem::whole(
                    "no check of this scenario reads data, so an empty database would pass",
                )
                .hint(format!(
                    "add a `[[check.row-count]]` with a `min`, or replace `proof = \"{}\"` with \"counts\" or \"full\"",
                    proof.word()
                )),
            );
        }
    }
    checks
}

/// Reads `[after]`: checks as above, and `without`, which names some of `before`. Without a rehearsal it has no effect.
pub(super) fn after(
    root: &mut Table<'_>,
    (text, has_rehearsal): (&str, bool),
    before: &[ScenarioCheck],
    problems: &mut Vec<Problem>,
) -> After {
    let Some((key, value)) = root.remove_entry("after") else {
        return After::default();
    };
    if !has_rehearsal {
        problems.push(
            Problem::at(key.span(), "`after` has no effect without `[rehearse]`")
                .hint("add `[rehearse]` with the `command` of the migrations, or remove it"),
        );
    }
    let DeValue::Table(mut table) = value.into_inner() else {
        problems.push(
            Problem::at(key.span(), "`after` is a table of checks")
                .hint("write `[[after.row-count]]`"),
        );
        return After::default();
    };
    let without = table.remove("without").and_then(|value| {
        let names: Vec<Spanned<String>> = decode(value, &[], problems)?;
        for name in &names {
            let glob = Glob::new(name.get_ref());
            if !before.iter().any(|check| glob.matches(&check.id)) {
                problems.push(
                    Problem::at(name.span(), "no check of this scenario has this id")
                        .hint("`redrill list` shows the ids; `*` matches any text"),
                );
            }
        }
        Some(names.into_iter().map(Spanned::into_inner).collect())
    });
    let (checks, _) = of_kinds("after", table, text, problems);
    After {
        checks,
        without: without.unwrap_or_default(),
    }
}

/// Reads a table of kinds of checks, each with a list; gives the checks in the order of the file, and whether one of them reads
/// data.
fn of_kinds(
    section: &str,
    table: Table<'_>,
    text: &str,
    problems: &mut Vec<Problem>,
) -> (Vec<ScenarioCheck>, bool) {
    let kinds = kinds();
    let mut checks = Vec::new();
    let mut looks_at_data = false;
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
                    .hint(format!("write `[[{section}.{}]]`", kind.name)),
            );
            continue;
        };
        for entry in entries {
            looks_at_data |= kind.looks_at_data;
            checks.extend(check(kind, entry, (section, text), problems));
        }
    }
    checks.sort_by_key(|check| check.line);
    number_repeated(&mut checks);
    (checks, looks_at_data)
}

/// Reads one check.
fn check(
    kind: &CheckKind,
    entry: Spanned<DeValue<'_>>,
    (section, text): (&str, &str),
    problems: &mut Vec<Problem>,
) -> Option<ScenarioCheck> {
    let span = entry.span();
    let DeValue::Table(mut table) = entry.into_inner() else {
        problems.push(
            Problem::at(span, "a check is a table")
                .hint(format!("write `[[{section}.{}]]`", kind.name)),
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
    let (required, not_required_because) = required(common.required, common.reason, problems);
    let name = common.name.unwrap_or_else(|| check.describe());
    Some(ScenarioCheck {
        id: format!("{}/{}", kind.name, slug(&name)),
        kind: kind.name,
        name,
        line: text[..span.start.min(text.len())].matches('\n').count() + 1,
        required,
        not_required_because,
        database: common.database,
        timeout: common.timeout.map_or(CHECK_TIMEOUT, |span| span.0),
        controls: controls(common.controls.unwrap_or_default(), problems),
        check,
    })
}

/// Whether the verdict depends on a check, and why it does not.
fn required(
    required: Option<Spanned<bool>>,
    reason: Option<Spanned<String>>,
    problems: &mut Vec<Problem>,
) -> (bool, Option<String>) {
    match (required, reason) {
        (Some(required), reason) if !*required.get_ref() => {
            let reason = reason.filter(|reason| !reason.get_ref().trim().is_empty());
            if reason.is_none() {
                problems.push(
                    Problem::at(required.span(), "`required = false` needs a reason").hint(
                        "add `reason = \"…\"`: why the verdict does not depend on the check; every report shows it",
                    ),
                );
            }
            (false, reason.map(Spanned::into_inner))
        }
        (_, Some(reason)) => {
            problems.push(
                Problem::at(
                    reason.span(),
                    "`reason` has no effect without `required = false`",
                )
                .hint("a text about the check itself is its `name`"),
            );
            (true, None)
        }
        (_, None) => (true, None),
    }
}

/// Reads names of controls, such as `SOC2:A1.3`.
pub(super) fn controls(names: Vec<Spanned<String>>, problems: &mut Vec<Problem>) -> Vec<String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_graphic() || c == ' ')
            && name.trim() == name
    };
    for name in names.iter().filter(|name| !is_name(name.get_ref())) {
        problems.push(
            Problem::at(name.span(), "this is no name of a control").hint(
                "write the standard and the control, as in \"SOC2:A1.3\" or \"ISO27001:A.8.13\"",
            ),
        );
    }
    names.into_iter().map(Spanned::into_inner).collect()
}

/// The error of a scenario without a check, whose proof reads no rows either.
fn no_check(proof: Level) -> Problem {
    let proof = proof.word();
    Problem::whole(format!("the scenario has no check, and `proof = \"{proof}\"` reads no rows"))
        .hint("add a check, such as `[[check.row-count]]` (`redrill explain` lists the kinds), or remove `proof`")
}

/// Refuses checks that only judge what redrill itself made.
pub(super) fn refuse_vacuous(
    checks: &[ScenarioCheck],
    restore: &Restore,
    text: &str,
    problems: &mut Vec<Problem>,
) {
    for check in checks {
        let judged = check.check.judges_only_attributes_of();
        if judged.is_empty() || !judged.iter().all(|role| restore.makes_role(role)) {
            continue;
        }
        let role = judged.join("`, `");
        let what = format!(
            "this check only judges what redrill itself made: `[[restore.role]]` creates `{role}`"
        );
        problems.push(Problem::at(line_of(check, text), what).hint(
            "add a `floor`, such as `floor = [\"owner of app.*\"]`, or a `ceiling`: the rights that the backup gives it",
        ));
    }
}

/// Refuses names of companions that the backup does not have.
pub(super) fn refuse_unknown_companions(
    checks: &[ScenarioCheck],
    companions: &[Companion],
    text: &str,
    problems: &mut Vec<Problem>,
) {
    let known: Vec<&str> = companions.iter().map(|one| one.name.as_str()).collect();
    for check in checks {
        let Some(name) = check.check.unknown_companion(&known) else {
            continue;
        };
        let line = line_of(check, text);
        let written = format!("{{companion.{name}}}");
        let found = text[line.start..].find(&written);
        let place = found.map_or(line.clone(), |at| {
            line.start + at..line.start + at + written.len()
        });
        let problem = Problem::at(place, format!("the backup has no companion `{name}`"));
        problems.push(problem.hint(match nearest(&name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "add it as `[[backup.companion]]`".to_owned(),
            None => format!("it has `{}`", known.join("`, `")),
        }));
    }
}

/// The line that a check begins in.
fn line_of(check: &ScenarioCheck, text: &str) -> Range<usize> {
    let lines = text.split_inclusive('\n').take(check.line - 1);
    let start: usize = lines.map(str::len).sum();
    start..start + text[start..].lines().next().map_or(0, str::len)
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
