//! Charts over time: one line, the objective, and the numbers in words.

use std::fmt::Write as _;

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};

/// Points of a line; of more, the highest of each part of the time is drawn.
const POINTS: usize = 120;
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 64.0;
/// An objective that is further above the values is in the text only.
const FAR: f64 = 5.0;

/// A line over time.
pub(super) struct Chart<'a> {
    pub(super) title: &'static str,
    /// What the newest value is.
    pub(super) now: String,
    /// When, and which value.
    pub(super) points: Vec<(Timestamp, f64)>,
    /// What the newest drill is asked for.
    pub(super) limit: Option<f64>,
    /// Shows a value.
    pub(super) show: &'a dyn Fn(f64) -> String,
}

impl Chart<'_> {
    pub(super) fn render(&self) -> Markup {
        let values = || self.points.iter().map(|(_, value)| *value);
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            return html! {
                figure.chart { figcaption { b { (self.title) } " not known" } }
            };
        };
        let highest = values().fold(f64::MIN, f64::max);
        let lowest = values().fold(f64::MAX, f64::min);
        let missed = self
            .limit
            .map(|limit| values().filter(|value| *value > limit).count());
        let is_missed = self.limit.is_some_and(|limit| last.1 > limit);
        html! {
            figure.chart {
                figcaption {
                    b { (self.title) }
                    " " span.now.bad[is_missed] { (self.now) }
                    @if let Some(limit) = self.limit { span.limit { ", at most " ((self.show)(limit)) } }
                }
                (self.drawing(first.0, last.0, highest))
                p.range {
                    ((self.show)(lowest)) " to " ((self.show)(highest))
                    @if let Some(missed) = missed.filter(|missed| *missed > 0) {
                        ", missed in " (missed) " of " (self.points.len())
                    }
                }
            }
        }
    }

    fn drawing(&self, first: Timestamp, last: Timestamp, highest: f64) -> Markup {
        let limit = self.limit.filter(|limit| *limit <= highest * FAR);
        let top = limit.map_or(highest, |limit| limit.max(highest)) * 1.1;
        let top = if top > 0.0 { top } else { 1.0 };
        let span = last.duration_since(first).as_secs_f64();
        let y = |value: f64| HEIGHT - 2.0 - (HEIGHT - 4.0) * value / top;
        let x = |at: Timestamp| match span {
            0.0 => WIDTH - 4.0,
            span => 2.0 + (WIDTH - 6.0) * at.duration_since(first).as_secs_f64() / span,
        };
        let mut line = String::new();
        let parts = self.points.len().div_ceil(POINTS).max(1);
        let mut end = (0.0, 0.0);
        for part in self.points.chunks(parts) {
            let highest = part.iter().max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((at, value)) = highest else { continue };
            end = (x(*at), y(*value));
            let letter = if line.is_empty() { 'M' } else { 'L' };
            // Writing to a string cannot fail.
            let _ = write!(line, "{letter}{:.0} {:.1}", end.0, end.1);
        }
        let rule = limit.map_or_else(String::new, |limit| {
            format!("<path class=\"rule\" d=\"M0 {:.1}H{WIDTH}\"/>", y(limit))
        });
        PreEscaped(format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\"><path class=\"floor\" d=\"M0 {HEIGHT}H{WIDTH}\"/>{rule}<path class=\"line\" d=\"{line}\"/><circle cx=\"{:.0}\" cy=\"{:.1}\" r=\"3\"/></svg>",
            end.0, end.1
        ))
    }
}
