//! One check of a scenario as data, and written as TOML with comments.
//!
//! - `value`: values of keys; `split`: one check of several objects as two

mod split;
mod value;

use std::fmt::Write as _;

pub use self::value::{Value, keys, quote};

/// Keys with their values, in order.
pub type Keys = Vec<(String, Value)>;

/// Maximum number of columns of a line, where a list can be broken.
const WIDTH: usize = 110;

/// Names in the name of a check; the number of the others follows.
pub const NAMED: usize = 3;

/// The result of running a check on the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// It passed, or was not run.
    #[default]
    Kept,
    /// A stricter one failed, for this reason.
    Weaker(String),
    /// It failed, for this reason, and is written as a comment.
    LeftOut(String),
    /// It is no valid check, for this reason, and is written as a comment.
    Undescribed(String),
}

/// One check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// Its kind, such as `row-count`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Comments above it.
    pub comments: Vec<String>,
    /// An assumption that it is based on.
    pub guess: Option<String>,
    /// Keys and values, in order.
    pub body: Keys,
    /// Arrays of tables in it: `[[check.rls.behaviour]]`.
    pub tables: Vec<(&'static str, Keys)>,
    /// Tables in it: `[check.index.used-by]`.
    pub table: Option<(&'static str, Keys)>,
    /// The database, where the backup holds several.
    pub database: Option<String>,
    /// Weaker checks that replace it if it fails, the strictest first.
    pub otherwise: Vec<Self>,
    /// What it is about where it names no object or names them by patterns, and the key that would list them.
    pub objects: Option<(&'static str, Vec<String>)>,
    /// The result of running it.
    pub state: State,
    /// Whether it was run and need not be run again.
    pub settled: bool,
}

impl Block {
    /// Begins a check.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.body.push((key.to_owned(), value.into()));
        self
    }

    /// Adds a key if there is a value.
    #[must_use]
    pub fn maybe(self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a list unless it is empty.
    #[must_use]
    pub fn list<T: Clone + Into<Value>>(self, key: &'static str, list: &[T]) -> Self {
        self.maybe(key, (!list.is_empty()).then(|| list.to_vec()))
    }

    /// Adds an inline table unless it is empty.
    #[must_use]
    pub fn inline(self, key: &'static str, entries: Keys) -> Self {
        self.maybe(key, (!entries.is_empty()).then_some(Value::Inline(entries)))
    }

    /// Adds `table` or `tables`.
    #[must_use]
    pub fn of_tables<T: ToString>(self, names: &[T]) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        match names.as_slice() {
            [one] if !one.contains(['*', '?']) => self.with("table", one.as_str()),
            _ => self.with("tables", names),
        }
    }

    /// Removes keys.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.body.retain(|(key, _)| !keys.contains(&key.as_str()));
        self
    }

    /// Sets the assumption that it is based on.
    #[must_use]
    pub fn guess(mut self, guess: impl Into<String>) -> Self {
        self.guess = Some(guess.into());
        self
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comments.push(comment.into());
        self
    }

    /// Adds a weaker check that replaces it if it fails.
    #[must_use]
    pub fn or(mut self, weaker: Self) -> Self {
        self.otherwise.push(weaker);
        self
    }

    /// Sets what it is about where no key lists it.
    #[must_use]
    pub fn objects<T: ToString>(mut self, key: &'static str, names: &[T]) -> Self {
        self.objects = Some((key, names.iter().map(ToString::to_string).collect()));
        self
    }

    /// Formats it as TOML below its comments; one that is left out as a comment.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for comment in &self.comments {
            text.push_str(&commented(comment));
        }
        if let Some(guess) = &self.guess {
            text.push_str(&commented(&format!("Guessed: {guess}")));
        }
        let remark = match &self.state {
            State::Kept => String::new(),
            State::Weaker(reason) => format!(
                "Weaker than intended, because the stricter check fails on this backup: {reason}"
            ),
            State::LeftOut(reason) => format!(
                "Left out, because it fails on this backup: {reason}. Either the backup has a fault, or the check is wrong."
            ),
            State::Undescribed(reason) => {
                format!("Left out, because it is invalid, which is a bug in redrill: {reason}")
            }
        };
        text.push_str(&commented(&remark));
        for line in self.toml().lines() {
            let begin = if self.is_comment() { "# " } else { "" };
            text.push_str(format!("{begin}{line}").trim_end());
            text.push('\n');
        }
        text
    }

    /// Whether it is written as a comment.
    #[must_use]
    pub const fn is_comment(&self) -> bool {
        matches!(self.state, State::LeftOut(_) | State::Undescribed(_))
    }

    /// Formats it without comments.
    fn toml(&self) -> String {
        let mut text = format!("[[check.{}]]\nname = {}\n", self.kind, quote(&self.name));
        if let Some(database) = &self.database {
            let _ = writeln!(text, "database = {}", quote(database));
        }
        let keys = |text: &mut String, body: &Keys| {
            for (key, value) in body {
                let _ = writeln!(text, "{}", value.write(key));
            }
        };
        keys(&mut text, &self.body);
        if let Some((name, body)) = &self.table {
            let _ = writeln!(text, "\n[check.{}.{name}]", self.kind);
            keys(&mut text, body);
        }
        for (name, body) in &self.tables {
            let _ = writeln!(text, "\n[[check.{}.{name}]]", self.kind);
            keys(&mut text, body);
        }
        text
    }
}

/// Formats a text as comment lines.
#[must_use]
pub fn commented(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut row = String::from("#");
        for word in line.split_whitespace() {
            if row.chars().count() + word.chars().count() + 1 > WIDTH {
                let _ = writeln!(out, "{row}");
                row = String::from("#");
            }
            row.push(' ');
            row.push_str(word);
        }
        let _ = writeln!(out, "{row}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_fails_is_a_comment() {
        let mut block = Block::new("row-count", "orders")
            .with("table", "app.orders")
            .with("min", 1_u64);
        block.state = State::LeftOut("0 rows".to_owned());
        insta::assert_snapshot!(block.render(), @r#"
        # Left out, because it fails on this backup: 0 rows. Either the backup has a fault, or the check is wrong.
        # [[check.row-count]]
        # name = "orders"
        # table = "app.orders"
        # min = 1
        "#);
    }

    #[test]
    fn long_lists_are_broken() {
        let names: Vec<String> = (0..12)
            .map(|n| format!("application.a_table_{n}"))
            .collect();
        let block = Block::new("index", "all")
            .of_tables(&names)
            .with("all-valid", true);
        insta::assert_snapshot!(block.render(), @r#"
        [[check.index]]
        name = "all"
        tables = [
            "application.a_table_0", "application.a_table_1", "application.a_table_2", "application.a_table_3",
            "application.a_table_4", "application.a_table_5", "application.a_table_6", "application.a_table_7",
            "application.a_table_8", "application.a_table_9", "application.a_table_10", "application.a_table_11",
        ]
        all-valid = true
        "#);
    }
}
