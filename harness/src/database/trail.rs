//! What the sessions of a check do: as whom, and which statements, without values.

use std::sync::{Arc, Mutex, PoisonError};

use crate::outcome::{RoleConduct, Tried};
use crate::sql::token::{TokenKind, tokens};

/// The largest number of different statements that are listed for a role.
const LISTED: usize = 20;

/// The longest statement that is listed, in characters.
const LONGEST: usize = 300;

/// What the sessions and programs of a check did. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    roles: Arc<Mutex<Vec<RoleConduct>>>,
}

impl Trail {
    /// What was done so far, by role.
    #[must_use]
    pub fn roles(&self) -> Vec<RoleConduct> {
        self.with(|roles| roles.clone())
    }

    /// Notes that a program of the user was started, which connects as this role.
    pub fn program(&self, role: &str, superuser: bool, words: &[String]) {
        let what = shortened(format!("program {}", words.join(" ")));
        let witness = self.witness(role, superuser);
        witness.note(|conduct| list(conduct, what, false, false));
    }

    /// Notes that a session of this role was asked for, with these settings.
    pub fn asked_for(&self, role: &str, superuser: bool, settings: &[(String, String)]) {
        let witness = self.witness(role, superuser);
        // The values may be those of rows.
        let names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            let what = shortened(format!("SET {}", names.join(", ")));
            witness.note(|conduct| list(conduct, what, false, false));
        }
    }

    /// What notes the statements of a session of this role.
    pub(super) fn witness(&self, role: &str, superuser: bool) -> Witness {
        self.with(|roles| {
            if !roles.iter().any(|one| one.role == role) {
                roles.push(RoleConduct {
                    role: role.to_owned(),
                    superuser,
                    ..RoleConduct::default()
                });
            }
        });
        Witness {
            trail: self.clone(),
            role: role.to_owned(),
            lists: !superuser,
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Vec<RoleConduct>) -> T) -> T {
        // A panic elsewhere leaves whole entries in it.
        what(&mut self.roles.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What notes the statements of one session.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    trail: Trail,
    role: String,
    /// Whether every statement is listed, and not only attempts.
    pub(super) lists: bool,
}

impl Witness {
    /// Notes a statement and whether the server refused it.
    pub(super) fn statement(&self, sql: &str, rolled_back: bool, refused: bool) {
        let is_listed = self.lists || rolled_back;
        let what = match is_listed {
            true => without_values(sql),
            false => String::new(),
        };
        self.note(|conduct| {
            conduct.statements += 1;
            if !what.is_empty() {
                list(conduct, what, rolled_back, refused);
            }
        });
    }

    fn note(&self, what: impl FnOnce(&mut RoleConduct)) {
        self.trail.with(|roles| {
            if let Some(own) = roles.iter_mut().find(|one| one.role == self.role) {
                what(own);
            }
        });
    }
}

/// Counts a statement among those that are listed.
fn list(conduct: &mut RoleConduct, what: String, rolled_back: bool, refused: bool) {
    let refused = u64::from(refused);
    let is_full = conduct.tried.len() >= LISTED;
    let same = |one: &&mut Tried| one.what == what && one.rolled_back == rolled_back;
    if let Some(one) = conduct.tried.iter_mut().find(same) {
        one.times += 1;
        one.refused += refused;
    } else if is_full {
        conduct.unlisted += 1;
    } else {
        conduct.tried.push(Tried {
            what,
            rolled_back,
            times: 1,
            refused,
        });
    }
}

/// A statement in one line, with `…` in place of each number and each text, which may be values of rows.
fn without_values(sql: &str) -> String {
    let mut out = String::new();
    let mut end = None;
    for token in tokens(sql) {
        if end.is_some_and(|end| end < token.start) {
            out.push(' ');
        }
        end = Some(token.end());
        match token.kind {
            TokenKind::Number => out.push('…'),
            TokenKind::Literal => out.push_str("'…'"),
            TokenKind::Comment => {}
            TokenKind::Word | TokenKind::Sign => out.push_str(token.text),
        }
        // What follows is not shown, so it need not be read.
        if out.len() > 4 * LONGEST {
            break;
        }
    }
    shortened(out.trim_end_matches([';', ' ']).to_owned())
}

/// A text cut to the longest that is listed.
fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("SELECT 1", "SELECT …")]
    #[case(
        "INSERT INTO app.t (a, b)\n  VALUES ('alice', 42) -- alice\n;",
        "INSERT INTO app.t (a, b) VALUES ('…', …)"
    )]
    #[case(
        "UPDATE \"My t\" SET a = E'\\'x' || $$secret$$",
        "UPDATE \"My t\" SET a = '…' || '…'"
    )]
    #[case(
        "DELETE FROM t WHERE a = -4.5e3 /* 17 */",
        "DELETE FROM t WHERE a = -…"
    )]
    #[case("", "")]
    fn statements_are_noted_without_values(#[case] sql: &str, #[case] shown: &str) {
        assert_eq!(without_values(sql), shown);
    }

    #[test]
    fn roles_are_noted_with_what_they_tried() {
        let trail = Trail::default();
        let superuser = trail.witness("postgres", true);
        superuser.statement("SELECT relname FROM pg_class", false, false);
        superuser.statement("DELETE FROM t WHERE id = 1", true, true);
        trail.asked_for("app", false, &[("app.zone".to_owned(), "z1".to_owned())]);
        let role = trail.witness("app", false);
        role.statement("SELECT 1", false, false);
        role.statement("SELECT 2", false, true);
        for column in 0..LISTED {
            role.statement(&format!("SELECT a{column}b"), false, false);
        }
        trail.program("app", false, &["bin/balance".to_owned(), "-x".to_owned()]);
        let roles = trail.roles();
        let names: Vec<_> = roles
            .iter()
            .map(|one| (one.role.as_str(), one.superuser))
            .collect();
        assert_eq!(names, [("postgres", true), ("app", false)]);
        let tried = |what: &str, rolled_back, times, refused| Tried {
            what: what.to_owned(),
            rolled_back,
            times,
            refused,
        };
        assert_eq!(roles[0].statements, 2);
        assert_eq!(
            roles[0].tried,
            [tried("DELETE FROM t WHERE id = …", true, 1, 1)]
        );
        assert_eq!(roles[1].statements, 2 + LISTED as u64);
        assert_eq!(roles[1].tried[0], tried("SET app.zone", false, 1, 0));
        assert_eq!(roles[1].tried[1], tried("SELECT …", false, 2, 1));
        // Two of the columns and the program are beyond the list.
        assert_eq!((roles[1].tried.len(), roles[1].unlisted), (LISTED, 3));
    }

    proptest! {
        #[test]
        fn no_text_of_a_literal_is_noted(before in "[a-z =(]{0,9}", value in "[A-Z0-9 ]{1,20}") {
            let sql = format!("{before} '{value}' {before} $x${value}$x$ E'{value}\\''");
            prop_assert!(!without_values(&sql).contains(&value) || value.trim().is_empty());
        }
    }
}
