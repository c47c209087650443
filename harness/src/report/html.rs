//! The HTML report: one file for the browser and for paper, which asks nobody for anything.
//!
//! Its policy (Content-Security-Policy) allows the style and the script of the file, by their digests, and nothing else. It can be
//! read without the script, which only filters. What is on a page comes from `page`, so that it has the facts of the markdown.

mod blocks;
mod calendar;
mod chart;
mod findings;
mod lead;
pub mod merged;
pub mod overview;
mod timeline;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use self::blocks::{Sections, plain};
use super::page::block::Page;
use super::page::{self, COMPLETE, checks, rehearsal, restore, rows, upgrade};
use super::terminal::total::State;
use super::view::{self, Recorded};
use crate::outcome::{DrillResult, Outcome, RehearsalResult};
use crate::verdict::{RehearsalVerdict, Verdict};

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// What a result asks of a reader; the class of its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tone {
    /// Nothing.
    Good,
    /// To know of it.
    Warn,
    /// To act.
    Bad,
    /// It says nothing.
    Mute,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Mute => "mute",
        }
    }

    /// A sign next to the word, for those who see no colours.
    const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warn => "!",
            Self::Bad => "✗",
            Self::Mute => "?",
        }
    }

    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Proven | Verdict::ChecksPassed => Self::Good,
            Verdict::ProvenWithWaivers
            | Verdict::ChecksPassedWithWaivers
            | Verdict::ObjectiveMissed => Self::Warn,
            Verdict::NotProven => Self::Bad,
            Verdict::Inconclusive | Verdict::NothingChecked | Verdict::Interrupted => Self::Mute,
        }
    }

    /// Of a verdict in the log: of a drill or of a rehearsal.
    fn of_word(word: &str) -> Self {
        let rehearsal = RehearsalVerdict::ALL;
        match Verdict::of_word(word) {
            Some(verdict) => Self::of(verdict),
            None => rehearsal
                .into_iter()
                .find(|verdict| verdict.word() == word)
                .map_or(Self::Mute, Self::of_rehearsal),
        }
    }

    const fn of_rehearsal(verdict: RehearsalVerdict) -> Self {
        match verdict {
            RehearsalVerdict::Safe => Self::Good,
            RehearsalVerdict::Unsafe => Self::Bad,
            RehearsalVerdict::Inconclusive
            | RehearsalVerdict::NothingPending
            | RehearsalVerdict::Interrupted => Self::Mute,
        }
    }

    /// Of a drill among several.
    const fn of_state(state: &State) -> Self {
        match state {
            State::Judged(verdict, _) => Self::of(*verdict),
            State::NotRecorded | State::NotDrilled(_) => Self::Mute,
        }
    }

    const fn of_outcome(outcome: &Outcome, required: bool) -> Self {
        match (outcome, required) {
            (Outcome::Pass, _) => Self::Good,
            (Outcome::Fail, true) => Self::Bad,
            (Outcome::Fail | Outcome::Waived, _) | (Outcome::Error(_), true) => Self::Warn,
            (Outcome::Error(_), false) | (Outcome::Skipped { .. }, _) => Self::Mute,
        }
    }
}

/// Writes the report of a drill.
#[must_use]
pub fn render(result: &DrillResult, verdict: Verdict) -> String {
    let mut sections = Sections::default();
    sections.add("What failed or could not run", findings::of(result));
    sections.add("Timeline", timeline::of(result));
    let mut more = Page::beside(COMPLETE);
    page::lead::not_tested(&mut more, result);
    page::waivers(&mut more, &result.waivers);
    if let Some(last) = &result.since {
        page::since(&mut more, last);
    }
    checks::table(&mut more, result);
    for check in view::by_severity(result) {
        // The others are among the findings.
        if !check.outcome.is_bad() {
            checks::details(&mut more, result, check);
        }
    }
    checks::conduct(&mut more, result);
    rows::write(&mut more, result);
    upgrade::write(&mut more, result);
    restore::time(&mut more, result);
    restore::rest(&mut more, result);
    page::backup(&mut more, result);
    page::servers(&mut more, result);
    page::origin(&mut more, result);
    if let Some(evidence) = &result.evidence {
        let state = result.state.as_deref();
        page::recorded(&mut more, Recorded::Drill, state, evidence);
    }
    page::terms(&mut more);
    sections.add_page(&more);
    let title = plain(&page::lead::title(result, verdict));
    let lead = lead::of(result, verdict);
    document(&title, Tone::of(verdict), &lead, &sections)
}

/// Writes the report of a rehearsal.
#[must_use]
pub fn render_rehearsal(result: &RehearsalResult, verdict: RehearsalVerdict) -> String {
    let page = rehearsal::whole(result, verdict);
    let tone = Tone::of_rehearsal(verdict);
    let mut sections = Sections::default();
    let (title, lead) = sections.add_page(&page);
    let lead = html! {
        (verdict_line(tone, verdict.word()))
        h1 { (title.clone().unwrap_or_default()) }
        (lead)
    };
    let title = format!(
        "{}: rehearsal of {}",
        verdict.word(),
        result.scenario.title()
    );
    document(&super::text::line(&title), tone, &lead, &sections)
}

fn verdict_line(tone: Tone, word: &str) -> Markup {
    html! {
        p class={ "verdict " (tone.class()) } {
            span.sign aria-hidden="true" { (tone.sign()) }
            " " (word)
        }
    }
}

/// The whole file.
fn document(title: &str, tone: Tone, lead: &Markup, sections: &Sections) -> String {
    let source = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(SCRIPT)
    );
    let colour = match tone {
        Tone::Good => "1a7f37",
        Tone::Warn => "bf8700",
        Tone::Bad => "cf222e",
        Tone::Mute => "59636e",
    };
    // Without one, a browser asks the server of the page for it.
    let icon = format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href=(icon);
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class={ "lead " (tone.class()) } { div.wide { (lead) } }
                nav aria-label="Parts of this page" {
                    ul.wide {
                        @for (id, title) in &sections.titles {
                            li { a href={ "#" (id) } { (title) } }
                        }
                    }
                }
                main.wide {
                    @for section in &sections.bodies { (section) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    // A line for each part, so that the first one that differs from a record can be named.
    let mut text = page.into_string();
    for tag in [
        "<section", "<article", "<table", "<tr", "<li", "<p", "<h2", "<h3", "<dt", "<nav", "<main",
        "<header", "<meta", "<title", "<style", "<script",
    ] {
        text = text.replace(tag, &format!("\n{tag}"));
    }
    text.push('\n');
    text
}
