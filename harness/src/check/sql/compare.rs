//! Compares an answer with what is expected of the query.

use super::query::Given;
use super::value::{self, SqlTolerance, SqlValue};
use super::{Sql, rows};
use crate::outcome::Finding;
use crate::units::show_counted;

impl Sql {
    /// Compares an answer with what is expected; gives what was found in one line, and a finding
    /// where it is something else.
    pub(super) fn compare(&self, given: &Given) -> (String, Option<Finding>) {
        let rows = show_counted(given.count, "row");
        if let Some(wanted) = &self.rows {
            let ordered = self.ordered == Some(true);
            let wrong = rows::compare(wanted, &given.answer, given.count, ordered);
            return (rows, wrong.map(|wrong| self.finding(wrong)));
        }
        if let Some(wanted) = self.row_count {
            let wanted = SqlValue::Integer(i64::try_from(wanted).unwrap_or(i64::MAX));
            let tolerance = self.tolerance.unwrap_or(SqlTolerance::Absolute(0.0));
            let is_near = wanted.is_near(Some(&given.count.to_string()), tolerance);
            return self.judge(is_near, rows);
        }
        if self.no_rows.is_some() {
            return self.judge(given.count == 0, rows);
        }
        if self.error.is_some() {
            return self.judge(false, format!("the query is answered, with {rows}"));
        }
        let one = match given.answer.rows.as_slice() {
            [row] if given.count == 1 && row.len() == 1 => row[0].as_deref(),
            [row] if given.count == 1 => {
                let (actual, finding) = self.judge(false, show_counted(row.len(), "column"));
                let hint = "one value is one row of one column";
                return (actual, finding.map(|finding| finding.hint(hint)));
            }
            [] => return self.judge(false, "no row".to_owned()),
            _ => return self.judge(false, rows),
        };
        let Some(wanted) = &self.scalar else {
            let is_between = one.and_then(value::number).is_some_and(|number| {
                self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
            });
            return self.judge(is_between, SqlValue::Float(0.0).show_found(one));
        };
        let is_wanted = match self.tolerance {
            Some(tolerance) => wanted.is_near(one, tolerance),
            None => wanted.is(one),
        };
        if is_wanted && !wanted.has_many_spellings() {
            return (wanted.show(), None);
        }
        self.judge(is_wanted, wanted.show_found(one))
    }

    fn judge(&self, is_good: bool, actual: String) -> (String, Option<Finding>) {
        let finding = (!is_good).then(|| self.finding(actual.clone()));
        (actual, finding)
    }

    fn finding(&self, actual: String) -> Finding {
        Finding::new(self.expectation(), actual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Answer;
    use rstest::rstest;

    fn check(toml: &str) -> Sql {
        toml::from_str(&format!("query = 'SELECT 1'\n{toml}")).unwrap()
    }

    /// Rows between `;`, columns between `|`, `~` for NULL.
    fn given(rows: &str) -> Given {
        let value = |text: &str| (text != "~").then(|| text.to_owned());
        let rows = rows.split(';').filter(|row| !row.is_empty());
        let answer = Answer {
            rows: rows
                .map(|row| row.split('|').map(value).collect())
                .collect(),
            ..Answer::default()
        };
        Given {
            count: answer.rows.len() as u64,
            answer,
        }
    }

    #[rstest]
    #[case("scalar = 5", "5", true)]
    #[case("scalar = 5", "6", false)]
    #[case("scalar = 5", "", false)]
    #[case("scalar = 5", "5;5", false)]
    #[case("scalar = 5", "5|5", false)]
    #[case("scalar = { null = true }", "~", true)]
    #[case("scalar = { null = true }", "", false)]
    #[case("min = 1", "1", true)]
    #[case("min = 1", "0.5", false)]
    #[case("min = 1", "~", false)]
    #[case("max = 1", "two", false)]
    #[case("no-rows = true", "", true)]
    #[case("no-rows = true", "~", false)]
    #[case("row-count = 2", "~;~", true)]
    #[case("row-count = 1", "~;~", false)]
    #[case("row-count = 1\ntolerance = 1", "~;~", true)]
    #[case("error = '42501'", "", false)]
    fn answers_are_compared(#[case] toml: &str, #[case] rows: &str, #[case] good: bool) {
        assert_eq!(check(toml).compare(&given(rows)).1.is_none(), good);
    }
}
