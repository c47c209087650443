//! `redrill explain`: what a kind of check proves, with an example.

use super::abort::{Abort, Ended};
use super::print::out;
use crate::check::kinds;
use crate::exit_code::Ending;
use crate::input::diagnostic::nearest;
use crate::rehearse::{changes, rules};
use crate::scenario::schema;

/// What a rehearsal is, with an example.
const REHEARSE: &str = r#"
`redrill rehearse` runs the pending migrations of a release on copies of the restored cluster, with its own tool,
and judges what they do. Each copy is one of the whole cluster, so roles and rights are those of the restore, and
its server has the durability of production; times are those of this machine.

redrill stands between the tool and the server: it reads the locks of each statement before its reply is passed on,
so it makes no difference in which language the tool is written. Of redrill's own environment the tool gets PATH, HOME, LANG
and TMPDIR; `env` gives it others. `[after]` has the checks that hold once the release
is there, and leaves out those that do not: a `[[check.baseline]]` fails at each column that the release adds, so
`without = ["baseline/*"]`. The old application runs against the new schema: the `api` and `command` checks of the scenario.

## Example

[rehearse]
command = ["./migrate", "up"]
role = "app_migrator"
application = ["app"]
lock-limit = "2s"
down = ["./migrate", "down"]

[[rehearse.allow]]
change = "drop column app.account.legacy"
reason = "nothing reads it since 4.2"

[[after.row-count]]
table = "app.account_phone"
min = 1
"#;

/// What a recovery proves, and the statements of the canary.
const PITR: &str = r#"
A drill of a base backup (`[backup.base]`) recovers it to the target in `[recovery]` with the archived WAL in `[backup.wal]`, and reads
everything that is there afterwards. Only rows show that a recovery reached its target and what it lost. So let the source write one:

    CREATE TABLE public.redrill_canary (
        at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
        lsn pg_catalog.pg_lsn NOT NULL DEFAULT pg_catalog.pg_current_wal_insert_lsn()
    );

and, once a minute, each row in a transaction of its own:

    INSERT INTO public.redrill_canary DEFAULT VALUES;
    DELETE FROM public.redrill_canary WHERE at < pg_catalog.now() - interval '60 days';

The drill fails where a row is there that is newer than the target (a time or an LSN), or where there is none. The time between the newest
row and the target is the data loss that it found, with the interval as its error. For `latest` it is the time until the drill; for
`immediate`, a transaction and a restore point it is the time until the last commit before the target.

## Example

[backup.base]
newest = "/var/backups/base-*"

[backup.wal]
path = "/var/backups/wal"

[recovery]
target = "latest"

[pitr]
canary = "public.redrill_canary"
every = "1m"
max-data-loss = "5m"
"#;

/// Runs the command.
pub fn run(kind: Option<&str>) -> Ended {
    let kinds = kinds();
    match kind {
        None => {
            out(
                "Kinds of checks; `redrill explain <kind>` shows one with its parameters and an example.\n",
            );
            for kind in &kinds {
                let documentation = kind.documentation();
                let first = documentation
                    .split("\n\n")
                    .next()
                    .unwrap_or_default()
                    .replace('\n', " ");
                out(&format!("  {:<16} {first}", kind.name));
            }
            out(
                "\n`redrill explain scenario` shows the keys of the file itself, `redrill explain rehearse` those of a\nrehearsal and the rules that it judges by, `redrill explain pitr` the canary of a point-in-time recovery.",
            );
        }
        Some("scenario") => {
            let schema = schema::schema();
            out(&keys(&schema, "", &explained_elsewhere(&schema)));
        }
        Some("pitr") => {
            let schema = schema::schema();
            let pitr = &schema["properties"]["pitr"];
            out(&format!("# pitr\n\n{}\n\n## Keys\n", PITR.trim()));
            out(&keys_of(&schema, pitr));
        }
        Some("rehearse") => {
            let schema = schema::schema();
            let rehearse = &schema["properties"]["rehearse"];
            out(&format!("# rehearse\n\n{}\n\n## Keys\n", REHEARSE.trim()));
            out(&keys_of(&schema, rehearse));
            out(&format!("\n## Rules\n\n{}", rules::documentation()));
            out(&format!(
                "\n## Changes that a review must accept, by `[[rehearse.allow]]`\n\n{}",
                changes::documentation()
            ));
        }
        Some(name) => match kinds.iter().find(|kind| kind.name == name) {
            Some(kind) => {
                let mut generator = schemars::SchemaGenerator::default();
                let schema = serde_json::Value::from(kind.schema(&mut generator));
                let schema = with_definitions(schema, &generator.take_definitions(true));
                out(&format!(
                    "# {}\n\n{}\n\n## Parameters\n",
                    kind.name,
                    kind.documentation().trim()
                ));
                out(&keys(&schema, "", &[]));
                out("\nEvery check also has `name`, `required`, `database` and `timeout`.");
            }
            None => {
                let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
                let hint = match nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the kinds are {}", names.join(", ")),
                };
                return Err(Abort::invalid(format!(
                    "unknown kind of check `{name}`\nhint: {hint}"
                )));
            }
        },
    }
    Ok(Ending::Done)
}

