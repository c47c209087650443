//! Outcomes, findings, and what is not tested.

use crate::units::show_counted;

/// The outcome of a stage or a check. Matched without a wildcard everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as required.
    Pass,
    /// It is not as required.
    Fail,
    /// It is not as required, and the scenario accepts all of its findings for a time; of checks only.
    Waived,
    /// It could not run, which says nothing about the backup.
    Error(CouldNotRun),
    /// It was not run.
    Skipped {
        /// A lowercase fragment, such as "the restore failed".
        reason: String,
    },
}

impl Outcome {
    /// The lower-case word that every report uses.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Waived => "waived",
            Self::Error(_) => "error",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Whether it ran and is as required, or somebody accepts all that is not.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Pass | Self::Waived)
    }

    /// Whether something failed or could not run.
    #[must_use]
    pub const fn is_bad(&self) -> bool {
        matches!(self, Self::Fail | Self::Error(_))
    }
}

/// Why something could not run: a stage, a check, a command. It says nothing about the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CouldNotRun {
    /// A lowercase fragment, free of row values.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl CouldNotRun {
    /// An error without a hint.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    /// An error with a hint.
    pub fn with_hint(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(reason).hint(hint)
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A difference between expected and actual.
///
/// Texts are already free of row values and secrets: what is in a finding may be printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// The object, as SQL would name it: `app.orders`, `role plur_app`.
    pub object: Option<String>,
    /// The expected state.
    pub expected: String,
    /// The actual state.
    pub actual: String,
    /// What to do.
    pub hint: Option<String>,
    /// Who accepts it, until when and why; `None` where nobody does.
    pub waived: Option<String>,
}

impl Finding {
    /// A finding about an object.
    pub fn about(
        object: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self {
            object: Some(object.into()),
            ..Self::new(expected, actual)
        }
    }

    /// Adds the name of what contains the object, such as a dump of a bundle.
    #[must_use]
    pub fn within(self, name: &str) -> Self {
        let object = self.object.map(|object| format!("{name}: {object}"));
        Self {
            object: Some(object.unwrap_or_else(|| name.to_owned())),
            ..self
        }
    }

    /// A finding without a particular object.
    pub fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            actual: actual.into(),
            ..Self::default()
        }
    }

    /// `app.orders: 5 rows (expected at least 10 rows)`, with the first line of each text.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let first_line = |text: &str| {
            let text = text.trim();
            match text.split_once('\n') {
                Some((first, _)) => format!("{} …", first.trim_end()),
                None => text.to_owned(),
            }
        };
        let object = self.object.iter();
        let object: String = object.map(|object| format!("{object}: ")).collect();
        let (actual, expected) = (first_line(&self.actual), first_line(&self.expected));
        format!("{object}{actual} (expected {expected})")
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One line about findings: how many there are, and the first of them.
#[must_use]
pub fn summarize(findings: &[Finding], noun: &str) -> String {
    let count = show_counted(findings.len(), noun);
    match findings {
        [] => count,
        [only] => format!("{count}: {}", only.in_one_line()),
        [first, ..] => format!("{count}, the first: {}", first.in_one_line()),
    }
}

/// Something that the drill does not test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTested {
    /// What is not tested.
    pub what: String,
    /// The reason.
    pub why: String,
}

impl NotTested {
    /// Creates an entry.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_first_finding() {
        let first = Finding::about("app.orders", "5 rows\nof any value", "none");
        let all = [first, Finding::new("a", "b")];
        assert_eq!(summarize(&all[..0], "finding"), "0 findings");
        assert_eq!(summarize(&all[1..], "finding"), "1 finding: b (expected a)");
        let both = "2 findings, the first: app.orders: none (expected 5 rows …)";
        assert_eq!(summarize(&all, "finding"), both);
    }
}
