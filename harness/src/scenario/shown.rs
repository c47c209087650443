//! The text of a scenario for the record: without what is written where a secret may be.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::schema;

/// Keys whose value may be a secret, and keys of tables of such values, as the schema of scenarios has them: so that none is
/// forgotten here.
static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut keys = BTreeSet::new();
    collect(&schema(), &mut keys);
    keys
});

/// Adds the keys of a schema whose value is of the type of secrets, or a table of these.
fn collect(schema: &Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let secret = properties.iter().filter(|(_, value)| is_secret(value));
        keys.extend(secret.map(|(key, _)| key.clone()));
    }
    match schema {
        Value::Object(map) => map.values().for_each(|value| collect(value, keys)),
        Value::Array(items) => items.iter().for_each(|value| collect(value, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a schema is the type of secrets, or that of a table of them.
fn is_secret(schema: &Value) -> bool {
    let refers = |schema: &Value| {
        let name = schema.get("$ref").and_then(Value::as_str);
        name.is_some_and(|name| name.ends_with("/SecretText"))
    };
    let any = schema.get("anyOf").and_then(Value::as_array);
    refers(schema)
        || schema.get("additionalProperties").is_some_and(refers)
        || any.is_some_and(|all| all.iter().any(is_secret))
}

/// The text with `***` in place of each text that is written where a secret may be; where a secret is only named
/// (`{ env = "NAME" }`), the name stays. Empty for what is no TOML.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let Ok(table) = DeTable::parse(text) else {
        return String::new();
    };
    let mut spans = Vec::new();
    for (key, value) in table.get_ref() {
        find(key.get_ref(), value, &mut spans);
    }
    spans.sort_by_key(|span| span.start);
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for span in spans {
        out.push_str(&text[end..span.start]);
        out.push_str("\"***\"");
        end = span.end;
    }
    out.push_str(&text[end..]);
    out
}

/// Finds the places of texts of secrets in the value of a key.
pub(super) fn find(key: &str, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    let may_be_secret = KEYS.contains(key);
    match value.get_ref() {
        DeValue::String(_) if may_be_secret => spans.push(value.span()),
        // A table of texts: each is one, whatever its name, where a person chooses the names.
        DeValue::Table(table) if may_be_secret => {
            let is_reference = !["env", "headers"].contains(&key) && is_reference(table);
            for (_, value) in table {
                if let DeValue::String(_) = value.get_ref()
                    && !is_reference
                {
                    spans.push(value.span());
                }
            }
        }
        DeValue::Table(table) => {
            for (key, value) in table {
                find(key.get_ref(), value, spans);
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| find(key, item, spans)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Whether a table names where a secret is.
fn is_reference(table: &DeTable<'_>) -> bool {
    table.len() == 1
        && table
            .iter()
            .any(|(key, _)| matches!(key.get_ref().as_ref(), "env" | "file"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_keys_are_those_of_the_schema() {
        let known = [
            "access-key-id",
            "age-identity",
            "bearer",
            "env",
            "headers",
            "password",
            "secret-access-key",
            "session-token",
            "text",
            "token",
            "url",
            "user",
        ];
        for key in known {
            assert!(KEYS.contains(key), "{key} is not among {:?}", *KEYS);
        }
        for key in ["name", "query", "path", "command", "check", "backup"] {
            assert!(!KEYS.contains(key), "{key}");
        }
    }

    #[rstest]
    #[case(
        "name = \"a\"\n[backup.http]\nurl = 'https://u:p@h/x'\n",
        "name = \"a\"\n[backup.http]\nurl = \"***\"\n"
    )]
    #[case(
        "[backup.s3]\nsecret-access-key = { env = \"KEY\" }\n",
        "[backup.s3]\nsecret-access-key = { env = \"KEY\" }\n"
    )]
    #[case(
        "[[check.command]]\ncommand = [\"a\"]\nenv = { A = \"é1\", B = { file = \"b\" } } # c\n",
        "[[check.command]]\ncommand = [\"a\"]\nenv = { A = \"***\", B = { file = \"b\" } } # c\n"
    )]
    #[case(
        "[incident.webhook]\nheaders.X = \"\"\"v\nw\"\"\"\n",
        "[incident.webhook]\nheaders.X = \"***\"\n"
    )]
    #[case(
        "[[check.command]]\nenv = { env = \"s3cret\" }\n",
        "[[check.command]]\nenv = { env = \"***\" }\n"
    )]
    #[case("no toml =", "")]
    fn secrets_are_masked_and_their_names_stay(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(without_secrets(text), shown);
    }
}
