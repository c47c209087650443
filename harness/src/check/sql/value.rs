//! A value that a query must give, as a scenario writes it; and how it compares with the server's text.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};

use crate::units::{Percent, show_counted};

/// A value: `5`, `1.5`, `true`, `"text"`, or `{ null = true }` for NULL.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text, as Postgres writes the value.
    Text(String),
}

/// How far a number may be from the one that is expected: `"5%"` of it, or `0.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SqlTolerance {
    /// A share of the expected number.
    Share(Percent),
    /// So much.
    Absolute(f64),
}

/// A row: a list of values; one value alone is a row of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlRow(pub Vec<SqlValue>);

impl SqlValue {
    /// Tells whether the server's text is this value: numbers as numbers, text as text.
    #[must_use]
    pub fn is(&self, found: Option<&str>) -> bool {
        let Some(found) = found else {
            return *self == Self::Null;
        };
        match self {
            Self::Null => false,
            Self::Boolean(wanted) => boolean(found) == Some(*wanted),
            Self::Integer(wanted) => is_integer(*wanted, found),
            Self::Float(wanted) => {
                number(found).is_some_and(|n| n == *wanted || n.is_nan() && wanted.is_nan())
            }
            Self::Text(wanted) => wanted == found,
        }
    }

    /// Tells whether the server's text is a number within `tolerance` of this one.
    #[must_use]
    pub fn is_near(&self, found: Option<&str>, tolerance: SqlTolerance) -> bool {
        let (Some(wanted), Some(found)) = (self.as_number(), found.and_then(number)) else {
            return self.is(found);
        };
        (found - wanted).abs() <= tolerance.of(wanted)
    }

    /// The number that it is.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "only where a tolerance is given"
            )]
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Null | Self::Boolean(_) | Self::Text(_) => None,
        }
    }

    /// Describes what is expected. Text may be that of a row, so only its length is shown.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => format!(
                "the scenario's text of {}",
                show_counted(length(text), "character")
            ),
        }
    }

    /// Describes what was found instead. Only what answers a question about numbers or yes and no
    /// is shown.
    #[must_use]
    pub fn show_found(&self, found: Option<&str>) -> String {
        let Some(found) = found else {
            return "NULL".to_owned();
        };
        match self {
            Self::Boolean(_) => boolean(found).map(|value| value.to_string()),
            Self::Integer(_) | Self::Float(_) => number(found).map(|_| found.to_owned()),
            Self::Null => Some("a value".to_owned()),
            Self::Text(_) => None,
        }
        .unwrap_or_else(|| {
            format!(
                "another text, of {}",
                show_counted(length(found), "character")
            )
        })
    }

    /// Whether other texts than one can be it.
    #[must_use]
    pub fn has_many_spellings(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Null)
    }
}

impl SqlTolerance {
    /// How far from `wanted` is near enough.
    #[must_use]
    pub fn of(self, wanted: f64) -> f64 {
        match self {
            Self::Share(share) => wanted.abs() * share.fraction(),
            Self::Absolute(distance) => distance,
        }
    }
}

impl fmt::Display for SqlTolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{} %", share.0),
            Self::Absolute(distance) => write!(f, "{distance}"),
        }
    }
}

/// Reads a number as Postgres writes one, `NaN` and `Infinity` too.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Reads a boolean as Postgres writes one, as a column or cast to text.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    }
}

/// Compares digit by digit where it can: a sum of money may have more digits than a float holds.
fn is_integer(wanted: i64, found: &str) -> bool {
    let (whole, fraction) = found.split_once('.').unwrap_or((found, ""));
    match whole.parse::<i64>() {
        Ok(whole) if fraction.bytes().all(|digit| digit == b'0') => whole == wanted,
        Ok(_) if fraction.bytes().all(|digit| digit.is_ascii_digit()) => false,
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number with an exponent is a float"
        )]
        _ => number(found) == Some(wanted as f64),
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

