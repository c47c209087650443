//! The strict parser of identities: it reads what `print` writes, and says what it expected where.

use std::str::FromStr;

use super::kind::{NameForm, ObjectKind, PartKind};
use super::{ObjectId, ObjectPart};
use crate::sql::token::quoted_length;

/// Classes of objects in the text of default privileges.
pub(super) const CLASSES: &[&str] = &[
    "tables",
    "sequences",
    "functions",
    "types",
    "schemas",
    "large objects",
];

impl ObjectPart {
    /// Parses the part of an object of this kind: `column id` of `table app.orders`.
    ///
    /// # Errors
    /// What was expected where, and what was found.
    pub fn parse(of: ObjectKind, text: &str) -> Result<Self, String> {
        let found = PartKind::split(text).filter(|(kind, _)| of.has(*kind));
        let (kind, rest) =
            found.ok_or_else(|| format!("`{text}` is not a part of a {}", of.word()))?;
        let mut rest = Rest { text, rest };
        let schema = rest.schema_of(kind.form())?;
        let name = match kind.form() {
            NameForm::Alone => String::new(),
            _ => rest.name()?,
        };
        rest.end()?;
        Ok(Self { kind, schema, name })
    }
}

impl FromStr for ObjectId {
    type Err = String;

    /// Parses what `Display` prints. Names must be quoted where the server would quote them; unnecessary quotes are
    /// accepted.
    ///
    /// # Errors
    /// What was expected where, and what was found.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = ObjectKind::split(text).ok_or_else(|| {
            format!("`{text}` does not begin with a kind of object, as in `table app.orders`")
        })?;
        let mut rest = Rest { text, rest };
        let mut id = Self::new(kind, "");
        id.schema = rest.schema_of(kind.form())?;
        match kind.form() {
            NameForm::Alone => {}
            NameForm::Name | NameForm::Qualified => id.name = rest.name()?,
            NameForm::Routine => {
                id.name = rest.name()?;
                id.signature = Some(rest.brackets()?);
            }
            NameForm::Operator => {
                id.name = rest.symbol()?;
                id.signature = Some(rest.brackets()?);
            }
            NameForm::Method => {
                id.name = rest.name()?;
                rest.expect(" using ")?;
                id.signature = Some(rest.name()?);
            }
            NameForm::Cast => id.signature = Some(rest.brackets()?),
            NameForm::Transform => {
                id.signature = Some(rest.up_to(" language ")?);
                id.name = rest.name()?;
            }
            NameForm::Mapping => {
                id.signature = match rest.expect("PUBLIC") {
                    Ok(()) => None,
                    Err(_) => Some(rest.name()?),
                };
                rest.expect(" on ")?;
                id.name = rest.name()?;
            }
            NameForm::Defaults => {
                id.name = rest.name()?;
                if rest.expect(" in schema ").is_ok() {
                    id.schema = Some(rest.name()?);
                }
                rest.expect(" on ")?;
                let class = CLASSES.iter().find(|class| **class == rest.rest);
                let class = class.ok_or_else(|| rest.error("a class of objects"))?;
                id.signature = Some((*class).to_owned());
                rest.rest = "";
            }
            NameForm::Verbatim => {
                id.name = std::mem::take(&mut rest.rest).to_owned();
                if id.name.is_empty() {
                    return Err(rest.error("a name"));
                }
            }
        }
        if let Some(part) = rest.rest.strip_prefix(' ') {
            let part = ObjectPart::parse(kind, part);
            id.part = Some(part.map_err(|error| format!("`{text}`: {error}"))?);
            return Ok(id);
        }
        rest.end()?;
        Ok(id)
    }
}

/// A text and what of it is not parsed yet.
struct Rest<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Rest<'_> {
    fn error(&self, expected: &str) -> String {
        let found = match self.rest {
            "" => "the end".to_owned(),
            rest => format!("`{rest}`"),
        };
        format!("`{}`: expected {expected}, found {found}", self.text)
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.ok_or_else(|| self.error(&format!("`{}`", word.trim())))?;
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        match self.rest {
            "" => Ok(()),
            _ => Err(self.error("the end")),
        }
    }

    fn take(&mut self, bytes: usize) -> String {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken.to_owned()
    }

    /// Reads a name, quoted or plain.
    fn name(&mut self) -> Result<String, String> {
        if self.rest.starts_with('"') {
            let end = quoted_length(self.rest.as_bytes(), false).filter(|end| *end > 2);
            let end = end.ok_or_else(|| self.error("a name in quotes"))?;
            let quoted = self.take(end);
            return Ok(quoted[1..end - 1].replace("\"\"", "\""));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        match end {
            0 => Err(self.error("a name, in quotes where it is not plain lower case")),
            _ => Ok(self.take(end)),
        }
    }

    /// Reads the schema and its dot, where a name of this form has one.
    fn schema_of(&mut self, form: NameForm) -> Result<Option<String>, String> {
        if !form.has_schema() {
            return Ok(None);
        }
        let schema = self.name()?;
        self.expect(".")?;
        Ok(Some(schema))
    }

    /// Reads the name of an operator.
    fn symbol(&mut self) -> Result<String, String> {
        let end = self
            .rest
            .find(|c| !"+-*/<>=~!@#%^&|`?".contains(c))
            .unwrap_or(0);
        match end {
            0 => Err(self.error("an operator")),
            _ => Ok(self.take(end)),
        }
    }

    /// Reads a pair of brackets; gives what is in it.
    fn brackets(&mut self) -> Result<String, String> {
        let mut depth = 0_usize;
        let is_open = self.rest.starts_with('(');
        for (at, c) in outside_quotes(self.rest).take_while(|_| is_open) {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let all = self.take(at + 1);
                return Ok(all[1..at].to_owned());
            }
        }
        Err(self.error("types in brackets"))
    }

    /// Reads up to a word outside of quotes, and the word; gives what is before it.
    fn up_to(&mut self, word: &str) -> Result<String, String> {
        let mut all = outside_quotes(self.rest);
        let at = all.find(|(at, _)| *at > 0 && self.rest[*at..].starts_with(word));
        let (at, _) = at.ok_or_else(|| self.error(&format!("`{}`", word.trim())))?;
        let found = self.take(at);
        self.expect(word)?;
        Ok(found)
    }
}

/// The characters outside of quoted names, with their positions.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quoted = false;
    text.char_indices().filter(move |(_, c)| {
        quoted ^= *c == '"';
        !quoted && *c != '"'
    })
}
