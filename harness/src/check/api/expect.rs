//! What is expected at a JSONPath of an answer. What is found is described, never shown.

use crate::units::show_counted;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde_json::Value;
use serde_json_path::JsonPath;

/// A value, or what must be true of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectation {
    /// It is this value.
    pub equals: Option<Value>,
    /// Something is there, or nothing is.
    pub exists: Option<bool>,
    /// A number that is at least this.
    pub min: Option<f64>,
    /// A number that is at most this.
    pub max: Option<f64>,
    /// An array, object or text of this length.
    pub length: Option<usize>,
    /// An array, object or text of this length at least.
    pub min_length: Option<usize>,
}

/// Keys of the table form.
const KEYS: &[&str] = &["equals", "exists", "min", "max", "length", "min-length"];

impl Expectation {
    fn value(value: Value) -> Self {
        Self {
            equals: Some(value),
            ..Self::default()
        }
    }

    /// Says what is wrong with the path, or that nothing is expected there.
    #[must_use]
    pub fn find_error(&self, path: &str) -> Option<String> {
        if let Err(error) = JsonPath::parse(path) {
            return Some(format!("`{path}` is not a JSONPath: {}", error.message()));
        }
        if *self == Self::default() {
            return Some(format!("`{path}`: this asserts nothing"));
        }
        if self.min_length == Some(0) {
            return Some(format!("`{path}`: every length is at least 0"));
        }
        let more = Self {
            exists: None,
            ..self.clone()
        };
        (self.exists == Some(false) && more != Self::default())
            .then(|| format!("`{path}`: nothing can be expected of what does not exist"))
    }

    /// Compares; gives what was expected and what is there instead.
    #[must_use]
    pub fn compare(&self, path: &str, body: &Value) -> Option<(String, String)> {
        let found: Vec<&Value> = match JsonPath::parse(path) {
            Ok(path) => path.query(body).all(),
            Err(_) => Vec::new(),
        };
        let wrong = |expected: String, actual: String| Some((format!("{path} {expected}"), actual));
        if self.exists == Some(false) {
            return match found.first() {
                None => None,
                Some(value) => wrong("does not exist".to_owned(), describe(value)),
            };
        }
        if found.is_empty() {
            return wrong(self.expected(), "nothing at that path".to_owned());
        }
        if let Some(expected) = &self.equals {
            let equal = match found.as_slice() {
                [one] => same(one, expected),
                // A path that names several values is compared with an array of them.
                many => expected.as_array().is_some_and(|array| {
                    array.len() == many.len()
                        && many
                            .iter()
                            .zip(array)
                            .all(|(value, wanted)| same(value, wanted))
                }),
            };
            if !equal {
                let actual = match found.as_slice() {
                    [one] => format!("{} that differs", describe(one)),
                    many => format!("{} that differ", show_counted(many.len(), "value")),
                };
                return wrong(self.expected(), actual);
            }
        }
        for value in found {
            if let Some(actual) = self.bounds(value) {
                return wrong(self.expected(), actual);
            }
        }
        None
    }

    /// Holds one value to the bounds; says what it is when it is not within them.
    fn bounds(&self, value: &Value) -> Option<String> {
        if self.min.is_some() || self.max.is_some() {
            let Some(number) = value.as_f64() else {
                return Some(describe(value));
            };
            if self.min.is_some_and(|min| number < min) {
                return Some("a smaller number".to_owned());
            }
            if self.max.is_some_and(|max| number > max) {
                return Some("a larger number".to_owned());
            }
        }
        if self.length.is_some() || self.min_length.is_some() {
            let fits = length(value).is_some_and(|length| {
                self.length.is_none_or(|wanted| length == wanted)
                    && self.min_length.is_none_or(|least| length >= least)
            });
            if !fits {
                return Some(describe(value));
            }
        }
        None
    }

    /// Says what is expected.
    fn expected(&self) -> String {
        let numbers = [("at least", self.min), ("at most", self.max)]
            .into_iter()
            .filter_map(|(word, bound)| bound.map(|bound| format!("is {word} {bound}")));
        let lengths = [
            ("has the length", self.length),
            ("has at least the length", self.min_length),
        ]
        .into_iter()
        .filter_map(|(word, bound)| bound.map(|bound| format!("{word} {bound}")));
        let equals = self.equals.iter().map(|value| format!("is {value}"));
        let parts: Vec<String> = equals.chain(numbers).chain(lengths).collect();
        if parts.is_empty() {
            "exists".to_owned()
        } else {
            parts.join(" and ")
        }
    }
}