/// Adds the definitions that references point to.
fn with_definitions(
    mut schema: serde_json::Value,
    definitions: &serde_json::Map<String, serde_json::Value>,
) -> serde_json::Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert(
            "$defs".to_owned(),
            serde_json::Value::Object(definitions.clone()),
        );
    }
    schema
}

/// Keys that are not listed with those of a scenario: checks and rehearsals have texts of their own, and a part of a backup has the keys of a
/// backup.
fn explained_elsewhere(schema: &serde_json::Value) -> Vec<String> {
    let keys = |at: &str| {
        let table = schema.pointer(at).and_then(serde_json::Value::as_object);
        table.into_iter().flatten()
    };
    let of_backup = keys("/properties/backup/properties");
    let of_part = keys("/properties/backup/properties/part/items/properties");
    let both = of_part.filter(|(name, part)| {
        of_backup
            .clone()
            .any(|(own, meaning)| own == *name && meaning == *part)
    });
    let both = both.map(|(name, _)| format!("backup.part.{name}"));
    both.chain(["check", "after", "rehearse"].map(str::to_owned))
        .collect()
}

/// Lists the keys of one section of a schema.
fn keys_of(root: &serde_json::Value, section: &serde_json::Value) -> String {
    let mut text = String::new();
    list(root, resolve(root, section), "", &[], &mut text);
    text
}

/// Lists the keys of a schema with what they mean, nested tables below their key.
fn keys(root: &serde_json::Value, prefix: &str, leave_out: &[String]) -> String {
    let mut text = String::new();
    list(root, root, prefix, leave_out, &mut text);
    text
}

fn list(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    prefix: &str,
    leave_out: &[String],
    text: &mut String,
) {
    let Some(properties) = schema
        .get("properties")
        .and_then(serde_json::Value::as_object)
    else {
        return;
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(serde_json::Value::as_array)
        .map(|names| names.iter().filter_map(serde_json::Value::as_str).collect())
        .unwrap_or_default();
    for (name, property) in properties {
        if leave_out.contains(&format!("{prefix}{name}")) {
            continue;
        }
        let inner = resolve(root, property);
        let meaning = property
            .get("description")
            .or_else(|| inner.get("description"))
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .replace('\n', " ");
        let needed = if required.contains(&name.as_str()) {
            " (needed)"
        } else {
            ""
        };
        text.push_str(&format!("  {prefix}{name}{needed}\n      {meaning}\n"));
        values(inner, text);
        if prefix.matches('.').count() < 3 {
            list(root, inner, &format!("{prefix}{name}."), leave_out, text);
        }
    }
}

/// Lists the values of a key that has a list of them, each with what it means.
fn values(schema: &serde_json::Value, text: &mut String) {
    let constants = schema.get("oneOf").and_then(serde_json::Value::as_array);
    for value in constants.into_iter().flatten() {
        let of = |key: &str| value.get(key).and_then(serde_json::Value::as_str);
        if let (Some(name), Some(meaning)) = (of("const"), of("description")) {
            let meaning = meaning.replace('\n', " ");
            text.push_str(&format!("      \"{name}\": {meaning}\n"));
        }
    }
    let plain = schema.get("enum").and_then(serde_json::Value::as_array);
    let names = plain.into_iter().flatten();
    let names: Vec<String> = names
        .filter_map(|name| Some(format!("\"{}\"", name.as_str()?)))
        .collect();
    if !names.is_empty() {
        text.push_str(&format!("      {}\n", names.join(", ")));
    }
}

/// Follows references, optional values and arrays to the table behind them.
fn resolve<'a>(
    root: &'a serde_json::Value,
    schema: &'a serde_json::Value,
) -> &'a serde_json::Value {
    if let Some(reference) = schema.get("$ref").and_then(serde_json::Value::as_str)
        && let Some(name) = reference.strip_prefix("#/$defs/")
        && let Some(definition) = root
            .get("$defs")
            .and_then(|definitions| definitions.get(name))
    {
        return definition;
    }
    if let Some(any) = schema.get("anyOf").and_then(serde_json::Value::as_array)
        && let Some(first) = any
            .iter()
            .find(|one| one.get("type").and_then(serde_json::Value::as_str) != Some("null"))
    {
        return resolve(root, first);
    }
    match schema.get("items") {
        Some(items) => resolve(root, items),
        None => schema,
    }
}
