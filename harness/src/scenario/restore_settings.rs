//! Validates `[restore]`.

use super::place::span_of;
use crate::input::Problem;
use crate::restore::settings::{Method, Restore};

/// Refuses an entry that would tolerate every error, or has no reason.
pub(super) fn tolerations(restore: &Restore, text: &str, problems: &mut Vec<Problem>) {
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

/// Refuses a stub without a name or a reason, one of a schema that every database has, and methods that cannot leave it out.
pub(super) fn stubs(
    restore: &Restore,
    times_runbook: bool,
    text: &str,
    problems: &mut Vec<Problem>,
) {
    let place = span_of(text, "restore.stub");
    let mut refuse = |what: String, hint: &str| {
        problems.push(Problem::at(place.clone(), what).hint(hint));
    };
    for (at, stub) in restore.stub.iter().enumerate() {
        let name = &stub.extension;
        if name.trim().is_empty() {
            refuse(
                "`extension` is empty".to_owned(),
                "name the extension that the server lacks",
            );
        }
        if stub.reason.trim().is_empty() {
            let hint =
                "give the reason why a restore does not need the extension; every report shows it";
            refuse("`reason` is empty".to_owned(), hint);
        }
        if restore.stub[..at]
            .iter()
            .any(|other| other.extension == *name)
        {
            let hint = "list each extension once in `[[restore.stub]]`";
            refuse(format!("two stubs of the extension `{name}`"), hint);
        }
        let schema = stub.schema.as_deref();
        if schema.is_some_and(|schema| {
            schema.is_empty() || schema == "public" || schema.starts_with("pg_")
        }) {
            let hint = "name the schema that the extension creates for itself, such as `cron`, or leave `schema` out";
            refuse("it is no schema of an extension".to_owned(), hint);
        }
    }
    let by_program = matches!(restore.method, Method::Psql | Method::PgRestore) || times_runbook;
    if !restore.stub.is_empty() && by_program {
        let hint = match times_runbook {
            true => {
                "leave `runbook-within` out of `[objective]`, or drill on a server that has the extension"
            }
            false => "leave `method` out, or drill on a server that has the extension",
        };
        refuse(
            "a stub needs the sessions of redrill: the command of a runbook sends every statement"
                .to_owned(),
            hint,
        );
    }
}

/// Refuses a role that is created twice, or has no name.
pub(super) fn roles(restore: &Restore, text: &str, problems: &mut Vec<Problem>) {
    let made = restore.made_roles();
    for (at, role) in made.iter().enumerate() {
        let what = match made[..at].iter().any(|other| other.name == role.name) {
            true => format!("the role `{}` is created twice", role.name),
            false if role.name.is_empty() => "a role has no name".to_owned(),
            false => continue,
        };
        let place = match span_of(text, "restore.role") {
            place if place.is_empty() => span_of(text, "restore"),
            place => place,
        };
        problems.push(Problem::at(place, what).hint("list each role once in `[[restore.role]]`"));
    }
}

/// Refuses settings of a restore that have no effect on a recovery.
pub(super) fn refuse_of_dumps(restore: &Restore, text: &str, problems: &mut Vec<Problem>) {
    let settings = [
        (
            "role",
            !restore.made_roles().is_empty(),
            "a base backup contains all roles",
        ),
        (
            "stub",
            !restore.stub.is_empty(),
            "a base backup needs the extensions of its cluster",
        ),
        (
            "tolerate",
            !restore.tolerate.is_empty(),
            "a recovery has no errors of single statements",
        ),
        (
            "databases",
            !restore.databases.is_empty(),
            "databases of a base backup keep their names",
        ),
        (
            "method",
            restore.method != Method::Auto,
            "a server recovers a base backup by itself",
        ),
        (
            "jobs",
            restore.jobs.is_some(),
            "a server recovers a base backup by itself",
        ),
    ];
    for (key, is_set, why) in settings {
        if is_set {
            let place = match span_of(text, &format!("restore.{key}")) {
                place if place.is_empty() => span_of(text, "restore"),
                place => place,
            };
            let problem = Problem::at(place, format!("`{key}` is for dumps: {why}"));
            problems.push(problem.hint(format!("remove `{key}` from `[restore]`")));
        }
    }
}
