//! Texts from a hostile backup stay texts, and stay where they were put.

use proptest::prelude::*;
use redrill::outcome::Finding;
use redrill::report::terminal::Look;
use redrill::report::{html, json, junit, markdown, terminal};
use redrill::verdict::verdict;

use super::{examples, strategies, xml};

/// Takes the code spans out of a line, as CommonMark reads them: a run of backticks ends at the
/// next run of the same length.
fn outside_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        out.push_str(&rest[..start]);
        let from = &rest[start..];
        let fence = from.len() - from.trim_start_matches('`').len();
        let inside = &from[fence..];
        let mut at = 0;
        let end = loop {
            let next = inside[at..].find('`').map(|next| at + next);
            let next = next.unwrap_or_else(|| panic!("a code span does not end: {line:?}"));
            let run = inside[next..].len() - inside[next..].trim_start_matches('`').len();
            at = next + run;
            if run == fence {
                break at;
            }
        };
        out.push('C');
        rest = &inside[end..];
    }
    out + rest
}

/// Counts the cells of a table's row, as GitHub does: a bar after a backslash is text.
fn cells(row: &str) -> usize {
    let mut bars = 0;
    let mut chars = row.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '|' => bars += 1,
            _ => {}
        }
    }
    bars - 1
}

pub fn check_markdown(markdown: &str) {
    let mut fence: Option<String> = None;
    let mut columns = None;
    for line in markdown.lines() {
        if let Some(end) = &fence {
            if line == end {
                fence = None;
            }
            continue;
        }
        if let Some(start) = line.strip_suffix("sh").filter(|l| l.starts_with("```")) {
            fence = Some(start.to_owned());
            continue;
        }
        // Tables keep their shape.
        if line.starts_with('|') {
            assert_eq!(cells(line), *columns.get_or_insert(cells(line)), "{line:?}");
        } else {
            columns = None;
        }
        // Outside of code there is nothing that markdown or GitHub would act on, but what is ours.
        let text = outside_code(line).replace("**", "");
        let text = text.trim_start_matches('#');
        for bad in [
            "<", ">", "[", "]", "@", "$", "#", "~", "_", "*", "://", "www.", "\\\\",
        ] {
            assert!(!text.contains(bad), "{bad:?} in {line:?}");
        }
        assert!(!line.chars().any(|c| c.is_control()), "{line:?}");
    }
    assert!(fence.is_none(), "the block does not end");
}

/// The tags of a page that end.
const TAGS: [&str; 45] = [
    "figure",
    "figcaption",
    "b",
    "html",
    "head",
    "title",
    "style",
    "script",
    "body",
    "header",
    "nav",
    "main",
    "section",
    "article",
    "div",
    "h1",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "a",
    "dl",
    "dt",
    "dd",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "pre",
    "code",
    "span",
    "strong",
    "svg",
    "details",
    "summary",
    "form",
    "label",
    "select",
    "option",
    "output",
    "time",
    "g",
];
/// Those that do not.
const EMPTY: [&str; 6] = ["meta", "link", "input", "rect", "path", "circle"];
/// The attributes of all.
const ATTRIBUTES: [&str; 40] = [
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "rel",
    "href",
    "class",
    "id",
    "type",
    "scope",
    "data-name",
    "data-row",
    "data-group",
    "data-tone",
    "data-all",
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "aria-live",
    "role",
    "tabindex",
    "viewbox",
    "preserveaspectratio",
    "width",
    "height",
    "x",
    "y",
    "d",
    "hidden",
    "autocomplete",
    "spellcheck",
    "value",
    "open",
    "datetime",
    "title",
    "r",
    "cx",
    "cy",
    "colspan",
];

