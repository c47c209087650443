//! What pg_dump never writes into an entry, and pg_restore runs all the same: statements in place of what they belong to.
//!
//! The definitions of objects within the database are read statement by statement elsewhere. Here is the rest.

use super::super::Entry;
use super::entry::owner_of;
use crate::script::lexer::{End, Lexer, Piece};
use crate::script::statement::Words;

/// What is foreign in an entry; `None` if nothing is.
pub(in super::super) fn foreign(entry: &Entry) -> Option<&'static str> {
    let has_definition = !entry.definition.is_empty();
    match entry.kind.as_str() {
        "TABLE DATA" | "BLOBS" if has_definition && !is_comment(&entry.definition) => {
            Some("a statement in place of rows")
        }
        "BLOB" if !entry.tag.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some("something else in place of the number of a large object")
        }
        "AGGREGATE" | "FUNCTION" | "OPERATOR" | "OPERATOR CLASS" | "OPERATOR FAMILY"
        | "PROCEDURE"
            if owner_of(entry).is_err() =>
        {
            Some("another statement in place of the one that drops an object")
        }
        "DATABASE" => None,
        _ if has_definition
            && !entry.is_within_database()
            && !is_of_database(&entry.definition) =>
        {
            Some("another statement in place of the settings and rights of a database")
        }
        _ => None,
    }
}

/// `-- load via partition root app.t`, one line.
fn is_comment(definition: &str) -> bool {
    definition.starts_with("-- ") && !definition.trim_end().contains(['\n', '\r'])
}

/// Whether every statement is about a database alone.
fn is_of_database(definition: &str) -> bool {
    let mut lexer = Lexer::new(definition.as_bytes()).singly();
    // Memory does not fail.
    while let Ok(Some(piece)) = lexer.next_piece() {
        let is_one = match piece {
            Piece::Statement(statement) => {
                let text = String::from_utf8_lossy(statement.text);
                let words = Words::of(text.as_bytes());
                names_database(&words)
            }
            Piece::Comment { .. } => true,
            _ => false,
        };
        if !is_one {
            return false;
        }
    }
    lexer.end() == End::Clean
}

/// `ALTER DATABASE`, `ALTER ROLE r IN DATABASE`, `COMMENT ON DATABASE`, `SECURITY LABEL … ON DATABASE`, `GRANT … ON DATABASE`.
fn names_database(words: &Words<'_>) -> bool {
    let is = |at: usize, word: &str| {
        let token = words.tokens().get(at);
        token.is_some_and(|token| token.is_word(word))
    };
    if is(0, "alter") {
        return is(1, "database") || (is(1, "role") && is(3, "in") && is(4, "database"));
    }
    // Around rights that another role granted.
    if is(0, "set") || is(0, "reset") {
        return is(1, "session") && is(2, "authorization");
    }
    let known = ["comment", "security", "grant", "revoke"];
    let on = words.tokens().iter().position(|token| token.is_word("on"));
    known.iter().any(|word| is(0, word)) && on.is_some_and(|on| is(on + 1, "database"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("TABLE DATA", "t", "-- load via partition root app.t", true)]
    #[case("TABLE DATA", "t", "-- x\nCOPY t FROM PROGRAM 'id';", false)]
    #[case("TABLE DATA", "t", "DROP TABLE app.t;", false)]
    #[case("BLOBS", "BLOBS", "SELECT 1;", false)]
    #[case(
        "DATABASE PROPERTIES",
        "d",
        "ALTER DATABASE d SET work_mem TO '8MB';\nALTER ROLE a IN DATABASE d SET x TO 'y';\n",
        true
    )]
    #[case(
        "DATABASE PROPERTIES",
        "d",
        "ALTER DATABASE d SET work_mem TO '8MB'; DROP TABLE t;",
        false
    )]
    #[case("DATABASE PROPERTIES", "d", "ALTER ROLE a SUPERUSER;", false)]
    #[case("DATABASE PROPERTIES", "d", "\\! id\n", false)]
    #[case("DATABASE PROPERTIES", "d", "ALTER DATABASE d SET x TO 'y", false)]
    #[case(
        "ACL",
        "DATABASE d",
        "REVOKE ALL ON DATABASE d FROM PUBLIC;\nGRANT CONNECT ON DATABASE d TO a;",
        true
    )]
    #[case(
        "ACL",
        "DATABASE d",
        "SET SESSION AUTHORIZATION a;\nGRANT CONNECT ON DATABASE d TO b;\nRESET SESSION AUTHORIZATION;",
        true
    )]
    #[case("ACL", "DATABASE d", "SET work_mem = '1GB';", false)]
    #[case("ACL", "DATABASE d", "GRANT a TO b;", false)]
    #[case("ACL", "DATABASE d", "COPY t FROM PROGRAM 'id';", false)]
    #[case("COMMENT", "DATABASE d", "COMMENT ON DATABASE d IS 'of ; x';", true)]
    #[case(
        "SECURITY LABEL",
        "DATABASE d",
        "SECURITY LABEL FOR x ON DATABASE d IS 'y';",
        true
    )]
    #[case("COMMENT", "TABLE t", "COMMENT ON TABLE app.t IS 'x';", true)]
    #[case(
        "TABLE",
        "DATABASE odd",
        "CREATE TABLE app.\"DATABASE odd\" (id integer);",
        true
    )]
    fn what_pg_dump_never_writes_is_foreign(
        #[case] kind: &str,
        #[case] tag: &str,
        #[case] definition: &str,
        #[case] own: bool,
    ) {
        let entry = Entry {
            definition: definition.to_owned(),
            ..entry(kind, tag, "")
        };
        assert_eq!(foreign(&entry).is_none(), own);
    }

    #[rstest]
    #[case("FUNCTION", "f()", "DROP FUNCTION app.f(text DEFAULT ';');\n", true)]
    #[case(
        "FUNCTION",
        "f()",
        "DROP FUNCTION app.f(); COPY t FROM PROGRAM 'id';\n",
        false
    )]
    #[case("FUNCTION", "f()", "TRUNCATE t;\n", false)]
    #[case("BLOB", "4711", "SELECT pg_catalog.lo_unlink('4711');\n", true)]
    #[case("BLOB", "4711; DROP TABLE t", "SELECT 1;\n", false)]
    fn what_names_an_object_is_one_name(
        #[case] kind: &str,
        #[case] tag: &str,
        #[case] drop: &str,
        #[case] own: bool,
    ) {
        assert_eq!(foreign(&entry(kind, tag, drop)).is_none(), own);
    }
}
