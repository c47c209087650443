//! Whether an extension's library is on the server and answers.

use crate::database::{DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{quote_ident, quote_literal};
use crate::units::show_counted;

/// What the library answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibraryAnswer {
    /// C functions that the extension's SQL declares.
    functions: usize,
    /// Whether a query called into the library.
    called: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl LibraryAnswer {
    /// Describes what was checked, to follow the extension's name and version.
    pub fn seen(&self) -> String {
        match (self.functions, self.called) {
            _ if !self.findings.is_empty() => String::new(),
            (0, false) => ", without a library".to_owned(),
            (count, false) => format!(", {} found", show_counted(count, "function")),
            (0, true) => ", a call answered".to_owned(),
            (count, true) => format!(
                ", {} found and a call answered",
                show_counted(count, "function")
            ),
        }
    }
}

/// The extension's C functions. PL/pgSQL and SQL functions need no library.
const FUNCTIONS: &str = "
SELECT p.oid, p.proname, p.prosrc, p.probin
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_depend d
    ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
   AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
  JOIN pg_catalog.pg_proc p ON p.oid = d.objid
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE e.extname = {name} AND l.lanname = 'c'
 ORDER BY 2, 1";

/// The server's own validator of C functions: it loads the library, finds the function in it, and
/// fails when either is not there. It is what `CREATE FUNCTION` runs, and it changes nothing.
const VALIDATE: &str = "SELECT pg_catalog.fmgr_c_validator({oid}::pg_catalog.oid)";

/// Calls whose answer is known; `{s}` is the extension's schema. Each gives true.
const CALLS: &[(&str, &str)] = &[
    (
        "vector",
        "SELECT ('[1,2]'::{s}.vector OPERATOR({s}.<->) '[4,6]'::{s}.vector) = 5",
    ),
    (
        "age",
        "SELECT '1'::{s}.agtype OPERATOR({s}.<) '2'::{s}.agtype",
    ),
    (
        // Not MD5: a server in FIPS mode refuses it.
        "pgcrypto",
        "SELECT pg_catalog.encode({s}.digest('abc'::pg_catalog.text, 'sha256'), 'hex')
              = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'",
    ),
    ("pg_trgm", "SELECT {s}.similarity('word', 'word') = 1"),
    (
        "uuid-ossp",
        "SELECT {s}.uuid_generate_v5({s}.uuid_ns_dns(), 'example.org')
              = {s}.uuid_generate_v5({s}.uuid_ns_dns(), 'example.org')",
    ),
    (
        "hstore",
        "SELECT ('a=>1'::{s}.hstore OPERATOR({s}.->) 'a') = '1'",
    ),
    (
        "citext",
        "SELECT 'A'::{s}.citext OPERATOR({s}.=) 'a'::{s}.citext",
    ),
    (
        "ltree",
        "SELECT 'a.b'::{s}.ltree OPERATOR({s}.@>) 'a.b.c'::{s}.ltree",
    ),
    (
        "cube",
        "SELECT {s}.cube_distance('(0)'::{s}.cube, '(3)'::{s}.cube) = 3",
    ),
    (
        "intarray",
        "SELECT {s}.icount('{1,2}'::pg_catalog.int4[]) = 2",
    ),
    ("fuzzystrmatch", "SELECT {s}.levenshtein('ab', 'ac') = 1"),
    (
        "postgis",
        "SELECT {s}.st_distance({s}.st_geomfromtext('POINT(0 0)'), {s}.st_geomfromtext('POINT(3 4)')) = 5",
    ),
];

/// Looks for every function in the library, and calls it.
///
/// # Errors
/// When the connection is lost, or the library refuses to be loaded into a running server.
pub async fn answer(
    session: &mut Session,
    name: &str,
    schema: &str,
    call: Option<&str>,
) -> Result<LibraryAnswer, CouldNotRun> {
    let rows = session
        .rows(&FUNCTIONS.replace("{name}", &quote_literal(name)))
        .await?;
    let object = format!("extension {name}");
    let mut answer = LibraryAnswer {
        functions: rows.len(),
        ..LibraryAnswer::default()
    };
    let mut refused: Vec<(String, usize)> = Vec::new();
    for row in &rows {
        let [Some(oid), _, Some(symbol), Some(library)] = row.as_slice() else {
            continue;
        };
        // The server's message names both.
        session.learn_name(symbol);
        session.learn_name(library.trim_start_matches("$libdir/"));
        let sql = VALIDATE.replace("{oid}", &quote_literal(oid));
        if let Err(error) = session.run(&sql).await {
            let text = refusal(error)?;
            match refused.iter_mut().find(|(known, _)| *known == text) {
                Some((_, times)) => *times += 1,
                None => refused.push((text, 1)),
            }
        }
    }
    if !refused.is_empty() {
        answer.findings = unloadable(&object, rows.len(), &refused);
        return Ok(answer);
    }

    let built_in = CALLS.iter().find(|(known, _)| *known == name);
    let sql = match (call, built_in) {
        (Some(call), _) => call.to_owned(),
        (None, Some((_, call))) => call.replace("{s}", &quote_ident(schema)),
        (None, None) => return Ok(answer),
    };
    answer.called = true;
    let expected = "a call into its library answers";
    let said = match session.rows(&sql).await {
        Ok(rows) => match rows.first().and_then(|row| row.first()) {
            None => Some("the call gave no row".to_owned()),
            // Over the simple protocol a boolean is one letter.
            Some(Some(value)) if value == "f" => Some("the call gave `false`".to_owned()),
            Some(_) => None,
        },
        // A mistake in the scenario's own query says nothing about the backup.
        Err(error) if error.sqlstate.as_deref() == Some("42601") => {
            return Err(CouldNotRun::new(format!(
                "`call` is not valid SQL: {error}"
            )));
        }
        Err(error) => Some(refusal(error)?),
    };
    answer
        .findings
        .extend(said.map(|said| Finding::about(object, expected, said)));
    Ok(answer)
}

/// Says which functions the library does not have, at most a few of them.
fn unloadable(object: &str, all: usize, refused: &[(String, usize)]) -> Vec<Finding> {
    const MOST: usize = 5;
    let expected = format!("{} found in the library", show_counted(all, "function"));
    let mut findings: Vec<Finding> = refused
        .iter()
        .take(MOST)
        .map(|(text, times)| {
            let actual = match times {
                1 => text.clone(),
                many => format!("{text} ({})", show_counted(*many, "function")),
            };
            Finding::about(object, &expected, actual)
                .hint("the library on this server is missing or of another version than the extension's SQL")
        })
        .collect();
    if refused.len() > MOST {
        let rest: usize = refused.iter().skip(MOST).map(|(_, times)| times).sum();
        findings.push(Finding::about(
            object,
            expected,
            format!("{rest} more are not found"),
        ));
    }
    findings
}

/// Tells a library that is not there from one that this server may not load this way.
fn refusal(error: DatabaseError) -> Result<String, CouldNotRun> {
    if error.mentions("preload") {
        return Err(CouldNotRun::from(error).hint(
            "add it to `shared_preload_libraries` in `[server] settings`, or say `library = false`",
        ));
    }
    if error.lost {
        return Err(error.into());
    }
    Ok(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlstate::Names;

    fn error(message: &str, lost: bool) -> DatabaseError {
        DatabaseError {
            lost,
            ..DatabaseError::answered("XX000", message, false, &Names::default())
        }
    }

    #[test]
    fn a_library_that_must_be_preloaded_is_no_failure() {
        let message = "pg_cron can only be loaded via shared_preload_libraries";
        assert!(refusal(error(message, false)).is_err());
        assert!(refusal(error("could not find function", false)).is_ok());
        assert!(refusal(error("connection lost", true)).is_err());
    }

    #[test]
    fn many_functions_make_few_findings() {
        let one = [("could not access file".to_owned(), 60)];
        let findings = unloadable("extension hstore", 60, &one);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].actual, "could not access file (60 functions)");
        let many: Vec<_> = (0..9).map(|n| (format!("no function f{n}"), 1)).collect();
        let findings = unloadable("extension hstore", 60, &many);
        assert_eq!(findings.len(), 6);
        assert_eq!(findings[5].actual, "4 more are not found");
    }
}
