//! A baseline as a file: TOML, to be committed, sorted so that the difference of two can be read.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compare::{Area, Difference};
use super::history::{History, Sealed};
use super::{Baseline, Database, Rows};
use crate::catalog;
use crate::outcome::Finding;
use crate::sql::QualifiedName;

/// The version of the format.
const VERSION: u32 = 1;

/// What stands at the top of each file.
const HEAD: &str = "\
# What a database looked like when it was known to be good. redrill wrote this file, and `redrill accept` writes
# into it what a person accepts of what has changed since; commit both. A drill holds a backup against it where
# the scenario says `[[check.baseline]] file = \"…\"`.
";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Wire {
    /// Version of the format.
    baseline: u32,
    taken: jiff::Timestamp,
    from: String,
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dump_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    against: Option<String>,
    database: BTreeMap<String, WireDatabase>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireDatabase {
    /// Written as rows are.
    #[serde(default = "no_rows")]
    large_objects: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_read: Vec<String>,
    /// `120 rows`, or `120 rows` and their digest.
    #[serde(default)]
    rows: BTreeMap<String, String>,
    #[serde(default)]
    sequences: BTreeMap<String, i64>,
    #[serde(default)]
    history: BTreeMap<String, WireHistory>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    difference: Vec<WireDifference>,
    /// Written by [`catalog::file`], which knows how definitions are read best.
    #[serde(default, skip_serializing)]
    catalog: toml::Table,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireDifference {
    area: String,
    object: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    property: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    widened: bool,
    about: String,
    expected: String,
    actual: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WireHistory {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watermark: Option<String>,
    columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    /// Some on each line.
    #[serde(default)]
    newest: String,
}

/// Writes a baseline as text.
///
/// # Errors
/// Never for what [`take`](super::take) gives.
pub fn write(baseline: &Baseline) -> Result<String, String> {
    let database = baseline
        .databases
        .iter()
        .map(|(name, database)| (name.clone(), to_wire(database)))
        .collect();
    let wire = Wire {
        baseline: VERSION,
        taken: baseline.taken,
        from: baseline.from.clone(),
        server: baseline.server.clone(),
        dump_sha256: baseline.dump.clone(),
        against: baseline.against.clone(),
        database,
    };
    let mut text = toml::to_string_pretty(&wire).map_err(|error| error.to_string())?;
    for (name, database) in &baseline.databases {
        text.push('\n');
        let place = ["database", name, "catalog"];
        text.push_str(&catalog::file::write_below(&database.catalog, &place));
    }
    Ok(format!("{HEAD}\n{text}"))
}

fn to_wire(database: &Database) -> WireDatabase {
    let rows = database
        .rows
        .iter()
        .map(|(table, rows)| (table.to_string(), shown(rows)));
    let history = database.history.iter().map(|(table, history)| {
        let (up_to, sealed) = history
            .sealed
            .as_ref()
            .map(|sealed| (sealed.up_to.clone(), sealed.rows.to_string()))
            .unzip();
        let wire = WireHistory {
            watermark: history.watermark.clone(),
            columns: history.columns.clone(),
            up_to,
            sealed,
            newest: lines_of(&history.newest),
        };
        (table.to_string(), wire)
    });
    let difference = database.differences.iter().map(|one| WireDifference {
        area: one.area.word().to_owned(),
        object: one.area.name_of(&one.object),
        property: one.property.clone(),
        widened: one.widened,
        about: one.finding.object.clone().unwrap_or_default(),
        expected: one.finding.expected.clone(),
        actual: one.finding.actual.clone(),
        hint: one.finding.hint.clone(),
    });
    WireDatabase {
        large_objects: shown(&database.large_objects),
        not_read: database.not_read.clone(),
        rows: rows.collect(),
        sequences: database
            .sequences
            .iter()
            .map(|(name, value)| (name.to_string(), *value))
            .collect(),
        history: history.collect(),
        difference: difference.collect(),
        catalog: toml::Table::new(),
    }
}

/// Digests, some on each line.
fn lines_of(digests: &[String]) -> String {
    let lines = digests.chunks(4).map(|line| line.join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads a baseline from a file.
///
/// # Errors
/// That it cannot be read; or what is wrong in it, with its line.
pub fn load(path: &Path) -> Result<Baseline, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the baseline {}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("the baseline {} is not valid: {error}", path.display()))
}

/// Reads a baseline from text.
///
/// # Errors
/// What is wrong in it, with its line.
pub fn parse(text: &str) -> Result<Baseline, String> {
    let wire: Wire =
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    if wire.baseline != VERSION {
        return Err(format!(
            "it is written in format {}, and this version of redrill reads format {VERSION}",
            wire.baseline
        ));
    }
    let databases = wire
        .database
        .into_iter()
        .map(|(name, database)| {
            let read = from_wire(database).map_err(|error| format!("database {name}: {error}"))?;
            Ok((name, read))
        })
        .collect::<Result<_, String>>()?;
    Ok(Baseline {
        taken: wire.taken,
        from: wire.from,
        server: wire.server,
        dump: wire.dump_sha256,
        against: wire.against,
        databases,
    })
}

fn from_wire(wire: WireDatabase) -> Result<Database, String> {
    let rows = wire.rows.into_iter().map(|(table, text)| {
        let rows = rows_of(&text).ok_or_else(|| {
            format!("rows of {table}: expected `120 rows`, or these and a digest, found `{text}`")
        })?;
        Ok((QualifiedName::parse(&table)?, rows))
    });
    let history = wire.history.into_iter().map(|(table, wire)| {
        let sealed = match (wire.up_to, wire.sealed) {
            (Some(up_to), Some(rows)) => Some(Sealed {
                up_to,
                rows: rows
                    .parse()
                    .map_err(|error| format!("history of {table}: {error}"))?,
            }),
            (None, None) => None,
            _ => {
                return Err(format!(
                    "history of {table}: `up-to` and `sealed` stand together"
                ));
            }
        };
        let history = History {
            watermark: wire.watermark,
            columns: wire.columns,
            sealed,
            newest: wire.newest.split_whitespace().map(str::to_owned).collect(),
        };
        Ok((QualifiedName::parse(&table)?, history))
    });
    let differences = wire.difference.into_iter().map(|wire| {
        let area = Area::of(&wire.area)
            .ok_or_else(|| format!("`{}` is no area of a difference", wire.area))?;
        Ok(Difference {
            area,
            object: area.parse_object(&wire.object)?,
            property: wire.property,
            widened: wire.widened,
            fails: true,
            finding: Finding {
                object: Some(wire.about),
                expected: wire.expected,
                actual: wire.actual,
                hint: wire.hint,
            },
        })
    });
    Ok(Database {
        differences: differences.collect::<Result<_, String>>()?,
        rows: rows.collect::<Result<_, String>>()?,
        history: history.collect::<Result<_, String>>()?,
        catalog: catalog::file::from_table(&wire.catalog)?,
        sequences: wire
            .sequences
            .into_iter()
            .map(|(name, value)| Ok((QualifiedName::parse(&name)?, value)))
            .collect::<Result<_, String>>()?,
        large_objects: rows_of(&wire.large_objects).ok_or_else(|| {
            format!(
                "large-objects: expected `2 rows`, found `{}`",
                wire.large_objects
            )
        })?,
        not_read: wire.not_read,
    })
}

/// Writes `120 rows`, with their digest where there is one.
fn shown(rows: &Rows) -> String {
    let digest = rows.digest.as_ref().map(|digest| format!(" {digest}"));
    format!("{} rows{}", rows.count, digest.unwrap_or_default())
}

fn no_rows() -> String {
    "0 rows".to_owned()
}

/// Reads `120 rows`, with or without a digest behind it.
fn rows_of(text: &str) -> Option<Rows> {
    let (count, rest) = text.split_once(" rows")?;
    let digest = match rest.strip_prefix(' ') {
        Some(digest) if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(digest.to_owned())
        }
        None if rest.is_empty() => None,
        Some(_) | None => return None,
    };
    Some(Rows {
        count: count.parse().ok()?,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::RowsDigest;
    use proptest::prelude::*;
    use rstest::rstest;

    fn baseline(database: Database) -> Baseline {
        Baseline {
            taken: "2026-05-25T03:00:00Z".parse().unwrap(),
            from: "database orders".to_owned(),
            server: "17.6".to_owned(),
            dump: None,
            against: None,
            databases: [("orders".to_owned(), database)].into(),
        }
    }

    /// Names as nobody should give them.
    fn any_name() -> impl Strategy<Value = QualifiedName> {
        let one = || "[\\PC\n\"]{1,12}";
        (one(), one()).prop_map(|(schema, name)| QualifiedName { schema, name })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::btree_map(any_name(), (any::<u64>(), any::<bool>()), 0..4),
            table in any_name(),
            sequences in prop::collection::btree_map(any_name(), any::<i64>(), 0..3),
            newest in prop::collection::vec("[0-9a-f]{32}", 0..3),
            up_to in prop::option::of("\\PC{0,12}"),
            value in "\\PC{0,12}\n?\\PC{0,12}",
        ) {
            let mut digest = RowsDigest::default();
            digest.add(value.as_bytes());
            let sealed = up_to.map(|up_to| Sealed { up_to, rows: digest });
            let history = History { watermark: Some(value.clone()), columns: vec![value.clone()], sealed, newest };
            let mut database = Database {
                rows: rows
                    .into_iter()
                    .map(|(table, (count, digests))| (table, Rows { count, digest: digests.then(|| digest.sum()) }))
                    .collect(),
                sequences,
                large_objects: Rows { count: 3, digest: Some(digest.sum()) },
                not_read: vec![value.clone()],
                ..Database::default()
            };
            database.history.insert(table.clone(), history);
            database.differences.push(Difference {
                area: Area::History,
                object: catalog::ObjectId::qualified(catalog::ObjectKind::Table, &table),
                property: Some(value.clone()),
                widened: true,
                fails: true,
                finding: Finding::about(value.clone(), "a", value.clone()),
            });
            database.catalog.objects.insert("table app.t".parse().unwrap(), [("definition".to_owned(), value)].into());
            let baseline = baseline(database);
            prop_assert_eq!(parse(&write(&baseline).unwrap()), Ok(baseline));
        }
    }

    #[rstest]
    #[case("", "missing field")]
    #[case(
        "baseline = 2\ntaken = \"2026-05-25T03:00:00Z\"\nfrom = \"\"\nserver = \"\"\n[database]\n",
        "format 2"
    )]
    #[case(
        "baseline = 1\ntaken = \"2026-05-25T03:00:00Z\"\nfrom = \"\"\nserver = \"\"\n[database.a.rows]\n\"app.t\" = \"many\"\n",
        "rows of app.t"
    )]
    #[case("baseline = 1\nroes = 1\n", "unknown field `roes`")]
    fn mistakes_are_told(#[case] text: &str, #[case] told: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}
