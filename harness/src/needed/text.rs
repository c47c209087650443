//! The names in a text of SQL, and whether it may read what it does not name.

use std::collections::BTreeSet;

use crate::rights::Body;
use crate::sql::{Token, TokenKind, read_identifier, split_qualified, tokens};

/// Bytes from which a definition may not have been kept to its end.
const LONG: usize = 128 * 1024;

/// How deep literals in literals are read.
const DEPTH: usize = 6;

/// Functions that run a text as SQL, or read what a text names, such as a graph.
const RUN_A_TEXT: &[&str] = &[
    "age_endnode",
    "age_startnode",
    "age_vertex_stats",
    "connectby",
    "cypher",
    "graph_stats",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
];

/// The same, by the beginnings of their names.
const RUN_A_TEXT_TOO: &[&str] = &["_cypher_", "age_vle", "crosstab", "dblink"];

/// The longest name of the server in bytes; it cuts longer ones.
const LONGEST_NAME: usize = 63;

/// A name as it is compared: without regard to case, and as long as the server keeps it.
pub(super) fn key(name: &str) -> String {
    let end = name.floor_char_boundary(LONGEST_NAME);
    name[..end].to_lowercase()
}

/// The names in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// Every schema and name that a dot joins, as [`key`]s.
    pub qualified: BTreeSet<(String, String)>,
    /// Names without a schema; only of what people write.
    pub bare: BTreeSet<String>,
    /// Why it may read what it does not name, as in `it has dynamic SQL`.
    pub unknown: Option<&'static str>,
}

impl Text {
    /// Reads what the server writes with an empty `search_path`: names of relations and functions have their schema.
    pub fn of_server(sql: &str) -> Self {
        let mut text = Self::default();
        if sql.len() >= LONG || sql.contains('\u{fffd}') {
            text.unknown = Some("its definition is too long, or in another encoding");
        }
        text.read(sql, false, DEPTH);
        text
    }

    /// Reads what people write: any word may be a name.
    pub fn of_people(sql: &str) -> Self {
        let mut text = Self::of_server("");
        text.read(sql, true, DEPTH);
        text
    }

    /// Reads a statement of a scenario.
    pub fn of_statement(sql: &str) -> Self {
        let mut text = Self::of_people(sql);
        let first = tokens(sql).next();
        let dynamic = ["do", "execute", "prepare"];
        if first.is_some_and(|first| dynamic.iter().any(|word| first.is_word(word))) {
            text.unknown = Some("it has dynamic SQL");
        }
        text
    }

    /// Reads literals too: the body of a function is one, and so is `'app.orders'::regclass`.
    fn read(&mut self, sql: &str, bare: bool, depth: usize) {
        let mut before: Option<Token<'_>> = None;
        for token in tokens(sql) {
            match token.kind {
                TokenKind::Word => {
                    let follows_ampersand =
                        |sign: &Token<'_>| sign.text == "&" && sign.end() == token.start;
                    if token.text.starts_with('"') && before.as_ref().is_some_and(follows_ampersand)
                    {
                        self.unknown = Some("it has names with Unicode escapes");
                    }
                    self.word(token.text, bare);
                }
                TokenKind::Literal if depth > 0 => self.read(&token.content(), bare, depth - 1),
                TokenKind::Literal => self.unknown = Some("it has literals in literals"),
                TokenKind::Number | TokenKind::Comment | TokenKind::Sign => {}
            }
            before = Some(token);
        }
    }

    fn word(&mut self, word: &str, bare: bool) {
        let parts = parts(word);
        for pair in parts.windows(2) {
            if let [schema, name] = pair {
                self.qualified.insert((schema.clone(), name.clone()));
            }
        }
        if let Some(last) = parts.last() {
            let begins = |with: &&str| last.starts_with(with);
            let runs = RUN_A_TEXT.contains(&last.as_str())
                || RUN_A_TEXT_TOO.iter().any(begins)
                || last.contains("_to_xml");
            if runs {
                self.unknown =
                    Some("it calls a function that runs a text as SQL, or reads a graph");
            }
        }
        if let Some(first) = parts.into_iter().next().filter(|_| bare) {
            self.bare.insert(first);
        }
    }
}

/// The identifiers of a name with its dots.
fn parts(word: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = Some(word);
    while let Some(name) = rest {
        let (before, last) = split_qualified(name);
        parts.push(key(&read_identifier(last)));
        rest = before;
    }
    parts.reverse();
    parts
}

/// A function as its definition makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FunctionText {
    /// What it names.
    pub text: Text,
    /// What its body may do, where its language is read.
    pub body: Option<Body>,
    /// Whether it is SECURITY DEFINER.
    pub definer: bool,
}

