//! A catalog as TOML that people read in a diff: one table per object, sorted, bodies of functions unchanged.
//!
//! ```toml
//! ["table plur.users"]
//! owner = "plur_owner"
//! "column email" = { "not null" = "yes", type = "text" }
//! "constraint users_pkey" = { definition = "PRIMARY KEY (id)" }
//!
//! ["table plur.users"."trigger keep"]
//! definition = '''
//! CREATE TRIGGER …
//! '''
//! ```
//!
//! The parts of an object are in its table: on one line where that is short, otherwise in a table of their own.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Catalog, ObjectId, ObjectPart, Properties};
use crate::toml_text::{key, text as text_of};

/// Key of the list of what could not be read; no identity is equal to it.
const UNREADABLE: &str = "unreadable";
/// Maximum length, in characters, of a part on one line.
const MAX_LINE: usize = 110;

/// Writes a catalog as a file of its own.
#[must_use]
pub fn write(catalog: &Catalog) -> String {
    write_below(catalog, &[])
}

/// Writes a catalog as a part of a larger file, in the table of this path: `["databases", "plur"]`.
#[must_use]
pub fn write_below(catalog: &Catalog, prefix: &[&str]) -> String {
    let mut text = String::new();
    if !catalog.unreadable.is_empty() {
        if !prefix.is_empty() {
            write_header(&mut text, prefix);
        }
        let list: Vec<String> = catalog
            .unreadable
            .iter()
            .map(|what| text_of(what))
            .collect();
        let _ = writeln!(text, "{UNREADABLE} = [{}]", list.join(", "));
    }
    let objects = catalog.objects.iter();
    let mut objects: Vec<(String, &ObjectId, &Properties)> = objects
        .filter(|(object, _)| catalog.parent(object).is_none())
        .map(|(object, properties)| (object.to_string(), object, properties))
        .collect();
    // Committed files are sorted by the text of the identity, which is not the order of `ObjectId`.
    objects.sort();
    for (name, object, properties) in objects {
        let path = [prefix, &[&name]].concat();
        if !text.is_empty() {
            text.push('\n');
        }
        write_header(&mut text, &path);
        write_properties(&mut text, properties);
        let children = catalog.children(object);
        let mut children: Vec<(String, &Properties)> = children
            .map(|(_, part, properties)| (part.to_string(), properties))
            .collect();
        children.sort();
        let (short, long): (Vec<_>, Vec<_>) = children
            .iter()
            .map(|(child, properties)| (child, on_one_line(child, properties), properties))
            .partition(|(_, line, _)| line.is_some());
        for (_, line, _) in short {
            let _ = writeln!(text, "{}", line.unwrap_or_default());
        }
        for (child, _, properties) in long {
            text.push('\n');
            write_header(&mut text, &[path.as_slice(), &[child]].concat());
            write_properties(&mut text, properties);
        }
    }
    text
}

fn write_header(text: &mut String, path: &[&str]) {
    let keys: Vec<String> = path.iter().map(|part| key(part)).collect();
    let _ = writeln!(text, "[{}]", keys.join("."));
}

fn write_properties(text: &mut String, properties: &Properties) {
    for (name, value) in properties {
        let _ = writeln!(text, "{} = {}", key(name), text_of(value));
    }
}

/// `"column email" = { type = "text" }`; `None` where that is too long.
fn on_one_line(child: &str, properties: &Properties) -> Option<String> {
    if properties.values().any(|value| value.contains('\n')) {
        return None;
    }
    let inside: Vec<String> = properties
        .iter()
        .map(|(name, value)| format!("{} = {}", key(name), text_of(value)))
        .collect();
    let line = match inside.is_empty() {
        true => format!("{} = {{}}", key(child)),
        false => format!("{} = {{ {} }}", key(child), inside.join(", ")),
    };
    (line.chars().count() <= MAX_LINE).then_some(line)
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// What is wrong and where: for invalid TOML the line, otherwise the key.
pub fn parse(text: &str) -> Result<Catalog, String> {
    let table: Table =
        toml::from_str(text).map_err(|error| format!("the catalog is not valid TOML: {error}"))?;
    from_table(&table)
}

/// Reads a catalog from a table of a larger file.
///
/// # Errors
/// The key whose value is not of the expected type.
pub fn from_table(table: &Table) -> Result<Catalog, String> {
    let mut catalog = Catalog::default();
    for (name, value) in table {
        if name == UNREADABLE {
            let list = value.as_array().and_then(|list| {
                let texts = list.iter().map(|what| what.as_str().map(str::to_owned));
                texts.collect()
            });
            catalog.unreadable =
                list.ok_or_else(|| format!("`{UNREADABLE}` must be a list of texts"))?;
            continue;
        }
        let Value::Table(inside) = value else {
            let found = value.type_str();
            return Err(format!(
                "`{name}` must be a table of properties, found {found}"
            ));
        };
        let mut properties = Properties::new();
        let mut children = Vec::new();
        for (key, value) in inside {
            match value {
                Value::String(text) => {
                    properties.insert(key.clone(), text.clone());
                }
                Value::Table(of_child) => {
                    children.push((key, parse_properties(&format!("{name} {key}"), of_child)?));
                }
                other => return Err(not_a_text(name, key, other)),
            }
        }
        let object: ObjectId = name.parse()?;
        for (child, of_child) in children {
            if object.part.is_some() {
                return Err(format!("`{name}` is a part of an object and has no parts"));
            }
            let part = ObjectPart::parse(object.kind, child)
                .map_err(|error| format!("in `{name}`: {error}"))?;
            catalog.objects.insert(object.with_part(part), of_child);
        }
        catalog.objects.insert(object, properties);
    }
    Ok(catalog)
}

fn parse_properties(object: &str, table: &Table) -> Result<Properties, String> {
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        other => Err(not_a_text(object, name, other)),
    };
    table.iter().map(text).collect()
}