/// Tells whether two values are the same; `3` is `3.0`.
fn same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => {
            found == expected
                || (found.is_f64() != expected.is_f64() && found.as_f64() == expected.as_f64())
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| same(a, b))
        }
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && found
                    .iter()
                    .all(|(key, value)| expected.get(key).is_some_and(|other| same(value, other)))
        }
        _ => found == expected,
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(array) => Some(array.len()),
        Value::Object(object) => Some(object.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Describes a value without showing it.
fn describe(value: &Value) -> String {
    let length = length(value).unwrap_or(0);
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => format!("a text of {}", show_counted(length, "character")),
        Value::Array(_) => format!("an array of {length}"),
        Value::Object(_) => format!("an object of {length}"),
    }
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Expectation;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value, { exists = true }, { min = 1 } or { equals = … }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Expectation, E> {
                Ok(Expectation::value(text.into()))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Expectation, E> {
                Ok(Expectation::value(value.into()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Expectation, E> {
                Ok(Expectation::value(number.into()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Expectation, E> {
                Ok(Expectation::value(number.into()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Expectation, E> {
                Ok(Expectation::value(number.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Expectation, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element::<Value>()? {
                    values.push(value);
                }
                Ok(Expectation::value(Value::Array(values)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Expectation, A::Error> {
                let mut expectation = Expectation::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "equals" => expectation.equals = Some(map.next_value()?),
                        "exists" => expectation.exists = Some(map.next_value()?),
                        "min" => expectation.min = Some(map.next_value()?),
                        "max" => expectation.max = Some(map.next_value()?),
                        "length" => expectation.length = Some(map.next_value()?),
                        "min-length" => expectation.min_length = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, KEYS)),
                    }
                }
                Ok(expectation)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Expectation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expectation".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A value, or what must be true of it.",
            "oneOf": [
                { "type": ["string", "number", "boolean", "array"] },
                {
                    "type": "object",
                    "properties": {
                        "equals": { "description": "The value itself." },
                        "exists": { "type": "boolean", "description": "Whether the path exists." },
                        "min": { "type": "number", "description": "The least number." },
                        "max": { "type": "number", "description": "The greatest number." },
                        "length": { "type": "integer", "minimum": 0, "description": "Characters of a text, items of an array, keys of an object." },
                        "min-length": { "type": "integer", "minimum": 1, "description": "The least length." }
                    },
                    "minProperties": 1,
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn expectation(text: &str) -> Expectation {
        #[derive(serde::Deserialize)]
        struct File {
            e: Expectation,
        }
        toml::from_str::<File>(&format!("e = {text}")).unwrap().e
    }

    #[rstest]
    #[case("$.name", "'Alice'", true)]
    #[case("$.name", "'Bob'", false)]
    #[case("$.count", "3", true)]
    #[case("$.count", "3.0", true)]
    #[case("$.count", "'3'", false)]
    #[case("$.count", "{ min = 3 }", true)]
    #[case("$.count", "{ min = 3.5 }", false)]
    #[case("$.count", "{ max = 2 }", false)]
    #[case("$.name", "{ min = 1 }", false)]
    #[case("$.ids", "[1, 2]", true)]
    #[case("$.ids[*]", "[1, 2]", true)]
    #[case("$.ids[*]", "[2, 1]", false)]
    #[case("$.ids[*]", "{ min = 1 }", true)]
    #[case("$.ids[*]", "{ min = 2 }", false)]
    #[case("$.ids", "{ length = 2 }", true)]
    #[case("$.ids", "{ length = 3 }", false)]
    #[case("$.ids", "{ min-length = 3 }", false)]
    #[case("$.count", "{ min-length = 1 }", false)]
    #[case("$.none", "{ exists = true }", true)]
    #[case("$.gone", "{ exists = true }", false)]
    #[case("$.gone", "{ exists = false }", true)]
    #[case("$.name", "{ exists = false }", false)]
    #[case("$.gone", "1", false)]
    #[case("$.in", "{ equals = { ok = true } }", true)]
    #[case("$.in", "{ equals = { ok = false } }", false)]
    fn values_are_compared(#[case] path: &str, #[case] expected: &str, #[case] good: bool) {
        let body = json!({
            "name": "Alice", "count": 3, "ids": [1, 2], "none": null, "in": { "ok": true }
        });
        let wrong = expectation(expected).compare(path, &body);
        assert_eq!(wrong.is_none(), good, "{wrong:?}");
        if let Some((_, actual)) = wrong {
            assert!(!actual.contains("Alice"), "{actual}");
        }
    }

    #[rstest]
    #[case("$.a", "1", true)]
    #[case("$.a[", "1", false)]
    #[case("a", "1", false)]
    #[case("$.a", "{}", false)]
    #[case("$.a", "{ min-length = 0 }", false)]
    #[case("$.a", "{ exists = false, min = 1 }", false)]
    fn an_expectation_that_makes_no_sense_is_refused(
        #[case] path: &str,
        #[case] text: &str,
        #[case] good: bool,
    ) {
        assert_eq!(expectation(text).find_error(path).is_none(), good);
    }
}
