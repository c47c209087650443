//! A policy as the catalog has it and as the check writes it.

use crate::catalog::Properties;
use crate::init::block::{Value, keys};
use crate::sql::{read_identifier, tokens, without_parentheses};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) permissive: bool,
    pub(super) roles: Vec<String>,
    pub(super) using: Option<String>,
    pub(super) with_check: Option<String>,
}

impl Policy {
    pub(super) fn of(name: &str, properties: &Properties) -> Self {
        let property = |name: &str| properties.get(name).cloned();
        let roles = property("roles").unwrap_or_default();
        let roles = tokens(&roles).filter(|token| token.text != ",");
        Self {
            name: name.to_owned(),
            command: property("command").unwrap_or_default(),
            permissive: property("mode").as_deref() == Some("permissive"),
            // PUBLIC becomes the `public` of the check.
            roles: roles.map(|token| read_identifier(token.text)).collect(),
            using: property("using"),
            with_check: property("with check"),
        }
    }

    pub(super) fn is_for_select(&self) -> bool {
        matches!(self.command.as_str(), "all" | "select")
    }

    /// Whether it lets every row pass.
    pub(super) fn is_true(&self) -> bool {
        let using = self.using.as_deref();
        using.is_some_and(|using| without_parentheses(using) == "true")
    }

    pub(super) fn value(&self) -> Value {
        let mut entries = keys([("name", self.name.as_str().into())]);
        let mut add = |key: &str, value: Value| entries.push((key.to_owned(), value));
        if self.command != "all" {
            add("command", self.command.as_str().into());
        }
        if !self.permissive {
            add("permissive", false.into());
        }
        if self.roles != ["public"] {
            add("roles", self.roles.clone().into());
        }
        if let Some(using) = &self.using {
            add("using", without_parentheses(using).into());
        }
        let implied = matches!(self.command.as_str(), "all" | "update");
        if let Some(check) = &self.with_check
            && !(implied && self.using.as_ref() == Some(check))
        {
            add("with-check", without_parentheses(check).into());
        }
        Value::Inline(entries)
    }
}
