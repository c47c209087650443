//! Names and patterns of one kind of object.

use super::kind::NamedKind;
use crate::catalog::ObjectKind;
use crate::check::function::FunctionName;
use crate::rights::role_pattern;
use crate::sql::{Glob, name_parts};

/// A name or pattern as a scenario writes it.
#[derive(Debug, Clone)]
pub struct NameEntry {
    /// The text in the scenario.
    pub text: String,
    /// One pattern for each part: of schema, table and name, or fewer.
    path: Vec<Glob>,
    /// The function, where the text has the types of its arguments.
    pub function: Option<FunctionName>,
}

impl NameEntry {
    /// Reads a name or pattern of this kind.
    ///
    /// # Errors
    /// A lowercase fragment with the reason.
    pub fn parse(kind: NamedKind, text: &str) -> Result<Self, String> {
        let mut function = None;
        let path = if kind.is_routine() {
            let name = FunctionName::parse(text)?;
            if name.is_pattern() && name.has_types() {
                return Err(format!("`{text}` has both a pattern and types"));
            }
            let path = vec![Glob::new(&name.name.schema), Glob::new(&name.name.name)];
            function = Some(name).filter(FunctionName::has_types);
            path
        } else if kind == NamedKind::Object(ObjectKind::Role) {
            vec![role_pattern(text)?]
        } else {
            let mut parts = name_parts(text)?;
            if parts.len() + 1 == kind.parts() && parts.len() < 3 && kind.parts() > 1 {
                parts.insert(0, "public".to_owned());
            }
            if parts.len() != kind.parts() {
                return Err(format!(
                    "`{text}` does not name a {}, which is `{}`",
                    kind.word(),
                    kind.shape()
                ));
            }
            parts.iter().map(|part| Glob::new(part)).collect()
        };
        Ok(Self {
            text: text.trim().to_owned(),
            path,
            function,
        })
    }

    /// The name in parts, where it names exactly one thing.
    pub fn exact(&self) -> Option<Vec<&str>> {
        self.path.iter().map(Glob::exact).collect()
    }

    /// Whether it matches a name in parts, whichever types a function has.
    pub fn matches(&self, path: &[&str]) -> bool {
        self.path.len() == path.len()
            && self
                .path
                .iter()
                .zip(path)
                .all(|(glob, name)| glob.matches(name))
    }

    /// Whether `path` is a schema, or a table, that it names something in.
    pub fn is_in(&self, path: &[&str]) -> bool {
        let Some((_, of)) = self.path.split_last() else {
            return false;
        };
        of.len() == path.len() && of.iter().zip(path).all(|(glob, name)| glob.matches(name))
    }

    /// The schema that it names, or the table with its schema, as it is written; `None` for a kind without schemas.
    pub fn container(&self) -> Option<String> {
        let (_, of) = self.path.split_last()?;
        let of: Vec<&str> = of.iter().map(Glob::text).collect();
        (!of.is_empty()).then(|| of.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn entry(kind: &str, text: &str) -> Result<NameEntry, String> {
        NameEntry::parse(kind.to_owned().try_into().unwrap(), text)
    }

    #[rstest]
    #[case("table", "app.*", &["app", "orders"], true)]
    #[case("table", "orders", &["public", "orders"], true)]
    #[case("table", "App.\"Orders\"", &["app", "Orders"], true)]
    #[case("column", "app.orders.id", &["app", "orders", "id"], true)]
    #[case("column", "orders.id", &["public", "orders", "id"], true)]
    #[case("policy", "app.*.fence", &["app", "orders", "fence"], true)]
    #[case("policy", "app.*.fence", &["app", "orders", "gate"], false)]
    #[case("schema", "org_*", &["org_acme"], true)]
    #[case("role", "alice@example.com", &["alice@example.com"], true)]
    #[case("function", "app.f", &["app", "f"], true)]
    #[case("function", "app.f(integer)", &["app", "f"], true)]
    fn names_are_matched(
        #[case] kind: &str,
        #[case] text: &str,
        #[case] path: &[&str],
        #[case] hit: bool,
    ) {
        assert_eq!(entry(kind, text).unwrap().matches(path), hit);
    }

    #[rstest]
    #[case("table", "app.orders.id")]
    #[case("column", "id")]
    #[case("schema", "app.orders")]
    #[case("table", "app.")]
    #[case("table", "\"app")]
    #[case("role", "")]
    #[case("function", "app.f(integer")]
    #[case("function", "app.*(integer)")]
    fn other_texts_are_refused(#[case] kind: &str, #[case] text: &str) {
        assert!(entry(kind, text).is_err());
    }
}
