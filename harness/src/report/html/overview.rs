//! The page over all drills of a state. It is made of the entries of its log, one after the other, and of the records of those newest
//! drills that are not PROVEN.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::blocks::{Sections, filter, inline};
use super::calendar::{self, Row};
use super::chart::Chart;
use super::{Tone, document, verdict_line};
use crate::ledger::latest::{Latest, Overdue};
use crate::ledger::statement::{Entry, Kind};
use crate::outcome::DrillResult;
use crate::report::page::inline::words;
use crate::report::text::line;
use crate::report::view;
use crate::units::{listed, show_bytes, show_count, show_counted, show_duration};

/// Reasons of one drill that are listed.
const REASONS: usize = 5;
/// Failed checks that a row names.
const FAILED: usize = 3;

/// All drills of a state, or some of them.
#[derive(Debug, Default)]
pub struct Overview {
    /// Where the state is, as it was given.
    pub place: String,
    /// The checkpoint of its newest entry.
    pub checkpoint: Option<String>,
    scenarios: BTreeMap<String, Drills>,
    drills: usize,
    rehearsals: usize,
    began: Option<(Timestamp, Timestamp)>,
}

/// What the page shows of a scenario.
#[derive(Debug, Default)]
struct Drills {
    calendar: Row,
    points: Vec<Point>,
    /// Rows of the list, the oldest first.
    rows: Vec<String>,
    /// Why the newest drill is not PROVEN.
    reasons: Vec<String>,
}

/// What was measured in a drill.
#[derive(Debug)]
struct Point {
    began: Timestamp,
    restore_s: Option<f64>,
    bytes: Option<u64>,
    age_s: Option<f64>,
}

/// What keeps a drill from being PROVEN, one line each; those of one cause are one line.
#[must_use]
pub fn reasons(result: &DrillResult) -> Vec<String> {
    let mut lines = view::decisive(result);
    let more = lines.len().saturating_sub(REASONS);
    lines.truncate(REASONS);
    if more > 0 {
        lines.push(format!("and {} more", view::show(more)));
    }
    lines
}

impl Overview {
    /// Adds an entry, the oldest first.
    pub fn add(&mut self, entry: &Entry) {
        let drill = &entry.drill;
        let tone = Tone::of_word(&drill.verdict);
        let scenario = self.scenarios.entry(drill.scenario.clone()).or_default();
        scenario.rows.push(row(entry, tone).into_string());
        let (from, to) = self.began.unwrap_or((drill.began, drill.began));
        self.began = Some((from.min(drill.began), to.max(drill.began)));
        match drill.kind {
            Kind::Drill => self.drills += 1,
            Kind::Rehearsal => self.rehearsals += 1,
        }
        if drill.kind == Kind::Drill && drill.only.is_empty() {
            scenario.calendar.add(drill.began, tone, drill.is_proven());
            let backup = drill.backup.as_ref();
            let made = backup.and_then(|backup| backup.made);
            scenario.points.push(Point {
                began: drill.began,
                restore_s: drill.restore_s,
                bytes: backup.map(|backup| backup.size_bytes),
                age_s: made.map(|made| drill.began.duration_since(made).as_secs_f64().max(0.0)),
            });
        }
    }

    /// Says why the newest drill of a scenario is not PROVEN.
    pub fn explain(&mut self, scenario: &str, reasons: Vec<String>) {
        if let Some(known) = self.scenarios.get_mut(scenario) {
            known.reasons = reasons;
        }
    }

    /// Writes the page, as of `now`.
    #[must_use]
    pub fn render(&self, latest: &Latest, now: Timestamp) -> String {
        let overdue = latest.overdue(now);
        let tone = |name: &str| {
            latest
                .of(name)
                .map(|newest| Tone::of_word(&newest.drill.verdict))
        };
        let proven = latest
            .newest()
            .filter(|newest| newest.drill.is_proven())
            .count();
        let all = latest.newest().count();
        let whole = match (proven == all, overdue.is_empty()) {
            _ if all == 0 => Tone::Mute,
            (true, true) => match latest.waivers().next() {
                None => Tone::Good,
                Some(_) => Tone::Warn,
            },
            (true, false) => Tone::Warn,
            (false, _) => Tone::Bad,
        };
        let mut sections = Sections::default();
        sections.add("What needs attention", self.attention(latest, &overdue));
        let rows: Vec<(&str, Tone, &Row)> = self
            .scenarios
            .iter()
            .filter_map(|(name, drills)| Some((name.as_str(), tone(name)?, &drills.calendar)))
            .collect();
        sections.add("Calendar", calendar::render(&rows, now));
        sections.add("Over time", self.panels(latest, &overdue));
        sections.add("Waivers", waivers(latest));
        sections.add("Controls", controls(latest));
        sections.add("Drills", self.list());
        let word = format!("{proven} of {} PROVEN", show_counted(all, "scenario"));
        let lead = html! {
            (verdict_line(whole, &word))
            h1 { "Restore drills" }
            p.why { (self.summary(&word, latest, &overdue)) }
            dl.tiles {
                div { dt { "State" } dd { code { (line(&self.place)) } } }
                div { dt { "Checkpoint" } dd {
                    @match &self.checkpoint {
                        Some(checkpoint) => { code { (line(checkpoint)) } }
                        None => { "none" }
                    }
                } }
                div { dt { "Made" } dd { (view::utc(now)) } }
                div { dt { "Verified" } dd { "No. " code { "redrill verify" } " does so." } }
            }
            (filter("Filter scenarios and drills", Some(&[
                ("", "all results"),
                ("good", "PROVEN, SAFE"),
                ("warn", "with waivers, objective missed"),
                ("bad", "NOT PROVEN, UNSAFE"),
                ("mute", "inconclusive"),
            ])))
        };
        document("Restore drills", whole, &lead, &sections)
    }

