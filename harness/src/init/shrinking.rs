//! Tables whose rows are removed regularly: their names suggest it, or they refer to such a table with ON DELETE CASCADE.

use std::collections::BTreeSet;

use super::relation::{Relation, Relations};
use crate::catalog::PartKind;
use crate::sql::{QualifiedName, tokens};

/// Words in names of tables that are emptied regularly.
const PASSING: &[&str] = &[
    "session", "sessions", "job", "jobs", "queue", "queues", "outbox", "inbox", "cache", "caches",
    "lock", "locks", "token", "tokens", "tmp", "temp", "staging", "scratch", "buffer", "pending",
    "presence", "nonces", "otp", "otps",
];

/// Whether a table's name suggests that its rows are removed regularly.
#[must_use]
pub fn is_passing(name: &str) -> bool {
    name.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| PASSING.contains(&word))
}

/// Finds the tables whose rows are removed regularly.
#[must_use]
pub fn find(relations: &Relations<'_>) -> BTreeSet<QualifiedName> {
    let named = relations.tables().filter(|one| is_passing(&one.name.name));
    let mut found: BTreeSet<QualifiedName> = named.map(|one| one.name.clone()).collect();
    loop {
        let before = found.len();
        for table in relations.tables() {
            if cascades(table).any(|parent| found.contains(&parent)) {
                found.insert(table.name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The tables whose deleted rows delete those that refer to them.
fn cascades(table: &Relation<'_>) -> impl Iterator<Item = QualifiedName> {
    let constraints = table.parts(PartKind::Constraint);
    constraints.filter_map(|(_, properties)| cascade(properties.get("definition")?))
}

/// The table that a foreign key with ON DELETE CASCADE refers to.
fn cascade(definition: &str) -> Option<QualifiedName> {
    let words: Vec<&str> = tokens(definition).map(|token| token.text).collect();
    let on_delete = words.windows(3).any(|of| of == ["ON", "DELETE", "CASCADE"]);
    let mut words = words.into_iter();
    words
        .find(|word| *word == "REFERENCES")
        .filter(|_| on_delete)?;
    QualifiedName::parse(words.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("sessions", true)]
    #[case("good_job_queue", true)]
    #[case("UserTokens", false)]
    #[case("user-tokens", true)]
    #[case("obsession", false)]
    #[case("orders", false)]
    fn names_suggest_that_rows_are_removed(#[case] name: &str, #[case] passing: bool) {
        assert_eq!(is_passing(name), passing);
    }

    #[rstest]
    #[case(
        "FOREIGN KEY (a) REFERENCES app.sessions(id) ON DELETE CASCADE",
        Some("app.sessions")
    )]
    #[case(
        "FOREIGN KEY (a) REFERENCES \"My App\".\"S(1)\"(id) ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE",
        Some("\"My App\".\"S(1)\"")
    )]
    #[case(
        "FOREIGN KEY (a) REFERENCES app.sessions(id) ON UPDATE CASCADE ON DELETE SET NULL",
        None
    )]
    #[case("CHECK ((a <> 'REFERENCES x ON DELETE CASCADE'::text))", None)]
    fn rows_are_removed_with_others(#[case] definition: &str, #[case] table: Option<&str>) {
        let found = cascade(definition).map(|table| table.to_string());
        assert_eq!(found.as_deref(), table);
    }
}
