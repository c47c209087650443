//! What is shown of an error of a server or of one of its programs: the server's own wording and known
//! names, never values.
//!
//! This is a list of what may pass, not of what must not. A message is compared with the
//! wordings of PostgreSQL (`wording`). The text that is fixed there is shown. What is variable there is
//! shown if it is a [name](Names) that the backup or the statement has as an identifier; anything else
//! is `…`. A message in another wording is not shown: of an extension, in another language, or raised by
//! code of the database. DETAIL, CONTEXT and HINT are dropped before a message comes here.

mod names;
mod wording;

pub use names::Names;

/// Characters of a message that are shown.
const SHOWN: usize = 400;

/// Shown in place of text that code of the database raises.
const RAISED: &str = "an exception raised by the database's own code (text withheld)";

/// Shown in place of a message in another wording.
const OTHER: &str = "a message that is not in PostgreSQL's own wording (text withheld)";

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

/// Returns what may be shown of a primary message; `raised` if code of the database raised it.
///
/// - `42P01`, `relation "app.orders" does not exist` remains if the backup or the statement names `app.orders`
/// - `22P02`, `invalid input syntax for type json: "{x"` becomes `invalid input syntax for type json: "…"`
/// - text that code of the database raises (`P0001`) is withheld, since it may contain anything
#[must_use]
pub fn shown(sqlstate: &str, message: &str, raised: bool, names: &Names) -> String {
    if raised || sqlstate.starts_with("P0") {
        return RAISED.to_owned();
    }
    worded(message, names).unwrap_or_else(|| OTHER.to_owned())
}

/// Returns what may be shown of a line of the server's log: its severity and its message.
#[must_use]
pub fn logged(line: &str) -> String {
    let severities = ["FATAL:  ", "PANIC:  ", "ERROR:  ", "LOG:  "];
    let first = severities
        .iter()
        .filter_map(|severity| Some((line.find(severity)?, severity)))
        .min();
    first
        .and_then(|(at, severity)| {
            let text = line.get(at + severity.len()..)?;
            Some(format!("{severity}{}", worded(text, &Names::default())?))
        })
        .unwrap_or_else(|| OTHER.to_owned())
}

/// A message with everything hidden that is neither fixed text nor a name; `None` in another wording.
fn worded(message: &str, names: &Names) -> Option<String> {
    let wording::Divided { fixed, variable } = wording::divide(message)?;
    let (first, others) = fixed.split_first()?;
    let mut out = (*first).to_owned();
    for (part, behind) in variable.iter().zip(others) {
        let quoted = out.ends_with('"') && behind.starts_with('"');
        let is_shown = match quoted {
            true => names.is_name(part),
            false => names.is_description(part),
        };
        if is_shown {
            out.push_str(part);
        } else if let Some((severity, inner)) = passed_on(part) {
            out.push_str(severity);
            out.push_str(&worded(inner, names).unwrap_or_else(|| wording::HIDDEN.to_owned()));
        } else if !part.is_empty() {
            out.push_str(wording::HIDDEN);
        }
        out.push_str(behind);
    }
    if out.chars().nth(SHOWN).is_some() {
        out = out.chars().take(SHOWN).chain(['…']).collect();
    }
    Some(out)
}

