//! The JSON Schema of scenario files, for editors; `redrill schema scenario` prints it.

use schemars::{JsonSchema as _, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::file;
use crate::backup::base::settings::Recovery;
use crate::backup::companion::Companion;
use crate::backup::settings::Backup;
use crate::check::{common::Common, kinds};
use crate::incident::{Incident, Webhook};
use crate::proof::physical::settings::Pitr;
use crate::proof::settings::Level;
use crate::rehearse::settings::Rehearse;
use crate::restore::settings::Restore;
use crate::server::settings::Server;
use crate::units::Span;

/// Generates the schema.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    add(
        "schema",
        json!({ "const": 1, "description": "The version of the format." }),
    );
    add(
        "name",
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$", "description": "The name of the scenario and of the folder of its reports." }),
    );
    add(
        "description",
        json!({ "type": "string", "description": "One or more sentences for the reports." }),
    );
    add("backup", backup(&mut generator));
    add("server", generator.subschema_for::<Server>().into());
    add("recovery", generator.subschema_for::<Recovery>().into());
    add("pitr", generator.subschema_for::<Pitr>().into());
    add("restore", generator.subschema_for::<Restore>().into());
    let mut proof: Value = generator.subschema_for::<Level>().into();
    proof["default"] = json!(Level::default().word());
    add("proof", proof);
    add(
        "objective",
        generator.subschema_for::<file::Objective>().into(),
    );
    add("cadence", generator.subschema_for::<file::Cadence>().into());
    add(
        "controls",
        json!({ "type": "array", "items": { "type": "string" }, "description": "Controls of standards that a PROVEN drill is evidence for, such as `SOC2:A1.3`. `redrill history --controls` lists them." }),
    );
    add("incident", generator.subschema_for::<Incident>().into());
    add(
        "notify",
        json!({
            "type": "array",
            "items": Value::from(generator.subschema_for::<Webhook>()),
        }),
    );
    add(
        "not-tested",
        json!({
            "type": "array",
            "items": Value::from(generator.subschema_for::<file::NotTested>()),
        }),
    );
    add("check", checks(&mut generator));
    add(
        "waiver",
        json!({
            "type": "array",
            "items": Value::from(generator.subschema_for::<file::Waiver>()),
        }),
    );
    add("rehearse", generator.subschema_for::<Rehearse>().into());
    add("after", after(&mut generator));
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "redrill scenario",
        "type": "object",
        "required": ["schema", "name", "backup", "check"],
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

/// One backup, or a list of parts, each of which is a backup.
fn backup(generator: &mut SchemaGenerator) -> Value {
    let mut backup: Value = Backup::json_schema(generator).into();
    let span: Value = generator.subschema_for::<Span>().into();
    let mut part = backup.clone();
    let text = |meaning: &str| json!({ "type": "string", "description": meaning });
    if let Some(keys) = part.get_mut("properties").and_then(Value::as_object_mut) {
        keys.remove("max-age");
        keys.insert(
            "name".to_owned(),
            text("The name of this part in reports. Default: `database`."),
        );
        keys.insert(
            "database".to_owned(),
            text("The database that it is restored into. Default: the one that it was taken of, where it says so, otherwise `name`."),
        );
        keys.insert(
            "server".to_owned(),
            text("The name of the throwaway server that it is restored on, for parts of several clusters, each with its own roles. Parts without one share a server."),
        );
    }
    if let Some(keys) = backup.get_mut("properties").and_then(Value::as_object_mut) {
        keys.insert(
            "part".to_owned(),
            json!({ "type": "array", "items": part, "description": "Several backups that are restored as one, such as a dump of each database of a cluster: each with the keys of a backup. `settled`, `time`, `decrypt`, `previous` and `retention` in `[backup]` are for each part that does not set them; `globals` there is the file of roles of the cluster, next to the first part." }),
        );
        let companion: Value = generator.subschema_for::<Companion>().into();
        keys.insert(
            "companion".to_owned(),
            json!({ "type": "array", "items": companion, "description": "What belongs to the backup and is not in it, such as a folder of uploads or a key. A missing, empty or old one fails the drill." }),
        );
        let mut within = json!({ "description": "How far apart the parts may have been taken, by the times in their names or headers, such as `10m`. Default: `12h`, which tells one night from another." });
        if let (Some(within), Some(span)) = (within.as_object_mut(), span.as_object()) {
            within.extend(span.clone());
        }
        keys.insert("same-time-within".to_owned(), within);
    }
    backup
}

/// The checks of a release, as those of a scenario, and those that it does without.
fn after(generator: &mut SchemaGenerator) -> Value {
    let mut after = checks(generator);
    after["description"] = json!(
        "The checks that hold once the release is there, one array of tables for each kind. One with the id of a check of the scenario (its kind and its name) replaces it on the migrated copy."
    );
    after["properties"]["without"] = json!({
        "type": "array",
        "items": { "type": "string" },
        "description": "Checks of the scenario that do not hold any more: their ids, in which `*` matches any text.",
    });
    after
}

/// One array of tables per kind; each entry has the parameters of the kind and the common ones.
fn checks(generator: &mut SchemaGenerator) -> Value {
    let common: Value = Common::json_schema(generator).into();
    let common = common
        .get("properties")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut properties = Map::new();
    for kind in kinds() {
        let mut item: Value = kind.schema(generator).into();
        if let Some(own) = item.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, schema) in &common {
                own.insert(name.clone(), schema.clone());
            }
        }
        properties.insert(
            kind.name.to_owned(),
            json!({ "type": "array", "items": item }),
        );
    }
    json!({
        "type": "object",
        "description": "The checks, one array of tables for each kind.",
        "additionalProperties": false,
        "properties": properties,
    })
}
