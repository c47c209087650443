//! What the body of a function or the action of a rule may write, by its tokens.
//!
//! It errs to one side: what is not certainly harmless counts as a write.

use std::collections::BTreeSet;

use super::WriteEvent;
use crate::sql::{QualifiedName, Token, TokenKind, setting_elements, tokens};

/// What a body in SQL or PL/pgSQL may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Body {
    /// Whether it has dynamic SQL or a command whose object is not read here, and so may do anything.
    pub opaque: bool,
    /// Commands that it may run on relations; the schema is empty where the body does not name it. ALTER and DROP count as
    /// all that change or remove rows.
    pub writes: BTreeSet<(WriteEvent, QualifiedName)>,
    /// Functions that it may call.
    pub calls: BTreeSet<QualifiedName>,
    /// Every word of it that may be the name of a relation.
    pub mentions: BTreeSet<QualifiedName>,
}

/// Commands that may change anything.
const ANYTHING: &[&str] = &[
    "EXECUTE", "GRANT", "PREPARE", "REASSIGN", "IMPORT", "SECURITY",
];

/// What changes or removes rows.
const CHANGES: &[WriteEvent] = &[WriteEvent::Update, WriteEvent::Delete, WriteEvent::Truncate];

/// What a MERGE may do.
const OF_MERGE: &[WriteEvent] = &[WriteEvent::Insert, WriteEvent::Update, WriteEvent::Delete];

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
            body.mentions.extend(name(token));
            if one_of(ANYTHING, token) {
                body.opaque = true;
            } else if token.is_word("DO") {
                body.opaque |= next.is_some_and(|next| next.kind == TokenKind::Literal);
                upserts |= next.is_some_and(|next| next.is_word("UPDATE"));
            } else if token.is_word("CREATE") {
                body.opaque |= !next.is_some_and(|next| one_of(CREATED, next));
            } else if token.is_word("ALTER") || token.is_word("DROP") {
                match names_table {
                    true => body.change(CHANGES, &all[at + 1..]),
                    false => body.opaque = true,
                }
            } else if token.is_word("UPDATE") {
                // `FOR UPDATE` and `FOR NO KEY UPDATE` lock, `DO UPDATE` is of an INSERT.
                if !after("FOR") && !after("KEY") && !after("DO") {
                    body.change(&[WriteEvent::Update], &all[at + 1..]);
                }
            } else if token.is_word("DELETE") {
                body.change(&[WriteEvent::Delete], &all[at + 1..]);
            } else if token.is_word("TRUNCATE") {
                body.change(&[WriteEvent::Truncate], &all[at + 1..]);
            } else if token.is_word("MERGE") {
                body.change(OF_MERGE, &all[at + 1..]);
            } else if token.is_word("INSERT") {
                match names(&all[at + 1..]) {
                    found if found.is_empty() => body.merges(before),
                    found => {
                        let table = found.into_iter().take(1);
                        body.writes
                            .extend(table.map(|one| (WriteEvent::Insert, one)));
                    }
                }
            } else if next.is_some_and(|next| next.text == "(") {
                body.calls.extend(name(token));
            }
        }
        if upserts {
            let inserts = body.writes.iter();
            let inserts = inserts.filter(|(event, _)| *event == WriteEvent::Insert);
            let updates = inserts.map(|(_, name)| (WriteEvent::Update, name.clone()));
            let updates: Vec<(WriteEvent, QualifiedName)> = updates.collect();
            body.writes.extend(updates);
        }
        body
    }

    /// The same with `search_path` set on the function: a name without a schema can only be in one of its schemas. A body
    /// that may set another path is left as it is.
    pub fn within(self, search_path: &str) -> Self {
        let mut schemas = setting_elements(search_path);
        schemas.retain(|one| !one.is_empty());
        let sets_path =
            |name: &QualifiedName| matches!(name.name.as_str(), "search_path" | "set_config");
        if schemas.iter().any(|one| one == "$user") || self.mentions.iter().any(sets_path) {
            return self;
        }
        let in_each = |name: QualifiedName| -> Vec<QualifiedName> {
            if !name.schema.is_empty() {
                return vec![name];
            }
            let named = schemas.iter().map(|schema| QualifiedName {
                schema: schema.clone(),
                name: name.name.clone(),
            });
            named.collect()
        };
        let writes = self.writes.into_iter();
        let writes =
            writes.flat_map(|(event, name)| in_each(name).into_iter().map(move |one| (event, one)));
        Self {
            opaque: self.opaque,
            writes: writes.collect(),
            calls: self.calls.into_iter().flat_map(in_each).collect(),
            mentions: self.mentions.into_iter().flat_map(in_each).collect(),
        }
    }

    /// Adds these commands on the tables that one names; without any it may change anything.
    fn change(&mut self, events: &[WriteEvent], rest: &[Token<'_>]) {
        let found = names(rest);
        // `THEN UPDATE SET` and `THEN DELETE` are of a MERGE, which has named its table.
        let of_merge = rest
            .first()
            .is_none_or(|next| next.is_word("SET") || next.text == ";" || next.is_word("WHEN"));
        self.opaque |= found.is_empty() && !of_merge;
        for name in found {
            let of_table = events.iter().map(|event| (*event, name.clone()));
            self.writes.extend(of_table);
        }
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

    fn show(one: &QualifiedName) -> String {
        format!("{}.{}", one.schema, one.name)
    }

    fn written(body: &Body) -> Vec<String> {
        let writes = body.writes.iter();
        writes
            .map(|(event, name)| format!("{} {}", event.word(), show(name)))
            .collect()
    }

    #[rstest]
    #[case("BEGIN DELETE FROM ONLY app.audit WHERE true; END", &["DELETE app.audit"])]
    #[case("BEGIN UPDATE Audit SET a = 1; END", &["UPDATE .audit"])]
    #[case("TRUNCATE TABLE app.a, app.\"B c\"", &["TRUNCATE app.B c", "TRUNCATE app.a"])]
    #[case("MERGE INTO app.a USING b ON true WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", &["INSERT app.a", "UPDATE app.a", "DELETE app.a"])]
    #[case("MERGE INTO app.a USING b ON true WHEN MATCHED THEN UPDATE SET x = 1", &["INSERT app.a", "UPDATE app.a", "DELETE app.a"])]
    #[case("INSERT INTO app.a VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 2", &["INSERT app.a", "UPDATE app.a"])]
    #[case("DROP TABLE IF EXISTS app.a", &["UPDATE app.a", "DELETE app.a", "TRUNCATE app.a"])]
    #[case("ALTER TABLE ONLY app.a DISABLE TRIGGER USER", &["UPDATE app.a", "DELETE app.a", "TRUNCATE app.a"])]
    #[case("WITH gone AS (DELETE FROM app.a RETURNING *) SELECT 1", &["DELETE app.a"])]
    fn commands_on_tables(#[case] body: &str, #[case] writes: &[&str]) {
        let body = Body::of(body);
        assert_eq!(written(&body), writes);
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
        let inserts = |(event, _): &(WriteEvent, QualifiedName)| *event == WriteEvent::Insert;
        assert!(body.writes.iter().all(inserts) && !body.opaque, "{body:?}");
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

    #[rstest]
    #[case("app", "DELETE FROM a", &["DELETE app.a"])]
    #[case("app, \"B c\", pg_temp", "DELETE FROM a", &["DELETE B c.a", "DELETE app.a", "DELETE pg_temp.a"])]
    #[case("app", "DELETE FROM b.a", &["DELETE b.a"])]
    #[case("\"\"", "DELETE FROM a", &[])]
    #[case("\"$user\", app", "DELETE FROM a", &["DELETE .a"])]
    #[case("app", "SET LOCAL search_path = b; DELETE FROM a", &["DELETE .a"])]
    #[case("app", "BEGIN PERFORM set_config('search_path', b, true); DELETE FROM a; END", &["DELETE .a"])]
    fn a_name_without_a_schema(#[case] path: &str, #[case] body: &str, #[case] writes: &[&str]) {
        assert_eq!(written(&Body::of(body).within(path)), writes);
    }

    #[test]
    fn calls_and_rules() {
        let calls = Body::of("SELECT app.purge(1), now()").calls;
        let calls: Vec<String> = calls.iter().map(show).collect();
        assert_eq!(calls, [".now", "app.purge"]);
        let rule =
            Body::of_rule("CREATE RULE r AS ON INSERT TO app.t DO ALSO (DELETE FROM app.audit;)");
        assert_eq!(written(&rule), ["DELETE app.audit"]);
        assert!(!rule.opaque);
    }
}