/// Divides a message of the server that a program passes on: its severity and its text.
fn passed_on(part: &str) -> Option<(&str, &str)> {
    ["ERROR:  ", "FATAL:  "]
        .iter()
        .find(|severity| part.starts_with(**severity))
        .map(|severity| part.split_at(severity.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Names of a small backup.
    fn names() -> Names {
        let names = Names::default();
        names.learn_definitions(
            "CREATE FUNCTION app.f() RETURNS integer LANGUAGE c AS '$libdir/postgis-3', 'f';
             CREATE TABLE app.orders (id integer, \"E mail\" text DEFAULT 'literal');
             ALTER TABLE app.orders OWNER TO app_owner; CREATE EXTENSION vector;
             CREATE ROLE ada PASSWORD hunter22; SET app.region = zurich;",
        );
        names
    }

    #[rstest]
    #[case("relation \"app.orders\" does not exist")]
    #[case("role \"app_owner\" does not exist")]
    #[case("extension \"vector\" is not available")]
    #[case("permission denied for table orders")]
    #[case("column \"E mail\" of relation \"orders\" already exists")]
    #[case("function app.orders(integer, text[]) does not exist")]
    #[case("unrecognized configuration parameter \"app.region\"")]
    #[case("unrecognized configuration parameter \"transaction_timeout\"")]
    #[case("could not access file \"$libdir/postgis-3\": No such file or directory")]
    #[case("division by zero")]
    fn names_and_fixed_text_pass(#[case] message: &str) {
        assert_eq!(shown("", message, false, &names()), message);
    }

    #[rstest]
    #[case("relation \"planted\" does not exist", "relation \"…\" does not exist")]
    #[case(
        "invalid input syntax for type json: \"{\"a\": planted \"\"",
        "invalid input syntax for type json: \"…\""
    )]
    #[case(
        "invalid input syntax for type integer: \"a\nrelation \"app.orders\" does not exist\"",
        "invalid input syntax for type integer: \"…\""
    )]
    #[case(
        "invalid input syntax for type integer: \"literal\"",
        "invalid input syntax for type integer: \"…\""
    )]
    #[case("syntax error at or near \"planted\"", "syntax error at or near \"…\"")]
    #[case(
        "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28",
        "invalid byte sequence for encoding \"UTF8\": …"
    )]
    #[case(
        "COPY failed for table \"orders\": ERROR:  invalid input syntax for type integer: \"x\"",
        "COPY failed for table \"orders\": ERROR:  invalid input syntax for type integer: \"…\""
    )]
    #[case(
        "COPY failed for table \"orders\": ERROR:  planted",
        "COPY failed for table \"orders\": ERROR:  …"
    )]
    #[case("role \"hunter22\" does not exist", "role \"…\" does not exist")]
    #[case("invalid command \\planted", "invalid command \\…")]
    #[case("card 4111 refused", OTHER)]
    #[case("Relation »app.orders« existiert nicht", OTHER)]
    #[case("relation \"a\" does not exist (planted)", OTHER)]
    #[case("", OTHER)]
    fn everything_else_is_hidden(#[case] message: &str, #[case] expected: &str) {
        assert_eq!(shown("", message, false, &names()), expected);
    }

    #[test]
    fn rows_that_begin_like_a_statement_define_nothing() {
        let names = Names::default();
        for row in [
            "Create\tplanted",
            "alter\tplanted",
            "Set\tplanted",
            "select planted",
            "insert into planted",
            "Comment on planted",
            "Grant\tplanted",
            "17\tplanted",
        ] {
            names.learn_definitions(row);
        }
        assert!(!names.is_name("planted"));
    }

    #[rstest]
    #[case(
        "2026-01-01 UTC [7] FATAL:  role \"planted\" does not exist",
        "FATAL:  role \"…\" does not exist"
    )]
    #[case(
        "LOG:  server process (PID 17) was terminated by signal 9: Killed",
        "LOG:  server process (PID …) was terminated by signal 9: Killed"
    )]
    #[case("STATEMENT:  SELECT 'planted'", OTHER)]
    #[case("DETAIL:  Failed process was running: SELECT ERROR:  planted", OTHER)]
    fn lines_of_the_log_have_no_values(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(logged(line), expected);
    }

    #[test]
    fn a_message_is_cut() {
        let names = Names::default();
        let long = format!("a{}", "b".repeat(900));
        names.learn_statement(&long);
        let message = format!("relation \"{long}\" does not exist");
        let cut = shown("42P01", &message, false, &names);
        assert_eq!(cut.chars().count(), SHOWN + 1);
    }

    #[test]
    fn what_the_databases_own_code_raises_is_withheld_whatever_its_sqlstate() {
        assert!(is_raised("exec_stmt_raise", "pl_exec.c"));
        assert!(is_raised("PLy_elog_impl", "plpy_elog.c"));
        assert!(!is_raised("_bt_check_unique", "nbtinsert.c"));
        assert!(!is_raised("subquery_planner", "planner.c"));
        let names = Names::default();
        assert_eq!(shown("23505", "card 4111 is taken", true, &names), RAISED);
        assert_eq!(shown("P0001", "division by zero", false, &names), RAISED);
    }
}
