//! Reads JUnit XML with a parser that did not write it, strictly.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// One test case, as a CI system sees it.
#[derive(Debug, Default, Clone)]
pub struct Case {
    pub classname: String,
    pub name: String,
    /// `failure`, `error`, `skipped`, or nothing.
    pub outcome: Option<String>,
    pub message: String,
    /// Text of the case and of its outcome.
    pub text: String,
}

/// One test suite.
#[derive(Debug, Default, Clone)]
pub struct Suite {
    pub name: String,
    pub tests: usize,
    pub failures: usize,
    pub errors: usize,
    pub text: String,
    pub cases: Vec<Case>,
}

impl Suite {
    /// Counts the cases with this outcome.
    pub fn count(&self, outcome: &str) -> usize {
        let has = |case: &&Case| case.outcome.as_deref() == Some(outcome);
        self.cases.iter().filter(has).count()
    }

    /// Tells whether CI shows it in red.
    pub fn red(&self) -> bool {
        self.count("failure") + self.count("error") > 0
    }
}

/// Parses a report; panics where it is not well-formed or has an element that JUnit does not.
pub fn parse(xml: &str) -> Vec<Suite> {
    // quick-xml lets these pass; other parsers refuse the file.
    for c in xml.chars() {
        let allowed = matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(allowed, "{c:?} is not a character of XML 1.0");
    }
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut suites: Vec<Suite> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                open(&mut suites, &path, &start);
                path.push(name(&start));
            }
            Event::Empty(start) => open(&mut suites, &path, &start),
            Event::End(_) => {
                path.pop().unwrap();
            }
            Event::CData(data) => {
                let data = String::from_utf8(data.to_vec()).unwrap();
                let suite = suites.last_mut().unwrap();
                match path.get(2).map(String::as_str) {
                    Some("testcase") => suite.cases.last_mut().unwrap().text.push_str(&data),
                    _ => suite.text.push_str(&data),
                }
            }
            // All text is in CDATA sections. Outside of them, text shows one that ended early.
            Event::Text(text) => {
                let text = String::from_utf8(text.to_vec()).unwrap();
                assert!(text.trim().is_empty(), "stray text: {text:?}");
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(path.is_empty(), "not closed: {path:?}");
    suites
}

fn name(start: &BytesStart<'_>) -> String {
    String::from_utf8(start.name().as_ref().to_vec()).unwrap()
}

fn attribute(start: &BytesStart<'_>, name: &str) -> String {
    let attribute = start.try_get_attribute(name).unwrap().unwrap();
    attribute
        .normalized_value(XmlVersion::Implicit1_0)
        .unwrap()
        .into_owned()
}

fn open(suites: &mut Vec<Suite>, path: &[String], start: &BytesStart<'_>) {
    // Duplicates and missing quotes are errors of the iterator.
    assert!(start.attributes().all(|attribute| attribute.is_ok()));
    let number = |key| attribute(start, key).parse().unwrap();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (path.as_slice(), name(start).as_str()) {
        ([], "testsuites") => {}
        (["testsuites"], "testsuite") => suites.push(Suite {
            name: attribute(start, "name"),
            tests: number("tests"),
            failures: number("failures"),
            errors: number("errors"),
            ..Suite::default()
        }),
        (["testsuites", "testsuite"], "testcase") => {
            suites.last_mut().unwrap().cases.push(Case {
                classname: attribute(start, "classname"),
                name: attribute(start, "name"),
                ..Case::default()
            });
        }
        (["testsuites", "testsuite"], "system-out") => {}
        ([_, _, "testcase"], "system-out") => {}
        ([_, _, "testcase"], outcome @ ("failure" | "error" | "skipped")) => {
            let case = suites.last_mut().unwrap().cases.last_mut().unwrap();
            assert!(case.outcome.is_none(), "two outcomes: {case:?}");
            case.outcome = Some(outcome.to_owned());
            case.message = attribute(start, "message");
        }
        (path, other) => panic!("<{other}> in {path:?}"),
    }
}
