//! Timelines, and the files of their history.

use crate::{Fault, Lsn};

/// Longest file that is read, in bytes.
pub const LONGEST: u64 = 1 << 20;

/// Where a recovery leaves a timeline for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// The timeline that ends.
    pub timeline: u32,
    /// The byte after its last.
    pub at: Lsn,
}

/// The timeline of a file name: `00000002.history`.
#[must_use]
pub fn timeline_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".history")?;
    let valid = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Reads a file of history.
///
/// # Errors
/// A line that the server would not read, or timelines that do not ascend.
pub fn parse(name: &str, text: &str) -> Result<Vec<Switch>, Fault> {
    let mut switches: Vec<Switch> = Vec::new();
    let own = timeline_of(name).unwrap_or(u32::MAX);
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let parsed = words.next().zip(words.next()).and_then(|(timeline, at)| {
            Some(Switch {
                timeline: timeline.parse().ok()?,
                at: at.parse().ok()?,
            })
        });
        let ascends = |switch: &Switch| {
            switch.timeline < own
                && switches
                    .last()
                    .is_none_or(|last| last.timeline < switch.timeline && last.at <= switch.at)
        };
        match parsed.filter(ascends) {
            Some(switch) => switches.push(switch),
            None => {
                let found = format!("`{}`", line.escape_default());
                return Err(Fault::new(
                    name,
                    "a timeline and an LSN in each line, both ascending",
                    found,
                ));
            }
        }
    }
    Ok(switches)
}

/// The timelines that a recovery follows: each with its first byte, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<(u32, Lsn)>);

impl Path {
    /// One timeline.
    #[must_use]
    pub fn one(timeline: u32) -> Self {
        Self(vec![(timeline, Lsn(0))])
    }

    /// The path to `timeline` by its history.
    #[must_use]
    pub fn to(timeline: u32, history: &[Switch]) -> Self {
        let mut path = Vec::new();
        let mut from = Lsn(0);
        for switch in history {
            path.push((switch.timeline, from));
            from = switch.at;
        }
        path.push((timeline, from));
        Self(path)
    }

    /// The timeline at its end.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.0.last().map_or(0, |(timeline, _)| *timeline)
    }

    /// Whether a backup of a timeline that reaches `lsn` is on this path.
    #[must_use]
    pub fn contains(&self, timeline: u32, lsn: Lsn) -> bool {
        let at = self.0.iter().position(|(one, _)| *one == timeline);
        at.is_some_and(|at| self.0.get(at + 1).is_none_or(|(_, end)| lsn <= *end))
    }

    /// The timeline that a page at this address was written on: what follows a switch is not of the timeline before, which may have
    /// gone on too.
    #[must_use]
    pub fn timeline_at(&self, address: Lsn) -> u32 {
        let mut newest = self.0.iter().rev();
        let of = newest.find(|(_, from)| *from <= address);
        of.map_or(0, |(timeline, _)| *timeline)
    }

    /// Timelines of which some of the bytes from `first` to `last` are, the newest first. A segment of an older one has nothing that a
    /// recovery reads.
    pub fn timelines(&self, first: Lsn, last: Lsn) -> impl Iterator<Item = u32> {
        let ends = self.0.iter().skip(1).map(|(_, from)| Some(*from));
        let ends = ends.chain(std::iter::once(None));
        let with_ends: Vec<_> = self.0.iter().zip(ends).collect();
        let of = with_ends
            .into_iter()
            .rev()
            .filter(move |((_, from), end)| *from <= last && end.is_none_or(|end| end > first));
        of.map(|((timeline, _), _)| *timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_followed() {
        let text = "1\t0/3000000\tno recovery target specified\n\n2\t0/5000060\tbefore 2026\n";
        let switches = parse("00000003.history", text).unwrap();
        let path = Path::to(3, &switches);
        assert_eq!(path.last(), 3);
        assert!(path.contains(1, Lsn(0x200_0000)));
        assert!(!path.contains(1, Lsn(0x400_0000)), "after it was left");
        let of_segment = |number: u64| {
            let first = Lsn(number << 24);
            let all = path.timelines(first, Lsn(first.0 + 0xFF_FFFF));
            all.collect::<Vec<_>>()
        };
        assert_eq!(of_segment(2), [1]);
        assert_eq!(of_segment(3), [2], "nothing of the first is after its end");
        assert_eq!(of_segment(5), [3, 2]);
        assert_eq!(of_segment(6), [3]);
        let pages = [0x2FF_E000, 0x300_0000, 0x500_0000, 0x500_2000];
        let written_on = pages.map(|page| path.timeline_at(Lsn(page)));
        assert_eq!(written_on, [1, 2, 2, 3]);
    }

    #[test]
    fn what_does_not_ascend_is_refused() {
        for text in [
            "2\t0/5\n1\t0/6\n",
            "1\t0/5\n2\t0/4\n",
            "3\t0/5\n",
            "x 0/5\n",
            "1\n",
        ] {
            assert!(parse("00000003.history", text).is_err(), "{text}");
        }
    }
}