fn not_a_text(object: &str, name: &str, value: &Value) -> String {
    let found = value.type_str();
    format!("`{name}` of `{object}` must be a text, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::id::tests::any_object;
    use proptest::prelude::*;
    use rstest::rstest;

    fn catalog(objects: &[(&str, &[(&str, &str)])]) -> Catalog {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Catalog {
            objects: objects
                .iter()
                .map(|(object, list)| (object.parse().unwrap(), list.iter().map(owned).collect()))
                .collect(),
            ..Catalog::default()
        }
    }

    #[test]
    fn it_is_written_for_people() {
        let catalog = catalog(&[
            (
                "function app.f(integer)",
                &[("body", "\nBEGIN\n  RETURN 'x';\nEND\n"), ("owner", "me")],
            ),
            ("role app", &[]),
            (
                "table app.\"My Table\"",
                &[("columns", "id\nname"), ("owner", "me")],
            ),
            (
                "table app.\"My Table\" column id",
                &[("default", "'x'::text"), ("type", "text")],
            ),
            (
                "table app.\"My Table\" policy p",
                &[("using", "(a\n = 'b')"), ("command", "select")],
            ),
            ("table app.other", &[("owner", "\"Me\"")]),
        ]);
        let text = write(&catalog);
        insta::assert_snapshot!(text, @r#"
        ["function app.f(integer)"]
        body = '''

        BEGIN
          RETURN 'x';
        END
        '''
        owner = "me"

        ["role app"]

        ['table app."My Table"']
        columns = '''
        id
        name'''
        owner = "me"
        "column id" = { default = "'x'::text", type = "text" }

        ['table app."My Table"'."policy p"]
        command = "select"
        using = '''
        (a
         = 'b')'''

        ["table app.other"]
        owner = '"Me"'
        "#);
        assert_eq!(parse(&text).as_ref(), Ok(&catalog));
    }

    #[rstest]
    #[case("role = 5", "`role` must be a table of properties, found integer")]
    #[case("[\"role a\"]\nx = 5", "`x` of `role a` must be a text, found integer")]
    #[case(
        "[\"role a\"]\nx = { y = 5 }",
        "`y` of `role a x` must be a text, found integer"
    )]
    #[case(
        "[\"tabel app.t\"]",
        "`tabel app.t` does not begin with a kind of object, as in `table app.orders`"
    )]
    #[case(
        "[\"table app.t\"]\n\"colunm a\" = {}",
        "in `table app.t`: `colunm a` is not a part of a table"
    )]
    #[case(
        "[\"table app.t column a\"]\n\"column b\" = {}",
        "`table app.t column a` is a part of an object and has no parts"
    )]
    #[case("unreadable = 5", "`unreadable` must be a list of texts")]
    #[case("unreadable = [5]", "`unreadable` must be a list of texts")]
    fn mistakes(#[case] text: &str, #[case] message: &str) {
        assert_eq!(parse(text), Err(message.to_owned()));
    }

    #[test]
    fn an_error_of_toml_names_the_line() {
        let message = parse("[\"role a\"]\nx = \n").unwrap_err();
        assert!(message.contains("line 2"), "{message}");
    }

    fn properties() -> impl Strategy<Value = Properties> {
        // Quotes, escapes, line ends, and characters that TOML escapes.
        let value = "(?s)([a-z'\"\\\\ \n\r\t{}=#.]|'''|\u{0}|\u{7f}|\u{85}|雲|\u{1F600}){0,12}";
        proptest::collection::btree_map("[a-z \"'.]{1,6}", value, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            objects in proptest::collection::btree_map(any_object(), properties(), 0..8),
            unreadable in proptest::collection::btree_set("[a-z\"]{0,5}", 0..3),
        ) {
            let catalog = Catalog { objects, unreadable };
            // A property and a part of one object never have one name.
            for (object, properties) in &catalog.objects {
                let below = catalog.children(object).map(|(_, part, _)| part.to_string());
                prop_assume!(!below.into_iter().any(|child| properties.contains_key(&child)));
            }
            prop_assert_eq!(parse(&write(&catalog)), Ok(catalog.clone()));
            let below = write_below(&catalog, &["a b", "c"]);
            let whole: Table = toml::from_str(&below).unwrap();
            if let Some(inside) = whole.get("a b").and_then(|table| table.get("c")) {
                prop_assert_eq!(from_table(inside.as_table().unwrap()), Ok(catalog));
            }
        }
    }
}
