//! Decodes TOML and reports every error at once: a section is decoded, the first wrong key is reported
//! and removed, and the section is decoded again.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Environment;
use super::diagnostic::{Problem, nearest};

/// A table of the file with the place of every key and value.
pub type Table<'i> = DeTable<'i>;

/// Decodes a value as `T`, or reports its errors.
///
/// `also_known` are keys that are allowed in addition to those of `T`; they are used for hints only.
pub fn decode<T: DeserializeOwned>(
    mut value: Spanned<DeValue<'_>>,
    also_known: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut removed: Vec<String> = Vec::new();
    loop {
        let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(read) if removed.is_empty() => return Some(read),
            Ok(_) => return None,
            Err(error) => error,
        };
        let message = error.message().to_owned();
        let span = error.span().unwrap_or_else(|| value.span());
        if let Some(field) = quoted(&message).next()
            && message.starts_with("missing field")
        {
            if removed.iter().any(|name| name == field) {
                return None;
            }
            // That of the innermost table that lacks it; the place of a table with a header is its header.
            let place = match span == value.span() {
                true => header(&value),
                false => span,
            };
            problems.push(
                Problem::at(place, format!("`{field}` is missing"))
                    .hint(format!("add `{field} = …` here")),
            );
            return None;
        }
        problems.push(explain(&message, span.clone(), also_known));
        match take_out(&mut value, &span) {
            Some(name) => removed.push(name),
            None => return None,
        }
    }
}

/// Translates an error of serde.
fn explain(message: &str, span: Range<usize>, also_known: &[&str]) -> Problem {
    let mut names = quoted(message);
    let given = names.next().unwrap_or_default();
    let known: Vec<&str> = names.chain(also_known.iter().copied()).collect();
    for (start, noun) in [("unknown field", "key"), ("unknown variant", "value")] {
        if message.starts_with(start) {
            let problem = Problem::at(span, format!("unknown {noun} `{given}`"));
            return match nearest(given, known.iter().copied()) {
                Some(name) => problem.hint(format!("did you mean `{name}`?")),
                None => problem.hint(format!("known: {}", known.join(", "))),
            };
        }
    }
    match of_another_type(message) {
        Some(wanted) if wanted.ends_with("`[…]`, not a table") => Problem::at(span, wanted)
            .hint("a list of tables has a header with double brackets for each, `[[…]]`"),
        Some(wanted) => Problem::at(span, wanted),
        None => Problem::at(span, message.trim_end().to_owned()),
    }
}

/// The expected type of a value, without the value and without names of Rust types.
fn of_another_type(message: &str) -> Option<String> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, wanted) = rest.trim_end().rsplit_once(", expected ")?;
    let wanted = match wanted {
        "u64" | "u32" | "u16" | "u8" | "usize" => "an integer, 0 or more",
        "i64" | "i32" => "an integer",
        "f64" => "a number",
        "a boolean" => "`true` or `false`, without quotes",
        "a string" => "a text in quotes",
        "a sequence" => "a list in brackets: `[…]`",
        _ if wanted.starts_with("struct ") || wanted == "a map" => "a table: `{ key = value }`",
        other => other,
    };
    let found = match found.split([' ', ',']).next()? {
        "string" => "a text",
        "integer" if message.starts_with("invalid type") => "an integer",
        "floating" => "a number with a fraction",
        "boolean" => "`true` or `false`",
        "sequence" => "a list",
        "map" => "a table",
        _ => return Some(format!("this must be {wanted}")),
    };
    Some(format!("this must be {wanted}, not {found}"))
}

/// Iterates over the texts in backticks.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// The place of an error about a missing key of a table: its first line at most.
fn header(value: &Spanned<DeValue<'_>>) -> Range<usize> {
    let span = value.span();
    span.start..span.end.min(span.start + 1).max(span.start)
}

/// Removes the innermost key whose own bytes, or those of its value, contain the error.
fn take_out(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => {
            let holds = |range: Range<usize>| range.start <= span.start && span.end <= range.end;
            let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
            for name in keys {
                let (key_span, value_span) = {
                    let (key, inner) = table.get_key_value(name.as_str())?;
                    (key.span(), inner.span())
                };
                if holds(key_span) {
                    table.remove(name.as_str());
                    return Some(name);
                }
                if holds(value_span) {
                    if let Some(inner) = table.get_mut(name.as_str())
                        && let Some(taken) = take_out(inner, span)
                    {
                        return Some(taken);
                    }
                    table.remove(name.as_str());
                    return Some(name);
                }
            }
            None
        }
        DeValue::Array(array) => {
            for item in array.iter_mut() {
                let range = item.span();
                if range.start <= span.start && span.end <= range.end {
                    return take_out(item, span);
                }
            }
            None
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

/// Replaces `${NAME}` and `${NAME:-default}` by values of the environment; `$${` becomes `${`.
pub fn expand(
    value: &mut Spanned<DeValue<'_>>,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) => {
            if text.contains("${") {
                match expand_text(text, environment) {
                    Ok(expanded) => *text = expanded.into(),
                    Err((message, hint)) => problems.push(Problem::at(span, message).hint(hint)),
                }
            }
        }
        DeValue::Array(array) => {
            for item in array.iter_mut() {
                expand(item, environment, problems);
            }
        }
        DeValue::Table(table) => {
            for (_, item) in table.iter_mut() {
                expand(item, environment, problems);
            }
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// Words in the name of a variable that mark it as a secret.
const SECRET_WORDS: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "API_KEY",
    "PRIVATE_KEY",
];

/// Expands one string; an error is a message and a hint.
fn expand_text(text: &str, environment: &Environment) -> Result<String, (String, String)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            return Err((
                "`${` is not closed".to_owned(),
                "write `${NAME}`, or `$${` for the characters themselves".to_owned(),
            ));
        };
        let inside = &rest[at + 2..at + end];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if SECRET_WORDS
            .iter()
            .any(|word| name.to_ascii_uppercase().contains(word))
        {
            return Err((
                format!("`${{{name}}}` looks like a secret, and reports may show expanded values"),
                format!("use `{{ env = \"{name}\" }}` in a key that accepts secrets"),
            ));
        }
        match environment
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .or(default)
        {
            Some(value) => out.push_str(value),
            None => {
                return Err((
                    format!("environment variable `{name}` is not set"),
                    format!("set it, or give a default: `${{{name}:-value}}`"),
                ));
            }
        }
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a ${X} b", Ok("a 1 b"))]
    #[case("${Y:-2}", Ok("2"))]
    #[case("$${X}", Ok("${X}"))]
    #[case("${Y}", Err("environment variable `Y` is not set"))]
    #[case("${X", Err("`${` is not closed"))]
    #[case(
        "${DB_PASSWORD}",
        Err("`${DB_PASSWORD}` looks like a secret, and reports may show expanded values")
    )]
    fn variables(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        let environment = [("X".to_owned(), "1".to_owned())].into();
        let expanded = expand_text(text, &environment).map_err(|(message, _)| message);
        assert_eq!(expanded, expected.map(str::to_owned).map_err(str::to_owned));
    }
}
