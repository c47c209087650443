//! The calendar: a row for each scenario, a column for each quarter, and in it a square for each week.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, html};

use super::Tone;
use crate::report::text::line;

/// Weeks of a quarter, the last of which has a day or two.
const WEEKS: usize = 14;
/// Quarters that are shown.
const QUARTERS: usize = 8;

/// A quarter: quarters since the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quarter(i32);

/// The drills of a scenario in one quarter.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// The worst of each week.
    weeks: [Option<Tone>; WEEKS],
    drills: u32,
    proven: u32,
}

/// The drills of a scenario.
#[derive(Debug, Default)]
pub(super) struct Row(BTreeMap<Quarter, Cell>);

impl Quarter {
    fn of(time: Timestamp) -> (Self, usize) {
        let date = time.to_zoned(TimeZone::UTC).date();
        let quarter = (date.month() - 1) / 3;
        let first = Date::new(date.year(), quarter * 3 + 1, 1).unwrap_or(date);
        let days = date.duration_since(first).as_hours() / 24;
        let week = usize::try_from(days / 7).unwrap_or_default();
        (
            Self(i32::from(date.year()) * 4 + i32::from(quarter)),
            week.min(WEEKS - 1),
        )
    }

    fn show(self) -> String {
        format!("{} Q{}", self.0.div_euclid(4), self.0.rem_euclid(4) + 1)
    }
}

/// How much a result asks for attention.
const fn weight(tone: Tone) -> u8 {
    match tone {
        Tone::Good => 0,
        Tone::Mute => 1,
        Tone::Warn => 2,
        Tone::Bad => 3,
    }
}

impl Row {
    pub(super) fn add(&mut self, began: Timestamp, tone: Tone, is_proven: bool) {
        let (quarter, week) = Quarter::of(began);
        let cell = self.0.entry(quarter).or_default();
        cell.drills += 1;
        cell.proven += u32::from(is_proven);
        let known = &mut cell.weeks[week];
        if known.is_none_or(|known| weight(known) < weight(tone)) {
            *known = Some(tone);
        }
    }
}

/// The calendar of these scenarios, up to the quarter of `now`.
pub(super) fn render(rows: &[(&str, Tone, &Row)], now: Timestamp) -> Markup {
    let newest = Quarter::of(now).0;
    let first = rows
        .iter()
        .filter_map(|(_, _, row)| row.0.keys().next())
        .min();
    let first = first.copied().unwrap_or(newest);
    let shown = i32::try_from(QUARTERS).unwrap_or(i32::MAX) - 1;
    let from = first.max(Quarter(newest.0 - shown));
    let quarters: Vec<Quarter> = (from.0..=newest.0).map(Quarter).collect();
    html! {
        p {
            "A square is a week, with the colour of its worst drill: "
            @for (tone, what) in [
                (Tone::Good, "PROVEN"),
                (Tone::Warn, "with waivers, or an objective was missed"),
                (Tone::Bad, "NOT PROVEN"),
                (Tone::Mute, "says nothing"),
            ] { span.key { (square(tone)) " " (what) } " " }
            "Drills of selected checks are not counted."
            @if first < from {
                " The newest " (QUARTERS) " quarters are shown. There are drills since " (first.show()) ": they are in the list of drills."
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Quarters" {
            table.calendar {
                thead {
                    tr {
                        th scope="col" { "scenario" }
                        @for quarter in &quarters { th scope="col" { (quarter.show()) } }
                    }
                }
                tbody {
                    @for (name, tone, row) in rows {
                        tr data-row data-tone=(tone.class()) {
                            th scope="row" { (line(name)) }
                            @for quarter in &quarters { td { (cell(row, *quarter)) } }
                        }
                    }
                }
            }
        }
    }
}

fn square(tone: Tone) -> Markup {
    PreEscaped(format!(
        "<svg class=\"square\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><path class=\"{}\" d=\"M0 0h9v9H0z\"/></svg>",
        tone.class()
    ))
}

fn cell(row: &Row, quarter: Quarter) -> Markup {
    let Some(cell) = row.0.get(&quarter) else {
        // Before its first drill a scenario was not there.
        let is_gap = row.0.keys().next().is_some_and(|first| *first < quarter);
        return html! { @if is_gap { (weeks(&[None; WEEKS])) span.gap { "no drill" } } };
    };
    html! {
        (weeks(&cell.weeks))
        @if cell.proven == cell.drills {
            span.count { (cell.drills) " PROVEN" }
        } @else {
            span.count.some { (cell.proven) " of " (cell.drills) " PROVEN" }
        }
    }
}

fn weeks(weeks: &[Option<Tone>; WEEKS]) -> Markup {
    let mut text = "<svg class=\"weeks\" viewBox=\"0 0 153 9\" aria-hidden=\"true\">".to_owned();
    for tone in [
        None,
        Some(Tone::Good),
        Some(Tone::Mute),
        Some(Tone::Warn),
        Some(Tone::Bad),
    ] {
        let mut path = String::new();
        for (at, _) in weeks.iter().enumerate().filter(|(_, week)| **week == tone) {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{} 0h9v9h-9z", at * 11);
        }
        if !path.is_empty() {
            let class = tone.map_or("none", Tone::class);
            let _ = write!(text, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    PreEscaped(text + "</svg>")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-01-01T00:00:00Z", "2026 Q1", 0)]
    #[case("2026-03-31T23:59:59Z", "2026 Q1", 12)]
    #[case("2026-07-08T00:00:00Z", "2026 Q3", 1)]
    #[case("2026-12-31T23:59:59Z", "2026 Q4", 13)]
    fn a_time_is_in_a_week_of_a_quarter(#[case] time: &str, #[case] name: &str, #[case] at: usize) {
        let (quarter, week) = Quarter::of(time.parse().unwrap());
        assert_eq!((&*quarter.show(), week), (name, at));
    }

    #[rstest]
    #[case("2024-12-31T00:00:00Z", true)]
    #[case("2025-01-01T00:00:00Z", false)]
    fn quarters_that_are_left_out_are_named(#[case] first: &str, #[case] expected: bool) {
        let mut row = Row::default();
        row.add(first.parse().unwrap(), Tone::Good, true);
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let page = render(&[("orders", Tone::Good, &row)], now).into_string();
        let said = "The newest 8 quarters are shown. There are drills since 2024 Q4: they";
        assert_eq!(page.contains(said), expected, "{page}");
        assert!(page.contains(">2025 Q1<") && page.contains(">2026 Q4<") || !expected);
        assert!(!page.contains(">2024 Q4<"), "{page}");
    }

    #[test]
    fn a_week_has_the_colour_of_its_worst_drill() {
        let mut row = Row::default();
        let time: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        row.add(time, Tone::Good, true);
        row.add(time, Tone::Bad, false);
        row.add(time, Tone::Warn, true);
        let page = render(&[("orders", Tone::Bad, &row)], time).into_string();
        assert!(
            page.contains("<path class=\"bad\" d=\"M0 0h9v9h-9z\"/>"),
            "{page}"
        );
        assert!(page.contains("2 of 3 PROVEN"), "{page}");
    }
}
