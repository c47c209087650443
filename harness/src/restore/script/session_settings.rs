//! The settings of the session that reads the dump, which the other sessions must have too.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgdump::script::statement::Words;

use super::order::setting;

/// What was set, as far as the dump was read in this session.
#[derive(Debug, Default)]
pub(super) struct SessionSettings {
    /// The statement that set each setting last, and its number among all changes.
    made: BTreeMap<String, (usize, Arc<[u8]>)>,
    /// How many changes there were.
    changes: usize,
    /// The last change that may have changed other settings too.
    several: usize,
    /// Whether this session may have settings that others cannot get, or react to commands.
    apart: bool,
}

/// Names after SET and RESET that change a setting of another name, or several.
const SEVERAL: &[&str] = &["all", "session", "role", "time", "names"];

/// First words of statements that leave the settings of the session as they are.
const OTHERS: &[&str] = &[
    "abort",
    "analyze",
    "begin",
    "cluster",
    "comment",
    "commit",
    "copy",
    "delete",
    "drop",
    "end",
    "grant",
    "import",
    "insert",
    "lock",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "set",
    "start",
    "truncate",
    "update",
    "vacuum",
];

/// What ALTER changes for sessions that begin later, or for every command.
const ALTERED: &[&str] = &["database", "event", "role", "system", "user"];

impl SessionSettings {
    /// Whether a change of a setting is one. A dump repeats most of them.
    pub(super) fn is_new(&self, name: &str, text: &[u8]) -> bool {
        let Some((number, made)) = self.made.get(name) else {
            return true;
        };
        let is_last = *number == self.changes || *number > self.several;
        **made != *text || !is_last
    }

    /// A setting was changed.
    pub(super) fn add(&mut self, name: &str, text: Arc<[u8]>) {
        self.changes += 1;
        if SEVERAL.contains(&name) {
            self.several = self.changes;
        }
        self.made.insert(name.to_owned(), (self.changes, text));
    }

    /// The statements that give another session these settings, in their order.
    pub(super) fn all(&self) -> Vec<Arc<[u8]>> {
        let mut made: Vec<_> = self.made.values().collect();
        made.sort_by_key(|(number, _)| *number);
        made.into_iter().map(|(_, text)| text.clone()).collect()
    }

    /// Takes note of a statement that this session runs.
    pub(super) fn note(&mut self, words: &Words<'_>, in_transaction: bool) {
        let tokens = words.tokens();
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is_word(text));
        let any = |at: usize, words: &[&str]| words.iter().any(|word| is(at, word));
        let of_catalog = tokens.get(1).is_some_and(|token| {
            let begins = token.text.get(..11);
            begins.is_some_and(|text| text.eq_ignore_ascii_case("pg_catalog."))
        });
        self.apart |= if setting(words).is_some() {
            // The transaction may be rolled back.
            in_transaction
        } else if is(0, "create") {
            is(1, "event")
        } else if is(0, "alter") {
            any(1, ALTERED)
        } else if is(0, "select") {
            !of_catalog
        } else {
            // DO, CALL, LOAD, DISCARD, EXECUTE, and whatever else runs code in this session.
            !any(0, OTHERS) && !tokens.is_empty()
        };
    }

    /// Whether other sessions cannot do what this one would do.
    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The statements that the other sessions are sent of these.
    fn sent(statements: &[&str]) -> (Vec<String>, SessionSettings) {
        let mut settings = SessionSettings::default();
        let mut sent = Vec::new();
        for statement in statements {
            let name = setting(&Words::of(statement.as_bytes())).unwrap();
            if settings.is_new(&name, statement.as_bytes()) {
                settings.add(&name, statement.as_bytes().into());
                sent.push((*statement).to_owned());
            }
        }
        (sent, settings)
    }

    #[test]
    fn what_a_dump_repeats_is_sent_once() {
        let (sent, settings) = sent(&[
            "SET default_tablespace = '';",
            "SET default_tablespace = fast;",
            "SET x.y = 1;",
            "SET default_tablespace = fast;",
            "SET x.y = 1;",
        ]);
        assert_eq!(sent.len(), 3);
        let all: Vec<_> = settings.all().iter().map(|text| text.to_vec()).collect();
        assert_eq!(
            all,
            [
                b"SET default_tablespace = fast;".to_vec(),
                b"SET x.y = 1;".to_vec()
            ]
        );
    }

    #[rstest]
    #[case(&["SET datestyle = German;", "RESET ALL;", "SET datestyle = German;"])]
    #[case(&["SET ROLE a;", "SET SESSION AUTHORIZATION b;", "SET ROLE a;"])]
    #[case(&["SET TIME ZONE 'UTC';", "SET timezone = 'PST8PDT';", "SET TIME ZONE 'UTC';"])]
    #[case(&["SET timezone = 'UTC';", "SET TIME ZONE 'PST8PDT';", "SET timezone = 'UTC';"])]
    fn what_another_setting_changed_is_sent_again(#[case] statements: &[&str]) {
        assert_eq!(sent(statements).0, statements);
    }

    #[rstest]
    #[case("SET x.y = 1;", false)]
    #[case("SELECT pg_catalog.setval('app.s', 3, true);", false)]
    #[case("SELECT pg_catalog.set_config('search_path', '', false);", false)]
    #[case("CREATE TABLE app.t (a int);", false)]
    #[case("ALTER TABLE app.t OWNER TO a;", false)]
    #[case("INSERT INTO app.t VALUES (1);", false)]
    #[case("REFRESH MATERIALIZED VIEW app.v;", false)]
    #[case("SELECT set_config('datestyle', 'German', false);", true)]
    #[case("SELECT app.f();", true)]
    #[case("DO $$ BEGIN END $$;", true)]
    #[case("DISCARD ALL;", true)]
    #[case("ALTER DATABASE app SET datestyle = German;", true)]
    #[case("ALTER ROLE app SET datestyle = German;", true)]
    #[case(
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION app.f();",
        true
    )]
    fn what_other_sessions_would_not_have(#[case] statement: &str, #[case] expected: bool) {
        let mut settings = SessionSettings::default();
        settings.note(&Words::of(statement.as_bytes()), false);
        assert_eq!(settings.is_apart(), expected);
    }

    #[test]
    fn a_setting_of_a_transaction_may_be_taken_back() {
        let mut settings = SessionSettings::default();
        settings.note(&Words::of(b"SET x.y = 1;"), true);
        assert!(settings.is_apart());
    }
}
