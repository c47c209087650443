//! What failed or could not run, by its cause.

use maud::{Markup, html};

use super::Tone;
use super::blocks::{blocks, inline};
use crate::outcome::{CheckResult, DrillResult};
use crate::report::cause::failures;
use crate::report::page::block::Page;
use crate::report::page::inline::words;
use crate::report::page::{COMPLETE, checks, lead};

/// Checks of one cause that a line names.
const NAMED: usize = 5;

pub(super) fn of(result: &DrillResult) -> Markup {
    let mut page = Page::beside(COMPLETE);
    lead::failures(&mut page, result);
    // Without its heading: the part has one.
    page.blocks.remove(0);
    let stages = result.stages.iter().map(|stage| {
        let mut page = Page::beside(COMPLETE);
        checks::stage_details(&mut page, stage);
        (Tone::of_outcome(&stage.outcome, stage.required), page)
    });
    html! {
        (blocks(&page))
        @for (tone, page) in stages {
            @if !page.blocks.is_empty() {
                article class={ "finding " (tone.class()) } { (blocks(&page)) }
            }
        }
        @for failure in failures(result) {
            article class={ "finding " (Tone::of_outcome(&failure.check.outcome, failure.check.required).class()) } {
                (details(result, failure.check))
                @if let Some(others) = failure.others_line(NAMED) {
                    p { "The same cause: " (inline(&words(&others))) "." }
                    details {
                        summary { "What these checks found" }
                        @for check in &failure.others { (details(result, check)) }
                    }
                }
            }
        }
    }
}

fn details(result: &DrillResult, check: &CheckResult) -> Markup {
    let mut page = Page::beside(COMPLETE);
    checks::details(&mut page, result, check);
    blocks(&page)
}
