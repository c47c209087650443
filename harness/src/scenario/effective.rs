//! The settings of a scenario in effect, for the record: those that are written, and the defaults of those that are not.
//!
//! Defaults are those of the schema of scenarios: its `default`, or `Default: …` in the description of a key, which is the text
//! that `redrill explain` shows. There is no other list of them.

use std::ops::Range;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::schema::schema;
use super::shown;
use crate::outcome::EffectiveSettings;
use crate::toml_text;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// What the description of a key has before its default.
const DEFAULT: &str = "Default: ";

/// Tables of the file that are in effect where they are not written.
const ALWAYS: [&str; 2] = ["server", "restore"];

/// A value of the file with its place.
type Written<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// The settings of a file whose variables were replaced; empty for what is no table. A key whose default is empty, or depends on what
/// else is written, is left out.
pub(super) fn settings(root: Written<'_, '_>) -> EffectiveSettings {
    let mut secrets = Vec::new();
    shown::find("", root, &mut secrets);
    let mut found = Found {
        secrets,
        settings: EffectiveSettings::default(),
    };
    if let DeValue::Table(_) = root.get_ref() {
        found.table("", &SCHEMA, Some(root));
    }
    found.settings
}

/// What was found so far.
struct Found {
    /// Places of secrets.
    secrets: Vec<Range<usize>>,
    settings: EffectiveSettings,
}

impl Found {
    /// Adds the keys of a table; of one that is not written, its defaults.
    fn table(&mut self, path: &str, schema: &Value, value: Option<Written<'_, '_>>) {
        let table = value.and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        });
        let of_key = |name: &str| match path {
            "" => toml_text::key(name),
            path => format!("{path}.{}", toml_text::key(name)),
        };
        let properties = properties(schema);
        for (key, value) in table.into_iter().flatten() {
            let own = properties.and_then(|properties| properties.get(key.get_ref().as_ref()));
            self.value(of_key(key.get_ref()), own, value);
        }
        for (name, own) in properties.into_iter().flatten() {
            if table.is_some_and(|table| table.contains_key(name.as_str())) {
                continue;
            }
            let is_container = path == "server"
                && name == "container"
                && !table.is_some_and(|table| table.contains_key("local"));
            if is_container || path.is_empty() && ALWAYS.contains(&name.as_str()) {
                self.table(&of_key(name), own, None);
            } else if let Some(default) = default(own) {
                self.settings.defaults.insert(of_key(name), default);
            }
        }
    }

    /// Adds a key that is written.
    fn value(&mut self, path: String, schema: Option<&Value>, value: Written<'_, '_>) {
        let has_keys = schema.filter(|schema| properties(schema).is_some());
        match (value.get_ref(), has_keys) {
            (DeValue::Table(_), Some(schema)) => self.table(&path, schema, Some(value)),
            (DeValue::Array(items), _) if items.iter().all(is_table) && !items.is_empty() => {
                let items_of = schema.and_then(|schema| resolved(schema).get("items"));
                for (at, item) in items.iter().enumerate() {
                    let path =
                        format!("{path}[{}]", name_of(item).unwrap_or(format!("{}", at + 1)));
                    self.value(path, items_of, item);
                }
            }
            (DeValue::String(text), _) => {
                let text = match self.is_secret(value) {
                    true => "***".to_owned(),
                    false => text.to_string(),
                };
                self.settings.written.insert(path, text);
            }
            _ => {
                let text = self.inline(value);
                self.settings.written.insert(path, text);
            }
        }
    }

    fn is_secret(&self, value: Written<'_, '_>) -> bool {
        self.secrets.contains(&value.span())
    }

    /// A value on one line, as TOML writes it.
    fn inline(&self, value: Written<'_, '_>) -> String {
        if self.is_secret(value) {
            return "\"***\"".to_owned();
        }
        match value.get_ref() {
            DeValue::String(text) => toml_text::line(text),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.inline(item)).collect();
                format!("[{}]", items.join(", "))
            }
            DeValue::Table(table) => {
                let entries = table.iter().map(|(key, value)| {
                    format!("{} = {}", toml_text::key(key.get_ref()), self.inline(value))
                });
                let entries: Vec<String> = entries.collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

fn is_table(value: &Spanned<DeValue<'_>>) -> bool {
    matches!(value.get_ref(), DeValue::Table(_))
}

/// The `name` of a table in a list, quoted.
fn name_of(value: Written<'_, '_>) -> Option<String> {
    let DeValue::Table(table) = value.get_ref() else {
        return None;
    };
    match table.get("name")?.get_ref() {
        DeValue::String(name) => Some(toml_text::line(name)),
        _ => None,
    }
}

/// The schema that a reference, or a choice that may be null, stands for.
fn resolved(schema: &Value) -> &Value {
    let of_name = |name: &str| SCHEMA.pointer(name.strip_prefix('#')?);
    if let Some(of) = schema.get("$ref").and_then(Value::as_str).and_then(of_name) {
        return resolved(of);
    }
    let choices = ["anyOf", "oneOf"].map(|key| schema.get(key).and_then(Value::as_array));
    let mut choices = choices.into_iter().flatten().flatten();
    // Of several shapes the one with keys of its own: the others are texts, numbers or lists.
    choices
        .find(|choice| properties(choice).is_some())
        .map_or(schema, |choice| resolved(choice))
}

/// The keys of a table; `None` for anything else, and where people choose the keys.
fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    resolved(schema).get("properties")?.as_object()
}

