//! The values of the rows of a table: their digest, and their form.

use crate::digest::RowsDigest;
use crate::encoding::Encoding;
use crate::script::literal::Form;
use crate::sql::{TokenKind, quote_ident, read_identifier, tokens};

/// The values of one table's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Rows and their digest, each as a line of COPY text.
    pub digest: RowsDigest,
    /// The columns as they are written, with their parentheses; empty where none are named.
    pub columns: String,
    /// Positions of columns that are DEFAULT in every INSERT; they have no value in the rows.
    pub defaults: Vec<usize>,
    /// Values of each row, in INSERTs that name no columns.
    pub width: usize,
    /// The encoding of the rows.
    pub encoding: Encoding,
    /// How they are written.
    pub form: Form,
    /// Whether they are in INSERTs.
    pub inserts: bool,
}

impl Values {
    /// Adds other rows of the same table.
    pub fn merge(&mut self, other: &Self) {
        let mut form = self.form.max(other.form);
        let inserts = self.inserts || other.inserts;
        if self.digest.count == 0 {
            // Without a row that was read, nothing is known of columns.
            *self = other.clone();
        } else if other.digest.count > 0 {
            if self.encoding != other.encoding {
                form = form.max(Form::Other);
            }
            if self.columns != other.columns && self.same_columns(other) {
                form = form.max(Form::Read);
            } else if self.columns != other.columns
                || self.defaults != other.defaults
                || self.width != other.width
                || self.inserts != other.inserts
            {
                form = form.max(Form::Mixed);
            }
            self.digest.merge(&other.digest);
        }
        (self.form, self.inserts) = (form, inserts);
    }

    /// Whether both name the same columns, in another order, as partitions do that are loaded through
    /// their root.
    fn same_columns(&self, other: &Self) -> bool {
        let sorted = |values: &Self| {
            let mut names = names(&values.columns);
            names.sort();
            names
        };
        !(self.inserts || other.inserts) && sorted(self) == sorted(other)
    }
}

/// The names in a list of columns, quoted anew.
#[must_use]
pub fn names(list: &str) -> Vec<String> {
    tokens(list)
        .filter(|token| token.kind == TokenKind::Word)
        .map(|name| quote_ident(&read_identifier(name.text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn of(columns: &str, rows: &[&str], form: Form) -> Values {
        let mut values = Values {
            columns: columns.to_owned(),
            form,
            ..Values::default()
        };
        for row in rows {
            values.digest.add(row.as_bytes());
        }
        values
    }

    #[rstest]
    #[case(of("(a)", &["1"], Form::Text), of("(a)", &["2"], Form::Text), Form::Text)]
    #[case(of("", &[], Form::Text), of("(a)", &["1"], Form::Text), Form::Text)]
    #[case(of("", &[], Form::Read), of("(a)", &["1"], Form::Text), Form::Read)]
    #[case(of("(a)", &["1"], Form::Text), of("(b)", &["1"], Form::Text), Form::Mixed)]
    #[case(of("(a, b)", &["1\t2"], Form::Text), of("(b, a)", &["2\t1"], Form::Text), Form::Read)]
    #[case(of("(a)", &["1"], Form::Other), of("(b)", &["1"], Form::Text), Form::Other)]
    fn other_rows_are_added(#[case] left: Values, #[case] right: Values, #[case] form: Form) {
        let (mut one, mut two) = (left.clone(), right.clone());
        one.merge(&right);
        two.merge(&left);
        assert_eq!((one.digest, one.form), (two.digest, form));
        assert_eq!(two.form, form);
        assert_eq!(one.digest.count, left.digest.count + right.digest.count);
    }

    #[rstest]
    #[case("", &[])]
    #[case("(id)", &["id"])]
    #[case("(id, \"a, b\", \"c\"\")\")", &["id", "\"a, b\"", "\"c\"\")\""])]
    fn lists_of_columns_are_split(#[case] list: &str, #[case] expected: &[&str]) {
        assert_eq!(names(list), expected);
    }
}
