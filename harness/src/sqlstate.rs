//! What a server's error may show of itself: SQLSTATE and object names, never values.
//!
//! DETAIL, CONTEXT and HINT are dropped before a message comes here. The primary message quotes
//! identifiers in some classes of errors and data in others; see "PostgreSQL Error Codes" in the
//! manual for the classes.

/// Classes whose primary message quotes names of objects, roles, settings or files, never rows.
const NAMES_ONLY: &[&str] = &[
    "0A", "23", "25", "26", "28", "2B", "34", "3B", "3D", "3F", "42", "53", "54", "55", "57", "58",
    "F0", "HV",
];

/// Wording of the server's own messages whose quoted parts are names. For messages that come without
/// SQLSTATE, as from pg_restore.
const NAMING: &[&str] = &[
    " violates unique constraint \"",
    " violates foreign key constraint \"",
    " violates check constraint \"",
    " violates not-null constraint",
    "could not create unique index \"",
    "permission denied for ",
    "must be owner of ",
    "unrecognized configuration parameter \"",
    "unrecognized parameter \"",
];

/// What is shown of text that the database's own code raises.
const WITHHELD: &str = "an exception raised by the database's own code (text withheld)";

/// Whether the routine and the file of the server that report an error belong to a procedural
/// language that passes on what the database's own code raises: any text, with any SQLSTATE.
#[must_use]
pub fn is_raised(routine: &str, file: &str) -> bool {
    // PL/pgSQL has errors of its own too; the others pass everything through one place.
    routine == "exec_stmt_raise"
        || ["plpy_", "plperl", "pltcl", "plv8", "pllua", "plr"]
            .iter()
            .any(|language| file.starts_with(language))
}

/// Gives what may be shown of a primary message; `raised` when the database's own code raised it.
///
/// - names stay where the class quotes names (`42P01`: `relation "app.orders" does not exist`)
/// - quoted text goes where the class quotes data (`22P02`: `invalid input syntax for type json`)
/// - a syntax error may quote a token of a row that was read as SQL, so its token goes
/// - text that the database's own code raises (`P0001`) is withheld, since it may hold anything
#[must_use]
pub fn shown(sqlstate: &str, message: &str, raised: bool) -> String {
    let message = message.lines().next().unwrap_or("");
    if raised || sqlstate.starts_with("P0") {
        return WITHHELD.to_owned();
    }
    let class = sqlstate.get(..2).unwrap_or("");
    if sqlstate != "42601" && NAMES_ONLY.contains(&class) {
        return message.to_owned();
    }
    let names =
        || NAMING.iter().any(|wording| message.contains(wording)) || is_about_an_object(message);
    if sqlstate.is_empty() && names() {
        return message.to_owned();
    }
    without_quoted(message)
}

/// Knows the messages that name an object: pg_restore prints no SQLSTATE.
fn is_about_an_object(message: &str) -> bool {
    let kinds = [
        "role",
        "schema",
        "relation",
        "table",
        "index",
        "type",
        "function",
        "extension",
        "database",
        "tablespace",
        "collation",
        "access method",
        "operator class",
    ];
    let states = [" does not exist", " already exists", " is not available"];
    states.iter().any(|state| message.ends_with(state))
        && kinds.iter().any(|kind| {
            message
                .strip_prefix(kind)
                .is_some_and(|rest| rest.starts_with(" \"") && rest.matches('"').count() == 2)
        })
}

/// Replaces everything in double or single quotes by `…`.
#[must_use]
pub fn without_quoted(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut quote = None;
    let mut previous = ' ';
    for c in message.chars() {
        match quote {
            Some(open) if c == open => {
                out.push('…');
                out.push(c);
                quote = None;
            }
            Some(_) => {}
            // An apostrophe inside a word opens nothing.
            None if c == '"' || (c == '\'' && !previous.is_alphanumeric()) => {
                out.push(c);
                quote = Some(c);
            }
            None => out.push(c),
        }
        previous = c;
    }
    if quote.is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "42P01",
        "relation \"app.orders\" does not exist",
        "relation \"app.orders\" does not exist"
    )]
    #[case(
        "22P02",
        "invalid input syntax for type json: \"{secret\"",
        "invalid input syntax for type json: \"…\""
    )]
    #[case(
        "42601",
        "syntax error at or near \"alice@example\"",
        "syntax error at or near \"…\""
    )]
    #[case(
        "P0001",
        "card 4111 refused",
        "an exception raised by the database's own code (text withheld)"
    )]
    #[case("", "role \"app\" does not exist", "role \"app\" does not exist")]
    #[case("22001", "value's end", "value's end")]
    #[case("", "odd \"half", "odd \"…")]
    #[case(
        "",
        "role \"app_owner\" does not exist",
        "role \"app_owner\" does not exist"
    )]
    #[case("", "key \"secret\" already exists", "key \"…\" already exists")]
    fn values_do_not_pass(#[case] state: &str, #[case] message: &str, #[case] expected: &str) {
        assert_eq!(shown(state, message, false), expected);
    }

    #[test]
    fn what_the_databases_own_code_raises_is_withheld_whatever_its_sqlstate() {
        assert!(is_raised("exec_stmt_raise", "pl_exec.c"));
        assert!(is_raised("PLy_elog_impl", "plpy_elog.c"));
        assert!(!is_raised("_bt_check_unique", "nbtinsert.c"));
        assert!(!is_raised("subquery_planner", "planner.c"));
        assert_eq!(shown("23505", "card 4111 is taken", true), WITHHELD);
    }
}