/// The default of a key.
fn default(schema: &Value) -> Option<String> {
    match schema.get("default") {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) if items.is_empty() => return None,
        Some(Value::Object(keys)) if keys.is_empty() => return None,
        Some(Value::String(text)) => return Some(text.clone()),
        Some(other) => return Some(other.to_string()),
    }
    let description = schema.get("description")?.as_str()?;
    described(&description.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The default that a description names: the rest of its sentence, without backticks where it is one value.
fn described(description: &str) -> Option<String> {
    let (_, rest) = description.split_once(DEFAULT)?;
    let mut in_code = false;
    let end = rest.char_indices().find(|(at, letter)| {
        in_code ^= *letter == '`';
        let after = rest.get(at + 1..).unwrap_or_default();
        *letter == '.' && !in_code && (after.is_empty() || after.starts_with(' '))
    });
    let text = end.map_or(rest, |(at, _)| rest.get(..at).unwrap_or(rest));
    let value = text
        .strip_prefix('`')
        .and_then(|text| text.strip_suffix('`'))
        .filter(|value| !value.contains('`'));
    Some(value.unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::input::Environment;
    use crate::scenario::{Scenario, parse};
    use crate::units::Span;

    const SMALL: &str = r#"
schema = 1
name = "orders"
[backup]
path = "${BACKUPS:-out}/orders.sql"
[[check.row-count]]
name = "orders are there"
table = "app.orders"
min = 3
[[check.sql]]
name = "none is open"
role = "app"
query = "SELECT 1"
no-rows = true
[check.sql.settings]
work_mem = "64MB"
[[check.command]]
name = "the script"
command = ["./check.sh"]
env = { TOKEN = "correct horse" }
[[notify]]
url = { env = "HOOK" }
"#;

    fn read(text: &str) -> Scenario {
        let environment = Environment::from([("BACKUPS".to_owned(), "/backups".to_owned())]);
        parse(Path::new("orders.toml"), text, &environment)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn what_is_written_and_what_is_not_is_there_without_secrets() {
        let settings = read(SMALL).facts.settings;
        let get = |key: &str| settings.written.get(key).map(String::as_str);
        assert_eq!(get("backup.path"), Some("/backups/orders.sql"));
        assert_eq!(
            get("check.command[\"the script\"].env"),
            Some("{ TOKEN = \"***\" }")
        );
        assert_eq!(get("notify[1].url.env"), Some("HOOK"));
        assert_eq!(get("check.row-count[\"orders are there\"].min"), Some("3"));
        assert_eq!(
            get("check.sql[\"none is open\"].settings"),
            Some("{ work_mem = \"64MB\" }")
        );
        let all = format!("{settings:?}");
        assert!(!all.contains("horse"), "{all}");
        // A key is in one of both.
        for key in settings.defaults.keys() {
            assert!(!settings.written.contains_key(key), "{key}");
        }
        let get = |key: &str| settings.defaults.get(key).map(String::as_str);
        assert_eq!(get("proof"), Some("full"));
        assert_eq!(get("restore.jobs"), Some("one per processor"));
        assert_eq!(get("server.container.pids"), Some("512"));
        assert_eq!(get("check.sql[\"none is open\"].tolerance"), Some("0"));
        assert_eq!(
            get("check.row-count[\"orders are there\"].required"),
            Some("true")
        );
        // What the scenario does not have has no defaults.
        assert!(
            !settings
                .defaults
                .keys()
                .any(|key| key.starts_with("rehearse"))
        );
    }

    #[test]
    fn a_local_server_has_no_settings_of_a_container() {
        let settings = read(&format!("{SMALL}[server.local]\n")).facts.settings;
        let mut keys = settings.defaults.keys();
        assert!(!keys.any(|key| key.starts_with("server.container")));
        assert!(
            settings
                .defaults
                .contains_key("server.local.trusted-backup")
        );
    }

    /// What the documentation says is what holds.
    #[test]
    fn the_defaults_are_those_in_effect() {
        let with_more = format!(
            "{SMALL}[rehearse]\ncommand = [\"./migrate\"]\nrole = \"app\"\n[incident]\nseverity = \"P1\"\nwebhook = {{ url = {{ env = \"HOOK\" }} }}\n"
        );
        let scenario = read(&with_more);
        let span = |key: &str| -> Duration {
            let text = &scenario.facts.settings.defaults[key];
            Span::parse(text)
                .unwrap_or_else(|why| panic!("{key}: {why}"))
                .0
        };
        let check = &scenario.checks[0];
        let rehearse = scenario.rehearse.as_ref().unwrap();
        for (key, in_effect) in [
            ("restore.timeout", crate::restore::WITHIN),
            ("server.start-within", crate::server::START_WITHIN),
            (
                "check.row-count[\"orders are there\"].timeout",
                check.timeout,
            ),
            ("rehearse.timeout", rehearse.timeout()),
            ("rehearse.lock-limit", rehearse.lock_limit()),
        ] {
            assert_eq!(span(key), in_effect, "{key}");
        }
        let text = |key: &str| scenario.facts.settings.defaults[key].clone();
        assert_eq!(text("proof"), scenario.proof.word());
        assert_eq!(text("rehearse.crashes"), rehearse.crashes().to_string());
    }

    #[rstest]
    #[case("The limit. Default: `6h`.", Some("6h"))]
    #[case("Default: true. `false` needs a `reason`.", Some("true"))]
    #[case("Default: `a`, otherwise `b`.", Some("`a`, otherwise `b`"))]
    #[case("Default: `^a. b$`.", Some("^a. b$"))]
    #[case("Default: 0.5", Some("0.5"))]
    #[case("Default, where nothing else is set: `/health`.", None)]
    #[case("The limit.", None)]
    fn a_description_names_its_default(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(described(text).as_deref(), expected);
    }
}
