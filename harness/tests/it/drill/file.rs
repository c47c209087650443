//! A plain dump that was cut anywhere is found.

use redrill::backup::format::plain;

use super::GOOD;

#[test]
fn f02_a_cut_between_any_two_statements_is_found() {
    // Without most of the rows, so that the many prefixes are read in a moment.
    let mut short = String::new();
    let mut rows = None;
    for line in GOOD.sql.split_inclusive('\n') {
        match &mut rows {
            Some(kept) if line != "\\.\n" => {
                *kept += 1;
                if *kept > 1 {
                    continue;
                }
            }
            Some(_) => rows = None,
            None if line.starts_with("COPY ") => rows = Some(0),
            None => {}
        }
        short.push_str(line);
    }
    assert_eq!(problems(&short), 0, "the whole dump is good");
    let statements: Vec<usize> = short
        .match_indices(";\n")
        .map(|(at, _)| at + 2)
        .chain(short.match_indices("\\.\n").map(|(at, _)| at + 3))
        .collect();
    assert!(statements.len() > 500, "{}", statements.len());
    let passed: Vec<&str> = statements
        .iter()
        .filter(|end| problems(&short[..**end]) == 0)
        .map(|end| short[..*end].lines().next_back().unwrap_or_default())
        .collect();
    assert_eq!(passed, [""; 0]);
}

fn problems(sql: &str) -> usize {
    plain::read(sql.as_bytes()).unwrap().1.problems.len()
}
