//! Rows of a catalog, read by the place of a column.

use crate::sql::QualifiedName;
use std::str::FromStr;

/// Columns of a row as the server prints them.
pub trait Columns {
    /// Gives the text of a column; `None` for NULL and where there is no such column.
    fn text(&self, at: usize) -> Option<String>;

    /// Reads a boolean; NULL is false.
    fn is_true(&self, at: usize) -> bool {
        self.text(at).as_deref() == Some("t")
    }

    /// Reads a number.
    fn number<T: FromStr>(&self, at: usize) -> Option<T> {
        self.text(at)?.parse().ok()
    }

    /// Reads a schema and, in the column behind it, a name.
    fn name(&self, at: usize) -> Option<QualifiedName> {
        Some(QualifiedName {
            schema: self.text(at)?,
            name: self.text(at + 1)?,
        })
    }
}

impl Columns for [Option<String>] {
    fn text(&self, at: usize) -> Option<String> {
        self.get(at).cloned().flatten()
    }
}
