//! When each stage ran, against the objectives, and the longest steps of the restore. Each bar has its numbers next to it.

use maud::{Markup, html};

use super::Tone;
use super::blocks::{badge, bar, inline};
use crate::outcome::{DrillResult, Measure, Objective, RestoreFacts, Stage};
use crate::report::page::inline::{Inline, code, fixed, span, words};
use crate::report::page::restore::STEPS;
use crate::report::view;
use crate::units::show_duration;

/// A row of the timeline; times in seconds.
struct Row<'a> {
    tone: Tone,
    word: &'static str,
    label: &'static str,
    title: &'a str,
    what: Inline,
    seconds: f64,
    time: Inline,
}

pub(super) fn of(result: &DrillResult) -> Markup {
    let rows = rows(result);
    let whole = rows.iter().map(|row| row.seconds).sum::<f64>();
    let mut at = 0.0;
    let rows = rows.into_iter().map(|row| {
        let from = at;
        at += row.seconds;
        (share(from, whole), share(at, whole), row)
    });
    html! {
        p { "The drill took " span.span { (show_duration(result.duration)) } ". Its stages run one after the other." }
        @if result.stages.is_empty() { p { "No stage ran." } } @else {
            table.timeline.stages {
                thead {
                    tr {
                        th scope="col" { "stage" }
                        th scope="col" { "result" }
                        th scope="col" { "what it proves, and what it found" }
                        th scope="col" { "when" }
                        th.number scope="col" { "time" }
                    }
                }
                tbody {
                    @for (from, to, row) in rows {
                        tr {
                            th scope="row" { (row.word) }
                            td data-name="result" { @if !row.label.is_empty() { (badge(row.label)) } }
                            td data-name="summary" { span.title { (row.title) } (inline(&row.what)) }
                            td.when data-name="when" { (bar(row.tone.class(), from, to)) }
                            td.number data-name="time" { (inline(&row.time)) }
                        }
                    }
                }
            }
        }
        (objectives(result))
        @if let Some(restore) = &result.restore { (steps(restore)) }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn rows(result: &DrillResult) -> Vec<Row<'_>> {
    let measured = result
        .stages
        .iter()
        .map(|stage| stage.duration.as_secs_f64());
    let rest = result.duration.as_secs_f64() - measured.sum::<f64>();
    let mut rows = Vec::new();
    for stage in &result.stages {
        // Checks run before the teardown.
        if stage.stage == Stage::Teardown && rest > 0.0 {
            rows.push(Row {
                tone: Tone::Mute,
                word: "checks",
                label: "",
                title: "everything between the stages",
                what: words(&view::check_counts(result)),
                seconds: rest,
                time: span(
                    result.duration.saturating_sub(
                        result
                            .stages
                            .iter()
                            .fold(std::time::Duration::ZERO, |sum, stage| {
                                sum.saturating_add(stage.duration)
                            }),
                    ),
                ),
            });
        }
        rows.push(Row {
            tone: Tone::of_outcome(&stage.outcome, stage.required),
            word: stage.stage.word(),
            label: view::label(&stage.outcome, stage.required),
            title: &stage.title,
            what: words(view::stage_why(stage)),
            seconds: stage.duration.as_secs_f64(),
            time: span(stage.duration),
        });
    }
    rows
}

/// What was measured, as a share of what is asked for.
fn objectives(result: &DrillResult) -> Markup {
    if result.objectives.is_empty() {
        return html! {};
    }
    html! {
        h3 { "Against the objectives" }
        table.timeline {
            thead {
                tr {
                    th scope="col" { "objective" }
                    th scope="col" { "result" }
                    th scope="col" { "found" }
                    th scope="col" { "of what is asked for" }
                    th.number scope="col" { "asked for" }
                }
            }
            tbody {
                @for one in &result.objectives {
                    tr {
                        th scope="row" { (inline(&code(&one.name))) }
                        td data-name="result" { (badge(view::objective_word(one))) }
                        td data-name="found" {
                            (inline(&view::objective_found(one).map_or_else(|| fixed("not measured"), |found| words(&found))))
                        }
                        td.when data-name="share" { (meter(one)) }
                        td.number data-name="asked for" { (inline(&words(&view::objective_asked(one)))) }
                    }
                }
            }
        }
    }
}

fn meter(objective: &Objective) -> Markup {
    let (found, asked) = match &objective.measure {
        Measure::Time { limit, actual } => (
            actual.map(|actual| actual.as_secs_f64()),
            limit.as_secs_f64(),
        ),
        #[expect(clippy::cast_precision_loss, reason = "shown as a share")]
        Measure::Kept { wanted, kept, .. } => (Some(*kept as f64), *wanted as f64),
    };
    let tone = match objective.met() {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Mute,
    };
    let Some(found) = found else {
        return html! {};
    };
    let share = share(found, asked);
    html! {
        (bar(tone.class(), 0.0, share))
        // A share of years is no news.
        @if share < 100.0 { span.share { (format!("{:.0} %", share * 100.0)) } }
    }
}

fn steps(restore: &RestoreFacts) -> Markup {
    if restore.steps.is_empty() {
        return html! {};
    }
    let (longest, others) = view::longest_steps(&restore.steps);
    let times = longest.iter().map(|step| step.duration.as_secs_f64());
    let whole = times.fold(restore.duration.as_secs_f64(), f64::max);
    html! {
        h3 { "The longest steps of the restore" }
        p { (STEPS) " A bar is the share of the whole restore." }
        table.timeline {
            thead {
                tr {
                    th scope="col" { "step" }
                    th scope="col" { "method" }
                    th scope="col" { "share" }
                    th.number scope="col" { "time" }
                }
            }
            tbody {
                @for step in longest {
                    tr {
                        th scope="row" { (inline(&code(&step.what))) }
                        td data-name="method" { (inline(&words(step.method.as_deref().unwrap_or_default()))) }
                        td.when data-name="share" { (bar("step", 0.0, share(step.duration.as_secs_f64(), whole))) }
                        td.number data-name="time" { (inline(&span(step.duration))) }
                    }
                }
            }
        }
        @if others > 0 { p { "… and " (view::show(others)) " more, see " code { "drill.json" } "." } }
    }
}
