//! The first screen: verdict, why, and the facts that a reader comes for.

use maud::{Markup, html};

use super::blocks::inline;
use super::{Tone, verdict_line};
use crate::exit_code;
use crate::outcome::DrillResult;
use crate::report::page::inline::words;
use crate::report::page::lead::summary;
use crate::report::text;
use crate::verdict::{Verdict, explain};

pub(super) fn of(result: &DrillResult, verdict: Verdict) -> Markup {
    let code = exit_code::of(verdict);
    html! {
        (verdict_line(Tone::of(verdict), verdict.word()))
        h1 { "Restore drill of " span.name { (text::line(&result.scenario.title())) } }
        p.why { (inline(&words(&explain(result, verdict)))) " " span.code { "Exit code " (code) "." } }
        dl.tiles {
            @for row in summary(result, verdict) {
                @if let [name, value] = row.as_slice() {
                    div { dt { (inline(name)) } dd { (inline(value)) } }
                }
            }
        }
    }
}
