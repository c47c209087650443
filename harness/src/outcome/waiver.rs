//! Findings that somebody accepts for a time.

use jiff::civil::Date;

use crate::units::show_counted;

/// A waiver of the scenario, and what it did in this drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverFacts {
    /// The ids of the checks that it is about, in which `*` matches any text.
    pub check: String,
    /// The objects, in the same way.
    pub object: String,
    /// Why the findings are accepted.
    pub reason: String,
    /// Who accepts them.
    pub owner: String,
    /// The last day, in UTC.
    pub until: Date,
    /// Line of the scenario file, counted from 1.
    pub line: usize,
    /// Number of findings that it matches.
    pub findings: u64,
    /// What became of it.
    pub state: WaiverState,
}

/// What became of a waiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WaiverState {
    /// None of its checks was judged, so that it is not known whether it is needed.
    #[default]
    NotJudged,
    /// Its findings do not count.
    Used,
    /// Its last day is over, so that its findings count.
    Expired,
    /// Its checks have no such finding.
    NotNeeded,
}

impl WaiverState {
    /// The lower-case word that every report uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotJudged => "not judged",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::NotNeeded => "not needed",
        }
    }
}

impl WaiverFacts {
    /// Who accepts a finding, until when and why: `waived by Ann until 2027-01-31: the role is removed with the next release`.
    #[must_use]
    pub fn terms(&self) -> String {
        format!(
            "waived by {} until {}: {}",
            self.owner, self.until, self.reason
        )
    }

    /// What became of it, one line.
    #[must_use]
    pub fn end(&self) -> String {
        let findings = || show_counted(self.findings, "finding");
        match self.state {
            WaiverState::NotJudged => "no check that it is about was judged".to_owned(),
            WaiverState::Used => format!("{} waived", findings()),
            WaiverState::Expired => {
                format!("ended on {}: {} not waived", self.until, findings())
            }
            WaiverState::NotNeeded => "matches no finding: remove it from the scenario".to_owned(),
        }
    }
}
