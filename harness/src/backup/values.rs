//! What a backup says of the values of a table's rows: a digest of them, and in which form they stand.

use crate::digest::RowsDigest;

/// How the values of a table's rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As COPY text, or as literals that say the same.
    #[default]
    Text,
    /// In a way that only the server can read: `ARRAY[…]`, casts, escapes.
    Read,
    /// By functions and defaults, whose values are those of the moment of the restore.
    Computed,
    /// In rows that do not say which columns they are for in the same way.
    Mixed,
    /// In a way that is not looked into, such as CSV, or statements that take rows from queries.
    Other,
}

/// The values of one table's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Rows and their digest, each as a line of COPY text.
    pub digest: RowsDigest,
    /// The columns as they are written, with their parentheses; empty where none are named.
    pub columns: String,
    /// Places of columns for which every INSERT says DEFAULT; they have no value in the rows.
    pub defaults: Vec<usize>,
    /// Values of each row, in INSERTs that name no columns.
    pub width: usize,
    /// How they are written.
    pub form: Form,
    /// Whether they come in INSERTs.
    pub inserts: bool,
}

impl Values {
    /// Adds other rows of the same table.
    pub fn merge(&mut self, other: &Self) {
        if other.digest.count == 0 && other.form == Form::Text {
            return;
        }
        if self.digest.count == 0 && self.form == Form::Text {
            *self = other.clone();
            return;
        }
        self.digest.merge(&other.digest);
        self.form = self.form.max(other.form);
        if self.columns != other.columns
            || self.defaults != other.defaults
            || self.width != other.width
            || self.inserts != other.inserts
        {
            self.form = self.form.max(Form::Mixed);
        }
    }
}
