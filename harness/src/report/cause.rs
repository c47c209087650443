//! Checks that did not pass, grouped by what causes it: one table without row security fails a check for each tenant
//! and each role, and must not hide what is wrong elsewhere.

use super::view::by_severity;
use crate::outcome::{CheckResult, DrillResult, Outcome};

/// A check that did not pass, with others of the same cause.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    /// The check that is nearest to the cause.
    pub check: &'a CheckResult,
    /// What all of them are about; empty for one check.
    pub object: &'a str,
    /// The others.
    pub others: Vec<&'a CheckResult>,
}

/// What checks of one cause have in common.
#[derive(PartialEq, Eq)]
struct Cause<'a> {
    judges: &'a str,
    database: &'a str,
    required: bool,
    object: &'a str,
}

/// Kinds that test who sees which rows of a table. The one that reads the definition names the cause.
const ISOLATION: [&str; 2] = ["rls", "tenant"];

impl<'a> Cause<'a> {
    /// The cause of a failure whose findings are all about one object; `None` for any other.
    fn of(check: &'a CheckResult) -> Option<Self> {
        let mut objects = check.findings.iter().map(|finding| {
            let object = finding.object.as_deref()?;
            // `app.orders as app_user with app.tenant = 5`
            Some(object.split_once(" as ").map_or(object, |(table, _)| table))
        });
        let object = objects.next()??;
        (check.outcome == Outcome::Fail && objects.all(|other| other == Some(object))).then(|| {
            let isolates = ISOLATION.contains(&&*check.kind);
            Self {
                judges: if isolates { "isolation" } else { &check.id },
                database: &check.database,
                required: check.required,
                object,
            }
        })
    }
}

/// Groups the checks that did not pass, the most severe first.
pub(super) fn failures(result: &DrillResult) -> Vec<Failure<'_>> {
    let mut groups: Vec<(Option<Cause<'_>>, Failure<'_>)> = Vec::new();
    let checks = by_severity(result).into_iter();
    for check in checks.filter(|c| matches!(c.outcome, Outcome::Fail | Outcome::Error(_))) {
        let cause = Cause::of(check);
        let known = groups
            .iter_mut()
            .find(|(of, _)| cause.is_some() && *of == cause);
        match known {
            Some((_, failure))
                if check.kind == ISOLATION[0] && failure.check.kind != check.kind =>
            {
                failure
                    .others
                    .insert(0, std::mem::replace(&mut failure.check, check));
            }
            Some((_, failure)) => failure.others.push(check),
            None => {
                let object = cause.as_ref().map_or("", |cause| cause.object);
                let others = Vec::new();
                groups.push((
                    cause,
                    Failure {
                        check,
                        object,
                        others,
                    },
                ));
            }
        }
    }
    groups.into_iter().map(|(_, failure)| failure).collect()
}

impl Failure<'_> {
    /// One line on the other checks of the same cause; `None` if there is none.
    pub fn others_line(&self, most: usize) -> Option<String> {
        let titles = self
            .others
            .iter()
            .take(most)
            .map(|check| format!("`{}`", check.title()));
        let mut text = titles.collect::<Vec<_>>().join(", ");
        match self.others.len().saturating_sub(most) {
            0 => {}
            more => text.push_str(&format!(" and {more} more")),
        }
        (!self.others.is_empty()).then(|| format!("also failed, about {}: {text}", self.object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Finding;

    fn check(kind: &'static str, name: &str, objects: &[&str]) -> CheckResult {
        CheckResult {
            id: format!("{kind}/x"),
            object: None,
            kind: kind.into(),
            name: name.to_owned(),
            line: 1,
            required: true,
            not_required_because: None,
            database: "shop".to_owned(),
            outcome: Outcome::Fail,
            expected: String::new(),
            actual: String::new(),
            findings: objects
                .iter()
                .map(|object| Finding::about(*object, "a", "b"))
                .collect(),
            duration: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn one_table_without_row_security_is_one_failure() {
        let tenants = (0..19).map(|n| {
            check(
                "tenant",
                &format!("tenant {n}"),
                &["app.orders", "app.orders"],
            )
        });
        let others = [
            check("rls", "policies", &["app.orders"]),
            check(
                "rls",
                "behaviour",
                &["app.orders as app with app.org = x", "app.orders"],
            ),
            check("rls", "another table", &["app.users"]),
            check("role", "missing grant", &["app.orders"]),
            check("append-only", "edited row", &["app.audit"]),
            check("row-count", "no object", &[]),
            check("baseline", "several objects", &["app.orders", "app.users"]),
        ];
        let result = DrillResult {
            checks: tenants.chain(others).collect(),
            ..DrillResult::default()
        };
        let failures = failures(&result);
        let shown: Vec<(&str, usize)> = failures
            .iter()
            .map(|failure| (failure.check.name.as_str(), failure.others.len()))
            .collect();
        assert_eq!(
            shown,
            [
                ("policies", 20),
                ("another table", 0),
                ("missing grant", 0),
                ("edited row", 0),
                ("no object", 0),
                ("several objects", 0),
            ]
        );
        let line = failures[0].others_line(2).unwrap();
        assert_eq!(
            line,
            "also failed, about app.orders: `tenant 0`, `tenant 1` and 18 more"
        );
        assert_eq!(failures[1].others_line(2), None);
    }

    #[test]
    fn what_is_not_required_or_could_not_run_is_apart() {
        let mut optional = check("rls", "optional", &["a.b"]);
        optional.required = false;
        let mut error = check("rls", "error", &["a.b"]);
        error.outcome = Outcome::Error(crate::outcome::CouldNotRun::new("x"));
        let result = DrillResult {
            checks: vec![optional, check("rls", "required", &["a.b"]), error],
            ..DrillResult::default()
        };
        let names: Vec<&str> = failures(&result)
            .iter()
            .map(|one| one.check.name.as_str())
            .collect();
        assert_eq!(names, ["required", "error", "optional"]);
    }
}
