//! The page over several drills: how each ended, what is missing, and of each drill what a reader comes for.
//!
//! The reports of each drill are next to it, but a page is passed on alone, so it has what its first screen has.

use maud::{Markup, html};

use super::blocks::{Sections, badge, blocks, filter, inline};
use super::{Tone, document, findings, verdict_line};
use crate::outcome::DrillResult;
use crate::report::page::block::{Block, Page};
use crate::report::page::inline::words;
use crate::report::page::merged::{COLUMNS, COMPLETE, problems, row, shards, summary};
use crate::report::page::{self, lead};
use crate::report::terminal::total::One;
use crate::report::text::line;
use crate::report::{Merged, view};
use crate::units::{show_counted, show_duration};
use crate::verdict::Verdict;

/// Drills that are not PROVEN of which each finding is on the page; of the others it has the reasons. A page of a thousand drills that
/// all failed can be opened.
const WHOLE: usize = 50;

/// Writes the page.
#[must_use]
pub fn render(merged: &Merged<'_>) -> String {
    let verdict = merged.verdict();
    let mut sections = Sections::default();
    let mut page = Page::beside(COMPLETE);
    problems(&mut page, merged);
    sections.add_page(&page);
    sections.add("What needs attention", attention(merged));
    sections.add("Drills", list(merged));
    sections.add("Each drill", each(merged));
    if let Some(batch) = &merged.batch {
        let mut page = Page::beside(COMPLETE);
        shards(&mut page, batch);
        sections.add_page(&page);
    }
    let count = show_counted(merged.lines.len(), "restore drill");
    let title = format!("{}: {count}", verdict.word());
    document(
        &title,
        Tone::of(verdict),
        &first(merged, verdict),
        &sections,
    )
}

/// The first screen.
fn first(merged: &Merged<'_>, verdict: Verdict) -> Markup {
    let restores = merged
        .drills
        .iter()
        .filter_map(|(result, _)| Some((result.restore.as_ref()?.duration, result)));
    let longest = restores.max_by_key(|(duration, _)| *duration);
    html! {
        (verdict_line(Tone::of(verdict), verdict.word()))
        h1 { "Restore drills" }
        p.why { (inline(&summary(merged))) }
        dl.tiles {
            @if let Some(batch) = &merged.batch {
                div { dt { "Batch" } dd { code { (line(batch.name)) } } }
                div { dt { "State" } dd { code { (line(batch.place)) } } }
            }
            div { dt { "Reported" } dd { (view::show(merged.drills.len())) " of " (show_counted(merged.lines.len(), "drill")) } }
            @if let Some((duration, result)) = longest {
                div { dt { "Longest restore" } dd { (show_duration(duration)) ", " code { (line(&result.scenario.title())) } } }
            }
        }
        (filter("Filter drills", Some(&[
            ("", "all results"),
            ("good", "PROVEN, CHECKS PASSED"),
            ("warn", "with waivers, objective missed"),
            ("bad", "NOT PROVEN"),
            ("mute", "inconclusive, not drilled"),
        ])))
    }
}

/// Drills that are not there, or that say something else than that all is well.
fn attention(merged: &Merged<'_>) -> Markup {
    let calm = |one: &&(usize, &One)| Tone::of_state(&one.1.state) != Tone::Good;
    let all = merged.lines.iter().enumerate();
    let all: Vec<(usize, &One)> = all.collect();
    let bad: Vec<_> = all.iter().filter(calm).collect();
    html! {
        @if bad.is_empty() && merged.problems.is_empty() { p { "Nothing: each drill passed." } }
        @else if bad.is_empty() { p { "Each drill passed, but the shards have problems." } }
        @for (at, one) in bad {
            @let tone = Tone::of_state(&one.state);
            article class={ "finding " (tone.class()) } data-row data-tone=(tone.class()) {
                h3 { (badge(one.state.word())) " " (name(merged, *at, one)) }
                ul {
                    @for reason in reasons(merged, one) { li { (inline(&words(&reason))) } }
                }
            }
        }
    }
}

fn reasons(merged: &Merged<'_>, one: &One) -> Vec<String> {
    let result = merged.of(one).map(|(result, _)| result);
    let of_drill = result.map(super::overview::reasons).unwrap_or_default();
    match one.state.own_reason() {
        Some(own) => std::iter::once(own.to_owned()).chain(of_drill).collect(),
        None => of_drill,
    }
}

/// The name of a drill, as a link to what is said of it.
fn name(merged: &Merged<'_>, at: usize, one: &One) -> Markup {
    html! {
        @match merged.of(one) {
            Some(_) => { a href={ "#drill-" (at + 1) } { (line(&one.name)) } }
            None => { (line(&one.name)) }
        }
    }
}

/// All drills, one row each.
fn list(merged: &Merged<'_>) -> Markup {
    html! {
        table {
            thead { tr { @for column in COLUMNS { th scope="col" { (column) } } } }
            tbody {
                @for (at, one) in merged.lines.iter().enumerate() {
                    tr data-row data-tone=(Tone::of_state(&one.state).class()) {
                        @for (column, cell) in COLUMNS.iter().zip(row(merged, one)) {
                            td data-name=(column) {
                                @if *column == COLUMNS[0] { (name(merged, at, one)) } @else { (inline(&cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a reader comes for, of each drill.
fn each(merged: &Merged<'_>) -> Markup {
    let mut whole = 0;
    html! {
        p { "The reports of each drill are complete; they are in a folder with its name, next to this page." }
        @for (at, one) in merged.lines.iter().enumerate() {
            @if let Some((result, verdict)) = merged.of(one) {
                @let tone = Tone::of_state(&one.state);
                @let all = { whole += usize::from(tone != Tone::Good); whole <= WHOLE };
                details data-row data-tone=(tone.class()) {
                    summary { (badge(one.state.word())) " " (line(&one.name)) }
                    div id={ "drill-" (at + 1) } { (drill(result, verdict, tone, all)) }
                }
            }
        }
    }
}

fn drill(result: &DrillResult, verdict: Verdict, tone: Tone, all: bool) -> Markup {
    let mut more = Page::beside(page::COMPLETE);
    lead::not_tested(&mut more, result);
    page::waivers(&mut more, &result.waivers);
    for block in &mut more.blocks {
        if let Block::Heading(level, _) = block {
            *level = 3;
        }
    }
    html! {
        p { (inline(&words(&crate::verdict::explain(result, verdict)))) }
        dl.facts {
            @for row in lead::summary(result, verdict) {
                @if let [name, value] = row.as_slice() {
                    div { dt { (inline(name)) } dd { (inline(value)) } }
                }
            }
        }
        @if tone != Tone::Good && all {
            h3 { "What failed or could not run" }
            (findings::of(result))
        }
        (blocks(&more))
    }
}
