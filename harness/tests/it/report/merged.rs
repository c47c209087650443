//! The reports over several drills: JUnit, markdown, page and exit code say the same, and name what is missing.

use std::fmt::Write as _;

use proptest::prelude::*;
use redrill::exit_code::{self, Ending, worst};
use redrill::outcome::DrillResult;
use redrill::report::terminal::total::{One, State};
use redrill::report::{Batch, Merged, Shard, annotations, html, junit, markdown, write_merged};
use redrill::verdict::{Verdict, verdict};
use rstest::rstest;

use super::agree::{letters, visible};
use super::{examples, hostile, strategies, xml};

/// Drills of the shards of a batch.
#[derive(Debug, Clone, Default)]
pub struct Several {
    drills: Vec<DrillResult>,
    /// Of these drills not all files were written.
    incomplete: Vec<usize>,
    missing: Vec<(String, String)>,
    problems: Vec<String>,
    notes: Vec<String>,
    place: String,
    shards: Vec<(&'static str, Option<String>, usize, usize)>,
}

impl Several {
    /// Gives the reports what the command gives them.
    fn with<T>(&self, use_it: impl FnOnce(&Merged<'_>) -> T) -> T {
        let drills: Vec<_> = self.drills.iter().map(|one| (one, verdict(one))).collect();
        let mut endings: Vec<Ending> = Vec::new();
        let mut lines = Vec::new();
        for (at, (result, verdict)) in drills.iter().enumerate() {
            let mut ending = Ending::Judged(*verdict);
            let mut state = State::Judged(*verdict, "out".into());
            if self.incomplete.contains(&at) {
                ending = ending.unless(Ending::CouldNotRun);
                state = State::NotRecorded;
            }
            endings.push(ending);
            lines.push(One {
                name: result.scenario.title(),
                state,
            });
        }
        for (name, why) in &self.missing {
            endings.push(Ending::CouldNotRun);
            lines.push(One {
                name: name.clone(),
                state: State::NotDrilled(why.clone()),
            });
        }
        endings.extend(self.problems.iter().map(|_| Ending::CouldNotRun));
        let shards = self.shards.iter().enumerate();
        let shards = shards.map(|(at, (end, by, planned, reported))| Shard {
            number: u32::try_from(at).unwrap() + 1,
            end,
            by: by.as_deref(),
            planned: *planned,
            reported: *reported,
        });
        use_it(&Merged {
            drills,
            not_drilled: Vec::new(),
            missing: self
                .missing
                .iter()
                .map(|(name, why)| (name.clone(), why.as_str()))
                .collect(),
            problems: &self.problems,
            batch: (!self.shards.is_empty()).then(|| Batch {
                name: "2026-11-24-nightly",
                place: &self.place,
                shards: shards.collect(),
                notes: &self.notes,
            }),
            lines: &lines,
            ending: worst(endings),
        })
    }

    pub fn page(&self) -> String {
        self.with(html::merged::render)
    }
}

fn named(name: &str, mut drill: DrillResult) -> DrillResult {
    name.clone_into(&mut drill.scenario.name);
    drill
}

/// Four shards, one of which died.
pub fn example() -> Several {
    let by = |host: &str| Some(format!("{host}, began 2026-11-24 03:00:12Z"));
    let passed = ["billing", "catalog", "ledger", "mail", "search", "users"];
    let mut drills: Vec<_> = passed
        .iter()
        .map(|name| named(name, examples::proven()))
        .collect();
    drills.push(named("orders", examples::not_proven()));
    drills.push(named("stock", examples::inconclusive()));
    Several {
        drills,
        incomplete: vec![3],
        missing: ["tickets", "wiki"]
            .map(|name| {
                (
                    name.to_owned(),
                    "shard 3/4 began and did not end: runner-3".to_owned(),
                )
            })
            .into(),
        problems: vec!["shard 3/4 began and did not end: runner-3".to_owned()],
        notes: vec![
            "shard 2/4 was repeated: attempt 2 counts, the one before died (runner-2)".to_owned(),
        ],
        place: "s3://evidence/drills".to_owned(),
        shards: vec![
            ("ended", by("runner-1"), 3, 3),
            ("ended", by("runner-2"), 3, 3),
            ("did not end", by("runner-3"), 3, 1),
            ("ended", by("runner-4"), 1, 1),
        ],
    }
}

/// A page in which every text is this one.
pub fn of_text(text: &str) -> String {
    let mut drill = named(text, examples::not_proven());
    drill.scenario.description = Some(text.to_owned());
    for check in &mut drill.checks {
        check.id = text.to_owned();
        check.name = text.to_owned();
        check.actual = text.to_owned();
        check.expected = text.to_owned();
    }
    if let Some(backup) = &mut drill.backup {
        backup.origin = text.to_owned();
    }
    let owned = || text.to_owned();
    let several = Several {
        drills: vec![drill],
        missing: vec![(owned() + "2", owned())],
        problems: vec![owned(); 2],
        notes: vec![owned()],
        place: owned(),
        shards: vec![("did not end", Some(owned()), 2, 1)],
        ..Several::default()
    };
    several.page()
}

/// A batch without faults.
fn passed() -> Several {
    Several {
        drills: vec![
            named("orders", examples::proven()),
            named("users", examples::proven()),
        ],
        ..Several::default()
    }
}

/// The lines and cells of the markdown, after its verdict, that are not in the text of a page.
fn missing(markdown: &str, page: &str) -> Vec<String> {
    let text = letters(&visible(page));
    let parts = markdown.lines().skip(3).flat_map(|line| line.split('|'));
    parts
        .map(letters)
        .filter(|part| !["fact", "value"].contains(&&**part) && !text.contains(part))
        .collect()
}

/// JUnit, markdown and page of the same drills.
fn agree(several: &Several) {
    several.with(|merged| {
        let word = merged.verdict().word();
        let code = merged.ending.code();
        assert_eq!(exit_code::of(merged.verdict()), code, "{word}");
        let green = [exit_code::PROVEN, exit_code::WITH_WAIVERS].contains(&code);

        let suites = xml::parse(&junit::merge_all(merged).unwrap());
        let empty = merged.lines.is_empty() && merged.problems.is_empty();
        assert_eq!(
            suites.iter().any(xml::Suite::red),
            !green && !empty,
            "{word}"
        );
        let annotations = annotations::render_merged(merged);
        assert_eq!(
            annotations.lines().any(|line| line.starts_with("::error ")),
            !green && !empty
        );

        let markdown = markdown::render_merged(merged);
        let said = markdown.lines().nth(2).unwrap();
        assert!(said.starts_with(&format!("**{word}**: ")), "{said}");
        assert!(said.ends_with(&format!("(exit code {code}).")), "{said}");

        let page = html::merged::render(merged);
        assert!(page.contains(&format!("\n<title>{word}: ")), "{page}");
        let shown = page.split_once("<p class=\"verdict ").unwrap().1;
        let shown = shown.split_once("</p>").unwrap().0;
        assert!(shown.ends_with(&format!("</span> {word}")), "{shown}");
        assert!(page.contains(&format!("(exit code {code}).</p>")), "{page}");
        // Every word of the markdown is on the page, among them each shard and each drill that is missing.
        assert_eq!(missing(&markdown, &page), Vec::<String>::new(), "{page}");
        // None of the drills is left out of it.
        let rows = markdown.split("## Drills\n").nth(1).unwrap();
        let rows = rows.split("\n## ").next().unwrap().lines();
        let rows = rows.filter(|line| line.starts_with('|')).count();
        assert_eq!(rows, merged.lines.len() + 2, "{markdown}");
        // And what is said of each drill.
        assert_eq!(
            page.matches("\n<li><a href=\"#each-drill\"").count(),
            1,
            "{page}"
        );
        let details = page.matches("<details data-row ").count();
        assert_eq!(details, several.drills.len());
        for at in 1..=details {
            assert!(page.contains(&format!("<div id=\"drill-{at}\">")));
        }
    });
}

fn several() -> impl Strategy<Value = Several> {
    let text = strategies::nasty;
    let drills = prop::collection::vec(strategies::drill(), 0..4);
    let texts = || prop::collection::vec(strategies::nasty(), 0..3);
    let ends = ["ended", "did not end", "never began", "took no part"];
    let shard = (
        prop::sample::select(ends.to_vec()),
        prop::option::of(text()),
        0_usize..9,
        0_usize..9,
    );
    let missing = prop::collection::vec((text(), text()), 0..3);
    let incomplete = prop::collection::vec(0_usize..4, 0..2);
    (
        drills,
        incomplete,
        missing,
        (texts(), texts(), text()),
        prop::collection::vec(shard, 0..3),
    )
        .prop_map(
            |(mut drills, incomplete, mut missing, (problems, notes, place), shards)| {
                // Names are those of folders, so no two are the same.
                for (at, drill) in drills.iter_mut().enumerate() {
                    let _ = write!(drill.scenario.name, "{at}");
                }
                for (at, (name, _)) in missing.iter_mut().enumerate() {
                    let _ = write!(name, "m{at}");
                }
                Several {
                    drills,
                    incomplete,
                    missing,
                    problems,
                    notes,
                    place,
                    shards,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn all_reports_of_any_drills_agree(several in several()) {
        agree(&several);
    }

    #[test]
    fn no_text_becomes_a_tag(several in several()) {
        hostile::check_html(&several.page());
        several.with(|merged| hostile::check_markdown(&markdown::render_merged(merged)));
    }
}

#[test]
fn the_example_agrees() {
    agree(&example());
    agree(&passed());
    agree(&Several::default());
}

/// Whatever is missing, the word over all is none that proves.
#[rstest]
#[case::all(|_: &mut Several| {}, Verdict::Proven)]
#[case::nothing(|all: &mut Several| all.drills.clear(), Verdict::NothingChecked)]
#[case::missing(
    |all: &mut Several| all.missing.push(("mail".to_owned(), "shard 2/2 never began".to_owned())),
    Verdict::Inconclusive
)]
#[case::problem(
    |all: &mut Several| all.problems.push("two shards have number 1".to_owned()),
    Verdict::Inconclusive
)]
#[case::incomplete(|all: &mut Several| all.incomplete.push(0), Verdict::Inconclusive)]
#[case::selected(|all: &mut Several| all.drills.push(examples::checks_passed()), Verdict::ChecksPassed)]
#[case::failed(
    |all: &mut Several| {
        all.drills.push(examples::not_proven());
        all.missing.push(("mail".to_owned(), "shard 2/2 never began".to_owned()));
    },
    Verdict::NotProven
)]
fn the_word_over_all(#[case] change: fn(&mut Several), #[case] expected: Verdict) {
    let mut several = passed();
    change(&mut several);
    several.with(|merged| assert_eq!(merged.verdict(), expected));
    agree(&several);
}

