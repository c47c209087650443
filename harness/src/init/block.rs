//! One check of a scenario as data, and as the TOML that a person reads.

use std::fmt::Write as _;

use crate::toml_text;

/// Keys with their values, in order.
pub type Keys = Vec<(String, Value)>;

/// Columns of a line, as far as lists can be broken.
const WIDTH: usize = 110;

/// A value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Self>),
    /// A list whose entries are long: each has a line of its own.
    Rows(Vec<Self>),
    /// An inline table.
    Inline(Keys),
}

/// Makes keys of what is at hand.
pub fn keys<const N: usize>(entries: [(&str, Value); N]) -> Keys {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl Value {
    /// Writes it on one line.
    fn line(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Number(number) => group(*number),
            Self::Flag(flag) => flag.to_string(),
            Self::List(list) | Self::Rows(list) => {
                let items: Vec<String> = list.iter().map(Self::line).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Inline(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Inline(entries) => {
                let items: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{} = {}", bare(key), value.line()))
                    .collect();
                format!("{{ {} }}", items.join(", "))
            }
        }
    }

    /// Writes it behind `key = `; a long list is broken into lines, short entries several on one.
    #[must_use]
    pub fn write(&self, key: &str) -> String {
        let line = format!("{} = {}", bare(key), self.line());
        let list = match self {
            Self::Rows(list) if list.len() > 1 || line.chars().count() > WIDTH => list,
            Self::List(list) if line.chars().count() > WIDTH => list,
            _ => return line,
        };
        // Tables in a list are read one below the other.
        let each = |item: &Self| matches!(item, Self::Inline(_)) || matches!(self, Self::Rows(_));
        let mut text = format!("{} = [\n", bare(key));
        let mut row = String::new();
        for value in list {
            let item = value.line();
            if each(value) {
                let _ = writeln!(text, "    {item},");
                continue;
            }
            if !row.is_empty() && row.chars().count() + item.chars().count() + 6 > WIDTH {
                let _ = writeln!(text, "    {}", row.trim_end());
                row.clear();
            }
            row.push_str(&item);
            row.push_str(", ");
        }
        if !row.is_empty() {
            let _ = writeln!(text, "    {}", row.trim_end());
        }
        text.push(']');
        text
    }
}

/// Writes a text as TOML, without anything that a scenario would take from the environment.
#[must_use]
pub fn quote(text: &str) -> String {
    toml_text::line(&unexpanded(text))
}

/// A key, quoted where it must be.
fn bare(key: &str) -> String {
    toml_text::key(&unexpanded(key))
}

/// A text in which nothing stands for a variable of the environment.
fn unexpanded(text: &str) -> String {
    text.replace("${", "$${")
}

/// `1234567` → `1_234_567`.
fn group(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('_');
        }
        out.push(c);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// What became of a check when it was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// It was not tried, or it holds.
    #[default]
    Stands,
    /// A stricter one did not hold, for this reason.
    Weaker(String),
    /// It does not hold, for this reason, and is written as a comment.
    LeftOut(String),
}

/// One check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// Its kind, as in `row-count`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What a person should know of it.
    pub comments: Vec<String>,
    /// What is not known but guessed.
    pub guess: Option<String>,
    /// Keys and values, in order.
    pub body: Keys,
    /// Arrays of tables in it: `[[check.rls.behaviour]]`.
    pub tables: Vec<(&'static str, Keys)>,
    /// Tables in it: `[check.index.used-by]`.
    pub table: Option<(&'static str, Keys)>,
    /// The database, where the backup holds several.
    pub database: Option<String>,
    /// Weaker checks that may take its place, the strictest first.
    pub otherwise: Vec<Self>,
    /// What became of it.
    pub state: State,
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

    /// Adds a key where there is a value.
    #[must_use]
    pub fn maybe(self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds `table` or `tables`.
    #[must_use]
    pub fn of_tables(self, names: &[String]) -> Self {
        match names {
            [one] if !one.contains(['*', '?']) => self.with("table", one.as_str()),
            many => self.with("tables", many.to_vec()),
        }
    }

    /// Leaves out keys.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.body.retain(|(key, _)| !keys.contains(&key.as_str()));
        self
    }

    /// Says what is guessed.
    #[must_use]
    pub fn guess(mut self, guess: impl Into<String>) -> Self {
        self.guess = Some(guess.into());
        self
    }

    /// Says what a person should know.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comments.push(comment.into());
        self
    }

    /// Gives weaker checks that may take its place.
    #[must_use]
    pub fn or(mut self, weaker: Self) -> Self {
        self.otherwise.push(weaker);
        self
    }

    /// Writes it as TOML, with its comments above; one that is left out as a comment.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for comment in &self.comments {
            text.push_str(&commented(comment));
        }
        if let Some(guess) = &self.guess {
            text.push_str(&commented(&format!("Guessed: {guess}")));
        }
        let body = self.toml();
        match &self.state {
            State::Stands => text.push_str(&body),
            State::Weaker(reason) => {
                text.push_str(&commented(&format!(
                    "Weaker than it should be, since the stricter one does not hold in this backup: {reason}"
                )));
                text.push_str(&body);
            }
            State::LeftOut(reason) => {
                text.push_str(&commented(&format!(
                    "left out: it does not hold in this backup: {reason}"
                )));
                for line in body.lines() {
                    text.push_str(format!("# {line}").trim_end());
                    text.push('\n');
                }
            }
        }
        text
    }

    /// The TOML alone.
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

/// Writes a text as comment lines.
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
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.orders", "\"app.orders\"")]
    #[case("\"My\".\"T\"", "'\"My\".\"T\"'")]
    #[case("a'b\"c", "\"a'b\\\"c\"")]
    #[case("${HOME}", "\"$${HOME}\"")]
    #[case("a\nb", "\"a\\nb\"")]
    fn texts_are_quoted_as_a_person_would(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(quote(text), shown);
    }

    #[rstest]
    #[case(5, "5")]
    #[case(1000, "1_000")]
    #[case(1_234_567, "1_234_567")]
    #[case(-1, "-1")]
    fn numbers_are_grouped(#[case] number: i64, #[case] shown: &str) {
        assert_eq!(group(number), shown);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(text in "\\PC*|[\\x00-\\x7f]*", key in "\\PC+") {
            prop_assume!(!text.contains("${"));
            let written = format!("{} = {}", bare(&key.replace("${", "")), quote(&text));
            let read: toml::Table = toml::from_str(&written).unwrap();
            prop_assert_eq!(read.values().next().unwrap().as_str().unwrap(), text);
        }
    }

    #[test]
    fn a_check_that_does_not_hold_is_a_comment() {
        let mut block = Block::new("row-count", "orders")
            .with("table", "app.orders")
            .with("min", 1_u64);
        block.state = State::LeftOut("0 rows".to_owned());
        insta::assert_snapshot!(block.render(), @r#"
        # left out: it does not hold in this backup: 0 rows
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
