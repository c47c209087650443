//! Text of a scenario that may be a secret: `"plain"`, `{ env = "NAME" }` or `{ file = "path" }`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer, MapAccess};

use super::Environment;
use crate::redact::{Redactor, Secret};

/// Plain text, or the source of a secret. A secret itself is never written in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretText {
    /// Not a secret.
    Plain(String),
    /// The value of an environment variable.
    Env(String),
    /// The contents of a file, without the line end.
    File(PathBuf),
}

impl SecretText {
    /// Returns the value; secrets are added to the redactor first.
    ///
    /// # Errors
    /// A lowercase fragment: the variable is not set, the file cannot be read.
    pub fn resolve(
        &self,
        folder: &Path,
        environment: &Environment,
        redactor: &Redactor,
    ) -> Result<Secret, String> {
        let secret = match self {
            Self::Plain(text) => return Ok(Secret::new(text.clone())),
            Self::Env(name) => Secret::new(
                environment
                    .get(name)
                    .ok_or_else(|| format!("environment variable `{name}` is not set"))?
                    .clone(),
            ),
            Self::File(path) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    format!("cannot read the secret in {}: {error}", path.display())
                })?;
                Secret::new(text.trim_end_matches(['\n', '\r']))
            }
        };
        redactor.learn(&secret);
        // `Bearer abc` is a secret, and so is `abc` alone.
        if let Some((_, bare)) = secret.expose().rsplit_once(' ') {
            redactor.learn(&Secret::new(bare));
        }
        Ok(secret)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, { env = \"NAME\" } or { file = \"path\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText::Plain(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretText, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<String>()? {
                    let value: String = map.next_value()?;
                    let next = match key.as_str() {
                        "env" => SecretText::Env(value),
                        "file" => SecretText::File(value.into()),
                        other => return Err(de::Error::unknown_field(other, &["env", "file"])),
                    };
                    if found.replace(next).is_some() {
                        return Err(de::Error::custom(
                            "a secret has one source: `env` or `file`",
                        ));
                    }
                }
                found.ok_or_else(|| de::Error::custom("a secret requires `env` or `file`"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretText".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Plain text, or the source of a secret.",
            "oneOf": [
                { "type": "string" },
                { "type": "object", "properties": { "env": { "type": "string", "description": "The environment variable that holds the secret." } }, "required": ["env"], "additionalProperties": false },
                { "type": "object", "properties": { "file": { "type": "string", "description": "The file that holds the secret; a line end at its end is left out." } }, "required": ["file"], "additionalProperties": false }
            ]
        })
    }
}
