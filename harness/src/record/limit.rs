//! Limits of what is recorded: names and messages come from the backup.

use crate::outcome::Finding;
use crate::units::show_counted;

/// Findings of one stage or check that are kept, and characters of each of their texts.
const MOST: usize = 1000;
const LONGEST: usize = 10_000;

/// The first findings, and the number of the others.
pub(super) fn limited(mut findings: Vec<Finding>) -> Vec<Finding> {
    let more = findings.len().saturating_sub(MOST);
    if more > 0 {
        findings.truncate(MOST);
        findings.push(Finding::new(
            "no more findings",
            show_counted(more, "more finding"),
        ));
    }
    findings
}

/// A finding whose texts have a limited length: names come from the backup.
pub(super) fn shortened(finding: Finding) -> Finding {
    let cut = |text: String| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!(
                "{}… ({})",
                &text[..end],
                show_counted(more, "more character")
            )
        }
        None => text,
    };
    Finding {
        object: finding.object.map(cut),
        expected: cut(finding.expected),
        actual: cut(finding.actual),
        hint: finding.hint.map(cut),
        waived: finding.waived.map(cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_limited_and_say_what_was_cut() {
        let long = Finding::new("a", "é".repeat(LONGEST + 7));
        let shown = shortened(long).actual;
        assert!(shown.ends_with("é… (7 more characters)"));
        let many = limited(vec![Finding::new("a", "b"); MOST + 5]);
        assert_eq!(many.len(), MOST + 1);
        assert_eq!(many[MOST].actual, "5 more findings");
        assert_eq!(limited(vec![Finding::new("a", "b"); MOST]).len(), MOST);
    }
}
