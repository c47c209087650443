//! What a role is: its attributes and its settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::database::{DatabaseError, Session, TextRow, is_true};
use crate::outcome::Finding;
use crate::rights::read_settings;
use crate::sql::{quote_ident, quote_literal, setting_elements};

/// Attributes of a role; each that is given must be exactly so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Attributes {
    /// LOGIN.
    pub login: Option<bool>,
    /// SUPERUSER. Default: false.
    pub superuser: Option<bool>,
    /// BYPASSRLS. Default: false.
    pub bypass_rls: Option<bool>,
    /// CREATEROLE. Default: false.
    pub create_role: Option<bool>,
    /// CREATEDB. Default: false.
    pub create_db: Option<bool>,
    /// REPLICATION. Default: false.
    pub replication: Option<bool>,
    /// INHERIT.
    pub inherit: Option<bool>,
    /// CONNECTION LIMIT; -1 is none.
    pub connection_limit: Option<i64>,
    /// VALID UNTIL, as the server reads a time; `never` for none.
    pub valid_until: Option<String>,
    /// Whether it has a password.
    pub password: Option<bool>,
}

/// What the server says of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeFacts {
    /// The switches, by SQL's word for each.
    pub switches: BTreeMap<&'static str, bool>,
    /// CONNECTION LIMIT.
    pub connection_limit: i64,
    /// VALID UNTIL; `None` when it never ends.
    pub valid_until: Option<String>,
    /// Whether VALID UNTIL is what the scenario says.
    pub valid_as_wished: bool,
    /// Whether there is a password. Its text is never read.
    pub password: bool,
}

const FACTS: &str = "
SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit,
       rolconnlimit, CASE WHEN rolvaliduntil <> 'infinity' THEN rolvaliduntil END, {valid}, rolpassword IS NOT NULL
  FROM pg_catalog.pg_authid WHERE rolname = {role}";

/// SQL's words, in the order of [`FACTS`].
const WORDS: [&str; 7] = [
    "LOGIN",
    "SUPERUSER",
    "BYPASSRLS",
    "CREATEROLE",
    "CREATEDB",
    "REPLICATION",
    "INHERIT",
];

/// What no role has unless the scenario says so.
const DANGEROUS: [&str; 5] = [
    "SUPERUSER",
    "BYPASSRLS",
    "CREATEROLE",
    "CREATEDB",
    "REPLICATION",
];

impl Attributes {
    /// Reads what the server says.
    ///
    /// # Errors
    /// When the catalog cannot be read, or `valid-until` is no time.
    pub async fn read(
        &self,
        session: &mut Session,
        role: &str,
    ) -> Result<AttributeFacts, DatabaseError> {
        let valid = match self.valid_until.as_deref() {
            None => "true".to_owned(),
            Some("never") => "coalesce(rolvaliduntil, 'infinity') = 'infinity'".to_owned(),
            Some(time) => format!(
                "coalesce(rolvaliduntil, 'infinity') = {}::pg_catalog.timestamptz",
                quote_literal(time)
            ),
        };
        let sql = FACTS
            .replace("{valid}", &valid)
            .replace("{role}", &quote_literal(role));
        let rows = session.rows(&sql).await?;
        Ok(rows.first().map(AttributeFacts::of).unwrap_or_default())
    }

