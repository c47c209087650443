//! What the body of a function or the action of a rule may write, by its tokens.
//!
//! It errs to one side: what is not certainly harmless counts as a write.

use std::collections::BTreeSet;

use crate::sql::{QualifiedName, Token, TokenKind, tokens};

/// What a body in SQL or PL/pgSQL may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// Whether it has dynamic SQL or a command whose object is not read here, and so may do anything.
    pub opaque: bool,
    /// Relations that it updates, empties, alters or drops; the schema is empty where the body does not name it.
    pub changes: BTreeSet<QualifiedName>,
    /// Relations that it may add rows to.
    pub inserts: BTreeSet<QualifiedName>,
    /// Functions that it may call.
    pub calls: BTreeSet<QualifiedName>,
}

/// Commands that may change anything.
const ANYTHING: &[&str] = &[
    "EXECUTE", "GRANT", "PREPARE", "REASSIGN", "IMPORT", "SECURITY",
];

/// What may come between a command and the name of its table.
const BETWEEN: &[&str] = &["FROM", "INTO", "TABLE", "ONLY", "IF", "EXISTS"];

/// Objects whose creation changes no row of another table.
const CREATED: &[&str] = &[
    "TABLE",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "INDEX",
    "UNIQUE",
    "SCHEMA",
    "SEQUENCE",
];

impl Body {
    /// Reads a body.
    pub fn of(text: &str) -> Self {
        let all: Vec<Token<'_>> = tokens(text).collect();
        let mut body = Self::default();
        let mut upserts = false;
        for (at, token) in all.iter().enumerate() {
            let next = all.get(at + 1);
            let before = at.checked_sub(1).and_then(|at| all.get(at));
            let after = |word: &str| before.is_some_and(|token| token.is_word(word));
            let one_of = |words: &[&str], token: &Token<'_>| words.iter().any(|w| token.is_word(w));
            let names_table = next.is_some_and(|next| next.is_word("TABLE"));
            if token.kind != TokenKind::Word {
                continue;
            }
            if one_of(ANYTHING, token) {
                body.opaque = true;
            } else if token.is_word("DO") {
                body.opaque |= next.is_some_and(|next| next.kind == TokenKind::Literal);
                upserts |= next.is_some_and(|next| next.is_word("UPDATE"));
            } else if token.is_word("CREATE") {
                body.opaque |= !next.is_some_and(|next| one_of(CREATED, next));
            } else if token.is_word("ALTER") || token.is_word("DROP") {
                match names_table {
                    true => body.change(&all[at + 1..]),
                    false => body.opaque = true,
                }
            } else if token.is_word("UPDATE") {
                // `FOR UPDATE` and `FOR NO KEY UPDATE` lock, `DO UPDATE` is of an INSERT.
                if !after("FOR") && !after("KEY") && !after("DO") {
                    body.change(&all[at + 1..]);
                }
            } else if one_of(&["DELETE", "TRUNCATE", "MERGE"], token) {
                body.change(&all[at + 1..]);
                if token.is_word("MERGE") {
                    body.inserts.extend(names(&all[at + 1..]));
                }
            } else if token.is_word("INSERT") {
                match names(&all[at + 1..]) {
                    found if found.is_empty() => body.merges(before),
                    found => body.inserts.extend(found.into_iter().take(1)),
                }
            } else if next.is_some_and(|next| next.text == "(") {
                body.calls.extend(name(token));
            }
        }
        if upserts {
            body.changes.extend(body.inserts.iter().cloned());
        }
        body
    }

