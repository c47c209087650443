//! How many: a number, or a table with `min` and `max`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess};

use crate::units::show_count;

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

    /// Says why the bound asserts nothing, or nothing that can be.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        match (self.exact, self.min, self.max) {
            (None, None, None) => {
                Some("this asserts nothing: say how many there must be".to_owned())
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Some("an exact number needs no `min` or `max`".to_owned())
            }
            (None, Some(0), None) => {
                Some("there are always at least 0: this asserts nothing".to_owned())
            }
            (None, Some(min), Some(max)) if min > max => {
                Some(format!("`min` {min} is more than `max` {max}"))
            }
            (Some(_), None, None) | (None, _, _) => None,
        }
    }
}

impl fmt::Display for CountBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            ("exactly", self.exact),
            ("at least", self.min),
            ("at most", self.max),
        ]
        .into_iter()
        .filter_map(|(word, count)| count.map(|count| format!("{word} {}", show_count(count))))
        .collect();
        f.write_str(&parts.join(" and "))
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
