//! Changes that a scenario accepts by their names.

use crate::rehearse::settings::Allow;
use crate::sql::Glob;

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
