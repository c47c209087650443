//! Keys and texts of the TOML files that redrill writes and people read and commit.
//!
//! Quoted by the library that `toml` itself writes with. `toml_edit`, which is built on it, chooses the form of a text
//! by itself and has no lists that are broken at a width: a committed baseline would change by being rewritten.

use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlStringBuilder};

/// A key, quoted where it must be.
#[must_use]
pub fn key(name: &str) -> String {
    name.to_toml_key()
}

/// A text on one line: without escapes where that is possible.
#[must_use]
pub fn line(value: &str) -> String {
    let text = TomlStringBuilder::new(value);
    let plain = text.as_basic_pretty().or_else(|| text.as_literal());
    plain.unwrap_or_else(|| text.as_basic()).to_toml_value()
}

/// A text: several lines as they are, where TOML permits it.
#[must_use]
pub fn text(value: &str) -> String {
    if !value.contains('\n') {
        return line(value);
    }
    let text = TomlStringBuilder::new(value);
    let as_is = text.as_ml_literal().filter(|_| !value.ends_with('\''));
    as_is.unwrap_or_else(|| text.as_ml_basic()).to_toml_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.orders", "\"app.orders\"")]
    #[case("\"My\".\"T\"", "'\"My\".\"T\"'")]
    #[case("a'b\"c", "\"a'b\\\"c\"")]
    #[case("a\tb", "\"a\\tb\"")]
    #[case("a\nb", "'''\na\nb'''")]
    #[case("a\n'", "\"\"\"\na\n'\"\"\"")]
    #[case("a\n'''\"", "\"\"\"\na\n'''\"\"\"\"")]
    fn texts_are_quoted_as_a_person_would(#[case] value: &str, #[case] shown: &str) {
        assert_eq!(text(value), shown);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(value in "(?s)(\\PC|[\x00-\x7f]|'''|\"\"\"){0,12}", name in "(?s)(\\PC|[\x00-\x7f]){0,6}") {
            for written in [line(&value), text(&value)] {
                let read: toml::Table = toml::from_str(&format!("{} = {written}", key(&name))).unwrap();
                prop_assert_eq!(read.get(&name).and_then(|value| value.as_str()), Some(value.as_str()));
            }
        }
    }
}
