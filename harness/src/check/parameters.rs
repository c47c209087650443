//! Errors in the parameters of a check that their shape does not show.

use std::fmt::Display;

use toml::Spanned;
use toml::de::DeValue;

use crate::check::privilege::one_statement;
use crate::input::Problem;
use crate::input::table::span_within;
use crate::sql::QualifiedName;

/// Collects errors in the parameters of one check, each with the place of its key in the file.
pub struct ParameterErrors<'a> {
    parameters: &'a Spanned<DeValue<'a>>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> ParameterErrors<'a> {
    /// Takes the parameters as they are in the file, and the list that errors are added to.
    pub const fn new(parameters: &'a Spanned<DeValue<'a>>, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            parameters,
            problems,
        }
    }

    /// Reports an error in the value of `key`; where the file does not have the key, at the check.
    pub fn at(&mut self, key: &str, message: impl Into<String>) -> &mut Problem {
        let table = self.parameters.get_ref().as_table();
        let span = table
            .and_then(|table| table.get(key))
            .unwrap_or(self.parameters)
            .span();
        self.add(Problem::at(span, message))
    }

    /// Reports an error in the value at a path of keys and indexes of lists, or in what of it is there.
    pub fn within(&mut self, path: &[&str], message: impl Into<String>) -> &mut Problem {
        let span = span_within(self.parameters, path);
        self.add(Problem::at(span, message))
    }

    /// Reports an error in one item of the list that is the value of `key`.
    pub fn at_item(&mut self, key: &str, index: usize, message: impl Into<String>) -> &mut Problem {
        let table = self.parameters.get_ref().as_table();
        let item = table
            .and_then(|table| table.get(key)?.get_ref().as_array()?.get(index))
            .unwrap_or(self.parameters);
        self.add(Problem::at(item.span(), message))
    }

    /// Reports an error of the check as a whole.
    pub fn whole(&mut self, message: impl Into<String>) -> &mut Problem {
        self.add(Problem::at(self.parameters.span(), message))
    }

    fn add(&mut self, problem: Problem) -> &mut Problem {
        let at = self.problems.len();
        self.problems.push(problem);
        &mut self.problems[at]
    }

    /// Reports that the check would pass on any database, unless one of its assertions is given.
    pub fn require_assertion<const N: usize>(&mut self, given: [bool; N], hint: &str) {
        if !given.contains(&true) {
            self.whole("this check asserts nothing").add_hint(hint);
        }
    }

    /// Reports an empty text.
    pub fn refuse_empty(&mut self, key: &str, text: &str) {
        if text.is_empty() {
            self.at(key, format!("`{key}` is empty"));
        }
    }

    /// Reports each key that is given, in words that follow the key: "needs a `period`".
    pub fn each<const N: usize>(&mut self, keys: [(&str, bool); N], words: &str, hint: &str) {
        for (key, _) in keys.into_iter().filter(|(_, given)| *given) {
            self.at(key, format!("`{key}` {words}")).add_hint(hint);
        }
    }

    /// Reports each key that is given although the check is about several tables.
    pub fn require_one_table<const N: usize>(&mut self, keys: [(&str, bool); N]) {
        let hint = "write `table = \"schema.name\"`, and a check for each";
        self.each(keys, "is about one table", hint);
    }

    /// Reports why a value of `key` cannot be read.
    pub fn require<T>(&mut self, key: &str, read: Result<T, String>) {
        if let Err(message) = read {
            self.at(key, message);
        }
    }

    /// Reports names that are not qualified; `shape` is how they are written: `schema.table`.
    pub fn require_names<'n>(
        &mut self,
        key: &str,
        names: impl IntoIterator<Item = &'n String>,
        shape: &str,
    ) {
        for name in names {
            if let Err(message) = QualifiedName::parse(name) {
                self.at(key, message).add_hint(format!("write `{shape}`"));
            }
        }
    }

    /// Reports statements that cannot be tried in a transaction that is rolled back.
    pub fn require_statements<'s>(
        &mut self,
        key: &str,
        statements: impl IntoIterator<Item = &'s String>,
    ) {
        for sql in statements {
            self.require(key, one_statement(sql));
        }
    }

    /// Reports a text that is more, or less, than the one condition of a WHERE clause.
    pub fn require_condition(&mut self, key: &str, condition: Option<&String>) {
        if condition.is_some_and(|text| text.trim().is_empty() || text.contains(';')) {
            self.at(key, "`where` is one condition")
                .add_hint("write it without WHERE; a `;` inside a text can be written `chr(59)`");
        }
    }

    /// Reports names that no environment variable can have.
    pub fn require_variables<'v>(
        &mut self,
        key: &str,
        names: impl IntoIterator<Item = &'v String>,
    ) {
        for name in names {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.at(key, format!("`{name}` cannot be the name of a variable"));
            }
        }
    }

    /// Reports a pattern in a key for one name, where `list` is the key for several.
    pub fn refuse_pattern(&mut self, key: &str, list: &str, name: Option<&String>) {
        if let Some(name) = name.filter(|name| name.contains(['*', '?'])) {
            self.at(key, format!("a pattern belongs in `{list}`"))
                .add_hint(format!("write `{list} = [\"{name}\"]`"));
        }
    }

    /// Reports a `min` that is more than `max`.
    pub fn refuse_empty_range<T: PartialOrd + Display>(&mut self, min: Option<T>, max: Option<T>) {
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            self.at("min", format!("`min` {min} is more than `max` {max}"));
        }
    }
}

/// Gives what `validate` reports of parameters that are in no file.
#[cfg(test)]
pub fn errors_of(validate: impl FnOnce(&mut ParameterErrors<'_>)) -> Vec<Problem> {
    let parameters = Spanned::new(0..0, DeValue::Boolean(true));
    let mut problems = Vec::new();
    validate(&mut ParameterErrors::new(&parameters, &mut problems));
    problems
}