/// Every tag is one of ours, ends where it should, and has only attributes of ours.
pub fn check_html(page: &str) {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (body, rest) = rest.split_once("<script>").unwrap();
    let (_, end) = rest.split_once("</script>").unwrap();
    let mut open: Vec<&str> = Vec::new();
    let text = [head, body, end].concat();
    let text = text.replacen("<!DOCTYPE html>", "", 1);
    let mut parts = text.split('<');
    assert_eq!(parts.next().unwrap().trim(), "");
    for part in parts {
        let (tag, shown) = part.split_once('>').unwrap_or_else(|| panic!("{part:?}"));
        assert!(!shown.contains('>'), "{shown:?}");
        assert!(
            !shown
                .chars()
                .any(|c| c.is_control() && c != '\n' && c != '\t'),
            "{shown:?}"
        );
        assert!(!shown.contains(['\u{202e}', '\u{2066}']), "{shown:?}");
        if let Some(name) = tag.strip_prefix('/') {
            if name != "rect" && name != "path" {
                assert_eq!(open.pop(), Some(name));
            }
            continue;
        }
        let tag = tag.trim_end_matches('/');
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(TAGS.contains(&name) || EMPTY.contains(&name), "{name:?}");
        let mut values = attributes.split('"');
        while let Some(name) = values.next() {
            for name in name.split_whitespace() {
                let name = name.trim_end_matches('=').to_ascii_lowercase();
                assert!(ATTRIBUTES.contains(&&*name), "{name:?} in {tag:?}");
            }
            values.next();
        }
        if TAGS.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_becomes_a_tag(result in strategies::drill()) {
        check_html(&html::render(&result, verdict(&result)));
    }

    #[test]
    fn no_text_becomes_markup(result in strategies::drill()) {
        check_markdown(&markdown::render(&result, verdict(&result)));
    }

    #[test]
    fn no_text_reaches_the_terminal_as_a_command(result in strategies::drill()) {
        for verbose in [false, true] {
            let look = Look { verbose, ..Look::default() };
            let summary = terminal::summary(&result, verdict(&result), look);
            prop_assert!(!summary.chars().any(|c| c.is_control() && c != '\n'), "{summary:?}");
        }
    }

    #[test]
    fn junit_gives_back_the_text_that_it_was_given(text in strategies::nasty()) {
        let mut result = examples::not_proven();
        result.checks[0].findings[0].actual = format!("begin{text}end");
        let suites = xml::parse(&junit::render(&result, verdict(&result)).unwrap());
        let case = suites[0].cases.iter().find(|c| c.name == result.checks[0].name).unwrap();
        // What XML can hold and a terminal may show.
        if !text.contains(|c: char| c.is_control() || "\u{202e}\u{fffe}\u{ffff}\u{2028}".contains(c))
            && !text.contains("><testcase") && text.chars().count() < 400
            && text.chars().all(|c| c.is_ascii() || "🙂日本".contains(c))
        {
            let expected = format!("found:    begin{text}end");
            prop_assert!(case.text.contains(&expected), "{}", case.text);
        }
    }
}

#[test]
fn text_stays_where_it_was_put() {
    let mut result = examples::not_proven();
    let planted = "alice@example.test,4111-1111-1111-1111";
    let without = result.clone();
    result.checks[0]
        .findings
        .push(Finding::about("app.cards", "nothing", planted));
    let verdict = verdict(&result);
    let reports = |result| {
        [
            json::render(result, verdict).unwrap(),
            junit::render(result, verdict).unwrap(),
            markdown::render(result, verdict),
            html::render(result, verdict),
            terminal::summary(
                result,
                verdict,
                Look {
                    width: 200,
                    ..Look::default()
                },
            ),
        ]
    };
    for (with, without) in reports(&result).iter().zip(&reports(&without)) {
        assert_eq!(with.matches(planted).count(), 1, "{with}");
        assert_eq!(without.matches(planted).count(), 0);
    }
    let report: serde_json::Value = serde_json::from_str(&reports(&result)[0]).unwrap();
    assert_eq!(report["checks"][0]["findings"][1]["actual"], planted);
}

#[test]
fn long_lists_are_cut_and_say_so_but_not_in_json() {
    let mut result = examples::not_proven();
    let many = |n: usize| Finding::about(format!("app.t{n:04}"), "a table", "there is none");
    result.checks[0].findings = (0..500).map(many).collect();
    let verdict = verdict(&result);
    let verbose = Look {
        verbose: true,
        ..Look::default()
    };
    assert!(
        json::render(&result, verdict)
            .unwrap()
            .contains("app.t0499")
    );
    for (report, more) in [
        (
            junit::render(&result, verdict).unwrap(),
            "and 400 more, see the JSON report",
        ),
        (
            markdown::render(&result, verdict),
            "and 475 more, see `drill.json`",
        ),
        (
            html::render(&result, verdict),
            "and 475 more, see <code>drill.json</code>",
        ),
        (
            terminal::summary(&result, verdict, Look::default()),
            "and 495 more, see drill.json",
        ),
        (
            terminal::summary(&result, verdict, verbose),
            "and 490 more, see drill.json",
        ),
    ] {
        assert!(
            report.contains(more) && !report.contains("app.t0499"),
            "{report}"
        );
    }
}

#[test]
fn the_terminal_has_colour_only_when_asked_for_and_keeps_to_its_width() {
    let looks = [false, true].map(|verbose| Look {
        verbose,
        ..Look::default()
    });
    let shown = examples::all()
        .into_iter()
        .flat_map(|(_, result)| looks.map(|look| (result.clone(), look)));
    for (result, look) in shown {
        let verdict = verdict(&result);
        let plain = terminal::summary(&result, verdict, look);
        let coloured = terminal::summary(
            &result,
            verdict,
            Look {
                colour: true,
                ..look
            },
        );
        assert!(!plain.contains('\x1b') && coloured.contains('\x1b'));
        let stripped = ["1;31", "32", "33", "0"]
            .iter()
            .fold(coloured, |text, code| {
                text.replace(&format!("\x1b[{code}m"), "")
            });
        assert_eq!(plain, stripped);
        for line in plain.lines().filter(|line| line.chars().count() > 80) {
            // Only a word that is too long for any line.
            assert_eq!(
                line.split_whitespace().filter(|w| w.len() > 60).count(),
                1,
                "{line}"
            );
        }
    }
}
