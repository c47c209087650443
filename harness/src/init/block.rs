//! One check of a scenario as data, and written as TOML with comments.

use std::fmt::Write as _;

use super::section::listed;
use crate::toml_text;

/// Keys with their values, in order.
pub type Keys = Vec<(String, Value)>;

/// Maximum number of columns of a line, where a list can be broken.
const WIDTH: usize = 110;

/// Keys that list the objects of a check, where an entry of the result is about one of them.
const LISTS: &[&str] = &["tables", "functions", "sequences"];

/// Names in the name of a check; the number of the others follows.
pub const NAMED: usize = 3;

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
    /// A list with each entry on a line of its own.
    Rows(Vec<Self>),
    /// An inline table.
    Inline(Keys),
}

/// Keys with their values.
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
    /// The text, unless it is a pattern.
    fn as_name(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.contains(['*', '?']) => Some(text.clone()),
            _ => None,
        }
    }

    /// Formats it on one line.
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

    /// Formats `key = value`; a long list is broken into lines with several short entries each.
    #[must_use]
    pub fn write(&self, key: &str) -> String {
        let line = format!("{} = {}", bare(key), self.line());
        let list = match self {
            Self::Rows(list) if list.len() > 1 || line.chars().count() > WIDTH => list,
            Self::List(list) if line.chars().count() > WIDTH => list,
            _ => return line,
        };
        // Tables in a list have a line each.
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

/// Formats a text as TOML that a scenario does not replace with variables of the environment.
#[must_use]
pub fn quote(text: &str) -> String {
    toml_text::line(&unexpanded(text))
}

/// A key, quoted where it must be.
fn bare(key: &str) -> String {
    toml_text::key(&unexpanded(key))
}

/// Escapes what would be a variable of the environment.
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

    /// Splits a check of several objects into one of the objects that did not fail, and one of those that did. `None` where it
    /// is not known what it is about, or no other object is left.
    #[must_use]
    pub fn split(&self, failed: &[String]) -> Option<(Self, Self)> {
        let lists = self.body.iter().find_map(|(key, value)| match value {
            Value::List(list) => {
                let key = LISTS.iter().find(|list| key == *list)?;
                Some((
                    *key,
                    list.iter().map(Value::as_name).collect::<Option<_>>()?,
                ))
            }
            _ => None,
        });
        let (key, all) = self.objects.clone().or(lists)?;
        let others: Vec<String> = all
            .iter()
            .filter(|one| !failed.contains(one))
            .cloned()
            .collect();
        if failed.is_empty() || others.is_empty() || others.len() + failed.len() != all.len() {
            return None;
        }
        Some((
            self.narrowed(key, &all, &others, Some(failed)),
            self.narrowed(key, &all, failed, None),
        ))
    }

    /// The check of some of its objects: a list of them, or all it names `except` those that failed.
    fn narrowed(
        &self,
        key: &'static str,
        all: &[String],
        kept: &[String],
        except: Option<&[String]>,
    ) -> Self {
        let mut block = self.clone();
        let value = |names: &[String]| Value::from(names.to_vec());
        let at = |block: &Self, key: &str| block.body.iter().position(|(own, _)| own == key);
        match (&self.objects, except) {
            (Some(_), Some(failed)) => {
                let mut names = failed.to_vec();
                if let Some(at) = at(&block, "except")
                    && let (_, Value::List(more)) = block.body.remove(at)
                {
                    names.extend(more.iter().filter_map(Value::as_name));
                }
                let end = at(&block, key).map_or(0, |at| at + 1);
                block.body.insert(end, ("except".to_owned(), value(&names)));
                block.objects = Some((key, kept.to_vec()));
            }
            (None, _) | (_, None) => {
                block = block.without(&["except"]);
                block.objects = None;
                match at(&block, key).and_then(|at| block.body.get_mut(at)) {
                    Some((_, list)) => *list = value(kept),
                    None => block.body.insert(0, (key.to_owned(), value(kept))),
                }
            }
        }
        let (before, now) = (listed(all, NAMED), listed(kept, NAMED));
        if block.name.contains(&before) {
            block.name = block.name.replace(&before, &now);
        } else if except.is_none() {
            block.name = format!("{}: {now}", block.name);
        }
        let weaker = self.otherwise.iter();
        block.otherwise = weaker
            .map(|weaker| weaker.narrowed(key, all, kept, except))
            .collect();
        block
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
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.orders", "\"app.orders\"")]
    #[case("\"My\".\"T\"", "'\"My\".\"T\"'")]
    #[case("a'b\"c", "\"a'b\\\"c\"")]
    #[case("${HOME}", "\"$${HOME}\"")]
    #[case("a\nb", "\"a\\nb\"")]
    fn texts_are_quoted_as_little_as_possible(#[case] text: &str, #[case] shown: &str) {
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
    fn a_check_of_several_tables_is_split() {
        let names = ["app.a", "app.b", "app.c"];
        let of = |kind, name: &str| Block::new(kind, name);
        let rls = of("rls", "row-level security of app.a, app.b, app.c").of_tables(&names);
        let rls = rls.clone().with("forced", true).or(rls);
        let failed = |name: &str| [name.to_owned()];
        let (others, alone) = rls.split(&failed("app.b")).unwrap();
        let constraint = of("constraint", "all are validated")
            .with("tables", vec!["app.*"])
            .with("all-valid", true)
            .objects("tables", &names);
        let (first, _) = constraint.split(&failed("app.b")).unwrap();
        let (second, last) = first.split(&failed("app.c")).unwrap();
        let sequence = of("sequence", "none is behind").with("owned", true);
        let (except, one) = sequence
            .clone()
            .objects("sequences", &names)
            .split(&failed("app.a"))
            .unwrap();
        let all = [
            &others,
            &others.otherwise[0],
            &alone,
            &second,
            &last,
            &except,
            &one,
        ];
        insta::assert_snapshot!(all.map(Block::render).join("\n"), @r#"
        [[check.rls]]
        name = "row-level security of app.a, app.c"
        tables = ["app.a", "app.c"]
        forced = true

        [[check.rls]]
        name = "row-level security of app.a, app.c"
        tables = ["app.a", "app.c"]

        [[check.rls]]
        name = "row-level security of app.b"
        tables = ["app.b"]
        forced = true

        [[check.constraint]]
        name = "all are validated"
        tables = ["app.*"]
        except = ["app.c", "app.b"]
        all-valid = true

        [[check.constraint]]
        name = "all are validated: app.c"
        tables = ["app.c"]
        all-valid = true

        [[check.sequence]]
        name = "none is behind"
        except = ["app.a"]
        owned = true

        [[check.sequence]]
        name = "none is behind: app.a"
        sequences = ["app.a"]
        owned = true
        "#);
        // All of them, one that it does not name, or nobody knows what it is about.
        let all = names.map(str::to_owned);
        assert_eq!(rls.split(&all), None);
        assert_eq!(rls.split(&failed("app.d")), None);
        assert_eq!(constraint.split(&failed("constraint x on app.a")), None);
        assert_eq!(sequence.split(&failed("app.a")), None);
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