impl<'de> Deserialize<'de> for SqlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SqlValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, `true` or `false`, a text in quotes, or `{ null = true }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SqlValue, E> {
                Ok(SqlValue::Text(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<SqlValue, E> {
                Ok(SqlValue::Boolean(value))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<SqlValue, E> {
                Ok(SqlValue::Integer(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<SqlValue, E> {
                i64::try_from(number)
                    .map(SqlValue::Integer)
                    .map_err(|_| E::custom("a number this large is written as a text"))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<SqlValue, E> {
                Ok(SqlValue::Float(number))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SqlValue, A::Error> {
                match map.next_key::<String>()?.as_deref() {
                    Some("null") if map.next_value::<bool>()? => Ok(SqlValue::Null),
                    // How the parser hands over a date.
                    Some(key) if key.starts_with("$__toml") => Err(de::Error::custom(
                        "a time is written as a text, as Postgres shows it with the time zone UTC",
                    )),
                    _ => Err(de::Error::custom(
                        "the only table here is `{ null = true }`",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for SqlRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SqlRow;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row: a list of values, or one value")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SqlRow, E> {
                Ok(SqlRow(vec![SqlValue::Text(text.to_owned())]))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<SqlRow, E> {
                Ok(SqlRow(vec![SqlValue::Boolean(value)]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<SqlRow, E> {
                Ok(SqlRow(vec![SqlValue::Integer(number)]))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<SqlRow, E> {
                Ok(SqlRow(vec![SqlValue::Float(number)]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SqlRow, A::Error> {
                let value = SqlValue::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(SqlRow(vec![value]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<SqlRow, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(SqlRow(values))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for SqlTolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = SqlTolerance;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as \"5%\", or a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SqlTolerance, E> {
                Percent::parse(text)
                    .map(SqlTolerance::Share)
                    .map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<SqlTolerance, E> {
                #[expect(clippy::cast_precision_loss, reason = "a tolerance is approximate")]
                self.visit_f64(number as f64)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<SqlTolerance, E> {
                if number.is_finite() && number >= 0.0 {
                    Ok(SqlTolerance::Absolute(number))
                } else {
                    Err(E::custom("a tolerance is 0 or more"))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for SqlValue {
    fn schema_name() -> Cow<'static, str> {
        "SqlValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, a boolean, text as Postgres writes it, or `{ null = true }` for NULL.",
            "oneOf": [
                { "type": ["number", "boolean", "string"] },
                { "type": "object", "properties": { "null": { "const": true, "description": "NULL." } }, "required": ["null"], "additionalProperties": false }
            ]
        })
    }
}

impl JsonSchema for SqlRow {
    fn schema_name() -> Cow<'static, str> {
        "SqlRow".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<SqlValue>();
        json_schema!({
            "description": "A list of values; a row of one column may be the value alone.",
            "oneOf": [value, { "type": "array", "items": value, "minItems": 1 }]
        })
    }
}

impl JsonSchema for SqlTolerance {
    fn schema_name() -> Cow<'static, str> {
        "SqlTolerance".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of the expected number, such as `5%`, or a number.",
            "oneOf": [{ "type": "string" }, { "type": "number", "minimum": 0 }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn value(toml: &str) -> SqlValue {
        #[derive(serde::Deserialize)]
        struct Holder {
            v: SqlValue,
        }
        toml::from_str::<Holder>(&format!("v = {toml}")).unwrap().v
    }

    #[rstest]
    #[case("5", Some("5"), true)]
    #[case("5", Some("5.00"), true)]
    #[case("5", Some("5.01"), false)]
    #[case("5", Some("5e0"), true)]
    #[case("-5", Some("-5"), true)]
    #[case("0", Some("-0"), true)]
    #[case("5", None, false)]
    #[case("5", Some("five"), false)]
    #[case("9007199254740993", Some("9007199254740992"), false)]
    #[case("9007199254740993", Some("9007199254740993.0"), true)]
    #[case("1.0", Some("1"), true)]
    #[case("0.1", Some("0.10"), true)]
    #[case("nan", Some("NaN"), true)]
    #[case("inf", Some("Infinity"), true)]
    #[case("'1'", Some("1"), true)]
    #[case("'1'", Some("1.0"), false)]
    #[case("'a'", Some("A"), false)]
    #[case("true", Some("t"), true)]
    #[case("true", Some("f"), false)]
    #[case("true", Some("1"), false)]
    #[case("{ null = true }", None, true)]
    #[case("{ null = true }", Some(""), false)]
    #[case("''", Some(""), true)]
    #[case("''", None, false)]
    fn values_compare_as_what_they_are(
        #[case] wanted: &str,
        #[case] found: Option<&str>,
        #[case] same: bool,
    ) {
        assert_eq!(value(wanted).is(found), same);
    }

    #[rstest]
    #[case("100", SqlTolerance::Share(Percent(5.0)), "95", true)]
    #[case("100", SqlTolerance::Share(Percent(5.0)), "94.9", false)]
    #[case("-100", SqlTolerance::Share(Percent(5.0)), "-105", true)]
    #[case("0.5", SqlTolerance::Absolute(0.25), "0.75", true)]
    #[case("0.5", SqlTolerance::Absolute(0.25), "0.76", false)]
    fn near_is_near_enough(
        #[case] wanted: &str,
        #[case] tolerance: SqlTolerance,
        #[case] found: &str,
        #[case] near: bool,
    ) {
        assert_eq!(value(wanted).is_near(Some(found), tolerance), near);
    }

    #[test]
    fn text_of_rows_is_never_shown() {
        let wanted = value("'alice@example.org'");
        assert!(!wanted.show().contains("alice"));
        assert!(!wanted.show_found(Some("bob@example.org")).contains("bob"));
        assert!(!value("5").show_found(Some("bob")).contains("bob"));
        assert!(!value("true").show_found(Some("bob")).contains("bob"));
        assert!(
            !value("{ null = true }")
                .show_found(Some("bob"))
                .contains("bob")
        );
        assert_eq!(value("5").show_found(Some("7")), "7");
    }

    #[rstest]
    #[case("v = { null = false }")]
    #[case("v = { nul = true }")]
    #[case("v = 2026-05-25")]
    #[case("v = 2026-05-25T00:00:00Z")]
    fn what_is_no_value_is_refused(#[case] toml: &str) {
        #[derive(Debug, serde::Deserialize)]
        struct Holder {
            #[serde(rename = "v")]
            _v: SqlValue,
        }
        assert!(toml::from_str::<Holder>(toml).is_err());
    }
}
