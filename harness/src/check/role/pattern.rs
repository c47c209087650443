//! Names and patterns as a scenario writes them.

use crate::sql::QualifiedName;

/// A piece of an entry: a word, a name, a comma or a bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// Cuts an entry at blanks, commas and brackets outside double quotes.
///
/// # Errors
/// When a quote is not closed.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut begin: Option<usize> = None;
    let mut quoted = false;
    let mut pieces = Vec::new();
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        }
        let cut = !quoted && (c.is_whitespace() || matches!(c, ',' | '(' | ')'));
        if cut {
            if let Some(start) = begin.take() {
                pieces.push((start, at));
            }
            if !c.is_whitespace() {
                pieces.push((at, at + c.len_utf8()));
            }
        } else if begin.is_none() {
            begin = Some(at);
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    if let Some(start) = begin {
        pieces.push((start, text.len()));
    }
    Ok(pieces
        .into_iter()
        .filter_map(|(start, end)| {
            Some(Token {
                text: text.get(start..end)?,
                start,
                end,
            })
        })
        .collect())
}

/// A name in which `*` and `?` stand for anything and for one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Takes a pattern as it is.
    #[must_use]
    pub fn raw(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Takes the name of a role as it is, since that may be anything (`alice@example.com`); in double
    /// quotes as SQL quotes it.
    ///
    /// # Errors
    /// When there is no name.
    pub fn role(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("a role has a name".to_owned()),
            quoted if quoted.starts_with('"') => Self::ident(quoted),
            plain => Ok(Self(plain.to_owned())),
        }
    }

    /// Reads one identifier; unquoted it is folded to lower case as the server does.
    ///
    /// # Errors
    /// A lowercase fragment.
    pub fn ident(text: &str) -> Result<Self, String> {
        let name = QualifiedName::parse(text)?;
        if name.schema == "public" && !text.trim().to_lowercase().starts_with("public.") {
            Ok(Self(name.name))
        } else {
            Err(format!("`{text}` has more than one name"))
        }
    }

    /// The text, when it names exactly one thing.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }

    /// The pattern's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Tells whether it matches. Takes no more than the product of both lengths.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) =
            (self.0.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == '?' || Some(c) == text.get(t) => {
                    p += 1;
                    t += 1;
                }
                _ => match star {
                    Some((at, from)) => {
                        star = Some((at, from + 1));
                        p = at + 1;
                        t = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern
            .get(p..)
            .is_none_or(|rest| rest.iter().all(|c| *c == '*'))
    }
}

/// A name or pattern of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As the scenario writes it.
    pub text: String,
    /// The schema, where the kind has one; otherwise it matches everything.
    pub schema: Glob,
    /// The name.
    pub name: Glob,
    /// The arguments of a function, as written: `integer, text`.
    pub arguments: Option<String>,
    /// The function's oid, once the server was asked; empty when there is none.
    pub oid: Option<String>,
}

impl Name {
    /// Matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self::raw("*")
    }

    /// Takes a text as it is, without a schema.
    #[must_use]
    pub fn raw(text: &str) -> Self {
        Self {
            text: text.trim().to_owned(),
            schema: Glob::any(),
            name: Glob(text.trim().to_owned()),
            arguments: None,
            oid: None,
        }
    }

    /// Everything in a schema.
    #[must_use]
    pub fn all_in(schema: Self) -> Self {
        Self {
            text: format!("{}.*", schema.text),
            schema: schema.name,
            name: Glob::any(),
            arguments: None,
            oid: None,
        }
    }

    /// Reads a list of names, separated by commas outside brackets and quotes.
    ///
    /// # Errors
    /// A lowercase fragment.
    pub fn list(text: &str, in_schema: bool) -> Result<Vec<Self>, String> {
        let mut names = Vec::new();
        let (mut depth, mut quoted, mut from) = (0_i32, false, 0);
        let mut cuts = Vec::new();
        for (at, c) in text.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth -= 1,
                ',' if !quoted && depth == 0 => {
                    cuts.push((from, at));
                    from = at + 1;
                }
                _ => {}
            }
        }
        cuts.push((from, text.len()));
        for (start, end) in cuts {
            names.push(Self::one(
                text.get(start..end).unwrap_or_default().trim(),
                in_schema,
            )?);
        }
        Ok(names)
    }

    fn one(text: &str, in_schema: bool) -> Result<Self, String> {
        let bracket = text.find('(').filter(|at| {
            let before = text.get(..*at).unwrap_or_default();
            before.matches('"').count() % 2 == 0
        });
        let (named, arguments) = match bracket {
            Some(at) => {
                let inner = text
                    .get(at + 1..)
                    .and_then(|rest| rest.strip_suffix(')'))
                    .ok_or_else(|| format!("`{text}` has a bracket that is not closed"))?;
                (
                    text.get(..at).unwrap_or_default().trim(),
                    Some(inner.trim().to_owned()),
                )
            }
            None => (text, None),
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
            (Glob(parsed.schema), Glob(parsed.name))
        } else if named.contains('"') {
            (Glob::any(), Glob::ident(named)?)
        } else {
            // Parameters have dots in their names, large objects are numbers.
            (Glob::any(), Glob(named.to_lowercase()))
        };
        // An unqualified name means the schema public, and the texts say so.
        let shown = match (in_schema, schema.text()) {
            (true, "public") if !named.contains('.') => format!("public.{text}"),
            _ => text.to_owned(),
        };
        Ok(Self {
            text: shown,
            schema,
            name,
            arguments,
            oid: None,
        })
    }

    /// Whether it names one thing, not whatever matches.
    #[must_use]
    pub fn is_exact(&self, in_schema: bool) -> bool {
        (!in_schema || self.schema.exact().is_some()) && self.name.exact().is_some()
    }

    /// Tells whether it names this object.
    #[must_use]
    pub fn names(&self, schema: &str, name: &str, oid: &str) -> bool {
        match &self.oid {
            Some(known) => known == oid,
            None => self.schema.matches(schema) && self.name.matches(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("org_*", "org_acme", true)]
    #[case("org_*", "plur", false)]
    #[case("*_log", "recall_log", true)]
    #[case("a*b*c", "axxbyyc", true)]
    #[case("a*b*c", "axxbyy", false)]
    #[case("a?c", "abc", true)]
    #[case("a?c", "ac", false)]
    #[case("*", "", true)]
    #[case("ü*", "über", true)]
    #[case("a_c", "abc", false)]
    fn patterns_match(#[case] pattern: &str, #[case] text: &str, #[case] hit: bool) {
        assert_eq!(Glob(pattern.to_owned()).matches(text), hit);
    }

    #[test]
    fn roles_are_called_as_they_are() {
        assert_eq!(
            Glob::role("alice@example.com").unwrap().text(),
            "alice@example.com"
        );
        assert_eq!(Glob::role("\"My Role\"").unwrap().text(), "My Role");
        assert_eq!(Glob::role("App").unwrap().text(), "App");
        assert!(Glob::role(" ").is_err());
    }

    #[test]
    fn quoted_names_keep_their_case_and_their_commas() {
        let names = Name::list("\"My App\".\"Or,ders\", App.Users", true).unwrap();
        assert!(names[0].names("My App", "Or,ders", "1"));
        assert!(names[1].names("app", "users", "1"));
        assert_eq!(names.len(), 2);
    }
}
