//! Settings that the backup or the scenario sets, and that a newer major version lacks or refuses.

use std::collections::{BTreeMap, BTreeSet};

use super::unreadable;
use crate::backup::Backup;
use crate::database::{Attempt, DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding, UpgradeStep};
use crate::server::ThrowawayServer;
use crate::sql::token::{Token, TokenKind, tokens};
use crate::sql::{quote_ident, quote_literal};

/// A setting of a database, a role, a function or the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    name: String,
    /// Its value, where that is certain: one word or number.
    value: Option<String>,
    /// Where it is set, such as `database shop`.
    place: String,
    /// What removes it before an upgrade.
    remedy: String,
}

/// A setting that the newer version does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    setting: Setting,
    /// Whether it has the setting, and refuses the value.
    has_it: bool,
    /// Major versions: of the backup, and the newer one.
    majors: (u32, u32),
}

impl Refused {
    fn object(&self) -> String {
        format!("{}: setting {}", self.setting.place, self.setting.name)
    }

    fn actual(&self) -> String {
        let to = self.majors.1;
        match self.has_it {
            false => format!("PostgreSQL {to} has no such setting"),
            true => format!("PostgreSQL {to} refuses its value"),
        }
    }

    /// As a fault of the rehearsal.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let (from, to) = self.majors;
        let expected = format!("a setting of PostgreSQL {to}, as it is one of PostgreSQL {from}");
        let hint = format!("before the upgrade: {}", self.setting.remedy);
        Finding::about(self.object(), expected, self.actual()).hint(hint)
    }

    /// As a step of the upgrade, where the restore passes over it.
    pub(super) fn step(&self) -> UpgradeStep {
        UpgradeStep {
            about: self.object(),
            change: format!("{}, and PostgreSQL {} has it", self.actual(), self.majors.0),
            action: format!("before the upgrade: {}", self.setting.remedy),
        }
    }

    /// Whether an error of the restore is about it.
    #[must_use]
    pub fn explains(&self, error: &Finding) -> bool {
        let name = &self.setting.name;
        error.actual.contains("parameter \"")
            && (error.actual.contains(name.as_str()) || error.expected.contains(name.as_str()))
    }
}

/// The settings of a backup that a server of a newer major version than `from` does not take, by the statements that would make
/// them, which are rolled back.
///
/// # Errors
/// When the server cannot be asked.
pub async fn refused(
    server: &ThrowawayServer,
    backup: &Backup,
    from: u32,
) -> Result<Vec<Refused>, CouldNotRun> {
    let settings = of_backup(backup);
    if settings.is_empty() {
        return Ok(Vec::new());
    }
    let majors = (from, server.version() / 10_000);
    let asked = async {
        let mut session = server.session("postgres").await?;
        let mut answers: BTreeMap<(String, Option<String>), Option<bool>> = BTreeMap::new();
        let mut refused = Vec::new();
        for setting in settings {
            let key = (setting.name.clone(), setting.value.clone());
            let answer = match answers.get(&key) {
                Some(answer) => *answer,
                None => {
                    let answer = has(&mut session, &setting).await?;
                    answers.insert(key, answer);
                    answer
                }
            };
            refused.extend(answer.map(|has_it| Refused {
                setting,
                has_it,
                majors,
            }));
        }
        session.close().await;
        Ok::<_, DatabaseError>(refused)
    };
    asked.await.map_err(|error| unreadable(&error))
}

/// Asks a server about a setting: `None` if it takes it, otherwise whether it has the setting.
async fn has(session: &mut Session, setting: &Setting) -> Result<Option<bool>, DatabaseError> {
    let name = quote_ident(&setting.name);
    let sql = match &setting.value {
        Some(value) => format!(
            "ALTER ROLE CURRENT_USER SET {name} TO {}",
            quote_literal(value)
        ),
        None => format!("ALTER ROLE CURRENT_USER RESET {name}"),
    };
    Ok(match session.attempt(&sql).await? {
        Attempt::Allowed(_) => None,
        Attempt::Refused(error) => refusal(&error),
    })
}

/// Whether an error says that there is no such setting, or that its value is refused; `None` for any other, such as that it can
/// be set at the start only.
fn refusal(error: &DatabaseError) -> Option<bool> {
    match error.sqlstate.as_deref() {
        Some("42704") => Some(false),
        Some("22023") => Some(true),
        _ => None,
    }
}