/// A shard that the page lacks is found.
#[test]
fn a_shard_that_is_not_on_the_page_is_found() {
    let several = example();
    let mut other = several.clone();
    other.shards.truncate(3);
    let markdown = several.with(markdown::render_merged);
    assert_eq!(missing(&markdown, &several.page()), Vec::<String>::new());
    let missing = missing(&markdown, &other.page());
    assert!(
        missing.iter().any(|part| part.contains("runner4")),
        "{missing:?}"
    );
}

#[test]
fn more_shards_than_a_list_has_are_all_named() {
    let mut several = passed();
    several.problems = (1..=250)
        .map(|shard| format!("shard {shard}/250 never began: 1 drills are missing"))
        .collect();
    let page = several.page();
    several.with(|merged| {
        let markdown = markdown::render_merged(merged);
        for problem in &several.problems {
            assert!(page.contains(&format!(">{problem}<")), "{problem}");
            assert!(markdown.contains(&format!("- {problem}\n")), "{problem}");
        }
    });
}

/// Hundreds of databases, all of which failed.
#[test]
fn a_page_of_many_drills_can_be_opened() {
    let mut several = passed();
    several.drills = (0..1_000)
        .map(|at| named(&format!("d{at}"), examples::not_proven()))
        .collect();
    let page = several.page();
    assert!(page.len() <= 10_000_000, "{} bytes", page.len());
}

#[test]
fn all_three_are_written() {
    let folder = tempfile::tempdir().unwrap();
    example().with(|merged| {
        let paths = write_merged(folder.path(), merged).unwrap();
        let names = ["junit.xml", "drills.md", "drills.html"];
        assert_eq!(paths, names.map(|name| folder.path().join(name)));
        let page = std::fs::read_to_string(&paths[2]).unwrap();
        assert_eq!(page, html::merged::render(merged));
    });
}
