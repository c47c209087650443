//! The Test Anything Protocol, as pgTAP and `pg_prove` write it.

/// What a program's output says of its tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tap {
    /// Tests that ran.
    pub ran: u64,
    /// Those that failed, as `3: the column is there`; what is still to do does not count.
    pub failed: Vec<String>,
    /// How many were announced, where that is known.
    pub planned: Option<u64>,
}

impl Tap {
    /// Reads an output; `None` when it is no TAP. `whole` tells whether its beginning is there too.
    pub fn read(output: &str, whole: bool) -> Option<Self> {
        let mut tap = Self::default();
        let mut summary = None;
        let mut named = Vec::new();
        let mut file = "";
        let mut is_tap = false;
        for line in output.lines() {
            let line = line.trim_end();
            if let Some((name, _)) = line.split_once(" ..") {
                // `pg_prove` names each file before its tests.
                file = name.trim();
            }
            let test = line.trim_start();
            if let Some(number) = test.strip_prefix("1..").and_then(first_number) {
                *tap.planned.get_or_insert(0) += number;
                is_tap = true;
            } else if let Some((good, rest)) = result(test) {
                tap.ran += 1;
                if !good {
                    tap.failed.push(place(file, &describe(rest)));
                }
            } else if let Some(rest) = test.strip_prefix("# Failed test ") {
                // `# Failed test 2: "the column is there"`
                named.push(place(file, rest.replace('"', "").trim()));
            } else if let Some(counted) = show_counted(test) {
                summary = Some(counted);
            }
        }
        // Without `--verbose`, pg_prove leaves out the lines and prints their number.
        if tap.ran == 0 {
            tap.failed = named;
        }
        // It ends each file by an `ok` of its own, so its count is the better one.
        if let Some(ran) = summary {
            tap.ran = ran;
            is_tap = true;
        }
        if !whole || summary.is_some() {
            tap.planned = None;
        }
        (is_tap || tap.ran > 0 && tap.planned.is_some()).then_some(tap)
    }
}

/// Reads `ok 3 - name` and `not ok 3 - name`; a test that is still to do is as good as one that passes.
fn result(line: &str) -> Option<(bool, &str)> {
    let (good, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let lower = rest.to_ascii_lowercase();
    let excused = lower.contains("# todo") || lower.contains("# skip");
    Some((good || excused, rest.trim()))
}

/// Writes `3 - name` as `3: name`.
fn describe(rest: &str) -> String {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, name) = rest.split_at(digits);
    let name = name.trim_start_matches([' ', '-']);
    match (number.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => number.to_owned(),
        (false, false) => format!("{number}: {name}"),
    }
}

/// Says in which file a test is, where that is known.
fn place(file: &str, test: &str) -> String {
    if file.is_empty() {
        test.to_owned()
    } else {
        format!("{file}, {test}")
    }
}

/// Reads the summary of `pg_prove`: `Files=2, Tests=12,  0 wallclock secs …`.
fn show_counted(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("Files=")?.split_once("Tests=")?;
    first_number(rest)
}

fn first_number(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_and_failures_named() {
        let output = "1..4\nok 1 - there\nnot ok 2 - the column is there\n# Failed test 2: \"the column is there\"\nok 3\nnot ok 4 - later # TODO not yet\n";
        let tap = Tap::read(output, true).unwrap();
        assert_eq!((tap.ran, tap.planned), (4, Some(4)));
        assert_eq!(tap.failed, ["2: the column is there"]);
    }

    #[test]
    fn the_summary_of_pg_prove_is_read() {
        let output = "tests/a.sql .. ok\ntests/b.sql .. \n# Failed test 2: \"the column is there\"\n# Looks like you failed 1 test of 2\nFailed 1/2 subtests\nFiles=2, Tests=5,  0 wallclock secs\nResult: FAIL\n";
        let tap = Tap::read(output, true).unwrap();
        assert_eq!((tap.ran, tap.planned), (5, None));
        assert_eq!(tap.failed, ["tests/b.sql, 2: the column is there"]);
    }

    #[test]
    fn a_file_that_is_well_is_no_test() {
        let output = "tests/a.pg ..\n1..2\nok 1 - there\nok 2 - too\nok\nAll tests successful.\nFiles=1, Tests=2,  0 wallclock secs\nResult: PASS\n";
        let tap = Tap::read(output, true).unwrap();
        assert_eq!((tap.ran, tap.failed.len()), (2, 0));
    }

    #[test]
    fn tests_of_several_files_are_added() {
        let tap = Tap::read(
            "a.sql ..\n1..1\nok 1\nb.sql ..\n1..2\nok 1\nnot ok 2 - x\n",
            true,
        )
        .unwrap();
        assert_eq!((tap.ran, tap.planned), (3, Some(3)));
        assert_eq!(tap.failed, ["b.sql, 2: x"]);
    }

    #[test]
    fn what_is_no_tap_is_left_alone() {
        assert_eq!(Tap::read("ok, all is well\nokay\n", true), None);
        assert_eq!(Tap::read("", true), None);
        let none = Tap::read("1..0\n", true).unwrap();
        assert_eq!((none.ran, none.planned), (0, Some(0)));
    }
}
