//! Changes that a scenario accepts by their names.

use crate::rehearse::settings::Allow;
use crate::sql::Glob;

/// What a scenario must accept by its name, with an example of the name: `redrill explain rehearse` lists them.
pub const REVIEWED: &[(&str, &str)] = &[
    (
        "a right, a default right or an owner by which a role may do more",
        "grant delete on table app.account to app_reader",
    ),
    (
        "an attribute or a membership by which a role may do more",
        "grant role app_owner to app_reader",
    ),
    (
        "row-level security that is switched off, or no longer holds for the owner",
        "disable row level security on app.account",
    ),
    (
        "a policy, a trigger, a rule or a constraint that is dropped, changed or switched off",
        "disable trigger touch on app.account",
    ),
    (
        "a rule, or a trigger that runs before the change, that is new on an existing table",
        "create trigger touch_2 on app.account",
    ),
    (
        "a view that shows a role more than it may read without it",
        "grant select on view app.everything to app_reader",
    ),
    (
        "a permissive policy that is new",
        "create policy more on app.account",
    ),
    (
        "a function that runs with the rights of its owner",
        "security definer function app.f(integer)",
    ),
    (
        "other code of a function, another definition of a view",
        "change function app.f(integer)",
    ),
    (
        "a column that may be null, or be filled by a client, and could not before",
        "drop not null on app.account.tenant",
    ),
    (
        "a column that is not null and loses its default",
        "change default of app.log.text",
    ),
    (
        "a label of an enumerated type that is gone or has another name",
        "change type app.state",
    ),
    (
        "a partition that is detached",
        "detach partition app.part_1 from app.part",
    ),
    (
        "a materialized view that no query can read",
        "change materialized view app.summary",
    ),
    (
        "a column whose type may not hold every value of before",
        "change type of app.log.text",
    ),
    (
        "a table that is unlogged, so that a crash empties it",
        "set unlogged table app.log",
    ),
    (
        "a table, a column or another object that is dropped, but for indexes that are not unique",
        "drop column app.migration.at",
    ),
    (
        "rows that are deleted, a table that has none any more",
        "empty table app.log",
    ),
    ("large objects that are deleted", "delete large objects"),
    (
        "a sequence that returns numbers a second time",
        "move back sequence app.account_id_seq",
    ),
    (
        "a sequence whose next number is refused, or that runs the other way",
        "use up sequence app.entry_id_seq",
    ),
    ("a setting of the whole server", "alter system set work_mem"),
    (
        "an index that is left invalid",
        "leave index app.twice invalid",
    ),
];

/// The same, where the old application runs on (`old-application`): it uses them.
pub const REVIEWED_FOR_OLD: &[(&str, &str)] = &[
    (
        "an object or a column that has another name",
        "rename column app.account.name to label",
    ),
    (
        "a right that a role of `application` loses",
        "revoke select on table app.account from app_reader",
    ),
];

/// The text of `redrill explain rehearse` about them.
#[must_use]
pub fn documentation() -> String {
    let list = |entries: &[(&str, &str)]| {
        let lines = entries
            .iter()
            .map(|(what, name)| format!("  {what}\n      `{name}`\n"));
        lines.collect::<String>()
    };
    format!(
        "{}\nOf the old application:\n\n{}",
        list(REVIEWED),
        list(REVIEWED_FOR_OLD).trim_end()
    )
}

/// The pattern of an entry: letters outside double quotes are folded to lower case, blanks to one space.
fn pattern(allow: &Allow) -> Glob {
    let mut quoted = false;
    let mut text = String::with_capacity(allow.change.len());
    for c in allow.change.trim().chars() {
        quoted ^= c == '"';
        match c {
            c if quoted => text.push(c),
            c if c.is_whitespace() => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            c => text.push(c.to_ascii_lowercase()),
        }
    }
    Glob::new(&text)
}

/// The first entry that accepts the change of this name.
#[must_use]
pub fn accepted_by<'a>(name: &str, allow: &'a [Allow]) -> Option<&'a Allow> {
    allow.iter().find(|one| pattern(one).matches(name))
}

/// The entries that accept none of these changes.
#[must_use]
pub fn unused<'a>(names: &[&str], allow: &'a [Allow]) -> Vec<&'a Allow> {
    let is_used = |one: &Allow| {
        let pattern = pattern(one);
        names.iter().any(|name| pattern.matches(name))
    };
    allow.iter().filter(|one| !is_used(one)).collect()
}