    fn summary(&self, proven: &str, latest: &Latest, overdue: &[Overdue<'_>]) -> String {
        let mut text = format!("The newest drills: {proven}. ");
        if !overdue.is_empty() {
            text.push_str(&format!(
                "{} overdue. ",
                show_counted(overdue.len(), "scenario")
            ));
        }
        let waived = latest.waivers().count();
        if waived > 0 {
            text.push_str(&format!("{} in use. ", show_counted(waived, "waiver")));
        }
        text.push_str(&show_counted(self.drills, "drill"));
        if self.rehearsals > 0 {
            text.push_str(&format!(
                " and {}",
                show_counted(self.rehearsals, "rehearsal")
            ));
        }
        if let Some((from, to)) = self.began {
            text.push_str(&format!(", from {} to {}", day(from), day(to)));
        }
        text + "."
    }

    /// Scenarios that are overdue, and newest drills that are not PROVEN.
    fn attention(&self, latest: &Latest, overdue: &[Overdue<'_>]) -> Markup {
        let bad: Vec<&Entry> = latest
            .newest()
            .filter(|newest| !newest.drill.is_proven())
            .collect();
        html! {
            @if bad.is_empty() && overdue.is_empty() {
                p { "Nothing: the newest drill of each scenario is PROVEN, and none is overdue." }
            }
            @for newest in bad {
                @let tone = Tone::of_word(&newest.drill.verdict);
                article class={ "finding " (tone.class()) } data-row data-tone=(tone.class()) {
                    h3 { (verdict(newest, tone)) " " (line(&newest.drill.scenario)) }
                    p { "Entry " (entry(newest)) ", " (minute(newest.drill.began)) "." }
                    ul {
                        @for reason in self.scenarios.get(&newest.drill.scenario).iter().flat_map(|drills| &drills.reasons) {
                            li { (inline(&words(reason))) }
                        }
                    }
                }
            }
            @for one in overdue {
                article.finding.warn data-row data-tone="warn" {
                    h3 { span.badge.warn { "OVERDUE" } " " (line(one.scenario)) }
                    p { (due(one)) }
                }
            }
        }
    }

    /// Charts of each scenario.
    fn panels(&self, latest: &Latest, overdue: &[Overdue<'_>]) -> Markup {
        html! {
            p { "Drills of all checks. A dashed line is the objective of the newest drill." }
            @for (name, drills) in &self.scenarios {
                @if let Some(newest) = latest.of(name) {
                    @let tone = Tone::of_word(&newest.drill.verdict);
                    article.panel data-row data-tone=(tone.class()) {
                        h3 { (line(name)) " " (verdict(newest, tone)) }
                        p.when-proven {
                            (proven(latest, newest))
                            @if let Some(one) = overdue.iter().find(|one| one.scenario == name) { " " strong { (due(one)) } }
                        }
                        div.charts { @for chart in drills.charts(newest) { (chart) } }
                    }
                }
            }
        }
    }

    /// Every drill.
    fn list(&self) -> Markup {
        html! {
            @for (name, drills) in &self.scenarios {
                details data-group=(line(name)) {
                    summary { (line(name)) " " span.count { (show_counted(drills.rows.len(), "record")) } }
                    table.drills {
                        thead {
                            tr {
                                th.number scope="col" { "entry" }
                                th scope="col" { "began" }
                                th scope="col" { "verdict" }
                                th scope="col" { "backup taken" }
                                th.number scope="col" { "size" }
                                th.number scope="col" { "rows" }
                                th.number scope="col" { "restored in" }
                                th scope="col" { "by" }
                                th scope="col" { "failed" }
                            }
                        }
                        tbody { @for row in drills.rows.iter().rev() { (maud::PreEscaped(row)) } }
                    }
                }
            }
        }
    }
}

impl Drills {
    fn charts(&self, newest: &Entry) -> [Markup; 3] {
        let drill = &newest.drill;
        let seconds =
            |seconds: f64| show_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was a number of bytes"
        )]
        let bytes = |bytes: f64| show_bytes(bytes as u64);
        let of = |value: fn(&Point) -> Option<f64>| {
            let points = self.points.iter();
            points
                .filter_map(|point| Some((point.began, value(point)?)))
                .collect::<Vec<_>>()
        };
        let chart = |title, points: Vec<(Timestamp, f64)>, limit, show: &dyn Fn(f64) -> String| {
            let now = points
                .last()
                .map_or_else(String::new, |(_, value)| show(*value));
            Chart {
                title,
                now,
                points,
                limit,
                show,
            }
            .render()
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "drawn, and shown with three digits"
        )]
        let size = of(|point| point.bytes.map(|bytes| bytes as f64));
        [
            chart(
                "Restored in",
                of(|point| point.restore_s),
                drill.restore_within_s,
                &seconds,
            ),
            chart("Size of the backup", size, None, &bytes),
            chart(
                "Age of the backup",
                of(|point| point.age_s),
                drill.max_age_s,
                &seconds,
            ),
        ]
    }
}

