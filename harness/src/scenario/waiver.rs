//! Reads `[[waiver]]`: findings that somebody accepts for a time.

use jiff::civil::Date;
use toml::Spanned;

use super::ScenarioCheck;
use super::file;
use crate::input::Problem;
use crate::input::diagnostic::nearest;
use crate::sql::Glob;

/// A waiver of the scenario.
#[derive(Debug, Clone)]
pub struct Waiver {
    /// The ids of its checks.
    pub check: Glob,
    /// The objects of its findings.
    pub object: Glob,
    /// Why they are accepted.
    pub reason: String,
    /// Who accepts them.
    pub owner: String,
    /// The last day, in UTC.
    pub until: Date,
    /// Line of the scenario file, counted from 1.
    pub line: usize,
}

/// Validates the waivers: each names a check of the scenario or of its release, somebody and a reason.
pub(super) fn waivers(
    read: Vec<file::Waiver>,
    checks: [&[ScenarioCheck]; 2],
    text: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Waiver> {
    let one = |waiver: file::Waiver| {
        refuse_unknown(&waiver.check, checks, problems);
        for (key, value, hint) in [
            (
                "object",
                &waiver.object,
                "name the object as the report does, or write \"*\" for all findings",
            ),
            (
                "reason",
                &waiver.reason,
                "say why the findings are accepted: every report shows it",
            ),
            (
                "owner",
                &waiver.owner,
                "name who accepts the findings: every report shows it",
            ),
        ] {
            if value.get_ref().trim().is_empty() {
                problems.push(Problem::at(value.span(), format!("`{key}` is empty")).hint(hint));
            }
        }
        Waiver {
            line: text[..waiver.check.span().start.min(text.len())]
                .matches('\n')
                .count()
                + 1,
            check: Glob::new(waiver.check.get_ref()),
            object: Glob::new(waiver.object.get_ref()),
            reason: waiver.reason.into_inner(),
            owner: waiver.owner.into_inner(),
            until: waiver.until.0,
        }
    };
    read.into_iter().map(one).collect()
}

/// Refuses a waiver of a check that there is not.
fn refuse_unknown(
    check: &Spanned<String>,
    checks: [&[ScenarioCheck]; 2],
    problems: &mut Vec<Problem>,
) {
    let ids = || checks.into_iter().flatten().map(|check| check.id.as_str());
    let glob = Glob::new(check.get_ref());
    if ids().any(|id| glob.matches(id)) {
        return;
    }
    let problem = Problem::at(check.span(), "no check of this scenario has this id");
    problems.push(problem.hint(match nearest(check.get_ref(), ids()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`redrill list` shows the ids; `*` matches any text".to_owned(),
    }));
}
