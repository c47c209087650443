//! A baseline as a file: TOML, sorted, to be committed and read in a diff.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::difference::{Area, Difference};
use super::history::{History, Sealed};
use super::{Baseline, Database, RowsState};
use crate::atomic_file;
use crate::catalog;
use crate::digest::parse_sha256;
use crate::outcome::Finding;
use crate::sql::QualifiedName;

/// The version of the format.
const VERSION: u32 = 1;

/// The comment at the top of each file.
const HEAD: &str = "\
# The state of a known-good database, written by redrill: commit it. A drill compares a backup with it if the scenario
# has `[[check.baseline]] file = \"…\"`; `redrill accept` writes the differences that you accept into it.
";

/// Whether a text is a baseline: its first key is `baseline`, the version of the format, which no scenario has.
#[must_use]
pub fn is_baseline(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .and_then(|line| line.split_once('='))
        .is_some_and(|(key, _)| key.trim() == "baseline")
}

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
    /// In the form of `rows`.
    #[serde(default = "no_rows")]
    large_objects: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_read: Vec<String>,
    /// `120 rows`, or `120 rows DIGEST`.
    #[serde(default)]
    rows: BTreeMap<String, String>,
    #[serde(default)]
    sequences: BTreeMap<String, i64>,
    #[serde(default)]
    history: BTreeMap<String, WireHistory>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    difference: Vec<WireDifference>,
    /// Written by [`catalog::file`], which formats definitions for people.
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    weakened: bool,
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
    /// Several on each line.
    #[serde(default)]
    newest: String,
}

/// Writes a baseline as text.
///
/// # Errors
/// When TOML cannot represent a value; never for a baseline from [`take`](super::take).
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
        let path = ["database", name, "catalog"];
        text.push_str(&catalog::file::write_below(&database.catalog, &path));
    }
    Ok(format!("{HEAD}\n{text}"))
}

fn to_wire(database: &Database) -> WireDatabase {
    let rows = database
        .rows
        .iter()
        .map(|(table, rows)| (table.to_string(), write_rows(rows)));
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
            newest: write_digests(&history.newest),
        };
        (table.to_string(), wire)
    });
    let difference = database.differences.iter().map(|one| WireDifference {
        area: one.area.word().to_owned(),
        object: one.area.name_of(&one.object),
        property: one.property.clone(),
        widened: one.widened,
        weakened: one.weakened,
        about: one.finding.object.clone().unwrap_or_default(),
        expected: one.finding.expected.clone(),
        actual: one.finding.actual.clone(),
        hint: one.finding.hint.clone(),
    });
    WireDatabase {
        large_objects: write_rows(&database.large_objects),
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

/// Writes digests, four on each line.
fn write_digests(digests: &[String]) -> String {
    let lines = digests.chunks(4).map(|line| line.join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes a baseline to a file, which is replaced as a whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, baseline: &Baseline) -> Result<(), String> {
    atomic_file::write(path, &write(baseline)?, true).map_err(|error| error.to_string())
}

/// Reads a baseline from a file.
///
/// # Errors
/// That it cannot be read, or what is wrong in it, with its line.
pub fn load(path: &Path) -> Result<Baseline, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the baseline {}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("the baseline {} is not valid: {error}", path.display()))
}

/// Parses a baseline.
///
/// # Errors
/// What is wrong in it, with its line.
pub fn parse(text: &str) -> Result<Baseline, String> {
    let wire: Wire =
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    if wire.baseline != VERSION {
        return Err(format!(
            "expected format {VERSION}, found format {}: it is from another version of redrill",
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
    let differences = wire.difference.into_iter().map(|wire| {
        let mut areas = Area::ALL.into_iter();
        let area = areas
            .find(|area| area.word() == wire.area)
            .ok_or_else(|| format!("`{}` is not an area of a difference", wire.area))?;
        Ok(Difference {
            area,
            object: area.parse_object(&wire.object)?,
            property: wire.property,
            widened: wire.widened,
            weakened: wire.weakened,
            fails: true,
            finding: Finding {
                object: Some(wire.about),
                expected: wire.expected,
                actual: wire.actual,
                hint: wire.hint,
                waived: None,
            },
        })
    });
    Ok(Database {
        differences: differences.collect::<Result<_, String>>()?,
        rows: parse_each("rows", wire.rows, |text| parse_rows(&text))?,
        history: parse_each("history", wire.history, parse_history)?,
        catalog: catalog::file::from_table(&wire.catalog)?,
        sequences: parse_each("sequences", wire.sequences, Ok)?,
        large_objects: parse_rows(&wire.large_objects)
            .map_err(|error| format!("large-objects: {error}"))?,
        not_read: wire.not_read,
    })
}

/// Parses the names and values of a table of the file.
fn parse_each<W, T>(
    what: &str,
    wire: BTreeMap<String, W>,
    parse: impl Fn(W) -> Result<T, String>,
) -> Result<BTreeMap<QualifiedName, T>, String> {
    let entries = wire.into_iter().map(|(name, value)| {
        let value = parse(value).map_err(|error| format!("{what} of {name}: {error}"))?;
        Ok((QualifiedName::parse(&name)?, value))
    });
    entries.collect()
}

fn parse_history(wire: WireHistory) -> Result<History, String> {
    let sealed = match (wire.up_to, wire.sealed) {
        (Some(up_to), Some(rows)) => Some(Sealed {
            up_to,
            rows: rows.parse()?,
        }),
        (None, None) => None,
        _ => return Err("`up-to` needs `sealed`, and `sealed` needs `up-to`".to_owned()),
    };
    Ok(History {
        watermark: wire.watermark,
        columns: wire.columns,
        sealed,
        newest: wire.newest.split_whitespace().map(str::to_owned).collect(),
    })
}

/// Writes `120 rows`, or `120 rows DIGEST`.
fn write_rows(rows: &RowsState) -> String {
    let digest = rows.digest.as_ref().map(|digest| format!(" {digest}"));
    format!("{} rows{}", rows.count, digest.unwrap_or_default())
}

fn no_rows() -> String {
    "0 rows".to_owned()
}

/// Parses `120 rows`, or `120 rows DIGEST`.
fn parse_rows(text: &str) -> Result<RowsState, String> {
    let parse = || {
        let (count, rest) = text.split_once(" rows")?;
        let digest = match rest.strip_prefix(' ') {
            Some(digest) => Some(parse_sha256(digest)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(RowsState {
            count: count.parse().ok()?,
            digest,
        })
    };
    parse().ok_or_else(|| format!("expected `120 rows` or `120 rows DIGEST`, found `{text}`"))
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

    /// Unusual names.
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
                    .map(|(table, (count, digests))| (table, RowsState { count, digest: digests.then(|| digest.sum()) }))
                    .collect(),
                sequences,
                large_objects: RowsState { count: 3, digest: Some(digest.sum()) },
                not_read: vec![value.clone()],
                ..Database::default()
            };
            database.history.insert(table.clone(), history);
            database.differences.push(Difference {
                area: Area::History,
                object: catalog::ObjectId::qualified(catalog::ObjectKind::Table, &table),
                property: Some(value.clone()),
                widened: true,
                weakened: true,
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
    fn mistakes_are_reported(#[case] text: &str, #[case] expected: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