    fn wanted(&self) -> [(&'static str, Option<bool>); 7] {
        [
            ("LOGIN", self.login),
            ("SUPERUSER", self.superuser),
            ("BYPASSRLS", self.bypass_rls),
            ("CREATEROLE", self.create_role),
            ("CREATEDB", self.create_db),
            ("REPLICATION", self.replication),
            ("INHERIT", self.inherit),
        ]
    }

    /// Compares.
    #[must_use]
    pub fn compare(&self, role: &str, facts: &AttributeFacts) -> Vec<Finding> {
        let object = format!("role {role}");
        let quoted = quote_ident(role);
        let mut findings = Vec::new();
        for (word, wanted) in self.wanted() {
            let implied = DANGEROUS.contains(&word).then_some(false);
            let has = facts.switches.get(word).copied().unwrap_or_default();
            let Some(wanted) = wanted.or(implied).filter(|wanted| *wanted != has) else {
                continue;
            };
            let say = |yes: bool| {
                if yes {
                    word.to_owned()
                } else {
                    format!("NO{word}")
                }
            };
            findings.push(
                Finding::about(&object, say(wanted), say(has))
                    .hint(format!("ALTER ROLE {quoted} {}", say(wanted))),
            );
        }
        if let Some(limit) = self
            .connection_limit
            .filter(|n| *n != facts.connection_limit)
        {
            findings.push(
                Finding::about(
                    &object,
                    format!("CONNECTION LIMIT {limit}"),
                    format!("CONNECTION LIMIT {}", facts.connection_limit),
                )
                .hint(format!("ALTER ROLE {quoted} CONNECTION LIMIT {limit}")),
            );
        }
        if let Some(until) = self.valid_until.as_ref().filter(|_| !facts.valid_as_wished) {
            findings.push(Finding::about(
                &object,
                format!("VALID UNTIL {until}"),
                format!(
                    "VALID UNTIL {}",
                    facts.valid_until.as_deref().unwrap_or("never")
                ),
            ));
        }
        match self.password {
            Some(true) if !facts.password => findings.push(
                Finding::about(&object, "a password", "it has none")
                    .hint("check whether the roles were dumped with --no-role-passwords: then no role can log in with a password"),
            ),
            Some(false) if facts.password => {
                findings.push(Finding::about(&object, "no password", "it has one"));
            }
            _ => {}
        }
        findings
    }
}

impl AttributeFacts {
    fn of(row: &TextRow) -> Self {
        let switches = WORDS.iter().enumerate();
        Self {
            switches: switches
                .map(|(at, word)| (*word, is_true(row.get(at))))
                .collect(),
            connection_limit: row
                .get(7)
                .cloned()
                .flatten()
                .and_then(|text| text.parse().ok())
                .unwrap_or(-1),
            valid_until: row.get(8).cloned().flatten(),
            valid_as_wished: is_true(row.get(9)),
            password: is_true(row.get(10)),
        }
    }
}

/// Whether two values of a setting mean the same, as in `5s` and `5000ms`: numbers and switches only.
const SAME: &str = "
SELECT pg_catalog.set_config({name}, {one}, true), pg_catalog.set_config({name}, {other}, true)
  FROM pg_catalog.pg_settings
 WHERE pg_catalog.lower(name) = pg_catalog.lower({name}) AND vartype IN ('bool', 'integer', 'real', 'enum')
   AND context IN ('user', 'superuser')";

/// Compares the settings of a role, or of the database where there is none, with those wished.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn settings(
    session: &mut Session,
    role: Option<&str>,
    wanted: &BTreeMap<String, String>,
) -> Result<Vec<Finding>, DatabaseError> {
    let object = match role {
        Some(name) => format!("role {name}"),
        None => "the database".to_owned(),
    };
    let found = read_settings(session, role).await?.into_iter();
    let mut found: BTreeMap<String, String> = found
        .map(|(name, value)| (name.to_lowercase(), value))
        .collect();
    let mut findings = Vec::new();
    for (name, value) in wanted {
        let Some(actual) = found.remove(&name.to_lowercase()) else {
            findings.push(
                Finding::about(&object, show(name, value), format!("{name} is not set for it"))
                    .hint("check whether the dump has ALTER DATABASE … SET and ALTER ROLE … SET: pg_dump writes them only with --create"),
            );
            continue;
        };
        if same_list(&actual, value) {
            continue;
        }
        let sql = SAME
            .replace("{name}", &quote_literal(name))
            .replace("{one}", &quote_literal(&actual))
            .replace("{other}", &quote_literal(value));
        // A value that the server does not take is not the same.
        let rows = session.rows(&sql).await.unwrap_or_default();
        if let Some([Some(one), Some(other)]) = rows.first().map(Vec::as_slice)
            && one == other
        {
            continue;
        }
        findings.push(Finding::about(
            &object,
            show(name, value),
            format!("{}, which is another value", show(name, &actual)),
        ));
    }
    for (name, value) in found {
        findings.push(
            Finding::about(
                &object,
                format!("{name} is not set for it"),
                show(&name, &value),
            )
            .hint("where it is meant, name it in the scenario's settings"),
        );
    }
    Ok(findings)
}

/// Shows a setting. Those with a dot in their name belong to extensions and applications, which keep
/// keys and passwords in them too: their values are not shown.
fn show(name: &str, value: &str) -> String {
    if name.contains('.') {
        format!("{name} = … (value withheld)")
    } else {
        format!("{name} = {value}")
    }
}

/// Compares values as lists: blanks and quotes around their parts do not matter.
fn same_list(one: &str, other: &str) -> bool {
    setting_elements(one) == setting_elements(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn facts(on: &[&'static str]) -> AttributeFacts {
        AttributeFacts {
            switches: on.iter().map(|word| (*word, true)).collect(),
            connection_limit: -1,
            valid_as_wished: true,
            ..AttributeFacts::default()
        }
    }

    #[rstest]
    #[case(&["LOGIN", "INHERIT"], 0)]
    #[case(&["LOGIN", "SUPERUSER"], 1)]
    #[case(&["BYPASSRLS", "CREATEROLE", "CREATEDB", "REPLICATION"], 4)]
    fn dangerous_attributes_are_refused_unless_named(
        #[case] on: &[&'static str],
        #[case] wrong: usize,
    ) {
        assert_eq!(
            Attributes::default().compare("app", &facts(on)).len(),
            wrong
        );
    }

    #[test]
    fn what_is_named_is_exact() {
        let wanted = Attributes {
            login: Some(true),
            create_db: Some(true),
            inherit: Some(false),
            connection_limit: Some(20),
            password: Some(true),
            ..Attributes::default()
        };
        assert_eq!(wanted.compare("app", &facts(&["INHERIT"])).len(), 5);
        let good = AttributeFacts {
            connection_limit: 20,
            password: true,
            ..facts(&["LOGIN", "CREATEDB"])
        };
        assert!(wanted.compare("app", &good).is_empty());
    }

    #[test]
    fn lists_are_compared_by_their_parts() {
        assert!(same_list("plur, \"ag_catalog\"", "plur,ag_catalog"));
        assert!(!same_list("a, b", "b, a"));
    }
}