/// The settings of `[server.settings]` that a server does not take.
///
/// # Errors
/// When the server cannot be asked.
pub async fn refused_of_scenario(
    server: &ThrowawayServer,
    settings: &BTreeMap<String, String>,
    from: u32,
) -> Result<Vec<Refused>, DatabaseError> {
    let majors = (from, server.version() / 10_000);
    let mut session = server.session("postgres").await?;
    let mut refused = Vec::new();
    for (name, value) in settings.iter().filter(|(name, _)| !name.contains('.')) {
        // It is in the file of the throwaway server, which is not started again.
        let sql = format!(
            "ALTER SYSTEM SET {} TO {}",
            quote_ident(name),
            quote_literal(value)
        );
        let Err(error) = session.run(&sql).await else {
            continue;
        };
        refused.extend(refusal(&error).map(|has_it| Refused {
            setting: Setting {
                name: name.clone(),
                value: None,
                place: "`[server.settings]`".to_owned(),
                remedy: format!(
                    "remove `{name}` from the configuration of the server, and from `[server.settings]`"
                ),
            },
            has_it,
            majors,
        }));
    }
    session.close().await;
    Ok(refused)
}

/// What the backup sets: of databases, roles and functions, without settings of extensions and applications, which have a dot.
fn of_backup(backup: &Backup) -> Vec<Setting> {
    let mut found = Vec::new();
    for object in &backup.contents().objects.list {
        let text = object.definition.text.as_deref().unwrap_or_default();
        match object.kind.as_str() {
            "ROLE SETTING" => found.extend(object.name.rsplit_once(' ').map(|(role, name)| {
                let role = quote_ident(role);
                Setting {
                    name: name.to_owned(),
                    value: certain(text),
                    place: format!("role {role}"),
                    remedy: format!("`ALTER ROLE {role} RESET {name}`"),
                }
            })),
            "DATABASE PROPERTIES" => found.extend(in_statements(text)),
            kind @ ("FUNCTION" | "PROCEDURE") => {
                let function = format!("{}.{}", quote_ident(&object.schema), object.name);
                let tokens: Vec<Token<'_>> = tokens(text).collect();
                found.extend((0..tokens.len()).filter_map(|at| {
                    let (name, value) = assignment(&tokens, at)?;
                    Some(Setting {
                        place: format!("{} {function}", kind.to_ascii_lowercase()),
                        remedy: format!("`ALTER {kind} {function} RESET {name}`"),
                        name,
                        value,
                    })
                }));
            }
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|one| {
        !one.name.contains('.') && seen.insert((one.place.clone(), one.name.clone()))
    });
    found
}

/// Those of `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET`.
fn in_statements(text: &str) -> Vec<Setting> {
    let tokens: Vec<Token<'_>> = tokens(text).collect();
    let mut found = Vec::new();
    let mut begin = 0;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_word("alter") {
            begin = token.start;
        }
        let Some((name, value)) = assignment(&tokens, at) else {
            continue;
        };
        let statement = text[begin..token.start].trim_end();
        let place = statement
            .replacen("ALTER ", "", 1)
            .replacen("DATABASE ", "database ", 1)
            .replacen("ROLE ", "role ", 1)
            .replacen(" IN ", " in ", 1);
        found.push(Setting {
            remedy: format!("`{statement} RESET {name}`"),
            place,
            name,
            value,
        });
    }
    found
}

/// Name and value of `SET name TO value`, which begins at a token.
fn assignment(tokens: &[Token<'_>], at: usize) -> Option<(String, Option<String>)> {
    let [set, name, to, value, rest @ ..] = tokens.get(at..)? else {
        return None;
    };
    if !set.is_word("set") || name.kind != TokenKind::Word || !to.is_word("to") {
        return None;
    }
    let is_list = rest.first().is_some_and(|next| next.text == ",");
    let value = (!is_list).then(|| certain(&value.content())).flatten();
    Some((name.text.trim_matches('"').to_owned(), value))
}

/// A value that is the same whatever its quotes were.
fn certain(value: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.+-%".contains(c);
    (!value.is_empty() && value.chars().all(is_plain)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_statements() {
        let text = "ALTER DATABASE \"my db\" CONNECTION LIMIT = 3;\nALTER DATABASE \"my db\" SET work_mem TO '5MB';\n\
                    ALTER ROLE app IN DATABASE \"my db\" SET search_path TO 'a', 'b';";
        let found = in_statements(text);
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.place.as_str(), one.name.as_str(), one.value.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("database \"my db\"", "work_mem", Some("5MB")),
                ("role app in database \"my db\"", "search_path", None)
            ]
        );
        assert_eq!(
            in_statements(text)[1].remedy,
            "`ALTER ROLE app IN DATABASE \"my db\" RESET search_path`"
        );
    }

    #[test]
    fn an_update_sets_no_setting() {
        let text = "CREATE FUNCTION f() LANGUAGE sql\n SET work_mem TO '1MB'\n BEGIN ATOMIC UPDATE t SET a = 1; END";
        let tokens: Vec<Token<'_>> = tokens(text).collect();
        let found = (0..tokens.len()).filter_map(|at| assignment(&tokens, at));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [("work_mem".to_owned(), Some("1MB".to_owned()))]
        );
    }
}
