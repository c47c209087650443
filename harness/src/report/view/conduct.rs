//! As whom checks ran, and what they tried.

use std::collections::BTreeSet;

use crate::outcome::{DrillResult, RoleConduct, Tried};
use crate::units::{show_count, show_counted};

/// Each check and role, in the order of the scenario.
pub(in crate::report) fn conduct(
    result: &DrillResult,
) -> impl Iterator<Item = (&str, &RoleConduct)> {
    let conduct = result.conduct.iter();
    conduct.flat_map(|one| one.roles.iter().map(|role| (one.check.as_str(), role)))
}

/// Each role, with the checks that ran as it; the superuser last.
pub(in crate::report) fn ran_as(result: &DrillResult) -> Vec<String> {
    let roles: BTreeSet<(bool, &str)> = conduct(result)
        .map(|(_, role)| (role.superuser, role.role.as_str()))
        .collect();
    let line = |(superuser, name): (bool, &str)| {
        let own = conduct(result).filter(|(_, role)| role.role == name);
        let checks = own.map(|(check, _)| check).collect::<Vec<_>>();
        let checks = match superuser {
            true => show_counted(checks.len(), "check"),
            false => checks.join(", "),
        };
        format!("{}: {checks}", role_name(superuser, name))
    };
    roles.into_iter().map(line).collect()
}

/// `app`, `postgres (superuser)`.
pub(in crate::report) fn role_name(superuser: bool, name: &str) -> String {
    match superuser {
        true => format!("{name} (superuser)"),
        false => name.to_owned(),
    }
}

/// How a statement ended: `3 times, 2 refused, rolled back`; empty where it ran once.
pub(in crate::report) fn tried_end(tried: &Tried) -> String {
    let times = match tried.times {
        1 => None,
        more => Some(format!("{} times", show_count(more))),
    };
    let refused = match (tried.refused, tried.times) {
        (0, _) => None,
        (refused, times) if refused == times => Some("refused".to_owned()),
        (refused, _) => Some(format!("{} refused", show_count(refused))),
    };
    let rolled_back = tried.rolled_back.then(|| "rolled back".to_owned());
    let parts = [times, refused, rolled_back];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What a check did as a role, in one line: `as app: 3 statements; DELETE FROM app.log (refused, rolled back)`.
pub(in crate::report) fn conduct_line(role: &RoleConduct) -> String {
    let tried = role.tried.iter().map(|tried| match tried_end(tried) {
        end if end.is_empty() => format!("; {}", tried.what),
        end => format!("; {} ({end})", tried.what),
    });
    let more = match role.unlisted {
        0 => String::new(),
        more => format!("; {} more", show_count(more)),
    };
    format!(
        "as {}: {}{}{more}",
        role_name(role.superuser, &role.role),
        show_counted(role.statements, "statement"),
        tried.collect::<String>(),
    )
}
