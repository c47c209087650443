//! Names and patterns of objects and roles as a scenario writes them.

use super::facts::ObjectFacts;
use crate::sql::{self, Glob, QualifiedName};

/// A piece of an entry: a word, a name, a comma or a bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The text of the entry.
    pub text: &'a str,
    /// Position of its first byte.
    pub start: usize,
}

impl Piece<'_> {
    /// Position after its last byte.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Splits an entry at spaces, commas and brackets outside of double quotes.
///
/// # Errors
/// When a quote is not closed.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    if text.matches('"').count() % 2 == 1 {
        return Err("a quote is not closed".to_owned());
    }
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for token in sql::tokens(text) {
        let stands_alone = |text: &str| matches!(text, "," | "(" | ")");
        match pieces.last_mut() {
            // Patterns, and roles such as `alice@example.com`, are several tokens without a space.
            Some(last)
                if last.end() == token.start
                    && !stands_alone(last.text)
                    && !stands_alone(token.text) =>
            {
                last.text = text.get(last.start..token.end()).unwrap_or_default();
            }
            _ => pieces.push(Piece {
                text: token.text,
                start: token.start,
            }),
        }
    }
    Ok(pieces)
}

/// Parses a pattern for a role. Unquoted it is taken literally, since role names often contain other characters
/// (`alice@example.com`); in double quotes it is parsed as in SQL.
///
/// # Errors
/// When it is empty.
pub fn role_pattern(text: &str) -> Result<Glob, String> {
    match text.trim() {
        "" => Err("the name of the role is missing".to_owned()),
        quoted if quoted.starts_with('"') => identifier_pattern(quoted),
        plain => Ok(Glob::new(plain)),
    }
}

/// Parses a pattern for one identifier, which is folded to lower case unless it is quoted.
///
/// # Errors
/// A lowercase fragment.
pub fn identifier_pattern(text: &str) -> Result<Glob, String> {
    match sql::split_qualified(text) {
        (None, _) => Ok(Glob::new(&QualifiedName::parse(text)?.name)),
        (Some(_), _) => Err(format!("`{text}` has more than one name")),
    }
}

/// A name or pattern of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPattern {
    /// The text in the scenario.
    pub text: String,
    /// The schema; matches everything for a class without schemas.
    pub schema: Glob,
    /// The name.
    pub name: Glob,
    /// The arguments of a function: `integer, text`.
    pub arguments: Option<String>,
    /// The [`ObjectFacts::id`] of the function, after the server resolved it; empty if it does not exist.
    pub id: Option<String>,
}

impl ObjectPattern {
    fn new(text: &str, schema: Glob, name: Glob) -> Self {
        Self {
            text: text.to_owned(),
            schema,
            name,
            arguments: None,
            id: None,
        }
    }

    /// Creates a literal pattern without a schema.
    #[must_use]
    pub fn raw(text: &str) -> Self {
        Self::new(text.trim(), Glob::any(), Glob::new(text.trim()))
    }

    /// Everything in a schema.
    #[must_use]
    pub fn all_in(schema: Self) -> Self {
        Self::new(&format!("{}.*", schema.text), schema.name, Glob::any())
    }

    /// Parses names separated by commas outside of brackets and quotes.
    ///
    /// # Errors
    /// A lowercase fragment.
    pub fn list(text: &str, in_schema: bool) -> Result<Vec<Self>, String> {
        let (mut depth, mut from) = (0_i32, 0);
        let mut names = Vec::new();
        let mut one = |from: usize, to: usize| {
            let name = text.get(from..to).unwrap_or_default().trim();
            names.push(Self::one(name, in_schema)?);
            Ok::<(), String>(())
        };
        for piece in pieces(text)? {
            match piece.text {
                "(" => depth += 1,
                ")" => depth -= 1,
                "," if depth == 0 => {
                    one(from, piece.start)?;
                    from = piece.end();
                }
                _ => {}
            }
        }
        one(from, text.len())?;
        Ok(names)
    }

    fn one(text: &str, in_schema: bool) -> Result<Self, String> {
        let bracket = pieces(text)?.into_iter().find(|piece| piece.text == "(");
        let (named, behind) = text.split_at(bracket.map_or(text.len(), |piece| piece.start));
        let (named, arguments) = match behind.strip_prefix('(') {
            Some(inner) => {
                let inner = inner
                    .strip_suffix(')')
                    .ok_or_else(|| format!("`{text}` has a bracket that is not closed"))?;
                (named.trim(), Some(inner.trim().to_owned()))
            }
            None => (named, None),
        };
        if named.is_empty() {
            return Err("a name is missing".to_owned());
        }
        if named.chars().any(char::is_whitespace) && !named.contains('"') {
            return Err(format!("`{named}` is not a name"));
        }
        let (schema, name) = if in_schema {
            if named == "*" {
                return Err(
                    "`*` alone could be the schema public or all: write `*.*` or `public.*`"
                        .to_owned(),
                );
            }
            let parsed = QualifiedName::parse(named)?;
            (Glob::new(&parsed.schema), Glob::new(&parsed.name))
        } else if named.contains('"') {
            (Glob::any(), identifier_pattern(named)?)
        } else {
            // Parameters have dots in their names, large objects are numbers.
            (Glob::any(), Glob::new(&named.to_lowercase()))
        };
        // An unqualified name means the schema public, which messages show.
        let shown = match (in_schema, schema.text()) {
            (true, "public") if !named.contains('.') => format!("public.{text}"),
            _ => text.to_owned(),
        };
        Ok(Self {
            arguments,
            ..Self::new(&shown, schema, name)
        })
    }

    /// Schema (empty for a class without schemas) and name, if it is not a pattern.
    #[must_use]
    pub fn exact(&self, in_schema: bool) -> Option<(&str, &str)> {
        let schema = match in_schema {
            true => self.schema.exact()?,
            false => "",
        };
        Some((schema, self.name.exact()?))
    }

    /// Whether it matches this object.
    #[must_use]
    pub fn matches(&self, object: &ObjectFacts) -> bool {
        match &self.id {
            Some(id) => *id == object.id,
            None => self.schema.matches(&object.schema) && self.name.matches(&object.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::ObjectClass;
    use super::*;

    #[test]
    fn unquoted_roles_are_literal() {
        assert_eq!(
            role_pattern("alice@example.com").unwrap().text(),
            "alice@example.com"
        );
        assert_eq!(role_pattern("\"My Role\"").unwrap().text(), "My Role");
        assert_eq!(role_pattern("App").unwrap().text(), "App");
        assert!(role_pattern(" ").is_err());
    }

    #[test]
    fn quoted_names_keep_their_case_and_their_commas() {
        let names = ObjectPattern::list("\"My App\".\"Or,ders\", App.Users", true).unwrap();
        let table = |schema: &str, name: &str| ObjectFacts {
            schema: schema.to_owned(),
            name: name.to_owned(),
            ..ObjectFacts::new(ObjectClass::Table, "1".to_owned())
        };
        assert!(names[0].matches(&table("My App", "Or,ders")));
        assert!(names[1].matches(&table("app", "users")));
        assert_eq!(names.len(), 2);
    }
}