impl FunctionText {
    /// Reads `CREATE FUNCTION …`, and a procedure.
    pub fn of(sql: &str) -> Self {
        let mut text = Text::of_server(sql);
        let all: Vec<Token<'_>> = tokens(sql).collect();
        let mut depth = 0_usize;
        let (mut language, mut source, mut definer) = (None, None, false);
        let mut begins = 0;
        for pair in all.windows(2) {
            let [token, next] = pair else { continue };
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                _ if token.is_word("language") && language.is_none() => {
                    language = Some(match next.kind {
                        TokenKind::Literal => next.content().to_lowercase(),
                        _ => key(&read_identifier(next.text)),
                    });
                }
                _ if token.is_word("security") => definer |= next.is_word("definer"),
                _ if token.is_word("as") && next.kind == TokenKind::Literal => {
                    source.get_or_insert(next.content());
                }
                _ if token.is_word("begin") || token.is_word("return") => {
                    begins = token.start;
                    break;
                }
                _ => {}
            }
        }
        // Where the body is no literal, the server wrote it.
        let body = source.as_deref().unwrap_or(&sql[begins..]);
        let is_read = matches!(language.as_deref(), Some("sql" | "plpgsql"));
        let body = is_read.then(|| Body::of(body));
        match (&body, &source) {
            (None, _) => text.unknown = Some("its language is not read"),
            (Some(body), _) if body.opaque => {
                text.unknown = Some("it has dynamic SQL, or a command whose object is not read");
            }
            (Some(_), Some(source)) => {
                let people = Text::of_people(source);
                text.bare = people.bare;
            }
            (Some(_), None) => {}
        }
        Self {
            text,
            body,
            definer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn qualified(text: &Text) -> Vec<String> {
        let names = text.qualified.iter();
        names
            .map(|(schema, name)| format!("{schema}.{name}"))
            .collect()
    }

    #[rstest]
    #[case("SELECT o.id FROM app.orders o", &["app.orders", "o.id"])]
    #[case("SELECT nextval('app.orders_id_seq'::regclass)", &["app.orders_id_seq"])]
    #[case("SELECT 1 FROM \"My App\".\"Or.ders\"", &["my app.or.ders"])]
    #[case("SELECT 1 FROM shop.app.orders", &["app.orders", "shop.app"])]
    #[case("-- app.gone\nSELECT 1 /* app.gone */", &[])]
    fn names_with_a_schema(#[case] sql: &str, #[case] names: &[&str]) {
        let text = Text::of_server(sql);
        assert_eq!(qualified(&text), names);
        assert!(text.bare.is_empty() && text.unknown.is_none());
    }

    #[test]
    fn any_word_of_people_may_be_a_name() {
        let text =
            Text::of_people("SELECT 1 FROM Orders, \"Odd Name\" WHERE f($$ x FROM inner_one $$)");
        for name in ["orders", "odd name", "f", "inner_one"] {
            assert!(text.bare.contains(name), "{name}: {:?}", text.bare);
        }
        let long = "a".repeat(70);
        assert!(Text::of_people(&long).bare.contains(&"a".repeat(63)));
    }

    #[rstest]
    #[case("DO $$ BEGIN END $$", true)]
    #[case("SELECT query_to_xml('SELECT 1', true, true, '')", true)]
    #[case(
        "SELECT * FROM ag_catalog.cypher('g', $$ MATCH (n) RETURN n $$) AS (n agtype)",
        true
    )]
    #[case("SELECT * FROM U&\"\\0061pp\".x", true)]
    #[case("SELECT ag_catalog.age_vle('g')", true)]
    #[case("SELECT app.age_of(orders) FROM app.orders", false)]
    #[case("DELETE FROM app.orders", false)]
    #[case("GRANT EXECUTE ON FUNCTION f() TO x", false)]
    fn what_a_statement_does_not_name(#[case] sql: &str, #[case] unknown: bool) {
        assert_eq!(Text::of_statement(sql).unknown.is_some(), unknown);
    }

    #[rstest]
    #[case(
        "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); END $$;",
        true,
        false
    )]
    #[case(
        "CREATE FUNCTION app.f(language text) RETURNS text\n    LANGUAGE sql SECURITY DEFINER\n    AS $_$SELECT 'EXECUTE' FROM log$_$;",
        true,
        true
    )]
    #[case(
        "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$;",
        false,
        false
    )]
    #[case(
        "CREATE FUNCTION app.f() RETURNS int LANGUAGE c AS 'lib', 'f';",
        false,
        false
    )]
    #[case(
        "CREATE FUNCTION app.f() RETURNS int LANGUAGE plpython3u SECURITY DEFINER AS $$ x $$;",
        false,
        true
    )]
    fn bodies(#[case] sql: &str, #[case] known: bool, #[case] definer: bool) {
        let function = FunctionText::of(sql);
        assert_eq!(function.text.unknown.is_none(), known, "{function:?}");
        assert_eq!(function.definer, definer);
        assert_eq!(function.text.bare.contains("log"), known, "{function:?}");
    }

    #[test]
    fn a_body_in_sql_standard_form_is_of_the_server() {
        let sql = "CREATE FUNCTION app.f() RETURNS bigint\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT count(*) AS count FROM app.orders;\nEND;";
        let function = FunctionText::of(sql);
        assert!(function.text.unknown.is_none(), "{function:?}");
        assert!(
            function
                .text
                .qualified
                .contains(&("app".to_owned(), "orders".to_owned()))
        );
    }

    #[test]
    fn a_definition_that_was_cut_is_not_known() {
        let sql = format!(
            "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS $$ {}",
            "x ".repeat(LONG)
        );
        assert!(FunctionText::of(&sql).text.unknown.is_some());
    }
}
