//! Text of a scenario that may be a secret: `"plain"`, `{ env = "NAME" }` or `{ file = "path" }`.
//!
//! A secret that is too short to be masked in reports is refused when the scenario is read. One that is
//! not there yet is refused when it is used.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer, MapAccess};

use toml::Spanned;
use toml::de::DeValue;

use super::{Environment, Problem};
use crate::redact::{Redactor, SHORTEST_SECRET, Secret};

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
    /// A lowercase fragment: the variable is not set, the file cannot be read, the secret is too short.
    pub fn resolve(
        &self,
        folder: &Path,
        environment: &Environment,
        redactor: &Redactor,
    ) -> Result<Secret, String> {
        let secret = self.read(folder, environment)?;
        if matches!(self, Self::Plain(_)) {
            return Ok(secret);
        }
        if is_too_short(&secret) {
            return Err(format!("{} holds {TOO_SHORT}", self.origin()));
        }
        redactor.learn(&secret);
        // `Bearer abcd` is a secret, and so is `abcd` alone.
        if let Some((_, bare)) = secret.expose().rsplit_once(' ') {
            redactor.learn(&Secret::new(bare));
        }
        Ok(secret)
    }

    /// Where the secret is found: "environment variable `NAME`".
    fn origin(&self) -> String {
        match self {
            Self::Plain(_) => "the scenario".to_owned(),
            Self::Env(name) => format!("environment variable `{name}`"),
            Self::File(path) => format!("file `{}`", path.display()),
        }
    }

    fn read(&self, folder: &Path, environment: &Environment) -> Result<Secret, String> {
        Ok(match self {
            Self::Plain(text) => Secret::new(text.clone()),
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
        })
    }
}

/// The words for a secret that is too short.
const TOO_SHORT: &str = "fewer characters than can be masked in reports";

/// Words before a secret in a header: what follows them must be long enough by itself.
const SCHEMES: [&str; 3] = ["bearer", "basic", "token"];

fn is_too_short(secret: &Secret) -> bool {
    let text = secret.expose().trim();
    let bare = text.split_once(' ').filter(|(scheme, _)| {
        let scheme = scheme.to_ascii_lowercase();
        SCHEMES.contains(&scheme.as_str())
    });
    !Secret::new(bare.map_or(text, |(_, bare)| bare)).can_be_masked()
}

/// Notes every secret of a scenario that is there already and too short to be masked in reports.
///
/// A secret is a table with the one key `env` or `file` where a key has a text as its value. `path` is the
/// key of `value`, empty for the whole file.
pub fn refuse_short(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    folder: &Path,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            // The keys of these are names that a person chose: `env = { file = "x" }` is no secret.
            let names = ["env", "headers"].contains(&path.rsplit('.').next().unwrap_or_default());
            if !names
                && let Some(text) = reference(table)
                && let Ok(secret) = text.read(folder, environment)
                && is_too_short(&secret)
            {
                problems.push(
                    Problem::at(
                        value.span(),
                        format!("the secret `{path}` in {} is too short", text.origin()),
                    )
                    .hint(format!(
                        "a secret has {SHORTEST_SECRET} characters or more, since a shorter one cannot be masked in reports; write what is no secret as plain text"
                    )),
                );
            }
            for (key, inner) in table {
                let key = key.get_ref();
                let path = match path {
                    "" => key.to_string(),
                    path => format!("{path}.{key}"),
                };
                refuse_short(inner, &path, folder, environment, problems);
            }
        }
        DeValue::Array(items) => {
            for item in items.iter() {
                // An item is no secret itself: `[[check.baseline]] file = "x"` is a check.
                if let DeValue::Table(table) = item.get_ref() {
                    for (key, inner) in table {
                        let path = format!("{path}.{}", key.get_ref());
                        refuse_short(inner, &path, folder, environment, problems);
                    }
                }
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Reads `{ env = "NAME" }` and `{ file = "path" }`.
fn reference(table: &toml::de::DeTable<'_>) -> Option<SecretText> {
    let mut entries = table.iter();
    let (key, value) = entries.next().filter(|_| table.len() == 1)?;
    let DeValue::String(text) = value.get_ref() else {
        return None;
    };
    match &**key.get_ref() {
        "env" => Some(SecretText::Env(text.to_string())),
        "file" => Some(SecretText::File(text.to_string().into())),
        _ => None,
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
