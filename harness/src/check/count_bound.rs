//! How many: a number, or a table with `min` and `max`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess};

use crate::units::{show_count, show_counted};

/// How many there must be: `120`, `{ min = 1 }`, `{ max = 9 }`, `{ min = 1, max = 9 }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountBound {
    /// Exactly so many.
    pub exact: Option<u64>,
    /// At least so many.
    pub min: Option<u64>,
    /// At most so many.
    pub max: Option<u64>,
}

impl CountBound {
    /// Exactly so many.
    #[must_use]
    pub const fn exactly(count: u64) -> Self {
        Self {
            exact: Some(count),
            min: None,
            max: None,
        }
    }

    /// Tells whether `count` is as it must be.
    #[must_use]
    pub fn allows(&self, count: u64) -> bool {
        self.exact.is_none_or(|exact| count == exact)
            && self.min.is_none_or(|min| count >= min)
            && self.max.is_none_or(|max| count <= max)
    }

    /// Shows the bound with its noun: `at least 1 row`, `at least 1 and at most 9 rows`.
    #[must_use]
    pub fn show(&self, noun: &str) -> String {
        let words = [
            ("exactly", self.exact),
            ("at least", self.min),
            ("at most", self.max),
        ];
        let mut bounds: Vec<(&str, u64)> = words
            .into_iter()
            .filter_map(|(word, count)| Some((word, count?)))
            .collect();
        let Some((word, count)) = bounds.pop() else {
            return String::new();
        };
        let mut text = String::new();
        for (word, count) in bounds {
            text.push_str(&format!("{word} {} and ", show_count(count)));
        }
        text + word + " " + &show_counted(count, noun)
    }

    /// Refuses a bound that asserts nothing, or that no count meets.
    pub fn check(&self) -> Result<(), String> {
        let message = match (self.exact, self.min, self.max) {
            (None, None, None) => "this asserts nothing: give the number that there must be",
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                "an exact number needs no `min` or `max`"
            }
            (None, Some(0), None) => "there are always at least 0: this asserts nothing",
            (None, Some(min), Some(max)) if min > max => {
                return Err(format!("`min` {min} is more than `max` {max}"));
            }
            (Some(_), None, None) | (None, _, _) => return Ok(()),
        };
        Err(message.to_owned())
    }
}

impl<'de> Deserialize<'de> for CountBound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = CountBound;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, or { min = …, max = … }")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<CountBound, E> {
                u64::try_from(number)
                    .map(CountBound::exactly)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<CountBound, E> {
                Ok(CountBound::exactly(number))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CountBound, A::Error> {
                let mut bound = CountBound::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "min" => bound.min = Some(map.next_value()?),
                        "max" => bound.max = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, &["min", "max"])),
                    }
                }
                Ok(bound)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for CountBound {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How many: exactly a number, or at least and at most.",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                {
                    "type": "object",
                    "properties": {
                        "min": { "type": "integer", "minimum": 0, "description": "At least this many." },
                        "max": { "type": "integer", "minimum": 0, "description": "At most this many." }
                    },
                    "minProperties": 1,
                    "additionalProperties": false
                }
            ]
        })
    }
}