fn proven(latest: &Latest, newest: &Entry) -> String {
    let every = newest
        .drill
        .every_s
        .and_then(|every| Duration::try_from_secs_f64(every).ok());
    let every = every.map_or_else(String::new, |every| {
        format!(" Asked for every {}.", show_duration(every))
    });
    match latest.proven(&newest.drill.scenario) {
        Some(began) => format!("Last PROVEN on {}.{every}", day(began)),
        None => format!("Never PROVEN.{every}"),
    }
}

fn due(overdue: &Overdue<'_>) -> String {
    let every = show_duration(overdue.every);
    match overdue.proven {
        None => format!("Never PROVEN, and every {every} is asked for."),
        Some(age) => format!(
            "PROVEN {} ago, and every {every} is asked for.",
            show_duration(age)
        ),
    }
}

fn verdict(entry: &Entry, tone: Tone) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (line(&entry.drill.verdict)) } }
}

/// A link to the row of an entry.
fn entry(entry: &Entry) -> Markup {
    let index = entry.position.index;
    html! { a href={ "#e" (index) } { (index) } }
}

fn waivers(latest: &Latest) -> Markup {
    let all: Vec<_> = latest.waivers().collect();
    html! {
        @if all.is_empty() { p { "The newest drills rest on no waiver." } } @else {
            table {
                thead { tr { @for name in ["scenario", "check", "object", "findings", "owner", "until", "reason"] { th scope="col" { (name) } } } }
                tbody {
                    @for (scenario, waiver) in all {
                        tr data-row data-tone="warn" {
                            td data-name="scenario" { (line(scenario)) }
                            td data-name="check" { code { (line(&waiver.check)) } }
                            td data-name="object" { code { (line(&waiver.object)) } }
                            td data-name="findings" { (show_count(waiver.findings)) }
                            td data-name="owner" { (line(&waiver.owner)) }
                            td data-name="until" { (waiver.until) }
                            td data-name="reason" { (line(&waiver.reason)) }
                        }
                    }
                }
            }
        }
    }
}

fn controls(latest: &Latest) -> Markup {
    let all = latest.controls();
    html! {
        @if all.is_empty() { p { "No scenario of these drills names a control: " code { "controls = [\"SOC2:A1.3\"]" } "." } } @else {
            table {
                thead { tr { @for name in ["control", "newest drill", "scenario", "verdict", "entry", "began"] { th scope="col" { (name) } } } }
                tbody {
                    @for (control, evidence, newest) in all {
                        @let tone = if evidence { Tone::Good } else { Tone::Bad };
                        tr data-row data-tone=(tone.class()) {
                            td data-name="control" { (line(control)) }
                            td data-name="newest drill" { span class={ "badge " (tone.class()) } { @if evidence { "evidence" } @else { "NO EVIDENCE" } } }
                            td data-name="scenario" { (line(&newest.drill.scenario)) }
                            td data-name="verdict" { (line(&newest.drill.verdict)) }
                            td data-name="entry" { (entry(newest)) }
                            td data-name="began" { (minute(newest.drill.began)) }
                        }
                    }
                }
            }
        }
    }
}

/// The row of an entry in the list. There are many, so it is short.
fn row(entry: &Entry, tone: Tone) -> Markup {
    let drill = &entry.drill;
    let backup = drill.backup.as_ref();
    let restore = drill
        .restore_s
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let mut what = drill.verdict.clone();
    if drill.kind == Kind::Rehearsal {
        what.push_str(" (rehearsal)");
    }
    if !drill.only.is_empty() {
        what.push_str(&format!(" (only {})", drill.only.join(", ")));
    }
    html! {
        tr id={ "e" (entry.position.index) } data-tone=(tone.class()) {
            td.number { (entry.position.index) }
            td { (minute(drill.began)) }
            td.(tone.class()) { (line(&what)) }
            td { @if let Some(made) = backup.and_then(|backup| backup.made) { (minute(made)) } }
            td.number { @if let Some(backup) = backup { (show_bytes(backup.size_bytes)) } }
            td.number { @if let Some(backup) = backup { (show_count(backup.rows)) } }
            td.number { @if let Some(restore) = restore { (show_duration(restore)) } }
            td { (line(&drill.actor)) }
            td { (line(&listed(&drill.failed, FAILED))) }
        }
    }
}

/// A day in UTC.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// A time in UTC, to the minute.
fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
}
