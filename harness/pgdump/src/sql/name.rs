//! Identifiers and literals, quoted and unquoted; names with a schema.

use std::fmt;

use super::token::quoted_length;

/// Quotes an identifier the way `quote_ident` does: only where it is needed.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    let plain = name
        .bytes()
        .enumerate()
        .all(|(at, b)| b.is_ascii_lowercase() || b == b'_' || (at > 0 && b.is_ascii_digit()))
        && !name.is_empty()
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { quote(name) }
}

/// Quotes an identifier, whether it is needed or not. A pattern of pg_dump's options in such quotes stands
/// for this name alone.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What is between double quotes, with doubled ones made single; `None` for what is not in them.
#[must_use]
pub fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\"\"", "\""))
}

/// Reads one identifier as the server does: out of its quotes, or folded to lower case. Letters beyond
/// ASCII stay as they are, as in a database in UTF-8.
#[must_use]
pub fn read_identifier(text: &str) -> String {
    unquote(text).unwrap_or_else(|| text.to_ascii_lowercase())
}

/// Splits a name at its last dot outside quotes: `app."a.b"` into `app` and `"a.b"`.
#[must_use]
pub fn split_qualified(text: &str) -> (Option<&str>, &str) {
    let (mut at, mut last) = (0, None);
    let bytes = text.as_bytes();
    while let Some(stop) = memchr::memchr2(b'"', b'.', &bytes[at..]) {
        at += stop;
        if bytes[at] == b'.' {
            last = Some(at);
            at += 1;
        } else {
            at += quoted_length(&bytes[at..], false).unwrap_or(bytes.len() - at);
        }
    }
    match last {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
        None => (None, text),
    }
}

/// The parts of a setting that is a list, as `search_path`, without blanks and quotes around them; of any
/// other setting its one value.
#[must_use]
pub fn setting_elements(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|element| element.trim().trim_matches('"').to_owned())
        .collect()
}

/// Keywords that `quote_ident` of any version from 13 to 18 quotes.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "binary", "both", "case", "cast", "check", "collate", "collation", "column", "concurrently",
    "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable",
    "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze",
    "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner", "intersect",
    "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order",
    "outer", "overlaps", "placing", "primary", "references", "returning", "right", "select",
    "session_user", "similar", "some", "symmetric", "system_user", "table", "tablesample", "then",
    "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when",
    "where", "window", "with",
    // Not reserved, and quoted all the same: they cannot name a function or a type.
    "between", "bigint", "bit", "boolean", "char", "character", "coalesce", "dec", "decimal",
    "exists", "extract", "float", "greatest", "grouping", "inout", "int", "integer", "interval",
    "json", "json_array", "json_arrayagg", "json_exists", "json_object", "json_objectagg",
    "json_query", "json_scalar", "json_serialize", "json_table", "json_value", "least",
    "merge_action", "national", "nchar", "none", "normalize", "nullif", "numeric", "out", "overlay",
    "position", "precision", "real", "row", "setof", "smallint", "substring", "time", "timestamp",
    "treat", "trim", "values", "varchar", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists",
    "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

/// Quotes a text literal; safe whatever `standard_conforming_strings` says.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!(" E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// Splits a name at its dots: `app."Orders".id` into its parts, out of their quotes, or folded to lower case.
///
/// # Errors
/// A lowercase fragment with the reason.
pub fn name_parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.peek() == Some(&'"') {
            chars.next();
            loop {
                match chars.next() {
                    Some('"') if chars.peek() == Some(&'"') => {
                        chars.next();
                        part.push('"');
                    }
                    Some('"') => break,
                    Some(c) => part.push(c),
                    None => return Err(format!("`{text}` has a quote that is not closed")),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != '.') {
                part.push(c.to_ascii_lowercase());
            }
        }
        if part.is_empty() {
            return Err(format!("`{text}` has an empty part"));
        }
        parts.push(part);
        match chars.next() {
            None => break,
            Some('.') => {}
            Some(c) => {
                return Err(format!(
                    "`{text}` has `{c}` where a dot or the end was expected"
                ));
            }
        }
    }
    Ok(parts)
}

/// A name as a scenario writes it: `table`, `schema.table`, `"My Schema"."Table"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    /// `public` by default.
    pub schema: String,
    /// The name in the schema.
    pub name: String,
}

impl QualifiedName {
    /// Reads a name; unquoted parts are folded to lower case as the server does.
    ///
    /// # Errors
    /// A lowercase fragment with the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = name_parts(text)?;
        match <[String; 2]>::try_from(parts) {
            Ok([schema, name]) => Ok(Self { schema, name }),
            Err(mut parts) if parts.len() == 1 => Ok(Self {
                schema: "public".to_owned(),
                name: parts.remove(0),
            }),
            Err(_) => Err(format!("`{text}` has more than a schema and a name")),
        }
    }

    /// The name as an SQL text literal, for `::regclass` and `to_regclass`.
    #[must_use]
    pub fn literal(&self) -> String {
        quote_literal(&self.to_string())
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}",
            quote_ident(&self.schema),
            quote_ident(&self.name)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("orders", "public.orders")]
    #[case("App.Orders", "app.orders")]
    #[case("\"App\".\"Or\"\"ders\"", "\"App\".\"Or\"\"ders\"")]
    #[case("app.user", "app.\"user\"")]
    fn names_are_read_as_the_server_reads_them(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(QualifiedName::parse(text).unwrap().to_string(), shown);
    }

    #[rstest]
    #[case("")]
    #[case("a.b.c")]
    #[case("\"a")]
    #[case("a..b")]
    #[case("\"a\"b")]
    fn bad_names_are_refused(#[case] text: &str) {
        assert!(QualifiedName::parse(text).is_err());
    }

    #[test]
    fn literals_cannot_be_left() {
        assert_eq!(quote_literal("a'b"), "'a''b'");
        assert_eq!(quote_literal("a\\'b"), " E'a\\\\''b'");
    }
}