    /// Adds the tables that a command names; without any it may change anything.
    fn change(&mut self, rest: &[Token<'_>]) {
        let found = names(rest);
        // `THEN UPDATE SET` and `THEN DELETE` are of a MERGE, which has named its table.
        let of_merge = rest
            .first()
            .is_none_or(|next| next.is_word("SET") || next.text == ";" || next.is_word("WHEN"));
        self.opaque |= found.is_empty() && !of_merge;
        self.changes.extend(found);
    }

    /// An INSERT without a table is of a MERGE, which has named it.
    fn merges(&mut self, before: Option<&Token<'_>>) {
        self.opaque |= !before.is_some_and(|token| token.is_word("THEN"));
    }

    /// The action of a rule, as `pg_get_ruledef` writes it.
    pub fn of_rule(definition: &str) -> Self {
        let action = tokens(definition).find(|token| token.is_word("DO"));
        let action = action.and_then(|token| definition.get(token.end()..));
        Self::of(action.unwrap_or(definition))
    }
}

/// The names at the beginning, with commas between them.
fn names(rest: &[Token<'_>]) -> Vec<QualifiedName> {
    let mut found = Vec::new();
    let mut all = rest
        .iter()
        .skip_while(|token| BETWEEN.iter().any(|word| token.is_word(word)));
    while let Some(token) = all.next().filter(|token| token.kind == TokenKind::Word) {
        if ["SET", "WHEN", "VALUES"]
            .iter()
            .any(|word| token.is_word(word))
        {
            break;
        }
        found.extend(name(token));
        if all.next().is_none_or(|token| token.text != ",") {
            break;
        }
    }
    found
}

/// The name that a word is; the schema is empty where the word has none.
fn name(token: &Token<'_>) -> Option<QualifiedName> {
    match QualifiedName::parse(&format!("x.{}", token.text)) {
        Ok(found) => Some(QualifiedName {
            schema: String::new(),
            ..found
        }),
        Err(_) => QualifiedName::parse(token.text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn shown(names: &BTreeSet<QualifiedName>) -> Vec<String> {
        names
            .iter()
            .map(|one| format!("{}.{}", one.schema, one.name))
            .collect()
    }

    #[rstest]
    #[case("BEGIN DELETE FROM ONLY app.audit WHERE true; END", &["app.audit"])]
    #[case("BEGIN UPDATE Audit SET a = 1; END", &[".audit"])]
    #[case("TRUNCATE TABLE app.a, app.\"B c\"", &["app.B c", "app.a"])]
    #[case("MERGE INTO app.a USING b ON true WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", &["app.a"])]
    #[case("MERGE INTO app.a USING b ON true WHEN MATCHED THEN UPDATE SET x = 1", &["app.a"])]
    #[case("INSERT INTO app.a VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 2", &["app.a"])]
    #[case("DROP TABLE IF EXISTS app.a", &["app.a"])]
    #[case("ALTER TABLE ONLY app.a DISABLE TRIGGER USER", &["app.a"])]
    #[case("WITH gone AS (DELETE FROM app.a RETURNING *) SELECT 1", &["app.a"])]
    fn tables_that_are_changed(#[case] body: &str, #[case] changes: &[&str]) {
        let body = Body::of(body);
        assert_eq!(shown(&body.changes), changes);
        assert!(!body.opaque, "{body:?}");
    }

    #[rstest]
    #[case("SELECT * FROM app.audit FOR UPDATE")]
    #[case("SELECT * FROM app.audit FOR NO KEY UPDATE")]
    #[case("BEGIN IF TG_OP = 'DELETE' THEN INSERT INTO app.audit SELECT OLD.*; END IF; END")]
    #[case("INSERT INTO app.audit VALUES (1) ON CONFLICT DO NOTHING")]
    #[case("-- DELETE FROM app.audit\nSELECT 'EXECUTE'")]
    #[case("CREATE TEMP TABLE t AS SELECT * FROM app.audit")]
    fn what_changes_nothing(#[case] body: &str) {
        let body = Body::of(body);
        assert!(body.changes.is_empty() && !body.opaque, "{body:?}");
    }

    #[rstest]
    #[case("BEGIN EXECUTE 'DELETE FROM ' || t; END")]
    #[case("BEGIN RETURN QUERY EXECUTE sql; END")]
    #[case("DO $$ BEGIN DELETE FROM app.audit; END $$")]
    #[case("DROP SCHEMA app CASCADE")]
    #[case("CREATE RULE r AS ON INSERT TO app.t DO DELETE FROM app.audit")]
    fn what_may_do_anything(#[case] body: &str) {
        assert!(Body::of(body).opaque);
    }

    #[test]
    fn calls_and_rules() {
        assert_eq!(
            shown(&Body::of("SELECT app.purge(1), now()").calls),
            [".now", "app.purge"]
        );
        let rule =
            Body::of_rule("CREATE RULE r AS ON INSERT TO app.t DO ALSO (DELETE FROM app.audit;)");
        assert_eq!(shown(&rule.changes), ["app.audit"]);
        assert!(!rule.opaque);
    }
}
